"""Explain one user: their state, what the guard would do and by which rule, and what the user can do now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import typer

from mfa_guard.core.account.assessment import Assessment, assessment_of
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.exemption import Exemption, MalformedExemption
from mfa_guard.core.mail.digest_lines import in_use
from mfa_guard.core.mail.user_notices import about_user
from mfa_guard.core.plan import Action, Rule, UserPlan, deciding_rule, plan_for_user
from mfa_guard.core.settings import Mode, Settings
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import GUARD_TAGS, Field, FieldNotLoaded, UserState
from mfa_guard.core.user_record import Standing
from mfa_guard_cli.admin.exemption_records import in_words
from mfa_guard_cli.admin.guard import open_guard
from mfa_guard_cli.admin.simulation import CONTEXTS, Simulated, Unavailable, simulate
from mfa_guard_cli.common.errors import WrongUse
from mfa_guard_cli.common.options import Format
from mfa_guard_cli.common.output import print_json, print_table, printable
from mfa_guard_cli.common.stack_location import StackLocation

# The rules' numbers in the README. Rule 1 is the root user, and rule 2 is a user who no longer exists.
_NUMBERS: Final[Mapping[Rule, int]] = {
    Rule.EXEMPT_BY_PATH: 3,
    Rule.EXEMPT_BY_RECORD: 3,
    Rule.ENFORCED_ALREADY: 4,
    Rule.ACTIVE_MACHINE: 5,
    Rule.WITHOUT_PASSWORD: 6,
    Rule.EVERYBODY_ELSE: 7,
}
_ROOT_NAMES: Final = frozenset({"root", "<root_account>", "AWS ROOT USER"})
_HEADINGS: Final = ("ACTION", "ACCESS KEY ALONE", "CONSOLE WITHOUT MFA", "WITH MFA")


@dataclass(frozen=True)
class _Explanation:
    state: UserState
    rule: Rule
    plan: UserPlan
    assessment: Assessment
    settings: Settings
    now: datetime
    simulated: Sequence[Simulated] | Unavailable


def explain_user(name: str, location: StackLocation, output_format: Format) -> None:
    """Print the explanation of a user. Raises WrongUse if the user does not exist."""
    guard = open_guard(location)
    now = guard.now()
    try:
        state = guard.complete_user(name, now)
    except WrongUse as error:
        if name in _ROOT_NAMES:
            raise WrongUse(
                "The root user is rule 1: mfa-guard sends a critical notice and calls no IAM API, since no policy of"
                " the account applies to the root user. There is no IAM user of that name."
            ) from error
        raise
    settings = guard.settings
    rule, plan = _decide(state, settings, now)
    explanation = _Explanation(
        state=state,
        rule=rule,
        plan=plan,
        assessment=assessment_of(state, plan, settings, now, certain=True),
        settings=settings,
        now=now,
        simulated=simulate(guard.iam, state.name, state.path, settings.account, settings.partition),
    )
    if output_format == "json":
        print_json(_as_json(explanation))
    else:
        _print(explanation)


def _decide(state: UserState, settings: Settings, now: datetime) -> tuple[Rule, UserPlan]:
    """Return the rule that decides, and the plan. Raises FieldNotLoaded, which `complete_user` prevents."""
    rule, plan = deciding_rule(state, settings, now), plan_for_user(state, settings, now)
    if isinstance(rule, Field):
        raise FieldNotLoaded(rule)
    if isinstance(plan, Field):
        raise FieldNotLoaded(plan)
    return rule, plan


def _print(explanation: _Explanation) -> None:
    decision = f"Rule {_NUMBERS[explanation.rule]} of 7 decides: {_reason(explanation)}"
    lines = [
        *about_user(explanation.state),
        *_state_lines(explanation),
        "",
        decision,
        "",
        *_plan_lines(explanation),
        "",
    ]
    for line in lines:
        typer.echo(printable(line))
    simulated = explanation.simulated
    if isinstance(simulated, Unavailable):
        typer.echo(printable(simulated.reason))
        return
    typer.echo("IAM's policy simulator at this moment (without resource policies and session policies):")
    print_table(_HEADINGS, [[each.action, *(each.decisions[name] for name in CONTEXTS)] for each in simulated])


def _state_lines(explanation: _Explanation) -> list[str]:
    state, tags = explanation.state, explanation.state.tags
    routes = {
        AttachmentRoute.DIRECT: "the policy is attached",
        AttachmentRoute.GROUP: "the user is a member of the enforcement group",
    }
    enforced_by = " and ".join(routes[route] for route in state.routes())
    guard_tags = ", ".join(f"{key}={tags[key]}" for key in GUARD_TAGS if key in tags)
    return [
        f"Enforced: {enforced_by or 'no'}",
        f"Tags of the guard: {guard_tags or 'none'}",
        f"Exemption: {_exemption_text(state.exemption_record(), explanation.now)}",
    ]


def _exemption_text(record: Exemption | MalformedExemption | None, now: datetime) -> str:
    match record:
        case None:
            return "none"
        case MalformedExemption():
            return f"malformed, so it exempts no user. {record.problem}"
        case _:
            return f"{'in force' if record.in_force(now) else 'expired'}, {in_words(record)}"


def _reason(explanation: _Explanation) -> str:
    prefix = explanation.settings.exempt_path(explanation.state.path)
    reasons: Mapping[Rule, str] = {
        Rule.EXEMPT_BY_PATH: f"the user is exempt, because of the path {prefix} (ExemptPathPrefixes).",
        Rule.EXEMPT_BY_RECORD: "the user is exempt, because of the exemption above.",
        Rule.ENFORCED_ALREADY: f"the user {_enforcement(explanation.state)} and stays enforced. Only an exemption"
        " releases the user.",
        Rule.ACTIVE_MACHINE: "the user is an active machine user, with no console password and in use: "
        f"{in_use(explanation.assessment, explanation.now)}. An administrator decides (WorkingMachineUsers: review).",
        Rule.WITHOUT_PASSWORD: "the user has no console password, so the guard does not enforce (EnforceOn: console).",
        Rule.EVERYBODY_ELSE: "no earlier rule fits, so the guard enforces.",
    }
    return reasons[explanation.rule]


def _enforcement(state: UserState) -> str:
    return "is enforced already" if state.routes() else "was enforced by the guard"


_ACTIONS: Final[Mapping[Action, str]] = {
    Action.ENFORCE: "enforce",
    Action.RELEASE: "release",
    Action.MARK: "tag as noncompliant",
    Action.CLEAR: "remove the guard's tags",
}
_WHEN: Final[Mapping[Mode, str]] = {
    Mode.AUDIT: "Mode is audit, so the guard changes nothing. In another Mode it would",
    Mode.EVENTS: "At the next event about this user, or in the next sweep if the user is in scope, the guard would",
    Mode.ALL: "At the next event about this user, or in the next sweep, the guard would",
}


def _plan_lines(explanation: _Explanation) -> list[str]:
    actions, state = explanation.plan.actions, explanation.state
    planned = ", ".join(_ACTIONS[action] for action in actions)
    lines = [f"{_WHEN[explanation.settings.mode]}: {planned}."] if planned else ["The guard would change nothing."]
    if explanation.plan.standing is Standing.ACTIVE_MACHINE:
        lines.append("An administrator has to decide: mfa-guard exempt add, or mfa-guard enforce.")
    if Action.ENFORCE in actions and (keys := state.keys_in_use(explanation.now)):
        lines.append(f"Access keys in use that would stop working without MFA: {', '.join(key.id for key in keys)}.")
    if due := explanation.assessment.key_deactivation.due:
        lines.append(
            f"Without an MFA device, the guard deactivates active access keys on {utc_text(due)} at the earliest "
            "(DeactivateKeysAfterDays)."
        )
    return lines


def _exemption_json(record: Exemption | MalformedExemption | None, now: datetime) -> dict[str, str] | None:
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


def _as_json(explanation: _Explanation) -> dict[str, object]:
    rule, due = explanation.rule, explanation.assessment.key_deactivation.due
    return {
        "user": _user_json(explanation.state, explanation.now),
        "mode": explanation.settings.mode.value,
        "standing": explanation.plan.standing.value,
        "rule": {"number": _NUMBERS[rule], "name": rule.value, "why": _reason(explanation)},
        "would": [action.value for action in explanation.plan.actions],
        "keys_deactivated_from": utc_text(due) if due else None,
        "simulation": _simulation_json(explanation.simulated),
    }


def _user_json(state: UserState, now: datetime) -> dict[str, object]:
    return {
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
        "enforced_by": [route.value for route in state.routes()],
        "tags": {key: state.tags[key] for key in state.guard_tags()},
        "exemption": _exemption_json(state.exemption_record(), now),
    }


def _simulation_json(simulated: Sequence[Simulated] | Unavailable) -> dict[str, object]:
    if isinstance(simulated, Unavailable):
        return {"unavailable": simulated.reason, "actions": []}
    return {"unavailable": None, "actions": [{"action": each.action, **each.decisions} for each in simulated]}
