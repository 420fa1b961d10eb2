//! Host commands: what the operator at this machine can do, through the running server or, without one, on the folder.
//!
//! A server listens on a Unix socket in its data folder (mode 0600): whoever can open the folder's files can use it,
//! nobody else. One command a connection: one line of JSON there, one line back. Without a server the same function
//! runs on the opened folder, which the store's lock guarantees nobody else has open.

use std::io::{BufRead, BufReader, ErrorKind, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rootward_alerts::{NewRoute, NewTarget};
use rootward_names::AccountId;
use rootward_services::accounts::AccountError;
use rootward_services::hardware_tokens::ImportError;
use rootward_services::root_guard::GuardError;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::Location;
use crate::front::Face;
use crate::node::{self, Node, StartError};
use crate::questions::{Place, Question};

pub use rootward_state::alerts::{MailTls, Severity};

/// Longest command line, in bytes.
const COMMAND_BYTES_MAX: u64 = 64 * 1024;
/// Records that one reading gives, at most.
const READ_RECORDS_MAX: usize = 1_000;
/// Records that one look at the end gives, at most.
const TAIL_LINES_MAX: usize = 10_000;
/// Connections that are served at once; further ones wait.
const CONNECTIONS_MAX: usize = 8;
/// How long the other end may be silent, and not read its answer.
const PEER_TIME_MAX: Duration = Duration::from_secs(10);
/// Pause when a connection cannot be accepted: out of file descriptors, most likely. Waiting frees some, spinning would not.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a command may take.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(120);

/// A secret on its way through the socket: hidden in `Debug`, wiped when it is dropped.
#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
pub struct Secret(String);

impl Secret {
    /// Takes a secret as typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The secret.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// A host command.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case")]
pub enum Command {
    /// Tell somebody else, too, what must not go unnoticed.
    AddAlertTarget {
        /// What it is called from then on.
        name: String,
        /// Of this account only.
        account: Option<AccountId>,
        /// This and what matters more.
        severity: Severity,
        /// How it is told.
        route: AlertRoute,
    },
    /// Put a ready service control policy in force.
    ApplyGuardrail {
        /// Whose organization; of the only one if none.
        account: Option<AccountId>,
        /// Which one.
        name: String,
        /// What the policy is called; as the guardrail if none.
        policy_name: Option<String>,
        /// The regions that stay open; for the one that needs them only.
        regions: Vec<String>,
        /// `root`, or the id of the root, of a unit or of an account.
        target: String,
    },
    /// Whether a principal may do something, and why.
    Can {
        /// An ARN of a user, a role or root; or `user/NAME`, `role/NAME`, `root`.
        principal: String,
        /// The account of a principal that is no ARN; none if there is but one.
        account: Option<AccountId>,
        /// What is asked.
        question: Question,
    },
    /// Give a root user another e-mail address.
    ChangeEmail {
        /// Whose root user.
        account: AccountId,
        /// The new address.
        email: String,
    },
    /// Close an account.
    CloseAccount {
        /// Which.
        account: AccountId,
    },
    /// Open an account with its root user, and an administrator if one is named.
    CreateAccount {
        /// 1–50 printable ASCII characters.
        name: String,
        /// The root user's address.
        email: String,
        /// The root user's password; none for a root user that cannot sign in until it is given one.
        password: Option<Secret>,
        /// The administrator's user name.
        admin: Option<String>,
    },
    /// Make an access key for a root user.
    CreateRootAccessKey {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
    },
    /// Remove the guard policy of an account.
    DeleteGuardPolicy {
        /// Of the only account if none.
        account: Option<AccountId>,
    },
    /// The guard policy of an account.
    GetGuardPolicy {
        /// Of the only account if none.
        account: Option<AccountId>,
    },
    /// Take a hardware token into an account; `EnableMFADevice` binds it.
    ImportHardwareToken {
        /// Whose token; of the only account if none.
        account: Option<AccountId>,
        /// What is printed on it.
        serial_number: String,
        /// What its maker has given with it.
        seed: Secret,
    },
    /// Every account, by id.
    ListAccounts,
    /// List the targets of alerts and how their deliveries go.
    ListAlertTargets,
    /// Set the guard policy of an account.
    PutGuardPolicy {
        /// Of the only account if none.
        account: Option<AccountId>,
        /// The document.
        policy: String,
        /// Whether it may take the place of one that is in force.
        replace: bool,
    },
    /// Set who must agree to a use of a root user, and how long its sessions last.
    PutRootAccessSettings {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
        /// How many must agree.
        required: u8,
        /// The names of the users who are asked.
        users: Vec<String>,
        /// As before if none.
        session_minutes: Option<u8>,
    },
    /// Audit records behind a number, in order; at most a thousand of them.
    ReadTrail {
        /// The number of the last record that is known already; 0 for none.
        after: u64,
    },
    /// Tell a target nothing more.
    RemoveAlertTarget {
        /// Which.
        name: String,
    },
    /// Open a closed account again.
    ReopenAccount {
        /// Which.
        account: AccountId,
    },
    /// Take all MFA devices from a root user.
    ResetRootMfa {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
    },
    /// Give a root user another password.
    ResetRootPassword {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
        /// One is made if none is given.
        password: Option<Secret>,
    },
    /// How well root users are guarded.
    RootStatus {
        /// Of this account only.
        account: Option<AccountId>,
    },
    /// Close the seal on a root user.
    SealRoot {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
    },
    /// The newest audit records, oldest first; at most ten thousand of them.
    TailTrail {
        /// How many.
        lines: usize,
        /// Of this account only.
        account: Option<AccountId>,
    },
    /// Send a target a test alert.
    TestAlertTarget {
        /// Which.
        name: String,
    },
    /// How many records the audit log holds.
    TrailLength,
    /// Break the seal on a root user for a while.
    UnsealRoot {
        /// Whose root user; of the only account if none.
        account: Option<AccountId>,
        /// Why.
        reason: String,
        /// For how long.
        minutes: u8,
    },
    /// Prove the audit log.
    VerifyTrail,
    /// Who may do something; of some thousand principals at most.
    WhoCan {
        /// Of this account only.
        account: Option<AccountId>,
        /// What is asked.
        question: Question,
        /// `next` of the portion before.
        after: Option<Place>,
    },
}

/// How a new target of alerts is told.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AlertRoute {
    /// By mail.
    Mail {
        /// `smtp://[USER@]HOST:PORT`
        server: String,
        /// None for the one that the port is for.
        tls: Option<MailTls>,
        /// Of the user.
        password: Option<Secret>,
        /// The sender.
        from: String,
        /// The recipients.
        to: Vec<String>,
    },
    /// By a signed HTTP request.
    Webhook {
        /// Where to; its path may be a secret.
        url: Secret,
        /// What signs it; one is drawn if none is given.
        secret: Option<Secret>,
    },
}

impl AlertRoute {
    fn new_route(&self) -> NewRoute<'_> {
        match self {
            Self::Mail { server, tls, password, from, to } => {
                let password = password.as_ref().map(Secret::expose);
                NewRoute::Mail { server, tls: *tls, password, from, to }
            }
            Self::Webhook { url, secret } => {
                NewRoute::Webhook { url: url.expose(), secret: secret.as_ref().map(Secret::expose) }
            }
        }
    }
}

/// Why a host command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum OperatorError {
    /// The folder could not be opened.
    #[error(transparent)]
    Folder(#[from] StartError),
    /// The command asks for something that is not allowed; the text says what.
    #[error("{0}")]
    Refused(String),
    /// It failed for reasons outside the command.
    #[error("{0}")]
    Failed(String),
}

impl From<AccountError> for OperatorError {
    fn from(error: AccountError) -> Self {
        let text = error.to_string();
        match error {
            AccountError::AdminName(_)
            | AccountError::Closed(_)
            | AccountError::Email { .. }
            | AccountError::EmailTaken(_)
            | AccountError::Gone(_)
            | AccountError::Guard(_)
            | AccountError::IdTaken(_)
            | AccountError::Manages(_)
            | AccountError::Name(_)
            | AccountError::NoSuchAccount(_)
            | AccountError::NotClosed(_)
            | AccountError::Password(_)
            | AccountError::TooManyKeys(_) => Self::Refused(text),
            AccountError::Hash | AccountError::NoFreeId => Self::Failed(text),
        }
    }
}

impl From<ImportError> for OperatorError {
    fn from(error: ImportError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl From<GuardError> for OperatorError {
    fn from(error: GuardError) -> Self {
        Self::Refused(error.to_string())
    }
}

impl OperatorError {
    /// Whether another command would have worked.
    pub fn is_callers_fault(&self) -> bool {
        matches!(self, Self::Refused(_))
    }
}

impl Command {
    /// Whether it has something to do where there is no account yet. All others begin no data folder: what is asked of an empty one is
    /// most often meant for another.
    const fn begins(&self) -> bool {
        matches!(self, Self::AddAlertTarget { .. } | Self::CreateAccount { .. })
    }
}

/// The answer on the socket.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Done(Value),
    Failed(String),
    Refused(String),
}

/// Runs a command on the server that has this folder open, or on the folder itself.
///
/// # Errors
/// [`OperatorError`].
pub fn run(location: &Location, command: Command) -> Result<Value, OperatorError> {
    match UnixStream::connect(location.socket()) {
        Ok(stream) => ask(stream, &command),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::ConnectionRefused) => {
            on_folder(location, command)
        }
        Err(error) => Err(OperatorError::Failed(format!(
            "cannot reach the server's operator socket `{}`: {error}",
            location.socket().display()
        ))),
    }
}

fn on_folder(location: &Location, command: Command) -> Result<Value, OperatorError> {
    if !command.begins() {
        node::require_state(location)?;
    }
    if let Command::VerifyTrail = command {
        return node::verify_folder(location);
    }
    let node = Node::open(location, &Face::none())?;
    let answer = execute(&node, command);
    node.close();
    answer
}

fn ask(mut stream: UnixStream, command: &Command) -> Result<Value, OperatorError> {
    let broken = |error: std::io::Error| {
        OperatorError::Failed(format!("the server did not answer on its operator socket: {error}"))
    };
    stream.set_read_timeout(Some(ANSWER_TIME_MAX)).map_err(broken)?;
    let mut line = serde_json::to_vec(command).map_err(|error| OperatorError::Failed(error.to_string()))?;
    line.push(b'\n');
    stream.write_all(&line).map_err(broken)?;
    let mut answer = String::new();
    BufReader::new(stream).read_line(&mut answer).map_err(broken)?;
    match serde_json::from_str(&answer) {
        Ok(Answer::Done(value)) => Ok(value),
        Ok(Answer::Refused(reason)) => Err(OperatorError::Refused(reason)),
        Ok(Answer::Failed(reason)) => Err(OperatorError::Failed(reason)),
        Err(_) => Err(OperatorError::Failed("the server stopped before it answered".into())),
    }
}

/// Listens on the folder's socket until the process ends, with some threads: a client that says nothing must not keep the
/// next command waiting.
///
/// # Errors
/// When the socket cannot be made.
pub(crate) fn listen(location: &Location, node: Arc<Node>) -> std::io::Result<()> {
    let path = location.socket();
    // The store's lock says that no other server has this folder: what is there is what a killed one left.
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = bind_private(&path)?;
    for _ in 0..CONNECTIONS_MAX {
        let (listener, node) = (listener.try_clone()?, Arc::clone(&node));
        std::thread::Builder::new().name("operator".into()).spawn(move || serve(&listener, &node))?;
    }
    Ok(())
}

fn serve(listener: &UnixListener, node: &Node) {
    for stream in listener.incoming() {
        match stream.map(|stream| answer(node, stream)) {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "operator connection ended early"),
            Err(error) => {
                tracing::debug!(%error, "cannot accept an operator connection");
                std::thread::sleep(ACCEPT_PAUSE);
            }
        }
    }
}

/// Binds under another name, restricts, then renames. The folder was made for its owner only; where somebody made it
/// otherwise, the rename keeps the socket from being found under its name before it is restricted.
fn bind_private(path: &Path) -> std::io::Result<UnixListener> {
    use std::os::unix::fs::PermissionsExt;
    let hidden = path.with_extension("new");
    let _ = std::fs::remove_file(&hidden);
    let listener = UnixListener::bind(&hidden)?;
    std::fs::set_permissions(&hidden, std::fs::Permissions::from_mode(0o600))?;
    std::fs::rename(&hidden, path)?;
    Ok(listener)
}

fn answer(node: &Node, mut stream: UnixStream) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PEER_TIME_MAX))?;
    stream.set_write_timeout(Some(PEER_TIME_MAX))?;
    let mut line = String::new();
    BufReader::new(stream.try_clone()?.take(COMMAND_BYTES_MAX)).read_line(&mut line)?;
    let answer = match serde_json::from_str(&line) {
        Ok(command) => match execute(node, command) {
            Ok(value) => Answer::Done(value),
            Err(OperatorError::Refused(reason)) => Answer::Refused(reason),
            Err(error) => Answer::Failed(error.to_string()),
        },
        Err(_) => Answer::Refused("the server does not know this command; is it an older version?".into()),
    };
    let mut line = serde_json::to_vec(&answer)?;
    line.push(b'\n');
    stream.write_all(&line)
}

fn execute(node: &Node, command: Command) -> Result<Value, OperatorError> {
    match command {
        Command::AddAlertTarget { name, account, severity, route } => {
            node.add_alert_target(&NewTarget { name: &name, account, severity, route: route.new_route() })
        }
        Command::ApplyGuardrail { account, name, policy_name, regions, target } => {
            node.apply_guardrail(account, &name, policy_name.as_deref(), &regions, &target)
        }
        Command::Can { principal, account, question } => node.can(&principal, account, &question),
        Command::ChangeEmail { account, email } => node.change_email(account, &email),
        Command::CloseAccount { account } => node.close_account(account),
        Command::CreateAccount { name, email, password, admin } => {
            node.create_account(&name, &email, password.as_ref().map(Secret::expose), admin.as_deref())
        }
        Command::CreateRootAccessKey { account } => node.create_root_access_key(node.meant(account)?),
        Command::DeleteGuardPolicy { account } => node.delete_guard_policy(node.meant(account)?),
        Command::GetGuardPolicy { account } => node.guard_policy(node.meant(account)?),
        Command::ListAccounts => node.list_accounts(),
        Command::ListAlertTargets => node.list_alert_targets(),
        Command::RemoveAlertTarget { name } => node.remove_alert_target(&name),
        Command::ImportHardwareToken { account, serial_number, seed } => {
            node.import_hardware_token(node.meant(account)?, &serial_number, seed.expose())
        }
        Command::PutGuardPolicy { account, policy, replace } => {
            node.put_guard_policy(node.meant(account)?, &policy, replace)
        }
        Command::PutRootAccessSettings { account, required, users, session_minutes } => {
            node.put_root_access_settings(node.meant(account)?, required, &users, session_minutes)
        }
        Command::ReopenAccount { account } => node.reopen_account(account),
        Command::ResetRootMfa { account } => node.reset_root_mfa(node.meant(account)?),
        Command::ResetRootPassword { account, password } => {
            node.reset_root_password(node.meant(account)?, password.as_ref().map(Secret::expose))
        }
        Command::RootStatus { account } => node.root_status(account),
        Command::SealRoot { account } => node.seal_root(node.meant(account)?),
        Command::TailTrail { lines, account } => node.tail_trail(lines.min(TAIL_LINES_MAX), account),
        Command::ReadTrail { after } => node.read_trail(after, READ_RECORDS_MAX),
        Command::TestAlertTarget { name } => node.test_alert_target(&name),
        Command::TrailLength => Ok(node.trail_length()),
        Command::UnsealRoot { account, reason, minutes } => {
            node.unseal_root(node.meant(account)?, &reason, minutes)
        }
        Command::VerifyTrail => node.verify_trail(),
        Command::WhoCan { account, question, after } => node.who_can(account, &question, after.as_ref()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_operator_cannot_mend_is_no_refusal() {
        for error in [AccountError::Hash, AccountError::NoFreeId] {
            assert!(!OperatorError::from(error).is_callers_fault());
        }
        assert!(OperatorError::from(AccountError::EmailTaken("a@example.com".into())).is_callers_fault());
    }

    #[test]
    fn longest_guard_policy_reaches_the_server() {
        // No character takes more bytes than one that JSON escapes by its number.
        let policy = "\u{1}".repeat(rootward_guardrails::DOCUMENT_CHARS_MAX);
        let account = "123456789012".parse().ok();
        let line = serde_json::to_vec(&Command::PutGuardPolicy { account, policy, replace: false }).unwrap();
        assert!(u64::try_from(line.len()).unwrap() < COMMAND_BYTES_MAX, "{}", line.len());
    }
}
