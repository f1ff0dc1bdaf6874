//! Campaigns as they are conducted: found in the store, changed with a line in the audit log, judged. Speaks no HTTP.

use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_web::{rt, web};
use rekindle_models::language::Language;
use rekindle_models::policy::PlanSpec;
use rekindle_store::{Campaign, Contact, Counted, Recorded, Revisions};

use crate::campaigns::{ContactRow, OutcomeRow, begun, now_micros, one_of_the_plan, spec_of};
use crate::effects::{Columns, Watched};
use crate::error::ApiError;
use crate::heavy::Deadline;
use crate::looks::Look;
use crate::state::{About, AppState, Asker};

/// Trials read at a time.
const TRIALS: u32 = 5_000;
/// How long working one out may take.
const PATIENCE: Duration = Duration::from_secs(600);
/// How long a page waits for a look that is quickly worked out, and between two glances.
const GLANCES: u32 = 6;
const GLANCE: Duration = Duration::from_millis(10);
/// Working a look out again takes no more than this share of the time, as a divisor.
const SHARE: i64 = 10;
/// Longer than this a running campaign's look is not taken as it is, though nothing came in: days pass.
const FRESH_MICROS: i64 = 3_600 * 1_000_000;

/// The campaign of an id.
///
/// # Errors
/// When there is none, or the store is away.
pub async fn found(state: &AppState, deadline: Deadline, id: &str) -> Result<Campaign, ApiError> {
    let asked = id.to_owned();
    let read = |store: rekindle_store::Store| async move { store.campaign(&asked).await };
    let campaign = state.ask(deadline, read).await?;
    campaign.ok_or_else(|| ApiError::UnknownCampaign { campaign: id.chars().take(80).collect() })
}

/// Writes what is asked for to the audit log, does it, and writes what came of it.
///
/// # Errors
/// When it cannot be written down before, so that it is not done; or with what it failed of.
pub async fn changed<T>(
    state: &web::Data<AppState>,
    asker: &Asker,
    action: &'static str,
    campaign: &str,
    work: impl Future<Output = Result<T, ApiError>>,
) -> Result<T, ApiError> {
    // Files block.
    let write = |outcome: &'static str| {
        let (data, asker, campaign) = (state.clone(), asker.clone(), campaign.to_owned());
        state.heavy.run(state.deadline(), move || {
            data.audited(&asker, action, About::Campaign(&campaign), outcome)
        })
    };
    // What cannot be written down is not done.
    write("asked").await??;
    let done = work.await;
    let outcome = done.as_ref().map_or_else(ApiError::code, |_| "done");
    // It is done all the same: that the line is not there degrades the service and is in its log.
    drop(write(outcome).await);
    done
}

/// Keeps contacts with customers of a campaign that has begun.
///
/// # Errors
/// When one is of an action that the plan has not, or the store refuses: then none is kept.
pub async fn keep_contacts(
    state: &AppState,
    deadline: Deadline,
    campaign: &Campaign,
    contacts: Vec<ContactRow>,
) -> Result<Recorded, ApiError> {
    let spec = spec_of(campaign)?;
    for (place, row) in contacts.iter().enumerate() {
        one_of_the_plan(&spec, row.action(), |action| &action.name).map_err(|found| {
            let reason = format!("contact {}: action is {found}", place + 1);
            ApiError::InvalidRows { reason }
        })?;
    }
    let id = campaign.made.campaign_id.clone();
    let keep = |store: rekindle_store::Store| async move {
        let contacts: Vec<Contact> = contacts.into_iter().map(Contact::from).collect();
        store.record_contacts(&id, &contacts).await
    };
    state.ask(deadline, keep).await
}

/// Keeps what customers of a campaign that has begun did.
///
/// # Errors
/// When the store refuses: then nothing is kept.
pub async fn keep_outcomes(
    state: &AppState,
    deadline: Deadline,
    campaign: &Campaign,
    outcomes: Vec<OutcomeRow>,
) -> Result<Recorded, ApiError> {
    let (id, now) = (campaign.made.campaign_id.clone(), now_micros());
    let keep = move |store: rekindle_store::Store| async move {
        let outcomes: Vec<_> = outcomes.into_iter().map(|row| row.received(now)).collect();
        store.record_outcomes(&id, &outcomes).await
    };
    state.ask(deadline, keep).await
}

/// A campaign that is judged.
pub struct Judging {
    /// The campaign, which has begun.
    pub campaign: Campaign,
    /// The plan it was made by.
    pub spec: PlanSpec,
    kind: String,
    until_micros: i64,
}

impl Judging {
    /// A campaign judged by outcomes of a kind, those of its plan's success where none is named: until its end, or now.
    ///
    /// # Errors
    /// When it has not begun, or its settings are no plan.
    pub fn new(campaign: Campaign, kind: Option<String>) -> Result<Judging, ApiError> {
        begun(&campaign)?;
        let spec = spec_of(&campaign)?;
        let until_micros = campaign.finished_at_micros.unwrap_or_else(now_micros);
        let kind = kind.unwrap_or_else(|| spec.plan.success.clone());
        Ok(Judging { campaign, spec, kind, until_micros })
    }

    /// What it is judged by.
    pub fn watched(&self) -> Watched<'_> {
        Watched {
            campaign: &self.campaign,
            spec: &self.spec,
            kind: self.kind.clone(),
            until_micros: self.until_micros,
        }
    }

    /// What came of a campaign, read page by page, so that nothing is read for a client whose answer is too late.
    ///
    /// # Errors
    /// When the store is away, or it is too late.
    pub async fn read(&self, state: &AppState, deadline: Deadline) -> Result<Columns, ApiError> {
        let counted = Counted {
            kind: Some(self.kind.clone()),
            from_micros: self.campaign.counts_from_micros().unwrap_or(self.until_micros),
            until_micros: self.until_micros,
        };
        let id = &self.campaign.made.campaign_id;
        let mut columns = Columns::default();
        let mut last = String::new();
        loop {
            let (id, counted, after) = (id.clone(), counted.clone(), last);
            let read = |store: rekindle_store::Store| async move {
                store.trials(&id, &counted, &after, TRIALS).await
            };
            let page = state.ask(deadline, read).await?;
            page.iter().for_each(|trial| columns.add(trial));
            match page.into_iter().last() {
                None => return Ok(columns),
                Some(trial) => last = trial.customer_id,
            }
        }
    }
}

/// The latest looks at campaigns that have begun, in their order; `None` while the first one is worked out. One that is
/// old is taken as it is, and worked out again behind it.
pub async fn looks(
    state: &web::Data<AppState>,
    campaigns: &[&Campaign],
    revisions: Revisions,
) -> Vec<Option<Arc<Look>>> {
    let revision = (revisions.campaigns, revisions.records);
    let kept = |campaign: &&Campaign| state.looks.kept(&campaign.made.campaign_id);
    for campaign in campaigns {
        let id = &campaign.made.campaign_id;
        let sound = kept(campaign).is_some_and(|look| is_sound(&look, campaign, revision));
        if !sound && state.looks.begin(id) {
            rt::spawn(work_out(state.clone(), (*campaign).clone(), revision));
        }
    }
    // Most take a moment only.
    for _ in 0..GLANCES {
        let there = |campaign: &&Campaign| {
            kept(campaign).is_some() || state.looks.failed(&campaign.made.campaign_id)
        };
        if campaigns.iter().all(there) {
            break;
        }
        rt::time::sleep(GLANCE).await;
    }
    campaigns.iter().map(kept).collect()
}

/// Whether a look need not be worked out again: nothing came in, and not much time has passed; or it is so young that it
/// would take more time to work out than to show.
fn is_sound(look: &Look, campaign: &Campaign, revision: (i64, i64)) -> bool {
    let age = now_micros() - look.at_micros;
    let running = campaign.finished_at_micros.is_none();
    let young = age < (look.took.as_micros() as i64).saturating_mul(SHARE);
    young || look.revision == revision && !(running && age > FRESH_MICROS)
}

async fn work_out(state: web::Data<AppState>, campaign: Campaign, revision: (i64, i64)) {
    let id = campaign.made.campaign_id.clone();
    let look = looked(&state, campaign, revision).await;
    if let Err(error) = &look {
        tracing::warn!(campaign = id, %error, "a campaign's effect was not worked out");
    }
    state.looks.end(&id, look.ok());
}

async fn looked(
    state: &web::Data<AppState>,
    campaign: Campaign,
    revision: (i64, i64),
) -> Result<Look, ApiError> {
    let deadline = Deadline::after(PATIENCE);
    let judging = Judging::new(campaign, None)?;
    // One at a time: each reads a whole campaign. The API's own turn is another, so that it never waits for pages.
    let turn = deadline.meet(&state.counters, state.looks_turn.acquire()).await?;
    let _turn = turn.map_err(|error| ApiError::Internal { reason: error.to_string() })?;
    let began = Instant::now();
    let columns = judging.read(state, deadline).await?;
    let id = judging.campaign.made.campaign_id.clone();
    let read = |store: rekindle_store::Store| async move { store.tally(&id).await };
    let tally = state.ask(deadline, read).await?;
    let judge = move || {
        let watched = judging.watched();
        let effect = watched.judge(&columns, Language::English);
        let chinese = watched.sentence(&effect.all, effect.not_reached, Language::Chinese);
        let courses = watched.courses(&columns);
        Look {
            at_micros: now_micros(),
            revision,
            took: began.elapsed(),
            effect,
            chinese,
            courses,
            tally,
        }
    };
    state.heavy.run(deadline, judge).await
}
