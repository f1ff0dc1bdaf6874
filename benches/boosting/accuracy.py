"""5-fold AUC of our booster's defaults beside LightGBM's, and CatBoost's defaults, on public data sets, same folds.

  python benches/boosting/accuracy.py DATA FOLDER [SET ...] [--catboost]

DATA is the folder of the data sets; FOLDER gets the tables with their folds. Build ours first:
`cargo build --release -p rekindle-models --example folds`. Two LightGBM settings: its defaults, and 300 trees, rate 0.03,
15 leaves, 50 rows a leaf, half of the columns. Ours runs with its defaults, whatever the set.
"""
import os, subprocess, sys
import lightgbm, numpy as np, pandas as pd
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedKFold

HERE = os.path.dirname(os.path.abspath(__file__))
FOLDS = os.path.join(HERE, "..", "..", "target", "release", "examples", "folds")
SLOW = dict(learning_rate=0.03, n_estimators=300, num_leaves=15, min_child_samples=50, colsample_bytree=0.5)


def kdd09(file):
    t = pd.read_csv(f"{DATA}/kdd09/{file}", low_memory=False)
    targets = ["churn", "appetency", "upselling"]
    X = t.drop(columns=[c for c in t if c in targets + ["orig_row", "row", "weight"]])
    for c in X:
        number = c.removesuffix("_filled").removeprefix("Var")
        if number.isdigit() and 191 <= int(number) <= 229:
            X[c] = X[c].astype("category")
    return X.dropna(axis=1, how="all"), {k: t[k] == 1 for k in targets}, t["weight"].to_numpy() if "weight" in t else None


def simple(path, target, value, left_out):
    t = pd.read_csv(f"{DATA}/{path}")
    if "TotalCharges" in t:
        t["TotalCharges"] = pd.to_numeric(t.TotalCharges, errors="coerce")
    return t.drop(columns=[target, *left_out]), {target: t[target] == value}, None


SETS = {
    "telco": lambda: simple("telco_ibm/Telco-Customer-Churn.csv", "Churn", "Yes", ["customerID"]),
    "mlc_churn": lambda: simple("mlc_churn/mlc_churn.csv", "churn", "yes", []),
    "bank_churn_av": lambda: simple("bank_churn_av/churn_prediction.csv.gz", "churn", 1, ["customer_id"]),
    "kdd09_natural": lambda: kdd09("kdd09_natural_50000.csv.gz"),
    "kdd09_union": lambda: kdd09("kdd09_union_230_train.csv.gz"),
}


def categorical(X):
    return [c for c in X if not str(X[c].dtype).startswith(("int", "float", "bool"))]


def peers(X, y, weight, folds, with_catboost):
    levels = categorical(X)
    C = X.copy()
    for c in levels:
        C[c] = C[c].astype("category")
    models = {"LightGBM defaults": lightgbm.LGBMClassifier(num_threads=2, verbose=-1), "LightGBM slow": lightgbm.LGBMClassifier(num_threads=2, verbose=-1, **SLOW)}
    if with_catboost:
        from catboost import CatBoostClassifier
        models["CatBoost defaults"] = CatBoostClassifier(thread_count=2, verbose=False, allow_writing_files=False, cat_features=levels)
    text = X.copy()
    for c in levels:
        text[c] = text[c].astype(str)
    for name, model in models.items():
        Z, aucs = text if "CatBoost" in name else C, []
        for k in range(5):
            a, b = np.flatnonzero(folds != k), np.flatnonzero(folds == k)
            wa, wb = (None, None) if weight is None else (weight[a], weight[b])
            p = model.fit(Z.iloc[a], y.iloc[a], sample_weight=wa).predict_proba(Z.iloc[b])[:, 1]
            aucs.append(roc_auc_score(y.iloc[b], p, sample_weight=wb))
        yield name, float(np.mean(aucs))


if __name__ == "__main__":
    words = [w for w in sys.argv[1:] if w != "--catboost"]
    DATA, folder, wanted = words[0], words[1], words[2:] or SETS
    for name in wanted:
        X, targets, weight = SETS[name]()
        os.makedirs(f"{folder}/{name}", exist_ok=True)
        open(f"{folder}/{name}/categorical", "w").write(",".join(categorical(X)))
        table, found = X.assign(**{t: y.astype(int) for t, y in targets.items()}), {}
        if weight is not None:
            table["weight"] = weight
        for target, y in targets.items():
            folds = np.zeros(len(y), int)
            for k, (_, b) in enumerate(StratifiedKFold(5, shuffle=True, random_state=0).split(X, y.astype(int))):
                folds[b] = k
            table[f"fold_{target}"] = folds
            found[target] = dict(peers(X, y.astype(int), weight, folds, "--catboost" in sys.argv))
        table.to_csv(f"{folder}/{name}/all.csv", index=False)
        for line in subprocess.run([FOLDS, folder, f"set={name}"], capture_output=True, text=True, check=True).stdout.splitlines():
            _, target, auc = line.split()[:3]
            print(name, target, {"rekindle": float(auc), **{k: round(v, 4) for k, v in found[target].items()}}, flush=True)
