//! Features that do not last: what ranked early and does not late, and values that are others where the model
//! is judged. Only where rows have a time.

use rayon::prelude::*;

use super::counts::{Counts, Rows, thin};
use super::{Case, Test};

/// The AUC from which there is some power to lose.
const POWER: f64 = 0.75;
/// The AUC from which a feature tells how others keep theirs.
const SOME_POWER: f64 = 0.60;
/// The share of its power (AUC above 0.5) that is lost out of time when there is none left to speak of: what
/// is excluded then is a leak or of no use.
const ALL_LOST: f64 = 0.8;
/// The share that is warned of.
const MUCH_LOST: f64 = 0.5;

/// The share of rows that would have to have other values for the rows that judge to be as those that train:
/// from half of them on, the column is hardly the same.
const MOVED: f64 = 0.5;
/// And how many times that of the feature in the middle.
const MORE_THAN_OTHERS: f64 = 5.0;
/// Most rows that judge that are looked at.
const MOST_LATER: usize = 20_000;
/// Most values of a category whose shares are compared: those of more differ by chance.
const MOST_LEVELS: usize = 256;
/// Fewest features that can say what is usual.
const FEWEST_FEATURES: usize = 5;

/// Compares how features rank customers in their own time and later, by what was learned early on others.
pub(super) fn lost_power(case: &mut Case<'_>) {
    let parts = [Rows::Early(0), Rows::Early(1), Rows::Late(0), Rows::Late(1)];
    let some = |parts: &[Rows]| {
        let counts = case.features.first().map(|feature| &feature.counts);
        counts.is_some_and(|counts| parts.iter().all(|part| counts.enough(*part)))
    };
    if case.scan.time.is_none() || !some(&parts) {
        return;
    }
    let both = |counts: &Counts, judge: fn(usize) -> Rows| {
        [0, 1].map(|half| counts.auc(Rows::Early(1 - half), judge(half)))
    };
    let told: Vec<([f64; 2], [f64; 2])> = case
        .features
        .par_iter()
        .map(|feature| (both(&feature.counts, Rows::Early), both(&feature.counts, Rows::Late)))
        .collect();
    let early = |place: usize| told[place].0[0].min(told[place].0[1]);
    let lost = |place: usize| {
        let late = told[place].1[0].max(told[place].1[1]);
        1.0 - (late - 0.5) / (early(place) - 0.5)
    };
    let honest = (0..told.len()).filter(|&f| early(f) >= SOME_POWER && !case.leaks(f));
    let usual = median(honest.clone().map(lost).collect());
    // Where all lose their power, it is the times that changed.
    if usual.is_none_or(|usual| usual >= MUCH_LOST) {
        return;
    }
    let suspects: Vec<usize> =
        honest.filter(|&f| early(f) >= POWER && lost(f) >= MUCH_LOST).collect();
    for feature in suspects {
        let lost = lost(feature);
        let evidence = format!(
            "ROC AUC {} among early rows, {:.3} and {:.3} among late ones",
            case.population(told[feature].0),
            told[feature].1[0],
            told[feature].1[1]
        );
        match lost >= ALL_LOST {
            true => case.exclude(feature, Test::Time, lost, evidence),
            false => case.warn(feature, Test::Time, lost, evidence),
        }
    }
}

/// Warns of features whose values are others in the rows that judge, far more than those of others. Their
/// answers are not looked at, and nothing is excluded.
pub(super) fn moved(case: &mut Case<'_>) {
    if case.scan.time.is_none() || case.scan.later.is_empty() {
        return;
    }
    let later = thin(case.scan.later.to_vec(), MOST_LATER);
    let distance = |(place, feature): (&usize, &super::Feature)| {
        let bins = feature.bins.present() + 1;
        if bins > MOST_LEVELS {
            return f64::NAN;
        }
        let mut shares = vec![0.0; bins];
        let places = feature.bins.places(&case.scan.frame.columns()[*place], &later);
        places.iter().for_each(|&place| shares[place as usize] += 1.0 / later.len() as f64);
        let before = feature.counts.shares(case.sample.stands_for);
        before.iter().zip(&shares).map(|(a, b)| (a - b).abs()).sum::<f64>() / 2.0
    };
    let distances: Vec<f64> =
        case.scan.features.par_iter().zip(&case.features).map(distance).collect();
    let known: Vec<f64> = distances.iter().copied().filter(|d| !d.is_nan()).collect();
    if known.len() < FEWEST_FEATURES {
        return;
    }
    let Some(usual) = median(known) else { return };
    for (feature, &distance) in distances.iter().enumerate() {
        if distance >= MOVED && distance >= MORE_THAN_OTHERS * usual {
            let evidence = format!(
                "{:.0} % of the rows that judge would need other values to be as the {} training rows; of the \
                 feature in the middle {:.0} %",
                100.0 * distance,
                case.scan.train.len(),
                100.0 * usual
            );
            case.warn(feature, Test::Time, distance, evidence);
        }
    }
}

/// The value in the middle, the lower of two.
fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len().saturating_sub(1) / 2).copied()
}
