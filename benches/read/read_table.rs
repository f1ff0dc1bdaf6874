//! Reads a table and prints how long it took and how much memory at most: `read_table FILE`.

use std::path::PathBuf;
use std::time::Instant;

use rekindle_models::frame::{ReadOptions, read};

fn main() {
    let path: PathBuf = std::env::args_os().nth(1).expect("usage: read_table FILE").into();
    let start = Instant::now();
    match read(&path, &ReadOptions::default()) {
        Ok(frame) => {
            let seconds = start.elapsed().as_secs_f64();
            let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            println!(
                "{} x {} in {seconds:.2} s, peak {}",
                frame.rows(),
                frame.schema().len(),
                peak.unwrap_or("unknown").trim()
            );
        }
        Err(error) => {
            eprintln!("{error}");
            std::process::exit(2);
        }
    }
}
