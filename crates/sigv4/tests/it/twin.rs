//! Whatever the independent signer signs verifies; whatever is changed afterwards does not.

use proptest::{prelude::*, sample};

use crate::signer::{Request, Signing, escaped};

/// One change to one thing that the signature covers.
#[derive(Debug, Clone)]
enum Mutation {
    AppendToBody(u8),
    AppendToPath,
    AppendToParameter(sample::Index),
    DropHeader(sample::Index),
    DropParameter(sample::Index),
    ExtendHeader(sample::Index),
    InsertHeader,
    InsertParameter,
    Method,
    RepeatHeader(sample::Index),
    Secret,
    Signature(sample::Index),
    Time,
}

impl Mutation {
    /// The changed request; `None` when there is nothing of the kind to change.
    fn applied(&self, to: &Request, signing: &mut Signing) -> Option<Request> {
        let mut request = to.clone();
        let Request { method, path, query, headers, body } = &mut request;
        let mut parameters: Vec<String> =
            query.split('&').filter(|p| !p.is_empty()).map(str::to_owned).collect();
        let covered: Vec<usize> = (0..headers.len()).filter(|&at| is_covered(&headers[at].0)).collect();
        match self {
            Self::AppendToBody(byte) => body.push(*byte),
            Self::AppendToPath => path.push('x'),
            Self::AppendToParameter(at) if !parameters.is_empty() => at.get_mut(&mut parameters).push('x'),
            Self::DropHeader(at) => drop(headers.remove(*at.get(&covered))),
            Self::DropParameter(at) if !parameters.is_empty() => {
                drop(parameters.remove(at.index(parameters.len())));
            }
            Self::ExtendHeader(at) => headers[*at.get(&covered)].1.push('x'),
            Self::InsertHeader => headers.push(("x-amz-added".to_owned(), String::new())),
            Self::InsertParameter => parameters.push("added".to_owned()),
            Self::Method => method.push('X'),
            Self::RepeatHeader(at) => headers.push(headers[*at.get(&covered)].clone()),
            Self::Secret => signing.secret.push('x'),
            Self::Signature(at) => change_signature(headers, &mut parameters, at)?,
            Self::Time => change_time(headers, &mut parameters)?,
            Self::AppendToParameter(_) | Self::DropParameter(_) => return None,
        }
        *query = parameters.join("&");
        Some(request)
    }
}

/// Signers leave these out.
fn is_covered(name: &str) -> bool {
    !["authorization", "user-agent", "x-amzn-trace-id"].contains(&name)
}

/// Replaces one digit of the signature.
fn change_signature(
    headers: &mut [(String, String)],
    parameters: &mut [String],
    at: &sample::Index,
) -> Option<()> {
    let header = headers.iter_mut().find(|(name, _)| name == "authorization").map(|(_, value)| value);
    let text = header.or_else(|| parameters.iter_mut().find(|p| p.starts_with("X-Amz-Signature=")))?;
    let place = text.len() - 64 + at.index(64);
    let digit = if text.as_bytes()[place] == b'0' { "1" } else { "0" };
    text.replace_range(place..=place, digit);
    Some(())
}

/// Moves the time of the request by one to eight seconds.
fn change_time(headers: &mut [(String, String)], parameters: &mut [String]) -> Option<()> {
    let header = headers.iter_mut().find(|(name, _)| name == "x-amz-date").map(|(_, value)| value);
    let text = header.or_else(|| parameters.iter_mut().find(|p| p.starts_with("X-Amz-Date=")))?;
    let place = text.len() - 2;
    let digit = if text.as_bytes()[place] == b'1' { "2" } else { "1" };
    text.replace_range(place..=place, digit);
    Some(())
}

fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<sample::Index>;
    prop_oneof![
        any::<u8>().prop_map(Mutation::AppendToBody),
        Just(Mutation::AppendToPath),
        at().prop_map(Mutation::AppendToParameter),
        at().prop_map(Mutation::DropHeader),
        at().prop_map(Mutation::DropParameter),
        at().prop_map(Mutation::ExtendHeader),
        Just(Mutation::InsertHeader),
        Just(Mutation::InsertParameter),
        Just(Mutation::Method),
        at().prop_map(Mutation::RepeatHeader),
        Just(Mutation::Secret),
        at().prop_map(Mutation::Signature),
        Just(Mutation::Time),
    ]
}

/// Raw paths; those of S3 in the one spelling that its signers produce.
fn path(service: &str) -> BoxedStrategy<String> {
    let segment = if service == "s3" {
        "([a-zA-Z0-9_~.-]|%2B|%20|%E1%88%B4|%25){0,6}"
    } else {
        r"([a-zA-Z0-9_~.!$&'()*+,;=:@-]|%2[Ff0]|%E1%88%B4|%25|%2e){0,6}|\.|\.\."
    };
    prop::collection::vec(segment, 0..5).prop_map(|segments| format!("/{}", segments.join("/"))).boxed()
}

/// Raw queries: with and without values, escaped and plain, with names that begin alike.
fn query() -> impl Strategy<Value = String> {
    let text = prop_oneof![
        "[a-zA-Z0-9_.~-]{0,4}",
        "\\PC{0,4}".prop_map(|text| escaped(text.as_bytes())),
        "[a+%20]{0,4}".prop_map(|text| text.replace('%', "%2B")),
    ];
    let parameter = (text.clone(), prop::option::of(text)).prop_map(|(name, value)| match value {
        Some(value) => format!("{name}={value}"),
        None => name,
    });
    prop::collection::vec(parameter, 0..6).prop_map(|parameters| parameters.join("&"))
}

fn headers() -> impl Strategy<Value = Vec<(String, String)>> {
    let name = prop_oneof![
        Just("content-type"),
        Just("user-agent"),
        Just("x-amz-meta-a"),
        Just("x-amz-target"),
        Just("x-amzn-trace-id"),
        Just("x-other"),
    ];
    let value = "[!-~]{0,6}( {0,3}[!-~]{1,6}){0,3}";
    prop::collection::vec((name.prop_map(str::to_owned), value), 0..5)
}

fn case() -> impl Strategy<Value = (Request, Signing)> {
    let service = prop_oneof![3 => Just("iam"), 3 => Just("sts"), 2 => Just("s3")];
    let signing = (
        any::<bool>(),
        any::<bool>(),
        "[!-~]{1,64}",
        prop::option::of("[A-Za-z0-9/+=]{1,64}"),
        any::<u32>(),
        service,
    )
        .prop_map(|(presigned, checksum_header, secret, session_token, seconds, service)| Signing {
            presigned,
            // S3 always states the hash of the body in the header form, and never in the other.
            checksum_header: if service == "s3" { !presigned } else { checksum_header && !presigned },
            secret,
            session_token,
            region: "eu-central-1".to_owned(),
            service: service.to_owned(),
            seconds,
        });
    signing.prop_flat_map(|signing| {
        let method = prop_oneof![Just("GET"), Just("POST"), Just("PUT"), Just("DELETE")];
        let body = prop::collection::vec(any::<u8>(), 0..80);
        (method, path(&signing.service), query(), headers(), body).prop_map(
            move |(method, path, query, headers, body)| {
                let request = Request { method: method.to_owned(), path, query, headers, body };
                (request, signing.clone())
            },
        )
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1024))]

    #[test]
    fn what_the_signer_signs_verifies((request, signing) in case()) {
        let signed = request.signed(&signing).expect("signable");
        prop_assert_eq!(signed.verify(&signing), Ok(()));
    }

    #[test]
    fn what_is_changed_afterwards_is_refused((request, signing) in case(), mutation in mutation()) {
        // S3 leaves the body of a presigned request unsigned.
        prop_assume!(!(signing.presigned && signing.service == "s3" && matches!(mutation, Mutation::AppendToBody(_))));
        let signed = request.signed(&signing).expect("signable");
        let mut verifying = signing.clone();
        let changed = mutation.applied(&signed, &mut verifying);
        prop_assume!(changed.is_some());
        prop_assert!(changed.unwrap().verify(&verifying).is_err());
    }
}
