"""`mfa-guard stop`: stop the guard in an emergency."""

from mfa_guard_cli.common.options import AsFormat, Yes, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def stop(*, location: StackLocation, output_format: AsFormat = "table", yes: Yes = False) -> None:
    """Stop the guard in an emergency.

    Disables the rules that act on users, the rule for sweep requests, and the sweep schedule. Releases no user.
    AlertFunction still sends notices. Records what it disabled, so that mfa-guard start can enable exactly that.
    """
    from mfa_guard_cli.admin.emergency_stop import stop_guard

    stop_guard(location, output_format, yes=yes)
