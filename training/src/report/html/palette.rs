//! The colours that pictures are drawn in. Each is a name as much as a colour: `style.css` says what it looks like in
//! light, in dark and on paper. Blue, orange and green are Okabe and Ito's, told apart by people who are colour-blind.

use plotters::style::RGBColor;

/// A colour of the pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// Texts and intervals.
    Ink,
    /// What things are compared with.
    Grey,
    /// Lines of the axes' grid.
    Grid,
    /// The first thing shown.
    Blue,
    /// The second, dashed where it is a line.
    Orange,
    /// What was chosen.
    Green,
    /// What may be noise.
    Pale,
}

impl Colour {
    /// As it is drawn: `style.css` looks for these.
    pub fn drawn(self) -> RGBColor {
        match self {
            Colour::Ink => RGBColor(38, 42, 51),
            Colour::Grey => RGBColor(91, 98, 112),
            Colour::Grid => RGBColor(227, 230, 235),
            Colour::Blue => RGBColor(0, 114, 178),
            Colour::Orange => RGBColor(213, 94, 0),
            Colour::Green => RGBColor(0, 121, 92),
            Colour::Pale => RGBColor(176, 183, 194),
        }
    }

    /// The class of its swatch in a legend.
    pub fn class(self) -> &'static str {
        match self {
            Colour::Ink => "ink",
            Colour::Grey => "grey",
            Colour::Grid => "grid",
            Colour::Blue => "blue",
            Colour::Orange => "orange",
            Colour::Green => "green",
            Colour::Pale => "pale",
        }
    }
}
