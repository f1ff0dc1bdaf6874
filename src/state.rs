//! What every request can see.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use rekindle_store::Store;
use tokio::sync::Semaphore;

use crate::audit::{Audit, Entry};
use crate::counters::Counters;
use crate::customers::Limits;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::heavy::{Deadline, Heavy};
use crate::kept::Kept;
use crate::kept_files::KeptFiles;
use crate::keys::{Caller, KeyRing};
use crate::looks::Looks;
use crate::memory::Memory;
use crate::people::People;
use crate::rates::RateLimits;
use crate::registry::LoadedModels;
use crate::scoring::Shadows;
use crate::sessions::Sessions;
use crate::settings::Settings;
use crate::spans::Spans;
use crate::tls::Tls;
use crate::webhooks::Webhooks;

/// The application's one state.
pub(crate) struct AppState {
    /// Whether the service was asked to end.
    pub draining: AtomicBool,
    pub settings: Settings,
    /// How much a request may hold.
    pub limits: Limits,
    /// The memory that bodies may take.
    pub bodies: Arc<Memory>,
    pub models: Arc<LoadedModels>,
    pub shadows: Shadows,
    pub heavy: Heavy,
    /// Effects of campaigns that may be read still.
    pub effects: Semaphore,
    /// Looks at campaigns for the pages that may be worked out still.
    pub looks_turn: Semaphore,
    /// Plans of the store's customers that may be saved still.
    pub saves_turn: Semaphore,
    /// Batches that may be read still.
    pub batches: Arc<Semaphore>,
    /// Who may ask; anyone where there are no keys.
    pub keys: Option<KeyRing>,
    pub rates: RateLimits,
    /// What is known of customers, where a store is named.
    pub kept: Option<Kept>,
    /// The store's customers in memory, for the pages.
    pub people: Arc<People>,
    /// What campaigns changed, for the pages.
    pub looks: Looks,
    /// Scored files that wait for their download.
    pub kept_files: KeptFiles,
    /// Who has signed in.
    pub sessions: Sessions,
    /// The programs that lists may be sent to, where they are named.
    pub webhooks: Option<Webhooks>,
    pub audit: Audit,
    /// The certificate, where TLS is spoken.
    pub tls: Option<Arc<Tls>>,
    /// Where spans go, if anywhere.
    pub spans: Option<Spans>,
    pub counters: Counters,
    pub faults: Arc<Faults>,
}

/// Who asks.
#[derive(Debug, Clone, Default)]
pub struct Asker {
    /// Who the key was made for; `None` where there are no keys, or none is needed.
    pub caller: Option<Caller>,
    /// The request's id.
    pub request_id: String,
}

/// What an administrative call is about.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// A model, and a version of it.
    Model(&'a str, Option<u32>),
    /// A campaign.
    Campaign(&'a str),
    /// The caller alone.
    Nothing,
}

impl AppState {
    /// That a model can answer, and will for a while.
    ///
    /// # Errors
    /// When none can, or the service was asked to end.
    pub fn ready(&self) -> Result<(), ApiError> {
        if self.draining.load(Ordering::Relaxed) {
            return Err(ApiError::Draining);
        }
        match self.models.served().is_empty() {
            true => Err(ApiError::NotReady),
            false => Ok(()),
        }
    }

    /// When the answer of a request that has just come would be too late.
    pub fn deadline(&self) -> Deadline {
        Deadline::after(Duration::from_millis(self.settings.request_timeout_ms))
    }

    /// What the store says, in time.
    ///
    /// # Errors
    /// When there is no store, it is away or refuses, or it is too late.
    pub async fn ask<T, F>(
        &self,
        deadline: Deadline,
        question: impl FnOnce(Store) -> F,
    ) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = rekindle_store::Result<T>> + Send + 'static,
    {
        let kept = self.kept.as_ref().ok_or(ApiError::NotKept)?;
        deadline.meet(&self.counters, kept.ask(question)).await?
    }

    /// Writes an administrative call to the audit log.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn audited(
        &self,
        asker: &Asker,
        action: &'static str,
        about: About<'_>,
        outcome: &'static str,
    ) -> Result<(), ApiError> {
        let (model, version, campaign) = match about {
            About::Model(name, version) => (Some(name), version, None),
            About::Campaign(id) => (None, None, Some(id)),
            About::Nothing => (None, None, None),
        };
        let caller = asker.caller.as_ref();
        let entry = Entry {
            at: SystemTime::now(),
            caller_id: caller.map_or_else(|| "-".into(), |caller| Arc::clone(&caller.id)),
            caller_name: caller.map_or_else(|| "-".into(), |caller| Arc::clone(&caller.name)),
            action,
            model: model.map(str::to_owned),
            campaign: campaign.map(str::to_owned),
            version,
            outcome,
            request_id: asker.request_id.clone(),
        };
        let written = self.audit.record(&entry);
        self.faults.set("audit", written.as_ref().err().map(ToString::to_string));
        written.map_err(|_| ApiError::NotAudited)
    }
}
