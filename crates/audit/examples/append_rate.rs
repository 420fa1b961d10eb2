//! What the log costs: making an entry, appending it, finding it again.
//!
//! `cargo run --release -p rootward-audit --example append_rate [RECORDS] [FOLDER]`. Records are made as the request path
//! makes them; 1,000 users in 3 accounts. First through the writer, 1 in 10 durable; then plain ones straight into a log, in
//! batches of several sizes; then look-ups of 50 in the first log. Processor time is that of the thread that appends.

use std::error::Error;
use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rootward_audit::{
    Attribute, Call, Entry, EventId, Lane, Limits, Log, Query, Record, Seal, TlsDetails, UserIdentity, Writer,
};
use rootward_names::{AccountId, Random, Time};
use serde_json::value::RawValue;

type Outcome<T = ()> = Result<T, Box<dyn Error>>;

fn main() -> Outcome {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir_in(arguments.next().map_or_else(std::env::temp_dir, PathBuf::from))?;
    let mut source = Source::new()?;

    let start = Instant::now();
    for n in 0..100_000 {
        black_box(source.entry(n)?);
    }
    println!("make one entry: {:.2} µs", start.elapsed().as_secs_f64() * 10.0);

    let log = through_the_writer(&folder.path().join("writer.sqlite"), count, &mut source)?;
    for size in [1, 10, 1_000, 5_000] {
        let path = folder.path().join(format!("{size}.sqlite"));
        straight(&path, size, if size < 100 { 20_000 } else { 200_000 }, &mut source)?;
    }
    look_ups(&log, count, &mut source)
}

fn through_the_writer(path: &Path, count: u64, source: &mut Source) -> Outcome<Arc<Log>> {
    let log = Arc::new(Log::open(path, seal())?);
    let writer = Writer::start(Arc::clone(&log), Limits::default(), Box::new(|_, _| {}))?;
    let start = Instant::now();
    let mut bytes = 0;
    for n in 0..count {
        let mut entry = source.entry(n)?;
        bytes += entry.json().len();
        let lane = if n.is_multiple_of(10) { Lane::Durable } else { Lane::Plain };
        while let Err(backlogged) = writer.try_send(lane, entry) {
            std::thread::sleep(Duration::from_millis(2));
            entry = *backlogged.entry;
        }
    }
    writer.flush(Duration::from_secs(60))?;
    let seconds = start.elapsed().as_secs_f64();
    println!("writer: {:.0} records/s, {count} in {seconds:.2} s", float(count) / seconds);
    println!("writer: {:.2} µs of processor for each record", thread_seconds("audit") * 1e6 / float(count));
    drop(writer);
    let start = Instant::now();
    let report = log.reader().verify(None)?;
    println!("verify: {:.2} s, whole: {}", start.elapsed().as_secs_f64(), report.is_whole());
    println!("size: {} bytes, of which {bytes} are records", std::fs::metadata(path)?.len());
    let start = Instant::now();
    let again = Log::open(path, seal())?;
    let opened = start.elapsed();
    again.append(&[(Lane::Durable, source.entry(count)?)])?;
    println!("open: {} ms, with a first append {} ms", millis(opened), millis(start.elapsed()));
    Ok(log)
}

fn straight(path: &Path, size: u64, count: u64, source: &mut Source) -> Outcome {
    let log = Log::open(path, seal())?;
    let mut seconds = 0.0;
    for first in (0..count).step_by(usize::try_from(size)?) {
        let made: Outcome<Vec<_>> =
            (first..first + size).map(|n| Ok((Lane::Plain, source.entry(n)?))).collect();
        let made = made?;
        let before = thread_seconds("append_rate");
        log.append(&made)?;
        drop(made);
        seconds += thread_seconds("append_rate") - before;
    }
    let bytes = std::fs::metadata(path)?.len() / count;
    println!(
        "batches of {size}: {:.2} µs of processor, {bytes} bytes for each record",
        seconds * 1e6 / float(count)
    );
    Ok(())
}

fn look_ups(log: &Log, count: u64, source: &mut Source) -> Outcome {
    let account = source.entry(count / 2)?.account().ok_or("account")?;
    let half = log.reader().after(count / 2, 1)?.pop().ok_or("a record")?.entry;
    let key = half.access_key_id().unwrap_or_default();
    let time = half.time();
    let all = Query { account: half.account().unwrap_or(account), from: None, until: None, attribute: None };
    let by = |attribute| Query { attribute: Some(attribute), ..all };
    for (what, query) in [
        ("newest", all),
        ("user", by(Attribute::UserName(half.user_name().unwrap_or_default()))),
        ("access key", by(Attribute::AccessKeyId(key))),
        ("event name", by(Attribute::EventName("GetUser"))),
        ("changes", by(Attribute::ReadOnly(false))),
        ("event id", by(Attribute::EventId(half.id()))),
        ("nobody", by(Attribute::UserName("nobody"))),
        ("one second", Query { from: Some(time), until: Some(time), ..all }),
        ("user up to then", Query { until: Some(time), ..by(Attribute::AccessKeyId(key)) }),
    ] {
        let start = Instant::now();
        let found = (0..5).map(|_| log.reader().lookup(&query, 50, None)).collect::<Result<Vec<_>, _>>()?;
        let found = found.first().map_or(0, |page| page.events.len());
        println!("look up {what}: {found} in {} ms", millis(start.elapsed() / 5));
    }
    Ok(())
}

fn seal() -> Seal {
    Seal::new(|_| [0; 32])
}

fn millis(time: Duration) -> String {
    format!("{:.2}", time.as_secs_f64() * 1e3)
}

fn float(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Processor time of this process's thread with this name: what counts when the machine has other work. Zero where `/proc`
/// has no scheduler statistics.
fn thread_seconds(name: &str) -> f64 {
    let threads =
        std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten().map(|entry| entry.path());
    let read = |path: PathBuf| std::fs::read_to_string(path).unwrap_or_default();
    let mut named = threads.filter(|path| read(path.join("comm")).trim() == name);
    let nanos = named.next().map(|path| read(path.join("schedstat"))).unwrap_or_default();
    nanos.split_whitespace().next().and_then(|nanos| nanos.parse::<f64>().ok()).unwrap_or_default() / 1e9
}

struct Source {
    parameters: Box<RawValue>,
    random: Counter,
}

impl Source {
    fn new() -> Outcome<Self> {
        let parameters = RawValue::from_string(r#"{"userName":"user-000123","maxItems":100}"#.to_owned())?;
        Ok(Self { parameters, random: Counter(1) })
    }

    fn entry(&mut self, n: u64) -> Outcome<Entry> {
        entry(n, &self.parameters, &mut self.random)
    }
}

fn entry(n: u64, parameters: &RawValue, random: &mut Counter) -> Outcome<Entry> {
    let account = AccountId::from_number(100_000_000_000 + n % 3).ok_or("account")?;
    let user = n.wrapping_mul(2_654_435_761) % 1_000;
    let (name, key) = (format!("user-{user:06}"), format!("AKIAEXAMPLEKEY{user:06}"));
    let arn = format!("arn:aws:iam::{account}:user/{name}");
    let time = Time::from_millis(1_704_067_200_000 + i64::try_from(n / 40)?);
    let identity = UserIdentity::User {
        principal_id: "AIDAEXAMPLEEXAMPLEEXA",
        arn: &arn,
        account,
        access_key: Some(&key),
        name: &name,
        session: None,
    };
    let call = Call {
        source: "iam.amazonaws.com",
        name: if n.is_multiple_of(2) { "GetUser" } else { "ListUsers" },
        region: "us-east-1",
        source_ip: "192.0.2.7",
    };
    let tls = TlsDetails {
        version: "TLSv1.3",
        cipher: "TLS_AES_128_GCM_SHA256",
        host: Some("iam.example.org"),
        key_exchange: None,
    };
    Ok(Entry::new(&Record {
        user_agent: Some("Boto3/1.40 md/Botocore#1.40 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11"),
        request: Some(parameters),
        request_id: Some("7e6d7d3e-0c5c-4a53-9b43-3b1f6a0f0a11"),
        read_only: !n.is_multiple_of(10),
        tls: Some(tls),
        ..Record::new(EventId::new(time, random), time, call, identity)
    }))
}

/// Numbers that look random enough for an index.
struct Counter(u64);

impl Random for Counter {
    fn fill(&mut self, bytes: &mut [u8]) {
        for byte in bytes {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            *byte = u8::try_from(self.0 >> 56).unwrap_or_default();
        }
    }
}
