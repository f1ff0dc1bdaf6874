//! Gauss-Legendre rules on 0..1: the points and shares with which `plan.rs` integrates.

use std::f64::consts::PI;

/// Points inside 0..1, rising, with weights that sum to 1.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// Where the function is looked at; never 0 or 1.
    pub points: Vec<f64>,
    /// What each value counts, above 0.
    pub weights: Vec<f64>,
}

/// How many points a product of `factors` linear factors, each between 0 and 1 on 0..1, needs.
///
/// `n` points are exact for polynomials of degree `2 n - 1`, so half as many points as factors are
/// enough. Products of very many factors are smooth: their Chebyshev coefficients fall like
/// `exp(-k^2 / 2 factors)`, so that from `4.5 * sqrt(factors)` points on the remainder is lost in
/// the rounding of `f64`. That caps the points of trees that are thousands of questions deep.
pub fn points_for(factors: usize) -> usize {
    let smooth = (4.5 * (factors as f64).sqrt()).ceil() as usize + 4;
    factors.div_ceil(2).min(smooth).max(1)
}

impl Rule {
    /// The rule with `count` points, at least 1: roots of the Legendre polynomial by Newton's
    /// method from Tricomi's estimate.
    pub fn new(count: usize) -> Rule {
        let mut rule = Rule { points: vec![0.0; count], weights: vec![0.0; count] };
        for place in 0..count.div_ceil(2) {
            let mut root = (PI * (place as f64 + 0.75) / (count as f64 + 0.5)).cos();
            let mut slope = 1.0;
            // The estimate is good to a few digits and each step doubles them: 8 are plenty.
            for _ in 0..8 {
                let (value, derivative) = legendre(count, root);
                slope = derivative;
                root -= value / derivative;
            }
            // On -1..1 the weight is 2 / ((1 - root^2) slope^2); 0..1 is half as long.
            let weight = 1.0 / ((1.0 - root * root) * slope * slope);
            rule.points[place] = (1.0 - root) / 2.0;
            rule.points[count - 1 - place] = (1.0 + root) / 2.0;
            rule.weights[place] = weight;
            rule.weights[count - 1 - place] = weight;
        }
        rule
    }
}

/// The Legendre polynomial of a degree of 1 or more at `x` in -1..1, and its derivative.
fn legendre(degree: usize, x: f64) -> (f64, f64) {
    let (mut before, mut value) = (1.0, x);
    for n in 2..=degree {
        let n = n as f64;
        (before, value) = (value, ((2.0 * n - 1.0) * x * value - (n - 1.0) * before) / n);
    }
    (value, degree as f64 * (x * value - before) / (x * x - 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_up_to_twice_the_points_are_integrated() {
        for count in 1..60 {
            let rule = Rule::new(count);
            for power in 0..2 * count {
                let terms = rule.points.iter().zip(&rule.weights);
                let sum: f64 = terms.map(|(t, w)| w * t.powi(power as i32)).sum();
                let exact = 1.0 / (power + 1) as f64;
                assert!((sum - exact).abs() < 1e-14, "{count} points, power {power}: {sum}");
            }
        }
    }

    #[test]
    fn points_rise_inside_the_interval() {
        for count in [1, 2, 3, 10, 101] {
            let rule = Rule::new(count);
            assert!(rule.points.is_sorted_by(|a, b| a < b));
            assert!(rule.points[0] > 0.0 && rule.points[count - 1] < 1.0);
        }
    }

    #[test]
    fn long_products_need_few_points() {
        // A product of `ones` factors t and the others 1 - t: a Beta function.
        for factors in [120, 150, 400, 3_000] {
            let count = points_for(factors);
            assert!(count < factors / 2);
            let rule = Rule::new(count);
            for ones in [0, 1, 3, factors / 10, factors / 4, factors / 2, factors] {
                // Divided by its largest value, so that thin integrals do not vanish.
                let share = ones as f64 / factors as f64;
                let log = |t: f64| {
                    let part = |n: usize, x: f64| if n == 0 { 0.0 } else { n as f64 * x.ln() };
                    part(ones, t) + part(factors - ones, 1.0 - t)
                };
                let top = log(share);
                let terms = rule.points.iter().zip(&rule.weights);
                let sum: f64 = terms.map(|(t, w)| w * (log(*t) - top).exp()).sum();
                // 1 / ((factors + 1) * choose(factors, ones)), by logarithms.
                let choose: f64 =
                    (0..ones).map(|i| ((factors - i) as f64 / (ones - i) as f64).ln()).sum();
                let exact = (-((factors + 1) as f64).ln() - choose - top).exp();
                assert!((sum / exact - 1.0).abs() < 1e-10, "{ones} of {factors}: {sum} {exact}");
            }
        }
    }
}
