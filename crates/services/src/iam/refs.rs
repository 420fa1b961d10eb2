//! Managed policies by ARN, and as rows keep them.

use std::sync::Arc;

use rootward_managed::ManagedPolicy as AwsPolicy;
use rootward_names::{AccountId, Partition};
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{ManagedPolicy, Named, PolicyRef};
use rootward_state::{AccountState, Txn};

use super::owner::{Bounded, check_attachable};
use super::{failures, policies};

/// A managed policy, whoever manages it.
#[derive(Clone)]
pub(crate) enum Policy {
    /// One of AWS's: the same in every account, read only.
    Aws(&'static AwsPolicy),
    /// One of the account's own.
    Customer(Arc<ManagedPolicy>),
}

impl Policy {
    /// As rows keep it.
    pub(crate) fn to_ref(&self) -> PolicyRef {
        match self {
            Self::Aws(policy) => PolicyRef::Aws(policy.name.into()),
            Self::Customer(policy) => PolicyRef::Customer(policy.id),
        }
    }

    /// Its ARN.
    pub(crate) fn arn(&self, partition: Partition, account: AccountId) -> String {
        match self {
            Self::Aws(policy) => policy.arn(partition),
            Self::Customer(policy) => policy.arn(partition, account),
        }
    }

    /// Its path.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Aws(policy) => policy.path,
            Self::Customer(policy) => &policy.path,
        }
    }

    /// Its name.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Aws(policy) => policy.name,
            Self::Customer(policy) => &policy.name,
        }
    }
}

/// The policy that `arn` names, if the account can use it: partition, account, path and name must all be right.
pub(crate) fn by_arn(state: &AccountState, partition: Partition, arn: &str) -> Option<Policy> {
    if let Some(policy) = state.by_arn::<ManagedPolicy>(partition, arn) {
        return Some(Policy::Customer(Arc::clone(policy)));
    }
    let policy = rootward_managed::get(arn.rsplit('/').next()?)?;
    (policy.arn(partition) == arn).then_some(Policy::Aws(policy))
}

/// The policy that a row refers to. `None` cannot be: a policy in use is not deleted.
pub(crate) fn by_ref(state: &AccountState, policy: &PolicyRef) -> Option<Policy> {
    match policy {
        PolicyRef::Aws(name) => rootward_managed::get(name).map(Policy::Aws),
        PolicyRef::Customer(id) => state.by_id::<ManagedPolicy>(*id).cloned().map(Policy::Customer),
    }
}

/// The ARN of the policy that a row refers to.
pub(crate) fn arn_of(state: &AccountState, partition: Partition, policy: &PolicyRef) -> Option<String> {
    by_ref(state, policy).map(|found| found.arn(partition, state.account().id))
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
