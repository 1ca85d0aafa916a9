"""`mfa-guard explain`: one user's state, the rule that decides, and what the user can do now."""

from mfa_guard.core.settings import DEFAULT_STACK
from mfa_guard_cli.common.options import AsFormat, Profile, StackName, StackRegion, User
from mfa_guard_cli.common.stack_location import StackLocation


def explain(
    user: User,
    *,
    stack: StackName = DEFAULT_STACK,
    region: StackRegion = None,
    profile: Profile = None,
    output_format: AsFormat = "table",
) -> None:
    """Explain what the guard does about a user.

    Shows the user's state, what the guard would do and by which rule, and what the user can do now. Reads the current
    state from IAM and changes nothing. What the user can do comes from IAM's policy simulator
    (SimulatePrincipalPolicy): with an access key alone, in a console session without MFA, and with MFA.
    """
    from mfa_guard_cli.admin.explain import explain_user

    explain_user(user, StackLocation(profile, region, stack), output_format)
