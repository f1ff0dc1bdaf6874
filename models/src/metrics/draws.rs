//! The figures of a report over the draws of a bootstrap: one pass over the ranked rows tells them all of eight draws at a
//! time, so that a million rows cost a second. The areas under the ROC curve are not among them: [`super::Auc`] needs no
//! draws.

use rayon::prelude::*;

use crate::metrics::bootstrap::{Bootstrap, DRAWS, times_of};
use crate::metrics::confusion::student_quantile;
use crate::metrics::gaps::Gaps;
use crate::metrics::{Difference, Interval, Ranked, effective_rows};
use crate::seed::mix2;

/// Draws that are told together.
pub(super) const LANES: usize = 8;
/// Shares of the weight whose lift is told.
pub const LIFT_SHARES: [f64; 3] = [0.01, 0.05, 0.10];

/// Figures of ranked probabilities, with their intervals.
#[derive(Debug, Clone, PartialEq)]
pub struct Figures {
    /// Average precision.
    pub average_precision: Interval,
    /// Mean log loss.
    pub log_loss: Interval,
    /// Mean squared error of the probability.
    pub brier_score: Interval,
    /// Expected calibration error, over the bins of the rows as they are. Chance adds to it; the interval knows that.
    pub ece: Interval,
    /// Times the base rate among the first [`LIFT_SHARES`].
    pub lift: [Interval; 3],
}

/// How much higher each figure of one ranking is than another's of the same rows.
#[derive(Debug, Clone, PartialEq)]
pub struct FigureDifferences {
    /// Average precision.
    pub average_precision: Difference,
    /// Mean log loss.
    pub log_loss: Difference,
    /// Mean squared error of the probability.
    pub brier_score: Difference,
    /// Expected calibration error, each over the bins of its own ranking of the rows as they are.
    pub ece: Difference,
    /// Times the base rate among the first [`LIFT_SHARES`].
    pub lift: [Difference; 3],
}

/// A number for each draw.
pub(super) type Lanes = [f64; LANES];

/// What draws gave for each figure.
#[derive(Debug, Clone, Default)]
struct Drawn {
    average_precision: Vec<f64>,
    log_loss: Vec<f64>,
    brier_score: Vec<f64>,
    /// By draw, then by bin of the calibration error.
    gaps: Vec<Vec<f64>>,
    lift: [Vec<f64>; 3],
}

impl Drawn {
    /// The calibration error of each draw.
    fn calibration_errors(&self) -> Vec<f64> {
        self.gaps.iter().map(|gaps| gaps.iter().map(|gap| gap.abs()).sum()).collect()
    }
}

impl Bootstrap<'_> {
    /// The figures of ranked probabilities with intervals at the bootstrap's confidence. Means and average precision:
    /// so many standard errors (of 200 draws) from the figure, on the scale of logarithms or log odds, which they are
    /// more symmetric on, and as many as Student says of the rows of the smaller class; lift: between the quantiles of what
    /// was drawn; calibration error: the errors among which the one found would be no surprise.
    pub fn figures(&self, ranked: &Ranked) -> Figures {
        self.told(ranked, self.drawn(ranked), self.confidence())
    }

    /// The same, and once more with intervals each end of which holds with the confidence by itself: what limits are held
    /// against.
    pub fn figures_and_bounds(&self, ranked: &Ranked) -> (Figures, Figures) {
        let drawn = self.drawn(ranked);
        let one_sided = 2.0 * self.confidence() - 1.0;
        let bounds = self.told(ranked, drawn.clone(), one_sided);
        (self.told(ranked, drawn, self.confidence()), bounds)
    }

    /// The average precision alone, as [`Bootstrap::figures`] tells it.
    pub fn average_precision(&self, ranked: &Ranked) -> Interval {
        let drawn: Vec<f64> = (0..DRAWS / LANES as u64)
            .into_par_iter()
            .flat_map_iter(|chunk| precision(ranked, |row, times| self.times(row, chunk, times)))
            .collect();
        let far = student_quantile(0.5 + self.confidence() / 2.0, ranked.fewest() - 1.0);
        let value = ranked.average_precision(ranked.weights());
        by_errors(value, drawn, (far, self.confidence()), LOG_ODDS)
    }

    /// The figures of two rankings of the same rows, and how much higher the second's are. Both are told of the same
    /// draws, so that what is common to them cancels out.
    pub fn beside(&self, first: &Ranked, second: &Ranked) -> ([Figures; 2], FigureDifferences) {
        let drawn = [self.drawn(first), self.drawn(second)];
        let (ours, theirs) = (second.weights(), first.weights());
        let of = |value: f64, of: &dyn Fn(&Drawn) -> &Vec<f64>| {
            Difference::of_draws(value, of(&drawn[0]), of(&drawn[1]))
        };
        let differences = FigureDifferences {
            average_precision: of(
                second.average_precision(ours) - first.average_precision(theirs),
                &|d| &d.average_precision,
            ),
            log_loss: of(second.log_loss(ours) - first.log_loss(theirs), &|d| &d.log_loss),
            brier_score: of(second.brier_score(ours) - first.brier_score(theirs), &|d| {
                &d.brier_score
            }),
            ece: Difference::of_draws(
                second.ece() - first.ece(),
                &drawn[0].calibration_errors(),
                &drawn[1].calibration_errors(),
            ),
            lift: std::array::from_fn(|place| {
                let share = LIFT_SHARES[place];
                of(second.lift(ours, share) - first.lift(theirs, share), &|d| &d.lift[place])
            }),
        };
        let [drawn, beside] = drawn;
        let confidence = self.confidence();
        let figures = [self.told(first, drawn, confidence), self.told(second, beside, confidence)];
        (figures, differences)
    }

    /// What all draws give, in their order.
    fn drawn(&self, ranked: &Ranked) -> Drawn {
        let rows = Rows::new(ranked);
        let chunks: Vec<Drawn> = (0..DRAWS / LANES as u64)
            .into_par_iter()
            .map(|chunk| rows.drawn(|row, times| self.times(row, chunk, times)))
            .collect();
        let all = |of: &dyn Fn(&Drawn) -> &Vec<f64>| -> Vec<f64> {
            chunks.iter().flat_map(|drawn| of(drawn).iter().copied()).collect()
        };
        Drawn {
            average_precision: all(&|d| &d.average_precision),
            log_loss: all(&|d| &d.log_loss),
            brier_score: all(&|d| &d.brier_score),
            gaps: chunks.iter().flat_map(|drawn| drawn.gaps.iter().cloned()).collect(),
            lift: std::array::from_fn(|place| all(&|d| &d.lift[place])),
        }
    }

    /// The figures of the rows as they are, with the intervals that the draws give.
    fn told(&self, ranked: &Ranked, drawn: Drawn, confidence: f64) -> Figures {
        let weight = ranked.weights();
        let far = student_quantile(0.5 + confidence / 2.0, ranked.fewest() - 1.0);
        let scaled = |value, drawn, scale| by_errors(value, drawn, (far, confidence), scale);
        let gaps = Gaps::new(ranked, &ranked.bin_starts());
        let mut lift = drawn.lift;
        Figures {
            average_precision: scaled(
                ranked.average_precision(weight),
                drawn.average_precision,
                LOG_ODDS,
            ),
            log_loss: scaled(ranked.log_loss(weight), drawn.log_loss, LOGARITHM),
            brier_score: scaled(ranked.brier_score(weight), drawn.brier_score, LOGARITHM),
            ece: gaps.interval(&drawn.gaps, confidence),
            lift: std::array::from_fn(|place| {
                let value = ranked.lift(weight, LIFT_SHARES[place]);
                Interval::of_draws(value, std::mem::take(&mut lift[place]), confidence)
            }),
        }
    }

    /// How often the draws of a chunk take a row.
    pub(super) fn times(&self, row: u32, chunk: u64, times: &mut Lanes) {
        let key = self.key(row);
        for (quarter, times) in times.chunks_exact_mut(4).enumerate() {
            let bits = mix2(mix2(self.seed(), chunk * (LANES as u64 / 4) + quarter as u64), key);
            for (lane, times) in times.iter_mut().enumerate() {
                *times = times_of((bits >> (16 * lane)) as u16);
            }
        }
    }
}

/// `far` standard errors from the value on another scale; between quantiles where that scale has no place for it. What
/// draws are off by on average counts as error too: so far the figure itself may be off.
fn by_errors(
    value: f64,
    drawn: Vec<f64>,
    (far, confidence): (f64, f64),
    (there, back): Scale,
) -> Interval {
    let scaled: Vec<f64> = drawn.iter().map(|d| there(*d)).collect();
    let centre = there(value);
    if !centre.is_finite() || scaled.iter().any(|d| !d.is_finite()) {
        return Interval::of_draws(value, drawn, confidence);
    }
    let squares: f64 = scaled.iter().map(|d| (d - centre).powi(2)).sum();
    let far = far * (squares / (scaled.len() as f64 - 1.0)).sqrt();
    Interval { value, low: back(centre - far), high: back(centre + far) }
}

impl Ranked {
    /// Effective rows of the smaller class.
    fn fewest(&self) -> f64 {
        let of = |class: bool| {
            let rows = self.targets().iter().zip(self.weights());
            effective_rows(rows.filter(|(target, _)| **target == class).map(|(_, weight)| *weight))
        };
        of(true).min(of(false))
    }
}

/// To a scale and back.
type Scale = (fn(f64) -> f64, fn(f64) -> f64);

const LOGARITHM: Scale = (f64::ln, f64::exp);
const LOG_ODDS: Scale = (|p| (p / (1.0 - p)).ln(), |odds| 1.0 / (1.0 + (-odds).exp()));

/// Ranked rows, with what each costs.
struct Rows<'a> {
    ranked: &'a Ranked,
    log_loss: Vec<f64>,
    /// Places where the bins of the calibration error begin, highest probability first.
    bins: Vec<u32>,
}

impl Rows<'_> {
    fn new(ranked: &Ranked) -> Rows<'_> {
        Rows { ranked, log_loss: ranked.log_losses(), bins: ranked.bin_starts() }
    }

    /// The figures of eight draws; `times` says how often each takes a row.
    fn drawn(&self, times: impl Fn(u32, &mut Lanes)) -> Drawn {
        let ranked = self.ranked;
        let (order, weights, targets) = (ranked.order(), ranked.weights(), ranked.targets());
        let mut drawn = [0.0; LANES];
        let mut all = [0.0; LANES];
        for (&row, weight) in order.iter().zip(weights) {
            times(row, &mut drawn);
            each(&mut all, &drawn, |all, times| *all += times * weight);
        }
        let mut sums = Sums::default();
        let (mut start, mut bins) = (0, self.bins.iter().copied().skip(1).peekable());
        for &end in ranked.ties() {
            if bins.next_if_eq(&(start as u32)).is_some() {
                sums.close_bin();
            }
            let (mut hits, mut misses) = ([0.0; LANES], [0.0; LANES]);
            for place in start..end as usize {
                times(order[place], &mut drawn);
                drawn.iter_mut().for_each(|times| *times *= weights[place]);
                let (p, hit) = (ranked.probability()[place], f64::from(u8::from(targets[place])));
                let (loss, apart) = (self.log_loss[place], p - hit);
                each(&mut sums.log_loss, &drawn, |sum, weight| *sum += weight * loss);
                each(&mut sums.brier_score, &drawn, |sum, weight| *sum += weight * apart * apart);
                each(&mut sums.gap, &drawn, |sum, weight| *sum += weight * apart);
                let of = if targets[place] { &mut hits } else { &mut misses };
                each(of, &drawn, |sum, weight| *sum += weight);
            }
            start = end as usize;
            sums.add_run(&hits, &misses, &all);
        }
        sums.close_bin();
        sums.figures(&all)
    }
}

/// The average precision of eight draws; `times` says how often each takes a row.
fn precision(ranked: &Ranked, times: impl Fn(u32, &mut Lanes)) -> Vec<f64> {
    let (mut sums, mut drawn, mut start) = (Sums::default(), [0.0; LANES], 0);
    for &end in ranked.ties() {
        let (mut hits, mut misses) = ([0.0; LANES], [0.0; LANES]);
        for place in start..end as usize {
            times(ranked.order()[place], &mut drawn);
            let (weight, target) = (ranked.weights()[place], ranked.targets()[place]);
            let of = if target { &mut hits } else { &mut misses };
            each(of, &drawn, |sum, times| *sum += times * weight);
        }
        start = end as usize;
        // Nothing is early in a draw of no weight: lift is not told.
        sums.add_run(&hits, &misses, &Lanes::default());
    }
    sums.precision.iter().zip(&sums.positives).map(|(sum, all)| sum / all).collect()
}

/// What is summed over rows, by draw.
#[derive(Default)]
struct Sums {
    log_loss: Lanes,
    brier_score: Lanes,
    /// Of the bin at hand, how far the probabilities are above what was true.
    gap: Lanes,
    /// The same of the bins before.
    gaps: Vec<Lanes>,
    precision: Lanes,
    positives: Lanes,
    seen: Lanes,
    found: [Lanes; 3],
}

impl Sums {
    /// A run of rows of equal probability.
    fn add_run(&mut self, hits: &Lanes, misses: &Lanes, all: &Lanes) {
        let most = LIFT_SHARES[LIFT_SHARES.len() - 1];
        let early = self.seen.iter().zip(all).any(|(seen, all)| *seen < all * most);
        if early {
            for (found, share) in self.found.iter_mut().zip(LIFT_SHARES) {
                for lane in 0..LANES {
                    let (run, left) =
                        (hits[lane] + misses[lane], all[lane] * share - self.seen[lane]);
                    if run > 0.0 && left > 0.0 {
                        found[lane] += hits[lane] * (left / run).min(1.0);
                    }
                }
            }
        }
        for lane in 0..LANES {
            self.positives[lane] += hits[lane];
            self.seen[lane] += hits[lane] + misses[lane];
            // Nothing is seen before a draw's first row: then nothing is added, whatever it is divided by.
            let seen = self.seen[lane].max(f64::MIN_POSITIVE);
            self.precision[lane] += hits[lane] * self.positives[lane] / seen;
        }
    }

    fn close_bin(&mut self) {
        self.gaps.push(std::mem::take(&mut self.gap));
    }

    fn figures(&self, all: &Lanes) -> Drawn {
        let over = |sums: &Lanes, of: &Lanes| -> Vec<f64> {
            sums.iter().zip(of).map(|(sum, of)| sum / of).collect()
        };
        let lift = |(found, share): (&Lanes, f64)| -> Vec<f64> {
            let lanes = (0..LANES)
                .map(|lane| found[lane] / (all[lane] * share) / (self.positives[lane] / all[lane]));
            lanes.collect()
        };
        let [first, second, third] = &self.found;
        Drawn {
            average_precision: over(&self.precision, &self.positives),
            log_loss: over(&self.log_loss, all),
            brier_score: over(&self.brier_score, all),
            gaps: (0..LANES)
                .map(|lane| self.gaps.iter().map(|gap| gap[lane] / all[lane]).collect())
                .collect(),
            lift: [
                lift((first, LIFT_SHARES[0])),
                lift((second, LIFT_SHARES[1])),
                lift((third, LIFT_SHARES[2])),
            ],
        }
    }
}

pub(super) fn each(sums: &mut Lanes, of: &Lanes, add: impl Fn(&mut f64, f64)) {
    sums.iter_mut().zip(of).for_each(|(sum, of)| add(sum, *of));
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::metrics::Judged;

    proptest! {
        #[test]
        fn all_figures_of_a_draw_are_those_of_its_weights(
            rows in prop::collection::vec((0_u8..12, any::<bool>(), 1_u8..4, 0_u64..30), 2..80),
            grouped in any::<bool>(), seed in any::<u64>()
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 13.0 + 0.01).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let w: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            let group: Vec<u64> = rows.iter().map(|r| r.3).collect();
            let group = grouped.then_some(group.as_slice());
            let judged = Judged { probability: &p, target: &y, weight: &w, group };
            let ranked = Ranked::new(&judged);
            let bootstrap = Bootstrap::new(&judged, seed, 0.9);
            let rows = Rows::new(&ranked);
            for chunk in 0..2 {
                let drawn = rows.drawn(|row, times| bootstrap.times(row, chunk, times));
                let alone = precision(&ranked, |row, times| bootstrap.times(row, chunk, times));
                for (both, alone) in drawn.average_precision.iter().zip(&alone) {
                    prop_assert!(both.is_nan() && alone.is_nan() || (both - alone).abs() < 1e-12);
                }
                for lane in 0..LANES {
                    let weight = bootstrap.weights(&ranked, chunk * LANES as u64 + lane as u64);
                    let same = |a: f64, b: f64| (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9;
                    let ap = ranked.average_precision(&weight);
                    prop_assert!(same(drawn.average_precision[lane], ap));
                    prop_assert!(same(drawn.log_loss[lane], ranked.log_loss(&weight)));
                    prop_assert!(same(drawn.brier_score[lane], ranked.brier_score(&weight)));
                    for (place, share) in LIFT_SHARES.into_iter().enumerate() {
                        prop_assert!(same(drawn.lift[place][lane], ranked.lift(&weight, share)));
                    }
                }
            }
        }
    }
}
