"""A program: the group of its commands, and how each of them ends."""

import io
import os
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from mfa_guard_cli.common.errors import ProgramError, as_program_error, environment_error


class _Commands(TyperGroup):
    """A group of commands that turns the errors which any command can meet into one sentence."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # the wider type is private to typer
        """Run a command. Exits with 2 for wrong use, with 3 if an AWS request failed."""
        try:
            return super().invoke(ctx)
        except ProgramError as error:
            raise _end(error) from error
        except (BotoCoreError, ClientError) as error:
            raise _end(as_program_error(error)) from error
        except Exception as error:
            if (known := environment_error(error)) is None:
                raise
            raise _end(known) from error


def _end(error: ProgramError) -> typer.Exit:
    # Imported here because only a command that fails needs it. AWS's messages and table records are untrusted.
    from mfa_guard_cli.common.output import printable

    typer.echo(printable(str(error)), err=True)
    return typer.Exit(error.exit_code)


def new_app(description: str, *, epilog: str | None = None) -> typer.Typer:
    """Return a program without commands. `description` and `epilog` begin and end its help."""
    app = typer.Typer(
        cls=_Commands,
        help=description,
        epilog=epilog,
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(prepare_streams)
    return app


def new_group(description: str) -> typer.Typer:
    """Return a group of commands within a program."""
    return typer.Typer(help=description, no_args_is_help=True, rich_markup_mode=None)


def prepare_streams() -> None:
    """Open the standard streams that are closed, and let them show any character."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The parent process closed this stream. It stays open as long as the process.
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A character that the terminal cannot show is escaped instead of being an error.
            stream.reconfigure(errors="backslashreplace")
