"""The expected state of every user, independent of what a tool reports."""

import pytest

from benchmarks.population import Observed, User, expected, mismatches, users


def test_566_of_a_thousand_have_no_device() -> None:
    assert sum(not user.device for user in users(1000)) == 566
    assert sum(not user.device for user in users(5000)) == 5 * 566


def test_names_are_different() -> None:
    assert len({user.name for user in users(5000)}) == 5000


@pytest.mark.parametrize(("device", "status"), [(True, None), (False, "noncompliant")])
def test_every_user_is_enforced_and_users_without_a_device_are_tagged(*, device: bool, status: str | None) -> None:
    assert expected(User("alice", device=device, key=False)) == Observed(enforced=True, status=status)


@pytest.mark.parametrize(
    "found",
    [
        Observed(enforced=False, status="noncompliant"),
        Observed(enforced=True, status=None),
        Observed(enforced=True, status="else"),
        None,
    ],
)
def test_a_user_in_another_state_is_a_mismatch(found: Observed | None) -> None:
    population = {name: User(name, device=False, key=False) for name in ("alice", "bob")}
    observed = {name: expected(user) for name, user in population.items()}
    assert mismatches(population, observed) == ()
    changed = {name: state for name, state in {**observed, "bob": found}.items() if state}
    assert mismatches(population, changed) == ("bob",)
