//! Operations under test: an account on the memory store, a clock that stands still and a seeded random source.

use std::cell::{Cell, RefCell};
use std::num::NonZeroUsize;
use std::sync::Arc;

use rootward_audit::{Entry, Lane, Log, Page, Query};
use rootward_auth::dpop::{Replays, Target as Request};
use rootward_auth::passkey::RelyingParty;
use rootward_auth::password::Hasher;
use rootward_auth::second_factor::{Guesses, seal_seed};
use rootward_auth::session::{Claims, SessionPolicies, Tokens};
use rootward_auth::totp::Seed;
use rootward_auth::{Credential, Identity, Principal, RoleSession, SignIn};
use rootward_names::{
    AccessKeyId, AccessKeyKind, AccountId, EntityKind, Handle, NodeId, OrganizationId, Partition, Random,
    Time, UniqueId,
};
use rootward_pipeline::{
    Declaration, Effect, Failure, Knock, Mail, Mailer, OpContext, Records, Scope, Target, Tools, Unread,
    Unsigned,
};
use rootward_state::entities::{
    AccessKey, Bound, CentralRootAccess, CredentialOwner, Document, Factor, Grants, Membership, MfaDevice,
    Organization, OrganizationNode, OrganizationPolicy, OrganizationPolicyType, Position, Role, Rotated,
    SessionKind, SignInSession, SignedIn, Totp, User,
};
use rootward_state::{AccountState, CommitError, Db, RowKey, Tabled, Txn};
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};
use rootward_testkit::Seeded;
use rootward_wire::{Operation, Sensitive};
use totp_rs::{Algorithm, Builder, Secret};

use crate::accounts::{self, OpenAccount};
use crate::root_guard;

/// Where the console is.
pub(crate) const CONSOLE: &str = "http://localhost:4566";

/// An account to run operations in, called by its root user unless said otherwise.
pub(crate) struct Bench {
    account: AccountId,
    caller: RefCell<Principal>,
    db: Arc<Db>,
    now: Cell<Time>,
    random: RefCell<Seeded>,
    tokens: Tokens,
    vault: Arc<Vault>,
    hasher: Hasher,
    guesses: Guesses,
    relying_party: RelyingParty,
    has_mailer: Cell<bool>,
    mails: RefCell<Vec<Mail>>,
    replays: Replays,
    recorded: Recorded,
}

/// An audit log, to look up in.
struct Recorded(Log);

impl Records for Recorded {
    fn look_up(&self, query: &Query<'_>, count: usize, before: Option<u64>) -> Result<Page, Unread> {
        self.0.reader().lookup(query, count, before).map_err(Unread::Failed)
    }
}

/// Takes mail; the bench collects it before it comes here.
struct Mailbox;

impl Mailer for Mailbox {
    fn post(&self, _: Mail) {}
}

impl Bench {
    /// A new account with nothing in it, not even a seal.
    pub(crate) fn new() -> Self {
        let mut random = Seeded::new(1);
        let vault = Arc::new(Vault::new(&Key::random(&mut random)));
        let db = Db::open(Arc::new(Memory::new().unwrap())).unwrap().db;
        let account = "111122223333".parse().unwrap();
        let now = Time::from_seconds(1_700_000_000);
        let mut txn = db.begin();
        let request = OpenAccount {
            name: "Example Corp",
            email: "root@example.com",
            password: None,
            admin: None,
            partition: Partition::Aws,
            id: Some(account),
        };
        accounts::open(&mut txn, &request, now, &mut random, &vault).unwrap();
        root_guard::never_seal(&mut txn, account);
        db.commit_wait(txn).unwrap();
        let caller = RefCell::new(principal(account, Identity::Root));
        let tokens = Tokens::new(Arc::clone(&vault));
        let (now, random) = (Cell::new(now), RefCell::new(random));
        let (hasher, guesses) = (Hasher::new(NonZeroUsize::MIN, 0).unwrap(), Guesses::default());
        let relying_party = RelyingParty::at(CONSOLE, "Rootward").unwrap();
        let (has_mailer, mails) = (Cell::new(true), RefCell::default());
        let recorded = Recorded(Log::in_memory(rootward_audit::Seal::new(|_| [0; 32])).unwrap());
        Self {
            account,
            caller,
            db,
            now,
            random,
            tokens,
            vault,
            hasher,
            guesses,
            relying_party,
            has_mailer,
            mails,
            replays: Replays::default(),
            recorded,
        }
    }

    fn tools(&self) -> Tools<'_> {
        let Self { vault, tokens, hasher, guesses, relying_party, recorded: records, .. } = self;
        let mailer = self.has_mailer.get().then_some(&Mailbox as &dyn Mailer);
        Tools { vault, tokens, hasher, guesses, relying_party, mailer, mfa_grace_days: 35, records }
    }

    /// The account's id.
    pub(crate) fn account(&self) -> AccountId {
        self.account
    }

    /// When every call arrives.
    pub(crate) fn now(&self) -> Time {
        self.now.get()
    }

    /// From now on calls arrive later, or earlier.
    pub(crate) fn pass_seconds(&self, seconds: i64) {
        self.now.set(self.now().plus_seconds(seconds));
    }

    /// The same, by days.
    pub(crate) fn pass_days(&self, days: i64) {
        self.now.set(self.now().plus_days(days));
    }

    /// Opens another account, with nothing in it.
    pub(crate) fn open_account(&self, name: &str, email: &str) -> AccountId {
        let partition = Partition::Aws;
        let request = OpenAccount { name, email, password: None, admin: None, partition, id: None };
        let opened =
            self.write_with(|txn, now, random, vault| accounts::open(txn, &request, now, random, vault));
        opened.unwrap().account
    }

    /// From now on the root user of this account calls.
    pub(crate) fn call_as_root_of(&self, account: AccountId) {
        self.caller.replace(principal(account, Identity::Root));
    }

    /// A transaction on the state as it stands.
    pub(crate) fn begin(&self) -> Txn {
        self.db.begin()
    }

    /// From now on no mail server is configured.
    pub(crate) fn remove_mailer(&self) {
        self.has_mailer.set(false);
    }

    /// The mail that the last calls left, once.
    pub(crate) fn take_mails(&self) -> Vec<Mail> {
        self.mails.take()
    }

    /// Appends to the audit log.
    pub(crate) fn record(&self, entries: impl IntoIterator<Item = Entry>) {
        let entries: Vec<_> = entries.into_iter().map(|entry| (Lane::Plain, entry)).collect();
        self.recorded.0.append(&entries).unwrap();
    }

    /// Puts the account into an organization that another one manages, with this policy as one more SCP of its root.
    pub(crate) fn bind(&self, scp: &str) {
        let organization: OrganizationId = "o-exampleorg".parse().unwrap();
        let root: NodeId = "r-exam".parse().unwrap();
        let first: Vec<_> = OrganizationPolicy::of_aws().iter().map(|policy| policy.id.clone()).collect();
        let policy = OrganizationPolicy {
            id: "p-examplepol".parse().unwrap(),
            kind: OrganizationPolicyType::ServiceControl,
            name: "bound".into(),
            description: "".into(),
            document: Document::new(scp),
            updated: self.now(),
            tags: Vec::new(),
        };
        let node = OrganizationNode {
            id: root.clone(),
            parent: None,
            name: "Root".into(),
            policies: [first.clone(), vec![policy.id.clone()]].concat(),
            tags: Vec::new(),
        };
        let membership = Membership {
            account: self.account,
            organization: organization.clone(),
            parent: root.clone(),
            joined: self.now(),
            invited: false,
            policies: first,
            tags: Vec::new(),
            delegated: Vec::new(),
        };
        let row = Organization {
            id: organization.clone(),
            management: "999988887777".parse().unwrap(),
            partition: Partition::Aws,
            created: self.now(),
            all_features: true,
            root: root.clone(),
            policy_types: vec![OrganizationPolicyType::ServiceControl],
            trusted: Vec::new(),
            resource_policy: None,
            root_access: CentralRootAccess::default(),
        };
        self.write(|txn| {
            txn.put(RowKey::Organization(organization.clone()), row);
            txn.put(RowKey::OrganizationPolicy(organization.clone(), policy.id.clone()), policy);
            txn.put(RowKey::OrganizationNode(organization, root), node);
            txn.put(RowKey::Membership(self.account), membership);
        });
    }

    /// The account as it stands.
    pub(crate) fn state(&self) -> Arc<AccountState> {
        Arc::clone(self.db.snapshot().account(self.account).unwrap())
    }

    /// An entity as it stands.
    pub(crate) fn row<T: Tabled>(&self, name: &str) -> Option<Arc<T>> {
        self.state().named::<T>(name).cloned()
    }

    /// Runs an operation and commits what it writes.
    pub(crate) fn run<O: Operation>(
        &self,
        declaration: &Declaration<O>,
        input: O::Input,
    ) -> Result<O::Output, Failure> {
        let (result, txn) = self.attempt(declaration, &input)?;
        let output = match result {
            Err(failure) if !failure.keeps_writes => return Err(failure),
            result => result,
        };
        // The pipeline answers with an internal failure.
        assert!(
            declaration.effect != Effect::Read || txn.is_read_only(),
            "declared as reading, it has written"
        );
        if !txn.is_read_only() {
            self.db.commit_wait(txn).unwrap();
        }
        output
    }

    /// Runs an operation that comes without a signature, as whoever its input proves to call; they are the caller from then on.
    pub(crate) fn run_unsigned<O: Operation>(
        &self,
        operation: &Unsigned<O>,
        input: O::Input,
    ) -> Result<O::Output, Failure> {
        self.knock(operation, &input)?;
        self.run(&operation.declaration, input)
    }

    /// Finds out who calls an operation that comes without a signature; they are the caller from then on.
    pub(crate) fn knock<O: Operation>(
        &self,
        operation: &Unsigned<O>,
        input: &O::Input,
    ) -> Result<(), Failure> {
        let knock = Knock {
            world: &self.db.snapshot(),
            now: self.now(),
            machine_now: self.now(),
            target: Request {
                method: "POST",
                authority: "localhost:4566",
                path: "/v1/token",
                secure: false,
                url: None,
            },
            vault: &self.vault,
            tokens: &self.tokens,
            replays: &self.replays,
        };
        let caller = (operation.caller)(&knock, input).map_err(|turned_away| turned_away.failure)?;
        self.caller.replace(caller.principal);
        Ok(())
    }

    /// The sessions of sign-ins that are not over, with whose they are.
    pub(crate) fn live_sessions(&self) -> Vec<(Handle, SignedIn)> {
        let (state, now) = (self.state(), self.now());
        let live = state.sessions().iter().filter(|(_, row)| now < row.expires);
        live.map(|(id, row)| (*id, row.holder.clone())).collect()
    }

    /// Changes a session of a sign-in.
    pub(crate) fn change_session(&self, id: Handle, change: impl FnOnce(&mut SignInSession)) {
        self.write(|txn| {
            let key = RowKey::Session(self.account, id);
            let mut row = SignInSession::clone(&txn.get::<SignInSession>(key.clone()).unwrap());
            change(&mut row);
            txn.put(key, row);
        });
    }

    /// Runs an operation and hands out its transaction, to race it against others.
    pub(crate) fn run_uncommitted<O: Operation>(
        &self,
        declaration: &Declaration<O>,
        input: &O::Input,
    ) -> Result<(O::Output, Txn), Failure> {
        let (result, txn) = self.attempt(declaration, input)?;
        Ok((result?, txn))
    }

    /// What an operation answers with what it wrote; an error only when it does not run.
    fn attempt<O: Operation>(
        &self,
        declaration: &Declaration<O>,
        input: &O::Input,
    ) -> Result<(Result<O::Output, Failure>, Txn), Failure> {
        let mut txn = self.db.begin();
        let (caller, mut random) = (self.caller.borrow(), self.random.borrow_mut());
        let ctx = OpContext::new(self.now.get(), &caller, "us-east-1", &self.tools(), &mut *random);
        declaration.callers.check(&caller, O::DESCRIPTION.name)?;
        let result = (declaration.run)(&ctx, &mut txn, input);
        if result.is_ok() {
            self.mails.borrow_mut().extend(ctx.take_mails());
        }
        Ok((result, txn))
    }

    /// Commits two transactions that both began before either committed: whether the second is refused.
    pub(crate) fn second_loses(&self, first: Txn, second: Txn) -> bool {
        self.db.commit_wait(first).unwrap();
        matches!(self.db.commit_wait(second), Err(CommitError::Conflict))
    }

    /// What the rules of an operation ask for, each as action and target.
    pub(crate) fn targets<O: Operation>(
        &self,
        declaration: &Declaration<O>,
        input: &O::Input,
    ) -> Vec<(&'static str, Target)> {
        self.in_scope(|scope| {
            let needed = declaration.rules.iter().filter(|rule| (rule.when)(scope, input));
            needed.map(|rule| (rule.action, (rule.target)(scope, input))).collect()
        })
    }

    /// What rules see.
    pub(crate) fn in_scope<R>(&self, look: impl FnOnce(&Scope<'_>) -> R) -> R {
        let world = self.db.snapshot();
        let (caller, mut random) = (self.caller.borrow(), self.random.borrow_mut());
        let ctx = OpContext::new(self.now.get(), &caller, "us-east-1", &self.tools(), &mut *random);
        look(&Scope { ctx: &ctx, world: &world })
    }

    /// Writes rows directly.
    pub(crate) fn write(&self, write: impl FnOnce(&mut Txn)) {
        let mut txn = self.db.begin();
        write(&mut txn);
        self.db.commit_wait(txn).unwrap();
    }

    /// Writes with everything that host commands have; commits what succeeds.
    pub(crate) fn write_with<T, E>(
        &self,
        write: impl FnOnce(&mut Txn, Time, &mut dyn Random, &Vault) -> Result<T, E>,
    ) -> Result<T, E> {
        let mut txn = self.db.begin();
        let output = write(&mut txn, self.now(), &mut *self.random.borrow_mut(), &self.vault)?;
        self.db.commit_wait(txn).unwrap();
        Ok(output)
    }

    /// The secret of an access key, unsealed.
    pub(crate) fn open_secret(&self, key: &AccessKey) -> String {
        let plain = self.vault.open(key.id.to_string().as_bytes(), &key.secret).unwrap();
        String::from_utf8(plain.to_vec()).unwrap()
    }

    /// Who calls.
    pub(crate) fn caller(&self) -> Principal {
        self.caller.borrow().clone()
    }

    /// What this principal's call would be given.
    pub(crate) fn with_context<R>(
        &self,
        principal: &Principal,
        run: impl FnOnce(&OpContext<'_>, &mut Txn) -> R,
    ) -> R {
        let (mut txn, mut random) = (self.db.begin(), self.random.borrow_mut());
        let ctx = OpContext::new(self.now.get(), principal, "us-east-1", &self.tools(), &mut *random);
        run(&ctx, &mut txn)
    }

    /// Adds a user with nothing and returns its id.
    pub(crate) fn add_user(&self, name: &str) -> UniqueId {
        self.add_user_of(self.account, name).id
    }

    /// Adds a user with nothing to this account.
    pub(crate) fn add_user_of(&self, account: AccountId, name: &str) -> Arc<User> {
        let id = UniqueId::random(EntityKind::User, &mut *self.random.borrow_mut());
        let user = User {
            id,
            name: name.into(),
            path: "/".into(),
            created: self.now(),
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
            groups: Vec::new(),
            access_keys: Vec::new(),
        };
        let user = Arc::new(user);
        self.write(|txn| txn.put_entity::<User>(account, Arc::clone(&user)));
        user
    }

    /// Adds a role with nothing and returns it.
    pub(crate) fn add_role(&self, name: &str) -> Role {
        let role = Role {
            id: UniqueId::random(EntityKind::Role, &mut *self.random.borrow_mut()),
            name: name.into(),
            path: "/".into(),
            created: self.now(),
            description: None,
            trust: Document::new(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
            ),
            session_seconds_max: 3_600,
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
        };
        self.write(|txn| txn.put_entity(self.account, role.clone()));
        role
    }

    /// From now on this user calls.
    pub(crate) fn call_as_user(&self, name: &str) {
        self.caller.replace(principal(self.account, Identity::User(self.row::<User>(name).unwrap())));
    }

    /// From now on a session of this role calls.
    pub(crate) fn call_as_role(&self, name: &str) {
        self.call_as_session(self.session(name));
    }

    /// A plain session of this role.
    pub(crate) fn session(&self, role: &str) -> RoleSession {
        RoleSession {
            role: self.row::<Role>(role).unwrap(),
            name: "session".into(),
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: None,
            policies: Arc::new(SessionPolicies::default()),
        }
    }

    /// From now on this session calls.
    pub(crate) fn call_as_session(&self, session: RoleSession) {
        self.caller.replace(principal(self.account, Identity::RoleSession(Box::new(session))));
    }

    /// From now on the same caller calls in this session of a sign-in.
    pub(crate) fn call_signed_in(&self, session: Handle) {
        let key = AccessKeyId::random(AccessKeyKind::Temporary, self.account, &mut *self.random.borrow_mut());
        let sign_in = Some(SignIn { session, kind: SessionKind::Console });
        self.caller.borrow_mut().credential =
            Credential::Temporary { key, issued: self.now(), mfa: None, sign_in };
    }

    /// Adds a session of a sign-in and returns its id.
    pub(crate) fn add_session(&self, holder: SignedIn, kind: SessionKind) -> Handle {
        let (id, now) = (Handle::random(&mut *self.random.borrow_mut()), self.now());
        let key = AccessKeyId::random(AccessKeyKind::Temporary, self.account, &mut *self.random.borrow_mut());
        let session = SignInSession {
            holder,
            kind,
            key,
            digest: [1; 32],
            rotated: Rotated { at: now, previous: None },
            created: now,
            used: now,
            expires: now.plus_seconds(3_600),
            mfa: None,
            source_ip: "127.0.0.1".into(),
            user_agent: "bench".into(),
            restricted: false,
            reason: None,
            role: None,
            parent: None,
        };
        self.write(|txn| txn.put(RowKey::Session(self.account, id), session));
        id
    }

    /// Events that are recorded from now on by what commits: names, and what their parameters say.
    pub(crate) fn events(&self) -> std::sync::mpsc::Receiver<serde_json::Value> {
        let (tell, told) = std::sync::mpsc::channel();
        let follow = move |row: rootward_state::OutboxRow| {
            let record: serde_json::Value = serde_json::from_slice(&row.record).unwrap();
            let _ = tell.send(record);
        };
        self.db.follow_outbox(follow).unwrap();
        told
    }

    /// From now on the same caller calls with temporary credentials.
    pub(crate) fn call_with_temporary(&self, mfa: Option<Time>) {
        let key = AccessKeyId::random(AccessKeyKind::Temporary, self.account, &mut *self.random.borrow_mut());
        self.caller.borrow_mut().credential =
            Credential::Temporary { key, issued: self.now(), mfa, sign_in: None };
    }

    /// From now on the same caller calls from a session of a sign-in at the console.
    pub(crate) fn call_at_console(&self) {
        let session = Handle::random(&mut *self.random.borrow_mut());
        self.call_in_session(session);
    }

    /// From now on the same caller calls from this session at the console.
    pub(crate) fn call_in_session(&self, session: Handle) {
        self.call_with_temporary(None);
        if let Credential::Temporary { sign_in, .. } = &mut self.caller.borrow_mut().credential {
            *sign_in = Some(SignIn { session, kind: SessionKind::Console });
        }
    }

    /// Adds a virtual MFA device of `owner`, none of whose codes from now on is used, and returns its seed.
    pub(crate) fn add_mfa_device(&self, name: &str, owner: CredentialOwner) -> Seed {
        self.put_mfa_device(name, Some(Bound { owner, at: self.now() }))
    }

    /// Gives a user a second factor.
    pub(crate) fn add_factor(&self, user: UniqueId) {
        self.add_mfa_device(&user.to_string(), CredentialOwner::User(user));
    }

    /// Adds a virtual MFA device of nobody.
    pub(crate) fn add_free_mfa_device(&self, name: &str) -> Seed {
        self.put_mfa_device(name, None)
    }

    fn put_mfa_device(&self, name: &str, bound: Option<Bound>) -> Seed {
        let seed = Seed::random(&mut *self.random.borrow_mut());
        let id = format!("mfa/{name}");
        let sealed = seal_seed(&self.vault, self.account, &id, &seed, &mut *self.random.borrow_mut());
        let position = Some(Position { offset: 0, last_step: self.now().seconds() / 30 - 1 });
        let device = MfaDevice {
            id: id.as_str().into(),
            created: self.now(),
            tags: Vec::new(),
            bound,
            factor: Factor::Totp(Totp { hardware: false, seed: sealed, position }),
        };
        self.write(|txn| txn.put(RowKey::MfaDevice(self.account, id.into()), device));
        seed
    }

    /// The code that a device with this seed shows, so many steps of half a minute from now.
    pub(crate) fn code(&self, seed: &Seed, steps: i64) -> Sensitive {
        let totp = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6).with_step_duration(30);
        let totp = totp.with_secret(Secret::from(seed.expose())).build_noncompliant();
        let seconds = u64::try_from(self.now().seconds() + 30 * steps).unwrap();
        Sensitive::new(totp.generate(seconds).to_string())
    }

    /// A session token that says this.
    pub(crate) fn issue(&self, claims: &Claims) -> String {
        self.tokens.issue(claims, 0, &mut *self.random.borrow_mut())
    }

    /// What a session token says.
    pub(crate) fn open_token(&self, token: &str) -> Claims {
        self.tokens.open(token).unwrap().claims.clone()
    }

    /// From now on this principal calls.
    pub(crate) fn call_as(&self, principal: Principal) {
        self.caller.replace(principal);
    }

    /// From now on the root user calls again.
    pub(crate) fn call_as_root(&self) {
        self.caller.replace(principal(self.account, Identity::Root));
    }
}

/// A principal of `account`, by a key that was not issued here.
pub(crate) fn principal(account: AccountId, identity: Identity) -> Principal {
    Principal { account, partition: Partition::Aws, identity, credential: Credential::Foreign("test".into()) }
}
