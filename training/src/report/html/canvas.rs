//! What pictures are drawn on: the only file of the page with plotters' areas. Everything is in points of the picture,
//! from its upper left corner.

use maud::{Markup, PreEscaped, html};
use plotters::coord::Shift;
use plotters::prelude::*;
use plotters::style::FontTransform;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::palette::Colour;

/// Points from left to right of every picture: on a phone one is a little less than a pixel.
pub const WIDTH: i32 = 420;
/// Height of letters.
const LETTERS: i32 = 16;

/// Where a text stands beside its point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Its point is its left end.
    Right,
    /// Its point is its right end.
    Left,
    /// Its point is its middle.
    Around,
}

/// A picture in the making.
pub struct Canvas<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, Shift>,
}

/// Draws a picture and gives its SVG elements, to be put into [`framed`].
pub fn drawn(height: i32, draw: impl FnOnce(&Canvas<'_, '_>)) -> String {
    let mut svg = String::new();
    {
        let size = (WIDTH as u32, height as u32);
        let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
        draw(&Canvas { area: &area });
        area.present().expect("drawing into memory does not fail");
    }
    let inner = svg.split_once('>').map_or("", |(_, inner)| inner);
    inner.trim_end().trim_end_matches("</svg>").to_owned()
}

/// An SVG picture that grows and shrinks with its place. `says` is what it shows, for those who do not see it; `over`
/// lies above it.
pub fn framed(height: i32, says: &str, over: &Markup, inner: &str, map: &str) -> Markup {
    html! {
        svg viewBox={ "0 0 " (WIDTH) " " (height) } role="img" aria-label=(says) data-map=(map) {
            (PreEscaped(inner))
            (over)
        }
    }
}

impl Canvas<'_, '_> {
    fn put<E>(&self, element: E)
    where
        for<'e> &'e E: plotters::element::PointCollection<'e, (i32, i32)>,
        for<'b> E: plotters::element::Drawable<SVGBackend<'b>>,
    {
        self.area.draw(&element).expect("drawing into memory does not fail");
    }

    /// A line through points.
    pub fn line(&self, points: Vec<(i32, i32)>, colour: Colour, width: u32) {
        if points.len() > 1 {
            self.put(PathElement::new(points, colour.drawn().stroke_width(width)));
        }
    }

    /// A filled shape; `part`: how much of it is seen, 0 to 1.
    pub fn area(&self, points: Vec<(i32, i32)>, colour: Colour, part: f64) {
        if points.len() > 2 {
            self.put(Polygon::new(points, colour.drawn().mix(part).filled()));
        }
    }

    /// A filled rectangle.
    pub fn bar(&self, from: (i32, i32), to: (i32, i32), colour: Colour) {
        self.put(Rectangle::new([from, to], colour.drawn().filled()));
    }

    /// A dot; a ring where it is not filled.
    pub fn dot(&self, at: (i32, i32), radius: i32, colour: Colour, filled: bool) {
        let style = match filled {
            true => colour.drawn().filled(),
            false => colour.drawn().stroke_width(2),
        };
        self.put(Circle::new(at, radius, style));
    }

    /// An interval with its ends.
    pub fn whisker(&self, from: (i32, i32), to: (i32, i32), colour: Colour) {
        self.line(vec![from, to], colour, 1);
        let across = if from.1 == to.1 { (0, 4) } else { (4, 0) };
        for end in [from, to] {
            let (a, b) =
                ((end.0 - across.0, end.1 - across.1), (end.0 + across.0, end.1 + across.1));
            self.line(vec![a, b], colour, 1);
        }
    }

    /// A text.
    pub fn text(&self, text: &str, at: (i32, i32), colour: Colour, side: Side) {
        self.letters(text, at, colour, side, FontTransform::None);
    }

    /// A text that reads upwards.
    pub fn upwards(&self, text: &str, at: (i32, i32), colour: Colour) {
        self.letters(text, at, colour, Side::Around, FontTransform::Rotate270);
    }

    fn letters(&self, text: &str, at: (i32, i32), colour: Colour, side: Side, turn: FontTransform) {
        let across = match side {
            Side::Right => HPos::Left,
            Side::Left => HPos::Right,
            Side::Around => HPos::Center,
        };
        let font = ("sans-serif", LETTERS).into_font().transform(turn);
        let style = font.color(&colour.drawn()).pos(Pos::new(across, VPos::Center));
        self.put(Text::new(text.to_owned(), at, style));
    }
}
