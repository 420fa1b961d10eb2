//! Codes of second factors: whose they are, and that each is used once.

use rootward_auth::authn::Authority;
use rootward_auth::second_factor::{Guesses, Refused, Shown, TooMany, check, seal_seed, synchronize, take};
use rootward_auth::totp::Seed;
use rootward_names::{Partition, Time};
use rootward_state::RowKey;
use rootward_state::entities::{Bound, CredentialOwner, Factor, MfaDevice, Passkey, Position, Totp};
use totp_rs::{Algorithm, Builder, Secret};

use crate::bench::{Bench, NOW, account};

/// The code of a seed in the step so many steps from now.
fn code(seed: &Seed, steps: i64) -> String {
    let builder = Builder::new().with_algorithm(Algorithm::SHA1).with_digits(6);
    let totp = builder.with_secret(Secret::from(seed.expose())).with_step_duration(30).build_noncompliant();
    totp.generate((NOW.seconds() + 30 * steps) as u64).to_string()
}

fn now(steps: i64) -> Time {
    NOW.plus_seconds(30 * steps)
}

/// A device of `owner`, its clock as ours, with no code used of this step or later.
fn device(bench: &mut Bench, id: &str, owner: CredentialOwner) -> Seed {
    let seed = Seed::random(bench.random());
    let sealed = {
        let vault = bench.vault().clone();
        seal_seed(&vault, account(), id, &seed, bench.random())
    };
    let position = Some(Position { offset: 0, last_step: NOW.seconds() / 30 - 1 });
    put(bench, id, owner, Factor::Totp(Totp { hardware: false, seed: sealed, position }));
    seed
}

fn put(bench: &Bench, id: &str, owner: CredentialOwner, factor: Factor) {
    let bound = Some(Bound { owner, at: NOW });
    let row = MfaDevice { id: id.into(), created: NOW, tags: Vec::new(), bound, factor };
    bench.write(|txn| txn.put(RowKey::MfaDevice(account(), id.into()), row));
}

fn row(bench: &Bench, id: &str) -> MfaDevice {
    MfaDevice::clone(bench.world().account(account()).unwrap().mfa_device(id).unwrap())
}

fn any(owner: CredentialOwner, code: &str) -> Shown<'_> {
    Shown { account: account(), owner, device: None, code }
}

/// Uses a code up; the id of the device it is of.
fn sign_in(bench: &Bench, shown: &Shown<'_>, now: Time) -> Result<Box<str>, Refused> {
    let mut txn = bench.begin();
    let device = take(&mut txn, shown, bench.vault(), now)?;
    assert!(bench.commits(txn));
    Ok(device.id.clone())
}

/// Ann, with two devices.
fn ann() -> (Bench, CredentialOwner, Seed, Seed) {
    let mut bench = Bench::new(Authority::Issued);
    let ann = CredentialOwner::User(bench.user("ann", |_| {}).id);
    let phone = device(&mut bench, "mfa/phone", ann);
    let tablet = device(&mut bench, "mfa/tablet", ann);
    (bench, ann, phone, tablet)
}

#[test]
fn code_of_any_device_of_the_owner_is_taken_once_and_the_others_stay_as_they_were() {
    let (bench, ann, phone, tablet) = ann();
    assert_eq!(sign_in(&bench, &any(ann, &code(&tablet, 0)), NOW).as_deref(), Ok("mfa/tablet"));
    assert_eq!(sign_in(&bench, &any(ann, &code(&tablet, 0)), NOW), Err(Refused));
    assert_eq!(sign_in(&bench, &any(ann, &code(&phone, 0)), NOW).as_deref(), Ok("mfa/phone"));
    assert_eq!(sign_in(&bench, &any(ann, &code(&tablet, 1)), now(1)).as_deref(), Ok("mfa/tablet"));
}

#[test]
fn code_of_another_device_than_the_one_named_is_refused() {
    let (bench, ann, phone, tablet) = ann();
    let (of_phone, of_tablet) = (code(&phone, 0), code(&tablet, 0));
    let named = |code| Shown { device: Some("mfa/phone"), ..any(ann, code) };
    assert_eq!(sign_in(&bench, &named(&of_tablet), NOW), Err(Refused));
    assert_eq!(sign_in(&bench, &named(&of_phone), NOW).as_deref(), Ok("mfa/phone"));
    let missing = Shown { device: Some("mfa/Phone"), ..any(ann, &of_tablet) };
    assert_eq!(sign_in(&bench, &missing, NOW), Err(Refused));
}

#[test]
fn code_of_somebody_else_is_refused_and_so_is_one_in_another_account() {
    let (mut bench, ann, phone, _) = ann();
    let bob = CredentialOwner::User(bench.user("bob", |_| {}).id);
    device(&mut bench, "mfa/bob", bob);
    let code = code(&phone, 0);
    for owner in [bob, CredentialOwner::Root] {
        assert_eq!(sign_in(&bench, &any(owner, &code), NOW), Err(Refused));
        let named = Shown { device: Some("mfa/phone"), ..any(owner, &code) };
        assert_eq!(sign_in(&bench, &named, NOW), Err(Refused));
    }
    let elsewhere = Shown { account: "444455556666".parse().unwrap(), ..any(ann, &code) };
    assert_eq!(sign_in(&bench, &elsewhere, NOW), Err(Refused));
}

#[test]
fn checking_a_code_uses_nothing_up() {
    let (bench, ann, phone, _) = ann();
    let shown = code(&phone, 0);
    let checked = |bench: &Bench| check(&bench.world(), &any(ann, &shown), bench.vault(), NOW);
    assert_eq!((checked(&bench), checked(&bench)), (Ok(()), Ok(())));
    sign_in(&bench, &any(ann, &shown), NOW).unwrap();
    assert_eq!(checked(&bench), Err(Refused));
}

#[test]
fn code_shown_twice_at_once_lets_one_in() {
    let (bench, ann, phone, _) = ann();
    let code = code(&phone, 0);
    let [one, two] = [(), ()].map(|()| {
        let mut txn = bench.begin();
        take(&mut txn, &any(ann, &code), bench.vault(), NOW).unwrap();
        txn
    });
    assert!(bench.commits(one) && !bench.commits(two));
}

#[test]
fn code_is_not_taken_twice_in_one_transaction() {
    let (bench, ann, phone, _) = ann();
    let (code, mut txn) = (code(&phone, 0), bench.begin());
    assert!(take(&mut txn, &any(ann, &code), bench.vault(), NOW).is_ok());
    assert!(take(&mut txn, &any(ann, &code), bench.vault(), NOW).is_err());
}

#[test]
fn device_that_is_unbound_meanwhile_lets_nobody_in() {
    let (bench, ann, phone, _) = ann();
    let code = code(&phone, 0);
    let mut txn = bench.begin();
    take(&mut txn, &any(ann, &code), bench.vault(), NOW).unwrap();
    let unbound = MfaDevice { bound: None, ..row(&bench, "mfa/phone") };
    bench.write(|txn| txn.put(RowKey::MfaDevice(account(), "mfa/phone".into()), unbound));
    assert!(!bench.commits(txn));
    assert_eq!(sign_in(&bench, &any(ann, &code), NOW), Err(Refused));
}

#[test]
fn passkey_takes_no_code() {
    let (bench, ann, ..) = ann();
    let passkey = Passkey { credential_id: [1; 16].into(), credential: "{}".into(), uses: 0 };
    put(&bench, "u2f/user/ann/key-A", ann, Factor::Passkey(passkey));
    let shown = Shown { device: Some("u2f/user/ann/key-A"), ..any(ann, "123456") };
    assert_eq!(sign_in(&bench, &shown, NOW), Err(Refused));
    let key = row(&bench, "u2f/user/ann/key-A");
    assert!(synchronize(account(), &key, ["123456", "654321"], bench.vault(), NOW).is_none());
}

#[test]
fn seed_that_was_moved_to_another_device_does_not_open() {
    let (bench, ann, phone, _) = ann();
    let Factor::Totp(totp) = row(&bench, "mfa/phone").factor else { panic!("shows codes") };
    put(&bench, "mfa/tablet", ann, Factor::Totp(totp));
    let code = code(&phone, 0);
    let shown = Shown { device: Some("mfa/tablet"), ..any(ann, &code) };
    assert_eq!(sign_in(&bench, &shown, NOW), Err(Refused));
}

#[test]
fn two_codes_find_the_clock_of_a_device_that_has_drifted() {
    let (bench, ann, phone, _) = ann();
    let (one, two) = (code(&phone, 7), code(&phone, 8));
    assert_eq!(sign_in(&bench, &any(ann, &two), NOW), Err(Refused));
    let old = row(&bench, "mfa/phone");
    let found = |codes| synchronize(account(), &old, codes, bench.vault(), NOW);
    assert!(found([&two, &one]).is_none() && found([&one, &one]).is_none());
    let synchronized = found([&one, &two]).unwrap();
    let last_step = NOW.seconds() / 30 + 8;
    let Factor::Totp(totp) = &synchronized.factor else { panic!("shows codes") };
    assert_eq!(totp.position, Some(Position { offset: 8, last_step }));
    assert_eq!((&*synchronized.id, synchronized.bound), ("mfa/phone", old.bound));
    assert!(synchronize(account(), &synchronized, [&one, &two], bench.vault(), NOW).is_none());
}

#[test]
fn serial_numbers_are_read_as_they_are_written_and_others_are_nobodys() {
    let id = |serial: &str| {
        MfaDevice::id_of(serial, Partition::Aws, account()).map(|id| {
            let device = MfaDevice {
                id: id.into(),
                created: NOW,
                tags: Vec::new(),
                bound: None,
                factor: Factor::Passkey(Passkey {
                    credential_id: [0; 1].into(),
                    credential: "".into(),
                    uses: 0,
                }),
            };
            assert_eq!(device.serial_number(Partition::Aws, account()), serial);
            id.to_owned()
        })
    };
    assert_eq!(id("arn:aws:iam::111122223333:mfa/a/b").as_deref(), Some("mfa/a/b"));
    assert_eq!(id("arn:aws:iam::111122223333:u2f/root/key-A").as_deref(), Some("u2f/root/key-A"));
    assert_eq!(id("GAHT12345678").as_deref(), Some("GAHT12345678"));
    for foreign in [
        "arn:aws:iam::444455556666:mfa/phone",
        "arn:aws-cn:iam::111122223333:mfa/phone",
        "arn:aws:iam::111122223333:user/ann",
        "mfa/phone",
        "u2f/user/ann/key-A",
    ] {
        assert_eq!(id(foreign), None, "{foreign}");
    }
}

#[test]
fn twenty_wrong_codes_are_tried_and_then_one_in_two_minutes() {
    let guesses = Guesses::default();
    let tried =
        |owner, now: Time, result: Result<(), Refused>| guesses.guess(account(), owner, now, || result);
    let wrong = |now, times: usize| {
        (0..times).filter(|_| tried(CredentialOwner::Root, now, Err(Refused)).is_ok()).count()
    };
    assert_eq!(wrong(NOW, 1_000), 20);
    assert_eq!(tried(CredentialOwner::Root, NOW, Ok(())), Err(TooMany));
    assert_eq!(wrong(NOW.plus_seconds(119), 9), 0);
    assert_eq!(wrong(NOW.plus_seconds(120), 9), 1);
    assert_eq!(wrong(NOW.plus_seconds(100_000), 1_000), 20);
    // Set back, it takes no longer than from full.
    assert_eq!((wrong(NOW, 9), wrong(NOW.plus_seconds(240), 9)), (0, 2));
}

#[test]
fn right_codes_take_no_room_and_owners_take_it_from_nobody_else() {
    let mut bench = Bench::new(Authority::Issued);
    let ann = CredentialOwner::User(bench.user("ann", |_| {}).id);
    let guesses = Guesses::default();
    let tried = |owner, result: Result<(), Refused>| guesses.guess(account(), owner, NOW, || result);
    for _ in 0..100 {
        assert_eq!(tried(ann, Ok(())), Ok(Ok(())));
    }
    assert_eq!((0..100).filter(|_| tried(ann, Err(Refused)).is_ok()).count(), 20);
    assert_eq!(tried(CredentialOwner::Root, Err(Refused)), Ok(Err(Refused)));
    let elsewhere = "444455556666".parse().unwrap();
    assert_eq!(guesses.guess(elsewhere, ann, NOW, || Err::<(), _>(Refused)), Ok(Err(Refused)));
}
