//! How fast two models score the same rows, measured in turns. Judges nothing.

use std::hint::black_box;
use std::time::{Duration, Instant};

use rekindle_models::frame::Rows;
use rekindle_models::scorer::Scorer;

use crate::compare::{Pair, Speed};

/// Most rows that a batch is measured on.
pub(super) const SAMPLE: usize = 20_000;
/// Most rows that are scored one by one.
const SINGLE: usize = 1_000;
/// Rounds of a batch, at least and at most.
const ROUNDS: std::ops::RangeInclusive<usize> = 3..=25;
/// After so long no further round begins.
const LONG: Duration = Duration::from_secs(2);

/// Scores the rows by both in turns, so that what else the machine does slows both alike. Medians of the rounds, after one
/// that does not count.
pub(super) fn measure(scorers: &Pair<&Scorer>, rows: &Pair<Rows>) -> Pair<Speed> {
    let parts = Pair { a: (scorers.a, &rows.a), b: (scorers.b, &rows.b) };
    let mut batches = Pair { a: Vec::new(), b: Vec::new() };
    let begun = Instant::now();
    for round in 0..=*ROUNDS.end() {
        if round > *ROUNDS.start() && begun.elapsed() > LONG {
            break;
        }
        let (a, b) = in_turn(round, || batch(parts.a), || batch(parts.b));
        if round > 0 {
            batches.a.push(a);
            batches.b.push(b);
        }
    }
    let mut singles = Pair { a: Vec::new(), b: Vec::new() };
    let begun = Instant::now();
    for row in 0..SINGLE.min(rows.a.len()) {
        if begun.elapsed() > LONG {
            break;
        }
        let (a, b) = in_turn(row, || single(parts.a, row), || single(parts.b, row));
        singles.a.push(a);
        singles.b.push(b);
    }
    let speed = |batches: &mut Vec<f64>, singles: &mut Vec<f64>, rows: &Rows| Speed {
        rows: rows.len(),
        rows_per_second: rows.len() as f64 / median(batches),
        threads: rayon::current_num_threads(),
        single_rows: singles.len(),
        single_microseconds: median(singles) * 1e6,
    };
    Pair {
        a: speed(&mut batches.a, &mut singles.a, &rows.a),
        b: speed(&mut batches.b, &mut singles.b, &rows.b),
    }
}

/// Who comes first takes turns, too.
fn in_turn(round: usize, a: impl FnOnce() -> f64, b: impl FnOnce() -> f64) -> (f64, f64) {
    match round.is_multiple_of(2) {
        true => {
            let a = a();
            (a, b())
        }
        false => {
            let b = b();
            (a(), b)
        }
    }
}

/// Seconds that a batch takes, on all cores.
fn batch((scorer, rows): (&Scorer, &Rows)) -> f64 {
    let width = rows.width();
    let block = |span: std::ops::Range<usize>| {
        Rows::from_cells(width, rows.cells()[span.start * width..span.end * width].to_vec())
    };
    let begun = Instant::now();
    black_box(scorer.score_blocks(rows.len(), block));
    begun.elapsed().as_secs_f64()
}

/// Seconds that a row by itself takes; the first call, which fills caches, does not count.
fn single((scorer, rows): (&Scorer, &Rows), row: usize) -> f64 {
    let row = Rows::from_cells(rows.width(), rows.row(row).to_vec());
    black_box(scorer.score(&row));
    let begun = Instant::now();
    black_box(scorer.score(&row));
    begun.elapsed().as_secs_f64()
}

fn median(of: &mut [f64]) -> f64 {
    of.sort_by(f64::total_cmp);
    of.get(of.len() / 2).copied().unwrap_or(f64::NAN)
}
