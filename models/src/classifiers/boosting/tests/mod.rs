//! The booster's laws on whole fits; its parts against slow, obvious twins in the files below.

mod scoring;
mod splits;
mod sums;

use std::collections::BTreeMap;

use crate::classifiers::boosting::binning::Bins;
use crate::classifiers::boosting::loss::probability;
use crate::classifiers::boosting::tree::{Child, Tree};
use crate::classifiers::boosting::*;
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
        let fit = crate::classifiers::boosting::fit::tests::margins_in_bins(
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
fn a_number_is_learned_by_least_squares() {
    let case = Case::new(4_000);
    let signal = |row: usize| {
        let x = case.frame.numbers(6).unwrap()[row];
        if x < 0.5 { -20.0 * x } else { 300.0 }
    };
    let response: Vec<f64> = (0..4_000).map(|row| signal(row) + draw(row, 60) - 0.5).collect();
    let data = case.data();
    let params = Boosting { num_iterations: 200, feature_fraction: 1.0, ..small() };
    let table = BinnedTable::new(&data, params.max_bin);
    let model = params.fit_response(&table, &data, &response).unwrap();
    let raw = model.margins(&data.to_rows());
    let off = raw.iter().enumerate().map(|(row, raw)| (raw - signal(row)).abs()).sum::<f64>();
    assert!(off / 4_000.0 < 0.3, "mean distance {}", off / 4_000.0);
    // One tree at full rate and without shrinking: its leaves are means, so that sums are kept.
    let one = Boosting { num_iterations: 1, learning_rate: 1.0, lambda_l2: 0.0, ..params };
    let raw = one.fit_response(&table, &data, &response).unwrap().margins(&data.to_rows());
    let (sum, expected) = (raw.iter().sum::<f64>(), response.iter().sum::<f64>());
    assert!((sum - expected).abs() < 1e-6 * expected.abs(), "{sum} {expected}");
    // A weight is so many equal rows.
    let half: Vec<u32> = (0..2_000).collect();
    let twice: Vec<u32> = half.iter().flat_map(|row| [*row, *row]).collect();
    let weight = vec![2.0; 4_000];
    let by_weight = Dataset { weight: &weight, ..data.with_rows(&half) };
    let weighted = one.fit_response(&table, &by_weight, &response).unwrap();
    let repeated = one.fit_response(&table, &data.with_rows(&twice), &response).unwrap();
    let rows = data.to_rows();
    for (a, b) in weighted.margins(&rows).iter().zip(repeated.margins(&rows)) {
        assert!((a - b).abs() < 1e-6 * (1.0 + b.abs()), "{a} {b}");
    }
    assert!(one.fit_response(&table, &data.with_rows(&[]), &response).is_err());
}
