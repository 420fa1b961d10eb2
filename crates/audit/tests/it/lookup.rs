//! Reading: the newest, by attribute, page by page.

use rootward_audit::{Attribute, Filter, Lane, Log, Query, Stored};

use crate::world::{account, entries, id, seal, start};

fn hundred() -> Log {
    let log = Log::in_memory(seal(1)).unwrap();
    log.append(&entries(Lane::Plain, 0..100)).unwrap();
    log
}

const QUERY: Query<'static> = Query { account: ACCOUNT, from: None, until: None, attribute: None };
const ACCOUNT: rootward_names::AccountId = rootward_names::AccountId::from_number(1).unwrap();

#[track_caller]
fn numbers(events: &[Stored]) -> Vec<u64> {
    events.iter().map(|event| event.seq - 1).collect()
}

#[test]
fn tail_is_the_newest_oldest_first() {
    let log = hundred();
    let tail = |filter: &Filter| numbers(&log.reader().tail(3, filter).unwrap());
    let of = Filter { account: Some(ACCOUNT), ..Filter::default() };
    assert_eq!(tail(&Filter::default()), [97, 98, 99]);
    assert_eq!(tail(&of), [97, 98, 99]);
    assert_eq!(tail(&Filter { user_name: Some("bo".into()), ..of.clone() }), [95, 97, 99]);
    assert_eq!(tail(&Filter { event_name: Some("CreateUser".into()), ..of.clone() }), [85, 90, 95]);
    assert_eq!(tail(&Filter { failures: true, ..Filter::default() }), [84, 91, 98]);
    assert_eq!(tail(&Filter { account: Some(account(2)), ..of }), [0; 0]);
}

#[test]
fn following_gives_what_came_after() {
    let log = hundred();
    assert_eq!(numbers(&log.reader().after(97, 10).unwrap()), [97, 98, 99]);
    assert_eq!(numbers(&log.reader().after(0, 2).unwrap()), [0, 1]);
    assert_eq!(numbers(&log.reader().after(100, 2).unwrap()), [0; 0]);
}

#[test]
fn sifting_gives_what_is_wanted_and_how_far_it_looked() {
    let log = hundred();
    let sift = |seq, count, wanted: &str| {
        let (found, last) = log.reader().sift(seq, count, |record| record.contains(wanted)).unwrap();
        (numbers(&found), last)
    };
    let id = id(42).to_string();
    assert_eq!(sift(0, 1_000, &id), (vec![42], 100));
    assert_eq!(sift(0, 10, &id), (vec![], 10));
    assert_eq!(sift(42, 1, &id), (vec![42], 43));
    assert_eq!(sift(100, 10, ""), (vec![], 100));
}

#[test]
fn stored_record_is_the_one_appended() {
    let log = hundred();
    let stored = log.reader().after(20, 1).unwrap().remove(0);
    assert_eq!(stored.entry, entries(Lane::Plain, 20..21)[0].1);
}

#[test]
fn attribute_selects() {
    let log = hundred();
    let found = |attribute| {
        let query = Query { attribute: Some(attribute), ..QUERY };
        numbers(&log.reader().lookup(&query, 2, None).unwrap().events)
    };
    assert_eq!(found(Attribute::AccessKeyId("AKIABO")), [99, 97]);
    assert_eq!(found(Attribute::EventId(id(7))), [7]);
    assert_eq!(found(Attribute::EventName("CreateUser")), [95, 90]);
    assert_eq!(found(Attribute::EventName("createuser")), [0; 0]);
    assert_eq!(found(Attribute::EventSource("iam.amazonaws.com")), [99, 98]);
    assert_eq!(found(Attribute::ReadOnly(false)), [95, 90]);
    assert_eq!(found(Attribute::UserName("anna")), [98, 96]);
}

#[test]
fn times_are_inclusive() {
    let log = hundred();
    let second = |n| Some(start().plus_seconds(n));
    let query = Query { from: second(3), until: second(4), ..QUERY };
    assert_eq!(numbers(&log.reader().lookup(&query, 50, None).unwrap().events), [9, 8, 7, 6]);
    let query = Query { from: second(4), until: second(3), ..QUERY };
    assert_eq!(numbers(&log.reader().lookup(&query, 50, None).unwrap().events), [0; 0]);
}

#[test]
fn pages_join_without_gap_though_records_arrive() {
    let log = hundred();
    let query = Query { attribute: Some(Attribute::UserName("anna")), ..QUERY };
    let (mut seen, mut before) = (Vec::new(), None);
    loop {
        let page = log.reader().lookup(&query, 7, before).unwrap();
        seen.extend(numbers(&page.events));
        log.append(&entries(Lane::Plain, 100..102)).unwrap();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, (0..100_u64).rev().filter(|n| n.is_multiple_of(2)).collect::<Vec<_>>());
}

#[test]
fn look_ups_reach_through_blocks() {
    let log = Log::in_memory(seal(1)).unwrap();
    for batch in 0..5 {
        log.append(&entries(Lane::Plain, batch * 10_000..batch * 10_000 + 10_000)).unwrap();
    }
    let second = |n| Some(start().plus_seconds(n));
    let find = |query: &Query<'_>| numbers(&log.reader().lookup(query, 3, None).unwrap().events);
    let early = Query { until: second(5), ..QUERY };
    assert_eq!(find(&early), [11, 10, 9]);
    assert_eq!(find(&Query { attribute: Some(Attribute::UserName("bo")), ..early }), [11, 9, 7]);
    assert_eq!(find(&Query { from: second(8_191), until: second(8_192), ..QUERY }), [16_385, 16_384, 16_383]);
    assert_eq!(find(&Query { attribute: Some(Attribute::UserName("nobody")), ..QUERY }), [0; 0]);
    let (query, mut before, mut count) =
        (Query { attribute: Some(Attribute::EventName("CreateUser")), ..QUERY }, None, 0);
    loop {
        let page = log.reader().lookup(&query, 1_000, before).unwrap();
        count += page.events.len();
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(count, 10_000);
}
