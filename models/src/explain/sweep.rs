//! Sweeping rows over the plans of trees: down for the products, up for the sums, as `plan.rs`
//! explains. Rows lie side by side, `LANES` of them, and each is computed by the same operations in the same order
//! whatever its neighbours and `LANES` are, so its contributions have the same bits everywhere.

use std::array;

use crate::explain::plan::{Below, MOST_WIDTH, Plan, Question, Step};

/// Rows that are computed side by side in a batch: a vector of AVX-512, two of AVX2.
pub const LANES: usize = 8;

/// Memory that a sweep needs, taken once and used for any number of rows.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Per node and row, whether it passes the left edge and the right one together with the edges of
    /// the same feature above: all bits or none. A row passes at most one of them.
    passes: Vec<u64>,
    /// Per node, point and row, the product on the way down, then the sum on the way up.
    values: Vec<f64>,
}

impl Scratch {
    /// Enough for `rows` (1 or [`LANES`]) rows side by side over any of the plans.
    pub fn new(plans: &[Plan], rows: usize) -> Scratch {
        let nodes = plans.iter().map(|plan| plan.steps.len()).max().unwrap_or(0);
        let values = plans.iter().map(|plan| plan.steps.len() * plan.width).max().unwrap_or(0);
        Scratch { passes: vec![0; nodes * 2 * rows], values: vec![0.0; values * rows] }
    }
}

/// Adds the contributions of all trees to `sums`, for any number of groups of `LANES` rows.
///
/// In `cells` and `sums` a group follows the other; a group has `features` times `LANES` numbers,
/// those of one feature together.
pub fn sweep<const LANES: usize>(
    plans: &[Plan],
    features: usize,
    cells: &[f64],
    scratch: &mut Scratch,
    sums: &mut [f64],
) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the processor has AVX-512F, the line above asked.
            return unsafe { sweep_avx512::<LANES>(plans, features, cells, scratch, sums) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2, the line above asked.
            return unsafe { sweep_avx2::<LANES>(plans, features, cells, scratch, sums) };
        }
    }
    sweep_anywhere::<LANES>(plans, features, cells, scratch, sums);
}

/// The same code with wider vectors. No fused multiply-add is enabled, so the bits are the same.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
fn sweep_avx512<const LANES: usize>(
    plans: &[Plan],
    features: usize,
    cells: &[f64],
    scratch: &mut Scratch,
    sums: &mut [f64],
) {
    sweep_anywhere::<LANES>(plans, features, cells, scratch, sums);
}

/// As `sweep_avx512`.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
pub fn sweep_avx2<const LANES: usize>(
    plans: &[Plan],
    features: usize,
    cells: &[f64],
    scratch: &mut Scratch,
    sums: &mut [f64],
) {
    sweep_anywhere::<LANES>(plans, features, cells, scratch, sums);
}

/// Tree after tree, so that a tree's tables are read from near memory for all groups but the first.
#[inline(always)]
pub fn sweep_anywhere<const LANES: usize>(
    plans: &[Plan],
    features: usize,
    cells: &[f64],
    scratch: &mut Scratch,
    sums: &mut [f64],
) {
    for plan in plans {
        let groups = cells.chunks_exact(features * LANES);
        for (cells, sums) in groups.zip(sums.chunks_exact_mut(features * LANES)) {
            let cells = cells.as_chunks::<LANES>().0;
            let sums = sums.as_chunks_mut::<LANES>().0;
            const { assert!(MOST_WIDTH == 8) };
            match plan.width {
                1 => tree::<1, LANES>(plan, cells, scratch, sums),
                2 => tree::<2, LANES>(plan, cells, scratch, sums),
                3 => tree::<3, LANES>(plan, cells, scratch, sums),
                4 => tree::<4, LANES>(plan, cells, scratch, sums),
                5 => tree::<5, LANES>(plan, cells, scratch, sums),
                6 => tree::<6, LANES>(plan, cells, scratch, sums),
                7 => tree::<7, LANES>(plan, cells, scratch, sums),
                _ => tree::<8, LANES>(plan, cells, scratch, sums),
            }
        }
    }
}

/// One number for every row.
type Lane<T, const LANES: usize> = [T; LANES];

/// One number for every point and row.
type Values<const WIDTH: usize, const LANES: usize> = [Lane<f64, LANES>; WIDTH];

/// Whether each row passes the left edge and the right one.
type Passes<const LANES: usize> = [Lane<u64, LANES>; 2];

/// Adds one tree's contributions.
#[inline(always)]
fn tree<const WIDTH: usize, const LANES: usize>(
    plan: &Plan,
    cells: &[Lane<f64, LANES>],
    scratch: &mut Scratch,
    sums: &mut [Lane<f64, LANES>],
) {
    let nodes = plan.steps.len();
    let passes = &mut scratch.passes.as_chunks_mut::<LANES>().0.as_chunks_mut::<2>().0[..nodes];
    let values = &mut scratch.values.as_chunks_mut::<LANES>().0.as_chunks_mut::<WIDTH>().0[..nodes];
    for (place, step) in plan.steps.iter().enumerate() {
        passes[place] = pass(step, cells, passes);
    }
    for table in &plan.tables {
        let table = table.as_chunks::<WIDTH>().0;
        values[0] = [[1.0; LANES]; WIDTH];
        for (place, step) in plan.steps.iter().enumerate() {
            match step.above {
                None => down::<false, WIDTH, LANES>(place, step, table, &passes[place], values),
                Some(_) => down::<true, WIDTH, LANES>(place, step, table, &passes[place], values),
            }
        }
        for (place, step) in plan.steps.iter().enumerate().rev() {
            let gives = match step.above {
                None => up::<false, WIDTH, LANES>(place, step, table, &passes[place], values),
                Some(_) => up::<true, WIDTH, LANES>(place, step, table, &passes[place], values),
            };
            add(&mut sums[step.feature], &gives);
        }
    }
}

/// Which of a node's edges the rows pass.
#[inline(always)]
fn pass<const LANES: usize>(
    step: &Step,
    cells: &[Lane<f64, LANES>],
    passes: &[Passes<LANES>],
) -> Passes<LANES> {
    let cells = &cells[step.feature];
    let left: Lane<u64, LANES> = match &step.question {
        // The question's kind is settled outside of the loop over rows.
        number @ Question::Number { .. } => {
            array::from_fn(|lane| if number.holds(cells[lane]) { u64::MAX } else { 0 })
        }
        Question::Levels(test) => {
            array::from_fn(|lane| if test.holds(cells[lane]) { u64::MAX } else { 0 })
        }
    };
    let alive = match step.above {
        Some((node, true)) => passes[node][0],
        Some((node, false)) => passes[node][1],
        None => [u64::MAX; LANES],
    };
    [
        array::from_fn(|lane| alive[lane] & left[lane]),
        array::from_fn(|lane| alive[lane] & !left[lane]),
    ]
}

/// Each row's number for its answer: the rows of a table from `at` on. Without an earlier question
/// of the same feature (`AGAIN` is false) a row goes left or right.
#[inline(always)]
fn pick<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    table: &[[f64; WIDTH]],
    at: usize,
    point: usize,
    passes: &Passes<LANES>,
) -> Lane<f64, LANES> {
    let (left, right) = (table[at][point], table[at + 1][point]);
    let neither = if AGAIN { table[at + 2][point] } else { right };
    array::from_fn(|lane| {
        let other = if AGAIN && passes[1][lane] == 0 { neither } else { right };
        if passes[0][lane] != 0 { left } else { other }
    })
}

#[inline(always)]
fn add<const LANES: usize>(sums: &mut Lane<f64, LANES>, more: &Lane<f64, LANES>) {
    for (sum, more) in sums.iter_mut().zip(more) {
        *sum += more;
    }
}

#[inline(always)]
fn times<const LANES: usize>(a: &Lane<f64, LANES>, b: &Lane<f64, LANES>) -> Lane<f64, LANES> {
    array::from_fn(|lane| a[lane] * b[lane])
}

/// From a node's products those of the nodes below it.
#[inline(always)]
fn down<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    place: usize,
    step: &Step,
    table: &[[f64; WIDTH]],
    passes: &Passes<LANES>,
    values: &mut [Values<WIDTH, LANES>],
) {
    let (above, below) = values.split_at_mut(place + 1);
    let answers = if AGAIN { 3 } else { 2 };
    let mut at = step.table;
    for child in [step.left, step.right] {
        if let Below::Step(child) = child {
            let child = &mut below[child - place - 1];
            for point in 0..WIDTH {
                let factor = pick::<AGAIN, WIDTH, LANES>(table, at, point, passes);
                child[point] = times(&above[place][point], &factor);
            }
            at += 2 * answers;
        }
    }
}

/// From a node's products and the sums of the nodes below it its own sums, and what it gives its feature.
#[inline(always)]
fn up<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    place: usize,
    step: &Step,
    table: &[[f64; WIDTH]],
    passes: &Passes<LANES>,
    values: &mut [Values<WIDTH, LANES>],
) -> Lane<f64, LANES> {
    let (above, below) = values.split_at_mut(place + 1);
    let answers = if AGAIN { 3 } else { 2 };
    let mut gives = [0.0; LANES];
    let mut sums = [[0.0; LANES]; WIDTH];
    let inner = step.inner();
    if inner < 2 {
        let at = step.table + inner * 2 * answers;
        for point in 0..WIDTH {
            let product = above[place][point];
            sums[point] = times(&product, &pick::<AGAIN, WIDTH, LANES>(table, at, point, passes));
            let gift = pick::<AGAIN, WIDTH, LANES>(table, at + answers, point, passes);
            add(&mut gives, &times(&product, &gift));
        }
    }
    let mut at = step.table;
    for child in [step.left, step.right] {
        if let Below::Step(child) = child {
            let child = &below[child - place - 1];
            for point in 0..WIDTH {
                add(&mut sums[point], &child[point]);
                let gift = pick::<AGAIN, WIDTH, LANES>(table, at + answers, point, passes);
                add(&mut gives, &times(&child[point], &gift));
            }
            at += 2 * answers;
        }
    }
    above[place] = sums;
    gives
}
