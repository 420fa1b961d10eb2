//! A corpus, taken apart for engines with other languages than AWS's.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::value::RawValue;

pub(crate) struct Corpus {
    pub(crate) name: String,
    /// ARN of the user.
    pub(crate) principal: String,
    /// Every action that the requests use, for engines without wildcards in actions.
    pub(crate) actions: Vec<String>,
    pub(crate) layers: Layers<Layer>,
    pub(crate) requests: Vec<Request>,
}

/// The policies by what they are attached to.
pub(crate) struct Layers<T> {
    pub(crate) identity: T,
    pub(crate) boundary: Option<T>,
    /// By level; each has to allow.
    pub(crate) scps: Vec<T>,
    pub(crate) resource: Option<T>,
}

/// Policies of which one has to allow.
pub(crate) struct Layer {
    pub(crate) documents: Vec<String>,
    pub(crate) statements: Vec<Statement>,
}

#[derive(Deserialize)]
pub(crate) struct Request {
    pub(crate) action: String,
    pub(crate) resource: String,
    /// None if the resource has no policy; there is only one in a corpus.
    pub(crate) resource_policy: Option<usize>,
    pub(crate) context: BTreeMap<String, String>,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(crate) struct Statement {
    #[serde(rename = "Sid")]
    _sid: Option<String>,
    pub(crate) effect: Effect,
    principal: Option<Principal>,
    action: Option<List>,
    not_action: Option<List>,
    resource: List,
    #[serde(default)]
    condition: BTreeMap<String, BTreeMap<String, List>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Effect {
    Allow,
    Deny,
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum List {
    Many(Vec<String>),
    One(String),
}

#[derive(Clone, Deserialize)]
#[serde(untagged)]
enum Principal {
    Aws {
        #[serde(rename = "AWS")]
        aws: List,
    },
    Everyone(String),
}

/// One key of one operator.
pub(crate) struct Condition<'a> {
    pub(crate) operator: &'a str,
    pub(crate) key: &'a str,
    pub(crate) values: &'a [String],
}

/// What one layer says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    Allow,
    Deny,
    Nothing,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Allowed,
    /// Of engines that do not say which.
    Denied,
    ExplicitDeny,
    ImplicitDeny,
    /// The engine gave up.
    Failed,
}

impl Answer {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
            Self::ExplicitDeny => "explicitDeny",
            Self::ImplicitDeny => "implicitDeny",
            Self::Failed => "failed",
        }
    }
}

impl List {
    fn values(&self) -> &[String] {
        match self {
            Self::Many(values) => values,
            Self::One(value) => std::slice::from_ref(value),
        }
    }
}

impl Statement {
    /// Patterns, and whether they are those of `NotAction`.
    pub(crate) fn actions(&self) -> (bool, &[String]) {
        match (&self.action, &self.not_action) {
            (_, Some(not)) => (true, not.values()),
            (action, None) => (false, action.as_ref().map_or(&[], List::values)),
        }
    }

    pub(crate) fn resources(&self) -> &[String] {
        self.resource.values()
    }

    /// None where statements name nobody.
    pub(crate) fn principals(&self) -> Option<&[String]> {
        match self.principal.as_ref()? {
            Principal::Aws { aws } => Some(aws.values()),
            Principal::Everyone(star) => Some(std::slice::from_ref(star)),
        }
    }

    pub(crate) fn conditions(&self) -> impl Iterator<Item = Condition<'_>> {
        self.condition.iter().flat_map(|(operator, keys)| {
            keys.iter().map(move |(key, values)| Condition { operator, key, values: values.values() })
        })
    }
}

impl<T> Layers<T> {
    pub(crate) fn map<U>(&self, mut make: impl FnMut(&T) -> Result<U>) -> Result<Layers<U>> {
        Ok(Layers {
            identity: make(&self.identity)?,
            boundary: self.boundary.as_ref().map(&mut make).transpose()?,
            scps: self.scps.iter().map(&mut make).collect::<Result<_>>()?,
            resource: self.resource.as_ref().map(&mut make).transpose()?,
        })
    }

    /// What AWS makes of the words of the layers, for engines that have one layer only.
    ///
    /// A user of the resource's own account: every level of SCPs allows, and the resource policy, or identity and boundary.
    pub(crate) fn combine(&self, with_resource: bool, mut word: impl FnMut(&T) -> Word) -> Answer {
        let identity = word(&self.identity);
        let boundary = self.boundary.as_ref().map_or(Word::Allow, &mut word);
        let scps: Vec<Word> = self.scps.iter().map(&mut word).collect();
        let resource = self.resource.as_ref().filter(|_| with_resource).map_or(Word::Nothing, &mut word);
        if scps.iter().chain(&[identity, boundary, resource]).any(|word| *word == Word::Deny) {
            return Answer::ExplicitDeny;
        }
        let granted = resource == Word::Allow || (identity == Word::Allow && boundary == Word::Allow);
        if granted && !scps.contains(&Word::Nothing) { Answer::Allowed } else { Answer::ImplicitDeny }
    }
}

#[derive(Deserialize)]
struct File<'a> {
    name: String,
    principal: User,
    #[serde(borrow)]
    identity_policies: Vec<Named<'a>>,
    permissions_boundary: Option<Named<'a>>,
    scps: Vec<Level<'a>>,
    resource_policies: Vec<Named<'a>>,
    actions: Vec<String>,
    requests: Vec<Request>,
}

#[derive(Deserialize)]
struct User {
    arn: String,
}

#[derive(Deserialize)]
struct Level<'a> {
    #[serde(borrow)]
    policies: Vec<Named<'a>>,
}

#[derive(Deserialize)]
struct Named<'a> {
    #[serde(borrow)]
    document: &'a RawValue,
}

#[derive(Deserialize)]
struct Document {
    #[serde(rename = "Statement")]
    statements: Vec<Statement>,
}

pub(crate) fn read(path: &Path) -> Result<Corpus> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    let file: File<'_> = serde_json::from_str(&text)?;
    Ok(Corpus {
        name: file.name,
        principal: file.principal.arn,
        actions: file.actions,
        layers: Layers {
            identity: layer(&file.identity_policies)?,
            boundary: file
                .permissions_boundary
                .as_ref()
                .map(|p| layer(std::slice::from_ref(p)))
                .transpose()?,
            scps: file.scps.iter().map(|level| layer(&level.policies)).collect::<Result<_>>()?,
            resource: file.resource_policies.first().map(|p| layer(std::slice::from_ref(p))).transpose()?,
        },
        requests: file.requests,
    })
}

fn layer(policies: &[Named<'_>]) -> Result<Layer> {
    let documents: Vec<String> = policies.iter().map(|policy| policy.document.get().to_owned()).collect();
    let mut statements = Vec::new();
    for document in &documents {
        statements.extend(serde_json::from_str::<Document>(document)?.statements);
    }
    Ok(Layer { documents, statements })
}

/// `*` is any run of characters.
pub(crate) fn like(pattern: &str, text: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == text };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let last = parts.pop().unwrap_or_default();
    for part in parts {
        match text.split_once(part) {
            Some((_, after)) => text = after,
            None => return false,
        }
    }
    text.ends_with(last)
}
