"""The scene of a story: somebody acts on the local account, the guard is woken, and does what it does."""

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from moto.iam.models import AccessKeyLastUsed

from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard_cli.stack.intrinsics import as_text
from mfa_guard_cli.stack.template import Fields
from mfa_guard_emulator.aws.account import LocalAccount
from mfa_guard_emulator.aws.callers import Caller
from mfa_guard_emulator.aws.delivery import Delivery, Invocation
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.resources import Clients
from mfa_guard_emulator.aws.snapshot import Snapshot, snapshots
from mfa_guard_emulator.demo import paste
from mfa_guard_emulator.demo.actors import Actor
from mfa_guard_emulator.demo.wire import Asked, Made, Wire
from mfa_guard_emulator.functions.attempts import Attempt

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_SETTLE_SECONDS: Final = 120
_POLL_SECONDS: Final = 0.05
# The guard's own writes come back as events; should these make it write again and again, this ends it.
_ROUNDS: Final = 5

Happening = Callable[["Harness"], None]
Arrival = Callable[[Sequence[Fields]], Sequence[Fields]]


class ScenarioBroken(RuntimeError):
    """The story cannot be told as it is written; one sentence."""


def in_order(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Let every event arrive once, in order."""
    return envelopes


@dataclass(frozen=True)
class StepResult:
    """What came of one happening: users before it, after the calls, and after the guard; and everything in between.

    `echoes` are the guard's own calls, as they come back to the bus, and what CloudFormation invoked.
    """

    before: Mapping[str, Snapshot]
    called: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    deliveries: tuple[Delivery, ...]
    echoes: tuple[Delivery, ...]
    mails: tuple[Mail, ...]
    letters: tuple[Fields, ...]
    pasted: tuple[paste.Command, ...]
    calls: tuple[Made, ...]

    def counted(self) -> Counter[str]:
        """Return the sums of the metrics of every attempt."""
        counted: Counter[str] = Counter()
        for attempt in self._attempts():
            counted += attempt.counted()
        return counted

    def measured(self) -> Mapping[str, float]:
        """Return the newest value of every metric."""
        return {name: value for attempt in self._attempts() for name, value in attempt.measured().items()}

    def asked(self, function: str) -> Asked:
        """Return what a function asked of IAM."""
        return Asked.of_iam(self.calls, function)

    def _attempts(self) -> Iterator[Attempt]:
        for delivery in (*self.deliveries, *self.echoes):
            for invocation in delivery.invocations:
                yield from invocation.attempts


class Heard:
    """Every delivery that the bus told of, once each."""

    def __init__(self) -> None:
        self._deliveries: dict[int, Delivery] = {}

    def delivered(self, delivery: Delivery, _invocation: Invocation | None) -> None:
        """Take what the bus tells."""
        self._deliveries[id(delivery)] = delivery

    def take(self) -> tuple[Delivery, ...]:
        """Return the deliveries since this was last asked."""
        heard, self._deliveries = tuple(self._deliveries.values()), {}
        return heard


@dataclass
class Harness:
    """The account, and what the story does to it."""

    account: LocalAccount
    heard: Heard
    wire: Wire = field(init=False)
    mails: list[Mail] = field(init=False, default_factory=list)
    _clients: dict[Actor, Clients] = field(init=False, default_factory=dict)
    _acting: Clients | None = field(init=False, default=None)
    _fired: list[str] = field(init=False, default_factory=list)
    _pasted: list[paste.Command] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        self.wire = Wire(self.account.clock)
        self.account.gateway.intercept = self.wire.on_call

    @property
    def clients(self) -> Clients:
        """Return the clients of whoever is acting, or the account's own, whose calls nobody records."""
        return self._acting or self.account.clients

    @property
    def iam(self) -> "IAMClient":
        """Return the IAM client of whoever is acting."""
        return self.clients.iam

    @contextmanager
    def acting(self, actor: Actor) -> Iterator["IAMClient"]:
        """Let what happens inside be this actor's doing, with credentials of his own."""
        if actor not in self._clients:
            credentials = self.account.callers.hand_out(actor.caller(self.account.callers))
            self._clients[actor] = Clients(self.account.session(credentials), self.account.endpoint)
        outer, self._acting = self._acting, self._clients[actor]
        try:
            yield self.iam
        finally:
            self._acting = outer

    def say(self, actor: Actor, source: str, name: str, *, request: Fields) -> None:
        """Let the trail hold a call of a service that nobody has here."""
        caller = actor.caller(self.account.callers)
        self.account.deliver(self.account.trail.call(caller, source, name, request=request), caller)

    def sign_in_as_root(self, actor: Actor) -> None:
        """Let root sign in to the console without MFA."""
        self.account.sign_in(None, mfa=False, address=actor.address, user_agent=actor.user_agent)

    def deploy(self, **parameters: str) -> None:
        """Update the stack with other parameters, before the story goes on."""
        stack = self.account.stack
        given = {name: as_text(value) for name, value in stack.parameters.items()}
        self.account.update(
            stack.template.render(
                account=stack.account, region=stack.region, stack_name=stack.name, parameters=given | parameters
            )
        )

    def use_key(self, user: str, key_id: str, when: datetime) -> None:
        """Let an access key have been used at a time of the past; no API can say so."""
        key = self.account.iam.get_user(user).get_access_key_by_id(key_id)
        key.last_used = AccessKeyLastUsed(when, "s3", self.account.stack.region)

    def let_pass(self, span: timedelta) -> None:
        """Let time pass, in which IAM's reads come to show what is true."""
        self.account.clock.let_pass(span)
        self.account.lag.settle()

    def paste(self, actor: Actor, mail: Mail, title: str, *, limit: int | None = None) -> None:
        """Let an actor paste what a mail has below `title`, at most `limit` of its commands."""
        self._paste(actor, paste.paragraph(mail.text, title), limit)

    def paste_output(self, actor: Actor, name: str) -> None:
        """Let an actor paste the command that an output of the stack holds."""
        self._paste(actor, self.account.stack.outputs()[name], None)

    def ignore_changes(self) -> None:
        """Let the exemptions recorded so far be older than the stream."""
        self.account.take_changes()

    def fire(self, schedule: str) -> None:
        """Let a schedule's time come, once what happens besides has reached the guard."""
        self._fired.append(schedule)

    def last_mail(self, kind: NoticeKind, user: str) -> Mail:
        """Return the newest mail of a kind about a user."""
        for mail in reversed(self.mails):
            subject = mail.data["subject"]
            if mail.data["kind"] == kind and isinstance(subject, Mapping) and subject["name"] == user:
                return mail
        raise ScenarioBroken(f"There was no mail of kind {kind} about {user}.")

    def wait_until(self, done: Callable[[], bool], otherwise: str) -> None:
        """Wait for something that goes on beside the story; raises StoryBroken with `otherwise` when it never ends."""
        end = time.monotonic() + _SETTLE_SECONDS
        while not done():
            if time.monotonic() > end:
                raise ScenarioBroken(f"{otherwise} after {_SETTLE_SECONDS} seconds.")
            time.sleep(_POLL_SECONDS)

    def play(self, happens: Happening, arrive: Arrival = in_order) -> StepResult:
        """Let something happen, and everything that follows from it."""
        self.wire.take()
        self.heard.take()
        told = len(self.account.mailbox.mails)
        before = self._users()
        with self.account.holding() as held:
            happens(self)
            called = self._users()
            deliveries = tuple(self._deliver(arrive(_taken(held))))
            self._echo(held)
        direct = set(map(id, deliveries))
        echoes = tuple(each for each in self.heard.take() if id(each) not in direct)
        self.account.lag.settle()
        self.wire.settle()
        mails = self.account.mailbox.mails[told:]
        self.mails += mails
        pasted, self._pasted = tuple(self._pasted), []
        return StepResult(
            before=before,
            called=called,
            after=self._users(),
            deliveries=deliveries,
            echoes=echoes,
            mails=mails,
            letters=tuple(self._letters()),
            pasted=pasted,
            calls=self.wire.take(),
        )

    def _deliver(self, envelopes: Sequence[Fields]) -> Iterator[Delivery]:
        """Yield what became of the stream's records, which is faster than CloudTrail, the envelopes, the schedules.

        One after the other, so that a story is the same each time.
        """
        bus = self.account.bus
        if records := self.account.take_changes():
            yield from bus.changed(records)
            self._settle()
        for envelope in envelopes:
            yield from bus.put(envelope)
            self._settle()
        fired, self._fired = self._fired, []
        for schedule in fired:
            yield bus.fire(schedule)
            self._settle()

    def _echo(self, held: list[tuple[Fields, Caller]]) -> None:
        """Deliver what the guard's own calls put on the bus, once the guard is at rest: CloudTrail is slower."""
        for _ in range(_ROUNDS):
            written = _taken(held)
            if not written:
                return
            for envelope in written:
                self.account.bus.put(envelope)
                self._settle()
        raise ScenarioBroken(f"The guard still answers its own writes after {_ROUNDS} rounds.")

    def _settle(self) -> None:
        if not self.account.bus.settle(_SETTLE_SECONDS):
            raise ScenarioBroken(f"The guard is not at rest after {_SETTLE_SECONDS} seconds.")
        if self.account.failures:
            raise ScenarioBroken(f"The local account itself failed: {self.account.failures[-1]}")

    def _users(self) -> Mapping[str, Snapshot]:
        return snapshots(self.account.stack, self.account.iam)

    def _paste(self, actor: Actor, pasted: str, limit: int | None) -> None:
        with self.acting(actor):
            self._pasted += paste.run(pasted, self.clients, limit=limit)

    def _letters(self) -> Iterator[Fields]:
        sqs = self.account.clients.sqs
        name = self.account.stack.physical_id("DeadLetterQueue")
        url = sqs.get_queue_url(QueueName=name)["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])


def _taken(held: list[tuple[Fields, Caller]]) -> list[Fields]:
    """Return the envelopes that were held, in order, and hold none of them any longer."""
    envelopes = [envelope for envelope, _ in held]
    held.clear()
    return envelopes
