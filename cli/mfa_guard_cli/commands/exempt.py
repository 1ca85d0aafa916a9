"""`mfa-guard exempt`: list, add and remove exemptions."""

from typing import Annotated

import typer

from mfa_guard_cli.common.group import new_group
from mfa_guard_cli.common.options import AsFormat, AsRows, Days, Owner, Reason, Until, User, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation

exempt = new_group("List, add and remove exemptions.")


@exempt.command("list")
@stack_command
def list_(*, location: StackLocation, output_format: AsRows = "table") -> None:
    """List all exemptions.

    An exemption is valid, expired, malformed, or of a deleted user. Exit code 1: a record is malformed, so it does not
    exempt its user.
    """
    from mfa_guard_cli.admin.exempt import list_exemptions

    list_exemptions(location, output_format)


@exempt.command()
@stack_command
def add(
    user: User,
    *,
    owner: Owner,
    reason: Reason,
    days: Days = None,
    until: Until = None,
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Exempt a user.

    The exemption is for the user's immutable ID, for 30 days by default and for 365 days at most. A user who is
    enforced stays enforced until the next event or sweep. To exempt and release a user at once, use mfa-guard release.
    """
    from mfa_guard_cli.admin.exempt import add_exemption
    from mfa_guard_cli.admin.exemption_records import ExemptionOptions

    options = ExemptionOptions(owner, reason, days, until)
    add_exemption(user, options, location, output_format, yes=yes)


@exempt.command()
@stack_command
def remove(
    user: Annotated[
        str, typer.Argument(metavar="USER", help="Name of the IAM user, or their ID (AIDA...).", show_default=False)
    ],
    *,
    location: StackLocation,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Delete the exemption of a user.

    The user can be deleted already.
    """
    from mfa_guard_cli.admin.exempt import remove_exemption

    remove_exemption(user, location, output_format, yes=yes)
