//! The tables beside the log: attributes, contacts and truth, ready to be written.

use rayon::prelude::*;

use crate::error::Result;
use crate::sheet::{Cells, Sheet};
use crate::simulate::{ACTIONS, Attributes, Contact, Stage, Truth, World, id};

impl World {
    /// The truth as a table: `customer_id`, `purchase_days_ago`, `mood`, `probability`, `churned`
    /// and `uplift_ACTION` for each action but `none`.
    pub fn truth_sheet(truth: &[Truth]) -> Sheet {
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
