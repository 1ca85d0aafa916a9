"""The harness of a scenario: actors make calls, the guard gets the events, and all of it is recorded."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.key_use import record_key_use
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.demo import notice_commands
from mfa_guard_emulator.demo.actors import Actor
from mfa_guard_emulator.demo.function_calls import FunctionCall, FunctionCalls, IamUsage
from mfa_guard_emulator.functions.attempts import Attempt

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_IDLE_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.02
# The guard's own calls become events. If the guard answers them with calls again and again, the step ends here.
_MAXIMUM_ROUNDS: Final = 5

Action = Callable[["Harness"], None]
DeliveryOrder = Callable[[Sequence[Fields]], Sequence[Fields]]


class ScenarioBroken(RuntimeError):
    """A step cannot be played as it is written. The message is one sentence."""


def in_order(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Deliver every event once, in order."""
    return envelopes


@dataclass(frozen=True)
class StepResult:
    """What happened in one step: the users before it, after its calls, and after the guard, and what came between.

    `own_deliveries` are the events of the guard's own calls, and what CloudFormation invoked.
    """

    before: Mapping[str, Snapshot]
    after_calls: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    deliveries: tuple[Delivery, ...]
    own_deliveries: tuple[Delivery, ...]
    mails: tuple[Mail, ...]
    dead_letters: tuple[Fields, ...]
    commands: tuple[notice_commands.Command, ...]
    calls: tuple[FunctionCall, ...]

    def metrics(self) -> Counter[str]:
        """Return the sum of each metric over all attempts."""
        metrics: Counter[str] = Counter()
        for attempt in self._attempts():
            metrics += attempt.sums()
        return metrics

    def gauges(self) -> Mapping[str, float]:
        """Return the newest value of each metric."""
        return {name: value for attempt in self._attempts() for name, value in attempt.newest().items()}

    def iam_usage(self, function: str) -> IamUsage:
        """Return which calls of IAM a function made."""
        return IamUsage.of(self.calls, function)

    def _attempts(self) -> Iterator[Attempt]:
        for delivery in (*self.deliveries, *self.own_deliveries):
            for invocation in delivery.invocations:
                yield from invocation.attempts


class DeliveryRecorder:
    """Records every delivery of the bus once."""

    def __init__(self) -> None:
        self._deliveries: dict[int, Delivery] = {}

    def on_delivery(self, delivery: Delivery, _invocation: Invocation | None) -> None:
        """Record a delivery; for a Listener."""
        self._deliveries[id(delivery)] = delivery

    def take(self) -> tuple[Delivery, ...]:
        """Return the deliveries since the last call."""
        deliveries, self._deliveries = tuple(self._deliveries.values()), {}
        return deliveries


@dataclass
class Harness:
    """The account, and what a scenario does in it."""

    account: LocalAccount
    recorder: DeliveryRecorder
    calls: FunctionCalls = field(init=False)
    mails: list[Mail] = field(init=False, default_factory=list)
    _clients: dict[Actor, Clients] = field(init=False, default_factory=dict)
    _acting: Clients | None = field(init=False, default=None)
    _schedules: list[str] = field(init=False, default_factory=list)
    _commands: list[notice_commands.Command] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.calls = FunctionCalls(self.account.clock)
        self.account.gateway.intercept = self.calls.intercept

    @property
    def clients(self) -> Clients:
        """Return the clients of the present actor; without an actor, the emulator's own."""
        return self._acting or self.account.clients

    @property
    def iam(self) -> "IAMClient":
        """Return the IAM client of the present actor."""
        return self.clients.iam

    @contextmanager
    def acting(self, actor: Actor) -> Iterator["IAMClient"]:
        """Make the calls of this block with an actor's credentials."""
        if actor not in self._clients:
            credentials = self.account.callers.issue(actor.caller(self.account.callers))
            self._clients[actor] = Clients(self.account.session(credentials), self.account.endpoint)
        outer, self._acting = self._acting, self._clients[actor]
        try:
            yield self.iam
        finally:
            self._acting = outer

    def record_call(self, actor: Actor, source: str, name: str, *, request: Fields) -> None:
        """Write the record of a call of a service that the local account does not have."""
        caller = actor.caller(self.account.callers)
        self.account.deliver(self.account.trail.call(caller, source, name, request=request), caller)

    def sign_in_as_root(self, actor: Actor) -> None:
        """Sign root in to the console without MFA."""
        self.account.sign_in(None, mfa=False, address=actor.address, user_agent=actor.user_agent)

    def set_parameters(self, **parameters: str) -> None:
        """Update the stack's parameters, without a record."""
        stack = self.account.stack
        given = {name: as_text(value) for name, value in stack.parameters.items()}
        self.account.update(
            stack.template.render(
                account=stack.account, region=stack.region, stack_name=stack.name, parameters=given | parameters
            )
        )

    def set_key_last_used(self, user: str, key_id: str, when: datetime) -> None:
        """Set when an access key was last used, which no API can."""
        record_key_use(self.account.iam, self.account.stack.region, user, key_id, when)

    def advance(self, span: timedelta) -> None:
        """Skip a span of time, after which IAM's reads are consistent."""
        self.account.clock.advance(span)
        self.account.iam_reads.become_consistent()

    def run_notice_commands(self, actor: Actor, mail: Mail, title: str, *, limit: int | None = None) -> None:
        """Run the commands in a section of a mail as an actor, at most `limit` of them."""
        self._run(actor, notice_commands.paragraph(mail.text, title), limit)

    def run_output(self, actor: Actor, name: str) -> None:
        """Run the command in an output of the stack as an actor."""
        self._run(actor, self.account.stack.outputs()[name], None)

    def discard_exemption_records(self) -> None:
        """Discard the records of exemptions that exist before the scenario begins."""
        self.account.take_exemption_records()

    def run_schedule(self, schedule: str) -> None:
        """Run a schedule at the end of the step, after all events are delivered."""
        self._schedules.append(schedule)

    def last_mail(self, kind: NoticeKind, user: str) -> Mail:
        """Return the newest mail of a kind about a user."""
        for mail in reversed(self.mails):
            subject = mail.data["subject"]
            if mail.data["kind"] == kind and isinstance(subject, Mapping) and subject["name"] == user:
                return mail
        raise ScenarioBroken(f"There is no mail of kind {kind} about {user}.")

    def wait_until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Wait until `done`; raises ScenarioBroken with `otherwise` when it takes too long."""
        end = time.monotonic() + _IDLE_SECONDS
        while not done():
            if time.monotonic() > end:
                raise ScenarioBroken(f"{otherwise} after {_IDLE_SECONDS} seconds.")
            time.sleep(_POLL_SECONDS)

    def play(self, action: Action, order: DeliveryOrder = in_order) -> StepResult:
        """Run an action, deliver its events, and return what happened."""
        self.calls.take()
        self.recorder.take()
        mails_before = len(self.account.mailbox.mails)
        before = self._users()
        with self.account.holding_events() as held:
            action(self)
            after_calls = self._users()
            deliveries = tuple(self._deliver(order(_taken(held))))
            self._deliver_own_events(held)
        direct = set(map(id, deliveries))
        own_deliveries = tuple(each for each in self.recorder.take() if id(each) not in direct)
        self.account.iam_reads.become_consistent()
        self.calls.set_latency(timedelta())
        mails = self.account.mailbox.mails[mails_before:]
        self.mails += mails
        commands, self._commands = tuple(self._commands), []
        return StepResult(
            before=before,
            after_calls=after_calls,
            after=self._users(),
            deliveries=deliveries,
            own_deliveries=own_deliveries,
            mails=mails,
            dead_letters=tuple(self._take_dead_letters()),
            commands=commands,
            calls=self.calls.take(),
        )

    def _deliver(self, envelopes: Sequence[Fields]) -> Iterator[Delivery]:
        """Deliver the stream's records, which are faster than CloudTrail, then the events, then the schedules.

        One after the other, so that a step is the same each time.
        """
        bus = self.account.bus
        if records := self.account.take_exemption_records():
            yield from bus.put_stream_records(records)
            self._wait_until_idle()
        for envelope in envelopes:
            yield from bus.put(envelope)
            self._wait_until_idle()
        schedules, self._schedules = self._schedules, []
        for schedule in schedules:
            yield bus.run_schedule(schedule)
            self._wait_until_idle()

    def _deliver_own_events(self, held: list[tuple[Fields, Caller]]) -> None:
        """Deliver the events of the guard's own calls after the guard is idle, because CloudTrail is slower."""
        for _ in range(_MAXIMUM_ROUNDS):
            envelopes = _taken(held)
            if not envelopes:
                return
            for envelope in envelopes:
                self.account.bus.put(envelope)
                self._wait_until_idle()
        raise ScenarioBroken(f"The guard still reacts to its own calls after {_MAXIMUM_ROUNDS} rounds.")

    def _wait_until_idle(self) -> None:
        if not self.account.bus.wait_until_idle(_IDLE_SECONDS):
            raise ScenarioBroken(f"The guard is not idle after {_IDLE_SECONDS} seconds.")
        if self.account.failures:
            raise ScenarioBroken(f"The local account itself failed: {self.account.failures[-1]}")

    def _users(self) -> Mapping[str, Snapshot]:
        return snapshots(self.account.stack, self.account.iam)

    def _run(self, actor: Actor, text: str, limit: int | None) -> None:
        with self.acting(actor):
            self._commands += notice_commands.run(text, self.clients, limit=limit)

    def _take_dead_letters(self) -> Iterator[Fields]:
        sqs = self.account.clients.sqs
        name = self.account.stack.physical_id("DeadLetterQueue")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])


def _taken(held: list[tuple[Fields, Caller]]) -> list[Fields]:
    """Return the held events in order, and empty the list."""
    envelopes = [envelope for envelope, _ in held]
    held.clear()
    return envelopes
