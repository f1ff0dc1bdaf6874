//! Margins to probabilities: Platt's sigmoid, or isotonic regression by pool-adjacent-violators.
//! Fitted on rows that the classifier has not seen.

use crate::error::{Error, Result};

/// Fewest rows of either class for which isotonic regression is considered: with fewer its steps
/// follow the noise.
const ISOTONIC_ROWS: usize = 200;
/// Folds in which the two are compared.
const FOLDS: usize = 5;
/// Probabilities are kept this far from 0 and 1 in the log loss of the comparison.
const TINY: f64 = 1e-9;

/// A rising function from margin to probability.
#[derive(Debug, Clone, PartialEq)]
pub enum Calibration {
    /// A sigmoid.
    Platt(Platt),
    /// Straight lines between points.
    Isotonic(Isotonic),
}

impl Calibration {
    /// Chooses and fits: Platt's sigmoid where either class has fewer than 200 rows, else whichever
    /// has the lower weighted log loss over 5 folds of the rows given (each row judged by a
    /// calibration that has not seen it); Platt when they are equal.
    ///
    /// # Errors
    /// When only one class is among the rows.
    pub fn fit(margins: &[f64], target: &[bool], weight: &[f64]) -> Result<Calibration> {
        let positives = target.iter().filter(|t| **t).count();
        let rows = target.len();
        if positives == 0 || positives == rows {
            return Err(Error::OneClass { part: "calibration", positives, rows });
        }
        let all: Vec<usize> = (0..rows).collect();
        let platt = |rows: &[usize]| Calibration::Platt(Platt::fit(rows, margins, target, weight));
        let isotonic =
            |rows: &[usize]| Calibration::Isotonic(Isotonic::fit(rows, margins, target, weight));
        if positives.min(rows - positives) < ISOTONIC_ROWS {
            return Ok(platt(&all));
        }
        let fold = folds(target);
        let loss = |fit: &dyn Fn(&[usize]) -> Calibration| -> f64 {
            let of_fold = |k: usize| {
                let seen: Vec<usize> = all.iter().copied().filter(|&r| fold[r] != k).collect();
                let calibration = fit(&seen);
                let unseen = all.iter().copied().filter(|&r| fold[r] == k);
                unseen
                    .map(|r| {
                        let p = calibration.probability(margins[r]).clamp(TINY, 1.0 - TINY);
                        -weight[r] * if target[r] { p.ln() } else { (1.0 - p).ln() }
                    })
                    .sum::<f64>()
            };
            (0..FOLDS).map(of_fold).sum()
        };
        Ok(match loss(&isotonic) < loss(&platt) {
            true => isotonic(&all),
            false => platt(&all),
        })
    }

    /// The probability for a finite margin: 0 to 1, never falling as the margin grows.
    pub fn probability(&self, margin: f64) -> f64 {
        match self {
            Calibration::Platt(platt) => platt.probability(margin),
            Calibration::Isotonic(isotonic) => isotonic.probability(margin),
        }
    }

    /// Its name in reports.
    pub fn name(&self) -> &'static str {
        match self {
            Calibration::Platt(_) => "platt",
            Calibration::Isotonic(_) => "isotonic",
        }
    }
}

/// Every class is dealt to the folds in turn, so that no fold lacks one.
fn folds(target: &[bool]) -> Vec<usize> {
    let mut dealt = [0, 0];
    let mut deal = |t: &bool| {
        let next = &mut dealt[usize::from(*t)];
        *next += 1;
        (*next - 1) % FOLDS
    };
    target.iter().map(&mut deal).collect()
}

/// `1 / (1 + exp(-(slope * margin + intercept)))` (Platt 1999, fitted as in Lin, Lin and Weng 2007).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Platt {
    slope: f64,
    intercept: f64,
}

impl Platt {
    /// A sigmoid as it was saved; `None` unless both are finite and the slope is at least 0.
    pub fn from_saved(slope: f64, intercept: f64) -> Option<Platt> {
        let sound = slope.is_finite() && intercept.is_finite() && slope >= 0.0;
        sound.then_some(Platt { slope, intercept })
    }

    /// Change of the log odds per unit of margin, at least 0.
    pub fn slope(&self) -> f64 {
        self.slope
    }

    /// The log odds at margin 0.
    pub fn intercept(&self) -> f64 {
        self.intercept
    }

    fn probability(&self, margin: f64) -> f64 {
        1.0 / (1.0 + (-(self.slope * margin + self.intercept)).exp())
    }

    /// Newton's method with halved steps. Targets are drawn a little towards each other, as if one
    /// more row of each class were there, so that separable rows have a finite fit. Where the best
    /// slope is negative, ranks would turn round: the slope is 0 and everyone has the base rate.
    fn fit(rows: &[usize], margins: &[f64], target: &[bool], weight: &[f64]) -> Platt {
        let count = |class: bool| rows.iter().filter(|&&r| target[r] == class).count() as f64;
        let (positives, negatives) = (count(true), count(false));
        let (high, low) = ((positives + 1.0) / (positives + 2.0), 1.0 / (negatives + 2.0));
        let goal = |r: usize| if target[r] { high } else { low };
        let loss = |platt: Platt| -> f64 {
            let of_row = |&r: &usize| {
                let z = platt.slope * margins[r] + platt.intercept;
                // ln(1 + e^z) - goal z, without overflow.
                weight[r] * (z.max(0.0) + (-z.abs()).exp().ln_1p() - goal(r) * z)
            };
            rows.iter().map(of_row).sum()
        };
        let total: f64 = rows.iter().map(|&r| weight[r]).sum();
        let share = rows.iter().map(|&r| weight[r] * goal(r)).sum::<f64>() / total;
        let flat = Platt { slope: 0.0, intercept: (share / (1.0 - share)).ln() };
        let mut best = flat;
        let mut best_loss = loss(best);
        for _ in 0..100 {
            let (step, descent) = newton_step(best, rows, margins, weight, goal);
            let mut size = 1.0;
            let moved = loop {
                let candidate = Platt {
                    slope: best.slope + size * step.0,
                    intercept: best.intercept + size * step.1,
                };
                let candidate_loss = loss(candidate);
                if candidate_loss <= best_loss - 1e-4 * size * descent {
                    break Some((candidate, candidate_loss));
                }
                size /= 2.0;
                if size < 1e-10 {
                    break None;
                }
            };
            let Some((next, next_loss)) = moved else { break };
            let gained = best_loss - next_loss;
            (best, best_loss) = (next, next_loss);
            if gained <= 1e-12 * best_loss.abs() {
                break;
            }
        }
        if best.slope > 0.0 { best } else { flat }
    }
}

/// The step to the minimum of the quadratic approximation, and how fast the loss falls along it.
fn newton_step(
    at: Platt,
    rows: &[usize],
    margins: &[f64],
    weight: &[f64],
    goal: impl Fn(usize) -> f64,
) -> ((f64, f64), f64) {
    let (mut g0, mut g1, mut h00, mut h01, mut h11) = (0.0, 0.0, 1e-12, 0.0, 1e-12);
    for &r in rows {
        let (x, p) = (margins[r], at.probability(margins[r]));
        let (gradient, curvature) = (weight[r] * (p - goal(r)), weight[r] * p * (1.0 - p));
        g0 += gradient * x;
        g1 += gradient;
        h00 += curvature * x * x;
        h01 += curvature * x;
        h11 += curvature;
    }
    let determinant = h00 * h11 - h01 * h01;
    let step = match determinant > 1e-300 {
        true => ((h01 * g1 - h11 * g0) / determinant, (h01 * g0 - h00 * g1) / determinant),
        false => (0.0, -g1 / h11),
    };
    (step, -(g0 * step.0 + g1 * step.1))
}

/// Straight lines between points of rising margin and probability, level beyond the ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Isotonic {
    margins: Vec<f64>,
    probabilities: Vec<f64>,
}

impl Isotonic {
    /// Points as they were saved; `None` unless there is one at least, margins rise strictly and
    /// probabilities, within 0 and 1, never fall.
    pub fn from_saved(margins: Vec<f64>, probabilities: Vec<f64>) -> Option<Isotonic> {
        let sound = !margins.is_empty()
            && margins.len() == probabilities.len()
            && margins.iter().all(|m| m.is_finite())
            && margins.windows(2).all(|w| w[0] < w[1])
            && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
            && probabilities.windows(2).all(|w| w[0] <= w[1]);
        sound.then_some(Isotonic { margins, probabilities })
    }

    /// The points' margins, rising.
    pub fn margins(&self) -> &[f64] {
        &self.margins
    }

    /// The points' probabilities, never falling.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    fn probability(&self, margin: f64) -> f64 {
        let above = self.margins.partition_point(|&m| m <= margin);
        if above == 0 {
            return self.probabilities[0];
        }
        if above == self.margins.len() {
            return self.probabilities[above - 1];
        }
        let (m0, m1) = (self.margins[above - 1], self.margins[above]);
        let (p0, p1) = (self.probabilities[above - 1], self.probabilities[above]);
        (p0 + (p1 - p0) * ((margin - m0) / (m1 - m0))).clamp(p0, p1)
    }

    /// Each block of pooled rows becomes a point at its mean margin: between blocks the probability
    /// rises, so that most rows keep their rank. A block of one class counts as if it had half a row
    /// of the other, so that nothing is called impossible or certain.
    fn fit(rows: &[usize], margins: &[f64], target: &[bool], weight: &[f64]) -> Isotonic {
        let mut order = rows.to_vec();
        order.sort_by(|&a, &b| margins[a].total_cmp(&margins[b]));
        let rows_sorted = order.iter().map(|&r| {
            let hit = if target[r] { weight[r] } else { 0.0 };
            Block { margin: margins[r] * weight[r], positive: hit, all: weight[r] }
        });
        // Rows of equal margin are one block from the start.
        let mut blocks: Vec<Block> = Vec::new();
        let mut last = f64::NAN;
        for (row, &r) in rows_sorted.zip(&order) {
            match blocks.last_mut() {
                Some(block) if margins[r] == last => block.add(&row),
                _ => blocks.push(row),
            }
            last = margins[r];
        }
        let pooled = pool_adjacent_violators(blocks);
        let mean_weight = order.iter().map(|&r| weight[r]).sum::<f64>() / order.len() as f64;
        let half = mean_weight / 2.0;
        let inside = |b: &Block| {
            let rate = b.positive / b.all;
            let least = half / (b.all + 2.0 * half);
            rate.clamp(least, 1.0 - least)
        };
        let mut fitted = Isotonic { margins: Vec::new(), probabilities: Vec::new() };
        for block in &pooled {
            let margin = block.margin / block.all;
            // Clamping keeps rates in order but for blocks of different size at the ends.
            let floor = fitted.probabilities.last().copied().unwrap_or(0.0);
            if fitted.margins.last().is_none_or(|&last| last < margin) {
                fitted.margins.push(margin);
                fitted.probabilities.push(inside(block).max(floor));
            }
        }
        fitted
    }
}

/// Rows pooled together: sums over them.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Block {
    margin: f64,
    positive: f64,
    all: f64,
}

impl Block {
    fn add(&mut self, other: &Block) {
        self.margin += other.margin;
        self.positive += other.positive;
        self.all += other.all;
    }

    fn rate(&self) -> f64 {
        self.positive / self.all
    }
}

/// Pools neighbours until rates rise (Ayer et al. 1955), in one pass with a stack.
fn pool_adjacent_violators(blocks: Vec<Block>) -> Vec<Block> {
    let mut pooled: Vec<Block> = Vec::with_capacity(blocks.len());
    for block in blocks {
        pooled.push(block);
        while let [.., before, last] = pooled.as_mut_slice() {
            if before.rate() < last.rate() {
                break;
            }
            let last = *last;
            before.add(&last);
            pooled.pop();
        }
    }
    pooled
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ones(n: usize) -> Vec<f64> {
        vec![1.0; n]
    }

    /// Isotonic regression by its min-max formula: at each place the highest over starts of the
    /// lowest over ends of the mean between them.
    fn isotonic_by_definition(rates: &[(f64, f64)]) -> Vec<f64> {
        let mean = |a: usize, b: usize| {
            let (p, w) = rates[a..=b].iter().fold((0.0, 0.0), |s, r| (s.0 + r.0, s.1 + r.1));
            p / w
        };
        let at = |i: usize| {
            let lowest =
                |a: usize| (i..rates.len()).map(|b| mean(a, b)).fold(f64::INFINITY, f64::min);
            (0..=i).map(lowest).fold(f64::NEG_INFINITY, f64::max)
        };
        (0..rates.len()).map(at).collect()
    }

    proptest! {
        #[test]
        fn pooling_agrees_with_the_definition(
            rows in prop::collection::vec((any::<bool>(), 1_u8..5), 1..40)
        ) {
            let blocks: Vec<Block> = rows.iter().enumerate().map(|(i, (t, w))| {
                let all = f64::from(*w);
                Block { margin: i as f64 * all, positive: if *t { all } else { 0.0 }, all }
            }).collect();
            let rates: Vec<(f64, f64)> = blocks.iter().map(|b| (b.positive, b.all)).collect();
            let expected = isotonic_by_definition(&rates);
            let mut place = 0;
            for block in pool_adjacent_violators(blocks) {
                let mut weight = 0.0;
                while weight < block.all - 1e-9 {
                    prop_assert!((expected[place] - block.rate()).abs() < 1e-9);
                    weight += rates[place].1;
                    place += 1;
                }
            }
            prop_assert_eq!(place, rates.len());
        }

        #[test]
        fn probabilities_never_fall_and_stay_within_0_and_1(
            rows in prop::collection::vec((-50.0_f64..50.0, any::<bool>(), 0.1_f64..10.0), 2..600),
            asked in prop::collection::vec(-1e6_f64..1e6, 2..50),
        ) {
            let margins: Vec<f64> = rows.iter().map(|r| (r.0 * 4.0).round() / 4.0).collect();
            let target: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let weight: Vec<f64> = rows.iter().map(|r| r.2).collect();
            prop_assume!(target.contains(&true) && target.contains(&false));
            let all: Vec<usize> = (0..rows.len()).collect();
            let mut asked = asked;
            asked.extend(&margins);
            asked.sort_by(f64::total_cmp);
            for calibration in [
                Calibration::Platt(Platt::fit(&all, &margins, &target, &weight)),
                Calibration::Isotonic(Isotonic::fit(&all, &margins, &target, &weight)),
            ] {
                let p: Vec<f64> = asked.iter().map(|&m| calibration.probability(m)).collect();
                prop_assert!(p.iter().all(|p| (0.0..=1.0).contains(p)), "{p:?}");
                prop_assert!(p.windows(2).all(|w| w[0] <= w[1]), "{p:?}");
            }
        }
    }

    #[test]
    fn platt_finds_the_sigmoid_that_drew_the_targets() {
        // Exact shares instead of draws: at each margin as many positives as the sigmoid says.
        let (mut margins, mut target) = (Vec::new(), Vec::new());
        for step in -20..=20 {
            let margin = f64::from(step) / 5.0;
            let p = 1.0 / (1.0 + (-(0.5 * margin - 1.0)).exp());
            for i in 0..1_000 {
                margins.push(margin);
                target.push(f64::from(i) < 1_000.0 * p);
            }
        }
        let all: Vec<usize> = (0..margins.len()).collect();
        let platt = Platt::fit(&all, &margins, &target, &ones(margins.len()));
        assert!((platt.slope - 0.5).abs() < 0.01, "{platt:?}");
        assert!((platt.intercept + 1.0).abs() < 0.02, "{platt:?}");
    }

    #[test]
    fn margins_that_rank_the_wrong_way_round_give_everyone_the_base_rate() {
        let margins: Vec<f64> = (0..100).map(f64::from).collect();
        let target: Vec<bool> = (0..100).map(|i| i < 25).collect();
        let all: Vec<usize> = (0..100).collect();
        let platt = Platt::fit(&all, &margins, &target, &ones(100));
        assert_eq!(platt.slope, 0.0);
        assert!((platt.probability(7.0) - 0.25).abs() < 0.02);
    }

    #[test]
    fn few_rows_get_platt_and_bent_curves_get_isotonic() {
        let bent = |rows: usize| {
            let margins: Vec<f64> = (0..rows).map(|i| i as f64 / rows as f64 * 8.0).collect();
            // A step: no sigmoid of this margin is near it.
            let target: Vec<bool> =
                (0..rows).map(|i| if i < rows / 2 { i % 20 == 0 } else { i % 5 != 0 }).collect();
            Calibration::fit(&margins, &target, &ones(rows)).unwrap()
        };
        assert_eq!(bent(300).name(), "platt");
        assert_eq!(bent(20_000).name(), "isotonic");
    }

    #[test]
    fn a_single_class_is_refused() {
        let error = Calibration::fit(&[1.0, 2.0], &[true, true], &[1.0, 1.0]).unwrap_err();
        assert!(error.to_string().contains("calibration rows: 2 of 2 have the target"), "{error}");
    }

    #[test]
    fn a_row_of_weight_two_counts_as_two_rows() {
        let margins: Vec<f64> = (0..60).map(|i| f64::from(i % 13)).collect();
        let target: Vec<bool> = (0..60).map(|i| i % 3 == 0 || i % 13 > 9).collect();
        let weight: Vec<f64> = (0..60).map(|i| f64::from(1 + i % 2)).collect();
        let all: Vec<usize> = (0..60).collect();
        let twice: Vec<usize> = all.iter().flat_map(|&r| vec![r; 1 + r % 2]).collect();
        let weighted = Isotonic::fit(&all, &margins, &target, &weight);
        let repeated = Isotonic::fit(&twice, &margins, &target, &ones(60));
        for margin in [0.0, 3.0, 6.5, 11.0] {
            let (a, b) = (weighted.probability(margin), repeated.probability(margin));
            assert!((a - b).abs() < 0.02, "{a} {b}");
        }
    }
}
