//! What a fit is told. Nothing here depends on a table.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Most bins of a feature, the missing one not counted.
pub const MOST_BINS: usize = 255;

/// Parameters of the fit, by LightGBM's names where it has one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Boosting {
    /// Trees, 1 to 100,000; with early stopping the most there can be.
    pub num_iterations: usize,
    /// Factor on every tree, above 0 and at most 1.
    pub learning_rate: f64,
    /// Most leaves of a tree, 2 to 65,536.
    pub num_leaves: usize,
    /// Deepest leaf; 0 for any depth.
    pub max_depth: usize,
    /// Fewest rows in a leaf, by weight, estimated by their share of the hessian; at least 0.
    pub min_data_in_leaf: f64,
    /// Smallest sum of hessians in a leaf, at least 0.
    pub min_sum_hessian_in_leaf: f64,
    /// Pull of leaf values towards 0, in gradients; at least 0.
    pub lambda_l1: f64,
    /// Pull of leaf values towards 0, in hessians; at least 0.
    pub lambda_l2: f64,
    /// Least gain of a split, at least 0.
    pub min_gain_to_split: f64,
    /// Pull of a leaf's value towards its parent's, in rows; at least 0.
    pub path_smooth: f64,
    /// Most bins of a feature, 2 to 255; one more is for missing.
    pub max_bin: usize,
    /// Share of the features that a tree may use, above 0 and at most 1.
    pub feature_fraction: f64,
    /// Share of those that a node may use, above 0 and at most 1.
    pub feature_fraction_bynode: f64,
    /// Share of the rows that a tree is grown on, above 0 and at most 1.
    pub bagging_fraction: f64,
    /// GOSS: share of the rows with the largest gradients that are all kept; 0 for no GOSS.
    pub top_rate: f64,
    /// GOSS: share of the rows drawn from the others, which count for all of them.
    pub other_rate: f64,
    /// Factor on the weight of rows with the target, above 0.
    pub scale_pos_weight: f64,
    /// Weight of the node's mean in a level's ratio by which levels are ordered, in hessians.
    pub cat_smooth: f64,
    /// Added to `lambda_l2` where a split is by levels.
    pub cat_l2: f64,
    /// Most levels on the smaller side of a split by levels, at least 1.
    pub max_cat_threshold: usize,
    /// Fewest rows of a level that takes part in a split by levels, by weight.
    pub min_data_per_group: f64,
    /// By feature: 1 where the margin may only grow with it, -1 where it may only fall.
    pub monotone_constraints: BTreeMap<String, i8>,
    /// Sets of features that may stand together on a path; a feature in none stands alone.
    /// Empty: any may stand with any.
    pub interaction_constraints: Vec<Vec<String>>,
    /// Stop when the metric has not improved for so many trees on rows held back; 0: never.
    pub early_stopping_round: usize,
    /// Share of the training rows held back for early stopping, above 0 and below 1.
    pub validation_fraction: f64,
    /// What early stopping looks at.
    pub metric: Metric,
    /// Seed of every draw.
    pub seed: u64,
}

/// What early stopping looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Metric {
    /// Mean log loss: lower is better.
    LogLoss,
    /// Area under the ROC curve: higher is better.
    RocAuc,
    /// Average precision: higher is better.
    AveragePrecision,
}

impl Default for Boosting {
    fn default() -> Boosting {
        Boosting {
            num_iterations: 300,
            learning_rate: 0.03,
            num_leaves: 15,
            max_depth: 0,
            min_data_in_leaf: 50.0,
            min_sum_hessian_in_leaf: 1e-3,
            lambda_l1: 0.0,
            lambda_l2: 1.0,
            min_gain_to_split: 0.0,
            path_smooth: 0.0,
            max_bin: 255,
            feature_fraction: 0.5,
            feature_fraction_bynode: 1.0,
            bagging_fraction: 1.0,
            top_rate: 0.0,
            other_rate: 0.1,
            scale_pos_weight: 1.0,
            cat_smooth: 10.0,
            cat_l2: 10.0,
            max_cat_threshold: 8,
            min_data_per_group: 100.0,
            monotone_constraints: BTreeMap::new(),
            interaction_constraints: Vec::new(),
            early_stopping_round: 0,
            validation_fraction: 0.1,
            metric: Metric::LogLoss,
            seed: 0,
        }
    }
}

impl Boosting {
    /// # Errors
    /// When a parameter is out of its range.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, parameter, found: &dyn std::fmt::Display, expected| match fits {
            true => Ok(()),
            false => Err(Error::BadParameter { parameter, found: found.to_string(), expected }),
        };
        let count = |parameter, x: usize, low: usize, high: usize, expected| {
            check((low..=high).contains(&x), parameter, &x, expected)
        };
        let amount = |parameter, x: f64| {
            check(x.is_finite() && x >= 0.0, parameter, &x, "a number of at least 0")
        };
        let share =
            |parameter, x: f64| check(x > 0.0 && x <= 1.0, parameter, &x, "above 0 and at most 1");
        count("num_iterations", self.num_iterations, 1, 100_000, "1 to 100,000")?;
        count("num_leaves", self.num_leaves, 2, 65_536, "2 to 65,536")?;
        count("max_depth", self.max_depth, 0, 10_000, "0 (any) to 10,000")?;
        count("max_bin", self.max_bin, 2, MOST_BINS, "2 to 255")?;
        count("max_cat_threshold", self.max_cat_threshold, 1, MOST_BINS, "1 to 255")?;
        share("learning_rate", self.learning_rate)?;
        share("feature_fraction", self.feature_fraction)?;
        share("feature_fraction_bynode", self.feature_fraction_bynode)?;
        share("bagging_fraction", self.bagging_fraction)?;
        check(
            self.validation_fraction > 0.0 && self.validation_fraction < 1.0,
            "validation_fraction",
            &self.validation_fraction,
            "above 0 and below 1",
        )?;
        amount("min_data_in_leaf", self.min_data_in_leaf)?;
        amount("min_sum_hessian_in_leaf", self.min_sum_hessian_in_leaf)?;
        amount("lambda_l1", self.lambda_l1)?;
        amount("lambda_l2", self.lambda_l2)?;
        amount("min_gain_to_split", self.min_gain_to_split)?;
        amount("path_smooth", self.path_smooth)?;
        amount("cat_smooth", self.cat_smooth)?;
        amount("cat_l2", self.cat_l2)?;
        amount("min_data_per_group", self.min_data_per_group)?;
        check((0.0..1.0).contains(&self.top_rate), "top_rate", &self.top_rate, "0 to below 1")?;
        if self.top_rate > 0.0 {
            share("other_rate", self.other_rate)?;
            let sum = self.top_rate + self.other_rate;
            check(sum <= 1.0, "other_rate", &self.other_rate, "at most 1 - top_rate")?;
            check(
                self.bagging_fraction == 1.0,
                "bagging_fraction",
                &self.bagging_fraction,
                "1 with top_rate above 0: rows are sampled one way",
            )?;
        }
        check(
            self.scale_pos_weight.is_finite() && self.scale_pos_weight > 0.0,
            "scale_pos_weight",
            &self.scale_pos_weight,
            "a number above 0",
        )?;
        let signs = self.monotone_constraints.values().find(|sign| !(-1..=1).contains(*sign));
        signs.map_or(Ok(()), |sign| check(false, "monotone_constraints", sign, "-1, 0 or 1"))
    }
}
