//! Raw query strings: split into parameters, with each name and value as the bytes it stands for.

use std::borrow::Cow;

/// Parameters of a raw query in wire order, still escaped. Empty ones (`a=1&&b=2`) carry nothing and are left
/// out.
pub(crate) fn parameters(query: &str) -> impl Iterator<Item = (&str, &str)> {
    query.split('&').filter(|p| !p.is_empty()).map(|p| p.split_once('=').unwrap_or((p, "")))
}

/// The bytes that an escaped name or value stands for: `+` is a space, `%` without two hex digits is itself.
pub(crate) fn unescaped(text: &str) -> impl Iterator<Item = u8> + '_ {
    unescaped_bytes(text, true)
}

/// The bytes that an escaped path stands for: `+` is itself.
pub(crate) fn unescaped_path(text: &str) -> impl Iterator<Item = u8> + '_ {
    unescaped_bytes(text, false)
}

fn unescaped_bytes(text: &str, plus_is_space: bool) -> impl Iterator<Item = u8> + '_ {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first == b'%'
            && let Some(&[high, low]) = tail.first_chunk()
            && let (Some(high), Some(low)) = ((high as char).to_digit(16), (low as char).to_digit(16))
        {
            rest = tail.get(2..).unwrap_or_default();
            return u8::try_from(high << 4 | low).ok();
        }
        rest = tail;
        Some(if plus_is_space && first == b'+' { b' ' } else { first })
    })
}

/// Name or value as text; invalid UTF-8 becomes U+FFFD, which equals no name and no valid value.
pub(crate) fn text(raw: &str) -> Cow<'_, str> {
    if raw.bytes().any(|b| b == b'%' || b == b'+') {
        let bytes: Vec<u8> = unescaped(raw).collect();
        Cow::Owned(String::from_utf8_lossy(&bytes).into_owned())
    } else {
        Cow::Borrowed(raw)
    }
}

/// Whether the escaped name `raw` stands for `name`.
pub(crate) fn is_name(raw: &str, name: &str) -> bool {
    unescaped(raw).eq(name.bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_stand_for_their_bytes() {
        assert_eq!(text("a+b%20c%2fd"), "a b c/d");
        assert_eq!(text("%zz%4"), "%zz%4");
        assert_eq!(text("%ff"), "\u{fffd}");
        assert_eq!(unescaped_path("a+b").collect::<Vec<_>>(), b"a+b");
        assert!(is_name("X%2DAmz-Date", "X-Amz-Date"));
    }

    #[test]
    fn parameters_without_value_have_an_empty_one() {
        assert_eq!(parameters("&a&b=&&c=1=2").collect::<Vec<_>>(), [("a", ""), ("b", ""), ("c", "1=2")]);
    }
}
