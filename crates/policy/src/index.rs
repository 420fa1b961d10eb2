//! Which statements of a program could be about an action, found without looking at the others.
//!
//! Under each service stand its statements; where they are many, a statement that names actions in full stands under each of
//! these. What is looked for is hashed once for all programs; most of those that have nothing are passed over after a look at
//! two filters. Hashes that collide cost a look at a statement, nothing else. Of the statements about any service, those that
//! spare the action's service whole are left out.

use std::collections::BTreeMap;
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
    /// Services that some of `others` spare whole, ascending: limits to regions spare many.
    spared: Box<[Spared]>,
}

/// A service, and which statements about any service say nothing about it.
#[derive(Debug, Clone, PartialEq)]
struct Spared {
    service: Box<str>,
    /// In order.
    by: Box<[u32]>,
}

/// What a statement lists.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Listed<'a> {
    /// It is about all actions but these.
    AllBut(&'a [Pattern]),
    /// It is about these.
    These(&'a [Pattern]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Entry {
    /// None is about all of the service's.
    action: Option<NonZeroU32>,
    statement: u32,
}

/// An action, in lower case, as it is looked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sought<'a> {
    name: &'a str,
    /// Whether a name of an action follows it.
    is_whole: bool,
    service: Hash,
    action: Hash,
    service_bits: Filter,
    action_bits: Filter,
}

impl<'a> Sought<'a> {
    pub(crate) fn new(action: &'a str) -> Self {
        let (name, is_whole) = action.split_once(':').map_or((action, false), |(service, _)| (service, true));
        let (service, action) = (Hash::of(name), Hash::of(action));
        let (service_bits, action_bits) = (Filter::of(service), Filter::of(action));
        Self { name, is_whole, service, action, service_bits, action_bits }
    }

    /// The part before the colon.
    pub(crate) const fn service(&self) -> &'a str {
        self.name
    }
}

impl Index {
    /// Of what each statement lists.
    pub(crate) fn of<'a>(statements: impl ExactSizeIterator<Item = Listed<'a>>) -> Self {
        let (mut named, mut others) = (Vec::with_capacity(statements.len()), Vec::new());
        let mut spared = BTreeMap::<&str, Vec<u32>>::new();
        for (statement, listed) in (0u32..).zip(statements) {
            let before = named.len();
            let of_services = match listed {
                Listed::These(patterns) => patterns.iter().all(|pattern| {
                    let Some((service, _)) = pattern.literal_start().split_once(':') else { return false };
                    named.push((Hash::of(service), pattern.exact().map(Hash::of), statement));
                    true
                }),
                Listed::AllBut(patterns) => {
                    for service in patterns.iter().filter_map(Pattern::whole_service) {
                        let by = spared.entry(service).or_default();
                        if by.last() != Some(&statement) {
                            by.push(statement);
                        }
                    }
                    false
                }
            };
            if !of_services {
                named.truncate(before);
                others.push(statement);
            }
        }
        let spared = spared.into_iter();
        let spared = spared.map(|(service, by)| Spared { service: service.into(), by: by.into() });
        let mut index = Self { others: others.into(), spared: spared.collect(), ..Self::default() };
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
    pub(crate) fn candidates(&self, sought: &Sought<'_>) -> Option<impl Iterator<Item = u32>> {
        let (all, named) = match self.may_name(sought) {
            true => self.named(sought),
            false if self.others.is_empty() => return None,
            false => (&[][..], &[][..]),
        };
        // Both are in order.
        let mut spared = self.spared_by(sought);
        let others = self.others.iter().copied().filter(move |at| match spared {
            [first, rest @ ..] if first == at => {
                spared = rest;
                false
            }
            _ => true,
        });
        Some(all.iter().chain(named).map(|entry| entry.statement).chain(others))
    }

    /// The statements about any service that are not about this one.
    fn spared_by(&self, sought: &Sought<'_>) -> &[u32] {
        let found = self.spared.binary_search_by(|spared| (*spared.service).cmp(sought.name));
        found
            .ok()
            .filter(|_| sought.is_whole)
            .and_then(|at| self.spared.get(at))
            .map_or(&[], |spared| &spared.by)
    }

    const fn may_name(&self, sought: &Sought<'_>) -> bool {
        self.services.has(sought.service_bits)
            && (self.actions.has(sought.service_bits) || self.actions.has(sought.action_bits))
    }

    /// Entries for all actions of the service, and those for the action.
    fn named(&self, sought: &Sought<'_>) -> (&[Entry], &[Entry]) {
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

    /// Of statements that list these actions, or are about all but them.
    fn candidates(statements: &[(&[&str], bool)], action: &str) -> Vec<u32> {
        let special = Special { variables: false, wildcards: true };
        let compiled = |actions: &[&str]| -> Vec<Pattern> {
            actions.iter().map(|text| Pattern::compile((*text).into(), special)).collect()
        };
        let compiled: Vec<_> = statements.iter().map(|(actions, not)| (compiled(actions), *not)).collect();
        let index = Index::of(
            compiled.iter().map(
                |(actions, not)| {
                    if *not { Listed::AllBut(actions) } else { Listed::These(actions) }
                },
            ),
        );
        index.candidates(&Sought::new(action)).into_iter().flatten().collect()
    }

    const THESE: bool = false;
    const ALL_BUT: bool = true;

    #[test]
    fn candidates_are_those_of_the_action_the_service_and_any() {
        let statements: [(&[&str], bool); 5] = [
            (&["s3:get*", "sqs:*"], THESE),
            (&["sns:*"], ALL_BUT),
            (&["ec2:run", "s3:put"], THESE),
            (&["*:get"], THESE),
            (&["ec2:run", "ec2:stop", "ec2:run"], THESE),
        ];
        assert_eq!(candidates(&statements, "s3:getobject"), [0, 2, 1, 3]);
        assert_eq!(candidates(&statements, "s3:put"), [0, 2, 1, 3]);
        assert_eq!(candidates(&statements, "ec2:run"), [2, 4, 1, 3]);
        assert_eq!(candidates(&statements, "iam:get"), [1, 3]);
        assert_eq!(candidates(&[], "iam:get"), [0; 0]);
    }

    #[test]
    fn statement_that_spares_a_service_whole_is_no_candidate_of_it() {
        let statements: [(&[&str], bool); 5] = [
            (&["iam:*", "sts:*", "s3:get*", "iam:*"], ALL_BUT),
            (&["*"], THESE),
            (&["sts:*"], ALL_BUT),
            (&["iam:*"], THESE),
            (&["*:*", "s*", "sts:a*", "sts:b:*"], ALL_BUT),
        ];
        assert_eq!(candidates(&statements, "iam:getuser"), [3, 1, 2, 4]);
        assert_eq!(candidates(&statements, "sts:getcalleridentity"), [1, 4]);
        assert_eq!(candidates(&statements, "s3:getobject"), [0, 1, 2, 4]);
        // No action of the service, only its name.
        assert_eq!(candidates(&statements, "sts"), [0, 1, 2, 4]);
    }

    #[test]
    fn many_statements_of_a_service_are_searched() {
        let names: Vec<String> = (0..100).map(|n| format!("s3:action{}", n % 50)).collect();
        let actions: Vec<[&str; 1]> = names.iter().map(|name| [&**name]).chain([["s3:*"]]).collect();
        let statements: Vec<_> = actions.iter().map(|actions| (&actions[..], THESE)).collect();
        assert_eq!(candidates(&statements, "s3:action7"), [100, 7, 57]);
        assert_eq!(candidates(&statements, "s3:action50"), [100]);
        assert_eq!(candidates(&statements, "sqs:action7"), [0; 0]);
    }

    #[test]
    fn services_whose_keys_collide_are_both_found() {
        let (a, b) = (Hash(7 << 32), Hash((7 << 32) | 1));
        let mut index = Index::default();
        index.fill(
            (0..20).flat_map(|n| [(a, Some(Hash(n << 40)), 0), (b, Some(Hash((n << 40) | 1)), 1)]).collect(),
        );
        let sought = |service, action| Sought {
            name: "",
            is_whole: true,
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
        assert_eq!(candidates(&[(&["s3:put", "*"], THESE)], "s3:put"), [0]);
    }
}
