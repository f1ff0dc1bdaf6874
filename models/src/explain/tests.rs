//! Contributions beside two slow twins on random trees: the definition over all sets of features,
//! and the textbook's recursion.

use proptest::prelude::*;

use super::*;
use crate::classifiers::boosting::tree::{Child, Leaf, LevelSet, Missing, Node, Test, Tree};
use crate::seed::{mix2, unit};

/// Draws from a seed.
struct Draws(u64, u64);

impl Draws {
    fn unit(&mut self) -> f64 {
        self.1 += 1;
        unit(mix2(self.0, self.1))
    }

    fn below(&mut self, n: usize) -> usize {
        (self.unit() * n as f64) as usize
    }

    fn of<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

/// Thresholds and cells come from few numbers, so that there are ties; and from all awkward ones.
const NUMBERS: [f64; 13] = [
    -2.5,
    -1.0,
    -1e-36,
    -0.0,
    0.0,
    1e-36,
    1e-35,
    0.5,
    1.0,
    2.0,
    33.0,
    f64::INFINITY,
    f64::NEG_INFINITY,
];

fn test(draws: &mut Draws) -> Test {
    if draws.below(4) == 0 {
        let levels: Vec<u32> = [0, 1, 2, 33].into_iter().filter(|_| draws.below(2) == 0).collect();
        return Test::Levels(LevelSet::new(levels));
    }
    Test::Number {
        threshold: draws.of(&NUMBERS),
        missing: draws.of(&[Missing::None, Missing::Zero, Missing::Nan]),
        missing_left: draws.below(2) == 0,
    }
}

/// What the nodes of a random tree say of the training rows.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Covers {
    Counts,
    WeightsOnly,
    None,
    /// Counts of many nodes are 0, and those of parents are not sums.
    Odd,
}

fn cover(covers: Covers, draws: &mut Draws) -> (f64, f64) {
    match covers {
        Covers::Counts => (1.0 + draws.below(20) as f64, draws.unit()),
        Covers::WeightsOnly => (0.0, draws.unit()),
        Covers::None => (0.0, 0.0),
        Covers::Odd => (draws.below(3) as f64, draws.below(2) as f64),
    }
}

/// A tree of some leaves, grown at random leaves; `chain` grows at the newest leaf.
fn tree(leaves: usize, features: usize, covers: Covers, chain: bool, draws: &mut Draws) -> Tree {
    let leaf = |draws: &mut Draws| {
        let (count, weight) = cover(covers, draws);
        Leaf { value: 4.0 * draws.unit() - 2.0, weight, count }
    };
    let mut tree = Tree { nodes: Vec::new(), leaves: vec![leaf(draws)] };
    while tree.leaves.len() < leaves {
        let (old, new) = (tree.leaves.len() - 1, tree.leaves.len());
        let split = if chain { old } else { draws.below(new) };
        let place = tree.nodes.len() as u32;
        for node in &mut tree.nodes {
            for child in [&mut node.left, &mut node.right] {
                if *child == Child::Leaf(split as u32) {
                    *child = Child::Node(place);
                }
            }
        }
        let (count, weight) = cover(covers, draws);
        let mut children = [Child::Leaf(split as u32), Child::Leaf(new as u32)];
        if draws.below(2) == 0 {
            children.reverse();
        }
        let [left, right] = children;
        let feature = draws.below(features) as u32;
        let test = test(draws);
        tree.nodes.push(Node { feature, test, left, right, gain: 1.0, value: 0.0, weight, count });
        tree.leaves.push(leaf(draws));
    }
    if covers == Covers::Counts {
        // A parent has the rows of its children.
        for place in (0..tree.nodes.len()).rev() {
            let of = |child: Child| match child {
                Child::Node(node) => tree.nodes[node as usize].count,
                Child::Leaf(leaf) => tree.leaves[leaf as usize].count,
            };
            tree.nodes[place].count = of(tree.nodes[place].left) + of(tree.nodes[place].right);
        }
    }
    tree
}

fn model(seed: u64, trees: usize, leaves: usize, features: usize) -> FittedBoosting {
    let mut draws = Draws(seed, 0);
    let of = |_| {
        let covers = draws.of(&[
            Covers::Counts,
            Covers::Counts,
            Covers::WeightsOnly,
            Covers::None,
            Covers::Odd,
        ]);
        let (leaves, chain) = (1 + draws.below(leaves), draws.below(3) == 0);
        tree(leaves, features, covers, chain, &mut draws)
    };
    let trees = (0..trees).map(of).collect();
    let (average, sigmoid) =
        (seed.is_multiple_of(2), if seed.is_multiple_of(3) { 1.0 } else { 0.7 });
    FittedBoosting::new(features, trees, average, sigmoid).unwrap()
}

fn rows(seed: u64, count: usize, features: usize) -> Rows {
    let mut draws = Draws(seed, 1 << 32);
    let cell = |_| if draws.below(6) == 0 { f64::NAN } else { draws.of(&NUMBERS) };
    Rows::from_cells(features, (0..count * features).map(cell).collect())
}

/// The share of training rows on each side, written again.
fn sides(tree: &Tree, node: &Node) -> [(Child, f64); 2] {
    let cover = |child: Child| match child {
        Child::Node(node) => (tree.nodes[node as usize].count, tree.nodes[node as usize].weight),
        Child::Leaf(leaf) => (tree.leaves[leaf as usize].count, tree.leaves[leaf as usize].weight),
    };
    let (left, right) = (cover(node.left), cover(node.right));
    let share = if left.0 + right.0 > 0.0 {
        left.0 / (left.0 + right.0)
    } else if left.1 + right.1 > 0.0 {
        left.1 / (left.1 + right.1)
    } else {
        0.5
    };
    [(node.left, share), (node.right, 1.0 - share)]
}

/// What a tree expects when only the features of the set (bits) are known.
fn game(tree: &Tree, at: Child, row: &[f64], known: u32) -> f64 {
    match at {
        Child::Leaf(leaf) => tree.leaves[leaf as usize].value,
        Child::Node(node) => {
            let node = &tree.nodes[node as usize];
            if known >> node.feature & 1 == 1 {
                let holds = node.test.holds(row[node.feature as usize]);
                game(tree, if holds { node.left } else { node.right }, row, known)
            } else {
                let sides = sides(tree, node);
                sides.iter().map(|(child, share)| share * game(tree, *child, row, known)).sum()
            }
        }
    }
}

/// The definition: the mean over all orders of features of what each adds to those before it.
fn by_definition(model: &FittedBoosting, row: &[f64]) -> Vec<f64> {
    let features = model.features();
    let mut out = vec![0.0; features + 1];
    let factorial = |n: usize| (1..=n).product::<usize>() as f64;
    for tree in model.trees() {
        let games: Vec<f64> = (0..1 << features).map(|s| game(tree, tree.root(), row, s)).collect();
        for (set, value) in games.iter().enumerate() {
            for feature in (0..features).filter(|feature| set >> feature & 1 == 0) {
                let size = set.count_ones() as usize;
                let weight = factorial(size) * factorial(features - size - 1) / factorial(features);
                out[feature] += weight * (games[set | 1 << feature] - value);
            }
        }
        out[features] += games[0];
    }
    in_margins(model, out)
}

fn in_margins(model: &FittedBoosting, mut out: Vec<f64>) -> Vec<f64> {
    let mean = if model.average() { model.trees().len() as f64 } else { 1.0 };
    out.iter_mut().for_each(|x| *x *= model.sigmoid() / mean);
    out
}

/// A feature on the way of the textbook's recursion: its place, `z`, `o`, and the share of sets by
/// size.
#[derive(Clone, Copy)]
struct Passed(Option<u32>, f64, f64, f64);

fn extended(path: &[Passed], z: f64, o: f64, feature: Option<u32>) -> Vec<Passed> {
    let mut path = path.to_vec();
    let length = path.len();
    path.push(Passed(feature, z, o, if length == 0 { 1.0 } else { 0.0 }));
    for i in (0..length).rev() {
        path[i + 1].3 += o * path[i].3 * (i + 1) as f64 / (length + 1) as f64;
        path[i].3 = z * path[i].3 * (length - i) as f64 / (length + 1) as f64;
    }
    path
}

fn unwound(path: &[Passed], place: usize) -> Vec<Passed> {
    let mut path = path.to_vec();
    let (last, Passed(_, z, o, _)) = (path.len() - 1, path[place]);
    let mut next = path[last].3;
    for j in (0..last).rev() {
        if o != 0.0 {
            let old = path[j].3;
            path[j].3 = next * (last + 1) as f64 / ((j + 1) as f64 * o);
            next = old - path[j].3 * z * (last - j) as f64 / (last + 1) as f64;
        } else {
            path[j].3 = path[j].3 * (last + 1) as f64 / (z * (last - j) as f64);
        }
    }
    for j in place..last {
        path[j] = Passed(path[j + 1].0, path[j + 1].1, path[j + 1].2, path[j].3);
    }
    path.truncate(last);
    path
}

fn recurse(tree: &Tree, at: Child, row: &[f64], path: &[Passed], out: &mut [f64]) {
    match at {
        Child::Leaf(leaf) => {
            for place in 1..path.len() {
                let weight: f64 = unwound(path, place).iter().map(|p| p.3).sum();
                let Passed(feature, z, o, _) = path[place];
                let value = tree.leaves[leaf as usize].value;
                out[feature.unwrap() as usize] += weight * (o - z) * value;
            }
        }
        Child::Node(node) => {
            let node = &tree.nodes[node as usize];
            let feature = Some(node.feature);
            let before = path.iter().position(|passed| passed.0 == feature);
            let (z, o) = before.map_or((1.0, 1.0), |place| (path[place].1, path[place].2));
            let path = before.map_or_else(|| path.to_vec(), |place| unwound(path, place));
            let holds = node.test.holds(row[node.feature as usize]);
            for ((child, share), hot) in sides(tree, node).into_iter().zip([holds, !holds]) {
                let o = if hot { o } else { 0.0 };
                recurse(tree, child, row, &extended(&path, z * share, o, feature), out);
            }
        }
    }
}

/// Lundberg's second algorithm. It divides by `z`, so counts must be above 0.
fn by_recursion(model: &FittedBoosting, row: &[f64]) -> Vec<f64> {
    let mut out = vec![0.0; model.features() + 1];
    for tree in model.trees() {
        recurse(tree, tree.root(), row, &extended(&[], 1.0, 1.0, None), &mut out);
        *out.last_mut().unwrap() += game_by_leaves(tree, tree.root(), 1.0);
    }
    in_margins(model, out)
}

fn game_by_leaves(tree: &Tree, at: Child, share: f64) -> f64 {
    match at {
        Child::Leaf(leaf) => share * tree.leaves[leaf as usize].value,
        Child::Node(node) => {
            let sides = sides(tree, &tree.nodes[node as usize]);
            sides.iter().map(|(child, part)| game_by_leaves(tree, *child, share * part)).sum()
        }
    }
}

fn bits(numbers: &[f64]) -> Vec<u64> {
    numbers.iter().map(|x| x.to_bits()).collect()
}

fn assert_near(found: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(found.len(), expected.len());
    for (place, (a, b)) in found.iter().zip(expected).enumerate() {
        assert!((a - b).abs() <= tolerance, "at {place}: {a} and not {b}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn contributions_are_what_the_definition_says(
        seed: u64,
        features in 1_usize..8,
        leaves in 1_usize..14,
    ) {
        let (model, rows) = (model(seed, 3, leaves, features), rows(seed, 5, features));
        let found = Explainer::new(&model).contributions(&rows);
        for (row, found) in rows.iter().zip(found.chunks_exact(features + 1)) {
            assert_near(found, &by_definition(&model, row), 1e-12);
        }
    }

    #[test]
    fn contributions_are_those_of_the_recursion(
        seed: u64,
        features in 1_usize..60,
        leaves in 1_usize..70,
        chain: bool,
    ) {
        let mut draws = Draws(seed, 7);
        // A chain of 20 leaves: beyond, the recursion loses more digits than are compared.
        let leaves = if chain { leaves.min(20) } else { leaves };
        let tree = tree(leaves, features, Covers::Counts, chain, &mut draws);
        let model = FittedBoosting::new(features, vec![tree], false, 1.0).unwrap();
        let rows = rows(seed, 3, features);
        let found = Explainer::new(&model).contributions(&rows);
        for (row, found) in rows.iter().zip(found.chunks_exact(features + 1)) {
            assert_near(found, &by_recursion(&model, row), 1e-10);
        }
    }

    #[test]
    fn a_rows_contributions_sum_to_its_margin(
        seed: u64,
        features in 1_usize..90,
        leaves in 1_usize..120,
    ) {
        let (model, rows) = (model(seed, 6, leaves, features), rows(seed, 11, features));
        let found = Explainer::new(&model).contributions(&rows);
        for (margin, found) in model.margins(&rows).iter().zip(found.chunks_exact(features + 1)) {
            let sum: f64 = found.iter().sum();
            prop_assert!((sum - margin).abs() <= 1e-12 * (1.0 + margin.abs()), "{sum} {margin}");
        }
    }

    #[test]
    fn a_single_row_has_the_same_bits_as_in_a_batch(
        seed: u64,
        features in 1_usize..40,
        leaves in 1_usize..70,
        count in 1_usize..150,
    ) {
        let (model, rows) = (model(seed, 3, leaves, features), rows(seed, count, features));
        let explainer = Explainer::new(&model);
        let together = explainer.contributions(&rows);
        let (mut scratch, mut alone) = (explainer.scratch(), vec![f64::NAN; features + 1]);
        for (row, together) in rows.iter().zip(together.chunks_exact(features + 1)) {
            explainer.contributions_into(row, &mut scratch, &mut alone);
            prop_assert_eq!(bits(&alone), bits(together));
        }
    }
}

#[test]
fn any_number_of_threads_gives_the_same_bits() {
    let (model, rows) = (model(5, 20, 60, 30), rows(5, 1_000, 30));
    let explainer = Explainer::new(&model);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        bits(&pool.install(|| explainer.contributions(&rows)))
    };
    let one = on(1);
    assert!([2, 3, 8].into_iter().all(|threads| on(threads) == one));
}

#[test]
fn every_vector_width_gives_the_same_bits() {
    let (model, rows) = (model(9, 20, 60, 30), rows(9, LANES, 30));
    let explainer = Explainer::new(&model);
    let mut cells = vec![0.0; LANES * 30];
    for (row, from) in rows.iter().enumerate() {
        from.iter().enumerate().for_each(|(feature, cell)| cells[feature * LANES + row] = *cell);
    }
    let mut scratch = Scratch::new(&explainer.plans, LANES);
    let (mut widest, mut plain) = (vec![0.0; LANES * 30], vec![0.0; LANES * 30]);
    sweep::<LANES>(&explainer.plans, 30, &cells, &mut scratch, &mut widest);
    sweep::sweep_anywhere::<LANES>(&explainer.plans, 30, &cells, &mut scratch, &mut plain);
    assert_eq!(bits(&widest), bits(&plain));
    #[cfg(target_arch = "x86_64")]
    if is_x86_feature_detected!("avx2") {
        plain.fill(0.0);
        // SAFETY: the processor has AVX2, the line above asked.
        unsafe {
            sweep::sweep_avx2::<LANES>(&explainer.plans, 30, &cells, &mut scratch, &mut plain)
        };
        assert_eq!(bits(&widest), bits(&plain));
    }
}

#[test]
fn trees_without_questions_move_no_feature() {
    let model = FittedBoosting::new(2, vec![Tree::constant(0.25), Tree::constant(0.5)], false, 2.0)
        .unwrap();
    let explainer = Explainer::new(&model);
    assert_eq!(explainer.expected(), 1.5);
    assert_eq!(explainer.contributions(&rows(1, 2, 2)), [0.0, 0.0, 1.5, 0.0, 0.0, 1.5]);
    assert!(explainer.contributions(&Rows::new(2)).is_empty());
}

#[test]
fn a_feature_that_is_not_asked_contributes_nothing() {
    let (model, rows) = (model(3, 4, 20, 5), rows(3, 9, 5));
    let trees = model.trees().to_vec();
    let wider = FittedBoosting::new(7, trees, model.average(), model.sigmoid()).unwrap();
    let widened: Vec<f64> = rows.iter().flat_map(|row| [row, &[1.0, f64::NAN]].concat()).collect();
    let narrow = Explainer::new(&model).contributions(&rows);
    let wide = Explainer::new(&wider).contributions(&Rows::from_cells(7, widened));
    for (narrow, wide) in narrow.chunks_exact(6).zip(wide.chunks_exact(8)) {
        assert_eq!(bits(&narrow[..5]), bits(&wide[..5]));
        assert_eq!(wide[5..7], [0.0, 0.0]);
        assert_eq!(narrow[5].to_bits(), wide[7].to_bits());
    }
}

#[test]
fn a_chain_of_thousands_of_questions_adds_up() {
    let mut draws = Draws(11, 0);
    let chain = tree(2_000, 1_500, Covers::Counts, true, &mut draws);
    let model = FittedBoosting::new(1_500, vec![chain], false, 1.0).unwrap();
    let rows = rows(11, 3, 1_500);
    let found = Explainer::new(&model).contributions(&rows);
    for (margin, found) in model.margins(&rows).iter().zip(found.chunks_exact(1_501)) {
        assert!((found.iter().sum::<f64>() - margin).abs() < 1e-12);
    }
}

#[test]
fn counts_decide_then_weights_then_halves() {
    let expected = |covers: [(f64, f64); 2]| {
        let leaf = |(count, weight), value| Leaf { value, weight, count };
        let test = Test::Number { threshold: 0.0, missing: Missing::Nan, missing_left: false };
        let (left, right) = (Child::Leaf(0), Child::Leaf(1));
        let (gain, value, weight, count) = (1.0, 0.0, 9.0, 9.0);
        let node = Node { feature: 0, test, left, right, gain, value, weight, count };
        let leaves = vec![leaf(covers[0], 0.0), leaf(covers[1], 1.0)];
        let tree = Tree { nodes: vec![node], leaves };
        Explainer::new(&FittedBoosting::new(1, vec![tree], false, 1.0).unwrap()).expected()
    };
    assert_eq!(expected([(3.0, 5.0), (1.0, 5.0)]), 0.25);
    assert_eq!(expected([(0.0, 1.0), (0.0, 4.0)]), 0.8);
    assert_eq!(expected([(0.0, 0.0), (0.0, 0.0)]), 0.5);
    assert_eq!(expected([(0.0, 0.0), (2.0, 0.0)]), 1.0);
}
