//! Signatures: `aws-sigv4` and the verifier agree about which requests are the same.
//!
//! Two requests are signed with one key. Each verifies under its own signature; under the signature of the other it
//! verifies exactly if both signatures are equal.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;

#[path = "../../crates/sigv4/tests/it/signer.rs"]
mod signer;

use signer::{Request, Signing, escaped};

#[derive(Debug, Clone, Arbitrary)]
struct Input {
    one: Draft,
    other: Draft,
    secret: String,
    session_token: Option<String>,
    presigned: bool,
    checksum_header: bool,
    service: Service,
    seconds: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Arbitrary)]
enum Service {
    Iam,
    S3,
    Sts,
}

/// What of a request the signer can express.
#[derive(Debug, Clone, Arbitrary)]
struct Draft {
    post: bool,
    segments: Vec<String>,
    parameters: Vec<(String, Option<String>)>,
    headers: Vec<(HeaderName, String)>,
    body: Vec<u8>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum HeaderName {
    ContentType,
    Meta,
    Other,
    Target,
    Trace,
}

impl HeaderName {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ContentType => "content-type",
            Self::Meta => "x-amz-meta-a",
            Self::Other => "x-other",
            Self::Target => "x-amz-target",
            Self::Trace => "x-amzn-trace-id",
        }
    }
}

fuzz_target!(|input: Input| {
    let signing = Signing {
        presigned: input.presigned,
        // S3 always states the hash of the body in the header form.
        checksum_header: !input.presigned && (input.checksum_header || input.service == Service::S3),
        secret: input.secret,
        session_token: input
            .session_token
            .map(|token| token.chars().filter(char::is_ascii_alphanumeric).collect()),
        region: "eu-central-1".to_owned(),
        service: match input.service {
            Service::Iam => "iam",
            Service::S3 => "s3",
            Service::Sts => "sts",
        }
        .to_owned(),
        seconds: input.seconds,
    };
    let (one, other) = (input.one.request(), input.other.request());
    let (Some(one), Some(mut other)) = (one.signed(&signing), other.signed(&signing)) else { return };
    assert_eq!(one.verify(&signing), Ok(()), "{one:?}");
    assert_eq!(other.verify(&signing), Ok(()), "{other:?}");

    let (first, second) = (signature(&one, signing.presigned), signature(&other, signing.presigned));
    replace_signature(&mut other, signing.presigned, &first);
    assert_eq!(other.verify(&signing).is_ok(), first == second, "{one:?}\n{other:?}");
});

impl Draft {
    fn request(self) -> Request {
        let path: Vec<String> = self.segments.iter().map(|segment| escaped(segment.as_bytes())).collect();
        let parameters = self.parameters.iter().map(|(name, value)| match value {
            Some(value) => format!("{}={}", escaped(name.as_bytes()), escaped(value.as_bytes())),
            None => escaped(name.as_bytes()),
        });
        Request {
            method: if self.post { "POST" } else { "GET" }.to_owned(),
            path: format!("/{}", path.join("/")),
            // Names of the signature itself would make it another claim, or two.
            query: parameters.filter(|p| !p.starts_with("X-Amz-")).collect::<Vec<_>>().join("&"),
            headers: self
                .headers
                .into_iter()
                .map(|(name, value)| (name.as_str().to_owned(), visible(&value)))
                .collect(),
            body: self.body,
        }
    }
}

/// Printable ASCII with spaces inside: HTTP trims the ends of a value before a verifier sees it.
fn visible(text: &str) -> String {
    let text: String = text.chars().filter(|c| matches!(c, ' '..='~')).collect();
    text.trim().to_owned()
}

/// The last 64 characters of the `Authorization` header or of the query.
fn signature(request: &Request, presigned: bool) -> String {
    let text = if presigned { &request.query } else { &authorization(request).1 };
    text[text.len() - 64..].to_owned()
}

fn replace_signature(request: &mut Request, presigned: bool, signature: &str) {
    let text = if presigned {
        &mut request.query
    } else {
        let place = request.headers.iter_mut().find(|(name, _)| name == "authorization");
        &mut place.expect("signed in the header").1
    };
    let start = text.len() - 64;
    text.replace_range(start.., signature);
}

fn authorization(request: &Request) -> &(String, String) {
    request.headers.iter().find(|(name, _)| name == "authorization").expect("signed in the header")
}
