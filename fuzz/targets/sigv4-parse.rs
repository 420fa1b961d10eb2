//! Signatures: whatever a request claims, reading the claim never panics, and no signature verifies under a key
//! that did not make it.
#![no_main]

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use rootward_names::Time;
use rootward_sigv4::{Claim, Parts, Refusal, SecretKey, SigningKey};

fuzz_target!(|bytes: &[u8]| {
    let Some(request) = Request::of(bytes) else { return };
    let parts = Parts {
        method: request.method,
        path: request.path,
        query: request.query,
        authority: Some("example.com"),
        headers: &request.headers,
    };
    // The day and hour of the seeds: most inputs should come past the time window.
    let now = Time::from_seconds(1_440_938_160);
    let scoped = match Claim::read(&parts, now) {
        Ok(None) => return,
        Ok(Some(claim)) => {
            let service = claim.scope().service().to_owned();
            claim.for_service(&service, |_| true)
        }
        Err(refusal) => Err(refusal),
    };
    match scoped.and_then(|scoped| {
        let key = SigningKey::derive(&SecretKey::new("nobody signed with this"), scoped.claim().scope());
        scoped.verify(request.body, &key)
    }) {
        Ok(verified) => panic!("verified: {verified:?}"),
        Err(refusal) => shown(&refusal),
    }
});

/// Every refusal has words; those for the log never quote the canonical request.
fn shown(refusal: &Refusal) {
    assert!(!refusal.to_string().is_empty() && !refusal.code().as_str().is_empty());
    assert!(!refusal.summary().contains("The Canonical String"));
}

/// An HTTP/1.1 request, read as loosely as it takes to let odd ones through.
struct Request<'a> {
    method: &'a str,
    path: &'a str,
    query: &'a str,
    headers: HeaderMap,
    body: &'a [u8],
}

impl<'a> Request<'a> {
    fn of(bytes: &'a [u8]) -> Option<Self> {
        let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
        let (head, body) = bytes.split_at(end);
        let mut lines = head.split(|&b| b == b'\n');
        let line = std::str::from_utf8(lines.next()?).ok()?;
        let (method, target) = line.split_once(' ')?;
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let mut headers = HeaderMap::new();
        for line in lines {
            let colon = line.iter().position(|&b| b == b':')?;
            let (name, value) = line.split_at(colon);
            headers.append(HeaderName::from_bytes(name).ok()?, HeaderValue::from_bytes(&value[1..]).ok()?);
        }
        Some(Self { method, path, query, headers, body: body.get(2..).unwrap_or_default() })
    }
}
