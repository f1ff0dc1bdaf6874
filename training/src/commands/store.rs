//! `rekindle store`: what is held of one customer, told and erased.

use std::path::{Path, PathBuf};

use anyhow::{Result, bail};
use chrono::{DateTime, SecondsFormat};
use clap::{Args, Subcommand};
use rekindle_store::{
    Contact, Customer, Decision, InCampaign, Outcome, PastScore, StateSpan, StoredEvent,
    StoredScore,
};
use serde_json::{Value, json};

use crate::commands::keeping::Held;
use crate::commands::{Talk, print, write_whole};

/// Tell or erase all that a store holds of a customer
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  rekindle store export customers.db C0000031 -o C0000031.json\n  rekindle \
store erase customers.db C0000031\n\nA store is a SQLite file (customers.db, sqlite:FILE) or \
postgres://USER@HOST/DATABASE,\nwith its password in PGPASSWORD."
)]
pub struct StoreCommand {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Write all that is held of a customer, as JSON
    Export {
        /// The store
        store: String,
        /// The customer's id
        customer: String,
        /// File to write; - for standard output
        #[arg(short, long, value_name = "FILE", default_value = "-")]
        output: PathBuf,
    },
    /// Erase a customer in every table. Backups, exports and logs that the store was made from are not reached
    Erase {
        /// The store
        store: String,
        /// The customer's id
        customer: String,
    },
}

impl StoreCommand {
    pub(super) fn run(self, talk: Talk) -> Result<u8> {
        match self.action {
            Action::Export { store, customer, output } => export(&store, &customer, &output, talk),
            Action::Erase { store, customer } => erase(&store, &customer, talk),
        }
    }
}

fn export(store: &str, customer_id: &str, output: &Path, talk: Talk) -> Result<u8> {
    let held = Held::open_existing(store)?;
    let customer = held.wait(held.store.customer(customer_id))?;
    if customer.is_unknown() {
        bail!("{}: nothing is held of customer {customer_id:?}", held.store.shown());
    }
    held.close();
    let text = format!("{:#}\n", document(customer_id, &customer));
    if output == Path::new("-") {
        print(&text)?;
        return Ok(0);
    }
    write_whole(output, |to| to.write_all(text.as_bytes()))?;
    talk.say(&format!("{customer_id} written to {}", output.display()));
    Ok(0)
}

fn erase(store: &str, customer_id: &str, talk: Talk) -> Result<u8> {
    let held = Held::open_existing(store)?;
    let erased = held.wait(held.store.erase(customer_id))?;
    let rows: Vec<String> =
        erased.rows.iter().map(|(table, rows)| format!("{table} {rows}")).collect();
    talk.say(&format!(
        "{}: {} rows of {customer_id} erased ({})",
        held.store.shown(),
        erased.total(),
        rows.join(", ")
    ));
    if erased.log_remains {
        talk.say(&format!(
            "warning: somebody reads the store, so its log ({}-wal) holds copies until it is emptied; erase again \
             later to empty it",
            held.store.shown()
        ));
    }
    held.close();
    Ok(0)
}

fn document(customer_id: &str, customer: &Customer) -> Value {
    json!({
        "customer_id": customer_id,
        "scores": customer.scores.iter().map(score).collect::<Vec<_>>(),
        "past_scores": customer.past_scores.iter().map(past_score).collect::<Vec<_>>(),
        "states": customer.states.iter().map(state).collect::<Vec<_>>(),
        "decisions": customer.decisions.iter().map(decision).collect::<Vec<_>>(),
        "contacts": customer.contacts.iter().map(contact).collect::<Vec<_>>(),
        "outcomes": customer.outcomes.iter().map(outcome).collect::<Vec<_>>(),
        "events": customer.events.iter().map(event).collect::<Vec<_>>(),
    })
}

/// An instant as RFC 3339; the number itself where no calendar reaches.
fn instant(micros: i64) -> Value {
    match DateTime::from_timestamp_micros(micros) {
        Some(time) => time.to_rfc3339_opts(SecondsFormat::Micros, true).into(),
        None => micros.into(),
    }
}

fn score(score: &StoredScore) -> Value {
    json!({
        "model_name": score.model_name,
        "model_version": score.model_version,
        "probability": score.probability,
        "percentile": score.percentile,
        "positive": score.positive,
        "lapse_tier": score.lapse_tier,
        "lifecycle_stage": score.lifecycle_stage,
        "grade": score.grade,
        "cutoff": score.cutoff,
        "scored_at": instant(score.scored_at_micros),
        "reasons": score.reasons,
    })
}

fn past_score(score: &PastScore) -> Value {
    json!({
        "model_name": score.model_name,
        "model_version": score.model_version,
        "probability": score.probability,
        "percentile": score.percentile,
        "scored_at": instant(score.scored_at_micros),
    })
}

fn event(event: &StoredEvent) -> Value {
    json!({
        "occurred_at": instant(event.occurred_at_micros),
        "kind": event.kind,
        "amount": event.amount,
        "product": event.product,
        "channel": event.channel,
    })
}

fn state(span: &StateSpan) -> Value {
    let state = &span.state;
    json!({
        "valid_from": instant(span.valid_from_micros),
        "as_of": instant(span.as_of_micros),
        "lapse_tier": state.lapse_tier,
        "lifecycle_stage": state.lifecycle_stage,
        "grade": state.grade,
        "historic_value": state.historic_value,
        "predicted_value": state.predicted_value,
        "probability_alive": state.probability_alive,
        "predicted_number_of_orders": state.predicted_orders,
        "expected_date_of_next_order": state.next_order.on,
        "expected_date_of_next_order_from": state.next_order.from,
        "expected_date_of_next_order_until": state.next_order.until,
    })
}

fn decision(decision: &InCampaign<Decision>) -> Value {
    let InCampaign { campaign_id, of } = decision;
    json!({
        "campaign": campaign_id,
        "action": of.action,
        "offer": of.offer,
        "channel": of.channel,
        "cost": of.cost,
        "uplift": of.uplift,
        "expected_profit": of.expected_profit,
        "control": of.control,
        "propensity": of.propensity,
        "lapse_tier": of.lapse_tier,
        "lifecycle_stage": of.lifecycle_stage,
        "grade": of.grade,
        "score": of.score,
        "predicted_value": of.predicted_value,
        "sentence": of.sentence,
        "contact_on": of.contact_on,
    })
}

fn contact(contact: &InCampaign<Contact>) -> Value {
    let InCampaign { campaign_id, of } = contact;
    json!({
        "campaign": campaign_id,
        "action": of.action,
        "channel": of.channel,
        "contacted_at": instant(of.contacted_at_micros),
        "propensity": of.propensity,
    })
}

fn outcome(outcome: &InCampaign<Outcome>) -> Value {
    let InCampaign { campaign_id, of } = outcome;
    json!({
        "campaign": campaign_id,
        "outcome_id": of.outcome_id,
        "kind": of.kind,
        "amount": of.amount,
        "occurred_at": instant(of.occurred_at_micros),
        "received_at": instant(of.received_at_micros),
    })
}
