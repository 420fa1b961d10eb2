//! The rules a document must meet when it is saved, by kind of policy, beyond its grammar.
//!
//! Source: fact sheet of the policy language, "which elements each policy type takes" and "validation messages".

use std::collections::BTreeSet;

use rootward_names::AccountId;

use crate::diagnostic::{ActionPrefix, Fault, Problem};
use crate::operator::{Comparison, Operator};
use crate::policy::{Effect, Listed, ListedPrincipal, Policy, PolicyKind, PrincipalType, Statement, Version};
use crate::span::{Span, Spanned};
use crate::value::is_date_literal;

pub(crate) fn check(text: &str, policy: &Policy, kind: PolicyKind, problems: &mut Vec<Problem>) {
    let mut checker = Checker { kind, problems, sids: BTreeSet::new() };
    checker.version(policy);
    checker.characters(text);
    for statement in &policy.statements {
        checker.statement(statement);
    }
}

struct Checker<'a> {
    kind: PolicyKind,
    problems: &'a mut Vec<Problem>,
    sids: BTreeSet<&'a str>,
}

const PARTITIONS: [&str; 8] =
    ["aws", "aws-cn", "aws-us-gov", "aws-iso", "aws-iso-b", "aws-iso-e", "aws-iso-f", "aws-eusc"];

const IAM_RESOURCES: [&str; 13] = [
    "user/",
    "federated-user/",
    "role/",
    "group/",
    "instance-profile/",
    "mfa/",
    "server-certificate/",
    "policy/",
    "sms-mfa/",
    "saml-provider/",
    "oidc-provider/",
    "report/",
    "access-report/",
];

impl<'a> Checker<'a> {
    fn note(&mut self, span: Span, fault: Fault) {
        self.problems.push(Problem { span, fault });
    }

    /// Managed, guard and organization policies need the current language; the others are taken as they always were.
    fn version(&mut self, policy: &Policy) {
        let needed = match self.kind {
            PolicyKind::Boundary
            | PolicyKind::Guard
            | PolicyKind::Identity
            | PolicyKind::Rcp
            | PolicyKind::Scp => true,
            PolicyKind::Endpoint | PolicyKind::Resource | PolicyKind::Session | PolicyKind::Trust => false,
        };
        if needed && policy.version != Version::V2012 {
            self.note(Span::default(), Fault::VersionOld);
        }
    }

    fn characters(&mut self, text: &str) {
        // JSON has no other control characters than those allowed here.
        if text.is_ascii() {
            return;
        }
        let allowed = |c: char| c <= '\u{ff}';
        if let Some((at, c)) = text.char_indices().find(|(_, c)| !allowed(*c)) {
            self.note(Span::new(at, at + c.len_utf8()), Fault::Character(c));
        }
    }

    fn statement(&mut self, statement: &'a Statement) {
        self.sid(statement);
        self.principal(statement);
        if let Some(action) = &statement.action {
            for pattern in &action.patterns {
                self.action(action, pattern);
            }
        }
        self.resource(statement);
        self.conditions(statement);
        if self.kind == PolicyKind::Guard && statement.effect == Effect::Allow {
            self.note(statement.place.span, Fault::GuardAllows);
        }
        if self.kind == PolicyKind::Rcp {
            self.rcp(statement);
        }
    }

    fn sid(&mut self, statement: &'a Statement) {
        let Some(sid) = statement.sid.as_deref().filter(|sid| !sid.is_empty()) else { return };
        let strict = !matches!(self.kind, PolicyKind::Resource | PolicyKind::Endpoint);
        if strict && !sid.bytes().all(|b| b.is_ascii_alphanumeric()) {
            self.note(statement.place.span, Fault::SidCharacters(sid.into()));
        }
        if !self.sids.insert(sid) {
            self.note(statement.place.span, Fault::SidRepeated(sid.into()));
        }
    }

    fn principal(&mut self, statement: &Statement) {
        let takes = matches!(
            self.kind,
            PolicyKind::Endpoint | PolicyKind::Rcp | PolicyKind::Resource | PolicyKind::Trust
        );
        match &statement.principal {
            None if takes => self.note(statement.place.span, Fault::MissingPrincipal),
            None => {}
            Some(principals) if !takes => self.note(principals.span, Fault::PrincipalInIdentity),
            Some(principals) => {
                if principals.not {
                    self.not_principal(statement, principals.span);
                }
                for listed in principals.listed.iter().filter(|listed| !is_principal(listed)) {
                    self.note(listed.span, Fault::PrincipalInvalid(listed.kind, listed.value.clone()));
                }
            }
        }
    }

    fn not_principal(&mut self, statement: &Statement, span: Span) {
        if matches!(self.kind, PolicyKind::Trust | PolicyKind::Rcp) {
            self.note(span, Fault::Prohibited("NotPrincipal"));
        } else if statement.effect == Effect::Allow {
            self.note(span, Fault::NotPrincipalAllow);
        }
    }

    fn action(&mut self, action: &Listed, pattern: &Spanned<Box<str>>) {
        let text = &pattern.value;
        if let Some(prefix) = action_prefix_fault(text) {
            self.note(pattern.span, Fault::ActionPrefix(prefix));
        } else if self.kind == PolicyKind::Trust && !service(text).eq_ignore_ascii_case("sts") {
            self.note(pattern.span, Fault::TrustAction(text.clone()));
        } else if self.kind == PolicyKind::Rcp {
            self.rcp_action(action, pattern);
        }
    }

    fn resource(&mut self, statement: &Statement) {
        match (&statement.resource, self.kind) {
            (None, PolicyKind::Trust) => {}
            (None, _) => self.note(statement.place.span, Fault::NoResources),
            (Some(listed), PolicyKind::Trust) => {
                self.note(
                    listed.span,
                    Fault::Prohibited(if listed.not { "NotResource" } else { "Resource" }),
                );
            }
            // What a bucket or queue takes as its resource is for its service to say.
            (Some(_), PolicyKind::Resource | PolicyKind::Endpoint) => {}
            (Some(listed), _) => {
                for Spanned { span, value } in &listed.patterns {
                    if let Some(fault) = resource_fault(value).or_else(|| self.short_arn(value)) {
                        self.note(*span, fault);
                    }
                }
            }
        }
    }

    /// Organization policies do not complete ARNs of fewer than six parts as the others do.
    fn short_arn(&self, resource: &str) -> Option<Fault> {
        let short = resource != "*" && resource.bytes().filter(|b| *b == b':').count() < 5;
        let refused = match self.kind {
            PolicyKind::Rcp => short,
            PolicyKind::Guard | PolicyKind::Scp => short && !resource.ends_with('*'),
            _ => false,
        };
        refused.then(|| {
            Fault::ResourceFormat(
                resource.into(),
                format!("Resource {resource} must be in ARN format or \"*\"."),
            )
        })
    }

    fn conditions(&mut self, statement: &Statement) {
        for entry in &statement.conditions {
            match Operator::parse(&entry.operator.value) {
                None => self.note(entry.operator.span, Fault::OperatorUnknown(entry.operator.value.clone())),
                Some(Operator { comparison: Comparison::Date(_), .. }) => {
                    for value in entry.values.iter().filter(|value| !is_date_literal(&value.value)) {
                        self.note(value.span, Fault::DateLiteral(value.value.clone()));
                    }
                }
                Some(_) => {}
            }
        }
    }

    fn rcp(&mut self, statement: &Statement) {
        if statement.effect == Effect::Allow {
            self.note(statement.place.span, Fault::Rcp("a resource control policy only denies"));
        }
        if let Some(principals) = &statement.principal
            && !matches!(&*principals.listed, [listed] if &*listed.value == "*")
        {
            self.note(principals.span, Fault::Rcp("the principal of a resource control policy is `\"*\"`"));
        }
    }

    fn rcp_action(&mut self, action: &Listed, pattern: &Spanned<Box<str>>) {
        let prefix = service(&pattern.value);
        if action.not {
            self.note(pattern.span, Fault::Rcp("a resource control policy takes no `NotAction`"));
        } else if prefix == "*" || prefix.bytes().any(|b| b.is_ascii_uppercase()) {
            self.note(pattern.span, Fault::Rcp("a resource control policy names a service in lower case"));
        }
    }
}

/// What stands before the first colon.
fn service(action: &str) -> &str {
    action.split(':').next().unwrap_or_default()
}

fn action_prefix_fault(action: &str) -> Option<ActionPrefix> {
    let vendor = service(action);
    match action.bytes().filter(|b| *b == b':').count() {
        0 if action == "*" => None,
        0 => Some(ActionPrefix::None(action.into())),
        1 if vendor == "*" || vendor.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') => {
            None
        }
        1 => Some(ActionPrefix::Vendor(vendor.into())),
        _ => Some(ActionPrefix::Colons(action.into())),
    }
}

fn resource_fault(resource: &str) -> Option<Fault> {
    if resource == "*" {
        return None;
    }
    let format = |message| Some(Fault::ResourceFormat(resource.into(), message));
    let mut parts = resource.splitn(6, ':').skip(1);
    let Some(partition) = parts.next() else {
        return format(format!("Resource {resource} must be in ARN format or \"*\"."));
    };
    if partition != "*" && !PARTITIONS.contains(&partition) {
        return format(unknown_partition(resource, partition));
    }
    let Some(service) = parts.next() else {
        return format("Resource vendor must be fully qualified and cannot contain regexes.".to_owned());
    };
    let (region, _account, name) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
    let colons = resource.bytes().filter(|b| *b == b':').count();
    if service.is_empty() || (colons < 5 && resource.contains("::")) {
        return Some(Fault::ResourceLegacy(resource.into()));
    }
    let regional = region != Some("") || colons < 4;
    match service {
        "iam" if regional => format(format!("IAM resource {resource} cannot contain region information.")),
        "s3" if regional && !name.starts_with("accesspoint/") => {
            format(format!("Resource {resource} can not contain region information."))
        }
        // The resource of `sts:AssumeRoot`, which AWS's own policies name. The text, which is older, does not.
        "iam" if name == "root" => None,
        "iam" if name != "*" && !IAM_RESOURCES.iter().any(|start| name.starts_with(start)) => format(
            format!("IAM resource path must either be \"*\" or start with {}.", IAM_RESOURCES.join(", ")),
        ),
        _ => None,
    }
}

/// Segments that are missing are shown as `*`.
fn unknown_partition(resource: &str, partition: &str) -> String {
    let mut rest = resource.splitn(6, ':').skip(2);
    let rest: [&str; 4] = std::array::from_fn(|_| rest.next().unwrap_or("*"));
    format!("Partition \"{partition}\" is not valid for resource \"arn:{partition}:{}\".", rest.join(":"))
}

/// Whether a value has the form of a principal; whether it exists is for whoever keeps them to say.
fn is_principal(listed: &ListedPrincipal) -> bool {
    let value = &*listed.value;
    match listed.kind {
        PrincipalType::Aws => {
            value == "*"
                || value.parse::<AccountId>().is_ok()
                || is_unique_id(value)
                || is_principal_arn(value)
        }
        PrincipalType::CanonicalUser | PrincipalType::Federated => !value.is_empty(),
        PrincipalType::Service => value.contains('.') && !value.contains(['*', ' ']),
    }
}

fn is_unique_id(value: &str) -> bool {
    (value.starts_with("AIDA") || value.starts_with("AROA"))
        && (16..=128).contains(&value.len())
        && value.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
}

fn is_principal_arn(value: &str) -> bool {
    let Ok(arn) = rootward_names::Arn::parse(value) else { return false };
    let named = |prefix: &str| arn.resource.strip_prefix(prefix).is_some_and(|name| !name.is_empty());
    let resource = match arn.service {
        "iam" => arn.resource == "root" || named("user/") || named("role/"),
        "sts" => named("assumed-role/") || named("federated-user/"),
        _ => false,
    };
    resource
        && arn.region.is_empty()
        && arn.account.parse::<AccountId>().is_ok()
        && !value.contains(['*', '?'])
}
