//! Lapse tiers: how long since the last purchase. Does not say whether the customer will come back.

use serde::{Deserialize, Serialize};

use crate::customer::purchases::Purchases;
use crate::customer::rules::check;
use crate::error::Result;

/// How long since the last purchase, in order. A customer without a purchase has no tier.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LapseTier {
    /// Not long.
    Awake,
    /// At or over the first boundary.
    Drowsy,
    /// At or over the second.
    HalfAsleep,
    /// At or over the third.
    Dormant,
}

/// Where the tiers `drowsy`, `half_asleep` and `dormant` begin: at fixed days, or at multiples of the
/// customer's own median gap between purchase days.
///
/// A boundary belongs to the tier that it begins: with 30 days, `recency_days` of 30 is drowsy and 29 is
/// awake.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Tiers {
    /// Fixed days, rising, at least 1.
    pub days: [u32; 3],
    /// Multiples of the customer's median gap, rising, above 0, as 2, 4, 8. Without them, or with too
    /// few purchase days, `days` hold.
    pub gaps: Option<[f64; 3]>,
    /// With `gaps`: nobody is drowsy before so many days, and the other boundaries keep their proportion
    /// to the first. At least 1; 14 where it is not given.
    pub floor_days: Option<u32>,
    /// With `gaps`: purchase days from which a customer has a rhythm. At least 2; 3 where it is not
    /// given.
    pub min_purchase_days: Option<u32>,
}

impl LapseTier {
    /// All tiers, in order.
    pub const ALL: [LapseTier; 4] =
        [LapseTier::Awake, LapseTier::Drowsy, LapseTier::HalfAsleep, LapseTier::Dormant];

    /// Its name as it stands in files and replies.
    pub fn text(self) -> &'static str {
        match self {
            LapseTier::Awake => "awake",
            LapseTier::Drowsy => "drowsy",
            LapseTier::HalfAsleep => "half_asleep",
            LapseTier::Dormant => "dormant",
        }
    }
}

impl Default for Tiers {
    fn default() -> Tiers {
        Tiers { days: [30, 90, 180], gaps: None, floor_days: None, min_purchase_days: None }
    }
}

impl Tiers {
    /// # Errors
    /// When boundaries do not rise or a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let days = self.days;
        check(
            days[0] >= 1 && days.is_sorted_by(|a, b| a < b),
            "customers.tiers.days",
            &format!("{days:?}"),
            "three rising numbers of at least 1, as [30, 90, 180]",
        )?;
        let Some(gaps) = self.gaps else {
            let alone = self.floor_days.is_none() && self.min_purchase_days.is_none();
            let found = "there are no gaps: floor_days and min_purchase_days do nothing";
            return check(
                alone,
                "customers.tiers",
                &found,
                "gaps beside them, as gaps = [2, 4, 8]",
            );
        };
        let rising = gaps.is_sorted_by(|a, b| a < b) && gaps.iter().all(|g| g.is_finite());
        check(
            gaps[0] > 0.0 && rising,
            "customers.tiers.gaps",
            &format!("{gaps:?}"),
            "three rising numbers above 0, as [2, 4, 8]",
        )?;
        let (floor, least) = (self.floor_days(), self.min_purchase_days());
        check(floor >= 1, "customers.tiers.floor_days", &floor, "at least 1")?;
        check(least >= 2, "customers.tiers.min_purchase_days", &least, "at least 2")
    }

    /// The days since the last purchase at which the three tiers begin for a customer.
    pub fn boundaries(&self, purchases: &Purchases<'_>) -> [f64; 3] {
        let fixed = self.days.map(f64::from);
        let (Some(gaps), Some(own)) = (self.gaps, purchases.median_gap_days) else { return fixed };
        if (purchases.days.len() as u64) < u64::from(self.min_purchase_days()) {
            return fixed;
        }
        let floor = f64::from(self.floor_days());
        // The floor holds for all three in proportion: were each boundary raised by itself, a daily
        // customer would go from awake to dormant in a day.
        match gaps[0] * own < floor {
            true => gaps.map(|gap| floor * (gap / gaps[0])),
            false => gaps.map(|gap| gap * own),
        }
    }

    /// The customer's tier, `None` without a purchase.
    pub fn tier(&self, purchases: &Purchases<'_>) -> Option<LapseTier> {
        let recency_days = purchases.recency_days()? as f64;
        let boundaries = self.boundaries(purchases);
        let reached = boundaries.iter().filter(|from| recency_days >= **from).count();
        Some(LapseTier::ALL[reached])
    }

    fn floor_days(&self) -> u32 {
        self.floor_days.unwrap_or(14)
    }

    fn min_purchase_days(&self) -> u32 {
        self.min_purchase_days.unwrap_or(3)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LapseTier::*;

    fn check(tiers: &Tiers, days: &[i64], cutoff_day: i64, expected: Option<LapseTier>) {
        let found = tiers.tier(&Purchases::on(days, cutoff_day));
        assert_eq!(found, expected, "{days:?} at {cutoff_day}");
    }

    #[test]
    fn a_boundary_in_days_belongs_to_the_tier_it_begins() {
        let fixed = Tiers::default();
        check(&fixed, &[], 100, None);
        for (recency, expected) in [
            (0, Awake),
            (29, Awake),
            (30, Drowsy),
            (89, Drowsy),
            (90, HalfAsleep),
            (179, HalfAsleep),
            (180, Dormant),
            (40_000, Dormant),
        ] {
            check(&fixed, &[3, 50], 50 + recency, Some(expected));
            check(&fixed, &[50], 50 + recency, Some(expected));
        }
    }

    #[test]
    fn a_boundary_in_gaps_is_the_customers_own() {
        let own = Tiers { gaps: Some([2.0, 4.0, 8.0]), ..Tiers::default() };
        // Every 10 days: drowsy at 20, half asleep at 40, dormant at 80.
        for (recency, expected) in [
            (19, Awake),
            (20, Drowsy),
            (39, Drowsy),
            (40, HalfAsleep),
            (79, HalfAsleep),
            (80, Dormant),
        ] {
            check(&own, &[0, 10, 20], 20 + recency, Some(expected));
        }
        // Gaps of 10 and 11 have a median of 10.5, so drowsy begins at 21.
        check(&own, &[0, 10, 21], 21 + 20, Some(Awake));
        check(&own, &[0, 10, 21], 21 + 21, Some(Drowsy));
    }

    #[test]
    fn daily_customers_have_a_floor_and_new_ones_fixed_days() {
        let own = Tiers { gaps: Some([2.0, 4.0, 8.0]), ..Tiers::default() };
        for (recency, expected) in
            [(13, Awake), (14, Drowsy), (27, Drowsy), (28, HalfAsleep), (56, Dormant)]
        {
            check(&own, &[0, 1, 2, 3], 3 + recency, Some(expected));
        }
        // Two purchase days are no rhythm yet.
        check(&own, &[0, 1], 1 + 29, Some(Awake));
        check(&own, &[0, 1], 1 + 30, Some(Drowsy));
        let early = Tiers { min_purchase_days: Some(2), ..own };
        check(&early, &[0, 20], 20 + 40, Some(Drowsy));
        check(&early, &[20], 20 + 29, Some(Awake));
    }

    #[test]
    fn the_floor_is_met_to_the_day_whatever_the_multiples() {
        for first in [0.1, 0.7, 1.3, 2.3, 3.7, 9.9] {
            let own = Tiers { gaps: Some([first, 2.0 * first, 3.0 * first]), ..Tiers::default() };
            assert_eq!(own.boundaries(&Purchases::on(&[0, 1, 2], 9))[0], 14.0);
        }
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let refused = |tiers: Tiers, text: &str| {
            let error = tiers.validate().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        };
        let own = Tiers { gaps: Some([2.0, 4.0, 8.0]), ..Tiers::default() };
        own.validate().unwrap();
        Tiers::default().validate().unwrap();
        refused(Tiers { days: [30, 30, 180], ..Tiers::default() }, "[30, 30, 180]");
        refused(Tiers { days: [0, 30, 180], ..Tiers::default() }, "at least 1");
        refused(Tiers { gaps: Some([2.0, f64::NAN, 8.0]), ..Tiers::default() }, "tiers.gaps");
        refused(Tiers { floor_days: Some(3), ..Tiers::default() }, "there are no gaps");
        refused(Tiers { floor_days: Some(0), ..own }, "floor_days is 0");
        refused(Tiers { min_purchase_days: Some(1), ..own }, "min_purchase_days is 1");
    }
}
