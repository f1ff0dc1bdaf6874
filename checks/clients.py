"""Asks a running server with other people's clients: tritonclient, MLflow's, pyarrow, pandas, curl.

    checks/clients.py TARGET_DIR

Exits 1 where one of them cannot ask or read, or its probabilities differ in a bit from those of `rekindle score` on
the same table, for a logistic and a boosted version. Runs the README's curl examples as well."""

import datetime
import gzip
import io
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

import numpy
import pandas
import pyarrow
import requests
import tritonclient.http as triton
from mlflow.pyfunc.scoring_server.client import ScoringServerClient

import serving

ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"
FEATURES = serving.HEADER[1:-1]
EPOCH = datetime.date(1970, 1, 1)
# README's examples that need what this check does not set up: certificates, scored customers, other hosts.
NEEDS_MORE = re.compile(r"https://|/v1/customers|/v1/reactivation|--cacert|--cert|\$\(", re.I)


class Table:
    """Customers, in the forms that clients hold them in, and what `rekindle score` says of them."""

    def __init__(self, rekindle, folder, name, rows):
        self.rows = [row[:-1] for row in rows]
        self.count = len(rows)
        self.ids = [row[0] for row in self.rows]
        self.csv = serving.csv_text(serving.HEADER[:-1], self.rows)
        path = folder / f"{name}.csv"
        path.write_text(self.csv)
        self.expected = {}
        for version in (1, 2):
            text = serving.run([rekindle, "score", folder / f"registry/churn/{version}", path, "-q"])
            scores = pandas.read_csv(io.StringIO(text))
            self.expected[version] = list(zip(scores.probability, scores.percentile, scores.positive))

    def column(self, name):
        place = serving.HEADER.index(name)
        return [row[place] for row in self.rows]

    def records(self):
        """As JSON has them: dates as text, no key where a cell is missing."""
        cells = [[cell.isoformat() if isinstance(cell, datetime.date) else cell for cell in row] for row in self.rows]
        return [{name: cell for name, cell in zip(serving.HEADER, row) if cell is not None} for row in cells]

    def frame(self):
        """As pandas has them: NaN where a cell is missing, also in columns of text and of truth values."""
        return pandas.DataFrame(self.rows, columns=serving.HEADER[:-1])

    def arrow(self, plain=False):
        """As pyarrow has them, in types of many sorts."""
        types = {"customer": pyarrow.large_string(), "recency_days": pyarrow.float64(), "spend": pyarrow.float64(),
                 "orders": pyarrow.int16(), "plan": pyarrow.string(), "auto_renew": pyarrow.bool_(),
                 "joined": pyarrow.date32()}
        columns = {name: pyarrow.array(self.column(name), types[name]) for name in types}
        if plain:
            columns["customer"] = columns["customer"].cast(pyarrow.string_view())
            columns["orders"] = columns["orders"].cast(pyarrow.uint64())
            columns["joined"] = columns["joined"].cast(pyarrow.timestamp("us"))
        else:
            columns["plan"] = columns["plan"].dictionary_encode()
        columns["not_a_feature"] = pyarrow.array([[1]] * self.count)
        return pyarrow.table(columns)


class Check:
    """What is asked of one server, and how it answers."""

    def __init__(self, server):
        self.server = server
        self.faults = []
        self.asked = 0

    def same(self, what, table, version, probabilities, percentiles=None, positives=None):
        """That scores are those of `rekindle score`, to the bit."""
        self.asked += 1
        found, expected = [], []
        for place, values in enumerate((probabilities, percentiles, positives)):
            if values is not None:
                found.append([math.nan if value is None else float(value) for value in values])
                expected.append([float(score[place]) for score in table.expected[version]])
        if len(found[0]) != table.count:
            self.faults.append(f"version {version}, {what}: {len(found[0])} scores of {table.count} customers")
            return
        for ours, theirs in zip(expected, found):
            differ = [place for place in range(table.count) if ours[place] != theirs[place]]
            if differ:
                first = differ[0]
                self.faults.append(
                    f"version {version}, {what}: {len(differ)} of {table.count} differ from rekindle score, first of "
                    f"customer {first}: {theirs[first]}, expected {ours[first]}")

    def equal(self, what, found, expected):
        self.asked += 1
        if found != expected:
            self.faults.append(f"{what}: found {repr(found)[:200]}, expected {repr(expected)[:200]}")

    def tried(self, what, ask, *arguments):
        """Runs a part; that its client gives up is a fault, and the next part is run."""
        try:
            ask(*arguments)
        except Exception as error:  # whatever a client raises
            self.faults.append(f"{what}: {type(error).__name__}: {str(error)[:500]}")

    def post(self, path, body, kind, **headers):
        answer = requests.post(self.server.url + path, data=body, timeout=30,
                               headers={"Content-Type": kind, **headers})
        if answer.status_code != 200:
            raise RuntimeError(f"POST {path} ({kind}): {answer.status_code} {answer.text[:400]}")
        return answer


def tensor(name, values, datatype, binary):
    """An input of tritonclient."""
    kinds = {"FP64": numpy.float64, "INT64": numpy.int64, "BOOL": numpy.bool_, "BYTES": numpy.object_,
             "INT8": numpy.int8, "UINT16": numpy.uint16}
    if datatype == "BYTES":
        values = ["" if value is None else str(value) for value in values]
    array = numpy.array([math.nan if value is None else value for value in values], dtype=kinds[datatype])
    made = triton.InferInput(name, list(array.shape), datatype)
    made.set_data_from_numpy(array, binary_data=binary)
    return made


def triton_meets(check):
    """What tritonclient asks of a server before it infers."""
    client = triton.InferenceServerClient(check.server.address)
    check.equal("tritonclient, is_server_live", client.is_server_live(), True)
    check.equal("tritonclient, is_server_ready", client.is_server_ready(), True)
    check.equal("tritonclient, is_model_ready", client.is_model_ready("churn"), True)
    for version, ready in (("1", True), ("2", True), ("3", False)):
        found = client.is_model_ready("churn", version)
        check.equal(f"tritonclient, is_model_ready of version {version}", found, ready)
    check.equal("tritonclient, is_model_ready of no model", client.is_model_ready("nobody"), False)
    server = client.get_server_metadata()
    check.equal("tritonclient, get_server_metadata", server["name"], "rekindle")
    check.equal("tritonclient, extensions", "binary_tensor_data" in server["extensions"], True)
    model = client.get_model_metadata("churn")
    inputs = {tensor["name"]: tensor["datatype"] for tensor in model["inputs"]}
    check.equal("tritonclient, inputs", inputs, {
        "recency_days": "FP64", "spend": "FP64", "orders": "FP64", "plan": "BYTES", "auto_renew": "BOOL",
        "joined": "FP64"})
    check.equal("tritonclient, outputs", {tensor["name"] for tensor in model["outputs"]},
                {"probability", "percentile", "positive", "customer_id"})
    check.equal("tritonclient, versions", model["versions"], ["1", "2"])
    for name, version in (("nobody", ""), ("churn", "9")):
        try:
            client.infer(name, [tensor("spend", [1], "FP64", True)], model_version=version)
            check.faults.append(f"tritonclient infers with model {name!r}, version {version!r}")
        except triton.InferenceServerException as error:
            check.equal("tritonclient, an error's status", error.status(), "404")
            check.equal("tritonclient, an error's message", name in error.message(), True)
    client.close()


def triton_infers(check, version, whole, holes):
    """Columns and rows, in binary and in JSON, in and out."""
    client = triton.InferenceServerClient(check.server.address)
    types = {"recency_days": "FP64", "spend": "FP64", "orders": "INT64", "plan": "BYTES", "auto_renew": "BOOL",
             "joined": "BYTES", "customer": "BYTES"}
    names = ["probability", "percentile", "positive", "customer_id"]

    def told(what, table, result):
        ids = result.as_numpy("customer_id")
        check.same(what, table, version, result.as_numpy("probability"), result.as_numpy("percentile"),
                   result.as_numpy("positive"))
        check.equal(f"{what}, ids", [id.decode() if isinstance(id, bytes) else id for id in ids], table.ids)

    for binary_in in (True, False):
        inputs = [tensor(name, whole.column(name), types[name], binary_in) for name in types]
        for binary_out in (None, True, False):
            what = f"tritonclient, inputs binary={binary_in}, outputs binary={binary_out}"
            outputs = None
            if binary_out is not None:
                outputs = [triton.InferRequestedOutput(name, binary_data=binary_out) for name in names]
            asks = {} if version == 1 else {"model_version": str(version)}
            result = client.infer("churn", inputs, outputs=outputs, request_id="a-7", **asks)
            told(what, whole, result)
            reply = result.get_response()
            check.equal(f"{what}, id", reply.get("id"), "a-7")
            check.equal(f"{what}, model", (reply["model_name"], reply["model_version"]), ("churn", str(version)))
        mixed = [triton.InferRequestedOutput("positive", binary_data=True),
                 triton.InferRequestedOutput("probability", binary_data=False)]
        result = client.infer("churn", inputs, outputs=mixed, model_version=str(version))
        check.same(f"tritonclient, binary={binary_in}, mixed outputs", whole, version, result.as_numpy("probability"),
                   None, result.as_numpy("positive"))
        check.equal("tritonclient, an output that was not asked for", result.as_numpy("percentile"), None)

    types |= {"orders": "FP64", "auto_renew": "FP64"}
    inputs = [tensor(name, holes.column(name), types[name], True) for name in types]
    told("tritonclient, missing cells", holes,
         client.infer("churn", inputs, model_version=str(version), request_compression_algorithm="gzip",
                      response_compression_algorithm="gzip", priority=1, timeout=1_000_000))

    # All cells in one tensor: places of levels, days, 0 and 1.
    page = requests.get(f"{check.server.url}/v1/models/churn", timeout=10).json()
    levels = {field["name"]: field.get("levels") for field in page["features"]}
    order = [field["name"] for field in client.get_model_metadata("churn", str(version))["inputs"]]
    check.equal("the order of features", order, FEATURES)

    def place(name, cell):
        if cell is None:
            return math.nan
        if name == "plan":
            return float(levels["plan"].index(cell)) if cell in levels["plan"] else -1.0
        return float((cell - EPOCH).days) if name == "joined" else float(cell)

    for table, binaries in ((whole, (True, False)), (holes, (True,))):
        matrix = numpy.array([[place(name, cell) for name, cell in zip(order, row[1:])] for row in table.rows])
        for binary in binaries:
            rows = triton.InferInput("rows", list(matrix.shape), "FP64")
            rows.set_data_from_numpy(matrix, binary_data=binary)
            result = client.infer("churn", [rows], model_version=str(version))
            check.same(f"tritonclient, rows, binary={binary}", table, version, result.as_numpy("probability"),
                       result.as_numpy("percentile"), result.as_numpy("positive"))
    client.close()


def predicted(check, what, table, version, answer):
    """What MLflow's client makes of an answer."""
    predictions = answer.get_predictions()
    check.same(what, table, version, predictions["probability"], predictions["percentile"], predictions["positive"])


def mlflow_asks(check, version, whole, holes):
    """MLflow's own client; it writes a missing cell of a frame as NaN."""
    client = ScoringServerClient("127.0.0.1", check.server.port)
    client.wait_server_ready(timeout=5)
    client.ping()
    check.equal("MLflow, version", re.fullmatch(r"\d+\.\d+\.\d+\S*", client.get_version()) is not None, True)
    frame = whole.frame()
    predicted(check, "MLflow, a frame", whole, version, client.invoke(frame))
    predicted(check, "MLflow, a frame with params", whole, version, client.invoke(frame, params={"a": 1}))
    predicted(check, "MLflow, a list", whole, version, client.invoke(whole.records()))
    for form in ("dataframe_records", "instances", "inputs"):
        body = json.dumps({form: whole.records()})
        predicted(check, f"MLflow, {form}", whole, version, client.invoke(body))
    columns = {name: [json.loads(json.dumps(cell, default=str)) for cell in whole.column(name)] for name in FEATURES}
    predicted(check, "MLflow, inputs by column", whole, version, client.invoke(json.dumps({"inputs": columns})))
    records = client.invoke(json.dumps({"dataframe_records": holes.records()}))
    predicted(check, "MLflow, keys left out", holes, version, records)
    asobjects = holes.frame().astype(object).where(holes.frame().notna(), None)
    predicted(check, "MLflow, a frame with None", holes, version, client.invoke(asobjects))
    text = check.post("/invocations", holes.frame().to_csv(index=False).encode(), "text/csv").json()["predictions"]
    check.same("MLflow, CSV of pandas", holes, version, [one["probability"] for one in text])
    check.tried("MLflow, a frame with NaN", lambda: predicted(
        check, "MLflow, a frame with NaN", holes, version, client.invoke(holes.frame())))
    try:
        client.invoke(pandas.DataFrame({"recency_days": ["soon"]}))
        check.faults.append("MLflow's client is told nothing of a text in the place of a number")
    except Exception as error:
        check.equal("MLflow, an error", "422" in str(error) and "recency_days" in str(error), True)


def arrow_stream(table, rows, **options):
    """An Arrow stream of batches of so many rows."""
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema, **options) as writer:
        writer.write_table(table, max_chunksize=rows)
    return sink.getvalue()


def read_arrow(answer):
    """The rows of an answer, and its trailer."""
    reader = pyarrow.ipc.open_stream(answer.content)
    batches, trailer = [], None
    while True:
        try:
            batch, metadata = reader.read_next_batch_with_custom_metadata()
        except StopIteration:
            break
        batches.append(batch)
        if metadata is not None and b"rekindle.trailer" in metadata:
            trailer = json.loads(metadata[b"rekindle.trailer"])
    return pyarrow.Table.from_batches(batches, reader.schema), trailer


def batch_by_arrow(check, version, table):
    """Arrow in: answers as Arrow, CSV and NDJSON."""
    path = f"/v1/score/batch?version={version}"
    whole = {"rows": table.count, "scored": table.count, "failed": 0, "complete": True}
    for plain in (False, True):
        stream = arrow_stream(table.arrow(plain), 97)
        scores, trailer = read_arrow(check.post(path, stream, ARROW))
        what = f"pyarrow, plain={plain}"
        check.equal(f"{what}, counts", {name: (trailer or {}).get(name) for name in whole}, whole)
        told = (scores[name].to_pylist() for name in ("probability", "percentile", "positive"))
        check.same(what, table, version, *told)
        check.equal(f"{what}, ids", scores["customer_id"].to_pylist(), table.ids)
        check.equal(f"{what}, rows", scores["row"].to_pylist(), list(range(1, table.count + 1)))
        check.equal(f"{what}, errors", scores["error"].null_count, table.count)
    # Each chunk has levels of its own: the dictionary is replaced along the stream.
    half = table.count // 2
    parts = pyarrow.concat_tables([table.arrow().slice(half), table.arrow().slice(0, half)])
    parts = parts.set_column(parts.column_names.index("plan"), "plan", pyarrow.chunked_array([
        chunk.cast(pyarrow.string()).filter(pyarrow.array([True] * len(chunk))).dictionary_encode()
        for chunk in parts["plan"].chunks]))
    scores, _ = read_arrow(check.post(path, arrow_stream(parts, 1_000_000), ARROW))
    scores = scores["probability"].to_pylist()
    rest = table.count - half
    check.same("pyarrow, dictionaries that change", table, version, scores[rest:] + scores[:rest])
    # In pieces, packed, and answered in other forms.
    stream = arrow_stream(table.arrow(), 50)
    pieces = (stream[at:at + 1_000] for at in range(0, len(stream), 1_000))
    answer = check.post(path, pieces, ARROW, Accept="text/csv")
    frame = pandas.read_csv(io.StringIO(answer.text), comment="#")
    check.same("pyarrow in, CSV out", table, version, frame.probability, frame.percentile, frame.positive)
    answer = check.post(path, gzip.compress(stream), ARROW, **{"Accept": NDJSON, "Content-Encoding": "gzip"})
    lines = [json.loads(line) for line in answer.text.splitlines()]
    check.same("pyarrow packed in, NDJSON out", table, version, [line["probability"] for line in lines[:-1]])
    check.equal("NDJSON's last line", {name: lines[-1]["trailer"][name] for name in whole}, whole)
    empty, trailer = read_arrow(check.post(path, arrow_stream(table.arrow().slice(0, 0), 1), ARROW))
    check.equal("pyarrow, no rows", (empty.num_rows, trailer and trailer["rows"]), (0, 0))
    compressed = arrow_stream(table.arrow(), 50, options=pyarrow.ipc.IpcWriteOptions(compression="lz4"))
    answer = requests.post(check.server.url + path, data=compressed, headers={"Content-Type": ARROW}, timeout=30)
    check.equal("pyarrow, compressed batches", (answer.status_code, answer.json()["code"]), (422, "invalid_table"))


def batch_by_pandas(check, version, table):
    """CSV in and out by pandas, with rows that cannot be read."""
    path = f"/v1/score/batch?version={version}"
    answer = check.post(path, table.frame().to_csv(index=False).encode(), "text/csv")
    frame = pandas.read_csv(io.StringIO(answer.text), comment="#")
    check.same("pandas", table, version, frame.probability, frame.percentile, frame.positive)
    check.equal("pandas, ids", frame.customer_id.to_list(), table.ids)
    check.equal("pandas, last line", answer.text.splitlines()[-1],
                f"# rows={table.count} scored={table.count} failed=0 complete=true")
    broken = table.frame().astype({"recency_days": object})
    broken.loc[[3, 8], "recency_days"] = ["soon", "# of days"]
    # Names that a reader of comments would cut, were they not quoted.
    broken.loc[[0, 5], "customer"] = ["a#1", "#2"]
    answer = check.post(path, broken.to_csv(index=False).encode(), "text/csv")
    frame = pandas.read_csv(io.StringIO(answer.text), comment="#")
    check.equal("pandas, rows with wrong ones", frame.row.to_list(), list(range(1, table.count + 1)))
    check.equal("pandas, wrong rows", frame.index[frame.error.notna()].to_list(), [3, 8])
    check.equal("pandas, no scores of wrong rows", frame.index[frame.probability.isna()].to_list(), [3, 8])
    names = ["" if place in (3, 8) else name for place, name in enumerate(broken.customer)]
    check.equal("pandas, names with #", frame.customer_id.fillna("").to_list(), names)
    by_arrow = check.post(path, broken.to_csv(index=False).encode(), "text/csv", Accept=ARROW)
    scores, trailer = read_arrow(by_arrow)
    check.equal("CSV in, Arrow out, counts", trailer and (trailer["scored"], trailer["failed"]), (table.count - 2, 2))
    check.equal("CSV in, Arrow out, wrong rows", scores["error"].is_valid().to_pylist().count(True), 2)


def own(check, version, table):
    """The project's own API."""
    path = f"/v1/score?version={version}"
    reply = requests.post(check.server.url + path, json=table.records(), timeout=30).json()
    scores = reply["scores"]
    check.same("/v1/score", table, version, [one["probability"] for one in scores],
               [one["percentile"] for one in scores], [one["decision"]["positive"] for one in scores])
    lines = "".join(json.dumps(record) + "\n" for record in table.records()).encode()
    answer = check.post(f"/v1/score/batch?version={version}", lines, NDJSON)
    lines = [json.loads(line) for line in answer.text.splitlines()[:-1]]
    check.same("NDJSON", table, version, [line["probability"] for line in lines],
               [line["percentile"] for line in lines], [line["decision"]["positive"] for line in lines])


def examples(readme):
    """The commands of README's blocks that begin with curl."""
    commands, inside = [], False
    lines = iter(readme.splitlines())
    for line in lines:
        if line.startswith("```"):
            inside = not inside
        elif inside and line.startswith("curl "):
            while line.endswith("\\"):
                line = line[:-1] + next(lines).strip()
            commands.append(line)
    return commands


def curl(check, folder, table, events_server):
    """README's curl examples, as they stand there but for the port; which were not run."""
    record = {"customer": "7590-VHVEG", "recency_days": 12.5, "spend": 30, "plan": "gold"}
    (folder / "customer.json").write_text(json.dumps(record))
    (folder / "customers.json").write_text(json.dumps(table.records()))
    for name in ("customers.csv", "table.csv"):
        (folder / name).write_text(table.csv)
    (folder / "customers.csv.gz").write_bytes(gzip.compress(table.csv.encode()))
    for name in ("customers.ndjson", "customers.jsonl"):
        (folder / name).write_text("".join(json.dumps(record) + "\n" for record in table.records()))
    for name in ("customers.arrow", "customers.arrows"):
        (folder / name).write_bytes(arrow_stream(table.arrow(), 100))
    (folder / "events.json").write_text(json.dumps({
        "customer_id": "17850", "cutoff": "2025-06-01",
        "events": [{"time": "2025-03-30T10:12:00Z", "kind": "purchase", "amount": 15.3, "product": "85123A"}]}))
    now = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    (folder / "contacts.csv").write_text(f"customer_id,action,contacted_at\np1,reminder,{now}\n")
    (folder / "orders.csv").write_text(
        "outcome_id,customer_id,amount,occurred_at\n" + "".join(f"o{i},p{i},30,{now}\n" for i in range(0, 400, 3)))
    skipped, ran = [], 0
    readme = (pathlib.Path(__file__).parent.parent / "README.md").read_text()
    for command in examples(readme):
        server = events_server if "/v1/score/events" in command else check.server
        files = re.findall(r"@([\w./-]+)", command)
        piped = [word for word in re.findall(r"\|\s*([\w.-]+)", command) if shutil.which(word) is None]
        if NEEDS_MORE.search(command) or piped or any(not (folder / name).exists() for name in files):
            skipped.append(command)
            continue
        # The monitor's port answers what the other one answers as well, and a server without keys takes any.
        here = re.sub(r"\b(localhost|127\.0\.0\.1):808[01]\b", server.address, command)
        keys = {name: "none" for name in re.findall(r"\$\{?(\w+)", command)}
        strict = "set -o pipefail; " + here.replace("curl ", "curl -sS --fail-with-body ", 1)
        done = subprocess.run(["bash", "-c", strict], cwd=folder, env={**os.environ, **keys}, capture_output=True,
                              text=True, timeout=60)
        ran += 1
        if here == command or done.returncode != 0:
            told = "asks no server at port 8080" if here == command else done.stderr[-200:] + done.stdout[:300]
            check.faults.append(f"README: {command}: {told}")
    return ran, skipped


def campaign(rekindle, folder):
    """A store with a draft of the campaign that README's examples ask for."""
    rows = "".join(f"p{i},lapsed,{['drowsy', 'dormant'][i % 2]},{'ABC'[i % 3]}\n" for i in range(400))
    (folder / "stages.csv").write_text("customer_id,lifecycle_stage,lapse_tier,grade\n" + rows)
    plan = pathlib.Path(__file__).parent.parent / "examples/plan.toml"
    serving.run([rekindle, "plan", plan, folder / "stages.csv", "-o", folder / "plan.csv", "--store",
                 folder / "customers.db", "--campaign", "spring"])
    return folder / "customers.db"


def main():
    started = time.monotonic()
    target = pathlib.Path(sys.argv[1]).resolve()
    rekindle, binary = target / "debug/rekindle", target / "debug/rekindle-server"
    folder = target / "clients"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    registry = serving.registry(rekindle, folder)
    serving.events_model(rekindle, folder, folder / "of_events")
    rows = serving.table(400, seed=2)
    rows[5][4], rows[6][4] = "a level that never was", "gold"
    rows[7][1:4] = [1e300, -5e-324, 0]
    holes = Table(rekindle, folder, "holes", rows)
    whole = Table(rekindle, folder, "whole", serving.table(300, seed=3, missing=0))
    store = campaign(rekindle, folder)
    with serving.serving(binary, registry, "--store", store) as server, serving.serving(binary, folder / "of_events") as of_events:
        check = Check(server)
        check.tried("tritonclient", triton_meets, check)
        for version in (1, 2):
            requests.post(f"{server.url}/v1/models/churn/versions/{version}:promote", timeout=10).raise_for_status()
            check.tried("/v1/score", own, check, version, holes)
            check.tried("tritonclient", triton_infers, check, version, whole, holes)
            check.tried("MLflow", mlflow_asks, check, version, whole, holes)
            check.tried("pyarrow", batch_by_arrow, check, version, holes)
            check.tried("pandas", batch_by_pandas, check, version, holes)
        ran, skipped = 0, ["all: there is no curl"]
        if shutil.which("curl"):
            ran, skipped = curl(check, folder, holes, of_events)
        faults = check.faults + server.faults() + server.stop() + of_events.faults() + of_events.stop()
    for command in skipped:
        print(f"clients: not run of README: {command}")
    serving.end("clients", f"{check.asked} answers compared, {ran} curl examples of README run", faults, started)


if __name__ == "__main__":
    main()
