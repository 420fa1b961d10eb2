//! Sustained records per second through the writer into a log on disk.
//!
//! `cargo run --release -p rootward-audit --example append_rate [RECORDS] [FOLDER]`. Records are made as the request path
//! makes them, 1 in 10 durable; 1,000 users in 3 accounts. Prints the cost of making one, the rate, and the size.

use std::error::Error;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rootward_audit::{
    Call, Entry, EventId, Lane, Limits, Log, Record, Seal, TlsDetails, UserIdentity, Writer,
};
use rootward_names::{AccountId, Random, Time};
use serde_json::value::RawValue;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count: u64 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let folder = tempfile::tempdir_in(arguments.next().map_or_else(std::env::temp_dir, PathBuf::from))?;
    let path = folder.path().join("audit.sqlite");
    let mut random = Counter(1);
    let parameters = RawValue::from_string(r#"{"userName":"user-000123","maxItems":100}"#.to_owned())?;

    let start = Instant::now();
    for n in 0..100_000 {
        std::hint::black_box(entry(n, &parameters, &mut random)?);
    }
    println!("make one entry: {:.2} µs", start.elapsed().as_secs_f64() * 10.0);

    let log = Arc::new(Log::open(&path, Seal::new(|_| [0; 32]))?);
    let writer = Writer::start(Arc::clone(&log), Limits::default(), Box::new(|_, _| {}))?;
    let (start, cpu_before) = (Instant::now(), cpu_seconds());
    let mut bytes = 0;
    for n in 0..count {
        let mut entry = entry(n, &parameters, &mut random)?;
        bytes += entry.json().len();
        let lane = if n.is_multiple_of(10) { Lane::Durable } else { Lane::Plain };
        while let Err(backlogged) = writer.try_send(lane, entry) {
            std::thread::sleep(Duration::from_millis(2));
            entry = *backlogged.entry;
        }
    }
    writer.flush(Duration::from_secs(60))?;
    let seconds = start.elapsed().as_secs_f64();
    let rate = |count: u64| f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds;
    println!(
        "append: {:.0} records/s ({count} in {seconds:.2} s, {} batches)",
        rate(count),
        writer.stats().batches
    );
    let cpu = cpu_seconds() - cpu_before;
    println!(
        "append: {:.2} µs of processor for each record, making it included",
        cpu * seconds_to_micros(count)
    );
    drop(writer);
    let start = Instant::now();
    let report = log.reader().verify(None)?;
    println!("verify: {:.2} s, whole: {}", start.elapsed().as_secs_f64(), report.is_whole());
    println!("size: {} bytes, of which {bytes} are records", std::fs::metadata(&path)?.len());
    Ok(())
}

fn entry(n: u64, parameters: &RawValue, random: &mut Counter) -> Result<Entry, Box<dyn Error>> {
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

/// Processor time of this process: what counts when the machine has other work. Zero where `/proc` is missing.
fn cpu_seconds() -> f64 {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11);
    fields.take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / TICKS_PER_SECOND
}

fn seconds_to_micros(count: u64) -> f64 {
    1e6 / f64::from(u32::try_from(count).unwrap_or(u32::MAX))
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
