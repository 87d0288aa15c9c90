"""Measures how many calls a second the service answers beside Odoo: `search_read` of both, and the
service's `calendar.event.sync` with nothing new, in turns on one machine and one Postgres.

`python -m tools.bench.calls` prints a table. It asserts nothing. Each call has a connection of its own,
as Odoo and the service see most of their clients. The callers are processes that send prepared bytes
over plain sockets, so that they take little of the processors that they share with who answers.
"""

import argparse
import asyncio
import functools
import json
import multiprocessing
import os
import shutil
import socket
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg2.extras

from tools.stack import Stack, paths, postgres

from .door import HOST, Database
from .process_stats import family_cpu_seconds, machine

# A key may make a thousand calls in a burst. So many databases call in turns that none is limited.
DATABASES = 20
LINES = 1_000
SECONDS = 3
TURNS = 5
AT_ONCE = (1, 4)
ROWS = 10
# After which the permitted number of calls of each database has grown again.
REST = 2
# What Odoo's manual recommends.
ODOOS_WORKERS = 2 * (os.cpu_count() or 1) + 1
FOLDER = paths.PROJECT_ROOT / "build" / "bench-calls"
# Odoo's `/json/2` takes keys alone.
MAKE_KEY = """
import datetime

def run(env, given):
    expires = datetime.datetime.now() + datetime.timedelta(days=1)
    key = env["res.users.apikeys"].with_user(given["uid"])._generate("rpc", "a benchmark", expires)
    env["res.users"].with_context(no_reset_password=True).create(
        [{"name": f"User {number}", "login": f"user{number}"} for number in range(10)]
    )
    env.cr.commit()
    return key
"""


def request(path: str, key: str, database: str, body: dict) -> bytes:
    """Returns the bytes of a call of `/json/2`."""
    sent = json.dumps(body).encode()
    head = (
        f"POST /json/2/{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {key}\r\nX-Odoo-Database: {database}\r\nX-Odoo-User: 1\r\n"
        f"Content-Length: {len(sent)}\r\n\r\n"
    )
    return head.encode() + sent


def answered(port: int, sent: bytes) -> bytes:
    """Makes a call on a connection of its own; returns the body of the answer."""
    with socket.create_connection((HOST, port)) as connection:
        connection.sendall(sent)
        parts = []
        while part := connection.recv(65536):
            parts.append(part)
    head, _, body = b"".join(parts).partition(b"\r\n\r\n")
    if b" 200 " not in head[:20]:
        raise RuntimeError(f"{head.decode()} {body[:500].decode()}")
    return body


@dataclass
class Search:
    """Asks for the same rows each time."""

    port: int
    sent: bytes

    def call(self) -> None:
        answer = answered(self.port, self.sent)
        assert answer.count(b'"id"') == ROWS, answer


@dataclass
class Sync:
    """Exchanges with nothing new, as one database."""

    port: int
    key: str
    uuid: str
    nonce: str
    calls: int = 0

    def call(self) -> None:
        self.calls += 1
        following = f"{self.uuid} {self.calls}"
        body = {"nonce": self.nonce, "next_nonce": following, "changes": [], "call": self.calls, "existing_left": []}
        answer = answered(self.port, request("calendar.event/sync", self.key, self.uuid, body))
        assert b'"quarantined":null' in answer, answer
        self.nonce = following


@dataclass
class Called:
    """What one caller has done."""

    asks: list[Search | Sync]
    calls: int
    cpu_seconds: float


def caller(begin: float, asks: list[Search | Sync]) -> Called:
    """Makes one call after the other for a while, of each database in turn."""
    time.sleep(max(0, begin - time.monotonic()))
    used, calls = time.process_time(), 0
    while time.monotonic() < begin + SECONDS:
        asks[calls % len(asks)].call()
        calls += 1
    return Called(asks, calls, time.process_time() - used)


def turn(asks: list[Search | Sync], at_once: int) -> tuple[list[Search | Sync], int, float]:
    """Calls with so many callers; returns who has called, the calls, and the callers' processor time."""
    parts = [asks[at::at_once] or asks for at in range(at_once)]
    with multiprocessing.get_context("fork").Pool(at_once) as pool:
        called = pool.map(functools.partial(caller, time.monotonic() + 0.5), parts, chunksize=1)
    return (
        [ask for one in called for ask in one.asks],
        sum(one.calls for one in called),
        sum(one.cpu_seconds for one in called),
    )


async def paired(stack: Stack) -> list[Database]:
    databases = []
    for _ in range(DATABASES):
        database = Database(int(stack.service.url.rpartition(":")[2]))
        await database.pair(stack.service.enroll())
        databases.append(database)
    return databases


def write_lines(stack: Stack) -> None:
    """Writes a journal of each database."""
    journal = [(f"Line {number}", "info") for number in range(LINES)]
    with stack.server.cursor(stack.bridge_database) as cursor:
        statement = """
            INSERT INTO journal (database_id, message, level)
            SELECT d.id, v.message, v.level FROM databases d, (VALUES %s) AS v (message, level)"""
        psycopg2.extras.execute_values(cursor, statement, journal, page_size=LINES)
        cursor.execute("ANALYZE")


def measure(stack: Stack, odoos_key: str) -> list[dict]:
    """Returns a row for each case: the median of its turns, and processor time a call."""
    databases = asyncio.run(paired(stack))
    write_lines(stack)
    odoos_port = int(stack.odoo.url.rpartition(":")[2])
    page = {"limit": ROWS, "order": "id"}
    users = {"domain": [["active", "=", True]], "fields": ["name", "login", "create_date"], **page}
    lines = {"domain": [["level", "=", "info"]], "fields": ["title", "message", "time"], **page}
    of_odoo = request("res.users/search_read", odoos_key, stack.odoo.database, users)
    cases: dict[str, list[Search | Sync]] = {
        "Odoo: `res.users.search_read`": [Search(odoos_port, of_odoo)],
        "the service: `outlook.bridge.journal.search_read`": [
            Search(one.port, request("outlook.bridge.journal/search_read", one.key, one.uuid, lines))
            for one in databases
        ],
        "the service: `calendar.event.sync`, nothing new": [
            Sync(one.port, one.key, one.uuid, one.nonce) for one in databases
        ],
    }
    taken: dict[tuple[str, int], list[dict]] = {}
    for number in range(TURNS + 1):
        for name in cases:
            for at_once in AT_ONCE:
                pid = stack.odoo.pid if name.startswith("Odoo") else stack.service.pid
                pids = (pid, stack.server.pid)
                statements = stack.service.metric("outlook_bridge_statements_total")
                before = [family_cpu_seconds(pid) for pid in pids]
                cases[name], calls, client = turn(cases[name], at_once)
                after = [family_cpu_seconds(pid) for pid in pids]
                # The first turn warms up.
                if number:
                    cpu = [1000 * (late - early) / calls for early, late in zip(before, after, strict=True)]
                    statements = stack.service.metric("outlook_bridge_statements_total") - statements
                    row = {"per_second": calls / SECONDS, "cpu_ms": cpu[0], "postgres_ms": cpu[1]}
                    row |= {"client_ms": 1000 * client / calls, "statements": statements / calls}
                    taken.setdefault((name, at_once), []).append(row)
                # The permitted number of calls grows again.
                time.sleep(REST)
    return [
        {"case": name, "at_once": at_once, "turns": turns}
        | {what: statistics.median(one[what] for one in turns) for what in turns[0]}
        for (name, at_once), turns in taken.items()
    ]


def table(rows: list[dict]) -> str:
    odoos = {row["at_once"]: row for row in rows if row["case"].startswith("Odoo")}
    lines = [
        "| | at once | calls a second | to Odoo | ms of a processor a call | Postgres | caller | statements |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        odoo = odoos[row["at_once"]]
        ratio = row["per_second"] / odoo["per_second"]
        # Odoo's statements are not counted.
        statements = "" if row is odoo else f"{row['statements']:.1f}"
        lines.append(
            f"| {row['case']} | {row['at_once']} | {row['per_second']:.0f} | {ratio:.1f} "
            f"| {row['cpu_ms']:.2f} | {row['postgres_ms']:.2f} | {row['client_ms']:.2f} | {statements} |"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--profile", default="release", choices=("release", "debug"))
    options = parser.parse_args()
    about = machine()
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    server = postgres.for_tests(FOLDER / "postgres.log")
    server.start()
    try:
        stack = Stack(
            FOLDER / "site", server, template="base", profile=options.profile, odoo_options={"workers": ODOOS_WORKERS}
        )
        try:
            stack.start()
            with tempfile.TemporaryDirectory() as folder:
                script = Path(folder) / "make_key.py"
                script.write_text(MAKE_KEY)
                key = stack.odoo.run_script(script, uid=stack.odoo.admin.uid)
            rows = measure(stack, key)
        finally:
            stack.drop()
    finally:
        server.stop()
    (FOLDER / "results.json").write_text(
        json.dumps({"machine": about, "profile": options.profile, "rows": rows}, indent=2)
    )
    print(
        f"\n{table(rows)}\n\n{options.profile} build, {about['cores']} cores, load {about['load_1_min']} at the start",
        flush=True,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
