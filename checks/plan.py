"""Holds plans of `rekindle plan` to the linear program that HiGHS solves: 5,000 customers, 10 actions, a budget,
capacities and stocks; profits worked out here by the documented formulas.

  python checks/plan.py [TARGET_DIR]        (after `cargo build --bins`)
"""
import csv
import json
import pathlib
import subprocess
import sys
import tempfile

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import csr_matrix

TARGET = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "target")
PROGRAM = (TARGET / "debug/rekindle").resolve()
CUSTOMERS, ACTIONS = 5_000, 10
CHANNELS, OFFERS = ["email", "sms", "post"], ["", "small", "large"]
STAGES = {"potential": 0.06, "first_time": 0.15, "repeat": 0.5, "loyal": 0.5}
WITHIN = 1e-3


def actions():
    for a in range(ACTIONS):
        offer = OFFERS[a % 3]
        yield {
            "name": f"a{a}",
            "channel": CHANNELS[a // 3 % 3],
            "offer": offer,
            "cost": round(0.1 + 0.35 * a, 2),
            "offer_cost": {"": 0.0, "small": 2.0, "large": 6.0}[offer],
        }


def plan_file(budget, capacity, stock):
    text = f'[plan]\nbudget = {budget}\ncontrol_share = 0.0\nbaseline = "probability"\n'
    for action in actions():
        text += "[[actions]]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in action.items())
    text += "".join(f"[channels.{name}]\ncapacity = {capacity}\n" for name in CHANNELS)
    return text + "".join(f"[offers.{name}]\nstock = {stock}\n" for name in OFFERS[1:])


def world(seed, learned):
    """The table's columns and, by the documented formulas, profits and costs of every customer and action."""
    draw = np.random.default_rng(seed)
    stage = draw.choice(list(STAGES), CUSTOMERS)
    rate = np.array([STAGES[s] for s in stage])
    value = np.round(draw.exponential(30, CUSTOMERS), 2) if learned else np.full(CUSTOMERS, 30.0)
    base = np.round(0.5 * rate * draw.random(CUSTOMERS), 4) if learned else np.full(CUSTOMERS, 0.03)
    consent = draw.random((CUSTOMERS, 3)) < 0.8
    columns = {"customer_id": [f"c{i}" for i in range(CUSTOMERS)], "lifecycle_stage": stage}
    columns |= {"predicted_value": value, "probability": base}
    columns |= {f"consent_{name}": np.where(consent[:, c], "true", "false") for c, name in enumerate(CHANNELS)}
    profits, costs = np.empty((CUSTOMERS, ACTIONS)), np.empty((CUSTOMERS, ACTIONS))
    for a, action in enumerate(actions()):
        if learned:
            uplift = np.round(rate * draw.normal(0.1 + 0.05 * a, 0.1, CUSTOMERS), 4)
            columns[f"uplift_{action['name']}"] = uplift
        else:
            uplift = np.maximum(rate - base, 0)
        offers = np.clip(base + uplift, 0, 1) * action["offer_cost"]
        costs[:, a] = action["cost"] + offers
        profits[:, a] = uplift * value - costs[:, a]
        profits[~consent[:, CHANNELS.index(action["channel"])], a] = np.nan
    return columns, profits, costs


def bound(profits, costs, budget, capacity, stock):
    """The linear program's optimum, and the budget's price."""
    who, what = np.nonzero(profits > 0)
    kinds = list(actions())
    rows = [(who, np.ones(len(who))), (np.full(len(who), CUSTOMERS), costs[who, what])]
    limits = [1.0] * CUSTOMERS + [budget]
    for key, names, most in [("channel", CHANNELS, capacity), ("offer", OFFERS[1:], stock)]:
        for name in names:
            of = np.array([kind[key] == name for kind in kinds])[what].astype(float)
            rows.append((np.full(len(who), len(limits)), of))
            limits.append(most)
    cells = np.concatenate([cells for _, cells in rows])
    places = (np.concatenate([row for row, _ in rows]), np.tile(np.arange(len(who)), len(rows)))
    matrix = csr_matrix((cells, places), shape=(len(limits), len(who)))
    solved = linprog(-profits[who, what], A_ub=matrix, b_ub=limits, bounds=(0, 1), method="highs")
    assert solved.status == 0, solved.message
    return -solved.fun, -solved.ineqlin.marginals[CUSTOMERS]


furthest = 0.0
for seed, learned, budget, capacity, stock in [
    (1, True, 2_500.0, 1_200, 500),
    (2, True, 400.0, 5_000, 5_000),
    (3, True, 1e6, 700, 300),
    (4, False, 2_000.0, 900, 400),
    (5, False, 300.0, 5_000, 5_000),
]:
    columns, profits, costs = world(seed, learned)
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        (folder / "plan.toml").write_text(plan_file(budget, capacity, stock))
        with open(folder / "customers.csv", "w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(columns)
            writer.writerows(zip(*columns.values()))
        words = [PROGRAM, "-q", "plan", "plan.toml", "customers.csv", "--json"]
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=True)
        found = json.loads(done.stdout)
        decisions = list(csv.DictReader(open(folder / "plan.csv")))
    chosen = [(row, int(d["action"][1:])) for row, d in enumerate(decisions) if d["action"] != "none"]
    profit = sum(profits[row, action] for row, action in chosen)
    spent = sum(costs[row, action] for row, action in chosen)
    assert abs(profit - found["expected_profit"]) < 1e-6 * profit, (profit, found["expected_profit"])
    assert spent <= budget + 1e-6, f"spent {spent} of {budget}"
    for limit in found["places"]:
        assert limit["taken"] <= limit["most"], limit
    best, price = bound(profits, costs, budget, capacity, stock)
    missing = 1 - profit / best
    furthest = max(furthest, missing)
    assert missing <= WITHIN, f"seed {seed}: {profit} is {100 * missing:.3f} % below HiGHS's {best}"
    assert found["exact"] or found["bound"] >= best * (1 - 1e-7), f"the bound {found['bound']} is below HiGHS's {best}"
    print(
        f"plan {seed}: {profit:.2f}, HiGHS {best:.2f} ({100 * missing:.4f} % below), said {100 * found['gap']:.4f} %; "
        f"a unit of budget {found['marginal_budget']:.4f}, HiGHS {price:.4f}"
    )
print(f"plans: at most {100 * furthest:.4f} % below the linear program")
