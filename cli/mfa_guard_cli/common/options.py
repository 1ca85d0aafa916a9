"""Options and arguments of the commands. Each has one meaning everywhere, so it is declared here once."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Literal, TypeAlias

import typer

from mfa_guard.core.settings import DEFAULT_STACK
from mfa_guard_cli.common.stack_location import StackLocation

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


def stack_command(command: Callable[..., None]) -> Callable[..., None]:
    """Return the command with --stack, --region and --profile in place of its parameter `location`, a StackLocation."""

    def options(
        *,
        stack: Annotated[str, typer.Option("--stack", help="Name of the mfa-guard stack.")] = DEFAULT_STACK,
        region: Annotated[
            str | None,
            typer.Option(
                "--region",
                help="AWS Region of the stack. Default: the Region of IAM's events, us-east-1 in most accounts.",
                show_default=False,
            ),
        ] = None,
        profile: Profile = None,
    ) -> StackLocation:
        return StackLocation(profile, region, stack)

    @wraps(command)
    def with_options(*, stack: str, region: str | None, profile: str | None, **others: object) -> None:
        command(location=options(stack=stack, region=region, profile=profile), **others)

    # Typer reads both.
    parameters = dict(inspect.signature(command).parameters)
    del parameters["location"]
    parameters |= inspect.signature(options).parameters
    # A function has this attribute at run time, though its type does not say so.
    with_options.__signature__ = inspect.Signature(list(parameters.values()))  # type: ignore[attr-defined]
    with_options.__annotations__ = {name: parameter.annotation for name, parameter in parameters.items()}
    return with_options
