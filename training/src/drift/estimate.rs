//! Error rate, miss rate, base rate and ROC AUC of rows whose answers are not known yet, from their calibrated
//! probabilities alone; with intervals for what will come true on these very rows.
//!
//! Of rows predicted positive, `1 - p` are expected to be errors; of all positives, `sum p` in number, those that are not
//! predicted are missed. This holds as long as the calibration does: where behaviour changes what follows from it, no
//! figure made of probabilities can know.
//!
//! How far probabilities were off on rows with known answers ([`CalibrationCheck`]) is put right first, the less the less
//! sure it is: those are the latest answers there are. Scores stay as they are; it is the estimate that knows better.
//!
//! The intervals hold two things. Outcomes: each row is positive with its probability; rows of one customer are taken to
//! go together wholly, which is the widest. Calibration: it may move again, either way, by as much as it had moved when it
//! was checked, and by as much as could not be seen then.

use rand::{RngExt, SeedableRng};
use rand_distr::{Beta, Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use rekindle_models::artifact::CalibrationCheck;
use rekindle_models::metrics::Interval;
use rekindle_models::seed::mix2;
use serde::Serialize;

use crate::drift::odds::{Bin, bins};

/// Draws that intervals are taken from.
const DRAWS: u64 = 2_000;

/// Rows whose answers are not known, or not looked at.
#[derive(Debug, Clone, Copy)]
pub struct Unanswered<'a> {
    /// Calibrated probabilities.
    pub probability: &'a [f64],
    /// Weights; `None`: all the same.
    pub weight: Option<&'a [f64]>,
    /// Which customer each row is of, where some have several.
    pub group: Option<&'a [u64]>,
}

/// What is to be expected of rows.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Estimate {
    /// Rows.
    pub rows: usize,
    /// Share of those predicted positive that will not be; null where nobody is predicted positive.
    pub error_rate: Interval,
    /// Share of the positives that are not predicted.
    pub miss_rate: Interval,
    /// Share of positives.
    pub base_rate: Interval,
    /// Area under the ROC curve.
    pub roc_auc: Interval,
    /// Confidence of the intervals.
    pub confidence: f64,
}

/// Variances of the sums of positives by their outcomes: among those predicted positive, and among the others.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutcomeVariance {
    predicted: f64,
    others: f64,
    /// Times that it would be if rows of one customer had nothing to do with each other.
    design: f64,
}

impl OutcomeVariance {
    /// The standard deviation of the number of positives.
    pub fn deviation(&self) -> f64 {
        (self.predicted + self.others).sqrt()
    }
}

/// The estimate at a threshold. `check` is what is known of the calibration; without it probabilities are taken as they
/// are, and intervals hold the outcomes only.
pub fn estimate(
    rows: &Unanswered<'_>,
    threshold: f64,
    check: Option<&CalibrationCheck>,
    confidence: f64,
    seed: u64,
) -> Estimate {
    let bins = bins(rows.probability, rows.weight, threshold);
    let variance = variance(rows, threshold);
    let calibration = Calibration::new(check);
    let right = calibration.expected(&bins, (0.0, 0.0));
    let draw = |draw: u64| {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(mix2(seed, draw));
        let mut normal = || -> f64 { StandardNormal.sample(&mut random) };
        let (moves, auc_noise) = ((normal(), normal()), normal());
        calibration.expected(&bins, moves).drawn(&variance, auc_noise, &mut random)
    };
    let drawn: Vec<[f64; 4]> = (0..DRAWS).into_par_iter().map(draw).collect();
    let of = |place: usize, value: f64| {
        let drawn = drawn.iter().map(|figures| figures[place]).collect();
        Interval::of_draws(value, drawn, confidence)
    };
    let [error_rate, miss_rate, base_rate] = right.rates((right.found, right.missed));
    Estimate {
        rows: rows.probability.len(),
        error_rate: of(0, error_rate),
        miss_rate: of(1, miss_rate),
        base_rate: of(2, base_rate),
        roc_auc: of(3, right.roc_auc),
        confidence,
    }
}

/// Offset and slope of the log odds that are expected, and how far they may move.
#[derive(Debug, Clone, Copy, Default)]
struct Calibration {
    centre: f64,
    expected: (f64, f64),
    deviation: (f64, f64),
}

impl Calibration {
    fn new(check: Option<&CalibrationCheck>) -> Calibration {
        let Some(check) = check else { return Calibration::default() };
        // What was seen, times the part of its square that is no noise.
        let shrunk = |seen: f64, error: f64| match seen * seen + error * error {
            0.0 => 0.0,
            whole => seen * (seen * seen) / whole,
        };
        Calibration {
            centre: check.centre,
            expected: (
                shrunk(check.offset, check.offset_error),
                shrunk(check.slope, check.slope_error),
            ),
            deviation: (
                check.offset.hypot(check.offset_error),
                check.slope.hypot(check.slope_error),
            ),
        }
    }

    /// What is expected of rows where offset and slope have moved by so many deviations.
    fn expected(&self, bins: &[Bin], moves: (f64, f64)) -> Expected {
        let offset = self.expected.0 + moves.0 * self.deviation.0;
        // Ranks do not turn round.
        let slope = (self.expected.1 + moves.1 * self.deviation.1).max(-1.0);
        Expected::of(bins, |z| z + offset + slope * (z - self.centre))
    }
}

/// How far the sums of positives may be from what is expected.
pub fn variance(rows: &Unanswered<'_>, threshold: f64) -> OutcomeVariance {
    let deviation = |row: usize| {
        let p = rows.probability[row];
        rows.weight.map_or(1.0, |weight| weight[row]) * (p * (1.0 - p)).sqrt()
    };
    let mut apart = [0.0; 2];
    for row in 0..rows.probability.len() {
        apart[usize::from(rows.probability[row] >= threshold)] += deviation(row).powi(2);
    }
    let sum = apart[0] + apart[1];
    let Some(group) = rows.group else {
        return OutcomeVariance { predicted: apart[1], others: apart[0], design: 1.0 };
    };
    let mut order: Vec<u32> = (0..group.len() as u32).collect();
    order.par_sort_unstable_by_key(|&row| (group[row as usize], row));
    let mut together = [0.0; 2];
    let mut first = 0;
    while first < order.len() {
        let key = group[order[first] as usize];
        let end = first + order[first..].partition_point(|&row| group[row as usize] == key);
        let mut of_customer = [0.0; 2];
        for &row in &order[first..end] {
            let row = row as usize;
            of_customer[usize::from(rows.probability[row] >= threshold)] += deviation(row);
        }
        together = [0, 1].map(|side| together[side] + of_customer[side] * of_customer[side]);
        first = end;
    }
    let design = if sum > 0.0 { (together[0] + together[1]) / sum } else { 1.0 };
    OutcomeVariance { predicted: together[1], others: together[0], design }
}

/// Sums that are expected at some calibration.
#[derive(Debug, Clone, Copy)]
struct Expected {
    /// Weight predicted positive, and of the others.
    weight: (f64, f64),
    /// Of these the positives.
    found: f64,
    missed: f64,
    roc_auc: f64,
    /// Its variance by the outcomes, as DeLong's.
    auc_variance: f64,
}

impl Expected {
    /// `right` gives the log odds that hold from those that were said.
    fn of(bins: &[Bin], right: impl Fn(f64) -> f64) -> Expected {
        let (mut weight, mut found, mut missed) = ((0.0, 0.0), 0.0, 0.0);
        let mut positive = Vec::with_capacity(bins.len());
        for bin in bins {
            let p = 1.0 / (1.0 + (-right(bin.log_odds)).exp());
            weight = (weight.0 + bin.predicted, weight.1 + bin.others);
            found += bin.predicted * p;
            missed += bin.others * p;
            positive.push(p);
        }
        let positives = found + missed;
        let negatives = weight.0 + weight.1 - positives;
        // Of each bin the share of negatives below it, and of positives above it, those beside it by half.
        let (mut below, mut above) = (0.0, positives);
        let mut area = 0.0;
        let ranks: Vec<(f64, f64)> = bins
            .iter()
            .zip(&positive)
            .map(|(bin, p)| {
                let (yes, no) = (bin.weight() * p, bin.weight() * (1.0 - p));
                above -= yes;
                let ranks = ((below + no / 2.0) / negatives, (above + yes / 2.0) / positives);
                below += no;
                area += yes * ranks.0;
                ranks
            })
            .collect();
        let roc_auc = area / positives;
        let (mut of_positives, mut of_negatives) = (0.0, 0.0);
        for ((bin, p), (rank, over)) in bins.iter().zip(&positive).zip(ranks) {
            of_positives += bin.squares * p * (rank - roc_auc).powi(2);
            of_negatives += bin.squares * (1.0 - p) * (over - roc_auc).powi(2);
        }
        let auc_variance = of_positives / positives.powi(2) + of_negatives / negatives.powi(2);
        Expected { weight, found, missed, roc_auc, auc_variance }
    }

    /// Error rate, miss rate and base rate with so many positives found and missed.
    fn rates(&self, (found, missed): (f64, f64)) -> [f64; 3] {
        [
            1.0 - found / self.weight.0,
            missed / (found + missed),
            (found + missed) / (self.weight.0 + self.weight.1),
        ]
    }

    /// Error rate, miss rate, base rate and ROC AUC of outcomes drawn.
    fn drawn(
        &self,
        variance: &OutcomeVariance,
        auc_noise: f64,
        random: &mut Xoshiro256PlusPlus,
    ) -> [f64; 4] {
        let found = part(self.found, self.weight.0, variance.predicted, random);
        let missed = part(self.missed, self.weight.1, variance.others, random);
        let [error, miss, base] = self.rates((found, missed));
        let deviation = (self.auc_variance * variance.design).sqrt();
        [error, miss, base, (self.roc_auc + auc_noise * deviation).clamp(0.0, 1.0)]
    }
}

/// A sum of outcomes within 0 and `whole` of that mean and variance: a Beta, which knows its bounds.
fn part(mean: f64, whole: f64, variance: f64, random: &mut Xoshiro256PlusPlus) -> f64 {
    let (share, spread) = (mean / whole, variance / (whole * whole));
    let rows = share * (1.0 - share) / spread - 1.0;
    // Few rows that are all but certain may vary more than a Beta can: then it is one or the other.
    if rows.is_nan() || !rows.is_finite() {
        return mean;
    }
    if rows <= 1e-6 {
        return if random.random::<f64>() < share { whole } else { 0.0 };
    }
    Beta::new(share * rows, (1.0 - share) * rows).map_or(mean, |law| whole * law.sample(random))
}
