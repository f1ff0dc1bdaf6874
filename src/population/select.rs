//! Which customers are looked for, in which order, and a page of them: one pass over the columns, whatever is asked.

use std::collections::BinaryHeap;

use crate::population::{NONE, Place, Population, UNNAMED};

/// Which customers are looked for; an empty set lets all pass.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Filter {
    /// Lapse tiers.
    pub tiers: Vec<Place>,
    /// Lifecycle stages.
    pub stages: Vec<Place>,
    /// Grades.
    pub grades: Vec<Place>,
    /// Lapse tier at the snapshot before.
    pub was_tier: Option<Place>,
    /// Lifecycle stage at the snapshot before.
    pub was_stage: Option<Place>,
    /// A model (its place) and the lowest and highest probability.
    pub probability: Option<(usize, f64, f64)>,
    /// Lowest and highest predicted value.
    pub value: Option<(f64, f64)>,
    /// Those alone whom running campaigns advise something for.
    pub advised: bool,
    /// What running campaigns advise; a name that is not there lets nobody pass.
    pub action: Option<String>,
    /// By which way.
    pub channel: Option<String>,
    /// A model (its place), and the feature that moved the score most.
    pub reason: Option<(usize, String)>,
    /// How ids begin.
    pub id: String,
}

/// By what customers are ordered. What is not known comes last, whichever way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SortBy {
    /// The id.
    Id,
    /// The lapse tier.
    Tier,
    /// The lifecycle stage.
    Stage,
    /// The grade.
    Grade,
    /// The probability by a model, by its place.
    Probability(usize),
    /// Profit minus cost so far.
    Historic,
    /// What is expected.
    Predicted,
    /// The probability of buying again at all.
    Alive,
}

/// An order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sort {
    /// By what.
    pub by: SortBy,
    /// The largest first.
    pub falling: bool,
}

/// Where a page begins or ends.
#[derive(Debug, Clone, PartialEq)]
pub enum Cursor {
    /// At the beginning.
    Start,
    /// Behind a customer, by its key and id.
    After(u64, String),
    /// Before one.
    Before(u64, String),
}

/// A page of customers.
#[derive(Debug, Clone, PartialEq)]
pub struct Slice {
    /// In the order asked for.
    pub rows: Vec<u32>,
    /// How many customers pass the filter.
    pub matched: u64,
    /// How many of them come before the page.
    pub before: u64,
}

/// A key, and where it is among equal ones: twice the row, and one less for what lies before it.
type Key = (u64, u64);

impl Population {
    /// A page of at most `most` customers.
    pub fn slice(&self, filter: &Filter, sort: Sort, cursor: &Cursor, most: usize) -> Slice {
        let passes = Passes::new(self, filter);
        let (bound, backwards) = match cursor {
            Cursor::Start => (None, false),
            Cursor::After(key, id) => (Some(self.bound(sort, *key, id)), false),
            Cursor::Before(key, id) => (Some(self.bound(sort, *key, id)), true),
        };
        // The `most` nearest to the cursor: the farthest of them on top.
        let mut nearest: BinaryHeap<Key> = BinaryHeap::with_capacity(most + 1);
        let (mut matched, mut before) = (0, 0);
        for row in 0..self.len() {
            if !passes.row(row) {
                continue;
            }
            matched += 1;
            let key = (self.key(sort, row), 2 * row as u64);
            let wanted = match bound {
                None => true,
                Some(bound) if backwards => key < bound,
                Some(bound) => key > bound,
            };
            before += u64::from(bound.is_some_and(|b| key < b || key == b && !backwards));
            if !wanted {
                continue;
            }
            let (own, place) = key;
            let entry = if backwards { (!own, !place) } else { key };
            if nearest.len() < most {
                nearest.push(entry);
            } else if nearest.peek().is_some_and(|farthest| entry < *farthest) {
                nearest.pop();
                nearest.push(entry);
            }
        }
        let mut keys = nearest.into_sorted_vec();
        if backwards {
            keys.reverse();
            keys.iter_mut().for_each(|(own, place)| (*own, *place) = (!*own, !*place));
            before -= keys.len() as u64;
        }
        let rows = keys.into_iter().map(|(_, place)| (place / 2) as u32).collect();
        Slice { rows, matched, before }
    }

    /// All customers that pass a filter, in order.
    pub fn ordered(&self, filter: &Filter, sort: Sort) -> Vec<u32> {
        let passes = Passes::new(self, filter);
        let rows = (0..self.len()).filter(|row| passes.row(*row));
        let mut keys: Vec<(u64, u32)> = rows.map(|row| (self.key(sort, row), row as u32)).collect();
        keys.sort_unstable();
        keys.into_iter().map(|(_, row)| row).collect()
    }

    /// All customers that pass a filter, by id.
    pub fn rows(&self, filter: &Filter) -> Vec<u32> {
        let passes = Passes::new(self, filter);
        (0..self.len()).filter(|row| passes.row(*row)).map(|row| row as u32).collect()
    }

    /// The place of a customer in an order: equal ones by id.
    pub fn key(&self, sort: Sort, row: usize) -> u64 {
        let named = |place: Place| if place == NONE { f64::NAN } else { f64::from(place) };
        let number = match sort.by {
            SortBy::Id => row as f64,
            SortBy::Tier => named(self.tier[row]),
            SortBy::Stage => named(self.stage[row]),
            SortBy::Grade => named(self.grade[row]),
            SortBy::Probability(model) => self.scores[model].probability[row],
            SortBy::Historic => self.historic[row],
            SortBy::Predicted => self.predicted[row],
            SortBy::Alive => self.alive[row],
        };
        ordered(number, sort.falling)
    }

    /// Where a customer is, or was before it went.
    fn bound(&self, sort: Sort, key: u64, id: &str) -> Key {
        let found = self.row_of(id);
        let place = match found {
            Ok(row) => 2 * row as u64,
            Err(row) => (2 * row as u64).saturating_sub(1),
        };
        match (sort.by, found) {
            // Rows are others when customers have come or gone: between two of them stands who is not there.
            (SortBy::Id, Ok(row)) => (ordered(row as f64, sort.falling), place),
            (SortBy::Id, Err(row)) => (ordered(row as f64 - 0.5, sort.falling), place),
            _ => (key, place),
        }
    }
}

/// A number as a whole one in the same order, or the opposite; what is not known comes last.
fn ordered(number: f64, falling: bool) -> u64 {
    if number.is_nan() {
        return u64::MAX;
    }
    // 0 and -0 are equal.
    let bits = (number + 0.0).to_bits();
    let rising = if bits >> 63 == 0 { bits | 1 << 63 } else { !bits };
    if falling { !rising } else { rising }
}

/// A filter made ready.
struct Passes<'a> {
    population: &'a Population,
    filter: &'a Filter,
    tiers: [bool; 256],
    stages: [bool; 256],
    grades: [bool; 256],
    /// Places of names; `None` where all pass, and of a name that is not there one that nobody has.
    action: Option<u16>,
    channel: Option<u16>,
    reason: Option<(usize, u16)>,
}

impl<'a> Passes<'a> {
    fn new(population: &'a Population, filter: &'a Filter) -> Passes<'a> {
        let set = |places: &[Place]| {
            let mut set = [places.is_empty(); 256];
            places.iter().for_each(|place| set[usize::from(*place)] = true);
            set
        };
        // The place before that of no name is never given either.
        let place = |names: &[String], name: &str| {
            names.iter().position(|own| own == name).map_or(u16::MAX - 1, |place| place as u16)
        };
        Passes {
            population,
            filter,
            tiers: set(&filter.tiers),
            stages: set(&filter.stages),
            grades: set(&filter.grades),
            action: filter.action.as_ref().map(|name| place(&population.actions, name)),
            channel: filter.channel.as_ref().map(|name| place(&population.channels, name)),
            reason: (filter.reason.as_ref())
                .map(|(model, name)| (*model, place(&population.scores[*model].features, name))),
        }
    }

    fn row(&self, row: usize) -> bool {
        let Passes { population, filter, .. } = self;
        let within = |value: f64, low: f64, high: f64| value >= low && value <= high;
        self.tiers[usize::from(population.tier[row])]
            && self.stages[usize::from(population.stage[row])]
            && self.grades[usize::from(population.grade[row])]
            && filter.was_tier.is_none_or(|was| population.was_tier[row] == was)
            && filter.was_stage.is_none_or(|was| population.was_stage[row] == was)
            && filter.value.is_none_or(|(low, high)| within(population.predicted[row], low, high))
            && filter.probability.is_none_or(|(model, low, high)| {
                within(population.scores[model].probability[row], low, high)
            })
            && (!filter.advised || population.action[row] != UNNAMED)
            && self.action.is_none_or(|action| population.action[row] == action)
            && self.channel.is_none_or(|channel| population.channel[row] == channel)
            && self
                .reason
                .is_none_or(|(model, place)| population.scores[model].reason[row] == place)
            && (filter.id.is_empty() || population.id(row).starts_with(&filter.id))
    }
}
