//! Random forest by smartcore: its regressor on 0 and 1, whose leaves hold shares of the target,
//! which are probabilities; its classifier only counts votes. What is kept is our own flat trees.

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use smartcore::ensemble::random_forest_regressor::{
    RandomForestRegressor, RandomForestRegressorParameters,
};
use smartcore::linalg::basic::matrix::DenseMatrix;

use crate::classifiers::{Classifier, Fitted, check_classes, relative_weights};
use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::frame::{Rows, UNKNOWN_LEVEL};
use crate::seed::mix2;

/// The word for it on the command line and in reports.
pub const NAME: &str = "forest";

/// Trees fitted by one call of smartcore: they share one sorting of the columns.
const TREES_A_TASK: usize = 10;
/// Most cells that one task learns from; with more, it learns from a sample of the rows.
const CELLS_A_TASK: usize = 12_000_000;
/// Folds of the target rates that stand for levels while fitting.
const FOLDS: usize = 5;
/// Weight of the base rate in a level's target rate, in rows.
const SMOOTHING: f64 = 20.0;
/// Leaf shares are kept this far from 0 and 1, so that margins are finite.
const LEAST_SHARE: f64 = 1e-4;

/// Parameters of the fit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forest {
    /// Number of trees, 1 to 10,000.
    pub trees: usize,
    /// Fewest rows of a tree's sample in a leaf, at least 1.
    pub min_samples_leaf: usize,
    /// Deepest leaf, 1 to 60.
    pub max_depth: u16,
    /// Seed of the bootstrap samples and of the features tried at each split.
    pub seed: u64,
}

impl Default for Forest {
    fn default() -> Forest {
        Forest { trees: 200, min_samples_leaf: 5, max_depth: 30, seed: 0 }
    }
}

impl Forest {
    /// # Errors
    /// When a parameter is out of its range.
    pub fn validate(&self) -> Result<()> {
        let check = |fits: bool, parameter, found: usize, expected| match fits {
            true => Ok(()),
            false => Err(Error::BadParameter { parameter, found: found.to_string(), expected }),
        };
        let depth = usize::from(self.max_depth);
        check((1..=10_000).contains(&self.trees), "trees", self.trees, "1 to 10,000")?;
        check((1..=60).contains(&depth), "max_depth", depth, "1 to 60")?;
        check(self.min_samples_leaf > 0, "min_samples_leaf", 0, "at least 1")
    }
}

impl Classifier for Forest {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Rows are drawn into each tree's bootstrap sample in proportion to their weight.
    fn fit(&self, data: &Dataset<'_>) -> Result<Fitted> {
        self.validate()?;
        check_classes(data)?;
        let weights = relative_weights(data);
        let targets = data.targets();
        let codings: Vec<Coding> = (0..data.features.len())
            .into_par_iter()
            .map(|feature| Coding::fit(data, feature, &targets, &weights))
            .collect();
        let columns: Vec<Vec<f64>> = (0..data.features.len())
            .into_par_iter()
            .map(|feature| codings[feature].training_column(data, feature, &targets, &weights))
            .collect();
        let tasks: Vec<(usize, usize)> = (0..self.trees)
            .step_by(TREES_A_TASK)
            .map(|first| (first, TREES_A_TASK.min(self.trees - first)))
            .collect();
        let grown: Vec<Vec<Tree>> = tasks
            .into_par_iter()
            .map(|(first, trees)| self.grow(&columns, &targets, &weights, first, trees))
            .collect::<Result<_>>()?;
        let trees = grown.into_iter().flatten().collect();
        Ok(Fitted::Forest(FittedForest { codings, trees }))
    }
}

impl Forest {
    /// Some of the trees. The seed depends on which they are, not on the thread they grow on.
    fn grow(
        &self,
        columns: &[Vec<f64>],
        targets: &[bool],
        weights: &[f64],
        first: usize,
        trees: usize,
    ) -> Result<Vec<Tree>> {
        let seed = mix2(self.seed, first as u64);
        let rows = sample(targets.len(), (CELLS_A_TASK / columns.len()).max(1_000), seed);
        let failed = |reason: String| Error::Fit { classifier: NAME, reason };
        let cells = columns.iter().flat_map(|column| rows.iter().map(|&row| column[row])).collect();
        let matrix = DenseMatrix::new(rows.len(), columns.len(), cells, true)
            .map_err(|e| failed(e.to_string()))?;
        let target: Vec<f64> = rows.iter().map(|&r| f64::from(u8::from(targets[r]))).collect();
        let weight: Vec<f64> = rows.iter().map(|&r| weights[r]).collect();
        let parameters = RandomForestRegressorParameters {
            max_depth: Some(self.max_depth),
            min_samples_leaf: self.min_samples_leaf,
            min_samples_split: 2 * self.min_samples_leaf,
            n_trees: trees,
            m: Some(features_a_split(columns.len())),
            keep_samples: false,
            seed,
        };
        let equal = weight.iter().all(|w| *w == weight[0]);
        let forest = match equal {
            true => RandomForestRegressor::fit(&matrix, &target, parameters),
            false => RandomForestRegressor::fit_with_weights(&matrix, &target, &weight, parameters),
        }
        .map_err(|e| failed(e.to_string()))?;
        read_out(&forest).map_err(failed)
    }
}

/// Features tried at each split: more than the usual root, as most behavioural features say little.
fn features_a_split(features: usize) -> usize {
    ((features as f64).sqrt() * 1.5).ceil().min(features as f64) as usize
}

/// `most` of the rows drawn without replacement, in order; all of them where there are no more.
fn sample(rows: usize, most: usize, seed: u64) -> Vec<usize> {
    if rows <= most {
        return (0..rows).collect();
    }
    let mut drawn: Vec<usize> = (0..rows).collect();
    drawn.sort_unstable_by_key(|&row| mix2(seed, row as u64));
    drawn.truncate(most);
    drawn.sort_unstable();
    drawn
}

/// How the cells of one feature become numbers that trees can split.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Coding {
    /// A number is itself, within the finite training range; a missing one lies below all others.
    Number { low: f64, high: f64, missing: f64 },
    /// A level is its target rate, drawn towards the base rate where rows are few. While fitting,
    /// a row's level has the rate of the other folds' rows: no row sees its own target.
    Rates { levels: Vec<f64>, unknown: f64, missing: f64 },
}

impl Coding {
    fn fit(data: &Dataset<'_>, feature: usize, targets: &[bool], weights: &[f64]) -> Coding {
        let cells = data.cells(feature);
        match data.levels(feature) {
            Some(levels) => {
                let rates = Rates::count(&cells, targets, weights, levels, |_| true);
                Coding::Rates {
                    levels: (0..levels).map(|level| rates.of(level)).collect(),
                    unknown: rates.base,
                    missing: rates.of(levels),
                }
            }
            None => {
                let finite = cells.iter().copied().filter(|x| x.is_finite());
                let (low, high) = finite
                    .fold((f64::INFINITY, f64::NEG_INFINITY), |(l, h), x| (l.min(x), h.max(x)));
                let (low, high) = if low > high { (0.0, 0.0) } else { (low, high) };
                // Far enough below that the middle between it and `low` is a number between them.
                let missing = low - (high - low).max(low.abs()).max(1.0);
                Coding::Number { low, high, missing: missing.max(f64::MIN / 4.0) }
            }
        }
    }

    /// The number for a cell.
    pub fn code(&self, cell: f64) -> f64 {
        match self {
            Coding::Number { missing, .. } | Coding::Rates { missing, .. } if cell.is_nan() => {
                *missing
            }
            Coding::Number { low, high, .. } => cell.clamp(*low, *high),
            Coding::Rates { unknown, .. } if cell == UNKNOWN_LEVEL => *unknown,
            Coding::Rates { levels, .. } => levels[cell as usize],
        }
    }

    fn training_column(
        &self,
        data: &Dataset<'_>,
        feature: usize,
        targets: &[bool],
        weights: &[f64],
    ) -> Vec<f64> {
        let cells = data.cells(feature);
        let Coding::Rates { levels, .. } = self else {
            return cells.into_iter().map(|cell| self.code(cell)).collect();
        };
        let fold_of = |row: usize| mix2(0, row as u64) as usize % FOLDS;
        let folds: Vec<Rates> = (0..FOLDS)
            .map(|fold| {
                Rates::count(&cells, targets, weights, levels.len(), |row| fold_of(row) != fold)
            })
            .collect();
        let code = |(row, cell): (usize, &f64)| {
            let rates = &folds[fold_of(row)];
            match cell.is_nan() {
                true => rates.of(levels.len()),
                false if *cell == UNKNOWN_LEVEL => rates.base,
                false => rates.of(*cell as usize),
            }
        };
        cells.iter().enumerate().map(code).collect()
    }
}

/// Target rates of a feature's levels; the place after the last level is missing.
struct Rates {
    positive: Vec<f64>,
    all: Vec<f64>,
    base: f64,
}

impl Rates {
    fn count(
        cells: &[f64],
        targets: &[bool],
        weights: &[f64],
        levels: usize,
        counts: impl Fn(usize) -> bool,
    ) -> Rates {
        let (mut positive, mut all) = (vec![0.0; levels + 1], vec![0.0; levels + 1]);
        let (mut positives, mut total) = (0.0, 0.0);
        for row in (0..cells.len()).filter(|&row| counts(row)) {
            let weight = weights[row];
            let hit = if targets[row] { weight } else { 0.0 };
            positives += hit;
            total += weight;
            if cells[row] != UNKNOWN_LEVEL {
                let place = if cells[row].is_nan() { levels } else { cells[row] as usize };
                positive[place] += hit;
                all[place] += weight;
            }
        }
        let base = if total > 0.0 { positives / total } else { 0.0 };
        Rates { positive, all, base }
    }

    fn of(&self, place: usize) -> f64 {
        (self.positive[place] + SMOOTHING * self.base) / (self.all[place] + SMOOTHING)
    }
}

/// A fitted forest.
#[derive(Debug, Clone, PartialEq)]
pub struct FittedForest {
    pub(crate) codings: Vec<Coding>,
    pub(crate) trees: Vec<Tree>,
}

/// A tree as its nodes, the root first.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Tree {
    pub nodes: Vec<TreeNode>,
}

/// A node: a split has two children, a leaf has none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct TreeNode {
    /// A split's threshold, a leaf's share of the target.
    pub value: f64,
    /// The feature that a split looks at.
    pub feature: u32,
    /// The child of rows at or below the threshold; 0 in a leaf. Children come after their parent.
    pub left: u32,
    /// The child of the other rows; 0 in a leaf.
    pub right: u32,
}

impl FittedForest {
    /// How many trees, and how many leaves of all.
    pub(super) fn trees_and_leaves(&self) -> (usize, usize) {
        let leaves = |tree: &Tree| tree.nodes.iter().filter(|node| node.left == 0).count();
        (self.trees.len(), self.trees.iter().map(leaves).sum())
    }

    /// The margins of rows: the log odds of the mean share of the leaves they fall into.
    pub fn margins(&self, rows: &Rows) -> Vec<f64> {
        let mut codes = vec![0.0; rows.width()];
        let mut margin = |row: &[f64]| {
            for ((code, coding), &cell) in codes.iter_mut().zip(&self.codings).zip(row) {
                *code = coding.code(cell);
            }
            let sum: f64 = self.trees.iter().map(|tree| tree.share(&codes)).sum();
            let share = (sum / self.trees.len() as f64).clamp(LEAST_SHARE, 1.0 - LEAST_SHARE);
            (share / (1.0 - share)).ln()
        };
        rows.iter().map(&mut margin).collect()
    }
}

impl Tree {
    fn share(&self, codes: &[f64]) -> f64 {
        let mut node = &self.nodes[0];
        while node.left != 0 {
            let below = codes[node.feature as usize] <= node.value;
            node = &self.nodes[if below { node.left } else { node.right } as usize];
        }
        node.value
    }

    /// Whether walking it ends in a leaf with a share, whatever the row: children lie after their
    /// parent and within the tree.
    pub(crate) fn is_sound(&self, features: usize) -> bool {
        let count = self.nodes.len();
        let sound = |(place, node): (usize, &TreeNode)| match (node.left, node.right) {
            (0, 0) => (0.0..=1.0).contains(&node.value),
            (left, right) => {
                let inside = |child: u32| (child as usize) > place && (child as usize) < count;
                inside(left)
                    && inside(right)
                    && (node.feature as usize) < features
                    && node.value.is_finite()
            }
        };
        count > 0 && self.nodes.iter().enumerate().all(sound)
    }
}

/// smartcore's forest as it serialises itself; its trees cannot be seen in another way.
#[derive(Deserialize)]
struct Serialised {
    forest_regressor: SerialisedForest,
}

#[derive(Deserialize)]
struct SerialisedForest {
    trees: Vec<SerialisedTree>,
}

#[derive(Deserialize)]
struct SerialisedTree {
    nodes: Vec<SerialisedNode>,
}

#[derive(Deserialize)]
struct SerialisedNode {
    output: f64,
    split_feature: usize,
    split_value: Option<f64>,
    true_child: Option<usize>,
    false_child: Option<usize>,
}

type Smartcore = RandomForestRegressor<f64, f64, DenseMatrix<f64>, Vec<f64>>;

fn read_out(forest: &Smartcore) -> std::result::Result<Vec<Tree>, String> {
    let value = serde_json::to_value(forest).map_err(|e| e.to_string())?;
    let read: Serialised = serde_json::from_value(value).map_err(|e| e.to_string())?;
    read.forest_regressor.trees.iter().map(flat_tree).collect()
}

/// A tree in our order: a parent before its children, only the nodes that can be reached.
fn flat_tree(tree: &SerialisedTree) -> std::result::Result<Tree, String> {
    let mut nodes = vec![TreeNode { value: 0.0, feature: 0, left: 0, right: 0 }];
    let mut open = vec![(0_usize, 0_usize)];
    while let Some((from, to)) = open.pop() {
        let node = tree.nodes.get(from).ok_or("smartcore's tree has no such node")?;
        nodes[to].value = node.output.clamp(0.0, 1.0);
        if let (Some(left), Some(right), Some(threshold)) =
            (node.true_child, node.false_child, node.split_value)
        {
            let place = nodes.len() as u32;
            nodes[to] = TreeNode {
                value: threshold,
                feature: node.split_feature as u32,
                left: place,
                right: place + 1,
            };
            nodes.extend([TreeNode { value: 0.0, feature: 0, left: 0, right: 0 }; 2]);
            open.push((left, place as usize));
            open.push((right, place as usize + 1));
        }
    }
    Ok(Tree { nodes })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seed::unit;

    #[test]
    fn flat_trees_predict_what_smartcore_predicts() {
        let cell = |row: usize, column: usize| {
            let x = unit(mix2(column as u64, row as u64));
            // Ties and repeated values put cells exactly on thresholds.
            if column == 0 { (x * 6.0).floor() } else { x }
        };
        let cells = (0..4).flat_map(|column| (0..400).map(move |row| cell(row, column))).collect();
        let matrix = DenseMatrix::new(400, 4, cells, true).unwrap();
        let target: Vec<f64> = (0..400)
            .map(|row| f64::from(u8::from(cell(row, 0) + 4.0 * cell(row, 1) > 4.5)))
            .collect();
        for (max_depth, min_samples_leaf) in [(1, 1), (4, 5), (30, 1)] {
            let parameters = RandomForestRegressorParameters {
                max_depth: Some(max_depth),
                min_samples_leaf,
                min_samples_split: 2 * min_samples_leaf,
                n_trees: 9,
                m: Some(2),
                keep_samples: false,
                seed: 5,
            };
            let forest = RandomForestRegressor::fit(&matrix, &target, parameters).unwrap();
            let trees = read_out(&forest).unwrap();
            assert!(trees.iter().all(|tree| tree.is_sound(4)));
            for (row, expected) in forest.predict(&matrix).unwrap().into_iter().enumerate() {
                let codes: Vec<f64> = (0..4).map(|column| cell(row, column)).collect();
                let found = trees.iter().map(|tree| tree.share(&codes)).sum::<f64>() / 9.0;
                assert_eq!(found.to_bits(), expected.to_bits(), "row {row}, depth {max_depth}");
            }
        }
    }
}
