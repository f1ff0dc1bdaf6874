//! Tables that scroll within their own box where they are wider than the page.

use maud::{Markup, html};

use crate::report::grouped;

/// Most letters of a name that are shown; the whole of it is told on hover.
const LETTERS: usize = 120;
/// Most rows that a person reads.
pub const ROWS: usize = 60;

/// A table of texts, whose columns from one place on are numbers. Of more rows than are read, it says how many were left
/// out.
pub fn of_texts<const N: usize>(
    caption: &str,
    header: &[&str; N],
    numbers_from: usize,
    rows: &[[String; N]],
) -> Markup {
    let cell = |(column, cell): (usize, &String)| match column >= numbers_from {
        true => number(cell),
        false => name(cell),
    };
    let shown = rows.iter().take(ROWS).map(|row| row.iter().enumerate().map(cell).collect());
    html! {
        (of_markup(caption, header, numbers_from, shown.collect()))
        @if rows.len() > ROWS {
            p class="note" { (grouped(rows.len() - ROWS)) " more rows are in report.json." }
        }
    }
}

/// The same of cells that are more than texts.
pub fn of_markup(
    caption: &str,
    header: &[&str],
    numbers_from: usize,
    rows: Vec<Vec<Markup>>,
) -> Markup {
    let class = |column: usize| (column >= numbers_from).then_some("number");
    html! {
        // Reached by the keyboard, so that it can be scrolled.
        div class="box" tabindex="0" role="region" aria-label=(caption) {
            table {
                thead { tr {
                    @for (column, name) in header.iter().enumerate() {
                        th scope="col" class=[class(column)] { (name) }
                    }
                } }
                tbody {
                    @for row in rows { tr {
                        @for (column, cell) in row.into_iter().enumerate() {
                            @if column == 0 { th scope="row" { (cell) } }
                            @else { td class=[class(column)] { (cell) } }
                        }
                    } }
                }
            }
        }
    }
}

/// What something is, by name: pairs below each other.
pub fn pairs(rows: &[(&str, String)]) -> Markup {
    html! {
        dl class="pairs" {
            @for (what, is) in rows { div { dt { (what) } dd { (name(is)) } } }
        }
    }
}

/// A figure that breaks between itself and its interval only, where its column is narrow.
pub fn number(text: &str) -> Markup {
    let tight = text.replace(", ", ",\u{a0}").replace(" %", "\u{a0}%");
    name(&tight)
}

/// A text that may be of any length.
pub fn name(text: &str) -> Markup {
    let letters = text.chars().count();
    let many = letters > 2 * LETTERS;
    html! {
        @if many { span title=(cut(text, 4 * LETTERS)) { (cut(text, 2 * LETTERS)) } } @else { (text) }
    }
}

fn cut(text: &str, most: usize) -> String {
    super::ladder::shortened(text, most)
}
