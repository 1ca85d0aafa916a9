"""The sweep's mail: the state of the account, what changed, what is planned, and the health of mfa-guard itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.account.assessment import Assessment, Counts
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.health.checks import Check, Verdict, problems
from mfa_guard.core.mail.layout import LARGEST, Message, as_json
from mfa_guard.core.mail.shell_commands import cli_command
from mfa_guard.core.notice_kinds import Severity
from mfa_guard.core.plan import Action
from mfa_guard.core.sanitize import sanitize, subject_line
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import STATUS_TAG
from mfa_guard.core.user_record import Standing

SCHEMA: Final = "mfa-guard/digest/1"
KIND: Final = "digest"
EXPIRING_SOON: Final = timedelta(days=14)

# How the names of two kinds of problems begin.
HEALTH: Final = "health:"
FAILURE: Final = "failure:"

# The mail cuts its lists to the first of these lengths at which it fits.
_LIST_LENGTHS: Final = (10_000, 2_000, 1_000, 500, 200, 100, 50, 20)


@dataclass(frozen=True)
class Change:
    """What a sweep changed for one user."""

    name: str
    text: str


@dataclass(frozen=True)
class Failure:
    """What a sweep could not do for one user, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Digest:
    """Everything that a sweep reports.

    `writes` tells whether this sweep may change IAM. `report_problem` is one sentence on what the credential report
    lacks, or None. `users_left` counts the users that this round had no time for. `not_tagged` are the tags that
    the last sweep could not write after it sent its mail, a line for each user.
    """

    counts: Counts
    changes: Sequence[Change]
    failures: Sequence[Failure]
    not_tagged: Sequence[str]
    assessments: Sequence[Assessment]
    exemptions: Mapping[str, Exemption | MalformedExemption]
    checks: Sequence[Check]
    writes: bool
    report_problem: str | None
    users_left: int


@dataclass(frozen=True)
class _Section:
    """A titled list. `rest` says where to find the lines that a cut leaves out; `notes` say what to do."""

    key: str
    title: str
    lines: Sequence[str]
    rest: str
    notes: Sequence[str] = ()


def digest_message(digest: Digest, settings: Settings, now: datetime) -> Message:
    """Return the mail. It cuts its lists if text and JSON together would exceed 250,000 bytes.

    Raises ValueError if even the shortest lists do not fit. The length of every string is limited, so this error means
    a defect.
    """
    sections = _sections(digest, settings, now)
    for length in _LIST_LENGTHS:
        body = _body(digest, sections, settings, now, length)
        if len(body.encode()) <= LARGEST:
            severity = _severity(digest)
            return Message(
                subject=subject_line(f"{severity.upper()}: {_headline(digest)}"),
                body=body,
                attributes={"severity": severity.value, "kind": KIND, "account": settings.account},
            )
    raise ValueError(f"The digest does not fit into {LARGEST} bytes.")


def pending(digest: Digest) -> frozenset[str]:
    """Return a name for each planned change and each open decision: the next sweep compares them to find new ones."""
    deciding = (each for each in digest.assessments if each.awaits_decision)
    planned = (
        each for each in digest.assessments if each.plan.actions and not each.awaits_decision and not digest.writes
    )
    broken = (key for key, each in digest.exemptions.items() if isinstance(each, MalformedExemption))
    return frozenset(
        [
            *(f"{each.state.id}:decide" for each in deciding),
            *(f"{each.state.id}:{','.join(each.plan.actions)}" for each in planned),
            *(f"exemption:{key}" for key in broken),
        ]
    )


def problem_names(digest: Digest) -> frozenset[str]:
    """Return a name for each problem. A noncompliant user is not a problem in this sense.

    A check has a name for each part of its problem: another rule that is disabled is new, and so is twice the number of
    dead letters. The next sweep compares the names.
    """
    # A check that can no longer be verified can hide a problem: it is news, but it raises no alarm.
    unsure = (check for check in digest.checks if check.verdict is Verdict.CANNOT_VERIFY and not check.advisory)
    return frozenset(
        [
            *(f"{HEALTH}{check.name}:{part}" for check in problems(digest.checks) for part in _parts(check)),
            *(f"unsure:{check.name}" for check in unsure),
            *(f"{FAILURE}{failure.name}" for failure in digest.failures),
        ]
    )


def _parts(check: Check) -> Sequence[str]:
    return check.parts or (check.reason,)


def _severity(digest: Digest) -> Severity:
    if digest.failures or digest.not_tagged or problems(digest.checks):
        return Severity.HIGH
    return (
        Severity.MEDIUM
        if digest.changes or digest.counts.noncompliant or digest.counts.awaiting_decision
        else Severity.LOW
    )


def _headline(digest: Digest) -> str:
    wrong = len(digest.failures) + len(problems(digest.checks))
    parts = [f"{digest.counts.noncompliant} of {_users(digest.counts.users)} without an MFA device"]
    parts += [f"{len(digest.changes)} changed"] if digest.changes else []
    parts += [f"{_count(digest.counts.awaiting_decision, 'decision')} open"] if digest.counts.awaiting_decision else []
    parts += [_count(wrong, "problem")] if wrong else []
    return ", ".join(parts)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _users(number: int) -> str:
    return _count(number, "user")


def _sections(digest: Digest, settings: Settings, now: datetime) -> tuple[_Section, ...]:
    listing = f"aws iam get-account-authorization-details --filter User --query {_TAGGED} --output text"
    noncompliant = sorted(
        (each for each in digest.assessments if each.noncompliant),
        key=lambda each: (-each.days_noncompliant(now), each.state.name),
    )
    problems_first = sorted(digest.checks, key=lambda check: check.verdict is Verdict.FINE)
    scan = f"aws dynamodb scan --region {settings.region} --table-name {settings.exemptions_table}"
    logs = "see the log of SweepFunction, which has every change and failure"
    release, exempt, enforce = (cli_command(key, "NAME", settings) for key in ("undo", "exempt", "enforce"))
    undo = f"To undo for one user (records an exemption, then releases): {release}, or the stack's output HowToExempt"
    decide = (
        f"To exempt: {exempt}, or the stack's output HowToExempt",
        f"To enforce: {enforce}, or {_enforce_command(settings)}",
    )
    return (
        _Section("failures", "WHAT FAILED", _failures(digest), logs),
        _Section("health", "HEALTH OF MFA-GUARD", [_check(check) for check in problems_first], logs),
        _Section(
            "changes",
            "CHANGES BY MFA-GUARD",
            [f"{each.name}: {each.text}" for each in digest.changes],
            logs,
            (undo,),
        ),
        _Section(
            "awaiting_decision",
            "ACTIVE MACHINE USERS AWAITING A DECISION",
            _awaiting_decision(digest, now),
            listing,
            decide,
        ),
        _Section("planned", _PLANNED_TITLE, _planned(digest, now), listing),
        _Section("key_deactivation", _KEYS_TITLE, _key_deactivations(digest, now), listing),
        _Section("exemptions", _EXEMPTIONS_TITLE, _exemptions(digest, now), scan),
        _Section(
            "noncompliant",
            "USERS WITHOUT AN MFA DEVICE (longest first)",
            [f"{each.state.name}: {_standing(each, now)}" for each in noncompliant],
            listing,
        ),
    )


def _enforce_command(settings: Settings) -> str:
    if settings.enforce_through is AttachmentRoute.DIRECT:
        return f"aws iam attach-user-policy --policy-arn {settings.policy_arn} --user-name NAME"
    return f"aws iam add-user-to-group --group-name {settings.group_name} --user-name NAME"


_TAGGED: Final = f"\"UserDetailList[?Tags[?Key=='{STATUS_TAG}']].UserName\""
_PLANNED_TITLE: Final = (
    "CHANGES THAT MFA-GUARD WOULD MAKE (Mode: all at the next sweep, Mode: events at the next event about the user)"
)
_KEYS_TITLE: Final = "ACCESS KEYS TO BE DEACTIVATED (unless the user enrolls an MFA device first)"
_EXEMPTIONS_TITLE: Final = f"EXEMPTIONS THAT EXPIRE SOON OR ARE NOT VALID (soon: within {EXPIRING_SOON.days} days)"


def _failures(digest: Digest) -> list[str]:
    return [
        *(f"{each.name}: {each.reason}" for each in digest.failures),
        *(f"{each} (at the end of the last sweep)" for each in digest.not_tagged),
    ]


def _check(check: Check) -> str:
    line = f"{check.label}: {check.name}. {check.reason}"
    return line if check.verdict is Verdict.FINE else f"{line} {check.advice}"


def _awaiting_decision(digest: Digest, now: datetime) -> list[str]:
    return [f"{each.state.name}: {in_use(each, now)}" for each in digest.assessments if each.awaits_decision]


def _planned(digest: Digest, now: datetime) -> list[str]:
    if digest.writes:
        return []
    return [_plan_line(each, now) for each in digest.assessments if each.plan.actions]


def _plan_line(assessment: Assessment, now: datetime) -> str:
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


def _key_deactivations(digest: Digest, now: datetime) -> list[str]:
    dated = [(each.key_deactivation.due, each.state.name) for each in digest.assessments if each.key_deactivation.due]
    return [f"{name}: {utc_text(due)}" for due, name in sorted(dated) if due > now]


def _exemptions(digest: Digest, now: datetime) -> list[str]:
    lines = []
    for user_id, record in digest.exemptions.items():
        if isinstance(record, MalformedExemption):
            lines.append(f"user id {sanitize(user_id, 128)}: the record is not valid. {record.problem}")
        elif record.in_force(now) and record.expires_at - now <= EXPIRING_SOON:
            lines.append(
                f"{sanitize(record.user_name, 64)}: exempt until {utc_text(record.expires_at)}, then enforced again "
                f"(owner {sanitize(record.owner, 64)}, reason {sanitize(record.reason, 128)})"
            )
    return lines


def _standing(assessment: Assessment, now: datetime) -> str:
    standing = {Standing.ENFORCED: "enforced" if assessment.enforced else "not enforced yet"}.get(
        assessment.plan.standing, f"not enforced ({assessment.plan.standing.value})"
    )
    return f"{_count(assessment.days_noncompliant(now), 'day')}, {standing}"


def _body(digest: Digest, sections: Sequence[_Section], settings: Settings, now: datetime, length: int) -> str:
    texts = {
        "default": as_json(_data(digest, sections, settings, now, length)),
        "email": _mail(digest, sections, settings, now, length),
    }
    return as_json(texts)


def _counts(counts: Counts) -> dict[str, int]:
    return {
        "users": counts.users,
        "compliant": counts.compliant,
        "noncompliant": counts.noncompliant,
        "exempt": counts.exempt,
        "enforced": counts.enforced,
        "awaiting_decision": counts.awaiting_decision,
    }


def _data(
    digest: Digest, sections: Sequence[_Section], settings: Settings, now: datetime, length: int
) -> dict[str, object]:
    return {
        "schema": SCHEMA,
        "kind": KIND,
        "severity": _severity(digest).value,
        "account": settings.account,
        "mode": settings.mode.value,
        "time": utc_text(now),
        "writes": digest.writes,
        "counts": _counts(digest.counts),
        "report_problem": digest.report_problem,
        "users_left": digest.users_left,
        "sections": {
            section.key: {"total": len(section.lines), "lines": list(section.lines[:length])} for section in sections
        },
    }


def _mail(digest: Digest, sections: Sequence[_Section], settings: Settings, now: datetime, length: int) -> str:
    counts = digest.counts
    awaiting = counts.awaiting_decision
    machines = f"{_count(awaiting, 'active machine user')} {'awaits' if awaiting == 1 else 'await'}"
    lead = [
        f"Account {settings.account} at {utc_text(now)}, Mode: {settings.mode.value}.",
        f"{_users(counts.users)}: {counts.compliant} compliant, {counts.noncompliant} noncompliant, {counts.exempt} "
        f"exempt. The enforcement policy applies to {_users(counts.enforced)}. {machines} a decision.",
    ]
    if not digest.writes:
        lead.append("This sweep changed nothing in IAM.")
    if digest.report_problem:
        lead.append(digest.report_problem)
    if digest.users_left and digest.changes:
        lead.append(f"Time ran out with {_users(digest.users_left)} left. The next round continues with them.")
    elif digest.users_left:
        lead.append(
            f"Time ran out with {_users(digest.users_left)} left, before any user was changed. The sweep ends here."
        )
    blocks = ["\n".join(lead), *(_block(section, length) for section in sections if section.lines)]
    if settings.help_url:
        blocks.append(f"Help: {settings.help_url}")
    return "\n\n".join(blocks) + "\n"


def _block(section: _Section, length: int) -> str:
    lines = [section.title, *(f"  - {line}" for line in section.lines[:length])]
    if len(section.lines) > length:
        lines.append(f"  and {len(section.lines) - length} more: {section.rest}")
    return "\n".join([*lines, *(f"  {note}" for note in section.notes)])
