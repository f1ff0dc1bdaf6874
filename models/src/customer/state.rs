//! All that is said of one customer at a cutoff, by one function that the batch and the service call.

use serde::Serialize;

use crate::behaviour::{History, Zone};
use crate::customer::grade::{Grade, GradeCuts};
use crate::customer::loyalty::LoyaltyType;
use crate::customer::purchases::{Purchases, Scratch};
use crate::customer::rules::BoundRules;
use crate::customer::stage::LifecycleStage;
use crate::customer::tier::LapseTier;

/// A customer at a cutoff. Without a purchase all but the stage is missing or 0.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct CustomerState {
    /// How long since the last purchase, as a tier.
    pub lapse_tier: Option<LapseTier>,
    /// Where the customer stands.
    pub lifecycle_stage: LifecycleStage,
    /// How purchases spread over time; missing with too short a tenure too.
    pub loyalty_type: Option<LoyaltyType>,
    /// Days from the last purchase day to the cutoff's day, at least 0.
    pub recency_days: Option<i64>,
    /// Days since the first purchase day, that day and the last before the cutoff counted: at least 1.
    pub tenure_days: Option<i64>,
    /// Median of the days between purchase days; missing with fewer than two.
    pub median_gap_days: Option<f64>,
    /// Number of purchases.
    pub purchases: u64,
    /// Number of days with a purchase.
    pub purchase_days: u64,
    /// Sum of the amounts of purchases, less those of returns; NaN (null in JSON) where there are
    /// purchases and none has an amount.
    pub amount_sum: f64,
    /// The same of the span that grades look at.
    pub graded_amount: f64,
    /// Days of that span with a visit.
    pub graded_visit_days: u64,
}

impl CustomerState {
    /// The customer's grade among the population that the cuts were learned from, by `graded_amount` and
    /// `graded_visit_days`; `None` without a purchase.
    pub fn grade(&self, cuts: &GradeCuts) -> Option<Grade> {
        let bought = self.purchase_days > 0;
        bought.then(|| cuts.grade(self.graded_amount, self.graded_visit_days as f64))
    }
}

/// Describes one customer. Depends on the history, the rules and the zone alone, and allocates nothing
/// once `scratch` has room; cost: one pass over the events.
pub fn describe(
    history: &History<'_>,
    rules: &BoundRules,
    zone: &Zone,
    scratch: &mut Scratch,
) -> CustomerState {
    let purchases = Purchases::read(history, rules, zone, scratch);
    let rules = rules.rules();
    let lapse_tier = rules.tiers.tier(&purchases);
    let loyalty_type = rules.loyalty.loyalty_type(&purchases);
    let stage = rules.loyal.stage(&purchases, lapse_tier, rules.lapsed_from, loyalty_type);
    CustomerState {
        lapse_tier,
        lifecycle_stage: stage,
        loyalty_type,
        recency_days: purchases.recency_days(),
        tenure_days: purchases.tenure_days(),
        median_gap_days: purchases.median_gap_days,
        purchases: purchases.count,
        purchase_days: purchases.days.len() as u64,
        amount_sum: purchases.amount_sum,
        graded_amount: purchases.graded_amount,
        graded_visit_days: purchases.graded_visit_days,
    }
}
