"""What a sweep did to one user."""

from dataclasses import dataclass

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.attachments import NOTHING_WRITTEN, WriteResult
from mfa_guard.core.plan import Action


@dataclass(frozen=True)
class Treatment:
    """What a sweep did to one user before it sends the digest.

    `assessment` holds after what was written. `tagged` are the tag changes that were made. `failure` says what could
    not be done, and why. `gone`: IAM has no user with this id and name. `reached`: there was time for the user in this
    round. `recorded`: what the guard decided is in the user's record.
    """

    assessment: Assessment
    result: WriteResult = NOTHING_WRITTEN
    tagged: tuple[Action, ...] = ()
    failure: str | None = None
    gone: bool = False
    reached: bool = True
