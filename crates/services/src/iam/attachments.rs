//! Managed policies attached to users, groups and roles.
//!
//! An attachment is kept in the owner's row; making one rewrites the policy's row too, so that a policy deleted at the
//! same time is attached to nothing. Attaching again changes nothing.

use std::iter::Peekable;

use rootward_api::iam as api;
use rootward_names::{EntityKind, UniqueId};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::{Group, Named, PolicyRef, Role, User};
use rootward_state::{AccountState, NameKey, Txn};
use rootward_wire::Empty;

use super::owner::{Owner, changeable, check_attachable, owner};
use super::page::{Ask, Page, is_under};
use super::{failures, policies, refs, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &ATTACH_GROUP_POLICY,
    &ATTACH_ROLE_POLICY,
    &ATTACH_USER_POLICY,
    &DETACH_GROUP_POLICY,
    &DETACH_ROLE_POLICY,
    &DETACH_USER_POLICY,
    &LIST_ATTACHED_GROUP_POLICIES,
    &LIST_ATTACHED_ROLE_POLICIES,
    &LIST_ATTACHED_USER_POLICIES,
    &LIST_ENTITIES_FOR_POLICY,
];

pub(super) static ATTACH_USER_POLICY: Declaration<api::AttachUserPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:AttachUserPolicy",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone())), Key::TargetBoundary],
    }],
    run: |ctx, txn, input| attach::<User>(ctx, txn, &input.user_name, &input.policy_arn),
};

pub(super) static ATTACH_GROUP_POLICY: Declaration<api::AttachGroupPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:AttachGroupPolicy",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone()))],
    }],
    run: |ctx, txn, input| attach::<Group>(ctx, txn, &input.group_name, &input.policy_arn),
};

pub(super) static ATTACH_ROLE_POLICY: Declaration<api::AttachRolePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:AttachRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone())), Key::TargetBoundary],
    }],
    run: |ctx, txn, input| attach::<Role>(ctx, txn, &input.role_name, &input.policy_arn),
};

fn attach<T: Owner>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str, arn: &str) -> Result<Empty, Failure> {
    policies::check_arn(arn)?;
    let mut owner = changeable::<T>(ctx, txn, name)?;
    let state = ctx.view(txn)?;
    let policy = refs::by_arn(&state, ctx.partition(), arn).ok_or_else(|| failures::not_attachable(arn))?;
    check_attachable::<T>(&policy)?;
    let reference = policy.to_ref();
    if owner.grants().attached.contains(&reference) {
        return Ok(Empty);
    }
    let (quota, most) = T::ATTACHED_MAX;
    if owner.grants().attached.len() >= most {
        return Err(failures::quota_exceeded(quota, most));
    }
    if !refs::hold(txn, ctx.account(), &policy) {
        return Err(failures::not_attachable(arn));
    }
    owner.grants_mut().attached.push(reference);
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

pub(super) static DETACH_USER_POLICY: Declaration<api::DetachUserPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DetachUserPolicy",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone())), Key::TargetBoundary],
    }],
    run: |ctx, txn, input| detach::<User>(ctx, txn, &input.user_name, &input.policy_arn),
};

pub(super) static DETACH_GROUP_POLICY: Declaration<api::DetachGroupPolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DetachGroupPolicy",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone()))],
    }],
    run: |ctx, txn, input| detach::<Group>(ctx, txn, &input.group_name, &input.policy_arn),
};

pub(super) static DETACH_ROLE_POLICY: Declaration<api::DetachRolePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DetachRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::Text("iam:PolicyARN", |_, input| Some(input.policy_arn.clone())), Key::TargetBoundary],
    }],
    run: |ctx, txn, input| detach::<Role>(ctx, txn, &input.role_name, &input.policy_arn),
};

/// A policy that does not exist is not attached either: one answer for both.
fn detach<T: Owner>(ctx: &OpContext<'_>, txn: &mut Txn, name: &str, arn: &str) -> Result<Empty, Failure> {
    policies::check_arn(arn)?;
    let mut owner = changeable::<T>(ctx, txn, name)?;
    let state = ctx.view(txn)?;
    let policy = refs::by_arn(&state, ctx.partition(), arn).map(|policy| policy.to_ref());
    let policy = policy
        .filter(|policy| owner.grants().attached.contains(policy))
        .ok_or_else(|| failures::policy_not_attached(arn))?;
    owner.grants_mut().attached.retain(|attached| *attached != policy);
    txn.put_entity(ctx.account(), owner);
    Ok(Empty)
}

pub(super) static LIST_ATTACHED_USER_POLICIES: Declaration<api::ListAttachedUserPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListAttachedUserPolicies",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = attached::<User>(ctx, txn, &input.user_name, input.path_prefix.as_deref(), &ask)?;
        Ok(api::ListAttachedUserPoliciesResponse {
            is_truncated: page.is_truncated(),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    },
};

pub(super) static LIST_ATTACHED_GROUP_POLICIES: Declaration<api::ListAttachedGroupPolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListAttachedGroupPolicies",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = attached::<Group>(ctx, txn, &input.group_name, input.path_prefix.as_deref(), &ask)?;
        Ok(api::ListAttachedGroupPoliciesResponse {
            is_truncated: page.is_truncated(),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    },
};

pub(super) static LIST_ATTACHED_ROLE_POLICIES: Declaration<api::ListAttachedRolePolicies> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListAttachedRolePolicies",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: |ctx, txn, input| {
        let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
        let page = attached::<Role>(ctx, txn, &input.role_name, input.path_prefix.as_deref(), &ask)?;
        Ok(api::ListAttachedRolePoliciesResponse {
            is_truncated: page.is_truncated(),
            attached_policies: Some(page.items),
            marker: page.marker,
        })
    },
};

fn attached<T: Owner>(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    name: &str,
    path_prefix: Option<&str>,
    ask: &Ask,
) -> Result<Page<api::AttachedPolicy>, Failure> {
    let owner = owner::<T>(ctx, txn, name)?;
    let state = ctx.view(txn)?;
    let (partition, account) = (ctx.partition(), ctx.account());
    let policies = owner.grants().attached.iter().filter_map(|policy| state.policy_by_ref(policy));
    let listed = policies.filter(|policy| policy.path().starts_with(path_prefix.unwrap_or("/")));
    // By name; AWS may have a policy of the same name, so the ARN follows.
    let keyed = listed.map(|policy| {
        let arn = policy.arn(partition, account);
        (format!("{} {arn}", NameKey::new(policy.name()).as_str()), (policy, arn))
    });
    Ok(ask.few(keyed.collect(), |(policy, arn)| api::AttachedPolicy {
        policy_name: Some(policy.name().to_owned()),
        policy_arn: Some(arn),
    }))
}

pub(super) static LIST_ENTITIES_FOR_POLICY: Declaration<api::ListEntitiesForPolicy> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListEntitiesForPolicy",
        when: always,
        target: |scope, input| targets::policy(scope, &input.policy_arn),
        keys: &[],
    }],
    run: list_entities_for_policy,
};

/// In the order of unique ids, which is by kind; one page costs the page, however many use the policy.
fn list_entities_for_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListEntitiesForPolicyRequest,
) -> Result<api::ListEntitiesForPolicyResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let after =
        ask.after().map(str::parse::<UniqueId>).transpose().map_err(|_| failures::invalid_marker())?;
    let policy = policies::find(ctx, txn, &input.policy_arn)?.to_ref();
    let state = ctx.view(txn)?;
    let wanted = kind_wanted(input.entity_filter);
    let users = users_of(&state, &policy, input.policy_usage_filter, after);
    let entities = users
        .filter(|id| wanted.is_none_or(|kind| kind == Some(id.kind())))
        .filter_map(|id| Entity::by_id(&state, id))
        .filter(|entity| entity.is_under(input.path_prefix.as_deref()));
    let page = ask.take(entities.map(|entity| (entity.id().to_string(), entity)), |entity| entity);
    let mut answer = api::ListEntitiesForPolicyResponse {
        policy_groups: Some(Vec::new()),
        policy_users: Some(Vec::new()),
        policy_roles: Some(Vec::new()),
        is_truncated: page.is_truncated(),
        marker: page.marker,
    };
    for entity in page.items {
        entity.show(&mut answer);
    }
    Ok(answer)
}

/// `Some(None)`: the filter asks for policies, which no policy is attached to.
fn kind_wanted(filter: Option<api::EntityType>) -> Option<Option<EntityKind>> {
    filter.map(|filter| match filter {
        api::EntityType::Group => Some(EntityKind::Group),
        api::EntityType::Role => Some(EntityKind::Role),
        api::EntityType::User => Some(EntityKind::User),
        api::EntityType::AwsManagedPolicy | api::EntityType::LocalManagedPolicy => None,
    })
}

/// Ids of those that use a policy in this way, or in any.
fn users_of<'a>(
    state: &'a AccountState,
    policy: &PolicyRef,
    usage: Option<api::PolicyUsageType>,
    after: Option<UniqueId>,
) -> Box<dyn Iterator<Item = UniqueId> + 'a> {
    let attached = state.attached_to_after(policy, after);
    let bounded = state.bounded_by_after(policy, after);
    match usage {
        Some(api::PolicyUsageType::PermissionsPolicy) => Box::new(attached),
        Some(api::PolicyUsageType::PermissionsBoundary) => Box::new(bounded),
        None => Box::new(Union { left: attached.peekable(), right: bounded.peekable() }),
    }
}

/// Two ascending iterators as one, without repetition.
struct Union<L: Iterator, R: Iterator> {
    left: Peekable<L>,
    right: Peekable<R>,
}

impl<T: Ord, L: Iterator<Item = T>, R: Iterator<Item = T>> Iterator for Union<L, R> {
    type Item = T;

    fn next(&mut self) -> Option<T> {
        match (self.left.peek(), self.right.peek()) {
            (Some(left), Some(right)) if left == right => {
                self.right.next();
                self.left.next()
            }
            (Some(left), Some(right)) if left > right => self.right.next(),
            (Some(_), _) => self.left.next(),
            (None, _) => self.right.next(),
        }
    }
}

/// What can use a policy.
enum Entity<'a> {
    Group(&'a Group),
    Role(&'a Role),
    User(&'a User),
}

impl<'a> Entity<'a> {
    fn by_id(state: &'a AccountState, id: UniqueId) -> Option<Self> {
        match id.kind() {
            EntityKind::Group => state.by_id::<Group>(id).map(|group| Self::Group(group)),
            EntityKind::Role => state.by_id::<Role>(id).map(|role| Self::Role(role)),
            EntityKind::User => state.by_id::<User>(id).map(|user| Self::User(user)),
            EntityKind::InstanceProfile | EntityKind::Policy => None,
        }
    }

    fn id(&self) -> UniqueId {
        match self {
            Self::Group(group) => group.id,
            Self::Role(role) => role.id,
            Self::User(user) => user.id,
        }
    }

    fn is_under(&self, prefix: Option<&str>) -> bool {
        match self {
            Self::Group(group) => is_under(prefix, *group),
            Self::Role(role) => is_under(prefix, *role),
            Self::User(user) => is_under(prefix, *user),
        }
    }

    /// Adds it to the list of its kind.
    fn show(&self, answer: &mut api::ListEntitiesForPolicyResponse) {
        let id = Some(self.id().to_string());
        match self {
            Self::Group(group) => answer
                .policy_groups
                .get_or_insert_default()
                .push(api::PolicyGroup { group_name: Some(group.name().to_owned()), group_id: id }),
            Self::Role(role) => answer
                .policy_roles
                .get_or_insert_default()
                .push(api::PolicyRole { role_name: Some(role.name().to_owned()), role_id: id }),
            Self::User(user) => answer
                .policy_users
                .get_or_insert_default()
                .push(api::PolicyUser { user_name: Some(user.name().to_owned()), user_id: id }),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::iam::boundaries::PUT_USER_PERMISSIONS_BOUNDARY;
    use crate::iam::groups::CREATE_GROUP;
    use crate::iam::policies::tests::{ADMINISTRATOR, arn, create};
    use crate::testing::Bench;

    fn attach_request(user: &str, policy_arn: &str) -> api::AttachUserPolicyRequest {
        api::AttachUserPolicyRequest { user_name: user.into(), policy_arn: policy_arn.into() }
    }

    fn attach(bench: &Bench, user: &str, policy_arn: &str) -> Result<Empty, Failure> {
        bench.run(&ATTACH_USER_POLICY, attach_request(user, policy_arn))
    }

    fn detach(bench: &Bench, policy_arn: &str) -> Result<Empty, Failure> {
        let request = api::DetachUserPolicyRequest { user_name: "ann".into(), policy_arn: policy_arn.into() };
        bench.run(&DETACH_USER_POLICY, request)
    }

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.add_user("ann");
        create(&bench, "read");
        bench
    }

    fn attached_to_ann(bench: &Bench) -> Vec<PolicyRef> {
        bench.row::<User>("ann").unwrap().grants.attached.clone()
    }

    #[test]
    fn policy_attached_twice_is_attached_once() {
        let bench = bench();
        attach(&bench, "ann", &arn("read")).unwrap();
        attach(&bench, "ANN", &arn("read")).unwrap();
        attach(&bench, "ann", ADMINISTRATOR).unwrap();
        assert_eq!(attached_to_ann(&bench).len(), 2);
        detach(&bench, &arn("read")).unwrap();
        assert_eq!(attached_to_ann(&bench), [PolicyRef::Aws("AdministratorAccess".into())]);
    }

    #[test]
    fn attaching_answers_as_recorded() {
        let bench = bench();
        let error = attach(&bench, "ann", "longpolicynamebutnoarn").unwrap_err();
        assert_eq!((error.code, error.status), ("ValidationError", 400));
        assert_eq!(error.message, "Invalid ARN:  Could not be parsed!");
        let error = attach(&bench, "ann", &arn("read123")).unwrap_err();
        assert_eq!((error.code, error.status), ("NoSuchEntity", 404));
        assert_eq!(error.message, format!("Policy {} does not exist or is not attachable.", arn("read123")));
        assert_eq!(attach(&bench, "bob", &arn("read")).unwrap_err(), failures::no_such_user("bob"));
    }

    #[test]
    fn policy_that_is_not_attached_or_does_not_exist_is_not_detached() {
        let bench = bench();
        for name in ["read", "none"] {
            let error = detach(&bench, &arn(name)).unwrap_err();
            assert_eq!(error.message, format!("Policy {} was not found.", arn(name)));
        }
    }

    #[test]
    fn policy_of_a_service_linked_role_is_attached_to_nothing_else() {
        let bench = bench();
        let service = "arn:aws:iam::aws:policy/aws-service-role/AccessAnalyzerServiceRolePolicy";
        assert_eq!(attach(&bench, "ann", service).unwrap_err().code, "PolicyNotAttachable");
        bench.add_role("app");
        let request = api::AttachRolePolicyRequest { role_name: "app".into(), policy_arn: service.into() };
        let error = bench.run(&ATTACH_ROLE_POLICY, request).unwrap_err();
        assert_eq!((error.code, error.status), ("PolicyNotAttachable", 400));
        assert_eq!(error.message, "Cannot attach a Service Role Policy to a Customer Role.");
    }

    #[test]
    fn eleventh_policy_is_over_the_quota() {
        let bench = bench();
        for number in 0..10 {
            create(&bench, &format!("p{number}"));
            attach(&bench, "ann", &arn(&format!("p{number}"))).unwrap();
        }
        let error = attach(&bench, "ann", &arn("read")).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("LimitExceeded", "Cannot exceed quota for PoliciesPerUser: 10")
        );
        attach(&bench, "ann", &arn("p1")).unwrap();
    }

    #[test]
    fn policies_of_roles_and_groups_are_listed_by_name_and_path() {
        let bench = bench();
        bench.add_role("app");
        let request = api::CreatePolicyRequest {
            policy_name: "administratoraccess".into(),
            path: Some("/team/".into()),
            policy_document: crate::iam::policies::tests::DOCUMENT.into(),
            ..Default::default()
        };
        bench.run(&policies::CREATE_POLICY, request).unwrap();
        for policy_arn in [arn("read"), ADMINISTRATOR.into(), arn("team/administratoraccess")] {
            bench
                .run(
                    &ATTACH_ROLE_POLICY,
                    api::AttachRolePolicyRequest { role_name: "app".into(), policy_arn },
                )
                .unwrap();
        }
        let mut names = Vec::new();
        let mut request = api::ListAttachedRolePoliciesRequest {
            role_name: "app".into(),
            max_items: Some(1),
            ..Default::default()
        };
        loop {
            let page = bench.run(&LIST_ATTACHED_ROLE_POLICIES, request.clone()).unwrap();
            names.extend(
                page.attached_policies.unwrap().into_iter().map(|policy| policy.policy_name.unwrap()),
            );
            request.marker = page.marker;
            if request.marker.is_none() {
                break;
            }
        }
        assert_eq!(names, ["administratoraccess", "AdministratorAccess", "read"]);
        let under = api::ListAttachedRolePoliciesRequest {
            role_name: "app".into(),
            path_prefix: Some("/team/".into()),
            ..Default::default()
        };
        let page = bench.run(&LIST_ATTACHED_ROLE_POLICIES, under).unwrap();
        assert_eq!(page.attached_policies.unwrap()[0].policy_arn, Some(arn("team/administratoraccess")));
        let request =
            api::ListAttachedGroupPoliciesRequest { group_name: "team".into(), ..Default::default() };
        assert_eq!(
            bench.run(&LIST_ATTACHED_GROUP_POLICIES, request).unwrap_err(),
            failures::no_such_group("team")
        );
    }

    fn entities(bench: &Bench, request: api::ListEntitiesForPolicyRequest) -> [Vec<String>; 3] {
        let answer = bench.run(&LIST_ENTITIES_FOR_POLICY, request).unwrap();
        [
            answer.policy_groups.unwrap().into_iter().map(|group| group.group_name.unwrap()).collect(),
            answer.policy_roles.unwrap().into_iter().map(|role| role.role_name.unwrap()).collect(),
            answer.policy_users.unwrap().into_iter().map(|user| user.user_name.unwrap()).collect(),
        ]
    }

    /// `read` is attached to ann, app and team, and bounds ann and bob.
    fn used() -> (Bench, api::ListEntitiesForPolicyRequest) {
        let bench = bench();
        bench.add_user("bob");
        bench.add_role("app");
        bench
            .run(
                &CREATE_GROUP,
                api::CreateGroupRequest { group_name: "team".into(), path: Some("/x/".into()) },
            )
            .unwrap();
        attach(&bench, "ann", &arn("read")).unwrap();
        let request = api::AttachRolePolicyRequest { role_name: "app".into(), policy_arn: arn("read") };
        bench.run(&ATTACH_ROLE_POLICY, request).unwrap();
        let request = api::AttachGroupPolicyRequest { group_name: "team".into(), policy_arn: arn("read") };
        bench.run(&ATTACH_GROUP_POLICY, request).unwrap();
        for user in ["ann", "bob"] {
            let request = api::PutUserPermissionsBoundaryRequest {
                user_name: user.into(),
                permissions_boundary: arn("read"),
            };
            bench.run(&PUT_USER_PERMISSIONS_BOUNDARY, request).unwrap();
        }
        (bench, api::ListEntitiesForPolicyRequest { policy_arn: arn("read"), ..Default::default() })
    }

    #[test]
    fn entities_are_listed_once_each_and_by_use() {
        let (bench, request) = used();
        let [groups, roles, mut users] = entities(&bench, request.clone());
        users.sort();
        assert_eq!(
            (groups.as_slice(), roles.as_slice()),
            (&["team".to_owned()][..], &["app".to_owned()][..])
        );
        assert_eq!(users, ["ann", "bob"]);
        let bounded = api::ListEntitiesForPolicyRequest {
            policy_usage_filter: Some(api::PolicyUsageType::PermissionsBoundary),
            ..request.clone()
        };
        let [groups, roles, users] = entities(&bench, bounded);
        assert_eq!((groups.len(), roles.len(), users.len()), (0, 0, 2));
        let granted = api::ListEntitiesForPolicyRequest {
            policy_usage_filter: Some(api::PolicyUsageType::PermissionsPolicy),
            ..request
        };
        assert_eq!(entities(&bench, granted)[2], ["ann"]);
    }

    #[test]
    fn entities_are_filtered_by_kind_and_path() {
        let (bench, request) = used();
        let roles = api::ListEntitiesForPolicyRequest {
            entity_filter: Some(api::EntityType::Role),
            ..request.clone()
        };
        assert_eq!(entities(&bench, roles), [vec![], vec!["app".to_owned()], vec![]]);
        let none = api::ListEntitiesForPolicyRequest {
            entity_filter: Some(api::EntityType::AwsManagedPolicy),
            ..request.clone()
        };
        assert_eq!(entities(&bench, none).concat(), Vec::<String>::new());
        let under = api::ListEntitiesForPolicyRequest { path_prefix: Some("/x/".into()), ..request };
        assert_eq!(entities(&bench, under).concat(), ["team"]);
    }

    #[test]
    fn pages_of_entities_hold_each_once() {
        let (bench, mut request) = used();
        request.max_items = Some(1);
        let mut seen = Vec::new();
        for _ in 0..4 {
            let answer = bench.run(&LIST_ENTITIES_FOR_POLICY, request.clone()).unwrap();
            request.marker = answer.marker.clone();
            let users = answer.policy_users.unwrap().into_iter().filter_map(|user| user.user_id);
            let roles = answer.policy_roles.unwrap().into_iter().filter_map(|role| role.role_id);
            let groups = answer.policy_groups.unwrap().into_iter().filter_map(|group| group.group_id);
            seen.extend(users.chain(roles).chain(groups));
        }
        assert_eq!(request.marker, None);
        seen.sort();
        seen.dedup();
        assert_eq!(seen.len(), 4);
    }

    #[test]
    fn rules_name_the_policy_and_the_boundary_of_the_owner() {
        let (bench, _) = used();
        let (action, target) =
            bench.targets(&ATTACH_USER_POLICY, &attach_request("ann", &arn("read"))).remove(0);
        assert_eq!(action, "iam:AttachUserPolicy");
        assert_eq!(target.shown.as_deref(), Some("user ann"));
        assert_eq!(target.boundary, Some(arn("read")));
    }

    proptest! {
        #[test]
        fn union_is_sorted_and_without_repetition(
            left in prop::collection::btree_set(0u8..40, 0..20),
            right in prop::collection::btree_set(0u8..40, 0..20),
        ) {
            let union = Union { left: left.iter().peekable(), right: right.iter().peekable() };
            prop_assert_eq!(union.collect::<Vec<_>>(), left.union(&right).collect::<Vec<_>>());
        }
    }
}
