//! The store's customers in memory: read in the background, and again when they have changed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use rekindle_store::{Revisions, Store};

use crate::faults::Faults;
use crate::kept::Kept;
use crate::population::{Gathering, Population};

/// The customers, as they were read last.
#[derive(Default)]
pub struct People {
    now: ArcSwapOption<Population>,
    /// Customers met by the reading that goes on.
    met: AtomicU64,
    turn: Mutex<Turn>,
}

/// Whose turn it is.
#[derive(Default)]
struct Turn {
    /// What the customers in memory are as of.
    read: Option<Revisions>,
    /// What was seen at the last look.
    seen: Option<Revisions>,
    /// Since when customers are others than those in memory.
    changed: Option<Instant>,
    reading: bool,
    began: Option<Instant>,
    took: Duration,
}

/// A program that writes batch after batch is waited for, but not longer than this.
const PATIENCE: Duration = Duration::from_secs(60);
/// Reading takes no more than this share of the time, as a divisor.
const SHARE: u32 = 5;

impl People {
    /// The customers; `None` until they were read once.
    pub fn now(&self) -> Option<Arc<Population>> {
        self.now.load_full()
    }

    /// How many customers the reading that goes on has met.
    pub fn met(&self) -> u64 {
        self.met.load(Ordering::Relaxed)
    }

    /// Looks whether customers have changed, and has them read again. Waits for the store: not to be called on the event
    /// loop.
    pub fn look(self: &Arc<Self>, kept: &Kept, faults: &Arc<Faults>) {
        let revisions = match kept.wait(|store| async move { store.revisions().await }) {
            None => return,
            Some(Err(error)) => return faults.set("customers", Some(error.to_string())),
            // Contacts and outcomes are no part of what is held.
            Some(Ok(revisions)) => Revisions { records: 0, ..revisions },
        };
        let mut turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let quiet = turn.seen == Some(revisions) || turn.read.is_none();
        turn.seen = Some(revisions);
        if turn.reading || turn.read == Some(revisions) {
            return;
        }
        let waited = turn.changed.get_or_insert_with(Instant::now).elapsed();
        let rested = turn.began.is_none_or(|began| began.elapsed() >= turn.took * SHARE);
        if !rested || !quiet && waited < PATIENCE {
            return;
        }
        turn.changed = None;
        turn.reading = true;
        turn.began = Some(Instant::now());
        drop(turn);
        self.met.store(0, Ordering::Relaxed);
        let (people, faults) = (Arc::clone(self), Arc::clone(faults));
        kept.spawn(move |store| async move {
            let read = people.read(&store).await;
            let mut turn = people.turn.lock().unwrap_or_else(PoisonError::into_inner);
            turn.reading = false;
            turn.took = turn.began.map(|began| began.elapsed()).unwrap_or_default();
            if read.is_ok() {
                turn.read = Some(revisions);
            }
            drop(turn);
            faults.set("customers", read.err());
        });
    }

    async fn read(&self, store: &Store) -> Result<(), String> {
        let began = Instant::now();
        let told = |error: rekindle_store::Error| error.to_string();
        let mut gathering = Gathering::default();
        let take = |row| {
            gathering.take(row);
            self.met.store(gathering.len() as u64, Ordering::Relaxed);
        };
        store.each_person(take).await.map_err(told)?;
        // Sorting takes a while, and others ask the store meanwhile.
        let sorted = tokio::task::spawn_blocking(move || gathering.finish()).await;
        let population = sorted.map_err(|error| error.to_string())?;
        tracing::info!(
            customers = population.len(),
            milliseconds = began.elapsed().as_millis() as u64,
            "customers read for the pages"
        );
        self.now.store(Some(Arc::new(population)));
        Ok(())
    }
}
