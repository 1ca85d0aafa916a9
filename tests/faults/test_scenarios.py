"""Nineteen scenarios in which one read, one name or one watcher was not enough. Each ended wrong, and silently.

They run end to end: the rendered template's functions on moto, with stale reads and Lambda's retries. Most tests end
after at most one sweep whose reads are current. Scenario 15, a storm of 500 users against IAM's limit of calls, needs
functions that run at the same time: tests/emulator/test_storm.py.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

import pytest
from moto.dynamodb.models import dynamodb_backends
from moto.iam.models import AccessKeyLastUsed

from faults.fault_injection import Call
from faults.harness import Harness, open_harness
from faults.identity import Identity, change_identity, create_response
from faults.lambda_service import Attempt
from faults.observations import Observations, ObservedUser, SentNotice
from faults.scenarios import ALERT, SWEEP, USER, Scenario, Setup
from mfa_guard.composition import sweep as sweep_composition
from mfa_guard.runtime.observability import METRICS
from mfa_guard_cli.stack.template import load_template
from mfa_guard_emulator.aws.stale_reads import Kind
from mfa_guard_emulator.demo.population import delete_exemption, record_exemption
from support.factories import detail, envelope, role_identity, user_identity

SECOND: Final = timedelta(seconds=1)
MINUTE: Final = timedelta(minutes=1)
DAY: Final = timedelta(days=1)
# CloudTrail's delay.
DELAY: Final = timedelta(seconds=15)
# Longer than a function waits, and shorter than Lambda's retries.
STALE: Final = timedelta(seconds=50)
ATTACKER: Final = user_identity("mallory")


@dataclass
class Guard:
    """The deployed guard. `setup` changes the account; every change's event is delivered, or lost, by the test."""

    harness: Harness
    setup: Setup
    observations: Observations

    def deliver(self, event: Mapping[str, Any], function: str = USER) -> list[Attempt]:
        """Deliver an event 15 seconds later, with Lambda's retries, and return the attempts."""
        self.harness.account.clock.advance(DELAY)
        before = len(self.harness.functions.attempts)
        self.harness.functions.invoke(function, event)
        return self.harness.functions.attempts[before:]

    def event(self, name: str, request: Mapping[str, object] | None = None, **changes: object) -> Mapping[str, Any]:
        """Return the event of a call that was made just now, about alice unless `request` names another user."""
        now = self.harness.account.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        return envelope(detail(name, request, eventTime=now, **changes))

    def sweep(self) -> None:
        """Let an hour pass, and run a sweep whose reads are current."""
        self.harness.sweep()

    def be_stale(self, *kinds: Kind, lasting: timedelta = STALE) -> None:
        """Make reads show the past until a change is `lasting` old."""
        self.harness.account.iam_reads.stale.show_past(*kinds, lasting=lasting)

    def create_key(self, name: str = "alice", *, used: bool = False) -> tuple[str, Mapping[str, Any]]:
        """Create an access key, and return its id and the event. `used`: it was used at once."""
        key = self.harness.account.iam.create_access_key(name)
        if used:
            key.last_used = AccessKeyLastUsed(self.harness.account.clock.now(), "s3", "us-east-1")
        created = {"accessKeyId": key.access_key_id, "userName": name, "status": "Active"}
        event = self.event("CreateAccessKey", {"userName": name}, responseElements={"accessKey": created})
        return key.access_key_id, event

    def create_user(self, name: str, *, password: bool = False) -> Mapping[str, Any]:
        """Create a user, and return the event."""
        self.setup.user(name, password=password)
        return self.event(
            "CreateUser", {"userName": name}, responseElements=create_response(self.harness.account.iam.users[name])
        )

    def enroll(self, name: str = "alice", device: str = "phone", **changes: object) -> Mapping[str, Any]:
        """Enable a new virtual device for a user, and return the event."""
        iam = self.harness.account.iam
        serial = iam.create_virtual_mfa_device(f"{name}-{device}", "/").serial_number
        iam.enable_mfa_device(name, serial, "123456", "654321")
        return self.event("EnableMFADevice", {"userName": name, "serialNumber": serial}, **changes)

    def user(self, name: str = "alice") -> ObservedUser:
        return self.observations.users()[name]

    @property
    def notices(self) -> tuple[SentNotice, ...]:
        return self.observations.result().notices

    @property
    def texts(self) -> str:
        return "\n".join(notice.text for notice in self.notices)

    @property
    def digests(self) -> list[SentNotice]:
        return [notice for notice in self.notices if notice.kind == "digest"]


@contextmanager
def deployed(
    prepare: Callable[[Setup], object] = lambda _: None, function: str = USER, **parameters: str
) -> Iterator[Guard]:
    """Deploy the guard. `prepare` makes what is older than everything in the test, and a sweep saw."""
    scenario = Scenario("scenario", function, lambda _: None, lambda setup: _done(prepare(setup)), parameters)
    with open_harness(scenario) as harness:
        harness.reset(None)
        yield Guard(harness, Setup(harness.account), Observations(harness))


def _done(_: object) -> None:
    """Return nothing."""


def _enforced_with_device(setup: Setup) -> None:
    setup.user("alice", enforced=True, device=True)


def _enforced_by_group(setup: Setup) -> None:
    setup.user("alice", device=True)
    setup.account.iam.add_user_to_group(setup.group, "alice")


def _detached(guard: Guard) -> Mapping[str, Any]:
    """Detach the policy from alice, and return the event."""
    guard.setup.account.iam.detach_user_policy(guard.setup.policy, "alice")
    request = {"userName": "alice", "policyArn": guard.setup.policy}
    return guard.event("DetachUserPolicy", request, userIdentity=ATTACKER)


def test_1_a_policy_that_is_detached_is_attached_again_while_iam_still_lists_it() -> None:
    with deployed(_enforced_with_device) as guard:
        for _ in range(2):
            event = _detached(guard)
            guard.be_stale(Kind.ATTACHMENTS)
            guard.deliver(event)
            assert guard.user().enforced
        assert "mallory" in guard.texts


def test_1_a_user_who_is_removed_from_the_group_is_enforced_again_while_iam_still_lists_the_group() -> None:
    with deployed(_enforced_by_group, EnforceThrough="group") as guard:
        for _ in range(2):
            guard.setup.account.iam.remove_user_from_group(guard.setup.group, "alice")
            guard.be_stale(Kind.GROUPS)
            request = {"userName": "alice", "groupName": guard.setup.group}
            guard.deliver(guard.event("RemoveUserFromGroup", request, userIdentity=ATTACKER))
            assert guard.user().enforced
        assert "mallory" in guard.texts


def test_2_a_new_key_that_iam_does_not_list_yet_is_named_although_a_notice_was_just_sent() -> None:
    with deployed() as guard:
        guard.deliver(guard.create_user("alice", password=True))
        assert len(guard.notices) == 1
        guard.setup.account.clock.advance(5 * MINUTE)
        key, event = guard.create_key()
        guard.be_stale(Kind.KEYS, lasting=timedelta(hours=1))
        guard.deliver(event)
        assert key in guard.texts or guard.harness.functions.dead_letters


@pytest.mark.parametrize("lasting", [STALE, timedelta(minutes=30)], ids=["until a retry", "longer than the retries"])
def test_3_a_device_that_iam_does_not_list_yet_ends_the_tags_and_is_never_called_missing(lasting: timedelta) -> None:
    with deployed(lambda setup: setup.user("alice", enforced=True, tagged=3 * DAY)) as guard:
        event = guard.enroll()
        guard.be_stale(Kind.DEVICES, lasting=lasting)
        guard.deliver(event)
        assert [notice.kind for notice in guard.notices if notice.kind in {"noncompliant", "new-credential"}] == []
        if lasting > STALE:
            guard.sweep()
        assert not guard.user().tagged


def test_4_a_user_of_one_minute_whose_key_is_already_used_is_no_machine_user() -> None:
    with deployed() as guard:
        created = guard.create_user("alice")
        _, event = guard.create_key(used=True)
        guard.deliver(created)
        guard.deliver(event)
        assert guard.user().enforced
        assert "decision" not in {notice.kind for notice in guard.notices}


def test_5_a_person_whose_password_and_policy_are_removed_is_enforced_again_and_the_notice_names_the_actor() -> None:
    with deployed(lambda setup: setup.user("alice", enforced=True, device=True, key=DAY)) as guard:
        iam = guard.setup.account.iam
        iam.delete_login_profile("alice")
        without_password = guard.event("DeleteLoginProfile", userIdentity=ATTACKER)
        detached = _detached(guard)
        guard.deliver(without_password)
        guard.deliver(detached)
        assert guard.user().enforced
        [notice] = [each for each in guard.notices if each.kind == "enforcement-removed"]
        assert notice.severity == "high"
        assert "mallory" in notice.text


def test_6_a_user_who_is_renamed_faster_than_events_arrive_is_found_by_id_and_by_key() -> None:
    with deployed() as guard:
        iam = guard.setup.account.iam
        created = guard.create_user("alice")
        key, key_created = guard.create_key()
        for old, new in (("alice", "alice2"), ("alice2", "alice3")):
            iam.update_user(old, None, new)
        guard.deliver(created)
        guard.deliver(key_created)
        assert guard.user("alice3").enforced
        assert key in guard.texts


@contextmanager
def _during_the_sweep(guard: Guard, change: Callable[[], object]) -> Iterator[None]:
    """Make a change just after the sweep has read its first page of users."""
    left = [change]
    observe = guard.harness.injector.observe_response

    def changing(call: Call, params: Mapping[str, Any]) -> None:
        observe(call, params)
        if call.operation == "GetAccountAuthorizationDetails" and left:
            left.pop()()

    guard.harness.injector.observe_response = changing
    yield
    assert left == []


def test_7_a_user_who_is_exempted_while_the_sweep_runs_is_not_enforced() -> None:
    with deployed(lambda setup: setup.user("alice", device=True), SWEEP, Mode="all") as guard:
        with _during_the_sweep(guard, lambda: _exempt(guard)):
            guard.sweep()
        assert not guard.user().enforced


def test_7_a_user_whose_exemption_ends_while_the_sweep_runs_is_not_released() -> None:
    def prepare(setup: Setup) -> None:
        setup.user("alice", device=True, enforced=True)
        record_exemption(setup.account, "alice", 30 * DAY)

    with deployed(prepare, SWEEP, Mode="all") as guard:
        with _during_the_sweep(guard, lambda: _outside(guard, lambda: delete_exemption(guard.setup.account, "alice"))):
            guard.sweep()
        assert guard.user().enforced


def test_7_the_key_of_a_new_user_with_the_same_name_is_not_deactivated() -> None:
    def prepare(setup: Setup) -> None:
        setup.user("alice", enforced=True, tagged=60 * DAY, warned=20 * DAY, key=DAY)

    def recreate(guard: Guard) -> None:
        change_identity(guard.setup.account, "alice", Identity.RECREATED)
        guard.create_key(used=True)

    with deployed(prepare, SWEEP, Mode="all", DeactivateKeysAfterDays="30") as guard:
        with _during_the_sweep(guard, lambda: recreate(guard)):
            guard.sweep()
        assert list(guard.user().keys.values()) == [True]


def _exempt(guard: Guard) -> None:
    _outside(guard, lambda: record_exemption(guard.setup.account, "alice", 30 * DAY))


def _outside(guard: Guard, act: Callable[[], object]) -> None:
    """Act in the middle of a function's run, as another program does."""
    injector = guard.harness.injector
    inside, injector._in_attempt = injector._in_attempt, False
    try:
        act()
    finally:
        injector._in_attempt = inside


def test_8_rules_that_match_nothing_and_subscriptions_that_filter_everything_are_reported_by_the_sweep() -> None:
    with deployed() as guard:
        guard.sweep()
        before = len(guard.digests)
        clients, stack = guard.setup.account.clients, guard.setup.account.stack
        rule = stack.physical_id("UserEventFunctionNewCredentials")
        clients.events.put_rule(Name=rule, EventPattern='{"source": ["nothing"]}', State="ENABLED")
        guard.sweep()
        assert rule in guard.digests[before].text
        topic = str(stack.resolve({"Ref": "NoticesTopic"}))
        subscribed = clients.sns.subscribe(
            TopicArn=topic, Protocol="email", Endpoint="security@example.com", ReturnSubscriptionArn=True
        )
        clients.sns.set_subscription_attributes(
            SubscriptionArn=subscribed["SubscriptionArn"],
            AttributeName="FilterPolicy",
            AttributeValue='{"kind": ["nothing"]}',
        )
        guard.sweep()
        assert "filter" in guard.digests[before + 1].text


def test_9_an_exemption_that_the_stream_did_not_report_is_in_the_next_digest() -> None:
    with deployed(lambda setup: setup.user("alice", device=True)) as guard:
        guard.sweep()
        before = len(guard.digests)
        record_exemption(guard.setup.account, "alice", 30 * DAY)
        guard.sweep()
        [digest] = guard.digests[before:]
        assert guard.setup.account.iam.users["alice"].id in digest.text


def test_10_more_dead_letters_are_news_although_there_were_dead_letters_before() -> None:
    with deployed() as guard:
        sqs, queue = guard.setup.account.clients.sqs, guard.setup.account.stack.physical_id("DeadLetterQueue")
        url = sqs.get_queue_url(QueueName=queue)["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        guard.sweep()
        before = len(guard.digests)
        for _ in range(5):
            sqs.send_message(QueueUrl=url, MessageBody="{}")
        guard.sweep()
        assert len(guard.digests) == before + 1


def test_11_a_forged_event_with_the_id_of_a_genuine_one_does_not_make_that_one_a_duplicate() -> None:
    with deployed() as guard:
        created = guard.create_user("alice", password=True)
        forged = guard.event("CreateUser", {"userName": "someone"}, eventID=created["detail"]["eventID"])
        guard.deliver(forged)
        guard.deliver(created)
        assert guard.user().enforced


def test_12_a_state_table_whose_times_are_in_2099_silences_nothing() -> None:
    with deployed() as guard:
        guard.deliver(guard.create_user("alice", password=True))
        guard.deliver(_detached(guard))
        guard.sweep()
        _set_times_to_2099(guard)
        guard.setup.account.clock.advance(20 * MINUTE)
        before = len(guard.notices)
        guard.deliver(_detached(guard))
        assert guard.user().enforced
        assert "enforcement-removed" in {notice.kind for notice in guard.notices[before:]}
        guard.setup.account.clock.advance(8 * DAY)
        digests = len(guard.digests)
        guard.sweep()
        assert len(guard.digests) == digests + 1


def _set_times_to_2099(guard: Guard) -> None:
    """Replace every time in the state table, as a number or a text, by one in 2099."""
    stack = guard.setup.account.stack
    table = dynamodb_backends[stack.account][stack.region].tables[stack.physical_id("StateTable")]
    changed = 0
    for item in table.all_items():
        for name, value in item.attrs.items():
            text = json.dumps(value, default=lambda each: each.to_json())
            later = re.sub(r"20[23]\d-\d\d-\d\dT", "2099-01-01T", text)
            later = re.sub(r'"1[789]\d{8}(\.\d+)?"', '"4070908800"', later)
            if later != text:
                changed += 1
                item.attrs[name] = type(value)(json.loads(later))
    assert changed


def test_13_a_second_device_that_a_role_session_enrolls_for_a_user_is_reported() -> None:
    with deployed(_enforced_with_device) as guard:
        guard.deliver(guard.enroll(device="tablet", userIdentity=role_identity("Deployer", "mallory")))
        [notice] = guard.notices
        assert notice.severity == "high"
        assert "Deployer" in notice.text


def test_14_a_user_who_is_created_and_deleted_within_a_minute_raises_no_alarm() -> None:
    with deployed() as guard:
        created = guard.create_user("alice")
        guard.setup.account.iam.delete_user("alice")
        attempts = guard.deliver(created)
        assert [attempt.error for attempt in attempts] == [None]
        assert guard.harness.functions.dead_letters == []
        assert guard.notices == ()


def test_16_eighty_users_who_are_created_at_once_cause_at_most_twelve_mails_and_each_is_named() -> None:
    with deployed() as guard:
        events = [guard.create_user(f"user-{number:02}", password=True) for number in range(80)]
        guard.setup.account.clock.advance(DELAY)
        for event in events:
            guard.harness.functions.invoke(USER, event)
        guard.sweep()
        assert all(guard.user(f"user-{number:02}").enforced for number in range(80))
        assert len(guard.notices) <= 12
        assert [number for number in range(80) if f"user-{number:02}" not in guard.texts] == []


def test_17_a_sweep_counts_from_one_thread_only(monkeypatch: pytest.MonkeyPatch) -> None:
    counting: set[int] = set()
    add_metric = METRICS.add_metric

    def observed(*arguments: Any, **more: Any) -> None:  # noqa: ANN401 - Powertools' signature
        counting.add(threading.get_ident())
        add_metric(*arguments, **more)

    def prepare(setup: Setup) -> None:
        for number in range(20):
            setup.user(f"user-{number:02}")

    with deployed(prepare, SWEEP, Mode="all") as guard:
        monkeypatch.setattr(sweep_composition, "_SWEEP_WORKERS", 8)
        monkeypatch.setattr(METRICS, "add_metric", observed)
        guard.sweep()
        # The twenty, and the administrator.
        counted = (metric for attempt in guard.harness.functions.attempts for metric in attempt.metrics())
        marked = sum(value for (_, name), value in counted if name == "UsersMarkedNoncompliant")
        assert marked == 21
    assert counting == {threading.get_ident()}


def test_18_no_resource_is_named_after_the_stack_whose_name_may_have_128_characters() -> None:
    name = "s" * 128
    stack = load_template().render(stack_name=name)
    named = {"Name", "RoleName", "AlarmName", "FunctionName", "TableName", "QueueName", "TopicName", "DashboardName"}
    for resource in stack.resources.values():
        for each in named & set(resource.properties):
            assert name not in str(resource.properties[each]), resource.logical_id


def test_19_every_subject_has_less_than_100_characters() -> None:
    name = "n" * 64
    with deployed() as guard:
        guard.deliver(guard.create_user(name, password=True))
        guard.deliver(guard.create_key(name)[1])
        guard.setup.account.iam.detach_user_policy(guard.setup.policy, name)
        guard.deliver(guard.event("DetachUserPolicy", {"userName": name, "policyArn": guard.setup.policy}))
        stopped = guard.event("StopLogging", {"name": "t" * 128}, eventSource="cloudtrail.amazonaws.com")
        guard.deliver(stopped, ALERT)
        guard.sweep()
        topics = guard.setup.account.sns.topics.values()
        subjects = [str(subject) for topic in topics for _, _, subject, *_ in topic.sent_notifications]
        assert len(subjects) >= 4
        assert all(len(subject) < 100 for subject in subjects)
