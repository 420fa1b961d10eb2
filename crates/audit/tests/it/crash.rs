//! A process killed while it appends: the log is whole, with every durable entry that was told.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use rootward_audit::{EventId, Filter, Lane, Limits, Log, Writer};

use crate::world::{Place, entry, seal};

const PATH: &str = "ROOTWARD_AUDIT_TEST_LOG";

#[test]
fn killed_process_leaves_a_whole_log() {
    let place = Place::new();
    for round in 0..12 {
        let told = append_until_killed(&place, 1 + round * 7);
        let log = place.open();
        assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole(), "round {round}");
        let held = log.reader().tail(usize::MAX, &Filter::default()).unwrap();
        let held: std::collections::BTreeSet<EventId> = held.iter().map(|stored| stored.entry.id()).collect();
        assert_eq!(held.len() as u64, log.head().seq, "no entry twice");
        assert!(told.iter().all(|id| held.contains(id)), "round {round}: a told entry is missing");
    }
}

/// Starts the child below and kills it when it has told of some batches; returns what it told.
fn append_until_killed(place: &Place, batches: usize) -> Vec<EventId> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "crash::append_forever", "--nocapture"])
        .env(PATH, &place.path)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut told = Vec::new();
    while told.len() < batches {
        let line = lines.next().expect("the child lives").unwrap();
        told.extend(line.rsplit(' ').next().and_then(EventId::parse));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    told
}

/// Appends entries, beginning with those that the log has already, until it is killed; prints each durable id it is told.
#[test]
#[ignore = "killed by `killed_process_leaves_a_whole_log`"]
fn append_forever() {
    let Some(path) = std::env::var_os(PATH).map(PathBuf::from) else { return };
    let log = std::sync::Arc::new(Log::open(&path, seal(1)).unwrap());
    let limits = Limits { linger: Duration::from_millis(1), batch_records_max: 20, ..Limits::default() };
    let tell = |ids: &[EventId], _| ids.iter().for_each(|id| println!("told {id}"));
    // As after a restart: the last of what the log holds comes from the outbox again.
    let first = log.head().seq.saturating_sub(50);
    let writer = Writer::start(log, limits, Box::new(tell)).unwrap();
    for n in first.. {
        let mut next = entry(n);
        while let Err(backlogged) = writer.try_send(Lane::Durable, next) {
            next = *backlogged.entry;
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}
