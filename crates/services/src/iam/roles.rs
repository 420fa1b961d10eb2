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
