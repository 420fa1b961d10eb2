//! Steps: what a sign-in has shown so far, in the browser's hands until it is finished.
//!
//! Nothing is stored while a sign-in is under way. Each page carries a sealed step to the next, bound to the browser that
//! began; it says what was proved and when, and what it says is held against the state again each time: a password that was
//! changed in between, or a user who is gone, ends it.

use rootward_auth::guard::REQUEST_SECONDS;
use rootward_auth::passkey::Challenge;
use rootward_auth::sealed::Kind;
use rootward_names::{AccountId, Handle, Random, Time};
use rootward_state::entities::CredentialOwner;
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};

/// How long a sign-in may take from the password to its end, in seconds; waiting for approvals does not count.
pub(crate) const SECONDS_MAX: i64 = 900;
/// How long any step can be good, in seconds.
pub(crate) const STEPS_SECONDS_MAX: i64 = SECONDS_MAX + REQUEST_SECONDS;
const TEXT: Kind = Kind { context: b"sign-in step 1", bytes_max: 4_096 };

/// What was shown so far.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Step {
    /// In which account.
    pub(crate) account: AccountId,
    /// Who.
    pub(crate) owner: CredentialOwner,
    /// With which browser.
    pub(crate) browser: [u8; 16],
    /// The session that it will be, and no other.
    pub(crate) session: Handle,
    /// When the password was right.
    pub(crate) began: Time,
    /// When the password was set that was right.
    pub(crate) password_set: Time,
    /// What a passkey was asked, if one was.
    pub(crate) challenge: Option<Challenge>,
    /// The second factor, if one was shown.
    pub(crate) factor: Option<Shown>,
    /// Why the root user is needed.
    pub(crate) reason: Option<Box<str>>,
    /// The request that others must agree to, and its secret.
    pub(crate) request: Option<(Handle, [u8; 32])>,
}

/// A second factor that was shown.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Shown {
    /// Its id.
    pub(crate) device: Box<str>,
    /// When.
    pub(crate) at: Time,
}

impl Step {
    /// The text that the page carries.
    pub(crate) fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        TEXT.seal(self, vault, random)
    }

    /// Reads the text that the page of `browser` carries; none if it is not ours, another browser's, or too old.
    pub(crate) fn open(vault: &Vault, text: &str, browser: [u8; 16], now: Time) -> Option<Self> {
        let step: Self = TEXT.open(text, vault)?;
        let age = now.seconds() - step.began.seconds();
        // Others have their time to decide, and no more. A clock that was set back prolongs nothing.
        let patience = if step.request.is_some() { REQUEST_SECONDS } else { 0 };
        let in_time = (0..SECONDS_MAX + patience).contains(&age);
        (step.browser == browser && in_time).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use rootward_store::vault::Key;

    use super::*;
    use rootward_testkit::Seeded;

    #[test]
    fn step_is_for_its_browser_and_its_time() {
        let random = &mut Seeded::new(1);
        let vault = Vault::new(&Key::random(random));
        let at = |seconds| Time::from_seconds(1_700_000_000 + seconds);
        let step = Step {
            account: "123456789012".parse().unwrap(),
            owner: CredentialOwner::Root,
            browser: [1; 16],
            session: Handle::random(random),
            began: at(0),
            password_set: at(-1),
            challenge: None,
            factor: None,
            reason: None,
            request: None,
        };
        let text = step.seal(&vault, random);
        let open = |text: &str, browser, now| Step::open(&vault, text, [browser; 16], now).is_some();
        assert!(open(&text, 1, at(0)) && open(&text, 1, at(SECONDS_MAX - 1)));
        assert!(!open(&text, 2, at(0)) && !open(&text, 1, at(SECONDS_MAX)) && !open(&text, 1, at(-1)));
        for broken in
            ["", "AAAA", "é", text.strip_prefix(|_: char| true).unwrap(), &"A".repeat(TEXT.bytes_max + 1)]
        {
            assert!(!open(broken, 1, at(0)), "{broken}");
        }
        let waiting = Step { request: Some((Handle::random(random), [0; 32])), ..step };
        let text = waiting.seal(&vault, random);
        let last = REQUEST_SECONDS + SECONDS_MAX;
        assert!(open(&text, 1, at(last - 1)) && !open(&text, 1, at(last)));
    }
}
