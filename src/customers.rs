//! Customers on their way into a model's rows, whatever form they come in: cells are set by place, and what is odd or
//! wrong is noted by customer. Knows no format and no HTTP.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use hashbrown::HashSet;
use rekindle_models::frame::Rows;
use serde::Serialize;
use twox_hash::XxHash3_64;
use utoipa::ToSchema;

use crate::error::{ApiError, BadField};
use crate::fields::{Fields, Role};
use crate::values::{Cell, CustomerId, Value, cell, customer_id, shorten};

/// The customers of a request.
#[derive(Debug, PartialEq)]
pub struct Customers {
    /// A row for each, in the order of the model's features.
    pub rows: Rows,
    /// How each is named in the reply.
    pub ids: Vec<Option<CustomerId>>,
    /// What the client should hear about.
    pub warnings: Warnings,
    /// Fields that the model does not know, counted in every customer.
    pub unknown_fields: u64,
    /// Cells with a level that the model does not know.
    pub unknown_levels: u64,
    /// What was told of the one customer, where its row was made from events.
    pub history: Option<History>,
}

/// What was told of a customer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct History {
    /// The cutoff as in the request.
    pub cutoff: String,
    /// Events sent.
    pub events: usize,
    /// Events that count: before the cutoff, and received before it.
    pub counted: usize,
}

/// What is odd about the customers, yet no error. Each list is shortened to the first
/// [`LISTED`].
#[derive(Debug, Default, PartialEq, Serialize, ToSchema)]
pub struct Warnings {
    /// Fields that are no features of the model, sorted: they did not count.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_fields: Vec<String>,
    /// Levels that the model has never seen, by feature.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_levels: Vec<UnknownLevel>,
    /// Features that no customer of the request has, not even as `null`: they count as missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    missing_fields: Vec<String>,
    /// Kinds of events that the model does not know, where it knows one of a near name: most likely misspelt.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_kinds: Vec<UnknownKind>,
    /// Whether no event was known at the cutoff: the model has most likely never learned of such a customer.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    no_history: bool,
    /// How many more there are than the lists hold.
    #[serde(skip_serializing_if = "is_zero")]
    not_listed: usize,
}

/// A level that the model has never seen.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct UnknownLevel {
    feature: String,
    value: String,
}

/// A kind of events that the model does not know.
#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct UnknownKind {
    kind: String,
    /// The nearest that it knows.
    nearest: String,
}

/// Most bad fields, and most warnings of a kind, in one reply.
pub const LISTED: usize = 100;
/// Most names of unknown fields that are kept to be told.
const KEPT: usize = 1_000;

/// How much a request may hold.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Customers.
    pub customers: usize,
    /// Fields of a customer, or columns of a table.
    pub fields: usize,
    /// Bytes of a text.
    pub text_bytes: usize,
}

impl Warnings {
    /// Of one customer's events: levels that the model has never seen, each with its feature; kinds that it does
    /// not know, each with the nearest that it does; whether there is no history.
    pub fn of_events(
        levels: Vec<(String, String)>,
        kinds: Vec<(String, String)>,
        no_history: bool,
    ) -> Warnings {
        let mut not_listed = 0;
        let level =
            |(feature, value): (String, String)| UnknownLevel { feature, value: shorten(&value) };
        let unknown_levels = listed(levels.into_iter().map(level), &mut not_listed);
        let kind =
            |(kind, nearest): (String, String)| UnknownKind { kind: shorten(&kind), nearest };
        let unknown_kinds = listed(kinds.into_iter().map(kind), &mut not_listed);
        Warnings { unknown_levels, unknown_kinds, no_history, not_listed, ..Warnings::default() }
    }

    /// The levels that the model has never seen, each with its feature.
    pub fn levels(&self) -> impl Iterator<Item = (&str, &str)> {
        self.unknown_levels.iter().map(|level| (&*level.feature, &*level.value))
    }

    /// Whether there is nothing to warn of.
    pub fn is_empty(&self) -> bool {
        *self == Warnings::default()
    }
}

/// Customers being gathered: [`Gathering::add`] one, or [`Gathering::seek`] it, then set its cells.
pub struct Gathering<'m> {
    fields: &'m Fields,
    limits: Limits,
    /// Row-major, one row for each of `ids`.
    cells: Vec<f64>,
    ids: Vec<Option<CustomerId>>,
    /// The customer whose cells are set, and where they begin.
    at: usize,
    start: usize,
    /// Customers added since the last were taken, those that were rejected among them.
    added: u32,
    /// For each field the model knows, the last customer that has it, as `added` counts them; the largest number for
    /// a column that all have.
    last_seen: Vec<u32>,
    /// Fields that it does not know, to be told: shortened, the first [`KEPT`] different ones.
    unknown_fields: BTreeSet<String>,
    /// How many of a heading it does not know: every customer has them.
    unknown_in_heading: usize,
    /// Hashes of those of the customer added last, which `unknown_of` counts as `added` does.
    unknown_here: HashSet<u64>,
    unknown_of: u32,
    unknown_field_count: u64,
    /// Unknown levels by place of the feature.
    unknown_levels: BTreeMap<usize, BTreeSet<String>>,
    unknown_level_count: u64,
    /// The two counts before the customer added last.
    marks: (u64, u64),
    bad: Vec<BadField>,
    bad_count: usize,
}

/// Where the columns of a table go: made once by [`Gathering::heading`], used for every row.
pub struct Heading<'m> {
    columns: Vec<Column<'m>>,
}

/// Where the cells of a column go.
#[derive(Clone, Copy)]
pub enum Column<'m> {
    /// To the field at a place.
    Known(usize, &'m Role),
    /// The model does not know it.
    Unknown,
}

impl<'m> Heading<'m> {
    /// The columns, in the order of the table.
    pub fn columns(&self) -> &[Column<'m>] {
        &self.columns
    }
}

impl<'m> Gathering<'m> {
    /// None yet.
    pub fn new(fields: &'m Fields, limits: Limits) -> Gathering<'m> {
        Gathering {
            fields,
            limits,
            cells: Vec::with_capacity(fields.width()),
            ids: Vec::new(),
            at: 0,
            start: 0,
            added: 0,
            last_seen: vec![0; fields.known().len()],
            unknown_fields: BTreeSet::new(),
            unknown_in_heading: 0,
            unknown_here: HashSet::new(),
            unknown_of: 0,
            marks: (0, 0),
            unknown_field_count: 0,
            unknown_levels: BTreeMap::new(),
            unknown_level_count: 0,
            bad: Vec::new(),
            bad_count: 0,
        }
    }

    /// The fields that the model knows.
    pub fn fields(&self) -> &'m Fields {
        self.fields
    }

    /// How much a request may hold.
    pub fn limits(&self) -> Limits {
        self.limits
    }

    /// Customers so far.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether a customer more is too many.
    pub fn is_full(&self) -> bool {
        self.ids.len() >= self.limits.customers
    }

    /// Makes room for some customers, no more than there may be.
    pub fn reserve(&mut self, customers: usize) {
        let customers = customers.min(self.limits.customers);
        self.ids.reserve(customers);
        self.cells.reserve(customers * self.fields.width());
    }

    /// Adds a customer with missing cells.
    pub fn add(&mut self) {
        self.at = self.ids.len();
        self.start = self.cells.len();
        self.added += 1;
        self.marks = (self.unknown_field_count, self.unknown_level_count);
        self.ids.push(None);
        self.cells.resize(self.cells.len() + self.fields.width(), f64::NAN);
    }

    /// Goes to a customer that was added, by its place.
    pub fn seek(&mut self, customer: usize) {
        assert!(customer < self.ids.len(), "the customer has been added");
        self.at = customer;
        self.start = customer * self.fields.width();
    }

    /// The customer's cells.
    pub fn row(&mut self) -> &mut [f64] {
        &mut self.cells[self.start..self.start + self.fields.width()]
    }

    /// Notes that the customer added last has a field, and says whether it has it for the first time.
    pub fn meets(&mut self, place: usize) -> bool {
        std::mem::replace(&mut self.last_seen[place], self.added) != self.added
    }

    /// Sets a number of the customer: what [`Gathering::set`] does for a numeric feature, without the
    /// detours.
    #[inline]
    pub fn number(&mut self, place: usize, number: f64) {
        let missing = self.fields.missing.number(number);
        self.cells[self.start + place] = if missing { f64::NAN } else { number };
    }

    /// Sets a field of the customer.
    pub fn set(&mut self, place: usize, role: &Role, value: &Value<'_>) {
        if let Value::Text(text) = value
            && text.len() > self.limits.text_bytes
        {
            let found = format!("text of {} bytes", text.len());
            let name = &self.fields.known()[place].name;
            return self.bad(Some(name), found, self.short_text());
        }
        match role {
            Role::Ignored => {}
            Role::Id => match customer_id(value) {
                Ok(id) => self.ids[self.at] = id,
                Err(expected) => {
                    let name = &self.fields.known()[place].name;
                    self.bad(Some(name), value.to_string(), expected.to_owned());
                }
            },
            role => self.cell(place, cell(value, role, &self.fields.missing), value),
        }
    }

    /// Sets a feature's cell; `value` is what it was made from, for messages.
    pub fn cell(&mut self, place: usize, cell: Cell, value: &Value<'_>) {
        self.row()[place] = cell.number();
        match cell {
            Cell::Known(_) => {}
            Cell::UnknownLevel(level) => {
                self.unknown_level_count += 1;
                let levels = self.unknown_levels.entry(place).or_default();
                // More are not listed, and a client must not fill the memory with them.
                if levels.len() <= LISTED {
                    levels.insert(shorten(&level));
                }
            }
            Cell::Wrong(expected) => {
                self.bad(Some(&self.fields.known()[place].name), value.to_string(), expected);
            }
        }
    }

    /// Notes a field of the customer added last that the model does not know.
    pub fn unknown_field(&mut self, name: Cow<'_, str>) {
        self.unknown_field_count += 1;
        if name.len() > self.limits.text_bytes {
            let found = format!("a name of {} bytes", name.len());
            return self.bad(Some(&shorten(&name)), found, self.short_text());
        }
        if self.unknown_of != self.added {
            self.unknown_of = self.added;
            self.unknown_here.clear();
        }
        if self.unknown_here.len() >= self.limits.fields {
            let expected = format!("at most {} of them", self.limits.fields);
            return self.bad(None, "more fields that the model does not know".to_owned(), expected);
        }
        if !self.unknown_here.insert(XxHash3_64::oneshot(name.as_bytes())) {
            return self.twice(&shorten(&name));
        }
        // A client must not fill the memory with names.
        if self.unknown_fields.len() < KEPT {
            self.unknown_fields.insert(shorten(&name));
        }
    }

    /// Notes a key that the customer has twice.
    pub fn twice(&mut self, name: &str) {
        self.bad(Some(name), "the key twice".to_owned(), "every key once".to_owned());
    }

    /// Notes a bad field of the customer, or of the whole customer.
    pub fn bad(&mut self, field: Option<&str>, found: String, expected: String) {
        self.bad_count += 1;
        if self.bad.len() < LISTED {
            let customer = self.at;
            let field = field.map(str::to_owned);
            self.bad.push(BadField { customer, field, found, expected });
        }
    }

    /// Whether a customer has a bad field.
    pub fn is_bad(&self) -> bool {
        self.bad_count > 0
    }

    /// How the customer added last is named.
    pub fn last_id(&self) -> Option<&CustomerId> {
        self.ids.last().and_then(Option::as_ref)
    }

    /// Where the columns of a table go. Every customer added later counts as having all of them.
    ///
    /// # Errors
    /// When a column stands twice, there are too many, or none is a feature of the model.
    pub fn heading(&mut self, names: &[Cow<'_, str>]) -> Result<Heading<'m>, ApiError> {
        if names.len() > self.limits.fields {
            return Err(ApiError::InvalidTable {
                reason: format!("{} columns, expected at most {}", names.len(), self.limits.fields),
            });
        }
        let fields = self.fields;
        let mut columns = Vec::with_capacity(names.len());
        let mut unknown: BTreeSet<&str> = BTreeSet::new();
        for (guess, name) in names.iter().enumerate() {
            let first = match fields.place(name, guess) {
                Some(place) => {
                    columns.push(Column::Known(place, &fields.known()[place].role));
                    std::mem::replace(&mut self.last_seen[place], u32::MAX) != u32::MAX
                }
                None => {
                    columns.push(Column::Unknown);
                    unknown.insert(name)
                }
            };
            if !first {
                return Err(ApiError::InvalidTable {
                    reason: format!("column {:?} stands twice, expected once", shorten(name)),
                });
            }
        }
        let is_feature = |column: &Column<'_>| matches!(column, Column::Known(_, role) if !matches!(role, Role::Id | Role::Ignored));
        if !columns.iter().any(is_feature) {
            return Err(ApiError::InvalidTable { reason: no_feature(names, fields) });
        }
        self.unknown_in_heading = unknown.len();
        self.unknown_fields.extend(unknown.into_iter().take(KEPT).map(shorten));
        Ok(Heading { columns })
    }

    /// The customers.
    ///
    /// # Errors
    /// When one of them has a field that the model cannot read; the first [`LISTED`] of these are named.
    pub fn finish(mut self) -> Result<Customers, ApiError> {
        match self.bad_count {
            0 => Ok(self.take()),
            total => Err(ApiError::InvalidFeatures { fields: self.bad, total }),
        }
    }

    /// The customers gathered so far, and none are left; headings stay good. Bad fields are dropped.
    pub fn take(&mut self) -> Customers {
        let known = self.fields.known();
        let mut not_listed = 0;
        let features = &self.last_seen[..self.fields.width()];
        let absent = known.iter().zip(features).filter(|(_, last)| **last == 0);
        let missing_fields =
            match self.ids.is_empty() || features.iter().filter(|last| **last == 0).count() == 0 {
                true => Vec::new(),
                false => listed(absent.map(|(field, _)| field.name.to_string()), &mut not_listed),
            };
        let levels = self.unknown_levels.iter().flat_map(|(&place, levels)| {
            levels.iter().map(move |level| UnknownLevel {
                feature: known[place].name.to_string(),
                value: level.clone(),
            })
        });
        let unknown_levels = listed(levels, &mut not_listed);
        let unknown_fields =
            listed(std::mem::take(&mut self.unknown_fields).into_iter(), &mut not_listed);
        let in_heading = (self.unknown_in_heading * self.ids.len()) as u64;
        let unknown_field_count = self.unknown_field_count + in_heading;
        let warnings = Warnings {
            unknown_fields,
            unknown_levels,
            missing_fields,
            not_listed,
            ..Warnings::default()
        };
        // Columns of a heading stay known; what single customers had says nothing of those to come.
        self.added = 0;
        self.last_seen.iter_mut().filter(|last| **last != u32::MAX).for_each(|last| *last = 0);
        self.unknown_of = 0;
        self.unknown_levels.clear();
        self.bad.clear();
        self.bad_count = 0;
        self.unknown_field_count = 0;
        Customers {
            rows: Rows::from_cells(self.fields.width(), std::mem::take(&mut self.cells)),
            ids: std::mem::take(&mut self.ids),
            warnings,
            unknown_fields: unknown_field_count,
            unknown_levels: std::mem::take(&mut self.unknown_level_count),
            history: None,
        }
    }

    /// Drops the customer added last and what was bad about it: the first of that, where anything was.
    pub fn reject_last(&mut self) -> Option<BadField> {
        self.ids.pop();
        self.cells.truncate(self.ids.len() * self.fields.width());
        (self.unknown_field_count, self.unknown_level_count) = self.marks;
        self.bad_count = 0;
        self.bad.drain(..).next()
    }

    fn short_text(&self) -> String {
        format!("at most {} bytes", self.limits.text_bytes)
    }
}

/// What a table is told whose columns are all strange: most likely it has another separator, no header, or is packed.
fn no_feature(names: &[Cow<'_, str>], fields: &Fields) -> String {
    let is_feature = |role: &Role| !matches!(role, Role::Id | Role::Ignored);
    let known = fields.known().iter().filter(|field| is_feature(&field.role));
    let (found, expected) =
        (some(names.iter().map(|name| &**name)), some(known.map(|field| &*field.name)));
    format!(
        "found {} columns that the model does not know ({found}), expected features of it ({expected}): names in the first \
         line, commas between, and Content-Encoding: gzip where it is packed",
        names.len()
    )
}

/// The first three names.
fn some<'n>(mut names: impl Iterator<Item = &'n str>) -> String {
    let quoted = |name: &str| format!("{:?}", shorten(name));
    let first: Vec<String> = names.by_ref().take(3).map(quoted).collect();
    format!("{}{}", first.join(", "), if names.next().is_some() { ", ..." } else { "" })
}

/// The first [`LISTED`]; the others are counted.
fn listed<T>(mut all: impl Iterator<Item = T>, not_listed: &mut usize) -> Vec<T> {
    let first = all.by_ref().take(LISTED).collect();
    *not_listed += all.count();
    first
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}
