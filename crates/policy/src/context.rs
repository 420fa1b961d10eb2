//! The context of a request: condition keys and their values, as the service knows them.

use std::fmt::{self, Write};
use std::ops::Range;
use std::slice;

use rootward_names::{Time, folded, same_folded};

use crate::hash;
use crate::principal::Principal;

/// Condition keys of a request. Names are case-insensitive, a key set again replaces the former value.
///
/// All texts lie in one, and all keys in one list, so that a context can be cleared and filled again without allocating.
/// Setting and finding a key take the same time for the first 48 keys, and for more time in their number.
///
/// ```
/// use rootward_policy::{Context, Value};
/// let mut context = Context::new();
/// context.text("aws:RequestTag/Team", "blue").bool("aws:SecureTransport", true).list("aws:TagKeys", ["Team"]);
/// assert_eq!(context.get("AWS:requesttag/team"), Some(Value::Single("blue")));
/// ```
#[derive(Clone, Default)]
pub struct Context {
    text: String,
    places: Places,
    entries: Vec<Entry>,
    items: Vec<Range<usize>>,
}

/// Where the first entries stand, by the hashes of their keys: a hash says where to begin looking, and an empty place ends it.
/// Later ones are looked for one by one; requests with so many keys are rare.
#[derive(Clone)]
struct Places([u8; PLACES]);

/// A power of two. No more than three in four are taken.
const PLACES: usize = 64;
const PLACED_MAX: usize = 48;
const EMPTY: u8 = u8::MAX;

impl Default for Places {
    fn default() -> Self {
        Self([EMPTY; PLACES])
    }
}

#[derive(Clone)]
struct Entry {
    hash: u64,
    key: Range<usize>,
    value: Slot,
}

#[derive(Clone)]
enum Slot {
    /// Where the values of a multivalued key are among the items.
    Many(Range<usize>),
    /// The one value of a multivalued key.
    Only(Range<usize>),
    Single(Range<usize>),
}

/// The value of a key.
#[derive(Clone, Copy, PartialEq)]
pub enum Value<'a> {
    /// Of a multivalued key; may be empty.
    Many(Many<'a>),
    /// Of a single-valued key.
    Single(&'a str),
}

/// The values of a multivalued key.
#[derive(Clone, Copy)]
pub struct Many<'a> {
    text: &'a str,
    items: &'a [Range<usize>],
}

impl<'a> Many<'a> {
    /// The values in the order they were given.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        self.items.iter().map(move |item| self.text.get(item.clone()).unwrap_or_default())
    }
}

impl PartialEq for Many<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Debug for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Many(many) => f.debug_list().entries(many.iter()).finish(),
            Self::Single(text) => text.fmt(f),
        }
    }
}

impl Context {
    /// A context without keys.
    pub fn new() -> Self {
        Self::default()
    }

    /// Makes room for so many more keys, and for so many bytes of names and values.
    pub fn reserve(&mut self, keys: usize, bytes: usize) -> &mut Self {
        self.entries.reserve(keys);
        self.text.reserve(bytes);
        self
    }

    /// Forgets every key and keeps the memory.
    pub fn clear(&mut self) {
        self.text.clear();
        self.places = Places::default();
        self.entries.clear();
        self.items.clear();
    }

    /// Sets a single-valued key.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        let value = self.push(value);
        self.put(key, Slot::Single(value))
    }

    /// Sets a single-valued key to `true` or `false`.
    pub fn bool(&mut self, key: &str, value: bool) -> &mut Self {
        self.text(key, if value { "true" } else { "false" })
    }

    /// Sets a single-valued key to a number.
    pub fn number(&mut self, key: &str, value: i64) -> &mut Self {
        self.show(key, value)
    }

    /// Sets a single-valued key to an instant, to the second.
    pub fn time(&mut self, key: &str, value: Time) -> &mut Self {
        self.show(key, value)
    }

    /// Sets a single-valued key to what `value` shows itself as.
    pub fn show(&mut self, key: &str, value: impl fmt::Display) -> &mut Self {
        let start = self.text.len();
        // Writing to a `String` cannot fail; a `Display` that fails leaves what it wrote, which then is the value.
        let _ = write!(self.text, "{value}");
        let value = Slot::Single(start..self.text.len());
        self.put(key, value)
    }

    /// Sets a multivalued key; no values at all is a value too.
    pub fn list<T: AsRef<str>>(&mut self, key: &str, values: impl IntoIterator<Item = T>) -> &mut Self {
        let mut values = values.into_iter();
        let value = match (values.next(), values.next()) {
            (Some(only), None) => Slot::Only(self.push(only.as_ref())),
            (one, other) => {
                let first = self.items.len();
                for value in one.into_iter().chain(other).chain(values) {
                    let item = self.push(value.as_ref());
                    self.items.push(item);
                }
                Slot::Many(first..self.items.len())
            }
        };
        self.put(key, value)
    }

    /// Sets the keys that follow from who makes the request: `aws:PrincipalArn`, `aws:PrincipalAccount`,
    /// `aws:PrincipalType`, `aws:userid`, `aws:username`, `aws:PrincipalIsAWSService`, `aws:PrincipalServiceName`,
    /// each where it exists. Keys of the session and tags are the caller's to set.
    pub fn principal(&mut self, principal: &Principal<'_>) -> &mut Self {
        principal.fill(self);
        self
    }

    /// Sets every key of `other`.
    pub fn extend(&mut self, other: &Self) -> &mut Self {
        for (key, value) in other.iter() {
            match value {
                Value::Many(many) => self.list(key, many.iter()),
                Value::Single(text) => self.text(key, text),
            };
        }
        self
    }

    /// The value of a key, if it is present.
    pub fn get(&self, key: &str) -> Option<Value<'_>> {
        self.find(hash(key), key)
    }

    /// Every key with its value, in the order they were set.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Value<'_>)> {
        self.entries.iter().map(|entry| (self.part(&entry.key), self.value(entry)))
    }

    pub(crate) fn find(&self, hash: u64, key: &str) -> Option<Value<'_>> {
        self.entries.get(self.position(hash, key)?).map(|entry| self.value(entry))
    }

    #[inline]
    fn position(&self, hash: u64, key: &str) -> Option<usize> {
        let is_it = |at: usize| {
            self.entries.get(at).is_some_and(|entry| entry.hash == hash && self.is_named(entry, key))
        };
        let mut place = Places::first(hash);
        for _ in 0..PLACES {
            match self.places.at(place) {
                EMPTY => break,
                at if is_it(usize::from(at)) => return Some(usize::from(at)),
                _ => place += 1,
            }
        }
        (PLACED_MAX..self.entries.len()).find(|at| is_it(*at))
    }

    fn is_named(&self, entry: &Entry, key: &str) -> bool {
        let name = self.text.as_bytes().get(entry.key.clone());
        name == Some(key.as_bytes()) || same_folded(self.part(&entry.key), key)
    }

    fn value<'c>(&'c self, entry: &'c Entry) -> Value<'c> {
        match &entry.value {
            Slot::Many(items) => {
                let items = self.items.get(items.clone()).unwrap_or_default();
                Value::Many(Many { text: &self.text, items })
            }
            Slot::Only(item) => Value::Many(Many { text: &self.text, items: slice::from_ref(item) }),
            Slot::Single(value) => Value::Single(self.part(value)),
        }
    }

    fn part(&self, range: &Range<usize>) -> &str {
        self.text.get(range.clone()).unwrap_or_default()
    }

    fn push(&mut self, text: &str) -> Range<usize> {
        let start = self.text.len();
        self.text.push_str(text);
        start..self.text.len()
    }

    fn put(&mut self, key: &str, value: Slot) -> &mut Self {
        let hash = hash(key);
        match self.position(hash, key).and_then(|at| self.entries.get_mut(at)) {
            Some(entry) => entry.value = value,
            None => {
                let key = self.push(key);
                self.places.add(hash, self.entries.len());
                self.entries.push(Entry { hash, key, value });
            }
        }
        self
    }
}

impl Places {
    /// Where to begin: by the upper bits, which are the well mixed ones.
    const fn first(hash: u64) -> usize {
        (hash >> (u64::BITS - PLACES.ilog2())) as usize
    }

    fn at(&self, place: usize) -> u8 {
        self.0.get(place % PLACES).copied().unwrap_or(EMPTY)
    }

    fn add(&mut self, hash: u64, entry: usize) {
        if entry >= PLACED_MAX {
            return;
        }
        let mut place = Self::first(hash);
        while self.at(place) != EMPTY {
            place += 1;
        }
        if let (Some(free), Ok(at)) = (self.0.get_mut(place % PLACES), u8::try_from(entry)) {
            *free = at;
        }
    }
}

impl fmt::Debug for Context {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.iter()).finish()
    }
}

/// The same for names that differ only by the case of their letters; eight bytes at a time, because each request sets some twenty keys.
/// A collision costs a comparison of names, nothing else.
pub(crate) fn hash(name: &str) -> u64 {
    if name.is_ascii() {
        hash_folded(name.as_bytes())
    } else {
        hash_folded(folded(name).collect::<String>().as_bytes())
    }
}

/// Of a name whose letters outside of ASCII are in lower case.
fn hash_folded(name: &[u8]) -> u64 {
    hash::words(name, LOWER_CASE)
}

/// Sets the bit in which a capital letter of ASCII differs from its small one.
const LOWER_CASE: u64 = 0x2020_2020_2020_2020;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn key_set_again_is_replaced_whatever_its_case() {
        let mut context = Context::new();
        context.text("aws:SourceIp", "1.2.3.4").number("s3:max-keys", -1).list("AWS:sourceip", ["a", "b"]);
        assert_eq!(context.iter().count(), 2);
        assert_eq!(format!("{context:?}"), r#"{"aws:SourceIp": ["a", "b"], "s3:max-keys": "-1"}"#);
        context.clear();
        assert_eq!(context.get("aws:SourceIp"), None);
    }

    #[test]
    fn key_is_found_whatever_the_case_of_its_letters() {
        let mut context = Context::new();
        context.text("aws:RequestTag/É", "a").text("aws:RequestTag/k", "b");
        assert_eq!(context.get("AWS:requesttag/é"), Some(Value::Single("a")));
        // The Kelvin sign: its lower case is the ASCII letter.
        assert_eq!(context.get("aws:RequestTag/\u{212a}"), Some(Value::Single("b")));
        context.text("aws:requesttag/é", "c");
        assert_eq!(context.iter().count(), 2);
        context.text("aws:RequestTag/\u{212a}elvin scale", "d").text("\u{212a}", "e");
        assert_eq!(context.get("AWS:requesttag/Kelvin SCALE"), Some(Value::Single("d")));
        assert_eq!(context.get("K"), Some(Value::Single("e")));
    }

    #[test]
    fn keys_are_found_however_many_there_are() {
        let mut context = Context::new();
        for round in ["first", "second"] {
            for n in 0..300 {
                context.text(&format!("aws:RequestTag/{n}"), round);
            }
            let found = |n| context.get(&format!("AWS:requesttag/{n}")) == Some(Value::Single(round));
            assert!((0..300).all(found) && context.iter().count() == 300, "{round}");
        }
        assert_eq!(context.get("aws:RequestTag/300"), None);
    }

    #[test]
    fn keys_of_another_context_win() {
        let (mut context, mut other) = (Context::new(), Context::new());
        context.text("aws:a", "1").text("aws:b", "2");
        other.list("AWS:B", ["3"]).text("aws:c", "4");
        context.extend(&other);
        assert_eq!(format!("{context:?}"), r#"{"aws:a": "1", "aws:b": ["3"], "aws:c": "4"}"#);
    }

    #[test]
    fn empty_list_is_present() {
        let mut context = Context::new();
        context.list::<&str>("aws:TagKeys", []);
        assert!(
            matches!(context.get("aws:tagkeys"), Some(Value::Many(many)) if many.iter().next().is_none())
        );
    }
}
