//! The canonical request: one byte string for all spellings of the same request.
//!
//! Shape: method, path, query, one line for each signed header, an empty line, the signed header names, the
//! payload hash.
//! Path: dots and doubled slashes resolved, then escaped once more, so that an escape on the wire appears
//! doubly escaped; for S3 the path is unescaped and escaped once, and nothing is resolved, since `a/../b` and
//! `a//b` are keys of objects.
//! Query: every parameter unescaped and escaped anew, sorted by escaped name, then by escaped value.
//! Headers: values of one name joined by commas, in wire order, each with its ends trimmed and its inner
//! blanks folded.

use http::HeaderMap;

use crate::{
    claim::{Dialect, Parts},
    query,
};

/// Writes the canonical request. `presigned` leaves the parameter `X-Amz-Signature` out.
pub(crate) fn request(
    parts: &Parts<'_>,
    dialect: Dialect,
    presigned: bool,
    signed_headers: &str,
    payload_hash: &[u8],
) -> Vec<u8> {
    let mut out = Vec::with_capacity(256 + 2 * (parts.path.len() + parts.query.len()) + signed_headers.len());
    out.extend_from_slice(parts.method.as_bytes());
    out.push(b'\n');
    path(&mut out, parts.path, dialect);
    out.push(b'\n');
    parameters(&mut out, parts.query, presigned);
    out.push(b'\n');
    for name in signed_headers.split(';') {
        header(&mut out, parts, name);
    }
    out.push(b'\n');
    out.extend_from_slice(signed_headers.as_bytes());
    out.push(b'\n');
    out.extend_from_slice(payload_hash);
    out
}

fn path(out: &mut Vec<u8>, path: &str, dialect: Dialect) {
    match dialect {
        Dialect::Common => resolved(path, |text| text.bytes().for_each(|b| escape(out, b, b"/"))),
        Dialect::S3 if path.is_empty() => out.push(b'/'),
        Dialect::S3 => literal(out, path),
    }
}

/// Appends the path with each segment escaped anew. An escaped slash stays escaped: signers take it as written.
fn literal(out: &mut Vec<u8>, path: &str) {
    for (index, segment) in path.split('/').enumerate() {
        if index > 0 {
            out.push(b'/');
        }
        query::unescaped_path(segment).for_each(|b| escape(out, b, b""));
    }
}

/// Feeds `write` the absolute path without `.` and `..` segments and without doubled slashes. Never climbs
/// above the root.
fn resolved(path: &str, mut write: impl FnMut(&str)) {
    let mut kept = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => drop(kept.pop()),
            name => kept.push(name),
        }
    }
    for segment in &kept {
        write("/");
        write(segment);
    }
    if kept.is_empty() || matches!(path.rsplit('/').next(), Some("" | "." | "..")) {
        write("/");
    }
}

fn parameters(out: &mut Vec<u8>, raw: &str, presigned: bool) {
    if raw.is_empty() {
        return;
    }
    let mut pairs: Vec<(Vec<u8>, Vec<u8>)> = query::parameters(raw)
        .filter(|(name, _)| !(presigned && query::is_name(name, "X-Amz-Signature")))
        .map(|(name, value)| (escaped(name), escaped(value)))
        .collect();
    // Names before values: comparing `name=value` whole would put `a-b=` before `a=`.
    pairs.sort_unstable();
    for (index, (name, value)) in pairs.iter().enumerate() {
        if index > 0 {
            out.push(b'&');
        }
        out.extend_from_slice(name);
        out.push(b'=');
        out.extend_from_slice(value);
    }
}

fn escaped(raw: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    query::unescaped(raw).for_each(|b| escape(&mut out, b, b""));
    out
}

/// Appends `byte`, escaped unless RFC 3986 calls it unreserved or `kept` holds it.
fn escape(out: &mut Vec<u8>, byte: u8, kept: &[u8]) {
    if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || kept.contains(&byte) {
        out.push(byte);
    } else {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + nibble - 10 };
        out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 15)]);
    }
}

/// Appends the line of one signed header. A header that the request lacks has no line, unlike one with an
/// empty value: removing an empty header must not go unnoticed.
fn header(out: &mut Vec<u8>, parts: &Parts<'_>, name: &str) {
    let mut values = values(parts.headers, name).peekable();
    if values.peek().is_none() {
        // HTTP/2 carries the host outside the headers.
        if name == "host"
            && let Some(authority) = parts.authority
        {
            line(out, name, std::iter::once(authority.as_bytes()));
        }
    } else {
        line(out, name, values);
    }
}

fn values<'a>(headers: &'a HeaderMap, name: &str) -> impl Iterator<Item = &'a [u8]> {
    headers.get_all(name).iter().map(http::HeaderValue::as_bytes)
}

fn line<'a>(out: &mut Vec<u8>, name: &str, values: impl Iterator<Item = &'a [u8]>) {
    out.extend_from_slice(name.as_bytes());
    for (index, value) in values.enumerate() {
        out.push(if index == 0 { b':' } else { b',' });
        folded(out, value);
    }
    out.push(b'\n');
}

// DIFFERENCE: signers disagree on tabs. botocore and the Java SDK fold them like spaces, as done here;
// aws-sigv4 for Rust keeps them. A tab inside a header value is rare enough to leave it there.
fn folded(out: &mut Vec<u8>, value: &[u8]) {
    let words = value.split(|b| matches!(b, b' ' | b'\t')).filter(|word| !word.is_empty());
    for (index, word) in words.enumerate() {
        if index > 0 {
            out.push(b' ');
        }
        out.extend_from_slice(word);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::*;

    fn canonical_path(raw: &str, dialect: Dialect) -> String {
        let mut out = Vec::new();
        path(&mut out, raw, dialect);
        String::from_utf8(out).unwrap()
    }

    fn canonical_query(raw: &str) -> String {
        let mut out = Vec::new();
        parameters(&mut out, raw, true);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn common_path_is_resolved_and_escaped_once_more() {
        for (raw, canonical) in [
            ("", "/"),
            ("/", "/"),
            ("//", "/"),
            ("/./example/", "/example/"),
            ("/a/b/../..", "/"),
            ("/a/b/..", "/a/"),
            ("/a/.", "/a/"),
            ("/../..", "/"),
            ("//example//", "/example/"),
            ("/a%20b", "/a%2520b"),
            ("/%2e%2E/x", "/%252e%252E/x"),
            ("/example space/", "/example%20space/"),
            ("/ሴ", "/%E1%88%B4"),
            ("/a~b-c.d_e", "/a~b-c.d_e"),
        ] {
            assert_eq!(canonical_path(raw, Dialect::Common), canonical, "{raw}");
        }
    }

    #[test]
    fn s3_path_is_kept_and_escaped_once() {
        for (raw, canonical) in [
            ("", "/"),
            ("/a//b/../c", "/a//b/../c"),
            ("/a%20b", "/a%20b"),
            ("/a+b", "/a%2Bb"),
            ("/%7e%2f", "/~%2F"),
        ] {
            assert_eq!(canonical_path(raw, Dialect::S3), canonical, "{raw}");
        }
    }

    #[test]
    fn parameters_are_sorted_by_escaped_name_then_value() {
        for (raw, canonical) in [
            ("b=2&a=1", "a=1&b=2"),
            ("a=b&a=a&a", "a=&a=a&a=b"),
            ("a=1&a-b=1", "a=1&a-b=1"),
            ("%E1%88%B4=x&~=y", "%E1%88%B4=x&~=y"),
            ("x=a+b&y=a%2Bb", "x=a%20b&y=a%2Bb"),
            ("x=%zz", "x=%25zz"),
            ("X-Amz-Signature=1&a=1&X%2DAmz-Signature=2", "a=1"),
        ] {
            assert_eq!(canonical_query(raw), canonical, "{raw}");
        }
    }

    #[test]
    fn header_values_are_trimmed_folded_and_joined() {
        let mut headers = HeaderMap::new();
        headers.append("my-header", HeaderValue::from_static("  a   b\t\tc "));
        headers.append("my-header", HeaderValue::from_static("\"d  e\""));
        headers.append("empty", HeaderValue::from_static(""));
        headers.append("octets", HeaderValue::from_bytes(b"\xff").unwrap());
        let parts = Parts { method: "GET", path: "/", query: "", authority: Some("host"), headers: &headers };
        let request = request(&parts, Dialect::Common, false, "absent;empty;host;my-header;octets", b"hash");
        assert_eq!(
            request,
            b"GET\n/\n\nempty:\nhost:host\nmy-header:a b c,\"d e\"\noctets:\xff\n\nabsent;empty;host;my-header;octets\nhash"
        );
    }
}
