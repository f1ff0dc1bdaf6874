//! Models' judgements for people and machines: on the terminal, as Markdown, as JSON, and as CI systems read them.

mod annotations;
mod beside;
mod change;
mod compared;
mod counts;
mod document;
mod drift;
mod html;
mod influence;
mod junit;
mod markdown;
mod open_metrics;
mod passages;
mod planned;
mod plot;
mod selected;
mod terminal;
mod tuned;
mod uplift;
mod value;

pub use annotations::{annotations, failed};
pub use beside::beside_terminal;
pub use change::change_terminal;
pub use compared::{COMPARED_VERSION, ComparedModel, ComparedReport};
pub use counts::{populations_terminal, shares_terminal};
pub use document::Document;
pub use drift::{Compared, DriftDocument};
pub use html::html;
pub use junit::{could_not_judge, junit};
pub use markdown::{markdown, summary};
pub use open_metrics::open_metrics;
pub use passages::{passages_markdown, passages_terminal};
pub use planned::plan_terminal;
pub use plot::influence_svg;
pub use selected::{SelectedReport, selected_terminal};
pub use terminal::terminal;
pub use uplift::{UpliftDocument, uplift_terminal};
pub use value::{FittedDocument, ValueDocument};

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use rekindle_models::artifact::{Influence, LeakEntry, Manifest, SelectionStep, TimeRange};
use rekindle_models::metrics::{Campaign, Interval};
use schemars::JsonSchema;
use serde::Serialize;

use crate::evaluate::{Curves, Evaluation, Money};
use crate::quality::DataQuality;
use crate::segments::Segment;
use crate::tune::Tuned;
use crate::verdict::{Condition, Outcome};

/// All that a report shows.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
pub struct Report<'a> {
    /// The model's name.
    pub model_name: &'a str,
    /// Its version in the registry, once it has one.
    pub model_version: Option<u32>,
    /// Its classifier.
    pub classifier: &'a str,
    /// The question: `column=value`.
    pub target: String,
    /// Who the question is asked of.
    pub population: &'a str,
    /// What the judged rows are: the test rows of the table, or a file.
    pub judged_on: String,
    /// Number of features.
    pub features: usize,
    /// BLAKE3 of the training table's names, kinds and cells.
    pub data_fingerprint: &'a str,
    /// The seed of every draw.
    pub seed: u64,
    /// The column whose order split the rows, if there is one.
    pub time_column: Option<&'a str>,
    /// Its first and last time among the training rows.
    pub training_time: Option<&'a TimeRange>,
    /// Rows of the parts that the model was made from.
    pub model_rows: &'a rekindle_models::artifact::RowCounts,
    /// How the classifiers compared.
    pub candidates: &'a [rekindle_models::artifact::Candidate],
    /// How margins become probabilities.
    pub calibration: &'a str,
    /// The campaign whose profit the threshold was chosen by, where there was one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub campaign: Option<&'a Campaign>,
    /// How the threshold was chosen.
    pub threshold_rule: &'a str,
    /// Features suspected of knowing the answer, and what was done about them.
    pub leaks: &'a [LeakEntry],
    /// What part each feature has in the predictions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub influence: Option<&'a Influence>,
    /// How the features were selected, step by step, on validation rows; empty where nobody selected.
    #[serde(skip_serializing_if = "<[SelectionStep]>::is_empty")]
    pub selection: &'a [SelectionStep],
    /// The parameters that were tried, where better ones were looked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tuned: Option<&'a Tuned>,
    /// The judgement; null where no rows were kept for it.
    pub evaluation: Option<&'a Evaluation>,
    /// The same figures by segment; empty where none were asked for.
    pub segments: &'a [Segment],
    /// What the pictures of `report.html` are drawn from; null where one class is not there.
    pub curves: Option<&'a Curves>,
    /// What the judged table is like; of a fit, the table it was made from.
    pub data_quality: Option<&'a DataQuality>,
    /// What the user should know.
    pub warnings: &'a [String],
}

impl<'a> Report<'a> {
    /// A report on a model, judged on `judged_on`.
    pub fn new(
        manifest: &'a Manifest,
        calibration: &'a str,
        model_version: Option<u32>,
        judged_on: String,
        evaluation: Option<&'a Evaluation>,
        warnings: &'a [String],
    ) -> Report<'a> {
        Report {
            model_name: &manifest.model_name,
            model_version,
            classifier: &manifest.classifier,
            target: format!("{}={}", manifest.target.column, manifest.target.value),
            population: &manifest.population,
            judged_on,
            features: manifest.features.len(),
            data_fingerprint: &manifest.data_fingerprint,
            seed: manifest.seed,
            time_column: manifest.time_column.as_deref(),
            training_time: manifest.training_time.as_ref(),
            model_rows: &manifest.rows,
            candidates: &manifest.candidates,
            calibration,
            campaign: manifest.profit.as_ref(),
            threshold_rule: &manifest.threshold.rule,
            leaks: &manifest.leaks,
            influence: manifest.influence.as_ref(),
            selection: &manifest.selection,
            tuned: None,
            evaluation,
            segments: &[],
            curves: None,
            data_quality: None,
            warnings,
        }
    }

    /// The same with what pictures are drawn from.
    pub fn with_curves(self, curves: Option<&'a Curves>) -> Report<'a> {
        Report { curves, ..self }
    }

    /// The same with the figures of segments.
    pub fn with_segments(self, segments: &'a [Segment]) -> Report<'a> {
        Report { segments, ..self }
    }

    /// The same with what the table is like.
    pub fn with_quality(self, quality: &'a DataQuality) -> Report<'a> {
        Report { data_quality: Some(quality), ..self }
    }

    fn model(&self) -> String {
        match self.model_version {
            Some(version) => format!("{} version {version}", self.model_name),
            None => self.model_name.to_owned(),
        }
    }

    /// The same with the parameters that were tried.
    pub fn with_tuned(self, tuned: Option<&'a Tuned>) -> Report<'a> {
        Report { tuned, ..self }
    }

    /// Why this classifier, in a sentence.
    fn choice(&self) -> String {
        match self.candidates {
            [best, rest @ ..] if best.roc_auc.is_some() => {
                let text = |c: &rekindle_models::artifact::Candidate| {
                    format!("{} {:.4}", c.classifier, c.roc_auc.unwrap_or(f64::NAN))
                };
                let rest: Vec<String> = rest.iter().map(text).collect();
                format!("best ROC AUC on validation rows: {}, {}", text(best), rest.join(", "))
            }
            _ => "as asked for".to_owned(),
        }
    }
}

/// A table on the terminal, whose columns from one place on are numbers.
fn table<const N: usize>(
    header: &[&str; N],
    numbers_from: usize,
    rows: impl Iterator<Item = [String; N]>,
) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.as_slice());
    table.add_rows(rows);
    for column in numbers_from..N {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

/// A share in per cent.
fn percent(share: f64) -> String {
    if share.is_nan() { "none".to_owned() } else { format!("{:.1} %", share * 100.0) }
}

/// A whole number in groups of three digits.
fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// What was asked of a model, where, and what came of it: first of all rows, then of each segment.
fn asked<'r>(report: &'r Report<'_>) -> Vec<(Option<String>, &'r Condition)> {
    let whole = report.evaluation.iter().flat_map(|e| &e.verdict.conditions).map(|c| (None, c));
    let within = report.segments.iter().filter(|segment| segment.judged).flat_map(|segment| {
        segment.conditions.iter().map(move |condition| (Some(segment.name()), condition))
    });
    whole.chain(within).collect()
}

/// What came of a condition, in a word.
fn outcome(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Kept => "kept",
        Outcome::Broken => "broken",
        Outcome::NotSure => "not sure",
    }
}

/// A rate in per cent with its interval.
fn rate(rate: &Interval) -> String {
    match rate.value.is_nan() {
        true => "none".to_owned(),
        false => {
            format!("{} [{:.1}, {:.1}]", percent(rate.value), rate.low * 100.0, rate.high * 100.0)
        }
    }
}

/// A figure to four digits with its interval.
fn figure(figure: &Interval) -> String {
    match figure.value.is_nan() {
        true => "none".to_owned(),
        false => format!("{:.4} [{:.4}, {:.4}]", figure.value, figure.low, figure.high),
    }
}

/// A figure to two digits with its interval.
fn amount(amount: &Interval) -> String {
    match amount.value.is_nan() {
        true => "none".to_owned(),
        false => format!("{:.2} [{:.2}, {:.2}]", amount.value, amount.low, amount.high),
    }
}

/// The figures of the table that sets the model beside the baselines: name, model, base rate, rule.
fn compared(evaluation: &Evaluation) -> Vec<[String; 4]> {
    let (same, rule) = (&evaluation.baselines.base_rate, &evaluation.baselines.rule);
    let with = figure;
    let of_rule = |r: Option<f64>| r.map_or("-".to_owned(), percent);
    let dash = || "-".to_owned();
    let mut rows = vec![
        [
            "error rate".to_owned(),
            rate(&evaluation.error_rate),
            percent(1.0 - evaluation.base_rate.value),
            of_rule(rule.error_rate),
        ],
        [
            "miss rate".to_owned(),
            rate(&evaluation.miss_rate),
            percent(0.0),
            of_rule(rule.miss_rate),
        ],
        ["ROC AUC".to_owned(), with(&evaluation.roc_auc), "0.5000".to_owned(), with(&rule.roc_auc)],
        [
            "average precision".to_owned(),
            with(&evaluation.average_precision),
            format!("{:.4}", evaluation.base_rate.value),
            with(&rule.average_precision),
        ],
        [
            "log loss".to_owned(),
            with(&evaluation.log_loss),
            format!("{:.4}", same.log_loss),
            dash(),
        ],
        [
            "Brier score".to_owned(),
            with(&evaluation.brier_score),
            format!("{:.4}", same.brier_score),
            dash(),
        ],
        ["ECE".to_owned(), with(&evaluation.ece), dash(), dash()],
    ];
    rows.extend(evaluation.lift_at_k.iter().map(|lift| {
        [
            format!("lift at {:.0} %", lift.share * 100.0),
            amount(&lift.lift),
            "1.00".to_owned(),
            dash(),
        ]
    }));
    rows.extend(evaluation.money.iter().flat_map(in_money));
    rows
}

/// How intervals are told.
const INTERVALS: &str = "rates by Wilson, ROC AUC by DeLong, the rest by bootstrap; in the column of \
                         the base rate everybody is predicted positive";

/// What the rows in money are.
const MONEY: &str = "per judged customer; in the column of the base rate, everybody is contacted (nobody: 0.00); the \
                     rule's are those of its best threshold";

/// What a campaign would bring per row: by the model, by contacting everybody, by the rule.
fn in_money(money: &Money) -> [[String; 4]; 4] {
    let with = amount;
    let beside = &money.money_baselines;
    let row = |name: &str, model, everybody: String, rule| {
        [name.to_owned(), with(model), everybody, with(rule)]
    };
    let dash = || "-".to_owned();
    [
        row("profit per customer", &money.profit, with(&beside.everybody), &beside.rule_empb),
        row("MPC", &money.mpc, dash(), &beside.rule_mpc),
        row("EMPC", &money.empc, dash(), &beside.rule_empc),
        row("EMPB", &money.empb, dash(), &beside.rule_empb),
    ]
}
