//! What can go wrong with the log, in words for its operator.

use rusqlite::ErrorCode;

/// Why the log could not be opened, read or written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The file is damaged.
    #[error(
        "the audit log is damaged ({0}): keep a copy of its files as evidence, run `rootward trail verify` to see what \
         is left, then restore it from a backup or move it away to begin a new one"
    )]
    Damaged(String),
    /// The disk, or the size allowed to the log, is full.
    #[error("the audit log cannot grow: the disk is full")]
    Full,
    /// The file cannot be read or written.
    #[error("the audit log cannot be read or written: {0}")]
    Io(String),
    /// Something else appended to the file while it was open here.
    #[error("something else writes to the audit log; only one server may have it open")]
    Shared,
    /// The file is a database of something else.
    #[error("this is not an audit log")]
    Foreign,
    /// A newer version of the program wrote it.
    #[error(
        "the audit log has format {found}, this version of rootward reads up to {known}: use the newer version"
    )]
    Newer {
        /// The file's format.
        found: i64,
        /// The newest format known here.
        known: i64,
    },
    /// Its end is not what was last written with this key.
    #[error(
        "the end of the audit log is not what was last written with this key ({0}): the log was changed, or the key file \
         is another one; run `rootward trail verify`, then restore the log or the key file, or move the log away to begin \
         a new one"
    )]
    Altered(String),
}

impl From<rusqlite::Error> for Error {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => Self::Full,
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Self::Damaged(error.to_string()),
            Some(ErrorCode::ConstraintViolation | ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Shared
            }
            Some(_) => Self::Io(error.to_string()),
            // Everything that is not the database's own failure is a row that does not have our shape.
            None => Self::Damaged(error.to_string()),
        }
    }
}
