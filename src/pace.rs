//! How fast a body of any length must come, so that nothing is held for clients that send next to nothing.

use std::io;
use std::time::{Duration, Instant};

use actix_web::web::Bytes;
use futures_util::{Stream, StreamExt};
use tokio::time::timeout;

/// Bytes that must come in a second, of the time that the body is waited for.
const BYTES_A_SECOND: f64 = 1_000.0;

/// A body's way in, so far.
pub struct Pace {
    patience: Duration,
    waited: Duration,
    came: usize,
}

impl Pace {
    /// Nothing has come yet; `patience` is how long nothing may come.
    pub fn new(patience: Duration) -> Pace {
        Pace { patience, waited: Duration::ZERO, came: 0 }
    }

    /// The next piece, or why there is none; `None` at the body's end.
    pub async fn next<E: std::fmt::Display>(
        &mut self,
        body: &mut (impl Stream<Item = Result<Bytes, E>> + Unpin),
    ) -> Option<io::Result<Bytes>> {
        let start = Instant::now();
        let next = timeout(self.patience, body.next()).await;
        self.waited += start.elapsed();
        match next {
            Ok(None) => None,
            Ok(Some(Ok(piece))) => Some(self.in_time(piece)),
            Ok(Some(Err(error))) => {
                Some(Err(io::Error::other(format!("the body broke off: {error}"))))
            }
            Err(_) => {
                let patience = self.patience.as_millis();
                Some(Err(io::Error::other(format!("nothing came for {patience} ms"))))
            }
        }
    }

    fn in_time(&mut self, piece: Bytes) -> io::Result<Bytes> {
        self.came += piece.len();
        // The first `patience` is for connections that begin slowly.
        let late = self.waited.saturating_sub(self.patience).as_secs_f64();
        match (self.came as f64) < late * BYTES_A_SECOND {
            false => Ok(piece),
            true => Err(io::Error::other(format!(
                "{} bytes came in {:.1} s, expected {BYTES_A_SECOND} in a second",
                self.came,
                self.waited.as_secs_f64()
            ))),
        }
    }
}
