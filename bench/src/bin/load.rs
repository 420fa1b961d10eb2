//! The load: signs calls ahead of time, sends them over kept-open connections, and prints what came back as one JSON line.
//!
//! One thread, so that on a small machine the server has the rest. A run ends when its time is up or its numbers are used
//! up. An answer with another status than the expected one is an error; errors end the run with exit code 1 and the first
//! of them on standard error. Only loopback addresses are taken: this is no tool to turn on others.

use std::cell::{Cell, RefCell};
use std::io::Write as _;
use std::net::SocketAddr;
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
use tokio::task::LocalSet;

/// Send signed calls to a server on this machine and count the answers.
#[derive(Parser)]
struct Arguments {
    /// Address and port of the server; loopback only.
    #[arg(long)]
    to: SocketAddr,
    /// JSON with AccessKeyId and SecretAccessKey.
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// `iam:GetUser`, `sts:GetCallerIdentity`, …
    #[arg(long, value_name = "SERVICE:OPERATION")]
    call: String,
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
    /// The status that every answer must have.
    #[arg(long, default_value_t = 200)]
    expect: u16,
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
    if !arguments.to.ip().is_loopback() {
        return Err(format!("{} is not on this machine", arguments.to).into());
    }
    let plan = plan(arguments)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    if arguments.show {
        return runtime.block_on(show(arguments, &plan));
    }
    LocalSet::new().block_on(&runtime, measure(arguments, plan))
}

fn plan(arguments: &Arguments) -> Result<Plan, Failure> {
    let (service, action) = arguments.call.split_once(':').ok_or("a call is SERVICE:OPERATION")?;
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
    let key: AccessKey = serde_json::from_slice(&std::fs::read(&arguments.key)?)?;
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
    let mut connection = Connection::new(arguments.to);
    let request = plan.request(0).ok_or("there is nothing to send")?;
    let answer = connection.exchange(request).await?;
    std::io::stdout().write_all(answer.bytes)?;
    Ok(if answer.status == arguments.expect { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the connections of one run share.
struct Run {
    plan: Plan,
    turn: Cell<usize>,
    expect: u16,
    count_from: Instant,
    until: Instant,
    /// When counting began and what the server had used by then.
    began: Cell<Option<(Instant, Option<Duration>)>>,
    process: Option<u32>,
    tally: RefCell<Tally>,
}

async fn measure(arguments: &Arguments, plan: Plan) -> Result<ExitCode, Failure> {
    let count_from = Instant::now() + Duration::try_from_secs_f64(arguments.warm_up)?;
    let run = Rc::new(Run {
        plan,
        turn: Cell::new(0),
        expect: arguments.expect,
        count_from,
        until: count_from + Duration::try_from_secs_f64(arguments.seconds)?,
        began: Cell::new(None),
        process: arguments.process,
        tally: RefCell::default(),
    });
    let connections: Vec<_> = (0..arguments.connections.max(1))
        .map(|_| tokio::task::spawn_local(Rc::clone(&run).drive(Connection::new(arguments.to))))
        .collect();
    let last = tokio::time::Instant::from_std(run.until + GRACE);
    for connection in connections {
        match tokio::time::timeout_at(last, connection).await {
            Ok(joined) => joined?,
            Err(_) => run.tally.borrow_mut().error(|| "no answer long after the time was up".to_owned()),
        }
    }
    run.print()
}

impl Run {
    async fn drive(self: Rc<Self>, mut connection: Connection) {
        while Instant::now() < self.until {
            let Some(request) = self.plan.request(self.turn.replace(self.turn.get() + 1)) else { return };
            let begun = Instant::now();
            let outcome = connection.exchange(request).await;
            let wait = begun.elapsed();
            let mut tally = self.tally.borrow_mut();
            match outcome {
                Ok(answer) if answer.status == self.expect => {
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

    fn print(&self) -> Result<ExitCode, Failure> {
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
            return Ok(ExitCode::FAILURE);
        }
        Ok(ExitCode::SUCCESS)
    }
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let (start, end) = text.split_once("..").ok_or("a range is FROM..TO")?;
    let number = |text: &str| text.parse::<u64>().map_err(|error| format!("`{text}`: {error}"));
    Ok(number(start)?..number(end)?)
}

/// How long after its end a run waits for the answers it is owed.
const GRACE: Duration = Duration::from_secs(30);
