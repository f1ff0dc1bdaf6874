//! Snapshots: a row of features, attributes and answers for each customer at each cutoff. Reads no log and
//! writes no file.

use std::collections::HashMap;
use std::sync::Arc;

use rekindle_models::behaviour::{
    Attribute, DAY_MS, Events, FeatureSpec, Kernel, Scratch, Timeline, Zone,
};
use rekindle_models::customer;
use rekindle_models::frame::nearest_name;
use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, Known};
use crate::contacted::Contacted;
use crate::error::{Error, Result};
use crate::ingest::CustomerId;
use crate::question::{Asked, Questions};

/// When customers are looked at.
#[derive(Debug, Clone, PartialEq)]
pub enum Cutoffs {
    /// All at the same instants, in milliseconds, rising.
    Common(Vec<i64>),
    /// Each at instants of its own, with its label (1, 0, or NaN for none): by customer.
    Each(HashMap<String, Vec<(i64, f64)>>),
}

/// What is told of customers, and when.
#[derive(Debug)]
pub struct Panel {
    kernel: Kernel,
    wanted: Vec<Attribute>,
    told: Option<Told>,
    asked: Asked,
    targets: Vec<String>,
    cutoffs: Cutoffs,
    contacted: Option<(Contacted, i64)>,
    zone: Zone,
}

/// The attributes of customers, and where those of the panel stand among them.
#[derive(Debug)]
struct Told {
    attributes: Arc<Attributes>,
    places: Vec<usize>,
}

/// Rows of a panel: those of some customers.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Block {
    /// Whose each row is.
    pub customers: Vec<String>,
    /// When, in milliseconds since 1970 UTC.
    pub cutoffs: Vec<i64>,
    /// The features, then the attributes, row by row; NaN where missing. The cells of a category are places
    /// in `texts`.
    pub features: Vec<f64>,
    /// The answers, row by row: 1, 0, or NaN for who is not asked.
    pub answers: Vec<f64>,
    /// How many rows each row stands for; empty where contacts are not looked at.
    pub weights: Vec<f64>,
    /// Rows left out as their customers were contacted.
    pub contacted: u64,
    /// The texts of all categories, sorted; empty where the panel has no attributes.
    pub texts: Arc<[Box<str>]>,
}

impl Block {
    /// No rows, but the room for them.
    pub fn clear(&mut self) {
        let Block { customers, cutoffs, features, answers, weights, contacted, texts: _ } = self;
        weights.clear();
        *contacted = 0;
        customers.clear();
        cutoffs.clear();
        features.clear();
        answers.clear();
    }
}

/// Room for one customer at a time.
#[derive(Debug)]
pub struct PanelScratch {
    scratch: Scratch,
    purchases: customer::Scratch,
    kept: Events,
    row: Vec<f64>,
    /// A cell for each attribute that is told, wanted or not.
    told: Vec<f64>,
    answers: Vec<f64>,
}

/// A customer, with all that happened and all that was ever known.
struct Subject<'a> {
    name: &'a str,
    timeline: &'a Timeline<'a>,
    known: Option<Known<'a>>,
}

/// Who was asked at a cutoff, and how many said yes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Population {
    /// The target.
    pub target: String,
    /// The cutoff as [`Zone::text`] has it; `None` where each customer has its own.
    pub cutoff: Option<String>,
    /// Customers asked.
    pub eligible: u64,
    /// Of them, those with the target.
    pub positives: u64,
    /// How many customers the eligible stand for: as many, or where contacts are looked at more, those held out standing
    /// for those contacted.
    pub stand_for: f64,
    /// Of them, those with the target.
    pub stand_for_positives: f64,
}

impl Panel {
    /// `questions` are the targets by name; `label` is the target's name where labels are given.
    ///
    /// # Errors
    /// When a feature or a question cannot be.
    pub fn new(
        spec: &FeatureSpec,
        questions: &Questions,
        label: Option<&str>,
        cutoffs: Cutoffs,
    ) -> Result<Panel> {
        let zone = Zone::named(&spec.timezone)?;
        let asked = Asked::new(questions, &zone, &spec.dictionaries())?;
        let targets = questions.names().chain(label).map(str::to_owned).collect();
        let (kernel, wanted) = (Kernel::new(spec)?, spec.attributes.clone());
        Ok(Panel { kernel, wanted, told: None, asked, targets, cutoffs, contacted: None, zone })
    }

    /// Where the spec's attributes are looked up; without this their cells are missing. Who was known by
    /// attributes before a cutoff has a history then, events or not.
    ///
    /// # Errors
    /// When an attribute of the spec is not there, or is of another kind.
    pub fn with_attributes(mut self, attributes: Arc<Attributes>) -> Result<Panel> {
        let places = places_of(&self.wanted, attributes.list())?;
        self.told = Some(Told { attributes, places });
        Ok(self)
    }

    /// Asks as if customers were left alone: who was contacted within `reach_ms` milliseconds from a cutoff on has no row
    /// there, and who was held out in their place has a weight.
    pub fn left_alone(self, contacted: Contacted, reach_ms: i64) -> Panel {
        Panel { contacted: Some((contacted, reach_ms)), ..self }
    }

    /// The targets, in the order of the answers.
    pub fn targets(&self) -> &[String] {
        &self.targets
    }

    /// The customers with labels of their own, sorted; `None` where cutoffs are common.
    pub fn labelled(&self) -> Option<Vec<&str>> {
        let Cutoffs::Each(labels) = &self.cutoffs else { return None };
        let mut customers: Vec<&str> = labels.keys().map(String::as_str).collect();
        customers.sort_unstable();
        Some(customers)
    }

    /// Rows that a customer may have.
    pub fn cutoffs(&self) -> usize {
        match &self.cutoffs {
            Cutoffs::Common(cutoffs) => cutoffs.len(),
            Cutoffs::Each(_) => 1,
        }
    }

    /// Features and attributes in a row.
    pub fn width(&self) -> usize {
        self.kernel.width() + self.wanted.len()
    }

    /// Room to work in.
    pub fn scratch(&self) -> PanelScratch {
        PanelScratch {
            scratch: self.kernel.scratch(),
            purchases: customer::Scratch::default(),
            kept: Events::default(),
            row: vec![f64::NAN; self.width()],
            told: vec![f64::NAN; self.told.as_ref().map_or(0, |t| t.attributes.list().len())],
            answers: vec![f64::NAN; self.targets.len()],
        }
    }

    /// Adds a customer's rows: at every cutoff where any question is asked of it; where there is no
    /// question, wherever it has a history.
    pub fn add(
        &self,
        customer: &str,
        timeline: &Timeline<'_>,
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        let known = self.told.as_ref().map(|t| t.attributes.of(CustomerId::of_text(customer)));
        let customer = Subject { name: customer, timeline, known };
        match &self.cutoffs {
            Cutoffs::Common(cutoffs) => {
                for &cutoff in cutoffs {
                    self.add_row(&customer, (cutoff, f64::NAN), room, block);
                }
            }
            Cutoffs::Each(labels) => {
                for &label in labels.get(customer.name).into_iter().flatten() {
                    self.add_row(&customer, label, room, block);
                }
            }
        }
    }

    /// Adds the rows of customers who are not in the log at all: of those that are labelled, or of whom
    /// attributes are known.
    pub fn add_silent<'a>(
        &self,
        customers: impl Iterator<Item = &'a str>,
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        let nothing = Events::default();
        for customer in customers {
            self.add(customer, &Timeline::new(&nothing, 0..0), room, block);
        }
    }

    fn add_row(
        &self,
        customer: &Subject<'_>,
        (cutoff, label): (i64, f64),
        room: &mut PanelScratch,
        block: &mut Block,
    ) {
        let PanelScratch { scratch, purchases, kept, row, told, answers } = room;
        let history = customer.timeline.history(cutoff, kept);
        let known = customer.known.is_some_and(|known| known.at(cutoff, told));
        let given = matches!(self.cutoffs, Cutoffs::Each(_));
        if history.events().is_empty() && !known && !given {
            return;
        }
        self.asked.answer(customer.timeline, &history, known, purchases, answers);
        if given && let Some(last) = answers.last_mut() {
            *last = label;
        }
        if !answers.is_empty() && answers.iter().all(|a| a.is_nan()) && !given {
            return;
        }
        if let Some((contacted, reach_ms)) = &self.contacted {
            match contacted.weight(customer.name, cutoff, cutoff + reach_ms) {
                Some(weight) => block.weights.push(weight),
                None => {
                    block.contacted += 1;
                    return;
                }
            }
        }
        let (features, attributes) = row.split_at_mut(self.kernel.width());
        self.kernel.fill(&history, scratch, features);
        if let Some(Told { attributes: store, places }) = &self.told {
            attributes.iter_mut().zip(places).for_each(|(cell, &place)| *cell = told[place]);
            block.texts = Arc::clone(store.texts());
        }
        block.customers.push(customer.name.to_owned());
        block.cutoffs.push(cutoff);
        block.features.extend_from_slice(row);
        block.answers.extend_from_slice(answers);
    }

    /// Who was asked, target by target and cutoff by cutoff, in blocks of rows.
    pub fn populations<'a>(&self, blocks: impl Iterator<Item = &'a Block>) -> Vec<Population> {
        let cutoffs: Vec<Option<i64>> = match &self.cutoffs {
            Cutoffs::Common(cutoffs) => cutoffs.iter().map(|c| Some(*c)).collect(),
            Cutoffs::Each(_) => vec![None],
        };
        let name = |(target, cutoff): (&String, &Option<i64>)| Population {
            target: target.clone(),
            cutoff: cutoff.map(|cutoff| self.zone.text(cutoff)),
            eligible: 0,
            positives: 0,
            stand_for: 0.0,
            stand_for_positives: 0.0,
        };
        let pairs = self.targets.iter().flat_map(|t| cutoffs.iter().map(move |c| (t, c)));
        let mut populations: Vec<Population> = pairs.map(name).collect();
        for block in blocks {
            for (row, answers) in block.answers.chunks_exact(self.targets.len().max(1)).enumerate()
            {
                let at = match cutoffs[0] {
                    None => 0,
                    Some(_) => cutoffs.partition_point(|c| *c < Some(block.cutoffs[row])),
                };
                for (target, answer) in answers.iter().enumerate().filter(|(_, a)| !a.is_nan()) {
                    let population = &mut populations[target * cutoffs.len() + at];
                    population.eligible += 1;
                    population.positives += u64::from(*answer == 1.0);
                    let weight = block.weights.get(row).copied().unwrap_or(1.0);
                    population.stand_for += weight;
                    population.stand_for_positives += if *answer == 1.0 { weight } else { 0.0 };
                }
            }
        }
        populations
    }
}

/// Where wanted attributes stand among those that are told.
///
/// # Errors
/// When one is not there, or is of another kind.
pub fn places_of(wanted: &[Attribute], list: &[Attribute]) -> Result<Vec<usize>> {
    let place = |wanted: &Attribute| {
        let found = match list.iter().position(|a| a.name == wanted.name) {
            Some(place) if list[place].kind == wanted.kind => return Ok(place),
            Some(place) => format!("a {}", list[place].kind.word()),
            None => match nearest_name(&wanted.name, list.iter().map(|a| a.name.as_str())) {
                Some(near) => format!("none of this name; did you mean {near:?}?"),
                None => "none of this name".to_owned(),
            },
        };
        Err(Error::BadOptions(format!(
            "attribute {}: expected a {}, found {found}",
            wanted.name,
            wanted.kind.word()
        )))
    };
    wanted.iter().map(place).collect()
}

/// Refuses cutoffs whose answers the log does not know: silence after its end is no silence. The log is told by
/// its first event and its end (milliseconds; events before it were logged).
///
/// # Errors
/// When a question's horizon reaches beyond the log's end: with the cutoff to take, if there is one.
pub fn check_covered(
    questions: &Questions,
    cutoffs: &[i64],
    (log_start, log_end): (i64, i64),
    zone: &Zone,
) -> Result<()> {
    for (name, question) in &questions.by_name {
        let beyond = cutoffs.iter().find(|&&cutoff| cutoff + question.reach_ms() > log_end);
        if let Some(&cutoff) = beyond {
            let last = zone.local(log_end - question.reach_ms()).div_euclid(DAY_MS) * DAY_MS;
            let last = zone.instant(last);
            let todo = match last > log_start {
                true => format!("take the cutoff {} or an earlier one", zone.text(last)),
                false => format!(
                    "no cutoff of this log, which begins {}, can be; bring a longer log",
                    zone.text(log_start)
                ),
            };
            return Err(Error::BadOptions(format!(
                "targets.{name}: at cutoff {} its horizon ends {}, the log ends {}; expected a log \
                 that covers it: {todo}, or a shorter horizon",
                zone.text(cutoff),
                zone.text(cutoff + question.reach_ms()),
                zone.text(log_end),
            )));
        }
    }
    Ok(())
}

/// Cutoffs at which nobody has a history, as the log begins later: a sentence on them, where only some are so.
///
/// # Errors
/// When all are.
pub fn check_begun(cutoffs: &[i64], log_start: i64, zone: &Zone) -> Result<Option<String>> {
    let early: Vec<i64> = cutoffs.iter().copied().filter(|cutoff| *cutoff <= log_start).collect();
    let (Some(first), Some(last)) = (early.first(), early.last()) else { return Ok(None) };
    let found = format!(
        "{} of {} cutoffs ({} to {}) are not after the log's first event, {}: nobody has a history then",
        early.len(),
        cutoffs.len(),
        zone.text(*first),
        zone.text(*last),
        zone.text(log_start)
    );
    match early.len() == cutoffs.len() {
        true => Err(Error::BadOptions(format!("{found}; expected later cutoffs"))),
        false => Ok(Some(found)),
    }
}

/// Targets that say nothing as all who are asked answer alike, or nobody is asked: each with a sentence.
pub fn one_sided(populations: &[Population]) -> Vec<(String, String)> {
    let mut sums: Vec<(&str, u64, u64)> = Vec::new();
    for population in populations {
        let known = sums.iter().position(|(target, ..)| *target == population.target);
        let place = known.unwrap_or_else(|| {
            sums.push((&population.target, 0, 0));
            sums.len() - 1
        });
        sums[place].1 += population.eligible;
        sums[place].2 += population.positives;
    }
    let told = |(target, eligible, positives): (&str, u64, u64)| {
        let found = match positives {
            _ if eligible == 0 => {
                "nobody is asked: no customer is eligible at any cutoff".to_owned()
            }
            0 => format!("none of the {eligible} rows has the target"),
            _ if positives == eligible => format!("all of the {eligible} rows have the target"),
            _ => return None,
        };
        Some((target.to_owned(), found))
    };
    sums.into_iter().filter_map(told).collect()
}

#[cfg(test)]
mod tests;
