"""How long `rekindle plan` takes for 1,000,000 customers and 10 actions, files read and written.

  python benches/plan/run.py FOLDER [CUSTOMERS]        (needs numpy, pyarrow; after `cargo build --release`)
"""
import json
import pathlib
import subprocess
import sys
import time

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

FOLDER = pathlib.Path(sys.argv[1])
CUSTOMERS = int(sys.argv[2]) if len(sys.argv) > 2 else 1_000_000
PROGRAM = pathlib.Path(sys.argv[3] if len(sys.argv) > 3 else "target/release/rekindle").resolve()
CHANNELS, OFFERS = ["email", "sms", "post"], ["", "small", "large"]

draw = np.random.default_rng(1)
stages = np.array(["potential", "first_time", "repeat", "loyal"])
stage = draw.integers(0, 4, CUSTOMERS)
columns = {
    "customer_id": [f"c{i}" for i in range(CUSTOMERS)],
    "lifecycle_stage": stages[stage],
    "lapse_tier": draw.choice(["awake", "drowsy", "half_asleep", "dormant"], CUSTOMERS),
    "grade": draw.choice(["A", "B", "C"], CUSTOMERS),
    "predicted_value": np.round(draw.exponential(30, CUSTOMERS), 2),
    "probability": np.round(0.1 * draw.random(CUSTOMERS), 4),
}
columns |= {f"consent_{name}": draw.random(CUSTOMERS) < 0.8 for name in CHANNELS}
rate = np.array([0.06, 0.15, 0.5, 0.5])[stage]
plan = f'[plan]\nbudget = {0.4 * CUSTOMERS}\nbaseline = "probability"\n'
for a in range(10):
    columns[f"uplift_a{a}"] = rate * draw.normal(0.1 + 0.05 * a, 0.1, CUSTOMERS)
    offer = OFFERS[a % 3]
    plan += f'[[actions]]\nname = "a{a}"\nchannel = "{CHANNELS[a // 3 % 3]}"\noffer = "{offer}"\n'
    plan += f"cost = {0.1 + 0.35 * a}\noffer_cost = {dict(zip(OFFERS, [0.0, 2.0, 6.0]))[offer]}\n"
plan += "".join(f"[channels.{name}]\ncapacity = {CUSTOMERS // 4}\n" for name in CHANNELS)
plan += "".join(f"[offers.{name}]\nstock = {CUSTOMERS // 10}\n" for name in OFFERS[1:])
FOLDER.mkdir(parents=True, exist_ok=True)
(FOLDER / "plan.toml").write_text(plan)
pq.write_table(pa.table(columns), FOLDER / "customers.parquet")
for output in ["plan.parquet", "plan.csv"]:
    words = [PROGRAM, "-q", "plan", "plan.toml", "customers.parquet", "-o", output, "--json"]
    begun = time.perf_counter()
    done = subprocess.run(words, cwd=FOLDER, capture_output=True, text=True, check=True)
    seconds, found = time.perf_counter() - begun, json.loads(done.stdout)
    print(f"{output}: {seconds:.2f} s, {found['contacted']} contacted, gap {100 * found['gap']:.5f} %")
