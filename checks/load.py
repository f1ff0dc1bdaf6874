"""A bounded soak: keep-alive load of single customers and batches while two versions are promoted back and forth.

    checks/load.py TARGET_DIR [SECONDS]

Exits 1 on an answer that is no 2xx, a socket error, a promotion that fails, a version that answered nothing, or memory
at the end of more than 20 MB above that after the first quarter. The load comes from wrk, or from a small client of its
own where there is none, and goes to 127.0.0.1 alone."""

import asyncio
import json
import pathlib
import re
import shutil
import sys
import threading
import time

import requests

import serving

SECONDS = 30
CONNECTIONS = 8
GROWTH = 20
# Requests of one of each kind: paths, content types, bodies, and how often they come in 20.
SHARES = {"one": 14, "some": 3, "tensors": 1, "csv": 1, "lines": 1}

WRK = """
local asked, turn = {}, 0
%s
request = function()
  turn = turn %% #asked + 1
  return asked[turn]
end
done = function(summary, latency)
  local errors = summary.errors
  io.write(string.format('{"requests": %%d, "not_2xx": %%d, "socket": %%d, "p50": %%g, "p99": %%g, "max": %%g}',
    summary.requests, errors.status, errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1000, latency:percentile(99) / 1000, latency.max / 1000), "\\n")
end
"""


def asks():
    """The requests, in the order in which each connection sends them."""
    rows = [row[:-1] for row in serving.table(300, seed=5)]
    names = serving.HEADER[:-1]
    records = [{name: cell for name, cell in zip(names, row) if cell is not None} for row in rows]
    text = [json.dumps(record, default=str) for record in records]
    spend = [record.get("spend") for record in records]
    tensors = {"inputs": [{"name": "spend", "shape": [len(spend)], "datatype": "FP64", "data": spend}]}
    kinds = {
        "one": lambda turn: ("/v1/score", "application/json", text[turn]),
        "some": lambda turn: ("/v1/score", "application/json", "[" + ",".join(text[turn:turn + 30]) + "]"),
        "tensors": lambda _: ("/v2/models/churn/infer", "application/json", json.dumps(tensors)),
        "csv": lambda _: ("/v1/score/batch", "text/csv", serving.csv_text(names, rows)),
        "lines": lambda _: ("/v1/score/batch", "application/x-ndjson", "\n".join(text)),
    }
    order = [kind for kind, times in SHARES.items() for _ in range(times)]
    # Spread over the turns, that no two batches follow each other.
    order = [order[turn * 7 % len(order)] for turn in range(len(order))]
    return [kinds[kind](turn) for turn, kind in enumerate(order)]


def by_wrk(server, folder, seconds):
    """The load of wrk."""
    made = []
    for path, kind, body in asks():
        level = "=" * 3
        headers = f'{{["Content-Type"] = "{kind}"}}'
        made.append(f'asked[#asked + 1] = function() return wrk.format("POST", "{path}", {headers}, '
                    f"[{level}[{body}]{level}]) end")
    # wrk knows where it asks only once it has begun.
    made.append("init = function() for turn, make in ipairs(asked) do asked[turn] = make() end end")
    script = WRK % "\n".join(made)
    (folder / "load.lua").write_text(script)
    command = ["wrk", "-t", "1", "-c", str(CONNECTIONS), "-d", f"{seconds}s", "--timeout", "30s", "-s",
               folder / "load.lua", server.url]
    told = serving.run(command, timeout=seconds + 60)
    return json.loads(told.splitlines()[-1])


def by_own(server, _, seconds):
    """The same load without wrk."""
    host, port = server.address.split(":")
    messages = [f"POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: "
                f"{len(body.encode())}\r\n\r\n{body}".encode() for path, kind, body in asks()]
    until = time.monotonic() + seconds
    times, wrong = [], {"not_2xx": 0, "socket": 0}

    async def connection(first):
        reader, writer = await asyncio.open_connection(host, int(port))
        turn = first
        while time.monotonic() < until:
            turn = (turn + 1) % len(messages)
            began = time.monotonic()
            writer.write(messages[turn])
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            if length := re.search(rb"content-length: (\d+)", head):
                await reader.readexactly(int(length[1]))
            else:
                while size := int(await reader.readline(), 16):
                    await reader.readexactly(size + 2)
                await reader.readline()
            times.append(1000 * (time.monotonic() - began))
            wrong["not_2xx"] += not re.match(rb"http/1.1 2\d\d ", head)
        writer.close()

    async def all_of_them():
        done = await asyncio.gather(*map(connection, range(CONNECTIONS)), return_exceptions=True)
        wrong["socket"] = sum(isinstance(one, Exception) for one in done)

    asyncio.run(asyncio.wait_for(all_of_them(), seconds + 60))
    times.sort()
    at = lambda share: times[min(len(times) - 1, int(share * len(times)))] if times else 0
    return {"requests": len(times), **wrong, "p50": at(0.5), "p99": at(0.99), "max": at(1)}


class Swaps(threading.Thread):
    """Promotes version 2, then 1, once a second, and looks at the memory."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.over = threading.Event()
        self.faults = []
        self.done = 0
        self.slowest = 0.0
        self.memory = []

    def run(self):
        began = time.monotonic()
        with requests.Session() as session:
            while not self.over.wait(max(0.0, began + self.done - time.monotonic())):
                version = 2 - self.done % 2
                asked = time.monotonic()
                try:
                    url = f"{self.server.url}/v1/models/churn/versions/{version}:promote"
                    answer = session.post(url, timeout=10)
                    if answer.status_code != 200 or answer.json()["model_version"] != version:
                        told = f"{answer.status_code} {answer.text[:200]}"
                        self.faults.append(f"version {version} was not promoted: {told}")
                except requests.RequestException as error:
                    self.faults.append(f"version {version} was not promoted: {error}")
                self.slowest = max(self.slowest, time.monotonic() - asked)
                self.done += 1
                self.memory.append((time.monotonic() - began, self.server.memory()))


def main():
    started = time.monotonic()
    target = pathlib.Path(sys.argv[1]).resolve()
    seconds = int(sys.argv[2]) if len(sys.argv) > 2 else SECONDS
    folder = target / "load"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    registry = serving.registry(target / "debug/rekindle", folder)
    # A debug build on a busy machine is late at times: it is to answer late, not to refuse.
    patient = ["--max-lag-ms", "10000", "--request-timeout-ms", "60000"]
    with serving.serving(target / "debug/rekindle-server", registry, *patient) as server:
        idle = server.memory()
        swaps = Swaps(server)
        swaps.start()
        load, client = (by_wrk, "wrk") if shutil.which("wrk") else (by_own, "its own client")
        told = load(server, folder, seconds)
        swaps.over.set()
        swaps.join(20)
        quarter = next(memory for when, memory in swaps.memory if when >= seconds / 4)
        last, most = server.memory(), max(memory for _, memory in swaps.memory)
        metrics = requests.get(server.url + "/metrics", timeout=10).text
        faults = swaps.faults + server.faults() + server.stop()
    if told["not_2xx"] or told["socket"]:
        statuses = re.findall(r'^rekindle_requests_total\{(.*status="[^2].*)\} (\d+)', metrics, re.M)
        faults.append(f"{told['not_2xx']} answers were no 2xx, {told['socket']} socket errors; counted: {statuses}")
    if told["requests"] < seconds * CONNECTIONS:
        faults.append(f"{told['requests']} requests in {seconds} s")
    for version in (1, 2):
        counted = rf'^rekindle_customers_scored_total\{{.*version="{version}".*\}} (\d+)'
        scored = re.search(counted, metrics, re.M)
        if not scored or int(scored[1]) == 0:
            faults.append(f"version {version} scored nobody")
    if last > quarter + GROWTH:
        faults.append(f"memory grew from {quarter:.1f} MB after a quarter to {last:.1f} MB")
    serving.end(
        "load", f"{told['requests']} requests by {client} in {seconds} s (debug build), p50 {told['p50']:.1f} ms, p99 "
        f"{told['p99']:.1f} ms, longest {told['max']:.0f} ms; {swaps.done} promotions, the slowest "
        f"{1000 * swaps.slowest:.0f} ms; memory {idle:.1f} MB idle, {quarter:.1f} after a quarter, at most {most:.1f}, "
        f"{last:.1f} at the end", faults, started)


if __name__ == "__main__":
    main()
