//! DPoP proofs: whatever a client sends, signed by a key of its own or not, is refused or is for this request alone.
#![no_main]

use std::sync::LazyLock;

use arbitrary::Arbitrary;
use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use libfuzzer_sys::fuzz_target;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use rootward_auth::dpop::{InvalidProof, Proof, Target, key_of, verify};
use rootward_names::Time;
use serde_json::json;

const NOW: Time = Time::from_seconds(1_700_000_000);

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_slice(&[7; 32]).expect("a key"));
/// A header with the public half.
static HEADER: LazyLock<String> = LazyLock::new(|| {
    let point = KEY.verifying_key().to_sec1_point(false);
    let half =
        |bytes: Option<&_>| BASE64_URL_SAFE_NO_PAD.encode::<&[u8]>(bytes.map(AsRef::as_ref).expect("a half"));
    let jwk = json!({ "kty": "EC", "crv": "P-256", "x": half(point.x()), "y": half(point.y()) });
    json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }).to_string()
});

#[derive(Debug, Arbitrary)]
struct Input<'a> {
    /// Tried as it is.
    text: &'a str,
    /// In place of a good header, if any.
    header: Option<&'a str>,
    /// In place of good claims, if any.
    claims: Option<&'a str>,
    /// The address in good claims.
    address: &'a str,
    /// Where the request came.
    authority: &'a str,
    path: &'a str,
    secure: bool,
    /// Where the server says it is, if anywhere.
    url: Option<&'a str>,
    /// What is done to the proof: a bit is changed.
    flip: (u16, u8),
}

fuzz_target!(|input: Input<'_>| {
    let Input { authority, path, secure, url, .. } = input;
    let target = Target { method: "POST", authority, path, secure, url };
    let _ = checked(input.text, &target);

    let good = json!({ "htm": "POST", "htu": input.address, "iat": NOW.seconds(), "jti": "one" }).to_string();
    let encode = |text: &str| BASE64_URL_SAFE_NO_PAD.encode(text);
    let signed =
        format!("{}.{}", encode(input.header.unwrap_or(&HEADER)), encode(input.claims.unwrap_or(&good)));
    let signature: Signature = KEY.sign(signed.as_bytes());
    let proof = format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes()));
    let Ok(holds) = checked(&proof, &target) else { return };

    let elsewhere = format!("{}/elsewhere", input.path);
    for other in [Target { method: "GET", ..target }, Target { path: &elsewhere, ..target }] {
        assert!(checked(&proof, &other).is_err(), "holds for another request");
    }
    for now in [NOW.plus_seconds(-1_000), NOW.plus_seconds(1_000)] {
        assert!(verify(&proof, &target, now).is_err(), "holds at another time");
    }
    let (at, bits) = (usize::from(input.flip.0) % signed.len(), input.flip.1 & 0x7f);
    let mut changed = proof.into_bytes();
    changed[at] ^= bits;
    if let Ok(changed) = String::from_utf8(changed) {
        let found = checked(&changed, &target);
        assert_eq!(found.is_ok(), bits == 0, "what was changed holds");
        assert!(found.is_err() || found == Ok(holds));
    }
});

fn checked(proof: &str, target: &Target<'_>) -> Result<Proof, InvalidProof> {
    let found = verify(proof, target, NOW);
    if let Ok(found) = found {
        assert_eq!(key_of(proof), Ok(found.key));
        assert!(
            verify(proof, &Target { secure: false, ..*target }, NOW).is_ok(),
            "holds only where it is better protected"
        );
        assert!(
            verify(proof, &Target { url: None, ..*target }, NOW).is_ok(),
            "holds only where the address is known"
        );
    }
    found
}
