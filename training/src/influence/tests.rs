use std::collections::BTreeMap;

use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::explain::Explainer;
use rekindle_models::frame::{Column, Field, Kind, Schema};
use rekindle_models::seed::unit;

use super::*;
use crate::label::TargetSpec;
use crate::options::ModelChoice;
use crate::options::tests::plain;
use crate::pipeline::fit;

const ROWS: u64 = 6_000;
const NOISE: u64 = 40;

fn draw(row: u64, of: u64) -> f64 {
    unit(mix2(mix2(21, of), row))
}

/// `rises` and `falls` move the target, `plan` by its level, `gone` by being missing; `noise 0` and on do not.
fn table() -> Frame {
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let mut add = |name: String, kind: Kind, column: Column| {
        fields.push(Field { name, kind });
        columns.push(column);
    };
    let number = |f: &dyn Fn(u64) -> f64| Column::Number((0..ROWS).map(f).collect());
    let missing = |row: u64| draw(row, 4) < 0.3;
    add("rises".to_owned(), Kind::Numeric, number(&|row| draw(row, 1)));
    add("falls".to_owned(), Kind::Numeric, number(&|row| draw(row, 2) * 7.0));
    let gone = |row: u64| if missing(row) { f64::NAN } else { draw(row, 5) };
    add("gone".to_owned(), Kind::Numeric, number(&gone));
    let levels = ["annual", "free", "monthly"].map(str::to_owned);
    let level = |row: u64| (draw(row, 3) * 3.0) as u32;
    let kind = Kind::Categorical(levels.as_slice().into());
    add("plan".to_owned(), kind, Column::Category((0..ROWS).map(level).collect()));
    for noise in 0..NOISE {
        add(format!("noise {noise}"), Kind::Numeric, number(&|row| draw(row, 100 + noise)));
    }
    let hit = |row: u64| {
        let margin = 3.0 * (draw(row, 1) - 0.5) - 1.5 * (draw(row, 2) - 0.5)
            + [-1.0, 0.0, 1.0][level(row) as usize]
            + if missing(row) { 0.9 } else { -0.3 };
        f64::from(u8::from(draw(row, 6) < 1.0 / (1.0 + (-margin).exp())))
    };
    add("y".to_owned(), Kind::Numeric, number(&hit));
    Frame::new(Schema::new(fields).unwrap(), columns).unwrap()
}

fn options(model: ModelChoice) -> FitOptions {
    FitOptions {
        targets: vec![TargetSpec { given: "y".to_owned() }],
        model,
        boosting: Boosting { num_iterations: 60, learning_rate: 0.1, ..Boosting::default() },
        groups: BTreeMap::from([
            ("movers".to_owned(), vec!["rises".to_owned(), "fal*".to_owned()]),
            ("never first".to_owned(), vec!["falls".to_owned(), "noise 1".to_owned()]),
        ]),
        ..plain()
    }
}

fn influence(options: &FitOptions) -> Influence {
    let mut trained = fit(&table(), options, &|_| {}).unwrap();
    add_influence(table(), options, &mut trained, &|_| {}).unwrap();
    trained.remove(0).artifact.manifest.influence.unwrap()
}

fn one<'a>(shares: &'a [Share], name: &str) -> &'a Share {
    shares.iter().find(|share| share.name == name).unwrap()
}

/// What is true of the shares of any classifier on this table.
fn check_laws(influence: &Influence) {
    for list in [&influence.features, &influence.groups] {
        let sum: f64 = list.iter().map(|share| share.share.value).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!(list.is_sorted_by(|a, b| a.share.value >= b.share.value));
    }
    for share in &influence.features {
        let i = share.share;
        assert!(0.0 <= i.low && i.low <= i.value && i.value <= i.high && i.high <= 1.0);
        assert_eq!(share.above_noise, i.value > influence.noise_line, "{}", share.name);
    }
    let of = |names: &[&str]| -> f64 {
        names.iter().map(|name| one(&influence.features, name).share.value).sum()
    };
    let movers = one(&influence.groups, "movers");
    assert!((movers.share.value - of(&["rises", "falls"])).abs() < 1e-12);
    assert_eq!((movers.features, movers.above_noise), (2, true));
    let second = one(&influence.groups, "never first");
    assert!((second.share.value - of(&["noise 1"])).abs() < 1e-12);
    assert_eq!(one(&influence.groups, "others").features as u64, NOISE + 2 - 1);
}

#[test]
fn what_moves_the_target_is_above_the_line_and_noise_is_below() {
    let boosting = influence(&options(ModelChoice::Boosting));
    check_laws(&boosting);
    for (name, direction) in [
        ("rises", "up"),
        ("falls", "down"),
        ("gone", "up when missing"),
        ("plan", "monthly up, annual down"),
    ] {
        let share = one(&boosting.features, name);
        assert!(share.above_noise, "{name}");
        assert_eq!(share.direction, direction, "{name}");
    }
    let lucky = boosting.features.iter().filter(|s| s.name.starts_with("noise") && s.above_noise);
    assert!(lucky.count() <= 1);
    assert!(boosting.features[0].name == "rises" && boosting.features[0].share.low > 0.2);
}

#[test]
fn shares_of_other_classifiers_obey_the_same_laws() {
    for model in [ModelChoice::Logistic, ModelChoice::Forest] {
        let influence = influence(&options(model));
        check_laws(&influence);
        assert_eq!(influence.features[0].name, "rises");
        assert_eq!(one(&influence.features, "rises").direction, "up");
        assert!(one(&influence.features, "falls").above_noise);
    }
}

#[test]
fn shares_are_those_of_the_definition() {
    let options = options(ModelChoice::Boosting);
    let frame = table();
    let trained = fit(&frame, &options, &|_| {}).unwrap();
    let Fitted::Boosting(model) = &trained[0].artifact.scorer.model else { panic!("a booster") };
    let explainer = Explainer::new(model);
    let width = frame.schema().len() - 1;
    let features: Vec<usize> = (0..width).collect();
    let mut sums = vec![0.0; width];
    for row in &trained[0].split.test {
        let data = Dataset {
            frame: &frame,
            features: &features,
            rows: &[*row],
            target: &trained[0].target.positive,
            weight: &vec![1.0; ROWS as usize],
        };
        let moved = explainer.contributions(&data.to_rows());
        sums.iter_mut().zip(moved).for_each(|(sum, one)| *sum += one.abs());
    }
    let all: f64 = sums.iter().sum();
    let found = influence(&options);
    for (field, sum) in frame.schema().fields().iter().zip(&sums) {
        let share = one(&found.features, &field.name).share.value;
        assert!((share - sum / all).abs() < 1e-12, "{}: {share} {}", field.name, sum / all);
    }
}

#[test]
fn the_number_of_threads_changes_no_bit() {
    let with = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| influence(&options(ModelChoice::Boosting)))
    };
    assert_eq!(with(1), with(3));
}

#[test]
fn a_pattern_that_means_no_column_is_refused_with_the_nearest() {
    let groups = BTreeMap::from([("movers".to_owned(), vec!["rise".to_owned()])]);
    let options = FitOptions { groups, ..options(ModelChoice::Logistic) };
    let error = fit(&table(), &options, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("rise") && error.contains("nearest is rises"), "{error}");
    let groups = BTreeMap::from([("movers".to_owned(), vec!["[r".to_owned()])]);
    let error = fit(&table(), &FitOptions { groups, ..options }, &|_| {}).unwrap_err().to_string();
    assert!(error.contains("the pattern [r cannot be read"), "{error}");
}
