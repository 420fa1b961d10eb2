//! Lanes: how fast somebody may guess.
//!
//! A guess is let through when there is room in every lane it takes; a guess that was right gives its room back, so only
//! wrong ones fill a lane, and a lane empties with time. Mails that are asked for have lanes of their own:
//!
//! | lane | room | empties | keeps off |
//! |---|---|---|---|
//! | of a source address (IPv6: of its /64), for browsers the name never signed in with | 20 | one in 10 s | one machine that tries many names |
//! | of a name, for browsers it never signed in with | 100 | one in 1 s | many machines that try one name |
//! | of a name, for one browser that it has signed in with | 20 | one in 10 s | a stolen browser |
//! | of a source address, for mails it asks for | 10 | one in 60 s | one machine that asks for many addresses |
//! | of an address, for mails that are asked for | 3 | one in 600 s | a mailbox that is filled |
//!
//! Nobody is locked out: whoever fills the strangers' lane of a name slows strangers down to a guess a second in all, and
//! leaves the owner's own browsers alone. A guess that is not let through costs no hash and fills nothing.
//!
//! Lanes are in memory, on each node; [`LANES_MAX`] of them, the least used forgotten first. A clock that is set back keeps
//! nobody out longer than a full lane takes to empty.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use quick_cache::sync::Cache;
use rootward_names::Time;

/// How many lanes are remembered: some 20 MB.
const LANES_MAX: usize = 100_000;

/// Room and pace of a kind of lane.
#[derive(Debug, Clone, Copy)]
struct Pace {
    room: i64,
    seconds_each: i64,
}

const OF_SOURCE: Pace = Pace { room: 20, seconds_each: 10 };
const OF_STRANGERS: Pace = Pace { room: 100, seconds_each: 1 };
const OF_BROWSER: Pace = Pace { room: 20, seconds_each: 10 };
const OF_MAIL_SOURCE: Pace = Pace { room: 10, seconds_each: 60 };
const OF_MAILBOX: Pace = Pace { room: 3, seconds_each: 600 };

/// What a lane is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Of {
    Browser([u8; 32], [u8; 32]),
    Mailbox([u8; 32]),
    MailSource(IpAddr),
    Source(IpAddr),
    Strangers([u8; 32]),
}

/// When a lane will be empty, in milliseconds.
type Lane = Arc<Mutex<i64>>;

/// All lanes of a node.
#[derive(Debug)]
pub(crate) struct Lanes(Cache<Of, Lane>);

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
        Self(Cache::new(LANES_MAX))
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
        let (of_name, name_pace) = match browser {
            Some(browser) => (Of::Browser(name, browser), OF_BROWSER),
            None => (Of::Strangers(name), OF_STRANGERS),
        };
        let (source, name) = (Some(self.lane(Of::Source(network(source)))), self.lane(of_name));
        // Behind one address may be many people: a browser that the name is known to waits for none of them.
        let source = source.filter(|_| browser.is_none());
        drop(settle(&name, name_pace, now));
        if let Some(source) = &source {
            take(source, OF_SOURCE, now)?;
        }
        let taken = take(&name, name_pace, now);
        taken.inspect_err(|_| source.iter().for_each(|source| give_back(source, OF_SOURCE)))?;
        Ok(Guess { source, name, name_pace })
    }

    /// Lets somebody at `source` ask for a mail to an address (a digest of it): whether one may be sent to it now.
    pub(crate) fn ask_for_mail(&self, source: IpAddr, address: [u8; 32], now: Time) -> Result<bool, Wait> {
        take(&self.lane(Of::MailSource(network(source))), OF_MAIL_SOURCE, now)?;
        Ok(take(&self.lane(Of::Mailbox(address)), OF_MAILBOX, now).is_ok())
    }

    fn lane(&self, of: Of) -> Lane {
        let made = self.0.get_or_insert_with(&of, || Ok::<_, std::convert::Infallible>(Lane::default()));
        let Ok(lane) = made;
        lane
    }
}

impl Guess {
    /// It was right: the name's lane is as if nobody had guessed, the source's as if this one had not.
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

/// The peer that an address belongs to: a home has a /64 of IPv6 addresses, and may use each of them once.
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
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
        assert_eq!(all, 100);
        assert!(lanes.enter(source(2_000), ANN, None, at(0)).is_err());
        assert!(lanes.enter(source(2_000), ANN, BROWSER, at(0)).is_ok());
        assert!(lanes.enter(source(2_000), BOB, None, at(0)).is_ok());
        // Strangers are slowed down, not locked out.
        assert_eq!(let_through(&lanes, source(2_001), ANN, at(5), 9), 5);
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
    fn guess_that_is_not_let_through_fills_nothing() {
        let lanes = Lanes::new();
        (0..100).for_each(|n| drop(lanes.enter(source(n), ANN, None, at(0))));
        for _ in 0..50 {
            assert!(lanes.enter(source(200), ANN, None, at(0)).is_err());
        }
        assert_eq!(let_through(&lanes, source(200), BOB, at(0), 30), 20);
    }

    #[test]
    fn addresses_of_one_network_share_a_lane() {
        let lanes = Lanes::new();
        let in_network = |n: u128| IpAddr::V6(Ipv6Addr::from_bits((0x2001_0db8_u128 << 96) + n));
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
        assert_eq!(let_through(&lanes, source(1), ANN, at(201), 30), 20);
    }
}
