//! All customers of the store, column by column in memory, so that any filter and any order answers within milliseconds:
//! a million customers take some 100 MB. Read whole, replaced whole; asks no store itself.

mod gathering;
mod select;
mod summary;

#[cfg(test)]
mod tests;

use rekindle_models::customer::{Grade, LapseTier, LifecycleStage};

pub use gathering::Gathering;
pub use select::{Cursor, Filter, Slice, Sort, SortBy};
pub use summary::{GradeLine, Summary};

/// A tier, stage or grade of a customer: its place among all of its kind, or [`NONE`].
pub type Place = u8;
/// Not known of the customer.
pub const NONE: Place = u8::MAX;
/// The customer was not there yet.
pub const ABSENT: Place = u8::MAX - 1;
/// No name.
pub const UNNAMED: u16 = u16::MAX;

/// The customers of the store as of one moment. One place in every column each, in the order of the ids' bytes.
pub struct Population {
    /// The last instant at which states were put, in microseconds.
    pub as_of_micros: Option<i64>,
    /// The one before it.
    pub before_micros: Option<i64>,
    ids: Ids,
    /// Lapse tiers.
    pub tier: Vec<Place>,
    /// Lifecycle stages.
    pub stage: Vec<Place>,
    /// Grades.
    pub grade: Vec<Place>,
    /// Lapse tiers at `before_micros`.
    pub was_tier: Vec<Place>,
    /// Lifecycle stages at `before_micros`.
    pub was_stage: Vec<Place>,
    /// Profit minus cost so far; NaN where it is not known.
    pub historic: Vec<f64>,
    /// What is expected; NaN where it is not known.
    pub predicted: Vec<f64>,
    /// The probability that the customer buys again at all; NaN where it is not known.
    pub alive: Vec<f64>,
    /// Orders that are expected within the span of `predicted`; NaN where it is not known.
    pub orders: Vec<f64>,
    /// Latest scores by model, by the models' names.
    pub scores: Vec<Scores>,
    /// What running campaigns advise: a place in `actions`, or [`UNNAMED`].
    pub action: Vec<u16>,
    /// By which way: a place in `channels`, or [`UNNAMED`].
    pub channel: Vec<u16>,
    /// Whether the customer is held out of it.
    pub held_out: Vec<bool>,
    /// Names of actions.
    pub actions: Vec<String>,
    /// Names of channels.
    pub channels: Vec<String>,
    /// What it all comes to.
    pub summary: Summary,
}

/// The latest scores of all customers by one model.
pub struct Scores {
    /// The model.
    pub model: String,
    /// NaN where a customer has none.
    pub probability: Vec<f64>,
    /// The model's version that gave each; 0 where a customer has none.
    pub version: Vec<i64>,
    /// What moved each most, where that was kept: a place in `features`, or [`UNNAMED`].
    pub reason: Vec<u16>,
    /// Names of features.
    pub features: Vec<String>,
}

/// Names of customers, one behind the other.
#[derive(Default)]
struct Ids {
    text: String,
    ends: Vec<u64>,
}

impl Population {
    /// How many customers there are.
    pub fn len(&self) -> usize {
        self.ids.ends.len()
    }

    /// A customer's id.
    pub fn id(&self, row: usize) -> &str {
        self.ids.get(row)
    }

    /// The row of an id.
    pub fn find(&self, id: &str) -> Option<usize> {
        self.row_of(id).ok()
    }

    /// The row of an id, or where it would be.
    fn row_of(&self, id: &str) -> Result<usize, usize> {
        let (mut low, mut high) = (0, self.len());
        while low < high {
            let middle = low + (high - low) / 2;
            match self.id(middle).cmp(id) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// A customer's lapse tier.
    pub fn tier_of(&self, row: usize) -> Option<LapseTier> {
        LapseTier::ALL.get(usize::from(self.tier[row])).copied()
    }

    /// A customer's lifecycle stage.
    pub fn stage_of(&self, row: usize) -> Option<LifecycleStage> {
        LifecycleStage::ALL.get(usize::from(self.stage[row])).copied()
    }

    /// A customer's grade.
    pub fn grade_of(&self, row: usize) -> Option<Grade> {
        Grade::ALL.get(usize::from(self.grade[row])).copied()
    }

    /// What a running campaign advises.
    pub fn action_of(&self, row: usize) -> Option<&str> {
        self.actions.get(usize::from(self.action[row])).map(String::as_str)
    }

    /// By which way.
    pub fn channel_of(&self, row: usize) -> Option<&str> {
        self.channels.get(usize::from(self.channel[row])).map(String::as_str)
    }
}

impl Scores {
    /// What moved a customer's score most.
    pub fn reason_of(&self, row: usize) -> Option<&str> {
        self.features.get(usize::from(self.reason[row])).map(String::as_str)
    }
}

impl Ids {
    fn get(&self, row: usize) -> &str {
        let start = if row == 0 { 0 } else { self.ends[row - 1] as usize };
        &self.text[start..self.ends[row] as usize]
    }

    fn push(&mut self, id: &str) {
        self.text.push_str(id);
        self.ends.push(self.text.len() as u64);
    }
}
