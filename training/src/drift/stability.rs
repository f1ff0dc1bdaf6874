//! How far one spread is from another: what the population stability index is by chance, and a chi-squared test of whether both may be
//! samples of one population, with Benjamini and Hochberg's correction for many of them.

pub use rekindle_models::metrics::{Spread, psi};
use statrs::distribution::{ChiSquared, ContinuousCDF};

/// Fewest rows that a cell of the test is expected to have in either sample (Cochran 1954).
const FEWEST_EXPECTED: f64 = 5.0;

/// What a chi-squared test found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Test {
    /// The statistic.
    pub statistic: f64,
    /// How likely so large a one is without any difference.
    pub p_value: f64,
}

/// What the population stability index is in the mean of two samples of one population (Yurdakul 2018): with few rows it
/// is no small number.
pub fn psi_by_chance(then: Spread<'_>, now: Spread<'_>) -> f64 {
    let used = then.cells.iter().zip(now.cells).filter(|(p, q)| **p > 0.0 || **q > 0.0).count();
    used.saturating_sub(1) as f64 * (1.0 / then.rows + 1.0 / now.rows)
}

/// Pearson's chi-squared test of homogeneity. Cells that too few rows are expected in are taken together.
pub fn homogeneity(then: Spread<'_>, now: Spread<'_>) -> Test {
    let none = Test { statistic: 0.0, p_value: 1.0 };
    let (n, m) = (then.rows, now.rows);
    if n <= 0.0 || m <= 0.0 {
        return none;
    }
    let pooled = |p: f64, q: f64| (n * p + m * q) / (n + m);
    let mut cells: Vec<(f64, f64)> = then.shares().into_iter().zip(now.shares()).collect();
    cells.sort_by(|a, b| pooled(b.0, b.1).total_cmp(&pooled(a.0, a.1)));
    let enough = |cell: &(f64, f64)| pooled(cell.0, cell.1) * n.min(m) >= FEWEST_EXPECTED;
    // Largest first: the sparse ones stand last. Together they may still be too few: then with the next.
    while let [.., before, last] = cells.as_mut_slice() {
        if enough(last) {
            break;
        }
        *before = (before.0 + last.0, before.1 + last.1);
        cells.pop();
    }
    if cells.len() < 2 {
        return none;
    }
    let of_cell = |&(p, q): &(f64, f64)| (q - p) * (q - p) / (pooled(p, q) * (1.0 / n + 1.0 / m));
    let statistic: f64 = cells.iter().map(of_cell).sum();
    let freedom = (cells.len() - 1) as f64;
    let p_value = ChiSquared::new(freedom).map_or(1.0, |law| law.sf(statistic));
    Test { statistic, p_value }
}

/// Each p-value as the smallest share of false discoveries at which it would be one (Benjamini and Hochberg 1995).
pub fn corrected(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| p_values[a].total_cmp(&p_values[b]));
    let mut corrected = vec![1.0; p_values.len()];
    let mut least: f64 = 1.0;
    for (rank, &place) in order.iter().enumerate().rev() {
        least = least.min(p_values[place] * p_values.len() as f64 / (rank + 1) as f64);
        corrected[place] = least;
    }
    corrected
}
