//! What an operation is given besides its input and its transaction.

use std::cell::RefCell;
use std::sync::Arc;

use rootward_auth::Principal;
use rootward_auth::session::Tokens;
use rootward_names::{AccessKeyId, AccessKeyKind, AccountId, EntityKind, Partition, Random, Time, UniqueId};
use rootward_state::entities::Named;
use rootward_state::{AccountState, Txn};
use rootward_store::vault::Vault;

use crate::Failure;

/// The circumstances of one call. Operations read no clock and no randomness but these.
pub struct OpContext<'r> {
    /// When the request arrived.
    pub now: Time,
    /// Who calls.
    pub principal: &'r Principal,
    /// The region of the credential scope.
    pub region: &'r str,
    /// Seals what must be recovered later.
    pub vault: &'r Vault,
    /// Issues session tokens.
    pub tokens: &'r Tokens,
    pub(crate) random: RefCell<&'r mut dyn Random>,
}

impl<'r> OpContext<'r> {
    /// The circumstances of one call.
    pub fn new(
        now: Time,
        principal: &'r Principal,
        region: &'r str,
        vault: &'r Vault,
        tokens: &'r Tokens,
        random: &'r mut dyn Random,
    ) -> Self {
        Self { now, principal, region, vault, tokens, random: RefCell::new(random) }
    }

    /// The caller's account.
    pub fn account(&self) -> AccountId {
        self.principal.account
    }

    /// The caller's account in the transaction's snapshot, unguarded: to list, to count, to follow references.
    ///
    /// # Errors
    /// An internal one when it is not there: the caller was authenticated as somebody of it.
    pub fn view(&self, txn: &Txn) -> Result<Arc<AccountState>, Failure> {
        txn.view(self.account())
            .ok_or_else(|| Failure::internal("the caller's account is not in the snapshot"))
    }

    /// The partition that ARNs are written in.
    pub fn partition(&self) -> Partition {
        self.principal.partition
    }

    /// The ARN of an entity of the caller's account.
    pub fn arn<T: Named>(&self, entity: &T) -> String {
        entity.arn(self.partition(), self.account())
    }

    /// A fresh unique id.
    pub fn unique_id(&self, kind: EntityKind) -> UniqueId {
        self.with_random(|random| UniqueId::random(kind, random))
    }

    /// A fresh access key id in the caller's account.
    pub fn access_key_id(&self, kind: AccessKeyKind, account: AccountId) -> AccessKeyId {
        self.with_random(|random| AccessKeyId::random(kind, account, random))
    }

    /// Lends the random source.
    pub fn with_random<R>(&self, draw: impl FnOnce(&mut dyn Random) -> R) -> R {
        draw(&mut **self.random.borrow_mut())
    }
}
