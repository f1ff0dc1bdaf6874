//! A runtime beside those that answer requests, for what waits on databases and object stores.

use std::time::Duration;

use tokio::runtime::{Builder, Runtime};
use tokio::time::timeout;

/// A runtime that may be dropped anywhere: what it still does is left to itself.
pub struct Background(Option<Runtime>);

impl Background {
    /// Starts one with a single thread.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn start(name: &str) -> std::io::Result<Background> {
        let mut builder = Builder::new_multi_thread();
        builder.worker_threads(1).thread_name(name).enable_all().build().map(Some).map(Background)
    }

    /// Does something there and waits for it, at most so long. Not to be called on the event loop.
    ///
    /// # Errors
    /// When it takes longer.
    pub fn wait<T>(&self, patience: Duration, work: impl Future<Output = T>) -> anyhow::Result<T> {
        let done = self.runtime().block_on(async { timeout(patience, work).await });
        done.map_err(|_| anyhow::anyhow!("no answer within {} s", patience.as_secs()))
    }

    /// Does something there; what is returned may be awaited on any runtime.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> tokio::task::JoinHandle<T> {
        self.runtime().spawn(work)
    }

    fn runtime(&self) -> &Runtime {
        self.0.as_ref().expect("it is there until it is dropped")
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
