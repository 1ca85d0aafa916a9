"""What the guard remembers about one user: what it decided, and which notices it sent.

The state table keeps one record for each user id. IAM can show a user as it was before the last change, and an event
can be lost. The record lets the next event or sweep know what the guard saw and did before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from mfa_guard.core.notice_kinds import RESUMABLE, NoticeKind

# A sweep decides about every user, and writes a record only for news. This keeps `machine_user_at` from being news.
_REFRESHED_AFTER: Final = timedelta(days=1)


class Standing(StrEnum):
    """How the guard treats a user, by the rule that decides."""

    EXEMPT = "exempt"
    ACTIVE_MACHINE = "active machine user"
    WITHOUT_PASSWORD = "without console password"  # nosec B105 # noqa: S105 - a standing, not a password
    ENFORCED = "enforced"


class ScopeReason(StrEnum):
    """Why a user is in scope while Mode is events."""

    CREATED = "created"
    EVENT = "event"
    ENFORCED = "enforced"


@dataclass(frozen=True)
class Decision:
    """What the guard decided about a user at one moment.

    `enforced`: the enforcement policy applies to the user, because IAM shows it or because the guard attaches it with
    this decision; or it did, and the user has not been exempt since. `scope` says why the user is in scope, or is None
    if the decision brings no user into scope. `qualifies`: the user's own credentials, and not an older record, make
    the user an active machine user.
    """

    name: str
    standing: Standing
    at: datetime
    enforced: bool
    scope: ScopeReason | None = None
    qualifies: bool = False


@dataclass(frozen=True)
class NoticeRecord:
    """One notice about the user. `sent`: it is out; otherwise `holder` is about to send it until `until`.

    `holder` is the id of the event, and `exposure` names the credentials, or the actor, of the notice.
    """

    sent: bool
    holder: str
    until: datetime
    exposure: frozenset[str] = frozenset()

    def counts(self, now: datetime) -> bool:
        """Tell whether the notice, begun or sent, still keeps another invocation from sending it."""
        return now < self.until


@dataclass(frozen=True)
class UserRecord:
    """What the guard remembers about a user id.

    `name` is the user's name at the last decision that was recorded. `machine_user_at` is when the user's credentials
    last made the user an active machine user, to within a day. `expiring`: a sweep found that the id is gone, so that
    the record is deleted in 30 days. Every field is empty if nothing was recorded about
    the user.
    """

    name: str | None = None
    in_scope_since: datetime | None = None
    in_scope_because: ScopeReason | None = None
    standing: Standing | None = None
    decided_at: datetime | None = None
    enforced: bool = False
    machine_user_at: datetime | None = None
    notices: Mapping[NoticeKind, NoticeRecord] = field(default_factory=dict)
    expiring: bool = False

    def after(self, decision: Decision) -> "UserRecord":
        """Return the record once `decision` is recorded."""
        scope = decision.at if decision.scope else None
        return replace(
            self,
            name=decision.name,
            in_scope_since=self.in_scope_since or scope,
            in_scope_because=self.in_scope_because or decision.scope,
            standing=decision.standing,
            decided_at=decision.at,
            enforced=decision.enforced,
            machine_user_at=decision.at if decision.qualifies else self.machine_user_at,
            expiring=False,
        )

    def changed_by(self, decision: Decision) -> bool:
        """Tell whether `decision` is news: a write of it would change more than times."""
        known_machine_user = self.machine_user_at and decision.at - self.machine_user_at < _REFRESHED_AFTER
        after = self.after(replace(decision, qualifies=decision.qualifies and not known_machine_user))
        return replace(after, decided_at=self.decided_at) != self

    def unfinished(self, holder: str) -> NoticeKind | None:
        """Return the notice that `holder` claimed and did not send, if it is of a kind that a retry resumes."""
        begun = (kind for kind in RESUMABLE if (notice := self.notices.get(kind)) and not notice.sent)
        return next((kind for kind in begun if self.notices[kind].holder == holder), None)


NO_RECORD = UserRecord()
