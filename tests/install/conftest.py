"""Packages of the program as it is built now, and machines to install them on."""

import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tools.stack import paths

from .machine import BootedMachine, Machine, fresh_root

RUN_DIR = paths.PROJECT_ROOT / "build" / "install"
# UPGRADE_FROM names the package of an earlier release. Without it, as there is none yet, the package
# to upgrade from is of the same sources, with a lower revision.
LOWER, CURRENT = "0.1", "1"


def make_packages(
    out: Path, revision: str = CURRENT, *, project: Path = paths.PROJECT_ROOT, umask: int = 0o022
) -> Path:
    """Makes the packages of the debug program, or of the one that INSTALL_PROGRAM names."""
    program = os.environ.get("INSTALL_PROGRAM") or paths.binary("outlook-bridge")
    done = subprocess.run(
        [project / "scripts/package.sh", program, out, revision],
        cwd=paths.PROJECT_ROOT,
        capture_output=True,
        text=True,
        check=False,
        umask=umask,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return out


def only(folder: Path, pattern: str) -> Path:
    """Returns the only file of a name in a folder."""
    (found,) = folder.glob(pattern)
    return found


@pytest.fixture(scope="session")
def run_dir() -> Path:
    """Returns the folder for packages and logs, which are kept."""
    shutil.rmtree(RUN_DIR, ignore_errors=True)
    RUN_DIR.mkdir(parents=True)
    return RUN_DIR


@pytest.fixture(scope="session")
def packages(run_dir: Path) -> Path:
    return make_packages(run_dir / "packages")


@pytest.fixture(scope="session")
def deb(packages: Path) -> Path:
    return only(packages, "*.deb")


@pytest.fixture(scope="session")
def lower_deb(run_dir: Path) -> Path:
    """Returns the package to upgrade from."""
    earlier = os.environ.get("UPGRADE_FROM")
    if earlier:
        return Path(earlier).absolute()
    return only(make_packages(run_dir / "lower", LOWER), "*.deb")


@pytest.fixture
def make_machine(run_dir: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Machine]]:
    """Makes machines of a Debian release, booted or not. They are removed at the end of the test."""
    made: list[Machine] = []

    def make(suite: str = "bookworm", kind: type[Machine] = Machine) -> Machine:
        name = f"{request.node.name}-{len(made) + 1}".replace("[", "-").replace("]", "")
        # Not below the checkout, whose folders may be closed to the users of a machine.
        root = Path("/var/tmp") / f"outlook-bridge-{name}-{os.getpid()}"
        machine = kind(fresh_root(suite, root), run_dir / f"{name}.log")
        made.append(machine)
        if isinstance(machine, BootedMachine):
            machine.start()
        return machine

    yield make
    for machine in made:
        machine.stop()
