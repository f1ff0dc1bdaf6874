//! Lines of a log into events: whose, when, what; and what is not as it should be. Reads no files.

use std::collections::HashMap;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float64Type, Int64Type};
use arrow_array::{Array, RecordBatch};
use arrow_cast::cast;
use arrow_schema::DataType;
use rekindle_models::behaviour::{Dictionaries, Dictionary, Events, NONE, product_key};

use crate::error::Result;
use crate::ingest::evaluate::{Cells, evaluate};
use crate::ingest::expression::Expression;
use crate::ingest::source::Mapping;
use crate::ingest::tally::{Fault, Tally};
use crate::ingest::{EventBatch, Ids, Names, Recoding, Trait, TraitValue};

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

/// The names met in a log.
#[derive(Debug)]
pub struct LogNames {
    /// Kinds of events.
    pub kinds: Names,
    /// Channels.
    pub channels: Names,
    /// Product groups.
    pub groups: Names,
    /// Currencies of amounts.
    pub currencies: Names,
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

impl Default for LogNames {
    fn default() -> LogNames {
        LogNames {
            kinds: Names::new("kind"),
            channels: Names::new("channel"),
            groups: Names::new("product group"),
            currencies: Names::new("currency"),
        }
    }
}

impl LogNames {
    /// All names met.
    pub fn dictionaries(&self) -> Dictionaries {
        let names = |names: &Names| {
            Dictionary::new(names.sorted().into_iter().map(|(name, _)| name).collect())
        };
        Dictionaries {
            kinds: names(&self.kinds),
            channels: names(&self.channels),
            groups: names(&self.groups),
        }
    }

    /// The codes met as those of dictionaries.
    pub fn recoding(&self, names: &Dictionaries) -> Recoding {
        Recoding {
            kinds: self.kinds.recode(&names.kinds),
            channels: self.channels.recode(&names.channels),
            groups: self.groups.recode(&names.groups),
        }
    }
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
        let mut tally = Tally { lines: rows.cells.num_rows() as u64, ..Tally::default() };
        let n = rows.cells.num_rows();
        let mut bad = vec![false; n];
        let mut count = |fault, row: usize, found: &dyn Fn() -> String| {
            let line = rows.lines.line(row);
            let text = || format!("{}: {}", place(file.1, &rows.lines, line), found());
            tally.count(fault, (file.0, line), text);
        };
        let cells =
            |expression: &Expression, bad: &mut Vec<bool>| evaluate(expression, &rows.cells, bad);
        let passes = self.filter.as_ref().map(|filter| cells(filter, &mut bad).truths());
        let customers = Customers::of(&cells(&self.customer, &mut bad));
        let time = cells(&self.time, &mut bad);
        let times = self.time_format.instants(&time, &self.zone);
        let received = self.received.as_ref().map(|e| {
            let cells = cells(e, &mut bad);
            let times = self.time_format.instants(&cells, &self.zone);
            Received { times, missing: cells.missing(), cells }
        });

        let mut filtered = 0;
        let mut kept: Vec<u32> = Vec::with_capacity(n);
        let mut lines: Vec<u32> = Vec::new();
        let identify = self.identifies.then(|| Identify::new(&rows.cells));
        let mut traits = Vec::new();
        for row in 0..n {
            let identifies = identify.as_ref().is_some_and(|identify| identify.is(row));
            if !identifies && passes.as_ref().is_some_and(|passes| passes[row] != Some(true)) {
                filtered += 1;
                continue;
            }
            if !customers.has(row) {
                count(Fault::NoCustomer, row, &|| "found none".to_owned());
                continue;
            }
            let unread = received.as_ref().filter(|r| r.times[row].is_none() && !r.missing[row]);
            let Some(ms) = times[row].filter(|_| unread.is_none()) else {
                let (column, cells) = unread.map_or(("time", &time), |r| ("received_at", &r.cells));
                count(Fault::BadTime, row, &|| format!("found {column} {}", shown(cells, row)));
                continue;
            };
            if reading.end.is_some_and(|end| ms >= end) {
                count(Fault::AfterEnd, row, &|| format!("found time {}", shown(&time, row)));
                continue;
            }
            if let Some(identify) = identify.as_ref().filter(|_| identifies) {
                let late = received.as_ref().and_then(|r| r.times[row]);
                identify.tell(row, &customers.text(row), late.unwrap_or(ms).max(ms), &mut traits);
                continue;
            }
            if reading.want_lines {
                lines.push(row as u32);
            }
            kept.push(row as u32);
        }
        let times = |rows: &[u32]| -> Vec<i64> {
            rows.iter().map(|&row| times[row as usize].unwrap_or_default()).collect()
        };
        let lines = reading.want_lines.then(|| (customers.at(&lines), times(&lines)));
        let measures: Vec<Option<Vec<f64>>> = self
            .measures
            .iter()
            .map(|measure| measure.as_ref().map(|e| cells(e, &mut bad).numbers(&mut bad)))
            .collect();
        let (rows_of, kinds, counts) = match &self.kind {
            Some(kind) => {
                let codes = codes(&cells(kind, &mut bad), &kept, &reading.names.kinds)?;
                let both = kept.iter().zip(&codes);
                for (&row, _) in both.filter(|(_, code)| **code == NONE) {
                    count(Fault::NoKind, row as usize, &|| "found none".to_owned());
                }
                let mut places = kept.clone();
                let mut of = codes.iter();
                places.retain(|_| *of.next().unwrap_or(&NONE) != NONE);
                (places, codes.into_iter().filter(|code| *code != NONE).collect(), None)
            }
            None => self.unpivoted(rows, &kept, &mut bad, reading.names)?,
        };
        for row in kept.iter().map(|&row| row as usize).filter(|&row| bad[row]) {
            count(Fault::NotANumber, row, &|| "found a text".to_owned());
        }
        let of_kept = |values: &Vec<f64>| -> Vec<f64> {
            let finite = |row: &u32| Some(values[*row as usize]).filter(|v| v.is_finite());
            rows_of.iter().map(|row| finite(row).unwrap_or(f64::NAN)).collect()
        };
        let mut measures: Vec<Vec<f64>> =
            measures.iter().map(|m| m.as_ref().map_or_else(Vec::new, of_kept)).collect();
        if let Some(counts) = counts {
            measures[0] = counts;
        }
        let column = |e: &Option<Expression>, names, bad: &mut Vec<bool>| match e {
            Some(e) => codes(&cells(e, bad), &rows_of, names),
            None => Ok(Vec::new()),
        };
        let currencies = column(&self.currency, &reading.names.currencies, &mut bad)?;
        if let Some(wanted) = &self.wanted_currency {
            let wanted = reading.names.currencies.code(wanted)?;
            for (place, _) in
                currencies.iter().enumerate().filter(|(_, c)| **c != NONE && **c != wanted)
            {
                let Some(amount) = measures[0].get_mut(place).filter(|a| !a.is_nan()) else {
                    continue;
                };
                count(Fault::OtherCurrency, rows_of[place] as usize, &|| {
                    format!("found the amount {amount}")
                });
                *amount = f64::NAN;
            }
        }
        let mut events = Events { times: times(&rows_of), kinds, measures, ..Events::default() };
        for &place in &self.returns(&mut events, reading.names)? {
            let (row, amount) =
                (rows_of[place as usize] as usize, events.measures[0][place as usize]);
            count(Fault::NegativePurchase, row, &|| format!("found the amount {amount}"));
        }
        events.channels = column(&self.channel, &reading.names.channels, &mut bad)?;
        events.groups = column(&self.group, &reading.names.groups, &mut bad)?;
        if let Some(product) = &self.product {
            events.products = products(&cells(product, &mut bad), &rows_of);
        }
        if let Some(received) = &received {
            // What does not say when it was received was known at once.
            let at = |(place, &row): (usize, &u32)| {
                received.times[row as usize].unwrap_or(events.times[place])
            };
            events.received = rows_of.iter().enumerate().map(at).collect();
        }
        tally.filtered = filtered;
        tally.attributes = traits.len() as u64;
        tally.times(&events.times);
        let events = EventBatch { customers: customers.at(&rows_of), events };
        Ok(Mapped { events, lines, traits, tally })
    }

    /// An event for every finite number above 0 in the columns that are unpivoted: rows, kinds, numbers.
    fn unpivoted(
        &self,
        rows: &Rows,
        kept: &[u32],
        bad: &mut Vec<bool>,
        names: &LogNames,
    ) -> Result<Unpivoted> {
        let columns = self.unpivot.iter().map(|name| {
            let numbers =
                evaluate(&Expression::Column(name.clone()), &rows.cells, bad).numbers(bad);
            Ok((names.kinds.code(name)?, numbers))
        });
        let columns = columns.collect::<Result<Vec<_>>>()?;
        let (mut of, mut kinds, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for &row in kept {
            for (code, numbers) in &columns {
                let number = numbers[row as usize];
                if number > 0.0 && number.is_finite() {
                    of.push(row);
                    kinds.push(*code);
                    counts.push(number);
                }
            }
        }
        Ok((of, kinds, Some(counts)))
    }

    /// Makes returns of purchases with an amount below 0, and tells which events that were.
    fn returns(&self, events: &mut Events, names: &LogNames) -> Result<Vec<u32>> {
        let mut found = Vec::new();
        if events.measures[0].is_empty() {
            return Ok(found);
        }
        let purchase = names.kinds.known(&self.purchase);
        for (place, (kind, amount)) in events.kinds.iter_mut().zip(&events.measures[0]).enumerate()
        {
            if *amount < 0.0 && Some(*kind) == purchase {
                *kind = names.kinds.code(&self.returned)?;
                found.push(place as u32);
            }
        }
        Ok(found)
    }
}

/// Rows with a number above 0, the kinds, and the numbers.
type Unpivoted = (Vec<u32>, Vec<u16>, Option<Vec<f64>>);

/// When lines were received.
struct Received {
    cells: Cells,
    times: Vec<Option<i64>>,
    missing: Vec<bool>,
}

/// Whose lines are.
enum Customers {
    Numbers(Vec<Option<i64>>),
    Texts(arrow_array::StringArray),
}

impl Customers {
    fn of(cells: &Cells) -> Customers {
        if let Cells::Column(column) = cells {
            let whole = column.data_type().is_integer();
            if let Some(numbers) = cast(column, &DataType::Int64).ok().filter(|_| whole) {
                // A number beyond 63 bits is null after the cast: it stays a text.
                if numbers.null_count() == column.null_count() {
                    return Customers::Numbers(
                        numbers.as_primitive::<Int64Type>().iter().collect(),
                    );
                }
            }
            // Whole numbers with gaps are often kept as floating-point ones.
            if column.data_type().is_floating()
                && let Ok(floats) = cast(column, &DataType::Float64)
            {
                let floats = floats.as_primitive::<Float64Type>();
                let whole = |f: &f64| f.fract() == 0.0 && f.abs() < 9.0e15;
                if floats.iter().flatten().filter(|f| !f.is_nan()).all(|f| whole(&f)) {
                    let number = |f: Option<f64>| f.filter(|f| !f.is_nan()).map(|f| f as i64);
                    return Customers::Numbers(floats.iter().map(number).collect());
                }
            }
        }
        Customers::Texts(cells.texts())
    }

    fn has(&self, row: usize) -> bool {
        match self {
            Customers::Numbers(numbers) => numbers[row].is_some(),
            Customers::Texts(texts) => texts.is_valid(row) && !texts.value(row).trim().is_empty(),
        }
    }

    /// That of a row, as text.
    fn text(&self, row: usize) -> String {
        match self {
            Customers::Numbers(numbers) => numbers[row].map_or_else(String::new, |n| n.to_string()),
            Customers::Texts(texts) => texts.value(row).trim().to_owned(),
        }
    }

    /// Those of some rows, which have one.
    fn at(&self, rows: &[u32]) -> Ids {
        match self {
            Customers::Numbers(numbers) => {
                Ids::Numbers(rows.iter().map(|&row| numbers[row as usize].unwrap_or(0)).collect())
            }
            Customers::Texts(texts) => {
                let (mut text, mut ends) = (String::new(), Vec::with_capacity(rows.len()));
                for &row in rows {
                    text.push_str(texts.value(row as usize).trim());
                    ends.push(text.len() as u32);
                }
                Ids::Texts { text, ends }
            }
        }
    }
}

/// Segment's `identify` calls among lines: their traits are attributes.
struct Identify {
    types: arrow_array::StringArray,
    traits: arrow_array::StringArray,
}

impl Identify {
    fn new(cells: &RecordBatch) -> Identify {
        let texts = |name: &str| {
            let none = || arrow_array::StringArray::new_null(cells.num_rows());
            cells.column_by_name(name).map_or_else(none, |c| Cells::Column(c.clone()).texts())
        };
        Identify { types: texts("type"), traits: texts("traits") }
    }

    fn is(&self, row: usize) -> bool {
        self.types.is_valid(row) && self.types.value(row) == "identify"
    }

    /// Tells the traits that are texts, numbers, or yes and no; what is nested is no attribute.
    fn tell(&self, row: usize, customer: &str, known_at: i64, told: &mut Vec<Trait>) {
        if self.traits.is_null(row) {
            return;
        }
        let read = serde_json::from_str::<serde_json::Map<_, _>>(self.traits.value(row));
        for (name, value) in read.into_iter().flatten() {
            let value = match value {
                serde_json::Value::String(text) if !text.trim().is_empty() => {
                    TraitValue::Text(text)
                }
                serde_json::Value::Bool(truth) => TraitValue::Number(f64::from(u8::from(truth))),
                serde_json::Value::Number(number) => match number.as_f64() {
                    Some(number) => TraitValue::Number(number),
                    None => continue,
                },
                _ => continue,
            };
            told.push(Trait { customer: customer.to_owned(), known_at, name, value });
        }
    }
}

/// The codes of names at some rows; [`NONE`] where there is none.
fn codes(cells: &Cells, rows: &[u32], names: &Names) -> Result<Vec<u16>> {
    if let Cells::Column(column) = cells {
        if let Some(dictionary) = column.as_any_dictionary_opt() {
            let values = Cells::Column(dictionary.values().clone());
            let all: Vec<u32> = (0..values.len() as u32).collect();
            let codes = codes(&values, &all, names)?;
            let keys = dictionary.normalized_keys();
            let code = |&row: &u32| match dictionary.is_null(row as usize) {
                true => NONE,
                false => codes.get(keys[row as usize]).copied().unwrap_or(NONE),
            };
            return Ok(rows.iter().map(code).collect());
        }
        let whole = column.data_type().is_integer();
        if let Some(numbers) = cast(column, &DataType::Int64).ok().filter(|_| whole) {
            let numbers = numbers.as_primitive::<Int64Type>();
            let number = |row: usize| numbers.is_valid(row).then(|| numbers.value(row));
            return remembered(rows, number, |number| names.code(&number.to_string()));
        }
    }
    let texts = cells.texts();
    let text = |row: usize| {
        let text = texts.is_valid(row).then(|| texts.value(row).trim());
        text.filter(|text| !text.is_empty())
    };
    remembered(rows, text, |text| names.code(text))
}

/// The code of each value, asked for once a value.
fn remembered<T: Copy + Eq + Hash>(
    rows: &[u32],
    value: impl Fn(usize) -> Option<T>,
    code: impl Fn(T) -> Result<u16>,
) -> Result<Vec<u16>> {
    let mut known: HashMap<T, u16> = HashMap::new();
    let mut last: Option<(T, u16)> = None;
    let mut codes = Vec::with_capacity(rows.len());
    for &row in rows {
        codes.push(match (value(row as usize), last) {
            (None, _) => NONE,
            (Some(value), Some((before, code))) if value == before => code,
            (Some(value), _) => {
                let code = match known.get(&value) {
                    Some(code) => *code,
                    None => *known.entry(value).or_insert(code(value)?),
                };
                last = Some((value, code));
                code
            }
        });
    }
    Ok(codes)
}

/// The keys of products at some rows; 0 where there is none.
fn products(cells: &Cells, rows: &[u32]) -> Vec<u64> {
    let key = |texts: &arrow_array::StringArray, row: usize| {
        let text = if texts.is_valid(row) { texts.value(row).trim() } else { "" };
        if text.is_empty() { 0 } else { product_key(text) }
    };
    if let Cells::Column(column) = cells
        && let Some(dictionary) = column.as_any_dictionary_opt()
    {
        let values = Cells::Column(dictionary.values().clone()).texts();
        let known: Vec<u64> = (0..values.len()).map(|row| key(&values, row)).collect();
        let keys = dictionary.normalized_keys();
        let of = |&row: &u32| match dictionary.is_null(row as usize) {
            true => 0,
            false => known.get(keys[row as usize]).copied().unwrap_or(0),
        };
        return rows.iter().map(of).collect();
    }
    let texts = cells.texts();
    rows.iter().map(|&row| key(&texts, row as usize)).collect()
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
