//! Programs: policies compiled for deciding. Immutable, `Send` and `Sync`, shared by all threads.
//!
//! Actions are lower-cased, ARN patterns taken apart, condition keys hashed. Statements are indexed by the service they
//! are about, so that a decision looks only at those that could match; the few about any service are always looked at.

use std::fmt;

use crate::condition::{Condition, Truth};
use crate::context::{Context, hash};
use crate::explain::alternatives;
use crate::pattern::{ArnPattern, ArnText, Key, Pattern, Piece, Special};
use crate::policy::{Effect, Listed, Policy, Statement as Parsed, Version};
use crate::principal::{Entry, Named, Principal};
use crate::span::{Place, Position};

/// A compiled policy. What it is attached to is said when deciding, so that one program serves everywhere.
#[derive(Debug, Clone, PartialEq)]
pub struct Program {
    pub(crate) statements: Box<[Statement]>,
    /// By hash of the service, ascending: the statements that name it, in order.
    services: Box<[(u64, Box<[u32]>)]>,
    /// The statements about any service, in order.
    any_service: Box<[u32]>,
    readable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Statement {
    pub(crate) effect: Effect,
    pub(crate) place: Place,
    pub(crate) sid: Option<Box<str>>,
    principals: Option<(bool, Box<[Entry]>)>,
    not_action: bool,
    actions: Box<[Action]>,
    resources: Option<(bool, Box<[Resource]>)>,
    pub(crate) conditions: Box<[Condition]>,
}

#[derive(Debug, Clone, PartialEq)]
enum Action {
    Anything,
    /// Of any service.
    AnyService(Pattern),
    Nothing,
    /// Of one service.
    Of {
        service: Box<str>,
        name: Pattern,
    },
    /// A wildcard in the service, where none is allowed: over the whole action.
    Odd(Pattern),
}

#[derive(Debug, Clone, PartialEq)]
enum Resource {
    Arn(ArnPattern),
    Everything,
    Nothing,
    /// Fewer than six parts and no wildcard: completed where identities are, inert where resources are.
    ShortLiteral(ArnPattern),
}

/// The request as statements see it.
pub(crate) struct Query<'a> {
    /// In lower case.
    pub(crate) service: &'a str,
    /// In lower case.
    pub(crate) name: &'a str,
    /// Both, with the colon.
    pub(crate) action: &'a str,
    pub(crate) service_hash: u64,
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
    pub fn compile(policy: &Policy) -> Self {
        Self::index(policy.statements.iter().map(|s| Statement::compile(s, policy.version)).collect(), true)
    }

    /// Compiles a stored document with the rules of [`Policy::read_stored`].
    ///
    /// A document that cannot be read denies everything to whoever it applies to: it may have held a Deny.
    pub fn of_stored(text: &str) -> Self {
        match Policy::read_stored(text) {
            Ok(policy) => Self::compile(&policy),
            Err(_) => Self::index(Box::new([Statement::deny_everything()]), false),
        }
    }

    /// Whether the document could be read; if not, this program denies everything.
    pub fn is_readable(&self) -> bool {
        self.readable
    }

    /// Every condition key and policy variable it looks at, as written, in order, with repetitions.
    pub fn context_keys(&self) -> impl Iterator<Item = &str> {
        self.statements.iter().flat_map(Statement::keys).map(Key::name)
    }

    fn index(statements: Box<[Statement]>, readable: bool) -> Self {
        let mut named: Vec<(u64, u32)> = Vec::new();
        let mut any_service = Vec::new();
        for (at, statement) in (0u32..).zip(&statements) {
            match statement.services() {
                Some(services) => named.extend(services.into_iter().map(|service| (service, at))),
                None => any_service.push(at),
            }
        }
        named.sort_unstable();
        named.dedup();
        let services = named
            .chunk_by(|(a, _), (b, _)| a == b)
            .filter_map(|chunk| Some((chunk.first()?.0, chunk.iter().map(|(_, at)| *at).collect())))
            .collect();
        Self { statements, services, any_service: any_service.into(), readable }
    }

    /// The statements that could match, with their positions.
    pub(crate) fn candidates(&self, service_hash: u64) -> impl Iterator<Item = (usize, &Statement)> {
        let found = self.services.binary_search_by_key(&service_hash, |(hash, _)| *hash);
        let named = found.ok().and_then(|at| self.services.get(at)).map_or(&[][..], |(_, named)| named);
        named.iter().chain(&self.any_service).filter_map(|at| {
            let at = *at as usize;
            self.statements.get(at).map(|statement| (at, statement))
        })
    }
}

impl Statement {
    fn compile(parsed: &Parsed, version: Version) -> Self {
        let Parsed { place, sid, effect, principal, action, resource, conditions } = parsed;
        let not_action = action.as_ref().is_some_and(|listed| listed.not);
        // A pattern that means nothing must neither grant nor spare: it widens a Deny and narrows an Allow.
        let odd_matches = (*effect == Effect::Deny) != not_action;
        let patterns = action.iter().flat_map(|listed| &listed.patterns);
        Self {
            effect: *effect,
            place: *place,
            sid: sid.clone(),
            principals: principal
                .as_ref()
                .map(|principals| (principals.not, principals.listed.iter().map(Entry::compile).collect())),
            not_action,
            actions: patterns.map(|pattern| Action::compile(&pattern.value, odd_matches)).collect(),
            resources: resource.as_ref().map(|listed| (listed.not, resources(listed, version))),
            conditions: conditions.iter().map(|entry| Condition::compile(entry, version)).collect(),
        }
    }

    fn deny_everything() -> Self {
        let start = Position { line: 1, column: 1 };
        Self {
            effect: Effect::Deny,
            place: Place { span: crate::span::Span::default(), start, end: start },
            sid: None,
            principals: Some((false, Box::new([Entry::Everyone]))),
            not_action: false,
            actions: Box::new([Action::Anything]),
            resources: None,
            conditions: Box::new([]),
        }
    }

    /// Hashes of the services its actions name; none if it may be about any.
    fn services(&self) -> Option<Vec<u64>> {
        if self.not_action {
            return None;
        }
        let mut services = Vec::new();
        for action in &self.actions {
            match action {
                Action::Nothing => {}
                Action::Of { service, .. } => services.push(hash(service)),
                Action::Anything | Action::AnyService(_) | Action::Odd(_) => return None,
            }
        }
        Some(services)
    }

    /// Whether the statement is about this request, and how closely it names who asks.
    pub(crate) fn check(&self, query: &Query<'_>, side: Side) -> Result<Named, Miss> {
        if !self.is_about_action(query) {
            return Err(Miss::Action);
        }
        if !self.is_about_resource(query, side) {
            return Err(Miss::Resource);
        }
        let named = self.names(query, side);
        if named == Named::No {
            return Err(Miss::Principal);
        }
        match self.conditions.iter().position(|condition| !self.satisfied(condition.holds(query.context))) {
            Some(at) => Err(Miss::Condition(at)),
            None => Ok(named),
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
        self.actions.iter().any(|action| action.matches(query)) != self.not_action
    }

    fn is_about_resource(&self, query: &Query<'_>, side: Side) -> bool {
        match &self.resources {
            Some((not, resources)) => resources.iter().any(|resource| resource.matches(query, side)) != *not,
            None => side == Side::Trust || self.effect == Effect::Deny,
        }
    }

    fn names(&self, query: &Query<'_>, side: Side) -> Named {
        let Some((not, entries)) = &self.principals else {
            return if side == Side::Caller { Named::Directly } else { Named::No };
        };
        let closest = || entries.iter().map(|entry| entry.names(query.principal)).max().unwrap_or(Named::No);
        match (side, not, self.effect) {
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
        let (not, resources) =
            self.resources.as_ref().map_or((false, &[][..]), |(not, listed)| (*not, listed));
        (alternatives(resources.iter().map(Resource::to_string)), not)
    }

    /// The principals it lists, for people to read.
    pub(crate) fn shown_principals(&self) -> String {
        match &self.principals {
            None => "nobody".to_owned(),
            Some((not, entries)) => {
                let but = if *not { "everybody but " } else { "" };
                but.to_owned() + &alternatives(entries.iter().map(Entry::to_string))
            }
        }
    }

    /// The variables in its resources.
    pub(crate) fn resource_variables(&self) -> impl Iterator<Item = &Key> {
        self.resources.iter().flat_map(|(_, resources)| resources).flat_map(Resource::variables)
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

impl Action {
    fn compile(text: &str, odd_matches: bool) -> Self {
        let text = text.to_ascii_lowercase();
        let Some((service, name)) = text.split_once(':') else {
            return match text.as_str() {
                "*" => Self::Anything,
                _ if odd_matches && text.contains(['*', '?']) => Self::Odd(Pattern::compile(&text, PLAIN)),
                _ => Self::Nothing,
            };
        };
        match service {
            "*" => Self::AnyService(Pattern::compile(name, PLAIN)),
            _ if !service.contains(['*', '?']) => {
                Self::Of { service: service.into(), name: Pattern::compile(name, PLAIN) }
            }
            _ if odd_matches => Self::Odd(Pattern::compile(&text, PLAIN)),
            _ => Self::Nothing,
        }
    }

    fn matches(&self, query: &Query<'_>) -> bool {
        match self {
            Self::Anything => true,
            Self::AnyService(name) => name.matches(query.name, query.context),
            Self::Nothing => false,
            Self::Odd(whole) => whole.matches(query.action, query.context),
            Self::Of { service, name } => {
                **service == *query.service && name.matches(query.name, query.context)
            }
        }
    }
}

fn resources(listed: &Listed, version: Version) -> Box<[Resource]> {
    listed.patterns.iter().map(|pattern| Resource::compile(&pattern.value, version)).collect()
}

impl Resource {
    fn compile(text: &str, version: Version) -> Self {
        if !text.is_empty() && text.bytes().all(|b| b == b'*') {
            return Self::Everything;
        }
        let count = text.splitn(6, ':').count();
        if count < 2 {
            return Self::Nothing;
        }
        let mut given = text.splitn(6, ':');
        let parts = std::array::from_fn(|_| given.next().unwrap_or("*"));
        let tail = Special { variables: version == Version::V2012, wildcards: true };
        let pattern = ArnPattern::compile(parts, PLAIN, tail);
        if count < 6 && !text.contains(['*', '?']) { Self::ShortLiteral(pattern) } else { Self::Arn(pattern) }
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
            Self::Arn(pattern) | Self::ShortLiteral(pattern) => Some(pattern),
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
            Self::Arn(pattern) | Self::ShortLiteral(pattern) => pattern.fmt(f),
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
    fn candidates_are_those_of_the_service_and_of_any() {
        let program = program(
            r#"[{"Effect":"Allow","Action":["S3:Get*","sqs:*"],"Resource":"*"},
                {"Effect":"Deny","NotAction":"iam:*","Resource":"*"},
                {"Effect":"Allow","Action":"ec2:*","Resource":"*"}]"#,
        );
        let positions = |service| program.candidates(hash(service)).map(|(at, _)| at).collect::<Vec<_>>();
        assert_eq!(positions("s3"), [0, 1]);
        assert_eq!(positions("ec2"), [2, 1]);
        assert_eq!(positions("iam"), [1]);
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
