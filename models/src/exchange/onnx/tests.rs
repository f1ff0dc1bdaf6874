//! The comparisons of an ONNX file against the questions of the trees. What onnxruntime makes of the
//! file is checked by `checks/exchange.py`.

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{Child, Leaf, LevelSet, Missing, Node, Test, Tree, ZERO};
use crate::exchange::onnx::branches::{Mode, branches};

fn stump(test: Test) -> Tree {
    let (left, right) = (Child::Leaf(0), Child::Leaf(1));
    let node =
        Node { feature: 0, test, left, right, gain: 0.0, value: 0.0, weight: 0.0, count: 0.0 };
    let leaf = |value| Leaf { value, weight: 0.0, count: 0.0 };
    Tree { nodes: vec![node], leaves: vec![leaf(1.0), leaf(2.0)] }
}

/// What the trees as ONNX answer, walked one comparison after the other.
fn walk(model: &FittedBoosting, row: &[f64]) -> f64 {
    let branches = branches(model, 1.0, 0.0);
    let trees = branches.last().unwrap().tree;
    let of_tree = |tree: i64| {
        let at = |id: i64| branches.iter().find(|b| b.tree == tree && b.id == id).unwrap();
        let mut branch = at(0);
        loop {
            let cell = row[branch.feature as usize];
            let holds = match branch.mode {
                Mode::Leaf => return branch.value,
                Mode::AtMost => cell <= branch.value,
                Mode::Equal => cell == branch.value,
            };
            let yes = if cell.is_nan() { branch.missing_yes } else { holds };
            branch = at(if yes { branch.yes } else { branch.no });
        }
    };
    (0..=trees).map(of_tree).sum()
}

#[test]
fn onnx_asks_what_the_tree_asks() {
    let cuts =
        [0.0, 1.0, -1.0, ZERO, -ZERO, 1e-36, 1e-34, -1e-34, f64::INFINITY, f64::NEG_INFINITY];
    let mut tests = vec![Test::Levels(LevelSet::new([])), Test::Levels(LevelSet::new([0, 3, 40]))];
    for threshold in cuts {
        for missing in [Missing::None, Missing::Zero, Missing::Nan] {
            for missing_left in [true, false] {
                tests.push(Test::Number { threshold, missing, missing_left });
            }
        }
    }
    let near = cuts.iter().flat_map(|cut| [*cut, cut.next_up(), cut.next_down(), cut / 2.0]);
    let cells: Vec<f64> = near.chain([f64::NAN, -0.0, 3.0, 40.0, 41.0]).collect();
    for test in tests {
        let model = FittedBoosting::new(1, vec![stump(test.clone())], false, 1.0).unwrap();
        for &cell in &cells {
            // ONNX compares levels and does not cut them to integers.
            if matches!(test, Test::Levels(_)) && cell.fract() != 0.0 {
                continue;
            }
            assert_eq!(walk(&model, &[cell]), model.raw_score(&[cell]), "{test:?} of {cell:e}");
        }
    }
}

#[test]
fn trees_without_a_split_still_count_in_onnx() {
    let flat = FittedBoosting::new(1, vec![Tree::constant(0.5), Tree::constant(1.0)], false, 1.0);
    assert_eq!(walk(&flat.unwrap(), &[3.0]), 1.5);
    let test = Test::Number { threshold: 2.0, missing: Missing::Nan, missing_left: false };
    let trees = vec![Tree::constant(0.5), stump(test), Tree::constant(1.0)];
    let model = FittedBoosting::new(1, trees, true, 1.0).unwrap();
    assert_eq!(walk(&model, &[3.0]) / 3.0, model.raw_score(&[3.0]));
}
