"""The command line of `make bench`."""

import argparse
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable

from ..stack import paths, postgres
from . import cases, report, statements
from .process_stats import machine
from .site import ROUND_TRIP_MS, WRITE_MS, Site

FOLDER = paths.PROJECT_ROOT / "build/bench"


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description="Measures the bridge; see docs/BENCHMARKS.md.")
    parser.add_argument("--quick", action="store_true", help="without the large mailbox")
    parser.add_argument("--events", type=int, default=1000, help="events to pull and to push (1000)")
    parser.add_argument("--stock-pushes", type=int, default=200, help="events that the stock engine pushes (200)")
    parser.add_argument("--many", type=int, default=50_000, help="events of the large mailbox (50000)")
    parser.add_argument("--saves", type=int, default=40, help="saves at each Odoo (40)")
    parser.add_argument("--syncs", type=int, default=120, help="syncs with nothing new (120)")
    parser.add_argument("--only", action="append", choices=["statements", "pull", "push", "nothing", "save", "many"])
    parser.add_argument("--no-build", action="store_true", help="measure the programs as they were built last")
    options = parser.parse_args()

    def say(text: str) -> None:
        print(f"==> [{time.strftime('%H:%M:%S')}] {text}", flush=True)

    for name in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(name, signal.default_int_handler)
    site_needed = options.only != ["statements"]
    if site_needed and not options.no_build:
        say("building the service and the simulator, optimized")
        build = ["cargo", "build", "--release", "--workspace", "--locked", "--bins"]
        subprocess.run(build, cwd=paths.PROJECT_ROOT, check=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    steps: dict[str, Callable[[Site], list[report.Row]]] = {
        "pull": lambda site: cases.pull(site, options.events, options.events),
        # The user that this case connects is needed by the other cases.
        "push": lambda site: cases.push(site, options.events, min(options.events, options.stock_pushes)),
        "nothing": lambda site: cases.nothing_new(site, options.syncs),
        "save": lambda site: cases.save(site, options.saves),
        "many": lambda site: cases.many(site, options.many),
    }
    chosen = [name for name in steps if not (options.quick and name == "many")]
    if options.only:
        wanted = {*options.only, *(["push"] if {"nothing", "save"} & set(options.only) else [])}
        chosen = [name for name in steps if name in wanted]
    server = postgres.for_tests(FOLDER / "postgres.log")
    rows: list[report.Row] = []
    counted: statements.Counted = {}
    before = machine()
    try:
        server.start()
        if not options.only or "statements" in options.only:
            counted = statements.count(FOLDER / "statements", server, say)
            rows += statements.rows(counted)
        if site_needed:
            site = Site(FOLDER, server, say)
            try:
                site.start()
                site.slow_down()
                for name in chosen:
                    say(name)
                    rows += steps[name](site)
            finally:
                site.drop()
    finally:
        server.stop()
        about = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
            "machine": before | {"load_1_min_at_the_end": machine()["load_1_min"]},
            "round_trip_ms": ROUND_TRIP_MS,
            "write_ms": WRITE_MS,
        }
        report.write(FOLDER / "results.json", rows, about)
        print(f"\n{report.table(rows)}\n")
        if counted:
            print(f"{statements.table(counted)}\n")
        print(f"{before['cores']} cores, {before['ram_gb']} GB, load {before['load_1_min']} at the start")
        print(f"also in {(FOLDER / 'results.json').relative_to(paths.PROJECT_ROOT)}", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
