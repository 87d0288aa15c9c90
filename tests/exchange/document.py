"""Reads docs/EXCHANGE.md as data: its sections, tables, and examples."""

import json
import re
from dataclasses import dataclass
from pathlib import Path

DOCUMENT = Path(__file__).parents[2] / "docs" / "EXCHANGE.md"


@dataclass
class Example:
    type: str
    # The heading of the section that has the example.
    section: str
    values: list


def words(text: str) -> set[str]:
    """Returns the words in backticks; of a longer text in backticks only its first name."""
    return {match[1] for match in re.finditer(r"`\"?([\w.]+)[^`\n]*`", text)}


class Document:
    def __init__(self, text: str | None = None):
        self.text = DOCUMENT.read_text() if text is None else text
        parts = re.split(r"^(#{2,3}) (.+)$", self.text, flags=re.MULTILINE)
        self.sections = dict(zip(parts[2::3], parts[3::3], strict=True))

    def table(self, section: str, header: str) -> list[list[str]]:
        """Returns the rows below the header, cell by cell."""
        lines = iter(self.sections[section].splitlines())
        for line in lines:
            if line == header:
                break
        else:
            raise AssertionError(f"there is no table {header} in {section}")
        next(lines)
        rows = []
        for line in lines:
            if not line.startswith("|"):
                break
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        assert rows
        return rows

    def examples(self) -> list[Example]:
        found = []
        for section, text in self.sections.items():
            blocks = re.finditer(r'^```json(?: title="(\w+)")?\n(.*?)^```$', text, re.MULTILINE | re.DOTALL)
            found.extend(Example(block[1], section, read_values(block[2])) for block in blocks)
        return found


def read_values(text: str) -> list:
    """Returns the JSON values of a text. ``Snapshot``, ``…`` and the like become texts."""
    # Quoted texts stay as they are.
    parts = re.split(r"(\"[^\"]*\")", text)
    for at in range(0, len(parts), 2):
        parts[at] = re.sub(r"\{…\}|\b[A-Z]\w+(?: or null)?|…", '"…"', parts[at])
    text, values = "".join(parts).strip(), []
    while text:
        value, end = json.JSONDecoder().raw_decode(text)
        values.append(value)
        text = text[end:].strip()
    return values
