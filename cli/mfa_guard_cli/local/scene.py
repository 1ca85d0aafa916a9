"""The scene of a story: somebody acts on the account, the guard is woken, and does what it does."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from mfa_guard.core.kinds import Kind
from mfa_guard_cli.local import paste
from mfa_guard_cli.local.account import Account
from mfa_guard_cli.local.bus import Bus, Delivery
from mfa_guard_cli.local.changes import Changes
from mfa_guard_cli.local.functions import Attempt, Function
from mfa_guard_cli.local.inbox import Inbox, Mail
from mfa_guard_cli.local.snapshot import Snapshot, snapshots
from mfa_guard_cli.local.trail import Actor, Trail, role_session
from mfa_guard_cli.local.wire import Call, Calls, Wire
from mfa_guard_cli.template import Fields

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient

_GUARD_ADDRESS: Final = "198.51.100.61"
# The guard's own writes come back as events; should these make it write again and again, this ends it.
_ROUNDS: Final = 5

Happening = Callable[["Scene"], None]
Arrival = Callable[[Sequence[Fields]], Sequence[Fields]]


class StoryBroken(RuntimeError):
    """The story cannot be told as it is written; one sentence."""


def in_order(envelopes: Sequence[Fields]) -> Sequence[Fields]:
    """Let every event arrive once, in order."""
    return envelopes


@dataclass(frozen=True)
class Played:
    """What came of one happening: users before it, after the calls, and after the guard; and everything in between.

    `echoes` are the guard's own writes, as they come back to the bus.
    """

    before: Mapping[str, Snapshot]
    called: Mapping[str, Snapshot]
    after: Mapping[str, Snapshot]
    deliveries: tuple[Delivery, ...]
    echoes: tuple[Delivery, ...]
    mails: tuple[Mail, ...]
    letters: tuple[Fields, ...]
    pasted: tuple[paste.Command, ...]
    calls: tuple[Call, ...]

    def counted(self) -> Counter[str]:
        """Return the sums of the metrics of every attempt."""
        counted: Counter[str] = Counter()
        for attempt in self._attempts():
            counted += attempt.counted()
        return counted

    def measured(self) -> Mapping[str, float]:
        """Return the newest value of every metric."""
        return {name: value for attempt in self._attempts() for name, value in attempt.measured().items()}

    def asked(self, function: str) -> Calls:
        """Return what a function asked of IAM."""
        return Calls.of_iam(self.calls, function)

    def _attempts(self) -> Iterator[Attempt]:
        for delivery in (*self.deliveries, *self.echoes):
            for invocation in delivery.invocations:
                yield from invocation.attempts


@dataclass
class Scene:
    """The account with a bus and an inbox, and what the story does to it."""

    account: Account
    bus: Bus = field(init=False)
    wire: Wire = field(init=False)
    inbox: Inbox = field(init=False)
    mails: list[Mail] = field(init=False, default_factory=list)
    _changes: Changes = field(init=False)
    _fired: list[str] = field(init=False, default_factory=list)
    _pasted: list[paste.Command] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        stack = self.account.stack
        self.bus = Bus(stack, self.account.clients, self._working)
        self.wire = Wire(self.account.session, self.account.clock)
        self.inbox = Inbox(self.account)
        self._changes = Changes(stack, self.account.clock)

    @property
    def trail(self) -> Trail:
        """Return the account's trail."""
        return self.account.trail

    @property
    def iam(self) -> "IAMClient":
        """Return a client whose calls the trail records while somebody is acting."""
        return self.account.clients.iam

    def deploy(self, **parameters: str) -> None:
        """Update the stack: the same resources, with other parameters."""
        stack = self.account.stack
        given = {name: str(value) for name, value in stack.parameters.items()}
        updated = stack.template.render(
            account=stack.account, region=stack.region, stack_name=stack.name, parameters=given | parameters
        )
        self.bus = Bus(updated, self.account.clients, self._working)

    def paste(self, actor: Actor, mail: Mail, title: str, *, limit: int | None = None) -> None:
        """Let an actor paste what a mail has below `title`, at most `limit` of its commands."""
        self._paste(actor, paste.paragraph(mail.text, title), limit)

    def paste_output(self, actor: Actor, name: str) -> None:
        """Let an actor paste the command that an output of the stack holds."""
        self._paste(actor, self.account.stack.outputs()[name], None)

    def ignore_changes(self) -> None:
        """Let the exemptions recorded so far be older than the stream."""
        self._changes.unread()

    def fire(self, schedule: str) -> None:
        """Let a schedule's time come, once what happens besides has reached the guard."""
        self._fired.append(schedule)

    def last_mail(self, kind: Kind, user: str) -> Mail:
        """Return the newest mail of a kind about a user."""
        for mail in reversed(self.mails):
            subject = mail.data["subject"]
            if mail.data["kind"] == kind and isinstance(subject, Mapping) and subject["name"] == user:
                return mail
        raise StoryBroken(f"There was no mail of kind {kind} about {user}.")

    def play(self, happens: Happening, arrive: Arrival = in_order) -> Played:
        """Let something happen, and everything that follows from it."""
        self.trail.take()
        self.wire.take()
        before = snapshots(self.account.stack, self.account.iam)
        happens(self)
        called = snapshots(self.account.stack, self.account.iam)
        # A stream is faster than CloudTrail.
        deliveries = (
            *self.bus.deliver_changes(self._changes.unread()),
            *map(self.bus.deliver, arrive(self.trail.take())),
            *map(self.bus.fire, self._fired),
        )
        self._fired = []
        echoes = tuple(self._echoes())
        self.account.lag.settle()
        self.wire.settle()
        mails = self.inbox.unread()
        self.mails += mails
        pasted, self._pasted = tuple(self._pasted), []
        return Played(
            before=before,
            called=called,
            after=snapshots(self.account.stack, self.account.iam),
            deliveries=deliveries,
            echoes=echoes,
            mails=mails,
            letters=tuple(self._letters()),
            pasted=pasted,
            calls=self.wire.take(),
        )

    def _paste(self, actor: Actor, pasted: str, limit: int | None) -> None:
        with self.trail.acting(actor):
            self._pasted += paste.run(pasted, self.account.session, limit=limit)

    def _echoes(self) -> Iterator[Delivery]:
        for _ in range(_ROUNDS):
            written = self.trail.take()
            if not written:
                return
            yield from map(self.bus.deliver, written)
        raise StoryBroken(f"The guard still answers its own writes after {_ROUNDS} rounds.")

    @contextmanager
    def _working(self, function: Function) -> Iterator[None]:
        session = role_session(function.role_arn, function.name, from_console=False, address=_GUARD_ADDRESS)
        with self.trail.acting(session), self.wire.working(function):
            yield

    def _letters(self) -> Iterator[Fields]:
        sqs = self.account.clients.sqs
        url = str(self.account.stack.resolve({"Ref": "DeadLetterQueue"}))
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])
