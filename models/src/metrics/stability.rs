//! How far one spread is from another. Tests nothing.

/// A spread: the weight of each cell, and how many independent rows tell it.
#[derive(Debug, Clone, Copy)]
pub struct Spread<'a> {
    /// Weight, or share, by cell.
    pub cells: &'a [f64],
    /// Effective rows.
    pub rows: f64,
}

impl Spread<'_> {
    /// The share of each cell; 0 where there is nothing.
    pub fn shares(&self) -> Vec<f64> {
        let total: f64 = self.cells.iter().sum();
        self.cells.iter().map(|cell| if total > 0.0 { cell / total } else { 0.0 }).collect()
    }
}

/// The population stability index: the sum over cells of `(now - then) ln(now / then)`, 0 for the same shares. Each cell
/// counts half a row more on either side, so that an empty one is not infinitely far. Cells empty on both sides do not
/// count.
pub fn psi(then: Spread<'_>, now: Spread<'_>) -> f64 {
    let (before, after) = (then.shares(), now.shares());
    let used: Vec<usize> =
        (0..before.len()).filter(|&cell| before[cell] > 0.0 || after[cell] > 0.0).collect();
    let smooth = |share: f64, rows: f64| (share * rows + 0.5) / (rows + 0.5 * used.len() as f64);
    used.iter()
        .map(|&cell| {
            let (p, q) = (smooth(before[cell], then.rows), smooth(after[cell], now.rows));
            (q - p) * (q / p).ln()
        })
        .sum()
}
