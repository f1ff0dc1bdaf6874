//! Trees as ONNX has them: each node compares one cell with one number. A question that needs
//! several comparisons becomes several nodes. Nothing here knows of protobuf.
//!
//! Two nodes may lead to one where the answer is yes; where it is no, each node has a successor of
//! its own. onnxruntime asks for that.

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{Child, Missing, Node, Test, Tree, ZERO};

/// A node, or a leaf.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Branch {
    pub tree: i64,
    pub id: i64,
    pub feature: i64,
    pub mode: Mode,
    /// What the cell is compared with, or what the leaf adds.
    pub value: f64,
    /// The node where the comparison holds.
    pub yes: i64,
    pub no: i64,
    /// Whether the comparison holds for NaN.
    pub missing_yes: bool,
}

/// How a cell is compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mode {
    AtMost,
    Equal,
    Leaf,
}

impl Branch {
    /// What the cell is compared with; 0 for a leaf.
    pub fn threshold(&self) -> f64 {
        if self.mode == Mode::Leaf { 0.0 } else { self.value }
    }
}

/// A comparison of a node's question and where its answers lead.
struct Step {
    mode: Mode,
    value: f64,
    missing_yes: bool,
    yes: To,
    no: To,
}

#[derive(Clone, Copy)]
enum To {
    Left,
    Right,
    /// The comparison behind this one.
    Next,
}

/// The nodes of all trees; leaves are scaled by `factor`, and `constant` is added to the sum.
pub(super) fn branches(model: &FittedBoosting, factor: f64, constant: f64) -> Vec<Branch> {
    // Trees without a split join the constant, and that joins the leaves of the first tree: base
    // values and trees of one leaf are where runtimes differ.
    let (split, flat): (Vec<&Tree>, Vec<&Tree>) =
        model.trees().iter().partition(|tree| !tree.nodes.is_empty());
    let constant = constant + flat.iter().map(|t| factor * t.leaves[0].value).sum::<f64>();
    if split.is_empty() {
        let leaf = |id| Branch { id, ..leaf_of(0, constant) };
        let root = Branch { mode: Mode::AtMost, yes: 1, no: 2, ..leaf(0) };
        return vec![Branch { value: 0.0, ..root }, leaf(1), leaf(2)];
    }
    let mut branches = Vec::new();
    for (place, tree) in split.into_iter().enumerate() {
        let added = if place == 0 { constant } else { 0.0 };
        let value = |leaf: f64| factor * leaf + added;
        push_tree(&mut branches, place as i64, tree, value);
    }
    branches
}

fn leaf_of(tree: i64, value: f64) -> Branch {
    Branch { tree, id: 0, feature: 0, mode: Mode::Leaf, value, yes: 0, no: 0, missing_yes: false }
}

fn push_tree(branches: &mut Vec<Branch>, number: i64, tree: &Tree, value: impl Fn(f64) -> f64) {
    let questions: Vec<Vec<Step>> = tree.nodes.iter().map(|node| steps(&node.test)).collect();
    let mut starts = Vec::with_capacity(questions.len());
    let mut next = 0;
    for steps in &questions {
        starts.push(next);
        next += steps.len() as i64;
    }
    let id = |child: Child| match child {
        Child::Node(node) => starts[node as usize],
        Child::Leaf(leaf) => next + i64::from(leaf),
    };
    for ((node, steps), start) in tree.nodes.iter().zip(questions).zip(&starts) {
        push_question(branches, number, node, steps, *start, (id(node.left), id(node.right)));
    }
    for (place, leaf) in tree.leaves.iter().enumerate() {
        branches.push(Branch { id: next + place as i64, ..leaf_of(number, value(leaf.value)) });
    }
}

fn push_question(
    branches: &mut Vec<Branch>,
    tree: i64,
    node: &Node,
    steps: Vec<Step>,
    start: i64,
    (left, right): (i64, i64),
) {
    for (place, step) in steps.into_iter().enumerate() {
        let id = start + place as i64;
        let to = |to: To| match to {
            To::Left => left,
            To::Right => right,
            To::Next => id + 1,
        };
        branches.push(Branch {
            tree,
            id,
            feature: i64::from(node.feature),
            mode: step.mode,
            value: step.value,
            yes: to(step.yes),
            no: to(step.no),
            missing_yes: step.missing_yes,
        });
    }
}

/// A question as comparisons.
fn steps(test: &Test) -> Vec<Step> {
    let at_most = |value: f64, missing_yes: bool, yes: To, no: To| Step {
        mode: Mode::AtMost,
        value,
        missing_yes,
        yes,
        no,
    };
    match test {
        Test::Levels(set) => {
            let mut steps: Vec<Step> = set
                .iter()
                .map(|level| Step {
                    mode: Mode::Equal,
                    value: f64::from(level),
                    missing_yes: false,
                    yes: To::Left,
                    no: To::Next,
                })
                .collect();
            match steps.last_mut() {
                Some(last) => last.no = To::Right,
                // No cell equals NaN.
                None => steps.push(Step {
                    mode: Mode::Equal,
                    value: f64::NAN,
                    missing_yes: false,
                    yes: To::Left,
                    no: To::Right,
                }),
            }
            steps
        }
        Test::Number { threshold, missing: Missing::Nan, missing_left } => {
            vec![at_most(*threshold, *missing_left, To::Left, To::Right)]
        }
        Test::Number { threshold, missing: Missing::None, .. } => {
            vec![at_most(*threshold, 0.0 <= *threshold, To::Left, To::Right)]
        }
        Test::Number { threshold, missing: Missing::Zero, missing_left } => {
            // The largest number below those that count as zero.
            let below = (-ZERO).next_down();
            let within = (-ZERO..=ZERO).contains(threshold);
            match (within, *missing_left) {
                (true, true) => vec![at_most(ZERO, true, To::Left, To::Right)],
                (true, false) => vec![at_most(below, false, To::Left, To::Right)],
                (false, left) if left == (*threshold > ZERO) => {
                    vec![at_most(*threshold, left, To::Left, To::Right)]
                }
                // Zero goes left, what lies between the threshold and zero right.
                (false, true) => vec![
                    at_most(*threshold, true, To::Left, To::Next),
                    at_most(below, false, To::Right, To::Next),
                    at_most(ZERO, false, To::Left, To::Right),
                ],
                // Zero goes right, what lies between zero and the threshold left.
                (false, false) => vec![
                    at_most(below, false, To::Left, To::Next),
                    at_most(ZERO, true, To::Right, To::Next),
                    at_most(*threshold, false, To::Left, To::Right),
                ],
            }
        }
    }
}
