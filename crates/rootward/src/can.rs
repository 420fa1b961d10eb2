//! `rootward can` and `rootward who-can`: questions about what is in force.

use std::io::Write;

use clap::{Args, ValueEnum};
use rootward_insight::reference::notes;
use rootward_names::AccountId;
use rootward_server::operator::Command;
use rootward_server::questions::Question;
use serde_json::Value;

use crate::text::{self, printable};
use crate::{Answer, Data, Failure, Outcome};

/// Tell whether a principal may do something, and why.
///
/// Decides as a request of the principal would be decided now, by the same policies, and prints the decision with every layer and
/// statement that was looked at. Condition keys that only a request has are absent unless --context gives them.
///
/// Exit code: 0 allowed, 1 denied, 2 if the question is none, 3 if it cannot be asked.
#[derive(Args)]
pub(crate) struct Can {
    /// Who: an ARN of a user, a role or root; or user/NAME, role/NAME, root.
    principal: String,
    /// The account, twelve digits; not needed if there is but one, or with an ARN.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    asked: Asked,
}

/// List who may do something: users, roles and root users, one a line.
///
/// A line has the principal, `allowed` or the keys it depends on, and the statement that allows. Whoever is allowed only with
/// certain values of condition keys that were not given is listed, too; --context gives some.
///
/// Exit code: 0, 1 if nobody may, 2 if the question is none, 3 if it cannot be asked.
#[derive(Args)]
pub(crate) struct WhoCan {
    /// Of whose principals, twelve digits [default: those of every account].
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    asked: Asked,
}

#[derive(Args)]
struct Asked {
    /// What: SERVICE:ACTION, without wildcards.
    action: String,
    /// On what: an ARN; * if there is none, as for actions that have no resource.
    resource: Option<String>,
    /// Condition keys of the request, such as aws:SourceIp=10.0.0.1, at the end of the line; a key given twice has both values.
    #[arg(long, value_name = "KEY=VALUE", num_args = 1.., value_parser = pair)]
    context: Vec<(String, String)>,
    /// How to print the answer.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl Asked {
    fn question(&self) -> Question {
        let mut context: Vec<(String, Vec<String>)> = Vec::new();
        for (key, value) in &self.context {
            match context.iter_mut().find(|(known, _)| known.eq_ignore_ascii_case(key)) {
                Some((_, values)) => values.push(value.clone()),
                None => context.push((key.clone(), vec![value.clone()])),
            }
        }
        let resource = self.resource.clone().unwrap_or_else(|| "*".to_owned());
        Question { action: self.action.clone(), resource, context }
    }

    /// Says on standard error what is odd about the question; it is answered all the same.
    fn remark(&self) {
        let keys = self.context.iter().map(|(key, _)| &**key);
        for note in notes(&self.action, self.resource.as_deref(), keys) {
            text::aside(format_args!("note: {note}"));
        }
    }
}

pub(crate) fn run(Can { principal, account, asked }: Can) -> Outcome {
    asked.remark();
    let command = Command::Can { principal, account, question: asked.question() };
    let answer = asked.data.ask(command)?;
    for remark in remarks(&answer) {
        text::aside(format_args!("note: {remark}"));
    }
    // Whoever does not read on has the exit code.
    let _ = match asked.format {
        Format::Json => writeln!(std::io::stdout().lock(), "{answer}"),
        Format::Text => print(&answer),
    };
    let allowed = answer.get("allowed").and_then(Value::as_bool) == Some(true);
    Ok(if allowed { Answer::Yes } else { Answer::No })
}

/// What the server says besides.
fn remarks(answer: &Value) -> impl Iterator<Item = String> {
    let all = answer.get("remarks").and_then(Value::as_array).into_iter().flatten();
    all.filter_map(Value::as_str).map(printable)
}

fn print(answer: &Value) -> std::io::Result<()> {
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let text = |pointer| answer.pointer(pointer).and_then(Value::as_str).map(printable);
    if let Some(refusal) = text("/refusal") {
        let (principal, action) =
            (text("/principal").unwrap_or_default(), text("/action").unwrap_or_default());
        return writeln!(
            out,
            "{RED}denied{RESET}: {principal} may not perform {action}, whatever policies say: {refusal}"
        );
    }
    let explanation = answer.pointer("/explanation/text").and_then(Value::as_str).unwrap_or_default();
    for (at, line) in explanation.lines().enumerate() {
        let line = printable(line);
        match line.split_once(": ").filter(|_| at == 0) {
            Some((decision, rest)) => {
                let colour = if decision == "allowed" { GREEN } else { RED };
                writeln!(out, "{colour}{decision}{RESET}: {rest}")?;
            }
            None => writeln!(out, "{line}")?,
        }
    }
    if text("/outlook").as_deref() == Some("depends") {
        writeln!(
            out,
            "{YELLOW}with other values of these keys the answer may be another; --context gives them{RESET}"
        )?;
    }
    out.flush()
}

pub(crate) fn run_who(WhoCan { account, asked }: WhoCan) -> Outcome {
    asked.remark();
    if list(account, &asked)? {
        return Ok(Answer::Yes);
    }
    text::aside("nobody may");
    Ok(Answer::No)
}

/// In portions, so that neither side ever holds more than one of them. Whether there was anybody.
fn list(account: Option<AccountId>, asked: &Asked) -> Result<bool, Failure> {
    let question = asked.question();
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    let (mut any, mut after) = (false, None);
    let mut remarked: Vec<String> = Vec::new();
    loop {
        let command = Command::WhoCan { account, question: question.clone(), after };
        let portion = asked.data.ask(command)?;
        for remark in remarks(&portion) {
            // Principals of one account may be in several portions.
            if remarked.contains(&remark) {
                continue;
            }
            match remarked.len() {
                ..REMARKS_MAX => text::aside(format_args!("note: {remark}")),
                REMARKS_MAX => text::aside("note: so it is with further accounts"),
                _ => continue,
            }
            remarked.push(remark);
        }
        for found in portion.get("found").and_then(Value::as_array).into_iter().flatten() {
            any = true;
            let written = match asked.format {
                Format::Json => writeln!(out, "{found}"),
                Format::Text => writeln!(out, "{}", line(found)),
            };
            // Whoever read this has seen enough.
            if written.is_err() {
                return Ok(any);
            }
        }
        let next = portion.get("next").cloned().unwrap_or_default();
        after = serde_json::from_value(next).map_err(|error| Failure::Impossible(error.to_string()))?;
        if after.is_none() {
            return Ok(any);
        }
    }
}

/// Accounts of which is told why their principals may not after all; it is the same with most.
const REMARKS_MAX: usize = 3;

fn line(found: &Value) -> String {
    let text = |name| found.get(name).and_then(Value::as_str).map(printable).unwrap_or_default();
    let keys = found.get("missingKeys").and_then(Value::as_array).into_iter().flatten();
    let keys: Vec<String> = keys.filter_map(Value::as_str).map(printable).collect();
    let outlook = if keys.is_empty() {
        format!("{GREEN}allowed{RESET}")
    } else {
        format!("{YELLOW}depends on {}{RESET}", keys.join(", "))
    };
    format!("{}\t{outlook}\t{}", text("principal"), text("because"))
}

// Taken out again where no terminal shows them, or `NO_COLOR` is set.
const GREEN: &str = "\x1b[1;32m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const RESET: &str = "\x1b[0m";
