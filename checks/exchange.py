"""Models exchanged with LightGBM and onnxruntime answer as they do there.

  python checks/exchange.py [TARGET_DIR]

Fits LightGBM models with every kind of feature and missing value, takes each into Rekindle with
`rekindle import`, and compares raw scores (within 1e-12); writes it back with `rekindle export` and
compares what LightGBM makes of that; writes ONNX and compares onnxruntime's probabilities (within
1e-5). Needs lightgbm, pandas and onnxruntime: `checks/run` installs them.
"""
import pathlib, subprocess, sys, tempfile

import lightgbm as lgb
import numpy as np
import onnxruntime
import pandas as pd

ROOT = pathlib.Path(__file__).resolve().parent.parent
TARGET = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "target"
REKINDLE, RAW_SCORES = TARGET / "debug/rekindle", TARGET / "debug/examples/raw_scores"
ROWS, DRAWN = 3_000, 20
WORST = {"import": 0.0, "export": 0.0, "onnx": 0.0}


def table(seed):
    """Numbers with ties, zeros, gaps and infinities; codes; pandas categories of several types."""
    draw = np.random.default_rng(seed)
    number = draw.normal(size=ROWS).round(1)
    number[draw.random(ROWS) < 0.15] = np.nan
    zeros = np.where(draw.random(ROWS) < 0.5, 0.0, draw.normal(size=ROWS))
    huge = draw.choice([np.inf, -np.inf, 1e300, -1e300, 0.0, 1.0, 2.0], ROWS)
    counts = draw.integers(0, 4, ROWS).astype(float)
    counts[draw.random(ROWS) < 0.1] = np.nan
    code = draw.integers(0, 70, ROWS).astype(float)
    code[draw.random(ROWS) < 0.1] = np.nan
    text = draw.choice(["basic", "gold", "ü, \"x\"", "z"], ROWS).astype(object)
    text[draw.random(ROWS) < 0.1] = None
    frame = pd.DataFrame({
        "number": number, "zeros": zeros, "huge": huge, "counts": counts, "code": code,
        "text": pd.Categorical(text),
        "year": pd.Categorical(draw.choice([10, 9, 100], ROWS)),
        "size": pd.Categorical(draw.choice([1.5, 2.0, 0.25], ROWS)),
        "yes": pd.Categorical(draw.random(ROWS) < 0.5),
        "many": pd.Categorical([f"level {i}" for i in draw.integers(0, 200, ROWS)]),
        "constant": pd.Categorical(["same"] * ROWS),
    })
    margin = (
        np.nan_to_num(number) + 2 * (zeros == 0) + (frame["text"] == "gold") - (code % 3 == 1)
        + (huge > 1) + frame["yes"].astype(float) * (counts > 1) - (frame["year"] == 9)
        + frame["many"].cat.codes % 5 / 3
    )
    return frame, (margin + draw.logistic(size=ROWS) > 1).astype(int)


NUMBERS = ["number", "zeros", "huge", "counts"]
CATEGORIES = ["text", "year", "size", "yes", "many", "constant"]
MODELS = {
    # name: (columns, categorical columns of integers, parameters, trees)
    "numbers": (NUMBERS, [], {}, 60),
    "no missing values": (NUMBERS, [], {"use_missing": False}, 40),
    "zero is missing": (NUMBERS, [], {"zero_as_missing": True}, 40),
    "integer categories": (NUMBERS + ["code"], ["code"], {"max_cat_to_onehot": 1}, 40),
    "pandas categories": (NUMBERS + CATEGORIES, "auto", {"min_data_per_group": 5}, 60),
    "one against the rest": (CATEGORIES, "auto", {"max_cat_to_onehot": 300}, 40),
    "random forest": (NUMBERS + CATEGORIES, "auto", {
        "boosting": "rf", "bagging_fraction": 0.6, "bagging_freq": 1}, 25),
    "dart": (NUMBERS, [], {"boosting": "dart"}, 25),
    "another sigmoid": (NUMBERS, [], {"sigmoid": 2.5}, 30),
    "cross entropy": (NUMBERS, [], {"objective": "cross_entropy"}, 30),
    "deep": (NUMBERS + CATEGORIES, "auto", {"num_leaves": 400, "min_data_in_leaf": 1}, 20),
    "two leaves": (NUMBERS, [], {"num_leaves": 2}, 10),
    "no split": (NUMBERS, [], {"min_data_in_leaf": ROWS}, 3),
    "only gains": (["number"], [], {"boost_from_average": False, "num_leaves": 3,
                                    "min_data_in_leaf": ROWS // 3}, 2),
}


def run(*words):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True)
    assert done.returncode == 0, f"{words}: {done.stderr}"
    return done.stdout


def rekindle_scores(model, csv):
    bits = run(RAW_SCORES, model, csv).split()
    return np.array([int(b, 16) for b in bits], dtype=np.uint64).view(np.float64)


def apart(kind, ours, theirs, limit, name):
    assert len(ours) == len(theirs), f"{name}, {kind}: {len(ours)} and {len(theirs)} rows"
    worst = float(np.max(np.abs(ours - theirs)))
    WORST[kind] = max(WORST[kind], worst)
    assert worst <= limit, f"{name}, {kind}: apart by {worst:g}, expected at most {limit:g}"


def ask(columns, integers, seed):
    """Rows to score: some seen while fitting, and cells that were not: unknown levels, odd codes."""
    frame, _ = table(seed)
    frame = frame[columns].iloc[:500].copy()
    for column in columns:
        if column == "text":
            frame[column] = frame[column].cat.add_categories(["never seen"])
            frame.loc[frame.index[:20], column] = "never seen"
        elif column == "code":
            frame.loc[frame.index[:4], column] = [99.0, 1e6, -1.0, -7.0]
        elif column in NUMBERS:
            frame.loc[frame.index[:6], column] = [0.0, -0.0, 1e-36, -1e-36, 1e-34, np.nan]
    return frame


def places(frame, columns, fitted):
    """The cells as places of levels, as ONNX takes them."""
    cells = np.empty((len(frame), len(columns)))
    for i, column in enumerate(columns):
        if column not in CATEGORIES:
            cells[:, i] = frame[column]
            continue
        levels = list(fitted[column].cat.categories)
        place = {level: float(p) for p, level in enumerate(levels)}
        cells[:, i] = [np.nan if pd.isna(v) else place.get(v, -1.0) for v in frame[column]]
    return cells


def drawn_tree(draw, place):
    """A tree as no fit would make it: every way of missing at every kind of threshold."""
    nodes = int(draw.integers(1, 30))
    left, right, ends = [None] * nodes, [None] * nodes, [(None, 0)]
    for node in range(nodes):
        below, side = ends.pop(int(draw.integers(len(ends)))) if node else ends.pop()
        if below is not None:
            (left if side == 0 else right)[below] = node
        ends += [(node, 0), (node, 1)]
    for leaf, (below, side) in enumerate(ends):
        (left if side == 0 else right)[below] = -leaf - 1
    thresholds, decisions, features, boundaries, words = [], [], [], [0], []
    for _ in range(nodes):
        if draw.random() < 0.3:
            thresholds.append(len(boundaries) - 1)
            decisions.append(draw.choice([1, 9]))
            features.append(3)
            # Sets without a level, and with empty words, are among them.
            words += [int(w) for w in draw.choice([0, 1, 6, 2**31, 2**32 - 1], draw.integers(1, 4))]
            boundaries.append(len(words))
        else:
            cuts = [0.0, 1e-34, -1e-34, 1.0000000180025095e-35, -1.0000000180025095e-35,
                    -2.0, -0.5, 0.5, 2.0, 1e300, -1e300, np.inf, -np.inf, draw.normal()]
            thresholds.append(draw.choice(cuts))
            decisions.append(draw.choice([0, 2, 4, 6, 8, 10]))
            features.append(draw.integers(0, 3))
    line = lambda key, values: f"{key}={' '.join(str(v) for v in values)}\n"
    sets = len(boundaries) - 1
    text = f"Tree={place}\nnum_leaves={nodes + 1}\nnum_cat={sets}\n"
    text += line("split_feature", features) + line("split_gain", [1] * nodes)
    text += line("threshold", thresholds) + line("decision_type", decisions)
    text += line("left_child", left) + line("right_child", right)
    text += line("leaf_value", [repr(float(v)) for v in draw.normal(size=nodes + 1) * 0.3])
    if sets:
        text += line("cat_boundaries", boundaries) + line("cat_threshold", words)
    return text + "is_linear=0\nshrinkage=1\n\n\n"


def drawn(seed):
    """A model and rows drawn at random, where both sides of each question are met."""
    draw = np.random.default_rng(seed)
    trees = [drawn_tree(draw, place) for place in range(20)]
    text = ("tree\nversion=v4\nnum_class=1\nnum_tree_per_iteration=1\nlabel_index=0\n"
            "max_feature_idx=3\nobjective=binary sigmoid:1\nfeature_names=a b c code\n"
            "feature_infos=[-9:9] [-9:9] [-9:9] 0:1\n"
            f"tree_sizes={' '.join(str(len(t)) for t in trees)}\n\n{''.join(trees)}end of trees\n\n"
            "parameters:\nend of parameters\n\npandas_categorical:null\n")
    # No cells within 1e-35 of zero: LightGBM's interface makes zeros of them before its trees see them.
    cells = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1.1e-35, -1.1e-35, 1e-30, -1e-30, 0.5, -0.5, 2.0, -2.0, 1e300,
             1.1e300, -1.1e300, 0.1, -0.1, 1.0, -1.0, 5.0, -5.0]
    rows = pd.DataFrame({name: draw.choice(cells, 800) for name in "abc"})
    rows["code"] = draw.choice([np.nan, -1.0, 1e6, *range(100)], 800)
    return lgb.Booster(model_str=text), rows


def check_fit(name, columns, integers, parameters, trees, folder):
    fitted, target = table(1)
    parameters = {"objective": "binary", "verbose": -1, "num_threads": 2, "min_data_in_leaf": 5,
                  "deterministic": True, **parameters}
    data = lgb.Dataset(fitted[columns], target, categorical_feature=integers)
    theirs = lgb.train(parameters, data, trees)
    compare(name, theirs, ask(columns, integers, 2), columns, fitted, parameters, folder)


def compare(name, theirs, rows, columns, fitted, parameters, folder):
    text, registry = folder / "model.txt", folder / "registry"
    theirs.save_model(text)
    run(REKINDLE, "import", text, "-o", registry, "--name", "m")
    rows.to_csv(folder / "rows.csv", index=False)
    # LightGBM's raw score of a random forest is the sum of its trees; what it makes a probability of,
    # and what Rekindle calls the raw score, is their mean.
    share = theirs.num_trees() if parameters.get("boosting") == "rf" else 1
    raw = theirs.predict(rows, raw_score=True) / share
    saved = registry / "m/1/model.rekindle"
    apart("import", rekindle_scores(saved, folder / "rows.csv"), raw, 1e-12, name)

    run(REKINDLE, "export", saved, "--format", "lightgbm", "-o", folder / "back.txt")
    back = lgb.Booster(model_file=folder / "back.txt")
    apart("export", back.predict(rows, raw_score=True) / share, raw, 1e-12, name)
    assert back.num_trees() == theirs.num_trees(), name

    run(REKINDLE, "export", saved, "--format", "onnx", "-o", folder / "model.onnx")
    session = onnxruntime.InferenceSession(folder / "model.onnx", providers=["CPUExecutionProvider"])
    cells = places(rows, columns, fitted)
    label, probability = session.run(None, {"rows": cells})
    expected = theirs.predict(rows)
    apart("onnx", probability[:, 1], expected, 1e-5, name)
    apart("onnx", probability[:, 0], 1 - expected, 1e-5, name)
    clear = np.abs(expected - 0.5) > 1e-5
    assert (label == (expected > 0.5))[clear].all(), f"{name}: labels"
    for row in (0, 1, len(cells) - 1):
        _, alone = session.run(None, {"rows": cells[row:row + 1]})
        apart("onnx", alone[:, 1], expected[row:row + 1], 1e-5, name)


for name, (columns, integers, parameters, trees) in MODELS.items():
    with tempfile.TemporaryDirectory() as folder:
        check_fit(name, columns, integers, parameters, trees, pathlib.Path(folder))
    print(f"{name}: equal")
for seed in range(DRAWN):
    with tempfile.TemporaryDirectory() as folder:
        theirs, rows = drawn(seed)
        compare(f"drawn {seed}", theirs, rows, list(rows), None, {}, pathlib.Path(folder))
print(f"{DRAWN} drawn models: equal")
print(f"{len(MODELS) + DRAWN} models; worst difference: raw score imported {WORST['import']:g}, exported "
      f"{WORST['export']:g}, probability in ONNX {WORST['onnx']:g}")
