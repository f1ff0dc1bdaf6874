//! What a campaign may do: its budget, actions, channels, offers and rules, as typed by the user, and what a sound one
//! is. Reads no file.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::frame::nearest_name;
use crate::policy::allocation::{MOST_ACTIONS, MOST_MONEY};
use crate::policy::assumed::AssumedRate;
use crate::policy::occasion::{Occasion, Window, day_of};
use crate::seed::{hash_text, mix2};

/// Most assumed rates.
const MOST_RATES: usize = 1_000;

/// All that a plan is made by.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanSpec {
    /// What holds for all actions.
    #[serde(default)]
    pub plan: PlanRules,
    /// What may be done; at least one. Doing nothing is always possible.
    #[serde(default)]
    pub actions: Vec<Action>,
    /// What each channel can carry, by name; those not named carry any number.
    #[serde(default)]
    pub channels: BTreeMap<String, Channel>,
    /// What there is of each offer, by name; those not named do not run out.
    #[serde(default)]
    pub offers: BTreeMap<String, Offer>,
    /// Success rates of one's own, where no uplift was learned.
    #[serde(default)]
    pub assumed: Vec<AssumedRate>,
}

/// The `[plan]` table.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PlanRules {
    /// The most that may be spent; without it, as much as pays.
    pub budget: Option<f64>,
    /// What the budget pays for.
    pub budget_covers: Covers,
    /// The share held out at random as control, at least 0 and below 1. With 0 no effect can be measured.
    pub control_share: f64,
    /// Actions expected to bring less are not done; at least 0.
    pub minimum_profit: f64,
    /// Decides who is held out, together with the id of the campaign where there is one.
    pub seed: u64,
    /// The most contacts within `within_days`, this one counted; at least 1.
    pub max_contacts: Option<u32>,
    /// The days that the column `contacts` tells of; at least 1.
    pub within_days: Option<u32>,
    /// Whether customers of whom nothing is said have consented.
    pub consent_default: bool,
    /// What uplift is in.
    pub outcome: Outcome,
    /// What a success brings, where `predicted_value` does not say it.
    pub value: Option<f64>,
    /// The share of money that is profit, where uplift is in money; above 0, at most 1.
    pub margin: f64,
    /// The column with the probability of the outcome without a contact.
    pub baseline: Option<String>,
    /// The first day of contacts, as `2026-03-01`.
    pub start: Option<String>,
    /// The last day of contacts.
    pub end: Option<String>,
    /// What may carry a contact.
    pub occasions: Vec<Occasion>,
    /// The kind of outcomes that is a success; not empty.
    pub success: String,
    /// Days that the campaign's effect is watched, from its start; said before it begins, 1 to 3,650.
    pub watch_days: u32,
}

/// What uplift is in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// In probability of the outcome.
    #[default]
    YesNo,
    /// In money.
    Money,
}

/// What the budget pays for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Covers {
    /// Contacts, and what offers are expected to cost.
    #[default]
    ContactsAndOffers,
    /// Contacts alone.
    Contacts,
}

/// An action: an offer through a channel.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Action {
    /// Its name, which columns `uplift_NAME` have.
    pub name: String,
    /// What is offered; empty: nothing but the contact.
    #[serde(default)]
    pub offer: String,
    /// Through which channel.
    pub channel: String,
    /// What one contact costs.
    #[serde(default)]
    pub cost: f64,
    /// What the offer costs when the customer reacts.
    #[serde(default)]
    pub offer_cost: f64,
}

/// A channel's table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Channel {
    /// The most contacts.
    #[serde(default)]
    pub capacity: Option<u64>,
}

/// An offer's table.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Offer {
    /// How many may be offered.
    #[serde(default)]
    pub stock: Option<u64>,
}

impl Default for PlanRules {
    fn default() -> PlanRules {
        PlanRules {
            budget: None,
            budget_covers: Covers::default(),
            control_share: 0.1,
            minimum_profit: 0.0,
            seed: 1,
            max_contacts: None,
            within_days: None,
            consent_default: false,
            outcome: Outcome::default(),
            value: None,
            margin: 1.0,
            baseline: None,
            start: None,
            end: None,
            occasions: Vec::new(),
            success: "purchase".to_owned(),
            watch_days: 30,
        }
    }
}

impl PlanSpec {
    /// # Errors
    /// When there is no action, a name stands twice or for nothing, or a number is out of its range.
    pub fn validate(&self) -> Result<()> {
        self.check_actions()?;
        let used = |of: fn(&Action) -> &str| -> BTreeSet<&str> {
            self.actions.iter().map(of).filter(|name| !name.is_empty()).collect()
        };
        known("channels", self.channels.keys(), &used(|action| &action.channel))?;
        known("offers", self.offers.keys(), &used(|action| &action.offer))?;
        let names: BTreeSet<&str> = self.actions.iter().map(|a| a.name.as_str()).collect();
        let count = self.assumed.len();
        check(count <= MOST_RATES, "[[assumed]]", format!("{count} of them"), "at most 1000")?;
        for (place, rate) in self.assumed.iter().enumerate() {
            let place = format!("[[assumed]] {}", place + 1);
            known(&format!("{place}: action"), rate.action.iter(), &names)?;
            let fits = (0.0..=1.0).contains(&rate.success);
            check(fits, &format!("{place}: success"), rate.success, "a share, 0 to 1")?;
        }
        self.plan.validate()
    }

    /// Lets a campaign hold out others than any other campaign does, by its id: who was held out before must not be so for
    /// ever, nor what one campaign did be counted for the next.
    pub fn draw_for(&mut self, campaign_id: &str) {
        self.plan.seed = mix2(self.plan.seed, hash_text(campaign_id));
    }

    /// The days of contacts of a sound plan.
    pub(super) fn window_of_contacts(&self) -> Option<Window> {
        self.plan.window().ok().flatten()
    }

    fn check_actions(&self) -> Result<()> {
        let count = self.actions.len();
        let some = (1..=MOST_ACTIONS).contains(&count);
        let expected = "1 to 254: an [[actions]] table each, with name, channel and cost";
        check(some, "actions", format!("{count} of them"), expected)?;
        let mut names = BTreeSet::new();
        for (place, action) in self.actions.iter().enumerate() {
            let own = |key: &str| format!("[[actions]] {}: {key}", place + 1);
            let named = !action.name.trim().is_empty() && action.name != "none";
            let expected = "a name; \"none\" is what doing nothing is called";
            check(named, &own("name"), format!("{:?}", action.name), expected)?;
            let first = names.insert(&action.name);
            let found = format!("{:?} a second time", action.name);
            check(first, &own("name"), found, "a name of its own")?;
            let through = !action.channel.trim().is_empty();
            check(through, &own("channel"), "none".to_owned(), "a channel, as email")?;
            for (key, cost) in [("cost", action.cost), ("offer_cost", action.offer_cost)] {
                amount(&format!("[[actions]] {} ({}): {key}", place + 1, action.name), cost)?;
            }
        }
        Ok(())
    }
}

impl PlanRules {
    fn validate(&self) -> Result<()> {
        self.budget.map_or(Ok(()), |budget| amount("[plan] budget", budget))?;
        amount("[plan] minimum_profit", self.minimum_profit)?;
        let share = self.control_share;
        let fits = (0.0..1.0).contains(&share);
        check(fits, "[plan] control_share", share, "a share of at least 0 and below 1, as 0.1")?;
        let fits = self.margin > 0.0 && self.margin <= 1.0;
        check(fits, "[plan] margin", self.margin, "a share above 0, at most 1")?;
        self.value.map_or(Ok(()), |value| amount("[plan] value", value))?;
        match (self.max_contacts, self.within_days) {
            (Some(0), _) => {
                check(false, "[plan] max_contacts", "0".to_owned(), "at least 1, or no such key")
            }
            (Some(_), None) | (None, Some(_)) => {
                let found = "one of max_contacts and within_days".to_owned();
                check(
                    false,
                    "[plan]",
                    found,
                    "both or none: at most so many contacts in so many days",
                )
            }
            (_, Some(0)) => check(false, "[plan] within_days", "0".to_owned(), "at least 1"),
            _ => Ok(()),
        }?;
        let named = !self.success.trim().is_empty();
        check(
            named,
            "[plan] success",
            format!("{:?}", self.success),
            "a kind of outcomes, as purchase",
        )?;
        let fits = (1..=3_650).contains(&self.watch_days);
        check(fits, "[plan] watch_days", self.watch_days, "1 to 3650")?;
        let window = self.window()?;
        let timed = window.is_some() || self.occasions.is_empty();
        let found = "occasions without start and end".to_owned();
        check(timed, "[plan] occasions", found, "start and end, as start = \"2026-03-01\"")
    }

    /// The days of contacts; `None` where the plan names none.
    ///
    /// # Errors
    /// When only one end is given, one is no date, or they are the wrong way round.
    pub fn window(&self) -> Result<Option<Window>> {
        let date = |key: &str, text: &str| {
            let day = day_of(text);
            check(day.is_some(), key, format!("{text:?}"), "a date, as 2026-03-01")?;
            Ok(day.unwrap_or_default())
        };
        match (&self.start, &self.end) {
            (None, None) => Ok(None),
            (Some(start), Some(end)) => {
                let window =
                    Window { start: date("[plan] start", start)?, end: date("[plan] end", end)? };
                let fits = window.start <= window.end;
                check(fits, "[plan] end", format!("{end:?}"), "a date not before start")?;
                Ok(Some(window))
            }
            _ => {
                let found = "one of start and end".to_owned();
                check(false, "[plan]", found, "both: the first and the last day of contacts")?;
                Ok(None)
            }
        }
    }
}

fn amount(place: &str, found: f64) -> Result<()> {
    check((0.0..=MOST_MONEY).contains(&found), place, found, "a number of at least 0, at most 1e15")
}

fn known<'a>(
    place: &str,
    names: impl Iterator<Item = &'a String>,
    used: &BTreeSet<&str>,
) -> Result<()> {
    for name in names.filter(|name| !used.contains(name.as_str())) {
        let nearest = nearest_name(name, used.iter().copied());
        let expected = match nearest {
            Some(nearest) => format!("a name that an action has; did you mean {nearest:?}?"),
            None => {
                let names: Vec<&str> = used.iter().copied().collect();
                format!("a name that an action has: {}", names.join(", "))
            }
        };
        check(false, place, format!("{name:?}"), &expected)?;
    }
    Ok(())
}

/// What does not fit is an error that says so.
pub(super) fn check(
    fits: bool,
    place: &str,
    found: impl std::fmt::Display,
    expected: &str,
) -> Result<()> {
    match fits {
        true => Ok(()),
        false => Err(Error::BadPlan {
            place: place.to_owned(),
            found: found.to_string(),
            expected: expected.to_owned(),
        }),
    }
}
