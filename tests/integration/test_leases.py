"""The lease table and its fake do the same."""

from collections.abc import Callable

import boto3
import pytest

from mfa_guard.adapters.leases import LeaseTable
from mfa_guard.core.leases import Claim
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.ports import Leases
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.fakes import Calls, FakeClock, FakeLeases, FakeTelemetry

NONE: frozenset[str] = frozenset()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["fake", "table"])
def leases(request: pytest.FixtureRequest, clock: FakeClock, stack: Stack) -> Leases:
    if request.param == "fake":
        return FakeLeases(Calls(), clock)
    request.getfixturevalue("account")
    return LeaseTable(boto3.client("dynamodb"), stack.physical_id("StateTable"), clock, FakeTelemetry())


def claim(
    leases: Leases, holder: str, kind: NoticeKind = NoticeKind.NONCOMPLIANT, exposure: frozenset[str] = NONE
) -> Claim:
    return leases.claim("AIDA1", kind, holder, exposure)


def test_the_first_holds_the_lease_and_the_second_waits(leases: Leases) -> None:
    assert (claim(leases, "a"), claim(leases, "b")) == (Claim.MINE, Claim.HELD)


def test_the_holder_may_claim_again(leases: Leases) -> None:
    assert (claim(leases, "a"), claim(leases, "a")) == (Claim.MINE, Claim.MINE)


def test_a_sent_notice_counts_as_sent_for_fifteen_minutes(leases: Leases, clock: FakeClock) -> None:
    claim(leases, "a")
    leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a")
    assert (claim(leases, "a"), claim(leases, "b")) == (Claim.SENT, Claim.SENT)
    clock.sleep(15 * 60 + 1)
    assert claim(leases, "b") is Claim.MINE


def test_a_sent_notice_covers_only_what_it_named(leases: Leases) -> None:
    claim(leases, "a", exposure=frozenset({"password"}))
    leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a")
    assert claim(leases, "b", exposure=frozenset({"AKIA1"})) is Claim.MINE
    assert claim(leases, "c", exposure=frozenset({"AKIA1"})) is Claim.HELD
    leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "b")
    assert claim(leases, "c", exposure=frozenset({"password", "AKIA1"})) is Claim.SENT


@pytest.mark.usefixtures("account")
def test_one_of_two_invocations_with_more_to_report_gets_the_lease(clock: FakeClock, stack: Stack) -> None:
    table = stack.physical_id("StateTable")
    slower, faster = boto3.client("dynamodb"), LeaseTable(boto3.client("dynamodb"), table, clock, FakeTelemetry())
    claim(faster, "a", exposure=frozenset({"password"}))
    faster.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a")
    more = frozenset({"AKIA1"})
    overtaken: list[Claim] = []

    def overtake(**_: object) -> None:
        overtaken.append(claim(faster, "b", exposure=more))

    slower.meta.events.register("after-call.dynamodb.GetItem", overtake)
    assert claim(LeaseTable(slower, table, clock, FakeTelemetry()), "c", exposure=more) is Claim.HELD
    assert overtaken == [Claim.MINE]


def test_an_unfinished_lease_is_taken_over_after_fifteen_seconds(leases: Leases, clock: FakeClock) -> None:
    claim(leases, "a")
    clock.sleep(14)
    assert claim(leases, "b") is Claim.HELD
    clock.sleep(2)
    assert claim(leases, "b") is Claim.MINE


def test_an_invocation_that_lost_the_lease_cannot_end_it(leases: Leases, clock: FakeClock) -> None:
    claim(leases, "a")
    clock.sleep(16)
    claim(leases, "b")
    leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a")
    assert claim(leases, "c") is Claim.HELD


@pytest.mark.parametrize("other", [("AIDA2", NoticeKind.NONCOMPLIANT), ("AIDA1", NoticeKind.SOLVED)])
def test_another_user_or_kind_is_another_lease(leases: Leases, other: tuple[str, NoticeKind]) -> None:
    claim(leases, "a")
    assert leases.claim(*other, "b", NONE) is Claim.MINE


def test_a_dropped_lease_is_free(leases: Leases) -> None:
    claim(leases, "a")
    leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a")
    leases.drop("AIDA1", [NoticeKind.NONCOMPLIANT, NoticeKind.SOLVED])
    assert claim(leases, "b") is Claim.MINE


@pytest.mark.parametrize("covering", [NoticeKind.NONCOMPLIANT, NoticeKind.DECISION])
def test_a_new_credential_is_covered_by_the_notice_that_named_it(
    leases: Leases, clock: FakeClock, covering: NoticeKind
) -> None:
    both = frozenset({"password", "AKIA1"})
    claim(leases, "a", covering, both)
    assert claim(leases, "b", NoticeKind.NEW_CREDENTIAL, both) is Claim.MINE
    leases.drop("AIDA1", [NoticeKind.NEW_CREDENTIAL])
    leases.sent("AIDA1", covering, "a")
    assert claim(leases, "b", NoticeKind.NEW_CREDENTIAL, frozenset({"AKIA1"})) is Claim.SENT
    assert claim(leases, "b", NoticeKind.NEW_CREDENTIAL, both | {"AKIA2"}) is Claim.MINE
    leases.drop("AIDA1", [NoticeKind.NEW_CREDENTIAL])
    clock.sleep(15 * 60 + 1)
    assert claim(leases, "b", NoticeKind.NEW_CREDENTIAL, both) is Claim.MINE


def test_a_retry_finds_the_notice_that_its_first_attempt_did_not_finish(leases: Leases) -> None:
    assert leases.unfinished("AIDA1", "a") is None
    claim(leases, "a", NoticeKind.ENFORCED)
    assert leases.unfinished("AIDA1", "a") is NoticeKind.ENFORCED
    assert leases.unfinished("AIDA1", "b") is None
    leases.sent("AIDA1", NoticeKind.ENFORCED, "a")
    assert leases.unfinished("AIDA1", "a") is None


@pytest.mark.parametrize(
    "call",
    [
        lambda leases: leases.claim("AIDA1", NoticeKind.NONCOMPLIANT, "a", NONE) is Claim.MINE,
        lambda leases: leases.claim("AIDA1", NoticeKind.NEW_CREDENTIAL, "a", NONE) is Claim.MINE,
        lambda leases: leases.unfinished("AIDA1", "a") is None,
        lambda leases: leases.sent("AIDA1", NoticeKind.NONCOMPLIANT, "a") is None,
        lambda leases: leases.drop("AIDA1", [NoticeKind.NONCOMPLIANT]) is None,
    ],
)
def test_without_the_table_every_claim_succeeds_and_the_failure_is_logged(
    account: Account,  # noqa: ARG001 - an account without such a table
    clock: FakeClock,
    call: Callable[[Leases], bool],
) -> None:
    telemetry = FakeTelemetry()
    assert call(LeaseTable(boto3.client("dynamodb"), "no-such-table", clock, telemetry))
    assert telemetry.lines == ["Lease table unreachable, continuing without leases"]
