//! Delegated administrators: members that administer a service for the whole organization.
//!
//! Who registers or deregisters one rewrites the organization's row, so that their number and the trust in the service hold.
//!
//! Source: Organizations API Reference; Organizations User Guide, "Delegated administrator for AWS services that work with
//! Organizations".

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_names::{AccountId, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Target, always,
};
use rootward_state::entities::{AccountStatus, Membership, Organization, TrustedService};
use rootward_state::{OrganizationState, RowKey, Txn, World};
use rootward_wire::{Empty, Sensitive};

use super::page::Ask;
use super::{accounts, failures, keys, quotas, shown, standing, targets, trusted};

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &DEREGISTER_DELEGATED_ADMINISTRATOR,
    &LIST_DELEGATED_ADMINISTRATORS,
    &LIST_DELEGATED_SERVICES_FOR_ACCOUNT,
    &REGISTER_DELEGATED_ADMINISTRATOR,
];

pub(super) static REGISTER_DELEGATED_ADMINISTRATOR: Declaration<api::RegisterDelegatedAdministrator> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:RegisterDelegatedAdministrator",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.account_id),
            keys: &[Key::Text(keys::SERVICE_PRINCIPAL, |_, input| Some(input.service_principal.clone()))],
        }],
        run: register_delegated_administrator,
    };

fn register_delegated_administrator(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::RegisterDelegatedAdministratorRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    if !row.all_features {
        return Err(failures::not_all_features());
    }
    let principal = trusted::known(&input.service_principal)?;
    let id = member_id(&state, &input.account_id)?;
    if id == row.management {
        return Err(failures::management_administers());
    }
    let mut member = membership(txn, id)?;
    if !trusted::is_trusted(&row, principal) {
        return Err(failures::service_access_not_enabled());
    }
    if since(&member, principal).is_some() {
        return Err(failures::already_administers());
    }
    let is_active =
        |world: &World| world.account(id).map(|state| state.account().status) == Some(AccountStatus::Active);
    if !is_active(txn.world()) {
        return Err(failures::suspended_administers());
    }
    let others = state.members().iter().filter(|(_, member)| since(member, principal).is_some()).count();
    if others >= quotas::ADMINISTRATORS_OF_SERVICE_MAX {
        return Err(failures::too_many_administrators());
    }
    member.delegated.push(TrustedService { principal: principal.into(), since: ctx.now });
    txn.put(RowKey::Membership(id), member);
    standing::touch(txn, &row);
    Ok(Empty)
}

pub(super) static DEREGISTER_DELEGATED_ADMINISTRATOR: Declaration<api::DeregisterDelegatedAdministrator> =
    Declaration {
        effect: Effect::Write,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:DeregisterDelegatedAdministrator",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.account_id),
            keys: &[Key::Text(keys::SERVICE_PRINCIPAL, |_, input| Some(input.service_principal.clone()))],
        }],
        run: deregister_delegated_administrator,
    };

fn deregister_delegated_administrator(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DeregisterDelegatedAdministratorRequest,
) -> Result<Empty, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    let principal = trusted::known(&input.service_principal)?;
    let id = member_id(&state, &input.account_id)?;
    let mut member = membership(txn, id)?;
    if since(&member, principal).is_none() {
        return Err(failures::does_not_administer());
    }
    member.delegated.retain(|service| &*service.principal != principal);
    txn.put(RowKey::Membership(id), member);
    standing::touch(txn, &row);
    Ok(Empty)
}

pub(super) static LIST_DELEGATED_ADMINISTRATORS: Declaration<api::ListDelegatedAdministrators> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:ListDelegatedAdministrators",
            when: always,
            target: |_, _| Target::any(),
            keys: &[Key::Text(keys::SERVICE_PRINCIPAL, |_, input| input.service_principal.clone())],
        }],
        run: list_delegated_administrators,
    };

/// By account id; of one service or of all.
fn list_delegated_administrators(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListDelegatedAdministratorsRequest,
) -> Result<api::ListDelegatedAdministratorsResponse, Failure> {
    let principal = input.service_principal.as_deref();
    let state = standing::looked_at(ctx, txn, &LIST_DELEGATED_ADMINISTRATORS, input)?;
    let principal = principal.map(trusted::known).transpose()?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let since = |member: &Membership| match principal {
        Some(principal) => since(member, principal),
        None => member.delegated.iter().map(|service| service.since).min(),
    };
    let after = ask.after.as_deref().and_then(|id| id.parse::<AccountId>().ok());
    let members = state.members().after(after.as_ref());
    let page = ask.take(
        members.filter_map(|(_, member)| Some((member, since(member)?))),
        |(member, _)| member.account.to_string(),
        |(member, since)| administrator(state.organization(), member, since, txn.world()),
    );
    Ok(api::ListDelegatedAdministratorsResponse {
        delegated_administrators: page.items,
        next_token: page.next_token,
    })
}

fn administrator(
    organization: &Organization,
    member: &Membership,
    since: Time,
    world: &World,
) -> api::DelegatedAdministrator {
    let row = world.account(member.account).map(|state| state.account());
    let (status, state) = row.map(|row| accounts::shown_status(row.status)).unzip();
    api::DelegatedAdministrator {
        id: Some(member.account.to_string()),
        arn: Some(shown::account_arn(organization, member.account)),
        email: row.map(|row| Sensitive::new(&*row.email)),
        name: row.map(|row| Sensitive::new(&*row.name)),
        status,
        state,
        joined_method: Some(accounts::joined_method(member)),
        joined_timestamp: Some(member.joined),
        delegation_enabled_date: Some(since),
    }
}

pub(super) static LIST_DELEGATED_SERVICES_FOR_ACCOUNT: Declaration<api::ListDelegatedServicesForAccount> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:ListDelegatedServicesForAccount",
            when: always,
            target: |scope, input| targets::by_id(scope, &input.account_id),
            keys: &[],
        }],
        run: list_delegated_services_for_account,
    };

/// By name.
fn list_delegated_services_for_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListDelegatedServicesForAccountRequest,
) -> Result<api::ListDelegatedServicesForAccountResponse, Failure> {
    let id = input.account_id.parse().map_err(|_| failures::account_not_found())?;
    let state = standing::looked_at(ctx, txn, &LIST_DELEGATED_SERVICES_FOR_ACCOUNT, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let member = state.member(id).ok_or_else(failures::account_not_found)?;
    if member.delegated.is_empty() {
        return Err(failures::does_not_administer());
    }
    let mut services: Vec<_> = member.delegated.iter().collect();
    services.sort_unstable_by(|one, other| one.principal.cmp(&other.principal));
    let rest = services.into_iter().filter(|service| ask.after.as_deref() < Some(&*service.principal));
    let page = ask.take(
        rest,
        |service| service.principal.to_string(),
        |service| api::DelegatedService {
            service_principal: Some(service.principal.to_string()),
            delegation_enabled_date: Some(service.since),
        },
    );
    Ok(api::ListDelegatedServicesForAccountResponse {
        delegated_services: page.items,
        next_token: page.next_token,
    })
}

fn member_id(state: &OrganizationState, id: &str) -> Result<AccountId, Failure> {
    let id = id.parse().ok().filter(|id| state.member(*id).is_some());
    id.ok_or_else(failures::account_not_found)
}

/// A member's row, guarded, to be changed.
fn membership(txn: &mut Txn, id: AccountId) -> Result<Membership, Failure> {
    let row: Option<Arc<Membership>> = txn.get(RowKey::Membership(id));
    row.map(|row| Membership::clone(&row)).ok_or_else(failures::account_not_found)
}

/// Since when a member administers a service; none if it does not.
fn since(member: &Membership, principal: &str) -> Option<Time> {
    let service = member.delegated.iter().find(|service| &*service.principal == principal);
    service.map(|service| service.since)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{call_as, join, organization};
    use super::*;
    use crate::testing::Bench;

    const MEMBERS: [&str; 2] = ["222233334444", "333344445555"];
    const IAM: &str = "iam.amazonaws.com";
    const RAM: &str = "ram.amazonaws.com";

    fn bench() -> Bench {
        let bench = Bench::new();
        organization(&bench, &MEMBERS, &[IAM, RAM]);
        bench
    }

    fn request(account: &str, service: &str) -> api::RegisterDelegatedAdministratorRequest {
        api::RegisterDelegatedAdministratorRequest {
            account_id: account.into(),
            service_principal: service.into(),
        }
    }

    fn register(bench: &Bench, account: &str, service: &str) -> Result<Empty, Failure> {
        bench.run(&REGISTER_DELEGATED_ADMINISTRATOR, request(account, service))
    }

    fn deregister(bench: &Bench, account: &str, service: &str) -> Result<Empty, Failure> {
        let (account_id, service_principal) = (account.into(), service.into());
        let input = api::DeregisterDelegatedAdministratorRequest { account_id, service_principal };
        bench.run(&DEREGISTER_DELEGATED_ADMINISTRATOR, input)
    }

    fn administrators(
        bench: &Bench,
        service: Option<&str>,
    ) -> Result<Vec<api::DelegatedAdministrator>, Failure> {
        let service_principal = service.map(Into::into);
        let input = api::ListDelegatedAdministratorsRequest { service_principal, ..Default::default() };
        Ok(bench.run(&LIST_DELEGATED_ADMINISTRATORS, input)?.delegated_administrators.unwrap())
    }

    fn ids(bench: &Bench, service: Option<&str>) -> Vec<String> {
        administrators(bench, service).unwrap().into_iter().map(|it| it.id.unwrap()).collect()
    }

    fn services(bench: &Bench, account: &str) -> Result<Vec<String>, Failure> {
        let input =
            api::ListDelegatedServicesForAccountRequest { account_id: account.into(), ..Default::default() };
        let services = bench.run(&LIST_DELEGATED_SERVICES_FOR_ACCOUNT, input)?.delegated_services.unwrap();
        Ok(services.into_iter().map(|service| service.service_principal.unwrap()).collect())
    }

    #[test]
    fn members_administer_services_until_they_are_deregistered() {
        let bench = bench();
        let [one, two] = MEMBERS;
        for (account, service) in [(one, RAM), (one, IAM), (two, RAM)] {
            register(&bench, account, service).unwrap();
        }
        assert_eq!(
            (ids(&bench, None), ids(&bench, Some(IAM))),
            (MEMBERS.map(Into::into).into(), vec![one.into()])
        );
        assert_eq!(services(&bench, one).unwrap(), [IAM, RAM]);
        let shown = administrators(&bench, Some(IAM)).unwrap().remove(0);
        assert!(shown.arn.unwrap().starts_with("arn:aws:organizations::111122223333:account/o-"));
        assert_eq!(shown.email.unwrap().expose(), "222233334444@example.com");
        assert_eq!(
            (shown.status, shown.state),
            (Some(api::AccountStatus::Active), Some(api::AccountState::Active))
        );
        assert_eq!(shown.delegation_enabled_date, Some(bench.now()));
        deregister(&bench, one, IAM).unwrap();
        assert_eq!(deregister(&bench, one, IAM).unwrap_err(), failures::does_not_administer());
        assert_eq!(services(&bench, one).unwrap(), [RAM]);
        deregister(&bench, two, RAM).unwrap();
        assert_eq!(services(&bench, two).unwrap_err().code, "AccountNotRegisteredException");
        assert_eq!(ids(&bench, None), [one]);
    }

    #[test]
    fn administrators_and_their_services_come_in_pages() {
        let bench = bench();
        for member in MEMBERS {
            register(&bench, member, RAM).unwrap();
        }
        let page = |next_token| {
            let input = api::ListDelegatedAdministratorsRequest {
                max_results: Some(1),
                next_token,
                ..Default::default()
            };
            let page = bench.run(&LIST_DELEGATED_ADMINISTRATORS, input).unwrap();
            let [shown] = page.delegated_administrators.unwrap().try_into().unwrap();
            (shown.id.unwrap(), page.next_token)
        };
        let (first, token) = page(None);
        assert_eq!((first.as_str(), page(token)), (MEMBERS[0], (MEMBERS[1].into(), None)));
    }

    #[test]
    fn who_cannot_administer_is_not_registered() {
        let bench = bench();
        let refused = |account: &str, service: &str| register(&bench, account, service).unwrap_err();
        assert_eq!(refused("111122223333", RAM), failures::management_administers());
        assert_eq!(refused("999988887777", RAM).code, "AccountNotFoundException");
        assert_eq!(refused(MEMBERS[0], "example.com"), failures::unrecognized_service());
        assert_eq!(refused(MEMBERS[0], "sso.amazonaws.com"), failures::service_access_not_enabled());
        register(&bench, MEMBERS[0], RAM).unwrap();
        assert_eq!(refused(MEMBERS[0], RAM).code, "AccountAlreadyRegisteredException");
        let id: AccountId = MEMBERS[1].parse().unwrap();
        bench.write(|txn| {
            let row = rootward_state::entities::Account::clone(&*txn.account(id).unwrap());
            let closed = AccountStatus::Closed { at: bench.now() };
            txn.put(RowKey::Account(id), rootward_state::entities::Account { status: closed, ..row });
        });
        assert_eq!(refused(MEMBERS[1], RAM), failures::suspended_administers());
    }

    #[test]
    fn sixth_administrator_of_a_service_is_over_the_quota_and_two_that_race_are_counted() {
        let bench = Bench::new();
        let id = organization(&bench, &[], &[RAM]);
        let accounts: Vec<_> = (1..=6).map(|n| format!("22223333000{n}")).collect();
        accounts.iter().for_each(|account| join(&bench, &id, account));
        for account in &accounts[..4] {
            register(&bench, account, RAM).unwrap();
        }
        let begin = |account: &str| {
            bench.run_uncommitted(&REGISTER_DELEGATED_ADMINISTRATOR, &request(account, RAM)).unwrap().1
        };
        let (fifth, sixth) = (begin(&accounts[4]), begin(&accounts[5]));
        assert!(bench.second_loses(fifth, sixth));
        assert_eq!(register(&bench, &accounts[5], RAM).unwrap_err(), failures::too_many_administrators());
    }

    #[test]
    fn trust_that_ends_while_an_administrator_is_registered_loses() {
        let bench = bench();
        let (_, registers) =
            bench.run_uncommitted(&REGISTER_DELEGATED_ADMINISTRATOR, &request(MEMBERS[0], RAM)).unwrap();
        let input = api::DisableAwsServiceAccessRequest { service_principal: RAM.into() };
        let (_, ends) = bench.run_uncommitted(&trusted::DISABLE_AWS_SERVICE_ACCESS, &input).unwrap();
        assert!(bench.second_loses(registers, ends));
    }

    #[test]
    fn only_administrators_among_members_see_who_else_is_one() {
        let bench = bench();
        register(&bench, MEMBERS[0], RAM).unwrap();
        call_as(&bench, MEMBERS[1]);
        assert_eq!(administrators(&bench, None).unwrap_err(), failures::not_management());
        assert_eq!(services(&bench, MEMBERS[0]).unwrap_err(), failures::not_management());
        assert_eq!(register(&bench, MEMBERS[1], RAM).unwrap_err(), failures::not_management());
        call_as(&bench, MEMBERS[0]);
        assert_eq!(ids(&bench, None), [MEMBERS[0]]);
        assert_eq!(services(&bench, MEMBERS[0]).unwrap(), [RAM]);
        assert_eq!(services(&bench, "999988887777").unwrap_err(), failures::account_not_found());
        assert_eq!(deregister(&bench, MEMBERS[0], RAM).unwrap_err(), failures::not_management());
    }
}
