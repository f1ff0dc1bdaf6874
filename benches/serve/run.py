#!/usr/bin/env python3
"""The scoring service as a whole: its throughput beside a bare handler that only parses the same bodies and beside
Python's servers of the same trees, swaps of models under load, overload, start and memory.

  python3 benches/serve/run.py FOLDER [--peers PEERS] [--server target/release] [--only A,B,C,D,E] [--seconds 3]

FOLDER is what prepare.py made. Build first: `cargo build --release -p rekindle --bin rekindle-server --example bare` and
`cargo build --release -p rekindle-training`. PEERS has the environments `venv` (FastAPI, LightGBM), `venv-mlserver` and
`venv-mlflow`; what is not there is left out and said so. Needs wrk; section D h2load, too. Standard library only.

The load shares the cores with the server, and everything is on loopback: read the ratios. All that stand in one table are
loaded in turn, round by round, each round in another order; figures are medians of rounds. Tables go to standard output,
every figure as a line of JSON to FOLDER/figures.jsonl.
"""
import argparse, http.client, json, os, shlex, shutil, signal, statistics, subprocess, sys, threading, time

sys.dont_write_bytecode = True  # nothing is left in the repository
from servers import CORES, Request, Server, probabilities

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILT = os.path.join(os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target")), "release")
PORTS = {"bare": 18070, "rekindle": 18072, "FastAPI": 18075, "MLServer": 18077, "MLflow": 18082}  # some take the next ones, too
V2 = "/v2/models/churn/infer"
BINARY = "application/octet-stream"
LEAST = {"JSON": 6, "CSV": 10}  # batches a second beside the best peer's
BARS = []


class Bench:
    """The servers, and how they are asked."""

    def __init__(self, given):
        self.given, self.folder = given, os.path.abspath(given.folder)
        self.path = lambda *names: os.path.join(self.folder, *names)
        with open(self.path("expected.json")) as file:
            self.expected = json.load(file)
        self.headers = dict(header.split(": ", 1) for header in given.header)
        shutil.rmtree(self.path("bin"), ignore_errors=True)
        os.makedirs(self.path("bin"))  # of copies: a build meanwhile changes nothing
        for place in ("rekindle", "rekindle-server", "examples/bare", "bare"):
            if os.path.exists(os.path.join(given.server, place)):
                shutil.copy2(os.path.join(given.server, place), self.path("bin"))
        if not given.registry:
            shutil.rmtree(self.path("registry"), ignore_errors=True)
            command = [self.path("bin", "rekindle"), "import", self.path("model.txt"), "-o", self.path("registry")]
            command += ["--name", "churn", "--data", self.path("held_out.csv"), "--target", "label=1", "-q"]
            for _ in range(2):
                subprocess.run(command, stdout=sys.stderr, check=True)
        self.registry = os.path.abspath(given.registry or self.path("registry"))
        self.servers = {server.name: server for server in self.all_servers() if self.exists(server)}
        self.log, self.others = open(self.path("figures.jsonl"), "a"), []

    def exists(self, server):
        if os.path.exists(server.command[0]):
            return True
        print(f"{server.name} is left out: there is no {os.path.basename(server.command[0])} for it\n")

    def all_servers(self):
        ours = [self.path("bin", "rekindle-server"), "--registry", self.registry, "--workers", str(CORES)]
        # As the peers, which write no line for each request either.
        ours += ["--log-level", "warn"]
        ours += ["--listen", f"127.0.0.1:{PORTS['rekindle']}"] + shlex.split(self.given.server_args)
        yield Server("rekindle", ours, PORTS["rekindle"], "/health/ready")
        yield Server("bare", [self.path("bin", "bare"), str(CORES), str(PORTS["bare"])], PORTS["bare"], "/health/ready")
        if not self.given.peers:
            return print("no --peers: measured beside the bare handler only\n")
        program = lambda venv, name: os.path.abspath(os.path.join(self.given.peers, venv, "bin", name))
        port = lambda name: str(PORTS[name])
        with open(self.path("names.txt")) as file:
            env = dict(MODEL=self.path("model.txt"), NAMES=file.read(), OMP_NUM_THREADS="1")
        fast = [program("venv", "uvicorn"), "--app-dir", self.folder, "fastapi_app:app", "--port", port("FastAPI")]
        fast += f"--workers {CORES} --no-access-log --log-level warning --loop uvloop --http httptools".split()
        yield Server("FastAPI", fast, PORTS["FastAPI"], "/openapi.json", env)
        self.describe_for_mlserver(PORTS["MLServer"])
        command = [program("venv-mlserver", "mlserver"), "start", self.path("mlserver")]
        yield Server("MLServer", command, PORTS["MLServer"], "/v2/models/churn/ready", dict(env, MLSERVER_PARALLEL_WORKERS="0"))
        flow = [program("venv-mlflow", "mlflow"), "models", "serve", "-m", self.path("mlflow"), "-p", port("MLflow")]
        env.update(MLFLOW_DISABLE_TELEMETRY="true", MLFLOW_TRACKING_URI="file:" + self.path("mlruns"))
        env["PATH"] = os.path.dirname(flow[0]) + ":" + os.environ["PATH"]
        yield Server("MLflow", flow + "--env-manager local -w 1".split(), PORTS["MLflow"], "/ping", env)

    def describe_for_mlserver(self, port):
        os.makedirs(self.path("mlserver", "churn"), exist_ok=True)
        server = dict(http_port=port, grpc_port=port + 1, metrics_port=port + 2, host="127.0.0.1", parallel_workers=0)
        model = dict(name="churn", implementation="mlserver_lightgbm.LightGBMModel", parameters=dict(uri=self.path("model.txt")))
        for place, settings in [("settings.json", server), ("churn/model-settings.json", model)]:
            with open(self.path("mlserver", place), "w") as file:
                json.dump(settings, file)

    def start(self, *names):
        for name in [name for name in names if name in self.servers]:
            try:
                self.servers[name].start()
            except OSError as error:
                print(f"{error}\n")
                del self.servers[name]

    def stop(self):
        for server in self.servers.values():
            server.stop()

    def ask(self, server, path, body, kind="application/json"):
        """A request that has been answered rightly once; None where it cannot be."""
        if server not in self.servers:
            return None
        request = Request(self.servers[server], path, self.folder, body, kind, self.headers if server == "rekindle" else {})
        status, reply = request.send()
        if status != 200:
            print(f"{server} answers {path} ({body}) with {status}: left out\n")
            return None
        if server != "bare":
            found = probabilities(reply)
            doubles, singles = self.expected["zeros" if body.startswith("v2") and not body.endswith(".bin") else "rows"]
            right = found and len(found) == (1 if "single" in body else len(doubles))
            wrong = max(min(abs(a - b), abs(a - c)) for a, b, c in zip(found, doubles, singles)) if right else None
            self.figure("answers", server, path=path, body=body, largest_difference=wrong)
            if wrong is None or wrong > 1e-5:
                print(f"**{server} answers {path} ({body}) with other scores than LightGBM: {wrong}, {reply[:150]!r}**\n")
        return request

    def rounds(self, section, requests, connections, seconds=None):
        """Medians of rounds in turn, by name of the request."""
        requests = {name: request for name, request in requests.items() if request}
        for request in requests.values():
            request.wrk(connections, 1)
        runs = {name: [] for name in requests}
        for number in range(self.given.rounds):
            names = list(requests)
            for name in names[number % len(names):] + names[:number % len(names)] if names else ():
                runs[name].append(requests[name].wrk(connections, seconds or self.given.seconds))
        return {name: self.figure(section, name, connections=connections, **middle(run)) for name, run in runs.items()}

    def figure(self, section, who, **figures):
        self.others += [figures["others"]] if "others" in figures else []
        line = json.dumps(dict(section=section, who=who, **figures, at=time.strftime("%Y-%m-%d %H:%M:%S")))
        print(line, file=self.log, flush=True)
        print(line, file=sys.stderr)
        return figures


def middle(runs):
    """The median of every figure of some runs; of errors and of what others used, all and the most."""
    worst = {"refused": sum, "broken": sum, "other": sum, "others": max}
    out = {}
    for key in runs[0]:
        values = [run[key] for run in runs if run[key] is not None]
        out[key] = worst.get(key, statistics.median)(values) if values else None
    return out


def bar(section, what, value, most=None, least=None):
    wanted = f"below {most:g}" if least is None else f"{least:g} or more"
    if value is None:
        return BARS.append((section, what, wanted, "not measured", "-"))
    met = value < most if least is None else value >= least
    BARS.append((section, what, wanted, f"{value:.3g}", "met" if met else "**missed**"))


def ratio(figures, ours, theirs, key="rps"):
    try:
        return figures[ours][key] / figures[theirs][key]
    except (KeyError, TypeError, ZeroDivisionError):
        return None


def errors(figures):
    return sum(figures.get(key, 0) for key in ("refused", "broken", "unanswered"))


def number(value):
    return "-" if value is None else f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def table(*rows):
    """The first row is the head."""
    for i, row in enumerate(rows):
        print("| " + " | ".join(map(str, row)) + " |")
        if i == 0:
            print("|" + "---|" * len(row))
    print(flush=True)


def one_customer(bench):
    bench.start("rekindle", "bare", "FastAPI", "MLServer")
    requests = {
        "bare": bench.ask("bare", "/v1/score", "single.json"),
        "rekindle": bench.ask("rekindle", "/v1/score", "single.json"),
        "FastAPI": bench.ask("FastAPI", "/score", "fastapi_single.json"),
        "MLServer": bench.ask("MLServer", V2, "v2_single.json"),
    }
    levels = {connections: bench.rounds("A", requests, connections) for connections in (1, 16, 64)}
    print("### A. One customer with 500 features, 200 trees x 63 leaves\n\nAt 1, 16 and 64 connections.\n")
    rows = [("server", "requests/s", "p99 ms", "ours / it at 64", "errors", "memory MB")]
    for name in levels[64]:
        figures = [level[name] for level in levels.values()]
        memory = bench.figure("A", name, memory_mb=bench.servers[name].memory())["memory_mb"]
        rows.append((name, ", ".join(f"{f['rps']:.0f}" for f in figures), ", ".join(f"{f['p99_ms']:.3g}" for f in figures),
                     number(ratio(levels[64], "rekindle", name)), sum(map(errors, figures)), number(memory)))
    table(*rows)
    bar("A", "requests/s beside bare, 64 connections", ratio(levels[64], "rekindle", "bare"), least=0.85)
    bar("A", "p99 beside bare, 64 connections", ratio(levels[64], "rekindle", "bare", "p99_ms"), most=2)
    bar("A", "requests/s beside FastAPI, 64 connections", ratio(levels[64], "rekindle", "FastAPI"), least=5)
    bar("A", "requests/s beside MLServer, 64 connections", ratio(levels[64], "rekindle", "MLServer"), least=25)


def batches(bench):
    bench.start("rekindle", "bare", "FastAPI", "MLServer", "MLflow")
    csv = lambda server, path: bench.ask(server, path, "batch.csv", "text/csv")
    split = lambda server: bench.ask(server, "/invocations", "split.json")
    groups = {
        "JSON": {"bare": split("bare"), "rekindle": split("rekindle"),
                 "FastAPI": bench.ask("FastAPI", "/batch", "fastapi_batch.json"),
                 "MLServer": bench.ask("MLServer", V2, "v2_fp32.json")},
        "CSV": {"bare": csv("bare", "/v1/score/batch"), "rekindle": csv("rekindle", "/v1/score/batch"),
                "rekindle, /invocations": csv("rekindle", "/invocations"),
                "FastAPI": csv("FastAPI", "/csv"), "MLflow": csv("MLflow", "/invocations")},
        "v2, JSON": {server: bench.ask(server, V2, "v2_fp64.json") for server in ("bare", "rekindle")},
        "v2, binary": {server: bench.ask(server, V2, "v2_fp64.bin", BINARY) for server in ("bare", "rekindle")},
    }
    print("### B. Batches of 1,000 customers x 500 features, 2 connections\n")
    rows = [("body", "server", "batches/s", "customers/s", "p99 ms", "ours / it", "errors")]
    for form, requests in groups.items():
        found = bench.rounds("B " + form, requests, 2)
        for name, figures in found.items():
            rows.append((form, name, number(figures["rps"]), number(figures["rps"] * 1_000), number(figures["p99_ms"]),
                         number(ratio(found, "rekindle", name)), errors(figures)))
        peers = {name: figures for name, figures in found.items() if name in ("FastAPI", "MLServer", "MLflow")}
        if form in LEAST:
            best = max(peers, key=lambda name: peers[name]["rps"], default=None)
            bar("B", f"{form} batches/s beside the best peer ({best})", ratio(found, "rekindle", best), least=LEAST[form])
    table(*rows)


class Swaps:
    """Promotes versions 1 and 2 in turn, `a_second` times a second, while a customer asks which one answers."""

    def __init__(self, bench, request, a_second):
        self.bench, self.request, self.a_second = bench, request, a_second
        self.promoted, self.failed, self.seen, self.unanswered, self.over = 0, 0, 0, 0, threading.Event()

    def promote(self, version):
        server = self.bench.servers["rekindle"]
        if self.bench.given.promote == "http":
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("POST", f"/v1/models/churn/versions/{version}:promote", headers=self.bench.headers)
            done = connection.getresponse().status < 300
            connection.close()
            return done
        command = [self.bench.path("bin", "rekindle"), "models", "promote", "-q", self.bench.registry + "/churn", str(version)]
        return subprocess.run(command, stdout=subprocess.DEVNULL).returncode == 0

    def swap(self):
        while self.a_second and not self.over.wait(1 / self.a_second):
            self.promoted += 1
            self.failed += not self.promote(1 + self.promoted % 2)

    def watch(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.bench.servers["rekindle"].port, timeout=10)
        body, last = self.request.body(), None
        while not self.over.wait(0.02):
            try:
                connection.request("POST", self.request.path, body, self.request.headers)
                answer = connection.getresponse()
                version = json.loads(answer.read()).get("model_version")
                self.unanswered += answer.status != 200
            except (OSError, ValueError, http.client.HTTPException):
                self.unanswered += 1
                connection.close()
                continue
            self.seen += last is not None and version != last
            last = version

    def run(self, seconds):
        threads = [threading.Thread(target=self.swap), threading.Thread(target=self.watch)]
        for thread in threads:
            thread.start()
        figures = self.request.wrk(64, seconds)
        self.over.set()
        for thread in threads:
            thread.join()
        return dict(figures, promoted=self.promoted, failed=self.failed, seen=self.seen, unanswered=self.unanswered)


def swaps(bench):
    bench.start("rekindle")
    request = bench.ask("rekindle", "/v1/score", "single.json")
    if not request:
        return
    rates, runs = (0, 1, 5), {}
    for _ in range(bench.given.rounds):
        for rate in rates:
            runs.setdefault(rate, []).append(Swaps(bench, request, rate).run(max(5, bench.given.seconds)))
    found = {rate: bench.figure("C", f"{rate} swaps a second", **middle(run)) for rate, run in runs.items()}
    counted = ("promoted", "failed", "seen", "refused", "broken", "unanswered")
    total = {rate: {key: sum(run[key] for run in runs[rate]) for key in counted} for rate in rates}
    print(f"### C. Swaps under full load, 64 connections, promoted by {bench.given.promote}\n")
    rows = [("promoted a second", "requests/s", "p99 ms", "p99 beside none", "promoted", "failed", "changes seen", "errors")]
    for rate, figures in found.items():
        rows.append((rate, number(figures["rps"]), number(figures["p99_ms"]), number(ratio(found, rate, 0, "p99_ms")),
                     *(total[rate][key] for key in counted[:3]), errors(total[rate])))
    table(*rows)
    swapped = all(total[rate]["seen"] and not total[rate]["failed"] for rate in rates[1:])
    if not swapped:
        print("**Promoting failed, or no reply changed its version.**\n")
    bar("C", "errors during swaps", sum(map(errors, total.values())) if swapped else None, most=1)
    bar("C", "p99 with 1 swap a second beside none", ratio(found, 1, 0, "p99_ms") if swapped else None, most=2)
    bar("C", "p99 with 5 swaps a second beside none", ratio(found, 5, 0, "p99_ms") if swapped else None, most=2)


def overload(bench):
    if not shutil.which("h2load"):
        return print("D is left out: it needs h2load (nghttp2)\n")
    bench.start("rekindle")
    ask = lambda path, body: bench.ask("rekindle", path, body)
    reasons = ask("/v1/score?reasons=3", "single.json")
    plans = [("one customer", ask("/v1/score", "single.json"), 64), ("one customer, reasons", reasons, 64),
             ("1,000 customers, JSON", ask("/invocations", "split.json"), 2)]
    print("### D. Overload\n\nThe same connections as above, 3 and 16 times as many; then 3 times the requests that were accepted\n"
          "of 64 connections, due at even times whatever became of earlier ones, over 1,024 connections.\n")
    rows = [("request", "load", "accepted/s", "shed/s", "share shed", "p50 of accepted, ms", "p99, ms", "other answers")]

    def row(what, load, figures):
        rows.append((what, load, number(figures["accepted"]), number(figures["shed"]), f"{100 * figures['share_shed']:.1f} %",
                     number(figures["p50_ms"]), number(figures["p99_ms"]), figures["other"]))

    saturated = 0
    for what, request, connections in plans:
        for times in (1, 3, 16) if request else ():
            runs = [request.h2load(connections * times, bench.given.seconds) for _ in range(bench.given.rounds)]
            figures = bench.figure("D", what, connections=connections * times, **middle(runs))
            saturated = figures["accepted"] if request is reasons and times == 1 else saturated
            row(what, f"{connections * times} connections", figures)
    runs = [reasons.open_loop(3 * saturated, bench.given.seconds, 1024) for _ in range(bench.given.rounds)] if saturated else []
    if runs:
        figures = bench.figure("D", "open loop, reasons", **middle(runs))
        row("one customer, reasons", f"{number(figures['offered'])}/s due, {number(figures['sent'])}/s sent", figures)
    table(*rows)


def start_and_memory(bench):
    found = {}
    for name in ("bare", "rekindle"):
        runs = []
        for _ in range(5 if name in bench.servers else 0):
            seconds = bench.servers[name].start()
            time.sleep(1)
            runs.append(dict(ready_ms=seconds * 1e3, memory_mb=bench.servers[name].memory()))
            bench.servers[name].stop()
        if runs:
            found[name] = bench.figure("E", name, **middle(runs))
    print("### E. Start and idle memory, median of 5\n")
    table(("server", "first 200 of /health/ready, ms", "resident MB after 1 s"),
          *((name, number(f["ready_ms"]), number(f["memory_mb"])) for name, f in found.items()))
    bar("E", "start, ms", found.get("rekindle", {}).get("ready_ms"), most=200)
    bar("E", "idle memory, MB", found.get("rekindle", {}).get("memory_mb"), most=60)


SECTIONS = {"A": one_customer, "B": batches, "C": swaps, "D": overload, "E": start_and_memory}


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("folder")
    arguments.add_argument("--peers", help="folder of the peers' environments")
    arguments.add_argument("--server", default=BUILT, help="folder of rekindle, rekindle-server and bare (or examples/bare)")
    arguments.add_argument("--registry", help="one with versions 1 and 2 of churn; without it the model is imported anew")
    arguments.add_argument("--server-args", default="", help="more arguments of rekindle-server, as one text")
    arguments.add_argument("--header", action="append", default=[], help="'Name: value' of requests to rekindle-server")
    arguments.add_argument("--promote", choices=["http", "command"], default="http", help="or by `rekindle models promote`")
    arguments.add_argument("--only", default="A,B,C,D,E")
    arguments.add_argument("--seconds", type=int, default=3)
    arguments.add_argument("--rounds", type=int, default=3)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("stopped"))  # so that the servers are
    bench = Bench(arguments.parse_args())
    for letter in bench.given.only.split(","):
        try:
            SECTIONS[letter](bench)
        finally:
            bench.stop()
    others = 100 * max(bench.others, default=0)
    print(f"### Bars\n\n{CORES} cores, medians of {bench.given.rounds} rounds of {bench.given.seconds} s; other programs used at\n"
          f"most {others:.0f} % of the machine meanwhile.{' **Too much for these figures to count.**' if others > 15 else ''}\n")
    table(("", "figure", "wanted", "measured", ""), *BARS)


if __name__ == "__main__":
    main()
