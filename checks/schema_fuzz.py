"""Schemathesis against /openapi.json of a running server with keys: no server error, nothing that the document does not
tell, no way in without a key.

    checks/schema_fuzz.py TARGET_DIR

Half of the requests are Schemathesis' own, from the document alone; the other half name models that there are and
have bodies that are nearly right, else few would come further than the parser. Exits 1 on a fault; Schemathesis'
output is left in TARGET_DIR/schema_fuzz. (Schemathesis loads this file as its hooks, too.)"""

import io
import json
import math
import os
import pathlib
import re
import shutil
import string
import subprocess
import sys
import time

import pyarrow
import requests
import schemathesis
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV31SpecValidator

import serving

SEED = 7
EXAMPLES = 120
CHECKS = [
    "not_a_server_error", "status_code_conformance", "content_type_conformance", "response_headers_conformance",
    "response_schema_conformance", "unsupported_method", "allow_header_conformance", "ignored_auth",
]
ARROW = "application/vnd.apache.arrow.stream"
NDJSON = "application/x-ndjson"

FEATURES = serving.HEADER[:-1]
TEXTS = st.one_of(
    st.sampled_from(["gold", "basic", "2021-02-03", "", "NA", "é", "\0", "a" * 70_000]),
    st.text(string.printable, max_size=8), st.text(max_size=4))
CELLS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 500), st.integers(-(2**70), 2**70), TEXTS,
    st.floats(allow_nan=False, allow_infinity=False))
ODD = st.one_of(CELLS, st.lists(CELLS, max_size=2), st.dictionaries(TEXTS, CELLS, max_size=2))
NAMES = st.one_of(*[st.sampled_from(FEATURES)] * 4, TEXTS)
CUSTOMER = st.dictionaries(NAMES, st.one_of(*[CELLS] * 5, ODD), max_size=8)
GOOD = st.fixed_dictionaries({}, optional={
    "customer": st.sampled_from(["a", 7, -7]), "recency_days": st.floats(0, 400), "spend": st.integers(0, 90),
    "orders": st.none(), "plan": st.sampled_from(["gold", "basic", "new"]), "auto_renew": st.booleans(),
    "joined": st.sampled_from(["2020-02-02", "2031-01-01"])})
CUSTOMERS = st.lists(st.one_of(GOOD, GOOD, CUSTOMER), max_size=12)
COLUMNS = st.lists(NAMES, max_size=6)


def as_json(value):
    return json.dumps(value).encode()


def mostly(right, *others):
    """What is right, more often than not."""
    return st.one_of(*[right] * (2 * len(others) + 1), *others)


@st.composite
def rows(draw):
    """A heading and rows below it."""
    names = draw(COLUMNS)
    uneven = draw(st.integers(0, 4)) == 0
    widths = st.integers(0, 5) if uneven else st.just(len(names))
    row = widths.flatmap(lambda width: st.lists(CELLS, min_size=width, max_size=width))
    return names, draw(st.lists(row, max_size=5))


@st.composite
def csv(draw):
    names, lines = draw(rows())
    text = serving.csv_text(names, lines)
    return draw(st.one_of(st.just(text), st.just(text.replace('"', "")), st.just(text[:-3]))).encode()


@st.composite
def fitting_csv(draw):
    """A table that is right."""
    names = draw(st.lists(st.sampled_from(FEATURES), min_size=1, unique=True))
    lines = draw(st.lists(st.tuples(*[FITTING[name][1] for name in names]), max_size=5))
    return serving.csv_text(names, lines).encode()


@st.composite
def arrow(draw):
    """An Arrow stream, sometimes damaged."""
    count = draw(st.integers(0, 6))

    def column(cells):
        return draw(st.lists(st.one_of(st.none(), cells), min_size=count, max_size=count))

    kinds = {
        "float": lambda: pyarrow.array(column(st.floats()), pyarrow.float64()),
        "whole": lambda: pyarrow.array(column(st.integers(-9, 9)), pyarrow.int16()),
        "truth": lambda: pyarrow.array(column(st.booleans()), pyarrow.bool_()),
        "text": lambda: pyarrow.array(column(st.sampled_from(["gold", "", "é"])), pyarrow.large_string()),
        "levels": lambda: pyarrow.array(column(st.sampled_from(["gold", "basic"]))).cast(pyarrow.string())
        .dictionary_encode(),
        "day": lambda: pyarrow.array(column(st.integers(-9999, 9999)), pyarrow.int32()).cast(pyarrow.date32()),
        "none": lambda: pyarrow.nulls(count),
        "list": lambda: pyarrow.array(column(st.just([1])), pyarrow.list_(pyarrow.int8())),
    }
    fits = {"recency_days": "float", "spend": "whole", "orders": "none", "plan": "levels", "auto_renew": "truth",
            "joined": "day", "customer": "text"}
    names = draw(st.lists(st.sampled_from(FEATURES), unique=True, min_size=1, max_size=7))
    arrays = [kinds[draw(mostly(st.just(fits[name]), st.sampled_from(sorted(kinds))))]() for name in names]
    batch = pyarrow.record_batch(arrays, names=names)
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, batch.schema) as writer:
        for _ in range(draw(st.integers(0, 3))):
            writer.write_batch(batch)
    stream = bytearray(sink.getvalue())
    damage = draw(st.sampled_from(["none", "none", "none", "cut", "byte"]))
    if damage == "cut":
        del stream[draw(st.integers(0, len(stream) - 1)):]
    elif damage == "byte":
        stream[draw(st.integers(0, len(stream) - 1))] = draw(st.integers(0, 255))
    return bytes(stream)


@st.composite
def tensors(draw):
    """A request of the Open Inference Protocol as JSON, and the binary data behind it."""
    count = draw(st.integers(0, 4))
    binary = b""
    inputs = []
    for name in draw(st.lists(NAMES, max_size=5, unique=True)):
        datatype = draw(st.sampled_from(["BOOL", "INT8", "UINT16", "INT64", "FP32", "FP64", "BYTES", "FP64", "FP16"]))
        shape = draw(mostly(st.just([count]), st.just([count, 1]), st.just([count, 6]),
                            st.lists(st.one_of(st.integers(-1, 9), st.just(2**62)), max_size=3)))
        cells = draw(st.lists(CELLS, min_size=(size := min(30, max(0, math.prod(shape)))), max_size=size))
        tensor = {"name": name, "shape": shape, "datatype": datatype}
        if draw(st.integers(0, 3)):
            tensor["data"] = cells if draw(st.integers(0, 3)) else [cells]
        else:
            piece = draw(st.binary(max_size=40))
            tensor["parameters"] = {"binary_data_size": draw(mostly(st.just(len(piece)), st.just(2**63)))}
            binary += piece
        inputs.append(tensor)
    request = {"inputs": inputs}
    if draw(st.booleans()):
        outputs = mostly(st.sampled_from(["probability", "positive", "customer_id", "percentile"]), TEXTS)
        request["outputs"] = [{"name": name, "parameters": {"binary_data": draw(st.booleans())}}
                              for name in draw(st.lists(outputs, max_size=3))]
    if draw(st.booleans()):
        request["parameters"] = {"binary_data_output": draw(mostly(st.booleans(), ODD))}
    if draw(st.booleans()):
        request["id"] = draw(mostly(TEXTS, ODD))
    return as_json(request), binary


FITTING = {
    "customer": ("BYTES", st.sampled_from(["a", "b", ""])), "recency_days": ("FP64", st.floats(0, 400)),
    "spend": ("FP32", st.integers(0, 90)), "orders": ("INT64", st.integers(-3, 30)),
    "plan": ("BYTES", st.sampled_from(["gold", "basic", "new", ""])), "auto_renew": ("BOOL", st.booleans()),
    "joined": ("BYTES", st.sampled_from(["2020-02-02", ""])),
}


@st.composite
def fitting_tensors(draw):
    """A request that is right."""
    count = draw(st.integers(0, 12))
    names = draw(st.lists(st.sampled_from(FEATURES), min_size=1, unique=True))
    inputs = [{"name": name, "shape": [count], "datatype": FITTING[name][0],
               "data": draw(st.lists(FITTING[name][1], min_size=count, max_size=count))} for name in names]
    outputs = draw(st.lists(st.sampled_from(["probability", "positive", "customer_id", "percentile"]), unique=True))
    outputs = [{"name": name, "parameters": {"binary_data": draw(st.booleans())}} for name in outputs]
    return as_json({"inputs": inputs, "outputs": outputs, "id": draw(TEXTS)}), b""


@st.composite
def mlflow_body(draw):
    names, cells = draw(rows())
    form = draw(st.sampled_from(["dataframe_split", "dataframe_records", "instances", "inputs", "other"]))
    value = {
        "dataframe_split": {"columns": names, "data": cells, "index": list(range(len(cells)))},
        "dataframe_records": draw(CUSTOMERS),
        "instances": draw(st.one_of(CUSTOMERS, st.just(cells))),
        "inputs": draw(st.one_of(CUSTOMERS, st.just({name: [row[:1] for row in cells] for name in names}),
                                 st.dictionaries(st.sampled_from(FEATURES), st.lists(CELLS, min_size=2, max_size=2)))),
        "other": draw(ODD),
    }[form]
    body = {form: value}
    if draw(st.booleans()):
        body["params"] = draw(ODD)
    return as_json(body if draw(st.integers(0, 9)) else [body])


TIMES = st.sampled_from(["2025-03-01", "2025-03-01T10:00:00Z", "2025-03-01 10:00:00", "2025-03-01T10:00:00+14:00",
                         "0000-00-00", "9999-12-31T23:59:60Z", "-292277-01-01", "", 1740787200])
EVENT = st.fixed_dictionaries({"time": TIMES, "kind": mostly(st.sampled_from(["purchase", "visit"]), TEXTS)}, optional={
    "amount": mostly(st.floats(0, 99), ODD), "product": mostly(st.just("p1"), ODD), "received_at": TIMES,
    "measures": ODD, "channel": TEXTS, "product_group": TEXTS, "other": CELLS})
EVENTS = st.fixed_dictionaries({"cutoff": mostly(st.sampled_from(["2025-06-01", "2024-01-01"]), TIMES)}, optional={
    "customer_id": st.one_of(st.sampled_from(["a", 7]), ODD), "events": st.lists(EVENT, max_size=5),
    "attributes": st.dictionaries(TEXTS, CELLS, max_size=2)}).map(as_json)

WHEN = st.sampled_from(["2025-03-01", "2025-03-01T10:00:00Z", "2025-03-01T10:00:00+14:00", "2026-01-01"])
GOOD_EVENTS = st.fixed_dictionaries({
    "cutoff": st.sampled_from(["2025-06-01", "2024-01-01"]), "events": st.lists(st.fixed_dictionaries(
        {"time": WHEN, "kind": st.sampled_from(["purchase", "session", "new"])}, optional={
            "amount": st.floats(0, 99), "product": st.just("p1"), "received_at": WHEN}), max_size=5)},
    optional={"customer_id": st.sampled_from(["a", 7])}).map(as_json)

ACTIONS = [{"name": "reminder", "channel": "email", "cost": 0.02},
           {"name": "letter", "offer": "voucher", "channel": "post", "cost": 1.1, "offer_cost": 5.0}]
GOOD_PLAN = st.fixed_dictionaries({
    "spec": st.fixed_dictionaries({
        "plan": st.fixed_dictionaries({}, optional={
            "budget": st.floats(0, 50), "control_share": st.sampled_from([0, 0.1, 0.5]),
            "consent_default": st.booleans(), "minimum_profit": st.sampled_from([0, 1])}).map(
                lambda plan: {"value": 30.0, **plan}),
        "actions": st.just(ACTIONS)}, optional={"channels": st.just({"post": {"capacity": 2}})}),
    "customers": st.lists(st.fixed_dictionaries(
        {"customer_id": st.sampled_from(["a", "b", "c", 7]), "lifecycle_stage": st.sampled_from(["lapsed", "repeat"])},
        optional={"lapse_tier": st.just("dormant"), "grade": st.sampled_from(["A", "C"]),
                  "predicted_value": st.floats(-5, 90), "uplift": st.just({"letter": 0.1}),
                  "consent": st.just({"post": True}), "birthday": st.sampled_from(["1990-02-28", "soon"])}),
        max_size=4, unique_by=lambda customer: customer["customer_id"])}).map(as_json)

PLANNED = [{"customer_id": f"p{i}", "lifecycle_stage": "lapsed", "lapse_tier": "dormant", "predicted_value": 40.0,
            "uplift": {"letter": 0.3}, "consent": {"post": True}} for i in range(300)]


def made(campaign, customers=None):
    """A campaign as it is made."""
    return {"campaign_id": campaign, "customers": PLANNED if customers is None else customers,
            "spec": {"plan": {"control_share": 0.3}, "actions": ACTIONS}}


IDS = st.sampled_from(["p1", "p2", "p77", "nobody", 7])
GOOD_CAMPAIGN = st.builds(made, st.sampled_from(["c1", "c2", "c-3", "no/no", ""]), st.just(PLANNED[:4])).map(as_json)
CONTACTS = st.lists(st.fixed_dictionaries(
    {"customer_id": IDS, "action": st.sampled_from(["letter", "letter", "call"]), "contacted_at": WHEN},
    optional={"channel": st.just("post")}), max_size=4).map(as_json)
OUTCOMES = st.lists(st.fixed_dictionaries(
    {"outcome_id": st.uuids().map(str), "customer_id": IDS, "occurred_at": WHEN},
    optional={"kind": st.sampled_from(["purchase", "visit"]), "amount": st.floats(0, 99)}), max_size=4).map(as_json)

BODIES = {
    "/v1/campaigns": GOOD_CAMPAIGN,
    "/v1/campaigns/{id}/contacts": CONTACTS,
    "/v1/campaigns/{id}/outcomes": OUTCOMES,
    "/v1/reactivation/plan": GOOD_PLAN,
    "/v1/score": st.one_of(st.lists(GOOD, max_size=12), CUSTOMERS, GOOD, CUSTOMER).map(as_json),
    "/v1/score/events": st.one_of(EVENTS, GOOD_EVENTS),
    "/invocations": mlflow_body(),
}
ODD_NAMES = st.text(string.ascii_letters + ":/ %é", min_size=1, max_size=4)
MODELS = mostly(st.sampled_from(["churn", "churned"]), ODD_NAMES)
QUERY = st.fixed_dictionaries({}, optional={
    "model": MODELS, "version": st.integers(1, 2), "reasons": st.integers(0, 11),
    "language": st.sampled_from(["en", "zh", "xx"])})
SEVERAL = st.fixed_dictionaries(
    {"models": st.sampled_from(["churn,churned", "churn", "churned,", "churn,churn"])},
    optional={"reasons": st.integers(0, 10)})


@st.composite
def nearly(draw, case):
    """A request of Schemathesis' with parts that are nearly right."""
    path = case.operation.path
    if "{name}" in path:
        case.path_parameters["name"] = draw(mostly(st.just("churn"), MODELS))
    if path.startswith("/v1/campaigns/"):
        # Two that run for all that is asked of those, one to be started, one to be finished.
        own = {"start": "winter", "finish": "autumn"}.get(path.split(":")[-1], "spring")
        case.path_parameters["id"] = draw(mostly(st.just(own), st.text(min_size=1)))
        if path.endswith(":deliver"):
            case.query = {"webhook": draw(mostly(st.just("crm"), st.text(max_size=3)))}
        if path.endswith("/effect"):
            case.query = draw(st.sampled_from([{}, {"kind": "visit"}, {"language": "zh"}, {"language": "xx"}]))
    elif "{id}" in path:
        case.path_parameters["id"] = draw(mostly(st.sampled_from(["c00000", "c00007"]), st.text(min_size=1)))
    if "{version}" in path:
        case.path_parameters["version"] = draw(mostly(st.integers(1, 2), st.sampled_from([0, 3, 2**32])))
    if path.endswith(":canary"):
        case.query = {"share": draw(mostly(st.floats(0, 1), st.floats()))}
    if case.method.upper() != "POST" or ":" in path:
        return case
    if path in ("/v1/reactivation/plan", "/v1/campaigns"):
        case.query = draw(st.sampled_from([{}, {"language": "zh"}, {"language": "xx"}]))
    elif not path.startswith(("/v2/", "/v1/campaigns")):
        right = st.just({"model": "churned" if path.endswith("/events") else "churn"})
        case.query = dict(draw(st.one_of(right, right, QUERY, SEVERAL)))
    if path.endswith("/infer"):
        text, binary = draw(st.one_of(tensors(), fitting_tensors()))
        case.media_type = "application/octet-stream" if binary else "application/json"
        if binary:
            case.headers["Inference-Header-Content-Length"] = str(draw(mostly(st.just(len(text)), st.integers(0, 99))))
        case.body = text + binary
    elif path == "/v1/score/batch":
        right = draw(st.booleans())
        if right:
            case.query = {"model": "churn"}
        lines = (st.lists(GOOD, max_size=12) if right else CUSTOMERS).map(lambda all: b"\n".join(map(as_json, all)))
        case.media_type, case.body = draw(st.one_of(
            st.tuples(st.just("text/csv"), fitting_csv() if right else csv()),
            st.tuples(st.just(NDJSON), lines), st.tuples(st.just(ARROW), arrow())))
        if draw(st.booleans()):
            case.headers["Accept"] = draw(st.sampled_from(["text/csv", NDJSON, ARROW, "*/*", "image/png"]))
    elif path == "/invocations" and draw(st.integers(0, 3)) == 0:
        case.media_type, case.body = "text/csv", draw(csv())
    elif path in BODIES:
        case.media_type, case.body = "application/json", draw(BODIES[path])
    return case


@schemathesis.hook
def before_generate_case(context, strategy):
    """Every other request is made nearly right."""
    return strategy.flatmap(lambda case: st.one_of(st.just(case), nearly(case)))


@schemathesis.serializer(NDJSON, ARROW)
def as_it_is(_, value):
    """Bytes as they are; what the document alone gives, as text."""
    return {"data": value if isinstance(value, bytes) else str(value).encode(errors="replace")}


@schemathesis.deserializer(NDJSON, ARROW, "text/csv", "text/plain")
def as_text(_, response):
    """A body that has no schema beyond its media type."""
    return response.content.decode(errors="replace")


def unanswered(document, metrics):
    """Operations of which no request was answered well: what is behind their parsers was not tried."""
    counted = re.findall(r'^rekindle_requests_total\{(.*)\} (\d+)', metrics, re.M)
    counts = [(dict(re.findall(r'(\w+)="([^"]*)"', labels)), int(count)) for labels, count in counted]
    faults = []
    for path, item in document["paths"].items():
        for method in item:
            statuses = {}
            for labels, count in counts:
                if labels["route"] == path and labels["method"] == method.upper():
                    statuses[labels["status"]] = count
            if not {"200", "201", "202"} & statuses.keys():
                faults.append(f"no {method.upper()} {path} was answered well: {statuses}")
            elif "-v" in sys.argv:
                print(method, path, statuses)
    return faults


def campaigns(url, headers):
    """Campaigns to ask about: two that run, one of them with an effect to tell, and a draft."""
    def post(path, body=None):
        deadline = time.monotonic() + 20
        # The store is reached a moment after the start.
        while (reply := requests.post(url + path, json=body, headers=headers, timeout=10)).status_code == 503:
            assert time.monotonic() < deadline, reply.text
            time.sleep(0.1)
        assert reply.ok, reply.text

    for campaign in ["spring", "autumn", "winter"]:
        post("/v1/campaigns", made(campaign))
        if campaign != "winter":
            post(f"/v1/campaigns/{campaign}:start")
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    rows = [{"outcome_id": f"o{i}", "customer_id": f"p{i}", "amount": i, "occurred_at": now} for i in range(0, 300, 2)]
    post("/v1/campaigns/spring/outcomes", rows)
    time.sleep(2)


def main():
    started = time.monotonic()
    target = pathlib.Path(sys.argv[1]).resolve()
    rekindle, binary = target / "debug/rekindle", target / "debug/rekindle-server"
    folder = target / "schema_fuzz"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    registry = serving.registry(rekindle, folder, 600)
    serving.events_model(rekindle, folder, registry)
    store, keys = folder / "customers.db", folder / "keys.toml"
    serving.run([rekindle, "score", registry / "churn", folder / "churn.csv", "--store", store, "-q"])
    token = serving.run([binary, "keys", "create", "--keys", keys, "--name", "fuzz", "--scope", "admin"]).strip()
    faults = []
    hooks = folder / "webhooks.toml"
    # Nobody listens there: lists wait.
    hooks.write_text('[crm]\nurl = "http://127.0.0.1:9/"\nsecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"\n')
    more = ["--keys", keys, "--audit-log", folder / "audit.ndjson", "--store", store, "--webhooks", hooks]
    with serving.serving(binary, registry, *more) as server:
        document = requests.get(server.url + "/openapi.json", timeout=10).json()
        (folder / "openapi.json").write_text(json.dumps(document, indent=1))
        campaigns(server.url, {"Authorization": f"Bearer {token}"})
        for error in OpenAPIV31SpecValidator(document).iter_errors():
            faults.append(f"/openapi.json: {error.message[:300]}")
        command = [
            pathlib.Path(sys.executable).with_name("schemathesis"), "run", server.url + "/openapi.json",
            "-H", f"Authorization: Bearer {token}", "--seed", SEED, "-n", EXAMPLES, "--checks", ",".join(CHECKS),
            "--phases", "examples,coverage,fuzzing", "--continue-on-failure", "--generation-database", "none",
            "--request-timeout", 10, "--warnings", "off", "--no-color", "--report", "ndjson",
        ]
        here = str(pathlib.Path(__file__).resolve().parent)
        environment = {**os.environ, "SCHEMATHESIS_HOOKS": "schema_fuzz", "PYTHONPATH": here}
        done = subprocess.run([str(part) for part in command], cwd=folder, env=environment,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        (folder / "output.txt").write_text(done.stdout)
        if done.returncode != 0:
            at = max(0, done.stdout.find("=== FAILURES ="), done.stdout.find("=== ERRORS ="))
            faults.append(f"schemathesis ended with {done.returncode}:\n{done.stdout[at:][:20_000]}")
        metrics = requests.get(server.url + "/metrics", headers={"Authorization": f"Bearer {token}"}, timeout=10).text
        faults += unanswered(document, metrics) + server.faults() + server.stop()
    operations = sum(len(item) for item in document["paths"].values())
    asked = [line.strip() for line in done.stdout.splitlines() if " generated, " in line]
    serving.end("schema_fuzz", f"{operations} operations, {' '.join(asked)}", faults, started)


if __name__ == "__main__":
    main()
