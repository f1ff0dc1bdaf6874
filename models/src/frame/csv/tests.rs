//! CSV tables as a user meets them: files on disk through [`read`], right and wrong ones.

use std::io::Write;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use crate::error::Error;
use crate::frame::{
    Column, DateFormat, Frame, Kind, MISSING_CODE, ReadKind, ReadOptions, read, write_csv,
};

/// A file that is deleted with its folder.
struct Written(TempDir, PathBuf);

fn write(bytes: &[u8]) -> Written {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table.csv");
    std::fs::write(&path, bytes).unwrap();
    Written(folder, path)
}

fn read_as(text: impl AsRef<[u8]>, options: &ReadOptions) -> Result<Frame, Error> {
    let file = write(text.as_ref());
    assert!(file.0.path().is_dir());
    read(&file.1, options)
}

fn frame(text: impl AsRef<[u8]>) -> Frame {
    read_as(text, &ReadOptions::default()).unwrap()
}

fn error(text: impl AsRef<[u8]>) -> Error {
    read_as(text, &ReadOptions::default()).unwrap_err()
}

fn with_kinds(kinds: &[(&str, ReadKind)]) -> ReadOptions {
    let kinds = kinds.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
    ReadOptions { kinds: kinds.collect(), ..ReadOptions::default() }
}

fn texts(frame: &Frame, place: usize) -> Vec<Option<String>> {
    (0..frame.rows()).map(|row| frame.text(place, row).map(|t| t.into_owned())).collect()
}

fn some(texts: &[&str]) -> Vec<Option<String>> {
    texts.iter().map(|t| (!t.is_empty()).then(|| (*t).to_owned())).collect()
}

fn names(frame: &Frame) -> Vec<&str> {
    frame.schema().fields().iter().map(|f| f.name.as_str()).collect()
}

fn kind(frame: &Frame, name: &str) -> &'static str {
    frame.schema().fields()[frame.schema().place(name).unwrap()].kind.name()
}

fn gzipped(text: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    writer.write_all(text).unwrap();
    writer.finish().unwrap()
}

#[test]
fn a_table_reads_the_same_whatever_its_delimiter_line_ends_and_packing() {
    let plain = "id,spend,vip,town\n1,2.5,true,Kyoto\n2,,false,\n3,-4e2,TRUE,Osaka\n";
    let expected = frame(plain);
    assert_eq!(names(&expected), ["id", "spend", "vip", "town"]);
    let kinds: Vec<_> = names(&expected).iter().map(|n| kind(&expected, n)).collect();
    assert_eq!(kinds, ["numeric", "numeric", "boolean", "categorical"]);
    assert_eq!(texts(&expected, 1), some(&["2.5", "", "-400"]));
    assert_eq!(texts(&expected, 2), some(&["true", "false", "true"]));
    assert_eq!(texts(&expected, 3), some(&["Kyoto", "", "Osaka"]));
    let same = [
        plain.replace(',', ";"),
        plain.replace(',', "\t"),
        plain.replace(',', "|"),
        plain.replace('\n', "\r\n"),
        plain.replace('\n', "\r"),
        plain.replace('\n', "\n\n"),
        plain.replace('\n', "\r\n\r\n"),
        plain.replace(',', " , "),
        format!("\u{feff}{plain}"),
        format!("\n\r\n{plain}"),
        format!("\n{}", plain.replace(',', ";")),
        plain.trim_end().to_owned(),
        plain.trim_end().replace('\n', "\r\n"),
        plain.replace("Kyoto", "\"Kyoto\""),
        plain.replace("town", "\"town\""),
    ];
    for text in same {
        assert_eq!(frame(&text).schema(), expected.schema(), "{text:?}");
        assert_eq!(frame(&text).fingerprint(), expected.fingerprint(), "{text:?}");
        let unpacked = frame(gzipped(text.as_bytes()));
        assert_eq!(unpacked.fingerprint(), expected.fingerprint(), "gzipped {text:?}");
    }
    // Files joined by `cat` are one stream of several gzip members.
    let (front, back) = plain.as_bytes().split_at(20);
    let joined = frame([gzipped(front), gzipped(back)].concat());
    assert_eq!(joined.fingerprint(), expected.fingerprint());
    let forced = ReadOptions { delimiter: Some(b'#'), ..ReadOptions::default() };
    let forced = read_as(plain.replace(',', "#"), &forced).unwrap();
    assert_eq!(forced.fingerprint(), expected.fingerprint());
}

#[test]
fn the_delimiter_is_the_one_that_stands_most_often_outside_quotes() {
    let table = frame("\"a,b,c,d\";e\n1;2\n");
    assert_eq!(names(&table), ["a,b,c,d", "e"]);
    assert_eq!(names(&frame("alone\n5\n")), ["alone"]);
}

#[test]
fn quoted_fields_keep_delimiters_quotes_and_line_ends() {
    let table = frame("a,b\n\"x, \"\"y\"\"\",1\n\"two\r\nlines\",2\n\"\",\"3\"\nq\"q,4\n");
    assert_eq!(texts(&table, 0), some(&["x, \"y\"", "two\r\nlines", "", "q\"q"]));
    assert_eq!(texts(&table, 1), some(&["1", "2", "3", "4"]));
    assert_eq!(kind(&table, "b"), "numeric");
}

#[test]
fn default_markers_and_blank_cells_are_missing_in_every_kind() {
    let table = frame(
        "n,b,c,k\n1,true,x,1\nNA,N/A, NULL ,2\nnan,null,\\N,3\n  ,\t,\"  \",4\nNaN,NA,na,5\n",
    );
    assert_eq!(texts(&table, 0), some(&["1", "", "", "", ""]));
    assert_eq!(texts(&table, 1), some(&["true", "", "", "", ""]));
    assert_eq!(texts(&table, 2), some(&["x", "", "", "", "na"]));
}

#[test]
fn own_markers_replace_the_default_ones_and_may_be_numbers() {
    let markers = vec!["-999".to_owned(), " ? ".to_owned(), "999".to_owned()];
    let options = ReadOptions { missing: markers, ..ReadOptions::default() };
    let table = read_as("n,c\n-999,?\n 999 ,-999\n-99.9,NA\n?,b\n", &options).unwrap();
    assert_eq!(texts(&table, 0), some(&["", "", "-99.9", ""]));
    assert_eq!(texts(&table, 1), some(&["", "", "NA", "b"]));
}

#[test]
fn kinds_are_overridden_by_name() {
    let text = "code,flag,day,when,n\n007,1,23.11.2026,2026-11-23T12:00:00+06:00,5\n\
                010,0.0,NA,1970-01-01,NA\n,FALSE,01.01.1970,1969-12-31 18:00:00,1e3\n";
    let options = with_kinds(&[
        ("code", ReadKind::Categorical),
        ("flag", ReadKind::Boolean),
        ("day", ReadKind::Date(DateFormat("%d.%m.%Y".to_owned()))),
        ("when", ReadKind::Date(DateFormat::default())),
        ("n", ReadKind::Numeric),
    ]);
    let table = read_as(text, &options).unwrap();
    assert_eq!(texts(&table, 0), some(&["007", "010", ""]));
    assert_eq!(texts(&table, 1), some(&["true", "false", "false"]));
    assert_eq!(texts(&table, 2), some(&["20780", "", "0"]));
    assert_eq!(texts(&table, 3), some(&["20780.25", "0", "-0.25"]));
    assert_eq!(texts(&table, 4), some(&["5", "", "1000"]));
    assert_eq!(kind(&table, "day"), "date");
}

#[test]
fn columns_without_any_value_are_numeric_unless_overridden() {
    let text = "a,b,c,d,e\n,NA,,,x\n,,nan, ,y\n";
    let options = with_kinds(&[("b", ReadKind::Categorical), ("c", ReadKind::Boolean)]);
    let table = read_as(text, &options).unwrap();
    let kinds: Vec<_> = ["a", "b", "c", "d"].iter().map(|n| kind(&table, n)).collect();
    assert_eq!(kinds, ["numeric", "categorical", "boolean", "numeric"]);
    assert!((0..4).all(|place| texts(&table, place) == [None, None]));
    assert_eq!(table.columns()[1], Column::Category(vec![MISSING_CODE; 2]));
}

#[test]
fn skipped_and_unwanted_columns_are_not_even_parsed() {
    let text = b"a,b,c\n1,\xff,2\n3,\xfe,4\n";
    let skip = ReadOptions { skip: vec!["b".to_owned()], ..ReadOptions::default() };
    assert_eq!(names(&read_as(text, &skip).unwrap()), ["a", "c"]);
    let columns = Some(vec!["c".to_owned(), "elsewhere".to_owned()]);
    let chosen = ReadOptions { columns, ..ReadOptions::default() };
    let table = read_as(text, &chosen).unwrap();
    assert_eq!((names(&table), table.rows()), (vec!["c"], 2));
}

/// `rows` lines of `line(row)`, enough for several blocks.
fn long(header: &str, rows: usize, line: impl Fn(usize) -> String) -> String {
    (0..rows).fold(format!("{header}\n"), |text, row| text + &line(row) + "\n")
}

/// A table of over 1 MB in which columns change their looks late.
fn changing() -> String {
    long("code,flag,late,nans,n,note", 60_000, |row| {
        let late = row >= 55_000;
        let code = if late { "x".to_owned() } else { format!("{:03}", row % 400) };
        let flag = if late { "maybe" } else { ["true", "FALSE"][row % 2] };
        let first = if late { "1" } else { "" };
        let nan = if late { "text" } else { "NAN" };
        let note = if row % 9_000 == 1 { "\"a\nb, c\"" } else { "plain" };
        format!("{code},{flag},{first},{nan},{row}.5,{note}")
    })
}

#[test]
fn kinds_are_those_of_the_whole_file_and_texts_stay_as_written() {
    let text = changing();
    assert!(text.len() > 1 << 20);
    let table = frame(&text);
    let kinds: Vec<_> = names(&table).iter().map(|n| kind(&table, n)).collect();
    let expected =
        ["categorical", "categorical", "numeric", "categorical", "numeric", "categorical"];
    assert_eq!(kinds, expected);
    assert_eq!(table.text(0, 7).unwrap(), "007");
    assert_eq!(table.text(1, 1).unwrap(), "FALSE");
    assert_eq!(table.text(2, 54_999), None);
    assert_eq!(table.text(3, 0).unwrap(), "NAN");
    assert_eq!(table.text(5, 9_001).unwrap(), "a\nb, c");
}

#[test]
fn a_file_of_many_blocks_equals_a_slow_reader() {
    let text = changing();
    let table = frame(&text);
    let mut slow = csv::Reader::from_reader(text.as_bytes());
    let mut rows = 0;
    for (row, record) in slow.records().enumerate() {
        let record = record.unwrap();
        for (place, cell) in record.iter().enumerate() {
            let found = table.text(place, row).unwrap_or_default();
            assert_eq!(found, cell, "column {place}, row {row}");
        }
        rows += 1;
    }
    assert_eq!(table.rows(), rows);
}

#[test]
fn the_frame_is_the_same_on_any_number_of_threads() {
    let file = write(changing().as_bytes());
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read(&file.1, &ReadOptions::default()).unwrap())
    };
    let one = on(1);
    for threads in [2, 3, 8] {
        // Missing numbers are NaN: equal bits have equal fingerprints.
        assert_eq!(on(threads).fingerprint(), one.fingerprint(), "{threads} threads");
        assert_eq!(on(threads).schema(), one.schema(), "{threads} threads");
    }
}

fn ragged_line(text: &str) -> (u64, usize, usize) {
    match error(text) {
        Error::RaggedRow { line, found, expected, .. } => (line, found, expected),
        other => panic!("{other}"),
    }
}

#[test]
fn a_ragged_row_is_named_by_the_line_it_starts_in() {
    assert_eq!(ragged_line("a,b\n1,2\n3\n"), (3, 1, 2));
    assert_eq!(ragged_line("a,b\n1,2\n3,4,5\n6,7\n"), (3, 3, 2));
    assert_eq!(ragged_line("a,b\n1,2\n3,4,5"), (3, 3, 2));
    assert_eq!(ragged_line("a,b\r\n1,2\r\n3\r\n"), (3, 1, 2));
    assert_eq!(ragged_line("a,b\n1,2\n\n\n3\n"), (5, 1, 2));
    assert_eq!(ragged_line("a,b\r\n\r\n1,2\r\n\r\n3\r\n"), (5, 1, 2));
    assert_eq!(ragged_line("a,b\n\"x\ny\nz\",2\n3\n"), (5, 1, 2));
    assert_eq!(ragged_line("a,b\r\n\"x\r\ny\",2\r\n\"3\r\n3\"\r\n4,4\r\n"), (4, 1, 2));
}

#[test]
fn a_ragged_row_in_a_late_block_is_named_by_its_line() {
    let line = |row: usize| match row {
        90_000 => "1,2,3".to_owned(),
        row if row % 1_000 == 0 => "\"multi\nline\",5".to_owned(),
        row => format!("{row},{row}"),
    };
    // Line 1 is the header; 90 quoted cells before the row have a line more.
    assert_eq!(ragged_line(&long("a,b", 100_000, line)), (90_002 + 90, 3, 2));
    let plain = |row: usize| if row == 90_000 { "1".into() } else { format!("{row},{row}") };
    assert_eq!(ragged_line(&long("a,b", 100_000, plain)), (90_002, 1, 2));
    assert_eq!(ragged_line(&long("a,b", 100_000, plain).replace('\n', "\r\n")), (90_002, 1, 2));
}

fn bad_cell(text: &str, kind: ReadKind) -> (u64, String, String) {
    match read_as(text, &with_kinds(&[("b", kind)])).unwrap_err() {
        Error::BadCell { line, column, value, .. } => (line, column, value),
        other => panic!("{other}"),
    }
}

#[test]
fn a_bad_cell_is_named_by_file_line_column_and_value() {
    let at = |line, value: &str| (line, "b".to_owned(), value.to_owned());
    assert_eq!(bad_cell("a,b\n1,2\n3,x\n", ReadKind::Numeric), at(3, "x"));
    assert_eq!(bad_cell("a,b\r\n1,2\r\n\r\n3,x\r\n", ReadKind::Numeric), at(4, "x"));
    assert_eq!(bad_cell("a,b\n\"1\n1\",2\n\n3, x y \n", ReadKind::Numeric), at(5, "x y"));
    assert_eq!(bad_cell("a,b\n1,true\n3,2\n", ReadKind::Boolean), at(3, "2"));
    let date = || ReadKind::Date(DateFormat::default());
    assert_eq!(bad_cell("a,b\n1,2026-02-30\n", date()), at(2, "2026-02-30"));
    let late = long("a,b", 80_000, |row| match row {
        70_000 => "1,x".to_owned(),
        row if row % 1_000 == 0 => format!("\"multi\nline\",{row}"),
        row => format!("{row},{row}"),
    });
    assert_eq!(bad_cell(&late, ReadKind::Numeric), at(70_002 + 70, "x"));
    let (_, _, shown) = bad_cell(&format!("a,b\n1,{}\n", "é".repeat(500)), ReadKind::Numeric);
    assert_eq!(shown, "é".repeat(60) + "...");
    let message = read_as("a,b\n1,x\n", &with_kinds(&[("b", ReadKind::Numeric)])).unwrap_err();
    let message = message.to_string();
    assert!(message.contains("table.csv:2: column b: found \"x\""), "{message}");
}

#[test]
fn headers_with_empty_or_equal_names_are_refused() {
    assert!(matches!(error("a,,c\n1,2,3\n"), Error::UnnamedColumn { place: 2 }));
    assert!(matches!(error("a,\" \"\n1,2\n"), Error::UnnamedColumn { place: 2 }));
    match error("a,b, a \n1,2,3\n") {
        Error::DuplicateColumn { column, first: 1, second: 3 } => assert_eq!(column, "a"),
        other => panic!("{other}"),
    }
}

#[test]
fn what_is_no_table_is_refused_with_the_reason() {
    let refused = |bytes: &[u8], words: &str| {
        let message = error(bytes).to_string();
        assert!(message.contains("table.csv") && message.contains(words), "{message}");
    };
    refused(b"", "is empty");
    refused(b"\n\r\n", "is empty");
    refused(b"\xef\xbb\xbf", "is empty");
    refused(&gzipped(b""), "is empty");
    refused(b"a,b\n", "no rows");
    refused(b"a,b", "no rows");
    refused(b"a,b\r\n\r\n", "no rows");
    refused(b"a,b\xe9\n1,2\n", "UTF-8");
    refused(b"a,b\n1,caf\xe9\n", "UTF-8");
    refused(b"\xff\xfea\0,\0b\0\n\0", "UTF-8");
    refused(&gzipped(b"a,b\n1,2\n3,4\n")[..20], "failed to read");
    let mut damaged = gzipped("a,b\n1,2\n".repeat(500).as_bytes());
    let middle = damaged.len() / 2;
    damaged[middle] ^= 0xff;
    refused(&damaged, "table.csv");
    let folder = tempfile::tempdir().unwrap();
    let message = read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(message.contains("is a folder"), "{message}");
    let absent = folder.path().join("absent.csv");
    assert!(matches!(read(&absent, &ReadOptions::default()), Err(Error::Io { .. })));
}

#[test]
fn a_quote_that_is_not_closed_is_named_by_its_line() {
    let refused = |text: &str, line: u64| {
        let message = error(text).to_string();
        let expected = format!("line {line}: ");
        assert!(message.contains(&expected) && message.contains("quote"), "{message}");
    };
    // Without this check the rest of the file would be one cell.
    refused("a,b\n1,x\n2,\"y\n3,z\n4,z\n", 3);
    refused("a,b\r\n1,x\r\n2,\"y\r\n3,z\r\n", 3);
    refused("a,b\n1,\"x\ny\"\n\n2,\"y\n3,z", 5);
    refused("\"a,b\n1,x\n", 1);
    refused(
        &long("a,b", 90_000, |r| format!("{r},{}z", if r == 50_000 { "\"" } else { "" })),
        50_002,
    );
    // A quote inside a field that does not begin with one is a character like any other.
    assert_eq!(frame("a,b\n1,5\"\n2,\"\"\n").text(1, 0).unwrap(), "5\"");
    assert_eq!(frame("a,b\n1,\"x\"").text(1, 0).unwrap(), "x");
}

#[test]
fn options_that_name_no_column_offer_the_nearest() {
    let nearest = |options: &ReadOptions| match read_as("town,spend\nx,1\n", options).unwrap_err() {
        Error::NoSuchColumn { column, nearest } => (column, nearest),
        other => panic!("{other}"),
    };
    let kinds = with_kinds(&[("Spent", ReadKind::Numeric)]);
    assert_eq!(nearest(&kinds), ("Spent".to_owned(), Some("spend".to_owned())));
    let skip = ReadOptions { skip: vec!["sky".to_owned()], ..ReadOptions::default() };
    assert_eq!(nearest(&skip), ("sky".to_owned(), None));
}

#[test]
fn a_model_finds_its_kinds_again_and_may_lack_columns() {
    let features = frame("code,flag,gone\nx,true,1\n").schema().clone();
    let options = ReadOptions::for_model(&features, &[], Some("id"), &["note"]);
    let table = read_as("id,code,flag,note,more\n01,7,1,5,x\n02,8,0,6,y\n", &options).unwrap();
    assert_eq!(names(&table), ["id", "code", "flag", "note"]);
    let kinds: Vec<_> = names(&table).iter().map(|n| kind(&table, n)).collect();
    assert_eq!(kinds, ["categorical", "categorical", "boolean", "numeric"]);
    assert_eq!(table.text(0, 0).unwrap(), "01");
}

/// Cells that are awkward to read, and their texts as the frame gives them.
fn cell() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-c,;|\"\t\r\n é]{0,6}",
        Just("NA".to_owned()),
        any::<f64>().prop_map(|x| x.to_string()),
        "-?[0-9]{1,17}\\.[0-9]{0,3}",
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn tables_written_by_another_library_read_as_the_values(
        rows in proptest::collection::vec(proptest::collection::vec(cell(), 3), 1..30),
        crlf in any::<bool>(),
        semicolon in any::<bool>(),
    ) {
        let mut writer = csv::WriterBuilder::new()
            .delimiter(if semicolon { b';' } else { b',' })
            .terminator(if crlf { csv::Terminator::CRLF } else { csv::Terminator::Any(b'\n') })
            .from_writer(Vec::new());
        writer.write_record(["a", "b", "c"]).unwrap();
        rows.iter().for_each(|row| writer.write_record(row).unwrap());
        let kinds = ["a", "b", "c"].map(|name| (name, ReadKind::Categorical));
        let table = read_as(writer.into_inner().unwrap(), &with_kinds(&kinds)).unwrap();
        prop_assert_eq!(table.rows(), rows.len());
        for (row, cells) in rows.iter().enumerate() {
            for (place, cell) in cells.iter().enumerate() {
                let cell = cell.trim_matches(|c: char| c.is_ascii_whitespace());
                let missing = cell.is_empty() || ["NA", "NaN"].contains(&cell);
                let expected = (!missing).then(|| cell.to_owned());
                prop_assert_eq!(table.text(place, row).map(|t| t.into_owned()), expected);
            }
        }
    }

    #[test]
    fn numbers_come_back_to_the_bit(numbers in proptest::collection::vec(any::<f64>(), 1..50)) {
        let lines: String = numbers.iter().map(|x| format!("{x},{x:e}\n")).collect();
        let table = frame(format!("a,b\n{lines}"));
        for place in 0..2 {
            for (found, written) in table.numbers(place).unwrap().iter().zip(&numbers) {
                prop_assert!(found.to_bits() == written.to_bits() || written.is_nan());
            }
        }
    }

    #[test]
    fn any_bytes_give_a_table_or_an_error(bytes in proptest::collection::vec(
        prop_oneof![Just(b','), Just(b'\n'), Just(b'"'), Just(b'\r'), Just(b'1'), any::<u8>()], 0..60,
    )) {
        if let Ok(table) = read_as(&bytes, &ReadOptions::default()) {
            prop_assert!(table.rows() > 0);
        }
    }
}

#[test]
fn a_frame_written_and_read_again_is_the_same() {
    let text = "n,b,c\n0.1,true,\"x, \"\"y\"\"\"\n,false,\n-1e300,,\"a\nb\"\n";
    let table = frame(text);
    let mut written = Vec::new();
    write_csv(&table, &mut written).unwrap();
    assert_eq!(frame(&written).fingerprint(), table.fingerprint());
    let Kind::Categorical(levels) = &table.schema().fields()[2].kind else { panic!("a category") };
    assert_eq!(&**levels, ["a\nb", "x, \"y\""]);
}
