//! The way from events in Parquet (peers' `events.py gen`) to 295 features of every customer: decoding,
//! gathering by customer, the kernel and, with a third argument, writing Parquet. Prints JSON.
//!
//! `features EVENTS.parquet [MEMORY_LIMIT_MB] [OUT.parquet]`

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Int32Type, TimestampMillisecondType, UInt8Type};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ParquetRecordBatchReaderBuilder};
use rayon::prelude::*;
use rekindle_models::behaviour::{
    Duplicates, Events, Feature, FeatureSpec, Metric, Recoding, Selector, Timeline, Window,
};
use rekindle_training::ingest::{EventBatch, Gathering, Ids, Room};
use rekindle_training::panel::{Block, Cutoffs, Panel};
use rekindle_training::snapshot::{About, Encoded, Snapshots};

const KINDS: u16 = 20;
const CUTOFF: i64 = (1_640_995_200 + 730 * 86_400) * 1_000;

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().ok_or("expected a Parquet file of events")?;
    let limit: u64 = arguments.next().map_or(Ok(4_096), |mb| mb.parse())?;
    let out = arguments.next();
    let start = Instant::now();
    let gathering = Gathering::new(limit << 20, &std::env::temp_dir(), 1)?;
    read(&path, &gathering)?;
    let gathered = gathering.finish()?;
    let read_s = start.elapsed().as_secs_f64();

    let spec = spec();
    let panel = Panel::new(&spec, &[], None, Cutoffs::Common(vec![CUTOFF]))?;
    let identity = Recoding { kinds: (0..KINDS).collect(), ..Recoding::default() };
    let about = About {
        fingerprint: spec.fingerprint(),
        features: spec.clone(),
        cutoffs: 1,
        targets: Vec::new(),
    };
    let sink: Box<dyn std::io::Write + Send> = match &out {
        Some(out) => Box::new(std::io::BufWriter::new(File::create(Path::new(out))?)),
        None => Box::new(std::io::sink()),
    };
    let mut writer = Snapshots::parquet(sink, &about)?;
    let encoder = writer.encoder();
    let partitions: Vec<usize> = (0..gathered.partitions()).collect();
    let at_once = rayon::current_num_threads();
    let mut rooms: Vec<_> = (0..at_once).map(|_| (Room::default(), panel.scratch())).collect();
    let (mut rows, mut sum) = (0, 0.0);
    for group in partitions.chunks(at_once) {
        let done = group
            .par_iter()
            .zip(&mut rooms)
            .map(|(&partition, (room, scratch))| {
                let loaded = gathered.load(partition, &identity, Duplicates::Keep, room)?;
                let mut block = Block::default();
                for (customer, span) in loaded.customers() {
                    let timeline = Timeline::new(loaded.events(), span);
                    panel.add(&customer.to_string(), &timeline, scratch, &mut block);
                }
                let sum: f64 = block.features.iter().filter(|f| !f.is_nan()).sum();
                let chunks = match &out {
                    Some(_) => encoder.encode(&block)?,
                    None => Encoded::Lines(Vec::new()),
                };
                Ok((chunks, block.customers.len(), sum))
            })
            .collect::<Result<Vec<_>, Failure>>()?;
        for (chunks, count, more) in done {
            writer.append(chunks)?;
            rows += count;
            sum += more;
        }
    }
    writer.finish()?;
    println!(
        "{{\"s\": {:.2}, \"read_s\": {read_s:.2}, \"rows\": {rows}, \"features\": {}, \
         \"sum\": {sum:.0}, \"spilled_mb\": {}, \"rss_peak_mb\": {}}}",
        start.elapsed().as_secs_f64(),
        spec.features.len(),
        gathered.spilled_bytes() >> 20,
        peak_mb()
    );
    Ok(())
}

/// Decodes the file, a row group at a time on each thread.
fn read(path: &str, gathering: &Gathering) -> Result<(), Failure> {
    let metadata = ArrowReaderMetadata::load(&File::open(path)?, Default::default())?;
    let groups = metadata.metadata().num_row_groups();
    (0..groups).into_par_iter().try_for_each(|group| {
        let file = File::open(path)?;
        let batches = ParquetRecordBatchReaderBuilder::new_with_metadata(file, metadata.clone())
            .with_row_groups(vec![group])
            .with_batch_size(1 << 16)
            .build()?;
        for batch in batches {
            let batch = batch?;
            let column = |place: usize| batch.column(place);
            let events = Events {
                times: column(1).as_primitive::<TimestampMillisecondType>().values().to_vec(),
                kinds: column(2)
                    .as_primitive::<UInt8Type>()
                    .values()
                    .iter()
                    .map(|&kind| u16::from(kind))
                    .collect(),
                measures: vec![
                    column(3)
                        .as_primitive::<Float32Type>()
                        .values()
                        .iter()
                        .map(|&amount| f64::from(amount))
                        .collect(),
                ],
                ..Events::default()
            };
            let ids = column(0).as_primitive::<Int32Type>().values();
            let customers = Ids::Numbers(ids.iter().map(|&id| i64::from(id)).collect());
            gathering.add(EventBatch { customers, events })?;
        }
        Ok(())
    })
}

/// The columns of the peers' script: 5 windows x 20 kinds x count and sum; first, last and greatest by kind; seven
/// of all events by window.
fn spec() -> FeatureSpec {
    let windows = [7, 30, 90, 180, 365].map(Window::Days);
    let mut features = Vec::new();
    let mut add = |metric: Metric, of: &Selector, windows: &[Window]| {
        let valued = metric.info().measure;
        let measure = valued.then(|| "amount".to_owned());
        let all = [Window::All];
        let windows = if windows.is_empty() && metric.info().windows == 1 { &all } else { windows };
        if windows.is_empty() {
            let feature = Feature::new(metric, of.clone(), Window::All);
            features.push(Feature { windows: Vec::new(), measure: measure.clone(), ..feature });
        }
        for &window in windows {
            let measure = measure.clone();
            features.push(Feature { measure, ..Feature::new(metric, of.clone(), window) });
        }
    };
    for kind in 0..KINDS {
        let of = Selector::kind(&format!("{kind:02}"));
        add(Metric::Count, &of, &windows);
        add(Metric::Sum, &of, &windows);
        add(Metric::FirstDays, &of, &[]);
        add(Metric::RecencyDays, &of, &[]);
        add(Metric::Max, &of, &[]);
    }
    for metric in [
        Metric::Count,
        Metric::Sum,
        Metric::Mean,
        Metric::Max,
        Metric::EarliestDays,
        Metric::LatestDays,
        Metric::Kinds,
    ] {
        add(metric, &Selector::default(), &windows);
    }
    FeatureSpec {
        timezone: "UTC".to_owned(),
        kinds: (0..KINDS).map(|kind| format!("{kind:02}")).collect(),
        channels: Vec::new(),
        groups: Vec::new(),
        measures: vec!["amount".to_owned()],
        windows: FeatureSpec::windows_of(&features),
        duplicates: Duplicates::Keep,
        features,
        attributes: Vec::new(),
    }
}

fn peak_mb() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap_or_default();
    line.split_whitespace().nth(1).and_then(|kb| kb.parse::<u64>().ok()).unwrap_or(0) >> 10
}
