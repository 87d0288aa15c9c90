"""Prints the table of a run, and writes it as JSON."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass
class Row:
    """One figure. `least` is a bound that nothing can beat, `limit` is the target; both are in `unit`."""

    case: str
    what: str
    measured: float
    unit: str = ""
    least: float | None = None
    limit: float | None = None
    note: str = ""

    @property
    def ratio(self) -> float | None:
        return self.measured / self.least if self.least else None

    @property
    def verdict(self) -> str:
        if self.limit is None:
            return ""
        if self.measured <= self.limit:
            return "met"
        return f"missed by {_number(self.measured - self.limit)} {self.unit}".rstrip()


def _number(value: float | None) -> str:
    if value is None:
        return ""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.2f}"


def table(rows: list[Row]) -> str:
    head = ("case", "figure", "measured", "least", "ratio", "target", "")
    body = [
        (
            row.case,
            row.what,
            f"{_number(row.measured)} {row.unit}".rstrip(),
            _number(row.least),
            f"{row.ratio:.2f}" if row.ratio is not None else "",
            f"≤ {_number(row.limit)}" if row.limit is not None else "",
            row.verdict,
        )
        for row in rows
    ]
    widths = [max(len(line[column]) for line in (head, *body)) for column in range(len(head))]
    lines = []
    case = ""
    for line in (head, tuple("-" * width for width in widths), *body):
        shown = ("" if line[0] == case else line[0], *line[1:])
        case = line[0]
        left, numbers = shown[:2], shown[2:6]
        cells = [text.ljust(width) for text, width in zip(left, widths, strict=False)]
        cells += [text.rjust(width) for text, width in zip(numbers, widths[2:], strict=False)]
        lines.append("  ".join([*cells, shown[6]]).rstrip())
    notes = [f"  {row.case}, {row.what}: {row.note}" for row in rows if row.note]
    return "\n".join(lines + (["", *notes] if notes else []))


def write(path: Path, rows: list[Row], about: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {**about, "rows": [{**asdict(row), "ratio": row.ratio, "verdict": row.verdict} for row in rows]}
    path.write_text(json.dumps(content, indent=2) + "\n")
