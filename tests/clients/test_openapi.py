"""Calls every method that the OpenAPI document describes with random arguments, right and wrong ones,
with the key of an administrator, of a user, and one for reading alone: the service never fails, and
each answer is as the document says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from .site import ANN_ID, DATABASE, Site, serving

# Only a change can make the short run fail. The long one tries other arguments each time.
EXAMPLES = os.environ.get("OPENAPI_EXAMPLES")
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
    "ignored_auth",
)
# The program `schemathesis`, of this Python.
PROGRAM = "from schemathesis.cli import schemathesis; schemathesis()"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with serving(tmp_path_factory.mktemp("openapi")) as made:
        yield made


@pytest.mark.parametrize("holder", ["an administrator", "a user", "for reading"])
def test_answers_are_as_the_document_says(site: Site, holder: str, tmp_path: Path):
    service = site.service
    arguments = {"an administrator": [], "a user": ["--user", str(ANN_ID)], "for reading": ["--read-only"]}[holder]
    key = service.run("keys", "create", "--name", holder, *arguments).strip()
    (tmp_path / "schemathesis.toml").write_text("[generation]\ndatabase = 'none'\n")
    command = [
        *(sys.executable, "-c", PROGRAM, "run", f"{service.url}/json/2/openapi.json"),
        *("--header", f"Authorization: Bearer {key}", "--header", f"X-Odoo-Database: {DATABASE}"),
        *("--checks", ",".join(CHECKS), "--continue-on-failure"),
        *("--phases", "coverage,fuzzing" if EXAMPLES else "fuzzing"),
        *("--max-examples", EXAMPLES or "2", "--suppress-health-check", "all", "--request-timeout", "30"),
        *("--warnings", "off", "--no-color", *([] if EXAMPLES else ["--seed", "20261128"])),
    ]
    without_proxy = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        command, cwd=tmp_path, env=without_proxy, capture_output=True, text=True, timeout=3_000, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-20_000:]}\n{done.stderr[-2_000:]}"
    log = service.log.read_text()
    assert "panicked" not in log
    assert "a call failed" not in log
    assert service.ready()
