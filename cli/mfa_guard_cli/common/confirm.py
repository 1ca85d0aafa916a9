"""Ask for confirmation before a change."""

import sys

import typer

from mfa_guard_cli.common.errors import WrongUse


def confirm(question: str, *, yes: bool) -> None:
    """Return if the user agrees on the terminal, or if `yes` is true.

    Raises WrongUse if the user does not agree or there is no terminal, and KeyboardInterrupt.
    """
    if yes:
        return
    if not sys.stdin.isatty():
        raise WrongUse(f"{question} There is no terminal to confirm on; add --yes to confirm.")
    # typer.confirm writes part of its question to standard output, and exits with 1, which means a finding.
    typer.echo(f"{question} [y/N]: ", nl=False, err=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise WrongUse("Canceled; nothing was changed.")
