//! Where something stands in a document: bytes, and the line and column a person looks for.

use std::fmt;

use crate::program::Program;

/// A range of bytes of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

impl Span {
    pub(crate) const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// The text in `document` at this place; empty if the document is another one.
    pub fn of(self, document: &str) -> &str {
        document.get(self.start..self.end).unwrap_or_default()
    }
}

/// A line and a column, both from 1; a column is a character.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// Lines end at a line feed.
    pub line: usize,
    /// Characters, not bytes.
    pub column: usize,
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
        for c in self.text.get(self.at..offset).unwrap_or_default().chars() {
            match c {
                '\n' => self.position = Position { line: self.position.line + 1, column: 1 },
                _ => self.position.column += 1,
            }
        }
        self.at = offset;
        self.position
    }

    pub(crate) fn place(&mut self, span: Span) -> Place {
        Place { span, start: self.of(span.start), end: self.of(span.end) }
    }
}

impl Program {
    /// How far the statements reach in the document, in bytes: what deciding by it costs at most grows with this.
    pub fn extent(&self) -> usize {
        self.statements.iter().map(|statement| statement.place.span.end).max().unwrap_or_default()
    }
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
}
