//! Pictures as SVG: flows between groups, a line between its bounds, bars. Drawn narrow, so that their letters can be read on
//! a phone; coloured by classes, which the style sheet turns into colours for light and dark. Behind each picture stands a
//! table, made by whoever shows it.

use maud::{Markup, html};

/// A group of a flow.
pub struct Band {
    /// Its name.
    pub name: String,
    /// What is written beside it.
    pub told: String,
    /// The class of its colour.
    pub class: &'static str,
}

/// Width of pictures in their own units.
const WIDTH: f64 = 360.0;
/// Where bands of a flow begin and end.
const LEFT: f64 = 108.0;
const RIGHT: f64 = WIDTH - 108.0;
const BLOCK: f64 = 8.0;
/// Height of all bands together, and of the gap between two.
const BANDS: f64 = 250.0;
const GAP: f64 = 16.0;
/// No band is thinner, so that it can be seen.
const THINNEST: f64 = 1.0;
/// Room for two lines of letters.
const LEGIBLE: f64 = 30.0;

/// A flow from the groups on the left to those on the right: `moves[from][to]`, in a picture called `label`.
pub fn flow(label: &str, from: &[Band], to: &[Band], moves: &[Vec<u64>]) -> Markup {
    let total: u64 = moves.iter().flatten().sum();
    if total == 0 {
        return html! {};
    }
    let height = |count: u64| BANDS * count as f64 / total as f64;
    let out: Vec<u64> = moves.iter().map(|row| row.iter().sum()).collect();
    let into: Vec<u64> = (0..to.len()).map(|to| moves.iter().map(|row| row[to]).sum()).collect();
    let place = |counts: &[u64]| {
        let mut top = 8.0;
        let mut places = Vec::new();
        for count in counts {
            let tall = height(*count).max(THINNEST);
            places.push((top, tall));
            // Names stand beside their bands, and need room.
            top += if *count == 0 { 0.0 } else { tall.max(LEGIBLE) + GAP };
        }
        (places, top)
    };
    let ((left, left_end), (right, right_end)) = (place(&out), place(&into));
    let mut left_filled: Vec<f64> = left.iter().map(|(top, _)| *top).collect();
    let mut right_filled: Vec<f64> = right.iter().map(|(top, _)| *top).collect();
    let mut ribbons = Vec::new();
    for (source, row) in moves.iter().enumerate() {
        for (goal, count) in row.iter().enumerate().filter(|(_, count)| **count > 0) {
            let tall = height(*count).max(THINNEST);
            let (start, end) = (left_filled[source], right_filled[goal]);
            ribbons.push((ribbon(start, end, tall), from[source].class));
            left_filled[source] += height(*count);
            right_filled[goal] += height(*count);
        }
    }
    let bottom = left_end.max(right_end);
    html! {
        svg.flow viewBox=(format!("0 0 {WIDTH} {bottom:.0}")) role="img" aria-label=(label) {
            @for (path, class) in &ribbons { path.ribbon.(class) d=(path) {} }
            @for (band, ((top, tall), count)) in from.iter().zip(left.iter().zip(&out)) {
                @if *count > 0 {
                    rect.(band.class) x=(LEFT - BLOCK) y=(round(*top)) width=(BLOCK) height=(round(*tall)) {}
                    (beside(band, LEFT - BLOCK - 6.0, middle(*top, *tall), "end"))
                }
            }
            @for (band, ((top, tall), count)) in to.iter().zip(right.iter().zip(&into)) {
                @if *count > 0 {
                    rect.(band.class) x=(RIGHT) y=(round(*top)) width=(BLOCK) height=(round(*tall)) {}
                    (beside(band, RIGHT + BLOCK + 6.0, middle(*top, *tall), "start"))
                }
            }
        }
    }
}

fn middle(top: f64, tall: f64) -> f64 {
    top + tall.max(LEGIBLE - 8.0) / 2.0
}

fn beside(band: &Band, x: f64, y: f64, anchor: &str) -> Markup {
    html! {
        text x=(x) y=(round(y - 1.0)) text-anchor=(anchor) { (band.name) }
        text.faint x=(x) y=(round(y + 12.0)) text-anchor=(anchor) { (band.told) }
    }
}

/// A band from the left to the right.
fn ribbon(start: f64, end: f64, tall: f64) -> String {
    let half = (LEFT + RIGHT) / 2.0;
    format!(
        "M{LEFT} {start:.1}C{half} {start:.1} {half} {end:.1} {RIGHT} {end:.1}V{:.1}C{half} {:.1} {half} {:.1} {LEFT} \
         {:.1}Z",
        end + tall,
        end + tall,
        start + tall,
        start + tall
    )
}

fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// A share of 0 to 1 as a bar. What it says stands beside it.
pub fn bar(share: f64, class: &str) -> Markup {
    let width = round(100.0 * share.clamp(0.0, 1.0));
    html! {
        svg.bar viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true" {
            rect.track width="100" height="8" {}
            rect.(class) width=(width) height="8" {}
        }
    }
}

/// A value between its bounds at a place of the axis.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Point {
    /// Where.
    pub x: f64,
    /// The value.
    pub y: f64,
    /// Its lower bound; the value itself where there is none.
    pub low: f64,
    /// Its upper bound.
    pub high: f64,
}

/// How an axis is written.
pub struct Axes<'a> {
    /// What the picture is called.
    pub label: &'a str,
    /// A value of the upright axis in words.
    pub y: &'a dyn Fn(f64) -> String,
    /// A value of the other one.
    pub x: &'a dyn Fn(f64) -> String,
    /// Ends of the upright axis, where they are not those of the values.
    pub within: Option<(f64, f64)>,
}

const PLOT_HEIGHT: f64 = 190.0;
const PLOT: (f64, f64, f64, f64) = (56.0, 10.0, WIDTH - 10.0, PLOT_HEIGHT - 26.0);

/// A line with its bounds, over a line at 0 where that is within. Nothing for no point.
pub fn line(points: &[Point], axes: &Axes<'_>) -> Markup {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return html! {} };
    let (low, high) = axes.within.unwrap_or_else(|| {
        let low = points.iter().map(|p| p.low).fold(0.0, f64::min);
        let high = points.iter().map(|p| p.high).fold(0.0, f64::max);
        let room = ((high - low) * 0.06).max(1e-9);
        (if low < 0.0 { low - room } else { low }, high + room)
    });
    let (left, top, right, bottom) = PLOT;
    let wide = (last.x - first.x).max(1e-9);
    let x = |value: f64| match points.len() {
        1 => (left + right) / 2.0,
        _ => left + (right - left) * (value - first.x) / wide,
    };
    let y = |value: f64| bottom - (bottom - top) * ((value - low) / (high - low)).clamp(0.0, 1.0);
    let at = |px: f64, py: f64| format!("{px:.1} {py:.1}");
    let path = points.iter().map(|p| at(x(p.x), y(p.y))).collect::<Vec<_>>().join("L");
    let there = points.iter().map(|p| at(x(p.x), y(p.high)));
    let back = points.iter().rev().map(|p| at(x(p.x), y(p.low)));
    let band = there.chain(back).collect::<Vec<_>>().join("L");
    html! {
        svg.plot viewBox=(format!("0 0 {WIDTH} {PLOT_HEIGHT}")) role="img" aria-label=(axes.label) {
            @for tick in ticks(low, high) {
                line.grid x1=(left) x2=(right) y1=(round(y(tick))) y2=(round(y(tick))) {}
                text.faint x=(left - 5.0) y=(round(y(tick) + 3.5)) text-anchor="end" { ((axes.y)(tick)) }
            }
            @if low <= 0.0 && high >= 0.0 {
                line.zero x1=(left) x2=(right) y1=(round(y(0.0))) y2=(round(y(0.0))) {}
            }
            path.band d=(format!("M{band}Z")) {}
            path.series d=(format!("M{path}")) {}
            @for point in [first, last] {
                circle.series cx=(round(x(point.x))) cy=(round(y(point.y))) r="2.5" {}
            }
            @if points.len() > 1 {
                text.faint x=(left) y=(PLOT_HEIGHT - 8.0) { ((axes.x)(first.x)) }
            }
            text.faint x=(right) y=(PLOT_HEIGHT - 8.0) text-anchor="end" { ((axes.x)(last.x)) }
        }
    }
}

/// Round values between two, some four of them.
fn ticks(low: f64, high: f64) -> Vec<f64> {
    let rough = (high - low) / 4.0;
    let unit = 10f64.powf(rough.log10().floor());
    let step = [1.0, 2.0, 5.0, 10.0].into_iter().map(|m| m * unit).find(|s| *s >= rough);
    let step = step.unwrap_or(unit);
    let first = (low / step).ceil();
    (0..8).map(|n| (first + f64::from(n)) * step).take_while(|tick| *tick <= high).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_are_round_and_within() {
        let check = |low, high, expected: &[f64]| {
            let found = ticks(low, high);
            let near = found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-9);
            assert!(near && found.len() == expected.len(), "{found:?} {expected:?}");
        };
        check(0.0, 1.0, &[0.0, 0.5, 1.0]);
        check(-0.013, 0.041, &[0.0, 0.02, 0.04]);
        check(3.0, 3.5, &[3.0, 3.2, 3.4]);
    }

    #[test]
    fn names_in_pictures_are_texts() {
        let band = || Band { name: "<script>".into(), told: "1".into(), class: "tier-0" };
        let drawn = flow("a & b", &[band()], &[band()], &[vec![1]]).into_string();
        assert!(drawn.contains("&lt;script&gt;") && drawn.contains("a &amp; b"), "{drawn}");
        assert!(!drawn.contains("<script>"), "{drawn}");
    }
}
