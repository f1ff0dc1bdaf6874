//! Paired differences against a bootstrap that draws weights and counts anew, and against worlds whose truth is known.

use proptest::prelude::*;

use super::*;
use crate::metrics::{Auc, Confusion, Judged, Ranked, times_drawn};
use crate::seed::{mix2, unit};

/// Rows of a world in which both models see the same signal through noise of their own.
struct World {
    target: Vec<bool>,
    scores: [Vec<f64>; 2],
    weight: Vec<f64>,
}

impl World {
    fn new(seed: u64, rows: u64, noise: [f64; 2]) -> World {
        let draw = |row: u64, k: u64| unit(mix2(mix2(seed, row), k));
        let signal = |row| draw(row, 0);
        let target = (0..rows).map(|row| draw(row, 1) < signal(row)).collect();
        let seen = |model: u64| {
            let far = noise[model as usize];
            let score =
                move |row| (signal(row) + far * (draw(row, 2 + model) - 0.5)).clamp(0.0, 1.0);
            (0..rows).map(score).collect()
        };
        World { target, scores: [seen(0), seen(1)], weight: vec![1.0; rows as usize] }
    }

    fn judged(&self, model: usize) -> Judged<'_> {
        Judged {
            probability: &self.scores[model],
            target: &self.target,
            weight: &self.weight,
            group: None,
        }
    }

    fn positive(&self, model: usize) -> Vec<bool> {
        self.scores[model].iter().map(|p| *p >= 0.5).collect()
    }
}

/// A figure's difference, counted anew.
type Slow<'a> = Box<dyn Fn(&Judged<'_>) -> f64 + 'a>;

/// The deviation of what 200 draws give for a difference, each draw by its own weights.
fn slowly(judged: &Judged<'_>, seed: u64, of: &dyn Fn(&Judged<'_>) -> f64) -> f64 {
    let key = |row: usize| judged.group.map_or(row as u64, |group| group[row]);
    let draw = |draw: u64| {
        let weights = judged.weight.iter().enumerate();
        let weight: Vec<f64> =
            weights.map(|(row, w)| w * times_drawn(seed, draw, key(row))).collect();
        of(&Judged { weight: &weight, ..*judged })
    };
    let drawn: Vec<f64> = (0..200).map(draw).filter(|d| d.is_finite()).collect();
    if drawn.len() < 100 {
        return f64::NAN;
    }
    let mean = drawn.iter().sum::<f64>() / drawn.len() as f64;
    (drawn.iter().map(|d| (d - mean).powi(2)).sum::<f64>() / (drawn.len() as f64 - 1.0)).sqrt()
}

fn same(a: f64, b: f64) -> bool {
    (a.is_nan() && b.is_nan()) || (a - b).abs() < 1e-9
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn differences_are_those_of_drawing_weights_and_counting_anew(
        rows in prop::collection::vec(
            (0_u8..12, 0_u8..12, any::<bool>(), 1_u8..4, 0_u64..30, -3.0_f64..9.0), 2..60
        ),
        grouped in any::<bool>(), seed in any::<u64>()
    ) {
        let scores: [Vec<f64>; 2] = [
            rows.iter().map(|r| f64::from(r.0) / 13.0 + 0.01).collect(),
            rows.iter().map(|r| f64::from(r.1) / 13.0 + 0.01).collect(),
        ];
        let target: Vec<bool> = rows.iter().map(|r| r.2).collect();
        let weight: Vec<f64> = rows.iter().map(|r| f64::from(r.3)).collect();
        let group: Vec<u64> = rows.iter().map(|r| r.4).collect();
        let gain: Vec<f64> = rows.iter().map(|r| r.5).collect();
        let positive = |p: &Vec<f64>| p.iter().map(|p| *p >= 0.7).collect::<Vec<bool>>();
        let [first, second] = scores.each_ref().map(positive);
        let group = grouped.then_some(group.as_slice());
        let judged = Judged { probability: &scores[0], target: &target, weight: &weight, group };
        let other = Judged { probability: &scores[1], ..judged };
        let bootstrap = Bootstrap::new(&judged, seed, 0.95);
        let decisions = Decisions {
            first: &first, second: &second, target: &target, weight: &weight, gain: Some(&gain),
        };
        let rates = bootstrap.rates(&decisions);
        let with = |judged: &Judged<'_>, model: usize| -> (Confusion, f64) {
            let judged = Judged { probability: &scores[model], ..*judged };
            let paid = (0..judged.len()).filter(|&r| scores[model][r] >= 0.7);
            let money: f64 = paid.map(|r| judged.weight[r] * gain[r]).sum();
            (Confusion::at(&judged, 0.7), money / judged.weight.iter().sum::<f64>())
        };
        let apart = |of: fn((Confusion, f64)) -> f64| {
            move |judged: &Judged<'_>| of(with(judged, 1)) - of(with(judged, 0))
        };
        let slow: [(Difference, Slow<'_>); 3] = [
            (rates.error_rate, Box::new(apart(|c| c.0.error_rate().unwrap_or(f64::NAN)))),
            (rates.miss_rate, Box::new(apart(|c| c.0.miss_rate().unwrap_or(f64::NAN)))),
            (rates.profit.unwrap().1, Box::new(apart(|c| c.1))),
        ];
        for (difference, slow) in &slow {
            prop_assert!(same(difference.value, slow(&judged)));
            if difference.value.is_finite() {
                prop_assert!(same(difference.error, slowly(&judged, seed, slow)));
            }
        }
        let ranked = [&judged, &other].map(Ranked::new);
        let (figures, differences) = bootstrap.beside(&ranked[0], &ranked[1]);
        // As texts: of one class some figures are NaN, which equals nothing.
        let alone = format!("{:?}", bootstrap.figures(&ranked[1]));
        prop_assert_eq!(format!("{:?}", figures[1]), alone);
        let ap = |judged: &Judged<'_>| {
            let of = |p: &[f64]| {
                let ranked = Ranked::new(&Judged { probability: p, ..*judged });
                ranked.average_precision(ranked.weights())
            };
            of(&scores[1]) - of(&scores[0])
        };
        if differences.average_precision.value.is_finite() {
            let slow = slowly(&judged, seed, &ap);
            prop_assert!(same(differences.average_precision.error, slow));
        }
    }
}

#[test]
fn intervals_of_differences_hold_the_truth_about_as_often_as_they_say() {
    // The truth is that of a world of 400,000 rows.
    let noise = [1.6, 0.9];
    let large = World::new(1, 400_000, noise);
    let ranked = [0, 1].map(|model| Ranked::new(&large.judged(model)));
    let of = |measure: fn(&Ranked, &[f64]) -> f64| {
        measure(&ranked[1], ranked[1].weights()) - measure(&ranked[0], ranked[0].weights())
    };
    let [first, second] = [0, 1].map(|model| Confusion::at(&large.judged(model), 0.5));
    let truth = [
        second.error_rate().unwrap() - first.error_rate().unwrap(),
        second.miss_rate().unwrap() - first.miss_rate().unwrap(),
        of(Ranked::average_precision),
        of(Ranked::log_loss),
        of(Ranked::brier_score),
        of(Ranked::roc_auc),
    ];
    let worlds = 300;
    let mut held = [0; 6];
    for seed in 0..worlds {
        let world = World::new(100 + seed, 500, noise);
        let judged = [0, 1].map(|model| world.judged(model));
        let ranked = judged.each_ref().map(Ranked::new);
        let [first, second] = [0, 1].map(|model| world.positive(model));
        let (target, weight) = (&world.target, &world.weight);
        let decisions = Decisions { first: &first, second: &second, target, weight, gain: None };
        let bootstrap = Bootstrap::new(&judged[0], 7, 0.95);
        let rates = bootstrap.rates(&decisions);
        let (_, differences) = bootstrap.beside(&ranked[0], &ranked[1]);
        let [first, second] = ranked.each_ref().map(Auc::new);
        let all = [
            rates.error_rate,
            rates.miss_rate,
            differences.average_precision,
            differences.log_loss,
            differences.brier_score,
            second.difference(&first, None),
        ];
        for ((held, difference), truth) in held.iter_mut().zip(all).zip(truth) {
            let interval = difference.two_sided(0.95);
            *held += usize::from(interval.low <= truth && truth <= interval.high);
        }
    }
    // 95 % of 300 is 285, with a standard deviation of 3.8.
    assert!(held.iter().all(|held| (273..=297).contains(held)), "{held:?} of {worlds}");
}

#[test]
fn the_bootstrap_and_delong_agree_on_how_sure_a_difference_of_areas_is() {
    let world = World::new(5, 3_000, [1.6, 1.2]);
    let judged = [world.judged(0), world.judged(1)];
    let [first, second] = judged.each_ref().map(|judged| Auc::new(&Ranked::new(judged)));
    let by_delong = second.difference(&first, None).error;
    let drawn = slowly(&judged[0], 3, &|judged| {
        let of = |p: &[f64]| {
            let ranked = Ranked::new(&Judged { probability: p, ..*judged });
            ranked.roc_auc(ranked.weights())
        };
        of(&world.scores[1]) - of(&world.scores[0])
    });
    assert!((drawn / by_delong - 1.0).abs() < 0.2, "{drawn} {by_delong}");
}

#[test]
fn a_model_beside_itself_differs_in_nothing() {
    let world = World::new(2, 300, [1.0, 1.0]);
    let judged = world.judged(0);
    let ranked = Ranked::new(&judged);
    let positive = world.positive(0);
    let decisions = Decisions {
        first: &positive,
        second: &positive,
        target: &world.target,
        weight: &world.weight,
        gain: None,
    };
    let bootstrap = Bootstrap::new(&judged, 1, 0.95);
    let (_, differences) = bootstrap.beside(&ranked, &ranked);
    let rates = bootstrap.rates(&decisions);
    let none = Difference { value: 0.0, error: 0.0 };
    for difference in [rates.error_rate, rates.miss_rate, differences.log_loss, differences.ece] {
        assert_eq!(difference, none);
    }
    assert_eq!(decisions.sides(true).map(|sides| sides.mcnemar_p), [Some(1.0); 2]);
    assert_eq!(decisions.sides(false)[0].mcnemar_p, None);
}

#[test]
fn nobody_predicted_positive_has_no_error_rate_and_none_to_compare() {
    let (target, weight) = (vec![true, false, true, false], vec![1.0; 4]);
    let judged = Judged {
        probability: &[0.9, 0.8, 0.2, 0.1],
        target: &target,
        weight: &weight,
        group: None,
    };
    let decisions = Decisions {
        first: &[false; 4],
        second: &[true, true, false, false],
        target: &target,
        weight: &weight,
        gain: None,
    };
    let rates = Bootstrap::new(&judged, 1, 0.95).rates(&decisions);
    assert!(rates.error_rate.value.is_nan() && rates.error_rate.error.is_nan());
    assert!(rates.error_rate.two_sided(0.95).low.is_nan());
    assert!((rates.miss_rate.value + 0.5).abs() < 1e-12, "{rates:?}");
    let [with, without] = decisions.sides(true);
    let rows = |s: &Sides| [s.both, s.only_first, s.only_second, s.neither].map(|crowd| crowd.rows);
    assert_eq!((rows(&with), rows(&without)), ([0, 0, 1, 1], [0, 0, 1, 1]));
}

#[test]
fn mcnemar_is_the_binomial_test() {
    // scipy.stats.binomtest(k, n, 0.5).pvalue
    for (one, other, p) in [
        (1, 9, 0.021_484_375),
        (9, 1, 0.021_484_375),
        (0, 5, 0.0625),
        (3, 4, 1.0),
        (12, 30, 0.007_915_897_335),
    ] {
        assert!((mcnemar(one, other) - p).abs() < 1e-9, "{one} {other}: {}", mcnemar(one, other));
    }
    assert_eq!(mcnemar(0, 0), 1.0);
}
