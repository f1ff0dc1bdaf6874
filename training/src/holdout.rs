//! A table that a saved model is judged on: its rows with an answer, and what the model says of them. Fits nothing, prints
//! nothing.

use std::collections::HashSet;
use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use rekindle_models::artifact::{Artifact, Manifest};
use rekindle_models::frame::{
    Binding, DateFormat, Frame, ReadKind, ReadOptions, Rows, Schema, read,
};
use rekindle_models::metrics::{Campaign, Judged, Stakes};
use rekindle_models::seed::hash_text;

use crate::error::{Error, Result};
use crate::evaluate::{Curves, Evaluation, Question, Rival, evaluate, rivals};
use crate::label::TargetSpec;
use crate::quality::{DataQuality, Table};
use crate::roles;
use crate::segments::{Segment, Segments, segment_rows};
use crate::verdict::Limits;

/// How a table is read to judge a model.
#[derive(Debug, Clone, Default)]
pub struct HoldoutOptions {
    /// Byte between the fields of a CSV file; found in the header without it.
    pub delimiter: Option<u8>,
    /// Column of row weights; that of the model without it.
    pub weight: Option<String>,
    /// Columns that segments are told by.
    pub by: Vec<String>,
    /// Whether features that are no columns of the table count as missing; without it such a table is refused.
    pub allow_absent: bool,
}

/// A table with what a model says of it.
#[derive(Debug)]
pub struct Holdout {
    frame: Frame,
    binding: Binding,
    /// The rows that have an answer.
    rows: Vec<u32>,
    target: Vec<bool>,
    weight: Vec<f64>,
    group: Option<Vec<u64>>,
    probability: Vec<f64>,
    stakes: Option<Stakes>,
    /// What its answered rows are like.
    pub quality: DataQuality,
    /// What the user should know, a sentence each.
    pub warnings: Vec<String>,
}

/// A model's judgement with what its pictures are drawn from.
#[derive(Debug, Clone, PartialEq)]
pub struct Judgement {
    /// The figures and the verdict.
    pub evaluation: Evaluation,
    /// `None` where one class is not there.
    pub curves: Option<Curves>,
    /// The same figures by segment; empty where none were asked for.
    pub segments: Vec<Segment>,
}

/// What a model is asked on a table.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    /// What is asked of it.
    pub limits: &'a Limits,
    /// Other models that it must beat, with their names: `must_beat` of the limits has them, too.
    pub models: &'a [(String, Vec<f64>)],
    /// How segments are told.
    pub segments: &'a Segments,
    /// Seed of the bootstrap.
    pub seed: u64,
}

impl Holdout {
    /// Reads a table for a model.
    ///
    /// # Errors
    /// When the file cannot be read or does not fit.
    pub fn read(artifact: &Artifact, table: &Path, options: &HoldoutOptions) -> Result<Holdout> {
        let manifest = &artifact.manifest;
        let weight = options.weight.as_ref().or(manifest.weight_column.as_ref());
        let mut more = vec![manifest.target.column.as_str()];
        more.extend(weight.map(String::as_str));
        more.extend(manifest.profit.iter().flat_map(Campaign::columns));
        more.extend(options.by.iter().map(String::as_str));
        let learned = LearnedUntil::of(manifest);
        more.extend(learned.map(|learned| learned.column));
        let id = manifest.id_column.as_deref();
        let mut reading = ReadOptions {
            delimiter: options.delimiter,
            ..ReadOptions::for_model(&artifact.scorer.schema, &manifest.missing_markers, id, &more)
        };
        reading.kinds.extend(learned.map(|learned| (learned.column.to_owned(), learned.kind())));
        let frame = read(table, &reading)?;
        let shown = table.display().to_string();
        Holdout::new(artifact, frame, options, &shown)
    }

    /// Pairs a table with a model. `shown` is the table's name in messages.
    ///
    /// # Errors
    /// When columns that the model needs are not there, or do not fit.
    pub fn new(
        artifact: &Artifact,
        frame: Frame,
        options: &HoldoutOptions,
        shown: &str,
    ) -> Result<Holdout> {
        let manifest = &artifact.manifest;
        let mut warnings = Vec::new();
        let binding = bind(&artifact.scorer.schema, &frame, &mut warnings)?;
        check_complete(&binding, options, shown)?;
        let asked = &manifest.target;
        if frame.schema().place(&asked.column).is_none() {
            return Err(Error::BadOptions(format!(
                "{shown}: no column {:?}, which says whom {} was right of; expected it in a table that models are \
                 judged on (rekindle score and drift need none)",
                asked.column, manifest.model_name
            )));
        }
        let question = TargetSpec { given: format!("{}={}", asked.column, asked.value) };
        let answers = question.find(&frame)?;
        let left_out = frame.rows() - answers.answered.len();
        if left_out > 0 {
            warnings.push(format!("{left_out} rows have no {} and were left out", asked.column));
        }
        let rows = answers.answered;
        if let Some(learned) = LearnedUntil::of(manifest) {
            learned.check(&frame, &rows, shown)?;
        }
        let weight = weights_of(manifest, &frame, options, shown, &rows)?;
        let group = customers_of(manifest, &frame, &rows);
        warnings.extend(group.as_deref().and_then(repeated));
        let quality = DataQuality::new(Table::Judged, &artifact.scorer.schema, &frame, &rows);
        let target = rows.iter().map(|&row| answers.positive[row as usize]).collect();
        let block = |span: Range<usize>| binding.rows_at(&frame, &rows[span]);
        let scores = artifact.scorer.score_blocks(rows.len(), block);
        let probability = scores.into_iter().map(|score| score.probability).collect();
        let stakes = manifest.profit.as_ref().map(|profit| roles::stakes(&frame, profit));
        let stakes = stakes.transpose()?.map(|stakes| stakes.at(&rows));
        Ok(Holdout {
            frame,
            binding,
            rows,
            target,
            weight,
            group,
            probability,
            stakes,
            quality,
            warnings,
        })
    }

    /// The rows judged, with the model's probabilities.
    pub fn judged(&self) -> Judged<'_> {
        Judged {
            probability: &self.probability,
            target: &self.target,
            weight: &self.weight,
            group: self.group.as_deref(),
        }
    }

    /// What contacting each row judged would bring, in money, where the model has a campaign.
    pub fn gains(&self) -> Option<Vec<f64>> {
        self.stakes.as_ref().map(|stakes| stakes.gains(&self.target))
    }

    /// The first of the rows judged, in the model's order of features: at most so many.
    pub fn sample(&self, most: usize) -> Rows {
        self.binding.rows_at(&self.frame, &self.rows[..most.min(self.rows.len())])
    }

    /// The table.
    pub fn frame(&self) -> &Frame {
        &self.frame
    }

    /// Places in the table of the rows judged.
    pub fn places(&self) -> &[u32] {
        &self.rows
    }

    /// What is told of the rows judged, block by block: all at once would be as large as the table.
    pub fn of_blocks(&self, tell: impl Fn(&Rows) -> Vec<f64> + Sync) -> Vec<f64> {
        let blocks = self.rows.par_chunks(8_192);
        blocks.flat_map_iter(|rows| tell(&self.binding.rows_at(&self.frame, rows))).collect()
    }

    /// Judges the model that the table was read for.
    ///
    /// # Errors
    /// When something is to be beaten that cannot be told, or segments by a column that is not there.
    pub fn judge(&self, artifact: &Artifact, asked: &Asked<'_>) -> Result<Judgement> {
        let judged = self.judged();
        let scorer = &artifact.scorer;
        let fitted = &artifact.manifest.rows.train;
        let fitted_base_rate = match fitted.weight > 0.0 {
            true => fitted.positive_weight / fitted.weight,
            // An imported model does not say what it was fitted on.
            false => judged.base_rate(),
        };
        let named = |name: &String| asked.models.iter().find(|(model, _)| model == name);
        let (models, words): (Vec<_>, Vec<_>) =
            asked.limits.must_beat.iter().cloned().partition(|name| named(name).is_some());
        let truth = (self.target.as_slice(), self.weight.as_slice());
        let cells =
            |place: usize| self.of_blocks(|rows| rows.iter().map(|row| row[place]).collect());
        let mut must_beat = rivals(&words, (&scorer.schema, &artifact.baseline), &cells, truth)?;
        must_beat.extend(models.iter().filter_map(named).map(|(name, scores)| Rival::Ranking {
            name: format!("model {name}"),
            scores: scores.clone(),
        }));
        let rule_scores = self.of_blocks(|rows| artifact.baseline.scores(rows));
        let feature = &scorer.schema.fields()[artifact.baseline.feature()].name;
        let question = Question {
            threshold: scorer.threshold,
            limits: asked.limits,
            fitted_base_rate,
            rule: (artifact.baseline.name(), feature),
            rule_scores: &rule_scores,
            rivals: must_beat,
            stakes: self.stakes.as_ref(),
            seed: asked.seed,
        };
        let (mut evaluation, curves) = evaluate(&judged, &question);
        let cut = segment_rows(&self.frame, &self.rows, &self.target, asked.segments)?;
        let segments: Vec<Segment> =
            cut.into_iter().map(|cut| cut.judge(&judged, &question, asked.segments)).collect();
        if asked.segments.each {
            let told = segments.iter().filter_map(Segment::told);
            evaluation.verdict = evaluation.verdict.with_segments(told);
            let unjudged = segments.iter().filter(|s| s.asked && !s.judged).map(Segment::name);
            let judged = segments.iter().any(|s| s.asked && s.judged);
            evaluation.verdict = evaluation.verdict.without(&unjudged.collect::<Vec<_>>(), judged);
        }
        Ok(Judgement { evaluation, curves, segments })
    }
}

/// The weights of rows of a table: 1 where neither the model nor the user has a column of them.
pub(crate) fn weights_of(
    manifest: &Manifest,
    frame: &Frame,
    options: &HoldoutOptions,
    shown: &str,
    rows: &[u32],
) -> Result<Vec<f64>> {
    let Some(column) = options.weight.as_ref().or(manifest.weight_column.as_ref()) else {
        return Ok(vec![1.0; rows.len()]);
    };
    let place = frame.schema().place(column).ok_or_else(|| {
        Error::BadOptions(format!(
            "{shown}: no column {column:?}; the model was fitted with it as weights, and only they make \
             figures hold for the population"
        ))
    })?;
    let all = roles::weights(frame, place)?;
    Ok(rows.iter().map(|&row| all[row as usize]).collect())
}

/// Which customer each of the rows is of, where the table has the model's column of ids.
pub(crate) fn customers_of(manifest: &Manifest, frame: &Frame, rows: &[u32]) -> Option<Vec<u64>> {
    let place = frame.schema().place(manifest.id_column.as_deref()?)?;
    let id = |&row: &u32| frame.text(place, row as usize).map_or(0, |t| hash_text(&t));
    let group: Vec<u64> = rows.par_iter().map(id).collect();
    let customers = group.iter().collect::<HashSet<_>>().len();
    // Rows of different customers are drawn as rows, which is faster.
    (customers < group.len()).then_some(group)
}

/// That customers have several rows, where some have.
fn repeated(group: &[u64]) -> Option<String> {
    let customers = group.iter().collect::<HashSet<_>>().len();
    (customers < group.len()).then(|| {
        format!(
            "{} rows are of {customers} customers: intervals take a customer's rows together",
            group.len()
        )
    })
}

/// The last time of the rows that a model learned from: it is judged on later ones.
#[derive(Debug, Clone, Copy)]
pub struct LearnedUntil<'a> {
    /// The column of times.
    pub column: &'a str,
    /// Days since 1970 where it is of dates.
    pub last: f64,
    dates: bool,
}

impl<'a> LearnedUntil<'a> {
    /// Of training and calibration rows; `None` where they were not split by time.
    pub fn of(manifest: &'a Manifest) -> Option<LearnedUntil<'a>> {
        let parts = [&manifest.rows.train, &manifest.rows.calibration];
        let times = || parts.iter().filter_map(|part| part.time.as_ref());
        let last = times().map(|time| time.last).reduce(f64::max)?;
        let dates = times().any(|time| time.dates);
        Some(LearnedUntil { column: manifest.time_column.as_deref()?, last, dates })
    }

    /// How it is read.
    fn kind(&self) -> ReadKind {
        if self.dates { ReadKind::Date(DateFormat::default()) } else { ReadKind::Numeric }
    }

    /// As people read it.
    pub fn shown(&self) -> String {
        if self.dates { DateFormat::day(self.last) } else { self.last.to_string() }
    }

    /// Refuses rows of times that the model learned from: on them it looks better than it is.
    fn check(&self, frame: &Frame, rows: &[u32], shown: &str) -> Result<()> {
        let times = frame.schema().place(self.column).and_then(|place| frame.numbers(place));
        let Some(times) = times else { return Ok(()) };
        let early = rows.iter().filter(|&&row| times[row as usize] <= self.last).count();
        match early {
            0 => Ok(()),
            _ => Err(Error::BadOptions(format!(
                "{shown}: {early} of {} rows are of {} up to {}, from which the model learned; expected later rows \
                 alone: on the others it looks better than it is",
                rows.len(),
                self.column,
                self.shown()
            ))),
        }
    }
}

/// Refuses a table that lacks features, unless they are to count as missing: the model looks worse without them, and
/// so does the rule that it is compared with.
pub fn check_complete(binding: &Binding, options: &HoldoutOptions, shown: &str) -> Result<()> {
    match binding.absent() {
        [] => Ok(()),
        _ if options.allow_absent => Ok(()),
        absent => Err(Error::BadOptions(format!(
            "{shown}: {} of the model's features are no columns of the table: {}{}; expected all of them, spelt as when \
             the model was fitted; with --allow-absent they count as missing",
            absent.len(),
            absent[..absent.len().min(5)].join(", "),
            if absent.len() > 5 { ", ..." } else { "" }
        ))),
    }
}

/// Pairs a table with the model's features and says what does not fit.
///
/// # Errors
/// When the table has none of them, or one is of another kind.
pub fn bind(schema: &Schema, frame: &Frame, warnings: &mut Vec<String>) -> Result<Binding> {
    let binding = Binding::new(schema, frame.schema())?;
    let (absent, features) = (binding.absent(), schema.len());
    if absent.len() == features {
        return Err(Error::BadOptions(format!(
            "the table has none of the model's {features} features ({}, ...); expected a table with columns as the \
             model was fitted on",
            absent[0]
        )));
    }
    if !absent.is_empty() {
        let shown: Vec<&str> = absent.iter().take(5).map(String::as_str).collect();
        warnings.push(format!(
            "{} of the model's {features} features are no columns of the table and count as \
             missing: {}{}",
            absent.len(),
            shown.join(", "),
            if absent.len() > 5 { ", ..." } else { "" }
        ));
    }
    let unknown = binding.unknown_levels();
    if let Some((feature, level)) = unknown.first() {
        warnings.push(format!(
            "{} levels were not seen when the model was fitted, as {level:?} of {feature}",
            unknown.len()
        ));
    }
    Ok(binding)
}
