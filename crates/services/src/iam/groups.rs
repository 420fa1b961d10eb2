//! Groups and who is in them.
//!
//! A membership is kept in the user's row; adding one rewrites the group's row too, so that a group deleted at the same
//! time keeps no members.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_names::{EntityKind, UniqueId};
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{Grants, Group, Named, User};
use rootward_state::{NameKey, Txn};
use rootward_wire::Empty;

use super::page::{Ask, is_under};
use super::shape::Shape;
use super::whom::user;
use super::{failures, quotas, targets};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &ADD_USER_TO_GROUP,
    &CREATE_GROUP,
    &DELETE_GROUP,
    &GET_GROUP,
    &LIST_GROUPS,
    &LIST_GROUPS_FOR_USER,
    &REMOVE_USER_FROM_GROUP,
    &UPDATE_GROUP,
];

/// The group called `name` in the caller's account, guarded.
pub(super) fn group(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Arc<Group>, Failure> {
    txn.named::<Group>(ctx.account(), name).ok_or_else(|| failures::no_such_group(name))
}

pub(super) static CREATE_GROUP: Declaration<api::CreateGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:CreateGroup",
        when: always,
        target: |scope, input| targets::new::<Group>(scope, input.path.as_deref(), &input.group_name),
        keys: &[],
    }],
    run: create_group,
};

fn create_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateGroupRequest,
) -> Result<api::CreateGroupResponse, Failure> {
    let account = ctx.account();
    let state = ctx.view(txn)?;
    if txn.named::<Group>(account, &input.group_name).is_some() {
        return Err(failures::group_exists(&input.group_name));
    }
    if state.all::<Group>().len() >= quotas::GROUPS {
        return Err(failures::quota_exceeded("GroupsPerAccount", quotas::GROUPS));
    }
    let group = Group {
        id: ctx.unique_id(EntityKind::Group),
        name: input.group_name.as_str().into(),
        path: input.path.as_deref().unwrap_or("/").into(),
        created: ctx.now,
        grants: Grants::default(),
    };
    let shown = Shape::new(ctx, txn.world(), &state).group(&group);
    txn.put_entity(account, group);
    Ok(api::CreateGroupResponse { group: shown })
}

pub(super) static GET_GROUP: Declaration<api::GetGroup> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetGroup",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: get_group,
};

/// Pages over the members, in the order of their ids.
fn get_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetGroupRequest,
) -> Result<api::GetGroupResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let after =
        ask.after().map(str::parse::<UniqueId>).transpose().map_err(|_| failures::invalid_marker())?;
    let group = group(ctx, txn, &input.group_name)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let members = state.members_after(group.id, after).filter_map(|id| state.by_id::<User>(id));
    let page = ask.take(members.map(|user| (user.id.to_string(), user)), |user| shape.listed_user(user));
    Ok(api::GetGroupResponse {
        group: shape.group(&group),
        is_truncated: page.is_truncated(),
        users: page.items,
        marker: page.marker,
    })
}

pub(super) static LIST_GROUPS: Declaration<api::ListGroups> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListGroups",
        when: always,
        target: |scope, input| targets::list::<Group>(scope, input.path_prefix.as_deref()),
        keys: &[],
    }],
    run: list_groups,
};

fn list_groups(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListGroupsRequest,
) -> Result<api::ListGroupsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let page = ask.table(
        state.all::<Group>(),
        |group| is_under(input.path_prefix.as_deref(), group),
        |group| shape.group(group),
    );
    Ok(api::ListGroupsResponse { is_truncated: page.is_truncated(), groups: page.items, marker: page.marker })
}

pub(super) static UPDATE_GROUP: Declaration<api::UpdateGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[
        Rule {
            action: "iam:UpdateGroup",
            when: always,
            target: |scope, input| targets::group(scope, &input.group_name),
            keys: &[],
        },
        // Also as what it becomes: nobody moves a group to where they may not touch it.
        Rule {
            action: "iam:UpdateGroup",
            when: |_, input| input.new_group_name.is_some() || input.new_path.is_some(),
            target: |scope, input| {
                let (path, name) = (input.new_path.as_deref(), input.new_group_name.as_deref());
                targets::renamed_group(scope, &input.group_name, path, name)
            },
            keys: &[],
        },
    ],
    run: update_group,
};

fn update_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateGroupRequest,
) -> Result<Empty, Failure> {
    let old = group(ctx, txn, &input.group_name)?;
    let mut group = Group::clone(&old);
    if let Some(path) = &input.new_path {
        group.path = path.as_str().into();
    }
    if let Some(name) = &input.new_group_name {
        if NameKey::new(name) != NameKey::new(&old.name) {
            if txn.named::<Group>(ctx.account(), name).is_some() {
                return Err(failures::group_exists(name));
            }
            txn.delete_entity::<Group>(ctx.account(), &old.name);
        }
        group.name = name.as_str().into();
    }
    txn.put_entity(ctx.account(), group);
    Ok(Empty)
}

pub(super) static DELETE_GROUP: Declaration<api::DeleteGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteGroup",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: delete_group,
};

fn delete_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteGroupRequest,
) -> Result<Empty, Failure> {
    let group = group(ctx, txn, &input.group_name)?;
    let state = ctx.view(txn)?;
    // Unguarded, yet safe: whoever joins rewrites the group's row, which is guarded.
    if state.members(group.id).next().is_some() {
        return Err(failures::has_memberships());
    }
    if !group.grants.attached.is_empty() {
        return Err(failures::has_attached_policies());
    }
    if !group.grants.inline.is_empty() {
        return Err(failures::has_inline_policies());
    }
    txn.delete_entity::<Group>(ctx.account(), group.name());
    Ok(Empty)
}

pub(super) static ADD_USER_TO_GROUP: Declaration<api::AddUserToGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:AddUserToGroup",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: add_user_to_group,
};

/// Adding a member again changes nothing.
fn add_user_to_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::AddUserToGroupRequest,
) -> Result<Empty, Failure> {
    let group = group(ctx, txn, &input.group_name)?;
    let user = user(ctx, txn, &input.user_name)?;
    if user.groups.contains(&group.id) {
        return Ok(Empty);
    }
    if user.groups.len() >= quotas::GROUPS_PER_USER {
        return Err(failures::quota_exceeded("GroupsPerUser", quotas::GROUPS_PER_USER));
    }
    let mut user = User::clone(&user);
    user.groups.push(group.id);
    txn.put_entity(ctx.account(), user);
    txn.put_entity::<Group>(ctx.account(), group);
    Ok(Empty)
}

pub(super) static REMOVE_USER_FROM_GROUP: Declaration<api::RemoveUserFromGroup> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:RemoveUserFromGroup",
        when: always,
        target: |scope, input| targets::group(scope, &input.group_name),
        keys: &[],
    }],
    run: remove_user_from_group,
};

/// Removing a user who is no member changes nothing.
fn remove_user_from_group(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RemoveUserFromGroupRequest,
) -> Result<Empty, Failure> {
    let group = group(ctx, txn, &input.group_name)?;
    let user = user(ctx, txn, &input.user_name)?;
    if user.groups.contains(&group.id) {
        let mut user = User::clone(&user);
        user.groups.retain(|id| *id != group.id);
        txn.put_entity(ctx.account(), user);
    }
    Ok(Empty)
}

pub(super) static LIST_GROUPS_FOR_USER: Declaration<api::ListGroupsForUser> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListGroupsForUser",
        when: always,
        target: |scope, input| targets::user(scope, &input.user_name),
        keys: &[],
    }],
    run: list_groups_for_user,
};

fn list_groups_for_user(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListGroupsForUserRequest,
) -> Result<api::ListGroupsForUserResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let user = user(ctx, txn, &input.user_name)?;
    let state = ctx.view(txn)?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let groups = user.groups.iter().filter_map(|id| state.by_id::<Group>(*id));
    let keyed = groups.map(|group| (NameKey::new(group.name()).as_str().to_owned(), group)).collect();
    let page = ask.few(keyed, |group| shape.group(group));
    Ok(api::ListGroupsForUserResponse {
        is_truncated: page.is_truncated(),
        groups: page.items,
        marker: page.marker,
    })
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::PolicyRef;

    use super::*;
    use crate::testing::Bench;

    fn create(bench: &Bench, name: &str) -> Result<api::Group, Failure> {
        let input = api::CreateGroupRequest { group_name: name.into(), path: None };
        bench.run(&CREATE_GROUP, input).map(|output| output.group)
    }

    fn join(user: &str, group: &str) -> api::AddUserToGroupRequest {
        api::AddUserToGroupRequest { group_name: group.into(), user_name: user.into() }
    }

    fn delete(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_GROUP, api::DeleteGroupRequest { group_name: name.into() })
    }

    fn page(bench: &Bench, group: &str, marker: Option<String>) -> api::GetGroupResponse {
        let input = api::GetGroupRequest { group_name: group.into(), max_items: Some(2), marker };
        bench.run(&GET_GROUP, input).unwrap()
    }

    #[test]
    fn created_group_is_found_ignoring_case_and_its_name_is_taken() {
        let bench = Bench::new();
        let group = create(&bench, "Devs").unwrap();
        assert_eq!(group.arn, "arn:aws:iam::111122223333:group/Devs");
        assert!(group.group_id.starts_with("AGPA"));
        assert_eq!(page(&bench, "devs", None).group, group);
        assert_eq!(create(&bench, "DEVS").unwrap_err().message, "Group with name DEVS already exists.");
    }

    #[test]
    fn members_are_paged_each_once() {
        let bench = Bench::new();
        create(&bench, "devs").unwrap();
        for name in ["a", "b", "c", "d", "e"] {
            bench.add_user(name);
            bench.run(&ADD_USER_TO_GROUP, join(name, "devs")).unwrap();
        }
        let (mut names, mut marker) = (Vec::new(), None);
        loop {
            let page = page(&bench, "devs", marker);
            names.extend(page.users.into_iter().filter_map(|user| user.user_name));
            marker = page.marker;
            if marker.is_none() {
                break;
            }
        }
        names.sort();
        assert_eq!(names, ["a", "b", "c", "d", "e"]);
    }

    #[test]
    fn marker_of_another_listing_is_refused() {
        let bench = Bench::new();
        create(&bench, "a").unwrap();
        create(&bench, "b").unwrap();
        let list = api::ListGroupsRequest { max_items: Some(1), ..Default::default() };
        let marker = bench.run(&LIST_GROUPS, list).unwrap().marker;
        let input = api::GetGroupRequest { group_name: "a".into(), marker, max_items: None };
        assert_eq!(bench.run(&GET_GROUP, input).unwrap_err(), failures::invalid_marker());
    }

    #[test]
    fn joining_twice_and_leaving_twice_is_once() {
        let bench = Bench::new();
        create(&bench, "devs").unwrap();
        bench.add_user("ann");
        for _ in 0..2 {
            bench.run(&ADD_USER_TO_GROUP, join("ann", "devs")).unwrap();
        }
        assert_eq!(bench.row::<User>("ann").unwrap().groups.len(), 1);
        for _ in 0..2 {
            let input =
                api::RemoveUserFromGroupRequest { group_name: "devs".into(), user_name: "ann".into() };
            bench.run(&REMOVE_USER_FROM_GROUP, input).unwrap();
        }
        assert!(page(&bench, "devs", None).users.is_empty());
    }

    #[test]
    fn unknown_group_or_user_is_named() {
        let bench = Bench::new();
        bench.add_user("ann");
        let error = bench.run(&ADD_USER_TO_GROUP, join("ann", "none")).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("NoSuchEntity", "The group with name none cannot be found.")
        );
        create(&bench, "devs").unwrap();
        let error = bench.run(&ADD_USER_TO_GROUP, join("none", "devs")).unwrap_err();
        assert_eq!(error.message, "The user with name none cannot be found.");
    }

    #[test]
    fn eleventh_group_of_a_user_is_over_the_quota() {
        let bench = Bench::new();
        bench.add_user("ann");
        for number in 0..11 {
            create(&bench, &format!("g{number}")).unwrap();
        }
        for number in 0..10 {
            bench.run(&ADD_USER_TO_GROUP, join("ann", &format!("g{number}"))).unwrap();
        }
        let error = bench.run(&ADD_USER_TO_GROUP, join("ann", "g10")).unwrap_err();
        assert_eq!(
            (error.code, error.message.as_str()),
            ("LimitExceeded", "Cannot exceed quota for GroupsPerUser: 10")
        );
    }

    #[test]
    fn group_with_members_or_policies_is_not_deleted() {
        let bench = Bench::new();
        create(&bench, "devs").unwrap();
        bench.add_user("ann");
        let mut group = Group::clone(&bench.row::<Group>("devs").unwrap());
        group.grants.attached.push(PolicyRef::Aws("X".into()));
        bench.write(|txn| txn.put_entity(bench.account(), group));
        assert_eq!(delete(&bench, "devs").unwrap_err(), failures::has_attached_policies());
        bench.run(&ADD_USER_TO_GROUP, join("ann", "devs")).unwrap();
        assert_eq!(delete(&bench, "devs").unwrap_err(), failures::has_memberships());
    }

    #[test]
    fn group_deleted_while_somebody_joins_has_one_winner() {
        let bench = Bench::new();
        for first_is_deletion in [true, false] {
            let name = if first_is_deletion { "a" } else { "b" };
            create(&bench, name).unwrap();
            bench.add_user(&format!("user-{name}"));
            let (_, deletion) = bench
                .run_uncommitted(&DELETE_GROUP, &api::DeleteGroupRequest { group_name: name.into() })
                .unwrap();
            let (_, joining) =
                bench.run_uncommitted(&ADD_USER_TO_GROUP, &join(&format!("user-{name}"), name)).unwrap();
            let (first, second) = if first_is_deletion { (deletion, joining) } else { (joining, deletion) };
            assert!(bench.second_loses(first, second));
        }
    }

    #[test]
    fn renamed_group_keeps_its_members() {
        let bench = Bench::new();
        create(&bench, "devs").unwrap();
        bench.add_user("ann");
        bench.run(&ADD_USER_TO_GROUP, join("ann", "devs")).unwrap();
        let input = api::UpdateGroupRequest {
            group_name: "devs".into(),
            new_group_name: Some("Makers".into()),
            new_path: Some("/eng/".into()),
        };
        bench.run(&UPDATE_GROUP, input).unwrap();
        let page = page(&bench, "makers", None);
        assert_eq!(page.group.arn, "arn:aws:iam::111122223333:group/eng/Makers");
        assert_eq!(page.users.len(), 1);
        let input = api::ListGroupsForUserRequest { user_name: "ann".into(), ..Default::default() };
        let groups = bench.run(&LIST_GROUPS_FOR_USER, input).unwrap();
        assert_eq!((groups.groups, groups.is_truncated), (vec![page.group], Some(false)));
        assert_eq!(delete(&bench, "devs").unwrap_err(), failures::no_such_group("devs"));
    }
}
