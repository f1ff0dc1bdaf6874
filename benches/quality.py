"""Hold-out ROC AUC and ECE of `rekindle fit` (auto), mean of 5 stratified folds, on public data sets.

  python benches/quality.py DATA REKINDLE [SET ...]

DATA is the folder of the data sets, REKINDLE the release binary. Needs pandas and scikit-learn. The
folds are those of scikit-learn's StratifiedKFold(5, shuffle=True, random_state=0). Every fold is fitted by
`rekindle fit --test-share 0` on the four other fifths and judged by `rekindle evaluate` on the fifth.
"""
import io, json, subprocess, sys, tempfile, time
import pandas as pd
from sklearn.model_selection import StratifiedKFold

DATA, REKINDLE, WANTED = sys.argv[1], sys.argv[2], sys.argv[3:]
SETS = {  # file, targets, further options
    "telco": ("telco_ibm/Telco-Customer-Churn.csv", ["Churn=Yes"], ["--id", "customerID"]),
    "mlc_churn": ("mlc_churn/mlc_churn.csv", ["churn=yes"], []),
    "bank_churn_av": ("bank_churn_av/churn_prediction.csv.gz", ["churn=1"], ["--id", "customer_id"]),
    "kdd09_natural": ("kdd09/kdd09_natural_50000.csv.gz", ["churn=1", "appetency=1", "upselling=1"], ["kdd"]),
}


def level_columns(table):
    """The contest's columns 191 to 229 are categories, though their levels are written as integers."""
    number = lambda c: c.removesuffix("_filled").removeprefix("Var")
    return [c for c in table if number(c).isdigit() and 191 <= int(number(c)) <= 229]


def run(*words):
    done = subprocess.run([REKINDLE, *words], capture_output=True, text=True)
    if not done.stdout:
        raise SystemExit(done.stderr)
    return done.stdout


for name in WANTED or SETS:
    file, targets, options = SETS[name]
    table = pd.read_csv(f"{DATA}/{file}", dtype=str, keep_default_na=False)
    if options == ["kdd"]:
        options = ["--categorical", ",".join(level_columns(table))]
        extra = [c for c in ("row", "orig_row") if c in table]
        options += ["--exclude", ",".join(extra)] if extra else []
    for target in targets:
        column, value = target.split("=")
        others = [t.split("=")[0] for t in targets if t != target]
        y = table[column] == value
        auc, ece, chosen, pooled, start = [], [], [], [], time.time()
        for train, test in StratifiedKFold(5, shuffle=True, random_state=0).split(table, y):
            with tempfile.TemporaryDirectory() as d:
                mine = table.drop(columns=others)
                mine.iloc[train].to_csv(f"{d}/train.csv", index=False)
                mine.iloc[test].to_csv(f"{d}/test.csv", index=False)
                run("fit", f"{d}/train.csv", "--target", target, "--test-share", "0", "-q", "-o", f"{d}/r", *options)
                model = f"{d}/r/{column.lower()}"
                report = json.loads(run("evaluate", model, f"{d}/test.csv", "--json"))["reports"][0]
                auc.append(report["evaluation"]["roc_auc"]["value"])
                ece.append(report["evaluation"]["ece"]["value"])
                chosen.append(report["classifier"])
                scores = pd.read_csv(io.StringIO(run("score", model, f"{d}/test.csv", "-q")))
                pooled.append(pd.DataFrame({"p": scores.probability, "y": (mine.iloc[test][column] == value).to_numpy()}))
        mean = lambda x: sum(x) / len(x)
        all_folds = pd.concat(pooled).sort_values("p")
        bins = all_folds.assign(bin=[i * 10 // len(all_folds) for i in range(len(all_folds))]).groupby("bin")
        whole = sum(len(b) * abs(b.p.mean() - b.y.mean()) for _, b in bins) / len(all_folds)
        print(f"{name:14} {column:10} ROC AUC {mean(auc):.4f}  ECE {mean(ece):.4f} (all folds together {whole:.4f})  {' '.join(chosen)}  "
              f"{mean([time.time() - start]) / 5:.1f} s a fold", flush=True)
