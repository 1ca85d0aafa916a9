"""`mfa-guard status`: the health of the guard, the state of the account, and the users who await a decision."""

from mfa_guard_cli.common.options import AsFormat, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def status(*, location: StackLocation, output_format: AsFormat = "table") -> None:
    """Show the state of the guard and the account.

    Shows the health checks, how many users are compliant, and which users await a decision. Reads only, with your own
    permissions. Passkeys, passwords and the last use of keys come from IAM's credential report, which can be four hours
    old. Exit code 1: the guard has a problem, or is stopped.
    """
    from mfa_guard_cli.admin.status import show_status

    show_status(location, output_format)
