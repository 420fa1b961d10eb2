//! Rows of alerts: where they go, and how far along the audit log each target has been told.

use rootward_names::{AccountId, Time};
use serde::{Deserialize, Serialize};

use crate::NameKey;
use crate::table::Table;

/// How much an alert matters, the least first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Worth looking at today.
    Warning,
    /// Worth getting up for.
    Critical,
}

impl Severity {
    /// In lower case, as it is shown.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

/// Somebody who is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertTarget {
    /// As written; unique ignoring case.
    pub name: Box<str>,
    /// When it was added: what was recorded before is not told.
    pub created: Time,
    /// Told of this account alone; none for all, and for what concerns no account.
    pub account: Option<AccountId>,
    /// Told of this and what matters more.
    pub severity: Severity,
    /// How it is told.
    pub route: AlertRoute,
}

/// How a target is told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum AlertRoute {
    /// By mail.
    Mail(MailRoute),
    /// By a signed HTTP request.
    Webhook(WebhookRoute),
}

/// A mail server, and who writes to whom.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MailRoute {
    /// A name or an address.
    pub host: Box<str>,
    /// The server's port.
    pub port: u16,
    /// How the connection is protected.
    pub tls: MailTls,
    /// Who signs in at the server; none to send without.
    pub user: Option<Box<str>>,
    /// The password, sealed with the key file; bound to the target's name.
    pub password: Option<Box<[u8]>>,
    /// The sender.
    pub from: Box<str>,
    /// The recipients: at least one.
    pub to: Vec<Box<str>>,
}

/// How a connection to a mail server is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum MailTls {
    /// Not at all: to this machine only.
    None,
    /// TLS from the first byte.
    Required,
    /// In the clear until `STARTTLS`, without which nothing is sent.
    StartTls,
}

/// Where an HTTP request goes and what signs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WebhookRoute {
    /// Scheme, host and port: what may be shown, since paths of webhooks often are secrets.
    pub origin: Box<str>,
    /// The whole address, sealed with the key file; bound to the target's name.
    pub url: Box<[u8]>,
    /// The key of signatures, sealed likewise.
    pub secret: Box<[u8]>,
}

/// How far a target has been told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertCursor {
    /// The number of the last record in the audit log that needs no more telling.
    pub seq: u64,
    /// When something was last delivered.
    pub delivered: Option<Time>,
}

/// The rows in the World.
#[derive(Debug, Clone, Default)]
pub(crate) struct AlertTables {
    pub(crate) cursors: Table<NameKey, AlertCursor>,
    pub(crate) targets: Table<NameKey, AlertTarget>,
}
