//! Two versions' figures beside each other: which one is better at what, whether by more than chance, and what may be
//! concluded. Puts nothing into words.

use rekindle_models::metrics::Interval;

use crate::figures::{Figures, Judged};

/// One of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// The first.
    First,
    /// The second.
    Second,
}

/// A figure of two versions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// One of them lacks it.
    Unknown,
    /// Both have the same.
    Same,
    /// One has the better figure, and the intervals do not overlap.
    Apart(Which),
    /// One has the better figure, and the intervals overlap.
    Overlap(Which),
    /// One has the better figure, and nobody knows within what bounds.
    Unbounded(Which),
}

/// Which way a figure is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Good {
    /// The lower, the better.
    Low,
    /// The higher, the better.
    High,
}

/// What may be concluded from two judgements.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conclusion {
    /// A version was not judged.
    Unjudged(Which),
    /// They answer different questions.
    OtherQuestion,
    /// They were judged on different kinds of customers.
    OtherCustomers,
    /// One is better at something by more than chance, the other at nothing.
    Better(Which),
    /// Each is better at something by more than chance.
    Mixed,
    /// No difference goes beyond chance.
    Chance,
}

impl Standing {
    /// How two figures stand.
    pub fn of(first: Option<&Interval>, second: Option<&Interval>, good: Good) -> Standing {
        let (Some(first), Some(second)) = (first, second) else { return Standing::Unknown };
        if first.value == second.value {
            return Standing::Same;
        }
        let better = match (first.value < second.value) == (good == Good::Low) {
            true => Which::First,
            false => Which::Second,
        };
        let bounds = [first.low, first.high, second.low, second.high];
        match bounds.iter().any(|bound| bound.is_nan()) {
            true => Standing::Unbounded(better),
            false if apart(first, second) => Standing::Apart(better),
            false => Standing::Overlap(better),
        }
    }

    /// Which one is better by more than chance.
    fn sure(self) -> Option<Which> {
        match self {
            Standing::Apart(which) => Some(which),
            _ => None,
        }
    }
}

/// Whether two intervals have no value in common.
fn apart(first: &Interval, second: &Interval) -> bool {
    first.high < second.low || second.high < first.low
}

/// The figures that conclusions are drawn from: few, so that none stands out by chance among many.
pub fn decisive(first: &Judged, second: &Judged) -> [Standing; 3] {
    [
        Standing::of(first.miss_rate.as_ref(), second.miss_rate.as_ref(), Good::Low),
        Standing::of(first.error_rate.as_ref(), second.error_rate.as_ref(), Good::Low),
        Standing::of(first.roc_auc.as_ref(), second.roc_auc.as_ref(), Good::High),
    ]
}

impl Conclusion {
    /// What may be concluded.
    pub fn of(first: &Figures, second: &Figures) -> Conclusion {
        if first.target != second.target {
            return Conclusion::OtherQuestion;
        }
        let (one, other) = match (&first.judged, &second.judged) {
            (None, _) => return Conclusion::Unjudged(Which::First),
            (_, None) => return Conclusion::Unjudged(Which::Second),
            (Some(one), Some(other)) => (one, other),
        };
        let rates = one.base_rate.as_ref().zip(other.base_rate.as_ref());
        if first.population != second.population || rates.is_some_and(|(a, b)| apart(a, b)) {
            return Conclusion::OtherCustomers;
        }
        let sure: Vec<Which> =
            decisive(one, other).into_iter().filter_map(Standing::sure).collect();
        match (sure.contains(&Which::First), sure.contains(&Which::Second)) {
            (true, true) => Conclusion::Mixed,
            (true, false) => Conclusion::Better(Which::First),
            (false, true) => Conclusion::Better(Which::Second),
            (false, false) => Conclusion::Chance,
        }
    }
}

#[cfg(test)]
mod tests {
    use rekindle_models::artifact::{TargetEntry, ThresholdEntry};

    use super::*;

    fn interval(value: f64, half: f64) -> Option<Interval> {
        Some(Interval { value, low: value - half, high: value + half })
    }

    /// A version with a miss rate, an error rate and a ROC AUC, each give or take 0.02.
    fn version([miss, error, auc]: [f64; 3]) -> Figures {
        let judged = Judged {
            rows: 1_000,
            confidence: Some(0.95),
            base_rate: interval(0.2, 0.02),
            miss_rate: interval(miss, 0.02),
            error_rate: interval(error, 0.02),
            roc_auc: interval(auc, 0.02),
            average_precision: None,
            ece: None,
            log_loss: None,
        };
        Figures {
            classifier: "boosting".to_owned(),
            target: TargetEntry { column: "churned".to_owned(), value: "1".to_owned() },
            population: "all customers".to_owned(),
            features: Vec::new(),
            threshold: ThresholdEntry { value: 0.5, rule: String::new(), met: true },
            verdict: None,
            judged: Some(judged),
            training_time: None,
            training_rows: 0,
            influence: Vec::new(),
            written: None,
        }
    }

    #[test]
    fn no_more_is_concluded_than_intervals_allow() {
        let check = |a, b, expected| assert_eq!(Conclusion::of(&version(a), &version(b)), expected);
        check([0.2, 0.4, 0.8], [0.1, 0.4, 0.8], Conclusion::Better(Which::Second));
        check([0.2, 0.3, 0.8], [0.2, 0.4, 0.8], Conclusion::Better(Which::First));
        check([0.2, 0.4, 0.8], [0.17, 0.37, 0.83], Conclusion::Chance);
        check([0.2, 0.4, 0.8], [0.1, 0.5, 0.8], Conclusion::Mixed);
        // Bounds that touch have a value in common.
        check([0.25, 0.4, 0.75], [0.25, 0.4, 0.75], Conclusion::Chance);
    }

    #[test]
    fn what_cannot_be_compared_is_not() {
        let (first, second) = (version([0.2, 0.4, 0.8]), version([0.1, 0.3, 0.9]));
        let check = |first: &Figures, second: &Figures, expected| {
            assert_eq!(Conclusion::of(first, second), expected);
        };
        let unjudged = Figures { judged: None, ..second.clone() };
        check(&first, &unjudged, Conclusion::Unjudged(Which::Second));
        check(&unjudged, &first, Conclusion::Unjudged(Which::First));
        let target = TargetEntry { column: "repaid".to_owned(), value: "1".to_owned() };
        check(&first, &Figures { target, ..second.clone() }, Conclusion::OtherQuestion);
        let mut others = second.clone();
        others.judged.as_mut().unwrap().base_rate = interval(0.4, 0.02);
        check(&first, &others, Conclusion::OtherCustomers);
        let population = "customers of one shop".to_owned();
        check(&first, &Figures { population, ..second }, Conclusion::OtherCustomers);
    }

    #[test]
    fn figures_without_bounds_or_values_are_not_sure() {
        let bare = Some(Interval { value: 0.1, low: f64::NAN, high: f64::NAN });
        let standing = |a: Option<Interval>, b: Option<Interval>| {
            Standing::of(a.as_ref(), b.as_ref(), Good::Low)
        };
        assert_eq!(standing(bare, interval(0.4, 0.01)), Standing::Unbounded(Which::First));
        assert_eq!(standing(None, interval(0.4, 0.01)), Standing::Unknown);
        assert_eq!(standing(interval(0.4, 0.0), interval(0.4, 0.1)), Standing::Same);
        assert_eq!(
            standing(interval(0.4, 0.05), interval(0.35, 0.05)),
            Standing::Overlap(Which::Second)
        );
    }
}
