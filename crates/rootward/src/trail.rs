//! `rootward trail`: reading and proving the audit trail.

use std::io::Write;

use clap::{Args, Subcommand, ValueEnum};
use rootward_server::operator::{self, Command, OperatorError};

use crate::text::{self, printable};
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
    let shown = match args.account {
        Some(_) => tail_of_account(args),
        None => tail_of_all(args),
    };
    shown.map_or_else(|error| failed(&error), |()| Outcome::Fine)
}

fn tail_of_account(args: &Tail) -> Result<(), OperatorError> {
    let command = Command::TailTrail { lines: args.lines, account: args.account };
    print(args.format, &operator::run(&args.data.location(), command)?);
    Ok(())
}

/// In portions, so that neither side ever holds more than one of them.
fn tail_of_all(args: &Tail) -> Result<(), OperatorError> {
    let location = args.data.location();
    let length = number(&operator::run(&location, Command::TrailLength)?, "records");
    let mut after = length.saturating_sub(u64::try_from(args.lines).unwrap_or(u64::MAX));
    while after < length {
        let portion = operator::run(&location, Command::ReadTrail { after })?;
        print(args.format, &portion);
        let last = number(&portion, "last");
        if last == after {
            break;
        }
        after = last;
    }
    Ok(())
}

fn number(answer: &serde_json::Value, name: &str) -> u64 {
    answer.get(name).and_then(serde_json::Value::as_u64).unwrap_or_default()
}

fn print(format: Format, answer: &serde_json::Value) {
    let mut out = std::io::stdout().lock();
    let records = answer.get("records").and_then(serde_json::Value::as_array);
    for record in records.into_iter().flatten() {
        let written = match format {
            Format::Json => writeln!(out, "{record}"),
            Format::Text => writeln!(out, "{}", printable(&line(record))),
        };
        // Whoever read this has seen enough.
        if written.is_err() {
            return;
        }
    }
}

fn line(record: &serde_json::Value) -> String {
    let text = |pointer| record.pointer(pointer).and_then(serde_json::Value::as_str).unwrap_or("-");
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
    match operator::run(&args.data.location(), Command::VerifyTrail) {
        Ok(report) => {
            let whole = report.get("whole").and_then(serde_json::Value::as_bool) == Some(true);
            text::line(format_args!("{report:#}"));
            if whole { Outcome::Fine } else { Outcome::No }
        }
        Err(error) => failed(&error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_plainly_seen_is_escaped() {
        assert_eq!(printable("a\u{202e}b\u{2066}c\u{200f}"), "a\\u{202e}b\\u{2066}c\\u{200f}");
        assert_eq!(printable("a\u{2028}b\u{2029}c\u{a0}d"), "a\\u{2028}b\\u{2029}c\\u{a0}d");
        assert_eq!(printable("\u{1b}[2J\r\n\t\u{7f}\u{85}"), "\\u{1b}[2J\\r\\n\\t\\u{7f}\\u{85}");
        assert_eq!(printable("\u{feff}\u{200b}\u{ad}\u{e0041}"), "\\u{feff}\\u{200b}\\u{ad}\\u{e0041}");
    }

    #[test]
    fn what_is_plainly_seen_stays() {
        for text in ["arn:aws:iam::123456789012:user/ann", r#"it's "a\b""#, "Zoë Groß 日本語 א"] {
            assert_eq!(printable(text), text);
        }
    }
}
