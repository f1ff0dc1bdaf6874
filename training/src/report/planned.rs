//! A plan's totals as a person reads them on the terminal.

use rekindle_models::policy::{Places, Totals};

use crate::report::{grouped, percent, table};

/// The totals as lines of text.
pub fn plan_terminal(totals: &Totals) -> String {
    let mut lines = Vec::new();
    let mut line = |name: &str, text: String| lines.push(format!("  {name:<17}{text}"));
    line(
        "contacted",
        format!("{} of {} customers", count(totals.contacted), count(totals.customers)),
    );
    line(
        "control",
        format!(
            "{} held out at random ({} of those who would be contacted, each with probability {})",
            count(totals.control),
            percent(share(totals.control, totals.control + totals.contacted)),
            totals.control_share
        ),
    );
    let spent =
        format!("contacts {:.2}, offers {:.2} as expected", totals.contact_cost, totals.offer_cost);
    match totals.budget {
        Some(budget) => line("spent", format!("{:.2} of {budget:.2}: {spent}", totals.spent)),
        None => line("spent", format!("{:.2}, without a budget: {spent}", totals.spent)),
    }
    let how = if totals.assumed { "expected, by ASSUMED uplift" } else { "expected, after costs" };
    line("profit", format!("{:.2} {how}", totals.expected_profit));
    line("at most", best(totals));
    if let Some(marginal) = totals.marginal_budget {
        line("budget", format!("one more unit of budget would bring {marginal:.2}"));
    }
    for places in &totals.places {
        line(&format!("{} {}", places.what, places.name), of_places(places));
    }
    if totals.assumed {
        line(
            "assumed",
            format!(
                "uplift of {} is assumed, not learned: no experiment stands behind it",
                totals.assumed_actions.join(", ")
            ),
        );
    }
    let groups = totals.groups.iter().map(|group| {
        [
            group.what.to_owned(),
            group.is.clone(),
            count(group.contacted),
            count(group.control),
            format!("{:.2}", group.cost),
            format!("{:.2}", group.expected_profit),
        ]
    });
    let groups = table(&["", "", "contacted", "control", "cost", "profit"], 2, groups);
    let why = totals.why.iter().map(|(why, customers)| [(*why).to_owned(), count(*customers)]);
    let why = table(&["why", "customers"], 1, why);
    format!("{}\n\n{groups}\n{why}", lines.join("\n"))
}

fn best(totals: &Totals) -> String {
    match totals.exact {
        true => "no plan within these limits is expected to bring more".to_owned(),
        false => format!(
            "{:.2} by any plan within these limits: this one is within {:.4} % of it",
            totals.bound,
            100.0 * totals.gap
        ),
    }
}

fn of_places(places: &Places) -> String {
    let taken = format!("{} of {} taken", count(places.taken), count(places.most));
    match places.marginal {
        Some(marginal) if marginal > 0.0 => {
            format!("{taken}; one more would bring {marginal:.2}")
        }
        _ => taken,
    }
}

fn share(part: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { part as f64 / all as f64 }
}

fn count(number: u64) -> String {
    usize::try_from(number).map_or_else(|_| number.to_string(), grouped)
}
