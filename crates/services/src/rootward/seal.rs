//! The seal on the root user and how it may be used: `SealRoot`, `UnsealRoot`, `PutRootAccessSettings`.
//!
//! For the root user alone. Where others must agree, the first call asks them, and is refused; the same call succeeds once they have.

use rootward_api::rootward as api;
use rootward_audit::{Call, Entry, EventId, EventType, Record, UserIdentity};
use rootward_auth::principal::root_arn;
use rootward_names::Handle;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::RootGuard;
use serde_json::json;

use super::protection::{approvers, seal};
use super::{failures, only_root, root_user};
use crate::root_guard::{self, Consent, Settings, Wish};

pub(super) static OPERATIONS: &[&dyn Handler] = &[&PUT_ROOT_ACCESS_SETTINGS, &SEAL_ROOT, &UNSEAL_ROOT];

static SEAL_ROOT: Declaration<api::SealRoot> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:SealRoot", when: always, target: root_user, keys: &[] }],
    run: seal_root,
};

fn seal_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::SealRootRequest,
) -> Result<api::SealRootResponse, Failure> {
    only_root(ctx)?;
    let guard = root_guard::seal(txn, ctx.account()).map_err(|error| failures::refused(&error))?;
    Ok(api::SealRootResponse { seal: seal(&guard, ctx.now) })
}

static UNSEAL_ROOT: Declaration<api::UnsealRoot> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:UnsealRoot", when: always, target: root_user, keys: &[] }],
    run: unseal_root,
};

fn unseal_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UnsealRootRequest,
) -> Result<api::UnsealRootResponse, Failure> {
    only_root(ctx)?;
    // What is out of range is refused with the rule.
    let minutes = u8::try_from(input.minutes).unwrap_or_default();
    let wish = root_guard::wish_to_unseal(txn, ctx.account(), &input.reason, minutes);
    agreed(ctx, txn, &wish.map_err(|error| failures::refused(&error))?)?;
    let guard = root_guard::unseal(txn, ctx.account(), &input.reason, minutes, ctx.now);
    let guard = guard.map_err(|error| failures::refused(&error))?;
    Ok(api::UnsealRootResponse { seal: seal(&guard, ctx.now) })
}

static PUT_ROOT_ACCESS_SETTINGS: Declaration<api::PutRootAccessSettings> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:PutRootAccessSettings", when: always, target: root_user, keys: &[] }],
    run: put_root_access_settings,
};

fn put_root_access_settings(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutRootAccessSettingsRequest,
) -> Result<api::PutRootAccessSettingsResponse, Failure> {
    only_root(ctx)?;
    // What is out of range is refused with the rule.
    let number = |number: i32| u8::try_from(number).unwrap_or(u8::MAX);
    let settings = Settings {
        session_minutes: Some(number(input.session_minutes)),
        approvals_required: number(input.approvals_required),
        approvers: &input.approver_user_names,
    };
    let wish = root_guard::wish_to_change(txn, ctx.account(), &settings);
    agreed(ctx, txn, &wish.map_err(|error| failures::refused(&error))?)?;
    let guard = root_guard::change_settings(txn, ctx.account(), &settings);
    let guard: RootGuard = guard.map_err(|error| failures::refused(&error))?;
    Ok(api::PutRootAccessSettingsResponse {
        seal: seal(&guard, ctx.now),
        approvers: approvers(&guard, &*ctx.view(txn)?),
    })
}

/// Lets through what others agree to. Who has not been asked is asked now, which outlasts the refusal.
fn agreed(ctx: &OpContext<'_>, txn: &mut Txn, wish: &Wish) -> Result<(), Failure> {
    let source_ip = ctx.source_ip.to_string();
    let consent =
        ctx.with_random(|random| root_guard::consent(txn, ctx.account(), wish, &source_ip, ctx.now, random));
    match consent.map_err(|error| failures::refused(&error))? {
        Consent::Given => Ok(()),
        Consent::Awaited { request, approved, required, expires, is_new } => {
            let failure = failures::not_agreed(request, approved, required, expires);
            if !is_new {
                return Err(failure);
            }
            record_request(ctx, txn, request, wish)?;
            Err(failure.keeping_writes())
        }
    }
}

/// `RootAccessRequested`, as at a sign-in: commits with the request.
fn record_request(ctx: &OpContext<'_>, txn: &mut Txn, request: Handle, wish: &Wish) -> Result<(), Failure> {
    let (account, partition, state) = (ctx.account(), ctx.partition(), ctx.view(txn)?);
    let (arn, source_ip) = (root_arn(partition, account), ctx.source_ip.to_string());
    let call = Call {
        source: "rootward",
        name: "RootAccessRequested",
        region: partition.global_region(),
        source_ip: &source_ip,
    };
    let access_key = ctx.principal.access_key_id();
    let identity = UserIdentity::Root {
        arn: &arn,
        account,
        access_key: Some(&access_key),
        alias: state.account().alias.as_deref(),
        session: None,
    };
    let parameters = json!({ "requestId": request.to_string(), "reason": wish.reason() });
    // Values made of texts alone always have a text.
    let parameters = serde_json::value::to_raw_value(&parameters).ok();
    let id = ctx.with_random(|random| EventId::new(ctx.now, random));
    let entry = Entry::new(&Record {
        request: parameters.as_deref(),
        event_type: EventType::AwsServiceEvent,
        ..Record::new(id, ctx.now, call, identity)
    });
    txn.put_outbox(entry.id().to_bytes(), entry.json().as_bytes());
    Ok(())
}
