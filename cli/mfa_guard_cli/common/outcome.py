"""What a command is about to do, and what it did with the way back: said the same way by all of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import typer

from mfa_guard_cli.common.confirm import confirm
from mfa_guard_cli.common.errors import AWS_REQUEST_FAILED, FOUND
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import print_json, printable


@dataclass(frozen=True)
class Outcome:
    """What was done, what AWS refused, what was left alone, what one should know, and the commands that lead back.

    All are lines. `facts` are for JSON alone.
    """

    done: Sequence[str] = ()
    failed: Sequence[str] = ()
    left: Sequence[str] = ()
    notes: Sequence[str] = ()
    back: Sequence[str] = ()
    facts: Mapping[str, object] = field(default_factory=dict)


def ask(plan: Sequence[str], question: str, *, yes: bool) -> None:
    """Say what will change, on standard error, and return when a person agrees or `yes` was given."""
    for line in plan:
        typer.echo(printable(line), err=True)
    confirm(printable(question), yes=yes)


def tell(outcome: Outcome, form: Format) -> None:
    """Print what was done. Ends the program with exit code 3 when AWS refused any of it, 1 when something is left."""
    if form is Format.JSON:
        print_json(
            {
                **outcome.facts,
                "done": list(outcome.done),
                "failed": list(outcome.failed),
                "left": list(outcome.left),
                "notes": list(outcome.notes),
                "back": list(outcome.back),
            }
        )
    else:
        for line in [*outcome.done, *outcome.notes]:
            typer.echo(printable(line))
        for line in [*outcome.failed, *outcome.left]:
            typer.echo(printable(line), err=True)
        if outcome.back:
            typer.echo("The way back:")
            for line in outcome.back:
                typer.echo(f"  {printable(line)}")
    if outcome.failed:
        raise typer.Exit(AWS_REQUEST_FAILED)
    if outcome.left:
        raise typer.Exit(FOUND)
