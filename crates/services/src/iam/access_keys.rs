//! Access keys of users and of the root user.
//!
//! A key is a row of its own, found by the id that requests carry; its owner's row lists it, so that the quota and the
//! owner's deletion see it. The secret is shown once and kept sealed. A root user's keys are for the root user alone: no
//! user name leads to them. While the root user is sealed none is made, and none made active.

use std::sync::Arc;

use rootward_api::iam as api;
use rootward_auth::authn::seal_secret;
use rootward_auth::session::SecretAccessKey;
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, Partition, Random, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{AccessKey, Account, CredentialOwner, User};
use rootward_state::{RowKey, Txn};
use rootward_store::vault::Vault;
use rootward_wire::{Empty, Sensitive};

use super::page::Ask;
use super::whom::{Whom, check_equipping, whom};
use super::{failures, quotas, targets};
use crate::root_guard;

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_ACCESS_KEY,
    &DELETE_ACCESS_KEY,
    &GET_ACCESS_KEY_LAST_USED,
    &LIST_ACCESS_KEYS,
    &UPDATE_ACCESS_KEY,
];

const QUOTA: &str = "AccessKeysPerUser";

/// Lets no key of a sealed root user come into use, and none of an approver by others.
fn check_guard(ctx: &OpContext<'_>, txn: &mut Txn, whom: &Whom) -> Result<(), Failure> {
    match whom {
        // Its task denies it already: whoever assumes a root user never makes it a key.
        Whom::Root(_) if ctx.principal.is_assumed_root() => Err(failures::no_key_of_assumed_root()),
        Whom::Root(_) => root_guard::must_be_open(txn, ctx.account(), ctx.now)
            .map_err(|_| failures::root_is_sealed(ctx.account())),
        Whom::User(user) => check_equipping(ctx, txn, user),
    }
}

/// A new key: the row to write and the secret to show.
pub(crate) struct Issued {
    pub(crate) row: AccessKey,
    pub(crate) secret: SecretAccessKey,
}

/// Makes an access key; the caller writes the row and lists it in its owner's.
pub(crate) fn issue(
    account: AccountId,
    partition: Partition,
    owner: CredentialOwner,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) -> Issued {
    let id = AccessKeyId::random(AccessKeyKind::LongTerm, account, random);
    let secret = SecretAccessKey::random(random);
    let sealed = seal_secret(vault, id, &secret, random);
    let row = AccessKey { id, account, owner, active: true, created: now, secret: sealed, partition };
    Issued { row, secret }
}

impl Whom {
    fn access_keys(&self) -> &[AccessKeyId] {
        match self {
            Self::Root(account) => &account.root.access_keys,
            Self::User(user) => &user.access_keys,
        }
    }

    /// Writes the owner's row with these keys.
    fn put_access_keys(&self, txn: &mut Txn, account: AccountId, keys: Vec<AccessKeyId>) {
        match self {
            Self::Root(row) => {
                let mut row = Account::clone(row);
                row.root.access_keys = keys;
                txn.put(RowKey::Account(account), row);
            }
            Self::User(user) => txn.put_entity(account, User { access_keys: keys, ..User::clone(user) }),
        }
    }
}

pub(crate) static CREATE_ACCESS_KEY: Declaration<api::CreateAccessKey> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:CreateAccessKey",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: create_access_key,
};

fn create_access_key(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateAccessKeyRequest,
) -> Result<api::CreateAccessKeyResponse, Failure> {
    let whom = whom(ctx, txn, input.user_name.as_deref())?;
    check_guard(ctx, txn, &whom)?;
    let mut keys = whom.access_keys().to_vec();
    if keys.len() >= quotas::ACCESS_KEYS_PER_USER {
        return Err(failures::quota_exceeded(QUOTA, quotas::ACCESS_KEYS_PER_USER));
    }
    let (account, partition) = (ctx.account(), ctx.partition());
    let issued =
        ctx.with_random(|random| issue(account, partition, whom.owner(), ctx.now, random, ctx.vault));
    keys.push(issued.row.id);
    whom.put_access_keys(txn, ctx.account(), keys);
    let shown = api::AccessKey {
        user_name: whom.name(),
        access_key_id: issued.row.id.to_string(),
        status: api::StatusType::Active,
        secret_access_key: Sensitive::new(issued.secret.expose()),
        create_date: Some(issued.row.created),
    };
    txn.put(RowKey::AccessKey(issued.row.id), issued.row);
    Ok(api::CreateAccessKeyResponse { access_key: shown })
}

pub(super) static LIST_ACCESS_KEYS: Declaration<api::ListAccessKeys> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:ListAccessKeys",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: list_access_keys,
};

fn list_access_keys(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListAccessKeysRequest,
) -> Result<api::ListAccessKeysResponse, Failure> {
    let ask = Ask::new(input.marker.as_deref(), input.max_items)?;
    let whom = whom(ctx, txn, input.user_name.as_deref())?;
    let state = ctx.view(txn)?;
    let keys = whom.access_keys().iter().filter_map(|id| state.access_key(*id));
    let page = ask.few(keys.map(|key| (key.id.to_string(), key)).collect(), |key| api::AccessKeyMetadata {
        user_name: whom.name(),
        access_key_id: Some(key.id.to_string()),
        status: Some(status(key)),
        create_date: Some(key.created),
    });
    Ok(api::ListAccessKeysResponse {
        is_truncated: page.is_truncated(),
        access_key_metadata: page.items,
        marker: page.marker,
    })
}

fn status(key: &AccessKey) -> api::StatusType {
    if key.active { api::StatusType::Active } else { api::StatusType::Inactive }
}

pub(crate) static UPDATE_ACCESS_KEY: Declaration<api::UpdateAccessKey> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:UpdateAccessKey",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: update_access_key,
};

fn update_access_key(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::UpdateAccessKeyRequest,
) -> Result<Empty, Failure> {
    let active = match input.status {
        api::StatusType::Active => true,
        api::StatusType::Inactive => false,
        api::StatusType::Expired => return Err(failures::status_not_settable()),
    };
    let whom = whom(ctx, txn, input.user_name.as_deref())?;
    let key = key_of(&whom, txn, &input.access_key_id)?;
    if active {
        check_guard(ctx, txn, &whom)?;
    }
    txn.put(RowKey::AccessKey(key.id), AccessKey { active, ..AccessKey::clone(&key) });
    Ok(Empty)
}

pub(super) static DELETE_ACCESS_KEY: Declaration<api::DeleteAccessKey> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:DeleteAccessKey",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[],
    }],
    run: delete_access_key,
};

fn delete_access_key(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeleteAccessKeyRequest,
) -> Result<Empty, Failure> {
    let whom = whom(ctx, txn, input.user_name.as_deref())?;
    let key = key_of(&whom, txn, &input.access_key_id)?;
    let rest = whom.access_keys().iter().copied().filter(|id| *id != key.id).collect();
    whom.put_access_keys(txn, ctx.account(), rest);
    txn.delete(RowKey::AccessKey(key.id));
    txn.delete(RowKey::KeyUsage(key.id));
    Ok(Empty)
}

/// The key with this id, guarded, if it is this owner's.
fn key_of(whom: &Whom, txn: &mut Txn, id: &str) -> Result<Arc<AccessKey>, Failure> {
    let owned = id.parse().ok().filter(|id| whom.access_keys().contains(id));
    owned.and_then(|id| txn.access_key(id)).ok_or_else(|| failures::no_such_access_key(id))
}

pub(super) static GET_ACCESS_KEY_LAST_USED: Declaration<api::GetAccessKeyLastUsed> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:GetAccessKeyLastUsed",
        when: always,
        target: |scope, input| owner_target(scope, &input.access_key_id),
        keys: &[],
    }],
    run: get_access_key_last_used,
};

/// The user whose key it is. A key that is not there has no user: whoever may ask about all may learn that.
fn owner_target(scope: &Scope<'_>, id: &str) -> Target {
    let state = scope.world.account(scope.ctx.account());
    let key = id.parse().ok().and_then(|id| state?.access_key(id));
    let user = key.and_then(|key| match key.owner {
        CredentialOwner::Root => None,
        CredentialOwner::User(id) => state?.by_id::<User>(id),
    });
    let principal = &scope.ctx.principal;
    match user {
        // Of the root user's keys the task's policy wants to be asked as what is the root user's.
        None if principal.is_assumed_root() && key.is_some_and(|key| key.owner == CredentialOwner::Root) => {
            Target::arn(principal.arn())
        }
        Some(user) => Target { shown: Some(format!("access key {id}")), ..targets::user(scope, &user.name) },
        None => Target { shown: Some(format!("access key {id}")), ..targets::list::<User>(scope, None) },
    }
}

fn get_access_key_last_used(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetAccessKeyLastUsedRequest,
) -> Result<api::GetAccessKeyLastUsedResponse, Failure> {
    let state = ctx.view(txn)?;
    let key = input.access_key_id.parse().ok().and_then(|id| state.access_key(id));
    let key = key.ok_or_else(|| failures::no_such_access_key(&input.access_key_id))?;
    let user = match key.owner {
        // Known to the root user and to whoever has assumed it only, as in every other operation.
        CredentialOwner::Root if !ctx.principal.is_root() && !ctx.principal.is_assumed_root() => {
            return Err(failures::no_such_access_key(&input.access_key_id));
        }
        CredentialOwner::Root => None,
        CredentialOwner::User(id) => state.by_id::<User>(id).map(|user| user.name.to_string()),
    };
    let usage = state.key_usage(key.id);
    let text = |field: Option<&str>| field.unwrap_or("N/A").to_owned();
    Ok(api::GetAccessKeyLastUsedResponse {
        user_name: user,
        access_key_last_used: Some(api::AccessKeyLastUsed {
            last_used_date: usage.map(|usage| usage.time),
            service_name: text(usage.map(|usage| &*usage.service)),
            region: text(usage.map(|usage| &*usage.region)),
        }),
    })
}

#[cfg(test)]
mod tests {
    use rootward_auth::root_task::RootTask;
    use rootward_auth::{AssumedRoot, Identity};
    use rootward_state::entities::Usage;

    use super::*;
    use crate::testing::{Bench, principal};

    fn create(bench: &Bench, user: Option<&str>) -> Result<api::AccessKey, Failure> {
        let input = api::CreateAccessKeyRequest { user_name: user.map(Into::into) };
        bench.run(&CREATE_ACCESS_KEY, input).map(|output| output.access_key)
    }

    fn list(bench: &Bench, user: Option<&str>) -> Result<Vec<api::AccessKeyMetadata>, Failure> {
        let input = api::ListAccessKeysRequest { user_name: user.map(Into::into), ..Default::default() };
        bench.run(&LIST_ACCESS_KEYS, input).map(|output| output.access_key_metadata)
    }

    fn delete(bench: &Bench, user: Option<&str>, id: &str) -> Result<Empty, Failure> {
        let input = api::DeleteAccessKeyRequest { user_name: user.map(Into::into), access_key_id: id.into() };
        bench.run(&DELETE_ACCESS_KEY, input)
    }

    fn set(bench: &Bench, user: &str, id: &str, status: api::StatusType) -> Result<Empty, Failure> {
        let (user_name, access_key_id) = (Some(user.into()), id.into());
        bench.run(&UPDATE_ACCESS_KEY, api::UpdateAccessKeyRequest { user_name, access_key_id, status })
    }

    fn last_used(bench: &Bench, id: &str) -> Result<api::GetAccessKeyLastUsedResponse, Failure> {
        bench.run(&GET_ACCESS_KEY_LAST_USED, api::GetAccessKeyLastUsedRequest { access_key_id: id.into() })
    }

    #[test]
    fn new_key_is_active_carries_its_account_and_its_secret_is_sealed() {
        let bench = Bench::new();
        bench.add_user("ann");
        let key = create(&bench, Some("ann")).unwrap();
        assert_eq!((key.user_name.as_deref(), key.status), (Some("ann"), api::StatusType::Active));
        assert_eq!(key.secret_access_key.expose().len(), 40);
        let id: AccessKeyId = key.access_key_id.parse().unwrap();
        assert_eq!(id.account(), Some(bench.account()));
        let row = bench.state().access_key(id).cloned().unwrap();
        let secret = key.secret_access_key.expose().as_bytes();
        assert!(!row.secret.windows(secret.len()).any(|window| window == secret));
        assert_eq!(bench.open_secret(&row), key.secret_access_key.expose());
        assert_eq!(list(&bench, Some("ann")).unwrap()[0].access_key_id, Some(key.access_key_id));
    }

    #[test]
    fn third_key_is_over_the_quota_also_when_one_is_inactive() {
        let bench = Bench::new();
        bench.add_user("ann");
        let first = create(&bench, Some("ann")).unwrap();
        create(&bench, Some("ann")).unwrap();
        set(&bench, "ann", &first.access_key_id, api::StatusType::Inactive).unwrap();
        let error = create(&bench, Some("ann")).unwrap_err();
        assert_eq!((error.code, error.status), ("LimitExceeded", 409));
        assert_eq!(error.message, "Cannot exceed quota for AccessKeysPerUser: 2");
    }

    #[test]
    fn racing_creations_cannot_pass_the_quota() {
        let bench = Bench::new();
        bench.add_user("ann");
        let input = api::CreateAccessKeyRequest { user_name: Some("ann".into()) };
        let (_, first) = bench.run_uncommitted(&CREATE_ACCESS_KEY, &input).unwrap();
        let (_, second) = bench.run_uncommitted(&CREATE_ACCESS_KEY, &input).unwrap();
        assert!(bench.second_loses(first, second));
    }

    #[test]
    fn without_a_name_root_has_keys_of_its_own_and_a_role_none() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_role("r");
        let key = create(&bench, None).unwrap();
        assert_eq!(list(&bench, None).unwrap()[0].access_key_id.as_ref(), Some(&key.access_key_id));
        assert_eq!(bench.state().account().root.access_keys.len(), 1);
        bench.call_as_user("ann");
        assert!(list(&bench, None).unwrap().is_empty());
        assert_eq!(delete(&bench, None, &key.access_key_id).unwrap_err().code, "NoSuchEntity");
        assert_eq!(last_used(&bench, &key.access_key_id).unwrap_err().code, "NoSuchEntity");
        bench.call_as_role("r");
        assert_eq!(create(&bench, None).unwrap_err(), failures::user_name_needed());
        bench.call_as_root();
        delete(&bench, None, &key.access_key_id).unwrap();
        assert!(bench.state().account().root.access_keys.is_empty());
    }

    #[test]
    fn sealed_root_user_gets_no_key_and_none_back_but_may_lay_down_what_it_has() {
        let bench = Bench::new();
        let key = create(&bench, None).unwrap().access_key_id;
        let put = |status| {
            let access_key_id = key.clone();
            bench.run(
                &UPDATE_ACCESS_KEY,
                api::UpdateAccessKeyRequest { user_name: None, access_key_id, status },
            )
        };
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
        let refused = create(&bench, None).unwrap_err();
        assert_eq!((refused.code, refused.status), ("AccessDenied", 403));
        assert!(refused.message.contains("is sealed") && refused.message.contains("UnsealRoot"));
        put(api::StatusType::Inactive).unwrap();
        assert_eq!(put(api::StatusType::Active).unwrap_err(), refused);
        // Users are not sealed.
        bench.add_user("ann");
        create(&bench, Some("ann")).unwrap();
        bench.write(|txn| drop(root_guard::unseal(txn, bench.account(), "drill", 5, bench.now()).unwrap()));
        put(api::StatusType::Active).unwrap();
        bench.pass_seconds(300);
        assert_eq!(put(api::StatusType::Active).unwrap_err(), refused);
        delete(&bench, None, &key).unwrap();
    }

    #[test]
    fn key_made_and_seal_closed_at_once_do_not_both_win() {
        let bench = Bench::new();
        let input = api::CreateAccessKeyRequest { user_name: None };
        let (_, creates) = bench.run_uncommitted(&CREATE_ACCESS_KEY, &input).unwrap();
        let mut seals = bench.begin();
        root_guard::seal(&mut seals, bench.account()).unwrap();
        assert!(bench.second_loses(seals, creates));
        assert!(bench.state().account().root.access_keys.is_empty());
    }

    #[test]
    fn key_of_another_user_cannot_be_found() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.add_user("bob");
        let key = create(&bench, Some("ann")).unwrap().access_key_id;
        let error = delete(&bench, Some("bob"), &key).unwrap_err();
        assert_eq!(error.message, format!("The Access Key with id {key} cannot be found."));
        assert_eq!(set(&bench, "bob", &key, api::StatusType::Inactive).unwrap_err(), error);
    }

    #[test]
    fn status_is_switched_and_expired_is_not_for_callers() {
        let bench = Bench::new();
        bench.add_user("ann");
        let key = create(&bench, Some("ann")).unwrap().access_key_id;
        set(&bench, "ann", &key, api::StatusType::Inactive).unwrap();
        assert_eq!(list(&bench, Some("ann")).unwrap()[0].status, Some(api::StatusType::Inactive));
        set(&bench, "ann", &key, api::StatusType::Active).unwrap();
        assert_eq!(list(&bench, Some("ann")).unwrap()[0].status, Some(api::StatusType::Active));
        assert_eq!(set(&bench, "ann", &key, api::StatusType::Expired).unwrap_err().code, "InvalidInput");
    }

    #[test]
    fn deleted_key_is_gone_with_its_last_use() {
        let bench = Bench::new();
        bench.add_user("ann");
        let key = create(&bench, Some("ann")).unwrap().access_key_id;
        let id: AccessKeyId = key.parse().unwrap();
        let never = last_used(&bench, &key).unwrap();
        assert_eq!(never.user_name.as_deref(), Some("ann"));
        let never = never.access_key_last_used.unwrap();
        assert_eq!((never.last_used_date, never.service_name.as_str()), (None, "N/A"));
        let usage = Usage { time: bench.now(), service: "iam".into(), region: "us-east-1".into() };
        bench.write(|txn| txn.put(RowKey::KeyUsage(id), usage));
        let used = last_used(&bench, &key).unwrap().access_key_last_used.unwrap();
        assert_eq!((used.last_used_date, used.region.as_str()), (Some(bench.now()), "us-east-1"));
        delete(&bench, Some("ann"), &key).unwrap();
        assert!(bench.state().key_usage(id).is_none());
        assert_eq!(last_used(&bench, &key).unwrap_err().code, "NoSuchEntity");
        assert!(bench.row::<User>("ann").unwrap().access_keys.is_empty());
    }

    #[test]
    fn last_use_is_authorized_on_the_user_whose_key_it_is() {
        let bench = Bench::new();
        bench.add_user("ann");
        let key = create(&bench, Some("ann")).unwrap().access_key_id;
        let input = api::GetAccessKeyLastUsedRequest { access_key_id: key.clone() };
        let (_, target) = bench.targets(&GET_ACCESS_KEY_LAST_USED, &input).remove(0);
        assert_eq!(target.arn, "arn:aws:iam::111122223333:user/ann");
        assert_eq!(target.shown, Some(format!("access key {key}")));
    }

    #[test]
    fn whoever_assumes_a_root_user_deletes_its_keys_behind_the_seal_and_makes_none() {
        let bench = Bench::new();
        let key = create(&bench, None).unwrap().access_key_id;
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
        let task = RootTask::DeleteCredentials;
        let assumed = AssumedRoot { task, source_identity: None };
        bench.call_as(principal(bench.account(), Identity::AssumedRoot(Box::new(assumed))));
        let refused = failures::no_key_of_assumed_root();
        assert_eq!(create(&bench, None).unwrap_err(), refused);
        bench.write(|txn| root_guard::never_seal(txn, bench.account()));
        assert_eq!(create(&bench, None).unwrap_err(), refused);
        let (access_key_id, status) = (key.clone(), api::StatusType::Active);
        let input = api::UpdateAccessKeyRequest { user_name: None, access_key_id, status };
        assert_eq!(bench.run(&UPDATE_ACCESS_KEY, input).unwrap_err(), refused);
        assert_eq!(list(&bench, None).unwrap()[0].access_key_id.as_ref(), Some(&key));
        assert!(last_used(&bench, &key).is_ok());
        let input = api::GetAccessKeyLastUsedRequest { access_key_id: key.clone() };
        let (_, target) = bench.targets(&GET_ACCESS_KEY_LAST_USED, &input).remove(0);
        assert_eq!(target.arn, "arn:aws:iam::111122223333:root");
        bench.write(|txn| drop(root_guard::seal(txn, bench.account()).unwrap()));
        delete(&bench, None, &key).unwrap();
        assert!(bench.state().account().root.access_keys.is_empty());
    }
}
