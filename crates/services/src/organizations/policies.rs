//! Policies of an organization: its own, and those that AWS attaches to everything.
//!
//! AWS's are found, listed and attached like own ones, and changed by nobody. What makes or renames a policy rewrites the organization's
//! row, so that names stay unique and [`DisablePolicyType`](super::policy_types) sees every policy; what attaches one rewrites the
//! policy's, so that a policy deleted at the same time is attached to nothing.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::{OrganizationPolicyId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Organization, OrganizationPolicy, OrganizationPolicyType};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Empty;

use super::page::Ask;
use super::{failures, keys, policy_documents, quotas, shown, standing, tags, targets};

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&CREATE_POLICY, &DELETE_POLICY, &DESCRIBE_POLICY, &LIST_POLICIES, &UPDATE_POLICY];

/// The type of policies that an input names.
pub(super) fn kind_of(kind: api::PolicyType) -> OrganizationPolicyType {
    OrganizationPolicyType::of_name(kind.as_str())
}

/// A policy that an input names, its own or AWS's, unguarded.
///
/// # Errors
/// `PolicyNotFoundException`.
pub(super) fn find<'s>(state: &'s OrganizationState, id: &str) -> Result<&'s OrganizationPolicy, Failure> {
    let id = id.parse::<OrganizationPolicyId>().ok();
    id.and_then(|id| state.policy(&id)).ok_or_else(failures::policy_not_found)
}

/// A policy of its own that an input names, guarded: to be changed.
///
/// # Errors
/// `PolicyNotFoundException`; `InvalidInputException` for what is AWS's.
fn own(txn: &mut Txn, state: &OrganizationState, id: &str) -> Result<Arc<OrganizationPolicy>, Failure> {
    let policy = find(state, id)?;
    if policy.is_of_aws() {
        return Err(failures::immutable_policy());
    }
    txn.get(key(state, &policy.id)).ok_or_else(failures::policy_not_found)
}

pub(super) fn key(state: &OrganizationState, policy: &OrganizationPolicyId) -> RowKey {
    RowKey::OrganizationPolicy(state.organization().id.clone(), policy.clone())
}

/// What a rule about a policy is about. Of a policy that does not exist the type is not known, and reads `*`.
pub(super) fn target(scope: &Scope<'_>, id: &str) -> Target {
    let Some(state) = standing::in_scope(scope) else { return Target::any() };
    match find(state, id) {
        Ok(policy) => Target { tags: policy.tags.clone(), ..Target::arn(arn(state.organization(), policy)) },
        Err(_) => without_row(scope, "*", id),
    }
}

/// The type of a policy that an input names, for `organizations:PolicyType`.
pub(super) fn type_of(scope: &Scope<'_>, id: &str) -> Option<String> {
    let policy = find(standing::in_scope(scope)?, id).ok()?;
    Some(policy.kind.name().to_owned())
}

fn new_target(scope: &Scope<'_>, kind: api::PolicyType) -> Target {
    without_row(scope, &kind.as_str().to_ascii_lowercase(), "p-*")
}

/// A policy that is not there; `kind` is its type in lower case.
fn without_row(scope: &Scope<'_>, kind: &str, id: &str) -> Target {
    targets::without_row(scope, "policy", &format!("{kind}/{id}"))
}

fn arn(organization: &Organization, policy: &OrganizationPolicy) -> String {
    policy.arn(organization.partition, &organization.id, organization.management)
}

/// A policy as lists show it.
pub(super) fn summary(organization: &Organization, policy: &OrganizationPolicy) -> api::PolicySummary {
    api::PolicySummary {
        id: Some(policy.id.to_string()),
        arn: Some(arn(organization, policy)),
        name: Some(policy.name.to_string()),
        description: Some(policy.description.to_string()),
        r#type: shown::policy_type(&policy.kind),
        aws_managed: Some(policy.is_of_aws()),
    }
}

fn whole(organization: &Organization, policy: &OrganizationPolicy) -> api::Policy {
    api::Policy {
        policy_summary: Some(summary(organization, policy)),
        content: Some(policy.document.text().to_owned()),
    }
}

pub(super) static CREATE_POLICY: Declaration<api::CreatePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreatePolicy",
            when: always,
            target: |scope, input| new_target(scope, input.r#type),
            keys: &[
                Key::Text(keys::POLICY_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
                Key::RequestTags(|input| tags::requested(input.tags.iter().flatten())),
            ],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| tags::any(&input.tags),
            target: |scope, input| new_target(scope, input.r#type),
            keys: &[
                Key::Text(keys::POLICY_TYPE, |_, input| Some(input.r#type.as_str().to_owned())),
                Key::RequestTags(|input| tags::requested(input.tags.iter().flatten())),
            ],
        },
    ],
    run: create_policy,
};

fn create_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreatePolicyRequest,
) -> Result<api::CreatePolicyResponse, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &CREATE_POLICY, input)?;
    let policy = New {
        id: ctx.with_random(|random| OrganizationPolicyId::random(random)),
        kind: kind_of(input.r#type),
        name: &input.name,
        description: &input.description,
        content: &input.content,
        tags: input.tags.as_deref(),
        now: ctx.now,
    };
    let policy = policy.make(txn, &state)?;
    Ok(api::CreatePolicyResponse { policy: Some(whole(state.organization(), &policy)) })
}

/// A policy that is to be made.
pub(super) struct New<'a> {
    pub(super) id: OrganizationPolicyId,
    pub(super) kind: OrganizationPolicyType,
    pub(super) name: &'a str,
    pub(super) description: &'a str,
    pub(super) content: &'a str,
    pub(super) tags: Option<&'a [api::Tag]>,
    pub(super) now: Time,
}

impl New<'_> {
    /// Makes it.
    ///
    /// # Errors
    /// As `CreatePolicy`.
    pub(super) fn make(
        self,
        txn: &mut Txn,
        state: &OrganizationState,
    ) -> Result<OrganizationPolicy, Failure> {
        let kind = self.kind;
        if !state.organization().all_features {
            return Err(failures::policy_type_not_available());
        }
        check_name(state, &kind, self.name, None)?;
        let count = state.policies().iter().filter(|(_, policy)| policy.kind == kind).count();
        if count >= quotas::of_policies(&kind).count_max {
            return Err(failures::too_many_policies());
        }
        let policy = OrganizationPolicy {
            id: self.id,
            name: self.name.into(),
            description: self.description.into(),
            document: policy_documents::checked(&kind, self.content)?,
            updated: self.now,
            tags: tags::new(self.tags)?,
            kind,
        };
        // Of those that make or rename policies at once, or delete the organization, one loses.
        let organization = standing::row(txn, &state.organization().id)?;
        standing::touch(txn, &organization);
        txn.put(key(state, &policy.id), policy.clone());
        Ok(policy)
    }
}

/// Whether a name is free among the policies of a type, but for the one that has it now.
fn check_name(
    state: &OrganizationState,
    kind: &OrganizationPolicyType,
    name: &str,
    own: Option<&OrganizationPolicyId>,
) -> Result<(), Failure> {
    let own_policies = state.policies().iter().map(|(_, policy)| &**policy);
    let mut others = own_policies.chain(OrganizationPolicy::of_aws()).filter(|other| Some(&other.id) != own);
    let taken = others.any(|other| other.kind == *kind && &*other.name == name);
    if taken { Err(failures::duplicate_policy()) } else { Ok(()) }
}

pub(super) static DESCRIBE_POLICY: Declaration<api::DescribePolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DescribePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: describe_policy,
};

fn describe_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribePolicyRequest,
) -> Result<api::DescribePolicyResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_POLICY, input)?;
    let shown = whole(state.organization(), find(&state, &input.policy_id)?);
    Ok(api::DescribePolicyResponse { policy: Some(shown) })
}

pub(super) static UPDATE_POLICY: Declaration<api::UpdatePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:UpdatePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: update_policy,
};

fn update_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdatePolicyRequest,
) -> Result<api::UpdatePolicyResponse, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &UPDATE_POLICY, input)?;
    let mut policy = OrganizationPolicy::clone(&*own(txn, &state, &input.policy_id)?);
    if let Some(name) = input.name.as_deref().filter(|name| *name != &*policy.name) {
        check_name(&state, &policy.kind, name, Some(&policy.id))?;
        let organization = standing::row(txn, &state.organization().id)?;
        standing::touch(txn, &organization);
        policy.name = name.into();
    }
    // As the service was seen to: a description can be replaced, and not be taken away.
    if let Some(description) = input.description.as_deref().filter(|text| !text.is_empty()) {
        policy.description = description.into();
    }
    if let Some(content) = &input.content {
        policy.document = policy_documents::checked(&policy.kind, content)?;
    }
    policy.updated = ctx.now;
    let shown = whole(state.organization(), &policy);
    txn.put(key(&state, &policy.id), policy);
    Ok(api::UpdatePolicyResponse { policy: Some(shown) })
}

pub(super) static DELETE_POLICY: Declaration<api::DeletePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:DeletePolicy",
        when: always,
        target: |scope, input| target(scope, &input.policy_id),
        keys: &[Key::Text(keys::POLICY_TYPE, |scope, input| type_of(scope, &input.policy_id))],
    }],
    run: delete_policy,
};

fn delete_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeletePolicyRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed_or_delegated(ctx, txn, &DELETE_POLICY, input)?;
    let policy = own(txn, &state, &input.policy_id)?;
    // Unguarded, yet safe: whoever attaches the policy rewrites its row, which is guarded.
    if state.targets_after(&policy.id, None).next().is_some() {
        return Err(failures::policy_in_use());
    }
    txn.delete(key(&state, &policy.id));
    Ok(Empty)
}

pub(super) static LIST_POLICIES: Declaration<api::ListPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListPolicies",
        when: always,
        target: |_, _| Target::any(),
        keys: &[Key::Text(keys::POLICY_TYPE, |_, input| Some(input.filter.as_str().to_owned()))],
    }],
    run: list_policies,
};

/// AWS's first, then the organization's own by id.
fn list_policies(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListPoliciesRequest,
) -> Result<api::ListPoliciesResponse, Failure> {
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = after(&ask)?;
    let state = standing::looked_at(ctx, txn, &LIST_POLICIES, input)?;
    let kind = kind_of(input.filter);
    let of_aws = OrganizationPolicy::of_aws();
    let own_after = after.as_ref().filter(|after| of_aws.iter().all(|policy| policy.id != **after));
    let own = state.policies().after(own_after).map(|(_, policy)| &**policy);
    let listed = of_aws.iter().filter(|_| after.is_none()).chain(own).filter(|policy| policy.kind == kind);
    let page =
        ask.take(listed, |policy| policy.id.to_string(), |policy| summary(state.organization(), policy));
    Ok(api::ListPoliciesResponse { policies: page.items, next_token: page.next_token })
}

/// The policy that the page before ended with.
///
/// # Errors
/// `InvalidInputException` when it ended with none.
pub(super) fn after(ask: &Ask) -> Result<Option<OrganizationPolicyId>, Failure> {
    ask.after.as_deref().map(str::parse).transpose().map_err(|_| failures::bad_next_token())
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::PolicyType::{
        ResourceControlPolicy as ResourceControl, ServiceControlPolicy as ServiceControl, TagPolicy,
    };

    use super::super::testing::policies::{
        RCP, SCP, add_member, attach, create, hand_over, organization, policy,
    };
    use super::super::testing::{self, reason, root, state};
    use super::*;
    use crate::testing::Bench;

    fn describe(bench: &Bench, id: &str) -> Result<api::Policy, Failure> {
        let input = api::DescribePolicyRequest { policy_id: id.into() };
        Ok(bench.run(&DESCRIBE_POLICY, input)?.policy.unwrap())
    }

    fn update(bench: &Bench, input: api::UpdatePolicyRequest) -> Result<api::Policy, Failure> {
        Ok(bench.run(&UPDATE_POLICY, input)?.policy.unwrap())
    }

    fn delete(bench: &Bench, id: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_POLICY, api::DeletePolicyRequest { policy_id: id.into() })
    }

    fn list(filter: api::PolicyType, next_token: Option<String>, max: i32) -> api::ListPoliciesRequest {
        api::ListPoliciesRequest { filter, next_token, max_results: Some(max) }
    }

    #[test]
    fn policy_that_is_made_is_described() {
        let bench = organization(&[]);
        let id = create(&bench, ServiceControl, "no-s3", SCP);
        let described = describe(&bench, &id).unwrap();
        assert_eq!(described.content.as_deref(), Some(SCP));
        let summary = described.policy_summary.unwrap();
        let organization = &state(&bench).organization().id.clone();
        let arn =
            format!("arn:aws:organizations::111122223333:policy/{organization}/service_control_policy/{id}");
        assert_eq!(summary.arn, Some(arn));
        assert_eq!((summary.name.as_deref(), summary.aws_managed), (Some("no-s3"), Some(false)));
        assert_eq!(summary.description.as_deref(), Some("about it"));
    }

    #[test]
    fn policies_of_aws_are_described_and_changed_by_nobody() {
        let bench = organization(&[]);
        let summary = describe(&bench, "p-FullAWSAccess").unwrap().policy_summary.unwrap();
        assert_eq!(
            summary.arn.as_deref(),
            Some("arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess")
        );
        assert_eq!(summary.aws_managed, Some(true));
        let renamed = api::UpdatePolicyRequest {
            policy_id: "p-RCPFullAWSAccess".into(),
            name: Some("mine".into()),
            ..Default::default()
        };
        for failure in [delete(&bench, "p-FullAWSAccess").unwrap_err(), update(&bench, renamed).unwrap_err()]
        {
            assert_eq!((failure.code, reason(&failure)), ("InvalidInputException", "IMMUTABLE_POLICY"));
        }
    }

    #[test]
    fn name_is_taken_once_among_the_policies_of_a_type() {
        let bench = organization(&[]);
        let (first, second) =
            (create(&bench, ServiceControl, "a", SCP), create(&bench, ServiceControl, "b", SCP));
        create(&bench, ResourceControl, "a", RCP);
        for name in ["a", "FullAWSAccess"] {
            let failure = bench.run(&CREATE_POLICY, policy(ServiceControl, name, SCP)).unwrap_err();
            assert_eq!(failure.code, "DuplicatePolicyException");
        }
        let rename = |id: &str| api::UpdatePolicyRequest {
            policy_id: id.into(),
            name: Some("a".into()),
            ..Default::default()
        };
        assert_eq!(update(&bench, rename(&second)).unwrap_err().code, "DuplicatePolicyException");
        update(&bench, rename(&first)).unwrap();
    }

    #[test]
    fn two_policies_made_at_once_do_not_both_take_a_name() {
        let bench = organization(&[]);
        let input = policy(ServiceControl, "a", SCP);
        let (_, first) = bench.run_uncommitted(&CREATE_POLICY, &input).unwrap();
        let (_, second) = bench.run_uncommitted(&CREATE_POLICY, &input).unwrap();
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn policy_is_changed_in_part() {
        let bench = organization(&[]);
        let id = create(&bench, TagPolicy, "tags", r#"{"tags":{}}"#);
        bench.pass_seconds(60);
        let content = r#"{"tags":{"team":{}}}"#;
        let changed = api::UpdatePolicyRequest {
            policy_id: id.clone(),
            content: Some(content.into()),
            description: Some(String::new()),
            ..Default::default()
        };
        update(&bench, changed).unwrap();
        let described = describe(&bench, &id).unwrap();
        assert_eq!(described.content.as_deref(), Some(content));
        let summary = described.policy_summary.unwrap();
        assert_eq!(
            (summary.name.as_deref(), summary.description.as_deref()),
            (Some("tags"), Some("about it"))
        );
        assert_eq!(state(&bench).policy(&id.parse().unwrap()).unwrap().updated, bench.now());
        let malformed =
            api::UpdatePolicyRequest { policy_id: id, content: Some("{}".into()), ..Default::default() };
        assert_eq!(update(&bench, malformed).unwrap_err().code, "MalformedPolicyDocumentException");
    }

    #[test]
    fn policy_that_is_not_there_is_not_found() {
        let bench = organization(&[]);
        for id in ["p-abcdefgh", "p-ghost"] {
            let update =
                update(&bench, api::UpdatePolicyRequest { policy_id: id.into(), ..Default::default() });
            for failure in
                [describe(&bench, id).unwrap_err(), delete(&bench, id).unwrap_err(), update.unwrap_err()]
            {
                assert_eq!(failure.code, "PolicyNotFoundException");
            }
        }
    }

    #[test]
    fn policy_goes_when_it_is_attached_to_nothing() {
        let bench = organization(&[ServiceControl]);
        let (id, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        attach(&bench, &id, &root).unwrap();
        assert_eq!(delete(&bench, &id).unwrap_err().code, "PolicyInUseException");
        testing::policies::detach(&bench, &id, &root).unwrap();
        delete(&bench, &id).unwrap();
        assert_eq!(describe(&bench, &id).unwrap_err().code, "PolicyNotFoundException");
    }

    #[test]
    fn policy_is_not_deleted_and_attached_at_once() {
        let bench = organization(&[ServiceControl]);
        let (id, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let attach = || {
            let input = testing::policies::pair(&id, &root);
            bench.run_uncommitted(&super::super::attachments::ATTACH_POLICY, &input).unwrap().1
        };
        let input = api::DeletePolicyRequest { policy_id: id.clone() };
        let deletion = bench.run_uncommitted(&DELETE_POLICY, &input).unwrap().1;
        assert!(bench.second_loses(attach(), deletion));
        testing::policies::detach(&bench, &id, &root).unwrap();
        let deletion = bench.run_uncommitted(&DELETE_POLICY, &input).unwrap().1;
        let late = attach();
        assert!(bench.second_loses(deletion, late));
    }

    #[test]
    fn organization_is_not_deleted_while_a_policy_is_made_in_it() {
        let bench = organization(&[]);
        let made = bench.run_uncommitted(&CREATE_POLICY, &policy(ServiceControl, "a", SCP)).unwrap().1;
        let deletion =
            bench.run_uncommitted(&super::super::organization::DELETE_ORGANIZATION, &Empty).unwrap().1;
        assert!(bench.second_loses(made, deletion));
    }

    #[test]
    fn lists_come_in_pages_with_the_policies_of_aws() {
        let bench = organization(&[]);
        let own: Vec<_> = (0..3).map(|n| create(&bench, ServiceControl, &format!("p{n}"), SCP)).collect();
        create(&bench, TagPolicy, "tags", r#"{"tags":{}}"#);
        let (mut seen, mut token) = (Vec::new(), None);
        loop {
            let page = bench.run(&LIST_POLICIES, list(ServiceControl, token, 1)).unwrap();
            let [only] = &*page.policies.unwrap() else { panic!("a page has one") };
            seen.push(only.id.clone().unwrap());
            token = page.next_token;
            if token.is_none() {
                break;
            }
        }
        let mut expected = own;
        expected.sort();
        expected.insert(0, "p-FullAWSAccess".to_owned());
        assert_eq!(seen, expected);
        let other = bench.run(&LIST_POLICIES, list(ResourceControl, None, 20)).unwrap().policies.unwrap();
        assert_eq!(other[0].id.as_deref(), Some("p-RCPFullAWSAccess"));
        let bad = list(ServiceControl, Some("MXg".into()), 1);
        assert_eq!(reason(&bench.run(&LIST_POLICIES, bad).unwrap_err()), "INVALID_NEXT_TOKEN");
    }

    #[test]
    fn organization_without_all_features_has_no_policies() {
        let bench = organization(&[]);
        let row = state(&bench).organization().clone();
        bench.write(|txn| {
            let row = Organization { all_features: false, ..Organization::clone(&row) };
            txn.put(RowKey::Organization(row.id.clone()), row);
        });
        let failure = bench.run(&CREATE_POLICY, policy(ServiceControl, "a", SCP)).unwrap_err();
        assert_eq!(failure.code, "PolicyTypeNotAvailableForOrganizationException");
        let failure = testing::policies::enable(&bench, ServiceControl).unwrap_err();
        assert_eq!(failure.code, "PolicyTypeNotAvailableForOrganizationException");
    }

    #[test]
    fn policies_of_a_type_have_a_quota() {
        let bench = organization(&[]);
        let kept = create(&bench, TagPolicy, "first", r#"{"tags":{}}"#);
        let state = state(&bench);
        let first = state.policy(&kept.parse().unwrap()).unwrap();
        bench.write(|txn| {
            for n in 1..1_000 {
                let id: OrganizationPolicyId = format!("p-{n:08}").parse().unwrap();
                let name = format!("tags-{n}").into();
                txn.put(key(&state, &id), OrganizationPolicy { id, name, ..first.clone() });
            }
        });
        let failure = bench.run(&CREATE_POLICY, policy(TagPolicy, "more", r#"{"tags":{}}"#)).unwrap_err();
        assert_eq!(reason(&failure), "POLICY_NUMBER_LIMIT_EXCEEDED");
        create(&bench, ServiceControl, "other", SCP);
    }

    #[test]
    fn tags_of_a_new_policy_are_kept_when_they_will_do() {
        let bench = organization(&[]);
        let tagged = |keys: &[&str]| {
            let tags = keys.iter().map(|key| api::Tag { key: (*key).into(), value: "v".into() });
            api::CreatePolicyRequest { tags: Some(tags.collect()), ..policy(ServiceControl, "a", SCP) }
        };
        for (keys, expected) in
            [(vec!["team", "Team"], "DUPLICATE_TAG_KEY"), (vec!["aws:team"], "INVALID_SYSTEM_TAGS_PARAMETER")]
        {
            assert_eq!(reason(&bench.run(&CREATE_POLICY, tagged(&keys)).unwrap_err()), expected);
        }
        let many: Vec<_> = (0..51).map(|n| format!("k{n}")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        assert_eq!(reason(&bench.run(&CREATE_POLICY, tagged(&many)).unwrap_err()), "MAX_TAG_LIMIT_EXCEEDED");
        let made = bench.run(&CREATE_POLICY, tagged(&["team"])).unwrap();
        let id = made.policy.unwrap().policy_summary.unwrap().id.unwrap();
        let targets = bench.targets(&DESCRIBE_POLICY, &api::DescribePolicyRequest { policy_id: id });
        assert_eq!(&*targets[0].1.tags[0].key, "team");
        let actions: Vec<_> =
            bench.targets(&CREATE_POLICY, &tagged(&["team"])).iter().map(|(action, _)| *action).collect();
        assert_eq!(actions, ["organizations:CreatePolicy", "organizations:TagResource"]);
    }

    #[test]
    fn members_neither_see_nor_change_policies() {
        let bench = organization(&[ServiceControl]);
        let (id, root) = (create(&bench, ServiceControl, "a", SCP), root(&bench));
        let other = add_member(&bench, "444455556666", &root);
        hand_over(&bench, &other);
        let failures = [
            describe(&bench, &id).unwrap_err(),
            delete(&bench, &id).unwrap_err(),
            bench.run(&CREATE_POLICY, policy(ServiceControl, "b", SCP)).unwrap_err(),
            bench.run(&LIST_POLICIES, list(ServiceControl, None, 20)).unwrap_err(),
            attach(&bench, &id, &root).unwrap_err(),
            testing::policies::enable(&bench, TagPolicy).unwrap_err(),
        ];
        for failure in failures {
            assert_eq!(failure.code, "AccessDeniedException");
        }
    }

    #[test]
    fn rules_name_the_policy_with_its_type() {
        let bench = organization(&[]);
        let id = create(&bench, ServiceControl, "a", SCP);
        let arn = |id: &str| {
            let targets = bench.targets(&DELETE_POLICY, &api::DeletePolicyRequest { policy_id: id.into() });
            targets[0].1.arn.clone()
        };
        assert!(arn(&id).ends_with(&format!("/service_control_policy/{id}")));
        assert!(arn("p-nosuchone").ends_with("/*/p-nosuchone"));
        assert!(arn("p-FullAWSAccess").starts_with("arn:aws:organizations::aws:policy/"));
    }
}
