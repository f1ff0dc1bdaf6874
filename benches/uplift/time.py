"""Time of `rekindle fit-uplift` on 64,000 customers, 20 features, 2 actions, beside causalml's X-learner on LightGBM.

    python benches/uplift/time.py REKINDLE [ROUNDS]

Ours is the whole process: reading the CSV, propensities, five folds with all learners, judging, the last fit on all rows
with `-o`. Theirs is `fit_predict` in memory, without folds: with the propensities it estimates by itself, and with
propensities given. Medians of the rounds, alternating; the machine should be quiet. Needs causalml, lightgbm, pandas."""

import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
import warnings

import numpy
import pandas
from causalml.inference.meta import BaseXRegressor
from lightgbm import LGBMRegressor

ROWS, FEATURES = 64_000, 20
ACTIONS = ["none", "letter", "voucher"]


def table():
    random = numpy.random.default_rng(5)
    x = random.normal(size=(ROWS, FEATURES))
    arm = random.integers(0, 3, ROWS)
    alone = 1 / (1 + numpy.exp(1.8 - 0.8 * x[:, 0] + 0.6 * x[:, 1]))
    gains = numpy.stack([numpy.zeros(ROWS), 0.2 * (x[:, 2] > 0.5), 0.1 * (x[:, 3] < 0)], axis=1)
    y = random.random(ROWS) < numpy.clip(alone + gains[numpy.arange(ROWS), arm], 0, 1)
    return x, arm, y.astype(float)


def timed(work):
    started = time.monotonic()
    work()
    return time.monotonic() - started


def main():
    warnings.filterwarnings("ignore")
    rekindle, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    x, arm, y = table()
    names = numpy.array(ACTIONS)[arm]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        frame = pandas.DataFrame(x, columns=[f"x{i}" for i in range(FEATURES)])
        frame["action"], frame["bought"] = names, y.astype(int)
        frame.to_csv(path / "t.csv", index=False)
        command = [rekindle, "fit-uplift", path / "t.csv", "--action", "action", "--outcome", "bought",
                   "-o", path / "u.rekindle", "-q", "--json"]

        def ours():
            done = subprocess.run(command, stdout=subprocess.DEVNULL)
            assert done.returncode in (0, 1, 2)

        def learner():
            return BaseXRegressor(learner=LGBMRegressor(verbose=-1, n_jobs=2), control_name="none")

        given = {action: numpy.full(ROWS, 0.5) for action in ACTIONS[1:]}
        times = {"ours": [], "theirs": [], "theirs, propensities given": []}
        for _ in range(rounds):
            times["ours"].append(timed(ours))
            times["theirs"].append(timed(lambda: learner().fit_predict(x, names, y)))
            times["theirs, propensities given"].append(timed(lambda: learner().fit_predict(x, names, y, p=given)))
    medians = {name: statistics.median(of) for name, of in times.items()}
    for name, median in medians.items():
        print(f"{name:28} {median:7.2f} s   ratio {median / medians['ours']:.2f}   {[round(t, 2) for t in times[name]]}")


if __name__ == "__main__":
    main()
