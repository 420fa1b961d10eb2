//! A disk that loses power: of what was written since the last flush, any sectors may be there and any missing.
//!
//! Every image of such a disk must open, with all commits acknowledged by then and no part of any other but, whole, the
//! one under way.

use std::io;
use std::ops::Bound;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use redb::{BackendError, StorageBackend};

use super::*;
use crate::Write;

const COMMITS: u64 = 400;
const SECTOR: usize = 512;

/// Beside its pair, each commit replaces or deletes one of so many rows.
const RING: u64 = 30;

const KEY: KeyId = KeyId::from_bytes([1; 16]);

struct Seeded(u64);
impl Random for Seeded {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = (self.0 >> 56) as u8;
        }
    }
}

/// What the disk holds, and what it may hold.
struct Medium {
    seen: Vec<u8>,
    flushed: Vec<u8>,
    pending: Vec<Pending>,
    random: Seeded,
    until_image: u64,
    images: Vec<(Vec<u8>, Revision)>,
}

enum Pending {
    Length(usize),
    Sector(usize, Vec<u8>),
}

#[derive(Clone)]
struct Disk {
    medium: Arc<Mutex<Medium>>,
    acknowledged: Arc<AtomicU64>,
}

impl std::fmt::Debug for Disk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Disk")
    }
}

impl Medium {
    /// The disk after a power cut now.
    fn cut(&mut self) -> Vec<u8> {
        let mut image = self.flushed.clone();
        // From nothing of what is pending to nearly all of it.
        let kept_of_eight = self.random.number() >> 61;
        for pending in &self.pending {
            if self.random.number() >> 61 > kept_of_eight {
                continue;
            }
            match pending {
                Pending::Length(length) => image.resize(*length, 0),
                Pending::Sector(at, data) => {
                    let end = at + data.len();
                    if image.len() < end {
                        image.resize(end, 0);
                    }
                    image[*at..end].copy_from_slice(data);
                }
            }
        }
        image
    }
}

impl Disk {
    /// A disk that takes its first image after `until_image` operations.
    fn holding(content: Vec<u8>, until_image: u64) -> Self {
        let medium = Medium {
            seen: content.clone(),
            flushed: content,
            pending: Vec::new(),
            random: Seeded(11),
            until_image,
            images: Vec::new(),
        };
        Self { medium: Arc::new(Mutex::new(medium)), acknowledged: Arc::default() }
    }

    fn make(&self) {
        let database = file::builder().create_with_backend(self.clone()).unwrap();
        file::fill(&database, KEY, &mut Seeded(1)).unwrap();
    }

    fn open(&self) -> Result<Embedded, StoreError> {
        let of_opener = self.clone();
        let opener = move |_: &Path| file::builder().create_with_backend(of_opener.clone());
        Embedded::open_with(Path::new("disk"), Box::new(opener), KEY)
    }

    /// Takes an image now and then; before the operation, which is as good as in its middle since sectors get lost.
    fn tick(&self) {
        let mut medium = self.medium.lock().unwrap();
        if medium.until_image > 0 {
            medium.until_image -= 1;
            return;
        }
        medium.until_image = medium.random.number() % 12;
        let image = medium.cut();
        medium.images.push((image, self.acknowledged.load(Ordering::SeqCst)));
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.medium.lock().unwrap().seen.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let at = offset as usize;
        let medium = self.medium.lock().unwrap();
        let found = medium.seen.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
        out.copy_from_slice(found);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.tick();
        let mut medium = self.medium.lock().unwrap();
        medium.seen.resize(len as usize, 0);
        medium.pending.push(Pending::Length(len as usize));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        self.tick();
        let mut medium = self.medium.lock().unwrap();
        medium.flushed = medium.seen.clone();
        medium.pending.clear();
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.tick();
        let at = offset as usize;
        let mut medium = self.medium.lock().unwrap();
        medium.seen[at..at + data.len()].copy_from_slice(data);
        for (number, sector) in data.chunks(SECTOR).enumerate() {
            medium.pending.push(Pending::Sector(at + number * SECTOR, sector.to_vec()));
        }
        Ok(())
    }

    fn try_lock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<bool, BackendError> {
        Ok(true)
    }

    fn unlock_range(&self, _: Bound<u64>, _: Bound<u64>) -> Result<(), BackendError> {
        Ok(())
    }
}

#[test]
fn every_image_after_a_power_cut_holds_what_was_acknowledged() {
    let disk = Disk::holding(Vec::new(), 0);
    disk.make();
    let store = disk.open().unwrap();
    // Making the store is not under test: the file has no name before it is whole.
    disk.medium.lock().unwrap().images.clear();
    for number in 1..=COMMITS {
        assert_eq!(store.commit(Commit { guards: Vec::new(), writes: writes_of(number) }), Ok(number));
        disk.acknowledged.store(number, Ordering::SeqCst);
    }
    let images = std::mem::take(&mut disk.medium.lock().unwrap().images);
    assert!(images.len() > 300, "only {} images", images.len());
    for (image, acknowledged) in images {
        check(image, acknowledged);
    }
}

fn check(image: Vec<u8>, acknowledged: Revision) {
    let store = match Disk::holding(image, u64::MAX).open() {
        Ok(store) => store,
        Err(error) => panic!("{error}, with {acknowledged} commits acknowledged"),
    };
    let mut rows = Vec::new();
    let revision = store.load(&mut |key, value, _| rows.push((key.to_vec(), value.to_vec()))).unwrap();
    assert!(revision == acknowledged || revision == acknowledged + 1, "{revision} for {acknowledged}");
    assert_eq!(rows, rows_after(revision), "at {revision}");
}

fn writes_of(number: u64) -> Vec<Write> {
    let mut value = number.to_be_bytes().to_vec();
    value.resize(8 + (number as usize * 131) % 3_000, number as u8);
    let ring = format!("ring/{:02}", number % RING);
    let ring =
        if number.is_multiple_of(5) { Write::delete(ring) } else { Write::put(ring, value.as_slice()) };
    vec![Write::put("left", value.as_slice()), ring, Write::put("right", value)]
}

fn rows_after(revision: Revision) -> Vec<(Vec<u8>, Vec<u8>)> {
    let mut rows = std::collections::BTreeMap::new();
    for write in (1..=revision).flat_map(writes_of) {
        match write.value {
            Some(value) => rows.insert(write.key, value.to_vec()),
            None => rows.remove(&write.key),
        };
    }
    rows.into_iter().collect()
}
