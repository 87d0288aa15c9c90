"""A real Prometheus asks a running service: it understands the metrics, the rules and the dashboard's
expressions."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import yaml

from tests.monitoring import files
from tools import walk
from tools.stack import eventually, paths
from tools.stack.process import Process, free_port

from .site import ANN, Site

pytestmark = pytest.mark.long

# These rate events over time; of a service that has just started there may be none.
MAY_BE_EMPTY = ("rate(", "increase(", "offset 1h")


class Prometheus:
    """A Prometheus that asks one service each second, with the rules of packaging/monitoring."""

    def __init__(self, folder: Path, service: str):
        folder.mkdir(parents=True, exist_ok=True)
        config = yaml.safe_load((files.FOLDER / "prometheus.yml").read_text())
        config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
        config["rule_files"] = [str(files.ALERTS)]
        config["scrape_configs"][0]["static_configs"][0]["targets"] = [service.removeprefix("http://")]
        (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        command = [
            str(paths.prometheus("prometheus")),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        ]
        self.process = Process("Prometheus", command, folder / "prometheus.log")

    def get(self, path: str, **query: str) -> Any:
        answer = requests.get(f"{self.url}/api/v1/{path}", params=query, timeout=10)
        assert answer.ok, answer.text
        return answer.json()["data"]

    def query(self, expression: str) -> list[dict[str, Any]]:
        return self.get("query", query=expression)["result"]

    def is_ready(self) -> bool:
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.RequestException:
            return False


@pytest.fixture
def prometheus(site: Site, run_dir: Path) -> Iterator[Prometheus]:
    started = Prometheus(run_dir / "prometheus", site.stack.service.admin_url)
    started.process.start()
    started.process.wait_until(started.is_ready)
    yield started
    started.process.stop()


def test_prometheus_understands_what_the_service_says(site: Site, prometheus: Prometheus):
    subject = walk.unique("Measured")
    site.new_event(ANN, subject)
    site.outlook_event(ANN, subject)
    eventually(
        lambda: prometheus.query('outlook_bridge_save_to_microsoft_seconds_count{job="outlook-bridge"} > 0'),
        message="Prometheus has the save",
    )
    (target,) = prometheus.get("targets")["activeTargets"]
    assert (target["health"], target["lastError"]) == ("up", "")
    told = prometheus.get("metadata")
    for name, metric in files.metrics().items():
        assert told[name][0]["type"] == metric.kind.lower(), name
    assert [found["value"][1] for found in prometheus.query('outlook_bridge_mailboxes{state="synced"}')] == ["2"]

    for where, expression in files.expressions():
        expression = expression.replace("$job", "outlook-bridge").replace("$__rate_interval", "1m")
        found = prometheus.query(expression)
        is_alert = where in files.rules()
        assert found or is_alert or any(word in expression for word in MAY_BE_EMPTY), f"{where}: {expression}"

    rules = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in rules} == set(files.rules())
    assert [rule["lastError"] for rule in rules if rule.get("lastError")] == []
    assert [rule["name"] for rule in rules if rule["state"] != "inactive"] == []


def test_an_outage_is_noticed(site: Site, prometheus: Prometheus):
    eventually(lambda: prometheus.query('up{job="outlook-bridge"} == 1'), message="it is up")
    site.stack.service.kill()
    eventually(lambda: "OutlookBridgeDown" in pending(prometheus), message="the alert is pending")
    site.stack.service.start()
    eventually(lambda: "OutlookBridgeDown" not in pending(prometheus), message="the alert has ended")


def pending(prometheus: Prometheus) -> set[str]:
    return {alert["labels"]["alertname"] for alert in prometheus.get("alerts")["alerts"]}
