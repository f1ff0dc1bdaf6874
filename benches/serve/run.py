#!/usr/bin/env python3
"""Requests per second of /v1/score with 500 features, beside a bare handler that only parses.

  python3 benches/serve/run.py [--registry FOLDER] [--seconds 3] [--model logistic]

Builds both in release, fits a model on a random table with the `rekindle` command (unless a registry
is given), and runs wrk on one after the other, three rounds each, on loopback. wrk shares the cores
with the server: read the ratios, not the absolute figures. Needs wrk; Python's standard library only.
"""
import argparse, csv, json, os, random, re, statistics, subprocess, sys, tempfile, time, urllib.request

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
PORTS = {"bare": 18090, "rekindle": 18091}
KINDS = ["purchase", "session", "visit", "refund", "message"]
SPANS = ["7d", "30d", "90d", "180d", "365d"]


def names():
    """475 numeric features and 25 categorical ones."""
    numeric = [f"sum({KINDS[i % 5]}.amount_{i // 25}, {SPANS[i // 5 % 5]})" for i in range(475)]
    return numeric, [f"last(session.attribute_{i})" for i in range(25)]


def customer(draw, number):
    """A customer as a table row and as JSON: a tenth missing, counts and amounts half and half."""
    numeric, categorical = names()
    row = {"customer": number}
    for i, name in enumerate(numeric):
        value = draw.randrange(200) if i % 2 else round(draw.lognormvariate(2, 2), 4)
        row[name] = None if draw.random() < 0.1 else value
    for name in categorical:
        row[name] = None if draw.random() < 0.1 else f"level {draw.randrange(12)}"
    return row


def fit(folder, model):
    draw = random.Random(1)
    table = os.path.join(folder, "table.csv")
    with open(table, "w", newline="") as file:
        rows = [customer(draw, i) for i in range(4000)]
        first = names()[0][1]
        for row in rows:
            row["churned"] = int((row[first] or 0) + draw.gauss(0, 60) > 120)
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)
    registry = os.path.join(folder, "registry")
    command = [f"{BUILT}/rekindle", "fit", table, "--target", "churned=1", "--id", "customer", "--model", model]
    fitted = subprocess.run(command + ["-o", registry], stdout=subprocess.DEVNULL)
    if fitted.returncode not in (0, 1):  # 1: a model that was judged unusable; it scores as fast
        sys.exit("rekindle fit failed")
    return registry


def start(name, registry, workers):
    port = PORTS[name]
    command = {
        "bare": [f"{BUILT}/examples/bare", str(workers), str(port)],
        "rekindle": [f"{BUILT}/rekindle-server", "--registry", registry, "--workers", str(workers)]
        + ["--listen", f"127.0.0.1:{port}"],
    }[name]
    return subprocess.Popen(command, stderr=subprocess.DEVNULL)


def first_answer(name, body):
    request = f"http://127.0.0.1:{PORTS[name]}/v1/score"
    for _ in range(200):
        try:
            with urllib.request.urlopen(request, body, timeout=5) as answer:
                return answer.read().decode()
        except urllib.error.HTTPError as error:
            sys.exit(f"{name}: {error.read().decode()[:500]}")
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{name} does not answer")


def wrk(name, script, connections, seconds):
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", script]
    out = subprocess.run(
        command + [f"http://127.0.0.1:{PORTS[name]}/v1/score"], capture_output=True, text=True, check=True
    ).stdout
    if "Non-2xx" in out:
        sys.exit(out)
    return float(re.search(r"Requests/sec:\s+([\d.]+)", out).group(1))


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("--registry")
    arguments.add_argument("--seconds", type=int, default=3)
    arguments.add_argument("--model", default="logistic")
    arguments.add_argument("--workers", type=int, default=os.cpu_count())
    given = arguments.parse_args()
    build = ["cargo", "build", "--release", "--quiet", "-p", "rekindle", "--bin", "rekindle-server", "--example", "bare"]
    subprocess.run(build, cwd=ROOT, check=True)
    if not given.registry:
        subprocess.run(["cargo", "build", "--release", "--quiet", "-p", "rekindle-training"], cwd=ROOT, check=True)
    with tempfile.TemporaryDirectory() as folder:
        registry = given.registry or fit(folder, given.model)
        body = json.dumps(customer(random.Random(2), 7)).encode()
        payload, script = os.path.join(folder, "customer.json"), os.path.join(folder, "post.lua")
        with open(payload, "wb") as file:
            file.write(body)
        with open(script, "w") as file:
            file.write(f'local f = io.open("{payload}", "rb"); wrk.body = f:read("*a"); f:close()\nwrk.method = "POST"\n')
        servers = [start(name, registry, given.workers) for name in PORTS]
        try:
            for name in PORTS:
                print(f"{name} answers {first_answer(name, body)[:160]}", file=sys.stderr)
                wrk(name, script, 16, 1)
            print(f"body {len(body)} bytes, {given.workers} workers, median of 3 runs of {given.seconds} s\n")
            print("| connections | bare, requests/s | rekindle, requests/s | ratio |\n|---|---|---|---|")
            for connections in (1, 16, 64):
                runs = {name: [] for name in PORTS}
                for _ in range(3):
                    for name in PORTS:
                        runs[name].append(wrk(name, script, connections, given.seconds))
                bare, ours = (statistics.median(runs[name]) for name in PORTS)
                print(f"| {connections} | {bare:.0f} | {ours:.0f} | {ours / bare:.2f} |", flush=True)
        finally:
            for server in servers:
                server.terminate()
                server.wait()


if __name__ == "__main__":
    main()
