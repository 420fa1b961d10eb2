//! `rootward account`: opening accounts, listing, changing and closing them.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rootward_names::AccountId;
use rootward_server::operator::Command;
use serde_json::Value;

use crate::text::{self, printable};
use crate::{Answer, Data, Outcome};

#[derive(Subcommand)]
pub(crate) enum Account {
    /// Give a root user another e-mail address: no code is sent, the operator vouches for it.
    ChangeEmail(ChangeEmail),
    /// Close an account: every request of it is refused from then on.
    Close(Which),
    /// Open an account with its root user and print its id as JSON.
    Create(Create),
    /// List all accounts: id, status, e-mail address of the root user, alias and name.
    List(List),
    /// Open an account again that was closed less than 90 days ago.
    Reopen(Which),
}

#[derive(Args)]
pub(crate) struct Which {
    /// The account, twelve digits.
    #[arg(long, value_name = "ID")]
    account: AccountId,
    #[command(flatten)]
    data: Data,
}

#[derive(Args)]
pub(crate) struct ChangeEmail {
    /// The account, twelve digits.
    #[arg(long, value_name = "ID")]
    account: AccountId,
    /// The root user's new e-mail address; no other account may have it.
    #[arg(long)]
    email: String,
    #[command(flatten)]
    data: Data,
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
    Json,
    Text,
}

#[derive(Args)]
pub(crate) struct Create {
    /// The account's name: 1-50 printable ASCII characters.
    #[arg(long)]
    name: String,
    /// The root user's e-mail address; no other account may have it.
    #[arg(long)]
    email: String,
    /// A file whose first line is the root user's password; `-` reads standard input [default: the root user has none, and
    /// cannot sign in until `rootward root reset-password` gives it one].
    #[arg(long, value_name = "FILE")]
    password_file: Option<PathBuf>,
    /// Also make an IAM user of this name with AdministratorAccess and one access key: the way to work without root.
    #[arg(long, value_name = "USER")]
    admin: Option<String>,
    #[command(flatten)]
    data: Data,
}

pub(crate) fn run(command: Account) -> Outcome {
    match command {
        Account::ChangeEmail(ChangeEmail { account, email, data }) => {
            data.run(Command::ChangeEmail { account, email })
        }
        Account::Close(Which { account, data }) => data.run(Command::CloseAccount { account }),
        Account::Create(args) => create(args),
        Account::List(args) => list(&args),
        Account::Reopen(Which { account, data }) => data.run(Command::ReopenAccount { account }),
    }
}

fn create(args: Create) -> Outcome {
    let Create { name, email, password_file, admin, data } = args;
    let password = password_file.as_deref().map(text::secret).transpose()?;
    let nobody_can_enter = password.is_none() && admin.is_none();
    data.run(Command::CreateAccount { name, email, password, admin })?;
    if nobody_can_enter {
        text::aside(
            "rootward: nobody can enter this account yet; `rootward root reset-password` gives its root user a password, and \
             `--admin USER` would have made an administrator with an access key",
        );
    }
    Ok(Answer::Yes)
}

fn list(args: &List) -> Outcome {
    let answer = args.data.ask(Command::ListAccounts)?;
    match args.format {
        Format::Json => text::line(format_args!("{answer:#}")),
        Format::Text => {
            let accounts = answer.get("Accounts").and_then(Value::as_array);
            text::lines(accounts.into_iter().flatten().map(line));
        }
    }
    Ok(Answer::Yes)
}

/// One account, between tabs; `-` for no alias.
fn line(account: &Value) -> String {
    let columns = ["AccountId", "Status", "Email", "Alias", "Name"];
    let text = |column: &str| printable(account.get(column).and_then(Value::as_str).unwrap_or("-"));
    columns.map(text).join("\t")
}
