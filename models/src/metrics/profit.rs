//! What decisions are worth in money: a campaign contacts those predicted positive, and some of those with the target
//! accept its offer and stay. MPC and EMPC by Verbraken, Verbeke and Baesens (2013), EMPB by Janssens, Bogaert, Bagué
//! and Van den Poel (2022). Decides nothing: thresholds do.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use statrs::function::beta::beta_reg;

use crate::error::{Error, Result};
use crate::metrics::Ranked;

/// A campaign that keeps customers: who is contacted costs `contact_cost`; who has the target and accepts the offer, or
/// has not the target and takes it along, costs the incentive, `incentive_cost + incentive_fraction * clv`; who has the
/// target and accepts brings the value, `clv`. The defaults are those of the EMPC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Campaign {
    /// The share of those with the target who accept is unknown, and distributed as Beta(`alpha`, `beta`); above 0.
    pub alpha: f64,
    /// See `alpha`.
    pub beta: f64,
    /// What a customer who stays is worth, in money.
    pub clv: Amount,
    /// What an offer that is taken costs, in money; at least 0.
    pub incentive_cost: Amount,
    /// The same as a share of the value, added to it; 0 to 1.
    pub incentive_fraction: f64,
    /// What a contact costs, in money; at least 0.
    pub contact_cost: Amount,
}

/// Money: the same for all rows, or by row.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged)]
pub enum Amount {
    /// For all.
    Number(f64),
    /// In a column.
    Column(String),
}

impl Default for Campaign {
    fn default() -> Campaign {
        Campaign {
            alpha: 6.0,
            beta: 14.0,
            clv: Amount::Number(200.0),
            incentive_cost: Amount::Number(10.0),
            incentive_fraction: 0.0,
            contact_cost: Amount::Number(1.0),
        }
    }
}

impl Campaign {
    /// The columns that amounts lie in.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let amounts = [&self.clv, &self.incentive_cost, &self.contact_cost];
        amounts.into_iter().filter_map(|amount| match amount {
            Amount::Column(name) => Some(name.as_str()),
            Amount::Number(_) => None,
        })
    }

    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, parameter, found: f64, expected| match fits {
            true => Ok(()),
            false => Err(Error::BadParameter { parameter, found: found.to_string(), expected }),
        };
        for (name, shape) in [("profit alpha", self.alpha), ("profit beta", self.beta)] {
            check(shape.is_finite() && shape > 0.0, name, shape, "a number above 0")?;
        }
        let share = self.incentive_fraction;
        check((0.0..=1.0).contains(&share), "profit incentive_fraction", share, "0 to 1")?;
        if let Amount::Number(clv) = self.clv {
            check(clv.is_finite(), "profit clv", clv, "an amount of money")?;
        }
        for (name, cost) in [
            ("profit incentive_cost", &self.incentive_cost),
            ("profit contact_cost", &self.contact_cost),
        ] {
            if let Amount::Number(cost) = *cost {
                check(cost.is_finite() && cost >= 0.0, name, cost, "an amount of at least 0")?;
            }
        }
        Ok(())
    }

    /// The share of those with the target who accept, on average; 0 to 1.
    pub fn accept_rate(&self) -> f64 {
        self.alpha / (self.alpha + self.beta)
    }

    /// The campaign in words.
    pub fn describe(&self) -> String {
        let of = |amount: &Amount| match amount {
            Amount::Number(number) => number.to_string(),
            Amount::Column(name) => format!("by {name}"),
        };
        let incentive = match (&self.incentive_cost, self.incentive_fraction * 100.0) {
            (cost, 0.0) => of(cost),
            (Amount::Number(0.0), share) => format!("{share} % of the value"),
            (cost, share) => format!("{} and {share} % of the value", of(cost)),
        };
        format!(
            "value of a customer kept {}, incentive {incentive}, contact {}, accepted by {:.0} % of those with the \
             target (Beta {}, {})",
            of(&self.clv),
            of(&self.contact_cost),
            self.accept_rate() * 100.0,
            self.alpha,
            self.beta
        )
    }

    /// The amounts of some rows; `column` gives the cells of a column in their order.
    ///
    /// # Errors
    /// As `column`, and [`Error::BadParameter`] for a cost below 0.
    pub fn stakes<E: From<Error>>(
        &self,
        rows: usize,
        column: impl Fn(&str) -> std::result::Result<Vec<f64>, E>,
    ) -> std::result::Result<Stakes, E> {
        let of = |amount: &Amount| match amount {
            Amount::Number(number) => Ok(vec![*number; rows]),
            Amount::Column(name) => column(name),
        };
        let value = of(&self.clv)?;
        let mut incentive = of(&self.incentive_cost)?;
        let contact = of(&self.contact_cost)?;
        for (parameter, costs) in [
            ("a cell of the column of profit incentive_cost", &incentive),
            ("a cell of the column of profit contact_cost", &contact),
        ] {
            if let Some(cost) = costs.iter().find(|cost| **cost < 0.0) {
                let expected = "an amount of at least 0";
                return Err(
                    Error::BadParameter { parameter, found: cost.to_string(), expected }.into()
                );
            }
        }
        for (incentive, value) in incentive.iter_mut().zip(&value) {
            *incentive += self.incentive_fraction * value;
        }
        Ok(Stakes { alpha: self.alpha, beta: self.beta, value, incentive, contact })
    }
}

/// A campaign's amounts by row, in money.
#[derive(Debug, Clone, PartialEq)]
pub struct Stakes {
    alpha: f64,
    beta: f64,
    value: Vec<f64>,
    incentive: Vec<f64>,
    contact: Vec<f64>,
}

/// Mean amounts, and the weight of all rows.
#[derive(Default)]
struct Means {
    value: f64,
    incentive: f64,
    contact: f64,
    weight: f64,
}

impl Stakes {
    /// What contacting a row would bring on average over the share that accepts, in money.
    pub(super) fn gain(&self, row: usize, target: bool) -> f64 {
        let (value, incentive, contact) = (self.value[row], self.incentive[row], self.contact[row]);
        match target {
            true => self.alpha / (self.alpha + self.beta) * (value - incentive) - contact,
            false => -incentive - contact,
        }
    }

    /// The same of every row.
    pub fn gains(&self, target: &[bool]) -> Vec<f64> {
        target.iter().enumerate().map(|(row, &target)| self.gain(row, target)).collect()
    }

    /// The amounts of some rows, in their order.
    pub fn at(&self, rows: &[u32]) -> Stakes {
        let of = |all: &[f64]| rows.iter().map(|&row| all[row as usize]).collect();
        Stakes {
            value: of(&self.value),
            incentive: of(&self.incentive),
            contact: of(&self.contact),
            ..*self
        }
    }

    fn means(&self, weight: &[f64]) -> Means {
        let mut sums = Means::default();
        for (row, weight) in weight.iter().enumerate() {
            sums.value += weight * self.value[row];
            sums.incentive += weight * self.incentive[row];
            sums.contact += weight * self.contact[row];
            sums.weight += weight;
        }
        let n = sums.weight;
        Means {
            value: sums.value / n,
            incentive: sums.incentive / n,
            contact: sums.contact / n,
            weight: n,
        }
    }
}

impl Ranked {
    /// A campaign's amounts in the ranking's order.
    pub fn stakes(&self, stakes: &Stakes) -> Stakes {
        stakes.at(self.order())
    }

    /// Money that the campaign brings per row (by weight) when it contacts those of a probability of at least
    /// `threshold`, on average over the share that accepts. Amounts and weights are in the ranking's order.
    pub fn profit_at(&self, stakes: &Stakes, weight: &[f64], threshold: f64) -> f64 {
        let rows = self.probability().partition_point(|p| *p >= threshold);
        let gains = self.targets()[..rows].iter().enumerate();
        let sum: f64 = gains.map(|(row, &target)| weight[row] * stakes.gain(row, target)).sum();
        sum / weight.iter().sum::<f64>()
    }

    /// Largest profit per row of any threshold with every row's own amounts, in expectation over the share that
    /// accepts; 0, that of contacting nobody, at least. With a share of the value as the incentive this is the EMPB.
    pub fn empb(&self, stakes: &Stakes, weight: &[f64]) -> f64 {
        let (mut sum, mut best, mut row) = (0.0, 0.0_f64, 0);
        for &end in self.ties() {
            while row < end as usize {
                sum += weight[row] * stakes.gain(row, self.targets()[row]);
                row += 1;
            }
            best = best.max(sum);
        }
        best / weight.iter().sum::<f64>()
    }

    /// Largest profit per row of any threshold, where every row's amounts are the mean ones, and the mean share of those
    /// with the target accepts: the MPC; 0, that of contacting nobody, at least.
    pub fn mpc(&self, stakes: &Stakes, weight: &[f64]) -> f64 {
        let rate = stakes.alpha / (stakes.alpha + stakes.beta);
        self.lines(stakes, weight).map(|line| line.at(rate)).fold(0.0, f64::max)
    }

    /// The mean, over the share of those with the target who accept, of the largest profit per row of any threshold:
    /// the EMPC, with the mean amounts for every row. The best threshold of each share lies on the upper hull of the
    /// thresholds' profits, which are lines in that share; the integral is that of the Beta distribution between the
    /// corners.
    pub fn empc(&self, stakes: &Stakes, weight: &[f64]) -> f64 {
        let nobody = Line { slope: 0.0, cost: 0.0 };
        let mut hull: Vec<(f64, Line)> = vec![(0.0, nobody)];
        for line in self.lines(stakes, weight) {
            // Each threshold contacts more of those with the target than the one before: lines grow steeper, where a
            // customer is worth more than the incentive. Where not, nobody is worth a contact.
            while let Some(&(from, last)) = hull.last() {
                let meet = match line.slope > last.slope {
                    true => (line.cost - last.cost) / (line.slope - last.slope),
                    false if line.cost < last.cost => f64::NEG_INFINITY,
                    false => f64::INFINITY,
                };
                if meet > from {
                    if meet < 1.0 {
                        hull.push((meet, line));
                    }
                    break;
                }
                hull.pop();
                if hull.is_empty() {
                    hull.push((0.0, line));
                    break;
                }
            }
        }
        let (alpha, beta) = (stakes.alpha, stakes.beta);
        let below = |alpha: f64, x: f64| beta_reg(alpha, beta, x.clamp(0.0, 1.0));
        let ends = hull.iter().skip(1).map(|(from, _)| *from).chain([1.0]);
        let part = |(&(from, line), to): (&(f64, Line), f64)| {
            let first = below(alpha + 1.0, to) - below(alpha + 1.0, from);
            let mass = below(alpha, to) - below(alpha, from);
            line.slope * alpha / (alpha + beta) * first - line.cost * mass
        };
        hull.iter().zip(ends).map(part).sum()
    }

    /// The profit per row of each threshold, from the highest on, as a line in the share that accepts.
    fn lines<'a>(&'a self, stakes: &Stakes, weight: &'a [f64]) -> impl Iterator<Item = Line> + 'a {
        let Means { value, incentive, contact, weight: all } = stakes.means(weight);
        let (mut hits, mut wrong) = (0.0, 0.0);
        self.runs(weight).map(move |(positive, negative)| {
            hits += positive / all;
            wrong += negative / all;
            Line {
                slope: (value - incentive) * hits,
                cost: contact * hits + (incentive + contact) * wrong,
            }
        })
    }
}

/// A threshold's profit per row: `slope * share that accepts - cost`.
#[derive(Debug, Clone, Copy)]
struct Line {
    slope: f64,
    cost: f64,
}

impl Line {
    fn at(self, share: f64) -> f64 {
        self.slope * share - self.cost
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::{Confusion, Judged};
    use proptest::prelude::*;

    fn judged<'a>(p: &'a [f64], y: &'a [bool], w: &'a [f64]) -> Judged<'a> {
        Judged { probability: p, target: y, weight: w, group: None }
    }

    /// Profit per row of a threshold, from the four counts.
    fn by_counts(judged: &Judged<'_>, campaign: &Campaign, clv: f64, t: f64, rate: f64) -> f64 {
        let counts = Confusion::at(judged, t);
        let (Amount::Number(d), Amount::Number(f)) =
            (&campaign.incentive_cost, &campaign.contact_cost)
        else {
            unreachable!("numbers")
        };
        let hit = rate * (clv - d) - f;
        (counts.true_positives * hit - counts.false_positives * (d + f))
            / judged.weight.iter().sum::<f64>()
    }

    proptest! {
        #[test]
        fn profits_are_those_of_trying_every_threshold(
            rows in prop::collection::vec((0_u8..15, any::<bool>(), 1_u8..4), 1..50),
            clv in 5.0_f64..400.0, d in 0.0_f64..30.0, f in 0.0_f64..5.0,
        ) {
            let p: Vec<f64> = rows.iter().map(|r| f64::from(r.0) / 15.0).collect();
            let y: Vec<bool> = rows.iter().map(|r| r.1).collect();
            let w: Vec<f64> = rows.iter().map(|r| f64::from(r.2)).collect();
            let campaign = Campaign {
                clv: Amount::Number(clv),
                incentive_cost: Amount::Number(d),
                contact_cost: Amount::Number(f),
                ..Campaign::default()
            };
            let judged = judged(&p, &y, &w);
            let ranked = Ranked::new(&judged);
            let stakes = campaign.stakes::<Error>(p.len(), |_| unreachable!()).unwrap();
            let ordered = ranked.stakes(&stakes);
            let best = |rate: f64| p.iter().map(|&t| by_counts(&judged, &campaign, clv, t, rate))
                .fold(0.0, f64::max);
            let mpc = ranked.mpc(&ordered, ranked.weights());
            prop_assert!((mpc - best(0.3)).abs() < 1e-9);
            prop_assert!((ranked.empb(&ordered, ranked.weights()) - mpc).abs() < 1e-9);
            for t in [0.0, 0.4, 2.0] {
                let at = ranked.profit_at(&ordered, ranked.weights(), t);
                prop_assert!((at - by_counts(&judged, &campaign, clv, t, 0.3)).abs() < 1e-9);
            }
            // The integral over shares, by many small steps of the Beta distribution's function.
            let steps = 4_000;
            let mass = |k: usize| beta_reg(6.0, 14.0, k as f64 / steps as f64);
            let by_steps: f64 = (0..steps)
                .map(|k| best((k as f64 + 0.5) / steps as f64) * (mass(k + 1) - mass(k)))
                .sum();
            let empc = ranked.empc(&ordered, ranked.weights());
            prop_assert!((empc - by_steps).abs() < 1e-4, "{empc} {by_steps}");
        }
    }

    #[derive(Deserialize)]
    struct Case {
        score: Vec<f64>,
        target: Vec<u8>,
        clv: Vec<f64>,
        alpha: f64,
        beta: f64,
        incentive_cost: f64,
        contact_cost: f64,
        mpc: f64,
        empc: f64,
        mpc_of_200: f64,
        empc_of_200: f64,
        incentive_fraction: f64,
        b2b_contact_cost: f64,
        empb: f64,
        empb_threshold: f64,
    }

    /// The golden file is empulse's word, written by checks/profit.py.
    #[test]
    fn profits_agree_with_empulse() {
        let text = include_str!("../../../tests/it/golden/profit.json");
        let cases: Vec<Case> = serde_json::from_str(text).unwrap();
        assert_eq!(cases.len(), 6);
        for case in &cases {
            let target: Vec<bool> = case.target.iter().map(|t| *t == 1).collect();
            let weight = vec![1.0; target.len()];
            let ranked = Ranked::new(&judged(&case.score, &target, &weight));
            let of = |campaign: Campaign| {
                let clv = |_: &str| Ok(case.clv.clone());
                ranked.stakes(&campaign.stakes::<Error>(target.len(), clv).unwrap())
            };
            let own = Campaign {
                alpha: case.alpha,
                beta: case.beta,
                clv: Amount::Column("clv".to_owned()),
                incentive_cost: Amount::Number(case.incentive_cost),
                incentive_fraction: 0.0,
                contact_cost: Amount::Number(case.contact_cost),
            };
            let same = Campaign { clv: Amount::Number(200.0), ..own.clone() };
            let by_share = Campaign {
                incentive_cost: Amount::Number(0.0),
                incentive_fraction: case.incentive_fraction,
                contact_cost: Amount::Number(case.b2b_contact_cost),
                ..own.clone()
            };
            let (own, same, by_share) = (of(own), of(same), of(by_share));
            for (ours, theirs) in [
                (ranked.mpc(&own, &weight), case.mpc),
                (ranked.empc(&own, &weight), case.empc),
                (ranked.mpc(&same, &weight), case.mpc_of_200),
                (ranked.empc(&same, &weight), case.empc_of_200),
                (ranked.empb(&by_share, &weight), case.empb),
                (ranked.profit_at(&by_share, &weight, case.empb_threshold), case.empb),
            ] {
                assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
            }
        }
    }

    #[test]
    fn nobody_is_worth_a_contact_that_costs_more_than_a_customer() {
        let campaign = Campaign { clv: Amount::Number(5.0), ..Campaign::default() };
        let (p, y, w) = ([0.1, 0.5, 0.9], [false, true, true], [1.0; 3]);
        let ranked = Ranked::new(&judged(&p, &y, &w));
        let stakes = ranked.stakes(&campaign.stakes::<Error>(3, |_| unreachable!()).unwrap());
        for measure in [Ranked::mpc, Ranked::empc, Ranked::empb] {
            assert_eq!(measure(&ranked, &stakes, &w), 0.0);
        }
        assert!(ranked.profit_at(&stakes, &w, 0.5) < 0.0);
    }

    #[test]
    fn numbers_out_of_range_are_named() {
        let bad = |campaign: Campaign, word: &str| {
            let error = campaign.validate().unwrap_err().to_string();
            assert!(error.contains(word), "{error}");
        };
        bad(Campaign { alpha: 0.0, ..Campaign::default() }, "alpha");
        bad(Campaign { beta: f64::NAN, ..Campaign::default() }, "beta");
        bad(Campaign { clv: Amount::Number(f64::INFINITY), ..Campaign::default() }, "clv");
        bad(Campaign { incentive_fraction: 1.5, ..Campaign::default() }, "incentive_fraction");
        bad(Campaign { contact_cost: Amount::Number(-1.0), ..Campaign::default() }, "contact_cost");
        let by_column =
            Campaign { contact_cost: Amount::Column("cost".to_owned()), ..Campaign::default() };
        let error = by_column.stakes::<Error>(2, |_| Ok(vec![1.0, -2.0])).unwrap_err().to_string();
        assert!(error.contains("-2") && error.contains("contact_cost"), "{error}");
    }
}
