//! How long the kernel takes: one customer with 1,000 events and about 500 features, and many customers
//! of 20 events with 295 features. Prints JSON.

use std::hint::black_box;
use std::time::Instant;

use rekindle_models::behaviour::{
    DAY_MS, Duplicates, Events, Feature, FeatureSpec, Kernel, Metric, Selector, Timeline, Window,
};
use rekindle_models::seed::mix2;

const CUTOFF: i64 = 20_000 * DAY_MS;
const KINDS: usize = 20;

fn main() {
    let wide = spec(wide_features());
    let narrow = spec(narrow_features());
    let one = customer(1, 1_000, 730);
    let microseconds = time(&wide, std::slice::from_ref(&one), 2_000);
    let many: Vec<Events> = (0..2_000).map(|i| customer(i, 20, 730)).collect();
    let few_events = time(&narrow, &many, 20);
    let few_wide = time(&wide, &many, 20);
    println!(
        "{{\"one_customer\": {{\"events\": 1000, \"features\": {}, \"us\": {microseconds:.1}}}, \
         \"many\": {{\"events\": 20, \"features\": {}, \"us\": {few_events:.2}}}, \
         \"many_wide\": {{\"events\": 20, \"features\": {}, \"us\": {few_wide:.2}}}}}",
        wide.features.len(),
        narrow.features.len(),
        wide.features.len(),
    );
}

/// Median microseconds for a customer.
fn time(spec: &FeatureSpec, customers: &[Events], repeats: usize) -> f64 {
    let kernel = Kernel::new(spec).expect("the features are well-formed");
    let (mut scratch, mut kept) = (kernel.scratch(), Events::default());
    let mut row = vec![0.0; kernel.width()];
    let mut times = Vec::new();
    for _ in 0..repeats {
        let start = Instant::now();
        for events in customers {
            let timeline = Timeline::new(events, 0..events.len());
            kernel.fill(&timeline.history(CUTOFF, &mut kept), &mut scratch, &mut row);
            black_box(&row);
        }
        times.push(start.elapsed().as_secs_f64() * 1e6 / customers.len() as f64);
    }
    times.sort_by(f64::total_cmp);
    times[times.len() / 2]
}

fn spec(features: Vec<Feature>) -> FeatureSpec {
    FeatureSpec {
        timezone: "Europe/Paris".to_owned(),
        kinds: (0..KINDS).map(kind).collect(),
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes: Vec::new(),
    }
}

fn kind(place: usize) -> String {
    format!("kind_{place:02}")
}

fn windows() -> [Window; 5] {
    [7, 30, 90, 180, 365].map(Window::Days)
}

fn each(metric: Metric, of: &Selector, features: &mut Vec<Feature>) {
    let valued = metric.info().measure && metric != Metric::Share;
    let measure = valued.then(|| "amount".to_owned());
    if metric.info().windows == 0 {
        let feature =
            Feature { windows: Vec::new(), ..Feature::new(metric, of.clone(), Window::All) };
        features.push(Feature { measure, ..feature });
        return;
    }
    for window in windows() {
        let measure = measure.clone();
        features.push(Feature { measure, ..Feature::new(metric, of.clone(), window) });
    }
}

/// Those of the peers' script: 5 windows x 20 kinds x count and sum, first, last and greatest by kind, and
/// seven of all events by window.
fn narrow_features() -> Vec<Feature> {
    let mut features = Vec::new();
    for place in 0..KINDS {
        let of = Selector::kind(&kind(place));
        each(Metric::Count, &of, &mut features);
        each(Metric::Sum, &of, &mut features);
        each(Metric::RecencyDays, &of, &mut features);
        each(Metric::FirstDays, &of, &mut features);
        let max = Feature::new(Metric::Max, of, Window::All);
        features.push(Feature { measure: Some("amount".to_owned()), ..max });
    }
    let any = Selector::default();
    for metric in [
        Metric::Count,
        Metric::Sum,
        Metric::Mean,
        Metric::Max,
        Metric::EarliestDays,
        Metric::LatestDays,
        Metric::Kinds,
    ] {
        each(metric, &any, &mut features);
    }
    features
}

/// The same and more: days, gaps, spreads, runs, products, hours.
fn wide_features() -> Vec<Feature> {
    let mut features = narrow_features();
    let any = Selector::default();
    for metric in [
        Metric::Days,
        Metric::GapMean,
        Metric::GapMedian,
        Metric::GapSpread,
        Metric::GapMax,
        Metric::StreakMax,
        Metric::IdleMax,
        Metric::Products,
        Metric::RepeatShare,
        Metric::WeekdayEntropy,
        Metric::HourEntropy,
        Metric::Baskets,
        Metric::Spread,
    ] {
        each(metric, &any, &mut features);
    }
    for place in 0..7 {
        let of = Selector::kind(&kind(place));
        for metric in [Metric::Days, Metric::GapMean, Metric::Mean, Metric::Share] {
            each(metric, &of, &mut features);
        }
    }
    features
}

fn customer(seed: u64, events: usize, days: u64) -> Events {
    let draw = |place: usize, what: u64| mix2(mix2(seed, place as u64), what);
    let mut times: Vec<i64> =
        (0..events).map(|i| CUTOFF - 1 - (draw(i, 0) % (days * DAY_MS as u64)) as i64).collect();
    times.sort_unstable();
    Events {
        times,
        kinds: (0..events).map(|i| (draw(i, 1) % KINDS as u64) as u16).collect(),
        products: (0..events).map(|i| 1 + draw(i, 2) % 300).collect(),
        measures: vec![(0..events).map(|i| (draw(i, 3) % 10_000) as f64 / 100.0).collect()],
        ..Events::default()
    }
}
