"""What a step of a story has to come to, and where it did not."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.metrics import Gauge, Metric
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard_emulator.aws.delivery import Delivery
from mfa_guard_emulator.aws.mailbox import Mail
from mfa_guard_emulator.aws.snapshot import Snapshot
from mfa_guard_emulator.demo.harness import StepResult

_COUNTED: Final = frozenset(metric.value for metric in Metric)
# How long a sweep takes is the machine's affair.
_MEASURED: Final = frozenset(gauge.value for gauge in Gauge) - {Gauge.SWEEP_DURATION.value}
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html, and the stack's own bound below SNS's 256 KiB.
_SUBJECT_LIMIT: Final = 100
_SIZE_LIMIT: Final = 250_000


@dataclass(frozen=True)
class Wakes:
    """A rule that matches an event and the function that it wakes, by logical id, and how often the function runs."""

    rule: str
    function: str
    attempts: int = 1

    def __str__(self) -> str:
        """Return it for a person."""
        return f"{self.rule} -> {self.function} ({self.attempts})"


@dataclass(frozen=True)
class Stands:
    """How a user ends. `ways`: how the enforcement policy reaches him."""

    routes: frozenset[AttachmentRoute] = frozenset()
    marked: bool = False
    devices: int = 0
    exempt: bool = False

    @classmethod
    def of(cls, snapshot: Snapshot) -> "Stands":
        """Return what a snapshot comes to."""
        return cls(
            routes=frozenset(snapshot.routes),
            marked=bool(snapshot.tags),
            devices=len(snapshot.devices),
            exempt=snapshot.exempt_until is not None,
        )

    def __str__(self) -> str:
        """Return it for a person."""
        through = " and ".join(sorted(self.routes))
        return (
            f"{f'enforced through {through}' if through else 'not enforced'}, {'' if self.marked else 'not '}tagged, "
            f"{self.devices} devices, {'' if self.exempt else 'not '}exempt"
        )


@dataclass(frozen=True)
class Sends:
    """A mail that goes out: to which topic, what about, and words that its subject or text has, or has not.

    Without a severity any will do.
    """

    kind: NoticeKind | str
    severity: Severity | None
    words: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    topic: str = "NoticesTopic"


@dataclass(frozen=True)
class Budget:
    """What a function may ask of IAM at most: so many calls, and about so many users one by one."""

    function: str
    calls: int
    users: int


@dataclass(frozen=True)
class Expected:
    """How a step has to end. `users`: those the guard may change, and how they end (None: they are gone); all others
    stay as they are.

    `echoes`: what the guard's own writes wake when they come back as events. `counted` and `measured`: every metric of
    the guard, its sum and its newest value.
    """

    wakes: tuple[Wakes, ...] = ()
    users: Mapping[str, Stands | None] = field(default_factory=dict)
    mails: tuple[Sends, ...] = ()
    counted: Mapping[str, int] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    budget: Budget | None = None
    echoes: tuple[Wakes, ...] = ()
    dead_letters: int = 0


def differences(expected: Expected, played: StepResult) -> list[str]:
    """Return, a sentence each, where a step did not end as expected; nothing when it did."""
    return [
        *_compare("woke", map(str, expected.wakes), _woken(played.deliveries)),
        *_compare("the guard's own writes woke", map(str, expected.echoes), _woken(played.echoes)),
        *_users(expected, played),
        *_mails(expected.mails, played.mails),
        *_compare("counted", _figures(expected.counted, _COUNTED), _figures(played.counted(), _COUNTED)),
        *_compare("measured", _figures(expected.measured, _MEASURED), _figures(played.measured(), _MEASURED)),
        *_spent(expected.budget, played),
        *_compare("dead letters", [str(expected.dead_letters)], [str(len(played.letters))]),
        *_not_understood_in_silence(played),
    ]


def _woken(deliveries: Iterable[Delivery]) -> list[str]:
    return [
        str(Wakes(invocation.rule, invocation.function, len(invocation.attempts)))
        for delivery in deliveries
        for invocation in delivery.invocations
    ]


def _figures(figures: Mapping[str, float], known: Container[str]) -> list[str]:
    return [f"{name} {value:g}" for name, value in figures.items() if name in known and value]


def _spent(budget: Budget | None, played: StepResult) -> Iterator[str]:
    if budget is None:
        return
    asked = played.asked(budget.function)
    if asked.total() > budget.calls:
        yield f"{budget.function} made {asked.total()} IAM calls; at most {budget.calls} were expected"
    if asked.users > budget.users:
        yield f"{budget.function} asked IAM about {asked.users} users one by one; at most {budget.users} were expected"


def _compare(what: str, expected: Iterable[str], actual: Iterable[str]) -> Iterator[str]:
    wanted, found = Counter(expected), Counter(actual)
    if wanted != found:
        yield f"{what}: expected {_several(wanted)}; it was {_several(found)}"


def _several(counted: Counter[str]) -> str:
    parts = [f"{number} x {name}" if number > 1 else name for name, number in sorted(counted.items())]
    return ", ".join(parts) or "nothing"


def _users(expected: Expected, played: StepResult) -> Iterator[str]:
    """Yield what is wrong with users, those of whom it is the same together."""
    wrong: dict[str, list[str]] = {}
    for name, stands in expected.users.items():
        snapshot = played.after.get(name)
        actual = Stands.of(snapshot) if snapshot else None
        if actual != stands:
            said = f"expected {stands or 'no user'}; it was {actual or 'no user'}"
            wrong.setdefault(said, []).append(name)
    for said, names in wrong.items():
        yield f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {said}"
    for name in played.called.keys() - expected.users.keys():
        if played.called[name] != played.after.get(name):
            yield f"{name}: expected to be left alone; it was {played.after.get(name)}, before {played.called[name]}"


def _mails(expected: tuple[Sends, ...], mails: tuple[Mail, ...]) -> Iterator[str]:
    wanted = [f"{each.kind} to {each.topic}" for each in expected]
    found = [f"{mail.data['kind']} to {mail.topic}" for mail in mails]
    if wanted != found:
        yield from _compare("mails", wanted, found)
        return
    for each, mail in zip(expected, mails, strict=True):
        severity = mail.data["severity"]
        if each.severity not in (None, severity):
            yield f"the mail {mail.subject!r}: expected severity {each.severity}; it was {severity}"
        said = f"{mail.subject}\n{mail.text}"
        yield from (f"the mail {mail.subject!r} lacks {word!r}" for word in each.words if word not in said)
        yield from (f"the mail {mail.subject!r} should not say {word!r}" for word in each.lacks if word in said)
        yield from _form(mail)


def _form(mail: Mail) -> Iterator[str]:
    """Yield what would be wrong with any mail."""
    if len(mail.subject) > _SUBJECT_LIMIT or not (mail.subject.isascii() and mail.subject.isprintable()):
        yield f"the mail {mail.subject!r} has a subject that SNS refuses"
    if mail.size > _SIZE_LIMIT:
        yield f"the mail {mail.subject!r} has {mail.size} bytes"
    told = {name: mail.data[name] for name in ("severity", "kind", "account")}
    if told != mail.attributes:
        yield f"the mail {mail.subject!r} has the attributes {dict(mail.attributes)}, but is about {told}"


def _not_understood_in_silence(played: StepResult) -> Iterator[str]:
    failed = sum(each.failed for delivery in played.deliveries for each in delivery.invocations)
    if failed > len(played.letters):
        yield f"{failed} events failed for good, and {len(played.letters)} of them are in the dead-letter queue"
