//! Laws on whole logs: nothing that happens, or becomes known, at or after a cutoff changes a feature, to
//! the bit.

use std::fs;
use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use rekindle_models::seed::{hash_text, mix2, unit};

use crate::logs::{Cells, snapshots};
use crate::programs::done;
use crate::real_data::data;

/// A line of UCI Online Retail.
type Line = csv::StringRecord;

const CUSTOMER: usize = 6;
const TIME: usize = 4;
const FIRST: &str = "2011-06-10 00:00:00";
const LAST: &str = "2011-09-05 12:00:00";

/// One in 24 customers, and some of the guests.
fn lines(path: &Path) -> (Line, Vec<Line>) {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(path).unwrap()).read_to_string(&mut text).unwrap();
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let header = reader.headers().unwrap().clone();
    let kept = |line: &Line| {
        hash_text(&line[if line[CUSTOMER].is_empty() { 0 } else { CUSTOMER }]).is_multiple_of(24)
    };
    let lines = reader.records().map(Result::unwrap).filter(kept).collect();
    (header, lines)
}

/// The same lines, with those at or after `from` deleted, altered, repeated, moved (but not to before)
/// or joined by others.
fn changed(lines: &[Line], from: &str, seed: u64) -> Vec<Line> {
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

/// A line with another text in one place.
fn cell(line: &Line, place: usize, text: String) -> Line {
    let other = |(at, old): (usize, &str)| if at == place { text.clone() } else { old.to_owned() };
    line.iter().enumerate().map(other).collect()
}

fn write(path: &Path, header: &Line, lines: &[Line]) {
    let mut to = csv::Writer::from_path(path).unwrap();
    to.write_record(header).unwrap();
    lines.iter().for_each(|line| to.write_record(line).unwrap());
    to.flush().unwrap();
}

/// The features of some lines, without the answers.
fn features(folder: &Path, header: &Line, lines: &[Line]) -> Cells {
    write(&folder.join("log.csv"), header, lines);
    done(folder, &["features", "--quiet", "-o", "s.parquet"]);
    let mut rows = snapshots(&folder.join("s.parquet"));
    for cells in rows.values_mut() {
        cells.retain(|name, _| !["repaid", "reactivated", "churned"].contains(&name.as_str()));
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
        .replace("[features]", "[features]\nwindows = [\"7d\", \"30d\", \"90d\", \"all\"]")
        .replace("[log]", "[log]\nend = \"2011-12-10\"")
        .replace("online_retail.csv.gz", "log.csv")
        .replace("0.26", "0.6");
    fs::write(folder.path().join("rekindle.toml"), spec).unwrap();
    let (header, lines) = lines(&path);
    let as_it_is = features(folder.path(), &header, &lines);
    assert!(as_it_is.len() > 150 && as_it_is.values().next().unwrap().len() > 250);
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

const SHOP: &str = "[[source]]\npath = \"log.csv\"\ncustomer = \"customer_id\"\ntime = \"time\"\n\
    kind = \"kind\"\namount = \"amount\"\nproduct = \"product\"\nproduct_group = \"product_group\"\n\
    channel = \"channel\"\nreceived_at = \"received_at\"\n[[attributes]]\npath = \"people.csv\"\n\
    customer = \"customer_id\"\nknown_at = \"known_at\"\n[log]\nend = \"2025-01-01\"\n[panel]\n\
    cutoffs = [\"2024-08-01\"]\n[targets.churned]\nhorizon = \"40d\"\n[features]\n\
    windows = [\"30d\", \"all\"]\nmin_support = 0\nmax_kinds = 50\n";
const CUTOFF: &str = "2024-08-01T00:00:00.000Z";

/// The lines of a simulated log, of which every fifth was received months late.
fn simulated(folder: &Path) -> (Line, Vec<Line>) {
    let words = ["simulate", "--customers", "150", "--days", "300", "-o", "simulated.csv"];
    done(folder, &[&words[..], &["--customers-table", "people.csv"]].concat());
    let mut reader = csv::Reader::from_path(folder.join("simulated.csv")).unwrap();
    let header = reader.headers().unwrap().clone();
    let late = |(number, line): (usize, csv::Result<Line>)| {
        let line = line.unwrap();
        let received = &line[8];
        match number % 5 == 0 && &received[5..7] < "08" {
            true => cell(&line, 8, format!("2024-{}{}", ["08", "10"][number % 2], &received[7..])),
            false => line,
        }
    };
    (header, reader.records().enumerate().map(late).collect())
}

#[test]
fn what_becomes_known_later_changes_no_feature_whenever_it_happened() {
    let folder = tempfile::tempdir().unwrap();
    let at = folder.path();
    fs::write(at.join("rekindle.toml"), SHOP).unwrap();
    let (header, lines) = simulated(at);
    let as_it_is = features(at, &header, &lines);
    assert!(as_it_is.len() > 50, "{}", as_it_is.len());
    let late = lines.iter().filter(|line| &line[1] < CUTOFF && &line[8] >= CUTOFF).count();
    assert!(late > 100, "{late}");
    let change = |(number, line): (usize, &Line)| -> Vec<Line> {
        if &line[1] < CUTOFF && &line[8] < CUTOFF {
            return vec![line.clone()];
        }
        match mix2(1, number as u64) % 6 {
            0 => Vec::new(),
            1 => vec![cell(line, 2, "a kind nobody had before".to_owned())],
            2 => vec![cell(line, 3, "1234.5".to_owned()), line.clone()],
            3 => vec![cell(line, 5, "a group nobody had before".to_owned())],
            4 => vec![cell(line, 6, "a channel nobody had before".to_owned())],
            _ => vec![cell(line, 0, format!("somebody {number}"))],
        }
    };
    let changed: Vec<Line> = lines.iter().enumerate().flat_map(change).collect();
    let more = "C0000001,2024-08-01T00:00:00.000Z,2024-01-01T00:00:00.000Z,1,nowhere,none\n\
        somebody,2024-08-01T00:00:00.000Z,2024-01-01T00:00:00.000Z,1,nowhere,none\n";
    let people = fs::read_to_string(at.join("people.csv")).unwrap();
    fs::write(at.join("people.csv"), people + more).unwrap();
    let found = features(at, &header, &changed);
    let names = |rows: &Cells| rows.values().next().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&found), names(&as_it_is));
    assert!(found == as_it_is);
}
