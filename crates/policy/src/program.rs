//! Programs: policies compiled for deciding. Immutable, `Send` and `Sync`, shared by all threads.
//!
//! The texts of the policy become those of the program: actions in lower case, patterns classified, condition keys hashed.
//! An index finds the statements that could match; see [`Index`].

use std::fmt;
use std::sync::Arc;

use crate::condition::{Condition, Truth};
use crate::context::Context;
use crate::explain::alternatives;
use crate::index::{Index, Listed, Sought};
use crate::pattern::{ArnPattern, ArnText, Key, Pattern, Piece, Special};
use crate::policy::{Effect, Policy, Statement as Parsed, Version};
use crate::principal::{Entry, Named, Principal};
use crate::span::{Place, Position};

/// A compiled policy. What it is attached to is said when deciding, so that one program serves everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    /// Shared with programs that are [merged](crate::merge) of several.
    pub(crate) statements: Box<[Arc<Statement>]>,
    index: Index,
    readable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) place: Place,
    pub(crate) sid: Option<Box<str>>,
    not_principal: bool,
    principals: Option<Box<[Entry]>>,
    not_action: bool,
    /// Over service, colon and name.
    actions: Box<[Pattern]>,
    not_resource: bool,
    resources: Option<Box<[Resource]>>,
    /// Whether every action, resource and caller fits, on the caller's side: much of what organizations deny is left to conditions.
    is_about_all: bool,
    pub(crate) conditions: Box<[Condition]>,
}

#[derive(Debug, Clone, PartialEq)]
enum Resource {
    Arn(ArnPattern),
    Everything,
    Nothing,
    /// Fewer than six parts and no wildcard: completed where identities are, inert where resources are.
    ShortLiteral(Box<ArnPattern>),
}

/// The request as statements see it.
pub(crate) struct Query<'a> {
    /// In lower case.
    pub(crate) service: &'a str,
    /// In lower case, service and name with the colon.
    pub(crate) action: &'a str,
    pub(crate) sought: Sought<'a>,
    /// None for `*` and whatever else is no ARN.
    pub(crate) resource: Option<ArnText<'a>>,
    pub(crate) principal: &'a Principal<'a>,
    pub(crate) context: &'a Context,
    pub(crate) has_boundary: bool,
}

/// What a policy is attached to, as far as reading its statements depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// An identity, session, account: statements name no principal.
    Caller,
    /// A resource or an endpoint: statements name principals.
    Resource,
    /// A role: statements name principals and no resource.
    Trust,
}

/// The first thing about a statement that does not fit a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Miss {
    Action,
    /// By position in the statement.
    Condition(usize),
    Principal,
    Resource,
}

impl Program {
    /// Compiles a policy.
    pub fn compile(policy: Policy) -> Self {
        let Policy { version, statements, .. } = policy;
        Self::of(statements.into_iter().map(|s| Arc::new(Statement::compile(s, version))).collect())
    }

    /// Compiles a stored document with the rules of [`Policy::read_stored`].
    ///
    /// A document that cannot be read denies everything to whoever it applies to: it may have held a Deny.
    pub fn of_stored(text: &str) -> Self {
        match Policy::read_stored(text) {
            Ok(policy) => Self::compile(policy),
            Err(_) => {
                Self { readable: false, ..Self::of(Box::new([Arc::new(Statement::deny_everything())])) }
            }
        }
    }

    /// Whether the document could be read; if not, this program denies everything. Of one that is merged of several it says nothing.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Whether one of its statements could allow an action, in lower case, of some resource and under some conditions.
    pub fn may_allow(&self, action: &str) -> bool {
        let about = |statement: &Statement| statement.is_about(action, &Context::new());
        self.statements.iter().any(|statement| statement.effect == Effect::Allow && about(statement))
    }

    /// Every condition key and policy variable it looks at, as written, in order, with repetitions.
    pub fn context_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(|statement| statement.keys()).map(Key::name)
    }

    pub(crate) fn of(statements: Box<[Arc<Statement>]>) -> Self {
        let index = Index::of(statements.iter().map(|statement| statement.listed_actions()));
        Self { statements, index, readable: true }
    }

    /// The statements that could match, with their positions; one may come twice. None if none could.
    pub(crate) fn candidates(&self, query: &Query<'_>) -> Option<impl Iterator<Item = (usize, &Statement)>> {
        let found = self.index.candidates(&query.sought)?;
        Some(found.filter_map(|at| Some((at as usize, &**self.statements.get(at as usize)?))))
    }
}

impl Statement {
    fn compile(parsed: Parsed, version: Version) -> Self {
        let Parsed { place, sid, effect, principal, action, resource, conditions } = parsed;
        let not_action = action.as_ref().is_some_and(|listed| listed.not);
        // A pattern that means nothing must neither grant nor spare: it widens a Deny and narrows an Allow.
        let odd_matches = (effect == Effect::Deny) != not_action;
        let actions = action.map_or_else(Vec::new, |listed| listed.patterns);
        let mut compiled = Self {
            effect,
            place,
            sid,
            not_principal: principal.as_ref().is_some_and(|principals| principals.not),
            principals: principal
                .map(|principals| principals.listed.into_iter().map(Entry::compile).collect()),
            not_action,
            actions: actions
                .into_iter()
                .filter_map(|pattern| action_pattern(pattern.value, odd_matches))
                .collect(),
            not_resource: resource.as_ref().is_some_and(|listed| listed.not),
            resources: resource.map(|listed| {
                listed.patterns.into_iter().map(|pattern| Resource::compile(pattern.value, version)).collect()
            }),
            is_about_all: false,
            conditions: conditions.into_iter().map(|entry| Condition::compile(entry, version)).collect(),
        };
        compiled.is_about_all =
            compiled.principals.is_none() && compiled.lists_every_action() && compiled.lists_every_resource();
        compiled
    }

    fn deny_everything() -> Self {
        let start = Position { line: 1, column: 1 };
        Self {
            effect: Effect::Deny,
            place: Place { span: crate::span::Span::default(), start, end: start },
            sid: None,
            not_principal: false,
            principals: Some(Box::new([Entry::Everyone])),
            not_action: false,
            actions: Box::new([Pattern::Anything]),
            not_resource: false,
            resources: None,
            is_about_all: false,
            conditions: Box::new([]),
        }
    }

    /// Whether it allows everything to every caller, under no condition, where no principal is named. That it does may not be seen.
    pub(crate) fn allows_every_caller(&self) -> bool {
        self.effect == Effect::Allow && self.is_about_all && self.conditions.is_empty()
    }

    fn lists_every_action(&self) -> bool {
        !self.not_action && self.actions.contains(&Pattern::Anything)
    }

    fn lists_every_resource(&self) -> bool {
        !self.not_resource
            && self.resources.iter().flatten().any(|resource| *resource == Resource::Everything)
    }

    /// The actions it is about, or that it is not about.
    fn listed_actions(&self) -> Listed<'_> {
        if self.not_action { Listed::AllBut(&self.actions) } else { Listed::These(&self.actions) }
    }

    /// Whether the statement is about this request, and how closely it names who asks.
    pub(crate) fn check(&self, query: &Query<'_>, side: Side) -> Result<Named, Miss> {
        let named = match side {
            Side::Caller if self.is_about_all => Named::Directly,
            Side::Caller | Side::Resource | Side::Trust => self.fits(query, side)?,
        };
        match self.conditions.iter().position(|condition| !self.satisfied(condition.holds(query.context))) {
            Some(at) => Err(Miss::Condition(at)),
            None => Ok(named),
        }
    }

    /// Whether it is about the action, resource and principal, and how closely it names who asks.
    fn fits(&self, query: &Query<'_>, side: Side) -> Result<Named, Miss> {
        if !self.is_about_action(query) {
            return Err(Miss::Action);
        }
        if !self.is_about_resource(query, side) {
            return Err(Miss::Resource);
        }
        match self.names(query, side) {
            Named::No => Err(Miss::Principal),
            named => Ok(named),
        }
    }

    /// What is unknown satisfies a Deny only.
    fn satisfied(&self, truth: Truth) -> bool {
        match truth {
            Truth::Yes => true,
            Truth::No => false,
            Truth::Unknown => self.effect == Effect::Deny,
        }
    }

    fn is_about_action(&self, query: &Query<'_>) -> bool {
        self.is_about(query.action, query.context)
    }

    /// `action` in lower case. Patterns of actions have no variables.
    fn is_about(&self, action: &str, context: &Context) -> bool {
        self.actions.iter().any(|pattern| pattern.matches(action, context)) != self.not_action
    }

    fn is_about_resource(&self, query: &Query<'_>, side: Side) -> bool {
        match &self.resources {
            Some(resources) => {
                resources.iter().any(|resource| resource.matches(query, side)) != self.not_resource
            }
            None => side == Side::Trust || self.effect == Effect::Deny,
        }
    }

    fn names(&self, query: &Query<'_>, side: Side) -> Named {
        let Some(entries) = &self.principals else {
            return if side == Side::Caller { Named::Directly } else { Named::No };
        };
        let closest = || entries.iter().map(|entry| entry.names(query.principal)).max().unwrap_or(Named::No);
        match (side, self.not_principal, self.effect) {
            // No principal belongs here.
            (Side::Caller, _, Effect::Allow) => Named::No,
            (Side::Caller, _, Effect::Deny) => Named::Directly,
            (_, false, _) => closest(),
            // No longer part of the language.
            (_, true, Effect::Allow) => Named::No,
            // A principal with a boundary is always denied, whoever is listed.
            (_, true, Effect::Deny) if query.has_boundary => Named::Directly,
            (_, true, Effect::Deny) if spares(entries, query.principal) => Named::No,
            (_, true, Effect::Deny) => Named::Directly,
        }
    }

    /// The resources it lists, for people to read, and whether it is about all but these.
    pub(crate) fn shown_resources(&self) -> (String, bool) {
        let resources = self.resources.as_deref().unwrap_or_default();
        (alternatives(resources.iter().map(Resource::to_string)), self.not_resource)
    }

    /// The principals it lists, for people to read.
    pub(crate) fn shown_principals(&self) -> String {
        match &self.principals {
            None => "nobody".to_owned(),
            Some(entries) => {
                let but = if self.not_principal { "everybody but " } else { "" };
                but.to_owned() + &alternatives(entries.iter().map(Entry::to_string))
            }
        }
    }

    /// The variables in its resources.
    pub(crate) fn resource_variables(&self) -> impl Iterator<Item = &Key> {
        self.resources.iter().flatten().flat_map(Resource::variables)
    }

    /// The condition keys and variables it looks at.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &Key> {
        let resources = self.resource_variables();
        let conditions = self.conditions.iter().flat_map(|c| std::iter::once(&c.key).chain(c.variables()));
        resources.chain(conditions)
    }
}

/// Whether a `NotPrincipal` of these entries lists the principal, step by step.
fn spares(entries: &[Entry], principal: &Principal<'_>) -> bool {
    let lists = |step| entries.iter().any(|entry| entry.names(principal) == step);
    entries.contains(&Entry::Everyone) || principal.steps().iter().all(|step| lists(*step))
}

const PLAIN: Special = Special { variables: false, wildcards: true };

/// None of a text that is no action and of which nothing is to be made.
fn action_pattern(text: Box<str>, odd_matches: bool) -> Option<Pattern> {
    let meant = match text.split_once(':') {
        None => &*text == "*" || (odd_matches && text.contains(['*', '?'])),
        // A wildcard in the service, where none is allowed unless it stands alone.
        Some((service, _)) => odd_matches || service == "*" || !service.contains(['*', '?']),
    };
    if !meant {
        return None;
    }
    let mut pattern = Pattern::compile(text, PLAIN);
    pattern.make_ascii_lowercase();
    Some(pattern)
}

impl Resource {
    fn compile(mut text: Box<str>, version: Version) -> Self {
        if !text.is_empty() && text.bytes().all(|b| b == b'*') {
            return Self::Everything;
        }
        let tail = Special { variables: version == Version::V2012, wildcards: true };
        let mut colons = text.bytes().enumerate().filter(|(_, byte)| *byte == b':').map(|(at, _)| at);
        match (colons.next(), colons.nth(3)) {
            (None, _) => Self::Nothing,
            (Some(_), Some(fifth)) => Self::Arn(ArnPattern::compile(text, fifth + 1, PLAIN, tail)),
            (Some(_), None) => {
                let literal = !text.contains(['*', '?']);
                let missing = 5usize.saturating_sub(text.matches(':').count());
                text = (text.into_string() + &":*".repeat(missing)).into();
                let tail_start = text.len() - 1;
                let pattern = ArnPattern::compile(text, tail_start, PLAIN, tail);
                if literal { Self::ShortLiteral(Box::new(pattern)) } else { Self::Arn(pattern) }
            }
        }
    }

    fn matches(&self, query: &Query<'_>, side: Side) -> bool {
        match (self, &query.resource) {
            (Self::Everything, _) => true,
            (Self::Nothing, _) | (Self::Arn(_) | Self::ShortLiteral(_), None) => false,
            (Self::Arn(pattern), Some(arn)) => pattern.matches(arn, query.context),
            (Self::ShortLiteral(pattern), Some(arn)) => {
                side == Side::Caller && pattern.matches(arn, query.context)
            }
        }
    }

    fn variables(&self) -> impl Iterator<Item = &Key> {
        let pattern = match self {
            Self::Arn(pattern) => Some(pattern),
            Self::ShortLiteral(pattern) => Some(&**pattern),
            Self::Everything | Self::Nothing => None,
        };
        pattern.into_iter().flat_map(ArnPattern::pieces).filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(&variable.key),
            _ => None,
        })
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Arn(pattern) => pattern.fmt(f),
            Self::ShortLiteral(pattern) => pattern.fmt(f),
            Self::Everything => f.write_str("*"),
            Self::Nothing => f.write_str("nothing that is an ARN"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn program(statement: &str) -> Program {
        Program::of_stored(&format!(r#"{{"Version":"2012-10-17","Statement":{statement}}}"#))
    }

    #[test]
    fn what_allows_every_caller_has_no_condition_and_leaves_nothing_out() {
        let allows = |statement: &str| program(statement).statements[0].allows_every_caller();
        assert!(allows(r#"{"Effect":"Allow","Action":"*","Resource":"*"}"#));
        assert!(allows(r#"{"Effect":"Allow","Action":["s3:*","*"],"Resource":["arn:aws:s3:::b","*"]}"#));
        for statement in [
            r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","NotAction":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","NotResource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*"}"#,
            r#"{"Effect":"Allow","Action":"s3:*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::*"}"#,
            r#"{"Effect":"Allow","Principal":"*","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Allow","Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"}}}"#,
            "unreadable",
        ] {
            assert!(!allows(statement), "{statement}");
        }
    }

    #[test]
    fn action_is_matched_as_one_text() {
        let matches = |pattern: &str, action: &str| {
            let pattern = action_pattern(pattern.into(), false).unwrap();
            pattern.matches(action, &Context::new())
        };
        assert!(matches("S3:Get*", "s3:getobject") && matches("*:Get*", "s3:getobject"));
        assert!(!matches("s3:*", "s3") && !matches("s3:*", "s3x:getobject"));
        for odd in ["s3", "s*", "s?:get", "**"] {
            assert_eq!(action_pattern(odd.into(), false), None);
        }
        assert!(action_pattern("s?:get".into(), true).unwrap().matches("s3:get", &Context::new()));
    }

    #[test]
    fn keys_of_conditions_and_variables_are_listed() {
        let program = program(
            r#"{"Effect":"Allow","Action":"*","Resource":"arn:aws:s3:::b/${aws:username}",
                "Condition":{"StringEquals":{"aws:A":"${aws:B}"},"ArnLike":{"aws:C":"${aws:D}"}}}"#,
        );
        let keys: Vec<_> = program.context_keys().collect();
        assert_eq!(keys, ["aws:username", "aws:A", "aws:B", "aws:C", "aws:D"]);
    }

    #[test]
    fn unreadable_document_is_told() {
        assert!(!Program::of_stored("{").is_readable());
        assert!(program(r#"{"Effect":"Allow","Action":"odd","Resource":"odd"}"#).is_readable());
    }

    #[test]
    fn program_is_shared_by_threads() {
        fn shared<T: Send + Sync + 'static>() {}
        shared::<Program>();
    }
}
