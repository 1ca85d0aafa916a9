"""What the notices say: one mail a person wants to read, and the same as stable JSON for machines.

The JSON is described by docs/notice.schema.json; the shape of the SNS message by
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html (MessageStructure json).
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote

from mfa_guard.core.alerts import Alert
from mfa_guard.core.cloudtrail import Record, UserEvent
from mfa_guard.core.commands import enforce_command, exempt_command, undo_command
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.kinds import Kind, Severity
from mfa_guard.core.plan import Action, Plan, Standing
from mfa_guard.core.settings import Settings
from mfa_guard.core.text import safe, subject_line
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, AccessKey, UserState, Way

SCHEMA: Final = "mfa-guard/notice/1"
LARGEST: Final = 250_000

_CONSOLES: Final[Mapping[str, str]] = {
    "aws": "console.aws.amazon.com",
    "aws-cn": "console.amazonaws.cn",
    "aws-us-gov": "console.amazonaws-us-gov.com",
}
_SIGN_IN: Final[Mapping[str, str]] = {
    "aws": "signin.aws.amazon.com",
    "aws-cn": "signin.amazonaws.cn",
    "aws-us-gov": "signin.amazonaws-us-gov.com",
}


@dataclass(frozen=True)
class Done:
    """What the guard did for one user before it tells.

    `way`: how the policy was put on, None when it was not. `released`: the ways it was taken off.
    `problem`: what could not be done, and why; `retry`: it may be possible later.
    """

    way: Way | None = None
    fell_back: bool = False
    released: tuple[Way, ...] = ()
    problem: str | None = None
    retry: bool = False


@dataclass(frozen=True)
class Message:
    """One notice, ready for SNS: mail subject, message body of MessageStructure json, message attributes."""

    subject: str
    body: str
    attributes: Mapping[str, str]


@dataclass(frozen=True)
class _Draft:
    """A notice before it is laid out. Strings are shown as they are: whoever drafts makes them safe."""

    kind: Kind
    severity: Severity
    headline: str
    lead: Sequence[str]
    subject: Mapping[str, object]
    done: Sequence[str] = ()
    next: Sequence[str] = ()
    pastes: Mapping[str, str] = field(default_factory=dict)
    about: Sequence[str] = ()
    link: str = ""


@dataclass(frozen=True)
class _Telling:
    """Everything a sentence about a user may need."""

    event: UserEvent
    state: UserState
    plan: Plan
    done: Done
    settings: Settings
    now: datetime

    @property
    def name(self) -> str:
        return self.state.name

    @property
    def actor(self) -> str:
        return safe(self.event.record.actor.label)


def user_message(
    event: UserEvent, state: UserState, plan: Plan, done: Done, settings: Settings, now: datetime
) -> Message:
    """Return the notice that `plan` makes due.

    Raises ValueError when none is due and nothing went wrong.
    """
    telling = _Telling(event, state, plan, done, settings, now)
    if done.problem:
        kind, severity = Kind.NOT_ENFORCED, Severity.CRITICAL
    elif plan.due:
        kind, severity = plan.due.kind, plan.due.severity
    else:
        raise ValueError("There is no notice due for this plan.")
    headline, lead = _LEADS[kind](telling)
    draft = _Draft(
        kind=kind,
        severity=severity,
        headline=f"{state.name} {headline}",
        lead=[lead, *_caveats(telling)],
        subject={"kind": "user", "name": state.name, "id": state.id, "path": state.path},
        done=_deeds(telling),
        next=_next_steps(kind, telling),
        pastes=_pastes(kind, telling),
        about=_about_user(telling),
        link=_user_link(state.name, settings),
    )
    return _compose(draft, event.record, settings)


def root_message(event: UserEvent, settings: Settings) -> Message:
    """Return the notice about a change of the root user's credentials or MFA devices."""
    what = event.record.name
    draft = _Draft(
        kind=Kind.ROOT_CREDENTIALS,
        severity=Severity.CRITICAL,
        headline=f"root: {what}",
        lead=[
            f"{safe(what, 80)} changed a credential or an MFA device of this account's root user. The root user can do "
            "everything, and no policy in this account binds it."
        ],
        subject={"kind": "root", "name": None},
        done=["nothing but this notice: the guard never changes root"],
        next=[
            "If it was not you: sign in as root, remove what was added, change the password, and call AWS Support.",
            "Root should have an MFA device and no access keys.",
        ],
        link=f"https://{_console(settings)}/iam/home#/security_credentials",
    )
    return _compose(draft, event.record, settings)


def alert_message(alert: Alert, settings: Settings) -> Message:
    """Return the notice about root's sign-in, tampering with the guard, or a change of its stack."""
    family, what = alert.family, safe(alert.record.name, 80)
    target = f' "{safe(alert.target, 300)}"' if alert.target else ""
    headlines = {
        Kind.ROOT_SIGN_IN: "root signed in to the console",
        Kind.TAMPERING: f"mfa-guard's {family.what}: {what}",
        Kind.STACK_CHANGE: f"mfa-guard's stack: {what}",
    }
    mfa = {"Yes": " An MFA device was used.", "No": " No MFA device was used."}.get(alert.mfa_used or "", "")
    leads = {
        Kind.ROOT_SIGN_IN: f"Somebody signed in to the console as this account's root user.{mfa} {family.risk}",
        Kind.TAMPERING: f"{what} was called on the {family.what}{target}. {family.risk}",
        Kind.STACK_CHANGE: f"{what} was called on mfa-guard's own stack{target}. {family.risk}",
    }
    draft = _Draft(
        kind=family.kind,
        severity=family.severity,
        headline=headlines[family.kind],
        lead=[leads[family.kind]],
        subject={"kind": family.what, "name": safe(alert.target, 300) if alert.target else None},
        done=["nothing but this notice"],
        next=[family.repair],
        link=f"https://{_console(settings)}/cloudtrailv2/home?region={settings.region}#/events",
    )
    return _compose(draft, alert.record, settings)


def _noncompliant(t: _Telling) -> tuple[str, str]:
    blocked = t.plan.standing is Standing.ENFORCED
    outcome = (
        f"{_denies(t)} {t.name} everything but enrolling one, until there is a device and a sign-in with it."
        if blocked
        else "Nothing is enforced: EnforceOn covers users with a console password only, and there is none."
    )
    return "has no MFA device", f"{t.name} has no MFA device. {_exposed(t)} {outcome}"


def _new_credential(t: _Telling) -> tuple[str, str]:
    return (
        "got a credential, no MFA",
        f"{t.name}, who has had no MFA device since {t.state.tags.get(SINCE_TAG, 'an unknown time')}, got a new or "
        f"reactivated credential from {t.actor}. {_exposed(t)}",
    )


def _solved(t: _Telling) -> tuple[str, str]:
    return "has an MFA device now", f"{t.name} has an MFA device now. {_acts(t, 'remove')} the noncompliance tags."


def _decision(t: _Telling) -> tuple[str, str]:
    return (
        "is a machine user: decide",
        f"{t.name} looks like a working machine user: no console password, and a credential in use. Enforcing MFA "
        "would stop that machine, so mfa-guard does not do so on its own. Until somebody decides, the credential "
        "works without MFA.",
    )


def _enforcement_removed(t: _Telling) -> tuple[str, str]:
    lead = f"{t.actor} took the enforcement policy off {t.name}, or {t.name} out of the enforcement group."
    if t.plan.standing is not Standing.ENFORCED:
        return "was released by somebody", f"{lead} It stays off: EnforceOn covers users with a console password only."
    if not t.settings.writes:
        return "was released by somebody", f"{lead} In audit mode it stays off."
    return "was released; re-enforced", f"{lead} The policy binds {t.name} again."


def _tags_changed(t: _Telling) -> tuple[str, str]:
    return (
        "had mfa-guard tags changed",
        f"{t.actor} changed the tags by which mfa-guard marks noncompliant users. {_acts(t, 'restore')} them.",
    )


def _device_with_key(t: _Telling) -> tuple[str, str]:
    if t.event.by_oneself:
        return (
            "enrolled MFA by access key",
            f"{t.name} enrolled an MFA device with a long-term access key. Ask {t.name} whether this was so: whoever "
            "holds a leaked key can enrol a device of his own in this way.",
        )
    return (
        "possible takeover: MFA",
        f"{t.actor} enrolled an MFA device for {t.name} with a long-term access key. This is how a leaked key of an "
        "administrator takes over another user.",
    )


def _keys_stopped(t: _Telling) -> tuple[str, str]:
    if not t.settings.writes:
        return "would be enforced: keys", f"In another mode than audit, mfa-guard would enforce MFA for {t.name}."
    return "enforced: keys in use stop", f"{t.name} is now bound by the enforcement policy."


def _exempt_without_device(t: _Telling) -> tuple[str, str]:
    return (
        "is exempt, has no MFA now",
        f"The last MFA device of {t.name} is gone. {t.name} is exempt, so nothing is enforced and nothing is tagged.",
    )


def _released(t: _Telling) -> tuple[str, str]:
    return (
        "is exempt: released" if t.settings.writes else "is exempt: to be released",
        f"{t.name} is exempt and was still bound by the enforcement policy. {_acts(t, 'take')} it off.",
    )


def _not_enforced(t: _Telling) -> tuple[str, str]:
    return "could not be enforced", f"mfa-guard could not do its job for {t.name}: {t.done.problem}"


_LEADS: Final[Mapping[Kind, Callable[[_Telling], tuple[str, str]]]] = {
    Kind.NONCOMPLIANT: _noncompliant,
    Kind.NEW_CREDENTIAL: _new_credential,
    Kind.SOLVED: _solved,
    Kind.DECISION: _decision,
    Kind.ENFORCEMENT_REMOVED: _enforcement_removed,
    Kind.TAGS_CHANGED: _tags_changed,
    Kind.DEVICE_WITH_KEY: _device_with_key,
    Kind.KEYS_STOPPED: _keys_stopped,
    Kind.EXEMPT_WITHOUT_DEVICE: _exempt_without_device,
    Kind.RELEASED: _released,
    Kind.NOT_ENFORCED: _not_enforced,
}


def _acts(t: _Telling, verb: str) -> str:
    return f"mfa-guard {verb}s" if t.settings.writes else f"In another mode than audit, mfa-guard would {verb}"


def _denies(t: _Telling) -> str:
    return "The enforcement policy denies" if t.settings.writes else "In another mode than audit, mfa-guard would deny"


def _exposed(t: _Telling) -> str:
    exposure = t.plan.due.exposure if t.plan.due else frozenset()
    if not exposure:
        return "No console password and no active access key yet."
    keys = sorted(exposure - {"password"})
    parts = (["a console password"] if "password" in exposure else []) + [f"access key {key}" for key in keys]
    return f"Usable without MFA until now: {', '.join(parts)}."


def _caveats(t: _Telling) -> list[str]:
    """Return what else the administrators must hear: keys that stop working, an exemption and whether it holds."""
    return [*_stopping(t), *_exemption(t)]


def _stopping(t: _Telling) -> list[str]:
    asked = isinstance(t.state.keys, tuple) and t.plan.standing is Standing.ENFORCED
    keys = [key.id for key in t.state.keys_in_use(t.now)] if asked else []
    verb = "stop" if t.settings.writes else "would stop"
    return [f"Access keys in use that {verb} working without MFA: {', '.join(keys)}."] if keys else []


def _exemption(t: _Telling) -> list[str]:
    record = t.state.exemption
    if isinstance(record, MalformedExemption):
        return [f"An exemption is recorded and does not count. {record.problem}"]
    if isinstance(record, Exemption) and not record.holds(t.now):
        return [f"An exemption of {t.name}, recorded for {safe(record.owner)}, ended at {utc_text(record.expires_at)}."]
    if isinstance(record, Exemption):
        return [
            f"The exemption: owner {safe(record.owner)}, reason {safe(record.reason)}, recorded by "
            f"{safe(record.created_by)}, until {utc_text(record.expires_at)}."
        ]
    prefix = t.settings.exempt_path(t.state.path)
    return [f"Users below the path {prefix} are exempt (ExemptPathPrefixes)."] if prefix else []


def _deeds(t: _Telling) -> list[str]:
    if not t.settings.writes:
        return [f"would have: {_INTENTS[action]}" for action in t.plan.actions]
    policy = t.settings.policy_arn.rpartition("/")[2]
    marks = {
        Action.MARK: f"tags {t.name} {STATUS_TAG}={NONCOMPLIANT} and {SINCE_TAG}={utc_text(t.now)}",
        Action.CLEAR: f"removes the tags {', '.join(t.state.guard_tags())}",
    }
    reason = f", since {t.name} has as many as IAM allows the other way" if t.done.fell_back else ""
    put_on = {
        Way.USER: f"attached the policy {policy} to {t.name}{reason}",
        Way.GROUP: f"added {t.name} to the group {t.settings.group_name}, which carries the policy {policy}{reason}",
    }
    taken_off = {
        Way.USER: f"detached the policy {policy} from {t.name}",
        Way.GROUP: f"removed {t.name} from the group {t.settings.group_name}",
    }
    return [
        *([put_on[t.done.way]] if t.done.way else []),
        *(taken_off[way] for way in t.done.released),
        *(marks[action] for action in t.plan.actions if action in marks),
    ]


_INTENTS: Final[Mapping[Action, str]] = {
    Action.ENFORCE: "bound the user by the enforcement policy",
    Action.RELEASE: "released the user from the enforcement policy",
    Action.MARK: "tagged the user noncompliant",
    Action.CLEAR: "removed the noncompliance tags",
}

_BLOCKED: Final = {Kind.NONCOMPLIANT, Kind.NEW_CREDENTIAL, Kind.ENFORCEMENT_REMOVED, Kind.TAGS_CHANGED}
_UNDOABLE: Final = _BLOCKED | {Kind.KEYS_STOPPED, Kind.NOT_ENFORCED}


def _next_steps(kind: Kind, t: _Telling) -> list[str]:
    steps = {
        Kind.DECISION: [
            "Decide: exempt the user, with an owner and an end; or enforce, once the machine uses a role or MFA. "
            "Both commands are below.",
        ],
        Kind.KEYS_STOPPED: [
            "If a machine depends on one of these keys, undo with the paste below and give the machine a role.",
        ],
        Kind.DEVICE_WITH_KEY: [
            f"If nobody can explain it: deactivate the device and the access keys of {t.name} and of the actor.",
        ],
        Kind.NOT_ENFORCED: [
            f"Remove the cause: make room by fewer policies, groups or tags on {t.name}, or deploy the stack again if "
            "its policy or group is gone. mfa-guard tries again with the next event about the user.",
        ],
        Kind.ENFORCEMENT_REMOVED: ["If it was meant to be, record an exemption first: drift repair respects it."],
    }.get(kind, [])
    if kind in _BLOCKED and isinstance(t.state.devices, tuple) and not t.state.devices:
        steps += _enrolling(t)
    if kind is Kind.SOLVED:
        steps += [f"{t.name} signs out and in again: a session opened before enrolling stays without MFA."]
    return steps


def _enrolling(t: _Telling) -> list[str]:
    if t.state.password is False:
        first = (
            f"{t.name} has no console password, so the device is enrolled with the access key: aws iam "
            "create-virtual-mfa-device, then aws iam enable-mfa-device with two codes (AllowEnrolmentWithAccessKeys)."
        )
    else:
        first = (
            f"{t.name} enrols a device in two minutes: sign in at {_sign_in(t.settings)}, then Security credentials, "
            "Assign MFA device; sign out and in again."
        )
    return [
        first,
        "From then on, access keys need a session: aws sts get-session-token --serial-number ARN --token-code CODE. "
        "With a passkey only, which has no codes: aws login.",
    ]


def _pastes(kind: Kind, t: _Telling) -> dict[str, str]:
    if kind is Kind.DECISION:
        return {
            "exempt": exempt_command(t.state, t.settings, t.now),
            "enforce": enforce_command(t.state, t.settings),
        }
    ways = (t.done.way,) if t.done.way else tuple(way for way in Way if _known_bound(t.state, way))
    if kind is Kind.NOT_ENFORCED and not ways:
        return {"enforce": enforce_command(t.state, t.settings)}
    undoable = t.done.way or kind in _UNDOABLE
    if t.plan.standing is Standing.EXEMPT or not ways or not t.settings.writes or not undoable:
        return {}
    return {"undo": undo_command(t.state, ways, t.settings, t.now)}


def _known_bound(state: UserState, way: Way) -> bool:
    return (state.attached if way is Way.USER else state.grouped) is True


_PASTES: Final[Mapping[str, str]] = {
    "undo": "TO UNDO (records an exemption of 30 days for this user's id, then releases)",
    "exempt": "TO EXEMPT (30 days; put your owner and reason in)",
    "enforce": "TO ENFORCE",
}


def _about_user(t: _Telling) -> list[str]:
    """Return what the guard knows of the user; what it had no reason to ask is not mentioned."""
    state = t.state
    lines = [f"{state.name} (id {state.id}, path {safe(state.path, 512)})"]
    if isinstance(state.devices, tuple):
        lines.append("MFA devices: " + (", ".join(safe(device.serial) for device in state.devices) or "none"))
    if isinstance(state.password, bool):
        lines.append("Console password: " + ("yes" if state.password else "no"))
    if isinstance(state.keys, tuple):
        lines.append("Access keys: " + ("; ".join(_key(key) for key in state.keys) or "none"))
    if isinstance(state.service_credentials, tuple) and state.service_credentials:
        shown = "; ".join(
            f"{safe(credential.id)} for {safe(credential.service)}, {'active' if credential.active else 'inactive'}"
            for credential in state.service_credentials
        )
        lines.append(f"Service-specific credentials: {shown}")
    return lines


def _key(key: AccessKey) -> str:
    used = f"last used {utc_text(key.last_used)}" if key.last_used else "no use on record"
    return f"{key.id} ({'active' if key.active else 'inactive'}, {used})"


def _console(settings: Settings) -> str:
    return _CONSOLES.get(settings.partition, _CONSOLES["aws"])


def _sign_in(settings: Settings) -> str:
    host = _SIGN_IN.get(settings.partition, _SIGN_IN["aws"])
    return f"https://{settings.account}.{host}/console"


def _user_link(name: str, settings: Settings) -> str:
    return f"https://{_console(settings)}/iam/home#/users/details/{quote(name, safe='')}"


def _compose(draft: _Draft, record: Record, settings: Settings) -> Message:
    body = json.dumps(
        {
            "default": json.dumps(_data(draft, record, settings), ensure_ascii=False),
            "email": _mail(draft, record, settings),
        },
        ensure_ascii=False,
    )
    if len(body.encode()) > LARGEST:
        # Every string is bounded where it comes in, so this is a defect and not a large account.
        raise ValueError(f"A notice of {len(body.encode())} bytes is larger than {LARGEST}.")
    return Message(
        subject=subject_line(f"{draft.severity.upper()}: {draft.headline}"),
        body=body,
        attributes={"severity": draft.severity.value, "kind": draft.kind.value, "account": settings.account},
    )


def _data(draft: _Draft, record: Record, settings: Settings) -> dict[str, object]:
    actor = record.actor
    return {
        "schema": SCHEMA,
        "kind": draft.kind.value,
        "severity": draft.severity.value,
        "account": settings.account,
        "mode": settings.mode.value,
        "summary": " ".join(draft.lead),
        "subject": dict(draft.subject),
        "event": {"id": safe(record.id), "name": safe(record.name), "time": utc_text(record.time)},
        "actor": {
            "label": safe(actor.label),
            "mfa": actor.mfa,
            "address": safe(record.address),
            "user_agent": safe(record.user_agent, 300),
        },
        "done": list(draft.done),
        "next": list(draft.next),
        "commands": dict(draft.pastes),
        "console": draft.link,
        "help": settings.help_url or None,
    }


def _mail(draft: _Draft, record: Record, settings: Settings) -> str:
    deed = "WHAT MFA-GUARD DOES" if settings.writes else "WHAT MFA-GUARD WOULD DO (Mode: audit, nothing was changed)"
    session = {True: ", in a session with MFA", False: ", in a session without MFA", None: ""}[record.actor.mfa]
    blocks = [
        "\n".join(draft.lead),
        _block(
            "WHAT HAPPENED",
            [
                f"{safe(record.name)} at {utc_text(record.time)} (event {safe(record.id)})",
                f"by {safe(record.actor.label)}{session}",
                f"from {safe(record.address)}",
                f'client, in the caller\'s own words: "{safe(record.user_agent, 300)}"',
            ],
        ),
        _block("THE USER", draft.about),
        _block(deed, [f"- {deed}" for deed in draft.done] or ["- nothing: no change was needed"]),
        _block("WHAT TO DO NEXT", [f"- {step}" for step in draft.next]),
        *(f"{_PASTES[name]}\n{command}" for name, command in draft.pastes.items()),
        _block("", [f"Account {settings.account}. Console: {draft.link}", *_help(settings)]),
    ]
    return "\n\n".join(block for block in blocks if block) + "\n"


def _help(settings: Settings) -> list[str]:
    return [f"Help: {settings.help_url}"] if settings.help_url else []


def _block(title: str, lines: Sequence[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)] if title else lines) if lines else ""
