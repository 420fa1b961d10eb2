//! Lanes: how fast somebody may guess.
//!
//! A guess is let through when there is room in every lane it takes; a guess that was right gives its room back, so only
//! wrong ones fill a lane, and a lane empties with time. Mails that are asked for have lanes of their own:
//!
//! | lane | room | empties | keeps off |
//! |---|---|---|---|
//! | of a source address (IPv6: of its /64), for browsers the name never signed in with | 20 | one in 10 s | one machine that tries many names |
//! | of a name, for browsers it never signed in with | 20 | one in 2 s | many machines that try one name |
//! | of a name and a source (IPv6: of its /48), when the lane above is full | 2 | one in 1,800 s | machines that take all the room of a name |
//! | of a name, for one browser that it has signed in with | 20 | one in 10 s | a stolen browser |
//! | of a source address, for mails it asks for | 10 | one in 60 s | one machine that asks for many addresses |
//! | of an address, for mails that are asked for | 3 | one in 600 s | a mailbox that is filled |
//!
//! Nobody is locked out: whoever fills the strangers' lane of a name slows strangers down to a guess in two seconds, all together. It leaves the
//! owner's own browsers alone, and from a source that has not tried the name lately the owner's next two guesses are let through at
//! once. Somebody with `n` sources so has 20 + 2`n` wrong guesses at one name, and then 1,800 + 2`n` an hour. What shares the owner's
//! source shares its two guesses.
//!
//! A guess that is not let through costs no hash. If it is its name that has no room, its source has used up room all the same, so that
//! who asks again and again gets less; if it is its source, nothing else is touched, not even to remember the name.
//!
//! Lanes are in memory, on each node; [`LANES_MAX`] of each of three kinds, the least used forgotten first. A clock that is set back
//! keeps nobody out longer than a full lane takes to empty.

use std::hash::Hash;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use rootward_auth::sources::{HOME_BITS, SITE_BITS, network};
use rootward_names::Time;

/// How many lanes of a kind are remembered: some 20 MB.
const LANES_MAX: usize = 100_000;

/// Room and pace of a kind of lane.
#[derive(Debug, Clone, Copy)]
struct Pace {
    room: i64,
    seconds_each: i64,
}

const OF_SOURCE: Pace = Pace { room: 20, seconds_each: 10 };
const OF_STRANGERS: Pace = Pace { room: 20, seconds_each: 2 };
const OF_NEWCOMER: Pace = Pace { room: 2, seconds_each: 1_800 };
const OF_BROWSER: Pace = Pace { room: 20, seconds_each: 10 };
const OF_MAIL_SOURCE: Pace = Pace { room: 10, seconds_each: 60 };
const OF_MAILBOX: Pace = Pace { room: 3, seconds_each: 600 };

/// What a lane is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    Browser([u8; 32], [u8; 32]),
    Mailbox([u8; 32]),
    MailSource(IpAddr),
    Newcomer([u8; 32], IpAddr),
    Source(IpAddr),
    Strangers([u8; 32]),
}

/// When a lane will be empty, in milliseconds.
type Lane = Arc<Mutex<i64>>;

/// All lanes of a node.
#[derive(Debug)]
pub(crate) struct Lanes {
    guesses: Cache<Of, Lane>,
    newcomers: Cache<Of, Lane>,
    mails: Cache<Of, Lane>,
}

/// A guess that was let through. What it took up stays taken unless it turns out right.
#[derive(Debug)]
#[must_use]
pub(crate) struct Guess {
    source: Option<Lane>,
    name: Lane,
    name_pace: Pace,
}

/// No room: try again after this many seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wait {
    pub(crate) seconds: i64,
}

impl Lanes {
    pub(crate) fn new() -> Self {
        let [guesses, newcomers, mails] = std::array::from_fn(|_| Cache::new(LANES_MAX));
        Self { guesses, newcomers, mails }
    }

    /// Lets a guess through that comes from `source` for `name` (a digest of who signs in), from a browser that has signed
    /// in as that name before, or a stranger's.
    pub(crate) fn enter(
        &self,
        source: IpAddr,
        name: [u8; 32],
        browser: Option<[u8; 32]>,
        now: Time,
    ) -> Result<Guess, Wait> {
        if let Some(browser) = browser {
            // Behind one address may be many people: a browser that the name is known to waits for none of them.
            let name = lane(&self.guesses, Of::Browser(name, browser));
            take(&name, OF_BROWSER, now)?;
            return Ok(Guess { source: None, name, name_pace: OF_BROWSER });
        }
        let of_source = lane(&self.guesses, Of::Source(network(source, HOME_BITS)));
        take(&of_source, OF_SOURCE, now)?;
        let strangers = lane(&self.guesses, Of::Strangers(name));
        let Err(wait) = take(&strangers, OF_STRANGERS, now) else {
            return Ok(Guess { source: Some(of_source), name: strangers, name_pace: OF_STRANGERS });
        };
        let newcomer = lane(&self.newcomers, Of::Newcomer(name, network(source, SITE_BITS)));
        take(&newcomer, OF_NEWCOMER, now).map_err(|_| wait)?;
        Ok(Guess { source: Some(of_source), name: newcomer, name_pace: OF_NEWCOMER })
    }

    /// Lets somebody at `source` ask for a mail.
    pub(crate) fn ask_for_mail(&self, source: IpAddr, now: Time) -> Result<(), Wait> {
        take(&lane(&self.mails, Of::MailSource(network(source, HOME_BITS))), OF_MAIL_SOURCE, now)
    }

    /// Whether a mail that was asked for may be sent to an address (a digest of it).
    pub(crate) fn may_mail(&self, address: [u8; 32], now: Time) -> bool {
        take(&lane(&self.mails, Of::Mailbox(address)), OF_MAILBOX, now).is_ok()
    }
}

fn lane(lanes: &Cache<Of, Lane>, of: Of) -> Lane {
    let made = lanes.get_or_insert_with(&of, || Ok::<_, std::convert::Infallible>(Lane::default()));
    let Ok(lane) = made;
    lane
}

impl Guess {
    /// It was right: the lane of the name that it took is as if nobody had guessed, the source's as if this one had not.
    pub(crate) fn was_right(self) {
        self.source.iter().for_each(|source| give_back(source, OF_SOURCE));
        *self.name.lock().unwrap_or_else(PoisonError::into_inner) = 0;
    }

    /// It was not looked at after all.
    pub(crate) fn was_none(self) {
        self.source.iter().for_each(|source| give_back(source, OF_SOURCE));
        give_back(&self.name, self.name_pace);
    }
}

fn take(lane: &Mutex<i64>, pace: Pace, now: Time) -> Result<(), Wait> {
    let (mut empty_at, each) = (settle(lane, pace, now), pace.seconds_each * 1_000);
    let over = *empty_at + each - now.millis() - pace.room * each;
    if over > 0 {
        return Err(Wait { seconds: over.div_euclid(1_000) + 1 });
    }
    *empty_at += each;
    Ok(())
}

/// The lane as it stands now. Later than full it can be only if the clock was set back: it empties by the new time then.
fn settle(lane: &Mutex<i64>, pace: Pace, now: Time) -> MutexGuard<'_, i64> {
    let (now, full) = (now.millis(), pace.room * pace.seconds_each * 1_000);
    let mut empty_at = lane.lock().unwrap_or_else(PoisonError::into_inner);
    *empty_at = (*empty_at).clamp(now, now.saturating_add(full));
    empty_at
}

fn give_back(lane: &Mutex<i64>, pace: Pace) {
    *lane.lock().unwrap_or_else(PoisonError::into_inner) -= pace.seconds_each * 1_000;
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: [u8; 32] = [1; 32];
    const BOB: [u8; 32] = [2; 32];
    const BROWSER: Option<[u8; 32]> = Some([9; 32]);

    fn at(seconds: i64) -> Time {
        Time::from_seconds(1_700_000_000 + seconds)
    }

    fn source(n: u32) -> IpAddr {
        IpAddr::V4((0x0a00_0000 + n).into())
    }

    /// How many of `guesses` wrong ones are let through.
    fn let_through(lanes: &Lanes, from: IpAddr, name: [u8; 32], now: Time, guesses: usize) -> usize {
        (0..guesses).filter(|_| lanes.enter(from, name, None, now).is_ok()).count()
    }

    #[test]
    fn one_source_may_guess_twenty_times_and_then_once_in_ten_seconds() {
        let lanes = Lanes::new();
        assert_eq!(let_through(&lanes, source(1), ANN, at(0), 1_000), 20);
        assert_eq!(lanes.enter(source(1), BOB, None, at(3)).unwrap_err(), Wait { seconds: 8 });
        assert_eq!(let_through(&lanes, source(1), BOB, at(10), 5), 1);
        assert_eq!(let_through(&lanes, source(2), BOB, at(10), 5), 5);
    }

    #[test]
    fn many_sources_that_guess_one_name_leave_its_own_browser_alone() {
        let lanes = Lanes::new();
        let all: usize = (0..1_000).map(|n| let_through(&lanes, source(n), ANN, at(0), 1)).sum();
        assert_eq!(all, 1_000, "each of them is new once");
        assert_eq!(let_through(&lanes, source(999), ANN, at(0), 9), 1, "and once more");
        assert!(lanes.enter(source(999), ANN, None, at(0)).is_err());
        assert!(lanes.enter(source(999), ANN, BROWSER, at(0)).is_ok());
        assert!(lanes.enter(source(999), BOB, None, at(0)).is_ok());
        // Strangers are slowed down, not locked out.
        assert_eq!(let_through(&lanes, source(999), ANN, at(10), 9), 5);
    }

    #[test]
    fn right_guess_empties_the_lane_of_the_name_and_takes_nothing_from_the_source() {
        let lanes = Lanes::new();
        for _ in 0..500 {
            lanes.enter(source(1), ANN, None, at(0)).unwrap().was_right();
        }
        (0..20).for_each(|n| drop(lanes.enter(source(n), ANN, BROWSER, at(0)).unwrap()));
        assert!(lanes.enter(source(50), ANN, BROWSER, at(0)).is_err());
        lanes.enter(source(50), ANN, None, at(0)).unwrap().was_none();
        assert_eq!(let_through(&lanes, source(50), BOB, at(0), 30), 20);
    }

    #[test]
    fn owner_at_a_new_source_is_let_through_however_fast_others_poll() {
        let lanes = Lanes::new();
        let mut wrong = 0;
        for second in 0..7_200 {
            // Twelve sources take whatever there is, at every moment.
            wrong += (0..12).map(|n| let_through(&lanes, source(n), ANN, at(second), 2)).sum::<usize>();
            if second % 600 == 300 {
                lanes.enter(source(1_000), ANN, None, at(second)).unwrap().was_right();
                assert_eq!(let_through(&lanes, source(2_000 + second as u32), ANN, at(second), 9), 2);
            }
        }
        assert!(wrong <= 20 + 3_600 + 12 * 2 * 3, "{wrong}");
    }

    #[test]
    fn many_sources_gain_two_guesses_each_and_two_an_hour() {
        let lanes = Lanes::new();
        let hour = |from: i64| -> usize {
            let guesses = (from..from + 3_600).map(|second| {
                (0..100).map(|n| let_through(&lanes, source(n), ANN, at(second), 1)).sum::<usize>()
            });
            guesses.sum()
        };
        assert!((1_820..=20 + 1_800 + 100 * 4).contains(&hour(0)));
        assert!((1_800..=1_800 + 100 * 2).contains(&hour(3_600)));
    }

    #[test]
    fn who_has_many_addresses_of_one_site_is_new_twice() {
        let lanes = Lanes::new();
        (0..20).for_each(|n| drop(lanes.enter(source(n), ANN, None, at(0)).unwrap()));
        let home = |n: u128| IpAddr::V6((((0x2001_0db8_u128 << 32) + n) << 64).into());
        assert_eq!((0..60_000).map(|n| let_through(&lanes, home(n), ANN, at(0), 1)).sum::<usize>(), 2);
        assert_eq!(let_through(&lanes, home(1 << 16), ANN, at(0), 1), 1);
    }

    #[test]
    fn guess_that_its_name_has_no_room_for_uses_up_room_of_its_source() {
        let lanes = Lanes::new();
        (0..20).for_each(|n| drop(lanes.enter(source(n), ANN, None, at(0)).unwrap()));
        assert_eq!(let_through(&lanes, source(200), ANN, at(0), 15), 2);
        assert_eq!(let_through(&lanes, source(200), BOB, at(0), 30), 5);
    }

    #[test]
    fn guess_that_its_source_has_no_room_for_is_nowhere_remembered() {
        let lanes = Lanes::new();
        let random = |n: u32| std::array::from_fn(|i| n.to_be_bytes()[i % 4]);
        let let_through = (0..10_000).filter(|n| lanes.enter(source(1), random(*n), None, at(0)).is_ok());
        assert_eq!(let_through.count(), 20);
        assert_eq!((lanes.guesses.len(), lanes.newcomers.len()), (21, 0));
        assert_eq!((0..10_000).filter(|_| lanes.ask_for_mail(source(1), at(0)).is_ok()).count(), 10);
        assert!((0..10_000).all(|n| lanes.may_mail(random(n), at(0))));
        assert_eq!(lanes.guesses.len(), 21, "mails make the node forget no guesses");
    }

    #[test]
    fn addresses_of_one_network_share_a_lane() {
        let lanes = Lanes::new();
        let in_network = |n: u128| IpAddr::V6(((0x2001_0db8_u128 << 96) + n).into());
        let all: usize = (0..100).map(|n| let_through(&lanes, in_network(n), ANN, at(0), 1)).sum();
        assert_eq!(all, 20);
        assert_eq!(let_through(&lanes, in_network(1 << 64), ANN, at(0), 1), 1);
        assert_eq!(let_through(&lanes, "::ffff:10.0.0.7".parse().unwrap(), BOB, at(0), 30), 20);
        assert_eq!(let_through(&lanes, source(7), BOB, at(0), 30), 0);
    }

    #[test]
    fn clock_that_was_set_back_keeps_nobody_out_for_long() {
        let lanes = Lanes::new();
        assert_eq!(let_through(&lanes, source(1), ANN, at(1_000_000), 30), 20);
        assert_eq!(let_through(&lanes, source(1), ANN, at(0), 30), 0);
        assert_eq!(let_through(&lanes, source(1), ANN, at(1), 30), 0);
        assert_eq!(let_through(&lanes, source(1), BOB, at(201), 30), 20);
        // The name's lane is as full as can be, and empties by the new time from now on.
        assert_eq!(let_through(&lanes, source(2), ANN, at(201), 2), 2);
        assert!(lanes.enter(source(2), ANN, None, at(201)).is_err());
        assert_eq!(let_through(&lanes, source(3), ANN, at(302), 30), 20);
    }
}
