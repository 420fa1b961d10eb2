//! Mail that operations send: a code to an address that is to be proved, a notice to one that is no longer in use.
//!
//! An operation may run more than once when commits race, so it sends nothing itself: what it leaves with
//! [`OpContext::mail`](crate::OpContext::mail) is posted once, after its writes are durable.

use std::fmt;

use rootward_names::AccountId;

/// Delivers mail.
pub trait Mailer: Send + Sync {
    /// Takes a mail for delivery and returns at once; what becomes of it is the mailer's to log. The text may hold a code, and
    /// goes into no log; nor does the address. The subject may.
    fn post(&self, mail: Mail);
}

/// How long a notice is worth delivering, in seconds: a day, in which most mail servers come back.
pub const NOTICE_SECONDS: i64 = 86_400;

/// One mail, as plain text.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    /// Whose share of what may wait it takes: of who had it sent, or else of whom it is about.
    pub share_of: AccountId,
    /// The address.
    pub to: String,
    /// One line.
    pub subject: String,
    /// The text.
    pub text: String,
    /// How long it is worth delivering, in seconds.
    pub seconds: i64,
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mail({:?}, …)", self.subject)
    }
}

/// No mail server is configured on this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoMailer;
