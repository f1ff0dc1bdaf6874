//! What was asked of the model and what came of it; its figures beside the baselines; what the user should know.

use maud::html;

use super::{Section, table, verdict};
use crate::report::{INTERVALS, MONEY, Report, compared};

/// Tables of what was asked and of all figures.
pub fn section(report: &Report<'_>) -> Option<Section> {
    let warnings = html! {
        @if !report.warnings.is_empty() {
            ul class="warnings" {
                @for warning in report.warnings.iter().take(table::ROWS) { li { (table::name(warning)) } }
            }
        }
    };
    let Some(evaluation) = report.evaluation else {
        if report.warnings.is_empty() {
            return None;
        }
        return Some(Section { id: "figures", title: "To know", body: warnings });
    };
    let rule = &evaluation.baselines.rule;
    let header = ["figure", "model", "base rate", &format!("{} ({})", rule.name, rule.feature)];
    let body = html! {
        (verdict::conditions(report))
        (warnings)
        (table::of_texts("Figures beside the baselines", &header, 1, &compared(evaluation)))
        p class="note" {
            "Intervals: " (format!("{:.0} %", evaluation.limits.confidence * 100.0)) "; " (INTERVALS)
            "; the rule predicts at least as many positive as the model."
            @if evaluation.money.is_some() { " Money is " (MONEY) "." }
        }
    };
    Some(Section { id: "figures", title: "Figures", body })
}
