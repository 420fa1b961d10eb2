//! Who a `Principal` names, and how closely.
//!
//! IAM, "AWS JSON policy elements: Principal", and "Policy evaluation for requests within a single account" for what the
//! difference between a session, the role behind it and their account means.

use rootward_policy::{ListedPrincipal, PrincipalType, Principals};

use crate::world::{Caller, CallerKind};

/// How closely a policy names the caller; the later, the closer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Named {
    ByAccount,
    /// The role of a session, or the user who asked for a federated session.
    ByRoleOrUser,
    Directly,
}

/// How `Principal` names the caller.
pub(crate) fn named(principals: &Principals, caller: &Caller) -> Option<Named> {
    principals.listed.iter().filter_map(|listed| named_by(listed, caller)).max()
}

fn named_by(listed: &ListedPrincipal, caller: &Caller) -> Option<Named> {
    let value = &*listed.value;
    let is = |name: &Option<String>| name.as_deref().is_some_and(|name| !name.is_empty() && name == value);
    let when = |matches: bool, named: Named| matches.then_some(named);
    match listed.kind {
        PrincipalType::Aws if value == "*" => Some(Named::Directly),
        PrincipalType::Aws => match caller.kind {
            CallerKind::User => when(is(&caller.arn) || is(&caller.id), Named::Directly),
            CallerKind::RoleSession => when(is(&caller.arn), Named::Directly)
                .or(when(is(&caller.role_arn) || is(&caller.id), Named::ByRoleOrUser)),
            CallerKind::FederatedUser => when(is(&caller.arn), Named::Directly)
                .or(when(is(&caller.user_arn) || is(&caller.id), Named::ByRoleOrUser)),
            // The root user has no name of its own: its ARN stands for the account.
            _ => None,
        }
        .or(when(is_account(value, caller), Named::ByAccount)),
        // Canonical ids belong to S3, which knows them; no caller is called so.
        PrincipalType::CanonicalUser => None,
        PrincipalType::Federated => {
            let by_provider = matches!(caller.kind, CallerKind::Saml | CallerKind::WebIdentity);
            when(by_provider && is(&caller.arn), Named::Directly)
        }
        PrincipalType::Service => {
            when(caller.kind == CallerKind::Service && is(&caller.arn), Named::Directly)
        }
    }
}

/// Account id or ARN of the account's root.
fn is_account(value: &str, caller: &Caller) -> bool {
    let Some(account) = &caller.account else { return false };
    value == account || value == format!("arn:aws:iam::{account}:root")
}

/// Whether a Deny with `NotPrincipal` spares the caller.
///
/// IAM, "AWS JSON policy elements: NotPrincipal": the account of whom it spares must be listed as well, for a role session
/// the session, the role and the account; whoever has a permissions boundary is denied whatever is listed.
pub(crate) fn spared(principals: &Principals, caller: &Caller, has_boundary: bool) -> bool {
    if has_boundary {
        return false;
    }
    let lists = |test: &dyn Fn(&str) -> bool| {
        principals
            .listed
            .iter()
            .any(|l| l.kind == PrincipalType::Aws && (l.value.as_ref() == "*" || test(&l.value)))
    };
    let by = |name: &Option<String>| lists(&|value| name.as_deref() == Some(value));
    let by_account = || lists(&|value| is_account(value, caller));
    match caller.kind {
        CallerKind::User => (by(&caller.arn) || by(&caller.id)) && by_account(),
        CallerKind::RoleSession => {
            by(&caller.arn) && (by(&caller.role_arn) || by(&caller.id)) && by_account()
        }
        CallerKind::FederatedUser => {
            by(&caller.arn) && (by(&caller.user_arn) || by(&caller.id)) && by_account()
        }
        CallerKind::Root | CallerKind::AssumedRoot => by_account(),
        _ => named(principals, caller).is_some(),
    }
}
