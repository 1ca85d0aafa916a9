"""Options and arguments of the commands. Each has one meaning everywhere, so it is declared here once."""

from typing import Annotated, Literal, TypeAlias

import typer

Format: TypeAlias = Literal["table", "json"]
RowFormat: TypeAlias = Literal["table", "json", "csv"]

AsFormat: TypeAlias = Annotated[Format, typer.Option("--format", help="table for people, json for programs.")]
AsRows: TypeAlias = Annotated[RowFormat, typer.Option("--format", help="table for people, json or csv for programs.")]
Yes: TypeAlias = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
Profile: TypeAlias = Annotated[
    str | None, typer.Option("--profile", help="Profile of your AWS configuration.", show_default=False)
]
Region: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--region", help="AWS Region. Default: the one in your configuration, else us-east-1.", show_default=False
    ),
]
StackName: TypeAlias = Annotated[str, typer.Option("--stack", help="Name of the mfa-guard stack.")]
StackRegion: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--region",
        help="AWS Region of the stack. Default: the one that receives IAM's events, us-east-1 in most accounts.",
        show_default=False,
    ),
]
User: TypeAlias = Annotated[str, typer.Argument(metavar="USER", help="Name of the IAM user.", show_default=False)]
Owner: TypeAlias = Annotated[
    str, typer.Option("--owner", help="Person or team that answers for the exemption.", show_default=False)
]
Reason: TypeAlias = Annotated[str, typer.Option("--reason", help="Why the user is exempt.", show_default=False)]
Days: TypeAlias = Annotated[
    int | None,
    typer.Option("--days", min=1, max=365, help="Days that the exemption lasts. Default: 30.", show_default=False),
]
Until: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME",
        help="End of the exemption, at most 365 days ahead: 2027-01-31, or 2027-01-31T18:00:00Z.",
        show_default=False,
    ),
]
