//! Laws on a real log: nothing that happens at or after a cutoff changes a feature, to the bit.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rekindle_models::seed::{hash_text, mix2, unit};

use crate::logs::{Cells, done, snapshots};
use crate::real_data::data;

/// A line of UCI Online Retail.
type Line = csv::StringRecord;

const CUSTOMER: usize = 6;
const TIME: usize = 4;
const FIRST: &str = "2011-06-10 00:00:00";
const LAST: &str = "2011-09-05 12:00:00";

/// A twelfth of the customers, and some of the guests.
fn lines(path: &Path) -> (Line, Vec<Line>) {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let kept = |line: &Line| {
        hash_text(&line[if line[CUSTOMER].is_empty() { 0 } else { CUSTOMER }]).is_multiple_of(12)
    };
    let lines = reader.records().map(Result::unwrap).filter(kept).collect();
    (header, lines)
}

/// The same lines, with those at or after `from` deleted, altered, repeated, moved (but not to before)
/// or joined by others.
fn changed(lines: &[Line], from: &str, seed: u64) -> Vec<Line> {
    let cell = |line: &Line, place: usize, text: String| -> Line {
        line.iter()
            .enumerate()
            .map(|(at, old)| if at == place { text.clone() } else { old.to_owned() })
            .collect()
    };
    let mut all = Vec::new();
    for (number, line) in lines.iter().enumerate() {
        if &line[TIME] < from {
            all.push(line.clone());
            continue;
        }
        let draw = mix2(seed, number as u64);
        match draw % 9 {
            0 | 1 => {}
            2 => all.push(cell(line, 3, format!("{}", unit(draw) * 1e6 - 2e5))),
            3 => all.push(cell(line, 0, format!("C{}", &line[0]))),
            4 => all.push(cell(
                line,
                CUSTOMER,
                lines[draw as usize % lines.len()][CUSTOMER].to_owned(),
            )),
            5 => all.push(cell(line, TIME, from.to_owned())),
            6 => all.push(cell(line, 1, "A product nobody had before".to_owned())),
            7 => all.extend([line.clone(), cell(line, CUSTOMER, format!("9{}", draw % 99_999))]),
            _ => all.push(line.clone()),
        }
    }
    all
}

fn write(path: &Path, header: &Line, lines: &[Line]) {
    let mut to = csv::Writer::from_path(path).unwrap();
    to.write_record(header).unwrap();
    lines.iter().for_each(|line| to.write_record(line).unwrap());
    to.flush().unwrap();
}

/// The features of some lines, without the answers.
fn features(folder: &Path, header: &Line, lines: &[Line]) -> Cells {
    write(&folder.join("online_retail.csv"), header, lines);
    done(folder, &["features", "--quiet", "-o", "s.parquet"]);
    let mut rows = snapshots(&folder.join("s.parquet"));
    for cells in rows.values_mut() {
        cells.retain(|name, _| name != "repaid" && name != "reactivated");
    }
    rows
}

#[test]
fn changing_what_comes_later_changes_no_feature_of_a_real_log() {
    let Some(path) = data("online_retail_uci/online_retail.csv.gz") else { return };
    let folder = tempfile::tempdir().unwrap();
    let spec = include_str!("../specs/online_retail_uci.toml");
    let panel = spec.find("[panel]").unwrap()..spec.find("[features]").unwrap();
    // The end is stated: without that, it would be one of the things that are changed.
    let spec = spec
        .replace(&spec[panel], &format!("[panel]\ncutoffs = [{FIRST:?}, {LAST:?}]\n\n"))
        .replace("[log]", "[log]\nend = \"2011-12-10\"")
        .replace("online_retail.csv.gz", "online_retail.csv")
        .replace("0.26", "0.6");
    fs::write(folder.path().join("rekindle.toml"), spec).unwrap();
    let (header, lines) = lines(&path);
    let as_it_is = features(folder.path(), &header, &lines);
    assert!(as_it_is.len() > 400 && as_it_is.values().next().unwrap().len() > 400);
    for seed in [1, 2] {
        let later = changed(&lines, LAST, seed);
        assert!(later != lines);
        assert!(features(folder.path(), &header, &later) == as_it_is, "seed {seed}");
    }
    // What happens between the cutoffs is the past of the second only.
    let between = features(folder.path(), &header, &changed(&lines, FIRST, 3));
    let first = |rows: &Cells| -> Cells {
        let rows = rows.iter().filter(|((_, cutoff), _)| cutoff.starts_with("2011-06"));
        rows.map(|(key, cells)| (key.clone(), cells.clone())).collect()
    };
    assert!(between != as_it_is);
    assert!(!first(&as_it_is).is_empty() && first(&between) == first(&as_it_is));
}
