//! Contacts that were made.

use crate::cell::{Cell, Fields, Table, Told, Written};
use crate::check::Check;
use crate::error::Result;
use crate::record::{Kind, Recorded};
use crate::store::Store;

/// A contact with a customer in a campaign, known by its customer, action and time.
#[derive(Debug, Clone, PartialEq)]
pub struct Contact {
    /// The customer; not empty.
    pub customer_id: String,
    /// The action's name; not empty.
    pub action: String,
    /// By which way.
    pub channel: Option<String>,
    /// When, in microseconds since 1970-01-01T00:00:00Z.
    pub contacted_at_micros: i64,
    /// With which probability the customer came to be treated so, 0 to 1, where it is known.
    pub propensity: Option<f64>,
}

pub(crate) const CONTACTS: Table = Table {
    name: "contacts",
    columns: &[
        "campaign_id",
        "customer_id",
        "action",
        "channel",
        "contacted_at_micros",
        "propensity",
    ],
};

const KIND: Kind = Kind {
    noun: "contact",
    action: "record contacts",
    table: &CONTACTS,
    key: &["customer_id", "action", "contacted_at_micros"],
    same: &["channel", "propensity"],
};

impl Store {
    /// Records contacts of a campaign; those that are known change nothing. All or, on an error, none.
    ///
    /// # Errors
    /// When there is no such campaign, a contact is out of range or is kept with another channel or propensity, or the
    /// database refuses.
    pub async fn record_contacts(
        &self,
        campaign_id: &str,
        contacts: &[Contact],
    ) -> Result<Recorded> {
        for (row, contact) in contacts.iter().enumerate() {
            let check = Check { noun: "contact", place: row + 1 };
            check.key("customer_id", &contact.customer_id)?;
            check.key("action", &contact.action)?;
            check.may_be_text("channel", contact.channel.as_deref())?;
            check.may_be_share("propensity", contact.propensity)?;
        }
        self.record(&KIND, campaign_id, contacts).await
    }

    /// When customers were contacted, from an instant on and before another, in microseconds: campaign, customer, time,
    /// in this order.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn contacts_between(
        &self,
        from_micros: i64,
        until_micros: i64,
    ) -> Result<Vec<(String, String, i64)>> {
        let text = "SELECT campaign_id, customer_id, contacted_at_micros FROM contacts \
                    WHERE contacted_at_micros >= $1 AND contacted_at_micros < $2";
        let cells = [Cell::Whole(from_micros), Cell::Whole(until_micros)];
        let rows: Vec<(String, (String, i64))> = self.read("read contacts", text, &cells).await?;
        let mut contacts: Vec<(String, String, i64)> = rows
            .into_iter()
            .map(|(campaign, (customer, time))| (campaign, customer, time))
            .collect();
        contacts.sort_unstable();
        Ok(contacts)
    }

    /// How many contacts each customer has had, in all campaigns, from an instant on, in microseconds; by customer.
    /// Those without one are left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn contacts_since(&self, since_micros: i64) -> Result<Vec<(String, u64)>> {
        let text = "SELECT customer_id, count(*) FROM contacts WHERE contacted_at_micros >= $1 \
                    GROUP BY customer_id";
        let cells = [Cell::Whole(since_micros)];
        let counts: Vec<(String, i64)> = self.read("count contacts", text, &cells).await?;
        let mut counts: Vec<(String, u64)> =
            counts.into_iter().map(|(customer, count)| (customer, count.unsigned_abs())).collect();
        counts.sort_unstable();
        Ok(counts)
    }
}

impl Written for Contact {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.customer_id),
            Cell::Text(&self.action),
            Cell::MaybeText(self.channel.as_deref()),
            Cell::Whole(self.contacted_at_micros),
            Cell::MaybeNumber(self.propensity),
        ]);
    }
}

impl Told for Contact {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<Contact> {
        Ok(Contact {
            customer_id: row.next()?,
            action: row.next()?,
            channel: row.next()?,
            contacted_at_micros: row.next()?,
            propensity: row.next()?,
        })
    }
}
