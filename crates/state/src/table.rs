//! A table: rows of one kind by key, persistent, each with the revision of its last write.

use std::ops::Bound;
use std::sync::Arc;

use rootward_store::Revision;
use rpds::RedBlackTreeMapSync;

/// A row and the revision of the commit that wrote it last.
#[derive(Debug)]
pub struct Entry<T> {
    /// What transactions guard.
    pub revision: Revision,
    /// The row.
    pub row: Arc<T>,
}

impl<T> Clone for Entry<T> {
    fn clone(&self) -> Self {
        Self { revision: self.revision, row: Arc::clone(&self.row) }
    }
}

/// Rows of one kind in key order. Cloning is one reference count; a write copies O(log n) nodes.
#[derive(Debug)]
pub struct Table<K: Ord, T>(RedBlackTreeMapSync<K, Entry<T>>);

impl<K: Ord, T> Clone for Table<K, T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<K: Ord, T> Default for Table<K, T> {
    fn default() -> Self {
        Self(RedBlackTreeMapSync::new_sync())
    }
}

impl<K: Ord + Clone, T> Table<K, T> {
    /// The row under `key`.
    pub fn get(&self, key: &K) -> Option<&Arc<T>> {
        self.0.get(key).map(|entry| &entry.row)
    }

    /// The row under `key` with its revision.
    pub fn entry(&self, key: &K) -> Option<&Entry<T>> {
        self.0.get(key)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.0.size()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All rows in key order.
    pub fn iter(&self) -> impl Iterator<Item = (&K, &Arc<T>)> {
        self.0.iter().map(|(key, entry)| (key, &entry.row))
    }

    /// The rows after `key` in key order; all of them for `None`.
    pub fn after<'a>(&'a self, key: Option<&K>) -> impl Iterator<Item = (&'a K, &'a Arc<T>)> + use<'a, K, T> {
        let from = key.map_or(Bound::Unbounded, |key| Bound::Excluded(key.clone()));
        self.0.range((from, Bound::Unbounded)).map(|(key, entry)| (key, &entry.row))
    }

    pub(crate) fn insert(&mut self, key: K, entry: Entry<T>) {
        self.0.insert_mut(key, entry);
    }

    pub(crate) fn remove(&mut self, key: &K) {
        self.0.remove_mut(key);
    }
}
