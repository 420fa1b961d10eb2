//! Whether a statement is about a request.

use rootward_policy::{Effect, Listed, Statement, Version};

use crate::condition::{all, holds};
use crate::context::Keys;
use crate::principal::{Named, named, spared};
use crate::text::{fits, replaced, wild};
use crate::world::World;

/// What a policy is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum At {
    /// An identity, session, account or organization: statements name no principal.
    Caller,
    /// A resource, an endpoint, or the resources of an organization.
    Resource,
    /// A role that is assumed: statements name no resource.
    Trust,
}

/// How closely a statement that matches names the caller; none if it does not match.
pub(crate) fn matches(
    statement: &Statement,
    version: Version,
    at: At,
    world: &World,
    keys: &Keys,
    has_boundary: bool,
) -> Option<Named> {
    let named = match (at, &statement.principal) {
        // Rootward: no principal belongs here; a statement that has one grants nothing.
        (At::Caller, Some(_)) if statement.effect == Effect::Allow => None,
        (At::Caller, _) => Some(Named::Directly),
        // Such a statement names nobody.
        (_, None) => None,
        (_, Some(principals)) if !principals.not => named(principals, &world.principal),
        // IAM, "NotPrincipal": not supported with Allow.
        (_, Some(principals)) if statement.effect == Effect::Deny => {
            (!spared(principals, &world.principal, has_boundary)).then_some(Named::Directly)
        }
        _ => None,
    }?;
    let action = statement
        .action
        .as_ref()
        .is_some_and(|listed| covers(listed, |p| action_fits(p, &world.request.action)));
    let resource = at == At::Trust
        || statement.resource.as_ref().is_some_and(|listed| {
            covers(listed, |p| resource_fits(p, &world.request.resource, at, version, keys))
        });
    let condition = match all(statement.conditions.iter().map(|entry| holds(entry, version, keys))) {
        Some(holds) => holds,
        // Rootward: what cannot be evaluated fails an Allow and fulfils a Deny.
        None => statement.effect == Effect::Deny,
    };
    (action && resource && condition).then_some(named)
}

/// IAM, "NotAction" and "NotResource": everything but what is listed.
fn covers(listed: &Listed, fits: impl Fn(&str) -> bool) -> bool {
    listed.patterns.iter().any(|pattern| fits(&pattern.value)) != listed.not
}

/// IAM, "AWS JSON policy elements: Action": `service:Name`, in any case, with wildcards; or `*`.
fn action_fits(pattern: &str, action: &str) -> bool {
    pattern == "*" || (pattern.contains(':') && fits(&wild(&pattern.to_lowercase()), &action.to_lowercase()))
}

/// IAM, "AWS JSON policy elements: Resource": part by part; variables in the last part only.
fn resource_fits(pattern: &str, resource: &str, at: At, version: Version, keys: &Keys) -> bool {
    if pattern == "*" {
        return true;
    }
    let mut patterns: Vec<&str> = pattern.splitn(6, ':').collect();
    if patterns.len() < 6 {
        // Undocumented, observed: identities complete it, resources do so only if it has a wildcard.
        if at != At::Caller && !pattern.contains(['*', '?']) {
            return false;
        }
        patterns.resize(6, "*");
    }
    let resources: Vec<&str> = resource.splitn(6, ':').collect();
    let (Some((last, first)), Some((resource_last, resource_first))) =
        (patterns.split_last(), resources.split_last())
    else {
        return false;
    };
    resource_first.len() == 5
        && first.iter().zip(resource_first).all(|(pattern, part)| fits(&wild(pattern), part))
        && replaced(last, version, keys, wild).is_some_and(|pattern| fits(&pattern, resource_last))
}
