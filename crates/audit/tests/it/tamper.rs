//! Verification: each way to change a log without its key is found, at the right record.

use rootward_audit::{Break, Fault, Head, Lane, Log};

use crate::world::{Place, entries, entry, seal, thirty};

fn fault(place: &Place, anchor: Option<&Head>) -> Option<(u64, Break)> {
    place.reader().verify(anchor).unwrap().fault.map(|Fault { seq, cause }| (seq, cause))
}

/// A log of three batches of ten records, tampered with, and its head before.
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
fn stretches_hide_nothing_between_them() {
    let place = Place::new();
    let log = place.open();
    for batch in 0..10 {
        log.append(&entries(Lane::Plain, batch * 1_000..batch * 1_000 + 1_000)).unwrap();
    }
    drop(log);
    let connection = rusqlite::Connection::open(&place.path).unwrap();
    let mut statement = connection.prepare("SELECT first, last FROM batches ORDER BY first").unwrap();
    let rows = statement.query_map([], |row| Ok((row.get::<_, u64>(0)?, row.get::<_, u64>(1)?))).unwrap();
    let batches: Vec<_> = rows.collect::<Result<_, _>>().unwrap();
    assert!(batches.len() > 16, "{}", batches.len());
    for (first, last) in batches {
        place.tamper(&format!(
            "INSERT INTO batches SELECT first + 1, last, time_min, time_max, hash, mac, records FROM batches \
             WHERE first = {first}"
        ));
        assert_eq!(fault(&place, None), Some((last + 1, Break::Changed)));
        place.tamper(&format!("DELETE FROM batches WHERE first = {first} + 1"));
    }
    assert_eq!(fault(&place, None), None);
}

#[test]
fn changed_record_is_found() {
    for (old, new) in [
        ("anna", "mary"),
        ("2024-01-01T00:00:07Z", "2024-01-01T00:00:06Z"),
        ("-00000000000f", "-0000000000ff"),
        ("GetUser", "ListUsers"),
        ("iam.amazonaws.com", "sts.amazonaws.com"),
        ("\"recipientAccountId\":\"000000000001\"", "\"recipientAccountId\":\"000000000002\""),
        (",\"recipientAccountId\":\"000000000001\"", ""),
        ("AKIAANNA", "AKIABO"),
        ("\"readOnly\":true", "\"readOnly\":false"),
        ("\"errorCode\":\"AccessDenied\",", ""),
        (",\n", ", "),
    ] {
        let change = format!("records = replace(records, '{old}', '{new}')");
        let (place, _) = tampered(&format!("UPDATE batches SET {change} WHERE first = 11"));
        assert_eq!(fault(&place, None), Some((11, Break::Changed)), "{change}");
    }
}

#[test]
fn changed_column_is_found() {
    for change in [
        "last = 21",
        "last = 19",
        "last = 0",
        "time_min = time_min - 1",
        "time_max = time_max + 1",
        "hash = zeroblob(32)",
    ] {
        let (place, _) = tampered(&format!("UPDATE batches SET {change} WHERE first = 11"));
        assert_eq!(fault(&place, None), Some((11, Break::Changed)), "{change}");
    }
    for change in ["mac = zeroblob(32)", "mac = x''"] {
        let (place, _) = tampered(&format!("UPDATE batches SET {change} WHERE first = 11"));
        assert_eq!(fault(&place, None), Some((11, Break::Unsealed)), "{change}");
    }
}

#[test]
fn column_of_another_kind_is_found() {
    for change in ["hash = x'00'", "records = CAST(x'ff' AS TEXT)", "last = -1"] {
        let (place, _) = tampered(&format!("UPDATE batches SET {change} WHERE first = 11"));
        let Some((11, Break::Unreadable(_))) = fault(&place, None) else { panic!("{change}") };
    }
}

#[test]
fn removed_batch_is_found() {
    let (place, _) = tampered("DELETE FROM batches WHERE first = 11");
    assert_eq!(fault(&place, None), Some((11, Break::Missing)));
}

#[test]
fn removed_batch_is_found_though_the_rest_moved_up() {
    let (place, _) = tampered(
        "DELETE FROM batches WHERE first = 11; UPDATE batches SET first = 11, last = 20 WHERE first = 21",
    );
    assert_eq!(fault(&place, None), Some((11, Break::Changed)));
}

#[test]
fn record_removed_from_or_put_into_a_batch_is_found() {
    for change in [
        "records = json_remove(records, '$[4]')",
        "records = json_remove(records, '$[4]'), last = 19",
        "records = json_insert(records, '$[#]', json('{}'))",
        "records = json_set(records, '$[3]', json(records -> 4), '$[4]', json(records -> 3))",
    ] {
        let (place, _) = tampered(&format!("UPDATE batches SET {change} WHERE first = 11"));
        assert_eq!(fault(&place, None), Some((11, Break::Changed)), "{change}");
    }
}

#[test]
fn batch_put_in_is_found() {
    for (first, named) in [(0, 1), (5, 11), (10, 11), (15, 21), (31, 31)] {
        let (place, _) = tampered(&format!(
            "INSERT INTO batches SELECT {first}, last, time_min, time_max, hash, mac, records FROM batches \
             WHERE first = 11"
        ));
        assert_eq!(fault(&place, None), Some((named, Break::Changed)), "{first}");
    }
    let (place, _) = tampered("UPDATE batches SET first = -first WHERE first = 11");
    let Some((1, Break::Unreadable(_))) = fault(&place, None) else { panic!("negative") };
}

#[test]
fn swapped_batches_are_found() {
    let (place, _) = tampered(
        "UPDATE batches SET first = -1 WHERE first = 11; UPDATE batches SET first = 11, last = 20 WHERE first = 21; \
         UPDATE batches SET first = 21, last = 30 WHERE first = -1",
    );
    assert_eq!(fault(&place, None), Some((11, Break::Changed)));
}

#[test]
fn log_cut_inside_a_batch_is_found_without_an_anchor() {
    let five = "json_remove(records, '$[9]', '$[8]', '$[7]', '$[6]', '$[5]')";
    let (place, _) = tampered(&format!("UPDATE batches SET last = 25, records = {five} WHERE first = 21"));
    assert_eq!(fault(&place, None), Some((21, Break::Changed)));
    // With a hash that fits, which everybody can compute, it is the seal that does not.
    let (cut, forged) = (Place::new(), Place::new());
    thirty(&cut.path);
    let log = Log::open(&forged.path, seal(2)).unwrap();
    for batch in [0..10, 10..20, 20..25] {
        log.append(&entries(Lane::Plain, batch)).unwrap();
    }
    drop(log);
    cut.tamper(&format!(
        "ATTACH '{}' AS forged; UPDATE batches SET (last, time_max, records, hash) = (SELECT last, time_max, records, \
         hash FROM forged.batches WHERE first = 21) WHERE first = 21",
        forged.path.display()
    ));
    assert_eq!(fault(&cut, None), Some((21, Break::Unsealed)));
}

#[test]
fn log_cut_at_a_batch_is_found_with_an_anchor() {
    let (place, head) = tampered("DELETE FROM batches WHERE first > 20");
    assert_eq!(fault(&place, None), None, "this is what the anchor is for");
    assert_eq!(fault(&place, Some(&head)), Some((21, Break::Truncated)));
    assert!(!place.reader().holds(&head).unwrap());
}

#[test]
fn emptied_log_is_found_with_an_anchor() {
    let (place, head) = tampered("DELETE FROM batches");
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
    // With the genuine seals kept, the first batch that changed is named.
    genuine.tamper(&format!(
        "ATTACH '{}' AS forged; UPDATE batches SET (records, time_max, hash) = (SELECT records, time_max, hash \
         FROM forged.batches AS f WHERE f.first = batches.first)",
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
    // The anchor falls into its only batch.
    assert_eq!(fault(&forged, Some(&anchor)), Some((1, Break::Rewritten)));
    let forged = Place::new();
    let log = forged.open();
    for batch in [1..11, 11..21, 21..31] {
        log.append(&entries(Lane::Plain, batch)).unwrap();
    }
    assert_eq!(fault(&forged, Some(&anchor)), Some((21, Break::Rewritten)));
}

#[test]
fn triggers_refuse_accidents() {
    let place = Place::new();
    thirty(&place.path);
    let connection = rusqlite::Connection::open(&place.path).unwrap();
    for table in ["batches", "blocks", "terms", "spans"] {
        // The others are empty as yet; their triggers are there.
        let triggers: u64 = connection
            .query_row(
                "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1",
                [table],
                |row| row.get(0),
            )
            .unwrap();
        assert_eq!(triggers, 2, "{table}");
    }
    for sql in ["DELETE FROM batches", "UPDATE batches SET time_min = 0"] {
        assert!(connection.execute(sql, []).unwrap_err().to_string().contains("cannot be"), "{sql}");
    }
}
