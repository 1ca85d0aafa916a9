"""What a command is about to change, what it changed, and how to undo it. All commands say it the same way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer

from mfa_guard_cli.common.confirm import confirm
from mfa_guard_cli.common.errors import AWS_REQUEST_FAILED, FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import print_json, printable


@dataclass(frozen=True)
class Outcome:
    """The result of a command that changes something, as lines of text.

    `done`: changes. `failed`: changes that AWS refused. `left`: what was left unchanged for another reason. `notes`:
    what the user should know. `undo`: the commands that undo the changes. `facts`: further fields for JSON.
    """

    done: Sequence[str] = ()
    failed: Sequence[str] = ()
    left: Sequence[str] = ()
    notes: Sequence[str] = ()
    undo: Sequence[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


def confirm_changes(changes: Sequence[str], question: str, *, yes: bool) -> None:
    """Print the changes to standard error, and return if the user agrees or `yes` is true. Raises WrongUse."""
    for line in changes:
        typer.echo(printable(line), err=True)
    confirm(printable(question), yes=yes)


def print_outcome(outcome: Outcome, output_format: Format) -> None:
    """Print the outcome. Exits with 3 if an AWS request failed, with 1 if something was left unchanged."""
    if output_format == "json":
        print_json(
            {
                **outcome.facts,
                "done": list(outcome.done),
                "failed": list(outcome.failed),
                "left": list(outcome.left),
                "notes": list(outcome.notes),
                "undo": list(outcome.undo),
            }
        )
    else:
        for line in [*outcome.done, *outcome.notes]:
            typer.echo(printable(line))
        for line in [*outcome.failed, *outcome.left]:
            typer.echo(printable(line), err=True)
        if outcome.undo:
            typer.echo("To undo:")
            for line in outcome.undo:
                typer.echo(f"  {printable(line)}")
    if outcome.failed:
        raise typer.Exit(AWS_REQUEST_FAILED)
    if outcome.left:
        raise typer.Exit(FOUND)
