//! The organization as a whole, for operations of our own that show much of it in one answer.
//!
//! They are for accounts that may list its accounts, its units and the policies attached to them, as [`standing`] says. Of the
//! caller's own policies each asks for what it shows: the tree for all three, on the root; the search for accounts and units, as it
//! tells in which units an account is; and what a root user can do for an action of its own, on the account. What a policy denies them of
//! a single unit or account they are not shown.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::NodeId;
use rootward_pipeline::{Declaration, Failure, OpContext, Scope, Target};
use rootward_state::{OrganizationState, Target as Child, Txn};
use rootward_wire::Operation;

use super::accounts::{LIST_ACCOUNTS, LIST_ACCOUNTS_FOR_PARENT};
use super::attachments::LIST_POLICIES_FOR_TARGET;
use super::units::LIST_ORGANIZATIONAL_UNITS_FOR_PARENT;
use super::{standing, targets};
use crate::denied;

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
        policy_inputs(&root).map(|input| standing::looked_at(ctx, txn, &LIST_POLICIES_FOR_TARGET, &input));
    let refused = [accounts, units].into_iter().chain(policies).find_map(Result::err);
    refused.map_or(Ok(state), |_: Failure| Err(Unseen::NotTheirs))
}

/// Refuses who may see the organization what is in one of its nodes, if a policy denies them to list that.
///
/// # Errors
/// The refusal.
pub(crate) fn refuse_inside(ctx: &OpContext<'_>, txn: &Txn, node: &NodeId) -> Result<(), Failure> {
    let units = api::ListOrganizationalUnitsForParentRequest {
        parent_id: node.to_string(),
        ..api::ListOrganizationalUnitsForParentRequest::default()
    };
    refuse(ctx, txn, &LIST_ORGANIZATIONAL_UNITS_FOR_PARENT, &units)?;
    let accounts = api::ListAccountsForParentRequest {
        parent_id: node.to_string(),
        ..api::ListAccountsForParentRequest::default()
    };
    refuse(ctx, txn, &LIST_ACCOUNTS_FOR_PARENT, &accounts)
}

/// The same of the control policies that are attached to a node or an account.
///
/// # Errors
/// The refusal.
pub(crate) fn refuse_policies(ctx: &OpContext<'_>, txn: &Txn, target: &Child) -> Result<(), Failure> {
    policy_inputs(&target.to_string())
        .into_iter()
        .try_for_each(|input| refuse(ctx, txn, &LIST_POLICIES_FOR_TARGET, &input))
}

/// By the caller's own policies, and by the organization's for those whom it lets in.
fn refuse<O: Operation>(
    ctx: &OpContext<'_>,
    txn: &Txn,
    operation: &Declaration<O>,
    input: &O::Input,
) -> Result<(), Failure> {
    standing::looked_at(ctx, txn, operation, input)?;
    denied::refuse(ctx, txn, operation, input)
}

fn policy_inputs(target: &str) -> [api::ListPoliciesForTargetRequest; 2] {
    [api::PolicyType::ServiceControlPolicy, api::PolicyType::ResourceControlPolicy].map(|filter| {
        api::ListPoliciesForTargetRequest {
            target_id: target.to_owned(),
            filter,
            max_results: None,
            next_token: None,
        }
    })
}

/// The root of the caller's organization, as rules see it.
pub(crate) fn root(scope: &Scope<'_>) -> Target {
    match standing::in_scope(scope) {
        Some(state) => targets::by_id(scope, state.organization().root.as_str()),
        None => Target::any(),
    }
}

/// Something in it, as rules see it.
pub(crate) fn target(scope: &Scope<'_>, id: &str) -> Target {
    targets::by_id(scope, id)
}

/// What an id names, if that is in the organization.
pub(crate) fn find(state: &OrganizationState, id: &str) -> Option<Child> {
    targets::child(id).filter(|child| match child {
        Child::Account(account) => state.member(*account).is_some(),
        Child::Node(node) => state.node(node).is_some(),
    })
}
