//! `CloseAccount`.
//!
//! From then on every request is refused and no IAM user signs in. For 90 days the operator of the host can open the account again;
//! after that nobody can.
//! DIFFERENCE: nothing is removed when the 90 days are over: audit records go on naming who they are about.
//!
//! Source: Account Management Reference Guide, "Close an AWS account".

use rootward_api::rootward as api;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Scope, Target, always,
};
use rootward_state::Txn;
use rootward_wire::Empty;

use super::failures;
use crate::accounts;
use crate::session_end::{End, Why};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&CLOSE_ACCOUNT];

pub(super) static CLOSE_ACCOUNT: Declaration<api::CloseAccount> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("account:CloseAccount"),
    rules: &[Rule {
        action: "account:CloseAccount",
        when: always,
        target: |scope, _| account(scope),
        keys: &[],
    }],
    run: close_account,
};

fn close_account(ctx: &OpContext<'_>, txn: &mut Txn, _: &api::CloseAccountRequest) -> Result<Empty, Failure> {
    let end = End { why: Why::AccountClosed, source_ip: Some(ctx.source_ip), now: ctx.now };
    let closed = ctx.with_random(|random| accounts::close(txn, ctx.account(), &end, random));
    closed.map_err(|error| failures::account_refused(&error))?;
    Ok(Empty)
}

fn account(scope: &Scope<'_>) -> Target {
    let (partition, account) = (scope.ctx.partition(), scope.ctx.account());
    Target::arn(format!("arn:{partition}:account::{account}:account"))
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::AccountStatus;

    use super::*;
    use crate::testing::Bench;

    #[test]
    fn root_user_closes_its_account_once_and_nobody_else_does() {
        let bench = Bench::new();
        let close = || bench.run(&CLOSE_ACCOUNT, Default::default());
        bench.add_user("ann");
        bench.call_as_user("ann");
        assert_eq!(close().unwrap_err().status, 403);
        assert_eq!(bench.state().account().status, AccountStatus::Active);
        bench.call_as_root();
        close().unwrap();
        assert_eq!(bench.state().account().status, AccountStatus::Closed { at: bench.now() });
        // A call that was under way when it was closed.
        assert_eq!(close().unwrap_err().code, "ConflictException");
    }

    #[test]
    fn account_that_manages_others_is_closed_after_them() {
        let bench = Bench::new();
        let member = "222233334444";
        crate::organizations::testing::organization(&bench, &[member], &[]);
        bench.call_as_root();
        let close = || bench.run(&CLOSE_ACCOUNT, Default::default());
        assert_eq!(close().unwrap_err().code, "ConflictException");
        bench.call_as_root_of(member.parse().unwrap());
        close().unwrap();
        bench.call_as_root();
        close().unwrap();
    }

    #[test]
    fn two_that_close_at_once_meet() {
        let bench = Bench::new();
        let close = || bench.run_uncommitted(&CLOSE_ACCOUNT, &Default::default()).unwrap().1;
        let (first, second) = (close(), close());
        assert!(bench.second_loses(first, second));
    }
}
