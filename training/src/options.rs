//! What the user says of a table and of what to learn from it.

use std::collections::BTreeMap;

use rekindle_models::artifact::SelectionStep;
use rekindle_models::behaviour::FeatureSpec;
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::metrics::Campaign;
use rekindle_models::threshold::ThresholdRule;

use crate::label::TargetSpec;
use crate::marks::{Groups, Marketing};
use crate::split::Shares;
use crate::tune::Tuning;
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
    /// Whether weights are there only because rows were drawn: other tables of the same kind have none.
    pub sampled: bool,
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
    /// Features that stay though the leak guard would exclude them.
    pub allow_leak: Vec<String>,
    /// Features whose source has no time of knowing: the user says they never change.
    pub untimed: Vec<String>,
    /// By target ([`Target::name`](crate::label::Target::name)), the columns that are features; `None`: all
    /// that are not excluded.
    pub features: Option<BTreeMap<String, Vec<String>>>,
    /// By target, the steps by which those were selected, to be told in reports.
    pub selection: BTreeMap<String, Vec<SelectionStep>>,
    /// Groups of features by the user's own names, for influence shares: name, patterns with `*`.
    pub groups: Groups,
    /// What marketing is told of features.
    pub marketing: Marketing,
    /// Which classifier.
    pub model: ModelChoice,
    /// Parameters of the booster; its seed is [`FitOptions::seed`].
    pub boosting: Boosting,
    /// Whether better parameters are looked for, those that differ from the defaults apart.
    pub tuning: Option<Tuning>,
    /// Shares of the parts.
    pub shares: Shares,
    /// The campaign that those predicted positive are contacted by: the threshold is then that of its largest profit.
    pub profit: Option<Campaign>,
    /// How the threshold is chosen where there is no campaign; `None`: by the error-rate limit where there is one, else
    /// by F1.
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

impl FitOptions {
    /// The booster's parameters, with the seed of all draws.
    pub fn booster(&self) -> Boosting {
        Boosting { seed: self.seed, ..self.boosting.clone() }
    }

    /// How the threshold is chosen.
    pub fn threshold_rule(&self) -> ThresholdRule {
        if self.profit.is_some() {
            return ThresholdRule::Profit;
        }
        self.threshold.unwrap_or(match self.limits.max_error_rate {
            Some(limit) => {
                ThresholdRule::MaxErrorRate { limit, confidence: self.limits.confidence }
            }
            None => ThresholdRule::F1,
        })
    }
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

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Options that ask for nothing: no target yet.
    pub(crate) fn plain() -> FitOptions {
        FitOptions {
            targets: Vec::new(),
            id: None,
            repeated_ids: false,
            weight: None,
            sampled: false,
            time: None,
            embargo: None,
            feature_spec: None,
            recency: None,
            exclude: Vec::new(),
            exclude_for: Vec::new(),
            allow_leak: Vec::new(),
            untimed: Vec::new(),
            features: None,
            selection: BTreeMap::new(),
            groups: Groups::new(),
            marketing: Marketing::default(),
            model: ModelChoice::Auto,
            boosting: Boosting::default(),
            tuning: None,
            shares: Shares::default(),
            profit: None,
            threshold: None,
            limits: Limits::default(),
            seed: 0,
            population: "all rows".to_owned(),
            missing: Vec::new(),
        }
    }
}
