"""`mfa-guard release`: exempt and release one user, or all users."""

from typing import Annotated

import typer

from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.options import AsFormat, Days, Owner, Reason, Until, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def release(
    user: Annotated[
        str | None, typer.Argument(metavar="USER", help="Name of the IAM user.", show_default=False)
    ] = None,
    *,
    all_users: Annotated[bool, typer.Option("--all", help="Release all users who are enforced.")] = False,
    owner: Owner = "administrators",
    reason: Reason = "released with mfa-guard release",
    days: Days = None,
    until: Until = None,
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Exempt and release a user, or all users.

    Records an exemption first, for 30 days by default, so that the guard does not enforce again. Then detaches the
    enforcement policy, and removes the user from the enforcement group. Keeps an exemption that is in force, unless you
    give --days or --until. Changes no other policy and no other group. With --all, an error for one user does not stop
    the others.
    """
    from mfa_guard_cli.admin.exemption_records import ExemptionOptions
    from mfa_guard_cli.admin.release import release_all, release_user

    options = ExemptionOptions(owner, reason, days, until)
    if all_users and user is None:
        release_all(options, location, output_format, yes=yes)
    elif user is not None and not all_users:
        release_user(user, options, location, output_format, yes=yes)
    else:
        raise WrongUse("Name one user, or give --all, but not both.")
