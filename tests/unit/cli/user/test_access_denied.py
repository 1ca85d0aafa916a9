"""What AWS's refusals say."""

import pytest

from mfa_guard_cli.user.access_denied import Denial, denial
from support.user import GUARD, client_error, denied

SAID = "User: arn:aws:iam::111122223333:user/alice is not authorized to perform: iam:ListRoles on resource: *"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html
        (
            f"{SAID} with an explicit deny in an identity-based policy: {GUARD}",
            Denial(explicit=True, kind="identity-based policy", policy=GUARD),
        ),
        (
            f"{SAID} with an explicit deny in an identity-based policy",
            Denial(explicit=True, kind="identity-based policy"),
        ),
        (
            f"{SAID} with an explicit deny in a service control policy:"
            " arn:aws:organizations::111122223333:policy/o-abc/service_control_policy/p-abc",
            Denial(
                explicit=True,
                kind="service control policy",
                policy="arn:aws:organizations::111122223333:policy/o-abc/service_control_policy/p-abc",
            ),
        ),
        (f"{SAID} with an explicit deny", Denial(explicit=True)),
        (f"{SAID} because no identity-based policy allows the iam:ListRoles action", Denial(explicit=False)),
        (SAID, Denial(explicit=False)),
    ],
)
def test_a_message_says_whether_and_which_policy_denies(message: str, expected: Denial) -> None:
    assert denial(client_error("AccessDenied", message)) == expected


def test_the_guards_policy_is_known_by_its_name() -> None:
    found = denial(denied(GUARD))
    assert found is not None
    assert found.by_guard


@pytest.mark.parametrize("policy", [None, "arn:aws:iam::111122223333:policy/MyEnrollMFADeviceThenSignInAgain"])
def test_other_policies_are_not_the_guards(policy: str | None) -> None:
    found = denial(denied(policy))
    assert found is not None
    assert not found.by_guard


def test_other_errors_are_no_denial() -> None:
    assert denial(client_error("NoSuchEntity", "explicit deny")) is None
