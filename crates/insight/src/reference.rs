//! What AWS's Service Authorization Reference says about a policy that is written well: names nobody has, resources that no
//! action is about, keys that no request carries.
//!
//! Never an error: the reference is older than the services, and AWS accepts what it does not know. Of services that it does not
//! know it says so and nothing else. Statements about `NotAction`, or about more than named services, are asked less.

use std::borrow::Cow;
use std::collections::BTreeSet;

use rootward_policy::{ConditionEntry, Listed, Policy, Span, Statement};
use rootward_reference::{AWS, Action, ConditionKey, ResourceType, Service, ValueType};

/// One thing to look at again.
#[derive(Debug, PartialEq)]
pub struct Remark {
    /// How sure it is that something is wrong.
    pub level: Level,
    /// What it is about, in the policy's text.
    pub span: Span,
    /// What is odd, without a stop at its end.
    pub message: String,
    /// What to do, likewise.
    pub help: Cow<'static, str>,
}

/// How sure it is that something is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Nothing is known.
    Note,
    /// Nothing known is meant.
    Warning,
}

/// In the order of the statements; more than these help nobody.
pub fn remarks(policy: &Policy) -> Vec<Remark> {
    let mut reader = Reader { remarks: Vec::new() };
    for statement in &policy.statements {
        reader.statement(statement);
    }
    reader.remarks
}

const REMARKS_MAX: usize = 100;

struct Reader {
    remarks: Vec<Remark>,
}

impl Reader {
    /// Nothing more is looked for: names take time to be found in vain.
    const fn is_full(&self) -> bool {
        self.remarks.len() >= REMARKS_MAX
    }

    fn warn(&mut self, span: Span, message: String, help: impl Into<Cow<'static, str>>) {
        self.remarks.push(Remark { level: Level::Warning, span, message, help: help.into() });
    }

    fn statement(&mut self, statement: &Statement) {
        let Some(listed) = &statement.action else { return };
        let known = self.actions(listed);
        // Of all but these actions nothing can be said, nor of actions that are not known.
        let actions = if known && !listed.not { expanded(listed) } else { Vec::new() };
        if !actions.is_empty() {
            self.resources(statement, &actions);
        }
        for entry in &statement.conditions {
            self.key(entry, &actions);
        }
    }

    /// Whether every pattern stands for actions of one service that the reference knows.
    fn actions(&mut self, listed: &Listed) -> bool {
        let mut known = true;
        for pattern in &listed.patterns {
            if self.is_full() {
                return false;
            }
            let Some((prefix, name)) = pattern.value.split_once(':') else {
                known = false;
                continue;
            };
            match AWS.service(prefix) {
                None if has_wildcard(prefix) => known = false,
                None => {
                    known = false;
                    self.unknown_service(pattern.span, prefix);
                }
                Some(service) => known &= self.action(pattern.span, &pattern.value, service, name),
            }
        }
        known
    }

    fn unknown_service(&mut self, span: Span, prefix: &str) {
        let (message, help) = unknown_service(prefix);
        self.remarks.push(Remark { level: Level::Note, span, message, help });
    }

    fn action(&mut self, span: Span, pattern: &str, service: Service<'static>, name: &str) -> bool {
        if AWS.actions_matching(pattern).next().is_some() {
            return true;
        }
        if has_wildcard(name) {
            self.warn(span, format!("no action of `{service}` matches `{}`", shown(pattern)), OLD);
        } else {
            let (message, help) = unknown_action(service, name);
            self.warn(span, message, help);
        }
        false
    }

    fn resources(&mut self, statement: &Statement, actions: &[Action<'static>]) {
        let Some(listed) = statement.resource.as_ref().filter(|listed| !listed.not) else { return };
        let types = types(actions);
        for pattern in listed.patterns.iter().filter(|pattern| !pattern.value.bytes().all(|b| b == b'*')) {
            if !self.is_full() && !types.iter().any(|kind| kind.overlaps(&pattern.value)) {
                let message = format!("no action here is about a resource like `{}`", shown(&pattern.value));
                self.warn(pattern.span, message, formats(&types));
            }
        }
    }

    fn key(&mut self, entry: &ConditionEntry, actions: &[Action<'static>]) {
        if self.is_full() {
            return;
        }
        let name = &*entry.key.value;
        let Some(key) = AWS.condition_key(name) else { return self.unknown_key(entry.key.span, name) };
        if !actions.is_empty() && !actions.iter().any(|action| action.accepts_key(name)) {
            let message = format!("no request for an action here has key `{}`", shown(name));
            self.warn(
                entry.key.span,
                message,
                "a condition on a key that is never there does not do what it says",
            );
        }
        if let Some(help) = misfit(&entry.operator.value, key, name).filter(|_| !self.is_full()) {
            let message = format!("`{}` does not fit key `{}`", shown(&entry.operator.value), shown(name));
            self.warn(entry.operator.span, message, help);
        }
    }

    /// Identity providers bring keys under names of their own.
    fn unknown_key(&mut self, span: Span, name: &str) {
        let prefix = name.split(':').next().unwrap_or_default();
        let of_aws = prefix.eq_ignore_ascii_case("aws") || AWS.service(prefix).is_some();
        if of_aws && !is_named_by_customer(name) {
            let help = nearest(name, AWS.condition_keys().map(ConditionKey::name)).map_or(OLD.into(), meant);
            self.warn(span, format!("condition key `{}` is not in the reference", shown(name)), help);
        }
    }
}

/// Whether there is a key that differs only behind the slash: not all placeholders are marked in the data.
fn is_named_by_customer(name: &str) -> bool {
    let Some((family, _)) = name.split_once('/') else { return false };
    let families = AWS.condition_keys().filter_map(|key| key.name().split_once('/'));
    families.map(|(family, _)| family).any(|other| other.eq_ignore_ascii_case(family))
}

const OLD: &str = "check the spelling, unless it is newer than the reference";

fn unknown_service(prefix: &str) -> (String, Cow<'static, str>) {
    let help = nearest(prefix, AWS.services().map(Service::prefix)).map_or(OLD.into(), meant);
    (format!("service `{}` is not in the reference", shown(prefix)), help)
}

fn unknown_action(service: Service<'static>, name: &str) -> (String, Cow<'static, str>) {
    let near = nearest(name, service.actions().map(Action::name));
    let help = near.map_or(OLD.into(), |near| meant(&format!("{service}:{near}")));
    (format!("service `{service}` has no action `{}`", shown(name)), help)
}

/// What the reference has to say to a question about an action, on a resource or on none, with these condition keys: a
/// question with a slip of the pen is answered like any other.
pub fn notes<'k>(action: &str, resource: Option<&str>, keys: impl Iterator<Item = &'k str>) -> Vec<String> {
    let mut notes = Vec::new();
    let (prefix, name) = action.split_once(':').unwrap_or((action, ""));
    let known = match AWS.service(prefix) {
        None => Err(unknown_service(prefix)),
        Some(service) => service.action(name).ok_or_else(|| unknown_action(service, name)),
    };
    match known {
        Err((message, help)) => notes.push(format!("{message}; {help}")),
        Ok(known) => {
            let types = types(&[known]);
            let of_the_form = formats(&types);
            match resource {
                _ if types.is_empty() => {}
                None => notes.push(format!(
                    "`{action}` is about resources; {of_the_form}; without one, the question is about `*`"
                )),
                Some(resource) if resource == "*" || types.iter().any(|kind| kind.fits(resource)) => {}
                Some(resource) => notes.push(format!(
                    "`{action}` is not about a resource like `{}`; {of_the_form}",
                    shown(resource)
                )),
            }
        }
    }
    let unknown = keys.filter(|key| AWS.condition_key(key).is_none());
    notes.extend(unknown.map(|key| format!("condition key `{}` is not in the reference; {OLD}", shown(key))));
    notes
}

fn meant(name: &str) -> Cow<'static, str> {
    format!("did you mean `{name}`?").into()
}

fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

/// What is quoted may be long.
fn shown(text: &str) -> String {
    const CHARS_MAX: usize = 100;
    let mut chars = text.chars();
    let mut shown: String = chars.by_ref().take(CHARS_MAX).collect();
    shown.extend(chars.next().map(|_| '…'));
    crate::printable(&shown)
}

fn expanded(listed: &Listed) -> Vec<Action<'static>> {
    let patterns: BTreeSet<&str> = listed.patterns.iter().map(|pattern| &*pattern.value).collect();
    patterns.into_iter().flat_map(|pattern| AWS.actions_matching(pattern)).collect()
}

/// The types of resources of the actions, each once.
fn types(actions: &[Action<'static>]) -> Vec<ResourceType<'static>> {
    let (mut seen, mut types) = (BTreeSet::new(), Vec::new());
    for kind in actions.iter().flat_map(|action| action.resources()).map(|resource| resource.kind()) {
        if seen.insert((kind.name(), kind.arn_formats().next())) {
            types.push(kind);
        }
    }
    types
}

fn formats(types: &[ResourceType<'static>]) -> Cow<'static, str> {
    const SHOWN_MAX: usize = 3;
    let mut formats: Vec<&str> = types.iter().flat_map(|kind| kind.arn_formats()).collect();
    formats.sort_unstable();
    formats.dedup();
    let (first, more) = formats.split_at(formats.len().min(SHOWN_MAX));
    match (first, more.len()) {
        ([], _) => "the actions take no resource but `*`".into(),
        (first, 0) => format!("write `*` or `{}`", first.join("` or `")).into(),
        (first, 1) => format!("write `*`, `{}` or one other form", first.join("`, `")).into(),
        (first, more) => format!("write `*`, `{}` or one of {more} other forms", first.join("`, `")).into(),
    }
}

/// What to write instead of an operator that does not fit a key of this type. Unknown operators are the parser's to tell.
fn misfit(operator: &str, key: ConditionKey<'_>, name: &str) -> Option<&'static str> {
    let (set, operator) = operator.split_once(':').map_or((None, operator), |(set, name)| (Some(set), name));
    let has = |start: &str| operator.starts_with(start);
    if has("Null") || has("Binary") {
        return None;
    }
    if key.kind().multivalued && set.is_none() {
        return Some("a request can have several values: write `ForAnyValue:` or `ForAllValues:` before it");
    }
    let (fits, help) = match key.kind().value {
        // AWS compares ARNs as texts too.
        ValueType::Arn => {
            (has("Arn") || has("String"), "its values are ARNs: write `ArnLike` or `ArnEquals`")
        }
        ValueType::Bool => (has("Bool"), "its values are `true` and `false`: write `Bool`"),
        ValueType::Date => {
            (has("Date") || has("Numeric"), "its values are dates: write `DateLessThan` or its like")
        }
        ValueType::IpAddress => (
            has("IpAddress") || has("NotIpAddress"),
            "its values are addresses: write `IpAddress` or `NotIpAddress`",
        ),
        ValueType::Numeric => (has("Numeric"), "its values are numbers: write `NumericEquals` or its like"),
        // What stands under a key that the customer named, a tag or an encryption context, may be an ARN.
        ValueType::String => (
            has("String") || (has("Arn") && !key.name().eq_ignore_ascii_case(name)),
            "its values are texts: write `StringEquals` or `StringLike`",
        ),
    };
    (!fits).then_some(help)
}

/// The name that is closest in spelling, if one is close.
fn nearest<'a>(name: &str, among: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_BYTES_MAX {
        return None;
    }
    let near = among.map(|other| (edits(name, other), other)).min_by_key(|(edits, _)| *edits)?;
    (near.0 <= 1 + name.len() / 6).then_some(near.1)
}

/// Longer names are nobody's slip of the pen.
const NAME_BYTES_MAX: usize = 100;

/// Letters to insert, remove or replace until `a` is `b`, in any letter case.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (at, byte) in a.bytes().enumerate() {
        let (mut diagonal, mut left) = (at, at + 1);
        for (above, other) in row.iter_mut().skip(1).zip(b.bytes()) {
            let replaced = diagonal + usize::from(!byte.eq_ignore_ascii_case(&other));
            diagonal = *above;
            left = replaced.min(*above + 1).min(left + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = at + 1;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `level message; help` of each remark, and the text it is about.
    fn told(statement: &str) -> Vec<(String, String)> {
        let text = format!(r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow",{statement}}}]}}"#);
        let policy = Policy::read_stored(&text).unwrap();
        let told = |Remark { level, span, message, help }| {
            (format!("{level:?}: {message}; {help}"), span.of(&text).to_owned())
        };
        remarks(&policy).into_iter().map(told).collect()
    }

    fn one(statement: &str) -> (String, String) {
        let told = told(statement);
        let [one] = &*told else { panic!("{told:?}") };
        one.clone()
    }

    #[test]
    fn names_that_exist_are_fine() {
        for statement in [
            r#""Action":["S3:getobject","s3:List*","iam:PassRole"],"Resource":"*""#,
            r#""Action":"s3:GetObject","Resource":["arn:aws:s3:::docs/*","arn:aws:s3:::${aws:username}/a","arn:*"]"#,
            r#""Action":"*","Resource":"arn:aws:nothing:::x""#,
            r#""NotAction":"iam:*","Resource":"arn:aws:nothing:::x""#,
            r#""Action":["s3:GetObject","ec2:RunInstances"],"NotResource":"arn:aws:nothing:::x""#,
            r#""Action":"sts:AssumeRoleWithWebIdentity","Condition":{"StringEquals":{"idp.example:aud":"x"}}"#,
            r#""Action":"secretsmanager:*","Resource":"*","Condition":{"StringEquals":{"secretsmanager:ResourceTag/a":"x"}}"#,
            r#""Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"aws:SecureTransport":"true"},
                "IpAddress":{"aws:SourceIp":"10.0.0.0/8"},"StringLike":{"aws:PrincipalArn":"arn:*"},
                "StringEquals":{"s3:ExistingObjectTag/team":"x"},"ArnLike":{"s3:ExistingObjectTag/owner":"arn:*"},"Null":{"aws:TokenIssueTime":"true"},
                "NumericLessThan":{"aws:MultiFactorAuthAge":"300"},"DateLessThan":{"aws:CurrentTime":"2030-01-01"}}"#,
        ] {
            assert_eq!(told(statement), [], "{statement}");
        }
    }

    #[test]
    fn unknown_service_is_a_note_and_nothing_else() {
        let (note, place) = one(
            r#""Action":"s33:GetObject","Resource":"arn:aws:s33:::x","Condition":{"Bool":{"s33:x":"true"}}"#,
        );
        assert_eq!(note, "Note: service `s33` is not in the reference; did you mean `s3`?");
        assert_eq!(place, r#""s33:GetObject""#);
        let (note, _) = one(r#""Action":"homegrown:Read","Resource":"*""#);
        assert_eq!(note, format!("Note: service `homegrown` is not in the reference; {OLD}"));
    }

    #[test]
    fn unknown_action_is_told_with_the_nearest() {
        let (warning, place) = one(r#""Action":["s3:GetObject","s3:GetObjct"],"Resource":"*""#);
        assert_eq!(warning, "Warning: service `s3` has no action `GetObjct`; did you mean `s3:GetObject`?");
        assert_eq!(place, r#""s3:GetObjct""#);
        assert!(
            one(r#""NotAction":"s3:Frob*","Resource":"*""#)
                .0
                .starts_with("Warning: no action of `s3` matches")
        );
    }

    #[test]
    fn resource_of_no_action_is_told() {
        let (warning, place) =
            one(r#""Action":"s3:ListBucket","Resource":["arn:aws:s3:::docs/a","arn:aws:s3:::docs"]"#);
        assert!(warning.starts_with(
            "Warning: no action here is about a resource like `arn:aws:s3:::docs/a`; write `*`"
        ));
        assert!(warning.contains("arn:${Partition}:s3:::${BucketName}"), "{warning}");
        assert_eq!(place, r#""arn:aws:s3:::docs/a""#);
        let (warning, _) = one(r#""Action":"s3:ListAllMyBuckets","Resource":"arn:aws:s3:::docs""#);
        assert!(warning.ends_with("the actions take no resource but `*`"), "{warning}");
    }

    #[test]
    fn key_that_no_action_has_is_told() {
        let (warning, place) =
            one(r#""Action":"s3:GetObject","Resource":"*","Condition":{"StringEquals":{"s3:prefix":"a"}}"#);
        assert!(
            warning.starts_with("Warning: no request for an action here has key `s3:prefix`"),
            "{warning}"
        );
        assert_eq!(place, r#""s3:prefix""#);
        let (warning, _) =
            one(r#""Action":"*","Resource":"*","Condition":{"Bool":{"aws:SecureTransprt":"a"}}"#);
        assert_eq!(
            warning,
            "Warning: condition key `aws:SecureTransprt` is not in the reference; did you mean `aws:SecureTransport`?"
        );
    }

    #[test]
    fn operator_of_another_type_is_told() {
        let with = |operator: &str, key: &str| {
            told(&format!(r#""Action":"*","Resource":"*","Condition":{{"{operator}":{{"{key}":"1"}}}}"#))
        };
        let [(warning, place)] = &*with("StringEquals", "aws:SecureTransport") else { panic!() };
        assert!(
            warning.starts_with("Warning: `StringEquals` does not fit key `aws:SecureTransport`"),
            "{warning}"
        );
        assert_eq!(place, r#""StringEquals""#);
        assert_eq!(with("StringEquals", "aws:TagKeys").len(), 1);
        assert_eq!(with("ForAnyValue:StringEqualsIfExists", "aws:TagKeys"), []);
        assert_eq!(with("NumericEquals", "aws:SourceIp").len(), 1);
        assert_eq!(with("NotIpAddressIfExists", "aws:SourceIp"), []);
    }

    #[test]
    fn edits_are_counted() {
        assert_eq!(
            (edits("GetObject", "getobject"), edits("abc", ""), edits("kitten", "sitting")),
            (0, 3, 3)
        );
    }

    #[test]
    fn long_list_of_faults_is_cut() {
        let actions: Vec<String> = (0..1000).map(|n| format!(r#""s3:Nothing{n}""#)).collect();
        assert_eq!(told(&format!(r#""Action":[{}],"Resource":"*""#, actions.join(","))).len(), REMARKS_MAX);
    }
}
