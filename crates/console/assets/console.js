// The console works without this file. It adds: generated passwords, looking again by itself, passkeys, names of policies while
// one is typed, and what is wrong with a policy while it is written.
"use strict";

// A button beside each new password that makes a strong one, shows it, and fills the field that repeats it too; and one that copies it.
const KINDS = ["ABCDEFGHJKLMNPQRSTUVWXYZ", "abcdefghijkmnopqrstuvwxyz", "23456789", "!#$%^&*()_+-="];

function pick(characters) {
  // Values beyond the last whole multiple would favour the first characters.
  const limit = 256 - (256 % characters.length);
  for (;;) {
    const [value] = crypto.getRandomValues(new Uint8Array(1));
    if (value < limit) return characters[value % characters.length];
  }
}

function generate() {
  const all = KINDS.join("");
  for (;;) {
    const password = Array.from({ length: 24 }, () => pick(all)).join("");
    if (KINDS.every((kind) => [...password].some((character) => kind.includes(character)))) return password;
  }
}

for (const field of document.querySelectorAll("input[data-generate]")) {
  const button = document.createElement("button");
  button.type = "button";
  button.className = "quiet small";
  button.textContent = "Generate";
  button.addEventListener("click", () => {
    const password = generate();
    for (const each of field.form.querySelectorAll("input[autocomplete=new-password]")) {
      each.type = "text";
      each.value = password;
    }
    field.focus();
    field.select();
    copy.hidden = !navigator.clipboard;
  });
  const copy = document.createElement("button");
  copy.type = "button";
  copy.className = "quiet small";
  copy.textContent = "Copy";
  copy.hidden = true;
  copy.addEventListener("click", async () => {
    const copied = await navigator.clipboard.writeText(field.value).then(() => true, () => false);
    copy.textContent = copied ? "Copied" : "Copy it by hand";
  });
  const beside = document.createElement("div");
  beside.className = "beside";
  const focused = document.activeElement === field;
  field.replaceWith(beside);
  beside.append(field, button, copy);
  if (focused) field.focus();
}

// Looks again while others decide; once, by the clock or by the button: what is approved lets in one of two.
const again = document.querySelector("meta[name=rootward-look-again]");
const waiting = document.querySelector("form[data-look-again]");
if (again && waiting) {
  const timer = setTimeout(() => waiting.requestSubmit(), Number(again.content) * 1000);
  waiting.addEventListener("submit", () => {
    clearTimeout(timer);
    waiting.querySelector("button").disabled = true;
  });
}

// Passkeys: the server's options as the browser wants them, and the browser's answer as a text for the form.
function bytes(text) {
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (character) => character.charCodeAt(0));
}

function text(buffer) {
  return btoa(String.fromCharCode(...new Uint8Array(buffer))).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

function withBytes(options) {
  options.challenge = bytes(options.challenge);
  if (options.user) options.user.id = bytes(options.user.id);
  for (const list of [options.excludeCredentials, options.allowCredentials]) {
    for (const each of list ?? []) each.id = bytes(each.id);
  }
  return options;
}

function withTexts(credential) {
  const { response } = credential;
  const names = ["clientDataJSON", "attestationObject", "authenticatorData", "signature", "userHandle"];
  const present = names.filter((name) => response[name]);
  return JSON.stringify({
    id: credential.id,
    rawId: text(credential.rawId),
    type: credential.type,
    response: Object.fromEntries(present.map((name) => [name, text(response[name])])),
    extensions: credential.getClientExtensionResults(),
  });
}

// In our words: those of browsers are for developers.
const REFUSALS = {
  InvalidStateError: "This passkey or security key is registered here already. Take another one.",
  NotAllowedError: "Nothing has happened: it was cancelled, or took too long. Press the button to try again.",
  SecurityError: "The browser gives no passkey to this address.",
};

async function ceremony(form) {
  const kind = form.dataset.passkey;
  const publicKey = withBytes(JSON.parse(form.dataset.options).publicKey);
  const credential = await navigator.credentials[kind]({ publicKey });
  form.elements.credential.value = withTexts(credential);
  form.submit();
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  const run = async (event) => {
    event?.preventDefault();
    const notice = form.querySelector("[role=alert]");
    notice.hidden = true;
    try {
      await ceremony(form);
    } catch (error) {
      notice.textContent = window.PublicKeyCredential
        ? REFUSALS[error.name] ?? "The passkey could not be used. Try again, or take another second factor."
        : "This browser gives passkeys only to pages of https or localhost.";
      notice.hidden = false;
    }
  };
  form.addEventListener("submit", run);
  if (form.dataset.passkey === "create") run();
}

// What is wrong with the policy in an editor, below it.
const CHECK_AFTER_MS = 400;

async function findings(field) {
  const { mark } = field.form.elements;
  const body = new URLSearchParams({ mark: mark.value, kind: field.dataset.policy, document: field.value });
  const answer = await fetch("/console/policies/check", { method: "POST", body });
  if (!answer.ok || answer.redirected) throw new Error(answer.statusText);
  return answer.json();
}

// What stands between backticks is code. A backtick without its partner is one of the text.
function words(text) {
  const pieces = text.split("`");
  if (pieces.length % 2 === 0) return [text];
  return pieces.map((piece, index) => {
    if (index % 2 === 0) return piece;
    const code = document.createElement("code");
    code.textContent = piece;
    return code;
  });
}

const SEVERITIES = { error: "Error", warning: "Warning", note: "Note" };

function item({ line, column, severity, message, help }) {
  const entry = document.createElement("li");
  entry.className = severity;
  const strong = document.createElement("strong");
  strong.textContent = SEVERITIES[severity];
  const advice = help.charAt(0).toUpperCase() + help.slice(1);
  const stop = /[?.]$/.test(advice) ? "" : ".";
  entry.append(strong, `, line ${line}, column ${column}: `, ...words(message), ". ", ...words(advice + stop));
  return entry;
}

for (const [index, field] of document.querySelectorAll("textarea[data-policy]").entries()) {
  // The page has the list already where something was written and refused.
  let list = field.nextElementSibling;
  if (!list?.classList.contains("findings")) {
    list = document.createElement("ul");
    list.className = "findings";
    list.setAttribute("aria-live", "polite");
    field.insertAdjacentElement("afterend", list);
  }
  list.id = `findings-${index}`;
  field.setAttribute("aria-describedby", list.id);
  let last = 0;
  let timer;
  const check = async () => {
    const asked = ++last;
    // Without an answer nothing is known to be wrong; saving tells.
    const found = await findings(field).catch(() => []);
    if (asked === last) list.replaceChildren(...found.map(item));
  };
  field.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(check, CHECK_AFTER_MS);
  });
}

// The names of all policies that can be attached, once somebody is about to type one. Without an answer a few stay to choose from.
for (const field of document.querySelectorAll("input[data-policies]")) {
  field.addEventListener("focus", async () => {
    const answer = await fetch("/console/policies/names").catch(() => null);
    if (!answer?.ok || answer.redirected) return;
    const options = (await answer.json()).map(({ arn, name, own }) => {
      const option = document.createElement("option");
      option.value = arn;
      option.label = own ? `${name} (this account's)` : name;
      return option;
    });
    field.list.replaceChildren(...options);
  }, { once: true });
}
