//! DPoP proofs: that whoever sends a token holds the private key which it was given for.
//!
//! Shape: a JWT in the header `DPoP`, signed with ES256 by a key of the client's own, whose public half is in it. It names the
//! method and the address of the request, when it was made, and an id that is used once.
//!
//! What is not looked at by [`verify`] is whether the proof was shown before: [`Replays`] does that, and only for who has shown a
//! token that is good, so that nobody else can fill it.
//!
//! Limits: [`PROOF_BYTES_MAX`]; [`SECONDS_MAX`] either side of our clock. Source: RFC 9449, section 4.3; RFC 7638 (thumbprints);
//! RFC 7518, section 3.4 (ES256).

use std::cell::Cell;
use std::convert::Infallible;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Verifier;
use p256::ecdsa::{Signature, VerifyingKey};
use quick_cache::sync::Cache;
use rootward_names::Time;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use url::{Host, Url};

/// Longer proofs are not looked at.
pub const PROOF_BYTES_MAX: usize = 4_096;
/// How far the time of a proof may be from ours, in seconds.
pub const SECONDS_MAX: i64 = 300;
/// How many proofs are remembered: some 10 MB.
const REMEMBERED_MAX: usize = 100_000;

/// A public key, as SHA-256 of its JWK.
pub type Thumbprint = [u8; 32];

/// The request that a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct Target<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its host, with the port where the client names one.
    pub authority: &'a str,
    /// Its path.
    pub path: &'a str,
    /// Whether TLS protects it here. Where it does not, a proxy may have ended it.
    pub secure: bool,
    /// Where the server says it is, as scheme and authority; none if it has not been told.
    pub url: Option<&'a str>,
}

/// A proof that holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    /// The key that signed it.
    pub key: Thumbprint,
    /// A digest of its id and key.
    pub id: [u8; 32],
}

/// A text that proves nothing, or not this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the DPoP proof is missing, malformed, or for another request")]
pub struct InvalidProof;

#[derive(Deserialize)]
struct Header<'a> {
    typ: &'a str,
    alg: &'a str,
    jwk: Jwk<'a>,
    /// Extensions that whoever does not know them must refuse.
    crit: Option<Value>,
}

#[derive(Deserialize)]
struct Jwk<'a> {
    kty: &'a str,
    crv: &'a str,
    x: &'a str,
    y: &'a str,
    /// The private half, which nobody shows.
    d: Option<Value>,
}

#[derive(Deserialize)]
struct Claims {
    htm: String,
    htu: String,
    iat: i64,
    jti: String,
}

/// Whether `proof` holds for this request. `now` is by the machine's clock.
///
/// # Errors
/// [`InvalidProof`].
pub fn verify(proof: &str, target: &Target<'_>, now: Time) -> Result<Proof, InvalidProof> {
    if proof.len() > PROOF_BYTES_MAX {
        return Err(InvalidProof);
    }
    let (signed, signature) = proof.rsplit_once('.').ok_or(InvalidProof)?;
    let (header, claims) = signed.split_once('.').ok_or(InvalidProof)?;
    let (header, claims, signature) = (decode(header)?, decode(claims)?, decode(signature)?);
    let header: Header<'_> = serde_json::from_slice(&header).map_err(|_| InvalidProof)?;
    let Header { typ, alg, jwk, crit } = header;
    if typ != "dpop+jwt" || alg != "ES256" || crit.is_some() {
        return Err(InvalidProof);
    }
    let signature = Signature::from_slice(&signature).map_err(|_| InvalidProof)?;
    jwk.key()?.verify(signed.as_bytes(), &signature).map_err(|_| InvalidProof)?;
    let claims: Claims = serde_json::from_slice(&claims).map_err(|_| InvalidProof)?;
    let in_time = now.seconds().checked_sub(claims.iat).is_some_and(|age| age.abs() <= SECONDS_MAX);
    if claims.htm != target.method || !in_time || claims.jti.is_empty() || !target.is(&claims.htu) {
        return Err(InvalidProof);
    }
    let key = jwk.thumbprint()?;
    let id = Sha256::new().chain_update(key).chain_update(&claims.jti).finalize().into();
    Ok(Proof { key, id })
}

/// The key of a proof that was verified.
///
/// # Errors
/// [`InvalidProof`]: it has none.
pub fn key_of(proof: &str) -> Result<Thumbprint, InvalidProof> {
    let header = decode(proof.split('.').next().unwrap_or_default())?;
    let Header { jwk, .. } = serde_json::from_slice(&header).map_err(|_| InvalidProof)?;
    jwk.key()?;
    jwk.thumbprint()
}

fn decode(text: &str) -> Result<Vec<u8>, InvalidProof> {
    BASE64_URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidProof)
}

impl Jwk<'_> {
    fn key(&self) -> Result<VerifyingKey, InvalidProof> {
        if self.kty != "EC" || self.crv != "P-256" || self.d.is_some() {
            return Err(InvalidProof);
        }
        // SEC 1: a point, uncompressed.
        let [x, y] = self.coordinates()?;
        let point = [&[4], &x[..], &y[..]].concat();
        VerifyingKey::from_sec1_bytes(&point).map_err(|_| InvalidProof)
    }

    /// The AWS CLI leaves out the zeros that a coordinate begins with: of a hundred and twenty-eight keys one has such a coordinate.
    ///
    /// DIFFERENCE: RFC 7518, section 6.2.1.2, wants all 32 bytes.
    fn coordinates(&self) -> Result<[[u8; 32]; 2], InvalidProof> {
        let mut coordinates = [[0; 32]; 2];
        for (whole, text) in coordinates.iter_mut().zip([self.x, self.y]) {
            let bytes = decode(text)?;
            let zeros = whole.len().checked_sub(bytes.len()).ok_or(InvalidProof)?;
            whole.iter_mut().skip(zeros).zip(bytes).for_each(|(byte, given)| *byte = given);
        }
        Ok(coordinates)
    }

    /// The same for all spellings of a key.
    fn thumbprint(&self) -> Result<Thumbprint, InvalidProof> {
        let [x, y] = self.coordinates()?.map(|coordinate| BASE64_URL_SAFE_NO_PAD.encode(coordinate));
        Ok(Sha256::digest(format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)).into())
    }
}

impl Target<'_> {
    /// Whether the address in a proof is this request's. The host is the one that the client has named: it is part of what other
    /// requests sign, so proxies leave it as it is.
    ///
    /// A client that was led to another server has made its proof for that one, which can pass it on here under any host it likes. So
    /// a server that knows its address takes proofs for that one, and for this machine, which is nobody else's address. One that does
    /// not know it may be reached by any name, and takes the client's word.
    fn is(&self, address: &str) -> bool {
        let Ok(address) = Url::parse(address) else { return false };
        let Ok(ours) = Url::parse(&format!("{}://{}/", address.scheme(), self.authority)) else {
            return false;
        };
        let is_scheme = address.scheme() == "https" || (address.scheme() == "http" && !self.secure);
        let is_bare =
            address.query().is_none() && address.fragment().is_none() && address.username().is_empty();
        let place = |url: &Url| (url.host_str().map(str::to_owned), url.port_or_known_default());
        let is_known = self.url.is_none_or(|url| {
            Url::parse(url).is_ok_and(|url| place(&url) == place(&address)) || is_this_machine(&address)
        });
        is_scheme && is_bare && is_known && place(&address) == place(&ours) && address.path() == self.path
    }
}

/// Whether an address is one at which everybody has themselves (RFC 6761, section 6.3).
fn is_this_machine(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

/// The proofs that were shown lately. Kept in memory, on each node; of very many the oldest are forgotten first.
#[derive(Debug)]
pub struct Replays(Cache<[u8; 32], ()>);

impl Default for Replays {
    fn default() -> Self {
        Self(Cache::new(REMEMBERED_MAX))
    }
}

impl Replays {
    /// Whether this proof is shown for the first time; from now on it is not.
    pub fn is_first(&self, proof: &Proof) -> bool {
        let first = Cell::new(false);
        let remembered = self.0.get_or_insert_with(&proof.id, || {
            first.set(true);
            Ok::<_, Infallible>(())
        });
        let Ok(()) = remembered;
        first.get()
    }
}

#[cfg(test)]
mod tests {
    use p256::ecdsa::SigningKey;
    use p256::ecdsa::signature::Signer;
    use serde_json::json;

    use super::*;

    const NOW: Time = Time::from_seconds(1_700_000_000);
    const TARGET: Target<'_> =
        Target { method: "POST", authority: "127.0.0.1:4566", path: "/v1/token", secure: false, url: None };

    fn key(seed: u8) -> SigningKey {
        SigningKey::from_slice(&[seed; 32]).unwrap()
    }

    fn jwk(key: &SigningKey) -> Value {
        let point = key.verifying_key().to_sec1_point(false);
        let text = |bytes: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(bytes);
        json!({ "kty": "EC", "crv": "P-256", "x": text(point.x().unwrap()), "y": text(point.y().unwrap()) })
    }

    fn signed(key: &SigningKey, header: &Value, claims: &Value) -> String {
        let text = |value: &Value| BASE64_URL_SAFE_NO_PAD.encode(value.to_string());
        let signed = format!("{}.{}", text(header), text(claims));
        let signature: Signature = key.sign(signed.as_bytes());
        format!("{signed}.{}", BASE64_URL_SAFE_NO_PAD.encode(signature.to_bytes()))
    }

    fn header() -> Value {
        json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk(&key(7)) })
    }

    fn claims() -> Value {
        json!({ "htm": "POST", "htu": "http://127.0.0.1:4566/v1/token", "iat": 1_700_000_000, "jti": "one" })
    }

    fn with(mut object: Value, name: &str, value: Value) -> Value {
        object[name] = value;
        object
    }

    #[test]
    fn proof_for_this_request_names_its_key_and_its_id() {
        let proof = |claims| verify(&signed(&key(7), &header(), &claims), &TARGET, NOW).unwrap();
        let one = proof(claims());
        assert_eq!(proof(claims()), one);
        assert_eq!(key_of(&signed(&key(7), &header(), &claims())), Ok(one.key));
        let two = proof(with(claims(), "jti", json!("two")));
        assert!(two.key == one.key && two.id != one.id);
        let other = with(header(), "jwk", jwk(&key(8)));
        let other = verify(&signed(&key(8), &other, &claims()), &TARGET, NOW).unwrap();
        assert!(other.key != one.key && other.id != one.id);
        let behind_proxy = with(claims(), "htu", json!("https://iam.example.com/v1/token"));
        let target = Target { authority: "iam.example.com:443", ..TARGET };
        assert!(verify(&signed(&key(7), &header(), &behind_proxy), &target, NOW).is_ok());
    }

    /// RFC 7638 has an example for RSA only; this is the thumbprint of the key in RFC 9449, section 6.1.
    #[test]
    fn example_thumbprint_of_rfc_9449() {
        let jwk = Jwk {
            kty: "EC",
            crv: "P-256",
            x: "l8tFrhx-34tV3hRICRDY9zCkDlpBhF42UQUfWVAWBFs",
            y: "9VE4jf_Ok_o64zbTTlcuNJajHmt6v9TDVrU0CdvGRDA",
            d: None,
        };
        let thumbprint = BASE64_URL_SAFE_NO_PAD.encode(jwk.thumbprint().unwrap());
        assert_eq!(thumbprint, "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I");
    }

    #[test]
    fn coordinate_without_the_zeros_that_it_begins_with_is_the_same_key() {
        let begins_with_zero =
            |key: &SigningKey| key.verifying_key().to_sec1_point(false).x().unwrap()[0] == 0;
        let key = (1u8..=250)
            .map(key)
            .chain((1u8..=250).map(|n| SigningKey::from_slice(&[[n; 16], [1; 16]].concat()).unwrap()));
        let key = { key }.find(begins_with_zero).unwrap();
        let whole = jwk(&key);
        let x = BASE64_URL_SAFE_NO_PAD.decode(whole["x"].as_str().unwrap()).unwrap();
        let short = with(whole.clone(), "x", json!(BASE64_URL_SAFE_NO_PAD.encode(&x[1..])));
        let [whole, short] = [whole, short].map(|jwk| {
            verify(&signed(&key, &with(header(), "jwk", jwk), &claims()), &TARGET, NOW).unwrap().key
        });
        assert_eq!(whole, short);
        let long = BASE64_URL_SAFE_NO_PAD.encode([&[0], &x[..]].concat());
        let long = with(header(), "jwk", with(jwk(&key), "x", json!(long)));
        assert_eq!(verify(&signed(&key, &long, &claims()), &TARGET, NOW), Err(InvalidProof));
    }

    #[test]
    fn proof_for_anything_else_is_refused() {
        let at = |htu: &str| with(claims(), "htu", json!(htu));
        for claims in [
            with(claims(), "htm", json!("GET")),
            with(claims(), "iat", json!(1_700_000_000 - SECONDS_MAX - 1)),
            with(claims(), "iat", json!(1_700_000_000 + SECONDS_MAX + 1)),
            with(claims(), "iat", json!(i64::MIN)),
            with(claims(), "jti", json!("")),
            with(claims(), "jti", Value::Null),
            at("http://127.0.0.1:4567/v1/token"),
            at("http://evil.example:4566/v1/token"),
            at("http://127.0.0.1:4566/v1/other"),
            at("http://127.0.0.1:4566/v1/token?x=1"),
            at("http://a@127.0.0.1:4566/v1/token"),
            at("ftp://127.0.0.1:4566/v1/token"),
            at("/v1/token"),
        ] {
            let proof = signed(&key(7), &header(), &claims);
            assert_eq!(verify(&proof, &TARGET, NOW), Err(InvalidProof), "{claims}");
        }
        let secure = Target { secure: true, ..TARGET };
        assert_eq!(verify(&signed(&key(7), &header(), &claims()), &secure, NOW), Err(InvalidProof));
    }

    #[test]
    fn server_that_knows_its_address_takes_no_proof_for_another() {
        let is_taken = |url: Option<&'static str>, authority: &str, htu: &str| {
            let proof = signed(&key(7), &header(), &with(claims(), "htu", json!(htu)));
            verify(&proof, &Target { authority, url, ..TARGET }, NOW).is_ok()
        };
        let ours = Some("https://iam.example.com");
        for (authority, htu) in [
            ("iam.example.com", "https://iam.example.com/v1/token"),
            ("iam.example.com:443", "https://IAM.example.com:443/v1/token"),
            ("localhost:4566", "http://localhost:4566/v1/token"),
            ("iam.localhost:4566", "http://iam.localhost:4566/v1/token"),
            ("127.0.0.1:8080", "http://127.0.0.1:8080/v1/token"),
            ("[::1]:4566", "http://[::1]:4566/v1/token"),
        ] {
            assert!(is_taken(ours, authority, htu), "{htu}");
            assert!(!is_taken(ours, "other.example", htu), "{htu}");
        }
        for (authority, htu) in [
            ("evil.example", "http://evil.example/v1/token"),
            ("iam.example.com:8443", "https://iam.example.com:8443/v1/token"),
            ("iam.example.com", "http://iam.example.com/v1/token"),
            ("iam.example.com.evil.example", "https://iam.example.com.evil.example/v1/token"),
            ("localhost.evil.example", "http://localhost.evil.example/v1/token"),
            ("192.0.2.1:4566", "http://192.0.2.1:4566/v1/token"),
        ] {
            assert!(!is_taken(ours, authority, htu), "{htu}");
            assert!(is_taken(None, authority, htu), "{htu}");
        }
    }

    #[test]
    fn text_that_is_no_signed_proof_is_refused() {
        let good = signed(&key(7), &header(), &claims());
        let private = with(jwk(&key(7)), "d", json!("AAAA"));
        for header in [
            with(header(), "typ", json!("jwt")),
            with(header(), "alg", json!("none")),
            with(header(), "alg", json!("HS256")),
            with(header(), "crit", json!(["x"])),
            with(header(), "jwk", jwk(&key(8))),
            with(header(), "jwk", private),
            with(header(), "jwk", json!({ "kty": "EC", "crv": "P-256", "x": "AAAA", "y": "AAAA" })),
            json!([]),
        ] {
            let proof = signed(&key(7), &header, &claims());
            assert_eq!(verify(&proof, &TARGET, NOW), Err(InvalidProof), "{header}");
        }
        let unsigned = good.rsplit_once('.').unwrap().0;
        for text in [
            "",
            ".",
            "..",
            "a.b.c",
            unsigned,
            &format!("{unsigned}."),
            &format!("{good}.x"),
            &"A".repeat(10_000),
        ] {
            assert_eq!(verify(text, &TARGET, NOW), Err(InvalidProof), "{text}");
        }
    }

    #[test]
    fn proof_is_first_once() {
        let replays = Replays::default();
        let proof = Proof { key: [1; 32], id: [2; 32] };
        assert!(replays.is_first(&proof) && !replays.is_first(&proof));
        assert!(replays.is_first(&Proof { id: [3; 32], ..proof }));
    }
}
