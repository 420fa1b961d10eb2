//! Hardware tokens: MFA devices of plastic, whose seeds come from their maker on paper or in a file.
//!
//! AWS sells such tokens with their seeds known to it. Here the operator imports the seed, and the token then lies unbound
//! under its serial number until `EnableMFADevice` binds it with two of its codes.

use rootward_api::iam::schema::SERIAL_NUMBER_TYPE;
use rootward_auth::second_factor::seal_seed;
use rootward_auth::totp::Seed;
use rootward_names::{AccountId, Random, Time};
use rootward_state::entities::{Factor, MfaDevice, Totp};
use rootward_state::{RowKey, Txn};
use rootward_store::vault::Vault;

use crate::shapes;

/// Why a hardware token is not imported.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ImportError {
    /// There is no account with this id.
    #[error("there is no account {0}")]
    NoSuchAccount(AccountId),
    /// It is no serial number, or it reads like that of another kind of device.
    #[error(
        "`{0}` is no serial number of a hardware token: expected 9-256 letters, digits or any of `_+=/:,.@-`, and no `arn:`, \
         `mfa/` or `u2f/` first"
    )]
    SerialNumber(String),
    /// The account has this token already.
    #[error("account {account} has a hardware token `{serial_number}` already")]
    Taken {
        /// The account.
        account: AccountId,
        /// As given.
        serial_number: String,
    },
}

/// Imports a token into `account`, bound to nobody yet.
///
/// # Errors
/// [`ImportError`].
pub fn import_hardware_token(
    txn: &mut Txn,
    account: AccountId,
    serial_number: &str,
    seed: &Seed,
    now: Time,
    random: &mut dyn Random,
    vault: &Vault,
) -> Result<(), ImportError> {
    let row = txn.account(account).ok_or(ImportError::NoSuchAccount(account))?;
    let id = MfaDevice::id_of(serial_number, row.partition, account)
        .filter(|id| !MfaDevice::has_arn(id) && shapes::fits(&SERIAL_NUMBER_TYPE, id))
        .ok_or_else(|| ImportError::SerialNumber(serial_number.into()))?;
    let key = RowKey::MfaDevice(account, id.into());
    if txn.get::<MfaDevice>(key.clone()).is_some() {
        return Err(ImportError::Taken { account, serial_number: serial_number.into() });
    }
    let device = MfaDevice {
        id: id.into(),
        created: now,
        tags: Vec::new(),
        bound: None,
        factor: Factor::Totp(Totp {
            hardware: true,
            seed: seal_seed(vault, account, id, seed, random),
            position: None,
        }),
    };
    txn.put(key, device);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Bench;

    fn import(bench: &Bench, account: AccountId, serial: &str) -> Result<(), ImportError> {
        let seed = Seed::import(&"31".repeat(20)).unwrap();
        bench.write_with(|txn, now, random, vault| {
            import_hardware_token(txn, account, serial, &seed, now, random, vault)
        })
    }

    #[test]
    fn imported_token_is_bound_to_nobody_and_its_seed_is_sealed() {
        let bench = Bench::new();
        import(&bench, bench.account(), "GAHT12345678").unwrap();
        let state = bench.state();
        let device = state.mfa_device("GAHT12345678").unwrap();
        assert!(device.bound.is_none() && device.tags.is_empty());
        let Factor::Totp(totp) = &device.factor else { panic!("shows codes") };
        assert!(totp.hardware && totp.position.is_none());
        assert!(!totp.seed.windows(20).any(|bytes| bytes == [0x31; 20]), "the seed can be read");
    }

    #[test]
    fn token_is_imported_once_an_account_and_only_into_one_that_exists() {
        let bench = Bench::new();
        let (account, serial_number) = (bench.account(), String::from("GAHT12345678"));
        import(&bench, account, &serial_number).unwrap();
        let again = import(&bench, account, &serial_number).unwrap_err();
        assert_eq!(again, ImportError::Taken { account, serial_number });
        let other = "999988887777".parse().unwrap();
        assert_eq!(import(&bench, other, "GAHT12345678"), Err(ImportError::NoSuchAccount(other)));
    }

    #[test]
    fn serial_number_that_reads_like_another_device_is_refused() {
        let bench = Bench::new();
        let long = "9".repeat(257);
        for serial in [
            "12345678",
            "with blank 1",
            "mfa/12345678",
            "u2f/root/12345678",
            "arn:aws:iam::111122223333:mfa/12345678",
            "arn:aws:iam::999988887777:mfa/12345678",
            &long,
        ] {
            let refused = import(&bench, bench.account(), serial).unwrap_err();
            assert_eq!(refused, ImportError::SerialNumber(serial.into()));
        }
        import(&bench, bench.account(), &"9".repeat(256)).unwrap();
    }
}
