//! Names below each other, each with a bar or a dot and its interval, and a line to compare them with.

use maud::{Markup, html};

use super::axis::{Axis, Unit};
use super::canvas::{Canvas, Side, WIDTH, drawn, framed};
use super::palette::Colour;
use super::plot::{figure, place};

/// Points of a rung: its name above its mark.
const RUNG: i32 = 42;
const TOP: i32 = 4;
const BOTTOM: i32 = 50;
const LEFT: i32 = 24;
const RIGHT: i32 = 24;
/// Letters of a name and what is written at its right that have room beside each other.
const LETTERS: usize = 47;

/// How a rung's figure is drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// A bar from 0.
    Bar(Colour),
    /// A dot.
    Dot(Colour),
}

/// One name with its figure.
#[derive(Debug, Clone)]
pub struct Rung {
    /// The name.
    pub name: String,
    /// The figure as it is written.
    pub written: String,
    /// The figure.
    pub value: f64,
    /// Its interval, where there is one.
    pub interval: Option<(f64, f64)>,
    /// How it is drawn.
    pub mark: Mark,
    /// A second figure, drawn as a ring.
    pub beside: Option<f64>,
    /// What is told on hover.
    pub tells: String,
}

/// The rungs with their texts.
#[derive(Debug, Clone)]
pub struct Ladder {
    /// Its place in the page.
    pub id: String,
    /// Its heading.
    pub title: String,
    /// What it shows, in a sentence.
    pub says: String,
    /// What the figures are.
    pub axis: String,
    /// How they are written.
    pub unit: Unit,
    /// From top to bottom; at least one.
    pub rungs: Vec<Rung>,
    /// What they are compared with.
    pub line: Option<f64>,
    /// What was asked of them.
    pub limit: Option<f64>,
    /// What the axis reaches at least, from 0 on; `None`: it shows what there is.
    pub reach: Option<f64>,
    /// What colours mean.
    pub legend: Vec<(Colour, String)>,
}

impl Ladder {
    /// The ladder as a figure.
    pub fn figure(&self) -> Markup {
        let height = self.height();
        let axis = self.axis();
        let inner = drawn(height, |canvas| self.draw(canvas, &axis));
        let over = html! {
            @for (number, rung) in self.rungs.iter().enumerate() {
                rect class="tells" x="0" y=(TOP + RUNG * number as i32) width=(WIDTH) height=(RUNG) {
                    title { (rung.tells) }
                }
            }
        };
        let svg = framed(height, &format!("{}. {}", self.title, self.says), &over, &inner, "");
        figure(&self.id, &self.title, &self.says, &self.legend, "", &svg)
    }

    fn height(&self) -> i32 {
        TOP + RUNG * self.rungs.len() as i32 + BOTTOM
    }

    fn axis(&self) -> Axis {
        let values = self.rungs.iter().flat_map(|rung| {
            let (low, high) = rung.interval.unwrap_or((rung.value, rung.value));
            [Some(rung.value), Some(low), Some(high), rung.beside]
        });
        let axis = Axis::over(
            &self.axis,
            self.unit,
            values.chain([self.line, self.limit, self.reach]).flatten(),
        );
        let bars = self.rungs.iter().any(|rung| matches!(rung.mark, Mark::Bar(_)));
        match bars || self.reach.is_some() {
            true => axis.with_zero(),
            false => axis.roomy(),
        }
    }

    fn draw(&self, canvas: &Canvas<'_, '_>, axis: &Axis) {
        let bottom = self.height() - BOTTOM;
        let at = |value: f64| place(value, axis, (LEFT, WIDTH - RIGHT));
        for tick in axis.ticks() {
            canvas.line(vec![(at(tick), bottom), (at(tick), TOP)], Colour::Grid, 1);
            let written = axis.written(tick);
            // A letter is about ten points wide: the text of the first tick stays within the picture.
            let half = 5 * written.chars().count() as i32;
            let middle = at(tick).clamp(half, WIDTH - half);
            canvas.text(&written, (middle, bottom + 14), Colour::Grey, Side::Around);
        }
        canvas.text(&axis.name, (WIDTH / 2, bottom + 38), Colour::Ink, Side::Around);
        for (number, rung) in self.rungs.iter().enumerate() {
            let (name, middle) = (TOP + RUNG * number as i32 + 12, TOP + RUNG * number as i32 + 30);
            let room = LETTERS.saturating_sub(rung.written.chars().count()).max(8);
            canvas.text(&shortened(&rung.name, room), (LEFT, name), Colour::Ink, Side::Right);
            canvas.text(&rung.written, (WIDTH - RIGHT, name), Colour::Ink, Side::Left);
            if let Some(line) = self.line.map(at) {
                // Beside the marks only: it would strike names out.
                canvas.line(vec![(line, middle - 9), (line, middle + 9)], Colour::Orange, 3);
            }
            if let Some(limit) = self.limit.map(at) {
                canvas.line(vec![(limit, middle - 11), (limit, middle + 11)], Colour::Ink, 2);
            }
            if !rung.value.is_finite() {
                continue;
            }
            if let Mark::Bar(colour) = rung.mark {
                canvas.bar((at(0.0), middle - 6), (at(rung.value), middle + 6), colour);
            }
            if let Some((low, high)) = rung.interval.filter(|(l, h)| l.is_finite() && h.is_finite())
            {
                canvas.whisker((at(low), middle), (at(high), middle), Colour::Ink);
            }
            if let Mark::Dot(colour) = rung.mark {
                canvas.dot((at(rung.value), middle), 5, colour, true);
            }
            if let Some(beside) = rung.beside.filter(|value| value.is_finite()) {
                canvas.dot((at(beside), middle), 6, Colour::Orange, false);
            }
        }
    }
}

/// A text of at most so many letters.
pub fn shortened(text: &str, most: usize) -> String {
    match text.chars().count() > most {
        true => text.chars().take(most.saturating_sub(1)).collect::<String>() + "…",
        false => text.to_owned(),
    }
}
