//! Patterns of the models (Java regular expressions) as what `rootward_wire::Pattern` matches.

use std::fmt::Write;

use regex_syntax::hir::{Class, Hir, HirKind};

/// What a pattern comes down to.
pub(crate) enum Matcher {
    /// One character class, repeated at least `min` times.
    Class { ranges: Vec<(char, char)>, min: u32 },
    /// An expression in the dialect of `regex-lite`.
    Expression(String),
}

/// Reads a Java pattern that has to match a whole value.
pub(crate) fn read(java: &str) -> Result<Matcher, String> {
    // Anchors at the ends say what matching a whole value says already.
    let inner = java.strip_prefix('^').unwrap_or(java);
    let inner = inner.strip_suffix('$').unwrap_or(inner);
    let source = translate(inner)?;
    let hir = regex_syntax::parse(&source).map_err(|error| format!("pattern `{java}`: {error}"))?;
    if let Some((ranges, min)) = repeated_class(&hir) {
        return Ok(Matcher::Class { ranges, min });
    }
    if source.contains("\\p") {
        return Err(format!("pattern `{java}` needs Unicode classes outside a repeated class"));
    }
    Ok(Matcher::Expression(source))
}

fn repeated_class(hir: &Hir) -> Option<(Vec<(char, char)>, u32)> {
    let HirKind::Repetition(repetition) = hir.kind() else { return None };
    let HirKind::Class(Class::Unicode(class)) = repetition.sub.kind() else { return None };
    let ranges = class.iter().map(|range| (range.start(), range.end())).collect();
    repetition.max.is_none().then_some((ranges, repetition.min))
}

/// Spells out what Java and Rust read differently: `\w`, `\d` and `\s` are ASCII in Java, and `\u` takes four digits.
fn translate(java: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut in_class = false;
    let mut chars = java.chars();
    while let Some(c) = chars.next() {
        match c {
            '[' if !in_class => in_class = true,
            ']' => in_class = false,
            '\\' => {
                escape(&mut chars, in_class, &mut out)?;
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    Ok(out)
}

fn escape(chars: &mut std::str::Chars<'_>, in_class: bool, out: &mut String) -> Result<(), String> {
    let set = match chars.next().ok_or("a pattern ends in a backslash")? {
        'w' => "0-9A-Z_a-z",
        'd' => "0-9",
        's' => r" \t\n\x0B\x0C\r",
        'u' => {
            let digits: String = chars.by_ref().take(4).collect();
            write!(out, "\\x{{{digits}}}").map_err(|error| error.to_string())?;
            return Ok(());
        }
        other => {
            out.extend(['\\', other]);
            return Ok(());
        }
    };
    let set = if in_class { set.to_owned() } else { format!("[{set}]") };
    out.push_str(&set);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(java: &str) -> (String, u32) {
        match read(java).unwrap() {
            Matcher::Class { ranges, min } => {
                (ranges.iter().map(|(low, high)| format!("{low}{high}")).collect(), min)
            }
            Matcher::Expression(source) => panic!("{source}"),
        }
    }

    #[test]
    fn repeated_class_becomes_ranges() {
        assert_eq!(class(r"[\w+=,.@-]+"), ("+.09==@Z__az".to_owned(), 1));
        assert_eq!(class(r"^[a-c]*$"), ("ac".to_owned(), 0));
        assert_eq!(class(r"[\u0020-\u007E]+"), (" ~".to_owned(), 1));
        assert_eq!(class(r"[\s-]+"), ("\t\r  --".to_owned(), 1));
    }

    #[test]
    fn other_patterns_become_expressions() {
        let Matcher::Expression(source) = read(r"v[1-9]\d*(\.[A-Za-z0-9-]*)?").unwrap() else { panic!() };
        assert_eq!(source, r"v[1-9][0-9]*(\.[A-Za-z0-9-]*)?");
    }

    #[test]
    fn look_ahead_is_refused() {
        assert!(read("a(?!b)").is_err());
    }
}
