//! The document as one page that needs nothing else: texts, tables and pictures are there without the script, which only
//! moves the threshold and tells numbers under the pointer.

mod axis;
mod canvas;
mod distribution;
mod figures;
mod influence;
mod ladder;
mod leaks;
mod made_from;
mod palette;
mod plot;
mod quality;
mod ranking;
mod segments;
mod selection;
mod states;
mod table;
mod threshold;
mod verdict;
mod words;

use maud::{DOCTYPE, Markup, PreEscaped, html as markup};

use crate::report::{Document, Report};

const STYLE: &str = include_str!("style.css");
const SCRIPT: &str = include_str!("script.js");

/// Where a report is in the page.
struct Place {
    /// What the ids of its parts begin with.
    prefix: String,
    /// Whether the page has several reports.
    several: bool,
}

impl Place {
    /// The id of a part.
    fn id(&self, part: &str) -> String {
        format!("{}{part}", self.prefix)
    }
}

/// A part of a report.
struct Section {
    /// The last part of its id.
    id: &'static str,
    /// Its heading.
    title: &'static str,
    /// What it holds.
    body: Markup,
}

/// The document as HTML.
pub fn html(document: &Document<'_>) -> String {
    let several = document.reports.len() > 1;
    let reports = markup! {
        @for (number, report) in document.reports.iter().enumerate() {
            @let place = Place {
                prefix: if several { format!("m{}-", number + 1) } else { String::new() },
                several,
            };
            (article(report, &place))
        }
    };
    let title = match document.reports.as_slice() {
        [report] => report.model(),
        reports => format!("{} models", reports.len()),
    };
    // Only the script that was written with the page runs: what a name might smuggle in does not know this word.
    let nonce = blake3::hash(reports.0.as_bytes()).to_hex();
    let policy =
        format!("default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-{nonce}'");
    let page = markup! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta http-equiv="Content-Security-Policy" content=(policy);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " - Rekindle report" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                a class="skip" href="#content" { "Skip to the report" }
                main id="content" {
                    @if several {
                        header {
                            h1 { (title) }
                            (beside(document))
                        }
                    }
                    (reports)
                    (words::details())
                }
                footer { "Made by Rekindle. Every number of the plots is in report.json." }
                script nonce=(nonce) { (PreEscaped(SCRIPT)) }
            }
        }
    };
    page.into_string()
}

/// A line for each model.
fn beside(document: &Document<'_>) -> Markup {
    let header = ["model", "target", "verdict", "rows", "error rate", "miss rate", "ROC AUC"];
    let rows = document.reports.iter().enumerate().map(|(number, report)| {
        let mut cells = verdict::line(report);
        let link = markup! { a href={ "#m" (number + 1) "-verdict" } { (report.model()) } };
        cells.insert(0, link);
        cells
    });
    table::of_markup("All models", &header, 3, rows.collect())
}

/// One report: its verdict, the way to its parts, its parts.
fn article(report: &Report<'_>, place: &Place) -> Markup {
    let sections: Vec<Section> = [
        figures::section(report),
        threshold::section(report, place),
        ranking::section(report, place),
        distribution::section(report, place),
        influence::section(report, place),
        leaks::section(report),
        selection::section(report, place),
        states::section(report, place),
        segments::section(report, place),
        quality::section(report, place),
        made_from::section(report),
    ]
    .into_iter()
    .flatten()
    .collect();
    markup! {
        article aria-labelledby=(place.id("verdict")) {
            (verdict::head(report, place))
            nav aria-label={ "Parts of the report on " (report.model()) } {
                ul {
                    @for section in &sections {
                        li { a href={ "#" (place.id(section.id)) } { (section.title) } }
                    }
                }
            }
            @for section in &sections {
                section id=(place.id(section.id)) {
                    @if place.several { h3 { (section.title) } } @else { h2 { (section.title) } }
                    (section.body)
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
