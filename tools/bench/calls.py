"""Measures how many calls a second the service answers beside Odoo: `search_read` of both, and the
service's `calendar.event.sync` with nothing new, in turns on one machine and one Postgres.

`python -m tools.bench.calls` prints a table. It asserts nothing. Each call has a connection of its own,
as Odoo and the service see most of their clients.
"""

import argparse
import asyncio
import json
import os
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import psycopg2.extras

from tools.stack import Stack, paths, postgres

from .door import Database, post
from .process_stats import family_cpu_seconds, machine

# Fewer than a key may make at once, so that no limit is measured.
CALLS = 300
TURNS = 3
AT_ONCE = (1, 4)
ROWS = 10
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
Ask = Callable[[], Awaitable[None]]


async def answered(port: int, path: str, headers: dict[str, str], body: dict) -> object:
    headers = {"Content-Type": "application/json", **headers}
    head, answer = await post(port, json.dumps(body).encode(), headers, path=path)
    if b" 200 " not in head.splitlines()[0]:
        raise RuntimeError(f"{path}: {head.decode()} {answer[:500].decode()}")
    return json.loads(answer)


async def rate(ask: Ask, at_once: int) -> float:
    """Returns how many calls a second are answered, of so many at once."""
    left = iter(range(CALLS))

    async def caller() -> None:
        for _ in left:
            await ask()

    began = time.perf_counter()
    await asyncio.gather(*(caller() for _ in range(at_once)))
    return CALLS / (time.perf_counter() - began)


async def measure(stack: Stack, odoos_key: str) -> list[dict]:
    """Returns a row for each case: the median of its turns, and processor time a call."""
    database = Database(int(stack.service.url.rpartition(":")[2]))
    await database.pair(stack.service.enroll())
    journal = [(f"Line {number}", "info") for number in range(1_000)]
    with stack.server.cursor(stack.bridge_database) as cursor:
        statement = """
            INSERT INTO journal (database_id, message, level)
            SELECT d.id, v.message, v.level FROM databases d, (VALUES %s) AS v (message, level)"""
        psycopg2.extras.execute_values(cursor, statement, journal)
        cursor.execute("ANALYZE")
    odoos_port = int(stack.odoo.url.rpartition(":")[2])
    page = {"limit": ROWS, "order": "id"}

    async def of_odoo() -> None:
        headers = {"Authorization": f"Bearer {odoos_key}", "X-Odoo-Database": stack.odoo.database}
        body = {"domain": [["active", "=", True]], "fields": ["name", "login", "create_date"], **page}
        rows = await answered(odoos_port, "/json/2/res.users/search_read", headers, body)
        assert len(rows) == ROWS, rows

    async def of_service() -> None:
        headers = {"Authorization": f"Bearer {database.key}", "X-Odoo-Database": database.uuid, "X-Odoo-User": "1"}
        body = {"domain": [["level", "=", "info"]], "fields": ["title", "message", "time"], **page}
        rows = await answered(database.port, "/json/2/outlook.bridge.journal/search_read", headers, body)
        assert len(rows) == ROWS, rows

    async def sync() -> None:
        headers = {"Authorization": f"Bearer {database.key}", "X-Odoo-Database": database.uuid, "X-Odoo-User": "1"}
        following = f"{time.monotonic_ns()}"
        body = {"nonce": database.nonce, "next_nonce": following, "changes": [], "call": 1, "existing_left": []}
        await answered(database.port, "/json/2/calendar.event/sync", headers, body)
        database.nonce = following

    cases: list[tuple[str, Ask, int]] = [
        *(("Odoo: res.users.search_read", of_odoo, at_once) for at_once in AT_ONCE),
        *(("the service: outlook.bridge.journal.search_read", of_service, at_once) for at_once in AT_ONCE),
        # An Odoo database makes one exchange after the other.
        ("the service: calendar.event.sync, nothing new", sync, 1),
    ]
    rates: dict[tuple[str, int], list[float]] = {}
    used: dict[tuple[str, int], float] = {}
    for turn in range(TURNS + 1):
        for name, ask, at_once in cases:
            pid = stack.odoo.pid if name.startswith("Odoo") else stack.service.pid
            before = family_cpu_seconds(pid)
            found = await rate(ask, at_once)
            # The first turn warms up.
            if turn:
                rates.setdefault((name, at_once), []).append(found)
                used[name, at_once] = used.get((name, at_once), 0) + family_cpu_seconds(pid) - before
            # The permitted number of calls grows again.
            await asyncio.sleep(CALLS / 100)
    return [
        {
            "case": name,
            "at_once": at_once,
            "per_second": statistics.median(found),
            "cpu_ms": 1000 * used[name, at_once] / CALLS / TURNS,
        }
        for (name, at_once), found in rates.items()
    ]


def table(rows: list[dict]) -> str:
    odoos = {row["at_once"]: row for row in rows if row["case"].startswith("Odoo")}
    lines = ["| | at once | calls a second | to Odoo | processor time a call | to Odoo |", "|---|---|---|---|---|---|"]
    for row in rows:
        odoo = odoos[row["at_once"]]
        faster, cheaper = row["per_second"] / odoo["per_second"], odoo["cpu_ms"] / row["cpu_ms"]
        lines.append(
            f"| {row['case']} | {row['at_once']} | {row['per_second']:.0f} | {faster:.1f} "
            f"| {row['cpu_ms']:.2f} ms | 1/{cheaper:.1f} |"
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
            FOLDER / "site", server, template="base", profile=options.profile, odoo_options={"workers": os.cpu_count()}
        )
        try:
            stack.start()
            with tempfile.TemporaryDirectory() as folder:
                script = Path(folder) / "make_key.py"
                script.write_text(MAKE_KEY)
                key = stack.odoo.run_script(script, uid=stack.odoo.admin.uid)
            rows = asyncio.run(measure(stack, key))
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
