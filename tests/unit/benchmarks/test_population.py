"""Who is right and who is wrong, whatever a tool says of itself."""

import pytest

from benchmarks.population import Found, Person, people, right, wrong


def test_566_of_a_thousand_have_no_device() -> None:
    assert sum(not person.device for person in people(1000)) == 566
    assert sum(not person.device for person in people(5000)) == 5 * 566


def test_names_are_different() -> None:
    assert len({person.name for person in people(5000)}) == 5000


@pytest.mark.parametrize(("device", "status"), [(True, None), (False, "noncompliant")])
def test_everybody_is_bound_and_who_has_no_device_is_tagged(*, device: bool, status: str | None) -> None:
    assert right(Person("alice", device=device, key=False)) == Found(bound=True, status=status)


@pytest.mark.parametrize(
    "found",
    [Found(bound=False, status="noncompliant"), Found(bound=True, status=None), Found(bound=True, status="else"), None],
)
def test_one_user_who_is_otherwise_is_named(found: Found | None) -> None:
    crowd = {name: Person(name, device=False, key=False) for name in ("alice", "bob")}
    seen = {name: right(person) for name, person in crowd.items()}
    assert wrong(crowd, seen) == ()
    assert wrong(crowd, {key: value for key, value in {**seen, "bob": found}.items() if value}) == ("bob",)
