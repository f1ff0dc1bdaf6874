//! When a customer bought and for how much, read off a history in one pass. Holds no rule of what
//! follows from it.

use crate::behaviour::{History, Zone};
use crate::customer::rules::BoundRules;

/// Room for one customer's days, kept from customer to customer.
#[derive(Debug, Clone, Default)]
pub struct Scratch {
    days: Vec<i64>,
    gaps: Vec<i64>,
}

/// A customer's purchases at a cutoff. Days are local ones since 1970-01-01.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Purchases<'a> {
    /// Days with a purchase, rising, each once.
    pub days: &'a [i64],
    /// The day the cutoff lies in.
    pub cutoff_day: i64,
    /// The day that the last instant before the cutoff lies in, with which windows end.
    pub last_known_day: i64,
    /// Median of the days from one purchase day to the next, the mean of the middle two where they are
    /// even in number; `None` with fewer than two purchase days.
    pub median_gap_days: Option<f64>,
    /// Number of purchases.
    pub count: u64,
    /// Sum of the amounts of purchases, less those of returns; 0 without a purchase, NaN where there
    /// are purchases and none has an amount.
    pub amount_sum: f64,
    /// The same of the span that grades look at.
    pub graded_amount: f64,
    /// Days of that span with a visit.
    pub graded_visit_days: u64,
}

/// Amounts summed in the order of events.
#[derive(Default)]
struct Sum {
    purchases: u64,
    with_amount: u64,
    sum: f64,
}

impl<'a> Purchases<'a> {
    /// Reads the purchases off a history. Allocates nothing once `scratch` has room for the customer
    /// with the most purchase days.
    pub fn read(
        history: &History<'_>,
        rules: &BoundRules,
        zone: &Zone,
        scratch: &'a mut Scratch,
    ) -> Purchases<'a> {
        let events = history.events();
        let cutoff_day = zone.day(history.cutoff());
        let last_known_day = zone.day(history.cutoff().saturating_sub(1));
        // Windows are counted from their end, so that this cannot overflow where there is no span.
        let graded = |day: i64| rules.graded_span_days().is_none_or(|n| last_known_day - day < n);
        let amounts = events.measure(0);
        let (mut all, mut in_span) = (Sum::default(), Sum::default());
        let (mut visit_days, mut last_visit) = (0, None);
        scratch.days.clear();
        for (place, (&time, &kind)) in events.times().iter().zip(events.kinds()).enumerate() {
            let (purchase, returned) = (rules.is_purchase(kind), rules.is_return(kind));
            let visit = rules.is_visit(kind);
            if !(purchase || returned || visit) {
                continue;
            }
            let day = zone.day(time);
            if visit && graded(day) && last_visit != Some(day) {
                visit_days += 1;
                last_visit = Some(day);
            }
            let amount = amounts.get(place).copied().unwrap_or(f64::NAN);
            if purchase {
                if scratch.days.last() != Some(&day) {
                    scratch.days.push(day);
                }
                all.purchase(amount);
                if graded(day) {
                    in_span.purchase(amount);
                }
            } else if returned {
                all.take_back(amount);
                if graded(day) {
                    in_span.take_back(amount);
                }
            }
        }
        Purchases {
            days: &scratch.days,
            cutoff_day,
            last_known_day,
            median_gap_days: median_gap(&scratch.days, &mut scratch.gaps),
            count: all.purchases,
            amount_sum: all.known(),
            graded_amount: in_span.known(),
            graded_visit_days: visit_days,
        }
    }

    /// Days from the last purchase day to the cutoff's day, at least 0; `None` without a purchase.
    pub fn recency_days(&self) -> Option<i64> {
        self.days.last().map(|last| self.cutoff_day - last)
    }

    /// Days from the first purchase day to the last known day, both counted: at least 1; `None`
    /// without a purchase.
    pub fn tenure_days(&self) -> Option<i64> {
        self.days.first().map(|first| self.last_known_day - first + 1)
    }

    /// Purchase days within the last `window_days` days.
    pub fn days_within(&self, window_days: i64) -> usize {
        self.days.len() - self.days.partition_point(|day| self.last_known_day - day >= window_days)
    }
}

impl Sum {
    fn purchase(&mut self, amount: f64) {
        self.purchases += 1;
        if !amount.is_nan() {
            self.with_amount += 1;
            self.sum += amount;
        }
    }

    /// Logs write what a return is worth with either sign.
    fn take_back(&mut self, amount: f64) {
        if !amount.is_nan() {
            self.sum -= amount.abs();
        }
    }

    fn known(&self) -> f64 {
        if self.purchases > 0 && self.with_amount == 0 { f64::NAN } else { self.sum }
    }
}

fn median_gap(days: &[i64], gaps: &mut Vec<i64>) -> Option<f64> {
    gaps.clear();
    gaps.extend(days.windows(2).map(|pair| pair[1] - pair[0]));
    if gaps.is_empty() {
        return None;
    }
    let middle = gaps.len() / 2;
    let even = gaps.len().is_multiple_of(2);
    let (below, &mut upper, _) = gaps.select_nth_unstable(middle);
    match below.iter().max() {
        Some(&lower) if even => Some((lower + upper) as f64 / 2.0),
        _ => Some(upper as f64),
    }
}

#[cfg(test)]
impl<'a> Purchases<'a> {
    /// Purchases on these days, seen at the midnight with which `cutoff_day` begins.
    pub(crate) fn on(days: &'a [i64], cutoff_day: i64) -> Purchases<'a> {
        Purchases {
            days,
            cutoff_day,
            last_known_day: cutoff_day - 1,
            median_gap_days: median_gap(days, &mut Vec::new()),
            count: days.len() as u64,
            amount_sum: 0.0,
            graded_amount: 0.0,
            graded_visit_days: days.len() as u64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_gap_is_the_middle_one_or_the_mean_of_two() {
        let check = |days: &[i64], expected| {
            assert_eq!(median_gap(days, &mut Vec::new()), expected, "{days:?}");
        };
        check(&[], None);
        check(&[5], None);
        check(&[5, 12], Some(7.0));
        check(&[0, 1, 11], Some(5.5));
        check(&[0, 10, 11, 14], Some(3.0));
        check(&[0, 100, 101, 103, 110], Some(4.5));
    }

    #[test]
    fn windows_end_with_the_last_known_day() {
        let purchases = Purchases::on(&[0, 9, 10, 39], 40);
        assert_eq!(purchases.recency_days(), Some(1));
        assert_eq!(purchases.tenure_days(), Some(40));
        // The 30 days before midnight of day 40 are days 10 to 39.
        assert_eq!(purchases.days_within(30), 2);
        assert_eq!(purchases.days_within(31), 3);
        assert_eq!(purchases.days_within(40), 4);
    }
}
