"""One user: how he stands, what the guard would do about it and by which rule, and what he can do now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer

from mfa_guard.core.account.assessment import Assessment, assessment_of
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.digest import in_use
from mfa_guard.core.mail.notices import about_user
from mfa_guard.core.plan import Action, Rule, Standing, UserPlan, deciding_rule, plan_for_user
from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import GUARD_TAGS, Field, FieldNotLoaded, UserState
from mfa_guard_cli.admin.exemption_records import in_words
from mfa_guard_cli.admin.guard import open_guard
from mfa_guard_cli.admin.simulation import CONTEXTS, Simulated, Unavailable, simulate
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import print_json, print_table, printable
from mfa_guard_cli.common.stack_location import StackLocation

# The rules are counted as README's table has them: 1 is the root user, 2 a user who is gone.
_NUMBERS: Final[Mapping[Rule, int]] = {
    Rule.EXEMPT_BY_PATH: 3,
    Rule.EXEMPT_BY_RECORD: 3,
    Rule.ENFORCED_ALREADY: 4,
    Rule.ACTIVE_MACHINE: 5,
    Rule.WITHOUT_PASSWORD: 6,
    Rule.EVERYBODY_ELSE: 7,
}
_ROOT: Final = frozenset({"root", "<root_account>", "AWS ROOT USER"})
_ABOUT_ROOT: Final = (
    "The root user is rule 1: mfa-guard sends a critical notice, and makes no call for root, whom no policy of this "
    "account binds."
)
_HEADINGS: Final = ("ACTION", "ACCESS KEY ALONE", "CONSOLE WITHOUT MFA", "WITH MFA")


@dataclass(frozen=True)
class _Explained:
    state: UserState
    rule: Rule
    plan: UserPlan
    assessment: Assessment
    settings: Settings
    now: datetime
    simulated: Sequence[Simulated] | Unavailable


def explain_user(name: str, place: StackLocation, form: Format) -> None:
    """Print what the guard thinks of a user. Raises WrongUse for one who does not exist."""
    guard = open_guard(place)
    try:
        now = guard.now()
        state = guard.whole_user(name, now)
    except WrongUse as unknown:
        if name in _ROOT:
            raise WrongUse(f"{_ABOUT_ROOT} There is no IAM user of that name.") from unknown
        raise
    chosen = guard.settings
    rule, demanded = _decided(state, chosen, now)
    found = _Explained(
        state=state,
        rule=rule,
        plan=demanded,
        assessment=assessment_of(state, demanded, chosen, now, certain=True),
        settings=chosen,
        now=now,
        simulated=simulate(guard.iam, state.name, state.path, chosen.account, chosen.partition),
    )
    if form is Format.JSON:
        print_json(_as_json(found))
    else:
        _print(found)


def _decided(state: UserState, chosen: Settings, now: datetime) -> tuple[Rule, UserPlan]:
    """Return what decides, and what follows. Raises Ask when the state lacks an answer, which `whole_user` has."""
    rule, demanded = deciding_rule(state, chosen, now), plan_for_user(state, chosen, now)
    if isinstance(rule, Field):
        raise FieldNotLoaded(rule)
    if isinstance(demanded, Field):
        raise FieldNotLoaded(demanded)
    return rule, demanded


def _print(found: _Explained) -> None:
    for line in [*about_user(found.state), *_standing(found), "", *_deciding(found), "", *_would(found), ""]:
        typer.echo(printable(line))
    if isinstance(found.simulated, Unavailable):
        typer.echo(printable(found.simulated.reason))
        return
    typer.echo("What IAM's own simulation says of this moment (without resource policies and session policies):")
    print_table(_HEADINGS, [[each.action, *(each.answers[name] for name in CONTEXTS)] for each in found.simulated])


def _standing(found: _Explained) -> list[str]:
    state, tags = found.state, found.state.tags
    routes = {
        AttachmentRoute.DIRECT: "the policy is attached",
        AttachmentRoute.GROUP: "a member of the enforcement group",
    }
    bound = " and ".join(routes[route] for route in state.routes())
    marks = ", ".join(f"{key}={tags[key]}" for key in GUARD_TAGS if key in tags)
    return [
        f"Bound: {bound or 'no'}",
        f"Tags of the guard: {marks or 'none'}",
        f"Exemption record: {_record(state.exemption_record(), found.now)}",
    ]


def _record(record: Exemption | MalformedExemption | None, now: datetime) -> str:
    match record:
        case None:
            return "none"
        case MalformedExemption():
            return f"does not count. {record.problem}"
        case _:
            return f"{'in force' if record.in_force(now) else 'expired'}, {in_words(record)}"


def _deciding(found: _Explained) -> list[str]:
    return [f"Rule {_NUMBERS[found.rule]} of 7 decides: {_why(found)}"]


def _why(found: _Explained) -> str:
    prefix, credentials = found.settings.exempt_path(found.state.path), in_use(found.assessment, found.now)
    why: Mapping[Rule, str] = {
        Rule.EXEMPT_BY_PATH: f"exempt, as users below {prefix} are (ExemptPathPrefixes).",
        Rule.EXEMPT_BY_RECORD: "exempt, by the record above.",
        Rule.ENFORCED_ALREADY: "bound already, and so it stays: only an exemption releases.",
        Rule.ACTIVE_MACHINE: f"a active machine user: no console password, and in use: {credentials}. "
        "WorkingMachineUsers is review, so an administrator decides.",
        Rule.WITHOUT_PASSWORD: "no console password, and EnforceOn is console: not bound.",
        Rule.EVERYBODY_ELSE: "nothing above it fits, so the policy has to bind.",
    }
    return why[found.rule]


_DEEDS: Final[Mapping[Action, str]] = {
    Action.ENFORCE: "bind by the enforcement policy",
    Action.RELEASE: "take the enforcement policy off",
    Action.MARK: "tag noncompliant",
    Action.CLEAR: "remove the guard's tags",
}
_WHEN: Final[Mapping[Mode, str]] = {
    Mode.AUDIT: "Mode is audit, so nothing is done; in another Mode the guard would",
    Mode.EVENTS: "At the next event about this user, the guard would",
    Mode.ALL: "At the next event about this user, or with the next sweep, the guard would",
}


def _would(found: _Explained) -> list[str]:
    actions, state = found.plan.actions, found.state
    deeds = ", ".join(_DEEDS[action] for action in actions)
    lines = [f"{_WHEN[found.settings.mode]}: {deeds}."] if deeds else ["The guard would change nothing."]
    if found.plan.standing is Standing.ACTIVE_MACHINE:
        lines.append("It asks for a decision: mfa-guard exempt add, or mfa-guard enforce.")
    if Action.ENFORCE in actions and (keys := state.keys_in_use(found.now)):
        lines.append(f"Access keys in use that would stop working without MFA: {', '.join(key.id for key in keys)}.")
    if found.assessment.key_deactivation.due:
        lines.append(
            "Without a device, active access keys are deactivated on "
            f"{utc_text(found.assessment.key_deactivation.due)} at the "
            "earliest (DeactivateKeysAfterDays)."
        )
    return lines


def _exemption(record: Exemption | MalformedExemption | None, now: datetime) -> dict[str, str] | None:
    match record:
        case None:
            return None
        case MalformedExemption():
            return {"state": "malformed", "problem": record.problem}
        case _:
            return {
                "state": "valid" if record.in_force(now) else "expired",
                "until": utc_text(record.expires_at),
                "owner": record.owner,
                "reason": record.reason,
                "created_by": record.created_by,
            }


def _as_json(found: _Explained) -> dict[str, object]:
    state = found.state
    record = state.exemption_record()
    simulated = found.simulated
    return {
        "user": {
            "name": state.name,
            "id": state.id,
            "path": state.path,
            "devices": [each.serial for each in state.devices] if isinstance(state.devices, tuple) else [],
            "password": state.has_password(),
            "access_keys": [
                {"id": key.id, "active": key.active, "last_used": utc_text(key.last_used) if key.last_used else None}
                for key in state.access_keys()
            ],
            "service_credentials": [
                {"id": each.id, "service": each.service, "active": each.active}
                for each in (state.service_credentials if isinstance(state.service_credentials, tuple) else ())
            ],
            "bound_by": [route.value for route in state.routes()],
            "tags": {key: state.tags[key] for key in state.guard_tags()},
            "exemption": _exemption(record, found.now),
        },
        "mode": found.settings.mode.value,
        "standing": found.plan.standing.value,
        "rule": {"number": _NUMBERS[found.rule], "name": found.rule.value, "why": _why(found)},
        "would": [action.value for action in found.plan.actions],
        "keys_deactivated_from": utc_text(found.assessment.key_deactivation.due)
        if found.assessment.key_deactivation.due
        else None,
        "simulation": {"unavailable": simulated.reason, "actions": []}
        if isinstance(simulated, Unavailable)
        else {
            "unavailable": None,
            "actions": [{"action": each.action, **each.answers} for each in simulated],
        },
    }
