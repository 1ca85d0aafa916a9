"""The sweep's mail: the state of the account, what changed, what is planned, and the health of mfa-guard itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from mfa_guard.core.account.assessment import Counts
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.health.checks import Check, Verdict, doublings, problems
from mfa_guard.core.mail.digest_lines import EXPIRING_SOON, counted, exemption_lines
from mfa_guard.core.mail.layout import LARGEST, Message, as_json
from mfa_guard.core.mail.shell_commands import cli_command
from mfa_guard.core.mail.tally import Lines, RankedLines, Tally
from mfa_guard.core.notice_kinds import Severity
from mfa_guard.core.sanitize import subject_line
from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import STATUS_TAG

SCHEMA: Final = "mfa-guard/digest/1"
KIND: Final = "digest"

# How the names of two kinds of problems begin.
HEALTH: Final = "health:"
FAILURE: Final = "failure:"

# The mail cuts its lists to the first of these lengths at which it fits.
_LIST_LENGTHS: Final = (10_000, 2_000, 1_000, 500, 200, 100, 50, 20)


@dataclass(frozen=True)
class Digest:
    """Everything that a sweep reports.

    `not_written` is what the last sweep could not write after it sent its mail, a line for each user. `held` are lines
    of news of earlier sweeps that waited for this digest. `exemption_changes` are lines about exemptions that the last
    digest did not show, and `dead_letters` are lines about the dead-letter queue. `writes` tells whether this sweep may
    change IAM. `report_problem` says in sentences what the sweep could not read, or is None. `users_left` counts the
    users that this round had no time for. `windows` counts the notices whose summaries this sweep sent because nothing
    else had. `dead_letters_left` counts the messages that stay in the dead-letter queue.
    """

    tally: Tally
    not_written: Sequence[str]
    held: Sequence[str]
    exemptions: Mapping[str, Exemption | MalformedExemption]
    exemption_changes: Sequence[str]
    dead_letters: Sequence[str]
    checks: Sequence[Check]
    writes: bool
    report_problem: str | None
    users_left: int
    windows: int = 0
    dead_letters_left: int = 0

    @property
    def changed(self) -> int:
        """Return how many changes the digest reports."""
        return self.tally.changes.total + len(self.held)


@dataclass(frozen=True)
class _Section:
    """A titled list. `rest` says where to find the lines that a cut leaves out; `notes` say what to do.

    `uncollected` counts the lines that the sweep did not keep.
    """

    key: str
    title: str
    lines: Sequence[str]
    rest: str
    notes: Sequence[str] = ()
    uncollected: int = 0

    @property
    def total(self) -> int:
        """Return how many lines there are, with those that were not kept."""
        return len(self.lines) + self.uncollected


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
    broken = (key for key, each in digest.exemptions.items() if isinstance(each, MalformedExemption))
    return frozenset([*digest.tally.pending, *(f"exemption:{key}" for key in broken)])


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
            *(f"{FAILURE}{name}" for name in digest.tally.failed),
            *(f"dead letters:{part}" for part in doublings(digest.dead_letters_left)),
        ]
    )


def _parts(check: Check) -> Sequence[str]:
    return check.parts or (check.reason,)


def _severity(digest: Digest) -> Severity:
    if digest.tally.failures.total or digest.not_written or problems(digest.checks):
        return Severity.HIGH
    counts = digest.tally.counts
    news = digest.changed or digest.exemption_changes or digest.dead_letters
    return Severity.MEDIUM if news or counts.noncompliant or counts.awaiting_decision else Severity.LOW


def _headline(digest: Digest) -> str:
    counts, wrong = digest.tally.counts, digest.tally.failures.total + len(problems(digest.checks))
    parts = [f"{counts.noncompliant} of {_users(counts.users)} without an MFA device"]
    parts += [f"{digest.changed} changed"] if digest.changed else []
    parts += [f"{counted(counts.awaiting_decision, 'decision')} open"] if counts.awaiting_decision else []
    parts += [counted(wrong, "problem")] if wrong else []
    return ", ".join(parts)


def _users(number: int) -> str:
    return counted(number, "user")


def _sections(digest: Digest, settings: Settings, now: datetime) -> tuple[_Section, ...]:
    listing = f"aws iam get-account-authorization-details --filter User --query {_TAGGED} --output text"
    tally = digest.tally
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
        _Section("failures", "WHAT FAILED", _failures(digest), logs, uncollected=_uncollected(tally.failures)),
        _Section("health", "HEALTH OF MFA-GUARD", [_check(check) for check in problems_first], logs),
        _Section("dead_letters", "EVENTS FROM THE DEAD-LETTER QUEUE", digest.dead_letters, logs),
        _Section("exemption_changes", "EXEMPTIONS THAT CHANGED SINCE THE LAST DIGEST", digest.exemption_changes, scan),
        _Section(
            "changes",
            "CHANGES BY MFA-GUARD",
            [*digest.held, *tally.changes.kept],
            logs,
            (undo,),
            _uncollected(tally.changes),
        ),
        _Section(
            "awaiting_decision",
            "ACTIVE MACHINE USERS AWAITING A DECISION",
            tally.awaiting_decision.kept,
            listing,
            decide,
            _uncollected(tally.awaiting_decision),
        ),
        _Section("planned", _PLANNED_TITLE, tally.planned.kept, listing, uncollected=_uncollected(tally.planned)),
        _Section(
            "key_deactivation",
            _KEYS_TITLE,
            tally.key_deactivation.kept,
            listing,
            uncollected=_uncollected(tally.key_deactivation),
        ),
        _Section("exemptions", _EXEMPTIONS_TITLE, exemption_lines(digest.exemptions, now), scan),
        _Section(
            "noncompliant",
            "USERS WITHOUT AN MFA DEVICE (longest first)",
            tally.noncompliant.kept,
            listing,
            uncollected=_uncollected(tally.noncompliant),
        ),
    )


def _uncollected(lines: Lines | RankedLines) -> int:
    return lines.total - len(lines.kept)


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
    return [*digest.tally.failures.kept, *(f"{each} (at the end of the last sweep)" for each in digest.not_written)]


def _check(check: Check) -> str:
    line = f"{check.label}: {check.name}. {check.reason}"
    return line if check.verdict is Verdict.FINE else f"{line} {check.advice}"


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
        "counts": _counts(digest.tally.counts),
        "in_scope": digest.tally.in_scope,
        "report_problem": digest.report_problem,
        "users_left": digest.users_left,
        "coalesced_notices": digest.windows,
        "sections": {
            section.key: {"total": section.total, "lines": list(section.lines[:length])} for section in sections
        },
    }


def _mail(digest: Digest, sections: Sequence[_Section], settings: Settings, now: datetime, length: int) -> str:
    counts = digest.tally.counts
    awaiting = counts.awaiting_decision
    machines = f"{counted(awaiting, 'active machine user')} {'awaits' if awaiting == 1 else 'await'}"
    lead = [
        f"Account {settings.account} at {utc_text(now)}, Mode: {settings.mode.value}.",
        f"{_users(counts.users)}: {counts.compliant} compliant, {counts.noncompliant} noncompliant, {counts.exempt} "
        f"exempt. The enforcement policy applies to {_users(counts.enforced)}. {machines} a decision.",
    ]
    if not digest.writes:
        lead.append("This sweep changed nothing in IAM.")
    if settings.mode is Mode.EVENTS:
        lead.append(
            f"{_users(digest.tally.in_scope)} in scope of Mode: events. "
            f"Mode: all would also change {_users(digest.tally.planned.total)}."
        )
    if digest.report_problem:
        lead.append(digest.report_problem)
    if digest.windows:
        lead.append(f"This sweep sent the summaries of {counted(digest.windows, 'notice')} that nothing else had sent.")
    if digest.users_left and digest.tally.changes.total:
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
    if rest := section.total - len(section.lines[:length]):
        lines.append(f"  and {rest} more: {section.rest}")
    return "\n".join([*lines, *(f"  {note}" for note in section.notes)])
