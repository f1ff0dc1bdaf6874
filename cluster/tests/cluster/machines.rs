//! Processes of a cluster, and the log they work on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};

use arrow_array::cast::AsArray;
use arrow_array::types::Float64Type;
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use tempfile::TempDir;

const PROJECT: &str = r#"
[[source]]
path = "events"
customer = "customer_id"
time = "time"
received_at = "received_at"
kind = "kind"
amount = "amount"
product = "product"
channel = "channel"

[panel]
first = "2024-09-01"
last = "2024-12-01"
every = "30d"

[features]
windows = ["7d", "30d", "90d", "all"]

[targets.churned]
horizon = "60d"
"#;

/// A folder with a simulated log in two files, and the project that describes it.
pub fn log(customers: u32) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("events")).unwrap();
    for (file, seed) in [("a.parquet", "1"), ("b.csv", "2")] {
        let output = format!("events/{file}");
        let customers = (customers / 2).to_string();
        let words = ["--customers", &customers, "--days", "400", "--seed", seed, "-o", &output];
        run(folder.path(), &[&["simulate"], &words[..]].concat());
    }
    std::fs::write(folder.path().join("rekindle.toml"), PROJECT).unwrap();
    folder
}

/// The command, to be run in a folder.
pub fn client(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rekindle-cluster"));
    command.current_dir(folder).stdout(Stdio::null());
    command
}

/// Runs the command, and tells what it said on the way.
pub fn said(folder: &Path, words: &[&str]) -> String {
    let done = client(folder).args(words).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    // A small log may not make a usable model.
    assert!(
        matches!(done.status.code(), Some(0..=2)) && !told.contains("rekindle:"),
        "{words:?}: {told}"
    );
    told
}

/// Runs the command.
pub fn run(folder: &Path, words: &[&str]) {
    said(folder, words);
}

/// What the command says when it refuses.
pub fn refused(folder: &Path, words: &[&str]) -> String {
    let done = client(folder).args(words).stderr(Stdio::piped()).output().unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    assert_eq!(done.status.code(), Some(2), "{words:?}: {told}");
    told
}

/// The cells of a table, row by row: numbers as their bits.
pub fn numbers(table: &Path) -> Vec<Vec<String>> {
    let mut parts = match table.is_dir() {
        false => vec![table.to_owned()],
        true => {
            let files = std::fs::read_dir(table).unwrap().map(|file| file.unwrap().path());
            files.filter(|path| path.extension().is_some_and(|e| e == "parquet")).collect()
        }
    };
    parts.sort();
    let mut rows = Vec::new();
    for part in parts {
        let file = std::fs::File::open(part).unwrap();
        let batches = ParquetRecordBatchReaderBuilder::try_new(file).unwrap().build().unwrap();
        for batch in batches {
            let batch = batch.unwrap();
            rows.extend((0..batch.num_rows()).map(|row| cells(&batch, row)));
        }
    }
    assert!(rows.len() > 100, "{}: {} rows", table.display(), rows.len());
    rows
}

fn cells(batch: &RecordBatch, row: usize) -> Vec<String> {
    let cell = |column: &arrow_array::ArrayRef| match column.data_type() {
        _ if column.is_null(row) => "-".to_owned(),
        DataType::Float64 => {
            format!("{:x}", column.as_primitive::<Float64Type>().value(row).to_bits())
        }
        DataType::Utf8 => column.as_string::<i32>().value(row).to_owned(),
        DataType::Boolean => column.as_boolean().value(row).to_string(),
        _ => format!("{:?}", column.slice(row, 1)),
    };
    batch.columns().iter().map(cell).collect()
}

/// A cluster on this machine; ends with it.
pub struct Machines {
    folder: PathBuf,
    flags: [String; 2],
    port: u16,
    url: String,
    script: Child,
    /// A scheduler in the place of one that was killed.
    again: Option<Child>,
}

/// Ports of clusters that tests start at the same time.
static PORT: AtomicU16 = AtomicU16::new(0);

impl Machines {
    /// Starts a scheduler and executors with one thread each; flags as they are typed.
    pub fn start(
        folder: &Path,
        name: &str,
        executors: usize,
        scheduler_flags: &str,
        executor_flags: &str,
    ) -> Machines {
        let folder = folder.join(format!("cluster-{name}"));
        // Below those that the system gives away by itself.
        let own = (std::process::id() % 20) as u16 * 1_000;
        let port = 10_000 + own + PORT.fetch_add(50, Ordering::Relaxed);
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("local");
        let flags = [scheduler_flags.to_owned(), executor_flags.to_owned()];
        let mut script = Command::new(script)
            .args([folder.to_str().unwrap(), &executors.to_string(), "1", &port.to_string()])
            .env("REKINDLE_BIN", binaries())
            .env("REKINDLE_SCHEDULER_FLAGS", &flags[0])
            .env("REKINDLE_EXECUTOR_FLAGS", &flags[1])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(script.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let url = line.trim().strip_prefix("READY ").expect("the cluster started").to_owned();
        Machines { folder, flags, port, url, script, again: None }
    }

    /// The scheduler's address.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Sends a signal to a process.
    pub fn signal(&self, name: &str, what: &str) {
        let id = std::fs::read_to_string(self.folder.join(format!("{name}.pid"))).unwrap();
        signal(id.trim().parse().unwrap(), what);
    }

    /// Kills the scheduler and starts another one in its place.
    pub fn restart_scheduler(&mut self) {
        self.signal("scheduler", "KILL");
        let log = std::fs::File::create(self.folder.join("scheduler-again.log")).unwrap();
        let mut again = Command::new(binaries().join("rekindle-scheduler"));
        again.args(["--bind", &format!("127.0.0.1:{}", self.port)]);
        again.args(self.flags[0].split_whitespace());
        // The port may not be free yet.
        for _ in 0..100 {
            let child = self.again.insert(again.stderr(log.try_clone().unwrap()).spawn().unwrap());
            std::thread::sleep(std::time::Duration::from_millis(200));
            if child.try_wait().unwrap().is_none() {
                return;
            }
        }
        panic!("no scheduler starts again");
    }
}

impl Drop for Machines {
    fn drop(&mut self) {
        if let Some(mut child) = self.again.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        signal(self.script.id(), "TERM");
        let _ = self.script.wait();
    }
}

/// Sends a signal to a process.
pub fn signal(id: u32, what: &str) {
    let done = Command::new("kill").args([&format!("-{what}"), &id.to_string()]).status().unwrap();
    assert!(done.success(), "kill -{what} {id}");
}

fn binaries() -> PathBuf {
    Path::new(env!("CARGO_BIN_EXE_rekindle-cluster")).parent().unwrap().to_owned()
}

/// A file system of few bytes.
pub struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts one, where that is allowed.
    pub fn mount(at: &Path, size: &str) -> Option<SmallDisk> {
        std::fs::create_dir_all(at).unwrap();
        let mounted = mount(&["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs", at.to_str()?]);
        mounted.then(|| SmallDisk(at.to_owned()))
    }

    /// Makes it larger.
    pub fn grow(&self, size: &str) {
        assert!(mount(&["-o", &format!("remount,size={size}"), self.0.to_str().unwrap()]));
    }
}

fn mount(words: &[&str]) -> bool {
    let done = Command::new("mount").args(words).stderr(Stdio::null()).status();
    done.is_ok_and(|status| status.success())
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}
