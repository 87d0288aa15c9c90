"""Checks the figures of `make bench-scale`, and that it still runs."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tools.bench.scale import __main__ as scale
from tools.bench.scale.measure import delays, lateness, percentile, polls


def line(
    second: float, path: str, method: str = "GET", mailbox: str = "Ann@x.example", took: int = 0
) -> dict[str, Any]:
    time = datetime.fromtimestamp(second, UTC).isoformat()
    return {"time": time, "method": method, "path": path, "mailbox": mailbox, "status": 201, "duration_ms": took}


def test_a_percentile_is_one_of_the_values():
    assert percentile([], 50) is None
    assert percentile([3.0], 99) == 3
    assert percentile(range(1, 101), 50) == 50
    assert percentile(range(1, 101), 99) == 99
    assert percentile(range(1, 101), 100) == 100


def test_a_poll_counts_from_its_request():
    found = polls([line(10, "/v1.0/me/calendarView/delta?x", took=1500), line(11, "/v1.0/me"), line(5, "/oauth2")])
    assert found == {"ann@x.example": [8.5]}


def test_a_poll_that_did_not_come_is_late():
    asked = {"ann": [70.0, 131.0], "ben": [75.0]}
    due = {("ann", 69.0), ("ann", 130.5), ("ben", 70.0), ("cid", 60.0), ("dee", 80.0), ("eve", 141.0)}
    assert sorted(lateness(due, asked, until=140, without={"dee"})) == [0.5, 1.0, 5.0, 80.0]


def test_saves_of_one_mailbox_are_matched_in_order():
    lines = [
        line(14, "/v1.0/me/events", "POST"),
        line(11, "/v1.0/me/events", "POST"),
        line(12, "/v1.0/$batch", "POST"),
        line(12, "/v1.0/me/events/1/accept", "POST"),
    ]
    saves = [("ann@x.example", 12.0), ("ann@x.example", 10.0), ("ben@x.example", 20.0)]
    assert delays(saves, lines, until=30) == ([1.0, 2.0, 10.0], 1)


@pytest.mark.long
def test_twenty_mailboxes_are_measured(tmp_path: Path):
    arguments = "--mailboxes 20 --databases 2 --seconds 20 --poll-seconds 4 --profile debug --no-build --folder"
    results = scale.main([*arguments.split(), str(tmp_path / "bench")])
    (figures,) = results["cases"].values()
    assert figures["not polled before the measuring"] == 0
    assert figures["saving: saves that did not arrive"] == 0
    assert figures["round trips a poll"] == pytest.approx(1, abs=0.1)
    assert figures["requests refused"] == 0
    for name in ("service, ms a poll", "Postgres, ms a poll", "statements a poll", "polls a second"):
        assert figures[name] > 0, name
    assert figures["saving: save → Outlook, ms, p50"] >= scale.WRITE_MS
    assert figures["polls late, s, p50"] < 4
    assert any("accounts" in text for _, _, text in next(iter(results["statements"].values())))
