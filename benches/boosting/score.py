"""Scoring speed of one model (LightGBM's own, 200 trees x 63 leaves x 500 features) in LightGBM and in ours.

  python benches/boosting/score.py FOLDER [COUNT]

FOLDER holds wide_50000_X.npy and wide_50000_y.npy. Build ours first:
`cargo build --release -p rekindle-models --example score`. Batches: two threads, median of 5. One row: p50 of
LightGBM's fast single-row C call, which is its fastest.
"""
import ctypes, json, os, statistics, subprocess, sys, tempfile, time
import lightgbm, numpy as np

HERE = os.path.dirname(os.path.abspath(__file__))
SCORE = os.path.join(HERE, "..", "..", "target", "release", "examples", "score")
folder, count = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20_000
X, y = np.load(f"{folder}/wide_50000_X.npy"), np.load(f"{folder}/wide_50000_y.npy")
model = lightgbm.train(dict(objective="binary", num_leaves=63, learning_rate=0.1, num_threads=2, verbosity=-1), lightgbm.Dataset(X[:40_000], y[:40_000]), 200)
rows = np.ascontiguousarray(X[:count])


def batch():
    start = time.perf_counter()
    model.predict(rows, num_threads=2)
    return count / (time.perf_counter() - start)


def one_row():
    library = lightgbm.basic._LIB
    fast, length = ctypes.c_void_p(), ctypes.c_int64()
    library.LGBM_BoosterPredictForMatSingleRowFastInit(
        model._handle, ctypes.c_int(0), ctypes.c_int(0), ctypes.c_int(-1), ctypes.c_int(0), ctypes.c_int32(500), ctypes.c_char_p(b"num_threads=1"), ctypes.byref(fast))
    out = (ctypes.c_double * 1)()
    places = [ctypes.c_void_p(rows[i].ctypes.data) for i in np.random.default_rng(1).permutation(count)[:5_000]]
    times = []
    for place in places:
        start = time.perf_counter_ns()
        library.LGBM_BoosterPredictForMatSingleRowFast(fast, place, ctypes.byref(length), out)
        times.append(time.perf_counter_ns() - start)
    empty = []
    for place in places:  # what the call alone costs from Python
        start = time.perf_counter_ns()
        library.LGBM_GetLastError()
        empty.append(time.perf_counter_ns() - start)
    return (statistics.median(times) - statistics.median(empty)) / 1000


with tempfile.TemporaryDirectory() as d:
    model.save_model(f"{d}/model.txt")
    theirs = dict(rows_per_s=statistics.median(batch() for _ in range(5)), one_row_p50_us=one_row())
    ours = json.loads(subprocess.run([SCORE, f"{d}/model.txt", f"{folder}/wide_50000_X.npy", str(count)], capture_output=True, text=True, check=True).stdout)
    again = statistics.median(batch() for _ in range(5))
theirs["rows_per_s"] = max(theirs["rows_per_s"], again)
print(f"LightGBM  {theirs['rows_per_s']:,.0f} rows/s, one row {theirs['one_row_p50_us']:.1f} us")
print(f"rekindle  {ours['rows_per_s']:,.0f} rows/s, one row {ours['one_row_p50_us']:.1f} us")
print(f"ratio     {ours['rows_per_s'] / theirs['rows_per_s']:.1f}, one row {ours['one_row_p50_us'] / theirs['one_row_p50_us']:.2f}")
