//! Names compared: ignoring ASCII case, and against patterns with `*` and `?`.

use std::cmp::Ordering;

/// The order of the tables.
pub(crate) fn compare(a: &str, b: &str) -> Ordering {
    a.bytes().map(|byte| byte.to_ascii_lowercase()).cmp(b.bytes().map(|byte| byte.to_ascii_lowercase()))
}

pub(crate) fn has_wildcard(pattern: &str) -> bool {
    pattern.contains(['*', '?'])
}

/// Whether `pattern` is `text`, ignoring ASCII case: `*` stands for any run of characters, `?` for one.
pub(crate) fn glob(pattern: &str, text: impl Iterator<Item = u8> + Clone) -> bool {
    let (mut pattern, mut text) = (pattern.as_bytes().iter(), text);
    // Behind the last `*` met, and what is left of the text if it stands for what it stood for so far. Letting it stand for
    // more is the only way to repair a mismatch: an earlier `*` could do no better.
    let mut retry = None;
    loop {
        let before = text.clone();
        match (pattern.next(), text.next()) {
            (Some(b'*'), _) => {
                text = before;
                retry = Some((pattern.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if *wanted == b'?' || wanted.eq_ignore_ascii_case(&found) => {}
            (None, None) => return true,
            _ => {
                let Some((behind, rest)) = &mut retry else { return false };
                if rest.next().is_none() {
                    return false;
                }
                (pattern, text) = (behind.clone(), rest.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn naive(pattern: &[u8], text: &[u8]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            ([b'*', rest @ ..], _) => naive(rest, text) || (!text.is_empty() && naive(pattern, &text[1..])),
            ([b'?', rest @ ..], [_, others @ ..]) => naive(rest, others),
            ([p, rest @ ..], [t, others @ ..]) => p.eq_ignore_ascii_case(t) && naive(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn glob_agrees_with_the_obvious_one(pattern in "[aAb?*]{0,9}", text in "[abB]{0,11}") {
            prop_assert_eq!(glob(&pattern, text.bytes()), naive(pattern.as_bytes(), text.as_bytes()));
        }

        #[test]
        fn order_is_that_of_the_lower_case(a in "[aAbB-]{0,5}", b in "[aAbB-]{0,5}") {
            prop_assert_eq!(compare(&a, &b), a.to_lowercase().cmp(&b.to_lowercase()));
        }
    }
}
