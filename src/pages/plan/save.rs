//! A plan that is kept as a campaign: made for all customers that were chosen, however many, and started where that is
//! asked for.

use std::sync::Arc;
use std::time::Duration;

use actix_web::{HttpResponse, rt, web};
use rekindle_models::language::Language;
use rekindle_store::{CampaignState, NewCampaign, Store};
use serde::Deserialize;

use crate::campaigns::{Draft, now_micros};
use crate::conduct::changed;
use crate::error::ApiError;
use crate::heavy::Deadline;
use crate::pages::frame;
use crate::pages::plan::chosen::{Chosen, columns};
use crate::pages::plan::typed::{Asked, Wrong};
use crate::pages::plan::{Request, people};
use crate::pages::posted::Posted;
use crate::pages::visitor::{FORM_TOKEN, Visitor};
use crate::plans::Planned;
use crate::population::{Filter, Population};
use crate::state::{AppState, Asker};

/// How long planning for all customers and keeping it may take.
const PATIENCE: Duration = Duration::from_secs(600);

/// What else is to be done with the campaign.
#[derive(Debug, Deserialize)]
pub struct Then {
    start: Option<String>,
}

/// Saves a plan.
pub async fn save(
    state: web::Data<AppState>,
    visitor: Visitor,
    then: web::Query<Then>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let posted = Posted::read(&state, &visitor, body).await?;
    let start = then.start.as_deref().or(posted.get("start")) == Some("yes");
    let population = people(&state)?;
    let own = |(key, _): &&(String, String)| key != FORM_TOKEN && key != "start";
    let pairs: Vec<(String, String)> = posted.pairs().iter().filter(own).cloned().collect();
    let request = Request::read(&state, population, &pairs).await?;
    let asked = match request.asked(&visitor) {
        Ok(asked) => asked,
        wrong => return request.shown(&state, &visitor, wrong).await,
    };
    if let Some(wrong) = wrong_name(&state, &visitor, &asked).await? {
        return request.shown(&state, &visitor, Err(vec![wrong])).await;
    }
    let (population, filter) = (Arc::clone(&request.population), request.search.filter.clone());
    let nobody = move || Chosen::by(&population, &filter).rows.is_empty();
    if request.filter_wrong.is_some() || state.heavy.run(state.deadline(), nobody).await? {
        // The page says why.
        return request.shown(&state, &visitor, Ok(asked)).await;
    }
    let saving = Saving {
        population: Arc::clone(&request.population),
        filter: request.search.filter.clone(),
        campaign_id: asked.campaign_id.clone(),
        asked,
        language: visitor.language,
        asker: visitor.asker(),
    };
    let to = format!("/campaigns/{}", saving.campaign_id);
    // It goes on where nobody waits for it any more: half a campaign is none.
    let done = rt::spawn(async move { saving.done(&state, start).await }).await;
    done.map_err(|error| ApiError::Internal { reason: error.to_string() })??;
    Ok(frame::see(&to))
}

/// What is wrong with a campaign's id or name.
async fn wrong_name(
    state: &AppState,
    visitor: &Visitor,
    asked: &Asked,
) -> Result<Option<Wrong>, ApiError> {
    let texts = &visitor.texts().plan;
    let wrong = |key: &str, found: &str, expected: &str| {
        let found = found.chars().take(80).collect();
        Ok(Some(Wrong { key: key.to_owned(), found, expected: expected.to_owned() }))
    };
    let sound = |id: &str, name: &str| {
        let (campaign_id, name, settings) = (id.to_owned(), name.to_owned(), "{}".to_owned());
        let made = NewCampaign { campaign_id, name, settings, assumed: true, created_at_micros: 0 };
        made.check().is_ok()
    };
    let id = asked.campaign_id.clone();
    if !sound(&id, "a name") {
        return wrong("campaign_id", &id, texts.id_form);
    }
    if !sound(&id, named(asked)) {
        return wrong("name", &asked.name, texts.name_form);
    }
    let wanted = id.clone();
    let read = |store: Store| async move { store.campaign(&wanted).await };
    match state.ask(state.deadline(), read).await? {
        Some(_) => wrong("campaign_id", &id, texts.id_free),
        None => Ok(None),
    }
}

fn named(asked: &Asked) -> &str {
    if asked.name.is_empty() { &asked.campaign_id } else { &asked.name }
}

/// A plan on its way into the store.
struct Saving {
    population: Arc<Population>,
    filter: Filter,
    asked: Asked,
    campaign_id: String,
    language: Language,
    asker: Asker,
}

impl Saving {
    async fn done(self, state: &web::Data<AppState>, start: bool) -> Result<(), ApiError> {
        let deadline = Deadline::after(PATIENCE);
        // One at a time: each holds a decision of every customer until it is kept.
        let turn = deadline.meet(&state.counters, state.saves_turn.acquire()).await?;
        let _turn = turn.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
        let Saving { population, filter, asked, campaign_id, language, asker } = self;
        let plan = move || drafted(&population, &filter, asked, language);
        let draft = state.heavy.run(deadline, plan).await??;
        let keep = |store: Store| async move {
            store.create_campaign(&draft.campaign, &draft.decisions).await
        };
        changed(state, &asker, "make-campaign", &campaign_id, state.ask(deadline, keep)).await?;
        if !start {
            return Ok(());
        }
        let (moving, now) = (campaign_id.clone(), now_micros());
        let go = |store: Store| async move {
            store.move_campaign(&moving, CampaignState::Running, now).await
        };
        changed(state, &asker, "start-campaign", &campaign_id, state.ask(deadline, go)).await
    }
}

/// The plan for all customers that a filter chooses.
fn drafted(
    population: &Population,
    filter: &Filter,
    asked: Asked,
    language: Language,
) -> Result<Draft, ApiError> {
    let rows = Chosen::by(population, filter).rows;
    let customers = columns(population, &rows, &asked);
    let name = named(&asked).to_owned();
    let (mut spec, id) = (asked.spec, asked.campaign_id);
    spec.draw_for(&id);
    Ok(Draft::of(&Planned::of(spec, customers)?, (id, name), language, now_micros()))
}
