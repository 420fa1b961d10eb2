//! `rootward trail`: reading and proving the audit trail.

use clap::{Args, Subcommand, ValueEnum};
use rootward_server::operator::Command;
use serde_json::Value;

use crate::text::{self, printable};
use crate::{Answer, Data, Failure, Outcome};

#[derive(Subcommand)]
pub(crate) enum Trail {
    /// Print the newest records, oldest first.
    Tail(Tail),
    /// Prove that no record was changed, removed or added afterwards.
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Tail {
    /// How many records; of one account, at most 10,000.
    #[arg(short = 'n', long, default_value_t = 20, value_name = "N")]
    lines: usize,
    /// Only this account's records.
    #[arg(long, value_name = "ID")]
    account: Option<rootward_names::AccountId>,
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One CloudTrail record a line.
    Json,
    /// Time, event, who and how it ended.
    Text,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Proof {
    /// For programs: `whole`, `records` and `fault`.
    Json,
    /// For people.
    Text,
}

#[derive(Args)]
pub(crate) struct Verify {
    /// How to print the outcome.
    #[arg(long, value_enum, default_value_t = Proof::Text)]
    format: Proof,
    #[command(flatten)]
    data: Data,
}

pub(crate) fn run(command: Trail) -> Outcome {
    match command {
        Trail::Tail(args) => tail(&args),
        Trail::Verify(args) => verify(&args),
    }
}

fn tail(args: &Tail) -> Outcome {
    match args.account {
        Some(_) => {
            let command = Command::TailTrail { lines: args.lines, account: args.account };
            print(args.format, &args.data.ask(command)?);
        }
        None => tail_of_all(args)?,
    }
    Ok(Answer::Yes)
}

/// In portions, so that neither side ever holds more than one of them.
fn tail_of_all(args: &Tail) -> Result<(), Failure> {
    let length = number(&args.data.ask(Command::TrailLength)?, "records");
    let mut after = length.saturating_sub(u64::try_from(args.lines).unwrap_or(u64::MAX));
    while after < length {
        let portion = args.data.ask(Command::ReadTrail { after })?;
        print(args.format, &portion);
        let last = number(&portion, "last");
        if last == after {
            break;
        }
        after = last;
    }
    Ok(())
}

fn number(answer: &Value, name: &str) -> u64 {
    answer.get(name).and_then(Value::as_u64).unwrap_or_default()
}

fn print(format: Format, answer: &Value) {
    let records = answer.get("records").and_then(Value::as_array).into_iter().flatten();
    text::lines(records.map(|record| match format {
        Format::Json => record.to_string(),
        Format::Text => printable(&line(record)),
    }));
}

fn line(record: &Value) -> String {
    let text = |pointer| record.pointer(pointer).and_then(Value::as_str).unwrap_or("-");
    let ended = match text("/errorCode") {
        // A sign-in that failed has a message and no code.
        "-" => match text("/errorMessage") {
            "-" => "ok".to_owned(),
            message => message.to_owned(),
        },
        code => format!("{code}: {}", text("/errorMessage")),
    };
    let who = match text("/userIdentity/arn") {
        "-" => text("/userIdentity/type"),
        arn => arn,
    };
    let source = text("/eventSource").trim_end_matches(".amazonaws.com");
    format!(
        "{}  {source}:{}  {who}  {}  {ended}",
        text("/eventTime"),
        text("/eventName"),
        text("/sourceIPAddress")
    )
}

fn verify(args: &Verify) -> Outcome {
    let report = args.data.ask(Command::VerifyTrail)?;
    match args.format {
        Proof::Json => text::line(format_args!("{report:#}")),
        Proof::Text => text::line(told(&report)),
    }
    let whole = report.get("whole").and_then(Value::as_bool) == Some(true);
    Ok(if whole { Answer::Yes } else { Answer::No })
}

fn told(report: &Value) -> String {
    let records = number(report, "records");
    let Some(fault) = report.get("fault").filter(|fault| !fault.is_null()) else {
        return format!("whole, {records} records");
    };
    let cause = fault.get("cause").and_then(Value::as_str).unwrap_or_default();
    format!(
        "not whole: record {}: {}; {records} records before it are proven",
        number(fault, "record"),
        printable(cause)
    )
}
