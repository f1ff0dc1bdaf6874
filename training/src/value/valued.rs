//! Every customer's value at a cutoff: what they brought, what is expected of them, when they come next.

use rayon::prelude::*;
use rekindle_models::customer::{Grade, GradeCuts, Grades};
use rekindle_models::value::{PurchaseFamily, Terms};
use rekindle_store::{CustomerState, NextOrder};

use crate::error::{Error, Result};
use crate::sheet::{Cells, Sheet};
use crate::terms::ValueTable;
use crate::value::accounts::{Account, Accounts, Snapshot};
use crate::value::boosted::Boosted;
use crate::value::choice::{BOOSTING, Trial, followed};
use crate::value::forecast::{Forecast, discount};
use crate::value::key_customers::{KeyCustomer, key_customers};

/// What a customer is worth. NaN where it is not known.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Worth {
    /// Profit minus cost so far.
    pub historic: f64,
    /// Within the span from the cutoff on, discounted.
    pub predicted: f64,
    /// Days with a purchase within the span.
    pub orders: f64,
    /// Profit of one.
    pub profit_per_order: f64,
    /// That they have not left.
    pub alive: f64,
    /// Days from the last known day within which they buy again, if they have not left, with the probabilities of
    /// [`WAIT_SHARES`].
    pub wait_days: [f64; 3],
}

/// The ends of an 80 % interval for the wait for the next purchase, and its median between them.
const WAIT_SHARES: [f64; 3] = [0.1, 0.5, 0.9];

/// The customers of a log, valued.
#[derive(Debug, Clone)]
pub struct Valued {
    /// The accounts.
    pub accounts: Accounts,
    /// By account.
    pub worth: Vec<Worth>,
    /// Where grades begin; `None` where nobody has bought.
    pub cuts: Option<GradeCuts>,
    /// The models that could be fitted, the chosen one first.
    pub fits: Vec<Forecast>,
    /// Why the others could not.
    pub unfitted: Vec<(PurchaseFamily, String)>,
    /// How the models did on a period held out; `None` where the log is too short.
    pub trial: Option<Trial>,
    /// `bg_nbd`, `pareto_nbd` or `boosting`: what predicted values come from.
    pub chosen: &'static str,
    /// Key customers, the most valuable first.
    pub key: Vec<KeyCustomer>,
    /// The span in days.
    pub span_days: u32,
}

/// Waits longer than this are no date.
const LONGEST_WAIT_DAYS: f64 = 3_650.0;

impl Valued {
    /// Values all accounts.
    ///
    /// # Errors
    /// When no model of purchases can be fitted.
    pub fn new(
        accounts: Accounts,
        table: &ValueTable,
        terms: &Terms,
        grades: &Grades,
        span_days: u32,
    ) -> Result<Valued> {
        let trial = Trial::run(&accounts, terms);
        let now: Vec<Snapshot> = accounts.all.iter().map(|account| account.now).collect();
        let (mut fits, mut unfitted) = (Vec::new(), Vec::new());
        for family in PurchaseFamily::ALL {
            match Forecast::fit(family, &now, &accounts.totals, terms) {
                Ok(fit) => fits.push(fit),
                Err(error) => unfitted.push((family, error.to_string())),
            }
        }
        if fits.is_empty() {
            let why = unfitted.into_iter().map(|(_, why)| why).next().unwrap_or_default();
            return Err(Error::BadOptions(why));
        }
        order(&mut fits, trial.as_ref().and_then(Trial::nearest_family));
        let boosting = trial.as_ref().is_some_and(Trial::boosting_is_nearest)
            && accounts.dates.days == span_days;
        let boosted = boosting
            .then(|| {
                let learned = followed(&accounts, |account| Some((account.earlier?, account.now)));
                Boosted::fit(&learned)
            })
            .transpose()?;
        let best = fits[0];
        let chosen = match &boosted {
            Some(_) => BOOSTING,
            None => best.purchases.model.family().text(),
        };
        let span = f64::from(span_days);
        let mut worth: Vec<Worth> =
            now.par_iter().map(|at| Worth::of(at, &best, span, table.discount_rate)).collect();
        if let Some(boosted) = boosted {
            let factor = discount(table.discount_rate, span / 2.0);
            let predicted = boosted.predict(now.iter());
            for (worth, predicted) in worth.iter_mut().zip(predicted) {
                worth.predicted = if worth.orders.is_nan() { f64::NAN } else { predicted * factor };
            }
        }
        let cuts = cuts(&accounts.all, &worth, grades)?;
        let key = key_customers(&accounts, &best.purchases.model, table.key_customers);
        Ok(Valued { accounts, worth, cuts, fits, unfitted, trial, chosen, key, span_days })
    }

    /// The customers as a table, a row each.
    pub fn sheet(&self) -> Sheet {
        let mut sheet = Sheet::default();
        let all = &self.accounts.all;
        let pairs = || all.iter().zip(&self.worth);
        let text = |of: &dyn Fn(&Account, &Worth) -> Option<String>| {
            Cells::Text(pairs().map(|(a, w)| of(a, w).unwrap_or_default()).collect())
        };
        let number = |of: &dyn Fn(&Account, &Worth) -> f64| {
            Cells::Number(pairs().map(|(a, w)| of(a, w)).collect())
        };
        let word = |word: &str| Some(word.to_owned());
        sheet.add("customer_id", text(&|a, _| Some(a.id.clone())));
        sheet.add("cutoff", Cells::Time(vec![self.accounts.dates.now; all.len()]));
        sheet.add("lifecycle_stage", text(&|a, _| word(a.state.lifecycle_stage.text())));
        let tier = |a: &Account| a.state.lapse_tier.and_then(|tier| word(tier.text()));
        sheet.add("lapse_tier", text(&|a, _| tier(a)));
        sheet.add("grade", text(&|a, w| self.grade(a, w).and_then(|grade| word(grade.text()))));
        sheet.add("historic_value", number(&|_, w| w.historic));
        sheet.add("predicted_value", number(&|_, w| w.predicted));
        sheet.add("probability_alive", number(&|_, w| w.alive));
        sheet.add("expected_profit_per_order", number(&|_, w| w.profit_per_order));
        sheet.add("historic_clv", number(&|_, w| w.historic));
        sheet.add("predicted_clv", number(&|_, w| w.predicted));
        sheet.add("total_clv", number(&|_, w| w.total()));
        sheet.add("historic_number_of_orders", number(&|a, _| f64::from(a.now.orders)));
        sheet.add("predicted_number_of_orders", number(&|_, w| w.orders));
        sheet.add("average_days_between_orders", number(&|a, _| mean_gap(a)));
        sheet.add("average_order_value", number(&|a, _| a.mean_order));
        sheet.add("churn_probability", number(&|_, w| 1.0 - w.alive));
        sheet.add("expected_date_of_next_order", text(&|_, w| self.next_order(w).on));
        sheet.add("expected_date_of_next_order_from", text(&|_, w| self.next_order(w).from));
        sheet.add("expected_date_of_next_order_until", text(&|_, w| self.next_order(w).until));
        sheet
    }

    /// What each customer is, with its values, as a store keeps it.
    pub fn states(&self) -> Vec<CustomerState> {
        let known = |number: f64| Some(number).filter(|number| number.is_finite());
        let state = |(account, worth): (&Account, &Worth)| CustomerState {
            customer_id: account.id.clone(),
            lapse_tier: account.state.lapse_tier.map(|tier| tier.text().to_owned()),
            lifecycle_stage: Some(account.state.lifecycle_stage.text().to_owned()),
            grade: self.grade(account, worth).map(|grade| grade.text().to_owned()),
            historic_value: known(worth.historic),
            predicted_value: known(worth.predicted),
            probability_alive: known(worth.alive),
            predicted_orders: known(worth.orders),
            next_order: self.next_order(worth),
        };
        self.accounts.all.iter().zip(&self.worth).map(state).collect()
    }

    fn next_order(&self, worth: &Worth) -> NextOrder {
        let [from, on, until] = worth.wait_days.map(|days| next_date(self.accounts.last_day, days));
        NextOrder { on, from, until }
    }

    /// By total value and visits; `None` without a purchase.
    fn grade(&self, account: &Account, worth: &Worth) -> Option<Grade> {
        let visits = account.state.graded_visit_days as f64;
        let cuts = self.cuts.as_ref().filter(|_| account.now.orders > 0)?;
        Some(cuts.grade(worth.total(), visits))
    }
}

impl Worth {
    fn of(at: &Snapshot, forecast: &Forecast, span_days: f64, yearly_discount: f64) -> Worth {
        let model = &forecast.purchases.model;
        Worth {
            historic: at.profit,
            predicted: forecast.profit(at, span_days, yearly_discount),
            orders: forecast.orders(at, span_days),
            profit_per_order: match at.repeats {
                Some(_) => forecast.profit_per_order(at),
                None => f64::NAN,
            },
            alive: at.repeats.map_or(f64::NAN, |of| model.probability_alive(&of)),
            wait_days: WAIT_SHARES
                .map(|share| at.repeats.map_or(f64::NAN, |of| model.wait_quantile(&of, share))),
        }
    }

    /// What they brought and what is expected; NaN where either is not known.
    pub fn total(&self) -> f64 {
        self.historic + self.predicted
    }
}

/// The chosen family first: the nearest out of time, else the more likely.
fn order(fits: &mut [Forecast], nearest: Option<PurchaseFamily>) {
    fits.sort_by(|a, b| {
        let chosen = |f: &Forecast| Some(f.purchases.model.family()) == nearest;
        let likelihood = |f: &Forecast| f.purchases.log_likelihood;
        chosen(b).cmp(&chosen(a)).then_with(|| likelihood(b).total_cmp(&likelihood(a)))
    });
}

fn cuts(accounts: &[Account], worth: &[Worth], grades: &Grades) -> Result<Option<GradeCuts>> {
    let bought = || accounts.iter().zip(worth).filter(|(account, _)| account.now.orders > 0);
    let values: Vec<f64> = bought().map(|(_, worth)| worth.total()).collect();
    let visits: Vec<f64> = bought().map(|(a, _)| a.state.graded_visit_days as f64).collect();
    if values.is_empty() {
        return Ok(None);
    }
    Ok(Some(GradeCuts::learn(&values, &visits, grades)?))
}

fn mean_gap(account: &Account) -> f64 {
    let of = account.now.repeats.filter(|of| of.count() > 0);
    of.map_or(f64::NAN, |of| of.last_age() / f64::from(of.count()))
}

/// The date so many days after a day; `None` where that is too far.
fn next_date(day: i64, wait_days: f64) -> Option<String> {
    let wait = (wait_days <= LONGEST_WAIT_DAYS).then(|| wait_days.ceil().max(1.0) as i64)?;
    let days = chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?;
    let date = days.checked_add_signed(chrono::Duration::try_days(day + wait)?)?;
    Some(date.format("%Y-%m-%d").to_string())
}
