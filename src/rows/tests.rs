//! CSV records against the csv crate, on texts with quotes, line ends and blanks at any place, read in small pieces.

use std::borrow::Cow;
use std::io::Read;

use proptest::prelude::*;
use rekindle_models::frame::{DateFormat, Field, Kind, Schema};

use super::csv::Records;
use super::lines::Lines;
use crate::customers::{Gathering, Limits};
use crate::fields::Fields;

/// A stream that gives a few bytes at a time.
struct Drops<'a>(&'a [u8], usize);

impl Read for Drops<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.1.min(self.0.len()).min(buffer.len());
        buffer[..count].copy_from_slice(&self.0[..count]);
        self.0 = &self.0[count..];
        Ok(count)
    }
}

/// All records as texts, by ours.
fn records(text: &[u8], step: usize) -> Vec<Vec<String>> {
    let mut records = Records::new(Drops(text, step), 1 << 20).unwrap();
    let names = records.names().iter().map(|name| name.to_string()).collect();
    let mut all = vec![names];
    while let Some((record, _)) = records.next().unwrap() {
        let mut texts = Vec::new();
        record.for_each(|_, field| texts.push(String::from_utf8_lossy(field).into_owned()));
        all.push(texts);
    }
    all
}

/// The same by the csv crate.
fn twin(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(text);
    let texts = |record: csv::ByteRecord| {
        record.iter().map(|f| String::from_utf8_lossy(f).into_owned()).collect()
    };
    reader.byte_records().map(|record| texts(record.unwrap())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(2_000) })]

    #[test]
    fn records_are_those_of_the_csv_crate(
        cells in prop::collection::vec(prop::collection::vec("[a-z0-9 .,\"\n\r]{0,6}", 1..4), 1..6),
        step in 1_usize..40,
        crlf in any::<bool>(),
    ) {
        let ending = if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') };
        let mut writer = csv::WriterBuilder::new()
            .flexible(true)
            .terminator(ending)
            .from_writer(b"first,second\n".to_vec());
        cells.iter().for_each(|row| writer.write_record(row).unwrap());
        let text = writer.into_inner().unwrap();
        prop_assert_eq!(records(&text, step), twin(&text), "{}", String::from_utf8_lossy(&text));
    }

    #[test]
    fn lines_are_those_of_the_standard_library(text in "[ab\r\n]{0,60}", step in 1_usize..9) {
        let mut lines = Lines::new(Drops(text.as_bytes(), step), 100);
        let mut found = Vec::new();
        while let Some((length, whole)) = lines.peek().unwrap() {
            lines.take(whole, 1);
            found.push(String::from_utf8(lines.taken(whole)[..length].to_vec()).unwrap());
        }
        // The standard library keeps a lone carriage return at the very end.
        let twin: Vec<String> = text.lines().map(str::to_owned).collect();
        prop_assert_eq!(lines.number(), twin.len() as u64);
        prop_assert_eq!(found, twin);
    }
}

#[test]
fn a_line_that_is_too_long_is_refused_with_its_number() {
    let text = format!("a\n{}\n", "x".repeat(500_000));
    let mut lines = Lines::new(text.as_bytes(), 1_000);
    let (_, whole) = lines.peek().unwrap().unwrap();
    lines.take(whole, 1);
    let error = lines.peek().unwrap_err().to_string();
    assert_eq!(error, "line 2 is longer than 1000 bytes, expected shorter rows");
}

#[test]
fn cells_mean_what_they_mean_in_a_training_table() {
    let field = |name: &str, kind| Field { name: name.to_owned(), kind };
    let levels = Kind::Categorical(["basic", "gold"].map(str::to_owned).into());
    let schema = Schema::new(vec![
        field("spend", Kind::Numeric),
        field("subscribed", Kind::Boolean),
        field("first", Kind::Date(DateFormat(String::new()))),
        field("plan", levels),
    ]);
    let fields = Fields::new(&schema.unwrap(), Some("id"), &[], &["NA".to_owned()]);
    let limits = Limits { customers: 10, fields: 10, text_bytes: 100 };
    let row = |text: &str| {
        let mut gathering = Gathering::new(&fields, limits);
        let names = ["id", "spend", "subscribed", "first", "plan"].map(Cow::Borrowed);
        let heading = gathering.heading(&names).unwrap();
        let body = format!("h\n{text}\n");
        let mut records = Records::new(body.as_bytes(), 1_000).unwrap();
        let (record, line) = records.next().unwrap().unwrap();
        assert_eq!(line, 2);
        record.read(&mut gathering, &heading);
        gathering.finish().map(|customers| {
            let cells = customers.rows.row(0).iter();
            let cells: Vec<_> = cells.map(|cell| (!cell.is_nan()).then_some(*cell)).collect();
            (customers.ids[0].as_ref().map(ToString::to_string), cells)
        })
    };
    let (id, cells) = row("c7, 2.50 ,TRUE,1970-01-03, gold").unwrap();
    assert_eq!(id.as_deref(), Some("c7"));
    assert_eq!(cells, [Some(2.5), Some(1.0), Some(2.0), Some(1.0)]);
    assert_eq!(row("7,1e3,1.0,NA,silver").unwrap().1, [Some(1000.0), Some(1.0), None, Some(-1.0)]);
    assert_eq!(row("NA,NA,,\"\",NA").unwrap(), (None, vec![None; 4]));
    for wrong in ["1,x,,,", "1,,yes,,", "1,,,yesterday,", "1,2", "1,2,,,gold,more"] {
        assert!(row(wrong).is_err(), "{wrong}");
    }
}
