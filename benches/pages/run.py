"""How fast the pages are with a million customers in a SQLite store, and what Lighthouse says of them.

    benches/pages/run.py TARGET_DIR [CUSTOMERS]

Makes a store of CUSTOMERS (1,000,000) in TARGET_DIR/bench-pages, with two snapshots, scores, and a campaign that runs; starts
the release build of the server on it; asks for each page 25 times, one after the other, and prints median and slowest in
milliseconds, how long customers took to come into memory, and the server's memory. With npm and Chromium, Lighthouse (installed
in TARGET_DIR/lighthouse) looks at each page of the demo's size; REKINDLE_DEMO names the folder that `rekindle demo` wrote."""

import json
import os
import pathlib
import random
import shutil
import socket
import sqlite3
import statistics
import subprocess
import sys
import time
import urllib.request

PAGES = {
    "overview": "/",
    "customers": "/customers",
    "filtered, by value": "/customers?tier=drowsy&tier=half_asleep&grade=A&value_from=20&sort=predicted",
    "by probability": "/customers?sort=probability&probability_until=40",
    "few pass": "/customers?id=c0012&tier=dormant",
    "customer": "/customers/c0012345",
    "plan": "/plan",
    "plan's figures": "/plan/figures?whom=chosen&tier=drowsy&tier=half_asleep&tier=dormant&budget=50000",
    "campaigns": "/campaigns",
    "campaign": "/campaigns/spring",
    "score": "/score",
    "models": "/models",
}
LIGHTHOUSE = "lighthouse@12.8.2"
DAY = 86_400_000_000


def fill(path, customers):
    """A store with the tables that `rekindle` made, filled past it, as that is quicker."""
    random.seed(1)
    store = sqlite3.connect(path)
    store.execute("PRAGMA synchronous = OFF")
    now = int(time.time() * 1e6)
    then = now - 30 * DAY
    tiers, stages, grades = ["awake", "drowsy", "half_asleep", "dormant"], ["first_time", "repeat", "loyal", "lapsed"], "ABC"
    reasons = json.dumps([{"feature": f"recency_days(purchase)", "contribution": 0.5, "english": "long ago", "chinese": "很久"}] * 3)

    def states():
        for n in range(customers):
            before, after = random.choice(tiers), random.choice(tiers)
            figures = (random.choice(stages), random.choice(grades), random.expovariate(0.01), random.expovariate(0.02), random.random())
            yield (f"c{n:07}", then, now if before == after else then, before, *figures)
            if before != after:
                yield (f"c{n:07}", now, now, after, *figures)

    store.executemany(
        "INSERT INTO customer_states (customer_id, valid_from_micros, as_of_micros, lapse_tier, lifecycle_stage, grade,"
        " historic_value, predicted_value, probability_alive) VALUES (?,?,?,?,?,?,?,?,?)", states())
    for model in ("churned", "repaid"):
        rows = ((f"c{n:07}", model, 1, random.random(), 50, False, now, reasons) for n in range(customers))
        store.executemany(
            "INSERT INTO customer_scores (customer_id, model_name, model_version, probability, percentile, positive,"
            " scored_at_micros, reasons) VALUES (?,?,?,?,?,?,?,?)", rows)
        rows = ((f"c{n:07}", model, at, 1, random.random(), 50) for n in range(customers) for at in (then, now))
        store.executemany(
            "INSERT INTO score_history (customer_id, model_name, scored_at_micros, model_version, probability, percentile)"
            " VALUES (?,?,?,?,?,?)", rows)
    spec = {"plan": {"control_share": 0.2, "value": 30.0, "consent_default": True}, "actions": [{"name": "letter", "channel": "post", "cost": 0.8}]}
    store.execute("INSERT INTO campaigns VALUES ('spring', 'Spring', 'running', ?, 1, ?, ?, NULL)", (json.dumps(spec), then, then))
    rows = (("spring", f"c{n:07}", "letter", None, "post", 0.8, 0.1, 2.0, n % 5 == 0, 0.8, "drowsy", "repeat", "A", None, 30.0, None, None)
            for n in range(0, customers, 4))
    store.executemany(f"INSERT INTO decisions VALUES ({','.join('?' * 17)})", rows)
    rows = (("spring", f"o{n}", f"c{n:07}", "purchase", 20.0, then + random.randrange(29) * DAY, now)
            for n in range(0, customers, 4) if random.random() < 0.1)
    store.executemany("INSERT INTO outcomes VALUES (?,?,?,?,?,?,?)", rows)
    store.executemany("INSERT INTO snapshots VALUES (?)", [(then,), (now,)])
    store.execute("UPDATE revisions SET revision = revision + 1")
    store.commit()
    store.close()


def serve(target, registry, store):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [target / "release/rekindle-server", "--registry", registry, "--store", store, "--listen", f"127.0.0.1:{port}",
         "--monitor", "off", "--log-level", "warn"])
    url = f"http://127.0.0.1:{port}"
    for _ in range(200):
        try:
            urllib.request.urlopen(f"{url}/health/live", timeout=1)
            return process, url
        except OSError:
            time.sleep(0.05)
    sys.exit("the server does not answer")


def ask(url):
    start = time.perf_counter()
    with urllib.request.urlopen(url, timeout=60) as answer:
        body = answer.read()
    return 1000 * (time.perf_counter() - start), body


def measure(target, customers):
    folder = target / "bench-pages"
    store, demo = folder / f"{customers}.db", demo_of(target)
    folder.mkdir(exist_ok=True)
    if not store.exists():
        making = folder / "making.db"
        making.unlink(missing_ok=True)
        subprocess.run([target / "release/rekindle", "customers", demo / "rekindle.toml", "--cutoff", "2025-06-24", "--store", making,
                        "-o", folder / "stages.csv", "-q"], check=True, stdout=subprocess.DEVNULL)
        empty = sqlite3.connect(making)
        for table in ("customer_states", "snapshots"):
            empty.execute(f"DELETE FROM {table}")
        empty.commit()
        empty.close()
        fill(making, customers)
        making.rename(store)
    start = time.time()
    process, url = serve(target, demo / "registry", store)
    try:
        while b"being read" in ask(url + "/")[1]:
            time.sleep(0.05)
        read = time.time() - start
        while b"being worked out" in ask(url + "/campaigns/spring")[1]:
            time.sleep(0.1)
        print(f"{customers} customers in memory and an effect worked out: {read:.1f} s, {time.time() - start:.1f} s")
        for name, path in PAGES.items():
            times = []
            for _ in range(25):
                took, body = ask(url + path)
                times.append(took)
            print(f"{name:20} median {statistics.median(times):7.1f} ms, slowest {max(times):7.1f} ms, {len(body) / 1000:6.1f} kB")
        took, body = ask(url + "/customers.csv")
        print(f"{'all as CSV':20} {took:14.1f} ms, {len(body) / 1e6:.1f} MB")
        status = pathlib.Path(f"/proc/{process.pid}/status").read_text()
        print("memory", next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")), "kB")
    finally:
        process.terminate()
        process.wait()


def demo_of(target):
    demo = pathlib.Path(os.environ.get("REKINDLE_DEMO", target / "bench-pages/demo"))
    if not demo.exists():
        subprocess.run([target / "release/rekindle", "demo", "-o", demo], check=False, stdout=subprocess.DEVNULL)
    return demo


def lighthouse(target):
    chromium = shutil.which("chromium")
    if not (shutil.which("npm") and chromium):
        print("SKIPPED Lighthouse: there is no npm or no chromium")
        return
    folder, demo = target / "lighthouse", demo_of(target)
    if not (folder / "node_modules/.bin/lighthouse").exists():
        subprocess.run(["npm", "install", "--silent", "--no-audit", "--no-fund", "--prefix", folder, LIGHTHOUSE], check=True)
    process, url = serve(target, demo / "registry", demo / "customers.db")
    try:
        while b"being read" in ask(url + "/")[1]:
            time.sleep(0.05)
        for name, path in {"overview": "/", "customers": "/customers", "customer": "/customers/C0000124", "plan": "/plan",
                           "campaign": "/campaigns/win-back-1", "score": "/score", "models": "/models"}.items():
            told = subprocess.run(
                [folder / "node_modules/.bin/lighthouse", url + path, "--quiet", "--output=json", "--only-categories=performance,accessibility",
                 "--chrome-flags=--headless --no-sandbox --disable-gpu"],
                env={**os.environ, "CHROME_PATH": chromium}, capture_output=True, text=True)
            if told.returncode != 0:
                print(f"{name:12} Lighthouse failed: {told.stderr[-200:]}")
                continue
            report = json.loads(told.stdout)
            scores = {key: round(100 * value["score"]) for key, value in report["categories"].items()}
            low = [audit["id"] for audit in report["audits"].values()
                   if audit.get("score") is not None and audit["score"] < 0.9 and audit["scoreDisplayMode"] != "informative"]
            print(f"{name:12} {scores} {low}")
    finally:
        process.terminate()
        process.wait()


if __name__ == "__main__":
    folder = pathlib.Path(sys.argv[1]).resolve()
    measure(folder, int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000)
    lighthouse(folder)
