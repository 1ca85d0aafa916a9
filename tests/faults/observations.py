"""What a run of a scenario leaves behind: users, notices, dead letters, responses, and alarms.

Everything is read from moto's state, from the topics, from the queue, and from the metrics in the logs. Nothing is
asked of the code under test.
"""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from moto.dynamodb.models import dynamodb_backends

from faults.alarms import Datapoint, raised_alarms
from faults.fault_injection import Call
from faults.harness import Harness
from faults.identity import exempt_ids
from faults.lambda_service import Attempt
from faults.scenarios import SWEEP, TEARDOWN
from mfa_guard.core.user import SINCE_TAG, STATUS_TAG

_IN_USE: Final = timedelta(days=90)
_ESTABLISHED: Final = timedelta(days=7)
_WRITES: Final = frozenset(
    {
        "AddUserToGroup",
        "AttachUserPolicy",
        "DetachUserPolicy",
        "RemoveUserFromGroup",
        "UpdateAccessKey",
    }
)


@dataclass(frozen=True)
class ObservedUser:
    """One user as moto has them. `keys`: by the id of each access key, whether it is active.

    `key_in_use`: an established user has an established key that was used lately, or had one in the last 7 days.
    """

    id: str
    enforced: bool
    tagged: bool
    device: bool
    password: bool
    exempt: bool
    keys: Mapping[str, bool]
    key_in_use: bool

    @property
    def as_required(self) -> bool:
        """Return whether the user is in the state that README's table requires."""
        if self.exempt:
            return not self.enforced and not self.tagged
        active_machine = not self.password and self.key_in_use
        return (self.enforced or active_machine) and self.tagged == (not self.device)


Users = Mapping[str, ObservedUser]


@dataclass(frozen=True)
class SentNotice:
    """One notice. `users`: the users at the time when it was published."""

    topic: str
    kind: str
    severity: str
    subject: str
    text: str
    data: Mapping[str, Any]
    users: Users

    @property
    def subject_id(self) -> str | None:
        """Return the user id of the notice's subject, or None for a digest and for a notice about no user."""
        found = (self.data.get("subject") or {}).get("id")
        return str(found) if found else None

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what identifies the notice in every run."""
        return self.topic, self.kind, self.subject


@dataclass(frozen=True)
class RunResult:
    """What a run left behind.

    `sweep_requests`: how many sweeps it requested. `changed`: the ids of the users whose
    enforcement or keys the functions changed.
    """

    users: Users
    notices: tuple[SentNotice, ...]
    dead_letters: int
    responses: tuple[Mapping[str, str], ...]
    alarms: frozenset[str]
    sweep_requests: int
    attempts: tuple[Attempt, ...]
    changed: frozenset[str]


@dataclass
class Observations:
    """Observes the runs of a harness. `names`: by user id, every name that the user had."""

    harness: Harness
    names: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    _users_at_publish: list[Users] = field(default_factory=list)
    _sweep_requests: int = 0
    _changed: set[str] = field(default_factory=set)
    _before_write: Users = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.harness.injector.observe = self._observe
        self.harness.injector.observe_response = self._observe_response

    def reset(self) -> None:
        """Forget the run before."""
        self._users_at_publish, self._sweep_requests, self._changed = [], 0, set()

    def result(self) -> RunResult:
        """Return what the run left behind."""
        functions = self.harness.functions
        return RunResult(
            users=self.users(),
            notices=tuple(self._notices()),
            dead_letters=len(functions.dead_letters),
            responses=tuple(self.harness.injector.responses),
            alarms=raised_alarms(self.harness.account.stack, self._datapoints()),
            sweep_requests=self._sweep_requests,
            attempts=tuple(functions.attempts),
            changed=frozenset(self._changed),
        )

    def users(self) -> Users:
        """Return the users by name."""
        account = self.harness.account
        stack, iam, now = account.stack, account.iam, account.clock.now()
        policy = str(stack.resolve({"Ref": "EnforcementPolicy"}))
        group = iam.groups.get(stack.physical_id("EnforcementGroup"))
        exempt = exempt_ids(account, now)
        machines = self._recorded(lambda item: _recent(item.get("machine_user_at"), now))
        for name, user in iam.users.items():
            self.names[user.id].add(name)
        return {
            name: ObservedUser(
                id=user.id,
                enforced=policy in user.managed_policies
                or (group is not None and policy in group.managed_policies and user in group.users),
                tagged=_tagged({tag["Key"]: tag["Value"] for tag in user.tags or []}, now),
                device=bool(user.mfa_devices),
                password=user.password is not None,
                exempt=user.id in exempt,
                keys={key.access_key_id: key.status == "Active" for key in user.access_keys},
                key_in_use=any(
                    key.last_used is not None
                    and now - _aware(key.last_used.timestamp) <= _IN_USE
                    and now - _aware(max(key.create_date, user.create_date)) >= _ESTABLISHED
                    for key in user.access_keys
                )
                or user.id in machines,
            )
            for name, user in iam.users.items()
        }

    def in_scope(self) -> frozenset[str]:
        """Return the ids of the users that the guard's records put in scope."""
        return self._recorded(lambda item: bool(item.get("in_scope_since")))

    def _recorded(self, wanted: Callable[[Mapping[str, Any]], bool]) -> frozenset[str]:
        stack = self.harness.account.stack
        table = dynamodb_backends[stack.account][stack.region].tables[stack.physical_id("StateTable")]
        items = (item.to_regular_json() for item in table.all_items())
        return frozenset(
            item["id"].removeprefix("user#") for item in items if item["id"][:5] == "user#" and wanted(item)
        )

    def _observe(self, call: Call, params: Mapping[str, Any]) -> None:
        if call.operation == "PutEvents":
            self._sweep_requests += 1
            detail = json.loads(params["Entries"][0]["Detail"])
            if self.harness.scenario.function != TEARDOWN:
                request = f"sweep-round-{self._sweep_requests}"
                event = {"id": request, "source": "mfa-guard", "detail-type": "Sweep requested", "detail": detail}
                self.harness.injector.self_invocations.append((SWEEP, event))
        if call.operation == "Publish":
            self._users_at_publish.append(self.users())
        if call.operation in _WRITES:
            self._before_write = self.users()

    def _observe_response(self, call: Call, _params: Mapping[str, Any]) -> None:
        if call.operation in _WRITES:
            before = {user.id: user for user in self._before_write.values()}
            self._changed |= {user.id for user in self.users().values() if user != before.get(user.id)}

    def _notices(self) -> Iterator[SentNotice]:
        stack = self.harness.account.stack
        users_at_publish = iter(self._users_at_publish)
        for topic in ("NoticesTopic", "OperationsTopic"):
            arn = str(stack.resolve({"Ref": topic}))
            for _, message, *_ in self.harness.account.sns.topics[arn].sent_notifications:
                parts = json.loads(message)
                data = json.loads(parts["default"])
                subject = data.get("subject") or {}
                yield SentNotice(
                    topic=topic,
                    kind=data["kind"],
                    severity=data["severity"],
                    subject=str(subject.get("name")),
                    text=parts["email"],
                    data=data,
                    users=next(users_at_publish, {}),
                )

    def _datapoints(self) -> Iterator[Datapoint]:
        functions, stack, now = self.harness.functions, self.harness.account.stack, self.harness.account.clock.now()
        for attempt in functions.attempts:
            for (namespace, metric), value in attempt.metrics():
                yield Datapoint(namespace, metric, "mfa-guard", attempt.at, value)
            if attempt.error:
                yield Datapoint("AWS/Lambda", "Errors", stack.physical_id(attempt.function), attempt.at, 1)
        for dead_letter in functions.dead_letters:
            queue = dead_letter.queue.rpartition(":")[2]
            yield Datapoint("AWS/SQS", "NumberOfMessagesSent", queue, now, 1)


def _aware(time: datetime) -> datetime:
    # moto's own times are in UTC and have no time zone.
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def _tagged(tags: Mapping[str, str], now: datetime) -> bool:
    since = tags.get(SINCE_TAG)
    return tags.get(STATUS_TAG) == "noncompliant" and since is not None and datetime.fromisoformat(since) <= now


def _recent(time: object, now: datetime) -> bool:
    return isinstance(time, str) and now - datetime.fromisoformat(time) < _ESTABLISHED
