//! Influence shares as a picture: the largest features as bars with their intervals, and the noise line.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use rekindle_models::artifact::{Influence, Share};

/// Most bars.
const BARS: usize = 20;
/// Sizes in points: a bar with its gap, what stands above and below, the names, the bars.
const BAR: i32 = 24;
const HEAD: i32 = 64;
const FOOT: i32 = 30;
const NAMES: i32 = 330;
const WIDTH: i32 = 860;

const INK: RGBColor = RGBColor(38, 42, 51);
const GREY: RGBColor = RGBColor(150, 155, 165);
const TOLD: RGBColor = RGBColor(43, 108, 176);
const NOISE: RGBColor = RGBColor(196, 201, 209);
const LINE: RGBColor = RGBColor(192, 57, 43);

/// The shares of the largest features as SVG. `None` where no feature moves anything.
pub fn influence_svg(title: &str, influence: &Influence) -> Option<String> {
    let shares: Vec<&Share> =
        influence.features.iter().filter(|s| s.share.value > 0.0).take(BARS).collect();
    let most = shares.iter().map(|share| share.share.high).fold(influence.noise_line, f64::max);
    if shares.is_empty() {
        return None;
    }
    let height = HEAD + BAR * shares.len() as i32 + FOOT;
    let mut svg = String::new();
    {
        let area = SVGBackend::with_string(&mut svg, (WIDTH as u32, height as u32));
        let area = area.into_drawing_area();
        Picture { area: &area, most: most * 1.02 }
            .draw(title, &shares, influence)
            .expect("drawing into memory does not fail");
        area.present().expect("drawing into memory does not fail");
    }
    Some(svg)
}

/// What is drawn on, and the share at its right edge.
struct Picture<'a, 'b> {
    area: &'a DrawingArea<SVGBackend<'b>, plotters::coord::Shift>,
    most: f64,
}

type Drawn<'b> = Result<(), DrawingAreaErrorKind<<SVGBackend<'b> as DrawingBackend>::ErrorType>>;

impl<'b> Picture<'_, 'b> {
    fn at(&self, share: f64) -> i32 {
        let room = f64::from(WIDTH - NAMES - 80);
        NAMES + (share / self.most * room).round() as i32
    }

    fn text(
        &self,
        text: &str,
        at: (i32, i32),
        size: i32,
        colour: RGBColor,
        side: HPos,
    ) -> Drawn<'b> {
        let style = ("sans-serif", size).into_font().color(&colour);
        let style = style.pos(Pos::new(side, VPos::Center));
        self.area.draw(&Text::new(text.to_owned(), at, style))
    }

    fn line(&self, from: (i32, i32), to: (i32, i32), colour: RGBColor, width: u32) -> Drawn<'b> {
        self.area.draw(&PathElement::new(vec![from, to], colour.stroke_width(width)))
    }

    fn draw(&self, title: &str, shares: &[&Share], influence: &Influence) -> Drawn<'b> {
        self.area.fill(&WHITE)?;
        self.text(title, (16, 22), 21, INK, HPos::Left)?;
        let rows = format!("influence shares on {} rows not learned from", influence.rows);
        self.text(&rows, (16, 44), 15, GREY, HPos::Left)?;
        let bottom = HEAD + BAR * shares.len() as i32;
        for (place, share) in shares.iter().enumerate() {
            let middle = HEAD + BAR * place as i32 + BAR / 2;
            let (value, low, high) = (share.share.value, share.share.low, share.share.high);
            let colour = if share.above_noise { TOLD } else { NOISE };
            let bar = [(NAMES, middle - 8), (self.at(value), middle + 8)];
            self.area.draw(&Rectangle::new(bar, colour.filled()))?;
            self.line((self.at(low), middle), (self.at(high), middle), INK, 1)?;
            for end in [low, high] {
                self.line((self.at(end), middle - 4), (self.at(end), middle + 4), INK, 1)?;
            }
            let ink = if share.above_noise { INK } else { GREY };
            self.text(&shortened(&share.name), (NAMES - 8, middle), 15, ink, HPos::Right)?;
            let told = format!("{:.1} %", value * 100.0);
            self.text(&told, (self.at(high) + 8, middle), 15, ink, HPos::Left)?;
        }
        let line = self.at(influence.noise_line);
        for y in (HEAD - 4..bottom).step_by(8) {
            self.line((line, y), (line, (y + 4).min(bottom)), LINE, 1)?;
        }
        let told = format!("noise line: {:.2} %", influence.noise_line * 100.0);
        self.text(&told, (line, bottom + 14), 15, LINE, HPos::Left)
    }
}

/// A name that fits beside its bar.
fn shortened(name: &str) -> String {
    const MOST: usize = 46;
    match name.chars().count() > MOST {
        true => name.chars().take(MOST - 1).collect::<String>() + "…",
        false => name.to_owned(),
    }
}
