//! Passkeys: whatever a browser sends as a new one is registered or refused. The answer to our own challenge is made here, so
//! that what stands behind it, the authenticator's CBOR, is reached.
#![no_main]

use std::sync::LazyLock;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use rootward_auth::passkey::{Registration, RelyingParty, Wanted};
use rootward_names::{AccountId, Partition, Time};
use rootward_state::entities::{Account, AccountStatus, CredentialOwner, RootUser};
use rootward_state::{Db, RowKey};
use rootward_store::Memory;
use serde_json::{Value, json};

const NOW: Time = Time::from_seconds(1_700_000_000);
const PAGE: &str = "https://console.example.com";

struct House {
    db: std::sync::Arc<Db>,
    party: RelyingParty,
    account: AccountId,
    registration: Registration,
    challenge: String,
}

static HOUSE: LazyLock<House> = LazyLock::new(|| {
    let account: AccountId = "111122223333".parse().expect("an id");
    let db = Db::open(std::sync::Arc::new(Memory::new().expect("a store"))).expect("a state").db;
    let mut txn = db.begin();
    let row = Account {
        id: account,
        name: "Example".into(),
        email: "root@example.com".into(),
        canonical_id: "0".repeat(64).into(),
        created: NOW,
        status: AccountStatus::Active,
        partition: Partition::Aws,
        alias: None,
        root: RootUser::default(),
    };
    txn.put(RowKey::Account(account), row);
    db.commit_wait(txn).expect("commits");
    let party = RelyingParty::at(PAGE, "Example").expect("a relying party");
    let wanted = Wanted { owner: CredentialOwner::Root, device: "key", by: "root" };
    let world = db.snapshot();
    let state = world.account(account).expect("an account");
    let (options, registration) = party.start_registration(state, &wanted, NOW).expect("starts");
    let options: Value = serde_json::from_str(&options).expect("JSON");
    let challenge = options["publicKey"]["challenge"].as_str().expect("a challenge").to_owned();
    House { db, party, account, registration, challenge }
});

// The attestation object; and the same bytes as all that is sent.
fuzz_target!(|attestation: &[u8]| {
    let house = &*HOUSE;
    let client_data = json!({ "type": "webauthn.create", "challenge": house.challenge, "origin": PAGE, "crossOrigin": false });
    let id = BASE64_URL_SAFE_NO_PAD.encode([7; 16]);
    let credential = json!({
        "id": id,
        "rawId": id,
        "type": "public-key",
        "response": {
            "clientDataJSON": BASE64_URL_SAFE_NO_PAD.encode(client_data.to_string()),
            "attestationObject": BASE64_URL_SAFE_NO_PAD.encode(attestation),
        },
        "clientExtensionResults": {},
    });
    let world = house.db.snapshot();
    let state = world.account(house.account).expect("an account");
    if let Ok(made) = house.registration.finish(&house.party, state, &credential.to_string()) {
        serde_json::from_str::<Value>(&made.credential).expect("what is kept is JSON");
    }
    if let Ok(text) = std::str::from_utf8(attestation) {
        assert!(house.registration.finish(&house.party, state, text).is_err(), "nobody knows the challenge");
    }
});
