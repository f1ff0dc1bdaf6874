use rekindle_models::frame::{Column, Kind, Schema};
use rekindle_models::seed::{mix2, unit};

use super::*;

const ROWS: usize = 8_000;

fn draw(row: usize, of: u64) -> f64 {
    unit(mix2(of, row as u64))
}

/// Whether a customer leaves: a fifth do, more of those with a low `visits`.
fn target() -> Vec<bool> {
    (0..ROWS).map(|row| draw(row, 1) < 0.35 - 0.3 * draw(row, 2)).collect()
}

/// What is found in a table with an honest feature, `visits`, noise, and another column.
fn found(column: Vec<f64>, untimed: bool, allowed: bool, time: Option<&[f64]>) -> Vec<Leak> {
    found_of(vec![("suspect", column)], untimed, allowed, time)
}

fn found_of(
    suspects: Vec<(&str, Vec<f64>)>,
    untimed: bool,
    allowed: bool,
    time: Option<&[f64]>,
) -> Vec<Leak> {
    found_among(suspects, (untimed, false, allowed), time)
}

fn found_among(
    suspects: Vec<(&str, Vec<f64>)>,
    (untimed, dates, allowed): (bool, bool, bool),
    time: Option<&[f64]>,
) -> Vec<Leak> {
    let target = target();
    let mut columns: Vec<(&str, Vec<f64>)> = vec![
        ("visits", (0..ROWS).map(|row| (draw(row, 2) * 20.0).floor()).collect()),
        ("noise", (0..ROWS).map(|row| draw(row, 3)).collect()),
    ];
    columns.extend(suspects);
    let field = |name: &str| Field { name: name.to_owned(), kind: Kind::Numeric };
    let schema = Schema::new(columns.iter().map(|(name, _)| field(name)).collect()).unwrap();
    let columns: Vec<Column> = columns.into_iter().map(|(_, c)| Column::Number(c)).collect();
    let features: Vec<usize> = (0..columns.len()).collect();
    let frame = Frame::new(schema, columns).unwrap();
    let train: Vec<u32> = (0..ROWS as u32 * 3 / 4).collect();
    let later: Vec<u32> = (ROWS as u32 * 3 / 4..ROWS as u32).collect();
    let keys: Vec<u64> = (0..ROWS as u64).collect();
    let places = |which: bool| if which { BTreeSet::from([2]) } else { BTreeSet::new() };
    leaks(&Scan {
        frame: &frame,
        features: &features,
        train: &train,
        later: &later,
        target: &target,
        keys: &keys,
        time,
        untimed: &places(untimed),
        dates: &places(dates),
        allowed: &places(allowed),
    })
}

fn check(leaks: &[Leak], expected: &[(usize, Test, Action)]) {
    let told: Vec<_> = leaks.iter().map(|l| (l.feature, l.test, l.action)).collect();
    assert_eq!(told, expected, "{leaks:#?}");
}

/// 1 with the target and 0 without it, but the other way round for a share of the rows.
fn knows(wrong: f64) -> Vec<f64> {
    let value =
        |(row, target): (usize, bool)| f64::from(u8::from(target != (draw(row, 4) < wrong)));
    target().into_iter().enumerate().map(value).collect()
}

#[test]
fn honest_features_are_left_alone() {
    let counts = (0..ROWS).map(|row| (draw(row, 2) * 20.0 + draw(row, 9) * 10.0).floor()).collect();
    check(&found(counts, false, false, None), &[]);
    let seldom = |row: usize| if draw(row, 5) < 0.7 { f64::NAN } else { draw(row, 6) };
    check(&found((0..ROWS).map(seldom).collect(), true, false, None), &[]);
}

#[test]
fn what_ranks_too_well_is_excluded_unless_it_is_allowed() {
    let noisy: Vec<f64> =
        knows(0.02).iter().enumerate().map(|(row, x)| 3.0 * x + draw(row, 7)).collect();
    let leak = (2, Test::Value, Action::Excluded);
    check(&found(noisy.clone(), false, false, None), &[leak]);
    let opposite: Vec<f64> = noisy.iter().map(|x| -x).collect();
    check(&found(opposite, false, false, None), &[leak]);
    check(&found(noisy, false, true, None), &[(2, Test::Value, Action::Allowed)]);
}

#[test]
fn having_a_value_may_tell_all() {
    let only =
        knows(0.0).into_iter().enumerate().map(|(row, x)| match x == 1.0 && draw(row, 8) < 0.4 {
            true => draw(row, 7),
            false => f64::NAN,
        });
    check(&found(only.collect(), false, false, None), &[(2, Test::Missing, Action::Excluded)]);
}

#[test]
fn the_target_under_another_name_ids_and_pairs_are_told() {
    check(&found(knows(0.0), false, false, None), &[(2, Test::Identity, Action::Excluded)]);
    let order = (0..ROWS).map(|row| 1_000.0 + 2.0 * row as f64).collect();
    check(&found(order, false, false, None), &[(2, Test::Identity, Action::Excluded)]);
    let half: Vec<f64> = (0..ROWS).map(|row| (draw(row, 10) * 2.0).floor()).collect();
    let other = knows(0.0).iter().zip(&half).map(|(a, b)| f64::from(u8::from(a != b))).collect();
    let pair = found_of(vec![("half", half), ("other", other)], false, false, None);
    let excluded = |place| (place, Test::Identity, Action::Excluded);
    check(&pair, &[excluded(2), excluded(3)]);
}

#[test]
fn what_never_changes_and_ranks_far_better_than_behaviour_was_written_afterwards() {
    let late = knows(0.12);
    check(&found(late.clone(), true, false, None), &[(2, Test::Construction, Action::Excluded)]);
    let timed = found(late, false, false, None);
    assert!(timed.iter().all(|leak| leak.action == Action::Warned), "{timed:?}");
}

#[test]
fn a_date_after_the_cutoff_that_only_one_class_has_was_written_in_the_horizon() {
    let target = target();
    let date = |row: usize, ahead: bool| {
        if ahead { -30.0 * draw(row, 13) - 1.0 } else { 60.0 * draw(row, 14) }
    };
    let of = |ahead: &dyn Fn(usize) -> bool| -> Vec<f64> {
        (0..ROWS).map(|row| date(row, ahead(row))).collect()
    };
    let dates =
        |column: Vec<f64>| found_among(vec![("ordered", column)], (false, true, false), None);
    let often = of(&|row| !target[row] && draw(row, 12) < 0.2);
    check(&dates(often.clone()), &[(2, Test::Construction, Action::Excluded)]);
    // The same numbers that are no date say nothing of a cutoff; a contract ends later for all.
    check(&found_among(vec![("ordered", often)], (false, false, false), None), &[]);
    check(&dates(of(&|row| draw(row, 12) < 0.2)), &[]);
    // Fewer: told only where nobody says when it was known.
    let seldom = of(&|row| !target[row] && draw(row, 12) < 0.05);
    check(&dates(seldom.clone()), &[]);
    let untimed = found_among(vec![("ordered", seldom)], (true, true, false), None);
    check(&untimed, &[(2, Test::Construction, Action::Excluded)]);
}

#[test]
fn values_that_are_others_where_the_model_is_judged_are_warned_of() {
    let time: Vec<f64> = (0..ROWS).map(|row| row as f64).collect();
    let honest = |of: u64| (0..ROWS).map(|row| draw(row, of)).collect::<Vec<f64>>();
    let split = ROWS * 3 / 4;
    let moved = |by: f64| -> Vec<f64> {
        (0..ROWS).map(|row| draw(row, 20) + if row >= split { by } else { 0.0 }).collect()
    };
    let table =
        |by| vec![("suspect", moved(by)), ("b", honest(21)), ("c", honest(22)), ("d", honest(23))];
    let found = |by, time| found_among(table(by), (false, false, false), time);
    check(&found(0.9, Some(&time[..])), &[(2, Test::Time, Action::Warned)]);
    assert!(found(0.9, Some(&time[..]))[0].evidence.contains("90 % of the rows that judge"));
    // A little, or where rows have no time, is none of its business.
    check(&found(0.1, Some(&time[..])), &[]);
    check(&found(0.9, None), &[]);
}

#[test]
fn power_that_does_not_last_is_excluded_and_moved_values_are_warned_of() {
    let time: Vec<f64> = (0..ROWS).map(|row| row as f64).collect();
    let early = knows(0.1);
    let fades =
        (0..ROWS).map(|row| if row < ROWS * 3 / 8 { early[row] } else { draw(row, 11).round() });
    check(&found(fades.collect(), false, false, Some(&time)), &[(2, Test::Time, Action::Excluded)]);
}
