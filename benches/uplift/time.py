"""Time of `rekindle fit-uplift` on 64,000 customers, 20 features, 2 actions, beside causalml's X-learner on LightGBM.

    python benches/uplift/time.py REKINDLE [ROUNDS]

Ours is the whole process: reading the CSV, propensities, five folds with all learners, judging, the last fit on all rows
with `-o`; once with propensities that it estimates and once with them given (`--propensity`). Theirs is in memory, with
the propensities that causalml estimates by itself (elastic net) and with propensities given: `fit_predict` on all rows,
without folds; and, as our judgement needs it, five fits on four fifths with predictions of the rest, every fold measured.
Medians of the rounds, alternating; the machine should be quiet. Needs causalml, lightgbm, pandas."""

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

ROWS, FEATURES, FOLDS = 64_000, 20, 5
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


def learner():
    return BaseXRegressor(learner=LGBMRegressor(verbose=-1, n_jobs=2), control_name="none")


def given(rows):
    """Propensities of each action against `none`."""
    return {action: numpy.full(rows, 0.5) for action in ACTIONS[1:]}


def once(x, names, y, known):
    learner().fit_predict(x, names, y, **({"p": given(ROWS)} if known else {}))


def cross_fitted(x, names, y, known):
    fold = numpy.random.default_rng(6).integers(0, FOLDS, ROWS)
    for held in range(FOLDS):
        learn, ask = fold != held, fold == held
        model = learner()
        model.fit(x[learn], names[learn], y[learn], **({"p": given(learn.sum())} if known else {}))
        model.predict(x[ask], **({"p": given(ask.sum())} if known else {}))


def main():
    warnings.filterwarnings("ignore")
    rekindle, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    x, arm, y = table()
    names = numpy.array(ACTIONS)[arm]
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder)
        frame = pandas.DataFrame(x, columns=[f"x{i}" for i in range(FEATURES)])
        frame["action"], frame["bought"], frame["chance"] = names, y.astype(int), 1 / 3
        frame.to_csv(path / "t.csv", index=False)

        def ours(known):
            how = ["--propensity", "chance"] if known else ["--exclude", "chance"]
            command = [rekindle, "fit-uplift", path / "t.csv", "--action", "action", "--outcome", "bought", *how,
                       "-o", path / "u.rekindle", "-q", "--json"]
            done = subprocess.run(command, stdout=subprocess.DEVNULL)
            assert done.returncode in (0, 1, 2)

        works = {}
        for known in [False, True]:
            word = "given" if known else "estimated"
            works[f"ours, propensities {word}"] = lambda known=known: ours(known)
            works[f"causalml, one fit, {word}"] = lambda known=known: once(x, names, y, known)
            works[f"causalml, five folds, {word}"] = lambda known=known: cross_fitted(x, names, y, known)
        times = {name: [] for name in works}
        for _ in range(rounds):
            for name, work in works.items():
                times[name].append(timed(work))
    medians = {name: statistics.median(of) for name, of in times.items()}
    for name, median in medians.items():
        mine = medians["ours, propensities " + name.rsplit(" ", 1)[1]]
        print(f"{name:36} {median:7.2f} s   ratio {median / mine:6.2f}   {[round(t, 2) for t in times[name]]}")
    usual = medians["ours, propensities estimated"]
    for name in ["causalml, one fit, given", "causalml, five folds, given"]:
        print(f"{name}, beside ours that estimates them: ratio {medians[name] / usual:.2f}")


if __name__ == "__main__":
    main()
