"""Holds what stands in examples/ to the code: names of metrics and their labels in alerts and dashboard (src/counters.rs),
names of settings and REKINDLE_ variables (src/settings.rs). Reads files only. Needs PyYAML; promtool, where there is
one, checks and tests the rules besides.
  python3 checks/monitoring.py
"""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parent.parent
MONITORING = ROOT / "examples/monitoring"
RULES, TESTS, DASHBOARD = (MONITORING / name for name in ("alerts.yml", "alerts_test.yml", "grafana-dashboard.json"))

# What Prometheus adds, and what the process collector of the crate `prometheus` tells.
OF_TARGETS = {"job", "instance"}
OTHERS = {"up": set(), "ALERTS": {"alertname", "alertstate", "model", "part", "instance"}} | {
    f"process_{name}": set()
    for name in (
        "cpu_seconds_total",
        "max_fds",
        "open_fds",
        "resident_memory_bytes",
        "start_time_seconds",
        "threads",
        "virtual_memory_bytes",
    )
}
GROUPING = r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)"
WORDS = {"and", "or", "unless", "on", "ignoring", "group_left", "group_right", "offset", "bool", "inf", "nan"}


def metrics():
    """Every series that the service may answer, with its labels."""
    source = (ROOT / "src/counters.rs").read_text()
    version = set(re.findall(r'"(\w+)"', re.search(r"const VERSION: [^=]*= (.*);", source).group(1)))
    kinds = "counters|histograms|gauges|counter|IntGauge::new|Gauge::new"
    made = rf'\b({kinds})\(\s*"(rekindle_\w+)",\s*"[^"]*",?([^;]*?)\)[,;]'
    found = {}
    for kind, name, rest in re.findall(made, source):
        labels = version if "&VERSION" in rest else set(re.findall(r'"(\w+)"', rest))
        if kind == "histograms":
            found[f"{name}_bucket"] = labels | {"le"}
            found[f"{name}_sum"] = found[f"{name}_count"] = labels
        else:
            found[name] = labels
    named = set(re.findall(r'"(rekindle_\w+)"', source))
    told = {re.sub("_(bucket|sum|count)$", "", name) if name not in named else name for name in found}
    assert named == told, f"src/counters.rs is written otherwise than this script reads it: {named ^ told}"
    return found


def expressions():
    """Every PromQL expression, with where it stands."""
    rules = yaml.safe_load(RULES.read_text())
    for group in rules["groups"]:
        for rule in group["rules"]:
            yield f"{RULES.name}: {rule.get('alert') or rule['record']}", rule["expr"]
    for case in yaml.safe_load(TESTS.read_text())["tests"]:
        for series in case["input_series"]:
            yield f"{TESTS.name}: {case['name']}", series["series"]
    dashboard = json.loads(DASHBOARD.read_text())
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield f"{DASHBOARD.name}: {panel['title']}", target["expr"]
    for annotation in dashboard["annotations"]["list"]:
        if "expr" in annotation:
            yield f"{DASHBOARD.name}: {annotation['name']}", annotation["expr"]
    for variable in dashboard["templating"]["list"]:
        values = re.fullmatch(r"label_values\((.*), (\w+)\)", variable.get("definition", ""))
        if values:
            yield f"{DASHBOARD.name}: ${variable['name']}", f"sum by ({values.group(2)}) ({values.group(1)})"


def wrong_in(expression, known):
    """What an expression names that does not exist."""
    text = re.sub(r"#.*", "", expression)
    text = re.sub(r'"(?:[^"\\]|\\.)*"', '""', text)
    grouped = set()
    for names in re.findall(GROUPING, text):
        grouped |= set(re.findall(r"\w+", names))
    text = re.sub(GROUPING, " ", text)
    text = re.sub(r"\[[^\]]*\]|\boffset\s+\w+", " ", text)
    used = re.findall(r"(?<![\w.])([a-zA-Z_]\w*)\s*(\{[^}]*\}|\(|)", text)
    available = set()
    for name, after in used:
        if after == "(" or name.lower() in WORDS:
            continue
        if name not in known:
            yield f"no metric {name}"
            continue
        labels = known[name] | OF_TARGETS
        available |= labels
        for label in set(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", after)) - labels:
            yield f"{name} has no label {label}"
    for label in grouped - available:
        yield f"no metric here has the label {label}"


def wrong_settings():
    """Settings and variables in examples/ that do not exist, and settings that server.toml leaves out."""
    source = (ROOT / "src/settings.rs").read_text()
    variables = set(re.findall(r'env = "(REKINDLE_\w+)"', source))
    settings = {name.removeprefix("REKINDLE_").lower() for name in variables} - {"config"}
    # Flags of the cluster's programs are no settings of the service.
    variables |= set(re.findall(r'env = "(REKINDLE_\w+)"', (ROOT / "cluster/src/nodes.rs").read_text()))
    example = (ROOT / "examples/server.toml").read_text()
    # Lines that are commented out are settings as well, when they look like one.
    told = set(tomllib.loads(example)) | set(re.findall(r"^# (\w+) = ", example, re.MULTILINE))
    for name in settings ^ told:
        yield f"examples/server.toml and src/settings.rs do not agree on {name}"
    deployed = yaml.safe_load((ROOT / "examples/deploy/kubernetes/configmap.yaml").read_text())
    for name in set(tomllib.loads(deployed["data"]["server.toml"])) - settings:
        yield f"configmap.yaml: no setting {name}"
    # Of the compose file itself, and not the service's.
    own = {"REKINDLE_USER"}
    for path in [ROOT / "Containerfile", *sorted((ROOT / "examples").rglob("*"))]:
        if path.is_file() and path.suffix != ".json":
            for name in set(re.findall(r"REKINDLE_[A-Z_]*[A-Z]", path.read_text())) - variables - own:
                yield f"{path.relative_to(ROOT)}: no variable {name}"


def main():
    known = metrics() | OTHERS
    checked = list(expressions())
    wrong = [f"{where}: {what}" for where, expression in checked for what in wrong_in(expression, known)]
    wrong += wrong_settings()
    text = "".join(expression for where, expression in checked if DASHBOARD.name in where)
    for name in known:
        if name.startswith("rekindle_") and not name.endswith(("_bucket", "_sum", "_count")) and name not in text:
            wrong.append(f"{DASHBOARD.name}: nothing shows {name}")
    ids = [panel["id"] for panel in json.loads(DASHBOARD.read_text())["panels"]]
    if len(ids) != len(set(ids)):
        wrong.append(f"{DASHBOARD.name}: two panels have the same id")
    if wrong:
        sys.exit("\n".join(["monitoring: FAILED", *wrong]))
    promtool = shutil.which("promtool")
    if promtool:
        for arguments in (["check", "rules", RULES.name], ["test", "rules", TESTS.name]):
            subprocess.run([promtool, *arguments], cwd=MONITORING, check=True, stdout=subprocess.DEVNULL)
    else:
        print("monitoring: SKIPPED the tests of the rules, there is no promtool")
    print(f"monitoring: {len(checked)} expressions and all settings exist in the code")


if __name__ == "__main__":
    main()
