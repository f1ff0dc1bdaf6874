//! Functions that the models of purchases stand on: Gauss's hypergeometric series in two forms. Gamma
//! functions are statrs'.

pub use statrs::function::gamma::{digamma, ln_gamma};

/// F(1, b; c; z) and its derivatives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UnitSeries {
    /// The sum of (b)_n / (c)_n z^n.
    pub value: f64,
    /// Its derivative by b.
    pub by_b: f64,
    /// By c.
    pub by_c: f64,
    /// By z.
    pub by_z: f64,
}

/// What the continued fraction is cut off at, relative to its value.
const CUT: f64 = 1e-16;
/// The most steps of the continued fraction: enough for 1 - z down to 1e-6.
const MAX_STEPS: f64 = 20_000.0;
/// The most terms of a series.
const MAX_TERMS: u32 = 20_000_000;
/// From where sums are scaled down, so that none overflows.
const LARGE: f64 = 1e200;

/// ln of a (a + 1) ... (a + n - 1), which is gamma(a + n) / gamma(a), and its slope by a; exact also where
/// both gammas are huge. `a` is above 0. Cost: n steps, at most 10,000.
pub fn ln_rising(a: f64, n: u32) -> (f64, f64) {
    if n > 10_000 {
        let up = a + f64::from(n);
        return (ln_gamma(up) - ln_gamma(a), digamma(up) - digamma(a));
    }
    let (mut product, mut ln, mut slope) = (1.0, 0.0, 0.0);
    for i in 0..n {
        let factor = a + f64::from(i);
        product *= factor;
        slope += 1.0 / factor;
        if !(1e-100..=1e100).contains(&product) {
            ln += product.ln();
            product = 1.0;
        }
    }
    (ln + product.ln(), slope)
}

/// F(1, b; c; z) for b > 0, c > b and z < 1, to some 14 digits.
///
/// By Gauss's continued fraction, evaluated from its end with derivatives; below z = 0 after Pfaff's
/// transformation. It converges with the square root of 1 - z where the series does with 1 - z. Source:
/// DLMF 15.7.2, 15.8.1. Cost: about 20 / sqrt(1 - z) steps.
pub fn unit_series(b: f64, c: f64, z: f64) -> UnitSeries {
    if z < 0.0 {
        // F(1, b; c; z) = F(1, c - b; c; w) (1 - w), with w = z / (z - 1) and 1 - w = 1 / (1 - z).
        let rest = 1.0 / (1.0 - z);
        let turned = fraction(c - b, c, 1.0 - rest);
        return UnitSeries {
            value: turned.value * rest,
            by_b: -turned.by_b * rest,
            by_c: (turned.by_b + turned.by_c) * rest,
            by_z: (turned.value - turned.by_z * rest) * rest * rest,
        };
    }
    fraction(b, c, z)
}

fn fraction(b: f64, c: f64, z: f64) -> UnitSeries {
    let root = (1.0 - z).max(0.0).sqrt();
    let rate = (1.0 - root) / (1.0 + root);
    let steps = if rate > 0.0 { (CUT.ln() / rate.ln()).min(MAX_STEPS).ceil() } else { 0.0 };
    let (mut f, mut by_b, mut by_c) = (1.0, 0.0, 0.0);
    // f = 1 / (1 - e z f'), where f' is the rest of the fraction and e by turns
    // (b + m)(c - 1 + m) / ((c - 1 + 2m)(c + 2m)) and m (c - 1 - b + m) / ((c - 2 + 2m)(c - 1 + 2m)).
    for m in (0..=(steps / 2.0).ceil() as u32).rev() {
        let m = f64::from(m);
        let (n, low, high) = (m + 1.0, c + 2.0 * m, c + 1.0 + 2.0 * m);
        let under = n / (low * high);
        let e = (c - b + m) * under;
        let e_by_c = under - e * (1.0 / low + 1.0 / high);
        let square = z / (1.0 - e * z * f).powi(2);
        (f, by_b, by_c) = (
            1.0 / (1.0 - e * z * f),
            square * (e * by_b - under * f),
            square * (e * by_c + e_by_c * f),
        );
        let (up, below) = (c - 1.0 + m, c - 1.0 + 2.0 * m);
        // At m = 0 the factor c - 1 cancels.
        let share = if m == 0.0 { 1.0 / low } else { up / (below * low) };
        let share_by_c = match m == 0.0 {
            true => -share / low,
            false => 1.0 / (below * low) - share * (1.0 / below + 1.0 / low),
        };
        let e = (b + m) * share;
        let square = z / (1.0 - e * z * f).powi(2);
        (f, by_b, by_c) = (
            1.0 / (1.0 - e * z * f),
            square * (e * by_b + share * f),
            square * (e * by_c + (b + m) * share_by_c * f),
        );
    }
    // z (1 - z) F' = (c - 1) (1 - F) + b z F; near 0 by the first terms.
    let by_z = match z < 1e-3 {
        true => {
            let ratios = [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0].map(|n| (b + n) / (c + n));
            let (mut term, mut sum) = (1.0, 0.0);
            for (n, ratio) in (1..).zip(ratios) {
                term *= ratio;
                sum += f64::from(n) * term * z.powi(n - 1);
            }
            sum
        }
        false => ((c - 1.0) * (1.0 - f) + b * z * f) / (z * (1.0 - z)),
    };
    UnitSeries { value: f, by_b, by_c, by_z }
}

/// F(a, b; c; z) for 0 <= z < 1 as a number and the logarithm of what to multiply it by, so that it does
/// not overflow. c is not 0 or a negative whole number. By its series: accurate where its terms are
/// positive from some place on, which they are for all a, b and c after the first few. Cost: about
/// 40 / (1 - z) terms, fewer where c is above a + b.
pub fn hypergeometric(a: f64, b: f64, c: f64, z: f64) -> (f64, f64) {
    let (mut term, mut sum, mut scale) = (1.0_f64, 1.0_f64, 0.0);
    for n in 0..MAX_TERMS {
        let n = f64::from(n);
        let ratio = (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
        term *= ratio;
        sum += term;
        // What is left is about term / (1 - ratio).
        let falls = ratio.abs() < 1.0 && n > -c;
        if term == 0.0 || (falls && (term / (1.0 - ratio.abs())).abs() < 1e-16 * sum.abs()) {
            break;
        }
        if sum.abs() > LARGE {
            (term, sum, scale) = (term / LARGE, sum / LARGE, scale + LARGE.ln());
        }
    }
    (sum, scale)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The slow twin: the series itself.
    fn series(a: f64, b: f64, c: f64, z: f64) -> f64 {
        let (mut term, mut sum) = (1.0, 1.0);
        for n in 0..2_000_000 {
            let n = f64::from(n);
            term *= (a + n) * (b + n) / ((c + n) * (n + 1.0)) * z;
            sum += term;
            if term.abs() < 1e-18 * sum.abs() {
                break;
            }
        }
        sum
    }

    fn near(found: f64, expected: f64, within: f64) -> bool {
        (found - expected).abs() <= within * expected.abs().max(1e-3)
    }

    #[test]
    fn elementary_functions_are_special_cases() {
        // F(1, 1; 2; z) = -ln(1 - z) / z; F(1, b; b; z) = 1 / (1 - z); F(1/2, 1; 3/2; z^2) = artanh(z) / z.
        for z in [-50.0, -3.0, -0.5, 1e-9, 1e-4, 0.3, 0.9, 0.999, 0.999_999] {
            let z: f64 = z;
            let found = unit_series(1.0, 2.0, z).value;
            assert!(near(found, -(-z).ln_1p() / z, 1e-13), "{z} {found}");
            let found = unit_series(0.7, 0.7 + 1e-12, z).value;
            assert!(near(found, 1.0 / (1.0 - z), 1e-8), "{z} {found}");
        }
        let z: f64 = 0.95;
        let (found, scale) = hypergeometric(0.5, 1.0, 1.5, z * z);
        assert_eq!(scale, 0.0);
        assert!(near(found, z.atanh() / z, 1e-13));
        // F(a, b; b; z) = (1 - z)^-a beyond what a number holds.
        let (found, scale) = hypergeometric(300.0, 2.5, 2.5, 0.99);
        assert!(near(found.ln() + scale, -300.0 * 0.01_f64.ln(), 1e-12));
    }

    #[test]
    fn rising_products_are_quotients_of_gammas() {
        for a in [1e-9, 0.3, 5.0, 4e3] {
            for n in [0, 1, 7, 3_000, 10_000, 10_001] {
                let (ln, slope) = ln_rising(a, n);
                let up = a + f64::from(n);
                let (expected, by) = (ln_gamma(up) - ln_gamma(a), digamma(up) - digamma(a));
                assert!((ln - expected).abs() < 1e-11 * (1.0 + ln_gamma(up).abs()), "{a} {n}");
                assert!((slope - by).abs() < 1e-11 * (1.0 + by.abs()), "{a} {n} {slope} {by}");
            }
        }
        // (1 + 1e12) (2 + 1e12) / 1e24, where gammas would leave nothing.
        let ln = ln_rising(1e12 + 1.0, 2).0 - 2.0 * 1e12_f64.ln();
        assert!((ln - 3e-12).abs() < 1e-14, "{ln}");
    }

    proptest! {
        #[test]
        fn the_fraction_agrees_with_the_series(
            b in 0.01_f64..300.0,
            more in 0.01_f64..50.0,
            z in -0.95_f64..0.99,
        ) {
            let c = b + more;
            let found = unit_series(b, c, z);
            let value = |b: f64, c: f64, z: f64| unit_series(b, c, z).value;
            let expected = match z < 0.0 {
                // The series itself, with terms of either sign.
                true => series(1.0, c - b, c, z / (z - 1.0)) / (1.0 - z),
                false => series(1.0, b, c, z),
            };
            prop_assert!(near(found.value, expected, 1e-12), "{found:?} {expected}");
            let h = 1e-6;
            let slope = |up: f64, down: f64, h: f64| (up - down) / (2.0 * h);
            let (hb, hc, hz) = (h * b, h * more, h * (1.0 - z));
            let by_b = slope(value(b + hb, c, z), value(b - hb, c, z), hb);
            let by_c = slope(value(b, c + hc, z), value(b, c - hc, z), hc);
            let by_z = slope(value(b, c, z + hz), value(b, c, z - hz), hz);
            prop_assert!((found.by_b - by_b).abs() <= 1e-6 * (1.0 + by_b.abs()) / hb.min(1.0) * 1e-1, "{found:?} {by_b}");
            prop_assert!((found.by_c - by_c).abs() <= 1e-6 * (1.0 + by_c.abs()) / hc.min(1.0) * 1e-1, "{found:?} {by_c}");
            prop_assert!((found.by_z - by_z).abs() <= 1e-6 * (1.0 + by_z.abs()) / hz.min(1.0) * 1e-1, "{found:?} {by_z}");
        }

        /// Euler's transformation joins two series that share no terms.
        #[test]
        fn the_general_series_keeps_eulers_transformation(
            a in 0.05_f64..20.0,
            b in 0.05_f64..20.0,
            c in 0.05_f64..30.0,
            z in 0.0_f64..0.95,
        ) {
            let (direct, ds) = hypergeometric(a, b, c, z);
            let (turned, ts) = hypergeometric(c - a, c - b, c, z);
            let turned = turned * (ts + (c - a - b) * (1.0 - z).ln() - ds).exp();
            // Terms of both signs cancel where c - a or c - b is well below 0.
            if c - a > -2.0 && c - b > -2.0 {
                prop_assert!(near(direct, turned, 1e-9), "{direct} {turned}");
            }
        }
    }
}
