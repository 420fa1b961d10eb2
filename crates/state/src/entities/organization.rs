//! Rows of organizations: the organization itself, its root and units, the accounts in it, its policies, and what is under way.

use std::sync::LazyLock;

use rootward_names::{
    AccountId, AccountRequestId, HandshakeId, NodeId, OrganizationId, OrganizationPolicyId, Partition,
    ResourcePolicyId, ResponsibilityTransferId, Time,
};
use serde::{Deserialize, Serialize};

use super::{Document, Tag};

/// An organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Organization {
    /// `o-…`
    pub id: OrganizationId,
    /// The account that made it and pays for it. No policy of the organization binds it.
    pub management: AccountId,
    /// The family of regions that its accounts live in.
    pub partition: Partition,
    /// When it was made.
    pub created: Time,
    /// Whether it has all features, or consolidated billing alone.
    pub all_features: bool,
    /// Its root, which is a node.
    pub root: NodeId,
    /// The types of policies that are in force.
    pub policy_types: Vec<OrganizationPolicyType>,
    /// The services that it trusts, by name.
    pub trusted: Vec<TrustedService>,
    /// Who else may look at and change it.
    pub resource_policy: Option<OrganizationResourcePolicy>,
    /// Whether root users of members are managed from one place.
    pub root_access: CentralRootAccess,
}

/// A service that is trusted with the accounts of an organization, or whose administration was delegated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustedService {
    /// `iam.amazonaws.com`
    pub principal: Box<str>,
    /// Since when.
    pub since: Time,
}

/// Which parts of the management of members' root users are on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CentralRootAccess {
    /// Members' root credentials are looked at and deleted from one place, and new members have none.
    pub credentials: bool,
    /// Privileged tasks are carried out in members.
    pub sessions: bool,
}

/// The resource policy of an organization.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct OrganizationResourcePolicy {
    /// `rp-…`
    pub id: ResourcePolicyId,
    /// What it says.
    pub document: Document,
    /// In the order they were set.
    pub tags: Vec<Tag>,
}

/// The root of an organization, or an organizational unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrganizationNode {
    /// `r-…` or `ou-…`
    pub id: NodeId,
    /// What it is in; none for the root.
    pub parent: Option<NodeId>,
    /// As written; unique in its parent.
    pub name: Box<str>,
    /// The policies that are attached, of all types, in the order they were.
    pub policies: Vec<OrganizationPolicyId>,
    /// In the order they were set.
    pub tags: Vec<Tag>,
}

/// That an account is in an organization, and where.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Membership {
    /// Which account.
    pub account: AccountId,
    /// In which organization.
    pub organization: OrganizationId,
    /// In which node.
    pub parent: NodeId,
    /// Since when.
    pub joined: Time,
    /// Whether it was invited, or opened in the organization.
    pub invited: bool,
    /// The policies that are attached, of all types, in the order they were.
    pub policies: Vec<OrganizationPolicyId>,
    /// In the order they were set.
    pub tags: Vec<Tag>,
    /// The services that it administers for the organization, by name.
    pub delegated: Vec<TrustedService>,
}

/// A type of policies of organizations. Those of the first two decide; the others are configuration of services, and kept.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrganizationPolicyType {
    /// Bounds what principals of accounts may do.
    ServiceControl,
    /// Bounds what may be done to resources of accounts.
    ResourceControl,
    /// Any other, by its name in the API: `TAG_POLICY`.
    Management(Box<str>),
}

impl OrganizationPolicyType {
    /// The type of this name in the API.
    pub fn of_name(name: &str) -> Self {
        match name {
            "SERVICE_CONTROL_POLICY" => Self::ServiceControl,
            "RESOURCE_CONTROL_POLICY" => Self::ResourceControl,
            other => Self::Management(other.into()),
        }
    }

    /// Its name in the API.
    pub fn name(&self) -> &str {
        match self {
            Self::ServiceControl => "SERVICE_CONTROL_POLICY",
            Self::ResourceControl => "RESOURCE_CONTROL_POLICY",
            Self::Management(name) => name,
        }
    }
}

/// A policy of an organization.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrganizationPolicy {
    /// `p-…`
    pub id: OrganizationPolicyId,
    /// What it is for.
    pub kind: OrganizationPolicyType,
    /// As written; unique among those of its type.
    pub name: Box<str>,
    /// Free text.
    pub description: Box<str>,
    /// What it says.
    pub document: Document,
    /// When it was made or changed last.
    pub updated: Time,
    /// In the order they were set.
    pub tags: Vec<Tag>,
}

impl OrganizationPolicy {
    /// The policies that AWS attaches to every node and account: they allow everything.
    pub fn of_aws() -> &'static [Self] {
        &OF_AWS
    }

    /// Whether it is one of those that AWS attaches.
    pub fn is_of_aws(&self) -> bool {
        OF_AWS.iter().any(|policy| policy.id == self.id)
    }

    /// Its ARN in an organization.
    pub fn arn(&self, partition: Partition, organization: &OrganizationId, management: AccountId) -> String {
        let kind = self.kind.name().to_ascii_lowercase();
        if self.is_of_aws() {
            return format!("arn:{partition}:organizations::aws:policy/{kind}/{}", self.id);
        }
        format!("arn:{partition}:organizations::{management}:policy/{organization}/{kind}/{}", self.id)
    }
}

static OF_AWS: LazyLock<Vec<OrganizationPolicy>> = LazyLock::new(|| {
    let everything =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
    let every_principal = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}]}"#;
    let policy = |id: &str, kind, name: &str, description: &str, document| {
        id.parse().ok().map(|id| OrganizationPolicy {
            id,
            kind,
            name: name.into(),
            description: description.into(),
            document: Document::new(document),
            updated: Time::from_seconds(0),
            tags: Vec::new(),
        })
    };
    let of_principals = policy(
        FULL_ACCESS,
        OrganizationPolicyType::ServiceControl,
        "FullAWSAccess",
        "Allows access to every operation",
        everything,
    );
    let of_resources = policy(
        RESOURCE_FULL_ACCESS,
        OrganizationPolicyType::ResourceControl,
        "RCPFullAWSAccess",
        "Allows access to every resource",
        every_principal,
    );
    of_principals.into_iter().chain(of_resources).collect()
});

const FULL_ACCESS: &str = "p-FullAWSAccess";
const RESOURCE_FULL_ACCESS: &str = "p-RCPFullAWSAccess";

/// A request to open an account, and what became of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountRequest {
    /// `car-…`
    pub id: AccountRequestId,
    /// The account's name, as asked for.
    pub name: Box<str>,
    /// The address of its root user, as asked for.
    pub email: Box<str>,
    /// When it was asked for.
    pub requested: Time,
    /// What became of it; none while it is under way.
    pub outcome: Option<AccountRequestOutcome>,
}

/// What became of a request to open an account.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct AccountRequestOutcome {
    /// When.
    pub at: Time,
    /// The account, or the reason of the API why there is none.
    pub result: Result<AccountId, Box<str>>,
}

/// An agreement between accounts, asked for or reached.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Handshake {
    /// `h-…`
    pub id: HandshakeId,
    /// Of which organization.
    pub organization: OrganizationId,
    /// What for.
    pub action: HandshakeAction,
    /// Whom it is put to.
    pub to: HandshakeParty,
    /// What the recipient is told beside it.
    pub notes: Option<Box<str>>,
    /// What the account is tagged with when it joins.
    pub tags: Vec<Tag>,
    /// The one that it is part of: of the migration, for an approval.
    pub parent: Option<HandshakeId>,
    /// When it was asked for.
    pub requested: Time,
    /// Until when it can be answered.
    pub expires: Time,
    /// What it has come to.
    pub state: HandshakeState,
    /// The account that has brought it to that, and when; none while it waits.
    pub answer: Option<HandshakeAnswer>,
}

impl Handshake {
    /// Since when nobody can answer it any more: it was answered, or its time has passed. None while somebody can.
    pub fn over_since(&self, now: Time) -> Option<Time> {
        let answered = self.answer.map(|answer| answer.at);
        answered.or_else(|| (self.expires <= now).then_some(self.expires))
    }

    /// Whether it waits for an answer.
    pub fn is_open(&self, now: Time) -> bool {
        self.state == HandshakeState::Open && now < self.expires
    }
}

/// That a handshake was accepted, declined or withdrawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HandshakeAnswer {
    /// When.
    pub at: Time,
    /// By which account.
    pub by: AccountId,
}

/// What a handshake is for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandshakeAction {
    /// That an account joins.
    Invite,
    /// That the organization gets all features.
    EnableAllFeatures,
    /// That a member agrees to that.
    ApproveAllFeatures,
    /// That another organization transfers a responsibility to this one.
    TransferResponsibility(ResponsibilityTransferId),
}

impl HandshakeAction {
    /// Whether it is part of the way to all features.
    pub fn is_about_all_features(&self) -> bool {
        match self {
            Self::EnableAllFeatures | Self::ApproveAllFeatures => true,
            Self::Invite | Self::TransferResponsibility(_) => false,
        }
    }
}

/// Whom a handshake is put to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandshakeParty {
    /// An account, by id.
    Account(AccountId),
    /// The account whose root user has this address.
    Email(Box<str>),
}

/// What a handshake has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HandshakeState {
    /// Waits for an answer; over when its time is.
    Open,
    /// The recipient agrees.
    Accepted,
    /// Whoever asked has withdrawn it.
    Canceled,
    /// The recipient does not agree.
    Declined,
}

/// That an organization takes over the bills of another one: whether it was agreed, and from when until when. It belongs to the organization
/// that takes them over.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ResponsibilityTransfer {
    /// `rt-…`
    pub id: ResponsibilityTransferId,
    /// The organization that takes over.
    pub organization: OrganizationId,
    /// What that organization calls it.
    pub name: Box<str>,
    /// The management account of the other one: whom it is put to, and by id once it is accepted.
    pub source: HandshakeParty,
    /// The handshake that it is put with.
    pub handshake: HandshakeId,
    /// When it was asked for.
    pub requested: Time,
    /// Until when it can be accepted.
    pub expires: Time,
    /// From when on it is in effect.
    pub starts: Time,
    /// The last millisecond that it is in effect; none as long as nobody withdraws it.
    pub ends: Option<Time>,
    /// What it has come to.
    pub state: TransferState,
    /// Since when.
    pub since: Time,
    /// Of the organization that takes over, in the order they were set.
    pub tags: Vec<Tag>,
}

/// What a transfer has come to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum TransferState {
    /// Waits for an answer; over when its time is.
    Requested,
    /// The other organization agrees.
    Accepted,
    /// It does not agree.
    Declined,
    /// Whoever asked has withdrawn the invitation.
    Canceled,
    /// One of the two ends it.
    Withdrawn,
}

impl ResponsibilityTransfer {
    /// Whether it waits for an answer.
    pub fn is_open(&self, now: Time) -> bool {
        self.state == TransferState::Requested && now < self.expires
    }

    /// Whether it was agreed and is, or will be, in effect at `time` or after it.
    pub fn lasts(&self, time: Time) -> bool {
        let is_agreed = matches!(self.state, TransferState::Accepted | TransferState::Withdrawn);
        is_agreed && self.ends.is_none_or(|ends| ends >= time.max(self.starts))
    }

    /// Since when nothing can come of it any more; none while something can.
    pub fn over_since(&self, now: Time) -> Option<Time> {
        match self.state {
            TransferState::Requested => (self.expires <= now).then_some(self.expires),
            TransferState::Accepted => None,
            TransferState::Declined | TransferState::Canceled => Some(self.since),
            // One that ends before it begins is over at once.
            TransferState::Withdrawn => {
                let ended = self.ends.filter(|ends| *ends >= self.starts);
                (!self.lasts(now)).then(|| ended.unwrap_or(self.since))
            }
        }
    }
}
