//! Places for connections: how many one peer may hold, and which connection gives way when there are none left.
//!
//! A peer is an IPv4 address or an IPv6 /64, and holds a part of all places at most: many silent connections from one machine keep nobody
//! else out. Proxies that are trusted have no share of their own, because everybody comes through them. When the last place is taken,
//! the connection that has been idle longest is closed, so that who comes next finds one; with a request under way none is.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

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
    began: Instant,
    held: Mutex<Held>,
}

#[derive(Default)]
struct Held {
    of_peer: HashMap<IpAddr, usize>,
    /// All connections, by number.
    connections: HashMap<u64, Arc<Usage>>,
    next: u64,
}

/// The place of one connection.
pub(crate) struct Place {
    places: Arc<Places>,
    number: u64,
    peer: Option<IpAddr>,
    usage: Arc<Usage>,
    _slot: OwnedSemaphorePermit,
}

/// What a connection does. Every request says so, and takes no lock that others take: who gives way is looked for when that is needed.
struct Usage {
    /// Requests.
    under_way: AtomicUsize,
    /// In nanoseconds since there are places; [`TOLD`] once it is to give way.
    idle_since: AtomicU64,
    gives_way: Notify,
}

const TOLD: u64 = u64::MAX;

/// A request under way.
pub(crate) struct UnderWay(Arc<Place>);

impl Places {
    pub(crate) fn new(count: usize) -> Arc<Self> {
        let of_peer_max = (count / SHARE).max(SHARE_MIN);
        let (free, began) = (Arc::new(Semaphore::new(count)), Instant::now());
        Arc::new(Self { free, of_peer_max, began, held: Mutex::default() })
    }

    /// Waits for a free place; while there is none, idle connections give way.
    pub(crate) async fn free(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(slot) = Arc::clone(&self.free).try_acquire_owned() {
            return Some(slot);
        }
        loop {
            self.held().one_gives_way();
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
        let idle_since = AtomicU64::new(self.clock());
        let usage = Arc::new(Usage { under_way: AtomicUsize::new(0), idle_since, gives_way: Notify::new() });
        let mut held = self.held();
        if let Some(peer) = peer {
            let count = held.of_peer.entry(peer).or_default();
            if *count >= self.of_peer_max {
                return None;
            }
            *count += 1;
        }
        held.next += 1;
        let number = held.next;
        held.connections.insert(number, Arc::clone(&usage));
        drop(held);
        Some(Arc::new(Place { places: Arc::clone(self), number, peer, usage, _slot: slot }))
    }

    fn clock(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_nanos()).map_or(TOLD - 1, |nanos| nanos.min(TOLD - 1))
    }

    fn held(&self) -> MutexGuard<'_, Held> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Held {
    /// Tells the connection that has been idle longest, of those that were not told.
    fn one_gives_way(&self) {
        let idle = self.connections.iter().filter(|(_, usage)| usage.under_way.load(Ordering::Acquire) == 0);
        let since = idle.map(|(number, usage)| (usage.idle_since.load(Ordering::Acquire), number, usage));
        if let Some((_, _, longest)) =
            since.filter(|(since, ..)| *since != TOLD).min_by_key(|(since, number, _)| (*since, **number))
        {
            longest.idle_since.store(TOLD, Ordering::Release);
            longest.gives_way.notify_one();
        }
    }
}

impl Place {
    /// A request begins.
    pub(crate) fn begin(self: Arc<Self>) -> UnderWay {
        self.usage.under_way.fetch_add(1, Ordering::AcqRel);
        UnderWay(self)
    }

    /// Resolves when the connection must give way; one on which a request has begun since does not.
    pub(crate) async fn must_go(&self) {
        loop {
            self.usage.gives_way.notified().await;
            if self.usage.under_way.load(Ordering::Acquire) == 0 {
                return;
            }
        }
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        let Self(place) = self;
        place.usage.idle_since.store(place.places.clock(), Ordering::Release);
        place.usage.under_way.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.places.held();
        held.connections.remove(&self.number);
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
        assert!(places.held().of_peer.is_empty() && places.held().connections.is_empty());
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
        places.held().one_gives_way();
        let under_way = Arc::clone(&only).begin();
        let went = tokio::time::timeout(Duration::from_millis(50), only.must_go()).await;
        assert!(went.is_err());
        drop(under_way);
        // Idle again, it may be told again.
        assert_ne!(only.usage.idle_since.load(Ordering::Acquire), TOLD);
    }
}
