//! Features that rank too well by themselves: by value, by having one, and more strictly where their source
//! has no time of knowing.

use std::collections::BTreeSet;

use rekindle_models::metrics::wilson;

use super::counts::agreement;
use super::{Case, Test, odds};

/// From here on a feature is taken to know the answer, whatever the others reach: no behaviour before the
/// cutoff tells a customer's choice that well.
const SURE: f64 = 0.95;
/// From here on it is taken to when it stands alone, by [`ALONE`], and is warned of when it does not.
const STRONG: f64 = 0.90;
/// How many times the odds of the next unrelated feature are no longer honest. What a strong honest feature
/// measures, others measure too, if less well: recency 0.92 beside frequency 0.80 has 2.9 times the odds,
/// where a leak of 0.92 beside behaviour of 0.68 has 5.4 times.
const ALONE: f64 = 5.0;
/// From here on a feature that stands out, by [`STANDS_OUT`], is warned of.
const NOTABLE: f64 = 0.80;
/// As [`ALONE`], for a warning.
const STANDS_OUT: f64 = 3.0;
/// From here on two features say the same: one is no company for the other.
const RELATED: f64 = 0.90;
/// A feature that more are related to than these is not alone.
const MOST_RELATED: usize = 50;

/// What never changes and was known from the start (a birth year, a first channel) tells less of the coming
/// weeks than behaviour does. Where it has twice the odds of the best feature with a time of knowing, and at
/// least [`NOTABLE`], it was written afterwards.
const UNTIMED_ALONE: f64 = 2.0;
/// As [`UNTIMED_ALONE`], for a warning, from [`UNTIMED_NOTABLE`] on.
const UNTIMED_STANDS_OUT: f64 = 1.5;
/// As [`NOTABLE`], where there is no time of knowing.
const UNTIMED_NOTABLE: f64 = 0.70;

/// How many times as often those of one class have a value, surely, when only they can have it. Honest
/// absence (no purchase, so no amount) tells classes apart by far less.
pub(super) const TIMES_AS_OFTEN: f64 = 50.0;
/// The share of one class among the rows with a value that says that only this class can have one.
const PURE: f64 = 0.95;
/// How surely.
const CONFIDENCE: f64 = 0.95;

/// Whether having a value tells the answer.
pub(super) fn by_missing(case: &mut Case<'_>) {
    for feature in 0..case.features.len() {
        let counts = &case.features[feature].counts;
        let halves = counts.missing().halves();
        let [without, with] = counts.with_value();
        let only = only_one_class(without, with, case.sample.stands_for, TIMES_AS_OFTEN);
        let auc = halves[0].min(halves[1]);
        if auc < SURE && !only {
            continue;
        }
        let share = |(present, all): (f64, f64)| 100.0 * present / all;
        let evidence = format!(
            "{:.1} % of rows with the target have a value, {:.1} % of those without it; having one ranks \
             with a ROC AUC of {}",
            share(with),
            share(without),
            case.population(halves)
        );
        case.exclude(feature, Test::Missing, auc, evidence);
    }
}

/// Whether only rows of one class can have a value: those of the other have it surely so many times less often,
/// and are next to none of those that have it. For each class: rows with a value, and all.
pub(super) fn only_one_class(
    without: (f64, f64),
    with: (f64, f64),
    stands_for: [f64; 2],
    times: f64,
) -> bool {
    let rows = [without.0 * stands_for[0], with.0 * stands_for[1]];
    let one = |(has, all): (f64, f64), (other_has, other_all): (f64, f64), share: f64| {
        let often = wilson(has / all, all, CONFIDENCE).0;
        let seldom = wilson(other_has / other_all, other_all, CONFIDENCE).1;
        often >= times * seldom && share >= PURE
    };
    let all = rows[0] + rows[1];
    one(with, without, rows[1] / all) || one(without, with, rows[0] / all)
}

/// Whether the values rank too well.
pub(super) fn by_value(case: &mut Case<'_>) {
    for feature in case.best_first() {
        if case.features[feature].auc() >= SURE {
            surely(case, feature);
        }
    }
    untimed(case);
    // From the top: the first that has company ends it, for those below are no more alone than it is.
    for feature in case.best_first() {
        let auc = case.features[feature].auc();
        if auc < NOTABLE || !alone(case, feature, auc) {
            break;
        }
    }
}

fn surely(case: &mut Case<'_>, feature: usize) {
    let Told { auc, halves, source } = Told::of(case, feature);
    let same = (case.features[feature].bins.present() <= 2).then(|| same_rows(case, feature));
    let (test, what) = match same {
        _ if source.is_some() => (Test::Construction, String::new()),
        Some(same) if same >= 0.99 => {
            let what =
                format!("the target under another name, alike in {:.1} % of rows; ", 100.0 * same);
            (Test::Identity, what)
        }
        _ => (Test::Value, String::new()),
    };
    let evidence = format!(
        "{}{what}ROC AUC by itself {halves}; expected below {SURE}",
        source.unwrap_or_default()
    );
    case.exclude(feature, test, auc, evidence);
}

/// The share of rows whose target follows from the feature's value.
fn same_rows(case: &Case<'_>, feature: usize) -> f64 {
    let [without, with] = case.sample.stands_for;
    let places = case.places(feature);
    let mut bins = vec![[0.0, 0.0]; case.features[feature].bins.present() + 1];
    for (&place, &part) in places.iter().zip(&case.sample.part) {
        let class = usize::from(part % 2);
        bins[place as usize][class] += [without, with][class];
    }
    let all: f64 = bins.iter().flatten().sum();
    bins.iter().map(|[n, p]| n.max(*p)).sum::<f64>() / all
}

/// Accuses features without a time of knowing that are better than all that have one.
fn untimed(case: &mut Case<'_>) {
    let (untimed, timed): (Vec<usize>, Vec<usize>) = case
        .best_first()
        .into_iter()
        .partition(|&feature| case.scan.untimed.contains(&case.scan.features[feature]));
    let Some(&next) = timed.first() else { return };
    let next_auc = case.features[next].auc().max(0.5);
    for feature in untimed {
        let Told { auc, halves, source } = Told::of(case, feature);
        let times = odds(auc) / odds(next_auc);
        let evidence = format!(
            "{}ROC AUC by itself {halves}; the best feature with a time of knowing, {}: {next_auc:.3}",
            source.unwrap_or_default(),
            case.name(next)
        );
        if auc >= NOTABLE && times >= UNTIMED_ALONE {
            case.exclude(feature, Test::Construction, auc, evidence);
        } else if auc >= UNTIMED_NOTABLE && times >= UNTIMED_STANDS_OUT {
            case.warn(feature, Test::Construction, auc, evidence);
        }
    }
}

/// Accuses a feature that is far above the next unrelated one; whether it was.
fn alone(case: &mut Case<'_>, feature: usize, auc: f64) -> bool {
    let next = next_unrelated(case, feature);
    let next_auc = next.map_or(auc, |next| case.features[next].auc().max(0.5));
    let times = odds(auc) / odds(next_auc);
    let Told { halves, source, .. } = Told::of(case, feature);
    let test = if source.is_some() { Test::Construction } else { Test::Value };
    let next = next.map_or_else(String::new, |next| {
        format!("; next unrelated feature, {}: {next_auc:.3}", case.name(next))
    });
    let evidence = format!("{}ROC AUC by itself {halves}{next}", source.unwrap_or_default());
    if auc >= STRONG && times >= ALONE {
        case.exclude(feature, test, auc, evidence);
    } else if auc >= STRONG || times >= STANDS_OUT {
        case.warn(feature, test, auc, evidence);
    } else {
        return false;
    }
    true
}

/// The best other feature that does not say the same; `None` where there is none, or where too many say the
/// same for it to be alone.
fn next_unrelated(case: &Case<'_>, feature: usize) -> Option<usize> {
    let places = case.places(feature);
    let mut others = case.best_first().into_iter().filter(|other| *other != feature);
    let related = |&other: &usize| {
        let told = (&case.features[other].counts, &case.places(other)[..]);
        let agreement = agreement((&case.features[feature].counts, &places), told, &case.sample);
        agreement.abs() >= RELATED
    };
    let relatives = others.by_ref().take(MOST_RELATED);
    let mut unrelated = relatives.filter(|other| !related(other));
    unrelated.next()
}

/// A feature's figures for evidence.
struct Told {
    auc: f64,
    halves: String,
    /// What the user says of its source, where that has no time of knowing.
    source: Option<&'static str>,
}

impl Told {
    fn of(case: &Case<'_>, feature: usize) -> Told {
        let untimed: &BTreeSet<usize> = case.scan.untimed;
        let source = untimed
            .contains(&case.scan.features[feature])
            .then_some("no time of knowing (always_known = true); ");
        let told = &case.features[feature];
        Told { auc: told.auc(), halves: case.population(told.halves), source }
    }
}
