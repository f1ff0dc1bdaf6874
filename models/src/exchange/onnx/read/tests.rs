//! What is written is read back and scores the same; what other programs write is read as they score; what is damaged is
//! refused, and never worse. `checks/exchange.py` compares with onnxruntime itself.

use std::path::Path;

use proptest::prelude::*;
use prost::Message;

use crate::classifiers::boosting::FittedBoosting;
use crate::exchange::lightgbm;
use crate::exchange::onnx::messages::{
    AttributeProto, DOUBLE, FLOAT, GraphProto, ModelProto, NodeProto, ValueInfoProto,
};
use crate::exchange::onnx::{Scale, read, write};
use crate::frame::{Binding, Kind, ReadOptions, Rows, Schema};

const GOLDEN: &str = include_str!("../../../../../tests/it/golden/lightgbm.txt");

fn golden() -> (FittedBoosting, Schema, Rows) {
    let found = lightgbm::read(GOLDEN.as_bytes(), "model.txt").unwrap();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/golden/lightgbm.rows.csv");
    let options = ReadOptions::for_model(&found.schema, &[], None, &[]);
    let frame = crate::frame::read(&table, &options).unwrap();
    let rows = Binding::new(&found.schema, frame.schema()).unwrap().rows(&frame, 0..frame.rows());
    (found.model, found.schema, rows)
}

#[test]
fn what_is_written_is_read_back_and_scores_the_same() {
    let (model, schema, rows) = golden();
    for (slope, intercept) in [(1.0, 0.0), (0.7, -1.3)] {
        let back = read(&write(&model, &schema, slope, intercept), "model.onnx", None).unwrap();
        assert_eq!((back.scale, back.schema.as_ref()), (Scale::Margin, Some(&schema)));
        for row in rows.iter() {
            let expected = slope * model.sigmoid() * model.raw_score(row) + intercept;
            let found = back.model.raw_score(row);
            assert!((found - expected).abs() < 1e-12, "{found} {expected}");
        }
    }
}

/// A node of trees with one root that has two leaves, of 1 and 2.
fn stump(mode: &str, value: f32, tracks: i64) -> NodeProto {
    let ints = |name: &str, of: [i64; 3]| AttributeProto::ints(name, of.into_iter());
    let floats = |name: &str, floats: Vec<f32>| AttributeProto {
        name: name.to_owned(),
        floats,
        ..Default::default()
    };
    let attribute = vec![
        ints("nodes_treeids", [0; 3]),
        ints("nodes_nodeids", [0, 1, 2]),
        ints("nodes_featureids", [0; 3]),
        AttributeProto::strings("nodes_modes", [mode, "LEAF", "LEAF"].into_iter()),
        floats("nodes_values", vec![value, 0.0, 0.0]),
        ints("nodes_truenodeids", [1, 0, 0]),
        ints("nodes_falsenodeids", [2, 0, 0]),
        ints("nodes_missing_value_tracks_true", [tracks, 0, 0]),
        AttributeProto::ints("target_treeids", [0, 0].into_iter()),
        AttributeProto::ints("target_nodeids", [1, 2].into_iter()),
        AttributeProto::ints("target_ids", [0, 0].into_iter()),
        floats("target_weights", vec![1.0, 2.0]),
        AttributeProto::string("post_transform", "LOGISTIC"),
    ];
    NodeProto {
        input: vec!["x".to_owned()],
        output: vec!["y".to_owned()],
        op_type: "TreeEnsembleRegressor".to_owned(),
        attribute,
        ..Default::default()
    }
}

fn file(node: Vec<NodeProto>, elem_type: i32) -> Vec<u8> {
    let graph = GraphProto {
        node,
        input: vec![ValueInfoProto::rows("x", elem_type, Some(1))],
        ..Default::default()
    };
    ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec()
}

#[test]
fn every_comparison_is_answered_as_the_standard_says() {
    let cuts = [0.0_f32, 1.0, 0.1, -0.3, 1e-40, 3e20];
    let near = cuts.iter().flat_map(|cut| {
        let at = f64::from(*cut);
        let (up, down) = (f64::from(cut.next_up()), f64::from(cut.next_down()));
        let middles = [(at + up) / 2.0, (at + down) / 2.0];
        let beside = middles.iter().flat_map(|m| [*m, m.next_up(), m.next_down()]);
        [at, up, down, at.next_up(), at.next_down(), -at]
            .into_iter()
            .chain(beside)
            .collect::<Vec<_>>()
    });
    let cells: Vec<f64> = near.chain([2.0, f64::NAN]).collect();
    for (mode, holds) in [
        ("BRANCH_LEQ", (|a, b| a <= b) as fn(f64, f64) -> bool),
        ("BRANCH_LT", |a, b| a < b),
        ("BRANCH_GTE", |a, b| a >= b),
        ("BRANCH_GT", |a, b| a > b),
    ] {
        for cut in cuts {
            for elem_type in [FLOAT, DOUBLE] {
                for tracks in [0, 1] {
                    let bytes = file(vec![stump(mode, cut, tracks)], elem_type);
                    let model = read(&bytes, "stump", None).unwrap().model;
                    for &cell in &cells {
                        let seen = if elem_type == FLOAT { f64::from(cell as f32) } else { cell };
                        let yes = holds(seen, f64::from(cut)) || (cell.is_nan() && tracks == 1);
                        let found = model.raw_score(&[cell]);
                        let expected = if yes { 1.0 } else { 2.0 };
                        assert_eq!(found, expected, "{cell:e} {mode} {cut:e} {elem_type} {tracks}");
                    }
                }
            }
        }
    }
    for (mode, three, other) in [("BRANCH_EQ", 1.0, 2.0), ("BRANCH_NEQ", 2.0, 1.0)] {
        let model = read(&file(vec![stump(mode, 3.0, 0)], FLOAT), "stump", None).unwrap().model;
        let found = [3.0, 2.0, f64::NAN, -1.0].map(|cell| model.raw_score(&[cell]));
        assert_eq!(found, [three, other, other, other], "{mode}");
    }
}

#[test]
fn what_is_not_read_is_named() {
    let with = |change: &dyn Fn(&mut NodeProto)| {
        let mut node = stump("BRANCH_LEQ", 1.0, 0);
        change(&mut node);
        read(&file(vec![node], FLOAT), "a.onnx", None).unwrap_err().to_string()
    };
    let set = |node: &mut NodeProto, name: &str, ints: &[i64]| {
        node.attribute.iter_mut().find(|a| a.name == name).unwrap().ints = ints.to_vec();
    };
    for (said, expected) in [
        (with(&|n| set(n, "nodes_truenodeids", &[0, 0, 0])), "lead in a circle"),
        (
            with(&|n| set(n, "nodes_falsenodeids", &[7, 0, 0])),
            "leads to node 7, which is not there",
        ),
        (with(&|n| set(n, "nodes_nodeids", &[0, 1, 1])), "stands twice"),
        (with(&|n| set(n, "nodes_featureids", &[4, 0, 0])), "found 4, expected 0 to 0"),
        (with(&|n| set(n, "nodes_featureids", &[-1, 0, 0])), "found -1, expected 0 to 0"),
        (with(&|n| set(n, "nodes_featureids", &[0, 0])), "found 2 elements, expected 3"),
        (with(&|n| set(n, "target_ids", &[0])), "have 2, 2, 1 and 2 elements"),
        (with(&|n| n.input.clear()), "its trees take no input"),
        (with(&|n| n.input[0] = "z".to_owned()), "which is none of its inputs"),
        (with(&|n| n.op_type = "TreeEnsemble".to_owned()), "but TreeEnsemble"),
        (with(&|n| n.op_type = "LinearClassifier".to_owned()), "but LinearClassifier"),
        (with(&|n| n.attribute.last_mut().unwrap().s = Some(b"PROBIT".to_vec())), "\"PROBIT\""),
    ] {
        assert!(said.starts_with("a.onnx: ") && said.contains(expected), "{expected}: {said}");
    }
    let scaler = NodeProto { op_type: "Scaler".to_owned(), ..Default::default() };
    let said = read(&file(vec![scaler, stump("BRANCH_LEQ", 1.0, 0)], FLOAT), "a", None);
    assert!(said.unwrap_err().to_string().contains("found the operation \"Scaler\""));
    let passed_on = |op: &str, from: &str, to: &str| NodeProto {
        op_type: op.to_owned(),
        input: vec![from.to_owned()],
        output: vec![to.to_owned()],
        ..Default::default()
    };
    // To a whole number, or to nobody knows what: cells would be others.
    let cast = vec![passed_on("Cast", "y1", "x"), stump("BRANCH_LEQ", 1.0, 0)];
    let said = read(&file(cast, FLOAT), "a", None).unwrap_err().to_string();
    assert!(said.contains("casts the trees' input to type (none), expected float"), "{said}");
    let [there, back] = [("y1", "x"), ("x", "y1")].map(|(a, b)| passed_on("Identity", a, b));
    let circle = vec![there, back, stump("BRANCH_LEQ", 1.0, 0)];
    let said = read(&file(circle, FLOAT), "a", None).unwrap_err().to_string();
    assert!(said.contains("lead in a circle"), "{said}");
}

#[test]
fn an_input_for_each_column_names_the_features() {
    let mut node = stump("BRANCH_LEQ", 1.0, 0);
    node.input[0] = "joined".to_owned();
    let concat = NodeProto {
        op_type: "Concat".to_owned(),
        input: vec!["spend".to_owned(), "visits".to_owned()],
        output: vec!["joined".to_owned()],
        ..Default::default()
    };
    let input = ["visits", "spend"].map(|name| ValueInfoProto::rows(name, FLOAT, Some(1)));
    let graph =
        GraphProto { node: vec![concat, node], input: input.to_vec(), ..Default::default() };
    let bytes = ModelProto { graph: Some(graph), ..Default::default() }.encode_to_vec();
    let found = read(&bytes, "a", None).unwrap();
    let schema = found.schema.unwrap();
    let names: Vec<&str> = schema.fields().iter().map(|field| field.name.as_str()).collect();
    assert_eq!(names, ["spend", "visits"]);
    assert!(schema.fields().iter().all(|field| field.kind == Kind::Numeric));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn damaged_files_are_refused_or_score(
        damages in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in prop::option::of(any::<prop::sample::Index>())
    ) {
        let (model, schema, _) = golden();
        let mut bytes = write(&model, &schema, 1.0, 0.0);
        for (at, byte) in damages {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if let Ok(found) = read(&bytes, "damaged", Some(6)) {
            let row = vec![1.0; found.model.features()];
            prop_assert!(!found.model.raw_score(&row).is_nan());
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes, "noise", Some(3)).is_err());
    }
}
