//! The load: signs calls ahead of time, sends them over kept-open connections, and prints what came back as one JSON line.
//! Instead of calls it sends a recorded request, again and again: a form of the console, for example. Or it sends one beside the calls,
//! at a rate of its own, from 64 other addresses.
//!
//! One thread, for what is sent beside the calls too, so that on a small machine the server has the rest. A run ends when its time is up or its numbers are used
//! up. An answer with a status that was not expected is an error; errors end the run with exit code 1 and the first
//! of them on standard error. Only loopback addresses are taken: this is no tool to turn on others.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::rc::Rc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use clap::Parser;
use rootward_bench::Failure;
use rootward_bench::client::Connection;
use rootward_bench::plan::{Call, Plan};
use rootward_bench::sign::{AccessKey, Signer};
use rootward_bench::tally::{Tally, processor_time};
use tokio::task::{JoinHandle, LocalSet};

/// Send signed calls to a server on this machine and count the answers.
#[derive(Parser)]
struct Arguments {
    /// Address and port of the server; loopback only.
    #[arg(long)]
    to: SocketAddr,
    /// JSON with AccessKeyId and SecretAccessKey.
    #[arg(long, value_name = "FILE", required_unless_present = "request")]
    key: Option<PathBuf>,
    /// `iam:GetUser`, `sts:GetCallerIdentity`, …
    #[arg(long, value_name = "SERVICE:OPERATION", required_unless_present = "request")]
    call: Option<String>,
    /// The bytes of the request to send instead of a call.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["key", "call", "once"])]
    request: Option<PathBuf>,
    /// A parameter; `{n}` in the value is replaced by a number.
    #[arg(long = "with", value_name = "NAME=VALUE")]
    parameters: Vec<String>,
    /// The numbers that `{n}` takes, the end excluded.
    #[arg(long, default_value = "0..1", value_name = "FROM..TO", value_parser = range)]
    numbers: Range<u64>,
    /// Send each number once, in order, and stop; otherwise they are repeated until the time is up.
    #[arg(long)]
    once: bool,
    /// How many different requests to sign and repeat.
    #[arg(long, default_value_t = 1024, conflicts_with = "once")]
    pool: u64,
    #[arg(long, default_value_t = 16)]
    connections: usize,
    /// At most so many seconds, the warm-up not counted.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Send for so many seconds before counting.
    #[arg(long, default_value_t = 0.0)]
    warm_up: f64,
    /// Send so many a second, evenly, however long answers take; as fast as answers come, if it is not given.
    #[arg(long, value_name = "RATE")]
    per_second: Option<f64>,
    /// Connect from an address of its own (127.1.0.1, 127.1.0.2, …) with every connection, as if from many machines.
    #[arg(long)]
    spread: bool,
    /// The bytes of a request to send beside the calls, from 64 addresses; its answers may be refusals (403, 429, 503) too and are
    /// counted apart.
    #[arg(long, value_name = "FILE", requires = "beside_per_second", conflicts_with_all = ["request", "spread"])]
    beside: Option<PathBuf>,
    #[arg(long, value_name = "RATE", requires = "beside")]
    beside_per_second: Option<f64>,
    /// Where to send it, if not to the server of the calls; loopback only.
    #[arg(long, value_name = "ADDRESS", requires = "beside")]
    beside_to: Option<SocketAddr>,
    /// The statuses that answers may have.
    #[arg(long, default_value = "200", value_delimiter = ',')]
    expect: Vec<u16>,
    /// The server's process, to count its processor time.
    #[arg(long, value_name = "PID")]
    process: Option<u32>,
    /// Send one request and print the whole answer instead.
    #[arg(long)]
    show: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("load: {error}");
            ExitCode::from(3)
        }
    }
}

fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    for server in [Some(arguments.to), arguments.beside_to].into_iter().flatten() {
        if !server.ip().is_loopback() {
            return Err(format!("{server} is not on this machine").into());
        }
    }
    let plan = plan(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.show {
        return runtime.block_on(show(arguments, &plan));
    }
    LocalSet::new().block_on(&runtime, measure(arguments, plan))
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    if let Some(file) = &arguments.request {
        return Ok(Plan::recorded(std::fs::read(file)?));
    }
    let (Some(call), Some(key)) = (&arguments.call, &arguments.key) else {
        return Err("there is neither a call nor a request".into());
    };
    let (service, action) = call.split_once(':').ok_or("a call is SERVICE:OPERATION")?;
    let version = match service {
        "iam" => "2010-05-08",
        "sts" => "2011-06-15",
        _ => return Err(format!("no API version known for `{service}`").into()),
    };
    let parameters = arguments.parameters.iter().map(|parameter| {
        let (name, value) = parameter.split_once('=').ok_or("a parameter is NAME=VALUE")?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let call =
        Call { action: action.to_owned(), version, parameters: parameters.collect::<Result<_, Failure>>()? };
    let key: AccessKey = serde_json::from_slice(&std::fs::read(key)?)?;
    let signer = Signer::new(&key, service, "us-east-1", &arguments.to.to_string(), now()?)?;
    if arguments.once {
        Plan::once(&call, &signer, arguments.numbers.clone())
    } else {
        Plan::repeated(&call, &signer, arguments.numbers.clone(), arguments.pool)
    }
}

#[expect(clippy::disallowed_methods, reason = "a program reads the clock for its libraries")]
fn now() -> Result<u64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())
}

async fn show(arguments: &Arguments, plan: &Plan) -> Result<ExitCode, Failure> {
    let mut connection = Connection::new(arguments.to, None);
    let request = plan.request(0).ok_or("there is nothing to send")?;
    let answer = connection.exchange(request).await?;
    std::io::stdout().write_all(answer.bytes)?;
    Ok(if arguments.expect.contains(&answer.status) { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the connections of one run share.
struct Run {
    plan: Plan,
    turn: Cell<usize>,
    expect: Vec<u16>,
    /// When a request is due that is sent as number `turn`, and not before.
    begin: tokio::time::Instant,
    every: Option<Duration>,
    count_from: Instant,
    until: Instant,
    /// When counting began and what the server had used by then.
    began: Cell<Option<(Instant, Option<Duration>)>>,
    process: Option<u32>,
    tally: RefCell<Tally>,
}

async fn measure(arguments: &Arguments, plan: Plan) -> Result<ExitCode, Failure> {
    let beside = match (&arguments.beside, arguments.beside_per_second) {
        (Some(file), Some(rate)) => {
            Some(Run::new(arguments, Plan::recorded(std::fs::read(file)?), &ANSWERS, Some(rate))?)
        }
        _ => None,
    };
    let run = Run::new(arguments, plan, &arguments.expect, arguments.per_second)?;
    let count = u16::try_from(arguments.connections.max(1))?;
    let mut connections = run.connect(arguments.to, count, arguments.spread);
    let to = arguments.beside_to.unwrap_or(arguments.to);
    connections.extend(beside.iter().flat_map(|beside| beside.connect(to, BESIDE, true)));
    let last = tokio::time::Instant::from_std(run.until + GRACE);
    for connection in connections {
        match tokio::time::timeout_at(last, connection).await {
            Ok(joined) => joined?,
            Err(_) => run.tally.borrow_mut().error(|| "no answer long after the time was up".to_owned()),
        }
    }
    let mut fine = run.print()?;
    if let Some(beside) = beside {
        fine &= beside.print()?;
    }
    Ok(if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

impl Run {
    fn new(
        arguments: &Arguments,
        plan: Plan,
        expect: &[u16],
        rate: Option<f64>,
    ) -> Result<Rc<Self>, Failure> {
        let count_from = Instant::now() + Duration::try_from_secs_f64(arguments.warm_up)?;
        Ok(Rc::new(Self {
            plan,
            turn: Cell::new(0),
            expect: expect.to_vec(),
            begin: tokio::time::Instant::now(),
            every: rate.map(|rate| Duration::try_from_secs_f64(1.0 / rate)).transpose()?,
            count_from,
            until: count_from + Duration::try_from_secs_f64(arguments.seconds)?,
            began: Cell::new(None),
            process: arguments.process,
            tally: RefCell::default(),
        }))
    }

    /// Opens connections, each from an address of its own if they are spread, and sends over them.
    fn connect(self: &Rc<Self>, to: SocketAddr, count: u16, spread: bool) -> Vec<JoinHandle<()>> {
        (0..count)
            .map(|number| Connection::new(to, spread.then(|| source(number))))
            .map(|connection| tokio::task::spawn_local(Rc::clone(self).drive(connection)))
            .collect()
    }

    async fn drive(self: Rc<Self>, mut connection: Connection) {
        while Instant::now() < self.until {
            let turn = self.turn.replace(self.turn.get() + 1);
            let Some(request) = self.plan.request(turn) else { return };
            if let Some(every) = self.every {
                tokio::time::sleep_until(self.begin + every.mul_f64(turn as f64)).await;
            }
            let begun = Instant::now();
            let outcome = connection.exchange(request).await;
            let wait = begun.elapsed();
            let mut tally = self.tally.borrow_mut();
            match outcome {
                Ok(answer) if self.expect.contains(&answer.status) => {
                    if self.counts(begun) {
                        tally.answer(wait);
                    }
                }
                Ok(answer) => tally.error(|| String::from_utf8_lossy(answer.bytes).into_owned()),
                Err(error) => {
                    tally.error(|| error.to_string());
                    return;
                }
            }
        }
    }

    /// Whether a request begun at this time is measured; the first one that is starts the count.
    fn counts(&self, begun: Instant) -> bool {
        if begun < self.count_from {
            return false;
        }
        if self.began.get().is_none() {
            self.began.set(Some((begun, self.process.and_then(processor_time))));
        }
        true
    }

    /// Prints the report; false if there were errors.
    fn print(&self) -> Result<bool, Failure> {
        let mut tally = self.tally.borrow_mut();
        let (began, cpu_before) = self.began.get().unwrap_or((self.count_from, None));
        let cpu = self
            .process
            .and_then(processor_time)
            .zip(cpu_before)
            .map(|(after, before)| after.saturating_sub(before));
        let report = tally.report(began.elapsed(), cpu);
        println!("{}", serde_json::to_string(&report)?);
        if let Some(error) = tally.first_error() {
            eprintln!("load: {} errors, the first: {error}", report.errors);
            return Ok(false);
        }
        Ok(true)
    }
}

/// The address that connection number `number` comes from.
fn source(number: u16) -> IpAddr {
    let [high, low] = number.saturating_add(1).to_be_bytes();
    Ipv4Addr::new(127, 1, high, low).into()
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("a range is FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    Ok(number(start)?..number(end)?)
}

/// How many connections send what is sent beside the calls.
const BESIDE: u16 = 64;
/// What a guess at a password may be answered with.
const ANSWERS: [u16; 4] = [200, 403, 429, 503];

/// How long after its end a run waits for the answers it is owed.
const GRACE: Duration = Duration::from_secs(30);
