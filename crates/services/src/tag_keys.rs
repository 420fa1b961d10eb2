//! Keys of the tags in a request: what every service asks of them, in the words they all use. The code is the service's own.

use rootward_names::TagKey;

/// Why keys are refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// Two are the same, ignoring case.
    Duplicate,
    /// One begins with `aws:`.
    Reserved,
}

impl Unfit {
    /// What the caller reads.
    pub(crate) fn message(self) -> &'static str {
        match self {
            Self::Duplicate => "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
            Self::Reserved => "Tag keys beginning with aws: are reserved for AWS use.",
        }
    }
}

/// Checks the keys of one request, in their order.
///
/// # Errors
/// [`Unfit`] for the first that will not do.
pub(crate) fn check<'a>(keys: impl Iterator<Item = &'a str>) -> Result<(), Unfit> {
    let mut seen: Vec<TagKey<'_>> = Vec::new();
    for key in keys.map(TagKey) {
        if key.is_reserved() {
            return Err(Unfit::Reserved);
        }
        if seen.contains(&key) {
            return Err(Unfit::Duplicate);
        }
        seen.push(key);
    }
    Ok(())
}
