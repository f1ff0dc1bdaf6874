//! What is known of a tree before any row is seen: per node its question, and for each of its
//! possible answers the numbers that a row multiplies. Sweeping rows over it is `sweep.rs`.
//!
//! Write `z` for the share of training rows that an edge's subtree has of its parent's, multiplied
//! over all edges of the same feature from the root down to it, and `o` for whether a row passes
//! all those edges (1 or 0). The Shapley weights of sets are Beta integrals, so what a leaf of value
//! `v` gives feature `i` is
//!
//! ```text
//! v (o_i - z_i)  integral over t from 0 to 1 of  product over j != i of (z_j + t (o_j - z_j))
//! ```
//!
//! a polynomial, which a Gauss rule integrates exactly (`quadrature.rs`). At one point `t` the
//! products of all leaves are had in two sweeps: from the root down the product `P` of the
//! factors `f = z + t (o - z)`, from the leaves up the sum `S` of `v P`. An edge gives
//! its feature `(o - z) / f * S`, minus the same of the edge of that feature next above, whose
//! place it takes for the leaves below. `f` of an edge, divided by `f` of that edge above, depends on
//! three cases only, so there are no divisions left to be done per row.

use crate::classifiers::boosting::tree::{Child, Missing, Node, Test, Tree, ZERO};
use crate::explain::quadrature::{Rule, points_for};

/// Most points that are swept at once.
pub const MOST_WIDTH: usize = 8;

/// A tree with its tables.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The nodes, parents before children, at least one.
    pub steps: Vec<Step>,
    /// Points that are swept at once, 1 to [`MOST_WIDTH`].
    pub width: usize,
    /// Per group of `width` points, the tables of all nodes.
    pub tables: Vec<Table>,
    /// The mean of the leaves, each weighted by its share of the training rows.
    pub expected: f64,
}

/// A group's rows of numbers, `width` in each; where a node's begin is [`Step::table`].
///
/// A node has, for each child that is a node, left first, the factor of the product on the way down
/// and the factor of the child's sum in the contribution; then, if a child is a leaf, what leaves add
/// to the sum and to the contribution, per unit of the product. Each of these is there once per
/// answer: a row goes left; right; or neither, where it failed an earlier question of the same feature.
pub type Table = Vec<f64>;

/// A node.
#[derive(Debug, Clone)]
pub struct Step {
    /// Place of the feature in a row.
    pub feature: usize,
    /// What is asked.
    pub question: Question,
    /// The nearest edge above that asks the same feature: a node, and whether its left one.
    pub above: Option<(usize, bool)>,
    /// For cells of which the test holds.
    pub left: Below,
    /// For the others.
    pub right: Below,
    /// First of this node's rows in a table.
    pub table: usize,
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
    /// Missing is NaN and every number no further from 0 than `band`; what is not
    /// missing goes left when `cell <= threshold`.
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

/// A row's answer to a node's question, as the tables are ordered.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Answer {
    Left,
    Right,
    Neither,
}

/// The share of training rows of each node's left and right child. A node's shares sum to 1,
/// whatever the file says of the node itself.
///
/// Counts of rows decide. Models that have passed through formats without counts have zeros: then
/// sums of hessians decide, and where those are zeros too, both sides get one half. It is settled
/// node by node, so that a part of a tree that no training row reached has shares as well.
fn shares(tree: &Tree) -> Vec<[f64; 2]> {
    let cover = |child: Child| match child {
        Child::Node(node) => (tree.nodes[node as usize].count, tree.nodes[node as usize].weight),
        Child::Leaf(leaf) => (tree.leaves[leaf as usize].count, tree.leaves[leaf as usize].weight),
    };
    let share = |left: f64, right: f64| {
        let whole = left + right;
        (whole > 0.0 && whole.is_finite()).then(|| [left / whole, right / whole])
    };
    let of_node = |node: &Node| {
        let (left, right) = (cover(node.left), cover(node.right));
        share(left.0, right.0).or_else(|| share(left.1, right.1)).unwrap_or([0.5, 0.5])
    };
    tree.nodes.iter().map(of_node).collect()
}

/// Per node: the nearest edge above of the same feature, and the number of features asked above it.
/// Depends on parents standing before their children.
fn edges_above(tree: &Tree) -> Vec<(Option<(usize, bool)>, usize)> {
    let mut parents: Vec<Option<(usize, bool)>> = vec![None; tree.nodes.len()];
    let mut found: Vec<(Option<(usize, bool)>, usize)> = Vec::with_capacity(tree.nodes.len());
    for (place, node) in tree.nodes.iter().enumerate() {
        for (child, left) in [(node.left, true), (node.right, false)] {
            if let Child::Node(child) = child {
                parents[child as usize] = Some((place, left));
            }
        }
        let mut at = parents[place];
        while let Some((above, _)) = at {
            if tree.nodes[above].feature == node.feature {
                break;
            }
            at = parents[above];
        }
        let features = parents[place]
            .map_or(0, |(parent, _)| found[parent].1 + usize::from(found[parent].0.is_none()));
        found.push((at, features));
    }
    found
}

impl Question {
    /// Whether a cell goes left.
    pub fn holds(&self, cell: f64) -> bool {
        match self {
            Question::Levels(test) => test.holds(cell),
            Question::Number { threshold, band, missing_left } => {
                // What is compared with NaN is false: NaN is missing, and so is what is too near to 0.
                if cell.abs() > *band { cell <= *threshold } else { *missing_left }
            }
        }
    }

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
}

impl Step {
    /// Answers that the node's tables tell apart.
    fn answers(&self) -> usize {
        if self.above.is_some() { 3 } else { 2 }
    }

    /// Children that are nodes.
    pub fn inner(&self) -> usize {
        [self.left, self.right].iter().filter(|b| matches!(b, Below::Step(_))).count()
    }

    /// Rows of numbers that the node has in a table.
    fn rows(&self) -> usize {
        self.answers() * 2 * (self.inner() + usize::from(self.inner() < 2))
    }
}

impl Plan {
    /// A plan of a tree with one node or more; `scale` turns its leaves into units of the margin.
    pub fn new(tree: &Tree, scale: f64) -> Plan {
        let shares = shares(tree);
        let above = edges_above(tree);
        let mut table = 0;
        let below = |child: Child| match child {
            Child::Node(node) => Below::Step(node as usize),
            Child::Leaf(leaf) => Below::Leaf(tree.leaves[leaf as usize].value * scale),
        };
        let step = |(node, (above, _)): (&Node, &_)| {
            let mut step = Step {
                feature: node.feature as usize,
                question: Question::new(&node.test),
                above: *above,
                left: below(node.left),
                right: below(node.right),
                table,
            };
            step.table = table;
            table += step.rows();
            step
        };
        let steps: Vec<Step> = tree.nodes.iter().zip(&above).map(step).collect();
        let features = above.iter().map(|(above, count)| count + usize::from(above.is_none()));
        let needed = points_for(features.max().unwrap_or(1));
        let groups = needed.div_ceil(MOST_WIDTH);
        let width = needed.div_ceil(groups);
        // Filling the last group costs nothing, and a rule with more points is as exact.
        let rule = Rule::new(groups * width);
        let passed = passed(&steps, &shares);
        let group = |group: usize| {
            let range = group * width..(group + 1) * width;
            let mut rows = Vec::with_capacity(table * width);
            for (place, step) in steps.iter().enumerate() {
                let before = step.above.map(|(node, left)| passed[node][usize::from(!left)]);
                let edges = Edges { before, shares: shares[place] };
                edges.tabulate(
                    step,
                    &rule.points[range.clone()],
                    &rule.weights[range.clone()],
                    &mut rows,
                );
            }
            rows
        };
        let tables = (0..groups).map(group).collect();
        let expected = expected(&steps, &shares);
        Plan { steps, width, tables, expected }
    }
}

/// Per node and side: the product of the shares of all edges of the same feature down to this one.
fn passed(steps: &[Step], shares: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let mut passed: Vec<[f64; 2]> = Vec::with_capacity(steps.len());
    for (step, shares) in steps.iter().zip(shares) {
        let before = step.above.map_or(1.0, |(node, left)| passed[node][usize::from(!left)]);
        passed.push(shares.map(|share| before * share));
    }
    passed
}

/// The mean of the leaves by shares.
fn expected(steps: &[Step], shares: &[[f64; 2]]) -> f64 {
    let mut means = vec![0.0; steps.len()];
    for (place, step) in steps.iter().enumerate().rev() {
        let mean = |below| match below {
            Below::Step(child) => means[child],
            Below::Leaf(value) => value,
        };
        means[place] = shares[place][0] * mean(step.left) + shares[place][1] * mean(step.right);
    }
    means[0]
}

/// The two edges below a node.
struct Edges {
    /// `z` of the edge above of the same feature, if there is one.
    before: Option<f64>,
    /// The shares of left and right.
    shares: [f64; 2],
}

impl Edges {
    /// For one edge, one answer and one point `t`: the factor of the product on the way down, and the
    /// factor of the edge's sum in the contribution.
    fn factors(&self, right: bool, answer: Answer, t: f64) -> (f64, f64) {
        let share = self.shares[usize::from(right)];
        // A feature that fails has (o - z) / f = -1 / (1 - t) whatever z: on failing twice nothing
        // changes but the product.
        if answer == Answer::Neither {
            return (share, 0.0);
        }
        let before = self.before.unwrap_or(1.0);
        let z = before * share;
        let above = if self.before.is_some() { (1.0 - before) / linear(before, t) } else { 0.0 };
        // Without an edge above, z is 1 and its factor is 1.
        if (answer == Answer::Right) == right {
            (linear(z, t) / linear(before, t), (1.0 - z) / linear(z, t) - above)
        } else {
            (z * (1.0 - t) / linear(before, t), -1.0 / (1.0 - t) - above)
        }
    }

    /// Appends a node's rows for some points and their weights.
    fn tabulate(&self, step: &Step, points: &[f64], weights: &[f64], rows: &mut Vec<f64>) {
        let answers = [Answer::Left, Answer::Right, Answer::Neither];
        let answers = &answers[..step.answers()];
        let sides = [(step.left, false), (step.right, true)];
        for (below, right) in sides {
            if matches!(below, Below::Step(_)) {
                for &answer in answers {
                    rows.extend(points.iter().map(|&t| self.factors(right, answer, t).0));
                }
                for &answer in answers {
                    let weighted = points.iter().zip(weights);
                    rows.extend(weighted.map(|(&t, w)| w * self.factors(right, answer, t).1));
                }
            }
        }
        if step.inner() == 2 {
            return;
        }
        let leaves = sides.map(|(below, right)| match below {
            Below::Leaf(value) => Some((value, right)),
            Below::Step(_) => None,
        });
        for &answer in answers {
            let sum = |t: f64| -> f64 {
                let of = |(v, right)| v * self.factors(right, answer, t).0;
                leaves.into_iter().flatten().map(of).sum()
            };
            rows.extend(points.iter().map(|&t| sum(t)));
        }
        for &answer in answers {
            let sum = |t: f64| -> f64 {
                let of = |(v, right)| {
                    let (product, contribution) = self.factors(right, answer, t);
                    v * (product * contribution)
                };
                leaves.into_iter().flatten().map(of).sum()
            };
            rows.extend(points.iter().zip(weights).map(|(&t, w)| w * sum(t)));
        }
    }
}

/// `z + t (1 - z)`: the factor of a feature that passes. Above 0 for `t` above 0.
fn linear(z: f64, t: f64) -> f64 {
    z + t * (1.0 - z)
}
