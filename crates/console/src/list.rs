//! Lists: their pages, and the addresses of what is in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;

/// What a segment of a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Where a page of a list begins.
#[derive(Default, Deserialize)]
pub(crate) struct Marker {
    pub(crate) marker: Option<String>,
}

/// The pages of a list.
pub(crate) struct Pages;

impl Pages {
    /// The address of the page after this one, if there is one.
    pub(crate) fn after(list: &str, marker: Option<String>) -> Option<String> {
        marker.map(|marker| format!("{list}?marker={}", segment(&marker)))
    }
}

/// The address of one of a list, saying what was done.
pub(crate) fn address(list: &str, name: &str, done: Option<&str>) -> String {
    let done = done.map_or_else(String::new, |done| format!("?done={done}"));
    format!("/console/{list}/{}{done}", segment(name))
}

/// A text as one segment of a path, or as a value of a query.
pub(crate) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}
