"""Which users a sweep may change, by the stack's Mode and what the guard remembers about each user."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mfa_guard.core.settings import Mode
from mfa_guard.core.user import UserState
from mfa_guard.core.user_record import ScopeReason, UserRecord


@dataclass(frozen=True)
class ModeMemory:
    """What sweeps remember about the stack's Mode.

    `left_audit_at` is when the mode first left audit, and never changes once it is known. `last_audit_sweep` is when a
    sweep last ran while the mode was audit.
    """

    left_audit_at: datetime | None = None
    last_audit_sweep: datetime | None = None


def remember_mode(
    before: ModeMemory, mode: Mode, now: datetime, *, stack_created_at: datetime | None, sweep_every: timedelta
) -> ModeMemory:
    """Return the memory of the mode after a sweep at `now`.

    The mode left audit at some time after the last sweep in audit. If there was no such sweep, the stack was created
    without audit, or less than two sweeps ago. A time in the future counts as `now`.
    """
    if mode is Mode.AUDIT:
        return ModeMemory(before.left_audit_at, now)
    left = before.left_audit_at or before.last_audit_sweep
    if left is None:
        left = now - 2 * sweep_every
        left = max(left, stack_created_at) if stack_created_at else left
    return ModeMemory(min(left, now), before.last_audit_sweep)


@dataclass(frozen=True)
class Scope:
    """The users that a sweep may change. `left_audit_at` is when the mode first left audit."""

    mode: Mode
    left_audit_at: datetime | None

    def reason(self, state: UserState, record: UserRecord) -> ScopeReason | None:
        """Return why the user is in scope, or None if the user is only reported.

        In Mode events: users who are or were enforced, users brought in by an event, and users who were created since
        the mode first left audit. In Mode all: everyone.
        """
        if self.mode is Mode.AUDIT:
            return None
        if record.in_scope_because:
            return record.in_scope_because
        if self.left_audit_at and state.created_at >= self.left_audit_at:
            return ScopeReason.CREATED
        return ScopeReason.ENFORCED if state.routes() or record.enforced or self.mode is Mode.ALL else None
