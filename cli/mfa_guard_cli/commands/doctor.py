"""`mfa-guard doctor`: why are my calls denied?"""

from mfa_guard_cli.common.options import AsFormat, Profile, Region


def doctor(profile: Profile = None, region: Region = None, output_format: AsFormat = "table") -> None:
    """Explain why your calls are denied.

    Shows your identity, your credentials, whether they carry MFA, and the next step. Reads only. The enforcement policy
    denies one of the calls without MFA, so CloudTrail may record a denied iam:ListAccountAliases. Exit code 1: the
    command found a cause.
    """
    from mfa_guard_cli.user.doctor import diagnose_caller

    diagnose_caller(profile, region, output_format)
