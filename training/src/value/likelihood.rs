//! Mean log-likelihoods of a sample and their gradients, by the logarithms of the parameters. Searches
//! nothing. The slow twins are the models' own `log_likelihood`.

use rekindle_models::value::special::{digamma, ln_gamma, ln_rising, unit_series};
use rekindle_models::value::{PurchaseFamily, Repeats};

use crate::value::sample::{Sample, SpendSample};

/// The mean negative log-likelihood, and its slope by the logarithm of each parameter.
pub type Loss<const N: usize> = (f64, [f64; N]);

/// Of a model of purchases with the parameters e^`ln`, in the order of [`PurchaseFamily::names`], each held
/// [`within`] its range: beyond it the loss is level.
pub fn purchases(family: PurchaseFamily, ln: &[f64; 4], sample: &Sample) -> Loss<4> {
    let held = within(family, ln, sample);
    let p = held.map(f64::exp);
    let sums = sample.sums(|rows| {
        let mut sums = [0.0; 5];
        // Rows stand in the order of counts.
        for same in rows.chunk_by(|(a, _), (b, _)| a.count() == b.count()) {
            let shared = Shared::new(p[0], same[0].0.count());
            match family {
                PurchaseFamily::BgNbd => bg_nbd(&p, &shared, same, &mut sums),
                PurchaseFamily::ParetoNbd => pareto_nbd(&p, &shared, same, &mut sums),
            }
        }
        sums
    });
    let (value, slopes) = loss(&p, &sums, sample.customers());
    let level = |i: usize| if held[i] == ln[i] { slopes[i] } else { 0.0 };
    (value, std::array::from_fn(level))
}

/// What shapes may be, by their logarithm. At 400 customers' rates differ by a twentieth: more alike makes no
/// difference that data tell.
const SHAPES: (f64, f64) = (-14.0, 6.0);
/// What rates may be, in longest ages. A mean beyond is reached by a small shape.
const RATES: (f64, f64) = (-9.0, 5.0);

/// The logarithms of parameters, held to what data can tell.
pub fn within(family: PurchaseFamily, ln: &[f64; 4], sample: &Sample) -> [f64; 4] {
    let longest = sample.longest_age().max(f64::MIN_POSITIVE).ln();
    let names = family.names();
    std::array::from_fn(|i| match names[i] {
        "alpha" | "beta" => ln[i].clamp(RATES.0 + longest, RATES.1 + longest),
        _ => ln[i].clamp(SHAPES.0, SHAPES.1),
    })
}

/// Of Gamma-Gamma with the parameters e^`ln`.
pub fn spend(ln: &[f64; 3], sample: &SpendSample) -> Loss<3> {
    let [p, q, v] = ln.map(f64::exp);
    let sums = sample.sums(|rows| {
        let mut sums = [0.0; 4];
        for same in rows.chunk_by(|a, b| a.days == b.days) {
            let x = f64::from(same[0].days);
            let shape = p * x;
            let of_all = ln_gamma(shape + q) - ln_gamma(shape) - ln_gamma(q) + q * v.ln();
            let by_shape = digamma(shape + q) - digamma(shape);
            let by_q = digamma(shape + q) - digamma(q) + v.ln();
            for spend in same {
                let (ln_mean, total) = (spend.mean.ln(), x * spend.mean + v);
                let (ln_total, ln_x) = (total.ln(), x.ln());
                sums[0] += of_all + (shape - 1.0) * ln_mean + shape * ln_x - (shape + q) * ln_total;
                sums[1] += x * (by_shape + ln_mean + ln_x - ln_total);
                sums[2] += by_q - ln_total;
                sums[3] += q / v - (shape + q) / total;
            }
        }
        sums
    });
    loss(&[p, q, v], &sums, sample.rows().len() as f64)
}

fn loss<const N: usize, const M: usize>(p: &[f64; N], sums: &[f64; M], number: f64) -> Loss<N> {
    (-sums[0] / number, std::array::from_fn(|i| -sums[i + 1] * p[i] / number))
}

/// What customers with the same count share.
struct Shared {
    x: f64,
    /// ln of gamma(r + x) / gamma(r), and its slope by r.
    ln_rates: f64,
    by_r: f64,
}

impl Shared {
    fn new(r: f64, count: u32) -> Shared {
        let (ln_rates, by_r) = ln_rising(r, count);
        Shared { x: f64::from(count), ln_rates, by_r }
    }
}

fn bg_nbd(p: &[f64; 4], shared: &Shared, same: &[(Repeats, f64)], sums: &mut [f64; 5]) {
    let [r, alpha, a, b] = *p;
    let Shared { x, ln_rates, by_r } = *shared;
    let count = same[0].0.count();
    let (staying, either) = (ln_rising(b, count), ln_rising(a + b, count));
    let stays = staying.0 - either.0;
    let (by_a, by_b) = (-either.1, staying.1 - either.1);
    let (shape, ln_alpha) = (r + x, alpha.ln());
    for (of, n) in same {
        let now = alpha + of.age();
        let ln_now = now.ln();
        let mut likelihood = ln_rates + r * ln_alpha + stays - shape * ln_now;
        let mut slopes = [by_r + ln_alpha - ln_now, r / alpha - shape / now, by_a, by_b];
        if of.count() > 0 {
            let last = alpha + of.last_age();
            let silence = ln_now - last.ln();
            let odds = (a / (b + x - 1.0)).ln() + shape * silence;
            likelihood += odds.max(0.0) + (-odds.abs()).exp().ln_1p();
            let left = 1.0 / (1.0 + (-odds).exp());
            slopes[0] += left * silence;
            slopes[1] += left * shape * (1.0 / now - 1.0 / last);
            slopes[2] += left / a;
            slopes[3] -= left / (b + x - 1.0);
        }
        sums[0] += n * likelihood;
        for (sum, slope) in sums[1..].iter_mut().zip(slopes) {
            *sum += n * slope;
        }
    }
}

/// With E and the hypergeometric function of [`rekindle_models::value::ParetoNbd`], the likelihood is that
/// of rates times E(last) times Q, where Q = e^fall (1 - share F(now)) + share F(last), fall =
/// ln E(now) - ln E(last) and share = s / (r + s + x).
fn pareto_nbd(p: &[f64; 4], shared: &Shared, same: &[(Repeats, f64)], sums: &mut [f64; 5]) {
    let [r, alpha, s, beta] = *p;
    let Shared { x, ln_rates, by_r } = *shared;
    let (shape, k) = (r + x, r + s + x);
    let share = s / k;
    let share_by = [-share / k, 0.0, (1.0 - share) / k, 0.0];
    let of_all = ln_rates + r * alpha.ln() + s * beta.ln();
    let all_by = [by_r + alpha.ln(), r / alpha, beta.ln(), s / beta];
    // F and its slopes by r, alpha, s and beta.
    let series = |age: f64| {
        let (a, b) = (alpha + age, beta + age);
        let f = unit_series(shape, k + 1.0, (alpha - beta) / a);
        (f.value, [f.by_b + f.by_c, f.by_z * b / (a * a), f.by_c, -f.by_z / a])
    };
    for (of, n) in same {
        let (a_last, a_now) = (alpha + of.last_age(), alpha + of.age());
        let (b_last, b_now) = (beta + of.last_age(), beta + of.age());
        let (ln_a, ln_b) = (a_last.ln(), b_last.ln());
        let (fall_a, fall_b) = ((a_now / a_last).ln(), (b_now / b_last).ln());
        let fall = (-shape * fall_a - s * fall_b).exp();
        let fall_by = [
            -fall_a,
            -shape * (1.0 / a_now - 1.0 / a_last),
            -fall_b,
            -s * (1.0 / b_now - 1.0 / b_last),
        ];
        let (at_last, last_by) = series(of.last_age());
        let (at_now, now_by) = series(of.age());
        let alive = 1.0 - share * at_now;
        let q = fall * alive + share * at_last;
        let last_e_by = [-ln_a, -shape / a_last, -ln_b, -s / b_last];
        sums[0] += n * (of_all - shape * ln_a - s * ln_b + q.ln());
        for i in 0..4 {
            let q_by = fall * (fall_by[i] * alive - share_by[i] * at_now - share * now_by[i])
                + share_by[i] * at_last
                + share * last_by[i];
            sums[i + 1] += n * (all_by[i] + last_e_by[i] + q_by / q);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rekindle_models::value::{GammaGamma, Spend};

    use super::*;

    fn check_slopes<const N: usize>(ln: [f64; N], of: impl Fn(&[f64; N]) -> Loss<N>) {
        let (_, slopes) = of(&ln);
        for i in 0..N {
            let beside = |by: f64| {
                let mut ln = ln;
                ln[i] += by;
                of(&ln).0
            };
            let expected = (beside(1e-5) - beside(-1e-5)) / 2e-5;
            let close = (slopes[i] - expected).abs() < 1e-6 * (1.0 + expected.abs());
            assert!(close, "{i} of {ln:?}: {slopes:?} {expected}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn the_mean_is_that_of_the_models_and_slopes_are_differences(
            customers in prop::collection::vec((0_u32..40, 0.01_f64..1.0, 0.0_f64..400.0), 1..60),
            ln in prop::array::uniform4(-2.0_f64..3.0),
        ) {
            let customers: Vec<Repeats> = customers
                .into_iter()
                .map(|(n, share, age)| {
                    // Of few different ones, so that some are equal.
                    let age = (age / 50.0).ceil() * 50.0;
                    let last = if n == 0 || age == 0.0 { 0.0 } else { (share * 4.0).ceil() / 4.0 * age };
                    Repeats::new(if last == 0.0 { 0 } else { n }, last, age).unwrap()
                })
                .collect();
            let sample = Sample::new(customers.iter().copied());
            for family in PurchaseFamily::ALL {
                let model = family.with(ln.map(f64::exp)).unwrap();
                let sum: f64 = customers.iter().map(|of| model.log_likelihood(of)).sum();
                let expected = -sum / customers.len() as f64;
                let found = purchases(family, &ln, &sample).0;
                prop_assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
                check_slopes(ln, |ln| purchases(family, ln, &sample));
            }
        }

        #[test]
        fn so_are_those_of_amounts(
            customers in prop::collection::vec((1_u32..50, 0.01_f64..900.0), 1..50),
            ln in prop::array::uniform3(-1.5_f64..3.0),
        ) {
            let spends = customers.iter().map(|&(days, mean)| Spend { days, mean });
            let sample = SpendSample::new(spends.clone());
            let model = GammaGamma::new(ln.map(f64::exp)).unwrap();
            let sum: f64 = spends.map(|s| model.log_likelihood(s.days, s.mean)).sum();
            let expected = -sum / customers.len() as f64;
            let found = spend(&ln, &sample).0;
            prop_assert!((found - expected).abs() < 1e-9 * (1.0 + expected.abs()), "{found} {expected}");
            check_slopes(ln, |ln| spend(ln, &sample));
        }
    }
}
