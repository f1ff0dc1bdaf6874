//! What the models of purchases know of a customer: how often they came again, when last, for how long
//! they have been one.

use crate::error::{Error, Result};

/// A customer's repeat purchases at a cutoff. Ages are counted from the first purchase, in days or any
/// one unit. (Elsewhere called frequency, recency and T; here `recency` is always counted from the cutoff.)
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Repeats {
    count: u32,
    last_age: f64,
    age: f64,
}

impl Repeats {
    /// `count` periods (days) with a purchase after the first; the age at the last of them, 0 without
    /// one; the age at the cutoff.
    ///
    /// # Errors
    /// When an age is no number, or below 0, or the last purchase lies after the cutoff, or on the first
    /// day although it is a repeat, or later although there is none.
    pub fn new(count: u32, last_age: f64, age: f64) -> Result<Repeats> {
        let ages = age.is_finite() && (0.0..=age).contains(&last_age);
        if ages && (count > 0) == (last_age > 0.0) {
            return Ok(Repeats { count, last_age, age });
        }
        Err(Error::BadParameter {
            parameter: "a customer's repeat purchases",
            found: format!("frequency {count}, recency {last_age}, T {age}"),
            expected: "0 <= recency <= T, and a recency above 0 where the frequency is, and only there",
        })
    }

    /// Periods with a purchase after the first.
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Age at the last purchase; 0 without a repeat.
    pub fn last_age(&self) -> f64 {
        self.last_age
    }

    /// Age at the cutoff.
    pub fn age(&self) -> f64 {
        self.age
    }
}

/// Numbers above 0, as all parameters of these models are.
pub(super) fn check(model: &'static str, parameters: &[f64]) -> Result<()> {
    match parameters.iter().all(|p| p.is_finite() && *p > 0.0) {
        true => Ok(()),
        false => Err(Error::BadParameter {
            parameter: model,
            found: format!("{parameters:?}"),
            expected: "parameters above 0",
        }),
    }
}
