//! What a saved model says of itself, as JSON. Wire types only: each field is a promise to readers.

use std::collections::BTreeMap;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::artifact::population::ReferencePopulation;
use crate::behaviour::FeatureSpec;
use crate::error::Result;
use crate::frame::{DateFormat, Field, Kind, Schema};
use crate::language::Words;
use crate::metrics::{Campaign, Interval};

/// The readable part of a saved model: where it comes from, what it asks for, how good it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// The registry's name for the model: lower-case letters, digits, `_` and `-`.
    pub model_name: String,
    /// Which classifier it is: `logistic`, `forest`.
    pub classifier: String,
    /// The question the model answers.
    pub target: TargetEntry,
    /// Who the question is asked of, in the user's words.
    pub population: String,
    /// The features, in the order of the model's rows.
    pub features: Vec<FeatureEntry>,
    /// How the features are made from events, in the same order; `None` where the table's columns
    /// came from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_spec: Option<FeatureSpec>,
    /// The column that names a customer, if there is one.
    pub id_column: Option<String>,
    /// The column whose order split the rows, if there is one.
    pub time_column: Option<String>,
    /// The column of row weights, if there is one.
    pub weight_column: Option<String>,
    /// Columns of the training table that are no features: id, time, weight, targets, excluded.
    pub ignored_columns: Vec<String>,
    /// Cells that were read as missing, besides empty ones.
    pub missing_markers: Vec<String>,
    /// Rows of each part.
    pub rows: RowCounts,
    /// First and last time of the training rows, where a time column was named.
    pub training_time: Option<TimeRange>,
    /// Features suspected of knowing the answer, and what was done about them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub leaks: Vec<LeakEntry>,
    /// What part each feature has in the predictions; `None` where nobody asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub influence: Option<Influence>,
    /// How the features were selected, step by step; empty where nobody selected.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub selection: Vec<SelectionStep>,
    /// What the calibration rows were like, to compare later rows with; `None` where no rows were at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<ReferencePopulation>,
    /// What a logistic regression's features add to the margin in the mean over its training rows, in their order: what
    /// reasons start from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expected_addends: Option<Vec<f64>>,
    /// The user's own words, for reasons.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub words: Words,
    /// The campaign whose profit the threshold was chosen by, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profit: Option<Campaign>,
    /// From which probability a customer is predicted positive.
    pub threshold: ThresholdEntry,
    /// How margins become probabilities, with its numbers.
    pub calibration: super::wire::Calibration,
    /// The classifiers that were compared on validation rows, best first; one where none was.
    pub candidates: Vec<Candidate>,
    /// The judgement on the test rows, as in `report.json`; `None` when no rows were kept for it.
    pub metrics: Option<serde_json::Value>,
    /// The verdict on the test rows; `None` when no rows were kept for it.
    pub verdict: Option<VerdictEntry>,
    /// The seed of every draw.
    pub seed: u64,
    /// BLAKE3 of the training table's names, kinds and cells.
    pub data_fingerprint: String,
    /// Versions of the crates that fitted and wrote it.
    pub crate_versions: BTreeMap<String, String>,
}

/// A yes/no question: is `column` equal to `value`?
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TargetEntry {
    /// The target's column.
    pub column: String,
    /// The value that counts as yes.
    pub value: String,
}

/// A feature's name and kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FeatureEntry {
    /// The column's name.
    pub name: String,
    /// What its cells are.
    #[serde(flatten)]
    pub kind: FeatureKind,
    /// The user's own group that it is in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<String>,
    /// Whether it is no reason that marketing is told.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub hidden: bool,
}

/// What a feature's cells are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum FeatureKind {
    /// Numbers.
    Numeric,
    /// `true` / `false`.
    Boolean,
    /// Dates in a format, empty for ISO 8601.
    Date {
        /// As `strftime` has it.
        format: String,
    },
    /// One of the levels.
    Categorical {
        /// All levels seen while reading the training table, sorted; those of an imported model in
        /// its order.
        levels: Vec<String>,
    },
}

/// Rows of the parts a table was split into.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RowCounts {
    /// Rows the classifier was fitted on.
    pub train: PartCount,
    /// Rows the calibration and the threshold were fitted on; also the reference population of
    /// percentiles.
    pub calibration: PartCount,
    /// Rows the model was judged on.
    pub test: PartCount,
}

/// Rows of one part; the default has none.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PartCount {
    /// Rows.
    pub rows: usize,
    /// Rows with the target.
    pub positives: usize,
    /// Sum of the rows' weights; the number of rows where there are no weights.
    pub weight: f64,
    /// The same of the rows with the target.
    pub positive_weight: f64,
    /// Their first and last time, where a time column was named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time: Option<TimeRange>,
}

/// A span of the time column, both ends included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TimeRange {
    /// The first time: days since 1970-01-01 for dates, else the column's number.
    pub first: f64,
    /// The last time.
    pub last: f64,
    /// Whether the column is of dates.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dates: bool,
}

/// A feature suspected of knowing the answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LeakEntry {
    /// The feature.
    pub feature: String,
    /// The target it tells: `column=value`. For others it is a feature as any.
    pub target: String,
    /// What it was tested for: `by value`, `by missing or not`, `by construction`, `by time`, `by identity`.
    pub test: String,
    /// Figures, in words.
    pub evidence: String,
    /// `excluded`; `allowed`, as the user said; or `warned`: it stays.
    pub action: String,
}

/// What part each feature has in a model's predictions, on rows that were not learned from. In each list shares add up
/// to 1 (all are 0 where the model tells nobody apart), the largest first.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Influence {
    /// Rows explained.
    pub rows: usize,
    /// Features with shuffled rows that the same classifier was fitted on once more, beside the others.
    pub shadows: usize,
    /// The largest share that one of them got, 0 to 1: what has less may be noise.
    pub noise_line: f64,
    /// By feature.
    pub features: Vec<Share>,
    /// By behaviour, all windows together; empty where features were not made from events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub behaviours: Vec<Share>,
    /// By the events that are told of, attributes together; empty where features were not made from events.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub events: Vec<Share>,
    /// By the user's own groups; empty where there are none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub groups: Vec<Share>,
}

/// The part of a feature, or of some together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Share {
    /// The feature or the group.
    pub name: String,
    /// Features that it is.
    pub features: usize,
    /// Mean absolute contribution to the margin (of a group: the sum of its features'), divided by the sum over all
    /// features, 0 to 1, with a bootstrap interval over customers.
    pub share: Interval,
    /// `up`: the more, the likelier; `down`: the more, the less likely; `up when missing`, `down when missing`; the
    /// levels that go furthest; `both ways`; `none`.
    pub direction: String,
    /// Whether the share (of a group: that of one of its features) is above the noise line.
    pub above_noise: bool,
}

/// A step of the selection of features: figures of a model on validation rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SelectionStep {
    /// What was done.
    pub step: String,
    /// Features that were tried.
    pub tried: usize,
    /// Features that were kept.
    pub dimensions: usize,
    /// Share of the predicted without the target; `None` where nobody is predicted positive.
    pub error_rate: Option<Interval>,
    /// Share of those with the target who are not predicted.
    pub miss_rate: Option<Interval>,
    /// Area under the ROC curve.
    pub roc_auc: Interval,
}

/// The threshold and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdEntry {
    /// Predicted positive: `probability >= value`.
    pub value: f64,
    /// The rule it was chosen by, in words.
    pub rule: String,
    /// Whether the rule's limit was met on the calibration rows.
    pub met: bool,
}

/// A classifier's standing on the validation rows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Candidate {
    /// The classifier.
    pub classifier: String,
    /// Its area under the ROC curve on the validation rows; `None` where it was the only one.
    pub roc_auc: Option<f64>,
}

/// A verdict in words.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VerdictEntry {
    /// `usable`, `unusable` or `not enough data`.
    pub verdict: String,
    /// Why, in one sentence.
    pub reason: String,
}

impl Manifest {
    /// The features as a schema.
    ///
    /// # Errors
    /// When two features have the same name.
    pub fn schema(&self) -> Result<Schema> {
        schema_of(&self.features)
    }

    /// The wire form of a schema's fields.
    pub fn features_of(schema: &Schema) -> Vec<FeatureEntry> {
        let entry = |f: &Field| FeatureEntry {
            name: f.name.clone(),
            kind: match &f.kind {
                Kind::Numeric => FeatureKind::Numeric,
                Kind::Boolean => FeatureKind::Boolean,
                Kind::Date(format) => FeatureKind::Date { format: format.0.clone() },
                Kind::Categorical(levels) => FeatureKind::Categorical { levels: levels.to_vec() },
            },
            group: None,
            hidden: false,
        };
        schema.fields().iter().map(entry).collect()
    }
}

/// Features as a schema.
///
/// # Errors
/// When two have the same name.
pub(super) fn schema_of(features: &[FeatureEntry]) -> Result<Schema> {
    let fields = features.iter().map(|f| Field {
        name: f.name.clone(),
        kind: match &f.kind {
            FeatureKind::Numeric => Kind::Numeric,
            FeatureKind::Boolean => Kind::Boolean,
            FeatureKind::Date { format } => Kind::Date(DateFormat(format.clone())),
            FeatureKind::Categorical { levels } => Kind::Categorical(Arc::from(levels.as_slice())),
        },
    });
    Schema::new(fields.collect())
}
