//! What the operator can do for a root user who is locked out, or whose secrets have fallen into other hands.
//!
//! AWS does this over mail, telephone and its support. Here whoever can open the node's files vouches for it, and each of these is
//! on record. They end what the old secrets began: no session of the root user's sign-in outlives them.

use rootward_auth::password::{self, Password};
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_state::entities::{Account, CredentialOwner, Factor, MfaDevice, PasswordHash, SignedIn};
use rootward_state::{RowKey, Txn};

use crate::accounts::{AccountError, root_password};

/// A password of ours or of theirs, checked and hashed: once, not in each attempt of the transaction.
#[derive(Debug)]
pub struct NewPassword {
    /// To be shown, if we made it.
    pub made: Option<Password>,
    /// To be kept.
    pub hash: PasswordHash,
}

/// What became of a root user's second factors.
#[derive(Debug, Default)]
pub struct Unbound {
    /// Their serial numbers.
    pub devices: Vec<String>,
    /// The sessions that ended.
    pub sessions: Vec<Handle>,
}

/// Prepares a root user's new password: `given`, or one that nobody has thought of.
///
/// # Errors
/// [`AccountError::Password`], [`AccountError::Hash`].
pub fn new_password(
    account: &Account,
    given: Option<&Password>,
    random: &mut dyn Random,
) -> Result<NewPassword, AccountError> {
    let made = given.is_none().then(|| password::generate(None, random));
    let password = given.or(made.as_ref()).ok_or(AccountError::Hash)?;
    let hash = root_password(password, &account.name, &account.email, random)?;
    Ok(NewPassword { made, hash })
}

/// Gives the root user another password and ends its sessions: which ones.
///
/// # Errors
/// [`AccountError::NoSuchAccount`].
pub fn reset_password(
    txn: &mut Txn,
    account: AccountId,
    hash: &PasswordHash,
    now: Time,
) -> Result<Vec<Handle>, AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    let mut row = Account::clone(&row);
    row.root.password = Some(hash.clone());
    row.root.password_set = Some(now);
    txn.put(RowKey::Account(account), row);
    Ok(end_sessions(txn, account))
}

/// Takes all second factors from the root user and ends its sessions. Passkeys are gone, which nobody else can use; devices that
/// show codes are left to be bound again.
///
/// # Errors
/// [`AccountError::NoSuchAccount`].
pub fn reset_mfa(txn: &mut Txn, account: AccountId) -> Result<Unbound, AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    let partition = row.partition;
    // Unchanged, but written: a sign-in under way, which reads it, cannot commit what it began with these devices.
    txn.put::<Account>(RowKey::Account(account), row);
    let state = txn.view(account).ok_or(AccountError::NoSuchAccount(account))?;
    let mut unbound = Unbound::default();
    for device in state.mfa_devices_of(CredentialOwner::Root) {
        let key = RowKey::MfaDevice(account, device.id.clone());
        let Some(row) = txn.get::<MfaDevice>(key.clone()) else { continue };
        unbound.devices.push(row.serial_number(partition, account));
        match row.factor {
            Factor::Passkey(_) => txn.delete(key),
            Factor::Totp(_) => txn.put(key, MfaDevice { bound: None, ..MfaDevice::clone(&row) }),
        }
    }
    unbound.sessions = end_sessions(txn, account);
    Ok(unbound)
}

fn end_sessions(txn: &mut Txn, account: AccountId) -> Vec<Handle> {
    let Some(state) = txn.view(account) else { return Vec::new() };
    let of_root = state.sessions().iter().filter(|(_, session)| session.holder == SignedIn::Root);
    let ended: Vec<Handle> = of_root.map(|(id, _)| *id).collect();
    ended.iter().for_each(|id| txn.delete(RowKey::Session(account, *id)));
    ended
}
