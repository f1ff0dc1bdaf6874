//! Which rows a model is fitted on, calibrated on and judged on.

use std::collections::HashMap;

use rayon::prelude::*;
use rekindle_models::frame::{Column, Frame, Kind};
use rekindle_models::seed::{hash_text, mix2, unit};

use crate::error::{Error, Result};

/// Customers of a class below which the class is dealt by rank, so that each part gets its share.
const SMALL_CLASS: usize = 200;

/// The parts' shares of the customers; what is left is for training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shares {
    /// For calibration and the threshold: above 0.
    pub calibration: f64,
    /// For judging: 0 where other rows are kept for it.
    pub test: f64,
}

impl Default for Shares {
    fn default() -> Shares {
        Shares { calibration: 0.15, test: 0.15 }
    }
}

impl Shares {
    /// # Errors
    /// When a share is out of its range or less than a tenth is left for training.
    pub fn validate(&self) -> Result<()> {
        let fits =
            self.calibration > 0.0 && self.test >= 0.0 && self.calibration + self.test <= 0.9;
        if fits {
            return Ok(());
        }
        Err(Error::BadOptions(format!(
            "shares: calibration {} and test {}; expected calibration above 0, test at least 0, and \
             at least 0.1 left for training",
            self.calibration, self.test
        )))
    }
}

/// Rows of a table by part, each in the table's order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Split {
    /// Rows to fit on.
    pub train: Vec<u32>,
    /// Rows to calibrate and choose the threshold on.
    pub calibration: Vec<u32>,
    /// Rows to judge on.
    pub test: Vec<u32>,
}

/// Splits by customer. A customer's part follows from the hash of its key and the seed alone, so it
/// stays when rows are added, removed or reordered; shares hold in each class up to chance. A class of
/// fewer than 200 customers is too small to leave to chance: it is dealt by the rank of its hashes,
/// and rows may then move when more come. A customer counts as positive when any row is; its rows
/// stay together.
///
/// `keys` and `target` are of all rows of the table, `rows` are those to split.
pub fn by_customer(
    rows: &[u32],
    keys: &[u64],
    target: &[bool],
    shares: Shares,
    seed: u64,
) -> Split {
    let mut positive: HashMap<u64, bool> = HashMap::new();
    for &row in rows {
        *positive.entry(keys[row as usize]).or_default() |= target[row as usize];
    }
    let mut place: HashMap<u64, f64> = HashMap::with_capacity(positive.len());
    for class in [false, true] {
        let mut customers: Vec<(u64, u64)> = positive
            .iter()
            .filter(|(_, is_positive)| **is_positive == class)
            .map(|(&key, _)| (mix2(seed, key), key))
            .collect();
        if customers.len() >= SMALL_CLASS {
            place.extend(customers.iter().map(|(hash, key)| (*key, unit(*hash))));
        } else {
            customers.sort_unstable();
            let count = customers.len() as f64;
            let ranked = customers.iter().enumerate();
            place.extend(ranked.map(|(rank, (_, key))| (*key, (rank as f64 + 0.5) / count)));
        }
    }
    let mut split = Split::default();
    for &row in rows {
        let place = place[&keys[row as usize]];
        let part = match place {
            p if p < shares.test => &mut split.test,
            p if p < shares.test + shares.calibration => &mut split.calibration,
            _ => &mut split.train,
        };
        part.push(row);
    }
    split
}

/// Splits by time: the earliest rows are for training, the next for calibration, the latest for
/// judging. Rows of equal time stay together, in the earlier part.
///
/// `time` is of all rows of the table, none missing among `rows`.
pub fn by_time(rows: &[u32], time: &[f64], shares: Shares) -> Split {
    let mut order = rows.to_vec();
    order.sort_by(|&a, &b| time[a as usize].total_cmp(&time[b as usize]));
    let cut = |share: f64| {
        let mut at = (order.len() as f64 * share).round() as usize;
        let time_of = |place: usize| time[order[place] as usize];
        while at > 0 && at < order.len() && time_of(at) == time_of(at - 1) {
            at += 1;
        }
        at.min(order.len())
    };
    let first = cut(1.0 - shares.calibration - shares.test);
    let second = if shares.test > 0.0 { cut(1.0 - shares.test).max(first) } else { order.len() };
    let part = |span: std::ops::Range<usize>| {
        let mut part = order[span].to_vec();
        part.sort_unstable();
        part
    };
    Split {
        train: part(0..first),
        calibration: part(first..second),
        test: part(second..order.len()),
    }
}

/// Splits snapshots by cutoff: the latest cutoffs judge, as few as hold `shares.test` of the rows; of the rest,
/// only rows whose answer was known when the first of these was made are used, that is whose cutoff
/// is at least `embargo` earlier. They are divided into training and calibration rows by customer. So
/// a customer may stand on both sides of the judging cutoff, in order of time.
///
/// `time`, `keys` and `target` are of all rows of the table; `embargo` has the unit of `time`.
pub fn by_cutoff(
    rows: &[u32],
    time: &[f64],
    embargo: f64,
    (keys, target): (&[u64], &[bool]),
    shares: Shares,
    seed: u64,
) -> Split {
    let mut times: Vec<f64> = rows.iter().map(|&row| time[row as usize]).collect();
    times.sort_by(f64::total_cmp);
    let wanted = (times.len() as f64 * shares.test).ceil() as usize;
    let first = match wanted {
        0 => f64::INFINITY,
        n => times[times.len() - n],
    };
    let known = |row: &u32| {
        let time = time[*row as usize];
        time < first && time + embargo <= first
    };
    let known: Vec<u32> = rows.iter().copied().filter(known).collect();
    let inner = Shares { calibration: shares.calibration / (1.0 - shares.test), test: 0.0 };
    let split = by_customer(&known, keys, target, inner, seed);
    let test = rows.iter().copied().filter(|&row| time[row as usize] >= first).collect();
    Split { test, ..split }
}

/// The key of every row: the hash of its id where there is an id column, else of its cells in the
/// columns given, so that equal rows share a part.
pub fn keys(frame: &Frame, id: Option<usize>, columns: &[usize]) -> Vec<u64> {
    if let Some(place) = id {
        return column_hashes(frame, place);
    }
    let mut keys = vec![0_u64; frame.rows()];
    for &place in columns {
        let hashes = column_hashes(frame, place);
        keys.par_iter_mut().zip(hashes).for_each(|(key, hash)| *key = mix2(*key, hash));
    }
    keys
}

fn column_hashes(frame: &Frame, place: usize) -> Vec<u64> {
    match (&frame.columns()[place], &frame.schema().fields()[place].kind) {
        (Column::Category(codes), Kind::Categorical(levels)) => {
            // By text, as codes change when levels are added.
            let hashes: Vec<u64> = levels.iter().map(|level| hash_text(level)).collect();
            codes.iter().map(|&code| hashes.get(code as usize).copied().unwrap_or(0)).collect()
        }
        (Column::Number(values), _) => values.iter().map(|value| value.to_bits()).collect(),
        (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SHARES: Shares = Shares { calibration: 0.2, test: 0.2 };

    fn part_of(split: &Split, row: u32) -> u8 {
        match () {
            () if split.train.contains(&row) => 0,
            () if split.calibration.contains(&row) => 1,
            () => 2,
        }
    }

    #[test]
    fn no_row_moves_when_rows_are_added_or_reordered() {
        let key = |customer: u64| mix2(99, customer);
        let target = |customer: u64| customer.is_multiple_of(3);
        let few: Vec<u64> = (0..2_000).collect();
        let many: Vec<u64> = (0..3_000).rev().collect();
        let split = |customers: &[u64]| {
            let rows: Vec<u32> = (0..customers.len() as u32).collect();
            let keys: Vec<u64> = customers.iter().map(|&c| key(c)).collect();
            let target: Vec<bool> = customers.iter().map(|&c| target(c)).collect();
            by_customer(&rows, &keys, &target, SHARES, 7)
        };
        let (before, after) = (split(&few), split(&many));
        for customer in 0..2_000_u32 {
            let later = 2_999 - customer;
            assert_eq!(part_of(&before, customer), part_of(&after, later), "customer {customer}");
        }
        assert!((350..450).contains(&before.test.len()), "{}", before.test.len());
    }

    #[test]
    fn a_handful_of_positives_is_dealt_to_every_part() {
        for seed in 0..50 {
            let rows: Vec<u32> = (0..1_000).collect();
            let keys: Vec<u64> = (0..1_000).collect();
            let target: Vec<bool> = (0..1_000).map(|r| r % 100 == 3).collect();
            let split = by_customer(&rows, &keys, &target, SHARES, seed);
            for part in [&split.train, &split.calibration, &split.test] {
                assert!(part.iter().filter(|&&r| target[r as usize]).count() >= 2);
            }
        }
    }

    #[test]
    fn the_latest_cutoff_judges_and_answers_unknown_by_then_are_left_out() {
        let time: Vec<f64> = (0..500).map(|row| f64::from(row % 5) * 30.0).collect();
        let rows: Vec<u32> = (0..500).collect();
        let keys: Vec<u64> = (0..500).map(|row| row / 5).collect();
        let target: Vec<bool> = (0..500).map(|row| row % 3 == 0).collect();
        let split = by_cutoff(&rows, &time, 60.0, (&keys, &target), SHARES, 3);
        let times = |part: &[u32]| -> Vec<f64> {
            let mut times: Vec<f64> = part.iter().map(|&row| time[row as usize]).collect();
            times.sort_by(f64::total_cmp);
            times.dedup();
            times
        };
        assert_eq!(times(&split.test), [120.0]);
        assert_eq!(times(&split.train), [0.0, 30.0, 60.0]);
        assert_eq!(times(&split.calibration), [0.0, 30.0, 60.0]);
        assert_eq!(split.train.len() + split.calibration.len(), 300);
        let customers = |part: &[u32]| -> std::collections::HashSet<u64> {
            part.iter().map(|&row| keys[row as usize]).collect()
        };
        assert!(customers(&split.train).is_disjoint(&customers(&split.calibration)));
    }

    proptest! {
        #[test]
        fn every_row_is_in_one_part_and_customers_stay_together(
            customers in prop::collection::vec((0_u64..60, any::<bool>()), 1..200), seed in any::<u64>()
        ) {
            let rows: Vec<u32> = (0..customers.len() as u32).collect();
            let keys: Vec<u64> = customers.iter().map(|c| c.0).collect();
            let target: Vec<bool> = customers.iter().map(|c| c.1).collect();
            let split = by_customer(&rows, &keys, &target, SHARES, seed);
            let mut all = [split.train.clone(), split.calibration.clone(), split.test.clone()].concat();
            all.sort_unstable();
            prop_assert_eq!(&all, &rows);
            for a in &rows {
                for b in &rows {
                    if keys[*a as usize] == keys[*b as usize] {
                        prop_assert_eq!(part_of(&split, *a), part_of(&split, *b));
                    }
                }
            }
        }

        #[test]
        fn no_row_learns_and_judges_whatever_the_embargo(
            time in prop::collection::vec(0_u8..4, 1..200), embargo in 0_u8..3, seed in any::<u64>()
        ) {
            let time: Vec<f64> = time.into_iter().map(f64::from).collect();
            let rows: Vec<u32> = (0..time.len() as u32).collect();
            let keys: Vec<u64> = rows.iter().map(|row| u64::from(row / 3)).collect();
            let target: Vec<bool> = rows.iter().map(|row| row % 2 == 0).collect();
            let embargo = f64::from(embargo);
            let split = by_cutoff(&rows, &time, embargo, (&keys, &target), SHARES, seed);
            let first = split.test.iter().map(|&row| time[row as usize]).fold(f64::INFINITY, f64::min);
            for row in split.train.iter().chain(&split.calibration) {
                prop_assert!(!split.test.contains(row));
                prop_assert!(time[*row as usize] < first && time[*row as usize] + embargo <= first);
            }
            prop_assert!(split.train.iter().all(|row| !split.calibration.contains(row)));
        }

        #[test]
        fn judging_is_on_later_time_than_calibration_and_that_than_training(
            time in prop::collection::vec(0_u8..40, 1..200)
        ) {
            let time: Vec<f64> = time.into_iter().map(f64::from).collect();
            let rows: Vec<u32> = (0..time.len() as u32).collect();
            let split = by_time(&rows, &time, SHARES);
            let ends = |part: &[u32]| {
                let times = part.iter().map(|&r| time[r as usize]);
                (times.clone().fold(f64::INFINITY, f64::min), times.fold(f64::NEG_INFINITY, f64::max))
            };
            prop_assert!(ends(&split.train).1 < ends(&split.calibration).0);
            prop_assert!(ends(&split.calibration).1 < ends(&split.test).0);
            prop_assert!(ends(&split.train).1 < ends(&split.test).0);
            prop_assert_eq!(split.train.len() + split.calibration.len() + split.test.len(), rows.len());
        }
    }
}
