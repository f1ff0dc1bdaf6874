//! What a run keeps in a store, whose calls are awaited here.

use std::future::Future;
use std::ops::Range;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use rekindle_models::artifact::Manifest;
use rekindle_models::frame::Frame;
use rekindle_models::scorer::Score;
use rekindle_store::{CustomerState, PutStates, Store, StoredReason, StoredScore};
use tokio::runtime::{Builder, Runtime};

use crate::build::GatheredLog;
use crate::commands::Talk;
use crate::ingest::Room;
use crate::newest::Newest;

/// Scores or states kept in one transaction: enough to pay for it, few enough to lie in memory twice.
const TOGETHER: usize = 100_000;

/// A store, and what waits for it.
pub(super) struct Held {
    runtime: Runtime,
    /// The store.
    pub store: Store,
}

impl Held {
    /// Opens a store, which may be new.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(address: &str) -> Result<Held> {
        let runtime = runtime()?;
        let store = runtime.block_on(Store::open(address))?;
        Ok(Held { runtime, store })
    }

    /// Opens a store that is there.
    ///
    /// # Errors
    /// When it is not there, or its tables are not those of this program.
    pub fn open_existing(address: &str) -> Result<Held> {
        let runtime = runtime()?;
        let store = runtime.block_on(Store::open_existing(address))?;
        Ok(Held { runtime, store })
    }

    /// Waits for what was asked of the store.
    pub fn wait<T>(&self, asked: impl Future<Output = T>) -> T {
        self.runtime.block_on(asked)
    }

    /// Keeps what customers are at a cutoff, in milliseconds.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn keep_states(self, cutoff: i64, states: &[CustomerState], talk: Talk) -> Result<()> {
        let mut put = PutStates::default();
        for together in states.chunks(TOGETHER) {
            let more = self.wait(self.store.put_states(cutoff * 1_000, together))?;
            put.changed += more.changed;
            put.same += more.same;
            put.older += more.older;
        }
        let PutStates { changed, same, older } = put;
        let shown = self.store.shown();
        talk.say(&format!(
            "states put into {shown}: {changed} new or changed, {same} as they were"
        ));
        if older > 0 {
            talk.say(&format!(
                "warning: of {older} customers {shown} keeps a later state; theirs were not put: history is told from \
                 the oldest cutoff on"
            ));
        }
        self.close();
        Ok(())
    }

    /// Keeps each customer's newest events of a log.
    ///
    /// # Errors
    /// When spilled events cannot be read, or the store refuses.
    pub fn keep_events(&self, log: &GatheredLog, newest: Newest, talk: Talk) -> Result<()> {
        let (mut room, mut put) = (Room::default(), 0);
        for partition in 0..log.events.partitions() {
            let customers = newest.of_partition(log, partition, &mut room)?;
            self.wait(self.store.put_events(&customers))?;
            put += customers.len();
        }
        talk.say(&format!("events of {put} customers put into {}", self.store.shown()));
        Ok(())
    }

    /// Ends its connections.
    pub fn close(self) {
        self.runtime.block_on(self.store.close());
    }
}

fn runtime() -> Result<Runtime> {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.context("failed to start what waits for the store")
}

/// Now, in microseconds since 1970.
pub(super) fn now_micros() -> Result<i64> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    Ok(now.context("the clock stands before 1970")?.as_micros() as i64)
}

/// Columns of a scored table that are kept with its scores, where they are there.
pub(super) const KEPT: [&str; 4] = ["cutoff", "lapse_tier", "lifecycle_stage", "grade"];

/// Reasons of a span of rows.
pub(super) type ReasonsOf<'a> = &'a dyn Fn(Range<usize>) -> Vec<Vec<StoredReason>>;

/// A store that is open for the scores of one model.
pub(super) struct Keeping<'a> {
    held: Held,
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
        Ok(Keeping { held: Held::open(address)?, model_name: &manifest.model_name, model_version })
    }

    /// Keeps all scores, as made now, with the columns of [`KEPT`] that the table has and with `reasons` of rows; `id` is
    /// the place of customers' ids. Rows without one are counted and left out.
    ///
    /// # Errors
    /// When the store refuses.
    pub fn put(
        self,
        (scores, reasons): (&[Score], ReasonsOf<'_>),
        (frame, id): (&Frame, usize),
        talk: Talk,
    ) -> Result<()> {
        let scored_at_micros = now_micros()?;
        let places = KEPT.map(|column| frame.schema().place(column));
        let kept = |(row, reasons): (usize, Vec<StoredReason>)| {
            let customer_id = frame.text(id, row).filter(|id| !id.is_empty())?.into_owned();
            let Score { probability, percentile, positive } = scores[row];
            let [cutoff, lapse_tier, lifecycle_stage, grade] =
                places.map(|place| frame.text(place?, row).map(|text| text.into_owned()));
            Some(StoredScore {
                customer_id,
                model_name: self.model_name.to_owned(),
                model_version: self.model_version,
                probability,
                percentile,
                positive,
                lapse_tier,
                lifecycle_stage,
                grade,
                cutoff,
                scored_at_micros,
                reasons,
            })
        };
        let mut put = 0;
        for first in (0..scores.len()).step_by(TOGETHER) {
            let rows = first..(first + TOGETHER).min(scores.len());
            let together: Vec<StoredScore> =
                rows.clone().zip(reasons(rows)).filter_map(kept).collect();
            self.held.wait(self.held.store.put_scores(&together))?;
            put += together.len();
        }
        match scores.len() - put {
            0 => {}
            left => talk.say(&format!("warning: {left} rows have no id and were not stored")),
        }
        talk.say(&format!("{put} scores put into {}", self.held.store.shown()));
        self.held.close();
        Ok(())
    }
}
