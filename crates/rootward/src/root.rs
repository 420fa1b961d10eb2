//! `rootward root`: what the operator at this machine can do about a root user.

use std::io::Write;
use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rootward_guardrails::DOCUMENT_CHARS_MAX;
use rootward_names::AccountId;
use rootward_server::operator::Command;
use serde_json::Value;

use crate::text::{self, printable};
use crate::{Answer, Data, Failure, Outcome, validate};

#[derive(Subcommand)]
pub(crate) enum Root {
    /// Show how root users are guarded: what they have, who may use them, and what is to be mended, each with how.
    Status(Status),
    /// Close the seal: no access key of the root user is made or taken, and a sign-in gives a reason and ends by itself.
    Seal(OfAccount),
    /// Break the seal for some minutes; it closes by itself. Access keys can be made and used meanwhile.
    Unseal(Unseal),
    /// Set which users must agree to a use of the root user, and how long its sessions last. Each needs an MFA device.
    Approvers(Approvers),
    /// What binds a whole account that no service control policy can bind: show, set or remove it.
    #[command(subcommand)]
    GuardPolicy(GuardPolicy),
    /// Make an access key for a root user and print it as JSON; only while the seal is broken. Better not to: make an IAM user
    /// instead.
    CreateAccessKey(OfAccount),
    /// Give the root user another password, and end its sessions.
    ResetPassword(ResetPassword),
    /// Take all MFA devices from the root user, and end its sessions.
    ResetMfa(OfAccount),
    /// Take a hardware token with its seed into the account, for its root user or any of its users; EnableMFADevice binds it.
    ImportToken(ImportToken),
}

#[derive(Subcommand)]
pub(crate) enum GuardPolicy {
    /// Print the document, and on standard error since when it is in force.
    Show(OfAccount),
    /// Set the document: in the language of service control policies, and it only denies. It binds every principal of the account,
    /// its root user and its administrators included, from the next request on.
    ///
    /// What `rootward validate` finds in it is said on standard error.
    Set(SetGuardPolicy),
    /// Remove it.
    Remove(OfAccount),
}

#[derive(Args)]
pub(crate) struct SetGuardPolicy {
    /// The document; `-` reads standard input.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Set it in place of the guard policy that is in force.
    #[arg(long)]
    replace: bool,
    #[command(flatten)]
    of: OfAccount,
}

#[derive(Args)]
pub(crate) struct OfAccount {
    /// The account, twelve digits; not needed if there is but one.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    #[command(flatten)]
    data: Data,
}

#[derive(Args)]
pub(crate) struct Status {
    /// Only this account's root user.
    #[arg(long, value_name = "ID")]
    account: Option<AccountId>,
    /// How to print it.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    format: Format,
    #[command(flatten)]
    data: Data,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For programs.
    Json,
    /// For people.
    Text,
}

#[derive(Args)]
pub(crate) struct Unseal {
    #[command(flatten)]
    of: OfAccount,
    /// Why: 1-256 characters, on record.
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// For how many minutes.
    #[arg(long, default_value_t = 60, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=60))]
    minutes: u8,
}

#[derive(Args)]
pub(crate) struct Approvers {
    #[command(flatten)]
    of: OfAccount,
    /// How many of the named users must agree; 0: nobody is asked.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(0..=10))]
    required: u8,
    /// A user who is asked; several with several of these, at most ten. Those named before are replaced.
    #[arg(long, value_name = "NAME")]
    user: Vec<String>,
    /// How long sessions of the sealed root user last, in minutes [default: as before].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(5..=60))]
    session_minutes: Option<u8>,
}

#[derive(Args)]
pub(crate) struct ResetPassword {
    #[command(flatten)]
    of: OfAccount,
    /// A file whose first line is the new password; `-` reads standard input [default: one is made and printed].
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct ImportToken {
    #[command(flatten)]
    of: OfAccount,
    /// The serial number that is printed on the token.
    #[arg(long, value_name = "SERIAL")]
    serial: String,
    /// A file whose first line is the seed that its maker has given with it, in hex or base32; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    seed_file: PathBuf,
}

pub(crate) fn run(command: Root) -> Outcome {
    match command {
        Root::Status(args) => status(&args),
        Root::Seal(OfAccount { account, data }) => data.run(Command::SealRoot { account }),
        Root::Unseal(Unseal { of: OfAccount { account, data }, reason, minutes }) => {
            data.run(Command::UnsealRoot { account, reason, minutes })
        }
        Root::Approvers(Approvers { of, required, user, session_minutes }) => {
            let OfAccount { account, data } = of;
            data.run(Command::PutRootAccessSettings { account, required, users: user, session_minutes })
        }
        Root::GuardPolicy(GuardPolicy::Show(args)) => show_guard_policy(&args),
        Root::GuardPolicy(GuardPolicy::Set(args)) => set_guard_policy(args),
        Root::GuardPolicy(GuardPolicy::Remove(OfAccount { account, data })) => {
            data.run(Command::DeleteGuardPolicy { account })
        }
        Root::CreateAccessKey(args) => create_access_key(&args),
        Root::ResetPassword(args) => reset_password(args),
        Root::ImportToken(args) => import_token(args),
        Root::ResetMfa(OfAccount { account, data }) => data.run(Command::ResetRootMfa { account }),
    }
}

fn show_guard_policy(OfAccount { account, data }: &OfAccount) -> Outcome {
    let answer = data.ask(Command::GetGuardPolicy { account: *account })?;
    // As it was given: what is printed can be set again.
    text::line(answer.pointer("/Policy").and_then(Value::as_str).unwrap_or_default());
    let set = text(&answer, "/LastChangedDate");
    text::aside(format!("note: in force since {set}"));
    Ok(Answer::Yes)
}

fn set_guard_policy(
    SetGuardPolicy { file, replace, of: OfAccount { account, data } }: SetGuardPolicy,
) -> Outcome {
    let name = text::name(&file);
    let bytes =
        text::read(&file).map_err(|error| Failure::Wrong(format!("cannot read `{name}`: {error}")))?;
    let policy = document(bytes)
        .map_err(|fault| Failure::Wrong(format!("`{name}` is no guard policy: it {fault}")))?;
    let answer = data.run(Command::PutGuardPolicy { account, policy: policy.clone(), replace })?;
    validate::tell_of_guard_policy(&file, policy);
    Ok(answer)
}

/// What a file says, as far as it matters here: what is too long for the operator's socket is not sent. The rest is for the server to check.
fn document(bytes: Vec<u8>) -> Result<String, String> {
    let text = String::from_utf8(bytes).map_err(|_| "is no text in UTF-8".to_owned())?;
    match text.chars().nth(DOCUMENT_CHARS_MAX) {
        Some(_) => Err(format!("has more than {DOCUMENT_CHARS_MAX} characters")),
        None => Ok(text),
    }
}

fn create_access_key(OfAccount { account, data }: &OfAccount) -> Outcome {
    text::aside(
        "rootward: warning: a root access key can do everything in its account and no IAM policy limits it; delete it as soon as the \
         task is done",
    );
    data.run(Command::CreateRootAccessKey { account: *account })
}

fn reset_password(args: ResetPassword) -> Outcome {
    let ResetPassword { of: OfAccount { account, data }, password_file } = args;
    let password = password_file.as_deref().map(text::secret).transpose()?;
    data.run(Command::ResetRootPassword { account, password })
}

fn import_token(args: ImportToken) -> Outcome {
    let ImportToken { of: OfAccount { account, data }, serial: serial_number, seed_file } = args;
    let seed = text::secret(&seed_file)?;
    data.run(Command::ImportHardwareToken { account, serial_number, seed })
}

fn status(args: &Status) -> Outcome {
    let answer = args.data.ask(Command::RootStatus { account: args.account })?;
    let mut out = std::io::stdout().lock();
    // Whoever does not read on has seen enough.
    let _ = match args.format {
        Format::Json => writeln!(out, "{answer:#}"),
        Format::Text => {
            let users = list(&answer, "/RootUsers");
            users.iter().enumerate().try_for_each(|(place, user)| {
                if place > 0 {
                    writeln!(out)?;
                }
                print(&mut out, user)
            })
        }
    };
    Ok(Answer::Yes)
}

fn print(out: &mut impl Write, user: &Value) -> std::io::Result<()> {
    let (id, name, email) = (text(user, "/AccountId"), text(user, "/AccountName"), text(user, "/Email"));
    let protected = if user["Protected"] == true { "protected" } else { "not protected" };
    writeln!(out, "{id}  {name}  {email}  {protected}")?;
    let lines = [
        ("password", password(user)),
        ("MFA devices", devices(user)),
        ("access keys", keys(user)),
        ("seal", seal(user)),
        ("approvers", approvers(user)),
        ("guard policy", guard_policy(user)),
        ("last used", or(text(user, "/LastUsed"), "never")),
    ];
    for (label, line) in lines {
        writeln!(out, "  {label:<12} {line}")?;
    }
    for finding in list(user, "/Findings") {
        let severity = text(finding, "/Severity").to_lowercase();
        writeln!(out, "  {severity:<12} {}", text(finding, "/Message"))?;
        writeln!(out, "  {:<12} mend: {}", "", text(finding, "/Remedy"))?;
    }
    Ok(())
}

fn password(user: &Value) -> String {
    if user["PasswordPresent"] != true {
        return "none".into();
    }
    let age = user.pointer("/PasswordAgeDays").and_then(Value::as_i64);
    let set = age.map_or_else(|| "set".to_owned(), |days| format!("set {days} days ago"));
    format!("{set}, last used {}", or(text(user, "/PasswordLastUsed"), "never"))
}

fn devices(user: &Value) -> String {
    let devices = list(user, "/MfaDevices");
    let of_kind = |kind, name| {
        let count = devices.iter().filter(|device| text(device, "/Type") == kind).count();
        (count > 0).then(|| format!("{count} {name}"))
    };
    let kinds =
        [of_kind("PASSKEY", "passkey"), of_kind("VIRTUAL", "virtual"), of_kind("HARDWARE", "hardware")];
    let shown = kinds.into_iter().flatten().collect::<Vec<_>>().join(", ");
    match (shown.is_empty(), text(user, "/MfaMissingSince")) {
        (true, since) if !since.is_empty() => format!("none; signs in without since {since}"),
        (true, _) => "none".into(),
        (false, _) => shown,
    }
}

fn keys(user: &Value) -> String {
    let shown = list(user, "/AccessKeys").iter().map(|key| {
        let used = or(text(key, "/LastUsed"), "never");
        format!("{} {}, last used {used}", text(key, "/AccessKeyId"), text(key, "/Status").to_lowercase())
    });
    or(shown.collect::<Vec<_>>().join("; "), "none")
}

fn seal(user: &Value) -> String {
    match &*text(user, "/Seal/State") {
        "UNSEALED" => {
            format!("broken until {}: {}", text(user, "/Seal/UnsealedUntil"), text(user, "/Seal/Reason"))
        }
        "NONE" => "none".into(),
        _ => format!("closed; sessions of {} minutes", number(user, "/SessionMinutes")),
    }
}

fn approvers(user: &Value) -> String {
    let users = list(user, "/Approvers/Users");
    if users.is_empty() {
        return "nobody is asked".into();
    }
    let names = users.iter().map(|one| {
        let able = if one["CanApprove"] == true { "" } else { " (has no MFA device)" };
        format!("{}{able}", text(one, "/UserName"))
    });
    let required = number(user, "/Approvers/Required");
    format!("{required} of {}: {}", users.len(), names.collect::<Vec<_>>().join(", "))
}

fn guard_policy(user: &Value) -> String {
    match &*text(user, "/GuardPolicy") {
        "IN_FORCE" => "in force",
        _ => "none",
    }
    .into()
}

fn text(value: &Value, pointer: &str) -> String {
    value.pointer(pointer).and_then(Value::as_str).map(printable).unwrap_or_default()
}

fn number(value: &Value, pointer: &str) -> i64 {
    value.pointer(pointer).and_then(Value::as_i64).unwrap_or_default()
}

fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

fn or(text: String, without: &str) -> String {
    if text.is_empty() { without.to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn document_is_as_long_as_the_server_takes_it_in_characters() {
        let longest = "\u{10ffff}".repeat(DOCUMENT_CHARS_MAX);
        assert_eq!(document(longest.clone().into_bytes()), Ok(longest.clone()));
        assert_eq!(
            document(format!("{longest} ").into_bytes()),
            Err("has more than 10240 characters".into())
        );
        assert_eq!(document(vec![b'{', 0xff]), Err("is no text in UTF-8".into()));
    }
}
