//! The remedy: the smallest set of changes to policies that allows a denied request.
//!
//! Every Deny that matched must no longer match; and where an Allow is missing, one is added to each layer that lacks it, as
//! narrow as the request. Worked out from what the explanation saw, with the same combination of layers as the decision.
//!
//! Guarantee, held by `tests/it/remedy.rs`: with all changes made, [`decide`](crate::decide) allows the request; with any one of
//! them left out, it does not.

use std::fmt;

use crate::decide::{Facts, Grants, Request, ResourceKind};
use crate::decision::{Cause, Layer};
use crate::explain::{LayerTrace, Level, Placed};
use crate::json::write_string;
use crate::policy::Effect;
use crate::principal::{Named, Principal, PrincipalKind};

/// One change to the policies of one layer. `Display` is a sentence for people.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Change<'a> {
    /// A statement is added.
    Add {
        /// To a policy of this layer.
        layer: Layer,
        /// Of SCPs, on this level.
        level: Option<Level>,
        /// The statement, JSON. It needs version 2012-10-17 of the language.
        statement: String,
    },
    /// A statement that denies must no longer match this request: removed, or with an exception.
    Except {
        /// Of this layer.
        layer: Layer,
        /// Of SCPs and RCPs, on this level.
        level: Option<Level>,
        /// The statement.
        cause: Cause<'a>,
        /// How many policies the layer has.
        among: usize,
    },
}

/// What would allow the request that was denied with these layers consulted.
pub(crate) fn remedy<'a>(request: &Request<'_>, facts: &Facts, layers: &[LayerTrace<'a>]) -> Vec<Change<'a>> {
    let (mut changes, mut grants) = (Vec::new(), Grants::before(request.principal));
    for trace in layers {
        let LayerTrace { layer, ref level, policies: among, .. } = *trace;
        if !facts.passes_over(layer) {
            let denies = trace.matched(Effect::Deny);
            let except = |cause| Change::Except { layer, level: level.clone(), cause, among };
            changes.extend(denies.map(|deny| except(deny.cause)));
        }
        grants.note(layer, trace.best());
    }
    for layer in lacking(&grants, request.principal, facts) {
        let statement = || statement(request, facts, layer);
        let gaps = layers.iter().filter(|trace| trace.layer == layer && trace.best().is_none());
        let mut levels = gaps.filter_map(|trace| trace.level.clone()).peekable();
        if levels.peek().is_none() {
            changes.push(Change::Add { layer, level: None, statement: statement() });
        }
        changes.extend(levels.map(|level| Change::Add { layer, level: Some(level), statement: statement() }));
    }
    changes
}

/// The layers that need an Allow of this request beside what they grant.
fn lacking(grants: &Grants<'_>, principal: &Principal<'_>, facts: &Facts) -> Vec<Layer> {
    let combined = |added: &[Layer]| {
        let mut grants = grants.clone();
        added.iter().for_each(|layer| grants.add(*layer, closeness(principal)));
        grants.combine(principal, facts).map(drop)
    };
    let mut added = Vec::new();
    while let Err(layer) = combined(&added) {
        if added.contains(&layer) {
            break; // Nothing allows it.
        }
        added.push(layer);
    }
    // What the layer that was asked first lacks may not matter once a later one names the caller.
    for layer in added.clone() {
        let fewer: Vec<_> = added.iter().copied().filter(|other| *other != layer).collect();
        if combined(&fewer).is_ok() {
            added = fewer;
        }
    }
    added
}

/// The narrowest Allow of this request.
fn statement(request: &Request<'_>, facts: &Facts, layer: Layer) -> String {
    let mut text = r#"{"Effect":"Allow","#.to_owned();
    match layer {
        Layer::Resource | Layer::Trust => principal(request.principal, &mut text),
        Layer::Endpoint => text.push_str(r#""Principal":"*","#),
        Layer::Boundary
        | Layer::Free
        | Layer::Guard
        | Layer::Identity
        | Layer::Rcp
        | Layer::Root
        | Layer::Scp
        | Layer::Session => {}
    }
    member("Action", request.action, &mut text);
    match (layer, facts.resource_kind) {
        (Layer::Trust, _) => {}
        // A key's own policy is about that key alone.
        (Layer::Resource, ResourceKind::Key) => text.push_str(r#","Resource":"*""#),
        _ => {
            text.push(',');
            member("Resource", &literal(request.resource), &mut text);
        }
    }
    text.push('}');
    text
}

fn member(name: &str, value: &str, out: &mut String) {
    // Writing to a `String` cannot fail.
    let _ = write_string(name, out);
    out.push(':');
    let _ = write_string(value, out);
}

/// The resource as a pattern that matches it alone: in the sixth part, what would be special is escaped.
fn literal(resource: &str) -> String {
    let head = resource.match_indices(':').nth(4).map_or(resource.len(), |(at, _)| at + 1);
    let (head, tail) = resource.split_at_checked(head).unwrap_or((resource, ""));
    let escaped = tail.chars().map(|c| match c {
        '*' | '?' | '$' => format!("${{{c}}}"),
        _ => c.to_string(),
    });
    head.to_owned() + &escaped.collect::<String>()
}

/// How closely [`principal`] names the caller.
const fn closeness(principal: &Principal<'_>) -> Named {
    match principal.kind {
        PrincipalKind::AssumedRoot { .. } | PrincipalKind::Root { .. } => Named::Account,
        PrincipalKind::RoleSession { .. } => Named::Behind,
        PrincipalKind::Anonymous
        | PrincipalKind::FederatedUser { .. }
        | PrincipalKind::Saml { .. }
        | PrincipalKind::Service { .. }
        | PrincipalKind::User { .. }
        | PrincipalKind::WebIdentity { .. } => Named::Directly,
    }
}

/// A session is named by its role, which is what stays.
fn principal(principal: &Principal<'_>, out: &mut String) {
    let (kind, value) = match principal.kind {
        PrincipalKind::Anonymous => return out.push_str(r#""Principal":"*","#),
        PrincipalKind::RoleSession { role_arn, .. } => ("AWS", role_arn),
        PrincipalKind::AssumedRoot { arn }
        | PrincipalKind::FederatedUser { arn, .. }
        | PrincipalKind::Root { arn }
        | PrincipalKind::User { arn, .. } => ("AWS", arn),
        PrincipalKind::Saml { provider } | PrincipalKind::WebIdentity { provider } => ("Federated", provider),
        PrincipalKind::Service { name } => ("Service", name),
    };
    out.push_str(r#""Principal":{"#);
    member(kind, value, out);
    out.push_str("},");
}

impl fmt::Display for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Add { layer, level, statement } => {
                write!(f, "add to {}{}: {statement}", layer.with_article(), AtLevel(level))
            }
            Self::Except { layer, level, cause, among } => {
                let place = Placed { cause: *cause, among: *among };
                write!(
                    f,
                    "in {}{}, remove {place}, or except this request from it",
                    layer.with_article(),
                    AtLevel(level)
                )
            }
        }
    }
}

/// ` at the root`, ` at unit Sales (ou-…)`, or nothing.
pub(crate) struct AtLevel<'e>(pub(crate) &'e Option<Level>);

impl fmt::Display for AtLevel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|level| write!(f, " at {level}"))
    }
}
