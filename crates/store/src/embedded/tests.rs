//! What the file goes through: reopening, failing disks, damage, other owners.

use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Barrier, Mutex};
use std::thread;

use redb::{BackendError, StorageBackend, TableDefinition, backends};
use tempfile::TempDir;

use super::*;
use crate::conformance;
use crate::{CommitError, Guard, HISTORY_BYTES_MAX, VALUE_BYTES_MAX, Write};

struct Zeros;
impl Random for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0xab);
    }
}

struct Constant(u8);
impl Random for Constant {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(self.0);
    }
}

const KEY: KeyId = KeyId::from_bytes([1; 16]);

fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("state.redb")
}

fn open(folder: &TempDir) -> Result<Embedded, StoreError> {
    Embedded::open(&path_in(folder), KEY, &mut Zeros)
}

fn put(store: &Embedded, key: &str, value: &[u8]) -> Result<Revision, CommitError> {
    store.commit(Commit { guards: Vec::new(), writes: vec![Write::put(key, value)] })
}

fn keys(store: &Embedded) -> Vec<String> {
    let mut keys = Vec::new();
    store.load(&mut |key, _, _| keys.push(String::from_utf8_lossy(key).into_owned())).unwrap();
    keys
}

/// A disk whose faults the test switches on; every opening of the file sees the same ones.
#[derive(Debug, Default)]
struct Faults {
    /// Bytes the disk holds; 0 is no limit.
    capacity: AtomicU64,
    /// So many flushes fail from now on; what was written before them may be on the disk.
    flushes_to_fail: AtomicU64,
    /// Writes fail.
    writes_fail: AtomicBool,
    /// The file cannot be opened.
    openings_fail: AtomicBool,
    flushes: AtomicU64,
}

#[derive(Debug)]
struct FaultyDisk {
    file: backends::FileBackend,
    faults: Arc<Faults>,
}

fn when(fault: &AtomicBool) -> io::Result<()> {
    if fault.load(Ordering::SeqCst) { Err(io::Error::other("injected fault")) } else { Ok(()) }
}

impl FaultyDisk {
    fn room_for(&self, end: u64) -> io::Result<()> {
        let capacity = self.faults.capacity.load(Ordering::SeqCst);
        if capacity != 0 && end > capacity { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for FaultyDisk {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room_for(len)?;
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.faults.flushes.fetch_add(1, Ordering::SeqCst);
        let to_fail = &self.faults.flushes_to_fail;
        match to_fail.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(io::Error::other("injected fault")),
            Err(_) => self.file.sync_data(),
        }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        when(&self.faults.writes_fail)?;
        self.room_for(offset + data.len() as u64)?;
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    fn try_lock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.file.try_lock_range(start, end)
    }

    fn unlock_range(
        &self,
        start: std::ops::Bound<u64>,
        end: std::ops::Bound<u64>,
    ) -> Result<(), BackendError> {
        self.file.unlock_range(start, end)
    }
}

fn open_on_faulty_disk(folder: &TempDir) -> (Embedded, Arc<Faults>) {
    let faults = Arc::new(Faults::default());
    let of_opener = Arc::clone(&faults);
    let opener = move |path: &Path| {
        when(&of_opener.openings_fail)?;
        let file = std::fs::OpenOptions::new().read(true).write(true).open(path)?;
        let disk = FaultyDisk { file: backends::FileBackend::new(file)?, faults: Arc::clone(&of_opener) };
        file::builder().create_with_backend(disk)
    };
    file::make(&path_in(folder), KEY, &mut Zeros).unwrap();
    let store = Embedded::open_with(&path_in(folder), Box::new(opener), KEY).unwrap();
    (store, faults)
}

fn unavailable(outcome: Result<Revision, CommitError>) -> String {
    match outcome {
        Err(CommitError::Unavailable(text)) => text,
        other => panic!("{other:?} is no refusal"),
    }
}

/// Tries until the pause after a failure is over.
fn put_in_the_end(store: &Embedded, key: &str) -> Revision {
    for _ in 0..100 {
        match put(store, key, b"value") {
            Ok(revision) => return revision,
            Err(_) => thread::sleep(PAUSE / 5),
        }
    }
    panic!("the store has not recovered")
}

fn revisions_heard(store: &Embedded) -> Arc<Mutex<Vec<Revision>>> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let of_sink = Arc::clone(&heard);
    let sink = move |changes: &[Change]| {
        of_sink.lock().unwrap().extend(changes.iter().map(|change| change.revision))
    };
    store.watch(0, Box::new(sink)).unwrap();
    heard
}

#[test]
fn embedded_conforms() {
    let folders = Mutex::new(Vec::new());
    conformance::run(|| {
        let folder = tempfile::tempdir().unwrap();
        let store = open(&folder).unwrap();
        folders.lock().unwrap().push(folder);
        Box::new(store)
    });
}

#[test]
fn embedded_conforms_over_reopening() {
    conformance::run_durable(|| tempfile::tempdir().unwrap(), |folder| Box::new(open(folder).unwrap()));
}

#[test]
fn one_group_costs_one_flush() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_on_faulty_disk(&folder);
    put(&store, "warm", b"").unwrap();
    let before = faults.flushes.load(Ordering::SeqCst);
    for _ in 0..10 {
        put(&store, "row", b"value").unwrap();
    }
    assert_eq!(faults.flushes.load(Ordering::SeqCst) - before, 10);
}

#[test]
fn full_disk_refuses_writes_keeps_reading_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_on_faulty_disk(&folder);
    put(&store, "before", b"value").unwrap();
    let length = std::fs::metadata(path_in(&folder)).unwrap().len();
    faults.capacity.store(length, Ordering::SeqCst);
    let text = unavailable(put(&store, "large", &vec![7; VALUE_BYTES_MAX]));
    assert!(text.contains("no space left on device"), "{text}");
    assert_eq!(keys(&store), ["before"]);
    unavailable(put(&store, "large", &vec![7; VALUE_BYTES_MAX]));
    faults.capacity.store(0, Ordering::SeqCst);
    assert_eq!(put_in_the_end(&store, "after"), 2);
    assert_eq!(keys(&store), ["after", "before"]);
    drop(store);
    assert_eq!(keys(&open(&folder).unwrap()), ["after", "before"]);
}

#[test]
fn failed_write_is_refused_and_nothing_of_its_group_appears() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_on_faulty_disk(&folder);
    put(&store, "before", b"value").unwrap();
    let heard = revisions_heard(&store);
    faults.writes_fail.store(true, Ordering::SeqCst);
    unavailable(put(&store, "lost", b"value"));
    faults.writes_fail.store(false, Ordering::SeqCst);
    assert_eq!(put_in_the_end(&store, "after"), 2);
    assert_eq!(keys(&store), ["after", "before"]);
    assert_eq!(*heard.lock().unwrap(), [1, 2]);
}

/// The pages reach the file, the flush fails, and so does every opening: the store cannot know. Later the file shows
/// that the commit is there.
#[test]
fn commit_given_up_but_found_in_the_file_is_delivered() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_on_faulty_disk(&folder);
    put(&store, "before", b"value").unwrap();
    let heard = revisions_heard(&store);
    faults.flushes_to_fail.store(u64::MAX, Ordering::SeqCst);
    faults.openings_fail.store(true, Ordering::SeqCst);
    unavailable(put(&store, "unknown", b"value"));
    assert!(store.load(&mut |_, _, _| ()).is_err());
    faults.flushes_to_fail.store(0, Ordering::SeqCst);
    faults.openings_fail.store(false, Ordering::SeqCst);
    assert_eq!(put_in_the_end(&store, "after"), 3);
    assert_eq!(keys(&store), ["after", "before", "unknown"]);
    assert_eq!(*heard.lock().unwrap(), [1, 2, 3]);
    drop(store);
    assert_eq!(keys(&open(&folder).unwrap()), ["after", "before", "unknown"]);
}

#[test]
fn commit_whose_flush_failed_once_is_written_again_and_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let (store, faults) = open_on_faulty_disk(&folder);
    put(&store, "before", b"value").unwrap();
    let heard = revisions_heard(&store);
    faults.flushes_to_fail.store(1, Ordering::SeqCst);
    let before = faults.flushes.load(Ordering::SeqCst);
    assert_eq!(put(&store, "flushed late", b"value"), Ok(2));
    assert!(faults.flushes.load(Ordering::SeqCst) - before >= 3, "failed, opened, written again");
    assert_eq!(put(&store, "after", b"value"), Ok(3));
    assert_eq!(*heard.lock().unwrap(), [1, 2, 3]);
}

#[test]
fn history_is_cut_by_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    let value = vec![7; VALUE_BYTES_MAX];
    let commits = (HISTORY_BYTES_MAX / VALUE_BYTES_MAX) as u64 + 2;
    for _ in 0..commits {
        put(&store, "row", &value).unwrap();
    }
    match store.watch(0, Box::new(|_| ())) {
        Err(StoreError::Compacted { oldest }) => assert!(oldest > 0 && oldest < commits, "{oldest}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn second_owner_is_told_so() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    let text = open(&folder).err().unwrap().to_string();
    assert!(text.ends_with("is in use by another process"), "{text}");
    drop(store);
    open(&folder).unwrap();
}

#[test]
fn new_file_is_private() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    assert_eq!(std::fs::metadata(path_in(&folder)).unwrap().permissions().mode() & 0o7777, 0o600);
    assert_eq!(store.store_id(), "ab".repeat(16));
}

/// An empty file was whole once: to begin anew would lose what it held without a word.
#[test]
fn empty_file_is_refused_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    std::fs::write(path_in(&folder), b"").unwrap();
    let error = open(&folder).err().unwrap();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("state.redb") && error.to_string().contains("empty"), "{error}");
    assert_eq!(std::fs::metadata(path_in(&folder)).unwrap().len(), 0);
}

#[test]
fn database_without_tables_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    drop(redb::Database::create(path_in(&folder)).unwrap());
    for _ in 0..2 {
        let error = open(&folder).err().unwrap();
        assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    }
}

#[test]
fn making_that_was_interrupted_begins_again() {
    let whole = {
        let folder = tempfile::tempdir().unwrap();
        drop(open(&folder).unwrap());
        std::fs::read(path_in(&folder)).unwrap()
    };
    let half = &whole[..whole.len() / 2];
    for left in [b"".as_slice(), &[0; 100_000], half, &whole] {
        let folder = tempfile::tempdir().unwrap();
        let unfinished = file::unfinished(&path_in(&folder));
        std::fs::write(&unfinished, left).unwrap();
        let store = open(&folder).unwrap();
        assert_eq!(put(&store, "key", b"value"), Ok(1));
        drop(store);
        assert_eq!(keys(&open(&folder).unwrap()), ["key"]);
        assert!(!unfinished.exists());
    }
}

#[test]
fn link_that_leads_nowhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let elsewhere = folder.path().join("not mounted");
    std::os::unix::fs::symlink(&elsewhere, path_in(&folder)).unwrap();
    assert!(matches!(open(&folder), Err(StoreError::Unavailable(_))));
    assert!(!elsewhere.exists() && path_in(&folder).is_symlink());
}

#[test]
fn first_starts_at_the_same_time_make_one_store() {
    for _ in 0..20 {
        let folder = tempfile::tempdir().unwrap();
        let barrier = Barrier::new(4);
        let opened = thread::scope(|scope| {
            let starts = [1, 2, 3, 4].map(|id| {
                let (barrier, path) = (&barrier, path_in(&folder));
                scope.spawn(move || {
                    barrier.wait();
                    Embedded::open(&path, KEY, &mut Constant(id))
                })
            });
            starts.map(|start| start.join().unwrap())
        });
        let [only] = opened.iter().flatten().collect::<Vec<_>>()[..] else { panic!("not one has it") };
        let id = only.store_id().to_owned();
        assert!(
            opened
                .iter()
                .flat_map(|start| start.as_ref().err())
                .all(|error| matches!(error, StoreError::InUse(_)))
        );
        drop(opened);
        assert_eq!(open(&folder).unwrap().store_id(), id);
    }
}

#[test]
fn other_key_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    let other = KeyId::from_bytes([2; 16]);
    let text = Embedded::open(&path_in(&folder), other, &mut Zeros).err().unwrap().to_string();
    assert!(text.contains(&"01".repeat(16)) && text.contains(&"02".repeat(16)), "{text}");
    open(&folder).unwrap();
}

#[test]
fn newer_schema_is_refused_with_both_versions() {
    let folder = tempfile::tempdir().unwrap();
    drop(open(&folder).unwrap());
    let database = redb::Database::create(path_in(&folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    let meta: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("meta");
    transaction.open_table(meta).unwrap().insert("schema", 7u32.to_be_bytes().as_slice()).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let error = open(&folder).err().unwrap();
    assert!(matches!(error, StoreError::NewerSchema { found: 7, known: SCHEMA, .. }));
    assert!(error.to_string().contains("run the rootward that wrote it or a newer one"));
}

#[test]
fn foreign_files_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(path_in(&folder), b"not a database at all".repeat(1_000)).unwrap();
    assert!(matches!(open(&folder), Err(StoreError::Corrupt { .. })));
    let folder = tempfile::tempdir().unwrap();
    let database = redb::Database::create(path_in(&folder)).unwrap();
    let transaction = database.begin_write().unwrap();
    let other: TableDefinition<'_, u64, u64> = TableDefinition::new("theirs");
    transaction.open_table(other).unwrap();
    transaction.commit().unwrap();
    drop(database);
    let text = open(&folder).err().unwrap().to_string();
    assert!(text.contains("another program"), "{text}");
    let nowhere = folder.path().join("no/such/folder");
    assert!(matches!(Embedded::open(&nowhere, KEY, &mut Zeros), Err(StoreError::Unavailable(_))));
}

/// Wherever a file is damaged, opening says so or the damage touched nothing that counts.
#[test]
fn damage_is_found_at_opening_and_never_panics_out() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    for number in 0..400 {
        put(&store, &format!("{number:04}"), &[number as u8; 200]).unwrap();
    }
    let expected = contents(&store).unwrap();
    drop(store);
    let whole = std::fs::read(path_in(&folder)).unwrap();
    let mut found = 0;
    for at in (0..whole.len()).step_by(whole.len() / 150) {
        let mut damaged = whole.clone();
        let end = (at + 64).min(damaged.len());
        damaged[at..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        std::fs::write(path_in(&folder), &damaged).unwrap();
        match open(&folder).and_then(|store| contents(&store)) {
            Ok(rows) => assert_eq!(rows, expected, "damage at {at} changed rows unnoticed"),
            Err(StoreError::Corrupt { .. } | StoreError::Unavailable(_)) => found += 1,
            Err(other) => panic!("{other} for damage at {at}"),
        }
    }
    assert!(found > 0);
    for length in [1, 4_000, whole.len() / 2, whole.len() - 5_000] {
        std::fs::write(path_in(&folder), &whole[..length]).unwrap();
        match open(&folder).and_then(|store| contents(&store)) {
            Ok(rows) => assert_eq!(rows, expected, "{length} of {} bytes opened", whole.len()),
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

type Rows = Vec<(Vec<u8>, Vec<u8>, Revision)>;

fn contents(store: &Embedded) -> Result<(Revision, Rows), StoreError> {
    let mut rows = Vec::new();
    let revision =
        store.load(&mut |key, value, revision| rows.push((key.to_vec(), value.to_vec(), revision)))?;
    Ok((revision, rows))
}

#[test]
fn reading_while_writing_sees_one_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(&folder).unwrap();
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            for number in 0..300u64 {
                let pair = ["left", "right"].map(|key| Write::put(key, number.to_be_bytes())).to_vec();
                store.commit(Commit { guards: Vec::new(), writes: pair }).unwrap();
            }
            stop.store(true, Ordering::SeqCst);
        });
        while !stop.load(Ordering::SeqCst) {
            let (revision, rows) = contents(&store).unwrap();
            if let [(_, left, left_revision), (_, right, right_revision)] = rows.as_slice() {
                assert_eq!((left, left_revision, *left_revision), (right, right_revision, revision));
            }
        }
    });
    let guard = Commit { guards: vec![Guard::new("left", 300)], writes: Vec::new() };
    assert_eq!(store.commit(guard), Ok(300));
}
