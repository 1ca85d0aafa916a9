"""Send each notice once, although several invocations see the same change and each of them can be repeated."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Final, Protocol

from mfa_guard.core.errors import AccessDenied, AwsRequestFailed
from mfa_guard.core.leases import Claim, Lease
from mfa_guard.core.mail.layout import Message
from mfa_guard.core.mail.summary import summary_message
from mfa_guard.core.metrics import Metric
from mfa_guard.core.notice_kinds import NoticeKind, Severity
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user_record import Decision
from mfa_guard.core.windows import Admission, HeldNotice, may_wait
from mfa_guard.ports import Clock, Leases, Notifier, SummaryTimer, Telemetry, UserRecords, Windows

_PAUSE_SECONDS: Final = 0.5
_PAUSES: Final = 60


class NoticeStuck(Exception):
    """Another invocation has held the lease for a notice longer than any invocation lasts."""


class _Sending(Protocol):
    @property
    def notifier(self) -> Notifier: ...
    @property
    def windows(self) -> Windows: ...
    @property
    def timer(self) -> SummaryTimer: ...
    @property
    def telemetry(self) -> Telemetry: ...
    @property
    def clock(self) -> Clock: ...


class NotifyDependencies(_Sending, Protocol):
    """What sending a notice about no user needs from outside."""

    @property
    def leases(self) -> Leases: ...


class NotifyOfUserDependencies(_Sending, Protocol):
    """What sending a notice about a user needs from outside."""

    @property
    def records(self) -> UserRecords: ...


class SummaryDependencies(Protocol):
    """What sending the summaries needs from outside."""

    @property
    def notifier(self) -> Notifier: ...
    @property
    def windows(self) -> Windows: ...
    @property
    def telemetry(self) -> Telemetry: ...


def notify_once(
    lease: Lease,
    message: Message,
    dependencies: NotifyDependencies,
    publish: Callable[[Message], None] | None = None,
) -> bool:
    """Send a notice about no user unless it was sent already, and return whether this call sent it.

    While another invocation holds the lease, wait for it; take the lease over when it runs out. When this function
    returns, the notice has been sent, or is stored for a summary. `publish` sends it to another topic, without a wait.
    Raises NoticeStuck, and what publishing raises.
    """
    if not _is_mine(lease, None, lambda: dependencies.leases.claim(lease), dependencies):
        return False
    if publish:
        publish(message)
        dependencies.telemetry.count(Metric.NOTICES_SENT)
    else:
        _send_or_hold(lease, message, dependencies)
    dependencies.leases.sent(lease)
    return True


def notify_of_user(
    lease: Lease,
    decision: Decision,
    message: Message,
    dependencies: NotifyOfUserDependencies,
    claimed: Claim | None = None,
) -> bool:
    """Send a notice about a user as `notify_once` does, and record the decision.

    `claimed` is the answer to a claim of the same lease that was made before the guard acted.
    """
    records = dependencies.records
    if not _is_mine(lease, claimed, lambda: records.claim(lease, decision), dependencies):
        return False
    _send_or_hold(lease, message, dependencies)
    records.sent(lease)
    return True


def send_ended_windows(
    kinds: Iterable[NoticeKind], settings: Settings, now: datetime, dependencies: SummaryDependencies
) -> int:
    """Send a summary of each kind of which notices wait, and return how many notices the summaries stand for.

    A window is forgotten after its summary is sent, so a crash in between repeats the summary. Raises what reading,
    publishing and forgetting raise.
    """
    windows = dependencies.windows.ended(kinds, now)
    for window in windows:
        dependencies.notifier.notices(summary_message(window, settings, now))
        dependencies.telemetry.count(Metric.NOTICES_SENT)
        dependencies.windows.close(window)
    return sum(window.count for window in windows)


def _send_or_hold(lease: Lease, message: Message, dependencies: _Sending) -> None:
    if may_wait(lease.kind, Severity(message.attributes["severity"])) and _held(lease, message, dependencies):
        dependencies.telemetry.info("Notice waits for a summary", kind=lease.kind.value)
        return
    dependencies.notifier.notices(message)
    dependencies.telemetry.count(Metric.NOTICES_SENT)


def _held(lease: Lease, message: Message, dependencies: _Sending) -> bool:
    """Tell whether the notice is stored, and a summary will name it."""
    now = dependencies.clock.now()
    line = f"{utc_text(now)} {message.subject} (event {sanitize(lease.holder, 64)})"
    admission = dependencies.windows.admit(HeldNotice(lease.kind, lease.scope, lease.holder, line), now)
    if admission is Admission.FIRST_HELD:
        try:
            dependencies.timer.start(lease.kind)
        except (AwsRequestFailed, AccessDenied) as error:
            # The next sweep sends the summary, but this notice need not wait for it.
            dependencies.telemetry.warning("Queue unreachable, the notice does not wait", reason=str(error))
            return False
    return admission is not Admission.SEND


def _is_mine(lease: Lease, first: Claim | None, claim: Callable[[], Claim], dependencies: _Sending) -> bool:
    answer = first or claim()
    for _ in range(_PAUSES):
        if answer is not Claim.HELD:
            break
        dependencies.clock.sleep(_PAUSE_SECONDS)
        answer = claim()
    if answer is Claim.HELD:
        raise NoticeStuck(f"Another invocation holds the lease for {lease.kind} and does not finish.")
    if answer is Claim.SENT:
        dependencies.telemetry.info("Notice already sent", kind=lease.kind.value)
    return answer is Claim.MINE
