//! How features were selected: the curve, and the judgement of the full and the chosen model.

use rekindle_models::artifact::LeakEntry;
use serde::Serialize;

use crate::evaluate::Evaluation;
use crate::pipeline::Trained;
use crate::report::terminal::leaks_terminal;
use crate::report::{figure, grouped, percent, rate, table};
use crate::select::{Selected, Step};

/// The selection of one target, with both models on the test rows.
#[derive(Debug, Serialize)]
pub struct SelectedReport<'a> {
    /// The model's name.
    pub model_name: &'a str,
    /// What was selected, and how.
    #[serde(flatten)]
    pub selected: &'a Selected,
    /// The model of all features on the test rows.
    pub full: Option<&'a Evaluation>,
    /// The model of the chosen ones on the same rows.
    pub small: Option<&'a Evaluation>,
    /// Features of the full model.
    pub full_dimensions: usize,
    /// Features suspected of knowing the answer: those excluded were never tried.
    pub leaks: &'a [LeakEntry],
}

impl<'a> SelectedReport<'a> {
    /// A report on a selection.
    pub fn new(
        selected: &'a Selected,
        full: &'a Trained,
        small: &'a Trained,
    ) -> SelectedReport<'a> {
        SelectedReport {
            model_name: &full.artifact.manifest.model_name,
            selected,
            full: full.evaluation.as_ref(),
            small: small.evaluation.as_ref(),
            full_dimensions: full.artifact.manifest.features.len(),
            leaks: &full.artifact.manifest.leaks,
        }
    }
}

/// The curve and the judgement as a person reads them.
pub fn selected_terminal(report: &SelectedReport<'_>) -> String {
    let dimensions = report.selected.chosen.features.len();
    let mut lines = vec![format!(
        "{}: {} of {} features chosen for {}",
        report.model_name, dimensions, report.full_dimensions, report.selected.target
    )];
    let header = ["", "tried", "dimensions", "error rate", "miss rate", "ROC AUC", "gain"];
    let cells = |step: &Step| {
        [
            step.step.clone(),
            grouped(step.tried),
            grouped(step.dimensions),
            percent(step.error_rate.value),
            percent(step.miss_rate.value),
            figure(&step.roc_auc),
            format!("{:+.4} [{:+.4}, {:+.4}]", step.gain.value, step.gain.low, step.gain.high),
        ]
    };
    let steps = table(&header, 1, report.selected.chosen.steps.iter().map(cells));
    lines.extend(steps.lines().map(str::to_owned));
    lines.push(
        "  [on validation rows; the gain is over the line before, at first over chance]".to_owned(),
    );
    let alike = &report.selected.chosen.alike;
    let left_out: usize = alike.values().map(Vec::len).sum();
    if left_out > 0 {
        lines.push(format!("\n  {left_out} features tell nearly the same as one that stays:"));
        let group =
            |(kept, others): (&String, &Vec<String>)| format!("    {kept}: {}", some(others));
        lines.extend(alike.iter().take(SHOWN).map(group));
        if alike.len() > SHOWN {
            lines.push(format!("    and of {} others, in the list", alike.len() - SHOWN));
        }
    }
    lines.extend(leaks_terminal(report.leaks));
    if let (Some(full), Some(small)) = (report.full, report.small) {
        let row = |name: &str, dimensions: usize, e: &Evaluation| {
            [
                name.to_owned(),
                grouped(dimensions),
                rate(&e.error_rate),
                rate(&e.miss_rate),
                figure(&e.roc_auc),
                e.verdict.verdict.text().to_owned(),
            ]
        };
        lines
            .push(format!("\n  on {} test rows, which nothing was chosen by:", grouped(full.rows)));
        let rows = [row("all", report.full_dimensions, full), row("chosen", dimensions, small)];
        let header = ["", "dimensions", "error rate", "miss rate", "ROC AUC", "verdict"];
        lines.extend(table(&header, 1, rows.into_iter()).lines().map(str::to_owned));
    }
    lines.join("\n") + "\n"
}

/// Groups, and names in a group, that are shown.
const SHOWN: usize = 8;

fn some(names: &[String]) -> String {
    let shown = names.iter().take(SHOWN).map(String::as_str).collect::<Vec<_>>().join(", ");
    match names.len() > SHOWN {
        true => format!("{shown} and {} more", names.len() - SHOWN),
        false => shown,
    }
}
