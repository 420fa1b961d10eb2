//! `rootward serve`: a running node.

use std::io::IsTerminal;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use rootward_server::operator::Secret;
use rootward_server::{MailServer, Options, State, TlsFiles, TrustedProxy};

use crate::alerts::TlsMode;
use crate::{Answer, Data, Failure, Outcome, text};

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
    /// Seal the root users of the sandbox as those of a data folder are; keys that were not issued here stay root users.
    #[arg(long, requires = "sandbox")]
    sealed: bool,
    /// Certificate chain (PEM); read again on SIGHUP.
    #[arg(long, requires = "tls_key", value_name = "FILE")]
    tls_cert: Option<PathBuf>,
    /// Private key of the certificate (PEM).
    #[arg(long, requires = "tls_cert", value_name = "FILE")]
    tls_key: Option<PathBuf>,
    /// The address that people type to reach the console, such as `https://iam.example.com`; passkeys belong to its name.
    #[arg(long, value_name = "URL", value_parser = url)]
    url: Option<String>,
    /// How long a root user may sign in without a second factor, in days from its first sign-in on; 0: not at all.
    #[arg(long, default_value_t = 35, value_name = "DAYS")]
    mfa_grace_days: u32,
    /// Addresses of proxies in front of this server, such as `10.0.0.0/8`: their `X-Forwarded-For` and `X-Forwarded-Proto` are believed, and
    /// nobody else's. May be given more than once.
    #[arg(long, value_name = "CIDR")]
    trusted_proxy: Vec<TrustedProxy>,
    #[command(flatten)]
    mail: Mail,
    /// How to log, on standard error.
    #[arg(long, value_enum, default_value_t = LogFormat::Text)]
    log_format: LogFormat,
    /// What to log: error, warn, info, debug, or a filter such as `info,hyper=debug`.
    #[arg(long, default_value = "info", value_name = "FILTER")]
    log: String,
}

/// The node's own mail: codes for new addresses of root users and the recovery of their passwords.
#[derive(Args)]
struct Mail {
    /// Send the node's mail by this server: `smtp://[USER@]HOST:PORT`.
    #[arg(long, value_name = "SERVER", requires = "mail_from")]
    mail_server: Option<String>,
    /// The sender of the node's mail.
    #[arg(long, value_name = "ADDRESS", requires = "mail_server")]
    mail_from: Option<String>,
    /// A file whose first line is the password of the mail server's user.
    #[arg(long, value_name = "FILE", requires = "mail_server")]
    mail_password_file: Option<PathBuf>,
    /// How the connection to the mail server is protected [default: required on port 465, starttls on others].
    #[arg(long, value_enum, value_name = "MODE", requires = "mail_server")]
    mail_tls: Option<TlsMode>,
}

impl Mail {
    fn server(&self) -> Result<Option<MailServer>, Failure> {
        let (Some(server), Some(from)) = (&self.mail_server, &self.mail_from) else { return Ok(None) };
        let password = self.mail_password_file.as_deref().map(text::secret).transpose()?;
        let password = password.as_ref().map(Secret::expose);
        let server = MailServer::at(server, self.mail_tls.map(TlsMode::mail_tls), password, from);
        server.map(Some).map_err(|error| Failure::Wrong(error.to_string()))
    }
}

#[derive(Clone, Copy, ValueEnum)]
enum LogFormat {
    Json,
    Text,
}

pub(crate) fn run(args: Serve) -> Outcome {
    start_logging(&args).map_err(Failure::Wrong)?;
    let state = if args.sandbox {
        State::Sandbox { seed: args.seed, sealed: args.sealed }
    } else {
        State::Durable(args.data.location())
    };
    let tls = args.tls_cert.zip(args.tls_key).map(|(certificates, key)| TlsFiles { certificates, key });
    let mail_server = args.mail.server()?;
    let (url, mfa_grace_days) = (args.url, args.mfa_grace_days);
    let options = Options {
        listen: args.listen,
        state,
        tls,
        url,
        mfa_grace_days,
        mail_server,
        trusted_proxies: args.trusted_proxy,
    };
    rootward_server::serve(options).map_err(|error| Failure::Impossible(error.to_string()))?;
    Ok(Answer::Yes)
}

/// An address without path: scheme, host and, if it is not the usual one, port.
fn url(text: &str) -> Result<String, String> {
    let address = text.strip_suffix('/').unwrap_or(text);
    let host = address.strip_prefix("https://").or_else(|| address.strip_prefix("http://"));
    let is_host = |host: &str| {
        !host.is_empty() && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
    };
    if host.is_some_and(is_host) {
        Ok(address.to_owned())
    } else {
        Err("expected `https://HOST[:PORT]`".into())
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
