//! A plain table of frequency, recency, T and monetary value, as other programs make it, in the place of a
//! log.

use std::path::Path;

use rekindle_models::value::{Repeats, Spend};

use crate::error::{Error, Result};
use crate::sheet::{Cells, Sheet};
use crate::value::fit::PurchaseFit;
use crate::value::forecast::Bringing;

/// Customers of such a table.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RfmTable {
    /// Their ids, or the rows' numbers.
    pub ids: Vec<String>,
    /// Repeat purchases.
    pub repeats: Vec<Repeats>,
    /// What repeats brought; no days where the table does not tell.
    pub spends: Vec<Spend>,
}

impl RfmTable {
    /// Reads a CSV file with the columns `frequency`, `recency` and `T` and, if there, `monetary_value`
    /// (the mean of repeat purchases) and `customer_id`.
    ///
    /// # Errors
    /// When it cannot be read, lacks a column, or a row cannot be.
    pub fn read(path: &Path) -> Result<RfmTable> {
        let name = path.display().to_string();
        let bad = |reason: String| Error::BadLog { path: name.clone(), reason };
        let mut reader = csv::ReaderBuilder::new()
            .trim(csv::Trim::All)
            .from_path(path)
            .map_err(|e| bad(format!("failed to read it: {e}")))?;
        let header = reader.headers().map_err(|e| bad(e.to_string()))?.clone();
        let place = |column: &str| header.iter().position(|h| h == column);
        let needed = |column: &str| {
            place(column).ok_or_else(|| {
                let found = header.iter().collect::<Vec<_>>().join(", ");
                bad(format!(
                    "no column {column}; found {found}; expected frequency, recency, T and, to value \
                     customers, monetary_value"
                ))
            })
        };
        let places = [needed("frequency")?, needed("recency")?, needed("T")?];
        let (money, id) = (place("monetary_value"), place("customer_id"));
        let mut table = RfmTable::default();
        for (number, record) in (1..).zip(reader.records()) {
            let record = record.map_err(|e| bad(e.to_string()))?;
            let line = record.position().map_or(number + 1, csv::Position::line);
            let cell = |place: usize| {
                let text = &record[place];
                text.parse::<f64>().ok().filter(|x| x.is_finite()).ok_or_else(|| {
                    bad(format!(
                        "line {line}: {}: found {text:?}, expected a number",
                        &header[place]
                    ))
                })
            };
            let [frequency, recency, age] = [cell(places[0])?, cell(places[1])?, cell(places[2])?];
            if frequency.fract() != 0.0 || !(0.0..=4e9).contains(&frequency) {
                return Err(bad(format!(
                    "line {line}: frequency: found {frequency}, expected a whole number of at least 0"
                )));
            }
            let count = frequency as u32;
            let repeats =
                Repeats::new(count, recency, age).map_err(|e| bad(format!("line {line}: {e}")))?;
            let mean = money.map_or(Ok(0.0), cell)?;
            if count > 0 && money.is_some() && mean <= 0.0 {
                return Err(bad(format!(
                    "line {line}: monetary_value: found {mean}, expected an amount above 0 of a customer who bought \
                     again; leave such customers out, or the column"
                )));
            }
            let days = if mean > 0.0 { count } else { 0 };
            table.ids.push(id.map_or_else(|| number.to_string(), |id| record[id].to_owned()));
            table.repeats.push(repeats);
            table.spends.push(Spend { days, mean });
        }
        match table.ids.is_empty() {
            true => Err(bad("it has no row; expected a customer a row".to_owned())),
            false => Ok(table),
        }
    }

    /// What is expected of them within `span` from now on, a row each.
    pub fn sheet(&self, fit: &PurchaseFit, bringing: &Bringing, span: f64) -> Sheet {
        let mut sheet = Sheet::default();
        let (all, model) = (&self.repeats, &fit.model);
        let numbers = |of: &dyn Fn(&Repeats) -> f64| Cells::Number(all.iter().map(of).collect());
        let orders = |of: &Repeats| model.expected_purchases(of, span);
        let means: Vec<f64> = self.spends.iter().map(|spend| bringing.expected(spend)).collect();
        let predicted = all.iter().zip(&means).map(|(of, mean)| orders(of) * mean).collect();
        sheet.add("customer_id", Cells::Text(self.ids.clone()));
        sheet.add("probability_alive", numbers(&|of| model.probability_alive(of)));
        sheet.add("predicted_number_of_orders", numbers(&orders));
        sheet.add("expected_value_per_order", Cells::Number(means));
        sheet.add("predicted_clv", Cells::Number(predicted));
        sheet.add("churn_probability", numbers(&|of| 1.0 - model.probability_alive(of)));
        sheet
    }
}
