//! A policy as it was written: elements with their places, nothing interpreted yet.

use std::fmt;

use crate::json::write_string;
use crate::span::{Place, Span, Spanned};

/// What a policy is attached to: it decides which elements it takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PolicyKind {
    /// A managed policy used as a permissions boundary.
    Boundary,
    /// A VPC endpoint policy.
    Endpoint,
    /// The guard policy of an account: as a service control policy, and it only denies.
    Guard,
    /// A managed policy, or an inline policy of a user, group or role.
    Identity,
    /// A resource control policy.
    Rcp,
    /// A bucket, queue, topic or key policy.
    Resource,
    /// A service control policy.
    Scp,
    /// A session policy given to `AssumeRole` and its like.
    Session,
    /// The trust policy of a role.
    Trust,
}

/// The version of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Version {
    /// `2008-10-17`, or no version: `${…}` is plain text.
    #[default]
    V2008,
    /// `2012-10-17`: policy variables.
    V2012,
}

/// What a statement does when it matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// Grants.
    Allow,
    /// Refuses, whatever else grants.
    Deny,
}

/// A parsed policy. Made by [`Policy::parse`] or [`Policy::read_stored`].
///
/// `Display` writes it as JSON without white space; reading that gives an equal policy apart from places.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Policy {
    /// The version of the language.
    pub version: Version,
    /// `Id`, which nothing interprets.
    pub id: Option<Box<str>>,
    /// At least one.
    pub statements: Vec<Statement>,
}

/// One statement of a policy.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Statement {
    /// From `{` to `}`.
    pub place: Place,
    /// `Sid`.
    pub sid: Option<Box<str>>,
    /// `Effect`.
    pub effect: Effect,
    /// `Principal` or `NotPrincipal`.
    pub principal: Option<Principals>,
    /// `Action` or `NotAction`.
    pub action: Option<Listed>,
    /// `Resource` or `NotResource`.
    pub resource: Option<Listed>,
    /// `Condition`, one entry for every operator and key; all must hold.
    pub conditions: Vec<ConditionEntry>,
}

/// `Action`, `Resource` or their negations.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Listed {
    /// Whether it is the `Not…` form.
    pub not: bool,
    /// Place of the value.
    pub span: Span,
    /// Patterns as written.
    pub patterns: Vec<Spanned<Box<str>>>,
}

/// `Principal` or `NotPrincipal`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Principals {
    /// Whether it is `NotPrincipal`.
    pub not: bool,
    /// Place of the value.
    pub span: Span,
    /// Any of these; `"*"` alone reads as `{"AWS": "*"}`.
    pub listed: Vec<ListedPrincipal>,
}

/// One entry of a `Principal`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ListedPrincipal {
    /// The key it stands under.
    pub kind: PrincipalType,
    /// Place of the string, quotes included.
    pub span: Span,
    /// As written.
    pub value: Box<str>,
}

/// The keys of a `Principal` map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum PrincipalType {
    /// Accounts, users, roles and sessions.
    Aws,
    /// An account by its S3 canonical id.
    CanonicalUser,
    /// Identity providers.
    Federated,
    /// AWS services.
    Service,
}

impl PrincipalType {
    /// The key as written in a policy.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Aws => "AWS",
            Self::CanonicalUser => "CanonicalUser",
            Self::Federated => "Federated",
            Self::Service => "Service",
        }
    }

    pub(crate) fn of(name: &str) -> Option<Self> {
        [Self::Aws, Self::CanonicalUser, Self::Federated, Self::Service]
            .into_iter()
            .find(|t| t.as_str() == name)
    }
}

/// One operator and key of a `Condition`, with its values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ConditionEntry {
    /// The operator as written, such as `ForAllValues:StringLikeIfExists`.
    pub operator: Spanned<Box<str>>,
    /// The key as written.
    pub key: Spanned<Box<str>>,
    /// The values as text: numbers and booleans as they were written.
    pub values: Vec<Spanned<Box<str>>>,
}

impl Policy {
    /// Every entry of every `Principal` and `NotPrincipal`, in the order of the document.
    pub fn principals(&self) -> impl Iterator<Item = &ListedPrincipal> {
        self.statements.iter().filter_map(|s| s.principal.as_ref()).flat_map(|p| &p.listed)
    }
}

impl fmt::Display for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        if self.version == Version::V2012 {
            f.write_str("\"Version\":\"2012-10-17\",")?;
        }
        if let Some(id) = &self.id {
            f.write_str("\"Id\":")?;
            write_string(id, f)?;
            f.write_str(",")?;
        }
        f.write_str("\"Statement\":[")?;
        for (at, statement) in self.statements.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            statement.fmt(f)?;
        }
        f.write_str("]}")
    }
}

impl fmt::Display for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("{")?;
        if let Some(sid) = &self.sid {
            f.write_str("\"Sid\":")?;
            write_string(sid, f)?;
            f.write_str(",")?;
        }
        write!(f, "\"Effect\":\"{:?}\"", self.effect)?;
        if let Some(principals) = &self.principal {
            write_principals(principals, f)?;
        }
        for (name, listed) in [("Action", &self.action), ("Resource", &self.resource)] {
            if let Some(listed) = listed {
                write!(f, ",\"{}{name}\":", if listed.not { "Not" } else { "" })?;
                write_list(listed.patterns.iter().map(|pattern| &*pattern.value), f)?;
            }
        }
        write_conditions(&self.conditions, f)?;
        f.write_str("}")
    }
}

fn write_list<'a>(values: impl Iterator<Item = &'a str>, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("[")?;
    for (at, value) in values.enumerate() {
        f.write_str(if at == 0 { "" } else { "," })?;
        write_string(value, f)?;
    }
    f.write_str("]")
}

fn write_principals(principals: &Principals, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    write!(f, ",\"{}Principal\":{{", if principals.not { "Not" } else { "" })?;
    let mut kinds: Vec<PrincipalType> = principals.listed.iter().map(|listed| listed.kind).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for (at, kind) in kinds.into_iter().enumerate() {
        write!(f, "{}\"{}\":", if at == 0 { "" } else { "," }, kind.as_str())?;
        write_list(principals.listed.iter().filter(|l| l.kind == kind).map(|l| &*l.value), f)?;
    }
    f.write_str("}")
}

fn write_conditions(conditions: &[ConditionEntry], f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if conditions.is_empty() {
        return Ok(());
    }
    f.write_str(",\"Condition\":{")?;
    // Entries of one operator stand together: they were read from one object.
    let blocks = conditions.chunk_by(|a, b| a.operator.value == b.operator.value);
    for (at, block) in blocks.enumerate() {
        f.write_str(if at == 0 { "" } else { "," })?;
        write_string(block.first().map_or("", |entry| &entry.operator.value), f)?;
        f.write_str(":{")?;
        for (at, entry) in block.iter().enumerate() {
            f.write_str(if at == 0 { "" } else { "," })?;
            write_string(&entry.key.value, f)?;
            f.write_str(":")?;
            write_list(entry.values.iter().map(|value| &*value.value), f)?;
        }
        f.write_str("}")?;
    }
    f.write_str("}")
}
