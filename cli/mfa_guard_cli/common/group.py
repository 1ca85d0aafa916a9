"""A program: the group of its commands, and how any of them ends."""

import io
import os
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from mfa_guard_cli.common.errors import ProgramError, WrongUse, as_program_error, of_surroundings
from mfa_guard_cli.stack.intrinsics import TemplateError


class _Commands(TyperGroup):
    """A group of commands that turns the errors which any of them may meet into one sentence."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # the wider type is private to typer
        """Run a command; exit code 2 for wrong use, 3 when an AWS request failed."""
        try:
            return super().invoke(ctx)
        except ProgramError as error:
            raise _ended(error) from error
        except TemplateError as error:
            raise _ended(WrongUse(str(error))) from error
        except (BotoCoreError, ClientError) as error:
            raise _ended(as_program_error(error)) from error
        except Exception as error:
            if (ended := of_surroundings(error)) is None:
                raise
            raise _ended(ended) from error


def _ended(error: ProgramError) -> typer.Exit:
    # Imported here, so that only a command that fails pays for it. AWS's text and table records are untrusted.
    from mfa_guard_cli.common.output import printable

    typer.echo(printable(str(error)), err=True)
    return typer.Exit(error.exit_code)


def new_app(description: str) -> typer.Typer:
    """Return a program without commands; `description` is the first line of its help."""
    app = typer.Typer(
        cls=_Commands, help=description, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None
    )
    app.callback()(prepare_streams)
    return app


def prepare_streams() -> None:
    """Open the standard streams that are closed, and let them show any character."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # The parent process closed this stream. It stays open as long as the process.
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A name with letters that the terminal cannot show is no reason to fail.
            stream.reconfigure(errors="backslashreplace")
