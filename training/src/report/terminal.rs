//! The report as a person reads it in a terminal.

use rekindle_models::artifact::{Influence, LeakEntry};

use crate::report::{
    INTERVALS, MONEY, Report, compared, figure, grouped, influence, outcome, percent, rate, table,
    tuned,
};
use crate::segments::Segment;
use crate::verdict::Word;

/// Width of the names on the left.
const NAME: usize = 14;

/// Most shares that are shown of a list.
const SHARES: usize = 12;

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
    if let Some(tried) = report.tuned {
        line("parameters", tuned::found(tried));
    }
    line("calibration", report.calibration.to_owned());
    let Some(evaluation) = report.evaluation else {
        line(
            "judged on",
            "nothing yet: run `rekindle evaluate` on rows it has not seen".to_owned(),
        );
        return finish(lines, report, colour);
    };
    line("threshold", format!("{:.4}: {}", evaluation.threshold, report.threshold_rule));
    if let Some(campaign) = report.campaign {
        line("campaign", campaign.describe());
    }
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
    let header = ["", "model", "base rate", &format!("{} ({})", rule.name, rule.feature)];
    let figures = table(&header, 1, compared(evaluation).into_iter());
    lines.push(String::new());
    lines.extend(figures.lines().map(str::to_owned));
    lines.push(format!(
        "  [intervals: {:.0} %; {INTERVALS}; the rule predicts at least as many positive as the model]",
        evaluation.limits.confidence * 100.0
    ));
    if evaluation.money.is_some() {
        lines.push(format!("  [{MONEY}]"));
    }
    finish(lines, report, colour)
}

fn finish(mut lines: Vec<String>, report: &Report<'_>, colour: bool) -> String {
    lines.extend(segments_terminal(report.segments));
    lines.extend(leaks_terminal(report.leaks));
    lines.extend(report.influence.map(influence_terminal).unwrap_or_default());
    if let Some(tried) = report.tuned {
        lines.push(String::new());
        let trials = table(&tuned::COLUMNS, 0, tuned::shown(tried).into_iter());
        lines.extend(trials.lines().map(str::to_owned));
    }
    if !report.warnings.is_empty() {
        lines.push(String::new());
    }
    let mark = if colour { "\x1b[33mwarning\x1b[0m" } else { "warning" };
    lines.extend(report.warnings.iter().map(|warning| format!("  {mark}: {warning}")));
    lines.join("\n") + "\n"
}

/// Shares of the predictions, a table for each list.
fn influence_terminal(influence: &Influence) -> Vec<String> {
    let mut lines = Vec::new();
    for list in influence::lists(influence) {
        let [features, share, direction, test] = influence::COLUMNS;
        let rows = influence::rows(&list, SHARES).into_iter();
        let rows = rows.map(|[name, of, share, way, test]| [name, way, test, of, share]);
        let shown = table(&[list.what, direction, test, features, share], 3, rows);
        lines.push(String::new());
        lines.extend(shown.lines().map(str::to_owned));
    }
    lines.push(format!("  [{}]", influence::meaning(influence)));
    lines
}

/// The figures of segments, a line each.
fn segments_terminal(segments: &[Segment]) -> Vec<String> {
    if segments.is_empty() {
        return Vec::new();
    }
    let header = ["segment", "limits", "rows", "base rate", "error rate", "miss rate", "ROC AUC"];
    let rows = segments.iter().map(|segment| {
        let worst = segment.worst().map_or("-", outcome);
        [
            segment.name(),
            if segment.judged { worst.to_owned() } else { "too few rows".to_owned() },
            grouped(segment.rows),
            rate(&segment.base_rate),
            rate(&segment.error_rate),
            rate(&segment.miss_rate),
            figure(&segment.roc_auc),
        ]
    });
    let shown = table(&header, 2, rows);
    std::iter::once(String::new()).chain(shown.lines().map(str::to_owned)).collect()
}

/// Features suspected of knowing the answer, a line each.
pub(super) fn leaks_terminal(leaks: &[LeakEntry]) -> Vec<String> {
    let head = [String::new(), "  leak guard".to_owned()].into_iter().filter(|_| !leaks.is_empty());
    let line = |leak: &LeakEntry| {
        format!("    {}: {} {}: {}", leak.action, leak.feature, leak.test, leak.evidence)
    };
    head.chain(leaks.iter().map(line)).collect()
}

pub(super) fn sentence(reason: &str) -> String {
    let mut letters = reason.chars();
    letters.next().map_or(String::new(), |first| {
        first.to_uppercase().collect::<String>() + letters.as_str() + "."
    })
}

pub(super) fn painted(word: Word, colour: bool) -> String {
    let text = word.text().to_uppercase();
    let code = match word {
        Word::Usable => 32,
        Word::Unusable => 31,
        Word::NotEnoughData => 33,
    };
    if colour { format!("\x1b[1;{code}m{text}\x1b[0m") } else { text }
}
