//! Why a customer has its score, in words that a marketer can read: the features that moved its margin most, with
//! direction and size, in English or Simplified Chinese. Only features that are marked as shown to marketing are told.

mod changes;
mod templates;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use serde::Serialize;

use crate::artifact::{FeatureEntry, Manifest};
use crate::behaviour::{Attribute, AttributeKind, Feature, FeatureSpec, Metric};
use crate::classifiers::Fitted;
use crate::explain::Explainer;
use crate::frame::{DateFormat, Field, Kind, Rows, UNKNOWN_LEVEL};
use crate::language::{Language, Words};
use crate::reasons::words::Speaker;
use crate::scorer::Scorer;

pub use crate::reasons::changes::{Moved, Moves};

/// Most reasons of a customer that may be asked for.
pub const MOST_REASONS: u8 = 20;

/// One thing that moved a customer's margin.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reason<'a> {
    /// The feature; of several that are told together, the one that moved most their way.
    pub feature: &'a str,
    /// Its cell: a number, a text, true or false, null where it is missing or was never seen.
    pub value: serde_json::Value,
    /// The user's group of the feature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub group: Option<&'a str>,
    /// How far the margin (log odds before calibration) was moved from what is expected of a customer, by the feature
    /// and those told together with it: its group of the user's own, or all windows of its behaviour.
    pub contribution: f64,
    /// All that in words.
    pub text: String,
}

/// What moved a customer's margin, not yet in words: small, so that those of many customers can be held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cause {
    topic: u32,
    feature: u32,
    contribution: f64,
}

/// Why a model tells no reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoReasons {
    /// Its margin is not a sum over features.
    #[error("it is a forest, expected boosting or logistic; fit it with --model boosting")]
    Forest,
    /// It was saved before reasons were.
    #[error("it was saved without what is expected of its features; fit it again")]
    NothingExpected,
}

/// A model made ready to say why.
#[derive(Debug)]
pub struct Reasons {
    told: Vec<Told>,
    topics: Vec<Topic>,
    words: Words,
    how: How,
}

/// How contributions are found.
#[derive(Debug)]
enum How {
    /// Exact Shapley values of trees, prepared when first asked for: that takes memory.
    Trees(OnceLock<Explainer>),
    /// What a cell adds less what is expected of it.
    Addends(Vec<f64>),
}

/// A feature as it is spoken of.
#[derive(Debug)]
struct Told {
    field: Field,
    meaning: Meaning,
}

/// What a feature tells.
#[derive(Debug)]
enum Meaning {
    /// A number of events, and where the usual gap between them stands.
    Behaviour(Box<Feature>, Option<Usual>),
    /// An attribute of a customer.
    Attribute(Attribute),
    /// A column of a table.
    Column,
}

/// The place of a feature that knows the usual gap in days, or the time since the last event as a multiple of it.
#[derive(Debug, Clone, Copy)]
enum Usual {
    Gap(usize),
    Multiple(usize),
}

/// Features that are told together.
#[derive(Debug)]
struct Topic {
    group: Option<String>,
    features: Vec<usize>,
}

impl Reasons {
    /// Prepares a model. `manifest` and `scorer` are of one artefact.
    ///
    /// # Errors
    /// When the model is of a kind that tells none.
    pub fn new(manifest: &Manifest, scorer: &Scorer) -> std::result::Result<Reasons, NoReasons> {
        let how = match (&scorer.model, &manifest.expected_addends) {
            (Fitted::Boosting(_), _) => How::Trees(OnceLock::new()),
            (Fitted::Logistic(_), Some(expected)) => How::Addends(expected.clone()),
            (Fitted::Logistic(_), None) => return Err(NoReasons::NothingExpected),
            (Fitted::Forest(_), _) => return Err(NoReasons::Forest),
        };
        let (spec, words) = (manifest.feature_spec.as_ref(), manifest.words.clone());
        Ok(Reasons::prepared(scorer.schema.fields(), &manifest.features, spec, words, how))
    }

    fn prepared(
        fields: &[Field],
        features: &[FeatureEntry],
        spec: Option<&FeatureSpec>,
        words: Words,
        how: How,
    ) -> Reasons {
        let shown: Vec<bool> = features.iter().map(|entry| !entry.hidden).collect();
        let meanings = meanings(fields, spec, &shown);
        let mut places: BTreeMap<(bool, String), usize> = BTreeMap::new();
        let mut topics: Vec<Topic> = Vec::new();
        for (place, (entry, meaning)) in features.iter().zip(&meanings).enumerate() {
            if entry.hidden {
                continue;
            }
            let name = match (&entry.group, meaning) {
                (Some(group), _) => (true, group.clone()),
                (None, Meaning::Behaviour(feature, _)) => (false, feature.behaviour()),
                (None, _) => (false, entry.name.clone()),
            };
            let topic = *places.entry(name).or_insert_with(|| {
                topics.push(Topic { group: entry.group.clone(), features: Vec::new() });
                topics.len() - 1
            });
            topics[topic].features.push(place);
        }
        let told = fields.iter().cloned().zip(meanings);
        let told = told.map(|(field, meaning)| Told { field, meaning }).collect();
        Reasons { told, topics, words, how }
    }

    /// At most `most` reasons of each row, the strongest first; what moved nothing is no reason. `model` is that of the
    /// scorer prepared, `rows` have its width.
    pub fn of_rows(
        &self,
        model: &Fitted,
        rows: &Rows,
        most: usize,
        language: Language,
    ) -> Vec<Vec<Reason<'_>>> {
        let causes = self.causes(model, rows, most);
        let told = rows.iter().zip(&causes).map(|(row, causes)| self.told(row, causes, language));
        told.collect()
    }

    /// What [`Reasons::of_rows`] tells, not yet in words: contributions are the long part of the work, and are found once
    /// for all languages.
    pub fn causes(&self, model: &Fitted, rows: &Rows, most: usize) -> Vec<Vec<Cause>> {
        if rows.is_empty() {
            return Vec::new();
        }
        let contributions = self.contributions(model, rows);
        let numbers = contributions.chunks_exact(contributions.len() / rows.len());
        numbers.map(|numbers| self.strongest(&numbers[..rows.width()], most)).collect()
    }

    /// Causes of a row in words.
    pub fn told(&self, row: &[f64], causes: &[Cause], language: Language) -> Vec<Reason<'_>> {
        let speaker = Speaker { language, words: &self.words };
        causes.iter().map(|cause| self.reason(cause, row, speaker)).collect()
    }

    fn contributions(&self, model: &Fitted, rows: &Rows) -> Vec<f64> {
        match (&self.how, model) {
            (How::Trees(explainer), Fitted::Boosting(model)) => {
                explainer.get_or_init(|| Explainer::new(model)).contributions(rows)
            }
            (How::Addends(expected), Fitted::Logistic(model)) => {
                model.contributions(rows, expected)
            }
            _ => unreachable!("the model prepared is the model asked"),
        }
    }

    fn strongest(&self, contributions: &[f64], most: usize) -> Vec<Cause> {
        let sum = |topic: &Topic| topic.features.iter().map(|&place| contributions[place]).sum();
        let mut moved: Vec<(f64, u32)> = self.topics.iter().map(sum).zip(0..).collect();
        moved.retain(|(sum, _)| *sum != 0.0);
        moved.sort_by(|a, b| b.0.abs().total_cmp(&a.0.abs()));
        moved.truncate(most);
        let cause = |(sum, topic): (f64, u32)| {
            let way = |place: &usize| contributions[*place] * sum.signum();
            let features = self.topics[topic as usize].features.iter();
            let first = features.rev().max_by(|a, b| way(a).total_cmp(&way(b)));
            let feature = *first.expect("a topic has a feature") as u32;
            Cause { topic, feature, contribution: sum }
        };
        moved.into_iter().map(cause).collect()
    }

    fn reason(&self, cause: &Cause, row: &[f64], speaker: Speaker<'_>) -> Reason<'_> {
        let Cause { topic, feature, contribution } = *cause;
        let place = feature as usize;
        let (value, phrase) = self.said(place, row, speaker);
        let group = self.topics[topic as usize].group.as_deref();
        let (comma, colon) = match speaker.language {
            Language::English => (", ", ": "),
            Language::Chinese => ("，", "："),
        };
        let named = group.map_or_else(String::new, |group| speaker.word(group) + comma);
        let text = format!("{named}{phrase}{colon}{contribution:+.2}");
        Reason { feature: &self.told[place].field.name, value, group, contribution, text }
    }

    /// A feature's cell, and what it says.
    fn said(&self, place: usize, row: &[f64], speaker: Speaker<'_>) -> (serde_json::Value, String) {
        let Told { field, meaning } = &self.told[place];
        let cell = row[place];
        let value = value(field, cell);
        let phrase = match meaning {
            Meaning::Behaviour(feature, usual) => {
                let usual = usual.map(|usual| match usual {
                    Usual::Gap(place) => row[place],
                    Usual::Multiple(place) => cell / row[place],
                });
                speaker.behaviour(feature, cell, usual)
            }
            Meaning::Attribute(attribute)
                if cell != UNKNOWN_LEVEL || attribute.kind != AttributeKind::Category =>
            {
                speaker.attribute(&attribute.name, attribute.kind, &plain(&value), cell)
            }
            Meaning::Attribute(attribute) => speaker.unseen(&attribute.name),
            Meaning::Column
                if cell == UNKNOWN_LEVEL && matches!(field.kind, Kind::Categorical(_)) =>
            {
                speaker.unseen(&field.name)
            }
            Meaning::Column => {
                let text = (!cell.is_nan()).then(|| plain(&value));
                speaker.column(&field.name, text.as_deref())
            }
        };
        (value, phrase)
    }
}

/// A cell as JSON.
fn value(field: &Field, cell: f64) -> serde_json::Value {
    match &field.kind {
        _ if cell.is_nan() => serde_json::Value::Null,
        Kind::Categorical(_) if cell == UNKNOWN_LEVEL => serde_json::Value::Null,
        Kind::Categorical(levels) => levels[cell as usize].as_str().into(),
        Kind::Boolean => (cell != 0.0).into(),
        Kind::Date(_) => DateFormat::day(cell).into(),
        Kind::Numeric => cell.into(),
    }
}

/// JSON without quotes, whole numbers without a point.
fn plain(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::String(text) => text.clone(),
        serde_json::Value::Number(number) => {
            number.as_f64().map_or_else(|| number.to_string(), |number| number.to_string())
        }
        other => other.to_string(),
    }
}

/// What each field tells, by the spec that made it.
fn meanings(fields: &[Field], spec: Option<&FeatureSpec>, shown: &[bool]) -> Vec<Meaning> {
    let Some(spec) = spec else { return fields.iter().map(|_| Meaning::Column).collect() };
    let names = fields.iter().zip(0..).map(|(field, place)| (field.name.as_str(), place));
    let places: BTreeMap<&str, usize> = names.collect();
    let place = |name: &str| places.get(name).copied();
    // Gaps that may be shown, the best first: the median before the mean, the wider window before the narrower.
    let gaps = |metric| {
        let mut of: Vec<&Feature> = spec.features.iter().filter(|f| f.metric == metric).collect();
        of.sort_by(|a, b| b.windows.cmp(&a.windows));
        of
    };
    let known: Vec<&Feature> = [Metric::GapMedian, Metric::GapMean, Metric::GapRatio]
        .into_iter()
        .flat_map(gaps)
        .filter(|gap| place(&gap.name()).is_some_and(|place| shown[place]))
        .collect();
    let usual = |feature: &Feature| {
        if !matches!(feature.metric, Metric::RecencyDays | Metric::LatestDays) {
            return None;
        }
        let gap = known.iter().find(|gap| gap.of == feature.of)?;
        let place = place(&gap.name())?;
        Some(if gap.metric == Metric::GapRatio {
            Usual::Multiple(place)
        } else {
            Usual::Gap(place)
        })
    };
    let features: BTreeMap<String, &Feature> =
        spec.features.iter().map(|feature| (feature.name(), feature)).collect();
    let attributes: BTreeMap<String, &Attribute> =
        spec.attributes.iter().map(|attribute| (attribute.column(), attribute)).collect();
    let meaning = |field: &Field| match (features.get(&field.name), attributes.get(&field.name)) {
        (Some(feature), _) => Meaning::Behaviour(Box::new((*feature).clone()), usual(feature)),
        (None, Some(attribute)) => Meaning::Attribute((*attribute).clone()),
        (None, None) => Meaning::Column,
    };
    fields.iter().map(meaning).collect()
}
