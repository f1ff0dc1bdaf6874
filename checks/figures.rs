//! Figures of rows read from standard input as `probability,target,weight`, in full, as JSON: what `metrics.py` compares with
//! scikit-learn. `cargo run -p rekindle-models --example figures -- THRESHOLD < rows.csv`

use std::io::BufRead;

use rekindle_models::metrics::{Auc, Confusion, Judged, Ranked};
use serde_json::json;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threshold: f64 = std::env::args().nth(1).ok_or("expected a threshold")?.parse()?;
    let (mut probability, mut target, mut weight) = (Vec::new(), Vec::new(), Vec::new());
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let cells: Vec<&str> = line.split(',').collect();
        let [p, y, w] = cells.as_slice() else {
            return Err(format!("found {line:?}, expected probability,target,weight").into());
        };
        probability.push(p.parse()?);
        target.push(*y == "1");
        weight.push(w.parse()?);
    }
    let judged =
        Judged { probability: &probability, target: &target, weight: &weight, group: None };
    let (ranked, counts) = (Ranked::new(&judged), Confusion::at(&judged, threshold));
    let weights = ranked.weights();
    let auc = Auc::new(&ranked);
    let figures = json!({
        "roc_auc": auc.value(),
        "roc_auc_interval": auc.interval(None, 0.95),
        "average_precision": ranked.average_precision(weights),
        "log_loss": ranked.log_loss(weights),
        "brier_score": ranked.brier_score(weights),
        "error_rate": counts.error_rate(),
        "miss_rate": counts.miss_rate(),
        "roc": ranked.roc_curve(),
        "thresholds": ranked.curve(threshold, None, 0.95),
    });
    println!("{figures}");
    Ok(())
}
