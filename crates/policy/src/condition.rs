//! Conditions compiled, and whether they hold for a request.
//!
//! Operators and keys are ANDed; values of one key are ORed, for negated operators none may match.
//! Missing key: false, except `…IfExists`, `ForAllValues:`, `Null` and negated operators.
//! What cannot be evaluated (an unknown operator; a number, date, address or boolean that does not read as one, in the
//! policy or in the request) is [`Truth::Unknown`]: it never helps an Allow and never excuses a Deny.
//! Source: IAM User Guide, "IAM JSON policy elements: Condition operators".

use std::ops::Not;

use crate::context::{Context, Value};
use crate::operator::{Comparison, Operator, Order, Set, Text};
use crate::pattern::{ArnPattern, ArnText, Key, Pattern, Piece, Special, resolves};
use crate::policy::{ConditionEntry, Version};
use crate::span::Spanned;
use crate::value::{Instant, Number, Range, base64, instant};

/// Three-valued logic: No wins in "and", Yes wins in "or", Unknown stays itself when negated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Truth {
    No,
    Unknown,
    Yes,
}

impl Truth {
    pub(crate) fn any(truths: impl Iterator<Item = Self>) -> Self {
        let mut best = Self::No;
        for truth in truths {
            best = best.max(truth);
            if best == Self::Yes {
                break;
            }
        }
        best
    }

    pub(crate) fn all(truths: impl Iterator<Item = Self>) -> Self {
        !Self::any(truths.map(Self::not))
    }
}

impl From<bool> for Truth {
    fn from(holds: bool) -> Self {
        if holds { Self::Yes } else { Self::No }
    }
}

impl Not for Truth {
    type Output = Self;

    fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Unknown => Self::Unknown,
            Self::Yes => Self::No,
        }
    }
}

/// One operator and key of a statement.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Condition {
    pub(crate) key: Key,
    pub(crate) operator: Result<Operator, Box<str>>,
    /// The policy's values for people to read, cut short when long.
    pub(crate) wanted: Box<str>,
    test: Test,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Arn(Box<[ArnTest]>),
    Binary(Box<[Option<Box<[u8]>>]>),
    Bool(Box<[Option<Pattern>]>),
    Date(Order, Box<[Option<Instant>]>),
    Ip(Box<[Option<Range>]>),
    /// Whether the key must be absent.
    Null(Box<[Option<bool>]>),
    Numeric(Order, Box<[Box<str>]>),
    Text(Text, Box<[Pattern]>),
    Unknown,
}

#[derive(Debug, Clone, PartialEq)]
enum ArnTest {
    Anything,
    Parts(ArnPattern),
    /// Fewer than six parts, completed by variables.
    Variables(Pattern),
    /// Fewer than six parts: like no ARN.
    Nothing,
    /// Fewer than six parts, with variables and wildcards: where the parts end cannot be said.
    Unknown(Pattern),
}

impl Condition {
    pub(crate) fn compile(entry: ConditionEntry, version: Version) -> Self {
        let ConditionEntry { operator, key, values } = entry;
        let operator = Operator::parse(&operator.value).ok_or(operator.value);
        let variables = version == Version::V2012;
        let wanted = wanted(&values);
        let test = match &operator {
            Ok(operator) => Test::compile(operator.comparison, values, variables),
            Err(_) => Test::Unknown,
        };
        Self { key: Key::new(key.value), operator, wanted, test }
    }

    pub(crate) fn holds(&self, context: &Context) -> Truth {
        let Ok(operator) = &self.operator else { return Truth::Unknown };
        let value = self.key.find(context);
        if let Test::Null(values) = &self.test {
            let absent = value.is_none();
            return Truth::any(
                values.iter().map(|v| v.map_or(Truth::Unknown, |want| (want == absent).into())),
            );
        }
        match (value, operator.set) {
            (None, Some(Set::All)) => Truth::Yes,
            (None, Some(Set::Any)) => operator.if_exists.into(),
            (None, None) => (operator.if_exists || operator.negated).into(),
            // Empty texts are an empty set for the set operators.
            (Some(Value::Single("")), Some(set)) => (set == Set::All).into(),
            (Some(Value::Many(many)), Some(set)) if many.iter().all(str::is_empty) => {
                (set == Set::All).into()
            }
            (Some(Value::Single(text)), _) => self.one(operator, text, context),
            // A multivalued key needs a set operator.
            (Some(Value::Many(_)), None) => Truth::No,
            (Some(Value::Many(many)), Some(Set::All)) => {
                Truth::all(many.iter().map(|text| self.one(operator, text, context)))
            }
            (Some(Value::Many(many)), Some(Set::Any)) => {
                Truth::any(many.iter().map(|text| self.one(operator, text, context)))
            }
        }
    }

    fn one(&self, operator: &Operator, text: &str, context: &Context) -> Truth {
        let matched = self.test.matches(text, context);
        if operator.negated { !matched } else { matched }
    }

    /// The keys of the variables in its values.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &Key> {
        let patterns: &[Pattern] = if let Test::Text(_, patterns) = &self.test { patterns } else { &[] };
        let arns: &[ArnTest] = if let Test::Arn(arns) = &self.test { arns } else { &[] };
        let pieces = patterns.iter().flat_map(Pattern::pieces);
        let bools: &[Option<Pattern>] = if let Test::Bool(bools) = &self.test { bools } else { &[] };
        let bools = bools.iter().flatten().flat_map(Pattern::pieces);
        let arns = arns.iter().flat_map(|arn| -> Box<dyn Iterator<Item = &Piece>> {
            match arn {
                ArnTest::Parts(pattern) => Box::new(pattern.pieces()),
                ArnTest::Variables(pattern) | ArnTest::Unknown(pattern) => Box::new(pattern.pieces().iter()),
                ArnTest::Anything | ArnTest::Nothing => Box::new(std::iter::empty()),
            }
        });
        pieces.chain(bools).chain(arns).filter_map(|piece| match piece {
            Piece::Variable(variable) => Some(&variable.key),
            _ => None,
        })
    }
}

impl Test {
    fn compile(comparison: Comparison, values: Vec<Spanned<Box<str>>>, variables: bool) -> Self {
        let texts = values.into_iter().map(|value| value.value);
        match comparison {
            Comparison::Arn => Self::Arn(texts.map(|text| ArnTest::compile(text, variables)).collect()),
            Comparison::Binary => Self::Binary(texts.map(|text| base64(&text).map(Into::into)).collect()),
            Comparison::Bool => Self::Bool(texts.map(|text| bool_pattern(text, variables)).collect()),
            Comparison::Date(order) => Self::Date(order, texts.map(|text| instant(&text)).collect()),
            Comparison::Ip => Self::Ip(texts.map(|text| Range::parse(&text)).collect()),
            Comparison::Null => Self::Null(texts.map(|text| bool_of(&text)).collect()),
            Comparison::Numeric(order) => Self::Numeric(order, texts.collect()),
            Comparison::Text(text) => {
                let special = Special { variables, wildcards: text == Text::Like };
                Self::Text(text, texts.map(|value| Pattern::compile(value, special)).collect())
            }
        }
    }

    /// Whether any of the policy's values matches.
    fn matches(&self, text: &str, context: &Context) -> Truth {
        match self {
            // Many policies of an organization ask who the caller is, and most ARNs end otherwise.
            Self::Arn(tests) if !tests.iter().any(|test| test.may_match(text)) => Truth::No,
            Self::Arn(tests) => match ArnText::split(text) {
                Some(arn) => Truth::any(tests.iter().map(|test| test.matches(text, &arn, context))),
                None => Truth::No,
            },
            Self::Binary(values) => read_any(base64(text), values, |bytes, value| **bytes == **value),
            Self::Bool(patterns) => match bool_of(text) {
                Some(asked) => Truth::any(patterns.iter().map(|p| bool_is(p.as_ref(), asked, context))),
                None => Truth::Unknown,
            },
            Self::Date(order, values) => {
                read_any(instant(text), values, |at, value| order.holds(at.cmp(value)))
            }
            Self::Ip(ranges) => {
                let address =
                    Range::parse(text).filter(|_| !text.contains('/')).and_then(|_| text.parse().ok());
                read_any(address, ranges, |address, range| range.contains(*address))
            }
            Self::Numeric(order, values) => match Number::parse(text) {
                Some(number) => Truth::any(values.iter().map(|value| match Number::parse(value) {
                    Some(value) => order.holds(number.cmp(&value)).into(),
                    None => Truth::Unknown,
                })),
                None => Truth::Unknown,
            },
            Self::Text(Text::EqualsIgnoreCase, patterns) => {
                patterns.iter().any(|pattern| pattern.equals_ignoring_case(text, context)).into()
            }
            Self::Text(_, patterns) => patterns.iter().any(|pattern| pattern.matches(text, context)).into(),
            Self::Null(_) | Self::Unknown => Truth::Unknown,
        }
    }
}

/// Compares a value of the request with those of the policy, each of which may have been unreadable.
fn read_any<T, V>(read: Option<T>, values: &[Option<V>], holds: impl Fn(&T, &V) -> bool) -> Truth {
    let Some(read) = read else { return Truth::Unknown };
    Truth::any(
        values.iter().map(|value| value.as_ref().map_or(Truth::Unknown, |value| holds(&read, value).into())),
    )
}

impl ArnTest {
    fn compile(text: Box<str>, variables: bool) -> Self {
        let special = Special { variables, wildcards: true };
        if &*text == "*" {
            return Self::Anything;
        }
        if let Some(tail_start) = sixth_part(&text, variables) {
            return Self::Parts(ArnPattern::compile(text, tail_start, special, special));
        }
        let pattern = Pattern::compile(text, special);
        let has = |wanted: fn(&Piece) -> bool| pattern.pieces().iter().any(wanted);
        let variable = has(|piece| matches!(piece, Piece::Variable(_)));
        match (variable, has(|piece| matches!(piece, Piece::One | Piece::Run))) {
            (false, _) => Self::Nothing,
            (true, false) => Self::Variables(pattern),
            (true, true) => Self::Unknown(pattern),
        }
    }

    /// Whether `matches` could say anything but no, as far as the end of the text tells.
    fn may_match(&self, text: &str) -> bool {
        if let Self::Parts(pattern) = self { pattern.may_match(text) } else { true }
    }

    fn matches(&self, text: &str, arn: &ArnText<'_>, context: &Context) -> Truth {
        match self {
            Self::Anything => Truth::Yes,
            Self::Nothing => Truth::No,
            Self::Parts(pattern) => pattern.matches(arn, context).into(),
            // A variable without a value is like nothing, whatever stands around it.
            Self::Variables(pattern) | Self::Unknown(pattern) if !resolves(pattern.pieces(), context) => {
                Truth::No
            }
            Self::Unknown(_) => Truth::Unknown,
            Self::Variables(pattern) => pattern.matches(text, context).into(),
        }
    }
}

/// Where the sixth part starts, behind the fifth colon; those inside `${…}` do not count.
fn sixth_part(text: &str, variables: bool) -> Option<usize> {
    let (mut colons, mut inside, mut before) = (0, false, 0);
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'{' if variables && before == b'$' => inside = true,
            b'}' => inside = false,
            b':' if !inside => colons += 1,
            _ => {}
        }
        if colons == 5 {
            return Some(at + 1);
        }
        before = byte;
    }
    None
}

fn bool_of(text: &str) -> Option<bool> {
    match text {
        _ if text.eq_ignore_ascii_case("true") => Some(true),
        _ if text.eq_ignore_ascii_case("false") => Some(false),
        _ => None,
    }
}

fn bool_pattern(text: Box<str>, variables: bool) -> Option<Pattern> {
    let is_bool = bool_of(&text).is_some();
    let pattern = Pattern::compile(text, Special { variables, wildcards: false });
    if is_bool || !pattern.pieces().is_empty() { Some(pattern) } else { None }
}

/// A variable without a value is no boolean and not unreadable either: nothing equals it.
fn bool_is(pattern: Option<&Pattern>, asked: bool, context: &Context) -> Truth {
    let Some(pattern) = pattern else { return Truth::Unknown };
    match pattern.resolved(context) {
        Some(text) => bool_of(&text).map_or(Truth::Unknown, |value| (value == asked).into()),
        None => Truth::No,
    }
}

const WANTED_CHARS_MAX: usize = 200;

fn wanted(values: &[Spanned<Box<str>>]) -> Box<str> {
    let mut text = String::new();
    for (at, value) in values.iter().enumerate() {
        if text.len() > WANTED_CHARS_MAX {
            text.push_str(" or …");
            break;
        }
        text.push_str(if at == 0 { "`" } else { " or `" });
        text.extend(value.value.chars().take(WANTED_CHARS_MAX));
        text.push('`');
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::span::Span;

    fn holds(operator: &str, value: &str, context: &Context) -> Truth {
        let spanned = |value: &str| Spanned { span: Span::default(), value: value.into() };
        let entry =
            ConditionEntry { operator: spanned(operator), key: spanned("K"), values: vec![spanned(value)] };
        Condition::compile(entry, Version::V2012).holds(context)
    }

    fn with(operator: &str, value: &str, key: &str) -> Truth {
        holds(operator, value, Context::new().text("k", key).text("v", "arn:aws:iam::1:user/a*"))
    }

    #[test]
    fn unreadable_values_are_unknown_on_both_sides_and_both_ways() {
        for (operator, value, key) in [
            ("NumericLessThan", "10", "abc"),
            ("NumericNotEquals", "abc", "10"),
            ("DateNotEquals", "2026-01-01", "then"),
            ("IpAddress", "1.2.3.4/33", "1.2.3.4"),
            ("NotIpAddress", "1.2.3.4", "fe80::1%eth0"),
            ("Bool", "true", "maybe"),
            ("Bool", "${v}", "true"),
            ("BinaryEquals", "?", "QQ=="),
            ("Null", "maybe", "x"),
            ("StringResembles", "x", "x"),
        ] {
            assert_eq!(with(operator, value, key), Truth::Unknown, "{operator} {value} {key}");
        }
    }

    #[test]
    fn readable_match_outweighs_an_unreadable_neighbour() {
        assert_eq!(Truth::any([Truth::Unknown, Truth::Yes].into_iter()), Truth::Yes);
        assert_eq!(Truth::all([Truth::Unknown, Truth::No].into_iter()), Truth::No);
    }

    #[test]
    fn arn_operators_take_whole_variables() {
        assert_eq!(with("ArnEquals", "${v}", "arn:aws:iam::1:user/a*"), Truth::Yes);
        assert_eq!(with("ArnEquals", "${v}", "arn:aws:iam::1:user/ab"), Truth::No);
        assert_eq!(with("ArnLike", "${v}*", "arn:aws:iam::1:user/a*"), Truth::Unknown);
        assert_eq!(with("ArnNotLike", "${absent}*", "arn:aws:iam::1:user/a*"), Truth::Yes);
        assert_eq!(with("ArnNotLike", "arn:aws:iam::${absent}:user/*", "arn:aws:iam::1:user/a"), Truth::Yes);
        assert_eq!(with("ArnNotLike", "arn:aws:*", "no ARN"), Truth::Yes);
    }

    #[test]
    fn empty_texts_are_an_empty_set() {
        for context in [Context::new().text("k", ""), Context::new().list("k", ["", ""])] {
            assert_eq!(holds("ForAllValues:StringEquals", "a", context), Truth::Yes);
            assert_eq!(holds("ForAnyValue:StringNotEquals", "a", context), Truth::No);
        }
    }

    #[test]
    fn case_is_folded_beyond_ascii() {
        assert_eq!(with("StringEqualsIgnoreCase", "É${absent, 'X'}", "éx"), Truth::Yes);
    }
}
