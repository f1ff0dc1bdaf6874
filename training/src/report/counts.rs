//! Counts of customers as a person reads them on the terminal: who was asked what, and who is what.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};

use crate::customers::Share;
use crate::panel::Population;
use crate::report::{grouped, percent};

/// Who was asked what, when, and how many said yes; nothing where nothing was asked.
pub fn populations_terminal(populations: &[Population]) -> String {
    let rows = populations.iter().map(|p| {
        let rate = match p.eligible {
            0 => "-".to_owned(),
            n => percent(p.positives as f64 / n as f64),
        };
        let cutoff = p.cutoff.clone().unwrap_or_else(|| "each its own".to_owned());
        [p.target.clone(), cutoff, whole(p.eligible), whole(p.positives), rate]
    });
    if populations.is_empty() {
        return String::new();
    }
    format!("\n{}", table(&["target", "cutoff", "eligible", "with target", "base rate"], rows))
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
    table(&["", "", "customers", "share"], rows)
}

/// A table whose columns after the second are numbers.
fn table<const N: usize>(header: &[&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(header.as_slice());
    rows.for_each(|row| {
        table.add_row(row);
    });
    for column in 2..N {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.to_string().lines().map(|line| format!("  {}\n", line.trim_end())).collect()
}

fn whole(number: u64) -> String {
    usize::try_from(number).map_or_else(|_| number.to_string(), grouped)
}
