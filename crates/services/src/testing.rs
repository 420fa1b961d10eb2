//! Operations under test: an account on the memory store, a clock that stands still and a seeded random source.

use std::sync::Arc;

use rootward_auth::session::{SessionPolicies, Tokens};
use rootward_auth::{Credential, Identity, Principal, RoleSession};
use rootward_names::{AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_pipeline::{Declaration, Failure, OpContext, Scope, Target};
use rootward_state::entities::{Document, Grants, Role, User};
use rootward_state::{AccountState, CommitError, Db, Tabled, Txn};
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};
use rootward_wire::Operation;

use crate::accounts::{self, OpenAccount};

/// A random source that gives the same in every run.
pub(crate) struct Seeded(u64);

impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// An account to run operations in, called by its root user unless said otherwise.
pub(crate) struct Lab {
    pub(crate) account: AccountId,
    pub(crate) caller: Principal,
    pub(crate) db: Arc<Db>,
    pub(crate) now: Time,
    pub(crate) random: Seeded,
    pub(crate) tokens: Tokens,
    pub(crate) vault: Arc<Vault>,
}

impl Lab {
    /// A new account with nothing in it.
    pub(crate) fn new() -> Self {
        let mut random = Seeded(1);
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
        db.commit_wait(txn).unwrap();
        let caller = principal(account, Identity::Root);
        Self { account, caller, db, now, random, tokens: Tokens::new(Arc::clone(&vault)), vault }
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
        &mut self,
        declaration: &Declaration<O>,
        input: O::Input,
    ) -> Result<O::Output, Failure> {
        let (output, txn) = self.run_uncommitted(declaration, &input)?;
        if !txn.is_read_only() {
            self.db.commit_wait(txn).unwrap();
        }
        Ok(output)
    }

    /// Runs an operation and hands out its transaction, to race it against others.
    pub(crate) fn run_uncommitted<O: Operation>(
        &mut self,
        declaration: &Declaration<O>,
        input: &O::Input,
    ) -> Result<(O::Output, Txn), Failure> {
        let mut txn = self.db.begin();
        let ctx =
            OpContext::new(self.now, &self.caller, "us-east-1", &self.vault, &self.tokens, &mut self.random);
        let output = (declaration.run)(&ctx, &mut txn, input)?;
        Ok((output, txn))
    }

    /// Commits two transactions that both began before either committed: whether the second is refused.
    pub(crate) fn second_loses(&self, first: Txn, second: Txn) -> bool {
        self.db.commit_wait(first).unwrap();
        matches!(self.db.commit_wait(second), Err(CommitError::Conflict))
    }

    /// What the rules of an operation ask for, each as action and target.
    pub(crate) fn targets<O: Operation>(
        &mut self,
        declaration: &Declaration<O>,
        input: &O::Input,
    ) -> Vec<(&'static str, Target)> {
        let world = self.db.snapshot();
        let ctx =
            OpContext::new(self.now, &self.caller, "us-east-1", &self.vault, &self.tokens, &mut self.random);
        let scope = Scope { ctx: &ctx, world: &world };
        let needed = declaration.rules.iter().filter(|rule| (rule.when)(input));
        needed.map(|rule| (rule.action, (rule.target)(&scope, input))).collect()
    }

    /// Writes rows directly.
    pub(crate) fn write(&mut self, write: impl FnOnce(&mut Txn)) {
        let mut txn = self.db.begin();
        write(&mut txn);
        self.db.commit_wait(txn).unwrap();
    }

    /// Adds a user with nothing and returns its id.
    pub(crate) fn user(&mut self, name: &str) -> UniqueId {
        let id = UniqueId::random(EntityKind::User, &mut self.random);
        let user = User {
            id,
            name: name.into(),
            path: "/".into(),
            created: self.now,
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
            groups: Vec::new(),
            access_keys: Vec::new(),
        };
        let account = self.account;
        self.write(|txn| txn.put_entity(account, user));
        id
    }

    /// Adds a role with nothing and returns it.
    pub(crate) fn role(&mut self, name: &str) -> Role {
        let role = Role {
            id: UniqueId::random(EntityKind::Role, &mut self.random),
            name: name.into(),
            path: "/".into(),
            created: self.now,
            description: None,
            trust: Document::new(
                r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#,
            ),
            session_seconds_max: 3_600,
            tags: Vec::new(),
            grants: Grants::default(),
            boundary: None,
        };
        let account = self.account;
        let row = role.clone();
        self.write(|txn| txn.put_entity(account, row));
        role
    }

    /// From now on this user calls.
    pub(crate) fn call_as_user(&mut self, name: &str) {
        self.caller = principal(self.account, Identity::User(self.row::<User>(name).unwrap()));
    }

    /// From now on a session of this role calls.
    pub(crate) fn call_as_role(&mut self, name: &str) {
        let session = RoleSession {
            role: self.row::<Role>(name).unwrap(),
            name: "session".into(),
            tags: Vec::new(),
            transitive: Vec::new(),
            source_identity: None,
            policies: Arc::new(SessionPolicies::default()),
        };
        self.caller = principal(self.account, Identity::RoleSession(Box::new(session)));
    }

    /// From now on the root user calls again.
    pub(crate) fn call_as_root(&mut self) {
        self.caller = principal(self.account, Identity::Root);
    }
}

/// A principal of `account`, by a key that was not issued here.
pub(crate) fn principal(account: AccountId, identity: Identity) -> Principal {
    Principal { account, partition: Partition::Aws, identity, credential: Credential::Foreign("test".into()) }
}
