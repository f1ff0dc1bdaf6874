"""ONNX files that other programs wrote answer in `rekindle compare` as they do in onnxruntime.

  python checks/other_onnx.py [TARGET_DIR]

Converts a LightGBM model (onnxmltools) and trees, forests and gradient boosting of scikit-learn (skl2onnx), compares
each with a model of a registry, and holds the probabilities of `--changes` against onnxruntime's (within 1e-5).
"""
import pathlib, subprocess, sys, tempfile, warnings

import lightgbm as lgb
import numpy as np
import onnxmltools
import onnxruntime
import pandas as pd
import skl2onnx
from onnxmltools.convert.common.data_types import FloatTensorType as Floats
from skl2onnx.common.data_types import DoubleTensorType, FloatTensorType
from sklearn.ensemble import ExtraTreesClassifier, GradientBoostingClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

warnings.filterwarnings("ignore")
ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target"
REKINDLE, ROWS, WIDTH = TARGET / "debug/rekindle", 3_000, 5


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"


def check(name, onnx, cells, folder):
    (folder / "model.onnx").write_bytes(onnx.SerializeToString())
    session = onnxruntime.InferenceSession(onnx.SerializeToString())
    given = session.get_inputs()[0]
    kind = np.float64 if "double" in given.type else np.float32
    said = session.run(None, {given.name: cells.astype(kind)})[1]
    theirs = np.array([row[1] for row in said])
    run(REKINDLE, "compare", folder / "registry/y", folder / "model.onnx", folder / "rows.csv", "--no-speed",
        "--changes", folder / "changes.csv")
    ours = pd.read_csv(folder / "changes.csv").sort_values("row")["probability_b"].to_numpy()
    apart = float(np.max(np.abs(ours - theirs)))
    assert apart <= 1e-5, f"{name}: apart by {apart:g}, expected at most 1e-5"
    return apart


def main(folder):
    draw = np.random.default_rng(1)
    # Cells with two digits are no floats: they are rounded as onnxruntime rounds them.
    cells = draw.normal(size=(ROWS, WIDTH)).round(2)
    cells[:, 3] = draw.integers(0, 6, ROWS)
    target = cells[:, 0] + cells[:, 1] * cells[:, 2] + (cells[:, 3] == 2) + draw.logistic(size=ROWS) > 0.5
    names = [f"f{i}" for i in range(WIDTH)]
    frame = pd.DataFrame(cells, columns=names)
    boosted = lgb.LGBMClassifier(n_estimators=20, verbose=-1).fit(frame, target.astype(int))
    frame.assign(y=target.astype(int)).to_csv(folder / "rows.csv", index=False)
    boosted.booster_.save_model(folder / "model.txt")
    run(REKINDLE, "import", folder / "model.txt", "-o", folder / "registry", "--name", "y", "--target", "y=1")
    worst = 0.0
    for zipmap in [True, False]:
        onnx = onnxmltools.convert_lightgbm(boosted, initial_types=[("x", Floats([None, WIDTH]))], zipmap=zipmap)
        worst = max(worst, check(f"LightGBM, zipmap {zipmap}", onnx, cells, folder))
    for model in [
        DecisionTreeClassifier(max_depth=5), RandomForestClassifier(30, max_depth=6), ExtraTreesClassifier(20),
        GradientBoostingClassifier(n_estimators=30),
    ]:
        model.fit(cells, target.astype(int))
        types = [FloatTensorType]
        # Of the others onnxruntime refuses what skl2onnx makes of doubles.
        types += [DoubleTensorType] if isinstance(model, RandomForestClassifier) else []
        for kind in types:
            onnx = skl2onnx.convert_sklearn(model, initial_types=[("x", kind([None, WIDTH]))],
                                            options={id(model): {"zipmap": False}})
            worst = max(worst, check(f"{type(model).__name__}, {kind.__name__}", onnx, cells, folder))
    print(f"onnx: probabilities as in onnxruntime, apart by at most {worst:.1e}")


with tempfile.TemporaryDirectory() as folder:
    main(pathlib.Path(folder))
