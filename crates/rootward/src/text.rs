//! What the subcommands read and how they quote it.

use std::io::{self, Read};
use std::path::Path;

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

/// With everything escaped that is not plainly seen (controls, formats, marks, separators): what callers sent must neither
/// make lines of its own, nor speak to the terminal, nor turn a line around.
pub(crate) fn printable(text: &str) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\'' | '"' | '\\' => shown.push(c),
            _ => shown.extend(c.escape_debug()),
        }
    }
    shown
}
