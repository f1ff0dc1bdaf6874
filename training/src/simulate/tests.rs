//! The world against its own truth, and the properties it promises.

use std::collections::BTreeMap;

use rayon::ThreadPoolBuilder;
use rekindle_models::metrics::{Judged, Ranked};

use crate::sheet::{Cells, Format};
use crate::simulate::*;

fn day(world: &World, day: u32) -> i64 {
    start_ms(world.start) + i64::from(day) * DAY_MS
}

fn bytes(world: &World, format: Format, threads: usize) -> Vec<u8> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let mut to = Vec::new();
    pool.install(|| world.write_events(&mut to, format, &|_| ()).unwrap());
    to
}

/// Those who bought in the half year before the cutoff.
fn active(truth: &[Truth]) -> Vec<Truth> {
    truth.iter().filter(|t| t.purchase_days_ago.is_some_and(|d| d <= 180)).copied().collect()
}

fn roc_auc(truth: &[Truth]) -> f64 {
    let probability: Vec<f64> = truth.iter().map(|t| t.probability).collect();
    let target: Vec<bool> = truth.iter().map(|t| t.churned).collect();
    let weight = vec![1.0; truth.len()];
    let judged =
        Judged { probability: &probability, target: &target, weight: &weight, group: None };
    let ranked = Ranked::new(&judged);
    ranked.roc_auc(ranked.weights())
}

/// How far what happened lies from what was expected, in standard errors.
fn standard_errors(truth: &[Truth]) -> f64 {
    let off: f64 = truth.iter().map(|t| f64::from(u8::from(t.churned)) - t.probability).sum();
    let variance: f64 = truth.iter().map(|t| t.probability * (1.0 - t.probability)).sum();
    off / variance.sqrt().max(1e-9)
}

#[test]
fn same_world_same_bytes_at_one_thread_and_at_two() {
    let world = World { customers: 9_000, days: 200, ..World::default() };
    for format in [Format::Parquet, Format::Csv, Format::Ndjson] {
        let one = bytes(&world, format, 1);
        assert!(one == bytes(&world, format, 2), "{format:?}");
        assert!(one != bytes(&World { seed: 2, ..world }, format, 2), "{format:?}");
    }
}

#[test]
fn the_first_customers_are_the_same_in_a_larger_world() {
    let small = World { customers: 50, ..World::default() };
    let large = World { customers: 5_000, ..World::default() };
    for index in 0..50 {
        assert_eq!(small.customer(index).unwrap(), large.customer(index).unwrap());
    }
    let (small, large) = (small.attributes().unwrap(), large.attributes().unwrap());
    let (Cells::Number(few), Cells::Number(many)) = (&small.columns[3].1, &large.columns[3].1)
    else {
        panic!("ages are numbers");
    };
    let bits = |ages: &[f64]| ages.iter().map(|a| a.to_bits()).collect::<Vec<u64>>();
    assert_eq!(bits(few), bits(&many[..50]));
}

#[test]
fn more_activity_changes_no_purchase_and_no_truth() {
    let usual = World { customers: 200, ..World::default() };
    let busy = World { activity: 5.0, ..usual };
    let purchases = |world: &World, index| {
        let life = world.customer(index).unwrap();
        life.events.iter().filter(|e| e.kind == "purchase").count()
    };
    let cutoff = day(&usual, 500);
    assert_eq!(usual.truth(cutoff, 0, 90).unwrap(), busy.truth(cutoff, 0, 90).unwrap());
    // The order within the generator differs, and so do baskets; days of purchases do not.
    let total = |world: &World| (0..200).map(|i| purchases(world, i)).sum::<usize>() as f64;
    assert!((total(&usual) / total(&busy) - 1.0).abs() < 0.1);
}

#[test]
fn what_happens_agrees_with_the_truth_in_every_decile() {
    let world = World { customers: 40_000, ..World::default() };
    // Days 430 and 460 are campaigns': the first randomised, the second biased.
    for (cutoff, gap, horizon) in [(430, 0, 90), (455, 14, 60), (460, 30, 90), (640, 0, 90)] {
        let mut truth = world.truth(day(&world, cutoff), gap, horizon).unwrap();
        assert!(truth.len() > 20_000);
        let off = standard_errors(&truth);
        assert!(off.abs() < 3.0, "cutoff {cutoff}: {off}");
        truth.sort_by(|a, b| a.probability.total_cmp(&b.probability));
        let tenths = truth.chunks(truth.len().div_ceil(10));
        let squares: Vec<f64> = tenths.map(|tenth| standard_errors(tenth).powi(2)).collect();
        // Chi-squared with 10 degrees of freedom exceeds 29.6 once in a thousand.
        assert!(squares.iter().sum::<f64>() < 29.6, "cutoff {cutoff}: {squares:?}");
    }
}

#[test]
fn churn_of_active_customers_is_neither_rare_nor_easy() {
    let world = World { customers: 20_000, ..World::default() };
    let truth = active(&world.truth(day(&world, 600), 0, 90).unwrap());
    let auc = roc_auc(&truth);
    let churned = truth.iter().filter(|t| t.churned).count() as f64 / truth.len() as f64;
    assert!((0.20..0.35).contains(&churned), "{churned}");
    assert!((0.82..0.88).contains(&auc), "{auc}");
}

#[test]
fn the_effect_of_randomised_contacts_is_the_true_uplift() {
    let world = World { customers: 120_000, days: 500, ..World::default() };
    let stage = Stage::new(&world).unwrap();
    let campaign_day = 400;
    let truth = world.truth(day(&world, campaign_day), 0, 30).unwrap();
    // Per action: contacted, of those who bought, true uplift.
    let mut sums: BTreeMap<u8, (f64, f64)> = BTreeMap::new();
    let (mut expected, mut considered) = ([0.0; ACTIONS.len()], 0.0);
    for t in truth.iter() {
        let life = stage.life(t.customer, None);
        let Some(decision) = life.decisions.iter().find(|d| d.day == campaign_day) else {
            continue;
        };
        assert!((decision.propensity - 0.2).abs() < 1e-12);
        let sum = sums.entry(decision.action).or_default();
        *sum = (sum.0 + 1.0, sum.1 + f64::from(u8::from(!t.churned)));
        expected.iter_mut().zip(t.uplift).for_each(|(sum, uplift)| *sum += uplift);
        considered += 1.0;
    }
    let rate = |action: u8| sums[&action].1 / sums[&action].0;
    for action in 1..ACTIONS.len() as u8 {
        let measured = rate(action) - rate(0);
        let error = |a: u8| rate(a) * (1.0 - rate(a)) / sums[&a].0;
        let error = (error(action) + error(0)).sqrt();
        let uplift = expected[usize::from(action)] / considered;
        assert!(
            (measured - uplift).abs() < 3.0 * error,
            "{}: {measured} +- {error}, truth {uplift}",
            ACTIONS[usize::from(action)].0
        );
    }
    assert!(expected[2] / considered > 0.02, "{expected:?}");
    assert!(truth.iter().any(|t| t.uplift[4] < -0.01), "nobody is a sleeping dog");
}

#[test]
fn a_log_has_all_kinds_in_plausible_shares_and_late_arrivals() {
    let world = World { customers: 4_000, ..World::default() };
    let stage = Stage::new(&world).unwrap();
    let (mut kinds, mut events, mut late) = (BTreeMap::new(), 0.0, 0.0);
    let (from, to) = (day(&world, 0), day(&world, 730));
    for index in 0..world.customers {
        if stage.life(index, None).who.bot {
            continue;
        }
        let life = world.customer(index).unwrap();
        assert!(life.events.is_sorted_by_key(|e| e.time));
        for event in &life.events {
            *kinds.entry(event.kind).or_insert(0.0) += 1.0;
            events += 1.0;
            assert!(event.received_at >= event.time && (from..to).contains(&event.time));
            assert!(event.time >= life.attributes.sign_up, "{event:?}");
            late += f64::from(u8::from(event.received_at - event.time > 60_000));
            match event.kind {
                "purchase" => assert!(event.amount.unwrap() > 0.0 && event.product.is_some()),
                "return" => assert!(event.amount.unwrap() < 0.0 && event.product.is_some()),
                _ => assert!(event.discount.is_none()),
            }
        }
    }
    assert_eq!(kinds.len(), KINDS.len());
    let share = |kind: &str| kinds[kind] / events;
    assert!((0.10..0.35).contains(&share("purchase")), "{kinds:?}");
    assert!((0.002..0.04).contains(&share("return")), "{kinds:?}");
    assert!((0.005..0.04).contains(&share("support_ticket")), "{kinds:?}");
    assert!((0.01..0.04).contains(&(late / events)), "{late} of {events}");
    let yearly = events / world.customers as f64 / 2.0;
    assert!((20.0..40.0).contains(&yearly), "{yearly} events a customer and year");
}

#[test]
fn bots_do_much_and_buy_nothing() {
    let world = World { customers: 30_000, days: 30, ..World::default() };
    let stage = Stage::new(&world).unwrap();
    let is_bot = |index: &usize| stage.life(*index, None).who.bot;
    let bot = (0..world.customers).find(is_bot).expect("one of 2,000 is a bot");
    let life = world.customer(bot).unwrap();
    assert!(life.bot && life.events.len() >= 1_000);
    assert!(life.events.iter().all(|e| e.kind == "product_view"));
}

#[test]
fn behaviour_shows_who_is_going() {
    // Recent against earlier activity, tickets and returns rank churn better than chance, and
    // worse than the truth.
    let world = World { customers: 6_000, ..World::default() };
    let cutoff = day(&world, 600);
    let truth = active(&world.truth(cutoff, 0, 90).unwrap());
    let scored: Vec<Truth> = truth
        .iter()
        .map(|t| {
            let life = world.customer(t.customer).unwrap();
            let within = |days: i64, kind: Option<&str>| {
                let seen = |e: &&Event| {
                    e.time < cutoff
                        && e.time >= cutoff - days * DAY_MS
                        && kind.is_none_or(|k| k == e.kind)
                };
                life.events.iter().filter(seen).count() as f64
            };
            let score = 1.2 * within(365, Some("purchase")).ln_1p() + within(45, None).ln_1p()
                - f64::from(t.purchase_days_ago.unwrap_or(180)) / 60.0
                - 0.3 * within(90, Some("support_ticket"));
            Truth { probability: 1.0 / (1.0 + score.exp()), ..*t }
        })
        .collect();
    let (simple, best) = (roc_auc(&scored), roc_auc(&truth));
    assert!(simple > 0.70 && simple < best, "{simple} against {best}");
}

#[test]
fn questions_that_the_world_cannot_answer_are_refused() {
    let world = World { customers: 10, days: 100, ..World::default() };
    let refused = |cutoff, gap, horizon| world.truth(cutoff, gap, horizon).unwrap_err().to_string();
    assert!(refused(day(&world, 50) + 1, 0, 10).contains("midnight"));
    assert!(refused(day(&world, 100), 0, 10).contains("100 days"));
    assert!(refused(day(&world, 50), 30, 30).contains("ends 110 days"));
    assert!(refused(day(&world, 50), 0, 0).contains("at least 1"));
    assert!(world.truth(day(&world, 50), 20, 30).is_ok());
    assert!(world.customer(10).is_err());
    assert!(World { days: 0, ..world }.check().is_err());
    assert!(World { activity: f64::NAN, ..world }.check().is_err());
}
