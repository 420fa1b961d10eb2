//! `rootward trail`: reading and proving the audit trail.

use clap::{Args, Subcommand, ValueEnum};
use rootward_server::operator::{self, Command};

use crate::{Data, Outcome, failed};

#[derive(Subcommand)]
pub(crate) enum Trail {
    /// Print the newest records, oldest first.
    Tail(Tail),
    /// Prove that no record was changed, removed or added afterwards.
    Verify(Verify),
}

#[derive(Args)]
pub(crate) struct Tail {
    /// How many records, at most 10,000.
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

#[derive(Args)]
pub(crate) struct Verify {
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
    let command = Command::TailTrail { lines: args.lines, account: args.account };
    let answer = match operator::run(&args.data.location(), command) {
        Ok(answer) => answer,
        Err(error) => return failed(&error),
    };
    for record in answer.as_array().into_iter().flatten() {
        match args.format {
            Format::Json => println!("{record}"),
            Format::Text => println!("{}", line(record)),
        }
    }
    Outcome::Fine
}

fn line(record: &serde_json::Value) -> String {
    let text = |pointer| record.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("-");
    let ended = match text("/errorCode") {
        "-" => "ok".to_owned(),
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
    match operator::run(&args.data.location(), Command::VerifyTrail) {
        Ok(report) => {
            let whole = report.get("whole").and_then(serde_json::Value::as_bool) == Some(true);
            println!("{report:#}");
            if whole { Outcome::Fine } else { Outcome::No }
        }
        Err(error) => failed(&error),
    }
}
