//! Local time: which day, weekday and hour an instant is where the customers live.

use chrono::{DateTime, NaiveDate, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

use crate::behaviour::DAY_MS;
use crate::error::{Error, Result};
use crate::frame::nearest_name;

/// A time zone as the offsets it has had and will have, so that an offset is found without the
/// zone's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Zone {
    name: String,
    /// From when (milliseconds) which offset (milliseconds, east is positive) holds, rising.
    changes: Vec<(i64, i64)>,
}

/// The span that offsets are listed for, in days since 1970: 1970 to 2100.
const LISTED_DAYS: std::ops::Range<i64> = 0..47_482;

impl Default for Zone {
    fn default() -> Zone {
        Zone { name: "UTC".to_owned(), changes: vec![(i64::MIN, 0)] }
    }
}

impl Zone {
    /// The zone of an IANA name, as `Europe/Paris`.
    ///
    /// # Errors
    /// When there is no such zone.
    pub fn named(name: &str) -> Result<Zone> {
        let zone: Tz = name.parse().map_err(|_| Error::BadParameter {
            parameter: "timezone",
            found: format!("{name:?}"),
            expected: "a name of the IANA database, as \"UTC\" or \"Europe/Paris\"",
        })?;
        let offset = |ms: i64| {
            let utc = DateTime::from_timestamp_millis(ms).expect("the years to 2100 are in range");
            i64::from(zone.offset_from_utc_datetime(&utc.naive_utc()).fix().local_minus_utc())
                * 1_000
        };
        let mut changes = vec![(i64::MIN, offset(LISTED_DAYS.start * DAY_MS))];
        // No zone has changed back and forth within a week.
        for day in LISTED_DAYS.step_by(7) {
            let (mut before, mut after) = (day * DAY_MS, (day + 7) * DAY_MS);
            if offset(before) == offset(after) {
                continue;
            }
            let new = offset(after);
            while after - before > 1 {
                let middle = before + (after - before) / 2;
                if offset(middle) == new { after = middle } else { before = middle }
            }
            changes.push((after, new));
        }
        Ok(Zone { name: name.to_owned(), changes })
    }

    /// The zone whose name is most likely meant: by the whole name, as `Europe/Pari`, or by its place alone, as
    /// `berlin`.
    pub fn nearest(name: &str) -> Option<&'static str> {
        let names = || chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name());
        let place = |zone: &&str| {
            zone.rsplit_once('/').is_some_and(|(_, place)| place.eq_ignore_ascii_case(name))
        };
        let near = nearest_name(name, names());
        names().find(place).or_else(|| names().find(|zone| near.as_deref() == Some(zone)))
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Milliseconds that local time is ahead of UTC.
    pub fn offset(&self, ms: i64) -> i64 {
        let place = self.changes.partition_point(|(from, _)| *from <= ms);
        self.changes[place - 1].1
    }

    /// The shortest text that [`Zone::parse`] reads as this instant: a date where a local day begins, else
    /// RFC 3339 in UTC.
    pub fn text(&self, ms: i64) -> String {
        let time = |ms: i64| DateTime::from_timestamp_millis(ms);
        let local = self.local(ms);
        let day = time(local).filter(|_| local % DAY_MS == 0 && self.instant(local) == ms);
        match (day, time(ms)) {
            (Some(day), _) => day.format("%Y-%m-%d").to_string(),
            (None, Some(time)) => time.format("%Y-%m-%dT%H:%M:%S%.fZ").to_string(),
            (None, None) => format!("{ms} ms"),
        }
    }

    /// The instant that a text names, in milliseconds: RFC 3339 with a zone, or a date (its start) or date and
    /// time on the local clock. `None` when it is none of these.
    pub fn parse(&self, text: &str) -> Option<i64> {
        if let Ok(time) = DateTime::parse_from_rfc3339(text) {
            return Some(time.timestamp_millis());
        }
        let local = NaiveDateTime::parse_from_str(text, "%Y-%m-%dT%H:%M:%S%.f")
            .or_else(|_| NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S%.f"))
            .ok()
            .or_else(|| NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?.and_hms_opt(0, 0, 0))?;
        Some(self.instant(local.and_utc().timestamp_millis()))
    }

    /// Milliseconds on the local clock since 1970-01-01 00:00 local time.
    pub fn local(&self, ms: i64) -> i64 {
        ms + self.offset(ms)
    }

    /// The local day of an instant, in days since 1970-01-01. Never falls as time goes on: where clocks
    /// are set back over midnight, the day that had begun goes on.
    pub fn day(&self, ms: i64) -> i64 {
        self.clock(ms).1
    }

    /// [`Zone::local`] and [`Zone::day`] of an instant.
    pub fn clock(&self, ms: i64) -> (i64, i64) {
        let place = self.changes.partition_point(|(from, _)| *from <= ms);
        let (from, offset) = self.changes[place - 1];
        let local = ms.saturating_add(offset);
        let day = local.div_euclid(DAY_MS);
        match place.checked_sub(2) {
            // Newfoundland set its clocks back at 00:01: 23:01 of the day before came again.
            Some(before) => {
                let begun = (from - 1 + self.changes[before].1).div_euclid(DAY_MS);
                (local, day.max(begun))
            }
            None => (local, day),
        }
    }

    /// The instant at which a local clock shows `local`. Of an hour that comes twice, the first; an
    /// hour that is left out counts on from before it.
    pub fn instant(&self, local: i64) -> i64 {
        let guess = local - self.offset(local - DAY_MS);
        if self.local(guess) == local { guess } else { local - self.offset(local + DAY_MS) }
    }
}
