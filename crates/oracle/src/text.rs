//! Patterns: wildcards and policy variables.

use std::collections::BTreeSet;

use rootward_policy::Version;

use crate::context::{Given, Keys};

/// A pattern after variables have been replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `*`: any run of characters, none too.
    Any,
    /// This character.
    Char(char),
    /// This character, which the value of a variable had.
    Given(char),
    /// `?`: exactly one character.
    One,
    /// No character: here begins what a variable gave, be it empty.
    Variable,
}

/// Reads `*` and `?` as wildcards, everything else as itself.
pub(crate) fn wild(text: &str) -> Vec<Piece> {
    text.chars()
        .map(|c| match c {
            '*' => Piece::Any,
            '?' => Piece::One,
            c => Piece::Char(c),
        })
        .collect()
}

/// Reads every character as itself.
pub(crate) fn literal(text: &str) -> Vec<Piece> {
    text.chars().map(Piece::Char).collect()
}

/// Whether the whole text fits the whole pattern. Walks through the pattern with the set of places in the text that
/// can have been reached, so it needs no way back.
pub(crate) fn fits(pattern: &[Piece], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let mut reached = BTreeSet::from([0]);
    for piece in pattern {
        reached = match *piece {
            Piece::Any => reached.first().map_or_else(BTreeSet::new, |first| (*first..=text.len()).collect()),
            Piece::Char(c) | Piece::Given(c) => {
                reached.into_iter().filter(|at| text.get(*at) == Some(&c)).map(|at| at + 1).collect()
            }
            Piece::Variable => reached,
            Piece::One => reached.into_iter().filter(|at| *at < text.len()).map(|at| at + 1).collect(),
        };
    }
    reached.contains(&text.len())
}

/// Replaces policy variables; `read` says how the rest is read. None if a variable has no value and no default.
///
/// IAM, "IAM policy elements: Variables and tags": `${key}`, `${key, 'default'}`, and `${*}`, `${?}`, `${$}` for the
/// characters themselves; only in version 2012-10-17; single-valued keys only. A replaced value is plain text: a tag
/// with the value `*` is no wildcard.
pub(crate) fn replaced(
    text: &str,
    version: Version,
    keys: &Keys,
    read: fn(&str) -> Vec<Piece>,
) -> Option<Vec<Piece>> {
    if version == Version::V2008 {
        return Some(read(text));
    }
    let Some((before, rest)) = text.split_once("${") else { return Some(read(text)) };
    // What is opened and never closed is no variable.
    let Some((name, after)) = rest.split_once('}') else { return Some(read(text)) };
    let mut pieces = read(before);
    match name {
        "*" | "?" | "$" => pieces.extend(literal(name)),
        _ => {
            pieces.push(Piece::Variable);
            pieces.extend(value(name, keys)?.chars().map(Piece::Given));
        }
    }
    pieces.extend(replaced(after, version, keys, read)?);
    Some(pieces)
}

fn value(variable: &str, keys: &Keys) -> Option<String> {
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => (key, default.trim_start_matches(' ').strip_prefix('\'')?.strip_suffix('\'')),
        None => (variable, None),
    };
    match keys.get(key) {
        Given::Absent => default.map(str::to_owned),
        Given::Many(_) => None,
        Given::Single(value) => Some(value),
    }
}
