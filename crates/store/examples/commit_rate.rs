//! How many commits a second the store makes durable, beside the floor: redb alone, one row and one flush a commit.
//!
//! ```text
//! cargo run --release -p rootward-store --example commit_rate [FOLDER [floor]]
//! ```
//! The data lies in a new folder inside FOLDER (default: here), since the disk decides; it is removed at the end. With `floor`
//! only redb alone is measured.

use std::error::Error;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rootward_names::Random;
use rootward_store::vault::KeyId;
use rootward_store::{Commit, Embedded, Guard, Store, Write};

const RUN: Duration = Duration::from_secs(3);
const ROWS: u64 = 10_000;
const VALUE: [u8; 1_024] = [7; 1_024];

struct Zeros;
impl Random for Zeros {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(0);
    }
}

fn main() -> Result<(), Failure> {
    let parent = std::env::args().nth(1).unwrap_or_else(|| ".".to_owned());
    let folder = tempfile::tempdir_in(parent)?;
    println!("rows of 1 KiB, {ROWS} of them, {} s each", RUN.as_secs());
    println!("redb alone, 1 client         {}", rate(1, redb_commits(folder.path())?)?);
    if std::env::args().nth(2).as_deref() == Some("floor") {
        return Ok(());
    }
    println!("fsync of a 4 KiB append      {}", rate(1, flushes(folder.path())?)?);
    let path = folder.path().join("store.redb");
    let store = Embedded::open(&path, KeyId::from_bytes([1; 16]), &mut Zeros)?;
    fill(&store)?;
    println!("store, 1 submitter           {}", rate(1, |worker, n| store_commit(&store, worker, n))?);
    println!("store, 64 submitters         {}", rate(64, |worker, n| store_commit(&store, worker, n))?);
    drop(store);
    let started = Instant::now();
    let store = Embedded::open(&path, KeyId::from_bytes([1; 16]), &mut Zeros)?;
    let opened = started.elapsed();
    store.load(&mut |_, _, _| ())?;
    let length = std::fs::metadata(&path)?.len();
    println!("reopening {} MiB: open {opened:.1?}, load {:.1?}", length >> 20, started.elapsed() - opened);
    Ok(())
}

type Failure = Box<dyn Error + Send + Sync>;

/// Runs `commit(worker, number)` on so many threads and says how it went.
fn rate(workers: u64, commit: impl Fn(u64, u64) -> Result<(), Failure> + Sync) -> Result<String, Failure> {
    let done = AtomicU64::new(0);
    let started = Instant::now();
    let mut waits = thread::scope(|scope| {
        let threads: Vec<_> = (0..workers)
            .map(|worker| {
                let (done, commit) = (&done, &commit);
                scope.spawn(move || {
                    let mut waits = Vec::new();
                    while started.elapsed() < RUN {
                        let begun = Instant::now();
                        commit(worker, done.fetch_add(1, Ordering::Relaxed))?;
                        waits.push(begun.elapsed());
                    }
                    Ok::<_, Failure>(waits)
                })
            })
            .collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| "a worker panicked")??);
        }
        Ok::<_, Failure>(all)
    })?;
    let elapsed = started.elapsed();
    waits.sort_unstable();
    let at = |part: usize| waits.get(waits.len() * part / 100).copied().unwrap_or_default();
    let per_second = waits.len() as f64 / elapsed.as_secs_f64();
    Ok(format!("{per_second:>8.0}/s   p50 {:>8.1?}   p99 {:>8.1?}", at(50), at(99)))
}

fn key(number: u64) -> [u8; 8] {
    // Spread over the rows as names are.
    (number.wrapping_mul(7_919) % ROWS).to_be_bytes()
}

fn flushes(folder: &Path) -> Result<impl Fn(u64, u64) -> Result<(), Failure> + Sync, Failure> {
    let file = std::fs::File::create(folder.join("floor"))?;
    Ok(move |_, _| {
        std::io::Write::write_all(&mut &file, &[7; 4_096])?;
        file.sync_data()?;
        Ok(())
    })
}

fn redb_commits(folder: &Path) -> Result<impl Fn(u64, u64) -> Result<(), Failure> + Sync, Failure> {
    const TABLE: redb::TableDefinition<'_, &[u8], &[u8]> = redb::TableDefinition::new("rows");
    let database = redb::Database::create(folder.join("floor.redb"))?;
    let transaction = database.begin_write()?;
    {
        let mut table = transaction.open_table(TABLE)?;
        for number in 0..ROWS {
            table.insert(key(number).as_slice(), VALUE.as_slice())?;
        }
    }
    transaction.commit()?;
    Ok(move |_, number| {
        let transaction = database.begin_write()?;
        transaction.open_table(TABLE)?.insert(key(number).as_slice(), VALUE.as_slice())?;
        transaction.commit()?;
        Ok(())
    })
}

fn fill(store: &Embedded) -> Result<(), Failure> {
    for start in (0..ROWS).step_by(500) {
        let writes = (start..start + 500).map(|number| Write::put(key(number), VALUE)).collect();
        store.commit(Commit { guards: Vec::new(), writes })?;
    }
    Ok(())
}

/// A commit as a service makes it: one row guarded and written. The guard's row never exists, so it always holds.
fn store_commit(store: &Embedded, worker: u64, number: u64) -> Result<(), Failure> {
    let guards = vec![Guard::new(format!("absent/{worker}"), 0)];
    store.commit(Commit { guards, writes: vec![Write::put(key(number), VALUE)] })?;
    Ok(())
}
