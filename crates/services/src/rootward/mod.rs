//! Our own service: what AWS has in its console alone, and what only Rootward has. Its model is `models/rootward.json`.

mod access_requests;
mod billing;
mod closing;
mod email;
mod failures;
mod guard_policy;
mod passkeys;
mod password;
mod protection;
mod seal;
mod sessions;
mod support;

use rootward_auth::principal::root_arn;
use rootward_pipeline::{Failure, Handler, OpContext, Scope, Target};

/// The operations that are implemented.
pub(crate) fn operations() -> impl Iterator<Item = &'static dyn Handler> {
    let all = [
        access_requests::OPERATIONS,
        billing::OPERATIONS,
        closing::OPERATIONS,
        email::OPERATIONS,
        guard_policy::OPERATIONS,
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
