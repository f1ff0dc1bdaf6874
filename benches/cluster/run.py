"""What a cluster costs beside one process, and what a second executor brings: features of a log, then scores.

  python benches/cluster/run.py BIN FOLDER [CUSTOMERS]

BIN has rekindle-cluster, rekindle-scheduler and rekindle-executor, built with
`cargo build --release -p rekindle-cluster`; FOLDER is made, and needs some 10 GB for 5,000,000 customers. Everything runs
on this machine: one process on one thread, one executor of one thread, two executors of one thread each. Seconds are of
the whole command; bytes sent are those of the packets that executors exchange.
"""
import json
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path

BIN, FOLDER = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
CUSTOMERS = int(sys.argv[3]) if len(sys.argv) > 3 else 5_000_000
ROUNDS = int(os.environ.get("ROUNDS", "1"))
LOCAL = Path(__file__).resolve().parents[2] / "cluster/local"
PORT = 53_000

PROJECT = """
[[source]]
path = "events"
customer = "customer_id"
time = "time"
received_at = "received_at"
kind = "kind"
amount = "amount"
product = "product"
product_group = "product_group"
channel = "channel"

[panel]
cutoffs = ["2024-02-01"]

[features]
windows = ["7d", "30d", "all"]
families = ["counts", "amounts", "recency"]

[targets.churned]
horizon = "20d"
"""


def command(*words, threads=1):
    """Seconds that the command takes."""
    begun = time.time()
    environment = {**os.environ, "RAYON_NUM_THREADS": str(threads)}
    done = subprocess.run([BIN / "rekindle-cluster", *map(str, words)], cwd=FOLDER, env=environment,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    # A small table may not be judged.
    if done.returncode not in (0, 1, 2) or "rekindle:" in done.stderr:
        sys.exit(f"{words}: {done.stderr}")
    return time.time() - begun


class Cluster:
    def __init__(self, executors):
        self.folder = FOLDER / "machines"
        shutil.rmtree(self.folder, ignore_errors=True)
        environment = {**os.environ, "REKINDLE_BIN": str(BIN)}
        self.script = subprocess.Popen([LOCAL, self.folder, str(executors), "1", str(PORT)], env=environment,
                                       stdout=subprocess.PIPE, text=True)
        self.url = self.script.stdout.readline().split()[1]
        self.sent = 0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        """Notes how many bytes of packets were kept of what was sent: they are kept as they were sent."""
        while self.script.poll() is None:
            files = list((FOLDER / "parts/_rekindle/events").glob("*"))
            try:
                self.sent = max(self.sent, sum(file.stat().st_size for file in files))
            except FileNotFoundError:
                pass
            time.sleep(0.1)

    def end(self):
        self.script.terminate()
        self.script.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def gone(*names):
    for name in names:
        path = FOLDER / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)


FOLDER.mkdir(parents=True, exist_ok=True)
if not (FOLDER / "events").exists():
    (FOLDER / "events").mkdir()
    command("simulate", "--customers", CUSTOMERS, "--days", 58, "--activity", 0.03, "-o", "events/a.parquet", threads=2)
(FOLDER / "rekindle.toml").write_text(PROJECT)
read = sum(file.stat().st_size for file in (FOLDER / "events").iterdir())
seconds, bytes_sent = {}, 0


def keep(name, took):
    seconds.setdefault(name, []).append(took)
    print(f"  {name:28} {took:7.1f} s", flush=True)


for turn in range(ROUNDS):
    gone("whole.parquet", "scores.parquet")
    keep("features, one process", command("features", "-o", "whole.parquet"))
    if not (FOLDER / "registry").exists():
        # Any model does: fitted on some of the customers.
        small = FOLDER / "small"
        (small / "events").mkdir(parents=True, exist_ok=True)
        command("simulate", "--customers", 20_000, "--days", 58, "--activity", 0.03, "-o", "small/events/a.parquet")
        (small / "rekindle.toml").write_text(PROJECT)
        command("features", "small/rekindle.toml", "-o", "small/snapshots.parquet")
        command("fit", "small/snapshots.parquet", "--target", "churned", "--model", "boosting", "--no-influence", "-o", "registry")
    keep("scores, one process", command("score", "registry/churned", "whole.parquet", "-o", "scores.parquet"))
    snapshots = (FOLDER / "whole.parquet").stat().st_size
    gone("whole.parquet", "scores.parquet")
    for executors in (1, 2):
        gone("parts", "scores")
        cluster = Cluster(executors)
        name = f"{executors} executor{'s' if executors > 1 else ''}"
        keep(f"features, {name}", command("features", "-o", "parts", "--cluster", cluster.url))
        bytes_sent = cluster.sent
        keep(f"scores, {name}", command("score", "registry/churned", "parts", "-o", "scores", "--cluster", cluster.url))
        cluster.end()
summary = json.loads((FOLDER / "parts/rekindle.json").read_text())["summary"]
gone("parts", "scores")
median = {name: statistics.median(took) for name, took in seconds.items()}
print(f"{summary['events']:,} events of {summary['customers']:,} customers, {summary['rows']:,} rows of "
      f"{summary['features']} features; medians of {ROUNDS}")
for job in ("features", "scores"):
    one, first, second = (median[f"{job}, {kind}"] for kind in ("one process", "1 executor", "2 executors"))
    print(f"{job}: one process {one:.1f} s, one executor {first:.1f} s ({first / one:.2f}x), two {second:.1f} s "
          f"({first / second:.2f}x as fast as one)")
print(f"bytes an event: read {read / summary['events']:.1f} (Parquet), sent {bytes_sent / summary['events']:.1f}; "
      f"snapshots {snapshots / summary['rows']:.0f} a row")
