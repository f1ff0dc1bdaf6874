//! Lines of a log into events: whose, when, what; and what is not as it should be. Reads no files.

use arrow_array::{Array, RecordBatch};
use rekindle_models::behaviour::{Events, NONE};

use crate::error::Result;
use crate::ingest::decimal::with_point;
use crate::ingest::evaluate::{Cells, NotNumbers, evaluate};
use crate::ingest::expression::Expression;
use crate::ingest::naming::{Owners, codes, products};
use crate::ingest::segment::Identify;
use crate::ingest::source::Mapping;
use crate::ingest::tally::{Fault, Tally};
use crate::ingest::{EventBatch, Ids, LogNames, Names, Trait};

/// Some lines of a file: the columns that are needed, and where each line is.
#[derive(Debug)]
pub(super) struct Rows {
    pub cells: RecordBatch,
    pub lines: Lines,
}

/// Where lines are.
#[derive(Debug)]
pub(super) enum Lines {
    /// The line of each, from 1.
    Each(Vec<u64>),
    /// The row of the first, from 1; the others follow.
    From(u64),
}

/// What lines became.
#[derive(Debug)]
pub(super) struct Mapped {
    pub events: EventBatch,
    /// Whose every line with a customer and a time is, and when, whether it became events or not.
    pub lines: Option<(Ids, Vec<i64>)>,
    /// What lines tell of customers' attributes.
    pub traits: Vec<Trait>,
    pub tally: Tally,
}

/// What lines are read for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reading<'a> {
    pub names: &'a LogNames,
    /// The instant the log ends at, in milliseconds.
    pub end: Option<i64>,
    /// Whether lines without events are wanted too.
    pub want_lines: bool,
}

impl Lines {
    fn line(&self, row: usize) -> u64 {
        match self {
            Lines::Each(lines) => lines[row],
            Lines::From(first) => first + row as u64,
        }
    }
}

/// The line of a file in messages.
pub(super) fn place(file: &str, rows: &Lines, line: u64) -> String {
    let what = if matches!(rows, Lines::Each(_)) { "line" } else { "row" };
    format!("{file}: {what} {line}")
}

impl Mapping {
    /// Maps some lines of the file with the number and name given.
    ///
    /// # Errors
    /// When there are more names than may be.
    pub fn map(&self, rows: &Rows, file: (usize, &str), reading: &Reading<'_>) -> Result<Mapped> {
        let n = rows.cells.num_rows();
        let tally = Tally { lines: n as u64, ..Tally::default() };
        let mut work = Work { mapping: self, rows, file, reading, bad: vec![false; n], tally };
        let owners = Owners::of(&work.cells(&self.customer));
        let when = work.when();
        let mut traits = Vec::new();
        let sound = work.sound(&owners, &when, &mut traits);
        let lines = reading.want_lines.then(|| (owners.at(&sound), when.at(&sound)));
        let Happened { rows: of, kinds, measures } = work.happened(&sound)?;
        let events = work.events(&when, &of, kinds, measures)?;
        let Work { mut tally, .. } = work;
        tally.attributes = traits.len() as u64;
        tally.times(&events.times);
        let events = EventBatch { customers: owners.at(&of), events };
        Ok(Mapped { events, lines, traits, tally })
    }
}

/// Lines being mapped.
struct Work<'a> {
    mapping: &'a Mapping,
    rows: &'a Rows,
    file: (usize, &'a str),
    reading: &'a Reading<'a>,
    bad: NotNumbers,
    tally: Tally,
}

/// When things happened, and when they became known.
struct When {
    cells: Cells,
    times: Vec<Option<i64>>,
    received: Option<Received>,
}

struct Received {
    cells: Cells,
    times: Vec<Option<i64>>,
    missing: Vec<bool>,
}

/// Events by row: one for a line, or several where columns are unpivoted.
struct Happened {
    rows: Vec<u32>,
    kinds: Vec<u16>,
    /// The amount first; empty where events have none.
    measures: Vec<Vec<f64>>,
}

impl When {
    /// The times of some rows, which have one.
    fn at(&self, rows: &[u32]) -> Vec<i64> {
        rows.iter().map(|&row| self.times[row as usize].unwrap_or_default()).collect()
    }
}

impl Work<'_> {
    fn cells(&mut self, expression: &Expression) -> Cells {
        evaluate(expression, &self.rows.cells, &mut self.bad)
    }

    fn count(&mut self, fault: Fault, row: usize, found: impl FnOnce() -> String) {
        let line = self.rows.lines.line(row);
        let text = || format!("{}: {}", place(self.file.1, &self.rows.lines, line), found());
        self.tally.count(fault, (self.file.0, line), text);
    }

    fn when(&mut self) -> When {
        let Mapping { time, time_format, received, zone, .. } = self.mapping;
        let cells = self.cells(time);
        let received = received.as_ref().map(|expression| {
            let cells = self.cells(expression);
            let times = time_format.instants(&cells, zone);
            Received { times, missing: cells.missing(), cells }
        });
        When { times: time_format.instants(&cells, zone), cells, received }
    }

    /// The rows that count and say whose and when they are; what they tell of customers goes to `traits`
    /// instead.
    fn sound(&mut self, owners: &Owners, when: &When, traits: &mut Vec<Trait>) -> Vec<u32> {
        let passes = self.mapping.filter.as_ref().map(|filter| self.cells(filter).truths());
        let identify = self.mapping.identifies.then(|| Identify::new(&self.rows.cells));
        let mut sound = Vec::with_capacity(self.rows.cells.num_rows());
        for row in 0..self.rows.cells.num_rows() {
            let identify = identify.as_ref().filter(|identify| identify.is(row));
            if identify.is_none() && passes.as_ref().is_some_and(|p| p[row] != Some(true)) {
                self.tally.filtered += 1;
                continue;
            }
            if !owners.has(row) {
                self.count(Fault::NoCustomer, row, || "found none".to_owned());
                continue;
            }
            let received = when.received.as_ref();
            let unread = received.filter(|r| r.times[row].is_none() && !r.missing[row]);
            let Some(ms) = when.times[row].filter(|_| unread.is_none()) else {
                let (column, cells) =
                    unread.map_or(("time", &when.cells), |r| ("received_at", &r.cells));
                let format = &self.mapping.time_format;
                self.count(Fault::BadTime, row, || {
                    let texts = cells.texts();
                    let found = texts.is_valid(row).then(|| texts.value(row).trim());
                    let expected = format.expected(found);
                    format!("found {column} {}, expected {expected}", shown(cells, row))
                });
                continue;
            };
            if self.reading.end.is_some_and(|end| ms >= end) {
                self.count(Fault::AfterEnd, row, || {
                    format!("found time {}", shown(&when.cells, row))
                });
                continue;
            }
            match identify {
                Some(identify) => {
                    let known_at = received.and_then(|r| r.times[row]).unwrap_or(ms).max(ms);
                    let left_out = identify.tell(row, &owners.text(row), known_at, traits);
                    if let Some(found) = left_out {
                        self.count(Fault::TraitLeftOut, row, || found);
                    }
                }
                None => sound.push(row as u32),
            }
        }
        sound
    }

    /// What happened in some rows, with the numbers of it.
    fn happened(&mut self, sound: &[u32]) -> Result<Happened> {
        let mapping = self.mapping;
        let happened = match &mapping.kind {
            Some(kind) => {
                let kinds = codes(&self.cells(kind), sound, &self.reading.names.kinds)?;
                let mut happened = Happened {
                    rows: Vec::with_capacity(sound.len()),
                    kinds: Vec::new(),
                    measures: Vec::new(),
                };
                for (&row, kind) in sound.iter().zip(kinds) {
                    if kind == NONE {
                        self.count(Fault::NoKind, row as usize, || "found none".to_owned());
                        continue;
                    }
                    happened.rows.push(row);
                    happened.kinds.push(kind);
                }
                for measure in &mapping.measures {
                    let numbers = measure.as_ref().map(|e| self.numbers(e));
                    let of = |numbers: Vec<f64>| {
                        happened.rows.iter().map(|&row| numbers[row as usize]).collect()
                    };
                    happened.measures.push(numbers.map_or_else(Vec::new, of));
                }
                happened
            }
            None => self.unpivoted(sound)?,
        };
        let asked = if mapping.kind.is_some() { &happened.rows } else { sound };
        for row in asked.iter().map(|&row| row as usize) {
            if self.bad[row] {
                let cells = &self.rows.cells;
                self.count(Fault::NotANumber, row, || not_a_number(mapping, cells, row));
            }
        }
        Ok(happened)
    }

    /// An event for every number above 0 in the columns that are unpivoted; the number is its amount. Lines
    /// with a number below 0 are counted.
    fn unpivoted(&mut self, sound: &[u32]) -> Result<Happened> {
        let mapping = self.mapping;
        let mut columns = Vec::with_capacity(mapping.unpivot.len());
        for name in &mapping.unpivot {
            let numbers = self.numbers(&Expression::Column(name.clone()));
            columns.push((self.reading.names.kinds.code(name)?, numbers));
        }
        let (mut rows, mut kinds, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for &row in sound {
            let mut below = None;
            for (name, (code, numbers)) in mapping.unpivot.iter().zip(&columns) {
                let number = numbers[row as usize];
                if number > 0.0 {
                    rows.push(row);
                    kinds.push(*code);
                    counts.push(number);
                } else if number < 0.0 {
                    below = below.or(Some((name, number)));
                }
            }
            // A line is bad once: one with no number is counted as that.
            let row = row as usize;
            if let Some((name, number)) = below.filter(|_| !self.bad[row]) {
                self.count(Fault::NegativeCount, row, || format!("found {name} = {number}"));
            }
        }
        let mut measures = vec![Vec::new(); mapping.measures.len()];
        measures[0] = counts;
        Ok(Happened { rows, kinds, measures })
    }

    /// Finite numbers, NaN where missing; rows with others are marked.
    fn numbers(&mut self, expression: &Expression) -> Vec<f64> {
        let mut numbers = self.cells(expression).numbers(&mut self.bad);
        for (number, bad) in numbers.iter_mut().zip(&mut self.bad) {
            if number.is_infinite() {
                (*number, *bad) = (f64::NAN, true);
            }
        }
        numbers
    }

    /// The events of what happened.
    fn events(
        &mut self,
        when: &When,
        rows: &[u32],
        kinds: Vec<u16>,
        measures: Vec<Vec<f64>>,
    ) -> Result<Events> {
        let (mapping, names) = (self.mapping, self.reading.names);
        let mut events = Events { times: when.at(rows), kinds, measures, ..Events::default() };
        // Returns are told by the sign of the amount, which another currency takes away.
        self.make_returns(rows, &mut events)?;
        self.keep_currency(rows, &mut events)?;
        events.channels = self.codes(&mapping.channel, rows, &names.channels)?;
        events.groups = self.codes(&mapping.group, rows, &names.groups)?;
        if let Some(product) = &mapping.product {
            events.products = products(&self.cells(product), rows);
        }
        if let Some(received) = &when.received {
            // What does not say when it was received was known at once.
            let at = |(&row, time): (&u32, &i64)| received.times[row as usize].unwrap_or(*time);
            events.received = rows.iter().zip(&events.times).map(at).collect();
        }
        Ok(events)
    }

    /// The codes of an expression's names; empty where there is no expression.
    fn codes(&mut self, of: &Option<Expression>, rows: &[u32], names: &Names) -> Result<Vec<u16>> {
        of.as_ref().map_or(Ok(Vec::new()), |expression| codes(&self.cells(expression), rows, names))
    }

    /// Leaves out amounts in another currency than the one that counts.
    fn keep_currency(&mut self, rows: &[u32], events: &mut Events) -> Result<()> {
        let names = &self.reading.names.currencies;
        let found = self.codes(&self.mapping.currency, rows, names)?;
        let Some(wanted) = &self.mapping.wanted_currency else { return Ok(()) };
        let wanted = names.code(wanted)?;
        let amounts = events.measures[0].iter_mut().zip(found).zip(rows);
        for ((amount, currency), &row) in amounts {
            if currency != NONE && currency != wanted && !amount.is_nan() {
                self.count(Fault::OtherCurrency, row as usize, || {
                    format!("found the amount {amount}")
                });
                *amount = f64::NAN;
            }
        }
        Ok(())
    }

    /// Makes returns of purchases with an amount below 0.
    fn make_returns(&mut self, rows: &[u32], events: &mut Events) -> Result<()> {
        let names = &self.reading.names.kinds;
        let purchase = names.known(&self.mapping.purchase);
        let amounts = events.kinds.iter_mut().zip(&events.measures[0]).zip(rows);
        for ((kind, amount), &row) in amounts {
            if *amount < 0.0 && Some(*kind) == purchase {
                *kind = names.code(&self.mapping.returned)?;
                let found = || format!("found the amount {amount}");
                self.count(Fault::NegativePurchase, row as usize, found);
            }
        }
        Ok(())
    }
}

/// The first cell of a row that should have been a number and is none, with its column.
fn not_a_number(mapping: &Mapping, rows: &RecordBatch, row: usize) -> String {
    for name in mapping.columns_of_numbers() {
        let Some(column) = rows.column_by_name(name) else { continue };
        let cell = Cells::Column(column.slice(row, 1));
        let mut bad = vec![false];
        cell.numbers(&mut bad);
        if bad[0] {
            let comma = with_point(cell.texts().value(0).trim()).is_some();
            let todo = match comma {
                true => "; decimal = \",\" in the source reads such numbers of CSV files",
                false => "",
            };
            return format!("found {name} {}, expected a finite number{todo}", shown(&cell, 0));
        }
    }
    "found no finite number".to_owned()
}

/// Longest text shown of a cell.
const SHOWN: usize = 40;

fn shown(cells: &Cells, row: usize) -> String {
    let texts = cells.texts();
    if texts.is_null(row) {
        return "none".to_owned();
    }
    let text = texts.value(row);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{:?}...", &text[..end]),
        None => format!("{text:?}"),
    }
}
