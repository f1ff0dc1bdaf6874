//! How many customers go from stage to stage and from tier to tier, from one cutoff to the next. Says
//! what happened as customers were treated, not what contacting them changed.

use rekindle_models::customer::{CustomerState, LapseTier, LifecycleStage};
use rekindle_models::metrics::wilson;
use serde::Serialize;

use crate::error::{Error, Result};

/// Counts of passages; made in parts and merged, in any order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Passages {
    stages: Tally,
    tiers: Tally,
    bought: [u64; PLACES],
}

/// Five lifecycle stages; four lapse tiers and none.
const PLACES: usize = 5;

/// Passages between places, and how many different customers left each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Tally {
    passed: [[u64; PLACES]; PLACES],
    customers: [u64; PLACES],
}

/// The counts as shares with intervals.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PassageReport {
    /// Two-sided confidence of every interval.
    pub confidence: f64,
    /// Fewest customers of a stage whose own success rate takes the place of the default.
    pub min_customers: u64,
    /// Passages between lifecycle stages that were seen, staying counted too; in order of stages.
    pub stages: Vec<Passage>,
    /// The same between lapse tiers; `none` for customers without a purchase.
    pub tiers: Vec<Passage>,
    /// For each stage, how many bought by the next cutoff.
    pub success_rates: Vec<SuccessRate>,
}

/// One way from a place to the same or another.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Passage {
    /// The place at a cutoff.
    pub from: &'static str,
    /// The place at the next.
    pub to: &'static str,
    /// Different customers who were at `from`, at any cutoff but the last.
    pub customers: u64,
    /// How often one was: as many times as `customers` with two cutoffs, up to once for each pair of
    /// consecutive ones.
    pub counted: u64,
    /// How many of those were at `to` at the next cutoff.
    pub passed: u64,
    /// `passed` of `counted`, 0 to 1.
    pub share: f64,
    /// Lower end of Wilson's interval of the share, with as many rows as there are customers: passages
    /// of the same customer are not independent.
    pub low: f64,
    /// Its upper end.
    pub high: f64,
}

/// How many customers of a stage bought by the next cutoff.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct SuccessRate {
    /// The stage at a cutoff.
    pub stage: &'static str,
    /// Different customers who were in it.
    pub customers: u64,
    /// How often one was.
    pub counted: u64,
    /// How many of those bought by the next cutoff.
    pub bought: u64,
    /// Where the rate is from.
    pub source: Source,
    /// The rate, 0 to 1; null where there is none.
    pub rate: Option<f64>,
    /// Lower end of Wilson's interval; null for a default.
    pub low: Option<f64>,
    /// Its upper end.
    pub high: Option<f64>,
}

/// Where a success rate is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// The user's own customers.
    Counted,
    /// The field's figure for offers to customers of the stage, for want of own ones.
    Default,
    /// Neither: too few customers, and no figure for the stage.
    NotEnoughData,
}

/// Fewest customers of a stage whose own rate is taken: at 100 a rate of 6 % is told from one of 15 %.
pub const MIN_CUSTOMERS: u64 = 100;

/// The share of customers of a stage with whom offers succeed, where nothing else is known: 6 % of
/// potential, 15 % of first-time, 50 % of repeat and loyal ones.
pub fn default_success_rate(stage: LifecycleStage) -> Option<f64> {
    match stage {
        LifecycleStage::Potential => Some(0.06),
        LifecycleStage::FirstTime => Some(0.15),
        LifecycleStage::Repeat | LifecycleStage::Loyal => Some(0.50),
        LifecycleStage::Lapsed => None,
    }
}

impl Passages {
    /// Counts one customer, seen at two consecutive cutoffs. A customer is seen from the first event on:
    /// one of whom nothing was known is not potential.
    pub fn count(&mut self, from: &CustomerState, to: &CustomerState) {
        self.count_all(&[Some(*from), Some(*to)]);
    }

    /// Counts one customer, seen at several cutoffs in order of time; `None` where nothing was known of
    /// them yet. Customers are told apart by calls: all cutoffs of one belong into one call.
    pub fn count_all(&mut self, states: &[Option<CustomerState>]) {
        let (mut stages_left, mut tiers_left) = ([false; PLACES], [false; PLACES]);
        for pair in states.windows(2) {
            let (Some(from), Some(to)) = (&pair[0], &pair[1]) else { continue };
            let stage = from.lifecycle_stage as usize;
            self.stages.count(stage, to.lifecycle_stage as usize, &mut stages_left);
            self.tiers.count(place(from.lapse_tier), place(to.lapse_tier), &mut tiers_left);
            self.bought[stage] += u64::from(to.purchases > from.purchases);
        }
    }

    /// Adds what was counted of other customers.
    pub fn merge(&mut self, other: &Passages) {
        self.stages.merge(&other.stages);
        self.tiers.merge(&other.tiers);
        add(&mut self.bought, &other.bought);
    }

    /// The shares, with intervals at `confidence`; stages with fewer than `min_customers` customers have
    /// the default success rate.
    ///
    /// # Errors
    /// When `confidence` is not from 0.5 to below 1.
    pub fn report(&self, confidence: f64, min_customers: u64) -> Result<PassageReport> {
        if !(0.5..1.0).contains(&confidence) {
            return Err(Error::BadOptions(format!(
                "confidence of passages is {confidence}, expected 0.5 to below 1, as 0.95"
            )));
        }
        let stage_names = LifecycleStage::ALL.map(LifecycleStage::text);
        let rates = LifecycleStage::ALL.map(|stage| self.rate(stage, confidence, min_customers));
        Ok(PassageReport {
            confidence,
            min_customers,
            stages: self.stages.passages(&stage_names, confidence),
            tiers: self.tiers.passages(&tier_names(), confidence),
            success_rates: rates.to_vec(),
        })
    }

    fn rate(&self, stage: LifecycleStage, confidence: f64, min_customers: u64) -> SuccessRate {
        let place = stage as usize;
        let (customers, bought) = (self.stages.customers[place], self.bought[place]);
        let counted = self.stages.passed[place].iter().sum::<u64>();
        let own = (customers >= min_customers && counted > 0).then(|| {
            let rate = bought as f64 / counted as f64;
            (rate, wilson(rate, customers as f64, confidence))
        });
        let default = default_success_rate(stage);
        SuccessRate {
            stage: stage.text(),
            customers,
            counted,
            bought,
            source: match (own, default) {
                (Some(_), _) => Source::Counted,
                (None, Some(_)) => Source::Default,
                (None, None) => Source::NotEnoughData,
            },
            rate: own.map(|(rate, _)| rate).or(default),
            low: own.map(|(_, (low, _))| low),
            high: own.map(|(_, (_, high))| high),
        }
    }
}

impl Tally {
    fn count(&mut self, from: usize, to: usize, left: &mut [bool; PLACES]) {
        self.passed[from][to] += 1;
        self.customers[from] += u64::from(!left[from]);
        left[from] = true;
    }

    fn merge(&mut self, other: &Tally) {
        self.passed.iter_mut().zip(&other.passed).for_each(|(own, other)| add(own, other));
        add(&mut self.customers, &other.customers);
    }

    fn passages(&self, names: &[&'static str; PLACES], confidence: f64) -> Vec<Passage> {
        let mut passages = Vec::new();
        for (from, ways) in self.passed.iter().enumerate() {
            let (customers, counted) = (self.customers[from], ways.iter().sum::<u64>());
            for (to, &passed) in ways.iter().enumerate().filter(|(_, passed)| **passed > 0) {
                let share = passed as f64 / counted as f64;
                let (low, high) = wilson(share, customers as f64, confidence);
                let (from, to) = (names[from], names[to]);
                passages.push(Passage { from, to, customers, counted, passed, share, low, high });
            }
        }
        passages
    }
}

fn add(own: &mut [u64; PLACES], other: &[u64; PLACES]) {
    own.iter_mut().zip(other).for_each(|(own, other)| *own += other);
}

/// A tier's place: customers without one come first.
fn place(tier: Option<LapseTier>) -> usize {
    tier.map_or(0, |tier| tier as usize + 1)
}

fn tier_names() -> [&'static str; PLACES] {
    let [awake, drowsy, half_asleep, dormant] = LapseTier::ALL.map(LapseTier::text);
    ["none", awake, drowsy, half_asleep, dormant]
}

#[cfg(test)]
mod tests {
    use super::*;
    use LapseTier::{Awake, Dormant, Drowsy};
    use LifecycleStage::{FirstTime, Lapsed, Loyal, Potential, Repeat};

    fn state(stage: LifecycleStage, tier: Option<LapseTier>, purchases: u64) -> CustomerState {
        CustomerState {
            lapse_tier: tier,
            lifecycle_stage: stage,
            loyalty_type: None,
            recency_days: None,
            tenure_days: None,
            median_gap_days: None,
            purchases,
            purchase_days: purchases,
            amount_sum: 0.0,
            graded_amount: 0.0,
            graded_visit_days: 0,
        }
    }

    fn find<'a>(passages: &'a [Passage], from: &str, to: &str) -> &'a Passage {
        passages.iter().find(|p| (p.from, p.to) == (from, to)).unwrap()
    }

    /// 200 potential customers of whom 30 bought, 10 first-time ones of whom 4 did.
    fn counted() -> Passages {
        let mut passages = Passages::default();
        for place in 0..200 {
            let to = match place < 30 {
                true => state(FirstTime, Some(Awake), 1),
                false => state(Potential, None, 0),
            };
            passages.count(&state(Potential, None, 0), &to);
        }
        for place in 0..10 {
            let to = match place < 4 {
                true => state(Repeat, Some(Awake), 2),
                false => state(FirstTime, Some(Drowsy), 1),
            };
            passages.count(&state(FirstTime, Some(Drowsy), 1), &to);
        }
        passages
    }

    #[test]
    fn passages_are_counted_with_shares_and_intervals() {
        let report = counted().report(0.95, 100).unwrap();
        let first = find(&report.stages, "potential", "first_time");
        assert_eq!((first.customers, first.counted, first.passed), (200, 200, 30));
        assert_eq!(first.share, 0.15);
        assert_eq!((first.low, first.high), wilson(0.15, 200.0, 0.95));
        assert_eq!(find(&report.stages, "potential", "potential").passed, 170);
        assert_eq!(find(&report.stages, "first_time", "repeat").share, 0.4);
        assert_eq!(find(&report.tiers, "none", "awake").passed, 30);
        assert_eq!(find(&report.tiers, "drowsy", "awake").passed, 4);
        assert_eq!((report.stages.len(), report.tiers.len()), (4, 4));
    }

    #[test]
    fn stages_with_few_customers_have_the_default_rate_and_say_so() {
        let report = counted().report(0.95, 100).unwrap();
        let found: Vec<_> =
            report.success_rates.iter().map(|r| (r.stage, r.source, r.rate, r.bought)).collect();
        let expected = [
            ("potential", Source::Counted, Some(0.15), 30),
            ("first_time", Source::Default, Some(0.15), 4),
            ("repeat", Source::Default, Some(0.50), 0),
            ("loyal", Source::Default, Some(0.50), 0),
            ("lapsed", Source::NotEnoughData, None, 0),
        ];
        assert_eq!(found, expected);
        assert!(
            report.success_rates.iter().all(|r| r.low.is_some() == (r.source == Source::Counted))
        );
        // A stage has its own rate from just so many customers on.
        let first_time = |min| counted().report(0.95, min).unwrap().success_rates[1].rate;
        assert_eq!((first_time(10), first_time(11)), (Some(0.4), Some(0.15)));
        // Without any customer there is no rate of their own, whatever is asked for.
        let none = Passages::default().report(0.95, 0).unwrap();
        assert_eq!(none.success_rates[0].source, Source::Default);
        assert!(none.stages.is_empty() && none.tiers.is_empty());
    }

    #[test]
    fn a_customer_at_many_cutoffs_widens_no_data() {
        let mut passages = Passages::default();
        let (awake, drowsy) = (state(Repeat, Some(Awake), 2), state(Repeat, Some(Drowsy), 2));
        let again = state(Loyal, Some(Awake), 5);
        passages.count_all(&[None, Some(awake), Some(drowsy), Some(again), Some(again)]);
        // What lies between two cutoffs of which one is unknown is not counted.
        passages.count_all(&[Some(awake), None, Some(awake)]);
        let report = passages.report(0.95, 1).unwrap();
        let stay = find(&report.stages, "repeat", "repeat");
        assert_eq!((stay.customers, stay.counted, stay.passed), (1, 2, 1));
        assert_eq!((stay.low, stay.high), wilson(0.5, 1.0, 0.95));
        let woken = find(&report.tiers, "drowsy", "awake");
        assert_eq!((woken.customers, woken.counted, woken.passed), (1, 1, 1));
        let repeat = &report.success_rates[2];
        assert_eq!((repeat.counted, repeat.bought, repeat.rate), (2, 1, Some(0.5)));
    }

    #[test]
    fn parts_merged_in_any_order_are_the_whole() {
        let mut other = Passages::default();
        other.count(&state(Lapsed, Some(Dormant), 3), &state(Repeat, Some(Awake), 4));
        let (mut one, mut two) = (counted(), other.clone());
        one.merge(&other);
        two.merge(&counted());
        assert_eq!(one, two);
        let lapsed = one.report(0.95, 1).unwrap().success_rates[4].clone();
        assert_eq!((lapsed.source, lapsed.rate), (Source::Counted, Some(1.0)));
    }

    #[test]
    fn the_report_has_fixed_names_and_a_confidence_in_range() {
        let mut passages = Passages::default();
        passages.count(&state(Potential, None, 0), &state(FirstTime, Some(Awake), 1));
        let report = passages.report(0.95, 2).unwrap();
        let json = serde_json::to_string(&report).unwrap();
        assert!(
            json.starts_with(
                "{\"confidence\":0.95,\"min_customers\":2,\"stages\":[{\"from\":\"potential\",\
                 \"to\":\"first_time\",\"customers\":1,\"counted\":1,\"passed\":1,\"share\":1.0,\
                 \"low\":0.2065"
            ),
            "{json}"
        );
        assert!(
            json.ends_with(
                "{\"stage\":\"lapsed\",\"customers\":0,\"counted\":0,\"bought\":0,\
                 \"source\":\"not_enough_data\",\"rate\":null,\"low\":null,\"high\":null}]}"
            ),
            "{json}"
        );
        for confidence in [0.4, 1.0, f64::NAN] {
            passages.report(confidence, 2).unwrap_err();
        }
    }
}
