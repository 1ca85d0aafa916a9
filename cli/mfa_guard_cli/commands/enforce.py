"""`mfa-guard enforce`: enforce MFA for one user now."""

from typing import Annotated

import typer

from mfa_guard.core.settings import DEFAULT_STACK
from mfa_guard_cli.common.options import AsFormat, Profile, StackName, StackRegion, User, Yes
from mfa_guard_cli.common.stack_location import StackLocation


def enforce(
    user: User,
    *,
    drop_exemption: Annotated[bool, typer.Option("--drop-exemption", help="Delete the user's exemption first.")] = (
        False
    ),
    stack: StackName = DEFAULT_STACK,
    region: StackRegion = None,
    profile: Profile = None,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Enforce MFA for a user now.

    Attaches the policy or adds the user to the group, as the stack's parameter EnforceThrough says. Shows first what
    would stop working. A user who is exempt needs --drop-exemption.
    """
    from mfa_guard_cli.admin.enforce import enforce_user

    location = StackLocation(profile, region, stack)
    enforce_user(user, location, output_format, drop_exemption=drop_exemption, yes=yes)
