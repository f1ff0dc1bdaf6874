"""Compares `rekindle value --table` with the Python package lifetimes, or, where that cannot be imported, with a maximum
likelihood fit by scipy written here.

    python checks/value.py TARGET_DIR [TABLE.csv]

On lifetimes' CDNOW sample (bundled with it, not with us) and on draws of our own. `--draw FILE` writes the draws that
training/src/value/draws.csv holds; `--told FILE` prints what lifetimes says of a table.
"""

import json
import math
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import minimize
from scipy.special import gammaln, hyp2f1

try:
    import lifetimes
    from lifetimes.datasets import load_cdnow_summary_data_with_monetary_value
except Exception:  # its dependencies change faster than it does
    lifetimes = None

NAMES = {"bg_nbd": "r alpha a b".split(), "pareto_nbd": "r alpha s beta".split(), "gamma_gamma": "p q v".split()}


def draw(customers, seed):
    """Customers of a BG/NBD world with gamma-gamma amounts; ages in days, each at most two years."""
    chance = np.random.default_rng(seed)
    rows = []
    for _ in range(customers):
        age = float(chance.integers(200, 731))
        rate = chance.gamma(0.8) / 45.0
        leaves = chance.beta(0.9, 3.0)
        scale = chance.gamma(4.0) / 60.0
        days, now = set(), 0.0
        while True:
            now += chance.exponential(1.0 / max(rate, 1e-9))
            if now > age:
                break
            if math.ceil(now) <= age:
                days.add(math.ceil(now))
            if chance.random() < leaves:
                break
        x = len(days)
        amounts = chance.gamma(5.0, 1.0 / scale, size=x)
        mean = round(float(amounts.mean()), 2) if x else 0.0
        rows.append((x, float(max(days, default=0)), age, mean))
    return pd.DataFrame(rows, columns="frequency recency T monetary_value".split())


def fitted_by_lifetimes(table):
    repeated = table[table.frequency > 0]
    fits = {
        "bg_nbd": lifetimes.BetaGeoFitter().fit(table.frequency, table.recency, table["T"]),
        "pareto_nbd": lifetimes.ParetoNBDFitter().fit(table.frequency, table.recency, table["T"]),
        "gamma_gamma": lifetimes.GammaGammaFitter().fit(repeated.frequency, repeated.monetary_value),
    }
    return {name: {k: float(fit.params_[k]) for k in NAMES[name]} for name, fit in fits.items()}


def loss(name, p, table):
    """The negative log-likelihood, from the papers' formulas."""
    x, t, age, m = (table[c].to_numpy(float) for c in "frequency recency T monetary_value".split())
    if name == "gamma_gamma":
        (p_, q, v), x, m = p, x[x > 0], m[x > 0]
        ll = gammaln(p_ * x + q) - gammaln(p_ * x) - gammaln(q) + q * np.log(v)
        return -np.sum(ll + (p_ * x - 1) * np.log(m) + p_ * x * np.log(x) - (p_ * x + q) * np.log(x * m + v))
    if name == "bg_nbd":
        r, alpha, a, b = p
        ll = gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        ll += gammaln(a + b) + gammaln(b + x) - gammaln(b) - gammaln(a + b + x)
        alive = -(r + x) * np.log(alpha + age)
        dead = np.log(a / (b + np.maximum(x, 1) - 1)) - (r + x) * np.log(alpha + t)
        return -np.sum(ll + np.where(x > 0, np.logaddexp(alive, dead), alive))
    r, alpha, s, beta = p
    high, low, k = max(alpha, beta), min(alpha, beta), r + s + x
    second = s + 1 if alpha >= beta else r + x

    def a0(u):
        return np.log(hyp2f1(k, second, k + 1, (high - low) / (high + u))) - k * np.log(high + u)

    first, last = a0(t), a0(age)
    gone = first + np.log(np.maximum(-np.expm1(last - first), 1e-300)) + np.log(s / k)
    ll = gammaln(r + x) - gammaln(r) + r * np.log(alpha) + s * np.log(beta)
    return -np.sum(ll + np.logaddexp(-(r + x) * np.log(alpha + age) - s * np.log(beta + age), gone))


def fitted_by_scipy(table):
    repeated, gap = table[table.frequency > 0], table["T"].sum() / table.frequency.sum()
    starts = {
        "bg_nbd": [0.5, 0.3 * gap, 0.8, 2.5],
        "pareto_nbd": [0.5, 0.4 * gap, 0.6, 0.5 * table["T"].mean()],
        "gamma_gamma": [2.0, 3.0, repeated.monetary_value.mean()],
    }
    told = {}
    for name, start in starts.items():
        def of(ln):
            value = loss(name, np.exp(ln), table) / len(table)
            return value if np.isfinite(value) else 1e9
        options = {"maxiter": 20_000, "maxfev": 20_000, "xatol": 1e-9, "fatol": 1e-13, "adaptive": True}
        best = minimize(of, np.log(start), method="Nelder-Mead", options=options)
        best = minimize(of, best.x, method="Nelder-Mead", options=options)
        told[name] = dict(zip(NAMES[name], map(float, np.exp(best.x))))
    return told


def fitted_by_rekindle(program, table):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rfm.csv"
        table.to_csv(path, index=False)
        command = [program, "value", "--table", path, "-o", Path(folder) / "values.csv", "--json", "--quiet"]
        told = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    fits = told["purchase_models"] + [told["spend_model"]]
    return {fit["model"]: {p["name"]: p["value"] for p in fit["parameters"]} for fit in fits}


def main():
    if sys.argv[1] == "--draw":
        draw(400, 8).to_csv(sys.argv[2], index=False)
        return
    if sys.argv[1] == "--told":
        told = {"scipy": fitted_by_scipy(pd.read_csv(sys.argv[2]))}
        if lifetimes:
            told["lifetimes"] = fitted_by_lifetimes(pd.read_csv(sys.argv[2]))
        print(json.dumps(told, indent=1))
        return
    program = Path(sys.argv[1]) / "debug" / "rekindle"
    if not program.exists():
        program = Path(sys.argv[1]) / "release" / "rekindle"
    tables = {"draws": draw(1_500, 3)}
    if lifetimes:
        tables["CDNOW"] = load_cdnow_summary_data_with_monetary_value().reset_index(drop=True)
    for path in sys.argv[2:]:
        tables[path] = pd.read_csv(path)
    judge = "lifetimes" if lifetimes else "scipy (lifetimes is not there)"
    wrong = 0
    for name, table in tables.items():
        ours = fitted_by_rekindle(program, table)
        theirs = fitted_by_lifetimes(table) if lifetimes else fitted_by_scipy(table)
        for model, expected in theirs.items():
            off = max(abs(ours[model][k] / v - 1) for k, v in expected.items())
            lower = loss(model, list(ours[model].values()), table) - loss(model, list(expected.values()), table)
            # Where the likelihood is flat either may stop early: the one that found the higher is right.
            good = off < 2e-3 or lower < -1e-4
            wrong += not good
            print(f"{name}, {model}: {', '.join(f'{k} {v:.4f}' for k, v in ours[model].items())}; "
                  f"largest difference from {judge} {off:.1e}, log-likelihood higher by {-lower:.1e}"
                  f"{'' if good else '  WRONG'}")
    if wrong:
        sys.exit(f"checks/value.py: {wrong} models are not {judge}'s")
    print(f"checks/value.py: as {judge}")


main()
