"""`mfa-guard replay`: which functions recorded events would wake, and whom they are about."""

import gc
import io
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Protocol

import typer

from mfa_guard_cli.stack.records import FileNotRead, find_files, read_records

if TYPE_CHECKING:
    from mfa_guard_cli.stack.router import Routed

# Seconds that a person waits without a bar.
_PATIENCE: Final = 2.0


class Format(StrEnum):
    """How the result is printed."""

    TABLE = "table"
    JSON = "json"


class _Output(Protocol):
    def row(self, routed: "Routed") -> None: ...
    def end(self, unread: int) -> None: ...


class _JsonLines:
    def row(self, routed: "Routed") -> None:
        sys.stdout.write(f"{routed.as_json()}\n")

    def end(self, unread: int) -> None:
        """Print nothing: whoever reads the lines counts them."""


@dataclass
class _Counts:
    records: int = 0
    woken: int = 0
    problems: int = 0

    def add(self, routed: "Routed") -> None:
        self.records += 1
        self.woken += bool(routed.functions)
        self.problems += routed.problem is not None


class _Table:
    """A table printed while it grows, so that its columns have fixed widths.

    On a terminal it is coloured and cut to fit, elsewhere neither.
    """

    _COLUMNS: Final = (("EVENT", 24), ("RULES", 34), ("SUBJECT", 24), ("ACTOR", 28))
    _BATCH: Final = 200

    def __init__(self) -> None:
        from rich.console import Console  # JSON does without rich, and starts earlier

        if isinstance(sys.stdout, io.TextIOWrapper):
            sys.stdout.reconfigure(errors="backslashreplace")
        self._console = Console(highlight=False, markup=False, emoji=False)
        self._counts = _Counts()
        self._pending: list[tuple[str, str | None]] = []
        gaps, total = 2 * (len(self._COLUMNS) - 1), sum(width for _, width in self._COLUMNS)
        available = self._console.width - gaps if self._console.is_terminal else total
        self._widths = [max(2, width * available // total) for _, width in self._COLUMNS]
        self._add([heading for heading, _ in self._COLUMNS], "bold")

    def row(self, routed: "Routed") -> None:
        self._counts.add(routed)
        subject = routed.subject
        cells = [
            routed.event_name or "-",
            " ".join(routed.rules) or "-",
            "/".join(filter(None, (subject.kind.value, subject.name))) if subject else "-",
            routed.actor,
        ]
        self._add(cells, "cyan" if routed.functions else None)
        if routed.problem:
            self._pending.append((f"  problem: {_printable(routed.problem)}", "red"))
        if len(self._pending) >= self._BATCH:
            self._flush()

    def end(self, unread: int) -> None:
        counts = self._counts
        summary = (
            f"{_counted(counts.records, 'record')}: {counts.woken:,} woke a function,"
            f" {_counted(counts.problems, 'problem')}"
        )
        summary += f", {_counted(unread, 'file')} not read." if unread else "."
        self._pending.append((summary, "bold"))
        self._flush()

    def _add(self, cells: Sequence[str], style: str | None) -> None:
        line = "  ".join(map(self._fit, map(_printable, cells), self._widths))
        self._pending.append((line.rstrip(), style))

    def _fit(self, text: str, width: int) -> str:
        from rich.cells import cell_len, set_cell_size

        length = cell_len(text)
        if length <= width or not self._console.is_terminal:
            return text + " " * (width - length)
        return f"{set_cell_size(text, width - 1)}…"

    def _flush(self) -> None:
        from rich.segment import Segment, Segments
        from rich.style import Style

        styled = [Segment(line, Style.parse(style) if style else None) for line, style in self._pending]
        self._console.print(Segments(styled, new_lines=True), soft_wrap=True, end="")
        self._pending.clear()


_OUTPUTS: Final[Mapping[Format, Callable[[], _Output]]] = {Format.TABLE: _Table, Format.JSON: _JsonLines}


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _printable(text: str) -> str:
    """Return the text with everything escaped that could steer a terminal or hide in it."""
    if text.isprintable():
        return text
    return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in text)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Spare the search for cycles, which takes as long as the reading and finds none: records are trees."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0


@contextmanager
def _progress(files: Sequence[Path]) -> Iterator[Callable[[int], None]]:
    """Give a function that moves a bar on by a file's bytes, or by none for one record more.

    There is a bar when standard error is a terminal that the table does not use itself, and the work is a long one.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    started = time.monotonic()
    records = 0
    # Rich would send what goes to standard output to the bar's terminal as well.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("Reading", total=sum(map(_size, files)), visible=False)

        def advance(size: int) -> None:
            nonlocal records
            records += not size
            if size or not records % 1000:
                late = time.monotonic() - started > _PATIENCE
                progress.update(task, advance=size, description=_counted(records, "record"), visible=late)

        yield advance


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", exists=True, readable=False, help="Files and folders with recorded events."),
    ],
    format_: Annotated[Format, typer.Option("--format", help="Print a table, or one line of JSON per record.")] = (
        Format.TABLE
    ),
) -> None:
    """Tell which functions recorded CloudTrail events would wake, and whom they are about.

    Reads EventBridge events and CloudTrail log files (.json, .json.gz, JSON lines), and folders of them. Nothing is
    sent anywhere. Exit codes: 0 everything was read, 1 a file could not be read, 2 wrong use, such as a path that does
    not exist.
    """
    # The template takes longer to read than the whole program to start.
    from mfa_guard_cli.stack.router import Router
    from mfa_guard_cli.stack.template import load_template

    unread: list[FileNotRead] = []

    def report(error: FileNotRead) -> None:
        unread.append(error)
        typer.echo(_printable(str(error)), err=True)

    files = list(find_files(paths, report))
    with _without_garbage_collection(), _progress(files) as advance:
        router = Router(load_template())
        output = _OUTPUTS[format_]()
        for file in files:
            try:
                for record in read_records(file):
                    output.row(router.route(record))
                    advance(0)
            except FileNotRead as error:
                report(error)
            # An empty file is no record, so it moves the bar like a byte.
            advance(_size(file) or 1)
    output.end(len(unread))
    if unread:
        raise typer.Exit(1)
