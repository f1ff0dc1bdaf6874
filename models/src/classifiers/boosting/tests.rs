//! The booster against slow, obvious twins, and its laws.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::binning::{Bins, Searcher};
use super::histogram::{Histogram, fill, subtract};
use super::loss::{Packed, Scale, gradients, pack, probability};
use super::splitting::{Leaf, Rules, Split, Sums, has};
use super::table::Cells;
use super::tree::{Child, LevelSet, Missing, Node, Test, Tree, ZERO};
use super::*;
use crate::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema};

/// A number that looks random.
fn draw(row: usize, column: usize) -> f64 {
    unit(mix2(row as u64, column as u64))
}

/// Counts with many zeros, a heavy tail with gaps, few values with infinities, a constant, a column
/// without a value, one that is nearly always zero, categories.
fn frame(rows: usize) -> Frame {
    let number = |cell: &dyn Fn(f64, f64) -> f64, column: usize| {
        Column::Number(
            (0..rows).map(|row| cell(draw(row, column), draw(row, column + 100))).collect(),
        )
    };
    let gap = |share: f64, x: f64, other: f64| if other < share { f64::NAN } else { x };
    let levels: std::sync::Arc<[String]> = (0..40).map(|l| format!("l{l:02}")).collect();
    let codes = |row| match draw(row, 7) {
        x if x < 0.1 => MISSING_CODE,
        x => (x * x * 40.0) as u32,
    };
    let columns = vec![
        number(&|x, _| (x * 8.0 - 4.0).max(0.0).floor(), 0),
        number(&|x, other| gap(0.2, (x * 12.0).exp(), other), 1),
        number(
            &|x, _| [-1.0, 0.0, -0.0, 2.5, f64::INFINITY, f64::NEG_INFINITY][(x * 6.0) as usize],
            2,
        ),
        number(&|_, _| 3.0, 3),
        number(&|_, _| f64::NAN, 4),
        number(&|x, other| if x < 0.95 { 0.0 } else { gap(0.3, other, x * 20.0 - 19.0) }, 5),
        number(&|x, _| x, 6),
        Column::Category((0..rows).map(codes).collect()),
    ];
    let kind = |place| if place == 7 { Kind::Categorical(levels.clone()) } else { Kind::Numeric };
    let fields = (0..columns.len()).map(|f| Field { name: format!("f{f}"), kind: kind(f) });
    Frame::new(Schema::new(fields.collect()).unwrap(), columns).unwrap()
}

fn labels(frame: &Frame) -> Vec<bool> {
    let (counts, amounts) = (frame.numbers(0).unwrap(), frame.numbers(1).unwrap());
    let chance = |row: usize| {
        let amount = if amounts[row].is_nan() { 3.0 } else { amounts[row].ln() / 4.0 };
        probability(counts[row] - 1.0 - amount + frame.numbers(6).unwrap()[row])
    };
    (0..frame.rows()).map(|row| draw(row, 50) < chance(row)).collect()
}

struct Case {
    frame: Frame,
    features: Vec<usize>,
    rows: Vec<u32>,
    target: Vec<bool>,
    weight: Vec<f64>,
}

impl Case {
    fn new(rows: usize) -> Case {
        let frame = frame(rows);
        let target = labels(&frame);
        Case {
            features: (0..frame.schema().len()).collect(),
            rows: (0..rows as u32).collect(),
            weight: vec![1.0; rows],
            frame,
            target,
        }
    }

    fn data(&self) -> Dataset<'_> {
        Dataset {
            frame: &self.frame,
            features: &self.features,
            rows: &self.rows,
            target: &self.target,
            weight: &self.weight,
        }
    }

    fn fit(&self, params: &Boosting) -> FittedBoosting {
        let Fitted::Boosting(model) = params.fit(&self.data()).unwrap() else { unreachable!() };
        model
    }
}

fn small() -> Boosting {
    Boosting {
        num_iterations: 12,
        learning_rate: 0.2,
        min_data_in_leaf: 5.0,
        min_data_per_group: 5.0,
        ..Boosting::default()
    }
}

fn auc(model: &FittedBoosting, case: &Case) -> f64 {
    let margins = model.margins(&case.data().to_rows());
    let (mut wins, mut pairs) = (0.0, 0.0);
    for (a, _) in margins.iter().zip(&case.target).filter(|(_, t)| **t) {
        for (b, _) in margins.iter().zip(&case.target).filter(|(_, t)| !**t) {
            pairs += 1.0;
            wins += if a > b {
                1.0
            } else if a == b {
                0.5
            } else {
                0.0
            };
        }
    }
    wins / pairs
}

#[test]
fn every_cell_has_the_bin_that_its_cuts_say() {
    let case = Case::new(3_000);
    for max_bin in [2, 3, 15, 16, 63, 255] {
        let table = BinnedTable::new(&case.data(), max_bin);
        for feature in 0..case.features.len() {
            let bins = &table.bins[feature];
            assert!(bins.count() <= max_bin, "feature {feature}: {} bins", bins.count());
            let Some(place) = table.places[feature] else { continue };
            for (row, cell) in case.data().cells(feature).into_iter().enumerate() {
                let expected = match bins {
                    _ if cell.is_nan() => bins.count() as u8,
                    Bins::Number { cuts } => cuts.iter().filter(|cut| cell > **cut).count() as u8,
                    Bins::Levels { bin, .. } => bin[cell as usize],
                };
                assert_eq!(
                    table.bin(place, row as u32),
                    expected,
                    "feature {feature}, cell {cell}"
                );
            }
        }
        let told: Vec<bool> = table.places.iter().map(Option::is_some).collect();
        assert_eq!(told, [true, true, true, false, false, true, true, true]);
    }
}

#[test]
fn zero_has_a_bin_of_its_own_where_it_is_frequent() {
    let case = Case::new(5_000);
    let Bins::Number { cuts } = Bins::fit(&case.data(), 5, 16) else { unreachable!() };
    let cells = case.data().cells(5);
    let alone = cells.iter().filter(|x| Bins::Number { cuts: cuts.clone() }.bin(**x) == 0);
    assert!(alone.clone().count() > 4_000 && alone.into_iter().all(|x| *x == 0.0));
}

#[test]
fn few_values_have_a_bin_each_and_cuts_half_way() {
    let case = Case::new(500);
    let Bins::Number { cuts } = Bins::fit(&case.data(), 2, 255) else { unreachable!() };
    // -inf, -1, 0, 2.5, inf: no number is half way to an infinity, so the cut is the number before.
    assert_eq!(cuts, [f64::NEG_INFINITY, -0.5, 1.25, 2.5]);
}

#[test]
fn blocks_are_of_all_three_kinds() {
    let case = Case::new(5_000);
    let table = BinnedTable::new(&case.data(), 255);
    let count = |kind: fn(&Cells) -> bool| table.blocks.iter().filter(|b| kind(&b.cells)).count();
    let kinds = [
        count(|cells| matches!(cells, Cells::Bytes(_))),
        count(|cells| matches!(cells, Cells::Nibbles(_))),
        count(|cells| matches!(cells, Cells::Sparse { .. })),
    ];
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
    let sparse = table.blocks.iter().find(|b| matches!(b.cells, Cells::Sparse { .. })).unwrap();
    assert_eq!(sparse.features, [5]);
}

proptest! {
    #[test]
    fn a_search_counts_the_cuts_below(
        mut cuts in prop::collection::vec(-50_i32..50, 0..255),
        cells in prop::collection::vec(-52_i32..52, 1..50),
    ) {
        cuts.sort_unstable();
        cuts.dedup();
        let cuts: Vec<f64> = cuts.into_iter().map(f64::from).collect();
        let mut cells: Vec<f64> = cells.into_iter().map(|x| f64::from(x) / 2.0).collect();
        cells.extend([f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -0.0]);
        let mut bins = vec![0; cells.len()];
        Searcher::new(&cuts, 255).bins(&cells, &mut bins);
        for (cell, bin) in cells.iter().zip(bins) {
            let expected = cuts.iter().filter(|cut| cell > *cut).count() as u8;
            prop_assert_eq!(bin, if cell.is_nan() { 255 } else { expected });
        }
    }
}

#[test]
fn histograms_are_the_sums_of_their_rows() {
    let case = Case::new(4_000);
    let table = BinnedTable::new(&case.data(), 255);
    let rows: Vec<u32> = (0..4_000).filter(|row| row % 3 != 1).collect();
    let gradient =
        |row: u32| (u64::from(row % 7) << 32).wrapping_sub(3 << 32).wrapping_add(row as u64);
    let packed: Vec<Packed> = rows.iter().map(|&row| gradient(row)).collect();
    let total = packed.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
    for block in &table.blocks {
        let naive = |rows: &[u32]| {
            let mut sums: Histogram = vec![0; block.slots()];
            for &row in rows {
                for lane in 0..block.features.len() {
                    let sum = &mut sums[lane * block.stride + block.bin(lane, row) as usize];
                    *sum = sum.wrapping_add(gradient(row));
                }
            }
            sums
        };
        let lanes: Vec<usize> = (0..block.features.len()).collect();
        let mut found = Histogram::new();
        fill(block, &lanes, &rows, &packed, total, &mut found);
        assert_eq!(found, naive(&rows));
        let (some, others) = rows.split_at(100);
        let part = packed[..100].iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        let mut child = Histogram::new();
        fill(block, &lanes, some, &packed[..100], part, &mut child);
        subtract(&mut found, &child);
        assert_eq!(found, naive(others));
    }
}

/// Full blocks of 16 features of each number of bins, and of 32 nibbles: those have loops of their own.
#[test]
fn histograms_of_full_blocks_are_the_sums_of_their_rows() {
    for values in [8.0, 25.0, 60.0, 120.0, 250.0] {
        let cell = |row, column| (draw(row, column) * values).floor();
        let columns = (0..40).map(|c| Column::Number((0..900).map(|r| cell(r, c)).collect()));
        let field = |f| Field { name: format!("f{f}"), kind: Kind::Numeric };
        let schema = Schema::new((0..40).map(field).collect()).unwrap();
        let frame = Frame::new(schema, columns.collect()).unwrap();
        let (features, rows): (Vec<usize>, Vec<u32>) = ((0..40).collect(), (0..900).collect());
        let (target, weight) = (vec![true; 900], vec![1.0; 900]);
        let data = Dataset {
            frame: &frame,
            features: &features,
            rows: &rows,
            target: &target,
            weight: &weight,
        };
        let table = BinnedTable::new(&data, 255);
        let packed: Vec<Packed> = rows.iter().map(|&row| u64::from(row) << 32 | 1).collect();
        let total = packed.iter().sum();
        for block in &table.blocks {
            let lanes: Vec<usize> = (0..block.features.len()).collect();
            let (mut found, mut naive) = (Histogram::new(), vec![0; block.slots()]);
            fill(block, &lanes, &rows, &packed, total, &mut found);
            for (&row, gh) in rows.iter().zip(&packed) {
                lanes
                    .iter()
                    .for_each(|&l| naive[l * block.stride + block.bin(l, row) as usize] += gh);
            }
            assert_eq!(found, naive, "{values} values");
        }
    }
}

#[test]
fn packed_gradients_keep_their_sums() {
    let pairs: Vec<(f64, f64)> =
        (0..50_000).map(|row| (draw(row, 0).powi(9) - 0.001, draw(row, 1) * 0.01)).collect();
    let mut packed = vec![0; pairs.len()];
    let scale = pack(&pairs, 7, &mut packed);
    let total = packed.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
    let (g, h) = pairs.iter().fold((0.0, 0.0), |(g, h), pair| (g + pair.0, h + pair.1));
    assert!((scale.gradient(total) - g).abs() < 1e-3 * g.abs(), "{} {g}", scale.gradient(total));
    assert!((scale.hessian(total) - h).abs() < 1e-4 * h, "{} {h}", scale.hessian(total));
    for (packed, (g, h)) in packed.iter().zip(&pairs) {
        assert!((scale.gradient(*packed) - g).abs() <= scale.gradient);
        assert!((scale.hessian(*packed) - h).abs() <= scale.hessian);
    }
}

#[test]
fn gradients_are_the_slope_of_the_loss() {
    let margins = [-30.0, -2.0, 0.0, 0.5, 40.0];
    let loss = |m: f64, y: bool| if y { (1.0 + (-m).exp()).ln() } else { (1.0 + m.exp()).ln() };
    for y in [false, true] {
        let mut pairs = [(0.0, 0.0); 5];
        gradients(&margins, &[y; 5], &[3.0; 5], &mut pairs);
        for (m, (g, h)) in margins.iter().zip(pairs) {
            let slope = 3.0 * (loss(m + 1e-6, y) - loss(m - 1e-6, y)) / 2e-6;
            assert!((g - slope).abs() < 1e-6, "{m}: {g} {slope}");
            let p = probability(*m);
            assert!((h - 3.0 * p * (1.0 - p)).abs() < 1e-12);
        }
    }
}

/// All cuts and both sides for missing, one after the other.
fn naive_cut(rules: &Rules<'_>, leaf: &Leaf, sums: &[Packed], sign: i8) -> Option<f64> {
    let params = rules.params;
    let (values, missing) = (&sums[..sums.len() - 1], sums[sums.len() - 1]);
    let shrunk = |g: f64| (g.abs() - params.lambda_l1).max(0.0).copysign(g);
    let free = leaf.bounds == (f64::NEG_INFINITY, f64::INFINITY) && sign == 0;
    let gain = |sum: Packed| {
        let (g, h) =
            (shrunk(rules.scale.gradient(sum)), rules.scale.hessian(sum) + params.lambda_l2);
        let value = (-g / h).clamp(leaf.bounds.0, leaf.bounds.1);
        if free { g * g / h } else { -(2.0 * g * value + h * value * value) }
    };
    let value = |sum: Packed| {
        let (g, h) =
            (shrunk(rules.scale.gradient(sum)), rules.scale.hessian(sum) + params.lambda_l2);
        (-g / h).clamp(leaf.bounds.0, leaf.bounds.1)
    };
    let rows =
        |sum: Packed| leaf.count * rules.scale.hessian(sum) / rules.scale.hessian(leaf.total);
    let mut best: Option<f64> = None;
    for missing_left in [false, true] {
        for cut in 0..values.len() {
            let mut left = if missing_left { missing } else { 0 };
            left = values[..=cut].iter().fold(left, |sum, x| sum.wrapping_add(*x));
            let right = leaf.total.wrapping_sub(left);
            let fits = [left, right].into_iter().all(|side| {
                rows(side) >= params.min_data_in_leaf * (1.0 - 1e-12)
                    && rules.scale.hessian(side) >= params.min_sum_hessian_in_leaf
                    && side as u32 > 0
            });
            if fits && f64::from(sign) * (value(right) - value(left)) >= 0.0 {
                let found = gain(left) + gain(right) - gain(leaf.total);
                best = Some(best.map_or(found, |best: f64| best.max(found)));
            }
        }
    }
    best.filter(|gain| *gain > 1e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_best_cut_is_the_best_of_all(
        bins in prop::collection::vec((-40_i32..40, 0_u32..30), 2..70),
        (l1, l2, least) in (0.0..3.0_f64, 0.0..5.0_f64, 0.0..20.0_f64),
        sign in -1_i8..=1,
        bounded in any::<bool>(),
    ) {
        let sums: Vec<Packed> = bins
            .iter()
            .map(|(g, h)| (((i64::from(*g)) << 32) as u64).wrapping_add(u64::from(*h)))
            .map(|sum| if sum as u32 == 0 { 0 } else { sum })
            .collect();
        let total = sums.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        prop_assume!(total as u32 > 0);
        let params = Boosting {
            lambda_l1: l1, lambda_l2: l2, min_data_in_leaf: least, min_sum_hessian_in_leaf: 0.1, ..Boosting::default()
        };
        let rules = Rules { params: &params, scale: Scale { gradient: 0.5, hessian: 0.25 } };
        let bounds = if bounded { (-0.7, 0.4) } else { (f64::NEG_INFINITY, f64::INFINITY) };
        let leaf = Leaf { total, count: 300.0, bounds };
        let cuts: Vec<f64> = (0..bins.len() - 2).map(|cut| cut as f64).collect();
        let bins = Bins::Number { cuts };
        let found = rules.best(&leaf, &Sums { feature: 3, bins: &bins, sums: &sums, sign });
        let expected = naive_cut(&rules, &leaf, &sums, sign);
        match (found, expected) {
            (None, None) => {}
            (Some(Split { gain, left, left_bins, .. }), Some(expected)) => {
                prop_assert!((gain - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{gain} {expected}");
                // Its sums are those of its bins.
                let of_bins = (0..sums.len()).filter(|bin| has(&left_bins, *bin as u8));
                let sum = of_bins.fold(0_u64, |sum, bin| sum.wrapping_add(sums[bin]));
                prop_assert_eq!(left, sum);
            }
            (found, expected) => {
                // A gain of nothing but rounding may be seen as either.
                let gain = found.map(|f| f.gain).or(expected).unwrap();
                prop_assert!(gain < 1e-6, "{found:?} {expected:?}");
            }
        }
    }
}

#[test]
fn levels_split_as_the_best_of_all_sets_where_they_are_few() {
    let params = Boosting {
        lambda_l2: 0.0,
        cat_l2: 0.0,
        cat_smooth: 0.0,
        min_data_in_leaf: 0.0,
        min_data_per_group: 0.0,
        min_sum_hessian_in_leaf: 0.0,
        ..Boosting::default()
    };
    let rules = Rules { params: &params, scale: Scale { gradient: 0.1, hessian: 0.1 } };
    for case in 0..200_usize {
        let sum = |bin: usize| {
            let g = (draw(case, bin) * 100.0) as i64 - 50;
            ((g << 32) as u64).wrapping_add(1 + (draw(case, bin + 50) * 40.0) as u64)
        };
        let sums: Vec<Packed> = (0..6).map(sum).collect();
        let total = sums.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        let leaf = Leaf { total, count: 100.0, bounds: (f64::NEG_INFINITY, f64::INFINITY) };
        let bins = Bins::Levels { bin: vec![0, 1, 2, 3, 4], bins: 5 };
        let found = rules.best(&leaf, &Sums { feature: 0, bins: &bins, sums: &sums, sign: 0 });
        let gain = |sum: Packed| rules.scale.gradient(sum).powi(2) / rules.scale.hessian(sum);
        let of_set = |set: u32| {
            let left = (0..6)
                .filter(|bin| set >> bin & 1 == 1)
                .fold(0_u64, |s, b| s.wrapping_add(sums[b]));
            gain(left) + gain(total.wrapping_sub(left)) - gain(total)
        };
        // Fisher 1958: the best set is one of those in the order of the ratios.
        let best = (1..63).map(of_set).fold(0.0, f64::max);
        assert!((found.map_or(0.0, |f| f.gain) - best).abs() < 1e-9, "case {case}");
    }
}

/// Trees with all kinds of questions, from drawn numbers.
fn random_tree(seed: usize, nodes: usize, features: u32) -> Tree {
    let mut tree = Tree {
        nodes: Vec::new(),
        leaves: vec![super::tree::Leaf { value: 0.0, weight: 1.0, count: 1.0 }],
    };
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
        tree.leaves.push(super::tree::Leaf { value: 0.0, weight: 1.0, count: 1.0 });
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

#[test]
fn binned_and_raw_answers_are_the_same() {
    for (seed, max_bin) in [(0, 255), (1, 20), (2, 4)] {
        let case = Case::new(2_500);
        let params = Boosting { max_bin, seed, num_leaves: 40, feature_fraction: 1.0, ..small() };
        let table = BinnedTable::new(&case.data(), max_bin);
        // Half of the rows are learned from; margins of the others are added up in bins.
        let (learned, watched): (Vec<u32>, Vec<u32>) =
            case.rows.iter().partition(|row| **row % 2 == 0);
        let data = case.data();
        let watch = data.with_rows(&watched);
        // So few trees that each is an improvement: none is dropped.
        let stopping = Boosting { num_iterations: 3, ..params };
        let fit = super::fit::tests::margins_in_bins(
            &stopping,
            &table,
            &data.with_rows(&learned),
            &watch,
        );
        let raw = fit.0.margins(&watch.to_rows());
        for (a, b) in fit.1.iter().zip(&raw) {
            assert!((a - b).abs() < 1e-12, "{a} {b}");
        }
    }
}

#[test]
fn the_same_model_on_any_number_of_threads() {
    let case = Case::new(20_000);
    let params =
        Boosting { bagging_fraction: 0.7, feature_fraction: 0.8, num_leaves: 31, ..small() };
    let fit = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| case.fit(&params))
    };
    let one = fit(1);
    assert!([2, 3, 8].into_iter().all(|threads| fit(threads) == one));
}

#[test]
fn a_weight_of_two_is_a_row_twice() {
    let mut weighted = Case::new(600);
    let doubled = |row: u32| row.is_multiple_of(3);
    weighted.weight = (0..600).map(|row| if doubled(row) { 2.0 } else { 1.0 }).collect();
    let mut repeated = Case::new(600);
    repeated.rows = (0..600).flat_map(|row| vec![row; if doubled(row) { 2 } else { 1 }]).collect();
    let params = Boosting { feature_fraction: 1.0, ..small() };
    let (a, b) = (weighted.fit(&params), repeated.fit(&params));
    let rows = weighted.data().to_rows();
    for (a, b) in a.margins(&rows).iter().zip(b.margins(&rows)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
}

#[test]
fn monotone_features_move_the_margin_one_way() {
    let case = Case::new(4_000);
    for (feature, sign) in [("f6", -1_i8), ("f6", 1), ("f1", 1)] {
        let params = Boosting {
            monotone_constraints: BTreeMap::from([(feature.to_owned(), sign)]),
            num_leaves: 40,
            feature_fraction: 1.0,
            path_smooth: 5.0,
            ..small()
        };
        let model = case.fit(&params);
        let place = feature[1..].parse::<usize>().unwrap();
        for row in case.data().to_rows().iter().take(200) {
            let margin = |x: f64| {
                let mut row = row.to_vec();
                row[place] = x;
                f64::from(sign) * model.raw_score(&row)
            };
            let grid = (0..60)
                .map(|i| if place == 6 { f64::from(i) / 60.0 } else { f64::from(i * i * i) });
            let margins: Vec<f64> = grid.map(margin).collect();
            assert!(margins.windows(2).all(|w| w[0] <= w[1]), "{feature} {sign} {margins:?}");
        }
    }
}

/// The features of each path from the root to a leaf.
fn paths(tree: &Tree) -> Vec<Vec<u32>> {
    let mut above: Vec<Vec<u32>> = vec![Vec::new(); tree.nodes.len()];
    let mut paths = Vec::new();
    for (place, node) in tree.nodes.iter().enumerate() {
        let mut path = above[place].clone();
        path.push(node.feature);
        for child in [node.left, node.right] {
            match child {
                Child::Node(child) => above[child as usize] = path.clone(),
                Child::Leaf(_) => paths.push(path.clone()),
            }
        }
    }
    paths
}

#[test]
fn features_stand_together_only_as_allowed() {
    let case = Case::new(4_000);
    let names = |group: &[&str]| group.iter().map(|&name| name.to_owned()).collect();
    let params = Boosting {
        interaction_constraints: vec![names(&["f0", "f1"]), names(&["f1", "f6"])],
        feature_fraction: 1.0,
        ..small()
    };
    let model = case.fit(&params);
    let mut pairs = 0;
    for path in model.trees().iter().flat_map(paths) {
        let allowed = |group: &[u32]| path.iter().all(|feature| group.contains(feature));
        let fits = [&[0, 1][..], &[1, 6], &[2], &[5], &[7]].into_iter().any(allowed);
        assert!(fits, "{path:?}");
        pairs += usize::from(path.iter().any(|f| *f != path[0]));
    }
    assert!(pairs > 0, "allowed pairs are used");
}

#[test]
fn growth_keeps_its_limits() {
    let case = Case::new(3_000);
    let params = Boosting {
        num_leaves: 9,
        max_depth: 4,
        min_data_in_leaf: 40.0,
        min_sum_hessian_in_leaf: 2.0,
        min_gain_to_split: 0.5,
        feature_fraction: 1.0,
        ..small()
    };
    let model = case.fit(&params);
    assert!(model.trees().iter().any(|tree| tree.leaves.len() == 9));
    for tree in model.trees() {
        assert!(tree.leaves.len() <= 9 && tree.depth() <= 4);
        assert!(tree.nodes.iter().all(|node| node.gain >= 0.5));
        assert!(tree.leaves.iter().all(|leaf| leaf.weight >= 2.0 - 1e-6), "{:?}", tree.leaves);
        let rows: f64 = tree.leaves.iter().map(|leaf| leaf.count).sum();
        assert_eq!(rows, 3_000.0);
    }
    let strong = case.fit(&Boosting { lambda_l1: 1e9, ..params });
    assert!(
        strong.trees().iter().all(|tree| tree.nodes.is_empty()),
        "no gradient is left to split by"
    );
}

#[test]
fn rows_may_be_sampled_without_losing_the_signal() {
    let case = Case::new(4_000);
    let all = auc(&case.fit(&small()), &case);
    for params in [
        Boosting { bagging_fraction: 0.5, ..small() },
        Boosting { top_rate: 0.2, other_rate: 0.2, ..small() },
        Boosting { feature_fraction_bynode: 0.5, ..small() },
        Boosting { scale_pos_weight: 5.0, ..small() },
        Boosting { path_smooth: 20.0, ..small() },
    ] {
        let model = case.fit(&params);
        let found = auc(&model, &case);
        assert!(found > 0.75 && found > all - 0.03, "{found} {all}");
        assert!(model != case.fit(&small()), "the parameter changes something");
    }
}

#[test]
fn scale_pos_weight_moves_the_base_rate() {
    let case = Case::new(2_000);
    let mean = |params: &Boosting| {
        let margins = case.fit(params).margins(&case.data().to_rows());
        margins.iter().map(|m| probability(*m)).sum::<f64>() / 2_000.0
    };
    let truth = case.target.iter().filter(|t| **t).count() as f64 / 2_000.0;
    assert!((mean(&small()) - truth).abs() < 0.01);
    assert!(mean(&Boosting { scale_pos_weight: 4.0, ..small() }) > truth + 0.1);
}

#[test]
fn early_stopping_chooses_fewer_trees_on_noise() {
    let mut case = Case::new(2_000);
    case.target = (0..2_000).map(|row| draw(row, 77) < 0.4).collect();
    for metric in [Metric::LogLoss, Metric::RocAuc, Metric::AveragePrecision] {
        let params = Boosting {
            early_stopping_round: 5,
            validation_fraction: 0.3,
            num_iterations: 200,
            metric,
            ..small()
        };
        let trees = case.fit(&params).trees().len();
        assert!(trees < 60, "{metric:?}: {trees} trees");
    }
}

#[test]
fn targets_learned_together_are_those_learned_alone() {
    let case = Case::new(2_000);
    let other: Vec<bool> = (0..2_000).map(|row| draw(row, 88) < 0.3).collect();
    let params = small();
    let table = BinnedTable::new(&case.data(), params.max_bin);
    let some = [0, 1, 6];
    let second = Dataset { target: &other, features: &some, ..case.data() };
    let both = params.fit_targets(&table, &[(case.data(), None), (second, None)]).unwrap();
    assert!(both[0] == case.fit(&params));
    assert!(both[1] == params.fit_binned(&table, &second).unwrap());
    // The second may look at three features only, and numbers them as its own dataset does.
    assert_eq!(both[1].features(), 3);
}

#[test]
fn unknown_levels_go_where_missing_goes() {
    let mut case = Case::new(3_000);
    let codes = case.data().cells(7);
    case.target = codes
        .iter()
        .enumerate()
        .map(|(row, code)| draw(row, 3) < if *code < 8.0 { 0.7 } else { 0.2 })
        .collect();
    let model = case.fit(&Boosting { feature_fraction: 1.0, ..small() });
    let mut row = vec![0.0; 8];
    let mut margin = |cell| {
        row[7] = cell;
        model.raw_score(&row)
    };
    assert_eq!(margin(f64::NAN).to_bits(), margin(crate::frame::UNKNOWN_LEVEL).to_bits());
    assert!(margin(2.0) > margin(30.0) + 0.5);
}

#[test]
fn parameters_out_of_range_are_refused_with_their_name() {
    let check = |params: Boosting, name: &str| {
        let message = params.validate().unwrap_err().to_string();
        assert!(message.starts_with(name), "{message}");
    };
    check(Boosting { num_leaves: 1, ..Boosting::default() }, "num_leaves is 1");
    check(Boosting { max_bin: 256, ..Boosting::default() }, "max_bin is 256");
    check(Boosting { learning_rate: f64::NAN, ..Boosting::default() }, "learning_rate is NaN");
    check(Boosting { feature_fraction: 0.0, ..Boosting::default() }, "feature_fraction is 0");
    check(Boosting { top_rate: 0.5, other_rate: 0.6, ..Boosting::default() }, "other_rate is 0.6");
    check(
        Boosting { top_rate: 0.5, bagging_fraction: 0.5, ..Boosting::default() },
        "bagging_fraction",
    );
    let signs = BTreeMap::from([("f0".to_owned(), 2)]);
    check(
        Boosting { monotone_constraints: signs, ..Boosting::default() },
        "monotone_constraints is 2",
    );
    let case = Case::new(100);
    let signs = BTreeMap::from([("f7".to_owned(), 1)]);
    let params = Boosting { monotone_constraints: signs, ..Boosting::default() };
    let message = params.fit(&case.data()).unwrap_err().to_string();
    assert!(message.contains("categorical feature f7"), "{message}");
    let signs = BTreeMap::from([("f00".to_owned(), 1)]);
    let message = Boosting { monotone_constraints: signs, ..Boosting::default() }
        .fit(&case.data())
        .unwrap_err();
    assert!(message.to_string().contains("did you mean \"f0\""), "{message}");
}

#[test]
fn one_class_is_refused() {
    let mut case = Case::new(50);
    case.target = vec![false; 50];
    assert!(matches!(small().fit(&case.data()), Err(crate::error::Error::OneClass { .. })));
}

#[test]
fn a_tree_that_draws_no_feature_does_not_end_the_fit() {
    let mut case = Case::new(500);
    case.features = vec![6];
    case.target = (0..500).map(|row| draw(row, 3) < 0.2 + 0.6 * draw(row, 6)).collect();
    for seed in 0..20 {
        let params = Boosting { feature_fraction: 0.05, num_iterations: 40, seed, ..small() };
        assert_eq!(case.fit(&params).trees().len(), 40);
    }
}

#[test]
fn a_level_without_a_training_row_goes_where_missing_goes() {
    let mut case = Case::new(3_000);
    let unseen = |row: &u32| case.data().cells(7)[*row as usize] == 3.0;
    let learned: Vec<u32> = case.rows.iter().copied().filter(|row| !unseen(row)).collect();
    case.rows = learned;
    let Bins::Levels { bin, bins } = Bins::fit(&case.data(), 7, 255) else { unreachable!() };
    assert_eq!(usize::from(bin[3]), bins);
    let model = case.fit(&Boosting { feature_fraction: 1.0, ..small() });
    let margin = |cell| model.raw_score(&[0.0, 1.0, 0.0, 3.0, 0.0, 0.0, 0.5, cell]);
    assert_eq!(margin(3.0).to_bits(), margin(f64::NAN).to_bits());
}

#[test]
fn large_values_keep_their_cuts_among_many_heavy_ones() {
    // Seven heavy values with light ones between: a bin for each and one before each are too many.
    let cell = |row: usize| match draw(row, 0) {
        x if x < 0.9 => (x * 7.7).floor(),
        x => (x - 0.9) * 70.0 + 0.01,
    };
    let column = Column::Number((0..5_000).map(cell).collect());
    let schema = Schema::new(vec![Field { name: "x".into(), kind: Kind::Numeric }]).unwrap();
    let frame = Frame::new(schema, vec![column]).unwrap();
    let (rows, target, weight): (Vec<u32>, _, _) =
        ((0..5_000).collect(), vec![true; 5_000], vec![1.0; 5_000]);
    let data =
        Dataset { frame: &frame, features: &[0], rows: &rows, target: &target, weight: &weight };
    let Bins::Number { cuts } = Bins::fit(&data, 0, 8) else { unreachable!() };
    assert!(cuts.len() <= 7 && *cuts.last().unwrap() > 4.0, "{cuts:?}");
}
