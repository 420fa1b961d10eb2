//! An organization to run operations in.

use rootward_names::{AccountId, OrganizationId, Partition};
use rootward_state::RowKey;
use rootward_state::entities::{Membership, Organization, TrustedService};

use super::organization::{CREATE_ORGANIZATION, attached_at_first};
use crate::accounts::{self, OpenAccount};
use crate::root_guard;
use crate::testing::Bench;

/// Makes an organization of the bench's account and these members, which are opened, and lets it trust these services.
pub(crate) fn organization(bench: &Bench, members: &[&str], trusted: &[&str]) -> OrganizationId {
    bench.call_as_root();
    let made = bench.run(&CREATE_ORGANIZATION, Default::default()).unwrap().organization.unwrap();
    let id: OrganizationId = made.id.unwrap().parse().unwrap();
    for member in members {
        join(bench, &id, member);
    }
    bench.write(|txn| {
        let key = RowKey::Organization(id.clone());
        let mut row = Organization::clone(&*txn.get::<Organization>(key.clone()).unwrap());
        row.trusted = trusted.iter().map(|name| service(bench, name)).collect();
        txn.put(key, row);
    });
    id
}

/// Opens an account in the organization.
pub(crate) fn join(bench: &Bench, id: &OrganizationId, member: &str) {
    let account: AccountId = member.parse().unwrap();
    let opened = bench.write_with(|txn, now, random, vault| {
        let email = format!("{member}@example.com");
        let request = OpenAccount {
            name: "Member",
            email: &email,
            password: None,
            admin: None,
            partition: Partition::Aws,
            id: Some(account),
        };
        let opened = accounts::open(txn, &request, now, random, vault)?;
        root_guard::never_seal(txn, account);
        let parent = txn.get::<Organization>(RowKey::Organization(id.clone())).unwrap().root.clone();
        let membership = Membership {
            account,
            organization: id.clone(),
            parent,
            joined: now,
            invited: false,
            policies: attached_at_first(),
            tags: Vec::new(),
            delegated: Vec::new(),
        };
        txn.put(RowKey::Membership(account), membership);
        Ok::<_, accounts::AccountError>(opened)
    });
    assert_eq!(opened.unwrap().account, account);
}

/// Lets a member administer a service.
pub(crate) fn delegate(bench: &Bench, member: &str, name: &str) {
    let key = RowKey::Membership(member.parse().unwrap());
    bench.write(|txn| {
        let mut row = Membership::clone(&*txn.get::<Membership>(key.clone()).unwrap());
        row.delegated.push(service(bench, name));
        txn.put(key, row);
    });
}

/// From now on the root user of this account calls.
pub(crate) fn call_as(bench: &Bench, account: &str) {
    bench.call_as_root_of(account.parse().unwrap());
}

fn service(bench: &Bench, name: &str) -> TrustedService {
    TrustedService { principal: name.into(), since: bench.now() }
}
