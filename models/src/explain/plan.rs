//! What is known of a tree before any row is seen: its questions in a form that is quick to answer,
//! and the numbers a row is multiplied by. Sweeping rows over it is `sweep.rs`.
//!
//! # How contributions are found
//! Shapley weights of sets are Beta integrals (Owen 1972). Let every feature be known with
//! probability `t`, apart from the others. What a feature moves the tree's expected value by when
//! it becomes known is a polynomial of `t`, and its mean over `t` from 0 to 1 is the feature's
//! contribution. A Gauss rule gives it exactly (`quadrature.rs`). Given `t`, all is products and
//! means along the tree.
//!
//! Let a node send the share `r` of its training rows left, and let `o` be 1 for a row that goes
//! left and 0 for another. Where its feature was not asked above, the row goes left with
//! probability
//!
//! ```text
//! q = r (1 - t) + o t
//! ```
//!
//! If it was, let `z` be the product of the shares of all edges of that feature above. A row that
//! passed all those edges came through them with probability `f = z (1 - t) + t`; one that failed
//! any of them can only be here with the feature unknown:
//!
//! ```text
//! q = (r z (1 - t) + o t) / f    or    q = r
//! ```
//!
//! From the root down, `P` is the product of the probabilities `q` and `1 - q` on the way to a
//! node. From the leaves up, `G` is the value expected below a node: `G = q G_left + (1 - q)
//! G_right`. The node gives its feature, for rows that passed,
//!
//! ```text
//! (o - r)  integral of  P (G_left - G_right) z / f^2
//! ```
//!
//! with `z = f = 1` where it was not asked above, and nothing for rows that failed. That is how
//! fast the tree's expected value moves with the probability that this feature is known: the
//! derivative of `q`, `(o - r) z / f^2`, times what going left instead of right is worth.

use crate::classifiers::boosting::tree::{Child, Missing, Node, Test, Tree, ZERO};
use crate::explain::quadrature::{Rule, points_for};

/// Most points that are swept at once.
pub const MOST_WIDTH: usize = 8;

/// A tree made ready.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes, parents before children, at least one.
    pub steps: Vec<Step>,
    /// Points that are swept at once, 1 to [`MOST_WIDTH`].
    pub width: usize,
    /// Per group of `width` points: rows of `width` numbers. Row 0 holds the points' weights. From
    /// [`Step::curve`] on there are `z (1 - t) / f` and `t / f` and, for a feature that was asked
    /// above, `z / f^2`.
    pub groups: Vec<Vec<f64>>,
    /// The mean of the leaves, each weighted by its share of the training rows.
    pub expected: f64,
}

/// A node.
#[derive(Debug, Clone)]
pub struct Step {
    /// Place of the feature in a row.
    pub feature: usize,
    /// What is asked.
    pub question: Question,
    /// The share of the training rows that goes left, and the one that goes right.
    pub shares: [f64; 2],
    /// The nearest edge above that asks the same feature: a node, and 0 for its left edge, 1 for
    /// the right.
    pub above: Option<(usize, usize)>,
    /// First of the rows of a group that this node reads.
    pub curve: usize,
    /// For cells of which the test holds.
    pub left: Below,
    /// For the others.
    pub right: Below,
}

/// Below a node.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Below {
    /// Place among [`Plan::steps`].
    Step(usize),
    /// A leaf's value, in units of the margin.
    Leaf(f64),
}

/// A [`Test`] in a form that is answered for many rows at once.
#[derive(Debug, Clone)]
pub enum Question {
    /// Missing is NaN and every number no further from 0 than `band`; what is not missing goes left
    /// when `cell <= threshold`.
    Number {
        /// Never NaN.
        threshold: f64,
        /// Negative where no number is missing.
        band: f64,
        /// Whether missing cells go left.
        missing_left: bool,
    },
    /// A set of levels.
    Levels(Test),
}

impl Question {
    /// The same answers as the test's.
    fn new(test: &Test) -> Question {
        match test {
            Test::Levels(_) => Question::Levels(test.clone()),
            Test::Number { threshold, missing, missing_left } => {
                let (band, missing_left) = match missing {
                    Missing::Nan => (-1.0, *missing_left),
                    Missing::None => (-1.0, 0.0 <= *threshold),
                    Missing::Zero => (ZERO, *missing_left),
                };
                Question::Number { threshold: *threshold, band, missing_left }
            }
        }
    }

    /// Whether a cell goes left.
    pub fn holds(&self, cell: f64) -> bool {
        match self {
            Question::Levels(test) => test.holds(cell),
            Question::Number { threshold, band, missing_left } => {
                // What is compared with NaN is false: NaN is missing, and so is what is too near to
                // 0.
                if cell.abs() > *band { cell <= *threshold } else { *missing_left }
            }
        }
    }
}

impl Plan {
    /// A plan of a tree with one node or more; `scale` turns its leaves into units of the margin.
    pub fn new(tree: &Tree, scale: f64) -> Plan {
        let mut steps = steps(tree, scale);
        let passed = passed(&steps);
        let needed = points_for(features(&steps));
        let count = needed.div_ceil(MOST_WIDTH);
        let width = needed.div_ceil(count);
        // Filling the last group costs nothing, and a rule with more points is as exact.
        let rule = Rule::new(count * width);
        let points = rule.points.chunks_exact(width).zip(rule.weights.chunks_exact(width));
        let mut groups: Vec<Vec<f64>> = points
            .clone()
            .map(|(points, weights)| {
                let unknown = points.iter().map(|t| 1.0 - t);
                weights.iter().copied().chain(unknown).chain(points.iter().copied()).collect()
            })
            .collect();
        let mut rows = 3;
        for step in &mut steps {
            let Some((node, side)) = step.above else {
                step.curve = 1;
                continue;
            };
            step.curve = rows;
            rows += 3;
            let z = passed[node][side];
            for (group, (points, _)) in groups.iter_mut().zip(points.clone()) {
                let f = |t: f64| z * (1.0 - t) + t;
                group.extend(points.iter().map(|&t| z * (1.0 - t) / f(t)));
                group.extend(points.iter().map(|&t| t / f(t)));
                group.extend(points.iter().map(|&t| z / (f(t) * f(t))));
            }
        }
        let expected = expected(&steps);
        Plan { steps, width, groups, expected }
    }
}

/// The nodes, still without curves. Depends on parents standing before their children.
fn steps(tree: &Tree, scale: f64) -> Vec<Step> {
    let below = |child: Child| match child {
        Child::Node(node) => Below::Step(node as usize),
        Child::Leaf(leaf) => Below::Leaf(tree.leaves[leaf as usize].value * scale),
    };
    let mut parents: Vec<Option<(usize, usize)>> = vec![None; tree.nodes.len()];
    let mut steps = Vec::with_capacity(tree.nodes.len());
    for (place, node) in tree.nodes.iter().enumerate() {
        for (side, child) in [node.left, node.right].into_iter().enumerate() {
            if let Child::Node(child) = child {
                parents[child as usize] = Some((place, side));
            }
        }
        let mut above = parents[place];
        while let Some((node_above, _)) = above
            && tree.nodes[node_above].feature != node.feature
        {
            above = parents[node_above];
        }
        steps.push(Step {
            feature: node.feature as usize,
            question: Question::new(&node.test),
            shares: shares(tree, node),
            above,
            curve: 0,
            left: below(node.left),
            right: below(node.right),
        });
    }
    steps
}

/// The share of a node's training rows that goes left, and the one that goes right. They sum to 1,
/// whatever the file says of the node itself.
///
/// Counts of rows decide. Models that have passed through formats without counts have zeros: then
/// sums of hessians decide, and where those are zeros too, each side gets one half. It is settled
/// node by node, so that a part of a tree that no training row reached has shares as well.
fn shares(tree: &Tree, node: &Node) -> [f64; 2] {
    let cover = |child: Child| match child {
        Child::Node(node) => (tree.nodes[node as usize].count, tree.nodes[node as usize].weight),
        Child::Leaf(leaf) => (tree.leaves[leaf as usize].count, tree.leaves[leaf as usize].weight),
    };
    let share = |left: f64, right: f64| {
        let whole = left + right;
        (whole > 0.0 && whole.is_finite()).then(|| [left / whole, right / whole])
    };
    let (left, right) = (cover(node.left), cover(node.right));
    share(left.0, right.0).or_else(|| share(left.1, right.1)).unwrap_or([0.5, 0.5])
}

/// Most features that are asked on the way to a leaf.
fn features(steps: &[Step]) -> usize {
    let mut most = 0;
    let mut before = vec![0; steps.len()];
    for (place, step) in steps.iter().enumerate() {
        let features = before[place] + usize::from(step.above.is_none());
        most = most.max(features);
        for below in [step.left, step.right] {
            if let Below::Step(child) = below {
                before[child] = features;
            }
        }
    }
    most
}

/// Per node and side: the product of the shares of all edges of the same feature down to this one.
fn passed(steps: &[Step]) -> Vec<[f64; 2]> {
    let mut passed: Vec<[f64; 2]> = Vec::with_capacity(steps.len());
    for step in steps {
        let before = step.above.map_or(1.0, |(node, side)| passed[node][side]);
        passed.push(step.shares.map(|share| before * share));
    }
    passed
}

/// The mean of the leaves by shares.
fn expected(steps: &[Step]) -> f64 {
    let mut means = vec![0.0; steps.len()];
    for (place, step) in steps.iter().enumerate().rev() {
        let mean = |below| match below {
            Below::Step(child) => means[child],
            Below::Leaf(value) => value,
        };
        means[place] = step.shares[0] * mean(step.left) + step.shares[1] * mean(step.right);
    }
    means[0]
}
