//! The kernel against a slow twin that takes every definition at its word, and the law that nothing
//! at or after a cutoff, or received then, is seen.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::behaviour::Metric::*;

const KINDS: [&str; 4] = ["cart", "purchase", "return", "visit"];
const CUTOFF: i64 = 1_711_929_600_000; // 2024-04-01 00:00 UTC, a day after Europe changed its clocks

fn window(days: u16) -> Window {
    if days == 0 { Window::All } else { Window::Days(days) }
}

/// Every metric of several sets of events, over several windows.
fn every_feature() -> Vec<Feature> {
    let sets = [
        Selector::default(),
        Selector::kind("purchase"),
        Selector::channel("web"),
        Selector::group("toys"),
        Selector {
            kinds: vec!["purchase".to_owned(), "return".to_owned()],
            min_amount: Some(5.0),
            below_amount: Some(60.0),
            ..Selector::default()
        },
        Selector {
            channels: vec!["web".to_owned()],
            products: vec!["p1".to_owned(), "p2".to_owned()],
            ..Selector::default()
        },
    ];
    let mut features = Vec::new();
    for set in sets {
        for word in 0.. {
            let Some(metric) = METRICS.get(word).copied() else { break };
            let info = metric.info();
            let spans: &[&[u16]] = match info.windows {
                0 => &[&[]],
                1 => &[&[1], &[7], &[30], &[0]],
                2 => &[&[7, 30], &[30, 90]],
                _ => &[&[7, 30, 90]],
            };
            let measures: &[Option<&str>] =
                if info.measure { &[None, Some("amount"), Some("discount")] } else { &[None] };
            let parts: Vec<Option<Part>> = match info.part {
                None => vec![None],
                Some(of) => Part::ALL.into_iter().filter(|p| p.of() == of).map(Some).collect(),
            };
            for span in spans {
                for measure in measures {
                    for part in &parts {
                        features.push(Feature {
                            name: None,
                            metric,
                            of: set.clone(),
                            measure: measure.map(str::to_owned),
                            with: info.with.then(|| Selector::kind("visit")),
                            part: *part,
                            windows: span.iter().map(|&d| window(d)).collect(),
                        });
                    }
                }
            }
        }
    }
    features
}

const METRICS: [Metric; 46] = [
    Count,
    Days,
    Share,
    Sum,
    Mean,
    Max,
    Min,
    Spread,
    RecencyDays,
    FirstDays,
    LatestDays,
    EarliestDays,
    GapMean,
    GapMedian,
    GapSpread,
    GapMax,
    GapRatio,
    Ratio,
    Trend,
    Acceleration,
    StreakMax,
    StreakNow,
    IdleMax,
    WeekdayShare,
    HourShare,
    WeekdayEntropy,
    HourEntropy,
    Followed,
    FollowedShare,
    Baskets,
    BasketMean,
    BasketMax,
    BasketValue,
    Rate,
    PriceLevel,
    Products,
    Variety,
    RepeatShare,
    Kinds,
    Channels,
    Groups,
    Frequency,
    Monetary,
    BtydX,
    BtydTx,
    BtydT,
];

fn spec(features: Vec<Feature>) -> FeatureSpec {
    let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
    FeatureSpec {
        timezone: "Europe/Paris".to_owned(),
        kinds: texts(&KINDS),
        channels: texts(&["store", "web"]),
        groups: texts(&["food", "toys"]),
        measures: texts(&["amount", "discount"]),
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes: Vec::new(),
    }
}

/// One event in full.
#[derive(Debug, Clone, PartialEq)]
struct Event {
    time: i64,
    kind: u16,
    channel: u16,
    group: u16,
    product: u64,
    received: i64,
    amounts: [f64; 2],
}

fn columns(events: &[Event]) -> Events {
    let mut columns = Events { measures: vec![Vec::new(), Vec::new()], ..Events::default() };
    for e in events {
        columns.times.push(e.time);
        columns.kinds.push(e.kind);
        columns.channels.push(e.channel);
        columns.groups.push(e.group);
        columns.products.push(e.product);
        columns.received.push(e.received);
        columns.measures[0].push(e.amounts[0]);
        columns.measures[1].push(e.amounts[1]);
    }
    columns
}

/// The events in their order, whatever order they came in.
fn sorted(events: &[Event]) -> Events {
    let columns = columns(events);
    let mut order = Vec::new();
    columns.order(Duplicates::Keep, &mut order);
    let mut sorted = Events::default();
    order.iter().for_each(|&place| sorted.push_from(&columns, place as usize));
    sorted
}

fn features(kernel: &Kernel, scratch: &mut Scratch, events: &[Event], cutoff: i64) -> Vec<f64> {
    let events = sorted(events);
    let mut kept = Events::default();
    let history = Timeline::new(&events, 0..events.len()).history(cutoff, &mut kept);
    let mut features = vec![0.0; kernel.width()];
    kernel.fill(&history, scratch, &mut features);
    features
}

fn bits(features: &[f64]) -> Vec<u64> {
    features.iter().map(|f| f.to_bits()).collect()
}

/// Times crowd together, some on one instant, some on either side of midnight and of the change of
/// the clocks.
fn event() -> impl Strategy<Value = Event> {
    let time = prop_oneof![
        (0_i64..200_000).prop_map(|minutes| CUTOFF - 150 * DAY_MS + minutes * 60_000 * 2),
        (-3_i64..9).prop_map(|hours| CUTOFF - DAY_MS + hours * 3_600_000),
        (0_i64..12).prop_map(|days| CUTOFF - days * DAY_MS),
        (0_i64..4).prop_map(|days| CUTOFF - days * DAY_MS - 1),
    ];
    let amount = prop_oneof![Just(f64::NAN), (0_i32..9_000).prop_map(|c| f64::from(c) / 100.0)];
    let code = |n: u16| prop_oneof![4 => 0..n, 1 => Just(NONE), 1 => Just(OTHER)];
    let kind = prop_oneof![6 => 0_u16..4, 1 => Just(OTHER)];
    let late = prop_oneof![3 => Just(0_i64), 1 => 0_i64..20 * DAY_MS];
    let product = prop_oneof![Just(0_u64), (1_u64..5).prop_map(|p| product_key(&format!("p{p}")))];
    (time, kind, code(2), code(2), product, late, (amount.clone(), amount)).prop_map(
        |(time, kind, channel, group, product, late, (amount, discount))| Event {
            time,
            kind,
            channel,
            group,
            product,
            received: time + late,
            amounts: [amount, discount],
        },
    )
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(event(), 0..60)
}

/// The slow twin: every feature from a list of events, by its definition.
struct Twin<'a> {
    known: Vec<&'a Event>,
    cutoff: i64,
    zone: Zone,
}

impl<'a> Twin<'a> {
    fn new(events: &'a [Event], cutoff: i64) -> Twin<'a> {
        let known = events.iter().filter(|e| e.time < cutoff && e.received < cutoff).collect();
        Twin { known, cutoff, zone: Zone::named("Europe/Paris").unwrap() }
    }

    fn of(&self, set: &Selector, window: Window) -> Vec<&'a Event> {
        let names = spec(Vec::new()).dictionaries();
        let in_list = |list: &[String], dictionary: &Dictionary, code: u16| {
            list.is_empty() || list.iter().any(|n| dictionary.code(n) == code)
        };
        let passes = |e: &&&Event| {
            let products: Vec<u64> = set.products.iter().map(|p| product_key(p)).collect();
            in_list(&set.kinds, &names.kinds, e.kind)
                && in_list(&set.channels, &names.channels, e.channel)
                && in_list(&set.groups, &names.groups, e.group)
                && (products.is_empty() || products.contains(&e.product))
                && set.min_amount.is_none_or(|min| e.amounts[0] >= min)
                && set.below_amount.is_none_or(|below| e.amounts[0] < below)
        };
        let from = match window {
            Window::All => i64::MIN,
            Window::Days(days) => self.cutoff - i64::from(days) * DAY_MS,
        };
        self.known.iter().filter(|e| e.time >= from).filter(passes).copied().collect()
    }

    fn day(&self, time: i64) -> i64 {
        self.zone.local(time).div_euclid(DAY_MS)
    }

    fn days(&self, events: &[&Event]) -> Vec<i64> {
        let days: BTreeSet<i64> = events.iter().map(|e| self.day(e.time)).collect();
        days.into_iter().collect()
    }

    fn runs(days: &[i64]) -> Vec<usize> {
        let mut runs: Vec<usize> = Vec::new();
        for (place, day) in days.iter().enumerate() {
            match place > 0 && days[place - 1] + 1 == *day {
                true => *runs.last_mut().unwrap() += 1,
                false => runs.push(1),
            }
        }
        runs
    }

    fn since(&self, time: i64) -> f64 {
        (self.cutoff - time) as f64 / DAY_MS as f64
    }

    fn number(&self, f: &Feature) -> f64 {
        let first = f.windows.first().copied().unwrap_or(Window::All);
        let events = self.of(&f.of, first);
        let measure = usize::from(f.measure.as_deref() == Some("discount"));
        let values = |events: &[&Event]| -> Vec<f64> {
            events.iter().map(|e| e.amounts[measure]).filter(|a| !a.is_nan()).collect()
        };
        let sum = |events: &[&Event]| values(events).iter().sum::<f64>();
        let size = |events: &[&Event]| match f.measure {
            Some(_) => sum(events),
            None => events.len() as f64,
        };
        let n = events.len() as f64;
        let v = values(&events);
        let mean = |v: &[f64]| v.iter().sum::<f64>() / v.len() as f64;
        let spread = |v: &[f64]| match v.len() {
            0 | 1 => f64::NAN,
            n => {
                let m = mean(v);
                (v.iter().map(|x| (x - m).powi(2)).sum::<f64>() / (n - 1) as f64).sqrt()
            }
        };
        let times: BTreeSet<i64> = events.iter().map(|e| e.time).collect();
        let days = self.days(&events);
        let gaps: Vec<f64> = days.windows(2).map(|w| (w[1] - w[0]) as f64).collect();
        let latest = times.last().map_or(f64::NAN, |&t| self.since(t));
        let earliest = times.first().map_or(f64::NAN, |&t| self.since(t));
        let greatest = |v: &[f64]| v.iter().copied().fold(f64::NAN, f64::max);
        let trend = |near: Window, wide: Window| {
            let length = |w: Window| match w {
                Window::Days(d) => f64::from(d),
                Window::All => f64::INFINITY,
            };
            let (a, b) = (size(&self.of(&f.of, near)), size(&self.of(&f.of, wide)));
            a / length(near) - (b - a) / (length(wide) - length(near))
        };
        let entropy = |buckets: Vec<i64>| {
            let total = buckets.len() as f64;
            let different: BTreeSet<i64> = buckets.iter().copied().collect();
            if buckets.is_empty() {
                return f64::NAN;
            }
            let share = |b: &i64| buckets.iter().filter(|x| *x == b).count() as f64 / total;
            different.iter().map(|b| -share(b) * share(b).log2()).sum::<f64>()
        };
        let weekday = |e: &&Event| (self.day(e.time) + 3).rem_euclid(7);
        let hour = |e: &&Event| self.zone.local(e.time).rem_euclid(DAY_MS) / 3_600_000;
        let followed = || {
            let seconds = self.of(f.with.as_ref().unwrap(), Window::All);
            let soon =
                |e: &&&Event| seconds.iter().any(|s| s.time > e.time && s.time - e.time <= DAY_MS);
            events.iter().filter(soon).count() as f64
        };
        let products: BTreeSet<u64> = events.iter().map(|e| e.product).filter(|p| *p > 0).collect();
        let with_product: Vec<&&Event> = events.iter().filter(|e| e.product > 0).collect();
        let distinct = |codes: Vec<u16>| {
            codes.into_iter().filter(|c| *c != NONE).collect::<BTreeSet<u16>>().len() as f64
        };
        let today = self.day(self.cutoff - 1);
        let ever = self.of(&f.of, Window::All);
        let at_instant = |t: i64| events.iter().filter(|e| e.time == t).count() as f64;
        match f.metric {
            Count => n,
            Days => days.len() as f64,
            Share => size(&events) / size(&self.of(&Selector::default(), first)),
            Sum => sum(&events),
            Mean => mean(&v),
            Max => greatest(&v),
            Min => v.iter().copied().fold(f64::NAN, f64::min),
            Spread => spread(&v),
            RecencyDays | LatestDays => latest,
            FirstDays | EarliestDays => earliest,
            GapMean => mean(&gaps),
            GapMedian => {
                let mut sorted = gaps;
                sorted.sort_by(f64::total_cmp);
                match sorted.len() {
                    0 => f64::NAN,
                    n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
                }
            }
            GapSpread => spread(&gaps),
            GapMax => greatest(&gaps),
            GapRatio => latest / mean(&gaps),
            Ratio => size(&events) / size(&self.of(&f.of, f.windows[1])),
            Trend => trend(f.windows[0], f.windows[1]),
            Acceleration => trend(f.windows[0], f.windows[1]) - trend(f.windows[1], f.windows[2]),
            StreakMax => Self::runs(&days).into_iter().max().unwrap_or(0) as f64,
            StreakNow => Self::runs(&days).last().copied().unwrap_or(0) as f64,
            IdleMax => match self.days(&ever).last() {
                None => f64::NAN,
                Some(last) => gaps.iter().copied().fold((today - last) as f64, f64::max),
            },
            WeekdayShare => {
                let wanted = f.part.unwrap() as i64;
                events.iter().filter(|e| weekday(e) == wanted).count() as f64 / n
            }
            HourShare => {
                let wanted = f.part.unwrap() as i64 - 7;
                events.iter().filter(|e| hour(e) / 6 == wanted).count() as f64 / n
            }
            WeekdayEntropy => entropy(events.iter().map(weekday).collect()),
            HourEntropy => entropy(events.iter().map(hour).collect()),
            Followed => followed(),
            FollowedShare => followed() / n,
            Baskets => times.len() as f64,
            BasketMean => n / times.len() as f64,
            BasketMax => times.iter().map(|t| at_instant(*t)).fold(0.0, f64::max),
            BasketValue => sum(&events) / times.len() as f64,
            Rate => size(&events) / size(&self.of(f.with.as_ref().unwrap(), first)),
            PriceLevel => mean(&v) / mean(&values(&ever)),
            Products => products.len() as f64,
            Variety => products.len() as f64 / with_product.len() as f64,
            RepeatShare => {
                // In the order of time, a product's first event is no repetition.
                let first_time = |p: &&u64| {
                    let oldest = ever.iter().filter(|e| e.product == **p).map(|e| e.time).min();
                    oldest >= with_product.iter().map(|e| e.time).min()
                };
                let fresh = products.iter().filter(first_time).count();
                (with_product.len() - fresh) as f64 / with_product.len() as f64
            }
            Kinds => distinct(events.iter().map(|e| e.kind).collect()),
            Channels => distinct(events.iter().map(|e| e.channel).collect()),
            Groups => distinct(events.iter().map(|e| e.group).collect()),
            Frequency if days.is_empty() => f64::NAN,
            Frequency => days.len() as f64 * 30.0 / earliest.max(1.0),
            Monetary => sum(&events) / days.len() as f64,
            BtydX if days.is_empty() => f64::NAN,
            BtydX => days.len() as f64 - 1.0,
            BtydTx => days.last().map_or(f64::NAN, |l| (l - days[0]) as f64),
            BtydT => days.first().map_or(f64::NAN, |d| (today - d) as f64),
        }
    }
}

/// Equal up to rounding of sums; an infinite twin divided by nothing, which counts as missing.
fn alike(kernel: f64, twin: f64) -> bool {
    let twin = if twin.is_infinite() { f64::NAN } else { twin };
    (kernel.is_nan() && twin.is_nan()) || (kernel - twin).abs() <= 1e-6 * twin.abs().max(1.0)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn every_feature_is_as_its_definition_says(
        events in events(), later in 0_i64..3
    ) {
        let wanted = every_feature();
        let kernel = Kernel::new(&spec(wanted.clone())).unwrap();
        let mut scratch = kernel.scratch();
        // Another customer went before: nothing of it may be left.
        features(&kernel, &mut scratch, &events[..events.len() / 2], CUTOFF);
        let cutoff = CUTOFF - later * 20 * DAY_MS;
        let found = features(&kernel, &mut scratch, &events, cutoff);
        let twin = Twin::new(&events, cutoff);
        for (feature, found) in wanted.iter().zip(found) {
            let expected = twin.number(feature);
            prop_assert!(
                alike(found, expected),
                "{}: found {found}, expected {expected}", feature.name()
            );
            let whole = found.is_nan() || found.fract() == 0.0;
            prop_assert!(whole || !feature.metric.info().whole, "{}: {found}", feature.name());
        }
    }

    #[test]
    fn what_comes_at_or_after_the_cutoff_changes_nothing(
        known in events(), late in events(), unknown in events()
    ) {
        let kernel = Kernel::new(&spec(every_feature())).unwrap();
        let mut scratch = kernel.scratch();
        let before = features(&kernel, &mut scratch, &known, CUTOFF);
        let known = || known.iter().cloned();
        let future = late.into_iter().map(|e| Event { time: CUTOFF + (e.time - CUTOFF).abs(), ..e });
        // Happened before, became known at or after the cutoff.
        let unheard = unknown.into_iter().map(|e| Event { received: CUTOFF + e.received % 5, ..e });
        let more: Vec<Event> = future.chain(known()).chain(unheard).collect();
        let after = features(&kernel, &mut scratch, &more, CUTOFF);
        prop_assert_eq!(bits(&before), bits(&after));
        let only: Vec<Event> = known().filter(|e| e.time.max(e.received) < CUTOFF).collect();
        let fewer = features(&kernel, &mut scratch, &only, CUTOFF);
        prop_assert_eq!(bits(&before), bits(&fewer));
    }

    #[test]
    fn what_is_known_later_of_the_same_time_is_what_was_received_by_then(
        events in events(), days in 0_i64..30
    ) {
        let (known, sorted) = (CUTOFF + days * DAY_MS, sorted(&events));
        let timeline = Timeline::new(&sorted, 0..sorted.len());
        let (mut kept, mut others) = (Events::default(), Events::default());
        let later = timeline.as_known(CUTOFF, known, &mut kept);
        prop_assert_eq!(later.cutoff(), CUTOFF);
        let expected: Vec<i64> = (0..sorted.len())
            .filter(|&place| sorted.times[place] < CUTOFF && sorted.received[place] < known)
            .map(|place| sorted.times[place])
            .collect();
        prop_assert_eq!(later.events().times(), expected);
        let then = timeline.history(CUTOFF, &mut others);
        if days == 0 {
            prop_assert_eq!(later.events().times(), then.events().times());
        }
        prop_assert!(later.events().len() >= then.events().len());
    }

    #[test]
    fn the_order_of_arrival_changes_nothing(events in events(), turn in 0_usize..60) {
        let kernel = Kernel::new(&spec(every_feature())).unwrap();
        let mut scratch = kernel.scratch();
        let before = features(&kernel, &mut scratch, &events, CUTOFF);
        let mut turned = events;
        let places = turn % turned.len().max(1);
        turned.rotate_left(places);
        turned.reverse();
        let after = features(&kernel, &mut scratch, &turned, CUTOFF);
        prop_assert_eq!(bits(&before), bits(&after));
    }

    #[test]
    fn a_selection_of_features_has_the_same_numbers(events in events(), step in 1_usize..40) {
        let all = spec(every_feature());
        let places: Vec<usize> = (0..all.features.len()).step_by(step).collect();
        let some = all.select(&places);
        let [a, b] = [&all, &some].map(|s| Kernel::new(s).unwrap());
        let wide = features(&a, &mut a.scratch(), &events, CUTOFF);
        let narrow = features(&b, &mut b.scratch(), &events, CUTOFF);
        for (&place, narrow) in places.iter().zip(narrow) {
            let (name, wide) = (all.features[place].name(), wide[place]);
            prop_assert!(wide.to_bits() == narrow.to_bits(), "{name}: {wide} and {narrow}");
        }
    }
}

#[test]
fn names_are_the_definitions() {
    let sum = Feature {
        measure: Some("amount".to_owned()),
        ..Feature::new(Sum, Selector::kind("purchase"), Window::Days(30))
    };
    assert_eq!(sum.name(), "sum(purchase.amount, 30d)");
    assert_eq!(
        sum.explain(),
        "Sum of amount over events purchase in the 30 days before the cutoff [as the measure; 0 \
         where there is none]"
    );
    let all = every_feature();
    let names: BTreeSet<String> = all.iter().map(Feature::name).collect();
    assert_eq!(names.len(), all.len());
    for feature in &all {
        feature.validate().unwrap();
        assert!(!feature.explain().contains('{'), "{}", feature.explain());
    }
}

#[test]
fn a_feature_that_cannot_be_is_refused_with_what_was_expected() {
    let check = |feature: Feature, expected: &str| {
        let error = Kernel::new(&spec(vec![feature])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    };
    let of = |kind: &str| Feature::new(Count, Selector::kind(kind), Window::All);
    check(of("purchas"), "did you mean \"purchase\"?");
    check(Feature { windows: vec![], ..of("visit") }, "expected one, as");
    check(Feature { metric: Ratio, ..of("visit") }, "each wider");
    check(Feature { metric: Followed, ..of("visit") }, "other events");
    check(Feature { metric: WeekdayShare, ..of("visit") }, "a part of the week");
    check(Feature { measure: Some("amount".to_owned()), ..of("visit") }, "it counts events");
    let cents = Feature { measure: Some("cents".to_owned()), metric: Sum, ..of("visit") };
    check(cents, "one of amount, discount");
    let windows = vec![Window::Days(7), Window::All];
    check(Feature { metric: Trend, windows, ..of("visit") }, "a trend is a number a day");
    let error = Kernel::new(&spec(vec![of("visit"), of("visit")])).unwrap_err().to_string();
    assert!(error.contains("two features"), "{error}");
}

#[test]
fn windows_are_read_as_they_are_written() {
    for text in ["1d", "365d", "all"] {
        assert_eq!(Window::try_from(text.to_owned()).unwrap().to_string(), text);
    }
    for text in ["0d", "-1d", "30", "d", "ALL", "99999d"] {
        assert!(Window::try_from(text.to_owned()).unwrap_err().contains("expected days"));
    }
}

#[test]
fn local_days_follow_the_clocks() {
    let paris = Zone::named("Europe/Paris").unwrap();
    let instant =
        |text: &str| chrono::DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis();
    let check = |utc: &str, local: &str| {
        assert_eq!(paris.local(instant(utc)), instant(local), "{utc}");
        assert_eq!(paris.instant(instant(local)), instant(utc), "{local}");
    };
    check("2024-03-31T00:59:59Z", "2024-03-31T01:59:59Z");
    check("2024-03-31T01:00:00Z", "2024-03-31T03:00:00Z");
    check("2024-02-29T23:30:00Z", "2024-03-01T00:30:00Z");
    check("2024-10-26T23:59:59Z", "2024-10-27T01:59:59Z");
    check("2024-10-27T00:30:00Z", "2024-10-27T02:30:00Z");
    assert_eq!(paris.local(instant("2024-10-27T01:30:00Z")), instant("2024-10-27T02:30:00Z"));
    assert!(Zone::named("Europe/Pariss").is_err());
    for text in ["2024-03-31", "2024-10-27", "2024-02-29T12:00:00.250Z", "2024-03-01T00:00:00Z"] {
        assert_eq!(paris.text(paris.parse(text).unwrap()), text);
    }
    assert_eq!(paris.parse("2024-03-01"), Some(instant("2024-02-29T23:00:00Z")));
    assert_eq!(paris.parse("2024-06-01 12:30:00"), Some(instant("2024-06-01T10:30:00Z")));
    assert_eq!(paris.parse("1.6.2024"), None);
}

#[test]
fn a_million_events_of_one_customer() {
    let mut events = Events::default();
    let step = |i: i64| CUTOFF - 1 - i * 7_001;
    events.times = (0..1_000_000).rev().map(step).collect();
    events.kinds = (0..1_000_000).map(|i| (i % 4) as u16).collect();
    let kernel = Kernel::new(&spec(vec![
        Feature::new(Count, Selector::kind("visit"), Window::All),
        Feature::new(GapMedian, Selector::default(), Window::All),
    ]))
    .unwrap();
    let mut kept = Events::default();
    let history = Timeline::new(&events, 0..events.len()).history(CUTOFF, &mut kept);
    let mut features = [0.0; 2];
    kernel.fill(&history, &mut kernel.scratch(), &mut features);
    assert_eq!(features, [250_000.0, 1.0]);
}
