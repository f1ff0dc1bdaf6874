//! The report as Markdown, for pull requests and archives.

use rekindle_models::artifact::Influence;

use crate::report::{MONEY, Report, compared, grouped, influence, percent, tuned};

/// Most shares that are shown of a list.
const SHARES: usize = 30;

/// The report as one Markdown page.
pub fn markdown(report: &Report<'_>) -> String {
    let mut page = format!("# {}\n\n", report.model());
    let verdict = report.evaluation.map(|e| &e.verdict);
    page += &match verdict {
        Some(v) => format!("**{}**: {}.\n\n", v.verdict.text(), v.reason),
        None => "Not judged yet: no rows were kept for it.\n\n".to_owned(),
    };
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
        let rule = &evaluation.baselines.rule;
        page += &format!(
            "\n| | model | base rate | {} ({}) |\n|---|---:|---:|---:|\n",
            rule.name,
            cell(&rule.feature)
        );
        page.extend(compared(evaluation).iter().map(|row| format!("| {} |\n", row.join(" | "))));
        page += &format!(
            "\nIntervals: {:.0} %; rates by Wilson, the rest by bootstrap. The rule predicts at least \
             as many positive as the model.\n\n| probability | share with the target | weight |\n\
             |---:|---:|---:|\n",
            evaluation.limits.confidence * 100.0
        );
        if evaluation.money.is_some() {
            page += &format!("Money: {MONEY}.\n\n");
        }
        page.extend(evaluation.ece_bins.iter().map(|bin| {
            format!("| {:.4} | {:.4} | {:.0} |\n", bin.probability, bin.rate, bin.weight)
        }));
    }
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
        page.extend(report.warnings.iter().map(|warning| format!("- {warning}\n")));
    }
    page
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

/// Text that stays within its cell.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
