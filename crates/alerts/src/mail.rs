//! Mail: one plain message an alert, over SMTP.
//!
//! Texts of records are in the subject and the body: [`plain`](crate::alert) has taken line ends out of them, and the
//! message builder encodes headers, so that none can begin a header of its own.

use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, SmtpTransport, Transport};
use rootward_names::Time;
use rootward_state::alerts::{MailRoute, MailTls};
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::route::Failure;

/// A mail server, and who writes to whom.
pub(crate) struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub(crate) fn new(route: &MailRoute, password: Option<&Zeroizing<String>>) -> Result<Self, Failure> {
        let mut transport = SmtpTransport::builder_dangerous(&*route.host)
            .port(route.port)
            .tls(tls(route)?)
            .timeout(Some(STEP_TIME_MAX));
        if let (Some(user), Some(password)) = (&route.user, password) {
            transport = transport.credentials(Credentials::new(user.to_string(), password.to_string()));
        }
        let to = route.to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport: transport.build(), from: mailbox(&route.from)?, to })
    }

    pub(crate) fn send(&self, alert: &Alert) -> Result<(), Failure> {
        let message = self.message(alert)?;
        self.transport.send(&message).map_err(|error| Failure::new(&error.to_string()))?;
        Ok(())
    }

    fn message(&self, alert: &Alert) -> Result<Message, Failure> {
        let to = self.to.iter().cloned();
        to.fold(Message::builder(), |message, to| message.to(to))
            .from(self.from.clone())
            .subject(format!("[Rootward] {}: {}", alert.severity.name(), alert.what))
            .date(system_time(alert.time))
            // The same each time the alert is told, so that mailboxes can tell.
            .message_id(Some(format!("<{}@rootward>", alert.id)))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .header(ContentType::TEXT_PLAIN)
            .body(body(alert))
            .map_err(|error| Failure::new(&error.to_string()))
    }
}

fn tls(route: &MailRoute) -> Result<Tls, Failure> {
    let parameters = || {
        TlsParameters::builder(route.host.to_string())
            .build_rustls()
            .map_err(|error| Failure::new(&error.to_string()))
    };
    Ok(match route.tls {
        MailTls::None => Tls::None,
        MailTls::Required => Tls::Wrapper(parameters()?),
        MailTls::StartTls => Tls::Required(parameters()?),
    })
}

fn mailbox(address: &str) -> Result<Mailbox, Failure> {
    let address: Address = address.parse().map_err(|_| Failure::new("an address is not one"))?;
    Ok(Mailbox::new(None, address))
}

fn body(alert: &Alert) -> String {
    let account = alert.account.map_or_else(|| "none".to_owned(), |account| account.to_string());
    let fields = [
        ("Severity", alert.severity.name()),
        ("Account", &account),
        ("Who", &alert.actor),
        ("Reason", alert.reason.as_deref().unwrap_or("none given")),
        ("From", &alert.source),
        ("When", &alert.time.to_string()),
        ("Event", &alert.event_name),
        ("Refused", alert.error.as_deref().unwrap_or("no")),
        ("Kind", alert.kind.name()),
        ("Event id", &alert.id),
    ];
    let fields: String =
        fields.iter().map(|(name, value)| format!("{:<10}{value}\n", format!("{name}:"))).collect();
    format!("{}\n\nWhat to do: {}\n\n{fields}", alert.what, alert.advice)
}

fn system_time(time: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.seconds()).unwrap_or_default())
}

const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// How long the server may take to accept the connection, and for each of its answers.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use rootward_state::alerts::Severity;

    use super::*;
    use crate::alert::{Kind, plain};

    fn message(what: &str) -> String {
        let route = MailRoute {
            host: "localhost".into(),
            port: 25,
            tls: MailTls::None,
            user: None,
            password: None,
            from: "rootward@example.com".into(),
            to: vec!["a@example.com".into(), "b@example.com".into()],
        };
        let alert = Alert {
            id: "0198-1".into(),
            kind: Kind::PolicyChanged,
            severity: Severity::Info,
            event_name: "PutUserPolicy".into(),
            account: None,
            actor: "arn".into(),
            by_root: false,
            source: "192.0.2.1".into(),
            time: Time::from_seconds(1_700_000_000),
            what: what.into(),
            advice: "Look.",
            error: None,
            reason: None,
        };
        let mail = Mail::new(&route, None).ok().unwrap();
        String::from_utf8(mail.message(&alert).ok().unwrap().formatted()).unwrap()
    }

    #[test]
    fn message_has_its_headers_and_all_fields() {
        let text = message("Ann wrote a policy.");
        for line in [
            "Subject: [Rootward] info: Ann wrote a policy.",
            "From: rootward@example.com",
            "To: a@example.com, b@example.com",
            "Date: Tue, 14 Nov 2023 22:13:20 +0000",
            "Message-ID: <0198-1@rootward>",
            "Auto-Submitted: auto-generated",
            "What to do: Look.",
            "Event id: 0198-1",
            "When:     2023-11-14T22:13:20Z",
        ] {
            assert!(text.lines().any(|found| found == line), "{line} is not in {text}");
        }
    }

    #[test]
    fn text_of_a_record_begins_no_header() {
        for what in ["x\r\nBcc: mallory@example.com", "x\nBcc: mallory@example.com", "é\r\n\r\nbody"] {
            for what in [what, &plain(what, 100)] {
                let text = message(what);
                let (head, _) = text.split_once("\r\n\r\n").unwrap();
                assert!(!head.lines().any(|line| line.starts_with("Bcc") || line == "body"), "{head}");
            }
        }
    }
}
