//! Security keys and passkeys: how somebody gets one. What AWS's console does without an operation of its own.
//!
//! ```text
//! StartPasskeyRegistration ─▶ Options ─ the browser asks the key ─▶ Credential ─┐
//!                         └─▶ State ───────────────────────────────────────────┴─▶ FinishPasskeyRegistration ─▶ SerialNumber
//! ```
//!
//! Both are `iam:EnableMFADevice` to policies, told apart by `iam:RegisterSecurityKey` as AWS's two steps are: `Create`, `Activate`.
//! For what a key is certified is not known here, so that the keys `iam:FIDO-…` are never present. Once registered, a passkey is an
//! MFA device like others: IAM's operations list and remove it.
//!
//! The state is good for the credentials that started (at the console: for the session), and five minutes. The root user must
//! have signed in, and registers for itself alone. See [`rootward_auth::passkey`] for what is checked of a key.
//!
//! Source: Service Authorization Reference, `EnableMFADevice`; IAM User Guide, "Supported configurations for using passkeys and
//! security keys".

use rootward_api::rootward as api;
use rootward_auth::Identity;
use rootward_auth::passkey::{Registration, Wanted};
use rootward_names::Random;
use rootward_pipeline::{
    Callers, Declaration, Effect, Failure, Handler, Key, OpContext, Rule, Scope, Target, always,
};
use rootward_state::entities::{Bound, CredentialOwner, Factor, MfaDevice, Named, User};
use rootward_state::{AccountState, RowKey, Txn};
use rootward_wire::Sensitive;

use super::failures;
use crate::iam::whom::{Whom, own_account};
use crate::iam::{MFA_DEVICES_PER_USER, targets};
use crate::session_end;

pub(super) static OPERATIONS: &[&dyn Handler] = &[&FINISH_PASSKEY_REGISTRATION, &START_PASSKEY_REGISTRATION];

/// The condition key that tells the two halves apart.
const STEP: &str = "iam:RegisterSecurityKey";

static START_PASSKEY_REGISTRATION: Declaration<api::StartPasskeyRegistration> = Declaration {
    effect: Effect::Read,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:EnableMFADevice",
        when: always,
        target: |scope, input| targets::user_or_caller(scope, input.user_name.as_deref()),
        keys: &[Key::Text(STEP, |_, _| Some("Create".into()))],
    }],
    run: start_passkey_registration,
};

fn start_passkey_registration(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::StartPasskeyRegistrationRequest,
) -> Result<api::StartPasskeyRegistrationResponse, Failure> {
    let whom = match (&input.user_name, &ctx.principal.identity) {
        (Some(name), _) => user(ctx, txn, name)?,
        (None, Identity::Root) => root(ctx, txn)?,
        (None, Identity::User(caller)) => user_by_id(ctx, txn, caller)?,
        (None, Identity::AssumedRoot(_) | Identity::FederatedUser(_) | Identity::RoleSession(_)) => {
            return Err(failures::user_name_needed());
        }
    };
    whom.check_equipping(ctx, txn)?;
    let state = ctx.view(txn)?;
    check_quota(&state, whom.owner())?;
    let by = ctx.principal.access_key_id();
    let wanted = Wanted { owner: whom.owner(), device: &input.device_name, by: &by };
    let started = ctx.relying_party.start_registration(&state, &wanted, ctx.now);
    let (options, registration) = started.ok_or_else(failures::no_passkeys_here)?;
    let state = ctx.with_random(|random| registration.seal(ctx.vault, random));
    Ok(api::StartPasskeyRegistrationResponse { options, state: Sensitive::new(state) })
}

static FINISH_PASSKEY_REGISTRATION: Declaration<api::FinishPasskeyRegistration> = Declaration {
    effect: Effect::Write,
    callers: Callers::SecondFactor,
    rules: &[Rule {
        action: "iam:EnableMFADevice",
        when: always,
        target: registered_for,
        keys: &[Key::Text(STEP, |_, _| Some("Activate".into()))],
    }],
    run: finish_passkey_registration,
};

fn finish_passkey_registration(
    ctx: &OpContext<'_>,
    txn: &mut Txn,
    input: &api::FinishPasskeyRegistrationRequest,
) -> Result<api::FinishPasskeyRegistrationResponse, Failure> {
    let registration = registration(ctx, input).ok_or_else(failures::registration_over)?;
    let state = ctx.view(txn)?;
    let whom = match registration.owner() {
        CredentialOwner::Root => root(ctx, txn)?,
        CredentialOwner::User(id) => {
            let user = state.by_id::<User>(id).ok_or_else(failures::registration_over)?;
            user_by_id(ctx, txn, user)?
        }
    };
    whom.check_equipping(ctx, txn)?;
    // The owner's row is guarded and rewritten, so that none is added in between.
    check_quota(&state, whom.owner())?;
    let passkey = registration.finish(ctx.relying_party, &state, &input.credential);
    let passkey = passkey.map_err(failures::not_registered)?;
    let suffix = ctx.with_random(suffix);
    let id = match &whom {
        Whom::Root(_) => format!("u2f/root/{}-{suffix}", registration.device()),
        Whom::User(user) => format!("u2f/user/{}/{}-{suffix}", user.name, registration.device()),
    };
    let device = MfaDevice {
        id: id.into(),
        created: ctx.now,
        tags: Vec::new(),
        bound: Some(Bound { owner: whom.owner(), at: ctx.now }),
        factor: Factor::Passkey(passkey),
    };
    let serial_number = device.serial_number(ctx.partition(), ctx.account());
    whom.hold(txn, ctx.account());
    txn.put(RowKey::MfaDevice(ctx.account(), device.id.clone()), device);
    session_end::factor_bound(ctx, txn, whom.owner());
    Ok(api::FinishPasskeyRegistrationResponse { serial_number })
}

/// Whom the state is for. One that is none is refused by the operation.
fn registered_for(scope: &Scope<'_>, input: &api::FinishPasskeyRegistrationRequest) -> Target {
    let Some(registration) = registration(scope.ctx, input) else { return Target::any() };
    let state = scope.world.account(scope.ctx.account());
    match registration.owner() {
        CredentialOwner::Root => targets::user_or_caller(scope, None),
        CredentialOwner::User(id) => match state.and_then(|state| state.by_id::<User>(id)) {
            Some(user) => targets::user(scope, &user.name),
            None => Target::any(),
        },
    }
}

fn registration(ctx: &OpContext<'_>, input: &api::FinishPasskeyRegistrationRequest) -> Option<Registration> {
    let by = ctx.principal.access_key_id();
    Registration::open(ctx.vault, input.state.expose(), ctx.account(), &by, ctx.now)
}

/// The root user, guarded: only for itself, having signed in.
fn root(ctx: &OpContext<'_>, txn: &mut Txn) -> Result<Whom, Failure> {
    if !ctx.principal.is_root() || ctx.principal.sign_in().is_none() {
        return Err(failures::root_not_signed_in());
    }
    own_account(ctx, txn).map(Whom::Root)
}

fn user(ctx: &OpContext<'_>, txn: &mut Txn, name: &str) -> Result<Whom, Failure> {
    txn.named::<User>(ctx.account(), name).map(Whom::User).ok_or_else(|| failures::no_such_user(name))
}

/// A user who may have been renamed since, guarded.
fn user_by_id(ctx: &OpContext<'_>, txn: &mut Txn, known: &User) -> Result<Whom, Failure> {
    let now = ctx.view(txn)?.by_id::<User>(known.id()).cloned();
    user(ctx, txn, now.as_ref().map_or(&*known.name, |user| &*user.name))
}

fn check_quota(state: &AccountState, owner: CredentialOwner) -> Result<(), Failure> {
    if state.mfa_devices_of(owner).count() < MFA_DEVICES_PER_USER {
        Ok(())
    } else {
        Err(failures::too_many_devices(MFA_DEVICES_PER_USER))
    }
}

/// 80 random bits, so that no two devices have the same id, ever.
fn suffix(random: &mut dyn Random) -> String {
    let mut bytes = [0; 16];
    random.fill(&mut bytes);
    let letters = bytes.iter().filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()));
    letters.map(|letter| char::from(*letter)).collect()
}

const LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

#[cfg(test)]
mod tests {
    use rootward_state::entities::RootGuard;
    use rootward_testkit::SecurityKey;

    use super::*;
    use crate::testing::{Bench, CONSOLE};

    fn start(
        bench: &Bench,
        user_name: Option<&str>,
    ) -> Result<api::StartPasskeyRegistrationResponse, Failure> {
        let device_name = "key".into();
        let input =
            api::StartPasskeyRegistrationRequest { user_name: user_name.map(Into::into), device_name };
        bench.run(&START_PASSKEY_REGISTRATION, input)
    }

    fn answer(
        started: api::StartPasskeyRegistrationResponse,
        key: &mut SecurityKey,
    ) -> api::FinishPasskeyRegistrationRequest {
        let credential = key.create(CONSOLE, &started.options);
        api::FinishPasskeyRegistrationRequest { state: started.state, credential }
    }

    fn finish(bench: &Bench, input: &api::FinishPasskeyRegistrationRequest) -> Result<String, Failure> {
        bench.run(&FINISH_PASSKEY_REGISTRATION, input.clone()).map(|output| output.serial_number)
    }

    fn register(bench: &Bench, user_name: Option<&str>) -> Result<String, Failure> {
        finish(bench, &answer(start(bench, user_name)?, &mut SecurityKey::synchronized()))
    }

    fn code(result: Result<impl std::fmt::Debug, Failure>) -> &'static str {
        result.unwrap_err().code
    }

    #[test]
    fn users_key_is_registered_under_its_name_and_bound() {
        let bench = Bench::new();
        let ann = CredentialOwner::User(bench.add_user("ann"));
        let serial = register(&bench, Some("ANN")).unwrap();
        let suffix = serial.strip_prefix("arn:aws:iam::111122223333:u2f/user/ann/key-").unwrap();
        assert!(
            suffix.len() == 16
                && suffix.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit())
        );
        bench.call_as_user("ann");
        let second = register(&bench, None).unwrap();
        assert_ne!(serial, second);
        let state = bench.state();
        let devices: Vec<_> = state.mfa_devices_of(ann).collect();
        assert_eq!(devices.len(), 2);
        assert!(devices.iter().all(|device| matches!(device.factor, Factor::Passkey(_))));
    }

    #[test]
    fn root_user_registers_for_itself_having_signed_in() {
        let bench = Bench::new();
        assert_eq!(code(start(&bench, None)), "AccessDenied");
        bench.call_at_console();
        let serial = register(&bench, None).unwrap();
        assert!(serial.starts_with("arn:aws:iam::111122223333:u2f/root/key-"), "{serial}");
        assert_eq!(bench.state().mfa_devices_of(CredentialOwner::Root).count(), 1);
        // Its key must verify.
        let started = start(&bench, None).unwrap();
        let careless = started
            .options
            .replace(r#""userVerification":"required""#, r#""userVerification":"discouraged""#);
        let started = api::StartPasskeyRegistrationResponse { options: careless, ..started };
        let refused = finish(&bench, &answer(started, &mut SecurityKey::touched())).unwrap_err();
        assert!(refused.code == "ValidationException" && refused.message.contains("PIN"), "{refused}");
    }

    #[test]
    fn nobody_else_registers_a_key_for_an_approver() {
        let bench = Bench::new();
        let ann = bench.add_user("ann");
        let early = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        let guard = RootGuard { approvals_required: 1, approvers: vec![ann], ..RootGuard::new() };
        bench.write(|txn| txn.put(RowKey::RootGuard(bench.account()), guard));
        assert_eq!(code(start(&bench, Some("ann"))), "AccessDenied");
        assert_eq!(code(finish(&bench, &early)), "AccessDenied");
        bench.call_as_user("ann");
        assert!(register(&bench, None).is_ok());
    }

    #[test]
    fn registration_goes_on_in_the_session_where_it_began_within_five_minutes_and_once() {
        let bench = Bench::new();
        bench.add_user("ann");
        bench.call_at_console();
        let input = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        assert!(finish(&bench, &input).is_ok());
        assert_eq!(code(finish(&bench, &input)), "ConflictException");
        let input = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        bench.pass_seconds(300);
        assert_eq!(code(finish(&bench, &input)), "ConflictException");
        bench.pass_seconds(-1);
        bench.call_at_console();
        assert_eq!(code(finish(&bench, &input)), "ConflictException");
        let broken = api::FinishPasskeyRegistrationRequest { state: Sensitive::new("AAAA"), ..input };
        assert_eq!(code(finish(&bench, &broken)), "ConflictException");
    }

    #[test]
    fn answers_that_are_none_are_refused() {
        let bench = Bench::new();
        bench.add_user("ann");
        for credential in ["{}", "[]", "null", "\"\""] {
            let state = start(&bench, Some("ann")).unwrap().state;
            let input = api::FinishPasskeyRegistrationRequest { state, credential: credential.into() };
            assert_eq!(code(finish(&bench, &input)), "ValidationException", "{credential}");
        }
    }

    #[test]
    fn ninth_device_is_refused_at_both_halves() {
        let bench = Bench::new();
        bench.add_user("ann");
        let early = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        for _ in 0..8 {
            register(&bench, Some("ann")).unwrap();
        }
        assert_eq!(code(start(&bench, Some("ann"))), "LimitExceededException");
        assert_eq!(code(finish(&bench, &early)), "LimitExceededException");
    }

    #[test]
    fn who_does_not_exist_gets_none_and_a_role_must_say_who() {
        let bench = Bench::new();
        assert_eq!(code(start(&bench, Some("ghost"))), "ResourceNotFoundException");
        bench.add_role("admin");
        bench.call_as_role("admin");
        assert_eq!(code(start(&bench, None)), "ValidationException");
        bench.add_user("ann");
        assert!(register(&bench, Some("ann")).is_ok());
    }

    #[test]
    fn registration_loses_against_deleting_its_user_at_the_same_time() {
        let bench = Bench::new();
        bench.add_user("ann");
        let input = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        let (_, registers) = bench.run_uncommitted(&FINISH_PASSKEY_REGISTRATION, &input).unwrap();
        let mut deletes = bench.begin();
        let ann = deletes.named::<User>(bench.account(), "ann").unwrap();
        deletes.delete_entity::<User>(bench.account(), &ann.name);
        assert!(bench.second_loses(deletes, registers));
        assert_eq!(code(finish(&bench, &input)), "ConflictException");
    }

    #[test]
    fn both_halves_are_authorized_on_whom_the_key_is_for() {
        let bench = Bench::new();
        bench.add_user("ann");
        let arn = |targets: Vec<(&'static str, Target)>| {
            let [(action, target)] = <[_; 1]>::try_from(targets).ok().unwrap();
            (action, target.arn)
        };
        let input =
            api::StartPasskeyRegistrationRequest { user_name: Some("ann".into()), device_name: "key".into() };
        let ann = ("iam:EnableMFADevice", "arn:aws:iam::111122223333:user/ann".to_owned());
        assert_eq!(arn(bench.targets(&START_PASSKEY_REGISTRATION, &input)), ann);
        let input = answer(start(&bench, Some("ann")).unwrap(), &mut SecurityKey::synchronized());
        assert_eq!(arn(bench.targets(&FINISH_PASSKEY_REGISTRATION, &input)), ann);
        let none = api::FinishPasskeyRegistrationRequest { state: Sensitive::new("AAAA"), ..input };
        assert_eq!(arn(bench.targets(&FINISH_PASSKEY_REGISTRATION, &none)).1, "*");
        bench.call_at_console();
        let input = answer(start(&bench, None).unwrap(), &mut SecurityKey::synchronized());
        let root = ("iam:EnableMFADevice", "arn:aws:iam::111122223333:root".to_owned());
        assert_eq!(arn(bench.targets(&FINISH_PASSKEY_REGISTRATION, &input)), root);
    }
}
