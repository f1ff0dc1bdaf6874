//! Verdicts at their edges.

use rekindle_models::metrics::{Confusion, Interval};

use super::*;

fn judge(
    (tp, fp, tn, fn_): (usize, usize, usize, usize),
    (max_error_rate, max_miss_rate): (Option<f64>, Option<f64>),
    (value, low): (f64, f64),
) -> Verdict {
    let confusion = Confusion {
        true_positives: tp as f64,
        false_positives: fp as f64,
        true_negatives: tn as f64,
        false_negatives: fn_ as f64,
        predicted_positive_rows: tp + fp,
        positive_rows: tp + fn_,
        rows: tp + fp + tn + fn_,
    };
    let evidence = Evidence {
        confusion: &confusion,
        effective_predicted: (tp + fp) as f64,
        effective_positive: (tp + fn_) as f64,
        figures: FIGURES,
        rivals: vec![Beaten {
            rival: "recency rule".to_owned(),
            by: By::RocAuc,
            gain: Interval { value, low, high: value },
        }],
    };
    Verdict::judge(&evidence, &Limits { max_error_rate, max_miss_rate, ..Limits::default() })
}

const fn of(value: f64) -> Interval {
    Interval { value, low: value - 0.02, high: value + 0.02 }
}

const FIGURES: Figures = {
    Figures {
        roc_auc: of(0.8),
        average_precision: of(0.5),
        ece: of(0.03),
        log_loss: of(0.3),
        brier_score: of(0.1),
    }
};

#[test]
fn every_limit_is_a_condition_of_its_own() {
    let confusion = Confusion {
        true_positives: 800.0,
        false_positives: 533.0,
        true_negatives: 8_000.0,
        false_negatives: 200.0,
        predicted_positive_rows: 1_333,
        positive_rows: 1_000,
        rows: 9_533,
    };
    let gain = Interval { value: 0.01, low: 0.002, high: 0.02 };
    let evidence = Evidence {
        confusion: &confusion,
        effective_predicted: 1_333.0,
        effective_positive: 1_000.0,
        figures: FIGURES,
        rivals: [By::RocAuc, By::LogLoss]
            .map(|by| Beaten { rival: "base rate".to_owned(), by, gain })
            .to_vec(),
    };
    let check = |limits: Limits, expected: Word, words: &str| {
        let verdict = Verdict::judge(&evidence, &limits);
        assert_eq!(verdict.verdict, expected, "{verdict:?}");
        assert!(verdict.reason.contains(words), "{}", verdict.reason);
        verdict
    };
    let asked = Limits { min_auc: Some(0.75), max_ece: Some(0.06), ..Limits::default() };
    let all = check(asked.clone(), Word::Usable, "ROC AUC surely above 0.7800 (limit 0.75)");
    assert_eq!(all.conditions.len(), 4);
    assert!(all.reason.contains("has better probabilities than the base rate"));
    let asked = Limits { max_brier_score: Some(0.05), min_auc: Some(0.9), ..asked };
    check(
        asked,
        Word::Unusable,
        "the ROC AUC is 0.8000, below the limit of 0.9, and the Brier score",
    );
    let unsure = Limits { min_average_precision: Some(0.49), ..Limits::default() };
    let unsure = check(unsure, Word::NotEnoughData, "may be 0.4800 (limit 0.49)");
    // Twice as near: four times the rows.
    assert_eq!(unsure.more_positives, Some(3_000));
    let kept = unsure.conditions.iter().filter(|c| c.outcome == Outcome::Kept).count();
    assert_eq!((kept, unsure.conditions.len()), (2, 3));
    let asked = Limits { max_log_loss: Some(0.31), ..Limits::default() };
    check(asked, Word::NotEnoughData, "the log loss is 0.3000 but may be 0.3200");
}

#[test]
fn verdicts_at_their_edges() {
    let good = (0.05, 0.02);
    let both = (Some(0.45), Some(0.30));
    for (counts, limits, gain, expected, words) in [
        // 40 % and 20 %, surely within.
        ((800, 533, 8_000, 200), both, good, Word::Usable, "surely below 42.2 %"),
        ((800, 533, 8_000, 200), (None, None), good, Word::Usable, "no limits"),
        // One more per cent than allowed.
        ((540, 460, 8_000, 100), both, good, Word::Unusable, "error rate is 46.0 %"),
        ((690, 300, 8_000, 310), both, good, Word::Unusable, "miss rate is 31.0 %"),
        // Within, but few rows.
        ((24, 16, 400, 6), both, good, Word::NotEnoughData, "may be 53.0 %"),
        // No better than the simple rule, or not surely.
        ((800, 533, 8_000, 200), both, (-0.01, -0.02), Word::Unusable, "no better"),
        ((800, 533, 8_000, 200), both, (0.01, -0.01), Word::NotEnoughData, "not surely"),
        // Nothing to judge by.
        ((10, 2, 400, 5), both, good, Word::NotEnoughData, "needed to judge: 5 more with it"),
        ((400, 2, 3, 50), both, good, Word::NotEnoughData, "450 of 455"),
        ((0, 0, 400, 50), both, good, Word::Unusable, "nobody is predicted positive"),
        // Everybody, or nobody, where nothing is asked.
        (
            (500, 400, 0, 0),
            (None, None),
            good,
            Word::Unusable,
            "900 of 900 rows positive: as good as all",
        ),
        ((500, 391, 9, 0), (None, None), good, Word::Unusable, "as good as all"),
        ((500, 390, 10, 0), (None, None), good, Word::Usable, "no limits"),
        ((0, 0, 400, 50), (None, None), good, Word::Unusable, "as good as none"),
        ((900, 100, 0, 0), (Some(0.2), None), good, Word::Usable, "but the threshold predicts"),
    ] {
        let verdict = judge(counts, limits, gain);
        assert_eq!(verdict.verdict, expected, "{counts:?} {verdict:?}");
        assert!(verdict.reason.contains(words), "{}", verdict.reason);
    }
}

#[test]
fn as_many_more_rows_as_it_says_would_do() {
    let few = judge((24, 16, 400, 6), (Some(0.45), Some(0.30)), (0.05, 0.02));
    let more = few.more_positives.unwrap() as usize;
    // To the nearest row, so that the rates stay as they are.
    let times = |n: usize| (n * (30 + more) + 15) / 30;
    let later = (times(24), times(16), times(400), times(6));
    let verdict = judge(later, (Some(0.45), Some(0.30)), (0.05, 0.02));
    assert_eq!(verdict.verdict, Word::Usable, "{more} {verdict:?}");
    let fewer = |n: usize| n * (30 + more * 9 / 10) / 30;
    let sooner = (fewer(24), fewer(16), fewer(400), fewer(6));
    let verdict = judge(sooner, (Some(0.45), Some(0.30)), (0.05, 0.02));
    assert_eq!(verdict.verdict, Word::NotEnoughData, "{more} {verdict:?}");
}
