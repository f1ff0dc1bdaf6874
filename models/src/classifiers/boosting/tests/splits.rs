//! The best split against all there are.

use proptest::prelude::*;

use crate::classifiers::boosting::binning::Bins;
use crate::classifiers::boosting::loss::{Packed, Scale};
use crate::classifiers::boosting::splitting::{Leaf, Rules, Split, Sums, has};
use crate::classifiers::boosting::tests::draw;
use crate::classifiers::boosting::*;

/// All cuts and both sides for missing, one after the other.
fn naive_cut(rules: &Rules<'_>, leaf: &Leaf, sums: &[Packed], sign: i8) -> Option<f64> {
    let params = rules.params;
    let (values, missing) = (&sums[..sums.len() - 1], sums[sums.len() - 1]);
    let shrunk = |g: f64| (g.abs() - params.lambda_l1).max(0.0).copysign(g);
    let free = leaf.bounds == (f64::NEG_INFINITY, f64::INFINITY) && sign == 0;
    let gain = |sum: Packed| {
        let (g, h) =
            (shrunk(rules.scale.gradient(sum)), rules.scale.hessian(sum) + params.lambda_l2);
        let value = (-g / h).clamp(leaf.bounds.0, leaf.bounds.1);
        if free { g * g / h } else { -(2.0 * g * value + h * value * value) }
    };
    let value = |sum: Packed| {
        let (g, h) =
            (shrunk(rules.scale.gradient(sum)), rules.scale.hessian(sum) + params.lambda_l2);
        (-g / h).clamp(leaf.bounds.0, leaf.bounds.1)
    };
    let rows =
        |sum: Packed| leaf.count * rules.scale.hessian(sum) / rules.scale.hessian(leaf.total);
    let mut best: Option<f64> = None;
    for missing_left in [false, true] {
        for cut in 0..values.len() {
            let mut left = if missing_left { missing } else { 0 };
            left = values[..=cut].iter().fold(left, |sum, x| sum.wrapping_add(*x));
            let right = leaf.total.wrapping_sub(left);
            let fits = [left, right].into_iter().all(|side| {
                rows(side) >= params.min_data_in_leaf * (1.0 - 1e-12)
                    && rules.scale.hessian(side) >= params.min_sum_hessian_in_leaf
                    && side as u32 > 0
            });
            if fits && f64::from(sign) * (value(right) - value(left)) >= 0.0 {
                let found = gain(left) + gain(right) - gain(leaf.total);
                best = Some(best.map_or(found, |best: f64| best.max(found)));
            }
        }
    }
    best.filter(|gain| *gain > 1e-9)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]
    #[test]
    fn the_best_cut_is_the_best_of_all(
        bins in prop::collection::vec((-40_i32..40, 0_u32..30), 2..70),
        (l1, l2, least) in (0.0..3.0_f64, 0.0..5.0_f64, 0.0..20.0_f64),
        sign in -1_i8..=1,
        bounded in any::<bool>(),
    ) {
        let sums: Vec<Packed> = bins
            .iter()
            .map(|(g, h)| (((i64::from(*g)) << 32) as u64).wrapping_add(u64::from(*h)))
            .map(|sum| if sum as u32 == 0 { 0 } else { sum })
            .collect();
        let total = sums.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        prop_assume!(total as u32 > 0);
        let params = Boosting {
            lambda_l1: l1, lambda_l2: l2, min_data_in_leaf: least, min_sum_hessian_in_leaf: 0.1, ..Boosting::default()
        };
        let rules = Rules { params: &params, scale: Scale { gradient: 0.5, hessian: 0.25 } };
        let bounds = if bounded { (-0.7, 0.4) } else { (f64::NEG_INFINITY, f64::INFINITY) };
        let leaf = Leaf { total, count: 300.0, bounds };
        let cuts: Vec<f64> = (0..bins.len() - 2).map(|cut| cut as f64).collect();
        let bins = Bins::Number { cuts };
        let found = rules.best(&leaf, &Sums { feature: 3, bins: &bins, sums: &sums, sign });
        let expected = naive_cut(&rules, &leaf, &sums, sign);
        match (found, expected) {
            (None, None) => {}
            (Some(Split { gain, left, left_bins, .. }), Some(expected)) => {
                prop_assert!((gain - expected).abs() <= 1e-9 * expected.abs().max(1.0), "{gain} {expected}");
                // Its sums are those of its bins.
                let of_bins = (0..sums.len()).filter(|bin| has(&left_bins, *bin as u8));
                let sum = of_bins.fold(0_u64, |sum, bin| sum.wrapping_add(sums[bin]));
                prop_assert_eq!(left, sum);
            }
            (found, expected) => {
                // A gain of nothing but rounding may be seen as either.
                let gain = found.map(|f| f.gain).or(expected).unwrap();
                prop_assert!(gain < 1e-6, "{found:?} {expected:?}");
            }
        }
    }
}

#[test]
fn levels_split_as_the_best_of_all_sets_where_they_are_few() {
    let params = Boosting {
        lambda_l2: 0.0,
        cat_l2: 0.0,
        cat_smooth: 0.0,
        min_data_in_leaf: 0.0,
        min_data_per_group: 0.0,
        min_sum_hessian_in_leaf: 0.0,
        ..Boosting::default()
    };
    let rules = Rules { params: &params, scale: Scale { gradient: 0.1, hessian: 0.1 } };
    for case in 0..200_usize {
        let sum = |bin: usize| {
            let g = (draw(case, bin) * 100.0) as i64 - 50;
            ((g << 32) as u64).wrapping_add(1 + (draw(case, bin + 50) * 40.0) as u64)
        };
        let sums: Vec<Packed> = (0..6).map(sum).collect();
        let total = sums.iter().fold(0_u64, |sum, x| sum.wrapping_add(*x));
        let leaf = Leaf { total, count: 100.0, bounds: (f64::NEG_INFINITY, f64::INFINITY) };
        let bins = Bins::Levels { bin: vec![0, 1, 2, 3, 4], bins: 5 };
        let found = rules.best(&leaf, &Sums { feature: 0, bins: &bins, sums: &sums, sign: 0 });
        let gain = |sum: Packed| rules.scale.gradient(sum).powi(2) / rules.scale.hessian(sum);
        let of_set = |set: u32| {
            let left = (0..6)
                .filter(|bin| set >> bin & 1 == 1)
                .fold(0_u64, |s, b| s.wrapping_add(sums[b]));
            gain(left) + gain(total.wrapping_sub(left)) - gain(total)
        };
        // Fisher 1958: the best set is one of those in the order of the ratios.
        let best = (1..63).map(of_set).fold(0.0, f64::max);
        assert!((found.map_or(0.0, |f| f.gain) - best).abs() < 1e-9, "case {case}");
    }
}
