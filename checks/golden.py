"""Writes tests/it/golden/lightgbm.*: a small model as LightGBM saves it, rows, and its raw scores.

  python checks/golden.py

Only for a new version of LightGBM's format, never to make a test pass.
"""
import pathlib

import lightgbm as lgb
import numpy as np
import pandas as pd

FOLDER = pathlib.Path(__file__).resolve().parent.parent / "tests/it/golden"
draw = np.random.default_rng(7)
ROWS = 600
frame = pd.DataFrame({
    "recency_days": draw.integers(0, 200, ROWS).astype(float),
    "spend": draw.normal(50, 20, ROWS).round(2),
    "plan": pd.Categorical(draw.choice(["basic", "gold", "ü \"x\""], ROWS)),
    "year": pd.Categorical(draw.choice([9, 10, 100], ROWS)),
    "mail": pd.Categorical(draw.random(ROWS) < 0.5),
    "unused": 1.0,
})
frame.loc[::7, "spend"] = np.nan
frame.loc[::11, "plan"] = np.nan
margin = ((frame["recency_days"] - 100) / 40 + (frame["plan"] == "gold") - (frame["year"] == 9)
          + frame["mail"].astype(float) + frame["spend"].isna())
target = (margin + draw.logistic(size=ROWS) > 0.5).astype(int)
model = lgb.train({"objective": "binary", "sigmoid": 1.5, "num_leaves": 6, "min_data_in_leaf": 5,
                   "min_data_per_group": 5, "cat_smooth": 1, "verbose": -1, "num_threads": 1},
                  lgb.Dataset(frame, target), 4)
rows = frame.iloc[:60].copy()
rows.loc[3, "recency_days"] = np.nan
rows.loc[4, "recency_days"] = np.inf
model.save_model(FOLDER / "lightgbm.txt")
rows.to_csv(FOLDER / "lightgbm.rows.csv", index=False)
raw = model.predict(rows, raw_score=True)
bits = "".join(f"{bits:016x}\n" for bits in raw.view(np.uint64))
(FOLDER / "lightgbm.scores.txt").write_text(bits)
