"""Options that every command has, with one meaning everywhere."""

from enum import StrEnum
from typing import Annotated, TypeAlias

import typer


class Format(StrEnum):
    """How rows are printed."""

    TABLE = "table"
    JSON = "json"


class RowFormat(StrEnum):
    """How rows are printed where a spreadsheet may want them."""

    TABLE = "table"
    JSON = "json"
    CSV = "csv"


Profile: TypeAlias = Annotated[
    str | None, typer.Option("--profile", help="Profile of your AWS configuration.", show_default=False)
]
Region: TypeAlias = Annotated[
    str | None,
    typer.Option("--region", help="Region; by default your configuration's, else us-east-1.", show_default=False),
]
AsFormat: TypeAlias = Annotated[Format, typer.Option("--format", help="table for people, json for programs.")]
AsRows: TypeAlias = Annotated[RowFormat, typer.Option("--format", help="table for people, json or csv for programs.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
StackName: TypeAlias = Annotated[str, typer.Option("--stack", help="Name of the guard's stack.")]
