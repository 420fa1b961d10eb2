//! `rootward account`: opening accounts.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use rootward_server::operator::{Command, Secret};

use crate::{Data, Outcome, host};

#[derive(Subcommand)]
pub(crate) enum Account {
    /// Open an account with its root user and print its id as JSON.
    Create(Create),
}

#[derive(Args)]
pub(crate) struct Create {
    /// The account's name: 1-50 printable ASCII characters.
    #[arg(long)]
    name: String,
    /// The root user's e-mail address; no other account may have it.
    #[arg(long)]
    email: String,
    /// A file whose first line is the root user's password; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    password_file: PathBuf,
    /// Also make an IAM user of this name with AdministratorAccess and one access key: the way to work without root.
    #[arg(long, value_name = "USER")]
    admin: Option<String>,
    #[command(flatten)]
    data: Data,
}

pub(crate) fn run(command: Account) -> Outcome {
    let Account::Create(args) = command;
    let password = match first_line(&args.password_file) {
        Ok(password) => password,
        Err(error) => {
            return Outcome::Wrong(format!("cannot read `{}`: {error}", args.password_file.display()));
        }
    };
    let Create { name, email, admin, data, .. } = args;
    host(&data, Command::CreateAccount { name, email, password, admin })
}

/// A secret: the first line of a file, or of standard input for `-`.
pub(crate) fn first_line(file: &std::path::Path) -> std::io::Result<Secret> {
    let text = if file.as_os_str() == "-" {
        std::io::read_to_string(std::io::stdin())?
    } else {
        std::fs::read_to_string(file)?
    };
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}
