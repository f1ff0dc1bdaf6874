//! What a campaign's decisions, contacts and outcomes come to.

use crate::cell::{Cell, Fields, Told};
use crate::error::Result;
use crate::store::Store;

/// Decisions that are alike, counted.
#[derive(Debug, Clone, PartialEq)]
pub struct TallyLine {
    /// The action; `none` is one.
    pub action: String,
    /// By which way.
    pub channel: Option<String>,
    /// Whether they are held out at random.
    pub control: bool,
    /// Customers.
    pub customers: u64,
    /// What a contact with each of them costs together, in money.
    pub cost: f64,
    /// What they are expected to bring beyond it, in money.
    pub expected_profit: f64,
}

/// A campaign, counted.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Tally {
    /// By action, channel and whether held out.
    pub lines: Vec<TallyLine>,
    /// Contacts made.
    pub contacts: u64,
    /// Outcomes recorded.
    pub outcomes: u64,
}

impl Store {
    /// Counts a campaign, as of one moment; nothing where there is no such campaign.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn tally(&self, campaign_id: &str) -> Result<Tally> {
        const ACTION: &str = "count a campaign";
        if campaign_id.contains('\0') {
            return Ok(Tally::default());
        }
        let cells = [Cell::Text(campaign_id)];
        let lines = "SELECT action, channel, control, count(*), sum(cost), sum(expected_profit) FROM decisions \
                     WHERE campaign_id = $1 GROUP BY action, channel, control";
        let count = |table: &str| format!("SELECT count(*) FROM {table} WHERE campaign_id = $1");
        let mut moment = self.moment(ACTION).await?;
        let counted = async {
            let mut lines: Vec<TallyLine> = moment.fetch(lines, &cells).await?;
            let contacts: Vec<i64> = moment.fetch(&count("contacts"), &cells).await?;
            let outcomes: Vec<i64> = moment.fetch(&count("outcomes"), &cells).await?;
            moment.commit().await?;
            lines.sort_by(|a, b| {
                (&a.action, &a.channel, a.control).cmp(&(&b.action, &b.channel, b.control))
            });
            let whole = |counts: Vec<i64>| counts.first().map_or(0, |count| count.unsigned_abs());
            Ok(Tally { lines, contacts: whole(contacts), outcomes: whole(outcomes) })
        };
        counted.await.map_err(|source| self.failed(ACTION, source))
    }
}

impl Told for TallyLine {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<TallyLine> {
        Ok(TallyLine {
            action: row.next()?,
            channel: row.next()?,
            control: row.next()?,
            customers: row.next::<i64>()?.unsigned_abs(),
            cost: row.next()?,
            expected_profit: row.next()?,
        })
    }
}
