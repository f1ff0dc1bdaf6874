//! Cells of one feature to the shares of bins and levels. No bin and no named level holds few rows, and ends of bins are
//! rounded.

use rekindle_models::artifact::{Distribution, FEWEST_ROWS};

/// Bins of a feature, besides missing cells and zeros: deciles, as the usual limits of the PSI are meant for.
pub(super) const FEATURE_BINS: usize = 10;
/// Bins of the probabilities.
pub(super) const PROBABILITY_BINS: usize = 20;
/// Most levels of a feature that have a share of their own.
const MOST_LEVELS: usize = 30;

/// The spread of numbers over bins of about equal weight; NaN is missing.
pub(super) fn numbers(cells: &[f64], weight: &[f64], bins: usize) -> Distribution {
    let total: f64 = weight.iter().sum();
    let share = |weight: f64| rounded_share(weight / total);
    let all = || cells.iter().copied().zip(weight.iter().copied());
    let missing: f64 = all().filter(|(x, _)| x.is_nan()).map(|(_, w)| w).sum();
    let zeros = all().filter(|(x, _)| *x == 0.0).count();
    let zero: f64 = all().filter(|(x, _)| *x == 0.0).map(|(_, w)| w).sum();
    let present = cells.iter().filter(|x| !x.is_nan()).count();
    let apart =
        zeros.min(present - zeros) >= FEWEST_ROWS && zero >= (total - missing) / bins as f64;
    let mut sorted: Vec<(f64, f64)> =
        all().filter(|(x, _)| !(x.is_nan() || apart && *x == 0.0)).collect();
    sorted.sort_by(|a, b| a.0.total_cmp(&b.0));
    let edges = edges(&sorted, bins);
    let mut shares = vec![0.0; edges.len() + 1];
    for (x, w) in &sorted {
        shares[edges.partition_point(|edge| edge < x)] += w;
    }
    Distribution::Numbers {
        missing: share(missing),
        zero: apart.then(|| share(zero)),
        edges,
        shares: shares.into_iter().map(share).collect(),
    }
}

/// The spread over levels, of which there are `count`; NaN is missing.
pub(super) fn levels(cells: &[f64], weight: &[f64], count: usize) -> Distribution {
    let total: f64 = weight.iter().sum();
    let (mut rows, mut weights, mut missing) = (vec![0; count], vec![0.0; count], 0.0);
    let mut others = 0.0;
    for (&cell, w) in cells.iter().zip(weight) {
        match cell {
            cell if cell.is_nan() => missing += w,
            cell if cell < 0.0 => others += w,
            cell => {
                rows[cell as usize] += 1;
                weights[cell as usize] += w;
            }
        }
    }
    let mut named: Vec<usize> = (0..count).filter(|&level| rows[level] >= FEWEST_ROWS).collect();
    named.sort_by(|&a, &b| weights[b].total_cmp(&weights[a]).then(a.cmp(&b)));
    named.truncate(MOST_LEVELS);
    named.sort_unstable();
    let unnamed = (0..count).filter(|level| named.binary_search(level).is_err());
    others += unnamed.map(|level| weights[level]).sum::<f64>();
    let share = |weight: f64| rounded_share(weight / total);
    Distribution::Levels {
        missing: share(missing),
        shares: named.iter().map(|&level| share(weights[level])).collect(),
        levels: named.iter().map(|&level| level as u32).collect(),
        others: share(others),
    }
}

/// Where bins of about equal weight end, rounded up, so that each holds [`FEWEST_ROWS`] at least. Rows are sorted.
fn edges(sorted: &[(f64, f64)], bins: usize) -> Vec<f64> {
    let total: f64 = sorted.iter().map(|(_, w)| w).sum();
    let at = |share: f64| sorted[((sorted.len().max(1) - 1) as f64 * share) as usize].0;
    let spread = if sorted.is_empty() { 0.0 } else { at(0.95) - at(0.05) };
    let (mut wanted, mut below) = (Vec::new(), 0.0);
    for (x, w) in sorted {
        below += w;
        while wanted.len() + 1 < bins && below >= total * (wanted.len() + 1) as f64 / bins as f64 {
            wanted.push(rounded_up(*x, spread));
        }
    }
    wanted.retain(|edge| edge.is_finite());
    wanted.dedup();
    let (mut edges, mut first) = (Vec::new(), 0);
    for edge in wanted {
        let end = sorted.partition_point(|(x, _)| *x <= edge);
        if end - first >= FEWEST_ROWS {
            edges.push(edge);
            first = end;
        }
    }
    if sorted.len() - first < FEWEST_ROWS {
        edges.pop();
    }
    edges
}

/// A number rounded up to three digits, or to a hundredth of the spread where that is finer: dates keep their days.
fn rounded_up(x: f64, spread: f64) -> f64 {
    let finest = [x.abs(), spread].into_iter().filter(|x| x.is_normal() && *x > 0.0);
    let Some(digit) = finest.map(|x| x.log10().floor() as i32 - 2).min() else { return x };
    let step = 10_f64.powi(digit);
    if !step.is_normal() {
        return x;
    }
    if digit >= 0 {
        return (x / step).ceil() * step;
    }
    let scale = 10_f64.powi(-digit);
    // Printed and read back, so that 0.3 is not kept as 0.30000000000000004.
    let text = format!("{:.*}", digit.unsigned_abs() as usize, (x * scale).ceil() / scale);
    text.parse().unwrap_or(x)
}

/// Shares to five digits: fewer bytes, and finer than what they are compared with.
fn rounded_share(share: f64) -> f64 {
    // An empty sum is -0.0: plus 0.0 it is 0.0.
    (share * 1e5).round() / 1e5 + 0.0
}
