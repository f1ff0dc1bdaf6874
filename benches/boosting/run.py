"""Our booster beside LightGBM, XGBoost, CatBoost and scikit-learn, in one table.

  python benches/boosting/run.py FOLDER ROWS [--repeats N] [--only WORD,WORD]

FOLDER holds wide_ROWS_X.npy (float32) and wide_ROWS_y.npy. Build ours first:
`cargo build --release -p rekindle-models --examples`. Every run is a process of its own, on 2 threads, in turn;
four fifths are learned from, the AUC is of the last fifth; times are medians. 200 trees, rate 0.1 for all.
"""
import argparse, json, os, statistics, subprocess, sys, time

HERE = os.path.dirname(os.path.abspath(__file__))
TRAIN = os.path.join(HERE, "..", "..", "target", "release", "examples", "train")
PEERS = [  # name, library, parameters
    ("LightGBM, 63 leaves", "lightgbm", dict(num_leaves=63)),
    ("LightGBM, 63 leaves, 63 bins", "lightgbm", dict(num_leaves=63, max_bin=63)),
    ("LightGBM, 63 leaves, 63 bins, quantised", "lightgbm", dict(num_leaves=63, max_bin=63, use_quantized_grad=True, num_grad_quant_bins=4)),
    ("LightGBM, 31 leaves", "lightgbm", dict(num_leaves=31)),
    ("XGBoost hist, 63 leaves", "xgboost", dict(grow_policy="lossguide", max_leaves=63, max_depth=0)),
    ("XGBoost hist, depth 6", "xgboost", dict(max_depth=6)),
    ("CatBoost, symmetric depth 6, 254 bins", "catboost", dict(depth=6, border_count=254)),
    ("CatBoost, symmetric depth 6, 63 bins", "catboost", dict(depth=6, border_count=63)),
    ("scikit-learn hist, 31 leaves", "sklearn", dict(max_leaf_nodes=31)),
]
OURS = [
    ("rekindle, 63 leaves, as LightGBM", "num_leaves=63 min_data_in_leaf=20 feature_fraction=1 lambda_l2=0"),
    ("rekindle, 63 leaves, half of the features", "num_leaves=63 min_data_in_leaf=100 feature_fraction=0.5 lambda_l2=5 max_bin=127"),
    ("rekindle, 31 leaves, half of the features", "num_leaves=31 min_data_in_leaf=100 feature_fraction=0.5 lambda_l2=5 max_bin=127"),
    ("rekindle, 31 leaves, a quarter of the features", "num_leaves=31 min_data_in_leaf=100 feature_fraction=0.25 lambda_l2=5 max_bin=63"),
    ("rekindle, 16 leaves, 63 bins", "num_leaves=16 min_data_in_leaf=100 feature_fraction=1 lambda_l2=5 max_bin=63"),
    ("rekindle, 16 leaves, 63 bins, half of the features", "num_leaves=16 min_data_in_leaf=100 feature_fraction=0.5 lambda_l2=5 max_bin=63"),
]


def peer(library, folder, rows, params):
    """One run, in this process: prints a line of JSON."""
    import numpy as np
    from sklearn.metrics import roc_auc_score
    X, y = np.load(f"{folder}/wide_{rows}_X.npy"), np.load(f"{folder}/wide_{rows}_y.npy")
    k = rows * 4 // 5
    A, a, B, b = X[:k], y[:k], X[k:], y[k:]
    start = time.perf_counter()
    if library == "lightgbm":
        import lightgbm
        params = dict(params, objective="binary", learning_rate=0.1, num_threads=2, verbosity=-1)
        data = lightgbm.Dataset(A, a, params=params).construct()
        binned = time.perf_counter()
        model = lightgbm.train(params, data, 200)
        done, p = time.perf_counter(), None
        p = model.predict(B)
    elif library == "xgboost":
        import xgboost
        params = dict(params, objective="binary:logistic", tree_method="hist", learning_rate=0.1, nthread=2)
        data = xgboost.QuantileDMatrix(A, a, nthread=2)
        binned = time.perf_counter()
        model = xgboost.train(params, data, 200)
        done, p = time.perf_counter(), model.predict(xgboost.DMatrix(B))
    elif library == "catboost":
        from catboost import CatBoostClassifier, Pool
        data = Pool(A, a, thread_count=2)
        data.quantize(border_count=params["border_count"])
        binned = time.perf_counter()
        model = CatBoostClassifier(iterations=200, learning_rate=0.1, thread_count=2, verbose=False, allow_writing_files=False, **params)
        model.fit(data)
        done, p = time.perf_counter(), model.predict_proba(B)[:, 1]
    else:
        from sklearn.ensemble import HistGradientBoostingClassifier
        model = HistGradientBoostingClassifier(max_iter=200, learning_rate=0.1, early_stopping=False, **params)
        binned = start
        model.fit(A, a)
        done, p = time.perf_counter(), model.predict_proba(B)[:, 1]
    print(json.dumps(dict(bin_s=binned - start, boost_s=done - binned, auc=roc_auc_score(b, p))))


def run(command):
    env = dict(os.environ, OMP_NUM_THREADS="2")
    done = subprocess.run(command, capture_output=True, text=True, env=env)
    try:
        return json.loads(done.stdout.strip().splitlines()[-1])
    except (IndexError, ValueError):
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")


if __name__ == "__main__":
    if sys.argv[1] == "--peer":
        library, folder, rows, params = sys.argv[2:6]
        peer(library, folder, int(rows), json.loads(params))
        sys.exit()
    args = argparse.ArgumentParser()
    args.add_argument("folder"), args.add_argument("rows", type=int)
    args.add_argument("--repeats", type=int, default=5), args.add_argument("--only", default="")
    args = args.parse_args()
    plan = [(name, [sys.executable, __file__, "--peer", library, args.folder, str(args.rows), json.dumps(params)]) for name, library, params in PEERS]
    plan += [(name, [TRAIN, args.folder, str(args.rows), "learning_rate=0.1", "num_iterations=200", *words.split()]) for name, words in OURS]
    if args.rows <= 100_000 and not args.only:
        plan.append(("rekindle, 16 leaves, 63 bins, three targets", [TRAIN, args.folder, str(args.rows), "targets=3", "learning_rate=0.1", "num_iterations=200", *OURS[4][1].split()]))
    plan = [(name, command) for name, command in plan if any(word in name for word in args.only.split(","))]
    results = {name: [] for name, _ in plan}
    for _ in range(args.repeats):
        for name, command in plan:  # in turn, so that a slow minute meets all
            results[name].append(run(command))
    print("| program | binning s | boosting s | AUC |\n|---|---|---|---|")
    for name, runs in results.items():
        middle = lambda key: statistics.median(r[key] for r in runs)
        print(f"| {name} | {middle('bin_s'):.1f} | {middle('boost_s'):.1f} | {runs[0]['auc']:.4f} |")
