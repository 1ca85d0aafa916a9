"""Treat one user of a sweep: confirm the plan, enforce or release, and tag.

One user's failure never stops the others: it becomes part of that user's treatment.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from mfa_guard.core.account.assessment import Assessment, assessment_of
from mfa_guard.core.account.snapshot import unload_stale_fields
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, QuotaExceeded, UserGone
from mfa_guard.core.plan import Action, UserPlan, plan_for_user
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.times import utc_text
from mfa_guard.core.user import NONCOMPLIANT, SINCE_TAG, STATUS_TAG, Field, UserState
from mfa_guard.ports import Iam
from mfa_guard.use_cases.enforcement import enforce, quota_text, release
from mfa_guard.use_cases.load import load
from mfa_guard.use_cases.sweep.dependencies import SweepRound

# A listing that is older does not tell who has a name now.
_CURRENT: Final = timedelta(seconds=60)

_POLICY_IS_GONE: Final = "the enforcement policy or group does not exist. The drift of the stack shows what to restore."


class AnotherUser(Exception):
    """The name belongs to another user than the one who was listed."""


@dataclass(frozen=True)
class Listed:
    """A user who may have to be changed. `at` is when the user was listed, and the exemption was read."""

    assessment: Assessment
    at: datetime


def treat(listed: Listed, this_round: SweepRound) -> Treatment:
    """Change the user as planned, unless time is up, and return what was done."""
    untouched = Treatment(listed.assessment)
    if this_round.dependencies.clock.now() > this_round.until:
        return replace(untouched, reached=False)
    try:
        confirmed = _confirm(listed, this_round)
    except (AnotherUser, UserGone):
        return replace(untouched, gone=True)
    except AwsRequestFailed as refused:
        return replace(untouched, failure=sanitize(str(refused), 300))
    try:
        treatment = _enforce_or_release(confirmed, this_round)
    except UserGone:
        return _find_out_what_is_gone(untouched, this_round.dependencies.iam)
    except AwsRequestFailed as refused:
        return replace(untouched, failure=sanitize(str(refused), 300))
    return _tag(treatment, this_round)


def same_user(state: UserState, iam: Iam) -> UserState:
    """Return the user as GetUser shows it, with the fields of `state` that GetUser does not show.

    Raises AnotherUser if the name belongs to another user, and UserGone if it belongs to none.
    """
    current = iam.user(state.name)
    if current.id != state.id:
        raise AnotherUser(state.name)
    return replace(state, path=current.path, tags=current.tags)


def confirm_identity(state: UserState, this_round: SweepRound) -> UserState:
    """Return the user with id and exemption as they are at this moment; see `same_user` for the errors."""
    dependencies = this_round.dependencies
    records = dependencies.exemptions.current([state.id], dependencies.clock.now())
    return replace(same_user(state, dependencies.iam), exemption=records.get(state.id))


def _confirm(listed: Listed, this_round: SweepRound) -> Assessment:
    """Plan again from what IAM shows now, as the bulk reads can be late."""
    now, assessment = this_round.dependencies.clock.now(), listed.assessment
    state = assessment.state
    if old := now - listed.at > _CURRENT:
        state = confirm_identity(state, this_round)
    state = unload_stale_fields(state, now, assessment.assumed)
    state, plan = _plan(state, this_round, now)
    if Action.RELEASE in plan.actions and not old:
        state, plan = _plan(confirm_identity(state, this_round), this_round, now)
    return assessment_of(state, plan, this_round.settings, now, certain=True)


def _plan(state: UserState, this_round: SweepRound, now: datetime) -> tuple[UserState, UserPlan]:
    while isinstance(plan := plan_for_user(state, this_round.settings, now), Field):
        state = load(state, plan, this_round.dependencies.iam)
    return state, plan


def _find_out_what_is_gone(untouched: Treatment, iam: Iam) -> Treatment:
    try:
        same_user(untouched.assessment.state, iam)
    except (UserGone, AnotherUser):
        return replace(untouched, gone=True)
    except AwsRequestFailed as refused:
        return replace(untouched, failure=sanitize(str(refused), 300))
    return replace(untouched, failure=_POLICY_IS_GONE)


def _enforce_or_release(assessment: Assessment, this_round: SweepRound) -> Treatment:
    state, actions, iam = assessment.state, assessment.plan.actions, this_round.dependencies.iam
    if Action.RELEASE in actions:
        result = release(state, iam)
        return Treatment(
            replace(assessment, state=replace(state, attached=False, in_group=False)),
            result,
            failure=_released_another_user(state, iam),
        )
    if Action.ENFORCE not in actions:
        return Treatment(assessment)
    result = enforce(state.name, this_round.settings.enforce_through, iam)
    if result.route is None:
        return Treatment(assessment, result, failure=result.problem)
    return Treatment(replace(assessment, state=_enforced_by(result.route, state)), result)


def _enforced_by(route: AttachmentRoute, state: UserState) -> UserState:
    return replace(state, attached=True) if route is AttachmentRoute.DIRECT else replace(state, in_group=True)


def _released_another_user(state: UserState, iam: Iam) -> str | None:
    """Return what went wrong if the name changed hands between the confirmation and the release.

    IAM has no write that depends on the id.
    """
    try:
        same_user(state, iam)
    except AnotherUser:
        return (
            "another user got this name while the sweep released the exempt user. The next sweep enforces as planned."
        )
    except UserGone:
        return None
    except AwsRequestFailed as refused:
        return f"released, but not checked afterwards: {sanitize(str(refused), 250)}"
    return None


def _tag(treatment: Treatment, this_round: SweepRound) -> Treatment:
    """Write the tags that the plan demands. A used-up quota for policies or groups does not prevent them."""
    assessment, iam = treatment.assessment, this_round.dependencies.iam
    state, tagged = assessment.state, list[Action]()
    try:
        for action in assessment.plan.actions:
            if action is Action.MARK:
                since = this_round.dependencies.clock.now()
                iam.mark(state.name, since)
                state = replace(state, tags={**state.tags, STATUS_TAG: NONCOMPLIANT, SINCE_TAG: utc_text(since)})
                tagged.append(action)
            elif action is Action.CLEAR:
                iam.clear(state.name, state.guard_tags())
                state = replace(state, tags={})
                tagged.append(action)
    except QuotaExceeded as refused:
        failure: str | None = f"the tags cannot be set. IAM said: {quota_text(refused)}."
    except UserGone:
        return replace(treatment, gone=True)
    except AwsRequestFailed as refused:
        failure = sanitize(str(refused), 300)
    else:
        failure = None
    problems = "; ".join(filter(None, (treatment.failure, failure)))
    return replace(
        treatment, assessment=replace(assessment, state=state), tagged=tuple(tagged), failure=problems or None
    )
