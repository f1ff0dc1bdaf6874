//! Work that takes longer than about a millisecond: on other threads than those that answer requests, as much at a
//! time as there are cores, and no more waiting than allowed.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use actix_web::web;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout_at;

use crate::counters::Counters;
use crate::error::ApiError;

/// The bounded queue of heavy work.
pub struct Heavy {
    cores: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    counters: Counters,
}

/// When an answer would be too late.
#[derive(Debug, Clone, Copy)]
pub struct Deadline {
    at: Instant,
    limit: Duration,
}

impl Deadline {
    /// So long from now.
    pub fn after(limit: Duration) -> Deadline {
        Deadline { at: Instant::now() + limit, limit }
    }

    /// What comes of `work`, where it comes in time.
    ///
    /// # Errors
    /// When it does not.
    pub async fn meet<T>(
        &self,
        counters: &Counters,
        work: impl Future<Output = T>,
    ) -> Result<T, ApiError> {
        timeout_at(self.at.into(), work).await.map_err(|_| {
            counters.shed("deadline");
            ApiError::DeadlineExceeded { limit: self.limit }
        })
    }
}

impl Heavy {
    /// A queue for `cores` at a time, in which up to `most_waiting` wait.
    pub fn new(cores: usize, most_waiting: usize, counters: Counters) -> Heavy {
        let cores = Semaphore::new(cores);
        Heavy { cores, waiting: AtomicUsize::new(0), most_waiting, counters }
    }

    /// Does some work when its turn comes. Work whose deadline passes while it waits is never begun.
    ///
    /// # Errors
    /// When too much waits already, the deadline has passed, or the work panicked.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Deadline,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, ApiError> {
        let permit = match self.cores.try_acquire() {
            Ok(permit) => permit,
            Err(_) => self.wait(deadline).await?,
        };
        let done = deadline.meet(&self.counters, web::block(work)).await;
        drop(permit);
        done?.map_err(|error| ApiError::Internal { reason: error.to_string() })
    }

    async fn wait(&self, deadline: Deadline) -> Result<SemaphorePermit<'_>, ApiError> {
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.most_waiting {
            self.counters.shed("queue");
            return Err(ApiError::Overloaded);
        }
        let permit = deadline.meet(&self.counters, self.cores.acquire()).await?;
        permit.map_err(|_| ApiError::Overloaded)
    }
}

/// Counts one that waits, until it is dropped: also where the client has gone.
struct Waiting<'a> {
    count: &'a AtomicUsize,
    before: usize,
}

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Waiting<'a> {
        Waiting { count, before: count.fetch_add(1, Ordering::Relaxed) }
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Ordering::Relaxed);
    }
}
