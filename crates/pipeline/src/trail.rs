//! Records of calls: from what the path knows to what the audit log keeps.
//!
//! The record of a successful write goes into the outbox, in the write's own transaction, and from there to the log. All
//! others go to the log's plain lane on their way out. A call that reaches into another account is recorded in both.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rootward_audit::{
    Backlogged, Call, Entry, EventId, Failure, Issuer, IssuerKind, Lane, Record, Resource, Session,
    TlsDetails, UserIdentity, Writer,
};
use rootward_auth::principal::root_arn;
use rootward_auth::{Credential, Identity, Principal};
use rootward_names::{AccountId, Arn, Random, Time};
use rootward_state::entities::{Named, SessionKind};
use rootward_state::{Txn, World};
use rootward_wire::{Error, OperationSchema, Secrets, Structure};
use serde_json::value::{RawValue, to_raw_value};

/// One call as it will be recorded, whatever becomes of it.
#[derive(Clone, Copy)]
pub(crate) struct Event<'a> {
    pub(crate) request_id: &'a str,
    pub(crate) now: Time,
    pub(crate) operation: &'static OperationSchema,
    pub(crate) caller: Caller<'a>,
    pub(crate) region: &'a str,
    pub(crate) source_ip: IpAddr,
    pub(crate) user_agent: Option<&'a str>,
    pub(crate) host: Option<&'a str>,
    pub(crate) tls: Option<TlsFacts>,
    pub(crate) read_only: bool,
    pub(crate) request: Option<&'a RawValue>,
}

/// What protected a connection, in the names of the TLS registry.
#[derive(Debug, Clone, Copy)]
pub struct TlsFacts {
    /// `TLSv1.3`
    pub version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`
    pub cipher: &'static str,
}

/// Who called, as far as it is known.
#[derive(Clone, Copy)]
pub(crate) enum Caller<'a> {
    Known(&'a Principal),
    /// A claim that did not hold: the account its key names, and the key.
    Unknown(AccountId, &'a str),
}

/// How a call ended.
#[derive(Clone, Copy)]
pub(crate) enum Ended<'a> {
    Succeeded { response: Option<&'a RawValue>, touched: &'a [Touched] },
    Failed { code: &'a str, message: &'a str },
}

/// A resource that a call was allowed to change or to be given credentials for.
pub(crate) struct Touched {
    pub(crate) arn: String,
    pub(crate) account: AccountId,
}

impl Touched {
    fn shown(&self) -> Resource<'_> {
        let kind = Arn::parse(&self.arn).ok().and_then(|arn| kind(&arn));
        Resource { arn: &self.arn, account: Some(self.account), kind }
    }
}

/// The type of a resource in CloudFormation's names, as CloudTrail has it.
fn kind(arn: &Arn<'_>) -> Option<&'static str> {
    match (arn.service, arn.resource.split('/').next()?) {
        ("iam", "group") => Some("AWS::IAM::Group"),
        ("iam", "instance-profile") => Some("AWS::IAM::InstanceProfile"),
        ("iam", "mfa") => Some("AWS::IAM::VirtualMFADevice"),
        ("iam", "policy") => Some("AWS::IAM::ManagedPolicy"),
        ("iam", "role") => Some("AWS::IAM::Role"),
        ("iam", "user") => Some("AWS::IAM::User"),
        _ => None,
    }
}

/// A record could not be taken: the log does not keep up, or cannot be written.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Unrecordable;

/// Where records go.
pub struct Trail {
    writer: Arc<Writer>,
}

impl Trail {
    /// Records go to this writer.
    pub fn new(writer: Arc<Writer>) -> Self {
        Self { writer }
    }

    /// Whether records can be kept. When they cannot, writes stop.
    pub(crate) fn is_healthy(&self) -> bool {
        self.writer.is_healthy()
    }

    /// Puts the record of a successful write into its transaction, and its copy for the other account that was reached into.
    pub(crate) fn put(
        &self,
        txn: &mut Txn,
        event: &Event<'_>,
        ended: &Ended<'_>,
        other: Option<AccountId>,
        random: &mut dyn Random,
    ) {
        let world = Arc::clone(txn.world());
        for (id, entry) in event.entries(&world, ended, other, random) {
            txn.put_outbox(id.to_bytes(), entry.json().as_bytes());
        }
    }

    /// Sends the record of a read or a refusal, and its copy; waits while the log does not keep up.
    pub(crate) async fn record(
        &self,
        world: &World,
        event: &Event<'_>,
        ended: &Ended<'_>,
        other: Option<AccountId>,
        random: &mut (dyn Random + Send),
    ) -> Result<(), Unrecordable> {
        for (_, entry) in event.entries(world, ended, other, random) {
            self.send(entry).await?;
        }
        Ok(())
    }

    async fn send(&self, mut entry: Entry) -> Result<(), Unrecordable> {
        for _ in 0..HANDOVERS_MAX {
            match self.writer.try_send(Lane::Plain, entry) {
                Ok(()) => return Ok(()),
                Err(Backlogged { entry: back }) => entry = *back,
            }
            tokio::time::sleep(HANDOVER_PAUSE).await;
        }
        Err(Unrecordable)
    }
}

/// How often, and how long apart, a record is handed over while the log does not keep up: two seconds in all.
const HANDOVERS_MAX: usize = 200;
const HANDOVER_PAUSE: Duration = Duration::from_millis(10);

/// Parameters or elements as a record shows them; none for what has no members.
///
/// # Errors
/// `InternalFailure`: the structure does not fit its schema, which is our bug.
pub(crate) fn shown(structure: &dyn Structure) -> Result<Option<Box<RawValue>>, Error> {
    if structure.schema().members().is_empty() {
        return Ok(None);
    }
    let json = rootward_wire::audit_json(structure, Secrets::Omitted)?;
    RawValue::from_string(json)
        .map(Some)
        .map_err(|error| Error::internal(format!("no JSON to record: {error}")))
}

impl Event<'_> {
    /// The record in the log of the caller's account, and the one in that of the other account if there is one.
    fn entries(
        &self,
        world: &World,
        ended: &Ended<'_>,
        other: Option<AccountId>,
        random: &mut dyn Random,
    ) -> Vec<(EventId, Entry)> {
        let mut draw = || EventId::new(self.now, random);
        let id = draw();
        let shared = other.map(|account| (account, draw()));
        let mut entries = vec![(id, self.entry(world, id, ended, shared.map(|(_, shared_id)| shared_id)))];
        if let Some((account, shared_id)) = shared {
            let copy_id = draw();
            entries.push((copy_id, self.entry_for(account, copy_id, ended, shared_id)));
        }
        entries
    }

    /// The record in the log of the caller's account.
    fn entry(&self, world: &World, id: EventId, ended: &Ended<'_>, shared: Option<EventId>) -> Entry {
        match self.caller {
            Caller::Unknown(account, key) => {
                let identity = UserIdentity::Unknown { account: Some(account), access_key: Some(key) };
                self.finish(id, identity, ended, account, shared, None)
            }
            Caller::Known(principal) => {
                let key = principal.access_key_id();
                let alias = world.account(principal.account).and_then(|state| state.account().alias.clone());
                let names = Names::of(principal);
                let identity = names.identity(principal, Some(&key), alias.as_deref());
                let additional = root_access_reason(world, principal)
                    .and_then(|reason| to_raw_value(&serde_json::json!({ "rootAccessReason": reason })).ok());
                self.finish(id, identity, ended, principal.account, shared, additional.as_deref())
            }
        }
    }

    /// The record in the log of another account that the call reached into: it names the caller by id and account only.
    fn entry_for(&self, account: AccountId, id: EventId, ended: &Ended<'_>, shared: EventId) -> Entry {
        match self.caller {
            Caller::Known(principal) => {
                let user_id = principal.user_id();
                let identity = UserIdentity::Account { principal_id: &user_id, account: principal.account };
                self.finish(id, identity, ended, account, Some(shared), None)
            }
            Caller::Unknown(of, key) => {
                let identity = UserIdentity::Unknown { account: Some(of), access_key: Some(key) };
                self.finish(id, identity, ended, account, Some(shared), None)
            }
        }
    }

    fn is_from_console(&self) -> bool {
        match self.caller {
            Caller::Known(principal) => {
                principal.sign_in().is_some_and(|sign_in| sign_in.kind == SessionKind::Console)
            }
            Caller::Unknown(..) => false,
        }
    }

    fn finish(
        &self,
        id: EventId,
        identity: UserIdentity<'_>,
        ended: &Ended<'_>,
        recipient: AccountId,
        shared_id: Option<EventId>,
        additional: Option<&RawValue>,
    ) -> Entry {
        let service = self.operation.service;
        let source_ip = self.source_ip.to_string();
        let call = Call {
            source: service.event_source,
            name: self.operation.name,
            region: self.region,
            source_ip: &source_ip,
        };
        let (failure, response, touched) = match *ended {
            Ended::Failed { code, message } => {
                (Some(Failure { code: Some(code), message }), None, [].as_slice())
            }
            Ended::Succeeded { response, touched } => (None, response, touched),
        };
        let resources: Vec<_> = touched.iter().map(Touched::shown).collect();
        Entry::new(&Record {
            user_agent: self.user_agent,
            failure,
            request: self.request,
            response,
            request_id: Some(self.request_id),
            read_only: self.read_only,
            resources: &resources,
            recipient: Some(recipient),
            shared_id,
            additional,
            from_console: self.is_from_console(),
            tls: self.tls.map(|TlsFacts { version, cipher }| TlsDetails {
                version,
                cipher,
                host: self.host,
                key_exchange: None,
            }),
            ..Record::new(id, self.now, call, identity)
        })
    }
}

/// The texts that a record of a principal borrows.
pub struct Names {
    arn: String,
    user_id: String,
    /// ARN of the role, or of whoever vouches for a federated user.
    behind: String,
    /// Its unique id.
    behind_id: String,
    /// ARN of a command line's session.
    sign_in: Option<String>,
}

impl Names {
    /// Those of a principal.
    pub fn of(principal: &Principal) -> Self {
        let (behind, behind_id) = behind(principal);
        let sign_in = principal.sign_in_session_arn();
        Self { arn: principal.arn(), user_id: principal.user_id(), behind, behind_id, sign_in }
    }

    /// `userIdentity` of the principal that these are of, with its access key if one was used. The alias is the account's.
    pub fn identity<'a>(
        &'a self,
        principal: &'a Principal,
        access_key: Option<&'a str>,
        alias: Option<&'a str>,
    ) -> UserIdentity<'a> {
        let (account, arn, principal_id) = (principal.account, &*self.arn, &*self.user_id);
        let session =
            session(principal).map(|session| Session { sign_in_session: self.sign_in.as_deref(), ..session });
        let issuer = |kind, user_name| Issuer {
            kind,
            principal_id: &self.behind_id,
            arn: &self.behind,
            account,
            user_name,
        };
        match &principal.identity {
            Identity::FederatedUser(federated) => UserIdentity::FederatedUser {
                principal_id,
                arn,
                account,
                access_key,
                issuer: match &federated.by {
                    Some(user) => issuer(IssuerKind::User, Some(&*user.name)),
                    None => issuer(IssuerKind::Root, None),
                },
                session: session.unwrap_or(Session::new(Time::default())),
            },
            Identity::AssumedRoot(_) | Identity::Root => {
                UserIdentity::Root { arn, account, access_key, alias, session }
            }
            Identity::User(user) => {
                UserIdentity::User { principal_id, arn, account, access_key, name: &user.name, session }
            }
            Identity::RoleSession(role) => UserIdentity::AssumedRole {
                principal_id,
                arn,
                account,
                access_key,
                issuer: issuer(IssuerKind::Role, Some(&*role.role.name)),
                session: session.unwrap_or(Session::new(Time::default())),
            },
        }
    }
}

/// Why a sealed root user was needed, in whose session this is called; on a command line that of the session that let it in.
fn root_access_reason<'w>(world: &'w World, principal: &Principal) -> Option<&'w str> {
    let session = principal.sign_in().filter(|_| principal.is_root())?.session;
    let sessions = world.account(principal.account)?.sessions();
    let row = sessions.get(&session)?;
    let parent = row.parent.and_then(|parent| sessions.get(&parent));
    row.reason.as_deref().or_else(|| parent?.reason.as_deref())
}

fn session(principal: &Principal) -> Option<Session<'_>> {
    let Credential::Temporary { issued, mfa, .. } = principal.credential else { return None };
    let source_identity = match &principal.identity {
        Identity::AssumedRoot(assumed) => assumed.source_identity.as_deref(),
        Identity::RoleSession(session) => session.source_identity.as_deref(),
        Identity::FederatedUser(_) | Identity::Root | Identity::User(_) => None,
    };
    let assumed_root = principal.is_assumed_root();
    Some(Session { mfa: mfa.is_some(), source_identity, assumed_root, ..Session::new(issued) })
}

/// ARN and unique id of the role, or of whoever vouches for a federated user.
fn behind(principal: &Principal) -> (String, String) {
    let (account, partition) = (principal.account, principal.partition);
    match &principal.identity {
        Identity::FederatedUser(federated) => match &federated.by {
            Some(user) => (user.arn(partition, account), user.id.to_string()),
            None => (root_arn(partition, account), account.to_string()),
        },
        Identity::RoleSession(session) => (session.role.arn(partition, account), session.role.id.to_string()),
        Identity::AssumedRoot(_) | Identity::Root | Identity::User(_) => (String::new(), String::new()),
    }
}
