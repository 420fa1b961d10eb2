//! Where something stands in a document: bytes, and the line and column a person looks for.
//!
//! Documents have at most [`DOCUMENT_BYTES_MAX`](crate::DOCUMENT_BYTES_MAX) bytes, so that 32 bits are plenty.

use std::fmt;
use std::ops::Range;

use crate::program::Program;

/// A range of bytes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: u32,
    /// One past the last byte.
    pub end: u32,
}

impl Span {
    pub(crate) fn new(start: usize, end: usize) -> Self {
        Self { start: short(start), end: short(end) }
    }

    /// The bytes it covers, as an index.
    pub const fn range(self) -> Range<usize> {
        self.start as usize..self.end as usize
    }

    /// The text in `document` at this place; empty if the document is another one.
    pub fn of(self, document: &str) -> &str {
        document.get(self.range()).unwrap_or_default()
    }

    /// With lines and columns; takes time in how far into `document` it is.
    pub fn place(self, document: &str) -> Place {
        Positions::new(document).place(self)
    }
}

/// Beyond the longest document nothing is told apart.
fn short(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// A line and a column, both from 1; a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Lines end at a line feed.
    pub line: u32,
    /// Characters, not bytes.
    pub column: u32,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// A span with the positions of its ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Place {
    /// The bytes.
    pub span: Span,
    /// Where the first character stands.
    pub start: Position,
    /// Where the character after the last one stands.
    pub end: Position,
}

/// A value with the place it was read from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// Where.
    pub span: Span,
    /// What.
    pub value: T,
}

/// Turns byte offsets into positions. Linear over a whole document as long as offsets ascend.
pub(crate) struct Positions<'a> {
    text: &'a str,
    at: usize,
    position: Position,
}

impl<'a> Positions<'a> {
    pub(crate) const fn new(text: &'a str) -> Self {
        Self { text, at: 0, position: Position { line: 1, column: 1 } }
    }

    pub(crate) fn of(&mut self, offset: usize) -> Position {
        if offset < self.at {
            *self = Self::new(self.text);
        }
        let passed = self.text.as_bytes().get(self.at..offset).unwrap_or_default();
        let lines = count(passed, |byte| byte == b'\n');
        let mut last = passed;
        if lines > 0 {
            self.position = Position { line: self.position.line + lines, column: 1 };
            last = passed.rsplit(|byte| *byte == b'\n').next().unwrap_or_default();
        }
        // Every character has one byte that continues none.
        self.position.column += count(last, |byte| !matches!(byte, 0x80..=0xbf));
        self.at = offset;
        self.position
    }

    pub(crate) fn place(&mut self, span: Span) -> Place {
        let Range { start, end } = span.range();
        Place { span, start: self.of(start), end: self.of(end) }
    }
}

impl Program {
    /// How far the statements reach in the document, in bytes: what deciding by it costs at most grows with this.
    pub fn extent(&self) -> usize {
        self.statements.iter().map(|statement| statement.place.span.range().end).max().unwrap_or_default()
    }
}

/// In blocks whose count fits a byte, which the compiler counts many bytes at a time.
fn count(bytes: &[u8], counts: impl Fn(u8) -> bool) -> u32 {
    let blocks = bytes.chunks(usize::from(u8::MAX));
    blocks.map(|block| u32::from(block.iter().map(|byte| u8::from(counts(*byte))).sum::<u8>())).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters() {
        let mut positions = Positions::new("a\né{}");
        assert_eq!(positions.of(4).to_string(), "2:2");
        assert_eq!(positions.of(0).to_string(), "1:1");
    }

    #[test]
    fn long_lines_are_counted_to_the_end() {
        let text = format!("{}\n{}", "é".repeat(1000), "x".repeat(1000));
        let mut positions = Positions::new(&text);
        assert_eq!(positions.of(1000).to_string(), "1:501");
        assert_eq!(positions.of(3001).to_string(), "2:1001");
    }
}
