//! Lists of campaigns on their way to other programs, page after page. Sends nothing itself.

use crate::cell::{Cell, Fields, Told, misfit};
use crate::decision::Choice;
use crate::error::Result;
use crate::store::Store;

/// Where a delivery stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliveryState {
    /// There are pages to send.
    Sending,
    /// All was taken.
    Sent,
    /// It was given up; beginning it again goes on where it stopped.
    Failed,
}

impl DeliveryState {
    /// Its word: `sending`, `sent`, `failed`.
    pub fn text(self) -> &'static str {
        match self {
            DeliveryState::Sending => "sending",
            DeliveryState::Sent => "sent",
            DeliveryState::Failed => "failed",
        }
    }
}

/// A list, or a part of it, on its way to one program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// The campaign.
    pub campaign_id: String,
    /// The name of whom it goes to.
    pub webhook: String,
    /// The action whose customers are sent; `None`: all.
    pub action: Option<String>,
    /// The channel whose customers are sent; `None`: all.
    pub channel: Option<String>,
    /// Where it stands.
    pub state: DeliveryState,
    /// The last customer that was sent; the next page begins behind it.
    pub after: String,
    /// Customers sent.
    pub customers: u64,
    /// How often the next page was tried in vain.
    pub attempts: u64,
    /// When the next page is due, in microseconds since 1970-01-01T00:00:00Z.
    pub due_at_micros: i64,
    /// Why it was tried in vain the last time.
    pub fault: Option<String>,
}

const COLUMNS: &str = "campaign_id, webhook, action, channel, state, after_customer, customers, attempts, due_at_micros, \
     fault";
const KEY: &str = "campaign_id = $1 AND webhook = $2 AND action = $3 AND channel = $4";

impl Delivery {
    /// What it is known by, as cells `$1` to `$4`.
    fn key(&self) -> [Cell<'_>; 4] {
        [
            Cell::Text(&self.campaign_id),
            Cell::Text(&self.webhook),
            Cell::Text(self.action.as_deref().unwrap_or_default()),
            Cell::Text(self.channel.as_deref().unwrap_or_default()),
        ]
    }

    /// Which decisions it sends.
    pub fn choice(&self) -> Choice {
        Choice {
            action: self.action.clone(),
            channel: self.channel.clone(),
            control: Some(false),
            planned: true,
        }
    }
}

impl Store {
    /// Begins to deliver a campaign's list to a webhook, or goes on with what was given up; one that is under way or has
    /// arrived stays as it is. `choice` says which part: its action and channel count. Nothing goes out before the campaign
    /// runs.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn begin_delivery(
        &self,
        campaign_id: &str,
        webhook: &str,
        choice: &Choice,
        at_micros: i64,
    ) -> Result<Delivery> {
        const ACTION: &str = "begin a delivery";
        let cells = [
            Cell::Text(campaign_id),
            Cell::Text(webhook),
            Cell::Text(choice.action.as_deref().unwrap_or_default()),
            Cell::Text(choice.channel.as_deref().unwrap_or_default()),
            Cell::Whole(at_micros),
        ];
        let begin = format!(
            "INSERT INTO deliveries ({COLUMNS}) VALUES ($1, $2, $3, $4, 'sending', '', 0, 0, $5, NULL) \
             ON CONFLICT (campaign_id, webhook, action, channel) DO UPDATE SET state = 'sending', attempts = 0, \
             due_at_micros = excluded.due_at_micros WHERE deliveries.state = 'failed'"
        );
        let read = format!("SELECT {COLUMNS} FROM deliveries WHERE {KEY}");
        let mut all = self.write(ACTION).await?;
        let begun = async {
            all.execute(&begin, &cells).await?;
            let mut found: Vec<Delivery> = all.fetch(&read, &cells[..4]).await?;
            all.commit().await?;
            found.pop().ok_or(sqlx::Error::RowNotFound)
        };
        begun.await.map_err(|source| self.failed(ACTION, source))
    }

    /// Takes a delivery of a running campaign whose next page is due at `now_micros`, until `until_micros`: before that
    /// no other takes it. `None` where none is due.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn take_delivery(
        &self,
        now_micros: i64,
        until_micros: i64,
    ) -> Result<Option<Delivery>> {
        const ACTION: &str = "take a delivery";
        let text = format!(
            "SELECT {COLUMNS} FROM deliveries WHERE state = 'sending' AND due_at_micros <= $1 \
             AND campaign_id IN (SELECT campaign_id FROM campaigns WHERE state = 'running') ORDER BY due_at_micros LIMIT 1"
        );
        let mut found: Vec<Delivery> = self.read(ACTION, &text, &[Cell::Whole(now_micros)]).await?;
        let Some(mut delivery) = found.pop() else { return Ok(None) };
        let taken = self.put(&delivery, until_micros, "due_at_micros = $7", &[]).await?;
        delivery.due_at_micros = until_micros;
        Ok(taken.then_some(delivery))
    }

    /// Notes what became of a delivery that was taken: all but its key. `taken` is what [`Store::take_delivery`] gave.
    /// Whether it was still taken: if not, another has it, and nothing is noted.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn note_delivery(&self, taken: &Delivery, now: &Delivery) -> Result<bool> {
        // A customer erased meanwhile must not stand there: of those that are left the last one.
        let set = "due_at_micros = $7, state = $8, customers = $9, attempts = $10, fault = $11, after_customer = \
                   coalesce((SELECT max(customer_id) FROM decisions WHERE campaign_id = $1 AND customer_id <= $12), '')";
        let cells = [
            Cell::Text(now.state.text()),
            Cell::Whole(now.customers as i64),
            Cell::Whole(now.attempts as i64),
            Cell::MaybeText(now.fault.as_deref()),
            Cell::Text(&now.after),
        ];
        self.put(taken, now.due_at_micros, set, &cells).await
    }

    /// Changes a delivery whose page is still due when it was; whether it was.
    async fn put(
        &self,
        was: &Delivery,
        due_at_micros: i64,
        set: &str,
        cells: &[Cell<'_>],
    ) -> Result<bool> {
        const ACTION: &str = "note a delivery";
        let text = format!(
            "UPDATE deliveries SET {set} WHERE {KEY} AND due_at_micros = $5 AND state = $6"
        );
        let mut all_cells = was.key().to_vec();
        all_cells.extend([
            Cell::Whole(was.due_at_micros),
            Cell::Text(was.state.text()),
            Cell::Whole(due_at_micros),
        ]);
        all_cells.extend(cells);
        let mut all = self.write(ACTION).await?;
        let changed = all.execute(&text, &all_cells).await;
        let changed = changed.map_err(|source| self.failed(ACTION, source))?;
        all.commit().await.map_err(|source| self.failed(ACTION, source))?;
        Ok(changed == 1)
    }

    /// The deliveries of a campaign, by webhook, action and channel.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn deliveries(&self, campaign_id: &str) -> Result<Vec<Delivery>> {
        if campaign_id.contains('\0') {
            return Ok(Vec::new());
        }
        let text = format!("SELECT {COLUMNS} FROM deliveries WHERE campaign_id = $1");
        let cells = [Cell::Text(campaign_id)];
        let mut all: Vec<Delivery> = self.read("read deliveries", &text, &cells).await?;
        all.sort_by(|a, b| {
            (&a.webhook, &a.action, &a.channel).cmp(&(&b.webhook, &b.action, &b.channel))
        });
        Ok(all)
    }
}

/// Ends the deliveries of a campaign that is finished.
pub(crate) const END: &str = "UPDATE deliveries SET state = 'failed', fault = 'the campaign was finished' \
     WHERE campaign_id = $1 AND state = 'sending'";

/// Lets no delivery stand at a customer who is erased: at the one before.
pub(crate) const FORGET: &str = "UPDATE deliveries SET after_customer = coalesce((SELECT max(d.customer_id) FROM decisions AS d \
     WHERE d.campaign_id = deliveries.campaign_id AND d.customer_id < $1), '') WHERE after_customer = $1";

impl Told for Delivery {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Delivery> {
        let (campaign_id, webhook) = (row.next()?, row.next()?);
        let part = |text: String| Some(text).filter(|text| !text.is_empty());
        let (action, channel) = (part(row.next()?), part(row.next()?));
        let state: String = row.next()?;
        let states = [DeliveryState::Sending, DeliveryState::Sent, DeliveryState::Failed];
        let state = states.into_iter().find(|s| s.text() == state);
        Ok(Delivery {
            campaign_id,
            webhook,
            action,
            channel,
            state: state.ok_or_else(|| misfit("state", &"another word"))?,
            after: row.next()?,
            customers: row.next::<i64>()?.unsigned_abs(),
            attempts: row.next::<i64>()?.unsigned_abs(),
            due_at_micros: row.next()?,
            fault: row.next()?,
        })
    }
}
