//! The numbers that can be told of a customer's events: their words, units and rules for missing.
//! Computes none of them.

use serde::{Deserialize, Serialize};

/// Which number. `info` says what each is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is described, for users too, in `Metric::info`")]
pub enum Metric {
    Count,
    Days,
    Share,
    Sum,
    Mean,
    Max,
    Min,
    Spread,
    RecencyDays,
    FirstDays,
    LatestDays,
    EarliestDays,
    GapMean,
    GapMedian,
    GapSpread,
    GapMax,
    GapRatio,
    Ratio,
    Trend,
    Acceleration,
    StreakMax,
    StreakNow,
    IdleMax,
    WeekdayShare,
    HourShare,
    WeekdayEntropy,
    HourEntropy,
    Followed,
    FollowedShare,
    Baskets,
    BasketMean,
    BasketMax,
    BasketValue,
    Rate,
    PriceLevel,
    Products,
    Variety,
    RepeatShare,
    Kinds,
    Channels,
    Groups,
    Frequency,
    Monetary,
    BtydX,
    #[serde(rename = "btyd_t_x")]
    BtydTx,
    BtydT,
}

/// What a metric is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MetricInfo {
    /// Its word in names and in TOML.
    pub word: &'static str,
    /// Windows it compares.
    pub windows: usize,
    /// Whether it may be told which measure it is of.
    pub measure: bool,
    /// Whether it compares with other events.
    pub with: bool,
    /// Which parts it is of: `week` or `day`.
    pub part: Option<&'static str>,
    /// What it is; `{of}`, `{with}`, `{measure}`, `{part}`, `{window}`, `{wider}`, `{widest}` stand for
    /// the feature's own.
    pub sentence: &'static str,
    /// Its unit.
    pub unit: &'static str,
    /// Whether it is a whole number.
    pub whole: bool,
    /// What it is where there is nothing to tell.
    pub missing: &'static str,
}

const ZERO: &str = "0 where there is none";
const NO_EVENT: &str = "missing where there is no such event";
const NO_VALUE: &str = "missing where no such event has a value";
const NO_TWO: &str = "missing with fewer than two such days";

const fn of(
    word: &'static str,
    sentence: &'static str,
    unit: &'static str,
    missing: &'static str,
) -> MetricInfo {
    MetricInfo {
        word,
        windows: 1,
        measure: false,
        with: false,
        part: None,
        sentence,
        unit,
        whole: false,
        missing,
    }
}

const fn valued(info: MetricInfo) -> MetricInfo {
    MetricInfo { measure: true, ..info }
}

const fn whole(info: MetricInfo) -> MetricInfo {
    MetricInfo { whole: true, ..info }
}

const fn windows(windows: usize, info: MetricInfo) -> MetricInfo {
    MetricInfo { windows, ..info }
}

const fn with(info: MetricInfo) -> MetricInfo {
    MetricInfo { with: true, ..info }
}

const fn part(part: &'static str, info: MetricInfo) -> MetricInfo {
    MetricInfo { part: Some(part), ..info }
}

/// In the order of [`Metric`].
#[rustfmt::skip]
const INFO: [MetricInfo; 46] = [
    whole(of("count", "Number of {of} {window}", "events", ZERO)),
    whole(of("days", "Days with {of} {window}", "local days", ZERO)),
    valued(of("share", "Share of {of} {window} among all events then; with a measure, of its sum", "0 to 1", "missing where there is none of any kind")),
    valued(of("sum", "Sum of {measure} over {of} {window}", "as the measure", ZERO)),
    valued(of("mean", "Mean {measure} of {of} {window}", "as the measure", NO_VALUE)),
    valued(of("max", "Greatest {measure} of {of} {window}", "as the measure", NO_VALUE)),
    valued(of("min", "Least {measure} of {of} {window}", "as the measure", NO_VALUE)),
    valued(of("spread", "Standard deviation of {measure} over {of} {window}", "as the measure", "missing with fewer than two values")),
    windows(0, of("recency_days", "Days from the last of {of} to the cutoff", "days of 24 hours", NO_EVENT)),
    windows(0, of("first_days", "Days from the first of {of} to the cutoff", "days of 24 hours", NO_EVENT)),
    of("latest_days", "Days from the last of {of} {window} to the cutoff", "days of 24 hours", NO_EVENT),
    of("earliest_days", "Days from the first of {of} {window} to the cutoff", "days of 24 hours", NO_EVENT),
    of("gap_mean", "Mean gap between successive days with {of} {window}", "local days", NO_TWO),
    of("gap_median", "Median gap between successive days with {of} {window}", "local days", NO_TWO),
    of("gap_spread", "Standard deviation of the gaps between successive days with {of} {window}", "local days", "missing with fewer than three such days"),
    whole(of("gap_max", "Longest gap between successive days with {of} {window}", "local days", NO_TWO)),
    of("gap_ratio", "Days since the last of {of}, as a multiple of the mean gap between days with them {window}", "1: as long as usual", NO_TWO),
    windows(2, valued(of("ratio", "Number of {of} {window} over that {wider}; with a measure, of its sum", "0 to 1 for counts", "missing where the latter is 0"))),
    windows(2, valued(of("trend", "Daily number of {of} {window} less that of the time before, {wider}; with a measure, of its sum", "a day", "0 where there is none"))),
    windows(3, valued(of("acceleration", "Change of the trend of {of}: {window} against {wider}, less that against {widest}", "a day", "0 where there is none"))),
    whole(of("streak_max", "Longest run of successive days with {of} {window}", "local days", ZERO)),
    windows(0, whole(of("streak_now", "Run of successive days with {of} that ends with the last of them", "local days", ZERO))),
    whole(of("idle_max", "Longest time without {of}: between days with them {window}, or since the last", "local days", NO_EVENT)),
    part("week", of("weekday_share", "Share of {of} {window} on {part}", "0 to 1, local time", NO_EVENT)),
    part("day", of("hour_share", "Share of {of} {window} at {part}", "0 to 1, local time", NO_EVENT)),
    of("weekday_entropy", "How evenly {of} {window} spread over the weekdays", "bits, 0 to 2.81", NO_EVENT),
    of("hour_entropy", "How evenly {of} {window} spread over the hours of the day", "bits, 0 to 4.58", NO_EVENT),
    with(whole(of("followed", "Number of {of} {window} after which {with} came within 24 hours", "events", ZERO))),
    with(of("followed_share", "Share of {of} {window} after which {with} came within 24 hours", "0 to 1", NO_EVENT)),
    whole(of("baskets", "Instants {window} at which {of} happened: an order's lines share one", "instants", ZERO)),
    of("basket_mean", "Mean number of {of} {window} at one instant", "events", NO_EVENT),
    whole(of("basket_max", "Greatest number of {of} {window} at one instant", "events", ZERO)),
    valued(of("basket_value", "Mean sum of {measure} over {of} {window} at one instant", "as the measure", NO_EVENT)),
    with(valued(of("rate", "Number of {of} for each of {with} {window}; with a measure, its sum over theirs", "as a ratio", "missing where the latter is 0"))),
    valued(of("price_level", "Mean {measure} of {of} {window} over the mean at any time", "1: as usual", NO_VALUE)),
    whole(of("products", "Different products of {of} {window}", "products", ZERO)),
    of("variety", "Different products of {of} {window} for each event with a product", "0 to 1", "missing where none has a product"),
    of("repeat_share", "Share of {of} {window} whose product the customer had had before", "0 to 1", "missing where none has a product"),
    whole(of("kinds", "Different kinds of event among {of} {window}; those too rare to be told apart count as one", "kinds", ZERO)),
    whole(of("channels", "Different channels of {of} {window}; those too rare to be told apart count as one", "channels", ZERO)),
    whole(of("groups", "Different product groups of {of} {window}; those too rare to be told apart count as one", "groups", ZERO)),
    of("frequency", "Days with {of} {window}, for every 30 days since the first of them then", "local days in 30", NO_EVENT),
    valued(of("monetary", "Sum of {measure} over {of} {window} for each day with them", "as the measure", NO_EVENT)),
    windows(0, whole(of("btyd_x", "Days with {of} after the first such day: x of buy-till-you-die models", "local days", NO_EVENT))),
    windows(0, whole(of("btyd_t_x", "Days from the first to the last day with {of}: t_x of buy-till-you-die models", "local days", NO_EVENT))),
    windows(0, whole(of("btyd_t", "Days from the first day with {of} to the cutoff: T of buy-till-you-die models", "local days", NO_EVENT))),
];

impl Metric {
    /// What it is.
    pub fn info(self) -> &'static MetricInfo {
        &INFO[self as usize]
    }

    /// Its word in names.
    pub fn word(self) -> &'static str {
        self.info().word
    }
}

/// A part of the week or of the day, in local time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// Monday.
    Mon,
    /// Tuesday.
    Tue,
    /// Wednesday.
    Wed,
    /// Thursday.
    Thu,
    /// Friday.
    Fri,
    /// Saturday.
    Sat,
    /// Sunday.
    Sun,
    /// 0 to 6 o'clock.
    Night,
    /// 6 to 12 o'clock.
    Morning,
    /// 12 to 18 o'clock.
    Afternoon,
    /// 18 to 24 o'clock.
    Evening,
}

impl Part {
    /// All of them.
    pub const ALL: [Part; 11] = [
        Part::Mon,
        Part::Tue,
        Part::Wed,
        Part::Thu,
        Part::Fri,
        Part::Sat,
        Part::Sun,
        Part::Night,
        Part::Morning,
        Part::Afternoon,
        Part::Evening,
    ];

    /// Its word in names.
    pub fn word(self) -> &'static str {
        let words = [
            "mon",
            "tue",
            "wed",
            "thu",
            "fri",
            "sat",
            "sun",
            "night",
            "morning",
            "afternoon",
            "evening",
        ];
        words[self as usize]
    }

    /// What it is a part of: `week` or `day`.
    pub fn of(self) -> &'static str {
        if self < Part::Night { "week" } else { "day" }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_of_serde() {
        for (place, info) in INFO.iter().enumerate() {
            let word = info.word;
            let metric: Metric = serde_json::from_str(&format!("{word:?}")).unwrap();
            assert_eq!(metric as usize, place, "{word}");
        }
        for part in Part::ALL {
            let word: Part = serde_json::from_str(&format!("{:?}", part.word())).unwrap();
            assert_eq!(word, part);
        }
        assert_eq!(Metric::BtydT as usize + 1, INFO.len());
    }
}
