//! The support plan. Whoever is allowed to sees it; the root user alone chooses it.
//!
//! DIFFERENCE: AWS lets the choice be granted (`supportplans:StartSupportPlanUpdate`) since it gave up that it was the root user's; here
//! it still is.

use rootward_api::rootward as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::Txn;
use rootward_state::entities::{Support, SupportPlan};
use rootward_wire::Empty;

use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&GET_SUPPORT_PLAN, &PUT_SUPPORT_PLAN];

pub(super) static PUT_SUPPORT_PLAN: Declaration<api::PutSupportPlan> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("supportplans:StartSupportPlanUpdate"),
    rules: &[Rule {
        action: "supportplans:StartSupportPlanUpdate",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: put_support_plan,
};

/// The plan that is in force already stays in force since then.
fn put_support_plan(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutSupportPlanRequest,
) -> Result<Empty, Failure> {
    let plan = match input.plan {
        api::SupportPlan::Basic => SupportPlan::Basic,
        api::SupportPlan::Developer => SupportPlan::Developer,
        api::SupportPlan::Business => SupportPlan::Business,
        api::SupportPlan::Enterprise => SupportPlan::Enterprise,
    };
    let mut settings = own::settings(ctx, txn);
    if settings.support.map_or(SupportPlan::Basic, |support| support.plan) != plan {
        settings.support = Some(Support { plan, since: ctx.now });
        own::put_settings(ctx, txn, settings);
    }
    Ok(Empty)
}

pub(super) static GET_SUPPORT_PLAN: Declaration<api::GetSupportPlan> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "supportplans:GetSupportPlan",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: get_support_plan,
};

fn get_support_plan(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::GetSupportPlanRequest,
) -> Result<api::GetSupportPlanResponse, Failure> {
    let Support { plan, since } = match own::settings(ctx, txn).support {
        Some(support) => support,
        None => Support { plan: SupportPlan::Basic, since: own::account(ctx, txn)?.created },
    };
    let plan = match plan {
        SupportPlan::Basic => api::SupportPlan::Basic,
        SupportPlan::Developer => api::SupportPlan::Developer,
        SupportPlan::Business => api::SupportPlan::Business,
        SupportPlan::Enterprise => api::SupportPlan::Enterprise,
    };
    Ok(api::GetSupportPlanResponse { plan, since })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    #[test]
    fn plan_is_basic_from_the_opening_until_the_root_user_chooses_another() {
        let bench = Bench::new();
        let opened = bench.now();
        let get = || {
            let shown = bench.run(&GET_SUPPORT_PLAN, Default::default()).unwrap();
            (shown.plan, shown.since)
        };
        let put = |plan| bench.run(&PUT_SUPPORT_PLAN, api::PutSupportPlanRequest { plan });
        bench.pass_seconds(60);
        put(api::SupportPlan::Basic).unwrap();
        assert_eq!(get(), (api::SupportPlan::Basic, opened));
        for plan in [api::SupportPlan::Developer, api::SupportPlan::Business, api::SupportPlan::Enterprise] {
            bench.pass_seconds(60);
            let chosen = bench.now();
            put(plan).unwrap();
            bench.pass_seconds(60);
            put(plan).unwrap();
            assert_eq!(get(), (plan, chosen));
        }
        bench.add_user("ann");
        bench.call_as_user("ann");
        assert_eq!(put(api::SupportPlan::Basic).unwrap_err().status, 403);
        assert_eq!(get().0, api::SupportPlan::Enterprise);
    }
}
