//! Records of signing in, in CloudTrail's vocabulary.
//!
//! Source: CloudTrail User Guide, "AWS Management Console sign-in events". A failed password is on record in the account whose
//! door was tried; a name that the account does not have is hidden, because people type passwords into the wrong field;
//! who tries a door of no account leaves no record.

use rootward_audit::{Call, Entry, EventId, EventType, Failure, Record, TlsDetails, UserIdentity};
use rootward_auth::Principal;
use rootward_auth::principal::root_arn;
use rootward_names::{AccountId, Partition, Random, Time};
use rootward_pipeline::Names;
use rootward_state::AccountState;
use rootward_state::entities::{CredentialOwner, Named, Seal, User};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Value, json};

use crate::Visitor;

/// The source of AWS's own sign-in events.
const SIGN_IN: &str = "signin.amazonaws.com";
/// The source of events that AWS does not have.
const OURS: &str = "rootward";

/// Who an event is about.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Whom<'a> {
    /// Somebody of the account.
    Known(CredentialOwner),
    /// A name that it does not have.
    Nobody,
    /// Whoever holds temporary credentials.
    Session(&'a Principal),
}

/// Where and when an event took place.
pub(crate) struct Scene<'a> {
    pub(crate) visitor: &'a Visitor<'a>,
    pub(crate) state: &'a AccountState,
    pub(crate) now: Time,
}

/// How a sign-in ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Login<'a> {
    /// With a session; the serial number of the second factor that was shown, and why a sealed root user is needed.
    Succeeded { mfa: Option<&'a str>, reason: Option<&'a str> },
    /// Not; whether there was a second factor to show.
    Failed { has_mfa: bool },
}

impl Scene<'_> {
    /// `ConsoleLogin`.
    pub(crate) fn console_login(&self, whom: Whom<'_>, login: Login<'_>, random: &mut dyn Random) -> Entry {
        let (result, used, failure) = match login {
            Login::Succeeded { mfa, .. } => ("Success", mfa.is_some(), None),
            Login::Failed { has_mfa } => ("Failure", has_mfa, Some(failure(whom))),
        };
        let mut additional = self.login(used);
        if let (Login::Succeeded { mfa, reason }, Some(additional)) = (login, additional.as_object_mut()) {
            additional.extend(mfa.map(|serial| ("MFAIdentifier".to_owned(), serial.into())));
            additional.extend(reason.map(|reason| ("rootAccessReason".to_owned(), reason.into())));
        }
        let response = json!({ "ConsoleLogin": result });
        self.sign_in("ConsoleLogin", whom, &response, Some(&additional), failure, random)
    }

    /// What the record of a sign-in says beside how it ended.
    pub(crate) fn login(&self, mfa: bool) -> Value {
        json!({
            "LoginTo": self.visitor.login_to,
            "MobileVersion": yes(self.visitor.user_agent.is_some_and(|agent| agent.contains("Mobile"))),
            "MFAUsed": yes(mfa),
        })
    }

    /// `CheckMfa`: the password was right, a second factor is asked for.
    pub(crate) fn check_mfa(&self, whom: Whom<'_>, kind: &str, random: &mut dyn Random) -> Entry {
        let additional = json!({ "MfaType": kind });
        self.sign_in("CheckMfa", whom, &json!({ "CheckMfa": "Success" }), Some(&additional), None, random)
    }

    /// A step of the recovery of the root user's password.
    pub(crate) fn recovery(&self, name: &str, random: &mut dyn Random) -> Entry {
        let response = json!({ name: "Success" });
        self.sign_in(name, Whom::Known(CredentialOwner::Root), &response, None, None, random)
    }

    /// An event of AWS's own, with its result as response.
    pub(crate) fn sign_in(
        &self,
        name: &str,
        whom: Whom<'_>,
        response: &Value,
        additional: Option<&Value>,
        failure: Option<Failure<'_>>,
        random: &mut dyn Random,
    ) -> Entry {
        let (response, additional) = (raw(response), additional.and_then(raw));
        let event = Event {
            response: response.as_deref(),
            additional: additional.as_deref(),
            failure,
            ..Event::new(SIGN_IN, name, whom, EventType::AwsConsoleSignIn)
        };
        self.entry(&event, random)
    }

    /// An event of break-glass: what happened to a request for root access or to a session of a sealed root user.
    pub(crate) fn break_glass(&self, name: &str, parameters: &Value, random: &mut dyn Random) -> Entry {
        let (request, whom) = (raw(parameters), Whom::Known(CredentialOwner::Root));
        let event =
            Event { request: request.as_deref(), ..Event::new(OURS, name, whom, EventType::AwsServiceEvent) };
        self.entry(&event, random)
    }

    fn entry(&self, event: &Event<'_>, random: &mut dyn Random) -> Entry {
        let whom = event.whom;
        if let Whom::Session(principal) = whom {
            let (names, key) = (Names::of(principal), principal.access_key_id());
            return self.finish(event, names.identity(principal, Some(&key), None), random);
        }
        let account = self.state.account();
        let (id, partition) = (account.id, account.partition);
        let root = root_arn(partition, id);
        let user = match whom {
            Whom::Known(CredentialOwner::User(user)) => self.state.by_id::<User>(user),
            Whom::Known(CredentialOwner::Root) | Whom::Nobody | Whom::Session(_) => None,
        };
        let named = user.map(|user| (user.id.to_string(), user.arn(partition, id), &*user.name));
        let identity = match (&whom, &named) {
            (Whom::Known(CredentialOwner::Root), _) => UserIdentity::Root {
                arn: &root,
                account: id,
                access_key: Some(""),
                alias: account.alias.as_deref(),
                session: None,
            },
            (Whom::Known(CredentialOwner::User(_)), Some((principal_id, arn, name))) => UserIdentity::User {
                principal_id,
                arn,
                account: id,
                access_key: Some(""),
                name,
                session: None,
            },
            (Whom::Known(CredentialOwner::User(_)) | Whom::Nobody | Whom::Session(_), _) => {
                UserIdentity::HiddenUser { account: id }
            }
        };
        self.finish(event, identity, random)
    }

    fn finish(&self, event: &Event<'_>, identity: UserIdentity<'_>, random: &mut dyn Random) -> Entry {
        let source_ip = self.visitor.address.to_string();
        let call = Call {
            source: event.source,
            name: event.name,
            region: self.state.account().partition.global_region(),
            source_ip: &source_ip,
        };
        Entry::new(&Record {
            user_agent: self.visitor.user_agent,
            failure: event.failure,
            request: event.request,
            response: event.response,
            additional: event.additional,
            event_type: event.event_type,
            tls: self.visitor.tls.map(|tls| TlsDetails {
                version: tls.version,
                cipher: tls.cipher,
                host: self.visitor.host,
                key_exchange: None,
            }),
            ..Record::new(EventId::new(self.now, random), self.now, call, identity)
        })
    }
}

/// What is said of one event.
struct Event<'a> {
    source: &'a str,
    name: &'a str,
    whom: Whom<'a>,
    event_type: EventType,
    failure: Option<Failure<'a>>,
    request: Option<&'a RawValue>,
    response: Option<&'a RawValue>,
    additional: Option<&'a RawValue>,
}

impl<'a> Event<'a> {
    fn new(source: &'a str, name: &'a str, whom: Whom<'a>, event_type: EventType) -> Self {
        Self {
            source,
            name,
            whom,
            event_type,
            failure: None,
            request: None,
            response: None,
            additional: None,
        }
    }
}

/// A seal that was broken for a while has closed.
pub(crate) fn root_resealed(
    account: AccountId,
    partition: Partition,
    seal: &Seal,
    now: Time,
    random: &mut dyn Random,
) -> Entry {
    let parameters = match seal {
        Seal::Open { since, until, reason } => {
            json!({ "unsealedSince": since.to_string(), "unsealedUntil": until.to_string(), "reason": reason })
        }
        Seal::Closed | Seal::Never => json!({}),
    };
    by_itself("RootResealed", account, partition, &parameters, now, random)
}

/// What happened in an account without anybody's call.
fn by_itself(
    name: &str,
    account: AccountId,
    partition: Partition,
    parameters: &Value,
    now: Time,
    random: &mut dyn Random,
) -> Entry {
    let call = Call { source: OURS, name, region: partition.global_region(), source_ip: "rootward" };
    let request = raw(parameters);
    Entry::new(&Record {
        request: request.as_deref(),
        event_type: EventType::AwsServiceEvent,
        recipient: Some(account),
        ..Record::new(EventId::new(now, random), now, call, UserIdentity::Service { name: "rootward" })
    })
}

pub(crate) fn failure<'a>(whom: Whom<'_>) -> Failure<'a> {
    let message = match whom {
        Whom::Known(_) | Whom::Session(_) => "Failed authentication",
        Whom::Nobody => "No username found in supplied account",
    };
    Failure { code: None, message }
}

const fn yes(flag: bool) -> &'static str {
    if flag { "Yes" } else { "No" }
}

/// Values made of texts alone always have a text.
fn raw(value: &Value) -> Option<Box<RawValue>> {
    to_raw_value(value).ok()
}
