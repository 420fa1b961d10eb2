//! Routes of the REST protocols: from method, path and query string to an operation, by the templates of the models.
//!
//! Shape of a template: `/v1/things/{Id}`, `/{Bucket}/{Key+}?list-type=2`. A label takes one segment that is not empty, a
//! greedy label one or more; parameters that the template names must be in the query string with just that value.
//!
//! Of several templates that match, one of the service in the signing scope comes first, then the more specific one:
//! text before label before greedy label, segment by segment, then the one that names more parameters.
//!
//! A path with a `.`, `..` or empty segment matches nothing: signers resolve them, so that one signature holds for many
//! such paths, and the path that is acted upon must be the one that was signed.
//!
//! Source: Smithy, "HTTP bindings".

use std::borrow::Cow;
use std::cmp::Reverse;

use crate::percent::{self, Plus};
use crate::{HttpRequest, OperationSchema, Protocol, ServiceSchema};

/// An operation with what the labels of its template stand for.
pub(crate) struct Route<'a> {
    pub(crate) operation: &'static OperationSchema,
    pub(crate) labels: Labels<'a>,
}

/// Label and text as received, still escaped.
pub(crate) type Labels<'a> = Vec<(&'static str, Cow<'a, str>)>;

impl<'a> Route<'a> {
    /// The operation of a REST service that `request` calls.
    pub(crate) fn find(request: &HttpRequest<'a>, services: &[&'static ServiceSchema]) -> Option<Self> {
        let segments: Vec<&str> = request.path.strip_prefix('/')?.split('/').collect();
        if is_ambiguous(&segments) {
            return None;
        }
        let spoken = services.iter().filter(|service| service.protocols.contains(&Protocol::RestJson));
        let operations = spoken.flat_map(|service| service.operations.iter().copied());
        let found =
            operations.filter(|operation| operation.http.0 == request.method).filter_map(|operation| {
                let (labels, rank) = matched(operation.http.1, &segments, request.query)?;
                let is_signed_for = request.scope == Some(operation.service.name);
                Some(((is_signed_for, rank), Self { operation, labels }))
            });
        // Of equals, the first.
        found.min_by(|(a, _), (b, _)| Reverse(a).cmp(&Reverse(b))).map(|(_, route)| route)
    }
}

fn is_ambiguous(segments: &[&str]) -> bool {
    let dots = |segment: &&str| matches!(*segment, "." | "..");
    match segments.split_last() {
        Some((last, before)) => {
            dots(last) || before.iter().any(|segment| dots(segment) || segment.is_empty())
        }
        None => true,
    }
}

/// What a segment of a template is, from the least specific.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Part {
    Greedy,
    Label,
    Text,
}

/// How specific a template is: greater is more so.
type Rank = (Vec<Part>, usize);

fn matched<'a>(template: &'static str, segments: &[&'a str], query: &str) -> Option<(Labels<'a>, Rank)> {
    let (path, parameters) = template.split_once('?').unwrap_or((template, ""));
    let wanted = parameters.split('&').filter(|parameter| !parameter.is_empty());
    if !wanted.clone().all(|parameter| query.split('&').any(|given| is_same(given, parameter))) {
        return None;
    }
    let mut rank = (Vec::new(), wanted.count());
    let mut labels = Vec::new();
    let mut rest = segments;
    let mut pattern = path.strip_prefix('/')?.split('/');
    while let Some(part) = pattern.next() {
        let (kind, name) = read(part);
        let take = if kind == Part::Greedy { rest.len().checked_sub(pattern.clone().count())? } else { 1 };
        let (taken, left) = rest.split_at_checked(take)?;
        match (&kind, taken) {
            (Part::Text, [segment]) => (decoded(segment)? == part).then_some(())?,
            (_, [segment]) if !segment.is_empty() => labels.push((name, Cow::Borrowed(*segment))),
            (_, [_, .., last]) if !last.is_empty() => labels.push((name, Cow::Owned(taken.join("/")))),
            _ => return None,
        }
        rank.0.push(kind);
        rest = left;
    }
    rest.is_empty().then_some((labels, rank))
}

/// Kind and name of a segment: `{Id}` is a label, `{Key+}` a greedy one.
fn read(part: &'static str) -> (Part, &'static str) {
    match part.strip_prefix('{').and_then(|inner| inner.strip_suffix('}')) {
        Some(name) => match name.strip_suffix('+') {
            Some(name) => (Part::Greedy, name),
            None => (Part::Label, name),
        },
        None => (Part::Text, part),
    }
}

/// Whether an escaped parameter is the one of a template.
fn is_same(given: &str, wanted: &str) -> bool {
    let halves = |text| str::split_once(text, '=').unwrap_or((text, ""));
    let ((name, value), (wanted_name, wanted_value)) = (halves(given), halves(wanted));
    let is = |raw: &str, text: &str| {
        percent::decode(raw.as_bytes(), Plus::Space).is_ok_and(|decoded| decoded == text)
    };
    is(name, wanted_name) && is(value, wanted_value)
}

fn decoded(segment: &str) -> Option<Cow<'_, str>> {
    percent::decode(segment.as_bytes(), Plus::Itself).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(template: &'static str, path: &str) -> Option<String> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap().split('/').collect();
        if is_ambiguous(&segments) {
            return None;
        }
        let (labels, _) = matched(template, &segments, "")?;
        Some(labels.iter().map(|(name, text)| format!("{name}={text}")).collect::<Vec<_>>().join(" "))
    }

    fn rank(template: &'static str, path: &str, query: &str) -> Option<Rank> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap().split('/').collect();
        matched(template, &segments, query).map(|(_, rank)| rank)
    }

    #[test]
    fn label_takes_one_segment_as_it_was_sent() {
        assert_eq!(labels("/a/{Id}/b", "/a/x%2Fy/b").as_deref(), Some("Id=x%2Fy"));
        for path in ["/a/x", "/a/x/b/", "/a/x/y/b", "/A/x/b", "/a//b"] {
            assert_eq!(labels("/a/{Id}/b", path), None, "{path}");
        }
        assert_eq!(labels("/", "/").as_deref(), Some(""));
        assert_eq!(labels("/a b", "/a%20b").as_deref(), Some(""));
        assert_eq!(labels("/a/", "/a/").as_deref(), Some(""));
        assert_eq!(labels("/a", "/a/"), None);
        assert_eq!(labels("/a", "/%zz"), None);
    }

    #[test]
    fn greedy_label_takes_what_is_left_for_it() {
        assert_eq!(labels("/{Bucket}/{Key+}", "/b/x/y/z").as_deref(), Some("Bucket=b Key=x/y/z"));
        assert_eq!(labels("/{Key+}/tags", "/x/y/tags").as_deref(), Some("Key=x/y"));
        assert_eq!(labels("/{Bucket}/{Key+}", "/b"), None);
        assert_eq!(labels("/{Bucket}/{Key+}", "/b/"), None);
        assert_eq!(labels("/{Bucket}/{Key+}", "/b/x/"), None);
        assert_eq!(labels("/{Key+}/tags", "/tags"), None);
    }

    #[test]
    fn path_that_a_signer_would_rewrite_matches_nothing() {
        for path in ["/a/../b", "/a/./b", "/a//b", "//a/b", "/a/b/..", "/a/."] {
            assert_eq!(labels("/{Key+}", path), None, "{path}");
        }
        assert_eq!(labels("/{Key+}", "/a/%2E%2E/b").as_deref(), Some("Key=a/%2E%2E/b"));
    }

    #[test]
    fn parameters_of_a_template_must_be_there_with_their_value() {
        let is = |query| rank("/t?kind=bearer&flag", "/t", query).is_some();
        assert!(is("flag&kind=bearer") && is("kind=be%61rer&x=1&flag="));
        assert!(!is("") && !is("kind=bearer") && !is("kind=other&flag") && !is("kind%3Dbearer&flag"));
    }

    #[test]
    fn text_is_more_specific_than_a_label_and_parameters_more_than_none() {
        let path = "/a/b";
        let order = ["/{Key+}", "/{X}/{Y}", "/{X}/b", "/a/{Key+}", "/a/{Y}", "/a/b"];
        let ranks: Vec<_> = order.iter().map(|template| rank(template, path, "").unwrap()).collect();
        assert!(ranks.is_sorted());
        assert!(rank("/a/b?x=1", path, "x=1") > rank("/a/b", path, "x=1"));
    }
}
