//! Patterns: texts with wildcards and policy variables, and ARNs of such texts.
//!
//! Nearly all patterns are one text, kept as it was read; only those with `?`, variables or escapes are taken to pieces.
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
    pub(crate) fn new(name: Box<str>) -> Self {
        Self { hash: hash(&name), name }
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
        Self { key: Key::new(key.trim().into()), default: rest.and_then(quoted) }
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
    Variable(Box<Variable>),
}

/// As it is written in a policy, but for escapes.
impl fmt::Display for Piece {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One => f.write_str("?"),
            Self::Run => f.write_str("*"),
            Self::Text(text) => f.write_str(text),
            Self::Variable(variable) => match &variable.default {
                None => write!(f, "${{{}}}", variable.key.name),
                Some(default) => write!(f, "${{{}, '{default}'}}", variable.key.name),
            },
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
    /// Texts with `*` between them, the first of which is at `first`.
    Texts {
        first: u32,
        text: Box<str>,
    },
}

impl Pattern {
    pub(crate) fn compile(text: Box<str>, special: Special) -> Self {
        let mut first = None;
        for (at, byte) in (0u32..).zip(text.bytes()) {
            match byte {
                b'*' if special.wildcards => first = first.or(Some(at)),
                b'?' if special.wildcards => return Self::of_pieces(&text, special),
                b'$' if special.variables => return Self::of_pieces(&text, special),
                _ => {}
            }
        }
        let Some(first) = first else { return Self::Exactly(text) };
        let stem = text.trim_end_matches('*').len();
        match first as usize {
            0 if stem == 0 => Self::Anything,
            end if end == stem => {
                let mut start = String::from(text);
                start.truncate(end);
                Self::StartsWith(start.into())
            }
            _ => Self::Texts { first, text },
        }
    }

    fn of_pieces(text: &str, special: Special) -> Self {
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
            Self::Texts { first, text: texts } => texts_match(texts, *first as usize, text),
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
            Self::Anything | Self::StartsWith(_) | Self::Texts { .. } => None,
        }
    }

    /// Its text if nothing in it is special.
    pub(crate) const fn exact(&self) -> Option<&str> {
        if let Self::Exactly(text) = self { Some(text) } else { None }
    }

    /// The service, of a pattern that takes each of its actions: `s3:*`.
    pub(crate) fn whole_service(&self) -> Option<&str> {
        let Self::StartsWith(start) = self else { return None };
        start.strip_suffix(':').filter(|service| !service.contains(':'))
    }

    /// The text before whatever is special in it.
    pub(crate) fn literal_start(&self) -> &str {
        match self {
            Self::Anything => "",
            Self::Exactly(text) | Self::StartsWith(text) => text,
            Self::Texts { first, text } => text.get(..*first as usize).unwrap_or_default(),
            Self::Pieces(pieces) => match &**pieces {
                [Piece::Text(text), ..] => text,
                _ => "",
            },
        }
    }

    pub(crate) fn make_ascii_lowercase(&mut self) {
        match self {
            Self::Anything => {}
            Self::Exactly(text) | Self::StartsWith(text) | Self::Texts { text, .. } => {
                text.make_ascii_lowercase();
            }
            Self::Pieces(pieces) => pieces.iter_mut().for_each(|piece| {
                if let Piece::Text(text) = piece {
                    text.make_ascii_lowercase();
                }
            }),
        }
    }

    /// None of a pattern that has no variables.
    pub(crate) fn pieces(&self) -> &[Piece] {
        if let Self::Pieces(pieces) = self { pieces } else { &[] }
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Anything => f.write_str("*"),
            Self::Exactly(text) | Self::Texts { text, .. } => f.write_str(text),
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
                    pieces.push(Piece::Variable(Box::new(Variable::parse(inside))));
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

/// The first text starts `text`, the last ends it, the others follow one another in between.
fn texts_match(texts: &str, first: usize, text: &str) -> bool {
    let Some((start, others)) = texts.split_at_checked(first) else { return false };
    let Some(rest) = text.strip_prefix(start) else { return false };
    // Mostly the `*` at `first` is the only one; `split` and its like take longer than all the rest.
    let Some(last) = others.bytes().rposition(|byte| byte == b'*') else { return rest.is_empty() };
    let end = others.get(last + 1..).unwrap_or_default();
    let Some(mut rest) = rest.strip_suffix(end) else { return false };
    let between = others.get(1..last).unwrap_or_default();
    last == 0
        || between.split('*').all(|segment| match rest.find(segment) {
            Some(at) => {
                rest = rest.get(at + segment.len()..).unwrap_or_default();
                true
            }
            None => false,
        })
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
    whole: &'a str,
    /// Through the fifth colon.
    head: &'a str,
    service: &'a str,
    tail: &'a str,
}

impl<'a> ArnText<'a> {
    pub(crate) fn split(text: &'a str) -> Option<Self> {
        if !text.starts_with("arn:") {
            return None;
        }
        // One walk over the bytes: to search for each colon takes longer than the parts are.
        let mut colons = text.bytes().enumerate().filter(|(_, byte)| *byte == b':').map(|(at, _)| at);
        let (second, third) = (colons.nth(1)?, colons.next()?);
        let fifth = colons.nth(1)?;
        let (head, tail) = text.split_at_checked(fifth + 1)?;
        Some(Self { whole: text, head, service: text.get(second + 1..third)?, tail })
    }

    pub(crate) const fn service(&self) -> &'a str {
        self.service
    }

    pub(crate) const fn tail(&self) -> &'a str {
        self.tail
    }
}

/// A pattern of six parts: nothing in the first five goes beyond its part.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ArnPattern {
    /// The first five parts, which are matched as one text, and the sixth.
    ///
    /// No part can stretch: pattern and ARN have five colons there, and each of the pattern's takes up one of the ARN's.
    Parts(Box<[Pattern; 2]>),
    /// Nothing is special in the first five.
    Whole(Pattern),
}

impl ArnPattern {
    /// Compiles a text of six parts, the last of which starts at `tail_start`; `head` says what is special in the first
    /// five, `tail` in the sixth.
    pub(crate) fn compile(text: Box<str>, tail_start: usize, head: Special, tail: Special) -> Self {
        let (first, last) = text.split_at_checked(tail_start).unwrap_or((&text, ""));
        if first.bytes().any(|byte| matches!(byte, b'*' | b'?' | b'$')) {
            let (first, last) = (Pattern::compile(first.into(), head), Pattern::compile(last.into(), tail));
            Self::Parts(Box::new([first, last]))
        } else {
            Self::Whole(Pattern::compile(text, tail))
        }
    }

    /// Whether an ARN could match, as far as its end tells.
    pub(crate) fn may_match(&self, arn: &str) -> bool {
        self.patterns().last().and_then(Pattern::exact).is_none_or(|end| arn.ends_with(end))
    }

    pub(crate) fn matches(&self, arn: &ArnText<'_>, context: &Context) -> bool {
        match self {
            Self::Parts(parts) => {
                let [head, tail] = &**parts;
                head.matches(arn.head, context) && tail.matches(arn.tail, context)
            }
            Self::Whole(pattern) => pattern.matches(arn.whole, context),
        }
    }

    pub(crate) fn pieces(&self) -> impl Iterator<Item = &Piece> {
        self.patterns().iter().flat_map(Pattern::pieces)
    }

    fn patterns(&self) -> &[Pattern] {
        match self {
            Self::Parts(parts) => &**parts,
            Self::Whole(pattern) => std::slice::from_ref(pattern),
        }
    }
}

impl fmt::Display for ArnPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.patterns().iter().try_for_each(|pattern| pattern.fmt(f))
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
        Pattern::compile(pattern.into(), GLOB).matches(text, &context)
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
        fn arn_agrees_with_its_parts_one_by_one(pattern in "arn(:[ab*?]{0,3}){5,6}", text in "arn(:[ab]{0,3}){5,6}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let parts = |text: &str| text.splitn(6, ':').map(chars).collect::<Vec<_>>();
            let expected = parts(&pattern).iter().zip(parts(&text)).all(|(part, text)| naive(part, &text));
            let head = ArnText::split(&pattern).unwrap().head;
            let compiled = ArnPattern::compile(pattern.as_str().into(), head.len(), GLOB, GLOB);
            prop_assert_eq!(compiled.matches(&ArnText::split(&text).unwrap(), &Context::new()), expected);
            prop_assert!(compiled.may_match(&text) || !expected);
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
        let pattern = ArnPattern::compile("arn:aws:sns:*:111111111111:t".into(), 27, GLOB, GLOB);
        let matches = |text| ArnText::split(text).is_some_and(|arn| pattern.matches(&arn, &Context::new()));
        assert!(matches("arn:aws:sns:us-east-1:111111111111:t"));
        assert!(!matches("arn:aws:sns:us-east-1:222222222222:x:111111111111:t"));
    }
}
