//! Percent-decoding, strict: unlike browsers we refuse a `%` without two hexadecimal digits, as the client then meant
//! something else than it signed.

use std::borrow::Cow;
use std::fmt;

/// What a plus sign stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plus {
    /// In paths.
    Itself,
    /// In query strings and forms.
    Space,
}

/// Why a text does not decode, in the words of messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Broken {
    Escape,
    Utf8,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Escape => "an incomplete escape sequence",
            Self::Utf8 => "text that is not UTF-8",
        })
    }
}

/// The text that `bytes` stand for.
pub(crate) fn decode(bytes: &[u8], plus: Plus) -> Result<Cow<'_, str>, Broken> {
    let space = |byte: u8| byte == b'+' && plus == Plus::Space;
    if !bytes.iter().any(|byte| *byte == b'%' || space(*byte)) {
        return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| Broken::Utf8);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter().copied();
    while let Some(byte) = rest.next() {
        decoded.push(match byte {
            b'%' => escaped(&mut rest).ok_or(Broken::Escape)?,
            byte if space(byte) => b' ',
            _ => byte,
        });
    }
    String::from_utf8(decoded).map(Cow::Owned).map_err(|_| Broken::Utf8)
}

fn escaped(rest: &mut impl Iterator<Item = u8>) -> Option<u8> {
    let mut digit = || char::from(rest.next()?).to_digit(16);
    u8::try_from(digit()? * 16 + digit()?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plus_is_a_space_in_queries_and_itself_in_paths() {
        assert_eq!(decode(b"a+b%2B%C3%A9", Plus::Space).unwrap(), "a b+é");
        assert_eq!(decode(b"a+b%2B%C3%A9", Plus::Itself).unwrap(), "a+b+é");
    }

    #[test]
    fn broken_escape_or_encoding_is_refused() {
        for bytes in [&b"%"[..], b"%4", b"%zz", b"%+1"] {
            assert_eq!(decode(bytes, Plus::Itself), Err(Broken::Escape), "{}", bytes.escape_ascii());
        }
        for bytes in [&b"%ff"[..], b"\xff", b"\xc3"] {
            assert_eq!(decode(bytes, Plus::Space), Err(Broken::Utf8), "{}", bytes.escape_ascii());
        }
    }
}
