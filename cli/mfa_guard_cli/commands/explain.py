"""`mfa-guard explain`: one user's state, the rule that decides, and what the user can do now."""

from mfa_guard_cli.common.options import AsFormat, User, stack_command
from mfa_guard_cli.common.stack_location import StackLocation


@stack_command
def explain(user: User, *, location: StackLocation, output_format: AsFormat = "table") -> None:
    """Explain what the guard does about a user.

    Shows the user's state, what the guard would do and by which rule, and what the user can do now. Reads the current
    state from IAM and changes nothing. What the user can do comes from IAM's policy simulator
    (SimulatePrincipalPolicy): with an access key alone, in a console session without MFA, and with MFA.
    """
    from mfa_guard_cli.admin.explain import explain_user

    explain_user(user, location, output_format)
