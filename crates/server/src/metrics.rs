//! Metrics in Prometheus' text form: what was asked, how it ended, how long it took.
//!
//! Labels come from closed sets (services, operations and error codes of the models), so no client can make more of them.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use metrics::{Counter, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use rootward_console::Route;
use rootward_pipeline::Answered;

use crate::node::Node;

/// Buckets of the duration histogram, in seconds.
const SECONDS: &[f64] = &[0.000_1, 0.000_25, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0];

/// Requests that name no operation.
const NONE: (&str, &str) = ("none", "none");

/// The recorder of this process.
pub(crate) struct Metrics {
    handle: PrometheusHandle,
    operations: HashMap<(&'static str, &'static str), OnceLock<Operation>>,
}

/// An answer of the console, in words of which there are few: never a name or a query of a request.
pub(crate) struct Page {
    /// As the router knows it, `none` where there is no such page.
    pub(crate) route: Arc<str>,
    pub(crate) method: &'static str,
    pub(crate) status: StatusCode,
}

impl Page {
    pub(crate) fn of(method: &Method, response: &Response<Bytes>) -> Self {
        let route = response.extensions().get::<Route>();
        Self {
            route: route.map_or_else(|| Arc::from("none"), |Route(route)| Arc::clone(route)),
            // Anybody can send any word as a method.
            method: match *method {
                Method::GET => "GET",
                Method::HEAD => "HEAD",
                Method::POST => "POST",
                _ => "other",
            },
            status: response.status(),
        }
    }
}

/// What is counted of one operation, looked up once: finding a counter by its labels costs more than counting.
struct Operation {
    succeeded: Counter,
    seconds: Histogram,
}

impl Operation {
    fn new(service: &'static str, operation: &'static str) -> Self {
        Self {
            succeeded: counter!("rootward_calls_total", "service" => service, "operation" => operation, "code" => "ok"),
            seconds: histogram!("rootward_call_seconds", "service" => service),
        }
    }
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
        let operations = rootward_api::SERVICES.iter().flat_map(|service| service.operations);
        let operations = operations.map(|operation| (operation.service.name, operation.name));
        let operations = operations.chain([NONE]).map(|names| (names, OnceLock::new())).collect();
        Self { handle, operations }
    }

    /// Notes one answered call.
    pub(crate) fn note(&self, answered: &Answered, took: Duration) {
        let names = answered.operation.map_or(NONE, |operation| (operation.service.name, operation.name));
        let Some(slot) = self.operations.get(&names) else { return };
        let operation = slot.get_or_init(|| Operation::new(names.0, names.1));
        operation.seconds.record(took.as_secs_f64());
        match &answered.error {
            None => operation.succeeded.increment(1),
            Some(code) => {
                let (service, operation) = names;
                counter!("rootward_calls_total", "service" => service, "operation" => operation, "code" => code.clone())
                    .increment(1);
            }
        }
    }

    /// Notes one answered request to the console.
    #[expect(clippy::unused_self, reason = "who notes has installed the recorder")]
    pub(crate) fn note_page(&self, page: &Page, took: Duration) {
        let (route, method) = (Arc::clone(&page.route), page.method);
        let status = page.status.as_str().to_owned();
        counter!("rootward_pages_total", "page" => route, "method" => method, "status" => status)
            .increment(1);
        histogram!("rootward_page_seconds").record(took.as_secs_f64());
    }

    /// All metrics as text.
    pub(crate) fn render(&self, node: &Node) -> String {
        let (alerts_failing, alerts) = node.alert_figures();
        #[expect(clippy::cast_precision_loss, reason = "gauges are floating point by their format")]
        {
            gauge!("rootward_accounts").set(node.accounts() as f64);
            gauge!("rootward_alerts_failing_targets").set(alerts_failing as f64);
            gauge!("rootward_trail_backlog_records").set(node.trail_backlog() as f64);
        }
        gauge!("rootward_trail_healthy").set(f64::from(u8::from(node.is_healthy())));
        counter!("rootward_alerts_delivered_total").absolute(alerts.delivered);
        counter!("rootward_alerts_failures_total").absolute(alerts.failures);
        counter!("rootward_refusals_unrecorded_total").absolute(node.pipeline().refusals_unrecorded());
        self.handle.run_upkeep();
        self.handle.render()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_is_known_by_its_route_and_a_word_that_no_client_chooses() {
        let mut response = Response::new(Bytes::new());
        let page = Page::of(&Method::from_bytes(b"ANN").unwrap(), &response);
        assert_eq!((&*page.route, page.method, page.status), ("none", "other", StatusCode::OK));
        response.extensions_mut().insert(Route("/console/users/{name}".into()));
        let page = Page::of(&Method::GET, &response);
        assert_eq!((&*page.route, page.method), ("/console/users/{name}", "GET"));
    }
}
