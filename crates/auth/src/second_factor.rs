//! Second factors that show codes: how their seeds are kept, which device a code is of, and that it is used once.
//!
//! ```text
//! enable, resync:  two codes ─▶ synchronize ─▶ the device as it then stands, for the caller to write
//! sign-in, STS:     one code ─▶ take ─▶ the device, its new position written in the transaction that the code lets in
//!     condition:    one code ─▶ check: the same on a snapshot, and nothing is used up
//! ```
//!
//! A code that two requests show at once is taken once: both read the device's row guarded and write it, so that one of the
//! commits loses, and its request, run again, finds the code used. Whatever is wrong is one refusal: no such device,
//! somebody else's, one that shows no codes, a wrong code or one used before.
//!
//! Three codes in a million are right at any time. Whoever has somebody's keys or password is kept from trying them all by [`Guesses`].

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use quick_cache::sync::Cache;
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_state::entities::{CredentialOwner, Factor, MfaDevice, Position, Totp};
use rootward_state::{RowKey, Txn, World};
use rootward_store::vault::Vault;

use crate::totp::Seed;

/// A code that somebody shows.
#[derive(Clone, Copy)]
pub struct Shown<'a> {
    /// The account of the owner.
    pub account: AccountId,
    /// Whose code it must be.
    pub owner: CredentialOwner,
    /// The id of the device that it must be of ([`MfaDevice::id_of`]); `None`: any of the owner's.
    pub device: Option<&'a str>,
    /// As typed.
    pub code: &'a str,
}

/// No device that it could be of takes the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no second factor of this owner takes this code")]
pub struct Refused;

/// How often secrets may be wrong: 20 codes of one owner at once, and then one every two minutes. Old passwords that are shown to set
/// new ones count alike, apart from codes and from signing in, and in each session of a sign-in for itself: nobody who has other
/// credentials of the owner keeps them from changing an expired password at the door.
///
/// Ten months of guessing find a right one with even odds then. While there is no room, the owner's own requests with a code
/// are refused too; nobody can bring that about who has neither the owner's keys nor the password.
///
/// Browsers in which the owner has completed a sign-in before have as much room again, all of them together: whoever knows the password and no
/// more keeps the owner out of other browsers only. Together, because who signed in as the owner before there was a second factor may have
/// many of them; such a one halves the ten months. Security keys cannot be guessed: a right answer is never refused, and only
/// wrong ones are counted, to bound what is recorded of them.
///
/// Sources have no room of their own, as they have at the password: each would be more tries at one code in a million by somebody who knows
/// the password already, and a few thousand addresses would find it within days. Room kept back for new sources, out of the same total, goes to
/// whoever has most of them.
///
/// Kept in memory, on each node; of many owners the least tried are forgotten first.
#[derive(Debug)]
pub struct Guesses(Cache<(AccountId, CredentialOwner, Guessed), Arc<Mutex<i64>>>);

/// What is guessed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Guessed {
    /// A code of a second factor.
    Code,
    /// The same, in a browser in which the owner has signed in before.
    CodeInKnownBrowser,
    /// The answer of a security key.
    Passkey,
    /// The password, in this session of a sign-in or with other credentials.
    Password(Option<Handle>),
}

/// Too many codes or passwords of this owner were wrong lately.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many wrong codes or passwords")]
pub struct TooMany;

impl Default for Guesses {
    fn default() -> Self {
        Self(Cache::new(OWNERS_MAX))
    }
}

impl Guesses {
    /// Runs `guess`, which tries a code of this owner, if there is room for one more wrong one. `now` is by the machine's
    /// clock; one that was set back refuses nobody for longer than a full room takes to empty.
    ///
    /// # Errors
    /// [`TooMany`]; `guess` has not run then.
    pub fn guess<R>(
        &self,
        account: AccountId,
        owner: CredentialOwner,
        now: Time,
        guess: impl FnOnce() -> Result<R, Refused>,
    ) -> Result<Result<R, Refused>, TooMany> {
        self.count((account, owner, Guessed::Code), now, guess)
    }

    /// Runs `guess` likewise, which tries a code in a browser in which this owner has completed a sign-in before.
    ///
    /// # Errors
    /// [`TooMany`]; `guess` has not run then.
    pub fn guess_in_known_browser<R>(
        &self,
        account: AccountId,
        owner: CredentialOwner,
        now: Time,
        guess: impl FnOnce() -> Result<R, Refused>,
    ) -> Result<Result<R, Refused>, TooMany> {
        self.count((account, owner, Guessed::CodeInKnownBrowser), now, guess)
    }

    /// Counts a wrong answer of a security key.
    ///
    /// # Errors
    /// [`TooMany`].
    pub fn wrong_passkey(
        &self,
        account: AccountId,
        owner: CredentialOwner,
        now: Time,
    ) -> Result<(), TooMany> {
        self.count((account, owner, Guessed::Passkey), now, || Err::<(), _>(Refused)).map(drop)
    }

    /// Runs `guess`, which tries the password of this owner in a session of a sign-in or with other credentials, likewise.
    ///
    /// # Errors
    /// [`TooMany`]; `guess` has not run then.
    pub fn guess_password<R, E>(
        &self,
        account: AccountId,
        owner: CredentialOwner,
        session: Option<Handle>,
        now: Time,
        guess: impl FnOnce() -> Result<R, E>,
    ) -> Result<Result<R, E>, TooMany> {
        self.count((account, owner, Guessed::Password(session)), now, guess)
    }

    fn count<R, E>(
        &self,
        of: (AccountId, CredentialOwner, Guessed),
        now: Time,
        guess: impl FnOnce() -> Result<R, E>,
    ) -> Result<Result<R, E>, TooMany> {
        let made = self.0.get_or_insert_with(&of, || Ok::<_, Infallible>(Arc::default()));
        let Ok(empty_at) = made;
        // Taken before it is known whether the code is right: guesses at the same time find no more room than one after another.
        let full = now.seconds().saturating_add(GUESSES_ROOM * GUESS_SECONDS);
        {
            let mut empty_at = empty_at.lock().unwrap_or_else(PoisonError::into_inner);
            *empty_at = (*empty_at).clamp(now.seconds(), full);
            if *empty_at + GUESS_SECONDS > full {
                return Err(TooMany);
            }
            *empty_at += GUESS_SECONDS;
        }
        let result = guess();
        if result.is_ok() {
            *empty_at.lock().unwrap_or_else(PoisonError::into_inner) -= GUESS_SECONDS;
        }
        Ok(result)
    }
}

/// Whether [`take`] would take the code, in this snapshot. `now` is by the machine's clock.
///
/// # Errors
/// [`Refused`].
pub fn check(world: &World, shown: &Shown<'_>, vault: &Vault, now: Time) -> Result<(), Refused> {
    let state = world.account(shown.account).ok_or(Refused)?;
    let mut devices = state.mfa_devices_of(shown.owner).filter(|device| shown.may_be_of(device));
    devices.find_map(|device| used(shown, device, vault, now)).map(drop).ok_or(Refused)
}

/// Uses up a code and returns the device that it is of, as it stands then. `now` is by the machine's clock. The code counts
/// once the transaction has committed.
///
/// # Errors
/// [`Refused`]; nothing is written then.
pub fn take(txn: &mut Txn, shown: &Shown<'_>, vault: &Vault, now: Time) -> Result<Arc<MfaDevice>, Refused> {
    let state = txn.view(shown.account).ok_or(Refused)?;
    for seen in state.mfa_devices_of(shown.owner).filter(|device| shown.may_be_of(device)) {
        let key = RowKey::MfaDevice(shown.account, seen.id.clone());
        // Guarded, and as this transaction has left it: the list is neither.
        let device = txn.get::<MfaDevice>(key.clone()).filter(|device| device.owner() == Some(shown.owner));
        if let Some(device) = device.and_then(|device| used(shown, &device, vault, now)) {
            let device = Arc::new(device);
            txn.put::<MfaDevice>(key, Arc::clone(&device));
            return Ok(device);
        }
    }
    Err(Refused)
}

/// The device of this account with its clock found by two codes in a row: to enable it or to resync it. The first one is
/// not taken again. `now` is by the machine's clock.
///
/// `None`: they are no such codes, or the device shows none.
pub fn synchronize(
    account: AccountId,
    device: &MfaDevice,
    [first, second]: [&str; 2],
    vault: &Vault,
    now: Time,
) -> Option<MfaDevice> {
    let Factor::Totp(totp) = &device.factor else { return None };
    let last_step = totp.position.map(|position| position.last_step);
    let seed = open_seed(vault, account, &device.id, totp)?;
    let position = seed.synchronize(first, second, last_step, now)?;
    Some(moved(device, totp, position))
}

/// Seals the seed of the device with this id. Bound to account and id: a sealed seed moved to another row does not open.
pub fn seal_seed(
    vault: &Vault,
    account: AccountId,
    id: &str,
    seed: &Seed,
    random: &mut dyn Random,
) -> Box<[u8]> {
    vault.seal(&context(account, id), seed.expose(), random).into_boxed_slice()
}

fn open_seed(vault: &Vault, account: AccountId, id: &str, totp: &Totp) -> Option<Seed> {
    let plain = vault.open(&context(account, id), &totp.seed).ok()?;
    Seed::from_bytes(&plain).ok()
}

/// What is sealed: the row's own key, which no other row has.
fn context(account: AccountId, id: &str) -> Vec<u8> {
    RowKey::MfaDevice(account, id.into()).encode()
}

impl Shown<'_> {
    fn may_be_of(&self, device: &MfaDevice) -> bool {
        self.device.is_none_or(|id| *device.id == *id)
    }
}

/// The device once it has shown the code; none when it does not take it.
fn used(shown: &Shown<'_>, device: &MfaDevice, vault: &Vault, now: Time) -> Option<MfaDevice> {
    let Factor::Totp(totp) = &device.factor else { return None };
    let seed = open_seed(vault, shown.account, &device.id, totp)?;
    let position = seed.verify(shown.code, totp.position?, now)?;
    Some(moved(device, totp, position))
}

fn moved(device: &MfaDevice, totp: &Totp, position: Position) -> MfaDevice {
    let totp = Totp { position: Some(position), ..totp.clone() };
    MfaDevice { factor: Factor::Totp(totp), ..device.clone() }
}

/// Wrong codes of one owner at once.
const GUESSES_ROOM: i64 = 20;
/// How long it takes for there to be room for one more.
pub const GUESS_SECONDS: i64 = 120;
/// Some 20 MB.
const OWNERS_MAX: usize = 100_000;
