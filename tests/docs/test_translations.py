"""Each translation of the add-on has every term, with its placeholders and tags."""

import re
from pathlib import Path

import polib
import pytest

from tools import sentences
from tools.stack import paths

FOLDER = paths.ADDONS_DIR / paths.ADDON / "i18n"
TEMPLATE = FOLDER / f"{paths.ADDON}.pot"
LANGUAGES = {"de", "es", "fr", "it", "nl", "pt_BR", "zh_CN"}
# What an attribute says may be translated.
KEPT = (r"%\(\w+\)s|%s|%d|\$\{\w+\}", r"</?\w+")


def test_the_languages():
    assert {file.stem for file in FOLDER.glob("*.po")} == LANGUAGES


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.po")), ids=lambda file: file.stem)
def test_every_term(file: Path):
    """`python -m tools.translations` takes new terms up; somebody has to translate them."""
    template = {entry.msgid for entry in polib.pofile(str(TEMPLATE))}
    entries = {entry.msgid: entry for entry in polib.pofile(str(file))}
    assert entries.keys() == template
    for msgid, entry in entries.items():
        assert entry.msgstr.strip() and not entry.fuzzy, f"not translated: {msgid}"
        for pattern in KEPT:
            kept = [sorted(re.findall(pattern, text)) for text in (msgid, entry.msgstr)]
            assert kept[0] == kept[1], msgid


def test_the_services_sentences():
    """`python -m tools.sentences` writes them again."""
    assert sentences.FILE.read_text() == sentences.text()
