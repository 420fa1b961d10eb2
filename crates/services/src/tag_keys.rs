//! Keys of the tags in a request: what every service asks of them, in the words they all use. The code is the service's own.

use std::collections::HashSet;

use rootward_names::{TagKey, folded};

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
    // A request may name very many.
    let mut seen = HashSet::new();
    for key in keys {
        if TagKey(key).is_reserved() {
            return Err(Unfit::Reserved);
        }
        if !seen.insert(folded(key).collect::<String>()) {
            return Err(Unfit::Duplicate);
        }
    }
    Ok(())
}
