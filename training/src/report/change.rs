//! Why a score changed, as a person reads it in a terminal: a sentence, the parts, the features, the events.

use rekindle_models::reasons::Moves;

use crate::change::{Change, KindCount, NewEvents, Part, ScoreThen};
use crate::report::table;

/// Most features that are shown of a step.
const FEATURES: usize = 10;
/// Most features that the sentence names for a part.
const NAMED: usize = 1;
/// Most names of new features that are shown.
const NAMES: usize = 5;

/// The change as lines of text.
pub fn change_terminal(change: &Change<'_>) -> String {
    let mut page = format!("{}\n\n", sentence(change));
    page += &scores(change);
    page.push('\n');
    page += &parts(change);
    for (what, moves) in [("late data", &change.late_data), ("behaviour", &change.behaviour)] {
        let Some(moves) = moves.as_ref().filter(|m| !m.told.is_empty() || m.hidden != 0.0) else {
            continue;
        };
        page.push('\n');
        page += &features(what, moves);
    }
    page += "\n  [late data, then behaviour, then model: each step goes on from the one before it, so that they add up; in \
             another order they would be told apart otherwise. margin: log odds before calibration]\n";
    if let Some(why) = &change.no_reasons {
        page += &format!("  [by feature nothing is told of {}: {why}]\n", model(&change.from));
    }
    for score in [&change.from, &change.to].into_iter().filter(|score| score.asked == Some(false)) {
        page += &format!(
            "  warning: at {} the customer is not one of those who are asked {}: no score was due\n",
            score.cutoff, change.target
        );
    }
    page
}

/// The change in one sentence.
fn sentence(change: &Change<'_>) -> String {
    let (from, to, parts) = (&change.from, &change.to, &change.parts);
    let who = format!("{}, {}", change.customer_id, change.target);
    if from.probability == to.probability && from.margin == to.margin {
        return format!("{who}: {:.3} at both, nothing changed", from.probability);
    }
    let named = |part: Part, moves: Option<&Moves<'_>>, otherwise: String| {
        let told = moves.map_or(&[][..], |moves| &moves.told);
        let way = told.iter().filter(|moved| moved.contribution * part.margin > 0.0);
        let texts: Vec<&str> = way.map(|moved| moved.text.as_str()).take(NAMED).collect();
        match (part == Part::default(), texts.is_empty()) {
            (true, _) => String::new(),
            (false, false) => format!(" ({})", texts.join("; ")),
            (false, true) if otherwise.is_empty() => String::new(),
            (false, true) => format!(" ({otherwise})"),
        }
    };
    let events = &change.events;
    let late = named(parts.late_data, change.late_data.as_ref(), kinds(&events.late));
    let behaviour = named(parts.behaviour, change.behaviour.as_ref(), happened(change));
    format!(
        "{who}: from {:.3} to {:.3} ({}): behaviour {}{behaviour}, late data {}{late}, model {}",
        from.probability,
        to.probability,
        signed(to.probability - from.probability, 3),
        signed(parts.behaviour.probability, 3),
        signed(parts.late_data.probability, 3),
        signed(parts.model.probability, 3),
    )
}

fn scores(change: &Change<'_>) -> String {
    let header = ["score", "model", "at", "events", "probability", "percentile", "decision"];
    let row = |name: &str, score: &ScoreThen| {
        let (sign, word) = if score.positive { (">=", "positive") } else { ("<", "negative") };
        [
            name.to_owned(),
            model(score),
            score.cutoff.clone(),
            score.events.to_string(),
            format!("{:.4}", score.probability),
            score.percentile.to_string(),
            format!("{word} ({sign} {:.4})", score.threshold),
        ]
    };
    table(&header, 3, [row("from", &change.from), row("to", &change.to)].into_iter())
}

fn parts(change: &Change<'_>) -> String {
    let parts = &change.parts;
    let row = |name: &str, part: Part, what: String| {
        let (probability, margin) = (signed(part.probability, 4), signed(part.margin, 4));
        let line = format!("  {name:<10} {probability:>11} {margin:>9}  {what}");
        line.trim_end().to_owned() + "\n"
    };
    let late = match kinds(&change.events.late).as_str() {
        "" if parts.late_data != Part::default() => {
            format!("attributes that became known after {}", change.from.cutoff)
        }
        "" => format!("no event before {} was received after it", change.from.cutoff),
        late => format!("received after {}: {late}", change.from.cutoff),
    };
    let whole = Part {
        probability: change.to.probability - change.from.probability,
        margin: change.to.margin - change.from.margin,
    };
    let rows = [
        row("late data", parts.late_data, late),
        row("behaviour", parts.behaviour, happened(change)),
        row("model", parts.model, models(change)),
        row("together", whole, String::new()),
    ];
    format!("  {:<10} {:>11} {:>9}\n{}", "part", "probability", "margin", rows.concat())
}

fn features(what: &str, moves: &Moves<'_>) -> String {
    let mut lines =
        format!("  {:>9}  {what} by feature: what is said now (and was before)\n", "margin");
    for moved in moves.told.iter().take(FEATURES) {
        lines += &format!("  {:>9}  {}\n", signed(moved.contribution, 4), moved.text);
    }
    let rest = moves.told.get(FEATURES..).unwrap_or_default();
    if !rest.is_empty() {
        let sum: f64 = rest.iter().map(|moved| moved.contribution).sum();
        lines += &format!("  {:>9}  {} more, together\n", signed(sum, 4), rest.len());
    }
    if moves.hidden != 0.0 {
        lines +=
            &format!("  {:>9}  features that marketing is not told of\n", signed(moves.hidden, 4));
    }
    lines
}

/// What happened between the cutoffs.
fn happened(change: &Change<'_>) -> String {
    let NewEvents { between, not_yet_received, silent_days, .. } = &change.events;
    if change.from.cutoff == change.to.cutoff {
        return "the same cutoff".to_owned();
    }
    let happened = match (kinds(between), silent_days) {
        (kinds, _) if !kinds.is_empty() => kinds,
        (_, [Some(before), Some(now)]) => {
            let more = format!("{:.0}", now - before);
            format!("nothing happened; {more} more days of silence, {now:.0} in all")
        }
        _ => "nothing happened".to_owned(),
    };
    match not_yet_received {
        0 => happened,
        n => format!("{happened}; {n} not received by then"),
    }
}

/// What is different about the models.
fn models(change: &Change<'_>) -> String {
    let parts = &change.parts;
    if (&change.from.model_name, change.from.model_version)
        == (&change.to.model_name, change.to.model_version)
        && parts.model == Part::default()
    {
        return "the same model".to_owned();
    }
    let names = |what: &str, names: &[String]| match names.len() {
        0 => String::new(),
        n => {
            let more = if n > NAMES { ", ..." } else { "" };
            format!("; {n} features {what}: {}{more}", names[..n.min(NAMES)].join(", "))
        }
    };
    format!(
        "{} -> {}: margin {}, calibration {}{}{}",
        model(&change.from),
        model(&change.to),
        signed(parts.model_margin, 4),
        signed(parts.model_calibration, 4),
        names("new", &change.features_added),
        names("gone", &change.features_removed)
    )
}

fn model(score: &ScoreThen) -> String {
    let version = score.model_version.map_or_else(String::new, |version| format!(" {version}"));
    format!("{}{version}", score.model_name)
}

/// Events by kind, the most frequent first.
fn kinds(counts: &[KindCount]) -> String {
    let mut sorted: Vec<&KindCount> = counts.iter().collect();
    sorted.sort_by_key(|count| std::cmp::Reverse(count.events));
    let one = |count: &&KindCount| {
        let amount = count.amount.map_or_else(String::new, |sum| format!(" (amount {sum:.2})"));
        format!("{} {}{amount}", count.events, count.kind)
    };
    sorted.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A number with its sign; what rounds to 0 has none.
fn signed(number: f64, decimals: usize) -> String {
    let text = format!("{number:+.decimals$}");
    let zero = text.chars().all(|c| matches!(c, '+' | '-' | '0' | '.'));
    if zero { format!("{:.decimals$}", 0.0) } else { text }
}
