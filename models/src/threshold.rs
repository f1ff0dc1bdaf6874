//! From which probability a customer is predicted positive. Chosen on the calibration rows.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::metrics::{effective_rows, wilson_upper};

/// What the threshold is chosen for. A decision is `probability >= threshold` everywhere; rows of
/// equal probability are never divided.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum ThresholdRule {
    /// The lowest miss rate whose error rate is at most `limit` with the confidence: the upper end of
    /// its one-sided Wilson interval (over effective rows where there are weights) is within it.
    MaxErrorRate {
        /// 0 to 1.
        limit: f64,
        /// 0.5 to 1.
        confidence: f64,
    },
    /// The highest F1, the harmonic mean of 1 - error rate and 1 - miss rate.
    F1,
    /// The lowest cost of wrong decisions.
    Cost {
        /// Cost of predicting a row positive that is not; at least 0.
        false_positive: f64,
        /// Cost of missing a positive row; at least 0, one of the two above 0.
        false_negative: f64,
    },
    /// The largest profit of a campaign, by what contacting each row would bring.
    Profit,
    /// The rows most likely positive, at most this share of the weight.
    Top {
        /// Above 0, up to 1.
        share: f64,
    },
}

/// A threshold and what it was chosen by.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Threshold {
    /// Predicted positive: `probability >= value`.
    pub value: f64,
    /// The rule.
    pub rule: ThresholdRule,
    /// Whether the rule's limit is met on the rows it was chosen on. Where no threshold meets it, the
    /// one that comes nearest is taken.
    pub met: bool,
}

impl ThresholdRule {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, parameter, found: f64, expected| match fits {
            true => Ok(()),
            false => Err(Error::BadParameter { parameter, found: found.to_string(), expected }),
        };
        match *self {
            ThresholdRule::MaxErrorRate { limit, confidence } => {
                check((0.0..=1.0).contains(&limit), "max error rate", limit, "0 to 1")?;
                let sure = (0.5..1.0).contains(&confidence);
                check(sure, "confidence", confidence, "0.5 to below 1, as 0.95")
            }
            ThresholdRule::F1 | ThresholdRule::Profit => Ok(()),
            ThresholdRule::Cost { false_positive, false_negative } => {
                let cost = |c: f64| c.is_finite() && c >= 0.0;
                let expected = "a cost of at least 0";
                check(cost(false_positive), "cost of a false positive", false_positive, expected)?;
                check(cost(false_negative), "cost of a miss", false_negative, expected)?;
                let some = false_positive + false_negative > 0.0;
                check(some, "cost", 0.0, "at least one of the two costs above 0")
            }
            ThresholdRule::Top { share } => {
                check(share > 0.0 && share <= 1.0, "top share", share, "above 0 % and up to 100 %")
            }
        }
    }

    /// The rule in words.
    pub fn describe(&self) -> String {
        match self {
            ThresholdRule::MaxErrorRate { limit, confidence } => format!(
                "lowest miss rate with an error rate of at most {:.1} %, {:.0} % sure (Wilson)",
                limit * 100.0,
                confidence * 100.0
            ),
            ThresholdRule::F1 => "highest F1".to_owned(),
            ThresholdRule::Cost { false_positive, false_negative } => format!(
                "lowest cost at {false_positive} for a false positive and {false_negative} for a miss"
            ),
            ThresholdRule::Profit => "largest profit of the campaign".to_owned(),
            ThresholdRule::Top { share } => format!("top {} %", share * 100.0),
        }
    }
}

/// What would be predicted positive from one probability on.
struct Cut {
    value: f64,
    hits: f64,
    all: f64,
    /// Money that contacting these rows would bring.
    gain: f64,
    /// Of the squared weights, for the effective rows.
    weights: (f64, f64),
}

impl Threshold {
    /// Chooses among the probabilities of the rows given (at least one of each class), in
    /// O(n log n). `gain` is what contacting each row would bring, in money, by
    /// [`Stakes::gains`](crate::metrics::Stakes::gains); only [`ThresholdRule::Profit`] asks for it.
    ///
    /// # Errors
    /// When the rule is out of its range, or asks for gains and has none, or a class is missing.
    pub fn choose(
        rule: ThresholdRule,
        probability: &[f64],
        target: &[bool],
        weight: &[f64],
        gain: Option<&[f64]>,
    ) -> Result<Threshold> {
        rule.validate()?;
        let (positives, rows) = (target.iter().filter(|t| **t).count(), target.len());
        if positives == 0 || positives == rows {
            return Err(Error::OneClass { part: "calibration", positives, rows });
        }
        if rule == ThresholdRule::Profit && gain.is_none() {
            let (parameter, found) = ("threshold by profit", "no campaign".to_owned());
            let expected = "a campaign's amounts by row";
            return Err(Error::BadParameter { parameter, found, expected });
        }
        let cuts = cuts(probability, target, weight, gain);
        let last = cuts.last().expect("there is a row");
        let (hits, total) = (last.hits, last.all);
        // The lower the better; of equal cuts the first, with the highest threshold, is taken.
        let cost = |cut: &Cut| match rule {
            ThresholdRule::MaxErrorRate { limit, confidence } => {
                let rows = effective_rows_of(cut.weights);
                let upper = wilson_upper(1.0 - cut.hits / cut.all, rows, confidence);
                // Among those within the limit, the one that finds most; else the nearest.
                if upper <= limit { -cut.hits } else { upper }
            }
            ThresholdRule::F1 => -2.0 * cut.hits / (cut.all + hits),
            ThresholdRule::Cost { false_positive, false_negative } => {
                false_positive * (cut.all - cut.hits) + false_negative * (hits - cut.hits)
            }
            ThresholdRule::Profit => -cut.gain,
            ThresholdRule::Top { share } => {
                if cut.all <= share * total * (1.0 + 1e-12) {
                    -cut.all
                } else {
                    cut.all
                }
            }
        };
        let best = cuts.iter().min_by(|a, b| cost(a).total_cmp(&cost(b))).expect("there is a row");
        let met = match rule {
            ThresholdRule::MaxErrorRate { .. } | ThresholdRule::Top { .. } => cost(best) < 0.0,
            ThresholdRule::F1 | ThresholdRule::Cost { .. } | ThresholdRule::Profit => true,
        };
        let nothing = match rule {
            // To contact nobody costs only the misses; to exceed a capacity is no choice.
            ThresholdRule::Cost { false_negative, .. } => cost(best) > false_negative * hits,
            // A campaign that loses with everybody is not begun.
            ThresholdRule::Profit => cost(best) >= 0.0,
            ThresholdRule::Top { .. } => !met,
            ThresholdRule::MaxErrorRate { .. } | ThresholdRule::F1 => false,
        };
        let value = if nothing { above_all(cuts[0].value) } else { best.value };
        Ok(Threshold { value, rule, met })
    }
}

/// The least number above a probability: nobody reaches it.
fn above_all(highest: f64) -> f64 {
    highest.next_up()
}

fn effective_rows_of((sum, squares): (f64, f64)) -> f64 {
    if squares > 0.0 { sum * sum / squares } else { effective_rows(std::iter::empty()) }
}

/// One cut per distinct probability, highest first.
fn cuts(probability: &[f64], target: &[bool], weight: &[f64], gain: Option<&[f64]>) -> Vec<Cut> {
    let mut order: Vec<usize> = (0..probability.len()).collect();
    order.sort_by(|&a, &b| probability[b].total_cmp(&probability[a]));
    let mut cuts: Vec<Cut> = Vec::new();
    let (mut hits, mut all, mut squares, mut gained) = (0.0, 0.0, 0.0, 0.0);
    for row in order {
        hits += if target[row] { weight[row] } else { 0.0 };
        all += weight[row];
        squares += weight[row] * weight[row];
        gained += gain.map_or(0.0, |gain| weight[row] * gain[row]);
        let weights = (all, squares);
        let cut = Cut { value: probability[row], hits, all, gain: gained, weights };
        match cuts.last_mut() {
            Some(last) if last.value == probability[row] => *last = cut,
            _ => cuts.push(cut),
        }
    }
    cuts
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Confusion, Judged};
    use proptest::prelude::*;

    /// Every threshold tried one by one, judged from scratch.
    fn by_trial(rule: ThresholdRule, p: &[f64], y: &[bool], w: &[f64]) -> f64 {
        let judged = Judged { probability: p, target: y, weight: w, group: None };
        let mut values = p.to_vec();
        values.sort_by(|a, b| b.total_cmp(a));
        values.dedup();
        let score = |t: f64| -> (f64, f64) {
            let c = Confusion::at(&judged, t);
            let rows = effective_rows((0..p.len()).filter(|&i| p[i] >= t).map(|i| w[i]));
            match rule {
                ThresholdRule::MaxErrorRate { limit, confidence } => {
                    let error = c.error_rate().unwrap_or(1.0);
                    let upper = wilson_upper(error, rows, confidence);
                    if upper <= limit { (0.0, -c.true_positives) } else { (1.0, upper) }
                }
                ThresholdRule::F1 => {
                    let wrong = c.false_positives + c.false_negatives;
                    (0.0, -2.0 * c.true_positives / (2.0 * c.true_positives + wrong))
                }
                ThresholdRule::Cost { false_positive, false_negative } => {
                    (0.0, false_positive * c.false_positives + false_negative * c.false_negatives)
                }
                ThresholdRule::Profit => {
                    // As if each hit brought 3 and each false positive cost 1.
                    (0.0, c.false_positives - 3.0 * c.true_positives)
                }
                ThresholdRule::Top { .. } => unreachable!("not tried"),
            }
        };
        let mut best = values[0];
        for &t in &values {
            let (a, b) = (score(t), score(best));
            if a.0 < b.0 || (a.0 == b.0 && a.1 < b.1 - 1e-12) {
                best = t;
            }
        }
        // Where nothing is to be won, nobody is contacted.
        if rule == ThresholdRule::Profit && score(best).1 >= 0.0 {
            return values[0].next_up();
        }
        best
    }

    proptest! {
        #[test]
        fn the_choice_is_that_of_trying_every_threshold(
            rows in prop::collection::vec((0_u8..20, any::<bool>(), 1_u8..3), 2..60),
            limit in 0.1_f64..0.9,
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 20.0).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let w: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            prop_assume!(y.contains(&true) && y.contains(&false));
            for rule in [
                ThresholdRule::MaxErrorRate { limit, confidence: 0.9 },
                ThresholdRule::F1,
                ThresholdRule::Profit,
            ] {
                let gain: Vec<f64> = y.iter().map(|y| if *y { 3.0 } else { -1.0 }).collect();
                let chosen = Threshold::choose(rule, &p, &y, &w, Some(&gain)).unwrap();
                prop_assert_eq!(chosen.value, by_trial(rule, &p, &y, &w));
            }
        }

        #[test]
        fn the_top_is_never_more_than_its_share(
            p in prop::collection::vec(0_u8..30, 2..80), share in 0.01_f64..1.0,
        ) {
            let p: Vec<f64> = p.iter().map(|x| f64::from(*x) / 30.0).collect();
            let y: Vec<bool> = (0..p.len()).map(|i| i % 2 == 0).collect();
            let w = vec![1.0; p.len()];
            let chosen = Threshold::choose(ThresholdRule::Top { share }, &p, &y, &w, None).unwrap();
            let taken = p.iter().filter(|p| **p >= chosen.value).count() as f64;
            prop_assert!(taken <= share * p.len() as f64 + 1e-9);
            // The next lower probability would be too many.
            let next = p.iter().copied().filter(|p| *p < chosen.value).fold(-1.0, f64::max);
            if next >= 0.0 {
                let more = p.iter().filter(|p| **p >= next).count() as f64;
                prop_assert!(more > share * p.len() as f64);
            }
        }
    }

    #[test]
    fn a_limit_that_cannot_be_met_is_said_to_be_missed() {
        let p: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
        let y: Vec<bool> = (0..100).map(|i| i % 2 == 0).collect();
        let rule = ThresholdRule::MaxErrorRate { limit: 0.05, confidence: 0.95 };
        assert!(!Threshold::choose(rule, &p, &y, &[1.0; 100], None).unwrap().met);
        let rule = ThresholdRule::MaxErrorRate { limit: 0.65, confidence: 0.95 };
        let chosen = Threshold::choose(rule, &p, &y, &[1.0; 100], None).unwrap();
        assert!(chosen.met && chosen.value == 0.0, "{chosen:?}");
    }

    #[test]
    fn dear_contacts_are_made_to_nobody() {
        let (p, y) = ([0.2, 0.4, 0.6], [false, true, false]);
        let rule = ThresholdRule::Cost { false_positive: 100.0, false_negative: 1.0 };
        let chosen = Threshold::choose(rule, &p, &y, &[1.0; 3], None).unwrap();
        assert!(p.iter().all(|p| *p < chosen.value));
    }

    #[test]
    fn a_campaign_takes_the_threshold_of_its_largest_profit() {
        let (p, y, w) = ([0.2, 0.4, 0.6, 0.6], [false, true, true, false], [1.0; 4]);
        let chosen = |gain: &[f64]| {
            Threshold::choose(ThresholdRule::Profit, &p, &y, &w, Some(gain)).unwrap().value
        };
        // The customer at 0.4 is worth the loss at 0.6, the one at 0.2 is not.
        assert_eq!(chosen(&[-1.0, 9.0, 1.0, -2.0]), 0.4);
        // Worth nothing more: the fewer contacts.
        assert_eq!(chosen(&[0.0, 0.0, 3.0, -2.0]), 0.6);
        // Nothing to win: nobody.
        assert!(chosen(&[-1.0, 1.0, 1.0, -2.0]) > 0.6);
        let error = Threshold::choose(ThresholdRule::Profit, &p, &y, &w, None).unwrap_err();
        assert!(error.to_string().contains("no campaign"), "{error}");
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        for rule in [
            ThresholdRule::Top { share: 0.0 },
            ThresholdRule::MaxErrorRate { limit: 1.5, confidence: 0.95 },
            ThresholdRule::MaxErrorRate { limit: 0.5, confidence: 95.0 },
            ThresholdRule::Cost { false_positive: -1.0, false_negative: 1.0 },
            ThresholdRule::Cost { false_positive: 0.0, false_negative: 0.0 },
        ] {
            assert!(
                Threshold::choose(rule, &[0.1, 0.2], &[true, false], &[1.0, 1.0], None).is_err()
            );
        }
    }
}
