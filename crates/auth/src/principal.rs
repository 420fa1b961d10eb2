//! Principals: who makes a request, with the facts of the session they make it in.

use std::sync::Arc;

use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Handle, Partition, Random, Time};
use rootward_state::entities::{Named, Role, SessionKind, User};

use crate::root_task::RootTask;
use crate::session::SessionPolicies;

/// Who makes a request.
#[derive(Debug, Clone)]
pub struct Principal {
    /// The account they belong to.
    pub account: AccountId,
    /// The partition their ARN is written in.
    pub partition: Partition,
    /// Who they are in it.
    pub identity: Identity,
    /// What they proved it with.
    pub credential: Credential,
}

/// Who a principal is in their account, as it stands in the snapshot of the request.
#[derive(Debug, Clone)]
pub enum Identity {
    /// A session of a member's root user, which the organization has begun for one task. It is the root user to policies, and
    /// to nothing that is the root user's own.
    AssumedRoot(Box<AssumedRoot>),
    /// A session that a user or the root user made for somebody they vouch for.
    FederatedUser(Box<FederatedUser>),
    /// The root user.
    Root,
    /// A session of a role.
    RoleSession(Box<RoleSession>),
    /// An IAM user, by key or by session.
    User(Arc<User>),
}

/// A session of a member's root user: made by `AssumeRoot`.
#[derive(Debug, Clone)]
pub struct AssumedRoot {
    /// What it is for, and all that it may do.
    pub task: RootTask,
    /// That of the session that has made it.
    pub source_identity: Option<Box<str>>,
}

/// A session of a federated user: made by `GetFederationToken`.
#[derive(Debug, Clone)]
pub struct FederatedUser {
    /// The user who made it; `None`: the root user.
    pub by: Option<Arc<User>>,
    /// The name given to it.
    pub name: Box<str>,
    /// Session tags, key and value.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// What it may do, of what its maker may: nothing without one.
    pub policies: Arc<SessionPolicies>,
}

/// A session of a role: made by `AssumeRole`.
#[derive(Debug, Clone)]
pub struct RoleSession {
    /// The role.
    pub role: Arc<Role>,
    /// The name given to the session.
    pub name: Box<str>,
    /// Session tags, key and value; they win over the role's own tags of the same key.
    pub tags: Vec<(Box<str>, Box<str>)>,
    /// Keys of the tags that stay with sessions made from this one.
    pub transitive: Vec<Box<str>>,
    /// Set once, kept along a chain of roles.
    pub source_identity: Option<Box<str>>,
    /// What the session's permissions cannot exceed.
    pub policies: Arc<SessionPolicies>,
}

/// What a principal proved their identity with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credential {
    /// An access key that Rootward did not issue: the sandbox takes it at its word. Holds the id as sent.
    Foreign(Box<str>),
    /// A long-term access key.
    LongTerm(AccessKeyId),
    /// Temporary credentials.
    Temporary {
        /// `ASIA…`
        key: AccessKeyId,
        /// When they were issued.
        issued: Time,
        /// When multi-factor authentication took place, if it did.
        mfa: Option<Time>,
        /// The session of the sign-in that they are part of; none for those that an API handed out.
        sign_in: Option<SignIn>,
    },
}

/// The session of a sign-in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SignIn {
    /// Its id.
    pub session: Handle,
    /// Where it is used.
    pub kind: SessionKind,
}

/// The ARN of an account's root user.
pub fn root_arn(partition: Partition, account: AccountId) -> String {
    format!("arn:{partition}:iam::{account}:root")
}

/// The ARN of a role's session.
pub fn session_arn(partition: Partition, account: AccountId, role_name: &str, session_name: &str) -> String {
    format!("arn:{partition}:sts::{account}:assumed-role/{role_name}/{session_name}")
}

/// The ARN of a federated user.
pub fn federated_arn(partition: Partition, account: AccountId, name: &str) -> String {
    format!("arn:{partition}:sts::{account}:federated-user/{name}")
}

impl Principal {
    /// Somebody who is asked about and has sent nothing, with credentials of their kind that nobody has: temporary ones for who
    /// has no others, long-term ones for the rest.
    pub fn in_question(
        account: AccountId,
        partition: Partition,
        identity: Identity,
        now: Time,
        random: &mut dyn Random,
    ) -> Self {
        let credential = match identity {
            Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => {
                let key = AccessKeyId::random(AccessKeyKind::Temporary, account, random);
                Credential::Temporary { key, issued: now, mfa: None, sign_in: None }
            }
            Identity::Root | Identity::User(_) => {
                Credential::LongTerm(AccessKeyId::random(AccessKeyKind::LongTerm, account, random))
            }
        };
        Self { account, partition, identity, credential }
    }

    /// The ARN in denial messages, audit records and `GetCallerIdentity`.
    pub fn arn(&self) -> String {
        let Self { account, partition, .. } = self;
        match &self.identity {
            Identity::FederatedUser(user) => federated_arn(*partition, *account, &user.name),
            Identity::AssumedRoot(_) | Identity::Root => root_arn(*partition, *account),
            Identity::RoleSession(session) => {
                session_arn(*partition, *account, &session.role.name, &session.name)
            }
            Identity::User(user) => user.arn(*partition, *account),
        }
    }

    /// `aws:userid`: the unique id, with the session name behind a role's.
    pub fn user_id(&self) -> String {
        match &self.identity {
            Identity::FederatedUser(user) => format!("{}:{}", self.account, user.name),
            Identity::AssumedRoot(_) | Identity::Root => self.account.to_string(),
            Identity::RoleSession(session) => format!("{}:{}", session.role.id, session.name),
            Identity::User(user) => user.id.to_string(),
        }
    }

    /// The access key id as the client sent it.
    pub fn access_key_id(&self) -> String {
        match &self.credential {
            Credential::Foreign(id) => id.to_string(),
            Credential::LongTerm(key) | Credential::Temporary { key, .. } => key.to_string(),
        }
    }

    /// When this session's credentials were issued; none for long-term keys.
    pub fn issued(&self) -> Option<Time> {
        match self.credential {
            Credential::Temporary { issued, .. } => Some(issued),
            Credential::Foreign(_) | Credential::LongTerm(_) => None,
        }
    }

    /// When multi-factor authentication took place for this session, if it did.
    pub fn mfa(&self) -> Option<Time> {
        match self.credential {
            Credential::Temporary { mfa, .. } => mfa,
            Credential::Foreign(_) | Credential::LongTerm(_) => None,
        }
    }

    /// Whether the sandbox took this principal's key at its word.
    pub fn is_foreign(&self) -> bool {
        matches!(self.credential, Credential::Foreign(_))
    }

    /// Whether this is a session of the root user or of a user, made by `GetSessionToken`.
    pub fn is_user_session(&self) -> bool {
        let by_api = matches!(self.credential, Credential::Temporary { sign_in: None, .. });
        by_api && matches!(self.identity, Identity::Root | Identity::User(_))
    }

    /// Whether this is a federated user, by an API and not at the console. A command line that was let in there is an API again.
    pub fn is_federated_by_api(&self) -> bool {
        let is_at_console = self.sign_in().is_some_and(|sign_in| sign_in.kind == SessionKind::Console);
        matches!(self.identity, Identity::FederatedUser(_)) && !is_at_console
    }

    /// The session of a sign-in that this principal acts in.
    pub fn sign_in(&self) -> Option<SignIn> {
        match self.credential {
            Credential::Temporary { sign_in, .. } => sign_in,
            Credential::Foreign(_) | Credential::LongTerm(_) => None,
        }
    }

    /// Whoever holds temporary credentials, as they act in the session of a sign-in.
    #[must_use]
    pub fn in_session(mut self, sign_in: SignIn) -> Self {
        if let Credential::Temporary { sign_in: of, .. } = &mut self.credential {
            *of = Some(sign_in);
        }
        self
    }

    /// `aws:SignInSessionArn`: the session of a command line that these credentials were given in. Sessions at the console have
    /// none.
    pub fn sign_in_session_arn(&self) -> Option<String> {
        let SignIn { session, .. } = self.sign_in().filter(|it| it.kind == SessionKind::CommandLine)?;
        let (partition, account) = (self.partition, self.account);
        Some(format!("arn:{partition}:signin:{}:{account}:session/{session}", partition.global_region()))
    }

    /// Whether this is a session of a role.
    pub fn is_role_session(&self) -> bool {
        matches!(self.identity, Identity::RoleSession(_))
    }

    /// Whether this is the root user, by its own credentials.
    pub fn is_root(&self) -> bool {
        matches!(self.identity, Identity::Root)
    }

    /// Whether this is a session that the organization has begun as the root user.
    pub fn is_assumed_root(&self) -> bool {
        matches!(self.identity, Identity::AssumedRoot(_))
    }
}
