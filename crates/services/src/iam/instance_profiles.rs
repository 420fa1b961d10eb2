//! Instance profiles: the boxes in which machines are handed a role.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_names::EntityKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::Txn;
use rootward_state::entities::{InstanceProfile, Named, Role};
use rootward_wire::Empty;

use super::page::{Ask, is_under};
use super::roles::role;
use super::shape::Shape;
use super::{failures, quotas, tags, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &ADD_ROLE_TO_INSTANCE_PROFILE,
    &CREATE_INSTANCE_PROFILE,
    &DELETE_INSTANCE_PROFILE,
    &GET_INSTANCE_PROFILE,
    &LIST_INSTANCE_PROFILE_TAGS,
    &LIST_INSTANCE_PROFILES,
    &LIST_INSTANCE_PROFILES_FOR_ROLE,
    &REMOVE_ROLE_FROM_INSTANCE_PROFILE,
    &TAG_INSTANCE_PROFILE,
    &UNTAG_INSTANCE_PROFILE,
];

const TAG_QUOTA: &str = "TagsPerInstanceProfile";
/// Machines of this service are the ones that get the role.
const MACHINES: &str = "ec2.amazonaws.com";

pub(super) static CREATE_INSTANCE_PROFILE: Declaration<api::CreateInstanceProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:CreateInstanceProfile",
            when: always,
            target: |scope, input| {
                targets::new::<InstanceProfile>(scope, input.path.as_deref(), &input.instance_profile_name)
            },
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "iam:TagInstanceProfile",
            when: |_, input| tags::any(&input.tags),
            target: |scope, input| {
                targets::new::<InstanceProfile>(scope, input.path.as_deref(), &input.instance_profile_name)
            },
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_instance_profile,
};

fn create_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateInstanceProfileRequest,
) -> Result<api::CreateInstanceProfileResponse, Failure> {
    let account = ctx.account();
    let state = ctx.view(txn)?;
    let tags = tags::new(TAG_QUOTA, input.tags.as_deref())?;
    if txn.named::<InstanceProfile>(account, &input.instance_profile_name).is_some() {
        return Err(failures::instance_profile_exists(&input.instance_profile_name));
    }
    if state.all::<InstanceProfile>().len() >= quotas::INSTANCE_PROFILES {
        return Err(failures::quota_exceeded("InstanceProfilesPerAccount", quotas::INSTANCE_PROFILES));
    }
    let profile = InstanceProfile {
        id: ctx.unique_id(EntityKind::InstanceProfile),
        name: input.instance_profile_name.as_str().into(),
        path: input.path.as_deref().unwrap_or("/").into(),
        created: ctx.now,
        tags,
        role: None,
    };
    let shown = Shape::new(ctx, txn.world(), &state).instance_profile(&profile);
    txn.put_entity(account, profile);
    Ok(api::CreateInstanceProfileResponse { instance_profile: shown })
}

pub(super) static GET_INSTANCE_PROFILE: Declaration<api::GetInstanceProfile> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetInstanceProfile",
        when: always,
        target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
        keys: &[],
    }],
    run: get_instance_profile,
};

fn get_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetInstanceProfileRequest,
) -> Result<api::GetInstanceProfileResponse, Failure> {
    let profile = profile(ctx, txn, &input.instance_profile_name)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    Ok(api::GetInstanceProfileResponse { instance_profile: shape.instance_profile(&profile) })
}

/// The instance profile called `name` in the caller's account, guarded.
fn profile(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<InstanceProfile>, Failure> {
    txn.named::<InstanceProfile>(ctx.account(), name).ok_or_else(|| failures::no_such_instance_profile(name))
}

pub(super) static LIST_INSTANCE_PROFILES: Declaration<api::ListInstanceProfiles> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListInstanceProfiles",
        when: always,
        target: |scope, input| targets::list::<InstanceProfile>(scope, input.path_prefix.as_deref()),
        keys: &[],
    }],
    run: list_instance_profiles,
};

fn list_instance_profiles(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListInstanceProfilesRequest,
) -> Result<api::ListInstanceProfilesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let page = ask.table(
        state.all::<InstanceProfile>(),
        |profile| is_under(input.path_prefix.as_deref(), profile),
        |profile| shape.listed_instance_profile(profile),
    );
    Ok(api::ListInstanceProfilesResponse {
        is_truncated: page.is_truncated(),
        instance_profiles: page.items,
        marker: page.marker,
    })
}

pub(super) static LIST_INSTANCE_PROFILES_FOR_ROLE: Declaration<api::ListInstanceProfilesForRole> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:ListInstanceProfilesForRole",
            when: always,
            target: |scope, input| targets::role(scope, &input.role_name),
            keys: &[],
        }],
        run: list_instance_profiles_for_role,
    };

fn list_instance_profiles_for_role(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListInstanceProfilesForRoleRequest,
) -> Result<api::ListInstanceProfilesForRoleResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let role = role(ctx, txn, &input.role_name)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let holding = state.profiles_of(role.id).filter_map(|id| state.by_id::<InstanceProfile>(id));
    let page = ask
        .few(holding.map(|profile| (profile.name.to_ascii_lowercase(), profile)).collect(), |profile| {
            shape.listed_instance_profile(profile)
        });
    Ok(api::ListInstanceProfilesForRoleResponse {
        is_truncated: page.is_truncated(),
        instance_profiles: page.items,
        marker: page.marker,
    })
}

pub(super) static DELETE_INSTANCE_PROFILE: Declaration<api::DeleteInstanceProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteInstanceProfile",
        when: always,
        target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
        keys: &[],
    }],
    run: delete_instance_profile,
};

fn delete_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteInstanceProfileRequest,
) -> Result<Empty, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    if row.role.is_some() {
        return Err(failures::in_instance_profile());
    }
    txn.delete_entity::<InstanceProfile>(ctx.account(), row.name());
    Ok(Empty)
}

pub(super) static ADD_ROLE_TO_INSTANCE_PROFILE: Declaration<api::AddRoleToInstanceProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:AddRoleToInstanceProfile",
            when: always,
            target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
            keys: &[],
        },
        Rule {
            action: "iam:PassRole",
            when: always,
            target: |scope, input| targets::passed_role(scope, &input.role_name),
            keys: &[Key::Text("iam:PassedToService", |_, _| Some(MACHINES.into()))],
        },
    ],
    run: add_role_to_instance_profile,
};

fn add_role_to_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AddRoleToInstanceProfileRequest,
) -> Result<Empty, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    let role = role(ctx, txn, &input.role_name)?;
    if row.role.is_some() {
        return Err(failures::quota_exceeded("InstanceSessionsPerInstanceProfile", 1));
    }
    txn.put_entity(ctx.account(), InstanceProfile { role: Some(role.id), ..InstanceProfile::clone(&row) });
    txn.put_entity::<Role>(ctx.account(), role);
    Ok(Empty)
}

pub(super) static REMOVE_ROLE_FROM_INSTANCE_PROFILE: Declaration<api::RemoveRoleFromInstanceProfile> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:RemoveRoleFromInstanceProfile",
            when: always,
            target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
            keys: &[],
        }],
        run: remove_role_from_instance_profile,
    };

fn remove_role_from_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RemoveRoleFromInstanceProfileRequest,
) -> Result<Empty, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    let role = role(ctx, txn, &input.role_name)?;
    if row.role != Some(role.id) {
        return Err(failures::no_such_role(&input.role_name));
    }
    txn.put_entity(ctx.account(), InstanceProfile { role: None, ..InstanceProfile::clone(&row) });
    Ok(Empty)
}

pub(super) static TAG_INSTANCE_PROFILE: Declaration<api::TagInstanceProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:TagInstanceProfile",
        when: always,
        target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
        keys: &[Key::RequestTags(|input| tags::requested(&input.tags))],
    }],
    run: tag_instance_profile,
};

fn tag_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::TagInstanceProfileRequest,
) -> Result<Empty, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    let tags = tags::set(TAG_QUOTA, &row.tags, &input.tags)?;
    txn.put_entity(ctx.account(), InstanceProfile { tags, ..InstanceProfile::clone(&row) });
    Ok(Empty)
}

pub(super) static UNTAG_INSTANCE_PROFILE: Declaration<api::UntagInstanceProfile> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UntagInstanceProfile",
        when: always,
        target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
        keys: &[Key::TagKeys(|input| tags::requested_keys(&input.tag_keys))],
    }],
    run: untag_instance_profile,
};

fn untag_instance_profile(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UntagInstanceProfileRequest,
) -> Result<Empty, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    let tags = tags::remove(&row.tags, &input.tag_keys);
    txn.put_entity(ctx.account(), InstanceProfile { tags, ..InstanceProfile::clone(&row) });
    Ok(Empty)
}

pub(super) static LIST_INSTANCE_PROFILE_TAGS: Declaration<api::ListInstanceProfileTags> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListInstanceProfileTags",
        when: always,
        target: |scope, input| targets::instance_profile(scope, &input.instance_profile_name),
        keys: &[],
    }],
    run: list_instance_profile_tags,
};

fn list_instance_profile_tags(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListInstanceProfileTagsRequest,
) -> Result<api::ListInstanceProfileTagsResponse, Failure> {
    let row = profile(ctx, txn, &input.instance_profile_name)?;
    let page = tags::page(&Ask::new(input.marker.as_deref(), input.max_items)?, &row.tags);
    Ok(api::ListInstanceProfileTagsResponse {
        is_truncated: page.is_truncated(),
        tags: page.items,
        marker: page.marker,
    })
}
