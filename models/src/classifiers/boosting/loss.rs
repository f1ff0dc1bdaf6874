//! The losses: gradients and hessians of margins, and their packing into whole numbers.
//!
//! Whole numbers add up to the same sum in any order, so histograms do not depend on how the work is
//! divided; packed, one addition moves both sums.

use rayon::prelude::*;

use crate::seed::mix2;

/// Rows handled at a time; sums over rows are put together in the order of these chunks.
pub const CHUNK: usize = 8_192;

/// A sum of gradients in the high half (signed), of hessians in the low half.
///
/// ```text
/// 63            32 31             0
/// | gradient (i32) | hessian (u32) |
/// ```
pub type Packed = u64;

/// The units of packed sums.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    /// Gradient of a unit.
    pub gradient: f64,
    /// Hessian of a unit.
    pub hessian: f64,
}

impl Scale {
    /// The gradient of a packed sum.
    pub fn gradient(&self, sum: Packed) -> f64 {
        f64::from((sum >> 32) as i32) * self.gradient
    }

    /// The hessian of a packed sum.
    pub fn hessian(&self, sum: Packed) -> f64 {
        f64::from(sum as u32) * self.hessian
    }
}

/// `1 / (1 + exp(-margin))`.
pub fn probability(margin: f64) -> f64 {
    1.0 / (1.0 + (-margin).exp())
}

/// What is to be learned of each row, and with it how far off a margin is.
#[derive(Debug)]
pub enum Answers {
    /// Yes or no: the log loss of the probability that the margin is the log odds of.
    Target(Vec<bool>),
    /// A number: half the squared distance of the margin from it.
    Response(Vec<f64>),
}

impl Answers {
    /// The one margin that is best for all rows.
    pub fn start(&self, weight: &[f64]) -> f64 {
        let total: f64 = weight.iter().sum();
        match self {
            Answers::Target(target) => {
                let positive = weight.iter().zip(target).filter(|(_, t)| **t).map(|(w, _)| w);
                let positive: f64 = positive.sum();
                (positive / (total - positive)).ln()
            }
            Answers::Response(response) => {
                weight.iter().zip(response).map(|(w, y)| w * y).sum::<f64>() / total
            }
        }
    }

    /// Gradient and hessian of the weighted loss by margin, for each row.
    pub fn gradients(&self, margins: &[f64], weight: &[f64], out: &mut [(f64, f64)]) {
        match self {
            Answers::Target(target) => by_row(out, |row| {
                let p = probability(margins[row]);
                let residual = if target[row] { p - 1.0 } else { p };
                // A hessian of 0 would leave a leaf of certain rows without any weight.
                (weight[row] * residual, weight[row] * (p * (1.0 - p)).max(1e-16))
            }),
            Answers::Response(response) => {
                by_row(out, |row| (weight[row] * (margins[row] - response[row]), weight[row]));
            }
        }
    }
}

/// Packs gradients and hessians. They are rounded up or down at random (by row and `seed`), in
/// proportion to how near each is, so that sums of many small ones keep their size. The units are
/// as small as the sums allow.
pub fn pack(pairs: &[(f64, f64)], seed: u64, packed: &mut [Packed]) -> Scale {
    let sums: Vec<(f64, f64)> = pairs
        .par_chunks(CHUNK)
        .map(|chunk| chunk.iter().fold((0.0, 0.0), |(g, h), pair| (g + pair.0.abs(), h + pair.1)))
        .collect();
    let (gradient, hessian) =
        sums.iter().fold((0.0_f64, 0.0_f64), |(g, h), sum| (g + sum.0, h + sum.1));
    // Rounding adds less than 1 to each row.
    let room = |bits: f64| bits - 2.0 - pairs.len() as f64;
    let units = |room: f64, sum: f64| if sum > 0.0 { (room / sum).min(1e300) } else { 1.0 };
    let (by_gradient, by_hessian) =
        (units(room(2_147_483_648.0), gradient), units(room(4_294_967_296.0), hessian));
    let chunks = pairs.par_chunks(CHUNK).zip(packed.par_chunks_mut(CHUNK)).enumerate();
    chunks.for_each(|(chunk, (pairs, packed))| {
        for (i, ((g, h), packed)) in pairs.iter().zip(packed).enumerate() {
            let dice = mix2(seed, (chunk * CHUNK + i) as u64);
            let low = (dice & 0xffff_ffff) as f64 / 4_294_967_296.0;
            let high = (dice >> 32) as f64 / 4_294_967_296.0;
            let (g, h) = (floor(g * by_gradient + low), floor(h * by_hessian + high));
            *packed = ((g as u64) << 32).wrapping_add(h as u64);
        }
    });
    Scale { gradient: 1.0 / by_gradient, hessian: 1.0 / by_hessian }
}

fn by_row(out: &mut [(f64, f64)], of: impl Fn(usize) -> (f64, f64) + Sync) {
    out.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, out)| {
        out.iter_mut().enumerate().for_each(|(i, out)| *out = of(chunk * CHUNK + i));
    });
}

/// The largest whole number that is not above: of numbers that fit one. `f64::floor` is a call where the processor that is
/// compiled for has no instruction of it.
#[inline(always)]
fn floor(number: f64) -> i64 {
    let cut = number as i64;
    cut - i64::from(cut as f64 > number)
}
