//! Numbers, shares, money and days as people of a language write them.

use chrono::{DateTime, Datelike, NaiveDate, Timelike};
use rekindle_models::language::Language;

use crate::pages::visitor::Visitor;

/// What is written where nothing is known.
pub const UNKNOWN: &str = "–";

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// A whole number, in groups of three digits.
pub fn count(number: u64) -> String {
    grouped(&number.to_string())
}

/// A whole number with its sign.
pub fn change(number: i64) -> String {
    let sign = if number < 0 { "−" } else { "+" };
    format!("{sign}{}", grouped(&number.unsigned_abs().to_string()))
}

/// A length in bytes.
pub fn size(bytes: u64) -> String {
    match bytes {
        bytes if bytes >= 1 << 20 => format!("{} MiB", grouped(&(bytes >> 20).to_string())),
        bytes => format!("{} KiB", bytes.div_ceil(1 << 10)),
    }
}

/// A share of 0 to 1, in percent.
pub fn percent(share: f64, digits: usize) -> String {
    if !share.is_finite() {
        return UNKNOWN.to_owned();
    }
    format!("{}%", signed(100.0 * share, digits))
}

/// A difference of shares, in percentage points with its sign.
pub fn points(difference: f64, digits: usize) -> String {
    if !difference.is_finite() {
        return UNKNOWN.to_owned();
    }
    let plus = if difference >= 0.0 { "+" } else { "" };
    format!("{plus}{}", signed(100.0 * difference, digits))
}

/// A number with so many digits behind the point.
pub fn number(number: f64, digits: usize) -> String {
    if number.is_finite() { signed(number, digits) } else { UNKNOWN.to_owned() }
}

fn signed(number: f64, digits: usize) -> String {
    let text = format!("{:.digits$}", number.abs());
    let (whole, rest) = text.split_once('.').map_or((text.as_str(), None), |(w, r)| (w, Some(r)));
    let zero = text.bytes().all(|b| b == b'0' || b == b'.');
    let sign = if number < 0.0 && !zero { "−" } else { "" };
    match rest {
        Some(rest) => format!("{sign}{}.{rest}", grouped(whole)),
        None => format!("{sign}{}", grouped(whole)),
    }
}

fn grouped(digits: &str) -> String {
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

impl Visitor {
    /// Money: whole units from a thousand on.
    pub fn money(&self, amount: f64) -> String {
        let digits = if amount.abs() >= 1_000.0 { 0 } else { 2 };
        self.in_currency(amount, digits)
    }

    /// Large sums of money, shortened.
    pub fn short_money(&self, amount: f64) -> String {
        let (amount, unit) = match (self.language, amount.abs()) {
            (_, size) if size < 100_000.0 => return self.money(amount),
            (Language::English, size) if size >= 1e9 => (amount / 1e9, "bn"),
            (Language::English, size) if size >= 1e6 => (amount / 1e6, "m"),
            (Language::English, _) => (amount / 1e3, "k"),
            (Language::Chinese, size) if size >= 1e8 => (amount / 1e8, "亿"),
            (Language::Chinese, _) => (amount / 1e4, "万"),
        };
        let digits = if amount.abs() < 100.0 { 1 } else { 0 };
        format!("{}{unit}", self.in_currency(amount, digits))
    }

    fn in_currency(&self, amount: f64, digits: usize) -> String {
        if !amount.is_finite() {
            return UNKNOWN.to_owned();
        }
        let text = signed(amount, digits);
        let Some(code) = self.currency.as_deref() else { return text };
        let (sign, size) = match text.strip_prefix('−') {
            Some(size) => ("−", size),
            None => ("", text.as_str()),
        };
        let symbol = match (code, self.language) {
            ("EUR", _) => "€",
            ("GBP", _) => "£",
            ("USD", _) => "$",
            ("CNY", Language::Chinese) => "¥",
            ("CNY", Language::English) => "CN¥",
            ("JPY", Language::English) => "¥",
            ("JPY", Language::Chinese) => "JP¥",
            _ => return format!("{sign}{code} {size}"),
        };
        format!("{sign}{symbol}{size}")
    }

    /// A day, in UTC.
    pub fn day(&self, micros: i64) -> String {
        let Some(time) = DateTime::from_timestamp_micros(micros) else {
            return UNKNOWN.to_owned();
        };
        self.date(time.date_naive())
    }

    /// A date.
    pub fn date(&self, date: NaiveDate) -> String {
        let month = date.month();
        match self.language {
            Language::English => {
                format!("{} {} {}", date.day(), MONTHS[month as usize - 1], date.year())
            }
            Language::Chinese => format!("{}年{month}月{}日", date.year(), date.day()),
        }
    }

    /// A date that is written as 2026-03-01; another text stays as it is.
    pub fn date_text(&self, text: &str) -> String {
        let date = text.get(..10).and_then(|date| date.parse::<NaiveDate>().ok());
        date.map_or_else(|| text.to_owned(), |date| self.date(date))
    }

    /// A day and the time, in UTC.
    pub fn instant(&self, micros: i64) -> String {
        let Some(time) = DateTime::from_timestamp_micros(micros) else {
            return UNKNOWN.to_owned();
        };
        let day = self.date(time.date_naive());
        format!("{day} {:02}:{:02} UTC", time.hour(), time.minute())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_and_nothing_is_less_than_zero_for_rounding() {
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(count(999), "999");
        assert_eq!(change(-1_000), "−1,000");
        assert_eq!(change(0), "+0");
        assert_eq!(percent(0.1234, 1), "12.3%");
        assert_eq!(percent(f64::NAN, 1), UNKNOWN);
        assert_eq!(points(-0.0123, 1), "−1.2");
        assert_eq!(number(-0.001, 1), "0.0");
        assert_eq!(number(12_345.678, 2), "12,345.68");
    }

    #[test]
    fn money_and_days_are_written_as_the_language_does() {
        let check = |language, code: Option<&str>, amount, expected: &str| {
            let visitor = Visitor::of(language, code);
            assert_eq!(visitor.money(amount), expected);
        };
        check(Language::English, Some("EUR"), -12.5, "−€12.50");
        check(Language::English, Some("CNY"), 1_234.6, "CN¥1,235");
        check(Language::Chinese, Some("CNY"), 8.0, "¥8.00");
        check(Language::English, Some("CHF"), 8.0, "CHF 8.00");
        check(Language::English, None, 8.0, "8.00");
        let chinese = Visitor::of(Language::Chinese, None);
        assert_eq!(chinese.short_money(123_456_789.0), "1.2亿");
        assert_eq!(chinese.day(1_772_323_200_000_000), "2026年3月1日");
        let english = Visitor::of(Language::English, None);
        assert_eq!(english.short_money(1_234_567.0), "1.2m");
        assert_eq!(english.day(1_772_323_200_000_000), "1 Mar 2026");
        assert_eq!(english.date_text("2026-03-01T00:00:00Z"), "1 Mar 2026");
        assert_eq!(english.date_text("soon"), "soon");
    }
}
