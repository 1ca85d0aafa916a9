"""Many new virtual devices that belong to no user cause one notice in fifteen minutes; enrollment causes none."""

from datetime import UTC, datetime, timedelta

import pytest

from mfa_guard.core.alerts import parse_alert
from mfa_guard.core.times import utc_text
from mfa_guard.use_cases.alert import notify_of_alert
from mfa_guard.use_cases.device_burst import THRESHOLD, window_of
from support.alert_fakes import FakeCalls, FakeDevices, alert_dependencies
from support.factories import NOW, detail, settings
from support.fakes import FakeAccount
from support.messages import data


def create(
    account: FakeAccount, devices: FakeDevices, calls: FakeCalls, *, times: int, at: datetime = NOW
) -> list[bool]:
    """Handle events about new devices, and return for each whether a notice was sent."""
    account.clock.time = max(account.clock.time, at)
    dependencies = alert_dependencies(account, devices=devices, calls=calls)
    records = [
        detail("CreateVirtualMFADevice", {"virtualMFADeviceName": "alice"}, eventTime=utc_text(at))
        for _ in range(times)
    ]
    return [notify_of_alert(parse_alert(record), settings(), dependencies) for record in records]


def test_a_burst_of_unassigned_devices_is_one_notice() -> None:
    account, devices, calls = FakeAccount(), FakeDevices(unassigned=40), FakeCalls()
    sent = create(account, devices, calls, times=40)
    assert sent == [False] * (THRESHOLD - 1) + [True] + [False] * 30
    [notice] = account.notifier.sent
    found = data(notice)
    assert (found["kind"], found["severity"]) == ("unassigned-devices", "high")
    assert found["subject"] == {"kind": "virtual MFA devices", "name": None}
    assert "role/Admin/bob@example.com called CreateVirtualMFADevice" in found["summary"]
    assert "list-virtual-mfa-devices --assignment-status Unassigned" in found["commands"]["list_unassigned_devices"]


def test_the_name_of_a_device_is_not_taken_for_a_user() -> None:
    account = FakeAccount()
    create(account, FakeDevices(unassigned=10), FakeCalls(), times=10)
    assert "alice" not in account.notifier.sent[0].body


def test_fewer_calls_than_the_threshold_ask_nothing() -> None:
    account, devices = FakeAccount(), FakeDevices(unassigned=40)
    assert not any(create(account, devices, FakeCalls(), times=THRESHOLD - 1))
    assert devices.asked == 0


def test_devices_that_users_enrolled_are_no_burst() -> None:
    account, devices = FakeAccount(), FakeDevices(unassigned=THRESHOLD - 1)
    assert not any(create(account, devices, FakeCalls(), times=30))


def test_the_next_window_has_a_notice_of_its_own() -> None:
    account, devices, calls = FakeAccount(), FakeDevices(unassigned=40), FakeCalls()
    create(account, devices, calls, times=12)
    create(account, devices, calls, times=12, at=NOW + timedelta(minutes=15))
    assert len(account.notifier.sent) == 2


def test_if_the_count_is_not_known_iam_is_asked_at_once() -> None:
    account = FakeAccount()
    assert create(account, FakeDevices(unassigned=10), FakeCalls(unreachable=True), times=1) == [True]
    assert create(FakeAccount(), FakeDevices(unassigned=9), FakeCalls(unreachable=True), times=1) == [False]


@pytest.mark.parametrize(
    ("time", "begins"),
    [
        (datetime(2026, 3, 1, 12, 14, 59, tzinfo=UTC), datetime(2026, 3, 1, 12, 0, tzinfo=UTC)),
        (datetime(2026, 3, 1, 12, 15, tzinfo=UTC), datetime(2026, 3, 1, 12, 15, tzinfo=UTC)),
    ],
)
def test_a_window_begins_every_fifteen_minutes(time: datetime, begins: datetime) -> None:
    assert window_of(time).begins == begins
    assert window_of(time).key == f"burst#create-virtual-mfa-device#{int(begins.timestamp())}"


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z"])
def test_a_forged_time_counts_within_what_can_be(time: str) -> None:
    dependencies = alert_dependencies(FakeAccount(), devices=FakeDevices(unassigned=10))
    record = detail("CreateVirtualMFADevice", {}, eventTime=time)
    assert [notify_of_alert(parse_alert(record), settings(), dependencies) for _ in range(10)].count(True) == 1
