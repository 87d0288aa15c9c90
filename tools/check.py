"""`make test`: runs every check and test in order, named and timed, and stops at the first failure."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import IO

from .stack import odoo, paths

CLIPPY = "lints (clippy)"
CARGO_DENY_VERSION = "0.20.2"

# Odoo's own tests that run in a paired database, in the format of its option --test-tags.
JAVASCRIPT = "/web:WebSuite.test_unit_desktop"
CALENDAR_TESTS = f"/calendar,/base:TestMergePartner,/mail:TestPartner,{JAVASCRIPT}[@calendar]"
OTHER_TESTS = "/test_import_export,/hr_homeworking_calendar," + ",".join(
    f"/test_mail/tests/test_mail_activity{part}.py" for part in ("", "_mixin", "_plan")
)


@dataclass
class Step:
    group: str
    name: str
    command: list[str]
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = paths.PROJECT_ROOT
    # Steps that run at the same time; their output is printed when all are done.
    beside: "tuple[Step, ...]" = ()

    def run(self) -> int:
        """Runs the step and returns its exit code; of steps that run together, the last that is not 0."""
        with contextlib.ExitStack() as stack:
            others = []
            for other in self.beside:
                said = stack.enter_context(tempfile.TemporaryFile("w+", errors="replace"))
                others.append((other, other._start(stack, said), said))
            code = subprocess.run(self.command, cwd=self.cwd, env=os.environ | self.env, check=False).returncode
            for other, process, said in others:
                code = process.wait() or code
                said.seek(0)
                print(f"\n--> {other.name}\n{said.read()}", flush=True)
        return code

    def _start(self, stack: contextlib.ExitStack, said: IO[str]) -> subprocess.Popen:
        """Starts the step as a process that does not outlive ``stack``."""
        process = subprocess.Popen(
            self.command, cwd=self.cwd, env=os.environ | self.env, stdout=said, stderr=subprocess.STDOUT
        )
        stack.callback(process.wait)
        stack.callback(process.terminate)
        return process


def end_to_end(name: str, files: str, env: dict[str, str]) -> Step:
    """Returns a step for the end-to-end tests of some files, without those marked as long."""
    chosen = sorted(str(file) for file in (paths.PROJECT_ROOT / "tests" / "e2e").glob(files))
    command = [sys.executable, "-m", "pytest", *chosen, "-m", "not long", "--durations=8"]
    return Step(
        "e2e",
        f"end to end: real Odoo, real browser ({name})",
        command,
        {**env, "E2E_RUN": f"e2e-{name.replace(',', '').replace(' ', '-')}"},
    )


def steps() -> list[Step]:
    python = sys.executable
    tools = Path(python).parent
    warnings = {"RUSTFLAGS": os.environ.get("RUSTFLAGS", "")}
    # Builds with the tests, as these enable other features of dependencies. The Rust tests have
    # built the same.
    programs = ["cargo", "test", "--workspace", "--locked", "--no-run", "--quiet"]
    with_postgres = [python, "tools/with_postgres.py", "--"]
    # An absolute path, as cargo runs the tests of each crate in its own folder.
    contract = {"GRAPH_SIM_SCHEMA": str(paths.schema())}
    # A fixed seed, so that only the change can cause a failure, which can be repeated. The long
    # tests try other seeds.
    seed = {name: os.environ.get(name, "20261128") for name in ("PROPTEST_RNG_SEED", "SEED")}
    addon_rules = paths.ADDONS_DIR / ".pylintrc"
    addon_ruff = next(
        (file for name in ("ruff.toml", ".ruff.toml") if (file := paths.ADDONS_DIR / name).exists()), None
    )
    with_addon_ruff = [f"--config={addon_ruff}"] if addon_ruff else []
    return [
        Step("lint", "formatting (rustfmt)", ["cargo", "fmt", "--all", "--check"]),
        Step("lint", "formatting (rustfmt, fuzzing)", ["cargo", "fmt", "--manifest-path=fuzz/Cargo.toml", "--check"]),
        Step("style", "spelling and terms (typos)", [str(tools / "typos")]),
        Step("style", "Python style (ruff)", [str(tools / "ruff"), "check", "tools", "tests"]),
        Step("style", "Python formatting (ruff)", [str(tools / "ruff"), "format", "--check", "tools", "tests"]),
        Step(
            "style",
            "the add-on's style (ruff)",
            [str(tools / "ruff"), "check", *with_addon_ruff, paths.ADDON],
            cwd=paths.ADDONS_DIR,
        ),
        Step(
            "style",
            "the add-on's rules (pylint-odoo)",
            [str(tools / "pylint"), f"--rcfile={addon_rules}", paths.ADDON],
            {"PYTHONPATH": str(paths.odoo_python_path())},
            paths.ADDONS_DIR,
        ),
        Step("style", "the add-on's README", [python, "-m", "tools.addon_readme", "--check"]),
        Step(
            "style",
            "the exchange's document against the code (pytest)",
            [python, "-m", "pytest", "-q", "tests/exchange"],
        ),
        Step("style", "the documentation's site (zensical)", [python, "-m", "tools.docs"]),
        Step("style", "the documentation against the code (pytest)", [python, "-m", "pytest", "-q", "tests/docs"]),
        Step("style", "the dashboard and the alerts (promtool)", [python, "-m", "pytest", "-q", "tests/monitoring"]),
        Step(
            "style",
            "the figures of the benchmarks (pytest)",
            [python, "-m", "pytest", "-q", "tests/bench", "-m", "not long"],
        ),
        Step(
            "style",
            "the files of the packages (pytest)",
            [python, "-m", "pytest", "-q", "tests/install", "-m", "not long"],
        ),
        Step("style", "licenses, bans and sources (cargo-deny)", ["scripts/cargo-deny.sh", CARGO_DENY_VERSION]),
        Step(
            "style",
            "advisories (cargo-deny)",
            ["scripts/cargo-deny.sh", CARGO_DENY_VERSION, "--advisories"],
        ),
        Step(
            "lint",
            CLIPPY,
            ["cargo", "clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"],
            warnings,
        ),
        Step("rust", "the programs and the tests", programs),
        Step(
            "rust",
            "Rust tests",
            # They wait often, and Odoo's tests run beside them.
            [*with_postgres, *["cargo", "test", "--workspace", "--locked", "--quiet", "--", "--test-threads=5"]],
            contract | seed,
        ),
        Step("long", "fuzzing, an hour a target", [python, "-m", "tools.fuzz", os.environ.get("FUZZ_SECONDS", "3600")]),
        Step("sim", "the programs", programs),
        Step("sim", "the simulator's series against dateutil", [python, "-m", "pytest", "tests/sim"]),
        Step(
            "long",
            "the properties, with other seeds",
            ["cargo", "test", "--workspace", "--locked", "--quiet", "--lib"],
            contract,
        ),
        Step(
            "long",
            "convergence: 20,000 random operations among faults and kills",
            [
                *with_postgres,
                *["cargo", "test", "--profile", "soak", "--package", "outlook-bridge", "--test", "it", "--locked"],
                *["--", "convergence", "--nocapture"],
            ],
            {"CONVERGENCE_OPERATIONS": os.environ.get("CONVERGENCE_OPERATIONS", "20000")},
        ),
        Step(
            "long",
            "all pairs of choices of what is synced",
            [
                *with_postgres,
                *["cargo", "test", "--package", "outlook-bridge", "--test", "it", "--locked", "--"],
                "choice_pairs",
            ],
            {"CHOICE_PAIRS": "all"},
        ),
        Step("long", "what stalls and packages need", ["scripts/setup.sh", "--long"]),
        Step(
            "long",
            "stalls of a process, Postgres and a clock under load; processes that come and go; growth",
            [
                *with_postgres,
                *["cargo", "test", "--package", "outlook-bridge", "--test", "it", "--locked", "--"],
                *["--ignored", "--nocapture", "--test-threads=1", "stalls", "fleet", "growth_of_stubs"],
            ],
        ),
        Step("odoo", "the add-on's translations", [python, "-m", "tools.translations", "--check"]),
        Step("odoo", "the add-on in Odoo's test runner", [python, "-m", "tools.odoo_tests"]),
        Step(
            "odoo",
            "Odoo's own calendar tests and tours, in a paired database",
            [python, "-m", "tools.odoo_tests", "--paired", f"--test-tags={CALENDAR_TESTS}"],
        ),
        Step(
            "long",
            "tests of what else touches events, in a paired database",
            [
                *[python, "-m", "tools.odoo_tests", "--paired", "--template=neighbors"],
                f"--test-tags={','.join(f'/{module}' for module in odoo.NEIGHBORS)}",
            ],
        ),
        Step(
            "long",
            "tests of imports, activities and places of work, in a paired database",
            [python, "-m", "tools.odoo_tests", "--paired", "--template=testers", f"--test-tags={OTHER_TESTS}"],
        ),
        Step(
            "long",
            "JavaScript tests of calendar views, in a paired database",
            [python, "-m", "tools.odoo_tests", "--paired", f"--test-tags={JAVASCRIPT}[@web/views/calendar]"],
        ),
        Step("clients", "the clients' packages", ["scripts/setup.sh", "--clients"]),
        Step("clients", "the programs", programs),
        Step("clients", "other people's clients", [python, "-m", "pytest", "tests/clients"], contract),
        Step("e2e", "the programs", programs),
        # They wait most of the time, so running several at once takes little longer than one.
        replace(
            end_to_end("a to f, k to n, q, u", "test_[a-fk-nqu]_*.py", contract | seed),
            beside=(
                end_to_end("g to i, o", "test_[g-io]_*.py", contract | seed),
                end_to_end("j, p, v to z", "test_[jpv-z]_*.py", contract | seed),
            ),
        ),
        Step("long", "the programs", programs),
        Step(
            "long",
            "the packages, and a fresh Debian that installs, upgrades and purges them",
            [python, "-m", "pytest", "tests/install", "-m", "long", "--durations=8"],
        ),
        Step("long", "the benchmark of many mailboxes, small", [python, "-m", "pytest", "tests/bench", "-m", "long"]),
        Step(
            "long",
            "end to end: many random rules",
            [python, "-m", "pytest", "tests/e2e/test_f_recurrence.py"],
            contract | {"RULES": os.environ.get("RULES", "5000")},
        ),
        Step(
            "long",
            "end to end: many random domains",
            [python, "-m", "pytest", "tests/e2e/test_u_domains.py", "--timeout=3600"],
            contract | {"DOMAIN_EXAMPLES": os.environ.get("DOMAIN_EXAMPLES", "2000")},
        ),
        Step("long", "the clients' packages", ["scripts/setup.sh", "--clients"]),
        Step(
            "long",
            "random arguments for every method of the OpenAPI document",
            [python, "-m", "pytest", "tests/clients/test_openapi.py", "--timeout=3600"],
            {"OPENAPI_EXAMPLES": os.environ.get("OPENAPI_EXAMPLES", "60")},
        ),
        Step("long", "end to end: what takes long", [python, "-m", "pytest", "tests/e2e", "-m", "long"], contract),
    ]


def with_style_beside_clippy(chosen: list[Step]) -> list[Step]:
    """Runs the lints that use one core at most while clippy compiles."""
    style = Step("style", "all other lints", [sys.executable, "-m", "tools.check", "--only", "style"])
    return [replace(step, beside=(style,)) if step.name == CLIPPY else step for step in chosen if step.group != "style"]


def with_odoo_beside_rust(chosen: list[Step]) -> list[Step]:
    """Runs the Rust tests, which mostly wait, and Odoo's tests, which use one core, at the same time."""
    odoo_tests = Step("odoo", "the add-on and Odoo's tests", [sys.executable, "-m", "tools.check", "--only", "odoo"])
    return [
        replace(step, beside=(odoo_tests,)) if step.name == "Rust tests" else step
        for step in chosen
        if step.group != "odoo"
    ]


def contract_line() -> str:
    """Says whether requests and answers are checked against Microsoft's schema, as cargo hides the
    tests' output."""
    file = paths.schema()
    if file.is_file():
        return f"contract: checked against {file}"
    return f"contract: SKIPPED, no file at {file}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    groups = ["lint", "style", "rust", "long", "sim", "odoo", "clients", "e2e"]
    parser.add_argument("--only", choices=groups, help="only this group of steps")
    parser.add_argument("--step", default="", help="of these, only the steps whose name has this text")
    options = parser.parse_args()
    only = options.only
    # The long tests run only on request.
    # The style is a part of the lints that can be checked alone.
    wanted = {"lint", "style"} if only == "lint" else {only}
    chosen = [step for step in steps() if (step.group in wanted if only else step.group != "long")]
    if not (only or options.step):
        chosen = with_odoo_beside_rust(with_style_beside_clippy(chosen))
    chosen = [step for step in chosen if options.step in step.name]
    if not chosen:
        parser.error(f"no step of this name: {options.step}")
    if any("GRAPH_SIM_SCHEMA" in step.env for step in chosen):
        print(contract_line(), flush=True)
    started = time.monotonic()
    for number, step in enumerate(chosen, 1):
        print(f"\n==> [{number}/{len(chosen)}] {step.name}", flush=True)
        began = time.monotonic()
        code = step.run()
        took = time.monotonic() - began
        if code:
            print(f"==> FAILED: {step.name} ({took:.0f} s)", flush=True)
            return 1
        # The last step's own last line is the last line of a full run.
        if number < len(chosen):
            print(f"==> ok: {step.name} ({took:.0f} s, {(time.monotonic() - started) / 60:.1f} min so far)", flush=True)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
