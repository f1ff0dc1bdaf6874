"""Makes what run.py sends and serves: a LightGBM model of 200 trees x 63 leaves x 500 features, the same customers in
every server's words, and LightGBM's own answers to them.

  PEERS/venv/bin/python benches/serve/prepare.py SCRIPTS FOLDER

SCRIPTS is the folder of the peers' `gen_wide.py` and `serve/fastapi_app.py`; FOLDER is made (35 MB). Needs numpy,
lightgbm and polars. Where PEERS has `venv-mlflow` beside `venv`, MLflow's model is saved, too. Takes a minute.
"""
import json, os, shutil, subprocess, sys

SAVE_FOR_MLFLOW = """
import sys, lightgbm, pandas, mlflow.lightgbm
from mlflow.models import infer_signature
names = open("names.txt").read().split(",")
rows = pandas.DataFrame([[0.5] * len(names), [float("nan")] * len(names)], columns=names)
mlflow.lightgbm.save_model(lightgbm.Booster(model_file="model.txt"), "mlflow", signature=infer_signature(rows))
"""


def main(scripts, folder):
    folder = os.path.abspath(folder)
    os.makedirs(folder, exist_ok=True)
    os.environ.setdefault("PEERS_HOME", folder)  # gen_wide asks for it
    sys.dont_write_bytecode = True
    sys.path.insert(0, scripts)
    import lightgbm, numpy as np
    from gen_wide import NAMES, frame, generate

    path = lambda name: os.path.join(folder, name)
    X, y, _ = generate(50_000)
    if not os.path.exists(path("model.txt")):
        params = dict(objective="binary", num_leaves=63, verbosity=-1, num_threads=2)
        data = lightgbm.Dataset(X[:40_000], y[:40_000], feature_name=NAMES)
        lightgbm.train(params, data, 200).save_model(path("model.txt"))
    frame(X[40_000:], y[40_000:]).write_csv(path("held_out.csv"))  # for percentiles
    with open(path("names.txt"), "w") as file:
        file.write(",".join(NAMES))

    table = frame(X[40_000:41_000], y[40_000:41_000]).drop("label")
    table.write_csv(path("batch.csv"))
    rows = [list(row) for row in table.rows()]
    zeros = [[0.0 if cell is None else cell for cell in row] for row in rows]  # v2 JSON has no null for MLServer

    def write(name, body):
        with open(path(name), "w") as file:
            json.dump(body, file, separators=(",", ":"))

    def tensor(rows, datatype, **more):
        return {"inputs": [{"name": "x", "shape": [len(rows), len(NAMES)], "datatype": datatype, **more}]}

    flat = lambda rows: [float(cell) for row in rows for cell in row]
    one = dict(zip(NAMES, rows[0]))
    write("single.json", one)
    write("fastapi_single.json", {"features": one})
    write("v2_single.json", tensor(zeros[:1], "FP32", data=flat(zeros[:1])))
    write("split.json", {"dataframe_split": {"columns": NAMES, "data": rows}})
    write("fastapi_batch.json", {"columns": NAMES, "data": rows})
    write("v2_fp32.json", tensor(zeros, "FP32", data=flat(zeros)))
    write("v2_fp64.json", tensor(zeros, "FP64", data=flat(zeros)))
    numbers = np.array(rows, dtype="<f8")  # None is NaN
    behind = tensor(rows, "FP64", parameters={"binary_data_size": numbers.nbytes})
    header = json.dumps(behind, separators=(",", ":")).encode()
    with open(path("v2_fp64.bin"), "wb") as file:
        file.write(header + numbers.tobytes())
    write("v2_fp64.bin.headers", {"Inference-Header-Content-Length": str(len(header))})

    model = lightgbm.Booster(model_file=path("model.txt"))
    answers = lambda rows, kind: model.predict(np.array(rows, dtype=kind), num_threads=1).tolist()
    kinds = (np.float64, np.float32)  # some peers round to 32 bits, and a cell may then lie beyond a threshold
    write("expected.json", {"rows": [answers(rows, kind) for kind in kinds], "zeros": [answers(zeros, kind) for kind in kinds]})

    shutil.copyfile(os.path.join(scripts, "serve", "fastapi_app.py"), path("fastapi_app.py"))
    mlflow = os.path.join(os.path.dirname(sys.prefix), "venv-mlflow", "bin", "python")
    if os.path.exists(mlflow) and not os.path.exists(path("mlflow")):
        env = dict(os.environ, MLFLOW_TRACKING_URI="file:" + path("mlruns"), MLFLOW_DISABLE_TELEMETRY="true")
        subprocess.run([mlflow, "-c", SAVE_FOR_MLFLOW], cwd=folder, env=env, check=True)


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
