"""`mfa-guard replay`: which functions recorded events would invoke, and which users they are about."""

from pathlib import Path
from typing import Annotated

import typer

from mfa_guard_cli.common.options import Format


def replay(
    paths: Annotated[
        list[Path],
        typer.Argument(metavar="PATH...", exists=True, readable=False, help="Files and folders with recorded events."),
    ],
    output_format: Annotated[
        Format, typer.Option("--format", help="Print a table, or one line of JSON for each record.")
    ] = "table",
) -> None:
    """Show which functions events would invoke.

    Reads recorded EventBridge events and CloudTrail log files (.json, .json.gz, JSON lines), and folders of them. Also
    shows which users the events are about. Sends nothing. Exit code 1: a file could not be read.
    """
    from mfa_guard_cli.stack.replay import replay_files

    replay_files(paths, output_format)
