//! Work that takes longer than about a millisecond: on other threads than those that answer requests, as much at a
//! time as there are cores, and no more waiting than allowed.

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

use actix_web::web;
use futures_util::poll;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout_at;

use crate::counters::Counters;
use crate::error::ApiError;

/// The bounded queue of heavy work.
pub struct Heavy {
    cores: Arc<Semaphore>,
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
        let mut work = pin!(work);
        // Most bodies are there already: then no clock is set.
        if let Poll::Ready(done) = poll!(work.as_mut()) {
            return Ok(done);
        }
        timeout_at(self.at.into(), work).await.map_err(|_| {
            counters.shed("deadline");
            ApiError::DeadlineExceeded { limit: self.limit }
        })
    }
}

impl Heavy {
    /// A queue for `cores` at a time, in which up to `most_waiting` wait.
    pub fn new(cores: usize, most_waiting: usize, counters: Counters) -> Heavy {
        let cores = Arc::new(Semaphore::new(cores));
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
        let permit = match Arc::clone(&self.cores).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => self.wait(deadline).await?,
        };
        // The work keeps its core until it is done, also where nobody waits for it any more.
        let work = move || {
            let _permit = permit;
            work()
        };
        let done = deadline.meet(&self.counters, web::block(work)).await;
        done?.map_err(|error| ApiError::Internal { reason: error.to_string() })
    }

    async fn wait(&self, deadline: Deadline) -> Result<OwnedSemaphorePermit, ApiError> {
        let waiting = Waiting::new(&self.waiting);
        if waiting.before >= self.most_waiting {
            self.counters.shed("queue");
            return Err(ApiError::Overloaded);
        }
        let permit = deadline.meet(&self.counters, Arc::clone(&self.cores).acquire_owned()).await?;
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

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread::sleep;

    use super::*;

    #[test]
    fn work_that_nobody_waits_for_any_more_keeps_its_core_until_it_is_done() {
        let heavy = Heavy::new(1, 1, Counters::new());
        let done = Arc::new(AtomicBool::new(false));
        let (ends, ended) = (Arc::clone(&done), Arc::clone(&done));
        let long = move || {
            sleep(Duration::from_millis(200));
            ends.store(true, Ordering::SeqCst);
        };
        actix_web::rt::System::new().block_on(async {
            let late = heavy.run(Deadline::after(Duration::from_millis(20)), long).await;
            assert!(matches!(late, Err(ApiError::DeadlineExceeded { .. })));
            let after = Deadline::after(Duration::from_secs(10));
            assert!(heavy.run(after, move || ended.load(Ordering::SeqCst)).await.unwrap());
        });
    }
}
