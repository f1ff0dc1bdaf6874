use std::collections::BTreeSet;

use rekindle_models::classifiers::boosting::Boosting;
use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};
use rekindle_models::seed::mix2;
use rekindle_models::seed::unit;

use super::*;
use crate::label::TargetSpec;
use crate::options::ModelChoice;
use crate::shadow::Shadowed;

const ROWS: u64 = 12_000;
const FEATURES: u64 = 30;
const TRUE: u64 = 4;

/// A number that looks normal.
fn normal(row: u64, of: u64) -> f64 {
    let draw = |k| unit(mix2(mix2(11, of), mix2(row, k)));
    (-2.0 * (1.0 - draw(0)).ln()).sqrt() * (2.0 * std::f64::consts::PI * draw(1)).cos()
}

/// 30 features, of which every seventh moves the target (x0, x7, ...), a copy of the first, and the targets `y` and
/// its opposite's cousin `z`, which the last true feature does not move.
fn table() -> Frame {
    let is_true = |feature: u64| feature.is_multiple_of(7) && feature / 7 < TRUE;
    let mut fields = Vec::new();
    let mut columns = Vec::new();
    let mut margins = [vec![-1.0; ROWS as usize], vec![-1.0; ROWS as usize]];
    for feature in 0..FEATURES {
        let cells: Vec<f64> = (0..ROWS).map(|row| normal(row, feature)).collect();
        for (which, margins) in margins.iter_mut().enumerate() {
            if is_true(feature) && !(which == 1 && feature / 7 == TRUE - 1) {
                margins.iter_mut().zip(&cells).for_each(|(m, x)| *m += 0.5 * x);
            }
        }
        fields.push(Field { name: format!("x{feature}"), kind: Kind::Numeric });
        columns.push(Column::Number(cells));
        if feature == 0 {
            let copy: Vec<f64> =
                (0..ROWS).map(|row| normal(row, 0) * 3.0 + normal(row, 999) * 0.01).collect();
            fields.push(Field { name: "copy".to_owned(), kind: Kind::Numeric });
            columns.push(Column::Number(copy));
        }
    }
    for (name, margins) in ["y", "z"].into_iter().zip(margins) {
        let hit = |(row, margin): (u64, &f64)| {
            let salt = if name == "y" { 5 } else { 6 };
            f64::from(u8::from(unit(mix2(salt, row)) < 1.0 / (1.0 + (-margin).exp())))
        };
        fields.push(Field { name: name.to_owned(), kind: Kind::Numeric });
        columns.push(Column::Number((0..ROWS).zip(&margins).map(hit).collect()));
    }
    Frame::new(Schema::new(fields).unwrap(), columns).unwrap()
}

fn options() -> SelectOptions {
    let boosting = Boosting { num_iterations: 60, learning_rate: 0.1, ..Boosting::default() };
    let target = |name: &str| TargetSpec { given: name.to_owned() };
    SelectOptions {
        fit: FitOptions {
            targets: vec![target("y"), target("z")],
            boosting,
            model: ModelChoice::Boosting,
            ..crate::options::tests::plain()
        },
        batches: Batches::Of(10),
        patience: 2,
        most: None,
        alike: 0.95,
    }
}

fn run(
    options: &SelectOptions,
    progress: &mut Progress,
    most_saves: usize,
) -> Option<Vec<Selected>> {
    let ground = Ground::new(table(), options, &|_| {}).unwrap();
    let mut saves = 0;
    let mut save = |_: &Progress| {
        saves += 1;
        match saves > most_saves {
            true => Err(Error::BadOptions("interrupted".to_owned())),
            false => Ok(()),
        }
    };
    ground.select(options, progress, &mut save, &|_| {}).ok()
}

#[test]
fn true_features_are_chosen_one_of_those_alike_and_hardly_any_noise() {
    let selected = run(&options(), &mut Progress::default(), usize::MAX).unwrap();
    let expected =
        |count: u64| -> BTreeSet<String> { (0..count).map(|k| format!("x{}", 7 * k)).collect() };
    for (selected, count) in selected.iter().zip([TRUE, TRUE - 1]) {
        let mut chosen: BTreeSet<String> = selected.chosen.features.iter().cloned().collect();
        if chosen.remove("copy") {
            chosen.insert("x0".to_owned());
        }
        let missed: Vec<_> = expected(count).difference(&chosen).cloned().collect();
        let noise: Vec<_> = chosen.difference(&expected(count)).cloned().collect();
        assert!(missed.is_empty() && noise.len() <= 1, "{} {missed:?} {noise:?}", selected.target);
        let alike: Vec<&String> =
            selected.chosen.alike.iter().flat_map(|(a, b)| [a].into_iter().chain(b)).collect();
        assert_eq!(
            BTreeSet::from_iter(alike),
            BTreeSet::from([&"x0".to_owned(), &"copy".to_owned()])
        );
    }
    let steps = &selected[0].chosen.steps;
    assert_eq!(steps[0].step, "batch 1");
    assert!(steps[0].gain.low > 0.0 && steps[1].gain.low > 0.0, "{steps:?}");
}

#[test]
fn an_interrupted_selection_goes_on_to_the_same_end() {
    let options = SelectOptions {
        fit: FitOptions { targets: options().fit.targets[..1].to_vec(), ..options().fit },
        ..options()
    };
    let whole = run(&options, &mut Progress::default(), usize::MAX).unwrap();
    let mut progress = Progress::default();
    assert!(run(&options, &mut progress, 1).is_none());
    let kept = toml::to_string(&progress).unwrap();
    let mut progress: Progress = toml::from_str(&kept).unwrap();
    assert_eq!(progress.targets["y"].batches, 2);
    assert_eq!(run(&options, &mut progress, usize::MAX).unwrap(), whole);
}

#[test]
fn no_more_than_asked_for_are_chosen_and_the_best_at_that() {
    let options = SelectOptions { most: Some(3), ..options() };
    let selected = run(&options, &mut Progress::default(), usize::MAX).unwrap();
    assert!(selected.iter().all(|selected| selected.chosen.features.len() == 3));
    assert_eq!(selected[0].chosen.steps.last().unwrap().step, "the best 3");
}

#[test]
fn shadows_leave_the_table_as_it_was() {
    let features: Vec<usize> = (0..FEATURES as usize).collect();
    let shadowed = Shadowed::new(table(), &features, 1).unwrap();
    assert_eq!(shadowed.shadows.len(), FEATURES as usize);
    let sorted = |place: usize| {
        let mut cells = shadowed.frame.numbers(place).unwrap().to_vec();
        cells.sort_by(f64::total_cmp);
        cells
    };
    let name = shadowed.frame.schema().fields()[shadowed.shadows[0]].name.clone();
    let of = shadowed.frame.schema().place(name.strip_prefix("shadow of ").unwrap()).unwrap();
    assert_eq!(sorted(of), sorted(shadowed.shadows[0]));
    assert_ne!(shadowed.frame.numbers(of), shadowed.frame.numbers(shadowed.shadows[0]));
    assert_eq!(shadowed.into_frame(), table());
}
