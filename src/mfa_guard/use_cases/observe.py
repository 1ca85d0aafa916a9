"""Observe one user because of an event: read what the plan asks for, and do not let a stale read deny the event.

IAM is eventually consistent in both directions. What the event announces may be missing from a list, and what the event
removed may still be listed.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final

from mfa_guard.core.boundary import keeps_from_enrolling
from mfa_guard.core.cloudtrail import PASSWORD, Trigger, UserEvent, text_at
from mfa_guard.core.errors import NotVisibleYet
from mfa_guard.core.exemption import MalformedExemption
from mfa_guard.core.plan import EventContext, EventPlan, plan_for_event
from mfa_guard.core.settings import Settings
from mfa_guard.core.user import FIELD_OF_ROUTE, SAME_MOMENT, Field, UserState, without_stale_device
from mfa_guard.ports import Clock, Iam, Telemetry, UserLookup, UserRecords
from mfa_guard.use_cases.find_user import Sought, find_user
from mfa_guard.use_cases.load import FROM_IAM, Update, side_by_side
from mfa_guard.use_cases.patience import Patience


@dataclass(frozen=True)
class Observer:
    """Reads the state of one user. With more than one worker, reads that do not depend on each other run side by side.

    Every read raises what the port raises.
    """

    event: UserEvent
    settings: Settings
    iam: Iam
    lookup: UserLookup
    records: UserRecords
    telemetry: Telemetry
    clock: Clock
    patience: Patience
    workers: int

    def plan(self, state: UserState) -> tuple[UserState, EventPlan]:
        """Return the plan for the user, and the state with the fields that the plan needed.

        Raises NotVisibleYet when IAM does not show the device that a young event proves.
        """
        context = EventContext.of(self.event)
        state = self._read_first(self._with_current_boundary(state))
        while isinstance(plan := plan_for_event(state, context, self.settings, self.clock.now()), Field):
            state = self._settle(plan, self._read(plan, state)(state))
        return state, plan

    def _read_first(self, state: UserState) -> UserState:
        """Read side by side what the plan is going to ask for."""
        if self.settings.exempt_path(state.path):
            return state
        route = FIELD_OF_ROUTE[self.settings.enforce_through]
        fields = _FIRST.get(self.event.trigger, (Field.RECORD, route, Field.DEVICES))
        reads = [self._reader(field, state) for field in fields]
        for update in side_by_side(reads, self.workers):
            state = update(state)
        for field in fields:
            state = self._settle(field, state)
        return state

    def _reader(self, field: Field, state: UserState) -> Callable[[], Update]:
        return lambda: self._read(field, state)

    def _read(self, field: Field, state: UserState) -> Update:
        if field in {Field.EXEMPTION, Field.RECORD}:
            return self._read_record(state)
        if field is Field.BOUNDARY:
            return self._read_boundary(state)
        return FROM_IAM[field](state.name, self.iam)

    def _read_record(self, state: UserState) -> Update:
        record, exemption = self.records.read(state.id, self.clock.now())
        if isinstance(exemption, MalformedExemption):
            self.telemetry.warning("Exemption does not count", problem=exemption.problem)
        return lambda state: replace(state, record=record, exemption=exemption)

    def _read_boundary(self, state: UserState) -> Update:
        document = self.lookup.policy_document(state.boundary) if state.boundary else None
        blocks = document is not None and keeps_from_enrolling(document, state, self.settings)
        return lambda state: replace(state, boundary_blocks=blocks)

    def _settle(self, field: Field, state: UserState) -> UserState:
        """Return the state once IAM shows what the event announces in this field, or once the patience ends."""
        if field not in _LACKS:
            return state
        while _LACKS[field](state, self.event) and self.patience.wait():
            state = self._read(field, state)(state)
        return self._corrected(field, state)

    def _corrected(self, field: Field, state: UserState) -> UserState:
        event = self.event
        if field is Field.DEVICES and event.trigger is Trigger.DEVICE_REMOVED:
            return replace(state, devices=without_stale_device(state.mfa_devices(), event.device, event.record.time))
        if field is Field.DEVICES and _lacks_device(state, event) and self.patience.is_young():
            # The user must not be reported as a user without a device.
            raise NotVisibleYet(f"IAM does not show the MFA device of {state.name} yet; it was enabled moments ago.")
        if field is Field.PASSWORD and event.trigger is Trigger.PASSWORD_REMOVED and self.patience.is_young():
            return replace(state, password=False)
        return state

    def _with_current_boundary(self, state: UserState) -> UserState:
        """Return the state with the boundary that the event sets or removes, as soon as IAM shows it."""
        if self.event.record.name == "DeleteUserPermissionsBoundary":
            return replace(state, boundary=None)
        if self.event.record.name != "PutUserPermissionsBoundary":
            return state
        wanted = text_at(self.event.record.request, "permissionsBoundary")
        while state.boundary != wanted and self.patience.wait():
            state = find_user(Sought(state.name, state.id), self.iam, self.lookup, self.patience) or state
        return state


# What the plan is going to ask for first. The other triggers begin with the record, the configured route, and the
# devices: for an enforced user with a device, nothing else is read.
_FIRST: Final[Mapping[Trigger, tuple[Field, ...]]] = {
    Trigger.NEW_USER: (Field.RECORD, Field.DEVICES, Field.PASSWORD, Field.KEYS),
    Trigger.ENFORCEMENT_REMOVED: (Field.RECORD, Field.DEVICES),
}


def _lacks_device(state: UserState, event: UserEvent) -> bool:
    if event.trigger is not Trigger.DEVICE_ENABLED or event.device is None:
        return False
    # IAM may list a passkey with another serial number than the event has, so the moment counts too.
    since = event.record.time - SAME_MOMENT
    return not any(each.serial == event.device or each.enabled_at >= since for each in state.mfa_devices())


def _lacks_password(state: UserState, event: UserEvent) -> bool:
    return event.announced == PASSWORD and not state.has_password()


def _lacks_key(state: UserState, event: UserEvent) -> bool:
    if event.announced is None or event.announced != event.key_id:
        return False
    return event.announced not in {key.id for key in state.access_keys() if key.active}


def _lacks_service_credential(state: UserState, event: UserEvent) -> bool:
    if event.announced is None or not event.record.name.endswith("ServiceSpecificCredential"):
        return False
    return event.announced not in {each.id for each in state.all_service_credentials() if each.active}


# Whether a field lacks what the event announces.
_LACKS: Final[Mapping[Field, Callable[[UserState, UserEvent], bool]]] = {
    Field.DEVICES: _lacks_device,
    Field.PASSWORD: _lacks_password,
    Field.KEYS: _lacks_key,
    Field.SERVICE_CREDENTIALS: _lacks_service_credential,
}
