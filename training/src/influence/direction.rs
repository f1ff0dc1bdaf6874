//! Which way a feature moves a prediction, in words.

use std::cmp::Ordering;

use rekindle_models::frame::{Field, Kind};

use crate::ranks::{correlation, ranks};

/// Rank correlation from which a feature moves one way.
const ONE_WAY: f64 = 0.5;
/// Least share of rows from which being missing, or a level, is told of.
const LEAST_SHARE: f64 = 0.01;

/// The direction of a group whose features go different ways, or of a feature that goes both.
pub(super) const BOTH_WAYS: &str = "both ways";

/// `up`: the more, the likelier; `down`: the more, the less likely; `up when missing` and `down when missing` where
/// that tells more; `both ways`; of categories the levels that move furthest; `none` where nothing is moved. From cells
/// and contributions of the same rows.
pub(super) fn direction(field: &Field, cells: &[f64], moved: &[f64]) -> String {
    if moved.iter().all(|one| *one == 0.0) {
        return "none".to_owned();
    }
    match &field.kind {
        Kind::Categorical(levels) => of_levels(levels, cells, moved),
        Kind::Numeric | Kind::Boolean | Kind::Date(_) => of_numbers(cells, moved),
    }
}

fn of_numbers(cells: &[f64], moved: &[f64]) -> String {
    let (mut present, mut with, mut without) = (Vec::new(), Vec::new(), Vec::new());
    for (cell, one) in cells.iter().zip(moved) {
        match cell.is_nan() {
            true => without.push(*one),
            false => {
                present.push(*cell);
                with.push(*one);
            }
        }
    }
    let went = match (ranks(&present), ranks(&with)) {
        (Some(cells), Some(moved)) => correlation(&cells, &moved),
        _ => 0.0,
    };
    let gap = mean(&without) - mean(&with);
    let least = LEAST_SHARE * cells.len() as f64;
    let both = without.len().min(with.len()) as f64 >= least;
    let spread = mean(&with.iter().map(|one| (one - mean(&with)).abs()).collect::<Vec<f64>>());
    let word = match () {
        () if both && gap.abs() > 2.0 * spread && gap > 0.0 => "up when missing",
        () if both && gap.abs() > 2.0 * spread => "down when missing",
        () if went >= ONE_WAY => "up",
        () if went <= -ONE_WAY => "down",
        () => BOTH_WAYS,
    };
    word.to_owned()
}

fn of_levels(levels: &[String], cells: &[f64], moved: &[f64]) -> String {
    let mut by_level = vec![Vec::new(); levels.len()];
    for (cell, one) in cells.iter().zip(moved) {
        if *cell >= 0.0
            && let Some(level) = by_level.get_mut(*cell as usize)
        {
            level.push(*one);
        }
    }
    let least = LEAST_SHARE * cells.len() as f64;
    let means = by_level.iter().enumerate().filter(|(_, of)| of.len() as f64 >= least.max(1.0));
    let means: Vec<(usize, f64)> = means.map(|(level, of)| (level, mean(of))).collect();
    let by_mean = |a: &&(usize, f64), b: &&(usize, f64)| -> Ordering { a.1.total_cmp(&b.1) };
    let highest = means.iter().max_by(by_mean).filter(|(_, mean)| *mean > 0.0);
    let lowest = means.iter().min_by(by_mean).filter(|(_, mean)| *mean < 0.0);
    let part = |at: Option<&(usize, f64)>, way| at.map(|(l, _)| format!("{} {way}", levels[*l]));
    let parts = [part(highest, "up"), part(lowest, "down")];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { BOTH_WAYS.to_owned() } else { parts.join(", ") }
}

fn mean(of: &[f64]) -> f64 {
    if of.is_empty() { 0.0 } else { of.iter().sum::<f64>() / of.len() as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(kind: Kind, cells: &[f64], moved: &[f64], expected: &str) {
        let field = Field { name: "x".to_owned(), kind };
        assert_eq!(direction(&field, cells, moved), expected);
    }

    #[test]
    fn directions_are_told_by_ranks_by_missing_cells_and_by_levels() {
        let rows: Vec<f64> = (0..100).map(f64::from).collect();
        let with = |f: &dyn Fn(f64) -> f64| rows.iter().map(|x| f(*x)).collect::<Vec<f64>>();
        check(Kind::Numeric, &rows, &with(&|x| x.sqrt() - 5.0), "up");
        check(Kind::Numeric, &rows, &with(&|x| -x), "down");
        check(Kind::Numeric, &rows, &with(&|x| (x - 50.0).abs()), BOTH_WAYS);
        check(Kind::Numeric, &rows, &with(&|_| 0.0), "none");
        let holes = with(&|x| if x < 20.0 { f64::NAN } else { x });
        check(
            Kind::Numeric,
            &holes,
            &with(&|x| if x < 20.0 { 1.0 } else { -0.2 }),
            "up when missing",
        );
        let levels = Kind::Categorical(["a", "b", "c"].map(str::to_owned).as_slice().into());
        let level = with(&|x| x % 3.0);
        check(levels, &level, &with(&|x| 1.0 - x % 3.0), "a up, c down");
    }
}
