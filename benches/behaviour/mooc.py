"""AUC of `dropout` on the KDD Cup 2015 daily log, five folds by course: snapshots by `rekindle features` with
the standard families, then `rekindle fit` on four fifths of the courses and `rekindle score` on the rest.

  python benches/behaviour/mooc.py DATA target/release/rekindle [--model auto]
"""
import argparse, gzip, pathlib, subprocess, tempfile

import numpy as np, polars as pl
from sklearn.metrics import roc_auc_score

parser = argparse.ArgumentParser()
parser.add_argument("data", type=pathlib.Path)
parser.add_argument("rekindle", type=pathlib.Path)
parser.add_argument("--model", default="auto")
arguments = parser.parse_args()
spec = pathlib.Path(__file__).parents[2] / "tests/specs/mooc_kddcup2015_daily_log.toml"


def run(*command):
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


with tempfile.TemporaryDirectory() as folder:
    folder = pathlib.Path(folder)
    snapshots = folder / "snapshots.parquet"
    run(arguments.rekindle.resolve(), "-q", "features", spec, "--data", arguments.data, "-o", snapshots)
    table = pl.read_parquet(snapshots).drop("cutoff")
    course = {}
    for file in sorted(arguments.data.glob("trainCourse*.csv.gz")):
        for line in gzip.open(file, "rt").read().splitlines()[1:]:
            course[line.split(",", 1)[0]] = file.name.removeprefix("trainCourse").removesuffix(".csv.gz")
    of = np.array([course[customer] for customer in table["customer_id"]])
    # Courses by size, dealt out in turn: five folds of much the same number of enrolments.
    names, sizes = np.unique(of, return_counts=True)
    order = names[np.argsort(-sizes, kind="stable")]
    fold_of = {name: place % 5 for place, name in enumerate(order)}
    fold = np.array([fold_of[name] for name in of])
    scores, truth = np.zeros(len(table)), table["dropout"].to_numpy()
    for k in range(5):
        train, test, out = folder / f"train{k}.parquet", folder / f"test{k}.parquet", folder / f"{k}.csv"
        table.filter(fold != k).write_parquet(train)
        table.filter(fold == k).write_parquet(test)
        registry = folder / f"registry{k}"
        run(arguments.rekindle.resolve(), "-q", "fit", train, "--target", "dropout", "--id", "customer_id",
            "--test-share", "0", "--model", arguments.model, "-o", registry)
        run(arguments.rekindle.resolve(), "-q", "score", registry / "dropout", test, "-o", out)
        scores[fold == k] = pl.read_csv(out)["probability"].to_numpy()
        print(f"fold {k}: {np.sum(fold == k)} enrolments, AUC {roc_auc_score(truth[fold == k], scores[fold == k]):.4f}",
              flush=True)
    by_fold = [roc_auc_score(truth[fold == k], scores[fold == k]) for k in range(5)]
    print(f"mean of folds {np.mean(by_fold):.4f}, all together {roc_auc_score(truth, scores):.4f}")
