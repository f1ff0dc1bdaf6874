//! What part features have in the predictions: the largest of each list, beside the line under which all is noise.

use maud::{Markup, html};
use rekindle_models::artifact::{Influence, Share};

use super::axis::Unit;
use super::ladder::{Ladder, Mark, Rung};
use super::palette::Colour;
use super::ranking::legend;
use super::{Place, Section, table};
use crate::report::influence::{self, COLUMNS, List};
use crate::report::{Report, grouped, percent};

/// Most shares drawn of a list, and most that are in its table.
const DRAWN: usize = 15;
const TOLD: usize = 50;

/// Shares by the user's groups, behaviours, features and events; `None` where nobody asked.
pub fn section(report: &Report<'_>, place: &Place) -> Option<Section> {
    let influence = report.influence?;
    let lists = [
        List { what: "feature", shares: &influence.features },
        List { what: "group", shares: &influence.groups },
        List { what: "behaviour", shares: &influence.behaviours },
        List { what: "events", shares: &influence.events },
    ];
    let lists: Vec<List<'_>> = lists.into_iter().filter(|list| !list.shares.is_empty()).collect();
    let body = html! {
        p { (sentence(&influence::meaning(influence))) }
        div class="plots ladders" {
            @for list in &lists { (drawn(list, influence, place)) }
        }
        @for list in &lists {
            details {
                summary { "Shares by " (list.what) ", as a table" }
                (in_table(list))
            }
        }
    };
    Some(Section { id: "influence", title: "Influence", body })
}

fn drawn(list: &List<'_>, influence: &Influence, place: &Place) -> Markup {
    let rung = |share: &Share| {
        let i = &share.share;
        let interval =
            format!("{} [{:.1}, {:.1}]", percent(i.value), i.low * 100.0, i.high * 100.0);
        let test = if share.above_noise { "above noise" } else { "noise" };
        let many = match share.features {
            1 => String::new(),
            features => format!(" of {} features", grouped(features)),
        };
        Rung {
            name: share.name.clone(),
            written: percent(i.value),
            value: i.value,
            interval: Some((i.low, i.high)),
            mark: Mark::Bar(if share.above_noise { Colour::Blue } else { Colour::Pale }),
            beside: None,
            tells: format!(
                "{}{many}: {interval}, {}, {test}",
                super::ladder::shortened(&share.name, 200),
                share.direction
            ),
        }
    };
    let shown: Vec<Rung> = list.shares.iter().take(DRAWN).map(rung).collect();
    let left = list.shares.len().saturating_sub(DRAWN);
    let mut says = Vec::new();
    if left > 0 {
        says.push(format!("The largest {DRAWN}; {} more have less.", grouped(left)));
    }
    if list.what != "feature" && list.shares.iter().take(DRAWN).any(|share| !share.above_noise) {
        says.push("Grey ones hold no feature above the noise line.".to_owned());
    }
    // A group has the features' line only in the sense that one of them is above it.
    let line = (list.what == "feature").then_some(influence.noise_line);
    let mut means = legend(&[(Colour::Blue, "above noise"), (Colour::Pale, "noise")]);
    if line.is_some() {
        means.push((Colour::Orange, format!("noise line, {:.2} %", influence.noise_line * 100.0)));
    }
    Ladder {
        id: place.id(&format!("influence-{}", list.what)),
        title: format!("Influence by {}", list.what),
        says: says.join(" "),
        axis: "share of the mean absolute contribution".to_owned(),
        unit: Unit::Percent,
        rungs: shown,
        line,
        limit: None,
        reach: None,
        legend: means,
    }
    .figure()
}

fn in_table(list: &List<'_>) -> Markup {
    let [features, share, direction, test] = COLUMNS;
    let rows = influence::rows(list, TOLD).into_iter();
    let rows: Vec<[String; 5]> =
        rows.map(|[name, of, share, way, test]| [name, way, test, of, share]).collect();
    let header = [list.what, direction, test, features, share];
    table::of_texts(&format!("Influence by {}", list.what), &header, 3, &rows)
}

/// A sentence from words that stand alone elsewhere.
pub fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map_or(String::new(), |first| first.to_uppercase().collect());
    first + letters.as_str() + "."
}
