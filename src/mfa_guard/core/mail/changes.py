"""Describe what a sweep did to one user, as a line of the digest.

A sweep enforces, releases and tags before it sends the digest. It announces and deactivates access keys after that.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption
from mfa_guard.core.mail.shell_commands import activate_command
from mfa_guard.core.plan import Action
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import UserState

_ENFORCED: Final[Mapping[AttachmentRoute, str]] = {
    AttachmentRoute.DIRECT: "enforced (policy attached)",
    AttachmentRoute.GROUP: "enforced (added to the enforcement group)",
}
_TAGGED: Final[Mapping[Action, str]] = {
    Action.MARK: "tagged noncompliant (no MFA device)",
    Action.CLEAR: "noncompliance tags removed",
}
_EARLIER: Final = "(by an earlier sweep that did not finish)"


def describe_changes(treatment: Treatment, now: datetime, *, unreported: str = "") -> str | None:
    """Return what the sweep did to the user, or None when there is nothing to report.

    `unreported` are the actions that an earlier sweep planned, which ended before its digest was sent.
    """
    parts = [
        *_done_by_an_earlier_sweep(treatment, now, unreported),
        *_enforcement(treatment, now),
        *(_TAGGED[action] for action in treatment.tagged),
    ]
    return "; ".join(parts) or None


def _done_by_an_earlier_sweep(treatment: Treatment, now: datetime, unreported: str) -> list[str]:
    planned, assessment = unreported.split(","), treatment.assessment
    tagged = bool(assessment.state.guard_tags())
    done = []
    if Action.ENFORCE in planned and assessment.enforced and not treatment.result.route:
        done += [f"enforced {_EARLIER}", *_consequences(assessment.state, now)]
    if Action.RELEASE in planned and not assessment.enforced and not treatment.result.released:
        done.append(f"released because exempt {_EARLIER}")
    if Action.MARK in planned and tagged and Action.MARK not in treatment.tagged:
        done.append(f"{_TAGGED[Action.MARK]} {_EARLIER}")
    if Action.CLEAR in planned and not tagged and Action.CLEAR not in treatment.tagged:
        done.append(f"{_TAGGED[Action.CLEAR]} {_EARLIER}")
    return done


def _enforcement(treatment: Treatment, now: datetime) -> list[str]:
    result = treatment.result
    if result.route:
        return [_ENFORCED[result.route], *_consequences(treatment.assessment.state, now)]
    return ["released because exempt"] if result.released else []


def _consequences(state: UserState, now: datetime) -> list[str]:
    """Return what else the administrators need to know about a user who is newly enforced."""
    parts = []
    if isinstance(state.exemption, Exemption) and not state.exemption.in_force(now):
        parts.append(f"the exemption expired at {utc_text(state.exemption.expires_at)}")
    keys = state.keys_in_use(now) if isinstance(state.keys, tuple) else ()
    if used := [f"{key.id} (last used {utc_text(key.last_used)})" for key in keys if key.last_used]:
        parts.append(f"access keys in use that stop working without MFA: {', '.join(used)}")
    return parts


def stops_keys(treatment: Treatment, now: datetime) -> bool:
    """Tell whether the sweep enforced a user whose access keys in use stop working without MFA."""
    state = treatment.assessment.state
    return bool(treatment.result.route and isinstance(state.keys, tuple) and state.keys_in_use(now))


def describe_key_step(assessment: Assessment, keys: Sequence[str]) -> str:
    """Return what happens to the access keys `keys` of a user whose keys are announced or deactivated."""
    named, deactivation = ", ".join(keys), assessment.key_deactivation
    if deactivation.step is DeactivationStep.ANNOUNCE and deactivation.due:
        due = utc_text(deactivation.due)
        return f"access keys {named} will be deactivated at {due} unless the user enrolls an MFA device"
    activate = "; ".join(activate_command(assessment.state, key) for key in keys)
    return (
        f"access keys {named} will be deactivated now, as announced, because the user has no MFA device. To activate "
        f"them again (the next sweep announces a new date): {activate}"
    )
