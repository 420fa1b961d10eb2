//! The way to a target: its secrets opened, whatever its kind.

use rootward_names::Time;
use rootward_state::NameKey;
use rootward_state::alerts::{AlertRoute, AlertTarget, MailRoute, Severity, WebhookRoute};
use rootward_store::vault::Vault;
use zeroize::Zeroizing;

use crate::alert::{Alert, Kind, plain};
use crate::mail::Mail;
use crate::webhook::Webhook;

/// Why a target did not take an alert: one bounded line without secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Failure(String);

impl Failure {
    /// The other side may have had a hand in `text`.
    pub(crate) fn new(text: &str) -> Self {
        Self(plain(&text.replace(['\r', '\n'], " "), FAILURE_CHARS_MAX))
    }
}

/// Sends a test alert with this id to a target and waits for its answer.
///
/// # Errors
/// [`Failure`] says why the target did not take it.
pub fn send_test(target: &AlertTarget, vault: &Vault, id: &str, now: Time) -> Result<(), Failure> {
    let alert = Alert {
        id: id.to_owned(),
        kind: Kind::Test,
        severity: Severity::Info,
        event_name: "TestAlertTarget".to_owned(),
        account: target.account,
        actor: "operator at the host".to_owned(),
        by_root: false,
        source: "operator socket".to_owned(),
        time: now,
        what: format!("This is a test of the target {}.", target.name),
        advice: Kind::Test.advice(),
        error: None,
        reason: None,
    };
    Route::open(target, vault)?.send(&alert, now)
}

/// Where a target is, without what may be a secret.
pub fn shown(target: &AlertTarget) -> String {
    match &target.route {
        AlertRoute::Mail(MailRoute { host, port, to, .. }) => {
            let host = if host.contains(':') { format!("[{host}]") } else { host.to_string() };
            format!("mail to {} by {host}:{port}", to.join(", "))
        }
        AlertRoute::Webhook(WebhookRoute { origin, .. }) => format!("webhook at {origin}"),
    }
}

pub(crate) enum Route {
    Mail(Box<Mail>),
    Webhook(Box<Webhook>),
}

impl Route {
    pub(crate) fn open(target: &AlertTarget, vault: &Vault) -> Result<Self, Failure> {
        let open = |what: &str, sealed: &[u8]| {
            let opened = vault.open(&context(&target.name, what), sealed);
            opened.map_err(|error| Failure::new(&format!("its {what} cannot be opened: {error}")))
        };
        let text = |what: &str, sealed: &[u8]| {
            let bytes = open(what, sealed)?;
            let text =
                std::str::from_utf8(&bytes).map_err(|_| Failure::new(&format!("its {what} is no text")))?;
            Ok(Zeroizing::new(text.to_owned()))
        };
        Ok(match &target.route {
            AlertRoute::Mail(route) => {
                let password = route.password.as_deref().map(|sealed| text(PASSWORD, sealed)).transpose()?;
                Self::Mail(Box::new(Mail::new(route, password.as_ref())?))
            }
            AlertRoute::Webhook(WebhookRoute { url, secret, .. }) => {
                Self::Webhook(Box::new(Webhook::new(text(URL, url)?, open(SECRET, secret)?)))
            }
        })
    }

    pub(crate) fn send(&self, alert: &Alert, now: Time) -> Result<(), Failure> {
        match self {
            Self::Mail(mail) => mail.send(alert),
            Self::Webhook(webhook) => webhook.send(alert, now),
        }
    }
}

/// What a target's secret is sealed with: it does not open as another's, or as something else of the same target.
pub(crate) fn context(target: &str, what: &str) -> Vec<u8> {
    format!("alert target {what} {}", NameKey::new(target).as_str()).into_bytes()
}

pub(crate) const PASSWORD: &str = "password";
pub(crate) const SECRET: &str = "secret";
pub(crate) const URL: &str = "address";

const FAILURE_CHARS_MAX: usize = 300;
