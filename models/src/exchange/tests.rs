//! What LightGBM wrote scores as there; what is written is read back; what is damaged is refused by
//! its line, and never worse. `checks/exchange.py` compares with LightGBM and onnxruntime themselves.

use std::path::Path;

use proptest::prelude::*;

use crate::classifiers::boosting::FittedBoosting;
use crate::classifiers::boosting::tree::{Child, Leaf, LevelSet, Missing, Node, Test, Tree};
use crate::exchange::lightgbm::{Imported, feature_names, read, write};
use crate::frame::{Binding, Field, Kind, ReadOptions, Schema};

/// As LightGBM 4.7 saved it (`checks/golden.py`).
const GOLDEN: &str = include_str!("../../../tests/it/golden/lightgbm.txt");
const GOLDEN_SCORES: &str = include_str!("../../../tests/it/golden/lightgbm.scores.txt");

fn golden() -> Imported {
    read(GOLDEN.as_bytes(), "model.txt").unwrap()
}

fn refusal(text: &str) -> String {
    match read(text.as_bytes(), "model.txt") {
        Ok(_) => panic!("a damaged file was taken for a model"),
        Err(error) => error.to_string(),
    }
}

fn schema(fields: &[(&str, Kind)]) -> Schema {
    let field = |(name, kind): &(&str, Kind)| Field { name: (*name).into(), kind: kind.clone() };
    Schema::new(fields.iter().map(field).collect()).unwrap()
}

fn levels(levels: &[&str]) -> Kind {
    Kind::Categorical(levels.iter().map(|l| (*l).to_owned()).collect())
}

fn node(feature: u32, test: Test, left: Child, right: Child) -> Node {
    Node { feature, test, left, right, gain: 1.5, value: 0.1, weight: 2.5, count: 3.0 }
}

fn leaf(value: f64) -> Leaf {
    Leaf { value, weight: 1.25, count: 2.0 }
}

/// A tree that asks each kind of question.
fn model() -> (FittedBoosting, Schema) {
    let number = |threshold, missing| Test::Number { threshold, missing, missing_left: true };
    let tree = Tree {
        nodes: vec![
            node(0, number(0.1 + 0.2, Missing::Nan), Child::Node(1), Child::Node(2)),
            node(1, Test::Levels(LevelSet::new([0, 2])), Child::Leaf(0), Child::Leaf(1)),
            node(0, number(f64::INFINITY, Missing::Zero), Child::Leaf(2), Child::Node(3)),
            node(2, number(-1e300, Missing::None), Child::Leaf(3), Child::Leaf(4)),
        ],
        leaves: [0.1, -2.0, 5e-324, 1.0 / 3.0, -1e10].map(leaf).to_vec(),
    };
    let kinds =
        [("spend", Kind::Numeric), ("plan", levels(&["a", "b", "c"])), ("mail", Kind::Boolean)];
    let trees = vec![tree, Tree::constant(0.25)];
    (FittedBoosting::new(3, trees, true, 2.0).unwrap(), schema(&kinds))
}

#[test]
fn a_model_of_lightgbm_scores_as_there_to_the_bit() {
    let Imported { model, schema } = golden();
    let table = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/it/golden/lightgbm.rows.csv");
    let frame =
        crate::frame::read(&table, &ReadOptions::for_model(&schema, &[], None, &[])).unwrap();
    let rows = Binding::new(&schema, frame.schema()).unwrap().rows(&frame, 0..frame.rows());
    let scores: String =
        rows.iter().map(|row| format!("{:016x}\n", model.raw_score(row).to_bits())).collect();
    assert_eq!(scores, GOLDEN_SCORES);
    assert_eq!(model.sigmoid(), 1.5);
    let kinds: Vec<&str> = schema.fields().iter().map(|field| field.kind.name()).collect();
    let boolean = "boolean";
    assert_eq!(kinds, ["numeric", "numeric", "categorical", "categorical", boolean, "numeric"]);
    assert_eq!(schema.fields()[3].kind, levels(&["9", "10", "100"]));
}

#[test]
fn what_is_written_is_read_back() {
    let (model, schema) = model();
    let back = read(write(&model, &schema).as_bytes(), "model.txt").unwrap();
    assert_eq!(back.model.average(), model.average());
    assert_eq!(back.model.trees()[0], model.trees()[0]);
    assert_eq!(back.model.trees()[1].leaves[0].value, 0.25);
    // A boolean that is asked as a number is one: the format has no booleans.
    assert_eq!(back.schema.fields()[..2], schema.fields()[..2]);
    let Imported { model, schema } = golden();
    assert_eq!(
        read(write(&model, &schema).as_bytes(), "again").unwrap(),
        Imported { model, schema }
    );
}

#[test]
fn names_that_lightgbm_cannot_hold_are_changed_and_stay_apart() {
    let names = ["days since", "days_since", "a:b", "a,b", "é(x)"];
    let schema = schema(&names.map(|name| (name, Kind::Numeric)));
    assert_eq!(feature_names(&schema), ["days_since_2", "days_since", "a_b", "a_b_2", "é(x)"]);
}

#[test]
fn nodes_whose_children_stand_before_them_are_put_in_order() {
    let text = "tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nmax_feature_idx=0\n\
                objective=binary sigmoid:1\nfeature_names=x\n\nTree=0\nnum_leaves=4\nnum_cat=0\n\
                split_feature=0 0 0\nthreshold=2 1 3\ndecision_type=8 8 8\nleft_child=2 -1 1\n\
                right_child=-4 -2 -3\nleaf_value=0 1 2 3\n\nend of trees\n";
    let model = read(text.as_bytes(), "model.txt").unwrap().model;
    let tree = &model.trees()[0];
    assert!(tree.is_sound(1));
    let leaves = [0.0, 1.5, 2.5].map(|x| tree.leaf(&[x]));
    assert_eq!(leaves, [0, 1, 3]);
}

#[test]
fn true_before_false_changes_places() {
    let text = GOLDEN.replace("[false, true]", "[true, false]");
    let [before, after] =
        [GOLDEN, &text].map(|text| read(text.as_bytes(), "model.txt").unwrap().model);
    let mail = |model: &FittedBoosting, cell: f64| {
        model.raw_score(&[f64::NAN, 50.0, 0.0, 0.0, cell, 1.0]).to_bits()
    };
    for cell in [0.0, 1.0] {
        assert_eq!(mail(&before, cell), mail(&after, 1.0 - cell));
    }
    let missing = mail(&before, f64::NAN);
    assert_eq!(missing, mail(&after, f64::NAN));
}

#[test]
fn damage_is_named_by_its_line() {
    for (from, to, line, said) in [
        ("tree\n", "three\n", 1, "found \"three\", expected \"tree\""),
        ("version=v4", "version=v9", 2, "found \"v9\", expected v3 or v4"),
        ("num_class=1", "num_class=3", 3, "found 3, expected 1: a yes/no question"),
        ("binary sigmoid:1.5", "lambdarank", 7, "expected binary with a sigmoid above 0"),
        ("binary sigmoid:1.5", "binary sigmoid:-1", 7, "expected binary with a sigmoid above 0"),
        ("recency_days spend plan", "recency_days plan", 8, "found 5 names, expected one more"),
        ("names=recency_days", "names=spend", 8, "stands twice"),
        ("num_leaves=6", "num_leaves=7", 21, "leaf_value: found 6 numbers, expected 7"),
        ("num_leaves=6", "num_leaves=99999999999999", 21, "found 6 numbers"),
        ("num_leaves=6", "num_leaves=-1", 13, "expected a whole number"),
        ("split_feature=0 2", "split_feature=0 6", 15, "found 6, expected 0 to 5"),
        ("threshold=75.500000000000014 0", "threshold=nan 0", 17, "number 1 is \"nan\", expected"),
        ("threshold=75.500000000000014 0", "threshold=75.5 9", 17, "number 2 is 9, expected a set"),
        ("decision_type=2", "decision_type=14", 18, "number 1 is 14, expected 0 to 11"),
        ("decision_type=2 9", "decision_type=2 8", 18, "its feature is categorical"),
        ("left_child=2 -2", "left_child=0 -2", 19, "number 1 is 0, which has a parent already"),
        ("left_child=2 -2", "left_child=5 -2", 19, "number 1 is 5, expected -6 to 4"),
        ("left_child=2 -2", "left_child=2 -6", 19, "-6, which has a parent already"),
        ("leaf_value=0.033", "leaf_value=1 0.033", 21, "found 7 numbers"),
        ("leaf_value=0.03317404870246507", "leaf_value=inf", 21, "number 1 is infinite"),
        ("cat_boundaries=0 1 2 3", "cat_boundaries=0 2 1 3", 27, "expected rising numbers"),
        ("cat_boundaries=0 1 2 3", "cat_boundaries=0 1 2 9", 27, "expected rising numbers"),
        ("cat_threshold=2 2 2", "cat_threshold=2 x 2", 28, "number 2 is \"x\", expected a whole"),
        ("is_linear=0", "is_linear=1", 29, "fit the model with linear_tree=false"),
        ("Tree=1", "Tree=2", 33, "expected Tree=1"),
        ("[\"basic\", ", "{\"basic\", ", 230, "expected a JSON list of lists"),
        (", [false, true]", "", 230, "found levels of 2 columns, but 3 features"),
        ("\"basic\", \"gold\"", "\"gold\", \"gold\"", 230, "level \"gold\" stands twice"),
    ] {
        assert!(GOLDEN.contains(from), "{from}");
        let said_here = refusal(&GOLDEN.replacen(from, to, 1));
        // Children stand in two lines; which is walked first does not matter.
        let child = from.starts_with("left_child") && said_here.starts_with("model.txt:20:");
        let there = said_here.starts_with(&format!("model.txt:{line}: ")) || child;
        assert!(there && said_here.contains(said), "{from} -> {to}: {said_here}");
    }
    let cut = &GOLDEN[..GOLDEN.find("end of trees").unwrap()];
    assert!(refusal(cut).contains("it is cut off; copy it again"));
    let fewer = GOLDEN.replacen("775 775", "775 775 775", 1);
    assert!(refusal(&fewer).contains("found 4 trees, expected 5"));
    assert!(read(b"tree\n\xff", "model.txt").unwrap_err().to_string().contains("model.txt:2: "));
    assert!(refusal("").starts_with("model.txt:1: "));
}

#[test]
fn a_count_alone_allocates_nothing() {
    for count in ["num_cat=18446744073709551615", "num_cat=4000000000"] {
        assert!(
            refusal(&GOLDEN.replacen("num_cat=3", count, 1)).contains("cat_boundaries: found 4")
        );
    }
    let shared = GOLDEN.replacen(
        "threshold=75.500000000000014 0 97.440000000000012 1 2",
        "threshold=75.500000000000014 0 97.440000000000012 0 0",
        1,
    );
    assert!(
        refusal(&shared).contains("number 4 is 0, expected a set of cat_boundaries of its own")
    );
}

/// One way to damage a text.
#[derive(Debug, Clone)]
enum Damage {
    Byte(usize, u8),
    Cut(usize),
    DropLine(usize),
    TwiceLine(usize),
    Number(usize, &'static str),
}

fn damage() -> impl Strategy<Value = Damage> {
    let numbers = ["-1", "0", "1", "4294967296", "1e999", "nan", "-2147483648", "", "99999999999"];
    prop_oneof![
        (any::<usize>(), any::<u8>()).prop_map(|(at, byte)| Damage::Byte(at, byte)),
        any::<usize>().prop_map(Damage::Cut),
        any::<usize>().prop_map(Damage::DropLine),
        any::<usize>().prop_map(Damage::TwiceLine),
        (any::<usize>(), prop::sample::select(numbers.to_vec()))
            .prop_map(|(at, number)| Damage::Number(at, number)),
    ]
}

fn damaged(text: &str, damages: &[Damage]) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    for damage in damages {
        let mut lines: Vec<Vec<u8>> = bytes.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        let count = lines.len();
        match *damage {
            Damage::Byte(at, byte) if !bytes.is_empty() => {
                let at = at % bytes.len();
                bytes[at] = byte;
                continue;
            }
            Damage::Byte(..) => continue,
            Damage::Cut(at) => {
                bytes.truncate(at % (bytes.len() + 1));
                continue;
            }
            Damage::DropLine(at) => drop(lines.remove(at % count)),
            Damage::TwiceLine(at) => lines.insert(at % count, lines[at % count].clone()),
            Damage::Number(at, number) => {
                let line = &mut lines[at % count];
                let start = line.iter().position(|b| *b == b'=').map_or(0, |at| at + 1);
                let mut words: Vec<&[u8]> = line[start..].split(|b| *b == b' ').collect();
                let place = at / count % words.len();
                words[place] = number.as_bytes();
                *line = [&line[..start], &words.join(&b' ')].concat();
            }
        }
        bytes = lines.join(&b'\n');
    }
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn damaged_models_are_refused_or_score(damages in prop::collection::vec(damage(), 1..4)) {
        let (ours, schema) = model();
        for text in [GOLDEN, &write(&ours, &schema)] {
            if let Ok(Imported { model, schema }) = read(&damaged(text, &damages), "damaged") {
                let row = vec![1.0; schema.len()];
                prop_assert!(!model.raw_score(&row).is_nan());
                let back = read(write(&model, &schema).as_bytes(), "again");
                prop_assert!(back.is_ok(), "{:?}", back);
            }
        }
    }

    #[test]
    fn any_bytes_are_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(read(&bytes, "noise").is_err());
        let behind = [&GOLDEN.as_bytes()[..400], &bytes].concat();
        prop_assert!(read(&behind, "noise").is_err());
    }
}
