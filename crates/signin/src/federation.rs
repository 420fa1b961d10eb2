//! Federation: a console session for whoever holds the temporary credentials of a role or of a federated user.
//!
//! ```text
//! credentials ─▶ sign-in token, in the hands of who asked ─▶ session, in a browser
//! ```
//!
//! A broker proves the credentials by their secret and is given a sign-in token, which it hands to a browser as part of an
//! address. The token is sealed, says whose session it will be, is good for [`SECONDS_MAX`] and once. Nothing is stored before
//! somebody comes with it. The session acts as the credentials did: the same role, policies, tags and source identity, and the
//! same time of issue, so that a policy that revokes what is older revokes it too. It ends with the credentials, or after
//! the time that was asked for.
//!
//! Credentials of `GetSessionToken` are refused, as at AWS: users and root users sign in with what they know and have, and a
//! sealed root user is asked why.
//! Source: IAM User Guide, "Enable custom identity broker access to the AWS console".

use std::sync::Arc;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_auth::authn::{self, Unauthenticated};
use rootward_auth::authz::{self, Check, RequestFacts};
use rootward_auth::session::{Claims, Holder, SecretAccessKey, Session, TOKEN_BYTES_MAX};
use rootward_auth::Principal;
use rootward_names::{AccessKeyId, AccessKeyKind, Handle, Random, Time};
use rootward_state::entities::{Rotated, SessionKind, SignInSession, SignedIn};
use rootward_state::{RowKey, World};
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::act::Act;
use crate::record::Whom;
use crate::session::{self, Secret};
use crate::{Refused, SignInService, Visitor, Welcome};

/// Separates sign-in tokens from everything else that is sealed, and versions their form.
const CONTEXT: &[u8] = b"sign-in token 1";
/// How long a sign-in token is good, in seconds.
const SECONDS_MAX: i64 = 900;
/// How long a console session may be asked for, in seconds; with credentials that a role was given by another role's, at most an hour.
const DURATION_SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;
const CHAIN_SECONDS_MAX: u32 = 3_600;
/// A session to which both of these are denied is one that can do nothing: it was revoked. Policies that deny all but some services
/// leave one of the two out.
const REVOKED: [&str; 2] = ["iam:GetUser", "sts:GetCallerIdentity"];

/// Temporary credentials as a broker shows them.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// `ASIA…`
    pub key: &'a str,
    /// The secret access key.
    pub secret: &'a str,
    /// The session token.
    pub token: &'a str,
}

/// Why there is no sign-in token, or no session for one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotFederated {
    /// More than an hour for a chain of roles.
    #[error(
        "a role that was assumed with temporary credentials (role chaining) has console sessions of {CHAIN_SECONDS_MAX} seconds \
         at most: ask for a shorter `SessionDuration`, or leave it out"
    )]
    ChainTooLong,
    /// The credentials do not hold.
    #[error(
        "the credentials in `Session` are not valid: access key id, secret access key and session token must be those of one \
         answer of AssumeRole or GetFederationToken"
    )]
    Credentials,
    /// A duration that is not one.
    #[error(
        "`SessionDuration` must be a number of seconds from {} to {}",
        DURATION_SECONDS.start(),
        DURATION_SECONDS.end()
    )]
    Duration,
    /// A duration with credentials that do not take one.
    #[error(
        "`SessionDuration` cannot be used with credentials of GetFederationToken: their console session lasts as long as they do"
    )]
    DurationOfFederatedUser,
    /// The credentials are over.
    #[error("the credentials have expired: get new ones, and a new sign-in token with them")]
    Expired,
    /// Whoever the credentials are of is kept out; says why.
    #[error("{0}")]
    KeptOut(String),
    /// Credentials of a user or a root user.
    #[error(
        "there are no sign-in tokens for credentials of users and root users, also not of GetSessionToken: assume a role, call \
         GetFederationToken, or sign in with the password"
    )]
    NotOfSession,
    /// A policy denies everything to these credentials.
    #[error("the session was revoked: a policy denies everything to it")]
    Revoked,
    /// No sign-in token, or too old.
    #[error(
        "this sign-in link is not valid: links are good for {} minutes; go back to where you got it and ask for a new one",
        SECONDS_MAX / 60
    )]
    Token,
    /// It cannot be recorded or written.
    #[error("the sign-in cannot be recorded now, and so is not carried out: try again later")]
    Unavailable,
    /// The sign-in token was used.
    #[error("this sign-in link was used already, and is good once: go back to where you got it and ask for a new one")]
    Used,
}

impl From<Refused> for NotFederated {
    fn from(refused: Refused) -> Self {
        match refused {
            // The account is gone.
            Refused::BeginAgain => Self::Token,
            _ => Self::Unavailable,
        }
    }
}

impl From<Unauthenticated> for NotFederated {
    fn from(refusal: Unauthenticated) -> Self {
        match refusal {
            Unauthenticated::Expired => Self::Expired,
            Unauthenticated::Sealed(_) => Self::KeptOut(refusal.summary()),
            Unauthenticated::Suspended => Self::KeptOut(Refused::Suspended.to_string()),
            _ => Self::Credentials,
        }
    }
}

/// What a sign-in token says.
#[derive(Serialize, Deserialize)]
struct SigninToken {
    /// What the session will be of; they end when the credentials do.
    claims: Claims,
    /// The session that it will be, and no other.
    session: Handle,
    /// When it was made.
    made: Time,
    /// How long the session will last, if not until the credentials end.
    seconds: Option<u32>,
}

impl SigninToken {
    fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        // Serializing to memory fails for no field; an empty token would simply never open.
        let plain = zeroize::Zeroizing::new(postcard::to_stdvec(self).unwrap_or_default());
        BASE64_URL_SAFE_NO_PAD.encode(vault.seal_token(CONTEXT, &plain, random))
    }

    fn open(vault: &Vault, text: &str, now: Time) -> Option<Self> {
        if text.len() > TOKEN_BYTES_MAX {
            return None;
        }
        let sealed = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?;
        let token: Self = postcard::from_bytes(&vault.open_token(CONTEXT, &sealed).ok()?).ok()?;
        // A clock that was set back prolongs nothing.
        (0..SECONDS_MAX).contains(&(now.seconds() - token.made.seconds())).then_some(token)
    }

    /// When a session ends that begins now.
    fn session_ends(&self, now: Time) -> Time {
        self.seconds.map_or(self.claims.expires, |seconds| now.plus_seconds(seconds.into()))
    }
}

impl SignInService {
    /// A sign-in token for whoever holds these credentials; `duration` is how long the session shall last, in seconds, as sent.
    ///
    /// # Errors
    /// [`NotFederated`]. Nothing but the credentials being invalid is told before they are proved.
    pub fn signin_token(
        &self,
        visitor: &Visitor<'_>,
        shown: &Shown<'_>,
        duration: Option<&str>,
    ) -> Result<String, NotFederated> {
        let session = self.proved(shown)?;
        self.act(visitor, session.claims.account, |act| Ok(act.signin_token(&session, duration)))?
    }

    /// The session of these credentials, if the secret is theirs.
    fn proved(&self, shown: &Shown<'_>) -> Result<Arc<Session>, NotFederated> {
        let key: AccessKeyId = shown.key.parse().map_err(|_| NotFederated::Credentials)?;
        if key.kind() == AccessKeyKind::LongTerm {
            return Err(NotFederated::NotOfSession);
        }
        let session = self.setup.tokens.open(shown.token).map_err(|_| NotFederated::Credentials)?;
        // Secrets compare in the same time wherever they differ.
        let holds = session.claims.key == key && session.claims.secret == SecretAccessKey::new(shown.secret);
        if holds { Ok(session) } else { Err(NotFederated::Credentials) }
    }

    /// Who would be signed in with a sign-in token now.
    ///
    /// # Errors
    /// [`NotFederated`].
    pub fn whom(&self, visitor: &Visitor<'_>, token: &str) -> Result<Principal, NotFederated> {
        let now = self.setup.source.now();
        let token = SigninToken::open(&self.setup.vault, token, now).ok_or(NotFederated::Token)?;
        let account = token.claims.account;
        self.act(visitor, account, |act| {
            let is_used = act.txn.get::<SignInSession>(RowKey::Session(account, token.session)).is_some();
            Ok(if is_used { Err(NotFederated::Used) } else { act.federated(&token).map(|(_, who)| who) })
        })?
    }

    /// Begins the session of a sign-in token. `issuer` is where the browser came from, for the record.
    ///
    /// # Errors
    /// [`NotFederated`].
    pub fn enter(
        &self,
        visitor: &Visitor<'_>,
        token: &str,
        issuer: Option<&str>,
    ) -> Result<Welcome, NotFederated> {
        let now = self.setup.source.now();
        let token = SigninToken::open(&self.setup.vault, token, now).ok_or(NotFederated::Token)?;
        self.act(visitor, token.claims.account, |act| Ok(act.enter(&token, issuer)))?
    }
}

impl Act<'_> {
    fn signin_token(
        &mut self,
        session: &Arc<Session>,
        duration: Option<&str>,
    ) -> Result<String, NotFederated> {
        let world = Arc::clone(self.txn.world());
        let principal = authn::holder(&world, Arc::clone(session), self.now)?;
        let claims = &session.claims;
        let seconds = seconds(claims, duration)?;
        self.check_not_revoked(&world, &principal)?;
        let service = self.service;
        let random = &mut service.draw();
        // A key of its own: calls of the console are told from those made with the credentials.
        let claims = Claims {
            key: AccessKeyId::random(AccessKeyKind::Temporary, claims.account, random),
            secret: SecretAccessKey::random(random),
            ..claims.clone()
        };
        let response =
            json!({ "credentials": { "accessKeyId": claims.key.to_string() }, "GetSigninToken": "Success" });
        self.record(|scene, random| {
            let additional = scene.login(principal.mfa().is_some());
            scene.sign_in("GetSigninToken", Whom::Session(&principal), &response, Some(&additional), None, random)
        });
        let token = SigninToken { claims, session: Handle::random(random), made: self.now, seconds };
        Ok(token.seal(&service.setup.vault, random))
    }

    fn enter(&mut self, token: &SigninToken, issuer: Option<&str>) -> Result<Welcome, NotFederated> {
        let (claims, id) = (&token.claims, token.session);
        let (text, principal) = self.federated(token)?;
        let login = |ended: &str| json!({ "ConsoleLogin": ended });
        let mfa = principal.mfa();
        // One token is one session, also one that has ended since: its row stays longer than its token is good.
        if self.txn.get::<SignInSession>(RowKey::Session(claims.account, id)).is_some() {
            self.record(|scene, random| {
                let (whom, additional) = (Whom::Session(&principal), scene.login(mfa.is_some()));
                let failure = Some(crate::record::failure(whom));
                scene.sign_in("ConsoleLogin", whom, &login("Failure"), Some(&additional), failure, random)
            });
            return Err(NotFederated::Used);
        }
        let random = &mut self.service.draw();
        let (secret, expires) = (Secret::random(random), token.session_ends(self.now));
        let row = SignInSession {
            holder: SignedIn::Federated(text.into()),
            kind: SessionKind::Console,
            key: claims.key,
            digest: secret.digest(),
            rotated: Rotated { at: self.now, previous: None },
            created: self.now,
            used: self.now,
            expires,
            mfa,
            source_ip: self.visitor.address.to_string().into(),
            user_agent: session::agent(self.visitor).into(),
            restricted: false,
            reason: None,
            role: None,
        };
        self.txn.put(RowKey::Session(claims.account, id), row);
        self.record(|scene, random| {
            let mut additional = scene.login(mfa.is_some());
            if let (Some(issuer), Some(additional)) = (issuer, additional.as_object_mut()) {
                additional.insert("Issuer".into(), issuer.into());
            }
            let (whom, response) = (Whom::Session(&principal), login("Success"));
            scene.sign_in("ConsoleLogin", whom, &response, Some(&additional), None, random)
        });
        Ok(Welcome {
            account: claims.account,
            cookie: secret.cookie(claims.account, id),
            browser: self.visitor.browser.seal(&self.service.setup.vault, random),
            expires,
        })
    }

    /// The session token that a session keeps which begins now with this sign-in token, and who acts in it.
    fn federated(&mut self, token: &SigninToken) -> Result<(String, Principal), NotFederated> {
        let claims = Claims { expires: token.session_ends(self.now), ..token.claims.clone() };
        let tokens = &self.service.setup.tokens;
        let text = tokens.issue(&claims, 0, &mut self.service.draw());
        let session = tokens.open(&text).map_err(|_| NotFederated::Token)?;
        let world = Arc::clone(self.txn.world());
        let principal = authn::holder(&world, session, self.now)?;
        self.check_not_revoked(&world, &principal)?;
        Ok((text, principal))
    }

    fn check_not_revoked(&self, world: &World, principal: &Principal) -> Result<(), NotFederated> {
        let facts = RequestFacts {
            now: self.now,
            region: principal.partition.global_region(),
            source_ip: self.visitor.address,
            user_agent: self.visitor.user_agent,
            referer: None,
            secure_transport: self.visitor.tls.is_some(),
        };
        let is_denied = |action| {
            let check = Check {
                action,
                resource: "*",
                shown: None,
                resource_account: principal.account,
                trust: None,
                second_factor: None,
            };
            authz::is_denied(world, principal, &facts, &check)
        };
        if REVOKED.into_iter().all(is_denied) { Err(NotFederated::Revoked) } else { Ok(()) }
    }
}

/// How long the session shall last, if that is not until the credentials end.
fn seconds(claims: &Claims, duration: Option<&str>) -> Result<Option<u32>, NotFederated> {
    match claims.holder {
        Holder::FederatedUser { .. } if duration.is_some() => Err(NotFederated::DurationOfFederatedUser),
        Holder::Root | Holder::User(_) => Err(NotFederated::NotOfSession),
        Holder::FederatedUser { .. } | Holder::Role { .. } => {
            let seconds = duration.map(|text| text.parse::<u32>().map_err(|_| NotFederated::Duration));
            let Some(seconds) = seconds.transpose()? else { return Ok(None) };
            if !DURATION_SECONDS.contains(&seconds) {
                Err(NotFederated::Duration)
            } else if claims.chained && seconds > CHAIN_SECONDS_MAX {
                Err(NotFederated::ChainTooLong)
            } else {
                Ok(Some(seconds))
            }
        }
    }
}
