//! Records: what is known of one call, borrowed from whoever knows it, in CloudTrail's vocabulary.
//!
//! Source: CloudTrail User Guide, "CloudTrail record contents" (version 1.11) and "CloudTrail userIdentity element".

use rootward_names::{AccountId, Time};
use serde_json::value::RawValue;

use crate::EventId;

/// One call and how it ended.
///
/// [`Record::new`] takes what every record has; the other members are plain fields to be set afterwards.
/// [`Entry::new`](crate::Entry::new) makes it ready for the log.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// `eventID`.
    pub id: EventId,
    /// `eventTime`: when the call arrived.
    pub time: Time,
    /// What was called, where and from where.
    pub call: Call<'a>,
    /// `userIdentity`.
    pub identity: UserIdentity<'a>,
    /// `userAgent`.
    pub user_agent: Option<&'a str>,
    /// `errorCode` and `errorMessage`; none when the call succeeded.
    pub failure: Option<Failure<'a>>,
    /// `requestParameters`, with nothing secret in it. `null` when absent or above 100 KB.
    pub request: Option<&'a RawValue>,
    /// `responseElements`, with nothing secret in it. `null` when absent, above 100 KB or after a failure
    /// with a code.
    pub response: Option<&'a RawValue>,
    /// `additionalEventData`. Left out above 28 KB.
    pub additional: Option<&'a RawValue>,
    /// `serviceEventDetails`: what an event of a service's own tells. Left out above 100 KB.
    pub details: Option<&'a RawValue>,
    /// `requestID`: the id that the caller was given.
    pub request_id: Option<&'a str>,
    /// `readOnly`.
    pub read_only: bool,
    /// `resources`. Left out from the one that exceeds 8 KB together.
    pub resources: &'a [Resource<'a>],
    /// `eventType`.
    pub event_type: EventType,
    /// `apiVersion`.
    pub api_version: Option<&'a str>,
    /// `eventCategory`, and `managementEvent` with it.
    pub category: Category,
    /// `recipientAccountId`: in whose log this is. None when nobody could be made out.
    pub recipient: Option<AccountId>,
    /// `sharedEventID`: set when the same call is recorded for two accounts.
    pub shared_id: Option<EventId>,
    /// `tlsDetails`: none on a connection in the clear.
    pub tls: Option<TlsDetails<'a>>,
    /// `sessionCredentialFromConsole`.
    pub from_console: bool,
}

impl<'a> Record<'a> {
    /// A management event by API, that changes something and succeeded, in the log of the identity's account.
    pub fn new(id: EventId, time: Time, call: Call<'a>, identity: UserIdentity<'a>) -> Self {
        Self {
            id,
            time,
            call,
            identity,
            user_agent: None,
            failure: None,
            request: None,
            response: None,
            additional: None,
            details: None,
            request_id: None,
            read_only: false,
            resources: &[],
            event_type: EventType::AwsApiCall,
            api_version: None,
            category: Category::Management,
            recipient: identity.account(),
            shared_id: None,
            tls: None,
            from_console: false,
        }
    }
}

/// What was called, where and from where.
#[derive(Debug, Clone, Copy)]
pub struct Call<'a> {
    /// `eventSource`: `iam.amazonaws.com`.
    pub source: &'a str,
    /// `eventName`: the operation.
    pub name: &'a str,
    /// `awsRegion`.
    pub region: &'a str,
    /// `sourceIPAddress`: an address, or the name of a service.
    pub source_ip: &'a str,
}

/// Why a call failed: the code and the message of the answer.
#[derive(Debug, Clone, Copy)]
pub struct Failure<'a> {
    /// `errorCode`; sign-ins that fail have none.
    pub code: Option<&'a str>,
    /// `errorMessage`.
    pub message: &'a str,
}

/// Who called. Each variant holds the members that CloudTrail shows for its `type`.
#[derive(Debug, Clone, Copy)]
pub enum UserIdentity<'a> {
    /// `Root`; `principalId` is the account id.
    Root {
        /// `arn:…:iam::ID:root`
        arn: &'a str,
        /// The account.
        account: AccountId,
        /// The access key, if one was used.
        access_key: Option<&'a str>,
        /// Shown as `userName`.
        alias: Option<&'a str>,
        /// Of a temporary credential or a console session.
        session: Option<Session<'a>>,
    },
    /// `IAMUser`.
    User {
        /// `AIDA…`
        principal_id: &'a str,
        /// The user's ARN.
        arn: &'a str,
        /// The user's account.
        account: AccountId,
        /// The access key, if one was used.
        access_key: Option<&'a str>,
        /// `userName`.
        name: &'a str,
        /// Of a temporary credential or a console session.
        session: Option<Session<'a>>,
    },
    /// `AssumedRole`.
    AssumedRole {
        /// `AROA…:SESSION`
        principal_id: &'a str,
        /// `arn:…:sts::ID:assumed-role/ROLE/SESSION`
        arn: &'a str,
        /// The role's account.
        account: AccountId,
        /// The session's access key.
        access_key: Option<&'a str>,
        /// The role.
        issuer: Issuer<'a>,
        /// The session.
        session: Session<'a>,
    },
    /// `FederatedUser`.
    FederatedUser {
        /// `ID:NAME`
        principal_id: &'a str,
        /// `arn:…:sts::ID:federated-user/NAME`
        arn: &'a str,
        /// The issuer's account.
        account: AccountId,
        /// The session's access key.
        access_key: Option<&'a str>,
        /// The user or root user that made the session.
        issuer: Issuer<'a>,
        /// The session.
        session: Session<'a>,
    },
    /// `IAMUser` who does not exist: what was typed in place of a name may be a password, and is not on record.
    HiddenUser {
        /// The account where the name was looked for.
        account: AccountId,
    },
    /// `AWSAccount`: a caller of another account, as the owner of the resource sees them.
    Account {
        /// The caller's unique id.
        principal_id: &'a str,
        /// The caller's account.
        account: AccountId,
    },
    /// `AWSService`.
    Service {
        /// `invokedBy`.
        name: &'a str,
    },
    /// A service that acts for an account by itself; it has no `type`.
    ServiceFor {
        /// The account.
        account: AccountId,
        /// `invokedBy`.
        name: &'a str,
    },
    /// `Unknown`: nobody who could be made out, such as the sender of a signature that does not hold.
    Unknown {
        /// The account named by the access key id, if it names one.
        account: Option<AccountId>,
        /// The access key id as sent.
        access_key: Option<&'a str>,
    },
}

impl UserIdentity<'_> {
    /// `type`, if it has one.
    pub const fn kind(&self) -> Option<&'static str> {
        match self {
            Self::Root { .. } => Some("Root"),
            Self::HiddenUser { .. } | Self::User { .. } => Some("IAMUser"),
            Self::AssumedRole { .. } => Some("AssumedRole"),
            Self::FederatedUser { .. } => Some("FederatedUser"),
            Self::Account { .. } => Some("AWSAccount"),
            Self::Service { .. } => Some("AWSService"),
            Self::ServiceFor { .. } => None,
            Self::Unknown { .. } => Some("Unknown"),
        }
    }

    /// The caller's account.
    pub const fn account(&self) -> Option<AccountId> {
        match *self {
            Self::Root { account, .. }
            | Self::User { account, .. }
            | Self::AssumedRole { account, .. }
            | Self::FederatedUser { account, .. }
            | Self::Account { account, .. }
            | Self::ServiceFor { account, .. }
            | Self::HiddenUser { account } => Some(account),
            Self::Service { .. } => None,
            Self::Unknown { account, .. } => account,
        }
    }
}

/// Who made a session: `sessionIssuer`.
#[derive(Debug, Clone, Copy)]
pub struct Issuer<'a> {
    /// `type`.
    pub kind: IssuerKind,
    /// The issuer's unique id.
    pub principal_id: &'a str,
    /// The issuer's ARN.
    pub arn: &'a str,
    /// The issuer's account.
    pub account: AccountId,
    /// The name of the role or user; none for a root user.
    pub user_name: Option<&'a str>,
}

/// What kind of principal made a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IssuerKind {
    /// A role, by being assumed.
    Role,
    /// A root user.
    Root,
    /// An IAM user.
    User,
}

impl IssuerKind {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Role => "Role",
            Self::Root => "Root",
            Self::User => "IAMUser",
        }
    }
}

/// `sessionContext`, without its issuer.
#[derive(Debug, Clone, Copy)]
pub struct Session<'a> {
    /// `attributes.creationDate`.
    pub created: Time,
    /// `attributes.mfaAuthenticated`.
    pub mfa: bool,
    /// `sourceIdentity`.
    pub source_identity: Option<&'a str>,
    /// `ec2RoleDelivery`: `1.0` or `2.0`.
    pub ec2_role_delivery: Option<&'a str>,
    /// `assumedRoot`: a root session made by `AssumeRoot`.
    pub assumed_root: bool,
    /// `signInSessionArn`: of credentials that a sign-in gave a command line.
    pub sign_in_session: Option<&'a str>,
}

impl Session<'_> {
    /// A session without multi-factor authentication or anything else to say.
    pub const fn new(created: Time) -> Self {
        Self {
            created,
            mfa: false,
            source_identity: None,
            ec2_role_delivery: None,
            assumed_root: false,
            sign_in_session: None,
        }
    }
}

/// One of `resources`.
#[derive(Debug, Clone, Copy)]
pub struct Resource<'a> {
    /// `ARN`.
    pub arn: &'a str,
    /// The account that owns it.
    pub account: Option<AccountId>,
    /// `AWS::IAM::User`, for example.
    pub kind: Option<&'a str>,
}

/// `eventType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EventType {
    /// A call of an API.
    AwsApiCall,
    /// Something done in the console that is no call of an API.
    AwsConsoleAction,
    /// A sign-in at the console.
    AwsConsoleSignIn,
    /// Something the service did by itself, or its operator.
    AwsServiceEvent,
}

impl EventType {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::AwsApiCall => "AwsApiCall",
            Self::AwsConsoleAction => "AwsConsoleAction",
            Self::AwsConsoleSignIn => "AwsConsoleSignIn",
            Self::AwsServiceEvent => "AwsServiceEvent",
        }
    }
}

/// `eventCategory`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// Work on data inside a resource.
    Data,
    /// Work on resources.
    Management,
}

impl Category {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Data => "Data",
            Self::Management => "Management",
        }
    }
}

/// `tlsDetails`.
#[derive(Debug, Clone, Copy)]
pub struct TlsDetails<'a> {
    /// `TLSv1.3`
    pub version: &'a str,
    /// `TLS_AES_128_GCM_SHA256`
    pub cipher: &'a str,
    /// `clientProvidedHostHeader`: the host that the client asked for.
    pub host: Option<&'a str>,
    /// `keyExchange`: `X25519MLKEM768`, for example.
    pub key_exchange: Option<&'a str>,
}
