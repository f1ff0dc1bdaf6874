//! A decision with its names: what tables, replies and stores tell of it. Decides nothing.

use crate::policy::customers::number;
use crate::policy::decide::Decision;
use crate::policy::sentences::Speaker;
use crate::policy::spec::Action;

/// A customer's decision, with the names that its places stand for and what was known of the customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Decided<'a> {
    /// The customer.
    pub customer_id: &'a str,
    /// The decision.
    pub decision: &'a Decision,
    /// What the customer has; `None`: nothing.
    pub action: Option<&'a Action>,
    /// What it has, or would have had were it not held out.
    pub planned: Option<&'a Action>,
    /// Whether the uplift of what it has is assumed, not learned.
    pub assumed: bool,
    /// Lapse tier, where it is known.
    pub lapse_tier: Option<&'static str>,
    /// Lifecycle stage, where it is known.
    pub lifecycle_stage: Option<&'static str>,
    /// Grade, where it is known.
    pub grade: Option<&'static str>,
    /// The probability of the outcome without a contact, 0 to 1, where it is known.
    pub baseline: Option<f64>,
    /// The profit of a success, where it is known.
    pub value: Option<f64>,
    /// Why, in a sentence.
    pub reason: String,
}

impl Speaker<'_> {
    /// The decision of a customer, by its place.
    pub fn decided(&self, customer: usize) -> Decided<'_> {
        let (customers, decision) = (self.customers, &self.plan.decisions[customer]);
        let action = |place: Option<usize>| place.map(|place| &self.spec.actions[place]);
        let known = |column: &Option<Vec<f64>>| {
            Some(number(column, customer)).filter(|number| !number.is_nan())
        };
        Decided {
            customer_id: &customers.ids[customer],
            decision,
            action: action(decision.action),
            planned: action(decision.planned),
            assumed: decision.action.is_some_and(|place| self.plan.assumed[place]),
            lapse_tier: customers.tiers.as_ref().and_then(|all| Some(all[customer]?.text())),
            lifecycle_stage: customers.stages.as_ref().and_then(|all| Some(all[customer]?.text())),
            grade: customers.grades.as_ref().and_then(|all| Some(all[customer]?.text())),
            baseline: known(&customers.baselines),
            value: known(&customers.values),
            reason: self.sentence(customer),
        }
    }
}

impl Action {
    /// What is offered; `None`: nothing but the contact.
    pub fn offered(&self) -> Option<&str> {
        Some(self.offer.as_str()).filter(|offer| !offer.is_empty())
    }
}
