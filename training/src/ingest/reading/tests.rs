//! Sources read from real files into a list of what was told; the tests themselves lie by subject.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::sync::Mutex;

use flate2::Compression;
use flate2::write::GzEncoder;
use rekindle_models::behaviour::{NONE, product_key};
use tempfile::TempDir;

use super::*;
use crate::ingest::{LogRules, Names, SourceSpec};

mod faults;
mod formats;
mod found;
mod junk;
mod mapped;
mod segment;
mod stores;

/// What holds for a log, and how it is read: by default all lines may be bad.
struct Asked {
    rules: LogRules,
    end: Option<i64>,
    max_bad_lines: f64,
    want_lines: bool,
}

/// What a log told.
#[derive(Debug)]
struct Found {
    /// Events as texts, sorted, by customer.
    events: BTreeMap<String, Vec<String>>,
    lines: Vec<(String, i64)>,
    traits: Vec<Trait>,
    /// The names of kinds, sorted.
    kinds: Vec<String>,
    report: ReadReport,
}

/// Keeps what is told.
#[derive(Default)]
struct Collected {
    batches: Mutex<Vec<EventBatch>>,
    lines: Mutex<Vec<(String, i64)>>,
    traits: Mutex<Vec<Trait>>,
}

impl Default for Asked {
    fn default() -> Asked {
        let rules = LogRules {
            timezone: "UTC".to_owned(),
            purchase: "purchase".to_owned(),
            returned: "return".to_owned(),
            currency: None,
            measures: vec!["amount".to_owned()],
        };
        Asked { rules, end: None, max_bad_lines: 1.0, want_lines: false }
    }
}

impl Sink for Collected {
    fn events(&self, events: EventBatch) -> Result<()> {
        self.batches.lock().unwrap().push(events);
        Ok(())
    }

    fn lines(&self, customers: &Ids, times: &[i64]) -> Result<()> {
        self.lines.lock().unwrap().extend(texts(customers).into_iter().zip(times.iter().copied()));
        Ok(())
    }

    fn traits(&self, told: Vec<Trait>) -> Result<()> {
        self.traits.lock().unwrap().extend(told);
        Ok(())
    }
}

/// Customers as texts.
fn texts(ids: &Ids) -> Vec<String> {
    match ids {
        Ids::Numbers(numbers) => numbers.iter().map(i64::to_string).collect(),
        Ids::Texts { text, ends } => {
            let starts = std::iter::once(0).chain(ends.iter().copied());
            starts.zip(ends).map(|(a, b)| text[a as usize..*b as usize].to_owned()).collect()
        }
    }
}

/// An event as a text: time, kind, channel, group, product's key, when it was received, measures.
fn event(batch: &EventBatch, place: usize, names: &LogNames) -> String {
    let events = &batch.events;
    let name = |of: &Names, codes: &[u16]| {
        let code = codes.get(place).copied().unwrap_or(NONE);
        let known = of.sorted().into_iter().find(|(_, c)| *c == code);
        known.map_or_else(|| "-".to_owned(), |(name, _)| name)
    };
    let measure = |m: &Vec<f64>| m.get(place).map_or("NaN".to_owned(), f64::to_string);
    let measures: Vec<String> = events.measures.iter().map(measure).collect();
    format!(
        "{} {} {} {} {} {} {}",
        events.times[place],
        name(&names.kinds, &events.kinds),
        name(&names.channels, &events.channels),
        name(&names.groups, &events.groups),
        product(events.products.get(place).copied().unwrap_or(0)),
        events.received.get(place).copied().unwrap_or(events.times[place]),
        measures.join(" ")
    )
}

/// A product's key as a text: short ones as `p7` are told by name.
fn product(key: u64) -> String {
    let names = (0..40).map(|n| format!("p{n}"));
    let known = names.into_iter().find(|name| product_key(name) == key);
    known.unwrap_or_else(|| if key == 0 { "-".to_owned() } else { "other".to_owned() })
}

/// Reads the sources of a text of TOML, whose paths begin at `folder`.
fn read_log(folder: &Path, sources: &str, asked: &Asked) -> Result<Found> {
    #[derive(serde::Deserialize)]
    struct Given {
        source: Vec<SourceSpec>,
    }
    let given: Given = toml::from_str(sources).unwrap();
    let sources = (1..).zip(&given.source).map(|(n, spec)| Source::new(spec, n, &asked.rules));
    let sources = sources.collect::<Result<Vec<_>>>()?;
    let options = ReadingOptions {
        folder,
        store_options: vec![("aws_secret_access_key".to_owned(), "SECRET".to_owned())],
        end: asked.end,
        max_bad_lines: asked.max_bad_lines,
        want_lines: asked.want_lines,
    };
    let (names, sink) = (LogNames::default(), Collected::default());
    let report = read_sources(&sources, &options, &names, &sink, &|_| ())?;
    let mut events: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for batch in sink.batches.into_inner().unwrap() {
        for (place, customer) in texts(&batch.customers).into_iter().enumerate() {
            events.entry(customer).or_default().push(event(&batch, place, &names));
        }
    }
    events.values_mut().for_each(|events| events.sort());
    let mut lines = sink.lines.into_inner().unwrap();
    lines.sort();
    let mut traits = sink.traits.into_inner().unwrap();
    traits.sort_by(|a, b| (&a.customer, &a.name).cmp(&(&b.customer, &b.name)));
    let kinds = names.kinds.sorted().into_iter().map(|(name, _)| name).collect();
    Ok(Found { events, lines, traits, kinds, report })
}

impl Found {
    /// All events, `CUSTOMER: EVENT`.
    fn all(&self) -> Vec<String> {
        let of = |(customer, events): (&String, &Vec<String>)| -> Vec<String> {
            events.iter().map(|event| format!("{customer}: {event}")).collect()
        };
        self.events.iter().flat_map(of).collect()
    }

    fn tally(&self) -> &Tally {
        &self.report.sources[0].tally
    }

    /// The examples of a fault, without the folder in front of files.
    fn faults(&self, fault: Fault) -> Vec<String> {
        let faults = self.tally().faults.get(&fault);
        let short = |text: &String| {
            let place =
                text.find(": ").map_or(0, |end| text[..end].rfind('/').map_or(0, |p| p + 1));
            text[place..].to_owned()
        };
        faults.map_or_else(Vec::new, |f| f.examples.iter().map(short).collect())
    }
}

/// A folder with some files.
fn folder(files: &[(&str, &[u8])]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut to = GzEncoder::new(Vec::new(), Compression::fast());
    to.write_all(bytes).unwrap();
    to.finish().unwrap()
}

/// The usual columns of the file given.
fn plain(file: &str) -> String {
    format!(
        "[[source]]\npath = \"{file}\"\ncustomer = \"customer\"\ntime = \"time\"\nkind = \"kind\"\n\
         amount = \"amount\"\n"
    )
}

/// Reads one CSV file with [`plain`]'s columns and some more lines of its `[[source]]`.
fn csv(text: &[u8], more: &str) -> Result<Found> {
    let folder = folder(&[("log.csv", text)]);
    read_log(folder.path(), &(plain("log.csv") + more), &Asked::default())
}

/// 2024-01-01 in milliseconds.
const NEW_YEAR: i64 = 1_704_067_200_000;
