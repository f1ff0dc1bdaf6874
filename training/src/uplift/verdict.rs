//! Whether a model of uplift may be planned with: only where its policy beats every simple one beyond the interval.

use crate::uplift::judge::PolicyFigures;
use crate::uplift::propensity::LEAST;
use crate::verdict::Word;

/// Most rows without overlap, as a share.
const MOST_THIN: f64 = 0.05;

/// The verdict and why.
#[derive(Debug, Clone, PartialEq)]
pub struct UpliftVerdict {
    /// The verdict.
    pub word: Word,
    /// Why, in a sentence.
    pub reason: String,
}

/// Judges the policies' figures, of which the first is the model's own; `rows` were judged on. `usable` where the whole
/// interval of each gain is above 0; `unusable` where a simple policy is as good or better; between them
/// `not enough data`, with about how many more rows it would take if the gain is what it seems. `thin` is the share of rows
/// that hardly ever got some arm ([`Propensities::thin`](crate::uplift::Propensities)): with more than 5 % of them, what
/// that arm does with them is not known, and nothing is usable.
pub fn judge(policies: &[PolicyFigures], rows: usize, thin: f64) -> UpliftVerdict {
    if thin > MOST_THIN {
        let reason = format!(
            "{:.1} % of the customers hardly ever got one of the arms (propensity below {LEAST}): what it does with them \
             cannot be told apart from what they are",
            100.0 * thin
        );
        return UpliftVerdict { word: Word::NotEnoughData, reason };
    }
    let gains = || policies.iter().filter_map(|p| Some((p.policy.as_str(), p.model_gains?)));
    let worst = gains().min_by(|a, b| a.1.value.total_cmp(&b.1.value));
    if let Some((policy, gain)) = worst.filter(|(_, gain)| gain.value <= 0.0) {
        let less = if gain.value == 0.0 { "no more" } else { "less" };
        let reason = format!(
            "the model's plan brings {less} than contacting {policy} ({}): no differences between customers that \
             pay were found",
            range(gain)
        );
        return UpliftVerdict { word: Word::Unusable, reason };
    }
    let unsure =
        gains().filter(|(_, gain)| gain.low.is_nan() || gain.low <= 0.0).map(|(policy, gain)| {
            // The interval shrinks with the root of the rows.
            let needed = rows as f64 * ((gain.value - gain.low) / gain.value).powi(2);
            (policy, gain, needed)
        });
    match unsure.max_by(|a, b| a.2.total_cmp(&b.2)) {
        Some((policy, gain, needed)) => UpliftVerdict {
            word: Word::NotEnoughData,
            reason: format!(
                "the model's plan may bring no more than contacting {policy} ({}); about {:.0} more customers would \
                 tell",
                range(gain),
                (needed - rows as f64).max(1.0)
            ),
        },
        None => UpliftVerdict {
            word: Word::Usable,
            reason: "the model's plan brings more than each simple policy, beyond its interval"
                .to_owned(),
        },
    }
}

fn range(gain: rekindle_models::metrics::Interval) -> String {
    format!("{:+.4} a customer, {:+.4} to {:+.4}", gain.value, gain.low, gain.high)
}
