//! Reading a document: JSON elements become a [`Policy`]; every problem on the way is noted, none stops the rest.

use std::borrow::Cow;

use crate::check;
use crate::diagnostic::{Diagnostics, Fault, Problem};
use crate::json::{self, Json, Member, Node};
use crate::policy::{
    ConditionEntry, Effect, Listed, ListedPrincipal, Policy, PolicyKind, PrincipalType, Principals,
    Statement, Version,
};
use crate::span::{Positions, Span, Spanned};

impl Policy {
    /// Reads a document that is about to be saved, with every rule for its kind.
    ///
    /// ```
    /// use rootward_policy::{Policy, PolicyKind};
    /// let text = r#"{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"s3GetObject","Resource":"b"}}"#;
    /// let problems = Policy::parse(text, PolicyKind::Identity).unwrap_err();
    /// assert_eq!(problems.iter().count(), 2);
    /// assert_eq!(problems.aws_message(), "Resource b must be in ARN format or \"*\".");
    /// ```
    ///
    /// # Errors
    /// All problems of the document.
    pub fn parse(text: &str, kind: PolicyKind) -> Result<Self, Diagnostics> {
        let (policy, mut problems) = read(text);
        if let Some(policy) = &policy {
            check::check(text, policy, kind, &mut problems);
        }
        match policy {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(Diagnostics::new(text, Some(kind), problems)),
        }
    }

    /// Reads a document that was saved once, perhaps under older rules, in order to evaluate it.
    ///
    /// Unknown operators, odd actions and resources, old versions and duplicate Sids pass: each has a meaning that never
    /// helps an Allow and never excuses a Deny.
    ///
    /// # Errors
    /// The problems that leave the meaning of the document open.
    pub fn read_stored(text: &str) -> Result<Self, Diagnostics> {
        let (policy, mut problems) = read(text);
        problems.retain(|problem| !problem.fault.tolerated());
        match policy {
            Some(policy) if problems.is_empty() => Ok(policy),
            _ => Err(Diagnostics::new(text, None, problems)),
        }
    }
}

/// The policy as far as it can be understood, and the problems that do not depend on the kind of policy.
fn read(text: &str) -> (Option<Policy>, Vec<Problem>) {
    match json::read(text) {
        Err(malformed) => (None, vec![Problem { span: malformed.span, fault: Fault::Json(malformed) }]),
        Ok(tree) => {
            let mut reader = Reader { problems: Vec::new(), positions: Positions::new(text) };
            for (span, name) in tree.repeated {
                reader.note(span, Fault::Repeated(name.into()));
            }
            let policy = reader.policy(tree.root);
            (policy, reader.problems)
        }
    }
}

struct Reader<'a> {
    problems: Vec<Problem>,
    positions: Positions<'a>,
}

type Texts = Vec<Spanned<Box<str>>>;

impl Reader<'_> {
    fn note(&mut self, span: Span, fault: Fault) {
        self.problems.push(Problem { span, fault });
    }

    fn mistyped(&mut self, element: &'static str, expected: &'static str, node: &Node<'_>) {
        self.note(node.span, Fault::Type { element, expected, found: node.json.name() });
    }

    fn policy(&mut self, root: Node<'_>) -> Option<Policy> {
        let Json::Map(members) = root.json else {
            self.mistyped("policy", "an object", &root);
            return None;
        };
        let (mut version, mut id, mut statements) = (Version::V2008, None, None);
        for Member { span, name, node } in members {
            match &*name {
                "Version" => version = self.version(node),
                "Id" => id = self.text("Id", node).map(Into::into),
                "Statement" => statements = Some(self.statements(node)),
                _ => self.note(span, Fault::Unknown(name.into())),
            }
        }
        if statements.is_none() {
            self.note(root.span, Fault::Missing("Statement"));
        }
        Some(Policy { version, id, statements: statements? })
    }

    fn version(&mut self, node: Node<'_>) -> Version {
        let span = node.span;
        match self.text("Version", node).as_deref() {
            Some("2012-10-17") => Version::V2012,
            Some("2008-10-17") | None => Version::V2008,
            Some(other) => {
                self.note(span, Fault::VersionUnknown(other.into()));
                Version::V2008
            }
        }
    }

    fn text<'a>(&mut self, element: &'static str, node: Node<'a>) -> Option<Cow<'a, str>> {
        match node.json {
            Json::Text(text) => Some(text),
            _ => {
                self.mistyped(element, "a string", &node);
                None
            }
        }
    }

    fn statements(&mut self, node: Node<'_>) -> Vec<Statement> {
        match node.json {
            Json::List(nodes) if nodes.is_empty() => {
                self.note(node.span, Fault::EmptyStatements);
                Vec::new()
            }
            Json::List(nodes) => nodes.into_iter().filter_map(|node| self.statement(node)).collect(),
            _ => self.statement(node).into_iter().collect(),
        }
    }

    fn statement(&mut self, node: Node<'_>) -> Option<Statement> {
        let Json::Map(members) = node.json else {
            self.mistyped("Statement", "an object or a list of objects", &node);
            return None;
        };
        let (mut sid, mut effect, mut principal, mut action, mut resource) = (None, None, None, None, None);
        let mut conditions = Vec::new();
        let place = self.positions.place(node.span);
        let mut has_effect = false;
        for Member { span, name, node } in members {
            match &*name {
                "Sid" => sid = self.text("Sid", node).map(Into::into),
                "Effect" => {
                    has_effect = true;
                    effect = self.effect(node);
                }
                "Principal" | "NotPrincipal" => {
                    let read = self.principals(name.starts_with("Not"), node);
                    self.keep(&mut principal, Some(read), span, "Principal");
                }
                "Action" | "NotAction" => {
                    let read = self.listed("Action", name.starts_with("Not"), node);
                    self.keep(&mut action, read, span, "Action");
                }
                "Resource" | "NotResource" => {
                    let read = self.listed("Resource", name.starts_with("Not"), node);
                    self.keep(&mut resource, read, span, "Resource");
                }
                "Condition" => conditions = self.conditions(node),
                _ => self.note(span, Fault::Unknown(name.into())),
            }
        }
        if !has_effect {
            self.note(place.span, Fault::Missing("Effect"));
        }
        if action.is_none() {
            self.note(place.span, Fault::NoActions);
        }
        let effect = effect?;
        Some(Statement { place, sid, effect, principal, action, resource, conditions })
    }

    fn keep<T>(&mut self, slot: &mut Option<T>, read: Option<T>, span: Span, element: &'static str) {
        if slot.is_some() {
            self.note(span, Fault::Both(element));
        }
        *slot = read;
    }

    fn effect(&mut self, node: Node<'_>) -> Option<Effect> {
        let span = node.span;
        let word = self.text("Effect", node)?;
        match &*word {
            "Allow" => return Some(Effect::Allow),
            "Deny" => return Some(Effect::Deny),
            _ if word.eq_ignore_ascii_case("allow") || word.eq_ignore_ascii_case("deny") => {
                self.note(span, Fault::EffectCase(word.into()));
            }
            _ => self.note(span, Fault::EffectWord(word.into())),
        }
        None
    }

    fn listed(&mut self, element: &'static str, not: bool, node: Node<'_>) -> Option<Listed> {
        let span = node.span;
        let patterns = self.texts(element, "a string or a list of strings", node);
        if patterns.is_empty() {
            self.note(span, if element == "Action" { Fault::NoActions } else { Fault::NoResources });
        }
        Some(Listed { not, span, patterns })
    }

    fn texts(&mut self, element: &'static str, expected: &'static str, node: Node<'_>) -> Texts {
        let nodes = match node.json {
            Json::List(nodes) => nodes,
            json => vec![Node { span: node.span, json }],
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for node in nodes {
            match node.json {
                Json::Text(value) => texts.push(Spanned { span: node.span, value: value.into() }),
                _ => self.mistyped(element, expected, &node),
            }
        }
        texts
    }

    fn principals(&mut self, not: bool, node: Node<'_>) -> Principals {
        let span = node.span;
        let mut listed = Vec::new();
        match node.json {
            Json::Text(value) if &*value == "*" => {
                listed.push(ListedPrincipal { kind: PrincipalType::Aws, span, value: value.into() });
            }
            Json::Map(members) => {
                for Member { span, name, node } in members {
                    match PrincipalType::of(&name) {
                        Some(kind) => {
                            let texts = self.texts("Principal", "a string or a list of strings", node);
                            listed.extend(texts.into_iter().map(|t| ListedPrincipal {
                                kind,
                                span: t.span,
                                value: t.value,
                            }));
                        }
                        None => self.note(span, Fault::Unknown(name.into())),
                    }
                }
            }
            _ => self.mistyped("Principal", "`\"*\"` or an object", &node),
        }
        Principals { not, span, listed }
    }

    fn conditions(&mut self, node: Node<'_>) -> Vec<ConditionEntry> {
        let Json::Map(operators) = node.json else {
            self.mistyped("Condition", "an object", &node);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for Member { span, name, node } in operators {
            let Json::Map(keys) = node.json else {
                self.mistyped("Condition", "an object of operators, each an object of keys", &node);
                continue;
            };
            for key in keys {
                entries.push(ConditionEntry {
                    operator: Spanned { span, value: (&*name).into() },
                    key: Spanned { span: key.span, value: key.name.into() },
                    values: self.values(key.node),
                });
            }
        }
        entries
    }

    fn values(&mut self, node: Node<'_>) -> Texts {
        let nodes = match node.json {
            Json::List(nodes) => nodes,
            json => vec![Node { span: node.span, json }],
        };
        let mut texts = Vec::with_capacity(nodes.len());
        for Node { span, json } in nodes {
            let value = match json {
                Json::Text(text) => text.into(),
                Json::Number(text) => text.into(),
                Json::Bool(value) => if value { "true" } else { "false" }.into(),
                Json::List(_) | Json::Map(_) | Json::Null => {
                    self.mistyped("Condition", "strings, numbers or booleans", &Node { span, json });
                    continue;
                }
            };
            texts.push(Spanned { span, value });
        }
        texts
    }
}
