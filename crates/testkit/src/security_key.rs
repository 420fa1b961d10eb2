//! Security keys in software, in a browser: what both do by the specification, written apart from what we verify with.
//!
//! No library: the ones there are make `serde_json` keep the order of members for all that is built with them, so that what is tested
//! would not be what is served.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD as BASE64;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use url::Url;

/// A security key, with what it holds for every relying party.
pub struct SecurityKey {
    verifies: bool,
    kind: Kind,
    held: Vec<Held>,
}

/// How a key keeps what it holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// For itself; it counts.
    Bound,
    /// With its owner's other devices; its counter stands still.
    Synchronized,
}

/// What a key made for a relying party.
#[derive(Clone)]
pub struct Held {
    id: Vec<u8>,
    rp_id: String,
    secret: SigningKey,
    counter: u32,
}

impl SecurityKey {
    /// One that asks for a PIN, and is synchronized: its counter stands still.
    pub fn synchronized() -> Self {
        Self { verifies: true, kind: Kind::Synchronized, held: Vec::new() }
    }

    /// One that asks for a PIN, and counts.
    pub fn counting() -> Self {
        Self { verifies: true, kind: Kind::Bound, held: Vec::new() }
    }

    /// One that is only touched.
    pub fn touched() -> Self {
        Self { verifies: false, kind: Kind::Bound, held: Vec::new() }
    }

    /// What `navigator.credentials.create` gives a page at `origin`.
    pub fn create(&mut self, origin: &str, options: &str) -> String {
        let options = public_key(options);
        let rp_id = suffix_of(origin, &options["rp"]["id"]);
        let algorithms = options["pubKeyCredParams"].as_array().unwrap();
        assert!(algorithms.iter().any(|algorithm| algorithm["alg"] == ES256));
        let known = options["excludeCredentials"].as_array().unwrap();
        assert!(!known.iter().any(|known| self.held.iter().any(|held| known["id"] == held.shown_id())));
        let seed = Sha256::digest(options["challenge"].as_str().unwrap());
        let secret = SigningKey::from_slice(&seed).unwrap();
        let held = Held { id: Sha256::digest(seed).to_vec(), rp_id, secret, counter: 0 };
        let flags = ATTESTED | self.flags(&options["authenticatorSelection"]["userVerification"]);
        let length = u16::try_from(held.id.len()).unwrap().to_be_bytes();
        let attested = [&[0; 16][..], &length, &held.id, &held.public_key()].concat();
        let data = [held.data(flags), attested].concat();
        let object = [&[0xa3][..], b"\x63fmt\x64none", b"\x67attStmt\xa0", b"\x68authData\x59"].concat();
        let object = [object, u16::try_from(data.len()).unwrap().to_be_bytes().into(), data.clone()].concat();
        let response = json!({
            "clientDataJSON": BASE64.encode(client_data("webauthn.create", origin, &options)),
            "attestationObject": BASE64.encode(object),
            "authenticatorData": BASE64.encode(data),
            "publicKeyAlgorithm": ES256,
            "transports": ["usb", "smart-card"],
        });
        let made = held.answer(&response);
        self.held.push(held);
        made
    }

    /// What `navigator.credentials.get` gives a page at `origin`.
    pub fn get(&mut self, origin: &str, options: &str) -> String {
        let options = public_key(options);
        let rp_id = suffix_of(origin, &options["rpId"]);
        let flags = self.flags(&options["userVerification"]);
        let wanted = options["allowCredentials"].as_array().unwrap();
        let is_wanted = |held: &&mut Held| wanted.iter().any(|wanted| wanted["id"] == held.shown_id());
        let held = self.held.iter_mut().find(is_wanted).unwrap();
        // What was made for another relying party would not be shown, were this no test.
        held.rp_id = rp_id;
        held.counter += u32::from(self.kind == Kind::Bound);
        let (data, client_data) = (held.data(flags), client_data("webauthn.get", origin, &options));
        let signed = [data.clone(), Sha256::digest(&client_data).to_vec()].concat();
        let signature: Signature = held.secret.sign(&signed);
        held.answer(&json!({
            "clientDataJSON": BASE64.encode(client_data),
            "authenticatorData": BASE64.encode(data),
            "signature": BASE64.encode(signature.to_der()),
            "userHandle": null,
        }))
    }

    /// A copy of what it holds.
    pub fn contents(&self) -> Vec<Held> {
        self.held.clone()
    }

    /// Puts a copy back: a key that was cloned.
    pub fn restore(&mut self, contents: Vec<Held>) {
        self.held = contents;
    }

    fn flags(&self, verification: &Value) -> u8 {
        let verification = verification.as_str().unwrap();
        assert!(self.verifies || verification != "required", "this key cannot verify its user");
        let verified = if self.verifies && verification != "discouraged" { VERIFIED } else { 0 };
        let backed_up = if self.kind == Kind::Synchronized { BACKED_UP } else { 0 };
        PRESENT | verified | backed_up
    }
}

impl Held {
    fn shown_id(&self) -> String {
        BASE64.encode(&self.id)
    }

    /// The credential as `toJSON` writes it.
    fn answer(&self, response: &Value) -> String {
        let id = self.shown_id();
        let answer = json!({
            "id": id,
            "rawId": id,
            "type": "public-key",
            "authenticatorAttachment": "cross-platform",
            "response": response,
            "clientExtensionResults": {},
        });
        answer.to_string()
    }

    /// Authenticator data, without what is attested.
    fn data(&self, flags: u8) -> Vec<u8> {
        [&Sha256::digest(&self.rp_id)[..], &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// In COSE: elliptic curve, ES256, P-256, x, y.
    fn public_key(&self) -> Vec<u8> {
        let point = self.secret.verifying_key().to_sec1_point(false);
        let (x, y) = (point.x().unwrap(), point.y().unwrap());
        [b"\xa5\x01\x02\x03\x26\x20\x01\x21\x58\x20", &x[..], b"\x22\x58\x20", &y[..]].concat()
    }
}

fn public_key(options: &str) -> Value {
    serde_json::from_str::<Value>(options).unwrap()["publicKey"].take()
}

/// Browsers ask keys for the domain of the page only, and for what is above it.
fn suffix_of(origin: &str, rp_id: &Value) -> String {
    let (url, rp_id) = (origin.parse::<Url>().unwrap(), rp_id.as_str().unwrap());
    let rest = url.host_str().unwrap().strip_suffix(rp_id).unwrap();
    assert!(rest.is_empty() || rest.ends_with('.'), "{origin} asks for {rp_id}");
    rp_id.to_owned()
}

fn client_data(kind: &str, origin: &str, options: &Value) -> Vec<u8> {
    let data =
        json!({ "type": kind, "challenge": options["challenge"], "origin": origin, "crossOrigin": false });
    data.to_string().into_bytes()
}

const ES256: i32 = -7;
const PRESENT: u8 = 0x01;
const VERIFIED: u8 = 0x04;
const BACKED_UP: u8 = 0x18;
const ATTESTED: u8 = 0x40;
