"""The command line of `make bench-scale`."""

import argparse
import asyncio
import contextlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...stack import paths
from ..process_stats import machine, memory_mb
from .measure import (
    Phase,
    delays,
    exchange_regularly,
    lateness,
    measured,
    percentile,
    polls,
    save_regularly,
    writes_arrived,
)
from .site import ROUND_TRIP_MS, WRITE_MS, Site, Worlds, wait_for_polls

FOLDER = paths.PROJECT_ROOT / "build/bench-scale"
# Mailboxes are worked for ten minutes after an exchange (docs/EXCHANGE.md), and none is made while polls are measured.
LONGEST_SECONDS = 540

Figures = dict[str, float | None]


@dataclass(frozen=True)
class Case:
    """How many mailboxes of how many databases, and whether Microsoft notifies."""

    mailboxes: int
    databases: int
    notifications: str

    def __str__(self) -> str:
        return f"{self.mailboxes:,} of {self.databases:,}, notifications {self.notifications}"


def options_of(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="make bench-scale", description="Measures idle mailboxes; see docs/BENCHMARKS.md."
    )
    parser.add_argument("--mailboxes", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--databases", type=int, nargs="+", default=[1, 100])
    parser.add_argument("--notifications", nargs="+", choices=["off", "on"], default=["off"])
    parser.add_argument("--seconds", type=int, default=60, help="of each of the two phases (60)")
    parser.add_argument("--poll-seconds", type=int, default=60, help="the setting poll_seconds (60)")
    parser.add_argument("--workers", type=int, help="the setting workers (the service's default)")
    parser.add_argument("--only", choices=["polls", "saves"], help="one of the two phases")
    parser.add_argument("--profile", choices=["release", "debug"], default="release")
    parser.add_argument("--no-build", action="store_true", help="measure the programs as they were built last")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for logs and results.json (build/bench-scale)")
    options = parser.parse_args(arguments)
    if not 0 < options.seconds <= LONGEST_SECONDS:
        parser.error(f"--seconds: from 1 to {LONGEST_SECONDS}")
    return options


def per(total: float, count: int) -> float | None:
    return total / count if count else None


def figures_of_polls(phase: Phase) -> Figures:
    late = lateness(phase.due, polls(phase.lines), phase.until, set())
    return {
        "polls a second": phase.runs / phase.seconds,
        "service, ms a poll": per(1000 * phase.service_cpu, phase.runs),
        "Postgres, ms a poll": per(1000 * phase.postgres_cpu, phase.runs),
        "statements a poll": per(phase.statements, phase.runs),
        "round trips a poll": per(len(phase.lines), phase.runs),
        "requests refused": sum(line["status"] >= 400 for line in phase.lines),
        "simulator, % of a processor": 100 * phase.sim_cpu / phase.seconds,
        "polls late, s, p50": percentile(late, 50),
        "polls late, s, p99": percentile(late, 99),
    }


def figures_of_saves(phase: Phase, saves: list[tuple[str, float]], empty: list[float]) -> Figures:
    late = lateness(phase.due, polls(phase.lines), phase.until, {mailbox for mailbox, _ in saves})
    to_outlook, missing = delays(saves, phase.lines, phase.until)
    return {
        "saving: save → Outlook, ms, p50": _ms(percentile(to_outlook, 50)),
        "saving: save → Outlook, ms, p99": _ms(percentile(to_outlook, 99)),
        "saving: saves that did not arrive": missing,
        "saving: exchange with nothing new, ms, p50": _ms(percentile(empty, 50)),
        "saving: exchange with nothing new, ms, p99": _ms(percentile(empty, 99)),
        "saving: exchange with nothing new, ms, max": _ms(percentile(empty, 100)),
        "saving: polls late, s, p50": percentile(late, 50),
        "saving: polls late, s, p99": percentile(late, 99),
        "saving: service, % of a processor": 100 * phase.service_cpu / phase.seconds,
        "saving: Postgres, % of a processor": 100 * phase.postgres_cpu / phase.seconds,
        "saving: simulator, % of a processor": 100 * phase.sim_cpu / phase.seconds,
    }


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else 1000 * seconds


async def measure(site: Site, case: Case, options: argparse.Namespace, started: float) -> tuple[Figures, list]:
    """Measures both phases. Returns the figures, and the most frequent statements of the polls."""
    figures: Figures = {}
    top: list = []
    regular: list[float] = []
    exchanging = asyncio.create_task(exchange_regularly(site, regular))
    await asyncio.gather(*(odoo.exchange() for odoo in site.odoos))
    patience = max(180.0, 3.0 * options.poll_seconds)
    figures["not polled before the measuring"] = await asyncio.to_thread(wait_for_polls, site, started, patience)
    if case.notifications == "on":
        figures["subscriptions"] = subscribed = len(await asyncio.to_thread(site.sim.subscriptions))
        if not subscribed:
            raise SystemExit("--notifications on: the service has subscribed to nothing")
    if exchanging.done():
        exchanging.result()
    await _cancel(exchanging)
    if options.only != "saves":
        await asyncio.gather(*(odoo.exchange() for odoo in site.odoos))
        async with measured(site, options.poll_seconds) as phase:
            await asyncio.sleep(options.seconds)
        figures |= figures_of_polls(phase)
        top = phase.top
    if options.only != "polls":
        saves: list[tuple[str, float]] = []
        empty: list[float] = []
        async with measured(site, options.poll_seconds) as phase:
            exchanging = asyncio.create_task(exchange_regularly(site, empty))
            await save_regularly(site, saves, empty, options.seconds)
            await writes_arrived(site)
            if exchanging.done():
                exchanging.result()
            await _cancel(exchanging)
        figures |= figures_of_saves(phase, saves, empty)
    figures["service, memory at most, MB"] = memory_mb(site.service.pid)["VmHWM"]
    return figures, top


async def _cancel(task: asyncio.Task) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def run(worlds: Worlds, case: Case, options: argparse.Namespace) -> tuple[Figures, list]:
    folder = worlds.folder / f"{case.mailboxes}-{case.databases}-{case.notifications}"
    site = worlds.instantiate(folder, case.mailboxes, case.databases, options.poll_seconds)
    try:
        site.service.poll_seconds = options.poll_seconds
        if options.workers:
            site.service.settings["workers"] = options.workers
        if case.notifications == "on":
            site.service.settings["public_url"] = site.service.url
        started = time.time()
        site.service.start()
        return asyncio.run(measure(site, case, options, started))
    finally:
        site.stop()


def table(found: dict[str, Figures]) -> str:
    """Returns a table in Markdown: a row for each figure, a column for each case."""
    names = list(dict.fromkeys(name for figures in found.values() for name in figures))
    lines = [["", *found], ["---"] * (len(found) + 1)]
    lines += [[name, *(_shown(figures.get(name)) for figures in found.values())] for name in names]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def _shown(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:.2f}"


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    options = options_of(arguments)

    def say(text: str) -> None:
        print(f"==> [{time.strftime('%H:%M:%S')}] {text}", flush=True)

    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    if not options.no_build:
        say("building the service and the simulator")
        release = ["--release"] if options.profile == "release" else []
        build = ["cargo", "build", *release, "--workspace", "--locked", "--bins"]
        subprocess.run(build, cwd=paths.PROJECT_ROOT, check=True)
    shutil.rmtree(options.folder, ignore_errors=True)
    options.folder.mkdir(parents=True)
    cases = [
        Case(mailboxes, databases, notifications)
        for mailboxes in options.mailboxes
        for databases in options.databases
        for notifications in options.notifications
        if databases <= mailboxes
    ]
    about = {
        "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "machine": machine(),
        "profile": options.profile,
        "seconds": options.seconds,
        "poll_seconds": options.poll_seconds,
        "workers": options.workers,
        "round_trip_ms": ROUND_TRIP_MS,
        "write_ms": WRITE_MS,
    }
    worlds = Worlds(options.folder, options.profile, say)
    found: dict[str, Figures] = {}
    statements: dict[str, list] = {}
    try:
        for case in cases:
            say(str(case))
            found[str(case)], statements[str(case)] = run(worlds, case, options)
    finally:
        results = {**about, "cases": found, "statements": statements}
        (options.folder / "results.json").write_text(json.dumps(results, indent=2) + "\n")
        print(f"\n{table(found)}\n\n{json.dumps(about['machine'])}")
        print(f"also in {options.folder / 'results.json'}", flush=True)
    return results


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
