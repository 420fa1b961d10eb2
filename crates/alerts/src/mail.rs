//! Mail: one plain message an alert, over SMTP.
//!
//! Texts of records are in the subject and the body: [`plain`](crate::alert) has taken line ends out of them, and the
//! message builder encodes headers, so that none can begin a header of its own.

use lettre::message::{Mailbox, Message};
use lettre::{SmtpTransport, Transport};
use rootward_state::alerts::MailRoute;
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::route::Failure;
use crate::smtp::{self, Server, mailbox};

/// A mail server, and who writes to whom.
pub(crate) struct Mail {
    transport: SmtpTransport,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl Mail {
    pub(crate) fn new(route: &MailRoute, password: Option<&Zeroizing<String>>) -> Result<Self, Failure> {
        let MailRoute { host, port, tls, user, .. } = route;
        let server = Server { user: user.as_deref(), host, port: *port, tls: *tls };
        let transport = server.transport(password.map(|password| password.as_str()))?;
        let mailbox = |text: &str| mailbox(text).map_err(|error| Failure::new(&error.to_string()));
        let to = route.to.iter().map(|address| mailbox(address)).collect::<Result<_, _>>()?;
        Ok(Self { transport, from: mailbox(&route.from)?, to })
    }

    pub(crate) fn send(&self, alert: &Alert) -> Result<(), Failure> {
        let message = self.message(alert)?;
        self.transport.send(&message).map_err(|error| smtp::failure(&error, "--tls"))?;
        Ok(())
    }

    fn message(&self, alert: &Alert) -> Result<Message, Failure> {
        let to = self.to.iter().cloned();
        to.fold(smtp::message(self.from.clone(), &alert.id, alert.time), |message, to| message.to(to))
            .subject(format!("[Rootward] {}: {}", alert.severity.name(), alert.what))
            .body(body(alert))
            .map_err(|error| Failure::new(&error.to_string()))
    }
}

fn body(alert: &Alert) -> String {
    let account = alert.account.map_or_else(|| "none".to_owned(), |account| account.to_string());
    let time = alert.time.to_string();
    // Nobody is asked for a reason everywhere, and most calls are not refused: what there is not is no line.
    let fields = [
        ("Severity", Some(alert.severity.name())),
        ("Account", Some(&*account)),
        ("Who", Some(&*alert.actor)),
        ("Reason", alert.reason.as_deref()),
        ("From", Some(&*alert.source)),
        ("When", Some(&*time)),
        ("Event", Some(&*alert.event_name)),
        ("Refused", alert.error.as_deref()),
        ("Kind", Some(alert.kind.name())),
        ("Event id", Some(&*alert.id)),
    ];
    let shown = fields.iter().filter_map(|(name, value)| Some((name, (*value)?)));
    let fields: String = shown.map(|(name, value)| format!("{:<10}{value}\n", format!("{name}:"))).collect();
    format!("{}\n\nWhat to do: {}\n\n{fields}", alert.what, alert.advice)
}

#[cfg(test)]
mod tests {
    use rootward_names::Time;
    use rootward_state::alerts::{MailTls, Severity};

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
