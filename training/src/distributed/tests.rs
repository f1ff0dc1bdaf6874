//! Jobs on an engine that is no cluster, beside the same work as one job on one machine. The real engine's tests are in
//! `cluster/tests`.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use rekindle_models::behaviour::FeatureSpec;
use rekindle_models::frame::{self, Frame, ReadKind, ReadOptions};

use super::*;
use crate::attributes::Attributes;
use crate::build::{self, GatheredLog, Written};
use crate::ingest::{
    EventBatch, Gathering, Ids, LogNames, ReadReport, ReadingOptions, Sink, Trait, read_sources,
};
use crate::panel::{Cutoffs, Panel};
use crate::project::Project;
use crate::snapshot::{self, About, Snapshots};
use crate::support::feature_spec;

const PROJECT: &str = r#"
[[source]]
path = "events"
customer = "who"
time = "at"
received_at = "known"
kind = "what"
amount = "worth"
product_group = "group"
measures = { minutes = "minutes" }

[log]
end = "2024-07-01"
max_bad_lines = 0.05

[panel]
cutoffs = ["2024-03-01", "2024-04-01"]

[features]
windows = ["30d", "all"]
max_kinds = 3

[targets.churned]
horizon = "60d"
"#;

/// A log in four files: customers that are numbers and texts, events known late, lines that are none, a file whose
/// events have fewer columns.
fn log(folder: &Path) {
    std::fs::create_dir(folder.join("events")).unwrap();
    let mut state = 7_u64;
    let mut draw = |below: u64| {
        state = rekindle_models::seed::mix(state);
        state % below
    };
    for file in 0..4 {
        let mut text = "who,at,known,what,worth,group,minutes\n".to_owned();
        for line in 0..900 {
            let who = match draw(90) {
                number @ 0..=59 => number.to_string(),
                text => format!("c-{text}"),
            };
            let day = draw(180);
            let at = 1_704_067_200 + day * 86_400 + draw(86_400);
            let known = at + if draw(10) == 0 { 40 * 86_400 } else { 0 };
            let what = ["visit", "visit", "purchase", "cart", "rare"][draw(5) as usize];
            let worth = if what == "purchase" {
                format!("{}", draw(9_000) as f64 / 7.0)
            } else {
                String::new()
            };
            let group = if file == 3 { "" } else { ["a", "b", ""][draw(3) as usize] };
            let minutes = if draw(2) == 0 { draw(50).to_string() } else { String::new() };
            let at = chrono::DateTime::from_timestamp(at as i64, 0).unwrap().to_rfc3339();
            let known = chrono::DateTime::from_timestamp(known as i64, 0).unwrap().to_rfc3339();
            let at = if line % 100 == 50 { "never".to_owned() } else { at };
            writeln!(text, "{who},{at},{known},{what},{worth},{group},{minutes}").unwrap();
        }
        std::fs::write(folder.join(format!("events/{file}.csv")), text).unwrap();
    }
}

/// Calls everything here and now, or fails after so many calls.
struct Here {
    calls: Cell<usize>,
    most: usize,
}

impl Here {
    fn new() -> Here {
        Here { calls: Cell::new(0), most: usize::MAX }
    }

    fn count(&self) -> anyhow::Result<()> {
        self.calls.set(self.calls.get() + 1);
        anyhow::ensure!(self.calls.get() <= self.most, "the cluster burns");
        Ok(())
    }
}

impl Engine for Here {
    fn run(&self, job: &Job, watch: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
        let mut parts = BTreeMap::<u32, Vec<Vec<u8>>>::new();
        for task in job.tasks.iter().rev() {
            self.count()?;
            watch("a job");
            if job.function != Function::Gather {
                call(job.function, &job.shared, task)?;
                continue;
            }
            // A task may be done twice, where an executor is lost.
            read(&job.shared, task)?;
            for (part, packet) in read(&job.shared, task)? {
                parts.entry(part).or_default().push(packet);
            }
        }
        for (part, packets) in parts {
            self.count()?;
            let packets: Vec<&[u8]> = packets.iter().map(Vec::as_slice).collect();
            gather(&job.shared, part, &packets)?;
        }
        Ok(())
    }
}

struct Whole(Gathering);

impl Sink for Whole {
    fn events(&self, events: EventBatch) -> crate::Result<()> {
        self.0.add(events)
    }

    fn lines(&self, _: &Ids, _: &[i64]) -> crate::Result<()> {
        unreachable!("lines are not wanted")
    }

    fn traits(&self, _: Vec<Trait>) -> crate::Result<()> {
        unreachable!("the log tells none")
    }
}

/// The same on one machine.
fn at_once(folder: &Path, project: &Project) -> (ReadReport, FeatureSpec, Written, Vec<u8>) {
    let names = LogNames::default();
    let sink =
        Whole(Gathering::new(1 << 26, &std::env::temp_dir(), project.measures().len()).unwrap());
    let options = ReadingOptions {
        folder,
        store_options: Vec::new(),
        end: project.log_end().unwrap(),
        max_bad_lines: project.log.max_bad_lines,
        want_lines: false,
    };
    let sources = project.checked_sources().unwrap();
    let report = read_sources(&sources, &options, &names, &sink, &|_| ()).unwrap();
    let events = sink.0.finish().unwrap();
    let duplicates = project.log.duplicates;
    let log = GatheredLog { events, names, attributes: Arc::default(), duplicates };
    let cutoffs = project.cutoffs().unwrap();
    let spec = feature_spec(&log, project, cutoffs[0]).unwrap();
    let questions = project.questions().unwrap();
    let panel = Panel::new(&spec, &questions, None, Cutoffs::Common(cutoffs)).unwrap();
    let about = build::about(&spec, project, 2, &Attributes::default()).unwrap();
    let mut bytes = Vec::new();
    let file = Snapshots::parquet(&mut bytes, &about).unwrap();
    let written = build::write_panel(&log, &spec, &panel, file, &|_| ()).unwrap();
    (report, spec, written, bytes)
}

/// The cells of a table of snapshots, column by column: numbers as the text that reads back to the same bits.
fn table(path: &Path, about: &About) -> Vec<(String, Vec<Option<String>>)> {
    let frame = frame::read(path, &snapshot::reading(path, about)).unwrap();
    let names = frame.schema().fields().iter().map(|field| field.name.clone()).enumerate();
    let cell = |place: usize, row: usize| frame.text(place, row).map(|text| text.to_string());
    names
        .map(|(place, name)| (name, (0..frame.rows()).map(|row| cell(place, row)).collect()))
        .collect()
}

/// Builds snapshots on an engine and tells what it said.
fn distributed(
    folder: &Path,
    output: &Path,
    engine: &dyn Engine,
    parts: usize,
) -> anyhow::Result<(ReadReport, About, Written)> {
    let project = Project::parse(PROJECT, "rekindle.toml").unwrap();
    let to = Parts::at(output.to_str().unwrap())?;
    let cutoffs = project.cutoffs()?;
    let asked = (PROJECT.to_owned(), &project, folder.to_owned());
    let mut logs = Logs::find(asked, (&to, Some(parts)), cutoffs[0], 1 << 26)?;
    if let Before::Finished(said) = logs.begin()? {
        anyhow::bail!("finished: {said}");
    }
    let gathered = logs.gather(engine, &mut |_, _, _| ())?;
    let spec = logs.feature_spec(&gathered)?;
    let about = build::about(&spec, &project, cutoffs.len(), &Attributes::default())?;
    let (_, written) = logs.build(engine, (&about, &cutoffs), &mut |_, _, _| ())?;
    logs.finish(&"done")?;
    Ok((gathered.report, about, written))
}

#[test]
fn snapshots_in_parts_are_those_of_one_machine_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let project = Project::parse(PROJECT, "rekindle.toml").unwrap();
    let (report, spec, written, bytes) = at_once(folder.path(), &project);
    let whole = folder.path().join("whole.parquet");
    std::fs::write(&whole, bytes).unwrap();
    assert!(report.sources[0].tally.bad_lines() == 36 && written.rows > 100, "{report:?}");
    for parts in [1, 4, 256] {
        let output = folder.path().join(format!("in-{parts}"));
        let (told, about, built) =
            distributed(folder.path(), &output, &Here::new(), parts).unwrap();
        assert_eq!(told.sources[0].tally, report.sources[0].tally);
        assert_eq!(about.features, spec);
        assert_eq!(built, written);
        assert!(table(&whole, &about) == table(&output, &about), "in {parts} parts");
        assert_eq!(snapshot::about(&output).unwrap(), Some(about));
        // What was found out on the way is gone.
        assert!(!output.join("_rekindle").exists() && output.join("rekindle.json").exists());
    }
}

#[test]
fn a_job_that_was_interrupted_anywhere_goes_on_and_ends_the_same() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let whole = folder.path().join("whole");
    let engine = Here::new();
    let (report, about, written) = distributed(folder.path(), &whole, &engine, 4).unwrap();
    let calls = engine.calls.get();
    assert_eq!(calls, 4 + 4 + 4);
    for most in 0..calls {
        let output = folder.path().join(format!("after-{most}"));
        let burning = Here { calls: Cell::new(0), most };
        distributed(folder.path(), &output, &burning, 4).unwrap_err();
        // Before anything is read, nothing is left.
        assert_eq!(output.exists(), most > 0);
        if most > 0 {
            let unfinished = frame::read(&output, &ReadOptions::default()).unwrap_err().to_string();
            assert!(unfinished.contains("has not ended"), "{unfinished}");
        }
        let again = Here::new();
        let (told, same, built) = distributed(folder.path(), &output, &again, 4).unwrap();
        assert_eq!((told, &same, built), (report.clone(), &about, written.clone()));
        assert!(table(&output, &about) == table(&whole, &about), "after {most} calls");
        // Parts that were gathered or built are not done again.
        if most > 4 + 4 {
            assert_eq!(again.calls.get(), calls - most);
        }
        // What comes late, from a machine that was taken for dead, is in nobody's way.
        std::fs::create_dir_all(output.join("_rekindle/built")).unwrap();
        assert!(table(&output, &about) == table(&whole, &about));
    }
}

#[test]
fn another_job_does_not_write_into_a_folder_that_is_in_use() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let output = folder.path().join("out");
    let burning = Here { calls: Cell::new(0), most: 5 };
    distributed(folder.path(), &output, &burning, 4).unwrap_err();
    let other = distributed(folder.path(), &output, &Here::new(), 8).unwrap_err().to_string();
    assert!(other.contains("the beginning of another job"), "{other}");
    distributed(folder.path(), &output, &Here::new(), 4).unwrap();
    let again = distributed(folder.path(), &output, &Here::new(), 4).unwrap_err().to_string();
    assert_eq!(again, "finished: \"done\"");
    let other = distributed(folder.path(), &output, &Here::new(), 8).unwrap_err().to_string();
    assert!(
        other.contains("found the parts of another job; expected a new or empty folder"),
        "{other}"
    );
    // A log that was written anew is another one.
    std::thread::sleep(std::time::Duration::from_millis(20));
    let events = folder.path().join("events/0.csv");
    std::fs::write(&events, std::fs::read(&events).unwrap()).unwrap();
    distributed(folder.path(), &output, &Here::new(), 4).unwrap_err();
    let odd = folder.path().join("odd");
    let odd = distributed(folder.path(), &odd, &Here::new(), 3).unwrap_err().to_string();
    assert!(odd.contains("--parts 3: expected 1, 2, 4"), "{odd}");
}

#[test]
fn what_another_version_says_is_refused_rather_than_done() {
    let said = shared(&"work");
    let other = said.replace(&version(), "0.0.9+1");
    let error = call(Function::Score, &other, "\"part-00000.parquet\"").unwrap_err().to_string();
    assert!(error.contains("comes from rekindle 0.0.9+1"), "{error}");
    assert!(error.contains(&format!("this executor is {}", version())), "{error}");
    for broken in ["", "{}", "{\"version\":3}"] {
        call(Function::Build, broken, "0").unwrap_err();
        read(broken, "0").unwrap_err();
        gather(broken, 0, &[]).unwrap_err();
    }
}

#[test]
fn features_of_another_fingerprint_are_not_built() {
    struct Another;
    impl Engine for Another {
        fn run(&self, job: &Job, watch: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
            let mut job = job.clone();
            if job.function == Function::Build {
                let fingerprint = job.shared.split("\"fingerprint\":\"").nth(1).unwrap();
                let fingerprint = fingerprint.split('"').next().unwrap().to_owned();
                job.shared = job.shared.replace(&fingerprint, "0ther");
            }
            Here::new().run(&job, watch)
        }
    }
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let error = distributed(folder.path(), &folder.path().join("out"), &Another, 2);
    let error = error.unwrap_err().to_string();
    assert!(error.contains("and 0ther where the job comes from"), "{error}");
}

#[test]
fn damaged_packets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    struct Damaging(fn(&mut Vec<u8>));
    impl Engine for Damaging {
        fn run(&self, job: &Job, _: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
            let packets = read(&job.shared, &job.tasks[0])?;
            let (part, mut packet) = packets.into_iter().next().unwrap();
            (self.0)(&mut packet);
            Ok(gather(&job.shared, part, &[&packet])?)
        }
    }
    let damages: [fn(&mut Vec<u8>); 6] = [
        |packet| packet.truncate(packet.len() - 1),
        |packet| packet.truncate(3),
        |packet| packet.push(0),
        |packet| packet[0] = 0,
        |packet| packet[8] ^= 0xff,
        |packet| packet.clear(),
    ];
    for (number, damage) in damages.into_iter().enumerate() {
        let output = folder.path().join(format!("damaged-{number}"));
        let error = distributed(folder.path(), &output, &Damaging(damage), 1).unwrap_err();
        assert!(error.to_string().contains("events on their way are damaged"), "{error}");
    }
}

#[test]
fn a_sample_keeps_the_rare_and_stands_for_all() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let snapshots = folder.path().join("snapshots");
    let (_, about, written) = distributed(folder.path(), &snapshots, &Here::new(), 8).unwrap();
    let table = Parts::at(snapshots.to_str().unwrap()).unwrap();
    let draw = |rows: u64, work: &str| {
        let work = folder.path().join(work);
        let work = Parts::at(work.to_str().unwrap()).unwrap();
        let sampling = Sampling::new(&table, vec!["churned".to_owned()], 1, &work).unwrap();
        let mut bytes = Vec::new();
        let sampled = sampling.run(&Here::new(), rows, &mut bytes, &mut |_, _, _| ()).unwrap();
        let path = folder.path().join("sample.parquet");
        std::fs::write(&path, &bytes).unwrap();
        (
            sampled,
            frame::read(
                &path,
                &ReadOptions {
                    kinds: [("customer_id".to_owned(), ReadKind::Categorical)].into(),
                    skip: vec!["cutoff".to_owned()],
                    ..ReadOptions::default()
                },
            )
            .unwrap(),
            bytes,
        )
    };
    let (all, frame, _) = draw(1 << 40, "all");
    let asked = written.populations.iter().map(|p| p.eligible).sum::<u64>();
    assert_eq!((all.rows, all.all), (asked, written.rows));
    let column = |frame: &Frame, name: &str| {
        let place = frame.schema().place(name).unwrap();
        (0..frame.rows())
            .map(|row| frame.text(place, row).unwrap().parse::<f64>().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(column(&frame, "weight").iter().all(|weight| *weight == 1.0));
    let (some, frame, bytes) = draw(60, "some");
    assert!(some.rows < asked && frame.rows() as u64 == some.rows, "{some:?}");
    let weight: f64 = column(&frame, "weight").iter().sum();
    assert!((weight / asked as f64 - 1.0).abs() < 0.5, "{weight} for {asked}");
    assert_eq!(draw(60, "again").2, bytes);
    let path = folder.path().join("sample.parquet");
    let told = snapshot::about(&path).unwrap().unwrap();
    assert_eq!(told, About { weighted: true, ..about });
}

#[test]
fn a_wrong_guess_of_the_size_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let project = Project::parse(PROJECT, "rekindle.toml").unwrap();
    let (report, spec, ..) = at_once(folder.path(), &project);
    let to = Parts::at(folder.path().join("out").to_str().unwrap()).unwrap();
    let asked = (PROJECT.to_owned(), &project, folder.path().to_owned());
    let cutoffs = project.cutoffs().unwrap();
    let mut logs = Logs::find(asked, (&to, Some(4)), cutoffs[0], 1 << 26).unwrap();
    logs.guess(8);
    logs.begin().unwrap();
    let gathered = logs.gather(&Here::new(), &mut |_, _, _| ()).unwrap();
    assert_eq!(gathered.events, report.sources[0].tally.events);
    assert_eq!(logs.feature_spec(&gathered).unwrap(), spec);
}

#[test]
fn a_part_that_is_gone_is_built_or_missed() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let output = folder.path().join("out");
    // The last part fails, and one that was built is lost.
    let burning = Here { calls: Cell::new(0), most: 4 + 4 + 3 };
    distributed(folder.path(), &output, &burning, 4).unwrap_err();
    std::fs::remove_file(output.join(part_name(2))).unwrap();
    let again = Here::new();
    distributed(folder.path(), &output, &again, 4).unwrap();
    assert_eq!(again.calls.get(), 2);

    struct Forgetful;
    impl Engine for Forgetful {
        fn run(&self, job: &Job, watch: &mut dyn FnMut(&str)) -> anyhow::Result<()> {
            let mut job = job.clone();
            if job.function == Function::Build {
                job.tasks.pop();
            }
            Here::new().run(&job, watch)
        }
    }
    let output = folder.path().join("forgotten");
    let error = distributed(folder.path(), &output, &Forgetful, 4).unwrap_err().to_string();
    assert!(
        error.contains("found no part 00003; expected all that the job has put there"),
        "{error}"
    );
}

#[test]
fn parts_without_rows_are_no_files_and_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    log(folder.path());
    let output = folder.path().join("out");
    let (_, about, written) = distributed(folder.path(), &output, &Here::new(), 256).unwrap();
    let parts = frame::parts(&output).unwrap();
    assert!(parts.len() < 90, "{}", parts.len());
    let rows: usize = parts.iter().map(|part| table(part, &about)[0].1.len()).sum();
    assert_eq!(rows as u64, written.rows);
}

#[test]
fn tasks_name_files_of_the_job_and_no_others() {
    let said = SampleWork::counting("table", "output");
    for name in ["../other", "a/b", ".hidden", "..", "a\\b"] {
        let error = call(Function::Sample, &said, &json(&name)).unwrap_err().to_string();
        assert!(error.contains("is no name of a file of the job"), "{name}: {error}");
    }
}
