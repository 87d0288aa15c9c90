"""What is measured while mailboxes are polled, and while a few people save."""

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from ..process_stats import cpu_seconds, family_cpu_seconds
from .site import DATABASE, Site

# The simulator's log forgets older requests (graph-sim/src/sim.rs).
LOG_LENGTH = 20_000
EXCHANGE_SECONDS = 60
SAVE_SECONDS = 2
# How long the last saves are waited for.
PATIENCE = 15


def percentile(values: Iterable[float], percent: float) -> float | None:
    """Returns the smallest value that is at least as large as `percent` of all; none of no values."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)] if ordered else None


def ended(line: dict[str, Any]) -> float:
    """Returns when a request of the simulator's log was answered, in Unix seconds."""
    return datetime.fromisoformat(line["time"]).timestamp()


def began(line: dict[str, Any]) -> float:
    return ended(line) - line["duration_ms"] / 1000


def polls(lines: list[dict[str, Any]]) -> dict[str, list[float]]:
    """Returns when each mailbox was asked for what is new, in order."""
    found: dict[str, list[float]] = {}
    for line in lines:
        if line["mailbox"] and line["method"] == "GET" and "/delta" in line["path"]:
            found.setdefault(line["mailbox"].lower(), []).append(began(line))
    return {mailbox: sorted(times) for mailbox, times in found.items()}


def lateness(
    due: set[tuple[str, float]], asked: dict[str, list[float]], until: float, without: set[str]
) -> list[float]:
    """Returns how late the polls were, in seconds: from the due time to the request.

    `due` has mailboxes and due times. Mailboxes in `without` were also worked for other reasons. A poll that did not
    come before `until` is as late as it was then, so that a service that does not keep up does not look better.
    """
    found = []
    for mailbox, at in due:
        if mailbox not in without and at < until:
            # The log's times are precise to a millisecond.
            first = next((moment for moment in asked.get(mailbox, ()) if moment > at - 0.002), until)
            found.append(max(min(first, until) - at, 0.0))
    return found


def delays(saves: Sequence[tuple[str, float]], lines: list[dict[str, Any]], until: float) -> tuple[list[float], int]:
    """Returns the seconds from each save to the answer to the write in Outlook, and how many writes did not come.

    `saves` has mailboxes and times. Those that did not come count as if they had come at `until`.
    """
    writes: dict[str, list[float]] = {}
    for line in lines:
        is_new = line["method"] == "POST" and line["path"].partition("?")[0].endswith("/events")
        if line["mailbox"] and is_new and line["status"] == 201:
            writes.setdefault(line["mailbox"].lower(), []).append(ended(line))
    for times in writes.values():
        times.sort(reverse=True)
    found, missing = [], 0
    for mailbox, saved in sorted(saves, key=lambda save: save[1]):
        times = writes.get(mailbox)
        missing += not times
        found.append((times.pop() if times else until) - saved)
    return found, missing


@dataclass
class Phase:
    """What one phase has used, and what was seen."""

    seconds: float = 0.0
    service_cpu: float = 0.0
    postgres_cpu: float = 0.0
    sim_cpu: float = 0.0
    runs: int = 0
    statements: int = 0
    lines: list[dict[str, Any]] = field(default_factory=list)
    due: set[tuple[str, float]] = field(default_factory=set)
    until: float = 0.0
    # The most frequent statements: how often a run, milliseconds of Postgres a run, and the text.
    top: list[tuple[float, float, str]] = field(default_factory=list)


@contextlib.asynccontextmanager
async def measured(site: Site, poll_seconds: int) -> AsyncIterator[Phase]:
    """Measures what the body of the `async with` lets happen."""
    phase = Phase()
    connection = site.server.connect(DATABASE)
    connection.autocommit = True
    cursor = connection.cursor()
    # The benchmark's own statements and processor time do not count.
    cursor.execute("SET pg_stat_statements.track = 'none'; SELECT pg_backend_pid()")
    own = cursor.fetchone()[0]

    def used() -> tuple[float, float, float, int]:
        postgres = family_cpu_seconds(site.server.pid) - cpu_seconds(own)
        service, sim = cpu_seconds(site.service.pid), cpu_seconds(site.sim.pid)
        return service, postgres, sim, site.service.metric("outlook_bridge_runs_total")

    def note_due() -> None:
        cursor.execute(
            "SELECT lower(login), extract(epoch FROM next_run_at)::float8 FROM accounts "
            "WHERE state = 'active' AND lease_id IS NULL"
        )
        phase.due.update(cursor.fetchall())

    async def keep_noting() -> None:
        # A due time is in the table for as long as the mailbox rests, so none is missed.
        while True:
            await asyncio.to_thread(note_due)
            await asyncio.sleep(max(poll_seconds * 0.9, 1))

    await asyncio.to_thread(site.sim.forget_requests)
    cursor.execute("SELECT pg_stat_statements_reset()")
    start, before = time.time(), await asyncio.to_thread(used)
    noting = asyncio.create_task(keep_noting())
    try:
        yield phase
    finally:
        noting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await noting
    after, phase.until = await asyncio.to_thread(used), time.time()
    phase.seconds = phase.until - start
    phase.service_cpu, phase.postgres_cpu, phase.sim_cpu = (after[i] - before[i] for i in range(3))
    phase.runs = after[3] - before[3]
    cursor.execute(
        "SELECT calls, total_exec_time, query FROM pg_stat_statements "
        "WHERE dbid = (SELECT oid FROM pg_database WHERE datname = current_database()) ORDER BY calls DESC"
    )
    rows = cursor.fetchall()
    connection.close()
    phase.statements = sum(calls for calls, _, _ in rows)
    runs = max(phase.runs, 1)
    phase.top = [(calls / runs, spent / runs, " ".join(text.split())[:300]) for calls, spent, text in rows[:60]]
    phase.lines = await asyncio.to_thread(site.sim.requests)
    if len(phase.lines) >= LOG_LENGTH:
        raise RuntimeError(f"more than {LOG_LENGTH:,} requests: measure for fewer seconds")


async def exchange_regularly(site: Site, times: list[float], seconds: float = EXCHANGE_SECONDS) -> None:
    """Lets each database exchange once in so many seconds, spread evenly."""

    async def one(at: int) -> None:
        await asyncio.sleep(seconds * at / len(site.odoos))
        while True:
            due = time.monotonic() + seconds
            times.append((await site.odoos[at].exchange()).seconds)
            await asyncio.sleep(max(due - time.monotonic(), 0))

    await asyncio.gather(*(one(at) for at in range(len(site.odoos))))


async def save_regularly(site: Site, saves: list[tuple[str, float]], empty: list[float], seconds: float) -> None:
    """Saves once in `SAVE_SECONDS`, each time in the next database for its next user, and between two saves exchanges
    once with nothing new. Ends after so many seconds, when all were handed over."""
    tasks = []

    async def save(turn: int) -> None:
        odoo = site.odoos[turn % len(site.odoos)]
        users = list(odoo.users)
        uid = users[turn // len(site.odoos) % len(users)]
        saves.append((odoo.users[uid].lower(), time.time()))
        await odoo.save(uid)

    async def exchange(turn: int) -> None:
        empty.append((await site.odoos[(turn * 7 + 3) % len(site.odoos)].exchange()).seconds)

    start = time.monotonic()
    for turn in range(int(seconds / SAVE_SECONDS)):
        for offset, act in ((0.0, save), (0.5, exchange)):
            due = start + (turn + offset) * SAVE_SECONDS
            await asyncio.sleep(max(due - time.monotonic(), 0))
            tasks.append(asyncio.create_task(act(turn)))
    await asyncio.gather(*tasks)


async def writes_arrived(site: Site) -> None:
    """Waits a while until Outlook has what was saved."""
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        if (await asyncio.to_thread(site.query, "SELECT count(*) FROM outlook_outbox")) == [(0,)]:
            return
        await asyncio.sleep(0.5)
