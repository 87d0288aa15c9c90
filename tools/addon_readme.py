"""Writes the add-on's README.rst from the fragments in `readme/`, as OCA does: `python -m
tools.addon_readme`.

`--check` only says whether the file is out of date.
"""

import argparse
import ast
import re
import sys

from .stack import paths

ADDON = paths.ADDONS_DIR / paths.ADDON
FILE = ADDON / "README.rst"
# OCA's order of the fragments, and its headings.
SECTIONS = {
    "INSTALL": "Installation",
    "CONFIGURE": "Configuration",
    "USAGE": "Usage",
    "ROADMAP": "Known issues / Roadmap",
    "DEVELOP": "Development",
}


def to_rst(markdown: str) -> str:
    """Converts the Markdown that the fragments use. Paragraphs and lists are the same in both formats."""
    text = re.sub(r"`([^`]+)`", r"``\1``", markdown.strip())
    return re.sub(r"\[([^\]]+)\]\(([^)]+)\)", r"`\1 <\2>`__", text)


def heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}"


def fragment(name: str) -> str | None:
    file = ADDON / "readme" / f"{name}.md"
    return to_rst(file.read_text()) if file.exists() else None


def readme() -> str:
    manifest = ast.literal_eval((ADDON / "__manifest__.py").read_text())
    title = manifest["name"]
    parts = [
        f"{'=' * len(title)}\n{heading(title, '=')}",
        ".. Written by tools/addon_readme.py of the fragments in readme/: change those.",
        fragment("DESCRIPTION"),
        "**Table of contents**\n\n.. contents::\n   :local:",
    ]
    for name, text in SECTIONS.items():
        if content := fragment(name):
            parts += [heading(text, "="), content]
    authors = "\n".join(f"* {author.strip()}" for author in manifest["author"].split(","))
    parts += [
        *(heading("Credits", "="), heading("Authors", "-"), authors),
        *(heading("Contributors", "-"), fragment("CONTRIBUTORS")),
        *(heading("License", "-"), f"{manifest['license']} or later."),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing")
    text = readme()
    if not parser.parse_args().check:
        FILE.write_text(text)
        return 0
    if FILE.read_text() == text:
        return 0
    print(f"error: {FILE} is out of date; `python -m tools.addon_readme` writes it again", flush=True)
    return 1


if __name__ == "__main__":
    sys.exit(main())
