//! Gamma-Gamma: what a purchase brings varies around a customer's own mean, which varies from customer to
//! customer, and does not depend on how often they buy. Source: Fader and Hardie, "The Gamma-Gamma model
//! of monetary value" (2013). Fits nothing.

use crate::error::Result;
use crate::value::repeats::check;
use crate::value::special::ln_gamma;

/// The parameters of a population.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GammaGamma {
    p: f64,
    q: f64,
    v: f64,
}

impl GammaGamma {
    /// A purchase is gamma distributed with the shape `p` and a rate that is gamma distributed with `q` and
    /// `v`, the latter in money.
    ///
    /// # Errors
    /// When one is not above 0.
    pub fn new([p, q, v]: [f64; 3]) -> Result<GammaGamma> {
        check("Gamma-Gamma (p, q, v)", &[p, q, v])?;
        Ok(GammaGamma { p, q, v })
    }

    /// The parameters' names, in the order of [`GammaGamma::parameters`].
    pub const NAMES: [&'static str; 3] = ["p", "q", "v"];

    /// p, q, v.
    pub fn parameters(&self) -> [f64; 3] {
        [self.p, self.q, self.v]
    }

    /// The logarithm of the likelihood of a mean of `purchases` (at least 1) amounts, above 0.
    pub fn log_likelihood(&self, purchases: u32, mean: f64) -> f64 {
        let GammaGamma { p, q, v } = *self;
        let x = f64::from(purchases);
        ln_gamma(p * x + q) - ln_gamma(p * x) - ln_gamma(q)
            + q * v.ln()
            + (p * x - 1.0) * mean.ln()
            + p * x * x.ln()
            - (p * x + q) * (x * mean + v).ln()
    }

    /// The mean that a customer with this mean of so many amounts will have: between their own and the
    /// population's. With 0 purchases the population's. `None` where there is no mean, as the population's
    /// tail is too heavy (q at most 1 and too few purchases).
    pub fn expected_mean(&self, purchases: u32, mean: f64) -> Option<f64> {
        let GammaGamma { p, q, v } = *self;
        let x = f64::from(purchases);
        let sum = if purchases == 0 { 0.0 } else { x * mean };
        let weight = p * x + q - 1.0;
        (weight > 0.0).then(|| p * (v + sum) / weight)
    }
}
