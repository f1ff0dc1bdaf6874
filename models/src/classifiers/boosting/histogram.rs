//! Sums of gradients and hessians by bin. Does not look for splits.

use crate::classifiers::boosting::loss::Packed;
use crate::classifiers::boosting::table::{Block, Cells, Dense, PADDING, WIDTH};

/// The sums of a block: slot `lane * stride + bin`.
pub type Histogram = Vec<Packed>;

/// More lanes of a part than these are not worth leaving the others out.
const MOST_FEW: usize = 5;
/// Bytes of rows that are counted at a time: they stay in the second cache while the parts of a row
/// and their lanes take turns.
const CHUNK: usize = 131_072;
/// Rows between the one counted and the one fetched into cache.
const AHEAD: usize = 48;

/// Fills the histogram of a block from rows of the table and their packed gradients. `total` is the
/// sum of those; `active` are the lanes, rising, whose sums are asked for: all others may hold
/// anything.
pub fn fill(
    block: &Block,
    active: &[usize],
    rows: &[u32],
    packed: &[Packed],
    total: Packed,
    histogram: &mut Histogram,
) {
    histogram.clear();
    histogram.resize(block.slots(), 0);
    match &block.cells {
        Cells::Bytes(cells) => dense(block, cells, WIDTH, active, rows, packed, histogram),
        Cells::Nibbles(cells) => dense(block, cells, 2 * WIDTH, active, rows, packed, histogram),
        Cells::Sparse { starts, slots, default } => {
            for (&row, &gh) in rows.iter().zip(packed) {
                let row = row as usize;
                for &slot in &slots[starts[row] as usize..starts[row + 1] as usize] {
                    let sum = &mut histogram[slot as usize];
                    *sum = sum.wrapping_add(gh);
                }
            }
            for (lane, &default) in default.iter().enumerate() {
                let lane = &mut histogram[lane * block.stride..(lane + 1) * block.stride];
                let others = lane.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
                lane[default as usize] = total.wrapping_sub(others);
            }
        }
    }
}

/// Some rows of a leaf with one part of their cells.
#[derive(Clone, Copy)]
struct Job<'a> {
    cells: &'a Dense,
    part: usize,
    /// Whether it is the first of its rows' parts to be counted: the others come along with it.
    first: bool,
    /// The rows to be counted, and those after them.
    rows: &'a [u32],
    packed: &'a [Packed],
}

impl Job<'_> {
    /// Calls `count` with the cells and the gradient of each row.
    #[inline(always)]
    fn each(&self, mut count: impl FnMut(&[u8; WIDTH], Packed)) {
        for (i, &gh) in self.packed.iter().enumerate() {
            if let (true, Some(&next)) = (self.first, self.rows.get(i + AHEAD)) {
                prefetch(self.cells.part(next as usize, self.part));
            }
            count(self.cells.part(self.rows[i] as usize, self.part), gh);
        }
    }
}

fn dense(
    block: &Block,
    cells: &Dense,
    lanes: usize,
    active: &[usize],
    rows: &[u32],
    packed: &[Packed],
    histogram: &mut Histogram,
) {
    let chunk = CHUNK / (cells.parts * WIDTH);
    let (stride, first_part) = (block.stride, active[0] / lanes);
    for (i, packed) in packed.chunks(chunk).enumerate() {
        for active in active.chunk_by(|a, b| a / lanes == b / lanes) {
            let part = active[0] / lanes;
            let first = part == first_part;
            let job = Job { cells, part, first, rows: &rows[i * chunk..], packed };
            let start = part * lanes * stride;
            let all = (histogram.len() - start) / stride >= lanes && active.len() > MOST_FEW;
            let histogram = &mut histogram[start..];
            match (stride - PADDING, lanes == WIDTH, all) {
                (_, false, _) => nibbles(&job, active, histogram),
                (_, _, false) => some_bytes(&job, stride, active, histogram),
                (16, ..) => bytes::<16>(&job, histogram),
                (32, ..) => bytes::<32>(&job, histogram),
                (64, ..) => bytes::<64>(&job, histogram),
                (128, ..) => bytes::<128>(&job, histogram),
                _ => bytes::<256>(&job, histogram),
            }
        }
    }
}

/// All lanes of a part with at most `BINS` bins.
fn bytes<const BINS: usize>(job: &Job<'_>, histogram: &mut [Packed]) {
    let histogram = &mut histogram[..WIDTH * (BINS + PADDING)];
    job.each(|cells, gh| {
        for (lane, &bin) in cells.iter().enumerate() {
            // A bin is below `BINS`; the mask spares the check of it.
            let slot = lane * (BINS + PADDING) + (bin as usize & (BINS - 1));
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    });
}

/// Some lanes of a part: four at a time.
fn some_bytes(job: &Job<'_>, stride: usize, active: &[usize], histogram: &mut [Packed]) {
    for lanes in active.chunks(4) {
        match *lanes {
            [a, b, c, d] => few_bytes(job, stride, [a, b, c, d], histogram),
            [a, b, c] => few_bytes(job, stride, [a, b, c], histogram),
            [a, b] => few_bytes(job, stride, [a, b], histogram),
            _ => few_bytes(job, stride, [lanes[0]], histogram),
        }
    }
}

fn few_bytes<const FEW: usize>(
    job: &Job<'_>,
    stride: usize,
    lanes: [usize; FEW],
    histogram: &mut [Packed],
) {
    let lanes = lanes.map(|lane| lane % WIDTH);
    let starts = lanes.map(|lane| lane * stride);
    job.each(|cells, gh| {
        for (start, lane) in starts.iter().zip(lanes) {
            let slot = start + cells[lane] as usize;
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    });
}

fn nibbles(job: &Job<'_>, active: &[usize], histogram: &mut [Packed]) {
    const STRIDE: usize = 16 + PADDING;
    if histogram.len() >= 2 * WIDTH * STRIDE && active.len() > 2 * MOST_FEW {
        let histogram = &mut histogram[..2 * WIDTH * STRIDE];
        job.each(|cells, gh| {
            for (lane, &cell) in cells.iter().enumerate() {
                let cell = cell as usize;
                let even = lane * 2 * STRIDE + (cell & 15);
                histogram[even] = histogram[even].wrapping_add(gh);
                let odd = (lane * 2 + 1) * STRIDE + (cell >> 4);
                histogram[odd] = histogram[odd].wrapping_add(gh);
            }
        });
        return;
    }
    job.each(|cells, gh| {
        for &lane in active {
            let lane = lane % (2 * WIDTH);
            let cell = cells[lane / 2] >> (lane % 2 * 4) & 15;
            let slot = lane * STRIDE + cell as usize;
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    });
}

/// Takes a child from its parent: what is left is its sibling.
pub fn subtract(parent: &mut Histogram, child: &Histogram) {
    for (parent, child) in parent.iter_mut().zip(child) {
        *parent = parent.wrapping_sub(*child);
    }
}

/// Asks for a row's cells before they are needed: rows of a leaf lie far apart in memory.
#[inline(always)]
fn prefetch(cells: &[u8; WIDTH]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that can be seen, and the address is of a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(cells.as_ptr().cast()) };
    }
}
