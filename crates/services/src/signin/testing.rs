//! A command line under test: its verifier, its key, and what it sends.

use std::cell::Cell;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use p256::ecdsa::signature::Signer;
use p256::ecdsa::{Signature, SigningKey};
use rootward_api::signin as api;
use rootward_names::Time;
use rootward_wire::Sensitive;
use serde_json::{Value, json};

pub(super) const CLIENT: &str = "arn:aws:signin:::devtools/same-device";
pub(super) const CALLBACK: &str = "http://127.0.0.1:43631/oauth/callback";
/// RFC 7636, appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// What it has the browser ask for.
pub(super) fn asked() -> api::AuthorizeOAuth2AccessRequest {
    api::AuthorizeOAuth2AccessRequest {
        client_id: CLIENT.into(),
        code_challenge: CHALLENGE.into(),
        code_challenge_method: "SHA-256".into(),
        redirect_uri: CALLBACK.into(),
        response_type: "code".into(),
        scope: "openid".into(),
        state: Sensitive::new("state"),
    }
}

/// A client with a key.
pub(super) struct Cli {
    key: SigningKey,
    proofs: Cell<u32>,
}

impl Cli {
    pub(super) fn new(seed: u8) -> Self {
        Self { key: SigningKey::from_slice(&[seed; 32]).unwrap(), proofs: Cell::new(0) }
    }

    /// A fresh proof.
    pub(super) fn proof(&self, now: Time) -> Sensitive {
        self.proofs.set(self.proofs.get() + 1);
        let point = self.key.verifying_key().to_sec1_point(false);
        let part = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
        let jwk = json!({ "kty": "EC", "crv": "P-256", "x": part(point.x().unwrap()), "y": part(point.y().unwrap()) });
        let text = |value: Value| part(value.to_string().as_bytes());
        let header = text(json!({ "typ": "dpop+jwt", "alg": "ES256", "jwk": jwk }));
        let claims =
            text(json!({ "htm": "POST", "htu": "http://localhost:4566/v1/token", "iat": now.seconds(),
            "jti": self.proofs.get().to_string() }));
        let signed = format!("{header}.{claims}");
        let signature: Signature = self.key.sign(signed.as_bytes());
        Sensitive::new(format!("{signed}.{}", part(&signature.to_bytes())))
    }

    pub(super) fn redeem(&self, code: &str, now: Time) -> api::CreateOAuth2TokenRequest {
        api::CreateOAuth2TokenRequest {
            token_input: api::CreateOAuth2TokenRequestBody {
                client_id: CLIENT.into(),
                grant_type: "authorization_code".into(),
                code: Some(Sensitive::new(code)),
                redirect_uri: Some(CALLBACK.into()),
                code_verifier: Some(Sensitive::new(VERIFIER)),
                refresh_token: None,
            },
            dpop: Some(self.proof(now)),
        }
    }

    pub(super) fn refresh(&self, token: &Sensitive, now: Time) -> api::CreateOAuth2TokenRequest {
        api::CreateOAuth2TokenRequest {
            token_input: api::CreateOAuth2TokenRequestBody {
                client_id: CLIENT.into(),
                grant_type: "refresh_token".into(),
                refresh_token: Some(token.clone()),
                ..Default::default()
            },
            dpop: Some(self.proof(now)),
        }
    }
}
