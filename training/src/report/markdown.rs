//! The report as Markdown, for pull requests and archives.

use rekindle_models::artifact::Influence;
use rekindle_models::metrics::Interval;

use crate::evaluate::Evaluation;
use crate::report::{
    Document, INTERVALS, MONEY, Report, asked, compared, figure, grouped, influence, outcome,
    percent, rate, tuned,
};
use crate::segments::Segment;
use crate::verdict::Word;

/// Most shares that are shown of a list.
const SHARES: usize = 30;

/// The document as one Markdown page.
pub fn markdown(document: &Document<'_>) -> String {
    let pages = document.reports.iter().map(page).collect::<Vec<_>>().join("\n");
    match document.reports.len() {
        0 | 1 => pages,
        _ => format!("# {} models\n\n{}\n{pages}", document.reports.len(), beside(document)),
    }
}

/// The document in short, for a pull request: the verdicts, what was asked and what came of it, and the figures.
pub fn summary(document: &Document<'_>) -> String {
    let mut text = beside(document);
    for report in &document.reports {
        text += &format!("\n### {}\n\n{}", cell(&report.model()), verdict(report));
        let Some(evaluation) = report.evaluation else { continue };
        text += &conditions(report);
        text += &report.warnings.iter().map(|w| format!("\n- ⚠️ {}", cell(w))).collect::<String>();
        text += &format!(
            "\n\n<details><summary>Figures on {} rows</summary>\n\n{}\n</details>\n",
            grouped(evaluation.rows),
            figures(evaluation)
        );
    }
    text
}

/// A line for each model.
fn beside(document: &Document<'_>) -> String {
    let mut text = "| model | target | verdict | rows | error rate | miss rate | ROC AUC |\n\
                    |---|---|---|---:|---:|---:|---:|\n"
        .to_owned();
    for report in &document.reports {
        let of = |figure: &dyn Fn(&Evaluation) -> String| {
            report.evaluation.map_or_else(|| "-".to_owned(), figure)
        };
        let cells = [
            cell(&report.model()),
            cell(&report.target),
            of(&|e| format!("{} {}", mark(e.verdict.verdict), e.verdict.verdict.text())),
            of(&|e| grouped(e.rows)),
            of(&|e| rate(&e.error_rate)),
            of(&|e| rate(&e.miss_rate)),
            of(&|e| figure(&e.roc_auc)),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

fn mark(word: Word) -> &'static str {
    match word {
        Word::Usable => "✅",
        Word::Unusable => "❌",
        Word::NotEnoughData => "❔",
    }
}

fn verdict(report: &Report<'_>) -> String {
    match report.evaluation.map(|e| &e.verdict) {
        Some(v) => format!("**{}**: {}.\n", v.verdict.text(), cell(&v.reason)),
        None => "Not judged yet: no rows were kept for it.\n".to_owned(),
    }
}

/// What was asked, and what came of it.
fn conditions(report: &Report<'_>) -> String {
    let mut text =
        "\n| asked | of | outcome | figure | at worst |\n|---|---|---|---:|---:|\n".to_owned();
    for (segment, c) in asked(report) {
        let of = segment.map_or_else(|| "all rows".to_owned(), |segment| cell(&segment));
        let number = |value: f64| match value.is_nan() {
            true => "none".to_owned(),
            false => format!("{value:.4}"),
        };
        text += &format!(
            "| {} | {of} | {} | {} | {} |\n",
            cell(&c.asks),
            outcome(c.outcome),
            number(c.value),
            number(c.at_worst)
        );
    }
    text
}

/// The model beside the baselines.
fn figures(evaluation: &Evaluation) -> String {
    let rule = &evaluation.baselines.rule;
    let mut text = format!(
        "| | model | base rate | {} ({}) |\n|---|---:|---:|---:|\n",
        rule.name,
        cell(&rule.feature)
    );
    text.extend(compared(evaluation).iter().map(|row| format!("| {} |\n", row.join(" | "))));
    text += &format!(
        "\nIntervals: {:.0} %; {INTERVALS}. The rule predicts at least as many positive as the model.\n",
        evaluation.limits.confidence * 100.0
    );
    if evaluation.money.is_some() {
        text += &format!("\nMoney: {MONEY}.\n");
    }
    text
}

/// All that a report says.
fn page(report: &Report<'_>) -> String {
    let mut page = format!("# {}\n\n{}\n", cell(&report.model()), verdict(report));
    let rows = report.model_rows;
    let mut facts = vec![
        ("target", report.target.clone()),
        ("population", report.population.to_owned()),
        ("classifier", format!("{}: {}", report.classifier, report.choice())),
        ("features", report.features.to_string()),
        (
            "made from",
            format!(
                "{} training rows ({} with the target), {} calibration rows",
                grouped(rows.train.rows),
                grouped(rows.train.positives),
                grouped(rows.calibration.rows)
            ),
        ),
        ("calibration", report.calibration.to_owned()),
    ];
    if let Some(evaluation) = report.evaluation {
        let rule = report.threshold_rule;
        facts.push(("threshold", format!("{:.4}: {rule}", evaluation.threshold)));
        facts.extend(report.campaign.map(|campaign| ("campaign", campaign.describe())));
        facts.push((
            "judged on",
            format!(
                "{}: {} rows, {} with the target (base rate {})",
                report.judged_on,
                grouped(evaluation.rows),
                grouped(evaluation.positives),
                percent(evaluation.base_rate.value)
            ),
        ));
    }
    page += "| | |\n|---|---|\n";
    page.extend(facts.iter().map(|(name, text)| format!("| {name} | {} |\n", cell(text))));
    if let Some(evaluation) = report.evaluation {
        page += &conditions(report);
        page += &format!("\n{}", figures(evaluation));
        page +=
            "\n| probability | share with the target | rows | weight |\n|---:|---:|---:|---:|\n";
        page.extend(evaluation.ece_bins.iter().map(|bin| {
            let share = Interval { value: bin.rate, low: bin.low, high: bin.high };
            format!(
                "| {:.4} | {} | {} | {:.0} |\n",
                bin.probability,
                figure(&share),
                grouped(bin.rows),
                bin.weight
            )
        }));
    }
    page += &segments(report.segments);
    if !report.leaks.is_empty() {
        page += "\n## Leak guard\n\n| feature | target | test | evidence | action |\n|---|---|---|---|---|\n";
        page.extend(report.leaks.iter().map(|leak| {
            let cells = [&leak.feature, &leak.target, &leak.test, &leak.evidence, &leak.action];
            format!("| {} |\n", cells.map(|text| cell(text)).join(" | "))
        }));
    }
    page += &report.influence.map(influence_markdown).unwrap_or_default();
    if let Some(tried) = report.tuned {
        page += &format!("\n## Parameters\n\n{}.\n\n", tuned::found(tried));
        page += &format!("| {} |\n|{}\n", tuned::COLUMNS.join(" | "), "---:|".repeat(11));
        let rows = tried.trials.iter().map(tuned::cells);
        page.extend(rows.map(|row| format!("| {} |\n", row.join(" | "))));
    }
    if !report.warnings.is_empty() {
        page += "\n## Warnings\n\n";
        page.extend(report.warnings.iter().map(|warning| format!("- {}\n", cell(warning))));
    }
    page
}

/// The figures of segments.
fn segments(segments: &[Segment]) -> String {
    if segments.is_empty() {
        return String::new();
    }
    let mut text = "\n## Segments\n\n| segment | limits | rows | base rate | mean probability | error rate | miss rate \
                    | ROC AUC |\n|---|---|---:|---:|---:|---:|---:|---:|\n"
        .to_owned();
    for segment in segments {
        let limits = match segment.judged {
            true => segment.worst().map_or("-", outcome),
            false => "too few rows",
        };
        let cells = [
            cell(&segment.name()),
            limits.to_owned(),
            grouped(segment.rows),
            rate(&segment.base_rate),
            percent(segment.mean_probability),
            rate(&segment.error_rate),
            rate(&segment.miss_rate),
            figure(&segment.roc_auc),
        ];
        text += &format!("| {} |\n", cells.join(" | "));
    }
    text
}

fn influence_markdown(influence: &Influence) -> String {
    let mut page = "\n## Influence\n".to_owned();
    for list in influence::lists(influence) {
        let columns = influence::COLUMNS.join(" | ");
        page += &format!("\n| {} | {columns} |\n|---|---:|---:|---|---|\n", list.what);
        let rows = influence::rows(&list, SHARES).into_iter();
        page.extend(rows.map(|row| format!("| {} |\n", row.map(|text| cell(&text)).join(" | "))));
    }
    page + &format!("\nOf {}.\n", influence::meaning(influence))
}

/// Text that stays within its cell, and text: names of columns and levels are anybody's.
pub(super) fn cell(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '\n' | '\r' => safe.push(' '),
            '|' | '[' | ']' | '`' | '*' => safe.extend(['\\', letter]),
            _ => safe.push(letter),
        }
    }
    safe
}
