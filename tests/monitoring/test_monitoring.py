"""The dashboard and the alert rules: they name metrics that the service has, and the rules fire when
they should, by promtool."""

import re
import subprocess
from pathlib import Path

import pytest
import yaml

from tools.stack import paths

from . import files

# For each alert: series of a value a minute with which it fires, and with which it does not; and when
# to look. `@` stands for outlook_bridge_; {} for a service of the usual name.
CASES: dict[str, tuple[dict[str, str], dict[str, str], str]] = {
    "OutlookBridgeDown": ({"up{}": "0x20"}, {"up{}": "1x20"}, "10m"),
    "OutlookBridgePostgresDown": ({"@postgres_up{}": "0x20"}, {"@postgres_up{}": "0 1x20"}, "10m"),
    "OutlookBridgeSavesWait": (
        {'@owed_longest_seconds{side="outlook"}': "1000+60x30"},
        {'@owed_longest_seconds{side="outlook"}': "800x30", '@owed_longest_seconds{side="odoo"}': "5000x30"},
        "20m",
    ),
    "OutlookBridgeNewsWaits": (
        {'@owed_longest_seconds{side="odoo"}': "1000+60x30"},
        {'@owed_longest_seconds{side="odoo"}': "800x30", '@owed_longest_seconds{side="outlook"}': "5000x30"},
        "20m",
    ),
    "OutlookBridgeSavesAreSlow": (
        {
            '@save_to_microsoft_seconds_bucket{le="60"}': "0+1x90",
            '@save_to_microsoft_seconds_bucket{le="300"}': "0+10x90",
            '@save_to_microsoft_seconds_bucket{le="+Inf"}': "0+10x90",
        },
        {
            '@save_to_microsoft_seconds_bucket{le="60"}': "0+10x90",
            '@save_to_microsoft_seconds_bucket{le="300"}': "0+10x90",
            '@save_to_microsoft_seconds_bucket{le="+Inf"}': "0+10x90",
        },
        "80m",
    ),
    "OutlookBridgeOdooSilent": (
        {'@databases{state="silent"}': "1x40"},
        {'@databases{state="silent"}': "0x40", '@databases{state="paired"}': "3x40"},
        "30m",
    ),
    "OutlookBridgeQuarantined": (
        {'@databases{state="quarantined"}': "1x40"},
        {'@databases{state="quarantined"}': "0x40", '@databases{state="paused"}': "3x40"},
        "30m",
    ),
    "OutlookBridgeExchangeFails": (
        {'@databases{state="failing"}': "1x40"},
        {'@databases{state="failing"}': "1x5 0x40"},
        "30m",
    ),
    "OutlookBridgeQueueGrows": (
        {"@mailboxes_due_longest_seconds{}": "700x40"},
        {"@mailboxes_due_longest_seconds{}": "500x40"},
        "30m",
    ),
    "OutlookBridgeMailboxesInTrouble": (
        {'@mailboxes{state="in_trouble"}': "2x90"},
        {'@mailboxes{state="in_trouble"}': "2x50 0x40", '@mailboxes{state="stopped"}': "9x90"},
        "80m",
    ),
    "OutlookBridgeLoginsLapse": (
        {'@mailboxes{state="need_auth"}': "1x60 20x60"},
        {'@mailboxes{state="need_auth"}': "20x120"},
        "90m",
    ),
    "OutlookBridgeRunsFail": (
        {'@runs_total{ok="false"}': "0+5x60", '@runs_total{ok="true"}': "0+5x60"},
        {'@runs_total{ok="false"}': "0+1x60", '@runs_total{ok="true"}': "0+50x60"},
        "50m",
    ),
    "OutlookBridgeMicrosoftFails": (
        {
            '@microsoft_answers_total{outcome="failed"}': "0+5x60",
            '@microsoft_answers_total{outcome="unreachable"}': "0+5x60",
            '@microsoft_answers_total{outcome="ok"}': "0+5x60",
        },
        {
            '@microsoft_answers_total{outcome="refused"}': "0+50x60",
            '@microsoft_answers_total{outcome="failed"}': "0+5x60",
            '@microsoft_answers_total{outcome="ok"}': "0+5x60",
        },
        "50m",
    ),
    "OutlookBridgeThrottled": (
        {
            '@microsoft_answers_total{outcome="throttled"}': "0+10x120",
            '@microsoft_answers_total{outcome="ok"}': "0+50x120",
        },
        {
            '@microsoft_answers_total{outcome="throttled"}': "0+1x120",
            '@microsoft_answers_total{outcome="ok"}': "0+50x120",
        },
        "100m",
    ),
    "OutlookBridgeAppRefused": (
        {"@registrations_refused{}": "1x20"},
        {"@registrations_refused{}": "0x20"},
        "10m",
    ),
    "OutlookBridgeSecretEnds": (
        {"@secret_ends_seconds{}": "1000000-60x120"},
        {"@secret_ends_seconds{}": "NaN " * 100},
        "90m",
    ),
    "OutlookBridgeSubscriptionsFail": (
        {'@subscriptions{state="failing"}': "3x300"},
        {'@subscriptions{state="failing"}': "3x100 0x200", '@subscriptions{state="valid"}': "9x300"},
        "290m",
    ),
    "OutlookBridgeWaitsForAPerson": (
        {'@held{what="removals"}': "30x1800"},
        {'@held{what="removals"}': "30x600 0x1200", '@held{what="events"}': "7x1800"},
        "29h",
    ),
    "OutlookBridgeKeysAreTried": (
        {'@turned_away_total{status="401"}': "0+20x60"},
        {'@turned_away_total{status="401"}': "0+1x60", '@turned_away_total{status="413"}': "0+99x60"},
        "40m",
    ),
}
# Labels that Prometheus adds, or that belong to a histogram.
ANY_VALUE = {"job", "instance", "le"}


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [paths.prometheus("promtool"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def series(of: dict[str, str]) -> list[dict[str, str]]:
    def named(name: str) -> str:
        name = name.replace("@", "outlook_bridge_").replace("{", '{job="outlook-bridge",')
        return name.replace(",}", "}")

    return [{"series": named(name), "values": values} for name, values in of.items()]


def test_each_alert_has_a_case():
    assert set(CASES) == set(files.rules())


def test_each_alert_fires_and_does_not_fire(tmp_path: Path):
    tests = []
    for alert, rule in files.rules().items():
        fires, rests, at = CASES[alert]
        labels = {"job": "outlook-bridge", **rule["labels"]}
        if alert == "OutlookBridgeWaitsForAPerson":
            labels["what"] = "removals"
        raised = [{"exp_labels": labels, "exp_annotations": rule["annotations"]}]
        tests += [
            {
                "interval": "1m",
                "input_series": series(given),
                "alert_rule_test": [{"eval_time": at, "alertname": alert, "exp_alerts": expected}],
            }
            for given, expected in ((fires, raised), (rests, []))
        ]
    file = tmp_path / "tests.yml"
    file.write_text(yaml.safe_dump({"rule_files": [str(files.ALERTS)], "evaluation_interval": "5m", "tests": tests}))
    # It names each alert that fails.
    done = promtool("test", "rules", file)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_can_read_the_files():
    for kind, name in (("rules", "alerts.yml"), ("config", "prometheus.yml")):
        done = promtool("check", kind, files.FOLDER / name)
        assert done.returncode == 0, done.stdout + done.stderr


def test_metrics_are_read_from_the_code():
    known = files.metrics()
    assert len(known) > 20
    assert known["outlook_bridge_runs_total"] == files.Metric("Counter", "ok", {"true", "false"})
    assert "prune" in known["outlook_bridge_planning_lock_held_seconds"].values
    assert known["outlook_bridge_busy_total"].label == ""


@pytest.mark.parametrize(("where", "expression"), files.expressions())
def test_each_named_metric_label_and_value_is_the_services(where: str, expression: str):
    known = files.metrics()
    named = re.findall(r"\b(outlook_bridge_\w+)(?:\{([^}]*)\})?", expression)
    assert named or "up{" in expression, f"{where} names no metric"
    for name, matchers in named:
        base = next((name.removesuffix(part) for part in files.PARTS if name.removesuffix(part) in known), name)
        assert base in known, f"{where}: there is no metric {name}"
        metric = known[base]
        assert (metric.kind == "Histogram") == (base != name), f"{where}: {name} is a {metric.kind}"
        for label, values in re.findall(r'(\w+)\s*[!=]~?\s*"([^"]*)"', matchers or ""):
            if label in ANY_VALUE:
                continue
            assert label == metric.label, f"{where}: {name} has no label {label}"
            assert set(values.split("|")) <= metric.values, f"{where}: {name} has no such {label}: {values}"
    labels = {known[re.sub("(_bucket|_sum|_count)$", "", name)].label for name, _ in named}
    for by in re.findall(r"\bby \(([^)]*)\)", expression):
        assert set(by.replace(" ", "").split(",")) <= labels | ANY_VALUE, f"{where}: by ({by})"


def test_gauges_are_not_added_up_over_processes():
    gauges = {name for name, metric in files.metrics().items() if metric.kind == "Gauge"}
    for where, expression in files.expressions():
        if re.search(r"\b(sum|rate|increase)\b", expression):
            assert not gauges & set(re.findall(r"outlook_bridge_\w+", expression)), where


def test_each_metric_is_on_the_dashboard():
    shown = " ".join(expression for _, expression in files.expressions())
    assert [name for name in files.metrics() if name not in shown] == []


def test_panels_have_places_of_their_own():
    cells: set[tuple[int, int]] = set()
    for panel in files.panels():
        place = panel["gridPos"]
        assert place["x"] + place["w"] <= 24
        own = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & own, panel["title"]
        cells |= own
    assert len({panel["id"] for panel in files.panels()}) == len(files.panels())


def test_the_document_says_what_to_do_about_each_alert():
    assert set(re.findall(r"^\| `(OutlookBridge\w+)` \|", files.documented(), re.MULTILINE)) == set(files.rules())
