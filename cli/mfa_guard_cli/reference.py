"""Render the program's own help as docs/cli.md: python -m mfa_guard_cli.reference > docs/cli.md."""

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

import typer
import typer.main

from mfa_guard_cli.main import app

_NAME: Final = "mfa-guard"
_WIDTH: Final = 120
_INTRODUCTION: Final = """\
# The command line

Generated from the program by `make docs`; a test fails when it is not current. `mfa-guard COMMAND --help` says the
same.

Exit codes: 0 done, 1 found something, 2 wrong use, 3 AWS said no. Errors are one sentence on standard error. What is
printed for programs (`--format json`, `csv`) is alone on standard output; questions, and what will change, are on
standard error. There is no colour and no bar where there is no terminal.

Credentials come from where the AWS CLI has them; `--profile` names a profile. A command about the guard looks for its
stack in us-east-1, or where IAM's events arrive in your partition; `--region` and `--stack` say otherwise.

Completion for bash, zsh, fish and PowerShell: `mfa-guard --install-completion`, then open a new shell;
`mfa-guard --show-completion` prints what that installs.
"""


class _Parameter(Protocol):
    param_type_name: str

    def get_help_record(self, ctx: typer.Context) -> tuple[str, str] | None: ...


class _Command(Protocol):
    """What is used of a click command, which typer has as a private copy."""

    name: str | None
    help: str | None
    params: Sequence[_Parameter]

    def get_usage(self, ctx: typer.Context) -> str: ...


def reference() -> str:
    """Return the whole page."""
    group: _Command = typer.main.get_command(app)  # type: ignore[assignment]
    blocks = [_INTRODUCTION]
    for path, command in _commands(group, (_NAME,)):
        blocks.append(_section(path, command))
    return "\n".join(blocks)


def _commands(group: _Command, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], _Command]]:
    children: Mapping[str, _Command] = getattr(group, "commands", {})
    for name, command in children.items():
        yield (*path, name), command
        yield from _commands(command, (*path, name))


def _section(path: tuple[str, ...], command: _Command) -> str:
    context = typer.Context(command, info_name=" ".join(path))  # type: ignore[arg-type]
    usage = " ".join(command.get_usage(context).removeprefix("Usage:").split())
    records = [record for each in command.params if (record := each.get_help_record(context))]
    rows = [f"| `{_cell(names)}` | {_cell(meaning)} |" for names, meaning in records if names != "--help"]
    table = ["", "| Argument or option | Meaning |", "| --- | --- |", *rows] if rows else []
    level = "#" * len(path)
    lines = [f"{level} {' '.join(path)}", "", "```text", usage, "```", "", _paragraphs(command.help or ""), *table]
    return "\n".join(lines) + "\n"


def _paragraphs(text: str) -> str:
    blocks = [" ".join(block.split()) for block in text.split("\n\n")]
    return "\n\n".join(textwrap.fill(block, _WIDTH, break_on_hyphens=False) for block in blocks if block)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


if __name__ == "__main__":
    sys.stdout.write(reference())
