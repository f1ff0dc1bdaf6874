//! What an evaluation costs beyond scoring: all figures, curves and intervals of so many rows, the median of three.
//! `RAYON_NUM_THREADS=2 cargo run --release -p rekindle-training --example evaluation -- 1000000`

use std::time::Instant;

use rekindle_models::metrics::Judged;
use rekindle_models::seed::{mix2, unit};
use rekindle_training::evaluate::{Question, evaluate};
use rekindle_training::verdict::Limits;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows: u64 = std::env::args().nth(1).ok_or("expected a number of rows")?.parse()?;
    let draw = |row: u64, what: u64| unit(mix2(mix2(7, row), what));
    let probability: Vec<f64> = (0..rows).map(|row| draw(row, 0).powi(4)).collect();
    let target: Vec<bool> =
        (0..).zip(&probability).map(|(row, chance)| draw(row, 1) < *chance).collect();
    // Whole days, as recency has: many rows are alike.
    let rule: Vec<f64> =
        (0..).zip(&probability).map(|(row, p)| (90.0 * (p + draw(row, 2))).floor()).collect();
    let weight = vec![1.0; probability.len()];
    let group: Vec<u64> = (0..rows).map(|row| mix2(3, row)).collect();
    for (name, group) in [("rows", None), ("rows of customers", Some(group.as_slice()))] {
        let judged = Judged { probability: &probability, target: &target, weight: &weight, group };
        let limits = Limits::default();
        let question = Question {
            threshold: 0.5,
            limits: &limits,
            fitted_base_rate: 0.2,
            rule: ("recency rule", "recency_days"),
            rule_scores: &rule,
            rivals: Vec::new(),
            stakes: None,
            seed: 0,
        };
        let once = || {
            let start = Instant::now();
            let (evaluation, curves) = evaluate(&judged, &question);
            let seconds = start.elapsed().as_secs_f64();
            let auc = evaluation.roc_auc.value;
            assert!(auc > 0.5 && curves.is_some(), "the rows have both classes");
            seconds
        };
        let mut seconds = [once(), once(), once()];
        seconds.sort_by(f64::total_cmp);
        println!("{rows} {name}: {:.2} s (median of {seconds:.2?})", seconds[1]);
    }
    Ok(())
}
