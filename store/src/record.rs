//! Rows of a campaign that may come twice: a row is known by its key, and the same row changes nothing.

use crate::campaign::Campaign;
use crate::cell::{Batch, Cell, Table, Told, Written};
use crate::database::Transaction;
use crate::error::{Error, Result};
use crate::revision::{self, Noun};
use crate::store::Store;

/// What became of rows that were recorded.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Recorded {
    /// They were not there, and are.
    pub new: u64,
    /// They were there, or came twice.
    pub known: u64,
    /// The campaign has no decision for their customers, who were never in it or have been erased: not kept.
    pub unknown: u64,
}

/// A table of such rows.
pub(crate) struct Kind {
    /// What a row is.
    pub noun: &'static str,
    /// What is tried.
    pub action: &'static str,
    /// Where rows are kept.
    pub table: &'static Table,
    /// What a row is known by in its campaign.
    pub key: &'static [&'static str],
    /// What must be the same when it comes again.
    pub same: &'static [&'static str],
}

impl Kind {
    fn keys(&self) -> String {
        self.key.join(", ")
    }

    /// The first row that is kept with other contents: its place, and the row that is kept.
    fn other(&self) -> String {
        let join: Vec<String> = self.key.iter().map(|c| format!("k.{c} = i.{c}")).collect();
        let differs: Vec<String> =
            self.same.iter().map(|c| format!("k.{c} IS DISTINCT FROM i.{c}")).collect();
        let kept: Vec<String> = self.table.columns[1..].iter().map(|c| format!("k.{c}")).collect();
        format!(
            "SELECT i.place, {} FROM {} AS i JOIN {} AS k ON k.campaign_id = i.campaign_id AND {} \
             WHERE {} ORDER BY i.place LIMIT 1",
            kept.join(", "),
            self.table.incoming(),
            self.table.name,
            join.join(" AND "),
            differs.join(" OR ")
        )
    }

    /// What the two rows differ in.
    fn difference<T: Written>(&self, place: usize, found: &T, kept: &T) -> Error {
        let (mut of_found, mut of_kept) = (Vec::new(), Vec::new());
        found.cells(&mut of_found);
        kept.cells(&mut of_kept);
        let columns = self.table.columns[1..].iter().zip(of_found.iter().zip(&of_kept));
        let id: Vec<String> = (columns.clone())
            .filter(|(column, _)| self.key.contains(column))
            .map(|(_, (cell, _))| cell.to_string())
            .collect();
        let is_other =
            |(column, (a, b)): &(&&str, (&Cell, &Cell))| self.same.contains(column) && a != b;
        let (field, found, kept) = match columns.clone().find(is_other) {
            Some((field, (found, kept))) => (*field, found.to_string(), kept.to_string()),
            None => ("a field", "one".to_owned(), "another".to_owned()),
        };
        Error::Differs { noun: self.noun, place, id: id.join(" "), field, found, kept }
    }
}

impl Store {
    /// Records rows, which have been looked at: all or, on an error, none.
    pub(crate) async fn record<T: Written + Told>(
        &self,
        kind: &Kind,
        campaign_id: &str,
        rows: &[T],
    ) -> Result<Recorded> {
        let known: Option<Campaign> = self.campaign(campaign_id).await?;
        if known.is_none() {
            return Err(self.no_campaign(campaign_id));
        }
        if rows.is_empty() {
            return Ok(Recorded::default());
        }
        let all = self.write(kind.action).await?;
        let recorded = record(all, kind, campaign_id, rows).await;
        match recorded.map_err(|source| self.failed(kind.action, source))? {
            Ok(recorded) => Ok(recorded),
            Err((place, kept)) => Err(kind.difference(place + 1, &rows[place], &kept)),
        }
    }
}

type OrOther<T> = std::result::Result<Recorded, (usize, T)>;

async fn record<T: Written + Told>(
    mut all: Transaction,
    kind: &Kind,
    campaign_id: &str,
    rows: &[T],
) -> sqlx::Result<OrOther<T>> {
    let (incoming, columns) = (kind.table.incoming(), kind.table.list());
    let lead = [Cell::Text(campaign_id)];
    all.stage(&Batch { table: kind.table, lead: &lead, rows }).await?;
    if let Transaction::Postgres(_) = &all {
        // Who is erased meanwhile is erased before or after this. (In SQLite one writes at a time.)
        let hold = format!(
            "SELECT count(*) FROM (SELECT 1 FROM decisions WHERE campaign_id = $1 AND customer_id IN \
             (SELECT customer_id FROM {incoming}) ORDER BY customer_id FOR KEY SHARE) AS held"
        );
        all.fetch::<i64>(&hold, &lead).await?;
    }
    let leave = format!(
        "DELETE FROM {incoming} WHERE NOT EXISTS (SELECT 1 FROM decisions AS d WHERE d.campaign_id = $1 \
         AND d.customer_id = {incoming}.customer_id)"
    );
    let unknown = all.execute(&leave, &lead).await?;
    // In the order of the key, so that two programs that write at once wait for each other, not in a ring.
    let keep = format!(
        "INSERT INTO {} ({columns}) SELECT {columns} FROM {incoming} WHERE TRUE \
         ORDER BY {}, place ON CONFLICT DO NOTHING",
        kind.table.name,
        kind.keys()
    );
    let new = all.execute(&keep, &[]).await?;
    if new + unknown < rows.len() as u64
        && let Some((place, kept)) = all.fetch::<(i64, T)>(&kind.other(), &[]).await?.pop()
    {
        return Ok(Err((place as usize, kept)));
    }
    revision::raise(&mut all, Noun::Records).await?;
    all.commit_staged(&incoming).await?;
    Ok(Ok(Recorded { new, known: rows.len() as u64 - new - unknown, unknown }))
}
