"""What the guard remembers about one user: what it decided, and which notices it sent.

The state table keeps one record for each user id. IAM can show a user as it was before the last change, and an event
can be lost. The record lets the next event or sweep know what the guard saw and did before.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from mfa_guard.core.notice_kinds import RESUMABLE, NoticeKind


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
    this decision. `scope` says why the user is in scope, or is None if the decision brings no user into scope.
    `qualifies`: the user's own credentials, and not an older record, make the user an active machine user.
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


@dataclass(frozen=True)
class UserRecord:
    """What the guard remembers about a user id.

    `name` is the user's name at the last decision. `machine_user_at` is when the user's credentials last made the user
    an active machine user. Every field is empty if nothing was recorded about the user.
    """

    name: str | None = None
    in_scope_since: datetime | None = None
    in_scope_because: ScopeReason | None = None
    standing: Standing | None = None
    decided_at: datetime | None = None
    enforced: bool = False
    machine_user_at: datetime | None = None
    notices: Mapping[NoticeKind, NoticeRecord] = field(default_factory=dict)

    def unfinished(self, holder: str) -> NoticeKind | None:
        """Return the notice that `holder` claimed and did not send, if it is of a kind that a retry resumes."""
        begun = (kind for kind in RESUMABLE if (notice := self.notices.get(kind)) and not notice.sent)
        return next((kind for kind in begun if self.notices[kind].holder == holder), None)


NO_RECORD = UserRecord()
