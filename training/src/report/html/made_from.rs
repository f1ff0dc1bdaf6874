//! What was made from what: the rows of each part, and how the model was chosen.

use maud::html;
use rekindle_models::artifact::{PartCount, TimeRange};

use super::{Section, table};
use crate::report::{Report, grouped, percent, tuned};

/// Parts of the table, and what each was for.
pub fn section(report: &Report<'_>) -> Option<Section> {
    let rows = report.model_rows;
    let part = |name: &str, what_for: &str, part: &PartCount| {
        let rate = match part.weight > 0.0 {
            true => percent(part.positive_weight / part.weight),
            false => "-".to_owned(),
        };
        let (rows, positives) = (grouped(part.rows), grouped(part.positives));
        let time = part.time.as_ref().map_or_else(|| "-".to_owned(), span);
        [name.to_owned(), what_for.to_owned(), time, rows, positives, rate]
    };
    let mut parts = vec![
        part("training", "classifier and simple rule", &rows.train),
        part("calibration", "probabilities, threshold, percentiles", &rows.calibration),
        part("test", "judging when it was fitted", &rows.test),
    ];
    if let Some(evaluation) = report.evaluation {
        let (rows, positives) = (grouped(evaluation.rows), grouped(evaluation.positives));
        let rate = percent(evaluation.base_rate.value);
        let judged = report.judged_on.clone();
        parts.push(["this report".to_owned(), judged, "-".to_owned(), rows, positives, rate]);
    }
    let mut pairs = vec![
        ("classifier", format!("{}: {}", report.classifier, report.choice())),
        ("features", grouped(report.features)),
        ("calibration", report.calibration.to_owned()),
        ("threshold", report.threshold_rule.to_owned()),
        ("judged on", report.judged_on.clone()),
        ("seed", report.seed.to_string()),
        ("fingerprint of the table", report.data_fingerprint.to_owned()),
    ];
    if let Some(column) = report.time_column {
        let range = report.training_time.map(span);
        let range = range.map_or_else(String::new, |range| format!(", training rows {range}"));
        pairs.push(("split by time", format!("{column}{range}")));
    }
    if let Some(tried) = report.tuned {
        pairs.push(("parameters", tuned::found(tried)));
    }
    let candidates: Vec<[String; 2]> = report
        .candidates
        .iter()
        .filter_map(|c| Some([c.classifier.clone(), format!("{:.4}", c.roc_auc?)]))
        .collect();
    let header = ["part", "for", "time", "rows", "with the target", "base rate"];
    let body = html! {
        (table::of_texts("Rows of each part", &header, 3, &parts))
        (table::pairs(&pairs))
        @if candidates.len() > 1 {
            (table::of_texts("Classifiers compared", &["classifier", "ROC AUC on validation rows"], 1, &candidates))
        }
        @if let Some(tried) = report.tuned {
            details {
                summary { "Parameters tried" }
                (table::of_texts("Parameters tried", &tuned::COLUMNS, 0, &tuned::shown(tried)))
            }
        }
    };
    Some(Section { id: "made-from", title: "Made from", body })
}

/// From when to when.
fn span(range: &TimeRange) -> String {
    let written = |time: f64| match range.dates {
        true => date(time).unwrap_or_else(|| time.to_string()),
        false => time.to_string(),
    };
    match range.first == range.last {
        true => written(range.first),
        false => format!("{} to {}", written(range.first), written(range.last)),
    }
}

/// A day as a person writes it.
fn date(days: f64) -> Option<String> {
    let days = chrono::Days::new(u64::try_from(days.floor() as i64).ok()?);
    let date = chrono::NaiveDate::from_ymd_opt(1970, 1, 1)?.checked_add_days(days)?;
    Some(date.format("%Y-%m-%d").to_string())
}
