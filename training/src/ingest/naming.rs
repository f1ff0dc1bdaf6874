//! Whom and what cells name: customers, and the codes of kinds, channels, product groups and products.
//! Knows no lines and no rules.

use std::collections::HashMap;
use std::hash::Hash;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, StringArray};
use arrow_cast::cast;
use arrow_schema::DataType;
use rekindle_models::behaviour::{NONE, product_key};

use crate::error::Result;
use crate::ingest::evaluate::Cells;
use crate::ingest::{Ids, Names};

/// Whose lines are.
pub(super) enum Owners {
    Numbers(Vec<Option<i64>>),
    Texts(StringArray),
}

impl Owners {
    pub fn of(cells: &Cells) -> Owners {
        if let Cells::Column(column) = cells {
            let whole = column.data_type().is_integer();
            if let Some(numbers) = cast(column, &DataType::Int64).ok().filter(|_| whole) {
                // A number beyond 63 bits is null after the cast: it stays a text.
                if numbers.null_count() == column.null_count() {
                    return Owners::Numbers(numbers.as_primitive::<Int64Type>().iter().collect());
                }
            }
        }
        // Whole numbers with gaps are often kept as floating-point ones.
        let floating = match cells {
            Cells::Column(column) => column.data_type().is_floating(),
            Cells::Numbers(_) => true,
            Cells::Texts(_) | Cells::Truths(_) => false,
        };
        if floating {
            return Owners::of_floats(cells.numbers(&mut vec![false; cells.len()]));
        }
        Owners::Texts(cells.texts())
    }

    /// Whole numbers up to 9e15 are customers by number, whatever else stands in the batch; NaN is none, and
    /// others are customers by text.
    fn of_floats(mut floats: Vec<f64>) -> Owners {
        let whole = |f: &f64| f.fract() == 0.0 && f.abs() < 9.0e15;
        if floats.iter().all(|f| f.is_nan() || whole(f)) {
            let number = |f: f64| (!f.is_nan()).then_some(f as i64);
            return Owners::Numbers(floats.into_iter().map(number).collect());
        }
        // The text of -0 would be another one.
        floats.iter_mut().for_each(|f| *f += 0.0);
        Owners::Texts(Cells::Numbers(floats).texts())
    }

    /// Whether a row has one.
    pub fn has(&self, row: usize) -> bool {
        match self {
            Owners::Numbers(numbers) => numbers[row].is_some(),
            Owners::Texts(texts) => texts.is_valid(row) && !texts.value(row).trim().is_empty(),
        }
    }

    /// That of a row, as text.
    pub fn text(&self, row: usize) -> String {
        match self {
            Owners::Numbers(numbers) => numbers[row].map_or_else(String::new, |n| n.to_string()),
            Owners::Texts(texts) => texts.value(row).trim().to_owned(),
        }
    }

    /// Those of some rows, which have one.
    pub fn at(&self, rows: &[u32]) -> Ids {
        match self {
            Owners::Numbers(numbers) => {
                Ids::Numbers(rows.iter().map(|&row| numbers[row as usize].unwrap_or(0)).collect())
            }
            Owners::Texts(texts) => {
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

/// The codes of names at some rows; [`NONE`] where there is none.
pub(super) fn codes(cells: &Cells, rows: &[u32], names: &Names) -> Result<Vec<u16>> {
    if let Cells::Column(column) = cells {
        if let Some(dictionary) = column.as_any_dictionary_opt() {
            let values = Cells::Column(dictionary.values().clone());
            let (keys, nulls) = (dictionary.normalized_keys(), dictionary.nulls());
            let key = |&row: &u32| {
                let there = nulls.is_none_or(|nulls| nulls.is_valid(row as usize));
                there.then(|| keys[row as usize]).filter(|key| *key < values.len())
            };
            // Names of other rows are none of the log's.
            let mut met = vec![false; values.len()];
            rows.iter().filter_map(key).for_each(|key| met[key] = true);
            let met: Vec<u32> =
                (0..).zip(met).filter(|(_, met)| *met).map(|(key, _)| key).collect();
            let mut known = vec![NONE; values.len()];
            for (key, code) in met.iter().zip(codes(&values, &met, names)?) {
                known[*key as usize] = code;
            }
            return Ok(rows.iter().map(|row| key(row).map_or(NONE, |key| known[key])).collect());
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
pub(super) fn products(cells: &Cells, rows: &[u32]) -> Vec<u64> {
    let key = |texts: &StringArray, row: usize| {
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
