//! The tables beside the log: attributes, contacts and truth, a row each, ready to be written.
//! Knows no file format.

use rayon::prelude::*;

use crate::error::Result;
use crate::simulate::{ACTIONS, Attributes, Contact, Stage, Truth, World, id};

/// A column's cells.
#[derive(Debug, Clone, PartialEq)]
pub enum Cells {
    /// Texts.
    Text(Vec<String>),
    /// Numbers, NaN where missing.
    Number(Vec<f64>),
    /// Instants, in milliseconds since 1970.
    Time(Vec<i64>),
    /// Yes or no.
    Flag(Vec<bool>),
}

/// A table: named columns of equal length.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Sheet {
    /// Names and cells.
    pub columns: Vec<(String, Cells)>,
}

impl Sheet {
    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.columns.first().map_or(0, |(_, cells)| match cells {
            Cells::Text(texts) => texts.len(),
            Cells::Number(numbers) => numbers.len(),
            Cells::Time(times) => times.len(),
            Cells::Flag(flags) => flags.len(),
        })
    }

    fn add(&mut self, name: &str, cells: Cells) {
        self.columns.push((name.to_owned(), cells));
    }

    /// The truth as a table: `customer_id`, `purchase_days_ago`, `mood`, `probability`, `churned`
    /// and `uplift_ACTION` for each action but `none`.
    pub fn of_truth(truth: &[Truth]) -> Sheet {
        let number = |of: &dyn Fn(&Truth) -> f64| Cells::Number(truth.iter().map(of).collect());
        let ago = |t: &Truth| t.purchase_days_ago.map_or(f64::NAN, f64::from);
        let mood = |t: &Truth| format!("{:?}", t.mood).to_lowercase();
        let mut sheet = Sheet::default();
        sheet.add("customer_id", Cells::Text(truth.iter().map(|t| id(t.customer)).collect()));
        sheet.add("purchase_days_ago", number(&ago));
        sheet.add("mood", Cells::Text(truth.iter().map(mood).collect()));
        sheet.add("probability", number(&|t| t.probability));
        sheet.add("churned", number(&|t| f64::from(u8::from(t.churned))));
        for (place, (action, _)) in ACTIONS.iter().enumerate().skip(1) {
            sheet.add(&format!("uplift_{action}"), number(&|t| t.uplift[place]));
        }
        sheet
    }
}

impl World {
    /// Attributes of all customers, by index: `customer_id`, `known_at`, `sign_up`, `age`, `city`,
    /// `plan`.
    ///
    /// # Errors
    /// Those of [`World::check`].
    pub fn attributes(&self) -> Result<Sheet> {
        let stage = Stage::new(self)?;
        let all: Vec<Attributes> = (0..self.customers)
            .into_par_iter()
            .map(|index| stage.attributes(&stage.life(index, None)))
            .collect();
        let mut sheet = Sheet::default();
        sheet.add("customer_id", Cells::Text((0..self.customers).map(id).collect()));
        sheet.add("known_at", Cells::Time(all.iter().map(|a| a.known_at).collect()));
        sheet.add("sign_up", Cells::Time(all.iter().map(|a| a.sign_up).collect()));
        let age = |a: &Attributes| a.age.map_or(f64::NAN, f64::from);
        sheet.add("age", Cells::Number(all.iter().map(age).collect()));
        sheet.add("city", Cells::Text(all.iter().map(|a| a.city.clone()).collect()));
        sheet.add("plan", Cells::Text(all.iter().map(|a| a.plan.to_owned()).collect()));
        Ok(sheet)
    }

    /// Decisions of campaigns, by customer, then time: `customer_id`, `time`, `campaign`, `action`,
    /// `channel`, `propensity`, `randomised`.
    ///
    /// # Errors
    /// Those of [`World::check`].
    pub fn contacts(&self) -> Result<Sheet> {
        let stage = Stage::new(self)?;
        let of = |index: usize| -> Vec<(usize, Contact)> {
            let life = stage.life(index, None);
            life.decisions.iter().map(|d| (index, stage.contact(d))).collect()
        };
        let all: Vec<(usize, Contact)> =
            (0..self.customers).into_par_iter().flat_map_iter(of).collect();
        let contacts = || all.iter().map(|(_, contact)| contact);
        let action = |c: &Contact| ACTIONS[c.action];
        let mut sheet = Sheet::default();
        sheet.add("customer_id", Cells::Text(all.iter().map(|(index, _)| id(*index)).collect()));
        sheet.add("time", Cells::Time(contacts().map(|c| c.time).collect()));
        let campaign = contacts().map(|c| f64::from(c.campaign)).collect();
        sheet.add("campaign", Cells::Number(campaign));
        let actions = contacts().map(|c| action(c).0.to_owned()).collect();
        sheet.add("action", Cells::Text(actions));
        let channels = contacts().map(|c| action(c).1.to_owned()).collect();
        sheet.add("channel", Cells::Text(channels));
        sheet.add("propensity", Cells::Number(contacts().map(|c| c.propensity).collect()));
        sheet.add("randomised", Cells::Flag(contacts().map(|c| c.randomised).collect()));
        Ok(sheet)
    }
}
