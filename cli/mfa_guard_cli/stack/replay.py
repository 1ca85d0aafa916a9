"""Route recorded events through the template's rules, and print which functions each one would invoke."""

import gc
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol

import typer
from rich.console import Console
from rich.progress import Progress

from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import StreamedTable, counted, printable
from mfa_guard_cli.stack.records import FileNotRead, find_files, read_records
from mfa_guard_cli.stack.router import Routed, Router
from mfa_guard_cli.stack.template import load_template

# Seconds before a progress bar appears.
_PATIENCE: Final = 2.0
_COLUMNS: Final = {"EVENT": 24, "RULES": 34, "SUBJECT": 24, "ACTOR": 28}


class _Output(Protocol):
    def record(self, routed: Routed) -> None: ...
    def end(self, unread_files: int) -> None: ...


class _JsonLines:
    def record(self, routed: Routed) -> None:
        sys.stdout.write(f"{routed.as_json()}\n")

    def end(self, unread_files: int) -> None:
        """Print nothing, so that every line is a record."""


@dataclass
class _Table:
    """A table of the records, with a summary at the end."""

    table: StreamedTable = field(default_factory=lambda: StreamedTable(_COLUMNS))
    records: int = 0
    invoking: int = 0
    problems: int = 0

    def record(self, routed: Routed) -> None:
        self.records += 1
        self.invoking += bool(routed.functions)
        self.problems += routed.problem is not None
        subject = routed.subject
        cells = [
            routed.event_name or "-",
            " ".join(routed.rules) or "-",
            subject.label if subject else "-",
            routed.actor,
        ]
        self.table.row(cells, "cyan" if routed.functions else None)
        if routed.problem:
            self.table.line(f"  problem: {printable(routed.problem)}", "red")

    def end(self, unread_files: int) -> None:
        counts = f"{self.invoking:,} would invoke a function, {counted(self.problems, 'problem')}"
        unread = f", {counted(unread_files, 'file')} not read" if unread_files else ""
        self.table.line(f"{counted(self.records, 'record')}: {counts}{unread}.", "bold")
        self.table.flush()


_OUTPUTS: Final[Mapping[Format, Callable[[], _Output]]] = {"table": _Table, "json": _JsonLines}


def replay_files(paths: Sequence[Path], output_format: Format) -> None:
    """Print what each record in the files and folders would invoke. Exits with 1 if a file cannot be read."""
    unread: list[FileNotRead] = []

    def report(error: FileNotRead) -> None:
        unread.append(error)
        typer.echo(printable(str(error)), err=True)

    files = list(find_files(paths, report))
    with _without_garbage_collection(), _progress(files) as advance:
        router = Router(load_template())
        output = _OUTPUTS[output_format]()
        for file in files:
            try:
                for record in read_records(file):
                    output.record(router.route(record))
                    advance(0)
            except FileNotRead as error:
                report(error)
            # An empty file moves the bar by one byte, since 0 means a record.
            advance(_size(file) or 1)
    output.end(len(unread))
    if unread:
        raise typer.Exit(FOUND)


@contextmanager
def _without_garbage_collection() -> Iterator[None]:
    """Skip the search for reference cycles. It takes as long as the reading and finds none, since records are trees."""
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
    """Yield a function that moves a progress bar by the bytes of a file, or counts one record if it gets 0.

    The bar appears if standard error is a terminal that the table does not use, and the reading takes long.
    """
    if not sys.stderr.isatty() or sys.stdout.isatty():
        yield lambda _: None
        return
    started = time.monotonic()
    records = 0
    # By default rich sends standard output to the terminal of the bar.
    with Progress(console=Console(stderr=True), transient=True, redirect_stdout=False) as progress:
        task = progress.add_task("Reading", total=sum(map(_size, files)), visible=False)

        def advance(size: int) -> None:
            nonlocal records
            records += not size
            if size or not records % 1000:
                late = time.monotonic() - started > _PATIENCE
                progress.update(task, advance=size, description=counted(records, "record"), visible=late)

        yield advance
