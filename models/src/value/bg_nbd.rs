//! BG/NBD: purchases come at a customer's own rate (gamma distributed), and after each the customer may
//! leave, with a probability of their own (beta distributed). Source: Fader, Hardie and Lee, "Counting
//! your customers" the easy way, Marketing Science 24 (2005). Fits nothing.

use crate::error::Result;
use crate::value::repeats::{Repeats, check};
use crate::value::special::{hypergeometric, ln_rising};

/// The parameters of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BgNbd {
    r: f64,
    alpha: f64,
    a: f64,
    b: f64,
}

/// How near a parameter may come to where the formula has 0 / 0; there the mean of both sides is taken.
const NEAR: f64 = 1e-5;
/// How many terms of a series may alternate without cancelling much.
const ALTERNATING: f64 = 4.0;

impl BgNbd {
    /// Rates have the shape `r` and the rate `alpha` (in the unit of ages); leaving is beta distributed
    /// with `a` and `b`.
    ///
    /// # Errors
    /// When one is not above 0.
    pub fn new([r, alpha, a, b]: [f64; 4]) -> Result<BgNbd> {
        check("BG/NBD (r, alpha, a, b)", &[r, alpha, a, b])?;
        Ok(BgNbd { r, alpha, a, b })
    }

    /// The parameters' names, in the order of [`BgNbd::parameters`].
    pub const NAMES: [&'static str; 4] = ["r", "alpha", "a", "b"];

    /// r, alpha, a, b.
    pub fn parameters(&self) -> [f64; 4] {
        [self.r, self.alpha, self.a, self.b]
    }

    /// The logarithm of the likelihood of one customer (equation 6 of the source).
    pub fn log_likelihood(&self, of: &Repeats) -> f64 {
        let BgNbd { r, alpha, a, b } = *self;
        let x = f64::from(of.count());
        let rising = |from| ln_rising(from, of.count()).0;
        rising(r) + r * alpha.ln() + rising(b) - rising(a + b) - (r + x) * (alpha + of.age()).ln()
            + self.ln_dead_or_alive(of)
    }

    /// Probability that the customer has not left, in (0, 1]; 1 without a repeat, as customers leave
    /// after a repeat purchase only.
    pub fn probability_alive(&self, of: &Repeats) -> f64 {
        (-self.ln_dead_or_alive(of)).exp()
    }

    /// ln(1 + odds of having left).
    fn ln_dead_or_alive(&self, of: &Repeats) -> f64 {
        if of.count() == 0 {
            return 0.0;
        }
        let x = f64::from(of.count());
        let silence = ((self.alpha + of.age()) / (self.alpha + of.last_age())).ln();
        let odds = (self.a / (self.b + x - 1.0)).ln() + (self.r + x) * silence;
        // ln(1 + e^odds) without overflow.
        odds.max(0.0) + (-odds.abs()).exp().ln_1p()
    }

    /// Expected purchases (days with one) within `days` from the cutoff on, at least 0.
    pub fn expected_purchases(&self, of: &Repeats, days: f64) -> f64 {
        self.expected_if_alive(of, days) * self.probability_alive(of)
    }

    /// The same of a customer who has not left: equation 10 of the source, its series turned by Euler's
    /// transformation, so that the powers of 1 - z cancel.
    pub fn expected_if_alive(&self, of: &Repeats, days: f64) -> f64 {
        if days <= 0.0 {
            return 0.0;
        }
        let x = f64::from(of.count());
        // Both quotients of the formula have a limit; its value there is the mean of both sides.
        let zero = |y: f64| y.abs() < NEAR;
        if zero(self.a - 1.0) || zero(self.a + self.b + x - 1.0) {
            let shifted = |by: f64| BgNbd { a: self.a + by, ..*self }.formula(x, of.age(), days);
            return (shifted(3.0 * NEAR) + shifted(-3.0 * NEAR)) / 2.0;
        }
        self.formula(x, of.age(), days)
    }

    fn formula(&self, x: f64, age: f64, days: f64) -> f64 {
        let BgNbd { r, alpha, a, b } = *self;
        let z = days / (alpha + age + days);
        let ln_rest = ((alpha + age) / (alpha + age + days)).ln();
        let c = a + b + x - 1.0;
        // Of both forms the one whose terms fall faster, unless many of them alternate.
        let turned = a - 1.0 <= r + x && a + b - 1.0 - r > -ALTERNATING;
        let ((sum, scale), power) = match turned {
            true => (hypergeometric(a + b - 1.0 - r, a - 1.0, c, z), a - 1.0),
            false => (hypergeometric(r + x, b + x, c, z), r + x),
        };
        let left = sum * (scale + power * ln_rest).exp();
        (c / (a - 1.0) * (1.0 - left)).max(0.0)
    }

    /// Days within which the customer, if they have not left, buys again with a probability of `share`, in [0, 1).
    pub fn wait_quantile(&self, of: &Repeats, share: f64) -> f64 {
        wait_quantile(self.r + f64::from(of.count()), self.alpha + of.age(), share)
    }
}

/// A quantile of a wait whose rate is gamma distributed: (1 + t / rate)^-shape = 1 - share.
pub(super) fn wait_quantile(shape: f64, rate: f64, share: f64) -> f64 {
    rate * (-(-share).ln_1p() / shape).exp_m1()
}
