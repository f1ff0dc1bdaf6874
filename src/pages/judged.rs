//! How good a model is, as pages write it: verdict, figures between their bounds, age.

use std::time::SystemTime;

use maud::{Markup, html};
use rekindle_models::artifact::VerdictEntry;
use rekindle_models::metrics::Interval;

use crate::pages::locale::{UNKNOWN, number, percent};
use crate::pages::visitor::Visitor;
use crate::pages::words::verdict;

/// A verdict as a badge.
pub fn verdict_badge(said: Option<&VerdictEntry>, visitor: &Visitor) -> Markup {
    let Some(said) = said else {
        return html! { span.faint { (visitor.texts().shell.not_known) } };
    };
    let class = match said.verdict.as_str() {
        "usable" => "good",
        "unusable" => "bad",
        _ => "unsure",
    };
    html! { span.badge.(class) { (verdict(&said.verdict, visitor.language)) } }
}

/// A rate between its bounds.
pub fn rate(rate: Option<&Interval>) -> String {
    between(rate, |share| percent(share, 1))
}

/// A figure without a unit between its bounds.
pub fn figure(figure: Option<&Interval>) -> String {
    between(figure, |value| number(value, 3))
}

/// A figure between its bounds, where these are known.
pub fn between(figure: Option<&Interval>, told: impl Fn(f64) -> String) -> String {
    match figure {
        None => UNKNOWN.to_owned(),
        Some(figure) if figure.low.is_nan() || figure.high.is_nan() => told(figure.value),
        Some(figure) => {
            format!("{} [{}, {}]", told(figure.value), told(figure.low), told(figure.high))
        }
    }
}

/// Days since a model was written.
pub fn age_days(written: Option<SystemTime>) -> u64 {
    let age = written.and_then(|written| SystemTime::now().duration_since(written).ok());
    age.unwrap_or_default().as_secs() / 86_400
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_is_not_made_up() {
        let interval = |value, low, high| Interval { value, low, high };
        assert_eq!(rate(Some(&interval(0.123, 0.1, 0.2))), "12.3% [10.0%, 20.0%]");
        assert_eq!(rate(Some(&interval(0.123, f64::NAN, f64::NAN))), "12.3%");
        assert_eq!(figure(Some(&interval(0.8, 0.75, 0.85))), "0.800 [0.750, 0.850]");
        assert_eq!(rate(None), UNKNOWN);
    }
}
