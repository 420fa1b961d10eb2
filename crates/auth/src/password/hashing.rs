//! How passwords are kept and checked: Argon2id, and no more of it at once than the machine bears.
//!
//! A hash takes 19 MiB of memory, two passes and one lane (OWASP Password Storage Cheat Sheet): some 20 ms. What makes
//! guessing dear makes sign-in dear too, and anybody may try to sign in. So hashes are made and checked under a
//! [`Permit`], of which there are few; who finds none waits, and who finds too many waiting is sent away.
//!
//! Whether a name exists cannot be told from the time it takes: verifying against nobody costs the same. Limit: hashes
//! kept under older parameters take their own time until their owner signs in and they are made anew.

use std::num::NonZeroUsize;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{Error, PasswordHasher};
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};
use rootward_names::Random;
use rootward_state::entities::PasswordHash;

use super::Password;

/// Hands out permits to hash, a few at a time and first come, first served.
///
/// Waiting blocks the thread: call [`Hasher::permit`] where blocking is allowed, which is anywhere but on an
/// executor's thread (there: inside `spawn_blocking`). A semaphore of the executor's would serve asynchronous callers
/// alone.
#[derive(Debug)]
pub struct Hasher {
    running_max: usize,
    waiting_max: usize,
    queue: Mutex<Queue>,
    moved: Condvar,
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    /// The ticket that the next to come takes.
    next: u64,
    /// The ticket that is let in next. INVARIANT: never above `next`; the difference is how many wait.
    turn: u64,
}

/// So many wait for a permit that one more may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment: try again later")]
pub struct Busy;

impl Hasher {
    /// At most `running_max` hashes run at once, 19 MiB each, and at most `waiting_max` callers wait.
    pub fn new(running_max: NonZeroUsize, waiting_max: usize) -> Self {
        let queue = Mutex::default();
        Self { running_max: running_max.get(), waiting_max, queue, moved: Condvar::new() }
    }

    /// Waits for a permit. It is given back when it is dropped: keep it for one request's hashes and no longer.
    ///
    /// # Errors
    /// [`Busy`], at once, when too many wait already.
    pub fn permit(&self) -> Result<Permit<'_>, Busy> {
        let mut queue = self.lock();
        let free = self.running_max - queue.running;
        if queue.next - queue.turn >= self.waiting_max.saturating_add(free) as u64 {
            return Err(Busy);
        }
        let ticket = queue.next;
        queue.next += 1;
        let held = |queue: &mut Queue| queue.turn != ticket || queue.running == self.running_max;
        queue = self.moved.wait_while(queue, held).unwrap_or_else(PoisonError::into_inner);
        queue.turn += 1;
        queue.running += 1;
        drop(queue);
        // The next in turn may find a free place too.
        self.moved.notify_all();
        Ok(Permit { hasher: self })
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The right to run hashes, one after the other, until it is dropped.
#[derive(Debug)]
pub struct Permit<'a> {
    hasher: &'a Hasher,
}

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.hasher.lock().running -= 1;
        self.hasher.moved.notify_all();
    }
}

/// What a password is to a hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[must_use]
pub enum Verified {
    /// Another password than the one that was hashed, or there is no such user.
    Differs,
    /// The password that was hashed.
    Matches {
        /// The hash was made under other parameters than today's: make it anew from this password.
        outdated: bool,
    },
}

impl Permit<'_> {
    /// Hashes a password with a fresh salt, as [`hash`] does.
    ///
    /// # Errors
    /// When the hash cannot be computed, which no password within the rule's length causes.
    pub fn hash(&self, password: &Password, random: &mut dyn Random) -> Result<PasswordHash, Error> {
        hash(password, random)
    }

    /// Compares a password with what is kept, in constant time. `None` is a user who does not exist or has no
    /// password: it takes as long and never matches. Nor does a hash that cannot be read.
    pub fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Verified {
        let decoy = decoy();
        let compared = hash.unwrap_or(&decoy).expose();
        let matches = Phc::new(compared)
            .is_ok_and(|phc| Argon2::default().verify_password(password.expose().as_bytes(), &phc).is_ok());
        if hash.is_some() && matches {
            Verified::Matches { outdated: !compared.starts_with(&prefix()) }
        } else {
            Verified::Differs
        }
    }

    /// Whether the password is one of the last `count` of `previous`, which come newest first, the present one among
    /// them. Takes as long as `count` hashes at most.
    pub fn is_reused<'a>(
        &self,
        password: &Password,
        previous: impl IntoIterator<Item = &'a PasswordHash>,
        count: usize,
    ) -> bool {
        let mut last = previous.into_iter().take(count);
        last.any(|hash| self.verify(password, Some(hash)) != Verified::Differs)
    }
}

/// Hashes a password with a fresh salt. Takes some 20 ms and 19 MiB: never on an executor's thread. For what the
/// host's operator does, one at a time; what the network can ask for goes through a [`Hasher`].
///
/// # Errors
/// When the hash cannot be computed, which no password within the rule's length causes.
pub fn hash(password: &Password, random: &mut dyn Random) -> Result<PasswordHash, Error> {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| Error::ParamsInvalid)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Phc = hasher.hash_password_with_salt(password.expose().as_bytes(), &salt)?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// The hash of the user who does not exist: of zeros, which no password is known to give.
fn decoy() -> PasswordHash {
    let [salt, hash] = [22, 43].map(|characters| "A".repeat(characters));
    PasswordHash::new(format!("{}{salt}${hash}", prefix()))
}

/// How hashes under today's parameters begin.
fn prefix() -> String {
    format!("$argon2id$v=19$m={MEMORY_KIB},t={PASSES},p={LANES}$")
}

const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    struct Counter(u8);
    impl Random for Counter {
        fn fill(&mut self, bytes: &mut [u8]) {
            self.0 += 1;
            bytes.fill(self.0);
        }
    }

    const ONE: NonZeroUsize = NonZeroUsize::MIN;

    fn hasher() -> Hasher {
        Hasher::new(ONE, 0)
    }

    #[test]
    fn password_that_was_hashed_matches_and_no_other() {
        let (hasher, password) = (hasher(), Password::new("zebra-Violet+40-crumbs"));
        let permit = hasher.permit().unwrap();
        let hash = permit.hash(&password, &mut Counter(0)).unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert_eq!(permit.verify(&password, Some(&hash)), Verified::Matches { outdated: false });
        for other in ["zebra-Violet+40-crumb", "zebra-violet+40-crumbs", "zebra-Violet+40-crumbs ", ""] {
            assert_eq!(permit.verify(&Password::new(other), Some(&hash)), Verified::Differs, "{other}");
        }
    }

    #[test]
    fn hash_under_other_parameters_matches_and_is_outdated() {
        let (hasher, password) = (hasher(), Password::new("tram"));
        let params = Params::new(MEMORY_KIB / 2, PASSES, LANES, None).unwrap();
        let older: Phc = Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
            .hash_password_with_salt(b"tram", &[1; 16])
            .unwrap();
        let older = PasswordHash::new(older.to_string());
        let permit = hasher.permit().unwrap();
        assert_eq!(permit.verify(&password, Some(&older)), Verified::Matches { outdated: true });
        assert_eq!(permit.verify(&Password::new("tran"), Some(&older)), Verified::Differs);
    }

    #[test]
    fn nobody_and_a_hash_that_cannot_be_read_match_nothing() {
        let (hasher, password) = (hasher(), Password::new("tram"));
        let permit = hasher.permit().unwrap();
        assert_eq!(permit.verify(&password, None), Verified::Differs);
        for broken in ["", "tram", "$argon2id$", "$scrypt$ln=1,r=1,p=1$AAAAAAAAAAA$AAAAAAAAAAAAAAAA"] {
            let broken = PasswordHash::new(broken);
            assert_eq!(permit.verify(&password, Some(&broken)), Verified::Differs);
        }
    }

    #[test]
    fn decoy_is_a_hash_like_those_that_are_made() {
        let made = hash(&Password::new("tram"), &mut Counter(0)).unwrap();
        let decoy = decoy();
        assert_eq!(decoy.expose().len(), made.expose().len());
        let (made, decoy) = (Phc::new(made.expose()).unwrap(), Phc::new(decoy.expose()).unwrap());
        assert_eq!((made.params, made.version), (decoy.params, decoy.version));
    }

    #[test]
    fn only_the_last_passwords_count_as_reused() {
        let hasher = hasher();
        let permit = hasher.permit().unwrap();
        let random = &mut Counter(0);
        let previous = ["third", "second", "first"].map(|text| hash(&Password::new(text), random).unwrap());
        let reused = |text, count| permit.is_reused(&Password::new(text), &previous, count);
        assert!(reused("third", 1) && reused("second", 2) && reused("first", 24));
        assert!(!reused("second", 1) && !reused("first", 2) && !reused("fourth", 24) && !reused("third", 0));
    }

    #[test]
    fn more_than_may_wait_are_sent_away() {
        let hasher = Hasher::new(ONE, 1);
        let first = hasher.permit().unwrap();
        thread::scope(|scope| {
            let second = scope.spawn(|| hasher.permit().map(drop));
            while hasher.lock().next == 1 {
                thread::yield_now();
            }
            assert_eq!(hasher.permit().map(drop), Err(Busy));
            drop(first);
            assert_eq!(second.join().unwrap(), Ok(()));
        });
        assert!(hasher.permit().is_ok(), "all are given back");
    }

    #[test]
    fn permits_go_to_those_who_wait_in_their_order() {
        let hasher = Hasher::new(ONE, 8);
        let first = hasher.permit().unwrap();
        let (done, order) = mpsc::channel();
        thread::scope(|scope| {
            for n in 0..8 {
                let (hasher, done) = (&hasher, done.clone());
                scope.spawn(move || {
                    let _permit = hasher.permit().unwrap();
                    done.send(n).unwrap();
                });
                while hasher.lock().next < n + 2 {
                    thread::yield_now();
                }
            }
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..8).collect::<Vec<_>>());
    }

    #[test]
    fn no_more_run_at_once_than_may() {
        let hasher = Hasher::new(NonZeroUsize::new(2).unwrap(), 0);
        let permits = [hasher.permit().unwrap(), hasher.permit().unwrap()];
        assert_eq!(hasher.permit().map(drop), Err(Busy));
        drop(permits);
        assert_eq!(hasher.lock().running, 0);
    }
}
