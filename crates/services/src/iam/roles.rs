//! Roles.
//!
//! A role is what its trust policy lets others become. Its unique id stays in sessions and trust policies, so that a role
//! made again under the same name is another one.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_names::EntityKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{Grants, Named, Role};
use rootward_wire::Empty;

use super::owner::{SERVICE_ROLE_PATH, changeable};
use super::page::{Ask, is_under};
use super::shape::Shape;
use super::{failures, quotas, refs, tags, targets, trust};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_ROLE,
    &DELETE_ROLE,
    &GET_ROLE,
    &LIST_ROLE_TAGS,
    &LIST_ROLES,
    &TAG_ROLE,
    &UNTAG_ROLE,
    &UPDATE_ASSUME_ROLE_POLICY,
    &UPDATE_ROLE,
    &UPDATE_ROLE_DESCRIPTION,
];

const TAG_QUOTA: &str = "TagsPerRole";
const SESSION_SECONDS_MAX_DEFAULT: u32 = 3_600;

pub(super) static CREATE_ROLE: Declaration<api::CreateRole> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:CreateRole",
            when: always,
            target: |scope, input| targets::new::<Role>(scope, input.path.as_deref(), &input.role_name),
            keys: &[
                Key::RequestTags(|input| tags::requested(input.tags.iter().flatten())),
                Key::Text("iam:PermissionsBoundary", |_, input| input.permissions_boundary.clone()),
            ],
        },
        Rule {
            action: "iam:TagRole",
            when: |_, input| tags::any(&input.tags),
            target: |scope, input| targets::new::<Role>(scope, input.path.as_deref(), &input.role_name),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_role,
};

fn create_role(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateRoleRequest,
) -> Result<api::CreateRoleResponse, Failure> {
    let account = ctx.account();
    let state = ctx.view(txn)?;
    if input.path.as_deref().is_some_and(|path| path.starts_with(SERVICE_ROLE_PATH)) {
        return Err(failures::service_role_path());
    }
    let trust = trust::stored(txn.world(), ctx.partition(), &input.assume_role_policy_document)?;
    let tags = tags::new(TAG_QUOTA, input.tags.as_deref())?;
    if txn.named::<Role>(account, &input.role_name).is_some() {
        return Err(failures::role_exists(&input.role_name));
    }
    if state.all::<Role>().len() >= quotas::ROLES {
        return Err(failures::quota_exceeded("RolesPerAccount", quotas::ROLES));
    }
    let boundary = match &input.permissions_boundary {
        Some(arn) => Some(refs::new_boundary::<Role>(ctx, txn, arn)?),
        None => None,
    };
    let role = Role {
        id: ctx.unique_id(EntityKind::Role),
        name: input.role_name.as_str().into(),
        path: input.path.as_deref().unwrap_or("/").into(),
        created: ctx.now,
        description: input.description.as_deref().map(Into::into),
        trust,
        session_seconds_max: session_seconds_max(input.max_session_duration),
        tags,
        grants: Grants::default(),
        boundary,
    };
    // The answer to a creation shows neither the maximum session nor the last use.
    let shown = api::Role {
        max_session_duration: None,
        role_last_used: None,
        ..Shape::new(ctx, txn.world(), &state).role(&role)
    };
    txn.put_entity(account, role);
    Ok(api::CreateRoleResponse { role: shown })
}

/// The model bounds what may be asked for: 3,600–43,200 seconds.
fn session_seconds_max(asked: Option<i32>) -> u32 {
    asked.and_then(|seconds| u32::try_from(seconds).ok()).unwrap_or(SESSION_SECONDS_MAX_DEFAULT)
}

pub(super) static GET_ROLE: Declaration<api::GetRole> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetRole",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: get_role,
};

fn get_role(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetRoleRequest,
) -> Result<api::GetRoleResponse, Failure> {
    let role = role(ctx, txn, &input.role_name)?;
    let state = ctx.view(txn)?;
    Ok(api::GetRoleResponse { role: Shape::new(ctx, txn.world(), &state).role(&role) })
}

/// The role called `name` in the caller's account, guarded.
///
/// # Errors
/// `NoSuchEntity`.
pub(super) fn role(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<Role>, Failure> {
    txn.named::<Role>(ctx.account(), name).ok_or_else(|| failures::no_such_role(name))
}

pub(super) static LIST_ROLES: Declaration<api::ListRoles> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListRoles",
        when: always,
        target: |scope, input| targets::list::<Role>(scope, input.path_prefix.as_deref()),
        keys: &[],
    }],
    run: list_roles,
};

fn list_roles(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListRolesRequest,
) -> Result<api::ListRolesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let page = ask.table(
        state.all::<Role>(),
        |role| is_under(input.path_prefix.as_deref(), role),
        |role| shape.listed_role(role),
    );
    Ok(api::ListRolesResponse { is_truncated: page.is_truncated(), roles: page.items, marker: page.marker })
}

pub(super) static UPDATE_ROLE: Declaration<api::UpdateRole> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UpdateRole",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: update_role,
};

/// A maximum that is not given falls back to one hour, as the API reference says; a description stays.
fn update_role(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateRoleRequest,
) -> Result<api::UpdateRoleResponse, Failure> {
    let mut row = changeable::<Role>(ctx, txn, &input.role_name)?;
    if let Some(description) = &input.description {
        row.description = Some(description.as_str().into());
    }
    row.session_seconds_max = session_seconds_max(input.max_session_duration);
    txn.put_entity(ctx.account(), row);
    Ok(api::UpdateRoleResponse {})
}

pub(super) static UPDATE_ROLE_DESCRIPTION: Declaration<api::UpdateRoleDescription> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UpdateRoleDescription",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: update_role_description,
};

fn update_role_description(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateRoleDescriptionRequest,
) -> Result<api::UpdateRoleDescriptionResponse, Failure> {
    let row = role(ctx, txn, &input.role_name)?;
    let mut row = Role::clone(&row);
    row.description = Some(input.description.as_str().into());
    let state = ctx.view(txn)?;
    let shown = Shape::new(ctx, txn.world(), &state).listed_role(&row);
    txn.put_entity(ctx.account(), row);
    Ok(api::UpdateRoleDescriptionResponse { role: Some(shown) })
}

pub(super) static UPDATE_ASSUME_ROLE_POLICY: Declaration<api::UpdateAssumeRolePolicy> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UpdateAssumeRolePolicy",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: update_assume_role_policy,
};

fn update_assume_role_policy(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateAssumeRolePolicyRequest,
) -> Result<Empty, Failure> {
    let row = changeable::<Role>(ctx, txn, &input.role_name)?;
    let trust = trust::stored(txn.world(), ctx.partition(), &input.policy_document)?;
    txn.put_entity(ctx.account(), Role { trust, ..row });
    Ok(Empty)
}

pub(super) static DELETE_ROLE: Declaration<api::DeleteRole> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteRole",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: delete_role,
};

/// Putting a role into an instance profile rewrites the role, so that a deletion that did not see it loses.
fn delete_role(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::DeleteRoleRequest) -> Result<Empty, Failure> {
    let row = changeable::<Role>(ctx, txn, &input.role_name)?;
    let state = ctx.view(txn)?;
    if state.profiles_of(row.id).next().is_some() {
        return Err(failures::in_instance_profile());
    }
    if !row.grants.attached.is_empty() {
        return Err(failures::has_attached_policies());
    }
    if !row.grants.inline.is_empty() {
        return Err(failures::has_inline_policies());
    }
    txn.delete_entity::<Role>(ctx.account(), row.name());
    Ok(Empty)
}

pub(super) static TAG_ROLE: Declaration<api::TagRole> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:TagRole",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::RequestTags(|input| tags::requested(&input.tags))],
    }],
    run: tag_role,
};

fn tag_role(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::TagRoleRequest) -> Result<Empty, Failure> {
    let row = changeable::<Role>(ctx, txn, &input.role_name)?;
    let tags = tags::set(TAG_QUOTA, &row.tags, &input.tags)?;
    txn.put_entity(ctx.account(), Role { tags, ..row });
    Ok(Empty)
}

pub(super) static UNTAG_ROLE: Declaration<api::UntagRole> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UntagRole",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[Key::TagKeys(|input| tags::requested_keys(&input.tag_keys))],
    }],
    run: untag_role,
};

fn untag_role(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::UntagRoleRequest) -> Result<Empty, Failure> {
    let row = changeable::<Role>(ctx, txn, &input.role_name)?;
    let tags = tags::remove(&row.tags, &input.tag_keys);
    txn.put_entity(ctx.account(), Role { tags, ..row });
    Ok(Empty)
}

pub(super) static LIST_ROLE_TAGS: Declaration<api::ListRoleTags> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListRoleTags",
        when: always,
        target: |scope, input| targets::role(scope, &input.role_name),
        keys: &[],
    }],
    run: list_role_tags,
};

fn list_role_tags(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListRoleTagsRequest,
) -> Result<api::ListRoleTagsResponse, Failure> {
    let row = role(ctx, txn, &input.role_name)?;
    let page = tags::page(&Ask::new(input.marker.as_deref(), input.max_items)?, &row.tags);
    Ok(api::ListRoleTagsResponse { is_truncated: page.is_truncated(), tags: page.items, marker: page.marker })
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Document, InlinePolicy, PolicyRef};

    use super::*;
    use crate::testing::Bench;

    const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}, "Action": "sts:AssumeRole"}}"#;

    fn request(name: &str) -> api::CreateRoleRequest {
        let assume_role_policy_document = TRUST.into();
        api::CreateRoleRequest { role_name: name.into(), assume_role_policy_document, ..Default::default() }
    }

    fn create(bench: &Bench, name: &str) -> Result<api::Role, Failure> {
        bench.run(&CREATE_ROLE, request(name)).map(|output| output.role)
    }

    fn get(bench: &Bench, name: &str) -> Result<api::Role, Failure> {
        bench.run(&GET_ROLE, api::GetRoleRequest { role_name: name.into() }).map(|output| output.role)
    }

    fn delete(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_ROLE, api::DeleteRoleRequest { role_name: name.into() })
    }

    fn update(name: &str) -> api::UpdateRoleRequest {
        api::UpdateRoleRequest { role_name: name.into(), ..Default::default() }
    }

    /// A role as only services make them.
    fn add_protected(bench: &Bench) {
        let role = Role { path: "/aws-service-role/x.amazonaws.com/".into(), ..bench.add_role("linked") };
        bench.write(|txn| txn.put_entity(bench.account(), role));
    }

    #[test]
    fn new_role_is_shown_with_everything_and_lasts_an_hour() {
        let bench = Bench::new();
        let input = api::CreateRoleRequest {
            path: Some("/team/".into()),
            description: Some("runs it".into()),
            tags: Some(vec![api::Tag { key: "team".into(), value: "a".into() }]),
            ..request("app")
        };
        let made = bench.run(&CREATE_ROLE, input).unwrap().role;
        assert_eq!(made.arn, "arn:aws:iam::111122223333:role/team/app");
        assert_eq!((made.max_session_duration, &made.role_last_used), (None, &None));
        let read = get(&bench, "APP").unwrap();
        assert_eq!((read.role_id, read.max_session_duration), (made.role_id, Some(3_600)));
        assert_eq!((read.description.as_deref(), read.tags.unwrap().len()), (Some("runs it"), 1));
        assert_eq!(read.assume_role_policy_document, Some(super::super::shape::document(TRUST)));
    }

    #[test]
    fn name_in_use_reserved_path_and_bad_trust_are_refused() {
        let bench = Bench::new();
        create(&bench, "app").unwrap();
        assert_eq!(create(&bench, "App").unwrap_err(), failures::role_exists("App"));
        let path = Some("/aws-service-role/x/".into());
        let reserved = api::CreateRoleRequest { path, ..request("b") };
        assert_eq!(bench.run(&CREATE_ROLE, reserved).unwrap_err(), failures::service_role_path());
        for document in [
            "",
            "{}",
            r#"{"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#,
        ] {
            let input =
                api::CreateRoleRequest { assume_role_policy_document: document.into(), ..request("b") };
            assert_eq!(bench.run(&CREATE_ROLE, input).unwrap_err().code, "MalformedPolicyDocument");
        }
    }

    #[test]
    fn tagging_while_creating_needs_a_permission_of_its_own() {
        let bench = Bench::new();
        let actions = |input| {
            let needed = bench.targets(&CREATE_ROLE, &input);
            needed.into_iter().map(|(action, target)| (action, target.arn)).collect::<Vec<_>>()
        };
        let arn = "arn:aws:iam::111122223333:role/app".to_owned();
        assert_eq!(actions(request("app")), [("iam:CreateRole", arn.clone())]);
        let tags = Some(vec![api::Tag { key: "a".into(), value: "b".into() }]);
        let tagged = api::CreateRoleRequest { tags, ..request("app") };
        assert_eq!(actions(tagged), [("iam:CreateRole", arn.clone()), ("iam:TagRole", arn)]);
    }

    #[test]
    fn role_that_does_not_exist_is_not_found_by_any_operation() {
        let bench = Bench::new();
        let missing = failures::no_such_role("gone");
        assert_eq!(get(&bench, "gone").unwrap_err(), missing);
        assert_eq!(delete(&bench, "gone").unwrap_err(), missing);
        assert_eq!(bench.run(&UPDATE_ROLE, update("gone")).unwrap_err(), missing);
        let tags = api::ListRoleTagsRequest { role_name: "gone".into(), ..Default::default() };
        assert_eq!(bench.run(&LIST_ROLE_TAGS, tags).unwrap_err(), missing);
    }

    #[test]
    fn update_keeps_the_description_and_resets_the_maximum_that_it_does_not_name() {
        let bench = Bench::new();
        create(&bench, "app").unwrap();
        let named = api::UpdateRoleRequest {
            description: Some("new".into()),
            max_session_duration: Some(7_200),
            ..update("app")
        };
        bench.run(&UPDATE_ROLE, named).unwrap();
        let role = get(&bench, "app").unwrap();
        assert_eq!((role.description.as_deref(), role.max_session_duration), (Some("new"), Some(7_200)));
        bench.run(&UPDATE_ROLE, update("app")).unwrap();
        let role = get(&bench, "app").unwrap();
        assert_eq!((role.description.as_deref(), role.max_session_duration), (Some("new"), Some(3_600)));
        let described =
            api::UpdateRoleDescriptionRequest { role_name: "app".into(), description: "last".into() };
        let shown = bench.run(&UPDATE_ROLE_DESCRIPTION, described).unwrap().role.unwrap();
        assert_eq!(shown.description.as_deref(), Some("last"));
    }

    #[test]
    fn trust_is_replaced_by_a_good_document_only() {
        let bench = Bench::new();
        create(&bench, "app").unwrap();
        let put = |document: &str| {
            let (role_name, policy_document) = ("app".into(), document.into());
            let input = api::UpdateAssumeRolePolicyRequest { role_name, policy_document };
            bench.run(&UPDATE_ASSUME_ROLE_POLICY, input)
        };
        assert_eq!(put("{}").unwrap_err().code, "MalformedPolicyDocument");
        let lambda = TRUST.replace("ec2", "lambda");
        put(&lambda).unwrap();
        assert_eq!(bench.row::<Role>("app").unwrap().trust.text(), lambda);
    }

    #[test]
    fn role_with_anything_left_is_not_deleted() {
        let bench = Bench::new();
        create(&bench, "app").unwrap();
        let change = |change: &dyn Fn(&mut Role)| {
            let mut role = Role::clone(&bench.row::<Role>("app").unwrap());
            change(&mut role);
            bench.write(|txn| txn.put_entity(bench.account(), role));
        };
        change(&|role| role.grants.attached.push(PolicyRef::Aws("ReadOnlyAccess".into())));
        assert_eq!(delete(&bench, "app").unwrap_err(), failures::has_attached_policies());
        change(&|role| {
            role.grants.attached.clear();
            role.grants.inline.push(InlinePolicy { name: "p".into(), document: Document::new("{}") });
        });
        assert_eq!(delete(&bench, "app").unwrap_err(), failures::has_inline_policies());
        change(&|role| role.grants.inline.clear());
        delete(&bench, "app").unwrap();
        assert!(bench.row::<Role>("app").is_none());
    }

    #[test]
    fn role_of_a_service_is_not_changed() {
        let bench = Bench::new();
        add_protected(&bench);
        let protected = failures::protected_role("linked");
        assert_eq!(delete(&bench, "linked").unwrap_err(), protected);
        assert_eq!(bench.run(&UPDATE_ROLE, update("linked")).unwrap_err(), protected);
        let tags = vec![api::Tag { key: "a".into(), value: "b".into() }];
        let tag = api::TagRoleRequest { role_name: "linked".into(), tags };
        assert_eq!(bench.run(&TAG_ROLE, tag).unwrap_err(), protected);
    }

    #[test]
    fn tags_are_set_listed_in_pages_and_removed() {
        let bench = Bench::new();
        create(&bench, "app").unwrap();
        let tags = ["c", "a", "b"].map(|key| api::Tag { key: key.into(), value: "v".into() }).to_vec();
        bench.run(&TAG_ROLE, api::TagRoleRequest { role_name: "app".into(), tags }).unwrap();
        let page = |marker| {
            let input = api::ListRoleTagsRequest { role_name: "app".into(), marker, max_items: Some(2) };
            let page = bench.run(&LIST_ROLE_TAGS, input).unwrap();
            (page.tags.into_iter().map(|tag| tag.key).collect::<Vec<_>>(), page.marker)
        };
        let (first, marker) = page(None);
        assert_eq!((first, marker.is_some()), (vec!["a".to_owned(), "b".to_owned()], true));
        assert_eq!(page(marker), (vec!["c".to_owned()], None));
        let untag = api::UntagRoleRequest { role_name: "app".into(), tag_keys: vec!["A".into(), "b".into()] };
        bench.run(&UNTAG_ROLE, untag).unwrap();
        assert_eq!(page(None), (vec!["c".to_owned()], None));
    }

    #[test]
    fn roles_are_listed_in_pages_by_name_and_by_path() {
        let bench = Bench::new();
        for name in ["b", "A", "c"] {
            create(&bench, name).unwrap();
        }
        let path = Some("/team/".into());
        bench.run(&CREATE_ROLE, api::CreateRoleRequest { path, ..request("d") }).unwrap();
        let page = |path_prefix: Option<&str>, marker| {
            let path_prefix = path_prefix.map(str::to_owned);
            let input = api::ListRolesRequest { path_prefix, marker, max_items: Some(3) };
            let page = bench.run(&LIST_ROLES, input).unwrap();
            (page.roles.into_iter().map(|role| role.role_name).collect::<Vec<_>>(), page.marker)
        };
        let (first, marker) = page(None, None);
        assert_eq!((first, marker.is_some()), (vec!["A".to_owned(), "b".to_owned(), "c".to_owned()], true));
        assert_eq!(page(None, marker), (vec!["d".to_owned()], None));
        assert_eq!(page(Some("/te"), None), (vec!["d".to_owned()], None));
    }
}
