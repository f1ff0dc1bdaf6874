//! What is kept of a customer.

use std::time::SystemTime;

use actix_web::{HttpResponse, web};
use rekindle_store::{
    CampaignState, Contact, Customer, Decision as Decided, InCampaign, Outcome, PastScore,
    StateSpan, StoredEvent, StoredReason, StoredScore,
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
    /// Every score, by the models' names, the oldest first.
    past_scores: Vec<KeptPastScore>,
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
    /// What it did last, the newest first.
    events: Vec<KeptEvent>,
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
    /// What moved it most, the strongest first, where that was kept.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<KeptReason>,
}

#[derive(Serialize, ToSchema)]
struct KeptReason {
    feature: String,
    /// How far it moved the margin (log odds, before calibration).
    contribution: f64,
    english: String,
    chinese: String,
}

#[derive(Serialize, ToSchema)]
struct KeptPastScore {
    model_name: String,
    model_version: u32,
    probability: f64,
    percentile: u8,
    /// When it was scored, RFC 3339 in UTC.
    scored_at: String,
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
    /// How many orders are expected within the span of the predicted value.
    #[serde(skip_serializing_if = "Option::is_none")]
    predicted_number_of_orders: Option<f64>,
    /// The day by which the next order is as likely as not, if the customer has not left.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_date_of_next_order: Option<String>,
    /// Where an interval around it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_date_of_next_order_from: Option<String>,
    /// Where the interval ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_date_of_next_order_until: Option<String>,
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

#[derive(Serialize, ToSchema)]
struct KeptEvent {
    occurred_at: String,
    kind: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    amount: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
}

/// Shows all that is kept of a customer: its latest scores with their age and all before them, its states with their values,
/// its newest events, what campaigns decided and what is advised now, the contacts made and what came of them.
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
        past_scores: customer.past_scores.into_iter().map(KeptPastScore::from).collect(),
        states: customer.states.into_iter().rev().map(KeptState::from).collect(),
        advice: decisions.iter().find(|decision| decision.campaign_state == runs).cloned(),
        decisions,
        contacts: customer.contacts.into_iter().map(KeptContact::from).collect(),
        outcomes: customer.outcomes.into_iter().map(KeptOutcome::from).collect(),
        events: customer.events.into_iter().map(KeptEvent::from).collect(),
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
        reasons: score.reasons.into_iter().map(KeptReason::from).collect(),
    }
}

impl From<StoredReason> for KeptReason {
    fn from(reason: StoredReason) -> KeptReason {
        let StoredReason { feature, contribution, english, chinese } = reason;
        KeptReason { feature, contribution, english, chinese }
    }
}

impl From<PastScore> for KeptPastScore {
    fn from(score: PastScore) -> KeptPastScore {
        KeptPastScore {
            model_name: score.model_name,
            model_version: score.model_version,
            probability: score.probability,
            percentile: score.percentile,
            scored_at: told_time(score.scored_at_micros),
        }
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
            predicted_number_of_orders: span.state.predicted_orders,
            expected_date_of_next_order: span.state.next_order.on,
            expected_date_of_next_order_from: span.state.next_order.from,
            expected_date_of_next_order_until: span.state.next_order.until,
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

impl From<StoredEvent> for KeptEvent {
    fn from(event: StoredEvent) -> KeptEvent {
        KeptEvent {
            occurred_at: told_time(event.occurred_at_micros),
            kind: event.kind,
            amount: event.amount,
            product: event.product,
            channel: event.channel,
        }
    }
}
