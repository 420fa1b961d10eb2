//! The organization as a whole, for operations of our own that show much of it in one answer.
//!
//! They are for accounts that may list its accounts, its units and the policies attached to them, as [`standing`] says. Of the
//! caller's own policies each asks for what it shows: the tree for all three, on the root; the search for accounts and units, as it
//! tells in which units an account is; and what a root user can do for an action of its own, on the account.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_pipeline::{Failure, OpContext, Scope, Target};
use rootward_state::{OrganizationState, Target as Child, Txn};

use super::accounts::LIST_ACCOUNTS;
use super::attachments::LIST_POLICIES_FOR_TARGET;
use super::units::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT;
use super::{standing, tree};

/// Why somebody does not see it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unseen {
    /// Their account is in none.
    NoOrganization,
    /// Their account neither manages it nor looks at it on its behalf.
    NotTheirs,
}

/// The caller's organization, for whoever may look at all of it, unguarded.
///
/// # Errors
/// [`Unseen`].
pub(crate) fn seen(ctx: &OpContext<'_>, txn: &Txn) -> Result<Arc<OrganizationState>, Unseen> {
    let state = standing::own(ctx, txn).map_err(|_| Unseen::NoOrganization)?;
    let root = state.organization().root.to_string();
    let accounts = standing::looked_at(ctx, txn, &LIST_ACCOUNTS, &api::ListAccountsRequest::default());
    let units = api::ListOrganizationalUnitsForParentRequest {
        parent_id: root.clone(),
        ..api::ListOrganizationalUnitsForParentRequest::default()
    };
    let units = standing::looked_at(ctx, txn, &LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, &units);
    let policies =
        [api::PolicyType::ServiceControlPolicy, api::PolicyType::ResourceControlPolicy].map(|filter| {
            let input = api::ListPoliciesForTargetRequest {
                target_id: root.clone(),
                filter,
                max_results: None,
                next_token: None,
            };
            standing::looked_at(ctx, txn, &LIST_POLICIES_FOR_TARGET, &input)
        });
    let refused = [accounts, units].into_iter().chain(policies).find_map(Result::err);
    refused.map_or(Ok(state), |_: Failure| Err(Unseen::NotTheirs))
}

/// The root of the caller's organization, as rules see it.
pub(crate) fn root(scope: &Scope<'_>) -> Target {
    match standing::in_scope(scope) {
        Some(state) => tree::target(scope, state.organization().root.as_str()),
        None => Target::any(),
    }
}

/// Something in it, as rules see it.
pub(crate) fn target(scope: &Scope<'_>, id: &str) -> Target {
    tree::target(scope, id)
}

/// What an id names, if that is in the organization.
pub(crate) fn find(state: &OrganizationState, id: &str) -> Option<Child> {
    tree::child(id).filter(|child| match child {
        Child::Account(account) => state.member(*account).is_some(),
        Child::Node(node) => state.node(node).is_some(),
    })
}
