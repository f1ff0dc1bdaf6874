//! The `[value]` table of a project: what purchases bring and what things cost, as typed, and bound to the
//! kinds that a log has.

use std::collections::BTreeMap;

use rekindle_models::behaviour::{Dictionary, OTHER};
use rekindle_models::frame::nearest_name;
use rekindle_models::value::Terms;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// What customers are worth by, as the user writes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ValueTable {
    /// Share of an amount that is left after what was sold is paid for; 1: amounts are profit.
    pub margin: f64,
    /// The same of single products, by name.
    pub margins: BTreeMap<String, f64>,
    /// Of one day with a purchase, in the amounts' currency; at least 0, as all costs.
    pub cost_to_serve: f64,
    /// Of one contact.
    pub cost_to_contact: f64,
    /// Kinds of event that are contacts.
    pub contact: Vec<String>,
    /// Of one return, besides the margin that it takes back.
    pub cost_of_return: f64,
    /// How much less money is worth a year later, at least 0.
    pub discount_rate: f64,
    /// How many key customers are listed, 5 to 25.
    pub key_customers: usize,
}

impl Default for ValueTable {
    fn default() -> ValueTable {
        ValueTable {
            margin: 1.0,
            margins: BTreeMap::new(),
            cost_to_serve: 0.0,
            cost_to_contact: 0.0,
            contact: Vec::new(),
            cost_of_return: 0.0,
            discount_rate: 0.1,
            key_customers: 10,
        }
    }
}

impl ValueTable {
    /// # Errors
    /// When a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        let bad = |text: String| Err(Error::BadOptions(text));
        if !(5..=25).contains(&self.key_customers) {
            return bad(format!("value.key_customers = {}: expected 5 to 25", self.key_customers));
        }
        if !(self.discount_rate.is_finite() && self.discount_rate >= 0.0) {
            return bad(format!(
                "value.discount_rate = {}: expected a share a year of at least 0, as 0.1",
                self.discount_rate
            ));
        }
        if self.cost_to_contact > 0.0 && self.contact.is_empty() {
            return bad(
                "value.cost_to_contact without value.contact: expected the kinds of event that are \
                 contacts, as contact = [\"mail\"]"
                    .to_owned(),
            );
        }
        Ok(self.terms(Vec::new()).validate()?)
    }

    /// The table with the codes of a log's kinds.
    ///
    /// # Errors
    /// When it is not valid, or names a kind that no event has.
    pub fn bind(&self, kinds: &Dictionary) -> Result<Terms> {
        self.validate()?;
        let code = |name: &String| match kinds.code(name) {
            OTHER => {
                let near = nearest_name(name, kinds.names().iter().map(String::as_str));
                let near =
                    near.map_or_else(String::new, |near| format!("; did you mean {near:?}?"));
                Err(Error::BadOptions(format!(
                    "value.contact: found {name:?}, expected a kind that events have{near}"
                )))
            }
            code => Ok(code),
        };
        Ok(self.terms(self.contact.iter().map(code).collect::<Result<_>>()?))
    }

    fn terms(&self, contacts: Vec<u16>) -> Terms {
        Terms {
            margin: self.margin,
            margins: self.margins.iter().map(|(name, rate)| (Terms::key(name), *rate)).collect(),
            cost_to_serve: self.cost_to_serve,
            cost_to_contact: self.cost_to_contact,
            cost_of_return: self.cost_of_return,
            contacts,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_held_to_its_ranges_and_to_the_kinds_there_are() {
        let read = |text: &str| toml::from_str::<ValueTable>(text).unwrap();
        read("").validate().unwrap();
        for (text, message) in [
            ("margin = 1.2", "a margin is 1.2"),
            ("margins = { tea = nan }", "a margin is NaN"),
            ("cost_to_serve = -1", "value.cost_to_serve is -1"),
            ("cost_of_return = inf", "value.cost_of_return is inf"),
            ("discount_rate = -0.1", "value.discount_rate = -0.1"),
            ("key_customers = 4", "value.key_customers = 4: expected 5 to 25"),
            ("cost_to_contact = 1", "expected the kinds of event"),
        ] {
            let error = read(text).validate().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
        }
        let kinds = Dictionary::new(vec!["mail".to_owned(), "purchase".to_owned()]);
        let error = read("contact = ['mial']").bind(&kinds).unwrap_err().to_string();
        assert!(error.ends_with("did you mean \"mail\"?"), "{error}");
        assert_eq!(read("contact = ['mail']").bind(&kinds).unwrap().contacts, [0]);
    }
}
