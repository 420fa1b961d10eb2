//! Owners of policies: what users, groups and roles have in common, so that an operation on all three is written once.

use std::sync::Arc;

use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Grants, Group, Named, PolicyRef, Role, User};
use rootward_state::{Stored, Tabled, Txn};

use super::refs::Policy;
use super::{failures, quotas};

/// Service-linked roles and the policies made for them: the services themselves look after both.
pub(super) const SERVICE_ROLE_PATH: &str = "/aws-service-role/";

/// A user, group or role.
pub(super) trait Owner: Stored + Tabled + Named + Clone {
    /// How texts name the kind.
    const NOUN: &'static str;
    /// How texts name one that is no service's own.
    const CUSTOMER: &'static str;
    /// The quota on attached policies: its name, and how many.
    const ATTACHED_MAX: (&'static str, usize);
    /// How long all inline policies together may be, in characters that are not white space.
    const INLINE_CHARS_MAX: usize;
    /// There is none called `name`.
    fn missing(name: &str) -> Failure;
    /// Its policies.
    fn grants(&self) -> &Grants;
    /// Whether only a service may change it.
    fn is_protected(&self) -> bool {
        false
    }
    /// Its policies, to be changed.
    fn grants_mut(&mut self) -> &mut Grants;
}

/// An owner that can have a permissions boundary: a user or role.
pub(super) trait Bounded: Owner {
    /// Sets or removes its boundary.
    fn set_boundary(&mut self, boundary: Option<PolicyRef>);
}

impl Owner for User {
    const NOUN: &'static str = "user";
    const CUSTOMER: &'static str = "an IAM user";
    const ATTACHED_MAX: (&'static str, usize) = ("PoliciesPerUser", quotas::ATTACHED_POLICIES_PER_USER);
    const INLINE_CHARS_MAX: usize = quotas::USER_POLICY_CHARS;

    fn missing(name: &str) -> Failure {
        failures::no_such_user(name)
    }
    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Owner for Group {
    const NOUN: &'static str = "group";
    const CUSTOMER: &'static str = "an IAM group";
    const ATTACHED_MAX: (&'static str, usize) = ("PoliciesPerGroup", quotas::ATTACHED_POLICIES_PER_GROUP);
    const INLINE_CHARS_MAX: usize = quotas::GROUP_POLICY_CHARS;

    fn missing(name: &str) -> Failure {
        failures::no_such_group(name)
    }
    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Owner for Role {
    const NOUN: &'static str = "role";
    const CUSTOMER: &'static str = "a Customer Role";
    const ATTACHED_MAX: (&'static str, usize) = ("PoliciesPerRole", quotas::ATTACHED_POLICIES_PER_ROLE);
    const INLINE_CHARS_MAX: usize = quotas::ROLE_POLICY_CHARS;

    fn missing(name: &str) -> Failure {
        failures::no_such_role(name)
    }
    fn is_protected(&self) -> bool {
        self.path.starts_with(SERVICE_ROLE_PATH)
    }
    fn grants(&self) -> &Grants {
        &self.grants
    }
    fn grants_mut(&mut self) -> &mut Grants {
        &mut self.grants
    }
}

impl Bounded for User {
    fn set_boundary(&mut self, boundary: Option<PolicyRef>) {
        self.boundary = boundary;
    }
}

impl Bounded for Role {
    fn set_boundary(&mut self, boundary: Option<PolicyRef>) {
        self.boundary = boundary;
    }
}

/// The owner called `name` in the caller's account, guarded.
///
/// # Errors
/// `NoSuchEntity`.
pub(super) fn owner<T: Owner>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<T>, Failure> {
    txn.named::<T>(ctx.account(), name).ok_or_else(|| T::missing(name))
}

/// The owner called `name`, guarded, as a copy to be changed.
///
/// # Errors
/// `NoSuchEntity`, `UnmodifiableEntity`.
pub(super) fn changeable<T: Owner>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<T, Failure> {
    let owner = owner::<T>(ctx, txn, name)?;
    if owner.is_protected() { Err(failures::protected_role(owner.name())) } else { Ok(T::clone(&owner)) }
}

/// Whether a user, group or role that is no service's own can have `policy`.
///
/// # Errors
/// `PolicyNotAttachable`.
pub(super) fn check_attachable<T: Owner>(policy: &Policy) -> Result<(), Failure> {
    match policy {
        Policy::Aws(policy) if policy.path.starts_with(SERVICE_ROLE_PATH) => {
            Err(failures::service_role_policy(T::CUSTOMER))
        }
        Policy::Aws(_) | Policy::Customer(_) => Ok(()),
    }
}
