//! Accounts that are opened in the organization, and the requests to open them.
//!
//! A member that is opened has a root user without a password and without keys, and the role by which the management account gets in.
//!
//! DIFFERENCE: AWS opens the account some time after it has answered. Here it is there when the answer comes; the answer says `IN_PROGRESS`
//! all the same, as clients expect, and `DescribeCreateAccountStatus` says at once what has become of it.
//!
//! Source: API Reference, `CreateAccount`, `CreateAccountStatus`.

use std::sync::Arc;

use rootward_api::organizations as api;
use rootward_api::organizations::{CreateAccountFailureReason, CreateAccountState, IamUserAccessToBilling};
use rootward_names::{AccountId, AccountRequestId, EntityKind, Time};
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Target, always,
};
use rootward_state::entities::{
    Account, AccountRequest, AccountRequestOutcome, AccountSettings, Document, Grants, Organization,
    PolicyRef, Role, Seal,
};
use rootward_state::{OrganizationState, RowKey, Txn};
use rootward_wire::Sensitive;

use super::joining::{self, Newcomer};
use super::page::Ask;
use super::{events, failures, quotas, service_role, standing, tags, targets};
use crate::accounts::{self, AccountError, OpenAccount};
use crate::root_guard;

pub(super) static OPERATIONS: &[&dyn Handler] = &[
    &CREATE_ACCOUNT,
    &CREATE_GOV_CLOUD_ACCOUNT,
    &DESCRIBE_CREATE_ACCOUNT_STATUS,
    &LIST_CREATE_ACCOUNT_STATUS,
];

const ROLE_NAME: &str = "OrganizationAccountAccessRole";
const ADMINISTRATOR: &str = "AdministratorAccess";
const SESSION_SECONDS_MAX: u32 = 3_600;

pub(super) static CREATE_ACCOUNT: Declaration<api::CreateAccount> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreateAccount",
            when: always,
            target: |_, _| Target::any(),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| tags::any(&input.tags),
            target: |scope, _| targets::without_row(scope, "account", "*"),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_account,
};

fn create_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateAccountRequest,
) -> Result<api::CreateAccountResponse, Failure> {
    let state = standing::managed(ctx, txn)?;
    let row = standing::row(txn, &state.organization().id)?;
    check(input.account_name.expose(), input.role_name.as_deref())?;
    let tags = tags::new(input.tags.as_deref())?;
    if requested_since(&state, ctx.now.plus_days(-1)) >= quotas::ACCOUNT_REQUESTS_PER_DAY {
        return Err(failures::account_requests_exceeded());
    }
    sweep(ctx, txn, &state);
    let result = open(ctx, txn, &state, &row, input, tags)?;
    let request = AccountRequest {
        id: ctx.with_random(AccountRequestId::random),
        name: input.account_name.expose().into(),
        email: input.email.expose().into(),
        requested: ctx.now,
        outcome: Some(AccountRequestOutcome {
            at: ctx.now,
            result: result.map_err(|reason| reason.as_str().into()),
        }),
    };
    standing::touch(txn, &row);
    events::account_opened(ctx, txn, &row, &request);
    let shown = show(&AccountRequest { outcome: None, ..request.clone() });
    txn.put(RowKey::AccountRequest(row.id.clone(), request.id.clone()), request);
    Ok(api::CreateAccountResponse { create_account_status: Some(shown) })
}

/// What the model does not say about a request, for both partitions.
fn check(name: &str, role_name: Option<&str>) -> Result<(), Failure> {
    if name.trim().is_empty() {
        return Err(failures::blank_account_name());
    }
    let reserved = service_role::RESERVED_PREFIX.to_ascii_lowercase();
    if role_name.is_some_and(|name| name.to_ascii_lowercase().starts_with(&reserved)) {
        return Err(failures::reserved_role_name());
    }
    Ok(())
}

/// Opens the account, or says why it is not opened.
fn open(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    state: &OrganizationState,
    row: &Arc<Organization>,
    input: &api::CreateAccountRequest,
    tags: Vec<rootward_state::entities::Tag>,
) -> Result<Result<AccountId, CreateAccountFailureReason>, Failure> {
    if joining::is_full(state) {
        return Ok(Err(CreateAccountFailureReason::AccountLimitExceeded));
    }
    let request = OpenAccount {
        name: input.account_name.expose(),
        email: input.email.expose(),
        password: None,
        admin: None,
        partition: row.partition,
        id: None,
    };
    let opened = ctx.with_random(|random| accounts::open(txn, &request, ctx.now, random, ctx.vault));
    let account = match opened {
        Ok(opened) => opened.account,
        Err(AccountError::Email { .. }) => return Ok(Err(CreateAccountFailureReason::InvalidEmail)),
        Err(AccountError::EmailTaken(_)) => return Ok(Err(CreateAccountFailureReason::EmailAlreadyExists)),
        Err(AccountError::NoFreeId) => return Ok(Err(CreateAccountFailureReason::InternalFailure)),
        Err(error) => return Err(Failure::internal(error.to_string())),
    };
    // Where nobody is sealed, as in a sandbox, members are not either.
    let management = txn.view(row.management);
    if management.is_some_and(|state| matches!(state.root_guard().seal, Seal::Never)) {
        root_guard::never_seal(txn, account);
    }
    // Without credentials, and with a way to them by mail unless they are managed from one place.
    if !row.root_access.credentials
        && let Some(opened) = txn.account(account)
    {
        let mut opened = Account::clone(&opened);
        opened.root.recoverable = Some(ctx.now);
        txn.put(RowKey::Account(account), opened);
    }
    // The name and address of the management account are the member's as well until somebody says otherwise.
    let contact = ctx.view(txn)?.settings().contact.clone();
    let iam_billing_access = input.iam_user_access_to_billing != Some(IamUserAccessToBilling::Deny);
    let settings = AccountSettings { contact, iam_billing_access, ..AccountSettings::new() };
    txn.put(RowKey::AccountSettings(account), settings);
    txn.put_entity(account, access_role(ctx, row, input.role_name.as_deref()));
    joining::join(ctx, txn, row, Newcomer { account, invited: false, tags });
    Ok(Ok(account))
}

/// The role by which the management account gets in.
fn access_role(ctx: &OpContext<'_>, row: &Organization, name: Option<&str>) -> Role {
    let (partition, management) = (row.partition, row.management);
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Principal":{{"AWS":"arn:{partition}:iam::{management}:root"}},"Action":"sts:AssumeRole"}}]}}"#
    );
    Role {
        id: ctx.unique_id(EntityKind::Role),
        name: name.unwrap_or(ROLE_NAME).into(),
        path: "/".into(),
        created: ctx.now,
        description: None,
        trust: Document::new(trust),
        session_seconds_max: SESSION_SECONDS_MAX,
        tags: Vec::new(),
        grants: Grants { attached: vec![PolicyRef::Aws(ADMINISTRATOR.into())], inline: Vec::new() },
        boundary: None,
    }
}

/// Removes requests that nobody asks about any more.
fn sweep(ctx: &OpContext<'_>, txn: &mut Txn, state: &OrganizationState) {
    let oldest = ctx.now.plus_days(-quotas::ACCOUNT_REQUEST_DAYS);
    let old = state.account_requests().iter().filter(|(_, request)| request.requested < oldest);
    old.take(quotas::SWEPT_AT_ONCE)
        .for_each(|(id, _)| txn.delete(RowKey::AccountRequest(state.organization().id.clone(), id.clone())));
}

fn requested_since(state: &OrganizationState, since: Time) -> usize {
    state.account_requests().iter().filter(|(_, request)| request.requested > since).count()
}

pub(super) static CREATE_GOV_CLOUD_ACCOUNT: Declaration<api::CreateGovCloudAccount> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[
        Rule {
            action: "organizations:CreateGovCloudAccount",
            when: always,
            target: |_, _| Target::any(),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
        Rule {
            action: "organizations:TagResource",
            when: |_, input| tags::any(&input.tags),
            target: |scope, _| targets::without_row(scope, "account", "*"),
            keys: &[Key::RequestTags(|input| tags::requested(input.tags.iter().flatten()))],
        },
    ],
    run: create_gov_cloud_account,
};

/// Checks the request and refuses it: no account here is paired with one in another partition, and AWS asks for that first
/// (`account:GetGovCloudAccountInformation` says the same).
fn create_gov_cloud_account(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::CreateGovCloudAccountRequest,
) -> Result<api::CreateGovCloudAccountResponse, Failure> {
    standing::managed(ctx, txn)?;
    check(input.account_name.expose(), input.role_name.as_deref())?;
    tags::new(input.tags.as_deref())?;
    Err(failures::no_gov_cloud())
}

pub(super) static DESCRIBE_CREATE_ACCOUNT_STATUS: Declaration<api::DescribeCreateAccountStatus> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "organizations:DescribeCreateAccountStatus",
            when: always,
            target: |_, _| Target::any(),
            keys: &[],
        }],
        run: describe_create_account_status,
    };

fn describe_create_account_status(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::DescribeCreateAccountStatusRequest,
) -> Result<api::DescribeCreateAccountStatusResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &DESCRIBE_CREATE_ACCOUNT_STATUS, input)?;
    let id = input.create_account_request_id.parse::<AccountRequestId>().ok();
    let request = id.and_then(|id| state.account_requests().get(&id).cloned());
    let request = request.ok_or_else(failures::account_request_not_found)?;
    Ok(api::DescribeCreateAccountStatusResponse { create_account_status: Some(show(&request)) })
}

pub(super) static LIST_CREATE_ACCOUNT_STATUS: Declaration<api::ListCreateAccountStatus> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "organizations:ListCreateAccountStatus",
        when: always,
        target: |_, _| Target::any(),
        keys: &[],
    }],
    run: list_create_account_status,
};

fn list_create_account_status(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::ListCreateAccountStatusRequest,
) -> Result<api::ListCreateAccountStatusResponse, Failure> {
    let state = standing::looked_at(ctx, txn, &LIST_CREATE_ACCOUNT_STATUS, input)?;
    let ask = Ask::new(input.next_token.as_deref(), input.max_results)?;
    let after = ask.after.as_deref().and_then(|key| key.parse().ok());
    let wanted = |request: &AccountRequest| {
        let states = input.states.as_deref().unwrap_or_default();
        states.is_empty() || states.contains(&state_of(request))
    };
    let requests = state.account_requests().after(after.as_ref()).filter(|(_, request)| wanted(request));
    let page =
        ask.take(requests, |(id, _)| id.to_string(), |(_, request): (_, &Arc<AccountRequest>)| show(request));
    Ok(api::ListCreateAccountStatusResponse {
        create_account_statuses: page.items,
        next_token: page.next_token,
    })
}

fn state_of(request: &AccountRequest) -> CreateAccountState {
    match &request.outcome {
        None => CreateAccountState::InProgress,
        Some(AccountRequestOutcome { result: Ok(_), .. }) => CreateAccountState::Succeeded,
        Some(AccountRequestOutcome { result: Err(_), .. }) => CreateAccountState::Failed,
    }
}

fn show(request: &AccountRequest) -> api::CreateAccountStatus {
    let outcome = request.outcome.as_ref();
    let result = outcome.map(|outcome| outcome.result.as_ref());
    api::CreateAccountStatus {
        id: Some(request.id.to_string()),
        account_name: Some(Sensitive::new(&*request.name)),
        state: Some(state_of(request)),
        requested_timestamp: Some(request.requested),
        completed_timestamp: outcome.map(|outcome| outcome.at),
        account_id: result.and_then(Result::ok).map(AccountId::to_string),
        gov_cloud_account_id: None,
        failure_reason: result.and_then(Result::err).and_then(|reason| reason.parse().ok()),
    }
}

#[cfg(test)]
mod tests {
    use rootward_api::organizations::OrganizationFeatureSet;
    use rootward_state::AccountState;
    use rootward_state::entities::{Contact, Membership};

    use super::*;
    use crate::organizations::organization::{CREATE_ORGANIZATION, DELETE_ORGANIZATION};
    use crate::testing::Bench;

    fn organized() -> Bench {
        let bench = Bench::new();
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        bench
    }

    fn request(email: &str) -> api::CreateAccountRequest {
        let (email, account_name) = (Sensitive::new(email), Sensitive::new("Workload"));
        api::CreateAccountRequest { email, account_name, ..Default::default() }
    }

    fn create(bench: &Bench, input: api::CreateAccountRequest) -> Result<api::CreateAccountStatus, Failure> {
        Ok(bench.run(&CREATE_ACCOUNT, input)?.create_account_status.unwrap())
    }

    fn describe(bench: &Bench, id: &str) -> Result<api::CreateAccountStatus, Failure> {
        let input = api::DescribeCreateAccountStatusRequest { create_account_request_id: id.into() };
        Ok(bench.run(&DESCRIBE_CREATE_ACCOUNT_STATUS, input)?.create_account_status.unwrap())
    }

    /// What has become of a request.
    fn outcome(bench: &Bench, input: api::CreateAccountRequest) -> api::CreateAccountStatus {
        let asked = create(bench, input).unwrap();
        describe(bench, asked.id.as_deref().unwrap()).unwrap()
    }

    fn opened(bench: &Bench, input: api::CreateAccountRequest) -> Arc<AccountState> {
        let id: AccountId = outcome(bench, input).account_id.unwrap().parse().unwrap();
        Arc::clone(bench.begin().world().account(id).unwrap())
    }

    #[test]
    fn answer_says_in_progress_and_the_account_is_there() {
        let bench = organized();
        let asked = create(&bench, request("two@example.com")).unwrap();
        assert_eq!(asked.state, Some(CreateAccountState::InProgress));
        assert_eq!((&asked.account_id, asked.completed_timestamp), (&None, None));
        let done = describe(&bench, asked.id.as_deref().unwrap()).unwrap();
        assert_eq!(done.state, Some(CreateAccountState::Succeeded));
        assert_eq!(done.completed_timestamp, Some(bench.now()));
        assert_eq!(done.account_name.unwrap().expose(), "Workload");
        let account = done.account_id.unwrap().parse().unwrap();
        let world = bench.begin().world().clone();
        let state = world.organization_of(account).unwrap();
        assert_eq!(state.organization().management, bench.account());
        let member: &Membership = state.member(account).unwrap();
        assert_eq!((&member.parent, member.invited), (&state.organization().root, false));
        assert_eq!(member.policies.len(), 2);
    }

    #[test]
    fn new_member_has_a_sealed_root_user_without_credentials_and_two_roles() {
        let bench = organized();
        // The bench's own account is none of a sandbox here.
        bench.write(|txn| txn.delete(RowKey::RootGuard(bench.account())));
        let account = opened(&bench, request("two@example.com"));
        let root = &account.account().root;
        assert!(root.password.is_none() && root.access_keys.is_empty());
        assert!(account.root_guard().is_sealed(bench.now()));
        let access = account.named::<Role>("OrganizationAccountAccessRole").unwrap();
        assert_eq!(access.grants.attached, [PolicyRef::Aws("AdministratorAccess".into())]);
        assert!(access.trust.text().contains(r#"{"AWS":"arn:aws:iam::111122223333:root"}"#));
        let linked = account.named::<Role>("AWSServiceRoleForOrganizations").unwrap();
        assert_eq!(&*linked.path, "/aws-service-role/organizations.amazonaws.com/");
        assert_eq!(linked.grants.attached, [PolicyRef::Aws("AWSOrganizationsServiceTrustPolicy".into())]);
        assert!(rootward_managed::get("AWSOrganizationsServiceTrustPolicy").is_some());
        for role in [access, linked] {
            rootward_policy::Policy::parse(role.trust.text(), rootward_policy::PolicyKind::Trust).unwrap();
        }
    }

    #[test]
    fn role_billing_and_tags_are_as_asked_for() {
        let bench = organized();
        assert!(opened(&bench, request("one@example.com")).settings().iam_billing_access);
        let input = api::CreateAccountRequest {
            role_name: Some("Way-In".into()),
            iam_user_access_to_billing: Some(IamUserAccessToBilling::Deny),
            tags: Some(vec![api::Tag { key: "stage".into(), value: "test".into() }]),
            ..request("two@example.com")
        };
        let account = opened(&bench, input);
        assert!(account.named::<Role>("Way-In").is_some() && !account.settings().iam_billing_access);
        let world = bench.begin().world().clone();
        let id = account.account().id;
        let tags = &world.organization_of(id).unwrap().member(id).unwrap().tags;
        assert_eq!((&*tags[0].key, &*tags[0].value), ("stage", "test"));
    }

    #[test]
    fn contact_of_the_management_account_is_taken_over() {
        let bench = organized();
        let contact = Contact {
            full_name: "Ann".into(),
            address_line1: "Street 1".into(),
            address_line2: None,
            address_line3: None,
            city: "Town".into(),
            state_or_region: None,
            district_or_county: None,
            postal_code: "1".into(),
            country_code: "CH".into(),
            phone_number: "+4100".into(),
            company_name: None,
            website_url: None,
        };
        let settings = AccountSettings { contact: Some(contact.clone()), ..AccountSettings::new() };
        bench.write(|txn| txn.put(RowKey::AccountSettings(bench.account()), settings));
        assert_eq!(opened(&bench, request("two@example.com")).settings().contact, Some(contact));
    }

    #[test]
    fn address_that_is_taken_or_bad_fails_the_request_and_not_the_call() {
        let bench = organized();
        for (email, reason) in [
            ("ROOT@example.com", CreateAccountFailureReason::EmailAlreadyExists),
            ("a,b@example.com", CreateAccountFailureReason::InvalidEmail),
        ] {
            let failed = outcome(&bench, request(email));
            assert_eq!(
                (failed.state, failed.failure_reason),
                (Some(CreateAccountState::Failed), Some(reason))
            );
            assert_eq!(failed.account_id, None);
        }
        let world = bench.begin().world().clone();
        assert_eq!(world.organization_of(bench.account()).unwrap().members().len(), 1);
    }

    #[test]
    fn organization_that_is_full_takes_nobody() {
        let bench = organized();
        let world = bench.begin().world().clone();
        let member = world.organization_of(bench.account()).unwrap().member(bench.account()).unwrap().clone();
        for part in 0..10 {
            bench.write(|txn| {
                for number in part * 5_000 + 1..=(part + 1) * 5_000 {
                    let account = AccountId::from_number(number).unwrap();
                    txn.put(
                        RowKey::Membership(account),
                        Membership { account, ..Membership::clone(&member) },
                    );
                }
            });
        }
        let failed = outcome(&bench, request("two@example.com"));
        assert_eq!(failed.failure_reason, Some(CreateAccountFailureReason::AccountLimitExceeded));
    }

    #[test]
    fn what_will_not_do_is_refused_at_once() {
        let bench = organized();
        let refused = |input| create(&bench, input).unwrap_err();
        let blank =
            api::CreateAccountRequest { account_name: Sensitive::new("  "), ..request("two@example.com") };
        assert_eq!(refused(blank).code, "InvalidInputException");
        let role_name = Some("awsserviceroleForMe".into());
        let reserved = refused(api::CreateAccountRequest { role_name, ..request("two@example.com") });
        assert_eq!(reserved.members.get("Reason").unwrap(), "INVALID_ROLE_NAME");
        let tag = |key: &str| api::Tag { key: key.into(), value: String::new() };
        for (tags, reason) in [
            (vec![tag("a"), tag("A")], "DUPLICATE_TAG_KEY"),
            (vec![tag("aws:a")], "INVALID_SYSTEM_TAGS_PARAMETER"),
            ((0..51).map(|number| tag(&number.to_string())).collect(), "MAX_TAG_LIMIT_EXCEEDED"),
        ] {
            let error = refused(api::CreateAccountRequest { tags: Some(tags), ..request("two@example.com") });
            assert_eq!(error.members.get("Reason").unwrap(), reason);
        }
        assert!(
            bench
                .run(&LIST_CREATE_ACCOUNT_STATUS, Default::default())
                .unwrap()
                .create_account_statuses
                .unwrap()
                .is_empty()
        );
    }

    #[test]
    fn accounts_are_opened_by_the_management_account_alone() {
        let bench = Bench::new();
        assert_eq!(
            create(&bench, request("a@example.com")).unwrap_err().code,
            "AWSOrganizationsNotInUseException"
        );
        bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
        let member = opened(&bench, request("two@example.com")).account().id;
        bench.call_as_root_of(member);
        assert_eq!(create(&bench, request("b@example.com")).unwrap_err().code, "AccessDeniedException");
        assert_eq!(describe(&bench, "car-12345678").unwrap_err().code, "AccessDeniedException");
    }

    #[test]
    fn organization_with_consolidated_billing_works_in_no_account() {
        let bench = Bench::new();
        let feature_set = Some(OrganizationFeatureSet::ConsolidatedBilling);
        bench.run(&CREATE_ORGANIZATION, api::CreateOrganizationRequest { feature_set }).unwrap();
        let account = opened(&bench, request("two@example.com"));
        assert!(account.named::<Role>("AWSServiceRoleForOrganizations").is_none());
    }

    #[test]
    fn requests_are_listed_by_what_has_become_of_them_in_pages() {
        let bench = organized();
        for email in ["a@example.com", "b@example.com", "a@example.com"] {
            create(&bench, request(email)).unwrap();
        }
        let list = |states: &[CreateAccountState], next_token| {
            let states = (!states.is_empty()).then(|| states.to_vec());
            let input = api::ListCreateAccountStatusRequest { states, max_results: Some(2), next_token };
            let page = bench.run(&LIST_CREATE_ACCOUNT_STATUS, input).unwrap();
            (page.create_account_statuses.unwrap().len(), page.next_token)
        };
        let (count, token) = list(&[], None);
        assert_eq!((count, list(&[], token)), (2, (1, None)));
        assert_eq!(list(&[CreateAccountState::Failed], None), (1, None));
        assert_eq!(list(&[CreateAccountState::InProgress], None), (0, None));
        assert_eq!(
            describe(&bench, "car-12345678").unwrap_err().code,
            "CreateAccountStatusNotFoundException"
        );
    }

    #[test]
    fn requests_are_bounded_by_day_and_swept_when_they_are_old() {
        let bench = organized();
        let id = bench.in_scope(|scope| standing::in_scope(scope).unwrap().organization().id.clone());
        bench.write(|txn| {
            for number in 0..quotas::ACCOUNT_REQUESTS_PER_DAY {
                let request = AccountRequest {
                    id: format!("car-{number:08}").parse().unwrap(),
                    name: "Workload".into(),
                    email: "root@example.com".into(),
                    requested: bench.now(),
                    outcome: None,
                };
                txn.put(RowKey::AccountRequest(id.clone(), request.id.clone()), request);
            }
        });
        let error = create(&bench, request("two@example.com")).unwrap_err();
        assert_eq!(error.members.get("Reason").unwrap(), "ACCOUNT_CREATION_RATE_LIMIT_EXCEEDED");
        bench.pass_days(31);
        create(&bench, request("two@example.com")).unwrap();
        let world = bench.begin().world().clone();
        let kept = quotas::ACCOUNT_REQUESTS_PER_DAY - quotas::SWEPT_AT_ONCE + 1;
        assert_eq!(world.organization(&id).unwrap().account_requests().len(), kept);
    }

    #[test]
    fn one_address_is_taken_once_of_two_at_the_same_time() {
        let bench = organized();
        let create = || bench.run_uncommitted(&CREATE_ACCOUNT, &request("two@example.com")).unwrap().1;
        let (first, second) = (create(), create());
        assert!(bench.second_loses(first, second));
        let failed = outcome(&bench, request("two@example.com"));
        assert_eq!(failed.failure_reason, Some(CreateAccountFailureReason::EmailAlreadyExists));
    }

    #[test]
    fn organization_is_deleted_or_an_account_opened_in_it_and_not_both() {
        for deleted_first in [true, false] {
            let bench = organized();
            let (_, delete) = bench.run_uncommitted(&DELETE_ORGANIZATION, &rootward_wire::Empty).unwrap();
            let (_, create) = bench.run_uncommitted(&CREATE_ACCOUNT, &request("two@example.com")).unwrap();
            let (first, second) = if deleted_first { (delete, create) } else { (create, delete) };
            assert!(bench.second_loses(first, second));
        }
    }

    #[test]
    fn no_account_is_paired_with_one_in_gov_cloud() {
        let bench = organized();
        let input = api::CreateGovCloudAccountRequest {
            email: Sensitive::new("two@example.com"),
            account_name: Sensitive::new("Workload"),
            ..Default::default()
        };
        let error = bench.run(&CREATE_GOV_CLOUD_ACCOUNT, input).unwrap_err();
        assert_eq!(error.members.get("Reason").unwrap(), "MASTER_ACCOUNT_NOT_GOVCLOUD_ENABLED");
    }

    #[test]
    fn tagging_a_new_account_needs_its_own_permission() {
        let bench = organized();
        assert_eq!(bench.targets(&CREATE_ACCOUNT, &request("two@example.com")).len(), 1);
        let tags = Some(vec![api::Tag { key: "k".into(), value: "v".into() }]);
        let needed =
            bench.targets(&CREATE_ACCOUNT, &api::CreateAccountRequest { tags, ..request("two@example.com") });
        assert_eq!(needed[1].0, "organizations:TagResource");
        assert!(
            needed[1].1.arn.starts_with("arn:aws:organizations::111122223333:account/o-")
                && needed[1].1.arn.ends_with("/*")
        );
    }
}
