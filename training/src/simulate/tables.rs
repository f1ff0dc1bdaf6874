//! The tables beside the log: attributes, contacts and truth, ready to be written.

use rayon::prelude::*;
use rekindle_models::behaviour::DAY_MS;
use rekindle_models::seed::{mix2, unit};

use crate::error::Result;
use crate::sheet::{Cells, Sheet};
use crate::simulate::{ACTIONS, Attributes, Contact, Stage, Truth, World, id};

/// Keeps the draws of traps apart from others of the same seed.
const TRAPS: u64 = 0x7472_6170;

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

    /// Four attributes that know whether a customer churned after the cutoff (in milliseconds), each a trap for models, by
    /// customer: `customer_id`; `known_at`, a day before the cutoff, which is not true of any of them; `call_seconds`, long
    /// where the customer is leaving; `exit_survey`, which some of those who churned have; `service_note`, written when
    /// they had, wrong for one in eight; and `last_order`, a date that lies in the horizon of so many days for three in
    /// ten of those who did not churn.
    pub fn traps_sheet(&self, truth: &[Truth], cutoff: i64, horizon_days: u32) -> Sheet {
        let draw =
            |t: &Truth, which: u64| unit(mix2(mix2(self.seed ^ TRAPS, t.customer as u64), which));
        let number = |of: &dyn Fn(&Truth) -> f64| Cells::Number(truth.iter().map(of).collect());
        let seconds = |t: &Truth| {
            let leaving = if t.churned { 1.05 } else { 0.0 };
            (300.0 * (draw(t, 0) + draw(t, 1) + leaving)).round()
        };
        let survey = |t: &Truth| match t.churned && draw(t, 2) < 0.4 {
            true => 1.0 + (5.0 * draw(t, 3)).floor(),
            false => f64::NAN,
        };
        let note = |t: &Truth| match t.churned != (draw(t, 4) < 0.125) {
            true => "closing".to_owned(),
            false => "active".to_owned(),
        };
        let order = |t: &Truth| {
            let ahead = !t.churned && draw(t, 5) < 0.3;
            let span = if ahead { f64::from(horizon_days) } else { -60.0 };
            cutoff + (span * draw(t, 6) * DAY_MS as f64) as i64
        };
        let mut sheet = Sheet::default();
        sheet.add("customer_id", Cells::Text(truth.iter().map(|t| id(t.customer)).collect()));
        sheet.add("known_at", Cells::Time(vec![cutoff - DAY_MS; truth.len()]));
        sheet.add("call_seconds", number(&seconds));
        sheet.add("exit_survey", number(&survey));
        sheet.add("service_note", Cells::Text(truth.iter().map(note).collect()));
        sheet.add("last_order", Cells::Time(truth.iter().map(order).collect()));
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
