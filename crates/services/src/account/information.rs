//! The account itself: its name, its state, and its counterpart in GovCloud.

use rootward_api::account as api;
use rootward_pipeline::{Callers, Declaration, Effect, Failure, Handler, OpContext, Rule, always};
use rootward_state::entities::{Account, AccountStatus};
use rootward_state::{RowKey, Txn};
use rootward_wire::{Empty, Sensitive};

use super::{failures, whose};
use crate::own;

pub(super) static OPERATIONS: &[&dyn Handler] =
    &[&GET_ACCOUNT_INFORMATION, &GET_GOV_CLOUD_ACCOUNT_INFORMATION, &PUT_ACCOUNT_NAME];

pub(super) static GET_ACCOUNT_INFORMATION: Declaration<api::GetAccountInformation> = Declaration {
    effect: Effect::Read,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:GetAccountInformation",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[],
    }],
    run: get_account_information,
};

fn get_account_information(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetAccountInformationRequest,
) -> Result<api::GetAccountInformationResponse, Failure> {
    let id = whose::looked_at(ctx, txn, "account:GetAccountInformation", input.account_id.as_deref())?;
    let account = own::account_of(txn, id)?;
    let state = match account.status {
        AccountStatus::Active => api::AccountState::Active,
        status if status.is_gone(ctx.now) => api::AccountState::Closed,
        AccountStatus::Suspended | AccountStatus::Closed { .. } => api::AccountState::Suspended,
    };
    Ok(api::GetAccountInformationResponse {
        account_id: Some(account.id.to_string()),
        account_name: Some(Sensitive::new(&*account.name)),
        account_created_date: Some(account.created),
        account_state: Some(state),
    })
}

pub(super) static PUT_ACCOUNT_NAME: Declaration<api::PutAccountName> = Declaration {
    effect: Effect::Write,
    callers: Callers::Anyone,
    rules: &[Rule {
        action: "account:PutAccountName",
        when: always,
        target: |scope, input| whose::target(scope, input.account_id.as_deref()),
        keys: &[],
    }],
    run: put_account_name,
};

fn put_account_name(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::PutAccountNameRequest,
) -> Result<Empty, Failure> {
    let id = whose::changed(ctx, txn, "account:PutAccountName", input.account_id.as_deref())?;
    let name = input.account_name.expose();
    if name.trim().is_empty() {
        return Err(failures::bad_field("accountName", "A name needs more than blanks."));
    }
    let account = own::account_of(txn, id)?;
    txn.put(RowKey::Account(account.id), Account { name: name.into(), ..Account::clone(&account) });
    Ok(Empty)
}

pub(super) static GET_GOV_CLOUD_ACCOUNT_INFORMATION: Declaration<api::GetGovCloudAccountInformation> =
    Declaration {
        effect: Effect::Read,
        callers: Callers::Anyone,
        rules: &[Rule {
            action: "account:GetGovCloudAccountInformation",
            when: always,
            target: |scope, input| whose::target(scope, input.standard_account_id.as_deref()),
            keys: &[],
        }],
        run: get_gov_cloud_account_information,
    };

/// No account has a counterpart: each lives in the partition it was opened in.
fn get_gov_cloud_account_information(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::GetGovCloudAccountInformationRequest,
) -> Result<api::GetGovCloudAccountInformationResponse, Failure> {
    whose::looked_at(
        ctx,
        txn,
        "account:GetGovCloudAccountInformation",
        input.standard_account_id.as_deref(),
    )?;
    Err(failures::no_gov_cloud_account())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn rename(bench: &Bench, name: &str) -> Result<Empty, Failure> {
        let input = api::PutAccountNameRequest { account_name: Sensitive::new(name), account_id: None };
        bench.run(&PUT_ACCOUNT_NAME, input)
    }

    #[test]
    fn account_tells_its_name_its_age_and_its_state() {
        let bench = Bench::new();
        rename(&bench, "New Name").unwrap();
        let shown = bench.run(&GET_ACCOUNT_INFORMATION, Default::default()).unwrap();
        assert_eq!(shown.account_name.unwrap().expose(), "New Name");
        assert_eq!(
            (shown.account_id.as_deref(), shown.account_created_date),
            (Some("111122223333"), Some(bench.now()))
        );
        assert_eq!(shown.account_state, Some(api::AccountState::Active));
        assert_eq!(&*bench.state().account().name, "New Name");
    }

    #[test]
    fn name_of_blanks_is_refused() {
        let bench = Bench::new();
        let error = rename(&bench, "  ").unwrap_err();
        assert_eq!(
            (error.code, &error.members["fieldList"][0]["name"]),
            ("ValidationException", &"accountName".into())
        );
        assert_eq!(&*bench.state().account().name, "Example Corp");
    }

    #[test]
    fn no_account_has_a_counterpart_in_gov_cloud() {
        let bench = Bench::new();
        let get = |standard_account_id| {
            let input = api::GetGovCloudAccountInformationRequest { standard_account_id };
            bench.run(&GET_GOV_CLOUD_ACCOUNT_INFORMATION, input).unwrap_err()
        };
        assert_eq!(get(None), failures::no_gov_cloud_account());
        assert_eq!(get(Some("444455556666".into())).code, "AccessDenied");
    }

    #[test]
    fn other_accounts_are_not_renamed() {
        let bench = Bench::new();
        let account_id = Some("444455556666".into());
        let input = api::PutAccountNameRequest { account_name: Sensitive::new("x"), account_id };
        assert_eq!(bench.run(&PUT_ACCOUNT_NAME, input).unwrap_err().status, 403);
    }
}
