//! Mail servers: how an operator names one, the way to it, and the node's own, which writes to single people.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message, MessageBuilder};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{Address, SmtpTransport, Transport};
use rootward_names::Time;
use rootward_state::alerts::MailTls;

use crate::route::Failure;

/// Why this is no mail server, or no address to send from: never repeats what was given.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidServer(pub(crate) &'static str);

/// A mail server, by its name.
pub(crate) struct Server<'a> {
    pub(crate) user: Option<&'a str>,
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) tls: MailTls,
}

impl<'a> Server<'a> {
    /// Reads `smtp://[USER@]HOST:PORT`. Without `tls` it is the one that the port is for: TLS from the first byte on 465, `STARTTLS` on
    /// others. A user and a password go together.
    pub(crate) fn read(
        text: &'a str,
        tls: Option<MailTls>,
        password: Option<&str>,
    ) -> Result<Self, InvalidServer> {
        let malformed = InvalidServer("a mail server is given as `smtp://[USER@]HOST:PORT`");
        let rest = text.strip_prefix("smtp://").ok_or_else(|| malformed.clone())?;
        // The user may be an address itself.
        let (user, place) = match rest.rsplit_once('@') {
            Some((user, place)) => (Some(user), place),
            None => (None, rest),
        };
        if user.is_some_and(|user| user.contains(':')) {
            return Err(InvalidServer("a mail server's password is given apart from its address"));
        }
        let (host, port) = place.rsplit_once(':').ok_or_else(|| malformed.clone())?;
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
        let is_host = match bare {
            Some(bare) => bare.parse::<IpAddr>().is_ok_and(|address| address.is_ipv6()),
            None => {
                !host.is_empty()
                    && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-.".contains(&byte))
            }
        };
        let port = port.parse().ok().filter(|port| *port != 0);
        let (true, Some(port)) = (is_host && user != Some(""), port) else { return Err(malformed) };
        let host = bare.unwrap_or(host);
        let tls = tls.unwrap_or(if port == SMTPS_PORT { MailTls::Required } else { MailTls::StartTls });
        let is_here =
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
        if tls == MailTls::None && !is_here {
            return Err(InvalidServer("mail goes without TLS to this machine only"));
        }
        if user.is_some() != password.is_some() {
            return Err(InvalidServer("a user of the mail server and a password go together"));
        }
        Ok(Self { user, host, port, tls })
    }

    /// The way to it. Connects to nobody yet.
    pub(crate) fn transport(&self, password: Option<&str>) -> Result<SmtpTransport, Failure> {
        let mut transport = SmtpTransport::builder_dangerous(self.host)
            .port(self.port)
            .tls(self.tls()?)
            .timeout(Some(STEP_TIME_MAX));
        if let (Some(user), Some(password)) = (self.user, password) {
            transport = transport.credentials(Credentials::new(user.to_owned(), password.to_owned()));
        }
        Ok(transport.build())
    }

    fn tls(&self) -> Result<Tls, Failure> {
        let parameters = || {
            TlsParameters::builder(self.host.to_owned())
                .build_rustls()
                .map_err(|error| Failure::new(&error.to_string()))
        };
        Ok(match self.tls {
            MailTls::None => Tls::None,
            MailTls::Required => Tls::Wrapper(parameters()?),
            MailTls::StartTls => Tls::Required(parameters()?),
        })
    }
}

/// An address as it is kept.
pub(crate) fn address(text: &str) -> Result<Box<str>, InvalidServer> {
    mailbox(text).map(|_| text.into())
}

/// An address as a message has it.
pub(crate) fn mailbox(text: &str) -> Result<Mailbox, InvalidServer> {
    let address: Result<Address, _> = text.parse();
    let address = address.map_err(|_| InvalidServer("a sender or recipient is no e-mail address"))?;
    Ok(Mailbox::new(None, address))
}

/// A message of ours: from a machine, with an id that is the same each time it is sent, so that mailboxes can tell.
pub(crate) fn message(from: Mailbox, id: &str, time: Time) -> MessageBuilder {
    Message::builder()
        .from(from)
        .date(system_time(time))
        .message_id(Some(format!("<{id}@rootward>")))
        .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
        .header(ContentType::TEXT_PLAIN)
}

fn system_time(time: Time) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(u64::try_from(time.seconds()).unwrap_or_default())
}

/// The node's own mail server, and who it writes as.
pub struct MailServer {
    transport: SmtpTransport,
    from: Mailbox,
}

/// What the node writes to one person.
#[derive(Clone, Copy)]
pub struct Letter<'a> {
    /// The same each time it is sent.
    pub id: &'a str,
    /// The address.
    pub to: &'a str,
    /// One line.
    pub subject: &'a str,
    /// The text.
    pub text: &'a str,
    /// When it was written.
    pub time: Time,
}

/// Why a letter was not taken. Holds no word of the server's: some of them repeat the letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsent {
    /// The server takes it later.
    #[error("the mail server answered {0}: later")]
    Later(String),
    /// The server takes it never.
    #[error("the mail server answered {0}: never")]
    Never(String),
    /// There is no talking to the server: it does not answer, its certificate is not known, or it does not let us in.
    #[error("the mail server cannot be used: {0}")]
    Unreachable(String),
}

impl MailServer {
    /// The server `smtp://[USER@]HOST:PORT`. Without `tls` it is the one that the port is for. Connects to nobody yet.
    ///
    /// # Errors
    /// [`InvalidServer`] names the first thing that is wrong.
    pub fn at(
        server: &str,
        tls: Option<MailTls>,
        password: Option<&str>,
        from: &str,
    ) -> Result<Self, InvalidServer> {
        let transport = Server::read(server, tls, password)?.transport(password);
        let transport = transport.map_err(|_| InvalidServer("TLS cannot be used on this machine"))?;
        Ok(Self { transport, from: mailbox(from)? })
    }

    /// Sends a letter and waits for the server's answer, some seconds at most for each step of it.
    ///
    /// # Errors
    /// [`Unsent`] says whether it is worth trying again.
    pub fn send(&self, letter: &Letter<'_>) -> Result<(), Unsent> {
        let never = |what: &dyn std::fmt::Display| Unsent::Never(format!("nothing ({what})"));
        let message = message(self.from.clone(), letter.id, letter.time)
            .to(mailbox(letter.to).map_err(|error| never(&error))?)
            .subject(letter.subject)
            .body(letter.text.to_owned())
            .map_err(|error| never(&error))?;
        self.transport.send(&message).map(drop).map_err(|error| unsent(&error))
    }

    /// Whether it can be reached and lets us in; sends nothing.
    ///
    /// # Errors
    /// [`Unsent`] says why not.
    pub fn check(&self) -> Result<(), Unsent> {
        self.transport.test_connection().map(drop).map_err(|error| unsent(&error))
    }
}

/// What went wrong with a server, for who can mend it; `option` is the one that says how connections to it are protected.
pub(crate) fn failure(error: &lettre::transport::smtp::Error, option: &str) -> Failure {
    let text = error.to_string();
    if text.contains(NO_STARTTLS) {
        return Failure::new(&format!(
            "the mail server has no STARTTLS; `{option} required` is for one with TLS from the first byte, `{option} none` for one on \
             this machine without any"
        ));
    }
    Failure::new(&text)
}

fn unsent(error: &lettre::transport::smtp::Error) -> Unsent {
    match error.status() {
        Some(code) if DOES_NOT_LET_US_IN.contains(&u16::from(code)) => {
            Unsent::Unreachable(format!("it answered {code}"))
        }
        Some(code) if error.is_permanent() => Unsent::Never(code.to_string()),
        Some(code) => Unsent::Later(code.to_string()),
        None => Unsent::Unreachable(failure(error, "--mail-tls").to_string()),
    }
}

const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// In the words of the library that speaks to it.
const NO_STARTTLS: &str = "STARTTLS is not supported";

/// What is wrong with us and not with a letter: authentication is missing, too weak, refused or wants encryption (RFC 4954, 6).
const DOES_NOT_LET_US_IN: [u16; 4] = [530, 534, 535, 538];

const SMTPS_PORT: u16 = 465;

/// How long the server may take to accept the connection, and for each of its answers.
const STEP_TIME_MAX: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn server_is_named_as_for_targets_of_alerts() {
        let at = |server, password, from| MailServer::at(server, None, password, from).map(drop);
        assert_eq!(at("smtp://mail.example.com:25", None, "rootward@example.com"), Ok(()));
        assert_eq!(at("smtp://me@example.com@mail.example.com:465", Some("pw"), "a@example.com"), Ok(()));
        for (server, password, from) in [
            ("mail.example.com:25", None, "a@example.com"),
            ("smtp://me@mail:25", None, "a@example.com"),
            ("smtp://mail:25", Some("pw"), "a@example.com"),
            ("smtp://me:pw@mail:25", Some("pw"), "a@example.com"),
            ("smtp://mail:25", None, "a@example.com\r\nBcc: b@example.com"),
        ] {
            assert!(at(server, password, from).is_err(), "{server} {from}");
        }
        let clear = MailServer::at("smtp://192.0.2.1:25", Some(MailTls::None), None, "a@example.com");
        assert!(clear.is_err());
    }

    #[test]
    fn letter_to_nobody_is_never_sent() {
        let server =
            MailServer::at("smtp://localhost:25", Some(MailTls::None), None, "a@example.com").unwrap();
        let letter = Letter {
            id: "1",
            to: "b@example.com>\r\nRCPT TO:<c@example.com",
            subject: "s",
            text: "t",
            time: Time::from_seconds(1),
        };
        assert!(matches!(server.send(&letter), Err(Unsent::Never(_))));
    }
}
