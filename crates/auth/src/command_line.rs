//! What lets a command line act without an access key: an authorization code, and the refresh token that it is redeemed for.
//!
//! ```text
//! browser, signed in:  Asked ─▶ Code ─▶ redirect to the command line
//! command line:        Code, verifier, DPoP proof ─▶ session, credentials, RefreshToken
//!                      RefreshToken, DPoP proof   ─▶ credentials, the next RefreshToken
//! ```
//!
//! Both are sealed: nobody else can read, change or make one, and nothing is stored until a code is redeemed. A code names the
//! session that it becomes, so that it becomes one only: who redeems it finds that row there, or not. It is bound to the client,
//! the redirect and the challenge that were asked for, and good for [`CODE_SECONDS`]. A refresh token is bound to the key that its
//! code was redeemed with, and holds a secret whose digest the session's row keeps. Secrets follow from one another, so that of
//! several processes that refresh at once all get the same next token.
//!
//! Source: RFC 6749, section 4.1; RFC 7636 (PKCE); RFC 8252, section 7.3 (loopback); AWS Sign-In API Reference,
//! `AuthorizeOAuth2Access`, `CreateOAuth2Token`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use url::Url;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::dpop::Thumbprint;
use crate::sealed::Kind;

/// How long a code is good, in seconds: on another computer it is pasted by hand.
pub const CODE_SECONDS: i64 = 300;
/// How long credentials are good, in seconds; the session may end before.
pub const CREDENTIAL_SECONDS: i64 = 900;
/// How long a refresh token is good after it was replaced, in seconds: several processes refresh at once.
pub const OVERLAP_SECONDS: i64 = 60;
const TEXT_BYTES_MAX: usize = 2_048;
const CODE: Kind = Kind { context: b"authorization code 1", bytes_max: TEXT_BYTES_MAX };
const REFRESH_TOKEN: Kind = Kind { context: b"refresh token 1", bytes_max: TEXT_BYTES_MAX };

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Client {
    /// A command line on another computer than the browser: its user carries the code there.
    CrossDevice,
    /// A command line on the browser's computer, which listens for the code.
    SameDevice,
}

impl Client {
    /// The client of this id.
    pub fn of(id: &str) -> Option<Self> {
        match id {
            "arn:aws:signin:::devtools/cross-device" => Some(Self::CrossDevice),
            "arn:aws:signin:::devtools/same-device" => Some(Self::SameDevice),
            _ => None,
        }
    }

    /// What policies call it: the end of its ARN.
    pub const fn resource(self) -> &'static str {
        match self {
            Self::CrossDevice => "oauth2/public-client/remote",
            Self::SameDevice => "oauth2/public-client/localhost",
        }
    }
}

/// What a command line asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asked {
    /// Who asks.
    pub client: Client,
    /// SHA-256 of where the code is to go.
    redirect: [u8; 32],
    /// SHA-256 of the verifier that only who asks has.
    challenge: [u8; 32],
}

/// A request that no command line would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRequest {
    /// The challenge is none.
    #[error("code_challenge is not the SHA-256 of a verifier in base64url")]
    Challenge,
    /// Nobody knows this client.
    #[error("client_id is not the one of a command line")]
    Client,
    /// A redirect that this client does not use.
    #[error(
        "redirect_uri is none of this client's: http://127.0.0.1:PORT/oauth/callback on the same computer, \
         and an address that ends in /v1/sessions/confirmation on another"
    )]
    Redirect,
}

impl Asked {
    /// Reads a request.
    ///
    /// # Errors
    /// [`InvalidRequest`].
    pub fn read(client_id: &str, redirect_uri: &str, code_challenge: &str) -> Result<Self, InvalidRequest> {
        let client = Client::of(client_id).ok_or(InvalidRequest::Client)?;
        let is_its = match client {
            Client::CrossDevice => is_confirmation(redirect_uri),
            Client::SameDevice => is_callback(redirect_uri),
        };
        if !is_its {
            return Err(InvalidRequest::Redirect);
        }
        let challenge =
            BASE64_URL_SAFE_NO_PAD.decode(code_challenge).map_err(|_| InvalidRequest::Challenge)?;
        let challenge = challenge.try_into().map_err(|_| InvalidRequest::Challenge)?;
        Ok(Self { client, redirect: Sha256::digest(redirect_uri).into(), challenge })
    }
}

/// Exactly what the clients listen at: no other spelling of it, and nothing that any reader of addresses could take for another.
fn is_callback(uri: &str) -> bool {
    let port = uri.strip_prefix("http://127.0.0.1:").and_then(|rest| rest.strip_suffix("/oauth/callback"));
    port.is_some_and(|port| port.parse::<u16>().is_ok_and(|number| number > 0 && number.to_string() == port))
}

/// No browser is sent there: the code is shown.
fn is_confirmation(uri: &str) -> bool {
    let Ok(url) = Url::parse(uri) else { return false };
    let is_bare = url.query().is_none() && url.fragment().is_none() && url.username().is_empty();
    let is_web = matches!(url.scheme(), "http" | "https") && url.password().is_none();
    is_web && is_bare && url.path() == "/v1/sessions/confirmation" && url.as_str() == uri
}

/// An authorization code.
#[derive(Clone, Serialize, Deserialize)]
pub struct Code {
    /// In which account.
    pub account: AccountId,
    /// The session in which it was allowed.
    pub parent: Handle,
    /// The session that it becomes.
    pub session: Handle,
    /// When.
    pub issued: Time,
    client: Client,
    redirect: [u8; 32],
    challenge: [u8; 32],
}

impl Code {
    /// A code for what was asked, allowed in this session now.
    pub fn new(
        asked: &Asked,
        account: AccountId,
        parent: Handle,
        now: Time,
        random: &mut dyn Random,
    ) -> Self {
        let Asked { client, redirect, challenge } = *asked;
        Self { account, parent, session: Handle::random(random), issued: now, client, redirect, challenge }
    }

    /// The text that the command line is given.
    pub fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        CODE.seal(self, vault, random)
    }

    /// Reads the text; none if it is not ours. Whether it is too old is for the caller to see.
    pub fn open(vault: &Vault, text: &str) -> Option<Self> {
        CODE.open(text, vault)
    }

    /// Whether it is too old. A clock that was set back makes none good again.
    pub fn is_expired(&self, now: Time) -> bool {
        !(0..CODE_SECONDS).contains(&(now.seconds() - self.issued.seconds()))
    }

    /// Whether it was given to this client for this redirect, and this is the verifier of its challenge.
    pub fn is_for(&self, client: Client, redirect_uri: &str, verifier: &str) -> bool {
        let digest = |text: &str| <[u8; 32]>::from(Sha256::digest(text));
        let is_redirect = digest(redirect_uri).ct_eq(&self.redirect);
        let is_verifier = digest(verifier).ct_eq(&self.challenge);
        client == self.client && bool::from(is_redirect & is_verifier)
    }
}

/// A refresh token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshToken {
    /// In which account.
    pub account: AccountId,
    /// The session whose credentials it renews.
    pub session: Handle,
    /// Whom it was given to.
    pub client: Client,
    /// The key that it is bound to.
    pub key: Thumbprint,
    secret: Secret,
}

#[derive(Clone, Serialize, Deserialize, Zeroize, ZeroizeOnDrop)]
struct Secret([u8; 32]);

impl RefreshToken {
    /// The first one of a session.
    pub fn new(
        account: AccountId,
        session: Handle,
        client: Client,
        key: Thumbprint,
        random: &mut dyn Random,
    ) -> Self {
        let mut secret = [0; 32];
        random.fill(&mut secret);
        Self { account, session, client, key, secret: Secret(secret) }
    }

    /// The one after it.
    #[must_use]
    pub fn next(&self, vault: &Vault) -> Self {
        Self { secret: Secret(vault.mac("next refresh token", &self.secret.0)), ..self.clone() }
    }

    /// What the session's row keeps.
    pub fn digest(&self) -> [u8; 32] {
        Sha256::digest(self.secret.0).into()
    }

    /// The text that the command line is given.
    pub fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        REFRESH_TOKEN.seal(self, vault, random)
    }

    /// Reads the text; none if it is not ours.
    pub fn open(vault: &Vault, text: &str) -> Option<Self> {
        REFRESH_TOKEN.open(text, vault)
    }
}

impl std::fmt::Debug for RefreshToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "RefreshToken {{ account: {}, session: {}, … }}", self.account, self.session)
    }
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Code {{ account: {}, session: {}, … }}", self.account, self.session)
    }
}

#[cfg(test)]
mod tests {
    use rootward_store::vault::Key;
    use rootward_testkit::Seeded;

    use super::*;

    const SAME: &str = "arn:aws:signin:::devtools/same-device";
    const CROSS: &str = "arn:aws:signin:::devtools/cross-device";
    const CALLBACK: &str = "http://127.0.0.1:43631/oauth/callback";
    const CONFIRMATION: &str = "http://127.0.0.1:4566/v1/sessions/confirmation";
    /// RFC 7636, appendix B.
    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    fn asked(client: &str, redirect: &str) -> Result<Client, InvalidRequest> {
        Asked::read(client, redirect, CHALLENGE).map(|asked| asked.client)
    }

    #[test]
    fn clients_ask_for_their_own_redirects() {
        assert_eq!(asked(SAME, CALLBACK), Ok(Client::SameDevice));
        for uri in [CONFIRMATION, "https://iam.example.com/v1/sessions/confirmation"] {
            assert_eq!(asked(CROSS, uri), Ok(Client::CrossDevice));
        }
        assert_eq!(asked("arn:aws:signin:::devtools/other", CALLBACK), Err(InvalidRequest::Client));
        for (client, uri) in [(SAME, CONFIRMATION), (CROSS, CALLBACK)] {
            assert_eq!(asked(client, uri), Err(InvalidRequest::Redirect));
        }
    }

    #[test]
    fn redirect_to_anywhere_else_is_refused() {
        for uri in [
            "https://evil.example/oauth/callback",
            "http://127.0.0.1/oauth/callback",
            "http://127.0.0.1:0/oauth/callback",
            "http://127.0.0.1:080/oauth/callback",
            "http://127.0.0.1:+80/oauth/callback",
            "http://127.0.0.1:99999/oauth/callback",
            "http://127.0.0.1:80@evil.example/oauth/callback",
            "http://127.0.0.1:80/../oauth/callback",
            "http://127.0.0.1:80/oauth/callback?next=x",
            "http://127.0.0.1:80/oauth/callback#x",
            "http://127.0.0.1.evil.example:80/oauth/callback",
            "http://localhost:80/oauth/callback",
            "https://127.0.0.1:80/oauth/callback",
            "HTTP://127.0.0.1:80/oauth/callback",
            "",
        ] {
            assert_eq!(asked(SAME, uri), Err(InvalidRequest::Redirect), "{uri}");
        }
        for uri in [
            "javascript:alert(1)//v1/sessions/confirmation",
            "http://a:b@iam.example.com/v1/sessions/confirmation",
            "http://iam.example.com/x/../v1/sessions/confirmation",
            "http://iam.example.com/v1/sessions/confirmation?x=1",
            "/v1/sessions/confirmation",
        ] {
            assert_eq!(asked(CROSS, uri), Err(InvalidRequest::Redirect), "{uri}");
        }
    }

    #[test]
    fn challenge_is_a_digest() {
        for challenge in ["", VERIFIER.get(..42).unwrap(), &format!("{CHALLENGE}="), &"a".repeat(128), "+/+/"]
        {
            assert_eq!(Asked::read(SAME, CALLBACK, challenge), Err(InvalidRequest::Challenge), "{challenge}");
        }
    }

    #[test]
    fn code_is_for_whoever_asked_and_for_its_time() {
        let random = &mut Seeded::new(1);
        let vault = Vault::new(&Key::random(random));
        let (account, parent) = ("123456789012".parse().unwrap(), Handle::random(random));
        let now = Time::from_seconds(1_700_000_000);
        let asked = Asked::read(SAME, CALLBACK, CHALLENGE).unwrap();
        let text = Code::new(&asked, account, parent, now, random).seal(&vault, random);
        assert!(text.len() <= 512, "{}", text.len());
        let code = Code::open(&vault, &text).unwrap();
        assert_eq!((code.account, code.parent), (account, parent));
        assert!(code.is_for(Client::SameDevice, CALLBACK, VERIFIER));
        assert!(!code.is_for(Client::CrossDevice, CALLBACK, VERIFIER));
        assert!(!code.is_for(Client::SameDevice, "http://127.0.0.1:43632/oauth/callback", VERIFIER));
        assert!(!code.is_for(Client::SameDevice, CALLBACK, CHALLENGE));
        let at = |seconds| code.is_expired(now.plus_seconds(seconds));
        assert!(!at(0) && !at(CODE_SECONDS - 1) && at(CODE_SECONDS) && at(-1));
        let other = Code::new(&asked, account, parent, now, random);
        assert_ne!(other.session, code.session);
    }

    #[test]
    fn refresh_tokens_follow_from_one_another() {
        let random = &mut Seeded::new(1);
        let vault = Vault::new(&Key::random(random));
        let (account, session) = ("123456789012".parse().unwrap(), Handle::random(random));
        let token = RefreshToken::new(account, session, Client::SameDevice, [5; 32], random);
        let next = token.next(&vault);
        assert_ne!(next.digest(), token.digest());
        assert_eq!(token.next(&vault).digest(), next.digest());
        let text = next.seal(&vault, random);
        let opened = RefreshToken::open(&vault, &text).unwrap();
        assert_eq!((opened.digest(), opened.key, opened.session), (next.digest(), [5; 32], session));
        assert!(!format!("{token:?}").contains("secret"));
    }

    #[test]
    fn text_that_is_not_ours_opens_nothing() {
        let random = &mut Seeded::new(1);
        let (ours, other) = (Vault::new(&Key::random(random)), Vault::new(&Key::random(random)));
        let (account, session) = ("123456789012".parse().unwrap(), Handle::random(random));
        let token =
            RefreshToken::new(account, session, Client::SameDevice, [5; 32], random).seal(&ours, random);
        assert!(RefreshToken::open(&other, &token).is_none());
        // One is not taken for the other.
        assert!(Code::open(&ours, &token).is_none());
        let cut = token.get(1..).unwrap();
        for text in ["", "AAAA", "é", cut, &"A".repeat(TEXT_BYTES_MAX + 1)] {
            assert!(RefreshToken::open(&ours, text).is_none() && Code::open(&ours, text).is_none(), "{text}");
        }
    }
}
