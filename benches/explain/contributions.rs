//! Explains rows with a model of LightGBM: `contributions MODEL ROWS.npy OUT RUNS`. Prints seconds
//! per run, all rows together and then a thousand of them one by one, and writes the contributions
//! (little-endian `f64`, row-major) to OUT.
//!
//! Reads only what a model of numbers in LightGBM's text form needs.

use std::collections::HashMap;
use std::time::Instant;

use rekindle_models::classifiers::boosting::FittedBoosting;
use rekindle_models::classifiers::boosting::tree::{Child, Leaf, Missing, Node, Test, Tree};
use rekindle_models::explain::Explainer;
use rekindle_models::frame::Rows;

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [model, rows, out, runs] = &arguments[..] else {
        panic!("usage: contributions MODEL ROWS.npy OUT RUNS");
    };
    let model = model_of(&std::fs::read_to_string(model).expect("the model is read"));
    let rows = rows_of(&std::fs::read(rows).expect("the rows are read"), model.features());
    let start = Instant::now();
    let explainer = Explainer::new(&model);
    println!("prepared {}", start.elapsed().as_secs_f64());
    let mut contributions = Vec::new();
    for _ in 0..runs.parse().expect("RUNS is a number") {
        let start = Instant::now();
        contributions = explainer.contributions(&rows);
        println!("batch {}", start.elapsed().as_secs_f64());
    }
    let singles = rows.len().min(1_000);
    let (mut scratch, mut one) = (explainer.scratch(), vec![0.0; model.features() + 1]);
    let start = Instant::now();
    for row in rows.iter().take(singles) {
        explainer.contributions_into(row, &mut scratch, &mut one);
    }
    println!("single {}", start.elapsed().as_secs_f64() / singles as f64);
    let bytes: Vec<u8> = contributions.iter().flat_map(|x| x.to_le_bytes()).collect();
    std::fs::write(out, bytes).expect("the contributions are written");
}

/// Rows from a NumPy file of `f64`.
fn rows_of(bytes: &[u8], features: usize) -> Rows {
    let header = u16::from_le_bytes([bytes[8], bytes[9]]) as usize;
    let cells = bytes[10 + header..].as_chunks::<8>().0;
    Rows::from_cells(features, cells.iter().map(|bytes| f64::from_le_bytes(*bytes)).collect())
}

fn model_of(text: &str) -> FittedBoosting {
    let head = lines(text.split("\nTree=").next().expect("there is a first part"));
    let features: usize = head["max_feature_idx"].parse().expect("a number");
    let sigmoid = head["objective"].split("sigmoid:").nth(1).and_then(|s| s.trim().parse().ok());
    let trees = text.split("end of trees").next().expect("there is a first part");
    let trees = trees.split("\nTree=").skip(1).map(tree).collect();
    FittedBoosting::new(features + 1, trees, false, sigmoid.unwrap_or(1.0))
        .expect("the trees are sound")
}

fn lines(text: &str) -> HashMap<&str, &str> {
    text.lines().filter_map(|line| line.split_once('=')).collect()
}

fn tree(text: &str) -> Tree {
    let lines = lines(text);
    let numbers = |name: &str| -> Vec<f64> {
        lines[name].split_whitespace().map(|x| x.parse().expect("a number")).collect()
    };
    let leaves = numbers("leaf_value").into_iter().zip(numbers("leaf_count"));
    let leaves = leaves.map(|(value, count)| Leaf { value, weight: 0.0, count }).collect();
    // Leaves are written as -1, -2, and so on.
    let child =
        |x: f64| if x < 0.0 { Child::Leaf(-(x + 1.0) as u32) } else { Child::Node(x as u32) };
    let [features, thresholds, decisions, left, right, counts] = [
        "split_feature",
        "threshold",
        "decision_type",
        "left_child",
        "right_child",
        "internal_count",
    ]
    .map(numbers);
    let node = |place: usize| {
        let decision = decisions[place] as u32;
        let missing = match decision >> 2 & 3 {
            0 => Missing::None,
            1 => Missing::Zero,
            _ => Missing::Nan,
        };
        assert!(decision & 1 == 0, "a question of levels");
        Node {
            feature: features[place] as u32,
            test: Test::Number {
                threshold: thresholds[place],
                missing,
                missing_left: decision & 2 != 0,
            },
            left: child(left[place]),
            right: child(right[place]),
            gain: 0.0,
            value: 0.0,
            weight: 0.0,
            count: counts[place],
        }
    };
    Tree { nodes: (0..features.len()).map(node).collect(), leaves }
}
