//! Campaigns as the service takes and tells them. Asks no store.

use std::time::{SystemTime, UNIX_EPOCH};

use chrono::{DateTime, SecondsFormat};
use rekindle_models::language::Language;
use rekindle_models::policy::{Action, PlanSpec, Totals};
use rekindle_store::{
    Campaign, CampaignState, Contact, Decision, Delivery, NewCampaign, Outcome, Recorded, Tally,
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::customers::Limits;
use crate::error::ApiError;
use crate::plans::{Customer, Planned, read};
use crate::spreadsheet::plain;
use crate::submitted::{id, instant, number};

/// What a campaign is made of.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    campaign_id: String,
    /// What people call it; the id where it is not said.
    name: Option<String>,
    /// As a plan file of `rekindle plan`.
    spec: PlanSpec,
    customers: Vec<Customer>,
}

/// A campaign to be kept, with its decisions.
pub struct Draft {
    /// The campaign.
    pub campaign: NewCampaign,
    /// A decision for each customer.
    pub decisions: Vec<Decision>,
    /// The plan added up.
    pub totals: Totals,
}

/// Reads a request's body and plans. `now_micros` is when the campaign is made.
///
/// # Errors
/// When the body is not JSON, or something of it makes no plan.
pub fn draft(
    body: &[u8],
    limits: Limits,
    language: Language,
    now_micros: i64,
) -> Result<Draft, ApiError> {
    let Request { campaign_id, name, mut spec, customers } = read(body)?;
    spec.draw_for(&campaign_id);
    let planned = Planned::new(spec, customers, limits)?;
    let name = name.unwrap_or_else(|| campaign_id.clone());
    Ok(Draft::of(&planned, (campaign_id, name), language, now_micros))
}

impl Draft {
    /// The campaign of a plan, which was drawn for its id.
    pub fn of(
        planned: &Planned,
        (campaign_id, name): (String, String),
        language: Language,
        now_micros: i64,
    ) -> Draft {
        let totals = planned.totals();
        let settings = serde_json::to_string(planned.spec()).expect("names and numbers are JSON");
        let campaign = NewCampaign {
            campaign_id,
            name,
            settings,
            assumed: totals.assumed,
            created_at_micros: now_micros,
        };
        let decisions = planned.decided(language, |decided| decided.into());
        Draft { campaign, decisions, totals }
    }
}

/// Now, in microseconds since 1970.
pub fn now_micros() -> i64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as i64)
}

/// An instant as RFC 3339 in UTC.
pub fn told_time(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| micros.to_string(), |time| time.to_rfc3339_opts(SecondsFormat::Secs, true))
}

/// A campaign that was made.
#[derive(Debug, Serialize, ToSchema)]
pub struct MadeCampaign {
    /// What it is known by.
    pub campaign_id: String,
    /// `draft`: nobody is contacted before it is started.
    pub state: &'static str,
    /// The plan added up: spent, expected, what limits cost, who is held out.
    #[schema(value_type = serde_json::Value)]
    pub totals: Totals,
}

/// All campaigns.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignList {
    /// The newest first.
    pub campaigns: Vec<CampaignLine>,
}

/// A campaign.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignLine {
    campaign_id: String,
    name: String,
    /// `draft`, `running` or `finished`.
    state: &'static str,
    /// Whether the plan's uplift is assumed, not learned.
    assumed: bool,
    /// RFC 3339 in UTC, as all times.
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    started_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    finished_at: Option<String>,
}

impl From<&Campaign> for CampaignLine {
    fn from(campaign: &Campaign) -> CampaignLine {
        CampaignLine {
            campaign_id: campaign.made.campaign_id.clone(),
            name: campaign.made.name.clone(),
            state: campaign.state.text(),
            assumed: campaign.made.assumed,
            created_at: told_time(campaign.made.created_at_micros),
            started_at: campaign.started_at_micros.map(told_time),
            finished_at: campaign.finished_at_micros.map(told_time),
        }
    }
}

/// A campaign with what it comes to.
#[derive(Debug, Serialize, ToSchema)]
pub struct CampaignPage {
    #[serde(flatten)]
    campaign: CampaignLine,
    /// Customers it decided for.
    customers: u64,
    /// Customers who are to be contacted.
    contacted: u64,
    /// Customers held out at random.
    control: u64,
    /// What the contacts cost together.
    cost: f64,
    /// What they are expected to bring after all costs.
    expected_profit: f64,
    /// Contacts that were recorded.
    contacts: u64,
    /// Outcomes that were recorded.
    outcomes: u64,
    /// By action and channel.
    actions: Vec<ActionLine>,
    /// The plan it was made by.
    #[schema(value_type = serde_json::Value)]
    spec: serde_json::Value,
    /// Its lists on their way to webhooks.
    deliveries: Vec<DeliveryLine>,
}

/// Customers with the same action.
#[derive(Debug, Serialize, ToSchema)]
struct ActionLine {
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    contacted: u64,
    control: u64,
    cost: f64,
    expected_profit: f64,
}

/// A list on its way to a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub struct DeliveryLine {
    webhook: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    /// `sending`, `sent` or `failed`.
    state: &'static str,
    /// Customers that were taken so far.
    customers: u64,
    /// How often the next page was tried in vain.
    attempts: u64,
    /// Why, the last time.
    #[serde(skip_serializing_if = "Option::is_none")]
    fault: Option<String>,
}

impl From<Delivery> for DeliveryLine {
    fn from(delivery: Delivery) -> DeliveryLine {
        DeliveryLine {
            webhook: delivery.webhook,
            action: delivery.action,
            channel: delivery.channel,
            state: delivery.state.text(),
            customers: delivery.customers,
            attempts: delivery.attempts,
            fault: delivery.fault,
        }
    }
}

impl CampaignPage {
    /// The page of a campaign.
    pub fn new(campaign: &Campaign, tally: Tally, deliveries: Vec<Delivery>) -> CampaignPage {
        let mut page = CampaignPage {
            campaign: campaign.into(),
            customers: 0,
            contacted: 0,
            control: 0,
            cost: 0.0,
            expected_profit: 0.0,
            contacts: tally.contacts,
            outcomes: tally.outcomes,
            actions: Vec::new(),
            spec: serde_json::from_str(&campaign.made.settings).unwrap_or_default(),
            deliveries: deliveries.into_iter().map(DeliveryLine::from).collect(),
        };
        for line in tally.lines {
            page.customers += line.customers;
            if line.action == "none" {
                continue;
            }
            let same = |own: &ActionLine| own.action == line.action && own.channel == line.channel;
            if !page.actions.last().is_some_and(same) {
                page.actions.push(ActionLine {
                    action: line.action.clone(),
                    channel: line.channel.clone(),
                    contacted: 0,
                    control: 0,
                    cost: 0.0,
                    expected_profit: 0.0,
                });
            }
            let Some(action) = page.actions.last_mut() else { continue };
            if line.control {
                action.control += line.customers;
                page.control += line.customers;
            } else {
                action.contacted += line.customers;
                action.cost += line.cost;
                action.expected_profit += line.expected_profit;
                page.contacted += line.customers;
                page.cost += line.cost;
                page.expected_profit += line.expected_profit;
            }
        }
        page
    }
}

/// A customer of a list: who is contacted, with what and how.
#[derive(Debug, Serialize, ToSchema)]
pub struct ListRow {
    customer_id: String,
    action: String,
    offer: Option<String>,
    channel: Option<String>,
    /// The day of contact, where the plan names one.
    contact_on: Option<String>,
    /// What the contact costs.
    cost: f64,
    expected_profit: f64,
    /// How likely the customer was to be contacted rather than held out.
    propensity: f64,
    /// Why, in a sentence.
    reason: Option<String>,
}

impl ListRow {
    /// The row with texts that no spreadsheet takes for formulas.
    pub fn for_people(&self) -> ListRow {
        let maybe = |text: &Option<String>| text.as_deref().map(plain);
        ListRow {
            customer_id: plain(&self.customer_id),
            action: plain(&self.action),
            offer: maybe(&self.offer),
            channel: maybe(&self.channel),
            contact_on: self.contact_on.clone(),
            cost: self.cost,
            expected_profit: self.expected_profit,
            propensity: self.propensity,
            reason: maybe(&self.reason),
        }
    }
}

/// The columns of a list, for one that is empty.
pub const LIST_COLUMNS: [&str; 9] = [
    "customer_id",
    "action",
    "offer",
    "channel",
    "contact_on",
    "cost",
    "expected_profit",
    "propensity",
    "reason",
];

impl From<Decision> for ListRow {
    fn from(decision: Decision) -> ListRow {
        ListRow {
            customer_id: decision.customer_id,
            action: decision.action,
            offer: decision.offer,
            channel: decision.channel,
            contact_on: decision.contact_on,
            cost: decision.cost,
            expected_profit: decision.expected_profit,
            propensity: decision.propensity,
            reason: decision.sentence,
        }
    }
}

/// A contact that was made.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ContactRow {
    /// The customer.
    #[serde(deserialize_with = "id")]
    customer_id: String,
    /// What the customer got.
    action: String,
    /// By which way.
    #[serde(default)]
    channel: Option<String>,
    /// When: RFC 3339, or a date.
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = String, example = "2026-03-01T10:30:00Z")]
    contacted_at: i64,
}

impl From<ContactRow> for Contact {
    fn from(row: ContactRow) -> Contact {
        Contact {
            customer_id: row.customer_id,
            action: row.action,
            channel: row.channel,
            contacted_at_micros: row.contacted_at,
            propensity: None,
        }
    }
}

impl ContactRow {
    /// What the customer got.
    pub fn action(&self) -> &str {
        &self.action
    }
}

/// Something a customer did in a campaign's time.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct OutcomeRow {
    /// What it is known by: sent again it is counted once.
    #[serde(deserialize_with = "id")]
    outcome_id: String,
    /// The customer, contacted or held out.
    #[serde(deserialize_with = "id")]
    customer_id: String,
    /// What was done.
    #[serde(default = "purchase")]
    #[schema(default = "purchase")]
    kind: String,
    /// The money it brought.
    #[serde(default, deserialize_with = "number")]
    #[schema(default = 0.0)]
    amount: f64,
    /// When: RFC 3339, or a date.
    #[serde(deserialize_with = "instant")]
    #[schema(value_type = String, example = "2026-03-04T18:02:11Z")]
    occurred_at: i64,
}

fn purchase() -> String {
    "purchase".to_owned()
}

impl OutcomeRow {
    /// As it is kept, received at an instant in microseconds.
    pub fn received(self, at_micros: i64) -> Outcome {
        Outcome {
            outcome_id: self.outcome_id,
            customer_id: self.customer_id,
            kind: self.kind,
            amount: self.amount,
            occurred_at_micros: self.occurred_at,
            received_at_micros: at_micros,
        }
    }
}

/// What became of rows that were sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct RecordedReply {
    /// Rows that were not there, and are.
    new: u64,
    /// Rows that were there already.
    known: u64,
    /// Rows of customers whom the campaign has not decided for: not kept.
    unknown: u64,
}

impl From<Recorded> for RecordedReply {
    fn from(Recorded { new, known, unknown }: Recorded) -> RecordedReply {
        RecordedReply { new, known, unknown }
    }
}

/// The plan that a campaign was made by.
///
/// # Errors
/// When its settings are none.
pub fn spec_of(campaign: &Campaign) -> Result<PlanSpec, ApiError> {
    serde_json::from_str(&campaign.made.settings).map_err(|error| ApiError::Conflict {
        reason: format!(
            "the settings of campaign {:?} are no plan: {error}",
            campaign.made.campaign_id
        ),
    })
}

/// That a name is one of a plan's actions or channels.
///
/// # Errors
/// With what was found and what was expected.
pub fn one_of_the_plan(
    spec: &PlanSpec,
    found: &str,
    of: fn(&Action) -> &String,
) -> Result<(), String> {
    if spec.actions.iter().any(|action| of(action) == found) {
        return Ok(());
    }
    let mut names: Vec<&str> = spec.actions.iter().map(|action| of(action).as_str()).collect();
    names.sort_unstable();
    names.dedup();
    let found: String = found.chars().take(80).collect();
    Err(format!("{found:?}, expected one of the plan: {}", names.join(", ")))
}

/// That contacts and outcomes of a campaign can come in.
///
/// # Errors
/// While it is a draft, or when it never ran.
pub fn begun(campaign: &Campaign) -> Result<(), ApiError> {
    match campaign.state {
        CampaignState::Draft => Err(ApiError::Conflict {
            reason: format!(
                "campaign {:?} is a draft; start it first: POST /v1/campaigns/{}:start",
                campaign.made.campaign_id, campaign.made.campaign_id
            ),
        }),
        CampaignState::Finished if campaign.started_at_micros.is_none() => {
            let id = &campaign.made.campaign_id;
            let reason = format!("campaign {id:?} was finished before it was started");
            Err(ApiError::Conflict { reason })
        }
        CampaignState::Running | CampaignState::Finished => Ok(()),
    }
}
