//! What belongs to the account as a whole: its alias, its summary, and everything in it at once.

use std::collections::BTreeMap;

use rootward_api::iam as api;
use rootward_managed::ManagedPolicy as AwsPolicy;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Target, always};
use rootward_state::entities::{
    Account, CredentialOwner, Group, InstanceProfile, ManagedPolicy, PolicyRef, PolicyVersion, Role, User,
};
use rootward_state::{AccountState, NameKey, RowKey, Txn};
use rootward_wire::Empty;

use super::page::{Ask, Page};
use super::shape::{self, Shape};
use super::whom::own_account;
use super::{failures, quotas, tags};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_ACCOUNT_ALIAS,
    &DELETE_ACCOUNT_ALIAS,
    &GET_ACCOUNT_AUTHORIZATION_DETAILS,
    &GET_ACCOUNT_SUMMARY,
    &LIST_ACCOUNT_ALIASES,
];

pub(super) static CREATE_ACCOUNT_ALIAS: Declaration<api::CreateAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:CreateAccountAlias",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: create_account_alias,
};

/// An account has one alias: a new one takes the place of the old one, which becomes free.
fn create_account_alias(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateAccountAliasRequest,
) -> Result<Empty, Failure> {
    let alias = input.account_alias.as_str();
    if is_account_id(alias) {
        return Err(failures::alias_is_account_id());
    }
    if txn.owner(RowKey::Alias(alias.into())).is_some() {
        return Err(failures::account_alias_exists(alias));
    }
    let mut account = Account::clone(&*own_account(ctx, txn)?);
    if let Some(old) = account.alias.replace(alias.into()) {
        txn.delete(RowKey::Alias(old));
    }
    txn.put_owner(RowKey::Alias(alias.into()), account.id);
    txn.put(RowKey::Account(account.id), account);
    Ok(Empty)
}

/// Sign-in takes an alias or an account id in the same place.
fn is_account_id(alias: &str) -> bool {
    alias.len() == 12 && alias.bytes().all(|byte| byte.is_ascii_digit())
}

pub(super) static DELETE_ACCOUNT_ALIAS: Declaration<api::DeleteAccountAlias> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteAccountAlias",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: delete_account_alias,
};

fn delete_account_alias(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteAccountAliasRequest,
) -> Result<Empty, Failure> {
    let mut account = Account::clone(&*own_account(ctx, txn)?);
    let alias = account.alias.take_if(|alias| **alias == *input.account_alias);
    let alias = alias.ok_or_else(|| failures::no_such_account_alias(&input.account_alias))?;
    txn.delete(RowKey::Alias(alias));
    txn.put(RowKey::Account(account.id), account);
    Ok(Empty)
}

pub(super) static LIST_ACCOUNT_ALIASES: Declaration<api::ListAccountAliases> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListAccountAliases",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_account_aliases,
};

fn list_account_aliases(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAccountAliasesRequest,
) -> Result<api::ListAccountAliasesResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let account = own_account(ctx, txn)?;
    let aliases = account.alias.iter().map(|alias| (alias.clone(), alias.to_string())).collect();
    let page = ask.few(aliases, |alias| alias);
    Ok(api::ListAccountAliasesResponse {
        is_truncated: page.is_truncated(),
        account_aliases: page.items,
        marker: page.marker,
    })
}

pub(super) static GET_ACCOUNT_SUMMARY: Declaration<api::GetAccountSummary> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule { action: "iam:GetAccountSummary", when: always, target: |_, _| Target::any(), keys: &[] }],
    run: get_account_summary,
};

fn get_account_summary(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    _: &Empty,
) -> Result<api::GetAccountSummaryResponse, Failure> {
    let state = ctx.view(txn)?;
    Ok(api::GetAccountSummaryResponse { summary_map: Some(summary(&state)) })
}

/// Every key of the model.
fn summary(state: &AccountState) -> BTreeMap<api::SummaryKeyType, i32> {
    let root = &state.account().root;
    let versions = state.all::<ManagedPolicy>().iter().map(|(_, policy)| policy.versions.len()).sum();
    let root_mfa = state.mfa_devices_of(CredentialOwner::Root).next().is_some();
    let mut map: BTreeMap<_, _> = api::SummaryKeyType::ALL.iter().map(|key| (*key, 0)).collect();
    map.extend(QUOTAS.iter().map(|(key, quota)| (*key, number(*quota))));
    map.extend([
        (api::SummaryKeyType::AccountAccessKeysPresent, i32::from(!root.access_keys.is_empty())),
        (api::SummaryKeyType::AccountMfaEnabled, i32::from(root_mfa)),
        (api::SummaryKeyType::AccountPasswordPresent, i32::from(root.password.is_some())),
        (api::SummaryKeyType::Groups, number(state.all::<Group>().len())),
        (api::SummaryKeyType::InstanceProfiles, number(state.all::<InstanceProfile>().len())),
        (api::SummaryKeyType::MfaDevices, number(state.mfa_devices().len())),
        (api::SummaryKeyType::MfaDevicesInUse, number(state.bound_mfa_devices())),
        (api::SummaryKeyType::Policies, number(state.all::<ManagedPolicy>().len())),
        (api::SummaryKeyType::PolicyVersionsInUse, number(versions)),
        (api::SummaryKeyType::Roles, number(state.all::<Role>().len())),
        (api::SummaryKeyType::Users, number(state.all::<User>().len())),
    ]);
    map
}

/// What is not counted yet (certificates, providers) is zero, because there is none.
const QUOTAS: &[(api::SummaryKeyType, usize)] = &[
    (api::SummaryKeyType::AccessKeysPerUserQuota, quotas::ACCESS_KEYS_PER_USER),
    (api::SummaryKeyType::AssumeRolePolicySizeQuota, quotas::TRUST_POLICY_CHARS),
    (api::SummaryKeyType::AttachedPoliciesPerGroupQuota, quotas::ATTACHED_POLICIES_PER_GROUP),
    (api::SummaryKeyType::AttachedPoliciesPerRoleQuota, quotas::ATTACHED_POLICIES_PER_ROLE),
    (api::SummaryKeyType::AttachedPoliciesPerUserQuota, quotas::ATTACHED_POLICIES_PER_USER),
    (api::SummaryKeyType::GlobalEndpointTokenVersion, 1),
    (api::SummaryKeyType::GroupPolicySizeQuota, quotas::GROUP_POLICY_CHARS),
    (api::SummaryKeyType::GroupsPerUserQuota, quotas::GROUPS_PER_USER),
    (api::SummaryKeyType::GroupsQuota, quotas::GROUPS),
    (api::SummaryKeyType::InstanceProfilesQuota, quotas::INSTANCE_PROFILES),
    (api::SummaryKeyType::PoliciesQuota, quotas::POLICIES),
    (api::SummaryKeyType::PolicySizeQuota, quotas::POLICY_CHARS),
    (api::SummaryKeyType::PolicyVersionsInUseQuota, 10_000),
    (api::SummaryKeyType::RolePolicySizeQuota, quotas::ROLE_POLICY_CHARS),
    (api::SummaryKeyType::RolesQuota, quotas::ROLES),
    (api::SummaryKeyType::ServerCertificatesQuota, 20),
    (api::SummaryKeyType::SigningCertificatesPerUserQuota, 2),
    (api::SummaryKeyType::UserPolicySizeQuota, quotas::USER_POLICY_CHARS),
    (api::SummaryKeyType::UsersQuota, quotas::USERS),
    (api::SummaryKeyType::VersionsPerPolicyQuota, quotas::POLICY_VERSIONS),
];

fn number(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

pub(super) static GET_ACCOUNT_AUTHORIZATION_DETAILS: Declaration<api::GetAccountAuthorizationDetails> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::SecondFactor,
        rules: &[Rule {
            action: "iam:GetAccountAuthorizationDetails",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: get_account_authorization_details,
    };

/// Users, then groups, roles, the account's policies and those of AWS that are attached to something.
fn get_account_authorization_details(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetAccountAuthorizationDetailsRequest,
) -> Result<api::GetAccountAuthorizationDetailsResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let state = ctx.view(txn)?;
    let page = details(&state, &ask, input.filter.as_deref().unwrap_or_default())?;
    let shape = Shape::new(ctx, txn.world(), &state);
    let (mut users, mut groups, mut roles, mut policies) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    let (is_truncated, marker) = (page.is_truncated(), page.marker);
    for detail in page.items {
        match detail {
            Detail::AwsPolicy(policy) => policies.push(shape.aws_policy_detail(policy)),
            Detail::Group(group) => groups.push(shape.group_detail(group)),
            Detail::Policy(policy) => policies.push(shape.policy_detail(policy)),
            Detail::Role(role) => roles.push(shape.role_detail(role)),
            Detail::User(user) => users.push(shape.user_detail(user)),
        }
    }
    Ok(api::GetAccountAuthorizationDetailsResponse {
        user_detail_list: Some(users),
        group_detail_list: Some(groups),
        role_detail_list: Some(roles),
        policies: Some(policies),
        is_truncated,
        marker,
    })
}

enum Detail<'a> {
    AwsPolicy(&'static AwsPolicy),
    Group(&'a Group),
    Policy(&'a ManagedPolicy),
    Role(&'a Role),
    User(&'a User),
}

type Rows<'a> = Box<dyn Iterator<Item = (String, Detail<'a>)> + 'a>;

/// The sections of the listing, in order. Markers say the section by its number, then the name.
const SECTIONS: [api::EntityType; 5] = [
    api::EntityType::User,
    api::EntityType::Group,
    api::EntityType::Role,
    api::EntityType::LocalManagedPolicy,
    api::EntityType::AwsManagedPolicy,
];

fn details<'a>(
    state: &'a AccountState,
    ask: &Ask,
    filter: &[api::EntityType],
) -> Result<Page<Detail<'a>>, Failure> {
    let (first, after) = match ask.after() {
        None => (0, None),
        Some(place) => {
            let (section, name) = place.split_once('/').ok_or_else(failures::invalid_marker)?;
            let section: usize = section.parse().map_err(|_| failures::invalid_marker())?;
            (section, Some(NameKey::new(name)))
        }
    };
    let wanted = |kind: &api::EntityType| filter.is_empty() || filter.contains(kind);
    let sections = SECTIONS.iter().enumerate().skip(first).filter(|(_, kind)| wanted(kind));
    let rows = sections.flat_map(|(number, kind)| {
        let after = after.as_ref().filter(|_| number == first);
        section(state, *kind, after).map(move |(name, detail)| (format!("{number}/{name}"), detail))
    });
    Ok(ask.take(rows, |detail| detail))
}

fn section<'a>(state: &'a AccountState, kind: api::EntityType, after: Option<&NameKey>) -> Rows<'a> {
    match kind {
        api::EntityType::AwsManagedPolicy => {
            let mut used: Vec<_> = state
                .aws_policies_in_use()
                .filter_map(rootward_managed::get)
                .map(|policy| (NameKey::new(policy.name), policy))
                .filter(|(name, _)| after.is_none_or(|after| name > after))
                .collect();
            used.sort_by(|(a, _), (b, _)| a.cmp(b));
            used.dedup_by(|(a, _), (b, _)| a == b);
            Box::new(
                used.into_iter().map(|(name, policy)| (name.as_str().to_owned(), Detail::AwsPolicy(policy))),
            )
        }
        api::EntityType::Group => rows(state, after, Detail::Group),
        api::EntityType::LocalManagedPolicy => rows(state, after, Detail::Policy),
        api::EntityType::Role => rows(state, after, Detail::Role),
        api::EntityType::User => rows(state, after, Detail::User),
    }
}

fn rows<'a, T: rootward_state::Tabled + 'a>(
    state: &'a AccountState,
    after: Option<&NameKey>,
    detail: fn(&'a T) -> Detail<'a>,
) -> Rows<'a> {
    let rows = state.all::<T>().after(after);
    Box::new(rows.map(move |(name, row)| (name.as_str().to_owned(), detail(row))))
}

impl Shape<'_> {
    fn user_detail(&self, user: &User) -> api::UserDetail {
        let groups = user.groups.iter().filter_map(|id| self.state.by_id::<Group>(*id));
        let inline = shape::inline_policies(&user.grants.inline);
        api::UserDetail {
            path: Some(user.path.to_string()),
            user_name: Some(user.name.to_string()),
            user_id: Some(user.id.to_string()),
            arn: Some(self.arn(user)),
            create_date: Some(user.created),
            user_policy_list: (!inline.is_empty()).then_some(inline),
            group_list: Some(groups.map(|group| group.name.to_string()).collect()),
            attached_managed_policies: Some(self.attached(&user.grants)),
            permissions_boundary: self.boundary(user.boundary.as_ref()),
            tags: Some(tags::shown(&user.tags).unwrap_or_default()),
        }
    }

    fn group_detail(&self, group: &Group) -> api::GroupDetail {
        api::GroupDetail {
            path: Some(group.path.to_string()),
            group_name: Some(group.name.to_string()),
            group_id: Some(group.id.to_string()),
            arn: Some(self.arn(group)),
            create_date: Some(group.created),
            group_policy_list: Some(shape::inline_policies(&group.grants.inline)),
            attached_managed_policies: Some(self.attached(&group.grants)),
        }
    }

    fn role_detail(&self, role: &Role) -> api::RoleDetail {
        let profiles =
            self.state.profiles_of(role.id).filter_map(|id| self.state.by_id::<InstanceProfile>(id));
        api::RoleDetail {
            path: Some(role.path.to_string()),
            role_name: Some(role.name.to_string()),
            role_id: Some(role.id.to_string()),
            arn: Some(self.arn(role)),
            create_date: Some(role.created),
            assume_role_policy_document: Some(self.trust(role)),
            instance_profile_list: Some(
                profiles.map(|profile| self.listed_instance_profile(profile)).collect(),
            ),
            role_policy_list: Some(shape::inline_policies(&role.grants.inline)),
            attached_managed_policies: Some(self.attached(&role.grants)),
            permissions_boundary: self.boundary(role.boundary.as_ref()),
            tags: Some(tags::shown(&role.tags).unwrap_or_default()),
            role_last_used: Some(self.role_last_used(role.id)),
        }
    }

    fn policy_detail(&self, policy: &ManagedPolicy) -> api::ManagedPolicyDetail {
        let version = |version: &PolicyVersion| api::PolicyVersion {
            document: Some(shape::document(version.document.text())),
            version_id: Some(format!("v{}", version.number)),
            is_default_version: Some(version.number == policy.default_version),
            create_date: Some(version.created),
        };
        api::ManagedPolicyDetail {
            policy_name: Some(policy.name.to_string()),
            policy_id: Some(policy.id.to_string()),
            arn: Some(self.arn(policy)),
            path: Some(policy.path.to_string()),
            default_version_id: Some(format!("v{}", policy.default_version)),
            is_attachable: Some(true),
            description: policy.description.as_deref().map(str::to_owned),
            create_date: Some(policy.created),
            update_date: Some(policy.updated),
            // Newest first.
            policy_version_list: Some(policy.versions.iter().rev().map(version).collect()),
            ..self.usage(&PolicyRef::Customer(policy.id))
        }
    }

    fn aws_policy_detail(&self, policy: &AwsPolicy) -> api::ManagedPolicyDetail {
        api::ManagedPolicyDetail {
            policy_name: Some(policy.name.to_owned()),
            policy_id: Some(policy.id.to_string()),
            arn: Some(policy.arn(self.partition)),
            path: Some(policy.path.to_owned()),
            default_version_id: Some(policy.default_version.to_string()),
            is_attachable: Some(true),
            description: None,
            create_date: Some(policy.created),
            update_date: Some(policy.updated),
            policy_version_list: Some(vec![api::PolicyVersion {
                document: Some(shape::document(&policy.document())),
                version_id: Some(policy.default_version.to_string()),
                is_default_version: Some(true),
                create_date: Some(policy.updated),
            }]),
            ..self.usage(&PolicyRef::Aws(policy.name.into()))
        }
    }

    fn usage(&self, policy: &PolicyRef) -> api::ManagedPolicyDetail {
        api::ManagedPolicyDetail {
            attachment_count: Some(number(self.state.attached_to(policy).count())),
            permissions_boundary_usage_count: Some(number(self.state.bounded_by(policy).count())),
            ..api::ManagedPolicyDetail::default()
        }
    }
}

#[cfg(test)]
mod tests {
    use rootward_state::entities::{Document, InlinePolicy, PasswordHash};

    use super::*;
    use crate::testing::Bench;

    fn create(bench: &Bench, alias: &str) -> Result<Empty, Failure> {
        bench.run(&CREATE_ACCOUNT_ALIAS, api::CreateAccountAliasRequest { account_alias: alias.into() })
    }

    fn delete(bench: &Bench, alias: &str) -> Result<Empty, Failure> {
        bench.run(&DELETE_ACCOUNT_ALIAS, api::DeleteAccountAliasRequest { account_alias: alias.into() })
    }

    fn aliases(bench: &Bench) -> Vec<String> {
        bench.run(&LIST_ACCOUNT_ALIASES, Default::default()).unwrap().account_aliases
    }

    fn all(bench: &Bench, filter: &[api::EntityType], items: i32) -> Vec<String> {
        let mut names = Vec::new();
        let mut marker = None;
        loop {
            let input = api::GetAccountAuthorizationDetailsRequest {
                filter: Some(filter.to_vec()),
                max_items: Some(items),
                marker,
            };
            let page = bench.run(&GET_ACCOUNT_AUTHORIZATION_DETAILS, input).unwrap();
            names.extend(page.user_detail_list.into_iter().flatten().filter_map(|detail| detail.user_name));
            names.extend(page.group_detail_list.into_iter().flatten().filter_map(|detail| detail.group_name));
            names.extend(page.role_detail_list.into_iter().flatten().filter_map(|detail| detail.role_name));
            names.extend(page.policies.into_iter().flatten().filter_map(|detail| detail.policy_name));
            marker = page.marker;
            if marker.is_none() {
                return names;
            }
        }
    }

    fn grant(bench: &Bench, name: &str) {
        let mut user = User::clone(&bench.row::<User>(name).unwrap());
        user.grants.attached.push(PolicyRef::Aws("AdministratorAccess".into()));
        user.grants.inline.push(InlinePolicy { name: "inline".into(), document: Document::new("{ }") });
        bench.write(|txn| txn.put_entity(bench.account(), user));
    }

    #[test]
    fn new_alias_replaces_the_old_one_which_becomes_free() {
        let bench = Bench::new();
        assert!(aliases(&bench).is_empty());
        create(&bench, "first").unwrap();
        create(&bench, "second").unwrap();
        assert_eq!(aliases(&bench), ["second"]);
        let error = create(&bench, "second").unwrap_err();
        assert_eq!((error.code, error.status), ("EntityAlreadyExists", 409));
        create(&bench, "first").unwrap();
        assert_eq!(bench.begin().world().account_by_alias("second"), None);
        assert_eq!(bench.begin().world().account_by_alias("first"), Some(bench.account()));
    }

    #[test]
    fn only_the_present_alias_is_deleted() {
        let bench = Bench::new();
        create(&bench, "mine").unwrap();
        assert_eq!(delete(&bench, "other").unwrap_err().code, "NoSuchEntity");
        delete(&bench, "mine").unwrap();
        assert!(aliases(&bench).is_empty());
        assert_eq!(delete(&bench, "mine").unwrap_err().code, "NoSuchEntity");
    }

    #[test]
    fn account_id_is_no_alias() {
        assert_eq!(create(&Bench::new(), "999988887777").unwrap_err().code, "ValidationError");
    }

    #[test]
    fn summary_has_every_key_and_counts() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_role("r");
        let map = bench.run(&GET_ACCOUNT_SUMMARY, Empty).unwrap().summary_map.unwrap();
        assert_eq!(map.len(), api::SummaryKeyType::ALL.len());
        for (key, value) in [
            (api::SummaryKeyType::Users, 1),
            (api::SummaryKeyType::Roles, 1),
            (api::SummaryKeyType::RolesQuota, 1_000),
            (api::SummaryKeyType::AccountAccessKeysPresent, 0),
            (api::SummaryKeyType::AssumeRolePolicySizeQuota, 2_048),
        ] {
            assert_eq!(map.get(&key), Some(&value), "{key}");
        }
    }

    #[test]
    fn summary_tells_of_second_factors_and_of_the_root_users_credentials() {
        let bench = Bench::new();
        let user = CredentialOwner::User(bench.add_user("ann"));
        let told = |bench: &Bench| {
            let map = bench.run(&GET_ACCOUNT_SUMMARY, Empty).unwrap().summary_map.unwrap();
            [
                api::SummaryKeyType::MfaDevices,
                api::SummaryKeyType::MfaDevicesInUse,
                api::SummaryKeyType::AccountMfaEnabled,
                api::SummaryKeyType::AccountPasswordPresent,
            ]
            .map(|key| map[&key])
        };
        assert_eq!(told(&bench), [0; 4]);
        bench.add_free_mfa_device("free");
        bench.add_mfa_device("ann", user);
        assert_eq!(told(&bench), [2, 1, 0, 0]);
        bench.add_mfa_device("root-account-mfa-device", CredentialOwner::Root);
        let mut account = Account::clone(bench.state().account());
        account.root.password = Some(PasswordHash::new("hash"));
        bench.write(|txn| txn.put(RowKey::Account(bench.account()), account));
        assert_eq!(told(&bench), [3, 2, 1, 1]);
    }

    #[test]
    fn details_page_through_all_kinds_in_any_page_size() {
        let bench = Bench::new();
        for name in ["ann", "bob", "carl"] {
            bench.add_user(name);
            grant(&bench, name);
        }
        bench.add_role("r1");
        bench.add_role("r2");
        let everything = ["ann", "bob", "carl", "r1", "r2", "AdministratorAccess"];
        for items in 1..8 {
            assert_eq!(all(&bench, &[], items), everything, "{items}");
        }
        assert_eq!(all(&bench, &[api::EntityType::Role], 1), ["r1", "r2"]);
        assert_eq!(all(&bench, &[api::EntityType::AwsManagedPolicy], 1), ["AdministratorAccess"]);
        assert!(all(&bench, &[api::EntityType::Group, api::EntityType::LocalManagedPolicy], 1).is_empty());
    }

    #[test]
    fn details_show_policies_with_encoded_documents() {
        let bench = Bench::new();
        bench.add_user("ann");
        grant(&bench, "ann");
        let page = bench.run(&GET_ACCOUNT_AUTHORIZATION_DETAILS, Default::default()).unwrap();
        let user = page.user_detail_list.unwrap().remove(0);
        let inline = user.user_policy_list.unwrap().remove(0);
        assert_eq!(inline.policy_document.as_deref(), Some("%7B%20%7D"));
        let arn = "arn:aws:iam::aws:policy/AdministratorAccess";
        assert_eq!(user.attached_managed_policies.unwrap()[0].policy_arn.as_deref(), Some(arn));
        let policy = page.policies.unwrap().remove(0);
        assert_eq!((policy.arn.as_deref(), policy.attachment_count), (Some(arn), Some(1)));
    }

    #[test]
    fn made_up_place_is_refused() {
        let bench = Bench::new();
        for place in ["x", "x/y", "/"] {
            let marker =
                base64::Engine::encode(&base64::prelude::BASE64_URL_SAFE_NO_PAD, format!("1{place}"));
            let input =
                api::GetAccountAuthorizationDetailsRequest { marker: Some(marker), ..Default::default() };
            let error = bench.run(&GET_ACCOUNT_AUTHORIZATION_DETAILS, input).unwrap_err();
            assert_eq!(error, failures::invalid_marker());
        }
    }
}
