"""The sweep's mail: how the account stands, what changed, what is to come, and whether the guard itself is well."""

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
from mfa_guard.core.plan import Action, Standing
from mfa_guard.core.sanitize import sanitize, subject_line
from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import STATUS_TAG

SCHEMA: Final = "mfa-guard/digest/1"
KIND: Final = "digest"
ENDING_SOON: Final = timedelta(days=14)

# Lists are cut to the first of these lengths with which the mail fits.
_LENGTHS: Final = (10_000, 2_000, 1_000, 500, 200, 100, 50, 20)


@dataclass(frozen=True)
class Change:
    """What a sweep did to one user."""

    name: str
    text: str


@dataclass(frozen=True)
class Failure:
    """What a sweep could not do, and why."""

    name: str
    reason: str


@dataclass(frozen=True)
class Digest:
    """Everything a sweep has to say.

    `writes` tells whether this sweep may change IAM. `late` is one sentence on what the report lacks, or None.
    `left` counts users whom this round had no time for. `carried` are the tags that the last sweep could not write
    after its mail was out.
    """

    counts: Counts
    changes: Sequence[Change]
    failures: Sequence[Failure]
    carried: Sequence[str]
    assessments: Sequence[Assessment]
    exemptions: Mapping[str, Exemption | MalformedExemption]
    checks: Sequence[Check]
    writes: bool
    late: str | None
    left: int


@dataclass(frozen=True)
class _Section:
    """A titled list. `rest` is where to find what a cut leaves out; `note` is what to do about the lines."""

    key: str
    title: str
    lines: Sequence[str]
    rest: str
    note: str = ""


def digest_message(digest: Digest, settings: Settings, now: datetime) -> Message:
    """Return the mail, cut where it has to be: text and JSON together stay under 250,000 bytes.

    Raises ValueError when even the shortest lists do not fit, which bounded strings make impossible.
    """
    sections = _sections(digest, settings, now)
    for length in _LENGTHS:
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
    """Return a name for everything that waits to be done or decided, by which the next sweep knows what is new."""
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
    """Return a name for everything that is wrong. Noncompliance alone is not a problem in this sense."""
    # Whoever takes the right to read away makes a problem unverifiable: that is news as well, though no alarm.
    unsure = (check for check in digest.checks if check.verdict is Verdict.CANNOT_VERIFY and not check.advisory)
    return frozenset(
        [
            *(f"health:{check.name}" for check in problems(digest.checks)),
            *(f"unsure:{check.name}" for check in unsure),
            *(f"failure:{failure.name}" for failure in digest.failures),
        ]
    )


def _severity(digest: Digest) -> Severity:
    if digest.failures or digest.carried or problems(digest.checks):
        return Severity.HIGH
    return Severity.MEDIUM if digest.changes or digest.counts.noncompliant or digest.counts.awaiting else Severity.LOW


def _headline(digest: Digest) -> str:
    wrong = len(digest.failures) + len(problems(digest.checks))
    parts = [f"{digest.counts.noncompliant} of {digest.counts.users} users without MFA device"]
    parts += [f"{len(digest.changes)} changed"] if digest.changes else []
    parts += [f"{digest.counts.awaiting} to decide"] if digest.counts.awaiting else []
    parts += [f"{wrong} problem{'s' if wrong > 1 else ''}"] if wrong else []
    return ", ".join(parts)


def _sections(digest: Digest, settings: Settings, now: datetime) -> tuple[_Section, ...]:
    listing = f"aws iam get-account-authorization-details --filter User --query {_TAGGED} --output text"
    noncompliant = sorted(
        (each for each in digest.assessments if each.noncompliant),
        key=lambda each: (-each.days_noncompliant(now), each.state.name),
    )
    worst_first = sorted(digest.checks, key=lambda check: check.verdict is Verdict.FINE)
    scan = f"aws dynamodb scan --region {settings.region} --table-name {settings.exemptions_table}"
    logs = "SweepFunction's log names every change and failure"
    release, exempt, enforce = (cli_command(paste, "NAME", settings) for paste in ("undo", "exempt", "enforce"))
    undo = f"To undo one: the stack's output HowToExempt records an exemption, then releases; so does {release}"
    decide = f"To exempt: the stack's output HowToExempt, or {exempt}. To enforce: {_enforcing(settings)}, or {enforce}"
    return (
        _Section("failures", "WHAT FAILED", _failed(digest), logs),
        _Section("health", "HEALTH OF THE GUARD", [_check(check) for check in worst_first], logs),
        _Section("changes", "WHAT MFA-GUARD DID", [f"{each.name}: {each.text}" for each in digest.changes], logs, undo),
        _Section("decide", "ACTIVE MACHINE USERS AWAITING A DECISION", _deciding(digest, now), listing, decide),
        _Section("planned", _PLANNED_TITLE, _planned(digest, now), listing),
        _Section("escalation", "ACCESS KEYS TO BE DEACTIVATED, AND WHEN", _escalating(digest, now), listing),
        _Section("exemptions", "EXEMPTIONS THAT END WITHIN 14 DAYS OR DO NOT COUNT", _ending(digest, now), scan),
        _Section(
            "noncompliant",
            "WITHOUT MFA DEVICE, LONGEST FIRST",
            [f"{each.state.name}: {_since(each, now)}" for each in noncompliant],
            listing,
        ),
    )


def _enforcing(settings: Settings) -> str:
    if settings.enforce_through is AttachmentRoute.DIRECT:
        return f"aws iam attach-user-policy --policy-arn {settings.policy_arn} --user-name NAME"
    return f"aws iam add-user-to-group --group-name {settings.group_name} --user-name NAME"


_TAGGED: Final = f"\"UserDetailList[?Tags[?Key=='{STATUS_TAG}']].UserName\""
_PLANNED_TITLE: Final = "WHAT ENFORCING WOULD DO (Mode: all enforces with sweeps; an event about the user does at once)"


def _failed(digest: Digest) -> list[str]:
    return [
        *(f"{each.name}: {each.reason}" for each in digest.failures),
        *(f"{each} (at the end of the last sweep)" for each in digest.carried),
    ]


def _check(check: Check) -> str:
    line = f"{check.label}: {check.name}. {check.reason}"
    return line if check.verdict is Verdict.FINE else f"{line} {check.advice}"


def _deciding(digest: Digest, now: datetime) -> list[str]:
    return [f"{each.state.name}: {in_use(each, now)}" for each in digest.assessments if each.awaits_decision]


def _planned(digest: Digest, now: datetime) -> list[str]:
    if digest.writes:
        return []
    return [_plan_line(each, now) for each in digest.assessments if each.plan.actions]


def _plan_line(assessment: Assessment, now: datetime) -> str:
    kind = "a person" if assessment.state.password is True else "no console password"
    doing = ", ".join(_INTENTS[action] for action in assessment.plan.actions)
    doubt = "" if assessment.certain else "; IAM is asked again before anything is done"
    stops = (
        f"; would stop working without MFA: {in_use(assessment, now)}"
        if Action.ENFORCE in assessment.plan.actions
        else ""
    )
    return f"{assessment.state.name} ({kind}): {doing}{stops if _used(assessment, now) else ''}{doubt}"


_INTENTS: Final[Mapping[Action, str]] = {
    Action.ENFORCE: "would be enforced",
    Action.RELEASE: "would be released",
    Action.MARK: "would be tagged noncompliant",
    Action.CLEAR: "would lose the noncompliance tags",
}


def _used(assessment: Assessment, now: datetime) -> list[str]:
    keys = assessment.state.keys if isinstance(assessment.state.keys, tuple) else ()
    return [f"{key.id}, last used {utc_text(key.last_used)}" for key in keys if key.last_used and key.in_use(now)]


def in_use(assessment: Assessment, now: datetime) -> str:
    """Return which credentials of somebody who has one in use are in use."""
    return "; ".join(_used(assessment, now)) or "a service-specific credential"


def _escalating(digest: Digest, now: datetime) -> list[str]:
    dated = [(each.key_deactivation.due, each.state.name) for each in digest.assessments if each.key_deactivation.due]
    return [f"{name}: {utc_text(due)}" for due, name in sorted(dated) if due > now]


def _ending(digest: Digest, now: datetime) -> list[str]:
    lines = []
    for user_id, record in digest.exemptions.items():
        if isinstance(record, MalformedExemption):
            lines.append(f"the record of user id {sanitize(user_id, 128)} does not count: {record.problem}")
        elif record.in_force(now) and record.expires_at - now <= ENDING_SOON:
            lines.append(
                f"{sanitize(record.user_name, 64)}: until {utc_text(record.expires_at)}, then enforced again (owner "
                f"{sanitize(record.owner, 64)}, reason {sanitize(record.reason, 128)})"
            )
    return lines


def _since(assessment: Assessment, now: datetime) -> str:
    days = assessment.days_noncompliant(now)
    standing = {Standing.ENFORCED: "blocked" if assessment.enforced else "not blocked yet"}.get(
        assessment.plan.standing, f"not blocked ({assessment.plan.standing.value})"
    )
    return f"{days} day{'' if days == 1 else 's'}, {standing}"


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
        "awaiting": counts.awaiting,
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
        "late": digest.late,
        "left": digest.left,
        "sections": {
            section.key: {"total": len(section.lines), "lines": list(section.lines[:length])} for section in sections
        },
    }


def _mail(digest: Digest, sections: Sequence[_Section], settings: Settings, now: datetime, length: int) -> str:
    counts = digest.counts
    lead = [
        f"Account {settings.account} at {utc_text(now)}, Mode: {settings.mode.value}.",
        f"{counts.users} users: {counts.compliant} compliant, {counts.noncompliant} without MFA device, "
        f"{counts.exempt} exempt; {counts.enforced} enforced; {counts.awaiting} machine users await a decision.",
    ]
    if not digest.writes:
        lead.append("This sweep changed nothing in IAM.")
    if digest.late:
        lead.append(digest.late)
    if digest.left and digest.changes:
        lead.append(f"Time ran out with {digest.left} users to go; another round goes on with them.")
    elif digest.left:
        lead.append(f"Time ran out with {digest.left} users to go before anybody was changed: the sweep ends here.")
    blocks = ["\n".join(lead), *(_block(section, length) for section in sections if section.lines)]
    if settings.help_url:
        blocks.append(f"Help: {settings.help_url}")
    return "\n\n".join(blocks) + "\n"


def _block(section: _Section, length: int) -> str:
    lines = [section.title, *(f"  - {line}" for line in section.lines[:length])]
    if len(section.lines) > length:
        lines.append(f"  and {len(section.lines) - length} more: {section.rest}")
    if section.note:
        lines.append(f"  {section.note}")
    return "\n".join(lines)
