//! The rows of an account as a whole, and those of the caller's own.

use std::sync::Arc;

use rootward_names::AccountId;
use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Account, AccountSettings};
use rootward_state::{RowKey, Txn};

/// The caller's account, guarded.
///
/// # Errors
/// An internal one when it is not there: the caller was authenticated as somebody of it.
pub(crate) fn account(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Arc<Account>, Failure> {
    account_of(txn, ctx.account())
}

/// An account that is there, guarded.
///
/// # Errors
/// An internal one when it is not.
pub(crate) fn account_of(txn: &mut Txn, id: AccountId) -> Result<Arc<Account>, Failure> {
    txn.account(id).ok_or_else(|| Failure::internal("an account that was found has no row"))
}

/// What is settled for the caller's account, guarded.
pub(crate) fn settings(ctx: &OpContext<'_>, txn: &mut Txn) -> AccountSettings {
    settings_of(txn, ctx.account())
}

/// What is settled for an account, guarded.
pub(crate) fn settings_of(txn: &mut Txn, id: AccountId) -> AccountSettings {
    let row = txn.get::<AccountSettings>(RowKey::AccountSettings(id));
    row.map_or_else(AccountSettings::new, Arc::unwrap_or_clone)
}

/// Settles it anew for the caller's account.
pub(crate) fn put_settings(ctx: &OpContext<'_>, txn: &mut Txn, settings: AccountSettings) {
    put_settings_of(txn, ctx.account(), settings);
}

/// Settles it anew.
pub(crate) fn put_settings_of(txn: &mut Txn, id: AccountId, settings: AccountSettings) {
    txn.put(RowKey::AccountSettings(id), settings);
}
