//! How fast a model in LightGBM's text format is scored by us, as one line of JSON.
//!
//!     score MODEL.txt ROWS.npy COUNT [threads]
//!
//! ROWS.npy holds float32 cells row by row. Batches of all rows, medians of 5; then single rows, 5,000 of
//! them.

use std::time::Instant;

use rayon::prelude::*;
use rekindle_models::exchange::lightgbm;
use rekindle_models::frame::Rows;

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let text = std::fs::read(&words[0]).expect("a model");
    let model = lightgbm::read(&text, &words[0]).expect("a model").model;
    let count: usize = words[2].parse().expect("a number of rows");
    let threads = words.get(3).map_or(2, |n| n.parse().expect("a number of threads"));
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("one pool");
    let bytes = std::fs::read(&words[1]).expect("rows");
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let width = model.features();
    let cell = |c: &[u8]| f64::from(f32::from_le_bytes(c.try_into().expect("four bytes")));
    let cells: Vec<f64> = bytes[header..].chunks_exact(4).take(count * width).map(cell).collect();
    let blocks: Vec<Rows> =
        cells.chunks(1_024 * width).map(|block| Rows::from_cells(width, block.to_vec())).collect();
    let mut rates: Vec<f64> = (0..5)
        .map(|_| {
            let clock = Instant::now();
            let sum: f64 = blocks.par_iter().map(|rows| model.margins(rows)[0]).sum();
            assert!(sum.is_finite());
            count as f64 / clock.elapsed().as_secs_f64()
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    let rows = Rows::from_cells(width, cells);
    let mut nanos: Vec<u128> = (0..5_000_usize)
        .map(|i| {
            let row = rows.row(i * 7_919 % rows.len());
            let clock = Instant::now();
            let score = std::hint::black_box(model.raw_score(std::hint::black_box(row)));
            assert!(score.is_finite());
            clock.elapsed().as_nanos()
        })
        .collect();
    nanos.sort_unstable();
    println!(
        "{{\"rows_per_s\": {:.0}, \"one_row_p50_us\": {:.2}, \"one_row_p99_us\": {:.2}}}",
        rates[2],
        nanos[2_500] as f64 / 1_000.0,
        nanos[4_950] as f64 / 1_000.0
    );
}
