//! What the page's words mean, for those who do not judge models every day: a line each.

use maud::{Markup, html};

use super::table;

/// The words, in the order in which a reader meets them.
const WORDS: [(&str, &str); 14] = [
    ("target", "What is to be foretold of a customer, such as not coming back within 60 days."),
    ("base rate", "The share of all customers with the target: what picking at random would hit."),
    (
        "probability, calibration",
        "How likely the model holds the target to be. It is calibrated where, of those given 30 %, about 30 % have it.",
    ),
    ("threshold", "The probability from which on a customer is predicted positive."),
    ("error rate", "Of those predicted positive, the share that was not. Lower is better."),
    ("miss rate", "Of those truly positive, the share that was not found. Lower is better."),
    (
        "ROC AUC",
        "How often a customer with the target is ranked above one without. 0.5 is chance, 1 is perfect.",
    ),
    (
        "average precision",
        "The share of truly positive among those ranked highest, averaged over all thresholds. The base rate is chance, 1 is perfect.",
    ),
    (
        "log loss",
        "How far probabilities are from what came; being sure and wrong costs most. Lower is better.",
    ),
    (
        "Brier score",
        "The mean squared distance of the probability from what came, 0 or 1. Lower is better.",
    ),
    (
        "ECE",
        "Expected calibration error: how far probabilities are, on average, from the shares that came. Lower is better.",
    ),
    (
        "lift",
        "How many times the base rate is found among the likeliest, such as the first 10 %. 1 is chance.",
    ),
    (
        "interval",
        "Where the true figure lies with the confidence told, given how few rows it was counted on: [low, high].",
    ),
    (
        "noise line",
        "The share of the predictions that features of nothing but chance can get: what is below it may be chance, too.",
    ),
];

/// The words as the last part of the page.
pub fn details() -> Markup {
    let told: Vec<(&str, String)> =
        WORDS.iter().map(|(word, means)| (*word, (*means).to_owned())).collect();
    html! {
        details class="words" id="words" {
            summary { "Words: what error rate, lift and the others mean" }
            (table::pairs(&told))
        }
    }
}
