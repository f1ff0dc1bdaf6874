//! The targets of one table beside each other: what was left out for each, and how good its model is.

use crate::report::{Report, figure, grouped, percent, rate, table};

/// A line for each report, on the terminal.
pub fn beside_terminal(reports: &[Report<'_>]) -> String {
    let header = [
        "all targets",
        "verdict",
        "best by influence",
        "leaks left out",
        "judged",
        "base rate",
        "threshold",
        "error rate",
        "miss rate",
        "ROC AUC",
    ];
    let dash = || "-".to_owned();
    let rows = reports.iter().map(|report| {
        let best = report.influence.and_then(|influence| influence.features.first());
        let best = best.map_or_else(dash, |s| format!("{} {}", s.name, percent(s.share.value)));
        let leaks = report.leaks.iter().filter(|leak| leak.action == "excluded").count();
        let judged = report.evaluation;
        let of = |figure: &dyn Fn(&crate::evaluate::Evaluation) -> String| {
            judged.map_or_else(dash, figure)
        };
        [
            report.target.clone(),
            of(&|e| e.verdict.verdict.text().to_owned()),
            best,
            leaks.to_string(),
            of(&|e| grouped(e.rows)),
            of(&|e| percent(e.base_rate.value)),
            of(&|e| format!("{:.4}", e.threshold)),
            of(&|e| rate(&e.error_rate)),
            of(&|e| rate(&e.miss_rate)),
            of(&|e| figure(&e.roc_auc)),
        ]
    });
    table(&header, 3, rows)
}
