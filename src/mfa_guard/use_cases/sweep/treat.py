"""Treat each user of a sweep: confirm the plan live, enforce or release, and find the keys to deactivate.

One user's failure never stops the others: it becomes part of that user's treatment.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial

from mfa_guard.core.account.assessment import Assessment, assessment_of
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.snapshot import unload_stale_fields
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.attachments import AttachmentRoute
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.plan import Action, plan_for_user
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user import Field, UserState
from mfa_guard.ports import Iam
from mfa_guard.use_cases.enforcement import enforce, release
from mfa_guard.use_cases.load import load
from mfa_guard.use_cases.sweep.dependencies import SweepRound, in_threads


def treat_all(
    assessments: Sequence[Assessment], noted: frozenset[str], this_round: SweepRound, until: datetime
) -> tuple[Treatment, ...]:
    """Change the users who need it until `until`, and return the treatment of every user.

    A user who needs nothing costs no call to AWS. `noted` are the names of the users who may be enforced or released
    in this round; see `mfa_guard.use_cases.sweep.record.note_users`.
    """
    treat = partial(_treat, noted=noted, this_round=this_round, until=until)
    return in_threads(treat, assessments, this_round.dependencies.workers)


def changes_enforcement(assessment: Assessment) -> bool:
    """Tell whether the user may be enforced or released, as far as the bulk reads show."""
    return not _needs_nothing(assessment) and assessment.enforced is assessment.exempt


def _needs_nothing(assessment: Assessment) -> bool:
    return (
        assessment.certain
        and not assessment.plan.actions
        and assessment.key_deactivation.step is DeactivationStep.NOTHING
    )


def _treat(assessment: Assessment, noted: frozenset[str], this_round: SweepRound, until: datetime) -> Treatment:
    if _needs_nothing(assessment):
        return Treatment(assessment)
    not_noted = changes_enforcement(assessment) and assessment.state.name not in noted
    if not_noted or this_round.dependencies.clock.now() > until:
        return Treatment(assessment, reached=False)
    try:
        treatment = _enforce_or_release(_confirm(assessment, this_round), this_round)
        return _with_keys(treatment, this_round)
    except UserGone:
        return _find_out_what_is_gone(assessment, this_round.dependencies.iam)
    except AwsRequestFailed as refused:
        return Treatment(assessment, failure=sanitize(str(refused), 300))


def _find_out_what_is_gone(assessment: Assessment, iam: Iam) -> Treatment:
    try:
        iam.user(assessment.state.name)
    except UserGone:
        return Treatment(assessment, gone=True)
    except AwsRequestFailed as refused:
        return Treatment(assessment, failure=sanitize(str(refused), 300))
    return Treatment(
        assessment,
        failure="the enforcement policy or group does not exist. The drift of the stack shows what to restore.",
    )


def _confirm(assessment: Assessment, this_round: SweepRound) -> Assessment:
    """Plan again from what IAM shows now, as the bulk reads can be late."""
    now = this_round.dependencies.clock.now()
    state = unload_stale_fields(assessment.state, now, assessment.assumed)
    while isinstance(plan := plan_for_user(state, this_round.settings, now), Field):
        state = load(state, plan, this_round.dependencies.iam)
    return assessment_of(state, plan, this_round.settings, now, certain=True)


def _enforce_or_release(assessment: Assessment, this_round: SweepRound) -> Treatment:
    state, actions, iam = assessment.state, assessment.plan.actions, this_round.dependencies.iam
    if Action.RELEASE in actions:
        result = release(state, iam)
        return Treatment(replace(assessment, state=replace(state, attached=False, in_group=False)), result)
    if Action.ENFORCE not in actions:
        return Treatment(assessment)
    result = enforce(state.name, this_round.settings.enforce_through, iam)
    if result.route is None:
        return Treatment(assessment, result, failure=result.problem)
    return Treatment(replace(assessment, state=_enforced_by(result.route, state)), result)


def _enforced_by(route: AttachmentRoute, state: UserState) -> UserState:
    return replace(state, attached=True) if route is AttachmentRoute.DIRECT else replace(state, in_group=True)


def _with_keys(treatment: Treatment, this_round: SweepRound) -> Treatment:
    """Return `treatment` with the keys to announce or deactivate, as IAM lists them now."""
    assessment, state = treatment.assessment, treatment.assessment.state
    if assessment.key_deactivation.step is DeactivationStep.NOTHING or treatment.failure:
        return treatment
    # The credential report has no ids of keys.
    if not isinstance(state.keys, tuple) or any(key.id.startswith("key ") for key in state.keys):
        state = load(state, Field.KEYS, this_round.dependencies.iam)
    now = this_round.dependencies.clock.now()
    return replace(
        treatment,
        assessment=assessment_of(state, assessment.plan, this_round.settings, now, certain=True),
        keys=tuple(key.id for key in state.access_keys() if key.active),
    )
