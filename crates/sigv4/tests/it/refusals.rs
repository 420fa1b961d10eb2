//! Every refusal, with its code and its words, and which one wins when several apply.

use http::{HeaderMap, HeaderValue};
use rootward_names::Time;
use rootward_sigv4::{Claim, Code, Parts, Refusal};

use crate::signer::{Failure, Request, Signing};

const NOW: u32 = 1_440_938_160; // 2015-08-30T12:36:00Z
const AUTHORIZATION: &str = "AWS4-HMAC-SHA256 Credential=AKID/20150830/us-east-1/iam/aws4_request, \
     SignedHeaders=host;x-amz-date, Signature=00";

/// Headers with `host` and the given ones.
fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("iam.amazonaws.com"));
    for &(name, value) in list {
        headers.append(name, value.parse().unwrap());
    }
    headers
}

/// What reading and scoping for `iam` in `us-east-1` come to: the code and message, `None` for an anonymous
/// request.
fn outcome(query: &str, list: &[(&'static str, &str)]) -> Option<(Code, String)> {
    let headers = headers(list);
    let parts = Parts { method: "POST", path: "/", query, authority: None, headers: &headers };
    let now = Time::from_seconds(NOW.into());
    let scoped = match Claim::read(&parts, now) {
        Ok(claim) => claim?.for_service("iam", |region| region == "us-east-1").map(drop),
        Err(refusal) => Err(refusal),
    };
    Some(scoped.map_or_else(|refusal| (refusal.code(), refusal.to_string()), |()| panic!("accepted")))
}

/// Whether a claim with these headers is refused as incomplete with exactly this message.
#[track_caller]
fn assert_incomplete(list: &[(&'static str, &str)], message: &str) {
    assert_eq!(outcome("", list), Some((Code::IncompleteSignature, message.to_owned())));
}

#[track_caller]
fn assert_does_not_match(query: &str, list: &[(&'static str, &str)], message: &str) {
    assert_eq!(outcome(query, list), Some((Code::SignatureDoesNotMatch, message.to_owned())));
}

#[test]
fn request_without_credentials_claims_nothing() {
    assert_eq!(outcome("Action=GetUser", &[]), None);
    assert_eq!(outcome("X-Amz-Signature=00", &[("authorization", "Bearer abc")]), None);
    assert_eq!(outcome("", &[("authorization", "AWS AKID:c2ln")]), None);
}

#[test]
fn both_forms_at_once_are_refused() {
    assert_does_not_match(
        "X-Amz-Algorithm=AWS4-HMAC-SHA256",
        &[("authorization", AUTHORIZATION)],
        "Found both 'X-Amz-Algorithm' as a query-string param and 'Authorization' as HTTP header.",
    );
    assert!(
        outcome("X%2DAmz-Algorithm=x", &[("authorization", AUTHORIZATION)])
            .unwrap()
            .1
            .starts_with("Found both")
    );
}

#[test]
fn missing_parameters_of_the_header_are_all_named() {
    assert_incomplete(
        &[("authorization", "AWS4-HMAC-SHA256")],
        "Authorization header requires 'Credential' parameter. Authorization header requires 'Signature' parameter. \
         Authorization header requires 'SignedHeaders' parameter. Authorization header requires existence of either a \
         'X-Amz-Date' or a 'Date' header. (Hashed with SHA-256 and encoded with Base64) \
         Authorization=YI2YWea8FSxnksZL2ETHbs5elHm9HQufxTLK0W0ffV0=",
    );
    assert_incomplete(
        &[("authorization", "AWS4-HMAC-SHA256 Credential")],
        "Invalid key=value pair (missing equal-sign) in Authorization header (hashed with SHA-256 and encoded with \
         Base64): 'KfSoC26UaBDGXxo5AUFS45c1cmAbyLKDOxOTKcZYWt4='.",
    );
}

#[test]
fn missing_parameters_of_the_query_are_all_named() {
    let (code, message) = outcome("X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=", &[]).unwrap();
    assert_eq!(code, Code::IncompleteSignature);
    assert_eq!(
        message,
        "AWS query-string parameters must include 'X-Amz-Credential'. AWS query-string parameters must include \
         'X-Amz-Signature'. AWS query-string parameters must include 'X-Amz-SignedHeaders'. Re-examine the query-string \
         parameters."
    );
}

#[test]
fn anything_given_twice_is_refused() {
    let date = ("x-amz-date", "20150830T123600Z");
    let twice = |name: &str| {
        format!("The request signature does not conform to AWS standards. '{name}' is given more than once.")
    };
    assert_incomplete(
        &[date, ("authorization", AUTHORIZATION), ("authorization", AUTHORIZATION)],
        &twice("Authorization"),
    );
    assert_incomplete(&[date, date, ("authorization", AUTHORIZATION)], &twice("X-Amz-Date"));
    let doubled = format!("{AUTHORIZATION},Signature=00");
    assert_incomplete(&[date, ("authorization", &doubled)], &twice("Signature"));
    let token = ("x-amz-security-token", "t");
    assert_incomplete(
        &[date, token, token, ("authorization", AUTHORIZATION)],
        &twice("X-Amz-Security-Token"),
    );
    let query = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20150830T123600Z&X-Amz-Date=20150830T123600Z";
    assert_eq!(outcome(query, &[]).unwrap().1, twice("X-Amz-Date"));
}

#[test]
fn date_in_another_format_is_refused() {
    assert_incomplete(
        &[("x-amz-date", "2015-08-30"), ("authorization", AUTHORIZATION)],
        "Date must be in ISO-8601 'basic format'. Got '2015-08-30'. See http://en.wikipedia.org/wiki/ISO_8601",
    );
}

#[test]
fn clock_too_far_off_is_refused_before_anything_in_the_claim() {
    let broken = "AWS4-X Credential=a, SignedHeaders=B;a, Signature=00";
    assert_does_not_match(
        "",
        &[("x-amz-date", "20150830T122059Z"), ("authorization", broken)],
        "Signature expired: 20150830T122059Z is now earlier than 20150830T122100Z (20150830T123600Z - 15 min.)",
    );
    assert_does_not_match(
        "",
        &[("x-amz-date", "20150830T125101Z"), ("authorization", broken)],
        "Signature not yet current: 20150830T125101Z is still later than 20150830T125100Z (20150830T123600Z + 15 min.)",
    );
}

#[test]
fn clock_off_by_fifteen_minutes_is_accepted() {
    let request = request();
    for seconds in [NOW - 900, NOW + 900] {
        let signed = request.clone().signed(&Signing { seconds, ..signing() }).unwrap();
        assert_eq!(signed.verify(&signing()), Ok(()));
    }
}

#[test]
fn presigned_request_outside_s3_lives_fifteen_minutes_whatever_it_says() {
    let signed = request().signed(&Signing { presigned: true, ..signing() }).unwrap();
    let after = |seconds| signed.verify(&Signing { presigned: true, seconds: NOW + seconds, ..signing() });
    assert_eq!(after(900), Ok(()));
    let Err(Failure::Refused(refusal)) = after(901) else { panic!("accepted") };
    assert_eq!(refusal.code(), Code::SignatureDoesNotMatch);
    assert!(refusal.to_string().starts_with("Signature expired: 20150830T123600Z is now earlier than"));
}

#[test]
fn header_that_must_be_signed_and_is_not_is_named() {
    let date = ("x-amz-date", "20150830T123600Z");
    let with = |list: &str| AUTHORIZATION.replace("host;x-amz-date", list);
    assert_does_not_match(
        "",
        &[date, ("authorization", &with("x-amz-date"))],
        "'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.",
    );
    assert_does_not_match(
        "",
        &[date, ("authorization", &with("host"))],
        "'x-amz-date' must be a 'SignedHeader' in the AWS Authorization.",
    );
    assert_does_not_match(
        "",
        &[date, ("x-amz-security-token", "t"), ("authorization", AUTHORIZATION)],
        "'x-amz-security-token' must be a 'SignedHeader' in the AWS Authorization.",
    );
    for list in ["x-amz-date;host", "host;host;x-amz-date", "Host;x-amz-date"] {
        assert_incomplete(
            &[date, ("authorization", &with(list))],
            "The request signature does not conform to AWS standards. 'SignedHeaders' must name each header once, in lower \
             case and in order.",
        );
    }
}

#[test]
fn unknown_algorithm_is_named() {
    assert_incomplete(
        &[
            ("x-amz-date", "20150830T123600Z"),
            ("authorization", &AUTHORIZATION.replace("AWS4-HMAC-SHA256", "AWS4-ECDSA-P256-SHA256")),
        ],
        "Unsupported AWS 'algorithm': 'AWS4-ECDSA-P256-SHA256' (only AWS4-HMAC-SHA256 for now). ",
    );
}

#[test]
fn credential_of_other_than_five_elements_is_refused() {
    for credential in ["AKID/20150830/us-east-1/iam", "AKID/20150830/us-east-1/iam/aws4_request/"] {
        let authorization = AUTHORIZATION.replace("AKID/20150830/us-east-1/iam/aws4_request", credential);
        assert_incomplete(
            &[("x-amz-date", "20150830T123600Z"), ("authorization", &authorization)],
            &format!(
                "Credential must have exactly 5 slash-delimited elements, e.g. keyid/date/region/service/term, got \
                 '{credential}'"
            ),
        );
    }
}

#[test]
fn every_fault_of_the_scope_is_named() {
    let authorization =
        AUTHORIZATION.replace("20150830/us-east-1/iam/aws4_request", "20150829/mars/s3/aws5_request");
    assert_eq!(
        outcome("", &[("x-amz-date", "20150830T123600Z"), ("x-amz-content-sha256", "x"), ("authorization", &authorization)]),
        Some((
            Code::SignatureDoesNotMatch,
            "Credential should be scoped to a valid region. Credential should be scoped to correct service: 'iam'. \
             Credential should be scoped with a valid terminator: 'aws4_request'. Date in Credential scope does not match \
             YYYYMMDD from ISO-8601 version of date from HTTP."
                .to_owned()
        ))
    );
}

#[test]
fn stated_hash_must_be_that_of_the_body() {
    let stating = |hash: &str| {
        let mut request = request();
        request.headers.push(("x-amz-content-sha256".to_owned(), hash.to_owned()));
        request.signed(&signing()).unwrap().verify(&signing())
    };
    let other = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for hash in [other, "UNSIGNED-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", ""] {
        assert!(matches!(stating(hash), Err(Failure::Refused(Refusal::Mismatch(_)))), "{hash}");
    }
}

#[test]
fn signature_in_upper_case_or_cut_short_is_refused() {
    let signed = request().signed(&signing()).unwrap();
    for change in [
        |s: &str| s.to_uppercase(),
        |s: &str| s[..63].to_owned(),
        |s: &str| format!("{s}0"),
        |_: &str| String::new(),
    ] {
        let mut request = signed.clone();
        let (_, value) = request.headers.iter_mut().find(|(name, _)| name == "authorization").unwrap();
        let at = value.len() - 64;
        let signature = value.split_off(at);
        value.push_str(&change(&signature));
        assert!(matches!(request.verify(&signing()), Err(Failure::Refused(Refusal::Mismatch(_)))));
    }
}

#[test]
fn debug_output_shows_neither_signature_nor_session_token() {
    let headers = headers(&[
        ("x-amz-date", "20150830T123600Z"),
        ("x-amz-security-token", "SECRETTOKEN"),
        ("authorization", &AUTHORIZATION.replace("x-amz-date,", "x-amz-date;x-amz-security-token,")),
    ]);
    let parts = Parts {
        method: "GET",
        path: "/",
        query: "X-Amz-Security-Token=SECRETTOKEN",
        authority: None,
        headers: &headers,
    };
    let claim = Claim::read(&parts, Time::from_seconds(NOW.into())).unwrap().unwrap();
    assert_eq!(claim.session_token(), Some("SECRETTOKEN"));
    let shown = format!("{parts:?} {claim:?}");
    assert!(
        shown.contains("AKID") && !shown.contains("SECRETTOKEN") && !shown.contains("Signature"),
        "{shown}"
    );
}

#[test]
fn plain_date_header_dates_a_request_without_x_amz_date() {
    let request = headers(&[
        ("date", "Sun, 30 Aug 2015 12:36:00 GMT"),
        ("authorization", &AUTHORIZATION.replace("host;x-amz-date", "date;host")),
    ]);
    let parts = Parts { method: "GET", path: "/", query: "", authority: None, headers: &request };
    let claim = Claim::read(&parts, Time::from_seconds(NOW.into())).unwrap().unwrap();
    assert_eq!(claim.time(), Time::from_seconds(NOW.into()));
    assert!(claim.for_service("iam", |_| true).is_ok());
}

#[test]
fn authority_stands_in_for_a_missing_host_header() {
    let mut signed = request().signed(&signing()).unwrap();
    signed.headers.retain(|(name, _)| name != "host");
    let headers: HeaderMap = signed
        .headers
        .iter()
        .map(|(name, value)| (name.parse::<http::HeaderName>().unwrap(), value.parse().unwrap()))
        .collect();
    for (authority, holds) in [(Some("example.com"), true), (Some("example.org"), false), (None, false)] {
        let parts = Parts { method: "POST", path: "/", query: "", authority, headers: &headers };
        let claim = Claim::read(&parts, Time::from_seconds(NOW.into())).unwrap().unwrap();
        let scoped = claim.for_service("iam", |_| true).unwrap();
        let secret = rootward_sigv4::SecretKey::new(signing().secret);
        let key = rootward_sigv4::SigningKey::derive(&secret, scoped.claim().scope());
        assert_eq!(scoped.verify(&signed.body, &key).is_ok(), holds, "{authority:?}");
    }
}

fn request() -> Request {
    Request {
        method: "POST".to_owned(),
        path: "/".to_owned(),
        query: String::new(),
        headers: Vec::new(),
        body: b"Action=GetUser&Version=2010-05-08".to_vec(),
    }
}

fn signing() -> Signing {
    Signing {
        presigned: false,
        checksum_header: false,
        secret: "wJalrXUtnFEMI".to_owned(),
        session_token: Some("token".to_owned()),
        region: "us-east-1".to_owned(),
        service: "iam".to_owned(),
        seconds: NOW,
    }
}
