//! Member names as messages and audit records write them.

use std::fmt;

/// `name` with a lower-case first letter: `UserName` → `userName`, `SSHPublicKeyId` → `sSHPublicKeyId`, as AWS does.
pub(crate) fn camel(name: &str) -> Camel<'_> {
    Camel(name)
}

pub(crate) struct Camel<'a>(&'a str);

impl fmt::Display for Camel<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        if let Some(first) = chars.next() {
            write!(f, "{}{}", first.to_ascii_lowercase(), chars.as_str())?;
        }
        Ok(())
    }
}
