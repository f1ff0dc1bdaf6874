//! Loyalty types: how purchases spread over time. Amounts play no part.

use serde::{Deserialize, Serialize};

use crate::customer::purchases::Purchases;
use crate::customer::rules::check;
use crate::error::Result;

/// How a customer's purchases spread over time. One whose tenure is too short to tell has no type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LoyaltyType {
    /// Bought in most periods, and in most of the recent ones.
    Loyal,
    /// Bought in a recent period, but not as steadily.
    Elastic,
    /// Bought in none of the recent periods.
    Lost,
}

/// How loyalty types are told.
///
/// Time is cut into periods of `period_days`, back from the cutoff, as many full ones as the tenure
/// (since the first purchase) and `span_days` hold. With fewer than `min_periods` there is no type. Else:
/// `lost` without a purchase in the latest `recent_periods`; `loyal` when the share of periods with a
/// purchase is at least `loyal_share` among all and among the recent ones; `elastic` otherwise.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Loyalty {
    /// Length of a period, at least 1.
    pub period_days: u32,
    /// The longest time looked back, at least `min_periods` periods.
    pub span_days: u32,
    /// The latest periods that count as recent, at least 1.
    pub recent_periods: u32,
    /// Fewest full periods to tell a type from, at least `recent_periods`.
    pub min_periods: u32,
    /// Share of periods with a purchase from which a customer is loyal, above 0 and at most 1.
    pub loyal_share: f64,
}

impl LoyaltyType {
    /// Its name as it stands in files and replies.
    pub fn text(self) -> &'static str {
        match self {
            LoyaltyType::Loyal => "loyal",
            LoyaltyType::Elastic => "elastic",
            LoyaltyType::Lost => "lost",
        }
    }
}

impl Default for Loyalty {
    fn default() -> Loyalty {
        Loyalty {
            period_days: 30,
            span_days: 365,
            recent_periods: 3,
            min_periods: 4,
            loyal_share: 0.5,
        }
    }
}

impl Loyalty {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        check(
            self.period_days >= 1,
            "customers.loyalty.period_days",
            &self.period_days,
            "at least 1",
        )?;
        check(
            self.recent_periods >= 1,
            "customers.loyalty.recent_periods",
            &self.recent_periods,
            "at least 1",
        )?;
        check(
            self.min_periods >= self.recent_periods,
            "customers.loyalty.min_periods",
            &self.min_periods,
            "at least recent_periods",
        )?;
        check(
            u64::from(self.span_days) >= u64::from(self.min_periods) * u64::from(self.period_days),
            "customers.loyalty.span_days",
            &self.span_days,
            "at least min_periods times period_days",
        )?;
        check(
            self.loyal_share > 0.0 && self.loyal_share <= 1.0,
            "customers.loyalty.loyal_share",
            &self.loyal_share,
            "above 0 and at most 1",
        )
    }

    /// The customer's type, `None` without a purchase or with too short a tenure.
    pub fn loyalty_type(&self, purchases: &Purchases<'_>) -> Option<LoyaltyType> {
        let period_days = i64::from(self.period_days);
        let periods = purchases.tenure_days()?.min(i64::from(self.span_days)) / period_days;
        let recent = i64::from(self.recent_periods);
        if periods < i64::from(self.min_periods) {
            return None;
        }
        let (mut bought, mut bought_recently, mut last) = (0_i64, 0_i64, None);
        for day in purchases.days.iter().rev() {
            let period = (purchases.last_known_day - day) / period_days;
            // The first purchase mostly lies in the period that the tenure does not fill, which says
            // nothing of how steadily a customer buys.
            if period >= periods {
                break;
            }
            if last != Some(period) {
                last = Some(period);
                bought += 1;
                bought_recently += i64::from(period < recent);
            }
        }
        // A quotient of whole numbers is rounded to what a decimal fraction in the rules is read as.
        let steady = |bought: i64, of: i64| bought as f64 / of as f64 >= self.loyal_share;
        Some(match bought_recently {
            0 => LoyaltyType::Lost,
            _ if steady(bought, periods) && steady(bought_recently, recent) => LoyaltyType::Loyal,
            _ => LoyaltyType::Elastic,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use LoyaltyType::*;

    /// Purchases so many days before a cutoff at midnight: 1 is the day before it.
    fn check(rules: &Loyalty, ago: &[i64], expected: Option<LoyaltyType>) {
        let mut days: Vec<i64> = ago.iter().map(|ago| 1_000 - ago).collect();
        days.sort_unstable();
        assert_eq!(rules.loyalty_type(&Purchases::on(&days, 1_000)), expected, "{ago:?}");
    }

    #[test]
    fn a_short_tenure_has_no_type() {
        let rules = Loyalty::default();
        check(&rules, &[], None);
        check(&rules, &[1], None);
        check(&rules, &[119, 80, 40, 1], None);
        check(&rules, &[120, 80, 40, 1], Some(Loyal));
    }

    #[test]
    fn lost_is_without_a_purchase_in_the_recent_periods() {
        let rules = Loyalty::default();
        check(&rules, &[200, 170, 140, 110, 91], Some(Lost));
        check(&rules, &[200, 170, 140, 110, 90], Some(Elastic));
        check(&rules, &[800], Some(Lost));
    }

    #[test]
    fn loyal_is_most_periods_and_most_recent_ones() {
        let rules = Loyalty::default();
        // Periods end 30, 60, 90, ... days before the cutoff; 6 of 12 are at least half.
        check(&rules, &[365, 1, 31, 91, 121, 151, 181], Some(Loyal));
        check(&rules, &[365, 1, 31, 91, 121, 151], Some(Elastic));
        // One recent period of three is less than half, however steady it was before.
        check(&rules, &[365, 30, 91, 121, 151, 181, 211, 241], Some(Elastic));
        check(&rules, &[365, 30, 60, 121, 151, 181, 211, 241], Some(Loyal));
        // Many purchases in one period are one period.
        check(&rules, &[365, 1, 2, 3, 4, 5, 6, 7, 8, 9], Some(Elastic));
    }

    #[test]
    fn a_share_is_met_exactly() {
        for (share, bought) in [(0.1, 3), (0.3, 9), (0.7, 21), (1.0, 30)] {
            let rules = Loyalty {
                period_days: 10,
                span_days: 300,
                recent_periods: 1,
                min_periods: 1,
                loyal_share: share,
            };
            rules.validate().unwrap();
            let mut ago: Vec<i64> = (0..bought).map(|period| period * 10 + 1).collect();
            ago.push(400);
            check(&rules, &ago, Some(Loyal));
            ago.swap_remove(bought as usize - 1);
            check(&rules, &ago, Some(Elastic));
        }
    }

    #[test]
    fn rules_that_contradict_themselves_are_refused() {
        let rules = Loyalty::default();
        rules.validate().unwrap();
        for (wrong, text) in [
            (Loyalty { period_days: 0, ..rules }, "period_days is 0"),
            (Loyalty { recent_periods: 0, ..rules }, "recent_periods is 0"),
            (Loyalty { min_periods: 2, ..rules }, "min_periods is 2"),
            (Loyalty { span_days: 119, ..rules }, "span_days is 119"),
            (Loyalty { loyal_share: f64::NAN, ..rules }, "loyal_share is NaN"),
        ] {
            let error = wrong.validate().unwrap_err().to_string();
            assert!(error.contains(text), "{error}");
        }
    }
}
