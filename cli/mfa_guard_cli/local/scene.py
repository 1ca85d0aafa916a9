"""The scene of a story: somebody acts on the account, the trail reaches the bus, and the guard does what it does."""

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
from mfa_guard_cli.local.functions import Function
from mfa_guard_cli.local.inbox import Inbox, Mail
from mfa_guard_cli.local.snapshot import Snapshot, snapshots
from mfa_guard_cli.local.trail import Actor, Trail, role_session
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

    def counted(self) -> Counter[str]:
        """Return the metrics of every attempt."""
        counted: Counter[str] = Counter()
        for delivery in (*self.deliveries, *self.echoes):
            for invocation in delivery.invocations:
                for attempt in invocation.attempts:
                    counted += attempt.counted()
        return counted


@dataclass
class Scene:
    """The account with a bus and an inbox, and what the story does to it."""

    account: Account
    bus: Bus = field(init=False)
    inbox: Inbox = field(init=False)
    mails: list[Mail] = field(init=False, default_factory=list)
    _pasted: list[paste.Command] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        stack = self.account.stack
        self.bus = Bus(stack, self.account.clients, self._working)
        self.inbox = Inbox(self.account)

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
        pasted = paste.paragraph(mail.text, title)
        with self.trail.acting(actor):
            self._pasted += paste.run(pasted, self.account.session, limit=limit)

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
        before = snapshots(self.account)
        happens(self)
        called = snapshots(self.account)
        deliveries = tuple(map(self.bus.deliver, arrive(self.trail.take())))
        echoes = tuple(self._echoes())
        self.account.lag.settle()
        mails = self.inbox.unread()
        self.mails += mails
        pasted, self._pasted = tuple(self._pasted), []
        return Played(
            before=before,
            called=called,
            after=snapshots(self.account),
            deliveries=deliveries,
            echoes=echoes,
            mails=mails,
            letters=tuple(self._letters()),
            pasted=pasted,
        )

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
        with self.trail.acting(session):
            yield

    def _letters(self) -> Iterator[Fields]:
        sqs = self.account.clients.sqs
        url = str(self.account.stack.resolve({"Ref": "DeadLetterQueue"}))
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
            for message in messages:
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
                yield json.loads(message["Body"])
