"""What a preview says, in the words that the table and the page share. Pure."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard_cli.preview.advice import Advice, exempt_command
from mfa_guard_cli.preview.model import CallerKind, DeviceKind, Key, Mfa, Outcome, Outlook, Preview, Reading, Sort

MEANINGS: Final[Mapping[Outcome, str]] = {
    Outcome.KEYS_STOP: "Enforced; access keys in use stop without MFA",
    Outcome.ENROLL: "Enforced; blocked until an MFA device is enrolled",
    Outcome.DECIDE: "A active machine, not enforced until you decide",
    Outcome.UNKNOWN: "Not known; the credential report does not tell",
    Outcome.REPORTED: "Not enforced without a password; reported without a device",
    Outcome.IDLE: "Enforced; no password and no access key in use",
    Outcome.READY: "Enforced; signs in with the MFA device there is",
    Outcome.BOUND: "Bound by the enforcement policy already",
    Outcome.EXEMPT: "Left alone, as the path is exempt",
}

ENFORCED: Final = (Outcome.KEYS_STOP, Outcome.ENROLL, Outcome.IDLE, Outcome.READY)

LIMITS: Final = (
    "No bulk call tells of service-specific credentials (Git of CodeCommit, Keyspaces, Bedrock) or of SSH keys for"
    " CodeCommit: they stop as well, and a user without password who has such a credential may be a active machine.",
    "The SMTP password of SES is made from an access key: a key used last for ses may be a mail server's.",
    "The credential report tells one use of a key, the last one; other services may use the same key.",
    "Of users with a TOTP app, no other devices were asked for. The exemption table of a guard that is already deployed"
    " was not read.",
    "Whether the credentials of aws login carry the mark of MFA is unverified.",
)

Part = TypeVar("Part", bound=StrEnum)

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


def ago(time: datetime, now: datetime) -> str:
    """Return how long ago something was, in the largest unit that makes at least one: 3 d ago."""
    span = now - time
    if span < _MINUTE:
        return "just now"
    if span < _HOUR:
        return f"{int(span / _MINUTE)} min ago"
    if span < _DAY:
        return f"{int(span / _HOUR)} h ago"
    return f"{span.days} d ago"


def password_text(outlook: Outlook, now: datetime) -> str:
    """Return whether there is a password, and when it was used last."""
    if outlook.password is None:
        return "unknown"
    if not outlook.password:
        return "no"
    return f"used {ago(outlook.password_used, now)}" if outlook.password_used else "never used"


def key_text(key: Key, now: datetime) -> str:
    """Return one access key with its last use: key 1: s3 in us-east-1, 1 d ago."""
    parts = [] if key.active else ["inactive"]
    where = " in ".join(filter(None, (key.use.service, key.use.region)))
    used = ago(key.last_used, now) if key.last_used else "never used"
    return f"{key.slot}: {', '.join(filter(None, (*parts, where, used)))}"


def keys_text(outlook: Outlook, now: datetime) -> tuple[str, ...]:
    """Return each access key with its last use."""
    if outlook.keys is None:
        return ("unknown",)
    return tuple(key_text(key, now) for key in outlook.keys) or ("none",)


def devices_text(outlook: Outlook) -> str:
    """Return the MFA devices by kind, each kind once with its number."""
    if outlook.devices is None:
        return "unknown"
    kinds = {kind: outlook.devices.count(kind) for kind in DeviceKind if kind in outlook.devices}
    return ", ".join(f"{number} {kind}s" if number > 1 else str(kind) for kind, number in kinds.items()) or "none"


def stops(outlook: Outlook) -> tuple[str, ...]:
    """Return what would stop working for one user, and what to know about it."""
    return tuple(_stops(outlook))


def _stops(outlook: Outlook) -> Iterator[str]:
    if outlook.stopping:
        keys = " and ".join(f"{key.slot} ({key.use.service or 'service unknown'})" for key in outlook.stopping)
        yield f"{keys}, if you enforce" if outlook.outcome is Outcome.DECIDE else keys
    if outlook.outcome in ENFORCED and outlook.mfa is Mfa.NONE and outlook.sort is not Sort.UNUSED:
        yield "all but enrolling a device"
    if outlook.mfa is Mfa.PASSKEY and outlook.outcome in (*ENFORCED, Outcome.BOUND):
        yield "GetSessionToken for the CLI, as a passkey gives no code: use aws login"
    if outlook.outcome is Outcome.IDLE and not outlook.certain:
        yield "a service-specific credential, if any"


def caller_lines(preview: Preview) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what enforcing means for whoever runs the program: plain sentences, and warnings."""
    caller = preview.reading.caller
    if caller.kind is not CallerKind.USER:
        return (_OTHERS[caller.kind].format(name=caller.name),), ()
    own = preview.own
    if own is None:
        return (), (
            f"Read with the credentials of user {caller.name}, whom IAM does not list: look again in a minute.",
        )
    facts = f"Read with the credentials of user {own.name}: {own.sort}, MFA: {devices_text(own)}."
    return (facts, f"{MEANINGS[own.outcome]}."), tuple(_warnings(own, preview))


def _warnings(own: Outlook, preview: Preview) -> Iterator[str]:
    caller = preview.reading.caller
    key = f"the access key that read this (ending in {caller.key})"
    if own.outcome in ENFORCED and own.mfa is Mfa.NONE:
        yield f"{own.name} would be locked out of everything but enrolling a device. Enroll one before you deploy."
    if own.outcome in ENFORCED and caller.long_term:
        yield f"Once {own.name} is enforced, {key} stops working. Work with an MFA session or a role from then on."
    elif own.outcome is Outcome.KEYS_STOP:
        yield f"Once {own.name} is enforced, {_own_keys(own)} no longer without MFA."
    if own.outcome is Outcome.DECIDE and caller.long_term:
        yield f"{own.name} counts as a active machine: if you decide to enforce, {key} stops working."
    if own.outcome is Outcome.UNKNOWN:
        yield f"It is not known what enforcing would do to {own.name}. Enroll a device before you deploy."
    if own.outcome in ENFORCED and own.mfa is Mfa.PASSKEY:
        yield f"{own.name} has passkeys only, which give no code for GetSessionToken: for the CLI, use aws login."


def _own_keys(own: Outlook) -> str:
    return f"{' and '.join(key.slot for key in own.stopping)} {'work' if len(own.stopping) > 1 else 'works'}"


_OTHERS: Final[Mapping[CallerKind, str]] = {
    CallerKind.ROLE: "Read with the role {name}, which enforcing does not touch: the policy binds IAM users only.",
    CallerKind.ROOT: "Read as root, whom no policy binds: better use a role or a user of your own.",
    CallerKind.OTHER: "Read with a session of {name}: if an IAM user made it, it is bound when that user is.",
}


def heading(reading: Reading) -> str:
    """Return what this is about, in one line."""
    return f"What enforcing MFA would do in account {reading.account}"


def source_text(reading: Reading) -> str:
    """Return when the account was read, and how old the credential report is."""
    made = reading.report_made
    report = f"credential report made {ago(made, reading.at)}" if made else "no credential report"
    return f"Read on {utc_text(reading.at)}; {report}."


def settings_facts(settings: Settings) -> Mapping[str, str]:
    """Return the parameters of the template that the preview goes by, by their names."""
    return {
        "EnforceOn": settings.enforce_on,
        "WorkingMachineUsers": settings.working_machine_users,
        "ExemptPathPrefixes": ",".join(settings.exempt_path_prefixes),
    }


def settings_text(settings: Settings) -> str:
    """Return the parameters of the template that the preview goes by, as a deployment takes them."""
    return " ".join(f"{name}={value}" for name, value in settings_facts(settings).items() if value)


def totals_lines(preview: Preview) -> tuple[str, ...]:
    """Return the totals, one sentence a line."""
    totals = preview.totals
    enforced = sum(totals.outcomes[outcome] for outcome in ENFORCED)
    lines = [
        f"{_counted(totals.users, 'user')}: {_sorts(totals.sorts)}.",
        f"{enforced} would be enforced: {_each({each: totals.outcomes[each] for each in ENFORCED})}.",
        f"{totals.users - enforced} would not: "
        f"{_each({each: number for each, number in totals.outcomes.items() if each not in ENFORCED})}.",
        f"MFA: {_each(totals.mfa)}. Only TOTP gives the codes that GetSessionToken takes for the CLI.",
    ]
    if totals.unread:
        lines.append(f"Of {_counted(totals.unread, 'user')} something could not be read.")
    return tuple(lines)


def advice_lines(advice: Advice) -> tuple[str, ...]:
    """Return what to do about active machines before enforcing, one line each; commands stand alone."""
    lines: list[str] = []
    if advice.paths:
        lines += [
            "Every user of these paths is a active machine; deploy with:",
            f"  ExemptPathPrefixes={','.join((*advice.given, *advice.paths))}",
        ]
    if advice.names:
        lines += [
            f"{_counted(len(advice.names), 'active machine')} in no path of their own; after deploying with"
            " Mode=audit, for each that must go on without MFA:",
            *(f"  {exempt_command(name)}" for name in advice.names),
        ]
    return tuple(lines) or ("There is no active machine to exempt.",)


def _each(counts: Mapping[Part, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "none"


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _sorts(counts: Mapping[Sort, int]) -> str:
    nouns = {Sort.PERSON: "person", Sort.MACHINE: "active machine"}
    shown = (
        _counted(number, nouns[each]) if each in nouns else f"{number} {each}"
        for each, number in counts.items()
        if number
    )
    return ", ".join(shown) or "none"
