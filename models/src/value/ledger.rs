//! What a customer brought and cost until a cutoff, day by day, read off a history in one pass. Predicts
//! nothing.

use std::collections::BTreeMap;

use crate::behaviour::{History, Zone, product_key};
use crate::customer::BoundRules;
use crate::error::{Error, Result};
use crate::value::repeats::Repeats;

/// What purchases bring and what things cost, with the codes of a log.
#[derive(Debug, Clone, PartialEq)]
pub struct Terms {
    /// Share of an amount that is left after what was sold is paid for: at most 1, below 0 at a loss.
    pub margin: f64,
    /// The same of single products, by [`product_key`].
    pub margins: BTreeMap<u64, f64>,
    /// Of one day with a purchase, in money.
    pub cost_to_serve: f64,
    /// Of one contact.
    pub cost_to_contact: f64,
    /// Of one return, besides the margin that it takes back.
    pub cost_of_return: f64,
    /// Codes of kinds that are contacts.
    pub contacts: Vec<u16>,
}

/// A day with a purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PurchaseDay {
    /// The local day since 1970-01-01.
    pub day: i64,
    /// Sum of the amounts; NaN where none is known.
    pub amount: f64,
    /// What is left of it after what was sold is paid for; NaN where no amount is known.
    pub margin: f64,
}

/// A customer's book at a cutoff.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Ledger<'a> {
    /// Days with a purchase, rising, each once.
    pub days: &'a [PurchaseDay],
    /// The day that the last instant before the cutoff lies in.
    pub last_known_day: i64,
    /// Returns.
    pub returns: u32,
    /// The margin they took back.
    pub returned: f64,
    /// Contacts.
    pub contacts: u32,
}

/// The mean margin of a customer's repeat days, of those above 0: what Gamma-Gamma learns from.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Spend {
    /// Repeat days with a margin above 0.
    pub days: u32,
    /// Their mean margin; 0 without one.
    pub mean: f64,
}

impl Terms {
    /// # Errors
    /// When a margin is above 1 or no number, or a cost below 0.
    pub fn validate(&self) -> Result<()> {
        let bad = |parameter, found: f64, expected| {
            Err(Error::BadParameter { parameter, found: found.to_string(), expected })
        };
        let margins = std::iter::once(&self.margin).chain(self.margins.values());
        if let Some(wrong) = margins.into_iter().find(|m| !(m.is_finite() && **m <= 1.0)) {
            return bad("value: a margin", *wrong, "a share of the amount, at most 1");
        }
        for (parameter, cost) in [
            ("value.cost_to_serve", self.cost_to_serve),
            ("value.cost_to_contact", self.cost_to_contact),
            ("value.cost_of_return", self.cost_of_return),
        ] {
            if !(cost.is_finite() && cost >= 0.0) {
                return bad(parameter, cost, "a number of at least 0");
            }
        }
        Ok(())
    }

    /// The key that a product's margin stands under.
    pub fn key(product: &str) -> u64 {
        product_key(product)
    }

    fn rate(&self, product: Option<&u64>) -> f64 {
        product.and_then(|key| self.margins.get(key)).copied().unwrap_or(self.margin)
    }
}

impl<'a> Ledger<'a> {
    /// Reads a history into `days`. Returns and contacts without a purchase count too.
    pub fn read(
        history: &History<'_>,
        rules: &BoundRules,
        terms: &Terms,
        zone: &Zone,
        days: &'a mut Vec<PurchaseDay>,
    ) -> Ledger<'a> {
        let events = history.events();
        let (amounts, products) = (events.measure(0), events.products());
        let (mut returns, mut returned, mut contacts) = (0, 0.0, 0);
        days.clear();
        for (place, (&time, &kind)) in events.times().iter().zip(events.kinds()).enumerate() {
            let amount = amounts.get(place).copied().unwrap_or(f64::NAN);
            let margin = amount * terms.rate(products.get(place));
            if rules.is_purchase(kind) {
                let day = zone.day(time);
                if days.last().is_none_or(|last| last.day != day) {
                    days.push(PurchaseDay { day, amount: f64::NAN, margin: f64::NAN });
                }
                if let Some(last) = days.last_mut().filter(|_| !amount.is_nan()) {
                    last.amount = known(last.amount) + amount;
                    last.margin = known(last.margin) + margin;
                }
            } else if rules.is_return(kind) {
                returns += 1;
                // Logs write what a return is worth with either sign.
                returned += known(margin).abs();
            }
            if terms.contacts.contains(&kind) {
                contacts += 1;
            }
        }
        let last_known_day = zone.day(history.cutoff().saturating_sub(1));
        Ledger { days, last_known_day, returns, returned, contacts }
    }

    /// Repeat purchases in days, counted from the first purchase day to the last known day; `None`
    /// without a purchase.
    pub fn repeats(&self) -> Option<Repeats> {
        let (first, last) = (self.days.first()?, self.days.last()?);
        let age = (self.last_known_day - first.day).max(last.day - first.day);
        let count = u32::try_from(self.days.len() - 1).unwrap_or(u32::MAX);
        Repeats::new(count, (last.day - first.day) as f64, age as f64).ok()
    }

    /// Of the repeat days.
    pub fn spend(&self) -> Spend {
        let repeats = self.days.iter().skip(1).map(|day| day.margin).filter(|m| *m > 0.0);
        let (days, sum) = repeats.fold((0, 0.0), |(n, sum), margin| (n + 1, sum + margin));
        Spend { days, mean: if days == 0 { 0.0 } else { sum / f64::from(days) } }
    }

    /// Profit minus cost so far; NaN where there are purchases and no amount is known.
    pub fn profit(&self, terms: &Terms) -> f64 {
        let margins = self.days.iter().map(|day| day.margin);
        if !self.days.is_empty() && margins.clone().all(f64::is_nan) {
            return f64::NAN;
        }
        let brought: f64 = margins.map(known).sum();
        brought
            - self.returned
            - terms.cost_to_serve * self.days.len() as f64
            - terms.cost_of_return * f64::from(self.returns)
            - terms.cost_to_contact * f64::from(self.contacts)
    }

    /// The days with a purchase within the `window_days` that end `before_days` before the end of the
    /// last known day.
    pub fn within(&self, window_days: i64, before_days: i64) -> &'a [PurchaseDay] {
        let end = self.last_known_day - before_days;
        let to = self.days.partition_point(|day| day.day <= end);
        let from = self.days.partition_point(|day| day.day <= end - window_days);
        &self.days[from.min(to)..to]
    }
}

fn known(number: f64) -> f64 {
    if number.is_nan() { 0.0 } else { number }
}
