//! The host that a request is for.

use std::borrow::Cow;

use http::header::HOST;
use http::{HeaderMap, Uri};

/// The host that a request is for, as its client names it, with the port where it names one; none if it names none.
///
/// Over HTTP/2 it is `:authority`, which arrives in `uri`; a request without it has `Host`. Where HTTP/1 has both, the target of the
/// request counts. A client can name any host: nothing follows from it but what a browser or a proof says of the same request.
///
/// Source: RFC 9113, section 8.3.1; RFC 9112, section 3.2.2.
pub fn host<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<Cow<'r, str>> {
    match uri.authority() {
        Some(authority) => Some(authority.as_str().into()),
        // It may hold any bytes: one that is not UTF-8 must not stay off the record.
        None => headers.get(HOST).map(|value| String::from_utf8_lossy(value.as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn authority_counts_and_else_the_header() {
        let named = |uri: &str, header: Option<&'static str>| {
            let headers = header.map(|value| (HOST, value.parse().unwrap())).into_iter().collect();
            host(&uri.parse().unwrap(), &headers).map(Cow::into_owned)
        };
        assert_eq!(named("https://iam.example.com:8443/x", None).as_deref(), Some("iam.example.com:8443"));
        assert_eq!(named("http://one.example/", Some("two.example")).as_deref(), Some("one.example"));
        assert_eq!(named("/x", Some("two.example")).as_deref(), Some("two.example"));
        assert_eq!(named("/x", None), None);
    }
}
