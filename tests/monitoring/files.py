"""Reads the files of packaging/monitoring, and the metrics that the service has."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from tools.stack import paths

FOLDER = paths.PROJECT_ROOT / "packaging/monitoring"
ALERTS = FOLDER / "alerts.yml"
DASHBOARD = FOLDER / "dashboard.json"
MEASURES = paths.PROJECT_ROOT / "src/measures.rs"
# What a histogram is shown as.
PARTS = ("_bucket", "_sum", "_count")


@dataclass
class Metric:
    kind: str
    # The name of the label, or "", and the values that are shown from the start.
    label: str
    values: set[str]


def metrics() -> dict[str, Metric]:
    """Returns what src/measures.rs declares."""
    text = MEASURES.read_text()
    purposes = re.search(r"const ALL: &\[&str\] = &\[([^]]*)\]", text)
    assert purposes
    found = {}
    for name, kind, label in re.findall(
        r'Measure = Measure \{\s*name: "(\w+)",\s*kind: Kind::(\w+).*?label: (.*?),?\s*\};', text, re.DOTALL
    ):
        words = re.findall(r'"([^"]*)"', label)
        values = re.findall(r'"([^"]*)"', purposes[1]) if "Purpose::ALL" in label else words[1:]
        found[name] = Metric(kind, words[0] if words else "", set(values))
    return found


def rules() -> dict[str, dict]:
    """Returns the alert rules by their names."""
    (group,) = yaml.safe_load(ALERTS.read_text())["groups"]
    return {rule["alert"]: rule for rule in group["rules"]}


def panels() -> list[dict]:
    return [panel for panel in json.loads(DASHBOARD.read_text())["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Returns the title and the text of all expressions."""
    shown = [(panel["title"], target["expr"]) for panel in panels() for target in panel["targets"]]
    return [*shown, *((name, rule["expr"]) for name, rule in rules().items())]


def documented() -> str:
    return Path(paths.PROJECT_ROOT / "docs/monitoring.md").read_text()
