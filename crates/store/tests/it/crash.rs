//! A process that commits without pause is killed at random moments, again and again on the same file: every commit
//! it said was durable is there, and every other is whole or absent.
//!
//! Killing a process leaves the system's cache, so this shows the order of acknowledgement and the recovery; what a
//! power cut may do to the cache is tested at the disk, in `embedded::power_cut`.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rootward_names::Random;
use rootward_store::vault::KeyId;
use rootward_store::{Commit, Embedded, Guard, Revision, Store, StoreError, Write};

use crate::Seeded;

const KILLS: usize = 120;
const WRITERS: usize = 6;

/// Each commit of a writer replaces one of so many rows beside its pair.
const RING: u64 = 20;

/// In the folder of the test, so that the writing process never runs by itself.
const MARK: &str = "killed-by-its-parent";

fn open(folder: &Path) -> Embedded {
    Embedded::open(&folder.join("state.redb"), KeyId::from_bytes([1; 16]), &mut Seeded(1)).unwrap()
}

#[test]
fn killed_at_random_moments_keeps_every_acknowledged_commit_and_no_half() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(MARK), b"").unwrap();
    let mut random = Seeded(7);
    let mut acknowledged = Acknowledged::default();
    let mut fruitful = 0;
    for _ in 0..KILLS {
        let before = acknowledged.revision;
        let mut writer = start_writer(folder.path());
        let reader = read_acknowledgements(&mut writer);
        thread::sleep(Duration::from_micros(random.number() % 250_000));
        writer.kill().unwrap();
        writer.wait().unwrap();
        acknowledged.add(reader.join().unwrap());
        fruitful += usize::from(acknowledged.revision > before);
        check(folder.path(), &acknowledged);
    }
    assert!(fruitful > KILLS / 10, "only {fruitful} of {KILLS} runs got as far as a commit");
}

#[test]
fn store_of_a_living_process_is_refused_to_another() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join(MARK), b"").unwrap();
    let mut writer = start_writer(folder.path());
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    lines.find(|line| line.as_ref().is_ok_and(|line| parse(line).is_some())).unwrap().unwrap();
    let path = folder.path().join("state.redb");
    let refused = Embedded::open(&path, KeyId::from_bytes([1; 16]), &mut Seeded(1)).err();
    writer.kill().unwrap();
    writer.wait().unwrap();
    assert_eq!(refused, Some(StoreError::InUse(path.display().to_string())));
    open(folder.path());
}

#[derive(Default)]
struct Acknowledged {
    revision: Revision,
    /// The last acknowledged number of each writer.
    numbers: BTreeMap<usize, u64>,
}

impl Acknowledged {
    fn add(&mut self, lines: Vec<(usize, u64, Revision)>) {
        for (writer, number, revision) in lines {
            self.numbers.insert(writer, number);
            self.revision = self.revision.max(revision);
        }
    }
}

fn start_writer(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::writer", "--ignored", "--nocapture"])
        .current_dir(folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn read_acknowledgements(writer: &mut Child) -> thread::JoinHandle<Vec<(usize, u64, Revision)>> {
    let output = writer.stdout.take().unwrap();
    thread::spawn(move || {
        let mut text = String::new();
        BufReader::new(output).read_to_string(&mut text).unwrap();
        // A line without its end was not written whole.
        text.split_inclusive('\n').filter(|line| line.ends_with('\n')).filter_map(parse).collect()
    })
}

fn parse(line: &str) -> Option<(usize, u64, Revision)> {
    let mut words = line.strip_prefix("durable ")?.split_whitespace();
    Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
}

/// Checks the file after a kill.
fn check(folder: &Path, acknowledged: &Acknowledged) {
    let store = open(folder);
    let mut rows = BTreeMap::new();
    let revision = store
        .load(&mut |key, value, revision| {
            rows.insert(String::from_utf8(key.to_vec()).unwrap(), (value.to_vec(), revision));
        })
        .unwrap();
    assert!(revision >= acknowledged.revision, "{revision} < {}", acknowledged.revision);
    for writer in 0..WRITERS {
        let number = check_writer(writer, &rows);
        let last = acknowledged.numbers.get(&writer).copied().unwrap_or(0);
        // A writer has one commit under way when it is killed, and kills before its first word may add up.
        assert!(number >= last, "writer {writer} is at {number}, {last} was acknowledged");
    }
    let total: u64 = (0..WRITERS).map(|writer| number_of(writer, &rows)).sum();
    assert_eq!(total, revision, "each commit counts one writer and the store up");
}

fn number_of(writer: usize, rows: &BTreeMap<String, (Vec<u8>, Revision)>) -> u64 {
    rows.get(&format!("{writer}/left")).map_or(0, |(value, _)| number_in(value))
}

fn number_in(value: &[u8]) -> u64 {
    u64::from_be_bytes(value[..8].try_into().unwrap())
}

/// All rows of a writer are those of one of its commits, with nothing of the next.
fn check_writer(writer: usize, rows: &BTreeMap<String, (Vec<u8>, Revision)>) -> u64 {
    let number = number_of(writer, rows);
    assert_eq!(rows.get(&format!("{writer}/left")), rows.get(&format!("{writer}/right")));
    for place in 0..RING {
        // The newest number of this writer that fell on this place, if any; every third deletes.
        let newest =
            (0..=number).rev().take(RING as usize).find(|number| number % RING == place && *number > 0);
        let expected = newest.filter(|number| number % 3 != 0).map(|number| value_of(writer, number));
        let found = rows.get(&format!("{writer}/ring/{place:02}")).map(|(value, _)| value.clone());
        assert_eq!(found, expected, "writer {writer} at {number}, place {place}");
    }
    number
}

/// Long enough, and of different lengths, to cross pages.
fn value_of(writer: usize, number: u64) -> Vec<u8> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(8 + (number as usize * 37 + writer) % 3_000, writer as u8);
    value
}

/// Not a test of its own: the process that is killed.
#[test]
#[ignore = "started by killed_at_random_moments_keeps_every_acknowledged_commit_and_no_half"]
fn writer() {
    if !Path::new(MARK).exists() {
        return;
    }
    let store = open(Path::new("."));
    let started = Instant::now();
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            // A parent that died cannot kill.
            scope.spawn(move || {
                while started.elapsed() < Duration::from_secs(10) {
                    write_on(store, writer, 100);
                }
            });
        }
    });
}

/// Goes on from where the file says this writer is.
fn write_on(store: &Embedded, writer: usize, commits: usize) {
    let (left, right) = (format!("{writer}/left"), format!("{writer}/right"));
    let (mut number, mut seen) = (0, 0);
    store
        .load(&mut |key, value, revision| {
            if key == left.as_bytes() {
                (number, seen) = (number_in(value), revision);
            }
        })
        .unwrap();
    for _ in 0..commits {
        number += 1;
        let value: Arc<[u8]> = value_of(writer, number).into();
        let ring = Write {
            key: format!("{writer}/ring/{:02}", number % RING).into_bytes(),
            value: (!number.is_multiple_of(3)).then(|| Arc::clone(&value)),
        };
        let pair = [left.as_str(), right.as_str()].map(|key| Write::put(key, Arc::clone(&value)));
        let [first, last] = pair;
        let guards = vec![Guard::new(left.as_str(), seen)];
        seen = store.commit(Commit { guards, writes: vec![first, ring, last] }).unwrap();
        let mut out = std::io::stdout().lock();
        writeln!(out, "durable {writer} {number} {seen}").and_then(|()| out.flush()).unwrap();
    }
}
