//! Figures by segment: customers of one channel, one tier, one quarter of ages. A segment too small to be judged is told
//! together with others.

use std::collections::BTreeMap;

use rekindle_models::frame::{Column, Frame, Kind};
use rekindle_models::metrics::{Interval, Judged, Stakes};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::Result;
use crate::evaluate::{Question, Rival, evaluate};
use crate::verdict::{Condition, FEWEST_ROWS, Limits, Outcome, Verdict};

/// How segments are told.
#[derive(Debug, Clone, PartialEq)]
pub struct Segments {
    /// The columns.
    pub by: Vec<String>,
    /// Fewest rows of a segment; those of smaller ones are told together.
    pub smallest: usize,
    /// Further columns, whose segments are told and nothing is asked of.
    pub told: Vec<String>,
    /// Whether every limit must be kept in every segment that can be judged, too.
    pub each: bool,
}

impl Default for Segments {
    fn default() -> Segments {
        Segments { by: Vec::new(), told: Vec::new(), smallest: 200, each: false }
    }
}

/// The figures of a segment.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Segment {
    /// The column.
    pub column: String,
    /// Its value in the segment.
    pub value: String,
    /// Rows.
    pub rows: usize,
    /// Rows with the target.
    pub positives: usize,
    /// Whether there are enough rows to judge; the figures of a segment without are told all the same.
    pub judged: bool,
    /// Share of rows with the target, by weight.
    pub base_rate: Interval,
    /// Mean probability, by weight: what the model expects the base rate to be.
    pub mean_probability: f64,
    /// Rows predicted positive.
    pub predicted_positive_rows: usize,
    /// Share of the predicted without the target.
    pub error_rate: Interval,
    /// Share of those with the target who are not predicted.
    pub miss_rate: Interval,
    /// Area under the ROC curve.
    pub roc_auc: Interval,
    /// What was asked of the segment, and what came of it; empty where nothing was.
    pub conditions: Vec<Condition>,
    /// Whether limits are asked of it.
    #[serde(skip)]
    pub asked: bool,
    #[serde(skip)]
    verdict: Option<Verdict>,
}

impl Segment {
    /// Its name with its verdict, where limits are asked of it and it can be judged.
    pub fn told(&self) -> Option<(String, &Verdict)> {
        Some((self.name(), self.verdict.as_ref()?))
    }

    /// The worst that came of what was asked of it.
    pub fn worst(&self) -> Option<Outcome> {
        let came = |outcome| self.conditions.iter().any(|c| c.outcome == outcome);
        [Outcome::Broken, Outcome::NotSure, Outcome::Kept].into_iter().find(|o| came(*o))
    }

    /// `column=value`.
    pub fn name(&self) -> String {
        format!("{}={}", self.column, self.value)
    }
}

/// The rows of a segment, as places among the rows judged.
#[derive(Debug)]
pub struct Cut {
    column: String,
    value: String,
    rows: Vec<u32>,
    /// Whether they are values that none can be judged alone: what is true of all together is told elsewhere.
    together: bool,
}

/// Different numbers up to which each is a segment of its own; more are cut at their quartiles.
const FEW_NUMBERS: usize = 12;

/// Divides rows (places in the frame) into segments by each column. Segments of fewer rows than the smallest, or of fewer
/// than 20 of a class, are put together.
///
/// # Errors
/// When a column is not there.
pub fn segment_rows(
    frame: &Frame,
    rows: &[u32],
    target: &[bool],
    segments: &Segments,
) -> Result<Vec<Cut>> {
    let mut cuts = Vec::new();
    for column in segments.by.iter().chain(&segments.told) {
        let place = frame.schema().require(column)?;
        let mut by_value: BTreeMap<(usize, String), Vec<u32>> = BTreeMap::new();
        for (row, value) in values(frame, place, rows).into_iter().enumerate() {
            by_value.entry(value).or_default().push(row as u32);
        }
        let enough = |rows: &[u32]| {
            let positives = rows.iter().filter(|&&row| target[row as usize]).count();
            rows.len() >= segments.smallest
                && positives >= FEWEST_ROWS
                && rows.len() - positives >= FEWEST_ROWS
        };
        let (large, small): (Vec<_>, Vec<_>) = by_value.into_iter().partition(|(_, r)| enough(r));
        let nothing_else = large.is_empty();
        let cut =
            |value: String, rows| Cut { column: column.clone(), value, rows, together: false };
        cuts.extend(large.into_iter().map(|((_, value), rows)| cut(value, rows)));
        match small.len() {
            0 => {}
            1 => cuts.extend(small.into_iter().map(|((_, value), rows)| cut(value, rows))),
            several => {
                let mut rows: Vec<u32> = small.into_iter().flat_map(|(_, rows)| rows).collect();
                rows.sort_unstable();
                let value = format!("{several} small ones together");
                cuts.push(Cut { together: nothing_else, ..cut(value, rows) });
            }
        }
    }
    Ok(cuts)
}

/// The segment of each row, with its place among the column's.
fn values(frame: &Frame, place: usize, rows: &[u32]) -> Vec<(usize, String)> {
    let missing = || (usize::MAX, "(missing)".to_owned());
    let field = &frame.schema().fields()[place];
    match (&frame.columns()[place], &field.kind) {
        (Column::Category(codes), Kind::Categorical(levels)) => {
            let of = |&row: &u32| {
                let code = codes[row as usize] as usize;
                levels.get(code).map_or_else(missing, |level| (code, level.clone()))
            };
            rows.iter().map(of).collect()
        }
        (Column::Number(cells), kind) => {
            let mut sorted: Vec<f64> =
                rows.iter().map(|&row| cells[row as usize]).filter(|cell| !cell.is_nan()).collect();
            sorted.sort_by(f64::total_cmp);
            let quartile = |k: usize| sorted[(sorted.len() - 1) * k / 4];
            let mut different = sorted.clone();
            different.dedup();
            let few = different.len() <= FEW_NUMBERS;
            let ends: Vec<f64> = match few {
                true => different,
                false => {
                    let mut ends: Vec<f64> = (1..=4).map(quartile).collect();
                    ends.dedup();
                    ends
                }
            };
            let text = |bin: usize| match (kind, few) {
                (Kind::Boolean, _) => (if ends[bin] == 1.0 { "true" } else { "false" }).to_owned(),
                (_, true) => ends[bin].to_string(),
                (_, false) if bin == 0 => format!("up to {}", shown(ends[0])),
                (_, false) => format!("above {} up to {}", shown(ends[bin - 1]), shown(ends[bin])),
            };
            let of = |&row: &u32| match cells[row as usize] {
                cell if cell.is_nan() => missing(),
                cell => {
                    let bin = ends.partition_point(|end| *end < cell);
                    (bin, text(bin))
                }
            };
            rows.iter().map(of).collect()
        }
        (Column::Category(_), _) => unreachable!("a frame pairs categories with levels"),
    }
}

/// A number to four significant digits, whole numbers as they are: what a name needs.
fn shown(number: f64) -> String {
    if number == 0.0 || number.fract() == 0.0 {
        return number.to_string();
    }
    let digits = (3 - number.abs().log10().floor() as i32).clamp(0, 17) as usize;
    format!("{number:.digits$}")
}

impl Cut {
    /// Judges the segment as all rows were.
    pub fn judge(self, all: &Judged<'_>, question: &Question<'_>, segments: &Segments) -> Segment {
        let rows = &self.rows;
        fn pick<T: Copy>(of: &[T], rows: &[u32]) -> Vec<T> {
            rows.iter().map(|&row| of[row as usize]).collect()
        }
        let (probability, target) = (pick(all.probability, rows), pick(all.target, rows));
        let (weight, group) = (pick(all.weight, rows), all.group.map(|group| pick(group, rows)));
        let judged = Judged {
            probability: &probability,
            target: &target,
            weight: &weight,
            group: group.as_deref(),
        };
        let rivals = question.rivals.iter().map(|rival| match rival {
            Rival::BaseRate => Rival::BaseRate,
            Rival::Ranking { name, scores } => {
                Rival::Ranking { name: name.clone(), scores: pick(scores, rows) }
            }
        });
        let stakes: Option<Stakes> = question.stakes.map(|stakes| stakes.at(rows));
        // Nothing but the limits is asked of a segment: a rule may well be as good within it.
        let asked = segments.each && segments.by.contains(&self.column);
        let limits = match asked {
            true => Limits { must_beat: Vec::new(), ..question.limits.clone() },
            false => Limits { confidence: question.limits.confidence, ..Limits::default() },
        };
        let within = Question {
            limits: &limits,
            rule_scores: &pick(question.rule_scores, rows),
            rivals: rivals.collect(),
            stakes: stakes.as_ref(),
            ..question.clone()
        };
        let (evaluation, _) = evaluate(&judged, &within);
        let positives = judged.positives();
        let fewest = positives.min(rows.len() - positives);
        let enough = rows.len() >= segments.smallest && fewest >= FEWEST_ROWS && !self.together;
        let verdict = evaluation.verdict.of_limits();
        Segment {
            column: self.column,
            value: self.value,
            rows: rows.len(),
            positives,
            judged: enough,
            base_rate: evaluation.base_rate,
            mean_probability: probability.iter().zip(&weight).map(|(p, w)| p * w).sum::<f64>()
                / weight.iter().sum::<f64>(),
            predicted_positive_rows: evaluation.confusion.predicted_positive_rows,
            error_rate: evaluation.error_rate,
            miss_rate: evaluation.miss_rate,
            roc_auc: evaluation.roc_auc,
            conditions: verdict.conditions.clone(),
            asked,
            verdict: (enough && asked).then_some(verdict),
        }
    }
}
