//! A LightGBM model's text into trees. Nothing in the file is trusted: each count is compared with
//! the numbers that are there before it is used, and children are walked once, without recursion.

use std::iter::Peekable;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{
    Child, Leaf, LevelSet, MAX_FEATURES, Missing, Node, Test, Tree,
};
use crate::error::Result;
use crate::exchange::lightgbm::block::{Block, Entry, bad, shown};
use crate::exchange::lightgbm::features::{Features, Tail, features};
use crate::exchange::lightgbm::{Imported, decision};
use crate::frame::Kind;

/// Reads a model that LightGBM, or [`super::write`], wrote; `path` is for messages. Raw scores are
/// those of LightGBM; of a random forest (`average_output`) they are the mean of the trees, of which
/// LightGBM makes its probability, where its own raw score is their sum. Time and memory are in proportion to the text.
///
/// # Errors
/// With the line, when the text is no such model, is damaged, or answers no yes/no question: several
/// classes, ranking, regression, linear trees.
pub fn read(bytes: &[u8], path: &str) -> Result<Imported> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let line = bytes[..error.valid_up_to()].iter().filter(|b| **b == b'\n').count() + 1;
        let reason = "found bytes that are no UTF-8 text, expected a model as LightGBM's \
                      save_model writes it";
        bad(path, line, reason.to_owned())
    })?;
    let mut lines = Numbered { path, lines: text.lines().enumerate().peekable() };
    let header = lines.header()?;
    let sigmoid = sigmoid(&header)?;
    let mut blocks = Vec::new();
    let end = loop {
        match lines.tree(blocks.len())? {
            Part::Tree(block) => blocks.push(block),
            Part::End(line) => break line,
        }
    };
    check_count(&header, blocks.len(), end)?;
    let found = features(path, &header, &lines.tail()?)?;
    let width = found.schema.len();
    if width > MAX_FEATURES {
        let line = header.require("feature_names")?.line;
        let reason = format!("found {width} features, expected at most {MAX_FEATURES}");
        return Err(header.bad(line, reason));
    }
    let trees = blocks.iter().map(|block| tree(block, &found)).collect::<Result<Vec<Tree>>>()?;
    let average = header.get("average_output").is_some();
    let model = FittedBoosting::new(width, trees, average, sigmoid)
        .ok_or_else(|| header.bad(header.line, "its numbers cannot make a model".to_owned()))?;
    Ok(Imported { model, schema: found.schema })
}

/// The lines that are left, with their numbers from 0.
struct Numbered<'a> {
    path: &'a str,
    lines: Peekable<std::iter::Enumerate<std::str::Lines<'a>>>,
}

enum Part<'a> {
    Tree(Block<'a>),
    /// The line `end of trees`.
    End(usize),
}

impl<'a> Numbered<'a> {
    fn next_filled(&mut self) -> Option<(usize, &'a str)> {
        self.lines.by_ref().map(|(at, text)| (at + 1, text.trim())).find(|(_, t)| !t.is_empty())
    }

    fn header(&mut self) -> Result<Block<'a>> {
        let (line, first) = self.next_filled().unwrap_or((1, ""));
        if first != "tree" {
            let reason = format!(
                "found {}, expected \"tree\": the first line of a model that LightGBM's \
                 save_model wrote",
                shown(first)
            );
            return Err(bad(self.path, line, reason));
        }
        let mut header = Block::new(self.path, line);
        while let Some((at, text)) = self.lines.peek() {
            if text.starts_with("Tree=") || text.trim() == "end of trees" {
                break;
            }
            if !text.trim().is_empty() {
                header.push(at + 1, text)?;
            }
            self.lines.next();
        }
        Ok(header)
    }

    /// The next tree, which is to have that number.
    fn tree(&mut self, number: usize) -> Result<Part<'a>> {
        let start = self.next_filled();
        let Some((line, text)) = start else {
            let last = self.lines.by_ref().count().max(1);
            let reason = "the file ends without \"end of trees\": it is cut off; copy it again";
            return Err(bad(self.path, last, reason.to_owned()));
        };
        if text == "end of trees" {
            return Ok(Part::End(line));
        }
        if text.strip_prefix("Tree=") != Some(number.to_string().as_str()) {
            let reason = format!("found {}, expected Tree={number}; save it again", shown(text));
            return Err(bad(self.path, line, reason));
        }
        let mut block = Block::new(self.path, line);
        while let Some((at, text)) = self.lines.peek() {
            if text.starts_with("Tree=") || text.trim() == "end of trees" {
                break;
            }
            if !text.trim().is_empty() {
                block.push(at + 1, text)?;
            }
            self.lines.next();
        }
        Ok(Part::Tree(block))
    }

    fn tail(&mut self) -> Result<Tail<'a>> {
        let mut tail = Tail::default();
        while let Some((line, text)) = self.next_filled() {
            let given = text.strip_prefix("[categorical_feature:");
            let given = given.map(|value| value.trim_end_matches(']').trim());
            if let Some(value) = given.filter(|v| !v.is_empty()) {
                tail.categorical_feature = Some(Entry { line, value });
            }
            let given = text.strip_prefix("pandas_categorical:");
            if let Some(value) = given.filter(|v| !["null", "[]"].contains(v)) {
                tail.pandas_categorical = Some(Entry { line, value });
            }
        }
        Ok(tail)
    }
}

/// The factor from raw score to margin, of a model that answers a yes/no question.
fn sigmoid(header: &Block<'_>) -> Result<f64> {
    let version = header.require("version")?;
    if !["v3", "v4"].contains(&version.value) {
        let reason = format!(
            "version: found {}, expected v3 or v4; load the model with LightGBM 4 and save it again",
            shown(version.value)
        );
        return Err(header.bad(version.line, reason));
    }
    for key in ["num_class", "num_tree_per_iteration"] {
        let found: usize = header.number(key)?;
        if found != 1 {
            let line = header.require(key)?.line;
            let reason = format!("{key}: found {found}, expected 1: a yes/no question");
            return Err(header.bad(line, reason));
        }
    }
    let objective = header.require("objective")?;
    let mut words = objective.value.split_ascii_whitespace();
    let name = words.next().unwrap_or_default();
    let sigmoid = match name {
        "cross_entropy" => Some(1.0),
        "binary" => words
            .find_map(|word| word.strip_prefix("sigmoid:"))
            .and_then(|factor| factor.parse().ok())
            .filter(|factor: &f64| factor.is_finite() && *factor > 0.0),
        _ => None,
    };
    sigmoid.ok_or_else(|| {
        let reason = format!(
            "objective: found {}, expected binary with a sigmoid above 0, or cross_entropy: a \
             model of a yes/no question",
            shown(objective.value)
        );
        header.bad(objective.line, reason)
    })
}

/// Trees that were deleted are missed here.
fn check_count(header: &Block<'_>, trees: usize, end: usize) -> Result<()> {
    if let Some(sizes) = header.get("tree_sizes") {
        let expected = sizes.value.split_ascii_whitespace().count();
        if expected != trees {
            let reason = format!("found {trees} trees, expected {expected} as tree_sizes has them");
            return Err(header.bad(end, reason));
        }
    }
    match trees {
        0 => Err(header.bad(end, "found no tree, expected at least one; fit it again".to_owned())),
        _ => Ok(()),
    }
}

fn tree(block: &Block<'_>, features: &Features) -> Result<Tree> {
    if let Some(linear) = block.get("is_linear").filter(|linear| linear.value != "0") {
        let reason = format!(
            "is_linear: found {}, expected 0; fit the model with linear_tree=false",
            shown(linear.value)
        );
        return Err(block.bad(linear.line, reason));
    }
    let leaves: usize = block.number("num_leaves")?;
    let values = block.finite("leaf_value", leaves)?;
    if leaves == 0 {
        let line = block.require("num_leaves")?.line;
        return Err(block.bad(line, "num_leaves: found 0, expected 1 or more".to_owned()));
    }
    let (weights, counts) = match leaves {
        // LightGBM leaves the weight out where there is no split.
        1 => (vec![0.0], vec![0.0]),
        _ => (block.amounts("leaf_weight", leaves)?, block.amounts("leaf_count", leaves)?),
    };
    let leaf = |((value, weight), count)| Leaf { value, weight, count };
    let leaves: Vec<Leaf> = values.into_iter().zip(weights).zip(counts).map(leaf).collect();
    let nodes = if leaves.len() == 1 { Vec::new() } else { nodes(block, leaves.len(), features)? };
    Ok(Tree { nodes, leaves })
}

fn nodes(block: &Block<'_>, leaves: usize, features: &Features) -> Result<Vec<Node>> {
    let count = leaves - 1;
    let places: Vec<u32> = block.numbers("split_feature", count)?;
    let width = features.schema.len();
    if let Some(place) = places.iter().find(|place| **place as usize >= width) {
        let line = block.require("split_feature")?.line;
        let reason = format!("split_feature: found {place}, expected 0 to {}", width - 1);
        return Err(block.bad(line, reason));
    }
    let tests = tests(block, &places, features)?;
    let children = ["left_child", "right_child"].map(|key| block.numbers::<i32>(key, count));
    let [left, right] = children;
    let (left, right) = (left?, right?);
    let gain = match block.get("split_gain") {
        Some(_) => block.numbers("split_gain", count)?,
        None => vec![0.0; count],
    };
    let value = match block.get("internal_value") {
        Some(_) => block.finite("internal_value", count)?,
        None => vec![0.0; count],
    };
    let weight = block.amounts("internal_weight", count)?;
    let rows = block.amounts("internal_count", count)?;
    let order = order(block, &left, &right)?;
    let mut new_place = vec![0; count];
    order.iter().enumerate().for_each(|(new, &old)| new_place[old] = new as u32);
    let child = |child: i32| match usize::try_from(child) {
        Ok(node) => Child::Node(new_place[node]),
        Err(_) => Child::Leaf(!child as u32),
    };
    let mut tests: Vec<Option<Test>> = tests.into_iter().map(Some).collect();
    let node = |&old: &usize| Node {
        feature: places[old],
        test: tests[old].take().expect("each node stands once in the order"),
        left: child(left[old]),
        right: child(right[old]),
        gain: gain[old],
        value: value[old],
        weight: weight[old],
        count: rows[old],
    };
    Ok(order.iter().map(node).collect())
}

/// The nodes with each parent before its children: as they stand where that is so, else as a walk
/// from the root meets them.
fn order(block: &Block<'_>, left: &[i32], right: &[i32]) -> Result<Vec<usize>> {
    let count = left.len();
    let refuse = |key: &str, place: usize, why: String| {
        let line = block.require(key)?.line;
        let reason = format!("{key}: number {} is {why}; save the model again", place + 1);
        Err(block.bad(line, reason))
    };
    let (mut seen_nodes, mut seen_leaves) = (vec![false; count], vec![false; count + 1]);
    let mut walk = Vec::with_capacity(count);
    let mut waiting = vec![0];
    seen_nodes[0] = true;
    while let Some(node) = waiting.pop() {
        walk.push(node);
        // Right first: the left one is met next.
        for (key, child) in [("right_child", right[node]), ("left_child", left[node])] {
            let seen = match usize::try_from(child) {
                Ok(below) => seen_nodes.get_mut(below),
                Err(_) => seen_leaves.get_mut(!child as usize),
            };
            match seen {
                None => {
                    let why = format!("{child}, expected {} to {}", -(count as i64) - 1, count - 1);
                    return refuse(key, node, why);
                }
                Some(true) => {
                    return refuse(key, node, format!("{child}, which has a parent already"));
                }
                Some(seen) => *seen = true,
            }
            waiting.extend(usize::try_from(child));
        }
    }
    if walk.len() < count {
        let place = seen_nodes.iter().position(|seen| !seen).unwrap_or_default();
        return refuse("left_child", place, "of a node that no other leads to".to_owned());
    }
    let below = |(node, child): (usize, &i32)| *child < 0 || *child as usize > node;
    let stands = left.iter().enumerate().all(below) && right.iter().enumerate().all(below);
    Ok(if stands { (0..count).collect() } else { walk })
}

fn tests(block: &Block<'_>, features: &[u32], found: &Features) -> Result<Vec<Test>> {
    let count = features.len();
    let thresholds: Vec<f64> = block.numbers("threshold", count)?;
    let decisions: Vec<u8> = block.numbers("decision_type", count)?;
    let mut sets = level_sets(block)?;
    let mut tests = Vec::with_capacity(count);
    for (node, (&threshold, &decided)) in thresholds.iter().zip(&decisions).enumerate() {
        let refuse = |key: &str, reason: String| {
            let line = block.require(key)?.line;
            Err(block.bad(line, format!("{key}: number {} is {reason}", node + 1)))
        };
        let missing = match decided >> decision::MISSING_SHIFT {
            0 => Missing::None,
            1 => Missing::Zero,
            2 => Missing::Nan,
            _ => return refuse("decision_type", format!("{decided}, expected 0 to 11")),
        };
        let feature = features[node] as usize;
        if decided & decision::CATEGORICAL == 0 {
            if matches!(found.schema.fields()[feature].kind, Kind::Categorical(_)) {
                let reason = format!("{decided}, expected 1: its feature is categorical");
                return refuse("decision_type", reason);
            }
            let missing_left = decided & decision::DEFAULT_LEFT != 0;
            tests.push(Test::Number { threshold, missing, missing_left });
            continue;
        }
        // A set serves one node, so that small files cannot make large models.
        let place = threshold as usize;
        let set = sets.get_mut(place).filter(|_| place as f64 == threshold).and_then(Option::take);
        let Some(mut set) = set else {
            let reason = format!("{threshold}, expected a set of cat_boundaries of its own");
            return refuse("threshold", reason);
        };
        if found.swapped[feature] {
            set = LevelSet::new(set.iter().filter(|level| *level < 2).map(|level| 1 - level));
        }
        tests.push(Test::Levels(set));
    }
    Ok(tests)
}

fn level_sets(block: &Block<'_>) -> Result<Vec<Option<LevelSet>>> {
    let sets: usize = match block.get("num_cat") {
        Some(_) => block.number("num_cat")?,
        None => 0,
    };
    if sets == 0 {
        return Ok(Vec::new());
    }
    let boundaries: Vec<usize> = block.numbers("cat_boundaries", sets.saturating_add(1))?;
    let words = block.require("cat_threshold")?.value.split_ascii_whitespace().count();
    let words: Vec<u32> = block.numbers("cat_threshold", words)?;
    let rising = boundaries.windows(2).all(|pair| pair[0] <= pair[1]);
    if !rising || boundaries.first() != Some(&0) || boundaries.last() != Some(&words.len()) {
        let line = block.require("cat_boundaries")?.line;
        let reason = format!(
            "cat_boundaries: expected rising numbers from 0 to {}, as cat_threshold has words; \
             save the model again",
            words.len()
        );
        return Err(block.bad(line, reason));
    }
    let set = |pair: &[usize]| Some(LevelSet { words: words[pair[0]..pair[1]].to_vec() });
    Ok(boundaries.windows(2).map(set).collect())
}
