//! Patterns: texts with wildcards and policy variables, and ARNs of such texts.
//!
//! `*` is any run of characters, `?` exactly one; matching is anchored at both ends. A variable's value stands for
//! itself: a `*` in it is no wildcard and a `${` in it is not looked into again.
//! Time: linear in pattern and text without `?`. A segment between two `*` that has a `?` is searched bit-parallel, 64 of
//! its characters a step, so that no pattern makes matching quadratic in practice.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;

use rootward_names::same_folded;

use crate::context::{Context, Value, hash};

/// A condition key with its hash.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    hash: u64,
    name: Box<str>,
}

impl Key {
    pub(crate) fn new(name: &str) -> Self {
        Self { hash: hash(name), name: name.into() }
    }

    /// As written in the policy.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn find<'a>(&self, context: &'a Context) -> Option<Value<'a>> {
        context.find(self.hash, &self.name)
    }
}

/// A policy variable, `${key}` or `${key, 'default'}`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Variable {
    pub(crate) key: Key,
    default: Option<Box<str>>,
}

impl Variable {
    /// Reads what stands between `${` and `}`.
    fn parse(inside: &str) -> Self {
        let (key, rest) = inside.split_once(',').map_or((inside, None), |(key, rest)| (key, Some(rest)));
        let quoted = |rest: &str| Some(rest.trim().strip_prefix('\'')?.strip_suffix('\'')?.into());
        Self { key: Key::new(key.trim()), default: rest.and_then(quoted) }
    }

    /// Multivalued keys do not resolve, nor does a key that is absent and has no default.
    fn resolve<'a>(&'a self, context: &'a Context) -> Option<&'a str> {
        match self.key.find(context) {
            Some(Value::Single(text)) => Some(text),
            Some(Value::Many(_)) => None,
            None => self.default.as_deref(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    /// `?`
    One,
    /// `*`
    Run,
    Text(Box<str>),
    Variable(Variable),
}

/// As it is written in a policy, but for escapes.
impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("?"),
            Self::Run => f.write_str("*"),
            Self::Text(text) => f.write_str(text),
            Self::Variable(Variable { key, default: None }) => write!(f, "${{{}}}", key.name),
            Self::Variable(Variable { key, default: Some(default) }) => {
                write!(f, "${{{}, '{default}'}}", key.name)
            }
        }
    }
}

/// What is special in a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Special {
    pub(crate) variables: bool,
    pub(crate) wildcards: bool,
}

/// A compiled text pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Pattern {
    Anything,
    Exactly(Box<str>),
    Pieces(Box<[Piece]>),
    StartsWith(Box<str>),
}

impl Pattern {
    pub(crate) fn compile(text: &str, special: Special) -> Self {
        let mut pieces = pieces(text, special);
        match &mut *pieces {
            [] => Self::Exactly("".into()),
            [Piece::Text(text)] => Self::Exactly(std::mem::take(text)),
            [Piece::Run] => Self::Anything,
            [Piece::Text(text), Piece::Run] => Self::StartsWith(std::mem::take(text)),
            _ => Self::Pieces(pieces.into()),
        }
    }

    pub(crate) fn matches(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Anything => true,
            Self::Exactly(exactly) => **exactly == *text,
            Self::StartsWith(start) => text.starts_with(&**start),
            Self::Pieces(pieces) => pieces_match(pieces, text, context),
        }
    }

    pub(crate) fn equals_ignoring_case(&self, text: &str, context: &Context) -> bool {
        match self {
            Self::Exactly(exactly) => same_folded(exactly, text),
            _ => self.resolved(context).is_some_and(|joined| same_folded(&joined, text)),
        }
    }

    /// Its text, of a pattern without wildcards; none if a variable has no value.
    pub(crate) fn resolved<'a>(&'a self, context: &'a Context) -> Option<Cow<'a, str>> {
        match self {
            Self::Exactly(text) => Some(Cow::Borrowed(text)),
            Self::Pieces(pieces) => pieces.iter().map(|p| literal(p, context)).collect(),
            Self::Anything | Self::StartsWith(_) => None,
        }
    }

    pub(crate) fn pieces(&self) -> &[Piece] {
        if let Self::Pieces(pieces) = self { pieces } else { &[] }
    }

    /// Whether everything it says is one literal text.
    const fn exact(&self) -> Option<&str> {
        if let Self::Exactly(text) = self { Some(text) } else { None }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("*"),
            Self::Exactly(text) => f.write_str(text),
            Self::Pieces(pieces) => pieces.iter().try_for_each(|piece| piece.fmt(f)),
            Self::StartsWith(start) => write!(f, "{start}*"),
        }
    }
}

fn pieces(text: &str, special: Special) -> Vec<Piece> {
    let mut pieces = Vec::new();
    let mut plain = String::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let inside = if special.variables && c == '$' {
            after.strip_prefix('{').and_then(|inside| inside.split_once('}'))
        } else {
            None
        };
        if let Some((inside, after)) = inside {
            rest = after;
            match inside {
                "*" | "?" | "$" => plain.push_str(inside),
                _ => {
                    flush(&mut plain, &mut pieces);
                    pieces.push(Piece::Variable(Variable::parse(inside)));
                }
            }
            continue;
        }
        rest = after;
        match c {
            '*' if special.wildcards => {
                flush(&mut plain, &mut pieces);
                if pieces.last() != Some(&Piece::Run) {
                    pieces.push(Piece::Run);
                }
            }
            '?' if special.wildcards => {
                flush(&mut plain, &mut pieces);
                pieces.push(Piece::One);
            }
            _ => plain.push(c),
        }
    }
    flush(&mut plain, &mut pieces);
    pieces
}

fn flush(plain: &mut String, pieces: &mut Vec<Piece>) {
    if !plain.is_empty() {
        pieces.push(Piece::Text(std::mem::take(plain).into()));
    }
}

fn literal<'a>(piece: &'a Piece, context: &'a Context) -> Option<&'a str> {
    match piece {
        Piece::Text(text) => Some(text),
        Piece::Variable(variable) => variable.resolve(context),
        Piece::One | Piece::Run => None,
    }
}

/// Whether every variable has a value.
pub(crate) fn resolves(pieces: &[Piece], context: &Context) -> bool {
    pieces
        .iter()
        .all(|piece| !matches!(piece, Piece::Variable(variable) if variable.resolve(context).is_none()))
}

fn pieces_match(pieces: &[Piece], text: &str, context: &Context) -> bool {
    if !resolves(pieces, context) {
        return false;
    }
    let mut segments = pieces.split(|piece| *piece == Piece::Run);
    let Some(rest) = segments.next().and_then(|first| after_start(first, text, context)) else {
        return false;
    };
    let Some(last) = segments.next_back() else { return rest.is_empty() };
    let Some(mut rest) = before_end(last, rest, context) else { return false };
    for segment in segments {
        match after_first(segment, rest, context) {
            Some(after) => rest = after,
            None => return false,
        }
    }
    true
}

/// What follows `segment` at the start of `text`.
fn after_start<'t>(segment: &[Piece], text: &'t str, context: &Context) -> Option<&'t str> {
    let mut rest = text;
    for piece in segment {
        rest = match literal(piece, context) {
            Some(literal) => rest.strip_prefix(literal)?,
            None => skip_one(rest)?,
        };
    }
    Some(rest)
}

/// What precedes `segment` at the end of `text`.
fn before_end<'t>(segment: &[Piece], text: &'t str, context: &Context) -> Option<&'t str> {
    let mut rest = text;
    for piece in segment.iter().rev() {
        rest = match literal(piece, context) {
            Some(literal) => rest.strip_suffix(literal)?,
            None => {
                let mut chars = rest.chars();
                chars.next_back()?;
                chars.as_str()
            }
        };
    }
    Some(rest)
}

/// What follows the first occurrence of `segment` in `text`. Taking the first is enough: a `*` follows it.
fn after_first<'t>(segment: &[Piece], text: &'t str, context: &Context) -> Option<&'t str> {
    match segment {
        [] => Some(text),
        [piece] => match literal(piece, context) {
            Some(literal) => text.get(text.find(literal)? + literal.len()..),
            None => skip_one(text),
        },
        _ if segment.contains(&Piece::One) => after_first_in_parallel(segment, text, context),
        // Texts and variables.
        _ => {
            let joined: String = segment.iter().filter_map(|piece| literal(piece, context)).collect();
            text.get(text.find(&*joined)? + joined.len()..)
        }
    }
}

fn skip_one(text: &str) -> Option<&str> {
    let mut chars = text.chars();
    chars.next()?;
    Some(chars.as_str())
}

/// Symbols of a segment in one word of the search.
const BITS: usize = 64;

/// Shift-And: bit `i` of `state` says that the first `i + 1` symbols of the segment end at the current character.
fn after_first_in_parallel<'t>(segment: &[Piece], text: &'t str, context: &Context) -> Option<&'t str> {
    let symbols: Vec<Option<char>> = segment.iter().flat_map(|piece| symbols(piece, context)).collect();
    let Some(last) = symbols.len().checked_sub(1) else { return Some(text) };
    let words = symbols.len().div_ceil(BITS);
    let goal = 1u64 << (last % BITS);
    let mut state = vec![0u64; words];
    let masks = Masks::of(&symbols, words);
    for (at, c) in text.char_indices() {
        let mut carry = 1;
        for (word, mask) in state.iter_mut().zip(masks.of_char(c)) {
            let out = *word >> (BITS - 1);
            *word = ((*word << 1) | carry) & mask;
            carry = out;
        }
        if state.last().is_some_and(|word| word & goal != 0) {
            return text.get(at + c.len_utf8()..);
        }
    }
    None
}

/// For each character, in which places of a segment it may stand.
struct Masks {
    words: usize,
    /// Of characters that the segment does not name: the places of `?`.
    others: Vec<u64>,
    /// Where the masks of the characters below 128 begin in `named`, if the segment names them.
    ascii: [Option<usize>; 128],
    wide: BTreeMap<char, usize>,
    named: Vec<u64>,
}

impl Masks {
    fn of(symbols: &[Option<char>], words: usize) -> Self {
        let mut masks = Self {
            words,
            others: vec![0; words],
            ascii: [None; 128],
            wide: BTreeMap::new(),
            named: Vec::new(),
        };
        for (at, _) in symbols.iter().enumerate().filter(|(_, symbol)| symbol.is_none()) {
            set(&mut masks.others, at);
        }
        for (at, c) in symbols.iter().enumerate().filter_map(|(at, symbol)| Some((at, (*symbol)?))) {
            let (fresh, others, named) = (masks.named.len(), &masks.others, &mut masks.named);
            let begin = match masks.ascii.get_mut(c as usize) {
                Some(begin) => begin.get_or_insert(fresh),
                None => masks.wide.entry(c).or_insert(fresh),
            };
            if *begin == fresh {
                named.extend_from_slice(others);
            }
            set(named.get_mut(*begin..).unwrap_or_default(), at);
        }
        masks
    }

    fn of_char(&self, c: char) -> &[u64] {
        let begin = match self.ascii.get(c as usize) {
            Some(begin) => *begin,
            None => self.wide.get(&c).copied(),
        };
        begin.and_then(|begin| self.named.get(begin..begin + self.words)).unwrap_or(&self.others)
    }
}

fn set(mask: &mut [u64], at: usize) {
    if let Some(word) = mask.get_mut(at / BITS) {
        *word |= 1 << (at % BITS);
    }
}

fn symbols<'a>(piece: &'a Piece, context: &'a Context) -> impl Iterator<Item = Option<char>> + 'a {
    let text = literal(piece, context);
    let one = if text.is_none() { Some(None) } else { None };
    text.unwrap_or_default().chars().map(Some).chain(one)
}

/// An ARN of the request, taken apart once.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ArnText<'a> {
    /// Through the fifth colon.
    head: &'a str,
    parts: [&'a str; 5],
    tail: &'a str,
}

impl<'a> ArnText<'a> {
    pub(crate) fn split(text: &'a str) -> Option<Self> {
        let mut rest = text;
        let mut parts = [""; 5];
        for part in &mut parts {
            (*part, rest) = rest.split_once(':')?;
        }
        if parts.first() != Some(&"arn") {
            return None;
        }
        Some(Self { head: text.get(..text.len() - rest.len())?, parts, tail: rest })
    }

    pub(crate) const fn service(&self) -> &'a str {
        let [_, _, service, _, _] = self.parts;
        service
    }

    pub(crate) const fn tail(&self) -> &'a str {
        self.tail
    }
}

/// A pattern of six parts, compared one by one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ArnPattern {
    head: Head,
    tail: Pattern,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Head {
    /// All five without wildcards: one comparison.
    Exactly(Box<str>),
    Parts(Box<[Pattern; 5]>),
}

impl ArnPattern {
    /// Compiles exactly six parts; `head` says what is special in the first five, `tail` in the sixth.
    pub(crate) fn compile(parts: [&str; 6], head: Special, tail: Special) -> Self {
        let [a, b, c, d, e, last] = parts;
        let first = [a, b, c, d, e].map(|part| Pattern::compile(part, head));
        let head = if first.iter().all(|part| part.exact().is_some()) {
            let texts = first.iter().filter_map(Pattern::exact);
            Head::Exactly(texts.flat_map(|text| [text, ":"]).collect::<String>().into())
        } else {
            Head::Parts(Box::new(first))
        };
        Self { head, tail: Pattern::compile(last, tail) }
    }

    pub(crate) fn matches(&self, arn: &ArnText<'_>, context: &Context) -> bool {
        let head = match &self.head {
            Head::Exactly(head) => **head == *arn.head,
            Head::Parts(parts) => parts.iter().zip(arn.parts).all(|(part, text)| part.matches(text, context)),
        };
        head && self.tail.matches(arn.tail, context)
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        let head: &[Pattern] = match &self.head {
            Head::Exactly(_) => &[],
            Head::Parts(parts) => &**parts,
        };
        head.iter().chain([&self.tail]).flat_map(|pattern| pattern.pieces())
    }
}

impl fmt::Display for ArnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.head {
            Head::Exactly(head) => f.write_str(head)?,
            Head::Parts(parts) => parts.iter().try_for_each(|part| write!(f, "{part}:"))?,
        }
        self.tail.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const GLOB: Special = Special { variables: true, wildcards: true };

    fn glob(pattern: &str, text: &str) -> bool {
        let mut context = Context::new();
        context.text("k", "*a").list("many", ["x"]);
        Pattern::compile(pattern, GLOB).matches(text, &context)
    }

    fn naive(pattern: &[char], text: &[char]) -> bool {
        match (pattern, text) {
            ([], []) => true,
            (['*', rest @ ..], _) => naive(rest, text) || (!text.is_empty() && naive(pattern, &text[1..])),
            (['?', rest @ ..], [_, others @ ..]) => naive(rest, others),
            ([p, rest @ ..], [t, others @ ..]) => p == t && naive(rest, others),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn glob_agrees_with_the_obvious_one(pattern in "[abé?*]{0,9}", text in "[abé]{0,11}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            prop_assert_eq!(glob(&pattern, &text), naive(&chars(&pattern), &chars(&text)));
        }

        #[test]
        fn parallel_search_agrees_with_the_plain_one(segment in "[abé?]{1,70}|[ab?]{1,5}", text in "[abéü]{0,200}") {
            let pieces = pieces(&segment, GLOB);
            let context = Context::new();
            prop_assert_eq!(
                after_first_in_parallel(&pieces, &text, &context),
                (0..=text.len()).filter(|at| text.is_char_boundary(*at)).find_map(|at| after_start(&pieces, text.get(at..).unwrap(), &context))
            );
        }
    }

    #[test]
    fn variables_stand_for_themselves() {
        assert!(glob("x${k}y", "x*ay") && !glob("x${k}y", "xbay"));
        assert!(glob("${absent, 'd'}", "d") && !glob("${absent}", "") && !glob("${many}", "x"));
        assert!(glob("${*}${?}${$}", "*?$") && !glob("${*}", "a"));
        assert!(glob("${open", "${open"));
    }

    #[test]
    fn long_patterns_stay_fast() {
        let text = "a".repeat(20_000);
        let segment = format!("*{}?{}b*", "a".repeat(31), "a".repeat(30));
        assert!(!glob(&segment.repeat(90), &text));
        assert!(!glob(&format!("{}b", "*a".repeat(10_000)), &text));
        assert!(!glob(&format!("*{}b*", "a?".repeat(5_000)), &text));
        assert!(glob(&format!("*{}*", "?a".repeat(5_000)), &text));
    }

    #[test]
    fn arn_parts_do_not_swallow_colons() {
        let parts: Vec<_> = "arn:aws:sns:*:111111111111:t".splitn(6, ':').collect();
        let pattern = ArnPattern::compile(parts.try_into().unwrap(), GLOB, GLOB);
        let matches = |text| ArnText::split(text).is_some_and(|arn| pattern.matches(&arn, &Context::new()));
        assert!(matches("arn:aws:sns:us-east-1:111111111111:t"));
        assert!(!matches("arn:aws:sns:us-east-1:222222222222:x:111111111111:t"));
    }
}
