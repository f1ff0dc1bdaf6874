"""Holds the figures of reports to scikit-learn's, on random rows with weights and ties, and DeLong's variance to the
published formula.

  python checks/metrics.py [TARGET_DIR]        (after `cargo build -p rekindle-models --example figures`)
"""
import json
import math
import pathlib
import subprocess
import sys

import numpy as np
from sklearn import metrics

TARGET = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
PROGRAM = TARGET / "debug/examples/figures"
NEAR = 1e-12


def rows(seed, count, base, digits, weighted):
    """Scores that know something of the target, tied by rounding, kept from 0 and 1; weights over three magnitudes."""
    draw = np.random.default_rng(seed)
    target = (draw.random(count) < base).astype(int)
    target[:2] = [0, 1]
    score = np.round(0.7 * draw.random(count) + 0.3 * target * draw.random(count), digits)
    weight = np.exp(draw.normal(0, 2, count)) if weighted else np.ones(count)
    return np.clip(score, 0.001, 0.999), target, weight


def figures(score, target, weight, threshold):
    lines = "".join(f"{float(s)!r},{y},{float(w)!r}\n" for s, y, w in zip(score, target, weight))
    done = subprocess.run([PROGRAM, repr(threshold)], input=lines, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def delong(score, target):
    """DeLong, DeLong and Clarke-Pearson (1988), by all pairs: the area and its variance."""
    ours, others = score[target == 1], score[target == 0]
    won = (ours[:, None] > others) + 0.5 * (ours[:, None] == others)
    by_positive, by_negative = won.mean(axis=1), won.mean(axis=0)
    return won.mean(), by_positive.var(ddof=1) / len(ours) + by_negative.var(ddof=1) / len(others)


def near(what, found, expected, within=NEAR):
    apart = abs(found - expected)
    assert apart <= within, f"{what}: found {found!r}, scikit-learn {expected!r}, {apart:.1e} apart"
    return apart


compared, furthest = 0, 0.0
for seed in range(6):
    for count, base in [(60, 0.5), (900, 0.1), (4_000, 0.02), (3_000, 0.7)]:
        for digits, weighted in [(1, True), (2, True), (3, False), (12, True)]:
            score, target, weight = rows(1_000 * seed + count, count, base, digits, weighted)
            threshold = float(np.quantile(score, 0.8))
            found = figures(score, target, weight, threshold)
            said = (score >= threshold).astype(int)
            w = {"sample_weight": weight}
            expected = {
                "roc_auc": metrics.roc_auc_score(target, score, **w),
                "average_precision": metrics.average_precision_score(target, score, **w),
                "log_loss": metrics.log_loss(target, score, **w),
                "brier_score": metrics.brier_score_loss(target, score, **w),
                "error_rate": 1 - metrics.precision_score(target, said, **w),
                "miss_rate": 1 - metrics.recall_score(target, said, **w),
            }
            apart = [near(f"{name} of {count} rows, seed {seed}", found[name], value) for name, value in expected.items()]
            # Curves are thinned: every point shown is one of scikit-learn's.
            across, up, cuts = metrics.roc_curve(target, score, drop_intermediate=False, **w)
            corners = np.column_stack([across, up])
            for point in found["roc"]:
                here = [point["false_positive_rate"], point["true_positive_rate"]]
                apart.append(near("a corner of the ROC curve", np.abs(corners - here).max(axis=1).min(), 0.0))
            precision, recall, cuts = metrics.precision_recall_curve(target, score, **w)
            place = {cut: at for at, cut in enumerate(cuts)}
            for point in found["thresholds"]:
                at = place[point["threshold"]]
                apart.append(near("an error rate", point["error_rate"]["value"], 1 - precision[at]))
                apart.append(near("a miss rate", point["miss_rate"]["value"], 1 - recall[at]))
            if not weighted:
                area, variance = delong(score, target)
                interval = found["roc_auc_interval"]
                odds = [math.log(p / (1 - p)) for p in (interval["low"], interval["high"])]
                error = (odds[1] - odds[0]) / 2 / 1.959963984540054
                apart.append(near("DeLong's error", error * area * (1 - area), math.sqrt(variance)))
            compared, furthest = compared + len(apart), max(furthest, *apart)
print(f"metrics: {compared} figures as scikit-learn's, at most {furthest:.1e} apart (allowed: {NEAR})")
