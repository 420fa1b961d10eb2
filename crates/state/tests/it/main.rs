//! Transactions over the memory store: what commits, what loses its race, and what the World derives.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

mod organizations;

use std::sync::Arc;

use rootward_names::{AccountId, EntityKind, Handle, Partition, Random, Time, UniqueId};
use rootward_state::alerts::{AlertCursor, AlertRoute, AlertTarget, Severity, WebhookRoute};
use rootward_state::entities::{
    Account, AccountSettings, AccountStatus, Bound, CredentialOwner, CredentialReport, Document, Factor,
    Grants, Group, GuardPolicy, MfaDevice, Named, PasswordPolicy, PolicyRef, RootGuard, RootUser, Rotated,
    Seal, SessionKind, SignInSession, SignedIn, Support, SupportPlan, Totp, User,
};
use rootward_state::{CommitError, Db, NameKey, Opened, RowKey, Txn};
use rootward_store::{Memory, Store};

struct Counter(u64);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

const ACCOUNT: &str = "123456789012";

fn account_id() -> AccountId {
    ACCOUNT.parse().unwrap()
}

fn id(kind: EntityKind, seed: u64) -> UniqueId {
    UniqueId::random(kind, &mut Counter(seed))
}

fn user(name: &str, seed: u64) -> User {
    User {
        id: id(EntityKind::User, seed),
        name: name.into(),
        path: "/".into(),
        created: Time::from_seconds(1),
        tags: vec![],
        grants: Grants::default(),
        boundary: None,
        groups: vec![],
        access_keys: vec![],
    }
}

fn group(name: &str, seed: u64) -> Group {
    Group {
        id: id(EntityKind::Group, seed),
        name: name.into(),
        path: "/".into(),
        created: Time::from_seconds(1),
        grants: Grants::default(),
    }
}

fn open() -> (Arc<dyn Store>, Arc<Db>) {
    let store: Arc<dyn Store> = Arc::new(Memory::new().unwrap());
    let Opened { db, outbox } = Db::open(Arc::clone(&store)).unwrap();
    assert!(outbox.is_empty());
    let mut txn = db.begin();
    txn.put(
        RowKey::Account(account_id()),
        Account {
            id: account_id(),
            name: "Example".into(),
            email: "Root@example.com".into(),
            canonical_id: "0".repeat(64).into(),
            created: Time::from_seconds(1),
            status: AccountStatus::Active,
            partition: Partition::Aws,
            alias: None,
            root: RootUser::default(),
        },
    );
    txn.put_owner(RowKey::Email(rootward_state::NameKey::new("Root@example.com")), account_id());
    db.commit_wait(txn).unwrap();
    (store, db)
}

fn put_user(db: &Db, user: User) {
    let mut txn = db.begin();
    txn.put_entity(account_id(), user);
    db.commit_wait(txn).unwrap();
}

fn named(db: &Db, name: &str) -> Option<Arc<User>> {
    db.snapshot().account(account_id()).unwrap().named::<User>(name).cloned()
}

#[test]
fn committed_rows_are_seen_at_once_and_after_reopening() {
    let (store, db) = open();
    put_user(&db, user("Ann", 1));
    for db in [&db, &Db::open(store).unwrap().db] {
        assert_eq!(&*named(db, "aNN").unwrap().name, "Ann");
        assert_eq!(db.snapshot().account_by_email("root@EXAMPLE.com"), Some(account_id()));
        let state = Arc::clone(db.snapshot().account(account_id()).unwrap());
        assert_eq!(&*state.by_id::<User>(id(EntityKind::User, 1)).unwrap().name, "Ann");
    }
}

#[test]
fn name_that_was_free_when_read_loses_to_whoever_took_it() {
    let (_, db) = open();
    let create = |seed| {
        let mut txn = db.begin();
        assert!(txn.named::<User>(account_id(), "ann").is_none());
        txn.put_entity(account_id(), user("ann", seed));
        txn
    };
    let (first, second) = (create(1), create(2));
    assert!(db.commit_wait(first).is_ok());
    assert_eq!(db.commit_wait(second), Err(CommitError::Conflict));
    assert_eq!(named(&db, "ann").unwrap().id, id(EntityKind::User, 1));
}

#[test]
fn deleting_a_group_loses_to_a_user_who_joined_it_meanwhile() {
    let (_, db) = open();
    let mut txn = db.begin();
    txn.put_entity(account_id(), group("staff", 9));
    txn.put_entity(account_id(), user("ann", 1));
    db.commit_wait(txn).unwrap();

    let mut delete = db.begin();
    delete.named::<Group>(account_id(), "staff").unwrap();
    delete.delete_entity::<Group>(account_id(), "staff");

    let mut join = db.begin();
    let staff = join.named::<Group>(account_id(), "staff").unwrap();
    let mut ann = User::clone(&join.named::<User>(account_id(), "ann").unwrap());
    ann.groups.push(staff.id);
    join.put_entity(account_id(), ann);
    join.put_entity::<Group>(account_id(), staff);

    db.commit_wait(join).unwrap();
    assert_eq!(db.commit_wait(delete), Err(CommitError::Conflict));
}

#[test]
fn rename_keeps_the_id_and_its_references_in_either_key_order() {
    for (from, to) in [("ann", "zoe"), ("zoe", "ann")] {
        let (_, db) = open();
        let staff = id(EntityKind::Group, 9);
        let admin = PolicyRef::Aws("AdministratorAccess".into());
        let mut row = user(from, 1);
        row.groups.push(staff);
        row.grants.attached.push(admin.clone());
        put_user(&db, row.clone());

        let mut txn = db.begin();
        row.name = to.into();
        txn.delete_entity::<User>(account_id(), from);
        txn.put_entity(account_id(), row);
        db.commit_wait(txn).unwrap();

        let state = Arc::clone(db.snapshot().account(account_id()).unwrap());
        assert!(state.named::<User>(from).is_none());
        assert_eq!(&*state.by_id::<User>(id(EntityKind::User, 1)).unwrap().name, to);
        assert_eq!(state.members(staff).count(), 1, "{from} to {to}");
        assert_eq!(state.attached_to(&admin).count(), 1, "{from} to {to}");
    }
}

#[test]
fn references_go_with_the_row() {
    let (_, db) = open();
    let admin = PolicyRef::Aws("AdministratorAccess".into());
    let mut row = user("ann", 1);
    row.grants.attached.push(admin.clone());
    row.boundary = Some(admin.clone());
    put_user(&db, row.clone());
    let count = |db: &Db| {
        let state = Arc::clone(db.snapshot().account(account_id()).unwrap());
        (state.attached_to(&admin).count(), state.bounded_by(&admin).count())
    };
    assert_eq!(count(&db), (1, 1));
    row.grants.attached.clear();
    put_user(&db, row);
    assert_eq!(count(&db), (0, 1));
    let mut txn = db.begin();
    txn.delete_entity::<User>(account_id(), "ann");
    db.commit_wait(txn).unwrap();
    assert_eq!(count(&db), (0, 0));
}

#[test]
fn snapshot_taken_before_a_commit_stays_as_it_was() {
    let (_, db) = open();
    let before = db.snapshot();
    put_user(&db, user("ann", 1));
    assert!(before.account(account_id()).unwrap().named::<User>("ann").is_none());
    assert!(named(&db, "ann").is_some());
}

#[test]
fn transaction_sees_its_own_writes() {
    let (_, db) = open();
    let mut txn: Txn = db.begin();
    txn.put_entity(account_id(), user("ann", 1));
    assert_eq!(txn.named::<User>(account_id(), "ANN").unwrap().name(), "ann");
    txn.delete_entity::<User>(account_id(), "ann");
    assert!(txn.named::<User>(account_id(), "ann").is_none());
}

#[test]
fn outbox_rows_come_back_in_commit_order() {
    let (store, db) = open();
    for (number, name) in [(9u8, "first"), (1, "second")] {
        let mut txn = db.begin();
        txn.put_outbox([number; 16], name.as_bytes());
        db.commit_wait(txn).unwrap();
    }
    let opened = Db::open(store).unwrap();
    let records: Vec<_> = opened.outbox.iter().map(|row| &*row.record).collect();
    assert_eq!(records, [b"first".as_slice(), b"second"]);
}

#[test]
fn records_of_one_commit_go_on_in_the_order_in_which_they_were_added() {
    let (_, db) = open();
    let (send, receive) = std::sync::mpsc::channel();
    db.follow_outbox(move |row| send.send(row.id[0]).unwrap()).unwrap();
    let mut txn = db.begin();
    for number in [9u8, 1, 5] {
        txn.put_outbox([number; 16], b"record");
    }
    db.commit_wait(txn).unwrap();
    let patience = std::time::Duration::from_secs(20);
    assert_eq!([(); 3].map(|()| receive.recv_timeout(patience).unwrap()), [9, 1, 5]);
}

#[test]
fn row_from_a_newer_version_is_refused_by_name() {
    let (store, _) = open();
    let (send, receive) = std::sync::mpsc::channel();
    let key = RowKey::Entity(account_id(), EntityKind::User, rootward_state::NameKey::new("ann")).encode();
    store.submit(
        rootward_store::Commit {
            guards: vec![],
            writes: vec![rootward_store::Write { key, value: Some(vec![250, 1, 2].into()) }],
        },
        Box::new(move |result| send.send(result).unwrap()),
    );
    receive.recv().unwrap().unwrap();
    let error = Db::open(store).err().unwrap().to_string();
    assert!(error.contains("a/123456789012/u/ann") && error.contains("newer"), "{error}");
}

#[test]
fn entity_under_the_id_of_another_kind_is_refused_by_name() {
    let (store, db) = open();
    let mut txn = db.begin();
    txn.put_entity(account_id(), User { id: id(EntityKind::Group, 1), ..user("ann", 1) });
    // Durable, but this node stops following: what it cannot read it must not decide by.
    db.commit_wait(txn).unwrap();
    assert!(db.fault().is_some());
    let error = Db::open(store).err().unwrap().to_string();
    assert!(error.contains("a/123456789012/u/ann") && error.contains("another kind"), "{error}");
}

fn device(name: &str, owner: Option<CredentialOwner>) -> MfaDevice {
    MfaDevice {
        id: format!("mfa/{name}").into(),
        created: Time::from_seconds(1),
        tags: vec![],
        bound: owner.map(|owner| Bound { owner, at: Time::from_seconds(2) }),
        factor: Factor::Totp(Totp { hardware: false, seed: [7; 8].into(), position: None }),
    }
}

fn put_device(db: &Db, device: MfaDevice) {
    let mut txn = db.begin();
    txn.put(RowKey::MfaDevice(account_id(), device.id.clone()), device);
    db.commit_wait(txn).unwrap();
}

fn devices_of(db: &Db, owner: CredentialOwner) -> Vec<String> {
    let world = db.snapshot();
    let state = world.account(account_id()).unwrap();
    state.mfa_devices_of(owner).map(|device| device.id.to_string()).collect()
}

#[test]
fn second_factors_are_found_by_whom_they_are_bound_to() {
    let (store, db) = open();
    let (ann, root) = (CredentialOwner::User(id(EntityKind::User, 1)), CredentialOwner::Root);
    put_device(&db, device("b", Some(ann)));
    put_device(&db, device("a", Some(ann)));
    put_device(&db, device("r", Some(root)));
    put_device(&db, device("free", None));
    for db in [&db, &Db::open(Arc::clone(&store)).unwrap().db] {
        assert_eq!(devices_of(db, ann), ["mfa/a", "mfa/b"]);
        assert_eq!(devices_of(db, root), ["mfa/r"]);
    }
    put_device(&db, device("a", None));
    put_device(&db, device("b", Some(root)));
    assert_eq!(devices_of(&db, ann), [""; 0]);
    assert_eq!(devices_of(&db, root), ["mfa/b", "mfa/r"]);
    let mut txn = db.begin();
    txn.delete(RowKey::MfaDevice(account_id(), "mfa/b".into()));
    db.commit_wait(txn).unwrap();
    assert_eq!(devices_of(&db, root), ["mfa/r"]);
    assert_eq!(db.snapshot().account(account_id()).unwrap().bound_mfa_devices(), 1);
    assert_eq!(db.snapshot().account(account_id()).unwrap().mfa_devices().len(), 3);
}

#[test]
fn rows_of_signing_in_read_back_and_are_guarded() {
    let (store, db) = open();
    let (account, user) = (account_id(), id(EntityKind::User, 1));
    let handle = Handle::random(&mut Counter(9));
    let session = SignInSession {
        holder: SignedIn::User(user),
        kind: SessionKind::Console,
        key: "ASIAY34FZKBOKMUTVV7A".parse().unwrap(),
        digest: [1; 32],
        rotated: Rotated { at: Time::from_seconds(1), previous: None },
        created: Time::from_seconds(1),
        used: Time::from_seconds(1),
        expires: Time::from_seconds(9),
        mfa: None,
        source_ip: "127.0.0.1".into(),
        user_agent: "test".into(),
        restricted: false,
        reason: None,
        role: None,
        parent: None,
    };
    let guard = RootGuard { approvals_required: 2, approvers: vec![user], ..RootGuard::new() };
    let deny = r#"{"Version":"2012-10-17","Statement":{"Effect":"Deny","Action":"*","Resource":"*"}}"#;
    let policy = GuardPolicy { document: Document::new(deny), set: Time::from_seconds(3) };
    let mut txn = db.begin();
    txn.put(RowKey::GuardPolicy(account), policy.clone());
    txn.put(RowKey::Session(account, handle), session);
    txn.put(RowKey::RootGuard(account), guard.clone());
    let report = CredentialReport { generated: Time::from_seconds(5), content: [7; 3].into() };
    txn.put(RowKey::CredentialReport(account), report);
    db.commit_wait(txn).unwrap();
    let (mut first, mut second) = (db.begin(), db.begin());
    for txn in [&mut first, &mut second] {
        assert!(txn.get::<SignInSession>(RowKey::Session(account, handle)).is_some());
        assert!(txn.get::<PasswordPolicy>(RowKey::PasswordPolicy(account)).is_none());
        assert_eq!(txn.get::<GuardPolicy>(RowKey::GuardPolicy(account)).as_deref(), Some(&policy));
        txn.delete(RowKey::Session(account, handle));
    }
    db.commit_wait(first).unwrap();
    assert!(matches!(db.commit_wait(second), Err(CommitError::Conflict)));
    let again = Db::open(store).unwrap().db.snapshot();
    let state = again.account(account).unwrap();
    assert_eq!((state.root_guard(), state.sessions().len()), (&guard, 0));
    assert_eq!(state.guard_policy().map(|row| &**row), Some(&policy));
    let report = state.credential_report().unwrap();
    assert_eq!((report.generated, &*report.content), (Time::from_seconds(5), [7; 3].as_slice()));
}

#[test]
fn settings_of_an_account_read_back_and_are_the_default_without_a_row() {
    let (store, db) = open();
    let account = account_id();
    assert_eq!(db.snapshot().account(account).unwrap().settings(), &AccountSettings::default());
    let settings = AccountSettings {
        regions: vec!["eu-south-2".into()],
        iam_billing_access: true,
        support: Some(Support { plan: SupportPlan::Business, since: Time::from_seconds(5) }),
        ..AccountSettings::new()
    };
    let mut txn = db.begin();
    txn.put(RowKey::AccountSettings(account), settings.clone());
    db.commit_wait(txn).unwrap();
    assert_eq!(db.snapshot().account(account).unwrap().settings(), &settings);
    let again = Db::open(store).unwrap().db;
    assert_eq!(again.snapshot().account(account).unwrap().settings(), &settings);
    let mut txn = again.begin();
    assert_eq!(txn.get::<AccountSettings>(RowKey::AccountSettings(account)).as_deref(), Some(&settings));
    txn.delete(RowKey::AccountSettings(account));
    again.commit_wait(txn).unwrap();
    assert_eq!(again.snapshot().account(account).unwrap().settings(), &AccountSettings::new());
}

#[test]
fn closed_account_can_be_opened_again_for_ninety_days() {
    let at = Time::from_seconds;
    let closed = AccountStatus::Closed { at: at(10) };
    assert_eq!(closed.reopenable_until(), Some(at(10 + 90 * 86_400)));
    assert!(!closed.is_gone(at(9 + 90 * 86_400)) && closed.is_gone(at(10 + 90 * 86_400)));
    for open in [AccountStatus::Active, AccountStatus::Suspended] {
        assert!(open.reopenable_until().is_none() && !open.is_gone(at(i64::MAX)));
    }
}

#[test]
fn root_user_is_sealed_unless_the_seal_is_open_now() {
    let at = Time::from_seconds;
    let open = Seal::Open { since: at(10), until: at(20), reason: "drill".into() };
    let guard = |seal| RootGuard { seal, ..RootGuard::new() };
    assert!(RootGuard::new().is_sealed(at(1)) && !guard(Seal::Never).is_sealed(at(1)));
    // A clock that was set back before the seal was broken opens nothing.
    let sealed = [9, 10, 19, 20].map(|second| guard(open.clone()).is_sealed(at(second)));
    assert_eq!(sealed, [true, false, false, true]);
}

#[test]
fn target_and_its_cursor_are_seen_after_they_commit_and_after_reopening() {
    let (store, db) = open();
    let target = AlertTarget {
        name: "On-Call".into(),
        created: Time::from_seconds(1),
        account: Some(account_id()),
        severity: Severity::Warning,
        route: AlertRoute::Webhook(WebhookRoute {
            origin: "https://example.com".into(),
            url: [1].into(),
            secret: [2].into(),
        }),
    };
    let (name, cursor) = (NameKey::new("on-call"), AlertCursor { seq: 7, delivered: None });
    let mut txn = db.begin();
    txn.put(RowKey::AlertTarget(name.clone()), target.clone());
    txn.put(RowKey::AlertCursor(name.clone()), cursor);
    db.commit_wait(txn).unwrap();
    for world in [db.snapshot(), Db::open(store).unwrap().db.snapshot()] {
        assert_eq!(world.alert_target("ON-call").map(|found| (**found).clone()), Some(target.clone()));
        assert_eq!(world.alert_cursor("on-call").map(|found| **found), Some(cursor));
        assert_eq!(world.alert_targets().count(), 1);
    }
    let mut txn = db.begin();
    txn.delete(RowKey::AlertTarget(name.clone()));
    txn.delete(RowKey::AlertCursor(name));
    db.commit_wait(txn).unwrap();
    assert!(db.snapshot().alert_target("on-call").is_none());
    assert!(db.snapshot().alert_cursor("on-call").is_none());
}
