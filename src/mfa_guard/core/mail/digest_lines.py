"""The digest's lines about one user or one exemption."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.account.assessment import Assessment
from mfa_guard.core.exemption import Exemption, MalformedExemption, fingerprint
from mfa_guard.core.plan import Action
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text
from mfa_guard.core.user_record import Standing

EXPIRING_SOON: Final = timedelta(days=14)


def counted(number: int, noun: str) -> str:
    """Return the number with the noun in its singular or plural."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def decision_line(assessment: Assessment, now: datetime) -> str:
    """Return the line about an active machine user who awaits a decision."""
    return f"{assessment.state.name}: {in_use(assessment, now)}"


def plan_line(assessment: Assessment, now: datetime) -> str:
    """Return the line about a user whose plan was not carried out."""
    sign_in = "console password" if assessment.state.password is True else "no console password"
    line = f"{assessment.state.name} ({sign_in}): {', '.join(_PLANNED[action] for action in assessment.plan.actions)}"
    if Action.ENFORCE in assessment.plan.actions and _used(assessment, now):
        line += f"; would stop working without MFA: {in_use(assessment, now)}"
    return line if assessment.certain else f"{line}; mfa-guard reads IAM again before it changes anything"


_PLANNED: Final[Mapping[Action, str]] = {
    Action.ENFORCE: "would be enforced",
    Action.RELEASE: "would be released",
    Action.MARK: "would be tagged noncompliant",
    Action.CLEAR: "would no longer be tagged noncompliant",
}


def _used(assessment: Assessment, now: datetime) -> list[str]:
    keys = assessment.state.keys if isinstance(assessment.state.keys, tuple) else ()
    return [f"{key.id}, last used {utc_text(key.last_used)}" for key in keys if key.last_used and key.in_use(now)]


def in_use(assessment: Assessment, now: datetime) -> str:
    """Return the credentials in use of a user who has at least one."""
    return "; ".join(_used(assessment, now)) or "a service-specific credential"


def noncompliant_line(assessment: Assessment, now: datetime) -> str:
    """Return the line about a user without an MFA device."""
    standing = {Standing.ENFORCED: "enforced" if assessment.enforced else "not enforced yet"}.get(
        assessment.plan.standing, f"not enforced ({assessment.plan.standing.value})"
    )
    return f"{assessment.state.name}: {counted(assessment.days_noncompliant(now), 'day')}, {standing}"


def exemption_lines(exemptions: Mapping[str, Exemption | MalformedExemption], now: datetime) -> list[str]:
    """Return a line for each exemption that expires soon or is not valid."""
    lines = []
    for user_id, record in exemptions.items():
        if isinstance(record, MalformedExemption):
            lines.append(f"user id {sanitize(user_id, 128)}: the record is not valid. {record.problem}")
        elif record.in_force(now) and record.expires_at - now <= EXPIRING_SOON:
            lines.append(
                f"{sanitize(record.user_name, 64)}: exempt until {utc_text(record.expires_at)}, then enforced again "
                f"({_given(record)})"
            )
    return lines


def exemption_change_lines(
    known: Mapping[str, str], exemptions: Mapping[str, Exemption | MalformedExemption]
) -> Iterator[str]:
    """Yield a line for each exemption that is not among the `known` fingerprints, and for each that was removed."""
    for user_id, record in exemptions.items():
        if known.get(user_id) != fingerprint(record):
            what = "changed" if user_id in known else "new"
            yield f"{_whose(user_id, record)}: {what}, {_contents(record)}"
    for user_id in known:
        if user_id not in exemptions:
            yield f"user id {sanitize(user_id, 128)}: removed"


def _whose(user_id: str, record: Exemption | MalformedExemption) -> str:
    name = f"{sanitize(record.user_name, 64)}, " if isinstance(record, Exemption) else ""
    return f"{name}user id {sanitize(user_id, 128)}"


def _contents(record: Exemption | MalformedExemption) -> str:
    if isinstance(record, MalformedExemption):
        return f"not valid. {record.problem}"
    return f"exempt until {utc_text(record.expires_at)} ({_given(record)}, by {sanitize(record.created_by, 64)})"


def _given(record: Exemption) -> str:
    return f"owner {sanitize(record.owner, 64)}, reason {sanitize(record.reason, 128)}"
