//! `ExplainMemberRoot`: what the root user of an account of the organization can do, and which of its policies say so.
//!
//! Each question is put to the policy engine as the root user itself, with what follows from the account and the time. What a
//! request would say beside that (its address, its region, a second factor) is not known, and where the answer turns on it, it
//! says so.
//!
//! For whoever may look at the organization. It tells nothing of the account but what its organization's policies say, and where
//! the account's own guard policy decides, that it does: not what that says, which is the account's.

use rootward_api::rootward as api;
use rootward_auth::authz::{self, Question};
use rootward_auth::{Identity, Principal};
use rootward_names::{AccountId, Arn};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_policy::{
    Cause, Context, Effect as StatementEffect, Explanation, Layer, Outcome, Outlook, Source, StatementTrace,
};
use rootward_state::entities::AccountStatus;
use rootward_state::{OrganizationState, Target as Child, Txn, World};

use super::{failures, policy_type};
use crate::organizations::overview;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&EXPLAIN_MEMBER_ROOT];

static EXPLAIN_MEMBER_ROOT: Declaration<api::ExplainMemberRoot> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "rootward:ExplainMemberRoot",
            when: always,
            target: |scope, input| overview::target(scope, &input.account_id),
            keys: &[],
        },
        // As for root credentials: who may do everything but what is about organizations learns nothing of their policies.
        Rule {
            action: "organizations:DescribeAccount",
            when: always,
            target: |scope, input| overview::target(scope, &input.account_id),
            keys: &[],
        },
    ],
    run: explain_member_root,
};

fn explain_member_root(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ExplainMemberRootRequest,
) -> Result<api::ExplainMemberRootResponse, Failure> {
    let state = overview::seen(ctx, txn).map_err(failures::organization_unseen)?;
    let found = overview::find(&state, &input.account_id);
    let Some(Child::Account(account)) = found else {
        return Err(failures::nothing_in_organization(&input.account_id));
    };
    let partition = state.organization().partition;
    let root =
        ctx.with_random(|random| Principal::in_question(account, partition, Identity::Root, ctx.now, random));
    let world = txn.world();
    let verdict = |question| answer(ctx, world, &state, &root, question);
    for question in &input.questions {
        check_owner(account, question)?;
    }
    let verdicts = input.questions.iter().map(verdict).collect::<Option<Vec<_>>>();
    Ok(api::ExplainMemberRootResponse {
        account_id: account.to_string(),
        verdicts: verdicts.ok_or_else(|| failures::nothing_in_organization(&input.account_id))?,
    })
}

/// What bounds the resources of another account is not among what binds this one, and so nothing that can be told here.
fn check_owner(account: AccountId, question: &api::RootQuestion) -> Result<(), Failure> {
    let arn = question.resource_arn.as_deref().and_then(|resource| Arn::parse(resource).ok());
    let owner = arn.and_then(|arn| arn.account.parse::<AccountId>().ok());
    match owner.filter(|owner| *owner != account) {
        Some(owner) => Err(failures::resource_of_another_account(account, owner)),
        None => Ok(()),
    }
}

/// None for an account that is gone.
fn answer(
    ctx: &OpContext<'_>,
    world: &World,
    state: &OrganizationState,
    root: &Principal,
    question: &api::RootQuestion,
) -> Option<api::RootVerdict> {
    let resource = question.resource_arn.as_deref().unwrap_or("*");
    let asked = Question {
        action: &question.action,
        resource,
        resource_account: root.account,
        trust: None,
        now: ctx.now,
    };
    let is_let_in = world.account(root.account)?.account().status == AccountStatus::Active;
    authz::explain(world, root, &asked, &Context::new(), |explanation| {
        let told = if is_let_in { Told::of(explanation) } else { Told::kept_out() };
        let level = told.level.and_then(|level| state.target_at(root.account, level));
        let policies = told.statements.iter();
        api::RootVerdict {
            action: question.action.clone(),
            resource_arn: resource.to_owned(),
            verdict: told.verdict,
            reason: told.reason,
            target_id: level.map(|target| target.to_string()),
            policies: policies
                .filter_map(|(level, cause)| deciding(state, root.account, *level, cause))
                .collect(),
            missing_keys: told.missing_keys,
        }
    })
}

/// What an explanation comes to.
struct Told<'a> {
    verdict: api::RootVerdictType,
    reason: api::RootVerdictReason,
    /// The level at which nothing allows it.
    level: Option<usize>,
    /// The statements that decide, each with the level of its policy.
    statements: Vec<(usize, Cause<'a>)>,
    missing_keys: Vec<String>,
}

impl<'a> Told<'a> {
    fn kept_out() -> Self {
        Self::new(api::RootVerdictType::Denied, api::RootVerdictReason::AccountState)
    }

    fn new(verdict: api::RootVerdictType, reason: api::RootVerdictReason) -> Self {
        Self { verdict, reason, level: None, statements: Vec::new(), missing_keys: Vec::new() }
    }

    fn of(explanation: &Explanation<'a>) -> Self {
        let denies = |it: &StatementTrace<'a>| {
            let is_matched = it.verdict == rootward_policy::Verdict::Matched;
            it.effect == StatementEffect::Deny && is_matched && unknown_keys(explanation, it).is_empty()
        };
        let is_open = |it: &StatementTrace<'a>| {
            let is_open = it.open && explanation.outlook == Outlook::Depends;
            is_open && !unknown_keys(explanation, it).is_empty()
        };
        let (denying, open) = (placed(explanation, denies), placed(explanation, is_open));
        let statements = |found: Vec<(usize, &StatementTrace<'a>)>| {
            found.into_iter().map(|(level, it)| (level, it.cause)).collect()
        };
        if !denying.is_empty() {
            let told = Self::new(api::RootVerdictType::Denied, api::RootVerdictReason::ExplicitDeny);
            return Self { statements: statements(denying), ..told };
        }
        if in_guard(explanation, denies) {
            return Self::new(api::RootVerdictType::Denied, api::RootVerdictReason::GuardPolicy);
        }
        if !open.is_empty() {
            let mut missing_keys: Vec<_> =
                open.iter().flat_map(|(_, it)| unknown_keys(explanation, it)).collect();
            missing_keys.sort_unstable();
            missing_keys.dedup();
            let told = Self::new(api::RootVerdictType::Depends, api::RootVerdictReason::Condition);
            return Self { statements: statements(open), missing_keys, ..told };
        }
        if in_guard(explanation, is_open) {
            return Self::new(api::RootVerdictType::Depends, api::RootVerdictReason::GuardPolicy);
        }
        match explanation.decision.outcome {
            Outcome::Allowed => Self::new(api::RootVerdictType::Allowed, api::RootVerdictReason::RootUser),
            Outcome::ExplicitDeny | Outcome::ImplicitDeny => {
                let told = Self::new(api::RootVerdictType::Denied, api::RootVerdictReason::NoAllow);
                Self { level: lacking(explanation), ..told }
            }
        }
    }
}

/// Statements of the organization's policies, each with the level of its policy.
fn placed<'e, 'a>(
    explanation: &'e Explanation<'a>,
    is_meant: impl Fn(&StatementTrace<'a>) -> bool,
) -> Vec<(usize, &'e StatementTrace<'a>)> {
    let layers = explanation.layers.iter().filter_map(|trace| Some((trace.level.as_ref()?.number, trace)));
    let statements = layers.flat_map(|(level, trace)| trace.statements.iter().map(move |it| (level, it)));
    statements.filter(|(_, it)| is_meant(it)).collect()
}

/// Whether the guard policy of the account has such a statement.
fn in_guard<'a>(explanation: &Explanation<'a>, is_meant: impl Fn(&StatementTrace<'a>) -> bool) -> bool {
    let guards = explanation.layers.iter().filter(|trace| trace.layer == Layer::Guard);
    guards.flat_map(|trace| &trace.statements).any(is_meant)
}

/// The first level at which nothing allows what none allows.
fn lacking(explanation: &Explanation<'_>) -> Option<usize> {
    let layer = explanation.decision.layer;
    let levels = explanation.layers.iter().filter(|trace| trace.layer == layer);
    let is_organizations = matches!(layer, Layer::Scp | Layer::Rcp);
    let mut lacking = levels.filter(|trace| trace.matched(StatementEffect::Allow).next().is_none());
    lacking.next().filter(|_| is_organizations)?.level.as_ref().map(|level| level.number)
}

/// The keys that a statement looks at and nobody knows before there is a request.
fn unknown_keys(explanation: &Explanation<'_>, trace: &StatementTrace<'_>) -> Vec<String> {
    let is_missing =
        |key: &str| explanation.missing_keys.iter().any(|missing| missing.eq_ignore_ascii_case(key));
    let keys = trace.cause.context_keys().filter(|key| is_missing(key));
    keys.map(str::to_owned).collect()
}

fn deciding(
    state: &OrganizationState,
    account: AccountId,
    level: usize,
    cause: &Cause<'_>,
) -> Option<api::DecidingPolicy> {
    let Source::Managed { arn } = cause.source else { return None };
    let policy = state.policy(&arn.rsplit('/').next()?.parse().ok()?)?;
    Some(api::DecidingPolicy {
        policy_id: policy.id.to_string(),
        policy_name: policy.name.to_string(),
        policy_type: policy_type(&policy.kind)?,
        target_id: state.target_at(account, level)?.to_string(),
        statement_id: cause.sid().map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use rootward_names::OrganizationId;
    use rootward_state::RowKey;
    use rootward_state::entities::{Account, Document, OrganizationPolicyType};

    use super::*;
    use crate::guard_policy;
    use crate::organizations::testing::{
        add_policy, add_policy_of, call_as, delegate, enable_types, organization, place, unit,
    };
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";
    const DENY_ROOT: &str = r#"{"Statement":{"Sid":"NoRoot","Effect":"Deny","Action":"*","Resource":"*","Condition":
        {"ArnLike":{"aws:PrincipalArn":"arn:*:iam::*:root"},"Null":{"aws:AssumedRoot":"true"}}}}"#;
    const DENY_STOP: &str =
        r#"{"Statement":{"Effect":"Deny","Action":"cloudtrail:StopLogging","Resource":"*"}}"#;
    const ONE_REGION: &str = r#"{"Statement":{"Effect":"Deny","NotAction":"iam:*","Resource":"*","Condition":
        {"StringNotEquals":{"aws:RequestedRegion":"eu-central-1"}}}}"#;
    const ONLY_S3: &str = r#"{"Statement":{"Effect":"Allow","Action":"s3:*","Resource":"*"}}"#;

    /// An organization with a member in a unit, and both types of policies in force.
    fn bench() -> (Bench, OrganizationId, String) {
        let bench = Bench::new();
        let id = organization(&bench, &[MEMBER], &[]);
        enable_types(&bench, &id);
        place(&bench, &id, MEMBER, "Workloads");
        let unit = unit(&bench, &id, None, "Workloads");
        (bench, id, unit)
    }

    fn ask_of(bench: &Bench, account: &str, action: &str) -> Result<api::RootVerdict, Failure> {
        let questions = vec![api::RootQuestion { action: action.into(), resource_arn: None }];
        let input = api::ExplainMemberRootRequest { account_id: account.into(), questions };
        Ok(bench.run(&EXPLAIN_MEMBER_ROOT, input)?.verdicts.remove(0))
    }

    fn ask(bench: &Bench, action: &str) -> api::RootVerdict {
        ask_of(bench, MEMBER, action).unwrap()
    }

    fn names(verdict: &api::RootVerdict) -> Vec<(&str, &str)> {
        let policies = verdict.policies.iter();
        policies.map(|policy| (&*policy.policy_name, &*policy.target_id)).collect()
    }

    #[test]
    fn root_user_may_do_what_no_policy_of_its_organization_denies() {
        let (bench, id, unit) = bench();
        add_policy(&bench, &id, &unit, "KeepTrail", DENY_STOP);
        let allowed = ask(&bench, "iam:CreateAccessKey");
        assert_eq!(
            (allowed.verdict, allowed.reason),
            (api::RootVerdictType::Allowed, api::RootVerdictReason::RootUser)
        );
        let denied = ask(&bench, "cloudtrail:StopLogging");
        assert_eq!(
            (denied.verdict, denied.reason),
            (api::RootVerdictType::Denied, api::RootVerdictReason::ExplicitDeny)
        );
        assert_eq!(names(&denied), [("KeepTrail", &*unit)]);
    }

    #[test]
    fn policy_that_spares_assumed_root_users_denies_the_root_user_itself() {
        let (bench, id, unit) = bench();
        add_policy(&bench, &id, MEMBER, "DenyRoot", DENY_ROOT);
        add_policy(&bench, &id, &unit, "OneRegion", ONE_REGION);
        for action in ["iam:CreateUser", "s3:DeleteBucket"] {
            let denied = ask(&bench, action);
            assert_eq!(
                (denied.verdict, names(&denied)),
                (api::RootVerdictType::Denied, vec![("DenyRoot", MEMBER)])
            );
            assert_eq!(denied.policies[0].statement_id.as_deref(), Some("NoRoot"));
        }
    }

    #[test]
    fn what_turns_on_a_request_depends_and_says_on_what() {
        let (bench, id, unit) = bench();
        add_policy(&bench, &id, &unit, "OneRegion", ONE_REGION);
        let depends = ask(&bench, "s3:DeleteBucket");
        assert_eq!(
            (depends.verdict, depends.reason),
            (api::RootVerdictType::Depends, api::RootVerdictReason::Condition)
        );
        assert_eq!(
            (names(&depends), &*depends.missing_keys),
            (vec![("OneRegion", &*unit)], &["aws:RequestedRegion".to_owned()][..])
        );
        assert_eq!(ask(&bench, "iam:CreateUser").verdict, api::RootVerdictType::Allowed);
    }

    #[test]
    fn resource_of_another_account_is_refused_and_one_without_an_account_is_its_own() {
        let (bench, id, _) = bench();
        let text = r#"{"Statement":{"Effect":"Deny","Principal":"*","Action":"s3:*","Resource":"*"}}"#;
        add_policy_of(&bench, &id, OrganizationPolicyType::ResourceControl, MEMBER, "NoBuckets", text);
        let ask = |account: &str, resource: &str| {
            let question =
                api::RootQuestion { action: "s3:GetObject".into(), resource_arn: Some(resource.into()) };
            let input =
                api::ExplainMemberRootRequest { account_id: account.into(), questions: vec![question] };
            bench.run(&EXPLAIN_MEMBER_ROOT, input).map(|told| told.verdicts[0].clone())
        };
        for own in ["arn:aws:s3:::bucket/*", "arn:aws:s3:eu-central-1:222233334444:accesspoint/own"] {
            let denied = ask(MEMBER, own).unwrap();
            assert_eq!(names(&denied), [("NoBuckets", MEMBER)], "{own}");
            assert_eq!(denied.policies[0].policy_type, api::OrganizationPolicyType::ResourceControlPolicy);
        }
        for asking in [MEMBER, "111122223333"] {
            let other = "arn:aws:s3:eu-central-1:333344445555:accesspoint/other";
            let refused = ask(asking, other).unwrap_err();
            assert_eq!(refused.code, "ValidationException");
            assert_eq!(
                refused.message,
                format!("ResourceArn names account 333344445555: ask about resources of account {asking}.")
            );
        }
    }

    #[test]
    fn level_that_allows_nothing_of_it_is_named() {
        let (bench, id, unit) = bench();
        crate::organizations::testing::set_policies(&bench, &id, &unit, &[]);
        add_policy(&bench, &id, &unit, "OnlyS3", ONLY_S3);
        assert_eq!(ask(&bench, "s3:DeleteBucket").verdict, api::RootVerdictType::Allowed);
        let denied = ask(&bench, "iam:CreateUser");
        assert_eq!(
            (denied.verdict, denied.reason, denied.target_id.as_deref()),
            (api::RootVerdictType::Denied, api::RootVerdictReason::NoAllow, Some(&*unit))
        );
        assert!(denied.policies.is_empty());
    }

    #[test]
    fn management_account_is_bound_by_nothing() {
        let (bench, id, _) = bench();
        let root = bench.begin().world().organization(&id).unwrap().organization().root.to_string();
        add_policy(&bench, &id, &root, "DenyRoot", DENY_ROOT);
        let allowed = ask_of(&bench, "111122223333", "account:CloseAccount").unwrap();
        assert_eq!(allowed.verdict, api::RootVerdictType::Allowed);
        assert_eq!(ask(&bench, "account:CloseAccount").verdict, api::RootVerdictType::Denied);
    }

    #[test]
    fn guard_policy_of_the_management_account_is_named_as_the_reason_and_not_told() {
        let (bench, ..) = bench();
        let account: AccountId = "111122223333".parse().unwrap();
        let guard = |text: &str| {
            let document = Document::new(text);
            bench.write(|txn| drop(guard_policy::put(txn, account, document, bench.now()).unwrap()));
        };
        let ask = |action| {
            let told = ask_of(&bench, "111122223333", action).unwrap();
            assert!(told.policies.is_empty() && told.missing_keys.is_empty() && told.target_id.is_none());
            (told.verdict, told.reason)
        };
        let allowed = (api::RootVerdictType::Allowed, api::RootVerdictReason::RootUser);
        guard(DENY_STOP);
        assert_eq!(
            ask("cloudtrail:StopLogging"),
            (api::RootVerdictType::Denied, api::RootVerdictReason::GuardPolicy)
        );
        assert_eq!(ask("iam:CreateUser"), allowed);
        // Matched or not while nothing is known of the request: either way it turns on the region.
        let other = ONE_REGION.replace("StringNotEquals", "StringEquals");
        for text in [ONE_REGION, &other] {
            guard(text);
            assert_eq!(
                ask("s3:DeleteBucket"),
                (api::RootVerdictType::Depends, api::RootVerdictReason::GuardPolicy)
            );
            assert_eq!(ask("iam:CreateUser"), allowed);
        }
    }

    #[test]
    fn root_user_of_a_suspended_account_may_do_nothing() {
        let (bench, ..) = bench();
        let account: AccountId = MEMBER.parse().unwrap();
        bench.write(|txn| {
            let row = Account {
                status: AccountStatus::Suspended,
                ..Account::clone(&txn.account(account).unwrap())
            };
            txn.put(RowKey::Account(account), row);
        });
        let denied = ask(&bench, "iam:CreateUser");
        assert_eq!(
            (denied.verdict, denied.reason),
            (api::RootVerdictType::Denied, api::RootVerdictReason::AccountState)
        );
    }

    #[test]
    fn it_is_for_who_manages_the_organization_or_administers_something_for_it() {
        let (bench, ..) = bench();
        let code = |of: &str| ask_of(&bench, of, "iam:CreateUser").map(drop).map_err(|failure| failure.code);
        assert_eq!(code("999988887777"), Err("ResourceNotFoundException"));
        call_as(&bench, MEMBER);
        assert_eq!(code(MEMBER), Err("AccessDenied"));
        delegate(&bench, MEMBER, "ram.amazonaws.com");
        assert_eq!(code("111122223333"), Ok(()));
    }

    #[test]
    fn it_is_authorized_on_the_account() {
        let (bench, ..) = bench();
        let questions = vec![api::RootQuestion { action: "iam:CreateUser".into(), resource_arn: None }];
        let input = api::ExplainMemberRootRequest { account_id: MEMBER.into(), questions };
        let (action, target) = bench.targets(&EXPLAIN_MEMBER_ROOT, &input).remove(0);
        assert_eq!(action, "rootward:ExplainMemberRoot");
        assert!(
            target.arn.ends_with("/222233334444") && target.arn.contains(":account/o-"),
            "{}",
            target.arn
        );
    }
}
