"""What a preview counts, and what the MFA devices of a user allow."""

from dataclasses import replace

import pytest

from mfa_guard_cli.preview.model import DeviceKind, MfaMethod, UserKind
from support.preview import KEY, SampleUser, forecast_of, preview_of

PERSON = SampleUser(password=True)


@pytest.mark.parametrize(
    ("user", "method"),
    [
        (replace(PERSON, virtual=True), MfaMethod.TOTP),
        (replace(PERSON, device=True, other_devices=(DeviceKind.TOTP_TOKEN, DeviceKind.PASSKEY)), MfaMethod.TOTP),
        (replace(PERSON, device=True, other_devices=(DeviceKind.PASSKEY,) * 2), MfaMethod.PASSKEY_ONLY),
        (replace(PERSON, device=True, other_devices=(DeviceKind.PASSKEY, DeviceKind.OTHER)), MfaMethod.OTHER),
        (replace(PERSON, device=True), MfaMethod.OTHER),
        (PERSON, MfaMethod.NONE),
        (SampleUser(reported=False), MfaMethod.UNKNOWN),
        (SampleUser(reported=False, virtual=True), MfaMethod.TOTP),
    ],
)
def test_the_mfa_method_says_whether_any_device_gives_codes(user: SampleUser, method: MfaMethod) -> None:
    assert forecast_of(user).mfa_method is method


def test_totals_count_every_user_once() -> None:
    users = (
        replace(PERSON, name="p1"),
        replace(PERSON, name="p2", keys=(KEY, replace(KEY, id="key 2"))),
        replace(PERSON, name="p3", device=True, other_devices=(DeviceKind.PASSKEY,)),
        SampleUser("m1", keys=(KEY,)),
        SampleUser("u1"),
        SampleUser("n1", reported=False),
    )
    totals = preview_of(*users).totals
    sums = [sum(each.values()) for each in (totals.kinds, totals.outcomes, totals.mfa_methods)]
    assert [totals.users, *sums] == [len(users)] * 4
    assert totals.kinds == {UserKind.PERSON: 3, UserKind.MACHINE: 1, UserKind.UNUSED: 1, UserKind.UNKNOWN: 1}
    assert totals.keys_stopping == 2
    methods = (MfaMethod.PASSKEY_ONLY, MfaMethod.NONE, MfaMethod.UNKNOWN)
    assert [totals.mfa_methods[method] for method in methods] == [1, 4, 1]
    assert totals.incomplete == 1


def test_the_preview_of_an_empty_account_is_empty() -> None:
    preview = preview_of()
    assert (preview.users, preview.caller_user, preview.totals.users) == ((), None, 0)
