//! The root user's e-mail address of a member account, for whoever manages its organization.
//!
//! The root user of an account changes its own address with `rootward:StartRootEmailUpdate`; these never serve that.

use rootward_api::account as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_wire::Sensitive;

use super::{failures, whose};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&ACCEPT_PRIMARY_EMAIL_UPDATE, &GET_PRIMARY_EMAIL, &START_PRIMARY_EMAIL_UPDATE];

pub(super) static GET_PRIMARY_EMAIL: Declaration<api::GetPrimaryEmail> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetPrimaryEmail",
        when: always,
        target: |scope, _| whose::target(scope),
        keys: &[],
    }],
    run: |ctx, _, input| Err(not_a_member(ctx, "account:GetPrimaryEmail", &input.account_id)),
};

pub(super) static START_PRIMARY_EMAIL_UPDATE: Declaration<api::StartPrimaryEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:StartPrimaryEmailUpdate",
        when: always,
        target: |scope, _| whose::target(scope),
        keys: &[Key::Text(DOMAIN, |_, input| domain(&input.primary_email))],
    }],
    run: |ctx, _: &mut Txn, input| {
        Err(not_a_member(ctx, "account:StartPrimaryEmailUpdate", &input.account_id))
    },
};

pub(super) static ACCEPT_PRIMARY_EMAIL_UPDATE: Declaration<api::AcceptPrimaryEmailUpdate> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:AcceptPrimaryEmailUpdate",
        when: always,
        target: |scope, _| whose::target(scope),
        keys: &[Key::Text(DOMAIN, |_, input| domain(&input.primary_email))],
    }],
    run: |ctx, _, input| Err(not_a_member(ctx, "account:AcceptPrimaryEmailUpdate", &input.account_id)),
};

const DOMAIN: &str = "account:EmailTargetDomain";

/// What follows the `@`.
fn domain(email: &Sensitive) -> Option<String> {
    email.expose().split_once('@').map(|(_, domain)| domain.to_owned())
}

/// Nobody manages another account here, see [`whose`].
fn not_a_member(ctx: &OpContext<'_>, action: &str, account_id: &str) -> Failure {
    match whose::must_be_own(ctx, action, Some(account_id)) {
        Err(failure) => failure,
        Ok(()) => failures::not_own(ctx.principal, action),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn address_of_an_account_without_an_organization_is_nobody_elses_matter() {
        let bench = Bench::new();
        let (own, other) = (bench.account().to_string(), "444455556666".to_owned());
        for account_id in [own, other] {
            let get = api::GetPrimaryEmailRequest { account_id: account_id.clone() };
            let primary_email = Sensitive::new("new@example.com");
            let start = api::StartPrimaryEmailUpdateRequest {
                account_id: account_id.clone(),
                primary_email: primary_email.clone(),
            };
            let otp = Sensitive::new("123456");
            let accept = api::AcceptPrimaryEmailUpdateRequest { account_id, primary_email, otp };
            for error in [
                bench.run(&GET_PRIMARY_EMAIL, get).unwrap_err(),
                bench.run(&START_PRIMARY_EMAIL_UPDATE, start).unwrap_err(),
                bench.run(&ACCEPT_PRIMARY_EMAIL_UPDATE, accept).unwrap_err(),
            ] {
                assert_eq!((error.code, error.status), ("AccessDenied", 403));
            }
        }
        assert_eq!(&*bench.state().account().email, "root@example.com");
        assert!(bench.take_mails().is_empty());
    }

    #[test]
    fn policies_may_look_at_the_domain() {
        assert_eq!(domain(&Sensitive::new("a@example.com")).as_deref(), Some("example.com"));
        assert_eq!(domain(&Sensitive::new("none")), None);
    }
}
