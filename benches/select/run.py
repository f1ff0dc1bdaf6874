"""rekindle select beside boruta_py: which of 300 features, 40 of them true, each keeps, and how long that takes.

  python benches/select/run.py target/release/rekindle [ROWS] [FEATURES] [TRUE] [ITERATIONS]

Needs boruta, scikit-learn, numpy, pandas, pyarrow. Both get the same rows. Boruta's forest is the one its authors
recommend (max_depth 5, n_estimators "auto"), on all cores, 100 iterations unless told otherwise.
"""
import json
import pathlib
import subprocess
import sys
import tempfile
import time
import tomllib

import numpy as np
import pandas as pd
from boruta import BorutaPy
from sklearn.ensemble import RandomForestClassifier

REKINDLE = pathlib.Path(sys.argv[1]).resolve()
ROWS, FEATURES, TRUE, ITERATIONS = [
    int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((2, 20_000), (3, 300), (4, 40), (5, 100))
]


def table():
    """Numbers as counts of behaviour are: skewed. The true ones move the log odds, each by its own amount."""
    draw = np.random.default_rng(11)
    x = draw.gamma(1.0, 2.0, (ROWS, FEATURES)).round(2)
    true = draw.permutation(FEATURES)[:TRUE]
    slope = draw.choice([-1, 1], TRUE) * draw.uniform(0.15, 0.35, TRUE)
    margin = (np.log1p(x[:, true]) - np.log1p(x[:, true]).mean(0)) / np.log1p(x[:, true]).std(0) @ slope - 1.0
    y = (draw.random(ROWS) < 1 / (1 + np.exp(-margin))).astype(int)
    names = [f"f{i:03}" for i in range(FEATURES)]
    return pd.DataFrame(x, columns=names), y, {names[i] for i in true}


def judged(found, true):
    hits = len(found & true)
    precision, recall = hits / max(len(found), 1), hits / len(true)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"chosen": len(found), "true": hits, "noise": len(found) - hits, "f1": round(f1, 3)}


def ours(x, y):
    with tempfile.TemporaryDirectory() as folder:
        path, lock = pathlib.Path(folder) / "t.parquet", pathlib.Path(folder) / "features.lock"
        x.assign(y=y).to_parquet(path)
        start = time.time()
        command = [REKINDLE, "select", path, "--target", "y", "-o", lock, "--json"]
        subprocess.run(command, check=True, capture_output=True)
        seconds = time.time() - start
        targets = tomllib.loads(lock.read_text())["targets"]
        return set(next(iter(targets.values()))["features"]), seconds


def boruta(x, y):
    start = time.time()
    forest = RandomForestClassifier(n_jobs=-1, max_depth=5, class_weight="balanced")
    fitted = BorutaPy(forest, n_estimators="auto", max_iter=ITERATIONS, random_state=1).fit(x.to_numpy(), y)
    return set(x.columns[fitted.support_]), time.time() - start


x, y, true = table()
print(f"{ROWS:,} rows x {FEATURES} features, {TRUE} true, base rate {y.mean():.3f}")
(found, seconds), (theirs, their_seconds) = ours(x, y), boruta(x, y)
print(json.dumps({"program": "rekindle select", "seconds": round(seconds, 1), **judged(found, true)}))
print(json.dumps({"program": "boruta_py", "seconds": round(their_seconds, 1), "iterations": ITERATIONS,
                  **judged(theirs, true)}))
print(f"ratio of times {their_seconds / seconds:.1f}")
