"""Writes tests/it/golden/profit.json: MPC, EMPC and EMPB of made-up scores by the Python package empulse.

  python checks/profit.py        (needs empulse 0.13.1)

Only for new cases, never to make a test pass.
"""
import json
import pathlib

import numpy as np
from empulse.metrics import empb_score, empc_score, mpc_score

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests/it/golden"
draw = np.random.default_rng(5)


def case(rows, base, signal, digits, **campaign):
    """Scores with ties (by rounding) of rows with values of their own."""
    target = (draw.random(rows) < base).astype(int)
    score = np.round(draw.random(rows) * (1 - signal) + target * signal * draw.random(rows), digits)
    clv = np.round(draw.gamma(2, 100, rows), 2)
    shape = {name: campaign[name] for name in ("alpha", "beta") if name in campaign}
    alpha, beta = campaign.get("alpha", 6), campaign.get("beta", 14)
    costs = {name: campaign[name] for name in ("incentive_cost", "contact_cost") if name in campaign}
    b2b = {"incentive_fraction": campaign.get("incentive_fraction", 0.05),
           "contact_cost": campaign.get("b2b_contact_cost", 15)}
    return {
        "score": score.tolist(), "target": target.tolist(), "clv": clv.tolist(),
        "alpha": alpha, "beta": beta,
        "incentive_cost": costs.get("incentive_cost", 10), "contact_cost": costs.get("contact_cost", 1),
        "mpc": mpc_score(target, score, accept_rate=alpha / (alpha + beta), clv=clv, **costs),
        "empc": empc_score(target, score, clv=clv, **shape, **costs),
        "mpc_of_200": mpc_score(target, score, accept_rate=alpha / (alpha + beta), clv=200, **costs),
        "empc_of_200": empc_score(target, score, clv=200, **shape, **costs),
        "incentive_fraction": b2b["incentive_fraction"], "b2b_contact_cost": b2b["contact_cost"],
        "empb": empb_score(target, score, clv=clv, **shape, **b2b),
        "empb_threshold": empb_score.optimal_threshold(target, score, clv=clv, **shape, **b2b),
    }


cases = [
    case(120, 0.3, 0.4, 2),
    case(80, 0.1, 0.7, 1),
    case(60, 0.5, 0.0, 3),
    case(150, 0.2, 0.5, 2, alpha=2, beta=3, incentive_cost=25, contact_cost=4, incentive_fraction=0.2,
         b2b_contact_cost=2),
    case(100, 0.05, 0.3, 2, alpha=1.5, beta=30, incentive_cost=0, contact_cost=0.1, incentive_fraction=0.01,
         b2b_contact_cost=0),
    case(40, 0.4, 0.2, 2, incentive_cost=190, contact_cost=20, incentive_fraction=0.9, b2b_contact_cost=60),
]
(FOLDER / "profit.json").write_text(json.dumps(cases, indent=0).replace(",\n", ", ").replace("}, {", "},\n{") + "\n")
for one in cases:
    print({key: value for key, value in one.items() if not isinstance(value, list)})
