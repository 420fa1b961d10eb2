//! Measuring what takes a fraction of a microsecond, or much longer, in the same way.
//!
//! Rates are taken over whole rounds of different items by the thread's processor time, so that other work on the machine does
//! not count; the median of five rounds is told. Latencies are taken by the wall clock: the clock's own cost (median of pairs
//! of readings) is subtracted, and where an item does not take much longer than that, a small batch of the same item is timed and
//! divided, which hides how repetitions of one item differ, not how items do.
//!
//! `bench/engine` measures the peers with this very file.

use std::time::{Duration, Instant};

/// What was measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    pub(crate) per_second: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How many repetitions of one item a latency is the mean of.
    pub(crate) batch: u32,
    /// Cost of reading the clock once, which is subtracted.
    pub(crate) clock_ns: f64,
}

const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_millis(200);
const SAMPLES_MAX: usize = 1_000_000;

/// Measures `run(0)` to `run(count - 1)`; `run` must not be optimized away.
pub(crate) fn measure(count: usize, mut run: impl FnMut(usize)) -> Figures {
    let per_second = rate(count, &mut run);
    let clock = clock_cost();
    let mean_ns = 1e9 / per_second.max(1e-9);
    let batch = (BATCH_CLOCKS * clock.as_nanos() as f64 / mean_ns).ceil().clamp(1.0, 256.0) as u32;
    let samples = latencies(count, batch, clock, &mut run);
    let at = |share: usize| samples.get((samples.len() * share / 100).min(samples.len() - 1));
    let micros = |share| at(share).map_or(0.0, |nanos| f64::from(*nanos) / 1e3);
    let clock_ns = clock.as_nanos() as f64;
    Figures { per_second, p50_us: micros(50), p99_us: micros(99), batch, clock_ns }
}

/// A batch takes at least this many times as long as reading the clock.
const BATCH_CLOCKS: f64 = 20.0;

/// Items a second of this thread's processor time.
pub(crate) fn rate(count: usize, mut run: impl FnMut(usize)) -> f64 {
    let mut at = 0;
    let mut next = || {
        run(at);
        at = (at + 1) % count.max(1);
    };
    // Warms up, and finds how many items take about a millisecond: reading the clock must not count.
    let (begin, mut chunk, mut warm) = (processor_time(), 1, 0);
    while processor_time() - begin < ROUND {
        (0..chunk).for_each(|_| next());
        warm += chunk;
        chunk = (warm / 200).max(1);
    }
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (begin, mut items) = (processor_time(), 0);
            loop {
                (0..chunk).for_each(|_| next());
                items += chunk;
                let taken = processor_time() - begin;
                if taken >= ROUND {
                    return items as f64 / taken.as_secs_f64();
                }
            }
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    rates.get(ROUNDS / 2).copied().unwrap_or_default()
}

/// Sorted, in nanoseconds, the clock taken off. Never empty.
fn latencies(count: usize, batch: u32, clock: Duration, mut run: impl FnMut(usize)) -> Vec<u32> {
    let (begin, mut samples, mut at) = (Instant::now(), Vec::with_capacity(SAMPLES_MAX), 0);
    while samples.is_empty() || (samples.len() < SAMPLES_MAX && begin.elapsed() < 4 * ROUND) {
        let start = Instant::now();
        (0..batch).for_each(|_| run(at));
        let taken = start.elapsed().saturating_sub(clock) / batch;
        samples.push(u32::try_from(taken.as_nanos()).unwrap_or(u32::MAX));
        at = (at + 1) % count.max(1);
    }
    samples.sort_unstable();
    samples
}

fn clock_cost() -> Duration {
    let mut pairs: Vec<Duration> = (0..10_001).map(|_| Instant::now().elapsed()).collect();
    pairs.sort_unstable();
    pairs.get(5_000).copied().unwrap_or_default()
}

/// Of this thread.
pub(crate) fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_that_sleeps_takes_its_time() {
        let mut met = [0; 3];
        let samples = latencies(3, 2, Duration::ZERO, |at| {
            met[at] += 1;
            std::thread::sleep(Duration::from_millis(20));
        });
        assert!(samples.iter().all(|nanos| *nanos >= 20_000_000), "{samples:?}");
        assert!(met.iter().all(|times| *times > 0 && times % 2 == 0), "{met:?}");
    }
}
