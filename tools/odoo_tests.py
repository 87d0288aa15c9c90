"""Runs the add-on's tests and Odoo's own Outlook tests in Odoo's test runner, with the add-on
installed, not paired.

Odoo runs most tests of a module right after loading it, before modules that extend it are loaded.
Here every test runs at the end, so that Odoo's own tests run with the add-on's overrides.
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
import uuid
from pathlib import Path

from .stack import odoo, paths, postgres
from .stack.process import free_port

# Which of Odoo's tests are skipped in a paired database, or run with nobody connected, and why.
EXCEPTIONS = Path(__file__).parent / "odoo_tests_exceptions.toml"


def exceptions(paired: bool) -> dict[str, str]:
    """Returns which tests a paired run skips, and which run with nobody connected; the file has the
    reasons."""
    if not paired:
        return {}
    entries = [test for kind in tomllib.loads(EXCEPTIONS.read_text()).values() for test in kind]
    unconnected = [test["id"] for test in entries if test.get("unconnected")]
    return {
        "PAIRED_SKIP": json.dumps([test["id"] for test in entries if not test.get("unconnected")]),
        "PAIRED_UNCONNECTED": json.dumps(unconnected),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--test-tags", default=f"/{paths.ADDON},/microsoft_calendar", help="as Odoo's option of that name"
    )
    parser.add_argument("--paired", action="store_true", help="in a paired database whose users are connected")
    parser.add_argument("--template", default="bridge", help="the prepared database to run them in")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="outlook-bridge-odoo-"))
    server = postgres.for_tests(work / "postgres.log")
    database = f"ob_tests_{uuid.uuid4().hex[:8]}"
    try:
        server.start()
        port = free_port()
        odoo.Templates(server, work, print).instantiate(
            options.template, database, work / "data", f"http://127.0.0.1:{port}"
        )
        config = odoo.write_config(work / "odoo.conf", server, work / "data", database=database, port=port)
        arguments = [
            *(sys.executable, "-m", "tools.odoo_tests_paired" if options.paired else "tools.odoo_tests_runner"),
            *("server", "-c", config, "--test-enable", "--stop-after-init"),
            *("--max-cron-threads=0", f"--test-tags={options.test_tags}", f"--screenshots={work / 'screens'}"),
            *("--log-level=test" if os.environ.get("VERBOSE") else "--log-level=warn", "--log-handler"),
            "odoo.tests.stats:INFO,odoo.tests.result:INFO,odoo.service.server:INFO",
        ]
        python_path = os.pathsep.join([str(paths.PROJECT_ROOT), str(paths.odoo_python_path())])
        ran: set[str] = set()
        with subprocess.Popen(
            arguments,
            env=odoo.environment() | {"PYTHONPATH": python_path} | exceptions(options.paired),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as runner:
            assert runner.stdout
            for line in runner.stdout:
                print(line, end="", flush=True)
                if found := re.search(r"odoo\.tests\.stats: (\w+): (\d+) tests", line):
                    ran.add(found[1])
        # Odoo accepts a run without any tests; that must be an error.
        if silent := set(re.findall(r"(?:^|,)\+?/(\w+)", options.test_tags)) - ran:
            print(f"error: no tests of {', '.join(sorted(silent))} ran", flush=True)
            return 1
        return runner.returncode
    finally:
        if isinstance(server, postgres.ExternalPostgres):
            server.drop(database)
        server.stop()
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
