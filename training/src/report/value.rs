//! Values of customers for people and machines: on the terminal, as JSON.

use rekindle_models::value::PurchaseFamily;
use serde::Serialize;

use crate::report::{grouped, table};
use crate::value::{Bringing, Errors, KeyCustomer, PurchaseFit, SpendFit, Trial, Valued};

/// What was learned of customers' values. Serialised, it is what `rekindle value --json` prints.
#[derive(Debug, Clone, Serialize)]
pub struct ValueDocument {
    /// Customers.
    pub customers: usize,
    /// Days, or units of the table, that values are predicted for.
    pub span: u32,
    /// What predicted values come from.
    pub chosen: &'static str,
    /// How it was chosen: `out_of_time` or `likelihood`.
    pub chosen_by: &'static str,
    /// Whether it came nearer than the simple guesses; `None` where there was no period to try it on.
    pub beats_guesses: Option<bool>,
    /// Models of purchases that could be fitted, the chosen one first.
    pub purchase_models: Vec<FittedDocument>,
    /// Those that could not, and why.
    pub unfitted: Vec<Unfitted>,
    /// The model of what a purchase brings; `None` where it is the mean or not known.
    pub spend_model: Option<FittedDocument>,
    /// The mean that a purchase brings, where there is no model of it.
    pub mean_margin: Option<f64>,
    /// Share of margins that is kept after returns and days that bring nothing; `None` for a table.
    pub kept_share: Option<f64>,
    /// What a day with a purchase costs.
    pub cost_per_order: Option<f64>,
    /// Profit minus cost so far, of all.
    pub historic_value: Option<f64>,
    /// Expected within the span, of those of whom it is known.
    pub predicted_value: Option<f64>,
    /// Purchases expected within the span.
    pub predicted_number_of_orders: f64,
    /// How the candidates did on a period held out.
    pub trial: Option<Trial>,
    /// Key customers, the most valuable first.
    pub key_customers: Vec<KeyCustomer>,
    /// Days of each of the two windows that they are compared over.
    pub window_days: Option<i64>,
}

/// A fitted model.
#[derive(Debug, Clone, Serialize)]
pub struct FittedDocument {
    /// `bg_nbd`, `pareto_nbd` or `gamma_gamma`.
    pub model: &'static str,
    /// Its parameters.
    pub parameters: Vec<Parameter>,
    /// The log-likelihood of all customers.
    pub log_likelihood: f64,
    /// Customers it was learned from.
    pub customers: u64,
}

/// A parameter.
#[derive(Debug, Clone, Serialize)]
pub struct Parameter {
    /// Its name in the literature.
    pub name: &'static str,
    /// Its value.
    pub value: f64,
    /// How sure it is; null where the data do not tell.
    pub standard_error: f64,
}

/// A model that could not be fitted.
#[derive(Debug, Clone, Serialize)]
pub struct Unfitted {
    /// The model.
    pub model: &'static str,
    /// Why.
    pub reason: String,
}

impl FittedDocument {
    /// A model of purchases.
    pub fn of_purchases(fit: &PurchaseFit) -> FittedDocument {
        let family = fit.model.family();
        FittedDocument {
            model: family.text(),
            parameters: parameters(&family.names(), &fit.model.parameters(), &fit.standard_errors),
            log_likelihood: fit.log_likelihood,
            customers: fit.customers,
        }
    }

    /// A model of what a purchase brings.
    pub fn of_spend(fit: &SpendFit) -> FittedDocument {
        let names = rekindle_models::value::GammaGamma::NAMES;
        FittedDocument {
            model: "gamma_gamma",
            parameters: parameters(&names, &fit.model.parameters(), &fit.standard_errors),
            log_likelihood: fit.log_likelihood,
            customers: fit.customers,
        }
    }
}

fn parameters(names: &[&'static str], values: &[f64], errors: &[f64]) -> Vec<Parameter> {
    let all = names.iter().zip(values).zip(errors);
    all.map(|((name, value), error)| Parameter { name, value: *value, standard_error: *error })
        .collect()
}

impl ValueDocument {
    /// Without a log: models alone. `fits` is not empty, the chosen one first.
    pub fn of_models(
        fits: &[PurchaseFit],
        unfitted: &[(PurchaseFamily, String)],
        bringing: &Bringing,
        span: u32,
    ) -> ValueDocument {
        let spend = match bringing {
            Bringing::GammaGamma(fit) => Some(FittedDocument::of_spend(fit)),
            Bringing::Mean(_) | Bringing::Unknown => None,
        };
        let mean = match bringing {
            Bringing::Mean(mean) => Some(*mean),
            Bringing::GammaGamma(_) | Bringing::Unknown => None,
        };
        ValueDocument {
            customers: fits[0].customers as usize,
            span,
            chosen: fits[0].model.family().text(),
            chosen_by: "likelihood",
            beats_guesses: None,
            purchase_models: fits.iter().map(FittedDocument::of_purchases).collect(),
            unfitted: unfitted
                .iter()
                .map(|(family, reason)| Unfitted { model: family.text(), reason: reason.clone() })
                .collect(),
            spend_model: spend,
            mean_margin: mean,
            kept_share: None,
            cost_per_order: None,
            historic_value: None,
            predicted_value: None,
            predicted_number_of_orders: 0.0,
            trial: None,
            key_customers: Vec::new(),
            window_days: None,
        }
    }

    /// Of a log's customers.
    pub fn of_log(valued: &Valued) -> ValueDocument {
        let fits: Vec<PurchaseFit> = valued.fits.iter().map(|fit| fit.purchases).collect();
        let best = &valued.fits[0];
        let of_models =
            ValueDocument::of_models(&fits, &valued.unfitted, &best.bringing, valued.span_days);
        let worth = || valued.worth.iter();
        let trial = valued.trial.as_ref();
        ValueDocument {
            customers: valued.worth.len(),
            chosen: valued.chosen,
            chosen_by: match trial {
                Some(_) => "out_of_time",
                None => "likelihood",
            },
            beats_guesses: trial.map(|trial| trial.beats_guesses(valued.chosen)),
            kept_share: Some(best.per_order.kept),
            cost_per_order: Some(best.per_order.cost),
            historic_value: sum(worth().map(|w| w.historic)),
            predicted_value: sum(worth().map(|w| w.predicted)),
            predicted_number_of_orders: sum(worth().map(|w| w.orders)).unwrap_or(0.0),
            trial: valued.trial.clone(),
            key_customers: valued.key.clone(),
            window_days: Some(valued.accounts.dates.window_days),
            ..of_models
        }
    }

    /// For people.
    pub fn terminal(&self) -> String {
        let mut page = self.models();
        if let Some(trial) = &self.trial {
            page += &self.tried(trial);
        } else if self.window_days.is_some() {
            page += "\nThe log is too short to try models on a period held out: the more likely one is taken.\n";
        }
        let money = |sum: Option<f64>| sum.map_or_else(|| "not known".to_owned(), short);
        if self.window_days.is_some() {
            page += &format!(
                "\nvalue so far {}; expected within {} days {}, from {} purchases\n",
                money(self.historic_value),
                self.span,
                money(self.predicted_value),
                short(self.predicted_number_of_orders)
            );
        }
        page + &self.keys()
    }

    fn models(&self) -> String {
        let all = self.purchase_models.iter().chain(&self.spend_model);
        let rows = all.flat_map(|fit| {
            fit.parameters.iter().enumerate().map(|(place, p)| {
                let model = if place == 0 { fit.model } else { "" };
                let error = match p.standard_error.is_finite() {
                    true => format!("{:.4}", p.standard_error),
                    false => "not told by the data".to_owned(),
                };
                [model.to_owned(), p.name.to_owned(), format!("{:.4}", p.value), error]
            })
        });
        let mut page = table(&["model", "", "parameter", "standard error"], 2, rows);
        for unfitted in &self.unfitted {
            page += &format!("  {}: {}\n", unfitted.model, unfitted.reason);
        }
        if self.spend_model.is_none() {
            page += &match self.mean_margin {
                Some(mean) => format!(
                    "  what a purchase brings is taken as {mean:.2} for all: too few customers have bought on \
                     several days for more\n"
                ),
                None => "  no amounts above 0: values are not known\n".to_owned(),
            };
        }
        page
    }

    fn tried(&self, trial: &Trial) -> String {
        let rows = trial.candidates.iter().map(|c| {
            let cell = |errors: &Option<Errors>, of: fn(&Errors) -> f64| {
                errors.as_ref().map_or_else(|| "-".to_owned(), |errors| short(of(errors)))
            };
            let share = |errors: &Option<Errors>| {
                let share = |e: &Errors| format!("{:.2}", e.predicted / e.actual);
                errors.as_ref().map_or_else(|| "-".to_owned(), share)
            };
            [
                c.model.to_owned(),
                share(&c.orders),
                cell(&c.orders, |e| e.root_mean_squared_error),
                cell(&c.orders, |e| e.mean_absolute_error),
                share(&c.profit),
                cell(&c.profit, |e| e.root_mean_squared_error),
                cell(&c.profit, |e| e.mean_absolute_error),
            ]
        });
        let header =
            ["", "purchases, told/true", "RMSE", "MAE", "profit, told/true", "RMSE", "MAE"];
        let mut page = format!(
            "\nfitted without the last {} days, judged on them, {} customers:\n{}",
            trial.days,
            grouped(trial.customers),
            table(&header, 1, rows)
        );
        for candidate in trial.candidates.iter() {
            if let Some(why) = &candidate.missing {
                page += &format!("  {} was not tried: {why}\n", candidate.model);
            }
        }
        page += &match self.beats_guesses {
            Some(true) => format!("  taken: {}\n", self.chosen),
            _ => format!(
                "  taken: {}; but a simple guess came as near: do not rely on single customers' figures\n",
                self.chosen
            ),
        };
        page
    }

    fn keys(&self) -> String {
        let Some(window) = self.window_days.filter(|_| !self.key_customers.is_empty()) else {
            return String::new();
        };
        let mut page = format!(
            "\nkey customers, by margin of the last {window} days and half of that before:\n"
        );
        for key in &self.key_customers {
            page += &format!(
                "  {}  {}, {} before, {}, still a customer {:.2}\n",
                key.customer_id,
                short(key.margin),
                short(key.margin_before),
                key.trend,
                key.probability_alive
            );
            page.extend(key.signs.iter().map(|sign| format!("      {sign}\n")));
        }
        page
    }
}

/// Of those that are known; `None` without one.
fn sum(numbers: impl Iterator<Item = f64>) -> Option<f64> {
    let known = numbers.filter(|number| !number.is_nan());
    known.fold(None, |sum, number| Some(sum.unwrap_or(0.0) + number))
}

/// Whole numbers from 1,000 on, two decimals below.
fn short(number: f64) -> String {
    match number.abs() >= 1_000.0 {
        true => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{}", grouped(number.abs().round() as usize))
        }
        false => format!("{number:.2}"),
    }
}
