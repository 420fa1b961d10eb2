//! The caller's own account, as operations on the account as a whole need it.

use std::sync::Arc;

use rootward_pipeline::{Failure, OpContext};
use rootward_state::entities::{Account, AccountSettings};
use rootward_state::{RowKey, Txn};

/// The account's row, guarded.
///
/// # Errors
/// An internal one when it is not there: the caller was authenticated as somebody of it.
pub(crate) fn account(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Arc<Account>, Failure> {
    txn.account(ctx.account()).ok_or_else(|| Failure::internal("the caller's account has no row"))
}

/// What is settled for the account, guarded.
pub(crate) fn settings(ctx: &OpContext<'_>, txn: &mut Txn) -> AccountSettings {
    let row = txn.get::<AccountSettings>(RowKey::AccountSettings(ctx.account()));
    row.map_or_else(AccountSettings::new, Arc::unwrap_or_clone)
}

/// Settles it anew.
pub(crate) fn put_settings(ctx: &OpContext<'_>, txn: &mut Txn, settings: AccountSettings) {
    txn.put(RowKey::AccountSettings(ctx.account()), settings);
}
