//! Metrics in Prometheus' text form: what was asked, how it ended, how long it took.
//!
//! Labels come from closed sets (services, operations and error codes of the models), so no client can make more of them.

use std::time::Duration;

use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rootward_pipeline::Answered;

/// Buckets of the duration histogram, in seconds.
const SECONDS: &[f64] = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// The recorder of this process.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
}

impl Metrics {
    /// Installs the recorder; a second one in one process records nothing and shows nothing.
    pub(crate) fn install() -> Self {
        let recorder = match PrometheusBuilder::new().set_buckets(SECONDS) {
            Ok(builder) => builder.build_recorder(),
            Err(_) => PrometheusBuilder::new().build_recorder(),
        };
        let handle = recorder.handle();
        let _ = metrics::set_global_recorder(recorder);
        Self { handle }
    }

    /// Notes one answered call.
    pub(crate) fn note(&self, answered: &Answered, took: Duration) {
        let (service, operation) =
            answered.operation.map_or(("none", "none"), |operation| (operation.service.name, operation.name));
        match &answered.error {
            None => counter!("rootward_calls_total", "service" => service, "operation" => operation, "code" => "ok"),
            Some(code) => {
                counter!("rootward_calls_total", "service" => service, "operation" => operation, "code" => code.clone())
            }
        }
        .increment(1);
        histogram!("rootward_call_seconds", "service" => service).record(took.as_secs_f64());
    }

    /// All metrics as text.
    pub(crate) fn render(&self, accounts: usize, trail_backlog: u64, trail_healthy: bool) -> String {
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point by their format")]
        {
            gauge!("rootward_accounts").set(accounts as f64);
            gauge!("rootward_trail_backlog_records").set(trail_backlog as f64);
        }
        gauge!("rootward_trail_healthy").set(f64::from(u8::from(trail_healthy)));
        self.handle.run_upkeep();
        self.handle.render()
    }
}
