//! Whose account a call is about: `AccountId`.
//!
//! Left out, it is the caller's own: the standalone context. Whoever manages the organization names one of its members: principals of the
//! management account, and of a member that administers the service for it, which may name itself. The management account is never named.
//! It needs all features and trusted access. The rules then are about the account in its organization, which belongs to the management
//! account, and so to policies of the caller alone; the policies of the organization that bind are the caller's, too. The record of the
//! call goes into the member's log as well.
//!
//! Source: Account Management Reference Guide, "API operation modes"; API Reference, `AccountId`.

use rootward_names::AccountId;
use rootward_pipeline::{Failure, OpContext, Scope, Target};
use rootward_policy::Context;
use rootward_state::entities::{AccountStatus, Membership, Organization};
use rootward_state::{OrganizationState, RowKey, Txn};

use super::failures;

/// Account Management, as organizations trust it and delegate its administration.
const SERVICE: &str = "account.amazonaws.com";

/// The resource of every rule.
pub(super) fn target(scope: &Scope<'_>, account_id: Option<&str>) -> Target {
    let partition = scope.ctx.partition();
    let named = account_id.and_then(|id| Some((id, scope.world.organization_of(scope.ctx.account())?)));
    let Some((id, state)) = named else {
        return Target::arn(format!("arn:{partition}:account::{}:account", scope.ctx.account()));
    };
    let organization = state.organization();
    let arn =
        format!("arn:{partition}:account::{}:account/{}/{id}", organization.management, organization.id);
    Target { keys: id.parse().map(|id| keys(state, id)).unwrap_or_default(), ..Target::arn(arn) }
}

/// Where the member is, and what it is tagged with.
fn keys(state: &OrganizationState, id: AccountId) -> Context {
    let mut keys = Context::new();
    if let Some(member) = state.member(id) {
        keys.list("account:AccountResourceOrgPaths", state.path(id));
        for tag in &member.tags {
            keys.text(&format!("account:AccountResourceOrgTags/{}", tag.key), &tag.value);
        }
    }
    keys
}

/// The account that a call looks at.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn looked_at(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    action: &str,
    account_id: Option<&str>,
) -> Result<AccountId, Failure> {
    let Some(id) = account_id else { return Ok(ctx.account()) };
    let Some(state) = txn.world().organization_of(ctx.account()).cloned() else {
        let is_own = id == ctx.account().to_string();
        return Err(failures::no_organization(ctx.principal, action, is_own));
    };
    // Guarded, as the member is: it is still managed when what is written is.
    let row = txn.get::<Organization>(RowKey::Organization(state.organization().id.clone()));
    let row = row.ok_or_else(|| failures::not_authorized(ctx.principal, action))?;
    let administers =
        |member: &Membership| member.delegated.iter().any(|service| &*service.principal == SERVICE);
    let is_management = ctx.account() == row.management;
    if !is_management && !membership(txn, &row, ctx.account()).is_some_and(|member| administers(&member)) {
        return Err(failures::not_authorized(ctx.principal, action));
    }
    if !row.all_features || !row.trusted.iter().any(|service| &*service.principal == SERVICE) {
        return Err(failures::not_trusted(ctx.principal, action));
    }
    if id == row.management.to_string() {
        return Err(failures::management_named(ctx.principal, action));
    }
    let id = id.parse().map_err(|_| failures::not_authorized(ctx.principal, action))?;
    membership(txn, &row, id).ok_or_else(|| failures::not_authorized(ctx.principal, action))?;
    ctx.concerns(id);
    Ok(id)
}

/// The account that a call changes: as [`looked_at`], but not one that is closed or suspended.
///
/// # Errors
/// `AccessDenied`.
pub(super) fn changed(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    action: &str,
    account_id: Option<&str>,
) -> Result<AccountId, Failure> {
    let id = looked_at(ctx, txn, action, account_id)?;
    let status = txn.account(id).map(|row| row.status);
    if status != Some(AccountStatus::Active) {
        return Err(failures::not_authorized(ctx.principal, action));
    }
    Ok(id)
}

/// An account's place in the organization, guarded.
fn membership(txn: &mut Txn, row: &Organization, id: AccountId) -> Option<Membership> {
    let member = txn.get::<Membership>(RowKey::Membership(id))?;
    (member.organization == row.id).then(|| Membership::clone(&member))
}

#[cfg(test)]
mod tests {
    use rootward_api::account as api;
    use rootward_names::OrganizationId;
    use rootward_policy::Value;
    use rootward_state::entities::{Account, Tag};
    use rootward_wire::{Empty, Sensitive};

    use super::super::contacts::GET_CONTACT_INFORMATION;
    use super::super::information::{GET_ACCOUNT_INFORMATION, PUT_ACCOUNT_NAME};
    use super::*;
    use crate::organizations::testing::{call_as, delegate, organization};
    use crate::testing::Bench;

    const MANAGEMENT: &str = "111122223333";
    const MEMBER: &str = "222233334444";
    const ADMINISTRATOR: &str = "333344445555";

    fn bench() -> (Bench, OrganizationId) {
        let bench = Bench::new();
        let id = organization(&bench, &[MEMBER, ADMINISTRATOR], &[SERVICE, "ram.amazonaws.com"]);
        delegate(&bench, ADMINISTRATOR, SERVICE);
        (bench, id)
    }

    fn rename(bench: &Bench, id: &str) -> Result<Empty, Failure> {
        let account_name = Sensitive::new("Renamed");
        bench.run(&PUT_ACCOUNT_NAME, api::PutAccountNameRequest { account_name, account_id: Some(id.into()) })
    }

    fn name(bench: &Bench, id: &str) -> Result<String, Failure> {
        let input = api::GetAccountInformationRequest { account_id: Some(id.into()) };
        let shown = bench.run(&GET_ACCOUNT_INFORMATION, input)?;
        assert_eq!(shown.account_id.as_deref(), Some(id));
        Ok(shown.account_name.unwrap().expose().to_owned())
    }

    fn change(bench: &Bench, id: &OrganizationId, change: impl FnOnce(&mut Organization)) {
        bench.write(|txn| {
            let key = RowKey::Organization(id.clone());
            let mut row = Organization::clone(&*txn.get::<Organization>(key.clone()).unwrap());
            change(&mut row);
            txn.put(key, row);
        });
    }

    #[track_caller]
    fn assert_denied(result: Result<Empty, Failure>, reason: &str) {
        let error = result.unwrap_err();
        assert_eq!((error.code, error.status), ("AccessDenied", 403));
        let (_, said) =
            error.message.split_once("is not authorized to perform: account:PutAccountName").unwrap();
        assert_eq!(said, reason);
    }

    #[test]
    fn management_account_and_who_administers_the_service_name_members() {
        let (bench, _) = bench();
        for caller in [MANAGEMENT, ADMINISTRATOR] {
            call_as(&bench, caller);
            assert_eq!(name(&bench, MEMBER).as_deref(), Ok("Member"));
            rename(&bench, MEMBER).unwrap();
            assert_eq!(name(&bench, MEMBER).as_deref(), Ok("Renamed"));
            bench.write(|txn| {
                let row = Account::clone(&txn.account(MEMBER.parse().unwrap()).unwrap());
                txn.put(RowKey::Account(row.id), Account { name: "Member".into(), ..row });
            });
        }
        rename(&bench, ADMINISTRATOR).unwrap();
        assert_eq!(&*bench.state().account().name, "Example Corp");
    }

    #[test]
    fn members_that_administer_another_service_or_none_name_nobody() {
        let (bench, _) = bench();
        delegate(&bench, MEMBER, "ram.amazonaws.com");
        call_as(&bench, MEMBER);
        for id in [MEMBER, ADMINISTRATOR, MANAGEMENT] {
            assert_denied(rename(&bench, id), "");
        }
    }

    #[test]
    fn nobody_names_the_management_account() {
        let (bench, _) = bench();
        let reason = " (The management account can only be managed using the standalone context from the management account.)";
        for caller in [MANAGEMENT, ADMINISTRATOR] {
            call_as(&bench, caller);
            assert_denied(rename(&bench, MANAGEMENT), reason);
        }
    }

    #[test]
    fn accounts_of_others_are_not_named() {
        let (bench, _) = bench();
        let stranger = bench.open_account("Stranger", "stranger@example.com").to_string();
        bench.call_as_root();
        assert_denied(rename(&bench, &stranger), "");
        assert_denied(rename(&bench, "999999999999"), "");
        assert_eq!(name(&bench, &stranger).unwrap_err().status, 403);
    }

    #[test]
    fn it_needs_trusted_access_and_all_features() {
        let (bench, id) = bench();
        let reason = " (Your organization must first enable trusted access with AWS Account Management.)";
        change(&bench, &id, |row| row.all_features = false);
        assert_denied(rename(&bench, MEMBER), reason);
        change(&bench, &id, |row| (row.all_features, row.trusted) = (true, Vec::new()));
        assert_denied(rename(&bench, MEMBER), reason);
    }

    #[test]
    fn closed_member_is_looked_at_and_not_changed() {
        let (bench, _) = bench();
        bench.write(|txn| {
            let row = Account::clone(&txn.account(MEMBER.parse().unwrap()).unwrap());
            txn.put(RowKey::Account(row.id), Account { status: AccountStatus::Suspended, ..row });
        });
        assert_eq!(name(&bench, MEMBER).as_deref(), Ok("Member"));
        assert_denied(rename(&bench, MEMBER), "");
    }

    #[test]
    fn member_that_leaves_meanwhile_is_not_changed() {
        let (bench, _) = bench();
        let input = api::PutAccountNameRequest {
            account_name: Sensitive::new("Renamed"),
            account_id: Some(MEMBER.into()),
        };
        let (_, renamed) = bench.run_uncommitted(&PUT_ACCOUNT_NAME, &input).unwrap();
        let mut left = bench.begin();
        left.get::<Membership>(RowKey::Membership(MEMBER.parse().unwrap())).unwrap();
        left.delete(RowKey::Membership(MEMBER.parse().unwrap()));
        assert!(bench.second_loses(left, renamed));
    }

    #[test]
    fn rule_is_about_the_account_in_its_organization_with_its_place_and_tags() {
        let (bench, id) = bench();
        bench.write(|txn| {
            let key = RowKey::Membership(MEMBER.parse().unwrap());
            let mut row = Membership::clone(&*txn.get::<Membership>(key.clone()).unwrap());
            row.tags = vec![Tag { key: "Team".into(), value: "blue".into() }];
            txn.put(key, row);
        });
        let root = {
            let txn = bench.begin();
            txn.world().organization_of(bench.account()).unwrap().organization().root.clone()
        };
        for caller in [MANAGEMENT, ADMINISTRATOR] {
            call_as(&bench, caller);
            let input = api::GetContactInformationRequest { account_id: Some(MEMBER.into()) };
            let [(_, target)] = bench.targets(&GET_CONTACT_INFORMATION, &input).try_into().unwrap();
            assert_eq!(target.arn, format!("arn:aws:account::{MANAGEMENT}:account/{id}/{MEMBER}"));
            let key = |name: &str| match target.keys.get(name) {
                Some(Value::Many(many)) => Some(many.iter().collect::<Vec<_>>().concat()),
                Some(Value::Single(text)) => Some(text.to_owned()),
                None => None,
            };
            assert_eq!(key("account:AccountResourceOrgTags/Team").as_deref(), Some("blue"));
            assert_eq!(key("account:AccountResourceOrgPaths"), Some(format!("{id}/{root}/")));
            let [(_, target)] =
                bench.targets(&GET_CONTACT_INFORMATION, &Default::default()).try_into().unwrap();
            assert_eq!(target.arn, format!("arn:aws:account::{caller}:account"));
            assert!(target.keys.get("account:AccountResourceOrgPaths").is_none());
        }
    }
}
