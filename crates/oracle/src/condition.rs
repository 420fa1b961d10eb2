//! Conditions. The answer is a truth value with a third state, none: cannot be evaluated. Whoever asks decides what that
//! means; it spreads as one expects: it does not matter where the rest settles the answer.

use std::cmp::Ordering;

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use rootward_policy::{ConditionEntry, Version};

use crate::context::{Given, Keys};
use crate::number::{Number, address, instant, range};
use crate::text::{Piece, fits, literal, replaced, wild};

pub(crate) type Truth = Option<bool>;

pub(crate) fn all(truths: impl IntoIterator<Item = Truth>) -> Truth {
    let truths: Vec<Truth> = truths.into_iter().collect();
    if truths.contains(&Some(false)) {
        Some(false)
    } else if truths.contains(&None) {
        None
    } else {
        Some(true)
    }
}

pub(crate) fn any(truths: impl IntoIterator<Item = Truth>) -> Truth {
    not(all(truths.into_iter().map(not)))
}

pub(crate) fn not(truth: Truth) -> Truth {
    truth.map(|truth| !truth)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    All,
    Any,
    Plain,
}

#[derive(Clone, Copy)]
enum Comparison {
    Arn,
    Binary,
    Bool,
    Date(fn(Ordering) -> bool),
    Ip,
    Number(fn(Ordering) -> bool),
    Text,
    TextAnyCase,
    TextLike,
}

/// IAM, "IAM JSON policy elements: Condition operators": the operators, and which of them negate another.
fn operator(name: &str) -> Option<(Comparison, bool)> {
    use Comparison::{Arn, Binary, Bool, Date, Ip, Number, Text, TextAnyCase, TextLike};
    Some(match name {
        "StringEquals" => (Text, false),
        "StringNotEquals" => (Text, true),
        "StringEqualsIgnoreCase" => (TextAnyCase, false),
        "StringNotEqualsIgnoreCase" => (TextAnyCase, true),
        "StringLike" => (TextLike, false),
        "StringNotLike" => (TextLike, true),
        "NumericEquals" => (Number(Ordering::is_eq), false),
        "NumericNotEquals" => (Number(Ordering::is_eq), true),
        "NumericLessThan" => (Number(Ordering::is_lt), false),
        "NumericLessThanEquals" => (Number(Ordering::is_le), false),
        "NumericGreaterThan" => (Number(Ordering::is_gt), false),
        "NumericGreaterThanEquals" => (Number(Ordering::is_ge), false),
        "DateEquals" => (Date(Ordering::is_eq), false),
        "DateNotEquals" => (Date(Ordering::is_eq), true),
        "DateLessThan" => (Date(Ordering::is_lt), false),
        "DateLessThanEquals" => (Date(Ordering::is_le), false),
        "DateGreaterThan" => (Date(Ordering::is_gt), false),
        "DateGreaterThanEquals" => (Date(Ordering::is_ge), false),
        "Bool" => (Bool, false),
        "BinaryEquals" => (Binary, false),
        "IpAddress" => (Ip, false),
        "NotIpAddress" => (Ip, true),
        "ArnEquals" | "ArnLike" => (Arn, false),
        "ArnNotEquals" | "ArnNotLike" => (Arn, true),
        _ => return None,
    })
}

/// One operator with one key.
///
/// IAM, "Condition operators" for single values, absent keys, `…IfExists` and `Null`; "Set operators for multivalued
/// context keys" for `ForAllValues` and `ForAnyValue`; "Multiple keys or values" for lists: any of the values, or none of them
/// if the operator negates.
pub(crate) fn holds(entry: &ConditionEntry, version: Version, keys: &Keys) -> Truth {
    let given = keys.get(&entry.key.value);
    let values: Vec<&str> = entry.values.iter().map(|value| &*value.value).collect();
    if &*entry.operator.value == "Null" {
        return any(values.iter().map(|value| Some(read_bool(value)? == (given == Given::Absent))));
    }
    let (quantifier, name) = match &*entry.operator.value {
        name if name.starts_with("ForAllValues:") => {
            (Quantifier::All, name.trim_start_matches("ForAllValues:"))
        }
        name if name.starts_with("ForAnyValue:") => {
            (Quantifier::Any, name.trim_start_matches("ForAnyValue:"))
        }
        name => (Quantifier::Plain, name),
    };
    let (name, if_exists) = name.strip_suffix("IfExists").map_or((name, false), |name| (name, true));
    // Rootward: what an operator nobody knows means cannot be evaluated.
    let (comparison, negated) = operator(name)?;
    let test = |value: &str| {
        // Rootward: a value of the request that cannot be read stays open, whatever is listed.
        if !is_readable(comparison, value) {
            return None;
        }
        let found = any(values.iter().map(|listed| compare(comparison, listed, value, version, keys)));
        if negated { not(found) } else { found }
    };
    match (quantifier, given) {
        (_, Given::Absent) if if_exists => Some(true),
        (Quantifier::All, Given::Absent) => Some(true),
        (Quantifier::Any, Given::Absent) => Some(false),
        (Quantifier::Plain, Given::Absent) => Some(negated),
        (Quantifier::All, given) => all(set(given).iter().map(|value| test(value))),
        (Quantifier::Any, given) => any(set(given).iter().map(|value| test(value))),
        (Quantifier::Plain, Given::Single(value)) => test(&value),
        // Without a set operator a multivalued key never matches.
        (Quantifier::Plain, Given::Many(_)) => Some(false),
    }
}

/// An empty text is no member: "a null data set, such as an empty string".
fn set(given: Given) -> Vec<String> {
    let values = match given {
        Given::Absent => vec![],
        Given::Many(values) => values,
        Given::Single(value) => vec![value],
    };
    if values.iter().all(String::is_empty) { vec![] } else { values }
}

fn is_readable(comparison: Comparison, value: &str) -> bool {
    match comparison {
        Comparison::Arn | Comparison::Text | Comparison::TextAnyCase | Comparison::TextLike => true,
        Comparison::Binary => bytes(value).is_some(),
        Comparison::Bool => read_bool(value).is_some(),
        Comparison::Date(_) => instant(value).is_some(),
        Comparison::Ip => address(value).is_some(),
        Comparison::Number(_) => Number::read(value).is_some(),
    }
}

/// Whether the value of the request fits one listed value.
fn compare(comparison: Comparison, listed: &str, value: &str, version: Version, keys: &Keys) -> Truth {
    let text = |read: fn(&str) -> Vec<Piece>| replaced(listed, version, keys, read);
    // IAM, "Variables and tags": a variable without a value makes the comparison fail; a negated operator then holds.
    Some(match comparison {
        Comparison::Text => text(literal).is_some_and(|pattern| fits(&pattern, value)),
        Comparison::TextAnyCase => {
            text(literal).is_some_and(|pattern| lower(&plain(&pattern)) == lower(value))
        }
        Comparison::TextLike => text(wild).is_some_and(|pattern| fits(&pattern, value)),
        Comparison::Arn => match text(wild) {
            Some(pattern) => arn_fits(&pattern, value)?,
            None => false,
        },
        Comparison::Bool => match text(literal) {
            Some(pattern) => read_bool(&plain(&pattern))? == read_bool(value)?,
            None => false,
        },
        Comparison::Binary => bytes(listed)? == bytes(value)?,
        Comparison::Date(test) => test(instant(value)?.cmp(&instant(listed)?)),
        Comparison::Ip => range(listed)?.contains(address(value)?),
        Comparison::Number(test) => test(Number::read(value)?.compare(&Number::read(listed)?)),
    })
}

/// Part by part: a wildcard stays within its part, and only the last one may hold colons.
fn arn_fits(pattern: &[Piece], value: &str) -> Truth {
    let values: Vec<&str> = value.splitn(6, ':').collect();
    if values.len() < 6 || values.first() != Some(&"arn") {
        return Some(false);
    }
    // A colon that came with a variable ends no part: a tag must not move what follows it.
    let patterns: Vec<&[Piece]> = pattern.splitn(6, |piece| *piece == Piece::Char(':')).collect();
    if patterns.len() == 6 {
        return Some(patterns.iter().zip(&values).all(|(pattern, value)| fits(pattern, value)));
    }
    let given = pattern.contains(&Piece::Variable);
    let wild = pattern.iter().any(|piece| matches!(piece, Piece::Any | Piece::One));
    match (given, wild) {
        // Rootward: `*` alone is any ARN, as it is in `Resource`.
        (false, _) => Some(pattern == [Piece::Any]),
        // A variable may stand for a whole ARN.
        (true, false) => Some(fits(pattern, value)),
        // Rootward: where the parts end cannot be said.
        (true, true) => None,
    }
}

/// Padding may be left out, as in many policies; bits that fill up the last character do not matter.
fn bytes(text: &str) -> Option<Vec<u8>> {
    let config = GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true);
    GeneralPurpose::new(&STANDARD, config).decode(text).ok()
}

fn plain(pattern: &[Piece]) -> String {
    pattern
        .iter()
        .filter_map(|piece| match piece {
            Piece::Char(c) | Piece::Given(c) => Some(*c),
            Piece::Any | Piece::One | Piece::Variable => None,
        })
        .collect()
}

fn lower(text: &str) -> String {
    text.to_lowercase()
}

fn read_bool(text: &str) -> Truth {
    match lower(text).as_str() {
        "true" => Some(true),
        "false" => Some(false),
        _ => None,
    }
}
