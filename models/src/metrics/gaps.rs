//! How sure an expected calibration error is. Chance alone makes gaps between what was said and what was true, all of which
//! count upwards: between the quantiles of what a bootstrap draws, the error of a perfectly calibrated model would never lie.

use crate::metrics::confusion::{normal_above_mean, normal_quantile};
use crate::metrics::{Interval, Ranked};

/// What bins of like probability add to the calibration error.
#[derive(Debug, Clone)]
pub(super) struct Gaps {
    /// By bin: how far what was said is above what was true, as a part of the whole weight.
    found: Vec<f64>,
    /// By bin: the variance of that if what was said is true.
    if_said: Vec<f64>,
}

impl Gaps {
    /// The gaps of ranked rows; bins begin at `starts`, highest probability first.
    pub fn new(ranked: &Ranked, starts: &[u32]) -> Gaps {
        let (weights, targets) = (ranked.weights(), ranked.targets());
        let all: f64 = weights.iter().sum();
        let ends = starts.iter().skip(1).copied().chain([weights.len() as u32]);
        let bins = starts.iter().zip(ends).map(|(start, end)| {
            let (mut gap, mut variance) = (0.0, 0.0);
            for place in *start as usize..end as usize {
                let (p, weight) = (ranked.probability()[place], weights[place]);
                gap += weight * (p - f64::from(u8::from(targets[place])));
                // The scores of a rule are no probabilities.
                variance += weight * weight * (p * (1.0 - p)).max(0.0);
            }
            (gap / all, variance / (all * all))
        });
        let (found, if_said) = bins.unzip();
        Gaps { found, if_said }
    }

    /// The calibration error: the sum of the gaps, whatever their signs.
    pub fn error(&self) -> f64 {
        self.found.iter().map(|gap| gap.abs()).sum()
    }

    /// The errors in whose worlds the one found would be no surprise: gaps like those found, larger or smaller, with as
    /// much chance around each as the draws of a bootstrap have (by draw, its gaps), and no less than there is if what was
    /// said is true, since a bin in which nothing happened tells of no chance. `confidence`: 0.5 to 1.
    pub fn interval(&self, drawn: &[Vec<f64>], confidence: f64) -> Interval {
        let spread = |bin: usize| {
            let apart = drawn.iter().map(|gaps| (gaps[bin] - self.found[bin]).powi(2));
            let variance = apart.sum::<f64>() / drawn.len().max(1) as f64;
            variance.max(self.if_said[bin]).sqrt()
        };
        let spreads: Vec<f64> = (0..self.found.len()).map(spread).collect();
        let error = self.error();
        let far = normal_quantile(0.5 + confidence / 2.0);
        let at = |side: f64| self.times(error, &spreads, side * far) * error;
        Interval { value: error, low: at(1.0).min(error), high: at(-1.0).max(error) }
    }

    /// How many times the gaps found are those among which the error found is `far` standard errors above what is expected;
    /// 0 where it is not so far above what is expected of none.
    fn times(&self, error: f64, spreads: &[f64], far: f64) -> f64 {
        let reaches = |times: f64| {
            let (expected, spread) = self.expected(times, spreads);
            expected + far * spread >= error
        };
        let (mut low, mut high) = (0.0, MOST_TIMES);
        if reaches(low) {
            return low;
        }
        for _ in 0..50 {
            let middle = (low + high) / 2.0;
            if reaches(middle) { high = middle } else { low = middle }
        }
        high
    }

    /// Mean and standard deviation of the error found where the gaps are so many times those found: a sum of folded normals
    /// (Leone et al. 1961), one a bin.
    fn expected(&self, times: f64, spreads: &[f64]) -> (f64, f64) {
        let (mut mean, mut variance) = (0.0, 0.0);
        for (gap, spread) in self.found.iter().zip(spreads) {
            let gap = (times * gap).abs();
            // Folding changes nothing far from 0.
            let far = if *spread > 0.0 { (gap / spread).min(8.0) } else { 8.0 };
            let density = (-far * far / 2.0).exp() * (2.0 / std::f64::consts::PI).sqrt();
            let folded = spread * density + gap * 2.0 * normal_above_mean(far);
            mean += folded;
            variance += (gap * gap + spread * spread - folded * folded).max(0.0);
        }
        (mean, variance.sqrt())
    }
}

/// No interval goes beyond so many times the error found, or it is found where there is none.
const MOST_TIMES: f64 = 16.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chance_alone_makes_may_be_nothing() {
        // Ten bins with chance of 0.005 around each, as 500 rows at a base rate of 10 % have.
        let gaps =
            |found: f64| Gaps { found: vec![found; 10], if_said: vec![0.004_f64.powi(2); 10] };
        let drawn = |found: f64| -> Vec<Vec<f64>> {
            (0..200)
                .map(|draw| vec![found + if draw % 2 == 0 { 0.005 } else { -0.005 }; 10])
                .collect()
        };
        let by_chance = gaps(0.004).interval(&drawn(0.004), 0.95);
        assert!(by_chance.low == 0.0 && by_chance.high > 0.04, "{by_chance:?}");
        let sure = gaps(0.05).interval(&drawn(0.05), 0.95);
        // Ten gaps of 0.05, each with a standard error of 0.005: 0.5, 1.96 times 0.0158 on either side.
        assert!((sure.low - 0.469).abs() < 1e-3 && (sure.high - 0.531).abs() < 1e-3, "{sure:?}");
        let none = gaps(0.0).interval(&drawn(0.0), 0.95);
        assert_eq!((none.value, none.low, none.high), (0.0, 0.0, 0.0));
    }
}
