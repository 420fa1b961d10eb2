//! The guard policy of the account: `GetGuardPolicy`, `PutGuardPolicy`, `DeleteGuardPolicy`.
//!
//! Changed by the root user alone, and never by it alone: others agree to exactly the document first, so they must be set up.

use rootward_api::rootward as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::GuardPolicy;
use rootward_wire::Empty;

use super::seal::agreed;
use super::{failures, root_user, with_second_factor};
use crate::guard_policy;
use crate::root_guard::GuardError;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&DELETE_GUARD_POLICY, &GET_GUARD_POLICY, &PUT_GUARD_POLICY];

static GET_GUARD_POLICY: Declaration<api::GetGuardPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule { action: "rootward:GetGuardPolicy", when: always, target: root_user, keys: &[] }],
    run: get_guard_policy,
};

fn get_guard_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::GetGuardPolicyRequest,
) -> Result<api::GetGuardPolicyResponse, Failure> {
    let state = ctx.view(txn)?;
    let policy = state.guard_policy().ok_or_else(|| refused(GuardError::NoGuardPolicy(ctx.account())))?;
    Ok(api::GetGuardPolicyResponse { guard_policy: shown(ctx, policy) })
}

static PUT_GUARD_POLICY: Declaration<api::PutGuardPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("rootward:PutGuardPolicy"),
    rules: &[Rule { action: "rootward:PutGuardPolicy", when: always, target: root_user, keys: &[] }],
    run: put_guard_policy,
};

fn put_guard_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutGuardPolicyRequest,
) -> Result<api::PutGuardPolicyResponse, Failure> {
    with_second_factor(ctx)?;
    let document = guard_policy::checked(&input.policy).map_err(refused)?;
    let wish = guard_policy::wish_to_put(txn, ctx.account(), &document).map_err(refused)?;
    agreed(ctx, txn, &wish)?;
    let policy = guard_policy::put(txn, ctx.account(), document, ctx.now).map_err(refused)?;
    Ok(api::PutGuardPolicyResponse { guard_policy: shown(ctx, &policy) })
}

static DELETE_GUARD_POLICY: Declaration<api::DeleteGuardPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Root("rootward:DeleteGuardPolicy"),
    rules: &[Rule { action: "rootward:DeleteGuardPolicy", when: always, target: root_user, keys: &[] }],
    run: delete_guard_policy,
};

fn delete_guard_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &api::DeleteGuardPolicyRequest,
) -> Result<Empty, Failure> {
    with_second_factor(ctx)?;
    let wish = guard_policy::wish_to_remove(txn, ctx.account()).map_err(refused)?;
    agreed(ctx, txn, &wish)?;
    guard_policy::remove(txn, ctx.account()).map_err(refused)?;
    Ok(Empty)
}

fn refused(error: GuardError) -> Failure {
    failures::refused(&error)
}

fn shown(ctx: &OpContext<'_>, policy: &GuardPolicy) -> api::GuardPolicy {
    api::GuardPolicy {
        arn: GuardPolicy::arn(ctx.partition(), ctx.account()),
        policy: policy.document.text().to_owned(),
        last_changed_date: policy.set,
    }
}

#[cfg(test)]
mod tests {
    use super::super::access_requests::tests::say;
    use super::*;
    use crate::root_guard::{self, Settings};
    use crate::testing::Bench;

    const DENY: &str =
        r#"{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"s3:*","Resource":"*"}]}"#;

    fn other() -> String {
        DENY.replace("s3", "sqs")
    }

    /// The root user of an account in which ann must agree.
    fn guarded() -> Bench {
        let bench = Bench::new();
        bench.add_factor(bench.add_user("ann"));
        require(&bench, 1);
        call_as_root(&bench);
        bench
    }

    fn require(bench: &Bench, approvals_required: u8) {
        let approvers = &["ann".to_owned()];
        let settings = Settings { session_minutes: None, approvals_required, approvers };
        bench.write(|txn| {
            drop(root_guard::change_settings(txn, bench.account(), &settings).unwrap());
        });
    }

    fn call_as_root(bench: &Bench) {
        bench.call_as_root();
        bench.call_with_temporary(Some(bench.now()));
    }

    fn put(bench: &Bench, policy: &str) -> Result<api::GuardPolicy, Failure> {
        let input = api::PutGuardPolicyRequest { policy: policy.into() };
        bench.run(&PUT_GUARD_POLICY, input).map(|output| output.guard_policy)
    }

    fn delete(bench: &Bench) -> Result<Empty, Failure> {
        bench.run(&DELETE_GUARD_POLICY, api::DeleteGuardPolicyRequest::default())
    }

    fn get(bench: &Bench) -> Result<api::GuardPolicy, Failure> {
        bench.run(&GET_GUARD_POLICY, api::GetGuardPolicyRequest::default()).map(|output| output.guard_policy)
    }

    /// Ann's word on what was asked last.
    fn ann_says(bench: &Bench, approved: bool) -> api::RootAccessRequest {
        let state = bench.state();
        let waiting =
            state.root_accesses().iter().filter(|(_, row)| row.decisions.is_empty() && row.used.is_none());
        let (id, _) = waiting.max_by_key(|(_, row)| row.requested).unwrap();
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        let request = say(bench, &id.to_string(), approved).unwrap();
        call_as_root(bench);
        bench.pass_seconds(1);
        request
    }

    fn code<T>(result: Result<T, Failure>) -> &'static str {
        result.map(drop).unwrap_err().code
    }

    #[test]
    fn approver_reads_the_document_and_the_same_call_then_sets_it() {
        let bench = guarded();
        assert_eq!(code(get(&bench)), "ResourceNotFoundException");
        let failure = put(&bench, DENY).unwrap_err();
        assert_eq!((failure.code, failure.status), ("ConflictException", 409));
        assert!(failure.message.starts_with("0 of 1 approvals"), "{}", failure.message);
        assert!(bench.state().guard_policy().is_none());
        let request = ann_says(&bench, true);
        assert_eq!(request.purpose, api::RootAccessPurpose::PutGuardPolicy);
        assert_eq!(request.policy.as_deref(), Some(DENY));
        assert!(request.reason.unwrap().starts_with("set this guard policy, SHA-256 "));
        let set = put(&bench, DENY).unwrap();
        assert_eq!((&*set.policy, set.last_changed_date), (DENY, bench.now()));
        assert_eq!(set.arn, "arn:aws:rootward::111122223333:guard-policy");
        bench.add_role("r");
        bench.call_as_role("r");
        assert_eq!(get(&bench).unwrap(), set);
        // Used up.
        call_as_root(&bench);
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
    }

    #[test]
    fn what_approvers_have_not_seen_is_not_set() {
        let bench = guarded();
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
        ann_says(&bench, true);
        for document in [other(), format!("{DENY} ")] {
            assert_eq!(code(put(&bench, &document)), "ConflictException");
        }
        assert!(bench.state().guard_policy().is_none());
        put(&bench, DENY).unwrap();
        assert_eq!(bench.state().guard_policy().unwrap().document.text(), DENY);
    }

    #[test]
    fn approval_of_what_was_to_replace_another_document_is_not_left_over() {
        let bench = guarded();
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
        ann_says(&bench, true);
        assert_eq!(code(put(&bench, &other())), "ConflictException");
        ann_says(&bench, true);
        put(&bench, &other()).unwrap();
        let failure = put(&bench, DENY).unwrap_err();
        assert!(failure.message.starts_with("0 of 1 approvals"), "{}", failure.message);
        assert_eq!(bench.state().guard_policy().unwrap().document.text(), other());
    }

    #[test]
    fn removal_needs_approval_of_this_very_document() {
        let bench = guarded();
        assert_eq!(code(delete(&bench)), "ResourceNotFoundException");
        bench.write(|txn| {
            let document = guard_policy::checked(DENY).unwrap();
            drop(guard_policy::put(txn, bench.account(), document, bench.now()).unwrap());
        });
        assert_eq!(code(delete(&bench)), "ConflictException");
        let request = ann_says(&bench, true);
        assert_eq!(request.purpose, api::RootAccessPurpose::DeleteGuardPolicy);
        assert_eq!(request.policy.as_deref(), Some(DENY));
        bench.write(|txn| {
            let document = guard_policy::checked(&other()).unwrap();
            drop(guard_policy::put(txn, bench.account(), document, bench.now()).unwrap());
        });
        assert_eq!(code(delete(&bench)), "ConflictException");
        assert_eq!(ann_says(&bench, true).policy, Some(other()));
        delete(&bench).unwrap();
        assert!(bench.state().guard_policy().is_none());
    }

    #[test]
    fn rejection_is_kept() {
        let bench = guarded();
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
        assert_eq!(ann_says(&bench, false).status, api::RootAccessRequestStatus::Rejected);
        // It is asked anew, and the word that was given grants nothing.
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
        assert_eq!(bench.state().root_accesses().len(), 2);
        assert!(bench.state().guard_policy().is_none());
    }

    #[test]
    fn nothing_is_changed_while_nobody_needs_to_agree() {
        let bench = guarded();
        require(&bench, 0);
        bench.write(|txn| {
            let document = guard_policy::checked(DENY).unwrap();
            drop(guard_policy::put(txn, bench.account(), document, bench.now()).unwrap());
        });
        for failure in [put(&bench, &other()).unwrap_err(), delete(&bench).unwrap_err()] {
            assert_eq!(failure.code, "ConflictException");
            assert!(failure.message.contains("set approvers up first"), "{}", failure.message);
        }
        assert_eq!(bench.state().guard_policy().unwrap().document.text(), DENY);
    }

    #[test]
    fn nobody_but_the_root_user_with_a_second_factor_changes_it() {
        let bench = guarded();
        bench.add_role("r");
        let refusals = |bench: &Bench| [put(bench, DENY).unwrap_err(), delete(bench).unwrap_err()];
        bench.call_as_user("ann");
        bench.call_with_temporary(Some(bench.now()));
        let mut all = refusals(&bench).to_vec();
        bench.call_as_role("r");
        all.extend(refusals(&bench));
        for failure in &all {
            assert!(failure.message.ends_with("this needs the root user of account 111122223333"));
        }
        bench.call_as_root();
        bench.call_with_temporary(None);
        all.extend(refusals(&bench));
        assert!(all.iter().all(|failure| (failure.code, failure.status) == ("AccessDenied", 403)));
        assert!(bench.state().root_accesses().iter().next().is_none());
    }

    #[test]
    fn member_sets_none() {
        let bench = guarded();
        bench.bind(&DENY.replace("Deny", "Allow").replace("s3:*", "*"));
        call_as_root(&bench);
        let failure = put(&bench, &other()).unwrap_err();
        assert_eq!(failure.code, "ConflictException");
        assert!(failure.message.contains("is a member of an organization"), "{}", failure.message);
    }

    #[test]
    fn malformed_document_is_refused_before_anybody_is_asked() {
        let bench = guarded();
        let failure = put(&bench, &DENY.replace("Deny", "Allow")).unwrap_err();
        assert_eq!((failure.code, failure.status), ("ValidationException", 400));
        assert!(
            failure.message.contains("only denies") && failure.message.ends_with("to allow."),
            "{failure:?}"
        );
        assert!(bench.state().root_accesses().iter().next().is_none());
    }

    #[test]
    fn request_is_recorded_with_the_document() {
        let bench = guarded();
        let events = bench.events();
        assert_eq!(code(put(&bench, DENY)), "ConflictException");
        let event = events.try_iter().find(|event| event["eventName"] == "RootAccessRequested").unwrap();
        assert_eq!(event["requestParameters"]["policy"], DENY);
    }

    #[test]
    fn of_two_changes_at_once_one_loses() {
        let bench = guarded();
        for document in [DENY.to_owned(), other()] {
            assert_eq!(code(put(&bench, &document)), "ConflictException");
            ann_says(&bench, true);
        }
        let run = |policy: &str| {
            let input = api::PutGuardPolicyRequest { policy: policy.into() };
            bench.run_uncommitted(&PUT_GUARD_POLICY, &input).unwrap().1
        };
        assert!(bench.second_loses(run(DENY), run(&other())));
    }
}
