//! Patterns of the models: the text that messages quote and a matcher for the whole value.
//!
//! The models carry Java regular expressions, where `\w` and `\d` are ASCII and `\p{…}` is Unicode. The generator reads
//! them: nine in ten are one character class repeated, which becomes a sorted table of ranges; the few others become an
//! expression in the dialect of `regex-lite`, compiled at first use. Both match in linear time and need the whole value.

use std::sync::OnceLock;

use regex_lite::Regex;

/// One pattern of a model.
#[derive(Debug)]
pub struct Pattern {
    /// As the model writes it, for messages.
    pub text: &'static str,
    matcher: Matcher,
}

#[derive(Debug)]
enum Matcher {
    Class { ranges: &'static [(char, char)], min: usize },
    Expression { source: &'static str, without: Option<&'static str>, compiled: OnceLock<Option<Regex>> },
}

impl Pattern {
    /// At least `min` characters, all within `ranges`, which are sorted and disjoint.
    pub const fn class(text: &'static str, ranges: &'static [(char, char)], min: usize) -> Self {
        Self { text, matcher: Matcher::Class { ranges, min } }
    }

    /// Matches the whole of `source`. With `without`, the value must not contain that text, which stands in for the
    /// look-ahead that `source` cannot say.
    pub const fn expression(text: &'static str, source: &'static str, without: Option<&'static str>) -> Self {
        Self { text, matcher: Matcher::Expression { source, without, compiled: OnceLock::new() } }
    }

    /// Whether all of `value` matches.
    ///
    /// An expression that does not compile matches nothing: what cannot be checked is refused. The tests of the
    /// generated code compile every one.
    pub fn matches(&self, value: &str) -> bool {
        match &self.matcher {
            Matcher::Class { ranges, min } => {
                value.chars().all(|c| within(ranges, c))
                    && (*min == 0 || value.chars().nth(min - 1).is_some())
            }
            Matcher::Expression { source, without, compiled } => {
                let regex = compiled.get_or_init(|| Regex::new(&format!("\\A(?:{source})\\z")).ok());
                regex.as_ref().is_some_and(|regex| regex.is_match(value))
                    && without.is_none_or(|text| !value.contains(text))
            }
        }
    }

    /// Whether the expression, if there is one, compiles.
    pub fn compiles(&self) -> bool {
        match &self.matcher {
            Matcher::Class { .. } => true,
            Matcher::Expression { source, .. } => Regex::new(source).is_ok(),
        }
    }
}

fn within(ranges: &[(char, char)], c: char) -> bool {
    let after = ranges.partition_point(|(low, _)| *low <= c);
    after.checked_sub(1).and_then(|at| ranges.get(at)).is_some_and(|(_, high)| c <= *high)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WORD: &[(char, char)] = &[('0', '9'), ('A', 'Z'), ('_', '_'), ('a', 'z')];

    #[test]
    fn class_needs_every_character_and_the_minimum() {
        let word = Pattern::class(r"[\w]+", WORD, 1);
        assert!(word.matches("Ab_9"));
        assert!(!word.matches(""));
        assert!(!word.matches("a-b"));
        assert!(!word.matches("é"));
        assert!(Pattern::class(r"[\w]*", WORD, 0).matches(""));
    }

    #[test]
    fn expression_is_anchored_at_both_ends() {
        let id = Pattern::expression(r"\d{12}", "[0-9]{12}", None);
        assert!(id.matches("123456789012"));
        assert!(!id.matches("1234567890123"));
        assert!(!id.matches("123456789012\n"));
        assert!(id.compiles());
    }

    #[test]
    fn alternatives_are_anchored_as_a_whole() {
        let path = Pattern::expression("(/)|(/a/)", "(/)|(/a/)", None);
        assert!(path.matches("/") && path.matches("/a/"));
        assert!(!path.matches("/a/b") && !path.matches("b/"));
    }

    #[test]
    fn forbidden_text_refuses_what_the_expression_accepts() {
        let alias = Pattern::expression("…", "[a-z](?:[a-z]|-){1,61}[a-z]", Some("--"));
        assert!(alias.matches("a-b"));
        assert!(!alias.matches("a--b"));
    }

    #[test]
    fn expression_that_does_not_compile_refuses() {
        let broken = Pattern::expression("(", "(", None);
        assert!(!broken.compiles());
        assert!(!broken.matches(""));
    }
}
