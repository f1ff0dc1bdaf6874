//! What each customer was and is: tier, stage and grade, a row for each change.

use std::collections::HashSet;

use crate::cell::{Batch, Cell, Fields, Table, Told, Written, misfit};
use crate::check::Check;
use crate::database::Transaction;
use crate::error::Result;
use crate::revision::{self, Noun};
use crate::store::Store;

/// A customer at an instant. Tier, stage and grade are its state; the values are figures of the instant.
#[derive(Debug, Clone, PartialEq)]
pub struct CustomerState {
    /// The customer; not empty.
    pub customer_id: String,
    /// How long since the last purchase, where that is known.
    pub lapse_tier: Option<String>,
    /// Where in its life the customer stands, where that is known.
    pub lifecycle_stage: Option<String>,
    /// The customer's grade, where it has one.
    pub grade: Option<String>,
    /// Profit minus cost until then, in money.
    pub historic_value: Option<f64>,
    /// What is expected from then on, in money.
    pub predicted_value: Option<f64>,
    /// The probability that the customer will buy again at all, 0 to 1.
    pub probability_alive: Option<f64>,
    /// How many orders are expected within the span of `predicted_value`.
    pub predicted_orders: Option<f64>,
    /// When the next order is expected.
    pub next_order: NextOrder,
}

/// When a customer is expected to order next, if it has not left: days as `2025-06-01`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NextOrder {
    /// The day by which an order is as likely as not.
    pub on: Option<String>,
    /// Where an interval around it begins, which is as wide as who put it says.
    pub from: Option<String>,
    /// Where the interval ends.
    pub until: Option<String>,
}

/// A state and how long it was seen.
#[derive(Debug, Clone, PartialEq)]
pub struct StateSpan {
    /// The state, with the figures of when it was seen last.
    pub state: CustomerState,
    /// When it was seen first, in microseconds since 1970-01-01T00:00:00Z.
    pub valid_from_micros: i64,
    /// When it was seen last, in microseconds. The next span begins where another state was seen.
    pub as_of_micros: i64,
}

/// What became of states that were put.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PutStates {
    /// A customer's first, or another than the last.
    pub changed: u64,
    /// The same as the last, seen again.
    pub same: u64,
    /// Older than the last: nothing was changed.
    pub older: u64,
}

pub(crate) const STATES: Table = Table {
    name: "customer_states",
    columns: &[
        "valid_from_micros",
        "as_of_micros",
        "customer_id",
        "lapse_tier",
        "lifecycle_stage",
        "grade",
        "historic_value",
        "predicted_value",
        "probability_alive",
        "predicted_orders",
        "next_order_on",
        "next_order_from",
        "next_order_until",
    ],
};

/// Where figures begin among the columns; what is before them is the state and whose it is.
const FIRST_FIGURE: usize = 6;

/// Whether two rows, `i` and `k`, hold the same state.
const SAME: &str = "k.lapse_tier IS NOT DISTINCT FROM i.lapse_tier \
     AND k.lifecycle_stage IS NOT DISTINCT FROM i.lifecycle_stage AND k.grade IS NOT DISTINCT FROM i.grade";
/// Whether `k` is the last that is kept of the customer of `i`.
const LAST: &str = "k.customer_id = i.customer_id AND k.valid_from_micros = \
     (SELECT max(l.valid_from_micros) FROM customer_states AS l WHERE l.customer_id = i.customer_id)";

impl Store {
    /// Keeps states as of an instant, in microseconds: one that is another than the customer's last begins a new span,
    /// the same one lengthens the last. Of equally new ones the last put is taken; one older than the customer's last
    /// changes nothing, so history is told from the oldest on. Figures that are missing stay what they were at the same
    /// instant. All are kept or, on an error, none.
    ///
    /// # Errors
    /// When a state is out of range, a customer has two, or the database refuses.
    pub async fn put_states(
        &self,
        as_of_micros: i64,
        states: &[CustomerState],
    ) -> Result<PutStates> {
        let mut met = HashSet::with_capacity(states.len());
        for (row, state) in states.iter().enumerate() {
            let check = Check { noun: "customer state", place: row + 1 };
            state.check(check)?;
            if !met.insert(state.customer_id.as_str()) {
                let customer = format!("{:?} again", state.customer_id);
                check.bad("customer_id", &customer, "a customer once at an instant")?;
            }
        }
        if states.is_empty() {
            return Ok(PutStates::default());
        }
        let put = put(self.write("keep states").await?, as_of_micros, states).await;
        put.map_err(|source| self.failed("keep states", source))
    }

    /// What a customer was and is, the oldest span first; empty for a customer of whom no state is kept.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn states_of(&self, customer_id: &str) -> Result<Vec<StateSpan>> {
        if customer_id.contains('\0') {
            return Ok(Vec::new());
        }
        let cells = [Cell::Text(customer_id)];
        Ok(joined(self.read("read states", &of_customer(), &cells).await?))
    }

    /// The instants at which states were put, in microseconds, the oldest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn snapshots(&self) -> Result<Vec<i64>> {
        let text = "SELECT as_of_micros FROM snapshots ORDER BY as_of_micros";
        self.read("read when customers were looked at", text, &[]).await
    }
}

/// The statement for all spans of a customer.
pub(crate) fn of_customer() -> String {
    let columns = STATES.list();
    format!(
        "SELECT {columns} FROM customer_states WHERE customer_id = $1 ORDER BY valid_from_micros"
    )
}

/// Neighbours that hold the same state, which a correction leaves behind, as one span.
pub(crate) fn joined(spans: Vec<StateSpan>) -> Vec<StateSpan> {
    let mut joined: Vec<StateSpan> = Vec::with_capacity(spans.len());
    for span in spans {
        match joined.last_mut() {
            Some(last) if last.state.is_same(&span.state) => {
                *last = StateSpan { valid_from_micros: last.valid_from_micros, ..span };
            }
            _ => joined.push(span),
        }
    }
    joined
}

async fn put(
    mut all: Transaction,
    as_of_micros: i64,
    states: &[CustomerState],
) -> sqlx::Result<PutStates> {
    if let Transaction::Postgres(_) = &all {
        // What is the last must not change between the statements. (In SQLite one writes at a time.)
        all.execute("LOCK TABLE customer_states IN SHARE ROW EXCLUSIVE MODE", &[]).await?;
    }
    let (columns, incoming) = (STATES.list(), STATES.incoming());
    let lead = [Cell::Whole(as_of_micros), Cell::Whole(as_of_micros)];
    all.stage(&Batch { table: &STATES, lead: &lead, rows: states }).await?;
    let figures = &STATES.columns[FIRST_FIGURE..];
    let set: Vec<String> =
        figures.iter().map(|name| format!("{name} = {}", figure(name))).collect();
    let lengthen = format!(
        "UPDATE customer_states AS k SET as_of_micros = i.as_of_micros, {} FROM {incoming} AS i \
         WHERE {LAST} AND k.as_of_micros <= i.as_of_micros AND {SAME}",
        set.join(", ")
    );
    let same = all.execute(&lengthen, &[]).await?;
    let state = STATES.columns[..FIRST_FIGURE].iter().map(|name| format!("i.{name}"));
    let row: Vec<String> = state.chain(figures.iter().map(|name| figure(name))).collect();
    let replaced: Vec<String> =
        STATES.columns[1..].iter().map(|name| format!("{name} = excluded.{name}")).collect();
    let begin = format!(
        "INSERT INTO customer_states ({columns}) SELECT {} FROM {incoming} AS i \
         LEFT JOIN customer_states AS k ON {LAST} WHERE k.customer_id IS NULL \
         OR k.as_of_micros < i.as_of_micros OR (k.as_of_micros = i.as_of_micros AND NOT ({SAME})) \
         ORDER BY i.customer_id ON CONFLICT (customer_id, valid_from_micros) DO UPDATE SET {}",
        row.join(", "),
        replaced.join(", ")
    );
    let changed = all.execute(&begin, &[]).await?;
    if same + changed > 0 {
        let seen = "INSERT INTO snapshots (as_of_micros) VALUES ($1) ON CONFLICT DO NOTHING";
        all.execute(seen, &lead[..1]).await?;
    }
    revision::raise(&mut all, Noun::Customers).await?;
    all.commit_staged(&incoming).await?;
    Ok(PutStates { changed, same, older: states.len() as u64 - changed - same })
}

/// A figure of `i`; where it has none that of `k`, if that is of the same instant.
fn figure(name: &str) -> String {
    format!(
        "CASE WHEN k.as_of_micros = i.as_of_micros THEN coalesce(i.{name}, k.{name}) ELSE i.{name} END"
    )
}

impl CustomerState {
    fn is_same(&self, other: &CustomerState) -> bool {
        (&self.lapse_tier, &self.lifecycle_stage, &self.grade)
            == (&other.lapse_tier, &other.lifecycle_stage, &other.grade)
    }

    fn check(&self, check: Check) -> Result<()> {
        check.text("customer_id", &self.customer_id)?;
        check.may_be_text("lapse_tier", self.lapse_tier.as_deref())?;
        check.may_be_text("lifecycle_stage", self.lifecycle_stage.as_deref())?;
        check.may_be_text("grade", self.grade.as_deref())?;
        check.may_be_number("historic_value", self.historic_value)?;
        check.may_be_number("predicted_value", self.predicted_value)?;
        check.may_be_share("probability_alive", self.probability_alive)?;
        check.may_be_number("predicted_orders", self.predicted_orders)?;
        self.next_order.check(check)
    }
}

impl NextOrder {
    fn check(&self, check: Check) -> Result<()> {
        check.may_be_date("next_order_on", self.on.as_deref())?;
        check.may_be_date("next_order_from", self.from.as_deref())?;
        check.may_be_date("next_order_until", self.until.as_deref())
    }
}

impl Written for CustomerState {
    fn cells<'a>(&'a self, to: &mut Vec<Cell<'a>>) {
        to.extend([
            Cell::Text(&self.customer_id),
            Cell::MaybeText(self.lapse_tier.as_deref()),
            Cell::MaybeText(self.lifecycle_stage.as_deref()),
            Cell::MaybeText(self.grade.as_deref()),
            Cell::MaybeNumber(self.historic_value),
            Cell::MaybeNumber(self.predicted_value),
            Cell::MaybeNumber(self.probability_alive),
            Cell::MaybeNumber(self.predicted_orders),
            Cell::MaybeText(self.next_order.on.as_deref()),
            Cell::MaybeText(self.next_order.from.as_deref()),
            Cell::MaybeText(self.next_order.until.as_deref()),
        ]);
    }
}

impl Told for StateSpan {
    fn of(row: &mut Fields<'_>) -> sqlx::Result<StateSpan> {
        let (valid_from_micros, as_of_micros) = (row.next()?, row.next()?);
        let state = CustomerState {
            customer_id: row.next()?,
            lapse_tier: row.next()?,
            lifecycle_stage: row.next()?,
            grade: row.next()?,
            historic_value: row.next()?,
            predicted_value: row.next()?,
            probability_alive: row.next()?,
            predicted_orders: row.next()?,
            next_order: NextOrder { on: row.next()?, from: row.next()?, until: row.next()? },
        };
        let fit = state.next_order.check(Check { noun: "customer state", place: 1 });
        fit.map_err(|error| misfit("next_order", &error))?;
        Ok(StateSpan { state, valid_from_micros, as_of_micros })
    }
}
