//! Parquet and Arrow IPC files against the same tables as CSV, and damaged ones.

use std::path::Path;

use arrow_array::types::Int32Type;
use arrow_array::{
    BooleanArray, Date32Array, DictionaryArray, Float32Array, Float64Array, Int32Array, Int64Array,
    RecordBatch, StringArray, TimestampMicrosecondArray, TimestampMillisecondArray,
};
use arrow_ipc::writer::FileWriter;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use super::*;
use crate::frame::read;

type Cells = Vec<(&'static str, ArrayRef)>;

fn parquet(cells: Cells) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(cells.into_iter().map(|(n, c)| (n, c, true)));
    let batch = batch.unwrap();
    // Small groups and pages: a file has several of each.
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(1_000)).build();
    let mut writer = ArrowWriter::try_new(Vec::new(), batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.into_inner().unwrap()
}

fn ipc(cells: Cells) -> Vec<u8> {
    let batch =
        RecordBatch::try_from_iter_with_nullable(cells.into_iter().map(|(n, c)| (n, c, true)));
    let batch = batch.unwrap();
    let mut writer = FileWriter::try_new(Vec::new(), &batch.schema()).unwrap();
    for start in (0..batch.num_rows()).step_by(700) {
        writer.write(&batch.slice(start, 700.min(batch.num_rows() - start))).unwrap();
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

fn read_bytes(bytes: &[u8], options: &ReadOptions) -> Result<Frame> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("table");
    std::fs::write(&path, bytes).unwrap();
    read(Path::new(&path), options)
}

fn kinds(kinds: &[(&str, ReadKind)]) -> ReadOptions {
    let kinds = kinds.iter().map(|(name, kind)| ((*name).to_owned(), kind.clone()));
    ReadOptions { kinds: kinds.collect(), ..ReadOptions::default() }
}

/// Columns of all types, and the same table as CSV.
fn mixed(rows: usize) -> (Cells, String) {
    let some = |row: usize| (row % 7 != 3).then_some(row);
    let town = |row: usize| ["Kyoto", " Osaka ", "NA", ""][row % 4];
    let text = |row: &usize| some(*row).map(town);
    let all: Vec<usize> = (0..rows).collect();
    let each = |row: &usize| some(*row);
    let cells: Cells = vec![
        (
            "int",
            Arc::new(all.iter().map(|r| each(r).map(|r| r as i64 - 50)).collect::<Int64Array>()),
        ),
        ("small", Arc::new(all.iter().map(|r| Some(*r as i32 % 90)).collect::<Int32Array>())),
        (
            "double",
            Arc::new(all.iter().map(|r| each(r).map(|r| r as f64 / 7.0)).collect::<Float64Array>()),
        ),
        (
            "single",
            Arc::new(all.iter().map(|r| each(r).map(|r| r as f32 / 8.0)).collect::<Float32Array>()),
        ),
        (
            "flag",
            Arc::new(all.iter().map(|r| each(r).map(|r| r % 2 == 0)).collect::<BooleanArray>()),
        ),
        ("text", Arc::new(all.iter().map(text).collect::<StringArray>())),
        ("coded", Arc::new(all.iter().map(text).collect::<DictionaryArray<Int32Type>>())),
        ("void", Arc::new(all.iter().map(|_| None::<f64>).collect::<Float64Array>())),
    ];
    let mut csv = "int,small,double,single,flag,text,coded,void\n".to_owned();
    for row in 0..rows {
        csv += &match some(row) {
            Some(r) => format!(
                "{},{},{},{},{},{t},{t},\n",
                r as i64 - 50,
                r % 90,
                r as f64 / 7.0,
                r as f64 / 8.0,
                r % 2 == 0,
                t = town(r),
            ),
            None => format!(",{},,,,,,\n", row % 90),
        };
    }
    (cells, csv)
}

#[test]
fn the_same_table_is_the_same_frame_in_every_format() {
    let (cells, csv) = mixed(2_500);
    let expected = read_bytes(csv.as_bytes(), &ReadOptions::default()).unwrap();
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        let frame = read_bytes(&bytes, &ReadOptions::default()).unwrap();
        assert_eq!(frame.schema(), expected.schema());
        assert_eq!(frame.fingerprint(), expected.fingerprint());
    }
}

#[test]
fn the_frame_of_a_wide_file_is_the_same_on_any_number_of_threads() {
    let names: Vec<&'static str> = (0..40).map(|n| &*format!("x{n}").leak()).collect();
    let column =
        |n: usize| (0..3_000).map(move |row| Some((row * n) as f64)).collect::<Float64Array>();
    let cells: Cells = names
        .iter()
        .enumerate()
        .map(|(n, name)| (*name, Arc::new(column(n)) as ArrayRef))
        .collect();
    let bytes = parquet(cells);
    let on = |threads| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| read_bytes(&bytes, &ReadOptions::default()).unwrap())
    };
    let one = on(1);
    assert_eq!(one.numbers(7).unwrap()[5], 35.0);
    for threads in [2, 3, 8] {
        assert_eq!(on(threads), one, "{threads} threads");
    }
}

#[test]
fn times_are_refused_until_they_are_called_dates() {
    let noon = 1_764_000_000_000_000_i64;
    let micros = TimestampMicrosecondArray::from(vec![Some(noon), None]).with_timezone("+02:00");
    let millis = TimestampMillisecondArray::from(vec![Some(noon / 1_000), None]);
    let cells: Cells = vec![
        ("zoned", Arc::new(micros)),
        ("local", Arc::new(millis)),
        ("day", Arc::new(Date32Array::from(vec![Some(20_780), None]))),
        ("text", Arc::new(StringArray::from(vec![Some("2026-11-23"), Some("")]))),
        ("number", Arc::new(Int32Array::from(vec![Some(20_261_123), None]))),
    ];
    let iso = || ReadKind::Date(DateFormat::default());
    let digits = ReadKind::Date(DateFormat("%Y%m%d".to_owned()));
    let named =
        [("zoned", iso()), ("local", iso()), ("day", iso()), ("text", iso()), ("number", digits)];
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        let refused = read_bytes(&bytes, &ReadOptions::default()).unwrap_err().to_string();
        assert!(refused.contains("column zoned") && refused.contains("--date"), "{refused}");
        let frame = read_bytes(&bytes, &kinds(&named)).unwrap();
        let days = noon as f64 / 86_400e6;
        for (place, expected) in [days, days, 20_780.0, 20_780.0, 20_780.0].into_iter().enumerate()
        {
            let found = frame.numbers(place).unwrap();
            assert_eq!(found[0], expected, "column {place}");
            assert!(found[1].is_nan());
            assert_eq!(frame.schema().fields()[place].kind.name(), "date");
        }
    }
}

#[test]
fn overrides_ask_of_a_typed_cell_what_they_ask_of_a_text() {
    let cells: Cells = vec![
        ("code", Arc::new(Int32Array::from(vec![7, 10]))),
        ("flag", Arc::new(Int32Array::from(vec![1, 0]))),
        ("text", Arc::new(StringArray::from(vec!["1.5", " -2 "]))),
    ];
    let bytes = parquet(cells);
    let options = kinds(&[
        ("code", ReadKind::Categorical),
        ("flag", ReadKind::Boolean),
        ("text", ReadKind::Numeric),
    ]);
    let frame = read_bytes(&bytes, &options).unwrap();
    assert_eq!(frame.text(0, 0).unwrap(), "7");
    assert_eq!(frame.text(1, 0).unwrap(), "true");
    assert_eq!(frame.numbers(2).unwrap(), [1.5, -2.0]);
    let bad = |name: &str, kind| match read_bytes(&bytes, &kinds(&[(name, kind)])).unwrap_err() {
        Error::BadCell { line, column, value, .. } => (line, column, value),
        other => panic!("{other}"),
    };
    assert_eq!(bad("code", ReadKind::Boolean), (1, "code".to_owned(), "7".to_owned()));
    assert_eq!(bad("text", ReadKind::Boolean), (1, "text".to_owned(), "1.5".to_owned()));
    let date = ReadKind::Date(DateFormat::default());
    assert_eq!(bad("flag", date), (1, "flag".to_owned(), "1".to_owned()));
}

#[test]
fn numbers_that_mark_missing_cells_do_so_in_every_format() {
    let numbers = Float64Array::from(vec![Some(-999.0), Some(1.0), None]);
    let cells: Cells =
        vec![("n", Arc::new(numbers)), ("c", Arc::new(StringArray::from(vec!["a", "?", "b"])))];
    let missing = vec![" ? ".to_owned(), "-999".to_owned()];
    let options = ReadOptions { missing, ..ReadOptions::default() };
    let expected = read_bytes(b"n,c\n-999,a\n1,?\n,b\n", &options).unwrap();
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        let frame = read_bytes(&bytes, &options).unwrap();
        assert_eq!(frame.fingerprint(), expected.fingerprint());
    }
}

#[test]
fn unknown_names_are_refused_and_skipped_columns_left_out() {
    let (cells, _) = mixed(10);
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        let skip = ReadOptions { skip: vec!["void".to_owned()], ..ReadOptions::default() };
        assert_eq!(read_bytes(&bytes, &skip).unwrap().schema().len(), 7);
        let wrong = kinds(&[("doubel", ReadKind::Numeric)]);
        assert!(matches!(
            read_bytes(&bytes, &wrong),
            Err(Error::NoSuchColumn { nearest: Some(name), .. }) if name == "double"
        ));
    }
}

#[test]
fn tables_without_rows_are_refused() {
    let (cells, _) = mixed(0);
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        assert!(matches!(read_bytes(&bytes, &ReadOptions::default()), Err(Error::BadFile { .. })));
    }
}

#[test]
fn damaged_files_give_an_error_or_a_table_and_never_a_panic() {
    let (cells, _) = mixed(120);
    for bytes in [parquet(cells.clone()), ipc(cells)] {
        for cut in (0..bytes.len()).step_by(61) {
            let _ = read_bytes(&bytes[..cut], &ReadOptions::default());
        }
        for round in 0..600_u64 {
            let mut damaged = bytes.clone();
            for flip in 0..=round % 4 {
                let at = crate::seed::mix2(round, flip) as usize;
                // Half of the damage goes to the end, where Parquet keeps what describes the rest.
                let place = match round % 2 {
                    0 => at % damaged.len(),
                    _ => damaged.len() - 1 - at % (damaged.len() / 4),
                };
                damaged[place] ^= 1 << ((at >> 32) % 8);
            }
            let _ = read_bytes(&damaged, &ReadOptions::default());
        }
    }
}

#[test]
fn the_parts_of_a_table_are_one_table() {
    let folder = tempfile::tempdir().unwrap();
    let part = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let table = |from: i64, towns: [&str; 2]| -> Cells {
        let rows = || (from..from + 2_500).map(Some);
        let town = |row: Option<i64>| row.map(|row| towns[row as usize % 2]);
        vec![
            ("number", Arc::new(rows().collect::<Int64Array>())),
            ("town", Arc::new(rows().map(town).collect::<StringArray>())),
        ]
    };
    let refused = || read(folder.path(), &ReadOptions::default()).unwrap_err().to_string();
    assert!(refused().contains("it is a folder without files that end in .parquet"));
    part("part-2.parquet", &parquet(table(2_500, ["Kyoto", "Nara"])));
    part("part-1.parquet", &parquet(table(0, ["Osaka", "Kyoto"])));
    part("_left.parquet", b"out");
    part("notes.txt", b"of no table");
    let frame = read(folder.path(), &ReadOptions::default()).unwrap();
    assert_eq!(frame.rows(), 5_000);
    for row in [0, 1, 2_499, 2_500, 4_999] {
        assert_eq!(frame.text(0, row).unwrap(), row.to_string());
    }
    let towns = [0, 1, 2_500, 2_501].map(|row| frame.text(1, row).unwrap().into_owned());
    assert_eq!(towns, ["Osaka", "Kyoto", "Kyoto", "Nara"]);

    // A job fills the folder, until it says that it has ended.
    std::fs::create_dir(folder.path().join("_rekindle")).unwrap();
    assert!(refused().contains("the job that fills it has not ended"));
    part("rekindle.json", b"{}");
    assert_eq!(read(folder.path(), &ReadOptions::default()).unwrap(), frame);

    let other: Cells = vec![("town", Arc::new(StringArray::from(vec!["Nara"])))];
    part("part-3.parquet", &parquet(other));
    let told = refused();
    assert!(told.contains("part-3.parquet: its columns are not those of"), "{told}");
    assert!(told.contains("found town, expected number"), "{told}");
    part("part-3.parquet", b"number,town\n1,Nara\n");
    assert!(refused().contains("part-3.parquet: it is no Parquet file"), "{}", refused());
    std::fs::rename(folder.path().join("part-3.parquet"), folder.path().join("part-0.parquet"))
        .unwrap();
    assert!(refused().contains("part-0.parquet: it is no Parquet file"), "{}", refused());
}
