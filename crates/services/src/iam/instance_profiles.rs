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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::iam::roles::DELETE_ROLE;
    use crate::testing::Bench;

    fn request(name: &str) -> api::CreateInstanceProfileRequest {
        api::CreateInstanceProfileRequest { instance_profile_name: name.into(), path: None, tags: None }
    }

    fn create(bench: &Bench, name: &str) -> Result<api::InstanceProfile, Failure> {
        bench.run(&CREATE_INSTANCE_PROFILE, request(name)).map(|output| output.instance_profile)
    }

    fn get(bench: &Bench, name: &str) -> Result<api::InstanceProfile, Failure> {
        let input = api::GetInstanceProfileRequest { instance_profile_name: name.into() };
        bench.run(&GET_INSTANCE_PROFILE, input).map(|output| output.instance_profile)
    }

    fn delete(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        let input = api::DeleteInstanceProfileRequest { instance_profile_name: name.into() };
        bench.run(&DELETE_INSTANCE_PROFILE, input)
    }

    fn join(profile: &str, role: &str) -> api::AddRoleToInstanceProfileRequest {
        api::AddRoleToInstanceProfileRequest { instance_profile_name: profile.into(), role_name: role.into() }
    }

    fn part(profile: &str, role: &str) -> api::RemoveRoleFromInstanceProfileRequest {
        let (instance_profile_name, role_name) = (profile.into(), role.into());
        api::RemoveRoleFromInstanceProfileRequest { instance_profile_name, role_name }
    }

    #[test]
    fn new_profile_is_empty_and_its_name_is_taken() {
        let bench = Bench::new();
        let made = create(&bench, "web").unwrap();
        assert_eq!(made.arn, "arn:aws:iam::111122223333:instance-profile/web");
        assert_eq!(get(&bench, "WEB").unwrap(), made);
        assert!(made.roles.is_empty());
        assert_eq!(create(&bench, "Web").unwrap_err(), failures::instance_profile_exists("Web"));
    }

    #[test]
    fn profile_or_role_that_does_not_exist_is_not_found() {
        let bench = Bench::new();
        let missing = failures::no_such_instance_profile("gone");
        assert_eq!(get(&bench, "gone").unwrap_err(), missing);
        assert_eq!(delete(&bench, "gone").unwrap_err(), missing);
        assert_eq!(bench.run(&ADD_ROLE_TO_INSTANCE_PROFILE, join("gone", "app")).unwrap_err(), missing);
        create(&bench, "web").unwrap();
        let nobody = failures::no_such_role("app");
        assert_eq!(bench.run(&ADD_ROLE_TO_INSTANCE_PROFILE, join("web", "app")).unwrap_err(), nobody);
        bench.add_role("app");
        assert_eq!(bench.run(&REMOVE_ROLE_FROM_INSTANCE_PROFILE, part("web", "app")).unwrap_err(), nobody);
    }

    #[test]
    fn profile_holds_one_role_and_neither_is_deleted_before_they_part() {
        let bench = Bench::new();
        bench.add_role("app");
        bench.add_role("other");
        create(&bench, "web").unwrap();
        bench.run(&ADD_ROLE_TO_INSTANCE_PROFILE, join("web", "app")).unwrap();
        assert_eq!(get(&bench, "web").unwrap().roles[0].role_name, "app");
        let second = bench.run(&ADD_ROLE_TO_INSTANCE_PROFILE, join("web", "other")).unwrap_err();
        assert_eq!(second, failures::quota_exceeded("InstanceSessionsPerInstanceProfile", 1));
        assert_eq!(delete(&bench, "web").unwrap_err(), failures::in_instance_profile());
        let role = api::DeleteRoleRequest { role_name: "app".into() };
        assert_eq!(bench.run(&DELETE_ROLE, role.clone()).unwrap_err(), failures::in_instance_profile());
        bench.run(&REMOVE_ROLE_FROM_INSTANCE_PROFILE, part("web", "app")).unwrap();
        bench.run(&DELETE_ROLE, role).unwrap();
        delete(&bench, "web").unwrap();
    }

    #[test]
    fn role_deleted_while_it_is_put_into_a_profile_loses() {
        let bench = Bench::new();
        bench.add_role("app");
        create(&bench, "web").unwrap();
        let (_, join) = bench.run_uncommitted(&ADD_ROLE_TO_INSTANCE_PROFILE, &join("web", "app")).unwrap();
        let delete = api::DeleteRoleRequest { role_name: "app".into() };
        let (_, delete) = bench.run_uncommitted(&DELETE_ROLE, &delete).unwrap();
        assert!(bench.second_loses(join, delete));
    }

    #[test]
    fn putting_a_role_into_a_profile_needs_leave_to_pass_it() {
        let bench = Bench::new();
        bench.add_role("app");
        create(&bench, "web").unwrap();
        let needed = bench.targets(&ADD_ROLE_TO_INSTANCE_PROFILE, &join("web", "app"));
        let needed: Vec<_> = needed.iter().map(|(action, target)| (*action, target.arn.as_str())).collect();
        assert_eq!(
            needed,
            [
                ("iam:AddRoleToInstanceProfile", "arn:aws:iam::111122223333:instance-profile/web"),
                ("iam:PassRole", "arn:aws:iam::111122223333:role/app"),
            ]
        );
    }

    #[test]
    fn profiles_are_listed_in_pages_by_path_and_by_role() {
        let bench = Bench::new();
        bench.add_role("app");
        for name in ["b", "A", "c"] {
            create(&bench, name).unwrap();
            bench.run(&ADD_ROLE_TO_INSTANCE_PROFILE, join(name, "app")).unwrap();
        }
        let path = Some("/team/".into());
        let input = api::CreateInstanceProfileRequest { path, ..request("d") };
        bench.run(&CREATE_INSTANCE_PROFILE, input).unwrap();
        let names = |profiles: Vec<api::InstanceProfile>| {
            profiles.into_iter().map(|profile| profile.instance_profile_name).collect::<Vec<_>>()
        };
        let all = |path_prefix: Option<&str>, marker| {
            let path_prefix = path_prefix.map(str::to_owned);
            let input = api::ListInstanceProfilesRequest { path_prefix, marker, max_items: Some(3) };
            let page = bench.run(&LIST_INSTANCE_PROFILES, input).unwrap();
            (names(page.instance_profiles), page.marker)
        };
        let (first, marker) = all(None, None);
        assert_eq!((first, marker.is_some()), (vec!["A".to_owned(), "b".to_owned(), "c".to_owned()], true));
        assert_eq!(all(None, marker), (vec!["d".to_owned()], None));
        assert_eq!(all(Some("/team/"), None), (vec!["d".to_owned()], None));
        let of_role = |marker| {
            let role_name = "app".into();
            let input = api::ListInstanceProfilesForRoleRequest { role_name, marker, max_items: Some(2) };
            let page = bench.run(&LIST_INSTANCE_PROFILES_FOR_ROLE, input).unwrap();
            (names(page.instance_profiles), page.marker)
        };
        let (first, marker) = of_role(None);
        assert_eq!((first, marker.is_some()), (vec!["A".to_owned(), "b".to_owned()], true));
        assert_eq!(of_role(marker), (vec!["c".to_owned()], None));
    }

    #[test]
    fn tags_are_set_listed_and_removed() {
        let bench = Bench::new();
        create(&bench, "web").unwrap();
        let instance_profile_name = || "web".to_owned();
        let tags = vec![api::Tag { key: "a".into(), value: "1".into() }];
        let tag = api::TagInstanceProfileRequest { instance_profile_name: instance_profile_name(), tags };
        bench.run(&TAG_INSTANCE_PROFILE, tag).unwrap();
        let list = || {
            let instance_profile_name = instance_profile_name();
            let input = api::ListInstanceProfileTagsRequest { instance_profile_name, ..Default::default() };
            bench.run(&LIST_INSTANCE_PROFILE_TAGS, input).unwrap().tags.len()
        };
        assert_eq!(list(), 1);
        let tag_keys = vec!["A".into()];
        let untag =
            api::UntagInstanceProfileRequest { instance_profile_name: instance_profile_name(), tag_keys };
        bench.run(&UNTAG_INSTANCE_PROFILE, untag).unwrap();
        assert_eq!(list(), 0);
    }
}
