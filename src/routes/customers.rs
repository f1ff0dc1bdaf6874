//! What is kept of a customer.

use std::time::SystemTime;

use actix_web::{HttpResponse, web};
use rekindle_store::{
    CampaignState, Contact, Customer, Decision as Decided, InCampaign, Outcome, StateSpan,
    StoredScore,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::campaigns::told_time;
use crate::error::ApiError;
use crate::scoring::Decision;
use crate::state::AppState;

/// All that is kept of a customer.
#[derive(Serialize, ToSchema)]
pub struct CustomerPage {
    customer_id: String,
    /// Its latest scores by each model, in the order of their names.
    scores: Vec<KeptScore>,
    /// What it was and is, the newest first; of value and probability, what was seen last.
    states: Vec<KeptState>,
    /// What is advised now: the decision of the newest campaign that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    advice: Option<KeptDecision>,
    /// What campaigns decided, the newest first.
    decisions: Vec<KeptDecision>,
    /// Contacts that were made, the oldest first.
    contacts: Vec<KeptContact>,
    /// What came of them, the oldest first.
    outcomes: Vec<KeptOutcome>,
}

#[derive(Serialize, ToSchema)]
struct KeptScore {
    model_name: String,
    model_version: u32,
    probability: f64,
    percentile: u8,
    decision: Decision,
    #[serde(skip_serializing_if = "Option::is_none")]
    lapse_tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<String>,
    /// What was known of the customer then.
    #[serde(skip_serializing_if = "Option::is_none")]
    cutoff: Option<String>,
    /// When it was scored, RFC 3339 in UTC.
    scored_at: String,
    /// Seconds since.
    age_seconds: u64,
}

#[derive(Serialize, ToSchema)]
struct KeptState {
    #[serde(skip_serializing_if = "Option::is_none")]
    lapse_tier: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lifecycle_stage: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    grade: Option<String>,
    /// Profit minus cost until then.
    #[serde(skip_serializing_if = "Option::is_none")]
    historic_value: Option<f64>,
    /// What is expected from then on.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_value: Option<f64>,
    /// The probability that the customer will buy again at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    probability_alive: Option<f64>,
    /// When it was seen so first.
    since: String,
    /// When it was seen so last.
    as_of: String,
}

#[derive(Clone, Serialize, ToSchema)]
struct KeptDecision {
    campaign_id: String,
    /// `draft`, `running` or `finished`.
    campaign_state: &'static str,
    /// The action, or `none`.
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    offer: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// The action, or what a customer who is held out would have had.
    planned: String,
    /// Whether it is held out at random: not to be contacted.
    control: bool,
    uplift: f64,
    expected_profit: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    contact_on: Option<String>,
    /// Why, in a sentence.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

#[derive(Serialize, ToSchema)]
struct KeptContact {
    campaign_id: String,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    contacted_at: String,
}

#[derive(Serialize, ToSchema)]
struct KeptOutcome {
    campaign_id: String,
    outcome_id: String,
    kind: String,
    amount: f64,
    occurred_at: String,
}

/// Shows all that is kept of a customer: its latest scores with their age, its states with their values, what campaigns
/// decided and what is advised now, the contacts made and what came of them.
#[utoipa::path(get, path = "/v1/customers/{id}", operation_id = "show_customer", tag = "customers",
    params(("id" = String, Path, description = "The customer, as in the scored table.", example = "7590-VHVEG")),
    responses((status = 200, description = "What is kept of it.", body = CustomerPage)))]
pub async fn show(
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let customer_id = id.into_inner();
    let asked = customer_id.clone();
    let read = |store: rekindle_store::Store| async move { store.customer(&asked).await };
    let customer = state.ask(state.deadline(), read).await?;
    if customer.is_unknown() {
        return Err(ApiError::UnknownCustomer);
    }
    Ok(HttpResponse::Ok().json(page(customer_id, customer)))
}

fn page(customer_id: String, customer: Customer) -> CustomerPage {
    let now = SystemTime::now();
    let decisions = newest_first(&customer);
    let runs = CampaignState::Running.text();
    CustomerPage {
        customer_id,
        scores: customer.scores.into_iter().map(|score| kept_score(score, now)).collect(),
        states: customer.states.into_iter().rev().map(KeptState::from).collect(),
        advice: decisions.iter().find(|decision| decision.campaign_state == runs).cloned(),
        decisions,
        contacts: customer.contacts.into_iter().map(KeptContact::from).collect(),
        outcomes: customer.outcomes.into_iter().map(KeptOutcome::from).collect(),
    }
}

/// Decisions in the order of their campaigns.
fn newest_first(customer: &Customer) -> Vec<KeptDecision> {
    let campaigns = customer.campaigns.iter();
    let decided = campaigns.flat_map(|campaign| {
        let id = &campaign.made.campaign_id;
        let own = customer.decisions.iter().filter(move |decision| decision.campaign_id == *id);
        own.map(|decision| kept_decision(decision, campaign.state))
    });
    decided.collect()
}

fn kept_decision(decision: &InCampaign<Decided>, state: CampaignState) -> KeptDecision {
    let InCampaign { campaign_id, of } = decision;
    KeptDecision {
        campaign_id: campaign_id.clone(),
        campaign_state: state.text(),
        action: if of.control { "none".to_owned() } else { of.action.clone() },
        offer: of.offer.clone().filter(|_| !of.control),
        channel: of.channel.clone().filter(|_| !of.control),
        planned: of.action.clone(),
        control: of.control,
        uplift: of.uplift,
        expected_profit: of.expected_profit,
        contact_on: of.contact_on.clone(),
        reason: of.sentence.clone(),
    }
}

fn kept_score(score: StoredScore, now: SystemTime) -> KeptScore {
    let scored_at = SystemTime::UNIX_EPOCH
        + std::time::Duration::from_micros(score.scored_at_micros.max(0) as u64);
    KeptScore {
        model_name: score.model_name,
        model_version: score.model_version,
        probability: score.probability,
        percentile: score.percentile,
        decision: Decision { positive: score.positive },
        lapse_tier: score.lapse_tier,
        lifecycle_stage: score.lifecycle_stage,
        grade: score.grade,
        cutoff: score.cutoff,
        scored_at: told_time(score.scored_at_micros),
        age_seconds: now.duration_since(scored_at).unwrap_or_default().as_secs(),
    }
}

impl From<StateSpan> for KeptState {
    fn from(span: StateSpan) -> KeptState {
        KeptState {
            lapse_tier: span.state.lapse_tier,
            lifecycle_stage: span.state.lifecycle_stage,
            grade: span.state.grade,
            historic_value: span.state.historic_value,
            predicted_value: span.state.predicted_value,
            probability_alive: span.state.probability_alive,
            since: told_time(span.valid_from_micros),
            as_of: told_time(span.as_of_micros),
        }
    }
}

impl From<InCampaign<Contact>> for KeptContact {
    fn from(InCampaign { campaign_id, of }: InCampaign<Contact>) -> KeptContact {
        KeptContact {
            campaign_id,
            action: of.action,
            channel: of.channel,
            contacted_at: told_time(of.contacted_at_micros),
        }
    }
}

impl From<InCampaign<Outcome>> for KeptOutcome {
    fn from(InCampaign { campaign_id, of }: InCampaign<Outcome>) -> KeptOutcome {
        KeptOutcome {
            campaign_id,
            outcome_id: of.outcome_id,
            kind: of.kind,
            amount: of.amount,
            occurred_at: told_time(of.occurred_at_micros),
        }
    }
}
