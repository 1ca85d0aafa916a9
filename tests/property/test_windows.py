"""In any order of notices, crashes, lost timers and sweeps, each notice is in a mail at least once."""

from dataclasses import dataclass, field
from typing import Final

from hypothesis import given
from hypothesis import settings as settings_of_hypothesis
from hypothesis import strategies as st

from mfa_guard.core.leases import Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.notice_kinds import NoticeKind
from mfa_guard.use_cases.alert import send_summaries
from mfa_guard.use_cases.notify import notify_of_user, send_ended_windows
from support.alert_fakes import alert_dependencies
from support.factories import decision, settings
from support.fakes import Crash, FakeAccount
from support.messages import mail

KINDS: Final = (NoticeKind.NONCOMPLIANT, NoticeKind.NEW_CREDENTIAL)


@dataclass
class Storm:
    """An account with many changes. `owed`: the notices of events that Lambda still has to retry."""

    account: FakeAccount = field(default_factory=FakeAccount)
    made: int = 0
    names: list[tuple[NoticeKind, str]] = field(default_factory=list)
    owed: list[tuple[NoticeKind, str]] = field(default_factory=list)

    def begin(self, kind: NoticeKind, crash: int | None) -> None:
        notice = (kind, f"user-{self.made}")
        self.made += 1
        self.names.append(notice)
        self.owed.append(notice)
        self.retry(-1, crash)

    def retry(self, which: int, crash: int | None) -> None:
        """Handle an event, and crash before the n-th call, if any."""
        if not self.owed:
            return
        notice = kind, name = self.owed[which % len(self.owed)]
        message = Message(f"HIGH: {name}.", mail_of(name), {"severity": "high"})
        if self.crashing(
            crash,
            lambda: notify_of_user(Lease(name, kind, f"event-{name}"), decision(), message, self.account.dependencies),
        ):
            self.owed.remove(notice)

    def crashing(self, crash: int | None, work: object) -> bool:
        """Do some work, and tell whether it ended."""
        calls = self.account.calls
        calls.crash_before = None if crash is None else len(calls.made) + crash
        try:
            work()  # type: ignore[operator]
        except Crash:
            return False
        finally:
            calls.crash_before = None
        return True

    def timer(self, crash: int | None, *, lost: bool) -> None:
        """Deliver the oldest message of the queue, or lose it. SQS delivers it again after a crash."""
        started = self.account.timer.started
        if not started:
            return
        when, kind = started[0]
        clock = self.account.clock
        clock.time = max(clock.time, when)
        if lost or self.crashing(crash, lambda: send_summaries([kind], settings(), alert_dependencies(self.account))):
            started.pop(0)

    def sweep(self, crash: int | None) -> None:
        account = self.account
        self.crashing(
            crash,
            lambda: send_ended_windows(tuple(NoticeKind), settings(), account.clock.now(), account.dependencies),
        )


def mail_of(text: str) -> str:
    return f'{{"email": "{text}."}}'


crashes: Final = st.none() | st.integers(0, 4)
acts: Final = st.one_of(
    st.tuples(st.just("begin"), st.sampled_from(KINDS), crashes, st.integers(1, 15)),
    st.tuples(st.just("retry"), st.integers(0, 20), crashes),
    st.tuples(st.just("timer"), crashes, st.booleans()),
    st.tuples(st.just("sweep"), crashes),
    st.tuples(st.just("wait"), st.sampled_from([1, 60, 16 * 60])),
)


@settings_of_hypothesis(max_examples=200, deadline=None)
@given(script=st.lists(acts, max_size=25))
def test_each_notice_is_in_a_mail_at_least_once(script: list[tuple[object, ...]]) -> None:
    storm = Storm()
    for act in script:
        match act:
            case "begin", NoticeKind() as kind, crash, int() as times:
                for _ in range(times):
                    storm.begin(kind, crash)  # type: ignore[arg-type]
            case "retry", int() as which, crash:
                storm.retry(which, crash)  # type: ignore[arg-type]
            case "timer", crash, bool() as lost:
                storm.timer(crash, lost=lost)  # type: ignore[arg-type]
            case "sweep", crash:
                storm.sweep(crash)  # type: ignore[arg-type]
            case "wait", int() as seconds:
                storm.account.clock.sleep(seconds)
    while storm.owed:
        storm.account.clock.sleep(60)
        storm.retry(0, None)
    storm.account.clock.sleep(16 * 60)
    storm.sweep(None)
    text = "\n".join(mail(message) for message in storm.account.notifier.sent)
    assert [name for _, name in storm.names if f"{name}." not in text] == []
