"""A page of users: a user who is changed is the one who was listed, not exempt at this moment, and in scope."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from mfa_guard.core.account.scope import ModeMemory
from mfa_guard.core.errors import AwsRequestFailed
from mfa_guard.core.settings import Mode
from mfa_guard.core.user import STATUS_TAG
from mfa_guard.core.user_record import ScopeReason, Standing, UserRecord
from support.factories import MARKED, NOW, exemption, key, settings
from support.fakes import FakeAccount, FakeUser
from support.sweeps import ALL, ASKED, compliant_user, digest, iam_calls, lines, run, user

EVENTS = settings()
HOUR = timedelta(hours=1)


def when(account: FakeAccount, call: str, change: Callable[[], object]) -> None:
    """Make `change` once, before the first call with this name."""
    enter = account.calls.enter
    waiting = [change]

    def watched(name: str) -> None:
        if name == call and waiting:
            waiting.pop()()
        enter(name)

    account.calls.enter = watched  # type: ignore[method-assign]


def rename(account: FakeAccount, old: str, new: str) -> None:
    renamed = account.iam.users.pop(old)
    renamed.name = new
    account.iam.users[new] = renamed


def replace_user(account: FakeAccount, name: str, **changes: object) -> FakeUser:
    """Delete a user and create another one of the same name."""
    new = FakeUser(name=name, id="AIDANEW", **changes)  # type: ignore[arg-type]
    account.iam.users[name] = new
    return new


class TestTheExemptionIsCurrent:
    """Scenario 7: a sweep's list of exemptions is as old as the sweep."""

    def test_a_user_who_was_just_exempted_is_not_enforced(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        account.exemption_list.late = {"AIDAANN": None}
        run(account)
        assert not account.iam.users["ann"].attached
        assert account.iam.users["ann"].tags == {}

    def test_a_user_whose_exemption_just_ended_is_not_released(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.exemption_list.late = {"AIDAANN": exemption("AIDAANN")}
        run(account)
        assert account.iam.users["ann"].attached

    def test_a_release_reads_the_exemption_once_more(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        when(account, "memory.note", account.exemptions.records.clear)
        run(account)
        assert account.iam.users["ann"].attached

    def test_without_the_exemption_table_nothing_is_changed(self) -> None:
        account = FakeAccount(user("ann", password=True))

        def refused(*_: object) -> None:
            raise AwsRequestFailed("Throttling: no")

        account.exemption_list.current = refused  # type: ignore[method-assign, assignment]
        with pytest.raises(AwsRequestFailed):
            run(account)
        assert iam_calls(account) == []


class TestTheUserIsTheOneWhoWasListed:
    """Scenario 7: names are reused and changed while a sweep works."""

    def test_a_page_that_is_a_minute_old_takes_a_look_at_the_id_first(self) -> None:
        account = FakeAccount(*(user(f"u{number}", password=True) for number in range(8)))
        account.calls.meanwhile = lambda: account.clock.sleep(5)
        run(account)
        assert 0 < len(account.calls.of("iam.user")) < 8
        assert all(each.attached and STATUS_TAG in each.tags for each in account.iam.users.values())

    def test_a_new_user_of_the_same_name_is_not_touched_after_a_minute(self) -> None:
        account = FakeAccount(user("ann", password=True))

        def late() -> None:
            account.clock.sleep(61)
            replace_user(account, "ann")

        when(account, "memory.note", late)
        run(account)
        assert not account.iam.users["ann"].attached
        assert lines(account, "changes")["ann"] == " deleted while the sweep ran"

    def test_a_new_user_of_the_same_name_is_never_released(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        when(account, "memory.note", lambda: replace_user(account, "ann", attached=True))
        run(account)
        assert account.iam.users["ann"].attached

    def test_a_release_of_another_user_is_reported(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        when(account, "iam.detach", lambda: replace_user(account, "ann", attached=True))
        run(account)
        assert "another user got this name" in lines(account, "failures")["ann"]

    def test_a_release_after_which_iam_does_not_answer_is_reported_as_both(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        refusal = AwsRequestFailed("Throttling: no")
        when(account, "iam.detach", lambda: account.iam.refusing.update({("user", "ann"): refusal}))
        run(account)
        assert lines(account, "changes")["ann"] == " released because exempt"
        assert "not checked afterwards" in lines(account, "failures")["ann"]

    def test_a_user_who_is_deleted_after_the_release_is_released(self) -> None:
        account = FakeAccount(compliant_user("ann", in_group=True))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        when(account, "iam.remove_from_group", lambda: None)
        remove = account.iam.remove_from_group

        def last(name: str) -> None:
            remove(name)
            del account.iam.users[name]

        account.iam.remove_from_group = last  # type: ignore[method-assign]
        run(account)
        assert lines(account, "changes")["ann"] == " released because exempt"
        assert lines(account, "failures") == {}

    @pytest.mark.parametrize("call", ["iam.devices", "iam.attach", "iam.mark"])
    def test_a_renamed_user_is_treated_under_the_new_name(self, call: str) -> None:
        account = FakeAccount(user("ann", password=True))
        when(account, call, lambda: rename(account, "ann", "anna"))
        run(account)
        assert account.iam.users["anna"].attached
        assert STATUS_TAG in account.iam.users["anna"].tags
        assert "deleted" not in str(digest(account)["sections"]["changes"]["lines"])

    def test_a_user_whom_the_first_listing_lacks_is_found_by_the_second(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.records.items["AIDAANN"] = UserRecord(enforced=True, name="ann")
        account.account.stale = {"AIDAANN": None}
        run(account)
        assert account.iam.users["ann"].attached
        assert not account.records.items["AIDAANN"].expiring


class TestRecords:
    def test_every_enforced_user_gets_a_record_once(self) -> None:
        account = FakeAccount(
            compliant_user("ann"),
            user("bob", password=True),
            compliant_user("exempt", attached=False),
            user("ci", keys=[key()], tags=dict(MARKED)),
        )
        account.exemptions.records["AIDAEXEMPT"] = exemption("AIDAEXEMPT")
        run(account)
        assert {key: (each.enforced, each.in_scope_because) for key, each in account.records.items.items()} == {
            "AIDAANN": (True, ScopeReason.ENFORCED),
            "AIDABOB": (True, ScopeReason.ENFORCED),
            # Not in scope of Mode events, but a machine user whose rotated key counts.
            "AIDACI": (False, None),
        }
        assert account.records.items["AIDACI"].machine_user_at == NOW
        account.calls.made.clear()
        account.clock.sleep(3600)
        run(account)
        assert account.calls.of("records.") == ["records.all"]

    def test_a_failure_does_not_forget_that_the_user_was_enforced(self) -> None:
        """Scenario 5: otherwise the next sweep takes a person whose password is gone for an active machine user."""
        account = FakeAccount(user("ann", keys=[key()], policies_left=0, groups_left=0))
        account.records.items["AIDAANN"] = UserRecord(enforced=True, name="ann")
        run(account)
        assert not account.iam.users["ann"].attached
        assert account.records.items["AIDAANN"].enforced
        account.iam.users["ann"].policies_left = 5
        account.clock.sleep(3600)
        run(account)
        assert account.iam.users["ann"].attached

    def test_a_released_user_is_no_longer_recorded_as_enforced(self) -> None:
        account = FakeAccount(compliant_user("ann"))
        run(account)
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        run(account)
        record = account.records.items["AIDAANN"]
        assert (record.enforced, record.standing, record.in_scope_because) == (
            False,
            Standing.EXEMPT,
            ScopeReason.ENFORCED,
        )

    def test_the_record_of_a_deleted_user_expires_after_a_second_listing(self) -> None:
        account = FakeAccount(compliant_user("ann"), compliant_user("bob"))
        run(account)
        del account.iam.users["bob"]
        account.calls.made.clear()
        run(account)
        assert account.records.items["AIDABOB"].expiring
        assert not account.records.items["AIDAANN"].expiring
        assert len(account.calls.of("account.users")) == 2
        account.calls.made.clear()
        run(account)
        assert len(account.calls.of("account.users")) == 1
        assert account.calls.of("records.expire") == []

    def test_the_record_of_a_user_who_is_deleted_during_the_sweep_expires(self) -> None:
        account = FakeAccount(user("ann", password=True))
        account.records.items["AIDAANN"] = UserRecord(enforced=True, name="ann")
        when(account, "iam.devices", account.iam.users.clear)
        run(account)
        assert account.records.items["AIDAANN"].expiring
        assert lines(account, "changes")["ann"] == " deleted while the sweep ran"

    def test_without_the_state_table_users_are_still_enforced_and_the_digest_says_what_is_missing(self) -> None:
        account = FakeAccount(compliant_user("ann"), user("bob", password=True))
        account.memory.reachable = account.records.reachable = False

        def refused() -> None:
            raise AwsRequestFailed("EndpointConnectionError: down")

        account.records.all = refused  # type: ignore[method-assign, assignment]
        run(account)
        assert account.iam.users["bob"].attached
        assert "EndpointConnectionError: down" in digest(account)["report_problem"]
        assert account.calls.of("records.remember") == []


class TestModeEvents:
    """A lost event, a dead letter, a stale read and a rename are repaired by the next sweep at the latest."""

    def account(self, *users: FakeUser, **record: object) -> FakeAccount:
        account = FakeAccount(*users)
        account.memory.mode = ModeMemory(NOW - HOUR, None)
        if record:
            account.records.items["AIDAANN"] = UserRecord(name="ann", **record)  # type: ignore[arg-type]
        return account

    def test_an_older_user_about_whom_nothing_is_known_is_only_reported(self) -> None:
        account = self.account(user("ann", password=True))
        run(account, EVENTS)
        assert iam_calls(account) == []
        assert "would be enforced" in str(lines(account, "planned"))
        assert account.calls.of("records.") == ["records.all"]
        assert digest(account)["in_scope"] == 0

    def test_a_user_whose_creation_was_lost_is_enforced(self) -> None:
        account = self.account(user("ann", password=True, created_at=NOW - HOUR))
        run(account, EVENTS)
        assert account.iam.users["ann"].attached
        assert STATUS_TAG in account.iam.users["ann"].tags
        assert account.records.items["AIDAANN"].in_scope_because is ScopeReason.CREATED

    def test_a_user_whom_an_event_brought_in_is_enforced(self) -> None:
        account = self.account(user("ann", password=True), in_scope_because=ScopeReason.EVENT)
        run(account, EVENTS)
        assert account.iam.users["ann"].attached

    def test_a_lost_detach_is_repaired_even_of_an_active_machine_user(self) -> None:
        account = self.account(user("ann", keys=[key()], attached=True))
        run(account, EVENTS)
        account.iam.users["ann"].attached = False
        run(account, EVENTS)
        assert account.iam.users["ann"].attached
        assert "AKIAEXAMPLE1" in lines(account, "changes")["ann"]

    def test_a_device_that_was_not_listed_yet_clears_the_tags(self) -> None:
        account = self.account(compliant_user("ann", tags=dict(MARKED)))
        run(account, EVENTS)
        assert account.iam.users["ann"].tags == {}

    def test_an_exempt_user_who_is_enforced_is_released(self) -> None:
        account = self.account(compliant_user("ann"))
        account.exemptions.records["AIDAANN"] = exemption("AIDAANN")
        run(account, EVENTS)
        assert not account.iam.users["ann"].attached

    def test_the_first_sweep_out_of_audit_brings_in_who_was_created_since_the_last_one_in_audit(self) -> None:
        account = FakeAccount(user("old", password=True), user("new", password=True, created_at=NOW + HOUR))
        run(account, settings(mode=Mode.AUDIT))
        assert iam_calls(account) == []
        account.clock.sleep(2 * 3600)
        run(account, EVENTS, replace(ASKED, id="2", sweep="2"))
        assert (account.iam.users["old"].attached, account.iam.users["new"].attached) == (False, True)
        assert account.memory.mode.left_audit_at == NOW

    def test_when_the_age_of_the_stack_is_unknown_two_intervals_count(self) -> None:
        account = FakeAccount(user("new", password=True, created_at=NOW - HOUR))
        account.stack.refusal = AwsRequestFailed("AccessDenied: no")
        run(account, EVENTS)
        assert account.iam.users["new"].attached
        assert account.memory.mode.left_audit_at == NOW - 2 * HOUR

    def test_keys_are_not_deactivated(self) -> None:
        late = {**MARKED, "mfa-guard:since": "2025-01-01T00:00:00Z", "mfa-guard:warned": "2025-02-01T00:00:00Z"}
        account = self.account(user("ann", password=True, attached=True, keys=[key()], tags=late))
        run(account, replace(EVENTS, deactivate_keys_after_days=30))
        assert account.iam.users["ann"].keys[0].active


def test_a_user_who_is_on_two_pages_counts_once() -> None:
    account = FakeAccount(compliant_user("ann"), compliant_user("bob"))
    account.account.page = 1
    pages = account.account.users

    def moved() -> object:
        for page in pages():
            yield page
            yield page

    account.account.users = moved  # type: ignore[method-assign, assignment]
    assert run(account, ALL).users == 2
