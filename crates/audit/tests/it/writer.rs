//! The writer: batches, bounds, failures and recovery.

use std::sync::mpsc;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rootward_audit::{EventId, Filter, Head, Lane, Limits, Log, OnAppended, Writer};

use crate::world::{Place, entry, id, seal};

const PATIENCE: Duration = Duration::from_secs(20);

fn memory() -> Arc<Log> {
    Arc::new(Log::in_memory(seal(1)).unwrap())
}

fn quick() -> Limits {
    Limits {
        linger: Duration::from_millis(20),
        retry_min: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        ..Limits::default()
    }
}

fn ignore() -> OnAppended {
    Box::new(|_, _| {})
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn entries_arrive_in_order_without_a_flush() {
    let log = memory();
    let writer = Writer::start(Arc::clone(&log), quick(), ignore()).unwrap();
    for n in 0..50 {
        writer.try_send(Lane::Plain, entry(n)).unwrap();
    }
    wait_until("appended", || log.head().seq == 50);
    let found = log.reader().tail(50, &Filter::default()).unwrap();
    assert!(found.iter().zip(0..).all(|(stored, n)| stored.entry == entry(n)));
}

#[test]
fn many_senders_lose_nothing() {
    let place = Place::new();
    let log = Arc::new(place.open());
    let limits = Limits { lane_records_max: 300, batch_records_max: 100, ..quick() };
    let writer = Writer::start(Arc::clone(&log), limits, ignore()).unwrap();
    thread::scope(|scope| {
        for sender in 0..8 {
            let writer = &writer;
            scope.spawn(move || {
                for n in 0..500_u64 {
                    let lane = if n.is_multiple_of(3) { Lane::Durable } else { Lane::Plain };
                    let mut entry = entry(sender * 500 + n);
                    while let Err(backlogged) = writer.try_send(lane, entry) {
                        entry = *backlogged.entry;
                        thread::sleep(Duration::from_millis(1));
                    }
                }
            });
        }
    });
    writer.flush(PATIENCE).unwrap();
    assert_eq!((log.head().seq, writer.stats().appended, writer.stats().waiting_records), (4_000, 4_000, 0));
    assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole());
}

#[test]
fn durable_entries_are_told_with_their_head() {
    let log = memory();
    let told = Arc::new(Mutex::new(Vec::<(Vec<EventId>, Head)>::new()));
    let tell = Arc::clone(&told);
    let on_appended: OnAppended = Box::new(move |ids, head| tell.lock().unwrap().push((ids.to_vec(), head)));
    let writer = Writer::start(Arc::clone(&log), quick(), on_appended).unwrap();
    for (n, lane) in [(0, Lane::Durable), (1, Lane::Plain), (2, Lane::Durable), (0, Lane::Durable)] {
        writer.try_send(lane, entry(n)).unwrap();
    }
    writer.flush(PATIENCE).unwrap();
    // One known already is told too: its outbox row must go.
    assert_eq!(*told.lock().unwrap(), [(vec![id(0), id(2), id(0)], log.head())]);
    assert_eq!((log.head().seq, writer.stats().known), (3, 1));
}

#[test]
fn plain_entries_are_told_without_ids() {
    let (tell, told) = mpsc::channel();
    let on_appended: OnAppended =
        Box::new(move |ids, head| tell.send((ids.len(), head.seq)).expect("the test listens"));
    let writer = Writer::start(memory(), quick(), on_appended).unwrap();
    writer.try_send(Lane::Plain, entry(0)).unwrap();
    assert_eq!(told.recv_timeout(PATIENCE).unwrap(), (0, 1));
}

#[test]
fn full_disk_stops_senders_until_there_is_space() {
    let place = Place::new();
    let log = Arc::new(place.open());
    log.limit_bytes(150_000).unwrap();
    let limits = Limits { lane_records_max: 100, batch_records_max: 10, ..quick() };
    let writer = Writer::start(Arc::clone(&log), limits, ignore()).unwrap();
    let mut sent = 0;
    wait_until("backlogged", || {
        let taken = writer.try_send(Lane::Plain, entry(sent)).is_ok();
        sent += u64::from(taken);
        !taken && !writer.is_healthy()
    });
    assert_eq!(writer.stats().failing.unwrap(), "the audit log cannot grow: the disk is full");
    assert!(writer.flush(Duration::from_millis(20)).unwrap_err().to_string().contains("the disk is full"));
    // The other lane still takes entries: those of writes that were under way.
    writer.try_send(Lane::Durable, entry(sent)).unwrap();
    log.limit_bytes(1 << 30).unwrap();
    wait_until("healthy", || writer.is_healthy());
    writer.flush(PATIENCE).unwrap();
    assert_eq!(log.head().seq, sent + 1);
    assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole());
}

#[test]
fn full_durable_lane_is_unhealthy() {
    let (release, held) = mpsc::channel::<()>();
    let on_appended: OnAppended = Box::new(move |_, _| assert!(held.recv().is_err(), "nothing is sent"));
    let limits = Limits { lane_records_max: 2, ..quick() };
    let writer = Writer::start(memory(), limits, on_appended).unwrap();
    writer.try_send(Lane::Durable, entry(0)).unwrap();
    assert!(writer.is_healthy());
    writer.try_send(Lane::Durable, entry(1)).unwrap();
    assert!(!writer.is_healthy());
    let refused = writer.try_send(Lane::Durable, entry(2)).unwrap_err();
    assert_eq!((refused.to_string().as_str(), *refused.entry), ("the audit log does not keep up", entry(2)));
    writer.try_send(Lane::Plain, entry(3)).unwrap();
    drop(release);
    wait_until("healthy", || writer.is_healthy());
}

#[test]
fn bytes_bound_a_lane() {
    let limits = Limits { lane_bytes_max: 1_500, linger: Duration::from_secs(60), ..quick() };
    let writer = Writer::start(memory(), limits, ignore()).unwrap();
    let taken = (0..100).take_while(|&n| writer.try_send(Lane::Plain, entry(n)).is_ok()).count();
    assert!((2..4).contains(&taken), "{taken}");
    assert_eq!(writer.stats().refused, 1);
}

#[test]
fn dropped_writer_appends_what_it_holds() {
    let log = memory();
    let limits = Limits { linger: Duration::from_secs(60), ..quick() };
    let writer = Writer::start(Arc::clone(&log), limits, ignore()).unwrap();
    writer.try_send(Lane::Plain, entry(0)).unwrap();
    drop(writer);
    assert_eq!(log.head().seq, 1);
}

#[test]
fn dropped_writer_gives_up_on_a_full_disk() {
    let place = Place::new();
    let log = Arc::new(place.open());
    log.limit_bytes(1).unwrap();
    let limits = Limits { retry_min: Duration::from_secs(60), ..quick() };
    let writer = Writer::start(Arc::clone(&log), limits, ignore()).unwrap();
    for n in 0..200 {
        writer.try_send(Lane::Plain, entry(n)).unwrap();
    }
    wait_until("failed", || !writer.is_healthy());
    let start = Instant::now();
    drop(writer);
    assert!(start.elapsed() < Duration::from_secs(5));
    assert_eq!(log.head().seq, 0);
}

#[test]
fn panicking_callback_is_unhealthy() {
    let on_appended: OnAppended = Box::new(|_, _| panic!("expected by this test"));
    let writer = Writer::start(memory(), quick(), on_appended).unwrap();
    writer.try_send(Lane::Durable, entry(0)).unwrap();
    wait_until("unhealthy", || !writer.is_healthy());
    assert!(writer.try_send(Lane::Plain, entry(1)).is_err());
    assert!(writer.flush(PATIENCE).is_err());
}
