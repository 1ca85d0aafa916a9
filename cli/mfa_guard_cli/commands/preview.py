"""`mfa-guard preview`: show what enforcing MFA would do, before anything is deployed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mfa_guard.core.settings import EnforceOn, WorkingMachineUsers
from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import AsRows, Profile, Region, RowFormat

if TYPE_CHECKING:
    from mfa_guard_cli.preview.account_reader import ShowProgress
    from mfa_guard_cli.preview.model import Preview

# Other callers in the account share the quota of IAM. botocore slows down when IAM throttles, and tries this often.
_ATTEMPTS: Final = 10

# The settings of a stack in the caller's account are in the environment of its functions.
_FUNCTION: Final = "SweepFunction"


def preview(
    *,
    enforce_on: Annotated[
        EnforceOn, typer.Option("--enforce-on", help="The template parameter EnforceOn.")
    ] = EnforceOn.ALL,
    working_machine_users: Annotated[
        WorkingMachineUsers, typer.Option("--working-machine-users", help="The template parameter WorkingMachineUsers.")
    ] = WorkingMachineUsers.REVIEW,
    exempt_path_prefixes: Annotated[
        str,
        typer.Option(
            "--exempt-path-prefixes",
            help="The template parameter ExemptPathPrefixes, such as /machines/,/partners/ci/.",
            show_default=False,
        ),
    ] = "",
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write one self-contained HTML page. Replaces an older page, but no other file.",
            show_default=False,
        ),
    ] = None,
    format_: AsRows = "table",
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Show what enforcing MFA would do to every IAM user of the account, before you deploy.

    Needs no stack. Changes nothing, except that IAM creates a credential report if the last one is older than four
    hours. Makes one call for each page of users, and one for each user whose only MFA devices are passkeys or hardware
    tokens.

    Exit codes: 0 done, even if users have no MFA; 1 some data about users could not be read, as the notes say; 2 wrong
    use; 3 AWS request failed.
    """
    if html is not None:
        from mfa_guard_cli.common.page_file import check_page_file, write_page
        from mfa_guard_cli.preview.page import GENERATOR, page

        check_page_file(html, GENERATOR)
    parameters = {
        "EnforceOn": enforce_on.value,
        "WorkingMachineUsers": working_machine_users.value,
        "ExemptPathPrefixes": exempt_path_prefixes,
    }
    predicted = _predict(profile, region, parameters)
    _show(predicted, format_)
    if html is not None:
        write_page(html, page(predicted), GENERATOR)
        typer.echo(f"Wrote {html}. It names the users without MFA, so share it with care.", err=True)
    if predicted.totals.incomplete:
        raise typer.Exit(FOUND)


def _predict(profile: str | None, region: str | None, parameters: Mapping[str, str]) -> "Preview":
    from botocore.config import Config

    from mfa_guard.adapters.clock import SystemClock
    from mfa_guard.core.partitions import partition_of
    from mfa_guard.core.settings import parse_settings
    from mfa_guard_cli.common.aws_session import open_session
    from mfa_guard_cli.preview.account_reader import AccountReader, identify_caller
    from mfa_guard_cli.preview.forecast import predict
    from mfa_guard_cli.stack.template import load_template

    session = open_session(profile, region)
    home = partition_of(session.region_name).home_region
    template = load_template()
    # Refuses wrong parameters before any call to AWS.
    template.render(region=home, parameters=parameters)
    credentials = session.get_credentials()
    caller, account = identify_caller(session.client("sts"), credentials.access_key if credentials else "")
    stack = template.render(account=account, region=home, parameters=parameters)
    settings = parse_settings(stack.environment(_FUNCTION))
    iam = session.client("iam", config=Config(retries={"mode": "adaptive", "max_attempts": _ATTEMPTS}))
    with _progress() as show_progress:
        return predict(AccountReader(iam, settings, SystemClock(), show_progress).read(caller), settings)


@contextmanager
def _progress() -> "Iterator[ShowProgress]":
    """Yield a function that shows the progress of reading if standard error is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from mfa_guard_cli.common.output import console

    shown = console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        task = progress.add_task("Reading", total=None)

        def show_progress(description: str, done: int, total: int | None) -> None:
            progress.update(task, description=description, completed=done, total=total)

        yield show_progress


def _show(predicted: "Preview", format_: RowFormat) -> None:
    from mfa_guard_cli.common.output import print_csv, print_json
    from mfa_guard_cli.preview import formats

    match format_:
        case "json":
            print_json(formats.as_json(predicted))
        case "csv":
            print_csv(formats.CSV_COLUMNS, [formats.csv_row(user) for user in predicted.users])
            for note in predicted.data.notes:
                typer.echo(note, err=True)
        case "table":
            _show_table(predicted)


def _show_table(predicted: "Preview") -> None:
    """Print the users, and the summary below them, where it stays visible after a long table."""
    from rich.text import Text

    from mfa_guard_cli.common.output import console, print_table, printable
    from mfa_guard_cli.preview import descriptions, formats
    from mfa_guard_cli.preview.advice import advise

    data = predicted.data
    print_table(formats.TABLE_COLUMNS, [formats.table_row(user, data.read_at) for user in predicted.users])
    facts, warnings = descriptions.caller_text(predicted)
    blocks = (
        (*facts, *(f"WARNING: {each}" for each in warnings)),
        (
            f"{descriptions.heading(data)}, with {descriptions.parameters_text(predicted.settings)}",
            descriptions.source_text(data),
            *descriptions.totals_text(predicted),
        ),
        tuple(
            line
            for each in descriptions.advice_text(advise(predicted))
            for line in (each.sentence, *(f"  {line}" for line in each.lines))
        ),
        (*data.notes, *descriptions.LIMITATIONS),
    )
    for block in filter(None, blocks):
        console().print()
        for line in block:
            style = "bold red" if line.startswith("WARNING") else ""
            console().print(Text(printable(line), style), soft_wrap=line.startswith("  "))
