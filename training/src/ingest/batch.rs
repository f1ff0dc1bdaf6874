//! Events as they come from a source: rows of many customers. Holds no rule of what a good line is.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use rekindle_models::behaviour::{Dictionaries, Dictionary, Events, Recoding};

use crate::error::{Error, Result};

/// Events of many customers.
#[derive(Debug, Clone, PartialEq)]
pub struct EventBatch {
    /// Whose each event is.
    pub customers: Ids,
    /// What they did, as long as `customers`. Codes of kinds, channels and groups are those of
    /// [`Names`]: [`NONE`] where an event has none.
    pub events: Events,
}

/// The customers of a batch, one for each event. A number and its decimal text are the same customer.
#[derive(Debug, Clone, PartialEq)]
pub enum Ids {
    /// Whole numbers.
    Numbers(Vec<i64>),
    /// Texts, one after the other; `ends[i]` is where the `i`th ends.
    Texts {
        /// All texts.
        text: String,
        /// Their ends, rising.
        ends: Vec<u32>,
    },
}

/// Names of kinds (or channels, or groups) met so far, shared by all threads that read. Codes are
/// given in order of arrival and so differ between runs: [`Names::sorted`] tells those that do not.
#[derive(Debug)]
pub struct Names {
    what: &'static str,
    known: Mutex<(HashMap<String, u16>, Vec<String>)>,
}

/// The names met in a log.
#[derive(Debug)]
pub struct LogNames {
    /// Kinds of events.
    pub kinds: Names,
    /// Channels.
    pub channels: Names,
    /// Product groups.
    pub groups: Names,
    /// Currencies of amounts.
    pub currencies: Names,
}

/// Most names of a kind: more are a sign that the column is an id.
const MOST_NAMES: usize = 10_000;

impl Names {
    /// No names yet; `what` they are, for messages: `kind`, `channel`, `product group`.
    pub fn new(what: &'static str) -> Names {
        Names { what, known: Mutex::default() }
    }

    /// The code of a name, a new one where it was not met before.
    ///
    /// # Errors
    /// When there are more than 10,000.
    pub fn code(&self, name: &str) -> Result<u16> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(&code) = known.0.get(name) {
            return Ok(code);
        }
        if known.1.len() == MOST_NAMES {
            return Err(Error::BadOptions(format!(
                "{}: more than {MOST_NAMES} different ones, the last {name:?}; expected a column with \
                 few values, is this one an id?",
                self.what
            )));
        }
        let code = known.1.len() as u16;
        known.0.insert(name.to_owned(), code);
        known.1.push(name.to_owned());
        Ok(code)
    }

    /// The code of a name that was met before.
    pub fn known(&self, name: &str) -> Option<u16> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.0.get(name).copied()
    }

    /// The names met so far, sorted, with their code here as the second of each pair.
    pub fn sorted(&self) -> Vec<(String, u16)> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let mut names: Vec<(String, u16)> = known.1.iter().cloned().zip(0..).collect();
        names.sort_unstable();
        names
    }

    /// The code in `dictionary` of every code given here: [`OTHER`] for names it does not list.
    pub fn recode(&self, dictionary: &Dictionary) -> Vec<u16> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.1.iter().map(|name| dictionary.code(name)).collect()
    }
}

impl Default for LogNames {
    fn default() -> LogNames {
        LogNames {
            kinds: Names::new("kind"),
            channels: Names::new("channel"),
            groups: Names::new("product group"),
            currencies: Names::new("currency"),
        }
    }
}

impl LogNames {
    /// All names met.
    pub fn dictionaries(&self) -> Dictionaries {
        let names = |names: &Names| {
            Dictionary::new(names.sorted().into_iter().map(|(name, _)| name).collect())
        };
        Dictionaries {
            kinds: names(&self.kinds),
            channels: names(&self.channels),
            groups: names(&self.groups),
        }
    }

    /// The codes met as those of dictionaries.
    pub fn recoding(&self, names: &Dictionaries) -> Recoding {
        Recoding {
            kinds: self.kinds.recode(&names.kinds),
            channels: self.channels.recode(&names.channels),
            groups: self.groups.recode(&names.groups),
        }
    }
}

impl Ids {
    /// Number of events.
    pub fn len(&self) -> usize {
        match self {
            Ids::Numbers(numbers) => numbers.len(),
            Ids::Texts { ends, .. } => ends.len(),
        }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
