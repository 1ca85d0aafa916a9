"""Judge every user of a snapshot by the same plan as for events, without asking IAM about any of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mfa_guard.core.account.key_deactivation import NO_DEACTIVATION, KeyDeactivation, key_deactivation
from mfa_guard.core.account.snapshot import Snapshot, state_of
from mfa_guard.core.plan import Standing, UserPlan, plan_for_user
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import Field, ServiceCredential, UserState, noncompliant_since


@dataclass(frozen=True)
class Assessment:
    """One user as the snapshot shows him, and what that demands.

    `certain` is false when the snapshot lacks an answer and the demand rests on the assumption in its place: no
    device, no password, no key in use, no service-specific credential. `assumed` are the questions so answered.
    """

    state: UserState
    plan: UserPlan
    certain: bool
    key_deactivation: KeyDeactivation = NO_DEACTIVATION
    assumed: frozenset[Field] = frozenset()

    @property
    def exempt(self) -> bool:
        """Tell whether a path or a record in force exempts the user."""
        return self.plan.standing is Standing.EXEMPT

    @property
    def noncompliant(self) -> bool:
        """Tell whether the user is not exempt and has no device, as far as the snapshot tells."""
        return not self.exempt and self.state.devices == ()

    @property
    def awaits_decision(self) -> bool:
        """Tell whether this is a active machine user about whom nobody has decided."""
        return self.plan.standing is Standing.ACTIVE_MACHINE

    @property
    def enforced(self) -> bool:
        """Tell whether the enforcement policy reaches the user."""
        return bool(self.state.routes())

    def days_noncompliant(self, now: datetime) -> int:
        """Return for how many whole days the user's tags have called him noncompliant."""
        since = noncompliant_since(self.state.tags, now)
        return 0 if since is None else (now - since).days


@dataclass(frozen=True)
class Counts:
    """How many users stand where. `enforced` counts those whom the policy reaches."""

    users: int
    compliant: int
    noncompliant: int
    exempt: int
    enforced: int
    awaiting: int


def assess(snapshot: Snapshot, settings: Settings, now: datetime) -> tuple[Assessment, ...]:
    """Return a finding for every user of the snapshot, in its order."""
    return tuple(_assess_user(state_of(user, snapshot), settings, now) for user in snapshot.users)


def count(assessments: Iterable[Assessment]) -> Counts:
    """Return how many of the findings stand where."""
    users = tuple(assessments)
    exempt = sum(each.exempt for each in users)
    noncompliant = sum(each.noncompliant for each in users)
    return Counts(
        users=len(users),
        compliant=len(users) - exempt - noncompliant,
        noncompliant=noncompliant,
        exempt=exempt,
        enforced=sum(each.enforced for each in users),
        awaiting=sum(each.awaits_decision for each in users),
    )


def _assess_user(state: UserState, settings: Settings, now: datetime) -> Assessment:
    certain, assumed = True, set[Field]()
    while isinstance(decided := plan_for_user(state, settings, now), Field):
        matters = decided is not Field.SERVICE_CREDENTIALS or _matters(state, settings, now)
        state, certain = replace(state, **_ASSUMED[decided]), certain and not matters  # type: ignore[arg-type]
        assumed.add(decided)
    return replace(assessment_of(state, decided, settings, now, certain=certain), assumed=frozenset(assumed))


def assessment_of(
    state: UserState, decided: UserPlan, settings: Settings, now: datetime, *, certain: bool
) -> Assessment:
    """Return the finding on a user; keys are escalated of those who are marked noncompliant and no machine at work.

    Without an active key there is nothing to escalate; keys that nobody asked for may be active.
    """
    assessment = Assessment(state, decided, certain)
    active = not isinstance(state.keys, tuple) or any(key.active for key in state.keys)
    if assessment.noncompliant and not assessment.awaits_decision and state.tagged_noncompliant(now) and active:
        days = settings.deactivate_keys_after_days if settings.sweeps_write else 0
        return replace(assessment, key_deactivation=key_deactivation(state.tags, days, now))
    return assessment


def _matters(state: UserState, settings: Settings, now: datetime) -> bool:
    """Tell whether a service-specific credential, of which no bulk read tells, would change what is to be done."""
    answers = (
        plan_for_user(replace(state, service_credentials=each), settings, now) for each in ((), (_SOME_CREDENTIAL,))
    )
    return len({answer.actions if isinstance(answer, UserPlan) else answer for answer in answers}) > 1


_SOME_CREDENTIAL: Final = ServiceCredential("a credential", "a service", active=True)

_ASSUMED: Final = {
    Field.DEVICES: {"devices": ()},
    Field.PASSWORD: {"password": False},  # nosec B105 # an answer, not a password
    Field.KEYS: {"keys": ()},
    Field.SERVICE_CREDENTIALS: {"service_credentials": ()},
}
