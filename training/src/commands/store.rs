//! A run's scores into a store, whose calls are awaited here.

use std::borrow::Cow;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::Manifest;
use rekindle_models::scorer::Score;
use rekindle_store::{Store, StoredScore};
use tokio::runtime::{Builder, Runtime};

use crate::commands::Talk;

/// Scores kept in one transaction: enough to pay for it, few enough to lie in memory twice.
const TOGETHER: usize = 100_000;

/// A store that is open for the scores of one model.
pub(super) struct Keeping<'a> {
    runtime: Runtime,
    store: Store,
    model_name: &'a str,
    model_version: u32,
}

impl<'a> Keeping<'a> {
    /// Opens a store before anything is scored.
    ///
    /// # Errors
    /// When the model has no version or names no customers, or the store cannot be opened.
    pub fn open(
        address: &str,
        manifest: &'a Manifest,
        version: Option<u32>,
    ) -> Result<Keeping<'a>> {
        let Some(model_version) = version else {
            bail!(
                "--store: a model file has no version; name a model's folder in a registry, as \
                 registry/{}",
                manifest.model_name
            );
        };
        if manifest.id_column.is_none() {
            bail!(
                "--store: {} names no column of customers' ids; fit it with --id COLUMN",
                manifest.model_name
            );
        }
        let runtime = Builder::new_current_thread().enable_all().build();
        let runtime = runtime.context("failed to start what waits for the store")?;
        let store = runtime.block_on(Store::open(address))?;
        Ok(Keeping { runtime, store, model_name: &manifest.model_name, model_version })
    }

    /// Keeps all scores, as made now; `customer` gives the id of a row. Rows without one are counted and left out.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn put<'c>(
        self,
        scores: &[Score],
        customer: impl Fn(usize) -> Option<Cow<'c, str>>,
        talk: Talk,
    ) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let scored_at_micros = now.context("the clock stands before 1970")?.as_micros() as i64;
        let kept = |row: usize| {
            let customer_id = customer(row).filter(|id| !id.is_empty())?.into_owned();
            let Score { probability, percentile, positive } = scores[row];
            Some(StoredScore {
                customer_id,
                model_name: self.model_name.to_owned(),
                model_version: self.model_version,
                probability,
                percentile,
                positive,
                lapse_tier: None,
                lifecycle_stage: None,
                grade: None,
                cutoff: None,
                scored_at_micros,
            })
        };
        let mut put = 0;
        for first in (0..scores.len()).step_by(TOGETHER) {
            let rows = first..(first + TOGETHER).min(scores.len());
            let together: Vec<StoredScore> = rows.filter_map(kept).collect();
            self.runtime.block_on(self.store.put_scores(&together))?;
            put += together.len();
        }
        self.runtime.block_on(self.store.close());
        match scores.len() - put {
            0 => {}
            left => talk.say(&format!("warning: {left} rows have no id and were not stored")),
        }
        talk.say(&format!("{put} scores put into {}", self.store.shown()));
        Ok(())
    }
}
