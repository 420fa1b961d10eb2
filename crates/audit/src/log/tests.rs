//! Random worlds: what the index leads to is what a look at every record finds, wherever batches and blocks end.

use std::path::Path;

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rootward_names::{AccountId, Time};

use super::*;
use crate::record::{Call, Failure, Issuer, IssuerKind, Resource, Session, UserIdentity};
use crate::{EventId, Record};

/// Names that are short, empty, special in the log, escaped in JSON, parts of each other.
const TEXTS: [&str; 8] = ["anna", "ann", "", "root", "a\"b\\c", "é\n", "true", "User"];
const START: i64 = 1_704_067_200;

#[derive(Debug, Clone)]
struct Fact {
    kind: u8,
    account: Option<u64>,
    user: &'static str,
    key: Option<&'static str>,
    name: &'static str,
    source: &'static str,
    read_only: bool,
    failure: bool,
    /// A user of this name.
    resource: Option<&'static str>,
    time: i64,
    /// Milliseconds that the id's time lies beside the record's, and the rest of the id.
    id: (i64, u8),
}

impl Fact {
    fn entry(&self) -> Entry {
        let account = self.account.and_then(AccountId::from_number);
        let of = AccountId::from_number(9).unwrap();
        let principal = format!("AROAEXAMPLE:{}", self.user);
        let (principal_id, arn, access_key) = (principal.as_str(), "arn:aws:iam::000000000009:x", self.key);
        let identity = match self.kind {
            0 => UserIdentity::Root { arn, account: of, access_key, alias: Some(self.user), session: None },
            1 => UserIdentity::User {
                principal_id,
                arn,
                account: of,
                access_key,
                name: self.user,
                session: None,
            },
            2 => UserIdentity::AssumedRole {
                principal_id,
                arn,
                account: of,
                access_key,
                issuer: Issuer { kind: IssuerKind::Role, principal_id, arn, account: of, user_name: None },
                session: Session::new(Time::from_seconds(START)),
            },
            _ => UserIdentity::Unknown { account: Some(of), access_key },
        };
        let call = Call { source: self.source, name: self.name, region: "r", source_ip: "192.0.2.7" };
        let millis = u128::try_from((START + self.time) * 1_000 + self.id.0).unwrap();
        let id = EventId::from_bytes((millis << 80 | u128::from(self.id.1)).to_be_bytes());
        let time = Time::from_seconds(START + self.time);
        let resource = self.resource.map(|name| format!("arn:aws:iam::000000000009:user/{name}"));
        let shown = |arn| Resource { arn, account, kind: Some("AWS::IAM::User").filter(|_| self.read_only) };
        let resources: Vec<_> = resource.as_deref().map(shown).into_iter().collect();
        Entry::new(&Record {
            resources: &resources,
            failure: self.failure.then_some(Failure { code: Some("AccessDenied"), message: "no" }),
            read_only: self.read_only,
            recipient: account,
            ..Record::new(id, time, call, identity)
        })
    }
}

fn fact() -> impl Strategy<Value = Fact> {
    let who = (0..4_u8, option::weighted(0.9, 1..3_u64), select(&TEXTS[..]), option::of(select(&TEXTS[..])));
    let what = (select(&TEXTS[..]), select(&TEXTS[..]), any::<bool>(), any::<bool>());
    let about = option::of(select(&TEXTS[..]));
    let when = (0..30_i64, (-200..200_i64, 0..3_u8));
    (who, what, about, when).prop_map(|(who, what, resource, when)| {
        let ((kind, account, user, key), (name, source, read_only, failure)) = (who, what);
        Fact {
            kind,
            account,
            user,
            key,
            name,
            source,
            read_only,
            failure,
            resource,
            time: when.0,
            id: when.1,
        }
    })
}

/// Batches that are appended.
fn world() -> impl Strategy<Value = Vec<Vec<Fact>>> {
    vec(vec(fact(), 0..12), 1..12)
}

fn sizes() -> impl Strategy<Value = Sizes> {
    (1..8_usize, select(&[1, 1_500, 1_000_000][..]), 1..20_usize, select(&[1, 5_000, 1_000_000][..]))
        .prop_map(|(batch_records, batch_bytes, block_records, block_bytes)| Sizes {
            batch_records,
            batch_bytes,
            block_records,
            block_bytes,
        })
}

/// What to ask for: one of the attributes, with a text, or the id of the fact at this place.
fn asked() -> impl Strategy<Value = (u8, &'static str, Option<i64>, Option<i64>, usize)> {
    (0..10_u8, select(&TEXTS[..]), option::of(-1..31_i64), option::of(-1..31_i64), any::<usize>())
}

fn attribute(kind: u8, text: &str, id: EventId) -> Option<Attribute<'_>> {
    match kind {
        0 => Some(Attribute::AccessKeyId(text)),
        1 => Some(Attribute::EventId(id)),
        2 => Some(Attribute::EventName(text)),
        3 => Some(Attribute::EventSource(text)),
        4 => Some(Attribute::ReadOnly(true)),
        5 => Some(Attribute::ReadOnly(false)),
        6 => Some(Attribute::UserName(text)),
        7 => Some(Attribute::ResourceName(text)),
        8 => Some(Attribute::ResourceType("AWS::IAM::User")),
        _ => None,
    }
}

/// By the columns alone, the way `Query` is documented.
fn satisfies(query: &Query<'_>, entry: &Entry) -> bool {
    entry.account() == Some(query.account)
        && query.from.is_none_or(|from| from <= entry.time())
        && query.until.is_none_or(|until| entry.time() <= until)
        && match query.attribute {
            None => true,
            Some(Attribute::AccessKeyId(id)) => entry.access_key_id() == Some(id),
            Some(Attribute::EventId(id)) => entry.id() == id,
            Some(Attribute::EventName(name)) => entry.event_name() == name,
            Some(Attribute::EventSource(source)) => entry.event_source() == source,
            Some(Attribute::ReadOnly(read_only)) => entry.read_only() == read_only,
            Some(Attribute::ResourceName(name)) => {
                entry.resources().iter().any(|resource| resource.name == name)
            }
            Some(Attribute::ResourceType(kind)) => {
                entry.resources().iter().any(|resource| resource.kind.as_deref() == Some(kind))
            }
            Some(Attribute::UserName(name)) => entry.user_name() == Some(name),
        }
}

fn seal() -> Seal {
    Seal::new(|message| [u8::try_from(message.len()).unwrap(); 32])
}

fn plain(facts: &[Fact]) -> Vec<(Lane, Entry)> {
    facts.iter().map(|fact| (Lane::Plain, fact.entry())).collect()
}

/// Appends all of them; returns what is in the log then.
fn fill(log: &Log, world: &[Vec<Fact>]) -> Vec<Entry> {
    for batch in world {
        log.append(&plain(batch)).unwrap();
    }
    world.iter().flatten().map(Fact::entry).collect()
}

fn open(path: &Path, sizes: Sizes) -> Log {
    Log::open_of(path, seal(), sizes).unwrap()
}

fn count(log: &Log, sql: &str) -> u64 {
    lock(&log.reader.connection).query_row(sql, [], |row| row.get(0)).unwrap()
}

proptest! {
    #[test]
    fn pages_of_a_look_up_are_the_records_that_satisfy_it(
        world in world(),
        meanwhile in world(),
        sizes in sizes(),
        asked in vec(asked(), 1..6),
        page in 1..6_usize,
        cost in select(&[1, 10_000, usize::MAX][..]),
    ) {
        let log = Log::in_memory_of(seal(), sizes).unwrap();
        let entries = fill(&log, &world);
        let mut meanwhile = meanwhile.iter();
        for (kind, text, from, until, place) in asked {
            let there = log.reader().after(0, usize::MAX).unwrap();
            let id = entries.get(place % entries.len().max(1)).map_or(EventId::from_bytes([0; 16]), Entry::id);
            let second = |second: i64| Time::from_seconds(START + second);
            let query = Query {
                account: AccountId::from_number(1).unwrap(),
                from: from.map(second),
                until: until.map(second),
                attribute: attribute(kind, text, id),
            };
            let (mut found, mut before) = (Vec::new(), None);
            loop {
                let shown = log.reader().lookup_within(&query, page, before, cost).unwrap();
                prop_assert!(shown.events.len() == page || shown.next.is_none() || cost < usize::MAX);
                prop_assert!(shown.next.is_none_or(|next| before.is_none_or(|before| next < before)));
                found.extend(shown.events);
                if let Some(batch) = meanwhile.next() {
                    log.append(&plain(batch)).unwrap();
                }
                before = shown.next;
                if before.is_none() {
                    break;
                }
            }
            let expected: Vec<Stored> =
                there.into_iter().rev().filter(|stored| satisfies(&query, &stored.entry)).collect();
            prop_assert_eq!(found, expected, "{:?}", query);
        }
        prop_assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole());
    }

    #[test]
    fn tail_is_the_newest_that_pass(
        world in world(),
        sizes in sizes(),
        account in option::of(1..3_u64),
        event_name in option::of(select(&TEXTS[..])),
        user_name in option::of(select(&TEXTS[..])),
        failures: bool,
        newest in 0..20_usize,
    ) {
        let log = Log::in_memory_of(seal(), sizes).unwrap();
        let entries = fill(&log, &world);
        let filter = Filter {
            account: account.and_then(AccountId::from_number),
            event_name: event_name.map(str::to_owned),
            user_name: user_name.map(str::to_owned),
            failures,
        };
        let passes = |entry: &Entry| {
            (filter.account.is_none() || entry.account() == filter.account)
                && event_name.is_none_or(|name| entry.event_name() == name)
                && user_name.is_none_or(|name| entry.user_name() == Some(name))
                && (!failures || entry.error_code().is_some())
        };
        let numbered = (1..).zip(entries).map(|(seq, entry)| Stored { seq, entry });
        let mut expected: Vec<Stored> = numbered.filter(|stored| passes(&stored.entry)).collect();
        expected.drain(..expected.len().saturating_sub(newest));
        prop_assert_eq!(log.reader().tail(newest, &filter).unwrap(), expected);
    }

    #[test]
    fn records_are_read_in_order_from_any_number_on(
        world in world(),
        sizes in sizes(),
        after in 0..150_usize,
        most in 0..60_usize,
    ) {
        let log = Log::in_memory_of(seal(), sizes).unwrap();
        let numbered: Vec<_> = (1..).zip(fill(&log, &world)).map(|(seq, entry)| Stored { seq, entry }).collect();
        let expected: Vec<_> = numbered.into_iter().skip(after).take(most).collect();
        prop_assert_eq!(log.reader().after(after.try_into().unwrap(), most).unwrap(), expected);
    }

    #[test]
    fn view_shows_the_columns_of_each_record(world in world(), sizes in sizes()) {
        let log = Log::in_memory_of(seal(), sizes).unwrap();
        let entries = fill(&log, &world);
        let connection = lock(&log.reader.connection);
        let mut statement = connection.prepare(
            "SELECT seq, time, event_id, event_name, event_source, account, user_name, access_key_id, read_only, \
             error_code, record FROM events ORDER BY seq",
        ).unwrap();
        let mut rows = statement.query([]).unwrap();
        for (seq, entry) in (1..).zip(&entries) {
            let row = rows.next().unwrap().unwrap();
            let text = |column: usize| row.get::<_, Option<String>>(column).unwrap();
            prop_assert_eq!(row.get::<_, u64>(0).unwrap(), seq);
            prop_assert_eq!(row.get::<_, i64>(1).unwrap(), entry.time().seconds());
            prop_assert_eq!(text(2), Some(entry.id().to_string()));
            prop_assert_eq!(text(3), Some(entry.event_name().to_owned()));
            prop_assert_eq!(text(4), Some(entry.event_source().to_owned()));
            prop_assert_eq!(text(5), entry.account().map(|account| account.to_string()));
            prop_assert_eq!(text(6), entry.user_name().map(str::to_owned));
            prop_assert_eq!(text(7), entry.access_key_id().map(str::to_owned));
            prop_assert_eq!(row.get::<_, bool>(8).unwrap(), entry.read_only());
            prop_assert_eq!(text(9), entry.error_code().map(str::to_owned));
            prop_assert_eq!(&Entry::parse(text(10).unwrap().as_bytes()).unwrap(), entry);
        }
        prop_assert!(rows.next().unwrap().is_none());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn durable_entries_sent_again_are_there_once_though_the_log_was_opened_anew(
        facts in vec(fact(), 1..40),
        sent in vec((vec((any::<usize>(), any::<bool>()), 0..10), any::<bool>()), 1..15),
        sizes in sizes(),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("audit.sqlite");
        let mut log = open(&path, sizes);
        let mut expected: Vec<Entry> = Vec::new();
        for (batch, anew) in sent {
            let mut entries = Vec::new();
            for (place, plain) in batch {
                let entry = facts[place % facts.len()].entry();
                // Plain ones are appended as often as they come.
                if plain || !expected.contains(&entry) {
                    expected.push(entry.clone());
                }
                entries.push((if plain { Lane::Plain } else { Lane::Durable }, entry));
            }
            let before = log.head().seq;
            let appended = log.append(&entries).unwrap();
            prop_assert_eq!(before + appended.records, appended.head.seq);
            prop_assert_eq!(appended.head.seq, u64::try_from(expected.len()).unwrap());
            prop_assert_eq!(appended.records + appended.known, u64::try_from(entries.len()).unwrap());
            if anew {
                drop(log);
                log = open(&path, sizes);
            }
        }
        let held: Vec<Entry> =
            log.reader().after(0, usize::MAX).unwrap().into_iter().map(|stored| stored.entry).collect();
        prop_assert_eq!(held, expected);
        prop_assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole());
    }
}

#[test]
fn append_that_failed_leaves_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("audit.sqlite");
    let sizes = Sizes { batch_records: 4, batch_bytes: 1_000_000, block_records: 8, block_bytes: 1_000_000 };
    let log = open(&path, sizes);
    let entries: Vec<_> = (0..1_000_u16).map(|n| (Lane::Durable, numbered(n))).collect();
    log.append(&entries[..6]).unwrap();
    log.limit_bytes(1).unwrap();
    let head = log.head();
    assert!(matches!(log.append(&entries[6..]), Err(Error::Full)));
    log.limit_bytes(1 << 30).unwrap();
    assert_eq!(log.head(), head);
    assert_eq!(log.append(&entries).unwrap().known, 6);
    assert_eq!(log.head().seq, 1_000);
    assert!(log.reader().verify(Some(&log.head())).unwrap().is_whole());
    let query =
        Query { account: AccountId::from_number(1).unwrap(), from: None, until: None, attribute: None };
    let found = log.reader().lookup(&query, 1_000, None).unwrap();
    assert!(found.events.iter().rev().zip(&entries).all(|(stored, (_, entry))| stored.entry == *entry));
    assert_eq!((found.events.len(), found.next), (1_000, None));
}

#[test]
fn batches_and_blocks_end_at_their_bounds() {
    let sizes = Sizes { batch_records: 4, batch_bytes: 1_000_000, block_records: 8, block_bytes: 1_000_000 };
    let log = Log::in_memory_of(seal(), sizes).unwrap();
    let entries: Vec<_> = (0..27).map(|n| (Lane::Plain, numbered(n))).collect();
    log.append(&entries).unwrap();
    assert_eq!(count(&log, "SELECT count(*) FROM batches"), 7);
    assert_eq!(count(&log, "SELECT count(*) FROM blocks"), 3);
    assert_eq!(count(&log, "SELECT max(last) FROM blocks"), 24);
    // Two users in each block, the account, one name, one source, and no more.
    assert_eq!(count(&log, "SELECT count(*) FROM terms"), 3 * 5);
}

#[test]
fn few_large_records_make_a_batch() {
    let log = Log::in_memory(seal()).unwrap();
    let mut large = numbered(0).json().to_owned();
    let text = "x".repeat(200_000);
    large.insert_str(1, &format!("\"filler\":\"{text}\","));
    let large = Entry::parse(large.as_bytes()).unwrap();
    log.append(&vec![(Lane::Plain, large); 11]).unwrap();
    let longest = count(&log, "SELECT max(length(records)) FROM batches");
    assert!(longest < 512 * 1_024, "{longest}");
    assert_eq!(count(&log, "SELECT count(*) FROM batches"), 6);
    assert_eq!(log.reader().after(0, 100).unwrap().len(), 11);
}

/// Of account 1, by two users.
fn numbered(n: u16) -> Entry {
    let fact = Fact {
        kind: 1,
        account: Some(1),
        user: if n.is_multiple_of(2) { "anna" } else { "bo" },
        key: None,
        name: "GetUser",
        source: "iam.amazonaws.com",
        read_only: true,
        failure: false,
        resource: None,
        time: i64::from(n / 8),
        id: (i64::from(n), 0),
    };
    fact.entry()
}
