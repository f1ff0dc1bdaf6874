//! Parts that have failed while the service goes on without them: said by readiness, metrics and the log.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use crate::counters::Counters;

/// What is the matter with each part; nothing where all is well.
pub struct Faults {
    parts: Mutex<BTreeMap<&'static str, String>>,
    counters: Counters,
}

impl Faults {
    /// All is well.
    pub fn new(counters: Counters) -> Faults {
        Faults { parts: Mutex::default(), counters }
    }

    /// Says how a part is: what is the matter, or that it is well. A change is logged.
    pub fn set(&self, part: &'static str, fault: Option<String>) {
        let mut parts = self.parts.lock().unwrap_or_else(PoisonError::into_inner);
        match fault {
            Some(fault) if parts.get(part) != Some(&fault) => {
                tracing::error!(part, fault, "degraded: the service goes on without it");
                self.counters.degraded(part, true);
                parts.insert(part, fault);
            }
            Some(_) => {}
            None => {
                if parts.remove(part).is_some() {
                    tracing::info!(part, "well again");
                }
                self.counters.degraded(part, false);
            }
        }
    }

    /// The parts that have failed.
    pub fn parts(&self) -> Vec<&'static str> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).keys().copied().collect()
    }
}
