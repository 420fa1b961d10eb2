//! Rows: any keys and values that a store may hold are refused or read, and what is read is written back as itself.
#![no_main]

use std::sync::{Arc, LazyLock};

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rootward_names::{
    AccessKeyId, AccessKeyKind, AccountId, EntityKind, Handle, HandshakeId, NodeId, OrganizationId,
    Partition, Random, ResponsibilityTransferId, Time, UniqueId,
};
use rootward_state::alerts::{
    AlertCursor, AlertRoute, AlertTarget, MailRoute, MailTls, Severity, WebhookRoute,
};
use rootward_state::entities::{
    AccessKey, Account, AccountSettings, AccountStatus, AlternateContact, Bound, CentralRootAccess, Contact,
    ContactKind, CredentialOwner, CredentialReport, Decision, Document, EmailUpdate, Factor, Grants, Group,
    GuardPolicy, Handshake, HandshakeAction, HandshakeParty, HandshakeState, InlinePolicy, InstanceProfile,
    LoginProfile, ManagedPolicy, MfaDevice, Organization, Passkey, PasswordHash, PasswordPolicy, PolicyRef,
    PolicyVersion, Position, Purpose, ResponsibilityTransfer, Role, RootAccess, RootGuard, RootUser, Rotated,
    Seal, SessionKind, SignInSession, SignedIn, Support, SupportPlan, Tag, Totp, TransferState, Usage, User,
};
use rootward_state::{AccountState, Db, NameKey, Recipient, RowKey, Stored, Tabled, Txn, World};
use rootward_store::{Commit, Memory, Store, Write};

/// What is done to the rows of a small account before they are read.
#[derive(Debug, Arbitrary)]
enum Edit<'a> {
    /// Another row, of any key.
    Add(&'a [u8], &'a [u8]),
    /// Another row under the name of an entity.
    AddEntity(u8, &'a str, &'a [u8]),
    /// A row under the name of another one.
    Copy(u8, u8),
    Cut(u8, u16),
    Flip(u8, u16, u8),
    Insert(u8, u16, u8),
    Remove(u8),
}

const ACCOUNT: &str = "a/123456789012";

fuzz_target!(|edits: Vec<Edit<'_>>| {
    static ROWS: LazyLock<Rows> = LazyLock::new(small_account);
    let mut rows = ROWS.clone();
    edits.iter().for_each(|edit| edit.apply(&mut rows));
    for (key, _) in &rows {
        if let Ok(read) = RowKey::decode(key) {
            assert_eq!(RowKey::decode(&read.encode()), Ok(read));
        }
    }
    let Some(world) = open(&rows) else { return };
    let first = rewritten(&world);
    let world = open(&first).expect("what was written can be read");
    assert_eq!(rewritten(&world), first);
});

impl Edit<'_> {
    fn apply(&self, rows: &mut Rows) {
        let len = rows.len().max(1);
        let at = |row: &u8| usize::from(*row) % len;
        match self {
            Self::Add(key, value) => rows.push((key.to_vec(), value.to_vec())),
            Self::AddEntity(kind, name, value) => {
                let kinds = ["g", "i", "p", "r", "u", "access", "login", "mfa", "own", "session"];
                let kind = kinds[usize::from(*kind) % kinds.len()];
                rows.push((format!("{ACCOUNT}/{kind}/{name}").into_bytes(), [&[1], *value].concat()));
            }
            Self::Copy(from, to) => {
                let copy = rows.get(at(from)).cloned();
                if let (Some((_, value)), Some((key, _))) = (copy, rows.get(at(to)).cloned()) {
                    rows.push((key, value));
                }
            }
            Self::Remove(row) => {
                if at(row) < rows.len() {
                    rows.remove(at(row));
                }
            }
            Self::Cut(row, place) | Self::Flip(row, place, _) | Self::Insert(row, place, _) => {
                if let Some((_, value)) = rows.get_mut(at(row)) {
                    self.apply_to(value, usize::from(*place) % value.len().max(1));
                }
            }
        }
    }

    fn apply_to(&self, value: &mut Vec<u8>, place: usize) {
        match self {
            Self::Cut(..) => value.truncate(place),
            Self::Insert(.., byte) => value.insert(place, *byte),
            Self::Flip(.., bits) => value.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= bits),
            Self::Add(..) | Self::AddEntity(..) | Self::Copy(..) | Self::Remove(_) => {}
        }
    }
}

/// An account with one row of each kind, each referring to others.
fn small_account() -> Rows {
    let random = &mut Sevens;
    let (id, created) =
        (ACCOUNT[2..].parse::<AccountId>().expect("twelve digits"), Time::from_seconds(1_700_000_000));
    let mut entity = |kind| UniqueId::random(kind, random);
    let [group, policy, profile, role, user] = [
        entity(EntityKind::Group),
        entity(EntityKind::Policy),
        entity(EntityKind::InstanceProfile),
        entity(EntityKind::Role),
        entity(EntityKind::User),
    ];
    let key = AccessKeyId::random(AccessKeyKind::LongTerm, id, &mut Sevens);
    let document = Document::new(r#"{"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}}"#);
    let grants = Grants {
        attached: vec![PolicyRef::Customer(policy), PolicyRef::Aws("ReadOnlyAccess".into())],
        inline: vec![InlinePolicy { name: "inline".into(), document: document.clone() }],
    };
    let tags = vec![Tag { key: "team".into(), value: "blue".into() }];
    let (path, boundary) = (Box::<str>::from("/team/"), Some(PolicyRef::Customer(policy)));
    let version = PolicyVersion { number: 1, created, document: document.clone() };

    let store = Arc::new(Memory::new().expect("a store"));
    let mut txn = Db::open(Arc::clone(&store) as Arc<dyn Store>).expect("nothing can be read").db.begin();
    txn.put(
        RowKey::Account(id),
        Account {
            id,
            name: "Example".into(),
            email: "root@example.com".into(),
            canonical_id: "0".repeat(64).into(),
            created,
            status: AccountStatus::Active,
            partition: Partition::Aws,
            alias: Some("example".into()),
            root: RootUser::default(),
        },
    );
    txn.put_owner(RowKey::Alias("example".into()), id);
    txn.put_entity(
        id,
        Group { id: group, name: "g".into(), path: path.clone(), created, grants: grants.clone() },
    );
    txn.put_entity(
        id,
        InstanceProfile {
            id: profile,
            name: "i".into(),
            path: path.clone(),
            created,
            tags: tags.clone(),
            role: Some(role),
        },
    );
    txn.put_entity(
        id,
        ManagedPolicy {
            id: policy,
            name: "p".into(),
            path: path.clone(),
            created,
            updated: created,
            description: None,
            tags: tags.clone(),
            versions: vec![version],
            default_version: 1,
            next_version: 2,
        },
    );
    txn.put_entity(
        id,
        Role {
            id: role,
            name: "r".into(),
            path: path.clone(),
            created,
            description: Some("text".into()),
            trust: document,
            session_seconds_max: 3_600,
            tags: tags.clone(),
            grants: grants.clone(),
            boundary: boundary.clone(),
        },
    );
    txn.put_entity(
        id,
        User {
            id: user,
            name: "u".into(),
            path,
            created,
            tags,
            grants,
            boundary,
            groups: vec![group],
            access_keys: vec![key],
        },
    );
    let owner = CredentialOwner::User(user);
    txn.put(
        RowKey::AccessKey(key),
        AccessKey {
            id: key,
            account: id,
            partition: Partition::Aws,
            owner,
            active: true,
            created,
            secret: [0; 8].into(),
        },
    );
    sign_in_rows(&mut txn, id, user, created);
    txn.put(RowKey::AccountSettings(id), settings(created));
    let usage = Usage { time: created, service: "iam".into(), region: "us-east-1".into() };
    txn.put(RowKey::KeyUsage(key), usage.clone());
    txn.put(RowKey::RoleUsage(id, role), usage);
    put_alerts(&mut txn, id, created);
    put_organization(&mut txn, id, created);
    Db::open(Arc::clone(&store) as Arc<dyn Store>).expect("opens").db.commit_wait(txn).expect("commits");
    rows(&*store)
}

fn sign_in_rows(txn: &mut Txn, account: AccountId, user: UniqueId, created: Time) {
    let (owner, hash) = (CredentialOwner::User(user), PasswordHash::new("$argon2id$"));
    let handle = Handle::random(&mut Sevens);
    txn.put(
        RowKey::LoginProfile(account, user),
        LoginProfile {
            created,
            password: hash.clone(),
            set: created,
            used: Some(created),
            reset_required: true,
            previous: vec![hash],
        },
    );
    let totp =
        Totp { hardware: false, seed: [0; 8].into(), position: Some(Position { offset: -1, last_step: 9 }) };
    txn.put(
        RowKey::MfaDevice(account, "mfa/u".into()),
        MfaDevice {
            id: "mfa/u".into(),
            created,
            tags: Vec::new(),
            bound: Some(Bound { owner, at: created }),
            factor: Factor::Totp(totp),
        },
    );
    let passkey = Passkey { credential_id: [7; 16].into(), credential: "{}".into(), uses: 3 };
    txn.put(
        RowKey::MfaDevice(account, "u2f/user/u/key-A".into()),
        MfaDevice {
            id: "u2f/user/u/key-A".into(),
            created,
            tags: Vec::new(),
            bound: Some(Bound { owner, at: created }),
            factor: Factor::Passkey(passkey),
        },
    );
    txn.put(
        RowKey::PasswordPolicy(account),
        PasswordPolicy { max_age_days: Some(90), ..PasswordPolicy::default() },
    );
    let report = CredentialReport { generated: created, content: [3; 8].into() };
    txn.put(RowKey::CredentialReport(account), report);
    let decision = Decision { user, at: created, approved: true };
    txn.put(
        RowKey::RootAccess(account, handle),
        RootAccess {
            purpose: Purpose::Unseal(5),
            reason: "drill".into(),
            digest: [1; 32],
            source_ip: "127.0.0.1".into(),
            requested: created,
            expires: created,
            decisions: vec![decision],
            used: None,
        },
    );
    let document = Document::new(r#"{"Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}"#);
    let [set, removed] = [[8; 16], [9; 16]].map(|bytes| Handle::random(&mut Bytes(bytes)));
    for (handle, purpose) in [
        (set, Purpose::PutGuardPolicy(document.clone())),
        (removed, Purpose::DeleteGuardPolicy(document.clone())),
    ] {
        txn.put(
            RowKey::RootAccess(account, handle),
            RootAccess {
                purpose,
                reason: "drill".into(),
                digest: [1; 32],
                source_ip: "127.0.0.1".into(),
                requested: created,
                expires: created,
                decisions: Vec::new(),
                used: Some(created),
            },
        );
    }
    txn.put(RowKey::GuardPolicy(account), GuardPolicy { document, set: created });
    let seal = Seal::Open { since: created, until: created, reason: "drill".into() };
    txn.put(
        RowKey::RootGuard(account),
        RootGuard { seal, approvals_required: 1, approvers: vec![user], ..RootGuard::new() },
    );
    txn.put(
        RowKey::Session(account, handle),
        SignInSession {
            holder: SignedIn::User(user),
            kind: SessionKind::Console,
            key: AccessKeyId::random(AccessKeyKind::Temporary, account, &mut Sevens),
            digest: [2; 32],
            rotated: Rotated { at: Time::from_seconds(1), previous: None },
            created,
            used: created,
            expires: created,
            mfa: Some(created),
            source_ip: "127.0.0.1".into(),
            user_agent: "browser".into(),
            restricted: false,
            reason: None,
            role: None,
            parent: Some(handle),
        },
    );
}

fn settings(created: Time) -> AccountSettings {
    let contact = Contact {
        full_name: "Ann".into(),
        address_line1: "Street 1".into(),
        address_line2: None,
        address_line3: None,
        city: "Town".into(),
        state_or_region: Some("NJ".into()),
        district_or_county: None,
        postal_code: "1".into(),
        country_code: "US".into(),
        phone_number: "+1".into(),
        company_name: None,
        website_url: None,
    };
    let security = AlternateContact {
        kind: ContactKind::Security,
        name: "Bob".into(),
        title: "CISO".into(),
        email: "bob@example.com".into(),
        phone_number: "1".into(),
    };
    let update = EmailUpdate {
        email: "new@example.com".into(),
        code: [3; 32],
        sent: created,
        expires: created,
        attempts_left: 5,
    };
    AccountSettings {
        contact: Some(contact),
        alternate_contacts: vec![security],
        regions: vec!["eu-south-2".into()],
        iam_billing_access: true,
        support: Some(Support { plan: SupportPlan::Business, since: created }),
        email_update: Some(update),
        ..AccountSettings::new()
    }
}

/// A target of each route; one has been told something.
fn put_alerts(txn: &mut Txn, account: AccountId, created: Time) {
    let sealed: Box<[u8]> = [0; 8].into();
    let webhook = AlertRoute::Webhook(WebhookRoute {
        origin: "https://example.com".into(),
        url: sealed.clone(),
        secret: sealed.clone(),
    });
    let mail = AlertRoute::Mail(MailRoute {
        host: "mail.example.com".into(),
        port: 587,
        tls: MailTls::StartTls,
        user: Some("u".into()),
        password: Some(sealed),
        from: "a@example.com".into(),
        to: vec!["b@example.com".into()],
    });
    for (name, account, severity, route) in
        [("hook", None, Severity::Info, webhook), ("mail", Some(account), Severity::Critical, mail)]
    {
        let target = AlertTarget { name: name.into(), created, account, severity, route };
        txn.put(RowKey::AlertTarget(NameKey::new(name)), target);
    }
    txn.put(RowKey::AlertCursor(NameKey::new("hook")), AlertCursor { seq: 7, delivered: Some(created) });
}

/// An organization that has asked to take over the bills of another account's.
fn put_organization(txn: &mut Txn, management: AccountId, created: Time) {
    let random = &mut Counter(0);
    let (id, root) = (OrganizationId::random(random), NodeId::random_root(random));
    let (handshake, transfer) = (HandshakeId::random(random), ResponsibilityTransferId::random(random));
    let organization = Organization {
        id: id.clone(),
        management,
        partition: Partition::Aws,
        created,
        all_features: true,
        root,
        policy_types: Vec::new(),
        trusted: Vec::new(),
        resource_policy: None,
        root_access: CentralRootAccess::default(),
    };
    txn.put(RowKey::Organization(id.clone()), organization);
    let source = HandshakeParty::Email("other@example.com".into());
    let asked = Handshake {
        id: handshake.clone(),
        organization: id.clone(),
        action: HandshakeAction::TransferResponsibility(transfer.clone()),
        to: source.clone(),
        notes: Some("n".into()),
        tags: Vec::new(),
        parent: None,
        requested: created,
        expires: created,
        state: HandshakeState::Open,
        answer: None,
    };
    txn.put(RowKey::Handshake(id.clone(), handshake.clone()), asked);
    let row = ResponsibilityTransfer {
        id: transfer.clone(),
        organization: id.clone(),
        name: "Bills".into(),
        source,
        handshake,
        requested: created,
        expires: created,
        starts: created,
        ends: Some(created),
        state: TransferState::Requested,
        since: created,
        tags: vec![Tag { key: "team".into(), value: "blue".into() }],
    };
    txn.put(RowKey::ResponsibilityTransfer(id, transfer), row);
}

struct Counter(u8);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_add(7);
            *byte = self.0;
        }
    }
}

/// What draws these bytes.
struct Bytes([u8; 16]);

impl Random for Bytes {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(self.0).for_each(|(byte, drawn)| *byte = drawn);
    }
}

struct Sevens;

impl Random for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

type Rows = Vec<(Vec<u8>, Vec<u8>)>;

fn open(rows: &Rows) -> Option<Arc<World>> {
    let store = Memory::new().expect("a store");
    let writes = rows.iter().map(|(key, value)| Write::put(key.as_slice(), value.as_slice())).collect();
    // Too long a key is refused by the store.
    store.commit(Commit { guards: Vec::new(), writes }).ok()?;
    Some(Db::open(Arc::new(store)).ok()?.db.snapshot())
}

/// The rows of a store in which a transaction put every row of `world`.
fn rewritten(world: &Arc<World>) -> Rows {
    let store = Arc::new(Memory::new().expect("a store"));
    let db = Db::open(Arc::clone(&store) as Arc<dyn Store>).expect("nothing can be read").db;
    let mut txn = Txn::new(Arc::clone(world));
    // Under the keys they were read from, whatever the rows say.
    let id: AccountId = ACCOUNT[2..].parse().expect("twelve digits");
    if let Some(state) = world.account(id) {
        txn.put::<Account>(RowKey::Account(id), Arc::clone(state.account()));
        put_all::<Group>(&mut txn, id, state);
        put_all::<InstanceProfile>(&mut txn, id, state);
        put_all::<ManagedPolicy>(&mut txn, id, state);
        put_all::<Role>(&mut txn, id, state);
        put_all::<User>(&mut txn, id, state);
        for (device, row) in state.mfa_devices().iter() {
            txn.put::<MfaDevice>(RowKey::MfaDevice(id, device.clone()), Arc::clone(row));
            assert!(
                row.owner().is_none_or(|owner| state.mfa_devices_of(owner).any(|found| found.id == row.id))
            );
        }
        for (handle, row) in state.root_accesses().iter() {
            txn.put::<RootAccess>(RowKey::RootAccess(id, *handle), Arc::clone(row));
        }
        for (handle, row) in state.sessions().iter() {
            txn.put::<SignInSession>(RowKey::Session(id, *handle), Arc::clone(row));
        }
        if let Some(report) = state.credential_report() {
            txn.put::<CredentialReport>(RowKey::CredentialReport(id), Arc::clone(report));
        }
        for (_, user) in state.all::<User>().iter() {
            if let Some(row) = state.login_profile(user.id) {
                txn.put::<LoginProfile>(RowKey::LoginProfile(id, user.id), Arc::clone(row));
            }
        }
        txn.put(RowKey::RootGuard(id), state.root_guard().clone());
        if let Some(policy) = state.password_policy() {
            txn.put::<PasswordPolicy>(RowKey::PasswordPolicy(id), Arc::clone(policy));
        }
        txn.put(RowKey::AccountSettings(id), state.settings().clone());
        if let Some(policy) = state.guard_policy() {
            txn.put::<GuardPolicy>(RowKey::GuardPolicy(id), Arc::clone(policy));
        }
    }
    for target in world.alert_targets() {
        txn.put::<AlertTarget>(RowKey::AlertTarget(NameKey::new(&target.name)), Arc::clone(target));
        if let Some(cursor) = world.alert_cursor(&target.name) {
            txn.put::<AlertCursor>(RowKey::AlertCursor(NameKey::new(&target.name)), Arc::clone(cursor));
        }
    }
    for state in world.organizations() {
        let of = &state.organization().id;
        txn.put::<Organization>(RowKey::Organization(of.clone()), Arc::clone(state.organization()));
        for (handshake, row) in state.handshakes().iter() {
            txn.put::<Handshake>(RowKey::Handshake(of.clone(), handshake.clone()), Arc::clone(row));
        }
        for (transfer, row) in state.transfers().iter() {
            let key = RowKey::ResponsibilityTransfer(of.clone(), transfer.clone());
            txn.put::<ResponsibilityTransfer>(key, Arc::clone(row));
            assert!(world.transfers_of(&Recipient::from(&row.source)).count() > 0);
        }
    }
    db.commit_wait(txn).expect("what is read can be written");
    rows(&*store)
}

fn rows(store: &dyn Store) -> Rows {
    let mut rows = Rows::new();
    store
        .load(&mut |key, value, _| rows.push((key.into(), value.into())))
        .expect("what is written can be read");
    rows
}

fn put_all<T: Stored + Tabled>(txn: &mut Txn, id: AccountId, state: &AccountState) {
    for (name, row) in state.all::<T>().iter() {
        txn.put::<T>(RowKey::Entity(id, T::KIND, name.clone()), Arc::clone(row));
        // The indexes cope with whatever the rows say.
        assert!(state.by_id::<T>(row.id()).is_some());
        let _ = (state.members(row.id()).count(), state.profiles_of(row.id()).count());
    }
}
