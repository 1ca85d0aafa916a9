"""Ask before something is changed."""

import sys

import typer

from mfa_guard_cli.program.errors import WrongUse


def confirm(question: str, *, yes: bool) -> None:
    """Return when a person agrees, or `yes` was given.

    Raises typer.Abort when the person does not, and WrongUse where nobody can be asked.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{question} Nobody can be asked here; say --yes to do it.")
    typer.confirm(question, abort=True, err=True)
