//! What the subcommands read, and how they quote and print it.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::Path;

pub(crate) use rootward_insight::printable;
use rootward_server::operator::Secret;

use crate::Failure;

/// Prints a line. Whoever has closed the pipe has seen enough, which is no failure.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints lines, until whoever reads them has seen enough.
pub(crate) fn lines(lines: impl IntoIterator<Item = String>) {
    let mut out = io::stdout().lock();
    let _ = lines.into_iter().try_for_each(|line| writeln!(out, "{line}"));
}

/// Prints a line of what is said beside the answer.
pub(crate) fn aside(text: impl Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// More than any policy, case file or corpus that a person or a script would write.
const INPUT_BYTES_MAX: u64 = 256 * 1024 * 1024;

/// Reads a file, or standard input for `-`.
///
/// # Errors
/// It cannot be read, or has more than 256 MiB.
pub(crate) fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let source: Box<dyn Read> =
        if path.as_os_str() == "-" { Box::new(io::stdin()) } else { Box::new(std::fs::File::open(path)?) };
    source.take(INPUT_BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > INPUT_BYTES_MAX) {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "it has more than 256 MiB"));
    }
    Ok(bytes)
}

/// A secret: the first line of a file, or of standard input for `-`.
pub(crate) fn secret(file: &Path) -> Result<Secret, Failure> {
    let text =
        if file.as_os_str() == "-" { io::read_to_string(io::stdin()) } else { std::fs::read_to_string(file) };
    let text = text.map_err(|error| Failure::Wrong(format!("cannot read `{}`: {error}", file.display())))?;
    Ok(Secret::new(text.lines().next().unwrap_or_default()))
}

/// A path as it is shown.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { printable(&path.to_string_lossy()) }
}
