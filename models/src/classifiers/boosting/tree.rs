//! One regression tree, as it is kept, explained and exchanged. Neither growing nor fast scoring
//! is here: `grower.rs` makes trees, `engine.rs` lays them out for speed.

use crate::frame::UNKNOWN_LEVEL;

/// Numbers this near to zero are zero for [`Missing::Zero`], as LightGBM has it.
pub const ZERO: f64 = 1e-35_f32 as f64;

/// Most features that a tree may look at.
pub const MAX_FEATURES: usize = 1 << 24;

/// Most leaves of all trees of a model: places of their nodes fit 32 bits with room to spare.
pub const MAX_LEAVES: usize = 1 << 29;

/// A binary tree: split nodes and leaves apart. `nodes[0]` is the root; without nodes the only
/// leaf is the tree. A node's parent stands before it, so that walks end.
#[derive(Debug, Clone, PartialEq)]
pub struct Tree {
    /// Split nodes.
    pub nodes: Vec<Node>,
    /// Leaves: one more than there are nodes.
    pub leaves: Vec<Leaf>,
}

/// A question that sends a row left or right.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Place of the feature in the model's rows.
    pub feature: u32,
    /// The question.
    pub test: Test,
    /// Where a row goes for which the test holds.
    pub left: Child,
    /// Where the others go.
    pub right: Child,
    /// What the split gained when it was found, at least 0 for trees of our own.
    pub gain: f64,
    /// The margin this node would add were it a leaf.
    pub value: f64,
    /// Sum of the hessians of the training rows that came here, at least 0.
    pub weight: f64,
    /// Training rows that came here, at least 0.
    pub count: f64,
}

/// What a row ends in.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Leaf {
    /// The margin it adds; finite.
    pub value: f64,
    /// As [`Node::weight`].
    pub weight: f64,
    /// As [`Node::count`].
    pub count: f64,
}

/// Below a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Child {
    /// Place among [`Tree::nodes`].
    Node(u32),
    /// Place among [`Tree::leaves`].
    Leaf(u32),
}

/// A node's question about one cell.
#[derive(Debug, Clone, PartialEq)]
pub enum Test {
    /// `cell <= threshold`, with a side for what counts as missing.
    Number {
        /// Finite or infinite, never NaN. Equal cells go left.
        threshold: f64,
        /// Which cells are missing.
        missing: Missing,
        /// Whether missing cells go left.
        missing_left: bool,
    },
    /// Whether the cell, cut to an integer, is in a set of places of levels. Missing, negative
    /// (so [`UNKNOWN_LEVEL`]) and all other cells go right.
    Levels(LevelSet),
}

/// Which cells of a number are missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// None: NaN counts as 0.
    None,
    /// Zero (within [`ZERO`]) and NaN.
    Zero,
    /// NaN. What trees of our own use.
    Nan,
}

/// A set of small whole numbers: bit `i % 32` of word `i / 32`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LevelSet {
    /// The bits; without trailing empty words in trees of our own.
    pub words: Vec<u32>,
}

impl LevelSet {
    /// The set of some numbers.
    pub fn new(levels: impl IntoIterator<Item = u32>) -> LevelSet {
        let mut words = Vec::new();
        for level in levels {
            let word = level as usize / 32;
            if words.len() <= word {
                words.resize(word + 1, 0);
            }
            words[word] |= 1 << (level % 32);
        }
        LevelSet { words }
    }

    /// Whether a cell, cut to an integer, is in the set: never for NaN and negative cells.
    pub fn contains(&self, cell: f64) -> bool {
        // A cast of a float saturates: what is too large lies beyond every set.
        let level = cell as u32 as usize;
        cell > UNKNOWN_LEVEL
            && self.words.get(level / 32).is_some_and(|w| w >> (level % 32) & 1 == 1)
    }

    /// The numbers in the set, rising.
    pub fn iter(&self) -> impl Iterator<Item = u32> {
        let bits = |(word, &bits): (usize, &u32)| {
            let bit = move |b: &u32| bits >> b & 1 == 1;
            (0..32).filter(bit).map(move |b| word as u32 * 32 + b)
        };
        self.words.iter().enumerate().flat_map(bits)
    }
}

impl Test {
    /// Whether a cell goes left.
    pub fn holds(&self, cell: f64) -> bool {
        match self {
            Test::Levels(levels) => levels.contains(cell),
            Test::Number { threshold, missing, missing_left } => match missing {
                Missing::Nan if cell.is_nan() => *missing_left,
                Missing::Nan => cell <= *threshold,
                Missing::None if cell.is_nan() => 0.0 <= *threshold,
                Missing::None => cell <= *threshold,
                Missing::Zero if cell.is_nan() || cell.abs() <= ZERO => *missing_left,
                Missing::Zero => cell <= *threshold,
            },
        }
    }
}

impl Tree {
    /// A tree that adds the same margin for every row.
    pub fn constant(value: f64) -> Tree {
        Tree { nodes: Vec::new(), leaves: vec![Leaf { value, weight: 0.0, count: 0.0 }] }
    }

    /// The root: a node, or the only leaf.
    pub fn root(&self) -> Child {
        if self.nodes.is_empty() { Child::Leaf(0) } else { Child::Node(0) }
    }

    /// The place of the leaf that a row ends in, one step after the other.
    pub fn leaf(&self, row: &[f64]) -> usize {
        let mut at = self.root();
        loop {
            match at {
                Child::Leaf(leaf) => return leaf as usize,
                Child::Node(node) => {
                    let node = &self.nodes[node as usize];
                    at = if node.test.holds(row[node.feature as usize]) {
                        node.left
                    } else {
                        node.right
                    };
                }
            }
        }
    }

    /// Questions from the root to the deepest leaf.
    pub fn depth(&self) -> usize {
        let mut depth = vec![0; self.nodes.len()];
        let mut deepest = 0;
        for (place, node) in self.nodes.iter().enumerate() {
            deepest = deepest.max(depth[place] + 1);
            for child in [node.left, node.right] {
                if let Child::Node(child) = child {
                    depth[child as usize] = depth[place] + 1;
                }
            }
        }
        deepest
    }

    /// Whether every walk ends at a leaf and every number is one: what a tree from outside must be
    /// before it is used. `features` is the width of the model's rows.
    pub fn is_sound(&self, features: usize) -> bool {
        let numbers = |value: f64, weight: f64, count: f64| {
            let amount = |x: f64| x.is_finite() && x >= 0.0;
            value.is_finite() && amount(weight) && amount(count)
        };
        let mut seen_nodes = vec![false; self.nodes.len()];
        let mut seen_leaves = vec![false; self.leaves.len()];
        if self.leaves.len() != self.nodes.len() + 1 {
            return false;
        }
        match self.root() {
            Child::Node(_) => seen_nodes[0] = true,
            Child::Leaf(_) => seen_leaves[0] = true,
        }
        for (place, node) in self.nodes.iter().enumerate() {
            let threshold = match &node.test {
                Test::Number { threshold, .. } => !threshold.is_nan(),
                Test::Levels(_) => true,
            };
            let sound = threshold
                && (node.feature as usize) < features
                && !node.gain.is_nan()
                && numbers(node.value, node.weight, node.count);
            if !sound {
                return false;
            }
            for child in [node.left, node.right] {
                let seen = match child {
                    Child::Node(child) if child as usize <= place => return false,
                    Child::Node(child) => seen_nodes.get_mut(child as usize),
                    Child::Leaf(child) => seen_leaves.get_mut(child as usize),
                };
                match seen {
                    Some(seen) if !*seen => *seen = true,
                    _ => return false,
                }
            }
        }
        seen_nodes.into_iter().chain(seen_leaves).all(|seen| seen)
            && self.leaves.iter().all(|leaf| numbers(leaf.value, leaf.weight, leaf.count))
    }
}
