//! One training run of our booster on a seeded table, as one line of JSON.
//!
//!     train FOLDER ROWS [parameter=value ...] [targets=3] [threads=2] [learned=20000] [features=250]
//!
//! FOLDER holds `wide_ROWS_X.npy` (float32, row by row) and `wide_ROWS_y.npy` (float32). Four
//! fifths are learned from, the last fifth is judged. Parameters are those of `Boosting`.

use std::fs;
use std::time::Instant;

use rayon::prelude::*;
use rekindle_models::classifiers::boosting::{BinnedTable, Boosting};
use rekindle_models::dataset::Dataset;
use rekindle_models::frame::{Column, Field, Frame, Kind, Schema};
use rekindle_models::metrics::{Judged, Ranked};

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let (folder, rows) = (&words[0], words[1].parse::<usize>().expect("a number of rows"));
    let (mut targets, mut threads, mut settings) = (1_usize, 2_usize, String::new());
    let (mut learned, mut features) = (rows * 4 / 5, usize::MAX);
    for word in &words[2..] {
        let (name, value) = word.split_once('=').expect("parameter=value");
        match name {
            "targets" => targets = value.parse().expect("a number of targets"),
            "learned" => learned = value.parse().expect("a number of rows"),
            "features" => features = value.parse().expect("a number of features"),
            "threads" => threads = value.parse().expect("a number of threads"),
            _ => settings += &format!("{name} = {value}\n"),
        }
    }
    let params: Boosting = toml::from_str(&settings).expect("parameters of Boosting");
    rayon::ThreadPoolBuilder::new().num_threads(threads).build_global().expect("one pool");
    let frame = table(&format!("{folder}/wide_{rows}_X.npy"));
    let label: Vec<bool> =
        npy(&format!("{folder}/wide_{rows}_y.npy")).chunks(4).map(|y| y != [0; 4]).collect();
    let before = memory("VmRSS");
    let all: Vec<u32> = (0..rows as u32).collect();
    let (train, test) = (&all[..learned], &all[rows * 4 / 5..]);
    let features: Vec<usize> = (0..frame.schema().len().min(features)).collect();
    let weight = vec![1.0; rows];
    let data = Dataset {
        frame: &frame,
        features: &features,
        rows: train,
        target: &label,
        weight: &weight,
    };
    fs::write("/proc/self/clear_refs", "5").ok();
    let clock = Instant::now();
    let table = BinnedTable::new(&data, params.max_bin);
    let bin_s = clock.elapsed().as_secs_f64();
    let bytes = table.bytes();
    // Other targets are like the first with some rows the other way round: as hard, not the same.
    let others: Vec<Vec<bool>> = (0..targets).map(|t| turned(&label, t)).collect();
    let problems: Vec<_> = others.iter().map(|target| (Dataset { target, ..data }, None)).collect();
    let clock = Instant::now();
    let models = params.fit_targets(&table, &problems).expect("a model");
    let boost_s = clock.elapsed().as_secs_f64();
    let peak = memory("VmHWM") - before;
    drop(table);
    let judged_rows = data.with_rows(test).to_rows();
    let clock = Instant::now();
    let margins = models[0].margins(&judged_rows);
    let score_s = clock.elapsed().as_secs_f64();
    let judged = Judged {
        probability: &margins,
        target: &label[rows * 4 / 5..],
        weight: &weight[rows * 4 / 5..],
        group: None,
    };
    let ranked = Ranked::new(&judged);
    let sum: f64 = margins.iter().sum();
    println!(
        "{{\"bin_s\": {bin_s:.3}, \"boost_s\": {boost_s:.3}, \"auc\": {:.5}, \"trees\": {}, \
         \"peak_mb\": {peak}, \"binned_mb\": {}, \"score_s\": {score_s:.3}, \"sum\": {sum}}}",
        ranked.roc_auc(ranked.weights()),
        models[0].trees().len(),
        bytes / 1_000_000,
    );
}

fn turned(label: &[bool], target: usize) -> Vec<bool> {
    let turn = |row: usize| target > 0 && row % 97 == target;
    label.iter().enumerate().map(|(row, y)| y ^ turn(row)).collect()
}

/// The bytes of an array, from behind its header.
fn npy(path: &str) -> Vec<u8> {
    let bytes = fs::read(path).unwrap_or_else(|e| panic!("{path}: {e}"));
    let header = 10 + usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    bytes[header..].to_vec()
}

fn table(path: &str) -> Frame {
    let bytes = npy(path);
    let width = 500;
    let rows = bytes.len() / 4 / width;
    let column = |feature: usize| {
        let cell = |row: usize| {
            let at = (row * width + feature) * 4;
            f64::from(f32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes")))
        };
        Column::Number((0..rows).map(cell).collect())
    };
    let columns: Vec<Column> = (0..width).into_par_iter().map(column).collect();
    let field = |f: usize| Field { name: format!("f{f}"), kind: Kind::Numeric };
    let schema = Schema::new((0..width).map(field).collect()).expect("names differ");
    Frame::new(schema, columns).expect("columns are alike")
}

fn memory(what: &str) -> i64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with(what)).unwrap_or("0 0");
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<i64>().ok()).unwrap_or(0) / 1000
}
