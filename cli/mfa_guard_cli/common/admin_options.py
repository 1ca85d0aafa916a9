"""Options and arguments of the administrator's commands."""

import re
from typing import Annotated, Final, TypeAlias

import typer

from mfa_guard_cli.common.errors import WrongUse

# https://docs.aws.amazon.com/IAM/latest/APIReference/API_CreateUser.html
_USER_NAME: Final = re.compile(r"[\w+=,.@-]{1,64}", re.ASCII)

StackRegion: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--region", help="Region of the stack; by default where IAM's events arrive, us-east-1.", show_default=False
    ),
]
User: TypeAlias = Annotated[str, typer.Argument(metavar="USER", help="Name of the IAM user.", show_default=False)]
Owner: TypeAlias = Annotated[str, typer.Option("--owner", help="Who answers for it.", show_default=False)]
Reason: TypeAlias = Annotated[str, typer.Option("--reason", help="Why.", show_default=False)]
Days: TypeAlias = Annotated[
    int | None, typer.Option("--days", min=1, max=365, help="For how many days; 30 by default.", show_default=False)
]
Until: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--until",
        metavar="TIME",
        help="Until when, at most 365 days ahead: 2027-01-31, or 2027-01-31T18:00:00Z.",
        show_default=False,
    ),
]


def user_name(text: str) -> str:
    """Return the name of an IAM user; raises WrongUse for what IAM lets nobody be called."""
    if not _USER_NAME.fullmatch(text):
        raise WrongUse(
            f"{text[:80]!a} is no name of an IAM user, which has 1 to 64 letters, digits and characters of +=,.@_-."
        )
    return text
