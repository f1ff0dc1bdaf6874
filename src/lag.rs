//! How late a thread that answers requests is: what is ready to be done waits that long. Each worker has its own.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use actix_web::rt;

use crate::counters::Counters;

/// The lag of one worker's event loop.
pub struct Lag {
    /// How late the last look was.
    last: Cell<Duration>,
    /// When the next look is due.
    due: Cell<Instant>,
}

/// Time between looks.
const PERIOD: Duration = Duration::from_millis(5);

impl Lag {
    /// Starts to look, on the worker that this is called on.
    pub fn watch(counters: Counters) -> Rc<Lag> {
        let due = Cell::new(Instant::now() + PERIOD);
        let lag = Rc::new(Lag { last: Cell::new(Duration::ZERO), due });
        let looking = Rc::downgrade(&lag);
        rt::spawn(async move {
            loop {
                rt::time::sleep(PERIOD).await;
                let Some(lag) = looking.upgrade() else { return };
                let now = Instant::now();
                let late = now.saturating_duration_since(lag.due.get());
                lag.last.set(late);
                lag.due.set(now + PERIOD);
                counters.lag.set(late.as_secs_f64());
            }
        });
        lag
    }

    /// How late the worker is at this moment: as late as its last look was, or later where the next one is overdue.
    pub fn at(&self, now: Instant) -> Duration {
        self.last.get().max(now.saturating_duration_since(self.due.get()))
    }
}
