//! Instants from cells: dates and times as text, numbers since 1970, or typed columns.

use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMillisecondType};
use arrow_cast::cast;
use arrow_schema::{DataType, TimeUnit};
use chrono::format::{Item, StrftimeItems};
use chrono::{DateTime, NaiveDate, NaiveDateTime};
use rekindle_models::behaviour::Zone;

use crate::ingest::evaluate::Cells;

/// How a column tells instants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TimeFormat {
    /// As `2024-05-31`, `2024-05-31 09:05:07.250` or RFC 3339; typed columns as they are.
    Iso,
    /// A number of so many milliseconds times a thousand since 1970 UTC: 1,000,000 for seconds, 1 for
    /// microseconds.
    Epoch(Epoch),
    /// As a format of `strftime` has it.
    Pattern(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Epoch {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

/// What is expected of a column's cells where one is none of it.
pub(super) const EXPECTED: &str =
    "iso, epoch_s, epoch_ms, epoch_us, epoch_ns or a pattern as \"%d.%m.%Y %H:%M\"";

impl TimeFormat {
    /// Reads `time_format`.
    pub fn parse(text: &str) -> Option<TimeFormat> {
        Some(match text {
            "iso" => TimeFormat::Iso,
            "epoch_s" => TimeFormat::Epoch(Epoch::Seconds),
            "epoch_ms" => TimeFormat::Epoch(Epoch::Milliseconds),
            "epoch_us" => TimeFormat::Epoch(Epoch::Microseconds),
            "epoch_ns" => TimeFormat::Epoch(Epoch::Nanoseconds),
            _ => {
                let sound = StrftimeItems::new(text).all(|item| !matches!(item, Item::Error));
                (text.contains('%') && sound).then(|| TimeFormat::Pattern(text.to_owned()))?
            }
        })
    }

    /// What it expects, with an example, and what a cell that is none of it looks like, if that is clear.
    pub fn expected(&self, found: Option<&str>) -> String {
        let expected = match self {
            TimeFormat::Iso => "a time as \"2024-05-31\" or \"2024-05-31T09:05:07Z\"".to_owned(),
            TimeFormat::Epoch(Epoch::Seconds) => "seconds since 1970, as 1717146307".to_owned(),
            TimeFormat::Epoch(Epoch::Milliseconds) => "milliseconds since 1970".to_owned(),
            TimeFormat::Epoch(Epoch::Microseconds) => "microseconds since 1970".to_owned(),
            TimeFormat::Epoch(Epoch::Nanoseconds) => "nanoseconds since 1970".to_owned(),
            TimeFormat::Pattern(pattern) => format!("a time as {pattern:?} has it"),
        };
        let digits = found.map_or(0, |text| match text.bytes().all(|b| b.is_ascii_digit()) {
            true => text.len(),
            false => 0,
        });
        let known = [(10, "epoch_s"), (13, "epoch_ms"), (16, "epoch_us"), (19, "epoch_ns")];
        match known.iter().find(|(length, _)| *length == digits) {
            Some((_, format)) => {
                format!("{expected}; {digits} digits look like time_format = {format:?}")
            }
            None => expected,
        }
    }

    /// The cells in milliseconds since 1970 UTC; `None` where a cell is no instant. What has no zone
    /// of its own is on the clock of `zone`.
    pub fn instants(&self, cells: &Cells, zone: &Zone) -> Vec<Option<i64>> {
        match (self, cells) {
            (TimeFormat::Epoch(epoch), _) => epochs(*epoch, cells),
            (_, Cells::Column(column)) if column.data_type().is_temporal() => {
                let zoned = matches!(column.data_type(), DataType::Timestamp(_, Some(_)));
                let type_ms = DataType::Timestamp(TimeUnit::Millisecond, None);
                let Ok(times) = cast(column, &type_ms) else { return vec![None; column.len()] };
                let times = times.as_primitive::<TimestampMillisecondType>();
                let local = |ms: i64| if zoned { ms } else { zone.instant(ms) };
                times.iter().map(|ms| ms.filter(|ms| is_sane(*ms)).map(local)).collect()
            }
            _ => {
                let mut day = Day::default();
                let mut of = |text: Option<&str>| self.instant(text?.trim(), zone, &mut day);
                cells.texts().iter().map(|text| of(text).filter(|ms| is_sane(*ms))).collect()
            }
        }
    }

    fn instant(&self, text: &str, zone: &Zone, day: &mut Day) -> Option<i64> {
        let pattern = match self {
            TimeFormat::Pattern(pattern) => pattern,
            _ => return day.plain(text, zone).or_else(|| zone.parse(text)),
        };
        if let Ok(zoned) = DateTime::parse_from_str(text, pattern) {
            return Some(zoned.timestamp_millis());
        }
        let local = NaiveDateTime::parse_from_str(text, pattern)
            .ok()
            .or_else(|| NaiveDate::parse_from_str(text, pattern).ok()?.and_hms_opt(0, 0, 0))?;
        Some(zone.instant(local.and_utc().timestamp_millis()))
    }
}

/// Years 1678 to 2261: what is beyond is no time of an event, and sums with it might overflow.
fn is_sane(ms: i64) -> bool {
    // The least number has no `abs`: pandas writes it for "not a time".
    ms.unsigned_abs() < 9_223_372_036_854
}

fn epochs(epoch: Epoch, cells: &Cells) -> Vec<Option<i64>> {
    let whole = |number: i64| match epoch {
        Epoch::Seconds => number.checked_mul(1_000),
        Epoch::Milliseconds => Some(number),
        Epoch::Microseconds => Some(number.div_euclid(1_000)),
        Epoch::Nanoseconds => Some(number.div_euclid(1_000_000)),
    };
    let column = match cells {
        Cells::Column(column) if column.data_type().is_integer() => cast(column, &DataType::Int64),
        _ => {
            let part = match epoch {
                Epoch::Seconds => 1e3,
                Epoch::Milliseconds => 1.0,
                Epoch::Microseconds => 1e-3,
                Epoch::Nanoseconds => 1e-6,
            };
            // Text of whole numbers stays exact.
            let exact = |text: &str| text.parse::<i64>().ok().and_then(whole);
            let near = |text: &str| {
                let number = text.parse::<f64>().ok().map(|number| (number * part).floor());
                number.filter(|ms| ms.is_finite()).map(|ms| ms as i64)
            };
            let of = |text: Option<&str>| {
                let text = text?.trim();
                exact(text).or_else(|| near(text)).filter(|ms| is_sane(*ms))
            };
            return cells.texts().iter().map(of).collect();
        }
    };
    match column {
        Ok(column) => {
            let numbers = column.as_primitive::<Int64Type>().iter();
            numbers.map(|number| number.and_then(whole).filter(|ms| is_sane(*ms))).collect()
        }
        Err(_) => vec![None; cells.len()],
    }
}

/// The day read last: logs name the same day over and over.
#[derive(Debug, Default)]
struct Day {
    text: [u8; 10],
    ms: Option<i64>,
}

impl Day {
    /// `2024-05-31`, or with ` 09:05:07` or `T09:05:07` after it, perhaps with up to three digits of a
    /// second and a `Z`; `None` for all else.
    fn plain(&mut self, text: &str, zone: &Zone) -> Option<i64> {
        let (day, clock) = text.as_bytes().split_first_chunk::<10>()?;
        if self.ms.is_none() || self.text != *day {
            let date = NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
            *self = Day {
                text: *day,
                ms: Some(date.and_hms_opt(0, 0, 0)?.and_utc().timestamp_millis()),
            };
        }
        let midnight = self.ms?;
        let [b' ' | b'T', h1, h2, b':', m1, m2, b':', s1, s2, rest @ ..] = clock else {
            return clock.is_empty().then(|| zone.instant(midnight));
        };
        let two = |a: &u8, b: &u8| {
            let digits = a.is_ascii_digit() && b.is_ascii_digit();
            digits.then(|| i64::from(a - b'0') * 10 + i64::from(b - b'0'))
        };
        let (hours, minutes, seconds) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
        if hours > 23 || minutes > 59 || seconds > 59 {
            return None;
        }
        let (utc, part) = match rest {
            [part @ .., b'Z'] => (true, part),
            part => (false, part),
        };
        let fraction = match part {
            [] => 0,
            [b'.', digits @ ..] if (1..=3).contains(&digits.len()) => {
                let value = digits.iter().try_fold(0, |value: i64, digit| {
                    digit.is_ascii_digit().then(|| value * 10 + i64::from(digit - b'0'))
                })?;
                value * 10_i64.pow(3 - digits.len() as u32)
            }
            _ => return None,
        };
        let local = midnight + ((hours * 60 + minutes) * 60 + seconds) * 1_000 + fraction;
        Some(if utc { local } else { zone.instant(local) })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use arrow_array::{
        ArrayRef, Date32Array, Int64Array, StringArray, TimestampMicrosecondArray,
        TimestampSecondArray,
    };

    fn read(format: &str, column: impl Array + 'static, zone: &str) -> Vec<Option<i64>> {
        let format = TimeFormat::parse(format).unwrap();
        let column: ArrayRef = Arc::new(column);
        format.instants(&Cells::Column(column), &Zone::named(zone).unwrap())
    }

    fn text(format: &str, text: &str, zone: &str) -> Option<i64> {
        read(format, StringArray::from(vec![text]), zone)[0]
    }

    #[test]
    fn texts_are_read_as_the_format_has_them() {
        let check = |format: &str, cell: &str, zone: &str, expected: Option<i64>| {
            assert_eq!(text(format, cell, zone), expected, "{format} {cell}");
        };
        let noon = 1_717_156_800_000; // 2024-05-31T12:00:00Z
        check("iso", "2024-05-31T12:00:00Z", "Europe/Paris", Some(noon));
        check("iso", "2024-05-31 14:00:00", "Europe/Paris", Some(noon));
        check("iso", " 2024-05-31T14:00:00.25 ", "Europe/Paris", Some(noon + 250));
        check("iso", "2024-05-31T14:00:00.123456+02:00", "UTC", Some(noon + 123));
        check("iso", "2024-05-31", "Europe/Paris", Some(noon - 14 * 3_600_000));
        check("iso", "2024-02-30", "UTC", None);
        check("iso", "2024-05-31 24:00:00", "UTC", None);
        check("iso", "2024-05-31 12:00:0x", "UTC", None);
        check("iso", "31.05.2024", "UTC", None);
        check("iso", "soon", "UTC", None);
        check("%d.%m.%Y %H:%M", "31.05.2024 14:00", "Europe/Paris", Some(noon));
        check("%d-%b-%y", "31-May-24", "UTC", Some(noon - 12 * 3_600_000));
        check("%Y/%m/%d %H:%M %z", "2024/05/31 12:00 +0000", "Europe/Paris", Some(noon));
        check("epoch_s", "1717156800", "UTC", Some(noon));
        check("epoch_s", "1717156800.5", "UTC", Some(noon + 500));
        check("epoch_ms", "1717156800000", "Asia/Tokyo", Some(noon));
        check("epoch_us", "1717156800000001", "UTC", Some(noon));
        check("epoch_ns", "-1", "UTC", Some(-1));
        check("epoch_s", "99999999999999999", "UTC", None);
        check("epoch_s", "inf", "UTC", None);
    }

    #[test]
    fn typed_columns_are_read_as_they_are() {
        let noon = 1_717_156_800_000;
        let micros = TimestampMicrosecondArray::from(vec![Some(noon * 1_000 + 999), None]);
        assert_eq!(read("iso", micros, "UTC"), [Some(noon), None]);
        let naive = TimestampSecondArray::from(vec![noon / 1_000]);
        assert_eq!(read("iso", naive.clone(), "Asia/Tokyo"), [Some(noon - 9 * 3_600_000)]);
        assert_eq!(read("iso", naive.with_timezone("+00:00"), "Asia/Tokyo"), [Some(noon)]);
        let days = Date32Array::from(vec![19_874]);
        assert_eq!(read("iso", days, "UTC"), [Some(noon - 12 * 3_600_000)]);
        let numbers = Int64Array::from(vec![Some(noon / 1_000), None, Some(i64::MAX)]);
        assert_eq!(read("epoch_s", numbers, "UTC"), [Some(noon), None, None]);
    }

    #[test]
    fn formats_that_say_nothing_are_none() {
        for format in ["", "seconds", "ISO", "%Q", "yyyy-mm-dd"] {
            assert_eq!(TimeFormat::parse(format), None, "{format}");
        }
    }
}
