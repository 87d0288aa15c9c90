"""Fixtures of the end-to-end tests: one Postgres and one browser for all, and a site for each file."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tools import walk
from tools.stack import Stack, paths, postgres, secrets

from . import axe
from .site import Site

BUILD = paths.PROJECT_ROOT / "build"


@pytest.fixture(scope="session")
def run_dir() -> Path:
    """Returns the folder for the logs of this run, which are kept. Two runs at once have different
    names."""
    folder = BUILD / os.environ.get("E2E_RUN", "e2e")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def server(run_dir: Path) -> Iterator[postgres.Postgres]:
    database_server = postgres.for_tests(run_dir / "postgres.log")
    database_server.start()
    yield database_server
    database_server.stop()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    with walk.browser() as browser:
        yield browser


def _say(text: str) -> None:
    if os.environ.get("VERBOSE"):
        print(f"    {text}", flush=True)


@pytest.fixture(scope="session")
def schema() -> Path | None:
    """Returns Microsoft's schema, with which requests and answers are checked; None if it is absent."""
    file = paths.schema()
    return file if file.is_file() else None


def climate_of(module: str) -> str:
    """Returns how Microsoft behaves for a file: `E2E_CLIMATE`, or one of three in turn by the
    file's letter."""
    climates = ("documented", "reported", f"mixed:{int(os.environ.get('SEED') or '20261128', 16)}")
    letter = module.rpartition(".")[2].removeprefix("test_")[0]
    return os.environ.get("E2E_CLIMATE") or climates[ord(letter) % len(climates)]


NOTES = pytest.StashKey[list[str]]()


@pytest.fixture(scope="session")
def note(pytestconfig: pytest.Config) -> Callable[[str], None]:
    """Prints notes at the end of the run, whether or not it passed."""
    notes: list[str] = []
    pytestconfig.stash[NOTES] = notes
    return notes.append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter):
    for text in terminalreporter.config.stash.get(NOTES, []):
        terminalreporter.write_line(text)
    file = paths.schema()
    if not file.is_file():
        terminalreporter.write_line(f"contract check skipped: no schema at {file}", yellow=True)


@pytest.fixture(scope="module")
def make_stack(
    request: pytest.FixtureRequest,
    run_dir: Path,
    server: postgres.Postgres,
    schema: Path | None,
) -> Iterator[Callable[..., Stack]]:
    """Starts whole sites, and drops them when the tests of the file are done."""
    made: list[Stack] = []

    def make(**options) -> Stack:
        folder = run_dir / f"{request.module.__name__.rpartition('.')[2]}-{len(made) + 1}"
        options.setdefault("climate", climate_of(request.module.__name__))
        stack = Stack(folder, server, schema=schema, report=_say, **options)
        made.append(stack)
        return stack.start()

    yield make
    given_away: dict[str, list[str]] = {}
    violations = [found for stack in made for found in stack.sim.violations()]
    for stack in made:
        # The simulator is asked for its secrets, so it must run.
        if stack.sim.running:
            found = secrets.scan(stack)
            # Odoo's built-in sync stores its secrets there.
            allowed = "in Odoo's database" if stack.stock_in_charge else None
            given_away[stack.run_dir.name] = [place for place in found if not allowed or allowed not in place]
        stack.drop()
    assert not violations, f"against Microsoft's schema: {violations}"
    found = {site: places for site, places in given_away.items() if places}
    assert not found, f"secrets where they must not be: {found}"


@pytest.fixture(scope="module")
def site(make_stack: Callable[..., Stack]) -> Iterator[Site]:
    """A paired site with Ann and Ben, who are both connected to their mailboxes."""
    made = Site(make_stack())
    made.set_up()
    yield made
    made.close()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item):
    report = yield
    if report.when == "call":
        item.stash[FAILED] = report.failed
    return report


FAILED = pytest.StashKey[bool]()


@pytest.fixture
def at_browser(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Callable[[Stack, str], walk.Person]]:
    """Opens a browser for a user. If the test fails, stores a screenshot of what the user saw."""
    seated: list[walk.Person] = []
    screenshots = BUILD / "screenshots" / request.node.name
    shutil.rmtree(screenshots, ignore_errors=True)

    def seat(stack: Stack, name: str) -> walk.Person:
        person = walk.Person(chromium, stack, screenshots, name)
        seated.append(person)
        return person

    yield seat
    failed = request.node.stash.get(FAILED, True)
    problems = [problem for person in seated for problem in person.problems]
    for person in seated:
        if failed:
            person.shot("failed")
        person.close()
    if not failed:
        assert not problems, f"scripts of the pages failed: {problems}"


@pytest.fixture
def look() -> Iterator[axe.Look]:
    """Looks at pages: takes pictures, and lets the test fail at its end if axe found something."""
    wrong: list[str] = []

    def at(person: walk.Person, title: str, *parts: str, exclude: tuple[str, ...] = ()) -> None:
        person.settles()
        person.shot(title)
        found = axe.findings(person, *(parts or axe.PARTS), exclude=exclude)
        wrong.extend(f"{person.name}, {title}: {one}" for one in found)

    yield at
    assert not wrong, "\n".join(wrong)
