//! What comes of a step: what is next, or why not.

use rootward_auth::guard::{self, REASON_CHARS_MAX};
use rootward_names::{AccountId, Handle, Time};

use crate::lanes::Wait;

/// What comes next. A `step` is for the form that goes on.
#[derive(Debug)]
pub enum Next {
    /// Others must agree.
    Approval {
        /// For the form that looks again.
        step: String,
        /// The request they decide on.
        request: Handle,
        /// How many have agreed.
        approved: usize,
        /// How many must.
        required: usize,
        /// Until when they can.
        expires: Time,
    },
    /// The password must be changed.
    NewPassword {
        /// For the form that changes it.
        step: String,
        /// Because it has expired; else because an administrator wants it.
        expired: bool,
    },
    /// The root user is sealed: why is it needed?
    Reason {
        /// For the form that says so.
        step: String,
        /// It has never signed in before.
        first: bool,
        /// How many must agree.
        approvals: u8,
        /// How long the session will last.
        minutes: u8,
    },
    /// An approver said no.
    Rejected {
        /// Their name; none if they are gone.
        by: Option<String>,
    },
    /// A second factor is to be shown.
    SecondFactor {
        /// For the form that shows it.
        step: String,
        /// Whether one of them shows codes.
        codes: bool,
        /// Whether one of them is a passkey.
        passkeys: bool,
    },
    /// Signed in.
    Welcome(Welcome),
}

/// What a browser is told to ask for a passkey.
#[derive(Debug)]
pub struct PasskeyOptions {
    /// For the form that shows it, and for asking again.
    pub step: String,
    /// JSON for `PublicKeyCredential.parseRequestOptionsFromJSON`, under `publicKey`.
    pub options: String,
}

/// A session that has begun.
pub struct Welcome {
    /// The account.
    pub account: AccountId,
    /// The value of the session's cookie.
    pub cookie: String,
    /// The value of the browser's cookie, which knows the name from now on.
    pub browser: String,
    /// When the session ends.
    pub expires: Time,
    /// Whether it is a root user's.
    pub is_root: bool,
}

impl std::fmt::Debug for Welcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Welcome {{ account: {}, expires: {:?}, … }}", self.account, self.expires)
    }
}

/// Why somebody is not signed in. Says nothing about who exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// What the form carried is not good any more.
    #[error("this sign-in took too long, or began in another browser: begin again")]
    BeginAgain,
    /// Too many passwords are being checked.
    #[error("too many people are signing in at the moment: try again in a few seconds")]
    Busy,
    /// The password has expired, and the account's policy leaves it to administrators.
    #[error("your password has expired: ask an administrator of your account for a new one")]
    Expired,
    /// None of the user's passkeys can be asked for here.
    #[error("you have no security key or passkey that can be used at this address")]
    NoPasskey,
    /// The reason is missing or too long.
    #[error("say in 1-{REASON_CHARS_MAX} characters why the root user is needed")]
    NoReason,
    /// Not enough approvers agreed in time.
    #[error("the request was not approved in time: begin again")]
    RequestExpired,
    /// Too many wrong guesses.
    #[error("too many sign-ins that failed: try again in {seconds} seconds")]
    Slow {
        /// When to try again.
        seconds: i64,
    },
    /// The account is suspended.
    #[error("the account is suspended")]
    Suspended,
    /// Too many requests for root access wait.
    #[error(
        "too many requests for root access wait already ({}, or {} of this source): let approvers decide on them first",
        guard::REQUESTS_MAX,
        guard::REQUESTS_OF_SOURCE_MAX
    )]
    TooManyRequests,
    /// The sign-in cannot be recorded or written.
    #[error("the sign-in cannot be recorded now, and so is not carried out: try again later")]
    Unavailable,
    /// Wrong name or password.
    #[error("name or password is wrong")]
    Wrong,
    /// Wrong code or key.
    #[error("the code or security key is wrong, or was used already")]
    WrongFactor,
}

impl From<Wait> for Refused {
    fn from(wait: Wait) -> Self {
        Self::Slow { seconds: wait.seconds }
    }
}
