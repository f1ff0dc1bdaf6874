//! Features suspected of knowing the answer, with the evidence and what was done.

use maud::html;
use rekindle_models::artifact::LeakEntry;

use super::{Section, table};
use crate::report::Report;

/// The leak table.
pub fn section(report: &Report<'_>) -> Option<Section> {
    let row = |leak: &LeakEntry| {
        [leak.feature.clone(), leak.action.clone(), leak.test.clone(), leak.evidence.clone()]
    };
    let rows: Vec<[String; 4]> = report.leaks.iter().map(row).collect();
    let header = ["feature", "what was done", "test", "evidence"];
    let body = html! {
        @if rows.is_empty() { p { "No feature was found that knows the answer." } }
        @else {
            p { "Features suspected of knowing the answer. Those excluded were not learned from; those warned of were: judge for yourself whether they are known in time." }
            (table::of_texts("Leaks", &header, 4, &rows))
        }
    };
    Some(Section { id: "leaks", title: "Leaks", body })
}
