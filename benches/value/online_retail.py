"""`rekindle value` and the Python package lifetimes on a held-out period of UCI Online Retail.

    python benches/value/online_retail.py DATA REKINDLE [--cutoff 2011-12-10] [--days 90]

Fits what happened before the period, by both, and lays purchases (days with one) predicted for it beside those that
came. Needs lifetimes, pandas. Models are rekindle's where it says so, with lifetimes' code around lifetimes' own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pandas as pd
from lifetimes import BetaGeoFitter, ParetoNBDFitter

arguments = argparse.ArgumentParser()
arguments.add_argument("data", type=Path)
arguments.add_argument("rekindle")
arguments.add_argument("--cutoff", default="2011-12-10")
arguments.add_argument("--days", type=int, default=90)
given = arguments.parse_args()

log = pd.read_csv(given.data / "online_retail.csv.gz", dtype={"InvoiceNo": str})
log = log[log.CustomerID.notna() & ~log.InvoiceNo.str.startswith("C")]
day = pd.to_datetime(log.InvoiceDate).dt.normalize()
days = pd.DataFrame({"customer": log.CustomerID, "day": day}).drop_duplicates()
cutoff = pd.Timestamp(given.cutoff)
earlier = cutoff - pd.Timedelta(days=given.days)
before, after = days[days.day < earlier], days[(days.day >= earlier) & (days.day < cutoff)]
table = before.groupby("customer").day.agg(["min", "max", "size"])
rfm = pd.DataFrame({
    "frequency": table["size"] - 1,
    "recency": (table["max"] - table["min"]).dt.days,
    # The period ends with the last day before it.
    "T": (earlier - pd.Timedelta(days=1) - table["min"]).dt.days,
})
actual = after.groupby("customer").size().reindex(table.index, fill_value=0)


def judged(name, predicted):
    off = predicted - actual
    print(f"{name:22} told/true {predicted.sum() / actual.sum():.4f}  RMSE {np.sqrt((off**2).mean()):.5f}  "
          f"MAE {off.abs().mean():.5f}")


print(f"{len(rfm)} customers, {actual.sum()} purchase days within {given.days} days from {earlier.date()}")
for name, fitter in (("bg_nbd", BetaGeoFitter()), ("pareto_nbd", ParetoNBDFitter())):
    try:
        fitter.fit(rfm.frequency, rfm.recency, rfm["T"])
    except Exception as error:
        print(f"{name:11} lifetimes   {type(error).__name__}: {str(error).splitlines()[0]}")
        continue
    predicted = fitter.conditional_expected_number_of_purchases_up_to_time(given.days, rfm.frequency, rfm.recency, rfm["T"])
    judged(f"{name} lifetimes", pd.Series(np.asarray(predicted), index=rfm.index))

project = Path(__file__).resolve().parents[2] / "tests/specs/online_retail_uci.toml"
with tempfile.TemporaryDirectory() as folder:
    command = [given.rekindle, "value", project, "--data", given.data, "--cutoff", given.cutoff, "--json", "--quiet",
               "--span", f"{given.days}d", "-o", Path(folder) / "values.csv"]
    told = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
trial = told["trial"]
if trial["customers"] != len(rfm):
    sys.exit(f"rekindle judged {trial['customers']} customers, lifetimes {len(rfm)}: not the same")
for candidate in trial["candidates"]:
    errors = candidate["orders"]
    if errors:
        print(f"{candidate['model'] + ' rekindle':22} told/true {errors['predicted'] / errors['actual']:.4f}  "
              f"RMSE {errors['root_mean_squared_error']:.5f}  MAE {errors['mean_absolute_error']:.5f}")
