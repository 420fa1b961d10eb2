//! Lists: their pages, and the addresses of what is in them.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use rootward_wire::Error;
use serde::Deserialize;

use crate::layout::{Frame, Part, part};

/// What a segment of a path may hold as it is.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.');

/// Where a page of a list begins.
#[derive(Default, Deserialize)]
pub(crate) struct Marker {
    pub(crate) marker: Option<String>,
}

/// What has been done, as the address says it.
#[derive(Deserialize)]
pub(crate) struct Done {
    pub(crate) done: Option<String>,
}

/// A page of a list as it was read, the address of the next one, and the frame of the page that shows it or says why not.
pub(crate) fn read<T, R>(
    frame: Frame,
    list: &str,
    listed: Result<(Vec<T>, Option<String>), Error>,
    row: impl FnMut(T) -> R,
) -> (Frame, Part<Vec<R>>, Option<String>) {
    match listed {
        Ok((found, marker)) => (frame, Ok(found.into_iter().map(row).collect()), Pages::after(list, marker)),
        Err(error) => (frame.unread(&error), part(Err(error)), None),
    }
}

/// The pages of a list.
pub(crate) struct Pages;

impl Pages {
    /// The address of the page after this one, if there is one.
    pub(crate) fn after(list: &str, marker: Option<String>) -> Option<String> {
        let joint = if list.contains('?') { '&' } else { '?' };
        marker.map(|marker| format!("{list}{joint}marker={}", segment(&marker)))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn name_of_an_address_is_one_segment() {
        let arn = "arn:aws:iam::111122223333:policy/team/Read+Write";
        let shown = "/console/policies/arn%3Aaws%3Aiam%3A%3A111122223333%3Apolicy%2Fteam%2FRead%2BWrite";
        assert_eq!(address("policies", arn, None), shown);
        assert_eq!(address("users", "a?b#c", Some("changed")), "/console/users/a%3Fb%23c?done=changed");
    }

    #[test]
    fn next_page_keeps_what_the_list_is_asked_for() {
        let next = |list| Pages::after(list, Some("x=".into()));
        assert_eq!(next("/console/users").as_deref(), Some("/console/users?marker=x%3D"));
        assert_eq!(next("/console/policies?of=aws").as_deref(), Some("/console/policies?of=aws&marker=x%3D"));
        assert_eq!(Pages::after("/console/users", None), None);
    }
}
