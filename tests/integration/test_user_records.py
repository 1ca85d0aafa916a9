"""The user records and their fake do the same, and what others wrote into an item silences no notice."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from mfa_guard.adapters.exemptions import ExemptionTable
from mfa_guard.adapters.user_records import SweepRecordTable, UserRecordTable
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.core.times import utc_text
from mfa_guard.core.user_record import NO_RECORD, Decision, NoticeRecord, ScopeReason, Standing, UserRecord
from mfa_guard.ports import SweepRecords, UserRecords
from mfa_guard_cli.stack.template import Stack
from support.account import Account
from support.factories import NOW, decision, exemption
from support.fakes import Calls, FakeClock, FakeExemptions, FakeTelemetry, FakeUserRecords

USER = "AIDA1"
NONE: frozenset[str] = frozenset()
KIND = NoticeKind.NONCOMPLIANT
IN_2099 = {"N": "4070908800"}


@dataclass
class World:
    """The records, as events and as sweeps use them, the time, and the log."""

    records: UserRecords
    sweep: SweepRecords
    clock: FakeClock

    def claim(
        self,
        holder: str,
        kind: NoticeKind = KIND,
        exposure: frozenset[str] = NONE,
        ends: tuple[NoticeKind, ...] = (),
        decided: Decision | None = None,
    ) -> Claim:
        return self.records.claim(Lease(USER, kind, holder, exposure, ends), decided or decision())

    def sent(self, holder: str, kind: NoticeKind = KIND) -> None:
        self.records.sent(Lease(USER, kind, holder))

    def record(self) -> UserRecord:
        record, _ = self.records.read(USER, self.clock.now())
        return record


def table_world(stack: Stack, clock: FakeClock, telemetry: FakeTelemetry | None = None, state: str = "") -> World:
    client, log = boto3.client("dynamodb"), telemetry or FakeTelemetry()
    name, exemptions = state or stack.physical_id("StateTable"), stack.physical_id("ExemptionsTable")
    records = UserRecordTable(client, (name, exemptions), ExemptionTable(client, exemptions), clock, log)
    return World(records, SweepRecordTable(client, name, clock, log), clock)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def table(account: Account, clock: FakeClock, stack: Stack) -> World:  # noqa: ARG001 - the table is in the account
    return table_world(stack, clock)


@pytest.fixture(params=["fake", "table"])
def world(request: pytest.FixtureRequest, clock: FakeClock) -> World:
    if request.param == "table":
        found = request.getfixturevalue("table")
        assert isinstance(found, World)
        return found
    fake = FakeUserRecords(Calls(), clock, FakeExemptions(Calls()))
    return World(fake, fake, clock)


class TestClaims:
    def test_the_first_holds_the_lease_and_the_second_waits(self, world: World) -> None:
        assert (world.claim("a"), world.claim("b")) == (Claim.MINE, Claim.HELD)

    def test_the_holder_may_claim_again(self, world: World) -> None:
        assert (world.claim("a"), world.claim("a")) == (Claim.MINE, Claim.MINE)

    def test_a_sent_notice_counts_as_sent_for_fifteen_minutes(self, world: World) -> None:
        world.claim("a")
        world.sent("a")
        assert (world.claim("a"), world.claim("b")) == (Claim.SENT, Claim.SENT)
        world.clock.sleep(15 * 60 + 1)
        assert world.claim("b") is Claim.MINE

    def test_a_sent_notice_covers_only_what_it_named(self, world: World) -> None:
        world.claim("a", exposure=frozenset({"password"}))
        world.sent("a")
        assert world.claim("b", exposure=frozenset({"AKIA1"})) is Claim.MINE
        assert world.claim("c", exposure=frozenset({"AKIA1"})) is Claim.HELD
        world.sent("b")
        assert world.claim("c", exposure=frozenset({"password", "AKIA1"})) is Claim.SENT

    def test_an_unfinished_notice_is_taken_over_after_fifteen_seconds(self, world: World) -> None:
        world.claim("a")
        world.clock.sleep(14)
        assert world.claim("b") is Claim.HELD
        world.clock.sleep(2)
        assert world.claim("b") is Claim.MINE

    def test_an_invocation_that_lost_the_lease_cannot_end_it(self, world: World) -> None:
        world.claim("a")
        world.clock.sleep(16)
        world.claim("b")
        world.sent("a")
        assert world.claim("c") is Claim.HELD

    def test_another_user_or_kind_is_another_lease(self, world: World) -> None:
        world.claim("a")
        assert world.claim("b", NoticeKind.SOLVED) is Claim.MINE
        assert world.records.claim(Lease("AIDA2", KIND, "b"), decision()) is Claim.MINE

    def test_a_notice_ends_the_kinds_that_it_contradicts(self, world: World) -> None:
        world.claim("a")
        world.sent("a")
        world.claim("b", NoticeKind.SOLVED, ends=(KIND, NoticeKind.DECISION))
        assert set(world.record().notices) == {NoticeKind.SOLVED}
        assert world.claim("c") is Claim.MINE

    def test_a_notice_may_name_a_kind_that_it_ends_twice_or_its_own(self, world: World) -> None:
        world.claim("a")
        world.sent("a")
        world.claim("b", NoticeKind.SOLVED, ends=(KIND, NoticeKind.SOLVED, KIND))
        assert set(world.record().notices) == {NoticeKind.SOLVED}

    def test_a_claim_that_is_refused_ends_nothing(self, world: World) -> None:
        world.claim("a")
        world.claim("b", NoticeKind.SOLVED)
        assert world.claim("c", NoticeKind.SOLVED, ends=(KIND,)) is Claim.HELD
        assert set(world.record().notices) == {KIND, NoticeKind.SOLVED}

    @pytest.mark.parametrize("covering", [NoticeKind.NONCOMPLIANT, NoticeKind.DECISION])
    def test_a_new_credential_is_covered_by_the_notice_that_named_it(self, world: World, covering: NoticeKind) -> None:
        both = frozenset({"password", "AKIA1"})
        world.claim("a", covering, both)
        world.sent("a", covering)
        assert world.claim("b", NoticeKind.NEW_CREDENTIAL, frozenset({"AKIA1"})) is Claim.SENT
        assert world.claim("b", NoticeKind.NEW_CREDENTIAL, both | {"AKIA2"}) is Claim.MINE

    def test_a_notice_that_is_only_begun_covers_nothing(self, world: World) -> None:
        world.claim("a", exposure=frozenset({"AKIA1"}))
        assert world.claim("b", NoticeKind.NEW_CREDENTIAL, frozenset({"AKIA1"})) is Claim.MINE

    def test_after_fifteen_minutes_a_new_credential_is_not_covered(self, world: World) -> None:
        world.claim("a", exposure=frozenset({"AKIA1"}))
        world.sent("a")
        world.clock.sleep(15 * 60 + 1)
        assert world.claim("b", NoticeKind.NEW_CREDENTIAL, frozenset({"AKIA1"})) is Claim.MINE

    def test_a_retry_finds_the_notice_that_its_first_attempt_did_not_finish(self, world: World) -> None:
        world.claim("a", NoticeKind.ENFORCED)
        assert world.record().unfinished("a") is NoticeKind.ENFORCED
        assert world.record().unfinished("b") is None
        world.sent("a", NoticeKind.ENFORCED)
        assert world.record().unfinished("a") is None


class TestDecisions:
    def test_nothing_is_known_about_a_new_id(self, world: World) -> None:
        assert world.record() == NO_RECORD

    def test_a_claim_records_the_decision(self, world: World) -> None:
        world.claim("a", exposure=frozenset({"AKIA1"}), decided=decision(qualifies=True))
        assert world.record() == UserRecord(
            name="alice",
            in_scope_since=NOW,
            in_scope_because=ScopeReason.CREATED,
            standing=Standing.ENFORCED,
            decided_at=NOW,
            enforced=True,
            machine_user_at=NOW,
            notices={KIND: NoticeRecord(False, "a", NOW + timedelta(seconds=15), frozenset({"AKIA1"}))},
        )

    @pytest.mark.parametrize("sent", [True, False])
    def test_a_refused_claim_records_a_decision_that_is_news(self, world: World, sent: bool) -> None:
        world.claim("a")
        if sent:
            world.sent("a")
        world.claim("b", decided=decision(enforced=False, standing=Standing.EXEMPT, at=NOW + timedelta(minutes=1)))
        record = world.record()
        assert (record.standing, record.enforced) == (Standing.EXEMPT, False)
        assert record.notices[KIND].holder == "a"

    def test_a_refused_claim_writes_no_decision_that_is_none(self, world: World) -> None:
        world.claim("a")
        world.claim("b", decided=decision(at=NOW + timedelta(minutes=1)))
        assert world.record().decided_at == NOW

    def test_the_first_reason_and_time_of_the_scope_stay(self, world: World) -> None:
        world.records.remember(USER, decision(scope=None))
        assert world.record().in_scope_since is None
        world.records.remember(USER, decision(scope=ScopeReason.EVENT))
        world.clock.sleep(60)
        world.records.remember(USER, decision(at=world.clock.now()))
        record = world.record()
        assert (record.in_scope_since, record.in_scope_because) == (NOW, ScopeReason.EVENT)
        assert record.decided_at == NOW + timedelta(seconds=60)

    def test_a_machine_user_stays_recorded_when_the_credentials_no_longer_qualify(self, world: World) -> None:
        world.records.remember(USER, decision(standing=Standing.ACTIVE_MACHINE, qualifies=True))
        world.clock.sleep(60)
        world.records.remember(USER, decision(at=world.clock.now()))
        assert world.record().machine_user_at == NOW

    def test_remembering_keeps_the_notices(self, world: World) -> None:
        world.claim("a")
        world.records.remember(USER, decision(name="bob"))
        assert world.record().name == "bob"
        assert world.record().notices[KIND].holder == "a"


class TestSweep:
    def test_a_sweep_reads_every_record_without_the_notices(self, world: World) -> None:
        world.claim("a")
        world.records.remember("AIDA2", decision(name="bob"))
        found = world.sweep.all()
        assert {user_id: (record.name, record.notices) for user_id, record in found.items()} == {
            USER: ("alice", {}),
            "AIDA2": ("bob", {}),
        }

    def test_the_record_of_an_id_that_is_gone_expires_until_the_id_is_seen_again(self, world: World) -> None:
        world.sweep.remember(USER, decision())
        world.sweep.expire(USER)
        assert world.sweep.all()[USER].expiring
        world.sweep.remember(USER, decision())
        assert not world.sweep.all()[USER].expiring

    def test_a_claim_ends_the_expiry_too(self, world: World) -> None:
        world.claim("a")
        world.sweep.expire(USER)
        world.claim("a")
        assert not world.record().expiring

    def test_nothing_is_recorded_about_an_id_that_was_never_seen(self, world: World) -> None:
        world.sweep.expire("AIDANEVER")
        assert world.sweep.all() == {}


class TestTable:
    """What only the real table has."""

    def test_an_expiry_is_in_thirty_days_and_is_not_put_off(self, table: World, stack: Stack) -> None:
        table.sweep.remember(USER, decision())
        table.sweep.expire(USER)
        table.clock.sleep(3600)
        table.sweep.expire(USER)
        assert int(item_of(stack)["expiration"]["N"]) == (NOW + timedelta(days=30)).timestamp()

    def test_other_items_are_no_records(self, table: World, stack: Stack) -> None:
        put(stack, {"id": {"S": "memory#sweep"}})
        assert table.sweep.all() == {}

    def test_a_sweep_that_cannot_read_the_records_fails(self, account: Account, stack: Stack) -> None:  # noqa: ARG002
        with pytest.raises(AwsRequestFailed, match="ResourceNotFound"):
            table_world(stack, FakeClock(), state="no-such-table").sweep.all()

    @pytest.mark.parametrize(
        "call", [lambda world: world.sweep.remember(USER, decision()), lambda world: world.sweep.expire(USER)]
    )
    def test_a_sweep_continues_when_a_record_cannot_be_written(
        self,
        account: Account,  # noqa: ARG002 - an account without such a table
        stack: Stack,
        call: Callable[[World], None],
    ) -> None:
        telemetry = FakeTelemetry()
        call(table_world(stack, FakeClock(), telemetry, "no-such-table"))
        assert telemetry.lines == ["State table unreachable, the user record is old"]

    @pytest.mark.parametrize(
        "call",
        [
            lambda world: world.claim("a") is Claim.MINE,
            lambda world: world.sent("a") is None,
            lambda world: world.records.remember(USER, decision()) is None,
            lambda world: world.record() == NO_RECORD,
        ],
    )
    def test_without_the_table_every_claim_succeeds_and_the_failure_is_logged(
        self,
        account: Account,  # noqa: ARG002 - an account without such a table
        stack: Stack,
        call: Callable[[World], bool],
    ) -> None:
        telemetry = FakeTelemetry()
        assert call(table_world(stack, FakeClock(), telemetry, "no-such-table"))
        assert telemetry.lines == ["State table unreachable, continuing without the user record"]
        assert telemetry.counts == {Metric.USER_RECORD_UNREACHABLE: 1}

    def test_a_claim_of_a_new_user_is_one_call(self, table: World) -> None:
        calls = counted(table)
        table.claim("a")
        assert calls == ["UpdateItem"]

    def test_of_two_invocations_with_more_to_report_one_gets_the_lease(self, table: World, stack: Stack) -> None:
        table.claim("a", exposure=frozenset({"password"}))
        table.sent("a")
        slower, more = table_world(stack, table.clock), frozenset({"AKIA1"})
        overtaken: list[Claim] = []

        def overtake(**_: object) -> None:
            if not overtaken:
                overtaken.append(table.claim("b", exposure=more))

        client_of(slower).meta.events.register("after-call.dynamodb.UpdateItem", overtake)
        assert slower.claim("c", exposure=more) is Claim.HELD
        assert overtaken == [Claim.MINE]


def written(**notice: object) -> dict[str, Any]:
    """Return a notice's attribute as someone else wrote it: sent a moment ago, but for the given fields."""
    until = str(int(NOW.timestamp()) + 600)
    sent = {"state": {"S": "sent"}, "holder": {"S": "x"}, "until": {"N": until}, "exposure": {"L": []}}
    return {"M": sent | notice}


class TestWhatOthersWrote:
    """An attribute that the guard did not write, or an impossible time, never silences a notice."""

    @pytest.mark.parametrize(
        "value",
        [
            {"S": "sent"},
            {"NULL": True},
            {"L": []},
            {"M": {}},
            written(until=IN_2099),
            written(until={"N": "-1"}),
            written(until={"N": "9e125"}),
            written(until={"S": "2099"}),
            written(until={"NULL": True}),
            written(state={"S": "done"}),
            written(state={"N": "1"}),
            written(holder={"N": "1"}),
            written(holder={"M": {}}),
            written(state={"S": "begun"}),
            written(state={"S": "begun"}, until=IN_2099),
            written(state={"S": "begun"}, holder={"SS": ["b"]}),
        ],
        ids=str,
    )
    @pytest.mark.parametrize("kind", [KIND, NoticeKind.NEW_CREDENTIAL])
    def test_a_notice_is_claimed_in_spite_of_it(
        self, table: World, stack: Stack, value: dict[str, Any], kind: NoticeKind
    ) -> None:
        put(stack, {"id": {"S": f"user#{USER}"}, "notice_noncompliant": value, "notice_new-credential": value})
        assert table.claim("b", kind) is Claim.MINE
        table.sent("b", kind)
        assert table.claim("c", kind) is Claim.SENT

    @pytest.mark.parametrize("exposure", [{"S": "AKIA1"}, {"L": [{"N": "1"}]}, {"SS": ["AKIA1"]}, {"M": {}}], ids=str)
    def test_a_notice_whose_names_are_unreadable_covers_no_credential(
        self, table: World, stack: Stack, exposure: dict[str, Any]
    ) -> None:
        put(stack, {"id": {"S": f"user#{USER}"}, "notice_noncompliant": written(exposure=exposure)})
        assert table.claim("b", exposure=frozenset({"AKIA1"})) is Claim.MINE

    def test_a_notice_that_was_sent_moments_ago_still_counts(self, table: World, stack: Stack) -> None:
        put(stack, {"id": {"S": f"user#{USER}"}, "notice_noncompliant": written()})
        assert table.claim("b") is Claim.SENT

    def test_a_decision_replaces_attributes_of_other_types(self, table: World, stack: Stack) -> None:
        names = ("name", "standing", "decided_at", "enforced", "machine_user_at", "expiration")
        put(stack, {"id": {"S": f"user#{USER}"}} | {name: {"L": []} for name in names})
        decided = decision(qualifies=True)
        table.records.remember(USER, decided)
        assert table.record() == NO_RECORD.after(decided)


class TestExemption:
    def test_one_call_reads_the_record_and_the_exemption(self, table: World, stack: Stack) -> None:
        exempt(stack)
        table.claim("a")
        calls = counted(table)
        record, found = table.records.read(USER, NOW)
        assert (record.name, found) == ("alice", exemption(USER))
        assert calls == ["BatchGetItem"]

    @pytest.mark.usefixtures("account")
    def test_without_the_state_table_the_exemption_still_counts(self, stack: Stack) -> None:
        exempt(stack)
        world = table_world(stack, FakeClock(), state="no-such-table")
        assert world.records.read(USER, NOW) == (NO_RECORD, exemption(USER))

    def test_without_the_exemption_table_nothing_is_decided(self, table: World, stack: Stack) -> None:
        boto3.client("dynamodb").delete_table(TableName=stack.physical_id("ExemptionsTable"))
        with pytest.raises(ClientError, match="ResourceNotFound"):
            table.records.read(USER, NOW)

    @pytest.mark.parametrize(
        ("throttled", "known", "warnings"),
        [
            ("StateTable", NO_RECORD, ["State table throttled, continuing without the user record"]),
            ("ExemptionsTable", None, []),
        ],
    )
    def test_what_dynamodb_leaves_out_is_read_alone_or_missing(
        self,
        account: Account,  # noqa: ARG002 - the tables are in the account
        stack: Stack,
        throttled: str,
        known: UserRecord | None,
        warnings: list[str],
    ) -> None:
        telemetry = FakeTelemetry()
        world, table = table_world(stack, FakeClock(), telemetry), stack.physical_id(throttled)
        exempt(stack)
        world.claim("a")
        recorded = world.record()

        def leave_out(parsed: dict[str, Any], **_: object) -> None:
            parsed["UnprocessedKeys"] = {table: {"Keys": parsed["Responses"].pop(table)}}

        client_of(world).meta.events.register("after-call.dynamodb.BatchGetItem", leave_out)
        assert world.records.read(USER, NOW) == (known or recorded, exemption(USER))
        assert telemetry.lines == warnings


def client_of(world: World) -> Any:  # noqa: ANN401 - a client of any type
    return vars(world.records)["_client"]


def counted(world: World) -> list[str]:
    """Return the list to which every call of the records is appended."""
    calls: list[str] = []
    client_of(world).meta.events.register("before-call.dynamodb", lambda model, **_: calls.append(model.name))
    return calls


def exempt(stack: Stack) -> None:
    fields = {name: str(value) for name, value in vars(exemption(USER)).items()}
    fields["expires_at"] = utc_text(exemption(USER).expires_at)
    item = {name: {"S": value} for name, value in fields.items()}
    boto3.client("dynamodb").put_item(TableName=stack.physical_id("ExemptionsTable"), Item=item)


def put(stack: Stack, item: dict[str, Any]) -> None:
    boto3.client("dynamodb").put_item(TableName=stack.physical_id("StateTable"), Item=item)


def item_of(stack: Stack) -> dict[str, Any]:
    key = {"id": {"S": f"user#{USER}"}}
    return boto3.client("dynamodb").get_item(TableName=stack.physical_id("StateTable"), Key=key)["Item"]
