//! The demo's campaigns: one that is over, one that runs and a draft, planned as `rekindle plan` plans, with outcomes
//! drawn from effects that are known: [`EFFECTS`].

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context, Result};
use rekindle_models::behaviour::DAY_MS;
use rekindle_models::customer::LapseTier;
use rekindle_models::language::Language;
use rekindle_models::policy::{
    Action, AssumedRate, Channel, Customers as Planned, Offer, PlanRules, PlanSpec, Speaker,
    date_text, decide,
};
use rekindle_models::seed::{hash_text, mix2, unit};
use rekindle_store::{CampaignState, Contact, Decision, NewCampaign, Outcome};

use crate::commands::keeping::Held;
use crate::customers::Customers;

/// What a contact truly adds to the probability of a purchase within [`WATCH_DAYS`]. The plans assume other rates, as plans
/// do: letters are worth less than they assume, coupons more.
pub(super) const EFFECTS: [(&str, f64); 3] =
    [("letter", 0.03), ("coupon_mail", 0.14), ("call", 0.16)];
/// Days that a campaign runs and is watched.
const WATCH_DAYS: u32 = 30;
/// Days on which contacts are made.
const CONTACT_DAYS: u32 = 3;
/// Days after a contact within which those buy who would not have without it.
const PROMPT_DAYS: i64 = 14;
/// The profit of an order of a customer of whom no more is known.
const PER_ORDER: f64 = 30.0;
/// Of those who come back within 60 days if nobody contacts them, the share that does within [`WATCH_DAYS`].
const EARLY: f64 = 0.5;
/// The probability of a purchase where none is known.
const UNKNOWN: f64 = 0.04;
/// When contacts begin in the morning, and how long they go on.
const MORNING_MS: i64 = DAY_MS / 24 * 8;
const WORKING_MS: i64 = DAY_MS / 24 * 9;

/// One of the campaigns.
#[derive(Debug, Clone, Copy)]
pub(super) struct Round {
    id: &'static str,
    name: &'static str,
    /// Days before today.
    pub made_days_ago: u32,
    started_days_ago: Option<u32>,
    control_share: f64,
}

/// The oldest first.
pub(super) const ROUNDS: [Round; 3] = [
    Round {
        id: "win-back-1",
        name: "Win back, first round",
        made_days_ago: 97,
        started_days_ago: Some(95),
        control_share: 0.3,
    },
    Round {
        id: "win-back-2",
        name: "Win back, second round",
        made_days_ago: 14,
        started_days_ago: Some(12),
        control_share: 0.2,
    },
    Round {
        id: "win-back-3",
        name: "Win back, third round",
        made_days_ago: 1,
        started_days_ago: None,
        control_share: 0.1,
    },
];

/// What a campaign is planned by.
pub(super) struct Basis<'a> {
    /// Customers as they were when it was planned.
    pub customers: &'a Customers,
    /// The probability of a purchase within 60 days if nobody contacts them.
    pub comes_back: Option<&'a HashMap<String, f64>>,
    /// The profit of an order.
    pub per_order: &'a HashMap<String, f64>,
    /// Midnight, UTC.
    pub today_ms: i64,
    pub seed: u64,
}

impl Round {
    /// Plans it, makes it and, unless it is a draft, lets it run until today or its end.
    pub fn put(&self, held: &Held, basis: &Basis<'_>) -> Result<()> {
        let customers = basis.customers();
        let spec = self.spec(basis, customers.ids.len());
        let plan = decide(&spec, &customers).context("failed to plan the demo's campaign")?;
        let speaker = Speaker {
            spec: &spec,
            customers: &customers,
            plan: &plan,
            language: Language::English,
        };
        let decided = (0..customers.ids.len()).map(|place| Decision::from(speaker.decided(place)));
        // Assumed rates are taken for uplift as they are; who comes back anyway is known for the effect alone.
        let scored = |of: Decision| Decision { score: basis.comes_back(&of.customer_id), ..of };
        let decisions: Vec<Decision> = decided.map(scored).collect();
        let campaign = NewCampaign {
            campaign_id: self.id.to_owned(),
            name: self.name.to_owned(),
            settings: serde_json::to_string(&spec)
                .context("failed to write the plan's settings")?,
            assumed: true,
            created_at_micros: basis.days_ago(self.made_days_ago) * 1_000,
        };
        held.wait(held.store.create_campaign(&campaign, &decisions))?;
        let Some(days) = self.started_days_ago else { return Ok(()) };
        let course = Course {
            start_ms: basis.days_ago(days),
            today_ms: basis.today_ms,
            seed: mix2(basis.seed, hash_text(self.id)),
        };
        self.run(held, &course, &decisions)
    }

    fn run(&self, held: &Held, course: &Course, decisions: &[Decision]) -> Result<()> {
        let (store, id) = (&held.store, self.id);
        let began = (course.start_ms + MORNING_MS) * 1_000;
        held.wait(store.move_campaign(id, CampaignState::Running, began))?;
        held.wait(store.record_contacts(id, &course.contacts(decisions)))?;
        held.wait(store.record_outcomes(id, &course.outcomes(decisions)))?;
        let end = course.end_ms();
        if end <= course.today_ms {
            held.wait(store.move_campaign(id, CampaignState::Finished, end * 1_000))?;
        }
        Ok(())
    }

    fn spec(&self, basis: &Basis<'_>, customers: usize) -> PlanSpec {
        let action = |name: &str, channel: &str, offer: &str, cost, offer_cost| Action {
            name: name.to_owned(),
            offer: offer.to_owned(),
            channel: channel.to_owned(),
            cost,
            offer_cost,
        };
        let begins = self.started_days_ago.map_or(basis.today_ms + DAY_MS, |d| basis.days_ago(d));
        let day = |after: u32| date_text((begins / DAY_MS) as i32 + after as i32);
        let some = customers as u64 / 10 + 1;
        let mut spec = PlanSpec {
            plan: PlanRules {
                budget: Some((customers as f64 * 1.2).round()),
                control_share: self.control_share,
                minimum_profit: 0.25,
                seed: basis.seed,
                consent_default: true,
                value: Some(PER_ORDER),
                start: Some(day(0)),
                end: Some(day(CONTACT_DAYS - 1)),
                watch_days: WATCH_DAYS,
                ..PlanRules::default()
            },
            actions: vec![
                action("letter", "post", "", 0.8, 0.0),
                action("coupon_mail", "email", "coupon", 0.05, 5.0),
                action("call", "phone", "", 4.0, 0.0),
            ],
            channels: BTreeMap::from([("phone".to_owned(), Channel { capacity: Some(some) })]),
            offers: BTreeMap::from([("coupon".to_owned(), Offer { stock: Some(4 * some) })]),
            assumed: assumed(),
        };
        spec.draw_for(self.id);
        spec
    }
}

/// Rates that the plans assume.
fn assumed() -> Vec<AssumedRate> {
    let tiers = [(LapseTier::Drowsy, 1.0), (LapseTier::HalfAsleep, 0.8), (LapseTier::Dormant, 0.5)];
    let rates = [("letter", 0.08), ("coupon_mail", 0.1), ("call", 0.2)];
    let all = rates.into_iter().flat_map(|(action, rate)| {
        tiers.map(|(tier, share)| AssumedRate {
            stage: None,
            tier: Some(tier),
            action: Some(action.to_owned()),
            success: rate * share,
        })
    });
    all.collect()
}

impl Basis<'_> {
    fn comes_back(&self, customer_id: &str) -> Option<f64> {
        self.comes_back?.get(customer_id).copied()
    }

    fn days_ago(&self, days: u32) -> i64 {
        self.today_ms - i64::from(days) * DAY_MS
    }

    /// Those who have not been there for long, as a plan takes them.
    fn customers(&self) -> Planned {
        let asleep = |tier: Option<LapseTier>| tier.is_some_and(|tier| tier != LapseTier::Awake);
        let all = self.customers.known.iter().filter(|(_, state)| asleep(state.lapse_tier));
        let per_order = |id: &String| self.per_order.get(id).copied().unwrap_or(f64::NAN);
        Planned {
            ids: all.clone().map(|(id, _)| id.clone()).collect(),
            stages: Some(all.clone().map(|(_, state)| Some(state.lifecycle_stage)).collect()),
            tiers: Some(all.clone().map(|(_, state)| state.lapse_tier).collect()),
            grades: Some(all.clone().map(|(_, state)| self.customers.grade(state)).collect()),
            values: Some(all.clone().map(|(id, _)| per_order(id)).collect()),
            uplifts: vec![None; EFFECTS.len()],
            ..Planned::default()
        }
    }
}

/// What comes of a campaign.
struct Course {
    /// Midnight of the day on which it begins.
    start_ms: i64,
    today_ms: i64,
    seed: u64,
}

impl Course {
    fn end_ms(&self) -> i64 {
        self.start_ms + i64::from(WATCH_DAYS) * DAY_MS
    }

    /// A number from 0 to 1 for a customer.
    fn draw(&self, customer_id: &str, which: u64) -> f64 {
        unit(mix2(mix2(self.seed, hash_text(customer_id)), which))
    }

    fn contacted_ms(&self, customer_id: &str) -> i64 {
        let day = (self.draw(customer_id, 0) * f64::from(CONTACT_DAYS)) as i64;
        let time = (self.draw(customer_id, 1) * WORKING_MS as f64) as i64;
        self.start_ms + day * DAY_MS + MORNING_MS + time
    }

    /// All who are to be contacted are.
    fn contacts(&self, decisions: &[Decision]) -> Vec<Contact> {
        let treated = decisions.iter().filter(|of| of.action != "none" && !of.control);
        let contact = |of: &Decision| Contact {
            customer_id: of.customer_id.clone(),
            action: of.action.clone(),
            channel: of.channel.clone(),
            contacted_at_micros: self.contacted_ms(&of.customer_id) * 1_000,
            propensity: Some(of.propensity),
        };
        treated.map(contact).collect()
    }

    /// Purchases until today or the campaign's end, of those contacted and of those held out.
    fn outcomes(&self, decisions: &[Decision]) -> Vec<Outcome> {
        let until = self.end_ms().min(self.today_ms);
        let mut outcomes: Vec<Outcome> = Vec::new();
        for of in decisions.iter().filter(|of| of.action != "none") {
            let Some(occurred) = self.purchase_ms(of).filter(|at| *at < until) else { continue };
            let draw = |which| self.draw(&of.customer_id, which);
            let late = (draw(4) * DAY_MS as f64 / 2.0) as i64;
            let amount = of.predicted_value.unwrap_or(PER_ORDER) * (0.5 + draw(5));
            outcomes.push(Outcome {
                // Names of customers stand in no other text: who is erased is gone.
                outcome_id: format!("order-{:05}", outcomes.len() + 1),
                customer_id: of.customer_id.clone(),
                kind: "purchase".to_owned(),
                amount: (amount.max(1.0) * 100.0).round() / 100.0,
                occurred_at_micros: occurred * 1_000,
                received_at_micros: (occurred + late).min(self.today_ms) * 1_000,
            });
        }
        outcomes
    }

    /// When a customer buys in the campaign's time, if it does: on any day of its own accord, or soon after a contact.
    fn purchase_ms(&self, of: &Decision) -> Option<i64> {
        let id = &of.customer_id;
        let (draw, when) = (self.draw(id, 2), self.draw(id, 3));
        let own = of.score.map_or(UNKNOWN, |score| EARLY * score);
        if draw < own {
            return Some(self.start_ms + (when * (self.end_ms() - self.start_ms) as f64) as i64);
        }
        let (_, effect) = EFFECTS.iter().find(|(action, _)| *action == of.action)?;
        let for_the_contact = !of.control && draw < own + effect;
        let wait = (when * (PROMPT_DAYS * DAY_MS) as f64) as i64;
        for_the_contact.then(|| self.contacted_ms(id) + wait)
    }
}
