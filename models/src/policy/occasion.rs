//! When to make contact: the earliest occasion within the campaign's days. Days are days since 1970-01-01.

use chrono::{Datelike, NaiveDate};
use serde::{Deserialize, Serialize};

/// What may carry a contact.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Occasion {
    /// The day after the last purchase.
    AfterPurchase,
    /// The birthday.
    Birthday,
    /// The first day in the customer's own season: the month of the year in which they buy most.
    Season,
    /// The first day on which more than the usual gap between purchases has passed; the campaign's first day where that
    /// was before.
    Overdue,
}

/// The campaign's days, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// The first.
    pub start: i32,
    /// The last.
    pub end: i32,
}

/// What is known of a customer's days; NaN where it is not.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CustomerDays {
    /// The day of the last purchase.
    pub last_purchase: f64,
    /// The usual gap between purchase days.
    pub median_gap_days: f64,
    /// A birthday, in whatever year.
    pub birthday: f64,
    /// The month of their season, 1 to 12.
    pub season_month: f64,
}

impl Occasion {
    /// All occasions.
    pub const ALL: [Occasion; 4] =
        [Occasion::AfterPurchase, Occasion::Birthday, Occasion::Season, Occasion::Overdue];

    /// Its name as it stands in files and replies.
    pub fn text(self) -> &'static str {
        match self {
            Occasion::AfterPurchase => "after_purchase",
            Occasion::Birthday => "birthday",
            Occasion::Season => "season",
            Occasion::Overdue => "overdue",
        }
    }

    /// Its day within the window, `None` where there is none.
    pub fn day(self, window: Window, days: &CustomerDays) -> Option<i32> {
        let day = match self {
            Occasion::AfterPurchase => whole(days.last_purchase)?.checked_add(1)?,
            Occasion::Overdue => {
                let gap = whole(days.median_gap_days)?;
                let due = whole(days.last_purchase)?.checked_add(gap)?.checked_add(1)?;
                due.max(window.start)
            }
            Occasion::Birthday => return anniversary(window, whole(days.birthday)?),
            Occasion::Season => return month_begins(window, whole(days.season_month)?),
        };
        (window.start..=window.end).contains(&day).then_some(day)
    }
}

/// The day of contact: the earliest of the occasions', the first of equal ones; the window's first day, without an
/// occasion, where there is none.
pub fn contact_day(
    window: Window,
    occasions: &[Occasion],
    days: &CustomerDays,
) -> (i32, Option<Occasion>) {
    let found = occasions.iter().filter_map(|o| o.day(window, days).map(|day| (day, Some(*o))));
    found.min_by_key(|(day, _)| *day).unwrap_or((window.start, None))
}

/// The day of a date written as `2026-03-01`.
pub fn day_of(text: &str) -> Option<i32> {
    let date: NaiveDate = text.parse().ok()?;
    Some(date.to_epoch_days())
}

/// A day as `2026-03-01`.
pub fn date_text(day: i32) -> String {
    NaiveDate::from_epoch_days(day).map_or_else(|| day.to_string(), |date| date.to_string())
}

fn whole(number: f64) -> Option<i32> {
    let floor = number.floor();
    (floor.abs() < 1e9).then_some(floor as i32)
}

/// A birthday of the 29th of February is kept on the 28th in other years.
fn anniversary(window: Window, birthday: i32) -> Option<i32> {
    let birthday = NaiveDate::from_epoch_days(birthday)?;
    let years = NaiveDate::from_epoch_days(window.start)?.year()
        ..=NaiveDate::from_epoch_days(window.end)?.year();
    let days = years.filter_map(|year| {
        let own = NaiveDate::from_ymd_opt(year, birthday.month(), birthday.day());
        Some(own.or_else(|| NaiveDate::from_ymd_opt(year, 2, 28))?.to_epoch_days())
    });
    days.into_iter().find(|day| (window.start..=window.end).contains(day))
}

fn month_begins(window: Window, month: i32) -> Option<i32> {
    let start = NaiveDate::from_epoch_days(window.start)?;
    let month = u32::try_from(month).ok().filter(|month| (1..=12).contains(month))?;
    if start.month() == month {
        return Some(window.start);
    }
    let year = start.year() + i32::from(month < start.month());
    let day = NaiveDate::from_ymd_opt(year, month, 1)?.to_epoch_days();
    (day <= window.end).then_some(day)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Occasion; 4] = Occasion::ALL;

    fn check(
        (start, end): (&str, &str),
        of: &[Occasion],
        days: CustomerDays,
        expected: (&str, Option<Occasion>),
    ) {
        let window = Window { start: day_of(start).unwrap(), end: day_of(end).unwrap() };
        let (day, occasion) = contact_day(window, of, &days);
        assert_eq!((date_text(day).as_str(), occasion), expected, "{days:?}");
    }

    #[test]
    fn the_earliest_occasion_within_the_window_carries_the_contact() {
        use Occasion::*;
        let day = |text: &str| f64::from(day_of(text).unwrap());
        let none = CustomerDays {
            last_purchase: f64::NAN,
            median_gap_days: f64::NAN,
            birthday: f64::NAN,
            season_month: f64::NAN,
        };
        let march = ("2026-03-01", "2026-03-31");
        check(march, &ALL, none, ("2026-03-01", None));
        let bought = CustomerDays { last_purchase: day("2026-03-05"), ..none };
        check(march, &ALL, bought, ("2026-03-06", Some(AfterPurchase)));
        check(march, &[Birthday], bought, ("2026-03-01", None));
        let late = CustomerDays { last_purchase: day("2026-03-31"), ..none };
        check(march, &ALL, late, ("2026-03-01", None));
        // A gap of 10.5 days is over on the eleventh day.
        let rhythm =
            CustomerDays { last_purchase: day("2026-02-25"), median_gap_days: 10.5, ..none };
        check(march, &ALL, rhythm, ("2026-03-08", Some(Overdue)));
        let overdue = CustomerDays { last_purchase: day("2025-02-25"), ..rhythm };
        check(march, &ALL, overdue, ("2026-03-01", Some(Overdue)));
        let born = CustomerDays { birthday: day("1980-03-20"), ..none };
        check(march, &ALL, born, ("2026-03-20", Some(Birthday)));
        let leap = CustomerDays { birthday: day("1980-02-29"), ..none };
        check(("2026-02-01", "2026-03-31"), &ALL, leap, ("2026-02-28", Some(Birthday)));
        check(("2028-02-01", "2028-03-31"), &ALL, leap, ("2028-02-29", Some(Birthday)));
        let january = CustomerDays { birthday: day("1980-01-02"), season_month: 1.0, ..none };
        let winter = ("2026-12-15", "2027-01-31");
        check(winter, &ALL, january, ("2027-01-01", Some(Season)));
        check(winter, &[Birthday], january, ("2027-01-02", Some(Birthday)));
        check(("2026-01-10", "2026-01-20"), &ALL, january, ("2026-01-10", Some(Season)));
        check(march, &ALL, CustomerDays { season_month: 13.0, ..none }, ("2026-03-01", None));
    }
}
