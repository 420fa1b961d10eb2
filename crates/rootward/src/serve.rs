//! `rootward serve`: a running node.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rootward_server::{Options, State, TlsFiles};

use crate::{Data, Outcome};

#[derive(Args)]
pub(crate) struct Serve {
    /// Address and port; port 0 takes a free one and says which.
    #[arg(long, default_value = "127.0.0.1:4566", value_name = "ADDRESS")]
    listen: SocketAddr,
    #[command(flatten)]
    data: Data,
    /// For development and CI only: state in memory, and keys that were not issued here are root users.
    #[arg(long, conflicts_with_all = ["data", "key_file"])]
    sandbox: bool,
    /// Make ids, secrets and times reproducible; sandbox only.
    #[arg(long, requires = "sandbox", value_name = "N")]
    seed: Option<u64>,
    /// Certificate chain (PEM); read again on SIGHUP.
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// How to log, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What to log: error, warn, info, debug, or a filter such as `info,hyper=debug`.
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

pub(crate) fn run(args: Serve) -> Outcome {
    if let Err(message) = start_logging(&args) {
        return Outcome::Wrong(message);
    }
    let state =
        if args.sandbox { State::Sandbox { seed: args.seed } } else { State::Durable(args.data.location()) };
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificates, key)| TlsFiles { certificates, key });
    let options = Options { listen: args.listen, state, tls };
    match rootward_server::serve(options) {
        Ok(()) => Outcome::Fine,
        Err(error) => Outcome::Impossible(error.to_string()),
    }
}

fn start_logging(args: &Serve) -> Result<(), String> {
    let filter = tracing_subscriber::EnvFilter::try_new(&args.log)
        .map_err(|error| format!("cannot read the log filter `{}`: {error}", args.log))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match args.log_format {
        LogFormat::Json => builder.json().init(),
        LogFormat::Text => builder.with_target(false).with_ansi(std::io::stderr().is_terminal()).init(),
    }
    Ok(())
}
