//! The attributes of a tree ensemble's node into trees. Each length and index is checked before it is used; walks are
//! bounded, so that a circle ends.

use std::collections::{BTreeMap, HashMap};

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{Child, Leaf, LevelSet, Missing, Node, Test, Tree};
use crate::exchange::onnx::Scale;
use crate::exchange::onnx::leaves::Leaves;
use crate::exchange::onnx::messages::NodeProto;

/// What was read, or what is wrong with it.
pub(super) type Said<T> = std::result::Result<T, String>;

/// Levels that a node may ask for lie below this: sets of levels hold a bit for each.
const MAX_LEVEL: f64 = 65_536.0;
/// A node that several lead to becomes a node for each: so many times as many nodes as the file has, at most.
const COPIES: usize = 8;
/// Words of a set of levels that cost as much as a node.
const WORDS: usize = 64;

/// The nodes of a file, column by column.
struct Table<'a> {
    tree: &'a [i64],
    id: &'a [i64],
    feature: &'a [i64],
    mode: Vec<Mode>,
    value: Vec<f64>,
    yes: &'a [i64],
    no: &'a [i64],
    missing: &'a [i64],
    /// Where a node stands, by tree and id.
    place: HashMap<(i64, i64), usize>,
    features: usize,
    floats: bool,
    leaf: HashMap<(i64, i64), f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    AtMost,
    Below,
    AtLeast,
    Above,
    Equal,
    NotEqual,
    Leaf,
}

/// The trees of a node for rows of `features` cells; `floats`: cells are rounded to floats; `sigmoid`: a sigmoid follows.
pub(super) fn ensemble(
    node: &NodeProto,
    features: usize,
    floats: bool,
    sigmoid: bool,
) -> Said<(FittedBoosting, Scale)> {
    let leaves = Leaves::of(node, sigmoid)?;
    let table = Table::of(node, features, floats, leaves.value)?;
    let mut trees = Vec::new();
    let mut budget = table.tree.len().saturating_mul(COPIES);
    for root in table.roots() {
        trees.push(table.grown(root, &mut budget)?);
    }
    if trees.is_empty() {
        return Err("its ensemble has no nodes".to_owned());
    }
    if leaves.average {
        let share = trees.len() as f64;
        trees.iter_mut().flat_map(|tree| &mut tree.leaves).for_each(|leaf| leaf.value /= share);
    }
    if leaves.base != 0.0 {
        trees.push(Tree::constant(leaves.base));
    }
    let model = FittedBoosting::new(features, trees, false, 1.0)
        .ok_or("its numbers cannot make a model: some are not finite, or nodes lead nowhere")?;
    Ok((model, leaves.scale))
}

impl<'a> Table<'a> {
    fn of(
        node: &'a NodeProto,
        features: usize,
        floats: bool,
        leaf: HashMap<(i64, i64), f64>,
    ) -> Said<Table<'a>> {
        let ints = |name: &str| node.ints(name);
        let (tree, id) = (ints("nodes_treeids"), ints("nodes_nodeids"));
        let nodes = tree.len();
        let same = |name: &str, found: usize| match found == nodes {
            true => Ok(()),
            false => {
                Err(format!("{name}: found {found} elements, expected {nodes}, one for each node"))
            }
        };
        let mode = node
            .strings("nodes_modes")
            .iter()
            .map(|mode| mode_of(mode))
            .collect::<Said<Vec<_>>>()?;
        let value = node.numbers("nodes_values")?;
        let [feature, yes, no] =
            ["nodes_featureids", "nodes_truenodeids", "nodes_falsenodeids"].map(ints);
        let missing = ints("nodes_missing_value_tracks_true");
        for (name, found) in [
            ("nodes_nodeids", id.len()),
            ("nodes_modes", mode.len()),
            ("nodes_values", value.len()),
            ("nodes_featureids", feature.len()),
            ("nodes_truenodeids", yes.len()),
            ("nodes_falsenodeids", no.len()),
            (
                "nodes_missing_value_tracks_true",
                if missing.is_empty() { nodes } else { missing.len() },
            ),
        ] {
            same(name, found)?;
        }
        let mut place = HashMap::with_capacity(nodes);
        for (at, key) in tree.iter().copied().zip(id.iter().copied()).enumerate() {
            if place.insert(key, at).is_some() {
                return Err(format!("node {} of tree {} stands twice", key.1, key.0));
            }
        }
        Ok(Table {
            tree,
            id,
            feature,
            mode,
            value,
            yes,
            no,
            missing,
            place,
            features,
            floats,
            leaf,
        })
    }

    /// The first node of each tree, in the trees' order.
    fn roots(&self) -> Vec<usize> {
        let mut first = BTreeMap::new();
        for (at, tree) in self.tree.iter().enumerate() {
            first.entry(*tree).or_insert(at);
        }
        first.into_values().collect()
    }

    fn at(&self, tree: i64, id: i64) -> Said<usize> {
        self.place
            .get(&(tree, id))
            .copied()
            .ok_or_else(|| format!("tree {tree} leads to node {id}, which is not there"))
    }

    /// The tree below a root, each node behind its parent. What several nodes lead to is copied, at the budget's cost; a
    /// circle has no end and uses it up.
    fn grown(&self, root: usize, budget: &mut usize) -> Said<Tree> {
        let mut tree = Tree { nodes: Vec::new(), leaves: Vec::new() };
        // Nodes of the file still to be told, with the place of their parent and whether they are on its left.
        let mut open = vec![(root, None)];
        while let Some((at, parent)) = open.pop() {
            *budget = budget.checked_sub(1).ok_or_else(|| {
                format!("the nodes of tree {} lead in a circle, or share too much", self.tree[at])
            })?;
            let child = match self.mode[at] {
                Mode::Leaf => {
                    let value =
                        self.leaf.get(&(self.tree[at], self.id[at])).copied().unwrap_or(0.0);
                    tree.leaves.push(Leaf { value, weight: 0.0, count: 0.0 });
                    Child::Leaf(tree.leaves.len() as u32 - 1)
                }
                _ => {
                    let (test, left, right) = self.question(at)?;
                    if let Test::Levels(set) = &test {
                        // A few bytes of a file may ask for a set of thousands of levels.
                        *budget = budget.checked_sub(set.words.len() / WORDS).ok_or_else(|| {
                            format!("tree {} asks for more levels than are read", self.tree[at])
                        })?;
                    }
                    let feature = usize::try_from(self.feature[at])
                        .ok()
                        .filter(|feature| *feature < self.features)
                        .ok_or_else(|| {
                            format!(
                                "nodes_featureids: found {}, expected 0 to {}",
                                self.feature[at],
                                self.features - 1
                            )
                        })?;
                    let place = tree.nodes.len() as u32;
                    tree.nodes.push(Node {
                        feature: feature as u32,
                        test,
                        left: Child::Leaf(0),
                        right: Child::Leaf(0),
                        gain: 0.0,
                        value: 0.0,
                        weight: 0.0,
                        count: 0.0,
                    });
                    open.push((right, Some((place, false))));
                    open.push((left, Some((place, true))));
                    Child::Node(place)
                }
            };
            if let Some((parent, on_left)) = parent {
                let node: &mut Node = &mut tree.nodes[parent as usize];
                *(if on_left { &mut node.left } else { &mut node.right }) = child;
            }
        }
        Ok(tree)
    }

    /// A node's question, and the nodes where it holds and where it does not. Nodes that ask one cell for one level after
    /// the other and lead to the same where they hold are one question.
    fn question(&self, at: usize) -> Said<(Test, usize, usize)> {
        let (tree, value) = (self.tree[at], self.value[at]);
        let (yes, no) = (self.at(tree, self.yes[at])?, self.at(tree, self.no[at])?);
        let to_yes = self.missing.get(at).is_some_and(|tracks| *tracks != 0);
        let number = |threshold: f64, missing_left: bool| {
            if threshold.is_nan() {
                return Err(format!(
                    "nodes_values: node {} of tree {tree} compares with NaN",
                    self.id[at]
                ));
            }
            Ok(Test::Number { threshold, missing: Missing::Nan, missing_left })
        };
        let (mode, below) = (self.mode[at], |v: f64| {
            if self.floats { (v as f32).next_down().into() } else { v.next_down() }
        });
        match mode {
            Mode::AtMost => Ok((number(self.cut(value), to_yes)?, yes, no)),
            Mode::Below => Ok((number(self.cut(below(value)), to_yes)?, yes, no)),
            // Asked the other way round.
            Mode::AtLeast => Ok((number(self.cut(below(value)), !to_yes)?, no, yes)),
            Mode::Above => Ok((number(self.cut(value), !to_yes)?, no, yes)),
            Mode::Equal if !to_yes => {
                let (levels, rest) = self.levels(at)?;
                Ok((Test::Levels(LevelSet::new(levels)), yes, rest))
            }
            // What is missing is not equal.
            Mode::NotEqual => Ok((Test::Levels(LevelSet::new(self.level(at)?)), no, yes)),
            Mode::Equal | Mode::Leaf => Err(format!(
                "node {} of tree {tree} sends missing cells where a level is asked for, which is not read",
                self.id[at]
            )),
        }
    }

    /// The level a node asks for; none for NaN, which no cell equals.
    fn level(&self, at: usize) -> Said<Option<u32>> {
        let value = self.value[at];
        match value {
            value if value.is_nan() => Ok(None),
            value if value.fract() == 0.0 && (0.0..MAX_LEVEL).contains(&value) => {
                Ok(Some(value as u32))
            }
            other => Err(format!(
                "node {} of tree {} asks whether a cell equals {other}, expected the place of a level: 0, 1, 2, ...",
                self.id[at], self.tree[at]
            )),
        }
    }

    /// The levels that a node and those behind it ask the same cell for, with the node behind the last.
    fn levels(&self, first: usize) -> Said<(Vec<u32>, usize)> {
        let (mut levels, mut at) = (Vec::new(), first);
        // A step for each node at most: a file may lead in a circle.
        for _ in 0..self.tree.len() {
            levels.extend(self.level(at)?);
            let next = self.at(self.tree[at], self.no[at])?;
            let same = self.mode[next] == Mode::Equal
                && self.feature[next] == self.feature[first]
                && self.yes[next] == self.yes[first]
                && self.missing.get(next).is_none_or(|tracks| *tracks == 0);
            if !same {
                return Ok((levels, next));
            }
            at = next;
        }
        Err(format!("the nodes of tree {} lead in a circle", self.tree[first]))
    }

    /// The largest cell that is at most the threshold once it is rounded as the file's input is.
    fn cut(&self, threshold: f64) -> f64 {
        if !self.floats || !threshold.is_finite() {
            return threshold;
        }
        let (here, next) = (threshold as f32, (threshold as f32).next_up());
        if !next.is_finite() {
            return threshold;
        }
        // A float is exact as a double, and so is what lies in the middle; that rounds to the even one.
        let middle = (f64::from(here) + f64::from(next)) / 2.0;
        if here.to_bits() % 2 == 0 { middle } else { middle.next_down() }
    }
}

fn mode_of(mode: &str) -> Said<Mode> {
    match mode {
        "BRANCH_LEQ" => Ok(Mode::AtMost),
        "BRANCH_LT" => Ok(Mode::Below),
        "BRANCH_GTE" => Ok(Mode::AtLeast),
        "BRANCH_GT" => Ok(Mode::Above),
        "BRANCH_EQ" => Ok(Mode::Equal),
        "BRANCH_NEQ" => Ok(Mode::NotEqual),
        "LEAF" => Ok(Mode::Leaf),
        other => Err(format!("nodes_modes: found {other:?}, which is not read")),
    }
}
