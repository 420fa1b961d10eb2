//! What was decided and by which statement, and the sentence AWS says about it.

use std::fmt;

use crate::pattern::Key;
use crate::program::Statement;
use crate::span::Place;

/// The answer. Written as the simulator writes it: `allowed`, `explicitDeny`, `implicitDeny`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The request may proceed.
    Allowed,
    /// A statement denies it.
    ExplicitDeny,
    /// Something that would have to allow it does not.
    ImplicitDeny,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Allowed => "allowed",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
        })
    }
}

/// The types of policies that take part in a decision, and the two reasons that are no policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// The action needs no permission.
    Free,
    /// The root user may do everything in its account.
    Root,
    /// The guard policy of the caller's account.
    Guard,
    /// Service control policies of the caller's account.
    Scp,
    /// Resource control policies of the resource's account.
    Rcp,
    /// The policy of the resource.
    Resource,
    /// The trust policy of the role.
    Trust,
    /// Policies of the user and its groups, or of the role.
    Identity,
    /// The permissions boundary.
    Boundary,
    /// Policies given when the session was made.
    Session,
    /// Policies of the VPC endpoint the request came through.
    Endpoint,
}

impl Layer {
    /// As AWS names the type of policy in denials.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Boundary => "permissions boundary",
            Self::Endpoint => "VPC endpoint policy",
            Self::Free => "action without permissions",
            Self::Guard => "guard policy",
            Self::Identity => "identity-based policy",
            Self::Rcp => "resource control policy",
            Self::Resource => "resource-based policy",
            Self::Root => "root user",
            Self::Scp => "service control policy",
            Self::Session => "session policy",
            Self::Trust => "role trust policy",
        }
    }

    /// Its name behind an article.
    pub(crate) const fn with_article(self) -> &'static str {
        match self {
            Self::Identity => "an identity-based policy",
            Self::Trust => "the role trust policy",
            Self::Boundary => "a permissions boundary",
            Self::Endpoint => "a VPC endpoint policy",
            Self::Guard => "a guard policy",
            Self::Rcp => "a resource control policy",
            Self::Resource => "a resource-based policy",
            Self::Scp => "a service control policy",
            Self::Session => "a session policy",
            Self::Free | Self::Root => "a policy",
        }
    }
}

/// Who holds an inline policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Owner {
    /// An IAM group.
    Group,
    /// An IAM role.
    Role,
    /// An IAM user.
    User,
}

/// Where a policy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Source<'a> {
    /// Embedded in a user, group or role.
    Inline {
        /// In which kind of entity.
        owner: Owner,
        /// The entity's name.
        owner_name: &'a str,
        /// The policy's name.
        policy_name: &'a str,
    },
    /// A policy with an ARN: managed by AWS, the customer or the organization.
    Managed {
        /// Its ARN.
        arn: &'a str,
    },
    /// What a setting of the account grants without a document of anybody's.
    Setting {
        /// The setting's name.
        name: &'a str,
    },
    /// The policy of a resource or role, or an inline session policy: there is one, and it has no name.
    Unnamed,
}

impl fmt::Display for Source<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline { owner, owner_name, policy_name } => {
                let owner = match owner {
                    Owner::Group => "group",
                    Owner::Role => "role",
                    Owner::User => "user",
                };
                write!(f, "inline policy `{policy_name}` of {owner} `{owner_name}`")
            }
            Self::Managed { arn } => write!(f, "{arn}"),
            Self::Setting { name } => write!(f, "the account's setting `{name}`"),
            Self::Unnamed => f.write_str("policy"),
        }
    }
}

/// The statement that decided.
#[derive(Clone, Copy)]
pub struct Cause<'a> {
    /// Which policy of its layer; for SCPs and RCPs, of its level.
    pub policy: usize,
    /// Where that policy comes from.
    pub source: Source<'a>,
    /// Which statement of the policy, from 0.
    pub index: usize,
    pub(crate) statement: &'a Statement,
}

impl<'a> Cause<'a> {
    /// The statement's `Sid`, if it has one.
    pub fn sid(&self) -> Option<&'a str> {
        self.statement.sid.as_deref().filter(|sid| !sid.is_empty())
    }

    /// The condition keys and policy variables the statement looks at, as written, with repetitions.
    pub fn context_keys(&self) -> impl Iterator<Item = &'a str> + use<'a> {
        self.statement.keys().map(Key::name)
    }

    /// Where the statement stands in its document.
    pub const fn place(&self) -> Place {
        self.statement.place
    }
}

impl fmt::Debug for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// `SOURCE, statement N (Sid) at LINE:COLUMN`
impl fmt::Display for Cause<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, statement {}", self.source, self.index + 1)?;
        if let Some(sid) = self.sid() {
            write!(f, " ({sid})")?;
        }
        write!(f, " at {}", self.place().start)
    }
}

/// A decision with its reason.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    /// The answer.
    pub outcome: Outcome,
    /// What decided: the layer that allows or denies, or the one that does not allow.
    pub layer: Layer,
    /// The statement that decided; none when something is missing, or no policy was needed.
    pub cause: Option<Cause<'a>>,
    /// Whether caller and resource belong to one account, or as their keys say, to one organization: others are not told why they are
    /// denied.
    pub tells_why: bool,
}

impl Decision<'_> {
    /// Whether the request may proceed.
    pub fn is_allowed(&self) -> bool {
        self.outcome == Outcome::Allowed
    }

    /// What AWS tells the caller of a denied request.
    ///
    /// `principal` is the ARN of the user, session or root; `resource` is how the service names the resource, or none
    /// where it leaves it out. Callers from other organizations, and callers whom a role's trust policy does not name, get
    /// the sentence without its reason.
    pub fn denial_message(&self, principal: &str, action: &str, resource: Option<&str>) -> String {
        let mut text = format!("User: {principal} is not authorized to perform: {action}");
        if let Some(resource) = resource {
            text.push_str(" on resource: ");
            text.push_str(resource);
        }
        if self.tells_why {
            text.push_str(&self.reason(action));
        }
        text
    }

    fn reason(&self, action: &str) -> String {
        match (self.outcome, self.layer, self.cause.map(|cause| cause.source)) {
            (Outcome::ExplicitDeny, layer, Some(Source::Managed { arn })) => {
                format!(" with an explicit deny in {}: {arn}", layer.with_article())
            }
            (Outcome::ExplicitDeny, layer, _) => {
                format!(" with an explicit deny in {}", layer.with_article())
            }
            (_, Layer::Trust, _) => String::new(),
            (_, layer, _) => format!(" because no {} allows the {action} action", layer.name()),
        }
    }
}
