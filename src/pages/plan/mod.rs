//! Planning a campaign: the page, what a plan comes to, and saving it.
//!
//! [`typed`] is the form as it is typed and the plan that it says, [`chosen`] the customers it is for, [`weigh`] what it
//! comes to; [`form`] and [`shown`] show both, [`save`] keeps it as a campaign. An address is all that a plan is.

mod chosen;
mod form;
mod save;
mod shown;
mod typed;
mod weigh;

use std::collections::BTreeSet;
use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use chrono::DateTime;
use maud::html;
use rekindle_store::Campaign;

pub use save::save;

use crate::campaigns::{now_micros, spec_of};
use crate::error::ApiError;
use crate::pages::empty;
use crate::pages::frame::{self, Section};
use crate::pages::plan::form::Form;
use crate::pages::plan::typed::{Asked, Typed, Wrong, first_plan};
use crate::pages::plan::weigh::Figures;
use crate::pages::search::Search;
use crate::pages::visitor::Visitor;
use crate::population::Population;
use crate::state::AppState;

/// Whom a plan is for where nobody says it.
const USUAL: [&str; 3] = ["drowsy", "half_asleep", "dormant"];

/// A plan that an address or a form says.
struct Request {
    population: Arc<Population>,
    search: Search,
    /// What is wrong with the filter, whose rest holds.
    filter_wrong: Option<String>,
    typed: Typed,
}

/// The page.
pub async fn page(
    state: web::Data<AppState>,
    visitor: Visitor,
    pairs: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, ApiError> {
    let Some(population) = state.people.now() else {
        return Ok(empty::no_people(&state, &visitor, Section::Plan));
    };
    if population.len() == 0 {
        return Ok(empty::no_customers(&visitor, Section::Plan));
    }
    let request = Request::read(&state, population, &pairs).await?;
    let asked = request.asked(&visitor);
    request.shown(&state, &visitor, asked).await
}

/// What a plan comes to, alone.
pub async fn figures(
    state: web::Data<AppState>,
    visitor: Visitor,
    pairs: web::Query<Vec<(String, String)>>,
) -> Result<HttpResponse, ApiError> {
    let population = people(&state)?;
    let request = Request::read(&state, population, &pairs).await?;
    let (status, part) = match request.asked(&visitor) {
        Ok(asked) => {
            let figures = request.figures(&state, asked).await?;
            (StatusCode::OK, shown::figures(figures.as_ref(), &visitor))
        }
        Err(wrong) => (StatusCode::UNPROCESSABLE_ENTITY, shown::wrong(&wrong, &visitor)),
    };
    let mut response = HttpResponse::build(status);
    Ok(response.content_type("text/html; charset=utf-8").body(part.into_string()))
}

impl Request {
    /// Reads the pairs of an address or a form, and fills in what they do not say.
    async fn read(
        state: &AppState,
        population: Arc<Population>,
        pairs: &[(String, String)],
    ) -> Result<Request, ApiError> {
        let mut typed = Typed::of(pairs);
        let mut filter: Vec<(String, String)> =
            pairs.iter().filter(|(key, _)| !typed::is_plans(key)).cloned().collect();
        if filter.is_empty() && !typed.has("whom") {
            filter = USUAL.map(|tier| ("tier".to_owned(), tier.to_owned())).to_vec();
        }
        let (search, filter_wrong) = searched(&filter, &population)?;
        if !typed.has_actions() || !typed.has("campaign_id") {
            let read = |store: rekindle_store::Store| async move { store.campaigns().await };
            let campaigns = state.ask(state.deadline(), read).await?;
            if !typed.has_actions() {
                let newest = campaigns.first().and_then(|campaign| spec_of(campaign).ok());
                typed.fill_actions(&newest.unwrap_or_else(first_plan));
            }
            typed.fill("campaign_id", &free_id(&campaigns, now_micros()));
        }
        typed.fill_defaults();
        Ok(Request { population, search, filter_wrong, typed })
    }

    fn asked(&self, visitor: &Visitor) -> Result<Asked, Vec<Wrong>> {
        let models: Vec<&str> = self.population.scores.iter().map(|s| s.model.as_str()).collect();
        self.typed.asked(&models, &visitor.texts().plan)
    }

    async fn figures(&self, state: &AppState, asked: Asked) -> Result<Option<Figures>, ApiError> {
        let (population, filter) = (Arc::clone(&self.population), self.search.filter.clone());
        let weigh = move || Figures::of(&population, &filter, &asked);
        state.heavy.run(state.deadline(), weigh).await?
    }

    /// The page with a plan, or with what is wrong with it.
    async fn shown(
        &self,
        state: &AppState,
        visitor: &Visitor,
        asked: Result<Asked, Vec<Wrong>>,
    ) -> Result<HttpResponse, ApiError> {
        let texts = &visitor.texts().plan;
        let (figures, wrong) = match asked {
            Ok(asked) => (self.figures(state, asked).await?, Vec::new()),
            Err(wrong) => (None, wrong),
        };
        let form = Form {
            visitor,
            population: &self.population,
            search: &self.search,
            typed: &self.typed,
            wrong: &wrong,
            filter_wrong: self.filter_wrong.as_deref(),
            most_spent: figures.as_ref().map_or(0.0, Figures::most_spent),
        };
        let part = match wrong.is_empty() {
            true => shown::figures(figures.as_ref(), visitor),
            false => shown::wrong(&wrong, visitor),
        };
        let body = html! {
            div.heading { h1 { (texts.title) } p.lead { (texts.what) } }
            (form.markup(&part))
        };
        let mut response = frame::page(visitor, Section::Plan, texts.title, body);
        if !wrong.is_empty() || self.filter_wrong.is_some() {
            *response.status_mut() = StatusCode::UNPROCESSABLE_ENTITY;
        }
        Ok(response)
    }
}

/// The customers in memory.
fn people(state: &AppState) -> Result<Arc<Population>, ApiError> {
    let none = || if state.kept.is_some() { ApiError::StoreAway } else { ApiError::NotKept };
    state.people.now().ok_or_else(none)
}

/// Whom a filter chooses. Where a part of it says nothing, the rest does, and what is wrong is told.
fn searched(
    filter: &[(String, String)],
    population: &Population,
) -> Result<(Search, Option<String>), ApiError> {
    let wrong = match Search::read(filter, population) {
        Ok(search) => return Ok((search, None)),
        Err(ApiError::InvalidQuery { reason }) => reason,
        Err(error) => return Err(error),
    };
    let sound = |pair: &&(String, String)| Search::read(&[(*pair).clone()], population).is_ok();
    let sound: Vec<(String, String)> = filter.iter().filter(sound).cloned().collect();
    Ok((Search::read(&sound, population)?, Some(wrong)))
}

/// An id of the day that no campaign has yet.
fn free_id(campaigns: &[Campaign], now_micros: i64) -> String {
    let taken: BTreeSet<&str> = campaigns.iter().map(|own| own.made.campaign_id.as_str()).collect();
    let day = DateTime::from_timestamp_micros(now_micros).unwrap_or_default().format("%Y-%m-%d");
    let first = format!("plan-{day}");
    if !taken.contains(first.as_str()) {
        return first;
    }
    let mut others = (2..).map(|number| format!("{first}-{number}"));
    others.find(|id| !taken.contains(id.as_str())).unwrap_or(first)
}
