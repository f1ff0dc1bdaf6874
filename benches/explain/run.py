"""Contributions of features to margins: ours and LightGBM's `pred_contrib`, on the same model and rows.

  python benches/explain/run.py X.npy Y.npy [ROWS [RUNS]]

X.npy holds a table of numbers, Y.npy 0 or 1 for each row. Needs lightgbm; builds ours itself. A model of 200 trees of 63
leaves is fitted on the first 50,000 rows, the ROWS after them are explained. Runs alternate, both use two threads.
"""
import os, statistics, subprocess, sys, tempfile, time
import lightgbm, numpy

X, Y = (numpy.load(path, mmap_mode="r") for path in sys.argv[1:3])
ROWS, RUNS = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((3, 2000), (4, 5)))
FITTED = 50_000
subprocess.run("cargo build -q --release -p rekindle-models --example contributions", shell=True, check=True)
with tempfile.TemporaryDirectory() as folder:
    model, rows, out = (os.path.join(folder, name) for name in ("model.txt", "rows.npy", "out"))
    settings = dict(objective="binary", num_leaves=63, learning_rate=0.1, num_threads=2, verbose=-1)
    lightgbm.train(settings, lightgbm.Dataset(numpy.array(X[:FITTED]), numpy.array(Y[:FITTED])), 200).save_model(model)
    booster = lightgbm.Booster(model_file=model)
    part = numpy.array(X[FITTED : FITTED + ROWS], dtype=numpy.float64)
    numpy.save(rows, part)
    command = ["target/release/examples/contributions", model, rows, out, "3"]
    ours, singles, theirs = [], [], []
    for _ in range(RUNS):
        start = time.perf_counter()
        expected = booster.predict(part, pred_contrib=True, num_threads=2)
        theirs.append(time.perf_counter() - start)
        said = subprocess.run(command, env=dict(os.environ, RAYON_NUM_THREADS="2"), capture_output=True, text=True, check=True)
        said = [line.split() for line in said.stdout.splitlines()]
        # Ours takes milliseconds, so the median of a few runs in one process stands for one of theirs.
        ours.append(statistics.median(float(seconds) for what, seconds in said if what == "batch"))
        singles += [float(seconds) for what, seconds in said if what == "single"]
    found = numpy.fromfile(out).reshape(expected.shape)
print(f"largest difference {abs(found - expected).max():.1e}, largest contribution {abs(expected).max():.2f}")
for name, times in (("lightgbm", theirs), ("rekindle", ours)):
    print(f"{name} {ROWS / statistics.median(times):.0f} rows a second, seconds {[round(t, 3) for t in sorted(times)]}")
print(f"ratio {statistics.median(theirs) / statistics.median(ours):.1f}; alone a row takes ours {statistics.median(singles) * 1e6:.0f} us")
