//! Organizations: who is where, what binds whom, and what is left when they go.

use std::sync::Arc;

use rootward_names::{AccountId, HandshakeId, NodeId, OrganizationId, OrganizationPolicyId, Partition, Time};
use rootward_state::entities::{
    CentralRootAccess, Document, Handshake, HandshakeAction, HandshakeAnswer, HandshakeParty, HandshakeState,
    Membership, Organization, OrganizationNode, OrganizationPolicy, OrganizationPolicyType,
    ResponsibilityTransfer, TransferState,
};
use rootward_state::{BindingPolicy, Db, NameKey, OrganizationState, Recipient, RowKey, Target, Txn};
use rootward_store::Store;

use crate::open;

const ORGANIZATION: &str = "o-exampleorg";
const ROOT: &str = "r-exam";
const UNIT: &str = "ou-exam-workload";
const FULL: &str = "p-FullAWSAccess";

fn account(number: u64) -> AccountId {
    AccountId::from_number(number).unwrap()
}

fn organization() -> OrganizationId {
    ORGANIZATION.parse().unwrap()
}

fn node(id: &str) -> NodeId {
    id.parse().unwrap()
}

fn policies(ids: &[&str]) -> Vec<OrganizationPolicyId> {
    ids.iter().map(|id| id.parse().unwrap()).collect()
}

fn put_node(txn: &mut Txn, id: &str, parent: Option<&str>, attached: &[&str]) {
    let row = OrganizationNode {
        id: node(id),
        parent: parent.map(node),
        name: id.into(),
        policies: policies(attached),
        tags: vec![],
    };
    txn.put(RowKey::OrganizationNode(organization(), row.id.clone()), row);
}

fn put_member(txn: &mut Txn, number: u64, parent: &str, attached: &[&str]) {
    let row = Membership {
        account: account(number),
        organization: organization(),
        parent: node(parent),
        joined: Time::from_seconds(1),
        invited: false,
        policies: policies(attached),
        tags: vec![],
        delegated: vec![],
    };
    txn.put(RowKey::Membership(row.account), row);
}

/// An organization of account 1, with account 2 in its only unit, and a policy that is attached to that unit.
fn organized_on() -> (Arc<dyn Store>, Arc<Db>) {
    let (store, db) = open();
    let mut txn = db.begin();
    txn.put(
        RowKey::Organization(organization()),
        Organization {
            id: organization(),
            management: account(1),
            partition: Partition::Aws,
            created: Time::from_seconds(1),
            all_features: true,
            root: node(ROOT),
            policy_types: vec![OrganizationPolicyType::ServiceControl],
            trusted: vec![],
            resource_policy: None,
            root_access: CentralRootAccess::default(),
        },
    );
    let policy = OrganizationPolicy {
        id: "p-examplepol".parse().unwrap(),
        kind: OrganizationPolicyType::ServiceControl,
        name: "NoS3".into(),
        description: "".into(),
        document: Document::new(
            r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"s3:*","Resource":"*"}}"#,
        ),
        updated: Time::from_seconds(1),
        tags: vec![],
    };
    txn.put(RowKey::OrganizationPolicy(organization(), policy.id.clone()), policy);
    put_node(&mut txn, ROOT, None, &[FULL]);
    put_node(&mut txn, UNIT, Some(ROOT), &[FULL, "p-examplepol"]);
    put_member(&mut txn, 1, ROOT, &[FULL]);
    put_member(&mut txn, 2, UNIT, &[FULL]);
    db.commit_wait(txn).unwrap();
    (store, db)
}

fn organized() -> Arc<Db> {
    organized_on().1
}

fn state(db: &Db) -> Arc<OrganizationState> {
    Arc::clone(db.snapshot().organization(&organization()).unwrap())
}

/// The last part of the ARN of each SCP, level by level.
fn names(state: &OrganizationState, number: u64) -> Option<Vec<Vec<String>>> {
    let name = |policy: &BindingPolicy| policy.arn.rsplit('/').next().unwrap().to_owned();
    let levels = state.place(account(number))?.levels()?;
    Some(levels.map(|level| level.scps.iter().map(name).collect()).collect())
}

fn children(state: &OrganizationState, of: &str) -> Vec<Target> {
    state.children_after(&node(of), None).cloned().collect()
}

#[test]
fn policies_bind_members_level_by_level_and_never_the_management_account() {
    let db = organized();
    let state = state(&db);
    let full = || vec![FULL.to_owned()];
    let unit = vec![FULL.to_owned(), "p-examplepol".to_owned()];
    assert_eq!(names(&state, 2), Some(vec![full(), unit, full()]));
    assert_eq!((names(&state, 1), names(&state, 3)), (None, None));
    assert!(state.is_in_force(&OrganizationPolicyType::ServiceControl));
    assert!(!state.is_in_force(&OrganizationPolicyType::ResourceControl));
    assert_eq!(state.path(account(2)).unwrap(), format!("{ORGANIZATION}/{ROOT}/{UNIT}/"));
    assert_eq!(state.path(account(3)), None);
}

#[test]
fn children_and_targets_come_in_order_and_in_pages() {
    let db = organized();
    let state = state(&db);
    assert_eq!(children(&state, ROOT), [Target::Account(account(1)), Target::Node(node(UNIT))]);
    let after = Target::Account(account(1));
    assert_eq!(state.children_after(&node(ROOT), Some(&after)).count(), 1);
    assert_eq!(children(&state, UNIT), [Target::Account(account(2))]);
    let full = &policies(&[FULL])[0];
    let targets: Vec<_> = state.targets_after(full, None).cloned().collect();
    let [root, unit] = [ROOT, UNIT].map(|id| Target::Node(node(id)));
    assert_eq!(targets, [Target::Account(account(1)), Target::Account(account(2)), unit, root.clone()]);
    assert_eq!(state.targets_after(full, Some(&targets[2])).collect::<Vec<_>>(), [&root]);
}

#[test]
fn account_that_moves_or_loses_a_policy_leaves_nothing_behind() {
    let db = organized();
    let mut txn = db.begin();
    put_member(&mut txn, 2, ROOT, &["p-examplepol"]);
    db.commit_wait(txn).unwrap();
    let state = state(&db);
    assert!(children(&state, UNIT).is_empty());
    assert_eq!(state.path(account(2)).unwrap(), format!("{ORGANIZATION}/{ROOT}/"));
    let own = &policies(&["p-examplepol"])[0];
    let targets: Vec<_> = state.targets_after(own, None).cloned().collect();
    assert_eq!(targets, [Target::Account(account(2)), Target::Node(node(UNIT))]);
    let [full, own] = [vec![FULL.to_owned()], vec!["p-examplepol".to_owned()]];
    assert_eq!(names(&state, 2), Some(vec![full, own]));
}

#[test]
fn policy_that_changes_binds_as_it_is_now_wherever_it_is_attached() {
    let db = organized();
    let mut txn = db.begin();
    put_member(&mut txn, 2, UNIT, &["p-examplepol"]);
    db.commit_wait(txn).unwrap();
    let mut txn = db.begin();
    let key = RowKey::OrganizationPolicy(organization(), "p-examplepol".parse().unwrap());
    let row = OrganizationPolicy::clone(&txn.get::<OrganizationPolicy>(key.clone()).unwrap());
    txn.put(key, OrganizationPolicy { document: Document::new("{}"), ..row });
    db.commit_wait(txn).unwrap();
    let state = state(&db);
    let levels: Vec<_> = state.place(account(2)).unwrap().levels().unwrap().collect();
    let texts = levels.iter().flat_map(|level| &level.scps).map(|policy| policy.document.text());
    assert_eq!(texts.filter(|text| *text == "{}").count(), 2, "at the unit and at the account");
}

#[test]
fn account_is_in_one_organization_at_most() {
    let db = organized();
    let (mut first, mut second) = (db.begin(), db.begin());
    for txn in [&mut first, &mut second] {
        assert!(txn.get::<Membership>(RowKey::Membership(account(7))).is_none());
        put_member(txn, 7, ROOT, &[]);
    }
    db.commit_wait(first).unwrap();
    assert!(db.commit_wait(second).is_err());
}

#[test]
fn organization_that_is_deleted_is_gone_with_all_that_was_in_it() {
    let db = organized();
    let mut txn = db.begin();
    txn.delete(RowKey::Organization(organization()));
    txn.delete(RowKey::OrganizationNode(organization(), node(ROOT)));
    txn.delete(RowKey::OrganizationNode(organization(), node(UNIT)));
    txn.delete(RowKey::OrganizationPolicy(organization(), "p-examplepol".parse().unwrap()));
    [1, 2].into_iter().for_each(|number| txn.delete(RowKey::Membership(account(number))));
    db.commit_wait(txn).unwrap();
    let world = db.snapshot();
    assert!(world.organization(&organization()).is_none());
    assert!(world.organization_of(account(1)).is_none() && world.organization_of(account(2)).is_none());
    assert_eq!(world.organizations().count(), 0);
}

fn put_handshake(
    txn: &mut Txn,
    id: &str,
    to: HandshakeParty,
    state: HandshakeState,
    answer: Option<HandshakeAnswer>,
) {
    let row = Handshake {
        id: id.parse().unwrap(),
        organization: organization(),
        action: HandshakeAction::Invite,
        to,
        notes: None,
        tags: vec![],
        parent: None,
        requested: Time::from_seconds(1),
        expires: Time::from_seconds(2),
        state,
        answer,
    };
    txn.put(RowKey::Handshake(organization(), row.id.clone()), row);
}

/// The handshakes that are put to an account, and to an address.
fn put_to(db: &Db, number: u64, email: &str) -> [Vec<HandshakeId>; 2] {
    let world = db.snapshot();
    [Recipient::Account(account(number)), Recipient::Email(NameKey::new(email))]
        .map(|recipient| world.handshakes_of(&recipient).map(|(_, row)| row.id.clone()).collect())
}

/// The organization that a handshake is found in by its id.
fn kept_by(db: &Db, id: &HandshakeId) -> Option<OrganizationId> {
    let world = db.snapshot();
    let (state, row) = world.handshake(id)?;
    assert_eq!(row.id, *id);
    Some(state.organization().id.clone())
}

#[test]
fn handshakes_are_found_by_id_by_whom_they_are_put_to_and_who_has_answered() {
    let (store, db) = organized_on();
    let write = |write: &dyn Fn(&mut Txn)| {
        let mut txn = db.begin();
        write(&mut txn);
        db.commit_wait(txn).unwrap();
    };
    let (by_id, by_email) =
        (HandshakeParty::Account(account(3)), HandshakeParty::Email("Guest@example.com".into()));
    let [first, second]: [HandshakeId; 2] = ["h-firstone", "h-secondone"].map(|id| id.parse().unwrap());
    write(&|txn| {
        put_handshake(txn, "h-firstone", by_id.clone(), HandshakeState::Open, None);
        put_handshake(txn, "h-secondone", by_email.clone(), HandshakeState::Open, None);
    });
    assert_eq!(put_to(&db, 3, "guest@example.com"), [vec![first.clone()], vec![second.clone()]]);
    assert_eq!(put_to(&db, 4, "other@example.com"), [vec![], vec![]]);
    assert_eq!(kept_by(&db, &second), Some(organization()));
    let answer = Some(HandshakeAnswer { at: Time::from_seconds(1), by: account(3) });
    write(&|txn| put_handshake(txn, "h-secondone", by_email.clone(), HandshakeState::Declined, answer));
    assert_eq!(
        put_to(&db, 3, "guest@example.com"),
        [vec![first.clone(), second.clone()], vec![second.clone()]]
    );
    let reopened = rootward_state::Db::open(store).unwrap().db;
    assert_eq!(put_to(&reopened, 3, "guest@example.com")[0].len(), 2);
    assert_eq!(kept_by(&reopened, &second), Some(organization()));
    write(&|txn| txn.delete(RowKey::Handshake(organization(), first.clone())));
    assert_eq!(put_to(&db, 3, "guest@example.com"), [vec![second.clone()], vec![second.clone()]]);
    assert_eq!((kept_by(&db, &first), kept_by(&db, &second)), (None, Some(organization())));
    let taken_back = Some(HandshakeAnswer { at: Time::from_seconds(1), by: account(1) });
    write(&|txn| put_handshake(txn, "h-secondone", by_email.clone(), HandshakeState::Canceled, taken_back));
    assert_eq!(put_to(&db, 1, "guest@example.com"), [vec![], vec![second.clone()]]);
    // In the order of their keys the organization goes first.
    write(&|txn| {
        txn.delete(RowKey::Organization(organization()));
        txn.delete(RowKey::Handshake(organization(), second.clone()));
    });
    assert_eq!(put_to(&db, 1, "guest@example.com"), [vec![], vec![]]);
    assert_eq!(kept_by(&db, &second), None);
}

#[test]
fn organization_is_the_same_after_reopening() {
    let (store, db) = organized_on();
    let reopened = Db::open(store).unwrap().db;
    let [before, after] = [&db, &reopened].map(|db| state(db));
    assert_eq!(names(&after, 2), names(&before, 2));
    assert_eq!(children(&after, ROOT), children(&before, ROOT));
    assert_eq!(after.organization().management, account(1));
}

const TRANSFER: &str = "rt-exampletransfer";

fn put_transfer(txn: &mut Txn, source: HandshakeParty) {
    let time = Time::from_seconds(1);
    let row = ResponsibilityTransfer {
        id: TRANSFER.parse().unwrap(),
        organization: organization(),
        name: "Bills".into(),
        source,
        handshake: "h-examplehandshake".parse().unwrap(),
        requested: time,
        expires: time,
        starts: time,
        ends: None,
        state: TransferState::Requested,
        since: time,
        tags: vec![],
    };
    txn.put(RowKey::ResponsibilityTransfer(organization(), row.id.clone()), row);
}

fn transfers_of(db: &Db, source: &HandshakeParty) -> Vec<String> {
    db.snapshot().transfers_of(&Recipient::from(source)).map(|(_, row)| row.id.to_string()).collect()
}

#[test]
fn transfer_is_found_by_id_and_by_its_source_as_it_is_now_and_is_gone_with_its_organization() {
    let (store, db) = organized_on();
    let by_email = |email: &str| HandshakeParty::Email(email.into());
    let mut txn = db.begin();
    put_transfer(&mut txn, by_email("nine@example.com"));
    db.commit_wait(txn).unwrap();
    assert_eq!(transfers_of(&db, &by_email("Nine@example.com")), [TRANSFER]);
    let mut txn = db.begin();
    put_transfer(&mut txn, HandshakeParty::Account(account(9)));
    db.commit_wait(txn).unwrap();
    assert!(transfers_of(&db, &by_email("nine@example.com")).is_empty());
    let source = HandshakeParty::Account(account(9));
    assert_eq!(transfers_of(&db, &source), [TRANSFER]);
    let is_found = |db: &Db| db.snapshot().transfer(&TRANSFER.parse().unwrap()).is_some();
    let reopened = Db::open(store).unwrap().db;
    assert_eq!(transfers_of(&reopened, &source), [TRANSFER]);
    assert!(is_found(&db) && is_found(&reopened));
    let mut txn = db.begin();
    txn.delete(RowKey::Organization(organization()));
    txn.delete(RowKey::ResponsibilityTransfer(organization(), TRANSFER.parse().unwrap()));
    db.commit_wait(txn).unwrap();
    assert!(transfers_of(&db, &source).is_empty() && !is_found(&db));
}

#[test]
fn transfer_lasts_until_its_end_and_one_that_ends_before_it_begins_is_over_at_once() {
    let row = |state, ends: Option<i64>| ResponsibilityTransfer {
        id: TRANSFER.parse().unwrap(),
        organization: organization(),
        name: "Bills".into(),
        source: HandshakeParty::Account(account(9)),
        handshake: "h-examplehandshake".parse().unwrap(),
        requested: Time::from_seconds(1),
        expires: Time::from_seconds(50),
        starts: Time::from_seconds(100),
        ends: ends.map(Time::from_seconds),
        state,
        since: Time::from_seconds(10),
        tags: vec![],
    };
    let seen = |state, ends, now| {
        let (row, now) = (row(state, ends), Time::from_seconds(now));
        (row.is_open(now), row.lasts(now), row.over_since(now).map(Time::seconds))
    };
    assert_eq!(seen(TransferState::Requested, None, 49), (true, false, None));
    assert_eq!(seen(TransferState::Requested, None, 50), (false, false, Some(50)));
    assert_eq!(seen(TransferState::Declined, None, 20), (false, false, Some(10)));
    assert_eq!(seen(TransferState::Accepted, None, 1_000), (false, true, None));
    assert_eq!(seen(TransferState::Withdrawn, Some(200), 200), (false, true, None));
    assert_eq!(seen(TransferState::Withdrawn, Some(200), 201), (false, false, Some(200)));
    assert_eq!(seen(TransferState::Withdrawn, Some(99), 20), (false, false, Some(10)));
}
