//! Success rates where there is no experiment to learn uplift from: figures from the field by lifecycle stage, or the
//! user's own. They are assumptions, and whoever uses them says so.

use serde::{Deserialize, Serialize};

use crate::customer::{LapseTier, LifecycleStage};

/// A success rate of one's own: the share of those contacted who do what is hoped for. It holds for the customers and
/// the action that it names; what it does not name may be anything. Of several that hold, the one that names most, and
/// of those the last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AssumedRate {
    /// The lifecycle stage.
    #[serde(default)]
    pub stage: Option<LifecycleStage>,
    /// The lapse tier.
    #[serde(default)]
    pub tier: Option<LapseTier>,
    /// The action's name.
    #[serde(default)]
    pub action: Option<String>,
    /// 0 to 1.
    pub success: f64,
}

/// The success rate of an action that nothing else is known of.
///
/// Of those never having bought 6 %, of first-time customers 15 %, of repeat and loyal ones 50 % take an offer: figures
/// from the field. Of lapsed customers the field tells none. Ours are a choice, on the careful side: as first-time
/// customers while drowsy (15 %), as those who never bought when dormant (6 %), 10 % in between.
pub fn default_success(stage: LifecycleStage, tier: Option<LapseTier>) -> f64 {
    match (stage, tier) {
        (LifecycleStage::Potential, _) => 0.06,
        (LifecycleStage::FirstTime, _) => 0.15,
        (LifecycleStage::Repeat | LifecycleStage::Loyal, _) => 0.5,
        (LifecycleStage::Lapsed, Some(LapseTier::Awake | LapseTier::Drowsy)) => 0.15,
        (LifecycleStage::Lapsed, Some(LapseTier::HalfAsleep)) => 0.1,
        (LifecycleStage::Lapsed, Some(LapseTier::Dormant) | None) => 0.06,
    }
}

/// The success rate of an action, by the user's own rates and else by [`default_success`].
pub fn success(
    rates: &[AssumedRate],
    stage: LifecycleStage,
    tier: Option<LapseTier>,
    action: &str,
) -> f64 {
    let holds = |rate: &&AssumedRate| {
        rate.stage.is_none_or(|own| own == stage)
            && rate.tier.is_none_or(|own| Some(own) == tier)
            && rate.action.as_ref().is_none_or(|own| own == action)
    };
    let named = |rate: &&AssumedRate| {
        [rate.stage.is_some(), rate.tier.is_some(), rate.action.is_some()]
            .iter()
            .filter(|some| **some)
            .count()
    };
    // Of equal ones `max_by_key` takes the last.
    let own = rates.iter().filter(holds).max_by_key(named);
    own.map_or_else(|| default_success(stage, tier), |rate| rate.success)
}

#[cfg(test)]
mod tests {
    use super::*;
    use LapseTier::*;
    use LifecycleStage::*;

    #[test]
    fn a_rate_that_names_more_goes_before_and_the_last_of_equal_ones() {
        let rate = |stage, tier, action: Option<&str>, success| AssumedRate {
            stage,
            tier,
            action: action.map(str::to_owned),
            success,
        };
        let rates = [
            rate(Some(Lapsed), Some(Dormant), None, 0.02),
            rate(Some(Lapsed), None, Some("call"), 0.3),
            rate(None, None, Some("call"), 0.4),
            rate(Some(Repeat), None, None, 0.25),
            rate(Some(Repeat), None, None, 0.26),
        ];
        let check = |stage, tier, action: &str, expected: f64| {
            assert_eq!(
                success(&rates, stage, tier, action),
                expected,
                "{stage:?} {tier:?} {action}"
            );
        };
        check(Lapsed, Some(Dormant), "mail", 0.02);
        check(Lapsed, Some(Dormant), "call", 0.3);
        check(Potential, None, "call", 0.4);
        check(Repeat, Some(Awake), "mail", 0.26);
        check(Loyal, Some(Awake), "mail", 0.5);
        check(Lapsed, Some(HalfAsleep), "mail", 0.1);
        check(FirstTime, Some(Drowsy), "mail", 0.15);
    }
}
