//! Sweeping rows over the plans of trees: down for the products `P`, up for the expected values
//! `G`, as `plan.rs` explains. Rows lie side by side, `LANES` of them, and each is computed by the
//! same operations in the same order whatever its neighbours and `LANES` are, so its contributions
//! have the same bits everywhere.

use crate::explain::plan::{Below, MOST_WIDTH, Plan, Question, Step};

/// Rows that are computed side by side in a batch: a vector of AVX-512, two of AVX2.
pub const LANES: usize = 8;

/// Memory that a sweep needs, taken once and used for any number of rows.
#[derive(Debug, Clone)]
pub struct Scratch {
    /// Per node and row, whether it passes the left edge and the right one together with the edges
    /// of the same feature above: all bits or none. A row passes at most one of them.
    passes: Vec<u64>,
    /// Per node, point and row, the product on the way down, then the expected value on the way up.
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

/// The same code with wider vectors: 2.4 times as fast as with those that every x86-64 has (AVX2:
/// 1.9 times). Multiplications and additions are never fused unless the source says so, so the bits
/// are the same.
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

/// Tree after tree, so that a tree is in near memory for all groups but the first.
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
    for group in &plan.groups {
        let curves = group.as_chunks::<WIDTH>().0;
        values[0] = curves[0].map(|weight| [weight; LANES]);
        for (place, step) in plan.steps.iter().enumerate() {
            match step.above {
                None => down::<false, WIDTH, LANES>(place, step, curves, &passes[place], values),
                Some(_) => down::<true, WIDTH, LANES>(place, step, curves, &passes[place], values),
            }
        }
        for (place, step) in plan.steps.iter().enumerate().rev() {
            let gives = match step.above {
                None => up::<false, WIDTH, LANES>(place, step, curves, &passes[place], values),
                Some(_) => up::<true, WIDTH, LANES>(place, step, curves, &passes[place], values),
            };
            for (sum, gives) in sums[step.feature].iter_mut().zip(gives) {
                *sum += gives;
            }
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
    let mut left = [0; LANES];
    match &step.question {
        // As `Question::holds`, without branches.
        Question::Number { threshold, band, missing_left } => {
            let missing = all_bits(*missing_left);
            for lane in 0..LANES {
                let present = all_bits(cells[lane].abs() > *band);
                left[lane] = present & all_bits(cells[lane] <= *threshold) | !present & missing;
            }
        }
        Question::Levels(test) => {
            for lane in 0..LANES {
                left[lane] = all_bits(test.holds(cells[lane]));
            }
        }
    }
    let mut right = [0; LANES];
    for lane in 0..LANES {
        right[lane] = !left[lane];
    }
    if let Some((node, side)) = step.above {
        let alive = &passes[node][side];
        for lane in 0..LANES {
            left[lane] &= alive[lane];
            right[lane] &= alive[lane];
        }
    }
    [left, right]
}

#[inline(always)]
fn all_bits(yes: bool) -> u64 {
    u64::from(yes).wrapping_neg()
}

/// A number where there are all bits, 0 where there are none.
#[inline(always)]
fn only(number: f64, where_bits: u64) -> f64 {
    f64::from_bits(number.to_bits() & where_bits)
}

/// The probability of the edge to one side of a node. `AGAIN` says that the feature was asked
/// above, so that rows may have failed there.
#[inline(always)]
fn probability<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    step: &Step,
    side: usize,
    curves: &[[f64; WIDTH]],
    passes: &Passes<LANES>,
) -> Values<WIDTH, LANES> {
    let share = step.shares[side];
    let (unknown, known) = (&curves[step.curve], &curves[step.curve + 1]);
    let mut probability = [[0.0; LANES]; WIDTH];
    for point in 0..WIDTH {
        let by_share = share * unknown[point];
        for lane in 0..LANES {
            let passed = by_share + only(known[point], passes[side][lane]);
            let alive = !AGAIN || passes[0][lane] | passes[1][lane] != 0;
            probability[point][lane] = if alive { passed } else { share };
        }
    }
    probability
}

/// From a node's products those of the nodes below it.
#[inline(always)]
fn down<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    place: usize,
    step: &Step,
    curves: &[[f64; WIDTH]],
    passes: &Passes<LANES>,
    values: &mut [Values<WIDTH, LANES>],
) {
    for (side, child) in [step.left, step.right].into_iter().enumerate() {
        if let Below::Step(child) = child {
            let mut products = probability::<AGAIN, WIDTH, LANES>(step, side, curves, passes);
            for (product, above) in products.iter_mut().zip(&values[place]) {
                for lane in 0..LANES {
                    product[lane] *= above[lane];
                }
            }
            values[child] = products;
        }
    }
}

/// From a node's products and the values expected below it the value expected at it, and what it
/// gives its feature. Works on copies, so that the compiler knows that nothing overlaps: with
/// references it takes twice as long.
#[inline(always)]
fn up<const AGAIN: bool, const WIDTH: usize, const LANES: usize>(
    place: usize,
    step: &Step,
    curves: &[[f64; WIDTH]],
    passes: &Passes<LANES>,
    values: &mut [Values<WIDTH, LANES>],
) -> Lane<f64, LANES> {
    let expected = |below: Below| match below {
        Below::Step(child) => values[child],
        Below::Leaf(value) => [[value; LANES]; WIDTH],
    };
    let (left, right, products) = (expected(step.left), expected(step.right), values[place]);
    let to_left = probability::<AGAIN, WIDTH, LANES>(step, 0, curves, passes);
    let mut sum = [0.0; LANES];
    for point in 0..WIDTH {
        let again = if AGAIN { curves[step.curve + 2][point] } else { 1.0 };
        for lane in 0..LANES {
            let gain = left[point][lane] - right[point][lane];
            values[place][point][lane] = right[point][lane] + to_left[point][lane] * gain;
            let moved = products[point][lane] * gain;
            sum[lane] += if AGAIN { moved * again } else { moved };
        }
    }
    let mut gives = [0.0; LANES];
    for lane in 0..LANES {
        // A row that goes left moves by 1 - share, one that goes right by -share.
        let to_left = only(step.shares[1], passes[0][lane]);
        let to_right = only(step.shares[0], passes[1][lane]);
        gives[lane] = (to_left - to_right) * sum[lane];
    }
    gives
}
