//! Listings in pages: `MaxItems`, `Marker`, `IsTruncated`.
//!
//! A marker names the last item shown, not a position: items that come and go between two pages are neither repeated nor
//! skipped beyond themselves, and finding the next page costs the depth of a tree, however many pages came before.
//!
//! Form of a marker: base64 of a version digit and the key of the last item. Opaque to clients; it gives away only what
//! the page before did, and a made-up one is but another place to start.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use rootward_pipeline::Failure;
use rootward_state::entities::Named;
use rootward_state::{NameKey, Table};

use super::failures;

/// Items on a page when the caller does not say. The model bounds what the caller can say: 1–1,000.
const ITEMS_DEFAULT: usize = 100;

const VERSION: char = '1';

/// Which page is asked for.
#[derive(Debug)]
pub(crate) struct Ask {
    after: Option<String>,
    items_max: usize,
}

/// One page.
#[derive(Debug)]
pub(crate) struct Page<T> {
    /// What is on it.
    pub(crate) items: Vec<T>,
    /// The marker of the next one, if there is one.
    pub(crate) marker: Option<String>,
}

impl<T> Page<T> {
    /// `IsTruncated`, which is always present.
    pub(crate) fn is_truncated(&self) -> Option<bool> {
        Some(self.marker.is_some())
    }
}

impl Ask {
    /// Reads `Marker` and `MaxItems`.
    pub(crate) fn new(marker: Option<&str>, items_max: Option<i32>) -> Result<Self, Failure> {
        let items_max = items_max.and_then(|items| usize::try_from(items).ok()).unwrap_or(ITEMS_DEFAULT);
        Ok(Self { after: marker.map(read_marker).transpose()?, items_max: items_max.clamp(1, 1_000) })
    }

    /// The same page, with no more than so many items.
    pub(crate) fn at_most(self, items_max: usize) -> Self {
        Self { items_max: self.items_max.min(items_max).max(1), ..self }
    }

    /// The key of the last item on the page before.
    pub(crate) fn after(&self) -> Option<&str> {
        self.after.as_deref()
    }

    /// The entities of a table that `keep` keeps, in name order.
    pub(crate) fn table<'a, T: Named, R>(
        &self,
        table: &'a Table<NameKey, T>,
        keep: impl Fn(&T) -> bool,
        show: impl Fn(&'a T) -> R,
    ) -> Page<R> {
        let after = self.after().map(NameKey::new);
        let rows = table.after(after.as_ref()).filter(|(_, row)| keep(row));
        self.take(rows.map(|(key, row)| (key.as_str(), &**row)), show)
    }

    /// Few items that are at hand, each with its key: puts them in key order and pages. Keys are compared as they are.
    pub(crate) fn few<K: AsRef<str> + Ord, I, R>(
        &self,
        mut items: Vec<(K, I)>,
        show: impl Fn(I) -> R,
    ) -> Page<R> {
        items.sort_by(|(a, _), (b, _)| a.cmp(b));
        let after = self.after().unwrap_or_default();
        // The empty key is no item's, so the first page skips nothing.
        self.take(items.into_iter().skip_while(|(key, _)| key.as_ref() <= after), show)
    }

    /// Cuts the page off `rows`, which begin after [`Ask::after`].
    pub(crate) fn take<K: AsRef<str>, I, R>(
        &self,
        rows: impl Iterator<Item = (K, I)>,
        show: impl Fn(I) -> R,
    ) -> Page<R> {
        let mut rows = rows.peekable();
        let mut items = Vec::new();
        while let Some((key, row)) = rows.next() {
            items.push(show(row));
            if items.len() == self.items_max {
                let marker = rows.peek().map(|_| write_marker(key.as_ref()));
                return Page { items, marker };
            }
        }
        Page { items, marker: None }
    }
}

/// Whether an entity lies under `PathPrefix`; under none, everything does.
pub(crate) fn is_under<T: Named>(prefix: Option<&str>, entity: &T) -> bool {
    prefix.is_none_or(|prefix| entity.path().starts_with(prefix))
}

fn write_marker(key: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("{VERSION}{key}"))
}

fn read_marker(marker: &str) -> Result<String, Failure> {
    BASE64_URL_SAFE_NO_PAD
        .decode(marker)
        .ok()
        .and_then(|bytes| String::from_utf8(bytes).ok())
        .and_then(|text| text.strip_prefix(VERSION).map(str::to_owned))
        .ok_or_else(failures::invalid_marker)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn all(keys: &[String], items_max: i32) -> Vec<String> {
        let mut seen = Vec::new();
        let mut marker = None;
        loop {
            let ask = Ask::new(marker.as_deref(), Some(items_max)).unwrap();
            let page = ask.few(keys.iter().map(|key| (key.clone(), key.clone())).collect(), |key| key);
            assert!(page.items.len() <= items_max as usize);
            seen.extend(page.items);
            marker = page.marker;
            if marker.is_none() {
                return seen;
            }
        }
    }

    proptest! {
        #[test]
        fn pages_hold_every_item_once(keys in prop::collection::btree_set("\\PC{1,8}", 0..40), items in 1i32..12) {
            let keys: Vec<String> = keys.into_iter().collect();
            prop_assert_eq!(all(&keys, items), keys);
        }

        #[test]
        fn any_marker_is_refused_or_read(marker in "\\PC{0,40}") {
            let _ = Ask::new(Some(&marker), None);
        }
    }

    #[test]
    fn last_full_page_has_no_marker() {
        let ask = Ask::new(None, Some(2)).unwrap();
        let page = ask.few(vec![("a", 1), ("b", 2)], |item| item);
        assert_eq!((page.items, page.marker), (vec![1, 2], None));
    }

    #[test]
    fn item_removed_between_pages_is_not_missed_as_a_place() {
        let first = Ask::new(None, Some(1)).unwrap().few(vec![("a", 1), ("b", 2)], |item| item);
        let next =
            Ask::new(first.marker.as_deref(), None).unwrap().few(vec![("b", 2), ("c", 3)], |item| item);
        assert_eq!(next.items, [2, 3]);
    }

    #[test]
    fn foreign_marker_is_a_validation_error() {
        for marker in ["!", "AAAA", "MmE"] {
            assert_eq!(Ask::new(Some(marker), None).unwrap_err().code, "ValidationError", "{marker}");
        }
    }
}
