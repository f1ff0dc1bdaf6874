//! How far probabilities are off on rows with known answers: a logistic regression of the answers on the log odds that
//! were said (Cox 1958), with errors that hold when a customer has several rows.

use std::collections::BTreeMap;

use rekindle_models::artifact::CalibrationCheck;
use rekindle_models::metrics::Judged;

/// Probabilities are kept this far from 0 and 1.
const TINY: f64 = 1e-6;

/// The log odds of a probability.
pub(crate) fn log_odds(probability: f64) -> f64 {
    let p = probability.clamp(TINY, 1.0 - TINY);
    (p / (1.0 - p)).ln()
}

/// The check on the rows given; `None` where one class is missing.
pub(super) fn check(judged: &Judged<'_>, held_out: bool) -> Option<CalibrationCheck> {
    let positives = judged.positives();
    if positives == 0 || positives == judged.len() {
        return None;
    }
    let z: Vec<f64> = judged.probability.iter().map(|&p| log_odds(p)).collect();
    // About the rows' mean by information, offset and slope tell nothing of each other.
    let weight = |row: usize| {
        let p = judged.probability[row].clamp(TINY, 1.0 - TINY);
        judged.weight[row] * p * (1.0 - p)
    };
    let information: f64 = (0..z.len()).map(weight).sum();
    let centre = (0..z.len()).map(|row| weight(row) * z[row]).sum::<f64>() / information;
    let x: Vec<f64> = z.iter().map(|z| z - centre).collect();
    let said = |row: usize, (offset, slope): (f64, f64)| {
        1.0 / (1.0 + (-(z[row] + offset + slope * x[row])).exp())
    };
    let mut at = (0.0, 0.0);
    for _ in 0..25 {
        let (gradient, [h00, h01, h11]) = sums(judged, &x, &|row| said(row, at));
        let determinant = (h00 * h11 - h01 * h01).max(1e-12);
        let step = (
            (h11 * gradient.0 - h01 * gradient.1) / determinant,
            (h00 * gradient.1 - h01 * gradient.0) / determinant,
        );
        // Rows that a cut separates have no finite fit: what is off is bounded.
        at = ((at.0 + step.0).clamp(-5.0, 5.0), (at.1 + step.1).clamp(-1.0, 5.0));
        if step.0.abs().max(step.1.abs()) < 1e-10 {
            break;
        }
    }
    let (offset_error, slope_error) = errors(judged, &x, &|row| said(row, at));
    let (offset, slope) = at;
    let rows = judged.len();
    Some(CalibrationCheck { rows, held_out, centre, offset, offset_error, slope, slope_error })
}

/// Gradient of the log likelihood, and the information: of the offset, of both, of the slope.
fn sums(judged: &Judged<'_>, x: &[f64], said: &dyn Fn(usize) -> f64) -> ((f64, f64), [f64; 3]) {
    let (mut gradient, mut information) = ((0.0, 0.0), [1e-9, 0.0, 1e-9]);
    for (row, &x) in x.iter().enumerate() {
        let (p, w) = (said(row), judged.weight[row]);
        let off = w * (f64::from(u8::from(judged.target[row])) - p);
        gradient.0 += off;
        gradient.1 += off * x;
        let v = w * p * (1.0 - p);
        information[0] += v;
        information[1] += v * x;
        information[2] += v * x * x;
    }
    (gradient, information)
}

/// Standard errors of offset and slope, with each customer's rows taken together.
fn errors(judged: &Judged<'_>, x: &[f64], said: &dyn Fn(usize) -> f64) -> (f64, f64) {
    let (_, [h00, h01, h11]) = sums(judged, x, said);
    let mut by_customer: BTreeMap<u64, (f64, f64)> = BTreeMap::new();
    for (row, &x) in x.iter().enumerate() {
        let off = judged.weight[row] * (f64::from(u8::from(judged.target[row])) - said(row));
        let key = judged.group.map_or(row as u64, |group| group[row]);
        let sum = by_customer.entry(key).or_default();
        *sum = (sum.0 + off, sum.1 + off * x);
    }
    let determinant = (h00 * h11 - h01 * h01).max(1e-12);
    let moved = by_customer.values().map(|&(off, tilt)| {
        ((h11 * off - h01 * tilt) / determinant, (h00 * tilt - h01 * off) / determinant)
    });
    let (offset, slope) =
        moved.fold((0.0, 0.0), |(a, b): (f64, f64), (x, y)| (a + x * x, b + y * y));
    (offset.sqrt(), slope.sqrt())
}
