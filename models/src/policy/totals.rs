//! A plan added up: what is done, spent and expected, by action, channel, tier and grade. Decides nothing.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::policy::customers::Customers;
use crate::policy::decide::{Decision, Plan, limits};
use crate::policy::spec::{Covers, PlanSpec};

/// What a plan comes to.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Totals {
    /// All customers.
    pub customers: u64,
    /// Those with an action.
    pub contacted: u64,
    /// Those held out of those planned to have one.
    pub control: u64,
    /// The share that was to be held out.
    pub control_share: f64,
    /// What contacts cost.
    pub contact_cost: f64,
    /// What offers are expected to cost.
    pub offer_cost: f64,
    /// What all is expected to bring after costs.
    pub expected_profit: f64,
    /// The most that may be spent; `None`: as much as pays.
    pub budget: Option<f64>,
    /// What is spent of it.
    pub spent: f64,
    /// No plan within the limits is expected to bring more.
    pub bound: f64,
    /// The share of the bound that is missing.
    pub gap: f64,
    /// Whether no better plan exists.
    pub exact: bool,
    /// What one more unit of budget would bring; `None` without a budget.
    pub marginal_budget: Option<f64>,
    /// Whether any action's uplift is assumed, not learned.
    pub assumed: bool,
    /// The actions whose uplift is assumed.
    pub assumed_actions: Vec<String>,
    /// Capacities and stocks.
    pub places: Vec<Places>,
    /// Customers by action, channel, lapse tier and grade.
    pub groups: Vec<Group>,
    /// The randomised by strata: tier and grade.
    pub strata: Vec<Stratum>,
    /// How many customers have their decision why.
    pub why: BTreeMap<&'static str, u64>,
}

/// A limit and what is taken of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Places {
    /// `channel` or `offer`.
    pub what: &'static str,
    /// Its name.
    pub name: String,
    /// The most customers.
    pub most: u64,
    /// Those who have it.
    pub taken: u64,
    /// What one more place would bring; `None` where there is none at all.
    pub marginal: Option<f64>,
}

/// A group of customers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Group {
    /// `action`, `channel`, `lapse_tier` or `grade`.
    pub what: &'static str,
    /// Its name; `none` for those without.
    pub is: String,
    /// Customers who have an action.
    pub contacted: u64,
    /// Customers held out who would have had one.
    pub control: u64,
    /// What contacts and offers are expected to cost.
    pub cost: f64,
    /// What is expected of them after costs.
    pub expected_profit: f64,
}

/// A stratum of those planned to have an action.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Stratum {
    /// The lapse tier, `none` without.
    pub lapse_tier: &'static str,
    /// The grade, `none` without.
    pub grade: &'static str,
    /// Customers who have an action.
    pub contacted: u64,
    /// Customers held out.
    pub control: u64,
}

/// Adds a plan up.
pub fn total(spec: &PlanSpec, customers: &Customers, plan: &Plan) -> Totals {
    let decisions = &plan.decisions;
    let sum = |of: fn(&Decision) -> f64| -> f64 { decisions.iter().map(of).sum() };
    let count = |of: fn(&Decision) -> bool| decisions.iter().filter(|d| of(d)).count() as u64;
    let (contact_cost, offer_cost) = (sum(|d| d.cost), sum(|d| d.offer_cost));
    let mut why: BTreeMap<&'static str, u64> = BTreeMap::new();
    decisions.iter().for_each(|decision| *why.entry(decision.why.text()).or_default() += 1);
    let assumed = spec.actions.iter().zip(&plan.assumed).filter(|(_, assumed)| **assumed);
    let assumed_actions: Vec<String> = assumed.map(|(action, _)| action.name.clone()).collect();
    let allocation = &plan.allocation;
    Totals {
        customers: decisions.len() as u64,
        contacted: count(|d| d.action.is_some()),
        control: count(|d| d.control),
        control_share: spec.plan.control_share,
        contact_cost,
        offer_cost,
        expected_profit: sum(|d| d.expected_profit),
        budget: spec.plan.budget,
        spent: match spec.plan.budget_covers {
            Covers::ContactsAndOffers => contact_cost + offer_cost,
            Covers::Contacts => contact_cost,
        },
        bound: allocation.bound,
        gap: allocation.gap,
        exact: allocation.exact,
        // A budget of nothing buys nothing: what its first unit would bring was not looked for.
        marginal_budget: allocation.marginal_budget,
        assumed: !assumed_actions.is_empty(),
        assumed_actions,
        places: places(spec, plan),
        groups: groups(spec, customers, plan),
        strata: strata(customers, plan),
        why,
    }
}

fn places(spec: &PlanSpec, plan: &Plan) -> Vec<Places> {
    let mut taken = vec![0; spec.actions.len()];
    plan.decisions.iter().filter_map(|d| d.action).for_each(|action| taken[action] += 1);
    let (limits, names) = limits(spec);
    let limits = limits.into_iter().zip(names).zip(&plan.allocation.marginal_places);
    let places = limits.map(|((limit, (what, name)), marginal)| Places {
        what,
        name: name.to_owned(),
        most: limit.most,
        taken: limit.actions.iter().map(|action| taken[*action]).sum(),
        marginal: (!marginal.is_nan()).then_some(*marginal),
    });
    places.collect()
}

fn tier(customers: &Customers, customer: usize) -> &'static str {
    let tier = customers.tiers.as_ref().and_then(|tiers| tiers[customer]);
    tier.map_or("none", |tier| tier.text())
}

fn grade(customers: &Customers, customer: usize) -> &'static str {
    let grade = customers.grades.as_ref().and_then(|grades| grades[customer]);
    grade.map_or("none", |grade| grade.text())
}

fn groups(spec: &PlanSpec, customers: &Customers, plan: &Plan) -> Vec<Group> {
    let planned = |of: fn(&crate::policy::Action) -> &str, decision: &Decision| {
        decision.planned.map_or("none", |action| of(&spec.actions[action])).to_owned()
    };
    let by = |what: &'static str, of: &dyn Fn(usize, &Decision) -> String| -> Vec<Group> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for (customer, decision) in plan.decisions.iter().enumerate() {
            if decision.planned.is_none() {
                continue;
            }
            let is = of(customer, decision);
            let group = groups.entry(is).or_insert_with_key(|is| Group {
                what,
                is: is.clone(),
                contacted: 0,
                control: 0,
                cost: 0.0,
                expected_profit: 0.0,
            });
            group.contacted += u64::from(decision.action.is_some());
            group.control += u64::from(decision.control);
            group.cost += decision.cost + decision.offer_cost;
            group.expected_profit += decision.expected_profit;
        }
        groups.into_values().collect()
    };
    let mut all = by("action", &|_, decision| planned(|action| &action.name, decision));
    all.extend(by("channel", &|_, decision| planned(|action| &action.channel, decision)));
    all.extend(by("lapse_tier", &|customer, _| tier(customers, customer).to_owned()));
    all.extend(by("grade", &|customer, _| grade(customers, customer).to_owned()));
    all
}

fn strata(customers: &Customers, plan: &Plan) -> Vec<Stratum> {
    let mut strata: BTreeMap<(&'static str, &'static str), (u64, u64)> = BTreeMap::new();
    let planned = plan.decisions.iter().enumerate().filter(|(_, d)| d.planned.is_some());
    for (customer, decision) in planned {
        let key = (tier(customers, customer), grade(customers, customer));
        let (contacted, control) = strata.entry(key).or_default();
        *(if decision.control { control } else { contacted }) += 1;
    }
    let strata = strata.into_iter();
    strata
        .map(|((lapse_tier, grade), (contacted, control))| Stratum {
            lapse_tier,
            grade,
            contacted,
            control,
        })
        .collect()
}
