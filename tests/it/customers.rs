//! Random customers of the small model, with missing cells and unknown levels, in every form that a request may have.

use std::sync::Arc;

use arrow_array::{ArrayRef, BooleanArray, Float64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use rekindle_models::frame::{Rows, UNKNOWN_LEVEL};
use rekindle_models::seed;
use serde_json::{Value, json};

/// A customer; `None` is a missing cell.
#[derive(Debug, Clone)]
pub struct Customer {
    pub id: String,
    pub recency: Option<f64>,
    pub spend: Option<f64>,
    pub subscribed: Option<bool>,
    pub plan: Option<&'static str>,
}

/// So many of them, always the same.
pub fn random(count: u64) -> Vec<Customer> {
    let customer = |i: u64| {
        let draw = |column: u64| seed::unit(seed::mix2(i, 100 + column));
        let there = |column: u64| draw(column + 10) > 0.2;
        Customer {
            id: format!("c-{i}"),
            recency: there(0).then(|| 120.0 * draw(0) - 5.0),
            spend: there(1).then(|| 1e3 * (draw(1) - 0.5)),
            subscribed: there(2).then(|| draw(2) < 0.5),
            plan: there(3).then(|| ["basic", "gold", "silver"][(3.0 * draw(3)) as usize]),
        }
    };
    (0..count).map(customer).collect()
}

impl Customer {
    /// As an object; a missing cell is left out or null.
    pub fn json(&self) -> Value {
        let mut object =
            json!({"customer": self.id, "recency_days": self.recency, "spend": self.spend});
        if self.subscribed.is_some() {
            object["subscribed"] = json!(self.subscribed);
        }
        if self.plan.is_some() {
            object["plan"] = json!(self.plan);
        }
        object
    }

    /// Its cells in the order of the features.
    pub fn cells(&self) -> [f64; 4] {
        let level = |plan: &str| match plan {
            "basic" => 0.0,
            "gold" => 1.0,
            _ => UNKNOWN_LEVEL,
        };
        [
            self.recency.unwrap_or(f64::NAN),
            self.spend.unwrap_or(f64::NAN),
            self.subscribed.map_or(f64::NAN, |s| f64::from(u8::from(s))),
            self.plan.map_or(f64::NAN, level),
        ]
    }
}

/// As rows.
pub fn rows(customers: &[Customer]) -> Rows {
    Rows::from_cells(4, customers.iter().flat_map(Customer::cells).collect())
}

/// A table with a header, its columns in another order than the model's.
pub fn csv(customers: &[Customer]) -> String {
    let mut text = "plan,customer,spend,recency_days,subscribed\n".to_owned();
    let number = |cell: Option<f64>| cell.map_or_else(String::new, |n| n.to_string());
    for c in customers {
        let subscribed = c.subscribed.map_or("NA", |s| if s { "true" } else { "0" });
        let (spend, recency) = (number(c.spend), number(c.recency));
        text += &format!("{},{},{spend},{recency},{subscribed}\n", c.plan.unwrap_or(""), c.id);
    }
    text
}

/// An object a line.
pub fn ndjson(customers: &[Customer]) -> String {
    customers.iter().map(|c| format!("{}\n", c.json())).collect()
}

/// A record batch.
pub fn batch(customers: &[Customer]) -> RecordBatch {
    let ids: StringArray = customers.iter().map(|c| Some(c.id.as_str())).collect();
    let recency: Float64Array = customers.iter().map(|c| c.recency).collect();
    let spend: Float64Array = customers.iter().map(|c| c.spend).collect();
    let subscribed: BooleanArray = customers.iter().map(|c| c.subscribed).collect();
    let plan: StringArray = customers.iter().map(|c| c.plan).collect();
    let columns: [(&str, ArrayRef); 5] = [
        ("customer", Arc::new(ids)),
        ("recency_days", Arc::new(recency)),
        ("spend", Arc::new(spend)),
        ("subscribed", Arc::new(subscribed)),
        ("plan", Arc::new(plan)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(name, column)| (name, column, true)))
        .unwrap()
}

/// An Arrow stream of record batches.
pub fn stream(batches: &[RecordBatch]) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &batches[0].schema()).unwrap();
    batches.iter().for_each(|batch| writer.write(batch).unwrap());
    writer.into_inner().unwrap()
}

/// An Arrow stream in record batches of 700 customers.
pub fn arrow(customers: &[Customer]) -> Vec<u8> {
    stream(&customers.chunks(700).map(batch).collect::<Vec<_>>())
}
