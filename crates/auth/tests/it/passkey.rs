//! Security keys and passkeys: whose they are, from which page, and that each assertion is used once.

use proptest::prelude::*;
use rootward_auth::authn::Authority;
use rootward_auth::passkey::{
    Challenge, InvalidRelyingParty, NotRegistered, Refused, Registration, RelyingParty, SECONDS_MAX, Shown,
    Wanted, take,
};
use rootward_names::Time;
use rootward_state::RowKey;
use rootward_state::entities::{Bound, CredentialOwner, Factor, MfaDevice, Passkey};
use rootward_testkit::SecurityKey;
use serde_json::{Value, json};

use crate::bench::{Bench, NOW, account};

const PAGE: &str = "https://console.example.com";

fn party() -> RelyingParty {
    RelyingParty::new("example.com", &[PAGE, "https://other.example.com:8443"], "Example").unwrap()
}

fn start(bench: &Bench, owner: CredentialOwner) -> (String, Registration) {
    let wanted = Wanted { owner, device: "key", by: "ann" };
    party().start_registration(bench.world().account(account()).unwrap(), &wanted, NOW).unwrap()
}

fn finish(bench: &Bench, registration: &Registration, credential: &str) -> Result<Passkey, NotRegistered> {
    registration.finish(&party(), bench.world().account(account()).unwrap(), credential)
}

fn put(bench: &Bench, id: &str, owner: CredentialOwner, passkey: Passkey) {
    let bound = Some(Bound { owner, at: NOW });
    let factor = Factor::Passkey(passkey);
    let row = MfaDevice { id: id.into(), created: NOW, tags: Vec::new(), bound, factor };
    bench.write(|txn| txn.put(RowKey::MfaDevice(account(), id.into()), row));
}

fn register(bench: &Bench, id: &str, owner: CredentialOwner, key: &mut SecurityKey) {
    let (options, registration) = start(bench, owner);
    let made = finish(bench, &registration, &key.create(PAGE, &options)).unwrap();
    put(bench, id, owner, made);
}

fn challenge(bench: &Bench, owner: CredentialOwner) -> (String, Challenge) {
    party().start_assertion(bench.world().account(account()).unwrap(), owner, NOW).unwrap()
}

fn shown<'a>(owner: CredentialOwner, challenge: &'a Challenge, credential: &'a str) -> Shown<'a> {
    Shown { account: account(), owner, challenge, credential }
}

/// Uses an assertion up; the id of the device that made it.
fn show(
    bench: &Bench,
    owner: CredentialOwner,
    challenge: &Challenge,
    credential: &str,
) -> Result<Box<str>, Refused> {
    let mut txn = bench.begin();
    let device = take(&mut txn, &shown(owner, challenge, credential), &party(), NOW)?;
    assert!(bench.commits(txn));
    Ok(device.id.clone())
}

fn sign_in(bench: &Bench, owner: CredentialOwner, key: &mut SecurityKey) -> Result<Box<str>, Refused> {
    let (options, challenge) = challenge(bench, owner);
    show(bench, owner, &challenge, &key.get(PAGE, &options))
}

fn ann() -> (Bench, CredentialOwner) {
    let mut bench = Bench::new(Authority::Issued);
    let ann = CredentialOwner::User(bench.user("ann", |_| {}).id);
    (bench, ann)
}

/// Ann, with a key.
fn ann_with(mut key: SecurityKey) -> (Bench, CredentialOwner, SecurityKey) {
    let (bench, ann) = ann();
    register(&bench, "u2f/user/ann/key-A", ann, &mut key);
    (bench, ann, key)
}

/// The options with one value replaced.
fn changed(options: &str, pointer: &str, value: Value) -> String {
    let mut options: Value = serde_json::from_str(options).unwrap();
    *options.pointer_mut(pointer).unwrap() = value;
    options.to_string()
}

#[test]
fn registered_keys_let_their_owner_in_time_and_again() {
    for key in [SecurityKey::synchronized(), SecurityKey::counting(), SecurityKey::touched()] {
        let (bench, ann, mut key) = ann_with(key);
        for _ in 0..3 {
            assert_eq!(sign_in(&bench, ann, &mut key).as_deref(), Ok("u2f/user/ann/key-A"));
        }
    }
}

#[test]
fn any_of_an_owners_keys_is_taken_and_the_options_name_them_all() {
    let (bench, ann, mut first) = ann_with(SecurityKey::counting());
    let mut second = SecurityKey::synchronized();
    register(&bench, "u2f/user/ann/spare-B", ann, &mut second);
    let (options, _) = challenge(&bench, ann);
    let options: Value = serde_json::from_str(&options).unwrap();
    assert_eq!(options["publicKey"]["allowCredentials"].as_array().unwrap().len(), 2);
    assert_eq!(options["publicKey"]["rpId"], "example.com");
    assert_eq!(sign_in(&bench, ann, &mut second).as_deref(), Ok("u2f/user/ann/spare-B"));
    assert_eq!(sign_in(&bench, ann, &mut first).as_deref(), Ok("u2f/user/ann/key-A"));
    let (options, _) = start(&bench, ann);
    let options: Value = serde_json::from_str(&options).unwrap();
    assert_eq!(options["publicKey"]["excludeCredentials"].as_array().unwrap().len(), 2);
    assert_eq!(options["publicKey"]["user"]["name"], "ann@111122223333");
}

#[test]
fn assertion_is_good_once_whether_the_key_counts_or_not() {
    for key in [SecurityKey::synchronized(), SecurityKey::counting()] {
        let (bench, ann, mut key) = ann_with(key);
        let (options, challenge) = challenge(&bench, ann);
        let assertion = key.get(PAGE, &options);
        assert!(show(&bench, ann, &challenge, &assertion).is_ok());
        assert_eq!(show(&bench, ann, &challenge, &assertion), Err(Refused));
        assert!(sign_in(&bench, ann, &mut key).is_ok());
        assert_eq!(show(&bench, ann, &challenge, &assertion), Err(Refused));
    }
}

#[test]
fn assertion_shown_twice_at_once_lets_one_in() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, challenge) = challenge(&bench, ann);
    let assertion = key.get(PAGE, &options);
    let [one, two] = [(), ()].map(|()| {
        let mut txn = bench.begin();
        take(&mut txn, &shown(ann, &challenge, &assertion), &party(), NOW).unwrap();
        assert_eq!(take(&mut txn, &shown(ann, &challenge, &assertion), &party(), NOW).unwrap_err(), Refused);
        txn
    });
    assert!(bench.commits(one) && !bench.commits(two));
}

#[test]
fn challenge_is_void_once_another_key_of_the_owner_was_used_or_registered() {
    let (bench, ann, mut first) = ann_with(SecurityKey::synchronized());
    let mut second = SecurityKey::synchronized();
    let (options, early) = challenge(&bench, ann);
    let assertion = first.get(PAGE, &options);
    register(&bench, "u2f/user/ann/spare-B", ann, &mut second);
    assert_eq!(show(&bench, ann, &early, &assertion), Err(Refused));
    let (options, early) = challenge(&bench, ann);
    let assertion = first.get(PAGE, &options);
    assert!(sign_in(&bench, ann, &mut second).is_ok());
    assert_eq!(show(&bench, ann, &early, &assertion), Err(Refused));
}

#[test]
fn assertion_for_another_challenge_is_refused() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, _) = challenge(&bench, ann);
    let (_, other) = challenge(&bench, ann);
    assert_eq!(show(&bench, ann, &other, &key.get(PAGE, &options)), Err(Refused));
}

#[test]
fn challenge_ends_after_five_minutes_and_does_not_begin_earlier() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, challenge) = challenge(&bench, ann);
    let assertion = key.get(PAGE, &options);
    let at = |seconds: i64| {
        let now: Time = NOW.plus_seconds(seconds);
        take(&mut bench.begin(), &shown(ann, &challenge, &assertion), &party(), now).is_ok()
    };
    assert_eq!([-1, 0, SECONDS_MAX - 1, SECONDS_MAX].map(at), [false, true, true, false]);
}

#[test]
fn key_of_somebody_else_is_refused_also_with_the_owners_challenge() {
    let (mut bench, ann, mut anns) = ann_with(SecurityKey::synchronized());
    let bob = CredentialOwner::User(bench.user("bob", |_| {}).id);
    let mut bobs = SecurityKey::synchronized();
    register(&bench, "u2f/user/bob/key-B", bob, &mut bobs);
    let (for_bob, of_bob) = challenge(&bench, bob);
    let assertion = bobs.get(PAGE, &for_bob);
    assert_eq!(show(&bench, ann, &of_bob, &assertion), Err(Refused));
    // Bob's key answers Ann's challenge, and Ann's answers Bob's.
    let (for_ann, of_ann) = challenge(&bench, ann);
    let ids = |options: &str| {
        serde_json::from_str::<Value>(options).unwrap()["publicKey"]["allowCredentials"].clone()
    };
    let by_bob = bobs.get(PAGE, &changed(&for_ann, "/publicKey/allowCredentials", ids(&for_bob)));
    let by_ann = anns.get(PAGE, &changed(&for_bob, "/publicKey/allowCredentials", ids(&for_ann)));
    assert_eq!(show(&bench, ann, &of_ann, &by_bob), Err(Refused));
    assert_eq!(show(&bench, bob, &of_bob, &by_ann), Err(Refused));
    // Under the other's name: the signature is by the wrong key.
    let renamed = changed(&by_bob, "/rawId", ids(&for_ann)[0]["id"].clone());
    assert_eq!(show(&bench, ann, &of_ann, &renamed), Err(Refused));
    let elsewhere = Shown { account: "444455556666".parse().unwrap(), ..shown(bob, &of_bob, &assertion) };
    assert_eq!(take(&mut bench.begin(), &elsewhere, &party(), NOW).unwrap_err(), Refused);
    assert!(show(&bench, bob, &of_bob, &assertion).is_ok());
}

#[test]
fn answer_from_a_page_that_is_not_ours_is_refused() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    for page in ["https://evil.example.com", "https://console.example.com:444", "https://example.com"] {
        let (options, challenge) = challenge(&bench, ann);
        assert_eq!(show(&bench, ann, &challenge, &key.get(page, &options)), Err(Refused), "{page}");
        let (options, registration) = start(&bench, ann);
        let made = SecurityKey::synchronized().create(page, &options);
        assert_eq!(finish(&bench, &registration, &made).unwrap_err(), NotRegistered::Mismatched, "{page}");
    }
    let (options, challenge) = challenge(&bench, ann);
    assert!(show(&bench, ann, &challenge, &key.get("https://other.example.com:8443", &options)).is_ok());
}

#[test]
fn answer_for_another_relying_party_is_refused() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, challenge) = challenge(&bench, ann);
    let other = changed(&options, "/publicKey/rpId", json!("console.example.com"));
    assert_eq!(show(&bench, ann, &challenge, &key.get(PAGE, &other)), Err(Refused));
    let (options, registration) = start(&bench, ann);
    let other = changed(&options, "/publicKey/rp/id", json!("console.example.com"));
    let made = SecurityKey::synchronized().create(PAGE, &other);
    assert_eq!(finish(&bench, &registration, &made).unwrap_err(), NotRegistered::Mismatched);
}

#[test]
fn root_user_must_be_verified_at_both_times() {
    let bench = Bench::new(Authority::Issued);
    let root = CredentialOwner::Root;
    let (options, registration) = start(&bench, root);
    // As a browser does that does not care.
    let careless =
        changed(&options, "/publicKey/authenticatorSelection/userVerification", json!("discouraged"));
    let made = SecurityKey::touched().create(PAGE, &careless);
    assert_eq!(finish(&bench, &registration, &made).unwrap_err(), NotRegistered::Unverified);
    let mut key = SecurityKey::synchronized();
    register(&bench, "u2f/root/key-A", root, &mut key);
    let (options, challenge) = challenge(&bench, root);
    let careless = changed(&options, "/publicKey/userVerification", json!("discouraged"));
    assert_eq!(show(&bench, root, &challenge, &key.get(PAGE, &careless)), Err(Refused));
    assert_eq!(show(&bench, root, &challenge, &key.get(PAGE, &options)).as_deref(), Ok("u2f/root/key-A"));
}

#[test]
fn key_that_verified_at_registration_must_go_on_to() {
    let (bench, ann, mut key) = ann_with(SecurityKey::counting());
    let (options, challenge) = challenge(&bench, ann);
    let careless = changed(&options, "/publicKey/userVerification", json!("discouraged"));
    assert_eq!(show(&bench, ann, &challenge, &key.get(PAGE, &careless)), Err(Refused));
}

#[test]
fn clone_whose_counter_lags_behind_is_refused() {
    let (bench, ann, mut key) = ann_with(SecurityKey::counting());
    let cloned = key.contents();
    assert!(sign_in(&bench, ann, &mut key).is_ok() && sign_in(&bench, ann, &mut key).is_ok());
    let ahead = key.contents();
    key.restore(cloned);
    assert_eq!(sign_in(&bench, ann, &mut key), Err(Refused));
    assert_eq!(sign_in(&bench, ann, &mut key), Err(Refused));
    key.restore(ahead);
    assert!(sign_in(&bench, ann, &mut key).is_ok());
}

#[test]
fn key_that_is_removed_meanwhile_lets_nobody_in() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, challenge) = challenge(&bench, ann);
    let assertion = key.get(PAGE, &options);
    let mut txn = bench.begin();
    take(&mut txn, &shown(ann, &challenge, &assertion), &party(), NOW).unwrap();
    bench.write(|txn| txn.delete(RowKey::MfaDevice(account(), "u2f/user/ann/key-A".into())));
    assert!(!bench.commits(txn));
    assert_eq!(show(&bench, ann, &challenge, &assertion), Err(Refused));
    assert!(party().start_assertion(bench.world().account(account()).unwrap(), ann, NOW).is_none());
}

#[test]
fn registration_is_for_who_asked_in_its_account_and_its_time() {
    let (mut bench, ann) = ann();
    let (_, registration) = start(&bench, ann);
    let vault = bench.vault().clone();
    let text = registration.seal(&vault, bench.random());
    let open = |text: &str, account: &str, by, seconds: i64| {
        Registration::open(&vault, text, account.parse().unwrap(), by, NOW.plus_seconds(seconds))
    };
    let opened = open(&text, "111122223333", "ann", SECONDS_MAX - 1).unwrap();
    assert_eq!((opened.owner(), opened.device()), (ann, "key"));
    assert!(open(&text, "444455556666", "ann", 0).is_none());
    assert!(open(&text, "111122223333", "bob", 0).is_none());
    assert!(open(&text, "111122223333", "ann", SECONDS_MAX).is_none());
    assert!(open(&text, "111122223333", "ann", -1).is_none());
    for broken in ["", "AAAA", "é", text.strip_prefix(|_: char| true).unwrap(), &"A".repeat(10_000)] {
        assert!(open(broken, "111122223333", "ann", 0).is_none(), "{broken}");
    }
    let other = Bench::seeded(Authority::Issued, 2);
    assert!(Registration::open(other.vault(), &text, account(), "ann", NOW).is_none());
}

#[test]
fn sealed_registration_of_an_owner_with_eight_long_ids_is_no_longer_than_one_without() {
    let (mut bench, ann) = ann();
    for n in 0..8 {
        let passkey = Passkey { credential_id: [n; 1_023].into(), credential: "{}".into(), uses: 0 };
        put(&bench, &format!("u2f/user/ann/key-{n}"), ann, passkey);
    }
    let (options, registration) = start(&bench, ann);
    let vault = bench.vault().clone();
    let text = registration.seal(&vault, bench.random());
    assert!(text.len() < 2_000 && options.len() < 16_000, "{} {}", text.len(), options.len());
}

#[test]
fn registration_is_finished_once() {
    let (mut bench, ann) = ann();
    let (options, registration) = start(&bench, ann);
    let made = SecurityKey::synchronized().create(PAGE, &options);
    put(&bench, "u2f/user/ann/key-A", ann, finish(&bench, &registration, &made).unwrap());
    assert_eq!(finish(&bench, &registration, &made).unwrap_err(), NotRegistered::Taken);
    // Nor is it an answer to another's registration.
    let bob = CredentialOwner::User(bench.user("bob", |_| {}).id);
    let (_, of_bob) = start(&bench, bob);
    assert_eq!(finish(&bench, &of_bob, &made).unwrap_err(), NotRegistered::Mismatched);
}

#[test]
fn owner_who_does_not_exist_registers_nothing() {
    let (bench, _) = ann();
    let mut other = Bench::seeded(Authority::Issued, 9);
    let stranger = CredentialOwner::User(other.user("eve", |_| {}).id);
    let wanted = Wanted { owner: stranger, device: "key", by: "eve" };
    assert!(party().start_registration(bench.world().account(account()).unwrap(), &wanted, NOW).is_none());
}

#[test]
fn answers_that_are_too_long_are_not_looked_at() {
    let (bench, ann, mut key) = ann_with(SecurityKey::synchronized());
    let (options, challenge) = challenge(&bench, ann);
    let assertion = key.get(PAGE, &options);
    let padded = |bytes: usize| format!("{assertion}{}", " ".repeat(bytes - assertion.len()));
    assert_eq!(show(&bench, ann, &challenge, &padded(65_537)), Err(Refused));
    assert!(show(&bench, ann, &challenge, &padded(65_536)).is_ok());
}

#[test]
fn relying_party_is_what_a_browser_would_let_be_one() {
    for origin in ["http://localhost:8080", "https://iam.example.com", "https://iam.example.com:8443/"] {
        assert!(RelyingParty::at(origin, "Example").is_ok(), "{origin}");
    }
    for origin in [
        "",
        "localhost",
        "http://iam.example.com",
        "https://192.0.2.1",
        "http://[::1]:8080",
        "https://iam.example.com/console",
        "https://user@iam.example.com",
        "file:///etc/passwd",
    ] {
        assert_eq!(RelyingParty::at(origin, "Example").err(), Some(InvalidRelyingParty), "{origin}");
    }
    let new = |id, origins: &[&str]| RelyingParty::new(id, origins, "Example").is_ok();
    assert!(new("example.com", &["https://example.com", "https://a.b.example.com"]));
    assert!(!new("example.com", &["https://badexample.com"]) && !new("example.com", &[]));
    assert!(!new("", &["https://example.com"]) && !new("a.example.com", &["https://example.com"]));
}

/// The head of a CBOR item with up to 65535 of something.
fn head(major: u8, len: usize) -> Vec<u8> {
    let [high, low] = u16::try_from(len).unwrap().to_be_bytes();
    vec![major << 5 | 25, high, low]
}

fn text(text: &str) -> Vec<u8> {
    [head(3, text.len()), text.as_bytes().to_vec()].concat()
}

fn blob(bytes: &[u8]) -> Vec<u8> {
    [head(2, bytes.len()), bytes.to_vec()].concat()
}

/// What stands in attestation statements, of any kind and in any shape.
fn statement() -> impl Strategy<Value = Vec<u8>> {
    let bytes = || prop::collection::vec(any::<u8>(), 0..200);
    let value = prop_oneof![
        bytes().prop_map(|bytes| blob(&bytes)),
        prop::collection::vec(bytes(), 0..3).prop_map(|list| {
            [head(4, list.len()), list.iter().flat_map(|bytes| blob(bytes)).collect()].concat()
        }),
        prop::sample::select(vec!["2.0", "1.2", ""]).prop_map(text),
        // ES256, RS256, RS1.
        prop::sample::select(vec![vec![0x26], vec![0x39, 1, 0], vec![0x39, 0xff, 0xfe]]),
        bytes(),
    ];
    let names = vec!["alg", "attestnCert", "certInfo", "pubArea", "response", "sig", "ver", "x5c"];
    let members = prop::collection::vec((prop::sample::select(names), value), 0..6);
    members.prop_map(|members| {
        let items = members.iter().flat_map(|(name, value)| [text(name), value.clone()].concat());
        [head(5, members.len()), items.collect()].concat()
    })
}

/// Every place of a JSON value.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    if let Value::Object(members) = value {
        for (name, member) in members {
            places(member, &format!("{at}/{name}"), found);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_refused_without_harm(text in any::<String>(), bytes: Vec<u8>) {
        let (bench, ann, _) = ann_with(SecurityKey::touched());
        let ((_, challenge), (_, registration)) = (challenge(&bench, ann), start(&bench, ann));
        for text in [text, String::from_utf8_lossy(&bytes).into_owned()] {
            prop_assert_eq!(show(&bench, ann, &challenge, &text), Err(Refused));
            prop_assert_eq!(finish(&bench, &registration, &text).unwrap_err(), NotRegistered::Mismatched);
        }
    }

    #[test]
    fn attestations_of_any_kind_do_no_harm(
        format in prop::sample::select(vec!["none", "packed", "tpm", "apple", "android-key", "android-safetynet", "fido-u2f", ""]),
        statement in statement(),
    ) {
        use base64::Engine;
        let engine = base64::prelude::BASE64_URL_SAFE_NO_PAD;
        let (bench, ann) = ann();
        let (options, registration) = start(&bench, ann);
        let genuine = SecurityKey::touched().create(PAGE, &options);
        let parsed: Value = serde_json::from_str(&genuine).unwrap();
        let data = engine.decode(parsed["response"]["authenticatorData"].as_str().unwrap()).unwrap();
        let members = [text("fmt"), text(format), text("attStmt"), statement, text("authData"), blob(&data)];
        let object = [head(5, 3), members.concat()].concat();
        let forged = changed(&genuine, "/response/attestationObject", json!(engine.encode(object)));
        let finished = finish(&bench, &registration, &forged);
        // Only a key that attests nothing is taken without a proof.
        prop_assert!(finished.is_err() || format == "none", "{} {:?}", format, finished);
    }

    /// One member of a genuine answer is something else: it is refused, or the member means nothing.
    #[test]
    fn changed_answers_do_no_harm(at: prop::sample::Index, bytes in prop::collection::vec(any::<u8>(), 0..300), cut: prop::sample::Index) {
        use base64::Engine;
        let (bench, ann, mut key) = ann_with(SecurityKey::touched());
        let (options, challenge) = challenge(&bench, ann);
        let (to_make, registration) = start(&bench, ann);
        let answers = [key.get(PAGE, &options), SecurityKey::touched().create(PAGE, &to_make)];
        for (n, answer) in answers.iter().enumerate() {
            let value: Value = serde_json::from_str(answer).unwrap();
            let mut found = Vec::new();
            places(&value, "", &mut found);
            let place = at.get(&found);
            let engine = base64::prelude::BASE64_URL_SAFE_NO_PAD;
            let old = value.pointer(place).and_then(Value::as_str).unwrap_or_default();
            let mut plain = engine.decode(old).unwrap_or_default();
            // What stays in front is genuine, so that parsers get far.
            plain.truncate(cut.index(plain.len() + 1));
            plain.extend(&bytes);
            let text = changed(answer, place, json!(engine.encode(plain)));
            if n == 0 {
                let _ = show(&bench, ann, &challenge, &text);
            } else {
                let _ = finish(&bench, &registration, &text);
            }
        }
    }
}
