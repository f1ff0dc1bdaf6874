//! What the service counts, for `/metrics`. Labels are route patterns, models and versions: never what a client made up.

use std::time::{Duration, SystemTime};

use prometheus::{
    Encoder, Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec,
    IntGauge, Opts, Registry, TextEncoder,
};
use rekindle_models::frame::Rows;
use rekindle_models::scorer::Score;

/// The service's counters. Each started service has its own; clones count together.
#[derive(Clone)]
pub struct Counters {
    registry: Registry,
    requests: IntCounterVec,
    seconds: HistogramVec,
    /// Requests that are being answered.
    pub in_flight: IntGauge,
    shed: IntCounterVec,
    batches: IntCounterVec,
    deliveries: IntCounterVec,
    customers: IntCounterVec,
    positive: IntCounterVec,
    cells: IntCounterVec,
    missing_cells: IntCounterVec,
    unknown_fields: IntCounterVec,
    unknown_levels: IntCounterVec,
    probability: HistogramVec,
    age: GaugeVec,
    swaps: IntCounterVec,
    refused: IntCounterVec,
    shadowed: IntCounterVec,
    shadow_flips: IntCounterVec,
    shadow_difference: HistogramVec,
    /// Comparisons with a shadow that were left out because the thread that makes them was behind.
    pub shadow_dropped: IntCounter,
    /// Requests that a canary could not answer, so that the version in force did.
    pub canary_failed: IntCounter,
    /// How late the threads that answer requests are.
    pub lag: Gauge,
    /// Days until the certificate ends.
    pub certificate_days: Gauge,
    degraded: GaugeVec,
}

/// Upper ends of the latency buckets, in seconds.
const SECONDS: [f64; 14] =
    [1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.25, 0.5, 1.0, 5.0];
/// Upper ends of the buckets of probabilities.
const PROBABILITIES: [f64; 12] = [0.01, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0];
/// Upper ends of the buckets of differences between two probabilities.
const DIFFERENCES: [f64; 7] = [1e-9, 1e-3, 0.01, 0.05, 0.1, 0.25, 1.0];

/// What is counted of one version of a model: found once, when it is loaded.
#[derive(Debug, Clone)]
pub struct ModelCounters {
    customers: IntCounter,
    positive: IntCounter,
    cells: IntCounter,
    missing_cells: IntCounter,
    unknown_fields: IntCounter,
    unknown_levels: IntCounter,
    probability: Histogram,
}

impl Counters {
    /// All at zero.
    pub fn new() -> Counters {
        let registry = Registry::new();
        let counters = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, IntCounterVec::new(Opts::new(name, help), labels))
        };
        let histograms = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
            register(&registry, HistogramVec::new(options, labels))
        };
        let gauges = |name: &str, help: &str, labels: &[&str]| {
            register(&registry, GaugeVec::new(Opts::new(name, help), labels))
        };
        let counter = |name: &str, help: &str| {
            register(&registry, IntCounter::with_opts(Opts::new(name, help)))
        };
        #[cfg(target_os = "linux")]
        registry
            .register(Box::new(prometheus::process_collector::ProcessCollector::for_self()))
            .expect("the process's own figures are registered once");
        Counters {
            requests: counters(
                "rekindle_requests_total",
                "Requests answered, by route and status.",
                &["method", "route", "status"],
            ),
            seconds: histograms(
                "rekindle_request_seconds",
                "Time to answer a request, by route.",
                &SECONDS,
                &["route"],
            ),
            in_flight: register(
                &registry,
                IntGauge::new("rekindle_requests_in_flight", "Requests that are being answered."),
            ),
            shed: counters(
                "rekindle_requests_shed_total",
                "Requests refused because there were too many, or answered too late, by reason.",
                &["reason"],
            ),
            deliveries: counters(
                "rekindle_deliveries_total",
                "Pages of campaigns' lists sent to webhooks, by what became of the list: `sending`, `sent`, `failed`.",
                &["state"],
            ),
            batches: counters(
                "rekindle_batches_total",
                "Batches that ended, by outcome: `answered`, or the code of what went wrong.",
                &["outcome"],
            ),
            customers: counters(
                "rekindle_customers_scored_total",
                "Customers scored, by model and version.",
                &VERSION,
            ),
            positive: counters(
                "rekindle_customers_positive_total",
                "Customers whose probability reached the threshold.",
                &VERSION,
            ),
            cells: counters("rekindle_cells_total", "Cells of scored customers.", &VERSION),
            missing_cells: counters(
                "rekindle_missing_cells_total",
                "Cells of scored customers that were missing.",
                &VERSION,
            ),
            unknown_fields: counters(
                "rekindle_unknown_fields_total",
                "Fields of scored customers that are no features of the model.",
                &VERSION,
            ),
            unknown_levels: counters(
                "rekindle_unknown_levels_total",
                "Cells of scored customers with a level that the model has never seen.",
                &VERSION,
            ),
            probability: histograms(
                "rekindle_probability",
                "Probabilities that were answered.",
                &PROBABILITIES,
                &VERSION,
            ),
            age: gauges(
                "rekindle_model_age_seconds",
                "Seconds since the version's file was written.",
                &VERSION,
            ),
            swaps: counters(
                "rekindle_model_swaps_total",
                "Versions put in force since the start.",
                &["model"],
            ),
            refused: counters(
                "rekindle_model_refused_total",
                "Versions refused since the start: damaged, or their golden rows came back changed.",
                &["model"],
            ),
            shadowed: counters(
                "rekindle_shadow_customers_total",
                "Customers scored by a shadow as well.",
                &VERSION,
            ),
            shadow_flips: counters(
                "rekindle_shadow_flips_total",
                "Customers whom the shadow decides otherwise.",
                &VERSION,
            ),
            shadow_difference: histograms(
                "rekindle_shadow_difference",
                "Absolute difference between the shadow's probability and the one answered.",
                &DIFFERENCES,
                &VERSION,
            ),
            shadow_dropped: counter(
                "rekindle_shadow_dropped_total",
                "Comparisons with a shadow that were left out for lack of time.",
            ),
            canary_failed: counter(
                "rekindle_canary_failed_total",
                "Requests that a canary could not answer, so that the version in force did.",
            ),
            lag: register(
                &registry,
                Gauge::new(
                    "rekindle_lag_seconds",
                    "How late the threads that answer requests were at their last look.",
                ),
            ),
            certificate_days: register(
                &registry,
                Gauge::new(
                    "rekindle_certificate_days_left",
                    "Days until the TLS certificate ends; 0 where TLS is not spoken.",
                ),
            ),
            degraded: gauges(
                "rekindle_degraded",
                "1 where a part has failed and the service goes on without it.",
                &["part"],
            ),
            registry,
        }
    }

    /// Counts an answered request. `route` is the pattern, not the path: few of them exist.
    pub fn request(&self, method: &str, route: &str, status: &str, took: Duration) {
        self.requests.with_label_values(&[method, route, status]).inc();
        self.seconds.with_label_values(&[route]).observe(took.as_secs_f64());
    }

    /// Counts a request that was refused or dropped: `queue`, `lag`, `rate`, `deadline`, `batches`, `memory`.
    pub fn shed(&self, reason: &str) {
        self.shed.with_label_values(&[reason]).inc();
    }

    /// Counts a try to send a page, by where its delivery stands then.
    pub fn delivery(&self, state: &str) {
        self.deliveries.with_label_values(&[state]).inc();
    }

    /// Counts a batch that ended.
    pub fn batch(&self, outcome: &str) {
        self.batches.with_label_values(&[outcome]).inc();
    }

    /// The counters of a version.
    pub fn of_model(&self, model: &str, version: u32) -> ModelCounters {
        let labels = [model, &version.to_string()];
        ModelCounters {
            customers: self.customers.with_label_values(&labels),
            positive: self.positive.with_label_values(&labels),
            cells: self.cells.with_label_values(&labels),
            missing_cells: self.missing_cells.with_label_values(&labels),
            unknown_fields: self.unknown_fields.with_label_values(&labels),
            unknown_levels: self.unknown_levels.with_label_values(&labels),
            probability: self.probability.with_label_values(&labels),
        }
    }

    /// The ages of the models in force: names, versions, and when their files were written.
    pub fn ages<'a>(&self, models: impl Iterator<Item = (&'a str, u32, Option<SystemTime>)>) {
        self.age.reset();
        for (model, version, written) in models {
            let Some(written) = written else { continue };
            let age = SystemTime::now().duration_since(written).unwrap_or_default();
            self.age.with_label_values(&[model, &version.to_string()]).set(age.as_secs_f64());
        }
    }

    /// Counts a version put in force.
    pub fn swapped(&self, model: &str) {
        self.swaps.with_label_values(&[model]).inc();
    }

    /// Counts a version that was refused.
    pub fn refused(&self, model: &str) {
        self.refused.with_label_values(&[model]).inc();
    }

    /// Counts what a shadow made of customers that were answered with `answered`.
    pub fn shadow(&self, model: &str, version: u32, answered: &[Score], shadow: &[Score]) {
        let labels = [model, &version.to_string()];
        let differences = self.shadow_difference.with_label_values(&labels);
        let mut flips = 0;
        for (ours, theirs) in answered.iter().zip(shadow) {
            differences.observe((ours.probability - theirs.probability).abs());
            flips += u64::from(ours.positive != theirs.positive);
        }
        self.shadowed.with_label_values(&labels).inc_by(answered.len() as u64);
        self.shadow_flips.with_label_values(&labels).inc_by(flips);
    }

    /// Says whether a part has failed.
    pub fn degraded(&self, part: &str, failed: bool) {
        self.degraded.with_label_values(&[part]).set(f64::from(u8::from(failed)));
    }

    /// The Prometheus text.
    pub fn text(&self) -> String {
        let mut text = Vec::new();
        let families = self.registry.gather();
        TextEncoder::new().encode(&families, &mut text).expect("a vector takes every write");
        String::from_utf8(text).expect("names, labels and numbers are text")
    }
}

impl ModelCounters {
    /// Counts the customers of a request that was scored.
    pub fn scored(&self, rows: &Rows, scores: &[Score], unknown_fields: u64, unknown_levels: u64) {
        let positive = scores.iter().filter(|score| score.positive).count();
        let missing = rows.cells().iter().filter(|cell| cell.is_nan()).count();
        scores.iter().for_each(|score| self.probability.observe(score.probability));
        for (counter, count) in [
            (&self.customers, scores.len() as u64),
            (&self.positive, positive as u64),
            (&self.cells, rows.cells().len() as u64),
            (&self.missing_cells, missing as u64),
            (&self.unknown_fields, unknown_fields),
            (&self.unknown_levels, unknown_levels),
        ] {
            // Threads share the counters: what changes nothing is not written.
            if count > 0 {
                counter.inc_by(count);
            }
        }
    }
}

fn register<C: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    made: prometheus::Result<C>,
) -> C {
    let made = made.expect("names, labels and buckets are valid");
    registry.register(Box::new(made.clone())).expect("each name is registered once");
    made
}

const VERSION: [&str; 2] = ["model", "version"];
