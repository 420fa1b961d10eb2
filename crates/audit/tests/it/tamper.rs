//! Verification: each way to change a log without its key is found, at the right record.

use rootward_audit::{Break, Fault, Head, Lane, Log};

use crate::world::{Place, entries, entry, seal, thirty};

fn fault(place: &Place, anchor: Option<&Head>) -> Option<(u64, Break)> {
    place.reader().verify(anchor).unwrap().fault.map(|Fault { seq, cause }| (seq, cause))
}

/// A log of thirty records, tampered with, and its head before.
fn tampered(sql: &str) -> (Place, Head) {
    let place = Place::new();
    let head = thirty(&place.path).head();
    place.tamper(sql);
    (place, head)
}

#[test]
fn untouched_log_is_whole() {
    let place = Place::new();
    let log = thirty(&place.path);
    let report = log.reader().verify(Some(&log.head())).unwrap();
    assert!(report.is_whole());
    assert_eq!((report.proven, report.proven.seq), (log.head(), 30));
}

#[test]
fn empty_log_is_whole() {
    let log = Log::in_memory(seal(1)).unwrap();
    let report = log.reader().verify(Some(&Head::genesis())).unwrap();
    assert_eq!((report.fault, report.proven), (None, Head::genesis()));
}

#[test]
fn log_longer_than_a_stretch_is_whole() {
    let log = Log::in_memory(seal(1)).unwrap();
    for batch in 0..12 {
        log.append(&entries(Lane::Plain, batch * 1_000..batch * 1_000 + 1_000)).unwrap();
    }
    let report = log.reader().verify(Some(&log.head())).unwrap();
    assert_eq!((report.fault, report.proven.seq), (None, 12_000));
}

#[test]
fn changed_column_is_found() {
    for change in [
        "record = replace(record, 'anna', 'mary')",
        "time = time + 1",
        "event_id = zeroblob(16)",
        "event_name = 'ListUsers'",
        "event_source = 'sts.amazonaws.com'",
        "account = '000000000002'",
        "account = NULL",
        "user_name = 'mary'",
        "access_key_id = NULL",
        "read_only = 0",
        "error_code = NULL",
        "hash = zeroblob(32)",
    ] {
        let (place, _) = tampered(&format!("UPDATE events SET {change} WHERE seq = 15"));
        assert_eq!(fault(&place, None), Some((15, Break::Changed)), "{change}");
    }
}

#[test]
fn column_of_another_kind_is_found() {
    for change in ["read_only = 7", "account = '1'", "event_id = x'00'"] {
        let (place, _) = tampered(&format!("UPDATE events SET {change} WHERE seq = 15"));
        let Some((15, Break::Unreadable(_))) = fault(&place, None) else { panic!("{change}") };
    }
}

#[test]
fn removed_record_is_found() {
    let (place, _) = tampered("DELETE FROM events WHERE seq = 15");
    assert_eq!(fault(&place, None), Some((15, Break::Missing)));
}

#[test]
fn removed_record_is_found_though_the_rest_moved_up() {
    let (place, _) = tampered(
        "DELETE FROM events WHERE seq = 15; UPDATE events SET seq = -seq WHERE seq > 15; \
         UPDATE events SET seq = -seq - 1 WHERE seq < 0",
    );
    assert_eq!(fault(&place, None), Some((15, Break::Changed)));
}

#[test]
fn swapped_records_are_found() {
    let (place, _) = tampered(
        "UPDATE events SET seq = -1 WHERE seq = 15; UPDATE events SET seq = 15 WHERE seq = 16; \
         UPDATE events SET seq = 16 WHERE seq = -1",
    );
    assert_eq!(fault(&place, None), Some((15, Break::Changed)));
}

#[test]
fn log_cut_inside_a_batch_is_found_without_an_anchor() {
    let (place, _) = tampered("DELETE FROM events WHERE seq > 25");
    assert_eq!(fault(&place, None), Some((26, Break::Truncated)));
    let (place, _) = tampered("DELETE FROM events WHERE seq > 25; DELETE FROM heads WHERE seq > 25");
    assert_eq!(fault(&place, None), Some((21, Break::Unsealed)));
}

#[test]
fn log_cut_at_a_batch_is_found_with_an_anchor() {
    let (place, head) = tampered("DELETE FROM events WHERE seq > 20; DELETE FROM heads WHERE seq > 20");
    assert_eq!(fault(&place, None), None, "this is what the anchor is for");
    assert_eq!(fault(&place, Some(&head)), Some((21, Break::Truncated)));
    assert!(!place.reader().holds(&head).unwrap());
}

#[test]
fn emptied_log_is_found_with_an_anchor() {
    let (place, head) = tampered("DELETE FROM events; DELETE FROM heads");
    assert_eq!(fault(&place, Some(&head)), Some((1, Break::Truncated)));
}

#[test]
fn chain_rewritten_without_the_key_is_found() {
    let (genuine, forged) = (Place::new(), Place::new());
    let anchor = thirty(&genuine.path).head();
    let log = Log::open(&forged.path, seal(2)).unwrap();
    let mut forgery = entries(Lane::Plain, 0..30);
    forgery[14].1 = entry(999);
    for batch in forgery.chunks(10) {
        log.append(batch).unwrap();
    }
    drop(log);
    assert_eq!(fault(&forged, None), Some((1, Break::Unsealed)));
    // With the genuine heads of untouched batches kept, the first batch that changed is named.
    genuine.tamper(&format!(
        "ATTACH '{}' AS forged; DELETE FROM events WHERE seq > 10; \
         INSERT INTO events SELECT * FROM forged.events WHERE seq > 10; \
         UPDATE heads SET hash = (SELECT hash FROM events WHERE events.seq = heads.seq)",
        forged.path.display()
    ));
    assert_eq!(fault(&genuine, None), Some((11, Break::Unsealed)));
    // Whoever has the key, but not the anchor's store, is found out too.
    assert_eq!(
        Log::open(&genuine.path, seal(1)).unwrap_err().to_string().split(':').next(),
        Some(
            "the end of the audit log is not what was last written with this key (the seal of record 30 does not hold)"
        )
    );
    assert!(!genuine.reader().holds(&anchor).unwrap());
}

#[test]
fn chain_rewritten_with_the_key_is_found_with_an_anchor() {
    let (genuine, forged) = (Place::new(), Place::new());
    let anchor = thirty(&genuine.path).head();
    forged.open().append(&entries(Lane::Plain, 1..40)).unwrap();
    assert_eq!(fault(&forged, None), None);
    assert_eq!(fault(&forged, Some(&anchor)), Some((30, Break::Rewritten)));
}

#[test]
fn triggers_refuse_accidents() {
    let place = Place::new();
    thirty(&place.path);
    let connection = rusqlite::Connection::open(&place.path).unwrap();
    for sql in
        ["DELETE FROM events", "UPDATE events SET time = 0", "DELETE FROM heads", "UPDATE heads SET seq = 0"]
    {
        assert!(connection.execute(sql, []).unwrap_err().to_string().contains("cannot be"), "{sql}");
    }
}
