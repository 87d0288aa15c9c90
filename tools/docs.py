"""Builds the documentation as a site, in build/site: `python -m tools.docs`.

The pages are the Markdown files that README.md leads to, and the files that these show or link to.
They are copied with their folders, so each link is the same on the site as in the repository.
"""

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from .stack import paths

ROOT = paths.PROJECT_ROOT
BUILD = ROOT / "build"
COPY = BUILD / "docs"
SITE = BUILD / "site"
FIRST = ROOT / "README.md"

LINK = re.compile(r"\]\(\s*<?([^)\s>]+)>?\s*\)")
CODE = re.compile(r"^(```+)[^\n]*\n.*?^\1\s*$|(`+)(?!`).*?(?<!`)\2(?!`)", re.MULTILINE | re.DOTALL)


def without_code(text: str) -> str:
    """Leaves out blocks and pieces of code, but no line."""
    return CODE.sub(lambda found: "\n" * found[0].count("\n"), text)


def blocks(text: str, *languages: str) -> Iterator[str]:
    """Yields the blocks of code in one of these languages."""
    for _, language, block in re.findall(r"^( *)```+ *(\w*)[^\n]*\n(.*?)^\1```+\s*$", text, re.MULTILINE | re.DOTALL):
        if language in languages:
            yield block


def links(page: Path) -> Iterator[tuple[str, Path, str]]:
    """Yields each link of a page to this repository: as it is written, its file, and its anchor."""
    for link in LINK.findall(without_code(page.read_text())):
        if re.match(r"[a-z]+:", link):
            continue
        file, _, anchor = link.partition("#")
        yield link, (page.parent / file).resolve() if file else page, anchor


def pages(first: Path = FIRST) -> list[Path]:
    """Returns the first page, and all pages and files to which links lead from it."""
    found = [first]
    for page in found:
        if page.suffix == ".md":
            found += dict.fromkeys(file for _, file, _ in links(page) if file.is_file() and file not in found)
    return found


def copy_pages() -> None:
    shutil.rmtree(COPY, ignore_errors=True)
    for file in pages():
        copy = COPY / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)


def main() -> int:
    copy_pages()
    shutil.rmtree(SITE, ignore_errors=True)
    # Built there, as the generator puts its cache beside its configuration.
    shutil.copy(ROOT / "zensical.toml", BUILD)
    zensical = Path(sys.executable).parent / "zensical"
    built = subprocess.run([zensical, "build", "--strict", "--clean"], cwd=BUILD, check=False)
    if built.returncode == 0:
        print(f"the documentation: {SITE / 'index.html'}")
    return built.returncode


if __name__ == "__main__":
    sys.exit(main())
