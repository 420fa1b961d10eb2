//! `rootward decide`: cases in, decisions out; why, and how fast.

mod bench;
mod meter;

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rootward_insight::{Asked, Document, Input, ask, told};
use rootward_policy::{Decision, Explanation};
use serde_json::{Value, json};

use crate::text::{self, printable};
use crate::{Answer, Failure, Outcome};

/// Decide cases: policies and a request in, `allowed`, `explicitDeny` or `implicitDeny` out.
///
/// Prints one line for each case, `ID<TAB>DECISION`. A case that says what it expects and is decided otherwise is told on
/// standard error.
///
/// Exit code: 0, 1 if a case is decided otherwise than expected, 2 if an input or an argument is wrong, 3 if a file cannot be
/// read.
#[derive(Args)]
#[command(after_long_help = BENCH_HELP)]
pub(crate) struct Decide {
    /// Files of cases (one, a list, or one after another) or a benchmark corpus; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Tell why, below each line: every layer of policies, every statement about the action, what did not fit.
    #[arg(long, conflicts_with = "bench")]
    explain: bool,
    /// How to print decisions.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    /// Measure instead: prints `NAME<TAB>decisions/s<TAB>p50 µs<TAB>p99 µs<TAB>allowed<TAB>denied` for each file.
    #[arg(long)]
    bench: bool,
    /// With --bench: print more figures, each on a line that begins with two spaces.
    #[arg(long, requires = "bench")]
    verbose: bool,
    /// With --bench --verbose: measure on this many threads, too.
    #[arg(long, requires = "verbose", value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1024))]
    threads: u16,
}

const BENCH_HELP: &str = "\
What --bench measures, with policies read, compiled and attached before:
  A request in (principal, action and resource as strings, condition keys as a filled context), a decision with the statement
  that decided out. Nothing else is inside: no parsing, no clock, no output. Decisions a second are those of one thread by its
  processor time, over all requests in turn, median of five rounds. p50 and p99 are by the wall clock over single requests; what
  reading the clock costs is taken off, and where a decision does not take much longer than that, the same request is decided
  several times and the time divided.
  --verbose adds: the same with principal and context made of strings inside; decisions with explanation; compiling policies
  from text; memory of compiled policies (growth of resident memory; Linux; most exact for one file alone); several threads.";

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One object a line.
    Json,
    /// One line a case.
    Text,
}

/// How it went, over all files.
#[derive(Default)]
struct Tally {
    differing: usize,
    wrong: usize,
    unread: usize,
}

pub(crate) fn run(args: &Decide) -> Outcome {
    let mut tally = Tally::default();
    let mut out = std::io::BufWriter::new(std::io::stdout().lock());
    for file in &args.files {
        let Some(input) = read(file, &mut tally) else { continue };
        let written = ask(&input.scenarios, |asked| {
            tally.differing += asked.iter().filter(|asked| is_differing(asked)).count();
            if args.bench { Ok(()) } else { asked.iter().try_for_each(|asked| print(args, &mut out, asked)) }
        });
        let written =
            written.and_then(|()| if args.bench { measure(args, &mut out, file, &input) } else { Ok(()) });
        // Whoever read this has seen enough.
        if written.and_then(|()| out.flush()).is_err() {
            break;
        }
    }
    match tally {
        Tally { unread: 1.., .. } => Err(Failure::Impossible("not every file could be read".to_owned())),
        Tally { wrong: 1.., .. } => Err(Failure::Wrong("not everything could be decided".to_owned())),
        Tally { differing: 1.., .. } => Ok(Answer::No),
        Tally { differing: 0, wrong: 0, unread: 0 } => Ok(Answer::Yes),
    }
}

/// None, and the reason on standard error, if nothing can be read.
fn read(file: &Path, tally: &mut Tally) -> Option<Input> {
    let name = text::name(file);
    let bytes = match text::read(file) {
        Ok(bytes) => bytes,
        Err(error) => {
            text::aside(format_args!("rootward: cannot read {name}: {error}"));
            tally.unread += 1;
            return None;
        }
    };
    let Ok(text) = String::from_utf8(bytes) else {
        text::aside(format_args!("rootward: {name}: it is not UTF-8"));
        tally.wrong += 1;
        return None;
    };
    let input = Input::read(&text);
    for unreadable in &input.unreadable {
        text::aside(format_args!("rootward: {name}: {unreadable}"));
    }
    tally.wrong += input.unreadable.len();
    Some(input)
}

fn is_differing(asked: &Asked<'_>) -> bool {
    let outcome = asked.decide().outcome;
    let Some(expected) = asked.question.expected.filter(|expected| *expected != outcome) else {
        return false;
    };
    text::aside(format_args!(
        "rootward: {}: expected {expected}, decided {outcome}",
        printable(&asked.question.id)
    ));
    true
}

fn print(args: &Decide, out: &mut impl Write, asked: &Asked<'_>) -> std::io::Result<()> {
    let explanation = args.explain.then(|| asked.explain());
    let decision = asked.decide();
    match args.format {
        Format::Json => writeln!(out, "{}", json(asked, &decision, explanation.as_ref())),
        Format::Text => {
            writeln!(out, "{}\t{}", printable(&asked.question.id), decision.outcome)?;
            explanation.map_or(Ok(()), |explanation| explain(out, asked, &explanation))
        }
    }
}

fn explain(out: &mut impl Write, asked: &Asked<'_>, explanation: &Explanation<'_>) -> std::io::Result<()> {
    for line in explanation.to_string().lines() {
        writeln!(out, "  {}", printable(line))?;
    }
    for document in asked.unreadable() {
        writeln!(out, "  {} cannot be read and so denies everything:", printable(&document.name))?;
        for problem in document.problems.iter().flat_map(|problems| problems.iter()) {
            writeln!(out, "    {}: {}; {}", problem.place.start, problem.message, problem.help)?;
        }
    }
    Ok(())
}

fn json(asked: &Asked<'_>, decision: &Decision<'_>, explanation: Option<&Explanation<'_>>) -> Value {
    json!({
        "id": asked.question.id,
        "decision": decision.outcome.to_string(),
        "layer": decision.layer.name(),
        "statement": decision.cause.as_ref().map(told::statement),
        "expected": asked.question.expected.map(|expected| expected.to_string()),
        "explanation": explanation.map(told::explanation),
        "unreadable": explanation.map(|_| asked.unreadable().map(unreadable_json).collect::<Value>()),
    })
}

fn unreadable_json(document: &Document) -> Value {
    let problems = document.problems.iter().flat_map(|problems| problems.iter()).map(|problem| {
        let start = problem.place.start;
        json!({"line": start.line, "column": start.column, "message": problem.message, "help": problem.help})
    });
    json!({"source": document.name, "problems": problems.collect::<Value>()})
}

fn measure(args: &Decide, out: &mut impl Write, file: &Path, input: &Input) -> std::io::Result<()> {
    if input.scenarios.iter().all(|scenario| scenario.questions.is_empty()) {
        return Ok(());
    }
    let stem = || file.file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    let name = input.name.clone().unwrap_or_else(stem);
    let report = bench::measure(input, &name, args.verbose, usize::from(args.threads));
    match args.format {
        Format::Json => writeln!(out, "{}", report.json()),
        Format::Text => write!(out, "{}", report.text()),
    }
}
