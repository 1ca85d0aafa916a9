"""`mfa-guard enforce`: enforce MFA for one user now."""

from typing import Annotated

import typer

from mfa_guard_cli.common.options import AsFormat, User, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def enforce(
    user: User,
    *,
    drop_exemption: Annotated[bool, typer.Option("--drop-exemption", help="Delete the user's exemption first.")] = (
        False
    ),
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Enforce MFA for a user now.

    Attaches the policy or adds the user to the group, as the stack's parameter EnforceThrough says. Shows first what
    would stop working. A user who is exempt needs --drop-exemption.
    """
    from mfa_guard_cli.admin.enforce import enforce_user

    enforce_user(user, location, output_format, drop_exemption=drop_exemption, yes=yes)
