//! Influence shares as people read them: the largest of each list, and what is noise together.

use rekindle_models::artifact::{Influence, Share};

use crate::report::{grouped, percent};

/// What the columns of the tables hold; the first names the list.
pub const COLUMNS: [&str; 4] = ["features", "share", "direction", "null test"];

/// A list of shares with what its first column holds.
pub struct List<'a> {
    /// `feature`, `behaviour`, `events` or `group`.
    pub what: &'static str,
    /// The shares.
    pub shares: &'a [Share],
}

/// The lists that tell something: the user's groups, behaviours and events where features were made from events,
/// else features.
pub fn lists(influence: &Influence) -> Vec<List<'_>> {
    let features = match influence.behaviours.is_empty() {
        true => influence.features.as_slice(),
        false => &[],
    };
    [
        List { what: "group", shares: &influence.groups },
        List { what: "behaviour", shares: &influence.behaviours },
        List { what: "feature", shares: features },
        List { what: "events", shares: &influence.events },
    ]
    .into_iter()
    .filter(|list| !list.shares.is_empty())
    .collect()
}

/// The `most` largest shares above the noise line, the rest of those together, and noise together.
pub fn rows(list: &List<'_>, most: usize) -> Vec<[String; 5]> {
    let above: Vec<&Share> = list.shares.iter().filter(|share| share.above_noise).collect();
    let below: Vec<&Share> = list.shares.iter().filter(|share| !share.above_noise).collect();
    let one = |share: &&Share| {
        let i = &share.share;
        let interval = format!("[{:.1}, {:.1}]", i.low * 100.0, i.high * 100.0);
        [
            share.name.clone(),
            grouped(share.features),
            format!("{} {interval}", percent(i.value)),
            share.direction.clone(),
            "above noise".to_owned(),
        ]
    };
    let together = |name: &str, of: &[&Share], test: &str| {
        let sum: f64 = of.iter().map(|share| share.share.value).sum();
        let features = of.iter().map(|share| share.features).sum();
        let name = format!("{} {name}", grouped(of.len()));
        [name, grouped(features), percent(sum), String::new(), test.to_owned()]
    };
    let mut rows: Vec<[String; 5]> = above.iter().take(most).map(one).collect();
    if above.len() > most {
        rows.push(together("more", &above[most..], "above noise"));
    }
    if !below.is_empty() {
        rows.push(together("others", &below, "noise"));
    }
    rows
}

/// What the shares are of, and what the line is, in a sentence.
pub fn meaning(influence: &Influence) -> String {
    format!(
        "shares of the mean absolute contribution on {} rows that were not learned from; a feature under {:.2} % is \
         noise: as much got the best of {} shuffled ones",
        grouped(influence.rows),
        influence.noise_line * 100.0,
        influence.shadows
    )
}
