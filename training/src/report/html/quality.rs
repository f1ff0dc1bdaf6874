//! What the table is like: what is absent, missing, constant or never seen before.

use maud::html;

use super::axis::Unit;
use super::ladder::{Ladder, Mark, Rung};
use super::palette::Colour;
use super::{Place, Section, table};
use crate::quality::{DataQuality, Missing, Names, Table};
use crate::report::{Report, grouped, percent};

/// Counts, the features with the most missing cells, and levels that were not seen when fitting.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let quality = report.data_quality?;
    let of = match quality.table {
        Table::Fitted => "the one it was made from, with its test rows".to_owned(),
        Table::Judged => report.judged_on.clone(),
    };
    let pairs = [
        ("table", of),
        ("rows read", grouped(quality.rows)),
        ("rows without an answer, left out", grouped(quality.unanswered)),
        ("features", grouped(quality.features)),
        ("absent from the table", named(&quality.absent)),
        ("missing in every row", named(&quality.wholly_missing)),
        ("missing in some row", grouped(quality.some_missing)),
        ("the same in every row", named(&quality.constant)),
        ("with levels not seen when fitting", grouped(quality.with_unknown_levels)),
    ];
    let levels: Vec<[String; 4]> = quality
        .unknown_levels
        .iter()
        .map(|of| [of.feature.clone(), of.example.clone(), grouped(of.levels), grouped(of.rows)])
        .collect();
    let body = html! {
        (table::pairs(&pairs))
        @if !quality.missing.is_empty() { div class="plots" { (missing(quality, place).figure()) } }
        @if !levels.is_empty() {
            (table::of_texts(
                "Levels not seen when the model was fitted",
                &["feature", "such as", "levels", "rows"],
                2,
                &levels,
            ))
        }
    };
    Some(Section { id: "quality", title: "Data quality", body })
}

fn named(names: &Names) -> String {
    let more = names.count.saturating_sub(names.first.len().min(SHOWN));
    let first: Vec<&str> = names.first.iter().take(SHOWN).map(String::as_str).collect();
    let shown: Vec<String> =
        first.into_iter().map(|name| super::ladder::shortened(name, 60)).collect();
    match (names.count, more) {
        (0, _) => "none".to_owned(),
        (count, 0) => format!("{}: {}", grouped(count), shown.join(", ")),
        (count, more) => {
            format!("{}: {} and {} more", grouped(count), shown.join(", "), grouped(more))
        }
    }
}

/// Names shown of a list.
const SHOWN: usize = 3;

fn missing(quality: &DataQuality, place: &Place) -> Ladder {
    let rung = |missing: &Missing| Rung {
        name: missing.feature.clone(),
        // Not wholly missing, whatever rounding says.
        written: match missing.share > 0.9995 {
            true => "over 99.9 %".to_owned(),
            false => percent(missing.share),
        },
        value: missing.share,
        interval: None,
        mark: Mark::Bar(Colour::Blue),
        beside: None,
        tells: format!(
            "{}: missing in {}",
            super::ladder::shortened(&missing.feature, 200),
            percent(missing.share)
        ),
    };
    Ladder {
        id: place.id("missing"),
        title: "Features with the most missing cells".to_owned(),
        says: "Those missing in every row apart.".to_owned(),
        axis: "share of rows without a cell".to_owned(),
        unit: Unit::Percent,
        rungs: quality.missing.iter().map(rung).collect(),
        line: None,
        limit: None,
        // A bar of next to nothing is short.
        reach: Some(0.1),
        legend: Vec::new(),
    }
}
