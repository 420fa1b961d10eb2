//! Alerts: what is told of one record.

use rootward_names::{AccountId, Time};
use rootward_state::alerts::Severity;

/// One thing that must not go unnoticed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alert {
    /// `eventID` of the record: the same each time the alert is told.
    pub id: String,
    /// What kind of thing.
    pub kind: Kind,
    /// How much it matters.
    pub severity: Severity,
    /// `eventName` of the record.
    pub event_name: String,
    /// Whose account it concerns, if anybody's.
    pub account: Option<AccountId>,
    /// Who did it: an ARN, or `operator at the host`.
    pub actor: String,
    /// Whether a root user did it.
    pub by_root: bool,
    /// The address that it came from.
    pub source: String,
    /// When it happened.
    pub time: Time,
    /// What happened, one sentence.
    pub what: String,
    /// What to do about it, one sentence.
    pub advice: &'static str,
    /// The code of the refusal, if it was refused.
    pub error: Option<String>,
    /// Why, in the words of who did it, where a reason is asked for.
    pub reason: Option<String>,
}

/// Kinds of alerts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// An account was closed.
    AccountClosed,
    /// An account was opened.
    AccountOpened,
    /// What binds an account that no organization binds was changed.
    GuardPolicyChanged,
    /// A login profile was made or changed: somebody can sign in with a password.
    LoginProfileChanged,
    /// An MFA device was made, enabled, changed or removed.
    MfaChanged,
    /// Which accounts are in an organization has changed, or is about to.
    OrganizationChanged,
    /// A policy or what it applies to was changed.
    PolicyChanged,
    /// The use of a root user was approved.
    RootAccessApproved,
    /// The use of a root user was not approved.
    RootAccessRejected,
    /// The use of a root user was asked for.
    RootAccessRequested,
    /// A root user's password or e-mail address was changed, or the change begun.
    RootCredentialsChanged,
    /// An access key was made for a root user.
    RootKeyCreated,
    /// A root user called an API and was refused.
    RootRefused,
    /// What a root user may be used for was changed.
    RootSealChanged,
    /// A session of a root user ended.
    RootSessionEnded,
    /// Somebody tried to sign in as a root user.
    RootSignInFailed,
    /// A root user signed in.
    RootSignInSucceeded,
    /// A root user called an API.
    RootUsed,
    /// A target of alerts was added or removed.
    TargetsChanged,
    /// The operator tries a target.
    Test,
}

impl Kind {
    /// The end of the event's type: `root.signin.failed`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::AccountClosed => "account.closed",
            Self::AccountOpened => "account.opened",
            Self::GuardPolicyChanged => "account.guard-policy.changed",
            Self::LoginProfileChanged => "iam.login-profile.changed",
            Self::MfaChanged => "iam.mfa.changed",
            Self::OrganizationChanged => "organization.changed",
            Self::PolicyChanged => "iam.policy.changed",
            Self::RootAccessApproved => "root.access.approved",
            Self::RootAccessRejected => "root.access.rejected",
            Self::RootAccessRequested => "root.access.requested",
            Self::RootCredentialsChanged => "root.credentials.changed",
            Self::RootKeyCreated => "root.key.created",
            Self::RootRefused => "root.api.refused",
            Self::RootSealChanged => "root.seal.changed",
            Self::RootSessionEnded => "root.session.ended",
            Self::RootSignInFailed => "root.signin.failed",
            Self::RootSignInSucceeded => "root.signin.succeeded",
            Self::RootUsed => "root.api.used",
            Self::TargetsChanged => "alerts.target.changed",
            Self::Test => "alerts.test",
        }
    }

    /// What to do.
    pub const fn advice(self) -> &'static str {
        match self {
            Self::AccountClosed => {
                "If nobody here decided this, find out who did before the account's data is gone."
            }
            Self::AccountOpened => "Check that the account was ordered, and that its owner has set up MFA.",
            Self::GuardPolicyChanged => {
                "Compare the policy with what was agreed; if nobody agreed, set it again on the host and look for who did it."
            }
            Self::LoginProfileChanged => {
                "Ask the person whose password it is; if they know nothing, delete the login profile and their keys."
            }
            Self::MfaChanged => {
                "Ask the person whose device it is; if they know nothing, end their sessions and set their MFA up anew."
            }
            Self::OrganizationChanged => {
                "Check that this was agreed: the organization decides what binds its accounts and who gets into them."
            }
            Self::PolicyChanged => {
                "Compare the policy with what was agreed, and undo the change if it was not."
            }
            Self::RootAccessApproved => {
                "Check that those who approved were asked for this, and watch the session."
            }
            Self::RootAccessRejected => "Ask whoever wanted the access what for.",
            Self::RootAccessRequested => "Approve or reject it only after speaking to the person who asks.",
            Self::RootCredentialsChanged => {
                "If nobody planned this, seal the root user at once and set its password and e-mail address anew."
            }
            Self::RootKeyCreated => {
                "Delete the key as soon as its task is done; if there was no task, delete it now."
            }
            Self::RootRefused => {
                "Find out who tried; if nobody planned it, change the root user's credentials."
            }
            Self::RootSealChanged => {
                "Check that this was planned; if not, seal the root user and look for who did it."
            }
            Self::RootSessionEnded => {
                "Read in the audit log what was done in it, if that was not agreed before."
            }
            Self::RootSignInFailed => {
                "If it was nobody you know, check where it came from and that the root user has MFA."
            }
            Self::RootSignInSucceeded => {
                "If nobody planned this, end the session, change the password and MFA, and read the audit log."
            }
            Self::RootUsed => {
                "If nobody planned this, end the root user's sessions, delete its keys, change its password, and read the audit log."
            }
            Self::TargetsChanged => {
                "Check that this was planned: whoever is not told of attacks cannot stop them."
            }
            Self::Test => "Nothing: this target works.",
        }
    }
}

/// A text of a record as it may go into a mail's header, a log or a terminal: one line, nothing that is not plainly
/// seen, `chars_max` characters at most.
pub(crate) fn plain(text: &str, chars_max: usize) -> String {
    let mut seen = text.chars().filter(|&c| !is_unseen(c));
    let mut plain: String = seen.by_ref().take(chars_max).collect();
    if seen.next().is_some() {
        plain.pop();
        plain.push('…');
    }
    plain
}

/// Controls, and what turns or hides text: marks of direction, zero-width characters, separators of lines, tags.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn unseen_characters_are_taken_out() {
        assert_eq!(plain("a\r\nBcc: x\u{202e}y\u{0}\u{85}\u{2028}z", 100), "aBcc: xyz");
        assert_eq!(plain("Zoë 日本語", 100), "Zoë 日本語");
    }

    #[test]
    fn long_text_is_cut_where_it_shows() {
        assert_eq!(plain("abcdef", 6), "abcdef");
        assert_eq!(plain("abcdefg", 6), "abcde…");
    }

    proptest! {
        #[test]
        fn any_text_is_one_bounded_line(text in "\\PC{0,40}|.{0,40}|[\\x00-\\x20]{0,40}") {
            let plain = plain(&text, 20);
            prop_assert!(plain.chars().count() <= 20);
            prop_assert!(!plain.chars().any(is_unseen));
        }
    }
}
