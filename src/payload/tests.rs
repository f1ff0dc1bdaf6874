//! Bodies into rows: each rule by an example, all of them against a slow twin.

use proptest::prelude::*;
use rekindle_models::frame::{DateFormat, Field, Kind, Schema, UNKNOWN_LEVEL};

use super::*;
use crate::customers::LISTED;
use crate::error::BadField;
use crate::values::{Cell, CustomerId, cell};

fn limits(customers: usize) -> Limits {
    Limits { customers, fields: 1_000, text_bytes: 1_000 }
}

fn fields() -> Fields {
    let levels =
        |levels: &[&str]| Kind::Categorical(levels.iter().map(|l| l.to_string()).collect());
    let field = |name: &str, kind| Field { name: name.to_owned(), kind };
    let schema = Schema::new(vec![
        field("visits", Kind::Numeric),
        field("subscribed", Kind::Boolean),
        field("first", Kind::Date(DateFormat("%d.%m.%Y".to_owned()))),
        field("plan", levels(&["12", "basic", "true"])),
        field("région", levels(&[])),
    ]);
    let ignored = ["customer", "churned"].map(str::to_owned);
    let markers = ["NA", "999"].map(str::to_owned);
    Fields::new(&schema.unwrap(), Some("customer"), &ignored, &markers)
}

fn parsed(body: &str) -> Customers {
    parse(body.as_bytes(), &fields(), limits(10)).unwrap()
}

fn refused(body: &str) -> (Vec<BadField>, usize) {
    match parse(body.as_bytes(), &fields(), limits(10)) {
        Err(ApiError::InvalidFeatures { fields, total }) => (fields, total),
        other => panic!("{body}: {other:?}"),
    }
}

/// A row's cells, missing as `None`.
fn cells(customers: &Customers, row: usize) -> Vec<Option<f64>> {
    customers.rows.row(row).iter().map(|c| (!c.is_nan()).then_some(*c)).collect()
}

fn cell_of(field: &str, value: &str) -> Option<f64> {
    let place = fields().place(field, 0).unwrap();
    cells(&parsed(&format!("{{{field:?}: {value}}}")), 0)[place]
}

#[test]
fn a_customer_fills_a_row_in_the_order_of_the_features() {
    let body = r#"{"plan": "basic", "first": "02.01.1970", "subscribed": true, "visits": 2.5}"#;
    let expected = vec![Some(2.5), Some(1.0), Some(1.0), Some(1.0), None];
    assert_eq!(cells(&parsed(body), 0), expected);
}

#[test]
fn each_kind_takes_the_values_that_mean_something_to_it() {
    let check = |field: &str, value: &str, expected: Option<f64>| {
        assert_eq!(cell_of(field, value), expected, "{field} {value}");
    };
    check("visits", "-3", Some(-3.0));
    check("visits", "18446744073709551616", Some(18446744073709551616.0));
    check("visits", "0.1", Some(0.1));
    check("visits", "null", None);
    check("subscribed", "false", Some(0.0));
    check("subscribed", "1", Some(1.0));
    check("subscribed", "1.0", Some(1.0));
    check("first", "1.5", Some(1.5));
    check("first", "\" 03.01.1970 \"", Some(2.0));
    check("plan", "12", Some(0.0));
    check("plan", "true", Some(2.0));
    check("plan", "\" basic \"", Some(1.0));
    check("plan", "\"b\\u0061sic\"", Some(1.0));
    check("plan", "null", None);
}

#[test]
fn cells_that_the_training_table_had_as_missing_are_missing_here_too() {
    let check =
        |field: &str, value: &str| assert_eq!(cell_of(field, value), None, "{field} {value}");
    check("visits", "999");
    check("plan", "\"NA\"");
    check("plan", "\"\"");
    check("first", "\" \"");
}

#[test]
fn every_bad_field_of_every_customer_is_named_at_once() {
    let body = r#"[{"visits": "3", "subscribed": 2}, {}, 7, {"plan": [1], "first": "1970"}]"#;
    let (bad, total) = refused(body);
    let named: Vec<_> = bad.iter().map(|b| (b.customer, b.field.as_deref())).collect();
    let expected = [
        (0, Some("visits")),
        (0, Some("subscribed")),
        (2, None),
        (3, Some("plan")),
        (3, Some("first")),
    ];
    assert_eq!(named, expected);
    assert_eq!(total, 5);
    assert_eq!((&*bad[0].found, &*bad[0].expected), ("text \"3\"", "a number or null"));
    assert_eq!(bad[4].expected, "a date as %d.%m.%Y, days since 1970-01-01, or null");
}

#[test]
fn the_list_of_bad_fields_is_bounded_and_counted() {
    let customers = [r#"{"visits": "x", "plan": 1.5}"#; 9].join(",");
    assert_eq!(refused(&format!("[{customers}]")).1, 18);
    let keys = [r#""visits": 1"#; 500].join(",");
    let (bad, total) = refused(&format!("{{{keys}}}"));
    assert_eq!((bad.len(), total), (LISTED, 499));
}

#[test]
fn a_key_given_twice_is_refused_whatever_the_field() {
    for key in ["visits", "customer", "churned", "never heard of"] {
        let (bad, _) = refused(&format!(r#"{{"{key}": 1, "plan": "basic", "{key}": 1}}"#));
        assert_eq!((bad.len(), bad[0].field.as_deref()), (1, Some(key)));
        assert_eq!(bad[0].found, "the key twice");
        // The same key in the next customer is another one.
        parsed(&format!(r#"[{{"{key}": 1}}, {{"{key}": 1}}]"#));
    }
}

#[test]
fn customers_are_named_by_the_id_column_alone() {
    let customers = parsed(
        r#"[{"customer": "a"}, {"customer": 18446744073709551615}, {"customer": null}, {}]"#,
    );
    let expected =
        vec![Some(CustomerId::Text("a".to_owned())), Some(CustomerId::Whole(u64::MAX)), None, None];
    assert_eq!(customers.ids, expected);
    // A double cannot hold this number: it would come back as another customer.
    assert_eq!(refused(r#"{"customer": 123456789012345678901}"#).1, 1);
    assert_eq!(refused(r#"{"customer": {}}"#).1, 1);
}

#[test]
fn what_the_model_does_not_know_is_warned_of_once() {
    let body = r#"[{"plan": "gold", "b": [{}], "a": 1, "churned": 0}, {"plan": "gold", "a": 2}]"#;
    let customers = parsed(body);
    let warnings = serde_json::to_value(&customers.warnings).unwrap();
    let expected = serde_json::json!({
        "unknown_fields": ["a", "b"],
        "unknown_levels": [{"feature": "plan", "value": "gold"}],
        "missing_fields": ["visits", "subscribed", "first", "région"],
    });
    assert_eq!(warnings, expected);
    assert_eq!((customers.unknown_fields, customers.unknown_levels), (3, 2));
    assert_eq!(customers.rows.row(0)[3], UNKNOWN_LEVEL);
}

#[test]
fn nothing_is_warned_of_when_every_feature_is_there() {
    let body = r#"{"visits": 1, "subscribed": null, "first": null, "plan": 12, "région": null}"#;
    assert!(parsed(body).warnings.is_empty());
}

#[test]
fn a_body_that_is_not_json_is_refused_with_its_place() {
    let check =
        |body: &str, place: (usize, usize)| match parse(body.as_bytes(), &fields(), limits(10)) {
            Err(ApiError::MalformedJson { line, column, reason }) => {
                assert_eq!((line, column), place, "{body}");
                assert!(!reason.contains("line"), "{reason}");
            }
            other => panic!("{body}: {other:?}"),
        };
    check("", (1, 0));
    check("{\"visits\": 1,\n\"plan\": oops}", (2, 9));
    check("{} {}", (1, 4));
    check("[{\"visits\": 1}", (1, 14));
    check("{\"visits\": 1e400}", (1, 16));
    check("{\"visits\": NaN}", (1, 12));
}

#[test]
fn the_limit_of_customers_is_the_last_number_that_is_taken() {
    assert_eq!(parse(b"[{},{}]", &fields(), limits(2)).unwrap().ids.len(), 2);
    let error = parse(b"[{},{},{}]", &fields(), limits(2)).unwrap_err();
    assert!(matches!(error, ApiError::TooManyCustomers { limit: 2 }));
    assert!(parsed("[]").rows.is_empty());
}

/// JSON values that customers may hold, the odd ones included.
fn values() -> impl Strategy<Value = serde_json::Value> {
    let leaf = prop_oneof![
        Just(serde_json::Value::Null),
        any::<bool>().prop_map(Into::into),
        any::<i64>().prop_map(Into::into),
        any::<u64>().prop_map(Into::into),
        any::<f64>().prop_map(Into::into),
        Just("basic".into()),
        Just("02.01.1970".into()),
        any::<String>().prop_map(Into::into),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Into::into),
            prop::collection::btree_map(keys(), inner, 0..4)
                .prop_map(|map| map.into_iter().collect::<serde_json::Map<_, _>>().into()),
        ]
    })
}

fn keys() -> impl Strategy<Value = String> {
    let known = ["visits", "subscribed", "first", "plan", "région", "customer", "churned"];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => ".*"]
}

/// The slow twin: by way of a table of names and values.
fn row_by_table(customer: &serde_json::Value, fields: &Fields) -> Option<Vec<u64>> {
    let table = customer.as_object()?;
    let cells = fields.known()[..fields.width()].iter().map(|field| {
        let Some(value) = table.get(&*field.name) else { return Some(f64::NAN.to_bits()) };
        let text = value.to_string();
        let value: Value<'_> = serde_json::from_str(&text).unwrap();
        match cell(&value, &field.role, &fields.missing) {
            Cell::Wrong(_) => None,
            cell => Some(cell.number().to_bits()),
        }
    });
    cells.collect()
}

proptest! {
    #[test]
    fn rows_are_those_of_the_slow_way(body in values()) {
        let fields = fields();
        let parsed = parse(body.to_string().as_bytes(), &fields, limits(10));
        let rows = match &body {
            serde_json::Value::Array(customers) => {
                customers.iter().map(|c| row_by_table(c, &fields)).collect::<Option<Vec<_>>>()
            }
            customer => row_by_table(customer, &fields).map(|row| vec![row]),
        };
        match (parsed, rows) {
            (Ok(customers), Some(rows)) => {
                let bits = |row: &[f64]| row.iter().map(|c| c.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(customers.rows.iter().map(bits).collect::<Vec<_>>(), rows);
            }
            // The twin does not look at ids.
            (Err(ApiError::InvalidFeatures { fields, .. }), Some(_)) => {
                prop_assert!(fields.iter().all(|f| f.field.as_deref() == Some("customer")));
            }
            (parsed, rows) => prop_assert!(rows.is_none() && parsed.is_err()),
        }
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = parse(&bytes, &fields(), limits(10));
    }

    #[test]
    fn no_text_like_json_makes_it_panic(text in r#"[\[\]{}",: \\0-9a-fntru.eE+-]{0,64}"#) {
        let _ = parse(text.as_bytes(), &fields(), limits(10));
    }
}
