//! Webhooks: a signed POST of the event.
//!
//! Signed as the Standard Webhooks specification says (1.0, symmetric): `webhook-id`, `webhook-timestamp` and
//! `webhook-signature: v1,BASE64(HMAC-SHA256(key, ID.TIMESTAMP.BODY))`. Only an answer 2xx counts; redirects are not followed,
//! since an answer must not choose where alerts go, and proxies of the environment are not used.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use rootward_names::Time;
use sha2::Sha256;
use ureq::tls::{RootCerts, TlsConfig};
use zeroize::Zeroizing;

use crate::alert::Alert;
use crate::event::{CONTENT_TYPE, cloud_event};
use crate::route::Failure;

/// Where and how to post.
pub(crate) struct Webhook {
    agent: ureq::Agent,
    url: Zeroizing<String>,
    key: Zeroizing<Vec<u8>>,
}

impl Webhook {
    pub(crate) fn new(url: Zeroizing<String>, key: Zeroizing<Vec<u8>>) -> Self {
        Self { agent: agent(), url, key }
    }

    pub(crate) fn send(&self, alert: &Alert, now: Time) -> Result<(), Failure> {
        let body = cloud_event(alert).to_string();
        let timestamp = now.seconds().to_string();
        let answer = self
            .agent
            .post(&*self.url)
            .header("content-type", CONTENT_TYPE)
            .header("webhook-id", &alert.id)
            .header("webhook-timestamp", &timestamp)
            .header("webhook-signature", signature(&self.key, &alert.id, &timestamp, &body))
            .send(&body);
        let mut answer = answer.map_err(|error| Failure::new(&text(&error)))?;
        // A connection whose answer was read can carry the next alert.
        let _ = answer.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec();
        let status = answer.status();
        if status.is_success() { Ok(()) } else { Err(Failure::new(&format!("it answered {status}"))) }
    }
}

fn agent() -> ureq::Agent {
    let tls = TlsConfig::builder()
        .root_certs(RootCerts::PlatformVerifier)
        .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::ring::default_provider()));
    ureq::Agent::config_builder()
        .tls_config(tls.build())
        .proxy(None)
        .max_redirects(0)
        .max_redirects_will_error(false)
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT_TIME_MAX))
        .timeout_global(Some(CALL_TIME_MAX))
        .user_agent(concat!("rootward/", env!("CARGO_PKG_VERSION")))
        .build()
        .new_agent()
}

/// What went wrong, never with the address in it.
fn text(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address is not one".to_owned(),
        error => error.to_string(),
    }
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of any length")]
fn signature(key: &[u8], id: &str, timestamp: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length");
    mac.update(format!("{id}.{timestamp}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
const CALL_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the specification's reference libraries.
    #[test]
    fn signature_is_the_specified_one() {
        let key = STANDARD.decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        assert_eq!(
            signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", r#"{"test": 2432232314}"#),
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="
        );
    }

    #[test]
    fn error_does_not_repeat_the_address() {
        assert!(!text(&ureq::Error::BadUri("https://example.com/secret".into())).contains("secret"));
    }
}
