//! The scores that `rekindle score --store` keeps, read for the service. A store that is away is tried again and again;
//! everything else goes on without it.

use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwapOption;
use rekindle_store::{Store, StoredScore};
use tokio::time::timeout;

use crate::background::Background;
use crate::error::ApiError;
use crate::faults::Faults;
use crate::settings::Secret;

/// Customers' latest scores.
pub struct KeptScores {
    address: Secret,
    background: Background,
    /// Absent until it was reached.
    store: ArcSwapOption<Store>,
}

/// How long the store may take to say that it is there.
const PATIENCE: Duration = Duration::from_secs(3);

impl KeptScores {
    /// Makes ready to read a store; [`KeptScores::look`] reaches it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(address: Secret) -> anyhow::Result<KeptScores> {
        let background = Background::start("store")?;
        Ok(KeptScores { address, background, store: ArcSwapOption::empty() })
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

    /// The latest scores of a customer, one by each model; none where it is not known.
    ///
    /// # Errors
    /// When the store is away.
    pub async fn of(&self, customer_id: String) -> Result<Vec<StoredScore>, ApiError> {
        let Some(store) = self.store.load_full() else { return Err(ApiError::StoreAway) };
        let read = self.background.spawn(async move { store.scores_of(&customer_id).await });
        match read.await {
            Ok(Ok(scores)) => Ok(scores),
            Ok(Err(error)) => {
                tracing::error!(%error, "the store cannot be read");
                Err(ApiError::StoreAway)
            }
            Err(error) => Err(ApiError::Internal { reason: error.to_string() }),
        }
    }
}
