//! What a gate says at its edges, and that every figure is that of the rows.

use rekindle_models::seed::{mix2, unit};

use super::*;
use crate::verdict::Outcome;

/// Rows whose signal both models see, through more noise or less.
fn world(rows: u64, noise: [f64; 2]) -> (Vec<bool>, Pair<Vec<f64>>) {
    let draw = |row: u64, k: u64| unit(mix2(mix2(11, row), k));
    let seen = |k: u64, far: f64| {
        let of = |row| (draw(row, 0) + far * (draw(row, k) - 0.5)).clamp(0.01, 0.99);
        (0..rows).map(of).collect()
    };
    let target = (0..rows).map(|row| draw(row, 1) < draw(row, 0)).collect();
    (target, Pair { a: seen(2, noise[0]), b: seen(3, noise[1]) })
}

fn judged(
    target: &[bool],
    scores: &Pair<Vec<f64>>,
    ask: Option<Ask>,
    figures: &[By],
) -> Comparison {
    let weight = vec![1.0; target.len()];
    let truth = Truth { target, weight: &weight, group: None, gain: None };
    let said = scores.map(|scores| Said { probability: scores, threshold: 0.5 });
    let gate = ask.map(|ask| (ask, figures.to_vec()));
    compare(&said, &truth, &Asked { confidence: 0.95, seed: 1, gate })
}

fn gate(scores: &Pair<Vec<f64>>, target: &[bool], ask: Ask, by: By) -> Gate {
    judged(target, scores, Some(ask), &[by]).gate.unwrap()
}

#[test]
fn a_better_model_passes_and_a_worse_one_does_not() {
    let (target, scores) = world(4_000, [1.6, 0.4]);
    let back = Pair { a: scores.b.clone(), b: scores.a.clone() };
    for by in
        [By::RocAuc, By::AveragePrecision, By::LogLoss, By::BrierScore, By::ErrorRate, By::MissRate]
    {
        let (passed, failed) =
            (gate(&scores, &target, Ask::Better, by), gate(&back, &target, Ask::Better, by));
        assert_eq!((passed.exit_code(), failed.exit_code()), (0, 1), "{passed:?} {failed:?}");
        assert!(passed.reason.contains("surely better by"), "{}", passed.reason);
        assert!(failed.reason.contains("no better"), "{}", failed.reason);
        let allowed = gate(&back, &target, Ask::WorseByAtMost(0.9), by);
        assert_eq!(allowed.outcome, Outcome::Kept, "{allowed:?}");
        let not = gate(&back, &target, Ask::WorseByAtMost(0.001), by);
        assert_eq!(not.outcome, Outcome::Broken, "{not:?}");
    }
    let comparison = judged(&target, &scores, None, &[]);
    assert_eq!((comparison.exit_code(), comparison.gate.is_none()), (0, true));
    let auc = comparison.figure("roc_auc").unwrap();
    assert_eq!(auc.surely_better, Some(Letter::B));
    assert!((auc.b.value - auc.a.value - auc.difference.value).abs() < 1e-12);
    assert_eq!(comparison.figure("log_loss").unwrap().surely_better, Some(Letter::B));
    assert!(comparison.figure("profit").is_none());
}

#[test]
fn a_model_against_itself_is_no_better_and_no_worse() {
    let (target, scores) = world(500, [1.0, 1.0]);
    let same = Pair { a: scores.a.clone(), b: scores.a };
    let better = gate(&same, &target, Ask::Better, By::RocAuc);
    assert_eq!(better.outcome, Outcome::Broken);
    assert!(better.reason.starts_with("B's ROC AUC is A's, 0."), "{}", better.reason);
    let worse = gate(&same, &target, Ask::WorseByAtMost(0.0), By::RocAuc);
    assert_eq!((worse.outcome, worse.conditions[0].at_worst), (Outcome::Kept, 0.0));
    let comparison = judged(&target, &same, None, &[]);
    for figure in &comparison.figures {
        let Interval { value, low, high } = figure.difference;
        assert_eq!((value, low, high), (0.0, 0.0, 0.0), "{}", figure.key);
        assert_eq!(figure.surely_better, None);
    }
    assert_eq!((comparison.moved.mean, comparison.moved.largest), (0.0, 0.0));
}

#[test]
fn what_the_rows_do_not_tell_is_neither_passed_nor_failed() {
    let (target, scores) = world(200, [0.9, 0.8]);
    let (better, back) = (
        gate(&scores, &target, Ask::Better, By::RocAuc),
        gate(&Pair { a: scores.b.clone(), b: scores.a.clone() }, &target, Ask::Better, By::RocAuc),
    );
    // Whichever happens to be higher here is not surely so, and the other is no better.
    let codes = [better.exit_code(), back.exit_code()];
    assert!(codes == [2, 1] || codes == [1, 2], "{better:?} {back:?}");
    let unsure = if codes[0] == 2 { better } else { back };
    assert!(unsure.reason.contains("but it may be worse by"), "{}", unsure.reason);
    // Both figures must do it; the worse outcome counts.
    let both = judged(&target, &scores, Some(Ask::WorseByAtMost(0.5)), &[By::RocAuc, By::LogLoss]);
    let both = both.gate.unwrap();
    assert_eq!((both.conditions.len(), both.outcome), (2, Outcome::Kept), "{both:?}");
}

#[test]
fn too_few_rows_and_no_rate_to_compare_are_not_judged() {
    let (target, scores) = world(30, [1.6, 0.1]);
    let few = gate(&scores, &target, Ask::Better, By::RocAuc);
    assert_eq!(few.exit_code(), 2);
    assert!(few.reason.contains("of 30 rows have the target, and at least 20"), "{}", few.reason);
    let (target, scores) = world(400, [1.0, 0.5]);
    let nobody = Pair { a: scores.a.iter().map(|p| p * 0.4).collect(), b: scores.b.clone() };
    let none = gate(&nobody, &target, Ask::Better, By::ErrorRate);
    assert_eq!((none.exit_code(), none.conditions[0].value.is_nan()), (2, true));
    assert_eq!(none.reason, "there is no error rate of both to compare");
    let json = serde_json::to_value(judged(&target, &nobody, None, &[])).unwrap();
    assert!(json["figures"]["error_rate"]["difference"]["value"].is_null(), "{json}");
    assert!(json["with_target"]["only_b"]["rows"].as_u64().unwrap() > 0, "{json}");
}

#[test]
fn rows_of_one_customer_make_a_difference_less_sure() {
    let (target, scores) = world(300, [1.2, 0.8]);
    let four = |x: &[f64]| [x, x, x, x].concat();
    let (target, scores) =
        ([&target[..]; 4].concat(), Pair { a: four(&scores.a), b: four(&scores.b) });
    let weight = vec![1.0; target.len()];
    let group: Vec<u64> = (0..4).flat_map(|_| 0..300).collect();
    let said = scores.map(|scores| Said { probability: scores, threshold: 0.5 });
    let with = |group| {
        let truth = Truth { target: &target, weight: &weight, group, gain: None };
        compare(&said, &truth, &Asked { confidence: 0.95, seed: 1, gate: None })
    };
    let (alone, together) = (with(None), with(Some(group.as_slice())));
    assert_eq!((alone.customers, together.customers), (None, Some(300)));
    for (one, other) in alone.figures.iter().zip(&together.figures) {
        let times = other.apart.error / one.apart.error;
        assert!((1.5..2.6).contains(&times), "{}: {times}", one.key);
    }
    assert!(alone.with_target.mcnemar_p.is_some() && together.with_target.mcnemar_p.is_none());
}
