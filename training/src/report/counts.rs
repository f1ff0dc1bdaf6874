//! Counts of customers as a person reads them on the terminal: who was asked what, and who is what.

use crate::customers::Share;
use crate::panel::Population;
use crate::report::{grouped, percent, table};

/// Who was asked what, when, and how many said yes; nothing where nothing was asked.
pub fn populations_terminal(populations: &[Population]) -> String {
    let rows = populations.iter().map(|p| {
        let rate = match p.eligible {
            0 => "-".to_owned(),
            _ => percent(p.stand_for_positives / p.stand_for),
        };
        let cutoff = p.cutoff.clone().unwrap_or_else(|| "each its own".to_owned());
        [p.target.clone(), cutoff, whole(p.eligible), whole(p.positives), rate]
    });
    if populations.is_empty() {
        return String::new();
    }
    format!("\n{}", table(&["target", "cutoff", "eligible", "with target", "base rate"], 2, rows))
}

/// How many customers are of each sort.
pub fn shares_terminal(shares: &[Share]) -> String {
    let all = |what: &str| -> u64 {
        shares.iter().filter(|share| share.what == what).map(|share| share.customers).sum()
    };
    let rows = shares.iter().map(|share| {
        let part = percent(share.customers as f64 / all(share.what) as f64);
        [share.what.to_owned(), share.is.to_owned(), whole(share.customers), part]
    });
    table(&["", "", "customers", "share"], 2, rows)
}

fn whole(number: u64) -> String {
    usize::try_from(number).map_or_else(|_| number.to_string(), grouped)
}
