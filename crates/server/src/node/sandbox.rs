//! The sandbox: a node in memory whose accounts open when they are first used.

use std::sync::Arc;

use rootward_audit::Log;
use rootward_auth::authn::Authority;
use rootward_names::{AccountId, Partition, Random, Time};
use rootward_pipeline::Draw;
use rootward_services::accounts::{self, OpenAccount};
use rootward_services::root_guard;
use rootward_state::Txn;
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};

use super::{Foundation, Node, StartError, seal};
use crate::front::Face;
use crate::source::Source;

impl Node {
    /// A sandbox with its one account. Its root users have no seal, unless they are to be `sealed` like all others.
    ///
    /// # Errors
    /// [`StartError`].
    pub(crate) fn sandbox(seed: Option<u64>, sealed: bool, face: &Face) -> Result<Self, StartError> {
        let source = seed.map_or(Source::Machine, Source::seeded);
        let key = Key::random(&mut Draw(&source));
        let log = Log::in_memory(seal(&Vault::new(&key)))?;
        let store = Arc::new(Memory::new()?);
        let authority = Authority::Sandbox;
        let node = Self::assemble(Foundation { store, key, log, source, authority, sealed }, face)?;
        let mut txn = node.db.begin();
        let (id, now) = (AccountId::SANDBOX, node.source.now());
        open_sandbox_account(&mut txn, id, sealed, now, &mut node.draw(), &node.vault);
        node.db.commit_wait(txn).map_err(|error| StartError::System(error.to_string()))?;
        Ok(node)
    }
}

/// Opens an account of the sandbox that a request names before it exists.
pub(super) fn open_on_use(
    source: Arc<Source>,
    vault: Arc<Vault>,
    sealed: bool,
) -> rootward_pipeline::OpenAccount {
    Box::new(move |txn, account| {
        open_sandbox_account(txn, account, sealed, source.now(), &mut Draw(&*source), &vault);
    })
}

fn open_sandbox_account(
    txn: &mut Txn,
    id: AccountId,
    sealed: bool,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) {
    let (name, email) = (format!("Sandbox {id}"), format!("root-{id}@sandbox.example"));
    let request = OpenAccount {
        name: &name,
        email: &email,
        password: None,
        admin: None,
        partition: Partition::Aws,
        id: Some(id),
    };
    match accounts::open(txn, &request, now, random, vault) {
        Ok(_) if sealed => {}
        Ok(_) => root_guard::never_seal(txn, id),
        Err(error) => tracing::debug!(%id, %error, "the sandbox account exists already"),
    }
}
