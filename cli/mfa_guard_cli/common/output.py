"""Print rows and facts for people or programs; nothing is coloured where there is no terminal."""

import csv
import io
import json
import sys
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

_WIDTH_WITHOUT_TERMINAL = 200


def console(*, stderr: bool = False) -> Console:
    """Return a console that prints text as it is: no markup, and no colour where there is no terminal."""
    made = Console(highlight=False, markup=False, emoji=False, stderr=stderr, soft_wrap=False)
    if not made.is_terminal:
        made.width = _WIDTH_WITHOUT_TERMINAL
    return made


def printable(text: str) -> str:
    """Return a text whose control characters cannot steer a terminal: names come from strangers."""
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode("ascii") for each in text)


def print_table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows below their headings."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for row in rows:
        table.add_row(*(Text(printable(cell)) for cell in row))
    console().print(table)


def print_json(value: object) -> None:
    """Print a value as JSON, indented, in ASCII: what steers a terminal is escaped."""
    sys.stdout.write(json.dumps(value, indent=2, default=str) + "\n")


def print_csv(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Print rows as CSV with a line of headings; a cell that a spreadsheet would take for a formula begins with '."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(headings)
    writer.writerows([_no_formula(printable(cell)) for cell in row] for row in rows)
    sys.stdout.write(text.getvalue())


def print_facts(facts: Mapping[str, str]) -> None:
    """Print names and values, one a line."""
    width = max(map(len, facts), default=0)
    for name, value in facts.items():
        console().print(Text(f"{name:<{width}}  {printable(value)}"), soft_wrap=True)


def _no_formula(cell: str) -> str:
    return f"'{cell}" if cell[:1] in ("=", "+", "-", "@", "\t", "\r") else cell
