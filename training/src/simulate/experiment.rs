//! An experiment whose true uplifts are known: customers with features, an action drawn for each, and whether they
//! bought. For tests and measurements of what learns uplift; it simulates no events.

use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, StandardNormal};
use rand_xoshiro::Xoshiro256PlusPlus;
use rayon::prelude::*;
use rekindle_models::classifiers::boosting::probability;
use rekindle_models::seed::mix2;

use crate::error::{Error, Result};
use crate::sheet::{Cells, Sheet};

/// The actions besides `none`, with what a contact costs where a purchase is worth 40.
pub const EXPERIMENT_ACTIONS: [(&str, f64); 3] =
    [("voucher", 0.5), ("reminder", 1.0), ("letter", 4.0)];
/// Features; the first eight matter.
const FEATURES: usize = 20;

/// An experiment to draw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Experiment {
    /// Every draw follows from it.
    pub seed: u64,
    /// Customers, at least 1. The first `n` are the same in a larger experiment.
    pub customers: usize,
    /// Factor on all uplifts; 0: no action changes anything.
    pub effect: f64,
    /// Whether who is likely to buy anyway is contacted more often, as in campaigns that were no experiments.
    pub targeted: bool,
}

/// A customer of an experiment, with the truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Subject {
    /// What is known before the contact.
    pub features: Vec<f64>,
    /// The arm drawn: 0 is `none`, then the actions in their order.
    pub arm: usize,
    /// How likely that arm was.
    pub propensity: f64,
    /// Whether the customer bought.
    pub bought: bool,
    /// The true probability of buying when left alone.
    pub untreated: f64,
    /// By action, the true uplift.
    pub uplift: [f64; 3],
}

impl Experiment {
    /// Draws the customers.
    pub fn draw(&self) -> Vec<Subject> {
        (0..self.customers).into_par_iter().map(|customer| self.subject(customer as u64)).collect()
    }

    fn subject(&self, customer: u64) -> Subject {
        let mut random = Xoshiro256PlusPlus::seed_from_u64(mix2(self.seed, customer));
        let features: Vec<f64> =
            (0..FEATURES).map(|_| StandardNormal.sample(&mut random)).collect();
        let x = &features;
        let untreated =
            probability(-1.8 + 0.8 * x[0] - 0.6 * x[1] + if x[2] > 1.0 { 0.5 } else { 0.0 });
        let step = |of: bool, size: f64| if of { size } else { 0.0 };
        let wanted = [
            0.14 * probability(2.0 * x[3]) - 0.02 - step(x[4] > 0.8, 0.12),
            step(x[5] > 0.0 && x[0] < 0.5, 0.16) - 0.03,
            step(x[6] > 0.5, 0.28) + 0.05 * x[7].clamp(-1.0, 1.0) - 0.02,
        ];
        let uplift =
            wanted.map(|up| (untreated + self.effect * up).clamp(0.005, 0.995) - untreated);
        let none = if self.targeted { 0.75 - 0.6 * probability(1.5 * x[0]) } else { 0.25 };
        let draw = random.random::<f64>();
        let arm = if draw < none { 0 } else { 1 + ((draw - none) / (1.0 - none) * 3.0) as usize };
        let arm = arm.min(3);
        let propensity = if arm == 0 { none } else { (1.0 - none) / 3.0 };
        let chance = untreated + if arm == 0 { 0.0 } else { uplift[arm - 1] };
        let bought = random.random::<f64>() < chance;
        Subject { features, arm, propensity, bought, untreated, uplift }
    }

    /// # Errors
    /// When there are no customers, or the effect is no number from 0 to 3.
    pub fn check(&self) -> Result<()> {
        if self.customers == 0 || !(0.0..=3.0).contains(&self.effect) {
            return Err(Error::BadOptions(format!(
                "an experiment of {} customers and effect {}: expected one customer at least, and an effect of 0 to 3",
                self.customers, self.effect
            )));
        }
        Ok(())
    }
}

/// The name of a customer.
fn name(customer: usize) -> String {
    format!("c{customer:07}")
}

/// An arm's name.
pub fn arm_name(arm: usize) -> &'static str {
    match arm {
        0 => "none",
        _ => EXPERIMENT_ACTIONS[arm - 1].0,
    }
}

/// What was known, done and seen, a row each.
pub fn experiment_sheet(subjects: &[Subject]) -> Sheet {
    let mut sheet = Sheet::default();
    let ids = (0..subjects.len()).map(name);
    sheet.add("customer_id", Cells::Text(ids.collect()));
    for feature in 0..FEATURES {
        let cells = subjects.iter().map(|s| s.features[feature]);
        sheet.add(&format!("x{feature}"), Cells::Number(cells.collect()));
    }
    let arms = subjects.iter().map(|s| arm_name(s.arm).to_owned());
    sheet.add("action", Cells::Text(arms.collect()));
    sheet.add("propensity", Cells::Number(subjects.iter().map(|s| s.propensity).collect()));
    let bought = subjects.iter().map(|s| f64::from(u8::from(s.bought)));
    sheet.add("bought", Cells::Number(bought.collect()));
    sheet
}

/// The truth, a row each.
pub fn experiment_truth_sheet(subjects: &[Subject]) -> Sheet {
    let mut sheet = Sheet::default();
    sheet.add("customer_id", Cells::Text((0..subjects.len()).map(name).collect()));
    sheet.add("untreated", Cells::Number(subjects.iter().map(|s| s.untreated).collect()));
    for (action, (name, _)) in EXPERIMENT_ACTIONS.iter().enumerate() {
        let uplift = subjects.iter().map(|s| s.uplift[action]);
        sheet.add(&format!("uplift_{name}"), Cells::Number(uplift.collect()));
    }
    sheet
}
