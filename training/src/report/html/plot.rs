//! A plot with two axes, as a figure of the page: lines, bands, bars, dots, and strips that tell numbers on hover.

use maud::{Markup, html};

use super::axis::Axis;
use super::canvas::{Canvas, Side, WIDTH, drawn, framed};
use super::palette::Colour;

/// Points from the picture's edges to the plot's.
const LEFT: i32 = 66;
const RIGHT: i32 = 24;
const TOP: i32 = 12;
const BOTTOM: i32 = 52;
const HEIGHT: i32 = 280;
/// Most strips that tell numbers.
const STRIPS: usize = 60;

/// Something drawn, in the axes' numbers.
#[derive(Debug, Clone)]
pub enum Shape {
    /// A line.
    Line(Colour, Vec<(f64, f64)>),
    /// What lies between two lines: place, low, high.
    Band(Colour, Vec<(f64, f64, f64)>),
    /// Bars from 0 up: from, to, height.
    Bars(Colour, Vec<(f64, f64, f64)>),
    /// Dots.
    Dots(Colour, Vec<(f64, f64)>),
    /// Intervals: place, low, high.
    Whiskers(Colour, Vec<(f64, f64, f64)>),
    /// A line from bottom to top.
    Upright(Colour, f64),
    /// A line from left to right.
    Level(Colour, f64),
    /// The same with what it is written above it, at the side on which the text begins or ends.
    Limit(Colour, f64, String, Side),
}

/// A strip from the plot's bottom to its top that tells something.
#[derive(Debug, Clone)]
pub struct Strip {
    /// Where it is.
    pub at: f64,
    /// What it tells.
    pub tells: String,
}

/// A plot with its texts.
#[derive(Debug, Clone)]
pub struct Plot {
    /// Its place in the page.
    pub id: String,
    /// Its heading.
    pub title: &'static str,
    /// What it shows, in a sentence.
    pub says: String,
    /// From left to right.
    pub x: Axis,
    /// From bottom to top.
    pub y: Axis,
    /// What is drawn, the lowest first.
    pub shapes: Vec<Shape>,
    /// What colours mean.
    pub legend: Vec<(Colour, String)>,
    /// What tells numbers, from left to right.
    pub strips: Vec<Strip>,
    /// The curve along which the threshold's dot moves, as the script knows it; empty: none does.
    pub moves: &'static str,
}

impl Plot {
    /// The plot as a figure.
    pub fn figure(&self) -> Markup {
        let inner = drawn(HEIGHT, |canvas| self.draw(canvas));
        let map = format!(
            "{LEFT} {} {} {TOP} {} {} {} {}",
            WIDTH - RIGHT,
            HEIGHT - BOTTOM,
            self.x.low,
            self.x.high,
            self.y.low,
            self.y.high
        );
        let over = html! {
            @if !self.moves.is_empty() {
                line class="moved" x1=(LEFT) x2=(LEFT) y1=(TOP) y2=(HEIGHT - BOTTOM) visibility="hidden" {}
                circle class="moved" r="5" visibility="hidden" {}
            }
            (self.strips())
        };
        let svg = framed(HEIGHT, &format!("{}. {}", self.title, self.says), &over, &inner, &map);
        figure(&self.id, self.title, &self.says, &self.legend, self.moves, &svg)
    }

    fn across(&self, x: f64) -> i32 {
        place(x, &self.x, (LEFT, WIDTH - RIGHT))
    }

    fn up(&self, y: f64) -> i32 {
        place(y, &self.y, (HEIGHT - BOTTOM, TOP))
    }

    fn draw(&self, canvas: &Canvas<'_, '_>) {
        self.grid(canvas);
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let (bottom, top) = (HEIGHT - BOTTOM, TOP);
        let at = |&(x, y): &(f64, f64)| (self.across(x), self.up(y));
        let there = |(x, y): &&(f64, f64)| x.is_finite() && y.is_finite();
        let between = |(x, a, b): &&(f64, f64, f64)| [x, a, b].iter().all(|n| n.is_finite());
        for shape in &self.shapes {
            match shape {
                Shape::Line(colour, points) => {
                    let mut points: Vec<(i32, i32)> = points.iter().filter(there).map(at).collect();
                    points.dedup();
                    canvas.line(points, *colour, 2);
                }
                Shape::Band(colour, points) => {
                    let points = || points.iter().filter(between);
                    let low = points().map(|p| (self.across(p.0), self.up(p.1)));
                    let high = points().rev().map(|p| (self.across(p.0), self.up(p.2)));
                    let mut outline: Vec<(i32, i32)> = low.chain(high).collect();
                    outline.dedup();
                    canvas.area(outline, *colour, 0.2);
                }
                Shape::Bars(colour, bars) => {
                    for (from, to, height) in bars.iter().filter(between) {
                        if *height > 0.0 {
                            let from = (self.across(*from), self.up(*height));
                            canvas.bar(from, (self.across(*to), self.up(0.0)), *colour);
                        }
                    }
                }
                Shape::Dots(colour, points) => {
                    for point in points.iter().filter(there) {
                        canvas.dot(at(point), 4, *colour, true);
                    }
                }
                Shape::Whiskers(colour, points) => {
                    for (x, low, high) in points.iter().filter(between) {
                        let x = self.across(*x);
                        canvas.whisker((x, self.up(*low)), (x, self.up(*high)), *colour);
                    }
                }
                Shape::Upright(colour, x) => {
                    let x = self.across(*x);
                    canvas.line(vec![(x, bottom), (x, top)], *colour, 2);
                }
                Shape::Level(colour, y) => {
                    let y = self.up(*y);
                    canvas.line(vec![(left, y), (right, y)], *colour, 1);
                }
                Shape::Limit(colour, y, text, side) => {
                    let y = self.up(*y);
                    canvas.line(vec![(left, y), (right, y)], *colour, 1);
                    let x = if *side == Side::Left { right - 4 } else { left + 4 };
                    let above = if y < top + 20 { y + 11 } else { y - 11 };
                    canvas.text(text, (x, above), *colour, *side);
                }
            }
        }
    }

    fn grid(&self, canvas: &Canvas<'_, '_>) {
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let (bottom, top) = (HEIGHT - BOTTOM, TOP);
        for x in self.x.ticks() {
            let (written, x) = (self.x.written(x), self.across(x));
            canvas.line(vec![(x, bottom), (x, top)], Colour::Grid, 1);
            canvas.text(&written, (x, bottom + 14), Colour::Grey, Side::Around);
        }
        for y in self.y.ticks() {
            let (written, y) = (self.y.written(y), self.up(y));
            canvas.line(vec![(left, y), (right, y)], Colour::Grid, 1);
            canvas.text(&written, (left - 6, y), Colour::Grey, Side::Left);
        }
        let middle = ((left + right) / 2, HEIGHT - 12);
        canvas.text(&self.x.name, middle, Colour::Ink, Side::Around);
        canvas.upwards(&self.y.name, (10, (top + bottom) / 2), Colour::Ink);
    }

    /// Strips that meet half-way between their places.
    fn strips(&self) -> Markup {
        let (left, right) = (LEFT, WIDTH - RIGHT);
        let mut strips: Vec<(i32, &str)> = thinned(&self.strips, STRIPS)
            .filter(|strip| strip.at.is_finite())
            .map(|strip| (self.across(strip.at), strip.tells.as_str()))
            .collect();
        strips.sort_by_key(|strip| strip.0);
        strips.dedup_by_key(|strip| strip.0);
        let half = |a: usize, b: usize| (strips[a].0 + strips[b].0) / 2;
        html! {
            @for (place, (at, tells)) in strips.iter().enumerate() {
                @let from = if place == 0 { left } else { half(place - 1, place) };
                @let to = if place + 1 == strips.len() { right } else { half(place, place + 1) };
                rect class="tells" x=(from) y=(TOP) width=((to - from).max(1)) height=(HEIGHT - BOTTOM - TOP)
                    data-at=(at) { title { (tells) } }
            }
        }
    }
}

/// A number's place between two ends of a picture.
pub fn place(number: f64, axis: &Axis, (from, to): (i32, i32)) -> i32 {
    let share = ((number - axis.low) / (axis.high - axis.low)).clamp(0.0, 1.0);
    from + (share * f64::from(to - from)).round() as i32
}

/// A picture with its heading, what it says, what its colours mean, and a line that tells numbers.
pub fn figure(
    id: &str,
    title: &str,
    says: &str,
    legend: &[(Colour, String)],
    moves: &str,
    svg: &Markup,
) -> Markup {
    html! {
        figure id=(id) data-moves=[(!moves.is_empty()).then_some(moves)] {
            figcaption {
                strong { (title) }
                " " span { (says) }
                @if !legend.is_empty() {
                    ul class="legend" {
                        @for (colour, means) in legend {
                            li { span class={ "swatch " (colour.class()) } {} (means) }
                        }
                    }
                }
            }
            (svg)
            p class="told" aria-hidden="true" {}
        }
    }
}

/// At most so many of some things, evenly, with the first and the last.
pub fn thinned<T>(all: &[T], most: usize) -> impl Iterator<Item = &T> {
    let shown = all.len().min(most);
    let last = all.len().saturating_sub(1);
    (0..shown).map(move |place| &all[if shown > 1 { place * last / (shown - 1) } else { 0 }])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_thinned_keeps_its_ends() {
        let all: Vec<usize> = (0..1_000).collect();
        let few: Vec<usize> = thinned(&all, 5).copied().collect();
        assert_eq!(few, [0, 249, 499, 749, 999]);
        assert_eq!(thinned(&all[..3], 5).count(), 3);
        assert_eq!(thinned::<usize>(&[], 5).count(), 0);
    }
}
