//! Whose account a call is about: `AccountId`.
//!
//! Left out, it is the caller's own; an account manages itself without it.
//!
//! DIFFERENCE: at AWS the management account names members here. Not yet: whoever manages a member works in it by its role.

use rootward_pipeline::{Failure, OpContext, Scope, Target};

use super::failures;

/// The resource of every rule.
pub(super) fn target(scope: &Scope<'_>) -> Target {
    let (partition, account) = (scope.ctx.partition(), scope.ctx.account());
    Target::arn(format!("arn:{partition}:account::{account}:account"))
}

/// Lets through what is about the caller's own account.
///
/// # Errors
/// `AccessDenied`: nobody manages another account.
pub(super) fn must_be_own(
    ctx: &OpContext<'_>,
    action: &str,
    account_id: Option<&str>,
) -> Result<(), Failure> {
    match account_id {
        None => Ok(()),
        Some(id) if id == ctx.account().to_string() => Err(failures::own_id_given(ctx.principal, action)),
        Some(_) => Err(failures::not_own(ctx.principal, action)),
    }
}
