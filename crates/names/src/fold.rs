//! Letter case where AWS ignores it: keys of tags and keys of conditions.
//!
//! One folding for all of them: each character's own lower case by Unicode, whatever stands beside it. ASCII alone would not do:
//! tag keys may hold any letters, and two tags that a condition cannot tell apart must be one tag everywhere.
//! It is also how the policy language compares texts ignoring case. (Names of entities are ASCII by their patterns.)

/// The text with every character in lower case.
pub fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_lowercase)
}

/// Whether two texts are the same but for the case of their letters.
///
/// ```
/// use rootward_names::same_folded;
/// assert!(same_folded("aws:RequestTag/Été", "AWS:requesttag/éTÉ"));
/// ```
pub fn same_folded(a: &str, b: &str) -> bool {
    a == b || if a.is_ascii() && b.is_ascii() { a.eq_ignore_ascii_case(b) } else { folded(a).eq(folded(b)) }
}

/// The key of a tag. Two are equal when they differ by the case of letters alone.
#[derive(Debug, Clone, Copy)]
pub struct TagKey<'a>(pub &'a str);

/// What keys may not begin with: AWS's own.
const RESERVED: &str = "aws:";

impl TagKey<'_> {
    /// Whether only AWS sets such tags.
    pub fn is_reserved(self) -> bool {
        folded(self.0).take(RESERVED.len()).eq(RESERVED.chars())
    }
}

impl PartialEq for TagKey<'_> {
    fn eq(&self, other: &Self) -> bool {
        same_folded(self.0, other.0)
    }
}

impl Eq for TagKey<'_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_equal_ignoring_the_case_of_any_letter() {
        for (a, b) in [("Team", "tEAM"), ("É", "é"), ("Σ", "σ"), ("K", "\u{212a}")] {
            assert_eq!(TagKey(a), TagKey(b));
        }
        for (a, b) in [("team", "teams"), ("e", "é"), ("ss", "ß")] {
            assert_ne!(TagKey(a), TagKey(b));
        }
    }

    #[test]
    fn reserved_prefix_counts_in_any_case_and_only_in_front() {
        for key in ["aws:", "AWS:x", "aWs:é"] {
            assert!(TagKey(key).is_reserved(), "{key}");
        }
        for key in ["", "aws", "awsé", "aw€:", "my:aws:x", "aws-x"] {
            assert!(!TagKey(key).is_reserved(), "{key}");
        }
    }
}
