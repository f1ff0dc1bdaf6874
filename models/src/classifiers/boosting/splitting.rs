//! The best split of a leaf, from its histograms. Grows nothing.
//!
//! Sums are whole numbers and exact; every figure made from them is one of `f64` in a fixed order of
//! operations, so that all machines and numbers of threads agree.

use crate::classifiers::boosting::binning::Bins;
use crate::classifiers::boosting::loss::{Packed, Scale};
use crate::classifiers::boosting::params::{Boosting, MOST_BINS};

/// A set of bins: bit `b % 64` of word `b / 64`.
pub type BinSet = [u64; 4];

/// What a leaf is, to those who look for its splits.
#[derive(Debug, Clone, Copy)]
pub struct Leaf {
    /// Its sums.
    pub total: Packed,
    /// Its rows, by weight.
    pub count: f64,
    /// The least and the largest value its leaves may have, from monotone constraints above.
    pub bounds: (f64, f64),
}

/// A split of a leaf.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Split {
    /// How much better two leaves are than one, more than 0.
    pub gain: f64,
    /// Place of the feature.
    pub feature: usize,
    /// The bins that go left, the missing one among them where missing goes left.
    pub left_bins: BinSet,
    /// The last bin that goes left, for numbers.
    pub cut: u8,
    /// The sums of the rows that go left.
    pub left: Packed,
}

/// Whether a bin is in a set.
pub fn has(bins: &BinSet, bin: u8) -> bool {
    bins[usize::from(bin) / 64] >> (bin % 64) & 1 == 1
}

/// The numbers that decide what a split is worth.
#[derive(Debug, Clone, Copy)]
pub struct Rules<'a> {
    /// As the user gave them.
    pub params: &'a Boosting,
    /// Units of the sums.
    pub scale: Scale,
}

/// One feature's sums.
#[derive(Debug, Clone, Copy)]
pub struct Sums<'a> {
    /// Place of the feature.
    pub feature: usize,
    /// How it is binned.
    pub bins: &'a Bins,
    /// Its bins, the missing one last.
    pub sums: &'a [Packed],
    /// -1, 0 or 1: how the margin may move with it.
    pub sign: i8,
}

impl Rules<'_> {
    /// The best split of a leaf by one feature.
    pub fn best(&self, leaf: &Leaf, sums: &Sums<'_>) -> Option<Split> {
        match sums.bins {
            Bins::Number { .. } => self.best_cut(leaf, sums),
            Bins::Levels { .. } => self.best_levels(leaf, sums),
        }
    }

    /// The value of a leaf, before the learning rate.
    pub fn value(&self, gradient: f64, hessian: f64, bounds: (f64, f64)) -> f64 {
        let value = -self.shrunk(gradient) / (hessian + self.params.lambda_l2);
        if value.is_finite() {
            value.clamp(bounds.0, bounds.1)
        } else {
            0.0_f64.clamp(bounds.0, bounds.1)
        }
    }

    /// The same, of packed sums.
    pub fn value_of(&self, sum: Packed, bounds: (f64, f64)) -> f64 {
        self.value(self.scale.gradient(sum), self.scale.hessian(sum), bounds)
    }

    /// Where a monotone feature splits, the middle of both values.
    pub fn middle(&self, leaf: &Leaf, split: &Split) -> f64 {
        let right = leaf.total.wrapping_sub(split.left);
        let (a, b) = (self.value_of(split.left, leaf.bounds), self.value_of(right, leaf.bounds));
        a / 2.0 + b / 2.0
    }

    fn shrunk(&self, gradient: f64) -> f64 {
        (gradient.abs() - self.params.lambda_l1).max(0.0).copysign(gradient)
    }

    /// Least hessian of a child: rows are counted by their share of the leaf's hessian.
    fn least_hessian(&self, leaf: &Leaf, rows: f64) -> f64 {
        let by_rows = rows * self.scale.hessian(leaf.total) / leaf.count;
        by_rows.max(self.params.min_sum_hessian_in_leaf)
    }

    /// How well a leaf of these sums does when its value is free.
    fn free_gain(&self, gradient: f64, hessian: f64, l2: f64) -> f64 {
        let shrunk = self.shrunk(gradient);
        shrunk * shrunk / (hessian + l2)
    }

    /// How well a leaf of these sums does with a value.
    fn gain_at(&self, gradient: f64, hessian: f64, value: f64) -> f64 {
        -(2.0 * self.shrunk(gradient) * value + (hessian + self.params.lambda_l2) * value * value)
    }

    fn whole_gain(&self, leaf: &Leaf) -> f64 {
        let (g, h) = (self.scale.gradient(leaf.total), self.scale.hessian(leaf.total));
        match is_free(leaf) {
            true => self.free_gain(g, h, self.params.lambda_l2),
            false => self.gain_at(g, h, self.value(g, h, leaf.bounds)),
        }
    }

    fn worth(&self, gain: f64, leaf: &Leaf) -> Option<f64> {
        let gain = gain - self.whole_gain(leaf);
        // Rounding alone makes tiny gains.
        let least = self.params.min_gain_to_split.max(1e-9);
        (gain.is_finite() && gain >= least).then_some(gain)
    }

    fn best_cut(&self, leaf: &Leaf, sums: &Sums<'_>) -> Option<Split> {
        let last = sums.sums.len() - 1;
        let (values, missing) = (&sums.sums[..last], sums.sums[last]);
        let free = is_free(leaf) && sums.sign == 0;
        let scan = |values: &[Packed], start: Packed| match free {
            true => self.scan(values, start, leaf),
            false => self.bounded_scan(values, start, leaf, sums.sign),
        };
        // Missing right: then "all values left" is a split, too.
        let right = match missing == 0 {
            true => scan(&values[..last - 1], 0),
            false => scan(values, 0),
        };
        let left = match missing == 0 {
            true => None,
            false => scan(&values[..last - 1], missing),
        };
        let missing_left = match (right, left) {
            (Some(right), Some(left)) => left.0 > right.0,
            (right, _) => right.is_none(),
        };
        let (gain, cut) = if missing_left { left? } else { right? };
        let gain = self.worth(gain, leaf)?;
        let mut sum = if missing_left { missing } else { 0 };
        sum = values[..=cut].iter().fold(sum, |sum, x| sum.wrapping_add(*x));
        // Where no row told, a missing cell goes with the heavier child.
        let heavier = self.scale.hessian(sum) * 2.0 >= self.scale.hessian(leaf.total);
        let missing_left = if missing == 0 { heavier } else { missing_left };
        let mut left_bins = first_bins(cut + 1);
        if missing_left {
            left_bins[last / 64] |= 1 << (last % 64);
        }
        let feature = sums.feature;
        Some(Split { gain, feature, left_bins, cut: cut as u8, left: sum })
    }

    /// The best gain of both children, and after which bin to cut for it; the first among equals.
    fn scan(&self, values: &[Packed], start: Packed, leaf: &Leaf) -> Option<(f64, usize)> {
        let total = leaf.total;
        let job = Scan {
            gradient: f64::from((total >> 32) as i32),
            hessian: f64::from(total as u32),
            scale: self.scale,
            l1: self.params.lambda_l1,
            l2: self.params.lambda_l2,
            least: self.least_hessian(leaf, self.params.min_data_in_leaf),
        };
        job.run(values, start)
    }

    /// The same where the children's values are bounded or must be in order.
    fn bounded_scan(
        &self,
        values: &[Packed],
        start: Packed,
        leaf: &Leaf,
        sign: i8,
    ) -> Option<(f64, usize)> {
        let least = self.least_hessian(leaf, self.params.min_data_in_leaf);
        let mut best: Option<(f64, usize)> = None;
        let mut left = start;
        for (cut, value) in values.iter().enumerate() {
            left = left.wrapping_add(*value);
            let right = leaf.total.wrapping_sub(left);
            let (gl, hl) = (self.scale.gradient(left), self.scale.hessian(left));
            let (gr, hr) = (self.scale.gradient(right), self.scale.hessian(right));
            if hl < least || hr < least {
                continue;
            }
            let (vl, vr) = (self.value(gl, hl, leaf.bounds), self.value(gr, hr, leaf.bounds));
            if f64::from(sign) * (vr - vl) < 0.0 {
                continue;
            }
            let gain = self.gain_at(gl, hl, vl) + self.gain_at(gr, hr, vr);
            if best.is_none_or(|(most, _)| gain > most) {
                best = Some((gain, cut));
            }
        }
        best
    }

    /// Levels in the order of their smoothed ratio of gradient to hessian: those from one end go
    /// left. Missing is one of the levels.
    fn best_levels(&self, leaf: &Leaf, sums: &Sums<'_>) -> Option<Split> {
        let params = self.params;
        let l2 = params.lambda_l2 + params.cat_l2;
        let least = self.least_hessian(leaf, params.min_data_in_leaf);
        let least_level = self.least_hessian(leaf, params.min_data_per_group);
        let (g, h) = (self.scale.gradient(leaf.total), self.scale.hessian(leaf.total));
        let mean = g / h;
        let level = |bin: usize| {
            let (g, h) = (self.scale.gradient(sums.sums[bin]), self.scale.hessian(sums.sums[bin]));
            (h > 0.0 && h >= least_level)
                .then(|| ((g + params.cat_smooth * mean) / (h + params.cat_smooth), bin))
        };
        let mut levels: Vec<(f64, usize)> = (0..sums.sums.len()).filter_map(level).collect();
        levels.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let most = params.max_cat_threshold.min(levels.len());
        let mut best: Option<(f64, bool, usize)> = None;
        for backwards in [false, true] {
            let mut left: Packed = 0;
            for taken in 0..most {
                let place = if backwards { levels.len() - 1 - taken } else { taken };
                left = left.wrapping_add(sums.sums[levels[place].1]);
                let right = leaf.total.wrapping_sub(left);
                let (gl, hl) = (self.scale.gradient(left), self.scale.hessian(left));
                let (gr, hr) = (self.scale.gradient(right), self.scale.hessian(right));
                if hl < least || hr < least {
                    continue;
                }
                let gain = match is_free(leaf) {
                    true => self.free_gain(gl, hl, l2) + self.free_gain(gr, hr, l2),
                    false => {
                        let value = |g, h| self.value(g, h, leaf.bounds);
                        self.gain_at(gl, hl, value(gl, hl)) + self.gain_at(gr, hr, value(gr, hr))
                    }
                };
                if best.is_none_or(|(most, _, _)| gain > most) {
                    best = Some((gain, backwards, taken + 1));
                }
            }
        }
        let (gain, backwards, count) = best?;
        let gain = self.worth(gain, leaf)?;
        let chosen = if backwards { &levels[levels.len() - count..] } else { &levels[..count] };
        let (mut left_bins, mut left) = ([0; 4], 0_u64);
        for &(_, bin) in chosen {
            left_bins[bin / 64] |= 1 << (bin % 64);
            left = left.wrapping_add(sums.sums[bin]);
        }
        Some(Split { gain, feature: sums.feature, left_bins, cut: 0, left })
    }
}

fn is_free(leaf: &Leaf) -> bool {
    leaf.bounds == (f64::NEG_INFINITY, f64::INFINITY)
}

fn first_bins(count: usize) -> BinSet {
    let word = |w: usize| match count.saturating_sub(w * 64) {
        0 => 0,
        bits if bits >= 64 => u64::MAX,
        bits => (1 << bits) - 1,
    };
    [word(0), word(1), word(2), word(3)]
}

/// A scan over the cuts of one feature of a leaf without bounds.
#[derive(Debug, Clone, Copy)]
struct Scan {
    /// The leaf's sums, in units of the scale.
    gradient: f64,
    hessian: f64,
    scale: Scale,
    l1: f64,
    l2: f64,
    least: f64,
}

/// Gains worked out side by side.
const LANES: usize = 8;

impl Scan {
    fn run(&self, values: &[Packed], start: Packed) -> Option<(f64, usize)> {
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512dq") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { self.run_avx512(values, start) };
            }
            if is_x86_feature_detected!("avx2") {
                // SAFETY: the processor has what the function is compiled for.
                return unsafe { self.run_avx2(values, start) };
            }
        }
        self.run_portable(values, start)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx512f,avx512dq")]
    fn run_avx512(&self, values: &[Packed], start: Packed) -> Option<(f64, usize)> {
        self.run_portable(values, start)
    }

    #[cfg(target_arch = "x86_64")]
    #[target_feature(enable = "avx2")]
    fn run_avx2(&self, values: &[Packed], start: Packed) -> Option<(f64, usize)> {
        self.run_portable(values, start)
    }

    /// The same operations on every machine: wider registers do more of them at a time, none is
    /// fused, so the bits are the same.
    #[inline(always)]
    fn run_portable(&self, values: &[Packed], start: Packed) -> Option<(f64, usize)> {
        // Beyond the last cut the left is empty, which is no split.
        let mut lefts = [0_u64; MOST_BINS + 1];
        let mut left = start;
        for (slot, value) in lefts.iter_mut().zip(values) {
            left = left.wrapping_add(*value);
            *slot = left;
        }
        let mut gains = [f64::NEG_INFINITY; MOST_BINS + 1];
        let groups = values.len().div_ceil(LANES);
        let mut most = [f64::NEG_INFINITY; LANES];
        let chunks = lefts.chunks_exact(LANES).zip(gains.chunks_exact_mut(LANES));
        for (lefts, gains) in chunks.take(groups) {
            for lane in 0..LANES {
                let gain = self.gain(lefts[lane]);
                gains[lane] = gain;
                most[lane] = if gain > most[lane] { gain } else { most[lane] };
            }
        }
        let most = most.iter().fold(f64::NEG_INFINITY, |a, b| if *b > a { *b } else { a });
        if most == f64::NEG_INFINITY {
            return None;
        }
        let cut = gains[..values.len()].iter().position(|gain| *gain == most);
        cut.map(|cut| (most, cut))
    }

    #[inline(always)]
    fn gain(&self, left: Packed) -> f64 {
        let (gl, hl) = (f64::from((left >> 32) as i32), f64::from(left as u32));
        let (gr, hr) = (self.gradient - gl, self.hessian - hl);
        let (gl, hl) = (gl * self.scale.gradient, hl * self.scale.hessian);
        let (gr, hr) = (gr * self.scale.gradient, hr * self.scale.hessian);
        let (sl, sr) = ((gl.abs() - self.l1).max(0.0), (gr.abs() - self.l1).max(0.0));
        let (dl, dr) = (hl + self.l2, hr + self.l2);
        let gain = (sl * sl * dr + sr * sr * dl) / (dl * dr);
        let fits = (hl >= self.least) & (hr >= self.least) & (hl > 0.0) & (hr > 0.0);
        if fits { gain } else { f64::NEG_INFINITY }
    }
}
