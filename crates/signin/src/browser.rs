//! The browser: which one it is, and who has signed in with it before.
//!
//! A browser keeps this in a long-lived cookie. It is sealed, so nobody but we can make or read one, and it proves nothing but
//! what it says: it opens no session. It ties the steps of one sign-in to one browser, and it spares the owner of a name the
//! lane of strangers ([`crate::lanes`]).

use rootward_auth::sealed::Kind;
use rootward_names::Random;
use rootward_store::vault::Vault;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How many names a browser is known to; the ones that signed in last.
const NAMES_MAX: usize = 8;
const COOKIE: Kind = Kind { context: b"browser 1", bytes_max: 1_024 };

/// A browser.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Browser {
    id: [u8; 16],
    /// Digests of the names that signed in, oldest first.
    names: Vec<[u8; 16]>,
}

impl Browser {
    /// One that was never seen.
    pub(crate) fn new(random: &mut dyn Random) -> Self {
        let mut id = [0; 16];
        random.fill(&mut id);
        Self { id, names: Vec::new() }
    }

    /// What the cookie says; none if it is not ours.
    pub(crate) fn open(vault: &Vault, cookie: &str) -> Option<Self> {
        COOKIE.open(cookie, vault)
    }

    /// The value of its cookie.
    pub(crate) fn seal(&self, vault: &Vault, random: &mut dyn Random) -> String {
        COOKIE.seal(self, vault, random)
    }

    /// Which one it is.
    pub fn id(&self) -> [u8; 16] {
        self.id
    }

    /// Its lane, if this name has signed in with it.
    pub(crate) fn lane(&self, name: [u8; 32]) -> Option<[u8; 32]> {
        self.names.contains(&short(name)).then(|| Sha256::digest(self.id).into())
    }

    /// The same browser after this name has signed in.
    pub(crate) fn known_to(mut self, name: [u8; 32]) -> Self {
        let name = short(name);
        self.names.retain(|known| *known != name);
        self.names.push(name);
        if self.names.len() > NAMES_MAX {
            self.names.remove(0);
        }
        self
    }
}

fn short(name: [u8; 32]) -> [u8; 16] {
    let [short @ .., _, _, _, _, _, _, _, _, _, _, _, _, _, _, _, _] = name;
    short
}

#[cfg(test)]
mod tests {
    use rootward_store::vault::Key;

    use super::*;
    use rootward_testkit::Seeded;

    #[test]
    fn cookie_is_read_by_whoever_has_the_key_and_by_nobody_else() {
        let random = &mut Seeded::new(1);
        let (ours, other) = (Vault::new(&Key::random(random)), Vault::new(&Key::random(random)));
        let browser = Browser::new(random).known_to([1; 32]);
        let cookie = browser.seal(&ours, random);
        assert_eq!(Browser::open(&ours, &cookie), Some(browser));
        assert_eq!(Browser::open(&other, &cookie), None);
        for broken in
            ["", "AAAA", "é", cookie.strip_prefix(|_: char| true).unwrap(), &"A".repeat(COOKIE.bytes_max + 1)]
        {
            assert_eq!(Browser::open(&ours, broken), None, "{broken}");
        }
    }

    #[test]
    fn browser_knows_the_names_that_signed_in_last() {
        let mut browser = Browser::new(&mut Seeded::new(1));
        for name in 0..10 {
            browser = browser.known_to([name; 32]).known_to([5; 32]);
        }
        let known = (0..10).filter(|name| browser.lane([*name; 32]).is_some());
        assert_eq!(known.collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7, 8, 9]);
        assert_ne!(browser.lane([5; 32]), Browser::new(&mut Seeded::new(7)).known_to([5; 32]).lane([5; 32]));
    }
}
