"""Writes the add-on's file of the service's sentences from their catalogue: `python -m tools.sentences`.

`--check` only says whether the file is out of date, as tests/docs do.
"""

import argparse
import re
import sys
import textwrap

from .stack import paths

CATALOGUE = paths.PROJECT_ROOT / "src" / "words" / "say.rs"
FILE = paths.ADDONS_DIR / paths.ADDON / "sentences.py"
HEAD = '''\
# Copyright 2026 Outlook bridge contributors
# License LGPL-3.0 or later (https://www.gnu.org/licenses/lgpl).

"""The service's sentences, by their codes. This file is written by `python -m tools.sentences` from
src/words/say.rs."""

from .compat import LazyTranslate

_lt = LazyTranslate(__name__)

SENTENCES = {
'''
ENTRY = re.compile(r'^    (?P<code>\w+)\((?P<args>[\w, ]*)\) = "(?P<english>(?:[^"\\]|\\.)*)";$', re.MULTILINE)
PLACEHOLDER = re.compile(r"\{(\w+)(?::[^}]*)?\}")
# The length of a line of the add-on.
WIDTH = 119


def templates(catalogue: str) -> dict[str, str]:
    """Returns ``{code: English}`` with placeholders as Python has them."""
    body = catalogue[catalogue.index("\nsentences! {\n") :]
    found = {}
    for match in ENTRY.finditer(body):
        english = PLACEHOLDER.sub(r"%(\1)s", match["english"].replace(r"\"", '"'))
        names = set(re.findall(r"%\((\w+)\)s", english))
        assert names == set(filter(None, match["args"].split(", "))), match["code"]
        found[match["code"]] = english
    assert len(found) == body.count(" = "), "an entry of the catalogue cannot be read"
    return found


def quoted(text: str) -> str:
    return '"' + text.replace('"', r"\"") + '"'


def entry(code: str, english: str) -> str:
    line = f'    "{code}": _lt({quoted(english)}),'
    if len(line) <= WIDTH:
        return f"{line}\n"
    parts = textwrap.wrap(english, WIDTH - 10, drop_whitespace=False, break_long_words=False, break_on_hyphens=False)
    lines = "".join(f"        {quoted(part)}\n" for part in parts)
    return f'    "{code}": _lt(\n{lines}    ),\n'


def text() -> str:
    entries = templates(CATALOGUE.read_text()).items()
    return HEAD + "".join(entry(code, english) for code, english in entries) + "}\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    if text() == (FILE.read_text() if FILE.exists() else None):
        return 0
    if not parser.parse_args().check:
        FILE.write_text(text())
        return 0
    print(f"error: {FILE} is out of date; `python -m tools.sentences` writes it again", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
