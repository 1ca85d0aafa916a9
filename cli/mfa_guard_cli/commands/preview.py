"""`mfa-guard preview`: what enforcing would do, before anything is deployed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mfa_guard.core.settings import EnforceOn, WorkingMachineUsers
from mfa_guard_cli.common.errors import FOUND
from mfa_guard_cli.common.options import AsRows, Profile, Region, RowFormat

if TYPE_CHECKING:
    from mfa_guard_cli.preview.model import Preview
    from mfa_guard_cli.preview.reading import Told

# Throttling is IAM's business to say and botocore's to obey; the account's other callers have the same quota.
_ATTEMPTS: Final = 10

# What the sweep of a stack in the caller's account would go by.
_FUNCTION: Final = "SweepFunction"


def preview(
    *,
    enforce_on: Annotated[
        EnforceOn, typer.Option("--enforce-on", help="As the parameter EnforceOn of the template.")
    ] = EnforceOn.ALL,
    working_machine_users: Annotated[
        WorkingMachineUsers, typer.Option("--working-machine-users", help="As the parameter WorkingMachineUsers.")
    ] = WorkingMachineUsers.REVIEW,
    exempt_path_prefixes: Annotated[
        str,
        typer.Option(
            "--exempt-path-prefixes",
            help="As the parameter ExemptPathPrefixes: /machines/,/partners/ci/",
            show_default=False,
        ),
    ] = "",
    html: Annotated[
        Path | None,
        typer.Option(
            "--html",
            metavar="FILE",
            help="Also write one self-contained page to send around. Replaces an older page, and no other file.",
            show_default=False,
        ),
    ] = None,
    format_: AsRows = RowFormat.TABLE,
    profile: Profile = None,
    region: Region = None,
) -> None:
    """Tell what enforcing MFA would do to every IAM user of the account, before you deploy.

    Needs no stack and changes nothing, but that IAM makes a credential report if it has none of the last four hours.
    It takes a call for a page of users, and one for each user whose only MFA devices are passkeys or tokens.

    Exit codes: 0 done, whoever lacks MFA; 1 something about some users could not be read, as the notes say; 2 wrong
    use; 3 AWS said no.
    """
    from mfa_guard_cli.preview.page import page  # mfa-guard --help does without all this
    from mfa_guard_cli.preview.saving import check_target, save

    if html is not None:
        check_target(html)
    parameters = {
        "EnforceOn": enforce_on.value,
        "WorkingMachineUsers": working_machine_users.value,
        "ExemptPathPrefixes": exempt_path_prefixes,
    }
    foreseen = _foresee(profile, region, parameters)
    _show(foreseen, format_)
    if html is not None:
        save(html, page(foreseen))
        typer.echo(f"Wrote {html}: for your eyes and those you send it to, as it names who has no MFA.", err=True)
    if foreseen.totals.unread:
        raise typer.Exit(FOUND)


def _foresee(profile: str | None, region: str | None, parameters: Mapping[str, str]) -> "Preview":
    from botocore.config import Config

    from mfa_guard.adapters.clock import SystemClock
    from mfa_guard.core.partitions import partition_of
    from mfa_guard.core.settings import parse_settings
    from mfa_guard_cli.common.aws_session import open_session
    from mfa_guard_cli.preview.model import foresee
    from mfa_guard_cli.preview.reading import AccountReader, identify
    from mfa_guard_cli.stack.template import load_template

    session = open_session(profile, region)
    home = partition_of(session.region_name).home_region
    template = load_template()
    # Wrong parameters are refused before anybody is asked anything.
    template.render(region=home, parameters=parameters)
    credentials = session.get_credentials()
    caller, account = identify(session.client("sts"), credentials.access_key if credentials else "")
    stack = template.render(account=account, region=home, parameters=parameters)
    settings = parse_settings(stack.environment(_FUNCTION))
    iam = session.client("iam", config=Config(retries={"mode": "adaptive", "max_attempts": _ATTEMPTS}))
    with _progress() as tell:
        return foresee(AccountReader(iam, settings, SystemClock(), tell).read(caller), settings)


@contextmanager
def _progress() -> "Iterator[Told]":
    """Give what shows how far the reading is, when standard error is a terminal."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn

    from mfa_guard_cli.common.output import console

    shown = console(stderr=True)
    columns = SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn()
    with Progress(*columns, console=shown, transient=True, disable=not shown.is_terminal) as progress:
        task = progress.add_task("Reading", total=None)

        def tell(what: str, done: int, total: int | None) -> None:
            progress.update(task, description=what, completed=done, total=total)

        yield tell


def _show(foreseen: "Preview", format_: RowFormat) -> None:
    from mfa_guard_cli.common.output import print_csv, print_json
    from mfa_guard_cli.preview import rows

    match format_:
        case RowFormat.JSON:
            print_json(rows.as_json(foreseen))
        case RowFormat.CSV:
            print_csv(rows.CSV, [rows.csv_row(each) for each in foreseen.outlooks])
            for note in foreseen.reading.notes:
                typer.echo(note, err=True)
        case RowFormat.TABLE:
            _show_table(foreseen)


def _show_table(foreseen: "Preview") -> None:
    """Print the users, and below them, where a person looks when the table is long, what they come to."""
    from rich.text import Text

    from mfa_guard_cli.common.output import console, print_table, printable
    from mfa_guard_cli.preview import rows, wording
    from mfa_guard_cli.preview.advice import advise

    print_table(rows.TABLE, [rows.table_row(each, foreseen.reading.at) for each in foreseen.outlooks])
    facts, warnings = wording.caller_lines(foreseen)
    reading = foreseen.reading
    blocks = (
        (*facts, *(f"WARNING: {each}" for each in warnings)),
        (
            f"{wording.heading(reading)}, by {wording.settings_text(foreseen.settings)}",
            wording.source_text(reading),
            *wording.totals_lines(foreseen),
        ),
        wording.advice_lines(advise(foreseen)),
        (*reading.notes, *wording.LIMITS),
    )
    for block in filter(None, blocks):
        console().print()
        for line in block:
            style = "bold red" if line.startswith("WARNING") else ""
            console().print(Text(printable(line), style), soft_wrap=line.startswith("  "))
