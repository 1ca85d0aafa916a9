"""What a sweep did to one user."""

from dataclasses import dataclass

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.attachments import NOTHING_WRITTEN, WriteResult
from mfa_guard.core.plan import Action


@dataclass(frozen=True)
class Treatment:
    """What a sweep did to one user before it sends the digest.

    `assessment` holds after what was written. `failure` says what could not be done, and why. `gone`: IAM no longer has
    the user. `reached`: there was time for the user in this round. `keys` are the ids of the active access keys whose
    deactivation is announced, or which are deactivated, once the digest is sent.
    """

    assessment: Assessment
    result: WriteResult = NOTHING_WRITTEN
    failure: str | None = None
    gone: bool = False
    reached: bool = True
    keys: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """Return the user's name."""
        return self.assessment.state.name

    @property
    def tag_actions(self) -> tuple[Action, ...]:
        """Return which tag changes are due once the digest is sent.

        There are none when a failure left the plan unconfirmed. A quota for policies or groups does not prevent tags.
        """
        if self.gone or not self.reached or (self.failure and not self.result.problem):
            return ()
        return tuple(action for action in self.assessment.plan.actions if action in {Action.MARK, Action.CLEAR})
