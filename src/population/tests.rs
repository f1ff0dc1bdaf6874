use proptest::prelude::*;
use rekindle_store::{PersonAdvice, PersonRow, PersonScore, PersonState};

use super::*;

fn state(id: &str, from: i64, tier: &str, value: Option<f64>) -> PersonRow {
    PersonRow::State(PersonState {
        customer_id: id.to_owned(),
        valid_from_micros: from,
        lapse_tier: Some(tier.to_owned()),
        lifecycle_stage: Some("repeat".to_owned()),
        grade: Some("A".to_owned()),
        historic_value: value,
        predicted_value: value,
        probability_alive: Some(0.5),
        predicted_orders: None,
    })
}

fn score(id: &str, probability: f64, feature: Option<&str>) -> PersonRow {
    PersonRow::Score(PersonScore {
        customer_id: id.to_owned(),
        model_name: "churned".to_owned(),
        model_version: 1,
        probability,
        feature: feature.map(str::to_owned),
    })
}

fn read(snapshots: &[i64], rows: Vec<PersonRow>) -> Population {
    let mut last = snapshots.iter().rev().copied();
    let mut gathering = Gathering::default();
    gathering.take(PersonRow::Snapshots { last: last.next(), before: last.next() });
    rows.into_iter().for_each(|row| gathering.take(row));
    gathering.finish()
}

#[test]
fn the_last_span_is_now_and_the_one_at_the_snapshot_before_is_then() {
    let population = read(
        &[10, 20, 30],
        vec![
            // Was awake until the second snapshot, drowsy in the third; the rows come in any order.
            state("b", 30, "drowsy", Some(5.0)),
            state("b", 10, "awake", Some(7.0)),
            // Has not changed since the first.
            state("a", 10, "dormant", None),
            // Is new.
            state("c", 30, "awake", Some(1.0)),
            // Changed before the second snapshot.
            state("d", 20, "half_asleep", Some(2.0)),
            state("d", 10, "awake", Some(2.0)),
            score("e", 0.25, Some("recency_days(purchase)")),
            PersonRow::Advice(PersonAdvice {
                customer_id: "b".to_owned(),
                action: "letter".to_owned(),
                channel: Some("post".to_owned()),
                control: true,
            }),
        ],
    );
    assert_eq!(
        (0..population.len()).map(|row| population.id(row)).collect::<Vec<_>>(),
        ["a", "b", "c", "d", "e"]
    );
    assert_eq!(population.tier, [3, 1, 0, 2, NONE]);
    assert_eq!(population.was_tier, [3, 0, ABSENT, 2, ABSENT]);
    assert!(population.predicted[0].is_nan());
    assert_eq!(population.predicted[1], 5.0);
    assert_eq!((population.action_of(1), population.channel_of(1)), (Some("letter"), Some("post")));
    assert!(population.held_out[1] && population.action_of(0).is_none());
    assert_eq!(population.scores[0].reason_of(4), Some("recency_days(purchase)"));
    assert!(population.scores[0].probability[0].is_nan());
    let summary = &population.summary;
    assert_eq!(summary.tiers, [1, 1, 1, 1, 1]);
    assert_eq!(summary.moved(), 1);
    assert_eq!(summary.tier_moves[0], [0, 1, 0, 0, 0]);
    assert_eq!(summary.tier_moves[5], [1, 0, 0, 0, 1]);
    assert_eq!(summary.grades[0].at_risk, 2);
    assert_eq!(summary.grades[0].predicted_at_risk, 7.0);
    assert_eq!(summary.valued, 3);
}

#[test]
fn no_customer_is_lost_or_met_twice_from_page_to_page_though_ids_and_values_repeat() {
    let rows = (0..25).map(|n| {
        state(&format!("{:02}", n * 7 % 25), 1, "awake", [None, Some(1.0), Some(2.0)][n % 3])
    });
    let population = read(&[1], rows.collect());
    for falling in [false, true] {
        let sort = Sort { by: SortBy::Predicted, falling };
        let all = population.ordered(&Filter::default(), sort);
        let (mut met, mut cursor) = (Vec::<u32>::new(), Cursor::Start);
        loop {
            let slice = population.slice(&Filter::default(), sort, &cursor, 4);
            assert_eq!((slice.matched, slice.before), (25, met.len() as u64));
            let Some(last) = slice.rows.last() else { break };
            let at = |row: u32| {
                (population.key(sort, row as usize), population.id(row as usize).to_owned())
            };
            // The page before one that begins here is the one that was met before.
            let (key, id) = at(slice.rows[0]);
            let back = population.slice(&Filter::default(), sort, &Cursor::Before(key, id), 4);
            assert_eq!(back.rows, met[met.len().saturating_sub(4)..]);
            assert_eq!(back.before, met.len().saturating_sub(4) as u64);
            met.extend(&slice.rows);
            let (key, id) = at(*last);
            cursor = Cursor::After(key, id);
        }
        assert_eq!(met, all);
        // What is not known comes last, whichever way.
        assert!(population.predicted[*all.last().unwrap() as usize].is_nan());
    }
}

#[test]
fn a_page_by_id_goes_on_where_it_was_though_customers_came_and_went() {
    let rows = |ids: &[&str]| ids.iter().map(|id| state(id, 1, "awake", Some(1.0))).collect();
    for falling in [false, true] {
        let sort = Sort { by: SortBy::Id, falling };
        let before = read(&[1], rows(&["b", "d", "f"]));
        let cursor = |row: usize| (before.key(sort, row), before.id(row).to_owned());
        let check = |now: &[&str], at: usize, expected: &[&str]| {
            let after = read(&[1], rows(now));
            let (key, id) = cursor(at);
            let slice = after.slice(&Filter::default(), sort, &Cursor::After(key, id), 10);
            let ids: Vec<&str> = slice.rows.iter().map(|row| after.id(*row as usize)).collect();
            assert_eq!(ids, expected, "{falling}");
        };
        let (rest, gone) = match falling {
            false => (["f"], ["f"]),
            true => (["b"], ["b"]),
        };
        check(&["b", "d", "f"], 1, &rest);
        check(&["b", "f"], 1, &gone);
        match falling {
            false => check(&["a", "b", "c", "d", "e", "f"], 1, &["e", "f"]),
            true => check(&["a", "b", "c", "d", "e", "f"], 1, &["c", "b", "a"]),
        }
    }
}

#[test]
fn a_page_goes_on_where_it_was_though_the_customer_there_is_gone() {
    let rows = |ids: &[&str]| ids.iter().map(|id| state(id, 1, "awake", Some(1.0))).collect();
    let sort = Sort { by: SortBy::Predicted, falling: true };
    let before = read(&[1], rows(&["a", "b", "c"]));
    let cursor = Cursor::After(before.key(sort, 1), "b".to_owned());
    let after = read(&[1], rows(&["a", "c"]));
    let slice = after.slice(&Filter::default(), sort, &cursor, 10);
    assert_eq!(slice.rows.iter().map(|row| after.id(*row as usize)).collect::<Vec<_>>(), ["c"]);
}

proptest! {
    #[test]
    fn a_page_is_what_sorting_all_and_taking_from_it_gives(
        customers in proptest::collection::vec((0_u8..5, -2_i32..3, 0.0_f64..1.0), 1..60),
        tiers in proptest::collection::vec(0_u8..4, 0..3),
        low in -2_i32..3,
        falling in any::<bool>(),
        most in 1_usize..9,
    ) {
        let tier = |place: u8| ["awake", "drowsy", "half_asleep", "dormant", "?"][usize::from(place)];
        let rows = customers.iter().enumerate().flat_map(|(n, (place, value, probability))| {
            let id = format!("{:03}", n * 37 % 1_000);
            [state(&id, 1, tier(*place), Some(f64::from(*value))), score(&id, *probability, None)]
        });
        let population = read(&[1], rows.collect());
        let filter = Filter {
            tiers: tiers.clone(),
            value: Some((f64::from(low), f64::INFINITY)),
            probability: Some((0, 0.2, 0.9)),
            ..Filter::default()
        };
        let sort = Sort { by: SortBy::Predicted, falling };
        let mut expected: Vec<u32> = (0..population.len() as u32)
            .filter(|row| {
                let row = *row as usize;
                let probability = population.scores[0].probability[row];
                (tiers.is_empty() || tiers.contains(&population.tier[row]))
                    && population.predicted[row] >= f64::from(low)
                    && (0.2..=0.9).contains(&probability)
            })
            .collect();
        expected.sort_by(|a, b| {
            let by = population.predicted[*a as usize].total_cmp(&population.predicted[*b as usize]);
            let by = if falling { by.reverse() } else { by };
            by.then(a.cmp(b))
        });
        let slice = population.slice(&filter, sort, &Cursor::Start, most);
        prop_assert_eq!(slice.matched, expected.len() as u64);
        prop_assert_eq!(&population.ordered(&filter, sort), &expected);
        expected.truncate(most);
        prop_assert_eq!(slice.rows, expected);
    }
}
