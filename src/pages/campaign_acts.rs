//! What is done with a campaign: started, finished, told of contacts and outcomes.

use actix_multipart::Multipart;
use actix_web::{HttpResponse, web};
use maud::html;
use rekindle_store::{CampaignState, Recorded};
use serde::de::DeserializeOwned;

use crate::campaigns::{ContactRow, OutcomeRow, begun, now_micros};
use crate::conduct::{changed, found, keep_contacts, keep_outcomes};
use crate::error::ApiError;
use crate::pages::campaign;
use crate::pages::frame;
use crate::pages::locale::count;
use crate::pages::posted::Posted;
use crate::pages::uploaded::Uploaded;
use crate::pages::visitor::Visitor;
use crate::state::AppState;
use crate::submitted::{Form, rows};

/// Starts a campaign.
pub async fn start(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    Posted::read(&state, &visitor, body).await?;
    moved(&state, &visitor, &id, ("start-campaign", CampaignState::Running)).await
}

/// Finishes a campaign.
pub async fn finish(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    Posted::read(&state, &visitor, body).await?;
    moved(&state, &visitor, &id, ("finish-campaign", CampaignState::Finished)).await
}

async fn moved(
    state: &web::Data<AppState>,
    visitor: &Visitor,
    id: &str,
    (action, to): (&'static str, CampaignState),
) -> Result<HttpResponse, ApiError> {
    let deadline = state.deadline();
    let campaign = found(state, deadline, id).await?.made.campaign_id;
    let (moving, now) = (campaign.clone(), now_micros());
    let go = move |store: rekindle_store::Store| async move {
        store.move_campaign(&moving, to, now).await
    };
    changed(state, &visitor.asker(), action, &campaign, state.ask(deadline, go)).await?;
    Ok(frame::see(&format!("/campaigns/{campaign}")))
}

/// Takes a file of contacts.
pub async fn contacts(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
    form: Multipart,
) -> Result<HttpResponse, ApiError> {
    let kept = async {
        let (campaign, rows) = sent::<ContactRow>(&state, &visitor, &id, form).await?;
        keep_contacts(&state, state.deadline(), &campaign, rows).await
    };
    told(&state, &visitor, &id, kept.await).await
}

/// Takes a file of outcomes.
pub async fn outcomes(
    state: web::Data<AppState>,
    visitor: Visitor,
    id: web::Path<String>,
    form: Multipart,
) -> Result<HttpResponse, ApiError> {
    let kept = async {
        let (campaign, rows) = sent::<OutcomeRow>(&state, &visitor, &id, form).await?;
        keep_outcomes(&state, state.deadline(), &campaign, rows).await
    };
    told(&state, &visitor, &id, kept.await).await
}

/// The rows of a CSV file for a campaign that has begun.
async fn sent<T: DeserializeOwned + Send + 'static>(
    state: &AppState,
    visitor: &Visitor,
    id: &str,
    form: Multipart,
) -> Result<(rekindle_store::Campaign, Vec<T>), ApiError> {
    let file = Uploaded::read(state, visitor, form).await?.content;
    let campaign = found(state, state.deadline(), id).await?;
    begun(&campaign)?;
    let read = move || rows::<T>(Form::Csv, &file);
    Ok((campaign, state.heavy.run(state.deadline(), read).await??))
}

async fn told(
    state: &web::Data<AppState>,
    visitor: &Visitor,
    id: &str,
    kept: Result<Recorded, ApiError>,
) -> Result<HttpResponse, ApiError> {
    let texts = &visitor.texts().campaigns;
    match kept {
        Err(error) => refused(state, visitor, id, error).await,
        Ok(Recorded { new, known, unknown }) => {
            let told = (texts.recorded)(&count(new), &count(known), &count(unknown));
            let class = if new + known > 0 { "good" } else { "bad" };
            let told = html! { p.card.(class) role="status" { (told) } };
            campaign::shown(state, visitor, id, Some(told)).await
        }
    }
}

/// The campaign's page with what was wrong with a file; other errors have pages of their own.
async fn refused(
    state: &web::Data<AppState>,
    visitor: &Visitor,
    id: &str,
    error: ApiError,
) -> Result<HttpResponse, ApiError> {
    let ApiError::InvalidRows { reason } = &error else { return Err(error) };
    let texts = &visitor.texts().campaigns;
    let told = html! {
        div.card.bad role="alert" { p { strong { (texts.refused) } } p lang="en" { (reason) } }
    };
    let mut response = campaign::shown(state, visitor, id, Some(told)).await?;
    *response.status_mut() = actix_web::http::StatusCode::UNPROCESSABLE_ENTITY;
    Ok(response)
}
