//! Trees into LightGBM's text, whose scores there are equal to the bit. Numbers are written as the
//! shortest text that reads back to the same bits.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Write;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{Child, LevelSet, Missing, Node, Test, Tree};
use crate::exchange::lightgbm::decision;
use crate::frame::{Field, Kind, Schema};

/// The model as LightGBM 4 writes it; `schema` holds the names and kinds of its features. LightGBM
/// takes a categorical feature as the place of its level, or by name in a pandas category (a number
/// where all levels are written as numbers, as pandas reads them from a table). It knows no calibration: its probability is `1 / (1 + exp(-sigmoid * raw))`.
pub fn write(model: &FittedBoosting, schema: &Schema) -> String {
    assert_eq!(model.features(), schema.len(), "the model's features have names");
    let used = Used::of(model);
    let names = feature_names(schema);
    let trees: Vec<String> =
        model.trees().iter().enumerate().map(|(place, tree)| tree_text(place, tree)).collect();
    let infos = schema.fields().iter().enumerate().map(|(f, field)| used.info(f, field));
    let average = if model.average() { "average_output\n" } else { "" };
    let mut text = format!(
        "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n\
         max_feature_idx={}\nobjective=binary sigmoid:{:?}\n{average}feature_names={}\n\
         feature_infos={}\ntree_sizes={}\n\n",
        schema.len() - 1,
        model.sigmoid(),
        names.join(" "),
        joined(infos),
        joined(trees.iter().map(String::len)),
    );
    text.extend(trees);
    text += "end of trees\n\nfeature_importances:\n";
    let mut order: Vec<usize> = (0..names.len()).filter(|f| used.nodes[*f] > 0).collect();
    order.sort_by_key(|f| std::cmp::Reverse(used.nodes[*f]));
    for feature in order {
        text += &format!("{}={}\n", names[feature], used.nodes[feature]);
    }
    let (places, levels) = pandas(&used, schema);
    text += &format!(
        "\nparameters:\n[boosting: gbdt]\n[objective: binary]\n[categorical_feature: {}]\n\
         [sigmoid: {:?}]\n\nend of parameters\n\npandas_categorical:{}\n",
        places.join(","),
        model.sigmoid(),
        serde_json::Value::Array(levels),
    );
    text
}

/// The features' names in the file. LightGBM takes no blanks, control characters and `",:[]{}`: they
/// become `_`, with a number behind where two names would be alike.
pub fn feature_names(schema: &Schema) -> Vec<String> {
    let plain = |c: char| match c {
        '"' | ',' | ':' | '[' | ']' | '{' | '}' => '_',
        c if c.is_whitespace() || c.is_control() => '_',
        c => c,
    };
    let mut names: Vec<String> =
        schema.fields().iter().map(|f| f.name.chars().map(plain).collect()).collect();
    let mut taken: HashSet<String> = schema.fields().iter().map(|f| f.name.clone()).collect();
    let mut numbers = HashMap::new();
    for (name, field) in names.iter_mut().zip(schema.fields()) {
        if *name == field.name {
            continue;
        }
        let short = name.clone();
        // Counted on from the last name like it, so that many alike take no longer than others.
        let number = numbers.entry(short.clone()).or_insert(2_usize);
        while !taken.insert(name.clone()) {
            *name = format!("{short}_{number}");
            *number += 1;
        }
    }
    names
}

/// How often the trees ask for each feature, and which numbers their sets hold.
struct Used {
    nodes: Vec<usize>,
    levels: Vec<BTreeSet<u32>>,
}

impl Used {
    fn of(model: &FittedBoosting) -> Used {
        let features = model.features();
        let mut used = Used { nodes: vec![0; features], levels: vec![BTreeSet::new(); features] };
        for node in model.trees().iter().flat_map(|tree| &tree.nodes) {
            let feature = node.feature as usize;
            used.nodes[feature] += 1;
            if let Test::Levels(set) = &node.test {
                used.levels[feature].extend(set.iter());
            }
        }
        used
    }

    /// `none`, a range, or the codes of levels.
    fn info(&self, feature: usize, field: &Field) -> String {
        let codes = match &field.kind {
            Kind::Categorical(levels) => (0..levels.len() as u32).collect(),
            Kind::Boolean if !self.levels[feature].is_empty() => BTreeSet::from([0, 1]),
            _ => self.levels[feature].clone(),
        };
        match (codes.is_empty(), self.nodes[feature]) {
            (false, _) => codes.iter().map(u32::to_string).collect::<Vec<_>>().join(":"),
            (true, 0) => "none".to_owned(),
            // What range the numbers had is not kept.
            (true, _) => "[-inf:inf]".to_owned(),
        }
    }
}

/// Places and levels of the features that pandas is to hold as categories.
fn pandas(used: &Used, schema: &Schema) -> (Vec<String>, Vec<serde_json::Value>) {
    let levels = |(feature, field): (usize, &Field)| match &field.kind {
        Kind::Categorical(levels) => Some((feature.to_string(), pandas_levels(levels))),
        Kind::Boolean if !used.levels[feature].is_empty() => {
            Some((feature.to_string(), serde_json::json!([false, true])))
        }
        _ => None,
    };
    schema.fields().iter().enumerate().filter_map(levels).unzip()
}

/// The levels as pandas has them that reads the same table: numbers where all of them are written as
/// numbers are, else texts.
fn pandas_levels(levels: &[String]) -> serde_json::Value {
    let number = |level: &String| {
        let number: serde_json::Number = serde_json::from_str(level).ok()?;
        (number.to_string() == *level).then_some(serde_json::Value::Number(number))
    };
    let numbers: Option<Vec<serde_json::Value>> = levels.iter().map(number).collect();
    numbers.map_or_else(|| serde_json::json!(levels), serde_json::Value::Array)
}

fn tree_text(place: usize, tree: &Tree) -> String {
    let sets: Vec<&LevelSet> = tree.nodes.iter().filter_map(set_of).collect();
    let leaves = &tree.leaves;
    let mut text = format!("Tree={place}\nnum_leaves={}\nnum_cat={}\n", leaves.len(), sets.len());
    let mut line = |key: &str, value: String| {
        writeln!(text, "{key}={value}").expect("text grows without fail");
    };
    let nodes = || tree.nodes.iter();
    line("split_feature", joined(nodes().map(|n| n.feature)));
    line("split_gain", numbers(nodes().map(|n| n.gain)));
    let mut set = 0;
    let thresholds = nodes().map(|n| match n.test {
        Test::Number { threshold, .. } => format!("{threshold:?}"),
        Test::Levels(_) => {
            set += 1;
            (set - 1).to_string()
        }
    });
    line("threshold", joined(thresholds));
    line("decision_type", joined(nodes().map(decision_type)));
    line("left_child", joined(nodes().map(|n| child(n.left))));
    line("right_child", joined(nodes().map(|n| child(n.right))));
    line("leaf_value", numbers(leaves.iter().map(|l| l.value)));
    line("leaf_weight", numbers(leaves.iter().map(|l| l.weight)));
    line("leaf_count", joined(leaves.iter().map(|l| l.count.round())));
    line("internal_value", numbers(nodes().map(|n| n.value)));
    line("internal_weight", numbers(nodes().map(|n| n.weight)));
    line("internal_count", joined(nodes().map(|n| n.count.round())));
    if !sets.is_empty() {
        // A set without words would be no place to read: one empty word stands for it.
        let words =
            |set: &&LevelSet| if set.words.is_empty() { vec![0] } else { set.words.clone() };
        let words: Vec<Vec<u32>> = sets.iter().map(words).collect();
        let mut end = 0;
        let ends = words.iter().map(|words| {
            end += words.len();
            end
        });
        line("cat_boundaries", joined(std::iter::once(0).chain(ends)));
        line("cat_threshold", joined(words.iter().flatten()));
    }
    line("is_linear", "0".to_owned());
    line("shrinkage", "1".to_owned());
    text + "\n\n"
}

fn set_of(node: &Node) -> Option<&LevelSet> {
    match &node.test {
        Test::Levels(set) => Some(set),
        Test::Number { .. } => None,
    }
}

fn decision_type(node: &Node) -> u8 {
    match &node.test {
        Test::Levels(_) => decision::CATEGORICAL,
        Test::Number { missing, missing_left, .. } => {
            let missing = match missing {
                Missing::None => 0,
                Missing::Zero => 1,
                Missing::Nan => 2,
            };
            let left = if *missing_left { decision::DEFAULT_LEFT } else { 0 };
            missing << decision::MISSING_SHIFT | left
        }
    }
}

fn child(child: Child) -> i32 {
    match child {
        Child::Node(place) => place as i32,
        Child::Leaf(place) => !(place as i32),
    }
}

fn numbers(values: impl Iterator<Item = f64>) -> String {
    joined(values.map(|value| format!("{value:?}")))
}

fn joined(values: impl Iterator<Item = impl ToString>) -> String {
    values.map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}
