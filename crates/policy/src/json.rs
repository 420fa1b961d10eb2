//! JSON (RFC 8259) with the place of every value, strict about what a policy must not be vague about.
//!
//! Limits: 256 KiB of text, 16 levels of nesting; the tree takes at most some 40 bytes per byte of text and borrows its texts from it. Time is linear
//! (sorted look-up for names of large objects). An element that occurs twice in one object is an error: readers that keep
//! the last one and readers that keep the first would disagree on what a policy grants.

use std::borrow::Cow;

use crate::span::Span;

/// The longest document read, in bytes: the longest the API takes is 131,072 characters of at most two bytes.
pub const DOCUMENT_BYTES_MAX: usize = 256 * 1024;
/// How deep objects and lists nest; a policy needs seven levels.
pub const DEPTH_MAX: usize = 16;

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node<'a> {
    pub(crate) span: Span,
    pub(crate) json: Json<'a>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Json<'a> {
    Bool(bool),
    List(Vec<Node<'a>>),
    Map(Vec<Member<'a>>),
    Null,
    /// As written.
    Number(&'a str),
    /// Borrowed unless it has escapes.
    Text(Cow<'a, str>),
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Member<'a> {
    pub(crate) span: Span,
    pub(crate) name: Cow<'a, str>,
    pub(crate) node: Node<'a>,
}

impl Json<'_> {
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Bool(_) => "a boolean",
            Self::List(_) => "a list",
            Self::Map(_) => "an object",
            Self::Null => "null",
            Self::Number(_) => "a number",
            Self::Text(_) => "a string",
        }
    }
}

/// What is wrong with a text that is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Malformed {
    pub(crate) span: Span,
    pub(crate) message: Cow<'static, str>,
}

/// A document's tree, and the elements that occur a second time (kept out of the tree).
#[derive(Debug)]
pub(crate) struct Tree<'a> {
    pub(crate) root: Node<'a>,
    pub(crate) repeated: Vec<(Span, Cow<'a, str>)>,
}

pub(crate) fn read(text: &str) -> Result<Tree<'_>, Malformed> {
    if text.len() > DOCUMENT_BYTES_MAX {
        let message = format!("the document has {} bytes, more than {DOCUMENT_BYTES_MAX}", text.len());
        return Err(Malformed { span: Span::new(0, 0), message: message.into() });
    }
    let mut reader = Reader { text, at: 0, depth: 0, repeated: Vec::new() };
    let root = reader.value()?;
    reader.skip_space();
    match reader.peek() {
        None => Ok(Tree { root, repeated: reader.repeated }),
        Some(_) => Err(reader.fault_here("unexpected text after the end of the document")),
    }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
    depth: usize,
    repeated: Vec<(Span, Cow<'a, str>)>,
}

impl<'a> Reader<'a> {
    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// A fault at the character the reader stands at.
    fn fault_here(&self, message: impl Into<Cow<'static, str>>) -> Malformed {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let end = self.at + rest.chars().next().map_or(0, char::len_utf8);
        Malformed { span: Span::new(self.at, end), message: message.into() }
    }

    fn expected(&self, what: &str) -> Malformed {
        match self.text.get(self.at..).unwrap_or_default().chars().next() {
            None => self.fault_here(format!("expected {what}, but the document ends here")),
            Some(c) => self.fault_here(format!("expected {what}, found `{}`", c.escape_debug())),
        }
    }

    fn value(&mut self) -> Result<Node<'a>, Malformed> {
        self.skip_space();
        let start = self.at;
        let json = match self.peek() {
            Some(b'{') => self.nested(Self::map)?,
            Some(b'[') => self.nested(Self::list)?,
            Some(b'"') => Json::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            _ => self.word()?,
        };
        Ok(Node { span: Span::new(start, self.at), json })
    }

    fn nested(
        &mut self,
        inside: fn(&mut Self) -> Result<Json<'a>, Malformed>,
    ) -> Result<Json<'a>, Malformed> {
        if self.depth == DEPTH_MAX {
            return Err(self.fault_here(format!("objects and lists nest more than {DEPTH_MAX} levels deep")));
        }
        self.at += 1;
        self.depth += 1;
        let json = inside(self);
        self.depth -= 1;
        json
    }

    fn list(&mut self) -> Result<Json<'a>, Malformed> {
        let mut nodes = Vec::new();
        self.skip_space();
        if self.eat(b']') {
            return Ok(Json::List(nodes));
        }
        loop {
            nodes.push(self.value()?);
            self.skip_space();
            if self.eat(b']') {
                return Ok(Json::List(nodes));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `]`"));
            }
        }
    }

    fn map(&mut self) -> Result<Json<'a>, Malformed> {
        let mut members = Vec::new();
        self.skip_space();
        if self.eat(b'}') {
            return Ok(Json::Map(members));
        }
        loop {
            members.push(self.member()?);
            self.skip_space();
            if self.eat(b'}') {
                return Ok(Json::Map(self.without_repeated(members)));
            }
            if !self.eat(b',') {
                return Err(self.expected("`,` or `}`"));
            }
        }
    }

    fn member(&mut self) -> Result<Member<'a>, Malformed> {
        self.skip_space();
        let start = self.at;
        if self.peek() != Some(b'"') {
            return Err(self.expected("an element name in double quotes"));
        }
        let name = self.string()?;
        let span = Span::new(start, self.at);
        self.skip_space();
        if !self.eat(b':') {
            return Err(self.expected("`:`"));
        }
        Ok(Member { span, name, node: self.value()? })
    }

    /// Moves members whose name came before to `repeated`.
    fn without_repeated(&mut self, members: Vec<Member<'a>>) -> Vec<Member<'a>> {
        if members.len() <= FEW && !has_repeated(&members) {
            return members;
        }
        let mut order: Vec<usize> = (0..members.len()).collect();
        let name = |at: usize| members.get(at).map(|member| &*member.name);
        order.sort_by_key(|&at| (name(at), at));
        let mut repeats: Vec<usize> = order
            .windows(2)
            .filter_map(|pair| match pair {
                [a, b] if name(*a) == name(*b) => Some(*b),
                _ => None,
            })
            .collect();
        if repeats.is_empty() {
            return members;
        }
        repeats.sort_unstable();
        let mut kept = Vec::with_capacity(members.len());
        for (at, member) in members.into_iter().enumerate() {
            match repeats.binary_search(&at) {
                Ok(_) => self.repeated.push((member.span, member.name)),
                Err(_) => kept.push(member),
            }
        }
        kept
    }

    fn word(&mut self) -> Result<Json<'a>, Malformed> {
        for (word, json) in [("true", Json::Bool(true)), ("false", Json::Bool(false)), ("null", Json::Null)] {
            if self.text.as_bytes().get(self.at..).is_some_and(|rest| rest.starts_with(word.as_bytes())) {
                self.at += word.len();
                return Ok(json);
            }
        }
        Err(self.expected("a value"))
    }

    fn number(&mut self) -> Result<Json<'a>, Malformed> {
        let start = self.at;
        self.eat(b'-');
        if !self.eat(b'0') && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        if self.eat(b'.') && self.digits() == 0 {
            return Err(self.expected("a digit"));
        }
        if self.eat(b'e') || self.eat(b'E') {
            let _sign = self.eat(b'+') || self.eat(b'-');
            if self.digits() == 0 {
                return Err(self.expected("a digit"));
            }
        }
        Ok(Json::Number(Span::new(start, self.at).of(self.text)))
    }

    fn digits(&mut self) -> usize {
        let start = self.at;
        while matches!(self.peek(), Some(b'0'..=b'9')) {
            self.at += 1;
        }
        self.at - start
    }

    /// Reads from the opening quote to past the closing one.
    fn string(&mut self) -> Result<Cow<'a, str>, Malformed> {
        self.at += 1;
        let first = self.plain();
        if self.eat(b'"') {
            return Ok(Cow::Borrowed(first));
        }
        let mut text = first.to_owned();
        loop {
            text.push_str(self.plain());
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(Cow::Owned(text));
                }
                Some(b'\\') => text.push(self.escape()?),
                Some(_) => return Err(self.fault_here("a control character in a string must be escaped")),
                None => return Err(self.expected("`\"`")),
            }
        }
    }

    /// Characters of a string that stand for themselves.
    fn plain(&mut self) -> &'a str {
        let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
        let end = rest.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f)).unwrap_or(rest.len());
        let start = self.at;
        self.at += end;
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn escape(&mut self) -> Result<char, Malformed> {
        let start = self.at;
        self.at += 1;
        let escaped = self.peek();
        self.at += 1;
        let plain = match escaped {
            Some(b'u') => self.unicode(),
            Some(b'"') => Some('"'),
            Some(b'\\') => Some('\\'),
            Some(b'/') => Some('/'),
            Some(b'b') => Some('\u{8}'),
            Some(b'f') => Some('\u{c}'),
            Some(b'n') => Some('\n'),
            Some(b'r') => Some('\r'),
            Some(b't') => Some('\t'),
            _ => None,
        };
        plain.ok_or_else(|| {
            self.at = start;
            self.fault_here("an escape that JSON does not know, or half of a surrogate pair")
        })
    }

    fn unicode(&mut self) -> Option<char> {
        let unit = self.hex4()?;
        if !(0xd800..0xdc00).contains(&unit) {
            return char::from_u32(unit);
        }
        if !(self.eat(b'\\') && self.eat(b'u')) {
            return None;
        }
        let low = self.hex4().filter(|low| (0xdc00..0xe000).contains(low))?;
        char::from_u32(0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00))
    }

    fn hex4(&mut self) -> Option<u32> {
        let mut unit = 0;
        for _ in 0..4 {
            unit = unit * 16 + char::from(self.peek()?).to_digit(16)?;
            self.at += 1;
        }
        Some(unit)
    }
}

/// Of so few members, each is compared with each: sorting takes longer.
const FEW: usize = 8;

fn has_repeated(members: &[Member<'_>]) -> bool {
    let mut rest = members;
    while let [first, others @ ..] = rest {
        if others.iter().any(|other| other.name == first.name) {
            return true;
        }
        rest = others;
    }
    false
}

/// Writes `text` as a JSON string, quotes included.
pub(crate) fn write_string(text: &str, out: &mut impl std::fmt::Write) -> std::fmt::Result {
    out.write_char('"')?;
    for c in text.chars() {
        match c {
            '"' => out.write_str("\\\"")?,
            '\\' => out.write_str("\\\\")?,
            '\u{0}'..='\u{1f}' => write!(out, "\\u{:04x}", u32::from(c))?,
            _ => out.write_char(c)?,
        }
    }
    out.write_char('"')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fault(text: &str) -> String {
        read(text).unwrap_err().message.into_owned()
    }

    fn same(node: &Node<'_>, other: &serde_json::Value) -> bool {
        match (&node.json, other) {
            (Json::Null, serde_json::Value::Null) => true,
            (Json::Bool(a), serde_json::Value::Bool(b)) => a == b,
            (Json::Number(a), serde_json::Value::Number(b)) => {
                // The other reader rounds in its last digit.
                let (a, b) = (a.parse::<f64>().unwrap(), b.as_f64().unwrap());
                (a - b).abs() <= a.abs() * 1e-12
            }
            (Json::Text(a), serde_json::Value::String(b)) => **a == **b,
            (Json::List(a), serde_json::Value::Array(b)) => {
                a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
            }
            (Json::Map(a), serde_json::Value::Object(b)) => a.iter().all(|m| same(&m.node, &b[&*m.name])),
            _ => false,
        }
    }

    proptest! {
        #[test]
        fn text_of_json_characters_reads_as_another_reader_reads_it(
            text in r#"[\[\]{}:,"\\u0-9a-f.eE+ -]{0,24}|\[("\\[u"n/][0-9a-fd]{0,6}"|-?[0-9]{1,3}(\.[0-9]{1,3})?(e[0-9]{1,2})?)\]"#
        ) {
            let ours = read(&text);
            let other = serde_json::from_str::<serde_json::Value>(&text);
            match (&ours, &other) {
                (Ok(tree), Ok(value)) => prop_assert!(same(&tree.root, value)),
                // Numbers beyond f64 are refused there, kept as text here.
                (Ok(_), Err(e)) => prop_assert!(e.to_string().contains("number out of range"), "{e}"),
                (Err(e), Ok(_)) => prop_assert!(e.message.contains("levels deep"), "{e:?}"),
                (Err(_), Err(_)) => {}
            }
        }

        #[test]
        fn written_string_reads_back(text in any::<String>()) {
            let mut out = String::new();
            write_string(&text, &mut out).unwrap();
            prop_assert_eq!(read(&out).unwrap().root.json, Json::Text(text.into()));
        }
    }

    #[test]
    fn spans_cover_their_values() {
        let text = r#" {"a": [1, "é\u00e9"]} "#;
        let tree = read(text).unwrap();
        assert_eq!(tree.root.span.of(text), r#"{"a": [1, "é\u00e9"]}"#);
        let Json::Map(members) = &tree.root.json else { panic!() };
        assert_eq!(members[0].span.of(text), r#""a""#);
        assert_eq!(members[0].node.span.of(text), r#"[1, "é\u00e9"]"#);
    }

    #[test]
    fn repeated_names_are_told_and_left_out() {
        let tree = read(r#"{"a":1,"b":2,"a":3}"#).unwrap();
        assert_eq!(tree.repeated, [(Span::new(13, 16), "a".into())]);
        let Json::Map(members) = tree.root.json else { panic!() };
        assert_eq!(members.len(), 2);
    }

    #[test]
    fn nesting_and_length_are_bounded() {
        assert!(read(&format!("{}{}", "[".repeat(16), "]".repeat(16))).is_ok());
        assert!(fault(&"[".repeat(10_000)).contains("16 levels"));
        assert!(fault(&" ".repeat(10_000_000)).contains("10000000 bytes"));
    }

    #[test]
    fn faults_say_what_was_expected() {
        assert_eq!(fault("{\"a\" 1}"), "expected `:`, found `1`");
        assert_eq!(fault("[1"), "expected `,` or `]`, but the document ends here");
        assert_eq!(fault("[1,]"), "expected a value, found `]`");
        assert_eq!(fault("{} x"), "unexpected text after the end of the document");
        assert!(fault("\"\\ud800\"").contains("surrogate"));
        assert!(fault("\"a\u{1}\"").contains("control character"));
    }
}
