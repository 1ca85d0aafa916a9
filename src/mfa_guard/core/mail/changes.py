"""Describe what a sweep did to one user, as a line of the digest.

A sweep enforces and releases before it sends the digest. It writes tags and deactivates access keys after that.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

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
    Action.MARK: "will be tagged noncompliant (no MFA device)",
    Action.CLEAR: "noncompliance tags will be removed",
}


def describe_changes(treatment: Treatment, now: datetime, *, unreported: bool) -> str | None:
    """Return what the sweep did to the user, or None when there is nothing to report.

    `unreported`: an earlier sweep set out to enforce or release the user, and ended before its digest was sent.
    """
    if treatment.gone:
        return "deleted while the sweep ran"
    parts = [
        *(_done_by_an_earlier_sweep(treatment, now) if unreported else ()),
        *_enforcement(treatment, now),
        *(_TAGGED[action] for action in treatment.tag_actions),
        *_keys(treatment),
    ]
    return "; ".join(parts) or None


def _done_by_an_earlier_sweep(treatment: Treatment, now: datetime) -> list[str]:
    assessment = treatment.assessment
    if treatment.result.route or treatment.result.released or assessment.enforced is assessment.exempt:
        return []
    if assessment.exempt:
        return ["released because exempt (by an earlier sweep that did not finish)"]
    return ["enforced (by an earlier sweep that did not finish)", *_consequences(assessment.state, now)]


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


def _keys(treatment: Treatment) -> list[str]:
    deactivation = treatment.assessment.key_deactivation
    if not treatment.keys or deactivation.due is None:
        return []
    keys = ", ".join(treatment.keys)
    if deactivation.step is DeactivationStep.ANNOUNCE:
        due = utc_text(deactivation.due)
        return [f"access keys {keys} will be deactivated at {due} unless the user enrolls an MFA device"]
    activate = "; ".join(activate_command(treatment.assessment.state, key) for key in treatment.keys)
    return [
        f"access keys {keys} will be deactivated now, as announced, because the user has no MFA device. To activate "
        f"them again (the next sweep announces a new date): {activate}"
    ]
