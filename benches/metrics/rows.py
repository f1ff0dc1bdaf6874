"""Writes a table of so many rows with 10 features and a target, block by block, as Parquet.

  python benches/metrics/rows.py ROWS FILE.parquet        (needs numpy, pyarrow)
"""
import sys

import numpy as np
import pyarrow
import pyarrow.parquet

rows, path = int(sys.argv[1]), sys.argv[2]
draw = np.random.default_rng(1)
names = [f"feature_{place}" for place in range(10)]
schema = pyarrow.schema([(name, pyarrow.float64()) for name in names] + [("churned", pyarrow.int64())])
with pyarrow.parquet.ParquetWriter(path, schema) as to:
    for start in range(0, rows, 500_000):
        count = min(500_000, rows - start)
        cells = np.round(draw.normal(size=(count, 10)), 3)
        odds = -2.5 + cells[:, 0] - 0.5 * cells[:, 1] + 0.3 * cells[:, 2]
        target = (draw.random(count) < 1 / (1 + np.exp(-odds))).astype(int)
        columns = [pyarrow.array(column) for column in cells.T] + [pyarrow.array(target)]
        to.write_table(pyarrow.table(columns, schema=schema))
