"""The command line: one module per sub-command, registered here."""

import io
import os
import sys

import typer
from botocore.exceptions import BotoCoreError, ClientError
from typer.core import TyperGroup

from mfa_guard_cli.admin import commands as admin
from mfa_guard_cli.doctor import doctor
from mfa_guard_cli.enroll import enroll
from mfa_guard_cli.intrinsics import TemplateError
from mfa_guard_cli.local.command import app as local
from mfa_guard_cli.local.demo_command import demo
from mfa_guard_cli.preview.command import preview
from mfa_guard_cli.program.errors import ProgramError, WrongUse, as_program_error, of_surroundings
from mfa_guard_cli.replay import replay
from mfa_guard_cli.session import session


class _Commands(TyperGroup):
    """The group of all sub-commands; it turns the errors that any of them may meet into one sentence."""

    def invoke(self, ctx: typer.Context) -> object:  # type: ignore[override]  # the wider type is private to typer
        """Run a sub-command; exit code 2 for wrong use, 3 when AWS said no."""
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
    # Only who has an error to show pays for what shows it. AWS's words, and records in tables, are strangers'.
    from mfa_guard_cli.program.output import printable

    typer.echo(printable(str(error)), err=True)
    return typer.Exit(error.exit_code)


app = typer.Typer(cls=_Commands, no_args_is_help=True, pretty_exceptions_enable=False, rich_markup_mode=None)


@app.callback()
def main() -> None:
    """Enforce MFA for the IAM users of one AWS account: tools around the mfa-guard stack."""
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            # Whoever started this has closed it; open as long as the process.
            setattr(sys, name, open(os.devnull, mode))  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # An owner's name that the terminal has no letters for is no reason to fail.
            stream.reconfigure(errors="backslashreplace")


app.command()(preview)
app.command()(replay)
app.command()(demo)
app.command()(enroll)
# The first word that is no option begins the command, whose options are its own.
app.command(context_settings={"allow_interspersed_args": False})(session)
app.command()(doctor)
app.add_typer(local, name="local")
admin.register(app)
