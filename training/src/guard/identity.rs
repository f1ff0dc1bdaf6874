//! Features that name the row, not the customer's behaviour: ids, the order of the rows; and pairs of features
//! that together are the target.

use rayon::prelude::*;
use rekindle_models::frame::{Column, Kind};

use super::counts::{Counts, Rows};
use super::{Case, Test, odds};

/// Fewest rows in which a column can look like an id.
const FEWEST_ROWS: usize = 100;
/// A text that is another one in so great a share of its rows names them.
const NEAR_UNIQUE: f64 = 0.9;
/// Whole numbers that are others in so great a share of the rows may name them.
const ALL_DIFFERENT: f64 = 0.999;

/// Most values, that of missing cells among them, of a feature that pairs are made with.
const PAIRED_VALUES: usize = 16;
/// Most features that pairs are made with, those with the fewest values.
const MOST_PAIRED: usize = 512;
/// Rows of each class that a pair is tried on first.
const TRIED: usize = 512;
/// How far the classes' shares of a pair's values must differ (half of the sum of differences) to look at the
/// pair closely. An AUC of [`GIVES_IT`] has at least 0.68, for an AUC is at most 1 - (1 - distance)^2 / 2.
const FAR_APART: f64 = 0.6;
/// The AUC from which a pair gives the target.
const GIVES_IT: f64 = 0.95;
/// And how many times the odds of the better one alone.
const TOGETHER: f64 = 5.0;

/// Accuses texts that differ from row to row and numbers that count the rows.
pub(super) fn names_and_numbers(case: &mut Case<'_>) {
    for feature in 0..case.features.len() {
        let rows = case.scan.train;
        match &case.scan.frame.columns()[case.scan.features[feature]] {
            Column::Category(codes) => text(case, feature, codes),
            Column::Number(values) if case.field(feature).kind == Kind::Numeric => {
                numbers(case, feature, values, rows);
            }
            Column::Number(_) => {}
        }
    }
}

fn text(case: &mut Case<'_>, feature: usize, codes: &[u32]) {
    let Kind::Categorical(levels) = &case.field(feature).kind else { return };
    let present = codes.iter().filter(|code| (**code as usize) < levels.len()).count();
    let share = levels.len() as f64 / present.max(1) as f64;
    if present < FEWEST_ROWS || share <= NEAR_UNIQUE {
        return;
    }
    let evidence = format!(
        "{} different texts in {present} rows; if it names the customer, say --id {}",
        levels.len(),
        case.name(feature)
    );
    case.exclude(feature, Test::Identity, share, evidence);
}

fn numbers(case: &mut Case<'_>, feature: usize, values: &[f64], rows: &[u32]) {
    let cells = || rows.iter().map(|&row| values[row as usize]);
    if rows.len() < FEWEST_ROWS || !cells().all(|x| x.is_finite() && x.fract() == 0.0) {
        return;
    }
    let steps = || cells().zip(cells().skip(1));
    let count = rows.len();
    if steps().all(|(a, b)| a < b) || steps().all(|(a, b)| a > b) {
        let evidence =
            format!("whole numbers that run with the order of all {count} training rows");
        case.exclude(feature, Test::Identity, 1.0, evidence);
        return;
    }
    let mut sorted: Vec<f64> = cells().take(FEWEST_ROWS * 10).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    if (different(&sorted) as f64) < ALL_DIFFERENT * sorted.len() as f64 {
        return;
    }
    sorted = cells().collect();
    sorted.par_sort_unstable_by(f64::total_cmp);
    let different = different(&sorted);
    let share = different as f64 / count as f64;
    if share >= ALL_DIFFERENT {
        let evidence = format!(
            "{different} different whole numbers in {count} training rows: an id? If so, say --id or \
             --exclude {}",
            case.name(feature)
        );
        case.warn(feature, Test::Identity, share, evidence);
    }
}

fn different(sorted: &[f64]) -> usize {
    sorted.chunk_by(|a, b| a == b).count()
}

/// A feature of few values, as pairs are tried with it.
struct Paired {
    feature: usize,
    /// The places of its values in the rows that are tried.
    tried: Vec<u8>,
}

/// Accuses pairs of features of few values that together give the target, and do not by themselves. Which of
/// the two is honest cannot be told: both are accused.
pub(super) fn pairs(case: &mut Case<'_>) {
    let (rows, ends) = tried_rows(case);
    let few = |&feature: &usize| {
        case.features[feature].bins.present() < PAIRED_VALUES && !case.leaks(feature)
    };
    let mut paired: Vec<usize> = (0..case.features.len()).filter(few).collect();
    paired.sort_by_key(|&feature| case.features[feature].bins.present());
    paired.truncate(MOST_PAIRED);
    let tried = |&feature: &usize| {
        let column = &case.scan.frame.columns()[case.scan.features[feature]];
        let places = case.features[feature].bins.places(column, &rows);
        Paired { feature, tried: places.iter().map(|&place| place as u8).collect() }
    };
    let paired: Vec<Paired> = paired.par_iter().map(tried).collect();
    let near = |(place, first): (usize, &Paired)| {
        let others = paired[..place].iter();
        let far = others.filter(|second| distance(&first.tried, &second.tried, ends) >= FAR_APART);
        far.map(|second| (second.feature, first.feature)).collect::<Vec<_>>()
    };
    let near: Vec<(usize, usize)> = paired.par_iter().enumerate().flat_map_iter(near).collect();
    for (first, second) in near {
        closely(case, first, second);
    }
}

/// Rows to try pairs on: those without the target, then those with it; and how many of either.
fn tried_rows(case: &Case<'_>) -> (Vec<u32>, [usize; 2]) {
    let both = [0, 1].map(|class| {
        let all = case.sample.rows.iter().zip(&case.sample.part);
        let of_class: Vec<u32> =
            all.filter(|(_, p)| *p % 2 == class).map(|(row, _)| *row).collect();
        let step = of_class.len().div_ceil(TRIED).max(1);
        of_class.into_iter().step_by(step).collect::<Vec<u32>>()
    });
    let ends = [both[0].len(), both[1].len()];
    (both.concat(), ends)
}

/// Half of the sum of differences between the classes' shares of each pair of values.
fn distance(first: &[u8], second: &[u8], [without, with]: [usize; 2]) -> f64 {
    let mut counts = [[0_u16; 2]; PAIRED_VALUES * PAIRED_VALUES];
    let both = |(a, b): (&u8, &u8)| usize::from(*a) * PAIRED_VALUES + usize::from(*b);
    first[..without].iter().zip(second).map(both).for_each(|pair| counts[pair][0] += 1);
    let rest = first[without..].iter().zip(&second[without..]);
    rest.map(both).for_each(|pair| counts[pair][1] += 1);
    let share = |count: u16, all: usize| f64::from(count) / all.max(1) as f64;
    counts.iter().map(|[n, p]| (share(*n, without) - share(*p, with)).abs()).sum::<f64>() / 2.0
}

/// Judges a pair on all rows of the sample, each half by what was learned on the other.
fn closely(case: &mut Case<'_>, first: usize, second: usize) {
    let (a, b) = (case.places(first), case.places(second));
    let both = a.iter().zip(&b).map(|(a, b)| a * PAIRED_VALUES as u32 + b);
    let places: Vec<u32> = both.collect();
    let counts = Counts::new(PAIRED_VALUES * PAIRED_VALUES, &places, &case.sample);
    let halves = [(1, 0), (0, 1)].map(|(l, j)| counts.auc(Rows::All(l), Rows::All(j)));
    let auc = halves[0].min(halves[1]);
    let [one, other] = [first, second].map(|feature| case.features[feature].auc().max(0.5));
    if auc < GIVES_IT || odds(auc) < TOGETHER * odds(one.max(other)) {
        return;
    }
    let population = case.population(halves);
    for (feature, alone, with) in [(first, one, second), (second, other, first)] {
        let evidence = format!(
            "together with {} it gives the target: ROC AUC {population}; by itself {alone:.3}",
            case.name(with)
        );
        case.exclude(feature, Test::Identity, auc, evidence);
    }
}
