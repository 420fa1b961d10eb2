//! What every backend must do, as a suite that any of them runs: [`run`], and [`run_durable`] if it outlives a process.
//!
//! A case panics where the backend differs. Cases hold for a store on this machine as for one across a network: they
//! assume nothing about timing.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;

use crate::{
    COMMIT_BYTES_MAX, Change, Commit, CommitError, Guard, KEY_BYTES_MAX, Revision, Sink, Store, StoreError,
    VALUE_BYTES_MAX, Write,
};

/// Runs every case on a fresh, empty store.
pub fn run(make: impl Fn() -> Box<dyn Store>) {
    for case in CASES {
        let store = make();
        case(&*store);
        store.close();
    }
}

/// Runs the cases of a store that outlives its process; `open` opens the store of one `place`, again and again.
pub fn run_durable<P>(place: impl Fn() -> P, open: impl Fn(&P) -> Box<dyn Store>) {
    for case in DURABLE_CASES {
        let place = place();
        case(&|| open(&place));
    }
}

const CASES: &[fn(&dyn Store)] = &[
    empty_store_is_at_revision_zero,
    rows_come_in_key_order_with_the_revision_of_their_last_write,
    any_bytes_are_a_key_or_a_value,
    stale_guard_refuses_the_whole_commit,
    guard_of_an_absent_row_holds_until_it_exists_and_after_it_is_gone,
    guard_of_an_untouched_row_protects_a_decision,
    delete_of_an_absent_row_is_a_commit,
    last_write_of_a_key_counts_and_the_feed_shows_it_alone,
    commit_without_writes_checks_guards_and_takes_no_revision,
    limits_refuse_what_is_larger_and_accept_what_is_not,
    one_thread_hears_outcomes_in_its_order,
    feed_comes_before_the_outcome,
    late_watcher_first_gets_what_it_missed,
    ended_watch_hears_nothing_more,
    watch_of_the_future_is_refused,
    old_part_of_the_feed_is_there_or_said_to_be_gone,
    outcome_wakes_another_thread_that_commits,
    one_has_the_turn_and_what_is_submitted_meanwhile_comes_after,
    sixty_four_threads_on_one_row_lose_no_update,
    closed_store_finishes_what_is_queued_and_refuses_the_rest,
];

type Open<'a> = &'a dyn Fn() -> Box<dyn Store>;

const DURABLE_CASES: &[fn(Open<'_>)] = &[
    reopened_store_has_every_row_and_counts_on,
    reopened_store_goes_on_with_the_feed,
    reopened_store_is_at_the_revision_of_a_deletion,
    commits_in_flight_at_close_are_whole,
];

fn commit(guards: Vec<Guard>, writes: Vec<Write>) -> Commit {
    Commit { guards, writes }
}

fn put(store: &dyn Store, key: &str, value: &str) -> Revision {
    written(store.commit(commit(Vec::new(), vec![Write::put(key, value.as_bytes())])))
}

fn delete(store: &dyn Store, key: &str) -> Revision {
    written(store.commit(commit(Vec::new(), vec![Write::delete(key)])))
}

#[track_caller]
fn written(outcome: Result<Revision, CommitError>) -> Revision {
    match outcome {
        Ok(revision) => revision,
        Err(error) => fail(&format!("the commit was refused: {error}")),
    }
}

#[expect(clippy::panic, reason = "a suite reports by panicking")]
#[track_caller]
fn fail(what: &str) -> ! {
    panic!("{what}")
}

type Loaded = (Revision, Vec<(String, String, Revision)>);

/// The rows as text; cases that store other bytes read for themselves.
fn rows(store: &dyn Store) -> Loaded {
    let mut rows = Vec::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match store.load(&mut |key, value, revision| rows.push((text(key), text(value), revision))) {
        Ok(revision) => (revision, rows),
        Err(error) => fail(&format!("the rows cannot be read: {error}")),
    }
}

fn row(key: &str, value: &str, revision: Revision) -> (String, String, Revision) {
    (key.to_owned(), value.to_owned(), revision)
}

/// What a watch has heard.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<Change>>>);

impl Heard {
    fn sink(&self) -> Sink {
        let heard = self.clone();
        Box::new(move |changes| {
            heard.0.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(changes)
        })
    }

    fn changes(&self) -> Vec<Change> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn revisions(&self) -> Vec<Revision> {
        self.changes().iter().map(|change| change.revision).collect()
    }
}

#[track_caller]
fn watch(store: &dyn Store, from: Revision, sink: Sink) -> crate::WatchId {
    match store.watch(from, sink) {
        Ok(id) => id,
        Err(error) => fail(&format!("the watch from {from} was refused: {error}")),
    }
}

fn empty_store_is_at_revision_zero(store: &dyn Store) {
    assert_eq!(rows(store), (0, Vec::new()));
}

fn rows_come_in_key_order_with_the_revision_of_their_last_write(store: &dyn Store) {
    assert_eq!(put(store, "b", "1"), 1);
    assert_eq!(put(store, "a", "2"), 2);
    assert_eq!(put(store, "b/c", "3"), 3);
    assert_eq!(put(store, "b", "4"), 4);
    assert_eq!(put(store, "gone", "5"), 5);
    assert_eq!(delete(store, "gone"), 6);
    assert_eq!(rows(store), (6, vec![row("a", "2", 2), row("b", "4", 4), row("b/c", "3", 3)]));
}

fn any_bytes_are_a_key_or_a_value(store: &dyn Store) {
    let keys: [&[u8]; 5] = [b"\0", b"\0\0", b"\x7f\xc3\x28", b"\xff", b"\xff\xff\0"];
    for key in keys {
        written(store.commit(commit(vec![Guard::new(key, 0)], vec![Write::put(key, key)])));
    }
    written(store.commit(commit(Vec::new(), vec![Write::put("empty", [])])));
    let mut seen = Vec::new();
    let loaded = store.load(&mut |key, value, _| seen.push((key.to_vec(), value.to_vec())));
    assert_eq!(loaded, Ok(6));
    let mut expected: Vec<_> = keys.iter().map(|key| (key.to_vec(), key.to_vec())).collect();
    expected.push((b"empty".to_vec(), Vec::new()));
    expected.sort();
    assert_eq!(seen, expected);
}

fn stale_guard_refuses_the_whole_commit(store: &dyn Store) {
    let first = put(store, "row", "old");
    let second = put(store, "row", "new");
    let writes = vec![Write::put("row", *b"lost"), Write::put("other", *b"lost"), Write::delete("row")];
    for stale in [first, 0, second + 1] {
        let guards = vec![Guard::new("row", stale), Guard::new("other", 0)];
        assert_eq!(store.commit(commit(guards, writes.clone())), Err(CommitError::Conflict));
    }
    assert_eq!(rows(store), (second, vec![row("row", "new", second)]));
    let third =
        written(store.commit(commit(vec![Guard::new("row", second)], vec![Write::put("row", *b"won")])));
    assert_eq!(rows(store), (third, vec![row("row", "won", third)]));
}

fn guard_of_an_absent_row_holds_until_it_exists_and_after_it_is_gone(store: &dyn Store) {
    let create = || commit(vec![Guard::new("row", 0)], vec![Write::put("row", *b"value")]);
    assert_eq!(store.commit(create()), Ok(1));
    assert_eq!(store.commit(create()), Err(CommitError::Conflict));
    assert_eq!(delete(store, "row"), 2);
    let against_the_deleted = commit(vec![Guard::new("row", 1)], vec![Write::put("row", *b"value")]);
    assert_eq!(store.commit(against_the_deleted), Err(CommitError::Conflict));
    assert_eq!(store.commit(create()), Ok(3));
}

fn guard_of_an_untouched_row_protects_a_decision(store: &dyn Store) {
    let seen = put(store, "read", "1");
    put(store, "read", "2");
    let decided = commit(vec![Guard::new("read", seen)], vec![Write::put("written", *b"")]);
    assert_eq!(store.commit(decided), Err(CommitError::Conflict));
}

fn delete_of_an_absent_row_is_a_commit(store: &dyn Store) {
    let heard = Heard::default();
    watch(store, 0, heard.sink());
    assert_eq!(delete(store, "never"), 1);
    assert_eq!(rows(store), (1, Vec::new()));
    assert_eq!(heard.changes(), [Change { revision: 1, writes: vec![Write::delete("never")] }]);
}

fn last_write_of_a_key_counts_and_the_feed_shows_it_alone(store: &dyn Store) {
    let heard = Heard::default();
    watch(store, 0, heard.sink());
    let writes = vec![
        Write::put("a", *b"1"),
        Write::put("b", *b"2"),
        Write::put("a", *b"3"),
        Write::delete("c"),
        Write::put("c", *b"4"),
        Write::delete("b"),
    ];
    written(store.commit(commit(Vec::new(), writes)));
    assert_eq!(rows(store), (1, vec![row("a", "3", 1), row("c", "4", 1)]));
    let mut shown: Vec<Write> = heard.changes().into_iter().flat_map(|change| change.writes).collect();
    shown.sort_by(|left, right| left.key.cmp(&right.key));
    assert_eq!(shown, [Write::put("a", *b"3"), Write::delete("b"), Write::put("c", *b"4")]);
}

fn commit_without_writes_checks_guards_and_takes_no_revision(store: &dyn Store) {
    assert_eq!(store.commit(Commit::default()), Ok(0));
    let seen = put(store, "row", "value");
    assert_eq!(store.commit(commit(vec![Guard::new("row", seen)], Vec::new())), Ok(seen));
    assert_eq!(store.commit(commit(vec![Guard::new("row", 0)], Vec::new())), Err(CommitError::Conflict));
    assert_eq!(put(store, "row", "next"), seen + 1);
}

fn limits_refuse_what_is_larger_and_accept_what_is_not(store: &dyn Store) {
    let value = |bytes: usize| -> Arc<[u8]> { vec![7; bytes].into() };
    let too_large = |outcome, expected| match outcome {
        Err(CommitError::TooLarge { what, bytes, bytes_max }) => {
            assert_eq!((what, bytes > bytes_max), (expected, true));
        }
        other => fail(&format!("{other:?} is no refusal for size")),
    };
    let key = vec![b'k'; KEY_BYTES_MAX + 1];
    too_large(store.commit(commit(Vec::new(), vec![Write::put(key.clone(), *b"")])), "key");
    too_large(store.commit(commit(vec![Guard::new(key, 0)], Vec::new())), "key");
    too_large(store.commit(commit(Vec::new(), vec![Write::put("k", value(VALUE_BYTES_MAX + 1))])), "value");
    let many = |bytes_last| {
        let mut writes: Vec<Write> = vec![Write::put("0", value(VALUE_BYTES_MAX - 1))];
        writes.push(Write::put("1", value(bytes_last)));
        commit(Vec::new(), writes)
    };
    let rest = COMMIT_BYTES_MAX - VALUE_BYTES_MAX - 1;
    too_large(store.commit(many(rest + 1)), "commit");
    assert_eq!(rows(store), (0, Vec::new()));
    assert_eq!(store.commit(many(rest)), Ok(1));
    assert_eq!(store.commit(commit(Vec::new(), vec![Write::put(vec![b'k'; KEY_BYTES_MAX], *b"")])), Ok(2));
    assert_eq!(store.commit(commit(Vec::new(), vec![Write::put("v", value(VALUE_BYTES_MAX))])), Ok(3));
}

fn one_thread_hears_outcomes_in_its_order(store: &dyn Store) {
    let (send, receive) = mpsc::channel();
    for number in 0..1_000u64 {
        let send = send.clone();
        // Every third loses: it expects a row that all of them write to be absent.
        let guards = if number % 3 == 2 { vec![Guard::new("row", 0)] } else { Vec::new() };
        let writes = vec![Write::put("row", number.to_be_bytes())];
        store.submit(commit(guards, writes), Box::new(move |outcome| drop(send.send((number, outcome)))));
    }
    drop(send);
    let heard: Vec<_> = receive.iter().collect();
    assert_eq!(heard.len(), 1_000);
    let mut revision = 0;
    for (expected, (number, outcome)) in (0..).zip(heard) {
        assert_eq!(number, expected);
        if number % 3 == 2 {
            assert_eq!(outcome, Err(CommitError::Conflict));
        } else {
            revision += 1;
            assert_eq!(outcome, Ok(revision));
        }
    }
}

fn feed_comes_before_the_outcome(store: &dyn Store) {
    let heard = Heard::default();
    watch(store, 0, heard.sink());
    let (send, receive) = mpsc::channel();
    for number in 0..200u64 {
        let (send, heard) = (send.clone(), heard.clone());
        let change = commit(Vec::new(), vec![Write::put(number.to_be_bytes(), *b"value")]);
        let done = move |outcome| {
            let newest = heard.revisions().last().copied();
            drop(send.send((outcome, newest)));
        };
        store.submit(change, Box::new(done));
    }
    drop(send);
    for (outcome, newest) in receive {
        assert!(newest >= Some(written(outcome)));
    }
    assert_eq!(heard.revisions(), (1..=200).collect::<Vec<_>>());
}

fn late_watcher_first_gets_what_it_missed(store: &dyn Store) {
    for number in 0..600 {
        put(store, &format!("{}", number % 7), &number.to_string());
    }
    delete(store, "3");
    for from in [0, 1, 255, 256, 257, 600, 601] {
        let heard = Heard::default();
        let id = watch(store, from, heard.sink());
        assert_eq!(heard.revisions(), (from + 1..=601).collect::<Vec<_>>());
        store.unwatch(id);
    }
    let heard = Heard::default();
    watch(store, 0, heard.sink());
    put(store, "0", "last");
    assert_eq!(replayed(&heard.changes()), rows(store));
}

/// The store that `changes`, from the first on, make.
fn replayed(changes: &[Change]) -> Loaded {
    let mut made = BTreeMap::new();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    for change in changes {
        for write in &change.writes {
            match &write.value {
                Some(value) => made.insert(text(&write.key), (text(value), change.revision)),
                None => made.remove(&text(&write.key)),
            };
        }
    }
    let rows = made.into_iter().map(|(key, (value, revision))| (key, value, revision)).collect();
    (changes.last().map_or(0, |change| change.revision), rows)
}

fn ended_watch_hears_nothing_more(store: &dyn Store) {
    let (ended, kept) = (Heard::default(), Heard::default());
    let id = watch(store, 0, ended.sink());
    let other = watch(store, 0, kept.sink());
    assert_ne!(id, other);
    put(store, "row", "1");
    store.unwatch(id);
    store.unwatch(id);
    put(store, "row", "2");
    assert_eq!((ended.revisions(), kept.revisions()), (vec![1], vec![1, 2]));
    assert_eq!(Arc::strong_count(&ended.0), 1, "the sink is dropped");
}

fn watch_of_the_future_is_refused(store: &dyn Store) {
    put(store, "row", "1");
    assert_eq!(store.watch(2, Heard::default().sink()), Err(StoreError::Ahead { from: 2, newest: 1 }));
}

fn old_part_of_the_feed_is_there_or_said_to_be_gone(store: &dyn Store) {
    let total = crate::HISTORY_REVISIONS + 2_500;
    let (send, receive) = mpsc::channel();
    for number in 0..total {
        let send = send.clone();
        let change = commit(Vec::new(), vec![Write::put((number % 100).to_be_bytes(), number.to_be_bytes())]);
        store.submit(change, Box::new(move |outcome| drop(send.send(outcome))));
    }
    drop(send);
    assert!(receive.into_iter().all(|outcome| outcome.is_ok()));
    let heard = Heard::default();
    let recent = total - crate::HISTORY_REVISIONS;
    watch(store, recent, heard.sink());
    assert_eq!(heard.revisions(), (recent + 1..=total).collect::<Vec<_>>());
    let early = Heard::default();
    match store.watch(0, early.sink()) {
        Ok(_) => assert_eq!(early.revisions(), (1..=total).collect::<Vec<_>>()),
        Err(StoreError::Compacted { oldest }) => {
            assert_eq!(early.revisions(), [] as [Revision; 0]);
            let from_oldest = Heard::default();
            watch(store, oldest, from_oldest.sink());
            assert_eq!(from_oldest.revisions(), (oldest + 1..=total).collect::<Vec<_>>());
            assert_eq!(store.watch(oldest - 1, Box::new(|_| ())), Err(StoreError::Compacted { oldest }));
        }
        Err(other) => fail(&format!("{other} says nothing about the feed")),
    }
}

fn outcome_wakes_another_thread_that_commits(store: &dyn Store) {
    thread::scope(|scope| {
        let (from_sink, follow_up) = mpsc::channel();
        let sink = move |changes: &[Change]| {
            let _ = from_sink.send(changes.len());
        };
        watch(store, 0, Box::new(sink));
        let second = scope.spawn(move || follow_up.recv().map(|_| put(store, "second", "")));
        assert_eq!(put(store, "first", ""), 1);
        assert_eq!(second.join().ok(), Some(Ok(2)));
    });
}

fn one_has_the_turn_and_what_is_submitted_meanwhile_comes_after(store: &dyn Store) {
    // A store whose commits are made elsewhere gives none.
    let Some(turn) = store.turn() else { return };
    assert!(store.turn().is_none(), "one at a time");
    let heard = Heard::default();
    let (send, receive) = mpsc::channel();
    let later = commit(Vec::new(), vec![Write::put("later", *b"1")]);
    store.submit(later, Box::new(move |outcome| drop(send.send(outcome))));
    assert_eq!(turn.commit(commit(Vec::new(), vec![Write::put("first", *b"1")])), Ok(1));
    assert_eq!(receive.recv(), Ok(Ok(2)));
    watch(store, 0, heard.sink());
    assert_eq!(heard.revisions(), [1, 2]);
    drop(store.turn());
    assert_eq!(put(store, "after", "1"), 3);
    assert_eq!(heard.revisions(), [1, 2, 3]);
    if let Some(turn) = store.turn() {
        let stale = commit(vec![Guard::new("first", 2)], vec![Write::delete("first")]);
        assert_eq!(turn.commit(stale), Err(CommitError::Conflict));
    }
    assert_eq!(put(store, "at last", "1"), 4);
}

fn sixty_four_threads_on_one_row_lose_no_update(store: &dyn Store) {
    const THREADS: usize = 64;
    const ROUNDS: usize = 8;
    put(store, "row", "0");
    let wins = thread::scope(|scope| {
        let racers: Vec<_> = (0..THREADS).map(|_| scope.spawn(|| race(store, ROUNDS))).collect();
        racers.into_iter().flat_map(|racer| racer.join().unwrap_or_default()).collect::<Vec<_>>()
    });
    let mut seen: Vec<Revision> = wins.iter().map(|(seen, _)| *seen).collect();
    seen.sort_unstable();
    // Exactly one winner for each revision of the row, none for any other.
    assert_eq!(seen, (1..=(THREADS * ROUNDS) as u64).collect::<Vec<_>>());
    assert!(wins.iter().all(|(seen, made)| *made == seen + 1));
    let total = (THREADS * ROUNDS) as u64;
    assert_eq!(rows(store), (total + 1, vec![row("row", &total.to_string(), total + 1)]));
}

/// Counts the row up `rounds` times against everybody else; the revisions seen and made.
fn race(store: &dyn Store, rounds: usize) -> Vec<(Revision, Revision)> {
    let mut wins = Vec::new();
    while wins.len() < rounds {
        let (_, found) = rows(store);
        let Some((_, value, seen)) = found.into_iter().next() else { fail("the row is gone") };
        let next = value.parse::<u64>().map_or(0, |number| number + 1).to_string();
        let update = commit(vec![Guard::new("row", seen)], vec![Write::put("row", next.as_bytes())]);
        match store.commit(update) {
            Ok(made) => wins.push((seen, made)),
            Err(CommitError::Conflict) => thread::yield_now(),
            Err(other) => fail(&format!("{other} in a race")),
        }
    }
    wins
}

fn closed_store_finishes_what_is_queued_and_refuses_the_rest(store: &dyn Store) {
    let (send, receive) = mpsc::channel();
    let submit = |number: u64| {
        let send = send.clone();
        let change = commit(Vec::new(), vec![Write::put(number.to_be_bytes(), *b"value")]);
        store.submit(change, Box::new(move |outcome| drop(send.send(outcome))));
    };
    (0..100).for_each(submit);
    store.close();
    store.close();
    submit(100);
    let outcomes: Vec<_> = receive.try_iter().collect();
    assert_eq!(outcomes.len(), 101, "every outcome is heard by the time the store is closed");
    assert!(outcomes.iter().take(100).all(Result::is_ok));
    assert!(matches!(outcomes.last(), Some(Err(CommitError::Unavailable(_)))));
    assert!(matches!(store.watch(0, Box::new(|_| ())), Err(StoreError::Unavailable(_))));
}

fn reopened_store_has_every_row_and_counts_on(open: Open<'_>) {
    let store = open();
    put(&*store, "a", "1");
    put(&*store, "b", "2");
    delete(&*store, "a");
    store.close();
    let store = open();
    assert_eq!(rows(&*store), (3, vec![row("b", "2", 2)]));
    let guarded = commit(vec![Guard::new("b", 2), Guard::new("a", 0)], vec![Write::put("b", *b"4")]);
    assert_eq!(store.commit(guarded), Ok(4));
    drop(store);
    assert_eq!(rows(&*open()), (4, vec![row("b", "4", 4)]));
}

fn reopened_store_goes_on_with_the_feed(open: Open<'_>) {
    let store = open();
    put(&*store, "a", "1");
    put(&*store, "b", "2");
    drop(store);
    let store = open();
    let heard = Heard::default();
    watch(&*store, 2, heard.sink());
    put(&*store, "c", "3");
    delete(&*store, "a");
    assert_eq!(heard.revisions(), [3, 4]);
    // What was before may be told or said to be gone, but not left out.
    let all = Heard::default();
    match store.watch(0, all.sink()) {
        Ok(_) => assert_eq!(replayed(&all.changes()), rows(&*store)),
        Err(StoreError::Compacted { oldest }) => assert_eq!((all.revisions(), oldest), (Vec::new(), 2)),
        Err(other) => fail(&format!("{other} says nothing about the feed")),
    }
}

fn reopened_store_is_at_the_revision_of_a_deletion(open: Open<'_>) {
    for (number, key) in (0..).zip(["a", "b", "a", "b"]) {
        let store = open();
        assert_eq!(put(&*store, key, "1"), 2 * number + 1);
        assert_eq!(delete(&*store, key), 2 * number + 2);
        drop(store);
        assert_eq!(rows(&*open()), (2 * number + 2, Vec::new()));
    }
}

fn commits_in_flight_at_close_are_whole(open: Open<'_>) {
    let store = open();
    let (send, receive) = mpsc::channel();
    for number in 0..500u64 {
        let send = send.clone();
        let pair = vec![
            Write::put(format!("left/{number:03}"), number.to_be_bytes()),
            Write::put(format!("right/{number:03}"), number.to_be_bytes()),
        ];
        store.submit(commit(Vec::new(), pair), Box::new(move |outcome| drop(send.send(outcome))));
    }
    drop((store, send));
    let acknowledged = receive.into_iter().filter(Result::is_ok).count();
    let (revision, found) = rows(&*open());
    assert_eq!((acknowledged, found.len(), revision), (500, 1_000, 500));
}
