"""Describe a preview in the words that the table and the page share. Pure."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, TypeVar

from mfa_guard.core.settings import Settings
from mfa_guard.core.times import utc_text
from mfa_guard_cli.preview.advice import Advice, exempt_command
from mfa_guard_cli.preview.model import (
    AccountData,
    CallerKind,
    DeviceKind,
    MfaMethod,
    Outcome,
    Preview,
    ReportedKey,
    UserForecast,
    UserKind,
)

OUTCOMES: Final[Mapping[Outcome, str]] = {
    Outcome.KEYS_STOP: "Enforced; access keys in use stop without MFA",
    Outcome.ENROLL: "Enforced; blocked until they enroll an MFA device",
    Outcome.DECIDE: "Not enforced; an active machine user",
    Outcome.UNKNOWN: "Not known; no data in the credential report",
    Outcome.REPORTED: "Not enforced without a password; reported without a device",
    Outcome.IDLE: "Enforced; no password and no access key in use",
    Outcome.READY: "Enforced; can sign in with the MFA device they have",
    Outcome.ENFORCED_ALREADY: "The enforcement policy applies already",
    Outcome.EXEMPT: "Not changed; the path is exempt",
}

MFA_METHODS: Final[Mapping[MfaMethod, str]] = {
    MfaMethod.TOTP: "Codes from an app or a token, also for the CLI",
    MfaMethod.PASSKEY_ONLY: "For the console; the CLI needs aws login",
    MfaMethod.OTHER: "Another kind of device, or a kind that could not be read",
    MfaMethod.NONE: "Cannot sign in with MFA yet",
    MfaMethod.UNKNOWN: "Not known; no data in the credential report",
}

# The outcomes for which the guard would enforce MFA.
ENFORCED: Final = (Outcome.KEYS_STOP, Outcome.ENROLL, Outcome.IDLE, Outcome.READY)

LIMITATIONS: Final = (
    "No bulk call lists service-specific credentials (CodeCommit Git, Keyspaces, Bedrock) or SSH keys for CodeCommit."
    " They stop working as well. A user who has one, but no password, may be an active machine user.",
    "The SMTP password for SES is derived from an access key. A key whose last service is ses may belong to a mail"
    " server.",
    "The credential report shows only the last use of a key. Other services may use the same key.",
    "Other MFA devices of users with a TOTP app, and the exemption table of a guard that is deployed, were not read.",
    "It is not verified that sessions of aws login carry aws:MultiFactorAuthPresent.",
)

Part = TypeVar("Part", bound=StrEnum)

_DAY: Final = timedelta(days=1)
_HOUR: Final = timedelta(hours=1)
_MINUTE: Final = timedelta(minutes=1)


@dataclass(frozen=True)
class Instruction:
    """A sentence, and the lines to copy that belong to it."""

    sentence: str
    lines: tuple[str, ...] = ()


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


def password_text(user: UserForecast, now: datetime) -> str:
    """Return whether the user has a password, and when it was used last."""
    if user.password is None:
        return "unknown"
    if not user.password:
        return "no"
    return f"used {ago(user.password_last_used, now)}" if user.password_last_used else "never used"


def key_text(key: ReportedKey, now: datetime) -> str:
    """Return one access key with its last use: key 1: s3 in us-east-1, 1 d ago."""
    parts = [] if key.active else ["inactive"]
    where = " in ".join(filter(None, (key.use.service, key.use.region)))
    used = ago(key.last_used, now) if key.last_used else "never used"
    return f"{key.slot}: {', '.join(filter(None, (*parts, where, used)))}"


def keys_text(user: UserForecast, now: datetime) -> tuple[str, ...]:
    """Return each access key with its last use."""
    if user.keys is None:
        return ("unknown",)
    return tuple(key_text(key, now) for key in user.keys) or ("none",)


def devices_text(user: UserForecast) -> str:
    """Return the MFA devices by kind, with their number if there are several of a kind."""
    if user.devices is None:
        return "unknown"
    numbers = {kind: user.devices.count(kind) for kind in DeviceKind if kind in user.devices}
    return ", ".join(f"{number} {kind}s" if number > 1 else str(kind) for kind, number in numbers.items()) or "none"


def what_stops(user: UserForecast) -> tuple[str, ...]:
    """Return what would stop working for one user, and what they can use instead."""
    return tuple(_what_stops(user))


def _what_stops(user: UserForecast) -> Iterator[str]:
    if user.stopping_keys:
        keys = " and ".join(f"{key.slot} ({key.use.service or 'service unknown'})" for key in user.stopping_keys)
        yield f"{keys}, if you enforce" if user.outcome is Outcome.DECIDE else keys
    if user.outcome in ENFORCED and user.mfa_method is MfaMethod.NONE and user.kind is not UserKind.UNUSED:
        yield "everything except enrolling a device"
    if user.mfa_method is MfaMethod.PASSKEY_ONLY and user.outcome in (*ENFORCED, Outcome.ENFORCED_ALREADY):
        yield "GetSessionToken for the CLI, because passkeys give no code: use aws login"
    if user.outcome is Outcome.IDLE and not user.certain:
        yield "a service-specific credential, if any"


def caller_text(preview: Preview) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return what enforcing MFA means for the caller: sentences, and warnings."""
    caller, user = preview.data.caller, preview.caller_user
    if caller.kind is not CallerKind.USER:
        return (_OTHER_CALLERS[caller.kind].format(name=caller.name),), ()
    if user is None:
        return (), (
            f"Read with the credentials of user {caller.name}, but IAM does not list this user yet. Run the preview"
            " again in a minute.",
        )
    facts = f"Read with the credentials of user {user.name} ({user.kind}, MFA devices: {devices_text(user)})."
    return (facts, f"{OUTCOMES[user.outcome]}."), tuple(_warnings(user, preview))


def _warnings(user: UserForecast, preview: Preview) -> Iterator[str]:
    caller = preview.data.caller
    key = f"the access key that ran this preview (ending in {caller.key_ending})"
    enforced = user.outcome in ENFORCED
    if enforced and user.mfa_method is MfaMethod.NONE:
        yield f"{user.name} would be blocked from everything except enrolling a device. Enroll one before you deploy."
    if enforced and caller.long_term:
        yield f"Once MFA is enforced for {user.name}, {key} stops working. Use an MFA session or a role from then on."
    elif user.outcome is Outcome.KEYS_STOP:
        keys = " and ".join(key.slot for key in user.stopping_keys)
        yield f"Once MFA is enforced for {user.name}, {keys} can no longer be used without MFA."
    if user.outcome is Outcome.DECIDE and caller.long_term:
        yield f"{user.name} is an active machine user. If you decide to enforce MFA, {key} stops working."
    if user.outcome is Outcome.UNKNOWN:
        yield f"It is not known what enforcing MFA would do to {user.name}. Enroll a device before you deploy."
    if enforced and user.mfa_method is MfaMethod.PASSKEY_ONLY:
        yield f"{user.name} has only passkeys, which give no code for GetSessionToken. For the CLI, use aws login."


_OTHER_CALLERS: Final[Mapping[CallerKind, str]] = {
    CallerKind.ROLE: "Read with the role {name}. It is not affected: the enforcement policy applies to IAM users only.",
    CallerKind.ROOT: "Read as root. The enforcement policy cannot apply to root, so use a role or an IAM user instead.",
    CallerKind.OTHER: "Read with a session of {name}. If an IAM user created it, it is enforced when the user is.",
}


def heading(data: AccountData) -> str:
    """Return what the preview shows, in one line."""
    return f"What enforcing MFA would do in account {data.account}"


def source_text(data: AccountData) -> str:
    """Return when the account was read, and how old the credential report is."""
    created = data.report_created
    report = f"credential report created {ago(created, data.read_at)}" if created else "no credential report"
    return f"Read at {utc_text(data.read_at)}, {report}."


def parameters(settings: Settings) -> Mapping[str, str]:
    """Return the template parameters that the preview assumes, by name."""
    return {
        "EnforceOn": settings.enforce_on,
        "WorkingMachineUsers": settings.working_machine_users,
        "ExemptPathPrefixes": ",".join(settings.exempt_path_prefixes),
    }


def parameters_text(settings: Settings) -> str:
    """Return the template parameters that the preview assumes, as sam deploy takes them."""
    return " ".join(f"{name}={value}" for name, value in parameters(settings).items() if value)


def totals_text(preview: Preview) -> tuple[str, ...]:
    """Return the totals, one line for each."""
    totals = preview.totals
    enforced = sum(totals.outcomes[outcome] for outcome in ENFORCED)
    lines = [
        f"{_counted(totals.users, 'user')}: {_kinds(totals.kinds)}.",
        f"{enforced} would be enforced: {_numbers({each: totals.outcomes[each] for each in ENFORCED})}.",
        f"{totals.users - enforced} would not: "
        f"{_numbers({each: number for each, number in totals.outcomes.items() if each not in ENFORCED})}.",
        f"In scope of Mode=events from the start: {totals.outcomes[Outcome.ENFORCED_ALREADY]}, who are enforced"
        f" already. Mode=all would add {_counted(enforced, 'user')}.",
        f"MFA: {_numbers(totals.mfa_methods)}. Only TOTP gives the codes that GetSessionToken needs for the CLI.",
    ]
    if totals.incomplete:
        lines.append(f"Some data about {_counted(totals.incomplete, 'user')} could not be read.")
    return tuple(lines)


def advice_text(advice: Advice) -> tuple[Instruction, ...]:
    """Return what to do about active machine users before MFA is enforced."""
    instructions = []
    if advice.paths:
        value = ",".join((*advice.configured_paths, *advice.paths))
        instructions.append(
            Instruction(
                "Every user below these paths is an active machine user. Deploy with this parameter:",
                (f"ExemptPathPrefixes={value}",),
            )
        )
    if advice.names:
        instructions.append(
            Instruction(
                f"Active machine users outside of such paths: {len(advice.names)}. Deploy with Mode=audit first, then"
                " exempt each one that must keep working without MFA:",
                tuple(exempt_command(name) for name in advice.names),
            )
        )
    return tuple(instructions) or (Instruction("There are no active machine users to exempt."),)


def _numbers(counts: Mapping[Part, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in counts.items() if number) or "none"


def _kinds(counts: Mapping[UserKind, int]) -> str:
    shown = (
        f"{number} {kind if number == 1 else _PLURALS.get(kind, kind)}" for kind, number in counts.items() if number
    )
    return ", ".join(shown) or "none"


_PLURALS: Final = {UserKind.PERSON: "people", UserKind.MACHINE: "active machine users"}


def _counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"
