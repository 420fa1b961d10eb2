//! What management policies together mean for an account: policies that configure services, merged from the root down to the account.
//!
//! - Nothing of it is kept: it is merged when it is asked for, from the policies as they are.
//! - The management account is bound like the others; only policies that decide spare it.
//!
//! DIFFERENCE: where the merged policies have faults, the answer is an empty policy, not the last one without faults; and the time is that of
//! the newest policy or of the account's joining, though attaching changes the policy too.
//!
//! Source: Organizations User Guide, "Viewing effective management policies", "Invalid effective policy alerts".

mod faults;
mod merge;
mod settings;

use std::collections::BTreeMap;

use rootward_api::organizations as api;
use rootward_names::{AccountId, NodeId, OrganizationPolicyId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Membership, OrganizationPolicy, OrganizationPolicyType};
use rootward_state::{OrganizationState, Target as Child, Txn};
use serde_json::Value;

use self::faults::Fault;
use self::merge::Merged;
pub(super) use self::settings::Settings;
use super::attachments::of_kind;
use super::page::Ask;
use super::{accounts, failures, keys, standing, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DESCRIBE_EFFECTIVE_POLICY,
    &LIST_ACCOUNTS_WITH_INVALID_EFFECTIVE_POLICY,
    &LIST_EFFECTIVE_POLICY_VALIDATION_ERRORS,
];

/// The policies of one type that configure an account, merged.
#[derive(Debug)]
struct Effective {
    merged: Merged,
    /// What is wrong with it, in order.
    faults: Vec<Fault>,
    updated: Time,
}

impl Effective {
    fn of(state: &OrganizationState, member: &Membership, kind: &OrganizationPolicyType) -> Self {
        let mut attached: Vec<&[OrganizationPolicyId]> =
            state.up(&member.parent).map(|node| &*node.policies).collect();
        attached.reverse();
        attached.push(&member.policies);
        let levels: Vec<Vec<&OrganizationPolicy>> =
            attached.into_iter().map(|policies| of_kind(state, policies, kind).collect()).collect();
        let newest = levels.iter().flatten().map(|policy| policy.updated).max();
        // What was checked when it was saved reads again.
        let read = |policy: &&OrganizationPolicy| {
            let settings = Settings::read(kind.name(), policy.document.text()).ok()?;
            Some((policy.id.clone(), settings))
        };
        let levels: Vec<Vec<_>> =
            levels.iter().map(|policies| policies.iter().filter_map(read).collect()).collect();
        let mut merged = Merged::of(levels.iter().map(Vec::as_slice));
        if kind.name() == "TAG_POLICY" {
            complete_tags(&mut merged);
        }
        merged.prune();
        let faults = faults::of(kind.name(), &merged);
        Self { merged, faults, updated: newest.unwrap_or(member.joined).max(member.joined) }
    }

    fn document(&self) -> Value {
        if self.faults.is_empty() { self.merged.document() } else { Value::Object(Default::default()) }
    }
}

/// A tag that says nothing of its spelling and values is spelled as it is written, and has any value.
fn complete_tags(merged: &mut Merged) {
    for (name, tag) in merged.children.get_mut("tags").into_iter().flat_map(|tags| &mut tags.children) {
        tag.default_to("tag_key", name.as_str().into());
        tag.default_to("tag_value", vec!["*"].into());
    }
}

/// The type that an input names.
///
/// # Errors
/// `EffectivePolicyNotFoundException` when it is not in force.
fn in_force(
    state: &OrganizationState,
    kind: api::EffectivePolicyType,
) -> Result<OrganizationPolicyType, Failure> {
    let kind = OrganizationPolicyType::of_name(kind.as_str());
    let is_in_force = state.organization().policy_types.contains(&kind);
    if is_in_force { Ok(kind) } else { Err(failures::effective_policy_not_found()) }
}

/// What a rule about an account is about; the caller's own when none is named.
fn target(scope: &Scope<'_>, account: Option<&str>) -> Target {
    let account = account.map_or(Ok(scope.ctx.account()), str::parse);
    targets::of(scope, account.ok().map(Child::Account))
}

pub(super) static DESCRIBE_EFFECTIVE_POLICY: Declaration<api::DescribeEffectivePolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeEffectivePolicy",
        when: always,
        target: |scope, input| target(scope, input.target_id.as_deref()),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.policy_type.as_str().to_owned()))],
    }],
    run: describe_effective_policy,
};

/// Every account may look at its own.
fn describe_effective_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeEffectivePolicyRequest,
) -> Result<api::DescribeEffectivePolicyResponse, Failure> {
    let caller = ctx.account();
    let target = input.target_id.as_deref().map(str::parse::<AccountId>);
    let state = match &target {
        None => standing::own(ctx, txn)?,
        Some(Ok(account)) if *account == caller => standing::own(ctx, txn)?,
        Some(_) => standing::looked_at(ctx, txn, &DESCRIBE_EFFECTIVE_POLICY, input)?,
    };
    let account = target.unwrap_or(Ok(caller)).map_err(|_| failures::target_not_supported())?;
    let member = state.member(account).ok_or_else(failures::target_not_found)?;
    let kind = in_force(&state, input.policy_type)?;
    let effective = Effective::of(&state, member, &kind);
    let shown = api::EffectivePolicy {
        policy_content: Some(effective.document().to_string()),
        last_updated_timestamp: Some(effective.updated),
        target_id: Some(account.to_string()),
        policy_type: Some(input.policy_type),
    };
    Ok(api::DescribeEffectivePolicyResponse { effective_policy: Some(shown) })
}

pub(super) static LIST_EFFECTIVE_POLICY_VALIDATION_ERRORS: Declaration<
    api::ListEffectivePolicyValidationErrors,
> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListEffectivePolicyValidationErrors",
        when: always,
        target: |scope, input| target(scope, Some(&input.account_id)),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.policy_type.as_str().to_owned()))],
    }],
    run: list_effective_policy_validation_errors,
};

/// By place. Path and time are there when there is an error.
fn list_effective_policy_validation_errors(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListEffectivePolicyValidationErrorsRequest,
) -> Result<api::ListEffectivePolicyValidationErrorsResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let state = standing::looked_at(ctx, txn, &LIST_EFFECTIVE_POLICY_VALIDATION_ERRORS, input)?;
    let account: AccountId = input.account_id.parse().map_err(|_| failures::target_not_supported())?;
    let member = state.member(account).ok_or_else(failures::account_not_found)?;
    let kind = in_force(&state, input.policy_type)?;
    let faults = Effective::of(&state, member, &kind).faults;
    let is_faulty = !faults.is_empty();
    let rest =
        faults.into_iter().filter(|fault| ask.after.as_ref().is_none_or(|after| place(fault) > *after));
    let page = ask.take(rest, place, |fault| api::EffectivePolicyValidationError {
        error_code: Some(fault.code.to_owned()),
        error_message: Some(fault.message),
        path_to_error: Some(fault.path),
        contributing_policies: Some(fault.policies.iter().map(ToString::to_string).collect()),
    });
    Ok(api::ListEffectivePolicyValidationErrorsResponse {
        account_id: Some(account.to_string()),
        policy_type: Some(input.policy_type),
        path: state.path(account).filter(|_| is_faulty).map(|path| format!("{path}{account}/")),
        evaluation_timestamp: is_faulty.then_some(ctx.now),
        next_token: page.next_token,
        effective_policy_validation_errors: page.items,
    })
}

/// A key in the order of faults.
fn place(fault: &Fault) -> String {
    format!("{}\0{}", fault.path, fault.message)
}

pub(super) static LIST_ACCOUNTS_WITH_INVALID_EFFECTIVE_POLICY: Declaration<
    api::ListAccountsWithInvalidEffectivePolicy,
> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListAccountsWithInvalidEffectivePolicy",
        when: always,
        target: |_, _| Target::any(),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.policy_type.as_str().to_owned()))],
    }],
    run: list_accounts_with_invalid_effective_policy,
};

/// By id.
fn list_accounts_with_invalid_effective_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAccountsWithInvalidEffectivePolicyRequest,
) -> Result<api::ListAccountsWithInvalidEffectivePolicyResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = ask.after.as_deref().map(str::parse::<AccountId>).transpose();
    let after = after.map_err(|_| failures::bad_next_token())?;
    let state = standing::looked_at(ctx, txn, &LIST_ACCOUNTS_WITH_INVALID_EFFECTIVE_POLICY, input)?;
    let kind = in_force(&state, input.policy_type)?;
    // Accounts in one place with the same policies have the same faults, and most are such.
    let mut known: BTreeMap<(&NodeId, Vec<&OrganizationPolicyId>), bool> = BTreeMap::new();
    let faulty = state.members().after(after.as_ref()).map(|(_, member)| &**member).filter(|member| {
        let own = of_kind(&state, &member.policies, &kind).map(|policy| &policy.id).collect();
        let is_faulty = || !Effective::of(&state, member, &kind).faults.is_empty();
        *known.entry((&member.parent, own)).or_insert_with(is_faulty)
    });
    let world = txn.world();
    let page =
        ask.take(faulty, |member| member.account.to_string(), |member| accounts::show(&state, member, world));
    Ok(api::ListAccountsWithInvalidEffectivePolicyResponse {
        accounts: page.items,
        policy_type: Some(input.policy_type),
        next_token: page.next_token,
    })
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::EffectivePolicyType;
    use rootward_api::organizations::PolicyType::{BackupPolicy, DeclarativePolicyEc2, TagPolicy};
    use serde_json::json;

    use super::super::testing::policies::{
        add_member, add_unit, attach, create, detach, hand_over, organization,
    };
    use super::super::testing::{reason, root};
    use super::*;
    use crate::testing::Bench;

    const MEMBER: &str = "444455556666";

    fn asking(kind: EffectivePolicyType, target: Option<&str>) -> api::DescribeEffectivePolicyRequest {
        api::DescribeEffectivePolicyRequest { policy_type: kind, target_id: target.map(Into::into) }
    }

    fn describe(bench: &Bench, kind: EffectivePolicyType, target: Option<&str>) -> Result<Value, Failure> {
        let answer = bench.run(&DESCRIBE_EFFECTIVE_POLICY, asking(kind, target))?;
        let content = answer.effective_policy.unwrap().policy_content.unwrap();
        Ok(serde_json::from_str(&content).unwrap())
    }

    fn errors(
        bench: &Bench,
        kind: EffectivePolicyType,
    ) -> Result<api::ListEffectivePolicyValidationErrorsResponse, Failure> {
        let input = api::ListEffectivePolicyValidationErrorsRequest {
            account_id: MEMBER.into(),
            policy_type: kind,
            next_token: None,
            max_results: None,
        };
        bench.run(&LIST_EFFECTIVE_POLICY_VALIDATION_ERRORS, input)
    }

    fn invalid(bench: &Bench, kind: EffectivePolicyType) -> Vec<String> {
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let input = api::ListAccountsWithInvalidEffectivePolicyRequest {
                policy_type: kind,
                next_token: token,
                max_results: Some(1),
            };
            let page = bench.run(&LIST_ACCOUNTS_WITH_INVALID_EFFECTIVE_POLICY, input).unwrap();
            seen.extend(page.accounts.unwrap().into_iter().map(|account| account.id.unwrap()));
            token = page.next_token;
            if token.is_none() {
                return seen;
            }
        }
    }

    /// With a unit, and a member in it.
    fn with_member(kind: api::PolicyType) -> (Bench, String, String) {
        let bench = organization(&[kind]);
        let (root, unit) = (root(&bench), add_unit(&bench, "unit"));
        add_member(&bench, MEMBER, &unit);
        (bench, root, unit)
    }

    #[test]
    fn example_of_the_user_guide_is_merged_over_root_unit_and_account() {
        let (bench, root, unit) = with_member(TagPolicy);
        let of = |name: &str, value: &str| {
            let content =
                format!(r#"{{"tags":{{"costcenter":{{"tag_key":{{"@@assign":"CostCenter"}},{value}}}}}}}"#);
            create(&bench, TagPolicy, name, &content)
        };
        let a = of("a", r#""tag_value":{"@@assign":["Development","Support"]}"#);
        let c = of(
            "c",
            r#""tag_value":{"@@append":["Marketing"]},"enforced_for":{"@@append":["dynamodb:table"]}"#,
        );
        let d = of(
            "d",
            r#""tag_value":{"@@remove":["Development","Marketing"]},"enforced_for":{"@@remove":["dynamodb:table"]}"#,
        );
        attach(&bench, &a, &root).unwrap();
        attach(&bench, &c, &unit).unwrap();
        let merged = describe(&bench, EffectivePolicyType::TagPolicy, Some(MEMBER)).unwrap();
        assert_eq!(
            merged,
            json!({"tags": {"costcenter": {
            "tag_key": "CostCenter", "tag_value": ["Development", "Support", "Marketing"], "enforced_for": ["dynamodb:table"]}}})
        );
        attach(&bench, &d, MEMBER).unwrap();
        let merged = describe(&bench, EffectivePolicyType::TagPolicy, Some(MEMBER)).unwrap();
        assert_eq!(merged.pointer("/tags/costcenter/tag_value"), Some(&json!(["Support"])));
        // Nothing but what is at the root is the management account's; the caller's own is shown when no target is named.
        let merged = describe(&bench, EffectivePolicyType::TagPolicy, None).unwrap();
        assert_eq!(merged.pointer("/tags/costcenter/tag_value"), Some(&json!(["Development", "Support"])));
    }

    #[test]
    fn order_of_attachment_decides_and_can_be_changed() {
        let (bench, root, _) = with_member(DeclarativePolicyEc2);
        let of = |hops: u8| {
            let content = format!(r#"{{"ec2_attributes":{{"hops":{{"@@assign":{hops}}}}}}}"#);
            create(&bench, DeclarativePolicyEc2, &format!("hops-{hops}"), &content)
        };
        let (first, second) = (of(1), of(2));
        let hops = || {
            let merged = describe(&bench, EffectivePolicyType::DeclarativePolicyEc2, Some(MEMBER)).unwrap();
            merged["ec2_attributes"]["hops"].clone()
        };
        attach(&bench, &first, &root).unwrap();
        attach(&bench, &second, &root).unwrap();
        assert_eq!(hops(), json!(1));
        detach(&bench, &first, &root).unwrap();
        attach(&bench, &first, &root).unwrap();
        assert_eq!(hops(), json!(2));
    }

    #[test]
    fn tag_that_says_nothing_has_any_value_and_its_name_ignores_case() {
        let (bench, root, _) = with_member(TagPolicy);
        assert_eq!(describe(&bench, EffectivePolicyType::TagPolicy, Some(MEMBER)).unwrap(), json!({}));
        let content = r#"{"tags":{"Team":{},"Stage":{"tag_value":{"@@assign":["a",1]}}}}"#;
        attach(&bench, &create(&bench, TagPolicy, "a", content), &root).unwrap();
        let below = r#"{"tags":{"stage":{"tag_value":{"@@append":["1","b"]}}}}"#;
        attach(&bench, &create(&bench, TagPolicy, "b", below), MEMBER).unwrap();
        let merged = describe(&bench, EffectivePolicyType::TagPolicy, Some(MEMBER)).unwrap();
        assert_eq!(
            merged,
            json!({"tags": {
            "stage": {"tag_key": "stage", "tag_value": ["a", "1", "b"]},
            "team": {"tag_key": "team", "tag_value": ["*"]}}})
        );
    }

    #[test]
    fn policies_are_merged_for_accounts_while_their_type_is_in_force() {
        let (bench, root, unit) = with_member(TagPolicy);
        let kind = EffectivePolicyType::TagPolicy;
        for node in [&*root, &*unit] {
            assert_eq!(reason(&describe(&bench, kind, Some(node)).unwrap_err()), "TARGET_NOT_SUPPORTED");
        }
        let unknown = describe(&bench, kind, Some("999988887777")).unwrap_err();
        assert_eq!(unknown.code, "TargetNotFoundException");
        let other = describe(&bench, EffectivePolicyType::BackupPolicy, Some(MEMBER)).unwrap_err();
        assert_eq!(other.code, "EffectivePolicyNotFoundException");
        assert_eq!(errors(&bench, EffectivePolicyType::BackupPolicy).unwrap_err().code, other.code);
    }

    #[test]
    fn member_sees_its_own_and_no_other() {
        let (bench, ..) = with_member(TagPolicy);
        hand_over(&bench, MEMBER);
        let kind = EffectivePolicyType::TagPolicy;
        assert_eq!(describe(&bench, kind, None).unwrap(), json!({}));
        assert_eq!(describe(&bench, kind, Some("111122223333")).unwrap(), json!({}));
        assert_eq!(describe(&bench, kind, Some(MEMBER)).unwrap_err().code, "AccessDeniedException");
        assert_eq!(errors(&bench, kind).unwrap_err().code, "AccessDeniedException");
        let own = bench.targets(&DESCRIBE_EFFECTIVE_POLICY, &asking(kind, None));
        assert!(
            own[0].1.arn.contains(&format!("::{MEMBER}:account/o-"))
                && own[0].1.arn.ends_with("/111122223333")
        );
    }

    #[test]
    fn plan_that_lacks_a_part_is_told_with_place_and_policies() {
        let (bench, root, _) = with_member(BackupPolicy);
        let kind = EffectivePolicyType::BackupPolicy;
        let rule = r#"{"plans":{"daily":{"rules":{"daily":{"start_backup_window_minutes":{"@@assign":60}}}},"empty":{}}}"#;
        let rule = create(&bench, BackupPolicy, "rule", rule);
        attach(&bench, &rule, MEMBER).unwrap();
        let answer = errors(&bench, kind).unwrap();
        assert!(
            answer.path.unwrap().ends_with(&format!("/{MEMBER}/")) && answer.evaluation_timestamp.is_some()
        );
        let told = answer.effective_policy_validation_errors.unwrap();
        let told: Vec<_> = told
            .iter()
            .map(|error| (error.path_to_error.as_deref().unwrap(), error.error_message.as_deref().unwrap()))
            .collect();
        assert_eq!(
            told,
            [
                ("plans/daily", "'regions' is missing"),
                ("plans/daily", "'selections' is missing"),
                ("plans/daily/rules/daily", "'target_backup_vault_name' is missing"),
            ]
        );
        assert_eq!(invalid(&bench, kind), [MEMBER]);
        assert_eq!(describe(&bench, kind, Some(MEMBER)).unwrap(), json!({}));
        let rest = r#"{"plans":{"daily":{"regions":{"@@assign":["us-east-1"]},"selections":{"tags":{"x":{"tag_key":{"@@assign":"k"}}}},
            "rules":{"daily":{"target_backup_vault_name":{"@@assign":"vault"}}}}}}"#;
        attach(&bench, &create(&bench, BackupPolicy, "rest", rest), &root).unwrap();
        let answer = errors(&bench, kind).unwrap();
        assert_eq!((answer.path, answer.evaluation_timestamp), (None, None));
        assert!(answer.effective_policy_validation_errors.unwrap().is_empty());
        assert!(invalid(&bench, kind).is_empty());
        let merged = describe(&bench, kind, Some(MEMBER)).unwrap();
        assert_eq!(
            merged.pointer("/plans/daily/rules/daily/start_backup_window_minutes"),
            Some(&json!("60"))
        );
    }

    #[test]
    fn too_many_required_tags_are_told() {
        let (bench, root, unit) = with_member(TagPolicy);
        let kind = EffectivePolicyType::TagPolicy;
        let mut policies = Vec::new();
        for (name, target) in [("a", &*root), ("b", &*unit)] {
            let tags: serde_json::Map<_, _> = (0..30)
                .map(|n| {
                    (
                        format!("{name}{n:02}"),
                        json!({"report_required_tag_for": {"@@assign": ["ec2:instance"]}}),
                    )
                })
                .collect();
            policies.push(create(&bench, TagPolicy, name, &json!({"tags": tags}).to_string()));
            attach(&bench, policies.last().unwrap(), target).unwrap();
        }
        let [told] = &*errors(&bench, kind).unwrap().effective_policy_validation_errors.unwrap() else {
            panic!("one error")
        };
        assert_eq!(told.error_code.as_deref(), Some("ELEMENTS_TOO_MANY"));
        let message = told.error_message.as_deref().unwrap();
        assert!(
            message.contains("'ec2:instance' has 60 tags") && message.ends_with("a04 and 55 more"),
            "{message}"
        );
        policies.sort();
        assert_eq!(told.contributing_policies.as_ref(), Some(&policies));
        // The management account has the first thirty alone; another member of the unit has all.
        add_member(&bench, "555566667777", &unit);
        assert_eq!(invalid(&bench, kind), [MEMBER, "555566667777"]);
    }

    #[test]
    fn time_is_that_of_the_newest_policy() {
        let (bench, root, _) = with_member(TagPolicy);
        let at = || {
            let input = asking(EffectivePolicyType::TagPolicy, Some(MEMBER));
            let answer = bench.run(&DESCRIBE_EFFECTIVE_POLICY, input).unwrap();
            answer.effective_policy.unwrap().last_updated_timestamp.unwrap()
        };
        assert_eq!(at(), bench.now());
        bench.pass_seconds(60);
        attach(&bench, &create(&bench, TagPolicy, "a", r#"{"tags":{}}"#), &root).unwrap();
        bench.pass_seconds(60);
        assert_eq!(at().plus_seconds(60), bench.now());
    }
}
