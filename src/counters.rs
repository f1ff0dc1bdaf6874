//! What the service counts, for `/metrics`.

use prometheus::{
    Encoder, HistogramOpts, HistogramVec, IntCounterVec, Opts, Registry, TextEncoder,
};

/// The service's counters. Each started service has its own.
pub struct Counters {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    customers: IntCounterVec,
    unknown_fields: IntCounterVec,
    unknown_levels: IntCounterVec,
}

/// Upper ends of the latency buckets, in seconds.
const BUCKETS: [f64; 13] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0, 5.0];

impl Counters {
    /// All at zero.
    pub fn new() -> Counters {
        let registry = Registry::new();
        let counter = |name: &str, help: &str, labels: &[&str]| {
            let counter = IntCounterVec::new(Opts::new(name, help), labels)
                .expect("names and labels are valid words");
            registry.register(Box::new(counter.clone())).expect("each name is registered once");
            counter
        };
        let requests = counter(
            "rekindle_requests_total",
            "Requests answered, by route and status.",
            &["method", "route", "status"],
        );
        let customers =
            counter("rekindle_customers_scored_total", "Customers scored, by model.", &MODEL);
        let unknown_fields = counter(
            "rekindle_unknown_fields_total",
            "Fields of scored customers that are no features of the model.",
            &MODEL,
        );
        let unknown_levels = counter(
            "rekindle_unknown_levels_total",
            "Cells of scored customers with a level that the model has never seen.",
            &MODEL,
        );
        let seconds = HistogramVec::new(
            HistogramOpts::new("rekindle_request_seconds", "Time to answer a request, by route.")
                .buckets(BUCKETS.to_vec()),
            &["route"],
        )
        .expect("names and buckets are valid");
        registry.register(Box::new(seconds.clone())).expect("each name is registered once");
        Counters { registry, requests, seconds, customers, unknown_fields, unknown_levels }
    }

    /// Counts an answered request. `route` is the pattern, not the path: few of them exist.
    pub fn request(&self, method: &str, route: &str, status: &str, seconds: f64) {
        self.requests.with_label_values(&[method, route, status]).inc();
        self.seconds.with_label_values(&[route]).observe(seconds);
    }

    /// Counts the customers of a request that was scored.
    pub fn scored(&self, model: &str, customers: u64, unknown_fields: u64, unknown_levels: u64) {
        self.customers.with_label_values(&[model]).inc_by(customers);
        self.unknown_fields.with_label_values(&[model]).inc_by(unknown_fields);
        self.unknown_levels.with_label_values(&[model]).inc_by(unknown_levels);
    }

    /// The Prometheus text.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        let families = self.registry.gather();
        TextEncoder::new().encode(&families, &mut text).expect("a vector takes every write");
        String::from_utf8(text).expect("names, labels and numbers are text")
    }
}

const MODEL: [&str; 1] = ["model"];
