"""The lease table and its fake do the same."""

from collections.abc import Callable

import boto3
import pytest

from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.ports import Leases
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.fakes import Calls, FakeClock, FakeLeases, FakeTelemetry

EVENT = "11111111-2222-3333-4444-555555555555"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "table"])
def leases(request: pytest.FixtureRequest, clock: FakeClock, stack: Stack) -> Leases:
    if request.param == "fake":
        return FakeLeases(Calls(), clock)
    request.getfixturevalue("account")
    return LeaseTable(boto3.client("dynamodb"), stack.physical_id("StateTable"), clock, FakeTelemetry())


def lease(holder: str, kind: NoticeKind = NoticeKind.TAMPERING, scope: str = EVENT) -> Lease:
    return Lease(scope, kind, holder)


def test_the_first_holds_the_lease_and_the_second_waits(leases: Leases) -> None:
    assert (leases.claim(lease("a")), leases.claim(lease("b"))) == (Claim.MINE, Claim.HELD)


def test_the_holder_may_claim_again(leases: Leases) -> None:
    assert (leases.claim(lease("a")), leases.claim(lease("a"))) == (Claim.MINE, Claim.MINE)


def test_a_sent_notice_counts_as_sent_for_fifteen_minutes(leases: Leases, clock: FakeClock) -> None:
    leases.claim(lease("a"))
    leases.sent(lease("a"))
    assert (leases.claim(lease("a")), leases.claim(lease("b"))) == (Claim.SENT, Claim.SENT)
    clock.sleep(15 * 60 + 1)
    assert leases.claim(lease("b")) is Claim.MINE


def test_an_unfinished_lease_is_taken_over_after_fifteen_seconds(leases: Leases, clock: FakeClock) -> None:
    leases.claim(lease("a"))
    clock.sleep(14)
    assert leases.claim(lease("b")) is Claim.HELD
    clock.sleep(2)
    assert leases.claim(lease("b")) is Claim.MINE


def test_an_invocation_that_lost_the_lease_cannot_end_it(leases: Leases, clock: FakeClock) -> None:
    leases.claim(lease("a"))
    clock.sleep(16)
    leases.claim(lease("b"))
    leases.sent(lease("a"))
    assert leases.claim(lease("c")) is Claim.HELD


@pytest.mark.parametrize("other", [lease("b", scope="another event"), lease("b", NoticeKind.ROOT_SIGN_IN)])
def test_another_event_or_kind_is_another_lease(leases: Leases, other: Lease) -> None:
    leases.claim(lease("a"))
    assert leases.claim(other) is Claim.MINE


@pytest.mark.usefixtures("account")
def test_an_item_ends_48_hours_after_its_notice(clock: FakeClock, stack: Stack) -> None:
    client, table = boto3.client("dynamodb"), stack.physical_id("StateTable")
    LeaseTable(client, table, clock, FakeTelemetry()).claim(lease("a"))
    item = client.get_item(TableName=table, Key={"id": {"S": f"notice#{EVENT}#tampering"}})["Item"]
    assert int(item["expiration"]["N"]) == clock.now().timestamp() + 48 * 3600


@pytest.mark.parametrize(
    "call",
    [
        lambda leases: leases.claim(lease("a")) is Claim.MINE,
        lambda leases: leases.sent(lease("a")) is None,
    ],
)
def test_without_the_table_every_claim_succeeds_and_the_failure_is_logged(
    account: Account,  # noqa: ARG001 - an account without such a table
    clock: FakeClock,
    call: Callable[[Leases], bool],
) -> None:
    telemetry = FakeTelemetry()
    assert call(LeaseTable(boto3.client("dynamodb"), "no-such-table", clock, telemetry))
    assert telemetry.lines == ["State table unreachable, continuing without leases"]
