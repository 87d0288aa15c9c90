"""Runs a command with TEST_DATABASE_URL set to a throw-away Postgres: `with_postgres.py -- cargo test`."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.stack import postgres


def main() -> int:
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="outlook-bridge-") as run_dir:
        server = postgres.for_tests(Path(run_dir) / "postgres.log")
        server.start()
        try:
            env = dict(os.environ, TEST_DATABASE_URL=server.url(server.maintenance_db))
            return subprocess.run(command, env=env, check=False).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
