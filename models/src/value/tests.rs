//! Models of purchases beside the Python package lifetimes 0.11.3, beside slow twins, and their laws.

use proptest::prelude::*;

use super::*;
use crate::behaviour::{Dictionary, Events, Timeline, Zone};
use crate::customer::CustomerRules;

fn models() -> [(&'static str, PurchaseModel); 4] {
    let bg = |p| PurchaseModel::BgNbd(BgNbd::new(p).unwrap());
    let pareto = |p| PurchaseModel::ParetoNbd(ParetoNbd::new(p).unwrap());
    [
        ("bg", bg([0.2426, 4.4135, 0.7929, 2.4258])),
        ("bg2", bg([0.8, 20.0, 3.1, 1.7])),
        ("pareto", pareto([0.5533, 10.578, 0.6062, 11.669])),
        ("pareto2", pareto([0.9, 40.0, 1.4, 7.0])),
    ]
}

/// Model, frequency, recency, T; the log-likelihood, P(alive) and expected purchases in 39 units as
/// lifetimes tells them.
type Told = (&'static str, u32, f64, f64, f64, f64, f64);

#[rustfmt::skip]
const TOLD: [Told; 20] = [
    ("bg", 0, 0.0, 38.86, -0.5538248473788362, 1.0, 0.19478655038715112),
    ("bg2", 0, 0.0, 38.86, -0.863543575401069, 1.0, 0.3869052446308145),
    ("pareto", 0, 0.0, 38.86, -0.5212313930428771, 0.29511816029135063, 0.1070720876829103),
    ("pareto2", 0, 0.0, 38.86, -0.152707370193081, 0.045512684282645224, 0.012994472716309062),
    ("bg", 2, 30.43, 38.86, -9.459681082320499, 0.7266079973001562, 1.2259111998992285),
    ("bg2", 2, 30.43, 38.86, -9.432981805750702, 0.3610149340061296, 0.4230804763907958),
    ("pareto", 2, 30.43, 38.86, -9.554253621632508, 0.8691242543735007, 1.45513531391564),
    ("pareto2", 2, 30.43, 38.86, -11.109699764730372, 0.7177552049270698, 0.6603254715524393),
    ("bg", 7, 29.43, 38.86, -21.864800175445886, 0.6417971241369419, 3.337216959610111),
    ("bg2", 7, 29.43, 38.86, -24.54311821880375, 0.3888628566268223, 1.1097386964208933),
    ("pareto", 7, 29.43, 38.86, -21.594196401957188, 0.7494269170952953, 3.71180957080656),
    ("pareto2", 7, 29.43, 38.86, -25.04016111449815, 0.595627538305006, 1.4927447821263669),
    ("bg", 26, 30.86, 31.0, -37.72827551040235, 0.9689192315509454, 20.75048390015057),
    ("bg2", 26, 30.86, 31.0, -49.836916710695725, 0.8889037149923648, 8.402800334426697),
    ("pareto", 26, 30.86, 31.0, -39.130845900541075, 0.9979180438374203, 20.11587793824256),
    ("pareto2", 26, 30.86, 31.0, -52.84134273556951, 0.9947072040850219, 8.810772381041584),
    ("bg", 1, 3.0, 300.0, -4.916695563879215, 0.029365079150264307, 0.004554245062551071),
    ("bg2", 1, 3.0, 300.0, -3.902876061996583, 0.004773635382061505, 0.00095982914383294),
    ("pareto", 1, 3.0, 300.0, -4.782727660892585, 0.00447657009824228, 0.0008420973180163698),
    ("pareto2", 1, 3.0, 300.0, -4.799282249394338, 0.00023535958391828965, 4.715170563903813e-05),
];

#[test]
fn figures_are_those_of_lifetimes() {
    for (name, count, last, age, likelihood, alive, purchases) in TOLD {
        let model = models().into_iter().find(|(n, _)| *n == name).unwrap().1;
        let of = Repeats::new(count, last, age).unwrap();
        for (found, expected) in [
            (model.log_likelihood(&of), likelihood),
            (model.probability_alive(&of), alive),
            (model.expected_purchases(&of, 39.0), purchases),
        ] {
            let close = (found - expected).abs() <= 2e-8 * expected.abs();
            assert!(close, "{name} {of:?}: {found} {expected}");
        }
    }
    let model = GammaGamma::new([6.25, 3.74, 15.45]).unwrap();
    for (days, mean, expected) in
        [(0, 0.0, 35.24178832116788), (1, 30.0, 31.597608453837598), (9, 80.0, 77.92104593998982)]
    {
        let found = model.expected_mean(days, mean).unwrap();
        assert!((found - expected).abs() < 1e-12 * expected, "{found} {expected}");
    }
}

#[test]
fn what_cannot_be_is_refused() {
    for (count, last, age) in
        [(1, 3.0, 2.0), (0, 1.0, 2.0), (1, 0.0, 2.0), (0, 0.0, -1.0), (0, 0.0, f64::NAN)]
    {
        let error = Repeats::new(count, last, age).unwrap_err().to_string();
        assert!(error.contains("0 <= recency <= T"), "{error}");
    }
    BgNbd::new([0.0, 1.0, 1.0, 1.0]).unwrap_err();
    ParetoNbd::new([1.0, f64::NAN, 1.0, 1.0]).unwrap_err();
    GammaGamma::new([1.0, 1.0, f64::INFINITY]).unwrap_err();
    // A tail too heavy for a mean.
    let heavy = GammaGamma::new([2.0, 0.9, 10.0]).unwrap();
    assert_eq!(heavy.expected_mean(0, 0.0), None);
    assert!(heavy.expected_mean(1, 5.0).is_some());
}

/// The slow twin of the expectation given that the customer is alive: the mean over the rate of
/// purchases and the chance (or rate) of leaving, by the midpoint rule.
fn slow_expected_if_alive(model: &PurchaseModel, of: &Repeats, days: f64) -> f64 {
    let x = f64::from(of.count());
    match model {
        PurchaseModel::BgNbd(m) => {
            let [r, alpha, a, b] = m.parameters();
            let (shape, rate) = (r + x, alpha + of.age());
            // (1 - (rate / (rate + p t))^shape) / p under p ~ Beta(a, b + x), over the logit of p.
            let (mut above, mut below) = (0.0, 0.0);
            let n = 200_000;
            for i in 0..n {
                let logit = 100.0 * ((f64::from(i) + 0.5) / f64::from(n) - 0.5);
                let p = 1.0 / (1.0 + (-logit).exp());
                let weight = (-a * (-logit).exp().ln_1p() - (b + x) * logit.exp().ln_1p()).exp();
                let gain = -(-shape * (p * days / rate).ln_1p()).exp_m1() / p;
                above += weight * gain;
                below += weight;
            }
            above / below
        }
        PurchaseModel::ParetoNbd(m) => {
            let [r, alpha, s, beta] = m.parameters();
            // The chance of still being there at u, times the rate of purchases.
            let n = 200_000;
            let step = days / f64::from(n);
            let there = |u: f64| (-s * (u / (beta + of.age())).ln_1p()).exp();
            let sum: f64 = (0..n).map(|i| there((f64::from(i) + 0.5) * step)).sum();
            (r + x) / (alpha + of.age()) * sum * step
        }
    }
}

#[test]
fn expectations_agree_with_integrals_also_where_the_formula_has_no_value() {
    let bg = |p| PurchaseModel::BgNbd(BgNbd::new(p).unwrap());
    let pareto = |p| PurchaseModel::ParetoNbd(ParetoNbd::new(p).unwrap());
    for model in [
        bg([0.3, 5.0, 1.0, 2.0]),
        bg([0.3, 5.0, 1.0 + 1e-7, 2.0]),
        bg([0.3, 5.0, 0.4, 1.6]),
        bg([2.0, 50.0, 9.0, 3.0]),
        pareto([0.5, 10.0, 1.0, 12.0]),
        pareto([0.5, 10.0, 1.0 + 1e-13, 12.0]),
    ] {
        for (count, last, age) in [(0, 0.0, 3.0), (1, 2.0, 100.0), (40, 380.0, 400.0)] {
            let of = Repeats::new(count, last, age).unwrap();
            for days in [1.0, 30.0, 365.0, 20_000.0] {
                let found = model.expected_if_alive(&of, days);
                let expected = slow_expected_if_alive(&model, &of, days);
                let close = (found - expected).abs() <= 1e-6 * expected;
                assert!(close, "{model:?} {of:?} {days}: {found} {expected}");
            }
        }
    }
}

#[test]
fn huge_counts_and_parameters_stay_numbers() {
    for scale in [1e-6, 1.0, 1e6] {
        for count in [0, 1, 5_000] {
            let last = if count == 0 { 0.0 } else { 10.0 };
            let of = Repeats::new(count, last, 3_000.0).unwrap();
            for family in PurchaseFamily::ALL {
                for p in [[scale; 4], [scale, 1.0, 1.0 / scale, 1.0], [1.0, scale, 1.0, scale]] {
                    let model = family.with(p).unwrap();
                    let alive = model.probability_alive(&of);
                    assert!((0.0..=1.0).contains(&alive), "{model:?} {of:?} {alive}");
                    let expected = model.expected_purchases(&of, 365.0);
                    assert!(expected.is_finite() && expected >= 0.0, "{model:?} {of:?} {expected}");
                    let likelihood = model.log_likelihood(&of);
                    assert!(likelihood.is_finite(), "{model:?} {of:?} {likelihood}");
                }
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_chance_of_being_a_customer_falls_with_silence_and_purchases_rise_with_time(
        p in prop::array::uniform4(0.05_f64..8.0),
        scale in 1.0_f64..60.0,
        count in 1_u32..60,
        last in 0.5_f64..400.0,
    ) {
        let [p0, p1, p2, p3] = p;
        let bg = PurchaseFamily::BgNbd.with([p0, p1 * scale, p2, p3]).unwrap();
        let pareto = PurchaseFamily::ParetoNbd.with([p0, p1 * scale, p2, p3 * scale]).unwrap();
        for model in [bg, pareto] {
            let mut before = 1.0;
            for silence in [0.0, 1.0, 10.0, 100.0, 1_000.0] {
                let of = Repeats::new(count, last, last + silence).unwrap();
                let alive = model.probability_alive(&of);
                prop_assert!((0.0..=1.0).contains(&alive));
                prop_assert!(alive <= before + 1e-12, "{model:?} {of:?}");
                before = alive;
                let mut fewer = 0.0;
                for days in [0.0, 1.0, 7.0, 30.0, 365.0, 3_650.0] {
                    let expected = model.expected_purchases(&of, days);
                    prop_assert!(expected >= fewer * (1.0 - 1e-9), "{model:?} {of:?} {days} {expected} {fewer}");
                    fewer = expected;
                }
                let waits = [0.1, 0.5, 0.9].map(|share| model.wait_quantile(&of, share));
                prop_assert!(0.0 < waits[0] && waits[0] < waits[1] && waits[1] < waits[2], "{waits:?}");
            }
        }
    }

    #[test]
    fn an_expected_mean_lies_between_the_own_one_and_the_populations(
        p in 0.2_f64..9.0, q in 1.1_f64..9.0, v in 0.1_f64..500.0,
        days in 1_u32..200, mean in 0.01_f64..1e4,
    ) {
        let model = GammaGamma::new([p, q, v]).unwrap();
        let all = model.expected_mean(0, 0.0).unwrap();
        let found = model.expected_mean(days, mean).unwrap();
        let (low, high) = (all.min(mean), all.max(mean));
        prop_assert!(low * (1.0 - 1e-12) <= found && found <= high * (1.0 + 1e-12));
    }
}

/// The probability of no purchase within some days, of a customer whose rate is gamma distributed: the slow way, an
/// integral over all rates, summed on a grid of their logarithms.
fn no_purchase(shape: f64, rate: f64, days: f64) -> f64 {
    let at = |step: i32| f64::from(step) * 0.01;
    let sum = |days: f64| -> f64 {
        let weight = |s: f64| (shape * (s + rate.ln()) - (rate + days) * s.exp()).exp();
        (-8_000..2_000).map(|step| weight(at(step))).sum()
    };
    sum(days) / sum(0.0)
}

#[test]
fn quantiles_of_the_wait_are_those_of_an_integral_over_all_rates() {
    for (count, last, age) in [(0, 0.0, 40.0), (1, 5.0, 90.0), (12, 80.0, 81.0)] {
        let of = Repeats::new(count, last, age).unwrap();
        for family in PurchaseFamily::ALL {
            let model = family.with([0.6, 9.0, 0.8, 2.5]).unwrap();
            for share in [0.0, 0.1, 0.5, 0.9] {
                let wait = model.wait_quantile(&of, share);
                let slow = no_purchase(0.6 + f64::from(count), 9.0 + age, wait);
                assert!((slow - (1.0 - share)).abs() < 1e-9, "{model:?} {of:?} {share} {slow}");
            }
        }
    }
}

#[test]
fn a_ledger_tells_profit_minus_cost_and_what_models_learn_from() {
    let kinds = Dictionary::new(vec!["mail".into(), "purchase".into(), "return".into()]);
    let rules = CustomerRules { returns: vec!["return".into()], ..CustomerRules::default() };
    let rules = rules.bind(&kinds).unwrap();
    let day = |d: i64| d * 86_400_000;
    let (tea, ring) = (Terms::key("tea"), Terms::key("ring"));
    let events = Events {
        times: vec![day(10), day(10) + 5, day(12), day(20), day(21), day(30)],
        kinds: vec![1, 1, 0, 1, 2, 1],
        products: vec![tea, ring, 0, tea, tea, tea],
        measures: vec![vec![10.0, 100.0, f64::NAN, 20.0, -20.0, f64::NAN]],
        ..Events::default()
    };
    let terms = Terms {
        margin: 0.5,
        margins: [(ring, 0.1)].into(),
        cost_to_serve: 1.0,
        cost_to_contact: 0.25,
        cost_of_return: 2.0,
        contacts: vec![0],
    };
    terms.validate().unwrap();
    let timeline = Timeline::new(&events, 0..6);
    let (mut kept, mut days) = (Events::default(), Vec::new());
    let history = timeline.history(day(41), &mut kept);
    let ledger = Ledger::read(&history, &rules, &terms, &Zone::default(), &mut days);
    assert_eq!(ledger.days.len(), 3);
    assert_eq!((ledger.days[0].amount, ledger.days[0].margin), (110.0, 15.0));
    assert!(ledger.days[2].margin.is_nan());
    // 15 + 10 - 10 taken back - 3 days served - 1 return - 1 mail.
    assert_eq!(ledger.profit(&terms), 15.0 + 10.0 - 10.0 - 3.0 - 2.0 - 0.25);
    assert_eq!(ledger.repeats(), Some(Repeats::new(2, 20.0, 30.0).unwrap()));
    assert_eq!(ledger.spend(), Spend { days: 1, mean: 10.0 });
    assert_eq!(ledger.within(11, 0).len(), 1);
    assert_eq!(ledger.within(10, 0).len(), 0);
    assert_eq!(ledger.within(10, 10).len(), 1);
    assert_eq!(ledger.within(11, 10).len(), 2);
    Terms { margin: 1.5, ..terms.clone() }.validate().unwrap_err();
    Terms { cost_of_return: f64::NAN, ..terms }.validate().unwrap_err();
}
