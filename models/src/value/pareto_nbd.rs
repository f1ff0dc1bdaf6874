//! Pareto/NBD: purchases come at a customer's own rate (gamma distributed), and the customer leaves after
//! a time whose rate is their own too (gamma distributed). Source: Schmittlein, Morrison and Colombo,
//! Management Science 33 (1987); Fader and Hardie, "A note on deriving the Pareto/NBD model" (2005). Fits
//! nothing.

use crate::error::Result;
use crate::value::bg_nbd::wait_quantile;
use crate::value::repeats::{Repeats, check};
use crate::value::special::{ln_rising, unit_series};

/// The parameters of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ParetoNbd {
    r: f64,
    alpha: f64,
    s: f64,
    beta: f64,
}

impl ParetoNbd {
    /// Rates of purchase have the shape `r` and the rate `alpha`, rates of leaving `s` and `beta`; `alpha`
    /// and `beta` in the unit of ages.
    ///
    /// # Errors
    /// When one is not above 0.
    pub fn new([r, alpha, s, beta]: [f64; 4]) -> Result<ParetoNbd> {
        check("Pareto/NBD (r, alpha, s, beta)", &[r, alpha, s, beta])?;
        Ok(ParetoNbd { r, alpha, s, beta })
    }

    /// The parameters' names, in the order of [`ParetoNbd::parameters`].
    pub const NAMES: [&'static str; 4] = ["r", "alpha", "s", "beta"];

    /// r, alpha, s, beta.
    pub fn parameters(&self) -> [f64; 4] {
        [self.r, self.alpha, self.s, self.beta]
    }

    /// The logarithm of the likelihood of one customer.
    pub fn log_likelihood(&self, of: &Repeats) -> f64 {
        let ParetoNbd { r, alpha, s, beta } = *self;
        let (alive, dead) = self.ln_alive_and_dead(of);
        let (high, low) = (alive.max(dead), alive.min(dead));
        ln_rising(r, of.count()).0
            + r * alpha.ln()
            + s * beta.ln()
            + high
            + (low - high).exp().ln_1p()
    }

    /// With E(u) = (alpha + u)^-(r + x) (beta + u)^-s: ln E(age), of those who have not left, and
    /// ln of s times the integral of E(u) / (beta + u) from the last purchase to the cutoff, of those who have.
    fn ln_alive_and_dead(&self, of: &Repeats) -> (f64, f64) {
        let ParetoNbd { r, alpha, s, beta } = *self;
        let x = f64::from(of.count());
        let k = r + s + x;
        let ln_e = |u: f64| -(r + x) * (alpha + u).ln() - s * (beta + u).ln();
        // From u on, the integral is E(u) F(1, r + x; k + 1; (alpha - beta) / (alpha + u)) / k.
        let from = |u: f64| s / k * unit_series(r + x, k + 1.0, (alpha - beta) / (alpha + u)).value;
        let (last, now) = (ln_e(of.last_age()), ln_e(of.age()));
        let dead = from(of.last_age()) - (now - last).exp() * from(of.age());
        (now, last + dead.max(0.0).ln())
    }

    /// Probability that the customer has not left, in [0, 1].
    pub fn probability_alive(&self, of: &Repeats) -> f64 {
        let (alive, dead) = self.ln_alive_and_dead(of);
        1.0 / (1.0 + (dead - alive).exp())
    }

    /// Expected purchases (days with one) within `days` from the cutoff on, at least 0.
    pub fn expected_purchases(&self, of: &Repeats, days: f64) -> f64 {
        self.expected_if_alive(of, days) * self.probability_alive(of)
    }

    /// The same of a customer who has not left.
    pub fn expected_if_alive(&self, of: &Repeats, days: f64) -> f64 {
        if days <= 0.0 {
            return 0.0;
        }
        let ParetoNbd { r, alpha, s, beta } = *self;
        let x = f64::from(of.count());
        let ln_rest = (days / (beta + of.age())).ln_1p();
        // (1 - e^(-(s - 1) l)) / (s - 1), which is l at s = 1.
        let power = (s - 1.0) * ln_rest;
        let life = if power.abs() < 1e-12 { ln_rest } else { -(-power).exp_m1() / (s - 1.0) };
        (r + x) * (beta + of.age()) / (alpha + of.age()) * life
    }

    /// Days within which the customer, if they have not left, buys again with a probability of `share`, in [0, 1).
    pub fn wait_quantile(&self, of: &Repeats, share: f64) -> f64 {
        wait_quantile(self.r + f64::from(of.count()), self.alpha + of.age(), share)
    }
}
