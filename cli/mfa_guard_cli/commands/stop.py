"""`mfa-guard stop`: stop the guard in an emergency."""

from mfa_guard.core.settings import DEFAULT_STACK
from mfa_guard_cli.common.options import AsFormat, Profile, StackName, StackRegion, Yes
from mfa_guard_cli.common.stack_location import StackLocation


def stop(
    *,
    stack: StackName = DEFAULT_STACK,
    region: StackRegion = None,
    profile: Profile = None,
    output_format: AsFormat = "table",
    yes: Yes = False,
) -> None:
    """Stop the guard in an emergency.

    Disables the rules that act on users, the rule for sweep requests, and the sweep schedule. Releases no user.
    AlertFunction still sends notices. Records what it disabled, so that mfa-guard start can enable exactly that.
    """
    from mfa_guard_cli.admin.emergency_stop import stop_guard

    stop_guard(StackLocation(profile, region, stack), output_format, yes=yes)
