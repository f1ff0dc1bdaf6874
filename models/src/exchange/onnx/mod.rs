//! ONNX, written and read. Written: a `TreeEnsembleClassifier` of `ai.onnx.ml` 3. Rows are doubles, thresholds and
//! leaves too: a threshold cut to a float would send cells near it the other way.
//!
//! The input `rows` has a column per feature in the model's order: numbers, places of levels (-1 for
//! an unknown one), NaN where missing. The outputs are `label`, by probability one half, and
//! `probabilities` of no and yes. The metadata `rekindle.features` holds names and levels as JSON.

mod branches;
mod ensemble;
mod leaves;
mod messages;
mod read;

#[cfg(test)]
mod tests;

use prost::Message;
use serde_json::json;

use crate::classifiers::boosting::FittedBoosting;
use crate::exchange::onnx::branches::{Branch, Mode, branches};
use crate::exchange::onnx::messages::{
    AttributeProto, DOUBLE, FLOAT, GraphProto, INT64, ModelProto, NodeProto, OperatorSetIdProto,
    StringStringEntryProto, ValueInfoProto,
};
use crate::frame::{Kind, Schema};

pub use read::{Imported, read};

/// What the trees of a file add up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// Log odds of yes.
    Margin,
    /// The probability of yes.
    Probability,
}

/// The model as an ONNX file whose probability of yes is
/// `1 / (1 + exp(-(slope * margin + intercept)))`: Platt's calibration, or slope 1 and intercept 0
/// for the probability before calibration. Cells of sets of levels must be whole numbers.
pub fn write(model: &FittedBoosting, schema: &Schema, slope: f64, intercept: f64) -> Vec<u8> {
    assert_eq!(model.features(), schema.len(), "the model's features have names");
    let share = if model.average() { model.trees().len() as f64 } else { 1.0 };
    let branches = branches(model, slope * model.sigmoid() / share, intercept);
    let opset = |domain: &str, version| OperatorSetIdProto { domain: domain.to_owned(), version };
    let features = StringStringEntryProto {
        key: "rekindle.features".to_owned(),
        value: features_json(schema).to_string(),
    };
    let graph = GraphProto {
        node: vec![classifier(&branches)],
        name: "rekindle".to_owned(),
        initializer: Vec::new(),
        input: vec![ValueInfoProto::rows("rows", DOUBLE, Some(schema.len()))],
        output: vec![
            ValueInfoProto::rows("label", INT64, None),
            ValueInfoProto::rows("probabilities", FLOAT, Some(2)),
        ],
    };
    let file = ModelProto {
        ir_version: 8,
        producer_name: "rekindle".to_owned(),
        producer_version: env!("CARGO_PKG_VERSION").to_owned(),
        doc_string: "rows: a column per feature of rekindle.features, in that order; a level is \
                     its place, -1 where it is unknown; NaN is missing"
            .to_owned(),
        graph: Some(graph),
        opset_import: vec![opset("", 15), opset("ai.onnx.ml", 3)],
        metadata_props: vec![features],
    };
    file.encode_to_vec()
}

fn features_json(schema: &Schema) -> serde_json::Value {
    let feature = |field: &crate::frame::Field| match &field.kind {
        Kind::Categorical(levels) => {
            json!({ "name": field.name, "kind": field.kind.name(), "levels": &**levels })
        }
        _ => json!({ "name": field.name, "kind": field.kind.name() }),
    };
    schema.fields().iter().map(feature).collect()
}

fn classifier(branches: &[Branch]) -> NodeProto {
    let ints = |name: &str, of: &dyn Fn(&Branch) -> i64| {
        AttributeProto::ints(name, branches.iter().map(of))
    };
    let modes = branches.iter().map(|b| match b.mode {
        Mode::AtMost => "BRANCH_LEQ",
        Mode::Equal => "BRANCH_EQ",
        Mode::Leaf => "LEAF",
    });
    // Each leaf has a weight for no and one for yes. With a weight for yes alone, onnxruntime leaves
    // the sigmoid out where no weight is negative.
    let leaves = || branches.iter().filter(|b| b.mode == Mode::Leaf);
    let twice = |name: &str, of: &dyn Fn(&Branch) -> i64| {
        AttributeProto::ints(name, leaves().flat_map(|b| [of(b), of(b)]))
    };
    let attribute = vec![
        ints("nodes_treeids", &|b| b.tree),
        ints("nodes_nodeids", &|b| b.id),
        ints("nodes_featureids", &|b| b.feature),
        AttributeProto::strings("nodes_modes", modes),
        AttributeProto::doubles("nodes_values_as_tensor", branches.iter().map(Branch::threshold)),
        ints("nodes_truenodeids", &|b| b.yes),
        ints("nodes_falsenodeids", &|b| b.no),
        ints("nodes_missing_value_tracks_true", &|b| i64::from(b.missing_yes)),
        twice("class_treeids", &|b| b.tree),
        twice("class_nodeids", &|b| b.id),
        AttributeProto::ints("class_ids", leaves().flat_map(|_| [0, 1])),
        AttributeProto::doubles(
            "class_weights_as_tensor",
            leaves().flat_map(|b| [-b.value, b.value]),
        ),
        AttributeProto::ints("classlabels_int64s", [0, 1].into_iter()),
        AttributeProto::string("post_transform", "LOGISTIC"),
    ];
    NodeProto {
        input: vec!["rows".to_owned()],
        output: vec!["label".to_owned(), "probabilities".to_owned()],
        name: "trees".to_owned(),
        op_type: "TreeEnsembleClassifier".to_owned(),
        attribute,
        domain: "ai.onnx.ml".to_owned(),
    }
}
