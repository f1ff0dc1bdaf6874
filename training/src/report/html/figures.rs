//! What was asked of the model and what came of it; its figures beside the baselines.

use maud::html;

use super::{Section, table, verdict};
use crate::report::{INTERVALS, MONEY, Report, compared};

/// Tables of what was asked and of all figures.
pub fn section(report: &Report<'_>) -> Option<Section> {
    let evaluation = report.evaluation?;
    let rule = &evaluation.baselines.rule;
    let header = ["figure", "model", "base rate", &format!("{} ({})", rule.name, rule.feature)];
    let body = html! {
        (verdict::conditions(report))
        (table::of_texts("Figures beside the baselines", &header, 1, &compared(evaluation)))
        p class="note" {
            "Intervals: " (format!("{:.0} %", evaluation.limits.confidence * 100.0)) "; " (INTERVALS)
            "; the rule predicts at least as many positive as the model."
            @if evaluation.money.is_some() { " Money is " (MONEY) "." }
        }
    };
    Some(Section { id: "figures", title: "Figures", body })
}
