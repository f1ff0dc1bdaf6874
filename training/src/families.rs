//! Which features are told of every customer: families over windows, kinds, channels and product groups
//! with enough support, and the user's own. Defines no metric.

use std::collections::HashSet;

use rekindle_models::behaviour::{Feature, Metric, Part, Selector, Window};
use serde::{Deserialize, Serialize};

/// The `[features]` table of a project.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Features {
    /// Families to build.
    pub families: Vec<Family>,
    /// Windows, in any order.
    pub windows: Vec<Window>,
    /// Share of customers that must have a kind, channel or product group for it to be told apart;
    /// 0 to 1.
    pub min_support: f64,
    /// Most kinds told apart, by number of customers.
    pub max_kinds: usize,
    /// Most channels told apart.
    pub max_channels: usize,
    /// Most product groups told apart.
    pub max_groups: usize,
    /// Features of the user's own.
    pub own: Vec<Feature>,
    /// Features that models learn from though they seem to know the answer.
    pub allow_leak: Vec<String>,
}

impl Default for Features {
    fn default() -> Features {
        let windows = [7, 30, 90, 180, 365].map(Window::Days);
        Features {
            families: Family::ALL.to_vec(),
            windows: windows.into_iter().chain([Window::All]).collect(),
            min_support: 0.01,
            max_kinds: 20,
            max_channels: 8,
            max_groups: 12,
            own: Vec::new(),
            allow_leak: Vec::new(),
        }
    }
}

/// A family of features.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is described, for users too, in `Family::about`")]
pub enum Family {
    Counts,
    Shares,
    Amounts,
    Recency,
    Gaps,
    Trends,
    Streaks,
    Calendar,
    Sequences,
    Baskets,
    Returns,
    Discounts,
    Prices,
    Variety,
    Rfm,
    Btyd,
}

impl Family {
    /// All of them.
    pub const ALL: [Family; 16] = [
        Family::Counts,
        Family::Shares,
        Family::Amounts,
        Family::Recency,
        Family::Gaps,
        Family::Trends,
        Family::Streaks,
        Family::Calendar,
        Family::Sequences,
        Family::Baskets,
        Family::Returns,
        Family::Discounts,
        Family::Prices,
        Family::Variety,
        Family::Rfm,
        Family::Btyd,
    ];

    /// The family that a feature belongs to, whoever asked for it.
    pub fn of(feature: &Feature) -> Family {
        use Metric::*;
        match feature.metric {
            Count | Days => Family::Counts,
            Share => Family::Shares,
            Sum | Mean if feature.measure.as_deref() != Some("amount") => Family::Discounts,
            Sum | Mean | Max | Min | Spread => Family::Amounts,
            RecencyDays | FirstDays | LatestDays | EarliestDays => Family::Recency,
            GapMean | GapMedian | GapSpread | GapMax | GapRatio => Family::Gaps,
            Ratio | Trend | Acceleration => Family::Trends,
            StreakMax | StreakNow | IdleMax => Family::Streaks,
            WeekdayShare | HourShare | WeekdayEntropy | HourEntropy => Family::Calendar,
            Followed | FollowedShare => Family::Sequences,
            Baskets | BasketMean | BasketMax | BasketValue => Family::Baskets,
            Rate => Family::Returns,
            PriceLevel => Family::Prices,
            Products | Variety | RepeatShare | Kinds | Channels | Groups => Family::Variety,
            Frequency | Monetary => Family::Rfm,
            BtydX | BtydTx | BtydT => Family::Btyd,
        }
    }

    /// What the family tells.
    pub fn about(self) -> &'static str {
        match self {
            Family::Counts => "how many events, and days with them",
            Family::Shares => "which part of all events is of a kind, channel or product group",
            Family::Amounts => "sums, means, extremes and spread of amounts",
            Family::Recency => "how long ago the last and the first event was",
            Family::Gaps => "the rhythm: gaps between days, and the present gap against them",
            Family::Trends => "more or less than before, and how that changes",
            Family::Streaks => "runs of days with and without events",
            Family::Calendar => "weekdays and hours, and how evenly they are spread",
            Family::Sequences => "one kind followed by another within a day",
            Family::Baskets => "how many lines an order has and what it is worth",
            Family::Returns => "returns for each purchase",
            Family::Discounts => "other measures than the amount, as discounts",
            Family::Prices => "prices paid against the customer's usual ones",
            Family::Variety => "different products, kinds, channels; buying the same again",
            Family::Rfm => "frequency and money by day of purchase",
            Family::Btyd => "x, t_x and T of buy-till-you-die models",
        }
    }
}

/// What the log holds that is worth telling apart.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Supported {
    /// Kinds, the most frequent first.
    pub kinds: Vec<String>,
    /// Those of them whose events have amounts.
    pub with_amount: Vec<String>,
    /// Channels, the most frequent first.
    pub channels: Vec<String>,
    /// Product groups, the most frequent first.
    pub groups: Vec<String>,
    /// The kind of purchases, where there is one.
    pub purchase: Option<String>,
    /// The kind of returns, where there is one.
    pub returned: Option<String>,
    /// Measures besides the amount.
    pub measures: Vec<String>,
    /// Whether events have products.
    pub products: bool,
}

/// Kinds that sequences are told of.
const SEQUENCE_KINDS: usize = 5;

impl Features {
    /// The features, family by family, without repetition; the user's own last.
    pub fn build(&self, log: &Supported) -> Vec<Feature> {
        let mut windows = self.windows.clone();
        windows.sort_unstable();
        windows.dedup();
        let mut built = Built { log, windows, features: Vec::new() };
        let mut families = self.families.clone();
        families.sort_unstable();
        families.dedup();
        families.into_iter().for_each(|family| built.family(family));
        let mut names = HashSet::new();
        built.features.retain(|feature| names.insert(feature.name()));
        for own in &self.own {
            // Different features of one name are refused by the spec.
            if !built.features.contains(own) {
                built.features.push(own.clone());
            }
        }
        built.features
    }
}

struct Built<'a> {
    log: &'a Supported,
    windows: Vec<Window>,
    features: Vec<Feature>,
}

impl Built<'_> {
    fn family(&mut self, family: Family) {
        use Metric::*;
        let (any, kinds) = (Selector::default(), self.kinds());
        let with_any: Vec<Selector> = [any.clone()].into_iter().chain(kinds.clone()).collect();
        let purchase = self.purchase();
        let some: Vec<Selector> = [any.clone(), purchase.clone()].to_vec();
        match family {
            Family::Counts => {
                self.each(&[Count], &[with_any.clone(), self.sets()].concat(), None);
                self.each(&[Days], &with_any, None);
            }
            Family::Shares => self.each(&[Share], &[kinds, self.sets()].concat(), None),
            Family::Amounts => {
                let paid: Vec<Selector> = self.paid();
                self.each(&[Sum, Mean, Max, Min, Spread], &paid, Some("amount"));
                if !paid.is_empty() {
                    self.each(&[Sum], &self.sets(), Some("amount"));
                }
            }
            Family::Recency => {
                self.each(&[RecencyDays, FirstDays], &[with_any, self.sets()].concat(), None);
            }
            Family::Gaps => {
                self.each(&[GapMean, GapMedian, GapSpread, GapMax, GapRatio], &with_any, None);
            }
            Family::Trends => {
                self.each(&[Ratio, Trend, Acceleration], &with_any, None);
                self.each(&[Ratio, Trend], &self.paid(), Some("amount"));
            }
            Family::Streaks => self.each(&[StreakMax, StreakNow, IdleMax], &some, None),
            Family::Calendar => {
                self.each(&[WeekdayEntropy, HourEntropy], &some, None);
                self.each(&[WeekdayShare, HourShare], &[any], None);
            }
            Family::Sequences => self.sequences(),
            Family::Baskets => {
                self.each(&[Baskets, BasketMean, BasketMax], std::slice::from_ref(&purchase), None);
                self.each(&[BasketValue], &[purchase], Some("amount"));
            }
            Family::Returns => self.returns(),
            Family::Discounts => {
                for measure in self.log.measures.clone() {
                    self.each(&[Sum, Mean], std::slice::from_ref(&purchase), Some(&measure));
                }
            }
            Family::Prices => self.each(&[PriceLevel], &self.paid(), Some("amount")),
            Family::Variety => {
                self.each(&[Kinds, Channels, Groups], &[any], None);
                if self.log.products {
                    self.each(&[Products, Variety, RepeatShare], &some, None);
                }
            }
            Family::Rfm => {
                self.each(&[Frequency], std::slice::from_ref(&purchase), None);
                self.each(&[Monetary], &[purchase], Some("amount"));
            }
            Family::Btyd => self.each(&[BtydX, BtydTx, BtydT], &[purchase], None),
        }
    }

    /// Metrics of sets over all windows they can be over.
    fn each(&mut self, metrics: &[Metric], sets: &[Selector], measure: Option<&str>) {
        for &metric in metrics {
            for set in sets {
                for windows in self.spans(metric) {
                    for part in parts(metric) {
                        self.features.push(Feature {
                            name: None,
                            metric,
                            of: set.clone(),
                            measure: measure.map(str::to_owned),
                            with: None,
                            part,
                            windows: windows.clone(),
                        });
                    }
                }
            }
        }
    }

    /// The windows a metric is told over: successive ones where it compares several; those in days
    /// only where it is a number a day or set against all time.
    fn spans(&self, metric: Metric) -> Vec<Vec<Window>> {
        let in_days: Vec<Window> =
            self.windows.iter().copied().filter(|w| *w != Window::All).collect();
        let wide = |w: &&Window| !matches!(w, Window::Days(days) if *days < 30);
        match (metric, metric.info().windows) {
            (_, 0) => vec![Vec::new()],
            (Metric::Trend | Metric::Acceleration, n) => {
                in_days.windows(n).map(<[Window]>::to_vec).collect()
            }
            (Metric::PriceLevel, _) => in_days.iter().map(|w| vec![*w]).collect(),
            // Rhythms and profiles of a week tell nothing.
            (
                Metric::GapMean
                | Metric::GapMedian
                | Metric::GapSpread
                | Metric::GapMax
                | Metric::GapRatio
                | Metric::WeekdayShare
                | Metric::HourShare
                | Metric::WeekdayEntropy
                | Metric::HourEntropy,
                _,
            ) => self.windows.iter().filter(wide).map(|w| vec![*w]).collect(),
            (_, n) => self.windows.windows(n).map(<[Window]>::to_vec).collect(),
        }
    }

    fn kinds(&self) -> Vec<Selector> {
        self.log.kinds.iter().map(|kind| Selector::kind(kind)).collect()
    }

    /// Kinds with amounts; where no kind is a purchase, all events together too.
    fn paid(&self) -> Vec<Selector> {
        let kinds = self.log.with_amount.iter().map(|kind| Selector::kind(kind));
        let together = self.log.purchase.is_none() && self.log.with_amount.len() > 1;
        kinds.chain(together.then(Selector::default)).collect()
    }

    /// Channels and product groups.
    fn sets(&self) -> Vec<Selector> {
        let channels = self.log.channels.iter().map(|channel| Selector::channel(channel));
        channels.chain(self.log.groups.iter().map(|group| Selector::group(group))).collect()
    }

    /// Purchases; all events where no kind is one.
    fn purchase(&self) -> Selector {
        self.log.purchase.as_deref().map_or_else(Selector::default, Selector::kind)
    }

    fn sequences(&mut self) {
        let kinds: Vec<String> = self.log.kinds.iter().take(SEQUENCE_KINDS).cloned().collect();
        for window in self.spans(Metric::GapMean) {
            for first in &kinds {
                for second in kinds.iter().filter(|k| *k != first) {
                    self.features.push(Feature {
                        with: Some(Selector::kind(second)),
                        ..Feature::new(Metric::FollowedShare, Selector::kind(first), window[0])
                    });
                }
            }
        }
    }

    fn returns(&mut self) {
        let (Some(purchase), Some(returned)) = (&self.log.purchase, &self.log.returned) else {
            return;
        };
        for &window in &self.windows {
            for measure in [None, Some("amount".to_owned())] {
                self.features.push(Feature {
                    with: Some(Selector::kind(purchase)),
                    measure,
                    ..Feature::new(Metric::Rate, Selector::kind(returned), window)
                });
            }
        }
    }
}

/// The parts of the week or day that a metric is of.
fn parts(metric: Metric) -> Vec<Option<Part>> {
    match metric.info().part {
        None => vec![None],
        Some(of) => Part::ALL.into_iter().filter(|part| part.of() == of).map(Some).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log() -> Supported {
        let texts = |texts: &[&str]| texts.iter().map(|t| (*t).to_owned()).collect();
        Supported {
            kinds: texts(&["visit", "purchase", "return"]),
            with_amount: texts(&["purchase", "return"]),
            channels: texts(&["web", "store"]),
            groups: texts(&["toys"]),
            purchase: Some("purchase".to_owned()),
            returned: Some("return".to_owned()),
            measures: texts(&["discount"]),
            products: true,
        }
    }

    #[test]
    fn every_family_has_features_that_can_be_and_none_twice() {
        for family in Family::ALL {
            let features = Features { families: vec![family], ..Features::default() }.build(&log());
            assert!(!features.is_empty(), "{family:?}");
            assert!(features.iter().all(|f| Family::of(f) == family), "{family:?}");
            features.iter().for_each(|f| f.validate().unwrap());
        }
        let all = Features::default().build(&log());
        let names: std::collections::HashSet<String> = all.iter().map(Feature::name).collect();
        assert_eq!(names.len(), all.len());
        assert!(all.len() > 500, "{}", all.len());
    }

    #[test]
    fn more_windows_and_families_widen_and_nothing_else_changes() {
        let few = Features {
            families: vec![Family::Counts, Family::Recency],
            windows: vec![Window::Days(30)],
            ..Features::default()
        };
        let narrow = few.build(&log());
        let wide = Features { windows: Features::default().windows, ..few }.build(&log());
        assert!(narrow.iter().all(|f| wide.contains(f)) && wide.len() > 2 * narrow.len());
        let purchase = narrow.iter().any(|f| f.name() == "count(purchase, 30d)");
        assert!(purchase);
    }

    #[test]
    fn a_log_without_purchases_amounts_or_products_still_has_features() {
        let log = Supported { kinds: vec!["visit".to_owned()], ..Supported::default() };
        let features = Features::default().build(&log);
        features.iter().for_each(|f| f.validate().unwrap());
        assert!(features.len() > 100, "{}", features.len());
    }
}
