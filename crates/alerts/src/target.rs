//! Making targets: what an operator asks for, checked and sealed.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::Uri;
use rootward_names::{AccountId, Random, Time};
use rootward_state::alerts::{AlertRoute, AlertTarget, MailRoute, MailTls, Severity, WebhookRoute};
use rootward_store::vault::Vault;
use zeroize::Zeroizing;

use crate::route::{PASSWORD, SECRET, URL, context};
use crate::smtp::{InvalidServer, Server, address};

/// A target as an operator asks for it.
pub struct NewTarget<'a> {
    /// 1–64 of letters, digits, `-`, `_` and `.`.
    pub name: &'a str,
    /// Of this account only.
    pub account: Option<AccountId>,
    /// This and what matters more.
    pub severity: Severity,
    /// How it is told.
    pub route: NewRoute<'a>,
}

/// How a new target is told.
pub enum NewRoute<'a> {
    /// By mail.
    Mail {
        /// `smtp://[USER@]HOST:PORT`
        server: &'a str,
        /// None for the one that the port is for: TLS from the first byte on 465, `STARTTLS` on others.
        tls: Option<MailTls>,
        /// Of the user.
        password: Option<&'a str>,
        /// The sender.
        from: &'a str,
        /// The recipients.
        to: &'a [String],
    },
    /// By a signed HTTP request.
    Webhook {
        /// `http` or `https`.
        url: &'a str,
        /// `whsec_BASE64`; one is drawn if none is given.
        secret: Option<&'a str>,
    },
}

/// A target, and the secret that was drawn for it.
pub struct Made {
    /// The row.
    pub target: AlertTarget,
    /// To be shown once.
    pub secret: Option<Zeroizing<String>>,
}

/// Why there can be no such target.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidTarget(pub(crate) &'static str);

impl From<InvalidServer> for InvalidTarget {
    fn from(invalid: InvalidServer) -> Self {
        Self(invalid.0)
    }
}

impl NewTarget<'_> {
    /// Checks it and seals its secrets.
    ///
    /// # Errors
    /// [`InvalidTarget`] names the first thing that is wrong; it never repeats an address or a secret.
    pub fn make(&self, now: Time, vault: &Vault, random: &mut dyn Random) -> Result<Made, InvalidTarget> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        if !(1..=NAME_CHARS_MAX).contains(&self.name.len()) || !self.name.bytes().all(fits) {
            return Err(InvalidTarget("a target's name has 1 to 64 letters, digits, `-`, `_` and `.`"));
        }
        let seal = |what: &str, secret: &[u8], random: &mut dyn Random| {
            vault.seal(&context(self.name, what), secret, random).into_boxed_slice()
        };
        let (route, secret) = match &self.route {
            NewRoute::Mail { server, tls, password, from, to } => {
                let server = Server::read(server, *tls, *password)?;
                if to.is_empty() {
                    return Err(InvalidTarget("a mail needs a recipient"));
                }
                let route = MailRoute {
                    host: server.host.into(),
                    port: server.port,
                    tls: server.tls,
                    user: server.user.map(Into::into),
                    password: password.map(|password| seal(PASSWORD, password.as_bytes(), random)),
                    from: address(from)?,
                    to: to.iter().map(|to| address(to)).collect::<Result<_, _>>()?,
                };
                (AlertRoute::Mail(route), None)
            }
            NewRoute::Webhook { url, secret } => {
                let origin = origin(url)?;
                let (key, drawn) = match secret {
                    Some(secret) => (key(secret)?, None),
                    None => {
                        let mut key = Zeroizing::new(vec![0; DRAWN_BYTES]);
                        random.fill(&mut key);
                        let shown = Zeroizing::new(format!("{PREFIX}{}", STANDARD.encode(&*key)));
                        (key, Some(shown))
                    }
                };
                let (url, secret) = (seal(URL, url.as_bytes(), random), seal(SECRET, &key, random));
                (AlertRoute::Webhook(WebhookRoute { origin, url, secret }), drawn)
            }
        };
        let target = AlertTarget {
            name: self.name.into(),
            created: now,
            account: self.account,
            severity: self.severity,
            route,
        };
        Ok(Made { target, secret })
    }
}

/// Scheme, host and port of a webhook's address.
fn origin(url: &str) -> Result<Box<str>, InvalidTarget> {
    let malformed = || {
        InvalidTarget(
            "a webhook's address begins with `https://HOST` or `http://HOST` and has no white space",
        )
    };
    if url.len() > URL_BYTES_MAX {
        return Err(InvalidTarget("a webhook's address has 2,048 bytes at most"));
    }
    let uri: Uri = url.parse().map_err(|_| malformed())?;
    let (scheme, authority) = (uri.scheme_str().unwrap_or_default(), uri.authority().ok_or_else(malformed)?);
    if !["http", "https"].contains(&scheme) || authority.host().is_empty() {
        return Err(malformed());
    }
    if authority.as_str().contains('@') {
        return Err(InvalidTarget(
            "a webhook's address has no user or password in it: the signature is the proof",
        ));
    }
    Ok(format!("{scheme}://{authority}").into())
}

fn key(secret: &str) -> Result<Zeroizing<Vec<u8>>, InvalidTarget> {
    let text = secret.strip_prefix(PREFIX).unwrap_or(secret);
    let key = STANDARD.decode(text).map(Zeroizing::new).ok();
    key.filter(|key| (KEY_BYTES_MIN..=KEY_BYTES_MAX).contains(&key.len()))
        .ok_or(InvalidTarget("a webhook's secret is `whsec_` and 24 to 64 bytes in base64"))
}

const PREFIX: &str = "whsec_";
const DRAWN_BYTES: usize = 32;
const KEY_BYTES_MIN: usize = 24;
const KEY_BYTES_MAX: usize = 64;
const NAME_CHARS_MAX: usize = 64;
const URL_BYTES_MAX: usize = 2_048;

#[cfg(test)]
mod tests {
    use rootward_store::vault::Key;

    use super::*;

    struct Count(u8);

    impl Random for Count {
        fn fill(&mut self, bytes: &mut [u8]) {
            for byte in bytes {
                self.0 = self.0.wrapping_add(1);
                *byte = self.0;
            }
        }
    }

    fn vault() -> Vault {
        Vault::new(&Key::random(&mut Count(0)))
    }

    fn make(route: NewRoute<'_>) -> Result<Made, InvalidTarget> {
        let target = NewTarget { name: "on-call", account: None, severity: Severity::Info, route };
        target.make(Time::from_seconds(1), &vault(), &mut Count(9))
    }

    fn webhook(url: &str, secret: Option<&str>) -> Result<WebhookRoute, InvalidTarget> {
        match make(NewRoute::Webhook { url, secret })?.target.route {
            AlertRoute::Webhook(route) => Ok(route),
            AlertRoute::Mail(_) => panic!("a webhook was asked for"),
        }
    }

    fn mail(server: &str, tls: Option<MailTls>, password: Option<&str>) -> Result<MailRoute, InvalidTarget> {
        let to = ["b@example.com".to_owned()];
        match make(NewRoute::Mail { server, tls, password, from: "a@example.com", to: &to })?.target.route {
            AlertRoute::Mail(route) => Ok(route),
            AlertRoute::Webhook(_) => panic!("a mail was asked for"),
        }
    }

    #[test]
    fn address_of_a_webhook_is_sealed_but_for_its_origin() {
        let route = webhook("https://hooks.example.com:8443/T0/secret?x=y", None).unwrap();
        assert_eq!(&*route.origin, "https://hooks.example.com:8443");
        let open = |name, what, sealed: &[u8]| vault().open(&context(name, what), sealed).ok();
        let url = open("On-Call", URL, &route.url).unwrap();
        assert_eq!(&**url, b"https://hooks.example.com:8443/T0/secret?x=y");
        assert!(open("other", URL, &route.url).is_none());
        assert!(open("on-call", SECRET, &route.url).is_none());
        assert!(!format!("{route:?}").contains("T0"));
    }

    #[test]
    fn secret_is_drawn_if_none_is_given() {
        let made = make(NewRoute::Webhook { url: "http://localhost:1/", secret: None }).unwrap();
        let shown = made.secret.unwrap();
        let AlertRoute::Webhook(route) = made.target.route else { panic!("a webhook was asked for") };
        let sealed = vault().open(&context("on-call", SECRET), &route.secret).unwrap();
        assert_eq!(key(&shown).unwrap(), sealed);
        assert_eq!(sealed.len(), 32);
        let given = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
        let made = make(NewRoute::Webhook { url: "http://localhost:1/", secret: Some(given) }).unwrap();
        assert!(made.secret.is_none());
    }

    #[test]
    fn what_is_no_webhook_is_refused() {
        for url in
            ["", "example.com", "/x", "ftp://example.com/", "https://", "https://a b/", "https://x/\r\ny"]
        {
            assert!(webhook(url, None).unwrap_err().to_string().contains("begins with"), "{url}");
        }
        assert!(webhook("https://user:pw@example.com/", None).unwrap_err().to_string().contains("no user"));
        assert!(webhook(&format!("https://x/{}", "y".repeat(2_048)), None).is_err());
        for secret in ["", "whsec_", "whsec_AAAA", "no base64 at all", &format!("whsec_{}", "A".repeat(100))]
        {
            assert!(
                webhook("https://x/", Some(secret)).unwrap_err().to_string().contains("24 to 64"),
                "{secret}"
            );
        }
    }

    #[test]
    fn server_is_read_with_its_user_port_and_protection() {
        let read = |server, tls| {
            let route = mail(server, tls, server.contains('@').then_some("pw")).unwrap();
            (route.host.to_string(), route.port, route.tls, route.user.map(String::from))
        };
        let (host, user) = ("mail.example.com".to_owned(), Some("me@example.com".to_owned()));
        assert_eq!(read("smtp://mail.example.com:587", None), (host.clone(), 587, MailTls::StartTls, None));
        assert_eq!(
            read("smtp://me@example.com@mail.example.com:465", None),
            (host, 465, MailTls::Required, user)
        );
        let none = Some(MailTls::None);
        assert_eq!(read("smtp://[::1]:25", none), ("::1".to_owned(), 25, MailTls::None, None));
        assert_eq!(read("smtp://localhost:25", none).0, "localhost");
    }

    #[test]
    fn what_is_no_server_is_refused() {
        for server in [
            "",
            "mail",
            "smtp://",
            "smtp://mail",
            "smtp://mail:0",
            "smtp://mail:x",
            "smtp://@mail:25",
            "smtp://m ail:25",
            "smtp://[127.0.0.1]:25",
            "smtp://mail:25/x",
            "https://mail:25",
        ] {
            assert!(mail(server, None, Some("pw")).is_err(), "{server}");
        }
        let password = mail("smtp://me:pw@mail:25", None, Some("pw")).unwrap_err();
        assert!(password.to_string().contains("apart from its address"));
        let tls = mail("smtp://192.0.2.1:25", Some(MailTls::None), None).unwrap_err();
        assert!(tls.to_string().contains("this machine only"));
        for (server, password) in [("smtp://u@mail:25", None), ("smtp://mail:25", Some("pw"))] {
            assert!(mail(server, None, password).unwrap_err().to_string().contains("go together"));
        }
    }

    #[test]
    fn what_is_no_address_or_name_is_refused() {
        for from in ["", "x", "a@b\r\nBcc: c@d", "Ann <a@example.com>"] {
            let (server, to) = ("smtp://mail:25", ["b@example.com".to_owned()]);
            let refused = make(NewRoute::Mail { server, tls: None, password: None, from, to: &to });
            assert!(refused.err().unwrap().to_string().contains("no e-mail address"), "{from}");
        }
        for name in ["", "a/b", "a b", "é", &"x".repeat(65)] {
            let route = NewRoute::Webhook { url: "https://x/", secret: None };
            let target = NewTarget { name, account: None, severity: Severity::Info, route };
            assert!(target.make(Time::from_seconds(1), &vault(), &mut Count(9)).is_err(), "{name}");
        }
    }
}
