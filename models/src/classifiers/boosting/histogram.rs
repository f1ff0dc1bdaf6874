//! Sums of gradients and hessians by bin. Does not look for splits.

use crate::classifiers::boosting::loss::Packed;
use crate::classifiers::boosting::table::{Block, Cells, PADDING, WIDTH};

/// The sums of a block: slot `lane * stride + bin`.
pub type Histogram = Vec<Packed>;

/// More lanes than these are not worth leaving the others out.
const MOST_FEW: usize = 10;

/// Fills the histogram of a block from rows of the table and their packed gradients. `total` is the
/// sum of those; `active` are the lanes whose sums are asked for, all others may hold anything.
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
        Cells::Bytes(cells) if block.features.len() == WIDTH && active.len() > MOST_FEW => {
            match block.stride - PADDING {
                16 => bytes::<16>(cells, rows, packed, histogram),
                32 => bytes::<32>(cells, rows, packed, histogram),
                64 => bytes::<64>(cells, rows, packed, histogram),
                128 => bytes::<128>(cells, rows, packed, histogram),
                _ => bytes::<256>(cells, rows, packed, histogram),
            }
        }
        Cells::Bytes(cells) => {
            some_bytes(cells, block.stride, active, rows, packed, histogram);
        }
        Cells::Nibbles(cells) => nibbles(cells, active, rows, packed, histogram),
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

/// All lanes of a block of bytes with at most `BINS` bins.
fn bytes<const BINS: usize>(
    cells: &[u8],
    rows: &[u32],
    packed: &[Packed],
    histogram: &mut Histogram,
) {
    let (cells, _) = cells.as_chunks::<WIDTH>();
    let histogram = &mut histogram[..WIDTH * (BINS + PADDING)];
    for (i, (&row, &gh)) in rows.iter().zip(packed).enumerate() {
        if let Some(&next) = rows.get(i + AHEAD) {
            prefetch(&cells[next as usize]);
        }
        let cells = &cells[row as usize];
        for (lane, &bin) in cells.iter().enumerate() {
            // A bin is below `BINS`; the mask spares the check of it.
            let slot = lane * (BINS + PADDING) + (bin as usize & (BINS - 1));
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    }
}

/// Some lanes of a block of bytes: four at a time.
fn some_bytes(
    cells: &[u8],
    stride: usize,
    active: &[usize],
    rows: &[u32],
    packed: &[Packed],
    histogram: &mut Histogram,
) {
    let (cells, _) = cells.as_chunks::<WIDTH>();
    for lanes in active.chunks(4) {
        match *lanes {
            [a, b, c, d] => few_bytes(cells, stride, [a, b, c, d], rows, packed, histogram),
            [a, b, c] => few_bytes(cells, stride, [a, b, c], rows, packed, histogram),
            [a, b] => few_bytes(cells, stride, [a, b], rows, packed, histogram),
            _ => few_bytes(cells, stride, [lanes[0]], rows, packed, histogram),
        }
    }
}

fn few_bytes<const FEW: usize>(
    cells: &[[u8; WIDTH]],
    stride: usize,
    lanes: [usize; FEW],
    rows: &[u32],
    packed: &[Packed],
    histogram: &mut Histogram,
) {
    let starts = lanes.map(|lane| lane * stride);
    let lanes = lanes.map(|lane| lane % WIDTH);
    for (i, (&row, &gh)) in rows.iter().zip(packed).enumerate() {
        if let Some(&next) = rows.get(i + AHEAD) {
            prefetch(&cells[next as usize]);
        }
        let cells = &cells[row as usize];
        for (start, lane) in starts.iter().zip(lanes) {
            let slot = start + cells[lane] as usize;
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    }
}

fn nibbles(
    cells: &[u8],
    active: &[usize],
    rows: &[u32],
    packed: &[Packed],
    histogram: &mut Histogram,
) {
    let (cells, _) = cells.as_chunks::<WIDTH>();
    const STRIDE: usize = 16 + PADDING;
    if histogram.len() == 2 * WIDTH * STRIDE && active.len() == 2 * WIDTH {
        let histogram = &mut histogram[..2 * WIDTH * STRIDE];
        for (&row, &gh) in rows.iter().zip(packed) {
            let cells = &cells[row as usize];
            for (lane, &cell) in cells.iter().enumerate() {
                let cell = cell as usize;
                let even = lane * 2 * STRIDE + (cell & 15);
                histogram[even] = histogram[even].wrapping_add(gh);
                let odd = (lane * 2 + 1) * STRIDE + (cell >> 4);
                histogram[odd] = histogram[odd].wrapping_add(gh);
            }
        }
        return;
    }
    for (&row, &gh) in rows.iter().zip(packed) {
        let cells = &cells[row as usize];
        for &lane in active {
            let cell = cells[lane / 2 % WIDTH] >> (lane % 2 * 4) & 15;
            let slot = lane * STRIDE + cell as usize;
            histogram[slot] = histogram[slot].wrapping_add(gh);
        }
    }
}

/// Takes a child from its parent: what is left is its sibling.
pub fn subtract(parent: &mut Histogram, child: &Histogram) {
    for (parent, child) in parent.iter_mut().zip(child) {
        *parent = parent.wrapping_sub(*child);
    }
}

/// Rows between the one counted and the one fetched into cache.
const AHEAD: usize = 24;

/// Asks for a row's cells before they are needed: rows of a leaf lie far apart in memory.
fn prefetch(cells: &[u8; WIDTH]) {
    #[cfg(target_arch = "x86_64")]
    {
        use std::arch::x86_64::{_MM_HINT_T0, _mm_prefetch};
        // SAFETY: a prefetch reads nothing that can be seen, and the address is of a live reference.
        unsafe { _mm_prefetch::<_MM_HINT_T0>(cells.as_ptr().cast()) };
    }
}
