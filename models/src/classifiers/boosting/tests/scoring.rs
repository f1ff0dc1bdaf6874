//! Fast scoring against the trees themselves, and trees that cannot be.

use crate::classifiers::boosting::tests::draw;
use crate::classifiers::boosting::tree::{Child, Leaf, LevelSet, Missing, Node, Test, Tree, ZERO};
use crate::classifiers::boosting::*;

/// Trees with all kinds of questions, from drawn numbers.
fn random_tree(seed: usize, nodes: usize, features: u32) -> Tree {
    let mut tree =
        Tree { nodes: Vec::new(), leaves: vec![Leaf { value: 0.0, weight: 1.0, count: 1.0 }] };
    // Each new node takes the place of a leaf, which becomes its left one.
    for place in 0..nodes {
        let at = |k| draw(seed * 1_000 + place, k);
        let leaf = (at(0) * tree.leaves.len() as f64) as u32;
        for node in &mut tree.nodes {
            for child in [&mut node.left, &mut node.right] {
                if *child == Child::Leaf(leaf) {
                    *child = Child::Node(place as u32);
                }
            }
        }
        let thresholds =
            [-1.5, -1.0, -0.0, 0.0, ZERO, 0.5, 2.0, f64::INFINITY, f64::NEG_INFINITY, f64::MAX];
        let test = match (at(1) * 5.0) as usize {
            0 => Test::Levels(LevelSet::new(
                (0..70).filter(|l| draw(seed + place, *l as usize + 9) < 0.4),
            )),
            kind => Test::Number {
                threshold: thresholds[(at(2) * thresholds.len() as f64) as usize],
                missing: [Missing::None, Missing::Zero, Missing::Nan, Missing::Nan][kind - 1],
                missing_left: at(3) < 0.5,
            },
        };
        let right = tree.leaves.len() as u32;
        tree.leaves.push(Leaf { value: 0.0, weight: 1.0, count: 1.0 });
        tree.nodes.push(Node {
            feature: (at(4) * f64::from(features)) as u32,
            test,
            left: Child::Leaf(leaf),
            right: Child::Leaf(right),
            gain: 1.0,
            value: 0.0,
            weight: 1.0,
            count: 1.0,
        });
    }
    for (place, leaf) in tree.leaves.iter_mut().enumerate() {
        leaf.value = draw(seed, place + 500) - 0.5;
    }
    tree
}

#[test]
fn scoring_follows_the_trees_step_by_step() {
    let cells = [
        f64::NAN,
        f64::INFINITY,
        f64::NEG_INFINITY,
        0.0,
        -0.0,
        ZERO,
        -ZERO,
        2.0 * ZERO,
        0.5,
        -1.0,
        -0.5,
        2.0,
        3.0,
        33.0,
        69.9,
        70.0,
        1e300,
        f64::MAX,
        f64::MIN,
        5e9,
    ];
    for seed in 0..40 {
        let trees: Vec<Tree> =
            (0..11).map(|t| random_tree(seed * 50 + t, (seed + t) % 40, 5)).collect();
        let average = seed % 2 == 1;
        let model = FittedBoosting::new(5, trees, average, 1.5).unwrap();
        let cell = |i: usize| cells[(draw(seed, i) * cells.len() as f64) as usize];
        let rows = Rows::from_cells(5, (0..5 * 83).map(cell).collect());
        let margins = model.margins(&rows);
        for (row, margin) in rows.iter().zip(margins) {
            let leaves = model.trees().iter().map(|tree| tree.leaves[tree.leaf(row)].value);
            let sum = leaves.fold(0.0, |sum, value| sum + value);
            let raw = if average { sum / 11.0 } else { sum };
            assert_eq!(model.raw_score(row).to_bits(), raw.to_bits(), "{row:?}");
            assert_eq!(margin.to_bits(), (1.5 * raw).to_bits(), "{row:?}");
        }
    }
}

#[test]
fn trees_that_cannot_be_are_refused() {
    let good = random_tree(3, 6, 4);
    assert!(good.is_sound(4) && Tree::constant(1.0).is_sound(1));
    let damaged = |damage: &dyn Fn(&mut Tree)| {
        let mut tree = good.clone();
        damage(&mut tree);
        FittedBoosting::new(4, vec![tree], false, 1.0)
    };
    assert!(damaged(&|_| {}).is_some());
    let damages: [&dyn Fn(&mut Tree); 8] = [
        &|tree| tree.nodes[0].left = Child::Node(0),
        &|tree| tree.nodes[2].right = tree.nodes[2].left,
        &|tree| tree.nodes[1].left = Child::Node(99),
        &|tree| tree.nodes[1].left = Child::Leaf(99),
        &|tree| tree.nodes[1].feature = 4,
        &|tree| tree.leaves[0].value = f64::NAN,
        &|tree| tree.leaves.push(tree.leaves[0]),
        &|tree| tree.nodes[0].count = -1.0,
    ];
    assert!(damages.iter().all(|damage| damaged(*damage).is_none()));
    assert!(FittedBoosting::new(4, vec![], false, 1.0).is_none());
    assert!(FittedBoosting::new(4, vec![good.clone()], false, 0.0).is_none());
}
