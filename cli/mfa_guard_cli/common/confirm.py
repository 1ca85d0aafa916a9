"""Ask before something is changed."""

import sys

import typer

from mfa_guard_cli.common.errors import WrongUse


def confirm(question: str, *, yes: bool) -> None:
    """Return when a person agrees, or `yes` was given.

    Raises WrongUse when the person does not, or nobody can be asked, and KeyboardInterrupt.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{question} Nobody can be asked here; say --yes to do it.")
    # typer.confirm puts a part of its question on standard output, and ends with 1, which means a finding.
    typer.echo(f"{question} [y/N]: ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WrongUse("Nothing was changed.")
