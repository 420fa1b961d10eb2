//! Web pages: what a page in a developer's browser could have sent to a sandbox.
//!
//! In a sandbox a foreign key is a root user without a signature to check, so whatever reaches the port with one acts as
//! root: also an image or a form of any page (the key goes into the query), and a page whose name was rebound to this
//! address. Names of hosts tell nothing: clients in containers call a sandbox by any name. What browsers add does, and
//! a page cannot take it away:
//!
//! - `Origin` goes with every request but GET and HEAD, of a page on its own host too, and so of a rebound one.
//! - `Sec-Fetch-Site` goes with every request to an address that browsers trust, such as this machine's own.
//!
//! What is left without a mark is a GET to another host. SDKs and the CLI send calls that change something by other
//! methods, so a GET may read, which presigned addresses are for, and nothing else. No header but these is looked at: a `Referer` is the page's to leave out,
//! and libraries outside browsers send `Sec-Fetch-Mode`.
//!
//! Issued keys need none of this: a page has no secret to sign with.
//!
//! Source: Fetch Standard, "Append a request `Origin` header"; W3C Fetch Metadata Request Headers, 2.

use http::{HeaderMap, Method};

use crate::Effect;

/// Whether a browser sent this for a page, or for its user.
pub fn is_marked_by_browser(headers: &HeaderMap) -> bool {
    headers.contains_key(http::header::ORIGIN) || headers.contains_key("sec-fetch-site")
}

/// Whether a page could have had this sent.
pub(crate) fn may_come_from_page(method: &Method, headers: &HeaderMap, effect: Effect) -> bool {
    let may_be_unmarked = matches!(*method, Method::GET | Method::HEAD);
    is_marked_by_browser(headers) || (may_be_unmarked && effect != Effect::Read)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn may(method: Method, header: Option<(&'static str, &'static str)>, effect: Effect) -> bool {
        let headers = header.map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()));
        may_come_from_page(&method, &headers.into_iter().collect(), effect)
    }

    #[test]
    fn what_browsers_mark_may_come_from_a_page() {
        for origin in ["http://evil.example", "http://127.0.0.1:4566", "null", ""] {
            assert!(may(Method::POST, Some(("origin", origin)), Effect::Read));
        }
        for site in ["cross-site", "same-site", "same-origin", "none"] {
            assert!(may(Method::GET, Some(("sec-fetch-site", site)), Effect::Read));
        }
    }

    #[test]
    fn without_a_mark_all_but_get_and_head_does_more_than_read() {
        for effect in [Effect::Issue, Effect::Read, Effect::Write] {
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                assert!(!may(method.clone(), None, effect));
                assert!(!may(method, Some(("sec-fetch-mode", "cors")), effect));
            }
        }
        assert!(!may(Method::GET, None, Effect::Read));
        assert!(may(Method::GET, None, Effect::Issue) && may(Method::GET, None, Effect::Write));
        assert!(may(Method::HEAD, None, Effect::Write));
    }
}
