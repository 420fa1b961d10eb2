//! What the subcommands read, and how they quote and print it.

use std::fmt::Display;
use std::io::{self, Read, Write};
use std::path::Path;

pub(crate) use rootward_insight::printable;

/// Prints a line. Whoever has closed the pipe has seen enough, which is no failure.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
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

/// A path as it is shown.
pub(crate) fn name(path: &Path) -> String {
    if path.as_os_str() == "-" { "standard input".to_owned() } else { printable(&path.to_string_lossy()) }
}
