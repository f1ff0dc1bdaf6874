//! The report as a person reads it in a terminal.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::report::{Report, compared, grouped, percent};
use crate::verdict::Word;

/// Width of the names on the left.
const NAME: usize = 14;

/// The report as lines of text; `colour` where it goes to a terminal that wants it.
pub fn terminal(report: &Report<'_>, colour: bool) -> String {
    let mut lines = vec![format!(
        "{}: {} ({}, {} features)",
        report.model(),
        report.target,
        report.classifier,
        report.features
    )];
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<NAME$}{text}"));
    if let Some(evaluation) = report.evaluation {
        let verdict = &evaluation.verdict;
        line("verdict", painted(verdict.verdict, colour));
        line("", sentence(&verdict.reason));
    }
    line("population", report.population.to_owned());
    let rows = report.model_rows;
    line(
        "made from",
        format!(
            "{} training rows ({} with the target), {} calibration rows",
            grouped(rows.train.rows),
            grouped(rows.train.positives),
            grouped(rows.calibration.rows)
        ),
    );
    line("classifier", format!("{}: {}", report.classifier, report.choice()));
    line("calibration", report.calibration.to_owned());
    let Some(evaluation) = report.evaluation else {
        line(
            "judged on",
            "nothing yet: run `rekindle evaluate` on rows it has not seen".to_owned(),
        );
        return finish(lines, report, colour);
    };
    line("threshold", format!("{:.4}: {}", evaluation.threshold, report.threshold_rule));
    line(
        "judged on",
        format!(
            "{}: {} rows, {} with the target (base rate {})",
            report.judged_on,
            grouped(evaluation.rows),
            grouped(evaluation.positives),
            percent(evaluation.base_rate.value)
        ),
    );
    let counts = &evaluation.confusion;
    line(
        "decisions",
        format!(
            "{} predicted positive: {:.0} were, {:.0} were not; {:.0} positives were missed",
            grouped(counts.predicted_positive_rows),
            counts.true_positives,
            counts.false_positives,
            counts.false_negatives
        ),
    );
    let rule = &evaluation.baselines.rule;
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["", "model", "base rate", &format!("{} ({})", rule.name, rule.feature)]);
    table.add_rows(compared(evaluation));
    for column in 1..4 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    lines.push(String::new());
    lines.extend(table.to_string().lines().map(|line| format!("  {}", line.trim_end())));
    lines.push(format!(
        "  [intervals: {:.0} %; rates by Wilson, the rest by bootstrap; the rule predicts at least \
         as many positive as the model]",
        evaluation.limits.confidence * 100.0
    ));
    finish(lines, report, colour)
}

fn finish(mut lines: Vec<String>, report: &Report<'_>, colour: bool) -> String {
    if !report.warnings.is_empty() {
        lines.push(String::new());
    }
    let mark = if colour { "\x1b[33mwarning\x1b[0m" } else { "warning" };
    lines.extend(report.warnings.iter().map(|warning| format!("  {mark}: {warning}")));
    lines.join("\n") + "\n"
}

fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str() + "."
    })
}

fn painted(word: Word, colour: bool) -> String {
    let text = word.text().to_uppercase();
    let code = match word {
        Word::Usable => 32,
        Word::Unusable => 31,
        Word::NotEnoughData => 33,
    };
    if colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text }
}
