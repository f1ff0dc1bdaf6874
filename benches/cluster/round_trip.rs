//! How long a job takes that has next to nothing to do: what each level of each tree would cost, if histograms were jobs.
//! `cargo run --release -p rekindle-cluster --example round_trip -- http://127.0.0.1:50050 FOLDER [TASKS]`, FOLDER being
//! snapshots in parts, of which the first is counted again and again.

use std::time::Instant;

use rekindle_cluster::client::Ballista;
use rekindle_training::distributed::{Connect, Function, Job, Parts, SampleWork};

fn main() -> anyhow::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let [_, url, folder, rest @ ..] = words.as_slice() else {
        anyhow::bail!("expected URL FOLDER [TASKS]");
    };
    let tasks: usize = rest.first().map_or(Ok(2), |tasks| tasks.parse())?;
    let first = Parts::at(folder)?.tables()?.remove(0);
    let output = std::env::temp_dir().join(format!("round-trip-{}", std::process::id()));
    let shared = SampleWork::counting(folder, &output.to_string_lossy());
    let job = Job {
        name: "round trip".to_owned(),
        function: Function::Count,
        parts: 0,
        shared,
        tasks: vec![serde_json::to_string(&first)?; tasks],
    };
    let engine = Ballista.connect(url)?;
    let mut took = Vec::new();
    for _ in 0..41 {
        let begun = Instant::now();
        engine.run(&job, &mut |_| ())?;
        took.push(begun.elapsed());
    }
    took.remove(0);
    took.sort_unstable();
    let (least, median, most) = (took[0], took[took.len() / 2], took[took.len() - 1]);
    println!("{tasks} tasks: {median:.1?} (median of {}), {least:.1?} to {most:.1?}", took.len());
    Ok(std::fs::remove_dir_all(output)?)
}
