//! `SerialNumber` and `TokenCode`: a second factor shown with a request, by a user or the root user with long-term
//! credentials.
//!
//! Both or neither. Whoever comes with temporary credentials has shown their factor when they got them; a code is refused
//! then, as is one of somebody else's device, of a security key, a wrong one and one used before: always in the same words.
//!
//! Source: IAM User Guide, "Secure API access with MFA".

use rootward_auth::Identity;
use rootward_auth::second_factor::{Refused, Shown, check, take};
use rootward_names::Time;
use rootward_pipeline::{Failure, OpContext, Scope};
use rootward_state::Txn;
use rootward_state::entities::{CredentialOwner, MfaDevice};
use rootward_wire::Sensitive;

use super::failures;

/// Since when the second factor of a request counts, for the policies it is authorized by; uses nothing up.
///
/// # Errors
/// `AccessDenied`; `Throttling` when too many codes were wrong.
pub(super) fn checked(
    scope: &Scope<'_>,
    serial_number: Option<&str>,
    code: Option<&Sensitive>,
) -> Result<Option<Time>, Failure> {
    let ctx = scope.ctx;
    with_shown(ctx, serial_number, code, |shown| check(scope.world, shown, ctx.vault, ctx.machine_now))
}

/// The same, and the code is used up.
///
/// # Errors
/// `AccessDenied`; `Throttling` when too many codes were wrong.
pub(super) fn taken(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    serial_number: Option<&str>,
    code: Option<&Sensitive>,
) -> Result<Option<Time>, Failure> {
    with_shown(ctx, serial_number, code, |shown| take(txn, shown, ctx.vault, ctx.machine_now).map(drop))
}

fn with_shown(
    ctx: &OpContext<'_>,
    serial_number: Option<&str>,
    code: Option<&Sensitive>,
    verify: impl FnOnce(&Shown<'_>) -> Result<(), Refused>,
) -> Result<Option<Time>, Failure> {
    let (serial_number, code) = match (serial_number, code) {
        (None, None) => return Ok(None),
        (Some(serial_number), Some(code)) => (serial_number, code),
        (None, Some(_)) | (Some(_), None) => return Err(failures::mfa_refused()),
    };
    let device = MfaDevice::id_of(serial_number, ctx.partition(), ctx.account());
    let (Some(owner), Some(device)) = (owner(ctx), device) else { return Err(failures::mfa_refused()) };
    let shown = Shown { account: ctx.account(), owner, device: Some(device), code: code.expose() };
    ctx.guessing(owner, || verify(&shown))?.map_err(|Refused| failures::mfa_refused())?;
    Ok(Some(ctx.now))
}

fn owner(ctx: &OpContext<'_>) -> Option<CredentialOwner> {
    match &ctx.principal.identity {
        _ if ctx.principal.issued().is_some() => None,
        Identity::Root => Some(CredentialOwner::Root),
        Identity::User(user) => Some(CredentialOwner::User(user.id)),
        Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use rootward_auth::totp::Seed;

    use super::*;
    use crate::testing::Bench;

    /// An account with the user `ann`, who calls and has a device.
    fn bench() -> (Bench, Seed) {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        bench.call_as_user("ann");
        let seed = bench.add_mfa_device("phone", CredentialOwner::User(ann));
        (bench, seed)
    }

    fn serial(name: &str) -> String {
        format!("arn:aws:iam::111122223333:{name}")
    }

    fn looked_at(
        bench: &Bench,
        serial_number: Option<&str>,
        code: Option<&Sensitive>,
    ) -> Result<Option<Time>, Failure> {
        bench.in_scope(|scope| checked(scope, serial_number, code))
    }

    #[test]
    fn request_without_a_factor_shows_none_and_half_of_one_is_refused() {
        let (bench, seed) = bench();
        let (serial, code) = (serial("mfa/phone"), bench.code(&seed, 0));
        assert_eq!(looked_at(&bench, None, None), Ok(None));
        assert_eq!(looked_at(&bench, Some(&serial), None), Err(failures::mfa_refused()));
        assert_eq!(looked_at(&bench, None, Some(&code)), Err(failures::mfa_refused()));
        assert_eq!(looked_at(&bench, Some(&serial), Some(&code)), Ok(Some(bench.now())));
    }

    #[test]
    fn whatever_is_wrong_is_refused_in_the_same_words() {
        let (bench, seed) = bench();
        let (of_root, code) = (bench.add_mfa_device("root", CredentialOwner::Root), bench.code(&seed, 0));
        let (late, foreign) = (bench.code(&seed, 5), bench.code(&of_root, 0));
        for (name, code) in [
            ("mfa/phone", &late),
            ("mfa/phone", &foreign),
            ("mfa/root", &foreign),
            ("mfa/missing", &code),
            ("user/ann", &code),
        ] {
            let refused = looked_at(&bench, Some(&serial(name)), Some(code));
            assert_eq!(refused, Err(failures::mfa_refused()), "{name}");
        }
        for serial in ["arn:aws:iam::999988887777:mfa/phone", "mfa/phone", "GAHT12345678"] {
            assert_eq!(
                looked_at(&bench, Some(serial), Some(&code)),
                Err(failures::mfa_refused()),
                "{serial}"
            );
        }
    }

    #[test]
    fn who_shows_too_many_wrong_codes_waits_before_a_right_one_is_looked_at() {
        let (bench, seed) = bench();
        let serial = serial("mfa/phone");
        let shown =
            |steps| looked_at(&bench, Some(&serial), Some(&bench.code(&seed, steps))).map_err(|it| it.code);
        for _ in 0..20 {
            assert_eq!(shown(9), Err("AccessDenied"));
        }
        assert_eq!(shown(0), Err("Throttling"));
        bench.pass_seconds(120);
        assert_eq!(shown(0), Ok(Some(bench.now())));
    }

    #[test]
    fn who_calls_with_temporary_credentials_shows_no_factor() {
        let (bench, seed) = bench();
        let (serial, code) = (serial("mfa/phone"), bench.code(&seed, 0));
        bench.call_with_temporary(None);
        assert_eq!(looked_at(&bench, Some(&serial), Some(&code)), Err(failures::mfa_refused()));
        bench.add_role("app");
        bench.call_as_role("app");
        assert_eq!(looked_at(&bench, Some(&serial), Some(&code)), Err(failures::mfa_refused()));
    }
}
