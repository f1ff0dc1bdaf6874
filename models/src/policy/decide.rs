//! A plan: for each customer an action or none, why, when, and how likely that was. Writes no sentences and adds
//! nothing up.

use rayon::prelude::*;

use crate::customer::{LapseTier, LifecycleStage};
use crate::error::Result;
use crate::policy::allocation::{Allocation, Costs, Limit, Problem, allocate};
use crate::policy::assumed::success;
use crate::policy::control::held_out;
use crate::policy::customers::{Customers, number};
use crate::policy::expectation::{Expected, Uplift, expect};
use crate::policy::occasion::{Occasion, Window, contact_day};
use crate::policy::spec::{Action, Covers, PlanSpec};
use crate::seed::hash_text;

/// What is done with a customer.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// The action's place in the plan file; `None`: none.
    pub action: Option<usize>,
    /// What the customer is planned to have: `action`, or what those held out would have had. Treated and control are
    /// comparable among those who are planned to have something.
    pub planned: Option<usize>,
    /// Whether the customer was planned to have something and is held out at random.
    pub control: bool,
    /// The probability of being assigned so: of those planned to have something, that of being held out or not; else 1.
    pub propensity: f64,
    /// What the contact costs; 0 for none.
    pub cost: f64,
    /// What the offer is expected to cost; 0 for none.
    pub offer_cost: f64,
    /// The uplift of `action`; 0 for none.
    pub uplift: f64,
    /// What it is expected to bring after all costs; 0 for none.
    pub expected_profit: f64,
    /// Why so.
    pub why: Why,
    /// The day of contact, in days since 1970; `None` for none and for plans without days.
    pub contact_on: Option<i32>,
    /// What carries the contact.
    pub occasion: Option<Occasion>,
}

/// Why a customer has an action or none. Of what speaks against contact the first that holds, in this order.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Why {
    /// It has one.
    Chosen,
    /// Held out at random.
    Control,
    /// Must not be contacted.
    Excluded,
    /// Has been contacted as often as may be.
    ContactCap,
    /// Has consented to none of the channels.
    NoConsent,
    /// Nothing is known of what it is worth, or of the uplift.
    NoValue,
    /// The best action brings less than the minimum, or a loss.
    BelowMinimum {
        /// The best action.
        best: usize,
        /// What it would bring.
        profit: f64,
    },
    /// The best action brings less than its cost brings elsewhere, or does not fit into what is left.
    Budget {
        /// The best action.
        best: usize,
        /// What it would bring.
        profit: f64,
        /// What its cost and places bring elsewhere.
        charge: f64,
    },
    /// The places of its channel and offer bring more elsewhere.
    Places {
        /// The best action.
        best: usize,
        /// What it would bring.
        profit: f64,
        /// What its cost and places bring elsewhere.
        charge: f64,
    },
}

/// A plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// By customer.
    pub decisions: Vec<Decision>,
    /// How good the allocation is.
    pub allocation: Allocation,
    /// By action: whether its uplift is assumed, not learned.
    pub assumed: Vec<bool>,
}

impl Why {
    /// Its name as it stands in files and replies.
    pub fn text(&self) -> &'static str {
        match self {
            Why::Chosen => "chosen",
            Why::Control => "control",
            Why::Excluded => "excluded",
            Why::ContactCap => "contact_cap",
            Why::NoConsent => "no_consent",
            Why::NoValue => "no_value",
            Why::BelowMinimum { .. } => "below_minimum",
            Why::Budget { .. } => "budget",
            Why::Places { .. } => "places",
        }
    }
}

/// Plans a campaign. The same customers and plan give the same decisions, whatever their order and the number of
/// threads.
///
/// # Errors
/// When the plan or the customers are not sound.
pub fn decide(spec: &PlanSpec, customers: &Customers) -> Result<Plan> {
    decided(spec, customers, true)
}

/// As [`decide`], but soon: where few customers are in doubt the best allocation itself is not searched for. What that
/// gives away is in `gap` all the same. For figures that are shown while a plan is changed, not for plans that are kept.
///
/// # Errors
/// As [`decide`].
pub fn decide_soon(spec: &PlanSpec, customers: &Customers) -> Result<Plan> {
    decided(spec, customers, false)
}

fn decided(spec: &PlanSpec, customers: &Customers, search: bool) -> Result<Plan> {
    spec.validate()?;
    customers.validate(spec)?;
    let planning = Planning::new(spec, customers);
    let profits = planning.cells(|customer, action| planning.allowed_profit(customer, action));
    let costs = planning.costs();
    let ids = &customers.ids;
    let keys: Vec<u64> = ids.par_iter().map(|id| hash_text(id)).collect();
    let rules = &spec.plan;
    let held = held_out(customers, rules.seed, rules.control_share);
    let allocation = allocate(&Problem {
        keys: &keys,
        actions: spec.actions.len(),
        profits: &profits,
        costs: costs.costs(),
        budget: rules.budget,
        limits: &planning.limits,
        minimum: rules.minimum_profit,
        held_out: &held,
        search,
    })?;
    let decisions = (0..ids.len())
        .into_par_iter()
        .map(|customer| planning.decision(customer, held[customer], &allocation))
        .collect();
    let assumed = (0..spec.actions.len()).map(|action| customers.learned(action).is_none());
    let assumed = assumed.collect();
    Ok(Plan { decisions, allocation, assumed })
}

/// Capacities of channels, then stocks of offers, with their names; as the allocation has them.
pub fn limits(spec: &PlanSpec) -> (Vec<Limit>, Vec<(&'static str, &str)>) {
    let of = |name: &str, most: u64, key: fn(&Action) -> &str| Limit {
        actions: (0..spec.actions.len()).filter(|a| key(&spec.actions[*a]) == name).collect(),
        most,
    };
    let channels = spec.channels.iter().filter_map(|(name, channel)| {
        let most = channel.capacity?;
        Some((of(name, most, |action| &action.channel), ("channel", name.as_str())))
    });
    let offers = spec.offers.iter().filter_map(|(name, offer)| {
        let most = offer.stock?;
        Some((of(name, most, |action| &action.offer), ("offer", name.as_str())))
    });
    channels.chain(offers).unzip()
}

/// Costs as an allocation takes them.
enum Costing {
    PerAction(Vec<f64>),
    PerCell(Vec<f64>),
}

impl Costing {
    fn costs(&self) -> Costs<'_> {
        match self {
            Costing::PerAction(costs) => Costs::PerAction(costs),
            Costing::PerCell(costs) => Costs::PerCell(costs),
        }
    }
}

/// A plan being made.
struct Planning<'a> {
    spec: &'a PlanSpec,
    customers: &'a Customers,
    /// Consents by action.
    consents: Vec<Option<&'a [Option<bool>]>>,
    window: Option<Window>,
    limits: Vec<Limit>,
    /// Assumed success rates by stage, tier (none last) and action.
    rates: Vec<f64>,
}

impl<'a> Planning<'a> {
    fn new(spec: &'a PlanSpec, customers: &'a Customers) -> Planning<'a> {
        let consents = spec.actions.iter();
        let consents = consents.map(|a| customers.consents.get(&a.channel).map(Vec::as_slice));
        let window = spec.window_of_contacts();
        let (limits, _) = limits(spec);
        let mut rates = Vec::new();
        for stage in LifecycleStage::ALL {
            for tier in LapseTier::ALL.map(Some).into_iter().chain([None]) {
                let all = spec.actions.iter();
                rates.extend(all.map(|action| success(&spec.assumed, stage, tier, &action.name)));
            }
        }
        Planning { spec, customers, consents: consents.collect(), window, limits, rates }
    }

    /// A number for every customer and action, row after row.
    fn cells(&self, of: impl Fn(usize, usize) -> f64 + Sync) -> Vec<f64> {
        let actions = self.spec.actions.len();
        let mut cells = vec![0.0; actions * self.customers.ids.len()];
        cells.par_chunks_mut(actions).enumerate().for_each(|(customer, row)| {
            row.iter_mut().enumerate().for_each(|(action, cell)| *cell = of(customer, action));
        });
        cells
    }

    fn costs(&self) -> Costing {
        let actions = &self.spec.actions;
        let contacts = self.spec.plan.budget_covers == Covers::Contacts;
        if contacts || actions.iter().all(|action| action.offer_cost == 0.0) {
            return Costing::PerAction(actions.iter().map(|action| action.cost).collect());
        }
        Costing::PerCell(self.cells(|customer, action| self.paid(customer, action)))
    }

    /// What the budget pays for an action.
    fn paid(&self, customer: usize, action: usize) -> f64 {
        let offer = match self.spec.plan.budget_covers {
            Covers::ContactsAndOffers => self.expected(customer, action).offer_cost,
            Covers::Contacts => 0.0,
        };
        self.spec.actions[action].cost + offer
    }

    fn expected(&self, customer: usize, action: usize) -> Expected {
        let (own, rules) = (&self.spec.actions[action], &self.spec.plan);
        let uplift = match self.customers.learned(action) {
            Some(uplifts) => Uplift::Learned(uplifts[customer]),
            None => {
                let stage = self.customers.stages.as_ref().and_then(|stages| stages[customer]);
                let tier = self.customers.tiers.as_ref().and_then(|tiers| tiers[customer]);
                let tier = tier.map_or(LapseTier::ALL.len(), |tier| tier as usize);
                // Sound customers have a stage wherever uplift is assumed.
                let rate = stage.map_or(f64::NAN, |stage| {
                    let group = stage as usize * (LapseTier::ALL.len() + 1) + tier;
                    self.rates[group * self.spec.actions.len() + action]
                });
                Uplift::Success(rate)
            }
        };
        let value = match number(&self.customers.values, customer) {
            value if value.is_nan() => rules.value.unwrap_or(f64::NAN),
            value => value,
        };
        let baseline = number(&self.customers.baselines, customer);
        expect(own, uplift, rules.outcome, (value, rules.margin, baseline))
    }

    fn excluded(&self, customer: usize) -> bool {
        self.customers.excluded.as_ref().is_some_and(|excluded| excluded[customer])
    }

    /// Whether one contact more would be one too many.
    fn capped(&self, customer: usize) -> bool {
        let most = self.spec.plan.max_contacts;
        most.is_some_and(|most| number(&self.customers.contacts, customer) + 1.0 > f64::from(most))
    }

    fn consents(&self, customer: usize, action: usize) -> bool {
        let said = self.consents[action].and_then(|consents| consents[customer]);
        said.unwrap_or(self.spec.plan.consent_default)
    }

    /// NaN where the action is not allowed.
    fn allowed_profit(&self, customer: usize, action: usize) -> f64 {
        let barred =
            self.excluded(customer) || self.capped(customer) || !self.consents(customer, action);
        if barred { f64::NAN } else { self.expected(customer, action).profit }
    }

    fn decision(&self, customer: usize, held: bool, allocation: &Allocation) -> Decision {
        let planned = allocation.actions[customer];
        let control = held && planned.is_some();
        let action = planned.filter(|_| !held);
        let share = self.spec.plan.control_share;
        let expected = action.map(|action| self.expected(customer, action));
        let (contact_on, occasion) = match (action, self.window) {
            (Some(_), Some(window)) => {
                let days = self.customers.days(customer);
                let (day, occasion) = contact_day(window, &self.spec.plan.occasions, &days);
                (Some(day), occasion)
            }
            _ => (None, None),
        };
        Decision {
            action,
            planned,
            control,
            propensity: match (planned, control) {
                (None, _) => 1.0,
                (Some(_), true) => share,
                (Some(_), false) => 1.0 - share,
            },
            cost: action.map_or(0.0, |action| self.spec.actions[action].cost),
            offer_cost: expected.map_or(0.0, |expected| expected.offer_cost),
            uplift: expected.map_or(0.0, |expected| expected.uplift),
            expected_profit: expected.map_or(0.0, |expected| expected.profit),
            why: match planned {
                Some(_) if control => Why::Control,
                Some(_) => Why::Chosen,
                None => self.why_none(customer, allocation),
            },
            contact_on,
            occasion,
        }
    }

    fn why_none(&self, customer: usize, allocation: &Allocation) -> Why {
        if self.excluded(customer) {
            return Why::Excluded;
        }
        if self.capped(customer) {
            return Why::ContactCap;
        }
        let actions = 0..self.spec.actions.len();
        let open: Vec<usize> = actions.filter(|a| self.consents(customer, *a)).collect();
        if open.is_empty() {
            return Why::NoConsent;
        }
        let profits = open.iter().map(|action| (self.expected(customer, *action).profit, *action));
        let known = profits.filter(|(profit, _)| !profit.is_nan());
        // Of equal ones the first.
        let best = known.max_by(|a, b| a.0.total_cmp(&b.0).then(b.1.cmp(&a.1)));
        let Some((profit, best)) = best else { return Why::NoValue };
        if profit <= 0.0 || profit < self.spec.plan.minimum_profit {
            return Why::BelowMinimum { best, profit };
        }
        let money = allocation.marginal_budget.unwrap_or(0.0) * self.paid(customer, best);
        let own = self.limits.iter().zip(&allocation.marginal_places);
        let own = own.filter(|(limit, _)| limit.actions.contains(&best));
        // A limit of no place has no price.
        let places: f64 = own.map(|(_, p)| if p.is_nan() { f64::INFINITY } else { *p }).sum();
        let no_money = self.spec.plan.budget.is_some_and(|most| self.paid(customer, best) > most);
        let charge = if no_money { f64::INFINITY } else { money } + places;
        if no_money || money > places || (places == 0.0 && self.spec.plan.budget.is_some()) {
            Why::Budget { best, profit, charge }
        } else {
            Why::Places { best, profit, charge }
        }
    }
}
