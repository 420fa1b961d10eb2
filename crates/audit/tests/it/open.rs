//! Opening: what is refused, with words that say what to do, and what a full disk does.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use rootward_audit::{Error, Lane, Log, Reader};

use crate::world::{Place, entries, seal, thirty};

#[test]
fn log_goes_on_where_it_ended() {
    let place = Place::new();
    let head = thirty(&place.path).head();
    let log = place.open();
    assert_eq!(log.head(), head);
    log.append(&entries(Lane::Durable, 30..31)).unwrap();
    assert!(log.reader().verify(Some(&head)).unwrap().is_whole());
    assert_eq!(fs::metadata(&place.path).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn durable_entry_appended_twice_is_there_once() {
    let log = Log::in_memory(seal(1)).unwrap();
    let first = log.append(&entries(Lane::Durable, 0..4)).unwrap();
    assert_eq!((first.records, first.known), (4, 0));
    let again = log.append(&entries(Lane::Durable, 2..6)).unwrap();
    assert_eq!((again.records, again.known, again.head.seq), (2, 2, 6));
    let nothing = log.append(&entries(Lane::Durable, 0..6)).unwrap();
    assert_eq!((nothing.records, nothing.head), (0, again.head));
    assert!(log.reader().verify(Some(&again.head)).unwrap().is_whole());
}

#[test]
fn another_record_with_a_known_id_is_kept() {
    let log = Log::in_memory(seal(1)).unwrap();
    let [(_, first), (_, second)] = &entries(Lane::Durable, 0..2)[..] else { unreachable!() };
    let other = first.json().replace("anna", "mary");
    let other = rootward_audit::Entry::parse(other.as_bytes()).unwrap();
    let batch = [first, &other, second].map(|entry| (Lane::Durable, entry.clone()));
    assert_eq!(log.append(&batch).unwrap().records, 3);
}

#[test]
fn other_key_is_refused() {
    let place = Place::new();
    thirty(&place.path);
    let error = Log::open(&place.path, seal(2)).unwrap_err();
    assert!(matches!(error, Error::Altered(_)));
    assert!(error.to_string().contains("or the key file is another one"), "{error}");
}

#[test]
fn last_batch_that_was_changed_is_refused() {
    let place = Place::new();
    thirty(&place.path);
    place.tamper("UPDATE batches SET records = replace(records, 'anna', 'mary') WHERE first = 21");
    let error = Log::open(&place.path, seal(1)).unwrap_err();
    assert!(matches!(error, Error::Altered(_)));
    assert!(error.to_string().contains("records 21 to 30 are not those that were hashed"), "{error}");
}

#[test]
fn newer_format_is_refused() {
    let place = Place::new();
    thirty(&place.path);
    place.tamper("PRAGMA user_version = 2");
    let error = Log::open(&place.path, seal(1)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the audit log has format 2, this version of rootward reads up to 1: use the newer version"
    );
}

#[test]
fn other_database_is_refused() {
    let place = Place::new();
    rusqlite::Connection::open(&place.path).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(Log::open(&place.path, seal(1)), Err(Error::Foreign)));
}

#[test]
fn missing_folder_is_named() {
    let error = Log::open("/nonexistent/audit.sqlite".as_ref(), seal(1)).unwrap_err();
    assert!(error.to_string().contains("/nonexistent/audit.sqlite"), "{error}");
}

#[test]
fn file_of_other_bytes_is_damaged() {
    let place = Place::new();
    fs::write(&place.path, "not a database, but longer than its header would be".repeat(30)).unwrap();
    let error = Log::open(&place.path, seal(1)).unwrap_err();
    assert!(matches!(error, Error::Damaged(_)), "{error:?}");
    assert!(error.to_string().contains("run `rootward trail verify`"), "{error}");
}

#[test]
fn torn_file_is_damaged_wherever_it_was_torn() {
    let place = Place::new();
    let log = place.open();
    for batch in 0..20 {
        log.append(&entries(Lane::Plain, batch * 20..batch * 20 + 20)).unwrap();
    }
    let head = log.head();
    drop(log);
    let whole = fs::read(&place.path).unwrap();
    assert!(whole.len() > 200_000);
    for tenth in 1..10 {
        fs::write(&place.path, &whole[..whole.len() * tenth / 10]).unwrap();
        let opened = Log::open(&place.path, seal(1));
        // Where the tear spares the end of the chain, verification finds it.
        match opened {
            Err(Error::Damaged(_) | Error::Altered(_)) => {}
            Err(error) => panic!("{tenth}: {error}"),
            Ok(log) => assert!(!log.reader().verify(Some(&head)).unwrap().is_whole(), "{tenth}"),
        }
    }
}

#[test]
fn overwritten_page_is_an_error_or_a_fault() {
    let place = Place::new();
    let log = place.open();
    log.append(&entries(Lane::Plain, 0..400)).unwrap();
    let head = log.head();
    drop(log);
    let whole = fs::read(&place.path).unwrap();
    let mut found = 0;
    for page in 1..whole.len() / 8_192 {
        let mut torn = whole.clone();
        torn[page * 8_192..][..8_192].fill(0xa5);
        fs::write(&place.path, torn).unwrap();
        let Ok(reader) = Reader::open(&place.path, seal(1)) else {
            found += 1;
            continue;
        };
        found += usize::from(!reader.verify(Some(&head)).unwrap().is_whole());
    }
    // The pages that hold indexes prove nothing; most pages hold records.
    assert!(found > whole.len() / 8_192 / 2, "{found} of {}", whole.len() / 8_192);
}

#[test]
fn full_disk_is_said_and_loses_nothing() {
    let place = Place::new();
    let log = thirty_limited(&place);
    let mut last = log.head();
    let error = loop {
        match log.append(&entries(Lane::Durable, last.seq..last.seq + 10)) {
            Ok(appended) => last = appended.head,
            Err(error) => break error,
        }
    };
    assert!(matches!(error, Error::Full), "{error:?}");
    assert_eq!(log.head(), last);
    assert!(log.reader().verify(Some(&last)).unwrap().is_whole());
    log.limit_bytes(1 << 30).unwrap();
    assert_eq!(log.append(&entries(Lane::Durable, last.seq..last.seq + 10)).unwrap().records, 10);
}

fn thirty_limited(place: &Place) -> Log {
    let log = thirty(&place.path);
    log.limit_bytes(300_000).unwrap();
    log
}

#[test]
fn second_writer_is_found_out() {
    let place = Place::new();
    let (first, second) = (place.open(), place.open());
    first.append(&entries(Lane::Plain, 0..5)).unwrap();
    assert!(matches!(second.append(&entries(Lane::Plain, 5..10)), Err(Error::Shared)));
    assert!(first.reader().verify(None).unwrap().is_whole());
}
