"""Assess every user of a snapshot with the same plan as for events, without a call to IAM."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from mfa_guard.core.account.key_deactivation import NO_DEACTIVATION, KeyDeactivation, key_deactivation
from mfa_guard.core.account.snapshot import Snapshot, state_of
from mfa_guard.core.plan import UserPlan, plan_for_user
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import Field, ServiceCredential, UserState, noncompliant_since
from mfa_guard.core.user_record import Standing


@dataclass(frozen=True)
class Assessment:
    """The verdict about one user: the user's state in the snapshot, and the plan for it.

    `certain` is false if the plan depends on a field that the snapshot lacks. The assumption for such a field is: no
    device, no password, no key, no service-specific credential. `assumed` are the fields that were assumed.
    """

    state: UserState
    plan: UserPlan
    certain: bool
    key_deactivation: KeyDeactivation = NO_DEACTIVATION
    assumed: frozenset[Field] = frozenset()

    @property
    def exempt(self) -> bool:
        """Tell whether the user is exempt, by path or by a record in force."""
        return self.plan.standing is Standing.EXEMPT

    @property
    def noncompliant(self) -> bool:
        """Tell whether the user is not exempt and has no MFA device, as far as the snapshot shows."""
        return not self.exempt and self.state.devices == ()

    @property
    def awaits_decision(self) -> bool:
        """Tell whether this is an active machine user about which an administrator has to decide."""
        return self.plan.standing is Standing.ACTIVE_MACHINE

    @property
    def enforced(self) -> bool:
        """Tell whether the enforcement policy applies to the user."""
        return bool(self.state.routes())

    def days_noncompliant(self, now: datetime) -> int:
        """Return for how many whole days the tags have recorded the user as noncompliant."""
        since = noncompliant_since(self.state.tags, now)
        return 0 if since is None else (now - since).days


@dataclass
class Counts:
    """How many users there are of each kind. `enforced` counts the users under the enforcement policy."""

    users: int = 0
    compliant: int = 0
    noncompliant: int = 0
    exempt: int = 0
    enforced: int = 0
    awaiting_decision: int = 0

    def add(self, assessment: Assessment) -> None:
        """Count one more user."""
        self.users += 1
        self.exempt += assessment.exempt
        self.noncompliant += assessment.noncompliant
        self.compliant += not assessment.exempt and not assessment.noncompliant
        self.enforced += assessment.enforced
        self.awaiting_decision += assessment.awaits_decision


def count(assessments: Iterable[Assessment]) -> Counts:
    """Count the assessments of each kind."""
    counts = Counts()
    for assessment in assessments:
        counts.add(assessment)
    return counts


def assess(snapshot: Snapshot, settings: Settings, now: datetime) -> tuple[Assessment, ...]:
    """Return the assessment of every user, in the snapshot's order."""
    return tuple(_assess_user(state_of(user, snapshot), settings, now) for user in snapshot.users)


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
    """Return the assessment of a user whose plan is `decided`.

    Keys are deactivated only of users who are tagged noncompliant, are no active machine users, and have an active
    key. Keys that are not loaded may be active.
    """
    assessment = Assessment(state, decided, certain)
    active = not isinstance(state.keys, tuple) or any(key.active for key in state.keys)
    if assessment.noncompliant and not assessment.awaits_decision and state.tagged_noncompliant(now) and active:
        return replace(assessment, key_deactivation=key_deactivation(state.tags, settings.deactivation_days, now))
    return assessment


def _matters(state: UserState, settings: Settings, now: datetime) -> bool:
    """Tell whether a service-specific credential, which no bulk read shows, would change the planned actions."""
    plans = (
        plan_for_user(replace(state, service_credentials=each), settings, now) for each in ((), (_SOME_CREDENTIAL,))
    )
    return len({plan.actions if isinstance(plan, UserPlan) else plan for plan in plans}) > 1


_SOME_CREDENTIAL: Final = ServiceCredential(
    "a credential", "a service", active=True, created_at=datetime.min.replace(tzinfo=UTC)
)

_ASSUMED: Final = {
    Field.DEVICES: {"devices": ()},
    Field.PASSWORD: {"password": False},  # nosec B105 # a field, not a password
    Field.KEYS: {"keys": ()},
    Field.SERVICE_CREDENTIALS: {"service_credentials": ()},
}
