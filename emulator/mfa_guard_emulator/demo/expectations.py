"""What a step must lead to, and how what happened differs from it."""

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

_METRICS: Final = frozenset(metric.value for metric in Metric)
# The duration of a sweep depends on the machine.
_GAUGES: Final = frozenset(gauge.value for gauge in Gauge) - {Gauge.SWEEP_DURATION.value}
# https://docs.aws.amazon.com/sns/latest/api/API_Publish.html; the guard keeps its messages below SNS's 256 KiB.
_SUBJECT_LENGTH: Final = 100
_MESSAGE_BYTES: Final = 250_000


@dataclass(frozen=True)
class Invokes:
    """A rule invokes a function, both by logical id, and the function needs this many attempts."""

    rule: str
    function: str
    attempts: int = 1

    def __str__(self) -> str:
        """Return the invocation as text."""
        return f"{self.rule} -> {self.function} ({self.attempts})"


@dataclass(frozen=True)
class EndState:
    """The state of a user after the step. `routes`: how the enforcement policy applies."""

    routes: frozenset[AttachmentRoute] = frozenset()
    tagged: bool = False
    devices: int = 0
    exempt: bool = False

    @classmethod
    def of(cls, snapshot: Snapshot) -> "EndState":
        """Return the state in a snapshot."""
        return cls(
            routes=frozenset(snapshot.routes),
            tagged=bool(snapshot.tags),
            devices=len(snapshot.devices),
            exempt=snapshot.exempt_until is not None,
        )

    def __str__(self) -> str:
        """Return the state as text."""
        through = " and ".join(sorted(self.routes))
        return (
            f"{f'enforced through {through}' if through else 'not enforced'}, {'' if self.tagged else 'not '}tagged, "
            f"{self.devices} devices, {'' if self.exempt else 'not '}exempt"
        )


@dataclass(frozen=True)
class ExpectedMail:
    """A mail: its kind, the words that its subject or text must have and must lack, and its topic.

    Without a severity, any severity is right.
    """

    kind: NoticeKind | str
    severity: Severity | None
    words: tuple[str, ...]
    lacks: tuple[str, ...] = ()
    topic: str = "NoticesTopic"


@dataclass(frozen=True)
class CallLimit:
    """How many calls of IAM a function may make at most, and how many users it may name in calls."""

    function: str
    calls: int
    users: int


@dataclass(frozen=True)
class Expected:
    """What a step must lead to.

    `users`: the users that the guard may change, and their end states; None means deleted. All other users must not
    change. `own_events_invoke`: what the events of the guard's own calls invoke. `metrics` and `gauges`: every metric
    of the guard, with its sum and its newest value.
    """

    invokes: tuple[Invokes, ...] = ()
    users: Mapping[str, EndState | None] = field(default_factory=dict)
    mails: tuple[ExpectedMail, ...] = ()
    metrics: Mapping[str, int] = field(default_factory=dict)
    gauges: Mapping[str, float] = field(default_factory=dict)
    call_limit: CallLimit | None = None
    own_events_invoke: tuple[Invokes, ...] = ()
    dead_letters: int = 0


def differences(expected: Expected, result: StepResult) -> list[str]:
    """Return one sentence for each difference; nothing when the step ended as expected."""
    return [
        *_compare("invocations", map(str, expected.invokes), _invocations(result.deliveries)),
        *_compare(
            "invocations by the guard's own events",
            map(str, expected.own_events_invoke),
            _invocations(result.own_deliveries),
        ),
        *_users(expected, result),
        *_mails(expected.mails, result.mails),
        *_compare("metrics", _figures(expected.metrics, _METRICS), _figures(result.metrics(), _METRICS)),
        *_compare("gauges", _figures(expected.gauges, _GAUGES), _figures(result.gauges(), _GAUGES)),
        *_usage(expected.call_limit, result),
        *_compare("dead letters", [str(expected.dead_letters)], [str(len(result.dead_letters))]),
        *_silent_failures(result),
    ]


def _invocations(deliveries: Iterable[Delivery]) -> list[str]:
    return [
        str(Invokes(invocation.rule, invocation.function, len(invocation.attempts)))
        for delivery in deliveries
        for invocation in delivery.invocations
    ]


def _figures(figures: Mapping[str, float], known: Container[str]) -> list[str]:
    return [f"{name} {value:g}" for name, value in figures.items() if name in known and value]


def _usage(limit: CallLimit | None, result: StepResult) -> Iterator[str]:
    if limit is None:
        return
    usage = result.iam_usage(limit.function)
    if usage.total() > limit.calls:
        yield f"{limit.function} made {usage.total()} IAM calls; at most {limit.calls} were expected"
    if usage.users > limit.users:
        yield f"{limit.function} named {usage.users} users in IAM calls; at most {limit.users} were expected"


def _compare(what: str, expected: Iterable[str], actual: Iterable[str]) -> Iterator[str]:
    wanted, found = Counter(expected), Counter(actual)
    if wanted != found:
        yield f"{what}: expected {_listed(wanted)}; got {_listed(found)}"


def _listed(counts: Counter[str]) -> str:
    parts = [f"{number} x {name}" if number > 1 else name for name, number in sorted(counts.items())]
    return ", ".join(parts) or "nothing"


def _users(expected: Expected, result: StepResult) -> Iterator[str]:
    """Yield the differences of users, with one sentence for users that differ in the same way."""
    wrong: dict[str, list[str]] = {}
    for name, state in expected.users.items():
        snapshot = result.after.get(name)
        actual = EndState.of(snapshot) if snapshot else None
        if actual != state:
            sentence = f"expected {state or 'no user'}; got {actual or 'no user'}"
            wrong.setdefault(sentence, []).append(name)
    for sentence, names in wrong.items():
        yield f"{names[0]}{f' and {len(names) - 1} more' if len(names) > 1 else ''}: {sentence}"
    for name in result.after_calls.keys() - expected.users.keys():
        before, after = result.after_calls[name], result.after.get(name)
        if before != after:
            yield f"{name}: expected no change; got {after}, before {before}"


def _mails(expected: tuple[ExpectedMail, ...], mails: tuple[Mail, ...]) -> Iterator[str]:
    wanted = [f"{each.kind} to {each.topic}" for each in expected]
    found = [f"{mail.data['kind']} to {mail.topic}" for mail in mails]
    if wanted != found:
        yield from _compare("mails", wanted, found)
        return
    for each, mail in zip(expected, mails, strict=True):
        severity = mail.data["severity"]
        if each.severity not in (None, severity):
            yield f"the mail {mail.subject!r}: expected severity {each.severity}; got {severity}"
        text = f"{mail.subject}\n{mail.text}"
        yield from (f"the mail {mail.subject!r} lacks {word!r}" for word in each.words if word not in text)
        yield from (f"the mail {mail.subject!r} must not say {word!r}" for word in each.lacks if word in text)
        yield from _form(mail)


def _form(mail: Mail) -> Iterator[str]:
    """Yield what would be wrong with any mail."""
    if len(mail.subject) > _SUBJECT_LENGTH or not (mail.subject.isascii() and mail.subject.isprintable()):
        yield f"SNS does not accept the subject of the mail {mail.subject!r}"
    if mail.size > _MESSAGE_BYTES:
        yield f"the mail {mail.subject!r} has {mail.size} bytes"
    data = {name: mail.data[name] for name in ("severity", "kind", "account")}
    if data != mail.attributes:
        yield f"the mail {mail.subject!r} has the attributes {dict(mail.attributes)}; its data has {data}"


def _silent_failures(result: StepResult) -> Iterator[str]:
    failed = sum(each.failed for delivery in result.deliveries for each in delivery.invocations)
    if failed > len(result.dead_letters):
        yield f"{failed} invocations failed, and {len(result.dead_letters)} are in the dead-letter queue"
