//! All that is held of one customer: read at once, and erased at once.

use crate::campaign::{self, Campaign};
use crate::cell::{Cell, Fields, Table, Told};
use crate::contact::{CONTACTS, Contact};
use crate::customer_state::{self, STATES, StateSpan};
use crate::database::Transaction;
use crate::decision::{DECISIONS, Decision};
use crate::delivery;
use crate::error::Result;
use crate::event::{self, EVENTS, StoredEvent};
use crate::outcome::{OUTCOMES, Outcome};
use crate::past_score::{self, HISTORY, PastScore};
use crate::revision::{self, Noun};
use crate::score::{self, SCORES, StoredScore};
use crate::store::Store;

/// All that is held of a customer, as of one moment.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Customer {
    /// The latest score by each model, by the models' names.
    pub scores: Vec<StoredScore>,
    /// Every score, by the models' names, then by time.
    pub past_scores: Vec<PastScore>,
    /// What it was and is, the oldest first.
    pub states: Vec<StateSpan>,
    /// The campaigns that it was or is in, the newest first.
    pub campaigns: Vec<Campaign>,
    /// What campaigns decided for it, by campaign.
    pub decisions: Vec<InCampaign<Decision>>,
    /// The contacts made, by time.
    pub contacts: Vec<InCampaign<Contact>>,
    /// What came of them, by time.
    pub outcomes: Vec<InCampaign<Outcome>>,
    /// What it did last, the newest first.
    pub events: Vec<StoredEvent>,
}

/// Something of a campaign.
#[derive(Debug, Clone, PartialEq)]
pub struct InCampaign<T> {
    /// The campaign.
    pub campaign_id: String,
    /// What it is.
    pub of: T,
}

/// What was erased.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Erased {
    /// How many rows of each table; every table that holds customers is listed.
    pub rows: Vec<(&'static str, u64)>,
    /// SQLite's log could not be emptied, as somebody was reading all the while: it holds copies until it is.
    pub log_remains: bool,
}

/// Every table that holds customers. What records outcomes looks at decisions first, so they go first.
const TABLES: [&Table; 7] = [&DECISIONS, &CONTACTS, &OUTCOMES, &STATES, &SCORES, &HISTORY, &EVENTS];

impl Customer {
    /// Whether nothing is held.
    pub fn is_unknown(&self) -> bool {
        *self == Customer::default()
    }
}

impl Erased {
    /// How many rows.
    pub fn total(&self) -> u64 {
        self.rows.iter().map(|(_, rows)| rows).sum()
    }
}

impl Store {
    /// All that is held of a customer; nothing for one who is not known.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn customer(&self, customer_id: &str) -> Result<Customer> {
        if customer_id.contains('\0') {
            return Ok(Customer::default());
        }
        let moment = self.moment("read a customer").await?;
        let customer = read(moment, customer_id).await;
        customer.map_err(|source| self.failed("read a customer", source))
    }

    /// Erases a customer in every table, all or, on an error, nothing, and leaves no mark that there was one. In SQLite
    /// what was erased is overwritten in the file and its log; PostgreSQL gives the space of erased rows back when it
    /// vacuums. Copies made elsewhere (backups, exports, replicas) are not reached.
    ///
    /// # Errors
    /// When the database refuses.
    pub async fn erase(&self, customer_id: &str) -> Result<Erased> {
        let nobody = customer_id.contains('\0');
        let mut erased = Erased { rows: Vec::new(), log_remains: false };
        let mut all = self.write("erase a customer").await?;
        if let Transaction::Postgres(_) = &all {
            // No page of a list is noted meanwhile. (In SQLite one writes at a time.)
            let lock = all.execute("LOCK TABLE deliveries IN SHARE ROW EXCLUSIVE MODE", &[]).await;
            lock.map_err(|source| self.failed("erase a customer", source))?;
        }
        if !nobody {
            let forgotten = all.execute(delivery::FORGET, &[Cell::Text(customer_id)]).await;
            forgotten.map_err(|source| self.failed("erase a customer", source))?;
        }
        for table in TABLES {
            let text = format!("DELETE FROM {} WHERE customer_id = $1", table.name);
            let rows = match nobody {
                true => Ok(0),
                false => all.execute(&text, &[Cell::Text(customer_id)]).await,
            };
            let rows = rows.map_err(|source| self.failed("erase a customer", source))?;
            erased.rows.push((table.name, rows));
        }
        for noun in [Noun::Customers, Noun::Campaigns, Noun::Records] {
            let raised = revision::raise(&mut all, noun).await;
            raised.map_err(|source| self.failed("erase a customer", source))?;
        }
        all.commit().await.map_err(|source| self.failed("erase a customer", source))?;
        erased.log_remains = !self.empty_log().await?;
        Ok(erased)
    }
}

async fn read(mut moment: Transaction, customer_id: &str) -> sqlx::Result<Customer> {
    let cells = [Cell::Text(customer_id)];
    let of = |table: &Table| {
        format!("SELECT {} FROM {} WHERE customer_id = $1", table.list(), table.name)
    };
    let scores = moment.fetch(&score::of_customer(), &cells).await?;
    let past_scores = moment.fetch(&past_score::of_customer(), &cells).await?;
    let events = moment.fetch(&event::of_customer(), &cells).await?;
    let states = moment.fetch(&customer_state::of_customer(), &cells).await?;
    let mut decisions: Vec<InCampaign<Decision>> = moment.fetch(&of(&DECISIONS), &cells).await?;
    let mut contacts: Vec<InCampaign<Contact>> = moment.fetch(&of(&CONTACTS), &cells).await?;
    let mut outcomes: Vec<InCampaign<Outcome>> = moment.fetch(&of(&OUTCOMES), &cells).await?;
    let campaigns = match decisions.is_empty() {
        true => Vec::new(),
        false => moment.fetch(&campaign::of_customer(), &cells).await?,
    };
    moment.commit().await?;
    // Here, not in SQL: the databases order text differently.
    decisions.sort_by(|a, b| a.campaign_id.cmp(&b.campaign_id));
    contacts.sort_by(|a, b| {
        let earlier = a.of.contacted_at_micros.cmp(&b.of.contacted_at_micros);
        let by_name = (&a.campaign_id, &a.of.action).cmp(&(&b.campaign_id, &b.of.action));
        earlier.then(by_name)
    });
    outcomes.sort_by(|a, b| {
        let earlier = a.of.occurred_at_micros.cmp(&b.of.occurred_at_micros);
        let by_name = (&a.campaign_id, &a.of.outcome_id).cmp(&(&b.campaign_id, &b.of.outcome_id));
        earlier.then(by_name)
    });
    Ok(Customer {
        scores: score::in_order(scores),
        past_scores: past_score::in_order(past_scores),
        states: customer_state::joined(states),
        campaigns: campaign::newest_first(campaigns),
        decisions,
        contacts,
        outcomes,
        events,
    })
}

impl<T: Told> Told for InCampaign<T> {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<InCampaign<T>> {
        Ok(InCampaign { campaign_id: row.next()?, of: T::of(row)? })
    }
}
