"""Builds a release twice, at different places, and compares the files."""

import subprocess
from pathlib import Path

import pytest

from tools.stack import paths

# The whole program is built with optimization, twice.
pytestmark = [pytest.mark.long, pytest.mark.timeout(7200)]


def release(clone: Path) -> str:
    """Makes a release of what is committed, and returns its checksums."""
    subprocess.run(["git", "clone", "--quiet", paths.PROJECT_ROOT, clone], check=True)
    subprocess.run(["make", "release"], cwd=clone, check=True, stdout=subprocess.DEVNULL)
    return (clone / "build/release/SHA256SUMS").read_text()


def test_a_release_can_be_built_again(run_dir: Path):
    first = release(run_dir / "releases" / "first")
    assert len(first.splitlines()) == 6
    assert release(run_dir / "releases" / "second" / "below") == first
