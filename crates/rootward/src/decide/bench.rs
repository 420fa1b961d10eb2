//! `rootward decide --bench`: how fast the questions of an input are decided.

use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

use rootward_insight::{Asked, Document, Input, Scenario, ask};
use rootward_policy::{Context, Policy, PolicyKind, Program, Request, decide};
use serde_json::{Value, json};

use super::meter::{self, Figures};

/// What was measured of one input.
pub(super) struct Report {
    pub(super) name: String,
    allowed: usize,
    denied: usize,
    decide: Figures,
    extra: Option<Extra>,
}

/// What the fixed columns have no place for.
struct Extra {
    with_request: Figures,
    explain_per_second: f64,
    policies: usize,
    policy_bytes: usize,
    /// Parsed, checked as if it were to be saved, compiled.
    compile_mb_per_second: f64,
    /// Without the checks, as what is stored is compiled.
    compile_stored_mb_per_second: f64,
    memory_bytes: Option<u64>,
    threads: Option<Threads>,
}

/// How several threads compare with one.
struct Threads {
    count: usize,
    /// Decisions a second of all together, by the wall clock: what the machine has left to give.
    per_second: f64,
    /// Ratio to one thread by the wall clock.
    times: f64,
    /// The same by each thread's processor time: what the threads take from each other.
    times_of_processor: f64,
}

/// Measures an input; `whole` adds the extra figures.
pub(super) fn measure(input: &Input, name: &str, whole: bool, threads: usize) -> Report {
    let documents = documents(input);
    // First, while little memory is free to be used again.
    let memory_bytes = if whole { memory(&documents) } else { None };
    ask(&input.scenarios, |asked| {
        let allowed = asked.iter().filter(|asked| asked.decide().is_allowed()).count();
        let decide = meter::measure(asked.len(), |at| decide_one(asked, at));
        let extra = || Extra {
            with_request: meter::measure(asked.len(), |at| build_and_decide(asked, at)),
            explain_per_second: meter::rate(asked.len(), |at| {
                black_box(asked.get(at).map(|asked| black_box(asked).explain()));
            }),
            policies: documents.len(),
            policy_bytes: text_bytes(&documents),
            compile_mb_per_second: text_rate(&documents, |document, kind| {
                // One that would not be saved is compiled as stored.
                let checked = Policy::parse(&document.text, kind).map(Program::compile);
                black_box(checked.unwrap_or_else(|_| Program::of_stored(&document.text)));
            }),
            compile_stored_mb_per_second: text_rate(&documents, |document, _| {
                black_box(Program::of_stored(black_box(&document.text)));
            }),
            memory_bytes,
            threads: (threads > 1).then(|| scaling(asked, threads)),
        };
        Report {
            name: name.to_owned(),
            allowed,
            denied: asked.len() - allowed,
            decide,
            extra: whole.then(extra),
        }
    })
}

/// A request of strings and a context in, a decision with its statement out; policies are compiled and attached.
fn decide_one(asked: &[Asked<'_>], at: usize) {
    if let Some(Asked { request, policies, .. }) = asked.get(at) {
        black_box(decide(black_box(request), black_box(policies)));
    }
}

/// The same, and the principal and the context are made of strings first.
fn build_and_decide(asked: &[Asked<'_>], at: usize) {
    let Some(Asked { question, policies, .. }) = asked.get(at) else { return };
    let question = black_box(*question);
    let (principal, mut context) = (question.caller.principal(), Context::new());
    question.fill(&principal, &mut context);
    let request = Request {
        principal: &principal,
        action: &question.action,
        resource: &question.resource,
        resource_account: question.resource_account,
        context: &context,
    };
    black_box(decide(&request, black_box(policies)));
}

/// A document and what it is attached to.
type Kinded<'a> = (&'a Document, PolicyKind);

fn documents<'a>(input: &'a Input) -> Vec<Kinded<'a>> {
    let mut documents = Vec::new();
    for Scenario { policies, resource_policies, .. } in &input.scenarios {
        let mut add = |kind, listed: &mut dyn Iterator<Item = &'a Document>| {
            documents.extend(listed.map(|document| (document, kind)));
        };
        add(PolicyKind::Identity, &mut policies.identity.iter());
        add(PolicyKind::Boundary, &mut policies.boundary.iter());
        add(PolicyKind::Guard, &mut policies.guard.iter());
        add(PolicyKind::Session, &mut policies.session.iter().flatten());
        add(PolicyKind::Scp, &mut policies.scps.iter().flatten().flatten());
        add(PolicyKind::Rcp, &mut policies.rcps.iter().flatten().flatten());
        add(PolicyKind::Endpoint, &mut policies.endpoint.iter().flatten());
        add(PolicyKind::Resource, &mut resource_policies.iter());
    }
    documents
}

fn text_bytes(documents: &[Kinded<'_>]) -> usize {
    documents.iter().map(|(document, _)| document.text.len()).sum()
}

/// MB of text a second.
fn text_rate(documents: &[Kinded<'_>], run: impl Fn(&Document, PolicyKind)) -> f64 {
    if documents.is_empty() {
        return 0.0;
    }
    let rate = meter::rate(documents.len(), |at| {
        if let Some((document, kind)) = documents.get(at) {
            run(document, *kind);
        }
    });
    rate * text_bytes(documents) as f64 / documents.len() as f64 / 1e6
}

/// Text compiled to see what programs take: enough for what was resident before not to matter.
const MEMORY_TEXT_BYTES: usize = 64 << 20;

/// By how much resident memory grows for each `policy_bytes` of the documents.
fn memory(documents: &[Kinded<'_>]) -> Option<u64> {
    let before = resident_bytes()?;
    let rounds = MEMORY_TEXT_BYTES.checked_div(text_bytes(documents))? + 1;
    let programs: Vec<Program> = (0..rounds)
        .flat_map(|_| documents.iter().map(|(document, _)| Program::of_stored(&document.text)))
        .collect();
    let grown = resident_bytes()?.checked_sub(before)?;
    drop(black_box(programs));
    grown.checked_div(u64::try_from(rounds).ok()?)
}

/// Linux only.
fn resident_bytes() -> Option<u64> {
    let pages: u64 = std::fs::read_to_string("/proc/self/statm").ok()?.split(' ').nth(1)?.parse().ok()?;
    Some(pages * u64::try_from(rustix::param::page_size()).ok()?)
}

/// One thread and several in turns; medians.
fn scaling(asked: &[Asked<'_>], count: usize) -> Threads {
    let turns: Vec<_> = (0..5).map(|_| (on_threads(asked, 1), on_threads(asked, count))).collect();
    let median = |of: &dyn Fn(&(Rates, Rates)) -> f64| {
        let mut values: Vec<f64> = turns.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Threads {
        count,
        per_second: median(&|(_, all)| all.wall),
        times: median(&|(one, all)| all.wall / one.wall),
        times_of_processor: median(&|(one, all)| all.processor / one.processor),
    }
}

/// Decisions a second of all threads together.
#[derive(Default)]
struct Rates {
    wall: f64,
    processor: f64,
}

/// Each thread goes round the questions from a place of its own.
fn on_threads(asked: &[Asked<'_>], count: usize) -> Rates {
    const TURN: Duration = Duration::from_millis(300);
    let barrier = Barrier::new(count);
    std::thread::scope(|scope| {
        let begin = |thread: usize| {
            let barrier = &barrier;
            scope.spawn(move || {
                barrier.wait();
                let (start, processor, mut done) = (Instant::now(), meter::processor_time(), 0);
                while start.elapsed() < TURN {
                    for _ in 0..1000 {
                        decide_one(asked, (done + thread * asked.len() / count) % asked.len());
                        done += 1;
                    }
                }
                let processor = meter::processor_time() - processor;
                (done as f64 / start.elapsed().as_secs_f64(), done as f64 / processor.as_secs_f64())
            })
        };
        let threads: Vec<_> = (0..count).map(begin).collect();
        let rates = threads.into_iter().filter_map(|thread| thread.join().ok());
        rates.fold(Rates::default(), |sum, (wall, processor)| Rates {
            wall: sum.wall + wall,
            processor: sum.processor + processor,
        })
    })
}

impl Report {
    /// The fixed columns, and the extra figures on indented lines.
    pub(super) fn text(&self) -> String {
        let Self { name, allowed, denied, decide, extra } = self;
        let Figures { per_second, p50_us, p99_us, .. } = decide;
        let name = crate::text::printable(name);
        let mut text = format!("{name}\t{per_second:.0}\t{p50_us:.3}\t{p99_us:.3}\t{allowed}\t{denied}\n");
        if let Some(extra) = extra {
            for (figure, value) in extra.lines(decide) {
                text.push_str(&format!("  {figure}\t{value}\n"));
            }
        }
        text
    }

    pub(super) fn json(&self) -> Value {
        let Self { name, allowed, denied, decide, extra } = self;
        json!({"name": name, "allowed": allowed, "denied": denied, "decide": figures(decide),
               "verbose": extra.as_ref().map(Extra::json)})
    }
}

fn figures(figures: &Figures) -> Value {
    json!({"perSecond": figures.per_second, "p50Us": figures.p50_us, "p99Us": figures.p99_us,
           "batch": figures.batch, "clockNs": figures.clock_ns})
}

impl Extra {
    fn json(&self) -> Value {
        let threads = self.threads.as_ref().map(|threads| {
            json!({"count": threads.count, "perSecond": threads.per_second, "times": threads.times, "timesOfProcessor": threads.times_of_processor})
        });
        json!({
            "withRequest": figures(&self.with_request),
            "explanationsPerSecond": self.explain_per_second,
            "policies": self.policies,
            "policyBytes": self.policy_bytes,
            "programBytes": self.memory_bytes,
            "compileMBPerSecond": self.compile_mb_per_second,
            "compileStoredMBPerSecond": self.compile_stored_mb_per_second,
            "threads": threads,
        })
    }

    fn lines(&self, decide: &Figures) -> Vec<(&'static str, String)> {
        let Figures { per_second, p50_us, p99_us, .. } = self.with_request;
        let mut lines = vec![
            ("clock, taken off each latency", format!("{:.0} ns", decide.clock_ns)),
            ("repetitions in one latency", decide.batch.to_string()),
            (
                "with principal and context made of strings",
                format!("{per_second:.0}/s\t{p50_us:.3} µs\t{p99_us:.3} µs"),
            ),
            ("with explanation", format!("{:.0}/s", self.explain_per_second)),
            ("policies", format!("{}\t{} bytes", self.policies, self.policy_bytes)),
            ("parsing, checking and compiling", format!("{:.0} MB/s", self.compile_mb_per_second)),
            ("parsing and compiling", format!("{:.0} MB/s", self.compile_stored_mb_per_second)),
        ];
        if let Some(bytes) = self.memory_bytes {
            let share = bytes as f64 / self.policy_bytes.max(1) as f64;
            lines.push(("memory of the programs", format!("{bytes} bytes\t{share:.2} × the text")));
        }
        if let Some(Threads { count, per_second, times, times_of_processor }) = &self.threads {
            let times = format!("{times:.2} × one thread, {times_of_processor:.2} × by processor time");
            lines.push(("threads", format!("{count}\t{per_second:.0}/s\t{times}")));
        }
        lines
    }
}
