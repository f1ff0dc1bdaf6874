//! The store of what is known of customers, as the service reaches it. A store that is away is tried again and again;
//! everything else goes on without it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rekindle_store::{Error, Store};
use tokio::time::timeout;

use crate::background::Background;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::settings::Secret;

/// What is known of customers.
pub struct Kept {
    address: Secret,
    background: Background,
    /// Absent until it was reached.
    store: ArcSwapOption<Store>,
}

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

impl Kept {
    /// Makes ready to ask a store; [`Kept::look`] reaches it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(address: Secret) -> anyhow::Result<Kept> {
        let background = Background::start("store")?;
        Ok(Kept { address, background, store: ArcSwapOption::empty() })
    }

    /// Looks whether the store is there. Waits for it: not to be called on the event loop.
    pub fn look(&self, faults: &Faults) {
        let fault = self.background.wait(async {
            match timeout(PATIENCE, self.reach()).await {
                Ok(Ok(())) => None,
                Ok(Err(error)) => Some(error.to_string()),
                Err(_) => {
                    Some(format!("the store does not answer within {} s", PATIENCE.as_secs()))
                }
            }
        });
        faults.set("store", fault);
    }

    async fn reach(&self) -> rekindle_store::Result<()> {
        match self.store.load_full() {
            Some(store) => store.ping().await,
            None => {
                let store = Store::open_existing(&self.address.0).await?;
                self.store.store(Some(Arc::new(store)));
                Ok(())
            }
        }
    }

    /// What the store says; `None` while it is away. Waits for it: not to be called on the event loop.
    pub fn wait<T, F>(
        &self,
        question: impl FnOnce(Store) -> F,
    ) -> Option<Result<T, rekindle_store::Error>>
    where
        F: Future<Output = rekindle_store::Result<T>>,
    {
        let store = self.store.load_full()?;
        self.background.wait(async { timeout(PATIENCE, question(Store::clone(&store))).await.ok() })
    }

    /// Does something with the store while others go on; nothing where it is away.
    pub fn spawn<F>(&self, work: impl FnOnce(Store) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if let Some(store) = self.store.load_full() {
            drop(self.background.spawn(work(Store::clone(&store))));
        }
    }

    /// What the store says. It goes on with what was asked also where nobody waits for it any more.
    ///
    /// # Errors
    /// When the store is away or refuses.
    pub async fn ask<T, F>(&self, question: impl FnOnce(Store) -> F) -> Result<T, ApiError>
    where
        T: Send + 'static,
        F: Future<Output = rekindle_store::Result<T>> + Send + 'static,
    {
        let Some(store) = self.store.load_full() else { return Err(ApiError::StoreAway) };
        match self.background.spawn(question(Store::clone(&store))).await {
            Ok(answer) => answer.map_err(told),
            Err(error) => Err(ApiError::Internal { reason: error.to_string() }),
        }
    }
}

/// What a client is told of an error: nothing of where the store lies.
fn told(error: Error) -> ApiError {
    match error {
        Error::BadRow { .. } => ApiError::InvalidRows { reason: error.to_string() },
        Error::Differs { .. } => ApiError::Conflict { reason: error.to_string() },
        Error::NoCampaign { campaign, .. } => ApiError::UnknownCampaign { campaign },
        Error::CampaignExists { campaign, .. } => ApiError::Conflict {
            reason: format!(
                "there is a campaign {campaign:?} already, perhaps the one you have just made: GET \
                 /v1/campaigns/{campaign} shows it; another one needs an id of its own"
            ),
        },
        Error::CampaignState { campaign, from, to, .. } => ApiError::Conflict {
            reason: format!("campaign {campaign:?} is {from} and cannot become {to}"),
        },
        Error::BadAddress { .. }
        | Error::Missing { .. }
        | Error::Schema { .. }
        | Error::Database { .. } => {
            tracing::error!(%error, "the store failed");
            ApiError::StoreAway
        }
    }
}
