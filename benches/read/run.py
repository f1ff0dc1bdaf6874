"""Reading a wide table: ours and polars, one after the other, medians and their ratio.

  python benches/read/run.py FILE [RUNS]

FILE is a CSV or Parquet file. Needs polars; builds the reader itself. Every run is a process of its own, the
file comes from the page cache, both use two threads.
"""
import os, re, statistics, subprocess, sys

FILE, RUNS = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
ENV = dict(os.environ, POLARS_MAX_THREADS="2", RAYON_NUM_THREADS="2")
POLARS = f"""
import time, polars as pl
t = time.perf_counter()
pl.read_{'parquet' if FILE.endswith('.parquet') else 'csv'}({FILE!r})
print(f"in {{time.perf_counter() - t:.2f}} s, peak", [l.split()[1] for l in open('/proc/self/status') if l.startswith('VmHWM')][0], "kB")
"""
subprocess.run("cargo build -q --release -p rekindle-models --example read_table", shell=True, check=True)
OURS = ["target/release/examples/read_table", FILE]
with open(FILE, "rb") as f:
    while f.read(1 << 24):
        pass
seconds = {"rekindle": [], "polars": []}
peak = {}
for _ in range(RUNS):
    for name, command in (("rekindle", OURS), ("polars", [sys.executable, "-c", POLARS])):
        said = subprocess.run(command, env=ENV, capture_output=True, text=True, check=True).stdout
        seconds[name].append(float(re.search(r"in ([\d.]+) s", said)[1]))
        peak[name] = int(re.search(r"peak (\d+)", said)[1]) // 1000
for name, times in seconds.items():
    print(f"{name:9} {statistics.median(times):.2f} s of {sorted(times)}, peak {peak[name]} MB")
print(f"ratio {statistics.median(seconds['rekindle']) / statistics.median(seconds['polars']):.2f}")
