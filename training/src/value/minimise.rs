//! The lowest point of a smooth function of a few numbers, by BFGS, and how it curves there. Knows nothing
//! of what the function means.

/// Where a search ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Minimum<const N: usize> {
    /// The place.
    pub at: [f64; N],
    /// The function there.
    pub value: f64,
    /// Steps taken.
    pub steps: u32,
    /// Whether the slope there is as good as none.
    pub converged: bool,
}

/// A square table.
pub type Square<const N: usize> = [[f64; N]; N];

/// The slope that counts as none. The function is to be of the size of 1, as a mean log-likelihood is.
const FLAT: f64 = 1e-9;
/// The slope that does where no step leads lower any more, for rounding.
const ROUNDED: f64 = 1e-5;
/// Steps in a row that lead no lower, after which a slope for rounding does.
const LEVEL_STEPS: u32 = 3;
const MOST_STEPS: u32 = 500;
/// The longest step along one axis.
const LONGEST: f64 = 1.5;

/// Looks for the minimum from `start` on. `of` tells the function and its gradient; a value that is no
/// number counts as higher than any.
pub fn minimise<const N: usize>(
    start: [f64; N],
    mut of: impl FnMut(&[f64; N]) -> (f64, [f64; N]),
) -> Minimum<N> {
    let (mut at, (mut value, mut slope)) = (start, of(&start));
    let mut inverse: Option<Square<N>> = None;
    let mut level = 0;
    for steps in 0..MOST_STEPS {
        let steepest = slope.iter().fold(0.0_f64, |most, g| most.max(g.abs()));
        if steepest < FLAT || !value.is_finite() || (level >= LEVEL_STEPS && steepest < ROUNDED) {
            return Minimum { at, value, steps, converged: value.is_finite() };
        }
        let mut towards = match &inverse {
            Some(inverse) => times(inverse, &slope).map(|d| -d),
            None => slope.map(|g| -g / steepest * 0.3),
        };
        if dot(&towards, &slope) >= 0.0 {
            (inverse, towards) = (None, slope.map(|g| -g / steepest * 0.3));
        }
        let longest = towards.iter().fold(0.0_f64, |most, d| most.max(d.abs()));
        if longest > LONGEST {
            towards = towards.map(|d| d * LONGEST / longest);
        }
        let Some((moved, (lower, next))) = lower(&mut of, &at, (value, &slope), &towards) else {
            if inverse.take().is_some() && steepest >= ROUNDED {
                continue;
            }
            return Minimum { at, value, steps, converged: steepest < ROUNDED };
        };
        let step = std::array::from_fn(|i| moved[i] - at[i]);
        let change = std::array::from_fn(|i| next[i] - slope[i]);
        inverse = updated(inverse, &step, &change);
        level = if value - lower <= 1e-13 * value.abs() { level + 1 } else { 0 };
        (at, value, slope) = (moved, lower, next);
    }
    Minimum { at, value, steps: MOST_STEPS, converged: false }
}

type Told<const N: usize> = (f64, [f64; N]);

/// A place along a direction that is lower by a share of what the slope promises (Armijo's rule).
fn lower<const N: usize>(
    of: &mut impl FnMut(&[f64; N]) -> Told<N>,
    at: &[f64; N],
    (value, slope): (f64, &[f64; N]),
    towards: &[f64; N],
) -> Option<([f64; N], Told<N>)> {
    let promised = dot(towards, slope);
    let mut length = 1.0;
    for _ in 0..40 {
        let moved = std::array::from_fn(|i| at[i] + length * towards[i]);
        let told = of(&moved);
        if told.0 <= value + 1e-4 * length * promised && told.1.iter().all(|g| g.is_finite()) {
            return (moved != *at).then_some((moved, told));
        }
        length *= 0.4;
    }
    None
}

/// The BFGS update of the inverse of the Hessian (Nocedal and Wright, Numerical Optimization, 6.17).
fn updated<const N: usize>(
    inverse: Option<Square<N>>,
    step: &[f64; N],
    change: &[f64; N],
) -> Option<Square<N>> {
    let along = dot(step, change);
    if along <= 1e-14 {
        return inverse;
    }
    let before = inverse.unwrap_or_else(|| {
        let scale = along / dot(change, change);
        std::array::from_fn(|i| std::array::from_fn(|j| if i == j { scale } else { 0.0 }))
    });
    let turned = times(&before, change);
    let factor = (1.0 + dot(change, &turned) / along) / along;
    Some(std::array::from_fn(|i| {
        std::array::from_fn(|j| {
            before[i][j] + factor * step[i] * step[j]
                - (turned[i] * step[j] + step[i] * turned[j]) / along
        })
    }))
}

/// How the function curves at a place: the Hessian, from differences of gradients.
pub fn curvature<const N: usize>(
    at: &[f64; N],
    mut of: impl FnMut(&[f64; N]) -> (f64, [f64; N]),
) -> Square<N> {
    const STEP: f64 = 1e-4;
    let rows: [[f64; N]; N] = std::array::from_fn(|i| {
        let mut beside = |by: f64| {
            let mut place = *at;
            place[i] += by;
            of(&place).1
        };
        let (up, down) = (beside(STEP), beside(-STEP));
        std::array::from_fn(|j| (up[j] - down[j]) / (2.0 * STEP))
    });
    std::array::from_fn(|i| std::array::from_fn(|j| (rows[i][j] + rows[j][i]) / 2.0))
}

/// The inverse of a symmetric table by Cholesky's factors; `None` where it is not positive definite.
pub fn inverted<const N: usize>(table: &Square<N>) -> Option<Square<N>> {
    let mut factor = [[0.0; N]; N];
    for i in 0..N {
        for j in 0..=i {
            let rest = table[i][j] - (0..j).map(|k| factor[i][k] * factor[j][k]).sum::<f64>();
            if i != j {
                factor[i][j] = rest / factor[j][j];
            } else if rest > 1e-14 * table[i][i].abs() && rest.is_finite() {
                factor[i][i] = rest.sqrt();
            } else {
                return None;
            }
        }
    }
    let mut inverse = [[0.0; N]; N];
    // The inverse of a symmetric table is symmetric: its rows are its columns.
    for (column, inverse) in inverse.iter_mut().enumerate() {
        let mut x = [0.0; N];
        for i in 0..N {
            let unit = if i == column { 1.0 } else { 0.0 };
            x[i] = (unit - (0..i).map(|k| factor[i][k] * x[k]).sum::<f64>()) / factor[i][i];
        }
        for i in (0..N).rev() {
            x[i] = (x[i] - (i + 1..N).map(|k| factor[k][i] * x[k]).sum::<f64>()) / factor[i][i];
        }
        *inverse = x;
    }
    Some(inverse)
}

fn times<const N: usize>(table: &Square<N>, by: &[f64; N]) -> [f64; N] {
    std::array::from_fn(|i| dot(&table[i], by))
}

fn dot<const N: usize>(a: &[f64; N], b: &[f64; N]) -> f64 {
    a.iter().zip(b).map(|(x, y)| x * y).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rosenbrocks_valley_is_walked_to_its_end() {
        let mut calls = 0;
        let valley = |[x, y]: &[f64; 2]| {
            let (a, b) = (1.0 - x, y - x * x);
            (a * a + 100.0 * b * b, [-2.0 * a - 400.0 * x * b, 200.0 * b])
        };
        let found = minimise([-1.2, 1.0], |at| {
            calls += 1;
            valley(at)
        });
        assert!(found.converged && calls < 120, "{found:?} {calls}");
        assert!((found.at[0] - 1.0).abs() < 1e-8 && (found.at[1] - 1.0).abs() < 1e-8);
        let hessian = curvature(&[1.0, 1.0], valley);
        let expected = [[802.0, -400.0], [-400.0, 200.0]];
        assert!(
            hessian
                .iter()
                .flatten()
                .zip(expected.iter().flatten())
                .all(|(h, e)| (h - e).abs() < 1e-3)
        );
        let inverse = inverted(&expected).unwrap();
        assert!((inverse[0][0] - 0.5).abs() < 1e-9 && (inverse[1][1] - 2.005).abs() < 1e-9);
        assert_eq!(inverted(&[[1.0, 2.0], [2.0, 1.0]]), None);
    }

    #[test]
    fn what_has_no_minimum_or_no_value_is_told() {
        let slope = minimise([0.0], |[x]| (*x, [1.0]));
        assert!(!slope.converged);
        assert!(!minimise([0.0], |_| (f64::NAN, [1.0])).converged);
    }
}
