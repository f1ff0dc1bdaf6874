//! What a campaign changed: customers who were to be contacted against those of the same plan who were held out. Who was
//! held out was drawn; who was really reached does not matter here (intention to treat), so that nothing but the draw
//! tells the sides apart.

use crate::metrics::{Interval, normal_quantile};

/// Fewest customers of a side: with fewer nothing is said.
pub const FEWEST: usize = 20;
/// Fewest customers of a side with an outcome: with fewer, means are no normal numbers yet, and intervals too narrow.
pub const FEWEST_OUTCOMES: usize = 10;
/// The part of the doubt that days after the planned end share.
const LATER: f64 = 0.1;

/// Customers of a plan with what came of them, a number each.
#[derive(Debug, Clone, Copy)]
pub struct Sides<'a> {
    /// Whether the customer was to be contacted; the others were held out.
    pub treated: &'a [bool],
    /// How likely the customer was to be on its side, above 0 and at most 1.
    pub propensity: &'a [f64],
    /// What was known of the outcome before the campaign, as a score; NaN where nothing was.
    pub before: &'a [f64],
    /// The outcome: 0 or 1, or an amount.
    pub outcome: &'a [f64],
}

/// The difference between both sides.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Effect {
    /// Customers who were to be contacted.
    pub treated: usize,
    /// Customers who were held out.
    pub control: usize,
    /// Mean outcome of the held out.
    pub control_mean: f64,
    /// Mean outcome of the treated, less what they were more likely to do anyway: `control_mean` plus the effect.
    pub treated_mean: f64,
    /// The effect a customer.
    pub absolute: Interval,
    /// The effect over the held out's mean; NaN where that is not above 0.
    pub relative: Interval,
    /// The share of the outcome's variance that was known before, 0 to 1: by so much fewer customers it takes.
    pub known_before: f64,
}

/// The quantile to multiply standard errors by, so that the intervals of all days hold together: whoever looks every
/// day, until any day, is misled with a probability of `1 - confidence` at most, as far as each day's interval holds.
///
/// `day` counts from 1, the first of the campaign; `planned_days` is how long it was to be watched, fixed before it
/// began. Each planned day gets an equal part of 90 % of the doubt; later ones share the rest, the n-th of them
/// `1 / (n (n + 1))` of it (a union bound; how the days' outcomes depend on each other does not matter).
pub fn daily_quantile(confidence: f64, day: u32, planned_days: u32) -> f64 {
    let (day, planned) = (f64::from(day.max(1)), f64::from(planned_days.max(1)));
    let doubt = 1.0 - confidence;
    let part = match day <= planned {
        true => (1.0 - LATER) / planned,
        false => LATER / ((day - planned) * (day - planned + 1.0)),
    };
    normal_quantile(1.0 - doubt * part / 2.0)
}

/// The smallest difference of two shares that sides of so many customers show with probability `power`, when an interval
/// `quantile` standard errors wide on each side has to leave 0 out; infinite where a side has nobody.
///
/// `base_rate`, 0 to 1, is the share with the outcome without a contact: both sides are taken to vary as much as that one
/// does. The usual formula for two samples: `(quantile + z(power)) * sqrt(p (1 - p) (1 / treated + 1 / control))`. With
/// [`daily_quantile`] of the last planned day it holds for who looks every day.
pub fn detectable(treated: f64, control: f64, base_rate: f64, quantile: f64, power: f64) -> f64 {
    let each = 1.0 / treated + 1.0 / control;
    (quantile + normal_quantile(power)) * (base_rate * (1.0 - base_rate) * each).sqrt()
}

/// The smallest share of so many planned customers, at most a half, which has to be held out so that a difference
/// `effect` of shares is [`detectable`]; `None` where no share is enough.
pub fn enough_control(
    planned: f64,
    effect: f64,
    base_rate: f64,
    quantile: f64,
    power: f64,
) -> Option<f64> {
    // share (1 - share) has to be this much.
    let width = (quantile + normal_quantile(power)) / effect;
    let needed = width * width * base_rate * (1.0 - base_rate) / planned;
    let some = effect > 0.0 && planned > 0.0 && needed <= 0.25;
    some.then(|| (1.0 - (1.0 - 4.0 * needed).sqrt()) / 2.0)
}

impl Sides<'_> {
    /// The difference, with intervals `quantile` standard errors wide on each side. `None` where it is too early
    /// to say: a side has fewer than 20 customers, or fewer than 10 with an outcome, or all outcomes of a side are the same.
    ///
    /// What was known before is taken out: `outcome - slope (before - mean)`, with the slope of both sides together
    /// (CUPED, Deng et al. 2013). Rows count by one over their propensity.
    pub fn effect(&self, quantile: f64) -> Option<Effect> {
        let treated = self.treated.iter().filter(|t| **t).count();
        let control = self.treated.len() - treated;
        if treated < FEWEST || control < FEWEST {
            return None;
        }
        let some = |side: bool| {
            let of =
                self.outcome.iter().zip(self.treated).filter(|(y, t)| **t == side && **y != 0.0);
            of.count() >= FEWEST_OUTCOMES
        };
        if !some(true) || !some(false) {
            return None;
        }
        let weight: Vec<f64> = self.propensity.iter().map(|p| 1.0 / p).collect();
        let (adjusted, known_before) = self.adjusted(&weight);
        let (held, reached) = (
            side(&adjusted, &weight, self.treated, false),
            side(&adjusted, &weight, self.treated, true),
        );
        if held.variance == 0.0 || reached.variance == 0.0 {
            return None;
        }
        let value = reached.mean - held.mean;
        let far = quantile * (reached.variance + held.variance).sqrt();
        let absolute = Interval { value, low: value - far, high: value + far };
        Some(Effect {
            treated,
            control,
            control_mean: held.mean,
            treated_mean: reached.mean,
            absolute,
            relative: relative(&held, &reached, quantile),
            known_before,
        })
    }

    /// Outcomes less what was known before, and the share of their variance that this takes away.
    fn adjusted(&self, weight: &[f64]) -> (Vec<f64>, f64) {
        let known = |row: &usize| !self.before[*row].is_nan();
        let rows: Vec<usize> = (0..self.outcome.len()).filter(known).collect();
        let total: f64 = rows.iter().map(|row| weight[*row]).sum();
        let mean = rows.iter().map(|row| weight[*row] * self.before[*row]).sum::<f64>() / total;
        let sides = [false, true].map(|s| side(self.outcome, weight, self.treated, s).mean);
        let (mut with, mut within, mut all) = (0.0, 0.0, 0.0);
        for &row in &rows {
            let (x, y) = (
                self.before[row] - mean,
                self.outcome[row] - sides[usize::from(self.treated[row])],
            );
            with += weight[row] * x * y;
            within += weight[row] * x * x;
            all += weight[row] * y * y;
        }
        let spread = within > 0.0 && all > 0.0;
        if !spread {
            return (self.outcome.to_vec(), 0.0);
        }
        let slope = with / within;
        let less = |row: usize| match self.before[row].is_nan() {
            true => 0.0,
            false => slope * (self.before[row] - mean),
        };
        let adjusted = self.outcome.iter().enumerate().map(|(row, y)| y - less(row));
        (adjusted.collect(), (with * with / (within * all)).min(1.0))
    }
}

struct Side {
    mean: f64,
    /// Of the mean.
    variance: f64,
}

/// The weighted mean of one side.
fn side(numbers: &[f64], weight: &[f64], treated: &[bool], side: bool) -> Side {
    let rows = || {
        let all = numbers.iter().zip(weight).zip(treated);
        all.filter(|(_, treated)| **treated == side).map(|((y, w), _)| (*y, *w))
    };
    let total: f64 = rows().map(|(_, w)| w).sum();
    let mean = rows().map(|(y, w)| w * y).sum::<f64>() / total;
    let squares: f64 = rows().map(|(y, w)| (w * (y - mean)).powi(2)).sum();
    let count = rows().count() as f64;
    Side { mean, variance: squares / (total * total) * count / (count - 1.0) }
}

/// The ratio of both means less 1, between the bounds that Fieller's theorem gives; NaN where the held out's mean is not
/// above 0, and an open end (infinite) where it is not surely above 0.
fn relative(held: &Side, reached: &Side, quantile: f64) -> Interval {
    let none = Interval { value: f64::NAN, low: f64::NAN, high: f64::NAN };
    if held.mean <= 0.0 || held.mean.is_nan() {
        return none;
    }
    let ratio = reached.mean / held.mean;
    let square = quantile * quantile;
    let g = square * held.variance / (held.mean * held.mean);
    if g >= 1.0 {
        return Interval { value: ratio - 1.0, low: f64::NEG_INFINITY, high: f64::INFINITY };
    }
    let spread = reached.variance + ratio * ratio * held.variance - g * reached.variance;
    let far = quantile / held.mean * spread.max(0.0).sqrt();
    let ends = [(ratio - far) / (1.0 - g), (ratio + far) / (1.0 - g)];
    Interval { value: ratio - 1.0, low: ends[0] - 1.0, high: ends[1] - 1.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::{mix2, unit};

    /// A campaign of customers, each with a rate of buying, who is contacted and buys more often for it; day by day.
    struct World {
        treated: Vec<bool>,
        before: Vec<f64>,
        rate: Vec<f64>,
        seed: u64,
    }

    const SHARE: f64 = 0.2;
    /// How much likelier a contacted customer buys on a day.
    const MORE: f64 = 1.25;

    impl World {
        fn new(customers: usize, seed: u64) -> World {
            World::of(customers, SHARE, seed)
        }

        fn of(customers: usize, share: f64, seed: u64) -> World {
            let draw = |row: usize, what: u64| unit(mix2(mix2(seed, what), row as u64));
            let rate: Vec<f64> = (0..customers).map(|row| 0.04 * draw(row, 1).powi(2)).collect();
            World {
                treated: (0..customers).map(|row| draw(row, 2) >= share).collect(),
                before: rate.iter().enumerate().map(|(r, x)| x + 0.005 * draw(r, 3)).collect(),
                rate,
                seed,
            }
        }

        fn chance(&self, row: usize, treated: bool) -> f64 {
            self.rate[row] * if treated { MORE } else { 1.0 }
        }

        /// Purchases on a day.
        fn day(&self, day: u64, outcome: &mut [f64]) {
            for (row, outcome) in outcome.iter_mut().enumerate() {
                let draw = unit(mix2(mix2(self.seed, 100 + day), row as u64));
                *outcome += f64::from(u8::from(draw < self.chance(row, self.treated[row])));
            }
        }

        /// The true effect on purchases within so many days.
        fn truth(&self, days: u64) -> f64 {
            let rows = 0..self.rate.len();
            let more = rows.map(|row| self.chance(row, true) - self.chance(row, false));
            days as f64 * more.sum::<f64>() / self.rate.len() as f64
        }
    }

    #[test]
    fn intervals_cover_the_truth_of_300_campaigns_also_when_looked_at_every_day() {
        // The last: 40 held out, of whom a third buys within the month.
        for (customers, share) in [(2_000, 0.2), (1_000, 0.1), (400, 0.1)] {
            cover(customers, share);
        }
    }

    fn cover(customers: usize, share: f64) {
        let days = 30;
        let (mut always, mut at_last, mut said) = (0, 0, false);
        for campaign in 0..300 {
            let world = World::of(customers, share, campaign);
            let propensity: Vec<f64> =
                world.treated.iter().map(|t| if *t { 1.0 - share } else { share }).collect();
            let mut outcome = vec![0.0; customers];
            let mut held = true;
            for day in 1..=days {
                world.day(day, &mut outcome);
                let sides = Sides {
                    treated: &world.treated,
                    propensity: &propensity,
                    before: &world.before,
                    outcome: &outcome,
                };
                let effect = sides.effect(daily_quantile(0.95, day as u32, days as u32));
                let truth = world.truth(day);
                // Nothing is said before there is enough to say it from.
                let covered = effect.is_none_or(|effect| {
                    effect.absolute.low <= truth && truth <= effect.absolute.high
                });
                said |= effect.is_some();
                held &= covered;
                if day == days {
                    at_last += usize::from(covered);
                }
            }
            always += usize::from(held);
        }
        let of = "of 300 campaigns cover the truth on every day";
        assert!(said && always >= 279, "{customers}, {share}: {always} {of}");
        assert!(at_last >= always, "{at_last}");
    }

    #[test]
    fn what_was_known_before_makes_intervals_narrower_and_moves_nothing() {
        let world = World::new(20_000, 7);
        let propensity: Vec<f64> =
            world.treated.iter().map(|t| if *t { 1.0 - SHARE } else { SHARE }).collect();
        let mut outcome = vec![0.0; 20_000];
        (1..=60).for_each(|day| world.day(day, &mut outcome));
        let nothing = vec![f64::NAN; 20_000];
        let sides = |before| Sides {
            treated: &world.treated,
            propensity: &propensity,
            before,
            outcome: &outcome,
        };
        let (plain, cuped) =
            (sides(&nothing).effect(1.96).unwrap(), sides(&world.before).effect(1.96).unwrap());
        let width = |effect: &Effect| effect.absolute.high - effect.absolute.low;
        assert!(width(&cuped) < 0.9 * width(&plain), "{cuped:?} {plain:?}");
        assert!(cuped.known_before > 0.2 && plain.known_before == 0.0);
        let truth = world.truth(60);
        assert!((cuped.absolute.value - truth).abs() < width(&cuped), "{cuped:?} {truth}");
        let ratio = cuped.absolute.value / cuped.control_mean;
        assert!((cuped.relative.value - ratio).abs() < 1e-12);
        assert!(cuped.relative.low < MORE - 1.0 && MORE - 1.0 < cuped.relative.high, "{cuped:?}");
        // A constant says nothing.
        let same = sides(&vec![3.0; 20_000]).effect(1.96).unwrap();
        assert_eq!(same.absolute, plain.absolute);
    }

    #[test]
    fn shares_that_differ_between_groups_are_weighed() {
        // Group 1 buys more and is contacted more often; nobody buys for being contacted.
        let rows = 40_000;
        let draw = |row: usize, what: u64| unit(mix2(what, row as u64));
        let group: Vec<bool> = (0..rows).map(|row| row % 2 == 0).collect();
        let share = |row: usize| if group[row] { 0.9 } else { 0.5 };
        let treated: Vec<bool> = (0..rows).map(|row| draw(row, 1) < share(row)).collect();
        let chance = |row: usize| if group[row] { 0.4 } else { 0.1 };
        let outcome: Vec<f64> =
            (0..rows).map(|row| f64::from(u8::from(draw(row, 2) < chance(row)))).collect();
        let propensity: Vec<f64> =
            (0..rows).map(|row| if treated[row] { share(row) } else { 1.0 - share(row) }).collect();
        let nothing = vec![f64::NAN; rows];
        let sides = Sides {
            treated: &treated,
            propensity: &propensity,
            before: &nothing,
            outcome: &outcome,
        };
        let effect = sides.effect(1.96).unwrap();
        assert!(effect.absolute.low < 0.0 && effect.absolute.high > 0.0, "{effect:?}");
        let ones = vec![1.0; rows];
        let naive = Sides { propensity: &ones, ..sides }.effect(1.96).unwrap();
        assert!(naive.absolute.low > 0.05, "{naive:?}");
    }

    #[test]
    fn later_days_are_less_sure_and_all_days_share_the_doubt() {
        let doubt = |day| 2.0 * (1.0 - statrs_normal(daily_quantile(0.95, day, 30)));
        let all: f64 = (1..=20_000).map(doubt).sum();
        assert!(all < 0.05 + 1e-6 && all > 0.0499, "{all}");
        assert!(daily_quantile(0.95, 1, 30) == daily_quantile(0.95, 30, 30));
        assert!(daily_quantile(0.95, 31, 30) < daily_quantile(0.95, 60, 30));
        assert!((daily_quantile(0.95, 30, 30) - 3.1733).abs() < 0.01);
    }

    fn statrs_normal(x: f64) -> f64 {
        use statrs::distribution::{ContinuousCDF, Normal};
        Normal::new(0.0, 1.0).unwrap().cdf(x)
    }

    #[test]
    fn what_can_be_detected_is_the_textbook_figure_and_is_seen_so_often() {
        // 1,000 a side at 10 %: (1.96 + 0.8416) sqrt(0.09 / 500).
        let found = detectable(1_000.0, 1_000.0, 0.1, 1.959_964, 0.8);
        assert!((found - 0.037_588).abs() < 1e-5, "{found}");
        assert!(detectable(1_000.0, 0.0, 0.1, 1.96, 0.8).is_infinite());
        // As often as promised, where that difference is the true one.
        let (treated, control, base) = (4_000, 1_000, 0.2);
        let effect = detectable(4_000.0, 1_000.0, base, 1.96, 0.8);
        let worlds = 400;
        let seen = (0..worlds).filter(|world| {
            let share = |of: u64, side: u64, rate: f64| {
                let buys = (0..of).filter(|c| unit(mix2(mix2(*world, side), *c)) < rate);
                buys.count() as f64 / of as f64
            };
            let (with, without) = (share(treated, 1, base + effect), share(control, 2, base));
            let variance =
                with * (1.0 - with) / treated as f64 + without * (1.0 - without) / control as f64;
            with - without > 1.96 * variance.sqrt()
        });
        let share = seen.count() as f64 / worlds as f64;
        assert!((share - 0.8).abs() < 0.06, "{share}");
    }

    #[test]
    fn a_share_that_is_enough_just_shows_the_effect() {
        for (planned, effect) in [(10_000.0, 0.03), (3_000.0, 0.05), (100_000.0, 0.01)] {
            let share = enough_control(planned, effect, 0.05, 3.17, 0.8).unwrap();
            let (control, treated) = (share * planned, (1.0 - share) * planned);
            let found = detectable(treated, control, 0.05, 3.17, 0.8);
            assert!(share <= 0.5 && (found - effect).abs() < 1e-9, "{share} {found} {effect}");
        }
        assert_eq!(enough_control(500.0, 0.01, 0.05, 3.17, 0.8), None);
        assert_eq!(enough_control(500.0, 0.0, 0.05, 3.17, 0.8), None);
        assert_eq!(enough_control(0.0, 0.1, 0.05, 3.17, 0.8), None);
    }

    #[test]
    fn few_customers_say_nothing() {
        let treated: Vec<bool> = (0..60).map(|row| row >= 19).collect();
        let ones = vec![1.0; 60];
        let mixed: Vec<f64> = (0..60).map(|row| f64::from(row % 2)).collect();
        let sides = Sides { treated: &treated, propensity: &ones, before: &ones, outcome: &mixed };
        assert_eq!(sides.effect(1.96), None);
        let treated: Vec<bool> = (0..60).map(|row| row >= 20).collect();
        let sides = Sides { treated: &treated, ..sides };
        assert!(sides.effect(1.96).is_some());
        // Before anybody bought, or where all did, nothing is said, not that the effect is surely 0.
        assert_eq!(Sides { outcome: &vec![0.0; 60], ..sides }.effect(1.96), None);
        assert_eq!(Sides { outcome: &ones, ..sides }.effect(1.96), None);
        let nine: Vec<f64> = (0..60)
            .map(|row| f64::from(row % 2 * i32::from(row > 19) + i32::from(row < 9)))
            .collect();
        assert_eq!(Sides { outcome: &nine, ..sides }.effect(1.96), None);
        let losses: Vec<f64> = mixed.iter().map(|y| -y).collect();
        let effect = Sides { outcome: &losses, ..sides }.effect(1.96).unwrap();
        assert!(effect.relative.value.is_nan());
    }
}
