//! What customers are expected to buy and to bring: a fitted model of purchases with one of what a
//! purchase brings, and what it costs.

use rekindle_models::value::{PurchaseFamily, Repeats, Spend, Terms};

use crate::error::Result;
use crate::value::accounts::{Snapshot, Totals};
use crate::value::fit::{PurchaseFit, SpendFit, fit_purchases, fit_spend};
use crate::value::sample::{Sample, SpendSample};

/// What a day with a purchase brings before costs.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Bringing {
    /// Between the customer's own mean and the population's.
    GammaGamma(SpendFit),
    /// The population's mean: too few customers tell more.
    Mean(f64),
    /// No amount above 0 is known.
    Unknown,
}

/// What is left of a margin, and what comes off it, by day with a purchase.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PerOrder {
    /// Share of days whose margin is above 0, times the share of margins that returns do not take back.
    pub kept: f64,
    /// Cost to serve and of the returns that come with a day.
    pub cost: f64,
    /// Of one contact.
    pub cost_to_contact: f64,
}

/// A fitted forecast.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Forecast {
    /// Of purchases.
    pub purchases: PurchaseFit,
    /// Of what they bring.
    pub bringing: Bringing,
    /// What is left of it.
    pub per_order: PerOrder,
}

/// Days that money is discounted by at once.
const STEP_DAYS: f64 = 30.0;
const YEAR_DAYS: f64 = 365.0;

impl Bringing {
    /// Learns from what repeats brought. With too few customers, or where the likelihood has no end, it is
    /// the mean.
    pub fn learn(spends: impl IntoIterator<Item = Spend>, totals: &Totals) -> Bringing {
        match fit_spend(&SpendSample::new(spends)) {
            Ok(fit) => Bringing::GammaGamma(fit),
            Err(_) if totals.paying > 0.0 => Bringing::Mean(totals.margin / totals.paying),
            Err(_) => Bringing::Unknown,
        }
    }

    /// The margin expected of a day; NaN where it is not known.
    pub fn expected(&self, spend: &Spend) -> f64 {
        match self {
            Bringing::GammaGamma(fit) => {
                fit.model.expected_mean(spend.days, spend.mean).unwrap_or(f64::NAN)
            }
            Bringing::Mean(mean) => *mean,
            Bringing::Unknown => f64::NAN,
        }
    }
}

impl PerOrder {
    /// As it was so far.
    pub fn of(totals: &Totals, terms: &Terms) -> PerOrder {
        let share = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let paying = share(totals.paying, totals.known);
        PerOrder {
            kept: paying * (1.0 - share(totals.returned, totals.margin)).max(0.0),
            cost: terms.cost_to_serve + terms.cost_of_return * share(totals.returns, totals.orders),
            cost_to_contact: terms.cost_to_contact,
        }
    }
}

impl Forecast {
    /// Fits a family of models to customers at a date.
    ///
    /// # Errors
    /// When a model of purchases cannot be fitted.
    pub fn fit(
        family: PurchaseFamily,
        customers: &[Snapshot],
        totals: &Totals,
        terms: &Terms,
    ) -> Result<Forecast> {
        let sample = Sample::new(customers.iter().filter_map(|at| at.repeats));
        Ok(Forecast {
            purchases: fit_purchases(family, &sample)?,
            bringing: Bringing::learn(customers.iter().map(|at| at.spend), totals),
            per_order: PerOrder::of(totals, terms),
        })
    }

    /// Days with a purchase within `days` from the snapshot on; NaN without a purchase before.
    pub fn orders(&self, at: &Snapshot, days: f64) -> f64 {
        at.repeats.map_or(f64::NAN, |of| self.purchases.model.expected_purchases(&of, days))
    }

    /// Profit of one day with a purchase; NaN where it is not known.
    pub fn profit_per_order(&self, at: &Snapshot) -> f64 {
        self.bringing.expected(&at.spend) * self.per_order.kept - self.per_order.cost
    }

    /// Profit minus cost within `days`, money of a year later worth so much less; NaN where not known.
    pub fn profit(&self, at: &Snapshot, days: f64, yearly_discount: f64) -> f64 {
        let Some(of) = at.repeats else { return f64::NAN };
        let per_order = self.profit_per_order(at);
        let contacts_a_day = f64::from(at.contacts) / (of.age() + 1.0);
        let contacting = contacts_a_day * self.per_order.cost_to_contact;
        let (orders, discounted_days) = self.discounted(&of, days, yearly_discount);
        per_order * orders - contacting * discounted_days
    }

    /// Expected orders, and days, each discounted to the beginning.
    fn discounted(&self, of: &Repeats, days: f64, rate: f64) -> (f64, f64) {
        let model = &self.purchases.model;
        let alive = model.probability_alive(of);
        let steps = if rate == 0.0 { 1.0 } else { (days / STEP_DAYS).ceil().max(1.0) };
        let (mut orders, mut discounted, mut before) = (0.0, 0.0, 0.0);
        for step in 1..=steps as u32 {
            let (from, to) =
                ((f64::from(step) - 1.0) * days / steps, f64::from(step) * days / steps);
            let until = alive * model.expected_if_alive(of, to);
            let worth = discount(rate, (from + to) / 2.0);
            orders += worth * (until - before);
            discounted += worth * (to - from);
            before = until;
        }
        (orders, discounted)
    }
}

/// What money is worth that comes after so many days.
pub fn discount(yearly: f64, days: f64) -> f64 {
    (-yearly.ln_1p() * days / YEAR_DAYS).exp()
}
