//! What is counted of a set of events while they go by, newest first. Knows no feature.
//!
//! Windows are nested, so an event is counted once, in the narrowest window it lies in, and windows
//! are added up at the end. Going from the newest event back, what is met first in a window is
//! also in every wider one: distinct days, products and names need no more than that.

use crate::behaviour::DAY_MS;

/// Counts of one track in one window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cell {
    pub count: u32,
    /// Events with a value of the measure.
    pub values: u32,
    pub days: u32,
    pub gaps: u32,
    pub gap_max: u32,
    /// Longest run of successive days.
    pub streak: u32,
    pub baskets: u32,
    pub basket_max: u32,
    pub with_product: u32,
    pub products: u32,
    /// Products whose oldest event of all lies here.
    pub first_products: u32,
    /// Distinct kinds, channels, groups.
    pub names: [u32; 3],
    /// Time of the oldest event.
    pub oldest: i64,
    pub gap_sum: u64,
    pub gap_squares: u64,
    pub sum: f64,
    /// Sums of deviations from the track's newest value, and of their squares: squares of the values
    /// themselves would lose the digits that their spread is in.
    pub deviation: f64,
    pub squares: f64,
    pub min: f64,
    pub max: f64,
}

impl Cell {
    pub const EMPTY: Cell = Cell {
        count: 0,
        values: 0,
        days: 0,
        gaps: 0,
        gap_max: 0,
        streak: 0,
        baskets: 0,
        basket_max: 0,
        with_product: 0,
        products: 0,
        first_products: 0,
        names: [0; 3],
        oldest: i64::MAX,
        gap_sum: 0,
        gap_squares: 0,
        sum: 0.0,
        deviation: 0.0,
        squares: 0.0,
        min: f64::INFINITY,
        max: f64::NEG_INFINITY,
    };

    /// Adds the counts of the narrower window inside this one.
    pub fn add(&mut self, inner: &Cell) {
        self.count += inner.count;
        self.values += inner.values;
        self.days += inner.days;
        self.gaps += inner.gaps;
        self.gap_max = self.gap_max.max(inner.gap_max);
        self.streak = self.streak.max(inner.streak);
        self.baskets += inner.baskets;
        self.basket_max = self.basket_max.max(inner.basket_max);
        self.with_product += inner.with_product;
        self.products += inner.products;
        self.first_products += inner.first_products;
        for (to, from) in self.names.iter_mut().zip(inner.names) {
            *to += from;
        }
        self.oldest = self.oldest.min(inner.oldest);
        self.gap_sum += inner.gap_sum;
        self.gap_squares += inner.gap_squares;
        self.sum += inner.sum;
        self.deviation += inner.deviation;
        self.squares += inner.squares;
        self.min = self.min.min(inner.min);
        self.max = self.max.max(inner.max);
    }

    pub fn value(&mut self, value: f64, newest: f64) {
        let deviation = value - newest;
        self.values += 1;
        self.sum += value;
        self.deviation += deviation;
        self.squares += deviation * deviation;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
    }

    /// Standard deviation with `n - 1` below the line; NaN with fewer than two values.
    pub fn spread(&self) -> f64 {
        if self.values < 2 {
            return f64::NAN;
        }
        let n = f64::from(self.values);
        ((self.squares - self.deviation * self.deviation / n) / (n - 1.0)).max(0.0).sqrt()
    }

    /// The same of the gaps, which are whole numbers.
    pub fn gap_spread(&self) -> f64 {
        if self.gaps < 2 {
            return f64::NAN;
        }
        let n = u128::from(self.gaps);
        let sum = u128::from(self.gap_sum);
        let top = n * u128::from(self.gap_squares) - sum * sum;
        (top as f64 / (n * (n - 1)) as f64).sqrt()
    }
}

/// Where a track stands, going back from the newest event.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    /// Time of the newest event of all.
    pub newest: i64,
    /// Time of the event met last, and the nearest time after it.
    pub last: i64,
    pub after_last: i64,
    pub newest_day: i32,
    pub last_day: i32,
    /// The run of successive days so far, and the first one when it has ended.
    pub run: u32,
    pub first_run: u32,
    /// Events met at the time `last`.
    pub basket: u32,
    /// The newest value.
    pub newest_value: f64,
}

impl Place {
    pub const START: Place = Place {
        newest: i64::MIN,
        last: i64::MAX,
        after_last: i64::MAX,
        newest_day: i32::MIN,
        last_day: i32::MIN,
        run: 0,
        first_run: 0,
        basket: 0,
        newest_value: f64::NAN,
    };

    /// Meets an event at `time`; whether it shares its time with the one before.
    pub fn meet(&mut self, time: i64) -> bool {
        if self.newest == i64::MIN {
            self.newest = time;
        }
        if time == self.last {
            return true;
        }
        self.after_last = self.last;
        self.last = time;
        false
    }

    /// The time from `time` to the nearest event of this track that is strictly later, in
    /// milliseconds; huge where there is none. Events later than `time` were all met.
    pub fn until_next(&self, time: i64) -> i64 {
        let next = if self.last > time { self.last } else { self.after_last };
        next.saturating_sub(time)
    }

    /// Meets the local day of an event.
    pub fn meet_day(&mut self, day: i32, cell: &mut Cell) -> Option<u32> {
        if day == self.last_day {
            return None;
        }
        let mut gap = None;
        if self.newest_day == i32::MIN {
            self.newest_day = day;
            self.run = 1;
        } else {
            let days = self.last_day.abs_diff(day); // never negative: local days do not fall
            cell.gaps += 1;
            cell.gap_max = cell.gap_max.max(days);
            cell.gap_sum += u64::from(days);
            cell.gap_squares += u64::from(days) * u64::from(days);
            self.run = if days == 1 { self.run + 1 } else { 1 };
            gap = Some(days);
        }
        if self.run > self.first_run && cell_of_first_run(self, day) {
            self.first_run = self.run;
        }
        cell.days += 1;
        cell.streak = cell.streak.max(self.run);
        self.last_day = day;
        gap
    }
}

/// Whether the run that `day` is in began on the newest day.
fn cell_of_first_run(place: &Place, day: i32) -> bool {
    i64::from(place.newest_day) - i64::from(day) == i64::from(place.run) - 1
}

/// Weekday and hour of events, in one window.
#[derive(Debug, Clone, Copy)]
pub(super) struct Calendar {
    pub weekdays: [u32; 7],
    pub hours: [u32; 24],
}

impl Calendar {
    pub const EMPTY: Calendar = Calendar { weekdays: [0; 7], hours: [0; 24] };

    /// Counts an event by milliseconds on the local clock since 1970-01-01, a Thursday.
    pub fn count(&mut self, local: i64) {
        self.weekdays[(local.div_euclid(DAY_MS) + 3).rem_euclid(7) as usize] += 1;
        self.hours[(local.rem_euclid(DAY_MS) / 3_600_000) as usize] += 1;
    }

    pub fn add(&mut self, inner: &Calendar) {
        self.weekdays.iter_mut().zip(inner.weekdays).for_each(|(a, b)| *a += b);
        self.hours.iter_mut().zip(inner.hours).for_each(|(a, b)| *a += b);
    }
}

/// Bits of entropy of counts; NaN where all are 0.
pub(super) fn entropy(counts: &[u32]) -> f64 {
    let total: u32 = counts.iter().sum();
    if total == 0 {
        return f64::NAN;
    }
    let bits = |&n: &u32| {
        let share = f64::from(n) / f64::from(total);
        if n == 0 { 0.0 } else { -share * share.log2() }
    };
    counts.iter().map(bits).sum()
}

/// Values met by a customer's tracks, each with the widest place it was met in: products and names.
#[derive(Debug, Clone, Default)]
pub(super) struct Met {
    /// Open addressing: entry plus one; entries of older customers are told by their stamp.
    table: Vec<(u32, u32)>,
    stamp: u32,
    keys: Vec<u64>,
    /// The track and the window of the oldest event with the value.
    pub entries: Vec<(u16, u8)>,
}

impl Met {
    pub fn clear(&mut self) {
        self.keys.clear();
        self.entries.clear();
        if self.table.is_empty() {
            self.table.resize(64, (0, 0));
        }
        self.stamp = self.stamp.wrapping_add(1);
        if self.stamp == 0 {
            self.table.fill((0, 0));
            self.stamp = 1;
        }
    }

    /// Meets a key in a window; whether for the first time.
    pub fn meet(&mut self, key: u64, track: u16, window: u8) -> bool {
        if self.keys.len() * 2 >= self.table.len() {
            self.grow();
        }
        let slot = self.slot(key);
        let (stamp, entry) = self.table[slot];
        if stamp == self.stamp {
            self.entries[entry as usize].1 = window;
            return false;
        }
        self.table[slot] = (self.stamp, self.keys.len() as u32);
        self.keys.push(key);
        self.entries.push((track, window));
        true
    }

    /// The slot that holds a key, or the free one where it belongs.
    fn slot(&self, key: u64) -> usize {
        let mask = self.table.len() - 1;
        let mut slot = key as usize & mask;
        loop {
            let (stamp, entry) = self.table[slot];
            if stamp != self.stamp || self.keys[entry as usize] == key {
                return slot;
            }
            slot = (slot + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let len = self.table.len() * 2;
        self.table.clear();
        self.table.resize(len, (0, 0));
        self.stamp = 1;
        for entry in 0..self.keys.len() {
            let slot = self.slot(self.keys[entry]);
            self.table[slot] = (self.stamp, entry as u32);
        }
    }
}
