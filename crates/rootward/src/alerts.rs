//! `rootward alerts`: who is told what must not go unnoticed.

use std::path::PathBuf;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use rootward_names::AccountId;
use rootward_server::operator::{AlertRoute, Command, MailTls, Secret, Severity};
use serde_json::Value;

use crate::text::{self, printable};
use crate::{Answer, Data, Outcome};

#[derive(Subcommand)]
pub(crate) enum Alerts {
    /// Tell a webhook or mailboxes from now on; prints JSON, with the secret if one was drawn: it is shown this once.
    Add(Add),
    /// List the targets, with their last success, last error and backlog.
    List(List),
    /// Tell a target nothing more.
    Remove(Named),
    /// Send a target a test alert and wait for the outcome.
    Test(Named),
}

#[derive(Args)]
#[command(group = ArgGroup::new("route").required(true).args(["webhook", "mail"]))]
pub(crate) struct Add {
    /// What to call the target: letters, digits, `-`, `_` and `.`.
    name: String,
    /// Post each alert to this http or https address, as a CloudEvent with a Standard Webhooks signature.
    #[arg(long, value_name = "URL")]
    webhook: Option<String>,
    /// A file whose first line is the secret of signatures, `whsec_` and base64; one is drawn if none is given.
    #[arg(long, value_name = "FILE", requires = "webhook")]
    secret_file: Option<PathBuf>,
    /// Mail each alert by this server: `smtp://[USER@]HOST:PORT`.
    #[arg(long, value_name = "SERVER", requires_all = ["from", "to"])]
    mail: Option<String>,
    /// The sender of mails.
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    from: Option<String>,
    /// The recipients of mails.
    #[arg(long, value_name = "ADDRESS", num_args = 1.., requires = "mail")]
    to: Vec<String>,
    /// A file whose first line is the password of the server's user; `-` reads standard input.
    #[arg(long, value_name = "FILE", requires = "mail")]
    password_file: Option<PathBuf>,
    /// How the connection to the mail server is protected [default: required on port 465, starttls on others].
    #[arg(long, value_enum, requires = "mail")]
    tls: Option<TlsMode>,
    /// Only what concerns this account.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// Only this and what matters more.
    #[arg(long, value_enum, default_value_t = Least::Info)]
    severity: Least,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum TlsMode {
    /// TLS from the first byte.
    Required,
    /// In the clear until STARTTLS; nothing is sent without it.
    Starttls,
    /// No TLS; to this machine only.
    None,
}

#[derive(Clone, Copy, ValueEnum)]
enum Least {
    /// Everything.
    Info,
    /// What is worth looking at today.
    Warning,
    /// What is worth getting up for.
    Critical,
}

#[derive(Args)]
pub(crate) struct List {
    /// How to print them.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, ValueEnum)]
enum Format {
    /// One object a line.
    Json,
    /// For people.
    Text,
}

#[derive(Args)]
pub(crate) struct Named {
    /// The target.
    name: String,
    #[command(flatten)]
    data: Data,
}

pub(crate) fn run(command: Alerts) -> Outcome {
    match command {
        Alerts::Add(args) => add(args),
        Alerts::List(args) => list(&args),
        Alerts::Remove(Named { name, data }) => data.run(Command::RemoveAlertTarget { name }),
        Alerts::Test(Named { name, data }) => data.run(Command::TestAlertTarget { name }),
    }
}

fn add(args: Add) -> Outcome {
    let secret = args.secret_file.as_deref().map(text::secret).transpose()?;
    let password = args.password_file.as_deref().map(text::secret).transpose()?;
    let route = match (args.webhook, args.mail) {
        (Some(url), _) => AlertRoute::Webhook { url: Secret::new(url), secret },
        (None, server) => AlertRoute::Mail {
            server: server.unwrap_or_default(),
            tls: args.tls.map(TlsMode::mail_tls),
            password,
            from: args.from.unwrap_or_default(),
            to: args.to,
        },
    };
    let (name, severity) = (args.name.clone(), args.severity.severity());
    args.data.run(Command::AddAlertTarget { name: args.name, account: args.account, severity, route })?;
    let name = printable(&name);
    text::aside(format_args!(
        "rootward: whether `{name}` takes alerts was not tried; `rootward alerts test {name}` tries it"
    ));
    Ok(Answer::Yes)
}

impl TlsMode {
    pub(crate) const fn mail_tls(self) -> MailTls {
        match self {
            Self::Required => MailTls::Required,
            Self::Starttls => MailTls::StartTls,
            Self::None => MailTls::None,
        }
    }
}

impl Least {
    const fn severity(self) -> Severity {
        match self {
            Self::Info => Severity::Info,
            Self::Warning => Severity::Warning,
            Self::Critical => Severity::Critical,
        }
    }
}

fn list(args: &List) -> Outcome {
    let answer = args.data.ask(Command::ListAlertTargets)?;
    let targets = answer.get("targets").and_then(Value::as_array).into_iter().flatten();
    text::lines(targets.map(|target| match args.format {
        Format::Json => target.to_string(),
        Format::Text => line(target),
    }));
    Ok(Answer::Yes)
}

fn line(target: &Value) -> String {
    let text = |pointer| target.pointer(pointer).and_then(Value::as_str).map(printable);
    let part = |pointer| text(pointer).unwrap_or_default();
    let account = text("/accountId").map_or_else(|| "all accounts".to_owned(), |id| format!("account {id}"));
    let success = text("/lastSuccess").unwrap_or_else(|| "never".to_owned());
    let backlog = target.get("backlogRecords").and_then(Value::as_u64).unwrap_or_default();
    let mut line = format!(
        "{}\t{}\t{account}, {} and above\tlast success: {success}\tbacklog: {backlog} records",
        part("/name"),
        part("/target"),
        part("/severity")
    );
    if let (Some(time), Some(why)) = (text("/lastError/time"), text("/lastError/text")) {
        line.push_str(&format!("\tlast error: {time}: {why}"));
    }
    if let Some(since) = text("/waitingSince") {
        line.push_str(&format!("\tan alert of {since} waits"));
    }
    line
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn line_says_how_deliveries_go_and_nothing_that_speaks_to_the_terminal() {
        let mut target = json!({
            "name": "hook", "target": "webhook at https://example.com", "severity": "info", "accountId": null,
            "lastSuccess": null, "backlogRecords": 0,
        });
        assert_eq!(
            line(&target),
            "hook\twebhook at https://example.com\tall accounts, info and above\tlast success: never\tbacklog: 0 records"
        );
        target["lastError"] = json!({ "time": "T", "text": "no\u{1b}[2J" });
        target["waitingSince"] = json!("W");
        assert!(line(&target).ends_with("\tlast error: T: no\\u{1b}[2J\tan alert of W waits"));
    }
}
