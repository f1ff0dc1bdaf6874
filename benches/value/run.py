"""How long `rekindle value --table` takes on many customers: reading them, fitting BG/NBD, Pareto/NBD and Gamma-Gamma,
valuing and writing.

    python benches/value/run.py REKINDLE [CUSTOMERS] [RUNS] [--lifetimes]

Draws customers of a BG/NBD world with ages of up to two years, in days (needs numpy, pandas). With --lifetimes its fits
of the same table are timed too.
"""

import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd


def draw(customers, seed=1):
    chance = np.random.default_rng(seed)
    age = chance.integers(30, 731, customers).astype(float)
    rate = chance.gamma(0.7, 1 / 40.0, customers)
    leaves = chance.beta(0.8, 3.0, customers)
    now, last, count = np.zeros(customers), np.zeros(customers), np.zeros(customers, int)
    there = np.ones(customers, bool)
    while there.any():
        now[there] += chance.exponential(1.0, there.sum()) / np.maximum(rate[there], 1e-12)
        there &= now <= age
        day = np.ceil(now)
        new = there & (day > last)
        count[new] += 1
        last[new] = day[new]
        there &= chance.random(customers) >= leaves
    mean = np.zeros(customers)
    some = count > 0
    scale = 60.0 / chance.gamma(4.0, size=customers)
    mean[some] = (chance.gamma(5.0 * count[some]) * scale[some] / count[some]).round(2) + 0.01
    return pd.DataFrame({"frequency": count, "recency": last, "T": age, "monetary_value": mean})


words = [word for word in sys.argv[1:] if word != "--lifetimes"]
program, customers = words[0], int(words[1]) if len(words) > 1 else 1_000_000
runs = int(words[2]) if len(words) > 2 else 3
with tempfile.TemporaryDirectory() as folder:
    path = Path(folder) / "rfm.csv"
    table = draw(customers)
    table.to_csv(path, index=False)
    print(f"{customers} customers, {len(table.drop_duplicates(['frequency', 'recency', 'T']))} different ones")
    for _ in range(runs):
        start = time.perf_counter()
        done = subprocess.run([program, "value", "--table", path, "-o", Path(folder) / "values.parquet"],
                              check=True, capture_output=True, text=True)
        print(f"rekindle value: {time.perf_counter() - start:.2f} s")
    print(done.stdout)
if "--lifetimes" in sys.argv:
    from lifetimes import BetaGeoFitter, GammaGammaFitter, ParetoNBDFitter
    repeated = table[table.frequency > 0]
    for fit in (lambda: BetaGeoFitter().fit(table.frequency, table.recency, table["T"]),
                lambda: GammaGammaFitter().fit(repeated.frequency, repeated.monetary_value),
                lambda: ParetoNBDFitter().fit(table.frequency, table.recency, table["T"])):
        start = time.perf_counter()
        try:
            fitted = str(fit())
        except Exception as error:
            fitted = type(error).__name__
        print(f"lifetimes: {time.perf_counter() - start:.2f} s, {fitted}")
