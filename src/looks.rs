//! What campaigns changed, as it was worked out last: kept for the pages. Works nothing out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rekindle_models::language::Language;
use rekindle_store::Tally;

use crate::effects::{Courses, EffectReply};

/// A campaign's effect.
pub struct Look {
    /// When it was worked out, in microseconds.
    pub at_micros: i64,
    /// How often campaigns and records had been written to then.
    pub revision: (i64, i64),
    /// How long it took.
    pub took: Duration,
    /// The effect, with its sentence in English.
    pub effect: EffectReply,
    /// The sentence in Chinese.
    pub chinese: String,
    /// Day after day.
    pub courses: Courses,
    /// What the campaign decided, and what has come in.
    pub tally: Tally,
}

/// The looks that are kept.
#[derive(Default)]
pub struct Looks {
    kept: Mutex<BTreeMap<String, Arc<Look>>>,
    going: Mutex<BTreeSet<String>>,
    failed: Mutex<BTreeMap<String, Instant>>,
    /// Of campaigns that have not begun, with how often campaigns had been written to then.
    drafts: Mutex<BTreeMap<String, (i64, Arc<Tally>)>>,
}

/// Most looks that are kept.
const MOST: usize = 200;
/// How long after a try that failed none is made.
const REST: Duration = Duration::from_secs(60);

impl Look {
    /// What it means, in a language.
    pub fn sentence(&self, language: Language) -> &str {
        match language {
            Language::English => &self.effect.sentence,
            Language::Chinese => &self.chinese,
        }
    }
}

impl Looks {
    /// The latest look at a campaign.
    pub fn kept(&self, id: &str) -> Option<Arc<Look>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(id).cloned()
    }

    /// What a campaign that has not begun decided, where that was added up since campaigns were written to.
    pub fn draft(&self, id: &str, campaigns: i64) -> Option<Arc<Tally>> {
        let drafts = self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        drafts.get(id).filter(|(at, _)| *at == campaigns).map(|(_, tally)| Arc::clone(tally))
    }

    /// Keeps what a campaign that has not begun decided.
    pub fn keep_draft(&self, id: &str, campaigns: i64, tally: Arc<Tally>) {
        let mut drafts = self.drafts.lock().unwrap_or_else(PoisonError::into_inner);
        if drafts.len() >= MOST {
            drafts.clear();
        }
        drafts.insert(id.to_owned(), (campaigns, tally));
    }

    /// Whether the last try failed a moment ago.
    pub fn failed(&self, id: &str) -> bool {
        let failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        failed.get(id).is_some_and(|at| at.elapsed() < REST)
    }

    /// Whether nobody works one out already, and none failed a moment ago; who asks does then.
    pub fn begin(&self, id: &str) -> bool {
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        !self.failed(id) && going.insert(id.to_owned())
    }

    /// Keeps what was worked out, if it was.
    pub fn end(&self, id: &str, look: Option<Look>) {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match look.is_some() {
            true => drop(failed.remove(id)),
            false => drop(failed.insert(id.to_owned(), Instant::now())),
        }
        drop(failed);
        if let Some(look) = look {
            let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
            if kept.len() >= MOST
                && let Some(oldest) =
                    kept.iter().min_by_key(|(_, look)| look.at_micros).map(|(id, _)| id.clone())
            {
                kept.remove(&oldest);
            }
            kept.insert(id.to_owned(), Arc::new(look));
        }
        self.going.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}
