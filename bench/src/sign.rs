//! Signature Version 4 for one service call: turns a call's parameters into the bytes of one signed HTTP request.
//!
//! Written for load, not for the world: always `POST /`, form-encoded, the same four headers signed. A request carries an
//! invocation id of its own, as the SDKs send, so no two of them have the same signature. Servers take a signature for
//! 15 minutes, so everything is signed before the clock starts and the sender only writes bytes.
//!
//! Source: IAM User Guide, "Create a signed AWS API request".

use std::fmt::Write as _;

use hmac::{Hmac, KeyInit, Mac};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::Failure;

/// An access key, as `CreateAccessKey` and `rootward account create` print it. No `Debug`: the secret stays unprinted.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct AccessKey {
    access_key_id: String,
    secret_access_key: String,
}

/// One service in one region at one time, ready to sign.
pub struct Signer {
    access_key_id: String,
    key: [u8; 32],
    scope: String,
    time: String,
    host: String,
}

impl Signer {
    /// Derives the key of the day. `seconds` is Unix time, `host` what the `Host` header says.
    ///
    /// # Errors
    /// Only if `seconds` is not a time of this era.
    pub fn new(
        key: &AccessKey,
        service: &str,
        region: &str,
        host: &str,
        seconds: u64,
    ) -> Result<Self, Failure> {
        let time = amz_time(seconds)?;
        let date = time.split('T').next().unwrap_or_default();
        let mut derived = mac(format!("AWS4{}", key.secret_access_key).as_bytes(), date)?;
        for step in [region, service, "aws4_request"] {
            derived = mac(&derived, step)?;
        }
        Ok(Self {
            access_key_id: key.access_key_id.clone(),
            key: derived,
            scope: format!("{date}/{region}/{service}/aws4_request"),
            host: host.to_owned(),
            time,
        })
    }

    /// One whole HTTP/1.1 request for `body`; `number` tells it from the others.
    ///
    /// # Errors
    /// Never in practice: a MAC takes a key of any length.
    pub fn request(&self, body: &str, number: u64) -> Result<Vec<u8>, Failure> {
        let Self { host, time, scope, access_key_id, .. } = self;
        let invocation = format!("00000000-0000-4000-8000-{number:012x}");
        let canonical = format!(
            "POST\n/\n\namz-sdk-invocation-id:{invocation}\ncontent-type:{CONTENT_TYPE}\nhost:{host}\nx-amz-date:{time}\n\n\
             {SIGNED_HEADERS}\n{}",
            hex(&Sha256::digest(body))
        );
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let signature = hex(&mac(&self.key, &to_sign)?);
        Ok(format!(
            "POST / HTTP/1.1\r\n\
             Host: {host}\r\n\
             Accept-Encoding: identity\r\n\
             User-Agent: rootward-bench/0.1\r\n\
             Content-Type: {CONTENT_TYPE}\r\n\
             X-Amz-Date: {time}\r\n\
             amz-sdk-invocation-id: {invocation}\r\n\
             Authorization: AWS4-HMAC-SHA256 Credential={access_key_id}/{scope}, SignedHeaders={SIGNED_HEADERS}, \
             Signature={signature}\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes())
    }
}

/// `name=value` pairs as a form body.
pub fn form<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let mut body = String::new();
    for (name, value) in pairs {
        let separator = if body.is_empty() { "" } else { "&" };
        let (name, value) = (utf8_percent_encode(name, RESERVED), utf8_percent_encode(value, RESERVED));
        // Writing to a string cannot fail.
        let _ = write!(body, "{separator}{name}={value}");
    }
    body
}

fn mac(key: &[u8], text: &str) -> Result<[u8; 32], Failure> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key)?;
    mac.update(text.as_bytes());
    Ok(mac.finalize().into_bytes().into())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// `20260102T030405Z`. The civil date is found by stepping over years and months: cheap enough for once a run.
fn amz_time(seconds: u64) -> Result<String, Failure> {
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let mut year = 1970u64;
    while days >= 365 + leap(year) {
        days -= 365 + leap(year);
        year += 1;
        if year > 9999 {
            return Err("the clock is beyond the year 9999".into());
        }
    }
    let mut month = 1;
    for length in [31, 28 + leap(year), 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    let (day, hour, minute, second) = (days + 1, second / 3600, second / 60 % 60, second % 60);
    Ok(format!("{year:04}{month:02}{day:02}T{hour:02}{minute:02}{second:02}Z"))
}

fn leap(year: u64) -> u64 {
    u64::from(year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)))
}

const CONTENT_TYPE: &str = "application/x-www-form-urlencoded; charset=utf-8";
const SIGNED_HEADERS: &str = "amz-sdk-invocation-id;content-type;host;x-amz-date";
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_seconds_become_the_civil_time() {
        for (seconds, time) in [
            (0, "19700101T000000Z"),
            (951_782_400, "20000229T000000Z"),
            (1_709_251_199, "20240229T235959Z"),
            (1_798_761_599, "20261231T235959Z"),
            (1_440_938_160, "20150830T123600Z"),
        ] {
            assert_eq!(amz_time(seconds).unwrap(), time);
        }
    }

    // The key of the documentation's example, "Examples of how to derive a signing key".
    #[test]
    fn signing_key_of_the_documented_example() {
        let key = AccessKey {
            access_key_id: "AKIDEXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned(),
        };
        let signer = Signer::new(&key, "iam", "us-east-1", "iam.amazonaws.com", 1_440_938_160).unwrap();
        assert_eq!(hex(&signer.key), "c4afb1cc5771d871763a393e44b703571b55cc28424d1a5e86da6ed3c154a4b9");
    }

    #[test]
    fn form_escapes_what_is_reserved() {
        assert_eq!(
            form([("Action", "GetUser"), ("UserName", "a b/é")]),
            "Action=GetUser&UserName=a%20b%2F%C3%A9"
        );
    }
}
