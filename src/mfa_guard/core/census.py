"""Judge every user of a snapshot by the same plan as for events, without asking IAM about any of them."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from mfa_guard.core.escalation import NONE, Escalation, escalation
from mfa_guard.core.plan import Demand, Standing, demand
from mfa_guard.core.settings import Settings
from mfa_guard.core.snapshot import Snapshot, hinted
from mfa_guard.core.user import Question, ServiceCredential, UserState, noncompliant_since


@dataclass(frozen=True)
class Finding:
    """One user as the snapshot shows him, and what that demands.

    `certain` is false when the snapshot lacks an answer and the demand rests on the assumption in its place: no
    device, no password, no key in use, no service-specific credential. `assumed` are the questions so answered.
    """

    state: UserState
    demand: Demand
    certain: bool
    escalation: Escalation = NONE
    assumed: frozenset[Question] = frozenset()

    @property
    def exempt(self) -> bool:
        """Tell whether a path or a record in force exempts the user."""
        return self.demand.standing is Standing.EXEMPT

    @property
    def noncompliant(self) -> bool:
        """Tell whether the user is not exempt and has no device, as far as the snapshot tells."""
        return not self.exempt and self.state.devices == ()

    @property
    def awaiting(self) -> bool:
        """Tell whether this is a working machine user about whom nobody has decided."""
        return self.demand.standing is Standing.WORKING_MACHINE

    @property
    def bound(self) -> bool:
        """Tell whether the enforcement policy reaches the user."""
        return bool(self.state.ways())

    def days(self, now: datetime) -> int:
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


def census(snapshot: Snapshot, settings: Settings, now: datetime) -> tuple[Finding, ...]:
    """Return a finding for every user of the snapshot, in its order."""
    return tuple(_finding(hinted(user, snapshot), settings, now) for user in snapshot.users)


def count(findings: Iterable[Finding]) -> Counts:
    """Return how many of the findings stand where."""
    users = tuple(findings)
    exempt = sum(each.exempt for each in users)
    noncompliant = sum(each.noncompliant for each in users)
    return Counts(
        users=len(users),
        compliant=len(users) - exempt - noncompliant,
        noncompliant=noncompliant,
        exempt=exempt,
        enforced=sum(each.bound for each in users),
        awaiting=sum(each.awaiting for each in users),
    )


def _finding(state: UserState, settings: Settings, now: datetime) -> Finding:
    certain, assumed = True, set[Question]()
    while isinstance(decided := demand(state, settings, now), Question):
        matters = decided is not Question.SERVICE_CREDENTIALS or _matters(state, settings, now)
        state, certain = replace(state, **_ASSUMED[decided]), certain and not matters  # type: ignore[arg-type]
        assumed.add(decided)
    return replace(judged(state, decided, settings, now, certain=certain), assumed=frozenset(assumed))


def judged(state: UserState, decided: Demand, settings: Settings, now: datetime, *, certain: bool) -> Finding:
    """Return the finding on a user; keys are escalated of those who are marked noncompliant and no machine at work.

    Without an active key there is nothing to escalate; keys that nobody asked for may be active.
    """
    finding = Finding(state, decided, certain)
    active = not isinstance(state.keys, tuple) or any(key.active for key in state.keys)
    if finding.noncompliant and not finding.awaiting and state.marked(now) and active:
        days = settings.deactivate_keys_after_days if settings.sweeps_write else 0
        return replace(finding, escalation=escalation(state.tags, days, now))
    return finding


def _matters(state: UserState, settings: Settings, now: datetime) -> bool:
    """Tell whether a service-specific credential, of which no bulk read tells, would change what is to be done."""
    answers = (demand(replace(state, service_credentials=each), settings, now) for each in ((), (_SOME_CREDENTIAL,)))
    return len({answer.actions if isinstance(answer, Demand) else answer for answer in answers}) > 1


_SOME_CREDENTIAL: Final = ServiceCredential("a credential", "a service", active=True)

_ASSUMED: Final = {
    Question.DEVICES: {"devices": ()},
    Question.PASSWORD: {"password": False},  # nosec B105 # an answer, not a password
    Question.KEYS: {"keys": ()},
    Question.SERVICE_CREDENTIALS: {"service_credentials": ()},
}
