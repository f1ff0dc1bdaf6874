"""From an event log to 295 features of every customer: `rekindle features` with a project, Polars and DuckDB,
in turn, each a process of its own with two threads; medians and ratios. The peers' queries are those of the
peers' `events.py`, each timed without writing and with a Parquet file written, as ours always is.

  python benches/behaviour/run.py PEERS EVENTS.parquet target/release/rekindle [RUNS]

PEERS is the folder of `events.py`; EVENTS what its `gen` wrote. Needs polars and duckdb.
"""
import json, os, pathlib, re, statistics, subprocess, sys, tempfile, time

WINDOWS = [7, 30, 90, 180, 365]


def project(events):
    every = lambda metric, measure=False: dict(metric=metric, windows=[f"{w}d" for w in WINDOWS], measure=measure)
    own = []
    for kind in map(str, range(20)):
        of = f'of = {{ kinds = ["{kind}"] }}'
        own += [(f, of) for f in (every("count"), every("sum", True), dict(metric="first_days"),
                                  dict(metric="recency_days"), dict(metric="max", windows=["all"], measure=True))]
    own += [(every(m, m in ("sum", "mean", "max")), "of = {}")
            for m in ("count", "sum", "mean", "max", "earliest_days", "latest_days", "kinds")]
    lines = []
    for f, of in own:
        for window in f.get("windows", [None]):
            parts = [f'metric = "{f["metric"]}"', of]
            parts += ['measure = "amount"'] if f.get("measure") else []
            parts += [f'windows = ["{window}"]'] if window else []
            lines.append("  { " + ", ".join(parts) + " },\n")
    return (f'[[source]]\npath = "{events}"\ncustomer = "customer_id"\ntime = "ts"\nkind = "event_type"\n'
            f'amount = "amount"\n\n[panel]\ncutoffs = ["2023-12-31"]\n\n[features]\nfamilies = []\n'
            f'windows = {[f"{w}d" for w in WINDOWS]}\nown = [\n{"".join(lines)}]\n')


POLARS = """
import sys, time; sys.path.insert(0, {peers!r})
import polars as pl, events
t = time.perf_counter()
real = pl.DataFrame.join
def join(self, *a, **k):
    out = real(self, *a, **k)
    print("computed", time.perf_counter() - t)
    out.write_parquet({out!r})
    print("written", time.perf_counter() - t)
    return out
pl.DataFrame.join = join
print(events.polars_two_stage({log!r}))
"""
DUCKDB = """
import sys, time; sys.path.insert(0, {peers!r})
import events
t = time.perf_counter()
made = []
make = events._duck
events._duck = lambda: made.append(make()) or made[0]
print(events.duckdb_two_stage({log!r}))
print("computed", time.perf_counter() - t)
made[0].execute("copy t to '{out}' (format parquet, compression zstd)")
print("written", time.perf_counter() - t)
"""


def process(command, folder):
    """Seconds, peak MB and what it printed."""
    start = time.perf_counter()
    child = subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True, env=dict(
        os.environ, POLARS_MAX_THREADS="2", RAYON_NUM_THREADS="2", PEERS_HOME=os.environ.get("PEERS_HOME", folder)))
    said = child.stdout.read()
    _, status, usage = os.wait4(child.pid, 0)
    assert status == 0, command
    return time.perf_counter() - start, usage.ru_maxrss / 1024, said


def main():
    peers, log, rekindle = (str(pathlib.Path(p).resolve()) for p in sys.argv[1:4])
    runs = int(sys.argv[4]) if len(sys.argv) > 4 else 3
    times, peaks = {}, {}

    def note(name, seconds, peak):
        times.setdefault(name, []).append(seconds)
        peaks[name] = max(peaks.get(name, 0), peak)

    with tempfile.TemporaryDirectory() as folder:
        pathlib.Path(folder, "rekindle.toml").write_text(project(log))
        out = str(pathlib.Path(folder, "out.parquet"))
        for _ in range(runs):
            seconds, peak, _ = process([rekindle, "-q", "features", "rekindle.toml", "-o", out], folder)
            note("rekindle, written", seconds, peak)
            for name, program in (("polars", POLARS), ("duckdb", DUCKDB)):
                code = program.format(peers=peers, log=log, out=out)
                _, peak, said = process([sys.executable, "-c", code], folder)
                for step in ("computed", "written"):
                    note(f"{name}, {step}", float(re.search(rf"{step} ([\d.]+)", said)[1]), peak)
            print(json.dumps({name: round(of[-1], 1) for name, of in times.items()}), flush=True)
    ours = statistics.median(times["rekindle, written"])
    for name, of in times.items():
        print(f"{name:18} {statistics.median(of):6.1f} s of {[round(t, 1) for t in sorted(of)]}, "
              f"peak {peaks[name]:.0f} MB, rekindle / it: {ours / statistics.median(of):.3f}")


main()
