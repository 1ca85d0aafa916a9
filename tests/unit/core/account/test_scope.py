"""Which users a sweep may change, and since when the mode has not been audit."""

from datetime import timedelta

import pytest

from mfa_guard.core.account.scope import ModeMemory, Scope, remember_mode
from mfa_guard.core.settings import Mode
from mfa_guard.core.user_record import NO_RECORD, ScopeReason, UserRecord
from support.factories import NOW, state

HOUR = timedelta(hours=1)
OUTSIDE = state(attached=False)
EVENTS = Scope(Mode.EVENTS, NOW - HOUR)


class TestModeEvents:
    def test_an_older_user_about_whom_nothing_is_known_is_not_in_scope(self) -> None:
        assert EVENTS.reason(OUTSIDE, NO_RECORD) is None

    @pytest.mark.parametrize("change", [{"attached": True}, {"in_group": True}])
    def test_an_enforced_user_is(self, change: dict[str, bool]) -> None:
        assert EVENTS.reason(state(**{"attached": False, **change}), NO_RECORD) is ScopeReason.ENFORCED

    def test_a_user_who_was_enforced_is(self) -> None:
        assert EVENTS.reason(OUTSIDE, UserRecord(enforced=True)) is ScopeReason.ENFORCED

    @pytest.mark.parametrize("reason", ScopeReason)
    def test_a_user_whom_the_guard_remembers_as_in_scope_is(self, reason: ScopeReason) -> None:
        assert EVENTS.reason(OUTSIDE, UserRecord(in_scope_because=reason)) is reason

    def test_a_remembered_machine_user_is_not(self) -> None:
        assert EVENTS.reason(OUTSIDE, UserRecord(machine_user_at=NOW)) is None

    def test_a_user_created_since_the_mode_left_audit_is(self) -> None:
        created = state(attached=False, created_at=NOW - HOUR)
        assert EVENTS.reason(created, NO_RECORD) is ScopeReason.CREATED
        before = state(attached=False, created_at=NOW - HOUR - timedelta(seconds=1))
        assert EVENTS.reason(before, NO_RECORD) is None


def test_in_mode_all_everyone_is_in_scope() -> None:
    assert Scope(Mode.ALL, None).reason(OUTSIDE, NO_RECORD) is ScopeReason.ENFORCED


def test_in_mode_audit_nobody_is() -> None:
    assert Scope(Mode.AUDIT, NOW - HOUR).reason(state(), UserRecord(enforced=True)) is None


class TestWhenTheModeLeftAudit:
    def after(self, before: ModeMemory, mode: Mode = Mode.EVENTS, age: timedelta | None = 100 * HOUR) -> ModeMemory:
        created = NOW - age if age is not None else None
        return remember_mode(before, mode, NOW, stack_created_at=created, sweep_every=6 * HOUR)

    def test_audit_notes_its_sweeps(self) -> None:
        assert self.after(ModeMemory(), Mode.AUDIT) == ModeMemory(None, NOW)

    @pytest.mark.parametrize("mode", [Mode.EVENTS, Mode.ALL])
    def test_it_left_audit_after_the_last_sweep_in_audit(self, mode: Mode) -> None:
        assert self.after(ModeMemory(None, NOW - HOUR), mode).left_audit_at == NOW - HOUR

    @pytest.mark.parametrize(("age", "left"), [(100 * HOUR, 12 * HOUR), (5 * HOUR, 5 * HOUR), (None, 12 * HOUR)])
    def test_without_a_sweep_in_audit_the_stack_or_two_sweeps_ago_count(
        self, age: timedelta | None, left: timedelta
    ) -> None:
        assert self.after(ModeMemory(), age=age).left_audit_at == NOW - left

    def test_it_never_changes_afterwards(self) -> None:
        first = ModeMemory(NOW - 50 * HOUR, NOW - HOUR)
        assert self.after(first).left_audit_at == NOW - 50 * HOUR
        assert self.after(self.after(first, Mode.AUDIT)).left_audit_at == NOW - 50 * HOUR

    def test_a_time_in_the_future_counts_as_now(self) -> None:
        assert self.after(ModeMemory(NOW.replace(year=2099), None)).left_audit_at == NOW
