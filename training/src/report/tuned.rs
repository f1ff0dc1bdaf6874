//! The parameters that were tried, as tables.

use crate::tune::{Trial, Tuned};

/// Trials shown in a terminal, besides the parameters given.
const SHOWN: usize = 5;

/// The names of a trial's columns.
pub const COLUMNS: [&str; 11] = [
    "draw",
    "customers",
    "value",
    "num_iterations",
    "learning_rate",
    "num_leaves",
    "min_data_in_leaf",
    "lambda_l2",
    "feature_fraction",
    "bagging_fraction",
    "cat_smooth",
];

/// What was looked for and found, in a sentence.
pub fn found(tuned: &Tuned) -> String {
    let most = tuned.trials.iter().filter(|trial| trial.share == 1.0);
    let of = |draw: usize| most.clone().find(|trial| trial.draw == draw).map(|trial| trial.value);
    let own = of(0).unwrap_or(f64::NAN);
    let sought = format!(
        "{} trials for the best {} on validation rows (again with --budget {})",
        tuned.trials.len(),
        tuned.objective,
        tuned.fits
    );
    match (tuned.taken, of(tuned.taken)) {
        (0, _) | (_, None) => format!("{sought}: none beats the parameters given, {own:.4}"),
        (taken, Some(value)) => {
            format!("{sought}: draw {taken} with {value:.4}, the parameters given {own:.4}")
        }
    }
}

/// The best trials on all customers, and that of the parameters given.
pub fn shown(tuned: &Tuned) -> Vec<[String; 11]> {
    let best = tuned.trials.iter().filter(|trial| trial.share == 1.0);
    let shown = best.enumerate().filter(|(place, trial)| *place < SHOWN || trial.draw == 0);
    shown.map(|(_, trial)| cells(trial)).collect()
}

/// A trial as a row.
pub fn cells(trial: &Trial) -> [String; 11] {
    [
        trial.draw.to_string(),
        format!("{:.0} %", trial.share * 100.0),
        format!("{:.4}", trial.value),
        trial.num_iterations.to_string(),
        format!("{:.4}", trial.learning_rate),
        trial.num_leaves.to_string(),
        trial.min_data_in_leaf.to_string(),
        format!("{:.3}", trial.lambda_l2),
        format!("{:.3}", trial.feature_fraction),
        format!("{:.3}", trial.bagging_fraction),
        format!("{:.2}", trial.cat_smooth),
    ]
}
