//! What campaigns changed, as it was worked out last: kept for the pages. Works nothing out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use rekindle_models::language::Language;

use crate::effects::{Courses, EffectReply};

/// A campaign's effect.
pub struct Look {
    /// When it was worked out, in microseconds.
    pub at_micros: i64,
    /// How often campaigns had been written to then.
    pub revision: i64,
    /// The effect, with its sentence in English.
    pub effect: EffectReply,
    /// The sentence in Chinese.
    pub chinese: String,
    /// Day after day.
    pub courses: Courses,
}

/// The looks that are kept.
#[derive(Default)]
pub struct Looks {
    kept: Mutex<BTreeMap<String, Arc<Look>>>,
    going: Mutex<BTreeSet<String>>,
}

/// Most looks that are kept.
const MOST: usize = 200;
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

    /// Whether nobody works one out already; who asks does then.
    pub fn begin(&self, id: &str) -> bool {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).insert(id.to_owned())
    }

    /// Keeps what was worked out, if it was.
    pub fn end(&self, id: &str, look: Option<Look>) {
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
