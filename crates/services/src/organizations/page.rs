//! Listings in pages: `MaxResults`, `NextToken`.
//!
//! A token names the last item shown, not a position: items that come and go between two pages are neither repeated nor skipped beyond
//! themselves. Form: base64 of a version digit and the key of the last item; opaque to clients, and a made-up one is but another place to
//! start.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_pipeline::Failure;

use super::failures;

/// Items on a page when the caller does not say, and at most.
const ITEMS_MAX: usize = 20;

const VERSION: char = '1';

/// Which page is asked for.
#[derive(Debug)]
pub(super) struct Ask {
    /// The key of the last item on the page before.
    pub(super) after: Option<String>,
    items_max: usize,
}

/// One page.
#[derive(Debug)]
pub(super) struct Page<T> {
    /// What is on it.
    pub(super) items: Option<Vec<T>>,
    /// The token of the next one, if there is one.
    pub(super) next_token: Option<String>,
}

impl Ask {
    /// Reads `NextToken` and `MaxResults`, which the model bounds.
    pub(super) fn new(token: Option<&str>, max_results: Option<i32>) -> Result<Self, Failure> {
        let items_max = max_results.and_then(|max| usize::try_from(max).ok()).unwrap_or(ITEMS_MAX);
        let after = token.filter(|token| !token.is_empty()).map(read).transpose()?;
        Ok(Self { after, items_max: items_max.clamp(1, ITEMS_MAX) })
    }

    /// The first of `items`, which begin behind the page before and come in the order of their keys.
    pub(super) fn take<I, R>(
        &self,
        items: impl Iterator<Item = I>,
        key: impl Fn(&I) -> String,
        show: impl Fn(I) -> R,
    ) -> Page<R> {
        let mut items = items.peekable();
        let (mut page, mut last) = (Vec::new(), None);
        while page.len() < self.items_max
            && let Some(item) = items.next()
        {
            last = Some(key(&item));
            page.push(show(item));
        }
        let next_token = items.peek().and(last).map(|key| write(&key));
        Page { items: Some(page), next_token }
    }
}

fn write(key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{VERSION}{key}"))
}

fn read(token: &str) -> Result<String, Failure> {
    let text = BASE64_URL_SAFE_NO_PAD.decode(token).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    text.and_then(|text| text.strip_prefix(VERSION).map(str::to_owned)).ok_or_else(failures::bad_next_token)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(after: Option<&str>, items_max: i32) -> Page<u8> {
        let ask = Ask::new(after, Some(items_max)).unwrap();
        let first: u8 = ask.after.as_deref().map_or(0, |key| key.parse::<u8>().unwrap() + 1);
        ask.take(first..5, u8::to_string, |item| item)
    }

    #[test]
    fn pages_follow_one_another_to_the_end() {
        let first = page(None, 2);
        assert_eq!(first.items, Some(vec![0, 1]));
        let second = page(first.next_token.as_deref(), 3);
        assert_eq!((second.items, second.next_token), (Some(vec![2, 3, 4]), None));
    }

    #[test]
    fn token_that_none_was_is_refused() {
        for token in ["!", "x", "MTIz\u{1}", "Mg"] {
            assert_eq!(Ask::new(Some(token), None).unwrap_err().code, "InvalidInputException");
        }
        assert!(Ask::new(Some(""), None).unwrap().after.is_none());
    }
}
