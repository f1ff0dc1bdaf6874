//! Probabilities in fine bins of their odds: what an estimate and its draws need of millions of rows. Sums are taken in
//! blocks of rows and put together in order, the same on any number of threads.

use rayon::prelude::*;

use crate::reference::log_odds;

/// Bits of the odds that a bin does not go by: all but sign, exponent and 6 bits more, so that neighbours differ by 1.6 %.
const DROPPED_BITS: u32 = 64 - 18;
/// Rows of a block.
const BLOCK: usize = 65_536;

/// Rows of about the same probability.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Bin {
    /// Log odds of the mean probability.
    pub log_odds: f64,
    /// Weight of rows predicted positive.
    pub predicted: f64,
    /// Weight of rows predicted negative.
    pub others: f64,
    /// Sum of the squared weights.
    pub squares: f64,
    /// Weight times probability.
    expected: f64,
}

impl Bin {
    /// Weight of all rows.
    pub fn weight(&self) -> f64 {
        self.predicted + self.others
    }
}

/// The rows in bins, least likely first; empty bins are left out.
pub fn bins(probability: &[f64], weight: Option<&[f64]>, threshold: f64) -> Vec<Bin> {
    let place = |p: f64| (log_odds(p).exp().to_bits() >> DROPPED_BITS) as usize;
    // Odds are kept within those of 1e-6 and 1 - 1e-6.
    let (first, last) = (place(0.0), place(1.0));
    let of_block = |(block, rows): (usize, &[f64])| {
        let mut bins = vec![Bin::default(); last - first + 1];
        for (row, &p) in rows.iter().enumerate() {
            let w = weight.map_or(1.0, |weight| weight[block * BLOCK + row]);
            let bin = &mut bins[place(p) - first];
            *if p >= threshold { &mut bin.predicted } else { &mut bin.others } += w;
            bin.squares += w * w;
            bin.expected += w * p;
        }
        bins
    };
    let blocks: Vec<Vec<Bin>> = probability.par_chunks(BLOCK).enumerate().map(of_block).collect();
    let mut all = vec![Bin::default(); last - first + 1];
    for bins in blocks {
        for (sum, bin) in all.iter_mut().zip(bins) {
            sum.predicted += bin.predicted;
            sum.others += bin.others;
            sum.squares += bin.squares;
            sum.expected += bin.expected;
        }
    }
    all.retain(|bin| bin.weight() > 0.0);
    all.iter_mut().for_each(|bin| bin.log_odds = log_odds(bin.expected / bin.weight()));
    all
}
