//! The log and its tables as CSV and as JSON lines. No name of the simulator needs quotes.

use std::io::{self, Write};

use chrono::{DateTime, Datelike};
use rekindle_models::behaviour::DAY_MS;

use crate::simulate::catalogue::{CHANNELS, GROUPS, KINDS, NO_CODE, NO_PRODUCT};
use crate::simulate::deeds::Deeds;
use crate::simulate::{Cells, Sheet, Stage, id};

/// The log's columns.
pub(super) const COLUMNS: [&str; 9] = [
    "customer_id",
    "time",
    "kind",
    "amount",
    "product",
    "product_group",
    "channel",
    "discount",
    "received_at",
];

pub(super) const CSV_HEADER: &[u8] =
    b"customer_id,time,kind,amount,product,product_group,channel,discount,received_at\n";

/// The lines of a block.
pub(super) fn csv(stage: &Stage, deeds: &Deeds) -> Vec<u8> {
    let mut to = Vec::with_capacity(deeds.len() * 110);
    lines(stage, deeds, &mut to, |cells, to| {
        for (place, cell) in cells.iter().enumerate() {
            if place > 0 {
                to.push(b',');
            }
            to.extend_from_slice(cell.as_bytes());
        }
        to.push(b'\n');
    });
    to
}

/// The lines of a block, an object each.
pub(super) fn ndjson(stage: &Stage, deeds: &Deeds) -> Vec<u8> {
    let mut to = Vec::with_capacity(deeds.len() * 200);
    lines(stage, deeds, &mut to, |cells, to| {
        for (place, cell) in cells.iter().enumerate().filter(|(_, cell)| !cell.is_empty()) {
            to.extend_from_slice(if place == 0 { b"{\"" } else { b",\"" });
            to.extend_from_slice(COLUMNS[place].as_bytes());
            let quotes: &[u8] = if matches!(place, 3 | 7) { b"" } else { b"\"" };
            to.extend_from_slice(b"\":");
            to.extend_from_slice(quotes);
            to.extend_from_slice(cell.as_bytes());
            to.extend_from_slice(quotes);
        }
        to.extend_from_slice(b"}\n");
    });
    to
}

/// Gives each event's cells as text, empty where missing.
fn lines(
    stage: &Stage,
    deeds: &Deeds,
    to: &mut Vec<u8>,
    mut line: impl FnMut(&[&str; COLUMNS.len()], &mut Vec<u8>),
) {
    let (mut customer, mut amount, mut discount) = (String::new(), String::new(), String::new());
    let (mut time, mut received) = (String::new(), String::new());
    for place in 0..deeds.len() {
        let (product, group) = (deeds.products[place], usize::from(deeds.groups[place]));
        customer.clear();
        customer.push_str(&id(deeds.customers[place] as usize));
        number(deeds.amounts[place], &mut amount);
        number(deeds.discounts[place], &mut discount);
        instant(deeds.times[place], &mut time);
        instant(deeds.received[place], &mut received);
        let cells = [
            customer.as_str(),
            &time,
            KINDS[usize::from(deeds.kinds[place])],
            &amount,
            if product == NO_PRODUCT { "" } else { &stage.catalogue.names[usize::from(product)] },
            if group == usize::from(NO_CODE) { "" } else { GROUPS[group] },
            CHANNELS[usize::from(deeds.channels[place])],
            &discount,
            &received,
        ];
        line(&cells, to);
    }
}

/// The shortest text that reads back to the same bits; nothing where missing.
fn number(value: f64, text: &mut String) {
    use std::fmt::Write;
    text.clear();
    if !value.is_nan() {
        write!(text, "{value}").expect("a text takes all that is written to it");
    }
}

/// `2024-01-31T09:05:07.123Z`.
fn instant(ms: i64, text: &mut String) {
    use std::fmt::Write;
    text.clear();
    let date = DateTime::from_timestamp_millis(ms).unwrap_or_default().date_naive();
    let within = ms.rem_euclid(DAY_MS);
    let (hour, minute) = (within / 3_600_000, within / 60_000 % 60);
    let (second, ms) = (within / 1_000 % 60, within % 1_000);
    let (year, month, day) = (date.year(), date.month(), date.day());
    write!(text, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{ms:03}Z")
        .expect("a text takes all that is written to it");
}

/// A cell as text and whether it is a text in JSON too.
fn cell(cells: &Cells, row: usize, text: &mut String) -> bool {
    match cells {
        Cells::Text(texts) => {
            text.clear();
            text.push_str(&texts[row]);
            true
        }
        Cells::Number(numbers) => {
            number(numbers[row], text);
            false
        }
        Cells::Time(times) => {
            instant(times[row], text);
            true
        }
        Cells::Flag(flags) => {
            text.clear();
            text.push_str(if flags[row] { "true" } else { "false" });
            false
        }
    }
}

/// A table with a header.
pub(super) fn sheet_csv(sheet: &Sheet, to: &mut impl Write) -> io::Result<()> {
    let mut writer = csv::Writer::from_writer(to);
    writer.write_record(sheet.columns.iter().map(|(name, _)| name))?;
    let mut text = String::new();
    for row in 0..sheet.rows() {
        for (_, cells) in &sheet.columns {
            cell(cells, row, &mut text);
            writer.write_field(&text)?;
        }
        writer.write_record(None::<&[u8]>)?;
    }
    writer.flush()
}

/// A table, an object a row; missing cells are left out.
pub(super) fn sheet_ndjson(sheet: &Sheet, to: &mut impl Write) -> io::Result<()> {
    let mut text = String::new();
    for row in 0..sheet.rows() {
        let mut line = String::new();
        for (name, cells) in &sheet.columns {
            let quoted = cell(cells, row, &mut text);
            if text.is_empty() {
                continue;
            }
            let quote = if quoted { "\"" } else { "" };
            let before = if line.is_empty() { '{' } else { ',' };
            line.push(before);
            line.push_str(&format!("\"{name}\":{quote}{text}{quote}"));
        }
        to.write_all(line.as_bytes())?;
        to.write_all(b"}\n")?;
    }
    to.flush()
}
