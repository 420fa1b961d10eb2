//! Names of regions, as they go into documents.

use std::fmt;
use std::str::FromStr;

/// The name of a region: `eu-central-1`, `us-gov-east-1`.
///
/// Words of lower-case letters and then a number, between hyphens, in at most 32 bytes. Which regions there are is not known here: a
/// server may use any name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Region(String);

/// A text that is no name of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RegionError;

impl fmt::Display for RegionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("expected the name of a region, such as `eu-central-1`")
    }
}

impl std::error::Error for RegionError {}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Region {
    type Err = RegionError;

    /// # Errors
    /// [`RegionError`], for wildcards too: the condition compares whole names, so that `eu-*` would open nothing.
    fn from_str(text: &str) -> Result<Self, RegionError> {
        let is_word = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase());
        let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        let (words, number) = text.rsplit_once('-').ok_or(RegionError)?;
        let known_shape = words.contains('-') && words.split('-').all(is_word) && is_number(number);
        if known_shape && text.len() <= BYTES_MAX { Ok(Self(text.to_owned())) } else { Err(RegionError) }
    }
}

const BYTES_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_of_every_partition_are_names() {
        for name in [
            "eu-central-1",
            "us-gov-east-1",
            "cn-north-1",
            "us-iso-west-1",
            "eusc-de-east-1",
            "ap-southeast-10",
        ] {
            assert_eq!(name.parse::<Region>().unwrap().to_string(), name);
        }
    }

    #[test]
    fn what_is_no_name_or_would_change_the_document_is_refused() {
        let long = format!("eu-{}-1", "a".repeat(32));
        for text in [
            "",
            "eu",
            "eu-1",
            "eu-central",
            "eu-central-",
            "eu-central-1a",
            "EU-central-1",
            "eu-*",
            "*",
            "eu--1",
            "-eu-central-1",
        ] {
            assert_eq!(text.parse::<Region>(), Err(RegionError), "{text}");
        }
        for text in
            ["eu-central-1\"", " eu-central-1", "eu-central-1\n", "eu-c\u{e9}ntral-1", "${aws:x}-y-1", &long]
        {
            assert_eq!(text.parse::<Region>(), Err(RegionError), "{text}");
        }
    }
}
