//! Deliveries from a log in memory to real sockets.
#![allow(clippy::unwrap_used, reason = "a helper that fails fails its test")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::{AtomicU16, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rootward_alerts::{Alerts, Bell, Delivery, NewRoute, NewTarget, Setup, Source, send_test};
use rootward_audit::{Call, Entry, EventId, Failure, Lane, Log, Record, Seal, UserIdentity};
use rootward_names::{AccountId, Random, Time};
use rootward_state::alerts::{AlertCursor, AlertTarget, Severity};
use rootward_state::{Db, NameKey, RowKey};
use rootward_store::Memory;
use rootward_store::vault::{Key, Vault};
use serde_json::Value;

const PATIENCE: Duration = Duration::from_secs(20);

struct Sevens;

impl Random for Sevens {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.fill(7);
    }
}

struct Clock;

impl Source for Clock {
    fn now(&self) -> Time {
        Time::from_seconds(1_700_000_000)
    }

    fn number(&self) -> u64 {
        0
    }
}

/// State, log and deliveries, as a node has them.
struct World {
    db: Arc<Db>,
    log: Arc<Log>,
    vault: Arc<Vault>,
    bell: Arc<Bell>,
    ids: AtomicU64,
}

impl World {
    fn new() -> Self {
        Self {
            db: Db::open(Arc::new(Memory::new().unwrap())).unwrap().db,
            log: Arc::new(Log::in_memory(Seal::new(|_| [0; 32])).unwrap()),
            vault: Arc::new(Vault::new(&Key::random(&mut Sevens))),
            bell: Arc::default(),
            ids: AtomicU64::new(0),
        }
    }

    fn start(&self) -> Alerts {
        Alerts::start(Setup {
            db: Arc::clone(&self.db),
            log: Arc::clone(&self.log),
            vault: Arc::clone(&self.vault),
            bell: Arc::clone(&self.bell),
            source: Arc::new(Clock),
        })
    }

    fn add(
        &self,
        name: &str,
        sink: SocketAddr,
        account: Option<AccountId>,
        severity: Severity,
    ) -> AlertTarget {
        let url = format!("http://{sink}/hook");
        let target =
            NewTarget { name, account, severity, route: NewRoute::Webhook { url: &url, secret: None } };
        let made = target.make(Time::from_seconds(0), &self.vault, &mut Sevens).unwrap().target;
        let mut txn = self.db.begin();
        txn.put(RowKey::AlertTarget(NameKey::new(name)), made.clone());
        let seq = self.log.head().seq;
        txn.put(RowKey::AlertCursor(NameKey::new(name)), AlertCursor { seq, delivered: None });
        self.db.commit_wait(txn).unwrap();
        made
    }

    fn remove(&self, name: &str) {
        let mut txn = self.db.begin();
        txn.delete(RowKey::AlertTarget(NameKey::new(name)));
        txn.delete(RowKey::AlertCursor(NameKey::new(name)));
        self.db.commit_wait(txn).unwrap();
    }

    /// Records a call of a user, or of root; the id of its record.
    fn record(&self, name: &str, account: u64, by_root: bool) -> String {
        let account = AccountId::from_number(account).unwrap();
        let identity = if by_root {
            UserIdentity::Root { arn: "root", account, access_key: None, alias: None, session: None }
        } else {
            let (principal_id, arn, name) = ("AIDAEXAMPLE", "arn:aws:iam::1:user/ann", "ann");
            UserIdentity::User { principal_id, arn, account, access_key: None, name, session: None }
        };
        let call = Call { source: "iam.amazonaws.com", name, region: "us-east-1", source_ip: "192.0.2.1" };
        let mut bytes = [0; 16];
        bytes[8..].copy_from_slice(&self.ids.fetch_add(1, Ordering::Relaxed).to_be_bytes());
        let id = EventId::from_bytes(bytes);
        let failure = (name == "Refused").then_some(Failure { code: Some("AccessDenied"), message: "no" });
        let entry = Entry::new(&Record { failure, ..Record::new(id, Time::from_seconds(1), call, identity) });
        self.log.append(&[(Lane::Plain, entry)]).unwrap();
        self.bell.ring(self.log.head().seq);
        id.to_string()
    }

    fn cursor(&self, target: &str) -> u64 {
        self.db.snapshot().alert_cursor(target).map_or(0, |cursor| cursor.seq)
    }
}

/// An HTTP server that answers with a status and keeps what it was sent.
struct Sink {
    address: SocketAddr,
    status: Arc<AtomicU16>,
    bodies: Arc<Mutex<Vec<Value>>>,
}

impl Sink {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (status, bodies) = (Arc::new(AtomicU16::new(204)), Arc::<Mutex<Vec<_>>>::default());
        let (answer, keep) = (Arc::clone(&status), Arc::clone(&bodies));
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let mut reader = BufReader::new(stream.try_clone().unwrap());
                let (mut length, mut line) = (0, String::new());
                while reader.read_line(&mut line).unwrap() > 2 {
                    if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                        length = value.trim().parse().unwrap();
                    }
                    line.clear();
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).unwrap();
                let status = answer.load(Ordering::SeqCst);
                if status < 300 {
                    keep.lock().unwrap().push(serde_json::from_slice(&body).unwrap());
                }
                let location = if status == 307 { "location: /other\r\n" } else { "" };
                let head = format!(
                    "HTTP/1.1 {status} x\r\n{location}content-length: 0\r\nconnection: close\r\n\r\n"
                );
                stream.write_all(head.as_bytes()).unwrap();
            }
        });
        Self { address, status, bodies }
    }

    fn ids(&self) -> Vec<String> {
        let bodies = self.bodies.lock().unwrap();
        bodies.iter().map(|body| body["id"].as_str().unwrap().to_owned()).collect()
    }

    #[track_caller]
    fn wait_for(&self, ids: &[&String]) {
        wait_until("the sink has them", || self.ids().len() >= ids.len());
        assert_eq!(self.ids().iter().collect::<Vec<_>>(), ids);
    }
}

#[track_caller]
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let start = Instant::now();
    while !holds() {
        assert!(start.elapsed() < PATIENCE, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn delivery(alerts: &Alerts, target: &str) -> Delivery {
    alerts.delivery(target).unwrap()
}

#[test]
fn what_matters_is_delivered_in_order_and_the_cursor_follows() {
    let (world, sink) = (World::new(), Sink::start());
    world.record("CreatePolicy", 1, false);
    world.add("hook", sink.address, None, Severity::Info);
    let alerts = world.start();
    let first = world.record("CreatePolicy", 1, false);
    world.record("CreateUser", 1, false);
    world.record("Refused", 1, false);
    let second = world.record("Refused", 1, true);
    sink.wait_for(&[&first, &second]);
    wait_until("the cursor is written", || world.cursor("hook") == 5);
    assert_eq!((alerts.totals().delivered, alerts.failing()), (2, 0));
    alerts.stop();
}

#[test]
fn target_is_told_of_its_account_and_severity_alone() {
    let (world, sink) = (World::new(), Sink::start());
    world.add("hook", sink.address, AccountId::from_number(1), Severity::Warning);
    let alerts = world.start();
    world.record("CreatePolicy", 1, false);
    world.record("GetUser", 2, true);
    let told = world.record("GetUser", 1, true);
    sink.wait_for(&[&told]);
    alerts.stop();
}

#[test]
fn refusing_target_is_tried_again_and_misses_nothing() {
    let (world, sink) = (World::new(), Sink::start());
    world.add("hook", sink.address, None, Severity::Info);
    sink.status.store(307, Ordering::SeqCst);
    let alerts = world.start();
    let ids = [world.record("CreatePolicy", 1, false), world.record("GetUser", 1, true)];
    wait_until("it fails", || delivery(&alerts, "hook").failure.is_some());
    let failing = delivery(&alerts, "hook");
    assert_eq!(failing.failure.unwrap().1.to_string(), "it answered 307 Temporary Redirect");
    assert_eq!((failing.waiting_since, alerts.failing()), (Some(Time::from_seconds(1)), 1));
    sink.status.store(200, Ordering::SeqCst);
    sink.wait_for(&ids.iter().collect::<Vec<_>>());
    wait_until("it works again", || delivery(&alerts, "hook").failure.is_none());
    alerts.stop();
}

#[test]
fn dead_target_holds_up_nobody() {
    let (world, sink) = (World::new(), Sink::start());
    let dead = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    world.add("dead", dead, None, Severity::Info);
    world.add("hook", sink.address, None, Severity::Info);
    let alerts = world.start();
    let ids: Vec<_> = (0..20).map(|_| world.record("CreatePolicy", 1, false)).collect();
    sink.wait_for(&ids.iter().collect::<Vec<_>>());
    wait_until("it fails", || delivery(&alerts, "dead").failure.is_some());
    assert_eq!(delivery(&alerts, "dead").seq, 0);
    alerts.stop();
}

#[test]
fn what_was_not_delivered_is_after_the_next_start_and_what_was_is_not() {
    let (world, sink) = (World::new(), Sink::start());
    world.add("hook", sink.address, None, Severity::Info);
    let alerts = world.start();
    let first = world.record("CreatePolicy", 1, false);
    sink.wait_for(&[&first]);
    sink.status.store(503, Ordering::SeqCst);
    let second = world.record("CreatePolicy", 1, false);
    wait_until("it fails", || delivery(&alerts, "hook").failure.is_some());
    alerts.stop();
    assert_eq!(world.cursor("hook"), 1);
    let third = world.record("CreatePolicy", 1, false);
    sink.status.store(200, Ordering::SeqCst);
    let alerts = world.start();
    sink.wait_for(&[&first, &second, &third]);
    alerts.stop();
}

#[test]
fn targets_are_followed_as_they_come_and_go() {
    let (world, sink) = (World::new(), Sink::start());
    let alerts = world.start();
    world.record("CreatePolicy", 1, false);
    world.add("hook", sink.address, None, Severity::Info);
    alerts.reload();
    let told = world.record("CreatePolicy", 1, false);
    sink.wait_for(&[&told]);
    world.remove("hook");
    alerts.reload();
    assert!(alerts.delivery("hook").is_none());
    world.record("CreatePolicy", 1, false);
    let other = Sink::start();
    world.add("HOOK", other.address, None, Severity::Info);
    alerts.reload();
    let last = world.record("CreatePolicy", 1, false);
    other.wait_for(&[&last]);
    assert_eq!(sink.ids(), [told]);
    alerts.stop();
}

#[test]
fn test_is_sent_at_once_and_says_why_it_failed() {
    let (world, sink) = (World::new(), Sink::start());
    let target = world.add("hook", sink.address, None, Severity::Critical);
    let send = || send_test(&target, &world.vault, "an id", Clock.now());
    send().unwrap();
    assert_eq!(sink.bodies.lock().unwrap()[0]["type"], "dev.rootward.alerts.test");
    sink.status.store(500, Ordering::SeqCst);
    assert_eq!(send().unwrap_err().to_string(), "it answered 500 Internal Server Error");
    let other = Vault::new(&Key::random(&mut Count));
    assert_eq!(
        send_test(&target, &other, "an id", Clock.now()).unwrap_err().to_string(),
        "its address cannot be opened: a sealed value does not open"
    );
}

struct Count;

impl Random for Count {
    fn fill(&mut self, bytes: &mut [u8]) {
        bytes.iter_mut().zip(0..).for_each(|(byte, n)| *byte = n);
    }
}

#[test]
fn cursor_behind_the_log_passes_over_nothing() {
    let (world, sink) = (World::new(), Sink::start());
    world.add("hook", sink.address, None, Severity::Info);
    let mut txn = world.db.begin();
    txn.put(RowKey::AlertCursor(NameKey::new("hook")), AlertCursor { seq: 100, delivered: None });
    world.db.commit_wait(txn).unwrap();
    let alerts = world.start();
    let told = world.record("CreatePolicy", 1, false);
    sink.wait_for(&[&told]);
    alerts.stop();
}
