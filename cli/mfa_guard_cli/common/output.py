"""Print results for people and for programs. Without a terminal there are no colors and nothing is cut."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.segment import Segment, Segments
from rich.style import Style
from rich.table import Table
from rich.text import Text

from mfa_guard_cli.common.options import RowFormat

_WIDTH_WITHOUT_TERMINAL: Final = 200


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, and no colors without a terminal."""
    made = Console(highlight=False, markup=False, emoji=False, stderr=stderr, soft_wrap=False)
    if not made.is_terminal:
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def printable(text: str) -> str:
    """Return the text with control and invisible characters escaped, since strangers choose names."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 record`, `2,000 records`."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def print_rows(columns: Mapping[str, str], rows: Sequence[Sequence[str]], output_format: RowFormat) -> None:
    """Print rows as a table, as JSON objects or as CSV. `columns` has the heading of each JSON key."""
    match output_format:
        case "json":
            print_json([dict(zip(columns, row, strict=True)) for row in rows])
        case "csv":
            print_csv(tuple(columns), rows)
        case "table":
            print_table(tuple(columns.values()), rows)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def print_json(value: object) -> None:
    """Print a value as indented JSON in ASCII, so that control characters are escaped."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as CSV below a line of headings. A cell that a spreadsheet would run as a formula begins with '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([_no_formula(printable(cell)) for cell in row] for row in rows)
    sys.stdout.write(text.getvalue())


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one pair on each line."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        console().print(Text(f"{name:<{width}}  {printable(value)}"), soft_wrap=True)


class StreamedTable:
    """A table that is printed while it grows, so its columns have fixed widths.

    On a terminal it has colors and is cut to fit.
    """

    _BATCH: Final = 200

    def __init__(self, columns: Mapping[str, int]) -> None:
        """Take the width of each heading's column, in characters."""
        self._console = console()
        self._pending: list[tuple[str, str | None]] = []
        gaps, total = 2 * (len(columns) - 1), sum(columns.values())
        available = self._console.width - gaps if self._console.is_terminal else total
        self._widths = [max(2, width * available // total) for width in columns.values()]
        self.row(list(columns), "bold")

    def row(self, cells: Sequence[str], style: str | None = None) -> None:
        """Add a row."""
        line = "  ".join(map(self._fit, map(printable, cells), self._widths))
        self.line(line.rstrip(), style)

    def line(self, text: str, style: str | None = None) -> None:
        """Add a line that ignores the columns."""
        self._pending.append((text, style))
        if len(self._pending) >= self._BATCH:
            self.flush()

    def flush(self) -> None:
        """Print what was added."""
        styled = [Segment(line, Style.parse(style) if style else None) for line, style in self._pending]
        self._console.print(Segments(styled, new_lines=True), soft_wrap=True, end="")
        self._pending.clear()

    def _fit(self, text: str, width: int) -> str:
        length = cell_len(text)
        if length <= width or not self._console.is_terminal:
            return text + " " * (width - length)
        return f"{set_cell_size(text, width - 1)}…"


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
