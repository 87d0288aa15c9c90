"""Counts how many SQL statements a save costs: the same actions in an Odoo with its own Outlook
Calendar, not connected, and in one with the add-on, paired and connected.

Each database has its own process, and there is no service or simulator: a count does not depend on
the machine. `python -m tools.bench.statements` counts. `--show CASE` prints the statements of the
cases of that name.
"""

import argparse
import json
import shutil
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from ..stack import Odoo, Templates, free_port, paths, postgres
from ..stack.odoo import write_config
from ..stack.postgres import Postgres
from .report import Row

SCRIPT = Path(__file__).with_name("in_odoo") / "statements.py"
TEMPLATES = ("stock", "bridge")
# How many more statements a person's own edit may cost.
EXTRA = 3
HELD_TO_IT = ("its title changed", "moved in the form", "dragged in the calendar")

Counted = dict[str, dict[str, dict[str, Any]]]


def count(folder: Path, server: Postgres, report: Callable[[str], None]) -> Counted:
    """`{template: {case: {count, statements}}}`"""
    monday = datetime.now(UTC).replace(hour=8, minute=0, second=0, microsecond=0, tzinfo=None)
    monday += timedelta(days=14 - monday.weekday())
    found: Counted = {}
    for template in TEMPLATES:
        report(f"counting statements, {template}")
        database = f"ob_count_{uuid.uuid4().hex[:8]}"
        run_dir, port = folder / template, free_port()
        odoo = Odoo(server, database, run_dir, run_dir / "data", port)
        try:
            Templates(server, run_dir, report).instantiate(template, database, run_dir / "data", odoo.url)
            write_config(run_dir / "odoo.conf", server, run_dir / "data", database=database, port=port)
            found[template] = odoo.run_script(SCRIPT, start=monday.isoformat())
        finally:
            server.drop(database)
    return found


def rows(found: Counted) -> list[Row]:
    """Returns rows like those of the other cases; the count without the add-on is the least."""
    answer = []
    for case, bridge in found["bridge"].items():
        stock = found["stock"][case]["count"]
        limit = stock + EXTRA if case in HELD_TO_IT else None
        answer.append(Row("statements", case, bridge["count"], "", stock, limit))
    return answer


def table(found: Counted) -> str:
    """Prints the counts of the built-in sync, of the bridge, and the difference."""
    width = max(map(len, found["bridge"]))
    lines = [f"{'statements':{width}}  {'stock':>6}  {'bridge':>6}  {'extra':>6}"]
    lines.append("  ".join(["-" * width, *["-" * 6] * 3]))
    for case, bridge in found["bridge"].items():
        stock = found["stock"][case]["count"]
        lines.append(f"{case:{width}}  {stock:6,}  {bridge['count']:6,}  {bridge['count'] - stock:+6,}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.bench.statements", description=__doc__)
    parser.add_argument("--show", metavar="CASE", help="print the statements of the cases with this in their name")
    options = parser.parse_args()
    folder = paths.PROJECT_ROOT / "build/statements"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    server = postgres.for_tests(folder / "postgres.log")
    try:
        server.start()
        found = count(folder, server, lambda text: print(f"==> {text}", flush=True))
    finally:
        server.stop()
    (folder / "statements.json").write_text(json.dumps(found, indent=1))
    if options.show:
        for template, cases in found.items():
            for case, counted in cases.items():
                if options.show in case:
                    print(f"\n{template}: {case}")
                    for text, times in counted["statements"]:
                        print(f"{times:5} {text[:180]}")
    print(f"\n{table(found)}\n", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
