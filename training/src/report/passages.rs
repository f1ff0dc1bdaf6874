//! Passages between stages and tiers as a person reads them: on the terminal, and as Markdown.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::passages::{Passage, PassageReport, Source, SuccessRate};
use crate::report::{grouped, percent};

/// Names of a table, its columns, and its rows; the first `words` columns are words, the rest numbers.
struct Listed {
    name: &'static str,
    header: Vec<&'static str>,
    words: usize,
    rows: Vec<Vec<String>>,
}

/// The passages as lines of text.
pub fn passages_terminal(report: &PassageReport) -> String {
    let mut lines = Vec::new();
    for listed in listed(report) {
        let mut table = Table::new();
        table.load_style(NOTHING);
        table.set_header(&listed.header);
        table.add_rows(&listed.rows);
        for column in listed.words..listed.header.len() {
            if let Some(column) = table.column_mut(column) {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        lines.push(listed.name.to_owned());
        lines.extend(table.to_string().lines().map(|line| format!("  {}", line.trim_end())));
        lines.push(String::new());
    }
    lines.push(format!("  [{}]", notes(report)));
    lines.join("\n") + "\n"
}

/// The passages as Markdown.
pub fn passages_markdown(report: &PassageReport) -> String {
    let mut page = String::new();
    for Listed { name, header, words, rows } in listed(report) {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        page += &format!("## {name}\n\n| {} |\n|", header.join(" | "));
        page.extend((0..header.len()).map(|place| if place < words { "---|" } else { "---:|" }));
        page.push('\n');
        page.extend(rows.iter().map(|row| line(row)));
        page.push('\n');
    }
    page + &notes(report) + "\n"
}

fn listed(report: &PassageReport) -> [Listed; 3] {
    let passages = |name, rows: &[Passage]| Listed {
        name,
        header: vec!["from", "to", "customers", "counted", "passed", "share"],
        words: 2,
        rows: rows.iter().map(passage).collect(),
    };
    [
        passages("Passages between stages", &report.stages),
        passages("Passages between tiers", &report.tiers),
        Listed {
            name: "Bought by the next cutoff",
            header: vec!["stage", "rate from", "customers", "counted", "bought", "rate"],
            words: 2,
            rows: report.success_rates.iter().map(success_rate).collect(),
        },
    ]
}

fn passage(row: &Passage) -> Vec<String> {
    vec![
        row.from.to_owned(),
        row.to.to_owned(),
        whole(row.customers),
        whole(row.counted),
        whole(row.passed),
        with_interval(row.share, Some((row.low, row.high))),
    ]
}

fn success_rate(row: &SuccessRate) -> Vec<String> {
    let source = match row.source {
        Source::Counted => "counted",
        Source::Default => "default",
        Source::NotEnoughData => "not enough data",
    };
    vec![
        row.stage.to_owned(),
        source.to_owned(),
        whole(row.customers),
        whole(row.counted),
        whole(row.bought),
        row.rate.map_or("-".to_owned(), |rate| with_interval(rate, row.low.zip(row.high))),
    ]
}

fn with_interval(share: f64, interval: Option<(f64, f64)>) -> String {
    interval.map_or_else(
        || percent(share),
        |(low, high)| format!("{} [{:.1}, {:.1}]", percent(share), low * 100.0, high * 100.0),
    )
}

fn whole(number: u64) -> String {
    usize::try_from(number).map_or_else(|_| number.to_string(), grouped)
}

/// How the figures are to be read.
fn notes(report: &PassageReport) -> String {
    format!(
        "Intervals: {:.0} %, Wilson, on different customers; a customer is counted once for each pair of \
         consecutive cutoffs. Stages with fewer than {} customers have the field's default success rate \
         of offers; counted rates are of customers as they were treated, not what contact adds.",
        report.confidence * 100.0,
        whole(report.min_customers)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> PassageReport {
        PassageReport {
            confidence: 0.95,
            min_customers: 1_000,
            stages: vec![Passage {
                from: "potential",
                to: "first_time",
                customers: 12_000,
                counted: 20_000,
                passed: 1_500,
                share: 0.075,
                low: 0.0704,
                high: 0.0798,
            }],
            tiers: Vec::new(),
            success_rates: vec![
                SuccessRate {
                    stage: "loyal",
                    customers: 12,
                    counted: 20,
                    bought: 15,
                    source: Source::Default,
                    rate: Some(0.5),
                    low: None,
                    high: None,
                },
                SuccessRate {
                    stage: "lapsed",
                    customers: 0,
                    counted: 0,
                    bought: 0,
                    source: Source::NotEnoughData,
                    rate: None,
                    low: None,
                    high: None,
                },
            ],
        }
    }

    #[test]
    fn the_terminal_shows_counts_shares_and_where_rates_are_from() {
        let text = passages_terminal(&report());
        let words = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let lines: Vec<String> = text.lines().map(words).collect();
        for expected in [
            "Passages between stages",
            "from to customers counted passed share",
            "potential first_time 12,000 20,000 1,500 7.5 % [7.0, 8.0]",
            "loyal default 12 20 15 50.0 %",
            "lapsed not enough data 0 0 0 -",
        ] {
            assert!(lines.iter().any(|line| line == expected), "{expected}: {text}");
        }
        assert!(text.contains("fewer than 1,000 customers"));
    }

    #[test]
    fn markdown_has_a_table_for_each() {
        let page = passages_markdown(&report());
        for expected in [
            "## Passages between stages\n\n| from | to | customers | counted | passed | share |\n\
             |---|---|---:|---:|---:|---:|\n\
             | potential | first_time | 12,000 | 20,000 | 1,500 | 7.5 % [7.0, 8.0] |\n",
            "| loyal | default | 12 | 20 | 15 | 50.0 % |\n",
            "| lapsed | not enough data | 0 | 0 | 0 | - |\n",
        ] {
            assert!(page.contains(expected), "{page}");
        }
    }
}
