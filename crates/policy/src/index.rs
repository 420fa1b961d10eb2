//! Which statements of a program could be about an action, found without looking at the others.
//!
//! Under each service stand its statements; where they are many, a statement that names actions in full stands under each of
//! these. What is looked for is hashed once for all programs; most of those that have nothing are passed over after a look at
//! two filters. Hashes that collide cost a look at a statement, nothing else.

use std::borrow::Cow;
use std::num::NonZeroU32;

use crate::hash;
use crate::pattern::Pattern;

#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Index {
    /// Services that are named.
    services: Filter,
    /// Actions that are named in full, and services of which more are named.
    actions: Filter,
    /// By service, ascending: where its entries end; they begin where those before end.
    ends: Box<[(NonZeroU32, u32)]>,
    /// Within a service by action, ascending, then by statement.
    entries: Box<[Entry]>,
    /// Statements about any service, in order.
    others: Box<[u32]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// None is about all of the service's.
    action: Option<NonZeroU32>,
    statement: u32,
}

/// An action, in lower case, as it is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought {
    service: Hash,
    action: Hash,
    service_bits: Filter,
    action_bits: Filter,
}

impl Sought {
    pub(crate) fn new(action: &str, service: &str) -> Self {
        let (service, action) = (Hash::of(service), Hash::of(action));
        Self { service, action, service_bits: Filter::of(service), action_bits: Filter::of(action) }
    }
}

/// The services that a program names, as far as can be said without looking at its statements.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scope {
    services: Filter,
    /// Something in it is about services that it does not name.
    is_about_any: bool,
    /// What is about any service is not about these, whatever the action: limits to regions spare those that have none.
    spared: Box<[Box<str>]>,
}

/// The service of an action, to be looked for in scopes.
#[derive(Debug, Clone)]
pub struct ServiceOf<'a> {
    /// In lower case.
    name: Cow<'a, str>,
    bits: Filter,
}

impl<'a> ServiceOf<'a> {
    /// Of `service:Action`.
    pub fn action(action: &'a str) -> Self {
        let service = action.split_once(':').map_or(action, |(service, _)| service);
        let is_lower = !service.bytes().any(|byte| byte.is_ascii_uppercase());
        let name = if is_lower { Cow::Borrowed(service) } else { Cow::Owned(service.to_ascii_lowercase()) };
        Self { bits: Filter::of(Hash::of(&name)), name }
    }
}

impl Scope {
    /// `spared`: services of none of whose actions is what the index has of any service; in lower case.
    pub(crate) fn new(index: &Index, spared: Box<[Box<str>]>) -> Self {
        Self { services: index.services, is_about_any: !index.others.is_empty(), spared }
    }

    /// Whether the program may be about the service. Where this says no, it says nothing about any of the service's actions.
    pub fn may_have(&self, service: &ServiceOf<'_>) -> bool {
        self.services.has(service.bits)
            || self.is_about_any && !self.spared.iter().any(|spared| **spared == *service.name)
    }
}

impl Index {
    /// The statements about any service.
    pub(crate) fn of_any(&self) -> &[u32] {
        &self.others
    }

    /// Of the actions of each statement; none for a statement that is about all but these.
    pub(crate) fn of<'a>(statements: impl ExactSizeIterator<Item = Option<&'a [Pattern]>>) -> Self {
        let (mut named, mut others) = (Vec::with_capacity(statements.len()), Vec::new());
        for (statement, patterns) in (0u32..).zip(statements) {
            let before = named.len();
            let of_services = patterns.is_some_and(|patterns| {
                patterns.iter().all(|pattern| {
                    let Some((service, _)) = pattern.literal_start().split_once(':') else { return false };
                    named.push((Hash::of(service), pattern.exact().map(Hash::of), statement));
                    true
                })
            });
            if !of_services {
                named.truncate(before);
                others.push(statement);
            }
        }
        let mut index = Self { others: others.into(), ..Self::default() };
        index.fill(named);
        index
    }

    fn fill(&mut self, mut named: Vec<(Hash, Option<Hash>, u32)>) {
        named.sort_unstable_by_key(|(service, ..)| *service);
        let (mut ends, mut entries) = (Vec::new(), Vec::with_capacity(named.len()));
        // By the keys that are looked for: services whose keys collide stand together.
        for of_service in named.chunk_by_mut(|(a, ..), (b, ..)| a.key() == b.key()) {
            let Some((service, ..)) = of_service.first().copied() else { continue };
            if of_service.len() <= FEW {
                of_service.iter_mut().for_each(|(_, action, _)| *action = None);
            }
            of_service.sort_unstable_by_key(|(_, action, statement)| (*action, *statement));
            let begin = entries.len();
            for (service, action, statement) in &*of_service {
                self.services.add(Filter::of(*service));
                self.actions.add(Filter::of(action.unwrap_or(*service)));
                let entry = Entry { action: action.map(Hash::key), statement: *statement };
                if entries.get(begin..).and_then(<[Entry]>::last) != Some(&entry) {
                    entries.push(entry);
                }
            }
            ends.push((service.key(), u32::try_from(entries.len()).unwrap_or(u32::MAX)));
        }
        (self.ends, self.entries) = (ends.into(), entries.into());
    }

    /// The statements that could be about the action, by position: those about services, then those about any. One that names
    /// an action twice may come twice. None if there are none, as far as can be said without searching.
    pub(crate) fn candidates(&self, sought: &Sought) -> Option<impl Iterator<Item = u32>> {
        let (all, named) = match self.may_name(sought) {
            true => self.named(sought),
            false if self.others.is_empty() => return None,
            false => (&[][..], &[][..]),
        };
        Some(all.iter().chain(named).map(|entry| entry.statement).chain(self.others.iter().copied()))
    }

    const fn may_name(&self, sought: &Sought) -> bool {
        self.services.has(sought.service_bits)
            && (self.actions.has(sought.service_bits) || self.actions.has(sought.action_bits))
    }

    /// Entries for all actions of the service, and those for the action.
    fn named(&self, sought: &Sought) -> (&[Entry], &[Entry]) {
        let entries = self.of_service(sought.service);
        if entries.last().is_none_or(|entry| entry.action.is_none()) {
            return (entries, &[]);
        }
        let (all, named) = entries.split_at(entries.partition_point(|entry| entry.action.is_none()));
        let action = Some(sought.action.key());
        let named = named.split_at(named.partition_point(|entry| entry.action < action)).1;
        (all, named.split_at(named.partition_point(|entry| entry.action == action)).0)
    }

    fn of_service(&self, service: Hash) -> &[Entry] {
        let Ok(at) = self.ends.binary_search_by_key(&service.key(), |(service, _)| *service) else {
            return &[];
        };
        let end_of = |at: usize| self.ends.get(at).map_or(0, |(_, end)| *end as usize);
        self.entries.get(at.checked_sub(1).map_or(0, end_of)..end_of(at)).unwrap_or_default()
    }
}

/// So few entries of a service are all looked at.
const FEW: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Hash(u64);

impl Hash {
    fn of(text: &str) -> Self {
        let hash = hash::words(text.as_bytes(), 0);
        Self(hash ^ (hash >> 32))
    }

    /// In the same order.
    const fn key(self) -> NonZeroU32 {
        NonZeroU32::MIN.saturating_add((self.0 >> 32) as u32)
    }
}

/// A set of hashes that may seem to have more than it has: each sets two bits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Filter(u128);

impl Filter {
    const fn of(hash: Hash) -> Self {
        Self((1 << (hash.0 & 127)) | (1 << ((hash.0 >> 7) & 127)))
    }

    fn add(&mut self, bits: Self) {
        self.0 |= bits.0;
    }

    const fn has(self, bits: Self) -> bool {
        self.0 & bits.0 == bits.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pattern::Special;

    fn candidates(statements: &[Option<&[&str]>], service: &str, action: &str) -> Vec<u32> {
        let special = Special { variables: false, wildcards: true };
        let pattern = |text: &&str| Pattern::compile((*text).into(), special);
        let patterns: Vec<Option<Vec<Pattern>>> =
            statements.iter().map(|actions| actions.map(|a| a.iter().map(pattern).collect())).collect();
        let index = Index::of(patterns.iter().map(Option::as_deref));
        index.candidates(&Sought::new(action, service)).into_iter().flatten().collect()
    }

    #[test]
    fn scope_has_every_service_that_a_program_may_be_about() {
        use crate::Program;
        let scope = |statement: &str| {
            Program::of_stored(&format!(r#"{{"Version":"2012-10-17","Statement":[{statement}]}}"#)).scope()
        };
        let of_two = scope(r#"{"Effect":"Deny","Action":["S3:Get*","iam:PassRole"],"Resource":"*"}"#);
        for (action, is_in) in [("s3:GetObject", true), ("IAM:GetUser", true), ("ec2:RunInstances", false)] {
            assert_eq!(of_two.may_have(&ServiceOf::action(action)), is_in, "{action}");
        }
        for statement in [
            r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#,
            r#"{"Effect":"Deny","NotAction":"iam:*","Resource":"*"}"#,
            r#"{"Effect":"Deny","Action":"*:Get*","Resource":"*"}"#,
            "unreadable",
        ] {
            assert!(scope(statement).may_have(&ServiceOf::action("ec2:RunInstances")), "{statement}");
        }
    }

    #[test]
    fn service_is_spared_if_every_statement_about_any_service_spares_it() {
        use crate::Program;
        let spares = |statements: &str, action: &str| {
            let document = format!(r#"{{"Version":"2012-10-17","Statement":[{statements}]}}"#);
            !Program::of_stored(&document).scope().may_have(&ServiceOf::action(action))
        };
        let two = r#"{"Effect":"Deny","NotAction":["IAM:*","sts:*","s3:Get*"],"Resource":"*"}"#;
        for (action, is_spared) in [
            ("iam:GetUser", true),
            ("Sts:AssumeRole", true),
            ("s3:GetObject", false),
            ("ec2:RunInstances", false),
        ] {
            assert_eq!(spares(two, action), is_spared, "{action}");
        }
        let one = r#"{"Effect":"Deny","NotAction":"sts:*","Resource":"*"}"#;
        let all = r#"{"Effect":"Deny","Action":"*","Resource":"*"}"#;
        let named = r#"{"Effect":"Deny","Action":"iam:GetUser","Resource":"*"}"#;
        assert!(
            !spares(&format!("{two},{one}"), "iam:GetUser")
                && spares(&format!("{two},{one}"), "sts:GetCallerIdentity")
        );
        assert!(
            !spares(&format!("{two},{all}"), "iam:GetUser")
                && !spares(&format!("{two},{named}"), "iam:GetUser")
        );
    }

    #[test]
    fn candidates_are_those_of_the_action_the_service_and_any() {
        let statements: [Option<&[&str]>; 5] = [
            Some(&["s3:get*", "sqs:*"]),
            None,
            Some(&["ec2:run", "s3:put"]),
            Some(&["*:get"]),
            Some(&["ec2:run", "ec2:stop", "ec2:run"]),
        ];
        assert_eq!(candidates(&statements, "s3", "s3:getobject"), [0, 2, 1, 3]);
        assert_eq!(candidates(&statements, "s3", "s3:put"), [0, 2, 1, 3]);
        assert_eq!(candidates(&statements, "ec2", "ec2:run"), [2, 4, 1, 3]);
        assert_eq!(candidates(&statements, "iam", "iam:get"), [1, 3]);
        assert_eq!(candidates(&[], "iam", "iam:get"), [0; 0]);
    }

    #[test]
    fn many_statements_of_a_service_are_searched() {
        let names: Vec<String> = (0..100).map(|n| format!("s3:action{}", n % 50)).collect();
        let actions: Vec<[&str; 1]> = names.iter().map(|name| [&**name]).chain([["s3:*"]]).collect();
        let statements: Vec<Option<&[&str]>> = actions.iter().map(|actions| Some(&actions[..])).collect();
        assert_eq!(candidates(&statements, "s3", "s3:action7"), [100, 7, 57]);
        assert_eq!(candidates(&statements, "s3", "s3:action50"), [100]);
        assert_eq!(candidates(&statements, "sqs", "sqs:action7"), [0; 0]);
    }

    #[test]
    fn services_whose_keys_collide_are_both_found() {
        let (a, b) = (Hash(7 << 32), Hash((7 << 32) | 1));
        let mut index = Index::default();
        index.fill(
            (0..20).flat_map(|n| [(a, Some(Hash(n << 40)), 0), (b, Some(Hash((n << 40) | 1)), 1)]).collect(),
        );
        let sought = |service, action| Sought {
            service,
            action,
            service_bits: Filter::of(service),
            action_bits: Filter::of(action),
        };
        for (at, service, low) in [(0, a, 0), (1, b, 1)] {
            let found: Vec<_> = index.candidates(&sought(service, Hash((3 << 40) | low))).unwrap().collect();
            assert!(found.contains(&at), "{found:?}");
        }
    }

    #[test]
    fn statement_about_any_service_stands_nowhere_else() {
        assert_eq!(candidates(&[Some(&["s3:put", "*"])], "s3", "s3:put"), [0]);
    }
}
