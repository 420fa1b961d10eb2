//! `rootward validate`: what is wrong with policies, and where.

mod sarif;
mod snippet;

use std::borrow::Cow;
use std::io::Write;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use rootward_insight::reference;
use rootward_policy::{Diagnostic, Policy, PolicyKind, Position, Span};
use serde_json::{Value, json};

use crate::text;
use crate::{Answer, Failure, Outcome};

/// Find what is wrong with policies, with file, line and column, like a compiler.
///
/// Warnings and notes come from AWS's Service Authorization Reference, which is older than the services: AWS may well accept
/// what it does not know, so they change no exit code.
///
/// Exit code: 0, 1 if there is an error, 2 if an argument is wrong, 3 if a file cannot be read.
#[derive(Args)]
pub(crate) struct Validate {
    /// Files that hold one policy each; `-` reads standard input.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the policies are attached to [default: what each document looks like].
    #[arg(long = "type", value_enum, value_name = "TYPE")]
    kind: Option<Kind>,
    /// How to print findings.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// A managed policy used as a permissions boundary.
    Boundary,
    /// A VPC endpoint policy.
    Endpoint,
    /// The guard policy of an account.
    Guard,
    /// A policy of a user, group or role.
    Identity,
    /// A resource control policy.
    Rcp,
    /// The policy of a bucket, queue, topic, key and so on.
    Resource,
    /// A service control policy.
    Scp,
    /// A session policy.
    Session,
    /// The trust policy of a role.
    Trust,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One object a line for each file.
    Json,
    /// SARIF 2.1.0, as code scanners exchange it.
    Sarif,
    /// For people: message, place, the line it is about, help.
    Text,
}

/// One file with what was found in it.
struct Checked {
    /// As it is shown.
    name: String,
    path: PathBuf,
    text: String,
    kind: Kind,
    /// Whether the kind is a guess.
    assumed: bool,
    findings: Vec<Finding>,
}

struct Finding {
    level: Level,
    message: String,
    help: Cow<'static, str>,
    span: Span,
    start: Position,
    end: Position,
}

/// How sure it is that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    /// AWS does not accept the policy.
    Error,
    /// Nothing known is meant.
    Warning,
    /// Nothing is known.
    Note,
}

impl Level {
    /// As compilers and SARIF name it.
    const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

pub(crate) fn run(args: &Validate) -> Outcome {
    let (mut all, mut unread) = (Vec::new(), false);
    for file in &args.files {
        match text::read(file) {
            Ok(bytes) => all.push(check(file, bytes, args.kind)),
            Err(error) => {
                text::aside(format_args!("rootward: cannot read {}: {error}", text::name(file)));
                unread = true;
            }
        }
    }
    // Whoever reads this may stop early; what was found stays found.
    let _written = match args.format {
        Format::Json => print_json(&all),
        Format::Sarif => print_lines([sarif::log(&all)]),
        Format::Text => print_text(&all),
    };
    let mut findings = all.iter().flat_map(|checked| &checked.findings);
    match findings.any(|finding| finding.level == Level::Error) {
        _ if unread => Err(Failure::Impossible("not every file could be read".to_owned())),
        true => Ok(Answer::No),
        false => Ok(Answer::Yes),
    }
}

/// What is to be said about a guard policy that is in force all the same, on standard error.
pub(crate) fn tell_of_guard_policy(path: &Path, text: String) {
    let mut out = anstream::AutoStream::auto(std::io::stderr().lock());
    // It is said beside the answer: whoever does not read it has that.
    let _written = write_findings(&mut out, &check(path, text.into_bytes(), Some(Kind::Guard)));
}

fn check(path: &Path, bytes: Vec<u8>, kind: Option<Kind>) -> Checked {
    let (name, path, assumed) = (text::name(path), path.to_owned(), kind.is_none());
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid = error.utf8_error().valid_up_to();
            let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
            let kind = kind.unwrap_or(Kind::Identity);
            let findings = vec![not_utf8(&text, valid)];
            return Checked { name, path, text, kind, assumed, findings };
        }
    };
    let kind = kind.unwrap_or_else(|| Kind::guess(&text));
    let (policy, mut findings) = match Policy::parse(&text, kind.policy_kind()) {
        Ok(policy) => (Some(policy), Vec::new()),
        Err(problems) => (Policy::read_stored(&text).ok(), problems.iter().map(Finding::of).collect()),
    };
    let remarks = policy.iter().flat_map(reference::remarks);
    findings.extend(remarks.map(|remark| Finding::of_remark(remark, &text)));
    findings.sort_by_key(|finding| finding.span.start);
    Checked { name, path, text, kind, assumed, findings }
}

/// At the first byte that is no text; `text` has a replacement character there, which is three bytes long.
fn not_utf8(text: &str, valid: usize) -> Finding {
    let before = text.get(..valid).unwrap_or_default();
    let line = 1 + short(before.matches('\n').count());
    let column = 1 + short(before.rsplit('\n').next().unwrap_or_default().chars().count());
    Finding {
        level: Level::Error,
        message: "the file is not UTF-8".to_owned(),
        help: "save it as UTF-8 without other encodings in between".into(),
        span: Span { start: short(valid), end: short(valid + 3) },
        start: Position { line, column },
        end: Position { line, column: column + 1 },
    }
}

/// Places in files beyond 4 GiB are not told apart.
fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

impl Finding {
    fn of(diagnostic: &Diagnostic) -> Self {
        let place = diagnostic.place;
        Self {
            level: Level::Error,
            message: diagnostic.message.clone(),
            help: diagnostic.help.into(),
            span: place.span,
            start: place.start,
            end: place.end,
        }
    }

    fn of_remark(remark: reference::Remark, text: &str) -> Self {
        let reference::Remark { level, span, message, help } = remark;
        let place = span.place(text);
        let level = match level {
            reference::Level::Note => Level::Note,
            reference::Level::Warning => Level::Warning,
        };
        Self { level, message, help, span, start: place.start, end: place.end }
    }
}

impl Kind {
    /// Only policies of resources and roles name principals; those of roles are about becoming the role.
    fn guess(text: &str) -> Self {
        let Ok(document) = serde_json::from_str::<Value>(text) else { return Self::Identity };
        let statements = document.get("Statement").map(listed).unwrap_or_default();
        let has = |name: &str| statements.iter().any(|statement| statement.get(name).is_some());
        if !has("Principal") && !has("NotPrincipal") {
            return Self::Identity;
        }
        let actions = statements.iter().filter_map(|statement| statement.get("Action")).flat_map(listed);
        let mut actions = actions.map(|action| action.as_str().unwrap_or_default()).peekable();
        if actions.peek().is_some() && actions.all(is_for_trust) { Self::Trust } else { Self::Resource }
    }

    const fn policy_kind(self) -> PolicyKind {
        match self {
            Self::Boundary => PolicyKind::Boundary,
            Self::Endpoint => PolicyKind::Endpoint,
            Self::Guard => PolicyKind::Guard,
            Self::Identity => PolicyKind::Identity,
            Self::Rcp => PolicyKind::Rcp,
            Self::Resource => PolicyKind::Resource,
            Self::Scp => PolicyKind::Scp,
            Self::Session => PolicyKind::Session,
            Self::Trust => PolicyKind::Trust,
        }
    }

    fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }
}

/// A list with one member may be written without brackets.
fn listed(value: &Value) -> Vec<&Value> {
    value.as_array().map_or_else(|| vec![value], |values| values.iter().collect())
}

fn is_for_trust(action: &str) -> bool {
    let action = action.to_ascii_lowercase();
    action.starts_with("sts:assumerole") || matches!(&*action, "sts:tagsession" | "sts:setsourceidentity")
}

fn print_text(all: &[Checked]) -> std::io::Result<()> {
    for checked in all.iter().filter(|checked| checked.assumed) {
        text::aside(format_args!(
            "note: {}: checked as type {}; give --type for another",
            checked.name,
            checked.kind.name()
        ));
    }
    // Drops colours where nobody sees them, or wants them.
    let mut out = anstream::AutoStream::auto(std::io::stdout().lock());
    all.iter().try_for_each(|checked| write_findings(&mut out, checked))?;
    out.flush()
}

fn write_findings(
    out: &mut impl Write,
    Checked { name, text, findings, .. }: &Checked,
) -> std::io::Result<()> {
    findings.iter().try_for_each(|finding| writeln!(out, "{}", snippet::render(name, text, finding)))
}

fn print_json(all: &[Checked]) -> std::io::Result<()> {
    print_lines(all.iter().map(|Checked { path, kind, assumed, findings, .. }| {
        let findings = findings.iter().map(|Finding { level, message, help, start, end, .. }| {
            json!({"level": level.name(), "message": message, "help": help, "line": start.line, "column": start.column,
                   "endLine": end.line, "endColumn": end.column})
        });
        json!({"file": path.to_string_lossy(), "type": kind.name(), "assumed": assumed,
               "findings": findings.collect::<Value>()})
    }))
}

fn print_lines(values: impl IntoIterator<Item = Value>) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    values.into_iter().try_for_each(|value| writeln!(out, "{value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kind_is_what_the_document_looks_like() {
        let of = |statement: &str| Kind::guess(&format!(r#"{{"Statement":{statement}}}"#));
        assert_eq!(of(r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#), Kind::Identity);
        assert_eq!(of(r#"[{"Effect":"Allow"},{"NotPrincipal":"*","Action":"s3:*"}]"#), Kind::Resource);
        assert_eq!(
            of(r#"{"Principal":"*","Action":["sts:AssumeRoleWithSAML","sts:TagSession"]}"#),
            Kind::Trust
        );
        assert_eq!(of(r#"{"Principal":"*","Action":["sts:AssumeRole","kms:Decrypt"]}"#), Kind::Resource);
        assert_eq!(of(r#"{"Principal":"*"}"#), Kind::Resource);
        assert_eq!(Kind::guess("{"), Kind::Identity);
    }

    #[test]
    fn place_of_what_is_not_utf8_counts_characters() {
        let checked = check(Path::new("x"), b"{\n\xc3\xa4\xff}".to_vec(), None);
        let [finding] = &*checked.findings else { panic!() };
        assert_eq!(
            (finding.start.to_string(), finding.end.to_string()),
            ("2:2".to_owned(), "2:3".to_owned())
        );
        assert_eq!(finding.span.of(&checked.text), "\u{fffd}");
    }
}
