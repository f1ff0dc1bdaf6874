"""A generated table, two versions of a model fitted on it, and a server on a free port: what the checks of the
service by other people's clients have in common."""

import contextlib
import datetime
import pathlib
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.request

HEADER = ["customer", "recency_days", "spend", "orders", "plan", "auto_renew", "joined", "churn"]


def table(rows, seed=1, missing=0.05):
    """Rows of `HEADER`; a missing cell is None. All text, numbers and dates survive CSV unchanged."""
    draw = random.Random(seed)

    def perhaps(cell):
        return None if draw.random() < missing else cell

    made = []
    for number in range(rows):
        recency, spend = draw.uniform(0, 200), draw.expovariate(1 / 50)
        plan = draw.choice(["basic", "gold", "silver, old", "Zürich \"plus\""])
        auto = draw.random() < 0.5
        joined = datetime.date(2020, 1, 1) + datetime.timedelta(draw.randrange(1500))
        share = min(0.95, max(0.05, recency / 220 + (0.25 if plan == "basic" else 0) - (0.2 if auto else 0)))
        features = [perhaps(cell) for cell in (recency, spend, draw.randrange(30), plan, auto, joined)]
        made.append([f"c{number:05}", *features, "yes" if draw.random() < share else "no"])
    return made


def csv_text(header, rows):
    """Rows as CSV."""
    def cell(value):
        text = "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
        return '"' + text.replace('"', '""') + '"' if re.search(r'[",\n]', text) else text

    return "".join(",".join(map(cell, row)) + "\n" for row in [header, *rows])


def run(command, codes=(0,), **options):
    """The standard output of a command that ends as expected."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, **options)
    if done.returncode not in codes:
        sys.exit(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stderr}")
    return done.stdout


def registry(rekindle, folder, rows=1500):
    """A registry of one model: version 1, a logistic one, is in force; version 2 boosts. The first shows the last bit
    of every number it reads, the second every level."""
    data = folder / "churn.csv"
    data.write_text(csv_text(HEADER, table(rows)))
    fit = [rekindle, "fit", data, "--target", "churn=yes", "--id", "customer", "--date", "joined",
           "--no-influence", "-q", "-o", folder / "registry"]
    run([*fit, "--model", "logistic"], codes=(0, 1, 2))
    run([*fit, "--model", "boosting", "--param", "num_iterations=20", "--no-promote"], codes=(0, 1, 2))
    versions = sorted(path.name for path in (folder / "registry/churn").iterdir() if path.is_dir())
    if versions != ["1", "2"]:
        sys.exit(f"rekindle fit made the versions {versions}")
    return folder / "registry"


PROJECT = """
[[source]]
path = "events.parquet"
customer = "customer_id"
time = "time"
kind = "kind"
amount = "amount"
product = "product"
[log]
timezone = "UTC"
end = "2025-08-23"
[panel]
first = "2024-10-27"
last = "2025-06-24"
every = "60d"
[features]
windows = ["30d", "90d"]
families = ["counts", "amounts", "recency", "gaps"]
[targets.churned]
horizon = "60d"
"""


def events_model(rekindle, folder, into):
    """Adds a model `churned` to a registry: one that was fitted on snapshots and scores events."""
    (folder / "rekindle.toml").write_text(PROJECT)
    run([rekindle, "simulate", "--customers", "300", "--days", "600", "-q", "-o", "events.parquet"], cwd=folder)
    run([rekindle, "features", "-q"], cwd=folder)
    run([rekindle, "fit", "snapshots.parquet", "--target", "churned", "--model", "boosting", "--param",
         "num_iterations=10", "--no-influence", "-q", "-o", into], codes=(0, 1, 2), cwd=folder)


class Server:
    """A running rekindle-server."""

    def __init__(self, binary, folder, *arguments):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.address = f"127.0.0.1:{self.port}"
        command = [binary, "--registry", folder, "--listen", self.address, "--monitor", "127.0.0.1:0",
                   "--log-format", "json", "--log-level", "warn", *arguments]
        self.process = subprocess.Popen(
            [str(part) for part in command], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        self.log = []
        threading.Thread(target=self.read, daemon=True).start()
        until = time.monotonic() + 20
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > until:
                self.process.kill()
                sys.exit("rekindle-server did not start:\n" + "".join(self.log[-20:]))
            time.sleep(0.02)

    def answers(self):
        try:
            with urllib.request.urlopen(self.url + "/health/live", timeout=5) as answer:
                return answer.status == 200
        except OSError:
            return False

    def read(self):
        for line in self.process.stderr:
            self.log.append(line)

    @property
    def url(self):
        return f"http://{self.address}"

    def memory(self):
        """Resident memory in MB."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024

    def faults(self):
        """Errors and panics that the log tells; heads that are no HTTP are their clients' fault."""
        told = [line.strip() for line in self.log if '"ERROR"' in line or "panicked" in line]
        return [line for line in told if "request parse error" not in line]

    def stop(self):
        """Asks it to stop; what is wrong with how it does."""
        if self.process.poll() is not None:
            return [f"rekindle-server ended by itself: {self.process.returncode}"]
        self.process.send_signal(signal.SIGTERM)
        try:
            code = self.process.wait(40)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return ["rekindle-server did not stop on SIGTERM"]
        return [] if code == 0 else [f"rekindle-server stopped with {code}"]


@contextlib.contextmanager
def serving(binary, folder, *arguments):
    """A server that is stopped at the end."""
    server = Server(binary, folder, *arguments)
    try:
        yield server
    finally:
        if server.process.poll() is None:
            server.process.kill()


def end(name, told, faults, started):
    """Prints the faults and what was done, and exits."""
    for fault in faults:
        print(f"{name}: {fault}" if len(fault) < 20_000 else f"{name}: {fault[:20_000]} ...")
    print(f"{name}: {told}, {len(faults)} faults, {time.monotonic() - started:.0f} s")
    sys.exit(1 if faults else 0)
