//! Units and members under test, as operations make them.

use rootward_api::organizations as api;
use rootward_names::AccountId;

use super::{enter, root, state};
use crate::organizations::organization::CREATE_ORGANIZATION;
use crate::organizations::units::CREATE_ORGANIZATIONAL_UNIT;
use crate::testing::Bench;

/// Makes an organization and returns the id of its root.
pub(in crate::organizations) fn organize(bench: &Bench) -> String {
    bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap();
    root(bench)
}

/// What makes a unit.
pub(in crate::organizations) fn unit_in(parent: &str, name: &str) -> api::CreateOrganizationalUnitRequest {
    api::CreateOrganizationalUnitRequest { parent_id: parent.into(), name: name.into(), tags: None }
}

/// Makes a unit and returns its id.
pub(in crate::organizations) fn add_unit(bench: &Bench, parent: &str, name: &str) -> String {
    let made = bench.run(&CREATE_ORGANIZATIONAL_UNIT, unit_in(parent, name)).unwrap();
    made.organizational_unit.unwrap().id.unwrap()
}

/// Opens an account that is in the root of the organization.
pub(in crate::organizations) fn add_member(bench: &Bench, number: u64) -> AccountId {
    let account = AccountId::from_number(number).unwrap();
    enter(bench, account, &state(bench).organization().root);
    account
}

/// What moves an account.
pub(in crate::organizations) fn from_to(
    account: AccountId,
    source: &str,
    destination: &str,
) -> api::MoveAccountRequest {
    api::MoveAccountRequest {
        account_id: account.to_string(),
        source_parent_id: source.into(),
        destination_parent_id: destination.into(),
    }
}
