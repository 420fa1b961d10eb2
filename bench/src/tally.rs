//! What a run saw: how many answers, how long each took, what went wrong, what the server's processor time was.

use std::time::Duration;

use serde::Serialize;

/// Counts while a run lasts.
#[derive(Default)]
pub struct Tally {
    waits: Vec<u64>,
    errors: u64,
    first_error: Option<String>,
}

/// The result, as it is printed.
#[derive(Serialize)]
pub struct Report {
    pub answers: usize,
    pub seconds: f64,
    pub per_second: f64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub errors: u64,
    /// Processor time that the server spent on each answer, in microseconds; only where its process was named.
    pub server_cpu_us: Option<f64>,
}

impl Tally {
    pub fn answer(&mut self, wait: Duration) {
        self.waits.push(u64::try_from(wait.as_nanos()).unwrap_or(u64::MAX));
    }

    pub fn error(&mut self, text: impl FnOnce() -> String) {
        self.errors += 1;
        self.first_error.get_or_insert_with(text);
    }

    pub fn first_error(&self) -> Option<&str> {
        self.first_error.as_deref()
    }

    /// Adds everything up; `cpu` is what the server used meanwhile.
    pub fn report(&mut self, elapsed: Duration, cpu: Option<Duration>) -> Report {
        self.waits.sort_unstable();
        let answers = self.waits.len();
        let seconds = elapsed.as_secs_f64();
        Report {
            answers,
            seconds,
            per_second: answers as f64 / seconds,
            p50_us: self.percentile(50),
            p99_us: self.percentile(99),
            max_us: self.percentile(100),
            errors: self.errors,
            server_cpu_us: cpu.map(|cpu| cpu.as_secs_f64() * 1e6 / answers.max(1) as f64),
        }
    }

    /// Nearest rank, in microseconds; `waits` is sorted.
    fn percentile(&self, part: usize) -> f64 {
        let rank = (self.waits.len() * part).div_ceil(100).saturating_sub(1);
        self.waits.get(rank).map_or(0.0, |&nanoseconds| nanoseconds as f64 / 1e3)
    }
}

/// Processor time of all threads of a process that live now, from `/proc/PID/task/*/schedstat`, which counts nanoseconds
/// where `/proc/PID/stat` counts hundredths of a second.
pub fn processor_time(process: u32) -> Option<Duration> {
    let tasks = std::fs::read_dir(format!("/proc/{process}/task")).ok()?;
    let nanoseconds = tasks.flatten().filter_map(|task| {
        let line = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    });
    Some(Duration::from_nanos(nanoseconds.sum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_the_nearest_rank() {
        let mut tally = Tally::default();
        (1..=200).rev().for_each(|micros| tally.answer(Duration::from_micros(micros)));
        let report = tally.report(Duration::from_secs(2), None);
        assert_eq!(
            (report.p50_us, report.p99_us, report.max_us, report.per_second),
            (100.0, 198.0, 200.0, 100.0)
        );
    }

    #[test]
    fn empty_run_reports_zeros() {
        let report = Tally::default().report(Duration::from_secs(1), Some(Duration::ZERO));
        assert_eq!((report.answers, report.p50_us, report.server_cpu_us), (0, 0.0, Some(0.0)));
    }
}
