//! The `rootward` command: one file a subcommand, arguments and output only.
//!
//! Exit codes: 0 fine, 1 the answer is "no", 2 the call was wrong, 3 it could not be done.

mod account;
mod alerts;
mod can;
mod decide;
mod guardrails;
mod operations;
mod root;
mod serve;
mod text;
mod trail;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use rootward_server::Location;
use rootward_server::operator::{self, Command, OperatorError};
use serde_json::Value;

/// Records and requests are made on one thread and dropped on another, many thousand times a second; the system's allocator
/// spends a tenth of the processor on that.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Identity and access management that you run yourself and that speaks the AWS wire protocols.
#[derive(Parser)]
#[command(version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Sub,
}

#[derive(Subcommand)]
enum Sub {
    /// Run everything on one port: the AWS APIs, health and metrics.
    Serve(serve::Serve),
    /// Open accounts, list, change and close them.
    #[command(subcommand)]
    Account(account::Account),
    /// What the operator at this machine can do about a root user.
    #[command(subcommand)]
    Root(root::Root),
    /// Who is told when a root user is used or a policy changes.
    #[command(subcommand)]
    Alerts(alerts::Alerts),
    /// Read and prove the audit trail.
    #[command(subcommand)]
    Trail(trail::Trail),
    // What these two have to say is beside their arguments.
    Can(can::Can),
    WhoCan(can::WhoCan),
    /// Decide cases: policies and a request in, `allowed`, `explicitDeny` or `implicitDeny` out.
    Decide(decide::Decide),
    /// Find what is wrong with policies, with file, line and column, like a compiler.
    Validate(validate::Validate),
    /// Ready service control policies for an organization, each with what it leaves open.
    #[command(subcommand)]
    Guardrails(guardrails::Guardrails),
    /// List the operations that are implemented.
    Operations(operations::Operations),
}

/// Where the state is.
#[derive(Args, Clone)]
struct Data {
    /// The data folder.
    #[arg(long, default_value = "./rootward-data", value_name = "DIR")]
    data: PathBuf,
    /// The key file that seals secrets [default: beside the data folder, its name with `.key`].
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
}

impl Data {
    fn location(&self) -> Location {
        Location::new(self.data.clone(), self.key_file.clone())
    }

    /// What a host command answers: of the server that runs on this folder, or on the folder itself.
    fn ask(&self, command: Command) -> Result<Value, Failure> {
        Ok(operator::run(&self.location(), command)?)
    }

    /// Runs a host command and prints its answer as JSON.
    fn run(&self, command: Command) -> Outcome {
        text::line(format_args!("{:#}", self.ask(command)?));
        Ok(Answer::Yes)
    }
}

/// How a subcommand ended.
type Outcome = Result<Answer, Failure>;

/// What a subcommand found, or that it did what it was to do: yes.
enum Answer {
    Yes,
    No,
}

/// Why a subcommand has no answer.
enum Failure {
    /// The call was wrong; the text says how.
    Wrong(String),
    /// It could not be done; the text says why.
    Impossible(String),
}

impl From<OperatorError> for Failure {
    fn from(error: OperatorError) -> Self {
        if error.is_callers_fault() {
            Self::Wrong(error.to_string())
        } else {
            Self::Impossible(error.to_string())
        }
    }
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Sub::Serve(args) => serve::run(args),
        Sub::Account(args) => account::run(args),
        Sub::Root(args) => root::run(args),
        Sub::Alerts(args) => alerts::run(args),
        Sub::Trail(args) => trail::run(args),
        Sub::Can(args) => can::run(args),
        Sub::WhoCan(args) => can::run_who(args),
        Sub::Decide(args) => decide::run(&args),
        Sub::Validate(args) => validate::run(&args),
        Sub::Guardrails(args) => guardrails::run(args),
        Sub::Operations(args) => operations::run(&args),
    };
    let (code, message) = match outcome {
        Ok(Answer::Yes) => (0, None),
        Ok(Answer::No) => (1, None),
        Err(Failure::Wrong(message)) => (2, Some(message)),
        Err(Failure::Impossible(message)) => (3, Some(message)),
    };
    if let Some(message) = message {
        text::aside(format_args!("rootward: {message}"));
    }
    ExitCode::from(code)
}
