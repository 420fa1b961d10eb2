//! How passwords are kept and checked: Argon2id, and no more of it at once than the machine bears.
//!
//! A hash takes 19 MiB of memory, two passes and one lane (OWASP Password Storage Cheat Sheet): some 20 ms. What makes
//! guessing dear makes sign-in dear too, and anybody may try to sign in. So hashes are made and checked under a
//! [`Permit`], of which there are few; who finds none waits.
//!
//! Waiting is fair to sources (IPv6: a /48, which is what one customer may have) and to whom it is for, a name at the door or an
//! account of an API. Each that waits has a turn, a number that counts on from the turn that was let in last:
//!
//! ```text
//! turn = last turn let in + 1 + how many wait from the same source + how many wait for the same name or account
//! ```
//!
//! The lowest turn is let in next. When too many wait, the highest is sent away, whether it has just come or waits already. So
//! whoever floods queues behind itself: somebody from elsewhere under another name is next, and somebody who shares the source or
//! the name, but not both, goes before half of the flood. Nobody waits for ever, because turns go on with each that is let in.
//!
//! Hashes are made by threads of low priority, as many as there are permits: while the machine has nothing better to do, hashing costs what
//! it costs, and while signed requests want the processors it gets little more than they leave. The threads live as long as the hasher: a
//! new one would begin without what the one before it owes the others.
//!
//! Limit: whoever has as many sources as may wait, and as many names, all at once, still sends everybody away. Permits are
//! equal: one that runs several hashes holds its place for all of them.
//!
//! Whether a name exists cannot be told from the time it takes: verifying against nobody costs the same. Limit: hashes
//! kept under older parameters take their own time until their owner signs in and they are made anew.

use std::net::IpAddr;
use std::num::NonZeroUsize;
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use argon2::password_hash::phc::PasswordHash as Phc;
use argon2::password_hash::{Error, PasswordHasher};
use argon2::{Algorithm, Argon2, Params, PasswordVerifier, Version};
use rayon::{ThreadPool, ThreadPoolBuildError, ThreadPoolBuilder};
use rootward_names::{AccountId, Random};
use rootward_state::entities::PasswordHash;

use super::Password;
use crate::sources::{SITE_BITS, network};

/// Hands out permits to hash, a few at a time and fairly. Clones hand out the same.
///
/// [`Hasher::enter`] never waits. Waiting for the permit blocks the thread: call [`Place::wait`] and [`Hasher::permit`] where blocking
/// is allowed, which is anywhere but on an executor's thread (there: inside `spawn_blocking`).
#[derive(Debug, Clone)]
pub struct Hasher {
    running_max: usize,
    waiting_max: usize,
    queue: Arc<Mutex<Queue>>,
    threads: Arc<ThreadPool>,
}

#[derive(Debug, Default)]
struct Queue {
    running: usize,
    /// The ticket that the next to come takes.
    next: u64,
    /// The highest turn that was let in.
    turn: u64,
    /// Those who wait, as they came.
    waiting: Vec<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    ticket: u64,
    turn: u64,
    asker: Asker,
    /// Told when let in; gone without a word when sent away.
    tell: SyncSender<()>,
}

/// Who wants to hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asker {
    /// From where.
    pub source: IpAddr,
    /// For whom.
    pub who: Who,
}

/// For whom passwords are hashed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Somebody of this account, who calls an API.
    Account(AccountId),
    /// Whoever has the name with this digest at the door.
    Name([u8; 32]),
}

/// So many wait for a permit, and so many of them from the same source or for the same name, that one more may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment: try again later")]
pub struct Busy;

impl Hasher {
    /// At most `running_max` hashes run at once, 19 MiB each, and at most `waiting_max` callers wait.
    ///
    /// # Errors
    /// When the threads cannot be started.
    pub fn new(running_max: NonZeroUsize, waiting_max: usize) -> Result<Self, ThreadPoolBuildError> {
        let threads = Arc::new(unhurried_threads(running_max)?);
        Ok(Self { running_max: running_max.get(), waiting_max, queue: Arc::default(), threads })
    }

    /// Takes a place among those who wait for a permit.
    ///
    /// # Errors
    /// [`Busy`] when too many wait and it is this one's place that is given up.
    pub fn enter(&self, asker: Asker) -> Result<Place, Busy> {
        let mut queue = self.lock();
        let (ticket, told) = queue.enter(asker);
        queue.let_in(self.running_max);
        if queue.waiting.len() > self.waiting_max {
            queue.send_last_away();
        }
        drop(queue);
        match told.try_recv() {
            Err(TryRecvError::Disconnected) => Err(Busy),
            word => Ok(Place { hasher: self.clone(), ticket, told, let_in: word.is_ok() }),
        }
    }

    /// Takes a place and waits for its permit.
    ///
    /// # Errors
    /// [`Busy`]: at once, or when somebody comes who is let in before.
    pub fn permit(&self, asker: Asker) -> Result<Permit, Busy> {
        self.enter(asker)?.wait()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn enter(&mut self, Asker { source, who }: Asker) -> (u64, Receiver<()>) {
        let asker = Asker { source: network(source, SITE_BITS), who };
        let ahead = |shares: fn(&Asker, &Asker) -> bool| {
            self.waiting.iter().filter(|waiting| shares(&waiting.asker, &asker)).count() as u64
        };
        let turn = self.turn + 1 + ahead(|a, b| a.source == b.source) + ahead(|a, b| a.who == b.who);
        let ticket = self.next;
        self.next += 1;
        let (tell, told) = sync_channel(1);
        self.waiting.push(Waiting { ticket, turn, asker, tell });
        (ticket, told)
    }

    /// Lets in whose turn it is, as many as may run.
    fn let_in(&mut self, running_max: usize) {
        while self.running < running_max
            && let Some((first, _)) =
                self.waiting.iter().enumerate().min_by_key(|(_, waiting)| (waiting.turn, waiting.ticket))
        {
            let first = self.waiting.remove(first);
            self.turn = self.turn.max(first.turn);
            self.running += 1;
            // There is room for one word, and who waits listens: places are left under the lock alone.
            let _heard = first.tell.try_send(());
        }
    }

    fn send_last_away(&mut self) {
        if let Some(last) = self.waiting.iter().map(|waiting| (waiting.turn, waiting.ticket)).max() {
            self.waiting.retain(|waiting| waiting.ticket != last.1);
        }
    }
}

/// A place among those who wait for a permit. It is left when it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Place {
    hasher: Hasher,
    ticket: u64,
    told: Receiver<()>,
    let_in: bool,
}

impl Place {
    /// Waits for the permit. It is given back when it is dropped: keep it for one request's hashes and no longer.
    ///
    /// # Errors
    /// [`Busy`] when somebody comes who is let in before and too many wait.
    pub fn wait(mut self) -> Result<Permit, Busy> {
        if !self.let_in {
            self.told.recv().map_err(|_| Busy)?;
            self.let_in = true;
        }
        Ok(Permit { place: self })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut queue = self.hasher.lock();
        queue.waiting.retain(|waiting| waiting.ticket != self.ticket);
        if self.let_in || self.told.try_recv().is_ok() {
            queue.running -= 1;
            queue.let_in(self.hasher.running_max);
        }
    }
}

/// The right to run hashes, one after the other, until it is dropped.
#[derive(Debug)]
pub struct Permit {
    place: Place,
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

impl Permit {
    fn threads(&self) -> &ThreadPool {
        &self.place.hasher.threads
    }

    /// Hashes a password with a fresh salt, as [`hash`] does.
    ///
    /// # Errors
    /// When the hash cannot be computed, which no password within the rule's length causes.
    pub fn hash(&self, password: &Password, random: &mut dyn Random) -> Result<PasswordHash, Error> {
        let salt = salt(random);
        self.threads().install(|| hash_with(password, &salt))
    }

    /// Compares a password with what is kept, in constant time. `None` is a user who does not exist or has no
    /// password: it takes as long and never matches. Nor does a hash that cannot be read.
    pub fn verify(&self, password: &Password, hash: Option<&PasswordHash>) -> Verified {
        let decoy = decoy();
        let compared = hash.unwrap_or(&decoy).expose();
        let matches = self.threads().install(|| {
            let password = password.expose().as_bytes();
            Phc::new(compared).is_ok_and(|phc| Argon2::default().verify_password(password, &phc).is_ok())
        });
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
    hash_with(password, &salt(random))
}

fn salt(random: &mut dyn Random) -> [u8; 16] {
    let mut salt = [0; 16];
    random.fill(&mut salt);
    salt
}

fn hash_with(password: &Password, salt: &[u8; 16]) -> Result<PasswordHash, Error> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).map_err(|_| Error::ParamsInvalid)?;
    let hasher = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let hash: Phc = hasher.hash_password_with_salt(password.expose().as_bytes(), salt)?;
    Ok(PasswordHash::new(hash.to_string()))
}

/// Threads of low priority. Where threads have no priority of their own (elsewhere than on Linux) they have that of all.
fn unhurried_threads(count: NonZeroUsize) -> Result<ThreadPool, ThreadPoolBuildError> {
    let step_back = |_| {
        #[cfg(target_os = "linux")]
        let _may_be_refused = rustix::process::setpriority_process(None, NICENESS);
    };
    let threads = ThreadPoolBuilder::new().num_threads(count.get()).start_handler(step_back);
    threads.thread_name(|_| "hash".to_owned()).build()
}

/// By how much a hash steps back: a thirtieth of the weight of a thread at 0. At 19, the most, sign-in would stand still while the machine is
/// busy.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 15;

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
        Hasher::new(ONE, 0).unwrap()
    }

    fn asker(source: u8, name: u8) -> Asker {
        Asker { source: [192, 0, 2, source].into(), who: Who::Name([name; 32]) }
    }

    #[test]
    fn password_that_was_hashed_matches_and_no_other() {
        let (hasher, password) = (hasher(), Password::new("zebra-Violet+40-crumbs"));
        let permit = hasher.permit(asker(1, 1)).unwrap();
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
        let permit = hasher.permit(asker(1, 1)).unwrap();
        assert_eq!(permit.verify(&password, Some(&older)), Verified::Matches { outdated: true });
        assert_eq!(permit.verify(&Password::new("tran"), Some(&older)), Verified::Differs);
    }

    #[test]
    fn nobody_and_a_hash_that_cannot_be_read_match_nothing() {
        let (hasher, password) = (hasher(), Password::new("tram"));
        let permit = hasher.permit(asker(1, 1)).unwrap();
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
    #[cfg(target_os = "linux")]
    fn hashes_step_back_and_their_callers_do_not() {
        let priority = || rustix::process::getpriority_process(None).unwrap();
        let before = priority();
        assert_eq!(hasher().threads.install(priority), NICENESS.max(before));
        assert_eq!(priority(), before);
    }

    #[test]
    fn only_the_last_passwords_count_as_reused() {
        let hasher = hasher();
        let permit = hasher.permit(asker(1, 1)).unwrap();
        let random = &mut Counter(0);
        let previous = ["third", "second", "first"].map(|text| hash(&Password::new(text), random).unwrap());
        let reused = |text, count| permit.is_reused(&Password::new(text), &previous, count);
        assert!(reused("third", 1) && reused("second", 2) && reused("first", 24));
        assert!(!reused("second", 1) && !reused("first", 2) && !reused("fourth", 24) && !reused("third", 0));
    }

    /// Starts somebody who waits and then says who it was, and returns when they wait.
    fn wait<'s>(
        scope: &'s thread::Scope<'s, '_>,
        hasher: &'s Hasher,
        asker: Asker,
        done: &mpsc::Sender<Asker>,
    ) -> thread::ScopedJoinHandle<'s, Result<(), Busy>> {
        let (before, done) = (hasher.lock().next, done.clone());
        let waiting = scope.spawn(move || {
            let _permit = hasher.permit(asker)?;
            done.send(asker).unwrap();
            Ok(())
        });
        while hasher.lock().next == before {
            thread::yield_now();
        }
        waiting
    }

    #[test]
    fn more_than_may_wait_are_sent_away() {
        let hasher = Hasher::new(ONE, 1).unwrap();
        let (done, _order) = mpsc::channel();
        let first = hasher.permit(asker(1, 1)).unwrap();
        thread::scope(|scope| {
            let second = wait(scope, &hasher, asker(2, 2), &done);
            assert_eq!(hasher.permit(asker(3, 3)).map(drop), Err(Busy));
            drop(first);
            assert_eq!(second.join().unwrap(), Ok(()));
        });
        assert!(hasher.permit(asker(1, 1)).is_ok(), "all are given back");
    }

    #[test]
    fn permits_go_to_those_who_have_nothing_in_common_in_their_order() {
        let hasher = Hasher::new(ONE, 8).unwrap();
        let first = hasher.permit(asker(9, 9)).unwrap();
        let (done, order) = mpsc::channel();
        thread::scope(|scope| {
            (0..8).for_each(|n| drop(wait(scope, &hasher, asker(n, n), &done)));
            drop(first);
        });
        assert_eq!(order.try_iter().collect::<Vec<_>>(), (0..8).map(|n| asker(n, n)).collect::<Vec<_>>());
    }

    #[test]
    fn who_floods_queues_behind_itself_and_makes_room_for_others() {
        // From one source under one name, from many sources under one name, and from one source under many names.
        for flooder in [|_| asker(1, 1), |n| asker(n, 1), |n| asker(1, n)] as [fn(u8) -> Asker; 3] {
            let hasher = Hasher::new(ONE, 8).unwrap();
            let first = hasher.permit(asker(90, 90)).unwrap();
            let (done, order) = mpsc::channel();
            let sent_away = thread::scope(|scope| {
                let flood: Vec<_> = (1..=8).map(|n| wait(scope, &hasher, flooder(n), &done)).collect();
                assert_eq!(hasher.permit(flooder(9)).map(drop), Err(Busy));
                let others =
                    [wait(scope, &hasher, asker(50, 50), &done), wait(scope, &hasher, asker(51, 51), &done)];
                drop(first);
                assert!(others.into_iter().all(|other| other.join().unwrap().is_ok()));
                flood.into_iter().filter_map(|one| one.join().unwrap().err()).count()
            });
            assert_eq!(sent_away, 2);
            let order: Vec<_> = order.try_iter().collect();
            assert_eq!(order[..3], [flooder(1), asker(50, 50), asker(51, 51)]);
        }
    }

    #[test]
    fn who_shares_a_source_or_a_name_with_a_flood_goes_before_half_of_it() {
        for sharer in [asker(1, 50), asker(50, 1)] {
            let hasher = Hasher::new(ONE, 8).unwrap();
            let first = hasher.permit(asker(90, 90)).unwrap();
            let (done, order) = mpsc::channel();
            thread::scope(|scope| {
                (0..20).for_each(|_| drop(wait(scope, &hasher, asker(1, 1), &done)));
                let shares = wait(scope, &hasher, sharer, &done);
                (0..20).for_each(|_| drop(wait(scope, &hasher, asker(1, 1), &done)));
                drop(first);
                assert_eq!(shares.join().unwrap(), Ok(()));
            });
            assert_eq!(order.try_iter().position(|asker| asker == sharer), Some(5));
        }
    }

    #[test]
    fn nobody_waits_for_ever_however_many_come_after() {
        let hasher = Hasher::new(ONE, 8).unwrap();
        let mut permit = hasher.permit(asker(90, 90)).unwrap();
        let (done, order) = mpsc::channel();
        thread::scope(|scope| {
            (0..4).for_each(|_| drop(wait(scope, &hasher, asker(1, 1), &done)));
            // One after the other comes from elsewhere, and is there before the last of those leaves.
            for n in 2..40 {
                let next = scope.spawn({
                    let hasher = &hasher;
                    move || hasher.permit(asker(n, n))
                });
                while !hasher.lock().waiting.iter().any(|waiting| waiting.asker == asker(n, n)) {
                    thread::yield_now();
                }
                drop(permit);
                permit = next.join().unwrap().unwrap();
            }
            assert_eq!(order.try_iter().count(), 4);
            drop(permit);
        });
    }

    #[test]
    fn addresses_of_one_site_are_one_source() {
        let of = |text: &str| network(text.parse().unwrap(), SITE_BITS);
        assert_eq!(of("2001:db8:1:2::3"), of("2001:db8:1:ffff::4"));
        assert_ne!(of("2001:db8:1:2::3"), of("2001:db8:2:2::3"));
        let (mut queue, who) = (Queue::default(), Who::Name([1; 32]));
        for (n, text) in ["2001:db8:1:2::3", "2001:db8:1:ffff::4", "2001:db8:2:2::3"].into_iter().enumerate()
        {
            queue.enter(Asker { source: text.parse().unwrap(), who: Who::Name([n as u8; 32]) });
        }
        assert_eq!(queue.waiting.iter().map(|waiting| waiting.turn).collect::<Vec<_>>(), [1, 2, 1]);
        queue.enter(Asker { source: "192.0.2.1".parse().unwrap(), who });
        assert_eq!(queue.waiting[3].turn, 2);
    }

    #[test]
    fn place_that_nobody_waits_for_any_more_is_left() {
        let hasher = Hasher::new(ONE, 2).unwrap();
        let counts = || {
            let queue = hasher.lock();
            (queue.running, queue.waiting.len())
        };
        let [first, second, third] = [1, 2, 3].map(|n| hasher.enter(asker(n, n)).unwrap());
        assert_eq!(hasher.enter(asker(4, 4)).map(drop), Err(Busy));
        drop(second);
        assert_eq!(counts(), (1, 1));
        drop(first);
        assert_eq!(counts(), (1, 0), "let in before it waits");
        let fourth = hasher.enter(asker(4, 4)).unwrap();
        drop(third);
        drop(fourth.wait().unwrap());
        assert_eq!(counts(), (0, 0));
    }

    #[test]
    fn no_more_run_at_once_than_may() {
        let hasher = Hasher::new(NonZeroUsize::new(2).unwrap(), 0).unwrap();
        let permits = [hasher.permit(asker(1, 1)).unwrap(), hasher.permit(asker(2, 2)).unwrap()];
        assert_eq!(hasher.permit(asker(3, 3)).map(drop), Err(Busy));
        drop(permits);
        assert_eq!(hasher.lock().running, 0);
    }
}
