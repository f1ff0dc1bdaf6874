//! Lifecycle stages: where a customer stands between the first purchase and the last.

use serde::{Deserialize, Serialize};

use crate::customer::loyalty::LoyaltyType;
use crate::customer::purchases::Purchases;
use crate::customer::rules::check;
use crate::customer::tier::LapseTier;
use crate::error::Result;

/// Where a customer stands. The first of these that holds is the stage: `potential`, `lapsed`, `loyal`,
/// `repeat`, `first_time`; so a loyal customer who has lapsed is `lapsed`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LifecycleStage {
    /// No purchase.
    Potential,
    /// Purchases on one day.
    FirstTime,
    /// Purchases on two days or more.
    Repeat,
    /// By [`Loyal`].
    Loyal,
    /// The lapse tier has reached the rules' `lapsed_from`.
    Lapsed,
}

/// Who is `loyal`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loyal {
    /// Fewest purchase days within the window, at least 2.
    pub purchase_days: u32,
    /// The window's length, at least 1.
    pub window_days: u32,
    /// Whether the days must be spread over time too.
    pub by: LoyalBy,
}

/// What makes a customer loyal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoyalBy {
    /// Enough purchase days, and loyalty type `loyal`: one whose tenure is too short for a type is not
    /// loyal yet.
    #[default]
    LoyaltyType,
    /// Enough purchase days, however they are spread.
    Count,
}

impl LifecycleStage {
    /// All stages, in order.
    pub const ALL: [LifecycleStage; 5] = [
        LifecycleStage::Potential,
        LifecycleStage::FirstTime,
        LifecycleStage::Repeat,
        LifecycleStage::Loyal,
        LifecycleStage::Lapsed,
    ];

    /// Its name as it stands in files and replies.
    pub fn text(self) -> &'static str {
        match self {
            LifecycleStage::Potential => "potential",
            LifecycleStage::FirstTime => "first_time",
            LifecycleStage::Repeat => "repeat",
            LifecycleStage::Loyal => "loyal",
            LifecycleStage::Lapsed => "lapsed",
        }
    }
}

impl Default for Loyal {
    fn default() -> Loyal {
        Loyal { purchase_days: 5, window_days: 365, by: LoyalBy::LoyaltyType }
    }
}

impl Loyal {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let (days, window) = (self.purchase_days, self.window_days);
        check(days >= 2, "customers.loyal.purchase_days", &days, "at least 2")?;
        check(window >= 1, "customers.loyal.window_days", &window, "at least 1")
    }

    /// The customer's stage, from what else is known of them.
    pub fn stage(
        &self,
        purchases: &Purchases<'_>,
        tier: Option<LapseTier>,
        lapsed_from: LapseTier,
        loyalty: Option<LoyaltyType>,
    ) -> LifecycleStage {
        let enough = || {
            let days = purchases.days_within(i64::from(self.window_days));
            days as u64 >= u64::from(self.purchase_days)
        };
        let spread = self.by == LoyalBy::Count || loyalty == Some(LoyaltyType::Loyal);
        match purchases.days.len() {
            0 => LifecycleStage::Potential,
            _ if tier >= Some(lapsed_from) => LifecycleStage::Lapsed,
            _ if spread && enough() => LifecycleStage::Loyal,
            1 => LifecycleStage::FirstTime,
            _ => LifecycleStage::Repeat,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LapseTier::{Awake, Dormant, Drowsy, HalfAsleep};
    use LifecycleStage::{FirstTime, Lapsed, Potential, Repeat};

    const FIVE: &[i64] = &[600, 700, 800, 900, 964];

    /// At a cutoff at the midnight of day 965: the window of 365 days is days 600 to 964.
    fn check(
        by: LoyalBy,
        days: &[i64],
        tier: Option<LapseTier>,
        loyalty: Option<LoyaltyType>,
        expected: LifecycleStage,
    ) {
        let rules = Loyal { by, ..Loyal::default() };
        let found = rules.stage(&Purchases::on(days, 965), tier, Dormant, loyalty);
        assert_eq!(found, expected, "{days:?} {tier:?} {loyalty:?}");
    }

    #[test]
    fn days_with_a_purchase_make_the_stage() {
        for by in [LoyalBy::LoyaltyType, LoyalBy::Count] {
            check(by, &[], None, None, Potential);
            check(by, &[960], Some(Awake), None, FirstTime);
            check(by, &[900], Some(Drowsy), None, FirstTime);
            check(by, &[900, 960], Some(Awake), None, Repeat);
            check(by, &FIVE[1..], Some(Awake), Some(LoyaltyType::Loyal), Repeat);
        }
    }

    #[test]
    fn loyal_takes_days_within_the_window_and_the_type() {
        let loyal = Some(LoyaltyType::Loyal);
        check(LoyalBy::LoyaltyType, FIVE, Some(Awake), loyal, LifecycleStage::Loyal);
        check(LoyalBy::LoyaltyType, FIVE, Some(Awake), Some(LoyaltyType::Elastic), Repeat);
        check(LoyalBy::LoyaltyType, FIVE, Some(Awake), None, Repeat);
        check(LoyalBy::Count, FIVE, Some(Awake), Some(LoyaltyType::Elastic), LifecycleStage::Loyal);
        // One of the five lies a day before the window.
        check(LoyalBy::Count, &[599, 700, 800, 900, 964], Some(Awake), loyal, Repeat);
    }

    #[test]
    fn lapsed_goes_before_loyal_repeat_and_first_time() {
        let loyal = Some(LoyaltyType::Loyal);
        check(LoyalBy::LoyaltyType, FIVE, Some(Dormant), loyal, Lapsed);
        check(LoyalBy::LoyaltyType, FIVE, Some(HalfAsleep), loyal, LifecycleStage::Loyal);
        check(LoyalBy::LoyaltyType, &[1], Some(Dormant), None, Lapsed);
    }
}
