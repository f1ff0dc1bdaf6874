//! Tree after tree: gradients, sampling of rows, leaf values, early stopping.

use std::collections::BTreeMap;

use rayon::prelude::*;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::binning::Bins;
use crate::classifiers::boosting::grower::{Ground, Grower, GrownTree};
use crate::classifiers::boosting::loss::{Answers, pack, probability};
use crate::classifiers::boosting::params::{Boosting, Metric};
use crate::classifiers::boosting::splitting::{Rules, has};
use crate::classifiers::boosting::table::BinnedTable;
use crate::classifiers::boosting::tree::{Child, Leaf, Missing, Node, Test, Tree};
use crate::classifiers::check_classes;
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::frame::nearest_name;
use crate::metrics::{Judged, Ranked};
use crate::seed::{mix2, unit};

/// Trees in a row without a split after which there will be none.
const FRUITLESS: usize = 10;

impl Boosting {
    /// Learns several targets from one table, each from its dataset: all are of the frame that the
    /// table was made from, and of all or some of its features. With early stopping, the rows to watch
    /// are given for each target.
    ///
    /// # Errors
    /// When a parameter is out of its range or names no feature, or a target has only one class.
    ///
    /// # Panics
    /// When a dataset has a feature that the table has not.
    pub fn fit_targets(
        &self,
        table: &BinnedTable,
        targets: &[(Dataset<'_>, Option<Dataset<'_>>)],
    ) -> Result<Vec<FittedBoosting>> {
        self.validate()?;
        let one = |(data, watch): &(Dataset<'_>, Option<Dataset<'_>>)| {
            check_classes(data)?;
            let ground = ground(self, table, data)?;
            let fit = Fit::of_target(self, table, data);
            let mut watched = watch.as_ref().map(|data| Watched::new(data, fit.start, self));
            fit.run(&ground, watched.as_mut())
        };
        targets.par_iter().map(one).collect()
    }

    /// Learns a number by least squares: a row's raw score is the number expected of it. `response` has one for each row
    /// of the frame, finite where the dataset has the row; the dataset's target is not looked at. There is no early
    /// stopping, and `scale_pos_weight` has no meaning here.
    ///
    /// # Errors
    /// When a parameter is out of its range or names no feature, or there is no row.
    ///
    /// # Panics
    /// When the dataset has a feature that the table has not.
    pub fn fit_response(
        &self,
        table: &BinnedTable,
        data: &Dataset<'_>,
        response: &[f64],
    ) -> Result<FittedBoosting> {
        self.validate()?;
        if data.rows.is_empty() {
            let reason = "there is no row to learn from".into();
            return Err(Error::Fit { classifier: super::NAME, reason });
        }
        let ground = ground(self, table, data)?;
        let response = data.rows.iter().map(|&row| response[row as usize]).collect();
        Fit::new(self, table, data, Answers::Response(response), data.weights()).run(&ground, None)
    }
}

/// One target in the making.
struct Fit<'a> {
    params: &'a Boosting,
    table: &'a BinnedTable,
    data: &'a Dataset<'a>,
    answers: Answers,
    /// Weights with the factor on positives.
    weight: Vec<f64>,
    /// The margin before the first tree.
    start: f64,
    /// By row learned from.
    margins: Vec<f64>,
    pairs: Vec<(f64, f64)>,
}

impl<'a> Fit<'a> {
    fn of_target(params: &'a Boosting, table: &'a BinnedTable, data: &'a Dataset<'a>) -> Fit<'a> {
        let target = data.targets();
        let factor = |positive| if positive { params.scale_pos_weight } else { 1.0 };
        let weight: Vec<f64> =
            data.weights().iter().zip(&target).map(|(w, t)| w * factor(*t)).collect();
        Fit::new(params, table, data, Answers::Target(target), weight)
    }

    fn new(
        params: &'a Boosting,
        table: &'a BinnedTable,
        data: &'a Dataset<'a>,
        answers: Answers,
        weight: Vec<f64>,
    ) -> Fit<'a> {
        let start = answers.start(&weight);
        let rows = weight.len();
        let (margins, pairs) = (vec![start; rows], vec![(0.0, 0.0); rows]);
        Fit { params, table, data, answers, weight, start, margins, pairs }
    }

    fn run(
        mut self,
        ground: &Ground<'_>,
        mut watched: Option<&mut Watched<'_>>,
    ) -> Result<FittedBoosting> {
        let mut grower = Grower::new(ground);
        let mut packed = vec![0; self.pairs.len()];
        let mut trees: Vec<Tree> = Vec::new();
        let mut fruitless = 0;
        for round in 0..self.params.num_iterations {
            let seed = mix2(self.params.seed, round as u64);
            self.answers.gradients(&self.margins, &self.weight, &mut self.pairs);
            let rows = self.sample(seed);
            let scale = pack(&self.pairs, seed, &mut packed);
            let tree = grower.grow(rows, &packed, scale, seed);
            if tree.nodes.is_empty() {
                // With features drawn, the next tree may have what this one lacked.
                let drawn = self.params.feature_fraction * self.params.feature_fraction_bynode;
                fruitless += usize::from(drawn == 1.0);
                if fruitless == FRUITLESS {
                    break;
                }
                continue;
            }
            fruitless = 0;
            let values = self.values(&tree, &Rules { params: self.params, scale });
            self.add(&tree, &values.leaves);
            if let Some(watched) = &mut watched {
                watched.add(&tree, &values.leaves, self.table);
            }
            trees.push(self.raw(&tree, &values, &Rules { params: self.params, scale }, ground));
            if watched.as_mut().is_some_and(|watched| watched.is_over(trees.len())) {
                break;
            }
        }
        if let Some(watched) = &watched {
            trees.truncate(watched.best_trees.max(1));
        }
        if trees.is_empty() {
            trees.push(Tree::constant(0.0));
        }
        // The start stands in the first tree: then the sum of the leaves is the margin.
        let first = &mut trees[0];
        first.leaves.iter_mut().for_each(|leaf| leaf.value += self.start);
        first.nodes.iter_mut().for_each(|node| node.value += self.start);
        FittedBoosting::new(self.data.features.len(), trees, false, 1.0).ok_or(Error::Fit {
            classifier: super::NAME,
            reason: "its trees are not finite".into(),
        })
    }

    /// Places of the rows that a tree is grown on, rising; gradients of rows that stand for others
    /// are multiplied.
    fn sample(&mut self, seed: u64) -> Vec<u32> {
        let params = self.params;
        let rows = self.pairs.len() as u32;
        let draw = |row: u32| unit(mix2(!seed, u64::from(row)));
        if params.top_rate > 0.0 {
            let top = ((f64::from(rows) * params.top_rate) as usize).clamp(1, rows as usize - 1);
            let mut sizes: Vec<f64> = self.pairs.iter().map(|pair| pair.0.abs()).collect();
            let (_, least, _) = sizes.select_nth_unstable_by(top - 1, |a, b| b.total_cmp(a));
            let least = *least;
            let share = params.other_rate / (1.0 - params.top_rate);
            let mut kept = Vec::new();
            for (row, pair) in self.pairs.iter_mut().enumerate() {
                if pair.0.abs() >= least {
                    kept.push(row as u32);
                } else if draw(row as u32) < share {
                    *pair = (pair.0 / share, pair.1 / share);
                    kept.push(row as u32);
                } else {
                    *pair = (0.0, 0.0);
                }
            }
            return kept;
        }
        if params.bagging_fraction == 1.0 {
            return (0..rows).collect();
        }
        let kept: Vec<u32> = (0..rows).filter(|&row| draw(row) < params.bagging_fraction).collect();
        if kept.is_empty() { (0..rows).collect() } else { kept }
    }

    /// The values of a tree's leaves and nodes from the gradients themselves.
    fn values(&self, tree: &GrownTree, rules: &Rules<'_>) -> Values {
        let sums: Vec<(f64, f64)> = tree
            .leaves
            .par_iter()
            .map(|leaf| {
                let rows = &tree.rows[leaf.span.clone()];
                let pairs = rows.iter().map(|&row| self.pairs[row as usize]);
                pairs.fold((0.0, 0.0), |(g, h), pair| (g + pair.0, h + pair.1))
            })
            .collect();
        let rate = self.params.learning_rate;
        let smooth = self.params.path_smooth;
        let free = |(g, h): (f64, f64), bounds| rules.value(g, h, bounds);
        // Sums of nodes from below, then values from above.
        let mut node_sums = vec![(0.0, 0.0); tree.nodes.len()];
        let mut node_counts = vec![0.0; tree.nodes.len()];
        for place in (0..tree.nodes.len()).rev() {
            for child in [tree.nodes[place].left, tree.nodes[place].right] {
                let (sum, count) = match child {
                    Child::Leaf(leaf) => {
                        (sums[leaf as usize], tree.leaves[leaf as usize].leaf.count)
                    }
                    Child::Node(node) => (node_sums[node as usize], node_counts[node as usize]),
                };
                node_sums[place] = (node_sums[place].0 + sum.0, node_sums[place].1 + sum.1);
                node_counts[place] += count;
            }
        }
        let mut nodes: Vec<f64> = vec![0.0; tree.nodes.len()];
        let mut leaves: Vec<f64> = vec![0.0; tree.leaves.len()];
        if tree.nodes.is_empty() {
            leaves[0] = free(sums[0], tree.leaves[0].leaf.bounds);
        } else {
            nodes[0] = free(node_sums[0], tree.nodes[0].leaf.bounds);
        }
        for place in 0..tree.nodes.len() {
            let above = nodes[place];
            let smoothed = |value: f64, count: f64, (low, high): (f64, f64)| {
                let share = count / (count + smooth);
                (value * share + above * (1.0 - share)).clamp(low, high)
            };
            for child in [tree.nodes[place].left, tree.nodes[place].right] {
                match child {
                    Child::Leaf(leaf) => {
                        let (sum, of) = (sums[leaf as usize], tree.leaves[leaf as usize].leaf);
                        leaves[leaf as usize] = smoothed(free(sum, of.bounds), of.count, of.bounds);
                    }
                    Child::Node(node) => {
                        let (sum, of) = (node_sums[node as usize], tree.nodes[node as usize].leaf);
                        nodes[node as usize] =
                            smoothed(free(sum, of.bounds), node_counts[node as usize], of.bounds);
                    }
                }
            }
        }
        leaves.iter_mut().chain(&mut nodes).for_each(|value| *value *= rate);
        Values { leaves, nodes }
    }

    /// Adds a tree to the margins of the rows learned from.
    fn add(&mut self, tree: &GrownTree, values: &[f64]) {
        if tree.rows.len() == self.margins.len() {
            for (leaf, value) in tree.leaves.iter().zip(values) {
                for &row in &tree.rows[leaf.span.clone()] {
                    self.margins[row as usize] += value;
                }
            }
            return;
        }
        let rows = self.data.rows;
        self.margins
            .par_iter_mut()
            .zip(rows)
            .for_each(|(margin, &row)| *margin += values[tree.leaf(self.table, row)]);
    }

    /// The tree over cells instead of bins.
    fn raw(
        &self,
        tree: &GrownTree,
        values: &Values,
        rules: &Rules<'_>,
        ground: &Ground<'_>,
    ) -> Tree {
        let leaves = tree.leaves.iter().zip(&values.leaves).map(|(leaf, &value)| Leaf {
            value,
            weight: rules.scale.hessian(leaf.leaf.total),
            count: leaf.span.len() as f64,
        });
        let nodes = tree.nodes.iter().zip(&values.nodes).map(|(node, &value)| {
            let bins = &self.table.bins[node.split.feature];
            let left_bins = &node.split.left_bins;
            let missing_left = has(left_bins, bins.missing());
            let (test, swapped) = match bins {
                Bins::Number { cuts } => {
                    let threshold = cuts.get(node.split.cut as usize).copied();
                    let threshold = threshold.unwrap_or(f64::INFINITY);
                    (Test::Number { threshold, missing: Missing::Nan, missing_left }, false)
                }
                // What is not in the set goes right, so missing must go there.
                Bins::Levels { .. } => {
                    let set = bins.levels(|bin| has(left_bins, bin) != missing_left);
                    (Test::Levels(set), missing_left)
                }
            };
            let (left, right) =
                if swapped { (node.right, node.left) } else { (node.left, node.right) };
            Node {
                feature: ground.features[node.split.feature].expect("splits are by its features"),
                test,
                left,
                right,
                gain: node.split.gain,
                value,
                weight: rules.scale.hessian(node.leaf.total),
                count: node.rows as f64,
            }
        });
        Tree { nodes: nodes.collect(), leaves: leaves.collect() }
    }
}

struct Values {
    leaves: Vec<f64>,
    nodes: Vec<f64>,
}

/// Rows that are not learned from, by which the number of trees is chosen.
struct Watched<'a> {
    data: &'a Dataset<'a>,
    target: Vec<bool>,
    weight: Vec<f64>,
    margins: Vec<f64>,
    metric: Metric,
    patience: usize,
    best: f64,
    best_trees: usize,
}

impl<'a> Watched<'a> {
    fn new(data: &'a Dataset<'a>, start: f64, params: &Boosting) -> Watched<'a> {
        Watched {
            data,
            target: data.targets(),
            weight: data.weights(),
            margins: vec![start; data.rows.len()],
            metric: params.metric,
            patience: params.early_stopping_round,
            best: f64::NEG_INFINITY,
            best_trees: 0,
        }
    }

    fn add(&mut self, tree: &GrownTree, values: &[f64], table: &BinnedTable) {
        let rows = self.data.rows.par_iter();
        self.margins
            .par_iter_mut()
            .zip(rows)
            .for_each(|(margin, &row)| *margin += values[tree.leaf(table, row)]);
    }

    /// Whether the metric has not improved for too long; remembers when it was best.
    fn is_over(&mut self, trees: usize) -> bool {
        let probabilities: Vec<f64> = self.margins.iter().map(|&m| probability(m)).collect();
        let judged = Judged {
            probability: &probabilities,
            target: &self.target,
            weight: &self.weight,
            group: None,
        };
        let ranked = Ranked::new(&judged);
        let good = match self.metric {
            Metric::LogLoss => -ranked.log_loss(ranked.weights()),
            Metric::RocAuc => ranked.roc_auc(ranked.weights()),
            Metric::AveragePrecision => ranked.average_precision(ranked.weights()),
        };
        // Rows of one class have no AUC: then nothing tells when to stop.
        if good > self.best || good.is_nan() {
            (self.best, self.best_trees) = (good, trees);
        }
        self.patience > 0 && trees >= self.best_trees + self.patience
    }
}

fn ground<'a>(
    params: &'a Boosting,
    table: &'a BinnedTable,
    data: &Dataset<'a>,
) -> Result<Ground<'a>> {
    let place = |column: &usize| {
        table
            .columns
            .iter()
            .position(|c| c == column)
            .expect("the table has the dataset's features")
    };
    let places: Vec<usize> = data.features.iter().map(place).collect();
    let mut features = vec![None; table.columns.len()];
    places.iter().zip(0..).for_each(|(&place, feature)| features[place] = Some(feature));
    let name = |place: &usize| data.frame.schema().fields()[table.columns[*place]].name.as_str();
    let names: BTreeMap<&str, usize> = places.iter().map(|place| (name(place), *place)).collect();
    let weights = data.weights();
    Ok(Ground {
        table,
        params,
        rows: data.rows,
        weights: weights.iter().any(|w| *w != 1.0).then_some(weights),
        features,
        signs: signs(params, &names, table)?,
        groups: groups(params, &names, table.columns.len())?,
    })
}

fn feature(names: &BTreeMap<&str, usize>, name: &str) -> Result<usize> {
    names.get(name).copied().ok_or_else(|| Error::NoSuchColumn {
        column: name.to_owned(),
        nearest: nearest_name(name, names.keys().copied()),
    })
}

fn signs(params: &Boosting, names: &BTreeMap<&str, usize>, table: &BinnedTable) -> Result<Vec<i8>> {
    let mut signs = vec![0; table.columns.len()];
    for (name, &sign) in &params.monotone_constraints {
        let place = feature(names, name)?;
        if matches!(table.bins[place], Bins::Levels { .. }) {
            return Err(Error::BadParameter {
                parameter: "monotone_constraints",
                found: format!("on the categorical feature {name}"),
                expected: "numeric features: categories have no order",
            });
        }
        signs[place] = sign;
    }
    Ok(signs)
}

/// By feature, the sets it stands in. A feature in none gets one of its own.
fn groups(params: &Boosting, names: &BTreeMap<&str, usize>, count: usize) -> Result<Vec<Vec<u32>>> {
    if params.interaction_constraints.is_empty() {
        return Ok(Vec::new());
    }
    let mut groups = vec![Vec::new(); count];
    for (group, members) in params.interaction_constraints.iter().enumerate() {
        for name in members {
            groups[feature(names, name)?].push(group as u32);
        }
    }
    let first = params.interaction_constraints.len() as u32;
    let alone = groups.iter_mut().filter(|groups| groups.is_empty());
    alone.zip(first..).for_each(|(groups, own)| groups.push(own));
    Ok(groups)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A model, and the margins that its watched rows got in bins while it grew.
    pub fn margins_in_bins(
        params: &Boosting,
        table: &BinnedTable,
        data: &Dataset<'_>,
        watch: &Dataset<'_>,
    ) -> (FittedBoosting, Vec<f64>) {
        let ground = ground(params, table, data).unwrap();
        let fit = Fit::of_target(params, table, data);
        let mut watched = Watched::new(watch, fit.start, params);
        let model = fit.run(&ground, Some(&mut watched)).unwrap();
        (model, watched.margins)
    }
}
