//! Which model to believe: each is fitted up to an earlier date, and what it says of the time since is
//! laid beside what came true, and beside two simple guesses.

use rekindle_models::value::{PurchaseFamily, Terms};
use serde::Serialize;

use crate::value::accounts::{Accounts, Snapshot};
use crate::value::boosted::{Boosted, FEWEST_CUSTOMERS};
use crate::value::forecast::Forecast;

/// How far predictions were off, by customer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Errors {
    /// Sum of the predictions.
    pub predicted: f64,
    /// Sum of what came true.
    pub actual: f64,
    /// Mean absolute error.
    pub mean_absolute_error: f64,
    /// Root of the mean squared error: what models are chosen by, as it is least at the mean.
    pub root_mean_squared_error: f64,
}

/// One way to predict.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Candidate {
    /// `bg_nbd`, `pareto_nbd`, `boosting`; or a simple guess: `same_again`, `all_alike`.
    pub model: &'static str,
    /// Whether it is a guess that needs no model.
    pub baseline: bool,
    /// Of days with a purchase; `None` where it does not predict them.
    pub orders: Option<Errors>,
    /// Of profit; `None` where amounts are not known.
    pub profit: Option<Errors>,
    /// Why it was not tried.
    pub missing: Option<String>,
}

/// The candidates on a period held out.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Trial {
    /// Days of the period, which ends at the cutoff.
    pub days: u32,
    /// Customers judged: who had bought before it.
    pub customers: usize,
    /// The candidates.
    pub candidates: Vec<Candidate>,
}

/// Errors that differ by less are equal.
const AS_NEAR: f64 = 1e-3;

/// The name of the boosted regression.
pub const BOOSTING: &str = "boosting";

impl Trial {
    /// Tries all candidates on the period since [`Dates::earlier`](crate::value::Dates); `None` where there
    /// is no earlier date or nobody had bought before it.
    pub fn run(accounts: &Accounts, terms: &Terms) -> Option<Trial> {
        accounts.dates.earlier?;
        let known: Vec<(Snapshot, Snapshot)> = accounts
            .all
            .iter()
            .filter_map(|account| Some((account.earlier?, account.now)))
            .collect();
        if known.is_empty() {
            return None;
        }
        let held = Held::new(accounts, known);
        let mut candidates: Vec<Candidate> =
            PurchaseFamily::ALL.iter().map(|family| held.btyd(*family, accounts, terms)).collect();
        candidates.push(held.boosting(accounts));
        candidates.extend(held.guesses());
        Some(Trial { days: accounts.dates.days, customers: held.then.len(), candidates })
    }

    /// The model of purchases that came nearest: by the profit, where it is known. BG/NBD where both are as
    /// near, as it is told by fewer data.
    pub fn nearest_family(&self) -> Option<PurchaseFamily> {
        let error = |family: PurchaseFamily| Some((family, self.error(family.text())?));
        let tried = PurchaseFamily::ALL.into_iter().filter_map(error);
        let nearest = tried.reduce(|best, other| match other.1 < best.1 * (1.0 - AS_NEAR) {
            true => other,
            false => best,
        });
        nearest.map(|(family, _)| family)
    }

    /// A candidate's error that counts: of profit where it is known, else of orders.
    pub fn error(&self, model: &str) -> Option<f64> {
        let money = self.candidates.iter().any(|c| c.profit.is_some());
        let candidate = self.candidates.iter().find(|c| c.model == model)?;
        let errors = if money { candidate.profit } else { candidate.orders };
        errors.map(|errors| errors.root_mean_squared_error)
    }

    /// Whether the boosted regression came nearest.
    pub fn boosting_is_nearest(&self) -> bool {
        let family = self.nearest_family().and_then(|family| self.error(family.text()));
        self.error(BOOSTING).zip(family).is_some_and(|(boosting, family)| boosting < family)
    }

    /// Whether a model's error is below that of each simple guess.
    pub fn beats_guesses(&self, model: &str) -> bool {
        let guesses = self.candidates.iter().filter(|c| c.baseline);
        let errors = guesses.filter_map(|guess| self.error(guess.model));
        self.error(model).is_some_and(|own| errors.into_iter().all(|guess| own < guess))
    }
}

/// A period held out.
struct Held {
    days: f64,
    then: Vec<Snapshot>,
    orders: Vec<f64>,
    /// NaN where not known.
    profit: Vec<f64>,
}

impl Held {
    fn new(accounts: &Accounts, known: Vec<(Snapshot, Snapshot)>) -> Held {
        let orders =
            |(then, now): &(Snapshot, Snapshot)| f64::from(now.orders) - f64::from(then.orders);
        Held {
            days: f64::from(accounts.dates.days),
            orders: known.iter().map(orders).collect(),
            profit: known.iter().map(|(then, now)| now.profit - then.profit).collect(),
            then: known.into_iter().map(|(then, _)| then).collect(),
        }
    }

    fn judged(&self, model: &'static str, orders: Option<&[f64]>, profit: &[f64]) -> Candidate {
        Candidate {
            model,
            baseline: false,
            orders: orders.and_then(|predicted| errors(predicted, &self.orders)),
            profit: errors(profit, &self.profit),
            missing: None,
        }
    }

    fn btyd(&self, family: PurchaseFamily, accounts: &Accounts, terms: &Terms) -> Candidate {
        let name = family.text();
        match Forecast::fit(family, &self.then, &accounts.earlier_totals, terms) {
            Ok(fit) => {
                let orders: Vec<f64> =
                    self.then.iter().map(|at| fit.orders(at, self.days)).collect();
                let profit: Vec<f64> =
                    self.then.iter().map(|at| fit.profit(at, self.days, 0.0)).collect();
                self.judged(name, Some(&orders), &profit)
            }
            Err(error) => missing(name, error.to_string()),
        }
    }

    fn boosting(&self, accounts: &Accounts) -> Candidate {
        let learned = followed(accounts, |account| Some((account.earliest?, account.earlier?)));
        if learned.len() < FEWEST_CUSTOMERS {
            let days = accounts.dates.days;
            return missing(
                BOOSTING,
                format!(
                    "{} customers had bought {} days before the cutoff, with {days} days known after; it \
                     needs {FEWEST_CUSTOMERS}, a span twice in the log after that, and amounts",
                    learned.len(),
                    2 * days
                ),
            );
        }
        match Boosted::fit(&learned) {
            Ok(fit) => self.judged(BOOSTING, None, &fit.predict(self.then.iter())),
            Err(error) => missing(BOOSTING, error.to_string()),
        }
    }

    /// That each does again what they did in the days before; and that all do what they do in the mean.
    fn guesses(&self) -> [Candidate; 2] {
        let orders: Vec<f64> = self.then.iter().map(|at| f64::from(at.recent_orders)).collect();
        let profit: Vec<f64> = self.then.iter().map(|at| at.recent_profit).collect();
        let alike = |of: &[f64]| vec![of.iter().sum::<f64>() / of.len() as f64; of.len()];
        let guess = |candidate| Candidate { baseline: true, ..candidate };
        [
            guess(self.judged("same_again", Some(&orders), &profit)),
            guess(self.judged("all_alike", Some(&alike(&orders)), &alike(&profit))),
        ]
    }
}

/// Accounts at a date with the profit that followed until a later one, where it is known.
pub fn followed(
    accounts: &Accounts,
    dates: impl Fn(&crate::value::Account) -> Option<(Snapshot, Snapshot)>,
) -> Vec<(Snapshot, f64)> {
    let both = accounts.all.iter().filter_map(dates);
    both.map(|(then, later)| (then, later.profit - then.profit))
        .filter(|(_, profit)| profit.is_finite())
        .collect()
}

fn missing(model: &'static str, why: String) -> Candidate {
    Candidate { model, baseline: false, orders: None, profit: None, missing: Some(why) }
}

/// Over customers of whom both are known; `None` without one.
fn errors(predicted: &[f64], actual: &[f64]) -> Option<Errors> {
    let both = predicted.iter().zip(actual).filter(|(p, a)| p.is_finite() && a.is_finite());
    let (mut n, mut sums) = (0.0, [0.0; 4]);
    for (p, a) in both {
        let off = p - a;
        n += 1.0;
        sums.iter_mut().zip([*p, *a, off.abs(), off * off]).for_each(|(sum, x)| *sum += x);
    }
    (n > 0.0).then(|| Errors {
        predicted: sums[0],
        actual: sums[1],
        mean_absolute_error: sums[2] / n,
        root_mean_squared_error: (sums[3] / n).sqrt(),
    })
}
