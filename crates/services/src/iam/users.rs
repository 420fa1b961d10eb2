//! Users.
//!
//! A user keeps its unique id through renames; everything that refers to it does so by that id.

use rootward_api::iam as api;
use rootward_names::EntityKind;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, always};
use rootward_state::entities::{CredentialOwner, Grants, LoginProfile, Named, User};
use rootward_state::{NameKey, RowKey, Txn};
use rootward_wire::Empty;

use super::page::{Ask, is_under};
use super::shape::Shape;
use super::whom::{Whom, user, whom};
use super::{failures, quotas, refs, tags, targets};
use crate::session_end::{self, Why};

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
    callers: Callers::SecondFactor,
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
            when: |_, input| tags::any(&input.tags),
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
    let state = ctx.view(txn)?;
    let tags = tags::new(TAG_QUOTA, input.tags.as_deref())?;
    if txn.named::<User>(account, &input.user_name).is_some() {
        return Err(failures::user_exists(&input.user_name));
    }
    if state.all::<User>().len() >= quotas::USERS {
        return Err(failures::quota_exceeded("UsersPerAccount", quotas::USERS));
    }
    let boundary = match &input.permissions_boundary {
        Some(arn) => Some(refs::new_boundary::<User>(ctx, txn, arn)?),
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
    let shown = Shape::new(ctx, txn.world(), &state).user(&user);
    txn.put_entity(account, user);
    Ok(api::CreateUserResponse { user: Some(shown) })
}

pub(super) static GET_USER: Declaration<api::GetUser> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
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
    let whom = whom(ctx, txn, input.user_name.as_deref())?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let user = match whom {
        Whom::Root(_) => shape.root_user(),
        Whom::User(user) => shape.user(&user),
    };
    Ok(api::GetUserResponse { user })
}

pub(super) static LIST_USERS: Declaration<api::ListUsers> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
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
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let page = ask.table(
        state.all::<User>(),
        |user| is_under(input.path_prefix.as_deref(), user),
        |user| shape.user_with_last_use(user),
    );
    Ok(api::ListUsersResponse { is_truncated: page.is_truncated(), users: page.items, marker: page.marker })
}

pub(super) static UPDATE_USER: Declaration<api::UpdateUser> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
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
            when: |_, input| input.new_user_name.is_some() || input.new_path.is_some(),
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
    Ok(Empty)
}

pub(super) static DELETE_USER: Declaration<api::DeleteUser> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
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
    if txn.get::<LoginProfile>(RowKey::LoginProfile(ctx.account(), user.id)).is_some() {
        return Err(failures::has_login_profile());
    }
    // Found by an index, which is not guarded: who binds a device to a user rewrites the user's row.
    if ctx.view(txn)?.mfa_devices_of(CredentialOwner::User(user.id)).next().is_some() {
        return Err(failures::has_mfa_devices());
    }
    session_end::end(ctx, txn, CredentialOwner::User(user.id), None, Why::UserDeleted);
    txn.delete_entity::<User>(ctx.account(), user.name());
    Ok(Empty)
}

pub(super) static TAG_USER: Declaration<api::TagUser> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
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
    let tags = tags::set(TAG_QUOTA, &old.tags, &input.tags)?;
    txn.put_entity(ctx.account(), User { tags, ..User::clone(&old) });
    Ok(Empty)
}

pub(super) static UNTAG_USER: Declaration<api::UntagUser> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
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
    let tags = tags::remove(&old.tags, &input.tag_keys);
    txn.put_entity(ctx.account(), User { tags, ..User::clone(&old) });
    Ok(Empty)
}

pub(super) static LIST_USER_TAGS: Declaration<api::ListUserTags> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
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

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Document, InlinePolicy, PolicyRef};

    use super::*;
    use crate::testing::Bench;

    fn create(bench: &Bench, name: &str) -> Result<api::CreateUserResponse, Failure> {
        bench.run(&CREATE_USER, api::CreateUserRequest { user_name: name.into(), ..Default::default() })
    }

    fn get(bench: &Bench, name: Option<&str>) -> Result<api::User, Failure> {
        let input = api::GetUserRequest { user_name: name.map(Into::into) };
        bench.run(&GET_USER, input).map(|output| output.user)
    }

    fn rename(bench: &Bench, name: &str, new: &str) -> Result<Empty, Failure> {
        let input = api::UpdateUserRequest {
            user_name: name.into(),
            new_user_name: Some(new.into()),
            new_path: None,
        };
        bench.run(&UPDATE_USER, input)
    }

    fn delete(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_USER, api::DeleteUserRequest { user_name: name.into() })
    }

    fn tag(key: &str, value: &str) -> api::Tag {
        api::Tag { key: key.into(), value: value.into() }
    }

    fn change(bench: &Bench, name: &str, change: impl FnOnce(&mut User)) {
        let mut user = User::clone(&bench.row::<User>(name).unwrap());
        change(&mut user);
        bench.write(|txn| txn.put_entity(bench.account(), user));
    }

    #[test]
    fn created_user_is_shown_with_tags_and_boundary() {
        let bench = Bench::new();
        let boundary = "arn:aws:iam::aws:policy/AdministratorAccess";
        let input = api::CreateUserRequest {
            user_name: "Ann".into(),
            path: Some("/team/".into()),
            permissions_boundary: Some(boundary.into()),
            tags: Some(vec![tag("k", "v")]),
        };
        let user = bench.run(&CREATE_USER, input).unwrap().user.unwrap();
        assert_eq!(user.arn, "arn:aws:iam::111122223333:user/team/Ann");
        assert!(user.user_id.starts_with("AIDA"));
        assert_eq!(user.create_date, bench.now());
        assert_eq!(user.tags, Some(vec![tag("k", "v")]));
        let shown = user.permissions_boundary.as_ref().unwrap();
        assert_eq!(shown.permissions_boundary_arn.as_deref(), Some(boundary));
        assert_eq!(get(&bench, Some("ann")).unwrap(), user);
    }

    #[test]
    fn name_that_differs_by_case_only_is_taken() {
        let bench = Bench::new();
        create(&bench, "ann").unwrap();
        let error = create(&bench, "ANN").unwrap_err();
        assert_eq!((error.code, error.status), ("EntityAlreadyExists", 409));
        assert_eq!(error.message, "User with name ANN already exists.");
    }

    #[test]
    fn boundary_that_will_not_do_is_refused() {
        let bench = Bench::new();
        let refusal = |arn: &str| {
            let input = api::CreateUserRequest {
                user_name: "ann".into(),
                permissions_boundary: Some(arn.into()),
                ..Default::default()
            };
            bench.run(&CREATE_USER, input).unwrap_err()
        };
        for arn in ["arn:aws:iam::111122223333:policy/none", "arn:aws:iam::aws:policy/None"] {
            assert_eq!(
                refusal(arn).message,
                format!("Scope ARN: {arn} does not exist or is not attachable.")
            );
        }
        assert_eq!(refusal("no arn at all but long").message, "Invalid ARN:  Could not be parsed!");
        let role = "arn:aws:iam::111122223333:role/r";
        assert_eq!(refusal(role).message, format!("ARN {role} is not valid."));
        let service = "arn:aws:iam::aws:policy/aws-service-role/AccessAnalyzerServiceRolePolicy";
        assert_eq!(refusal(service).code, "PolicyNotAttachable");
    }

    #[test]
    fn creation_with_tags_needs_to_be_allowed_to_tag() {
        let bench = Bench::new();
        let plain = api::CreateUserRequest { user_name: "ann".into(), ..Default::default() };
        let tagged = api::CreateUserRequest { tags: Some(vec![tag("k", "v")]), ..plain.clone() };
        let actions =
            |input| bench.targets(&CREATE_USER, input).into_iter().map(|(a, _)| a).collect::<Vec<_>>();
        assert_eq!(actions(&plain), ["iam:CreateUser"]);
        assert_eq!(actions(&tagged), ["iam:CreateUser", "iam:TagUser"]);
    }

    #[test]
    fn targets_are_true_arns_or_those_that_would_be() {
        let bench = Bench::new();
        let input = api::CreateUserRequest {
            user_name: "ann".into(),
            path: Some("/team/".into()),
            ..Default::default()
        };
        let (_, target) = bench.targets(&CREATE_USER, &input).remove(0);
        assert_eq!((target.arn.as_str(), target.shown), ("arn:aws:iam::111122223333:user/team/ann", None));
        bench.run(&CREATE_USER, input).unwrap();
        for (name, arn) in [
            ("ANN", "arn:aws:iam::111122223333:user/team/ann"),
            ("bob", "arn:aws:iam::111122223333:user/bob"),
        ] {
            let input = api::DeleteUserRequest { user_name: name.into() };
            let (_, target) = bench.targets(&DELETE_USER, &input).remove(0);
            assert_eq!((target.arn.as_str(), target.shown), (arn, Some(format!("user {name}"))));
        }
    }

    #[test]
    fn renaming_is_authorized_on_both_names() {
        let bench = Bench::new();
        bench.add_user("ann");
        let input = api::UpdateUserRequest {
            user_name: "ann".into(),
            new_user_name: Some("beth".into()),
            new_path: Some("/x/".into()),
        };
        let arns: Vec<_> = bench.targets(&UPDATE_USER, &input).into_iter().map(|(_, t)| t.arn).collect();
        assert_eq!(arns, ["arn:aws:iam::111122223333:user/ann", "arn:aws:iam::111122223333:user/x/beth"]);
    }

    #[test]
    fn without_a_name_the_caller_is_meant() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_role("r");
        let root = get(&bench, None).unwrap();
        assert_eq!(
            (root.user_id.as_str(), root.arn.as_str()),
            ("111122223333", "arn:aws:iam::111122223333:root")
        );
        assert_eq!((root.path, root.user_name), (None, None));
        bench.call_as_user("ann");
        assert_eq!(get(&bench, None).unwrap().user_name.as_deref(), Some("ann"));
        bench.call_as_role("r");
        let error = get(&bench, None).unwrap_err();
        assert_eq!(error.code, "ValidationError");
        assert_eq!(error.message, "Must specify userName when calling with non-User credentials");
    }

    #[test]
    fn caller_renamed_since_authentication_is_still_meant() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_as_user("ann");
        rename(&bench, "ann", "beth").unwrap();
        assert_eq!(get(&bench, None).unwrap().user_name.as_deref(), Some("beth"));
    }

    #[test]
    fn unknown_user_is_named_in_the_refusal() {
        let bench = Bench::new();
        let error = get(&bench, Some("none")).unwrap_err();
        assert_eq!((error.code, error.status), ("NoSuchEntity", 404));
        assert_eq!(error.message, "The user with name none cannot be found.");
        assert_eq!(delete(&bench, "none").unwrap_err(), error);
        assert_eq!(rename(&bench, "none", "x").unwrap_err(), error);
    }

    #[test]
    fn listing_pages_in_name_order_under_a_path() {
        let bench = Bench::new();
        for (name, path) in [("b", "/x/"), ("A", "/x/y/"), ("c", "/"), ("d", "/x/")] {
            let path = Some(path.into());
            let input = api::CreateUserRequest { user_name: name.into(), path, ..Default::default() };
            bench.run(&CREATE_USER, input).unwrap();
        }
        let mut input = api::ListUsersRequest {
            path_prefix: Some("/x/".into()),
            max_items: Some(2),
            ..Default::default()
        };
        let first = bench.run(&LIST_USERS, input.clone()).unwrap();
        let names =
            |users: &[api::User]| users.iter().filter_map(|u| u.user_name.clone()).collect::<Vec<_>>();
        assert_eq!((names(&first.users), first.is_truncated), (vec!["A".into(), "b".into()], Some(true)));
        input.marker = first.marker;
        let last = bench.run(&LIST_USERS, input).unwrap();
        assert_eq!(
            (names(&last.users), last.is_truncated, last.marker),
            (vec!["d".into()], Some(false), None)
        );
    }

    #[test]
    fn rename_keeps_id_and_memberships() {
        let bench = Bench::new();
        let id = bench.add_user("ann");
        rename(&bench, "ann", "Beth").unwrap();
        assert!(bench.row::<User>("ann").is_none());
        let user = bench.row::<User>("beth").unwrap();
        assert_eq!((user.id, &*user.name), (id, "Beth"));
        assert_eq!(bench.state().by_id::<User>(id).unwrap().name, user.name);
        rename(&bench, "beth", "BETH").unwrap();
        assert_eq!(&*bench.row::<User>("beth").unwrap().name, "BETH");
    }

    #[test]
    fn rename_to_a_taken_name_changes_nothing() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_user("beth");
        assert_eq!(rename(&bench, "ann", "Beth").unwrap_err().code, "EntityAlreadyExists");
        assert!(bench.row::<User>("ann").is_some());
    }

    #[test]
    fn user_with_anything_left_is_not_deleted() {
        let bench = Bench::new();
        bench.add_user("ann");
        type Change = fn(&mut User);
        let cases: [(Change, &str); 4] = [
            (|user| user.groups.push(user.id), "must remove users from group first."),
            (
                |user| user.access_keys.push("AKIAY34FZKBOKMUTVV7A".parse().unwrap()),
                "must delete access keys first.",
            ),
            (
                |user| {
                    let document = Document::new("{}");
                    user.grants.inline.push(InlinePolicy { name: "p".into(), document });
                },
                "must delete policies first.",
            ),
            (|user| user.grants.attached.push(PolicyRef::Aws("X".into())), "must detach all policies first."),
        ];
        for (add, reason) in cases {
            change(&bench, "ann", add);
            let error = delete(&bench, "ann").unwrap_err();
            assert_eq!((error.code, error.status), ("DeleteConflict", 409));
            assert_eq!(error.message, format!("Cannot delete entity, {reason}"));
        }
    }

    #[test]
    fn user_with_a_second_factor_is_not_deleted() {
        let bench = Bench::new();
        let owner = CredentialOwner::User(bench.add_user("ann"));
        bench.add_mfa_device("ann", owner);
        let error = delete(&bench, "ann").unwrap_err();
        assert_eq!((error.code, error.status), ("DeleteConflict", 409));
        assert_eq!(error.message, "Cannot delete entity, must delete MFA device first.");
    }

    #[test]
    fn deleted_name_can_be_used_again_by_another_user() {
        let bench = Bench::new();
        let first = create(&bench, "ann").unwrap().user.unwrap();
        delete(&bench, "ann").unwrap();
        assert_eq!(get(&bench, Some("ann")).unwrap_err().code, "NoSuchEntity");
        assert_ne!(create(&bench, "ann").unwrap().user.unwrap().user_id, first.user_id);
    }

    #[test]
    fn racing_creations_of_one_name_have_one_winner() {
        let bench = Bench::new();
        let input = |name: &str| api::CreateUserRequest { user_name: name.into(), ..Default::default() };
        let (_, first) = bench.run_uncommitted(&CREATE_USER, &input("ann")).unwrap();
        let (_, second) = bench.run_uncommitted(&CREATE_USER, &input("Ann")).unwrap();
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn tags_are_set_replaced_removed_and_listed_by_key() {
        let bench = Bench::new();
        bench.add_user("ann");
        let set = |tags| bench.run(&TAG_USER, api::TagUserRequest { user_name: "ann".into(), tags });
        set(vec![tag("b", "1"), tag("a", "2")]).unwrap();
        set(vec![tag("B", "3")]).unwrap();
        let input = api::UntagUserRequest { user_name: "ann".into(), tag_keys: vec!["A".into()] };
        bench.run(&UNTAG_USER, input).unwrap();
        set(vec![tag("aa", "4")]).unwrap();
        let input = api::ListUserTagsRequest { user_name: "ann".into(), max_items: Some(1), marker: None };
        let first = bench.run(&LIST_USER_TAGS, input.clone()).unwrap();
        let next = api::ListUserTagsRequest { marker: first.marker.clone(), ..input };
        let last = bench.run(&LIST_USER_TAGS, next).unwrap();
        let mut all = [first.tags, last.tags].concat();
        all.sort_by(|a, b| a.value.cmp(&b.value));
        assert_eq!(all, [tag("B", "3"), tag("aa", "4")]);
        assert_eq!(last.is_truncated, Some(false));
        assert_eq!(set(vec![tag("x", "1"), tag("X", "2")]).unwrap_err().code, "InvalidInput");
    }
}
