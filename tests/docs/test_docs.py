"""The documents say what there is: their links, anchors, settings, targets and shell commands.
`tests/it/documents.rs` runs the commands of `outlook-bridge` in them."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools import docs
from tools.pictures import LARGEST
from tools.stack import paths

ROOT = paths.PROJECT_ROOT
DOCUMENTS = [
    *ROOT.glob("*.md"),
    *ROOT.glob("docs/**/*.md"),
    ROOT / "migrations/README.md",
    ROOT / "graph-sim/README.md",
]
# Where a file is that a document names.
FOLDERS = [
    "",
    "src",
    "docs",
    "tests",
    "graph-sim",
    "graph-sim/src",
    "odoo_addon",
    "odoo_addon/microsoft_calendar_bridge",
]
FOLDERS.append("odoo_addon/microsoft_calendar_bridge/models")
# How files begin that a command makes, that are on the reader's machine, or that stand for any.
ELSEWHERE = ("build/", "target/", ".demo", "/", "~", "<")
FILE = re.compile(r"[^ *{}=]*/[^ *{}=]*\.(?:rs|py|md|toml|sh|yml|service)")
# Variables with the service's prefix that are no settings of it.
OTHER_VARIABLES = {"OUTLOOK_BRIDGE_CACHE", "OUTLOOK_BRIDGE_CONFIG"}

each_document = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda file: str(file.relative_to(ROOT)))


def code(text: str) -> str:
    """Returns all blocks of shell commands, and what is between backticks elsewhere."""
    outside = re.sub(r"^```.*?^```\s*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return "\n".join([*docs.blocks(text, "sh", "bash"), *re.findall(r"`([^`]+)`", outside)])


def anchors(page: Path) -> set[str]:
    """Returns the anchors that are made of the headings, as where the repository is shown: of equal
    ones, the later get a number."""
    found: set[str] = set()
    for heading in re.findall(
        r"^#{1,6} +(.+?) *#*$", re.sub(r"^```.*?^```\s*$", "", page.read_text(), flags=re.M | re.S), re.M
    ):
        shown = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
        anchor = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        number = 0
        while (numbered := f"{anchor}-{number}" if number else anchor) in found:
            number += 1
        found.add(numbered)
    return found


def settings() -> set[str]:
    return set(re.findall(r"^(?:# )?([a-z_]+) = ", (ROOT / "config.default.toml").read_text(), re.MULTILINE))


def nav(entries: list[dict | str]) -> Iterator[str]:
    for entry in entries:
        if isinstance(entry, str):
            yield entry
            continue
        for value in entry.values():
            yield from nav(value) if isinstance(value, list) else [value]


@each_document
def test_each_link_leads_somewhere(document: Path):
    for written, file, anchor in docs.links(document):
        assert file.is_file(), f"{written}: there is no such file"
        assert not anchor or anchor in anchors(file), f"{written}: there is no such heading"


@each_document
def test_each_named_file_exists(document: Path):
    prose = re.sub(r"^```.*?^```\s*$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    named = [file for file in re.findall(r"`([^`\n]+)`", prose) if FILE.fullmatch(file)]
    for file in named:
        assert file.startswith(ELSEWHERE) or any((ROOT / folder / file).exists() for folder in FOLDERS), file


@each_document
def test_tables_and_lists_are_shown_as_such_on_the_site(document: Path):
    """The site's Markdown wants an empty line before them, others do not."""
    before = ""
    for number, line in enumerate(docs.without_code(document.read_text()).splitlines(), 1):
        for begins in (r"\|", r"(?:[*-]|\d+\.) "):
            if re.match(begins, line) and before.strip():
                assert re.match(rf"{begins}|\s|#", before), f"{document.name}:{number} needs an empty line before it"
        before = line


@each_document
def test_what_belongs_to_a_list_and_titles_of_code_are_shown_as_such_on_the_site(document: Path):
    """The site's Markdown wants four spaces before what belongs to an entry, and a title by its name."""
    text = re.sub(
        r"^```.*?^```\s*$", lambda block: "\n" * block[0].count("\n"), document.read_text(), flags=re.M | re.S
    )
    before = ""
    for number, line in enumerate(text.splitlines(), 1):
        is_block = re.match(r" {1,3}(?:```|\||[*-] |\d+\. )", line) or (not before and re.match(r" {1,3}\S", line))
        assert not is_block, f"{document.name}:{number} needs four spaces before it"
        before = line.strip()
    for opening in re.findall(r"^ *```+(.+)$", document.read_text(), re.MULTILINE):
        assert re.fullmatch(r'\w+(?: title="[^"]+")?', opening), f"{document.name}: ```{opening}"


def test_the_site_has_each_page_and_no_other():
    config = tomllib.loads((ROOT / "zensical.toml").read_text())["project"]
    listed = list(nav(config["nav"]))
    assert len(listed) == len(set(listed))
    assert [page for page in listed if not (ROOT / page).is_file()] == []
    led_to = {str(page.relative_to(ROOT)) for page in docs.pages()}
    assert set(listed) - led_to == set(), "pages to which no link leads from README.md"
    documents = {str(page.relative_to(ROOT)) for page in ROOT.glob("docs/**/*.md")}
    assert documents - set(listed) == set(), "pages that zensical.toml does not list"


def test_each_target_exists():
    targets = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        for words in re.findall(r"(?:^|&& |; )make((?: +[a-z][\w-]*)+)", code(document.read_text()), re.MULTILINE):
            assert set(words.split()) <= targets, f"{document.name}: make{words}"


def test_each_setting_exists():
    known = settings()
    for document in DOCUMENTS:
        text = document.read_text()
        named = {
            name.removeprefix("OUTLOOK_BRIDGE_").lower()
            for name in re.findall(r"\bOUTLOOK_BRIDGE_[A-Z_]+\b", text)
            if name not in OTHER_VARIABLES
        }
        for block in docs.blocks(text, "toml"):
            named |= set(re.findall(r"^(?:# )?(\w+) = ", block, re.MULTILINE))
        assert named <= known, f"{document.name}: {named - known}"


@each_document
def test_shell_commands_can_be_read_by_a_shell(document: Path):
    for block in docs.blocks(document.read_text(), "sh", "bash"):
        # <words> stand for what the reader knows.
        script = re.sub(r"<[a-z][^<>\n]*>", "word", block)
        read = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
        assert read.returncode == 0, f"{read.stderr}\n{block}"


@each_document
def test_blocks_of_settings_can_be_read(document: Path):
    for block in docs.blocks(document.read_text(), "toml"):
        tomllib.loads(block)


def test_each_picture_is_shown_and_small():
    pictures = set((ROOT / "docs/pictures").iterdir())
    assert pictures == {file for file in docs.pages() if file.suffix == ".png"}
    assert [file.name for file in pictures if file.stat().st_size >= LARGEST] == []


def test_broken_links_are_found(tmp_path: Path):
    page = tmp_path / "page.md"
    page.write_text("# One & *two*\n\n[a](#one--two) [b](#one-two) [c](no.md) `[d](no.md)`\n\n```\n[e](no.md)\n```\n")
    assert [(written, file.is_file(), anchor in anchors(page)) for written, file, anchor in docs.links(page)] == [
        ("#one--two", True, True),
        ("#one-two", True, False),
        ("no.md", False, False),
    ]
