"""Writes the template of the add-on's translations again, and takes its terms up in each of them:
`python -m tools.translations`.

`--check` only says whether the template is out of date. tests/docs checks the translations.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path

import polib

from .stack import odoo, paths, postgres
from .stack.process import free_port

FILE = paths.ADDONS_DIR / paths.ADDON / "i18n" / f"{paths.ADDON}.pot"


def terms(text: str) -> list[str]:
    """Returns the lines without the times of the export, which always differ."""
    return [line for line in text.splitlines() if not line.startswith(('"POT-Creation-Date:', '"PO-Revision-Date:'))]


def export(file: Path, work: Path) -> None:
    """Exports the template from a database that has the add-on."""
    server = postgres.for_tests(work / "postgres.log")
    database = f"ob_tests_{uuid.uuid4().hex[:8]}"
    try:
        server.start()
        data = work / "data"
        odoo.Templates(server, work, print).instantiate("bridge", database, data, f"http://127.0.0.1:{free_port()}")
        config = odoo.write_config(work / "odoo.conf", server, data, database=database)
        command = [sys.executable, "-m", "odoo", "i18n", "export", "-c", config, "-d", database]
        subprocess.run([*command, "-o", file, paths.ADDON], env=odoo.environment(), check=True)
    finally:
        if isinstance(server, postgres.ExternalPostgres):
            server.drop(database)
        server.stop()


def merge() -> None:
    """Adds the new terms to the translations, empty, and removes those that are gone."""
    template = polib.pofile(str(FILE))
    for file in FILE.parent.glob("*.po"):
        translated = polib.pofile(str(file))
        translated.merge(template)
        for entry in translated.obsolete_entries():
            translated.remove(entry)
        translated.save()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    check = parser.parse_args().check
    work = Path(tempfile.mkdtemp(prefix="outlook-bridge-translations-"))
    try:
        exported = work / FILE.name
        export(exported, work)
        new, old = exported.read_text(), FILE.read_text()
        if terms(new) == terms(old):
            return 0
        if not check:
            FILE.write_text(new)
            merge()
            return 0
        print(f"error: {FILE} is out of date; `python -m tools.translations` writes it anew", flush=True)
        return 1
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
