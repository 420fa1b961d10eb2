//! The resource policy of an organization: what of its management is handed to principals of members.
//!
//! It can hand over what is about policies, and whatever only reads; [`standing`] asks it. Deleting it takes everything back.
//!
//! Source: Organizations User Guide, "Delegated administrator for AWS Organizations".

use rootward_api::organizations as api;
use rootward_names::ResourcePolicyId;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_policy::{ConditionEntry, Listed, Policy, PolicyKind, PrincipalType, Statement};
use rootward_reference::{AWS, AccessLevel};
use rootward_state::entities::{Document, Organization, OrganizationResourcePolicy};
use rootward_state::{RowKey, Txn};
use rootward_wire::Empty;

use super::{failures, keys, shown, standing, tags};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&DELETE_RESOURCE_POLICY, &DESCRIBE_RESOURCE_POLICY, &PUT_RESOURCE_POLICY];

/// What can be handed over besides everything that reads: the changes that ask [`standing::managed_or_delegated`].
pub(super) const DELEGATED: &[&str] = &[
    "AttachPolicy",
    "CreatePolicy",
    "DeletePolicy",
    "DetachPolicy",
    "DisablePolicyType",
    "EnablePolicyType",
    "TagResource",
    "UntagResource",
    "UpdatePolicy",
];

/// The policy there is, or what one would be called.
fn policy(scope: &Scope<'_>) -> Target {
    let Some(state) = standing::in_scope(scope) else { return Target::any() };
    match &state.organization().resource_policy {
        Some(policy) => {
            Target { tags: policy.tags.clone(), ..Target::arn(arn(state.organization(), &policy.id)) }
        }
        None => Target::arn(shown::arn(state.organization(), "resourcepolicy", "*")),
    }
}

fn arn(organization: &Organization, id: &ResourcePolicyId) -> String {
    shown::arn(organization, "resourcepolicy", id.as_str())
}

pub(super) static PUT_RESOURCE_POLICY: Declaration<api::PutResourcePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:PutResourcePolicy",
            when: always,
            target: |scope, _| policy(scope),
            keys: &[Key::RequestTags(requested)],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| input.tags.as_ref().is_some_and(|tags| !tags.is_empty()),
            target: |scope, _| policy(scope),
            keys: &[Key::RequestTags(requested)],
        },
    ],
    run: put_resource_policy,
};

fn requested(input: &api::PutResourcePolicyRequest) -> Vec<(&str, &str)> {
    input.tags.iter().flatten().map(|tag| (tag.key.as_str(), tag.value.as_str())).collect()
}

/// The one that there is keeps its id and its tags.
fn put_resource_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutResourcePolicyRequest,
) -> Result<api::PutResourcePolicyResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let mut row = Organization::clone(&*standing::row(txn, &state.organization().id)?);
    if !row.all_features {
        return Err(failures::not_all_features());
    }
    check(&input.content)?;
    let tags = input.tags.as_deref().unwrap_or_default();
    let (id, tags) = match row.resource_policy {
        Some(_) if !tags.is_empty() => return Err(failures::tags_of_existing_resource_policy()),
        Some(old) => (old.id, old.tags),
        None => (ctx.with_random(ResourcePolicyId::random), tags::new(Some(tags))?),
    };
    let policy = OrganizationResourcePolicy { id, document: Document::new(&*input.content), tags };
    row.resource_policy = Some(policy.clone());
    let resource_policy = Some(shown_policy(&row, &policy));
    txn.put(RowKey::Organization(row.id.clone()), row);
    Ok(api::PutResourcePolicyResponse { resource_policy })
}

pub(super) static DESCRIBE_RESOURCE_POLICY: Declaration<api::DescribeResourcePolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribeResourcePolicy",
        when: always,
        target: |scope, _| policy(scope),
        keys: &[],
    }],
    run: describe_resource_policy,
};

fn describe_resource_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::DescribeResourcePolicyResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_RESOURCE_POLICY, &Empty)?;
    let organization = state.organization();
    let policy = organization.resource_policy.as_ref().ok_or_else(failures::no_resource_policy)?;
    Ok(api::DescribeResourcePolicyResponse { resource_policy: Some(shown_policy(organization, policy)) })
}

pub(super) static DELETE_RESOURCE_POLICY: Declaration<api::DeleteResourcePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeleteResourcePolicy",
        when: always,
        target: |scope, _| policy(scope),
        keys: &[],
    }],
    run: delete_resource_policy,
};

fn delete_resource_policy(ctx: &OpContext<'_>, txn: &mut Txn, _: &Empty) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let mut row = Organization::clone(&*standing::row(txn, &state.organization().id)?);
    row.resource_policy.take().ok_or_else(failures::no_resource_policy)?;
    txn.put(RowKey::Organization(row.id.clone()), row);
    Ok(Empty)
}

fn shown_policy(organization: &Organization, policy: &OrganizationResourcePolicy) -> api::ResourcePolicy {
    let summary = api::ResourcePolicySummary {
        id: Some(policy.id.to_string()),
        arn: Some(arn(organization, &policy.id)),
    };
    api::ResourcePolicy {
        resource_policy_summary: Some(summary),
        content: Some(policy.document.text().to_owned()),
    }
}

/// Whether a document hands over what can be handed over, and to whom it can be.
fn check(content: &str) -> Result<(), Failure> {
    let policy = Policy::parse(content, PolicyKind::Resource)
        .map_err(|problems| failures::malformed_resource_policy(problems.aws_message()))?;
    let other = policy.principals().find(|principal| principal.kind != PrincipalType::Aws);
    if let Some(principal) = other {
        return Err(failures::principal_not_delegated_to(&principal.value));
    }
    policy.statements.iter().try_for_each(check_statement)
}

/// What is not listed is not handed over: since 2026, `NotAction`, `NotResource` and, as they let in whoever is not named, `NotPrincipal` with
/// an Allow are no part of such a policy.
fn check_statement(statement: &Statement) -> Result<(), Failure> {
    let negated = |listed: &Option<Listed>| listed.as_ref().is_some_and(|listed| listed.not);
    if negated(&statement.action) || negated(&statement.resource) {
        return Err(failures::malformed_resource_policy("NotAction and NotResource are not supported."));
    }
    if statement.principal.as_ref().is_some_and(|principals| principals.not) {
        return Err(failures::malformed_resource_policy("NotPrincipal is not supported."));
    }
    let patterns = |listed: &Option<Listed>| -> Vec<Box<str>> {
        listed.iter().flat_map(|listed| &listed.patterns).map(|pattern| pattern.value.clone()).collect()
    };
    if let Some(action) = patterns(&statement.action).iter().find(|pattern| !is_delegated(pattern)) {
        return Err(failures::action_not_delegated(action));
    }
    if let Some(resource) = patterns(&statement.resource).iter().find(|pattern| !is_of_organizations(pattern))
    {
        return Err(failures::resource_not_delegated(resource));
    }
    statement.conditions.iter().try_for_each(check_policy_types)
}

/// Whether all that a pattern of actions stands for can be handed over.
fn is_delegated(pattern: &str) -> bool {
    let is_ours =
        pattern.split_once(':').is_some_and(|(service, _)| service.eq_ignore_ascii_case("organizations"));
    let mut actions = AWS.actions_matching(pattern).peekable();
    is_ours
        && actions.peek().is_some()
        && actions.all(|action| {
            matches!(action.level(), AccessLevel::List | AccessLevel::Read)
                || DELEGATED.contains(&action.name())
        })
}

fn is_of_organizations(pattern: &str) -> bool {
    pattern == "*" || pattern.starts_with("arn:") && pattern.split(':').nth(2) == Some("organizations")
}

/// Types of policies that are named as a whole must be some.
fn check_policy_types(condition: &ConditionEntry) -> Result<(), Failure> {
    let is_about_types = condition.key.value.eq_ignore_ascii_case(keys::POLICY_TYPE);
    let is_pattern = |value: &str| value.contains(['*', '?', '$']);
    let unknown = condition
        .values
        .iter()
        .map(|value| &*value.value)
        .find(|value| is_about_types && !is_pattern(value) && value.parse::<api::PolicyType>().is_err());
    unknown.map_or(Ok(()), |value| Err(failures::policy_type_not_delegated(value)))
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{InlinePolicy, User};

    use crate::organizations::policies::CREATE_POLICY;

    use super::super::testing::{call_as, organization};
    use super::*;
    use crate::testing::Bench;

    const MEMBER: &str = "222233334444";

    fn statement(changes: &[(&str, serde_json::Value)]) -> String {
        let mut statement = serde_json::json!({
            "Effect": "Allow",
            "Principal": { "AWS": format!("arn:aws:iam::{MEMBER}:root") },
            "Action": ["organizations:CreatePolicy", "organizations:List*"],
            "Resource": "*",
        });
        for (key, value) in changes {
            statement[*key] = value.clone();
        }
        statement.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string()
    }

    fn put(bench: &Bench, content: &str, tags: &[(&str, &str)]) -> Result<api::ResourcePolicy, Failure> {
        let tags = tags.iter().map(|(key, value)| api::Tag { key: (*key).into(), value: (*value).into() });
        let tags = Some(tags.collect::<Vec<_>>()).filter(|tags| !tags.is_empty());
        let input = api::PutResourcePolicyRequest { content: content.into(), tags };
        Ok(bench.run(&PUT_RESOURCE_POLICY, input)?.resource_policy.unwrap())
    }

    fn describe(bench: &Bench) -> Result<api::ResourcePolicy, Failure> {
        Ok(bench.run(&DESCRIBE_RESOURCE_POLICY, Empty)?.resource_policy.unwrap())
    }

    fn reason(failure: &Failure) -> String {
        failure
            .members
            .iter()
            .find(|(name, _)| *name == "Reason")
            .map(|(_, value)| format!("{value:?}"))
            .unwrap()
    }

    #[test]
    fn policy_is_put_described_replaced_and_deleted() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        assert_eq!(describe(&bench).unwrap_err().code, "ResourcePolicyNotFoundException");
        let first = put(&bench, &statement(&[]), &[("team", "blue")]).unwrap();
        assert_eq!(describe(&bench).unwrap(), first);
        let summary = first.resource_policy_summary.unwrap();
        let id = summary.id.unwrap();
        assert!(summary.arn.unwrap().ends_with(&format!("/{id}")) && id.starts_with("rp-"));
        let other = statement(&[("Action", "organizations:ListRoots".into())]);
        let second = put(&bench, &other, &[]).unwrap();
        assert_eq!(second.resource_policy_summary.unwrap().id, Some(id));
        assert_eq!(second.content, Some(other));
        let tagged = put(&bench, &statement(&[]), &[("k", "v")]).unwrap_err();
        assert_eq!(tagged, failures::tags_of_existing_resource_policy());
        bench.run(&DELETE_RESOURCE_POLICY, Empty).unwrap();
        assert_eq!(bench.run(&DELETE_RESOURCE_POLICY, Empty).unwrap_err(), failures::no_resource_policy());
    }

    #[test]
    fn policy_hands_over_only_what_can_be() {
        let bench = Bench::new();
        organization(&bench, &[], &[]);
        let cases = [
            (statement(&[("Action", "organizations:CreateAccount".into())]), "UNSUPPORTED_ACTION"),
            (statement(&[("Action", "organizations:*".into())]), "UNSUPPORTED_ACTION"),
            (statement(&[("Action", "iam:ListUsers".into())]), "UNSUPPORTED_ACTION"),
            (statement(&[("Action", "*".into())]), "UNSUPPORTED_ACTION"),
            (statement(&[("Resource", "arn:aws:s3:::docs".into())]), "UNSUPPORTED_RESOURCE"),
            (
                statement(&[("Principal", serde_json::json!({ "Service": "ec2.amazonaws.com" }))]),
                "INVALID_PRINCIPAL",
            ),
            (
                statement(&[(
                    "Condition",
                    serde_json::json!({ "StringEquals": { "organizations:PolicyType": "OTHER" } }),
                )]),
                "UNSUPPORTED_POLICY_TYPE",
            ),
            (
                statement(&[("Action", ().into()), ("NotAction", "organizations:CreateAccount".into())]),
                "INVALID_RESOURCE_POLICY_JSON",
            ),
            ("{}".into(), "INVALID_RESOURCE_POLICY_JSON"),
            ("no JSON".into(), "INVALID_RESOURCE_POLICY_JSON"),
        ];
        for (content, expected) in cases {
            let refused = put(&bench, &content, &[]).unwrap_err();
            assert_eq!(refused.code, "InvalidInputException");
            assert!(reason(&refused).contains(expected), "{content}: {refused}");
        }
        for tags in [[("aws:x", "v"), ("k", "v")], [("k", "v"), ("K", "w")]] {
            assert_eq!(put(&bench, &statement(&[]), &tags).unwrap_err().code, "InvalidInputException");
        }
        let type_of = serde_json::json!({ "StringEquals": { "organizations:PolicyType": "TAG_POLICY" } });
        put(&bench, &statement(&[("Condition", type_of)]), &[]).unwrap();
    }

    #[test]
    fn members_do_not_change_the_policy_that_is_for_them() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &[]);
        put(&bench, &statement(&[]), &[]).unwrap();
        call_as(&bench, MEMBER);
        assert_eq!(put(&bench, &statement(&[]), &[]).unwrap_err(), failures::not_management());
        assert_eq!(bench.run(&DELETE_RESOURCE_POLICY, Empty).unwrap_err(), failures::not_management());
        assert_eq!(describe(&bench).unwrap_err(), failures::not_management());
    }

    /// Whether the caller may create policies of this type.
    fn may_create(bench: &Bench, policy_type: &str) -> bool {
        let input = api::CreatePolicyRequest {
            r#type: policy_type.parse().unwrap(),
            name: "p".into(),
            content: "{}".into(),
            description: String::new(),
            tags: None,
        };
        bench.with_context(&bench.caller(), |ctx, txn| {
            standing::managed_or_delegated(ctx, txn, &CREATE_POLICY, &input).is_ok()
        })
    }

    #[test]
    fn principals_of_a_member_do_what_the_policy_and_their_own_allow() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &[]);
        let user = bench.add_user_of(MEMBER.parse().unwrap(), "ann");
        let call_as_ann = |allowed: &str| {
            let document = format!(
                r#"{{"Version":"2012-10-17","Statement":{{"Effect":"Allow","Action":"{allowed}","Resource":"*"}}}}"#
            );
            let policy = InlinePolicy { name: "p".into(), document: Document::new(document) };
            let mut user = User::clone(&user);
            user.grants.inline = vec![policy];
            bench.call_as(crate::testing::principal(
                MEMBER.parse().unwrap(),
                rootward_auth::Identity::User(user.into()),
            ));
        };
        let of_type = serde_json::json!({ "StringEquals": { "organizations:PolicyType": "TAG_POLICY" } });
        assert!(may_create(&bench, "TAG_POLICY"));
        call_as_ann("organizations:*");
        assert!(!may_create(&bench, "TAG_POLICY"));
        bench.call_as_root();
        put(&bench, &statement(&[("Condition", of_type)]), &[]).unwrap();
        call_as_ann("organizations:*");
        assert!(may_create(&bench, "TAG_POLICY"));
        assert!(!may_create(&bench, "SERVICE_CONTROL_POLICY"));
        call_as_ann("organizations:ListRoots");
        assert!(!may_create(&bench, "TAG_POLICY"));
        call_as(&bench, MEMBER);
        assert!(may_create(&bench, "TAG_POLICY"));
    }

    #[test]
    fn denial_in_the_policy_binds_delegated_administrators_who_look() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &["iam.amazonaws.com"]);
        crate::organizations::testing::delegate(&bench, MEMBER, "iam.amazonaws.com");
        call_as(&bench, MEMBER);
        describe(&bench).unwrap_err();
        bench.call_as_root();
        let deny = statement(&[
            ("Effect", "Deny".into()),
            ("Action", "organizations:DescribeResourcePolicy".into()),
        ]);
        put(&bench, &statement(&[]), &[]).unwrap();
        call_as(&bench, MEMBER);
        describe(&bench).unwrap();
        bench.call_as_root();
        put(&bench, &deny, &[]).unwrap();
        call_as(&bench, MEMBER);
        assert_eq!(describe(&bench).unwrap_err(), failures::not_management());
    }

    #[test]
    fn denial_in_the_policy_wins() {
        let bench = Bench::new();
        organization(&bench, &[MEMBER], &[]);
        let member = format!("arn:aws:iam::{MEMBER}:root");
        let statement = |effect: &str| {
            serde_json::json!({
                "Effect": effect,
                "Principal": { "AWS": member },
                "Action": "organizations:CreatePolicy",
                "Resource": "*",
            })
        };
        let both = [statement("Allow"), statement("Deny")];
        let content = serde_json::json!({ "Version": "2012-10-17", "Statement": both }).to_string();
        put(&bench, &content, &[]).unwrap();
        call_as(&bench, MEMBER);
        assert!(!may_create(&bench, "TAG_POLICY"));
    }
}
