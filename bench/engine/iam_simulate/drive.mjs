// Asks an installed iam-simulate the requests of a corpus: node drive.mjs CORPUS runSimulation|runUnsafeSimulation
// Only what the package exports is used. Prints one JSON object, as the other peers do.
import { readFileSync } from "node:fs";
import * as simulate from "@cloud-copilot/iam-simulate";

const ANSWERS_MAX_MS = 20_000;
const ROUND_CPU_US = 1_000_000;
const ROUNDS = 3;

const [, , file, entry] = process.argv;
const corpus = JSON.parse(readFileSync(file, "utf8"));
const named = (policies) => policies.map(({ name, document }) => ({ name, policy: document }));
const simulations = corpus.requests.map((request) => ({
  request: {
    principal: corpus.principal.arn,
    action: request.action,
    resource: { resource: request.resource, accountId: request.resource_account },
    contextVariables: request.context,
  },
  identityPolicies: named(corpus.identity_policies),
  serviceControlPolicies: corpus.scps.map(({ level, policies }) => ({ orgIdentifier: level, policies: named(policies) })),
  resourceControlPolicies: [],
  resourcePolicy: request.resource_policy === null ? undefined : corpus.resource_policies[request.resource_policy].document,
  permissionBoundaryPolicies: corpus.permissions_boundary === null ? undefined : named([corpus.permissions_boundary]),
}));

const WORDS = { Allowed: "allowed", ExplicitlyDenied: "explicitDeny", ImplicitlyDenied: "implicitDeny" };
const run = {
  runSimulation: async (at) => (await simulate.runSimulation(simulations[at], {})).overallResult,
  runUnsafeSimulation: async (at) => simulate.runUnsafeSimulation(simulations[at], {}),
}[entry];

// With a resource policy the quick entry of this version ends in a TypeError; those requests are left out.
const takes = (at) => entry === "runSimulation" || simulations[at].resourcePolicy === undefined;

const answers = [];
const begin = performance.now();
for (let at = 0; at < simulations.length && performance.now() - begin < ANSWERS_MAX_MS; at++) {
  answers.push(takes(at) ? (WORDS[await run(at)] ?? "failed") : null);
}

const cpu = () => { const { user, system } = process.cpuUsage(); return user + system; };
const rates = [], waits = [];
let at = 0;
for (let round = 0; round < ROUNDS; round++) {
  const from = cpu();
  let items = 0, taken = 0;
  do {
    while (!takes(at)) at = (at + 1) % simulations.length;
    const start = process.hrtime.bigint();
    await run(at);
    waits.push(Number(process.hrtime.bigint() - start) / 1e3);
    at = (at + 1) % simulations.length;
    items++;
    taken = cpu() - from;
  } while (taken < ROUND_CPU_US);
  rates.push((items * 1e6) / taken);
}
const of = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
rates.sort((a, b) => a - b);
waits.sort((a, b) => a - b);
console.log(JSON.stringify({
  engine: `iam-simulate ${entry}`, corpus: corpus.name, perSecond: of(rates, 0.5), p50Us: of(waits, 0.5), p99Us: of(waits, 0.99),
  answers, note: "reads the policies for each request: its interface takes no compiled ones",
}));
