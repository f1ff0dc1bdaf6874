use proptest::prelude::*;
use rekindle_models::artifact::{CalibrationCheck, Influence};
use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Column, Field, Frame, Kind, MISSING_CODE, Schema};
use rekindle_models::metrics::Interval;
use rekindle_models::seed::{mix2, unit};

use super::*;
use crate::holdout::HoldoutOptions;
use crate::label::TargetSpec;
use crate::options::tests::plain;
use crate::options::{FitOptions, ModelChoice};
use crate::pipeline::fit;
use crate::reference::reference;
use crate::report::{Compared, DriftDocument};
use crate::simulate::table::{ID, LEAK, TARGET, World};

fn draw(seed: u64, row: usize, of: u64) -> f64 {
    unit(mix2(mix2(seed, of), row as u64))
}

/// The index by its formula, without smoothing: of shares that are nowhere 0.
fn psi_by_definition(p: &[f64], q: &[f64]) -> f64 {
    let sum = |x: &[f64]| x.iter().sum::<f64>();
    let mut psi = 0.0;
    for i in 0..p.len() {
        let (p, q) = (p[i] / sum(p), q[i] / sum(q));
        psi += (q - p) * (q / p).ln();
    }
    psi
}

proptest! {
    #[test]
    fn the_psi_of_many_rows_is_that_of_the_formula(
        cells in prop::collection::vec((1.0_f64..100.0, 1.0_f64..100.0), 2..30),
    ) {
        let (p, q): (Vec<f64>, Vec<f64>) = cells.into_iter().unzip();
        let spread = |cells| Spread { cells, rows: 1e12 };
        let psi = psi(spread(&p), spread(&q));
        prop_assert!((psi - psi_by_definition(&p, &q)).abs() < 1e-8);
    }

    #[test]
    fn corrected_p_values_are_those_of_the_definition(
        p in prop::collection::vec(0.0_f64..1.0, 1..40),
    ) {
        let found = corrected(&p);
        for (i, corrected) in found.iter().enumerate() {
            // The least n p(k) / k of those from its own rank on.
            let rank = |x: f64| p.iter().filter(|y| **y <= x).count() as f64;
            let of = p.iter().filter(|x| **x >= p[i]).map(|&x| x * p.len() as f64 / rank(x));
            prop_assert!((corrected - of.fold(1.0, f64::min)).abs() < 1e-12);
        }
    }
}

#[test]
fn the_chi_squared_test_is_that_of_the_textbook() {
    // 2 x 2: (30, 70) and (45, 55): chi-squared 4.8 without continuity, p 0.02846.
    let (a, b) = ([30.0, 70.0], [45.0, 55.0]);
    let test = homogeneity(Spread { cells: &a, rows: 100.0 }, Spread { cells: &b, rows: 100.0 });
    assert!((test.statistic - 4.8).abs() < 1e-9, "{test:?}");
    assert!((test.p_value - 0.028_46).abs() < 1e-5, "{test:?}");
    // A cell that one row is in is no evidence by itself.
    let (a, b) = ([100.0, 0.0], [99.0, 1.0]);
    let test = homogeneity(Spread { cells: &a, rows: 100.0 }, Spread { cells: &b, rows: 100.0 });
    assert_eq!(test.p_value, 1.0);
}

/// A table of numbers, each column of another law.
fn numbers(seed: u64, rows: usize, features: usize) -> Frame {
    let column = |f: usize| {
        let value = |row| {
            let u = draw(seed, row, f as u64);
            match f % 4 {
                0 => u,
                1 => (-u.ln() * 3.0).floor(),
                2 if u < 0.2 => f64::NAN,
                2 => u * u,
                _ => (u - 0.7).max(0.0),
            }
        };
        Column::Number((0..rows).map(value).collect())
    };
    let field = |f: usize| Field { name: format!("f{f}"), kind: Kind::Numeric };
    let schema = Schema::new((0..features).map(field).collect()).unwrap();
    Frame::new(schema, (0..features).map(column).collect()).unwrap()
}

#[test]
fn without_drift_few_of_200_features_are_called_drifted() {
    let (features, rows) = (200, 1_500);
    let (mut runs, mut discoveries, mut chance) = (0, 0, 0.0);
    for seed in 0..20 {
        let then = numbers(2 * seed, rows, features);
        let places: Vec<usize> = (0..features).collect();
        let all: Vec<u32> = (0..rows as u32).collect();
        let (target, weight) = (vec![true; rows], vec![1.0; rows]);
        let probability = vec![0.5; rows];
        let data = Dataset {
            frame: &then,
            features: &places,
            rows: &all,
            target: &target,
            weight: &weight,
        };
        let judged =
            Judged { probability: &probability, target: &target, weight: &weight, group: None };
        let before = reference(&data, &judged, 0.5, None, false);
        let now = numbers(2 * seed + 1, rows, features);
        let tallies = tally(&now, now.schema(), &before.features, None);
        let n = rows as f64;
        let of = |(then, now): (&rekindle_models::artifact::Distribution, &Tally)| {
            let then = then.cells();
            let (then, now) =
                (Spread { cells: &then, rows: n }, Spread { cells: &now.cells, rows: n });
            (homogeneity(then, now).p_value, psi(then, now) - psi_by_chance(then, now))
        };
        let found: Vec<(f64, f64)> = before.features.iter().zip(&tallies).map(of).collect();
        let p: Vec<f64> = found.iter().map(|(p, _)| *p).collect();
        let count = corrected(&p).iter().filter(|p| **p <= FALSE_DISCOVERIES).count();
        discoveries += count;
        runs += usize::from(count > 0);
        chance += found.iter().map(|(_, psi)| psi).sum::<f64>() / features as f64 / 20.0;
    }
    // Of 4,000; without the correction they would be about 200.
    assert!(runs <= 4 && discoveries <= 6, "{discoveries} in {runs} of 20 runs");
    // What is taken off for chance is what chance gives.
    assert!(chance.abs() < 0.001, "{chance}");
}

const LEVELS: [&str; 3] = ["basic", "gold", "plus"];

/// Customers whose target follows from `strong`, a little from `weak`; `plan` tells something. `moved` changes cells.
fn customers(seed: u64, rows: usize, moved: &dyn Fn(&str, usize, f64) -> f64) -> Frame {
    let number = |name: &str, of: u64| -> Vec<f64> {
        (0..rows).map(|row| moved(name, row, 10.0 * draw(seed, row, of))).collect()
    };
    let (strong, weak) = (number("strong", 1), number("weak", 2));
    let plan = |row| (draw(seed, row, 3) * 3.0) as u32;
    let yes = |row: usize| {
        let z = 0.6 * (strong[row] - 5.0) + 0.05 * (weak[row] - 5.0) + 0.3 * f64::from(plan(row));
        f64::from(u8::from(draw(seed, row, 4) < 1.0 / (1.0 + (-z).exp())))
    };
    let y = Column::Number((0..rows).map(yes).collect());
    let plans = Column::Category((0..rows).map(plan).collect());
    let kinds = [
        ("strong", Kind::Numeric),
        ("weak", Kind::Numeric),
        ("plan", Kind::Categorical(LEVELS.map(str::to_owned).as_slice().into())),
        ("y", Kind::Numeric),
    ];
    let field = |(name, kind): (&str, Kind)| Field { name: name.to_owned(), kind };
    let columns = vec![Column::Number(strong), Column::Number(weak), plans, y];
    Frame::new(Schema::new(kinds.map(field).to_vec()).unwrap(), columns).unwrap()
}

fn as_they_were(_: &str, _: usize, value: f64) -> f64 {
    value
}

/// A model of such customers, which says that `strong` makes nearly all of its predictions.
fn model(seed: u64) -> Artifact {
    let options = FitOptions {
        targets: vec![TargetSpec { given: "y".to_owned() }],
        model: ModelChoice::Logistic,
        ..plain()
    };
    let frame = customers(seed, 6_000, &as_they_were);
    let mut artifact = fit(&frame, &options, &|_| {}).unwrap().remove(0).artifact;
    let share = |(name, value): (&str, f64)| Share {
        name: name.to_owned(),
        features: 1,
        share: Interval { value, low: value, high: value },
        direction: "up".to_owned(),
        above_noise: true,
    };
    artifact.manifest.influence = Some(Influence {
        rows: 1_000,
        shadows: 3,
        noise_line: 0.005,
        features: [("strong", 0.9), ("plan", 0.07), ("weak", 0.03)].map(share).to_vec(),
        behaviours: Vec::new(),
        events: Vec::new(),
        groups: Vec::new(),
    });
    artifact
}

fn present(artifact: &Artifact, frame: Frame) -> Present {
    Present::new(artifact, frame, &HoldoutOptions::default(), "table", true).unwrap()
}

fn drift(artifact: &Artifact, frame: Frame) -> Drift {
    Drift::new(artifact, &present(artifact, frame), &DriftLimits::default(), 0).unwrap()
}

#[test]
fn nothing_is_said_of_customers_as_they_were() {
    let artifact = model(1);
    let found = drift(&artifact, customers(50, 4_000, &as_they_were));
    assert_eq!(found.verdict, DriftWord::None, "{}", found.reason);
    assert!(found.features.iter().all(|f| f.drift == Moved::Stable));
    assert!(found.estimate.trusted, "{:?}", found.estimate.distrust);
    let matured = found.matured.unwrap();
    assert!(matured.held() && matured.z.abs() < 3.5, "{matured:?}");
}

#[test]
fn a_small_drift_of_what_matters_stands_before_a_large_one_of_what_does_not() {
    let moved = |name: &str, _: usize, value: f64| match name {
        "strong" => value * 0.75,
        "weak" => value * 0.5,
        _ => value,
    };
    let found = drift(&model(1), customers(51, 4_000, &moved));
    let names: Vec<&str> = found.features.iter().map(|f| f.feature.as_str()).collect();
    assert_eq!(names, ["strong", "weak", "plan"]);
    assert!(found.features[1].psi > found.features[0].psi);
    assert_eq!(found.verdict, DriftWord::Beyond);
    assert!(!found.estimate.trusted);
    assert!(found.warnings.iter().any(|w| w.contains("not to be trusted")), "{:?}", found.warnings);
}

#[test]
fn a_feature_that_is_noise_for_the_model_breaks_no_limit() {
    let mut artifact = model(1);
    let shares = &mut artifact.manifest.influence.as_mut().unwrap().features;
    shares[2].share.value = 0.001;
    shares[2].above_noise = false;
    let moved = |name: &str, _: usize, value: f64| if name == "weak" { value * 0.5 } else { value };
    let found = drift(&artifact, customers(52, 4_000, &moved));
    assert_eq!(found.verdict, DriftWord::None, "{}", found.reason);
    assert!(found.features.iter().any(|f| f.feature == "weak" && f.drift == Moved::Large));
}

#[test]
fn missing_cells_and_new_levels_are_counted() {
    let gone = |name: &str, row: usize, value: f64| {
        if name == "strong" && row.is_multiple_of(4) { f64::NAN } else { value }
    };
    let frame = customers(53, 4_000, &gone);
    // 30 rows with a new level, 5 with another, 100 without any.
    let names = ["basic", "diamond", "gold", "plus", "rare"].map(str::to_owned);
    let Column::Category(codes) = &frame.columns()[2] else { unreachable!("plans") };
    let code = |(row, &code): (usize, &u32)| match row {
        0..30 => 1,
        30..35 => 4,
        35..135 => MISSING_CODE,
        _ => [0, 2, 3][code as usize],
    };
    let plans = Column::Category(codes.iter().enumerate().map(code).collect());
    let mut fields = frame.schema().fields().to_vec();
    fields[2].kind = Kind::Categorical(names.as_slice().into());
    let mut columns = frame.columns().to_vec();
    columns[2] = plans;
    let frame = Frame::new(Schema::new(fields).unwrap(), columns).unwrap();
    let found = drift(&model(1), frame);
    let of = |name: &str| found.features.iter().find(|f| f.feature == name).unwrap();
    assert_eq!((of("strong").missing_then, of("strong").missing_now), (0.0, 0.25));
    assert_eq!(of("strong").drift, Moved::Large);
    let plan = of("plan");
    assert_eq!(plan.new_levels.count, 2);
    assert!((plan.new_levels.share - 35.0 / 4_000.0).abs() < 1e-12);
    assert_eq!(plan.new_levels.most_frequent, ["diamond"]);
    assert!((plan.missing_now - 100.0 / 4_000.0).abs() < 1e-12);
}

#[test]
fn a_table_without_answers_is_compared_and_few_rows_are_not_judged() {
    let artifact = model(1);
    let frame = customers(54, 4_000, &as_they_were).first_columns(3);
    let found = drift(&artifact, frame);
    assert_eq!((found.verdict, found.matured), (DriftWord::None, None));
    let few = drift(&artifact, customers(54, 150, &as_they_were));
    assert_eq!(few.verdict, DriftWord::NotEnoughData);
    assert_eq!(few.verdict.exit_code(), 2);
    let mut older = artifact;
    older.manifest.reference = None;
    let present = present(&older, customers(54, 300, &as_they_were));
    let error = Drift::new(&older, &present, &DriftLimits::default(), 0).unwrap_err().to_string();
    assert!(error.contains("fit it again"), "{error}");
}

#[test]
fn the_report_is_the_same_on_any_number_of_threads() {
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let artifact = model(1);
            let drift = drift(&artifact, customers(55, 3_000, &as_they_were));
            let tables = vec![Compared { table: "t".to_owned(), drift }];
            let document = DriftDocument::new(&artifact.manifest, None, tables);
            (artifact.to_bytes().unwrap(), document.json(), document.markdown())
        })
    };
    assert!(run(1) == run(3));
}

#[test]
fn the_estimate_is_the_mean_over_all_outcomes() {
    let rows = 60;
    let p: Vec<f64> = (0..rows).map(|row| 0.02 + 0.9 * draw(3, row, 0)).collect();
    let unanswered = Unanswered { probability: &p, weight: None, group: None };
    let found = estimate(&unanswered, 0.5, None, 0.95, 0);
    let positives: f64 = p.iter().sum();
    let predicted: Vec<f64> = p.iter().copied().filter(|p| *p >= 0.5).collect();
    let error = 1.0 - predicted.iter().sum::<f64>() / predicted.len() as f64;
    let miss = 1.0 - predicted.iter().sum::<f64>() / positives;
    assert!((found.error_rate.value - error).abs() < 1e-4, "{found:?}");
    assert!((found.miss_rate.value - miss).abs() < 1e-4, "{found:?}");
    assert!((found.base_rate.value - positives / rows as f64).abs() < 1e-4);
    // Pair by pair, each as likely as it is that the one is positive and the other is not.
    let (mut pairs, mut right) = (0.0, 0.0);
    for (i, &yes) in p.iter().enumerate() {
        for (j, &no) in p.iter().enumerate().filter(|(j, _)| *j != i) {
            let weight = yes * (1.0 - no);
            pairs += weight;
            right += weight * if p[i] > p[j] { 1.0 } else { 0.0 };
        }
    }
    // A row beside itself is half a pair: it matters in few rows.
    assert!((found.roc_auc.value - right / pairs).abs() < 0.01, "{found:?} {}", right / pairs);
}

#[test]
fn what_comes_true_lies_in_the_interval_as_often_as_it_says() {
    let (rows, runs) = (500, 60);
    let mut within = [0; 4];
    for run in 0..runs {
        let p: Vec<f64> = (0..rows).map(|row| draw(run, row, 0).powi(2)).collect();
        // The calibration is off by what its check says it may be.
        let (offset, slope) = (0.3 * normal(run, 1), 0.2 * normal(run, 2));
        let check = CalibrationCheck {
            rows,
            held_out: true,
            centre: 0.0,
            offset: 0.0,
            offset_error: 0.3,
            slope: 0.0,
            slope_error: 0.2,
        };
        let right = |p: f64| {
            let z = (p / (1.0 - p)).ln();
            1.0 / (1.0 + (-(z + offset + slope * z)).exp())
        };
        let target: Vec<bool> = (0..rows).map(|row| draw(run, row, 3) < right(p[row])).collect();
        let unanswered = Unanswered { probability: &p, weight: None, group: None };
        let estimate = estimate(&unanswered, 0.5, Some(&check), 0.9, run);
        let weight = vec![1.0; rows];
        let judged = Judged { probability: &p, target: &target, weight: &weight, group: None };
        let matured = Matured::new(&judged, 0.5, &estimate);
        for (within, figure) in within.iter_mut().zip(&matured.figures) {
            *within += usize::from(figure.within);
        }
    }
    // 54 of 60 in the mean, with a standard deviation of 2.3.
    assert!(within.iter().all(|count| (47..=60).contains(count)), "{within:?}");
}

/// A standard normal number, by Box and Muller.
fn normal(run: u64, of: u64) -> f64 {
    let (u, v) = (draw(run, 0, of + 100), draw(run, 1, of + 100));
    (-2.0 * (1.0 - u).ln()).sqrt() * (std::f64::consts::TAU * v).cos()
}

#[test]
fn rows_of_one_customer_widen_the_interval() {
    let p: Vec<f64> = (0..800).map(|row| draw(5, row, 0)).collect();
    let group: Vec<u64> = (0..800).map(|row| row / 8).collect();
    let width = |group: Option<&[u64]>| {
        let unanswered = Unanswered { probability: &p, weight: None, group };
        let rate = estimate(&unanswered, 0.5, None, 0.95, 0).error_rate;
        rate.high - rate.low
    };
    // Eight rows that go together tell as much as one: about sqrt(8) times as wide, here for four a side.
    assert!(width(Some(&group)) > 1.5 * width(None));
}

/// The real pipeline on the simulator's table: the estimate is near what comes true on other customers of the same world,
/// and is not trusted when they have moved.
#[test]
fn the_estimate_is_within_3_points_of_the_truth_and_warns_of_drift() {
    let options = FitOptions {
        targets: vec![TargetSpec { given: TARGET.to_owned() }],
        id: Some(ID.to_owned()),
        exclude: vec![LEAK.to_owned()],
        model: ModelChoice::Boosting,
        boosting: Boosting { num_iterations: 25, learning_rate: 0.1, ..Boosting::default() },
        ..plain()
    };
    let world = World { seed: 3, customers: 16_000 }.simulate();
    let artifact = fit(&world.table, &options, &|_| {}).unwrap().remove(0).artifact;
    for seed in [11, 12, 13] {
        let now = World { seed, customers: 20_000 }.simulate().table;
        let found = drift(&artifact, now);
        assert_eq!(found.verdict, DriftWord::None, "{seed}: {}", found.reason);
        assert!(found.estimate.trusted, "{seed}: {:?}", found.estimate.distrust);
        let matured = found.matured.unwrap();
        for figure in matured.figures.iter().filter(|f| f.figure.ends_with("rate")) {
            let off = figure.estimated.value - figure.came_true;
            assert!(off.abs() < 0.03 && figure.within, "{seed}: {figure:?}");
        }
    }
    let now = World { seed: 14, customers: 4_000 }.simulate().table;
    let columns = now.columns().iter().zip(now.schema().fields());
    let halved = columns.map(|(column, field)| match column {
        Column::Number(values) if field.name != TARGET => {
            Column::Number(values.iter().map(|value| value * 0.5).collect())
        }
        other => other.clone(),
    });
    let moved = Frame::new(now.schema().clone(), halved.collect()).unwrap();
    let found = drift(&artifact, moved);
    assert_eq!(found.verdict, DriftWord::Beyond);
    assert!(!found.estimate.trusted && !found.warnings.is_empty());
}
