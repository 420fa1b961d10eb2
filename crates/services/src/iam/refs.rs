//! Managed policies as requests name them, and holding those that a row is about to refer to.

use std::sync::Arc;

use rootward_names::{AccountId, Partition};
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{ManagedPolicy, PolicyRef};
use rootward_state::{AccountState, AnyPolicy, Txn};

use super::owner::{Bounded, check_attachable};
use super::{failures, policies};

/// A managed policy, whoever manages it.
pub(crate) type Policy = AnyPolicy<Arc<ManagedPolicy>>;

/// The policy that `arn` names, if the account can use it.
pub(crate) fn by_arn(state: &AccountState, partition: Partition, arn: &str) -> Option<Policy> {
    state.policy_by_arn(partition, arn).map(AnyPolicy::cloned)
}

/// The ARN of the policy that a row refers to.
pub(crate) fn arn_of(state: &AccountState, partition: Partition, policy: &PolicyRef) -> Option<String> {
    state.policy_by_ref(policy).map(|found| found.arn(partition, state.account().id))
}

/// Rewrites the row of a customer policy that is about to be referred to; deleting it at the same time then loses.
///
/// Returns whether the policy still exists.
pub(crate) fn hold(txn: &mut Txn, account: AccountId, policy: &Policy) -> bool {
    let Policy::Customer(seen) = policy else { return true };
    match txn.named::<ManagedPolicy>(account, &seen.name) {
        Some(row) if row.id == seen.id => {
            txn.put_entity::<ManagedPolicy>(account, row);
            true
        }
        _ => false,
    }
}

/// The permissions boundary that a request sets on a `T`, held.
pub(crate) fn new_boundary<T: Bounded>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    arn: &str,
) -> Result<PolicyRef, Failure> {
    policies::check_arn(arn)?;
    let state = ctx.view(txn)?;
    let policy = by_arn(&state, ctx.partition(), arn).ok_or_else(|| failures::no_such_boundary(arn))?;
    check_attachable::<T>(&policy)?;
    if hold(txn, ctx.account(), &policy) { Ok(policy.to_ref()) } else { Err(failures::no_such_boundary(arn)) }
}
