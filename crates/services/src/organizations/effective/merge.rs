//! Management policies of many levels, merged into one document.
//!
//! Levels come from the root down. On one level a setting gets the first value that one of its policies assigns, in the order they were
//! attached; then all append; then all remove. What the levels above do not allow is left out. What a level allows to those below counts
//! for them alone, and of many policies on one level only what all of them allow. It counts for the one setting, not for those in it; but where
//! nothing is allowed, no further setting is added either.
//!
//! Source: Organizations User Guide, "Inheritance examples"; for many operators on one level, answers of the service.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use rootward_names::OrganizationPolicyId;
use serde_json::{Map, Value};

use super::settings::{Operators, Setting, Settings};

/// One setting, as all levels together make it.
#[derive(Debug)]
pub(super) struct Merged {
    pub(super) value: Option<Value>,
    pub(super) children: BTreeMap<String, Merged>,
    allowed: Operators,
    /// The policies that the value is from.
    from: BTreeSet<OrganizationPolicyId>,
}

/// What one policy says of a setting.
type Said<'s> = (&'s OrganizationPolicyId, &'s Setting);

impl Merged {
    /// Of levels from the root down, each with the policies attached to it in their order.
    pub(super) fn of<'s>(levels: impl IntoIterator<Item = &'s [(OrganizationPolicyId, Settings)]>) -> Self {
        let mut merged = Self::new();
        for level in levels {
            let said: Vec<Said<'_>> = level.iter().map(|(id, settings)| (id, &settings.0)).collect();
            merged.level(&said);
        }
        merged
    }

    fn new() -> Self {
        Self { value: None, children: BTreeMap::new(), allowed: Operators::ALL, from: BTreeSet::new() }
    }

    fn level(&mut self, said: &[Said<'_>]) {
        self.assign(said);
        self.append(said);
        self.remove(said);
        let mut inside: BTreeMap<&str, Vec<Said<'_>>> = BTreeMap::new();
        for (id, setting) in said {
            for (name, child) in &setting.children {
                inside.entry(name).or_default().push((id, child));
            }
        }
        for (name, said) in inside {
            if self.allowed == Operators::NONE && !self.children.contains_key(name) {
                continue;
            }
            self.children.entry(name.to_owned()).or_insert_with(Self::new).level(&said);
        }
        self.allowed = said.iter().fold(self.allowed, |allowed, (_, setting)| allowed.and(setting.allowed));
    }

    fn assign(&mut self, said: &[Said<'_>]) {
        let assigned = said.iter().find_map(|(id, setting)| Some((*id, setting.assign.as_ref()?)));
        if let Some((id, value)) = assigned.filter(|_| self.allowed.has(Operators::ASSIGN)) {
            self.value = Some(value.clone());
            self.from = BTreeSet::from([id.clone()]);
        }
    }

    /// A single value that was there before gives way to the list.
    fn append(&mut self, said: &[Said<'_>]) {
        if !self.allowed.has(Operators::APPEND) {
            return;
        }
        let appended = said.iter().filter_map(|(id, setting)| Some((*id, setting.append.as_ref()?)));
        // Many policies may append thousands each: what is known is looked through once.
        let mut known: Option<HashSet<Value>> = None;
        for (id, values) in appended {
            let mut list = match self.value.take() {
                Some(Value::Array(list)) => list,
                _ => Vec::new(),
            };
            let known = known.get_or_insert_with(|| list.iter().cloned().collect());
            for value in values {
                if known.insert(value.clone()) {
                    list.push(value.clone());
                    self.from.insert(id.clone());
                }
            }
            self.value = Some(Value::Array(list));
        }
    }

    fn remove(&mut self, said: &[Said<'_>]) {
        let Some(Value::Array(list)) = self.value.as_mut().filter(|_| self.allowed.has(Operators::REMOVE))
        else {
            return;
        };
        let removed = said.iter().filter_map(|(id, setting)| Some((*id, setting.remove.as_ref()?)));
        for (id, values) in removed {
            let before = list.len();
            let values: HashSet<&Value> = values.iter().collect();
            list.retain(|value| !values.contains(value));
            if list.len() < before {
                self.from.insert(id.clone());
            }
        }
    }

    /// A setting that none has written: as whoever reads the result takes it to be.
    pub(super) fn default_to(&mut self, name: &str, value: Value) {
        let child = self.children.entry(name.to_owned()).or_insert_with(Self::new);
        child.value.get_or_insert(value);
    }

    /// Leaves out settings with nothing in them; whether this is one.
    pub(super) fn prune(&mut self) -> bool {
        self.children.retain(|_, child| !child.prune());
        self.value.is_none() && self.children.is_empty()
    }

    /// The policies that it and what is in it are from, by id.
    pub(super) fn contributing(&self) -> BTreeSet<&OrganizationPolicyId> {
        let inside = self.children.values().flat_map(Self::contributing);
        self.from.iter().chain(inside).collect()
    }

    /// The document: values without operators. Further settings win over a value.
    pub(super) fn document(&self) -> Value {
        match &self.value {
            Some(value) if self.children.is_empty() => value.clone(),
            _ => {
                let inside = self.children.iter().map(|(name, child)| (name.clone(), child.document()));
                Value::Object(inside.collect::<Map<_, _>>())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// What becomes of the setting `v` with these policies on levels from the root down.
    fn merged(levels: &[&[&str]]) -> Value {
        let read = |at: usize, text: &str| {
            let id = format!("p-policy{at:03}").parse().unwrap();
            let text = format!(r#"{{"tags":{{"k":{{"v":{text}}}}}}}"#);
            (id, Settings::read("TAG_POLICY", &text).unwrap())
        };
        let levels: Vec<Vec<_>> = levels
            .iter()
            .map(|level| level.iter().enumerate().map(|(at, text)| read(at, text)).collect())
            .collect();
        let mut merged = Merged::of(levels.iter().map(Vec::as_slice));
        merged.prune();
        let document = merged.document();
        document.pointer("/tags/k/v").cloned().unwrap_or(Value::Null)
    }

    const RED_BLUE: &str = r#"{"@@assign":["red","blue"]}"#;

    #[test]
    fn level_below_replaces_adds_and_takes_away() {
        assert_eq!(merged(&[&[RED_BLUE], &[r#"{"@@assign":["green"]}"#]]), json!(["green"]));
        assert_eq!(
            merged(&[&[RED_BLUE], &[r#"{"@@append":["blue","green"]}"#]]),
            json!(["red", "blue", "green"])
        );
        assert_eq!(merged(&[&[RED_BLUE], &[r#"{"@@remove":["red","missing"]}"#]]), json!(["blue"]));
        assert_eq!(merged(&[&[RED_BLUE], &[], &[r#"{"@@assign":"one"}"#]]), json!("one"));
        assert_eq!(merged(&[&[r#"{"@@assign":["red"]}"#], &[r#"{"@@remove":["red"]}"#]]), json!([]));
        assert_eq!(merged(&[&[], &[r#"{"@@remove":["red"]}"#]]), Value::Null);
    }

    #[test]
    fn first_that_is_attached_assigns() {
        assert_eq!(merged(&[&[RED_BLUE, r#"{"@@assign":["blue","green"]}"#]]), json!(["red", "blue"]));
    }

    #[test]
    fn on_one_level_all_assign_before_they_append_and_append_before_they_remove() {
        let (red, blue) = (r#"{"@@append":["red"]}"#, r#"{"@@assign":["blue"]}"#);
        assert_eq!(merged(&[&[red, blue]]), json!(["blue", "red"]));
        assert_eq!(merged(&[&[r#"{"@@remove":["red"]}"#, red]]), json!([]));
        assert_eq!(merged(&[&[red, r#"{"@@append":["blue"]}"#]]), json!(["red", "blue"]));
        let all = r#"{"@@assign":["green"],"@@append":["yellow"],"@@remove":["green"]}"#;
        assert_eq!(merged(&[&[RED_BLUE], &[all]]), json!(["yellow"]));
    }

    #[test]
    fn level_above_says_what_is_allowed_and_nobody_takes_it_back() {
        let locked = |operators: &str| {
            format!(r#"{{"@@assign":["red"],"@@operators_allowed_for_child_policies":[{operators}]}}"#)
        };
        let (none, append) = (&*locked(r#""@@none""#), &*locked(r#""@@append""#));
        assert_eq!(merged(&[&[none], &[r#"{"@@assign":["green"]}"#]]), json!(["red"]));
        assert_eq!(merged(&[&[append], &[r#"{"@@append":["green"]}"#]]), json!(["red", "green"]));
        let unlock = r#"{"@@assign":["green"],"@@operators_allowed_for_child_policies":["@@all"]}"#;
        assert_eq!(merged(&[&[append], &[unlock], &[r#"{"@@assign":["blue"]}"#]]), json!(["red"]));
        // Of the same level, so that it counts for those below alone.
        assert_eq!(merged(&[&[none, r#"{"@@append":["green"]}"#]]), json!(["red", "green"]));
    }

    #[test]
    fn many_policies_of_one_level_allow_what_all_of_them_do() {
        let append = r#"{"@@assign":["red"],"@@operators_allowed_for_child_policies":["@@append"]}"#;
        let both = r#"{"@@operators_allowed_for_child_policies":["@@append","@@remove"]}"#;
        let remove = r#"{"@@operators_allowed_for_child_policies":["@@remove"]}"#;
        let green = r#"{"@@append":["green"]}"#;
        assert_eq!(merged(&[&[append, both], &[green]]), json!(["red", "green"]));
        assert_eq!(merged(&[&[append, both], &[r#"{"@@remove":["red"]}"#]]), json!(["red"]));
        assert_eq!(merged(&[&[append, remove], &[green]]), json!(["red"]));
    }

    #[test]
    fn lock_holds_for_its_setting_and_not_for_those_in_it() {
        let parent = r#"{"@@operators_allowed_for_child_policies":["@@none"],"x":{"@@assign":"a"}}"#;
        assert_eq!(merged(&[&[parent], &[r#"{"x":{"@@assign":"b"}}"#]]), json!({"x": "b"}));
        assert_eq!(merged(&[&[parent], &[r#"{"y":{"@@assign":"b"}}"#]]), json!({"x": "a"}));
    }
}
