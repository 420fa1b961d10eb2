//! Places for connections: how many one peer may hold, and which connection gives way when there are none left.
//!
//! A peer is an IPv4 address or an IPv6 /64, and holds a part of all places at most: many silent connections from one machine keep nobody
//! else out. Proxies that are trusted have no share of their own, because everybody comes through them. When the last place is taken,
//! the connection that has been idle longest is closed, so that who comes next finds one; with a request under way none is.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

/// One peer holds this part of all places at most.
const SHARE: usize = 4;
/// But may have this many.
const SHARE_MIN: usize = 16;
/// How long one that gives way may take, until another does too.
const PAUSE: Duration = Duration::from_millis(100);

/// All places.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    of_peer_max: usize,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    of_peer: HashMap<IpAddr, usize>,
    /// The connections that have nothing under way, longest idle first.
    idle: BTreeMap<u64, Arc<Notify>>,
    turns: u64,
}

/// The place of one connection.
pub(crate) struct Place {
    places: Arc<Places>,
    peer: Option<IpAddr>,
    gives_way: Arc<Notify>,
    usage: Mutex<Usage>,
    _slot: OwnedSemaphorePermit,
}

struct Usage {
    under_way: usize,
    /// Among the idle ones.
    turn: u64,
}

/// A request under way.
pub(crate) struct UnderWay(Arc<Place>);

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        let of_peer_max = (count / SHARE).max(SHARE_MIN);
        Arc::new(Self { free: Arc::new(Semaphore::new(count)), of_peer_max, held: Mutex::default() })
    }

    /// Waits for a free place; while there is none, idle connections give way.
    pub(crate) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        loop {
            if let Some((_, longest)) = self.held().idle.pop_first() {
                longest.notify_one();
            }
            if let Ok(slot) = tokio::time::timeout(PAUSE, Arc::clone(&self.free).acquire_owned()).await {
                return slot.ok();
            }
        }
    }

    /// Takes the place for a connection of `peer`, if that has not its share already; none is for one without a share.
    pub(crate) fn take(
        self: &Arc<Self>,
        slot: OwnedSemaphorePermit,
        peer: Option<IpAddr>,
    ) -> Option<Arc<Place>> {
        let gives_way = Arc::new(Notify::new());
        let turn = {
            let mut held = self.held();
            if let Some(peer) = peer {
                let count = held.of_peer.entry(peer).or_default();
                if *count >= self.of_peer_max {
                    return None;
                }
                *count += 1;
            }
            held.rest(&gives_way)
        };
        let usage = Mutex::new(Usage { under_way: 0, turn });
        Some(Arc::new(Place { places: Arc::clone(self), peer, gives_way, usage, _slot: slot }))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// The last of the idle ones; its turn.
    fn rest(&mut self, connection: &Arc<Notify>) -> u64 {
        self.turns += 1;
        self.idle.insert(self.turns, Arc::clone(connection));
        self.turns
    }
}

impl Place {
    /// A request begins.
    pub(crate) fn begin(self: Arc<Self>) -> UnderWay {
        let mut usage = self.usage();
        usage.under_way += 1;
        if usage.under_way == 1 {
            self.places.held().idle.remove(&usage.turn);
        }
        drop(usage);
        UnderWay(self)
    }

    /// Resolves when the connection must give way; one on which a request has begun since does not.
    pub(crate) async fn must_go(&self) {
        loop {
            self.gives_way.notified().await;
            if self.usage().under_way == 0 {
                return;
            }
        }
    }

    fn usage(&self) -> MutexGuard<'_, Usage> {
        self.usage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self(place) = self;
        let mut usage = place.usage();
        usage.under_way -= 1;
        if usage.under_way == 0 {
            usage.turn = place.places.held().rest(&place.gives_way);
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let turn = self.usage().turn;
        let mut held = self.places.held();
        held.idle.remove(&turn);
        if let Some(peer) = self.peer
            && let Some(count) = held.of_peer.get_mut(&peer)
        {
            *count -= 1;
            if *count == 0 {
                held.of_peer.remove(&peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

    async fn take(places: &Arc<Places>, peer: Option<IpAddr>) -> Option<Arc<Place>> {
        places.take(places.free().await.unwrap(), peer)
    }

    #[tokio::test]
    async fn peer_holds_its_share_and_proxies_hold_what_they_need() {
        let places = Places::new(100);
        let mut held = Vec::new();
        for _ in 0..25 {
            held.push(take(&places, ANN).await.unwrap());
        }
        assert!(take(&places, ANN).await.is_none());
        assert!(take(&places, "192.0.2.1".parse().ok()).await.is_some());
        for _ in 0..30 {
            held.push(take(&places, None).await.unwrap());
        }
        held.remove(0);
        assert!(take(&places, ANN).await.is_some());
        drop(held);
        assert!(places.held().of_peer.is_empty() && places.held().idle.is_empty());
        assert_eq!(places.free.available_permits(), 100);
    }

    #[tokio::test]
    async fn longest_idle_gives_way_and_who_is_busy_does_not() {
        let places = Places::new(3);
        let (first, second) = (take(&places, ANN).await.unwrap(), take(&places, ANN).await.unwrap());
        let busy = take(&places, ANN).await.unwrap();
        let under_way = Arc::clone(&busy).begin();
        // The first asks something, and is idle after the second then.
        drop(Arc::clone(&first).begin());
        let gone = tokio::spawn(async move {
            second.must_go().await;
        });
        assert!(take(&places, ANN).await.is_some());
        gone.await.unwrap();
        drop(under_way);
        drop((first, busy));
    }

    #[tokio::test]
    async fn request_that_begins_when_its_connection_is_to_go_is_finished() {
        let places = Places::new(1);
        let only = take(&places, ANN).await.unwrap();
        only.gives_way.notify_one();
        let under_way = Arc::clone(&only).begin();
        let went = tokio::time::timeout(Duration::from_millis(50), only.must_go()).await;
        assert!(went.is_err());
        drop(under_way);
        assert_eq!(places.held().idle.len(), 1);
    }
}
