//! Users.
//!
//! A user keeps its unique id through renames; everything that refers to it does so by that id.

use rootward_api::iam as api;
use rootward_names::EntityKind;
use rootward_pipeline::{Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::{Grants, Named, User};
use rootward_state::{NameKey, Txn};
use rootward_wire::Empty;

use super::page::{Ask, is_under};
use super::shape::Shape;
use super::tags::Keys;
use super::whom::{Whom, user, whom};
use super::{failures, quotas, refs, tags, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_USER,
    &DELETE_USER,
    &GET_USER,
    &LIST_USER_TAGS,
    &LIST_USERS,
    &TAG_USER,
    &UNTAG_USER,
    &UPDATE_USER,
];

const TAG_QUOTA: &str = "TagsPerUser";

pub(super) static CREATE_USER: Declaration<api::CreateUser> = Declaration {
    effect: Effect::Write,
    rules: &[
        Rule {
            action: "iam:CreateUser",
            when: always,
            target: |scope, input| targets::new::<User>(scope, input.path.as_deref(), &input.user_name),
            keys: &[
                Key::RequestTags(|input| tags::requested(input.tags.iter().flatten())),
                Key::Text("iam:PermissionsBoundary", |_, input| input.permissions_boundary.clone()),
            ],
        },
        Rule {
            action: "iam:TagUser",
            when: |input| tags::any(&input.tags),
            target: |scope, input| targets::new::<User>(scope, input.path.as_deref(), &input.user_name),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_user,
};

fn create_user(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateUserRequest,
) -> Result<api::CreateUserResponse, Failure> {
    let account = ctx.account();
    let state = txn.view(account).ok_or_else(Failure::internal)?;
    let tags = tags::new(Keys::Folded, TAG_QUOTA, input.tags.as_deref())?;
    if txn.named::<User>(account, &input.user_name).is_some() {
        return Err(failures::user_exists(&input.user_name));
    }
    if state.all::<User>().len() >= quotas::USERS {
        return Err(failures::quota_exceeded("UsersPerAccount", quotas::USERS));
    }
    let boundary = match &input.permissions_boundary {
        Some(arn) => Some(refs::new_boundary(txn, account, ctx.partition(), arn)?),
        None => None,
    };
    let user = User {
        id: ctx.unique_id(EntityKind::User),
        name: input.user_name.as_str().into(),
        path: input.path.as_deref().unwrap_or("/").into(),
        created: ctx.now,
        tags,
        grants: Grants::default(),
        boundary,
        groups: Vec::new(),
        access_keys: Vec::new(),
    };
    let shown = Shape { state: &state, partition: ctx.partition() }.user(&user);
    txn.put_entity(account, user);
    Ok(api::CreateUserResponse { user: Some(shown) })
}

pub(super) static GET_USER: Declaration<api::GetUser> = Declaration {
    effect: Effect::Read,
    rules: &[Rule {
        action: "iam:GetUser",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: get_user,
};

fn get_user(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetUserRequest,
) -> Result<api::GetUserResponse, Failure> {
    let user = match whom(ctx, txn, input.user_name.as_deref())? {
        // The root user has neither name nor path.
        Whom::Root(account) => api::User {
            user_id: account.id.to_string(),
            arn: ctx.principal.arn(),
            create_date: account.created,
            password_last_used: account.root.password_used,
            ..api::User::default()
        },
        Whom::User(user) => {
            let state = txn.view(ctx.account()).ok_or_else(Failure::internal)?;
            Shape { state: &state, partition: ctx.partition() }.user(&user)
        }
    };
    Ok(api::GetUserResponse { user })
}

pub(super) static LIST_USERS: Declaration<api::ListUsers> = Declaration {
    effect: Effect::Read,
    rules: &[Rule {
        action: "iam:ListUsers",
        when: always,
        target: |scope, input| targets::list::<User>(scope, input.path_prefix.as_deref()),
        keys: &[],
    }],
    run: list_users,
};

fn list_users(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListUsersRequest,
) -> Result<api::ListUsersResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = txn.view(ctx.account()).ok_or_else(Failure::internal)?;
    let shape = Shape { state: &state, partition: ctx.partition() };
    let page = ask.table(
        state.all::<User>(),
        |user| is_under(input.path_prefix.as_deref(), user),
        |user| shape.listed_user(user),
    );
    Ok(api::ListUsersResponse { is_truncated: page.is_truncated(), users: page.items, marker: page.marker })
}

pub(super) static UPDATE_USER: Declaration<api::UpdateUser> = Declaration {
    effect: Effect::Write,
    rules: &[
        Rule {
            action: "iam:UpdateUser",
            when: always,
            target: |scope, input| targets::user(scope, &input.user_name),
            keys: &[],
        },
        // Also as what it becomes: nobody moves a user to where they may not touch it.
        Rule {
            action: "iam:UpdateUser",
            when: |input| input.new_user_name.is_some() || input.new_path.is_some(),
            target: |scope, input| {
                let (path, name) = (input.new_path.as_deref(), input.new_user_name.as_deref());
                targets::renamed_user(scope, &input.user_name, path, name)
            },
            keys: &[],
        },
    ],
    run: update_user,
};

fn update_user(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::UpdateUserRequest) -> Result<Empty, Failure> {
    let old = user(ctx, txn, &input.user_name)?;
    let mut user = User::clone(&old);
    if let Some(path) = &input.new_path {
        user.path = path.as_str().into();
    }
    if let Some(name) = &input.new_user_name {
        if NameKey::new(name) != NameKey::new(&old.name) {
            if txn.named::<User>(ctx.account(), name).is_some() {
                return Err(failures::user_exists(name));
            }
            txn.delete_entity::<User>(ctx.account(), &old.name);
        }
        user.name = name.as_str().into();
    }
    txn.put_entity(ctx.account(), user);
    Ok(Empty::default())
}

pub(super) static DELETE_USER: Declaration<api::DeleteUser> = Declaration {
    effect: Effect::Write,
    rules: &[Rule {
        action: "iam:DeleteUser",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: delete_user,
};

fn delete_user(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::DeleteUserRequest) -> Result<Empty, Failure> {
    let user = user(ctx, txn, &input.user_name)?;
    if !user.grants.attached.is_empty() {
        return Err(failures::has_attached_policies());
    }
    if !user.grants.inline.is_empty() {
        return Err(failures::has_inline_policies());
    }
    if !user.access_keys.is_empty() {
        return Err(failures::has_access_keys());
    }
    if !user.groups.is_empty() {
        return Err(failures::has_memberships());
    }
    txn.delete_entity::<User>(ctx.account(), user.name());
    Ok(Empty::default())
}

pub(super) static TAG_USER: Declaration<api::TagUser> = Declaration {
    effect: Effect::Write,
    rules: &[Rule {
        action: "iam:TagUser",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::RequestTags(|input| tags::requested(&input.tags))],
    }],
    run: tag_user,
};

fn tag_user(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::TagUserRequest) -> Result<Empty, Failure> {
    let old = user(ctx, txn, &input.user_name)?;
    let tags = tags::set(Keys::Folded, TAG_QUOTA, &old.tags, &input.tags)?;
    txn.put_entity(ctx.account(), User { tags, ..User::clone(&old) });
    Ok(Empty::default())
}

pub(super) static UNTAG_USER: Declaration<api::UntagUser> = Declaration {
    effect: Effect::Write,
    rules: &[Rule {
        action: "iam:UntagUser",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[Key::TagKeys(|input| tags::requested_keys(&input.tag_keys))],
    }],
    run: untag_user,
};

fn untag_user(ctx: &OpContext<'_>, txn: &mut Txn, input: &api::UntagUserRequest) -> Result<Empty, Failure> {
    let old = user(ctx, txn, &input.user_name)?;
    let tags = tags::remove(Keys::Folded, &old.tags, &input.tag_keys);
    txn.put_entity(ctx.account(), User { tags, ..User::clone(&old) });
    Ok(Empty::default())
}

pub(super) static LIST_USER_TAGS: Declaration<api::ListUserTags> = Declaration {
    effect: Effect::Read,
    rules: &[Rule {
        action: "iam:ListUserTags",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: list_user_tags,
};

fn list_user_tags(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListUserTagsRequest,
) -> Result<api::ListUserTagsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let user = user(ctx, txn, &input.user_name)?;
    let page = tags::page(&ask, &user.tags);
    Ok(api::ListUserTagsResponse { is_truncated: page.is_truncated(), tags: page.items, marker: page.marker })
}
