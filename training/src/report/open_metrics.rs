//! Figures in the text format of Prometheus, which GitLab compares between a merge request and its target branch.

use std::fmt::Write;

use crate::report::Document;
use crate::verdict::Word;

/// The figures of every judged model, a line each: `metrics.txt`.
pub fn open_metrics(document: &Document<'_>) -> String {
    let mut text = String::new();
    for report in &document.reports {
        let Some(e) = report.evaluation else { continue };
        let same = document.reports.iter().filter(|other| other.model_name == report.model_name);
        // Versions only where a name is there twice: GitLab compares figures of the same labels.
        let version = match (same.count(), report.model_version) {
            (2.., Some(version)) => format!(",version=\"{version}\""),
            _ => String::new(),
        };
        let labels = format!(
            "{{model=\"{}\",target=\"{}\"{version}}}",
            escaped(report.model_name),
            escaped(&report.target)
        );
        let usable = f64::from(u8::from(e.verdict.verdict == Word::Usable));
        let figures = [
            ("usable", usable),
            ("rows", e.rows as f64),
            ("positives", e.positives as f64),
            ("base_rate", e.base_rate.value),
            ("threshold", e.threshold),
            ("error_rate", e.error_rate.value),
            ("miss_rate", e.miss_rate.value),
            ("roc_auc", e.roc_auc.value),
            ("average_precision", e.average_precision.value),
            ("log_loss", e.log_loss.value),
            ("brier_score", e.brier_score.value),
            ("ece", e.ece.value),
        ];
        let money = e.money.iter().flat_map(|money| {
            [
                ("profit", money.profit.value),
                ("mpc", money.mpc.value),
                ("empc", money.empc.value),
                ("empb", money.empb.value),
            ]
        });
        for (name, value) in figures.into_iter().chain(money) {
            // A figure that there is none of is left out: a comparison with NaN tells nobody anything.
            if value.is_finite() {
                writeln!(text, "rekindle_{name}{labels} {value}").expect("memory takes it");
            }
        }
    }
    text
}

fn escaped(label: &str) -> String {
    label.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}
