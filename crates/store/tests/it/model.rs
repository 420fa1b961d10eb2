//! Random commits against a map: outcomes, rows and feed must be those of applying them one after the other.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, mpsc};

use proptest::prelude::*;
use rootward_store::vault::KeyId;
use rootward_store::{Change, Commit, CommitError, Embedded, Guard, Memory, Revision, Store, Write};

use crate::Seeded;

/// What a guard expects, told apart when the commit is made from the model.
#[derive(Debug, Clone, Copy)]
enum Seen {
    Absent,
    Present,
    Revision(u8),
}

#[derive(Debug, Clone)]
struct Step {
    guards: Vec<(u8, Seen)>,
    writes: Vec<(u8, Option<Vec<u8>>)>,
}

/// Commits submitted without waiting, and whether the store is opened again afterwards.
type Round = (Vec<Step>, bool);

fn rounds() -> impl Strategy<Value = Vec<Round>> {
    let key = 0..6u8;
    let seen = prop_oneof![3 => Just(Seen::Present), 1 => Just(Seen::Absent), 1 => (0..40u8).prop_map(Seen::Revision)];
    let value = prop::option::weighted(0.7, prop::collection::vec(any::<u8>(), 0..20));
    let step = (prop::collection::vec((key.clone(), seen), 0..3), prop::collection::vec((key, value), 0..4))
        .prop_map(|(guards, writes)| Step { guards, writes });
    prop::collection::vec((prop::collection::vec(step, 1..12), any::<bool>()), 1..5)
}

#[derive(Default)]
struct Model {
    rows: BTreeMap<Vec<u8>, (Vec<u8>, Revision)>,
    log: Vec<Change>,
}

impl Model {
    fn revision(&self) -> Revision {
        self.log.len() as Revision
    }

    fn seen(&self, key: u8) -> Revision {
        self.rows.get([key].as_slice()).map_or(0, |(_, revision)| *revision)
    }

    fn commit_of(&self, step: &Step) -> Commit {
        let guards = step.guards.iter().map(|(key, seen)| {
            let seen = match seen {
                Seen::Absent => 0,
                Seen::Present => self.seen(*key),
                Seen::Revision(revision) => Revision::from(*revision),
            };
            Guard::new([*key], seen)
        });
        let writes = step
            .writes
            .iter()
            .map(|(key, value)| Write { key: vec![*key], value: value.as_deref().map(Arc::from) });
        Commit { guards: guards.collect(), writes: writes.collect() }
    }

    fn apply(&mut self, commit: &Commit) -> Result<Revision, CommitError> {
        if commit.guards.iter().any(|guard| self.seen(guard.key[0]) != guard.seen) {
            return Err(CommitError::Conflict);
        }
        if commit.writes.is_empty() {
            return Ok(self.revision());
        }
        let revision = self.revision() + 1;
        let mut last = BTreeMap::new();
        for write in &commit.writes {
            last.insert(write.key.clone(), write.clone());
            match &write.value {
                Some(value) => self.rows.insert(write.key.clone(), (value.to_vec(), revision)),
                None => self.rows.remove(&write.key),
            };
        }
        self.log.push(Change { revision, writes: last.into_values().collect() });
        Ok(revision)
    }
}

/// Runs `rounds` on what `open` opens; a store that cannot be reopened is opened once.
fn follow(rounds: &[Round], durable: bool, open: impl Fn() -> Box<dyn Store>) {
    let mut model = Model::default();
    let (mut store, mut opened_at) = (open(), 0);
    for (steps, reopen) in rounds {
        let (send, receive) = mpsc::channel();
        let mut expected = Vec::new();
        for step in steps {
            let commit = model.commit_of(step);
            expected.push(model.apply(&commit));
            let send = send.clone();
            store.submit(commit, Box::new(move |outcome| send.send(outcome).unwrap()));
        }
        drop(send);
        assert_eq!(receive.iter().collect::<Vec<_>>(), expected);
        if *reopen && durable {
            assert_eq!(feed_of(&*store, opened_at), model.log[opened_at..]);
            drop(store);
            (store, opened_at) = (open(), model.log.len());
        }
    }
    let mut rows = BTreeMap::new();
    let revision = store.load(&mut |key, value, revision| {
        rows.insert(key.to_vec(), (value.to_vec(), revision));
    });
    assert_eq!((revision, &rows), (Ok(model.revision()), &model.rows));
    assert_eq!(feed_of(&*store, opened_at), model.log[opened_at..]);
}

/// Every change after so many, its writes in key order.
fn feed_of(store: &dyn Store, from: usize) -> Vec<Change> {
    let heard = Arc::new(Mutex::new(Vec::new()));
    let of_sink = Arc::clone(&heard);
    store
        .watch(
            from as Revision,
            Box::new(move |changes: &[Change]| of_sink.lock().unwrap().extend_from_slice(changes)),
        )
        .unwrap();
    let mut changes = heard.lock().unwrap().clone();
    for change in &mut changes {
        change.writes.sort_by(|left, right| left.key.cmp(&right.key));
    }
    changes
}

fn embedded(path: &Path) -> Box<dyn Store> {
    Box::new(Embedded::open(path, KeyId::from_bytes([1; 16]), &mut Seeded(1)).unwrap())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn memory_follows_the_model(rounds in rounds()) {
        follow(&rounds, false, || Box::new(Memory::new().unwrap()));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn embedded_follows_the_model(rounds in rounds()) {
        let folder = tempfile::tempdir().unwrap();
        follow(&rounds, true, || embedded(&folder.path().join("state.redb")));
    }
}
