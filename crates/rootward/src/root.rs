//! `rootward root`: what the operator at this machine can do about a root user.

use clap::{Args, Subcommand};
use rootward_names::AccountId;
use rootward_server::operator::Command;

use crate::{Data, Outcome, host};

#[derive(Subcommand)]
pub(crate) enum Root {
    /// Make an access key for a root user and print it as JSON. Better not to: make an IAM user instead.
    CreateAccessKey(CreateAccessKey),
}

#[derive(Args)]
pub(crate) struct CreateAccessKey {
    /// The account, twelve digits.
    #[arg(long, value_name = "ID")]
    account: AccountId,
    #[command(flatten)]
    data: Data,
}

pub(crate) fn run(command: Root) -> Outcome {
    let Root::CreateAccessKey(CreateAccessKey { account, data }) = command;
    eprintln!(
        "rootward: warning: a root access key can do everything in account {account} and no policy limits it; \
         delete it as soon as the task is done"
    );
    host(&data, Command::CreateRootAccessKey { account })
}
