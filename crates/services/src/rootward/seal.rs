//! The seal on the root user and how it may be used: `SealRoot`, `UnsealRoot`, `PutRootAccessSettings`.
//!
//! For the root user alone. Where others must agree, the first call asks them, and is refused; the same call succeeds once they have.

use rootward_api::rootward as api;
use rootward_audit::{Call, EventId, Record, UserIdentity};
use rootward_auth::principal::root_arn;
use rootward_names::Handle;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{Document, RootGuard};
use serde_json::json;

use super::protection::{approvers, seal};
use super::{failures, root_user, with_second_factor};
use crate::root_guard::{self, Consent, Settings, Wish};
use crate::service_events;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&PUT_ROOT_ACCESS_SETTINGS, &SEAL_ROOT, &UNSEAL_ROOT];

static SEAL_ROOT: Declaration<api::SealRoot> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("rootward:SealRoot"),
    rules: &[Rule { action: "rootward:SealRoot", when: always, target: root_user, keys: &[] }],
    run: seal_root,
};

fn seal_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::SealRootRequest,
) -> Result<api::SealRootResponse, Failure> {
    // Closing it takes nothing but the root user: whoever else would like to, may.
    let guard = root_guard::seal(txn, ctx.account()).map_err(|error| failures::refused(&error))?;
    Ok(api::SealRootResponse { seal: seal(&guard, ctx.now) })
}

static UNSEAL_ROOT: Declaration<api::UnsealRoot> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("rootward:UnsealRoot"),
    rules: &[Rule { action: "rootward:UnsealRoot", when: always, target: root_user, keys: &[] }],
    run: unseal_root,
};

fn unseal_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UnsealRootRequest,
) -> Result<api::UnsealRootResponse, Failure> {
    with_second_factor(ctx)?;
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
    callers: Callers::Root("rootward:PutRootAccessSettings"),
    rules: &[Rule { action: "rootward:PutRootAccessSettings", when: always, target: root_user, keys: &[] }],
    run: put_root_access_settings,
};

fn put_root_access_settings(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutRootAccessSettingsRequest,
) -> Result<api::PutRootAccessSettingsResponse, Failure> {
    with_second_factor(ctx)?;
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
pub(super) fn agreed(ctx: &OpContext<'_>, txn: &mut Txn, wish: &Wish) -> Result<(), Failure> {
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
    let (request, reason) = (request.to_string(), wish.reason());
    let parameters = match wish.purpose().document().map(Document::text) {
        Some(policy) => json!({ "requestId": request, "reason": reason, "policy": policy }),
        None => json!({ "requestId": request, "reason": reason }),
    };
    let parameters = service_events::told(&parameters);
    let id = ctx.with_random(|random| EventId::new(ctx.now, random));
    let record = Record { request: parameters.as_deref(), ..Record::new(id, ctx.now, call, identity) };
    service_events::put(txn, record);
    Ok(())
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Seal, User};

    use super::super::access_requests::tests::say;
    use super::*;
    use crate::testing::Bench;

    /// The root user of a sealed account, who has shown a second factor.
    fn sealed() -> Bench {
        let bench = Bench::new();
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
        call_as_root(&bench);
        bench
    }

    fn call_as_root(bench: &Bench) {
        bench.call_as_root();
        bench.call_with_temporary(Some(bench.now()));
    }

    fn unseal(bench: &Bench, minutes: i32) -> Result<api::Seal, Failure> {
        let input = api::UnsealRootRequest { reason: "drill".into(), minutes };
        bench.run(&UNSEAL_ROOT, input).map(|output| output.seal)
    }

    fn put(
        bench: &Bench,
        required: i32,
        names: &[&str],
    ) -> Result<api::PutRootAccessSettingsResponse, Failure> {
        let input = api::PutRootAccessSettingsRequest {
            session_minutes: 15,
            approvals_required: required,
            approver_user_names: names.iter().map(|name| (*name).to_owned()).collect(),
        };
        bench.run(&PUT_ROOT_ACCESS_SETTINGS, input)
    }

    fn the_request(bench: &Bench) -> String {
        let state = bench.state();
        let waiting = state.root_accesses().iter().filter(|(_, row)| row.used.is_none());
        let ids: Vec<_> = waiting.map(|(id, _)| id.to_string()).collect();
        let [id] = &*ids else { panic!("{ids:?}") };
        id.clone()
    }

    #[test]
    fn root_user_breaks_the_seal_for_a_while_and_closes_it() {
        let bench = sealed();
        let seal = unseal(&bench, 5).unwrap();
        assert_eq!((seal.state, seal.reason.as_deref()), (api::SealState::Unsealed, Some("drill")));
        assert_eq!(seal.unsealed_until, Some(bench.now().plus_seconds(300)));
        let sealed = bench.run(&SEAL_ROOT, api::SealRootRequest::default()).unwrap().seal;
        assert_eq!(
            (sealed.state, sealed.unsealed_until, sealed.reason),
            (api::SealState::Sealed, None, None)
        );
        assert_eq!(bench.state().root_guard().seal, Seal::Closed);
        assert_eq!(unseal(&bench, 61).unwrap_err().code, "ValidationException");
        bench.write(|txn| root_guard::never_seal(txn, bench.account()));
        assert_eq!(unseal(&bench, 5).unwrap_err().code, "ConflictException");
    }

    #[test]
    fn nobody_but_the_root_user_with_a_second_factor_loosens_its_guard() {
        let bench = sealed();
        bench.add_user("ann");
        bench.add_role("r");
        let refusals = |bench: &Bench| {
            let sealing = bench.run(&SEAL_ROOT, api::SealRootRequest::default()).err();
            [sealing, unseal(bench, 5).err(), put(bench, 0, &[]).err()].map(|failure| {
                failure.map(|failure| {
                    assert_eq!((failure.code, failure.status), ("AccessDenied", 403));
                    failure.message
                })
            })
        };
        let is_alone = |message: Option<String>| {
            message.unwrap().ends_with("this needs the root user of account 111122223333")
        };
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        assert!(refusals(&bench).into_iter().all(is_alone));
        bench.call_as_role("r");
        assert!(refusals(&bench).into_iter().all(is_alone));
        bench.call_as_root();
        bench.call_with_temporary(None);
        let [sealing, unsealing, settings] = refusals(&bench);
        assert_eq!(sealing, None);
        for message in [unsealing, settings] {
            assert!(message.unwrap().contains("second factor"));
        }
        assert!(bench.state().root_guard().is_sealed(bench.now()));
    }

    #[test]
    fn who_must_agree_is_asked_and_the_same_call_succeeds_once_they_have() {
        let bench = sealed();
        for name in ["ann", "bob"] {
            bench.add_factor(bench.add_user(name));
        }
        let put_first = put(&bench, 1, &["ann", "bob"]).unwrap();
        assert_eq!((put_first.approvers.required, put_first.seal.session_minutes), (1, 15));
        assert_eq!(put_first.approvers.user_names, ["ann", "bob"]);
        for _ in 0..2 {
            let failure = unseal(&bench, 5).unwrap_err();
            assert_eq!((failure.code, failure.status), ("ConflictException", 409));
            assert!(failure.message.starts_with("0 of 1 approvals"), "{}", failure.message);
        }
        let request = the_request(&bench);
        assert!(bench.state().root_guard().is_sealed(bench.now()));
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        say(&bench, &request, true).unwrap();
        call_as_root(&bench);
        unseal(&bench, 5).unwrap();
        assert!(!bench.state().root_guard().is_sealed(bench.now()));
        // Used up: the next time they are asked again.
        assert_eq!(unseal(&bench, 5).unwrap_err().code, "ConflictException");
    }

    #[test]
    fn nobody_is_left_out_of_a_change_of_who_must_agree() {
        let bench = sealed();
        bench.add_factor(bench.add_user("ann"));
        put(&bench, 1, &["ann"]).unwrap();
        assert_eq!(put(&bench, 0, &[]).unwrap_err().code, "ConflictException");
        assert_eq!(bench.state().root_guard().approvals_required, 1);
        let request = the_request(&bench);
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        say(&bench, &request, true).unwrap();
        call_as_root(&bench);
        put(&bench, 0, &[]).unwrap();
        assert_eq!(bench.state().root_guard().approvals_required, 0);
        assert_eq!(put(&bench, 1, &["eve"]).unwrap_err().code, "ResourceNotFoundException");
        assert!(bench.row::<User>("eve").is_none());
    }
}
