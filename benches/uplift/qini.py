"""Qini of `rekindle fit-uplift` beside causalml's T-, S- and X-learners on LightGBM: the same folds, the same measure.

    rekindle fit-uplift TABLE ... --predictions predictions.csv
    python benches/uplift/qini.py TABLE predictions.csv --action COLUMN --control VALUE --outcome COLUMN --exclude A,B

Needs causalml, lightgbm, pandas. Prints, for each action, the area between the Qini curve and the line of treating at
random, per treated row, mean of the folds, with the standard error that a bootstrap of rows gives; and scikit-uplift's
`qini_auc_score` where that package is there."""

import argparse

import numpy
import pandas
from causalml.inference.meta import BaseSRegressor, BaseTRegressor, BaseXRegressor
from lightgbm import LGBMRegressor

try:
    from sklift.metrics import qini_auc_score
except ImportError:
    qini_auc_score = None


def qini(uplift, treated, outcome, weight):
    """The area of models/src/metrics/uplift.rs, its definition row by row; ties share a point."""
    order = numpy.argsort(-uplift, kind="stable")
    uplift, treated, outcome, weight = uplift[order], treated[order], outcome[order], weight[order]
    n1, n0 = numpy.cumsum(weight * treated), numpy.cumsum(weight * ~treated)
    y1, y0 = numpy.cumsum(weight * treated * outcome), numpy.cumsum(weight * ~treated * outcome)
    ends = numpy.append(uplift[1:] != uplift[:-1], True)
    with numpy.errstate(divide="ignore", invalid="ignore"):
        gained = numpy.where((n1 > 0) & (n0 > 0), y1 - y0 * n1 / n0, 0.0)
    share = numpy.concatenate([[0.0], (n1 + n0)[ends] / weight.sum()])
    gained = numpy.concatenate([[0.0], gained[ends]])
    return (numpy.trapezoid(gained, share) - gained[-1] / 2) / n1[-1]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("table")
    parser.add_argument("predictions")
    for name in ["action", "control", "outcome"]:
        parser.add_argument("--" + name, required=True)
    parser.add_argument("--exclude", default="")
    args = parser.parse_args()
    table, ours = pandas.read_csv(args.table), pandas.read_csv(args.predictions)
    table = table.iloc[(ours["row"] - 1).to_numpy()].reset_index(drop=True)
    dropped = [args.action, args.outcome, *filter(None, args.exclude.split(","))]
    features = table.drop(columns=dropped)
    for column in features.select_dtypes(exclude="number"):
        features[column] = features[column].astype("category").cat.codes
    x, y = features.to_numpy(float), table[args.outcome].to_numpy(float)
    arm, fold = table[args.action].map(lambda v: str(v) if isinstance(v,str) else format(v,"g")).to_numpy(), ours["fold"].to_numpy()
    actions = sorted(set(arm) - {args.control})
    learners = {"T": BaseTRegressor, "S": BaseSRegressor, "X": BaseXRegressor}
    answers = {name: numpy.full((len(y), len(actions)), numpy.nan) for name in learners}
    for held in sorted(set(fold)):
        learn, ask = fold != held, fold == held
        for name, kind in learners.items():
            model = kind(learner=LGBMRegressor(verbose=-1), control_name=args.control)
            extra = {}
            if name == "X":
                extra["p"] = {a: numpy.full(learn.sum(), 0.5) for a in actions}
            model.fit(x[learn], arm[learn], y[learn], **extra)
            if name == "X":
                extra["p"] = {a: numpy.full(ask.sum(), 0.5) for a in actions}
            answers[name][ask] = model.predict(x[ask], **extra)
    random = numpy.random.default_rng(0)
    for place, action in enumerate(actions):
        either = (arm == action) | (arm == args.control)
        all_models = {"rekindle": ours[f"uplift_{action}"].to_numpy(), **{n: a[:, place] for n, a in answers.items()}}
        for name, uplift in all_models.items():
            def area(weight):
                parts = [(either & (fold == held)) for held in sorted(set(fold))]
                sizes = numpy.array([part.sum() for part in parts])
                areas = [qini(uplift[p], arm[p] == action, y[p], weight[p]) for p in parts]
                return (sizes * areas).sum() / sizes.sum()
            value = area(numpy.ones(len(y)))
            drawn = [area(random.poisson(1.0, len(y)).astype(float)) for _ in range(50)]
            more = ""
            if qini_auc_score and set(y) <= {0.0, 1.0}:
                treated = (arm == action).astype(int)
                scores = [qini_auc_score(y[p], uplift[p], treated[p])
                          for held in sorted(set(fold)) for p in [either & (fold == held)]]
                more = f"   scikit-uplift qini_auc_score {numpy.mean(scores):.4f}"
            print(f"{action:20} {name:9} qini {value:.5f} (standard error {numpy.std(drawn, ddof=1):.5f}){more}")


if __name__ == "__main__":
    main()
