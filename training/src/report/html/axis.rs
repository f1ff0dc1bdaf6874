//! An axis: what it shows, from where to where, and how its numbers are written.

/// How an axis' numbers are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Shares as per cent.
    Percent,
    /// Plain numbers.
    Number,
    /// Whole numbers.
    Whole,
}

impl Unit {
    /// A number that a person chose, without digits that say nothing.
    pub fn short(self, number: f64) -> String {
        let rounded = |number: f64, digits: f64| (number * digits).round() / digits;
        match self {
            Unit::Percent => format!("{} %", rounded(number * 100.0, 100.0)),
            Unit::Number | Unit::Whole => rounded(number, 10_000.0).to_string(),
        }
    }
}

/// One axis of a picture.
#[derive(Debug, Clone, PartialEq)]
pub struct Axis {
    /// What it shows, with its unit.
    pub name: String,
    /// Its lower end.
    pub low: f64,
    /// Its upper end, above the lower.
    pub high: f64,
    /// How its numbers are written.
    pub unit: Unit,
}

impl Axis {
    /// An axis that shows all the values, and `low` and `high` where they are given; some room is left above.
    pub fn over(name: &str, unit: Unit, values: impl Iterator<Item = f64>) -> Axis {
        let (low, high) = values
            .filter(|value| value.is_finite())
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(a, b), v| (a.min(v), b.max(v)));
        let (low, high) = match low < high {
            true => (low, high),
            false if low.is_finite() && low == high => {
                (low - 0.5 * low.abs().max(1e-6), high + 0.5 * high.abs().max(1e-6))
            }
            false => (0.0, 1.0),
        };
        Axis { name: name.to_owned(), low, high, unit }
    }

    /// Shares from nothing to all.
    pub fn share(name: &str) -> Axis {
        Axis { name: name.to_owned(), low: 0.0, high: 1.0, unit: Unit::Percent }
    }

    /// The same with 0 on it, with a little room above; of shares not beyond all.
    pub fn with_zero(self) -> Axis {
        let high = if self.high > 0.0 { self.high * 1.04 } else { 1.0 };
        let all = self.unit == Unit::Percent && self.high <= 1.0;
        Axis { low: self.low.min(0.0), high: if all { high.min(1.0) } else { high }, ..self }
    }

    /// The same with a little room at both ends.
    pub fn roomy(self) -> Axis {
        let room = (self.high - self.low) * 0.06;
        Axis { low: self.low - room, high: self.high + room, ..self }
    }

    /// How far apart its numbers are: 1, 2 or 5 times a power of ten.
    fn step(&self) -> f64 {
        let about = if self.unit == Unit::Whole { 8.0 } else { 5.0 };
        let rough = (self.high - self.low) / about;
        let power = 10f64.powf(rough.log10().floor());
        let step = [1.0, 2.0, 5.0, 10.0].map(|times| times * power);
        let step = step.into_iter().find(|step| *step >= rough).unwrap_or(10.0 * power);
        if self.unit == Unit::Whole { step.max(1.0) } else { step }
    }

    /// Where its numbers stand.
    pub fn ticks(&self) -> Vec<f64> {
        let step = self.step();
        let first = (self.low / step - 1e-9).ceil();
        let last = (self.high / step + 1e-9).floor();
        (0..=(last - first).clamp(0.0, 50.0) as usize)
            .map(|place| (first + place as f64) * step)
            .collect()
    }

    /// A number of the axis, as exact as its steps ask for.
    pub fn written(&self, value: f64) -> String {
        let step = self.step();
        let digits = |step: f64| (-(step.log10() + 1e-9).floor()).clamp(0.0, 9.0) as usize;
        // No -0.
        let value = if value.abs() < step / 1e6 { 0.0 } else { value };
        match self.unit {
            Unit::Percent => format!("{:.*} %", digits(step * 100.0), value * 100.0),
            Unit::Number => format!("{value:.*}", digits(step)),
            Unit::Whole => format!("{value:.0}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_at_round_steps_and_are_as_exact_as_these() {
        let check = |axis: Axis, expected: &[&str]| {
            let ticks = axis.ticks();
            let written: Vec<String> = ticks.iter().map(|t| axis.written(*t)).collect();
            assert_eq!(written, expected);
        };
        check(Axis::share("x"), &["0 %", "20 %", "40 %", "60 %", "80 %", "100 %"]);
        let of = |low, high, unit| Axis { name: "x".to_owned(), low, high, unit };
        check(of(0.0, 0.013, Unit::Percent), &["0.0 %", "0.5 %", "1.0 %"]);
        check(of(-0.2, 0.21, Unit::Number), &["-0.2", "-0.1", "0.0", "0.1", "0.2"]);
        check(of(0.5, 3.5, Unit::Whole), &["1", "2", "3"]);
    }

    #[test]
    fn shares_from_zero_end_at_all_of_them() {
        let axis = |high: f64| Axis::over("x", Unit::Percent, [0.3, high].into_iter()).with_zero();
        assert_eq!((axis(1.0).low, axis(1.0).high), (0.0, 1.0));
        assert_eq!(axis(1.0).ticks().len(), 6);
        assert!(axis(0.5).high > 0.5 && axis(0.5).high < 0.55);
    }

    #[test]
    fn what_a_person_chose_is_written_as_short_as_it_is() {
        let of = |share: f64| Unit::Percent.short(share);
        assert_eq!([of(0.45), of(0.07), of(0.125)], ["45 %", "7 %", "12.5 %"]);
        assert_eq!(Unit::Number.short(0.65), "0.65");
    }

    #[test]
    fn an_axis_of_one_value_or_none_has_an_extent() {
        for values in [vec![], vec![f64::NAN], vec![0.0, 0.0], vec![3.0]] {
            let axis = Axis::over("x", Unit::Number, values.into_iter());
            assert!(axis.low < axis.high, "{axis:?}");
        }
    }
}
