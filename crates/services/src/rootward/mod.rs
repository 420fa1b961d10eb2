//! Our own service: what AWS has in its console alone, and what only Rootward has. Its model is `models/rootward.json`.

mod access_requests;
mod account_search;
mod billing;
mod closing;
mod email;
mod failures;
mod guard_policy;
mod member_credentials;
mod member_roots;
mod organization_tree;
mod passkeys;
mod password;
mod protection;
mod seal;
mod sessions;
mod support;

use rootward_api::rootward as api;
use rootward_auth::principal::root_arn;
use rootward_names::AccountId;
use rootward_pipeline::{Failure, Handler, OpContext, Scope, Target};
use rootward_state::World;
use rootward_state::entities::{AccountStatus, OrganizationPolicyType};

/// The operations that are implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    let all = [
        access_requests::OPERATIONS,
        account_search::OPERATIONS,
        billing::OPERATIONS,
        closing::OPERATIONS,
        email::OPERATIONS,
        guard_policy::OPERATIONS,
        member_credentials::OPERATIONS,
        member_roots::OPERATIONS,
        organization_tree::OPERATIONS,
        passkeys::OPERATIONS,
        password::OPERATIONS,
        protection::OPERATIONS,
        seal::OPERATIONS,
        sessions::OPERATIONS,
        support::OPERATIONS,
    ];
    all.into_iter().flatten().copied()
}

/// The root user of the caller's account, as a resource.
fn root_user<I>(scope: &Scope<'_>, _: &I) -> Target {
    Target::arn(root_arn(scope.ctx.partition(), scope.ctx.account()))
}

/// Lets the root user through once it has shown a second factor. The sandbox takes foreign keys at their word in this, too.
fn with_second_factor(ctx: &OpContext<'_>) -> Result<(), Failure> {
    if ctx.principal.mfa().is_none() && !ctx.principal.is_foreign() {
        return Err(failures::mfa_needed());
    }
    Ok(())
}

/// An account's name and state, as operations about an organization show them; an account that is gone has none.
fn named(world: &World, account: AccountId) -> (String, Option<api::AccountState>) {
    let Some(state) = world.account(account) else { return (account.to_string(), None) };
    let row = state.account();
    let shown = match row.status {
        AccountStatus::Active => api::AccountState::Active,
        AccountStatus::Suspended => api::AccountState::Suspended,
        AccountStatus::Closed { .. } => api::AccountState::Closed,
    };
    (row.name.to_string(), Some(shown))
}

/// A type of policies that decide; none for the others.
fn policy_type(kind: &OrganizationPolicyType) -> Option<api::OrganizationPolicyType> {
    match kind {
        OrganizationPolicyType::ServiceControl => Some(api::OrganizationPolicyType::ServiceControlPolicy),
        OrganizationPolicyType::ResourceControl => Some(api::OrganizationPolicyType::ResourceControlPolicy),
        OrganizationPolicyType::Management(_) => None,
    }
}

/// As a count is shown.
fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

/// How many are asked for.
fn asked(max_results: Option<i32>, default: usize) -> usize {
    max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(default)
}
