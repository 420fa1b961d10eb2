//! Texts that come in no request, by the rules that the model has for those that do.

use rootward_wire::{Kind, Schema};

/// Whether a text of this shape is as long as it may be and matches its pattern.
pub(crate) fn fits(shape: &Schema, text: &str) -> bool {
    let Kind::String(length, Some(pattern)) = &shape.kind else { return false };
    let chars = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    length.min.is_none_or(|min| min <= chars)
        && length.max.is_none_or(|max| chars <= max)
        && pattern.matches(text)
}
