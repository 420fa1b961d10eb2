//! What the operator can do for a root user who is locked out, or whose secrets have fallen into other hands.
//!
//! AWS does this over mail, telephone and its support. Here whoever can open the node's files vouches for it, and each of these is
//! on record. They end what the old secrets began: no session of the root user's sign-in outlives them.

use rootward_auth::password::{self, Password};
use rootward_names::{AccountId, Handle, Random};
use rootward_state::entities::{Account, CredentialOwner, Factor, MfaDevice, PasswordHash, SignedIn};
use rootward_state::{RowKey, Txn};

use crate::accounts::{AccountError, root_password};
use crate::session_end::{End, end_all};

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
    end: &End,
    random: &mut dyn Random,
) -> Result<Vec<Handle>, AccountError> {
    let row = txn.account(account).ok_or(AccountError::NoSuchAccount(account))?;
    let mut row = Account::clone(&row);
    row.root.password = Some(hash.clone());
    row.root.password_set = Some(end.now);
    row.root.recoverable = None;
    txn.put(RowKey::Account(account), row);
    Ok(end_sessions(txn, account, end, random))
}

/// Takes all second factors from the root user and ends its sessions. Passkeys are gone, which nobody else can use; devices that
/// show codes are left to be bound again.
///
/// # Errors
/// [`AccountError::NoSuchAccount`].
pub fn reset_mfa(
    txn: &mut Txn,
    account: AccountId,
    end: &End,
    random: &mut dyn Random,
) -> Result<Unbound, AccountError> {
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
    unbound.sessions = end_sessions(txn, account, end, random);
    Ok(unbound)
}

fn end_sessions(txn: &mut Txn, account: AccountId, end: &End, random: &mut dyn Random) -> Vec<Handle> {
    end_all(txn, account, end, random, |_, row| row.holder == SignedIn::Root)
}

#[cfg(test)]
mod tests {
    use rootward_names::Time;
    use rootward_names::{AccessKeyKind, UniqueId};
    use rootward_state::entities::{Bound, Passkey, Rotated, SessionKind, SignInSession, Totp};
    use rootward_testkit::Seeded;

    use super::*;
    use crate::session_end::Why;
    use crate::testing::Bench;

    fn removed(now: Time) -> End {
        End { why: Why::FactorRemoved, source_ip: None, now }
    }

    fn add_device(bench: &Bench, id: &str, owner: CredentialOwner, factor: Factor) {
        let device = MfaDevice {
            id: id.into(),
            created: bench.now(),
            tags: Vec::new(),
            bound: Some(Bound { owner, at: bench.now() }),
            factor,
        };
        bench.write(|txn| txn.put(RowKey::MfaDevice(bench.account(), id.into()), device));
    }

    fn app() -> Factor {
        Factor::Totp(Totp { hardware: false, seed: [0; 8].into(), position: None })
    }

    fn add_session(bench: &Bench, seed: u64, holder: SignedIn) -> Handle {
        let random = &mut Seeded::new(seed);
        let id = Handle::random(random);
        let row = SignInSession {
            holder,
            kind: SessionKind::Console,
            key: rootward_names::AccessKeyId::random(AccessKeyKind::Temporary, bench.account(), random),
            digest: [0; 32],
            rotated: Rotated { at: bench.now(), previous: None },
            created: bench.now(),
            used: bench.now(),
            expires: bench.now().plus_seconds(60),
            mfa: None,
            source_ip: "192.0.2.7".into(),
            user_agent: "test".into(),
            restricted: false,
            reason: None,
            role: None,
            parent: None,
        };
        bench.write(|txn| txn.put(RowKey::Session(bench.account(), id), row));
        id
    }

    /// A session of the root user and one of ann, who is there.
    fn with_sessions(bench: &Bench) -> (Handle, UniqueId) {
        let ann = bench.add_user("ann");
        add_session(bench, 7, SignedIn::User(ann));
        (add_session(bench, 8, SignedIn::Root), ann)
    }

    #[test]
    fn new_password_is_ours_or_theirs_and_ends_the_root_users_sessions_alone() {
        let bench = Bench::new();
        let (session, _) = with_sessions(&bench);
        let account = bench.state().account().clone();
        let prepare = |given: Option<&Password>| {
            bench.write_with(|txn, _, random, _| {
                txn.put::<Account>(RowKey::Account(account.id), account.clone());
                new_password(&account, given, random)
            })
        };
        let weak = prepare(Some(&Password::new("password")));
        assert!(matches!(weak, Err(AccountError::Password(_))));
        assert!(prepare(Some(&Password::new("zebra-Violet+40-crumbs"))).unwrap().made.is_none());
        let prepared = prepare(None).unwrap();
        assert!(prepared.made.is_some());
        bench.pass_seconds(30);
        let ended = bench.write_with(|txn, now, random, _| {
            let end = End { why: Why::PasswordChanged, source_ip: None, now };
            reset_password(txn, account.id, &prepared.hash, &end, random)
        });
        assert_eq!(ended, Ok(vec![session]));
        let state = bench.state();
        let root = &state.account().root;
        assert_eq!(root.password.as_ref().unwrap().expose(), prepared.hash.expose());
        assert_eq!((root.password_set, bench.live_sessions().len()), (Some(bench.now()), 1));
    }

    #[test]
    fn reset_takes_every_device_from_the_root_user_and_none_from_others() {
        let bench = Bench::new();
        let (session, ann) = with_sessions(&bench);
        let key = Factor::Passkey(Passkey { credential_id: [1].into(), credential: "{}".into(), uses: 0 });
        add_device(&bench, "u2f/root/key-A", CredentialOwner::Root, key);
        add_device(&bench, "mfa/phone", CredentialOwner::Root, app());
        add_device(&bench, "mfa/anns", CredentialOwner::User(ann), app());
        let unbound = bench
            .write_with(|txn, now, random, _| reset_mfa(txn, bench.account(), &removed(now), random))
            .unwrap();
        let arn = |id| format!("arn:aws:iam::111122223333:{id}");
        assert_eq!(unbound.devices, [arn("mfa/phone"), arn("u2f/root/key-A")]);
        assert_eq!(unbound.sessions, [session]);
        let state = bench.state();
        assert!(state.mfa_devices_of(CredentialOwner::Root).next().is_none());
        assert!(state.mfa_device("u2f/root/key-A").is_none());
        assert!(state.mfa_device("mfa/phone").unwrap().bound.is_none());
        assert_eq!(state.mfa_devices_of(CredentialOwner::User(ann)).count(), 1);
    }

    #[test]
    fn account_that_is_not_there_is_named() {
        let bench = Bench::new();
        let other = "999988887777".parse().unwrap();
        let refused =
            bench.write_with(|txn, now, random, _| reset_mfa(txn, other, &removed(now), random)).unwrap_err();
        assert_eq!(refused, AccountError::NoSuchAccount(other));
    }
}
