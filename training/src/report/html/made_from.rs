//! What was made from what: the rows of each part, and how the model was chosen.

use maud::html;
use rekindle_models::artifact::PartCount;

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
        [name.to_owned(), what_for.to_owned(), rows, positives, rate]
    };
    let parts = [
        part("training", "classifier and simple rule", &rows.train),
        part("calibration", "probabilities, threshold, percentiles", &rows.calibration),
        part("test", "judging at the fit", &rows.test),
    ];
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
        let range = report.training_time.map(|range| span(range.first, range.last));
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
    let header = ["part", "for", "rows", "with the target", "base rate"];
    let body = html! {
        (table::of_texts("Rows of each part", &header, 2, &parts))
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

/// A span of the time column: it holds days since 1970 where it is of dates.
fn span(first: f64, last: f64) -> String {
    match first == last {
        true => format!("at {first}"),
        false => format!("{first} to {last}"),
    }
}
