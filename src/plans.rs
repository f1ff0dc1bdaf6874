//! Plans as JSON: what a campaign may do and its customers in, a decision for each out. Decides nothing itself.

use std::collections::BTreeMap;

use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};
use rekindle_models::language::Language;
use rekindle_models::policy::{
    Action, Customers, Decided, Decision, Plan, PlanSpec, Speaker, Totals, date_text, day_of,
    decide, decide_soon, total,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::customers::Limits;
use crate::error::ApiError;
use crate::payload::place_told;
use crate::values::CustomerId;

/// What is asked.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    /// As a plan file of `rekindle plan`.
    spec: PlanSpec,
    customers: Vec<Customer>,
}

/// A customer to plan for; what is not known is left out.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Customer {
    customer_id: CustomerId,
    lifecycle_stage: Option<LifecycleStage>,
    lapse_tier: Option<LapseTier>,
    grade: Option<Grade>,
    /// Profit of a success.
    predicted_value: Option<f64>,
    /// Probability of the outcome without a contact.
    baseline: Option<f64>,
    /// By action, the learned uplift.
    #[serde(default)]
    uplift: BTreeMap<String, f64>,
    /// By channel.
    #[serde(default)]
    consent: BTreeMap<String, bool>,
    /// Within the plan's `within_days`.
    contacts: Option<f64>,
    #[serde(default)]
    excluded: bool,
    last_purchase: Option<String>,
    median_gap_days: Option<f64>,
    birthday: Option<String>,
    season_month: Option<f64>,
}

/// A plan.
#[derive(Debug, Serialize, ToSchema)]
pub struct PlanReply {
    /// In the order of the customers.
    decisions: Vec<PlanDecision>,
    /// The plan added up: spent, expected, what limits cost, who is held out.
    #[schema(value_type = serde_json::Value)]
    totals: Totals,
}

/// What is done with a customer.
#[derive(Debug, Serialize, ToSchema)]
struct PlanDecision {
    customer_id: String,
    /// The action, or `none`.
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// Of the contact.
    cost: f64,
    /// What the offer is expected to cost.
    offer_cost: f64,
    uplift: f64,
    /// Whether the uplift is assumed, not learned.
    assumed: bool,
    expected_profit: f64,
    /// The action, or what a customer who is held out would have had.
    planned: String,
    /// Whether the customer is held out at random.
    control: bool,
    /// How likely it was to be assigned so.
    propensity: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_on: Option<String>,
    /// What carries the contact.
    #[serde(skip_serializing_if = "Option::is_none")]
    occasion: Option<String>,
    why: String,
    /// Why, in a sentence.
    reason: String,
}

/// A plan that was made.
pub struct Planned {
    spec: PlanSpec,
    customers: Customers,
    plan: Plan,
}

impl Planned {
    /// Plans for customers.
    ///
    /// # Errors
    /// When there are too many, or spec and customers make no plan: where, what was found, what was expected.
    pub fn new(
        spec: PlanSpec,
        customers: Vec<Customer>,
        limits: Limits,
    ) -> Result<Planned, ApiError> {
        if customers.len() > limits.customers {
            return Err(ApiError::TooManyCustomers { limit: limits.customers });
        }
        spec.validate().map_err(unsound)?;
        let customers = columns(&spec, customers, limits)?;
        Planned::of(spec, customers)
    }

    /// Plans for customers that are columns already, however many.
    ///
    /// # Errors
    /// When spec and customers make no plan: where, what was found, what was expected.
    pub fn of(spec: PlanSpec, customers: Customers) -> Result<Planned, ApiError> {
        let plan = decide(&spec, &customers).map_err(unsound)?;
        Ok(Planned { spec, customers, plan })
    }

    /// As [`Planned::of`], for figures alone: sooner, and by a little less than the best.
    ///
    /// # Errors
    /// When spec and customers make no plan.
    pub fn soon(spec: PlanSpec, customers: Customers) -> Result<Planned, ApiError> {
        let plan = decide_soon(&spec, &customers).map_err(unsound)?;
        Ok(Planned { spec, customers, plan })
    }

    /// What it was made by.
    pub fn spec(&self) -> &PlanSpec {
        &self.spec
    }

    /// The customers it was made for.
    pub fn customers(&self) -> &Customers {
        &self.customers
    }

    /// What is done with each, in the order of the customers.
    pub fn decisions(&self) -> &[Decision] {
        &self.plan.decisions
    }

    /// It added up.
    pub fn totals(&self) -> Totals {
        total(&self.spec, &self.customers, &self.plan)
    }

    /// Its decisions in the order of the customers, each as `told` makes it.
    pub fn decided<T>(&self, language: Language, told: impl Fn(Decided<'_>) -> T) -> Vec<T> {
        let Planned { spec, customers, plan } = self;
        let speaker = Speaker { spec, customers, plan, language };
        (0..customers.ids.len()).map(|place| told(speaker.decided(place))).collect()
    }
}

/// A body with a spec, customers and more.
///
/// # Errors
/// When it is not JSON, or not what is expected: where, and what was found.
pub fn read<'b, T: Deserialize<'b>>(body: &'b [u8]) -> Result<T, ApiError> {
    serde_json::from_slice(body).map_err(|error| {
        let told = |(_, _, reason)| invalid(reason);
        place_told::<T>(body, &error).map_or_else(|other| other, told)
    })
}

/// Reads a request's body and plans.
///
/// # Errors
/// When the body is not JSON, or something of it makes no plan: which, what was found, what was expected.
pub fn plan(body: &[u8], limits: Limits, language: Language) -> Result<PlanReply, ApiError> {
    let Request { spec, customers } = read(body)?;
    let planned = Planned::new(spec, customers, limits)?;
    let decisions = planned.decided(language, |decided| decided.into());
    Ok(PlanReply { decisions, totals: planned.totals() })
}

fn unsound(error: rekindle_models::Error) -> ApiError {
    invalid(error.to_string())
}

fn invalid(reason: String) -> ApiError {
    ApiError::InvalidPlan { reason }
}

impl From<Decided<'_>> for PlanDecision {
    fn from(decided: Decided<'_>) -> PlanDecision {
        let Decided { decision, action, .. } = decided;
        let name = |action: Option<&Action>| action.map_or("none", |a| &a.name).to_owned();
        PlanDecision {
            customer_id: decided.customer_id.to_owned(),
            action: name(action),
            offer: action.and_then(Action::offered).map(str::to_owned),
            channel: action.map(|action| action.channel.clone()),
            cost: decision.cost,
            offer_cost: decision.offer_cost,
            uplift: decision.uplift,
            assumed: decided.assumed,
            expected_profit: decision.expected_profit,
            planned: name(decided.planned),
            control: decision.control,
            propensity: decision.propensity,
            contact_on: decision.contact_on.map(date_text),
            occasion: decision.occasion.map(|occasion| occasion.text().to_owned()),
            why: decision.why.text().to_owned(),
            reason: decided.reason,
        }
    }
}

/// The customers column by column. What nobody has is not known of anybody.
fn columns(
    spec: &PlanSpec,
    customers: Vec<Customer>,
    limits: Limits,
) -> Result<Customers, ApiError> {
    for (place, customer) in customers.iter().enumerate() {
        customer.check(place, spec, limits)?;
    }
    let numbers = |of: &dyn Fn(&Customer) -> Option<f64>| {
        let some = customers.iter().any(|customer| of(customer).is_some());
        some.then(|| customers.iter().map(|customer| of(customer).unwrap_or(f64::NAN)).collect())
    };
    let days = |name: &str, of: &dyn Fn(&Customer) -> Option<&String>| {
        let day = |(place, customer): (usize, &Customer)| match of(customer) {
            None => Ok(f64::NAN),
            Some(text) => day_of(text).map(f64::from).ok_or_else(|| {
                invalid(format!(
                    "customers[{place}].{name}: found {text:?}, expected a date as 2026-03-01"
                ))
            }),
        };
        let some = customers.iter().any(|customer| of(customer).is_some());
        some.then(|| customers.iter().enumerate().map(day).collect::<Result<Vec<f64>, _>>())
            .transpose()
    };
    let mut channels: Vec<&str> = spec.actions.iter().map(|a| a.channel.as_str()).collect();
    channels.sort_unstable();
    channels.dedup();
    // Where nobody says anything of a channel, the plan says so.
    channels.retain(|channel| customers.iter().any(|c| c.consent.contains_key(*channel)));
    let consent = |channel: &str| {
        customers.iter().map(|customer| customer.consent.get(channel).copied()).collect()
    };
    Ok(Customers {
        ids: customers.iter().map(|customer| customer.customer_id.to_string()).collect(),
        stages: Some(customers.iter().map(|customer| customer.lifecycle_stage).collect()),
        tiers: Some(customers.iter().map(|customer| customer.lapse_tier).collect()),
        grades: Some(customers.iter().map(|customer| customer.grade).collect()),
        values: numbers(&|customer| customer.predicted_value),
        baselines: numbers(&|customer| customer.baseline),
        uplifts: spec
            .actions
            .iter()
            .map(|action| numbers(&|customer| customer.uplift.get(&action.name).copied()))
            .collect(),
        consents: channels
            .into_iter()
            .map(|channel| (channel.to_owned(), consent(channel)))
            .collect(),
        contacts: numbers(&|customer| customer.contacts),
        excluded: Some(customers.iter().map(|customer| customer.excluded).collect()),
        last_purchases: days("last_purchase", &|customer| customer.last_purchase.as_ref())?,
        median_gap_days: numbers(&|customer| customer.median_gap_days),
        birthdays: days("birthday", &|customer| customer.birthday.as_ref())?,
        season_months: numbers(&|customer| customer.season_month),
    })
}

impl Customer {
    fn check(&self, place: usize, spec: &PlanSpec, limits: Limits) -> Result<(), ApiError> {
        let at = |what: String| Err(invalid(format!("customers[{place}].{what}")));
        let id = self.customer_id.to_string();
        if id.len() > limits.text_bytes {
            let (found, most) = (id.len(), limits.text_bytes);
            return at(format!(
                "customer_id: found a text of {found} bytes, expected at most {most}"
            ));
        }
        for action in self.uplift.keys() {
            if !spec.actions.iter().any(|own| own.name == *action) {
                let names: Vec<&str> = spec.actions.iter().map(|own| own.name.as_str()).collect();
                let found: String = action.chars().take(64).collect();
                return at(format!(
                    "uplift: found {found:?}, expected an action of the plan: {}",
                    names.join(", ")
                ));
            }
        }
        Ok(())
    }
}
