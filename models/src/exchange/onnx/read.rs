//! ONNX into trees: one `TreeEnsembleClassifier` or `TreeEnsembleRegressor` of `ai.onnx.ml` 1 to 3, and around it what
//! only changes the form of its input and output. Nothing in the file is trusted.

use std::collections::HashMap;

use prost::Message;
use serde_json::Value;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::MAX_FEATURES;
use crate::error::{Error, Result};
use crate::exchange::onnx::Scale;
use crate::exchange::onnx::ensemble::ensemble;
use crate::exchange::onnx::messages::{
    DOUBLE, Dimension, FLOAT, GraphProto, ModelProto, NodeProto,
};
use crate::frame::{DateFormat, Field, Kind, Schema};

/// A model from an ONNX file.
#[derive(Debug, Clone, PartialEq)]
pub struct Imported {
    /// The trees.
    pub model: FittedBoosting,
    /// Names and kinds of the features, where the file has them: our own metadata, or an input for each feature.
    pub schema: Option<Schema>,
    /// What the trees add up to.
    pub scale: Scale,
}

/// What holds trees.
const TREES: [&str; 2] = ["TreeEnsembleClassifier", "TreeEnsembleRegressor"];

/// What may stand around the trees: it changes no number but for `Cast` to float and `Sigmoid`, which are looked at.
const AROUND: [&str; 6] = ["Cast", "Identity", "ZipMap", "Reshape", "Concat", "Sigmoid"];

/// Reads a model; `path` is for messages, `width` how many features there are where the file does not say. Where the file
/// takes floats, cells are compared as if they were rounded to floats; leaves are added in double precision. Cells of
/// nodes that ask for equality must be whole numbers.
///
/// # Errors
/// When the bytes are no ONNX file, are damaged, or hold something else than trees that answer one yes/no question.
pub fn read(bytes: &[u8], path: &str, width: Option<usize>) -> Result<Imported> {
    let bad = |reason: String| Error::BadFile { path: path.to_owned(), reason };
    let file = ModelProto::decode(bytes).map_err(|e| {
        bad(format!("it is no ONNX file, or damaged ({e}); expected one, as export writes it"))
    })?;
    let graph = file
        .graph
        .as_ref()
        .ok_or_else(|| bad("it holds no graph; expected an ONNX model".to_owned()))?;
    let trees = trees(graph).map_err(bad)?;
    let input = Input::of(graph, trees).map_err(bad)?;
    let metadata = file.metadata_props.iter().find(|entry| entry.key == "rekindle.features");
    let schema = match (metadata, &input.names) {
        (Some(entry), _) => Some(features(&entry.value).map_err(bad)?),
        (None, Some(names)) => Some(numbers(names)?),
        (None, None) => None,
    };
    let known = schema.as_ref().map(Schema::len).or(input.width).or(width).ok_or_else(|| {
        bad("it does not say how many features it takes; compare it with a model that does"
            .to_owned())
    })?;
    if let Some(said) = input.width.filter(|said| *said != known) {
        return Err(bad(format!("its input has {said} columns, but it names {known} features")));
    }
    if !(1..=MAX_FEATURES).contains(&known) {
        return Err(bad(format!("it takes {known} features, expected 1 to {MAX_FEATURES}")));
    }
    let sigmoid = follows_sigmoid(graph, trees).map_err(bad)?;
    let (model, scale) = ensemble(trees, known, input.floats, sigmoid).map_err(bad)?;
    Ok(Imported { model, schema, scale })
}

/// The one node of trees; every other node must be one that changes no number.
fn trees(graph: &GraphProto) -> std::result::Result<&NodeProto, String> {
    let is_trees = |node: &&NodeProto| TREES.contains(&node.op_type.as_str());
    let mut found = graph.node.iter().filter(is_trees);
    let trees = match (found.next(), found.next()) {
        (Some(trees), None) => trees,
        (Some(_), Some(_)) => {
            return Err(
                "it holds several ensembles of trees, expected one; export it in one piece"
                    .to_owned(),
            );
        }
        (None, _) => {
            let ops: Vec<&str> =
                graph.node.iter().take(5).map(|node| node.op_type.as_str()).collect();
            return Err(format!(
                "it holds no TreeEnsembleClassifier or TreeEnsembleRegressor, but {}",
                if ops.is_empty() { "nothing".to_owned() } else { ops.join(", ") }
            ));
        }
    };
    let read = |node: &NodeProto| {
        let name = node.op_type.as_str();
        TREES.contains(&name) || AROUND.contains(&name) || is_times_one(graph, node)
    };
    let other = graph.node.iter().find(|node| !read(node));
    match other {
        None => Ok(trees),
        Some(node) => Err(format!(
            "found the operation {:?}, which is not read; expected trees, and around them {}",
            node.op_type,
            AROUND.join(", ")
        )),
    }
}

/// Whether a node multiplies by one, as onnxmltools has it to give a value another name.
fn is_times_one(graph: &GraphProto, node: &NodeProto) -> bool {
    let ones = |name: &String| {
        let tensor = graph.initializer.iter().find(|tensor| tensor.name == *name);
        let numbers = tensor.and_then(|tensor| tensor.numbers().ok());
        numbers.is_some_and(|numbers| !numbers.is_empty() && numbers.iter().all(|n| *n == 1.0))
    };
    node.op_type == "Mul" && node.input.iter().any(ones)
}

/// What the trees take.
struct Input {
    /// Whether cells are rounded to floats.
    floats: bool,
    width: Option<usize>,
    /// A name for each feature, where each has an input of its own.
    names: Option<Vec<String>>,
}

impl Input {
    /// Goes back from the trees to the graph's inputs.
    fn of(graph: &GraphProto, trees: &NodeProto) -> std::result::Result<Input, String> {
        let first = trees.input.first().ok_or("its trees take no input")?;
        let made: HashMap<&str, &NodeProto> = graph
            .node
            .iter()
            .rev()
            .flat_map(|node| node.output.iter().map(move |output| (output.as_str(), node)))
            .collect();
        let (name, mut floats) = back(&made, first)?;
        let Some(joined) = made.get(name.as_str()) else {
            let (elem_type, width) = input(graph, &name)?;
            floats |= elem_type != DOUBLE;
            return Ok(Input { floats, width, names: None });
        };
        let mut names = Vec::with_capacity(joined.input.len());
        for part in &joined.input {
            let (name, cast) = back(&made, part)?;
            let (elem_type, width) = input(graph, &name)?;
            if width.is_some_and(|width| width != 1) {
                return Err(format!(
                    "its input {name:?} is joined to others and has several columns"
                ));
            }
            floats |= cast || elem_type == FLOAT;
            names.push(name);
        }
        Ok(Input { floats, width: Some(names.len()), names: Some(names) })
    }
}

/// The name of a value before it was cast or passed on: an input of the graph, or what a `Concat` gives; and whether it was
/// cast to float on the way.
fn back(
    made: &HashMap<&str, &NodeProto>,
    from: &str,
) -> std::result::Result<(String, bool), String> {
    let (mut name, mut floats) = (from.to_owned(), false);
    // A step for each node at most: a file may lead in a circle.
    for _ in 0..=made.len() {
        let Some(node) = made.get(name.as_str()) else {
            return Ok((name, floats));
        };
        match node.op_type.as_str() {
            "Concat" => return Ok((name, floats)),
            "Cast" | "Identity" | "Reshape" => {
                if node.op_type == "Cast" {
                    match node.int("to") {
                        Some(to) if to == i64::from(FLOAT) => floats = true,
                        Some(to) if to == i64::from(DOUBLE) => {}
                        to => {
                            return Err(format!(
                                "it casts the trees' input to type {}, expected float or double",
                                to.map_or("(none)".to_owned(), |to| to.to_string())
                            ));
                        }
                    }
                }
                name = node.input.first().cloned().unwrap_or_default();
            }
            other => {
                return Err(format!(
                    "the trees' input comes from {other:?}, expected the graph's input"
                ));
            }
        }
    }
    Err("its nodes lead in a circle".to_owned())
}

/// Type and columns of an input of the graph.
fn input(graph: &GraphProto, name: &str) -> std::result::Result<(i32, Option<usize>), String> {
    let value = graph
        .input
        .iter()
        .find(|input| input.name == name)
        .ok_or_else(|| format!("its trees take {name:?}, which is none of its inputs"))?;
    let tensor = value.kind.as_ref().and_then(|kind| kind.tensor_type.as_ref());
    let columns = tensor.and_then(|tensor| tensor.shape.as_ref()).and_then(|s| s.dim.get(1));
    let width = match columns.and_then(|dimension| dimension.value.as_ref()) {
        Some(Dimension::Size(size)) => usize::try_from(*size).ok().filter(|size| *size > 0),
        Some(Dimension::Name(_)) | None => None,
    };
    Ok((tensor.map_or(0, |tensor| tensor.elem_type), width))
}

/// Whether a sigmoid takes what the trees give, which is where it must stand.
fn follows_sigmoid(graph: &GraphProto, trees: &NodeProto) -> std::result::Result<bool, String> {
    let mut sigmoids = graph.node.iter().filter(|node| node.op_type == "Sigmoid");
    let Some(sigmoid) = sigmoids.next() else { return Ok(false) };
    let of_trees = sigmoid.input.first().is_some_and(|input| trees.output.contains(input));
    match of_trees && sigmoids.next().is_none() && trees.op_type == "TreeEnsembleRegressor" {
        true => Ok(true),
        false => Err("found the operation \"Sigmoid\" elsewhere than behind the trees of a \
                      TreeEnsembleRegressor"
            .to_owned()),
    }
}

fn numbers(names: &[String]) -> Result<Schema> {
    let field = |name: &String| Field { name: name.clone(), kind: Kind::Numeric };
    Schema::new(names.iter().map(field).collect())
}

/// The features that our own metadata names.
fn features(json: &str) -> std::result::Result<Schema, String> {
    let bad = |what: &str| format!("its metadata rekindle.features: {what}");
    let list: Vec<HashMap<String, Value>> = serde_json::from_str(json)
        .map_err(|e| bad(&format!("expected a JSON list of features ({e})")))?;
    let field = |feature: &HashMap<String, Value>| {
        let text = |key: &str| feature.get(key).and_then(Value::as_str);
        let name = text("name").ok_or_else(|| bad("a feature has no name"))?.to_owned();
        let kind = match text("kind") {
            Some("numeric") => Kind::Numeric,
            Some("boolean") => Kind::Boolean,
            // How its dates are written is not in the file.
            Some("date") => Kind::Date(DateFormat(String::new())),
            Some("categorical") => {
                let levels = feature.get("levels").and_then(Value::as_array);
                let texts: Option<Vec<String>> = levels.and_then(|levels| {
                    levels.iter().map(|level| level.as_str().map(str::to_owned)).collect()
                });
                Kind::Categorical(texts.ok_or_else(|| bad("a feature has no levels"))?.into())
            }
            other => return Err(bad(&format!("the kind of {name:?} is {other:?}"))),
        };
        Ok(Field { name, kind })
    };
    let fields = list.iter().map(field).collect::<std::result::Result<Vec<Field>, String>>()?;
    Schema::new(fields).map_err(|e| bad(&e.to_string()))
}

#[cfg(test)]
mod tests;
