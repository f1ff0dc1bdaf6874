//! The days that are simulated: how busy each is, and where a stretch of busy time falls. Knows no
//! customer.

use std::f64::consts::TAU;

use chrono::{DateTime, Datelike, Weekday};
use rekindle_models::behaviour::DAY_MS;

/// Days of the world, counted from 0, in two rhythms: people who shop at weekends and people who
/// shop on weekdays.
///
/// Time is measured in days of average business ("busy days"): a rate per busy day is constant where
/// the rate per day follows the season, so that a gap is one exponential draw and no thinning.
#[derive(Debug, Clone)]
pub(super) struct Calendar {
    start_ms: i64,
    rhythms: [Rhythm; RHYTHMS],
}

/// How many rhythms there are.
pub(super) const RHYTHMS: usize = 2;

#[derive(Debug, Clone)]
struct Rhythm {
    /// How busy each day is: 1 on average over a year.
    busy: Vec<f64>,
    /// Busy days before each day, and after the last.
    before: Vec<f64>,
    /// The day that holds each half busy day.
    halves: Vec<u32>,
}

/// How busy Monday to Sunday are, by rhythm.
const WEEKDAYS: [[f64; 7]; RHYTHMS] =
    [[0.75, 0.75, 0.80, 0.90, 1.10, 1.45, 1.25], [1.15, 1.15, 1.10, 1.10, 1.10, 0.75, 0.65]];

impl Calendar {
    /// `start_ms` is midnight UTC of day 0.
    pub(super) fn new(start_ms: i64, days: u32) -> Calendar {
        let rhythm = |place: usize| {
            Rhythm::new(
                (0..days).map(|day| busy(start_ms + i64::from(day) * DAY_MS, place)).collect(),
            )
        };
        Calendar { start_ms, rhythms: [rhythm(0), rhythm(1)] }
    }

    /// Number of days.
    pub(super) fn days(&self) -> u32 {
        self.rhythms[0].busy.len() as u32
    }

    /// Milliseconds since 1970 at which a day begins.
    pub(super) fn begins(&self, day: u32) -> i64 {
        self.start_ms + i64::from(day) * DAY_MS
    }

    /// Milliseconds since 1970 at which the last day ends.
    pub(super) fn end(&self) -> i64 {
        self.begins(self.days())
    }

    /// How busy a day is.
    pub(super) fn busy(&self, rhythm: usize, day: u32) -> f64 {
        self.rhythms[rhythm].busy[day as usize]
    }

    /// Busy days before a day; a day may be one past the last.
    pub(super) fn before(&self, rhythm: usize, day: u32) -> f64 {
        self.rhythms[rhythm].before[day as usize]
    }

    /// The day in which so many busy days are over.
    pub(super) fn day(&self, rhythm: usize, busy_days: f64) -> u32 {
        let rhythm = &self.rhythms[rhythm];
        let half = ((busy_days * 2.0) as usize).min(rhythm.halves.len() - 1);
        let mut day = rhythm.halves[half] as usize;
        while day + 1 < rhythm.busy.len() && rhythm.before[day + 1] <= busy_days {
            day += 1;
        }
        day as u32
    }
}

impl Rhythm {
    fn new(busy: Vec<f64>) -> Rhythm {
        let mut before = vec![0.0];
        let mut sum = 0.0;
        for day in &busy {
            sum += day;
            before.push(sum);
        }
        let halves = (0..=(sum * 2.0) as usize).map(|half| {
            let after = before.partition_point(|b| *b <= half as f64 / 2.0);
            (after - 1).min(busy.len() - 1) as u32
        });
        Rhythm { halves: halves.collect(), before, busy }
    }
}

/// Weekday, time of year, the weeks before Christmas, the quiet days after it.
fn busy(ms: i64, rhythm: usize) -> f64 {
    let date = DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive();
    let weekday = WEEKDAYS[rhythm][date.weekday().num_days_from_monday() as usize];
    let year = 1.0 + 0.08 * (TAU * f64::from(date.ordinal0()) / 365.25).cos();
    let feast = match (date.month(), date.day()) {
        (11, day @ 20..) => 1.1 + 0.03 * f64::from(day - 20),
        (12, day @ ..=23) => 1.4 + 0.015 * f64::from(day),
        (12, 24..=26) => 0.5,
        (1, 3..) => 0.85,
        (7 | 8, _) if date.weekday() != Weekday::Sun => 0.9,
        _ => 0.95,
    };
    weekday * year * feast
}
