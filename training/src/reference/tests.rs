use std::sync::Arc;

use proptest::prelude::*;
use rekindle_models::artifact::{Distribution, FEWEST_ROWS};
use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};
use rekindle_models::seed::{mix2, unit};

use super::*;

fn draw(row: usize, of: u64) -> f64 {
    unit(mix2(mix2(9, of), row as u64))
}

/// Rows of each cell.
fn rows_of(cells: &[f64], spread: &Distribution) -> Vec<usize> {
    let mut rows = vec![0; spread.cells().len()];
    cells.iter().for_each(|&cell| rows[spread.cell_of(cell)] += 1);
    rows
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_bin_holds_few_rows_and_no_edge_tells_the_largest(
        rows in 1_usize..1_500, zeros in 0.0_f64..1.0, missing in 0.0_f64..0.3, scale in -9_i32..9,
        tail in 0.2_f64..4.0, seed in any::<u64>(), weighted in any::<bool>(),
    ) {
        let draw = |row: usize, of: u64| draw(row, of ^ seed);
        let cell = |row| match draw(row, 0) {
            u if u < missing => f64::NAN,
            u if u < missing + zeros * (1.0 - missing) => 0.0,
            _ => 10_f64.powi(scale) * draw(row, 1).powf(-tail) * if row % 5 == 0 { -1.0 } else { 1.0 },
        };
        let cells: Vec<f64> = (0..rows).map(cell).collect();
        let weight: Vec<f64> =
            (0..rows).map(|row| if weighted { 0.1 + draw(row, 2) } else { 1.0 }).collect();
        let spread = numbers(&cells, &weight, FEATURE_BINS);
        let of = rows_of(&cells, &spread);
        let Distribution::Numbers { edges, zero, .. } = &spread else { unreachable!("numbers") };
        // Missing cells, then zeros, then bins.
        let bins = if zero.is_some() { &of[1..] } else { &of[2..] };
        if bins.len() > 1 {
            prop_assert!(bins.iter().all(|&rows| rows >= FEWEST_ROWS), "{of:?} {spread:?}");
        }
        let largest = cells.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        prop_assert!(edges.iter().all(|&edge| edge < largest));
        prop_assert!(edges.len() < FEATURE_BINS);
        // Shares are those of the rows, and all of them.
        let (total, shares) = (weight.iter().sum::<f64>(), spread.cells());
        for (place, share) in shares.iter().enumerate() {
            let of_cell = (0..rows).filter(|&row| spread.cell_of(cells[row]) == place);
            let weight: f64 = of_cell.map(|row| weight[row]).sum();
            prop_assert!((share - weight / total).abs() < 1e-5);
        }
    }

    #[test]
    fn few_rows_name_no_level(rows in 1_usize..800, count in 1_usize..80, skew in 1.0_f64..6.0) {
        let level = |row| (draw(row, 3).powf(skew) * count as f64).floor();
        let cells: Vec<f64> = (0..rows).map(level).collect();
        let spread = levels(&cells, &vec![1.0; rows], count);
        let Distribution::Levels { levels, shares, .. } = &spread else { unreachable!("levels") };
        for (level, share) in levels.iter().zip(shares) {
            let of_level = cells.iter().filter(|&&cell| cell == f64::from(*level)).count();
            prop_assert!(of_level >= FEWEST_ROWS);
            prop_assert!((share - of_level as f64 / rows as f64).abs() < 1e-5);
        }
        prop_assert!((spread.cells().iter().sum::<f64>() - 1.0).abs() < 1e-3);
    }
}

#[test]
fn zeros_are_a_bin_of_their_own_where_they_are_many() {
    let half: Vec<f64> = (0..400).map(|i| if i % 2 == 0 { 0.0 } else { f64::from(i) }).collect();
    let Distribution::Numbers { zero, edges, .. } = numbers(&half, &[1.0; 400], 10) else {
        unreachable!("numbers")
    };
    assert_eq!((zero, edges.len()), (Some(0.5), 9));
    let mut few = vec![1.0; 400];
    few[0] = 0.0;
    let Distribution::Numbers { zero, .. } = numbers(&few, &[1.0; 400], 10) else {
        unreachable!("numbers")
    };
    assert_eq!(zero, None);
}

#[test]
fn five_hundred_features_take_less_than_200_kb() {
    let (rows, features) = (2_000, 500_usize);
    let column = |f: usize| {
        Column::Number((0..rows).map(|row| draw(row, f as u64).powi(-3) * 12.345).collect())
    };
    let field = |f: usize| Field { name: format!("feature {f}"), kind: Kind::Numeric };
    let schema = Schema::new((0..features).map(field).collect()).unwrap();
    let frame = Frame::new(schema, (0..features).map(column).collect()).unwrap();
    let places: Vec<usize> = (0..features).collect();
    let all: Vec<u32> = (0..rows as u32).collect();
    let (target, weight) = (vec![true; rows], vec![1.0; rows]);
    let probability: Vec<f64> = (0..rows).map(|row| draw(row, 7)).collect();
    let data =
        Dataset { frame: &frame, features: &places, rows: &all, target: &target, weight: &weight };
    let judged =
        Judged { probability: &probability, target: &target, weight: &weight, group: None };
    let told = reference(&data, &judged, 0.5, None, false);
    let bytes = serde_json::to_vec(&told).unwrap().len();
    assert!(bytes < 200_000, "{bytes} bytes");
}

#[test]
fn rows_of_one_customer_count_once() {
    assert_eq!(independent_rows(&[1.0; 6], None), 6.0);
    assert_eq!(independent_rows(&[1.0; 6], Some(&[1, 1, 2, 2, 2, 3])), 3.0);
}

/// Answers drawn with other log odds than were said.
fn checked(offset: f64, slope: f64, copies: u64) -> rekindle_models::artifact::CalibrationCheck {
    let rows = 6_000;
    let probability: Vec<f64> = (0..rows).map(|row| 0.02 + 0.9 * draw(row, 20)).collect();
    let target: Vec<bool> = (0..rows)
        .map(|row| {
            let z = log_odds(probability[row]);
            draw(row, 21) < 1.0 / (1.0 + (-(z + offset + slope * z)).exp())
        })
        .collect();
    let times = |xs: &[f64]| xs.repeat(copies as usize);
    let group: Vec<u64> = (0..copies).flat_map(|_| 0..rows as u64).collect();
    check::check(
        &Judged {
            probability: &times(&probability),
            target: &target.repeat(copies as usize),
            weight: &vec![1.0; rows * copies as usize],
            group: Some(&group),
        },
        true,
    )
    .unwrap()
}

#[test]
fn the_check_finds_how_far_probabilities_are_off() {
    let right = checked(0.0, 0.0, 1);
    assert!(right.offset.abs() < 3.0 * right.offset_error, "{right:?}");
    assert!(right.slope.abs() < 3.0 * right.slope_error, "{right:?}");
    let off = checked(0.5, -0.3, 1);
    // At the centre the offset holds the slope's part, too.
    let at_centre = 0.5 - 0.3 * off.centre;
    assert!((off.offset - at_centre).abs() < 4.0 * off.offset_error, "{off:?}");
    assert!((off.slope + 0.3).abs() < 4.0 * off.slope_error, "{off:?}");
    // The same customers four times over make nothing surer.
    let again = checked(0.5, -0.3, 4);
    assert!((again.offset_error / off.offset_error - 1.0).abs() < 1e-6, "{again:?}");
}

#[test]
fn levels_are_kept_by_their_places() {
    let names: Arc<[String]> = ["a", "b", "c"].map(str::to_owned).into();
    let cells: Vec<f64> =
        (0..300).map(|i| if i < 5 { 1.0 } else { f64::from(i % 2) * 2.0 }).collect();
    let spread = levels(&cells, &[1.0; 300], names.len());
    let Distribution::Levels { levels, others, .. } = spread else { unreachable!("levels") };
    assert_eq!(levels, [0, 2]);
    assert!((others - 5.0 / 300.0).abs() < 1e-5);
}
