//! Other decision engines on the same corpora: `peers ENGINE CORPUS` prints one JSON object.
//!
//! Each engine gets the policies in its own language, loaded before, and each request ready to be asked; what is timed is the
//! engine's answer, by the meter that `rootward decide --bench` uses. Engines that know one layer of policies only are asked
//! about each layer, and the words are combined here, which costs nothing beside them.

mod aspen;
mod casbin;
mod cedar;
mod corpus;
mod iam_rs;
#[path = "../../../../crates/rootward/src/decide/meter.rs"]
mod meter;
mod rego;

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use corpus::Answer;
use serde_json::json;

/// Answers the request of this index.
type Engine = Box<dyn FnMut(usize) -> Answer>;

/// Answers are collected no longer than this; slow engines then answer only some requests.
const ANSWERS_MAX: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [engine, file] = &*arguments else { bail!("usage: peers ENGINE CORPUS") };
    let corpus = corpus::read(Path::new(file))?;
    let (mut answer, note): (Engine, &str) = match &**engine {
        "aspen" => (aspen::engine(&corpus)?, "SCPs of all levels as one"),
        "casbin" => (casbin::engine(&corpus)?, "identity policies only; conditions by a function of ours"),
        "cedar" => (cedar::engine(&corpus)?, "policies translated; actions without wildcards"),
        "iam-rs" => (iam_rs::engine(&corpus)?, ""),
        "regorus" => (rego::engine(&corpus)?, "policies as data of a Rego program of ours"),
        other => bail!("there is no engine `{other}`"),
    };
    let begin = Instant::now();
    let all = 0..corpus.requests.len();
    let answers: Vec<&str> =
        all.take_while(|_| begin.elapsed() < ANSWERS_MAX).map(|at| answer(at).name()).collect();
    let figures = meter::measure(corpus.requests.len(), |at| {
        black_box(answer(black_box(at)));
    });
    println!(
        "{}",
        json!({"engine": engine, "corpus": corpus.name, "perSecond": figures.per_second, "p50Us": figures.p50_us,
               "p99Us": figures.p99_us, "batch": figures.batch, "clockNs": figures.clock_ns, "answers": answers, "note": note})
    );
    Ok(())
}
