//! A finding as a compiler shows it: message, place, the line with what is meant underlined, help.
//!
//! Lines are cut around what is meant, so that a policy on one line of a megabyte stays readable, and control characters are
//! replaced. Written by hand because the crates for this render whole lines, and count lines and columns in what they are given.

use std::fmt::Write;

use unicode_width::UnicodeWidthChar;

use super::{Finding, Level};

const BOLD: &str = "\x1b[1m";
const RED: &str = "\x1b[1;31m";
const YELLOW: &str = "\x1b[1;33m";
const BLUE: &str = "\x1b[1;34m";
const RESET: &str = "\x1b[0m";

/// Columns of the terminal shown of one line.
const WIDTH_MAX: usize = 100;
/// Of a longer line, the columns shown before what is meant.
const BEFORE_WIDTH_MAX: usize = 40;
const TAB_WIDTH: usize = 4;

/// Ends with an empty line.
pub(super) fn render(name: &str, text: &str, finding: &Finding) -> String {
    let Finding { level, message, help, start, .. } = finding;
    let (level, colour) = (level.name(), colour(*level));
    let number = start.line.to_string();
    let gutter = " ".repeat(number.len());
    let (line, before, meant) = excerpt(text, finding);
    let (spaces, carets) = (" ".repeat(before), "^".repeat(meant));
    let mut shown = String::new();
    // Writing to a `String` cannot fail.
    let _ = write!(
        shown,
        "{colour}{level}{RESET}{BOLD}: {message}{RESET}\n\
         {gutter}{BLUE}-->{RESET} {name}:{start}\n\
         {gutter} {BLUE}|{RESET}\n\
         {BLUE}{number} |{RESET} {line}\n\
         {gutter} {BLUE}|{RESET} {spaces}{colour}{carets}{RESET}\n\
         {gutter} {BLUE}= {RESET}{BOLD}help{RESET}: {help}\n"
    );
    shown
}

const fn colour(level: Level) -> &'static str {
    match level {
        Level::Error => RED,
        Level::Warning => YELLOW,
        Level::Note => BLUE,
    }
}

/// The part of the line that is shown, the width of what stands before what is meant, and the width of that, at least 1.
///
/// Of something that goes over several lines, the first is shown.
fn excerpt(text: &str, finding: &Finding) -> (String, usize, usize) {
    let start = finding.span.range().start.min(text.len());
    let (before, rest) = text.split_at_checked(start).unwrap_or((text, ""));
    let meant = finding.span.of(text).lines().next().unwrap_or_default();
    let after = rest.get(meant.len()..).and_then(|after| after.split('\n').next()).unwrap_or_default();
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let before = before.get(line_start..).unwrap_or_default();
    let fits = before.len() + meant.len() + after.len() <= WIDTH_MAX;
    let before_width_max = if fits { usize::MAX } else { BEFORE_WIDTH_MAX };

    let mut left: Vec<String> = Vec::new();
    let mut left_width = 0;
    for c in before.chars().rev() {
        if left_width >= before_width_max {
            left.push("…".to_owned());
            left_width += 1;
            break;
        }
        let shown = visible(c);
        left_width += width(&shown);
        left.push(shown);
    }
    let mut line: String = left.into_iter().rev().collect();

    let (shown, cut) = fitting(meant, WIDTH_MAX.saturating_sub(left_width));
    let meant_width = width(&shown).max(1);
    line.push_str(&shown);
    if !cut {
        let room = WIDTH_MAX.saturating_sub(left_width + meant_width);
        line.push_str(&fitting(after.trim_end_matches('\r'), room).0);
    }
    (line, left_width, meant_width)
}

/// As much of a text as fits, and whether something is missing.
fn fitting(text: &str, width_max: usize) -> (String, bool) {
    let (mut shown, mut total) = (String::new(), 0);
    for c in text.chars() {
        let next = visible(c);
        total += width(&next);
        if total > width_max {
            shown.push('…');
            return (shown, true);
        }
        shown.push_str(&next);
    }
    (shown, false)
}

fn visible(c: char) -> String {
    match c {
        '\t' => " ".repeat(TAB_WIDTH),
        // Nor characters that reverse the direction of text: what is shown must be what is there.
        _ if c.is_control()
            || matches!(c, '\u{200e}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}') =>
        {
            '\u{fffd}'.to_string()
        }
        _ => c.to_string(),
    }
}

fn width(text: &str) -> usize {
    text.chars().map(|c| c.width().unwrap_or(1)).sum()
}

#[cfg(test)]
mod tests {
    use rootward_policy::{Position, Span};

    use super::*;
    use crate::validate::short;

    fn shown(text: &str, meant: &str) -> String {
        let start = text.find(meant).unwrap();
        let line = 1 + short(text.split_at(start).0.matches('\n').count());
        let place = Position { line, column: 1 };
        let span = Span { start: short(start), end: short(start + meant.len()) };
        let finding = Finding {
            level: Level::Error,
            message: "m".to_owned(),
            help: "h".into(),
            span,
            start: place,
            end: place,
        };
        let (line, before, meant) = excerpt(text, &finding);
        format!("{line}\n{}{}", " ".repeat(before), "^".repeat(meant))
    }

    #[test]
    fn what_is_meant_is_underlined() {
        assert_eq!(shown("{\n  \"A\": 1,\r\n}", "\"A\""), "  \"A\": 1,\n  ^^^");
    }

    #[test]
    fn tabs_and_wide_characters_keep_the_underline_in_place() {
        assert_eq!(shown("\t漢字: x", "x"), "    漢字: x\n          ^");
        assert_eq!(shown("a 漢字", "漢字"), "a 漢字\n  ^^^^");
    }

    #[test]
    fn control_characters_are_not_shown() {
        assert_eq!(shown("\u{1b}[31m\u{202e}x", "x"), "\u{fffd}[31m\u{fffd}x\n      ^");
    }

    #[test]
    fn long_line_is_cut_around_what_is_meant() {
        let text = format!("{}meant{}", "a".repeat(5_000_000), "b".repeat(5_000_000));
        assert_eq!(
            shown(&text, "meant"),
            format!("…{}meant{}…\n{}^^^^^", "a".repeat(40), "b".repeat(54), " ".repeat(41))
        );
        let all = "x".repeat(1_000);
        assert_eq!(shown(&all, &all), format!("{}…\n{}", "x".repeat(100), "^".repeat(101)));
    }

    #[test]
    fn first_of_several_lines_is_shown() {
        assert_eq!(shown("{\"Statement\": [\n1]}", "[\n1]"), "{\"Statement\": [\n              ^");
    }

    #[test]
    fn end_of_the_text_has_a_place() {
        let place = Position { line: 1, column: 2 };
        let span = Span { start: 1, end: 1 };
        let finding = Finding {
            level: Level::Error,
            message: "m".to_owned(),
            help: "h".into(),
            span,
            start: place,
            end: place,
        };
        let text = anstream::adapter::strip_str(&render("f", "{", &finding)).to_string();
        assert_eq!(text, "error: m\n --> f:1:2\n  |\n1 | {\n  |  ^\n  = help: h\n");
    }
}
