//! Fits beside the Python package lifetimes 0.11.3 on draws of our own (`checks/value.py --draw`, `--told`),
//! and their laws.

use rekindle_models::value::{PurchaseFamily, Repeats, Spend};

use super::*;

const DRAWS: &str = include_str!("draws.csv");

fn draws() -> (Sample, SpendSample) {
    let rows: Vec<Vec<f64>> = DRAWS
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().unwrap()).collect())
        .collect();
    let repeats = rows.iter().map(|r| Repeats::new(r[0] as u32, r[1], r[2]).unwrap());
    let spends = rows.iter().map(|r| Spend { days: r[0] as u32, mean: r[3] });
    (Sample::new(repeats), SpendSample::new(spends))
}

#[test]
fn parameters_are_those_of_lifetimes() {
    let (sample, spends) = draws();
    let check = |found: &[f64], expected: &[f64]| {
        let off = found.iter().zip(expected).map(|(f, e)| (f / e - 1.0).abs()).fold(0.0, f64::max);
        assert!(off < 1e-4, "{found:?} {expected:?}");
    };
    let bg = fit_purchases(PurchaseFamily::BgNbd, &sample).unwrap();
    check(&bg.model.parameters(), &[0.949_664_55, 58.707_514_5, 0.883_114_34, 2.909_520_28]);
    let pareto = fit_purchases(PurchaseFamily::ParetoNbd, &sample).unwrap();
    // Those of scipy, within 1e-5 of lifetimes': the likelihood is flat there.
    check(&pareto.model.parameters(), &[1.561_640_31, 120.721_05, 2.650_357_77, 1_119.978_4]);
    let money = fit_spend(&spends).unwrap();
    check(&money.model.parameters(), &[7.135_289, 3.542_494_6, 36.482_22]);
    assert_eq!((bg.customers, money.customers), (400, spends.rows().len() as u64));
    assert!(bg.standard_errors.iter().chain(&pareto.standard_errors).all(|e| *e > 0.0));
}

#[test]
fn the_same_bits_come_out_on_any_number_of_threads_and_of_any_order() {
    let many = |reversed: bool| {
        let customers = (0..60_000_u32).map(|i| {
            let i = if reversed { 59_999 - i } else { i };
            let age = f64::from(i % 700 + 1);
            let count = (i / 7 % 9) * u32::from(i % 3 > 0);
            let last = if count == 0 { 0.0 } else { (age * f64::from(i % 11 + 1) / 11.0).ceil() };
            Repeats::new(count, last, age).unwrap()
        });
        Sample::new(customers)
    };
    let on = |threads: usize, reversed: bool| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            PurchaseFamily::ALL.map(|family| fit_purchases(family, &many(reversed)).unwrap())
        })
    };
    let one = on(1, false);
    // As text, in which missing standard errors are equal.
    assert_eq!(format!("{one:?}"), format!("{:?}", on(3, true)));
    assert_eq!(one[0].customers, 60_000);
}

#[test]
fn what_cannot_be_learned_is_told() {
    let once = Sample::new((1..90).map(|age| Repeats::new(0, 0.0, f64::from(age)).unwrap()));
    let error = fit_purchases(PurchaseFamily::BgNbd, &once).unwrap_err().to_string();
    assert!(
        error.starts_with("0 of 89 customers purchased on a second day; expected 10"),
        "{error}"
    );
    let error = fit_spend(&SpendSample::new([])).unwrap_err().to_string();
    assert!(error.starts_with("0 customers have a second day"), "{error}");
    // All alike: nothing tells customers apart. A message or numbers, no panic.
    for count in [1, 3, 400] {
        let alike = Sample::new((0..50).map(|_| Repeats::new(count, 90.0, 90.0).unwrap()));
        for family in PurchaseFamily::ALL {
            match fit_purchases(family, &alike) {
                Ok(fit) => assert!(fit.model.parameters().iter().all(|p| *p > 0.0)),
                Err(error) => assert!(error.to_string().contains("came to no end"), "{error}"),
            }
        }
        let same = SpendSample::new((0..50).map(|_| Spend { days: count, mean: 7.0 }));
        if let Err(error) = fit_spend(&same) {
            let error = error.to_string();
            assert!(error.contains("no end") || error.contains("above 0"), "{error}");
        }
    }
}

#[test]
fn customers_who_never_leave_or_are_all_alike_end_the_search_at_the_end_of_a_range() {
    // Purchases every 20 days or so until the end, and ages of all kinds.
    let regular = Sample::new((0..900_u32).map(|i| {
        let age = f64::from(i % 600 + 60);
        let count = (age / 20.0) as u32 + i % 3;
        Repeats::new(count, age - f64::from(i % 19), age).unwrap()
    }));
    for family in PurchaseFamily::ALL {
        let fit = fit_purchases(family, &regular).unwrap();
        let of = Repeats::new(10, 200.0, 205.0).unwrap();
        assert!(fit.model.probability_alive(&of) > 0.9, "{fit:?}");
        let expected = fit.model.expected_purchases(&of, 100.0);
        assert!((3.5..6.5).contains(&expected), "{fit:?} {expected}");
    }
}
