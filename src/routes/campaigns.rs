//! Campaigns: made from a plan, started, listed for those who contact, told of contacts and outcomes, judged.

use actix_web::http::header::{ACCEPT, CONTENT_TYPE, ContentType};
use actix_web::web::{self, Bytes};
use actix_web::{HttpMessage, HttpRequest, HttpResponse};
use futures_util::{StreamExt, stream};
use rekindle_models::policy::{Action, PlanSpec};
use rekindle_store::{Campaign, CampaignState, Choice, Delivery, DeliveryState};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use utoipa::IntoParams;

use crate::campaigns::{
    self, CampaignLine, CampaignList, CampaignPage, ContactRow, DeliveryLine, LIST_COLUMNS,
    ListRow, MadeCampaign, OutcomeRow, RecordedReply, begun, now_micros, one_of_the_plan, spec_of,
};
use crate::conduct::{Judging, changed, found, keep_contacts, keep_outcomes};
use crate::effects::EffectReply;
use crate::error::ApiError;
use crate::heavy::Deadline;
use crate::routes::reactivation::PlanQuery;
use crate::routes::receive::receive;
use crate::spreadsheet;
use crate::state::{AppState, Asker};
use crate::submitted::{Form, rows};

/// Decisions read at a time.
const PAGE: u32 = 5_000;

/// Makes a campaign, a draft, from a plan for its customers. What was decided for each, and who is held out at random,
/// is kept: the campaign's effect is measured by it.
#[utoipa::path(
    post,
    path = "/v1/campaigns",
    operation_id = "make_campaign",
    tag = "campaigns",
    params(PlanQuery),
    request_body(
        content = serde_json::Value,
        description = "`campaign_id` (1 to 64 letters, digits, `-`, `_` and `.`), `name`, and `spec` and `customers` as \
            for `POST /v1/reactivation/plan`. `watch_days` of the spec says how long the effect is watched.",
        example = json!({
            "campaign_id": "spring-2026", "name": "Spring 2026",
            "spec": {
                "plan": {"budget": 100.0, "control_share": 0.2, "consent_default": true, "watch_days": 30},
                "actions": [{"name": "letter", "offer": "voucher_5", "channel": "post", "cost": 1.1, "offer_cost": 5.0}],
            },
            "customers": [{
                "customer_id": "17850", "lifecycle_stage": "lapsed", "lapse_tier": "dormant", "grade": "A",
                "predicted_value": 40.0, "uplift": {"letter": 0.12},
            }],
        }),
    ),
    responses((status = 201, description = "The campaign that was made.", body = MadeCampaign)),
)]
pub async fn make(
    state: web::Data<AppState>,
    query: web::Query<PlanQuery>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let body = receive(&state, deadline, &request, body).await?;
    let (limits, language) = (state.limits, query.language);
    let work = move || campaigns::draft(&body, limits, language, now_micros());
    let draft = state.heavy.run(deadline, work).await??;
    let (campaign, decisions) = (draft.campaign, draft.decisions);
    let campaign_id = campaign.campaign_id.clone();
    let keep = |store: rekindle_store::Store| async move {
        store.create_campaign(&campaign, &decisions).await
    };
    changed(&state, &asker(&request), "make-campaign", &campaign_id, state.ask(deadline, keep))
        .await?;
    let state = CampaignState::Draft.text();
    Ok(HttpResponse::Created().json(MadeCampaign { campaign_id, state, totals: draft.totals }))
}

/// Lists campaigns.
#[utoipa::path(get, path = "/v1/campaigns", operation_id = "list_campaigns", tag = "campaigns",
    responses((status = 200, description = "The newest first.", body = CampaignList)))]
pub async fn list(state: web::Data<AppState>) -> Result<HttpResponse, ApiError> {
    let read = |store: rekindle_store::Store| async move { store.campaigns().await };
    let campaigns = state.ask(state.deadline(), read).await?;
    let campaigns = campaigns.iter().map(CampaignLine::from).collect();
    Ok(HttpResponse::Ok().json(CampaignList { campaigns }))
}

/// Shows a campaign: what it decided, what has come in, its lists on their way.
#[utoipa::path(get, path = "/v1/campaigns/{id}", operation_id = "show_campaign", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026")),
    responses((status = 200, description = "The campaign.", body = CampaignPage)))]
pub async fn show(
    state: web::Data<AppState>,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    page(&state, state.deadline(), id.into_inner()).await
}

/// Starts a campaign: from now on its days count, and contacts and outcomes may come in.
#[utoipa::path(post, path = "/v1/campaigns/{id}:start", operation_id = "start_campaign", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026")),
    responses((status = 200, description = "The campaign, which runs.", body = CampaignPage)))]
pub async fn start(
    state: web::Data<AppState>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    moved(&state, &request, "start-campaign", id.into_inner(), CampaignState::Running).await
}

/// Finishes a campaign: later outcomes do not count, and uplift is learned from it (`rekindle fit-uplift --store`).
#[utoipa::path(post, path = "/v1/campaigns/{id}:finish", operation_id = "finish_campaign", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026")),
    responses((status = 200, description = "The campaign, which is over.", body = CampaignPage)))]
pub async fn finish(
    state: web::Data<AppState>,
    id: web::Path<String>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    moved(&state, &request, "finish-campaign", id.into_inner(), CampaignState::Finished).await
}

async fn moved(
    state: &web::Data<AppState>,
    request: &HttpRequest,
    action: &'static str,
    id: String,
    to: CampaignState,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    // Nothing is written down of a campaign that is not there.
    found(state, deadline, &id).await?;
    let (campaign, now) = (id.clone(), now_micros());
    let go = move |store: rekindle_store::Store| async move {
        store.move_campaign(&campaign, to, now).await
    };
    changed(state, &asker(request), action, &id, state.ask(deadline, go)).await?;
    page(state, deadline, id).await
}

async fn page(state: &AppState, deadline: Deadline, id: String) -> Result<HttpResponse, ApiError> {
    let campaign = found(state, deadline, &id).await?;
    let read = |store: rekindle_store::Store| async move {
        Ok((store.tally(&id).await?, store.deliveries(&id).await?))
    };
    let (tally, deliveries) = state.ask(deadline, read).await?;
    Ok(HttpResponse::Ok().json(CampaignPage::new(&campaign, tally, deliveries)))
}

/// Who asks for a change.
fn asker(request: &HttpRequest) -> Asker {
    request.extensions().get::<Asker>().cloned().unwrap_or_default()
}

/// Which part of a list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListQuery {
    /// Customers with this action alone.
    #[param(example = "letter")]
    action: Option<String>,
    /// Customers who are contacted by this channel alone.
    #[param(example = "post")]
    channel: Option<String>,
}

impl ListQuery {
    /// The decisions of a campaign's part.
    fn choice(self, spec: &PlanSpec) -> Result<Choice, ApiError> {
        let known = |what: &str, found: &Option<String>, of: fn(&Action) -> &String| {
            let Some(found) = found else { return Ok(()) };
            let told = |found| ApiError::InvalidQuery { reason: format!("{what} is {found}") };
            one_of_the_plan(spec, found, of).map_err(told)
        };
        known("action", &self.action, |action| &action.name)?;
        known("channel", &self.channel, |action| &action.channel)?;
        let (action, channel) = (self.action, self.channel);
        Ok(Choice { action, channel, control: Some(false), planned: true })
    }
}

/// How a list is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ListForm {
    Csv,
    Ndjson,
    /// CSV for people.
    Spreadsheet,
}

/// Lists whom to contact, with what and how, as CSV or, where `Accept` says so, an object a line. Those held out are not
/// among them. A list of any length comes as a stream; one that breaks off has no end.
#[utoipa::path(get, path = "/v1/campaigns/{id}/list", operation_id = "list_contacts", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026"), ListQuery),
    responses((status = 200, description = "A row for each customer to contact, by customer.",
        content((String = "text/csv"), (ListRow = "application/x-ndjson")))))]
pub async fn contact_list(
    state: web::Data<AppState>,
    id: web::Path<String>,
    query: web::Query<ListQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
    let form = match accept.unwrap_or("*/*") {
        accept if accept.contains("ndjson") || accept.contains("jsonl") => ListForm::Ndjson,
        accept
            if accept.contains("text/csv")
                || accept.contains("*/*")
                || accept.contains("text/*") =>
        {
            ListForm::Csv
        }
        other => {
            let expected = "text/csv or application/x-ndjson";
            return Err(ApiError::NotAcceptable { found: other.to_owned(), expected });
        }
    };
    list_as(state, id.into_inner(), query.into_inner(), form).await
}

/// The same for people, who open it in a spreadsheet: with a mark of its encoding, and no text that is taken for a formula.
pub async fn spreadsheet_list(
    state: web::Data<AppState>,
    id: web::Path<String>,
    query: web::Query<ListQuery>,
) -> Result<HttpResponse, ApiError> {
    list_as(state, id.into_inner(), query.into_inner(), ListForm::Spreadsheet).await
}

async fn list_as(
    state: web::Data<AppState>,
    id: String,
    query: ListQuery,
    form: ListForm,
) -> Result<HttpResponse, ApiError> {
    let campaign = found(&state, state.deadline(), &id).await?;
    // Contacts before the start would come before its days.
    begun(&campaign)?;
    let choice = query.choice(&spec_of(&campaign)?)?;
    let part = [&choice.action, &choice.channel].into_iter().flatten();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let part: String = part.flat_map(|name| ["-", name]).collect();
    let part: String = part.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    let id_part = &campaign.made.campaign_id;
    let file = format!("attachment; filename=\"{id_part}{part}.{}\"", form.ending());
    let pages = stream::unfold(Some(String::new()), move |after| {
        let (state, id, choice) = (state.clone(), id.clone(), choice.clone());
        async move {
            let after = after?;
            let first = after.is_empty();
            let read = |store: rekindle_store::Store| async move {
                store.decisions(&id, &choice, &after, PAGE).await
            };
            let decisions = match state.ask(state.deadline(), read).await {
                Ok(decisions) => decisions,
                Err(error) => return Some((Err(error), None)),
            };
            let next = decisions.last().map(|last| last.customer_id.clone());
            let rows: Vec<ListRow> = decisions.into_iter().map(ListRow::from).collect();
            match (rows.is_empty(), first) {
                (true, false) => None,
                _ => Some((form.write(&rows, first), next)),
            }
        }
    });
    // Where the first page fails, the status says so.
    let mut pages = Box::pin(pages);
    let first = pages.next().await.unwrap_or_else(|| Ok(Bytes::new()))?;
    let body = stream::once(async move { Ok(first) }).chain(pages);
    Ok(HttpResponse::Ok()
        .content_type(form.media_type())
        .insert_header(("content-disposition", file))
        .streaming(body))
}

impl ListForm {
    fn media_type(self) -> &'static str {
        match self {
            ListForm::Csv | ListForm::Spreadsheet => "text/csv; charset=utf-8",
            ListForm::Ndjson => "application/x-ndjson",
        }
    }

    fn ending(self) -> &'static str {
        match self {
            ListForm::Csv | ListForm::Spreadsheet => "csv",
            ListForm::Ndjson => "ndjson",
        }
    }

    /// Rows as text; the first of CSV have a header before them.
    fn write(self, rows: &[ListRow], first: bool) -> Result<Bytes, ApiError> {
        let failed = |error: &dyn ToString| ApiError::Internal { reason: error.to_string() };
        match self {
            ListForm::Ndjson => {
                let mut text = Vec::new();
                for row in rows {
                    serde_json::to_writer(&mut text, row).map_err(|error| failed(&error))?;
                    text.push(b'\n');
                }
                Ok(text.into())
            }
            ListForm::Csv | ListForm::Spreadsheet => {
                let people = self == ListForm::Spreadsheet;
                let start = if people && first { spreadsheet::MARK.as_bytes() } else { &[] };
                let mut writer =
                    csv::WriterBuilder::new().has_headers(false).from_writer(start.to_vec());
                if first {
                    writer.write_record(LIST_COLUMNS).map_err(|error| failed(&error))?;
                }
                for row in rows {
                    match people {
                        true => writer.serialize(row.for_people()),
                        false => writer.serialize(row),
                    }
                    .map_err(|error| failed(&error))?;
                }
                Ok(writer.into_inner().map_err(|error| failed(&error))?.into())
            }
        }
    }
}

/// To whom a list goes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeliverQuery {
    /// The webhook, by its name in the settings.
    #[param(example = "crm")]
    webhook: String,
    /// Customers with this action alone.
    #[param(example = "letter")]
    action: Option<String>,
    /// Customers who are contacted by this channel alone.
    #[param(example = "post")]
    channel: Option<String>,
}

/// Sends a running campaign's list to a webhook of the settings, 500 customers at a time, signed, tried again where it
/// fails. Asked a second time it changes nothing, but for a delivery that was given up: it goes on where it stopped.
#[utoipa::path(post, path = "/v1/campaigns/{id}:deliver", operation_id = "deliver_campaign", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026"), DeliverQuery),
    responses((status = 202, description = "It is on its way; `GET /v1/campaigns/{id}` tells how far.",
        body = DeliveryLine)))]
pub async fn deliver(
    state: web::Data<AppState>,
    id: web::Path<String>,
    query: web::Query<DeliverQuery>,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let (deadline, id, query) = (state.deadline(), id.into_inner(), query.into_inner());
    let campaign = found(&state, deadline, &id).await?;
    match &state.webhooks {
        Some(webhooks) => webhooks.check(&query.webhook)?,
        None => {
            return Err(ApiError::Conflict {
                reason: "the service has no webhooks; the setting webhooks names their file"
                    .to_owned(),
            });
        }
    }
    if campaign.state != CampaignState::Running {
        let (id, state) = (campaign.made.campaign_id, campaign.state.text());
        let reason = format!("campaign {id:?} is {state}; lists of running ones are delivered");
        return Err(ApiError::Conflict { reason });
    }
    let spec = spec_of(&campaign)?;
    let choice = ListQuery { action: query.action, channel: query.channel }.choice(&spec)?;
    let (of, webhook) = (id.clone(), query.webhook.clone());
    let read = |store: rekindle_store::Store| async move { store.deliveries(&of).await };
    let there = state.ask(deadline, read).await?;
    if let Some(other) = there.iter().find(|other| overlap(other, &webhook, &choice)) {
        let part = |text: &Option<String>| text.clone().unwrap_or_else(|| "all".to_owned());
        return Err(ApiError::Conflict {
            reason: format!(
                "a list with some of these customers ({}, {}) is {} to {webhook} already; the same ones are not sent twice",
                part(&other.action),
                part(&other.channel),
                other.state.text()
            ),
        });
    }
    let (now, asker) = (now_micros(), asker(&request));
    let delivery = changed(&state, &asker, "deliver-campaign", &campaign.made.campaign_id, async {
        let begin = |store: rekindle_store::Store| async move {
            store.begin_delivery(&id, &webhook, &choice, now).await
        };
        state.ask(deadline, begin).await
    });
    Ok(HttpResponse::Accepted().json(DeliveryLine::from(delivery.await?)))
}

/// Whether another delivery to a webhook has customers of a part, and is not given up with none sent.
fn overlap(other: &Delivery, webhook: &str, choice: &Choice) -> bool {
    let apart = |a: &Option<String>, b: &Option<String>| a.is_some() && b.is_some() && a != b;
    let same = other.action == choice.action && other.channel == choice.channel;
    let sent = other.state != DeliveryState::Failed || other.customers > 0;
    let together = !apart(&other.action, &choice.action) && !apart(&other.channel, &choice.channel);
    other.webhook == webhook && !same && sent && together
}

/// Records contacts that were made, of a running or finished campaign: a JSON array, an object a line, or CSV. The same
/// contact (customer, action, time) sent again is known and counts once; all are kept or, on an error, none.
#[utoipa::path(post, path = "/v1/campaigns/{id}/contacts", operation_id = "record_contacts", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026")),
    request_body(content(
        (Vec<ContactRow> = "application/json", example = json!(
            [{"customer_id": "17850", "action": "letter", "contacted_at": "2026-03-02T09:00:00Z"}])),
        (String = "application/x-ndjson"),
        (String = "text/csv", example = json!("customer_id,action,contacted_at\n17850,letter,2026-03-02\n")))),
    responses((status = 200, description = "What became of them.", body = RecordedReply)))]
pub async fn record_contacts(
    state: web::Data<AppState>,
    id: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let (campaign, contacts) =
        submitted::<ContactRow>(&state, deadline, id, &request, body).await?;
    let recorded = keep_contacts(&state, deadline, &campaign, contacts).await?;
    Ok(HttpResponse::Ok().json(RecordedReply::from(recorded)))
}

/// Records what customers did in a campaign's time, contacted or held out: send outcomes of both alike, or the campaign
/// looks better than it is. The same outcome sent again is known and counts once; all are kept or, on an error, none.
#[utoipa::path(post, path = "/v1/campaigns/{id}/outcomes", operation_id = "record_outcomes", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026")),
    request_body(content(
        (Vec<OutcomeRow> = "application/json", example = json!([{"outcome_id": "order-9001", "customer_id": "17850",
            "amount": 42.5, "occurred_at": "2026-03-04T18:02:11Z"}])),
        (String = "application/x-ndjson"),
        (String = "text/csv", example = json!(
            "outcome_id,customer_id,amount,occurred_at\norder-9001,17850,42.5,2026-03-04\n")))),
    responses((status = 200, description = "What became of them.", body = RecordedReply)))]
pub async fn record_outcomes(
    state: web::Data<AppState>,
    id: web::Path<String>,
    request: HttpRequest,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let (campaign, outcomes) =
        submitted::<OutcomeRow>(&state, deadline, id, &request, body).await?;
    let recorded = keep_outcomes(&state, deadline, &campaign, outcomes).await?;
    Ok(HttpResponse::Ok().json(RecordedReply::from(recorded)))
}

/// The rows of a body for a campaign that has begun.
async fn submitted<T: DeserializeOwned + Send + 'static>(
    state: &AppState,
    deadline: Deadline,
    id: web::Path<String>,
    request: &HttpRequest,
    body: web::Payload,
) -> Result<(Campaign, Vec<T>), ApiError> {
    let campaign = found(state, deadline, &id).await?;
    begun(&campaign)?;
    let kind = request.headers().get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let form = Form::of(kind.unwrap_or_default());
    let body = receive(state, deadline, request, body).await?;
    let rows = state.heavy.run(deadline, move || rows::<T>(form, &body)).await??;
    Ok((campaign, rows))
}

/// Which outcomes count.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct EffectQuery {
    /// The kind of outcomes that count; the plan's `success` where it is not said. Of others no profit is told.
    #[param(example = "purchase")]
    kind: Option<String>,
    /// The language of the sentence: `en` or `zh`.
    #[serde(default)]
    #[param(value_type = String, example = "en")]
    language: rekindle_models::language::Language,
}

/// Tells what a campaign changed: customers who were to be contacted against those held out, in all and by action, lapse
/// tier and grade; with intervals that hold for who looks every day, and what it means.
#[utoipa::path(get, path = "/v1/campaigns/{id}/effect", operation_id = "campaign_effect", tag = "campaigns",
    params(("id" = String, Path, description = "The campaign.", example = "spring-2026"), EffectQuery),
    responses((status = 200, description = "What it changed so far.", body = EffectReply)))]
pub async fn effect(
    state: web::Data<AppState>,
    id: web::Path<String>,
    query: web::Query<EffectQuery>,
) -> Result<HttpResponse, ApiError> {
    let (deadline, id) = (state.deadline(), id.into_inner());
    let EffectQuery { kind, language } = query.into_inner();
    let campaign = found(&state, deadline, &id).await?;
    let judging = Judging::new(campaign, kind)?;
    // One at a time: each reads a whole campaign.
    let turn = deadline.meet(&state.counters, state.effects.acquire()).await?;
    let _turn = turn.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    let columns = judging.read(&state, deadline).await?;
    let judge = move || {
        let reply = judging.watched().judge(&columns, language);
        Ok::<_, ApiError>(serde_json::to_vec(&reply).expect("names and numbers are JSON"))
    };
    let reply = state.heavy.run(deadline, judge).await??;
    Ok(HttpResponse::Ok().insert_header(ContentType::json()).body(reply))
}
