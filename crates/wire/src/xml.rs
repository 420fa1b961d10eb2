//! XML bodies: elements of a structure, in the order of the model, straight into one buffer.
//!
//! Escaping: `&`, `<`, `>` and `"` as entities, carriage return as `&#xD;` because parsers turn a bare one into a line
//! feed. Characters that XML 1.0 cannot carry at all, escaped or not (controls other than tab, line feed and carriage
//! return, U+FFFE, U+FFFF), become U+FFFD, so that a parser always gets the rest of the answer. Writer libraries escape
//! neither of the two, which is why these few lines are ours.

use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::{Kind, List, Map, Member, Ref, Schema, Structure, TimestampFormat, timestamp};

/// Writes the members of `structure` as elements.
pub(crate) fn members(structure: &dyn Structure, out: &mut String) {
    for (index, member) in structure.schema().members().iter().enumerate() {
        if let Some(value) = structure.field(index) {
            self::member(member, value, out);
        }
    }
}

/// Writes `<name>text</name>`.
pub(crate) fn text_element(name: &str, text: &str, out: &mut String) {
    element(name, out, |out| escape(text, out));
}

/// Writes an element around what `content` writes.
pub(crate) fn element(name: &str, out: &mut String, content: impl FnOnce(&mut String)) {
    out.extend(["<", name, ">"]);
    content(out);
    out.extend(["</", name, ">"]);
}

fn member(member: &Member, value: Ref<'_>, out: &mut String) {
    let name = member.wire_name();
    match (&member.shape.kind, value) {
        (Kind::List(shape), Ref::List(items)) if member.flattened || shape.flattened => {
            for item in (0..items.count()).filter_map(|index| items.item(index)) {
                element(name, out, |out| content(shape.member, None, item, out));
            }
        }
        (Kind::Map(shape), Ref::Map(entries)) if member.flattened || shape.flattened => {
            entries.each(&mut |key, value| entry(shape, name, key, value, out));
        }
        _ => element(name, out, |out| content(member.shape, member.timestamp, value, out)),
    }
}

/// Writes what stands between the tags of an element.
fn content(schema: &Schema, format: Option<TimestampFormat>, value: Ref<'_>, out: &mut String) {
    match (&schema.kind, value) {
        (Kind::List(shape), Ref::List(items)) => list(shape, items, out),
        (Kind::Map(shape), Ref::Map(entries)) => {
            entries.each(&mut |key, value| entry(shape, "entry", key, value, out));
        }
        (_, Ref::Structure(structure)) => members(structure, out),
        (Kind::Timestamp(own), Ref::Timestamp(time)) => {
            out.push_str(&timestamp::text(time, format.or(*own).unwrap_or(TimestampFormat::Iso8601)));
        }
        (_, value) => scalar(value, out),
    }
}

fn list(shape: &List, items: &dyn crate::Items, out: &mut String) {
    for item in (0..items.count()).filter_map(|index| items.item(index)) {
        element(shape.member_name, out, |out| content(shape.member, None, item, out));
    }
}

fn entry(shape: &Map, name: &str, key: &str, value: Ref<'_>, out: &mut String) {
    element(name, out, |out| {
        text_element(shape.key_name, key, out);
        element(shape.value_name, out, |out| content(shape.value, None, value, out));
    });
}

fn scalar(value: Ref<'_>, out: &mut String) {
    // Writing to a String cannot fail.
    let _ = match value {
        Ref::Blob(bytes) => {
            STANDARD.encode_string(bytes, out);
            Ok(())
        }
        Ref::Boolean(flag) => write!(out, "{flag}"),
        Ref::Double(number) if number.is_infinite() => {
            write!(out, "{}Infinity", if number < 0.0 { "-" } else { "" })
        }
        Ref::Double(number) => write!(out, "{number}"),
        Ref::Integer(number) => write!(out, "{number}"),
        Ref::String(text) => {
            escape(text, out);
            Ok(())
        }
        // Of another type than its schema: our bug, and no content is the answer that parsers survive.
        Ref::List(_) | Ref::Map(_) | Ref::Structure(_) | Ref::Timestamp(_) => Ok(()),
    };
}

/// Writes `text` as character data.
pub(crate) fn escape(text: &str, out: &mut String) {
    // U+FFFE and U+FFFF begin with the byte EF, as do few others; every byte is looked at, without a way out: that the
    // compiler can do for many at once.
    let plain = |byte: u8| !matches!(byte, b'&' | b'<' | b'>' | b'"' | 0xef | 0..=0x1f);
    if text.bytes().fold(true, |all, byte| all & plain(byte)) {
        out.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            '\t' | '\n' => out.push(c),
            '\u{fffe}' | '\u{ffff}' | '\0'..='\u{1f}' => out.push('\u{fffd}'),
            _ => out.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn escaped(text: &str) -> String {
        let mut out = String::new();
        escape(text, &mut out);
        out
    }

    #[test]
    fn markup_is_escaped() {
        assert_eq!(escaped("a<b>&\"c\"'"), "a&lt;b&gt;&amp;&quot;c&quot;'");
        assert_eq!(escaped("]]>"), "]]&gt;");
    }

    #[test]
    fn line_ends_survive_a_parser() {
        assert_eq!(escaped("a\r\n\tb"), "a&#xD;\n\tb");
    }

    #[test]
    fn character_that_xml_cannot_carry_becomes_the_replacement_character() {
        assert_eq!(escaped("a\0b\u{1f}c\u{ffff}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(escaped("\u{7f}\u{85}é😀"), "\u{7f}\u{85}é😀");
    }
}
