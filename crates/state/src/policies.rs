//! Managed policies, AWS's and an account's own, by ARN and as rows refer to them.

use std::sync::Arc;

use rootward_managed::ManagedPolicy as AwsPolicy;
use rootward_names::{AccountId, Partition};
use rootward_policy::Program;

use crate::AccountState;
use crate::entities::{ManagedPolicy, Named, PolicyRef};

/// A managed policy, whoever manages it; `P` holds the row of an own one.
#[derive(Debug, Clone)]
pub enum AnyPolicy<P> {
    /// One of AWS's: the same in every account, read only.
    Aws(&'static AwsPolicy),
    /// One of the account's own.
    Customer(P),
}

impl<P: AsRef<ManagedPolicy>> AnyPolicy<P> {
    /// As rows keep it.
    pub fn to_ref(&self) -> PolicyRef {
        match self {
            Self::Aws(policy) => PolicyRef::Aws(policy.name.into()),
            Self::Customer(policy) => PolicyRef::Customer(policy.as_ref().id),
        }
    }

    /// Its ARN in `account`, whose own it is if it is no one of AWS's.
    pub fn arn(&self, partition: Partition, account: AccountId) -> String {
        match self {
            Self::Aws(policy) => policy.arn(partition),
            Self::Customer(policy) => policy.as_ref().arn(partition, account),
        }
    }

    /// Its path.
    pub fn path(&self) -> &str {
        match self {
            Self::Aws(policy) => policy.path,
            Self::Customer(policy) => &policy.as_ref().path,
        }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::Aws(policy) => policy.name,
            Self::Customer(policy) => &policy.as_ref().name,
        }
    }
}

impl<'a> AnyPolicy<&'a Arc<ManagedPolicy>> {
    /// The same, with a hold on the row.
    pub fn cloned(self) -> AnyPolicy<Arc<ManagedPolicy>> {
        match self {
            Self::Aws(policy) => AnyPolicy::Aws(policy),
            Self::Customer(policy) => AnyPolicy::Customer(Arc::clone(policy)),
        }
    }

    /// The version in force, compiled.
    pub fn program(&self) -> Option<&'a Program> {
        match self {
            Self::Aws(policy) => Some(policy.program()),
            Self::Customer(policy) => Some(policy.default_document()?.program()),
        }
    }
}

impl AccountState {
    /// The policy that `arn` names, if the account can use it: partition, account, path and name must all be right.
    pub fn policy_by_arn(&self, partition: Partition, arn: &str) -> Option<AnyPolicy<&Arc<ManagedPolicy>>> {
        if let Some(policy) = self.by_arn::<ManagedPolicy>(partition, arn) {
            return Some(AnyPolicy::Customer(policy));
        }
        let policy = rootward_managed::get(arn.rsplit('/').next()?)?;
        (policy.arn(partition) == arn).then_some(AnyPolicy::Aws(policy))
    }

    /// The policy that a row refers to. `None` cannot be: a policy in use is not deleted.
    pub fn policy_by_ref(&self, policy: &PolicyRef) -> Option<AnyPolicy<&Arc<ManagedPolicy>>> {
        match policy {
            PolicyRef::Aws(name) => rootward_managed::get(name).map(AnyPolicy::Aws),
            PolicyRef::Customer(id) => self.by_id::<ManagedPolicy>(*id).map(AnyPolicy::Customer),
        }
    }
}
