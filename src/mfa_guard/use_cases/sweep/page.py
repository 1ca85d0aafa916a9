"""Sweep one page of users: assess them, confirm the exemptions of those who need a change, and change them.

A page is done before the next one is read, so no user is changed because of a listing that is older than a page's work.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from typing import Final

from mfa_guard.core.account.assessment import Assessment, assess
from mfa_guard.core.account.key_deactivation import DeactivationStep
from mfa_guard.core.account.snapshot import ListedUser, Snapshot
from mfa_guard.core.account.treatment import Treatment
from mfa_guard.core.errors import AwsRequestFailed, UserGone
from mfa_guard.core.mail.changes import describe_changes, describe_key_step, stops_keys
from mfa_guard.core.metrics import Metric
from mfa_guard.core.plan import Action, decision_of
from mfa_guard.core.sanitize import sanitize
from mfa_guard.core.user import Field
from mfa_guard.core.user_record import NO_RECORD, Decision, ScopeReason
from mfa_guard.use_cases.load import load
from mfa_guard.use_cases.sweep.dependencies import Findings, KeyStep, SweepRound, in_threads
from mfa_guard.use_cases.sweep.treat import Listed, treat

# All ids and actions of 5,000 users, and as JSON less than the 400 KB of an item.
_ROOM_FOR_NOTES: Final = 230_000


def sweep_page(users: Sequence[ListedUser], this_round: SweepRound, findings: Findings) -> None:
    """Do what the state of each of these users requires, and add to `findings`.

    Raises what the exemption table raises: without it, an exempt user could be enforced.
    """
    listed_at = this_round.dependencies.clock.now()
    new = {user.id: user for user in users if user.id not in findings.seen}
    findings.seen.update(new)
    assessments = _assess(tuple(new.values()), this_round)
    chosen = [each for each in assessments if _needs_something(each, this_round)]
    changed = {each.assessment.state.id: each for each in _change(chosen, listed_at, this_round, findings)}
    waiting = {each.state.id for each in chosen} - changed.keys()
    news = []
    for assessment in assessments:
        user_id = assessment.state.id
        treatment = changed.get(user_id) or Treatment(assessment, reached=user_id not in waiting)
        _conclude(treatment, new[user_id], this_round, findings)
        if treatment.reached and not treatment.gone and (decision := _decision(treatment.assessment, this_round)):
            news.append((user_id, decision))
    in_threads(partial(_remember, this_round=this_round), news, this_round.dependencies.workers)


def _assess(users: tuple[ListedUser, ...], this_round: SweepRound) -> tuple[Assessment, ...]:
    snapshot = Snapshot(users, this_round.sources, this_round.exemptions, this_round.records or {})
    return assess(snapshot, this_round.settings, this_round.began)


def _needs_something(assessment: Assessment, this_round: SweepRound) -> bool:
    if not this_round.writes or this_round.reason(assessment) is None:
        return False
    return not assessment.certain or bool(assessment.plan.actions) or _has_key_step(assessment, this_round)


def _has_key_step(assessment: Assessment, this_round: SweepRound) -> bool:
    """Tell whether keys are to be announced or deactivated, which only a sweep that sends its digest does."""
    return this_round.sends_all_news and assessment.key_deactivation.step is not DeactivationStep.NOTHING


def _change(
    chosen: Sequence[Assessment], listed_at: datetime, this_round: SweepRound, findings: Findings
) -> tuple[Treatment, ...]:
    """Return the treatment of the chosen users, as far as there was time, and room in the note."""
    dependencies = this_round.dependencies
    if not chosen or dependencies.clock.now() > this_round.until:
        return ()
    read_at = dependencies.clock.now()
    current = dependencies.exemptions.current([each.state.id for each in chosen], read_at)
    confirmed = [
        replace(each, state=replace(each.state, exemption=current.get(each.state.id)))
        for each in _note(chosen, this_round, findings)
    ]
    return in_threads(
        partial(treat, this_round=this_round), [Listed(each, listed_at) for each in confirmed], dependencies.workers
    )


def _note(chosen: Sequence[Assessment], this_round: SweepRound, findings: Findings) -> list[Assessment]:
    """Save which users this page may change, before anything is changed, and return those that fit into the note.

    Nothing on a changed user shows that a digest has to report the change. If this round ends before its digest is
    sent, the next sweep reports the users in the note.
    """
    noted = findings.noted
    room = _ROOM_FOR_NOTES - sum(len(key) + len(value) for key, value in noted.items())
    fitting = []
    for assessment in chosen:
        # A user whose plan is not certain may turn out to need anything.
        planned = ",".join(assessment.plan.actions if assessment.certain else Action)
        room -= len(assessment.state.id) + len(planned)
        if room < 0:
            break
        noted[assessment.state.id] = planned
        fitting.append(assessment)
    this_round.dependencies.memory.note(noted)
    return fitting


def _conclude(treatment: Treatment, user: ListedUser, this_round: SweepRound, findings: Findings) -> None:
    """Add to the findings what became of one user, and log what was changed."""
    telemetry, tally, user_id = this_round.dependencies.telemetry, findings.tally, user.id
    unreported = this_round.before.unreported.get(user_id, "") if this_round.writes else ""
    if text := describe_changes(treatment, this_round.began, unreported=unreported):
        tally.change(user.name, text)
        telemetry.info("User changed", subject=f"user/{user.name}", actions=text)
    if treatment.failure:
        tally.failure(user.name, treatment.failure)
        telemetry.warning("User not swept", subject=f"user/{user.name}", reason=treatment.failure)
    findings.urgent |= stops_keys(treatment, this_round.began)
    findings.count(Metric.USERS_ENFORCED, int(treatment.result.route is not None))
    findings.count(Metric.USERS_MARKED_NONCOMPLIANT, treatment.tagged.count(Action.MARK))
    findings.count(Metric.USERS_CLEARED, treatment.tagged.count(Action.CLEAR))
    if treatment.gone:
        findings.vanished[user_id] = user
        return
    findings.left += not treatment.reached
    in_scope = this_round.reason(treatment.assessment) is not None
    tally.add(treatment.assessment, in_scope=in_scope, carried_out=this_round.writes and in_scope)
    if treatment.reached and not treatment.failure and this_round.writes:
        _find_key_step(treatment.assessment, this_round, findings)


def _find_key_step(assessment: Assessment, this_round: SweepRound, findings: Findings) -> None:
    """Add the keys to announce or deactivate, as IAM lists them now."""
    if not _has_key_step(assessment, this_round):
        return
    state = assessment.state
    try:
        # The credential report has no ids of keys.
        if not isinstance(state.keys, tuple) or any(key.id.startswith("key ") for key in state.keys):
            state = load(state, Field.KEYS, this_round.dependencies.iam)
    except UserGone:
        return
    except AwsRequestFailed as refused:
        findings.tally.failure(state.name, sanitize(str(refused), 300))
        return
    if keys := tuple(key.id for key in state.access_keys() if key.active):
        findings.key_steps.append(KeyStep(replace(assessment, state=state), keys))
        findings.tally.change(state.name, describe_key_step(assessment, keys))


def _remember(news: tuple[str, Decision], this_round: SweepRound) -> None:
    """Record a decision. When time is up, the next sweep or round does it."""
    if this_round.dependencies.clock.now() <= this_round.until:
        this_round.dependencies.records.remember(*news)


def _decision(assessment: Assessment, this_round: SweepRound) -> Decision | None:
    """Return what to record about a user in scope, or about an active machine user, or None if it is no news."""
    record, reason = this_round.record(assessment.state.id), this_round.reason(assessment)
    in_scope = this_round.writes and reason is not None
    # A failure does not make a user who was enforced a user who never was; only an exempt user is released.
    enforced = (record.enforced and not (in_scope and assessment.exempt)) or (in_scope and assessment.enforced)
    decision = decision_of(
        assessment.state,
        assessment.plan,
        this_round.began,
        enforced=enforced,
        # In Mode all, a user who was never enforced is not brought into scope of Mode events.
        scope=reason if in_scope and (enforced or reason is not ScopeReason.ENFORCED) else None,
    )
    if not (in_scope or decision.qualifies) or this_round.records is None or not record.changed_by(decision):
        return None
    return None if record == NO_RECORD and decision.scope is None and not decision.qualifies else decision


def sweep_late(this_round: SweepRound, findings: Findings) -> None:
    """List the users once more, if a user vanished, and treat those that the first listing lacked or named otherwise.

    A user who is in neither listing is gone: the change is reported, and the user's record ends.
    """
    records = this_round.records or {}
    unseen = {key for key, record in records.items() if key not in findings.seen and not record.expiring}
    vanished = dict(findings.vanished)
    if not unseen and not vanished:
        return
    findings.vanished.clear()
    findings.seen.difference_update(vanished)
    for page in this_round.dependencies.account.users():
        if late := [user for user in page if user.id in unseen or user.id in vanished]:
            sweep_page(late, this_round, findings)
    # A user can be deleted, and still be listed for some seconds. The next sweep knows.
    for user in findings.vanished.values():
        findings.tally.failure(
            user.name, "IAM lists this user, and does not find the user. The next sweep tries again."
        )
    vanished = {user_id: user for user_id, user in vanished.items() if user_id not in findings.seen}
    for user in vanished.values():
        findings.tally.change(user.name, "deleted while the sweep ran")
    for user_id in unseen - findings.seen:
        this_round.dependencies.records.expire(user_id)
    for user_id in vanished.keys() & records.keys():
        this_round.dependencies.records.expire(user_id)
