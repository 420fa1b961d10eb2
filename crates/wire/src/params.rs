//! Form parameters: strict decoding and look-up by dotted prefix.
//!
//! Shape: `Tags.member.1.Key=a` is a path of segments and a text. All parameters are sorted by segments once, so that
//! everything below a prefix is one slice and finding a member is a binary search: decoding costs O(n log n) whatever
//! the request looks like, and allocates nothing for keys.
//!
//! Limits: [`PARAMS_MAX`] parameters, [`SEGMENTS_MAX`] segments in a key. A key that occurs twice is refused: which of
//! the two AWS takes is not documented, and two readers of one signed request must not see two different ones.

use std::borrow::Cow;

use crate::error::{CommonError, Error};
use crate::percent::{self, Plus};

/// Most parameters of one request.
pub const PARAMS_MAX: usize = 10_000;
/// Most dotted segments of one key, which bounds the nesting of the input.
pub const SEGMENTS_MAX: usize = 32;

/// The parameters of one request.
#[derive(Debug)]
pub(crate) struct Params<'a> {
    entries: Vec<(Cow<'a, str>, Cow<'a, str>)>,
}

/// The parameters that share their first `depth` segments.
#[derive(Clone, Copy)]
pub(crate) struct Node<'p> {
    entries: &'p [(Cow<'p, str>, Cow<'p, str>)],
    depth: usize,
}

impl<'a> Params<'a> {
    /// Reads the parameters of a query string and of a form body; either may be empty.
    pub(crate) fn read(query: &'a [u8], body: &'a [u8]) -> Result<Self, Error> {
        let mut entries = Vec::new();
        let pairs = query.split(|byte| *byte == b'&').chain(body.split(|byte| *byte == b'&'));
        for pair in pairs.filter(|pair| !pair.is_empty()) {
            if entries.len() == PARAMS_MAX {
                return Err(Error::malformed(format!("The request has more than {PARAMS_MAX} parameters.")));
            }
            let mut halves = pair.splitn(2, |byte| *byte == b'=');
            let (key, value) = (halves.next().unwrap_or_default(), halves.next().unwrap_or_default());
            let key = decode(key)?;
            if key.split('.').count() > SEGMENTS_MAX {
                return Err(Error::malformed(format!("A parameter has more than {SEGMENTS_MAX} segments.")));
            }
            entries.push((key, decode(value)?));
        }
        entries.sort_by(|(a, _), (b, _)| a.split('.').cmp(b.split('.')));
        match entries.iter().zip(entries.iter().skip(1)).find(|((a, _), (b, _))| a == b) {
            Some(((key, _), _)) => Err(Error::malformed(format!("Duplicate parameter {}.", shortened(key)))),
            None => Ok(Self { entries }),
        }
    }

    /// The value of the parameter with exactly this key.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        let found = self.entries.binary_search_by(|(name, _)| name.split('.').cmp(key.split('.'))).ok()?;
        self.entries.get(found).map(|(_, value)| value.as_ref())
    }

    /// All parameters.
    pub(crate) fn root(&self) -> Node<'_> {
        Node { entries: &self.entries, depth: 0 }
    }
}

impl<'p> Node<'p> {
    pub(crate) fn is_empty(self) -> bool {
        self.entries.is_empty()
    }

    /// The parameters below the segment `name`.
    pub(crate) fn child(self, name: &str) -> Self {
        // Entries that end before this depth come first and compare as `None`, less than every segment.
        let start = self.entries.partition_point(|(key, _)| segment(key, self.depth) < Some(name));
        let from = self.entries.get(start..).unwrap_or_default();
        let end = from.partition_point(|(key, _)| segment(key, self.depth) == Some(name));
        Self { entries: from.get(..end).unwrap_or_default(), depth: self.depth + 1 }
    }

    /// The value of the parameter that ends here.
    pub(crate) fn text(self) -> Option<&'p str> {
        let (key, value) = self.entries.first()?;
        segment(key, self.depth).is_none().then_some(value.as_ref())
    }

    /// The numbered children, in the order of their numbers.
    ///
    /// Gaps close up. Numbers start at one and are written without leading zeros; anything else is refused.
    pub(crate) fn numbered(self) -> Result<Vec<Self>, Error> {
        let mut rest = self.entries;
        let mut found = Vec::new();
        while let Some((key, _)) = rest.first() {
            let Some(name) = segment(key, self.depth) else {
                rest = rest.get(1..).unwrap_or_default();
                continue;
            };
            let child = Self { entries: rest, depth: self.depth }.child(name);
            found.push((number(name).ok_or_else(|| self.not_a_number(key))?, child));
            rest = rest.get(child.entries.len()..).unwrap_or_default();
        }
        found.sort_by_key(|(number, _)| *number);
        Ok(found.into_iter().map(|(_, child)| child).collect())
    }

    fn not_a_number(self, key: &str) -> Error {
        Error::malformed(format!("Parameter {} has no list index from 1 to {PARAMS_MAX}.", shortened(key)))
    }
}

/// The key of a list entry: what is not canonical could name one entry twice.
fn number(text: &str) -> Option<usize> {
    let canonical = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|number| canonical && *number <= PARAMS_MAX)
}

fn segment(key: &str, depth: usize) -> Option<&str> {
    key.split('.').nth(depth)
}

/// A key as messages show it: at most 128 characters.
pub(crate) fn shortened(text: &str) -> String {
    text.chars().take(128).collect()
}

/// The text of a key or value.
fn decode(bytes: &[u8]) -> Result<Cow<'_, str>, Error> {
    percent::decode(bytes, Plus::Space).map_err(|broken| {
        CommonError::MalformedQueryString.with(format!("The query string contains {broken}."))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(body: &str) -> Result<Params<'_>, Error> {
        Params::read(b"", body.as_bytes())
    }

    fn code(body: &[u8]) -> String {
        Params::read(b"", body).unwrap_err().code.into_owned()
    }

    #[test]
    fn plus_and_escapes_decode() {
        let params = params("A=a+b%2Bc%C3%A9&B").unwrap();
        assert_eq!(params.get("A"), Some("a b+cé"));
        assert_eq!(params.get("B"), Some(""));
        assert_eq!(params.get("C"), None);
    }

    #[test]
    fn broken_escape_or_encoding_is_refused() {
        for body in [&b"A=%"[..], b"A=%4", b"A=%zz", b"A=%+1", b"A=%ff", b"\xff=1", b"A=\xc3"] {
            assert_eq!(code(body), "MalformedQueryString", "{}", body.escape_ascii());
        }
    }

    #[test]
    fn duplicate_key_is_refused_within_and_across_query_and_body() {
        assert_eq!(code(b"A=1&B=2&A=1"), "MalformedInput");
        assert_eq!(Params::read(b"A=1", b"%41=2").unwrap_err().message, "Duplicate parameter A.");
    }

    #[test]
    fn too_many_parameters_or_segments_are_refused() {
        let many: String = (0..=PARAMS_MAX).map(|at| format!("K{at}=&")).collect();
        assert_eq!(code(many.as_bytes()), "MalformedInput");
        let deep = "a.".repeat(SEGMENTS_MAX) + "a=1";
        assert_eq!(code(deep.as_bytes()), "MalformedInput");
    }

    #[test]
    fn numbered_children_come_in_numeric_order_and_gaps_close() {
        let params = params("T.10=c&T.2=b&T.1.x=a&S=1&T=").unwrap();
        let children = params.root().child("T").numbered().unwrap();
        assert_eq!(children.len(), 3);
        assert_eq!(children[0].child("x").text(), Some("a"));
        assert_eq!(children[1].text(), Some("b"));
        assert_eq!(children[2].text(), Some("c"));
    }

    #[test]
    fn index_that_is_no_canonical_number_is_refused() {
        for key in ["T.", "T.0", "T.01", "T.-1", "T.+1", "T.x", "T.10001", "T.99999999999999999999"] {
            let escaped = key.replace('+', "%2B");
            let params = params(&escaped).unwrap();
            assert!(params.root().child("T").numbered().is_err(), "{key}");
        }
    }

    #[test]
    fn child_takes_only_whole_segments() {
        let params = params("Ab=1&A=2&A.x=3&A-=4").unwrap();
        let node = params.root().child("A");
        assert_eq!(node.text(), Some("2"));
        assert_eq!(node.child("x").text(), Some("3"));
        assert!(node.child("y").is_empty());
    }
}
