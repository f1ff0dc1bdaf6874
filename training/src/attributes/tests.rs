//! Attributes against a slow twin, tables with everything wrong.

use std::fs;

use proptest::prelude::*;
use rekindle_models::behaviour::{Attribute, AttributeKind, DAY_MS, Zone, days_before};

use super::*;
use crate::ingest::CustomerId;

#[derive(Debug, Clone, PartialEq)]
enum Value {
    Number(f64),
    Text(String),
}

type Line = (i64, i64, &'static str, Value);

fn filled(lines: &[Line]) -> AttributeLog {
    let mut log = AttributeLog::default();
    for (customer, known_at, name, value) in lines {
        let value = match value {
            Value::Number(number) => AttributeValue::Number(*number),
            Value::Text(text) => AttributeValue::Text(text),
        };
        log.add(CustomerId::Number(*customer), *known_at, name, value).unwrap();
    }
    log
}

fn number(number: f64) -> Value {
    Value::Number(number)
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

fn stored(lines: &[Line]) -> Attributes {
    filled(lines).finish(&Zone::default(), i64::MAX).unwrap()
}

/// What is told of a customer, texts as texts.
fn told(store: &Attributes, customer: i64, cutoff: i64) -> (bool, Vec<Option<Value>>) {
    let mut row = vec![0.0; store.list().len()];
    let known = store.of(CustomerId::Number(customer)).at(cutoff, &mut row);
    let value = |(attribute, cell): (&Attribute, &f64)| match attribute.kind {
        _ if cell.is_nan() => None,
        AttributeKind::Category => Some(text(&store.texts()[*cell as usize])),
        AttributeKind::Number | AttributeKind::Date => Some(number(*cell)),
    };
    (known, store.list().iter().zip(&row).map(value).collect())
}

/// The same by looking at every line.
fn twin(lines: &[Line], attribute: &Attribute, customer: i64, cutoff: i64) -> Option<Value> {
    let zone = Zone::default();
    let known = lines.iter().filter(|l| l.0 == customer && l.1 < cutoff && l.2 == attribute.name);
    let value = |value: &Value| match (attribute.kind, value) {
        (AttributeKind::Date, Value::Text(text)) => number(zone.parse(text).unwrap() as f64),
        (AttributeKind::Category, Value::Number(number)) => text(&number.to_string()),
        (_, value) => value.clone(),
    };
    let order = |a: &Value, b: &Value| match (a, b) {
        (Value::Number(a), Value::Number(b)) => a.total_cmp(b),
        (Value::Text(a), Value::Text(b)) => a.cmp(b),
        _ => panic!("one attribute is of one kind"),
    };
    let latest = known
        .map(|line| (line.1, value(&line.3)))
        .max_by(|a, b| a.0.cmp(&b.0).then_with(|| order(&a.1, &b.1)))?;
    Some(match (attribute.kind, latest.1) {
        (AttributeKind::Date, Value::Number(instant)) => {
            number(days_before(cutoff, instant as i64))
        }
        (_, value) => value,
    })
}

fn line() -> impl Strategy<Value = Line> {
    let value = prop_oneof![
        (0..4).prop_map(|n| ("age", number(f64::from(n)))),
        (0..4).prop_map(|n| ("age", number(f64::from(n)))),
        "[a-c]".prop_map(|t| ("city", text(&t))),
        "202[0-2]-0[1-3]-0[1-9]".prop_map(|t| ("sign_up", text(&t))),
        prop_oneof![(0..3).prop_map(|n| number(f64::from(n))), "[0-2x]".prop_map(|t| text(&t))]
            .prop_map(|v| ("plan", v)),
    ];
    let known_at = prop_oneof![8 => 0..9_i64, 1 => Just(ALWAYS)];
    (0..4_i64, known_at, value)
        .prop_map(|(customer, at, (name, value))| (customer, at, name, value))
}

proptest! {
    #[test]
    fn what_is_told_is_what_every_line_tells(
        lines in proptest::collection::vec(line(), 0..40),
        later in proptest::collection::vec(line(), 0..10),
        turn in 0..40_usize,
        cutoff in 0..10_i64,
    ) {
        let store = stored(&lines);
        for customer in 0..5 {
            let (known, row) = told(&store, customer, cutoff);
            let timed = |l: &Line| l.0 == customer && l.1 < cutoff && l.1 != ALWAYS;
            prop_assert_eq!(known, lines.iter().any(timed));
            let twin: Vec<Option<Value>> =
                store.list().iter().map(|a| twin(&lines, a, customer, cutoff)).collect();
            prop_assert_eq!(row, twin);
        }
        // In another order.
        let mut turned = lines.clone();
        turned.rotate_left(turn.min(lines.len()));
        turned.reverse();
        let again = stored(&turned);
        prop_assert_eq!(store.list(), again.list());
        prop_assert_eq!(store.texts(), again.texts());
        prop_assert_eq!(store.contradictions(), again.contradictions());
        // What is known at the cutoff or later changes nothing, as long as the kinds stay.
        let mut changed: Vec<Line> = lines.iter().filter(|l| l.1 < cutoff).cloned().collect();
        changed.extend(later.into_iter().map(|l| (l.0, cutoff + l.1.max(0), l.2, l.3)));
        let kinds = |log: &mut AttributeLog| {
            store.list().iter().for_each(|a| log.kind(&a.name, a.kind));
        };
        let (mut before, mut after) = (filled(&lines), filled(&changed));
        kinds(&mut before);
        kinds(&mut after);
        let before = before.finish(&Zone::default(), i64::MAX).unwrap();
        if let Ok(after) = after.finish(&Zone::default(), i64::MAX) {
            for customer in 0..5 {
                let (known, row) = told(&before, customer, cutoff);
                let (known_after, row_after) = told(&after, customer, cutoff);
                prop_assert_eq!(known, known_after);
                for (attribute, cell) in before.list().iter().zip(row) {
                    let place = after.list().iter().position(|a| a.name == attribute.name).unwrap();
                    prop_assert_eq!(&cell, &row_after[place]);
                }
                prop_assert_eq!(&told(&store, customer, cutoff), &told(&again, customer, cutoff));
            }
        }
    }
}

#[test]
fn kinds_are_told_from_the_values() {
    let store = stored(&[
        (1, 5, "age", number(41.0)),
        (1, 5, "city", text("Ghent")),
        (2, 5, "city", text(" 2024-01-01 ")),
        (1, 5, "sign_up", text("2024-02-03")),
        (2, 5, "sign_up", text("2024-02-03T10:00:00Z")),
        (1, 5, "plan", number(2.0)),
        (2, 5, "plan", text("gold")),
        (2, 5, "zip", text("9000")),
        (2, 5, "nothing", text("  ")),
        (2, 5, "nothing", number(f64::NAN)),
    ]);
    use AttributeKind::{Category, Date, Number};
    let kinds: Vec<(&str, AttributeKind)> =
        store.list().iter().map(|a| (a.name.as_str(), a.kind)).collect();
    assert_eq!(
        kinds,
        [
            ("age", Number),
            ("city", Category),
            ("plan", Category),
            ("sign_up", Date),
            ("zip", Category)
        ]
    );
    let texts: Vec<&str> = store.texts().iter().map(|t| &**t).collect();
    assert_eq!(texts, ["2", "2024-01-01", "9000", "Ghent", "gold"]);
    let cutoff = Zone::default().parse("2024-02-05").unwrap();
    let (known, row) = told(&store, 1, cutoff);
    assert!(known);
    assert_eq!(
        row,
        [Some(number(41.0)), Some(text("Ghent")), Some(text("2")), Some(number(2.0)), None]
    );
    assert_eq!(store.customers().map(|c| c.to_string()).collect::<Vec<_>>(), ["1", "2"]);
    assert_eq!(store.number(CustomerId::Number(2)), Some(1));
    assert_eq!(store.number(CustomerId::Text("x")), None);
    assert_eq!(told(&store, 3, cutoff), (false, vec![None; 5]));
}

#[test]
fn kinds_that_are_given_hold() {
    let mut log = filled(&[(1, 5, "age", text("41")), (1, 5, "zip", number(9000.0))]);
    log.kind("age", AttributeKind::Number);
    log.kind("zip", AttributeKind::Category);
    log.kind("left", AttributeKind::Date);
    let store = log.finish(&Zone::default(), i64::MAX).unwrap();
    let expected = vec![Some(number(41.0)), None, Some(text("9000"))];
    assert_eq!(told(&store, 1, DAY_MS), (true, expected));
    let error = |name: &str, kind, value| {
        let mut log = filled(&[(7, 5, "age", value)]);
        log.kind(name, kind);
        log.finish(&Zone::default(), i64::MAX).unwrap_err().to_string()
    };
    let found = error("age", AttributeKind::Number, text("old"));
    assert!(found.contains("customer 7 has text \"old\", expected a number"), "{found}");
    let found = error("age", AttributeKind::Date, number(3.0));
    assert!(found.contains("customer 7 has number 3, expected a date"), "{found}");
    let unnamed =
        AttributeLog::default().add(CustomerId::Number(1), 0, " ", AttributeValue::Number(1.0));
    assert!(unnamed.unwrap_err().to_string().contains("without a name"));
}

#[test]
fn of_values_known_at_once_the_greatest_stays_and_is_counted() {
    let lines = [
        (1, 5, "city", text("Ghent")),
        (1, 5, "city", text("Bruges")),
        (1, 5, "city", text("Ghent")),
        (1, 6, "city", text("Aalst")),
        (1, ALWAYS, "city", text("Ypres")),
    ];
    let store = stored(&lines);
    assert_eq!(store.contradictions(), 1);
    assert_eq!(told(&store, 1, 6), (true, vec![Some(text("Ghent"))]));
    assert_eq!(told(&store, 1, 7), (true, vec![Some(text("Aalst"))]));
    assert_eq!(told(&store, 1, 5), (false, vec![Some(text("Ypres"))]));
}

const TABLE: &str = "id,seen,age,city,joined,zip\n\
    7,2024-03-01,41,Ghent,2024-02-03,0900\n\
    x,2024-03-01T12:00:00Z,,Bruges,2023-01-01,1000\n\
    7,2024-04-01,42,,,\n";

fn spec(toml: &str) -> AttributesSpec {
    toml::from_str(&format!("path = \"people.csv\"\ncustomer = \"id\"\n{toml}")).unwrap()
}

fn read_table(toml: &str, table: &str) -> crate::error::Result<Attributes> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("people.csv"), table).unwrap();
    let zone = Zone::named("Europe/Brussels").unwrap();
    let mut log = AttributeLog::default();
    spec(toml).read(folder.path(), &zone, &mut log)?;
    log.finish(&zone, i64::MAX)
}

#[test]
fn a_table_is_read_as_it_says() {
    let store = read_table("known_at = \"seen\"\ncategories = [\"zip\"]", TABLE).unwrap();
    let names: Vec<String> = store.list().iter().map(Attribute::column).collect();
    assert_eq!(
        names,
        ["attribute(age)", "attribute(city)", "days_since(joined)", "attribute(zip)"]
    );
    let at = |text: &str| Zone::named("Europe/Brussels").unwrap().parse(text).unwrap();
    assert_eq!(told(&store, 7, at("2024-03-01")), (false, vec![None; 4]));
    let cells = told(&store, 7, at("2024-03-01") + 1).1;
    assert_eq!((&cells[0], &cells[3]), (&Some(number(41.0)), &Some(text("0900"))));
    let cells = told(&store, 7, at("2024-05-03T01:00:00")).1;
    // 90 days and an hour on the clock, of which summer time took one.
    assert_eq!(cells[..3], [Some(number(42.0)), Some(text("Ghent")), Some(number(90.0))]);
    let always = read_table("always_known = true\ncolumns = [\"age\"]", TABLE).unwrap();
    assert_eq!(told(&always, 7, i64::MIN + 1), (false, vec![Some(number(42.0))]));
    assert_eq!(always.contradictions(), 1);
}

#[test]
fn times_of_parquet_are_times() {
    use arrow_array::types::{Date32Type, TimestampMillisecondType};
    use arrow_array::{ArrayRef, Int64Array, PrimitiveArray, RecordBatch};
    use std::sync::Arc;

    let times = PrimitiveArray::<TimestampMillisecondType>::from(vec![DAY_MS + 1, 2 * DAY_MS]);
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("id", Arc::new(Int64Array::from(vec![7, -7]))),
        ("seen", Arc::new(times.clone().with_timezone("UTC"))),
        ("joined", Arc::new(times)),
        ("born", Arc::new(PrimitiveArray::<Date32Type>::from(vec![Some(-1), None]))),
    ];
    let batch = RecordBatch::try_from_iter(columns).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let file = fs::File::create(folder.path().join("people.csv")).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    let mut log = AttributeLog::default();
    let rows = spec("known_at = \"seen\"").read(folder.path(), &Zone::default(), &mut log).unwrap();
    let store = log.finish(&Zone::default(), i64::MAX).unwrap();
    assert_eq!((rows, store.len()), (2, 2));
    let names: Vec<String> = store.list().iter().map(Attribute::column).collect();
    assert_eq!(names, ["days_since(born)", "days_since(joined)"]);
    assert_eq!(told(&store, 7, DAY_MS + 1), (false, vec![None, None]));
    assert_eq!(
        told(&store, 7, 3 * DAY_MS + 1),
        (true, vec![Some(number(4.0 + 1.0 / DAY_MS as f64)), Some(number(2.0))])
    );
    assert_eq!(told(&store, -7, 3 * DAY_MS), (true, vec![None, Some(number(1.0))]));
}

#[test]
fn what_a_table_gets_wrong_is_told_with_its_place() {
    let check = |toml: &str, table: &str, expected: &str| {
        let error = read_table(toml, table).unwrap_err().to_string();
        assert!(error.contains("people.csv") && error.contains(expected), "{error}");
    };
    check("", TABLE, "found no known_at, expected known_at = \"COLUMN\"");
    check("known_at = \"seen\"\nalways_known = true", TABLE, "expected one of them");
    check("known_at = \"id\"", TABLE, "one column for customer and known_at");
    check("known_at = \"seen\"\ncolumns = [\"seen\"]", TABLE, "\"seen\" among the attributes");
    check("known_at = \"sen\"", TABLE, "did you mean \"seen\"?");
    check("known_at = \"seen\"\ncolumns = [\"ages\"]", TABLE, "did you mean \"age\"?");
    check("known_at = \"seen\"\ndates = [\"join\"]", TABLE, "no column \"join\"");
    let dates = "known_at = \"seen\"\ndates = [\"age\"]";
    check(dates, TABLE, "column age, row 1 of the table: found \"41\", expected a date");
    let known = "known_at = \"seen\"";
    check(known, "id,seen,a\n1,2024-01-01,3\n,2024-01-01,3\n", "column id, row 2");
    check(known, "id,seen,a\n1,,3\n", "column seen, row 1 of the table: found no time");
    check(known, "id,seen,a\n1,1.5.2024,3\n", "found \"1.5.2024\", expected a date");
    let typed = toml::from_str::<AttributesSpec>("path = \"a\"\ncustomer = \"b\"\nknown = \"c\"");
    assert!(typed.unwrap_err().to_string().contains("unknown field `known`"));
}

#[test]
fn what_is_told_later_decides_no_attribute_and_no_kind() {
    let early = [(1, 5, "age", number(41.0)), (2, 5, "city", text("Bonn"))];
    let later = [(2, 10, "age", text("unknown")), (2, 11, "plan", text("gold"))];
    let finish = |lines: &[Line]| filled(lines).finish(&Zone::default(), 10).unwrap();
    let (before, after) = (finish(&early), finish(&[&early[..], &later[..]].concat()));
    assert_eq!(after.list(), before.list());
    // What is no number says nothing.
    assert_eq!(told(&after, 2, 20), (true, vec![None, Some(text("Bonn"))]));
    assert_eq!(told(&after, 1, 20), told(&before, 1, 20));
}
