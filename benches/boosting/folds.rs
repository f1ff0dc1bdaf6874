//! Mean ROC AUC of our booster over 5 folds of tables, a line for each table and target.
//!
//!     folds FOLDER [set=NAME ...] [parameter=value ...]
//!
//! FOLDER holds, for each set, `NAME/all.csv` with a column `fold_TARGET` for each target and perhaps
//! `weight`, and `NAME/categorical`, the names of its categorical columns with commas between them;
//! `accuracy.py` makes them. Parameters are those of `Boosting`.

use std::path::Path;

use rekindle_models::classifiers::boosting::{BinnedTable, Boosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Frame, ReadKind, ReadOptions, read};
use rekindle_models::metrics::{Judged, Ranked};

const SETS: [&str; 5] = ["telco", "mlc_churn", "bank_churn_av", "kdd09_natural", "kdd09_union"];

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (mut sets, mut settings) = (Vec::new(), String::new());
    for word in &words[1..] {
        let (name, value) = word.split_once('=').expect("parameter=value");
        match name {
            "set" => sets.push(value),
            _ => settings += &format!("{name} = {value}\n"),
        }
    }
    if sets.is_empty() {
        sets = SETS.to_vec();
    }
    let params: Boosting = toml::from_str(&settings).expect("parameters of Boosting");
    for set in sets {
        let frame = table(&Path::new(&words[0]).join(set));
        let names: Vec<String> = frame.schema().fields().iter().map(|f| f.name.clone()).collect();
        let targets: Vec<&str> = names.iter().filter_map(|n| n.strip_prefix("fold_")).collect();
        let is_feature = |name: &String| {
            name != "weight" && !name.starts_with("fold_") && !targets.contains(&name.as_str())
        };
        let features: Vec<usize> = (0..names.len()).filter(|&i| is_feature(&names[i])).collect();
        for target in &targets {
            let aucs = aucs(&frame, &features, target, &params);
            let mean = aucs.iter().sum::<f64>() / aucs.len() as f64;
            println!("{set} {target} {mean:.4} {aucs:.4?}");
        }
    }
}

fn aucs(frame: &Frame, features: &[usize], target: &str, params: &Boosting) -> Vec<f64> {
    let numbers = |name: &str| {
        let place = frame.schema().place(name)?;
        frame.numbers(place)
    };
    let label: Vec<bool> = numbers(target).expect("a target").iter().map(|y| *y == 1.0).collect();
    let fold = numbers(&format!("fold_{target}")).expect("folds");
    let weight = numbers("weight").map_or(vec![1.0; label.len()], <[f64]>::to_vec);
    let one = |k: usize| {
        let (test, train): (Vec<u32>, Vec<u32>) =
            (0..label.len() as u32).partition(|&row| fold[row as usize] == k as f64);
        let data = Dataset { frame, features, rows: &train, target: &label, weight: &weight };
        let table = BinnedTable::new(&data, params.max_bin);
        let model = params.fit_binned(&table, &data).expect("a model");
        let test = data.with_rows(&test);
        let margins = model.margins(&test.to_rows());
        let judged = Judged {
            probability: &margins,
            target: &test.targets(),
            weight: &test.weights(),
            group: None,
        };
        let ranked = Ranked::new(&judged);
        ranked.roc_auc(ranked.weights())
    };
    (0..5).map(one).collect()
}

fn table(folder: &Path) -> Frame {
    let levels = std::fs::read_to_string(folder.join("categorical")).expect("a list of columns");
    let kinds = levels.split(',').filter(|name| !name.is_empty());
    let kinds = kinds.map(|name| (name.to_owned(), ReadKind::Categorical)).collect();
    let options = ReadOptions { kinds, ..ReadOptions::default() };
    read(&folder.join("all.csv"), &options).expect("a table")
}
