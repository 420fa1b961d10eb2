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
//! sealed root user is asked why. So are those that a sign-in has given to a command line: a session from a session would live on when the
//! first one has ended, and give out credentials for another.
//! Source: IAM User Guide, "Enable custom identity broker access to the AWS console".

use std::sync::Arc;

use rootward_auth::Principal;
use rootward_auth::authn::{self, Unauthenticated};
use rootward_auth::authz::{self, Check, RequestFacts};
use rootward_auth::sealed::Kind;
use rootward_auth::session::{Claims, Holder, SecretAccessKey, Session, TOKEN_BYTES_MAX};
use rootward_names::{AccessKeyId, AccessKeyKind, Handle, Random, Time};
use rootward_state::entities::{SignInSession, SignedIn};
use rootward_state::{RowKey, World};
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::act::{Act, Beginning, Terms};
use crate::record::Whom;
use crate::{Refused, SignInService, Visitor, Welcome};

const TOKEN: Kind = Kind { context: b"sign-in token 1", bytes_max: TOKEN_BYTES_MAX };
/// How long a sign-in token is good, in seconds.
const SECONDS_MAX: i64 = 900;
/// How long a console session may be asked for, in seconds; with credentials that a role was given by another role's, at most an hour.
const DURATION_SECONDS: std::ops::RangeInclusive<u32> = 900..=43_200;
const CHAIN_SECONDS_MAX: u32 = 3_600;
/// A session to which both of these are denied is one that can do nothing: it was revoked. Policies that deny all but some services
/// leave one of the two out.
const REVOKED: [&str; 2] = ["iam:GetUser", "sts:AssumeRole"];

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
    /// Credentials of a command line that was let in by a session.
    #[error(
        "these credentials were given to a command line by somebody who has signed in already: go on in that browser, or sign in anew"
    )]
    OfSignIn,
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
    #[error(
        "this sign-in link was used already, and is good once: go back to where you got it and ask for a new one"
    )]
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
        TOKEN.seal(self, vault, random)
    }

    fn open(vault: &Vault, text: &str, now: Time) -> Option<Self> {
        let token: Self = TOKEN.open(text, vault)?;
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
        if claims.sign_in.is_some() {
            return Err(NotFederated::OfSignIn);
        }
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
            scene.sign_in(
                "GetSigninToken",
                Whom::Session(&principal),
                &response,
                Some(&additional),
                None,
                random,
            )
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
        let expires = token.session_ends(self.now);
        let holder = SignedIn::Federated(text.into());
        let terms = Terms::default();
        let secret = self.open_session(Beginning { id, holder, key: claims.key, expires, mfa, terms });
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
            browser: self.visitor.browser.seal(&self.service.setup.vault, &mut self.service.draw()),
            expires,
            is_root: false,
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
        Holder::AssumedRoot(_) | Holder::Root | Holder::User(_) => Err(NotFederated::NotOfSession),
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

#[cfg(test)]
mod tests {
    use rootward_auth::Identity;
    use rootward_names::UniqueId;
    use rootward_state::entities::{Document, Role, Seal};
    use serde_json::Value;

    use super::*;
    use crate::Live;
    use crate::testing::{Bench, account, id_of};

    fn role(bench: &Bench) -> Holder {
        Holder::Role { id: bench.put_role("deploy", None), session_name: "jane".into() }
    }

    fn guest(by: Option<UniqueId>) -> Holder {
        Holder::FederatedUser { by, name: "guest".into() }
    }

    fn ask(
        bench: &Bench,
        (claims, token): &(Claims, String),
        duration: Option<&str>,
    ) -> Result<String, NotFederated> {
        let key = claims.key.to_string();
        let shown = Shown { key: &key, secret: claims.secret.expose(), token };
        bench.service.signin_token(&bench.visitor(), &shown, duration)
    }

    fn enter(bench: &Bench, token: &str) -> Result<Welcome, NotFederated> {
        bench.service.enter(&bench.visitor(), token, None)
    }

    fn live(bench: &Bench, welcome: &Welcome) -> Option<Live> {
        bench.service.session(&bench.visitor(), &welcome.cookie)
    }

    fn ended(record: &Value) -> &Value {
        &record["responseElements"]["ConsoleLogin"]
    }

    const REVOKING: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*",
        "Condition": {"DateLessThan": {"aws:TokenIssueTime": "2023-11-14T22:14:00Z"}}}}"#;

    #[test]
    fn credentials_of_a_command_line_that_was_let_in_open_no_session() {
        let bench = Bench::new();
        let welcome =
            enter(&bench, &ask(&bench, &bench.credentials(role(&bench), |_| ()), None).unwrap()).unwrap();
        let session = live(&bench, &welcome).unwrap().id;
        let credentials = bench.credentials(role(&bench), |claims| claims.sign_in = Some(session));
        assert_eq!(ask(&bench, &credentials, None), Err(NotFederated::OfSignIn));
    }

    #[test]
    fn session_acts_as_the_credentials_do_and_ends_with_them() {
        let bench = Bench::new();
        let policy = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "s3:*", "Resource": "*"}}"#;
        let credentials = bench.credentials(role(&bench), |claims| {
            claims.policy = Some(Document::new(policy));
            claims.mfa = Some(bench.now());
        });
        let token = ask(&bench, &credentials, None).unwrap();
        let welcome = enter(&bench, &token).unwrap();
        assert_eq!(welcome.expires, credentials.0.expires);
        let found = live(&bench, &welcome).unwrap();
        let acting = found.acting();
        assert_eq!(acting.arn(), "arn:aws:sts::111122223333:assumed-role/deploy/jane");
        assert_eq!((acting.issued(), acting.mfa()), (Some(credentials.0.issued), credentials.0.mfa));
        assert_ne!(acting.access_key_id(), credentials.0.key.to_string());
        assert_eq!(acting.access_key_id(), found.row.key.to_string());
        let Identity::RoleSession(session) = &acting.identity else { panic!("{acting:?}") };
        assert_eq!(session.tags, [("team".into(), "blue".into())]);
        assert_eq!(session.source_identity.as_deref(), Some("jane"));
        assert_eq!(session.policies.inline.as_ref().map(Document::text), Some(policy));
        bench.pass_seconds(3_599);
        assert!(live(&bench, &welcome).is_some());
        bench.pass_seconds(1);
        assert!(live(&bench, &welcome).is_none());
    }

    #[test]
    fn session_lasts_as_long_as_asked_within_the_bounds() {
        let bench = Bench::new();
        let credentials = bench.credentials(role(&bench), |_| ());
        for bad in ["899", "43201", "", "x", "-900", "900.5"] {
            assert_eq!(ask(&bench, &credentials, Some(bad)), Err(NotFederated::Duration), "{bad}");
        }
        let token = ask(&bench, &credentials, Some("43200")).unwrap();
        bench.pass_seconds(60);
        let welcome = enter(&bench, &token).unwrap();
        assert_eq!(welcome.expires, bench.now().plus_seconds(43_200));
        // The credentials end after an hour, and the session goes on without them.
        bench.pass_seconds(43_199);
        assert!(live(&bench, &welcome).is_some());
        bench.pass_seconds(1);
        assert!(live(&bench, &welcome).is_none());
        let chained = bench.credentials(role(&bench), |claims| claims.chained = true);
        assert_eq!(ask(&bench, &chained, Some("3601")), Err(NotFederated::ChainTooLong));
        assert!(ask(&bench, &chained, Some("3600")).is_ok() && ask(&bench, &chained, None).is_ok());
        let of_guest = bench.credentials(guest(Some(id_of("ann"))), |_| ());
        assert_eq!(ask(&bench, &of_guest, Some("900")), Err(NotFederated::DurationOfFederatedUser));
        let welcome = enter(&bench, &ask(&bench, &of_guest, None).unwrap()).unwrap();
        assert_eq!(
            live(&bench, &welcome).unwrap().acting().arn(),
            "arn:aws:sts::111122223333:federated-user/guest"
        );
    }

    #[test]
    fn credentials_that_do_not_belong_together_are_refused_alike() {
        let bench = Bench::new();
        let (one, other) = (bench.credentials(role(&bench), |_| ()), bench.credentials(role(&bench), |_| ()));
        let ask = |key: &str, secret: &str, token: &str| {
            bench.service.signin_token(&bench.visitor(), &Shown { key, secret, token }, None).map(drop)
        };
        let (key, secret) = (one.0.key.to_string(), one.0.secret.expose());
        assert_eq!(ask(&key, secret, &one.1), Ok(()));
        for (key, secret, token) in [
            (&*key, secret, &*other.1),
            (&*key, other.0.secret.expose(), &*one.1),
            (&*other.0.key.to_string(), secret, &*one.1),
            (&*key, "", &*one.1),
            (&*key, secret, ""),
            ("nonsense", secret, &*one.1),
        ] {
            assert_eq!(ask(key, secret, token), Err(NotFederated::Credentials), "{key} {token}");
        }
        assert_eq!(ask("AKIAIOSFODNN7EXAMPLE", secret, &one.1), Err(NotFederated::NotOfSession));
        bench.pass_seconds(3_600);
        assert_eq!(ask(&key, secret, &one.1), Err(NotFederated::Expired));
        // That they have expired is told to who has proved them only.
        assert_eq!(ask(&key, "", &one.1), Err(NotFederated::Credentials));
    }

    #[test]
    fn users_and_root_users_do_not_come_in_this_way() {
        let bench = Bench::new();
        let of = |holder| bench.credentials(holder, |_| ());
        assert_eq!(ask(&bench, &of(Holder::User(id_of("ann"))), None), Err(NotFederated::NotOfSession));
        // A sealed root user is kept out before, and whoever it vouches for.
        for holder in [Holder::Root, guest(None)] {
            assert!(
                matches!(ask(&bench, &of(holder), None), Err(NotFederated::KeptOut(why)) if why.contains("sealed"))
            );
        }
        bench.guard(|guard| guard.seal = Seal::Never);
        assert_eq!(ask(&bench, &of(Holder::Root), None), Err(NotFederated::NotOfSession));
        let welcome = enter(&bench, &ask(&bench, &of(guest(None)), None).unwrap()).unwrap();
        assert!(live(&bench, &welcome).is_some());
        // The session does not outlive the opening of the seal.
        bench.guard(|guard| guard.seal = Seal::Closed);
        assert!(live(&bench, &welcome).is_none());
    }

    #[test]
    fn token_is_good_for_a_quarter_of_an_hour_and_once() {
        let bench = Bench::new();
        let credentials = bench.credentials(role(&bench), |_| ());
        let token = ask(&bench, &credentials, None).unwrap();
        let late = ask(&bench, &credentials, None).unwrap();
        assert_eq!(bench.service.whom(&bench.visitor(), &token).unwrap().account, account());
        let welcome = enter(&bench, &token).unwrap();
        assert_eq!(enter(&bench, &token).unwrap_err(), NotFederated::Used);
        assert_eq!(bench.service.whom(&bench.visitor(), &token).unwrap_err(), NotFederated::Used);
        bench.service.sign_out(&bench.visitor(), &live(&bench, &welcome).unwrap()).unwrap();
        bench.pass_seconds(1);
        bench.service.sweep();
        assert_eq!(enter(&bench, &token).unwrap_err(), NotFederated::Used);
        bench.pass_seconds(SECONDS_MAX - 1);
        assert_eq!(enter(&bench, &late).unwrap_err(), NotFederated::Token);
        for broken in
            ["", "AAAA", "é", late.strip_prefix(|_: char| true).unwrap(), &"A".repeat(TOKEN_BYTES_MAX + 1)]
        {
            assert_eq!(enter(&bench, broken).unwrap_err(), NotFederated::Token, "{broken}");
        }
    }

    #[test]
    fn of_many_browsers_at_once_one_is_let_in() {
        let bench = Bench::new();
        let token = ask(&bench, &bench.credentials(role(&bench), |_| ()), None).unwrap();
        let visitor = bench.visitor();
        let entered = std::thread::scope(|scope| {
            let enter = || bench.service.enter(&visitor, &token, None).map(drop);
            let browsers: Vec<_> = (0..8).map(|_| scope.spawn(enter)).collect();
            browsers.into_iter().map(|browser| browser.join().unwrap()).collect::<Vec<_>>()
        });
        assert_eq!(entered.iter().filter(|entered| entered.is_ok()).count(), 1);
        assert!(entered.iter().all(|entered| matches!(entered, Ok(()) | Err(NotFederated::Used))));
    }

    #[test]
    fn session_that_was_revoked_gets_no_token_and_no_session() {
        let bench = Bench::new();
        let credentials = bench.credentials(role(&bench), |_| ());
        let token = ask(&bench, &credentials, None).unwrap();
        bench.put_role("deploy", Some(REVOKING));
        assert_eq!(ask(&bench, &credentials, None), Err(NotFederated::Revoked));
        assert_eq!(enter(&bench, &token).unwrap_err(), NotFederated::Revoked);
        // Revoking is about sessions that began before.
        bench.pass_seconds(100);
        let newer = bench.credentials(role(&bench), |_| ());
        bench.put_role("deploy", Some(REVOKING));
        assert!(ask(&bench, &newer, None).is_ok());
        // Who is denied much is not revoked.
        let much = REVOKING.replace(r#""Action": "*""#, r#""NotAction": "iam:*""#).replace("2023", "2033");
        bench.put_role("deploy", Some(&much));
        assert!(ask(&bench, &newer, None).is_ok());
    }

    #[test]
    fn role_that_is_deleted_takes_its_sessions_with_it() {
        let bench = Bench::new();
        let credentials = bench.credentials(role(&bench), |_| ());
        let (token, other) =
            (ask(&bench, &credentials, None).unwrap(), ask(&bench, &credentials, None).unwrap());
        let welcome = enter(&bench, &token).unwrap();
        bench.write(|txn| txn.delete_entity::<Role>(account(), "deploy"));
        assert!(live(&bench, &welcome).is_none());
        assert_eq!(enter(&bench, &other).unwrap_err(), NotFederated::Credentials);
        assert_eq!(ask(&bench, &credentials, None), Err(NotFederated::Credentials));
    }

    #[test]
    fn token_and_sign_in_are_on_record_as_of_the_session() {
        let bench = Bench::new();
        let credentials = bench.credentials(role(&bench), |_| ());
        let token = ask(&bench, &credentials, None).unwrap();
        let asked = bench.records_of("GetSigninToken").remove(0);
        assert_eq!(asked["eventType"], "AwsConsoleSignIn");
        assert_eq!(asked["userIdentity"]["type"], "AssumedRole");
        assert_eq!(asked["userIdentity"]["accessKeyId"], credentials.0.key.to_string());
        let issuer = Some("https://portal.example.com/");
        bench.service.enter(&bench.visitor(), &token, issuer).unwrap();
        enter(&bench, &token).unwrap_err();
        let records = bench.records_of("ConsoleLogin");
        let [login, again] = records.as_slice() else { panic!("{records:?}") };
        assert_eq!((ended(login), ended(again)), (&json!("Success"), &json!("Failure")));
        assert_eq!(again["errorMessage"], "Failed authentication");
        let identity = &login["userIdentity"];
        assert_eq!(identity["arn"], "arn:aws:sts::111122223333:assumed-role/deploy/jane");
        assert_eq!(identity["sessionContext"]["sessionIssuer"]["userName"], "deploy");
        assert_eq!(identity["accessKeyId"], asked["responseElements"]["credentials"]["accessKeyId"]);
        assert_eq!(login["additionalEventData"]["Issuer"], "https://portal.example.com/");
        let text = format!("{asked}{records:?}");
        assert!(
            !text.contains(credentials.0.secret.expose())
                && !text.contains(&credentials.1)
                && !text.contains(&token)
        );
    }
}
