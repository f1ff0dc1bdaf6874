//! What the user says of a table and of what to learn from it.

use rekindle_models::behaviour::FeatureSpec;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::threshold::ThresholdRule;

use crate::label::TargetSpec;
use crate::split::Shares;
use crate::verdict::Limits;

/// What to learn and how.
#[derive(Debug, Clone, PartialEq)]
pub struct FitOptions {
    /// The questions; at least one.
    pub targets: Vec<TargetSpec>,
    /// The column that names a customer.
    pub id: Option<String>,
    /// Whether a customer may have several rows.
    pub repeated_ids: bool,
    /// The column of row weights.
    pub weight: Option<String>,
    /// The column whose order splits the rows.
    pub time: Option<String>,
    /// For snapshots, whose time is their cutoff: how much later answers are known, in the unit of the
    /// time column (days for dates). The latest cutoffs judge, and nothing that was not known then is
    /// learned from.
    pub embargo: Option<f64>,
    /// How the features were made from events, where they were.
    pub feature_spec: Option<FeatureSpec>,
    /// The feature that holds the days since the last event: the baseline is then the recency rule.
    pub recency: Option<String>,
    /// Columns that are no features, for any target.
    pub exclude: Vec<String>,
    /// Columns that are no features for one target: (target's column, column).
    pub exclude_for: Vec<(String, String)>,
    /// Which classifier.
    pub model: ModelChoice,
    /// Parameters of the booster; its seed is [`FitOptions::seed`].
    pub boosting: Boosting,
    /// Shares of the parts.
    pub shares: Shares,
    /// How the threshold is chosen; `None`: by the error-rate limit where there is one, else by F1.
    pub threshold: Option<ThresholdRule>,
    /// What is asked of the model.
    pub limits: Limits,
    /// Seed of every draw.
    pub seed: u64,
    /// Who the rows are, in the user's words.
    pub population: String,
    /// Cells that were read as missing, to be read alike when scoring.
    pub missing: Vec<String>,
}

/// Which classifier is fitted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelChoice {
    /// All of them; the best on validation rows is taken.
    Auto,
    /// Logistic regression.
    Logistic,
    /// Random forest.
    Forest,
    /// Boosted trees.
    Boosting,
}
