//! Gathering and loading against a slow twin: a map from customers to sorted lists of events.

use std::collections::BTreeMap;

use proptest::prelude::*;
use rayon::prelude::*;
use rekindle_models::behaviour::{Duplicates, Events, NONE, OTHER, Recoding};

use super::*;

/// An event with every column; a batch may leave out those that its source has not.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Event {
    time: i64,
    kind: u16,
    channel: u16,
    product: u64,
    received: Option<i64>,
    amount: f64,
    second: f64,
}

/// A customer's events in order, its last line, as told by either way.
type Told = BTreeMap<String, (Vec<String>, Option<i64>)>;

const MEASURES: usize = 2;

fn codes() -> Recoding {
    // Two channels that nothing tells apart are different names all the same.
    Recoding { kinds: vec![2, 0, 1], channels: vec![0, OTHER, OTHER], groups: Vec::new() }
}

fn batch(rows: &[(String, Event)]) -> EventBatch {
    let numbers: Option<Vec<i64>> = rows
        .iter()
        .map(|(id, _)| id.parse::<i64>().ok().filter(|number| number.to_string() == *id))
        .collect();
    let customers = numbers.map(Ids::Numbers).unwrap_or_else(|| {
        let (mut text, mut ends) = (String::new(), Vec::new());
        for (id, _) in rows {
            text += id;
            ends.push(text.len() as u32);
        }
        Ids::Texts { text, ends }
    });
    let of = |f: fn(&Event) -> f64| -> Vec<f64> { rows.iter().map(|(_, e)| f(e)).collect() };
    let without_nan = |column: Vec<f64>| match column.iter().all(|x| x.is_nan()) {
        true => Vec::new(),
        false => column,
    };
    let mut events = Events {
        times: rows.iter().map(|(_, e)| e.time).collect(),
        kinds: rows.iter().map(|(_, e)| e.kind).collect(),
        measures: vec![without_nan(of(|e| e.amount)), without_nan(of(|e| e.second))],
        ..Events::default()
    };
    if rows.iter().any(|(_, e)| e.channel != NONE) {
        events.channels = rows.iter().map(|(_, e)| e.channel).collect();
    }
    if rows.iter().any(|(_, e)| e.product != 0) {
        events.products = rows.iter().map(|(_, e)| e.product).collect();
    }
    if rows.iter().any(|(_, e)| e.received.is_some()) {
        events.received = rows.iter().map(|(_, e)| e.received.unwrap_or(e.time)).collect();
    }
    EventBatch { customers, events }
}

fn told(events: &Events, place: usize) -> String {
    let code = |column: &[u16]| column.get(place).copied().unwrap_or(NONE);
    let measure = |m: usize| {
        events.measures.get(m).and_then(|m: &Vec<f64>| m.get(place)).map_or(f64::NAN, |x| *x)
    };
    format!(
        "{} {} {} {} {} {:?} {:x} {:x}",
        events.times[place],
        events.kinds[place],
        code(&events.channels),
        code(&events.groups),
        events.products.get(place).copied().unwrap_or(0),
        events.received.get(place).copied().unwrap_or(events.times[place]),
        measure(0).to_bits(),
        measure(1).to_bits(),
    )
}

/// The slow twin: lists of customers' events, ordered by [`Events::order`] alone.
fn twin(rows: &[(String, Event)], rule: Duplicates) -> (Told, u64) {
    let mut customers: BTreeMap<String, Vec<(String, Event)>> = BTreeMap::new();
    for (id, event) in rows {
        customers.entry(id.clone()).or_default().push((id.clone(), *event));
    }
    let mut duplicates = 0;
    let of_one = customers.into_iter().map(|(id, rows)| {
        let events = batch(&rows).events;
        let mut order = Vec::new();
        duplicates += events.order(Duplicates::Drop, &mut order) as u64;
        events.order(rule, &mut order);
        let mut kept = Events::default();
        order.iter().for_each(|&place| kept.push_from(&events, place as usize));
        codes().apply(&mut kept);
        kept.order(Duplicates::Keep, &mut order);
        let last = rows.iter().map(|(_, e)| e.time).max();
        (id, (order.iter().map(|&place| told(&kept, place as usize)).collect(), last))
    });
    (of_one.collect(), duplicates)
}

fn gather(batches: &[&[(String, Event)]], limit: u64) -> Gathered {
    let gathering = Gathering::new(limit, &std::env::temp_dir(), MEASURES).unwrap();
    batches.par_iter().for_each(|rows| {
        let batch = batch(rows);
        gathering.add_lines(&batch.customers, &batch.events.times).unwrap();
        gathering.add(batch).unwrap();
    });
    gathering.finish().unwrap()
}

fn load_all(gathered: &Gathered, rule: Duplicates) -> (Told, u64) {
    let (mut all, mut duplicates, mut room) = (Told::new(), 0, Room::default());
    for p in 0..gathered.partitions() {
        let partition = gathered.load(p, &codes(), rule, &mut room).unwrap();
        duplicates += partition.duplicates();
        let ids: Vec<CustomerId<'_>> = partition.customers().map(|(id, _)| id).collect();
        assert!(ids.is_sorted());
        assert_eq!(
            partition.events().len(),
            partition.customers().map(|(_, span)| span.len()).sum::<usize>()
        );
        for (place, (id, span)) in partition.customers().enumerate() {
            let events = span.map(|place| told(partition.events(), place)).collect();
            let before = all.insert(id.to_string(), (events, partition.last_line(place)));
            assert_eq!(before, None, "{id} stands in one place");
        }
    }
    (all, duplicates)
}

fn event() -> impl Strategy<Value = Event> {
    let channel = prop_oneof![3 => Just(NONE), 1 => 0..3_u16];
    let product = prop_oneof![3 => Just(0), 1 => 1..3_u64];
    let received = prop_oneof![3 => Just(None), 1 => (0..9_i64).prop_map(Some)];
    let number = || prop_oneof![Just(f64::NAN), Just(0.0), Just(-0.0), Just(1.5), Just(-2.0)];
    (0..5_i64, 0..4_u16, channel, product, received, number(), number()).prop_map(
        |(time, kind, channel, product, received, amount, second)| Event {
            time,
            kind,
            channel,
            product,
            received,
            amount,
            second,
        },
    )
}

fn customer() -> impl Strategy<Value = String> {
    prop_oneof![
        3 => (-3..30_i64).prop_map(|n| n.to_string()),
        1 => "[a-c]{0,2}",
        1 => (0..3_u8).prop_map(|n| format!("0{n}")),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_grouping_and_limit_gives_what_the_twin_gives(
        rows in prop::collection::vec((customer(), event()), 0..900),
        size in 1..300_usize,
        unlimited: bool,
        drop: bool,
        few in 0..3_i64,
    ) {
        // With few customers a partition fills several of the smallest chunks.
        let few = |(id, event): &(String, Event)| match few {
            0 => (id.clone(), *event),
            n => ((id.len() as i64 % n).to_string(), *event),
        };
        let rows: Vec<_> = rows.iter().map(few).collect();
        let rule = if drop { Duplicates::Drop } else { Duplicates::Keep };
        let batches: Vec<_> = rows.chunks(size).collect();
        let gathered = gather(&batches, if unlimited { u64::MAX } else { 0 });
        prop_assert_eq!(gathered.events(), rows.len() as u64);
        prop_assert_eq!(gathered.spilled_bytes() == 0, unlimited || rows.is_empty());
        let expected = twin(&rows, rule);
        prop_assert_eq!(gathered.customers(), expected.0.len() as u64);
        prop_assert_eq!(&load_all(&gathered, rule), &expected);
        // It may be read again.
        prop_assert_eq!(&load_all(&gathered, rule), &expected);
    }
}

fn plain(times: Vec<i64>) -> Events {
    Events { kinds: vec![0; times.len()], times, ..Events::default() }
}

#[test]
fn a_customer_with_a_million_events_is_sorted_and_its_duplicates_counted() {
    let count = 1_000_000_i64;
    let gathering = Gathering::new(4 << 20, &std::env::temp_dir(), 1).unwrap();
    // Every time but 0 comes twice, in an order that jumps about.
    let times: Vec<i64> = (0..count).map(|i| (i * 7_919 % count - count / 2).abs()).collect();
    times.par_chunks(10_000).for_each(|times| {
        let mut events = plain(times.to_vec());
        events.measures = vec![times.iter().map(|&t| t as f64).collect()];
        let customers = Ids::Numbers(vec![5; times.len()]);
        gathering.add(EventBatch { customers, events }).unwrap();
    });
    let gathered = gathering.finish().unwrap();
    assert!(gathered.spilled_bytes() > 10 << 20, "{}", gathered.spilled_bytes());
    let (mut room, mut seen) = (Room::default(), 0);
    for p in 0..gathered.partitions() {
        let loaded = gathered.load(p, &codes(), Duplicates::Drop, &mut room).unwrap();
        for (id, span) in loaded.customers() {
            assert_eq!(id, CustomerId::Number(5));
            let expected: Vec<i64> = (0..=count / 2).collect();
            assert_eq!(loaded.events().times[span.clone()], expected);
            let amounts = loaded.events().measures[0][span].iter().map(|&x| x as i64);
            assert!(amounts.eq(expected.iter().copied()));
            assert_eq!(loaded.duplicates() as i64, count - 1 - count / 2);
            seen += 1;
        }
    }
    assert_eq!(seen, 1);
}

#[test]
fn memory_stays_near_the_limit_when_the_log_is_five_times_larger() {
    let (limit, rows) = (16_u64 << 20, 5_000_usize);
    let gathering = Gathering::new(limit, &std::env::temp_dir(), 1).unwrap();
    // 24 bytes an event with its customer's number: 5 times the limit.
    (0..800_u64).into_par_iter().for_each(|nth| {
        let ids = (0..rows as u64).map(|row| ((nth * 5_000 + row) * 31 % 20_011) as i64);
        let times: Vec<i64> = (0..rows as i64).map(|row| nth as i64 + row).collect();
        let measures = vec![vec![1.0; rows]];
        let events = Events { measures, ..plain(times) };
        gathering.add(EventBatch { customers: Ids::Numbers(ids.collect()), events }).unwrap();
        assert!(gathering.memory_bytes() < limit, "{}", gathering.memory_bytes());
    });
    let gathered = gathering.finish().unwrap();
    let rooms = gathered.room_bytes() * (rayon::current_num_threads() * ROOMS_A_THREAD) as u64;
    let used = gathered.memory_bytes() + rooms;
    assert!(used < limit + limit * 15 / 100, "{used} of {limit}, {rooms} for loading");
    assert!(gathered.spilled_bytes() > 3 * limit);
    assert_eq!(gathered.events(), 4_000_000);
}

#[test]
fn customers_with_lines_only_are_there_without_events() {
    let gathering = Gathering::new(u64::MAX, &std::env::temp_dir(), 0).unwrap();
    let ids = Ids::Texts { text: "a7a".to_owned(), ends: vec![1, 2, 3] };
    gathering.add_lines(&ids, &[3, 5, 1]).unwrap();
    let gathered = gathering.finish().unwrap();
    let expected = [("7", 5), ("a", 3)].map(|(id, t)| (id.to_owned(), (Vec::new(), Some(t))));
    assert_eq!(load_all(&gathered, Duplicates::Keep).0, Told::from(expected));
}

#[test]
fn batches_whose_columns_do_not_fit_are_refused() {
    let gathering = Gathering::new(u64::MAX, &std::env::temp_dir(), 0).unwrap();
    let numbers = |n| Ids::Numbers(vec![1; n]);
    let add = |customers, events| gathering.add(EventBatch { customers, events });
    assert!(add(numbers(2), plain(vec![1])).is_err());
    let short = Events { channels: vec![0], ..plain(vec![1, 2]) };
    assert!(add(numbers(2), short).is_err());
    let measured = Events { measures: vec![vec![1.0]], ..plain(vec![1]) };
    assert!(add(numbers(1), measured).is_err());
    let torn = Ids::Texts { text: "é".to_owned(), ends: vec![1] };
    assert!(add(torn, plain(vec![1])).is_err());
    assert!(gathering.add_lines(&numbers(1), &[]).is_err());
    assert!(Gathering::new(0, &std::env::temp_dir(), 58).is_err());
}
